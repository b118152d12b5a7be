"""Judge the exercises of lesson 06_training."""

import numpy as np

from fcnlib.checks.judging import Mistake, compare_number, exercise, find_faults

# The lines of the training that are right, and why; then the faulty ones.
_FAULTLESS = {
    2: "any usual optimizer and rate will do, and the loss is made in another line",
    3: "no mean IoU is below 0",
    4: "the epochs are counted, and each one is scored",
    7: "it asks whether this epoch is the best so far; which scenes say so is decided"
    " elsewhere",
    8: "it remembers the best score",
    9: "it keeps the weights of the best epoch",
    10: "it takes the weights of the best epoch, not of the last",
    11: "the test split is scored here, at the end, as it should; look for a use that"
    " comes too early",
}
_FAULTS = {
    1: "the one about void is left: who tells the loss which label is no class?",
    5: "the one about a draw is left: which line draws twice?",
    6: "the one about a split is left: which scenes choose the epoch?",
}


@exercise("06_training", asks_for="value")
def summed_rate(answer, random):
    """Check the learning rate that goes with a summed loss.

    Args:
        answer: number, the rate for 250 valid pixels where 0.1 is that of the mean.

    Example:
        >>> summed_rate(25)
        Not yet: the sum is larger than the mean, so its rate must be smaller.
    """
    pixels = np.array([250, 300, 150, 100, 200])  # the right number, and others
    mistakes = {
        "the sum is larger than the mean, so its rate must be smaller.": (
            *(0.1 * pixels),
        ),
        "void pixels are counted; the mean was taken over the valid ones.": 0.1 / 300,
        "this counts one picture, and its void; the mean was taken over the valid"
        " pixels of the whole batch.": 0.1 / 150,
        "this counts one picture; the mean was taken over the whole batch.": (
            *(0.1 / np.array([100, 125])),
        ),
        "the 50 void pixels are those of both pictures together.": 0.1 / 200,
        "the void pixels are left out of the mean, and this adds them.": 0.1 / 350,
        "this divides by the number of void pixels; how many have a class?": 0.1 / 50,
        "this divides by the number of pictures; the mean was over pixels.": 0.1 / 2,
        "the pixels of both pictures are already in the sum; this divides by 2 once"
        " more.": 0.1 / 500,
        "with the same rate, the steps would grow as the loss does.": 0.1,
        "this is a number of pixels; a learning rate is asked for.": (*pixels,),
        "this divides the pixels by the rate; the rate is to be divided.": (
            *(pixels / 0.1),
        ),
        "this is how many times smaller it gets; the rate itself is asked for.": (
            *(1 / pixels),
        ),
        "0.6 is the rate of the example; the program's is another.": 0.6 / 250,
        "3 is the number of the example's valid pixels; how many has the program?": (
            0.1 / 3
        ),
        "a learning rate is above 0; a negative one makes the loss grow.": -0.1 / 250,
        "this is the answer of the example.": 0.2,
    }
    return compare_number(answer, 0.1 / 250, mistakes)


@exercise("06_training", asks_for="value")
def faulty_training_lines(answer, random):
    """Check which lines of a faulty training were found.

    Args:
        answer: the numbers of the faulty lines, in any order.

    Example:
        >>> faulty_training_lines([3])
        Not yet: line 3 is right: no mean IoU is below 0.
    """
    return find_faults(answer, _FAULTS, _FAULTLESS)


@exercise("06_training", asks_for="function")
def weighted_void_loss(answer, random):
    """Check a loss with void and class weights.

    Args:
        answer: function of `logits`, (N, H, W, C), `labels`, (N, H, W) uint8 with 255
            for void, and `class_weights`, (C,); returns a number.

    Example:
        >>> weighted_void_loss(lambda logits, labels, class_weights: 0.5)
        Not yet: it fails on one picture without void.
    """
    for stage, logits, labels, class_weights in _batches(random):
        expected, mistakes = _loss_and_mistakes(logits, labels, class_weights)
        try:
            found = answer(logits, labels, class_weights)
        except Mistake as mistake:
            if "index 255" in str(mistake):
                return "a label of 255 is taken for the number of a class; it is void."
            raise
        if np.ndim(found) and isinstance(found, np.ndarray):
            return f"one number is asked for, and this is an array, {found.shape}."
        hint = compare_number(found, expected, mistakes, stage)
        if hint is not None:
            return hint
    return None


