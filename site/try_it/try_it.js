// The page: takes pictures, asks a network, and shows what it says.

import { load, run } from "./network.js";
import { fit, fromCamera, fromFile, fromScene } from "./pictures.js";
import { listen, show } from "./show.js";

const HERE = new URL(".", import.meta.url).href;
const find = (name) => document.getElementById(name);
const say = (text) => (find("message").textContent = text);
const { networks, scenes } = await (await fetch(`${HERE}content.json`)).json();
// The last picture, for when the reader chooses the other network.
let picture = null;
let requests = 0;

// Segment a promised picture; of several requests, only the last is shown.
async function take(promise) {
  const request = ++requests;
  const isOld = () => request !== requests;
  try {
    const taken = await promise;
    if (!isOld()) await segment((picture = taken), chosenNetwork(), isOld);
  } catch (error) {
    if (!isOld()) say(error.message);
  }
}

async function segment(picture, network, isOld) {
  say(`Loading ${network.name}, ${network.megabytes.toFixed(0)} MB at its first use.`);
  await load(network.name);
  if (isOld()) return;
  say("Labeling the picture.");
  const small = fit(picture, network.workingSize);
  const result = await run(network.name, small);
  if (isOld()) return;
  const labels = show(network, picture, result);
  const seconds = result.seconds.toFixed(2);
  say(`${describeSize(picture, small)} Labeled in ${seconds} s: ${labels}.`);
}

function describeSize({ height, width }, small) {
  if (small.height === height && small.width === width) {
    return `The picture has ${width} × ${height} pixels.`;
  }
  const change = small.width < width ? "shrunk" : "enlarged";
  return (
    `The picture of ${width} × ${height} pixels was ${change} to ` +
    `${small.width} × ${small.height} for the network.`
  );
}

function chosenNetwork() {
  const { value } = document.querySelector("#networks input:checked");
  return networks.find(({ name }) => name === value);
}

function offerNetworks() {
  networks.forEach(({ name, classes }, i) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "network", value: name });
    input.checked = i === 0;
    label.append(input, ` ${name}: ${classes.join(", ")}`);
    find("networks").append(label);
  });
  find("networks").addEventListener("change", () => picture && take(picture));
}

// ---- Files

function takeFile(event, source) {
  if (source.files.length) {
    event.preventDefault();
    take(fromFile(source.files[0]));
  }
}

function offerFiles() {
  find("file").addEventListener("change", (event) => takeFile(event, event.target));
  document.addEventListener("paste", (event) => takeFile(event, event.clipboardData));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => takeFile(event, event.dataTransfer));
}

// ---- Drawn scenes

function openScene(step) {
  const input = find("scene");
  const number = Math.round(Number(input.value)) + step;
  // Behind the last scene comes the first one.
  input.value = number < 1 || number > scenes.count ? 1 : number;
  take(fromScene(input.value, HERE, scenes.classes));
}

function offerScenes() {
  find("last").textContent = find("scene").max = scenes.count;
  find("open").addEventListener("click", () => openScene(0));
  find("next").addEventListener("click", () => openScene(1));
  find("scene").addEventListener("keydown", ({ key }) => {
    if (key === "Enter") openScene(0);
  });
}

// ---- The camera

async function startCamera() {
  const video = find("viewfinder").querySelector("video");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    await video.play();
  } catch {
    say("There is no camera, or this page may not use it: allow it, or choose a file.");
    return;
  }
  find("viewfinder").hidden = false;
  find("shoot").focus();
}

function stopCamera() {
  const video = find("viewfinder").querySelector("video");
  video.srcObject.getTracks().forEach((track) => track.stop());
  find("viewfinder").hidden = true;
  find("camera").focus();
}

function shoot() {
  take(fromCamera(find("viewfinder").querySelector("video")));
  stopCamera();
}

function offerCamera() {
  find("camera").addEventListener("click", startCamera);
  find("shoot").addEventListener("click", shoot);
  find("stop").addEventListener("click", stopCamera);
}

offerNetworks();
offerFiles();
offerScenes();
offerCamera();
listen();
find("try-it").hidden = false;
say("Ready. Bring a picture, or open a drawn scene.");
