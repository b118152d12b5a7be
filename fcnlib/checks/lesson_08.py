"""Judge the exercises of lesson 08_real_horses."""

import itertools

import numpy as np

from fcnlib.checks.judging import exercise

# The lines of the faulty program that are right, and why; then the faulty ones.
_FAULTLESS = {
    1: "it reads a photograph and its mask, as they are",
    2: "a photograph is brought to the size of its mask, and not the mask to it",
    5: "a shuffled list is what a split should be drawn from",
    6: "it cuts one list into two parts without a common entry; what makes two"
    " entries out of one photograph?",
    7: "an empty list is a fair start",
    8: "100 epochs are a budget as any other",
    9: "the network learns from the training part alone",
    10: "to look at a score after each epoch is no mistake; which line chooses by it?",
}
_FAULTS = {
    3: "one mistake is left in what the numbers of a mask are taken for; a JPEG mask"
    " may hold 0, 3, 250 and 255.",
    4: "one mistake is left before the split; one photograph must not reach both"
    " parts, in whatever form.",
    11: "one mistake is left in what is reported; with many tries, luck alone gives"
    " one good score.",
}


@exercise("08_real_horses", asks_for="value")
def training_budget(answer, random):
    """Check how often 20 photographs are seen in a budget, and in how many steps.

    Args:
        answer: two whole numbers.

    Example:
        >>> training_budget((5, 156))
        Not yet: the first number is for one epoch; the whole training has 12.
    """
    try:
        found = [float(number) for number in np.ravel(np.asarray(answer))]
    except (TypeError, ValueError):
        return "two whole numbers are asked for, as in (4, 6)."
    if len(found) != 2:
        return f"two whole numbers are asked for, and this holds {len(found)}."
    seen, steps = found
    if found == [156, 60]:
        return "both are right, in the wrong order; how often comes first."
    if seen != 60:
        return "the first number " + _SEEN.get(
            seen,
            "is another; each epoch has 100 pictures, and 20 photographs to fill them.",
        )
    if steps != 156:
        return "the second number " + _STEPS.get(
            steps, "is another; how many batches are in one epoch of 100 pictures?"
        )
    return None


_SEEN = {
    5: "is for one epoch; the whole training has 12.",
    12: "is the number of epochs; in each, a photograph comes more than once.",
    100: "is the number of pictures in an epoch; how often is each photograph in it?",
    1200: "counts all pictures of the training; they are shared by 20 photographs.",
    240: "takes each photograph once an epoch and adds all 20; one is asked for.",
    20: "is the number of photographs; how often is each seen?",
    7.5: "is divided by the batch size too; batches do not change what is seen.",
    96: "counts 8 for each epoch; a batch size says nothing of how often one is seen.",
    1: "says once; 12 epochs of 100 pictures are many more than 20.",
}
_STEPS = {
    13: "is for one epoch; the whole training has 12.",
    150: "lets batches run on from epoch to epoch; each epoch ends with its own, which"
    " may be smaller; 2 epochs of 12 in batches of 5 are 6 steps.",
    144: "leaves out each epoch's last batch, which is smaller, and is a step too.",
    12: "is the number of epochs, or of whole batches in one; steps are batches in"
    " all epochs.",
    12.5: "is no whole number, and for one epoch; a part of a batch is a step too.",
    36: "has 3 steps an epoch, as if it ended after 20 photographs; it has 100"
    " pictures.",
    30: "has 2.5 steps an epoch, as if it ended after 20 photographs; it has 100"
    " pictures.",
    24: "has 2 steps an epoch, as if it ended after 20 photographs; it has 100"
    " pictures.",
    1200: "counts pictures; a step takes a batch of them.",
    100: "is the number of pictures in an epoch; a step takes a batch of them.",
    60: "repeats how often a photograph is seen; a step takes a batch of pictures.",
    780: "is 5 times too large: 100 pictures an epoch already hold each photograph"
    " 5 times.",
    750: "is 5 times too large: 100 pictures an epoch already hold each photograph"
    " 5 times.",
    96: "is 12 times the batch size; how many batches make 100 pictures?",
}


