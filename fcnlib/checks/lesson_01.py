"""Judge the exercises of lesson 01_convolution."""

import re

import numpy as np

from fcnlib.checks.judging import Mistake, compare, exercise


@exercise("01_convolution", asks_for="value")
def layer_output_shape(answer, random):
    """Check the shape of what a layer makes of a picture.

    Args:
        answer: the numbers of rows, columns and maps; the picture is 96 x 133 x 3
            with a padding of 3, the layer has 8 kernels of 3 x 3 and stride 2.

    Example:
        >>> layer_output_shape((96, 133, 3))
        Not yet: 8 kernels make 8 maps: each adds up all channels that it reads.
    """
    numbers = _flatten_nested(answer)
    if any(isinstance(number, str) for number in numbers):
        return "that is text; write the numbers without quotes."
    if len(numbers) == 4:
        return "the shape of one picture's result has no number of pictures."
    if len(numbers) == 3 and len(answer) != 3:
        return "write the three numbers side by side: (rows, columns, maps)."
    rows, columns, maps = numbers if len(numbers) == 3 else (0, 0, 8)
    if maps not in (8, 50, 69):
        return "8 kernels make 8 maps: each adds up all channels that it reads."
    mistakes = {
        "rows come before columns.": [69, 50, 8],
        "the maps come last: (rows, columns, maps).": [8, 50, 69],
        "the number of maps is missing; it is 1 for one kernel.": [50, 69],
        "0 is a place too: a window of 3 has 1 place on 3 pixels.": [49, 68, 8],
        "rounding up is no + 1: 0 is a place even if the stride divides evenly.": (
            [50, 68, 8]
        ),
        "the padding is missing: with padding 1, 3 pixels become 5.": [47, 66, 8],
        "padding is on both sides: with padding 1, 3 pixels become 5.": [49, 67, 8],
        "the stride is missing: on 5 pixels, 2 goes to 0, 2 and 4.": [100, 137, 8],
        "both are missing, padding and stride.": [94, 131, 8],
        'size / stride holds for "same" alone; count where a window can begin.': (
            np.array([48, 67, 8]),
            np.array([48, 66, 8]),
        ),
        "a window must fit: one of 2 with stride 2 has 1 place on 3.": [51, 69, 8],
        "a place is whole: no step leads over the end.": [99 / 2 + 1, 69, 8],
        "the kernel's size is missing: a window of 3 fits 3 pixels once.": [52, 70, 8],
        "the rows are right; treat the columns in the same way.": [50, columns, 8],
        "the columns are right; treat the rows in the same way.": [rows, 69, 8],
        "count on a small side: a window of 3 has 3 places on 5 pixels.": (
            [rows, columns, maps]
        ),
    }
    arrays = {
        hint: mistaken if isinstance(mistaken, tuple) else np.array(mistaken)
        for hint, mistaken in mistakes.items()
    }
    return compare(answer, np.array([50, 69, 8]), arrays)


def _flatten_nested(answer):
    """Return what an answer holds in one list, however its brackets stand."""
    if (
        isinstance(answer, list | tuple | np.ndarray)
        and getattr(answer, "shape", 1) != ()
    ):
        return [number for part in answer for number in _flatten_nested(part)]
    return [answer]


@exercise("01_convolution", asks_for="value")
def strided_multiply_adds(answer, random):
    """Check the multiply-adds of a layer whose stride was forgotten.

    Args:
        answer: the multiply-adds of 32 kernels of 5 x 5 that read a map of 64 x 64
            places with 24 channels, with stride 4 and padding "same".

    Example:
        >>> strided_multiply_adds(19200)
        Not yet: these are the weights; each is used once at every place.
    """
    weights, places = 5 * 5 * 24 * 32, 16 * 16
    work = weights * places
    if isinstance(answer, str):
        return "that is text; write the number without quotes and commas."
    if isinstance(answer, tuple | list) and len(answer) > 1:
        return "commas make several numbers of it; write one number without commas."
    mistakes = {
        "that is the faulty number; on 4 x 4 places, stride 2 stops at 2 x 2.": (
            weights * 64 * 64
        ),
        "the stride thins out rows and columns: stride 2 leaves 4 of 16 places.": (
            weights * 16 * 64
        ),
        "these are the stops of one row; the map has rows and columns.": weights * 16,
        'with "same", every stop counts: stride 2 has 2 stops on 4 pixels.': (
            weights * 15 * 15
        ),
        "one stop too many in a row: stride 2 has 2 stops on 4 pixels, not 3.": (
            weights * 17 * 17
        ),
        'this is stride 1 without padding; with "same" and stride 2, 4 become 2.': (
            weights * 60 * 60
        ),
        "this is the example, with 2 x 2 places; the map here has more.": weights * 4,
        "these are all pairs; each number of the result sees one window alone.": (
            (64 * 64 * 24) * (places * 32)
        ),
        "a bias is added without being multiplied; it is no multiply-add.": (
            work + 32 * places
        ),
        "a multiplication and its addition are one multiply-add, not two.": 2 * work,
        "this is the work of one kernel, and the layer has 32.": work // 32,
        "each kernel reads all 24 channels.": work // 24,
        "a kernel of 5 x 5 has 25 numbers for each channel, not 5.": work // 5,
        "these are the weights; each is used once at every place.": weights,
        "these are the parameters; each weight is used once at every place.": (
            weights + 32
        ),
        "these are the places; at each of them, all weights are used.": places,
    }
    arrays = {hint: np.array(number) for hint, number in mistakes.items()}
    otherwise = "count the weights, then the stops, on a map of 4 x 4 with stride 2."
    hint = compare(answer, np.array(work), arrays, otherwise)
    if hint is None and answer != work:
        return "very near; count exactly, and without the biases."
    return hint