def _batches(random):
    """Draw batches, each with one difficulty more, and say which in a hint."""
    names = (
        "it fails on one picture without void.",
        "it is right without void, and fails with void.",
        "it is right for one picture, and fails for several.",
        "it is right for small logits, and fails for large ones.",
    )
    for stage, name in enumerate(names):
        shape = (3 if stage >= 2 else 1, 5, 6)
        logits = random.normal(0, 300 if stage == 3 else 1, (*shape, 4))
        labels = random.permutation(np.arange(np.prod(shape)) % 4).reshape(shape)
        if stage >= 1:  # each picture has its own share of void
            labels[0, :3], labels[1:, 0] = 255, 255
        yield name, logits, labels.astype("uint8"), random.uniform(0.5, 3, 4)


def _lower(logits, axis=-1):
    """Subtract the largest logit, so that no power is too large."""
    return logits - logits.max(axis=axis, keepdims=True)


def _cross_entropy(logits, classes, axis=-1):
    """Return the cross-entropy of each pixel, with the softmax along an axis."""
    lowered = _lower(logits, axis)
    shares = lowered - np.log(np.exp(lowered).sum(axis=axis, keepdims=True))
    return -np.take_along_axis(shares, classes[..., None].astype(int), -1)[..., 0]


def _loss_and_mistakes(logits, labels, weights):
    """Return the loss of a batch, and hints with what each mistake makes of it."""
    kept, classes = logits[labels < 255], labels[labels < 255]
    losses, count = _cross_entropy(kept, classes), len(classes)
    weighed = weights[classes] * losses
    truths = np.take_along_axis(kept, classes[:, None].astype(int), -1)[:, 0]
    expected = weighed.mean()
    mistakes = {
        "a power is too large for the computer, or a sum of powers is 0; try logits"
        " [[[[0, 1000]]]], labels [[[0]]] and weights [1, 1].": (
            *np.array([np.inf, -np.inf, np.nan]),
        ),
        "the weights are missing; try logits [[[[0, 0]]]], labels [[[0]]] and weights"
        " [2, 1].": losses.mean(),
        "this divides by the sum of the weights; try logits [[[[0, 0]]]], labels"
        " [[[0]]] and weights [2, 1].": (
            *(weighed.sum() / weights[classes].sum(), weighed.sum() / weights.sum()),
        ),
        "the sum is not divided by the number of valid pixels; try logits"
        " [[[[0, 0], [0, 0]]]], labels [[[0, 0]]] and weights [1, 1].": (
            *(weighed.sum(), weighed.sum() / len(labels)),
        ),
        "each pixel gets the weight of its best class, not of the true one; try logits"
        " [[[[1, 0]]]], labels [[[1]]] and weights [1, 2].": np.mean(
            weights[kept.argmax(axis=-1)] * losses
        ),
        "weights and losses are averaged apart; try logits [[[[0, 0], [0, 1]]]], labels"
        " [[[0, 1]]] and weights [1, 2].": (
            *(weights.mean() * losses.mean(), weights[classes].mean() * losses.mean()),
        ),
        "the weights are divided by their sum or mean; try logits [[[[0, 0]]]], labels"
        " [[[0]]] and weights [2, 1].": (
            *(expected / weights.sum(), expected / weights.mean()),
        ),
        "the losses are divided by the weights; try logits [[[[0, 0]]]], labels [[[0]]]"
        " and weights [2, 1].": np.mean(losses / weights[classes]),
        "the weights multiply the logits; try logits [[[[0, 1]]]], labels [[[0]]] and"
        " weights [2, 1].": _cross_entropy(weights * kept, classes).mean(),
        "the sign is wrong; a loss is never below 0; try logits [[[[0, 0]]]], labels"
        " [[[0]]] and weights [1, 1].": (-expected, -losses.mean()),
        "the natural logarithm is asked for; try logits [[[[0, 0]]]], labels [[[0]]]"
        " and weights [1, 1].": (expected / np.log(2), expected / np.log(10)),
        "this is the mean share of the true class; its logarithm is missing; try logits"
        " [[[[0, 0]]]], labels [[[0]]] and weights [1, 1].": (
            *(np.mean(weights[classes] * np.exp(-losses)), np.exp(-losses).mean()),
        ),
        "the softmax is missing, or one part of its logarithm; try logits"
        " [[[[0, 0]]]], labels [[[0]]] and weights [1, 1].": (
            np.mean(-weights[classes] * truths),
            np.mean(weights[classes] * truths),
            np.mean(weights[classes] * (kept.max(axis=-1) - truths)),
        ),
        "the softmax must divide by the sum over the classes of one pixel; try logits"
        " [[[[0, 0], [0, 0]]]], labels [[[0, 0]]] and weights [1, 1].": (
            np.mean(weights[classes] * (np.log(np.exp(kept).sum()) - truths)),
            np.mean(weights[classes] * (np.log(np.exp(logits).sum()) - truths)),
        ),
        "the softmax runs over the pixels, not over the classes; try logits"
        " [[[[0, 0]]]], labels [[[0]]] and weights [1, 1].": np.mean(
            weights[classes] * _cross_entropy(kept, classes, axis=0)
        ),
        **_part_mistakes(kept, classes, weights[classes]),
        **_table_mistakes(kept, classes, weights),
        "this averages over the classes too; try logits [[[[0, 0]]]], labels [[[0]]]"
        " and weights [1, 1].": expected / logits.shape[-1],
        "each pixel may lower its own logits by one number, and this takes the largest"
        " of each class over the pixels; try logits [[[[0, 1], [0, 0]]]], labels"
        " [[[0, 0]]] and weights [1, 1].": (
            np.mean(
                weights[classes] * _cross_entropy(kept - kept.max(axis=0), classes)
            ),
        ),
        **_void_mistakes(logits, labels, weights),
        **_batch_mistakes(logits, labels, weights),
        "a small number that is added to the shares, or below which they are cut, caps"
        " the loss; try logits [[[[0, 1000]]]], labels [[[0]]] and weights [1, 1].": (
            *_capped(losses, weights[classes]),
        ),
        "this is the number of valid pixels.": count,
        "this is the answer of the example; compute it from the arguments.": (
            *np.array([3.235, 14 / 3 * np.log(2)]),
        ),
    }
    return expected, mistakes


