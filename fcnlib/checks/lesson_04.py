"""Judge the exercises of lesson 04_skip_connections."""

import re

import numpy as np

from fcnlib.checks.judging import Mistake, compare, exercise


@exercise("04_skip_connections", asks_for="value")
def deconvolved_sizes(answer, random):
    """Check the sizes that FCN-8s gives its three deconvolutions for one image.

    Args:
        answer: three pairs of rows and columns, of the maps that `upscore2`,
            `upscore_pool4` and `upscore8` return, before they are cropped.

    Example:
        >>> deconvolved_sizes([(7, 5), (13, 9), (100, 70)])
        Not yet: these sizes are already cropped; what leaves each deconvolution?
    """
    expected = np.array([(8, 6), (14, 10), (104, 72)])
    image, strides = np.array([(100, 70)]), np.array([[16], [8], [1]])
    cropped = np.ceil(image / strides)
    last_sizes = (96, 64), (96, 72), (100, 70), (104, 72)
    mistakes = {
        "these sizes are already cropped; what leaves each deconvolution?": cropped,
        **{
            f"the {place} size is already cropped; what leaves the deconvolution?": (
                np.where(np.arange(3)[:, None] == row, cropped, expected)
            )
            for row, place in enumerate(("first", "second", "last"))
        },
        "two of these sizes are already cropped; what leaves each deconvolution?": (
            tuple(
                np.where(np.arange(3)[:, None] == row, expected, cropped)
                for row in range(3)
            )
        ),
        "this is the example's answer, for 128 rows and 128 columns.": np.array(
            [(8, 8), (16, 16), (128, 128)]
        ),
        "cells are lost in pooling: 3 rows give 2 with padding 'same'.": tuple(
            np.array([(6, 4), (12, 8), last]) for last in last_sizes
        ),
        "a map is cropped before it goes on: for an image of 40 rows, upscore2 has 4 "
        "rows, and 3 of them go on.": tuple(
            np.array([(8, 6), (16, 12), last]) for last in [(128, 96), *last_sizes]
        ),
        "upscore_pool4 is cropped before it goes on, too: for an image of 40 rows it "
        "has 6 rows, and 5 of them go on.": np.array([(8, 6), (14, 10), (112, 80)]),
        "rows and columns are swapped.": expected[:, ::-1],
        "the order is reversed: upscore2 comes first.": expected[::-1],
        "these maps go into the deconvolutions; what comes out?": np.array(
            [(4, 3), (7, 5), (13, 9)]
        ),
        "a map has whole cells: 3 rows give 2, not 1.5.": image / strides,
    }
    return compare(answer, expected, mistakes)


_FAULTS = {
    1: "a fault is left that keeps every coarse score from being negative.",
    4: "a fault is left that shows with a 40 x 40 image: two maps have 4 x 4 and 3 x "
    "3 cells, and the smaller one cannot be cut to the larger.",
    6: "a fault is left that lets the scores drop to almost 0 between two cells.",
}
_FAULTLESS = {
    2: "a kernel of 4 with a stride of 2 is twice its stride",
    3: "a skip that starts at zero changes nothing until training moves it",
    5: "fusion adds two maps of scores, whichever was cropped",
    7: "what hangs over at the end is cut to the size of the images",
}


@exercise("04_skip_connections", asks_for="value")
def faulty_lines(answer, random):
    """Check which lines of a faulty FCN-16s were found.

    Args:
        answer: the numbers of the faulty lines, in any order.

    Example:
        >>> faulty_lines([5])
        Not yet: line 5 is right: fusion adds two maps of scores, whichever was cropped.
    """
    listed = list(answer) if isinstance(answer, set | frozenset) else np.ravel(answer)
    try:
        found = {float(line) for line in listed}
    except (TypeError, ValueError):
        return "numbers of lines are asked for, as in [2, 3]."
    for line in sorted(found - set(_FAULTS)):
        if line not in _FAULTLESS:
            return f"there is no line {line:g}; the lines are 1 to 7."
        return f"line {line:g} is right: {_FAULTLESS[line]}."
    left = [hint for line, hint in _FAULTS.items() if line not in found]
    return left[0] if left else None


