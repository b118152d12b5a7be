"""Networks fine-tuned on a folder, stored, loaded, and trained on after a stop."""

import json

import keras
import numpy as np
import pytest

from fcnlib import datasets, fine_tuning, metrics, models, pasture, training

CARD = {
    "name": "barns",
    "architecture": "fcn8s",
    "size": "course",
    "num_classes": 2,
    "classes": ["ground", "barn"],
    "working_size": [32, 48],
}


def write_folder(folder, seeds=range(5), value=1):
    """Write scenes with label maps of two classes: horse, and what is none."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(exist_ok=True)
    for seed in seeds:
        image, labels = pasture.draw_scene(seed, 32, 48)
        mask = np.where(labels == 255, 255, (labels >= 3) * value).astype("uint8")
        datasets.write_png(folder / "images" / f"{seed}.png", image)
        datasets.write_png(folder / "labels" / f"{seed}.png", mask)
    return folder / "images", folder / "labels"


@pytest.fixture
def small(monkeypatch):
    """Let the shipped network work at the size of the small pictures."""
    card = {**models.read_card("pasture-fcn8s"), "working_size": [32, 48]}
    monkeypatch.setattr(models, "read_card", lambda name: card)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_fifth_is_held_out_by_the_seed():
    pairs = [f"pair {number:02}" for number in range(23)]
    learned, held_out = fine_tuning.split_pairs(pairs)
    assert len(held_out) == 5 and sorted(learned + held_out) == pairs
    assert learned == sorted(learned) and held_out == sorted(held_out)
    assert fine_tuning.split_pairs(pairs) == (learned, held_out)
    assert fine_tuning.split_pairs(pairs, seed=1) != (learned, held_out)
    assert [len(part) for part in fine_tuning.split_pairs(pairs[:2])] == [1, 1]
    with pytest.raises(ValueError, match="at least two pictures .* but got 1"):
        fine_tuning.split_pairs(pairs[:1])


def test_stored_network_is_loaded_as_it_was(tmp_path):
    model = models.fcn8s(2)
    card = fine_tuning.save_network(model, CARD, tmp_path)
    assert names(tmp_path) == ["barns.json", "barns.weights.h5"]
    loaded, read = fine_tuning.load_network(tmp_path / "barns.json")
    assert read == card and {**card, "sha256": ""} == {**CARD, "sha256": ""}
    image = pasture.draw_scene(0, 32, 48)[0]
    np.testing.assert_array_equal(
        models.predict_logits(loaded, image), models.predict_logits(model, image)
    )


def test_what_is_no_stored_network_is_refused(tmp_path):
    path = tmp_path / "barns.json"
    with pytest.raises(FileNotFoundError, match="barns.json: expected the card"):
        fine_tuning.load_network(path)
    fine_tuning.save_network(models.fcn8s(2), CARD, tmp_path)
    weights = tmp_path / "barns.weights.h5"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"!")
    with pytest.raises(ValueError, match="barns.weights.h5: expected SHA-256"):
        fine_tuning.load_network(path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="expected the weights"):
        fine_tuning.load_network(path)
    weights.write_bytes(content)
    for text in ("{", "[]", "{}", '{"sha256": "", "architecture": "vgg"}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="barns.json: expected the card of a"):
            fine_tuning.load_network(path)


def test_a_folder_is_learned_and_the_best_epoch_kept(small, tmp_path, capsys):
    images, labels = write_folder(tmp_path, range(6))
    out = tmp_path / "new" / "networks"
    card = fine_tuning.train_on_folder("barns", images, labels, out, epochs=2)
    assert capsys.readouterr().out.startswith("6 pairs, 0 problems, 0 notes.\n")
    assert names(out) == ["barns.json", "barns.weights.h5"]
    model, stored = fine_tuning.load_network(out / "barns.json")
    assert stored == card and 1 <= card["best_epoch"] <= 2
    assert card["classes"] == ["0", "1"] and card["start"] == "pasture-fcn8s"
    assert card["data"].startswith("5 pictures of ")
    _, held_out = fine_tuning.split_pairs(datasets.folder_pairs(images, labels))
    confusion = training.evaluate_pictures(
        model, [datasets.read_pair(*pair) for pair in held_out], [32, 48]
    )
    (scores,) = card["scores"].values()
    mean_iou = float(metrics.mean_iou(confusion))
    assert scores["mean_iou"] == pytest.approx(mean_iou, abs=1e-4)


def test_the_network_starts_from_the_shipped_one(small, tmp_path, monkeypatch):
    images, labels = write_folder(tmp_path)
    begun = {}

    def fit(model, dataset, epochs, callbacks, **options):
        layer = model.get_layer("block1_conv1")
        begun.update(weights=layer.get_weights()[0], epochs=epochs, **options)
        keep = callbacks[-1]
        keep.set_model(model)
        keep.on_epoch_end(0, {"val_mean_iou": 0.5})

    monkeypatch.setattr(training, "fit", fit)
    fine_tuning.train_on_folder("barns", images, labels, tmp_path, epochs=7)
    shipped = models.load_pretrained("pasture-fcn8s").get_layer("block1_conv1")
    np.testing.assert_array_equal(begun["weights"], shipped.get_weights()[0])
    assert begun["epochs"] == 7
    assert begun["learning_rate"] == fine_tuning.LEARNING_RATE


def test_pictures_are_learned_at_the_scale_at_which_they_are_labeled(
    small, tmp_path, monkeypatch
):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for seed, size in enumerate([(10, 12), (16, 24), (64, 40), (90, 200), (32, 48)]):
        image = np.resize(pasture.draw_scene(0, 96, 128)[0], (*size, 3))
        labels = np.repeat([0, 1], size[0] // 2).astype("uint8")[:, None]
        datasets.write_png(tmp_path / "images" / f"{seed}.png", image)
        labels = np.repeat(labels, size[1], axis=1)
        datasets.write_png(tmp_path / "labels" / f"{seed}.png", labels)
    given, shown = [], []
    monkeypatch.setattr(
        datasets, "batches", lambda pairs, *rest, **options: given.extend(pairs)
    )
    monkeypatch.setattr(
        training, "fit", lambda *arguments, callbacks, **options: keep(*callbacks)
    )

    def keep(_, best):
        best.set_model(models.fcn8s(2))
        best.on_epoch_end(0, {"val_mean_iou": 0.5})

    images = tmp_path / "images"
    fine_tuning.train_on_folder("barns", images, tmp_path / "labels", tmp_path)

    def predict(model, image):
        shown.append(image)
        return np.zeros((*image.shape[:2], 2), "float32")

    monkeypatch.setattr(models, "predict_logits", predict)
    paths = datasets.folder_pairs(images, tmp_path / "labels")
    for path, _ in [pair for part in fine_tuning.split_pairs(paths) for pair in part]:
        models.predict_picture(None, datasets.read_image(path), [32, 48])
    assert len(given) == len(shown) == 5
    for (image, labels), expected in zip(given, shown, strict=True):
        np.testing.assert_array_equal(image, expected)
        assert labels.shape == image.shape[:2]
        assert labels.shape[0] == 32 or labels.shape[1] == 48
        assert set(np.unique(labels)) == {0, 1}


def test_a_name_that_is_there_is_not_overwritten(small, tmp_path, monkeypatch):
    images, labels = write_folder(tmp_path)
    out = tmp_path / "networks"
    out.mkdir()
    fine_tuning.save_network(models.fcn8s(2), CARD, out)
    before = [path.read_bytes() for path in sorted(out.iterdir())]
    monkeypatch.setattr(training, "fit", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ValueError, match="barns.json: expected a new name"):
        fine_tuning.train_on_folder("barns", images, labels, out)
    assert [path.read_bytes() for path in sorted(out.iterdir())] == before
    (out / "barns.json").unlink()
    with pytest.raises(ValueError, match="barns.weights.h5: expected a new name"):
        fine_tuning.train_on_folder("barns", images, labels, out)


class Stop(keras.callbacks.Callback):
    """Interrupt a training at the start of an epoch, and note which ones ran."""

    def __init__(self, at):
        super().__init__()
        self.at, self.begun = at, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)
        if epoch == self.at:
            raise KeyboardInterrupt


def test_an_interrupted_training_leaves_the_best_and_goes_on(
    small, tmp_path, monkeypatch
):
    images, labels = write_folder(tmp_path)
    fit = training.fit

    def run(stop, epochs=4):
        monkeypatch.setattr(
            training,
            "fit",
            lambda *arguments, callbacks, **options: fit(
                *arguments, callbacks=[*callbacks, stop], verbose=0, **options
            ),
        )
        return fine_tuning.train_on_folder(
            "barns", images, labels, tmp_path, epochs=epochs
        )

    first, second = Stop(2), Stop(None)
    with pytest.raises(KeyboardInterrupt):
        run(first)
    _, card = fine_tuning.load_network(tmp_path / "barns.json")
    before = card["scores"]["held out, at the working size"]["mean_iou"]
    assert first.begun == [0, 1, 2]
    # A worse epoch after the stop must not replace the best one before it.
    changed = {**card, "scores": {"held out": {"mean_iou": 1.0}}}
    (tmp_path / "barns.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="barns.json: expected a new name"):
        run(Stop(None), epochs=5)
    after = run(second)
    assert second.begun == [2, 3] and 0 < before < 1
    assert after["best_epoch"] == card["best_epoch"]


def test_what_is_wrong_is_said_before_anything_is_trained(
    small, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(training, "fit", lambda *arguments, **options: 1 / 0)
    images, labels = write_folder(tmp_path, value=255)
    with pytest.raises(ValueError, match="labels: expected .* 5 problems: repair"):
        fine_tuning.train_on_folder("barns", images, labels, tmp_path / "out")
    assert "5 problems (5 0/255 mask)" in capsys.readouterr().out
    write_folder(tmp_path, value=2)
    with pytest.raises(ValueError, match="5 problems"):
        fine_tuning.train_on_folder(
            "barns", images, labels, tmp_path / "out", class_names=["ground", "barn"]
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", "pasture-fcn8s"])
def test_names_that_are_no_file_names_or_taken_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match="expected a name such as barns"):
        fine_tuning.train_on_folder(name, tmp_path, tmp_path, tmp_path)
