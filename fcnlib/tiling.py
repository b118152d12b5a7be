"""Label large pictures tile by tile, and pictures together with their mirror images."""

import math

import keras
import numpy as np

from fcnlib import layers, models

# Layers that compute each cell from the cells at the same place.
_CELLWISE = (
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.Dropout,
    keras.layers.InputLayer,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    layers.CropLike,
)


def measure_reach(model):
    """Return how many pixels to each side the score of a pixel depends on.

    The layers are followed from the image to the logits. It is more than half of the
    receptive field of a cell, because each enlarging looks at neighboring cells too.

    Args:
        model: Functional Keras model from images (N, H, W, 3) to logits (N, H, W, C),
            with `padding="same"` everywhere.

    Returns:
        Two integers: the reach in pixels, and the stride of the coarsest map, on whose
        grid the tiles of a picture have to begin.

    Raises:
        ValueError: If the network has a layer whose reach is not known here.

    Example:
        >>> from fcnlib import models, tiling
        >>> tiling.measure_reach(models.fcn32s(num_classes=5))
        (169, 32)
    """
    fields, coarsest = {}, 1
    for operation in model.operations:
        sources = [id(tensor) for tensor in keras.tree.flatten(operation.input)]
        joined = [fields[source] for source in sources if source in fields]
        reach = max((reach for reach, _ in joined), default=0)
        stride = max((stride for _, stride in joined), default=1)
        fields[id(operation.output)] = reach, stride = _follow(operation, reach, stride)
        coarsest = math.lcm(coarsest, stride)
    reach, _ = fields[id(model.outputs[0])]
    return math.ceil(reach), coarsest


def predict_tiles(model, image, tile_size=1024, margin=None):
    """Label a picture of any size, at its own scale, in overlapping tiles.

    A pixel takes its label from a tile whose inner edges are farther away than the
    network reaches, so that it gets the label that it would get if the network saw the
    whole picture at once. The memory needed is that for one tile and for the labels.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        image: Array of shape (H, W, 3), uint8, RGB.
        tile_size: Integer, the largest height and width that the network sees.
        margin: Integer, how many pixels at inner edges get no label from a tile; by
            default the reach of the network, see `measure_reach`. A smaller margin is
            faster and leaves seams.

    Returns:
        Predictions of shape (H, W), uint8.

    Raises:
        ValueError: If the image has another shape or type, if the tiles are too small
            for the margin, or if no margin came and the reach is not known.

    Example:
        >>> import numpy as np
        >>> from fcnlib import models, tiling
        >>> picture = np.zeros((70, 600, 3), "uint8")
        >>> model = models.fcn8s(num_classes=5)
        >>> tiling.predict_tiles(model, picture, tile_size=512).shape
        (70, 600)
    """
    image = np.asarray(image)
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(
            f"expected one image of shape (H, W, 3), but got {image.shape}: pass one "
            "RGB image with at least one pixel."
        )
    margin, grid = measure_reach(model) if margin is None else (margin, 32)
    step = (tile_size - 2 * margin) // grid * grid
    if margin < 0 or step < grid:
        raise ValueError(
            f"expected tiles of at least {2 * max(margin, 0) + grid} pixels, but got "
            f"{tile_size} with a margin of {margin}: pass a larger tile_size."
        )
    height, width = image.shape[:2]
    predictions = np.zeros((height, width), "uint8")
    for top, bottom, first_row, end_row in _cut(height, tile_size, step, margin):
        for left, right, first, end in _cut(width, tile_size, step, margin):
            labels = models.predict_labels(model, image[top:bottom, left:right])
            inside = labels[first_row - top : end_row - top, first - left : end - left]
            predictions[first_row:end_row, first:end] = inside
    return predictions


def average_flips(model):
    """Return a network that looks at the image and at its mirror image.

    Its logits are the mean of those of the image and of those of the image with left
    and right exchanged, mirrored back. Logits are averaged rather than probabilities,
    because it is logits that `models.predict_picture` enlarges.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C). The new one
            has no weights of its own: training one changes the other.

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C); a mirrored image
        gets mirrored logits.

    Example:
        >>> from fcnlib import models, tiling
        >>> network = tiling.average_flips(models.fcn8s(num_classes=5))
        >>> network.output_shape
        (None, None, None, 5)
    """
    images = keras.Input(model.input_shape[1:], name="images")
    mirrored = keras.ops.flip(model(keras.ops.flip(images, axis=2)), axis=2)
    logits = (model(images) + mirrored) / 2
    return keras.Model(images, logits, name=f"{model.name}_flips")


def _follow(operation, reach, stride):
    """Return the reach and the stride of a layer's output, given those of its input.

    The reach is counted from the center of a cell, which "same" padding keeps in the
    center of the pixels that the cell sees.
    """
    window = getattr(operation, "kernel_size", getattr(operation, "pool_size", None))
    known = isinstance(operation, _CELLWISE) or _flips_channels(operation)
    if not known and (window is None or not _is_same(operation)):
        raise ValueError(
            "expected a network of convolutions, pools and sums with padding='same', "
            f"but {operation.name} is a {type(operation).__name__} of another kind: "
            "pass a margin."
        )
    if known:
        return reach, stride
    size = 1 + (max(window) - 1) * max(getattr(operation, "dilation_rate", (1,)))
    step = operation.strides[0]
    if isinstance(operation, keras.layers.Conv2DTranspose):
        return reach + (size - 1) / 2 * stride / step, stride // step
    uneven = (size - step) % 2  # one cell more is padded at the end than at the start
    return reach + (size - 1 + uneven) / 2 * stride, stride * step


def _flips_channels(operation):
    """Say whether an operation turns RGB into BGR."""
    return type(operation).__name__ == "Flip" and operation.axis == -1


def _is_same(operation):
    """Say whether a layer with a window pads evenly, or has nothing to pad."""
    return operation.padding == "same" or max(operation.kernel_size) == 1


def _cut(length, tile_size, step, margin):
    """Yield where tiles start and end along a side, and where their used parts do."""
    count = 1 + math.ceil(max(0, length - tile_size) / step)
    for start in range(0, count * step, step):
        end = min(start + tile_size, length)
        first = start + margin if start else 0
        yield start, end, first, end - margin if end < length else length
