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
import threading
import time
import warnings

import numpy as np

NAMES = {}  # lesson's file stem -> names of its exercises, in order
SECONDS = 5  # the longest that one call of an answer may take
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
    judge, asks_for = _JUDGES[name]
    random = np.random.default_rng(0 if seed is None else seed)
    try:
        with _silence():
            hint = judge(_accept(answer, asks_for), random)
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

    def __init__(self, function):
        self.function = function
        self.returned = False

    def __call__(self, *arguments):
        copies = [_copy(argument) for argument in arguments]
        found = _call_within_limit(self.function, copies)
        for argument, copy in zip(arguments, copies, strict=True):
            if isinstance(argument, np.ndarray) and _changed(argument, copy):
                raise _Mistake("it changes the array that it is given; work on a copy.")
        if found is None and self.returned:
            raise _Mistake("it returns None for some arguments; is a return missing?")
        if found is None:
            raise _NotAttempted("it returns None; is a return missing?")
        self.returned = True
        return found


def _exercise(lesson, asks_for):
    """Register a judge under a lesson and return the check that students call."""

    def register(judge):
        name = judge.__name__
        NAMES[lesson] = (*NAMES.get(lesson, ()), name)
        _JUDGES[name] = judge, asks_for

        def check(answer):
            print(score(name, answer)[1])

        check.__name__ = check.__qualname__ = name
        check.__doc__ = judge.__doc__
        return check

    return register


def _accept(answer, asks_for):
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
    return _Attempt(answer)


def _call_within_limit(function, arguments):
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
        deadline = time.monotonic() + SECONDS
        while not ended.is_set() and time.monotonic() < deadline:
            ended.wait(0.1)  # short: on Windows an interrupt does not end a long wait
        late = not ended.is_set()
    finally:
        _stop(thread.ident, ended)
    if late:
        raise _Mistake(f"still running after {SECONDS} s; is there a loop without end?")
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
        raise _Mistake(f"it stops with {_describe(error)}.")
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


def _compare(found, expected, mistakes):
    """Compare numbers; `mistakes` maps a hint to the result that the mistake gives."""
    try:
        found = np.asarray(found, "float64")
    except (TypeError, ValueError):
        return f"it returns {type(found).__name__}, and numbers are asked for."
    if _close(found, expected):
        return None
    for hint, mistaken in mistakes.items():
        if _close(found, mistaken):
            return hint
    if found.shape != expected.shape:
        return f"the shape is {found.shape}, and {expected.shape} is asked for."
    if np.isnan(found).any() and not np.isnan(expected).any():
        return "some of the numbers are nan; what was divided by zero?"
    return "the shape is right, and the numbers are not."


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
    for num_classes in (6, 3, 9):
        labels = random.integers(0, num_classes - 1, (7, 9)).astype("uint8")
        labels.flat[random.permutation(63)[:20]] = 255
        counts = np.bincount(labels.ravel(), minlength=256)[:num_classes]
        shares = counts / counts.sum()
        hint = _compare(
            answer(labels, num_classes),
            shares,
            {
                "void pixels are still part of the total.": counts / labels.size,
                "these are counts; a share is a count over the total.": counts,
                "these are percentages; shares add up to 1.": 100 * shares,
                "a class that is absent has a share too: 0.": shares[shares > 0],
            },
        )
        if hint is not None:
            return hint
    return None


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
        return "it misses a map of brightest channels; which axis holds the channels?"
    if _is_yes(answer(image, random.integers(0, 3, (10, 14)).astype("uint8"))):
        return "numbers from 0 to 2 alone prove nothing; compare pixel with pixel."
    if _is_yes(answer(image, random.integers(0, 5, (10, 14)).astype("uint8"))):
        return "it also says True for a map that has nothing to do with the image."
    altered = brightest.copy()
    altered[3, 5] = image[3, 5].argmin()
    if _is_yes(answer(image, altered)):
        return "it says True although one pixel differs from the brightest channel."
    return None


# Lesson 1


# Lesson 2


# Lesson 3


# Lesson 4


# Lesson 5
