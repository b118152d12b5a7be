"""Train and evaluate networks: one recipe for the lessons and the command line."""

import keras
import numpy as np

from fcnlib import datasets, metrics, models
from fcnlib.examination import examine  # noqa: F401, found here by those who train

LEARNING_RATE = 2e-3
SIZE = (128, 128)
BATCH_SIZE = 16


def fit(
    model,
    dataset,
    epochs,
    learning_rate=LEARNING_RATE,
    validation=None,
    callbacks=(),
    verbose=1,
):
    """Train a network by the course's one recipe and show its progress.

    The loss is the cross-entropy of the logits, averaged over the pixels that are not
    void. AdamW follows it with a learning rate that rises over the first tenth of the
    steps and then falls to zero along a cosine.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        dataset: `tf.data.Dataset` of images, (N, H, W, 3) uint8, and labels,
            (N, H, W) uint8, of known length. A third part, (N, H, W) float, weighs the
            pixels.
        epochs: Integer, how often to go through it.
        learning_rate: Float, the highest one.
        validation: Data set of the same kind, scored after each epoch, or `None`.
        callbacks: List of Keras callbacks.
        verbose: 1 shows progress, 0 does not.

    Returns:
        Keras history, with the mean loss of each epoch; with a validation data set
        also with "mean_iou", "val_loss" and "val_mean_iou".

    Raises:
        ValueError: If the data set is empty or its length is not known.

    Example:
        >>> from fcnlib import datasets, models
        >>> scenes = datasets.pasture_batches(range(4), [(32, 32)], batch_size=2)
        >>> history = fit(models.fcn8s(num_classes=5), scenes, epochs=1, verbose=0)
        >>> list(history.history)
        ['loss']
    """
    steps = int(dataset.cardinality()) * epochs
    if steps <= 0:
        raise ValueError(
            "expected a dataset of known length with at least one batch, but it has "
            f"{int(dataset.cardinality())}: use datasets.batches, or assert_cardinality"
        )
    warmup = steps // 10
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(
            schedule, weight_decay=1e-4, global_clipnorm=1.0
        ),
        loss=void_loss(),
        metrics=None if validation is None else [_mean_iou_metric(model)],
        jit_compile=False,  # it would compile again for every size of image
    )
    # Variables made in the first step would have that step traced twice.
    model.optimizer.build(model.trainable_variables)
    return model.fit(
        dataset,
        epochs=epochs,
        validation_data=validation,
        callbacks=list(callbacks),
        verbose=verbose,
        shuffle=False,
    )


def _mean_iou_metric(model):
    """Return Keras's mean IoU, which reads the logits and leaves void out."""
    return keras.metrics.MeanIoU(
        model.output_shape[-1],
        name="mean_iou",
        ignore_class=datasets.VOID,
        sparse_y_pred=False,
    )


def void_loss():
    """Return the loss: cross-entropy of logits, a mean over the pixels not void.

    Returns:
        Keras loss of labels (N, H, W) and logits (N, H, W, C).

    Example:
        >>> import numpy as np
        >>> labels = np.array([[[0, 255]]], "uint8")  # the second pixel is void
        >>> logits = np.zeros((1, 1, 2, 4), "float32")
        >>> round(float(void_loss()(labels, logits)), 4)  # ln 4
        1.3863
    """
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=datasets.VOID
    )


def evaluate(model, dataset):
    """Count a network's pixels over a whole data set in one confusion matrix.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        dataset: Iterable of images, (N, H, W, 3) uint8, and labels, (N, H, W) uint8.

    Returns:
        Confusion, (C, C) int64, rows truth, columns prediction; void is not counted.

    Example:
        >>> from fcnlib import datasets, models
        >>> scenes = datasets.pasture_batches(range(2), [(32, 32)], batch_size=2)
        >>> evaluate(models.fcn8s(num_classes=5), scenes).shape
        (5, 5)
    """
    num_classes = model.output_shape[-1]
    confusion = np.zeros((num_classes, num_classes), "int64")
    for images, labels in dataset:
        predictions = models.predict_labels(model, images.numpy())
        confusion += metrics.confusion_matrix(labels.numpy(), predictions, num_classes)
    return confusion


def evaluate_pictures(model, pairs, working_size):
    """Count a network's pixels over pictures, each labeled at its own size.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        pairs: List of (image, labels), (H, W, 3) and (H, W) uint8, of any sizes.
        working_size: (height, width) that the network sees, see
            `models.predict_picture`.

    Returns:
        Confusion, (C, C) int64, rows truth, columns prediction; void is not counted.

    Example:
        >>> from fcnlib import models, pasture
        >>> pairs = [pasture.draw_scene(0, 40, 60), pasture.draw_scene(1, 60, 40)]
        >>> evaluate_pictures(models.fcn8s(5), pairs, (32, 32)).shape
        (5, 5)
    """
    return sum(
        metrics.confusion_matrix(
            labels,
            models.predict_picture(model, image, working_size),
            model.output_shape[-1],
        )
        for image, labels in pairs
    )


def scores(confusion, classes):
    """Return every score of one confusion matrix by its name, to four decimals.

    Args:
        confusion: (C, C) array, rows truth, columns prediction.
        classes: Sequence of C names.

    Returns:
        Dictionary with "mean_iou", "iou" of each class by its name, "pixel_accuracy",
        "mean_accuracy" and "frequency_weighted_iou".

    Example:
        >>> scores(np.diag([3, 1]), ("grass", "horse"))["iou"]
        {'grass': 1.0, 'horse': 1.0}
    """
    by_class = zip(classes, metrics.iou(confusion), strict=True)
    whole = (
        metrics.pixel_accuracy,
        metrics.mean_accuracy,
        metrics.frequency_weighted_iou,
    )
    return {
        "mean_iou": round(float(metrics.mean_iou(confusion)), 4),
        "iou": {name: round(float(score), 4) for name, score in by_class},
        **{score.__name__: round(float(score(confusion)), 4) for score in whole},
    }


def unseen_scenes(size=SIZE):
    """Return the scenes of the test split in batches, drawn once and kept.

    Args:
        size: (height, width) of the scenes.

    Returns:
        `tf.data.Dataset` of images, (N, H, W, 3) uint8, and labels, (N, H, W) uint8.

    Example:
        >>> images, labels = next(iter(unseen_scenes((32, 48))))
        >>> tuple(images.shape), tuple(labels.shape)
        ((16, 32, 48, 3), (16, 32, 48))
    """
    seeds = datasets.PASTURE_SPLITS["test"]
    return datasets.pasture_batches(seeds, [size], BATCH_SIZE).cache()
