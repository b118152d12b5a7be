"""Check the answers to the lessons' exercises, without showing a solution.

Each exercise is one function below, its judge: it tries the answer on cases drawn from
`random` and returns `None` if all is well, or else a hint that names the mistake. The
decorator turns it into the public check of the same name, which takes the answer alone
and prints one line. A judge calls an answer as any function: `_Attempt` holds the time
limit and turns whatever goes wrong into a hint.
"""

import contextlib
import ctypes
import inspect
import io
import re
import threading
import time
import warnings

import numpy as np

from fcnlib import metrics

NAMES = {}  # lesson's file stem -> names of its exercises, in order
SECONDS = 5  # the longest that one call of an answer may take
# What NumPy's words in an error mean to someone who meets them for the first time.
_EXPLAINED = {
    "object too deep for desired array": "np.bincount takes one row of numbers",
}
_JUDGES = {}


def score(name, answer, seed=None):
    """Score the answer to one exercise.

    Args:
        name: str, the name of an exercise in `NAMES`.
        answer: what the exercise asks for, a function or a value.
        seed: int or `None`, draws other cases than the ones a student sees.

    Returns:
        points: float, 1 for a right answer and 0 for any other.
        message: str, one line that begins with "Correct", "Not yet" or
            "Not attempted yet".

    Raises:
        ValueError: if there is no exercise of that name.

    Example:
        >>> score("class_shares", None)
        (0.0, 'Not attempted yet: the answer is still None.')
    """
    if name not in _JUDGES:
        known = ", ".join(_JUDGES)
        raise ValueError(f"Expected an exercise, one of {known}. Received {name!r}.")
    judge, asks_for, seconds = _JUDGES[name]
    random = np.random.default_rng(0 if seed is None else seed)
    try:
        with _silence():
            hint = judge(_accept(answer, asks_for, seconds), random)
    except _NotAttempted as stub:
        return 0.0, f"Not attempted yet: {stub}"
    except _Mistake as mistake:
        hint = mistake
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        hint = f"the answer cannot be compared ({_describe(error)})."
    return (1.0, "Correct.") if hint is None else (0.0, f"Not yet: {hint}")


class _NotAttempted(Exception):
    """Say that the answer is still the lesson's stub."""


class _Mistake(Exception):
    """Say what went wrong while an answer was called."""


class _TimeIsUp(BaseException):
    """Stop an answer; no `except Exception` of a student catches it."""


class _Attempt:
    """Call a student's function within the time limit, on copies of the arguments."""

    def __init__(self, function, seconds=None):
        self.function = function
        self.seconds = seconds
        self.returned = False

    def __call__(self, *arguments):
        copies = [_copy(argument) for argument in arguments]
        found = _call_within_limit(self.function, copies, self.seconds or SECONDS)
        for argument, copy in zip(arguments, copies, strict=True):
            if isinstance(argument, np.ndarray) and _changed(argument, copy):
                raise _Mistake("it changes the array that it is given; work on a copy.")
        if found is None and self.returned:
            raise _Mistake("it returns None for some arguments; is a return missing?")
        if found is None:
            raise _NotAttempted("it returns None; is a return missing?")
        self.returned = True
        return found


def _exercise(lesson, asks_for, seconds=None):
    """Register a judge under a lesson and return the check that students call.

    A call of the answer may take `seconds`, or else `SECONDS`.
    """

    def register(judge):
        name = judge.__name__
        NAMES[lesson] = (*NAMES.get(lesson, ()), name)
        _JUDGES[name] = judge, asks_for, seconds

        def check(answer):
            print(score(name, answer)[1])

        check.__name__ = check.__qualname__ = name
        check.__doc__ = judge.__doc__
        return check

    return register


def _accept(answer, asks_for, seconds=None):
    """Return the answer ready for its judge, or say that it is of the wrong kind."""
    if answer is None:
        raise _NotAttempted("the answer is still None.")
    if asks_for == "value":
        if inspect.isroutine(answer):
            raise _Mistake("this asks for a value, and a function came.")
        return answer
    if not callable(answer):
        came = type(answer).__name__
        raise _Mistake(
            f"hand over the function itself, without calling it (got {came})."
        )
    return _Attempt(answer, seconds)


def _call_within_limit(function, arguments, seconds):
    """Call a function in a thread of its own, which is stopped when its time is up."""
    outcome, ended = {}, threading.Event()

    def work():
        try:
            with np.errstate(all="ignore"):
                outcome["value"] = function(*arguments)
        except BaseException as error:
            outcome["error"] = error
        ended.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + seconds
        while not ended.is_set() and time.monotonic() < deadline:
            ended.wait(0.1)  # short: on Windows an interrupt does not end a long wait
        late = not ended.is_set()
    finally:
        _stop(thread.ident, ended)
    if late:
        raise _Mistake(
            f"not finished in {seconds} s; is there a loop without end? On a busy "
            "machine, run it again."
        )
    return _open(outcome)


def _stop(thread, ended):
    """Raise `_TimeIsUp` in a thread until it has ended; give up after a second."""
    identity, error = ctypes.c_ulong(thread), ctypes.py_object(_TimeIsUp)
    for _ in range(20):
        if ended.is_set():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, error)
        ended.wait(0.05)


def _open(outcome):
    """Return what a call returned, or name the error that it stopped with."""
    error = outcome.get("error")
    if isinstance(error, KeyboardInterrupt):
        raise error
    if error is not None:
        said = _describe(error)
        meant = [f"; {_EXPLAINED[words]}" for words in _EXPLAINED if words in said]
        raise _Mistake(f"it stops with {said}{''.join(meant)}.")
    return outcome["value"]


def _describe(error):
    """Put an error in one short line, even if it cannot print itself."""
    try:
        text = " ".join(str(error).split())[:160].rstrip(".")
    except Exception:
        text = ""
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _copy(argument):
    """Copy an array; anything else is handed over as it is."""
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def _changed(before, after):
    """Tell whether two arrays differ in shape, type or any byte."""
    kept = before.shape == after.shape and before.dtype == after.dtype
    return not kept or before.tobytes() != after.tobytes()


@contextlib.contextmanager
def _silence():
    """Keep what an answer prints and warns out of the check's one line."""
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        yield


