"""Judge the exercises of lesson 03_upsampling."""

import numpy as np

from fcnlib.checks.judging import Mistake, compare, exercise

_UPSAMPLING_LAYERS = ("up1", "up2", "up3", "up4", "up5", "up6")
# Size of the scores, K, stride, C_out. The first is square with as many channels out
# as in, so that a swap is told as one; the second tells a cut of 1 from stride // 2.
_PRESSED_SIZES = (
    ((3, 3, 2), 4, 2, 2),
    ((2, 2, 2), 8, 4, 2),
    ((2, 4, 2), 6, 2, 3),
    ((3, 2, 4), 5, 3, 1),
    ((2, 3, 1), 2, 2, 2),
)


@exercise("03_upsampling", asks_for="value")
def enlarged_shape(answer, random):
    """Check the shape of what a transposed convolution makes of a batch of maps.

    Args:
        answer: four numbers, the shape of the output; the input is 2 x 4 x 6 x 64, the
            layer has 5 kernels of 16 x 16, stride 8 and `padding="valid"`.

    Example:
        >>> enlarged_shape((40, 56))
        Not yet: four numbers are asked for: pictures, rows, columns, channels.
    """
    if np.shape(answer) != (4,):
        return "four numbers are asked for: pictures, rows, columns, channels."
    pictures, rows, columns, channels = answer
    if (rows, columns, channels) == (5, 40, 56):
        return "channels come last: (pictures, rows, columns, channels)."
    if pictures is None:
        return "the number of pictures is known here; write it in place of None."
    if pictures != 2:
        return "no layer changes the number of pictures."
    if channels != 5:
        return "each filter makes one channel, however many channels it reads."
    mistakes = {
        'with padding "valid" 1 score gives 16 pixels, not 8.': [32, 48],
        "one stamp too many: 1 score gives 16 pixels, not 24.": [48, 64],
        "stamps overlap: 2 scores give 24 pixels, not 32.": [64, 96],
        "the stride is ignored: 2 scores give 24 pixels, not 17.": [19, 21],
        "the kernel's size is missing: 1 score gives 16 pixels, not 1.": [25, 41],
        "one pixel too many: 1 score gives 16 pixels, not 17.": [41, 57],
        "one pixel too few: 1 score gives 16 pixels, not 15.": [39, 55],
        "the last stamp is 16 long: 1 score gives 16 pixels, not 0.": [24, 40],
        "exchanged: stamps start 8 apart, and are 16 long.": [56, 88],
        "rows come before columns.": [56, 40],
        "transposed convolutions enlarge: 1 score gives 16 pixels.": [4, 6],
        "the rows are right; treat the columns in the same way.": [40, columns],
        "the columns are right; treat the rows in the same way.": [rows, 56],
        "1 score gives 16 pixels; what does a second one add?": [rows, columns],
    }
    arrays = {hint: np.array(mistaken) for hint, mistaken in mistakes.items()}
    return compare([rows, columns], np.array([40, 56]), arrays)


@exercise("03_upsampling", asks_for="value")
def uneven_layers(answer, random):
    """Check the names of the layers whose stamps cover the pixels unevenly.

    Args:
        answer: names from "up1" to "up6"; in this order, the layers have kernel and
            stride (2, 2), (3, 2), (4, 2), (6, 4), (9, 3) and (2, 3).

    Example:
        >>> uneven_layers(["up7"])
        Not yet: there is no layer up7; the names are up1 to up6.
    """
    names = answer.replace(",", " ").split() if isinstance(answer, str) else answer
    if not np.iterable(names):
        return "a list of names is asked for."
    names = list(names)
    for name in names:
        if name not in _UPSAMPLING_LAYERS:
            return f"there is no layer {name}; the names are up1 to up6."
    if sorted(names) == ["up1", "up3", "up5"]:
        return "these cover their pixels evenly; the others are asked for."
    even = {
        "up1": "stamps of 2 pixels, 2 apart, lie side by side.",
        "up3": "stamps of 4 pixels, 2 apart, cover every pixel twice.",
        "up5": "an odd size is no fault; draw stamps of 9 pixels, 3 apart.",
    }
    for name in names:
        if name in even:
            return f"{name} is even: {even[name]}"
    uneven = {
        "up2": "draw stamps of 3 pixels, 2 apart.",
        "up4": "an even size is no proof; draw stamps of 6 pixels, 4 apart.",
        "up6": "gaps are uneven too; draw stamps of 2 pixels, 3 apart.",
    }
    for name, hint in uneven.items():
        if name not in names:
            return f"{name} is missing: {hint}"
    return None


