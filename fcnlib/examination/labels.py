"""Examine the label maps: values that are no class, and rims between classes."""

import math

import cv2
import numpy as np

from fcnlib.datasets import VOID
from fcnlib.examination.report import Finding, Unknown


def examine(run):
    """Look for interpolated labels and for void that is trained as a class.

    Args:
        run: `Run`.

    Yields:
        `Finding`, `Unknown` or `None` of each.

    Example:
        >>> import keras
        >>> from fcnlib.examination.sample import Run
        >>> labels = np.array([[[0, 0, 63.75, 191.25]]])
        >>> model = keras.Sequential([keras.layers.Conv2D(2, 1)])
        >>> next(examine(Run(model, [(np.zeros((1, 1, 4, 3)), labels)]))).name
        'interpolated labels'
    """
    interpolated = _strange_values(run) or _mixed_classes(run.labels)
    if interpolated:
        yield Finding("interpolated labels", interpolated)
    else:
        yield _void_as_a_class(run)


def _strange_values(run):
    """Describe values in thin strips that are no class; `None` if there are none."""
    stray = [
        there & (values != VOID)
        for there, values in zip(run.stray, run.values, strict=True)
    ]
    strange = set().union(
        *(v[there].tolist() for v, there in zip(run.values, stray, strict=True))
    )
    areas = sum(
        (there & _inside(values)).sum()
        for there, values in zip(stray, run.values, strict=True)
    )
    several = len(strange) > 1 or any(value % 1 for value in strange)
    if not several or areas > 0.3 * sum(there.sum() for there in stray):
        return None
    shown = ", ".join(f"{value:.4g}" for value in sorted(strange)[:6])
    return (
        f"{len(strange)} values in the labels are no class (such as {shown}), "
        "in thin strips where classes meet."
    )


def _inside(values):
    """Mark the pixels whose 3 x 3 neighbors all have their own value."""
    kernel = np.ones((3, 3), "uint8")
    maps = values.astype("float32")
    return np.array([cv2.dilate(one, kernel) == cv2.erode(one, kernel) for one in maps])


def _mixed_classes(labels):
    """Describe thin strips of the classes between two others; `None` if they are few.

    A mixture of the classes 1 and 4 is called 2 or 3, and it is a pixel or two wide.
    """
    left, middle, right, length, image = _triples(labels)
    mixed = (middle > np.minimum(left, right)) & (middle < np.maximum(left, right))
    strips = mixed & (length <= 2)
    others = ((length <= 2) & (left != right) & ~mixed).sum()
    wider = (mixed & (length > 2) & (length <= 4)).sum()
    first, second, place = _pairs(labels)
    sharp = np.abs(first - second) >= 2
    if strips.sum() <= max(30, 2 * others, 3 * wider, 0.1 * sharp.sum()):
        return None
    images = np.unique(np.concatenate([image[mixed], place[sharp]])).size
    if np.unique(image[strips]).size < 0.6 * images:
        return None  # interpolation spares no image
    choice = np.bincount(middle[strips & (np.abs(left - right) > 2)])
    if choice.sum() > 30 and choice.max() > 0.95 * choice.sum():
        return None  # one and the same class everywhere: void was painted so
    return (
        f"{strips.sum()} times, one or two pixels of a class lie between two classes "
        f"whose numbers enclose its own, {others} times between others, and "
        f"{wider} times three or four pixels do."
    )


