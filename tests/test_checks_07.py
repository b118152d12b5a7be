"""Test the checks of lesson 7: right answers, wrong ones, and what they hear."""

import ast
import re
from fractions import Fraction

import numpy as np
import pytest

from fcnlib import checks, pasture

NAMES = ("loader_faults", "softmax_floor", "suspect_share", "jo_diagnosis")
JOS = ["horse", "fence", "grass", "sky", "tree"]  # the classes by Jo's numbers


def threes(labels):
    return labels[:, :-2], labels[:, 1:-1], labels[:, 2:]


def is_wide(left, middle, right):
    return np.abs(left - right) >= 2


def is_between(left, middle, right):
    return (np.minimum(left, right) < middle) & (middle < np.maximum(left, right))


def is_known(left, middle, right):
    return (left != 255) & (middle != 255) & (right != 255)


def answer(wide=is_wide, between=is_between, known=is_known, kind=int, cut=threes):
    """Return a function of labels, right but for what is handed over."""

    def share(labels):
        parts = cut(labels.astype(kind))
        taken = wide(*parts) & known(*parts)
        return (taken & between(*parts)).sum() / taken.sum()

    return share


right_share = answer()


def share_in_loops(labels):
    suspect = wide = 0
    for row in labels.tolist():
        for left, middle, right in zip(row, row[1:], row[2:], strict=False):
            if 255 not in (left, middle, right) and abs(left - right) > 1:
                wide += 1
                suspect += min(left, right) < middle < max(left, right)
    return Fraction(suspect, wide)


def share_by_median(labels):
    windows = np.lib.stride_tricks.sliding_window_view(labels, 3, axis=1)
    windows = windows[(windows < 255).all(axis=-1)].astype(float)
    windows = windows[np.abs(windows[:, 0] - windows[:, 2]) > 1.5]
    middle = windows[:, 1]
    is_end = (middle == windows[:, 0]) | (middle == windows[:, 2])
    return np.mean((np.median(windows, axis=1) == middle) & ~is_end, dtype="float32")


def counts(labels):
    parts = threes(labels.astype(int))
    wide = is_wide(*parts) & is_known(*parts)
    return (wide & is_between(*parts)).sum(), wide.sum()


def of_rising(labels):
    parts = threes(labels.astype(int))
    found = is_known(*parts) & (parts[0] < parts[1]) & (parts[1] < parts[2])
    return found.sum() / counts(labels)[1]


def of_falling(labels):
    return of_rising(labels[:, ::-1])


def mean_of_rows(labels):
    pairs = [counts(row[np.newaxis]) for row in labels]
    return np.mean([some / all_ for some, all_ in pairs if all_])


def rings(labels):
    return np.roll(labels, 1, axis=1), labels, np.roll(labels, -1, axis=1)


def every_third(labels):
    width = labels.shape[1] // 3 * 3
    return labels[:, 0:width:3], labels[:, 1:width:3], labels[:, 2:width:3]


def with_void_in_the_divisor(labels):
    left, _, right = threes(labels.astype(int))
    return counts(labels)[0] / (np.abs(left - right) >= 2).sum()


def drops_void_in_loops(labels):
    rows = [[label for label in row if label < 255] for row in labels.tolist()]
    parts = [
        (a, b, c)
        for row in rows
        for a, b, c in zip(row, row[1:], row[2:], strict=False)
    ]
    ends = [(a, b, c) for a, b, c in parts if abs(a - c) > 1]
    return sum(min(a, c) < b < max(a, c) for a, b, c in ends) / len(ends)


def changes_its_labels(labels):
    labels[labels == 255] = 0
    return right_share(labels)


