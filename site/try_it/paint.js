// Paints label maps and maps of scores onto canvases.

import { VOID } from "./maps.js";

const WHITE = [255, 255, 255];
const PURPLE = [84, 39, 136];
const ORANGE = [179, 88, 6];

// One pattern for each class, so that no class is told by its color alone.
const PATTERNS = [
  (x, y) => y % 8 < 2,
  (x, y) => x % 6 < 2 && y % 6 < 2,
  (x, y) => (x + y) % 8 < 2,
  (x, y) => x % 6 < 2,
  (x, y) => (x + y) % 10 < 2 || (x - y + 1000) % 10 < 2,
];

// Paint labels in the colors of their classes; void is white.
export function paintLabels(canvas, { labels, width }, colors, options = {}) {
  fill(canvas, labels.length / width, width, (x, y) => {
    const label = labels[y * width + x];
    if (label === VOID) return WHITE;
    const marked = options.patterns && PATTERNS[label](x, y);
    const color = marked ? contrast(colors[label]) : colors[label];
    return label === options.clear ? [0, 0, 0, 0] : color;
  });
}

// Paint the scores of one class: purple above zero, orange below, white at zero.
export function paintScores(canvas, map, label, highest) {
  fill(canvas, map.height, map.width, (x, y) => {
    const score = map.values[(y * map.width + x) * map.classes + label] / highest;
    return mix(WHITE, score > 0 ? PURPLE : ORANGE, Math.abs(score));
  });
}

// Return the largest magnitude that the scores of one class have in some maps.
export function largest(maps, label) {
  let highest = Number.MIN_VALUE;
  for (const { values, classes } of maps) {
    for (let i = label; i < values.length; i += classes) {
      highest = Math.max(highest, Math.abs(values[i]));
    }
  }
  return highest;
}

// Paint a small sample of a class, as the label map shows it.
export function paintSwatch(canvas, label, colors, patterns) {
  const labels = new Uint8Array(canvas.width * canvas.height).fill(label);
  paintLabels(canvas, { labels, width: canvas.width }, colors, { patterns });
}

function fill(canvas, height, width, colorAt) {
  Object.assign(canvas, { height, width });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const [red, green, blue, alpha = 255] = colorAt(i % width, Math.floor(i / width));
    pixels.data.set([red, green, blue, alpha], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}

// Return a color that stands out from another one.
function contrast(color) {
  const dark = color[0] + color[1] + color[2] < 150;
  return mix(color, dark ? WHITE : [0, 0, 0], 0.45);
}

function mix(color, other, share) {
  return color.map((value, i) => value + share * (other[i] - value));
}
