"""Draw the three networks as SVG diagrams, to scale.

    python notebooks/diagrams.py

A map is drawn as high as it has rows, and as wide as it has channels. Its
shape is measured: the network is built, and a picture goes through it. The
drawings are opaque, so that they can be read on dark and on light pages.
"""

from pathlib import Path

import keras
import numpy as np

from fcnlib import models

FOLDER = Path(__file__).resolve().parent / "figures"
SIDE = 128  # of the picture that goes through
NUM_CLASSES = 5
ROW_SCALE, CHANNEL_SCALE = 1.25, 0.6  # length on the page per row and channel
WIDTH = 1020
TOP, TALL, SHORT = 140, 250, 205  # middle of the upper maps, and how far below

FEATURES = {  # layer -> its place from left to right, and its name on the page
    "images": (85, "images"),
    "block1_pool": (205, "pool1"),
    "block2_pool": (300, "pool2"),
    "block3_pool": (400, "pool3"),
    "block4_pool": (600, "pool4"),
    "block5_pool": (735, "pool5"),
    "fc6_relu": (835, "fc6"),
    "fc7_relu": (940, "fc7"),
}
SCORES = {
    "score_fr": 940,
    "upscore2_crop": 750,
    "fuse_pool4": 600,
    "upscore_pool4_crop": 500,
    "fuse_pool3": 400,
}
SKIPS = {
    "score_pool4": ("block4_pool", "fuse_pool4"),
    "score_pool3": ("block3_pool", "fuse_pool3"),
}
NETWORKS = {
    "fcn32s": (
        "FCN-32s",
        "The class scores of the deepest map are enlarged 32 times at once.",
    ),
    "fcn16s": (
        "FCN-16s",
        "The class scores are enlarged 2 times, those of pool4 are added,"
        " and the sum is enlarged 16 times.",
    ),
    "fcn8s": (
        "FCN-8s",
        "The class scores are enlarged 2 times, those of pool4 are added,"
        " the sum is enlarged 2 times, those of pool3 are added, and the sum"
        " is enlarged 8 times.",
    ),
}
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 width="{width}" height="{height}" role="img" aria-labelledby="title desc"
 font-family="Helvetica, Arial, sans-serif" font-size="14">
<title id="title">{title}, drawn to scale</title>
<desc id="desc">{description} Each box is a map that a picture of {side} x
 {side} pixels gives: as high as the map, and as wide as its channels.</desc>
