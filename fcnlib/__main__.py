"""The command line: `python -m fcnlib COMMAND`."""

import argparse
import contextlib
import importlib
import json
import os
import pathlib
import platform
import sys
import time
import warnings

# A test scene with horses, fences and trees, good to look at.
HORSE_SEED = 115
HORSE_SIZE = (480, 640)
# The network for pictures that people bring.
PHOTOGRAPHS = "horses-fcn8s"
_NETWORK = "a shipped network, or the path of the card of one of your own"

TRUTH_ALT = (
    "True label map of a drawn pasture: each pixel has the color of its class, sky, "
    "grass, tree, fence or horse; white lines around horses and fences are void."
)
INFERRED_ALT = (
    "Three label maps of the same pasture, inferred by FCN-32s, FCN-16s and FCN-8s: "
    "the first has no fence, the second pieces of a rail, the third posts, rails and "
    "legs; edges get sharper from left to right."
)


def main(arguments=None):
    """Run one command and return its exit code.

    Args:
        arguments: List of strings; by default those that the program was called with.

    Returns:
        0, or 2 after an error, or 130 after an interruption by the user.

    Example:
        >>> main(["download", "pasture"])
        Nothing to download: pasture scenes are drawn when they are needed.
        0
    """
    try:
        options = _parser().parse_args(arguments)
        with warnings.catch_warnings(action="ignore"):
            options.command(options)
    except (ValueError, OSError) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def doctor(options):
    """Report the machine, the packages, the shipped weights and the data folder."""
    _import_tensorflow()
    import tensorflow as tf

    from fcnlib import models

    gpus = tf.config.list_physical_devices("GPU")
    print(f"Python      {platform.python_version()}")
    for package, version in _versions().items():
        print(f"{package:<11} {version}")
    print(f"system      {platform.platform()}")
    print(f"processor   {os.cpu_count()} cores, {_memory()}")
    print(f"GPU         {len(gpus)} seen by TensorFlow")
    for name in models.PRETRAINED:
        print(f"weights     {name}: {_weights_state(name)}")
    print(f"data        {_data_state()}")


def results(options):
    """Draw, segment and score unseen scenes with the shipped networks."""
    started = time.perf_counter()
    print("loading the networks", flush=True)
    _import_tensorflow()
    from fcnlib import models

    names = [name for name in models.PRETRAINED if name.startswith("pasture")]
    networks = {name: models.load_pretrained(name) for name in names}
    options.out.mkdir(parents=True, exist_ok=True)
    _write_pictures(options.out, networks)
    _write_json(options.out / "scores.json", _score_networks(networks))
    seconds = round(time.perf_counter() - started, 1)
    _write_json(options.out / "run.json", _machine(seconds))
    print(f"wrote {options.out} in {seconds:.0f} s")


def segment(options):
    """Segment pictures of any size with a shipped network or one of your own."""
    outputs = _output_paths(options.pictures, options.out)
    _import_tensorflow()
    from fcnlib import datasets, models, plotting

    network, card = _load_network(options.model)
    known = ", ".join(card["classes"])
    print(f"with {options.model}, which knows {known} (another: --model NAME)")
    for picture, (labels_path, overlay_path) in zip(
        options.pictures, outputs, strict=True
    ):
        image = datasets.read_image(picture)
        predictions = models.predict_picture(network, image, card["working_size"])
        labels_path.parent.mkdir(parents=True, exist_ok=True)
        # The overlay is the larger file: where it fits, the label map does too.
        datasets.write_png(
            overlay_path, plotting.overlay(image, predictions, card["classes"])
        )
        datasets.write_png(labels_path, predictions)
        print(f"{picture}: {_shares(predictions, card['classes'])}", flush=True)


def train(options):
    """Train one of the shipped networks, one of your own, or one on Pascal VOC."""
    if options.name.startswith("voc-"):
        _train_voc(options)
        return
    if options.data not in (None, "folder"):
        raise ValueError(
            f"--data is {options.data}; expected folder, or leave it out to train one "
            "of the shipped networks"
        )
    if options.data == "folder":
        _check_folders(options)
    elif options.images or options.labels:
        raise ValueError("--images and --labels need --data folder; add it")
    _import_tensorflow()
    from fcnlib import fine_tuning, recipes

    if options.data is None:
        recipes.train_pretrained(options.name)
        return
    card = fine_tuning.train_on_folder(
        *(options.name, options.images, options.labels, options.out),
        start=options.start or "pasture-fcn8s",
        epochs=options.epochs,
        class_names=options.classes and options.classes.split(","),
    )
    for split, scores in card["scores"].items():
        print(f"{split}: mean IoU {scores['mean_iou']:.3f}")
    print(f"wrote {options.out / options.name}.json and .weights.h5")


