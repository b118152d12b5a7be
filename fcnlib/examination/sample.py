"""A bounded sample of a run, in one form whatever the pipeline and the model give."""

import itertools
import math
import warnings

import keras
import numpy as np
import tensorflow as tf

from fcnlib.datasets import VOID
from fcnlib.examination.network import activations

# So much of the data is looked at.
MOST_IMAGES = 64
MOST_PIXELS = 2**19


class Run:
    """A model, the first of its batches, and what the model makes of them.

    Args:
        model, batches, history, reported: See `fcnlib.examination.examine`.

    Attributes:
        images: List of batches as they come, (N, H, W, channels).
        outputs: List of what the model gives for them, (N, H, W, C) float32.
        values: List of the labels as one number a pixel, (N, H, W), as they come.
        labels: List of the same as int64 classes, and void for all that is no class,
            that the loss ignores or that has a sample weight of 0.
        stray: List of Boolean maps of labels that are no class and yet not left out.
        num_classes: Integer.
        probabilities: Whether the outputs are probabilities.
        confusion: (C, C) int64 of the sample.
        image_losses: Mean cross-entropy of each image, nan where all is void.
        cross_entropy: Their mean.
        shares: Share of each class in the labels.
        entropy: Cross-entropy of the best constant prediction.
        history, losses, reported: Arrays by name, those of "loss", scores by name.
        found: Set of the diseases named so far.

    Raises:
        ValueError: If there is no batch, or if images, model and labels do not fit
            together.

    Example:
        >>> model = keras.Sequential([keras.layers.Conv2D(2, 1)])
        >>> batch = np.zeros((4, 8, 8, 3)), np.full((4, 8, 8, 1), 255)
        >>> run = Run(model, [batch, batch])
        >>> run.outputs[0].shape, run.labels[0].shape, bool(run.stray[0].all())
        ((4, 8, 8, 2), (4, 8, 8), True)
    """

    def __init__(self, model, batches, history=None, reported=None):
        history = getattr(history, "history", history) or {}
        self.history = {key: np.array(history[key], "float64") for key in history}
        self.losses = self.history.get("loss", np.zeros(0))
        self.reported = reported or {}
        self.found = set()
        self.model = model
        self.is_compiled = bool(getattr(model, "compiled", False) and model.loss)
        self.images, self.raw_labels, self.weights = _sample(batches)
        self.outputs = [self.call(images) for images in self.images]
        self.channels = self.outputs[0].shape[-1]
        self.num_classes = max(2, self.channels)  # one channel tells two classes apart
        self.probabilities = self._are_probabilities()
        self._read_labels()
        self.cross_entropy, self.image_losses, self.confusion = self.fit(self.outputs)
        counts = self.confusion.sum(axis=1)
        self.shares = counts / max(1, counts.sum())
        self.entropy = -sum(share * math.log(share) for share in self.shares if share)

    def call(self, images):
        """Return what the model gives for a batch, (N, H, W, C) float32."""
        try:
            outputs = self.model(images, training=False)
        except Exception as error:
            raise ValueError(
                f"expected a model for images of {images.shape}, {images.dtype}, but "
                f"it fails ({str(error).strip().splitlines()[0]}): give what it trains "
                "on"
            ) from error
        shape = tuple(getattr(outputs, "shape", ()))
        if len(shape) != 4:
            raise ValueError(
                f"expected one output (N, H, W, C), but got {shape or type(outputs)}: "
                "give a model that scores each pixel"
            )
        return keras.ops.convert_to_numpy(outputs).astype("float32")

    def _are_probabilities(self):
        """Whether the outputs lie in 0..1 and, if they are several, sum to 1."""
        if not all(out.min() >= 0 and out.max() <= 1.001 for out in self.outputs):
            return False
        if self.channels == 1:  # logits may lie there by chance
            return "sigmoid" in activations(self.model)
        return all(np.allclose(out.sum(axis=-1), 1, atol=0.01) for out in self.outputs)

    def _read_labels(self):
        """Tell classes from void and from values that are neither."""
        ignored = getattr(self.model.loss, "ignore_class", None)
        self.values, self.labels, self.stray = [], [], []
        for raw, weights, outputs in zip(
            self.raw_labels, self.weights, self.outputs, strict=True
        ):
            values = _one_number_a_pixel(raw, outputs)
            left_out = values == (ignored if self.is_compiled else None)
            if weights is not None and weights.size == values.size:
                left_out |= weights.reshape(values.shape) == 0
            classes = (values >= 0) & (values < self.num_classes) & (values % 1 == 0)
            labels = np.where(classes & ~left_out, values, VOID).astype("int64")
            self.values.append(values)
            self.labels.append(labels)
            self.stray.append(~classes & ~left_out)

    def fit(self, outputs):
        """Return the cross-entropy, that of each image, and the confusion."""
        losses, confusion = [], np.zeros(self.num_classes**2, "int64")
        for image, labels in zip(
            itertools.chain(*outputs), itertools.chain(*self.labels), strict=True
        ):
            truth = labels[labels != VOID]
            logs = self._log_probabilities(image[labels != VOID].astype("float64"))
            losses.append(_average(-logs[np.arange(truth.size), truth]))
            pairs = truth * self.num_classes + logs.argmax(axis=-1)
            confusion += np.bincount(pairs, minlength=confusion.size)
        losses, confusion = np.array(losses), confusion.reshape(self.num_classes, -1)
        return _average(losses), losses, confusion

    def _log_probabilities(self, outputs):
        """Return the logarithms of the probabilities, whatever the model gives."""
        if self.channels == 1:
            rest = 1 - outputs if self.probabilities else 0 * outputs
            outputs = np.concatenate([rest, outputs], axis=-1)
        if self.probabilities:
            return np.log(np.clip(outputs, 1e-7, 1))
        outputs = outputs - outputs.max(axis=-1, keepdims=True)
        return outputs - np.log(np.exp(outputs).sum(axis=-1, keepdims=True))

    @property
    def fits(self):
        """Whether the model fits the labels better than any constant prediction."""
        return self.cross_entropy < max(0.9 * self.entropy, 0.05)

    def batch_loss(self, outputs, index=0):
        """Return the model's own loss of a batch, if it had given these outputs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.model.compute_loss(
                x=self.images[index],
                y=tf.convert_to_tensor(self.raw_labels[index]),
                y_pred=tf.convert_to_tensor(outputs),
                sample_weight=self.weights[index],
            )

    def loss_of(self, outputs, index=0):
        """Return the same as a number, nan where it cannot be computed."""
        try:
            return float(self.batch_loss(outputs.astype("float32"), index))
        except Exception:  # a loss may be anyone's and fail in its own way
            return math.nan

    @property
    def start(self):
        """The model's own loss if all classes are equally likely, nan if not known."""
        likely = 1 / self.num_classes if self.probabilities else 0
        return self.loss_of(np.full_like(self.outputs[0], likely))


