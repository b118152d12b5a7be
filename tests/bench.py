"""The benchmarks, as ratios of times measured in one run: python tests/bench.py."""

import time

import cv2
import keras
import numpy as np

from fcnlib import datasets, metrics, models, pasture, training

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


class Stopwatch(keras.callbacks.Callback):
    """Keeps the best time and the least processor time of an epoch after the first."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.best = np.inf, np.inf
            return
        ended = time.perf_counter(), time.process_time()
        passed = np.subtract(ended, self.started)
        self.best = tuple(np.minimum(self.best, passed))


def one_cached_batch(pairs, size, batch_size):
    """Repeat one batch, which costs nothing but to be handed over."""
    steps = -(-len(pairs) // batch_size)
    return datasets.batches(pairs, size, batch_size).take(1).cache().repeat(steps)


def augmented_batches(pairs, size, batch_size):
    """Read, shrink, move and color each pair anew."""
    return datasets.batches(pairs, size, batch_size, augment=True)


def step_times(size, batch_size, steps=24, epochs=4, repeats=2):
    """Time a training step of the course's FCN-8s, in milliseconds, by both inputs."""
    # About as large as the label maps of the horses.
    pairs = [pasture.draw_scene(seed, 210, 260) for seed in range(steps * batch_size)]
    best = {one_cached_batch: (np.inf, np.inf), augmented_batches: (np.inf, np.inf)}
    for _ in range(repeats):
        for way in best:
            stopwatch = Stopwatch()
            network = models.fcn8s(num_classes=5)
            dataset = way(pairs, size, batch_size)
            training.fit(network, dataset, epochs, callbacks=[stopwatch], verbose=0)
            best[way] = tuple(np.minimum(best[way], stopwatch.best))
    return {way: 1000 * np.array(times) / steps for way, times in best.items()}


def photograph_times():
    """Time the segmentation of 400 x 300 pixels among pictures of other sizes."""
    network = models.load_pretrained("horses-fcn8s")
    working_size = models.read_card("horses-fcn8s")["working_size"]
    times = []
    for width in (400, 523, 311, 640, 400):
        image = pasture.draw_scene(0, 300, width)[0]
        start = time.perf_counter()
        models.predict_picture(network, image, working_size)
        times.append(1000 * (time.perf_counter() - start))
    return times


def main():
    """Print every benchmark."""
    times = confusion_times()
    print(f"confusion matrix of 8 x 512 x 512 pixels, {CLASSES} classes")
    for way, milliseconds in times.items():
        ratio = milliseconds / times[fcnlib]
        print(f"  {way.__name__:<17} {milliseconds:8.2f} ms   x {ratio:.2f}")
    first, *_, last = photograph_times()
    print("horses-fcn8s, a picture of 400 x 300 pixels")
    print(f"  the first time    {first:8.2f} ms")
    print(f"  after other sizes {last:8.2f} ms")
    for size, batch_size in (((160, 160), 8), (training.SIZE, training.BATCH_SIZE)):
        times = step_times(size, batch_size)
        print(f"training step of FCN-8s, {batch_size} x {size[0]} x {size[1]} pixels")
        for way, (milliseconds, processor) in times.items():
            ratio = milliseconds / times[one_cached_batch][0]
            print(
                f"  {way.__name__:<17} {milliseconds:8.2f} ms   x {ratio:.2f}"
                f"   ({processor:.0f} ms of processor time)"
            )


if __name__ == "__main__":
    main()
