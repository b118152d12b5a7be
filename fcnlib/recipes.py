"""Train the networks that ship, and write their weights and cards."""

import os
import pathlib
import platform
import time

import keras
import tensorflow as tf

from fcnlib import datasets, models, pasture, training

# Scenes of many sizes; the largest is the one that the pasture networks work at.
PASTURE_SIZES = [training.SIZE, (240, 320), (96, 128), training.SIZE, (160, 160)]
PASTURE_SEEDS = range(20_000, 28_000)
PASTURE_EPOCHS = 4

# Horses: first one epoch of drawn scenes, then the photographs.
HORSES_SIZES = [training.SIZE, (96, 128), (160, 160)]
HORSES_SIZE = (256, 256)
HORSES_WORKING_SIZE = (256, 320)
HORSES_EPOCHS = 100
HORSES_BATCH_SIZE = 8
HORSES_CLASSES = ("background", "horse")
HORSES_LIMITS = (
    "It learned from 178 photographs of horses, most seen from the side and alone.",
    "It never saw a photograph without a horse: of a person, a cat or a cup it calls "
    "large parts horse.",
    "The validation photographs also chose the epoch, so their score is a little too "
    "high.",
)


def train_pretrained(name):
    """Train one of the networks that ship, and write its weights and its card.

    A training that was interrupted goes on from its last whole epoch; the minutes on
    the card are those since the last start.

    Args:
        name: One of `models.PRETRAINED`.

    Returns:
        Dictionary, the card.

    Raises:
        ValueError: If no network has that name.
        FileNotFoundError: If the photographs that it learns from are missing.

    Example:
        >>> train_pretrained("pasture-fcn64s")
        Traceback (most recent call last):
        ValueError: expected one of pasture-fcn32s, ... but got 'pasture-fcn64s': ...
    """
    models.check_name(name)
    keras.utils.set_random_seed(0)
    start = time.perf_counter()
    data, _, architecture = name.partition("-")
    train = {"pasture": _train_on_pastures, "horses": _train_on_horses}[data]
    model, facts = train(architecture, pathlib.Path("data/training") / name)
    card = {
        "name": name,
        "architecture": architecture,
        "num_classes": len(facts["classes"]),
        "command": f"python -m fcnlib train {name}",
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "machine": f"{os.cpu_count()} {platform.machine()} cores",
        **facts,
    }
    return models.save_pretrained(model, card)


def _train_on_pastures(architecture, folder):
    """Train a network of the course size on drawn scenes."""
    model = getattr(models, architecture)(len(pasture.CLASSES))
    scenes = datasets.pasture_batches(PASTURE_SEEDS, PASTURE_SIZES, training.BATCH_SIZE)
    backup = keras.callbacks.BackupAndRestore(folder)
    training.fit(model, scenes.cache(), PASTURE_EPOCHS, callbacks=[backup])
    return model, {
        "size": "course",
        "classes": list(pasture.CLASSES),
        "working_size": max(PASTURE_SIZES),
        "data": f"pasture, {_describe(PASTURE_SEEDS, PASTURE_SIZES)}",
        "seeds": [PASTURE_SEEDS[0], PASTURE_SEEDS[-1]],
        "epochs": PASTURE_EPOCHS,
        "scores": {
            f"{height} x {width}": training.scores(
                training.evaluate(model, training.unseen_scenes((height, width))),
                pasture.CLASSES,
            )
            for height, width in (training.SIZE, max(PASTURE_SIZES))
        },
    }


def _describe(seeds, sizes):
    """Say how many scenes of which sizes a network learns from."""
    listed = ", ".join(f"{height} x {width}" for height, width in sizes)
    return f"{len(seeds)} scenes of the sizes {listed}"


