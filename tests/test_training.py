"""The recipe trains, the loss ignores void, scores are those of one matrix."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fcnlib import datasets, metrics, models, pasture, training


def test_loss_is_the_mean_over_pixels_that_are_not_void():
    labels = np.array([[[0, 1], [2, 255]]], "uint8")
    logits = np.random.default_rng(0).normal(size=(1, 2, 2, 3)).astype("float32")
    # By hand: minus the logarithm of the softmax at the true class, three pixels.
    exponentials = np.exp(logits[0].reshape(4, 3).astype("float64"))
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    by_hand = -np.log(softmax[[0, 1, 2], [0, 1, 2]]).mean()
    assert float(training.void_loss()(labels, logits)) == pytest.approx(by_hand, 1e-5)


def test_a_batch_of_void_alone_has_loss_zero():
    labels = np.full((1, 2, 2), 255, "uint8")
    logits = np.ones((1, 2, 2, 3), "float32")
    assert float(training.void_loss()(labels, logits)) == 0


def test_void_pixels_move_no_weight():
    logits = tf.Variable(np.zeros((1, 1, 2, 3), "float32"))
    with tf.GradientTape() as tape:
        loss = training.void_loss()(np.array([[[1, 255]]], "uint8"), logits)
    gradient = tape.gradient(loss, logits).numpy()[0, 0]
    assert np.abs(gradient[0]).sum() > 0 and np.abs(gradient[1]).sum() == 0


def test_training_learns_a_few_scenes():
    keras.utils.set_random_seed(0)
    model = models.fcn8s(num_classes=5)
    pairs = list(zip(*pasture.draw_scenes(range(16), 64, 64), strict=True))
    scenes = datasets.batches(pairs, (64, 64), 8)
    history = training.fit(model, scenes, epochs=25, verbose=0)
    confusion = training.evaluate(model, scenes)
    share = confusion.sum(axis=1).max() / confusion.sum()
    assert history.history["loss"][-1] < 0.6 * history.history["loss"][0]
    # One class everywhere would score share / 5.
    assert metrics.mean_iou(confusion) > max(0.4, 2 * share / 5)


def test_the_deconvolutions_stay_bilinear_in_training():
    model = models.fcn8s(num_classes=5)
    before = model.get_layer("upscore8").kernel.numpy()
    scenes = datasets.pasture_batches(range(4), [(32, 32)], 2)
    training.fit(model, scenes, epochs=1, verbose=0)
    np.testing.assert_array_equal(model.get_layer("upscore8").kernel.numpy(), before)


def test_evaluate_counts_every_pixel_once():
    model = models.fcn8s(num_classes=5)
    images, labels = pasture.draw_scenes(range(5), 32, 48)
    scenes = datasets.pasture_batches(range(5), [(32, 48)], 2)
    predictions = models.predict_labels(model, images)
    expected = metrics.confusion_matrix(labels, predictions, 5)
    np.testing.assert_array_equal(training.evaluate(model, scenes), expected)
    assert expected.sum() == (labels != datasets.VOID).sum()


def test_scores_are_those_of_the_matrix():
    confusion = np.array([[5, 1, 1], [0, 5, 0], [1, 0, 2]])
    scores = training.scores(confusion, ("a", "b", "c"))
    assert scores["iou"] == {"a": 0.625, "b": 0.8333, "c": 0.5}
    assert scores["mean_iou"] == round(47 / 72, 4)
    assert scores["pixel_accuracy"] == 0.8
    assert scores["mean_accuracy"] == round(50 / 63, 4)
    assert scores["frequency_weighted_iou"] == round(241 / 360, 4)


@pytest.mark.parametrize("dataset", ["empty", "endless"])
def test_a_dataset_without_a_length_is_refused(dataset):
    scenes = datasets.pasture_batches(range(2), [(32, 32)], 2)
    scenes = scenes.take(0) if dataset == "empty" else scenes.repeat()
    with pytest.raises(ValueError, match="known length"):
        training.fit(models.fcn8s(num_classes=5), scenes, epochs=1)


def test_validation_is_scored_after_each_epoch_as_by_our_own_matrix():
    model = models.fcn8s(num_classes=5)
    scenes = datasets.pasture_batches(range(4), [(32, 32)], 2)
    unseen = datasets.pasture_batches(range(4, 7), [(32, 32)], 2)
    fitted = training.fit(model, scenes, epochs=2, validation=unseen, verbose=0)
    assert set(fitted.history) == {"loss", "mean_iou", "val_loss", "val_mean_iou"}
    expected = metrics.mean_iou(training.evaluate(model, unseen))
    assert fitted.history["val_mean_iou"][-1] == pytest.approx(expected, abs=1e-3)


def test_pictures_are_scored_at_their_own_size():
    pairs = [pasture.draw_scene(0, 40, 60), pasture.draw_scene(1, 60, 40)]
    model = models.fcn8s(5)
    counted = training.evaluate_pictures(model, pairs, (32, 32))
    expected = sum(
        metrics.confusion_matrix(
            labels, models.predict_picture(model, image, (32, 32)), 5
        )
        for image, labels in pairs
    )
    np.testing.assert_array_equal(counted, expected)
    assert counted.sum() == sum((labels != 255).sum() for _, labels in pairs)