_SCORES = ("score_fr", "score_pool4", "score_pool3")
_UPSCORES = {"upscore2": 2, "upscore_pool4": 2, "upscore8": 8}  # and their strides
# Each map of FCN-8s, in the order in which they are computed, and what it is made of.
_STEPS = {
    "score_fr": ("fc7",),
    "upscore2": ("score_fr",),
    "score_pool4": ("pool4",),
    "fuse_pool4": ("upscore2", "score_pool4"),
    "upscore_pool4": ("fuse_pool4",),
    "score_pool3": ("pool3",),
    "fuse_pool3": ("upscore_pool4", "score_pool3"),
    "upscore8": ("fuse_pool3",),
}


@exercise("04_skip_connections", asks_for="function", seconds=60)
def build_fcn8s(answer, random):
    """Check an FCN-8s: its layers, its parameters, and its maps with random weights.

    The network is compared with `models.fcn8s` under the same weights, first on an
    image whose sides are multiples of 32, then on one that needs every crop.

    Args:
        answer: function of `num_classes`; returns a Keras model whose layers have the
            names that the lesson prescribes.

    Example:
        >>> build_fcn8s(lambda num_classes: num_classes)
        Not yet: a keras.Model is asked for, and int came.
    """
    import keras

    from fcnlib import models

    if isinstance(answer.function, keras.Model):
        return "hand over the function that builds the network, not a network."
    num_classes = int(random.choice([3, 4, 6, 7]))  # never the 5 of the lesson
    reference = models.fcn8s(num_classes)  # first: Keras is slow at its first network
    model = _build(answer, num_classes)
    hint = _wrong_model(model, num_classes, reference)
    if hint is not None:
        return hint
    own_weights = model.get_weights()
    try:
        hint = _share_weights(model, reference, random)
        for height, width in ((64, 96), (72, 100)):
            image = random.integers(0, 256, (1, height, width, 3)).astype("float32")
            hint = hint or _different_map(model, reference, image)
    finally:
        model.set_weights(own_weights)
    return hint


def _build(answer, num_classes):
    """Return a student's network, or explain why it cannot be built."""
    try:
        return answer(num_classes)
    except Mistake as mistake:
        twice = re.search(r'name "(\w+)" is used', str(mistake))
        if twice:
            raise Mistake(
                f"two layers are called {twice[1]!r}; a name belongs to one layer."
            ) from None
        if f"but {2 * num_classes} go in" in str(mistake):
            raise Mistake(
                f"an upscore layer meets {2 * num_classes} channels, {num_classes} of "
                "each map, as a Concatenate gives them; an Add is asked for."
            ) from None
        raise


def _wrong_model(model, num_classes, reference):
    """Say what is wrong with a model's kind, layers or input."""
    import keras

    if not isinstance(model, keras.Model):
        came = type(model).__name__
        return f"a keras.Model is asked for, and {came} came."
    hint = _missing_layer(model, reference)
    if hint is not None:
        return hint
    for name in ("fuse_pool4", "fuse_pool3"):
        if isinstance(model.get_layer(name), keras.layers.Concatenate):
            return f"{name} is a Concatenate; an Add is asked for."
    if model.input_shape != (None, None, None, 3):
        return f"the input is fixed to {model.input_shape[1:]}; images have any size."
    for name in (*_SCORES, *_UPSCORES):
        hint = _wrong_layer(model.get_layer(name), num_classes)
        if hint is not None:
            return f"{name} {hint}"
    return None


def _missing_layer(model, reference):
    """Name a layer that is missing, or that the logits do not depend on.

    Keras lists only what leads to the output. A layer of another name is a sign that
    the name is wrong; without one, the map leads nowhere.
    """
    from keras.layers import InputLayer

    from fcnlib.layers import CropLike

    layers = [*model.layers, *reference.layers]
    free = {layer.name for layer in layers if isinstance(layer, CropLike | InputLayer)}
    names = {layer.name for layer in model.layers}
    missing = [name for name in _STEPS if name not in names]
    if not missing:
        return None
    if names - free - {layer.name for layer in reference.layers}:
        return f"no layer is called {missing[0]!r}; the text prescribes eight names."
    return (
        f"{missing[0]} is missing or leads nowhere: the logits do not depend on a "
        "layer of that name."
    )