def _compare(
    found, expected, mistakes, otherwise="the shape is right, and the numbers are not."
):
    """Compare numbers; `mistakes` maps a hint to the result that the mistake gives.

    Where a mistake has several results, they stand in a tuple.
    """
    try:
        found = np.asarray(found, "float64")
    except (TypeError, ValueError):
        return f"it returns {type(found).__name__}, and numbers are asked for."
    if _close(found, expected):
        return None
    for hint, mistaken in mistakes.items():
        results = mistaken if isinstance(mistaken, tuple) else (mistaken,)
        if any(_close(found, result) for result in results):
            return hint
    if found.shape != expected.shape:
        return f"the shape is {found.shape}, and {expected.shape} is asked for."
    if np.isnan(found).any() and not np.isnan(expected).any():
        return "some of the numbers are nan; what was divided by zero?"
    if any(_close(found, np.round(expected, places)) for places in (1, 2, 3, 4)):
        return "the numbers are rounded; hand them on as they are."
    return otherwise


def _close(found, expected):
    """Tell whether two arrays have one shape and, up to rounding, equal numbers."""
    return found.shape == expected.shape and np.allclose(
        found, expected, rtol=1e-4, atol=1e-6, equal_nan=True
    )


def _is_yes(found):
    """Read an answer to a yes-or-no question."""
    if np.shape(found) != ():
        raise _Mistake("it returns many values; one True or False is asked for.")
    if not isinstance(found, bool | np.bool_) and found not in (0, 1):
        came = type(found).__name__
        raise _Mistake(f"it returns {came}, and True or False is asked for.")
    return bool(found)


@_exercise("00_start_here", asks_for="function")
def class_shares(answer, random):
    """Check the shares of the classes among the pixels that are not void.

    Args:
        answer: function of `labels`, (H, W) uint8 with 255 for void, and `num_classes`;
            returns (num_classes,) floats, 0 for a class that is absent.

    Example:
        >>> class_shares(lambda labels, num_classes: None)
        Not attempted yet: it returns None; is a return missing?
    """
    cases = [(7, (0, 1, 3), 20), (4, (0, 1, 2), 0), (3, (1, 2), 9), (9, range(9), 20)]
    for num_classes, present, voids in cases:
        row = random.permutation(np.resize(present, 63)).astype("uint8")
        row[:voids] = 255
        labels = random.permutation(row).reshape(7, 9)
        shares = np.bincount(row[voids:], minlength=num_classes) / (63 - voids)
        mistakes = _class_shares_mistakes(labels, num_classes)
        hint = _compare(answer(labels, num_classes), shares, mistakes)
        if hint is not None:
            return hint
    return None


def _class_shares_mistakes(labels, num_classes):
    """Return the hints for `class_shares`, each with the results that it belongs to."""
    everything = np.bincount(labels.ravel(), minlength=256)
    counts, size = everything[:num_classes], labels.size
    total = counts.sum()
    as_sky = counts + (np.arange(num_classes) == 0) * everything[255]
    masks = [(size - total, total), (total, size - total)]
    padded = [np.pad(mask, (0, num_classes - 2)) for mask in masks]

    def divide(*rows):
        divisors = 1, size, total
        return tuple(np.array(row) / divisor for row in rows for divisor in divisors)

    return {
        "void pixels are still part of the total.": counts / size,
        "these are counts; a share is a count over the total.": counts,
        "these are percentages; shares add up to 1.": 100 * counts / total,
        "a class that is absent has a share too, the last one as well: 0.": (
            divide(counts[counts > 0], np.trim_zeros(counts, "b"))
        ),
        "use num_classes; a number of your own, as 5, fits some maps only.": (
            divide(*(np.resize([*counts, 0, 0, 0], own) for own in (5, 6)))
        ),
        "255 was counted as a class; leave void out first.": (
            divide(everything, everything[everything > 0], [*counts, size - total])
        ),
        "void was counted as class 0, sky.": divide(as_sky),
        "the mask was counted; use it to choose the labels.": divide(*masks, *padded),
        "the fractions are gone; `//` and int drop them.": counts // total,
        "divide by the number of pixels that are not void.": tuple(
            counts / divisor for divisor in (num_classes, *labels.shape, counts.max())
        ),
    }


@_exercise("00_start_here", asks_for="function")
def is_brightest_channel(answer, random):
    """Check the test that unmasks a label map made of the image's channels alone.

    Args:
        answer: function of `image`, (H, W, 3) uint8, and `predictions`, (H, W) uint8;
            returns `True` if every prediction is the number of the pixel's brightest
            channel, else `False`.

    Example:
        >>> is_brightest_channel(lambda image, predictions: predictions == 2)
        Not yet: it returns many values; one True or False is asked for.
    """
    bands = random.permuted(np.tile([0, 80, 160], (10, 14, 1)), axis=-1)
    image = (bands + random.integers(0, 80, bands.shape)).astype("uint8")
    brightest = image.argmax(axis=-1).astype("uint8")
    if not _is_yes(answer(image, brightest)):
        return _why_it_misses(answer, random)
    for hint, predictions in _other_maps(image, brightest, random).items():
        if _is_yes(answer(image, predictions)):
            return hint
    image[2, 3], image[4, 5] = (90, 90, 90), (20, 70, 70)
    ties = image.argmax(axis=-1).astype("uint8")
    later = ties.copy()
    later[2, 3], later[4, 5] = 2, 2
    if not _is_yes(answer(image, ties)) or _is_yes(answer(image, later)):
        return "of equal channels the first counts: (90, 90, 90) has the number 0."
    return None


def _why_it_misses(answer, random):
    """Return a hint for an answer that says `False` to a map of brightest channels."""
    image = random.permuted(np.tile([0, 1, 2], (3, 3, 1)), axis=-1).astype("uint8")
    maps = {
        "True and False are swapped.": image.argsort(axis=-1)[..., 1],
        "these are brightnesses; the numbers of the channels are asked for.": (
            image.max(axis=-1)
        ),
        "this is the darkest channel, and the brightest is asked for.": (
            image.argmin(axis=-1)
        ),
        "red is channel 0 and blue is channel 2; leave the order as it is.": (
            image[..., ::-1].argmax(axis=-1)
        ),
        "which axis of (H, W, 3) holds the channels? It is not the first.": (
            image.argmax(axis=0)
        ),
        "which axis of (H, W, 3) holds the channels? It is not the second.": (
            image.argmax(axis=1)
        ),
    }
    for hint, predictions in maps.items():
        if _is_yes(answer(image, predictions.astype("uint8"))):
            return hint
    return "it says False even for a map of brightest channels; make that map yourself."