@exercise("08_real_horses", asks_for="function")
def twin_search(answer, random):
    """Check a search for pictures that occur in two sets.

    Args:
        answer: function of `first`, (N, 32, 32), and `second`, (M, 32, 32), both gray
            and uint8; returns a list of pairs (i, j).

    Example:
        >>> twin_search(lambda first, second: len(second))
        Not yet: a list of pairs is asked for, as [(0, 1)].
    """
    for first, second, mistakes, otherwise in _twin_cases(random):
        found, hint = _read_pairs(answer(first, second))
        if hint is not None:
            return hint
        expected = _search(first, second)
        if found != expected:
            hints = mistakes(first, second).items()
            return next((hint for hint, pairs in hints if found == pairs), otherwise)
    return None


def _twin_cases(random):
    """Draw two sets, with a difficulty more each time, its mistakes, and a hint."""
    first = np.array([_draw_picture(random) for _ in range(5)])
    other, another = _draw_picture(random), _draw_picture(random)
    copies = [other, first[3], first[2], first[0], first[3], another]
    fails = "it fails on exact copies; for one picture and its copy it is [(0, 0)]."
    yield first, np.array(copies), _mistaken_pairs, fails
    recolored = [first[0] // 2, first[4] - 20, first[1] - 4, first[2] + 24]
    recolored += [first[3] // 2 + 60, other]
    fails = "it fails on copies that are darker or brighter, or have less contrast."
    yield first, np.array(recolored), _mistaken_brightness, fails
    near, far = (_swap_squares(first[0], count, random) for count in (4, 5))
    changed = [far, near, _shuffle_inside(first[1], random), other]
    changed.append(_swap_neighbors(first[2]))
    fails = "it fails where some squares differ: 8 of 256 may, and 10 may not."
    yield first, np.array(changed), _mistaken_squares, fails
    fails = "it fails where there is no twin, and [] is asked for."
    yield first, np.array([other, another]), _mistaken_pairs, fails


def _draw_picture(random):
    """Draw a picture whose squares differ clearly from its mean, as pixels do not."""
    signs = random.permuted(np.tile([-1, -1, 1, 1], (64, 1)), axis=1)
    squares = 120 + signs * 2 * random.integers(12, 25, (64, 4))
    inside = random.permuted(np.tile([-36, -12, 12, 36], (256, 1)), axis=1)
    grid = _ungroup(squares.reshape(8, 8, 2, 2))
    return _ungroup(grid[..., None, None] + inside.reshape(16, 16, 2, 2)).astype(
        "uint8"
    )


def _ungroup(groups):
    """Put squares of 2 x 2 numbers, (H, W, 2, 2), side by side: (2 H, 2 W)."""
    height, width = groups.shape[:2]
    return groups.transpose(0, 2, 1, 3).reshape(2 * height, 2 * width)


def _group(grid):
    """Cut a grid into squares of 2 x 2 numbers: (H / 2, W / 2, 2, 2)."""
    height, width = grid.shape
    return grid.reshape(height // 2, 2, width // 2, 2).transpose(0, 2, 1, 3)


def _squares(pictures):
    """Average squares of 2 x 2 pixels."""
    return np.array([_group(picture).mean(axis=(2, 3)) for picture in pictures])


def _swap_squares(picture, count, random):
    """Let bright and dark squares change places: twice as many differ, no mean."""
    squares = _group(picture).reshape(256, 2, 2)
    is_bright = squares.mean(axis=(1, 2)) > picture.mean()
    bright = random.permutation(np.flatnonzero(is_bright))[:count]
    dark = random.permutation(np.flatnonzero(~is_bright))[:count]
    swapped = squares.copy()
    swapped[bright], swapped[dark] = squares[dark], squares[bright]
    return _ungroup(swapped.reshape(16, 16, 2, 2))


def _swap_neighbors(picture):
    """Turn each 2 x 2 squares by a half: many differ, the mean of the four does not."""
    squares = _group(picture).reshape(8, 2, 8, 2, 2, 2)
    return _ungroup(squares[:, ::-1, :, ::-1].reshape(16, 16, 2, 2))


def _shuffle_inside(picture, random):
    """Shuffle the pixels inside each square, which keeps its mean."""
    squares = random.permuted(_group(picture).reshape(256, 4), axis=1)
    return _ungroup(squares.reshape(16, 16, 2, 2))


def _read_pairs(answer):
    """Return the pairs of an answer as a set, or a hint if it is none."""
    asked = "a list of pairs is asked for, as [(0, 1)]."
    try:
        entries = [tuple(entry) for entry in answer]
    except TypeError:
        return None, asked
    if len(entries) == 2 and len(entries[0]) > 2:
        return None, "these are the i and the j apart, as from np.where; pair them."
    if any(len(entry) != 2 for entry in entries):
        return None, asked
    try:
        return {(int(i), int(j)) for i, j in entries}, None
    except (TypeError, ValueError):
        return None, asked


def _near(ones, others, limit):
    """Return the pairs of maps that differ in at most `limit` places."""
    return {
        (i, j)
        for i, one in enumerate(ones)
        for j, other in enumerate(others)
        if (one != other).sum() <= limit
    }


def _brighter_than_own_mean(grids):
    """Mark what is above the mean of its own grid."""
    return grids > grids.mean(axis=(1, 2), keepdims=True)


def _search(first, second, bright=_brighter_than_own_mean, limit=8):
    """Return the pairs of pictures in which at most `limit` squares differ."""
    return _near(bright(_squares(first)), bright(_squares(second)), limit)


def _mistaken_pairs(first, second):
    """Map hints to the pairs of searches that compare well and report badly."""
    right = _search(first, second)
    everything = set(itertools.product(range(len(first)), range(len(second))))
    return {
        "i and j are swapped: i belongs to first; for a first set of one picture no i"
        " is above 0.": {(j, i) for i, j in right},
        "only pictures in the same place are compared; each of first meets each of"
        " second.": {(i, j) for i, j in right if i == j},
        "only the first twin is found; is the return inside the loop?": set(
            sorted(right)[:1]
        ),
        "a picture may have several twins; for one picture and two copies of it, it is"
        " [(0, 0), (0, 1)].": {
            min(pair for pair in right if pair[0] == i) for i, _ in right
        },
        "these are the pairs that are no twins.": everything - right,
        "every pair is a twin here; if +1 and -1 are added up, they cancel; count the"
        " squares that differ.": everything,
    }


def _mistaken_brightness(first, second):
    """Map hints to the pairs of searches that call other squares bright."""
    return {
        "equal numbers are asked for, and a darker copy has others; compare what is"
        " bright.": set(),
        "a square is compared with 128; in a dark picture none is brighter; take the"
        " picture's own mean.": _search(first, second, lambda grids: grids > 128),
        "the mean is taken over all pictures of a set; a dark picture among bright ones"
        " has then no bright square.": _search(
            first, second, lambda grids: grids > grids.mean()
        ),
        "a byte goes up to 255, and four pixels of 100 are 400; let the numbers be"
        " larger before they are added.": _search(
            first, second, lambda grids: _brighter_than_own_mean(4 * grids % 256)
        ),
    }


def _mistaken_squares(first, second):
    """Map hints to the pairs of searches with other squares or another limit."""

    def near_by(squares):
        """Return the pairs that are near by other squares."""
        return _near(*(_brighter_than_own_mean(squares(p)) for p in (first, second)), 8)

    return {
        "one pixel is taken for each square, and a square is the mean of four.": (
            near_by(lambda pictures: pictures[:, ::2, ::2])
        ),
        "single pixels are compared, 1024 of them; average squares of 2 x 2 first.": (
            near_by(lambda pictures: pictures)
        ),
        "the squares are 4 x 4 pixels, and 2 x 2 are asked for.": near_by(
            lambda pictures: _squares(_squares(pictures))
        ),
        "8 squares may differ, and here they may not.": _search(first, second, limit=7),
        "10 squares may not differ, and here they may; is a square counted that is"
        " bright in the second picture alone?": _search(first, second, limit=10),
    }


@exercise("08_real_horses", asks_for="value")
def untrusted_lines(answer, random):
    """Check which lines of a program that scores too well were found.

    Args:
        answer: the numbers of the faulty lines, in any order.

    Example:
        >>> untrusted_lines([9])
        Not yet: line 9 is right: the network learns from the training part alone.
    """
    is_set = isinstance(answer, set | frozenset)
    try:
        found = {float(line) for line in np.ravel(list(answer) if is_set else answer)}
    except (TypeError, ValueError):
        return "numbers of lines are asked for, as in [1, 2, 5]."
    for line in sorted(found - set(_FAULTS)):
        if line not in _FAULTLESS:
            return f"there is no line {line:g}; the lines are 1 to 11."
        return f"line {line:g} is right: {_FAULTLESS[line]}."
    left = [hint for line, hint in _FAULTS.items() if line not in found]
    return left[0] if left else None