@exercise("03_upsampling", asks_for="function")
def transposed_convolution(answer, random):
    """Check a transposed convolution with channels and `padding="same"`.

    Args:
        answer: function of `scores` (H, W, C_in), `kernel` (K, K, C_out, C_in) and
            `stride`; returns (H * stride, W * stride, C_out). K is at least `stride`,
            and K - stride is even.

    Example:
        >>> transposed_convolution(lambda scores, kernel, stride: scores[0])
        Not yet: the shape is (3, 2), and (6, 6, 2) is asked for.
    """
    # An answer may use Keras, and loading it must not count as the answer's time.
    import keras  # noqa: F401

    for size, side, stride, channels in _PRESSED_SIZES:
        scores, kernel = _draw_scores(random, size, side, channels)
        try:
            found = answer(scores, kernel, stride)
        except Mistake as mistake:
            return _name_pressing_error(answer, random, str(mistake))
        expected = _press_and_cut(scores, kernel, stride)
        mistakes = _cutting_mistakes(scores, kernel, stride)
        mistakes |= _stamping_mistakes(scores, kernel, stride)
        mistakes |= _channel_mistakes(scores, kernel, stride)
        hint = compare(found, expected, mistakes)
        if hint is not None:
            return hint
    return None


def _draw_scores(random, size, side, channels):
    """Draw scores of a size and a kernel for them, exact in any floating type."""
    scores = random.integers(1, 10, size) / 4
    return scores, random.integers(1, 10, (side, side, channels, size[2])) / 4


def _name_pressing_error(answer, random, error):
    """Name the mistake behind an error, by trying ever harder cases."""
    if "slice ind" in error or "'float' object cannot be" in error:
        return "K - stride is even: halve it by //, since slices need whole numbers."
    if "broadcast" not in error and "out of bounds" not in error:
        return error
    hints = {
        error: ((2, 2, 2), 2, 2, 2),  # not even stamps side by side
        "the zeros are too small: all stamps take (H - 1) * stride + K rows.": (
            ((1, 1, 2), 4, 2, 2)
        ),
        "stamps lie `stride`, not K, pixels apart.": ((2, 2, 2), 4, 2, 2),
        "C_in and C_out are mixed up; it stops where they differ.": (
            ((2, 2, 2), 4, 2, 3)
        ),
        "H and W are mixed up; it stops where they differ.": ((2, 4, 2), 4, 2, 3),
    }
    failing = (
        hint
        for hint, (size, side, stride, channels) in hints.items()
        if not _succeeds(answer, *_draw_scores(random, size, side, channels), stride)
    )
    return next(failing, error)


def _succeeds(answer, scores, kernel, stride):
    """Tell whether an answer is right for one case."""
    try:
        found = answer(scores, kernel, stride)
    except Mistake:
        return False
    return compare(found, _press_and_cut(scores, kernel, stride), {}) is None


def _press(scores, kernel, stride, add=True):
    """Press a stamp for each position, and cut nothing off."""
    rows, columns, _ = scores.shape
    side, _, channels, _ = kernel.shape
    sides = [(count - 1) * stride + side for count in (rows, columns)]
    pressed = np.zeros((*sides, channels))
    for i, j in np.ndindex(rows, columns):
        target = pressed[i * stride :, j * stride :][:side, :side]
        target[:] = kernel @ scores[i, j] + (target if add else 0)
    return pressed


def _cut(pressed, before, after):
    """Cut rows and columns off, before and after the others."""
    rows, columns, _ = pressed.shape
    return pressed[before : rows - after, before : columns - after]


def _press_and_cut(scores, kernel, stride, add=True):
    """Return the transposed convolution with padding "same"."""
    half = (len(kernel) - stride) // 2
    return _cut(_press(scores, kernel, stride, add), half, half)


def _press_apart(scores, kernel, stride, step):
    """Press the stamps `step` pixels apart, and cut as if it were `stride`."""
    rows, columns = stride * scores.shape[0], stride * scores.shape[1]
    room = ((0, rows), (0, columns), (0, 0))
    half = (len(kernel) - stride) // 2
    pressed = np.pad(_press(scores, kernel, step), room)[half:, half:]
    return pressed[:rows, :columns]


