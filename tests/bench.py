"""The benchmarks, as ratios of times measured in one run: python tests/bench.py."""

import time

import cv2
import numpy as np

from fcnlib import metrics

CLASSES = 21
VOID = 255


def blobs(rng, height, width):
    """Draw a label map of smooth areas, as segmentations are."""
    heights = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 12)
    limits = np.quantile(heights, np.linspace(0, 1, CLASSES + 1)[1:-1])
    return np.digitize(heights, limits).astype(np.uint8)


def draw_maps(count=8, height=512, width=512):
    """Draw labels with some void, and predictions that are shifted by a few rows."""
    rng = np.random.default_rng(0)
    truth = np.stack([blobs(rng, height, width) for _ in range(count)])
    predictions = np.roll(truth, 5, axis=1)
    labels = np.where(rng.random(truth.shape) < 0.05, np.uint8(VOID), truth)
    return labels, predictions


def bincount(labels, predictions):
    """Count by the masked NumPy idiom."""
    valid = labels < CLASSES
    pairs = CLASSES * labels[valid].astype(np.int64) + predictions[valid]
    return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def keras_mean_iou(labels, predictions):
    """Count by Keras's metric."""
    import keras

    metric = keras.metrics.MeanIoU(CLASSES, ignore_class=VOID)
    metric.update_state(labels, predictions)
    return np.asarray(metric.total_cm)


def fcnlib(labels, predictions):
    """Count by this package."""
    return metrics.confusion_matrix(labels, predictions, CLASSES, VOID)


def best_times(ways, repeats, *arguments):
    """Run the ways in turn and return the best time of each, in milliseconds."""
    best = dict.fromkeys(ways, np.inf)
    for _ in range(repeats):
        for way in ways:
            start = time.perf_counter()
            way(*arguments)
            best[way] = min(best[way], 1000 * (time.perf_counter() - start))
    return best


def confusion_times(repeats=7):
    """Time three ways to the confusion matrix of 8 x 512 x 512 pixels."""
    return best_times([fcnlib, bincount, keras_mean_iou], repeats, *draw_maps())


def main():
    """Print every benchmark."""
    times = confusion_times()
    print(f"confusion matrix of 8 x 512 x 512 pixels, {CLASSES} classes")
    for way, milliseconds in times.items():
        ratio = milliseconds / times[fcnlib]
        print(f"  {way.__name__:<15} {milliseconds:8.2f} ms   x {ratio:.1f}")


if __name__ == "__main__":
    main()
