"""Measure what the networks of the paper's size need: memory, and time on a GPU."""

import functools
import itertools
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import cv2
import keras
import numpy as np
import tensorflow as tf

from fcnlib import datasets, distribution, models, pasture, voc_recipes

# The most frequent size of Pascal VOC's pictures.
HEIGHT, WIDTH = 375, 500
CLASSES = len(voc_recipes.CLASSES)
NO_GPU = "no GPU was at hand"


def measure_memory():
    """Measure the most memory that FCN-8s of size "vgg16" takes on the processor.

    Each way runs in a process of its own: two steps of the paper's training with one
    picture, and the labels of one picture.

    Returns:
        Dictionary with the peaks in gigabytes (10^9 bytes), everything included.

    Example:
        >>> measure_memory()["training_gigabytes"] < 6  # doctest: +SKIP
        True
    """
    return {
        "command": "python -m fcnlib measure memory",
        "network": "fcn8s",
        "size": "vgg16",
        "picture": [HEIGHT, WIDTH],
        "training_gigabytes": _run_alone("train"),
        "inference_gigabytes": _run_alone("infer"),
        "system": f"{platform.system()} {platform.machine()}",
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def measure_gpu(size="vgg16", image_size=(HEIGHT, WIDTH), steps=20):
    """Measure steps a second of FCN-8s on the first GPU, and the input pipeline.

    A step is the paper's, with one picture, in single and in half precision, with and
    without XLA. Its share of the peak compares its multiplications and additions with
    those that one large product of matrices does in that time, in the same precision.

    Args:
        size: Size of the network, see `models.fcn32s`.
        image_size: (height, width) of the picture.
        steps: Integer, how many steps to time.

    Returns:
        Dictionary; where there is no GPU, it says so and holds no number.

    Example:
        >>> sorted(measure_gpu())  # doctest: +SKIP
        ['command', 'device']
    """
    stored = {"command": "python -m fcnlib measure gpu"}
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return {**stored, "device": None, "reason": NO_GPU}
    details = tf.config.experimental.get_device_details(gpus[0])
    return {
        **stored,
        "device": details.get("device_name", gpus[0].name),
        "network": "fcn8s",
        "size": size,
        "picture": list(image_size),
        "batch": 1,
        "runs": measure_steps(size, image_size, steps),
        "input_images_per_second": measure_input(image_size),
    }


def measure_steps(size, image_size, steps):
    """Time training steps on the first device, in four ways.

    Args:
        size: Size of the network, see `models.fcn32s`.
        image_size: (height, width) of the picture.
        steps: Integer, how many steps to time.

    Returns:
        List of dictionaries, one for each way.

    Example:
        >>> runs = measure_steps("vgg16", (375, 500), steps=20)  # doctest: +SKIP
        >>> [(run["precision"], run["xla"]) for run in runs][:2]  # doctest: +SKIP
        [('float32', False), ('float32', True)]
    """
    half = "float16" if tf.config.list_physical_devices("GPU") else "bfloat16"
    runs = []
    for precision, xla in itertools.product(("float32", half), (False, True)):
        with voc_recipes.precision(precision != "float32"):
            model, step = _make_step(size, image_size, xla)
        rate = _time(step, steps)
        operations = 3 * count_operations(model, image_size)  # forward, and back twice
        runs.append(
            {
                "precision": precision,
                "xla": xla,
                "steps_per_second": round(rate, 3),
                "share_of_peak": round(rate * operations / _measure_peak(precision), 4),
            }
        )
    return runs


def count_operations(model, image_size):
    """Count the multiplications and additions of a network's convolutions.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        image_size: (height, width) of one image.

    Returns:
        Integer, for one image, forward.

    Example:
        >>> import keras
        >>> images = keras.Input((None, None, 3))
        >>> scores = keras.layers.Conv2D(2, 3, padding="same")(images)
        >>> count_operations(keras.Model(images, scores), (4, 5))  # 2 x 20 x 54
        2160
    """
    convolutions = [each for each in model.layers if "Conv2D" in type(each).__name__]
    # A transposed convolution multiplies at each position that goes in.
    maps = [
        each.input if isinstance(each, keras.layers.Conv2DTranspose) else each.output
        for each in convolutions
    ]
    specs = keras.Model(model.input, maps).compute_output_spec(
        keras.KerasTensor((1, *image_size, 3))
    )
    return sum(
        2 * int(np.prod(spec.shape[1:3])) * int(np.prod(layer.kernel.shape))
        for spec, layer in zip(keras.tree.flatten(specs), convolutions, strict=True)
    )


def measure_input(image_size=(HEIGHT, WIDTH), pictures=200):
    """Time the reading of pairs from JPEG and PNG files, in the order of a training.

    Args:
        image_size: (height, width) of the pictures.
        pictures: Integer, how many to read.

    Returns:
        Float, pictures a second.

    Example:
        >>> measure_input((32, 48), pictures=4) > 0
        True
    """
    with tempfile.TemporaryDirectory() as folder:
        pairs = _write_pairs(pathlib.Path(folder), image_size)

        def load(number):
            return datasets.read_pair(*pairs[number % len(pairs)])

        strategy = distribution.choose_strategy()
        dealt = distribution.deal(load, range(pictures), 1, strategy, [])
        start = time.perf_counter()
        for _ in dealt:
            pass
        return round(pictures / (time.perf_counter() - start), 1)


def run_once(way):
    """Train or infer once with FCN-8s of size "vgg16", and print the memory it took.

    Args:
        way: "train" or "infer".

    Example:
        >>> run_once("infer")  # doctest: +SKIP
        1.75
    """
    import resource  # which Windows lacks

    if way == "train":
        _, step = _make_step("vgg16", (HEIGHT, WIDTH), xla=False)
        step(), step()
    else:
        model = models.fcn8s(CLASSES, "vgg16")
        models.predict_labels(model, np.zeros((HEIGHT, WIDTH, 3), "uint8"))
    # Linux counts in kibibytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(round(peak / 1e9, 2))


def _run_alone(way):
    """Return what `run_once` prints in a process of its own."""
    code = f"from fcnlib import measurements; measurements.run_once({way!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"the process that measures memory failed: {done.stderr[-300:]}")
    return json.loads(done.stdout.split()[-1])


def _make_step(size, image_size, xla):
    """Return FCN-8s, and a function that does a step of the paper's training."""
    model = voc_recipes.build_network("voc-fcn8s", size)
    half = model.get_layer("fc6").compute_dtype == "float16"
    optimizer = voc_recipes.make_optimizer("voc-fcn8s", "paper", 1, scale_loss=half)
    optimizer.build(model.trainable_variables)
    images = tf.zeros((1, *image_size, 3), tf.uint8)
    labels = tf.zeros((1, *image_size), tf.uint8)
    share = ((tf.constant(0, tf.int64), images, labels),)
    step = functools.partial(distribution.step_replica, model, optimizer, True, 0)
    compiled = tf.function(step, jit_compile=xla)
    return model, lambda: compiled(share)


def _time(step, steps):
    """Return how often a second a step is done, once it is compiled."""
    float(step())
    start = time.perf_counter()
    for _ in range(steps):
        loss = step()
    float(loss)  # waits until the device has done all
    return steps / (time.perf_counter() - start)


def _measure_peak(precision, side=4096):
    """Return the operations a second of a large product of matrices."""
    side = side if tf.config.list_physical_devices("GPU") else 512
    matrix = tf.zeros((side, side), precision)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    return 2 * side**3 * _time(product, 20)


def _write_pairs(folder, image_size, count=8):
    """Write drawn scenes as VOC stores pictures, and return their paths."""
    pairs = []
    for seed in range(count):
        image, labels = pasture.draw_scene(seed, *image_size)
        pair = folder / f"{seed}.jpg", folder / f"{seed}.png"
        cv2.imwrite(str(pair[0]), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        datasets.write_png(pair[1], labels)
        pairs.append(pair)
    return pairs