def _cutting_mistakes(scores, kernel, stride):
    """Map hints to what plausible mistakes in cutting make of the stamps."""
    pressed, total = _press(scores, kernel, stride), len(kernel) - stride
    rows, columns = stride * scores.shape[0], stride * scores.shape[1]
    core = slice(total // 2, total // 2 + stride)

    def begin(first):
        return pressed[first : first + rows, first : first + columns]

    # Half the stride comes before 1: what always is 1 fails in an earlier case.
    return {
        "nothing is cut off: with K = 4, stride 2, 1 x 1 becomes 2 x 2, not 4 x 4.": (
            pressed
        ),
        "it cuts at bottom and right only; half belongs to top and left.": (
            _cut(pressed, 0, total)
        ),
        "it cuts at top and left only; half belongs to bottom and right.": (
            _cut(pressed, total, 0)
        ),
        "K - stride is cut in all, not at each side: 1 x 1 becomes 2 x 2, not 0 x 0.": (
            _cut(pressed, total, total)
        ),
        "it cuts stride // 2 at each side; that is right for K = 2 * stride only.": (
            _cut(pressed, stride // 2, stride // 2)
        ),
        "the map begins at stride // 2; that is right for K = 2 * stride only.": (
            begin(stride // 2)
        ),
        "it always cuts 1; that is right for K = 4, stride 2, not for 8 and 4.": (
            _cut(pressed, 1, 1)
        ),
        "the map always begins at 1; that is right for K = 4, stride 2, not 8 and 4.": (
            begin(1)
        ),
        "nothing is left for K = stride; mind that a slice [0:-0] is empty.": (
            pressed[:0, :0]
        ),
        "stamps are cut before they overlap; cut the whole map at the end.": (
            _press(scores, kernel[core, core], stride)
        ),
    }


def _stamping_mistakes(scores, kernel, stride):
    """Map hints to what mistakes in placing and adding make of the stamps."""
    first_row, first_score = np.zeros((2, *scores.shape))
    first_row[0], first_score[0, 0] = scores[0], scores[0, 0]

    def again(scores, kernel, add=True):
        return _press_and_cut(scores, kernel, stride, add)

    mistakes = {
        "a later stamp replaces the earlier one where they overlap; they add up.": (
            again(scores, kernel, add=False)
        ),
        "the kernel is flipped; a single score 1 must give the kernel as it is.": (
            again(scores, kernel[::-1, ::-1])
        ),
        "rows and columns of the kernel are swapped.": (
            again(scores, kernel.swapaxes(0, 1))
        ),
        "the stride is ignored: the second stamp lies `stride` pixels further.": (
            _press_apart(scores, kernel, stride, 1)
        ),
        "stamps lie `stride`, not K, pixels apart.": (
            _press_apart(scores, kernel, stride, len(kernel))
        ),
        "only the first row of scores is stamped; is the return indented too far?": (
            again(first_row, kernel)
        ),
        "only the first score is stamped; is the return indented too far?": (
            again(first_score, kernel)
        ),
    }
    if scores.shape[0] == scores.shape[1]:
        mistakes["rows and columns of the scores are swapped."] = again(
            scores.swapaxes(0, 1), kernel
        )
    return mistakes


def _channel_mistakes(scores, kernel, stride):
    """Map hints to what mistakes with the channels make of the stamps."""
    expected = _press_and_cut(scores, kernel, stride)
    outputs, inputs = kernel.shape[2:]
    total = expected.sum(axis=-1)

    def again(scores, kernel):
        return _press_and_cut(scores, kernel, stride)

    mistakes = {
        "each output sees one input only; it adds over all C_in of a position.": (
            again(scores, kernel * np.eye(outputs, inputs))
        ),
        "only the first input channel counts; add over all C_in.": (
            again(scores[..., :1], kernel[..., :1])
        ),
        "only the last input channel counts; add over all C_in.": (
            again(scores[..., -1:], kernel[..., -1:])
        ),
        "the input channels are averaged; add over C_in.": expected / inputs,
        "all output channels are equal; add over C_in only.": (
            np.stack([total] * outputs, axis=-1)
        ),
        "the channels are added up; C_out maps are asked for.": total,
        "the channels come last: (H * stride, W * stride, C_out).": (
            np.moveaxis(expected, -1, 0)
        ),
    }
    if outputs == inputs:
        mistakes["the channel axes are swapped; the kernel ends in (C_out, C_in)."] = (
            again(scores, kernel.swapaxes(2, 3))
        )
    return mistakes
