"""Test the checks of lesson 5: right answers, wrong ones, and what they hear."""

import ast
import re
from fractions import Fraction

import numpy as np
import pytest

from fcnlib import checks

NAMES = ("moved_box_iou", "class_iou", "iou_counterexample", "dataset_mean_iou")


def one_iou(confusion, c):
    both = confusion[c, c]
    return both / (confusion[c, :].sum() + confusion[:, c].sum() - both)


def one_iou_in_loops(confusion, class_id):
    both = either = 0
    for i, row in enumerate(confusion.tolist()):
        for j, count in enumerate(row):
            both += count if i == class_id == j else 0
            either += count if class_id in (i, j) else 0
    return Fraction(both, either)


def row(m, c):
    return m[c].sum()


def column(m, c):
    return m[:, c].sum()


def all_ious(m):
    return np.array([one_iou(m, c) for c in range(len(m))])


def counted(labels, predictions, num_classes):
    confusion = np.zeros((num_classes, num_classes), int)
    np.add.at(confusion, (labels[labels < 255], predictions[labels < 255]), 1)
    return confusion


def parts(labels, predictions, num_classes):
    confusion = counted(labels, predictions, num_classes)
    return np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)


def right_mean(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.nanmean(hits / (truth + called - hits))


def right_mean_by_masks(labels, predictions, num_classes):
    scores = []
    for c in range(num_classes):
        a, b = labels == c, (predictions == c) & (labels != 255)
        if np.any(a | b):
            scores.append(Fraction(int((a & b).sum()), int((a | b).sum())))
    return sum(scores) / len(scores)


def with_void(labels, predictions, num_classes):
    scores = []
    for c in range(num_classes):
        a, b = labels == c, predictions == c
        scores.append(np.sum(a & b) / np.sum(a | b))
    return np.nanmean(scores)


def void_as_class_0(labels, predictions, num_classes):
    return right_mean(np.where(labels == 255, 0, labels), predictions, num_classes)


def void_as_last_class(labels, predictions, num_classes):
    return right_mean(
        np.where(labels == 255, num_classes, labels), predictions, num_classes + 1
    )


def mean_of_pictures(labels, predictions, num_classes):
    each = zip(labels, predictions, strict=True)
    return np.mean([right_mean(*pair, num_classes) for pair in each])


def absent_is_0(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.mean(hits / np.maximum(truth + called - hits, 1))


def absent_is_1(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.mean(np.nan_to_num(hits / (truth + called - hits), nan=1))


def absent_is_nan(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.mean(hits / (truth + called - hits))


def only_true_classes(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.mean((hits / (truth + called - hits))[truth > 0])


def overlap_twice(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.nanmean(hits / (truth + called))


def void_as_predicted(labels, predictions, num_classes):
    filled = np.where(labels == 255, predictions, labels)
    return right_mean(filled, predictions, num_classes)


def scored(labels, predictions, numbers):
    """Return the scores of some classes, with void left out as it should be."""
    known, scores = labels != 255, []
    for c in numbers:
        a, b = labels == c, (predictions == c) & known
        scores.append((a & b).sum() / (a | b).sum() if (a | b).any() else np.nan)
    return np.array(scores)


def never_predicted_is_out(labels, predictions, num_classes):
    numbers = np.unique(predictions[labels != 255])
    return np.nanmean(scored(labels, predictions, numbers))


def never_predicted_is_skipped(labels, predictions, num_classes):
    scores = []
    for k in range(num_classes):
        known = labels != 255
        if not ((predictions == k) & known).any():
            continue
        scores += [*scored(labels, predictions, [k])]
    return np.mean(scores)


def up_to_the_last_predicted(labels, predictions, num_classes):
    numbers = range(predictions.max() + 1)
    return np.nanmean(scored(labels, predictions, numbers))


def without_a_hit_is_out(labels, predictions, num_classes):
    scores = scored(labels, predictions, range(num_classes))
    return np.mean(scores[scores > 0])


def unique_labels(labels, predictions, num_classes):
    scores = scored(labels, predictions, np.unique(labels))
    return np.nanmean(np.where(np.unique(labels) == 255, 0, scores))


def every_number_and_void(labels, predictions, num_classes):
    numbers = np.union1d(labels, predictions[labels != 255])
    return np.nansum(scored(labels, predictions, numbers)) / len(numbers)


def of_first(count):
    """Return an answer that scores a fixed number of classes."""
    return lambda a, b, n: np.nanmean(scored(a, b, range(count)))


def mean_dice(labels, predictions, num_classes):
    return 2 * overlap_twice(labels, predictions, num_classes)


def accuracy(labels, predictions, num_classes):
    return np.mean((labels == predictions)[labels < 255])


def mean_accuracy(labels, predictions, num_classes):
    hits, truth, _ = parts(labels, predictions, num_classes)
    return np.nanmean(hits / truth)


def mean_precision(labels, predictions, num_classes):
    hits, _, called = parts(labels, predictions, num_classes)
    return np.nanmean(hits / called)


def weighted(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.nansum(truth * hits / (truth + called - hits)) / truth.sum()


def added_up(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return hits.sum() / (truth + called - hits).sum()


def without_class_0(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.nanmean((hits / (truth + called - hits))[1:])


def upside_down(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return np.nanmean((truth + called - hits) / hits)


def by_class(labels, predictions, num_classes):
    hits, truth, called = parts(labels, predictions, num_classes)
    return hits / (truth + called - hits)


def in_bytes(labels, predictions, num_classes):
    known = labels != 255
    numbers = labels[known] * np.uint8(num_classes) + predictions[known]
    counts = np.bincount(numbers, minlength=num_classes**2)
    confusion = counts.reshape(num_classes, num_classes)
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    return np.nanmean(np.diag(confusion) / union)


RIGHT = [
    ("moved_box_iou", 5 / 11),
    ("moved_box_iou", Fraction(5, 11)),
    ("moved_box_iou", np.float32(30 / 66)),
    ("moved_box_iou", np.array(0.4545)),
    ("class_iou", one_iou),
    ("class_iou", one_iou_in_loops),
    ("class_iou", lambda confusion, class_id: all_ious(confusion)[class_id]),
    ("iou_counterexample", [[3, 1, 0], [2, 4, 0], [0, 0, 0]]),
    ("iou_counterexample", ((1, 0), (0, 0))),
    ("iou_counterexample", np.diag([0.0, 5, 7])),
    ("iou_counterexample", [[1, 2, 0], [0, 0, 0], [0, 0, 0]]),
    ("dataset_mean_iou", right_mean),
    ("dataset_mean_iou", right_mean_by_masks),
]

WRONG = [
    ("moved_box_iou", 30, "pixels of the overlap"),
    ("moved_box_iou", 66, "pixels of the union"),
    ("moved_box_iou", 5 / 8, "only in the other"),
    ("moved_box_iou", Fraction(5, 16), "twice"),
    ("moved_box_iou", 3 / 7, "rectangle around both"),
    ("moved_box_iou", [30 / 66], "one number is asked for, and this is a list"),
    ("moved_box_iou", (30 / 66,), "one number is asked for, and this is a tuple"),
    ("moved_box_iou", 30 / 36, "holds the overlap too"),
    ("moved_box_iou", 66 / 30, "above 1"),
    ("moved_box_iou", 3 / 5, "moved down too"),
    ("moved_box_iou", 5 / 7, "to the right too"),
    ("moved_box_iou", 7 / 17, "swapped"),
    ("moved_box_iou", 5 / 19, "one row or column off"),
    ("moved_box_iou", 45.4545, "percentage"),
    ("moved_box_iou", 0.45, "rounded"),
    ("moved_box_iou", 0.455, "rounded"),
    ("moved_box_iou", 0.3, "another number"),
    ("moved_box_iou", "5/11", "one number is asked for, and this is of the type str"),
    ("moved_box_iou", one_iou, "a function came"),
    ("class_iou", lambda m, c: m[c, c] / row(m, c), "by mistake are missing"),
    ("class_iou", lambda m, c: m[c, c] / column(m, c), "that were missed"),
    ("class_iou", lambda m, c: m[c, c] / (row(m, c) + column(m, c)), "counted twice"),
    (
        "class_iou",
        lambda m, c: m[c, c] / (row(m, c) + column(m, c) - 2 * m[c, c]),
        "overlap is missing",
    ),
    ("class_iou", lambda m, c: 2 * m[c, c] / (row(m, c) + column(m, c)), "Dice"),
    ("class_iou", lambda m, c: 1 / one_iou(m, c), "the union by the overlap"),
    ("class_iou", lambda m, c: m[c, c] / m.sum(), "by all pixels"),
    ("class_iou", lambda m, c: np.trace(m) / m.sum(), "pixel accuracy"),
    ("class_iou", lambda m, c: m[c, c], "overlap alone"),
    ("class_iou", lambda m, c: row(m, c) + column(m, c) - m[c, c], "union alone"),
    ("class_iou", lambda m, c: all_ious(m), "all classes"),
    ("class_iou", lambda m, c: all_ious(m).mean(), "mean over the classes"),
    ("class_iou", lambda m, c: one_iou(m, c - 1), "counted from 0"),
    ("class_iou", lambda m, c: one_iou(m, c) // 1, "//"),
    ("class_iou", lambda m, c: int(one_iou(m, c)), "int()"),
    (
        "class_iou",
        lambda m, c: m[c, c] / row(m, c) + column(m, c) - m[c, c],
        "brackets",
    ),
    ("class_iou", lambda m, c: m[c, c] / (2 * row(m, c) - m[c, c]), "row is in the"),
    (
        "class_iou",
        lambda m, c: m[c, c] / (2 * column(m, c) - m[c, c]),
        "column is in the",
    ),
    (
        "class_iou",
        lambda m, c: m[c, c] / (m[c, c] + m[c, 1 - c] + m[1 - c, c]),
        "of two, and fails with more",
    ),
    (
        "class_iou",
        lambda m, c: np.trace(m) / (row(m, c) + column(m, c) - m[c, c]),
        "np.trace",
    ),
    (
        "class_iou",
        lambda m, c: np.trace(m) / (row(m, c) + column(m, c) - np.trace(m)),
        "np.trace",
    ),
    (
        "class_iou",
        lambda m, c: (m[c, c] / row(m, c)) * (m[c, c] / column(m, c)),
        "multiplies",
    ),
    ("class_iou", lambda m, c: one_iou(m, 0), "score of class 0"),
    ("class_iou", lambda m, c: 100 * one_iou(m, c), "percentage"),
    ("class_iou", lambda m, c: [one_iou(m, c)], "a list of numbers"),
    ("class_iou", lambda m, c: 0.123, "another number"),
    ("class_iou", lambda m, c: m[c + len(m)], "IndexError"),
    ("iou_counterexample", [[3, 1], [2, 4]], "both return 0.536"),
    ("iou_counterexample", np.eye(3), "both return 1.000"),
    ("iou_counterexample", [[3, 1], [0, 0]], "only predicted"),
    ("iou_counterexample", [[3, 0], [1, 0]], "only true"),
    ("iou_counterexample", [[0, 1, 0], [1, 0, 0], [0, 0, 0]], "one pixel be right"),
    ("iou_counterexample", [[0, 0], [0, 0]], "no pixel"),
    ("iou_counterexample", [[3, 1]], "has the shape (1, 2)"),
    ("iou_counterexample", [3, 1], "has the shape (2,)"),
    ("iou_counterexample", 0.5, "has the shape ()"),
    ("iou_counterexample", [[3, -1], [2, 4]], "not below 0"),
    ("iou_counterexample", [[0.5, 0], [0, 0]], "whole"),
    ("iou_counterexample", [[float("nan"), 0], [0, 0]], "whole"),
    ("iou_counterexample", [[1, 2], [3]], "of one length"),
    ("iou_counterexample", "absent class", "of one length"),
    ("dataset_mean_iou", with_void, "void pixels are in the union"),
    ("dataset_mean_iou", void_as_class_0, "as class 0"),
    ("dataset_mean_iou", void_as_last_class, "one more class"),
    ("dataset_mean_iou", unique_labels, "one more class"),
    ("dataset_mean_iou", every_number_and_void, "one more class"),
    ("dataset_mean_iou", void_as_predicted, "count as right"),
    ("dataset_mean_iou", never_predicted_is_out, "true and never predicted"),
    ("dataset_mean_iou", never_predicted_is_skipped, "true and never predicted"),
    ("dataset_mean_iou", up_to_the_last_predicted, "true and never predicted"),
    ("dataset_mean_iou", without_a_hit_is_out, "no pixel is right"),
    ("dataset_mean_iou", lambda a, b, n: of_first(n - 1)(a, b, n), "the last class"),
    ("dataset_mean_iou", lambda a, b, n: scored(a, b, [0])[0], "inside the loop"),
    ("dataset_mean_iou", of_first(3), "a number of your own"),
    ("dataset_mean_iou", of_first(5), "a number of your own"),
    (
        "dataset_mean_iou",
        lambda a, b, n: np.nansum(scored(a, b, range(n))),
        "added up; divide",
    ),
    ("dataset_mean_iou", mean_of_pictures, "single pictures"),
    ("dataset_mean_iou", lambda a, b, n: right_mean(a[0], b[0], n), "only the first"),
    ("dataset_mean_iou", lambda a, b, n: right_mean(a[-1], b[-1], n), "only the last"),
    ("dataset_mean_iou", absent_is_0, "counts as 0"),
    ("dataset_mean_iou", absent_is_1, "counts as 1"),
    ("dataset_mean_iou", absent_is_nan, "makes it nan"),
    ("dataset_mean_iou", only_true_classes, "only predicted"),
    ("dataset_mean_iou", overlap_twice, "twice"),
    ("dataset_mean_iou", mean_dice, "Dice"),
    ("dataset_mean_iou", accuracy, "pixel accuracy"),
    ("dataset_mean_iou", mean_accuracy, "mean accuracy"),
    ("dataset_mean_iou", mean_precision, "what was called so"),
    ("dataset_mean_iou", weighted, "weighted by frequency"),
    ("dataset_mean_iou", added_up, "added up"),
    ("dataset_mean_iou", without_class_0, "class 0 is left out"),
    ("dataset_mean_iou", upside_down, "the union by the overlap"),
    ("dataset_mean_iou", by_class, "their mean"),
    ("dataset_mean_iou", in_bytes, "a byte"),
    ("dataset_mean_iou", lambda a, b, n: 0.5, "on one picture without void"),
    (
        "dataset_mean_iou",  # right on each picture, and wrong in a way of its own
        lambda a, b, n: right_mean(a, b, n) + (len(a) > 1),
        "and fails on several",
    ),
    (
        "dataset_mean_iou",
        lambda a, b, n: right_mean(a, b, n) + (a.max() == 255),
        "and fails with void",
    ),
    (
        "dataset_mean_iou",
        lambda a, b, n: right_mean(a, b, n) + (a[a < 255].max() < n - 1),
        "where some do not",
    ),
    (
        "dataset_mean_iou",
        lambda a, b, n: right_mean(a, b, n) + (n > 20),
        "fails for 21",
    ),
    (
        "dataset_mean_iou",
        lambda a, b, n: {},
        "one number is asked for, and this is of the type dict",
    ),
    ("dataset_mean_iou", lambda a, b, n: np.nan, "nan"),
]

# The smallest inputs that the hints name.
MATRIX = re.compile(r"try (\[\[.*?\]\])\.$")
MAPS = re.compile(r"try labels (.*), predictions (.*) and (\d+) classes\.$")


def test_the_lesson_has_these_exercises():
    assert checks.NAMES["05_iou"] == NAMES


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_are_right_for_every_seed(name, answer, said):
    assert said(name, answer) == "Correct."
    for seed in range(20):
        assert checks.score(name, answer, seed) == (1.0, "Correct.")


@pytest.mark.parametrize("name", ["class_iou", "dataset_mean_iou"])
def test_functions_that_return_none_are_not_attempted(name, said):
    line = said(name, lambda *arguments: None)
    assert line.startswith("Not attempted yet: ")


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_each_mistake_gets_its_hint(name, wrong, hint, said):
    line = said(name, wrong)
    assert line.startswith("Not yet: ")
    assert hint in line
    for seed in range(10):
        assert checks.score(name, wrong, seed)[0] == 0


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
@np.errstate(all="ignore")
def test_the_inputs_in_hints_show_the_mistake(name, wrong, hint, said):
    line = said(name, wrong)
    matrix, maps = MATRIX.search(line), MAPS.search(line)
    if matrix:
        confusion = np.array(ast.literal_eval(matrix[1]))
        assert wrong(confusion, 0) != one_iou(confusion, 0)
    elif maps:
        labels, predictions, num_classes = map(ast.literal_eval, maps.groups())
        arrays = np.array(labels, "uint8"), np.array(predictions, "uint8")
        assert wrong(*arrays, num_classes) != right_mean(*arrays, num_classes)
    else:
        assert "try" not in line


def test_most_hints_hold_such_an_input(said):
    lines = [said(name, wrong) for name, wrong, _ in WRONG]
    assert sum(bool(MATRIX.search(line)) for line in lines) == 13
    assert sum(bool(MAPS.search(line)) for line in lines) == 33