@exercise("01_convolution", asks_for="function")
def score_map(answer, random):
    """Check a dense layer that is slid over a map.

    Args:
        answer: function of `features` (H, W, C), `weights` (height * width * C,
            classes), `bias` (classes,), `height` and `width`; returns the scores,
            (H - height + 1, W - width + 1, classes).

    Example:
        >>> score_map(lambda features, weights, bias, height, width: bias)
        Not yet: the shape is (3,), and (5, 4, 3) is asked for.
    """
    # An answer may use Keras, and loading it must not count as the answer's time.
    import keras  # noqa: F401

    cases = [
        ((6, 7, 2), 2, 4, 3),
        ((1, 3, 1), 1, 2, 1),
        ((7, 5, 3), 3, 1, 3),
        ((4, 4, 1), 1, 1, 4),
    ]
    for size, height, width, classes in cases:
        features = random.integers(1, 10, size) / 4
        features *= random.choice([-1, 1], size)
        weights = random.integers(-9, 10, (height * width * size[2], classes)) / 4
        bias = random.integers(4, 10, classes) / 4
        arguments = features, weights, bias, height, width
        found = _score_or_explain(answer, arguments)
        mistakes = _window_mistakes(*arguments) | _score_mistakes(*arguments)
        hint = compare(found, _slide(*arguments), mistakes)
        if hint is not None:
            return hint
    return None


def _score_or_explain(answer, arguments):
    """Call an answer to `score_map`; add to NumPy's error what is likely behind it."""
    features, weights = arguments[:2]
    try:
        return answer(*arguments)
    except Mistake as mistake:
        error = str(mistake)
    sizes = re.search(r"(?:size \d+ is different from|aligned:) (\d+)", error)
    meant = {
        "operands could not be broadcast": "flatten the window first, then `@`",
        "could not broadcast input": "each place has one number per class, len(bias)",
        "sequence": "the array needs one axis more, for the classes",
        "converted to Python scalars": "the array needs one axis more, for the classes",
        "out of bounds": "a window of 2 has 2 places on 3 pixels",
    }
    found = [text for words, text in meant.items() if words in error]
    if sizes and int(sizes[1]) == features.shape[2]:
        found = ["flatten the window first, then `@`"]
    elif sizes and int(sizes[1]) == weights.shape[1]:
        found = ["the window stands before `@` and the weights behind it"]
    elif sizes:
        found = ["is each window height x width? Where does the second one end"]
    raise Mistake("; ".join([error.rstrip("."), *found[:1]]) + ".")


def _slide(features, weights, bias, height, width):
    """Return the scores of a dense layer at every place of a map."""
    view = np.lib.stride_tricks.sliding_window_view
    windows = view(features, (height, width), axis=(0, 1))
    flat = np.moveaxis(windows, 2, -1).reshape(*windows.shape[:2], -1)
    return flat @ weights + bias