def _other_maps(image, brightest, random):
    """Return maps that are not of brightest channels, each with its hint."""
    unequal = (brightest + 1) % 3
    agrees = np.zeros(brightest.shape, bool)
    agrees[0], agrees[:, 0], agrees[-1, -1] = True, True, True
    altered, swapped, with_void = (brightest.copy() for _ in range(3))
    altered[3, 5] = image[3, 5].argmin()
    row, column = np.argwhere(brightest != brightest[0, 0])[0]
    swapped[0, 0], swapped[row, column] = brightest[row, column], brightest[0, 0]
    with_void[6, 2] = 255
    return {
        "numbers from 0 to 2 alone prove nothing; compare pixel with pixel.": unequal,
        "one equal pixel is not enough; every pixel must agree.": (
            np.where(agrees, brightest, unequal)
        ),
        "it also says True for a map that has nothing to do with the image.": (
            random.integers(0, 5, image.shape[:2]).astype("uint8")
        ),
        "it says True although one pixel differs from the brightest channel.": altered,
        "the counts agree, the pixels do not; compare pixel with pixel.": swapped,
        "a pixel of 255 differs too; no channel has this number.": with_void,
    }


# Lesson 1


@_exercise("01_convolution", asks_for="value")
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
    return _compare(answer, np.array([50, 69, 8]), arrays)


def _flatten_nested(answer):
    """Return what an answer holds in one list, however its brackets stand."""
    if (
        isinstance(answer, list | tuple | np.ndarray)
        and getattr(answer, "shape", 1) != ()
    ):
        return [number for part in answer for number in _flatten_nested(part)]
    return [answer]


@_exercise("01_convolution", asks_for="value")
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
    hint = _compare(answer, np.array(work), arrays, otherwise)
    if hint is None and answer != work:
        return "very near; count exactly, and without the biases."
    return hint


@_exercise("01_convolution", asks_for="function")
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
        hint = _compare(found, _slide(*arguments), mistakes)
        if hint is not None:
            return hint
    return None


def _score_or_explain(answer, arguments):
    """Call an answer to `score_map`; add to NumPy's error what is likely behind it."""
    features, weights = arguments[:2]
    try:
        return answer(*arguments)
    except _Mistake as mistake:
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
    raise _Mistake("; ".join([error.rstrip("."), *found[:1]]) + ".")


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


# Lesson 2

# What is left of the 2 x 2 windows of a 3 x 3 map that reach beyond its edge.
_EDGE_WINDOWS = [np.s_[:2, 2:], np.s_[2:, :2], np.s_[2:, 2:]]


@_exercise("02_pooling", asks_for="value")
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


@_exercise("02_pooling", asks_for="value")
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
    hint = _compare(answer, expected, others)
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


@_exercise("02_pooling", asks_for="function")
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
        hint = _compare(found, np.array(expected), mistaken, _came(found))
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
        hint = _compare(found, expected, {}, _came(found))
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
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + kernel - 1
    return np.array([first, last])


def _draw_layers(random):
    """Draw two to five layers: convolutions with and without a stride, and pools."""
    kinds = [(3, 1, 1), (5, 1, 2), (7, 1, 3), (5, 2, 2), (2, 2, 0), (4, 4, 0)]
    return [kinds[kind] for kind in random.integers(0, 6, random.integers(2, 6))]


# Lesson 3

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


@_exercise("03_upsampling", asks_for="value")
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
    return _compare([rows, columns], np.array([40, 56]), arrays)


@_exercise("03_upsampling", asks_for="value")
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


@_exercise("03_upsampling", asks_for="function")
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
        except _Mistake as mistake:
            return _name_pressing_error(answer, random, str(mistake))
        expected = _press_and_cut(scores, kernel, stride)
        mistakes = _cutting_mistakes(scores, kernel, stride)
        mistakes |= _stamping_mistakes(scores, kernel, stride)
        mistakes |= _channel_mistakes(scores, kernel, stride)
        hint = _compare(found, expected, mistakes)
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
    except _Mistake:
        return False
    return _compare(found, _press_and_cut(scores, kernel, stride), {}) is None


def _press(scores, kernel, stride, add=True):
    """Press a stamp for each position, and cut nothing off."""
    rows, columns, _ = scores.shape
    side, _, channels, _ = kernel.shape
    overhang = side - stride
    shape = rows * stride + overhang, columns * stride + overhang, channels
    pressed = np.zeros(shape)
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


# Lesson 4


@_exercise("04_skip_connections", asks_for="value")
def deconvolved_sizes(answer, random):
    """Check the sizes that FCN-8s gives its three deconvolutions for one image.

    Args:
        answer: three pairs of rows and columns, of the maps that `upscore2`,
            `upscore_pool4` and `upscore8` return, before they are cropped.

    Example:
        >>> deconvolved_sizes([(7, 5), (13, 9), (100, 70)])
        Not yet: these sizes are already cropped; what leaves each deconvolution?
    """
    expected = np.array([(8, 6), (14, 10), (104, 72)])
    image, strides = np.array([(100, 70)]), np.array([[16], [8], [1]])
    cropped = np.ceil(image / strides)
    last_sizes = (96, 64), (96, 72), (100, 70), (104, 72)
    mistakes = {
        "these sizes are already cropped; what leaves each deconvolution?": cropped,
        **{
            f"the {place} size is already cropped; what leaves the deconvolution?": (
                np.where(np.arange(3)[:, None] == row, cropped, expected)
            )
            for row, place in enumerate(("first", "second", "last"))
        },
        "two of these sizes are already cropped; what leaves each deconvolution?": (
            tuple(
                np.where(np.arange(3)[:, None] == row, expected, cropped)
                for row in range(3)
            )
        ),
        "this is the example's answer, for 128 rows and 128 columns.": np.array(
            [(8, 8), (16, 16), (128, 128)]
        ),
        "cells are lost in pooling: 3 rows give 2 with padding 'same'.": tuple(
            np.array([(6, 4), (12, 8), last]) for last in last_sizes
        ),
        "a map is cropped before it goes on: for an image of 40 rows, upscore2 has 4 "
        "rows, and 3 of them go on.": tuple(
            np.array([(8, 6), (16, 12), last]) for last in [(128, 96), *last_sizes]
        ),
        "upscore_pool4 is cropped before it goes on, too: for an image of 40 rows it "
        "has 6 rows, and 5 of them go on.": np.array([(8, 6), (14, 10), (112, 80)]),
        "rows and columns are swapped.": expected[:, ::-1],
        "the order is reversed: upscore2 comes first.": expected[::-1],
        "these maps go into the deconvolutions; what comes out?": np.array(
            [(4, 3), (7, 5), (13, 9)]
        ),
        "a map has whole cells: 3 rows give 2, not 1.5.": image / strides,
    }
    return _compare(answer, expected, mistakes)


