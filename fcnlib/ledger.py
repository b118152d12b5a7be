"""Keep the ledger: each choice of the paper, ours, and what the difference is worth."""

import json
import statistics

import keras
import tensorflow as tf

from fcnlib import datasets, experiments, layers, models, pasture, training

SEEDS = experiments.SEEDS
EPOCHS = 6
SCENES = 500
OURS = "ours"

# What the paper chose, what we choose, why, and which stored runs tell the difference:
# the file, the name of our runs in it, and the name of those that were tried instead.
# Without stored runs, the reason.
CHOICES = (
    {
        "choice": "borders",
        "paper": "pads the picture by 100 pixels, crops at all four sides",
        "ours": "padding same everywhere, one crop at bottom and right",
        "why": "no constants to derive, far fewer pixels; tried with 36 for our fc6",
        "runs": ("ledger", OURS, "padded borders"),
    },
    {
        "choice": "deconvolutions",
        "paper": "2015: those by 2 learned, the last fixed; published code: fixed",
        "ours": "all fixed",
        "why": "fewer weights, and the interpolation stays what its name says",
        "runs": ("ledger", OURS, "learned deconvolutions"),
    },
    {
        "choice": "first weights of score_fr",
        "paper": "zero",
        "ours": "random",
        "why": "Keras's default; the layers below start at random as well",
        "runs": ("ledger", OURS, "all scores zero"),
    },
    {
        "choice": "first weights of the skip scores",
        "paper": "zero",
        "ours": "zero",
        "why": "training starts from what the coarser network says",
        "runs": ("ledger", OURS, "skip scores random"),
    },
    {
        "choice": "fc6 and fc7",
        "paper": "7 x 7, eight times as wide as pool5",
        "ours": "3 x 3, as wide as pool5",
        "why": "fc6 alone is three quarters of the paper's weights",
        "runs": ("ledger", OURS, "wide fc6"),
    },
    {
        "choice": "optimizer, 2015",
        "paper": "SGD, momentum 0.9, fixed learning rate",
        "ours": "AdamW, rate rises and falls",
        "why": "one rate serves all our networks",
        "runs": ("ledger", OURS, "momentum 0.9"),
    },
    {
        "choice": "optimizer, published code",
        "paper": "SGD, momentum 0.99 with batches of one picture",
        "ours": "AdamW, batches of 16",
        "why": "as above; momentum 0.99 was tried with batches of 16, not of one",
        "runs": ("ledger", OURS, "momentum 0.99"),
    },
    {
        "choice": "augmentation",
        "paper": "none; mirrored and shifted pictures brought no gain",
        "ours": "flips, turns, zooms, colors",
        "why": "few pictures, many epochs; here epochs are few",
        "runs": ("ledger", OURS, "no augmentation"),
    },
    {
        "choice": "stages",
        "paper": "FCN-32s, then FCN-16s, then FCN-8s",
        "ours": "FCN-8s at once",
        "why": "all epochs with all skip connections",
        "runs": ("compare", "fcn8s", "fcn8s staged"),
    },
    {
        "choice": "scaled skips",
        "paper": "published code, at once: pool4 by 0.01 and pool3 by 0.0001",
        "ours": "not scaled",
        "why": "our pools are normalized, those of VGG16 are large",
        "runs": ("compare", "fcn8s", "fcn8s scaled skips"),
    },
    {
        "choice": "weights of the classes",
        "paper": "equal",
        "ours": "equal",
        "why": "each pixel counts the same, as in pixel accuracy",
        "runs": ("compare", "fcn8s", "fcn8s weighted classes"),
    },
    {
        "choice": "layers that learn",
        "paper": "all",
        "ours": "all",
        "why": "ImageNet's features are a start; measured on horses",
        "runs": ("transfer", "VGG16, 178", "frozen VGG16, 178"),
    },
    {
        "choice": "start",
        "paper": "VGG16 trained on ImageNet",
        "ours": "random weights with batch normalization",
        "why": "nothing to download, and it fits a laptop",
        "not_measured": "VGG16 takes too long here; on horses, see lesson 8",
    },
    {
        "choice": "pictures",
        "paper": "whole photographs of about 500 x 375 pixels, 21 classes",
        "ours": "scenes of 128 x 128 pixels, 5 classes",
        "why": "minutes instead of days",
        "not_measured": "the data is another, so its scores do not compare",
    },
)


