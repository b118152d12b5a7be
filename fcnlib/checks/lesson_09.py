"""Judge the exercises of lesson 09_your_own_images."""

import numbers

import numpy as np

from fcnlib.checks.judging import Mistake, exercise


@exercise("09_your_own_images", asks_for="value")
def wrong_label(answer, random):
    """Check the number in a file and the wrong label that 1 less makes of it.

    Args:
        answer: a number and its label, in that order.

    Example:
        >>> wrong_label((1, 0))
        Not yet: 1 is road, class 0; its label is right.
    """
    try:
        pair = np.asarray(answer, "float64").ravel()
    except (TypeError, ValueError):
        return "two numbers are asked for, as in (1, 0)."
    if pair.size != 2:
        return "two numbers are asked for, one of the file and its label, as in (1, 0)."
    number, label = pair.tolist()
    mistakes = {
        (255, 254): None,
        (254, 255): "the number of the file comes first, then its label.",
        (0, 255): "0 becomes 255, which is void, and nobody labeled these pixels.",
        (0, -1): "a byte has no -1: below 0 it goes on at 255.",
        (0, 0): "0 does not stay 0; what does the comment say about 0 - 1?",
        (255, 255): "255 is a number like any other for the minus; it does not stay.",
        (0, 256): "a byte has no 256: its highest number is 255.",
        (255, 256): "1 is subtracted, and a byte ends at 255.",
        (255, 0): "255 - 1 is no overflow; only 0 - 1 is.",
        (255, -1): "255 is the void of the file, and not -1; subtract 1 from it.",
        (1, 0): "1 is road, class 0; its label is right.",
        (2, 1): "2 is car, class 1; its label is right.",
        (3, 2): "3 is person, class 2; its label is right.",
    }
    if (number, label) in mistakes:
        return mistakes[number, label]
    if number not in (0, 1, 2, 3, 255):
        return "the first number is one of the five in the file: 0, 1, 2, 3, 255."
    return f"{number:g} does not become {label:g}; subtract 1, in a byte."


@exercise("09_your_own_images", asks_for="function")
def tile_starts(answer, random):
    """Check where tiles start so that they cover a side and overlap.

    Args:
        answer: function of `length`, `tile` and `margin`, integers; returns a list of
            integers.

    Example:
        >>> tile_starts(lambda length, tile, margin: [0])
        Not yet: length 10, tile 6, margin 1: no tile holds 4 pixels at the end.
    """
    drawn = [
        (int(length), 2 * int(margin) + int(step), int(margin))
        for length, margin, step in random.integers((40, 0, 1), (200, 9, 30), (30, 3))
    ]
    listed = [(10, 6, 1), (11, 6, 1), (9, 3, 0), (10, 3, 0), (6, 6, 1), (4, 6, 1)]
    for case in [*listed, *drawn]:
        fault = _find_fault(_as_starts(answer(*case)), *case)
        if fault is not None:
            return "length {}, tile {}, margin {}: {}".format(*case, fault)
    return None


def _as_starts(found):
    """Return what an answer returned as a list of whole numbers."""
    if isinstance(found, numbers.Number):
        raise Mistake("it returns one number, and a list of starts is asked for.")
    try:
        starts = np.asarray(list(found), "float64")
    except (TypeError, ValueError):
        came = type(found).__name__
        raise Mistake(
            f"it returns {came}, and a list of whole numbers is asked for."
        ) from None
    if starts.ndim != 1:
        raise Mistake("a list of starts is asked for, without the ends.")
    if (starts % 1 != 0).any():
        raise Mistake("a start is a whole number; // divides without a rest.")
    return starts.astype(int).tolist()


def _find_fault(starts, length, tile, margin):
    """Return what is wrong with the starts of tiles along a side, or None."""
    step, last = tile - 2 * margin, max(0, length - tile)
    if not starts:
        return "the list is empty."
    if starts != sorted(starts):
        return "the starts do not grow from one tile to the next."
    if starts[0] != 0:
        return f"the first tile starts at {starts[0]}."
    if length <= tile and starts != [0]:
        return f"one tile covers the side, and there are {len(starts)}."
    if starts[-2:] == [last, last]:
        return f"the last start is repeated: {starts}."
    if starts[-1] < last:
        return f"no tile holds {_pixels(last - starts[-1])} at the end."
    if starts[-1] > last:
        return f"a tile that starts at {starts[-1]} sticks out at the end."
    widest = max(np.diff(starts), default=0)
    if widest > step:
        shared = _pixels(max(0, tile - int(widest)))
        return f"two neighbors share {shared}, and {2 * margin} are needed."
    fewest = 1 - (-last // step)
    if len(starts) > fewest:
        return f"{fewest} tiles are enough, and there are {len(starts)}."
    return None


def _pixels(count):
    """Return a count of pixels as text."""
    return f"{count} pixel{'' if count == 1 else 's'}"
