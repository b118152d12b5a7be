"""Train FCN-32s, FCN-16s and FCN-8s on Pascal VOC, at the scale of the paper."""

import contextlib
import hashlib
import json
import math
import os
import pathlib
import platform
import tempfile
import time

import keras
import tensorflow as tf

from fcnlib import (
    checkpoints,
    datasets,
    distribution,
    fine_tuning,
    metrics,
    models,
    training,
)
from fcnlib.voc import CLASSES, SBD_SPLITS, voc_pairs

SEED = 0
# VOC's pictures have at most 500 pixels on each side: none is scaled.
WORKING_SIZE = (500, 500)

# Each network, and the one whose weights it starts from.
STAGES = {
    "voc-fcn32s": ("fcn32s", None),
    "voc-fcn16s": ("fcn16s", "voc-fcn32s"),
    "voc-fcn8s": ("fcn8s", "voc-fcn16s"),
    "voc-fcn8s-atonce": ("fcn8s", None),
}
AT_ONCE_SCALES = (0.01, 0.0001)

# The published solvers: of the sum over the pixels, one picture a step.
PAPER_LEARNING_RATES = {
    "voc-fcn32s": 1e-10,
    "voc-fcn16s": 1e-12,
    "voc-fcn8s": 1e-14,
    "voc-fcn8s-atonce": 1e-10,
}
PAPER_STEPS = {name: 100_000 for name in STAGES} | {"voc-fcn8s-atonce": 300_000}
PAPER_MOMENTUM = 0.99
PAPER_DECAY = 5e-4
# Ours: of the mean over the pixels. Nobody has trained with it on VOC yet.
KERAS_LEARNING_RATE = 5e-5
KERAS_STEPS = 40_000
KERAS_BATCH_SIZE = 4

# Pixel accuracy, mean accuracy, mean IoU and frequency-weighted IoU in percent, on the
# 736 pictures of VOC 2011 val that are not in SBD's train list.
PUBLISHED = {
    "CVPR 2015": {
        "fcn32s": (89.1, 73.3, 59.4, 81.4),
        "fcn16s": (90.0, 75.7, 62.4, 83.0),
        "fcn8s": (90.3, 75.9, 62.7, 83.2),
    },
    "PAMI 2017": {
        "fcn32s": (90.5, 76.5, 63.6, 83.5),
        "fcn16s": (91.0, 78.1, 65.0, 84.3),
        "fcn8s": (91.2, 77.6, 65.5, 84.5),
        "fcn8s at once": (91.1, 78.5, 65.4, 84.4),
    },
}
SCORES = (
    metrics.pixel_accuracy,
    metrics.mean_accuracy,
    metrics.mean_iou,
    metrics.frequency_weighted_iou,
)


class PaperSGD(keras.optimizers.SGD):
    """Follow the sum over the pixels as the authors' solver does.

    Biases learn twice as fast. The other weights decay, and the decay passes through
    the momentum; in Keras's own SGD it would not, and be 100 times weaker. Section 4.3
    of Long et al. (2015), with the numbers of the authors' published solvers.

    Example:
        >>> optimizer = PaperSGD(1e-10, momentum=0.99)
        >>> weights = keras.Variable([2.0], name="kernel")
        >>> optimizer.apply([keras.ops.array([1e8])], [weights])
        >>> round(float(weights[0]), 4)
        1.99
    """

    def update_step(self, gradient, variable, learning_rate):
        """Change one variable.

        Args:
            gradient: Tensor of the variable's shape.
            variable: Variable of TensorFlow.
            learning_rate: Scalar tensor.
        """
        if "bias" in variable.name:
            gradient = 2 * gradient
        else:
            gradient = gradient + PAPER_DECAY * variable
        super().update_step(gradient, variable, learning_rate)


