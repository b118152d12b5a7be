"""Try an answer on a judge and say in one line what came of it.

A judge is a function of one exercise, in the file of its lesson: it tries the answer
on cases drawn from `random` and returns `None` if all is well, or else a hint that
names the mistake. The decorator `exercise` turns it into the public check of the same
name, which takes the answer alone and prints one line. A judge calls an answer as any
function: `_Attempt` holds the time limit and turns whatever goes wrong into a hint.
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
            hint = judge(accept(answer, asks_for, seconds), random)
    except _NotAttempted as stub:
        return 0.0, f"Not attempted yet: {stub}"
    except Mistake as mistake:
        hint = mistake
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        hint = f"the answer cannot be compared ({_describe(error)})."
    return (1.0, "Correct.") if hint is None else (0.0, f"Not yet: {hint}")


class _NotAttempted(Exception):
    """Say that the answer is still the lesson's stub."""


class Mistake(Exception):
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
                raise Mistake("it changes the array that it is given; work on a copy.")
        if found is None and self.returned:
            raise Mistake("it returns None for some arguments; is a return missing?")
        if found is None:
            raise _NotAttempted("it returns None; is a return missing?")
        self.returned = True
        return found


def exercise(lesson, asks_for, seconds=None):
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
        check.__doc__, check.__module__ = judge.__doc__, judge.__module__
        return check

    return register


def accept(answer, asks_for, seconds=None):
    """Return the answer ready for its judge, or say that it is of the wrong kind."""
    if answer is None:
        raise _NotAttempted("the answer is still None.")
    if asks_for == "value":
        if inspect.isroutine(answer):
            raise Mistake("this asks for a value, and a function came.")
        return answer
    if not callable(answer):
        came = type(answer).__name__
        raise Mistake(
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
        raise Mistake(
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
        raise Mistake(f"it stops with {said}{''.join(meant)}.")
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


def compare(
    found, expected, mistakes, otherwise="the shape is right, and the numbers are not."
):
    """Compare numbers; `mistakes` maps a hint to the result that the mistake gives.

    Where a mistake has several results, they stand in a tuple.
    """
    try:
        found = np.asarray(found, "float64")
    except (TypeError, ValueError):
        return f"it returns {type(found).__name__}, and numbers are asked for."
    if close(found, expected):
        return None
    for hint, mistaken in mistakes.items():
        results = mistaken if isinstance(mistaken, tuple) else (mistaken,)
        if any(close(found, result) for result in results):
            return hint
    if found.shape != expected.shape:
        return f"the shape is {found.shape}, and {expected.shape} is asked for."
    if np.isnan(found).any() and not np.isnan(expected).any():
        return "some of the numbers are nan; what was divided by zero?"
    if any(close(found, np.round(expected, places)) for places in (1, 2, 3, 4)):
        return "the numbers are rounded; hand them on as they are."
    return otherwise


def compare_number(found, expected, mistakes, otherwise="this is another number."):
    """Compare one number, as `compare` does; mistakes may be any numbers."""
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
    return compare(found, np.float64(expected), results, otherwise)


def close(found, expected):
    """Tell whether two arrays have one shape and, up to rounding, equal numbers."""
    return found.shape == expected.shape and np.allclose(
        found, expected, rtol=1e-4, atol=1e-6, equal_nan=True
    )


def is_yes(found):
    """Read an answer to a yes-or-no question."""
    if np.shape(found) != ():
        raise Mistake("it returns many values; one True or False is asked for.")
    if not isinstance(found, bool | np.bool_) and found not in (0, 1):
        came = type(found).__name__
        raise Mistake(f"it returns {came}, and True or False is asked for.")
    return bool(found)


def find_faults(answer, faults, faultless):
    """Return a hint on a list of the faulty lines of a program, or `None` if right.

    `faults` maps the faulty lines to what is asked while they are missing, `faultless`
    the others to why they are right.
    """
    is_set = isinstance(answer, set | frozenset)
    try:
        found = {float(line) for line in np.ravel(list(answer) if is_set else answer)}
    except (TypeError, ValueError):
        return "numbers of lines are asked for, as in [2, 3]."
    for line in sorted(found - set(faults)):
        if line not in faultless:
            last = max(*faults, *faultless)
            return f"there is no line {line:g}; the lines are 1 to {last}."
        reason = faultless[line]
        return f"line {line:g} is right: {reason}{'' if reason[-1] in '.?' else '.'}"
    left = [hint for line, hint in faults.items() if line not in found]
    return left[0] if left else None
