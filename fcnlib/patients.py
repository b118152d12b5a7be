"""Runs that fail, each by one line, for the lesson on failures.

Open this file after the diagnosis. A run is a program of some steps, and each step is a
function of one line. Behind the healthy ones stands what somebody wrote instead.
"""

import dataclasses
import functools
import inspect

import cv2
import keras
import numpy as np

from fcnlib import datasets, layers, metrics, models, pasture

COMPLAINTS = {
    "Ada": "I run the lessons' network on new scenes, and it is nearly blind.",
    "Bruno": "I run the same network. It sees a lot, and a lot of it is wrong.",
    "Chloe": "It learns, and my loss is the lowest of us all. Is that good?",
    "Dev": "It learns, but pieces of sky lie in the grass.",
    "Eva": "It learns slowly. My horses have no legs, and no head at either end.",
    "Finn": "The loss does not move.",
    "Gita": "My loss does not move either. The learning rate is from a paper's code.",
    "Gus": "My loss is nan. The loss is from that code, the learning rate my own.",
    "Hugo": "The loss falls a little, and then hardly any more.",
    "Ida": "It finds fences, with fine scores. So why do I never see one?",
    "Jo": "The maps look right to me. My score says that they are wrong.",
}
NAMES = tuple(COMPLAINTS)

SIZE = (64, 64)
STORED_SIZE = (40, 40)  # of the label maps on the disk; with real data too, often less
SCENES = 320
BATCH_SIZE = 16
EPOCHS = 6


@dataclasses.dataclass(frozen=True)
class Patient:
    """A run as the person who complains hands it over.

    Attributes:
        complaint: String, what the person says; empty after the treatment.
        model: Compiled Keras model from images to scores (N, H, W, C).
        batches: List of (images, labels), as the person's program makes them.
        history: Dictionary of lists, one number an epoch; empty without a training.
        reported: Dictionary, the scores that the person counts on these batches.
        change: After the treatment, two strings: the broken line, and the mended one.

    Example:
        >>> Patient("It is slow.", None, [], {}, {}).change
        ()
    """

    complaint: str
    model: keras.Model
    batches: list
    history: dict
    reported: dict
    change: tuple = ()


def admit(name):
    """Return a run that fails.

    Runs that need a training are trained at the first call, which sets the random
    seed and takes a few seconds.

    Args:
        name: One of `NAMES`.

    Returns:
        `Patient`.

    Raises:
        ValueError: If there is no patient of that name.

    Example:
        >>> admit("Ada").complaint
        "I run the lessons' network on new scenes, and it is nearly blind."
    """
    return _run(name, dataclasses.replace(_healthy(name), **_BROKEN[name]))


def treat(name):
    """Return the same run with its broken line mended, and all else as it was.

    Args:
        name: One of `NAMES`.

    Returns:
        `Patient`, with `change`.

    Raises:
        ValueError: If there is no patient of that name.

    Example:
        >>> treat("Ada").change
        ('return images / 127.5 - 1', 'return images')
    """
    program = _healthy(name)
    ((step, broken),) = _BROKEN[name].items()
    change = _last_line(broken), _last_line(getattr(program, step))
    return dataclasses.replace(_run(name, program), complaint="", change=change)


def _last_line(function):
    """Return the last line of a function."""
    return inspect.getsource(function).splitlines()[-1].strip()


# The steps, and what somebody wrote instead.


def _read(file):
    """Read a picture."""
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]


def _read_bgr(file):
    """Read a picture."""
    return cv2.imdecode(file, cv2.IMREAD_COLOR)


def _prepare(images):
    """Prepare the colors for a network whose first layer does so."""
    return images


def _prepare_again(images):
    """Prepare the colors."""
    return images / 127.5 - 1


def _order():
    """List the classes by their numbers."""
    return list(pasture.CLASSES)


def _order_of_outlining():
    """List the classes by their numbers."""
    return ["horse", "fence", "grass", "sky", "tree"]  # as they were outlined


def _enlarge(labels):
    """Bring a label map to the size of its picture."""
    return cv2.resize(labels, SIZE, interpolation=cv2.INTER_NEAREST)


def _enlarge_smoothly(labels):
    """Bring a label map to the size of its picture."""
    return cv2.resize(labels, SIZE)


def _mark_void(labels):
    """Say what a label means that is no class."""
    return np.where(labels < 5, labels, 255)


def _fill_void(labels):
    """Say what a label means that is no class."""
    return np.where(labels < 5, labels, 0)


def _mirror(images, labels):
    """Flip pictures from left to right."""
    return images[:, :, ::-1], labels[:, :, ::-1]


def _mirror_images(images, labels):
    """Flip pictures from left to right."""
    return images[:, :, ::-1], labels


def _start():
    """Choose the first values in convolutions and in deconvolutions."""
    return "he_normal", layers.Bilinear


def _start_at_zero():
    """Choose the first values in convolutions and in deconvolutions."""
    return "zeros", "zeros"


def _finish(scores):
    """Make the network's output out of its scores."""
    return scores


def _finish_with_softmax(scores):
    """Make the network's output out of its scores."""
    return keras.layers.Softmax()(scores)


def _reduce():
    """Choose how the losses of the pixels become one."""
    return "sum_over_batch_size"  # Keras's name for the mean


def _add_up():
    """Choose how the losses of the pixels become one."""
    return "sum"


def _rate():
    """Choose the learning rate."""
    return 0.1


def _rate_of_a_sum():
    """Choose the learning rate."""
    return 1e-10


def _judge():
    """Choose the scores to report."""
    return [metrics.mean_iou]


