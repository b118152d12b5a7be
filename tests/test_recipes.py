"""The recipes write weights and cards that load, and go on where they stopped."""

import keras
import numpy as np
import pytest

from fcnlib import datasets, models, pasture, recipes, training


def test_training_to_ship_writes_weights_that_load(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    monkeypatch.setattr(recipes, "PASTURE_SEEDS", range(20_000, 20_004))
    monkeypatch.setattr(recipes, "PASTURE_SIZES", [(32, 32), (32, 48)])
    monkeypatch.setattr(recipes, "PASTURE_EPOCHS", 1)
    monkeypatch.setattr(datasets, "PASTURE_SPLITS", {"test": range(2)})
    monkeypatch.chdir(tmp_path)
    card = recipes.train_pretrained("pasture-fcn16s")
    assert sorted(path.name for path in tmp_path.glob("pasture*")) == [
        "pasture-fcn16s.json",
        "pasture-fcn16s.weights.h5",
    ]
    assert models.read_card("pasture-fcn16s")["sha256"] == card["sha256"]
    assert card["working_size"] == (32, 48)
    confusion = training.evaluate(
        models.load_pretrained("pasture-fcn16s"), training.unseen_scenes((32, 48))
    )
    assert training.scores(confusion, pasture.CLASSES) == card["scores"]["32 x 48"]


def test_training_to_ship_goes_on_from_the_last_whole_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    monkeypatch.setattr(recipes, "PASTURE_SEEDS", range(20_000, 20_004))
    monkeypatch.setattr(recipes, "PASTURE_SIZES", [(32, 32)])
    monkeypatch.setattr(recipes, "PASTURE_EPOCHS", 2)
    monkeypatch.setattr(datasets, "PASTURE_SPLITS", {"test": range(2)})
    monkeypatch.chdir(tmp_path)
    begun, fit = [], training.fit

    def interrupt(epoch, logs):
        begun.append(epoch)
        if begun == [0, 1]:
            raise KeyboardInterrupt

    def watched(model, dataset, epochs, callbacks):
        watch = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
        return fit(model, dataset, epochs, callbacks=[*callbacks, watch], verbose=0)

    monkeypatch.setattr(training, "fit", watched)
    with pytest.raises(KeyboardInterrupt):
        recipes.train_pretrained("pasture-fcn8s")
    assert not list(tmp_path.glob("pasture*"))
    recipes.train_pretrained("pasture-fcn8s")
    assert begun == [0, 1, 1]
    assert len(list(tmp_path.glob("pasture*"))) == 2


def test_training_to_ship_refuses_an_unknown_name():
    with pytest.raises(ValueError, match="pasture-fcn8s"):
        recipes.train_pretrained("pasture-fcn4s")


def test_horses_are_copied_onto_the_pictures_of_the_first_half():
    images = np.stack([np.full((2, 2, 3), 10 * i, "uint8") for i in range(5)])
    labels = np.zeros((5, 2, 2), "uint8")
    labels[2, 0] = 1  # the donor for picture 0
    labels[3] = 255
    labels[0, 1] = 1
    pasted_images, pasted_labels = recipes._paste_horses(images, labels)
    expected_images, expected_labels = images.copy(), labels.copy()
    expected_images[0, 0], expected_labels[0, 0] = 20, 1
    np.testing.assert_array_equal(pasted_images, expected_images)
    np.testing.assert_array_equal(pasted_labels, expected_labels)


def test_batches_of_horses_differ_by_epoch_and_agree_by_seed():
    pairs = [pasture.draw_scene(seed, 60, 80) for seed in range(4)]
    pairs = [(image, (labels == 4).astype("uint8")) for image, labels in pairs]
    batches = recipes.horse_batches(pairs)
    first, second = (next(iter(batches))[0].numpy() for _ in range(2))
    assert not np.array_equal(first, second)
    images, labels = next(iter(recipes.horse_batches(pairs)))
    np.testing.assert_array_equal(images, first)
    assert set(np.unique(labels)) == {0, 1, 255}