def _wrong_layer(layer, num_classes):
    """Say what is wrong with a layer that scores or enlarges."""
    from keras.layers import Conv2D, Conv2DTranspose, Dense

    stride = _UPSCORES.get(layer.name)
    kind = Conv2DTranspose if stride else Conv2D
    if isinstance(layer, kind):
        hint = _wrong_window(layer, 2 * stride if stride else 1, stride or 1)
    elif isinstance(layer, Dense) and not stride:  # along the last axis, it is the same
        hint = None
    else:
        hint = f"is a {type(layer).__name__}; a {kind.__name__} is asked for."
    return hint or _wrong_scores(layer, num_classes, bool(stride))


def _wrong_window(layer, size, stride):
    """Say what is wrong with the kernel size, the stride or the padding."""
    if tuple(layer.strides) != (stride, stride):
        return (
            f"has the strides {tuple(layer.strides)}; which stride leads from its "
            "map to the next?"
        )
    if tuple(layer.kernel_size) != (size, size):
        rule = "twice its stride" if stride > 1 else "1, as each cell is scored alone"
        return f"has a kernel of {tuple(layer.kernel_size)}; its side should be {rule}."
    if layer.padding != "same" and size > 1:
        return f"has the padding {layer.padding!r}, which shifts its map."
    return None


def _wrong_scores(layer, num_classes, enlarges):
    """Say what is wrong with the scores that a layer returns, or how they start."""
    if layer.output.shape[-1] != num_classes:
        return f"gives {layer.output.shape[-1]} scores for {num_classes} classes."
    if layer.activation.__name__ != "linear":
        name = layer.activation.__name__
        return f"has the activation {name!r}; a score may have any value, as -2."
    if layer.use_bias == enlarges:
        if enlarges:
            return "has a bias, unlike the layer of fcnlib; is **bilinear missing?"
        return "has no bias, unlike the layer of fcnlib."
    start = layer.get_weights()
    if layer.name in ("score_pool4", "score_pool3") and any(map(np.any, start)):
        return "does not start at zero, so that new skips disturb the coarse scores."
    if enlarges and not _starts_bilinear(start[0]):
        return "does not start with the bilinear kernel, class by class."
    return None


