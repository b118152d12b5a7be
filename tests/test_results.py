"""The shipped networks score what their cards, `results/` and the README say."""

import hashlib
import json
from pathlib import Path
from statistics import mean

import cv2
import pytest

from fcnlib import (
    datasets,
    experiments,
    metrics,
    models,
    pasture,
    photographs,
    recipes,
    training,
)

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
# Scenes and sums differ in their last digits between processors and libraries.
TOLERANCE = 0.005
HORSES = "horses-fcn8s"
PASTURE = [name for name in models.PRETRAINED if name.startswith("pasture")]


@pytest.fixture(scope="module")
def measured():
    """The scores of the shipped networks, measured here and now."""
    scenes = training.unseen_scenes()
    return {
        name: training.scores(
            training.evaluate(models.load_pretrained(name), scenes), pasture.CLASSES
        )
        for name in PASTURE
    }


def flat(scores):
    """One score by each name, the classes' among them."""
    others = {name: value for name, value in scores.items() if name != "iou"}
    return others | scores["iou"]


@pytest.mark.parametrize("name", PASTURE)
def test_results_and_card_hold_the_measured_scores(measured, name):
    stored = json.loads((RESULTS / "scores.json").read_text())
    seeds = datasets.PASTURE_SPLITS["test"]
    assert stored["seeds"] == [seeds[0], seeds[-1]]
    assert stored["scenes"] == len(seeds) == 200
    expected = pytest.approx(flat(measured[name]), abs=TOLERANCE)
    assert flat(stored["networks"][name]) == expected
    assert flat(models.read_card(name)["scores"]["128 x 128"]) == expected


def test_each_skip_is_worth_several_points(measured):
    fcn32s, fcn16s, fcn8s = (measured[n]["mean_iou"] for n in PASTURE)
    assert fcn8s >= 0.76
    assert fcn16s - fcn32s >= 0.04 and fcn8s - fcn16s >= 0.04


def test_larger_scenes_are_segmented_too():
    network = models.load_pretrained("pasture-fcn8s")
    scenes = datasets.pasture_batches(range(40), [(240, 320)], 8)
    assert metrics.mean_iou(training.evaluate(network, scenes)) >= 0.74


@pytest.mark.parametrize("name", PASTURE)
def test_weights_are_small_and_their_card_is_whole(name):
    path = models.WEIGHTS / f"{name}.weights.h5"
    card = models.read_card(name)
    assert path.stat().st_size <= 5_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert card["command"] == f"python -m fcnlib train {name}"
    assert {"data", "seeds", "epochs", "minutes", "machine", "working_size"} <= set(
        card
    )
    assert card["classes"] == list(pasture.CLASSES)
    # No scene that a network is tested on was one that it saw.
    seen = range(card["seeds"][0], card["seeds"][1] + 1)
    for split in ("val", "test"):
        assert not set(datasets.PASTURE_SPLITS[split]) & set(seen)


def test_the_three_had_the_same_training():
    cards = [models.read_card(name) for name in PASTURE]
    for key in ("data", "seeds", "epochs", "size", "working_size"):
        assert cards[0][key] == cards[1][key] == cards[2][key]


def test_the_horse_network_is_small_and_its_card_is_whole():
    path, card = models.WEIGHTS / f"{HORSES}.weights.h5", models.read_card(HORSES)
    assert path.stat().st_size <= 12_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert card["command"] == f"python -m fcnlib train {HORSES}"
    assert card["classes"] == ["background", "horse"]
    assert {"data", "epochs", "minutes", "machine", "working_size"} <= set(card)
    assert card["limits"] == list(recipes.HORSES_LIMITS)
    (scores,) = card["scores"].values()
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"`{HORSES}` has a mean IoU of {scores['mean_iou']:.3f}" in page


