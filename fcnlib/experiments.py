"""Run the experiments whose results the lessons show: several seeds, one budget."""

import itertools
import json
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from fcnlib import datasets, metrics, models, pasture, recipes, training

SEEDS = (0, 1, 2)
EPOCHS = 7
SCENES = 1_500

# Of networks for real horses: little for one run, as there are many.
TRANSFER_EPOCHS = 10
TRANSFER_SIZE = (128, 160)
TRANSFER_BATCH_SIZE = 8
PHOTOGRAPHS = (10, 30, 90, 178)


def compare(path, seeds=SEEDS, epochs=EPOCHS, scenes=SCENES):
    """Train networks from scratch under one budget, with several seeds.

    `RUNS` names what is compared: the three networks, and FCN-8s trained in other
    ways. Each run is written down as soon as it ends; interrupted and called again, the
    comparison goes on with the runs that are missing.

    Args:
        path: `pathlib.Path` of the JSON file with all runs.
        seeds: Sequence of integers, of the networks' first weights and the shuffling.
        epochs: Integer, for each run.
        scenes: Integer, how many training scenes to draw.

    Returns:
        Dictionary of the runs, as it stands in the file.

    Example:
        >>> import pathlib
        >>> compare(pathlib.Path("none.json"), seeds=(), epochs=2, scenes=1)["runs"]
        []
    """
    command = "python -m fcnlib compare"
    return train_on_pastures(path, command, RUNS, seeds, epochs, scenes)


def train_on_pastures(path, command, ways, seeds, epochs, scenes):
    """Train in several ways under one budget on drawn scenes, and score each run.

    Args:
        path: `pathlib.Path` of the JSON file with all runs.
        command: String, what computes the file again.
        ways: Dictionary from names to functions that get a data set, its pairs and the
            number of epochs, and return a trained Keras model.
        seeds: Sequence of integers, of the networks' first weights and the shuffling.
        epochs: Integer, for each run.
        scenes: Integer, how many training scenes to draw.

    Returns:
        Dictionary of the runs, as it stands in the file.

    Example:
        >>> import pathlib
        >>> path = pathlib.Path("none.json")
        >>> train_on_pastures(path, "none", {}, (0,), epochs=2, scenes=1)["epochs"]
        2
    """
    height, width = training.SIZE
    budget = {
        "command": command,
        "data": f"pasture, {scenes} scenes of {height} x {width} pixels, flipped, "
        "turned, zoomed and recolored at random",
        "epochs": epochs,
        "scored_on": "200 unseen scenes of the test split",
    }
    first = datasets.PASTURE_SPLITS["train"].start
    pairs = list(zip(*pasture.draw_scenes(range(first, first + scenes)), strict=True))
    unseen = training.unseen_scenes(training.SIZE)

    def run(name, seed):
        """Train one network and return its scores and seconds."""
        dataset = datasets.batches(
            pairs, training.SIZE, training.BATCH_SIZE, augment=True, seed=seed
        )
        start = time.perf_counter()
        model = ways[name](dataset, pairs, epochs)
        seconds = round(time.perf_counter() - start)
        confusion = training.evaluate(model, unseen)
        return {"seconds": seconds, **training.scores(confusion, pasture.CLASSES)}

    return _run_missing(path, budget, itertools.product(ways, seeds), run)