def _starts_bilinear(kernel):
    """Tell whether a kernel enlarges each class bilinearly and mixes none."""
    from fcnlib import layers

    bilinear = layers.bilinear_kernel(len(kernel) // 2)
    return np.allclose(kernel, bilinear[:, :, None, None] * np.eye(kernel.shape[-1]))


def _share_weights(model, reference, random):
    """Give both models the same weights, or say where they differ in shape."""
    for layer in (layer for layer in reference.layers if layer.weights):
        if layer.name not in {own.name for own in model.layers}:
            return f"no layer is called {layer.name!r}; keep the lines that are given."
        own, shapes = model.get_layer(layer.name), [w.shape for w in layer.weights]
        weights = own.get_weights()
        if [w.size for w in weights] != [np.prod(shape) for shape in shapes]:
            return _wrong_sizes(layer.name, weights, shapes)
        if layer.name in _SCORES:
            weights = [random.normal(size=w.shape) for w in weights]
            own.set_weights(weights)
        pairs = zip(weights, shapes, strict=True)
        layer.set_weights([w.reshape(shape) for w, shape in pairs])
    more = model.count_params() - reference.count_params()
    if more:
        return f"it has {more} parameters more than fcnlib's; which layer holds them?"
    return None


def _wrong_sizes(name, weights, shapes):
    """Say how the weights of a layer differ in shape from those of fcnlib."""
    if name not in _SCORES:
        return f"{name} has other weights than in fcnlib; keep the given lines."
    found, expected = weights[0].shape[-2], shapes[0][-2]
    source = _STEPS[name][0]
    return f"{name} reads a map of {found} channels, and {source} has {expected}."


def _different_map(model, reference, image):
    """Name the first map that differs from fcnlib's, and the mistake behind it."""
    maps = {name: _look(reference, name, image) for name in _STEPS}
    size = " x ".join(str(length) for length in image.shape[1:3])
    for name in _STEPS:
        found = _look(model, name, image)
        if found is None:
            return _not_computed(name, maps, size)
        if _alike(found, maps[name]):
            continue
        for hint, mistaken in _mistaken_maps(name, maps, reference).items():
            if _alike(found, mistaken):
                return f"{name} {hint}"
        sources = " and ".join(_STEPS[name])
        return f"{name} is not made of {sources} as in fcnlib, on {size} pixels."
    return _different_logits(model, maps["upscore8"], image)


def _look(model, name, image):
    """Return what one layer of a model gives for an image, or `None` if it fails."""
    import keras

    try:
        part = keras.Model(model.inputs, model.get_layer(name).output)
        return np.asarray(part(image), "float64")
    except Exception:
        return None


def _alike(found, expected):
    """Tell whether two maps have one shape and, at their scale, equal values."""
    return found.shape == expected.shape and (
        np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()
    )


def _not_computed(name, maps, size):
    """Say why a map cannot be computed."""
    if name not in ("fuse_pool4", "fuse_pool3"):
        return f"{name} cannot be computed for an image of {size} pixels."
    sizes = {source: maps[source].shape[1:3] for source in _STEPS[name]}
    (first, (rows, columns)), (second, (height, width)) = sizes.items()
    if (rows, columns) == (height, width):
        return f"{name} adds maps of two strides; which pool is fused first?"
    return (
        f"{name} fails on {size} pixels: {first} has {rows} x {columns} cells there, "
        f"{second} {height} x {width}; what hangs over is to be cropped, and CropLike "
        "cuts its first map to its second."
    )


def _mistaken_maps(name, maps, reference):
    """Map hints to what the mistakes make of one map."""
    if name in _UPSCORES:
        (source,) = _STEPS[name]
        enlarge, scores = reference.get_layer(name), maps[source]
        return {
            f"enlarges {source} after a ReLU; scores below 0 are lost.": np.asarray(
                enlarge(np.maximum(scores, 0))
            ),
            f"enlarges {source} after a softmax; enlarge the scores.": np.asarray(
                enlarge(_softmax(scores))
            ),
        }
    if name in _SCORES:
        return {}
    enlarged, skip = (maps[source] for source in _STEPS[name])
    rows, columns = skip.shape[1:3]
    upper = enlarged[:, :rows, :columns]
    first, second = _STEPS[name]
    return {
        f"adds {second} to itself; CropLike cuts its first map to its second.": (
            2 * skip
        ),
        f"adds {first} to itself; {second} is left out.": 2 * upper,
        f"leaves out {second}.": upper,
        f"leaves out {first}.": skip,
        "takes the mean; fusion adds.": (upper + skip) / 2,
        "takes the larger score; fusion adds.": np.maximum(upper, skip),
        "multiplies; fusion adds.": upper * skip,
        "adds maps that are cropped at the top left; the first cells belong together, "
        "so the last ones go.": enlarged[:, -rows:, -columns:] + skip,
    }


def _softmax(scores):
    """Return the softmax over the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _different_logits(model, enlarged, image):
    """Compare the output of a model with the last map of the reference, cropped."""
    found = np.asarray(model(image))
    height, width = image.shape[1:3]
    logits = enlarged[:, :height, :width]
    if found.shape == enlarged.shape != logits.shape:
        return (
            f"an image of {height} x {width} pixels gets {enlarged.shape[1]} x "
            f"{enlarged.shape[2]} logits; one crop is left to do."
        )
    if _alike(found, image):
        return "the output is the image; CropLike cuts its first map to its second."
    if found.shape != logits.shape:
        return f"the output has the shape {found.shape}, and the logits {logits.shape}."
    lower = enlarged[:, -height:, -width:]
    mistakes = {
        "a softmax stands at the end; the logits are asked for.": _softmax(logits),
        "a ReLU stands at the end; the logits are asked for.": np.maximum(logits, 0),
        "the last crop is at the top left; pixel 0 belongs to the first cell.": lower,
    }
    if _alike(found, logits):
        return None
    for hint, mistaken in mistakes.items():
        if _alike(found, mistaken):
            return hint
    return "the output is not upscore8, cropped to the size of the images."