_FAULTS = {
    1: "a fault is left that keeps every coarse score from being negative.",
    4: "a fault is left that shows with a 40 x 40 image: two maps have 4 x 4 and 3 x "
    "3 cells, and the smaller one cannot be cut to the larger.",
    6: "a fault is left that lets the scores drop to almost 0 between two cells.",
}
_FAULTLESS = {
    2: "a kernel of 4 with a stride of 2 is twice its stride",
    3: "a skip that starts at zero changes nothing until training moves it",
    5: "fusion adds two maps of scores, whichever was cropped",
    7: "what hangs over at the end is cut to the size of the images",
}


@_exercise("04_skip_connections", asks_for="value")
def faulty_lines(answer, random):
    """Check which lines of a faulty FCN-16s were found.

    Args:
        answer: the numbers of the faulty lines, in any order.

    Example:
        >>> faulty_lines([5])
        Not yet: line 5 is right: fusion adds two maps of scores, whichever was cropped.
    """
    listed = list(answer) if isinstance(answer, set | frozenset) else np.ravel(answer)
    try:
        found = {float(line) for line in listed}
    except (TypeError, ValueError):
        return "numbers of lines are asked for, as in [2, 3]."
    for line in sorted(found - set(_FAULTS)):
        if line not in _FAULTLESS:
            return f"there is no line {line:g}; the lines are 1 to 7."
        return f"line {line:g} is right: {_FAULTLESS[line]}."
    left = [hint for line, hint in _FAULTS.items() if line not in found]
    return left[0] if left else None


_SCORES = ("score_fr", "score_pool4", "score_pool3")
_UPSCORES = {"upscore2": 2, "upscore_pool4": 2, "upscore8": 8}  # and their strides
# Each map of FCN-8s, in the order in which they are computed, and what it is made of.
_STEPS = {
    "score_fr": ("fc7",),
    "upscore2": ("score_fr",),
    "score_pool4": ("pool4",),
    "fuse_pool4": ("upscore2", "score_pool4"),
    "upscore_pool4": ("fuse_pool4",),
    "score_pool3": ("pool3",),
    "fuse_pool3": ("upscore_pool4", "score_pool3"),
    "upscore8": ("fuse_pool3",),
}


@_exercise("04_skip_connections", asks_for="function", seconds=60)
def build_fcn8s(answer, random):
    """Check an FCN-8s: its layers, its parameters, and its maps with random weights.

    The network is compared with `models.fcn8s` under the same weights, first on an
    image whose sides are multiples of 32, then on one that needs every crop.

    Args:
        answer: function of `num_classes`; returns a Keras model whose layers have the
            names that the lesson prescribes.

    Example:
        >>> build_fcn8s(lambda num_classes: num_classes)
        Not yet: a keras.Model is asked for, and int came.
    """
    import keras

    from fcnlib import models

    if isinstance(answer.function, keras.Model):
        return "hand over the function that builds the network, not a network."
    num_classes = int(random.choice([3, 4, 6, 7]))  # never the 5 of the lesson
    reference = models.fcn8s(num_classes)  # first: Keras is slow at its first network
    model = _build(answer, num_classes)
    hint = _wrong_model(model, num_classes, reference)
    if hint is not None:
        return hint
    own_weights = model.get_weights()
    try:
        hint = _share_weights(model, reference, random)
        for height, width in ((64, 96), (72, 100)):
            image = random.integers(0, 256, (1, height, width, 3)).astype("float32")
            hint = hint or _different_map(model, reference, image)
    finally:
        model.set_weights(own_weights)
    return hint


def _build(answer, num_classes):
    """Return a student's network, or explain why it cannot be built."""
    try:
        return answer(num_classes)
    except _Mistake as mistake:
        twice = re.search(r'name "(\w+)" is used', str(mistake))
        if twice:
            raise _Mistake(
                f"two layers are called {twice[1]!r}; a name belongs to one layer."
            ) from None
        if f"but {2 * num_classes} go in" in str(mistake):
            raise _Mistake(
                f"an upscore layer meets {2 * num_classes} channels, {num_classes} of "
                "each map, as a Concatenate gives them; an Add is asked for."
            ) from None
        raise


def _wrong_model(model, num_classes, reference):
    """Say what is wrong with a model's kind, layers or input."""
    import keras

    if not isinstance(model, keras.Model):
        came = type(model).__name__
        return f"a keras.Model is asked for, and {came} came."
    hint = _missing_layer(model, reference)
    if hint is not None:
        return hint
    for name in ("fuse_pool4", "fuse_pool3"):
        if isinstance(model.get_layer(name), keras.layers.Concatenate):
            return f"{name} is a Concatenate; an Add is asked for."
    if model.input_shape != (None, None, None, 3):
        return f"the input is fixed to {model.input_shape[1:]}; images have any size."
    for name in (*_SCORES, *_UPSCORES):
        hint = _wrong_layer(model.get_layer(name), num_classes)
        if hint is not None:
            return f"{name} {hint}"
    return None