def transfer(path, seeds=SEEDS, epochs=TRANSFER_EPOCHS, counts=PHOTOGRAPHS):
    """Train networks for real horses from several starts, on few and many photographs.

    `STARTS` names what they start from. FCN-8s of the course size, from scratch and
    from drawn scenes, learns from each number of photographs; VGG16 from all of them,
    with the first two seeds.
    Every run sees equally many pictures: with fewer photographs, each comes more
    often. A seed also draws which photographs are the few. An interrupted experiment
    goes on as in `compare`.

    Args:
        path: `pathlib.Path` of the JSON file with all runs.
        seeds: Sequence of integers.
        epochs: Integer, how often as many pictures as the training split has are seen.
        counts: Sequence of integers, the numbers of photographs.

    Returns:
        Dictionary of the runs, as it stands in the file; each has the scores of the
        validation split and, in its order, the mean IoU of each picture.

    Raises:
        FileNotFoundError: If the photographs are missing.

    Example:
        >>> import pathlib
        >>> transfer(pathlib.Path("none.json"), seeds=())["runs"]  # doctest: +SKIP
        []
    """
    pairs, unseen = datasets.load_horses("train"), datasets.load_horses("val")
    height, width = TRANSFER_SIZE
    budget = {
        "command": "python -m fcnlib transfer",
        "data": f"Weizmann horses, pictures of {height} x {width} pixels, flipped, "
        "turned, zoomed and recolored at random",
        "pictures_seen": epochs * len(pairs),
        "scored_on": f"{len(unseen)} photographs of the val split, masks' own size",
    }

    def run(name, seed):
        """Train one network and return how, its scores and seconds."""
        start, count = name.split(", ")
        chosen = np.random.default_rng(seed).permutation(len(pairs))[: int(count)]
        dataset = datasets.batches(
            [pairs[index] for index in np.resize(chosen, len(pairs))],
            TRANSFER_SIZE,
            TRANSFER_BATCH_SIZE,
            augment=True,
            seed=seed,
        )
        begun = time.perf_counter()
        model, learning_rate = STARTS[start]()
        training.fit(model, dataset, epochs, learning_rate)
        seconds = round(time.perf_counter() - begun)
        return {
            "start": start,
            "photographs": int(count),
            "learning_rate": learning_rate,
            "seconds": seconds,
            **_score_pictures(model, unseen),
        }

    narrow = itertools.product(("scratch", "pasture"), counts, seeds)
    # One run of VGG16 takes as long as ten of the others.
    vgg16 = itertools.product(("frozen VGG16", "VGG16"), counts[-1:], seeds[:2])
    planned = [(f"{start}, {count}", seed) for start, count, seed in [*narrow, *vgg16]]
    return _run_missing(path, budget, planned, run)


