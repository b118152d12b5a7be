"""Examine a segmentation run that does not work, in the order of a checklist."""

import math

import numpy as np

from fcnlib.datasets import VOID
from fcnlib.examination import images, labels, learning, scores
from fcnlib.examination.report import DISEASES, Finding, Report, Unknown
from fcnlib.examination.sample import Run

__all__ = ["DISEASES", "Finding", "Report", "Unknown", "examine"]


def examine(model, batches, history=None, reported=None):
    """Run the examinations of the checklist on a segmentation model and its data.

    They follow one order: data, labels, loss at the start, one batch, one metric by
    hand. At most 64 images are looked at. The model, its optimizer and the random
    state stay as they are; a generator is read no further than that.

    Args:
        model: Keras model from images to class scores, (N, H, W, C): logits or
            probabilities, compiled or not.
        batches: Iterable of (images, labels) or (images, labels, sample weights):
            `tf.data.Dataset`, `keras.utils.PyDataset`, list or generator. Labels are
            (N, H, W), (N, H, W, 1) or one-hot (N, H, W, C).
        history: What `fit` returned, or a dictionary of lists, one number an epoch.
        reported: Dictionary of scores by name, such as "accuracy", "mean_iou" or
            "weighted_jaccard", as numbers from 0 to 1 or percentages.

    Returns:
        `Report`: `diseases` holds the names found, `findings` the evidence and the
        cure of each, `unknown` what could not be told, `notes` other symptoms.

    Raises:
        ValueError: If there is no batch, or if images, model and labels do not fit
            together.

    Example:
        >>> from fcnlib import datasets, models
        >>> model = models.load_pretrained("pasture-fcn8s")
        >>> scenes = datasets.pasture_batches(range(8), [(64, 64)], batch_size=8)
        >>> examine(model, scenes).diseases
        ()
        >>> print(examine(model, scenes, reported={"mean_iou": 0.7}))
        Found none of the nine diseases...
    """
    findings, unknown = [], []
    with np.errstate(all="ignore"):  # a sick network may give nan
        run = Run(model, batches, history, reported)
        for part in (labels, images, learning, scores):
            for answer in part.examine(run):
                if isinstance(answer, Finding):
                    findings.append(answer)
                    run.found.add(answer.name)
                elif answer:
                    unknown.append(answer)
        return Report(tuple(findings), tuple(unknown), tuple(_symptoms(run)))


def _symptoms(run):
    """Describe what else is unusual, in one sentence each."""
    predicted = run.confusion.sum(axis=0)
    if predicted.max() > 0.99 * predicted.sum() > 0:
        yield f"The model gives class {predicted.argmax()} to nearly all pixels."
    if not run.fits:
        yield (
            f"The model's cross-entropy is {run.cross_entropy:.3g}; the best constant "
            f"prediction has {run.entropy:.3g}, and equal scores have "
            f"ln {run.num_classes} = {math.log(run.num_classes):.3g}."
        )
    strange = max(
        values[there].max(initial=0)
        for values, there in zip(run.values, run.stray, strict=True)
    )
    if strange and strange != VOID and not run.found:
        yield f"Labels go up to {strange:g}, but classes to {run.num_classes - 1}."
