"""Every score against hand-made truth, a plain double loop, scikit-learn and Keras."""

import math
import warnings
from fractions import Fraction

import bench
import keras
import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from fcnlib import metrics

SCORES = [
    metrics.pixel_accuracy,
    metrics.class_accuracy,
    metrics.mean_accuracy,
    metrics.iou,
    metrics.mean_iou,
    metrics.frequency_weighted_iou,
    metrics.dice,
]

# One void pixel; 12 of the other 15 are right.
LABELS = np.array(
    [[0, 0, 0, 1], [0, 0, 1, 1], [2, 2, 1, 1], [255, 2, 0, 0]], dtype=np.uint8
)
PREDICTIONS = np.array(
    [[0, 0, 1, 1], [0, 0, 1, 1], [2, 0, 1, 1], [2, 2, 0, 2]], dtype=np.uint8
)


def fraction(score):
    """Return the simple fraction that a score must be, to its last bit but one."""
    nearest = Fraction(score).limit_denominator(2_000)
    assert math.isclose(score, nearest, rel_tol=4e-16)
    return nearest


def count_by_hand(labels, predictions, num_classes, void):
    """Count pixel by pixel."""
    confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
    for truth, prediction in zip(labels.flat, predictions.flat, strict=True):
        if truth != void:
            confusion[truth, prediction] += 1
    return confusion


def random_maps(seed):
    """Draw a number of classes and small maps of a random shape, with void."""
    rng = np.random.default_rng(seed)
    num_classes = int(rng.choice([1, 2, 5, 21, 255]))
    shape = tuple(rng.integers(1, 9, size=rng.integers(1, 4)))
    labels = rng.integers(0, num_classes, shape, dtype=np.uint8)
    predictions = rng.integers(0, num_classes, shape, dtype=np.uint8)
    labels[rng.random(shape) < 0.2] = 255
    return labels, predictions, num_classes


def test_first_worked_example_is_exact():
    confusion = metrics.confusion_matrix(LABELS, PREDICTIONS, 3)

    np.testing.assert_array_equal(confusion, [[5, 1, 1], [0, 5, 0], [1, 0, 2]])
    assert fraction(metrics.pixel_accuracy(confusion)) == Fraction(12, 15)
    assert fraction(metrics.mean_accuracy(confusion)) == Fraction(50, 63)
    assert fraction(metrics.mean_iou(confusion)) == Fraction(47, 72)
    assert fraction(metrics.frequency_weighted_iou(confusion)) == Fraction(241, 360)
    assert fraction(metrics.dice(confusion).mean()) == Fraction(1006, 1287)
    per_class = {
        metrics.class_accuracy: [Fraction(5, 7), 1, Fraction(2, 3)],
        metrics.iou: [Fraction(5, 8), Fraction(5, 6), Fraction(1, 2)],
        metrics.dice: [Fraction(10, 13), Fraction(10, 11), Fraction(2, 3)],
    }
    for score, expected in per_class.items():
        assert [fraction(value) for value in score(confusion)] == expected


def test_first_worked_example_with_void_scored_as_background():
    labels = np.where(LABELS == 255, 0, LABELS)
    confusion = metrics.confusion_matrix(labels, PREDICTIONS, 3)
    assert fraction(metrics.mean_iou(confusion)) == Fraction(161, 270)


def test_second_worked_example_is_exact():
    # A: the left 5 of 10 columns are class 1, the prediction misses one of them.
    # B: 2 of 100 pixels are class 1, the prediction finds none.
    labels = np.zeros((2, 10, 10), dtype=np.uint8)
    predictions = np.zeros_like(labels)
    labels[0, :, :5] = 1
    predictions[0, :, :4] = 1
    labels[1, 0, :2] = 1

    dataset = metrics.confusion_matrix(labels, predictions, 2)
    images = [
        metrics.confusion_matrix(truth, prediction, 2)
        for truth, prediction in zip(labels, predictions, strict=True)
    ]

    assert [fraction(value) for value in metrics.iou(dataset)] == [
        Fraction(37, 40),
        Fraction(10, 13),
    ]
    # The mean has the denominator 1040.
    assert fraction(metrics.mean_iou(dataset)) == Fraction(881, 1040)
    image_mean = np.mean([metrics.mean_iou(confusion) for confusion in images])
    assert fraction(image_mean) == Fraction(49, 75)