def test_the_horse_network_scores_what_its_card_says():
    try:
        unseen = datasets.load_horses("val")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    card = models.read_card(HORSES)
    confusion = training.evaluate_pictures(
        models.load_pretrained(HORSES), unseen, card["working_size"]
    )
    measured = training.scores(confusion, card["classes"])
    (stored,) = card["scores"].values()
    assert flat(measured) == pytest.approx(flat(stored), abs=TOLERANCE)
    assert measured["mean_iou"] >= 0.905


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_the_horse_network_sees_horses_where_none_are(name):
    pytest.importorskip("skimage", reason="its photographs are not installed")
    predictions = models.predict_picture(
        models.load_pretrained(HORSES),
        photographs.load_photograph(name),
        models.read_card(HORSES)["working_size"],
    )
    assert (predictions == 1).mean() > 0.1


def test_the_pictures_are_there_and_large_enough():
    for name in ("horse.png", "sem_seg.png", "sem_seg_inf.png"):
        picture = cv2.imread(str(RESULTS / name))
        assert min(picture.shape[:2]) >= 480, name
    assert cv2.imread(str(RESULTS / "horse.png")).shape[1] >= 640


@pytest.fixture(scope="module")
def comparison():
    return json.loads((RESULTS / "compare.json").read_text())


def test_the_stored_comparison_holds_what_the_course_promises(comparison):
    runs = {(r["network"], r["seed"]): r["mean_iou"] for r in comparison["runs"]}
    seeds = experiments.SEEDS
    assert set(runs) == {(name, seed) for name in experiments.RUNS for seed in seeds}
    assert comparison["epochs"] == experiments.EPOCHS
    networks = ("fcn32s", "fcn16s", "fcn8s")
    means = [mean(runs[network, seed] for seed in seeds) for network in networks]
    assert means[2] >= 0.70
    assert means[1] - means[0] >= 0.04 and means[2] - means[1] >= 0.04


def test_the_page_shows_the_stored_comparison_to_the_digit(comparison):
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert experiments.summarize(comparison) in page


def test_what_the_page_says_of_the_comparison(comparison):
    def column(name, score):
        return [run[score] for run in comparison["runs"] if run["network"] == name]

    def fence(name):
        return mean(iou["fence"] for iou in column(name, "iou"))

    three = [column(name, "mean_iou") for name in ("fcn32s", "fcn16s", "fcn8s")]
    assert max(three[0]) < min(three[1]) and max(three[1]) < min(three[2])
    assert max(column("fcn8s staged", "mean_iou")) < min(three[2])
    assert mean(column("fcn8s scaled skips", "mean_iou")) < mean(three[0]) + 0.02
    weighted, plain = "fcn8s weighted classes", "fcn8s"
    assert min(column(weighted, "mean_accuracy")) > max(column(plain, "mean_accuracy"))
    assert fence(weighted) < fence(plain) - 0.05
    assert max(column(weighted, "mean_iou")) < min(three[2])


@pytest.fixture(scope="module")
def transferred():
    return json.loads((RESULTS / "transfer.json").read_text())


def test_the_page_shows_the_stored_transfer_to_the_digit(transferred):
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert experiments.summarize(transferred) in page
    assert transferred["pictures_seen"] == 1780


def test_what_the_page_says_of_the_transfer(transferred):
    def runs(start, photographs):
        return [
            run["mean_iou"]
            for run in transferred["runs"]
            if (run["start"], run["photographs"]) == (start, photographs)
        ]

    counts = experiments.PHOTOGRAPHS
    for count in counts:
        assert len(runs("scratch", count)) == len(runs("pasture", count)) == 3
        assert min(runs("pasture", count)) > max(runs("scratch", count))
    assert min(runs("pasture", 30)) > max(runs("scratch", counts[-1]))
    for start in ("VGG16", "frozen VGG16"):
        assert len(runs(start, counts[-1])) == 2
        assert max(runs(start, counts[-1])) < min(runs("pasture", counts[-1]))
