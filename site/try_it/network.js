// Loads a network once and runs it on pictures, in one thread beside the page's own.

import * as ort from "./ort.wasm.min.mjs";

const HERE = new URL(".", import.meta.url).href;
const BRANCHES = ["score_fr", "score_pool4", "score_pool3"];
const sessions = new Map();

// A static host sets no headers that would allow more threads than one.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = HERE;
ort.env.wasm.proxy = true;

// Return a network that is ready to run; a failed start can be tried again.
export async function load(name) {
  if (!sessions.has(name)) {
    sessions.set(name, start(name));
    sessions.get(name).catch(() => sessions.delete(name));
  }
  return sessions.get(name);
}

async function start(name) {
  const options = { executionProviders: ["wasm"] };
  try {
    return await ort.InferenceSession.create(`${HERE}${name}.onnx`, options);
  } catch (error) {
    const advice = `could not be started: load the page again. (${error.message})`;
    throw new Error(`${name} ${advice}`);
  }
}

// Run a network on the colors of a picture; return its logits, the scores of its
// branches, and the time that it took.
export async function run(name, picture) {
  const session = await load(name);
  const shape = [1, picture.height, picture.width, 3];
  const images = new ort.Tensor("float32", picture.values, shape);
  const started = performance.now();
  const outputs = await session.run({ images });
  const seconds = (performance.now() - started) / 1000;
  return {
    logits: toMap(outputs.logits),
    branches: BRANCHES.map((branch) => toMap(outputs[branch])),
    seconds,
  };
}

function toMap(tensor) {
  const [, height, width, classes] = tensor.dims;
  return { height, width, classes, values: tensor.data };
}
