"""Examine the loss at the start, the gradient of one batch and one step."""

import math

import keras
import numpy as np
import tensorflow as tf

from fcnlib.datasets import VOID
from fcnlib.examination import network
from fcnlib.examination.report import Finding, Unknown


def examine(run):
    """Look for a second softmax, for weights of zero and for wrong learning rates.

    Args:
        run: `Run`.

    Yields:
        `Finding`, `Unknown` or `None` of each.

    Example:
        >>> from fcnlib.examination.sample import Run
        >>> start = {"kernel_initializer": "zeros"}
        >>> layers = [keras.layers.Conv2D(2, 1, **start) for _ in range(2)]
        >>> model = keras.Sequential(layers)
        >>> run = Run(model, [(np.ones((1, 4, 4, 3)), np.zeros((1, 4, 4)))])
        >>> [answer.name for answer in examine(run) if answer]
        ['all weights zero']
    """
    yield _softmax_twice(run)
    kernels = {
        place: variable.numpy()
        for place, variable in enumerate(run.model.trainable_variables)
        if len(variable.shape) >= 2
    }
    gradients = _gradients(run)
    dead = _all_weights_zero(run, kernels, gradients)
    yield dead
    if not dead:
        yield _learning_rate(run, kernels, gradients)


# Loss at the start.


def _softmax_twice(run):
    """Look for probabilities that are taken for scores once more."""
    if not run.probabilities:
        return None
    evidence = (
        _second_softmax_in_loss(run)
        or _second_softmax_in_network(run)
        or _second_softmax_in_history(run)
    )
    return Finding("softmax twice", evidence) if evidence else None


def _second_softmax_in_loss(run):
    """Say that the compiled loss applies softmax or sigmoid to probabilities."""
    if not run.is_compiled or not _expects_logits(run):
        return None
    return (
        "The model's outputs are probabilities, and its loss takes them for logits: it "
        f"cannot fall below {-math.log(_cap(run)):.3g}."
    )


def _cap(run):
    """Return the most that the softmax of a probability can be."""
    return math.e / (math.e + run.num_classes - 1)


def _expects_logits(run):
    """Whether the compiled loss applies softmax or sigmoid itself."""
    config = getattr(run.model.loss, "get_config", dict)()
    if "from_logits" in config or run.channels == 1:
        return config.get("from_logits", False)
    # With softmax, the loss of a perfect prediction is that of the second softmax.
    classes = np.where(run.labels[0] == VOID, 0, run.labels[0])
    perfect = run.loss_of(np.eye(run.num_classes)[classes])
    expected = -math.log(_cap(run)) / math.log(run.num_classes)
    return abs(perfect / run.start - expected) < 0.02


def _second_softmax_in_network(run):
    """Say that what enters the network's last softmax is probabilities already."""
    highest = max(outputs.max() for outputs in run.outputs)
    _, scores = network.watch(run.model, run.images[0])
    sums = [entered.sum(axis=-1) for entered in scores]
    if any(np.mean(np.abs(one - 1) < 0.01) > 0.9 for one in sums):
        return (
            "What enters the last softmax already sums to 1 at each pixel: no output "
            f"can exceed {_cap(run):.3g}, and the highest is {highest:.3g}."
        )
    if run.channels > 1 and _end_at_cap(run.outputs):
        return (
            f"The outputs of several classes end at {highest:.3g}, the most that the "
            f"softmax of a probability can be with {run.channels} classes."
        )
    return None


def _end_at_cap(outputs):
    """Whether the outputs of two classes or more end where a second softmax ends."""
    logs = np.concatenate([np.log(out.reshape(-1, out.shape[-1])) for out in outputs])
    # What entered the last softmax, if that summed to 1.
    inner = logs + (1 - logs.sum(axis=-1, keepdims=True)) / logs.shape[-1]
    if not (inner.min() > -0.02 and inner.max() < 1.02):
        return False
    best = inner.argmax(axis=-1)
    ends = [np.quantile(inner[best == c, c], 0.9) for c in np.unique(best)]
    return len(ends) > 1 and sorted(ends)[-2] > 0.97


def _second_softmax_in_history(run):
    """Say that the loss ended where it does if it takes probabilities for logits."""
    if not run.losses.size or run.channels == 1:
        return None
    again = [np.exp(outputs) for outputs in run.outputs]
    again = [one / one.sum(axis=-1, keepdims=True) for one in again]
    loss, last = run.fit(again)[0], run.losses[-1]
    if abs(last / loss - 1) >= 0.1 or last <= 2 * run.cross_entropy:
        return None
    return (
        f"The loss ended at {last:.3g}, as if it took probabilities for logits "
        f"({loss:.3g} here, at best {-math.log(_cap(run)):.3g}); taken as they are, "
        f"they have a cross-entropy of {run.cross_entropy:.3g}."
    )


# One batch.