def ledger(path, seeds=SEEDS, epochs=EPOCHS, scenes=SCENES):
    """Train FCN-8s with choices of the paper in place of ours, and write the ledger.

    `WAYS` names what is trained, all under one budget that is smaller than that of
    `experiments.compare`. An interrupted ledger goes on with the runs that are missing.
    The choices that earlier experiments measured are read from their files in the same
    folder, compare.json and transfer.json.

    Args:
        path: `pathlib.Path` of the JSON file, with all runs and the choices.
        seeds: Sequence of integers, of the networks' first weights and the shuffling.
        epochs: Integer, for each run.
        scenes: Integer, how many training scenes to draw.

    Returns:
        Dictionary with the runs and, in "choices", `CHOICES` with their effects.

    Raises:
        FileNotFoundError: If one of the other files is missing.

    Example:
        >>> import pathlib
        >>> ledger(pathlib.Path("results/ledger.json"))["epochs"]  # doctest: +SKIP
        6
    """
    files = {name: _read(path, name) for name in ("compare", "transfer")}
    command = "python -m fcnlib ledger"
    stored = experiments.train_on_pastures(path, command, WAYS, seeds, epochs, scenes)
    files["ledger"] = stored
    stored["choices"] = [_with_effect(choice, files) for choice in CHOICES]
    datasets.write_file(path, (json.dumps(stored, indent=2) + "\n").encode())
    return stored


def _read(path, name):
    """Read another experiment's file from the ledger's folder."""
    other = path.with_name(f"{name}.json")
    if not other.is_file():
        raise FileNotFoundError(
            f"{other}: expected the stored runs of python -m fcnlib {name}, but found "
            "none: run it first, with the same folder."
        )
    return json.loads(other.read_text(encoding="utf-8"))


def _with_effect(choice, files):
    """Return a choice with the scores of its runs, ours and those tried instead."""
    if "runs" not in choice:
        return choice
    name, *both = choice["runs"]
    ours, tried = (
        [run["mean_iou"] for run in files[name]["runs"] if run["network"] == network]
        for network in both
    )
    return {
        **choice,
        "runs": {"file": f"{name}.json", "ours": both[0], "tried": both[1]},
        "mean_iou": {"ours": ours, "tried": tried},
        "difference": round(statistics.mean(tried) - statistics.mean(ours), 3),
        "apart": max(ours) < min(tried) or max(tried) < min(ours),
    }