def _average(numbers):
    """Return the mean of the numbers that are finite, nan if there are none."""
    finite = numbers[np.isfinite(numbers)]
    return float(finite.mean()) if finite.size else math.nan


def _sample(batches):
    """Return the images, labels and sample weights of the first batches."""
    images, labels, weights = [], [], []
    count = pixels = 0
    for batch in _iterate(batches):
        image, label, weight = _parts(batch)
        area = image.shape[1] * image.shape[2]
        most = max(1, min(MOST_IMAGES - count, (MOST_PIXELS - pixels) // area))
        images.append(image[:most])
        labels.append(label[:most])
        weights.append(weight if weight is None else weight[:most])
        count, pixels = count + len(images[-1]), pixels + len(images[-1]) * area
        if count >= MOST_IMAGES or pixels >= MOST_PIXELS:
            break
    if not images:
        raise ValueError("expected at least one batch, but got none: give images")
    return images, labels, weights


def _iterate(batches):
    """Go through batches, whatever holds them."""
    if isinstance(batches, tuple) and hasattr(batches[0], "shape"):
        return [batches]  # one batch alone
    if isinstance(batches, keras.utils.PyDataset):
        count = batches.num_batches
        places = itertools.count() if count is None else range(count)
        return map(batches.__getitem__, places)
    return batches


def _parts(batch):
    """Return a batch's images, labels and sample weights or `None`, as arrays."""
    if not isinstance(batch, (tuple, list)) or not 2 <= len(batch) <= 3:
        raise ValueError(
            "expected batches of (images, labels) or (images, labels, weights), "
            f"but got a {type(batch).__name__}: give them in pairs"
        )
    parts = [None if part is None else np.asarray(part) for part in batch]
    images, labels, weights = (*parts, None)[:3]
    if images.ndim != 4 or labels.shape[:1] != images.shape[:1] or not images.size:
        raise ValueError(
            "expected images (N, H, W, channels) and as many labels, but got "
            f"{images.shape} and {labels.shape}: batch the data"
        )
    return images, labels, weights


def _one_number_a_pixel(labels, outputs):
    """Return the labels of a batch as (N, H, W)."""
    values = labels * 1  # no bool
    if labels.ndim == 4 and labels.shape[-1] == 1:
        values = values[..., 0]
    elif labels.shape == outputs.shape:
        values = np.where(labels.any(axis=-1), labels.argmax(axis=-1), VOID)
    if values.shape != outputs.shape[:3]:
        raise ValueError(
            "expected labels (N, H, W), (N, H, W, 1) or one-hot (N, H, W, C) for "
            f"outputs of {outputs.shape}, but got {labels.shape}: bring the labels to "
            "the size of the outputs, by nearest neighbor"
        )
    return values