def _gradients(run):
    """Return the gradient of the first batch's loss by each trainable variable."""
    variables = run.model.trainable_variables
    with tf.GradientTape() as tape:
        outputs = run.model(run.images[0], training=False)
        try:
            loss = run.batch_loss(outputs)
        except Exception:  # no loss, or one that fails on these labels
            # Whether gradients arrive at all, any curved function shows.
            ramp = tf.range(1.0, run.channels + 1)
            loss = tf.reduce_mean(tf.sin(tf.cast(outputs, "float32") + 1) * ramp)
    gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
    return [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


def _all_weights_zero(run, kernels, gradients):
    """Look for kernels of zeros that no gradient reaches."""
    zero = sum(not kernel.any() for kernel in kernels.values())
    moved = any(gradients[place].any() for place in kernels)
    if not zero or moved or not (run.labels[0] != VOID).any():
        return None
    return Finding(
        "all weights zero",
        f"{zero} of {len(kernels)} trainable kernels are zero, and the gradient of a "
        f"batch is zero for every kernel: the loss stays near ln {run.num_classes} = "
        f"{math.log(run.num_classes):.4g}.",
    )


def _learning_rate(run, kernels, gradients):
    """Look for steps that are far too small or far too large for the weights."""
    finite = all(np.isfinite(kernel).all() for kernel in kernels.values())
    if finite and not math.isfinite(run.cross_entropy):
        return Unknown(
            "learning rate", "The model's loss on these images cannot be computed."
        )
    step = _step(run, kernels, gradients)
    large = _too_large(run, finite, step)
    if large:
        return Finding("learning rate", f"Too large: {large}")
    small = None if run.fits else _too_small(run, step)
    if small:
        return Finding("learning rate", f"Too small: {small}")
    if not run.fits and math.isnan(step) and run.losses.size < 3:
        return Unknown(
            "learning rate",
            "A compiled optimizer or a history of several epochs would tell.",
        )
    return None


def _step(run, kernels, gradients):
    """Return how far one step at the highest rate moves kernels, beside their size."""
    optimizer = getattr(run.model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    size = math.sqrt(sum(np.square(kernel).sum() for kernel in kernels.values()))
    if optimizer is None or not size or not math.isfinite(run.start):
        return math.nan
    config = {
        **optimizer.get_config(),
        "learning_rate": _highest_rate(optimizer, run.history),
        "gradient_accumulation_steps": None,
    }
    copies = [keras.Variable(value) for value in run.model.trainable_variables]
    type(optimizer).from_config(config).apply(gradients, copies)
    moves = [copies[place].numpy() - kernel for place, kernel in kernels.items()]
    step = math.sqrt(sum(np.square(move).sum() for move in moves))
    # With momentum, equal steps add up in the long run.
    return step / size / (1 - min(config.get("momentum") or 0, 0.999))


def _highest_rate(optimizer, history):
    """Return the highest learning rate of an optimizer's schedule or of a history."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        # A schedule may rise first and fall later, so that no one step tells.
        past = np.linspace(0, int(optimizer.iterations), 100)
        steps = {int(step) for step in (*past, *np.geomspace(1, 1e5, 100))}
        return max(float(rate(step)) for step in steps)
    seen = [history[key].max() for key in ("learning_rate", "lr") if key in history]
    return max([float(optimizer.learning_rate), *seen])


def _too_large(run, finite, step):
    """Say how the steps are too large; `None` if they are not."""
    losses = run.losses
    if "void as a class" in run.found:
        return None  # labels that are no class give nan as well
    if not finite:
        return "the weights hold nan or infinity."
    if not np.isfinite(losses).all():
        return f"the loss is {losses[~np.isfinite(losses)][0]} in the history."
    if losses.size and losses[-1] > 3 * losses[0] and not losses[-1] < run.start:
        return f"the loss rose from {losses[0]:.4g} to {losses[-1]:.4g}."
    if run.fits:
        return None
    if losses.size and losses.max() > 1000 * run.start:
        return (
            f"the loss rose to {losses.max():.4g} in the first epochs, while a model "
            f"that has learned nothing has {run.start:.4g}."
        )
    if step > 3 and not (losses.size and losses[-1] < 0.8 * losses[0]):
        return (
            f"a step on one batch would change the kernels by {step:.2g} times their "
            "size; about 0.001 is usual."
        )
    return None


def _too_small(run, step):
    """Say how the steps are too small; `None` if they are not."""
    losses = run.losses
    moved = abs(losses[-1] / losses[0] - 1) if losses.size > 1 else math.nan
    told = "" if math.isnan(moved) else f" The loss moved by {moved:.2%} in all."
    if not moved > 0.02 and 0 < step < (1e-4 if told else 1e-6):
        return (
            f"a step on one batch changes the kernels by {step:.2g} of their size; "
            f"about 0.001 is usual.{told}"
        )
    # Without a compiled loss: a mean is a small number, and biases alone learn more.
    mean = math.isnan(step) and losses.size > 2 and losses[-1] < 10
    if mean and moved < 0.01 and losses[-1] > 1.05 * run.entropy:
        return (
            f"after {losses.size} epochs the loss stands at {losses[-1]:.4g}, and a "
            f"constant prediction has {run.entropy:.4g}.{told}"
        )
    return None