def card(options):
    """Write the model card of a network as Markdown."""
    _import_tensorflow()
    from fcnlib import datasets, export

    name = options.name
    text = export.model_card(name if _is_shipped(name) else _load_network(name)[1])
    if options.out is None:
        print(text, end="")
    else:
        datasets.write_file(options.out, text.encode())


def compare(options):
    """Train networks from scratch in several ways, three seeds each, and compare."""
    _import_tensorflow()
    from fcnlib import experiments

    options.out.mkdir(parents=True, exist_ok=True)
    stored = experiments.compare(options.out / "compare.json")
    print(experiments.summarize(stored))


def transfer(options):
    """Train networks for real horses from several starts, and compare."""
    _import_tensorflow()
    from fcnlib import experiments

    options.out.mkdir(parents=True, exist_ok=True)
    stored = experiments.transfer(options.out / "transfer.json")
    print(experiments.summarize(stored))


def ledger(options):
    """Measure what choices of the paper are worth, and write the ledger of all."""
    _import_tensorflow()
    from fcnlib import ledger as book

    stored = book.ledger(options.out / "ledger.json")
    print(book.summarize(stored["choices"]))


def measure(options):
    """Measure what networks of the paper's size need: memory, or time on a GPU."""
    _import_tensorflow()
    from fcnlib import measurements

    ways = {"memory": measurements.measure_memory, "gpu": measurements.measure_gpu}
    content = ways[options.what]()
    options.out.mkdir(parents=True, exist_ok=True)
    _write_json(options.out / f"{options.what}.json", content)
    print(json.dumps(content, indent=2))


def evaluate(options):
    """Score a network on a split of a data set or on a folder."""
    count = _choose_data(options)
    _import_tensorflow()
    from fcnlib import training

    confusion, classes, about = count(options, *_load_network(options.name))
    print(f"{options.name} on {about}", flush=True)
    _print_scores(confusion, classes)
    if options.json:
        scores = training.scores(confusion, classes)
        _write_json(options.json, {"network": options.name, "data": about, **scores})


def grade(options):
    """Grade the notebooks in a folder, with a file or a folder for each student."""
    from fcnlib import grading

    # From a variable, no list of processes shows it.
    seed = options.seed or os.environ.get("FCNLIB_GRADING_SEED")
    if seed is None:
        print("graded on the cases that students see; --seed N draws others")
    rows = grading.grade_folder(
        *(options.folder, options.lesson, options.out),
        seed=seed and _whole_number(seed),
        due=options.due and grading.read_time(options.due),
        late=options.late,
        submitted=options.submitted,
        moodle=options.moodle,
        canvas=options.canvas,
        again=options.again,
    )
    print(f"wrote {options.out}: {len(rows)} students")


def download(options):
    """Fetch a data set, verified by its checksums where there are any."""
    if options.dataset == "pasture":
        print("Nothing to download: pasture scenes are drawn when they are needed.")
        return
    _import_tensorflow()
    from fcnlib import archives, datasets, download

    folder = options.to or datasets.data_folder()
    if options.dataset == "horses":
        download.fetch_horses(folder)
    elif options.dataset in archives.DATA_SETS:
        archives.fetch(folder, archives.DATA_SETS[options.dataset])
    else:
        known = ", ".join(("pasture", "horses", *archives.DATA_SETS))
        raise ValueError(
            f"data set {options.dataset} is unknown; expected one of {known}"
        )


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message):
        """Raise what the command line prints as its one line."""
        raise ValueError(f"{message}; see {self.prog} --help")


