"""Examine the images: their colors, and whether the labels lie on them."""

import functools
import math

import cv2
import numpy as np

from fcnlib import metrics
from fcnlib.datasets import VOID
from fcnlib.examination import network
from fcnlib.examination.report import Finding, Unknown

# How colors are commonly prepared, from RGB 0..255: (colors - shift) / scale, after the
# channels were put in an order.
MEANS = np.array([123.675, 116.28, 103.53], "float32")
DEVIATIONS = np.array([58.395, 57.12, 57.375], "float32")
PREPARATIONS = {
    "divided by 255": (1, 0, 255),
    "brought to -1..1": (1, 127.5, 127.5),
    "turned to BGR less ImageNet's means": (-1, MEANS[::-1], 1),
    "standardized by ImageNet's means": (1, MEANS, DEVIATIONS),
}
SWAP = "red and blue swapped"
MIRRORS = {"left to right": 1, "upside down": 0, "by half a turn": (0, 1)}


def examine(run):
    """Look for colors prepared twice or swapped, and for flipped labels.

    Args:
        run: `Run`.

    Yields:
        `Finding`, `Unknown` or `None` of each.

    Example:
        >>> import keras
        >>> from fcnlib.examination.sample import Run
        >>> model = keras.Sequential([keras.layers.Conv2D(2, 1)])
        >>> [answer.name for answer in examine(Run(model, [(np.zeros((1, 4, 4, 3)),
        ...     np.zeros((1, 4, 4)))])) if answer]
        ['preprocessing twice', 'red and blue swapped', 'flipped labels']
    """
    best, better = _trial_cure(run)
    yield _preprocessing_twice(run, best, better)
    yield _red_and_blue_swapped(run, best, better)
    yield _flipped_labels(run)


def _trial_cure(run):
    """Return the change of colors that lets the model fit better, and a sentence."""
    if run.images[0].shape[-1] != 3:
        return None, ""
    changes = {SWAP: lambda images: images[..., ::-1]}
    if not _are_raw(run.images):
        for name in PREPARATIONS:
            changes[name] = functools.partial(_undo, name)
    fits = {
        name: run.fit([run.call(change(batch)) for batch in run.images])
        for name, change in changes.items()
    }
    best = min(fits, key=lambda name: np.nan_to_num(fits[name][0], nan=9e9))
    loss, losses, confusion = fits[best]
    gains = losses < run.image_losses
    before, after = metrics.mean_iou(run.confusion), metrics.mean_iou(confusion)
    if not loss < 0.9 * min(run.entropy, run.cross_entropy):
        return None, ""
    if gains.sum() < max(3, 0.65 * gains.size) or after < before + 0.01:
        return None, ""
    return best, (
        f"fits the labels better: mean IoU {after:.3g} instead of {before:.3g}, "
        f"cross-entropy {loss:.3g} instead of {run.cross_entropy:.3g}."
    )


def _preprocessing_twice(run, best, better):
    """Look for images that were prepared before a model that prepares them itself."""
    disease = "preprocessing twice"
    low, high = _range(run.images)
    if not math.isfinite(high - low) or high == low:
        return Unknown(disease, "The images are blank or hold nan: examine others.")
    if _are_raw(run.images):
        return None
    twice = _prepared_twice(run.images)
    lies = f"The images lie between {low:.4g} and {high:.4g}"
    if twice:
        return Finding(disease, f"{lies}, as if they had been {twice}.")
    entered, _ = network.watch(run.model, run.images[0])
    scale, shift = _color_map(run.images[0], entered)
    if 0 < scale < 0.05 or (0.9 < scale < 1.1 and shift < -50):
        return Finding(
            disease,
            f"{lies}, so they come prepared, and the model's first layers prepare them "
            f"again: from {entered.min():.4g} to {entered.max():.4g}.",
        )
    if best in PREPARATIONS:
        return Finding(disease, f"If images were not {best}, the model {better}")
    if not scale:
        return Unknown(disease, "What the first layers make of the colors is hidden.")
    return None


def _range(images):
    """Return the lowest and the highest value of the images."""
    return min(batch.min() for batch in images), max(batch.max() for batch in images)


def _are_raw(images):
    """Whether images look like colors from 0 to 255 as they were read."""
    low, high = _range(images)
    return images[0].dtype.kind in "iu" or (low >= -0.5 and high > 10)


def _undo(preparation, images):
    """Return the images of a batch as they were before a preparation."""
    order, shift, scale = PREPARATIONS[preparation]
    return (images * scale + shift)[..., ::order].astype("float32")