def list_pairs(data, sbd, recipe):
    """List the pairs to learn from and those to score on.

    With SBD, the paper's recipe learns from SBD's own training list and scores on the
    736 pictures of VOC 2011 val that are not in it, as the paper does. The other recipe
    learns from all of SBD but VOC val, and scores on VOC val. Without SBD, both learn
    from VOC train and score on VOC val.

    Args:
        data: String or path of the folder with VOC.
        sbd: String or path of the folder with SBD, or `None`.
        recipe: "paper" or "keras".

    Returns:
        Two pairs of a split's name and its list, see `voc.voc_pairs`.

    Raises:
        FileNotFoundError: If a folder or a file is missing.
        ValueError: If the folder lacks the year that the recipe needs.

    Example:
        >>> list_pairs("nowhere", None, "paper")
        Traceback (most recent call last):
        FileNotFoundError: nowhere is no folder; ...
    """
    splits = ("train", "val")
    if sbd is not None:
        splits = {
            "paper": ("paper-train", "seg11valid"),
            "keras": ("sbd-train", "val"),
        }[recipe]
    return [(split, voc_pairs(data, split, sbd)) for split in splits]


def build_network(name, size="vgg16", weights="imagenet", start=None):
    """Build one of the networks with the weights that its training starts from.

    Normalization layers, which only the sizes for laptops have, keep their statistics:
    those of one picture, or of one device's pictures, would depend on the sharing.

    Args:
        name: One of `STAGES`.
        size: "vgg16", or another size for trying out.
        weights: What a first stage starts from: "random", or a source that
            `models.load_vgg16_weights` knows.
        start: Keras model, the finished stage before, or `None` for a first stage.

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C) float32.

    Example:
        >>> before = build_network("voc-fcn32s", "course", "random")
        >>> network = build_network("voc-fcn16s", "course", start=before)
        >>> network.output_shape
        (None, None, None, 21)
    """
    architecture, before = STAGES[name]
    options = {"skip_scales": AT_ONCE_SCALES} if name == "voc-fcn8s-atonce" else {}
    model = getattr(models, architecture)(len(CLASSES), size, **options)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    # As in the paper, where no score is above another before the first step.
    score = model.get_layer("score_fr")
    score.kernel.assign(keras.ops.zeros_like(score.kernel))
    if before is None and weights != "random":
        models.load_vgg16_weights(model, weights)
    if start is not None:
        models.copy_weights(start, model)
    return model


def make_optimizer(name, recipe, steps, scale_loss=False):
    """Make the optimizer of a recipe.

    "paper" follows the sum over the valid pixels with momentum 0.99. A mean over n
    valid pixels with a learning rate n times as high takes the same step: for a picture
    of 500 x 375 pixels, 1e-10 for the sum is about 1.9e-5 for the mean.

    Args:
        name: One of `STAGES`.
        recipe: "paper", or "keras" for AdamW on the mean over the valid pixels.
        steps: Integer, the length of the training.
        scale_loss: Whether gradients in half precision need a scaled loss.

    Returns:
        Keras optimizer.

    Example:
        >>> optimizer = make_optimizer("voc-fcn32s", "paper", steps=100_000)
        >>> float(optimizer.learning_rate), optimizer.momentum
        (1.000000013351432e-10, 0.99)
    """
    if recipe == "paper":
        rate = PAPER_LEARNING_RATES[name]
        optimizer = PaperSGD(rate, momentum=PAPER_MOMENTUM)
    else:
        warmup = steps // 10
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0,
            steps - warmup,
            warmup_target=KERAS_LEARNING_RATE,
            warmup_steps=warmup,
        )
        # No clipping: Keras clips the gradients of each device before it adds them up.
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4)
    return keras.optimizers.LossScaleOptimizer(optimizer) if scale_loss else optimizer


