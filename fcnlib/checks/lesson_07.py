"""Judge the exercises of lesson 07_failure_clinic."""

import numpy as np

from fcnlib.checks.judging import compare_number, exercise, find_faults

_CLASSES = ("sky", "grass", "tree", "fence", "horse")
_JOS_CLASSES = ("horse", "fence", "grass", "sky", "tree")  # by their numbers

# The lines of the loader that are right, and why; then the faulty ones.
_FAULTLESS = {
    2: "a picture may be averaged; labels may not.",
    3: "IMREAD_UNCHANGED hands over the classes as they are stored.",
    4: "the nearest neighbor is the right choice for labels.",
    5: "labels are taken from the nearest neighbor, at the size of the picture.",
    6: "one draw in two flips the picture; which line must obey the same draw?",
    7: "this flips the picture; whether the labels follow is decided elsewhere.",
    9: "this flips the labels as line 7 flips the picture; which line decides when?",
    10: "it hands over a picture and its labels.",
}
_FAULTS = {
    1: "one of Bruno's kind is left: which color comes first in the picture?",
    8: "one of Eva's kind is left: when is only one of the two flipped?",
}

# The letters that are not Jo's disease, and the evidence against each.
_ACQUITTED = {
    "a": "it is not a: upside down, the sky would lie below; which number fills the"
    " upper rows of jo_labels?",
    "b": "it is not b: counted from 1, no label would be 0; look at np.unique of Jo's"
    " labels.",
    "d": "it is not d: with weights that were never loaded, the pictures would not"
    " show horses where horses are.",
    "e": "it is not e: void is 255; which share of Jo's labels is that?",
}


@exercise("07_failure_clinic", asks_for="value")
def loader_faults(answer, random):
    """Check which lines of a faulty loader of pairs were found.

    Args:
        answer: the numbers of the faulty lines, in any order.

    Example:
        >>> loader_faults([2])
        Not yet: line 2 is right: a picture may be averaged; labels may not.
    """
    return find_faults(answer, _FAULTS, _FAULTLESS)


@exercise("07_failure_clinic", asks_for="value")
def softmax_floor(answer, random):
    """Check the lowest loss of 21 classes if a second softmax is applied.

    Args:
        answer: a number.

    Example:
        >>> softmax_floor(0)
        Not yet: 0 needs a share of 1; a second softmax never gives one.
    """
    share = np.e / (np.e + 20)
    mistakes = {
        "0 needs a share of 1; a second softmax never gives one.": 0,
        "this is the loss at the start, of equal scores; the best output is asked"
        " for.": np.log(21),
        "this is the logarithm of the other classes; where is e?": np.log(20),
        "this is the share of the true class; its loss is asked for.": share,
        "this is the share of the other classes; the loss is minus the logarithm of"
        " the true one's.": 1 - share,
        "a loss is not below 0; mind the sign.": np.log(share),
        "with 21 classes there are 20 others; for 2 classes the share is e / (e + 1)."
        "": -np.log(np.e / (np.e + 21)),
        "with 21 classes there are 20 others, not 19; for 2 classes the share is"
        " e / (e + 1).": -np.log(np.e / (np.e + 19)),
        "this is the answer for 5 classes.": (
            np.log(1 + 4 / np.e),
            np.float64(0.905),
        ),
        "this is for 4 or 6 classes; 21 are asked for.": (
            np.log(1 + 3 / np.e),
            np.log(1 + 5 / np.e),
        ),
        "this is the decimal logarithm; the loss takes the natural one.": (
            -np.log10(share)
        ),
        "this is the logarithm to base 2; the loss takes the natural one.": (
            -np.log2(share)
        ),
        "this is the worst loss, with the 1 on a wrong class; the best is asked"
        " for.": np.log(np.e + 20),
        "exp of the others' 0 is 1, not 0; for 2 classes the share is e / (e + 1).": (
            np.float64(1),
            np.float64(-1),
        ),
        "the 1 of the true class also passes through exp; for 2 classes the share is"
        " e / (e + 1).": (-np.log(1 / 21), -np.log(1 / 20)),
        "the floor does not grow with C in proportion; start from the share.": (
            4.2 * np.log(1 + 4 / np.e),
            np.float64(0.905 * 4.2),
        ),
        "the floor does not grow by the logarithm of C; start from the share.": (
            np.log(1 + 4 / np.e) + np.log(4.2)
        ),
        "this is the equal share of an untrained network; the loss of the best output"
        " is asked for.": (np.float64(1 / 21), np.float64(0.048)),
        "this is rounded too far; three decimals are asked for.": tuple(
            map(np.float64, (2.1, 2.12, 2))
        ),
    }
    return compare_number(answer, -np.log(share), mistakes)


