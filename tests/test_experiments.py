"""The experiments go on where they stopped, and their parts do what they say."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from fcnlib import datasets, experiments, models, pasture, training

THREE = ("fcn32s", "fcn8s staged", "fcn8s weighted classes")


@pytest.fixture
def small(monkeypatch):
    """A comparison of three kinds of training on two tiny scenes."""
    monkeypatch.setattr(datasets, "PASTURE_SPLITS", {"train": range(9), "test": [0]})
    monkeypatch.setattr(training, "SIZE", (32, 32))
    runs = {name: experiments.RUNS[name] for name in THREE}
    monkeypatch.setattr(experiments, "RUNS", runs)


def test_comparison_goes_on_where_it_stopped(tmp_path, small, monkeypatch):
    path = tmp_path / "compare.json"
    finished, train = [], experiments.RUNS["fcn8s staged"]

    def interrupted(*arguments):
        finished.extend(json.loads(path.read_text())["runs"])
        raise KeyboardInterrupt

    monkeypatch.setitem(experiments.RUNS, "fcn8s staged", interrupted)
    with pytest.raises(KeyboardInterrupt):
        experiments.compare(path, seeds=(0,), epochs=3, scenes=2)
    assert [run["network"] for run in finished] == ["fcn32s"]
    assert json.loads(path.read_text())["runs"] == finished  # what had ended is kept
    monkeypatch.setitem(experiments.RUNS, "fcn8s staged", train)
    whole = experiments.compare(path, seeds=(0,), epochs=3, scenes=2)
    assert whole["runs"][:1] == finished
    assert json.loads(path.read_text()) == whole
    assert [run["network"] for run in whole["runs"]] == list(THREE)


@pytest.fixture
def watched_transfer(tmp_path, monkeypatch):
    """A transfer of two starts to four tiny pictures, and what each run trained on."""
    pairs = [pasture.draw_scene(seed, 32, 40) for seed in range(4)]
    pairs = [(image, np.uint8(labels == 4)) for image, labels in pairs]
    monkeypatch.setattr(datasets, "load_horses", lambda split: pairs)
    monkeypatch.setattr(experiments, "TRANSFER_SIZE", (32, 64))
    starts = dict.fromkeys(experiments.STARTS, experiments.STARTS["scratch"])
    monkeypatch.setattr(experiments, "STARTS", starts)
    monkeypatch.setattr(training, "fit", lambda *_: None)
    seen, make_batches = [], datasets.batches

    def watched(chosen, *arguments, **options):
        seen.append([image.tobytes() for image, _ in chosen])
        return make_batches(chosen, *arguments, **options)

    monkeypatch.setattr(datasets, "batches", watched)
    path = tmp_path / "transfer.json"
    stored = experiments.transfer(path, seeds=(0, 1), epochs=1, counts=(2, 4))
    return stored, seen


def test_transfer_gives_every_run_equally_many_pictures(watched_transfer):
    stored, seen = watched_transfer
    names = ["scratch, 2", "scratch, 4", "pasture, 2", "pasture, 4"]
    names += ["frozen VGG16, 4", "VGG16, 4"]
    assert list(dict.fromkeys(run["network"] for run in stored["runs"])) == names
    assert [run["photographs"] for run in stored["runs"]] == 2 * [2, 2, 4, 4] + 4 * [4]
    assert [run["seed"] for run in stored["runs"]] == 6 * [0, 1]
    assert stored["pictures_seen"] == 4
    assert [len(chosen) for chosen in seen] == 12 * [4]
    assert [len(set(chosen)) for chosen in seen] == 2 * [2, 2, 4, 4] + 4 * [4]
    assert set(seen[0]) != set(seen[1])  # another seed draws other photographs
    for run in stored["runs"]:
        assert len(run["pictures"]) == 4
        assert set(run["iou"]) == {"background", "horse"}


def test_pasture_starts_with_what_drawn_scenes_taught():
    model, _ = experiments.STARTS["pasture"]()
    shipped = models.load_pretrained("pasture-fcn8s")
    for name in ("block1_conv1", "fc7"):
        np.testing.assert_array_equal(
            model.get_layer(name).get_weights()[0],
            shipped.get_layer(name).get_weights()[0],
        )
    assert model.output_shape[-1] == 2


def test_frozen_vgg16_trains_its_head_alone(monkeypatch):
    small = models.fcn8s(2)
    monkeypatch.setattr(experiments, "_from_vgg16", lambda: (small, 1e-4))
    model, _ = experiments.STARTS["frozen VGG16"]()
    trained = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert {"fc6", "fc7", "score_fr", "score_pool3"} <= trained
    assert not any(name.startswith(("block", "upscore")) for name in trained)


def test_another_budget_starts_anew(tmp_path, small):
    path = tmp_path / "compare.json"
    path.write_text(json.dumps({"epochs": 1, "runs": ["old"]}))
    assert experiments.compare(path, seeds=(), epochs=2, scenes=2)["runs"] == []


def test_stages_share_the_budget(monkeypatch):
    stages = []

    def watched(model, dataset, epochs):
        if stages:
            np.testing.assert_array_equal(
                model.get_layer("fc6").kernel, stages[-1][0].get_layer("fc6").kernel
            )
        model.get_layer("fc6").kernel.assign_add(
            np.ones(model.get_layer("fc6").kernel.shape)
        )
        stages.append((model, epochs))

    monkeypatch.setattr(training, "fit", watched)
    assert experiments.RUNS["fcn8s staged"](None, None, 7).name == "fcn8s"
    names = [(model.name, epochs) for model, epochs in stages]
    assert names == [("fcn32s", 3), ("fcn16s", 2), ("fcn8s", 2)]


def test_scaled_skips_are_those_of_the_paper(monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *_: None)
    model = experiments.RUNS["fcn8s scaled skips"](None, None, 1)
    scales = [model.get_layer(f"scale_{pool}").scale for pool in ("pool4", "pool3")]
    assert scales == [0.01, 0.0001]


def test_class_weights_are_medians_over_frequencies():
    labels = np.repeat([0, 1, 2, 255], [80, 10, 20, 40]).astype("uint8")
    np.testing.assert_allclose(experiments.class_weights(labels, 4), [0.25, 2, 1, 0])


def test_weighted_pixels_count_by_their_weight_in_the_loss():
    labels = np.array([[[0, 1], [1, 255]]], "uint8")
    logits = np.random.default_rng(0).normal(size=(1, 2, 2, 2)).astype("float32")
    dataset = tf.data.Dataset.from_tensors((logits, labels))
    _, _, weights = next(iter(experiments.weigh_pixels(dataset, [1, 3])))
    np.testing.assert_array_equal(weights, [[[1, 3], [3, 0]]])
    each = keras.losses.sparse_categorical_crossentropy(
        np.array([0, 1, 1]), logits.reshape(4, 2)[:3], from_logits=True
    )
    by_hand = np.dot([1, 3, 3], each) / 3  # a mean over the three valid pixels
    loss = training.void_loss()(labels, logits, sample_weight=weights)
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)


def test_shared_layers_are_copied_and_others_left():
    source, target = models.fcn32s(5), models.fcn16s(2)
    own = target.get_layer("score_fr").get_weights()
    copied = models.copy_weights(source, target)
    assert "fc7" in copied and "fc7_norm" in copied
    assert not {"score_fr", "score_pool4", "upscore16"} & set(copied)
    np.testing.assert_array_equal(
        source.get_layer("fc7").kernel, target.get_layer("fc7").kernel
    )
    np.testing.assert_array_equal(own[0], target.get_layer("score_fr").kernel)
