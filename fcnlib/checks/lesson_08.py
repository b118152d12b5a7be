"""Judge the exercises of lesson 08_real_horses."""

import itertools

import numpy as np

from fcnlib.checks.judging import Mistake, exercise, find_faults

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
        found, hint = _read_pairs(_call(answer, first, second))
        if hint is not None:
            return hint
        expected = _search(first, second)
        if found != expected:
            hints = mistakes(first, second)
            return next((hint for hint, pairs in hints if found in pairs), otherwise)
    return None


def _call(answer, first, second):
    """Call a search; explain the error of a mean that lost its axes."""
    try:
        return answer(first, second)
    except Mistake as mistake:
        if "broadcast" not in str(mistake):
            raise
        raise Mistake(
            f"{str(mistake).rstrip('.')}; a mean of shape (N,) does not fit"
            " (N, 16, 16); keep its axes with keepdims=True."
        ) from None


def _twin_cases(random):
    """Draw two sets, with a difficulty more each time, its mistakes, and a hint."""
    first = np.array([_draw_picture(random) for _ in range(5)])
    other, another = _draw_picture(random), _draw_picture(random)
    fails = "it fails on exact copies; for one picture and its copy it is [(0, 0)]."
    yield first, first[[3, 0, 2, 1, 4]], _mistaken_pairs, fails
    copies = [other, first[3], first[2], first[0], first[3], another]
    yield first, np.array(copies), _mistaken_pairs, fails
    recolored = [first[0] // 2, first[4] - 20, first[1] - 7, first[2] + 24]
    recolored += [first[3] // 2 + 60, other]
    fails = "it fails on copies that are darker or brighter, or have less contrast."
    yield first, np.array(recolored), _mistaken_brightness, fails
    mirrored = [first[0][:, ::-1], first[0] // 2, first[1][::-1]]
    fails = "it fails on a mirror image and a darker copy; only the copy is a twin."
    yield first[:2], np.array(mirrored), _mistaken_mirror, fails
    fails = "it fails on pictures that are brighter on one side than on the other."
    yield *_draw_slopes(random), _mistaken_means, fails
    fails = "it fails where some squares differ: 8 of 256 may, and 9 may not."
    yield first, _change_squares(first, other, random), _mistaken_squares, fails
    fails = "it fails where pixels of one square are far apart; average all four."
    uneven = [_make_uneven(picture, random) for picture in (first[2], first[0], other)]
    yield first, np.array(uneven), _mistaken_pixels, fails
    fails = "it fails where there is no twin, and [] is asked for."
    yield first, np.array([other, another]), _mistaken_pairs, fails


def _change_squares(first, other, random):
    """Change some squares of the first pictures, few or too many for a twin."""
    far, near = (_swap_squares(first[0], count, random) for count in (5, 4))
    corner = other.copy()
    corner[:16, :16] = first[3][:16, :16]
    changed = [far, near, _shuffle_inside(first[1], random), other]
    changed += [_swap_neighbors(first[2]), corner, np.roll(first[4], 16, axis=(0, 1))]
    return np.array([*changed, _darken_square(near, first[0])])


def _draw_slopes(random):
    """Draw two sets that slope, down or sideways, or have a quarter bright squares."""
    levels = np.arange(-75, 76, 10)
    slope = np.repeat(levels + 10 * np.sign(levels), 16).reshape(16, 16)
    down, across = _enlarge(slope), _enlarge(slope.T)
    one, other = ((_draw_picture(random) - 120.0) / 28 for _ in range(2))
    first = [down + one, across + one]
    second = [one - down, one - across, down + other, across + other]
    bright = _enlarge(random.permutation(np.arange(16) < 4).reshape(4, 4))
    for pictures in (first, second):
        dark = random.permutation(np.arange(256)).reshape(16, 16) // 8 - 60
        pictures.append(_enlarge(np.where(np.tile(bright, (2, 2)), 80, dark)))
    return [(120 + np.array(pictures)).astype("uint8") for pictures in (first, second)]


def _enlarge(squares):
    """Make 2 x 2 equal pixels of each square."""
    return squares.repeat(2, axis=0).repeat(2, axis=1)


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


def _squares(pictures, combine=np.mean):
    """Average squares of 2 x 2 pixels, or combine them in another way."""
    return np.array([combine(_group(picture), axis=(2, 3)) for picture in pictures])


def _swap_squares(picture, count, random):
    """Let bright and dark squares change places: twice as many differ, no mean."""
    squares = _group(picture).reshape(256, 2, 2)
    is_bright = squares.mean(axis=(1, 2)) > picture.mean()
    bright = random.permutation(np.flatnonzero(is_bright))[:count]
    dark = random.permutation(np.flatnonzero(~is_bright))[:count]
    swapped = squares.copy()
    swapped[bright], swapped[dark] = squares[dark], squares[bright]
    return _ungroup(swapped.reshape(16, 16, 2, 2))


def _darken_square(picture, original):
    """Darken one more square, bright in both: one differs, the mean hardly."""
    squares, before = (_group(p).reshape(256, 2, 2) for p in (picture, original))
    level, level_before = squares.mean(axis=(1, 2)), before.mean(axis=(1, 2))
    chosen = np.flatnonzero((level > 140) & (level_before > 140))[0]
    darkened = squares.copy()
    darkened[chosen] = squares[np.flatnonzero(level < 100)[0]]
    return _ungroup(darkened.reshape(16, 16, 2, 2))


def _make_uneven(picture, random):
    """Give each square one pixel on the other side of the mean, and keep its own."""
    means = _group(picture).mean(axis=(2, 3)).reshape(256, 1)
    offsets = np.where(means > 120, -1, 1) * np.array([108, -36, -36, -36])
    pixels = means + random.permuted(offsets, axis=1)
    return _ungroup(pixels.reshape(16, 16, 2, 2)).astype("uint8")


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
        pairs = {(int(i), int(j)) for i, j in entries}
    except (TypeError, ValueError):
        return None, asked
    if len(pairs) < len(entries):
        return None, "a pair is in the list more than once, and once is asked for."
    return pairs, None


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
    """Return hints, each with the pairs of searches that report badly."""
    right = _search(first, second)
    everything = set(itertools.product(range(len(first)), range(len(second))))
    several = {min(pair for pair in right if pair[0] == i) for i, _ in right}
    by_place = _search(first, second, lambda grids: grids > grids.mean(axis=0))
    return [
        (
            "the mean is taken over axis 0, the pictures; each picture has a mean of"
            " its own squares.",
            [by_place],
        ),
        (
            "i and j are swapped: i belongs to first; for a first set of one picture no"
            " i is above 0.",
            [{(j, i) for i, j in right}],
        ),
        (
            "only pictures in the same place are compared; each of first meets each of"
            " second.",
            [{(i, j) for i, j in right if i == j}],
        ),
        (
            "only the first twin is found; is the return inside the loop?",
            [set(sorted(right)[:1])],
        ),
        (
            "a picture may have several twins; for one picture and two copies of it, it"
            " is [(0, 0), (0, 1)].",
            [several],
        ),
        ("these are the pairs that are no twins.", [everything - right]),
        (
            "every pair is a twin here; count the squares that differ: +1 and -1 cancel"
            " in a sum, a mean is never above 1, and there are 256 squares only if you"
            " average over the axes of length 2.",
            [everything],
        ),
    ]


def _mistaken_brightness(first, second):
    """Return hints, each with the pairs of searches that call other squares bright."""
    apart = np.abs(first[:, None].astype(int) - second[None])
    close_pairs = set(zip(*np.nonzero(apart.mean(axis=(2, 3)) < 5), strict=True))
    return [
        (
            "numbers are compared, and a darker copy has others; compare what is bright"
            " by its own mean, which is not taken over axis 0.",
            [set(), close_pairs],
        ),
        (
            "a square is compared with 128; in a dark picture none is brighter; take"
            " the picture's own mean.",
            [_search(first, second, lambda grids: grids > 128)],
        ),
        (
            "the mean is taken over all pictures of a set; a dark picture among bright"
            " ones has then no bright square.",
            [_search(first, second, lambda grids: grids > grids.mean())],
        ),
        (
            "a byte goes up to 255, and four pixels of 100 are 400; let the numbers be"
            " larger before they are added.",
            [
                _search(
                    first,
                    second,
                    lambda grids: _brighter_than_own_mean(4 * grids % 256),
                )
            ],
        ),
    ]


def _mistaken_means(first, second):
    """Return hints, each with the pairs of searches that take another mean."""

    def by_mean(mean, axis):
        """Return the pairs by what is above a mean over these axes."""
        return [_search(first, second, lambda g: g > mean(g, axis, keepdims=True))]

    return [
        (
            "each row has a mean of its own here (axis 2 alone); one mean of all 256"
            " squares is asked for.",
            by_mean(np.mean, 2),
        ),
        (
            "each column has a mean of its own here (axis 1 alone); one mean of all 256"
            " squares is asked for.",
            by_mean(np.mean, 1),
        ),
        (
            "this is the median; for 0, 0, 0, 8 the mean is 2, and one is bright.",
            by_mean(np.median, (1, 2)),
        ),
    ]


def _near_by(first, second, squares, limit=8):
    """Return the pairs that are near by squares made in another way."""
    ones, others = (_brighter_than_own_mean(squares(p)) for p in (first, second))
    return _near(ones, others, limit)


def _mistaken_pixels(first, second):
    """Return a hint, with the pairs of searches that take an extreme pixel."""
    return [
        (
            "one or two pixels of each square are taken, or its largest or smallest; a"
            " square is the mean of its four.",
            [
                _near_by(first, second, lambda p: _squares(p, np.max)),
                _near_by(first, second, lambda p: _squares(p, np.min)),
            ],
        )
    ]


def _mistaken_squares(first, second):
    """Return hints, each with the pairs of searches with other squares or limits."""

    def near_by(squares, limit=8):
        """Return the pairs of these two sets."""
        return _near_by(first, second, squares, limit)

    return [
        (
            "single pixels are compared, one or two of each square or all 1024; a"
            " square is the mean of its four.",
            [
                near_by(lambda p: p[:, ::2, ::2]),
                near_by(lambda p: p[:, ::2, ::2] / 2 + p[:, 1::2, 1::2] / 2),
                near_by(lambda p: p[:, ::2, ::2] / 2 + p[:, ::2, 1::2] / 2),
                near_by(lambda p: p),
                near_by(lambda p: p, 32),
            ],
        ),
        (
            "the squares are 4 x 4 pixels, and 2 x 2 are asked for.",
            [near_by(lambda pictures: _squares(_squares(pictures)))],
        ),
        (
            "only the first 16 x 16 pixels are compared; the 16 x 16 squares cover the"
            " picture.",
            [near_by(lambda pictures: pictures[:, :16, :16])],
        ),
        (
            "pixels that are 16 apart are averaged; in (N, 16, 2, 16, 2) neighbors lie"
            " along the axes 2 and 4.",
            [near_by(lambda p: p.reshape(-1, 2, 16, 2, 16).mean(axis=(1, 3)))],
        ),
        (
            "8 squares may differ, and here they may not.",
            [_search(first, second, limit=7)],
        ),
        (
            "9 squares may not differ, and here they may; is your limit 8?",
            [_search(first, second, limit=9)],
        ),
        (
            "10 squares may not differ, and here they may; is a square counted that is"
            " bright in the second picture alone, or is your limit above 8?",
            [_search(first, second, limit=10)],
        ),
    ]


def _mistaken_mirror(first, second):
    """Return a hint, with the pairs of searches that turn pictures over too."""
    turned = [second, second[:, :, ::-1], second[:, ::-1]]
    found = [_search(first, each) for each in turned]
    return [
        (
            "mirror images are found too, and no mirror image is a twin here.",
            [found[0] | found[1], found[0] | found[2], set().union(*found)],
        )
    ]


@exercise("08_real_horses", asks_for="value")
def untrusted_lines(answer, random):
    """Check which lines of a program that scores too well were found.

    Args:
        answer: the numbers of the faulty lines, in any order.

    Example:
        >>> untrusted_lines([9])
        Not yet: line 9 is right: the network learns from the training part alone.
    """
    if np.isscalar(answer):
        return "a list of line numbers is asked for, as [1, 2, 5]; this is no list."
    return find_faults(answer, _FAULTS, _FAULTLESS)