def train_voc(
    name,
    data,
    folder,
    sbd=None,
    recipe="paper",
    devices=1,
    mixed=False,
    minutes=10,
    start=None,
    weights="imagenet",
    size="vgg16",
    steps=None,
    batch_size=None,
):
    """Train one of the networks on VOC, from where an interrupted training ended.

    Killed at any moment and called again, it goes on from the last checkpoint and ends
    with the weights that it would have had. The network and its card are written when
    it has ended; called once more, it prints the scores again.

    Args:
        name: One of `STAGES`. One that starts from another needs that in the folder.
        data: String or path of the folder with VOC.
        folder: String or path of the folder to write to.
        sbd: String or path of the folder with SBD, or `None`.
        recipe: "paper" or "keras".
        devices: Integer, or "all", see `distribution.choose_strategy`.
        mixed: Whether to compute in half precision, the logits excepted.
        minutes: Number, how often to write a checkpoint; 0 for one after every step.
        start: String or path of the card of the stage before; by default the one in
            the folder.
        weights: What a first stage starts from, see `build_network`.
        size: Size of the network, see `models.fcn32s`.
        steps: Integer, by default the recipe's.
        batch_size: Integer, pictures in a step over all devices; by default the
            recipe's.

    Returns:
        Dictionary, the card.

    Raises:
        ValueError: If an argument, a checkpoint, TF_CONFIG or a file is wrong.
        FileNotFoundError: If data or the stage before is missing.
        OSError: If a file cannot be written, or if another machine stopped.

    Example:
        >>> train_voc("voc-fcn64s", "data", "networks")
        Traceback (most recent call last):
        ValueError: expected one of voc-fcn32s, ... but got 'voc-fcn64s': ...
    """
    _check(name, recipe, size)
    folder = pathlib.Path(folder)
    learned, scored = list_pairs(data, sbd, recipe)
    _check_labels(*scored)
    steps = steps or (PAPER_STEPS[name] if recipe == "paper" else KERAS_STEPS)
    batch_size = batch_size or (1 if recipe == "paper" else KERAS_BATCH_SIZE)
    before = _find_start(name, folder, start)
    identity = {
        "network": name,
        "size": size,
        "recipe": recipe,
        "steps": steps,
        "batch": batch_size,
        "mixed": mixed,
        "weights": str(weights) if before is None else _digest(before),
        "pictures": f"{learned[0]}, {_digest_pairs(learned[1])}",
    }
    finished = _read_finished(folder / f"{name}.json", identity)
    if finished:
        return finished
    keras.utils.set_random_seed(SEED)
    strategy = distribution.choose_strategy(devices)
    distribution.check_agreement(strategy, "training", identity)
    network = before and fine_tuning.load_network(before)[0]
    with strategy.scope(), precision(mixed):
        model = build_network(name, size, weights, network)
        half = model.get_layer("fc6").compute_dtype == "float16"
        optimizer = make_optimizer(name, recipe, steps, scale_loss=half)
        optimizer.build(model.trainable_variables)
    _train(
        *(
            strategy,
            model,
            optimizer,
            learned[1],
            identity,
            folder / f"{name}.training",
        ),
        minutes=minutes,
    )
    return _finish(strategy, model, scored, identity, folder)


def summarize(card):
    """Return a network's scores as a table beside the paper's, in percent.

    Args:
        card: Dictionary, as `train_voc` returns it.

    Returns:
        String, a table in Markdown. The paper's rows say in which of its two versions
        they stand; both score 736 pictures of VOC 2011 val.

    Example:
        >>> row = dict.fromkeys((score.__name__ for score in SCORES), 0.5)
        >>> card = {"name": "voc-fcn32s", "scores": {"val": row}}
        >>> print(summarize(card))
        | | pixel accuracy | mean accuracy | mean IoU | frequency weighted IoU |
        | --- | --- | --- | --- | --- |
        | voc-fcn32s, val | 50.0 | 50.0 | 50.0 | 50.0 |
        | CVPR 2015, fcn32s, seg11valid | 89.1 | 73.3 | 59.4 | 81.4 |
        | PAMI 2017, fcn32s, seg11valid | 90.5 | 76.5 | 63.6 | 83.5 |
    """
    names = [score.__name__ for score in SCORES]
    rows = {
        f"{card['name']}, {split}": [100 * scores[name] for name in names]
        for split, scores in card["scores"].items()
    }
    network = STAGES[card["name"]][0]
    network += " at once" if card["name"].endswith("atonce") else ""
    for version, published in PUBLISHED.items():
        if network in published:
            rows[f"{version}, {network}, seg11valid"] = published[network]
    titles = [name.replace("_", " ").replace("iou", "IoU") for name in names]
    lines = [f"| | {' | '.join(titles)} |", "| --- " * (1 + len(titles)) + "|"]
    for row, scores in rows.items():
        lines.append(f"| {row} | {' | '.join(f'{score:.1f}' for score in scores)} |")
    return "\n".join(lines)