def _run_missing(path, budget, planned, run):
    """Do those of the planned runs that the file lacks; write down each as it ends."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    if {key: stored.get(key) for key in budget} != budget:
        stored = {**budget, "runs": []}
    done = {(run["network"], run["seed"]) for run in stored["runs"]}
    planned = list(planned)
    for number, (name, seed) in enumerate(planned, start=1):
        if (name, seed) in done:
            continue
        print(f"run {number} of {len(planned)}: {name}, seed {seed}", flush=True)
        keras.utils.set_random_seed(seed)
        stored["runs"].append({"network": name, "seed": seed, **run(name, seed)})
        datasets.write_file(path, (json.dumps(stored, indent=2) + "\n").encode())
        keras.backend.clear_session()
    return stored


def summarize(stored):
    """Return the table of a comparison: mean and spread over the seeds.

    Args:
        stored: Dictionary of the runs, as `compare` returns it.

    Returns:
        String, a table in Markdown: for each way of training the IoU of each class and
        the mean IoU, and in brackets their sample standard deviations.

    Example:
        >>> run = {"network": "fcn8s", "iou": {"horse": 0.5}, "mean_iou": 0.5}
        >>> print(summarize({"runs": [run, {**run, "iou": {"horse": 0.6}}]}))
        | trained | horse | mean IoU |
        | --- | --- | --- |
        | fcn8s | 0.550 (0.071) | 0.500 (0.000) |
    """
    by_name = {}
    for run in stored["runs"]:
        scores = {**run["iou"], "mean IoU": run["mean_iou"]}
        by_name.setdefault(run["network"], []).append(scores)
    columns = list(next(iter(by_name.values()))[0])
    rows = [["trained", *columns], ["---"] * (1 + len(columns))]
    for name, runs in by_name.items():
        rows.append([name, *(_mean_and_spread(runs, column) for column in columns)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _mean_and_spread(runs, column):
    """Return the mean of a column and its sample standard deviation as text."""
    values = [run[column] for run in runs]
    spread = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "one seed"
    return f"{statistics.mean(values):.3f} ({spread})"


def class_weights(labels, num_classes):
    """Return the weight that gives each class the same say, by median frequency.

    Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a
    Common Multi-Scale Convolutional Architecture", ICCV 2015, section 6.3.2.

    Args:
        labels: Array of any shape, uint8, 255 for void.
        num_classes: Integer C.

    Returns:
        (C,) float64: the median of the classes' frequencies over the frequency of each;
        0 for a class that is absent.

    Example:
        >>> import numpy as np
        >>> class_weights(np.array([0, 0, 0, 0, 1, 1, 2, 255], "uint8"), 3).tolist()
        [0.5, 1.0, 2.0]
    """
    counts = np.bincount(np.ravel(labels), minlength=256)[:num_classes]
    present = counts[counts > 0]
    with np.errstate(divide="ignore"):
        return np.where(counts > 0, np.median(present) / counts, 0)


def weigh_pixels(dataset, weights):
    """Give each pixel the weight of its class in the loss; void weighs nothing.

    Args:
        dataset: `tf.data.Dataset` of images, (N, H, W, 3), and labels, (N, H, W) uint8.
        weights: (C,) floats.

    Returns:
        `tf.data.Dataset` of images, labels and weights, (N, H, W) float32.

    Example:
        >>> from fcnlib import datasets
        >>> scenes = datasets.pasture_batches(range(2), [(32, 32)], batch_size=2)
        >>> images, labels, weights = next(iter(weigh_pixels(scenes, [1, 1, 1, 5, 1])))
        >>> bool((weights.numpy()[labels.numpy() == 3] == 5).all())
        True
    """
    table = np.zeros(256, "float32")
    table[: len(weights)] = weights
    return dataset.map(
        lambda images, labels: (
            images,
            labels,
            tf.gather(table, tf.cast(labels, "int32")),
        )
    )


def _at_once(network, **options):
    """Return the training of one network with all its layers from the start."""

    def train(dataset, pairs, epochs):
        model = network(len(pasture.CLASSES), **options)
        training.fit(model, dataset, epochs)
        return model

    return train


def _staged(dataset, pairs, epochs):
    """Train FCN-32s, from its weights FCN-16s, and from those FCN-8s."""
    stages = [models.fcn32s, models.fcn16s, models.fcn8s]
    shares = [len(part) for part in np.array_split(np.arange(epochs), len(stages))]
    model = None
    for network, share in zip(stages, shares, strict=True):
        before, model = model, network(len(pasture.CLASSES))
        if before is not None:
            models.copy_weights(before, model)
        training.fit(model, dataset, share)
    return model


def _weighted(dataset, pairs, epochs):
    """Train FCN-8s with a loss in which rare classes weigh more."""
    model = models.fcn8s(len(pasture.CLASSES))
    labels = np.stack([labels for _, labels in pairs])
    weights = class_weights(labels, len(pasture.CLASSES))
    training.fit(model, weigh_pixels(dataset, weights), epochs)
    return model


RUNS = {
    "fcn32s": _at_once(models.fcn32s),
    "fcn16s": _at_once(models.fcn16s),
    "fcn8s": _at_once(models.fcn8s),
    "fcn8s staged": _staged,
    "fcn8s scaled skips": _at_once(models.fcn8s, skip_scales=(0.01, 0.0001)),
    "fcn8s weighted classes": _weighted,
}


def _score_pictures(model, pairs):
    """Return the scores over all pictures, and the mean IoU of each."""
    confusions = [
        training.evaluate_pictures(model, [pair], TRANSFER_SIZE) for pair in pairs
    ]
    each = [round(float(metrics.mean_iou(one)), 4) for one in confusions]
    return {
        **training.scores(sum(confusions), recipes.HORSES_CLASSES),
        "pictures": each,
    }


def _from_scratch():
    """Start from random weights."""
    return models.fcn8s(len(recipes.HORSES_CLASSES)), training.LEARNING_RATE


def _from_pasture():
    """Start from the network of drawn scenes, with new scores."""
    model, learning_rate = _from_scratch()
    models.copy_weights(models.load_pretrained("pasture-fcn8s"), model)
    return model, learning_rate


def _from_vgg16():
    """Start from VGG16's convolutions; they know much, so the steps are smaller."""
    model = models.fcn8s(len(recipes.HORSES_CLASSES), "vgg16")
    models.load_vgg16_weights(model, "hed")
    return model, 1e-4


def _from_frozen_vgg16():
    """Start from VGG16's convolutions and train what is new alone, in larger steps."""
    model, _ = _from_vgg16()
    for layer in model.layers:
        if layer.name.startswith("block"):
            layer.trainable = False
    return model, 1e-3


STARTS = {
    "scratch": _from_scratch,
    "pasture": _from_pasture,
    "frozen VGG16": _from_frozen_vgg16,
    "VGG16": _from_vgg16,
}