@exercise("07_failure_clinic", asks_for="function")
def suspect_share(answer, random):
    """Check the share of threes in a row whose middle lies between the outer two.

    Args:
        answer: function of `labels`, (H, W) uint8 with 255 for void; returns a number.

    Example:
        >>> suspect_share(lambda labels: 0.5)
        Not yet: it returns the same for different labels; do they enter it?
    """
    for stage, labels in _label_maps(random):
        mistakes = _suspect_mistakes(labels)
        found = answer(labels)
        hint = compare_number(found, _share(*_threes(labels)), mistakes, stage)
        if hint == stage and np.array_equal(found, answer(labels[:9])):
            return "it returns the same for different labels; do they enter it?"
        if hint is not None:
            return hint
    return None


def _label_maps(random):
    """Draw label maps, each with one difficulty more, and say which in a hint."""
    names = (
        "it fails on labels without void.",
        "it is right without void, and fails with void.",
        "it is right for 5 classes, and fails for 21.",
    )
    for stage, name in enumerate(names):
        num_classes = 21 if stage == 2 else 5
        # So large, and so uneven, that no two mistakes give the same share.
        weights = np.arange(num_classes, 0, -1)
        likely = weights / weights.sum()
        labels = random.choice(num_classes, (30, 41), p=likely).astype("uint8")
        labels[:10, ::2] = 0
        if stage > 0:
            labels[random.random(labels.shape) < 0.15] = 255
        yield name, labels


def _threes(labels):
    """Return left, middle and right of all threes in the rows without void."""
    return _without_void([labels[:, i : i - 2 or None] for i in range(3)])


def _without_void(parts):
    """Return the threes of three arrays that hold no void."""
    threes = np.stack(parts).astype("int64")
    return threes[:, (threes < 255).all(axis=0)]


def _share(left, middle, right, least=2):
    """Return the share of suspects among threes whose ends differ enough."""
    wide = np.abs(left - right) >= least
    return np.mean(_between(left, middle, right)[wide])


def _between(left, middle, right):
    """Mark middles strictly between the ends."""
    return (middle - left) * (right - middle) > 0


def _suspect_mistakes(labels):
    """Map hints to wrong shares, each with a small label map that shows it."""
    left, middle, right = threes = _threes(labels)
    wide, between = np.abs(left - right) >= 2, _between(*threes)
    rises, falls = right - left >= 2, left - right >= 2
    low, high = np.sort([left, right], axis=0)
    share = _share(*threes)
    small = labels.astype("int64")
    outer = small[:, :-2], small[:, 1:-1], small[:, 2:]
    ends_known = (outer[0] != 255) & (outer[2] != 255)
    middle_known = outer[1] != 255
    return {
        "bytes have no sign: 1 - 2 is 255 there; try [[2, 2, 1], [1, 1, 2],"
        " [0, 1, 2]].": (
            np.mean(between[(left - right) % 256 >= 2]),
            np.mean(between[(right - left) % 256 >= 2]),
        ),
        "void counts as a class; try [[0, 1, 255], [0, 0, 2]].": _share(*outer),
        "int8 has no 255, so void becomes -1; try [[1, 0, 255], [0, 0, 2]].": _share(
            *(part.astype("int8").astype("int64") for part in outer)
        ),
        "void is dropped, and its neighbors join to threes; try [[0, 1, 255, 2],"
        " [0, 0, 2, 2]].": (_share_without_void(labels)),
        "threes run across rows, from the end of one to the next; try [[0, 0, 2],"
        " [3, 3, 1]].": _share(*_threes(labels.reshape(1, -1))),
        "void in the middle is not left out; try [[0, 255, 2], [0, 1, 2]].": _share(
            *(part[ends_known] for part in outer)
        ),
        "void at the ends is not left out; try [[0, 1, 255], [0, 0, 2]].": _share(
            *(part[middle_known] for part in outer)
        ),
        "only threes that rise are seen; try [[2, 1, 0], [0, 0, 2]].": (
            np.mean(between[rises]),
            np.sum(between & rises) / np.sum(wide),
        ),
        "only threes that fall are seen; try [[0, 1, 2], [2, 2, 0]].": (
            np.mean(between[falls]),
            np.sum(between & falls) / np.sum(wide),
        ),
        "ends that differ by 1 are taken too; try [[0, 0, 1], [0, 1, 2]].": _share(
            *threes, least=1
        ),
        "ends that differ by 2 are left out; try [[0, 0, 2], [0, 1, 3]].": _share(
            *threes, least=3
        ),
        "all threes are taken; the ends are to differ by 2 or more; try [[0, 0, 0],"
        " [0, 1, 2]].": np.mean(between),
        "only ends that differ by exactly 2 are taken; try [[0, 0, 4], [0, 1, 2]].": (
            np.mean(between[np.abs(left - right) == 2])
        ),
        "a middle equal to an end is not strictly between; try [[0, 0, 2],"
        " [0, 1, 2]].": (
            np.mean(((low <= middle) & (middle <= high))[wide]),
            np.mean(((low <= middle) & (middle < high))[wide]),
            np.mean(((low < middle) & (middle <= high))[wide]),
        ),
        "a middle that differs from both ends may lie outside; try [[0, 4, 2],"
        " [0, 1, 2]].": np.mean(((middle != left) & (middle != right))[wide]),
        "only the exact mean of the ends is taken; try [[0, 1, 4], [0, 1, 2]].": (
            np.mean((2 * middle == left + right)[wide])
        ),
        "it looks down the columns; try [[0, 1, 2], [0, 1, 0]].": _share(
            *_threes(labels.T)
        ),
        "the last column is joined to the first; try [[0, 1, 2, 2]].": (
            _rolled_share(labels)
        ),
        "divide by the threes, not by the pixels; try [[0, 1, 2]].": (
            np.sum(wide & between) / labels.size,
            np.sum(wide & between) / np.sum(labels != 255),
        ),
        "threes with void are in the divisor; try [[0, 1, 2, 255]].": np.sum(
            wide & between
        )
        / np.sum(np.abs(outer[0] - outer[2]) >= 2),
        "this is the number of suspects; their share is asked for.": np.sum(
            wide & between
        ),
        "this is the share of those that are not suspect; try [[0, 1, 2]].": 1 - share,
        "this is a percentage; a share is at most 1.": 100 * share,
        "this is the mean of the rows' shares; try [[0, 1, 2, 2], [0, 0, 2, 2]].": (
            _mean_of_rows(labels)
        ),
        "every third place is looked at only; threes overlap; try [[0, 0, 1, 2]].": (
            _share(*_threes_of(small[:, 0::3], small[:, 1::3], small[:, 2::3]))
        ),
        "this is 0; // and int() cut off the fraction, and / keeps it.": 0,
    }