def _missing_layer(model, reference):
    """Name a layer that is missing, or that the logits do not depend on.

    Keras lists only what leads to the output. A layer of another name is a sign that
    the name is wrong; without one, the map leads nowhere.
    """
    from keras.layers import InputLayer

    from fcnlib.layers import CropLike

    layers = [*model.layers, *reference.layers]
    free = {layer.name for layer in layers if isinstance(layer, CropLike | InputLayer)}
    names = {layer.name for layer in model.layers}
    missing = [name for name in _STEPS if name not in names]
    if not missing:
        return None
    if names - free - {layer.name for layer in reference.layers}:
        return f"no layer is called {missing[0]!r}; the text prescribes eight names."
    return (
        f"{missing[0]} is missing or leads nowhere: the logits do not depend on a "
        "layer of that name."
    )


def _wrong_layer(layer, num_classes):
    """Say what is wrong with a layer that scores or enlarges."""
    from keras.layers import Conv2D, Conv2DTranspose, Dense

    stride = _UPSCORES.get(layer.name)
    kind = Conv2DTranspose if stride else Conv2D
    if isinstance(layer, kind):
        hint = _wrong_window(layer, 2 * stride if stride else 1, stride or 1)
    elif isinstance(layer, Dense) and not stride:  # along the last axis, it is the same
        hint = None
    else:
        hint = f"is a {type(layer).__name__}; a {kind.__name__} is asked for."
    return hint or _wrong_scores(layer, num_classes, bool(stride))


def _wrong_window(layer, size, stride):
    """Say what is wrong with the kernel size, the stride or the padding."""
    if tuple(layer.strides) != (stride, stride):
        return (
            f"has the strides {tuple(layer.strides)}; which stride leads from its "
            "map to the next?"
        )
    if tuple(layer.kernel_size) != (size, size):
        rule = "twice its stride" if stride > 1 else "1, as each cell is scored alone"
        return f"has a kernel of {tuple(layer.kernel_size)}; its side should be {rule}."
    if layer.padding != "same" and size > 1:
        return f"has the padding {layer.padding!r}, which shifts its map."
    return None


def _wrong_scores(layer, num_classes, enlarges):
    """Say what is wrong with the scores that a layer returns, or how they start."""
    if layer.output.shape[-1] != num_classes:
        return f"gives {layer.output.shape[-1]} scores for {num_classes} classes."
    if layer.activation.__name__ != "linear":
        name = layer.activation.__name__
        return f"has the activation {name!r}; a score may have any value, as -2."
    if layer.use_bias == enlarges:
        if enlarges:
            return "has a bias, unlike the layer of fcnlib; is **bilinear missing?"
        return "has no bias, unlike the layer of fcnlib."
    start = layer.get_weights()
    if layer.name in ("score_pool4", "score_pool3") and any(map(np.any, start)):
        return "does not start at zero, so that new skips disturb the coarse scores."
    if enlarges and not _starts_bilinear(start[0]):
        return "does not start with the bilinear kernel, class by class."
    return None


