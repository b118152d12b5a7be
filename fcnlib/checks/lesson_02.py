"""Judge the exercises of lesson 02_pooling."""

import numpy as np

from fcnlib.checks.judging import compare, exercise

# What is left of the 2 x 2 windows of a 3 x 3 map that reach beyond its edge.
_EDGE_WINDOWS = [np.s_[:2, 2:], np.s_[2:, :2], np.s_[2:, 2:]]


@exercise("02_pooling", asks_for="value")
def pooling_counterexample(answer, random):
    """Check the map on which max pooling with zeros at its edge goes wrong.

    Args:
        answer: (3, 3) numbers for which the result holds a number that is not in its
            window.

    Example:
        >>> pooling_counterexample([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
        Not yet: the function is right on this map; a number above 0 wins everywhere.
    """
    try:
        values = np.asarray(answer, "float64")
    except (TypeError, ValueError):
        return "numbers are asked for, three rows of three as [[1, 2, 3], ...]."
    if values.shape == (2, 2):
        return "the result has 2 rows; the 3 x 3 map that goes in is asked for."
    if values.shape != (3, 3):
        return f"three rows of three numbers are asked for, not {values.shape}."
    if not np.isfinite(values).all():
        return "some of the numbers are not finite; whole numbers are enough."
    if min(values[window].max() for window in _EDGE_WINDOWS) < 0:
        return None
    if values.min() > 0:
        return "the function is right on this map; a number above 0 wins everywhere."
    zeros = all(np.all(values[window] == 0) for window in _EDGE_WINDOWS)
    if values.min() == 0 or zeros:
        return "the function is right on this map; where 0 wins, 0 is in the window."
    if all(values[window].min() >= 0 for window in _EDGE_WINDOWS):
        return "only windows at the edge are padded; rows 0, 1 of columns 0, 1 are not."
    return (
        "a window gives its largest number alone: [[-1], [0]] at the right edge still "
        "gives 0, which is in the window."
    )


# Wrong receptive fields of the exercise's five layers, and wrong strides.
_FIELDS = {
    (4, 2): "that is the example, layer 2; three layers are missing.",
    (12, 2): "that is layer 3; two layers are missing.",
    (16, 6): "that is layer 4; the last layer is missing.",
    (36, 6): "after pooling by 2, a 5 x 5 window adds 8 pixels to the field, not 4.",
    14: "strides count: after pooling by 2, a 3 x 3 window adds 4 pixels, not 2.",
    18: "windows overlap, so widths do not add up: two 3 x 3 layers see 5, not 6.",
    24: "both pools come before the last layer; its steps are longer than 2.",
    28: "both pools come before the last layer; its steps are longer than 3.",
    30: "the second pool is by 3; the first one alone is by 2.",
    34: "a pool widens the field by its window; it multiplies only the stride.",
    35: "the pools' windows count too: pooling by 2 alone sees 2 pixels, not 1.",
    36: "the steps of two pools multiply: pooling by 2 twice makes 4, pools by 3, 9.",
    38: "the second pool's window spans steps of 2 pixels too, not of 1.",
    39: "off by one: before any layer, a cell sees 1 pixel, not 0.",
    41: "off by one: one 3 x 3 layer sees 3 pixels, not 4.",
    43: "a pool's window of k adds k - 1 steps too: pooling by 2 alone sees 2, not 3.",
    49: "a stride counts from the next layer on: pooling by 2 alone sees 2, not 3.",
    51: "a window of 3 adds 2 pixels to what a cell sees, not 3.",
    52: "a window of 3 adds 2 pixels to what a cell sees, not 3.",
    66: "a pool widens the field by its window; it multiplies only the stride.",
    450: "windows do not multiply: two 3 x 3 layers see 5 pixels, not 9.",
    1600: "the receptive field is the side of a square here, not its area.",
}
_STRIDES = {
    1: "the output stride is that of all layers together, not of the last one alone.",
    2: "only the first pool is in the stride; the second makes longer steps still.",
    3: "only the second pool is in the stride; the first makes long steps too.",
    5: "strides do not add up: pooling by 2 three times makes steps of 8, not 6.",
    8: "strides do not add up: pooling by 2 three times makes steps of 8, not 6.",
}


@exercise("02_pooling", asks_for="value")
def field_and_stride(answer, random):
    """Check the receptive field and the output stride of five layers.

    Args:
        answer: two numbers, receptive field and output stride of a 3 x 3 convolution,
            pooling by 2, a 5 x 5 convolution, pooling by 3 and a 5 x 5 convolution.

    Example:
        >>> field_and_stride((12, 2))
        Not yet: that is layer 3; two layers are missing.
    """
    expected = np.array([40, 6])
    others = {
        "two numbers are asked for, receptive field and output stride.": expected[0],
        "the order is the receptive field, then the output stride.": expected[::-1],
    }
    hint = compare(answer, expected, others)
    if hint is None or np.shape(answer) != (2,):
        return hint
    field, stride = np.asarray(answer, "float64")
    found = _FIELDS.get((field, stride)) or _FIELDS.get(field)
    return found or _STRIDES.get(stride) or hint