RIGHT = [
    ("loader_faults", [1, 8]),
    ("loader_faults", {8, 1}),
    ("loader_faults", np.array([8.0, 1.0])),
    ("softmax_floor", -np.log(np.e / (np.e + 20))),
    ("softmax_floor", np.float32(np.log(1 + 20 / np.e))),
    ("softmax_floor", 2.123),
    ("suspect_share", right_share),
    ("suspect_share", share_in_loops),
    ("suspect_share", share_by_median),
    ("jo_diagnosis", ("c", JOS)),
    ("jo_diagnosis", ["C", tuple(JOS)]),
    ("jo_diagnosis", ("c:", JOS)),
    ("jo_diagnosis", ("(c)", JOS)),
    ("jo_diagnosis", (" c ", np.array(["Horse", "Fence", "Grass", "Sky", "Tree"]))),
    ("jo_diagnosis", ("c", "horse, fence, grass, sky, tree")),
    ("jo_diagnosis", ("c", np.array([4, 3, 1, 0, 2]))),
]

WRONG = [
    ("loader_faults", [2], "line 2 is right: a picture may be averaged"),
    ("loader_faults", [1, 3], "line 3 is right: IMREAD_UNCHANGED"),
    ("loader_faults", [1, 4, 8], "line 4 is right: the nearest neighbor"),
    ("loader_faults", [1, 5], "line 5 is right: labels are taken from"),
    ("loader_faults", (1, 6), "line 6 is right: one draw in two"),
    ("loader_faults", [7, 9], "line 7 is right: this flips the picture"),
    ("loader_faults", [1, 9], "line 9 is right: this flips the labels"),
    ("loader_faults", {1, 8, 10}, "line 10 is right: it hands over"),
    ("loader_faults", [1], "one of Eva's kind is left"),
    ("loader_faults", 8, "one of Bruno's kind is left"),
    ("loader_faults", [], "one of Bruno's kind is left"),
    ("loader_faults", [0, 7], "there is no line 0"),
    ("loader_faults", [1, 8.5], "there is no line 8.5"),
    ("loader_faults", "1 and 8", "numbers of lines are asked for"),
    ("loader_faults", ["line 1", "line 8"], "numbers of lines are asked for"),
    ("loader_faults", [[1], [8, 1]], "numbers of lines are asked for"),
    ("softmax_floor", 0, "0 needs a share of 1"),
    ("softmax_floor", np.log(21), "the loss at the start"),
    ("softmax_floor", np.log(20), "where is e?"),
    ("softmax_floor", np.e / (np.e + 20), "the share of the true class"),
    ("softmax_floor", 20 / (np.e + 20), "the share of the other classes"),
    ("softmax_floor", np.log(np.e / (np.e + 20)), "mind the sign"),
    ("softmax_floor", np.log(1 + 21 / np.e), "there are 20 others; for"),
    ("softmax_floor", np.log(1 + 19 / np.e), "20 others, not 19"),
    ("softmax_floor", 0.905, "the answer for 5 classes"),
    ("softmax_floor", np.log(1 + 4 / np.e), "the answer for 5 classes"),
    ("softmax_floor", np.log(1 + 5 / np.e), "this is for 4 or 6 classes"),
    ("softmax_floor", np.log10(1 + 20 / np.e), "the decimal logarithm"),
    ("softmax_floor", np.log2(1 + 20 / np.e), "the logarithm to base 2"),
    ("softmax_floor", np.log(np.e + 20), "the worst loss"),
    ("softmax_floor", 1, "exp of the others' 0 is 1"),
    ("softmax_floor", -np.log(1 / 21), "the loss at the start"),
    ("softmax_floor", 0.905 * 21 / 5, "does not grow with C in proportion"),
    ("softmax_floor", 4.2 * np.log(1 + 4 / np.e), "does not grow with C in proportion"),
    ("softmax_floor", 0.905 + np.log(21 / 5), "by the logarithm of C"),
    ("softmax_floor", np.log(4.2 * (1 + 4 / np.e)), "by the logarithm of C"),
    ("softmax_floor", 1 / 21, "the equal share of an untrained network"),
    ("softmax_floor", 2.12, "rounded too far"),
    ("softmax_floor", [2.123], "one number is asked for, and this is a list"),
    ("softmax_floor", "2.123?", "one number is asked for"),
    ("softmax_floor", 7, "another number"),
    ("softmax_floor", right_share, "a function came"),
    ("suspect_share", lambda labels: 0.5, "the same for different labels"),
    ("suspect_share", lambda labels: labels.mean(), "without void"),
    ("suspect_share", answer(kind="int8"), "int8 has no 255"),
    (
        "suspect_share",
        answer(kind="int8", known=lambda a, b, c: np.maximum(np.maximum(a, b), c) < 21),
        "int8 has no 255",
    ),
    (
        "suspect_share",
        lambda labels: right_share(labels[labels < 255][np.newaxis]),
        "across rows",
    ),
    ("suspect_share", drops_void_in_loops, "void is dropped"),
    ("suspect_share", lambda labels: right_share(labels.reshape(1, -1)), "across rows"),
    ("suspect_share", answer(kind="uint8"), "bytes have no sign"),
    (
        "suspect_share",
        answer(lambda a, b, c: c - a >= 2, kind="uint8"),
        "bytes have no sign",
    ),
    ("suspect_share", answer(known=lambda a, b, c: a > -1), "void counts as a class"),
    (
        "suspect_share",
        answer(known=lambda a, b, c: (a != 255) & (c != 255)),
        "void in the middle is not left out",
    ),
    (
        "suspect_share",
        answer(known=lambda a, b, c: b != 255),
        "void at the ends is not left out",
    ),
    ("suspect_share", answer(lambda a, b, c: c - a >= 2), "only threes that rise"),
    ("suspect_share", of_rising, "only threes that rise"),
    ("suspect_share", answer(lambda a, b, c: a - c >= 2), "only threes that fall"),
    ("suspect_share", of_falling, "only threes that fall"),
    ("suspect_share", answer(lambda a, b, c: a != c), "differ by 1 are taken too"),
    (
        "suspect_share",
        answer(lambda a, b, c: np.abs(a - c) > 2),
        "differ by 2 are left out",
    ),
    ("suspect_share", answer(lambda a, b, c: a > -1), "all threes are taken"),
    (
        "suspect_share",
        answer(lambda a, b, c: np.abs(a - c) == 2),
        "differ by exactly 2",
    ),
    (
        "suspect_share",
        answer(between=lambda a, b, c: (b - a) * (b - c) <= 0),
        "equal to an end is not strictly between",
    ),
    (
        "suspect_share",
        answer(
            between=lambda a, b, c: (np.minimum(a, c) <= b) & (b < np.maximum(a, c))
        ),
        "equal to an end is not strictly between",
    ),
    (
        "suspect_share",
        answer(between=lambda a, b, c: (b != a) & (b != c)),
        "may lie outside",
    ),
    (
        "suspect_share",
        answer(between=lambda a, b, c: 2 * b == a + c),
        "only the exact mean",
    ),
    ("suspect_share", lambda labels: right_share(labels.T), "down the columns"),
    ("suspect_share", answer(cut=rings), "the last column is joined"),
    ("suspect_share", answer(cut=every_third), "threes overlap"),
    (
        "suspect_share",
        lambda labels: counts(labels)[0] / labels.size,
        "not by the pixels",
    ),
    (
        "suspect_share",
        lambda labels: counts(labels)[0] / (labels != 255).sum(),
        "not by the pixels",
    ),
    ("suspect_share", with_void_in_the_divisor, "threes with void are in the divisor"),
    ("suspect_share", lambda labels: counts(labels)[0], "the number of suspects"),
    ("suspect_share", lambda labels: 1 - right_share(labels), "that are not suspect"),
    ("suspect_share", lambda labels: 100 * right_share(labels), "a percentage"),
    ("suspect_share", mean_of_rows, "the mean of the rows' shares"),
    (
        "suspect_share",
        lambda labels: is_wide(*threes(labels.astype(int))),
        "a ndarray of numbers",
    ),
    ("suspect_share", lambda labels: right_share(labels) // 1, "// and int()"),
    ("suspect_share", lambda labels: int(right_share(labels)), "// and int()"),
    ("suspect_share", lambda labels: [right_share(labels)], "a list of numbers"),
    ("suspect_share", changes_its_labels, "work on a copy"),
    (
        "suspect_share",
        answer(known=lambda a, b, c: np.maximum(np.maximum(a, b), c) < 5),
        "right for 5 classes, and fails for 21",
    ),
    (
        "suspect_share",
        lambda labels: right_share(labels) + (labels == 255).any(),
        "right without void, and fails with void",
    ),
    ("jo_diagnosis", ("a", JOS), "it is not a: upside down"),
    ("jo_diagnosis", ("b", list(pasture.CLASSES)), "it is not b: counted from 1"),
    ("jo_diagnosis", ("D", JOS), "it is not d: with weights"),
    ("jo_diagnosis", ["e", JOS], "it is not e: void is 255"),
    ("jo_diagnosis", ("f", JOS), "'f' is none of the letters a to e"),
    ("jo_diagnosis", "c", "a pair is asked for"),
    ("jo_diagnosis", ("c", *JOS), "a pair is asked for"),
    ("jo_diagnosis", (JOS, "c"), "the letter of the disease comes first"),
    ("jo_diagnosis", ("c", JOS[:4]), "a list of five names"),
    ("jo_diagnosis", ("c", 3), "a list of five names"),
    ("jo_diagnosis", ("c", ["cow", *JOS[1:]]), "'cow' is no class"),
    ("jo_diagnosis", ("c", list(pasture.CLASSES)), "the healthy program's order"),
    ("jo_diagnosis", ("c", JOS[::-1]), "the order is reversed"),
    ("jo_diagnosis", ("c", ["fence", *JOS[:4]]), "a name comes twice"),
    ("jo_diagnosis", ("c", sorted(pasture.CLASSES)), "sorted by name"),
    (
        "jo_diagnosis",
        ("c", ["fence", "tree", "horse", "grass", "sky"]),
        "this reads the columns",
    ),
    ("jo_diagnosis", ("c", np.array([3, 2, 4, 1, 0])), "this reads the columns"),
    ("jo_diagnosis", ("c", 100 * np.eye(5, dtype=int)), "this is a matrix"),
    ("jo_diagnosis", ("c", np.eye(5).tolist()), "this is a matrix"),
    ("jo_diagnosis", ("c", [7888, 3443, 19508, 13900, 5712]), "'7888' is no class"),
    ("jo_diagnosis", ("another order", JOS), "none of the letters a to e"),
    (
        "jo_diagnosis",
        ("c", ["fence", "horse", "grass", "sky", "tree"]),
        "3 of the five names are at their place",
    ),
]

# The smallest inputs that the hints name.
MAP = re.compile(r"try (\[\[[^a-z]*\]\])\.$")


def test_the_lesson_has_these_exercises():
    assert checks.NAMES["07_failure_clinic"] == NAMES


def test_the_answers_of_this_file_agree_with_the_example_of_the_lesson():
    labels = np.array([[0, 1, 2, 2], [4, 4, 1, 255]], "uint8")
    for share in (right_share, share_in_loops, share_by_median):
        assert share(labels) == 1 / 2


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_are_right_for_every_seed(name, answer, said):
    assert said(name, answer) == "Correct."
    for seed in range(20):
        assert checks.score(name, answer, seed) == (1.0, "Correct.")


def test_a_function_that_returns_none_is_not_attempted(said):
    line = said("suspect_share", lambda labels: None)
    assert line.startswith("Not attempted yet: ")


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_each_mistake_gets_its_hint(name, wrong, hint, said):
    line = said(name, wrong)
    assert line.startswith("Not yet: ")
    assert hint in line and re.search(r"[^.?][.?]$", line)  # no "?." at the end
    for seed in range(10):
        assert checks.score(name, wrong, seed)[0] == 0


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
@np.errstate(all="ignore")
def test_the_inputs_in_hints_show_the_mistake(name, wrong, hint, said):
    line = said(name, wrong)
    found = MAP.search(line)
    if found:
        labels = np.array(ast.literal_eval(found[1]), "uint8")
        expected = share_in_loops(labels)
        assert not np.isclose(float(wrong(labels)), float(expected))
    else:
        assert "try" not in line


def test_most_hints_for_the_function_hold_such_an_input(said):
    lines = [said(name, wrong) for name, wrong, _ in WRONG if name == "suspect_share"]
    assert sum(bool(MAP.search(line)) for line in lines) >= 20
