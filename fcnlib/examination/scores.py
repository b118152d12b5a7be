"""Examine the reported scores beside one confusion matrix."""

import math

from fcnlib import metrics
from fcnlib.examination.report import Finding, Unknown


def examine(run):
    """Look for a reported score that the commonest class alone would earn.

    Args:
        run: `Run`.

    Yields:
        `Finding`, `Unknown` or `None`.

    Example:
        >>> import keras, numpy as np
        >>> from fcnlib.examination.sample import Run
        >>> model = keras.Sequential([keras.layers.Conv2D(2, 1)])
        >>> batch = np.zeros((1, 10, 10, 3)), np.eye(10)[None]  # a tenth is class 1
        >>> list(examine(Run(model, [batch], reported={"accuracy": 90.0})))
        [Finding(name='background score', evidence='accuracy is 0.9; ...')]
    """
    scores = {
        key: values[-1]
        for key, values in run.history.items()
        if _kind(key) == "accuracy" and values.size >= 5 and values[-1] >= 0.8
    }
    for key, score in run.reported.items():
        scores[key] = score / 100 if score > 1 else score
    for key, score in scores.items():
        earned = _earned_without_merit(run, _kind(key), score)
        if earned:
            yield Finding("background score", f"{key} is {score:.3g}; {earned}")
            return
    if not any(_kind(key) for key in (*run.reported, *run.history)):
        yield Unknown(
            "background score", "No score was reported: pass reported={name: score}."
        )


def _kind(key):
    """Tell what a score's name means: accuracy, weighted, mean or nothing known."""
    key = "".join(letter for letter in key.lower() if letter.isalpha())
    if "weight" in key or key.startswith("fw"):
        return "weighted"
    for word in ("val", "test", "score", "index"):
        key = key.removeprefix(word).removesuffix(word)
    if key.removeprefix("mean").removeprefix("m") in ("iou", "iu", "jaccard"):
        return "mean"
    averaged = any(word in key for word in ("mean", "class", "balanc"))
    return "accuracy" if "acc" in key and not averaged else None


def _earned_without_merit(run, kind, score):
    """Say how a score is earned by the commonest class; `None` if it is not."""
    mean = metrics.mean_iou(run.confusion)
    if score <= mean + 0.2:
        return None
    counted = (
        f"The mean IoU of one confusion matrix is {mean:.3g} here, and class "
        f"{run.shares.argmax()} takes {run.shares.max():.1%} of the pixels."
    )
    weighted = metrics.frequency_weighted_iou(run.confusion)
    if kind == "mean" and abs(score - weighted) < 0.03:
        return (
            f"the IoU weighted by the classes' pixels is {weighted:.3g}, and no mean "
            f"over the classes. {counted}"
        )
    share = run.shares.max()
    constant = {"accuracy": share, "weighted": share**2}.get(kind, math.nan)
    # Less than a third of the way from the constant's score to 1 is left to merit.
    if score >= 0.5 and score - constant < 0.3 * (1 - constant):
        return (
            f"predicting the commonest class everywhere earns {constant:.3g}. {counted}"
        )
    return None