# For a cell of some layers: the rows of 16 that it sees, and what mistakes make of it.
_CONVOLUTION, _POOL = (3, 1, 1), (2, 2, 0)
_SEEN_ROWS = [
    (5, [_CONVOLUTION], (4, 6)),
    (5, [_POOL], (10, 11)),
    (3, [(3, 2, 1)], (5, 7)),
    (3, [_CONVOLUTION, _POOL], (5, 8)),
    (0, [_CONVOLUTION, _POOL], (0, 2)),
    (7, [_CONVOLUTION, _POOL], (13, 15)),
]
_SEEN_ROWS_MISTAKES = [
    {
        "the window is left out: a kernel of 3 sees 3 rows, not 1.": [(5, 5), (4, 4)],
        "the padding is left out: of layer (3, 1, 1), cell 1 begins at 0.": [(5, 7)],
        "the padding has the wrong sign: it lies before row 0.": [(6, 8)],
        "the same padding is subtracted for both rows; it shifts the window.": [(4, 8)],
        "off by one: a window of 3 that begins in row 4 ends in row 6.": [(4, 7)],
        "walk last back from last, not from the new first: 3 rows from 4 end at 6.": [
            (4, 5)
        ],
        "the order of a layer is (kernel, stride, padding).": [(14, 14), (2, 2)],
        "the order is the first row, then the last.": [(6, 4)],
        "the first and the last row alone are asked for, not all rows.": [(4, 5, 6)],
        "this is the first row and how many; the last row is asked for.": [(4, 3)],
        "this is how many rows; the first and the last one are asked for.": [3],
    },
    {
        "the stride is left out: of layer (2, 2, 0), cell 1 begins in row 2.": [(5, 6)],
        "the stride is left out for the last row; multiply both rows.": [(10, 6)],
        "the stride is left out for the first row; multiply both rows.": [(5, 11)],
        "the window is left out for the last row: a pool by 2 sees 2 rows.": [(10, 10)],
        "off by one: a window of 2 that begins in row 10 ends in row 11.": [(10, 12)],
        "walk last back from last, not from the new first: 2 rows from 10 end at 11.": [
            (10, 15),
            (10, 21),
        ],
        "the order of a layer is (kernel, stride, padding).": [(0, -1), (-2, -1)],
    },
    {
        "the padding is counted in rows of the map before the layer: subtract it "
        "after multiplying by the stride.": [(4, 6), (4, 7), (5, 6)],
    },
    {
        "the layers are in the wrong order: the cell is in the last map.": [(4, 9)],
        "the layers before the last are left out; here there are two.": [(6, 7)],
        "the layers after the first are left out; here there are two.": [(2, 4)],
        "the last row has to be walked back as well, from its own row.": [(5, 7)],
    },
    {
        "there is no row -1: the cell at the top sees padding, then row 0.": [(-1, 2)],
        "a field that begins in row -1 is cut off at row 0, not moved.": [(0, 3)],
    },
    {
        "16 rows end with row 15: the cell at the bottom sees padding below.": [
            (13, 16)
        ],
        "a field that ends in row 16 is cut off at row 15, not moved.": [(12, 15)],
        "16 rows end with row 15, not with row 14.": [(13, 14)],
    },
]


@exercise("02_pooling", asks_for="function")
def seen_rows(answer, random):
    """Check the rows of a picture that one cell of a feature map sees.

    Args:
        answer: function of `cell`, a row of the last map, `layers`, a list of (kernel,
            stride, padding) from the first to the last, and `height`, the number of
            the picture's rows; returns the first and the last row that the cell sees.

    Example:
        >>> seen_rows(lambda cell, layers, height: (cell, cell))
        Not yet: the window is left out: a kernel of 3 sees 3 rows, not 1.
    """
    for case, mistakes in zip(_SEEN_ROWS, _SEEN_ROWS_MISTAKES, strict=True):
        cell, layers, expected = case
        mistaken = {
            hint: tuple(np.array(rows) for rows in results)
            for hint, results in mistakes.items()
        }
        found = answer(cell, list(layers), 16)
        hint = compare(found, np.array(expected), mistaken, _came(found))
        if hint in mistakes:
            return hint
        if hint is not None:
            return f"for cell {cell} of {layers} and 16 rows, {hint}"
    for _ in range(10):
        layers = _draw_layers(random)
        height = 4 * int(np.prod([stride for _, stride, _ in layers]))
        cell = int(random.integers(4))
        expected = np.clip(_walk_back(cell, layers), 0, height - 1)
        found = answer(cell, list(layers), height)
        hint = compare(found, expected, {}, _came(found))
        if hint is not None:
            here = f"cell {cell} of {layers} and {height} rows"
            return f"right for kernels 3 and 2, wrong for {here}: {hint}"
    return None


def _came(rows):
    """Say which rows an answer returned."""
    numbers = " and ".join(f"{row}" for row in np.ravel(np.array(rows, object))[:4])
    return f"it returns {numbers}; follow one layer by hand."


def _walk_back(cell, layers):
    """Return the first and the last row that a cell sees, the padding's too."""
    field, jump, shift = 1, 1, 0  # from the picture up to the cell's layer
    for kernel, stride, padding in layers:
        field += (kernel - 1) * jump
        shift += padding * jump
        jump *= stride
    return cell * jump - shift + np.array([0, field - 1])


def _draw_layers(random):
    """Draw two to five layers: convolutions with and without a stride, and pools."""
    kinds = [(3, 1, 1), (5, 1, 2), (7, 1, 3), (5, 2, 2), (2, 2, 0), (4, 4, 0)]
    return [kinds[kind] for kind in random.integers(0, 6, random.integers(2, 6))]