def _check(name, recipe, size):
    """Refuse a network, a recipe or a size that is not there."""
    for value, known in (
        (name, STAGES),
        (recipe, ("paper", "keras")),
        (size, models.SIZES),
    ):
        if value not in known:
            raise ValueError(
                f"expected one of {', '.join(known)}, but got {value!r}: "
                "choose one of the list."
            )


def _check_labels(split, pairs):
    """Refuse label maps to score on that are damaged or void, before the training."""
    valid = [(datasets.read_labels(path) != datasets.VOID).any() for _, path in pairs]
    if not any(valid):
        raise ValueError(
            f"expected pixels of {split} to score on, but all {len(pairs)} label maps "
            "are void: unpack the archive again"
        )


def _find_start(name, folder, start):
    """Return the path of the card of the stage before, or `None` for a first stage."""
    before = STAGES[name][1]
    if before is None:
        if start is not None:
            raise ValueError(f"{name} starts from no other network: leave out --start")
        return None
    path = pathlib.Path(start or folder / f"{before}.json")
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: {name} starts from {before}, but found none: train {before} "
            "first, or give its card by --start"
        )
    found = _read_card(path).get("architecture")
    if found != STAGES[before][0]:
        raise ValueError(
            f"{path}: {name} starts from a network of the architecture "
            f"{STAGES[before][0]}, but this is of {found}: give the card of {before}"
        )
    return path


def _read_card(path):
    """Return the card of a network, a dictionary."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: expected the card of a network, but it is another file or "
            "damaged: delete it and train the network again"
        ) from error


def _read_finished(path, identity):
    """Return the card of a training that has ended, or `None` if there is no card."""
    if not path.is_file():
        return None
    card = _read_card(path)
    if card.get("training") != identity:
        raise ValueError(
            f"{path}: expected no network, or the one of this very call, but another "
            "is there: choose another --out, or delete this file"
        )
    return fine_tuning.load_network(path)[1]


def _digest(card):
    """Return the start of the SHA-256 of a network's weights, as its card says it."""
    return str(_read_card(card).get("sha256"))[:16]


def _digest_pairs(pairs):
    """Say how many pairs there are and which, by the names of their files."""
    names = "|".join(os.path.basename(path) for pair in pairs for path in pair)
    return f"{len(pairs)} pairs {hashlib.sha256(names.encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def precision(mixed):
    """Build layers that compute in half precision, in the kind that the device has.

    That is float16 on a GPU, bfloat16 on a processor. The weights and the logits stay
    in single precision.

    Args:
        mixed: Boolean; `False` for single precision.

    Returns:
        Context manager.

    Example:
        >>> with precision(mixed=True):
        ...     model = build_network("voc-fcn32s", "course", "random")
        >>> model.get_layer("fc6").compute_dtype, model.output.dtype
        ('bfloat16', 'float32')
    """
    half = "float16" if tf.config.list_physical_devices("GPU") else "bfloat16"
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{half}" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _train(strategy, model, optimizer, pairs, identity, folder, minutes):
    """Train a network from its last checkpoint on, and write more of them."""
    variables = [*model.trainable_variables, *optimizer.variables]
    chief = distribution.is_chief(strategy)
    if chief:
        _need_folder(folder)
    start = checkpoints.restore(folder, identity, variables)
    distribution.check_agreement(strategy, "checkpoint", f"step {start}")
    report = _Report(identity["steps"], folder) if chief else None
    saved = time.monotonic()

    def after_step(step, loss):
        """Show progress, and save what is due."""
        nonlocal saved
        if not math.isfinite(loss):
            raise ValueError(
                f"expected a finite loss, but it is {loss} at step {step}: look at "
                "the weights that it starts from; if they are sound, the learning rate "
                "is too high for this recipe, batch and data"
            )
        if report is None:
            return
        report(step, loss)
        if time.monotonic() - saved >= 60 * minutes or step == identity["steps"]:
            checkpoints.save(folder, identity, step, variables)
            saved = time.monotonic()

    try:
        distribution.train(
            *(strategy, model, optimizer, pairs, identity["steps"], identity["batch"]),
            after_step=after_step,
            start=start,
            summed=identity["recipe"] == "paper",
            seed=SEED,
        )
    except BaseException:
        print()  # below the bar, which has not come to its end
        raise


