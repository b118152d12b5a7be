"""Hand a network on: as ONNX or LiteRT, checked by its labels, with a model card."""

import contextlib
import importlib.util
import logging
import os
import pathlib
import sys
import tempfile
import textwrap
import warnings

import keras
import numpy as np
import tensorflow as tf

from fcnlib import datasets, models

# The layers that score the classes, from coarse to fine: at pool5, pool4 and pool3.
BRANCHES = ("score_fr", "score_pool4", "score_pool3")

_NOT_STATED = "Not stated."
_SHIPPED_LICENSE = (
    "MIT, as the code of fcnlib. The license does not cover the images that the "
    "network learned from."
)

# What other sections than the one on its making say.
_ELSEWHERE = ("name", "architecture", "size", "num_classes", "classes", "working_size")
_ELSEWHERE += ("data", "scores", "limits", "license")


def to_onnx(model, path):
    """Write a network as an ONNX file, which ONNX Runtime runs without Keras.

    The file takes images as float32, RGB from 0 to 255, of any number and size, and
    gives their logits.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        path: String or path that ends with .onnx; a file of that name is replaced.

    Raises:
        ValueError: If the path has another ending, if the package tf2onnx is not
            installed, or if the network cannot be converted.
        OSError: If the file cannot be written; nothing is left behind then.

    Example:
        >>> import keras, pathlib, tempfile
        >>> from fcnlib import export
        >>> images = keras.Input((None, None, 3))
        >>> logits = keras.layers.Conv2D(2, 3, padding="same")(images)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "network.onnx"
        >>> export.to_onnx(keras.Model(images, logits), path)
        >>> path.is_file()
        True
    """
    _check_ending(path, (".onnx",))
    _check_package("tf2onnx", "to write ONNX")
    _export(model, path, format="onnx")


def to_litert(model, path):
    """Write a network as a LiteRT file, which telephones and small computers run.

    LiteRT was called TensorFlow Lite, hence the ending. The file takes images as
    float32, RGB from 0 to 255, of any number and size, and gives their logits; the
    interpreter has to be told the size first, by `resize_tensor_input`.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        path: String or path that ends with .tflite; a file of that name is replaced.

    Raises:
        ValueError: If the path has another ending or the network cannot be converted.
        OSError: If the file cannot be written; nothing is left behind then.

    Example:
        >>> import keras, pathlib, tempfile
        >>> from fcnlib import export
        >>> images = keras.Input((None, None, 3))
        >>> logits = keras.layers.Conv2D(2, 3, padding="same")(images)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "network.tflite"
        >>> export.to_litert(keras.Model(images, logits), path)
        >>> path.is_file()
        True
    """
    _check_ending(path, (".tflite",))
    # Without this, a file could be written that the plain interpreter cannot run.
    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    _export(model, path, format="litert", target_spec=builtins)


def with_branches(model):
    """Return a network that also gives the scores of each branch, for `to_onnx`.

    The scores of the branches, enlarged and added, are the logits. Whoever has them can
    leave one out and see what it adds. Section 4.2 of Long et al. (2015).

    Args:
        model: Keras model from `models.fcn32s`, `models.fcn16s` or `models.fcn8s`.

    Returns:
        Keras model from images (N, H, W, 3) to a dictionary: "logits" (N, H, W, C),
        and under the names in `BRANCHES`, as far as the network has them, scores
        (N, h, w, C) at a 32nd, a 16th and an 8th of the height and width, rounded up.
        It shares its layers with the network.

    Raises:
        ValueError: If no layer of the network has one of those names.

    Example:
        >>> from fcnlib import export, models
        >>> list(export.with_branches(models.fcn16s(num_classes=5)).output)
        ['logits', 'score_fr', 'score_pool4']
    """
    names = {layer.name for layer in model.layers}
    scores = {name: model.get_layer(name).output for name in BRANCHES if name in names}
    if not scores:
        raise ValueError(
            f"{model.name}: expected a layer named {', '.join(BRANCHES[:-1])} or "
            f"{BRANCHES[-1]}, but it has none: build it with fcnlib.models."
        )
    outputs = {"logits": model.output, **scores}
    return keras.Model(model.inputs, outputs, name=model.name)