def _parser():
    """Return the parser of all commands."""
    parser = _Parser(
        prog="python -m fcnlib",
        description="Fully convolutional networks for semantic segmentation.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(command):
        """Add a command whose help is its function's docstring."""
        added = commands.add_parser(
            command.__name__, help=command.__doc__, description=command.__doc__
        )
        added.set_defaults(command=command)
        return added

    add(doctor)
    added = add(results)
    _add_out(added, "results")
    added = add(segment)
    added.add_argument("pictures", metavar="PICTURE", nargs="+", type=pathlib.Path)
    added.add_argument(
        "--model",
        metavar="NAME",
        default=PHOTOGRAPHS,
        help=f"{_NETWORK}; by default {PHOTOGRAPHS}",
    )
    added.add_argument(
        "--out",
        metavar="FOLDER",
        type=pathlib.Path,
        help="for NAME_labels.png and NAME_overlay.png; by default each picture's own",
    )
    added = add(train)
    added.add_argument(
        "name",
        metavar="NAME",
        help="a shipped network, a name of your own, or one of those on Pascal VOC",
    )
    added.add_argument(
        "--data",
        metavar="DATASET",
        help="folder, or none; for voc-fcn32s, voc-fcn16s, voc-fcn8s and "
        "voc-fcn8s-atonce the path of the folder with VOC",
    )
    added.add_argument("--images", metavar="FOLDER", help="of --data folder")
    added.add_argument("--labels", metavar="FOLDER", help="of --data folder")
    added.add_argument("--classes", metavar="NAME,NAME", help="of classes 0, 1 ...")
    added.add_argument(
        "--start",
        metavar="NETWORK",
        help="shipped network, by default pasture-fcn8s; for voc-fcn16s and voc-fcn8s "
        "the card of the network before, by default the one in --out",
    )
    added.add_argument(
        "--epochs", metavar="N", type=int, default=40, help="by default 40"
    )
    _add_out(added, "networks")
    _add_voc_options(added)
    added = add(card)
    added.add_argument("name", metavar="NAME", help=_NETWORK)
    added.add_argument(
        "--out", metavar="FILE", type=pathlib.Path, help="by default it is printed"
    )
    for experiment in (compare, transfer, ledger):
        _add_out(add(experiment), "results")
    added = add(measure)
    added.add_argument("what", choices=("memory", "gpu"))
    _add_out(added, "results")
    added = add(evaluate)
    added.add_argument("name", metavar="NAME", help=_NETWORK)
    added.add_argument(
        "--data", metavar="DATASET", required=True, help="pasture, horses or folder"
    )
    added.add_argument("--split", metavar="SPLIT", help="train, val or test")
    added.add_argument(
        "--size", metavar="HEIGHTxWIDTH", default="128x128", help="of pasture scenes"
    )
    added.add_argument("--images", metavar="FOLDER", help="of --data folder")
    added.add_argument("--labels", metavar="FOLDER", help="of --data folder")
    added.add_argument(
        "--json", metavar="FILE", type=pathlib.Path, help="write the scores there too"
    )
    added = add(grade)
    added.add_argument(
        "folder",
        metavar="FOLDER",
        type=pathlib.Path,
        help="with a notebook or a folder for each student",
    )
    added.add_argument("--lesson", metavar="LESSON", required=True, help="as 05_iou")
    added.add_argument(
        "--out",
        metavar="FILE",
        type=pathlib.Path,
        required=True,
        help="the table of points to write, a CSV",
    )
    added.add_argument(
        "--seed",
        metavar="N",
        help="draws the cases; by default what FCNLIB_GRADING_SEED says",
    )
    added.add_argument("--due", metavar="TIME", help="as 2026-11-20T18:00")
    added.add_argument(
        "--late",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="of the points, lost for each day begun after TIME",
    )
    added.add_argument(
        "--submitted",
        metavar="FILE",
        type=pathlib.Path,
        help="a CSV with student and submitted; by default a file's own time counts",
    )
    for system in ("moodle", "canvas"):
        added.add_argument(
            f"--{system}",
            metavar="FILE",
            type=pathlib.Path,
            help=f"write what {system.title()} imports, too",
        )
    added.add_argument(
        "--again", action="store_true", help="grade anew what has been graded"
    )
    added = add(download)
    added.add_argument(
        "dataset",
        metavar="DATASET",
        help="pasture, horses, voc2012, voc2011, sbd, camvid or pets",
    )
    added.add_argument(
        "--to",
        metavar="FOLDER",
        type=pathlib.Path,
        help="by default the folder that FCNLIB_DATA names, or data/",
    )
    return parser


def _add_out(parser, default):
    """Add the option of the folder to write to."""
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=pathlib.Path,
        default=pathlib.Path(default),
        help=f"to write to; by default {default}/",
    )


