// Resizes pixels as the course does in Python, alike in all browsers: shrinking takes
// averages over areas, enlarging is bilinear.

// Return pixels (height, width, 3) as values of a new height and width.
export function resize(values, [height, width], [newHeight, newWidth]) {
  const narrow = along(values, height, sources(width, newWidth), 3);
  return along(narrow, 1, sources(height, newHeight), newWidth * 3).map(Math.round);
}

// Mix neighbors along one axis, with `outer` times the axis and `inner` values a step.
function along(values, outer, { length, mixtures }, inner) {
  const mixed = new Float32Array(outer * mixtures.length * inner);
  for (let row = 0; row < outer; row++) {
    mixtures.forEach((mixture, i) => {
      const to = (row * mixtures.length + i) * inner;
      for (const [index, weight] of mixture) {
        const from = (row * length + index) * inner;
        for (let k = 0; k < inner; k++) mixed[to + k] += weight * values[from + k];
      }
    });
  }
  return mixed;
}

// Return of which old pixels, with which weights, each pixel of a new side is mixed.
function sources(length, size) {
  const step = length / size;
  const mix = step > 1 ? cover : neighbors;
  const mixtures = Array.from({ length: size }, (_, i) => mix(i, step, length));
  return { length, mixtures };
}

function cover(position, step, length) {
  const [start, end] = [position * step, (position + 1) * step];
  const mixture = [];
  for (let i = Math.floor(start); i < Math.min(end, length); i++) {
    mixture.push([i, (Math.min(end, i + 1) - Math.max(start, i)) / step]);
  }
  return mixture;
}

function neighbors(position, step, length) {
  const place = (position + 0.5) * step - 0.5;
  const first = Math.floor(place);
  return [
    [Math.max(0, first), 1 - (place - first)],
    [Math.min(length - 1, first + 1), place - first],
  ];
}