def _part_mistakes(kept, classes, weights):
    """Map hints to the losses whose logarithm is taken in wrong parts."""
    places = np.arange(len(classes)), classes
    lowered = _lower(kept)
    powers, losses = np.exp(lowered), _cross_entropy(kept, classes)
    return {
        "the largest logit is subtracted in one part of the logarithm only; try logits"
        " [[[[1, 1]]]], labels [[[0]]] and weights [1, 1].": (
            np.mean(weights * (losses - kept.max(axis=-1))),
            np.mean(weights * (losses + kept.max(axis=-1))),
        ),
        "the powers are added over the pixels, not over the classes; try logits"
        " [[[[0, 0]]]], labels [[[0]]] and weights [1, 1].": np.mean(
            weights * (np.log(powers.sum(axis=0)) - lowered)[places]
        ),
        "the powers of all pixels are added; try logits [[[[0, 0], [0, 0]]]], labels"
        " [[[0, 0]]] and weights [1, 1].": np.mean(
            weights * (np.log(powers.sum()) - lowered[places])
        ),
        "the logits go with the natural logarithm, and this takes another; try logits"
        " [[[[0, 0]]]], labels [[[0]]] and weights [1, 1].": tuple(
            np.mean(weights * (log(powers.sum(axis=-1)) - lowered[places]))
            for log in (np.log2, np.log10)
        ),
        "the weight belongs outside the logarithm; try logits [[[[0, 0]]]], labels"
        " [[[0]]] and weights [2, 1].": np.mean(losses - np.log(weights)),
        "this is 1 minus the share, not minus its logarithm; try logits [[[[0, 0]]]],"
        " labels [[[0]]] and weights [1, 1].": (
            *(np.mean(weights * (1 - np.exp(-losses))), np.mean(1 - np.exp(-losses))),
        ),
    }