def _starts_bilinear(kernel):
    """Tell whether a kernel enlarges each class bilinearly and mixes none."""
    from fcnlib import layers

    bilinear = layers.bilinear_kernel(len(kernel) // 2)
    return np.allclose(kernel, bilinear[:, :, None, None] * np.eye(kernel.shape[-1]))


def _share_weights(model, reference, random):
    """Give both models the same weights, or say where they differ in shape."""
    for layer in (layer for layer in reference.layers if layer.weights):
        if layer.name not in {own.name for own in model.layers}:
            return f"no layer is called {layer.name!r}; keep the lines that are given."
        own, shapes = model.get_layer(layer.name), [w.shape for w in layer.weights]
        weights = own.get_weights()
        if [w.size for w in weights] != [np.prod(shape) for shape in shapes]:
            return _wrong_sizes(layer.name, weights, shapes)
        if layer.name in _SCORES:
            weights = [random.normal(size=w.shape) for w in weights]
            own.set_weights(weights)
        pairs = zip(weights, shapes, strict=True)
        layer.set_weights([w.reshape(shape) for w, shape in pairs])
    more = model.count_params() - reference.count_params()
    if more:
        return f"it has {more} parameters more than fcnlib's; which layer holds them?"
    return None


def _wrong_sizes(name, weights, shapes):
    """Say how the weights of a layer differ in shape from those of fcnlib."""
    if name not in _SCORES:
        return f"{name} has other weights than in fcnlib; keep the given lines."
    found, expected = weights[0].shape[-2], shapes[0][-2]
    source = _STEPS[name][0]
    return f"{name} reads a map of {found} channels, and {source} has {expected}."


def _different_map(model, reference, image):
    """Name the first map that differs from fcnlib's, and the mistake behind it."""
    maps = {name: _look(reference, name, image) for name in _STEPS}
    size = " x ".join(str(length) for length in image.shape[1:3])
    for name in _STEPS:
        found = _look(model, name, image)
        if found is None:
            return _not_computed(name, maps, size)
        if _alike(found, maps[name]):
            continue
        for hint, mistaken in _mistaken_maps(name, maps, reference).items():
            if _alike(found, mistaken):
                return f"{name} {hint}"
        sources = " and ".join(_STEPS[name])
        return f"{name} is not made of {sources} as in fcnlib, on {size} pixels."
    return _different_logits(model, maps["upscore8"], image)


def _look(model, name, image):
    """Return what one layer of a model gives for an image, or `None` if it fails."""
    import keras

    try:
        part = keras.Model(model.inputs, model.get_layer(name).output)
        return np.asarray(part(image), "float64")
    except Exception:
        return None


def _alike(found, expected):
    """Tell whether two maps have one shape and, at their scale, equal values."""
    return found.shape == expected.shape and (
        np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()
    )


def _not_computed(name, maps, size):
    """Say why a map cannot be computed."""
    if name not in ("fuse_pool4", "fuse_pool3"):
        return f"{name} cannot be computed for an image of {size} pixels."
    sizes = {source: maps[source].shape[1:3] for source in _STEPS[name]}
    (first, (rows, columns)), (second, (height, width)) = sizes.items()
    if (rows, columns) == (height, width):
        return f"{name} adds maps of two strides; which pool is fused first?"
    return (
        f"{name} fails on {size} pixels: {first} has {rows} x {columns} cells there, "
        f"{second} {height} x {width}; what hangs over is to be cropped, and CropLike "
        "cuts its first map to its second."
    )


def _mistaken_maps(name, maps, reference):
    """Map hints to what the mistakes make of one map."""
    if name in _UPSCORES:
        (source,) = _STEPS[name]
        enlarge, scores = reference.get_layer(name), maps[source]
        return {
            f"enlarges {source} after a ReLU; scores below 0 are lost.": np.asarray(
                enlarge(np.maximum(scores, 0))
            ),
            f"enlarges {source} after a softmax; enlarge the scores.": np.asarray(
                enlarge(_softmax(scores))
            ),
        }
    if name in _SCORES:
        return {}
    enlarged, skip = (maps[source] for source in _STEPS[name])
    rows, columns = skip.shape[1:3]
    upper = enlarged[:, :rows, :columns]
    first, second = _STEPS[name]
    return {
        f"adds {second} to itself; CropLike cuts its first map to its second.": (
            2 * skip
        ),
        f"adds {first} to itself; {second} is left out.": 2 * upper,
        f"leaves out {second}.": upper,
        f"leaves out {first}.": skip,
        "takes the mean; fusion adds.": (upper + skip) / 2,
        "takes the larger score; fusion adds.": np.maximum(upper, skip),
        "multiplies; fusion adds.": upper * skip,
        "adds maps that are cropped at the top left; the first cells belong together, "
        "so the last ones go.": enlarged[:, -rows:, -columns:] + skip,
    }


def _softmax(scores):
    """Return the softmax over the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _different_logits(model, enlarged, image):
    """Compare the output of a model with the last map of the reference, cropped."""
    found = np.asarray(model(image))
    height, width = image.shape[1:3]
    logits = enlarged[:, :height, :width]
    if found.shape == enlarged.shape != logits.shape:
        return (
            f"an image of {height} x {width} pixels gets {enlarged.shape[1]} x "
            f"{enlarged.shape[2]} logits; one crop is left to do."
        )
    if _alike(found, image):
        return "the output is the image; CropLike cuts its first map to its second."
    if found.shape != logits.shape:
        return f"the output has the shape {found.shape}, and the logits {logits.shape}."
    lower = enlarged[:, -height:, -width:]
    mistakes = {
        "a softmax stands at the end; the logits are asked for.": _softmax(logits),
        "a ReLU stands at the end; the logits are asked for.": np.maximum(logits, 0),
        "the last crop is at the top left; pixel 0 belongs to the first cell.": lower,
    }
    if _alike(found, logits):
        return None
    for hint, mistaken in mistakes.items():
        if _alike(found, mistaken):
            return hint
    return "the output is not upscore8, cropped to the size of the images."


# Lesson 5


@_exercise("05_iou", asks_for="value")
def moved_box_iou(answer, random):
    """Check the IoU of a box, 6 x 8, and the same box moved 1 down and 2 right.

    Args:
        answer: a number.

    Example:
        >>> moved_box_iou(30)
        Not yet: these are the pixels of the overlap; divide them by the union.
    """
    mistakes = {
        "these are the pixels of the overlap; divide them by the union.": 30,
        "these are the pixels of the union; the overlap is divided by them.": 66,
        "this is the overlap over one box, or Dice; the union also holds what is only"
        " in the other.": 30 / 48,
        "this divides by the rectangle around both boxes; two of its corners are in"
        " neither.": 30 / 70,
        "this counts the overlap twice in the union; for two boxes of one square in the"
        " same place it gives 1/2.": 30 / 96,
        "the union holds the overlap too, once.": 30 / 36,
        "this divides the union by the overlap, and no IoU is above 1.": 66 / 30,
        "the box moved down too, by 1 row.": 36 / 60,
        "the box moved to the right too, by 2 columns.": 40 / 56,
        "rows and columns are swapped: it moved 1 row down and 2 columns right.": 28
        / 68,
        "the overlap is one row or column off; 8 columns moved by 2 share 6.": 20 / 76,
        "this is a percentage; an IoU is at most 1.": 100 * 30 / 66,
        "this is rounded; write the fraction itself, as in 1 / 3.": 0.45,
        "this is rounded to three places; write the fraction itself.": 0.455,
    }
    return _compare_number(answer, 30 / 66, mistakes)


def _compare_number(found, expected, mistakes, otherwise="this is another number."):
    """Compare one number, as `_compare` does; mistakes may be any numbers."""
    came = type(found).__name__
    try:
        found = np.asarray(found, "float64")
    except (TypeError, ValueError):
        return f"one number is asked for, and this is of the type {came}."
    results = {
        hint: value if isinstance(value, tuple) else np.asarray(value, "float64")
        for hint, value in mistakes.items()
    }
    if found.shape != ():  # what no other hint explains
        results[f"one number is asked for, and this is a {came} of numbers."] = found
    return _compare(found, np.float64(expected), results, otherwise)


@_exercise("05_iou", asks_for="function")
def class_iou(answer, random):
    """Check the IoU of one class of a confusion matrix.

    Args:
        answer: function of `confusion`, (C, C) integers with true classes in rows, and
            `class_id`; returns a number.

    Example:
        >>> class_iou(lambda confusion, class_id: None)
        Not attempted yet: it returns None; is a return missing?
    """
    # Class 1 never, or the class before and class 0 would be the same mistake.
    cases = [(2, 0), (5, 3), (3, 2), (4, int(random.integers(2, 4)))]
    for num_classes, class_id in cases:
        confusion = random.integers(1, 1000, (num_classes, num_classes))
        hint = _compare_number(
            answer(confusion, class_id),
            metrics.iou(confusion)[class_id],
            _class_iou_mistakes(confusion, class_id),
            "this is another number."
            if num_classes == 2
            else "it is right for class 0 of two, and fails with more classes; which"
            " numbers of the row and of the column does it leave out?",
        )
        if hint is not None:
            return hint
    return None


def _class_iou_mistakes(confusion, class_id):
    """Map hints to the wrong scores of a class, each with a matrix that shows it."""
    hits, row = confusion[class_id, class_id], confusion[class_id].sum()
    column, scores = confusion[:, class_id].sum(), metrics.iou(confusion)
    all_hits = np.trace(confusion)
    return {
        "pixels that were called the class by mistake are missing from the union; try"
        " [[1, 0], [1, 0]].": hits / row,
        "pixels of the class that were missed are missing from the union; try [[1, 1],"
        " [0, 0]].": hits / column,
        "the overlap is counted twice in the union; try [[1, 0], [0, 1]].": hits
        / (row + column),
        "the overlap is missing from the union; try [[1, 1], [0, 0]].": hits
        / (row + column - 2 * hits),
        "this is Dice; try [[1, 1], [0, 0]].": 2 * hits / (row + column),
        "this divides the union by the overlap; try [[1, 1], [0, 0]].": (
            row + column - hits
        )
        / hits,
        "this divides by all pixels; try [[1, 0], [0, 1]].": hits / confusion.sum(),
        "this is the pixel accuracy; the IoU of one class is asked for.": all_hits
        / confusion.sum(),
        "the brackets around the union are missing, and / comes before + and -; try"
        " [[1, 0], [1, 0]].": hits / row + column - hits,
        "the row is in the union twice, and the column is not; try [[1, 0],"
        " [1, 0]].": hits / (2 * row - hits),
        "the column is in the union twice, and the row is not; try [[1, 1],"
        " [0, 0]].": hits / (2 * column - hits),
        "np.trace adds up what is right in all classes; one class is asked for; try"
        " [[1, 0], [0, 1]].": (
            all_hits / (row + column - hits),
            all_hits / (row + column - all_hits),
        ),
        "this multiplies two shares, of the row and of the column; try [[1, 1],"
        " [1, 0]].": hits**2 / (row * column),
        "this is a percentage; an IoU is at most 1.": 100 * scores[class_id],
        "this is the overlap alone; divide it by the union.": hits,
        "this is the union alone; the overlap is divided by it.": row + column - hits,
        "these are the scores of all classes; one number is asked for.": scores,
        "this is the mean over the classes; one class is asked for.": scores.mean(),
        "this is the score of class 0; the class is handed over as class_id.": scores[
            0
        ],
        "this is the score of another class; classes are counted from 0.": scores[
            class_id - 1
        ],
        "this is 0; // and int() cut off the fraction, and / keeps it.": 0,
    }


@_exercise("05_iou", asks_for="value")
def iou_counterexample(answer, random):
    """Check a confusion matrix that unmasks the lesson's faulty `mean_iou`.

    Args:
        answer: confusion matrix, (C, C) whole numbers, as an array or nested lists.

    Example:
        >>> iou_counterexample([[3, 1], [2, 4]])
        Not yet: for this matrix both return 0.536.
    """
    try:
        confusion = np.asarray(answer, "float64")
    except (TypeError, ValueError):
        return "a confusion matrix is asked for, rows of numbers of one length."
    if confusion.ndim != 2 or len(set(confusion.shape)) != 1:
        return f"a confusion matrix is (C, C); this has the shape {confusion.shape}."
    if (confusion < 0).any() or (confusion % 1 != 0).any():
        return "each number counts pixels: it is whole, and not below 0."
    if not confusion.any():
        return "there is no pixel in it; at least one must be there."
    right, union = metrics.mean_iou(confusion), _union(confusion)
    faulty = np.mean(np.diagonal(confusion) / np.maximum(union, 1))
    if not np.isclose(right, faulty):
        return None
    if right == 0 and (union == 0).any():
        return "a class is absent, but all others score 0; let one pixel be right."
    truth, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    if (truth[predicted > 0] == 0).any():
        return "a class that is only predicted, never true, has 0 in both functions."
    if (predicted[truth > 0] == 0).any():
        return "a class that is only true, never predicted, has 0 in both functions."
    return f"for this matrix both return {right:.3f}."


def _union(confusion):
    """Count the pixels that are truly of a class or were called so, by class."""
    sizes = confusion.sum(axis=0) + confusion.sum(axis=1)
    return sizes - np.diagonal(confusion)


@_exercise("05_iou", asks_for="function")
def dataset_mean_iou(answer, random):
    """Check the mean IoU of a dataset, counted in one.

    Args:
        answer: function of `labels`, (N, H, W) uint8 with 255 for void, `predictions`,
            (N, H, W) uint8, and `num_classes`; returns a number.

    Example:
        >>> dataset_mean_iou(lambda labels, predictions, num_classes: 0.5)
        Not yet: it fails on one picture without void in which all classes occur.
    """
    for stage, labels, predictions, num_classes in _datasets(random):
        found = answer(labels, predictions, num_classes)
        confusion = metrics.confusion_matrix(labels, predictions, num_classes)
        mistakes = _mean_iou_mistakes(labels, predictions, num_classes)
        expected = metrics.mean_iou(confusion)
        hint = _compare_number(found, expected, mistakes, stage)
        if hint is not None:
            return hint
    return None


def _datasets(random):
    """Draw datasets, each with one difficulty more, and say which in a hint."""
    names = (
        "it fails on one picture without void in which all classes occur.",
        "it is right for one picture, and fails on several.",
        "it is right without void, and fails with void.",
        "it is right where all classes occur, and fails where some do not.",
        "it is right where all classes occur, and fails where some do not.",
        "it is right for few classes, and fails for 21; bytes go up to 255.",
    )
    for stage, name in enumerate(names):
        shape = (1 if stage == 0 else 4, 12, 16)
        num_classes = 21 if stage == 5 else 7
        used = (7, 7, 7, 3, 5, 19)[stage]
        labels = random.integers(0, used, shape)
        # Each picture has its own share of errors, or averages would be alike.
        right = random.random(shape) < np.linspace(0.3, 0.9, len(labels))[:, None, None]
        predictions = np.where(right, labels, random.integers(0, used, shape))
        if stage == 3:  # 3 and 4 are only predicted, 5 is only true, 6 is nowhere
            predictions[:, 0, :3], predictions[:, 0, 3:6] = 3, 4
            labels[:, 0, 6:9] = 5
        if stage >= 4:  # one class is only predicted, the last one only under void
            predictions[:, 0, :3] = used
        if stage >= 2:
            labels[:, 1:3] = 255
            under_void = random.integers(0, 5 if stage == 3 else num_classes, shape)
            predictions[:, 1:3] = under_void[:, 1:3]
        yield name, labels.astype("uint8"), predictions.astype("uint8"), num_classes


def _mean_iou_mistakes(labels, predictions, num_classes):
    """Map hints to the wrong scores of a dataset, with a small input that shows it."""
    confusion = metrics.confusion_matrix(labels, predictions, num_classes)
    hits, union = np.diagonal(confusion), _union(confusion)
    truth, called = confusion.sum(axis=1), confusion.sum(axis=0)
    scores = metrics.iou(confusion)
    void = labels == 255
    union_with_void = union + np.bincount(predictions[void], minlength=num_classes)
    with_void = np.nanmean(hits / union_with_void)
    pictures = [
        metrics.confusion_matrix(*pair, num_classes)
        for pair in zip(labels, predictions, strict=True)
    ]
    as_class_0 = metrics.confusion_matrix(
        np.where(void, 0, labels), predictions, num_classes
    )
    as_predicted = metrics.confusion_matrix(
        np.where(void, predictions, labels), predictions, num_classes
    )
    return {
        "void pixels are in the union; try labels [[[0, 255]]], predictions"
        " [[[0, 0]]] and 3 classes.": with_void,
        "void pixels count as class 0; try labels [[[1, 255]]], predictions"
        " [[[1, 1]]] and 3 classes.": metrics.mean_iou(as_class_0),
        "void counts as one more class; try labels [[[0, 255]]], predictions"
        " [[[0, 0]]] and 3 classes.": (
            with_void * num_classes / (num_classes + 1),
            np.nansum(scores) / (num_classes + 1),
        ),
        "void pixels count as right; try labels [[[0, 1, 255]]], predictions"
        " [[[0, 0, 0]]] and 3 classes.": metrics.mean_iou(as_predicted),
        "the scores of single pictures are averaged; try labels [[[0, 1]], [[0, 0]]],"
        " predictions [[[0, 1]], [[0, 1]]] and 3 classes.": np.mean(
            [metrics.mean_iou(picture) for picture in pictures]
        ),
        "only the first picture is counted; try labels [[[0, 0]], [[0, 1]]],"
        " predictions [[[0, 0]], [[0, 0]]] and 3 classes.": metrics.mean_iou(
            pictures[0]
        ),
        "only the last picture is counted; try labels [[[0, 1]], [[0, 0]]],"
        " predictions [[[0, 0]], [[0, 0]]] and 3 classes.": metrics.mean_iou(
            pictures[-1]
        ),
        "a class that is nowhere counts as 0; try labels [[[0]]], predictions [[[0]]]"
        " and 3 classes.": np.nansum(scores) / num_classes,
        "a class that is nowhere counts as 1; try labels [[[0, 0]]], predictions"
        " [[[0, 1]]] and 3 classes.": np.mean(np.nan_to_num(scores, nan=1)),
        "a class that is nowhere makes it nan; try labels [[[0]]], predictions"
        " [[[0]]] and 3 classes.": np.nan,
        "a class that is only predicted is left out; try labels [[[0, 0]]],"
        " predictions [[[0, 1]]] and 3 classes.": np.mean(scores[truth > 0]),
        "a class that is true and never predicted is left out; try labels [[[0, 1]]],"
        " predictions [[[0, 0]]] and 3 classes.": np.mean(scores[called > 0]),
        "a class of which no pixel is right is left out, and its score is 0; try"
        " labels [[[0, 1]]], predictions [[[0, 0]]] and 3 classes.": np.mean(
            scores[hits > 0]
        ),
        "the overlap is counted twice in the union; try labels [[[0]]], predictions"
        " [[[0]]] and 3 classes.": np.nanmean(hits / (truth + called)),
        "this is the mean of Dice; try labels [[[0, 1]]], predictions [[[0, 0]]] and"
        " 3 classes.": np.nanmean(metrics.dice(confusion)),
        "this is the pixel accuracy; try labels [[[0, 1]]], predictions [[[0, 0]]] and"
        " 3 classes.": metrics.pixel_accuracy(confusion),
        "this is the mean accuracy; try labels [[[0, 1]]], predictions [[[0, 0]]] and"
        " 3 classes.": metrics.mean_accuracy(confusion),
        "each class is divided by what was called so; try labels [[[0, 1]]],"
        " predictions [[[0, 0]]] and 3 classes.": np.nanmean(hits / called),
        "this is weighted by frequency; try labels [[[0, 0, 1]]], predictions"
        " [[[0, 0, 0]]] and 3 classes.": metrics.frequency_weighted_iou(confusion),
        "all classes are added up before dividing; try labels [[[0, 0, 1]]],"
        " predictions [[[0, 0, 0]]] and 3 classes.": hits.sum() / union.sum(),
        "class 0 is left out; try labels [[[0, 1]]], predictions [[[0, 0]]] and 3"
        " classes.": np.nanmean(scores[1:]),
        "the last class is left out; try labels [[[0, 2]]], predictions [[[0, 0]]] and"
        " 3 classes.": np.nanmean(scores[:-1]),
        "this is the score of class 0 alone; is the return inside the loop? Then try"
        " labels [[[0, 1]]], predictions [[[0, 0]]] and 3 classes.": scores[0],
        "use num_classes; a number of your own, as 3, fits some maps only; try labels"
        " [[[0, 20]]], predictions [[[0, 0]]] and 21 classes.": tuple(
            np.nanmean(scores[:own]) for own in (2, 3, 4, 5, 7)
        ),
        "the scores are added up; divide by the number of classes that count; try"
        " labels [[[0, 1]]], predictions [[[0, 1]]] and 3 classes.": np.nansum(scores),
        "this divides the union by the overlap; try labels [[[0, 0]]], predictions"
        " [[[0, 1]]] and 3 classes.": np.nanmean(union / hits),
        "this is a score for each class; their mean is asked for.": scores,
        "a byte goes up to 255, so 20 * 21 + 20 becomes 184; try labels [[[20]]],"
        " predictions [[[20]]] and 21 classes.": _mean_iou_of_bytes(
            labels[~void], predictions[~void], num_classes
        ),
    }


def _mean_iou_of_bytes(labels, predictions, num_classes):
    """Return the mean IoU if the numbers of the pairs are kept in bytes."""
    pairs = labels * np.uint8(num_classes) + predictions
    counts = np.bincount(pairs, minlength=num_classes**2)[: num_classes**2]
    return metrics.mean_iou(counts.reshape(num_classes, num_classes))