def _share_without_void(labels):
    """Return the share if void is dropped from each row first."""
    rows = [_threes(row[row < 255][np.newaxis]) for row in labels]
    return _share(*(np.concatenate(part) for part in zip(*rows, strict=True)))


def _rolled_share(labels):
    """Return the share if rows are closed to rings."""
    labels = labels.astype("int64")
    return _share(
        *_threes_of(np.roll(labels, 1, axis=1), labels, np.roll(labels, -1, axis=1))
    )


def _threes_of(left, middle, right):
    """Return the threes without void of three arrays of about one width."""
    width = min(part.shape[1] for part in (left, middle, right))
    return _without_void([part[:, :width] for part in (left, middle, right)])


def _mean_of_rows(labels):
    """Return the mean of the shares of single rows."""
    rows = [_threes(row[np.newaxis]) for row in labels]
    wide = [row for row in rows if (np.abs(row[0] - row[2]) >= 2).any()]
    return np.mean([_share(*row) for row in wide])


@exercise("07_failure_clinic", asks_for="value")
def jo_diagnosis(answer, random):
    """Check the disease of the last patient, and the evidence for it.

    Args:
        answer: pair of a letter from "a" to "e" and a list of five class names.

    Example:
        >>> jo_diagnosis(("b", ["grass", "tree", "fence", "horse", "sky"]))
        Not yet: it is not b: counted from 1, no label would be 0; look at np.unique of
        Jo's labels.
    """
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return 'a pair is asked for, as in ("a", ["sky", "grass", ...]).'
    letter, names = answer
    if not isinstance(letter, str):
        return "the letter of the disease comes first, then the list of names."
    letter = letter.strip(" .:()'\"").lower()
    if letter != "c":
        return _ACQUITTED.get(letter, f"{letter!r} is none of the letters a to e.")
    return _wrong_names(names)


def _wrong_names(names):
    """Say what is wrong with what the network calls Jo's numbers."""
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    if not isinstance(names, tuple | list | np.ndarray) or len(names) != 5:
        return "the evidence is a list of five names, for the labels 0 to 4."
    if any(isinstance(name, tuple | list | np.ndarray) for name in names):
        return "this is a matrix; where in each row is the largest number?"
    names = [
        _CLASSES[name] if name in range(5) else str(name).strip().lower()
        for name in names
    ]
    strange = [name for name in names if name not in _CLASSES]
    if strange:
        return f"{strange[0]!r} is no class; the classes are {', '.join(_CLASSES)}."
    expected = list(_JOS_CLASSES)
    if names == expected:
        return None
    if names == list(_CLASSES):
        return "this is the healthy program's order; Jo's score would be 0.7 then."
    if names == sorted(_CLASSES):
        return "this is sorted by name; which class is largest in each row?"
    if names == [_CLASSES[_JOS_CLASSES.index(name)] for name in _CLASSES]:
        return (
            "this reads the columns, from the network to Jo; each name is what the"
            " network calls one of Jo's numbers."
        )
    if names == expected[::-1]:
        return "the order is reversed; the first name is for Jo's label 0."
    if len(set(names)) < 5:
        return (
            "a name comes twice; take the largest number of each row, and check that"
            " no two rows are largest in one column."
        )
    right = sum(a == b for a, b in zip(names, expected, strict=True))
    return f"{right} of the five names are at their place; rows are Jo's labels."