def _need_folder(folder):
    """Make a folder, or say that it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            error.errno,
            f"{folder}: expected a folder to write to, but there is none "
            f"({error.strerror}): choose another --out",
        ) from error


class _Report:
    """Show the progress of a training, and log it for TensorBoard."""

    def __init__(self, steps, folder):
        self.bar = keras.utils.Progbar(steps)
        try:
            self.writer = tf.summary.create_file_writer(str(folder / "logs"))
        except tf.errors.OpError as error:
            raise OSError(
                f"{folder / 'logs'} cannot be written ({error.message}): make space, "
                "or choose another --out"
            ) from error

    def __call__(self, step, loss):
        self.bar.update(step, [("loss", loss)])
        # As TensorBoard's own tf.summary.scalar writes it, which not everybody has.
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = "scalars"
        with self.writer.as_default():
            tf.summary.write("loss", loss, step, metadata)


def _finish(strategy, model, scored, identity, folder):
    """Score a trained network, and write it with its card."""
    split, pairs = scored
    confusion = distribution.evaluate(strategy, model, pairs)
    name = identity["network"]
    card = {
        "name": name,
        "architecture": STAGES[name][0],
        "size": identity["size"],
        "num_classes": len(CLASSES),
        "classes": list(CLASSES),
        "working_size": WORKING_SIZE,
        "data": f"Pascal VOC, {identity['pictures']}",
        "command": _describe_command(identity),
        "training": identity,
        "machine": f"{os.cpu_count()} {platform.machine()} cores",
        "scores": {split: _score(confusion)},
    }
    if distribution.is_chief(strategy):
        card = fine_tuning.save_network(_detach(model, card), card, folder)
        checkpoints.delete(folder / f"{name}.training")
    return card


def _describe_command(identity):
    """Return the command of a training, with VOC and SBD in place of their folders."""
    name = identity["network"]
    words = ["python -m fcnlib train", name, "--data VOC"]
    if identity["pictures"].startswith(SBD_SPLITS):
        words.append("--sbd SBD")
    options = ["recipe", "size", "steps", "batch"]
    options += ["weights"] if STAGES[name][1] is None else []
    words += [f"--{option} {identity[option]}" for option in options]
    return " ".join([*words, "--mixed"] if identity["mixed"] else words)


def _score(confusion):
    """Return the scores, those of classes that occur nowhere left out."""
    scores = training.scores(confusion, CLASSES)
    known = {name: iou for name, iou in scores["iou"].items() if not math.isnan(iou)}
    return {**scores, "iou": known}


def _detach(model, card):
    """Return the network on its own: no strategy, single precision, no fixed scales.

    A score layer that saw a scaled pool gives the same scores of the pool itself with
    its kernel scaled instead.
    """
    bare = models.build(card)
    bare.set_weights([checkpoints.read(variable) for variable in model.weights])
    for layer in model.layers:
        if layer.name.startswith("scale_"):
            score = bare.get_layer(layer.name.replace("scale_", "score_"))
            score.kernel.assign(score.kernel * layer.scale)
    return bare