def _train_on_horses(architecture, folder):
    """Train a wide network on drawn scenes first, and then on the photographs."""
    photographs = datasets.load_horses("train")
    unseen = datasets.load_horses("val")
    model = getattr(models, architecture)(len(HORSES_CLASSES), "wide")
    models.copy_weights(_learn_drawn_horses(architecture, folder), model)
    best = folder / "best.weights.h5"
    callbacks = [
        keras.callbacks.BackupAndRestore(folder / "horses"),
        keras.callbacks.ModelCheckpoint(
            best,
            monitor="val_mean_iou",
            mode="max",
            save_best_only=True,
            save_weights_only=True,
        ),
    ]
    training.fit(
        model,
        horse_batches(photographs),
        HORSES_EPOCHS,
        validation=datasets.batches(unseen, HORSES_SIZE, HORSES_BATCH_SIZE),
        callbacks=callbacks,
    )
    model.load_weights(best)
    confusion = training.evaluate_pictures(model, unseen, HORSES_WORKING_SIZE)
    return model, {
        "size": "wide",
        "classes": list(HORSES_CLASSES),
        "working_size": HORSES_WORKING_SIZE,
        "data": f"Weizmann horses, {len(photographs)} photographs of train; before, "
        f"pasture, {_describe(PASTURE_SEEDS, HORSES_SIZES)}",
        "epochs": HORSES_EPOCHS,
        "scores": {"val, masks' own size": training.scores(confusion, HORSES_CLASSES)},
        "limits": list(HORSES_LIMITS),
    }


def _learn_drawn_horses(architecture, folder):
    """Train a wide network on drawn scenes once, or load it if that is done."""
    model = getattr(models, architecture)(len(pasture.CLASSES), "wide")
    learned = folder / "pasture.weights.h5"
    if learned.exists():
        model.load_weights(learned)
        return model
    folder.mkdir(parents=True, exist_ok=True)
    training.fit(
        model,
        datasets.pasture_batches(PASTURE_SEEDS, HORSES_SIZES, training.BATCH_SIZE),
        epochs=1,
    )
    model.save_weights(learned)
    return model


def horse_batches(pairs, seed=0):
    """Make batches of photographs of horses that differ in every epoch.

    To what `datasets.batches` changes, this adds hue, saturation and gray, and horses
    that are copied from one photograph onto another: Ghiasi et al., "Simple Copy-Paste
    is a Strong Data Augmentation Method for Instance Segmentation", CVPR 2021.

    Args:
        pairs: List of (image, labels), (H, W, 3) and (H, W) uint8, 1 for horse.
        seed: Integer, of all that is drawn.

    Returns:
        `tf.data.Dataset` of images, (N, 256, 256, 3) uint8, and labels,
        (N, 256, 256) uint8.

    Example:
        >>> from fcnlib import pasture
        >>> pairs = [pasture.draw_scene(seed) for seed in range(4)]
        >>> images, labels = next(iter(horse_batches(pairs)))
        >>> tuple(images.shape), images.dtype.name
        ((4, 256, 256, 3), 'uint8')
    """
    colors = keras.Sequential(
        [
            keras.layers.RandomHue(0.08, seed=seed),
            keras.layers.RandomSaturation((0.3, 0.7), seed=seed),
            keras.layers.RandomGrayscale(0.15, seed=seed),
        ]
    )
    return (
        datasets.batches(pairs, HORSES_SIZE, HORSES_BATCH_SIZE, augment=True, seed=seed)
        .map(lambda images, labels: (colors(images, training=True), labels))
        .map(_paste_horses)
        .prefetch(tf.data.AUTOTUNE)
    )


def _paste_horses(images, labels):
    """Copy the horses of a batch's second half onto the pictures of its first half."""
    half = tf.shape(images)[0] // 2
    copied = labels[half : 2 * half] == HORSES_CLASSES.index("horse")
    pasted = tf.where(copied[..., None], images[half : 2 * half], images[:half])
    pasted_labels = tf.where(copied, labels[half : 2 * half], labels[:half])
    return (
        tf.cast(tf.concat([pasted, images[half:]], axis=0), tf.uint8),
        tf.concat([pasted_labels, labels[half:]], axis=0),
    )