def _window_mistakes(features, weights, bias, height, width):
    """Return the hints for `score_map` about windows and weights, with results."""
    channels = features.shape[2]
    kernel = weights.reshape(height, width, channels, -1)
    columns_first = weights.reshape(width, height, channels, -1).swapaxes(0, 1)
    channels_first = weights.reshape(channels, height, width, -1)
    by_columns = weights.reshape(channels, width, height, -1).transpose(2, 1, 0, 3)

    def with_kernel(kernel):
        return _slide(features, kernel.reshape(weights.shape), bias, height, width)

    def with_padding(rows, columns):
        padded = np.pad(features, (rows, columns, (0, 0)))
        return _slide(padded, weights, bias, height, width)

    def halves(size):
        return [((size - 1) // 2, size // 2), (size // 2, (size - 1) // 2)]

    scores = _slide(features, weights, bias, height, width)
    beyond = (0, height - 1), (0, width - 1)
    return {
        "the kernel is turned: the first weight belongs to the first number.": (
            with_kernel(kernel[::-1, ::-1])
        ),
        "the weights run backward: the first belongs to the window's first number.": (
            with_kernel(kernel[::-1, ::-1, ::-1])
        ),
        "the window's rows and columns are swapped: 1 x 2 is one row.": (
            with_kernel(columns_first)
        ),
        "height and width are swapped: a window of 1 x 2 is wide.": (
            _slide(features, weights, bias, width, height)
            if max(height, width) <= min(features.shape[:2])
            else ()
        ),
        "the channels are flattened first; a pixel's channels stay together.": (
            with_kernel(np.moveaxis(channels_first, 0, 2))
        ),
        "the window is flattened column by column; `ravel()` goes row by row.": (
            with_kernel(by_columns)
        ),
        "the weights are mixed up: a reshape is no transpose; use them as they are.": (
            with_kernel(weights.T),
            with_kernel(weights.reshape(weights.shape[::-1]).T),
        ),
        "there is no padding: a window of 2 has 2 places on 3 pixels, not 3.": (
            *map(with_padding, halves(height), halves(width)),
            with_padding((1, 1), (1, 1)),
            with_padding((height - 1,) * 2, (width - 1,) * 2),
            with_padding(*beyond),
            np.pad(scores, (*beyond, (0, 0))),
        ),
    }


def _score_mistakes(features, weights, bias, height, width):
    """Return the hints for `score_map` about what becomes of the scores."""
    scores = _slide(features, weights, bias, height, width)
    sums, classes = scores - bias, len(bias)
    added = sums.sum(axis=-1, keepdims=True)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))

    def filled(*part):
        result = np.zeros(scores.shape)
        result[part] = scores[part]
        return result

    return {
        "the bias is missing: where all features are 0, the scores are the bias.": sums,
        "the bias is added twice.": scores + bias,
        "each class has a bias of its own, and all get the same one.": (
            sums + bias[0],
            sums + bias.sum(),
        ),
        "the classes are added up; each keeps a score of its own.": (
            added + bias,
            added[..., 0] + bias.sum(),
            added + bias.sum() + 0 * bias,
            added + bias.sum(),
        ),
        "these are the scores of one class; each class has its own.": tuple(
            result
            for c in range(classes)
            for result in (scores[..., c], scores[..., [c]])
        ),
        "the classes are as many as `bias` is long, and 3 is not always right.": (
            np.repeat(scores, 3, axis=-1)
        ),
        "only the first place or row is filled: is the return inside a loop?": (
            filled(0, 0),
            filled(0),
            filled(slice(None), 0),
            scores[:1],
            scores[:1, :1],
        ),
        "the last row or column is not filled: how many steps does `range` make?": (
            filled(np.s_[:-1]),
            filled(np.s_[:], np.s_[:-1]),
            filled(np.s_[:-1], np.s_[:-1]),
        ),
        "the last row is missing: a window of 2 has 2 places on 3 pixels, not 1.": (
            scores[:-1]
        ),
        "the last column is missing: a window of 2 has 2 places on 3 pixels, not 1.": (
            scores[:, :-1]
        ),
        "a place is missing: a window of 2 has 2 places on 3 pixels, not 1.": (
            scores[:-1, :-1]
        ),
        "the window jumps over places: stride 1 is asked for.": (
            scores[::height, ::width],
            scores[::2, ::2],
        ),
        "one map comes and one map goes: there is no axis for several pictures.": (
            scores[None]
        ),
        "negative scores are gone; scores are handed on as they are.": (
            np.maximum(scores, 0)
        ),
        "these are shares; scores are handed on as they are, without softmax.": (
            exponentials / exponentials.sum(axis=-1, keepdims=True)
        ),
        "these are classes; the scores themselves are asked for.": (
            scores.argmax(axis=-1)
        ),
        "the classes come last: (rows, columns, classes).": np.moveaxis(scores, -1, 0),
        "rows and columns of the result are swapped: 1 x 3 stays one row.": (
            scores.swapaxes(0, 1)
        ),
        "this is the first window alone; the window goes to every place.": scores[0, 0],
        "the places are in one row; a map keeps its rows and columns.": (
            scores.reshape(-1, scores.shape[-1])
        ),
        "the fractions are gone: the array of the results holds whole numbers.": (
            np.trunc(scores)
        ),
    }