@pytest.mark.parametrize("share, classes", [(0.75, 21), (0.8, 4), (0.5, 2)])
def test_all_background_baseline(share, classes):
    # All background: accuracy p, mIoU p / C if each class occurs, weighted IoU p ** 2.
    confusion = np.zeros((classes, classes))
    confusion[0, 0] = share
    confusion[1:, 0] = (1 - share) / (classes - 1)
    assert metrics.pixel_accuracy(confusion) == pytest.approx(share)
    assert metrics.mean_iou(confusion) == pytest.approx(share / classes)
    assert metrics.frequency_weighted_iou(confusion) == pytest.approx(share**2)


@pytest.mark.parametrize("seed", range(60))
def test_counts_equal_a_double_loop(seed):
    labels, predictions, num_classes = random_maps(seed)
    confusion = metrics.confusion_matrix(labels, predictions, num_classes)
    expected = count_by_hand(labels, predictions, num_classes, 255)
    np.testing.assert_array_equal(confusion, expected)
    assert confusion.dtype == np.int64


@pytest.mark.parametrize("seed", range(20))
def test_iou_agrees_with_scikit_learn(seed):
    labels, predictions, num_classes = random_maps(seed)
    labels.flat[0] = 0  # scikit-learn wants at least one valid pixel
    confusion = metrics.confusion_matrix(labels, predictions, num_classes)
    valid = labels != 255
    seen = np.union1d(labels[valid], predictions[valid])

    expected = jaccard_score(
        labels[valid], predictions[valid], labels=seen, average=None, zero_division=0
    )

    np.testing.assert_allclose(metrics.iou(confusion)[seen], expected)
    assert np.isnan(np.delete(metrics.iou(confusion), seen)).all()
    assert metrics.mean_iou(confusion) == pytest.approx(expected.mean())
    weighted = jaccard_score(labels[valid], predictions[valid], average="weighted")
    assert metrics.frequency_weighted_iou(confusion) == pytest.approx(weighted)


@pytest.mark.parametrize("num_classes", [3, 5])
def test_agrees_with_keras(num_classes):
    metric = keras.metrics.MeanIoU(num_classes, ignore_class=255)
    metric.update_state(LABELS, PREDICTIONS)
    confusion = metrics.confusion_matrix(LABELS, PREDICTIONS, num_classes)
    np.testing.assert_array_equal(confusion, np.asarray(metric.total_cm))
    assert metrics.mean_iou(confusion) == pytest.approx(float(metric.result()))


@pytest.mark.parametrize("seed", range(10))
def test_dice_and_iou_imply_each_other(seed):
    confusion = metrics.confusion_matrix(*random_maps(seed))
    scores = metrics.iou(confusion)
    np.testing.assert_allclose(metrics.dice(confusion), 2 * scores / (1 + scores))


def test_matrices_of_batches_add_up():
    labels, predictions = bench.draw_maps(count=3, height=40, width=50)
    whole = metrics.confusion_matrix(labels, predictions, 21)
    parts = [metrics.confusion_matrix(labels[i], predictions[i], 21) for i in range(3)]
    np.testing.assert_array_equal(sum(parts), whole)


def test_layout_and_type_do_not_matter():
    labels, predictions = bench.draw_maps(count=2, height=30, width=41)
    expected = metrics.confusion_matrix(labels, predictions, 21)
    frozen = labels.copy()
    frozen.flags.writeable = False
    for truth, prediction in [
        (np.asfortranarray(labels), predictions),
        (labels.repeat(2, axis=2)[:, :, ::2], predictions),
        (labels[:, ::-1], predictions[:, ::-1]),
        (labels.astype(np.int64), predictions.astype(np.int32)),
        (frozen, predictions),
        (labels.tolist(), predictions.tolist()),
    ]:
        confusion = metrics.confusion_matrix(truth, prediction, 21)
        np.testing.assert_array_equal(confusion, expected)


def test_longer_than_float32_can_count():
    # 2**24 + 5 equal pixels: a float32 count would stop at 2**24.
    size = 2**24 + 5
    labels = np.full(size, 20, dtype=np.uint8)
    confusion = metrics.confusion_matrix(labels, labels, 21)
    assert confusion[20, 20] == size == confusion.sum()


