"""The ledger's networks are what they say, and the stored ledger and its page agree."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from fcnlib import __main__ as command_line
from fcnlib import datasets, experiments, ledger, models, pasture, training

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"


@pytest.fixture(scope="module")
def course():
    """An FCN-8s whose every layer says something."""
    keras.utils.set_random_seed(0)
    network = models.fcn8s(5)
    for name in ("score_pool4", "score_pool3"):
        kernel = network.get_layer(name).kernel
        kernel.assign(keras.random.normal(kernel.shape, seed=1))
    return network


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(256, size=(1, 70, 90, 3), dtype="uint8")


def test_own_builder_gives_the_course_network(course, images):
    built = ledger.build_fcn8s()
    copied = models.copy_weights(course, built)
    assert {layer.name for layer in course.layers if layer.weights} == set(copied)
    assert built.count_params() == course.count_params()
    np.testing.assert_allclose(built(images), course(images), atol=1e-5)


@pytest.fixture
def thin(monkeypatch):
    """The course size with two channels in every block."""
    size = {**models.SIZES["course"], "widths": (2, 2, 2, 2, 2)}
    monkeypatch.setitem(models.SIZES, "course", size)


def test_padded_maps_have_the_sizes_of_the_paper(thin):
    network = ledger.build_fcn8s(fc6_kernel=7, fc_width=2, padded=True)
    names = [f"block{block}_pool" for block in (3, 4, 5)]
    names += ["fc6", "upscore2", "upscore_pool4", "upscore8"]
    outputs = [network.get_layer(name).output for name in names]
    maps = keras.Model(network.input, outputs)(np.zeros((1, 500, 500, 3)))
    # By the authors' prototxt and the ceiling of Caffe's pooling.
    assert [one_map.shape[1] for one_map in maps] == [88, 44, 22, 16, 34, 70, 568]
    cut = [layer for layer in network.layers if hasattr(layer, "cropping")]
    assert [layer.cropping[0][0] for layer in cut] == [5, 9, 31]


def read_rows(network, path):
    """Let every layer hand on its middle, and only one path speak."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D) and "upscore" not in layer.name:
            kernel = np.zeros(layer.kernel.shape)
            middle = kernel.shape[0] // 2
            speaks = not layer.name.startswith("score") or layer.name == path
            kernel[middle, middle, 0, 0] = speaks
            layer.kernel.assign(kernel)


@pytest.mark.parametrize("path", ["score_fr", "score_pool4", "score_pool3"])
@pytest.mark.parametrize("kernel", [3, 7])
def test_padded_maps_lie_where_the_others_lie(thin, kernel, path):
    """A picture that gets brighter row by row comes out at the same rows."""
    rows = 128 + np.arange(320)[:, None, None] / 4
    picture = np.broadcast_to(rows, (320, 96, 3))[None].astype("float32")
    read = []
    for padded in (False, True):
        network = ledger.build_fcn8s(kernel, 2, padded)
        read_rows(network, path)
        read.append(np.asarray(network(picture))[0, 48:272, 48, 0])
    assert np.diff(read[0]).min() > 0
    np.testing.assert_allclose(read[1], read[0], atol=1e-5)


def test_the_ledger_names_the_margin_that_was_tried(thin):
    network = ledger.build_fcn8s(padded=True)
    first = network.get_layer("block1_conv1").output
    seen = keras.Model(network.input, first)(np.zeros((1, 64, 96, 3)))
    sides = (seen.shape[1] - 64) // 2 + 1  # block1_conv1 pads by 1 of them
    borders = ledger.CHOICES[0]
    assert borders["choice"] == "borders"
    assert f"tried with {sides} for our fc6" in borders["why"]


def changed_by(way, monkeypatch):
    """Return the network that a way of training starts from."""
    started = []
    monkeypatch.setattr(training, "fit", lambda model, *_: started.append(model))
    ledger.WAYS[way](None, None, 1)
    return started[0]


def test_each_way_changes_what_its_name_says(monkeypatch):
    def start(way):
        return changed_by(way, monkeypatch)

    def is_zero(network, name):
        return not np.any(network.get_layer(name).kernel)

    skips = ("score_pool4", "score_pool3")
    ours = start(ledger.OURS)
    assert not is_zero(ours, "score_fr") and all(is_zero(ours, n) for n in skips)
    cleared = start("all scores zero")
    assert all(is_zero(cleared, name) for name in ("score_fr", *skips))
    drawn = start("skip scores random")
    assert not any(is_zero(drawn, name) for name in ("score_fr", *skips))
    learned = start("learned deconvolutions")
    extra = {weight.path for weight in learned.trainable_weights}
    extra -= {weight.path for weight in ours.trainable_weights}
    assert sorted(extra) == ["upscore2/kernel", "upscore_pool4/kernel"]
    fc6 = start("wide fc6").get_layer("fc6").kernel
    assert fc6.shape == (7, 7, 128, 1024)


def test_momentum_and_plain_scenes_train(monkeypatch):
    monkeypatch.setattr(training, "SIZE", (32, 32))
    pairs = [pasture.draw_scene(seed, 32, 32) for seed in range(5)]
    monkeypatch.setattr(training, "BATCH_SIZE", 2)
    dataset = datasets.batches(pairs, (32, 32), 2)
    model = ledger.WAYS["momentum 0.99"](dataset, pairs, 1)
    assert float(model.optimizer.momentum) == 0.99
    assert int(model.optimizer.iterations) == 3
    seen = []

    def watched(model, dataset, epochs):
        assert int(dataset.cardinality()) == 3
        seen.extend(image.tobytes() for batch, _ in dataset for image in batch.numpy())

    monkeypatch.setattr(training, "fit", watched)
    ledger.WAYS["no augmentation"](None, pairs, 1)
    assert sorted(seen) == sorted(image.tobytes() for image, _ in pairs)


