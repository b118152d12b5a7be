// Arithmetic on maps of scores: {height, width, classes, values}, where the values of
// one position, a score for each class, lie next to each other.

export const VOID = 255;

// Where a position of an enlarged side falls between two of the small one. Beyond the
// border, the transposed convolution meets zeros.
function neighbors(position, factor, length) {
  const place = (position + 0.5) / factor - 0.5;
  const first = Math.floor(place);
  return [
    [first, 1 - (place - first)],
    [first + 1, place - first],
  ].filter(([index]) => index >= 0 && index < length);
}

// Enlarge bilinearly, as the network's deconvolutions do, and cut to a size.
export function enlarge(map, factor, height, width) {
  const { classes, values } = map;
  const enlarged = new Float32Array(height * width * classes);
  const columns = Array.from({ length: width }, (_, column) =>
    neighbors(column, factor, map.width),
  );
  for (let row = 0; row < height; row++) {
    for (const [top, above] of neighbors(row, factor, map.height)) {
      for (let column = 0; column < width; column++) {
        for (const [left, beside] of columns[column]) {
          const from = (top * map.width + left) * classes;
          const to = (row * width + column) * classes;
          for (let label = 0; label < classes; label++) {
            enlarged[to + label] += above * beside * values[from + label];
          }
        }
      }
    }
  }
  return { height, width, classes, values: enlarged };
}

function add(map, other) {
  return { ...map, values: map.values.map((value, i) => value + other.values[i]) };
}

function zeros(map) {
  return { ...map, values: new Float32Array(map.values.length) };
}

// Fuse the branches as FCN-8s does, with zeros for those that are left out.
export function fuse(branches, wanted, height, width) {
  const kept = branches.map((map, i) => (wanted[i] ? map : zeros(map)));
  const [pool5, pool4, pool3] = kept;
  const at16 = add(enlarge(pool5, 2, pool4.height, pool4.width), pool4);
  const at8 = add(enlarge(at16, 2, pool3.height, pool3.width), pool3);
  return enlarge(at8, 8, height, width);
}

// Return the class with the highest score at each position.
export function bestClasses(map) {
  const { classes, values } = map;
  const labels = new Uint8Array(map.height * map.width);
  for (let i = 0; i < labels.length; i++) {
    for (let label = 1; label < classes; label++) {
      const highest = values[i * classes + labels[i]];
      if (values[i * classes + label] > highest) labels[i] = label;
    }
  }
  return labels;
}

// Return the share of each class among the pixels that are not void.
export function shares(labels, classes) {
  const counts = new Array(classes).fill(0);
  for (const label of labels) if (label !== VOID) counts[label]++;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / total);
}

// Return the share of pixels, void left out, that have the true label.
export function agreement(truth, labels) {
  let valid = 0;
  let right = 0;
  truth.forEach((label, i) => {
    valid += label !== VOID;
    right += label === labels[i];
  });
  return right / valid;
}

// Translate a truth into the classes of a network; what it does not know is its first.
export function translate(truth, known) {
  const numbers = truth.classes.map((name) => Math.max(0, known.indexOf(name)));
  return truth.labels.map((label) => (label === VOID ? VOID : numbers[label]));
}