@pytest.mark.parametrize("shape", [(0,), (0, 128, 128), (4, 0, 3)])
def test_no_pixel_gives_zeros(shape):
    empty = np.zeros(shape, dtype=np.uint8)
    confusion = metrics.confusion_matrix(empty, empty, 4)
    np.testing.assert_array_equal(confusion, np.zeros((4, 4)))


@pytest.mark.parametrize("score", SCORES)
def test_only_void_gives_nan_without_a_warning(score):
    labels = np.full((3, 3), 255, dtype=np.uint8)
    confusion = metrics.confusion_matrix(labels, np.zeros_like(labels), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(score(confusion)).all()


def test_absent_classes():
    # Class 2 is only predicted, class 3 is nowhere.
    confusion = np.array([[3, 0, 1, 0], [0, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(metrics.iou(confusion), [0.75, 1, 0, np.nan])
    np.testing.assert_array_equal(metrics.dice(confusion), [6 / 7, 1, 0, np.nan])
    accuracies = metrics.class_accuracy(confusion)
    np.testing.assert_array_equal(accuracies, [0.75, 1, np.nan, np.nan])
    assert metrics.mean_accuracy(confusion) == 0.875
    assert metrics.mean_iou(confusion) == pytest.approx(1.75 / 3)
    # (4 * 0.75 + 4 * 1) / 8
    assert metrics.frequency_weighted_iou(confusion) == 0.875


def test_predictions_at_void_are_not_scored():
    labels = np.array([0, 255, 255, 1])
    predictions = np.array([0, 7, 255, 1])
    confusion = metrics.confusion_matrix(labels, predictions, 2)
    np.testing.assert_array_equal(confusion, np.eye(2))


def test_void_may_be_another_number():
    labels = np.array([0, 0, 1, 9])
    predictions = np.array([1, 0, 1, 0])
    nine = metrics.confusion_matrix(labels, predictions, 2, void=9)
    np.testing.assert_array_equal(nine, [[1, 1], [0, 1]])
    zero = metrics.confusion_matrix(labels[:3], predictions[:3], 2, void=0)
    np.testing.assert_array_equal(zero, [[0, 0], [0, 1]])


@pytest.mark.parametrize(
    "labels, predictions, num_classes, message",
    [
        ([0, 3], [0, 1], 3, "labels must be classes from 0 to 2 .* got 3:"),
        ([0, 1], [0, 3], 3, "predictions must be classes from 0 to 2 .* got 3:"),
        ([0, 1], [0, 255], 3, "predictions must be classes .* got 255:"),
        ([0, -1], [0, 1], 3, "labels must lie between 0 and 255, got -1:"),
        ([0, 1], [0, 256], 3, "predictions must lie between 0 and 255, got 256:"),
        ([0.0, 1.0], [0, 1], 3, "labels must hold whole numbers, got float64:"),
        ([0, 1], [0.2, 1.0], 3, "predictions must hold whole numbers, got float64:"),
        ([0, 1], [[0, 1]], 3, r"same shape, got \(2,\) and \(1, 2\):"),
        ([0, 1], [0, 1], 0, "num_classes must be an integer from 1 to 255, got 0:"),
        ([0, 1], [0, 1], 256, "num_classes must be an integer .* got 256:"),
        ([0, 1], [0, 1], 2.0, "num_classes must be an integer .* got 2.0:"),
    ],
)
def test_bad_maps_are_named(labels, predictions, num_classes, message):
    with pytest.raises(ValueError, match=message) as error:
        metrics.confusion_matrix(labels, predictions, num_classes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("score", SCORES)
def test_scores_want_a_square_matrix(score):
    with pytest.raises(ValueError, match=r"shape \(C, C\), got \(2, 3\):"):
        score(np.ones((2, 3)))


def test_faster_than_keras_and_numpy():
    maps = bench.draw_maps()
    for way in (bench.bincount, bench.keras_mean_iou):
        np.testing.assert_array_equal(way(*maps), bench.fcnlib(*maps))
    for _ in range(4):  # a busy machine gets three more tries
        times = bench.confusion_times()
        floors = {bench.keras_mean_iou: 30, bench.bincount: 3}
        ratios = {way: times[way] / times[bench.fcnlib] for way in floors}
        if all(ratios[way] >= floor for way, floor in floors.items()):
            return
    pytest.fail(f"too slow: {ratios}")