def _prepared_twice(images):
    """Name the two preparations that explain images, where none does alone."""
    if images[0].shape[-1] != 3:
        return None
    once = {name: [_undo(name, batch) for batch in images] for name in PREPARATIONS}
    if any(_span_colors(undone) for undone in once.values()):
        return None
    for second, undone in once.items():
        for first in PREPARATIONS:
            if _span_colors([_undo(first, batch) for batch in undone]):
                return f"{first} and then {second}"
    return None


def _span_colors(images):
    """Whether images lie within 0..255 and take up a good part of it."""
    low, high = _range(images)
    return low >= -1 and high <= 256 and high - low >= 48


def _color_map(images, entered):
    """Return scale and shift of what the first layers make of the colors, or 0, 0."""
    if entered is None or entered.ndim != 4 or entered.shape[-1] != images.shape[-1]:
        return 0, 0
    scale = np.mean(entered.std(axis=(0, 1, 2))) / np.mean(images.std(axis=(0, 1, 2)))
    return scale, entered.mean() - scale * images.mean()


def _red_and_blue_swapped(run, best, better):
    """Judge the trial with red and blue exchanged."""
    if best == SWAP:
        return Finding(SWAP, f"With red and blue exchanged, the model {better}")
    if best is None and not run.fits:
        return Unknown(
            SWAP,
            f"The model's cross-entropy here, {run.cross_entropy:.3g}, is not clearly "
            f"below that of a constant prediction, {run.entropy:.3g}: a model that has "
            "learned would tell.",
        )
    return None


def _flipped_labels(run):
    """Look for label maps that fit their images better once they are mirrored."""
    votes = [
        _vote(image, labels)
        for images, maps in zip(run.images, run.labels, strict=True)
        for image, labels in zip(images, maps, strict=True)
    ]
    straight = votes.count("as it is")
    mirrored = {name: votes.count(name) for name in MIRRORS}
    count, decided = sum(mirrored.values()), straight + sum(mirrored.values())
    if count >= max(3, 0.1 * decided):
        return Finding(
            "flipped labels",
            f"In {count} of {len(votes)} pairs the borders of the label map lie on the "
            "edges of the image once the map is turned "
            f"{max(mirrored, key=mirrored.get)}; in {straight} they do as it is.",
        )
    if straight < 3:
        return Unknown(
            "flipped labels",
            f"The edges of the images decide in {decided} of {len(votes)} pairs only: "
            "images with clear borders and no symmetry would tell.",
        )
    return None


def _vote(image, labels):
    """Return how a label map lies on the edges of its image, `None` if not clear."""
    edges = _changes(np.nan_to_num(image.astype("float32")))
    edges = np.minimum(edges, np.quantile(edges, 0.95))  # without extremes
    edges = cv2.GaussianBlur(edges, (0, 0), 1)  # borders may lie a pixel beside them
    labels = _without_void(labels)
    if not edges.std() > 0 or (labels == labels[0, 0]).all():
        return None
    turned = {name: np.flip(labels, axes) for name, axes in MIRRORS.items()}
    turned["as it is"] = labels
    scores = {
        name: _agreement(edges, _changes(one[..., None]) > 0)
        for name, one in turned.items()
    }
    straight, best = scores["as it is"], max(scores, key=scores.get)
    mirrored = max(score for name, score in scores.items() if name in MIRRORS)
    clear = max(straight, mirrored) > 3 and abs(straight - mirrored) > 2
    return best if clear else None


def _without_void(labels):
    """Return a label map with the nearest class at each void pixel."""
    void = (labels == VOID).astype("uint8")
    if not void.any() or void.all():
        return labels
    _, nearest = cv2.distanceTransformWithLabels(
        void, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    classes = np.zeros(nearest.max() + 1, labels.dtype)
    classes[nearest[void == 0]] = labels[void == 0]
    return classes[nearest]


def _changes(pixels):
    """Return how much each pixel of an array (H, W, channels) differs from the next."""
    down = np.abs(np.diff(pixels, axis=0, append=pixels[-1:]))
    across = np.abs(np.diff(pixels, axis=1, append=pixels[:, -1:]))
    return (down + across).sum(axis=-1)


def _agreement(edges, borders):
    """Return how far edges on borders stand out among all shifts, in deviations."""
    spectrum = np.fft.rfft2(edges) * np.conj(np.fft.rfft2(borders))
    shifted = np.fft.irfft2(spectrum, edges.shape)
    return (shifted[0, 0] - shifted.mean()) / max(shifted.std(), 1e-9)