def compare(model, path, images):
    """Return the share of pixels to which an exported file gives the network's label.

    A file is run by ONNX Runtime or by LiteRT, one image after the other. Where two
    classes have nearly the same score, rounding decides; 0.999 and more is agreement.

    Args:
        model: Keras model that was exported.
        path: String or path of the file that `to_onnx` or `to_litert` wrote.
        images: Array of shape (N, H, W, 3) or, for one image, (H, W, 3), uint8, RGB.

    Returns:
        Float from 0 to 1.

    Raises:
        ValueError: If the package that runs the file is not installed, if the file is
            damaged, or if the images have another shape or type.
        FileNotFoundError: If there is no such file.

    Example:
        >>> import keras, pathlib, tempfile
        >>> from fcnlib import export, pasture
        >>> images = keras.Input((None, None, 3))
        >>> model = keras.Model(images, keras.layers.Conv2D(2, 3)(images))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "network.onnx"
        >>> export.to_onnx(model, path)
        >>> export.compare(model, path, pasture.draw_scene(seed=0)[0]) > 0.999
        True
    """
    _check_ending(path, (".onnx", ".tflite"))
    predictions = models.predict_labels(model, images)
    batch = np.reshape(images, (-1, 1, *np.shape(images)[-3:])).astype("float32")
    with _silence():
        run = _load_runner(pathlib.Path(path))
        exported = [run(image).argmax(axis=-1)[0] for image in batch]
    return float(np.mean(np.reshape(exported, predictions.shape) == predictions))


def model_card(card):
    """Return what a user has to know about a network, as Markdown text.

    Args:
        card: Name of a shipped network, see `models.PRETRAINED`, or a dictionary with
            entries as in `models.read_card`. What it does not say, the text shows as
            not stated. Other entries are listed with how the network was made.

    Returns:
        String: what the network is, its data, scores, making, limits and license.

    Raises:
        ValueError: If no shipped network has that name.
        FileNotFoundError: If its card is missing.

    Example:
        >>> from fcnlib import export
        >>> export.model_card("pasture-fcn8s").splitlines()[0]
        '# pasture-fcn8s'
    """
    if isinstance(card, str):
        card = {"license": _SHIPPED_LICENSE, **models.read_card(card)}
    sections = {
        "What it is": _describe_network(card),
        "Data": card.get("data", _NOT_STATED),
        "Scores": _tabulate_scores(_score_rows(card)),
        "How it was made": _list_making(card),
        "Limits": _list_limits(card),
        "License": card.get("license", _NOT_STATED),
    }
    parts = [f"## {title}\n\n{text}\n" for title, text in sections.items()]
    return "\n".join([f"# {card.get('name', 'Unnamed network')}\n", *parts])


def _check_ending(path, endings):
    """Refuse a path that does not end as its format asks."""
    if pathlib.Path(path).suffix not in endings:
        raise ValueError(
            f"expected a path that ends with {' or '.join(endings)}, but got {path}: "
            "choose another name."
        )


def _check_package(name, purpose):
    """Refuse to go on without an optional package."""
    module = name.replace("-", "_")
    if importlib.util.find_spec(module) is None:
        raise ValueError(
            f"expected the package {name} {purpose}, but it is not installed: run "
            f"python -m pip install {name}."
        )


def _export(model, path, **options):
    """Convert a network with Keras's own export and write the file, whole or not."""
    _check_precision(model)
    path = pathlib.Path(path)
    # Said here, because Keras refuses to guess it for a model that has not run yet.
    signature = [tf.TensorSpec(model.input_shape, "float32", name="images")]
    with tempfile.TemporaryDirectory() as folder:
        converted = pathlib.Path(folder) / f"network{path.suffix}"
        try:
            with _silence():
                model.export(
                    converted, verbose=False, input_signature=signature, **options
                )
        except Exception as error:  # each converter has its own kinds
            raise ValueError(
                f"{model.name}: expected layers that {options['format']} knows, but "
                f"the conversion failed ({_shorten(error)}): build it of others."
            ) from error
        datasets.write_file(path, converted.read_bytes())