def _add_voc_options(parser):
    """Add the options of a training on Pascal VOC."""
    group = parser.add_argument_group("on Pascal VOC")
    group.add_argument("--sbd", metavar="FOLDER", help="with SBD, which extends VOC")
    group.add_argument(
        "--recipe",
        choices=("paper", "keras"),
        default="paper",
        help="the sum over the pixels with momentum .99, or their mean with AdamW",
    )
    group.add_argument(
        "--weights",
        metavar="SOURCE",
        default="imagenet",
        help="of a first stage: imagenet, hed, random, or the path of a file",
    )
    group.add_argument("--size", default="vgg16", help="of the network")
    group.add_argument("--steps", metavar="N", type=_count, help="by the recipe")
    group.add_argument("--batch", metavar="N", type=_count, help="by the recipe")
    group.add_argument(
        "--devices",
        metavar="N",
        type=_devices,
        default=1,
        help="how many share the work, or all; by default 1",
    )
    group.add_argument("--mixed", action="store_true", help="half precision")
    group.add_argument(
        "--checkpoint-minutes",
        metavar="N",
        type=_minutes,
        default=10,
        help="how often to save; by default every 10, and 0 for every step",
    )


def _minutes(text):
    """Read a number of minutes, which may be 0."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1
    if not 0 <= minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number from 0 up; got {text!r}")
    return minutes


def _count(text):
    """Return a number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 up, not {text}")
    return int(text)


def _devices(text):
    """Return a number of devices, or all."""
    return text if text == "all" else _count(text)


def _train_voc(options):
    """Train a network on Pascal VOC and print its scores beside the paper's."""
    if options.data is None:
        raise ValueError(f"{options.name} needs --data, the folder with VOC; add it")
    _import_tensorflow()
    from fcnlib import voc_recipes

    card = voc_recipes.train_voc(
        *(options.name, options.data, options.out),
        sbd=options.sbd,
        recipe=options.recipe,
        devices=options.devices,
        mixed=options.mixed,
        minutes=options.checkpoint_minutes,
        start=options.start,
        weights=options.weights,
        size=options.size,
        steps=options.steps,
        batch_size=options.batch,
    )
    print(voc_recipes.summarize(card))
    if (options.out / f"{options.name}.json").is_file():  # one machine writes it
        print(f"{options.out / options.name}.json and .weights.h5 hold the network")


def _import_tensorflow():
    """Import TensorFlow without the notices that its libraries print meanwhile."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    with _quiet_libraries():
        importlib.import_module("tensorflow")


@contextlib.contextmanager
def _quiet_libraries():
    """Send what C++ code writes to the error stream nowhere.

    TensorFlow prints notices before it reads its log level, and the switch that
    would avoid them (TF_ENABLE_ONEDNN_OPTS=0) slows training down.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _one_line(error):
    """Return the message of an error as one line that names the file."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror
        if error.filename:
            message = f"{error.filename}: {message}; choose another path"
    return " ".join(message.split())


def _versions():
    """Return the versions of the packages that matter as a dictionary."""
    packages = ("fcnlib", "tensorflow", "keras", "numpy", "matplotlib", "cv2")
    return {name: importlib.import_module(name).__version__ for name in packages}


def _memory():
    """Return the size of the machine's memory as text."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return "memory unknown"  # Windows has no such call
    return f"{total / 2**30:.0f} GiB of memory"


def _weights_state(name):
    """Say whether shipped weights load and are the ones that their card names."""
    from fcnlib import models

    try:
        models.load_pretrained(name)
    except (ValueError, OSError) as error:
        return f"NOT USABLE: {_one_line(error)}"
    return "verified"


def _data_state():
    """Say where downloaded data is looked for."""
    from fcnlib import datasets

    folder = datasets.data_folder()
    state = "" if folder.is_dir() else ", not there; the pasture scenes need none"
    return f"{folder}{state}"