def run(network, seed, mean_iou):
    return {"network": network, "seed": seed, "mean_iou": mean_iou}


@pytest.fixture
def folder(tmp_path):
    """A folder with the two other experiments, in which ours is better."""
    for name in ("compare", "transfer"):
        networks = {
            network: best
            for choice in ledger.CHOICES
            if choice.get("runs", [""])[0] == name
            for network, best in zip(choice["runs"][1:], (0.5, 0.25), strict=True)
        }
        runs = [
            run(network, seed, best + seed / 8)
            for network, best in networks.items()
            for seed in (0, 1)
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps({"runs": runs}))
    return tmp_path


def test_ledger_reads_other_experiments_and_keeps_its_own_runs(folder, monkeypatch):
    def train_on_pastures(path, command, ways, seeds, epochs, scenes):
        assert command == "python -m fcnlib ledger" and ways is ledger.WAYS
        assert (seeds, epochs, scenes) == ((0, 1), 2, 3)
        runs = [run(way, seed, 0.5 - seed / 8) for way in ways for seed in seeds]
        return {"runs": runs}

    monkeypatch.setattr(experiments, "train_on_pastures", train_on_pastures)
    path = folder / "ledger.json"
    stored = ledger.ledger(path, seeds=(0, 1), epochs=2, scenes=3)
    assert json.loads(path.read_text()) == stored
    choices = {choice["choice"]: choice for choice in stored["choices"]}
    assert choices["stages"]["mean_iou"] == {
        "ours": [0.5, 0.625],
        "tried": [0.25, 0.375],
    }
    assert choices["stages"]["difference"] == -0.25 and choices["stages"]["apart"]
    assert choices["borders"]["difference"] == 0 and not choices["borders"]["apart"]
    table = ledger.summarize(stored["choices"])
    assert "| 0.562 (0.088) | fcn8s staged: 0.312 (0.088) | yes |" in table
    assert "| padded borders: 0.438 (0.088) | no |".replace("| p", "p") in table
    assert len({line.count("|") for line in table.splitlines()}) == 1


def test_ledger_needs_the_other_experiments(folder, capsys):
    (folder / "compare.json").unlink()
    assert command_line.main(["ledger", "--out", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "python -m fcnlib compare" in said and said.count("\n") == 1


@pytest.fixture(scope="module")
def stored():
    return json.loads((RESULTS / "ledger.json").read_text(encoding="utf-8"))


def test_the_stored_ledger_is_whole(stored):
    runs = {(one["network"], one["seed"]) for one in stored["runs"]}
    assert runs == {(way, seed) for way in ledger.WAYS for seed in ledger.SEEDS}
    assert stored["epochs"] == ledger.EPOCHS
    assert f"{ledger.SCENES} scenes" in stored["data"]
    texts = ("choice", "paper", "ours", "why", "not_measured")
    for kept, choice in zip(stored["choices"], ledger.CHOICES, strict=True):
        assert all(kept.get(text) == choice.get(text) for text in texts)


def test_the_stored_effects_are_those_of_the_stored_runs(stored):
    for choice in stored["choices"]:
        if "not_measured" in choice:
            continue
        path = RESULTS / choice["runs"]["file"]
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        for side in ("ours", "tried"):
            name = choice["runs"][side]
            scores = [one["mean_iou"] for one in runs if one["network"] == name]
            assert choice["mean_iou"][side] == scores and len(scores) >= 2
        ours, tried = (np.array(choice["mean_iou"][side]) for side in ("ours", "tried"))
        difference = tried.mean() - ours.mean()
        assert choice["difference"] == pytest.approx(difference, abs=6e-4)
        above = (ours[:, None] > tried).all() or (ours[:, None] < tried).all()
        assert choice["apart"] == above


def test_the_page_shows_the_ledger_to_the_digit(stored):
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert ledger.summarize(stored["choices"]) in page
    assert experiments.summarize(stored) in page


def test_what_the_page_says_of_the_ledger(stored):
    def scores(name):
        runs = stored["runs"]
        return [one["mean_iou"] for one in runs if one["network"] == name]

    ours = scores(ledger.OURS)
    steps = -(-ledger.SCENES // training.BATCH_SIZE) * ledger.EPOCHS
    assert (len(stored["runs"]), steps) == (27, 192)
    overlapping = {c["choice"] for c in stored["choices"] if not c.get("apart", True)}
    assert overlapping == {
        "borders",
        "deconvolutions",
        "first weights of score_fr",
        "fc6 and fc7",
    }
    for name, gain in (("skip scores random", 0.02), ("no augmentation", 0.05)):
        assert min(scores(name)) > max(ours)
        assert np.mean(scores(name)) - np.mean(ours) == pytest.approx(gain, abs=0.005)
    for name in ("momentum 0.9", "momentum 0.99"):
        assert max(scores(name)) < min(ours) - 0.05
    same = [c["choice"] for c in ledger.CHOICES if c["paper"] == c["ours"]]
    assert len(same) == 3 and "first weights of the skip scores" in same
    assert (training.SIZE[0] + 2 * 35) ** 2 > 2 * training.SIZE[0] ** 2
