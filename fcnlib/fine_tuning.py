"""Fine-tune a shipped network on a folder of pictures, and load what came of it."""

import hashlib
import json
import os
import pathlib
import platform

import cv2
import keras
import numpy as np

from fcnlib import datasets, folders, models, training

BATCH_SIZE = 8
# Lower than from scratch, so that little of what was learned before is lost.
LEARNING_RATE = 1e-3
LIMIT = (
    "The held-out pictures also chose the epoch, so their score is a little too high."
)


def split_pairs(pairs, seed=0):
    """Hold out a fifth of some pairs, at least one, chosen at random.

    Args:
        pairs: List of pairs, two or more.
        seed: Integer; the same seed holds out the same pairs.

    Returns:
        Two lists, each in the old order: the pairs to learn from, and those held out.

    Raises:
        ValueError: If there are fewer than two pairs.

    Example:
        >>> from fcnlib import fine_tuning
        >>> [len(part) for part in fine_tuning.split_pairs(list(range(12)))]
        [10, 2]
    """
    if len(pairs) < 2:
        raise ValueError(
            f"expected at least two pictures with label maps, but got {len(pairs)}: "
            "one has to be held out to score the network; add pictures."
        )
    order = np.random.default_rng(seed).permutation(len(pairs))
    held_out = set(order[: max(1, round(len(pairs) / 5))].tolist())
    learned = [pair for index, pair in enumerate(pairs) if index not in held_out]
    return learned, [pairs[index] for index in sorted(held_out)]


def train_on_folder(
    name,
    images_folder,
    labels_folder,
    folder,
    start="pasture-fcn8s",
    epochs=40,
    class_names=None,
):
    """Fine-tune a shipped network on the pictures of a folder, and store it.

    Nothing is trained before `datasets.inspect_folder` finds no problem. A fifth of
    the pairs is held out; after each epoch that scores best on them, the network and
    its card are stored, so that an interruption leaves the best so far. The same call
    goes on from the last whole epoch; any other call for a name that is there is
    refused. Pictures are learned at the scale at which `models.predict_picture` shows
    them to a network: small ones are enlarged to the working size.

    Args:
        name: String, the name of the new network and of its files.
        images_folder: String or path of the folder with pictures.
        labels_folder: String or path of the folder with label maps.
        folder: String or path of the folder to write NAME.weights.h5 and NAME.json to.
        start: One of `models.PRETRAINED`.
        epochs: Integer, how often to go through the pictures.
        class_names: List of names in the order of the classes; by default the numbers
            up to the highest in the label maps.

    Returns:
        Dictionary, the card.

    Raises:
        ValueError: If something is wrong with the name, the pictures or the labels,
            or if another network of that name is in the folder.
        FileNotFoundError: If a folder is missing.

    Example:
        >>> from fcnlib import fine_tuning
        >>> fine_tuning.train_on_folder("a/b", "photos", "labels", "networks")
        Traceback (most recent call last):
        ValueError: expected a name such as barns, but got 'a/b': choose another.
    """
    if pathlib.Path(name).name != name or name in ("", "..", *models.PRETRAINED):
        raise ValueError(
            f"expected a name such as barns, but got {name!r}: choose another."
        )
    if epochs < 1:
        raise ValueError(
            f"expected at least one epoch, but got {epochs}: train longer."
        )
    base, base_card = models.load_pretrained(start), models.read_card(start)
    classes = _inspect(images_folder, labels_folder, class_names)
    pairs = datasets.folder_pairs(images_folder, labels_folder)
    learned, held_out = split_pairs(pairs)
    folder = pathlib.Path(folder)
    card = {
        "name": name,
        **{key: base_card[key] for key in ("architecture", "size", "working_size")},
        "num_classes": len(classes),
        "classes": list(classes),
        "data": f"{len(learned)} pictures of {images_folder}; {len(held_out)} others "
        "of it were held out.",
        "start": start,
        "epochs": epochs,
        "machine": f"{os.cpu_count()} {platform.machine()} cores",
        "limits": [LIMIT],
    }
    backup = _choose_backup(card, learned, folder)
    model = models.build(card)
    models.copy_weights(base, model)
    _fine_tune(model, card, learned, held_out, folder, backup)
    model, card = load_network(folder / f"{name}.json")
    confusion = training.evaluate_pictures(
        model,
        (datasets.read_pair(*pair) for pair in held_out),
        card["working_size"],
    )
    scores = {"held out, at their own sizes": training.scores(confusion, classes)}
    return save_network(model, {**card, "scores": scores}, folder)


def save_network(model, card, folder):
    """Write the weights of a network and its card into a folder.

    Args:
        model: Keras model of the architecture that the card names.
        card: Dictionary with "name", "architecture", "size" and "num_classes".
        folder: String or path of a folder that exists.

    Returns:
        Dictionary, the card with "sha256".

    Raises:
        OSError: If a file cannot be written.

    Example:
        >>> import tempfile
        >>> from fcnlib import fine_tuning, models
        >>> card = {"name": "barns", "architecture": "fcn8s", "size": "course"}
        >>> card["num_classes"] = 2
        >>> folder = tempfile.mkdtemp()
        >>> card = fine_tuning.save_network(models.fcn8s(2), card, folder)
        >>> fine_tuning.load_network(f"{folder}/barns.json")[1] == card
        True
    """
    folder = pathlib.Path(folder)
    bare = models.build(card)  # without the optimizer, which would be stored as well
    bare.set_weights(model.get_weights())
    # h5py takes a full disk so badly that Python crashes.
    datasets.need_space(folder, 1.1 * sum(each.nbytes for each in bare.get_weights()))
    temporary = folder / f".{card['name']}.{os.getpid()}.weights.h5"
    try:
        bare.save_weights(temporary)
        content = temporary.read_bytes()
    finally:
        temporary.unlink(missing_ok=True)
    card = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    datasets.write_file(folder / f"{card['name']}.weights.h5", content)
    text = json.dumps(card, indent=2) + "\n"
    datasets.write_file(folder / f"{card['name']}.json", text.encode())
    return card