def _table_mistakes(kept, classes, weights):
    """Map hints to the sums of more than one number for each pixel."""
    lowered = _lower(kept)
    table = np.log(np.exp(lowered).sum(axis=-1, keepdims=True)) - lowered
    pairs = weights[classes] * table[:, classes]
    return {
        "each pixel is paired with the classes of all pixels; try logits"
        " [[[[0, 1], [0, 0]]]], labels [[[0, 1]]] and weights [1, 1].": (
            *(pairs.sum() / len(pairs), pairs.sum(), pairs.mean()),
        ),
        "the losses of all classes are added, and only the true one counts; try logits"
        " [[[[0, 0]]]], labels [[[0]]] and weights [1, 2].": (
            *((weights * table).sum() / len(table), table.sum() / len(table)),
            *(np.mean(weights * table), table.mean()),
        ),
    }


def _void_mistakes(logits, labels, weights):
    """Map hints to the losses that take void wrongly."""
    void, num_classes = labels == 255, logits.shape[-1]
    as_class_0, as_last = (
        np.where(void, number, labels) for number in (0, num_classes - 1)
    )
    weighed_0, weighed_last = (
        weights[filled] * _cross_entropy(logits, filled)
        for filled in (as_class_0, as_last)
    )
    in_sum_only = tuple(
        weighed.sum() / np.sum(~void) for weighed in (weighed_0, weighed_last)
    )
    return {
        "void pixels are in the count; try logits [[[[0, 0], [0, 0]]]], labels"
        " [[[0, 255]]] and weights [1, 1].": weighed_0[~void].sum() / labels.size,
        "void pixels count as class 0; try logits [[[[0, 1], [0, 0]]]], labels"
        " [[[1, 255]]] and weights [1, 1].": weighed_0.mean(),
        "void pixels count as the last class; try logits [[[[0, 1], [0, 0]]]], labels"
        " [[[1, 255]]] and weights [1, 1].": weighed_last.mean(),
        "void pixels are in the sum, and not in the count; try logits"
        " [[[[0, 0], [0, 0]]]], labels [[[0, 255]]] and weights [1, 1].": in_sum_only,
    }


def _batch_mistakes(logits, labels, weights):
    """Map hints to the losses that do not take the batch as one."""
    pictures = []
    for scores, classes in zip(logits, labels, strict=True):
        valid = classes != 255
        losses = _cross_entropy(scores[valid], classes[valid])
        pictures.append(weights[classes[valid]] * losses)
    means = [picture.mean() for picture in pictures]
    return {
        "each picture is averaged first; a picture with fewer valid pixels counts less;"
        " try logits [[[[0, 0], [0, 0]]], [[[0, 1], [0, 0]]]], labels"
        " [[[0, 0]], [[0, 255]]] and weights [1, 1].": np.mean(means),
        "only one picture is counted; try logits [[[[0, 0]]], [[[0, 1]]]], labels"
        " [[[0]], [[0]]] and weights [1, 1].": (means[0], means[-1]),
        "the pictures' means are added up; try logits [[[[0, 0]]], [[[0, 1]]]], labels"
        " [[[0]], [[0]]] and weights [1, 1].": np.sum(means),
    }


def _capped(losses, weights):
    """Return the means of losses whose shares were kept from 0 by a small number."""
    for small in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20):
        shares = np.exp(-losses)
        yield np.mean(-weights * np.log(shares + small))
        yield np.mean(-weights * np.log(np.maximum(shares, small)))
        yield np.mean(-weights * np.log(np.clip(shares, small, 1 - small)))
