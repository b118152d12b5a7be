"""Every score, from one confusion matrix."""

import cv2
import numpy as np

# Pixels a call: OpenCV returns counts as float32, which is exact up to 2**24.
CHUNK = 2**20


def confusion_matrix(labels, predictions, num_classes, void=255):
    """Count the pixels of each true class that were given each class.

    Pixels whose label is void are not counted, whatever was predicted there. Add the
    matrices of several batches to score a whole dataset.

    Args:
        labels: Integer array of any shape, for example (N, H, W) uint8, with the true
            class of each pixel or void.
        predictions: Integer array of the same shape with the predicted classes.
        num_classes: Integer from 1 to 255, the number of classes.
        void: Integer from 0 to 255, the label of pixels that are not scored.

    Returns:
        A (C, C) int64 array: rows are true classes, columns are predicted classes.

    Raises:
        ValueError: If the shapes differ, if a map does not hold whole numbers from 0
            to 255, or if a scored pixel has a label or a prediction that is no class.

    Example:

    >>> labels = np.array([[0, 0, 1], [1, 1, 255]])
    >>> predictions = np.array([[0, 1, 1], [1, 0, 0]])
    >>> confusion_matrix(labels, predictions, num_classes=2)
    array([[1, 1],
           [1, 2]])
    """
    _check_range("num_classes", num_classes, 1)
    _check_range("void", void, 0)
    labels = _as_uint8("labels", labels)
    predictions = _as_uint8("predictions", predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            "labels and predictions must have the same shape, got "
            f"{labels.shape} and {predictions.shape}: resize one of them first."
        )
    counts = _count_pairs(labels.reshape(-1), predictions.reshape(-1))
    counts[void] = 0
    _check_classes("labels", counts.sum(axis=1), num_classes)
    _check_classes("predictions", counts.sum(axis=0), num_classes)
    return counts[:num_classes, :num_classes].astype(np.int64)


def pixel_accuracy(confusion):
    """Compute the share of pixels that have the right class.

    Section 5 of Long, Shelhamer, Darrell (CVPR 2015).

    Args:
        confusion: (C, C) array of counts, rows are true classes.

    Returns:
        A float, nan if no pixel was counted.

    Example:

    >>> pixel_accuracy([[3, 1], [2, 4]])
    0.7
    """
    hits, truth, _ = _counts(confusion)
    return float(_divide(hits.sum(), truth.sum()))


def class_accuracy(confusion):
    """Compute the share of each true class that was found.

    Args:
        confusion: (C, C) array of counts, rows are true classes.

    Returns:
        A (C,) float array, nan for classes without a true pixel.

    Example:

    >>> class_accuracy([[3, 1], [2, 3]])
    array([0.75, 0.6 ])
    """
    hits, truth, _ = _counts(confusion)
    return _divide(hits, truth)


def mean_accuracy(confusion):
    """Compute the mean of the class accuracies.

    Section 5 of Long, Shelhamer, Darrell (CVPR 2015).

    Args:
        confusion: (C, C) array of counts, rows are true classes.

    Returns:
        A float: the mean over the classes with a true pixel, nan if there is none.

    Example:

    >>> mean_accuracy([[3, 1], [2, 2]])
    0.625
    """
    return _mean(class_accuracy(confusion))


def iou(confusion):
    """Compute the intersection over union of each class.

    Section 5 of Long, Shelhamer, Darrell (CVPR 2015).

    Args:
        confusion: (C, C) array of counts, rows are true classes.

    Returns:
        A (C,) float array: 0 for classes that were only predicted, nan for classes
        that are neither in the truth nor in the predictions.

    Example:

    >>> iou([[3, 1], [2, 2]])
    array([0.5, 0.4])
    """
    hits, truth, predicted = _counts(confusion)
    return _divide(hits, truth + predicted - hits)


def mean_iou(confusion):
    """Compute the mean of the classes' intersections over union.

    Section 5 of Long, Shelhamer, Darrell (CVPR 2015).

    Args:
        confusion: (C, C) array of counts, rows are true classes.

    Returns:
        A float: the mean over the classes whose IoU is a number, nan if there is none.

    Example:

    >>> mean_iou([[3, 1], [2, 2]])
    0.45
    """
    return _mean(iou(confusion))