def _judge_by_size():
    """Choose the scores to report."""
    return [metrics.pixel_accuracy, metrics.frequency_weighted_iou]


_BROKEN = {
    "Ada": {"prepare": _prepare_again},
    "Bruno": {"read": _read_bgr},
    "Chloe": {"enlarge": _enlarge_smoothly},
    "Dev": {"mark_void": _fill_void},
    "Eva": {"mirror": _mirror_images},
    "Finn": {"start": _start_at_zero},
    "Gita": {"rate": _rate_of_a_sum},
    "Gus": {"reduce": _add_up},
    "Hugo": {"finish": _finish_with_softmax},
    "Ida": {"judge": _judge_by_size},
    "Jo": {"order": _order_of_outlining},
}


# The program.


@dataclasses.dataclass(frozen=True)
class _Program:
    """The steps of a run, and what it is for."""

    is_training: bool
    only_fences: bool
    read: object = _read
    prepare: object = _prepare
    order: object = _order
    enlarge: object = _enlarge
    mark_void: object = _mark_void
    mirror: object = _mirror
    start: object = _start
    finish: object = _finish
    reduce: object = _reduce
    rate: object = _rate
    judge: object = _judge


def _healthy(name):
    """Return the program of a patient with all its lines right."""
    if name not in NAMES:
        raise ValueError(
            f"expected one of {', '.join(NAMES)}, but got {name!r}: choose a patient"
        )
    uses_shipped_network = name in ("Ada", "Bruno", "Jo")
    return _Program(not uses_shipped_network, only_fences=name == "Ida")


def _run(name, program):
    """Run a program and count its scores on its own batches."""
    run = _train if program.is_training else _use
    model, batches, history = run(dataclasses.replace(program, judge=_judge))
    confusion = 0
    for images, labels in batches:
        predictions = np.argmax(model(images, training=False), axis=-1)
        confusion = confusion + metrics.confusion_matrix(
            labels, predictions, model.output_shape[-1]
        )
    reported = {score.__name__: score(confusion) for score in program.judge()}
    return Patient(COMPLAINTS[name], model, batches, history, reported)


@functools.cache
def _use(program):
    """Run a shipped network on new scenes."""
    model = models.load_pretrained("pasture-fcn8s")
    model.compile(loss=_loss(program))
    images, labels = pasture.draw_scenes(range(16), *SIZE)
    files = [cv2.imencode(".png", image[..., ::-1])[1] for image in images]
    images = program.prepare(np.stack([program.read(file) for file in files]))
    renumber = np.full(256, datasets.VOID, "uint8")
    renumber[:5] = [program.order().index(name) for name in pasture.CLASSES]
    return model, _in_batches(images, renumber[labels]), {}


@functools.cache
def _train(program):
    """Train a small network from scratch."""
    keras.utils.set_random_seed(0)
    images, labels = _training_scenes(program)
    model = _small_network(program)
    optimizer = keras.optimizers.SGD(program.rate(), momentum=0.9)
    model.compile(optimizer, _loss(program), jit_compile=False)
    epochs = 2 if program.only_fences else EPOCHS
    history = model.fit(images, labels, BATCH_SIZE, epochs, verbose=0).history
    return model, _in_batches(images, labels), history


def _loss(program):
    """Return the cross-entropy of logits."""
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=datasets.VOID, reduction=program.reduce()
    )


def _training_scenes(program):
    """Return scenes with their stored label maps, every second one mirrored."""
    images, stored = _stored_scenes()
    images = images.copy()
    labels = program.mark_void(np.stack([program.enlarge(one) for one in stored]))
    images[1::2], labels[1::2] = program.mirror(images[1::2], labels[1::2])
    if program.only_fences:
        fence = pasture.CLASSES.index("fence")
        labels = np.where(labels == datasets.VOID, labels, labels == fence)
    return images, labels.astype("uint8")


@functools.cache
def _stored_scenes():
    """Draw scenes, and their label maps at the size in which they are stored."""
    seeds = datasets.PASTURE_SPLITS["train"][:SCENES]
    images, _ = pasture.draw_scenes(seeds, *SIZE)
    return images, pasture.draw_scenes(seeds, *STORED_SIZE)[1]


def _small_network(program):
    """Build four convolutions, of strides 2, 2, 1 and 1, and a deconvolution."""
    convolution, deconvolution = program.start()
    num_classes = 2 if program.only_fences else len(pasture.CLASSES)
    images = keras.Input((None, None, 3))
    features = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    for channels, stride, dilation in (16, 2, 1), (32, 2, 1), (48, 1, 2), (48, 1, 4):
        features = keras.layers.Conv2D(
            channels,
            kernel_size=3,
            strides=stride,
            dilation_rate=dilation,
            padding="same",
            use_bias=False,
            kernel_initializer=convolution,
        )(features)
        features = keras.layers.BatchNormalization(momentum=0.9)(features)
        features = keras.layers.ReLU()(features)
    # Scores start at zero, so that every class is equally likely.
    scores = keras.layers.Conv2D(num_classes, 1, kernel_initializer="zeros")(features)
    enlarged = keras.layers.Conv2DTranspose(
        num_classes,
        kernel_size=8,
        strides=4,
        padding="same",
        use_bias=False,
        kernel_initializer=deconvolution,
    )(scores)
    return keras.Model(images, layers.CropLike()([program.finish(enlarged), images]))


def _in_batches(images, labels):
    """Cut images and labels into batches."""
    starts = range(0, len(images), BATCH_SIZE)
    return [
        (images[start : start + BATCH_SIZE], labels[start : start + BATCH_SIZE])
        for start in starts
    ]