def _write_pictures(folder, networks):
    """Write one scene, its truth and what each network infers."""
    from fcnlib import datasets, models, pasture, plotting

    print("segmenting one scene of {} x {} pixels".format(*HORSE_SIZE), flush=True)
    image, labels = pasture.draw_scene(HORSE_SEED, *HORSE_SIZE)
    predictions, titles = [], []
    for name, network in networks.items():
        working_size = models.read_card(name)["working_size"]
        predictions.append(models.predict_picture(network, image, working_size))
        titles.append(f"{_title(name)}: mIoU {_mean_iou(labels, predictions[-1]):.2f}")
    datasets.write_png(folder / "horse.png", image)
    plotting.save_images(
        folder / "sem_seg.png", [labels], ["Truth"], TRUTH_ALT, pasture.CLASSES
    )
    plotting.save_images(
        folder / "sem_seg_inf.png", predictions, titles, INFERRED_ALT, pasture.CLASSES
    )


def _machine(seconds):
    """Return what a run of `results` depended on."""
    return {
        "seconds": seconds,
        "python": platform.python_version(),
        "packages": _versions(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "memory": _memory(),
    }


def _title(name):
    """Return a network's name as the paper writes it: FCN-8s for pasture-fcn8s."""
    return name.split("-")[-1].replace("fcn", "FCN-")


def _mean_iou(labels, predictions):
    """Return the mean IoU of one scene."""
    from fcnlib import metrics, pasture

    classes = len(pasture.CLASSES)
    return metrics.mean_iou(metrics.confusion_matrix(labels, predictions, classes))


def _score_networks(networks):
    """Return the scores of networks on the test scenes as a dictionary."""
    from fcnlib import datasets, pasture, training

    seeds = datasets.PASTURE_SPLITS["test"]
    scenes = training.unseen_scenes(training.SIZE)
    scores = {}
    for name, network in networks.items():
        confusion = training.evaluate(network, scenes)
        scores[name] = training.scores(confusion, pasture.CLASSES)
        mean_iou = scores[name]["mean_iou"]
        print(f"{name}: mIoU {mean_iou:.3f} on {len(seeds)} unseen scenes", flush=True)
    return {
        "scenes": len(seeds),
        "seeds": [seeds[0], seeds[-1]],
        "height": training.SIZE[0],
        "width": training.SIZE[1],
        "networks": scores,
    }


def _print_scores(confusion, classes):
    """Print the scores of one confusion matrix as a table."""
    from fcnlib import metrics

    rows = zip(classes, metrics.iou(confusion), metrics.dice(confusion), strict=True)
    print(f"{'class':<24} {'IoU':>6} {'Dice':>6}")
    for name, iou, dice in rows:
        print(f"{name:<24} {iou:>6.3f} {dice:>6.3f}")
    for score in (
        metrics.mean_iou,
        metrics.frequency_weighted_iou,
        metrics.pixel_accuracy,
        metrics.mean_accuracy,
    ):
        name = score.__name__.replace("_", " ").replace("iou", "IoU")
        print(f"{name:<24} {score(confusion):>6.3f}")


def _write_json(path, content):
    """Write a dictionary as readable text, whole or not at all."""
    from fcnlib import datasets

    text = json.dumps(content, indent=2) + "\n"
    datasets.write_file(path, text.encode())


def _output_paths(pictures, folder):
    """Return the two output paths of each picture, or raise an error where two meet."""
    taken = {}
    for picture in pictures:
        if not picture.is_file():
            raise FileNotFoundError(f"{picture} is no file; give the path of a picture")
        taken[os.path.normcase(picture.resolve())] = picture
    outputs = []
    for picture in pictures:
        paths = [
            (folder or picture.parent) / f"{picture.stem}_{kind}.png"
            for kind in ("labels", "overlay")
        ]
        for path in paths:
            key = os.path.normcase(path.resolve())
            if key in taken:
                raise ValueError(
                    f"{path}, written for {picture}, would meet {taken[key]}; "
                    "segment the two in separate runs with different --out folders"
                )
            taken[key] = f"the one for {picture}"
        outputs.append(paths)
    return outputs


def _shares(predictions, classes):
    """Return the shares of the classes found in a picture as text."""
    import numpy as np

    counts = np.bincount(predictions.ravel(), minlength=len(classes))
    return ", ".join(
        f"{name} {count / predictions.size:.1%}"
        for name, count in zip(classes, counts, strict=True)
        if count
    )


def _size(text):
    """Return a size such as 240x320 as two int."""
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise ValueError(f"size is {text}; expected HEIGHTxWIDTH, for example 240x320")
    return int(height), int(width)


def _whole_number(text):
    """Return a whole number from 0 on."""
    if not text.isdecimal():
        raise ValueError(f"expected a whole number from 0 on; got {text}")
    return int(text)


def _choose_data(options):
    """Return the function that scores a network on the data that the options name."""
    known = {
        "pasture": _count_pastures,
        "horses": _count_horses,
        "folder": _count_folder,
    }
    if options.data not in known:
        raise ValueError(
            f"data set {options.data} is unknown; expected {', '.join(known)}"
        )
    if options.data == "folder":
        _check_folders(options)
    elif options.split is None:
        raise ValueError(f"--data {options.data} needs --split; add it")
    return known[options.data]


def _check_folders(options):
    """Refuse to go on without the folders of pictures and of label maps."""
    for name in ("images", "labels"):
        if getattr(options, name) is None:
            raise ValueError(f"--data folder needs --{name}; add it")
    for folder in map(pathlib.Path, (options.images, options.labels)):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder; give one with pictures")


def _is_shipped(name):
    """Say whether a name is a shipped network's, and not the path of a card."""
    from fcnlib import models

    if name.endswith(".json"):
        return False
    if name not in models.PRETRAINED:
        raise ValueError(
            f"expected one of {', '.join(models.PRETRAINED)}, or the path "
            f"networks/{name}.json of your own, but got {name!r}: choose one."
        )
    return True


def _load_network(name):
    """Return a network, a shipped one or that of a card, and its card."""
    from fcnlib import fine_tuning, models

    if _is_shipped(name):
        return models.load_pretrained(name), models.read_card(name)
    return fine_tuning.load_network(name)


def _count_pastures(options, network, card):
    """Count a network's pixels over drawn scenes of one size."""
    from fcnlib import datasets, training

    height, width = _size(options.size)
    seeds = _split_seeds(options.split)
    scenes = datasets.pasture_batches(seeds, [(height, width)], training.BATCH_SIZE)
    about = f"pasture {options.split}: {len(seeds)} scenes of {height} x {width}"
    return training.evaluate(network, scenes), card["classes"], about


def _count_horses(options, network, card):
    """Count a network's pixels over photographs: horse, and all that is none."""
    import numpy as np

    from fcnlib import datasets, training

    if "horse" not in card["classes"]:
        raise ValueError(
            f"{options.name} knows {', '.join(card['classes'])}; expected a network "
            "with a class horse, such as horses-fcn8s"
        )
    horse = card["classes"].index("horse")
    pairs = [
        (image, np.where(labels == 1, horse, 0).astype("uint8"))
        for image, labels in datasets.load_horses(options.split)
    ]
    confusion = training.evaluate_pictures(network, pairs, card["working_size"])
    is_horse = np.arange(len(card["classes"])) == horse
    group = np.stack([~is_horse, is_horse]).astype("int64")  # (2, C)
    about = f"horses {options.split}: {len(pairs)} photographs at their masks' sizes"
    return group @ confusion @ group.T, ("background", "horse"), about


def _count_folder(options, network, card):
    """Count a network's pixels over a folder of pictures with label maps."""
    from fcnlib import datasets, training

    paths = datasets.folder_pairs(options.images, options.labels)
    pairs = (datasets.read_pair(*pair) for pair in paths)
    confusion = training.evaluate_pictures(network, pairs, card["working_size"])
    about = f"{options.images}: {len(paths)} pictures at their own sizes"
    return confusion, card["classes"], about


def _split_seeds(split):
    """Return the seeds of a split of the pasture scenes."""
    from fcnlib import datasets

    if split not in datasets.PASTURE_SPLITS:
        expected = ", ".join(datasets.PASTURE_SPLITS)
        raise ValueError(f"split {split} is unknown; expected {expected}")
    return datasets.PASTURE_SPLITS[split]


if __name__ == "__main__":
    sys.exit(main())