def summarize(choices):
    """Return the table of the ledger.

    Args:
        choices: List of dictionaries, the "choices" that `ledger` returns.

    Returns:
        String, a table in Markdown. The last columns hold the mean IoU of our runs and
        of those that were tried instead, with their sample standard deviations, and
        whether all runs of one are above all runs of the other.

    Example:
        >>> choice = {"choice": "borders", "paper": "padded", "ours": "same"}
        >>> print(summarize([{**choice, "why": "simple", "not_measured": "no time"}]))
        | choice | paper | ours | why | our runs | tried instead | apart |
        | --- | --- | --- | --- | --- | --- | --- |
        | borders | padded | same | simple |  | not measured: no time |  |
    """
    columns = ["choice", "paper", "ours", "why"]
    rows = [[*columns, "our runs", "tried instead", "apart"], 7 * ["---"]]
    rows += [
        [*(choice[column] for column in columns), *_describe(choice)]
        for choice in choices
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _describe(choice):
    """Say in three cells what was measured, or why nothing was."""
    if "not_measured" in choice:
        return "", f"not measured: {choice['not_measured']}", ""
    ours, tried = (choice["mean_iou"][side] for side in ("ours", "tried"))
    return (
        _mean_and_spread(ours),
        f"{choice['runs']['tried']}: {_mean_and_spread(tried)}",
        "yes" if choice["apart"] else "no",
    )


def _mean_and_spread(values):
    """Return the mean of several runs and their sample standard deviation as text."""
    return f"{statistics.mean(values):.3f} ({statistics.stdev(values):.3f})"


def build_fcn8s(fc6_kernel=3, fc_width=128, padded=False):
    """Build FCN-8s of the course size with another head, or with the paper's borders.

    With `padded=True` the borders are the paper's. fc6 is not padded, so its map is
    `fc6_kernel - 1` cells of 32 pixels smaller. A gray margin around the picture makes
    up for that: 100 pixels for a kernel of 7, 36 for one of 3. The deconvolutions are
    not padded either. What then sits at the same place is cut out: score_pool4 from
    cell `fc6_kernel - 2`, score_pool3 from cell `2 * fc6_kernel - 5`, the logits from
    pixel 31. For a kernel of 7 these are the 5, 9 and 31 of the authors' code.

    Args:
        fc6_kernel: Odd integer, the height and width of fc6's kernel.
        fc_width: Integer, the channels of fc6 and fc7.
        padded: Whether the borders are the paper's instead of those of `models.fcn8s`.

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, 5) float32.

    Example:
        >>> import numpy as np
        >>> padded = build_fcn8s(padded=True)
        >>> tuple(padded(np.zeros((1, 64, 96, 3))).shape)
        (1, 64, 96, 5)
    """
    padding = "valid" if padded else "same"
    margin = 16 * (fc6_kernel - 1) + 3  # block1_conv1 pads by 1 more
    offsets = (fc6_kernel - 2, 2 * fc6_kernel - 5, 31) if padded else (0, 0, 0)
    images = seen = keras.Input((None, None, 3), name="images")
    if padded:
        sides = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        seen = keras.ops.pad(images, sides, constant_values=127.5)
    pool3, pool4, pool5 = models.vgg_pools(seen)
    fc6 = _convolve(pool5, fc_width, fc6_kernel, padding, "fc6")
    fc7 = _convolve(fc6, fc_width, 1, padding, "fc7")
    scores = keras.layers.Conv2D(len(pasture.CLASSES), 1, name="score_fr")(fc7)
    scores = _enlarge(scores, 2, padding, "upscore2")
    scores = _fuse(scores, pool4, offsets[0], "score_pool4")
    scores = _enlarge(scores, 2, padding, "upscore_pool4")
    scores = _fuse(scores, pool3, offsets[1], "score_pool3")
    scores = _enlarge(scores, 8, padding, "upscore8")
    logits = layers.CropLike()([_cut(scores, offsets[2]), images])
    return keras.Model(images, logits, name="fcn8s")


def _convolve(features, width, kernel_size, padding, name):
    """Apply a convolution, normalize and apply ReLU."""
    convolution = keras.layers.Conv2D(
        width, kernel_size, padding=padding, use_bias=False, name=name
    )
    norm = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")
    return keras.layers.ReLU()(norm(convolution(features)))


def _enlarge(scores, factor, padding, name):
    """Enlarge scores bilinearly by a deconvolution that stays as it is."""
    return keras.layers.Conv2DTranspose(
        scores.shape[-1],
        2 * factor,
        strides=factor,
        padding=padding,
        use_bias=False,
        kernel_initializer=layers.Bilinear(),
        trainable=False,
        name=name,
    )(scores)


def _fuse(scores, pool, offset, name):
    """Add the scores of a pool, cut at its top left, where both have a cell."""
    score_pool = keras.layers.Conv2D(
        scores.shape[-1], 1, kernel_initializer="zeros", name=name
    )(pool)
    score_pool = layers.CropLike()([_cut(score_pool, offset), scores])
    return keras.layers.Add()([layers.CropLike()([scores, score_pool]), score_pool])


def _cut(scores, offset):
    """Cut rows and columns off at the top left."""
    return keras.layers.Cropping2D(((offset, 0), (offset, 0)))(scores)


def _built(**options):
    """Return the training of a network with other layers."""

    def train(dataset, pairs, epochs):
        model = build_fcn8s(**options)
        training.fit(model, dataset, epochs)
        return model

    return train


def _changed(change):
    """Return the training of an FCN-8s that a function changes first."""

    def train(dataset, pairs, epochs):
        model = models.fcn8s(len(pasture.CLASSES))
        change(model)
        training.fit(model, dataset, epochs)
        return model

    return train


def _learn_deconvolutions(model):
    """Let the deconvolutions by 2 learn, as the paper of 2015 did."""
    for name in ("upscore2", "upscore_pool4"):
        model.get_layer(name).trainable = True


def _clear_scores(model):
    """Let all scores start at zero."""
    kernel = model.get_layer("score_fr").kernel
    kernel.assign(keras.ops.zeros(kernel.shape))


def _draw_skip_scores(model):
    """Let the skip scores start at random, by Keras's default."""
    for name in ("score_pool4", "score_pool3"):
        kernel = model.get_layer(name).kernel
        kernel.assign(keras.initializers.GlorotUniform()(kernel.shape))


def _by_momentum(momentum, learning_rate):
    """Return the training of FCN-8s by SGD with momentum and a fixed rate."""

    def train(dataset, pairs, epochs):
        model = models.fcn8s(len(pasture.CLASSES))
        model.compile(
            optimizer=keras.optimizers.SGD(learning_rate, momentum),
            loss=training.void_loss(),
            jit_compile=False,
        )
        model.fit(dataset, epochs=epochs, shuffle=False)
        return model

    return train


def _train_plain(dataset, pairs, epochs):
    """Train FCN-8s on the scenes as they are, in a new order in each epoch."""
    plain = datasets.batches(pairs, training.SIZE, batch_size=1).cache()
    shuffled = plain.unbatch().shuffle(len(pairs)).batch(training.BATCH_SIZE)
    steps = -(-len(pairs) // training.BATCH_SIZE)
    model = models.fcn8s(len(pasture.CLASSES))
    training.fit(
        model, shuffled.apply(tf.data.experimental.assert_cardinality(steps)), epochs
    )
    return model


WAYS = {
    OURS: _changed(lambda model: None),
    "padded borders": _built(padded=True),
    "learned deconvolutions": _changed(_learn_deconvolutions),
    "all scores zero": _changed(_clear_scores),
    "skip scores random": _changed(_draw_skip_scores),
    "wide fc6": _built(fc6_kernel=7, fc_width=1024),
    # Each rate is the best of three by one short run, a factor of 5 or 10 apart.
    "momentum 0.9": _by_momentum(0.9, learning_rate=0.1),
    "momentum 0.99": _by_momentum(0.99, learning_rate=0.001),
    "no augmentation": _train_plain,
}
