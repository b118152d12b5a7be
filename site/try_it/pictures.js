// Turns files, scenes and the camera's view into pictures that the page can hold.

import { resize } from "./resize.js";

// Pictures are kept for showing with no side longer than this.
const LONGEST = 1280;

// Return a picture, or fail with a sentence that says why there is none.
export async function fromFile(file) {
  const address = URL.createObjectURL(file);
  try {
    return keep(await readImage(address));
  } catch {
    const name = file.name || "What you brought";
    throw new Error(
      `${name} is no picture that this browser can read: choose PNG, JPEG or WebP.`,
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

// Return a drawn scene with its truth: labels, and the names of their classes.
export async function fromScene(number, folder, classes) {
  const names = [`${number}.png`, `${number}_labels.png`];
  const [image, labels] = await Promise.all(
    names.map((name) => readImage(`${folder}scenes/${name}`)),
  );
  const numbers = readColors(draw(labels, 1)).filter((_, i) => i % 3 === 0);
  return { ...keep(image), truth: { labels: numbers, classes } };
}

// Return what the camera shows now.
export function fromCamera(video) {
  return keep(video);
}

// Shrink or enlarge a picture until it fits into (height, width); return its colors.
export function fit({ copy }, [highest, widest]) {
  const scale = Math.min(highest / copy.height, widest / copy.width);
  const height = Math.max(1, Math.round(copy.height * scale));
  const width = Math.max(1, Math.round(copy.width * scale));
  const values = resize(readColors(copy), [copy.height, copy.width], [height, width]);
  return { height, width, values };
}

// Return the red, green and blue of a canvas, from 0 to 255.
function readColors(canvas) {
  const { height, width } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const colors = new Float32Array((data.length / 4) * 3);
  for (let i = 0; i < colors.length; i++) {
    colors[i] = data[Math.floor(i / 3) * 4 + (i % 3)];
  }
  return colors;
}

function readImage(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    const error = new Error("A picture did not arrive: load the page again.");
    const fail = () => reject(error);
    image.onload = () => (image.naturalWidth ? resolve(image) : fail());
    image.onerror = fail;
    image.src = address;
  });
}

// Keep a copy that is cheap to show, and the size that the picture had.
function keep(source) {
  const [height, width] = sides(source);
  const copy = draw(source, Math.min(1, LONGEST / Math.max(height, width)));
  return { copy, height, width, truth: null };
}

function sides(source) {
  return [
    source.naturalHeight || source.videoHeight || source.height,
    source.naturalWidth || source.videoWidth || source.width,
  ];
}

function draw(source, scale) {
  const [height, width] = sides(source);
  const canvas = document.createElement("canvas");
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.width = Math.max(1, Math.round(width * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white"; // under what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}