@contextlib.contextmanager
def _silence():
    """Keep what converters and interpreters warn and write off the screen."""
    sys.stderr.flush()
    kept, disabled = os.dup(2), logging.root.manager.disable
    logging.disable()
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        logging.disable(disabled)


def _check_precision(model):
    """Refuse a network that computes in half precision, which the formats do not."""
    for layer in model.layers:
        if layer.compute_dtype != "float32":
            raise ValueError(
                f"{model.name}: expected a network in float32, but its layer "
                f"{layer.name} computes in {layer.compute_dtype}: build it again "
                "without mixed precision and copy its weights."
            )


def _shorten(error):
    """Return an error's message in one line of bearable length."""
    return textwrap.shorten(str(error) or type(error).__name__, width=200)


def _load_runner(path):
    """Return the function from one float32 image to logits that a file stands for."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected an exported network, but found none: write it first."
        )
    package, load = {
        ".onnx": ("onnxruntime", _load_onnx),
        ".tflite": ("ai-edge-litert", _load_litert),
    }[path.suffix]
    _check_package(package, f"to run {path.name}")
    try:
        return load(str(path))
    except Exception as error:  # each runtime has its own kinds
        raise ValueError(
            f"{path}: expected a network that {package} reads, but it is damaged or "
            f"another file ({_shorten(error)}): export the network again."
        ) from error


def _load_onnx(path):
    """Return a function that runs an ONNX file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def _load_litert(path):
    """Return a function that runs a LiteRT file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]

    def run(image):
        """Return the logits of one image, whatever its size."""
        interpreter.resize_tensor_input(source, image.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source, image)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return run


def _describe_network(card):
    """Say what goes in and what comes out."""
    architecture = card.get("architecture", "not stated")
    text = (
        f"A fully convolutional network (architecture: {architecture}, size: "
        f"{card.get('size', 'not stated')}).\nIt gives each pixel of an image, RGB "
        "from 0 to 255, one class:\n\n"
    )
    classes = enumerate(card.get("classes", ()))
    text += "\n".join(f"- {index}: {name}" for index, name in classes) or _NOT_STATED
    if "working_size" in card:
        height, width = card["working_size"]
        text += (
            f"\n\nIt works on pictures scaled to fit into {height} x {width} pixels."
        )
    return text


def _score_rows(card):
    """Return the scores of a card, one dictionary for each set of images."""
    scores = card.get("scores", {})
    if "mean_iou" in scores:
        return {"all": scores}
    return {name: row for name, row in scores.items() if isinstance(row, dict)}


def _tabulate_scores(rows):
    """Return scores as a Markdown table."""
    rows = {name: _flatten(row) for name, row in rows.items()}
    if not rows:
        return _NOT_STATED
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [["images", *columns], ["---"] * (len(columns) + 1)]
    lines += [
        [name, *(_as_text(row.get(column, "")) for column in columns)]
        for name, row in rows.items()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _flatten(scores):
    """Return scores with one entry for the IoU of each class."""
    flat = {}
    for name, value in scores.items():
        words = name.replace("_", " ").replace("iou", "IoU")
        if isinstance(value, dict):
            flat |= {f"{words} {part}": each for part, each in value.items()}
        else:
            flat[words] = value
    return flat


def _as_text(value):
    """Return an entry of a card as text, scores with three digits."""
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) <= 1 else f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_as_text(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_as_text, value))
    return str(value)


def _list_making(card):
    """List the entries that no other section shows."""
    lines = [
        f"- {name.replace('_', ' ')}: {_as_text(value)}"
        for name, value in card.items()
        if name not in _ELSEWHERE
    ]
    return "\n".join(lines) or _NOT_STATED


def _list_limits(card):
    """List what the card says against the network, and what its scores say."""
    stated = card.get("limits", [])
    lines = [stated] if isinstance(stated, str) else list(stated)
    lines.append("Each pixel gets one of the classes, also where the image shows none.")
    for name, row in _score_rows(card).items():
        if row.get("iou"):
            worst = min(row["iou"], key=row["iou"].get)
            iou = _as_text(row["iou"][worst])
            lines.append(
                f"The weakest class on {name} is {worst}, with an IoU of {iou}."
            )
    return "\n".join(f"- {line}" for line in lines)
