"""Judge the exercises of lesson 05_iou."""

import numpy as np

from fcnlib import metrics
from fcnlib.checks.judging import compare_number, exercise


@exercise("05_iou", asks_for="value")
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
    return compare_number(answer, 30 / 66, mistakes)


@exercise("05_iou", asks_for="function")
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
        hint = compare_number(
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


@exercise("05_iou", asks_for="value")
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


@exercise("05_iou", asks_for="function")
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
        hint = compare_number(found, expected, mistakes, stage)
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