def load_network(path):
    """Load a network that `save_network` wrote, once its SHA-256 is verified.

    Args:
        path: String or path of its card, NAME.json; the weights lie beside it.

    Returns:
        Keras model from images (N, H, W, 3) to logits (N, H, W, C) float32, and the
        card, a dictionary.

    Raises:
        FileNotFoundError: If the card or the weights are missing.
        ValueError: If the card is none, or if the weights are not those that it names.

    Example:
        >>> from fcnlib import fine_tuning
        >>> fine_tuning.load_network("barns.json")
        Traceback (most recent call last):
        FileNotFoundError: barns.json: expected the card of a network, ...
    """
    path = pathlib.Path(path)
    weights = path.with_name(f"{path.stem}.weights.h5")
    for each, kind in ((path, "card"), (weights, "weights")):
        if not each.is_file():
            raise FileNotFoundError(
                f"{each}: expected the {kind} of a network, but found none: give the "
                "path of NAME.json with NAME.weights.h5 beside it."
            )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        digest, model = card["sha256"], models.build(card)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: expected the card of a network, but it is another file or "
            "damaged: train the network again."
        ) from error
    if hashlib.sha256(weights.read_bytes()).hexdigest() != digest:
        raise ValueError(
            f"{weights}: expected SHA-256 {digest}, as {path.name} says, but the file "
            "has another: it is damaged or was changed; train the network again."
        )
    model.load_weights(weights)
    return model, card


class _KeepBest(keras.callbacks.Callback):
    """Store the network with its card after each epoch that scores best so far."""

    def __init__(self, card, folder, best):
        super().__init__()
        self.card, self.folder, self.best = card, folder, best

    def on_epoch_end(self, epoch, logs):
        """Compare the score of an epoch with the best one."""
        if logs["val_mean_iou"] <= self.best:
            return
        self.best = logs["val_mean_iou"]
        score = {"mean_iou": round(self.best, 4)}
        card = {
            **self.card,
            "best_epoch": epoch + 1,
            "scores": {"held out, at the working size": score},
        }
        save_network(self.model, card, self.folder)


def _inspect(images_folder, labels_folder, class_names):
    """Print what is in a folder, refuse it if that is wrong, and name its classes."""
    count = None if class_names is None else len(class_names)
    report = datasets.inspect_folder(images_folder, labels_folder, count)
    print(report, flush=True)
    if report.problems:
        raise ValueError(
            f"{labels_folder}: expected label maps to learn from, but found "
            f"{folders._count(len(report.problems), 'problem')}: repair the "
            "files listed above."
        )
    highest = np.flatnonzero(report.counts[:255]).max()
    return class_names or [str(number) for number in range(highest + 1)]


def _choose_backup(card, learned, folder):
    """Return where a training keeps its state, unless it would overwrite another."""
    digest = hashlib.sha256(json.dumps([card, list(map(str, learned))]).encode())
    backup = folder / f"{card['name']}.training" / digest.hexdigest()[:16]
    for suffix in (".json", ".weights.h5"):
        path = folder / f"{card['name']}{suffix}"
        if path.exists() and not backup.is_dir():
            raise ValueError(
                f"{path}: expected a new name, or an interrupted training that was "
                "called in the same way, but another network is there: choose another "
                "name, or delete this file."
            )
    return backup


def _fine_tune(model, card, learned, held_out, folder, backup):
    """Train a network, from where an interrupted training of the same card ended."""
    folder.mkdir(parents=True, exist_ok=True)
    best, stored = -1, folder / f"{card['name']}.json"
    if stored.is_file():
        scores = json.loads(stored.read_text(encoding="utf-8"))["scores"]
        best = max(score["mean_iou"] for score in scores.values())
    keras.utils.set_random_seed(0)
    size = card["working_size"]
    learned, held_out = (
        [_scale(*datasets.read_pair(*pair), size) for pair in pairs]
        for pairs in (learned, held_out)
    )
    training.fit(
        model,
        datasets.batches(learned, size, BATCH_SIZE, augment=True),
        card["epochs"],
        learning_rate=LEARNING_RATE,
        validation=datasets.batches(held_out, size, BATCH_SIZE),
        callbacks=[
            keras.callbacks.BackupAndRestore(backup),
            _KeepBest(card, folder, best),
        ],
    )
    if backup.parent.is_dir() and not any(backup.parent.iterdir()):
        backup.parent.rmdir()


def _scale(image, labels, size):
    """Bring a pair to the scale at which `models.predict_picture` shows it."""
    height, width = labels.shape
    scale = min(size[0] / height, size[1] / width)
    scaled_size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return (
        cv2.resize(image, scaled_size, interpolation=method),
        cv2.resize(labels, scaled_size, interpolation=cv2.INTER_NEAREST_EXACT),
    )