def frequency_weighted_iou(confusion):
    """Compute the mean IoU in which each class weighs as much as its true pixels.

    Section 5 of Long, Shelhamer, Darrell (CVPR 2015).

    Args:
        confusion: (C, C) array of counts, rows are true classes.

    Returns:
        A float, nan if no pixel was counted.

    Example:

    >>> frequency_weighted_iou([[6, 0], [2, 2]])
    0.65
    """
    _, truth, _ = _counts(confusion)
    return float(_divide(np.nansum(truth * iou(confusion)), truth.sum()))


def dice(confusion):
    """Compute the Dice score of each class, twice the overlap over the sum of sizes.

    Args:
        confusion: (C, C) array of counts, rows are true classes.

    Returns:
        A (C,) float array: 0 for classes that were only predicted, nan for classes
        that are neither in the truth nor in the predictions.

    Example:

    >>> dice([[3, 1], [1, 4]])
    array([0.75, 0.8 ])
    """
    hits, truth, predicted = _counts(confusion)
    return _divide(2 * hits, truth + predicted)


def _check_range(name, value, lowest):
    """Raise unless the value is a whole number from lowest to 255."""
    if not isinstance(value, (int, np.integer)) or not lowest <= value <= 255:
        raise ValueError(
            f"{name} must be an integer from {lowest} to 255, got {value!r}: "
            "label maps hold one byte per pixel."
        )


def _as_uint8(name, values):
    """Return whole numbers as a uint8 array."""
    values = np.asarray(values)
    if values.dtype == np.uint8 or not values.size:
        return values.astype(np.uint8, copy=False)
    if values.dtype.kind not in "bui":
        raise ValueError(
            f"{name} must hold whole numbers, got {values.dtype}: give a label map, "
            "or take the argmax of the scores."
        )
    for value in (values.min(), values.max()):
        if not 0 <= value <= 255:
            raise ValueError(
                f"{name} must lie between 0 and 255, got {value}: "
                "give void pixels the value 255."
            )
    return values.astype(np.uint8)


def _count_pairs(labels, predictions):
    """Count each pair of values in two flat uint8 arrays: (256, 256) float64."""
    counts = np.zeros((256, 256))
    woven = labels.size // 4 * 4
    for start in range(0, woven, CHUNK):
        part = slice(start, min(start + CHUNK, woven))
        maps = [_weave(labels[part]), _weave(predictions[part])]
        sides, ranges = [256, 256], [0, 256, 0, 256]
        counts += cv2.calcHist(maps, [0, 1], None, sides, ranges)
    np.add.at(counts, (labels[woven:], predictions[woven:]), 1)
    return counts


def _weave(values):
    """Deal out the pixels of four quarters in turn, as one row.

    Neighboring pixels are mostly alike, and a processor waits when it raises the same
    count twice in a row.
    """
    return cv2.merge(list(values.reshape(4, 1, -1))).reshape(1, -1)


def _check_classes(name, counts, num_classes):
    """Raise if one of the counted values is no class."""
    strangers = np.flatnonzero(counts[num_classes:]) + num_classes
    if strangers.size:
        raise ValueError(
            f"{name} must be classes from 0 to {num_classes - 1} where the truth is "
            f"not void, got {strangers[0]}: correct the map or num_classes."
        )


def _counts(confusion):
    """Return each class's hits, true pixels and predicted pixels."""
    confusion = np.asarray(confusion, dtype=np.float64)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(
            f"confusion must have the shape (C, C), got {confusion.shape}: "
            "make it with confusion_matrix."
        )
    return np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)


def _divide(part, whole):
    """Divide, with nan where there is nothing to divide by."""
    nothing = np.full(np.shape(whole), np.nan)
    return np.divide(part, whole, out=nothing, where=np.greater(whole, 0))


def _mean(scores):
    """Average the scores that are numbers."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")