def _runs(labels):
    """Return the runs of equal labels along rows and columns: value, length, image."""
    lines, image, first = [], [], 0
    for batch in labels:
        for maps in (batch, batch.swapaxes(1, 2)):
            # A column of void ends every line.
            ended = np.pad(maps, ((0, 0), (0, 0), (0, 1)), constant_values=VOID)
            lines.append(ended.reshape(-1))
            image.append(first + np.arange(ended.size) // ended[0].size)
        first += len(batch)
    lines = np.concatenate(lines)
    starts = np.flatnonzero(np.diff(lines, prepend=-1))
    lengths = np.diff(starts, append=lines.size)
    return lines[starts], lengths, np.concatenate(image)[starts]


def _triples(labels):
    """Return three runs in a row without void: their labels, middle length, image."""
    values, lengths, image = _runs(labels)
    there = (values[:-2] != VOID) & (values[1:-1] != VOID) & (values[2:] != VOID)
    parts = values[:-2], values[1:-1], values[2:], lengths[1:-1], image[1:-1]
    return tuple(part[there] for part in parts)


def _pairs(labels):
    """Return two runs in a row without void: their labels, and the image."""
    values, _, image = _runs(labels)
    there = (values[:-1] != VOID) & (values[1:] != VOID)
    return values[:-1][there], values[1:][there], image[:-1][there]


def _void_as_a_class(run):
    """Look for pixels without a class that are trained as one all the same."""
    counted = _void_counted(run)
    if isinstance(counted, Finding):
        return counted
    width = max(4, min(8, min(run.labels[0].shape[1:]) // 40))  # of a rim
    for label in np.flatnonzero(run.shares):
        rim = _rim(run.labels, label, width)
        if rim:
            return Finding("void as a class", rim)
    void = any((labels == VOID).any() for labels in run.labels)
    if not void and (run.shares > 0).sum() == 2:
        return Unknown(
            "void as a class",
            "With two classes, a rim painted over as one of them leaves no trace in "
            "the labels: compare one with its file.",
        )
    return counted


def _void_counted(run):
    """Try whether the loss counts labels that are no class."""
    values = {
        value
        for all_values, there in zip(run.values, run.stray, strict=True)
        for value in np.unique(all_values[there]).tolist()
    }
    from_one = values == {run.num_classes} and not run.shares[0]
    if not values or len(values - {VOID}) > 1 or from_one:
        return None
    where = max(range(len(run.stray)), key=lambda index: run.stray[index].mean())
    there = run.stray[where][..., None]
    told = f"{there.mean():.1%} of the labels of a batch are {max(values):g}, no class"
    if not run.is_compiled:
        return Unknown(
            "void as a class",
            f"{told}, and the model is not compiled: compile it with the loss it was "
            "trained with to learn how that treats them.",
        )
    # Other outputs on these pixels alone: a loss that leaves them out sees no change.
    outputs, ramp = run.outputs[where], np.arange(1, run.channels + 1)
    other = (outputs + ramp / ramp.sum()) / (2 if run.probabilities else 1)
    before = run.loss_of(outputs, where)
    after = run.loss_of(np.where(there, other, outputs), where)
    if math.isnan(before):
        return Finding(
            "void as a class", f"{told}, and the loss cannot be computed on them."
        )
    if math.isclose(before, after, rel_tol=1e-5):
        return None
    return Finding(
        "void as a class",
        f"{told}, yet the loss counts them: other outputs on these pixels alone move "
        f"it from {before:.5g} to {after:.5g}.",
    )


def _rim(labels, rim, width):
    """Say how one class parts others as a thin strip; `None` if it does not."""
    triples = np.array(_triples(labels))
    left, _, right, length, image = triples[:, triples[1] == rim]
    strips = (left != right) & (length <= width)
    wider = (left != right) & (length > width) & (length <= 2 * width)
    some = min(3, sum(len(maps) for maps in labels))
    if strips.sum() < 2 * wider.sum() or np.unique(image[strips]).size < some:
        return None
    thin = _share_of_areas(labels, rim, width) < 0.05
    inside = ((left == right) & (length <= width)).sum()
    if thin and strips.sum() < 2 * inside:
        return None  # a thing of its own, thin, with one class on both sides
    first, second, _ = _pairs(labels)
    touching = (first != rim) & (second != rim)
    for label in np.unique(left[strips]):
        sides = [(strips & (side == label)).sum() for side in (left, right)]
        parted = sum(sides)
        close = (touching & ((first == label) | (second == label))).sum()
        # A layer of a scene lies on one side of its neighbor, a rim on all.
        if parted > max(30, 1.5 * close) and min(sides) > 0.2 * parted:
            return (
                f"{parted} of {parted + close} borders of class {label} with others "
                f"run through a strip of class {rim}, at most {width} pixels wide"
                + (f"; class {rim} is thin everywhere." if thin else ".")
            )
    return None


def _share_of_areas(labels, label, width):
    """Return the share of a class's pixels that lie in areas wider than a rim."""
    kernel = np.ones((width + 1, width + 1), "uint8")
    there = [(one == label).astype("uint8") for maps in labels for one in maps]
    opened = sum(cv2.morphologyEx(one, cv2.MORPH_OPEN, kernel).sum() for one in there)
    return opened / max(1, sum(one.sum() for one in there))