<rect width="{width}" height="{height}" rx="10" fill="#fbfbf8"/>"""


def diagram(name):
    """Return the diagram of one of `NETWORKS` as the text of an SVG file."""
    title, description = NETWORKS[name]
    maps = shapes(name)
    skips = [skip for skip in SKIPS if skip in maps]
    below = TOP + (TALL if skips else SHORT)
    head = HEAD.format(
        width=WIDTH,
        height=below + 125,
        title=title,
        description=description,
        side=SIDE,
    )
    parts = [head, *_upper_row(maps), *_lower_row(maps, below)]
    for skip in skips:
        parts += _skip(skip, maps, below)
    return "\n".join([*parts, "</svg>"]) + "\n"


def shapes(name):
    """Return the height, width and channels of every map of a network."""
    model = getattr(models, name)(NUM_CLASSES)
    outputs = {layer.name: layer.output for layer in model.layers}
    maps = keras.Model(model.input, outputs)(np.zeros((1, SIDE, SIDE, 3)))
    return {layer: tuple(values.shape[1:]) for layer, values in maps.items()}


def _upper_row(maps):
    """Draw the picture and the features that grow deeper and smaller."""
    parts = []
    for layer, (x, label) in FEATURES.items():
        half = maps[layer][0] * ROW_SCALE / 2
        parts += [
            _box(x, TOP, maps[layer], "#56b4e9"),
            _text(x, TOP - half - 9, label, "bold"),
            _text(x, TOP + half + 17, _size(maps[layer])),
        ]
    places = [(x, maps[layer]) for layer, (x, _) in FEATURES.items()]
    return parts + _row_of_arrows(places, TOP, direction=1)


def _lower_row(maps, y):
    """Draw the class scores that grow again, from right to left."""
    last = next(layer for layer in list(maps)[::-1] if layer.endswith("_crop"))
    kept = [layer for layer in SCORES if layer in maps and layer != last]
    places = {layer: SCORES[layer] for layer in kept}
    places[last] = FEATURES["images"][0]
    parts = []
    for layer, x in places.items():
        half = maps[layer][0] * ROW_SCALE / 2
        parts += [
            _box(x, y, maps[layer], "#d55e00"),
            _text(x, y + half + 17, layer.removesuffix("_crop"), "bold"),
            _text(x, y + half + 33, _size(maps[layer])),
        ]
    x, half = places["score_fr"], maps["fc7_relu"][0] * ROW_SCALE / 2
    parts.append(_arrow(x, TOP + half + 26, x, y - 12))
    boxes = [(x, maps[layer]) for layer, x in places.items()]
    return (
        parts
        + _row_of_arrows(boxes, y, direction=-1)
        + _factors(places, maps, y)
    )


def _factors(places, maps, y):
    """Write on the arrows how many times a deconvolution enlarges."""
    parts = []
    layers = list(places)
    for before, after in zip(layers, layers[1:], strict=False):
        factor = maps[after][0] // maps[before][0]
        if factor > 1:
            x = (places[before] + places[after]) / 2
            parts.append(_text(x, y - 8, f"× {factor}"))
    return parts


def _skip(skip, maps, below):
    """Draw how the scores of a pool come down and are added."""
    pool, fuse = SKIPS[skip]
    x, middle = FEATURES[pool][0], (TOP + below) / 2
    start = TOP + maps[pool][0] * ROW_SCALE / 2 + 26
    half = maps[skip][0] * ROW_SCALE / 2
    end = below - maps[fuse][0] * ROW_SCALE / 2 - 4
    return [
        _arrow(x, start, x, middle - half - 4),
        _box(x, middle, maps[skip], "#d55e00"),
        _text(x + 58, middle - 3, skip, "bold"),
        _text(x + 58, middle + 13, _size(maps[skip])),
        _arrow(x, middle + half + 4, x, end),
        _text(x + 12, end - 6, "+", "bold"),
    ]


def _box(x, y, shape, color):
    """Draw one map to scale."""
    height, width = shape[0] * ROW_SCALE, shape[2] * CHANNEL_SCALE
    return (
        f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}"'
        f' height="{height:g}" fill="{color}" stroke="#222222"'
        ' stroke-width="0.5"/>'
    )


def _text(x, y, text, weight="normal"):
    """Write one line, centered."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-weight="{weight}" fill="#111111"'
        f' text-anchor="middle">{text}</text>'
    )


def _arrow(x1, y1, x2, y2):
    """Draw an arrow from one point to another, along a row or a column."""
    along = np.sign([x2 - x1, y2 - y1])
    back = np.array([x2, y2]) - 8 * along
    corners = [(x2, y2), back + 4 * along[::-1], back - 4 * along[::-1]]
    points = " ".join(f"{x:g},{y:g}" for x, y in corners)
    return (
        f'<path d="M{x1:g} {y1:g}L{back[0]:g} {back[1]:g}" stroke="#333333"'
        f' stroke-width="1.5"/><polygon points="{points}" fill="#333333"/>'
    )


def _row_of_arrows(places, y, direction):
    """Draw an arrow from each map of a row to the next."""
    ends = [(x, direction * _gap(shape)) for x, shape in places]
    return [
        _arrow(x1 + gap1, y, x2 - gap2, y)
        for (x1, gap1), (x2, gap2) in zip(ends, ends[1:], strict=False)
    ]


def _gap(shape):
    """Return how far from the middle of a map its arrows begin."""
    return shape[2] * CHANNEL_SCALE / 2 + 5


def _size(shape):
    """Write the height, width and channels of a map."""
    return " × ".join(str(length) for length in shape)


def main():
    """Write the diagrams."""
    FOLDER.mkdir(exist_ok=True)
    for name in NETWORKS:
        path = FOLDER / f"{name}.svg"
        path.write_text(diagram(name), encoding="utf-8", newline="\n")
        print(path.relative_to(FOLDER.parents[1]).as_posix())


if __name__ == "__main__":
    main()
