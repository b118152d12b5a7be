"""The examinations name each disease from its evidence, and none in healthy runs."""

import itertools
import random
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fcnlib import datasets, metrics, models, pasture, training
from fcnlib.examination import DISEASES, Finding, Report, Unknown, examine

COLORS = np.random.default_rng(99).integers(20, 236, (21, 3))
MEANS = np.array([103.939, 116.779, 123.68], "float32")  # of ImageNet, BGR
LAYERS = keras.layers


def draw(count=24, size=32, num_classes=3, seed=0, void=False, things=5):
    """Ellipses and rectangles with noise, and their labels, void along the borders."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((count, size, size), "uint8")
    for one in labels:
        for _ in range(generator.integers(1, things + 1)):
            label = int(generator.integers(1, num_classes))
            x, y = map(int, generator.integers(0, size, 2))
            a, b = map(int, generator.integers(size // 8, size // 3, 2))
            if generator.random() < 0.5:
                cv2.ellipse(one, (x, y), (a, b), 30, 0, 360, label, -1)
            else:
                cv2.rectangle(one, (x - a, y - b), (x + a, y + b), label, -1)
    images = paint(labels)
    for one in labels if void else ():
        kernel = np.ones((3, 3), "uint8")
        one[cv2.dilate(one, kernel) != cv2.erode(one, kernel)] = 255
    return images, labels


def paint(labels):
    """One color a class, with noise."""
    noise = np.random.default_rng(1).normal(0, 10, (*labels.shape, 3))
    return np.clip(COLORS[labels] + noise, 0, 255).astype("uint8")


def cut(*arrays):
    """Batches of 8."""
    starts = range(0, len(arrays[0]), 8)
    return [tuple(array[start : start + 8] for array in arrays) for start in starts]


def network(num_classes=3, first=None, end=None, start="he_normal"):
    """Three convolutions, after a layer that brings colors to -1..1."""
    first = LAYERS.Rescaling(1 / 127.5, offset=-1) if first is None else first
    images = keras.Input((None, None, 3))
    x = first(images)
    for dilation in (1, 2):
        x = LAYERS.Conv2D(
            *(16, 3),
            padding="same",
            dilation_rate=dilation,
            activation="relu",
            kernel_initializer=start,
        )(x)
    x = LAYERS.Conv2D(num_classes, 1, activation=end, kernel_initializer=start)(x)
    return keras.Model(images, x)


def nothing():
    """A first layer that leaves colors as they are."""
    return LAYERS.Identity()


def logits_loss(**options):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, **options)


def compiled(model, optimizer="adam", loss=None):
    model.compile(optimizer, loss or logits_loss(), jit_compile=False)
    return model


def adam():
    return keras.optimizers.Adam(5e-3)


def taught(model, images, labels, loss=None, optimizer=None, epochs=10):
    """A model after a training, and the history."""
    keras.utils.set_random_seed(0)
    compiled(model, optimizer or adam(), loss)
    history = model.fit(images, labels, 8, epochs, verbose=0)
    return model, history


@pytest.fixture(scope="module")
def school():
    """Networks that have learned, with their histories; nothing may change them."""
    keras.utils.set_random_seed(0)
    images, labels = draw()
    plain = "sparse_categorical_crossentropy"
    pupils = {
        "logits": taught(network(), images, labels),
        "prepared": taught(network(first=nothing()), images / 127.5 - 1, labels),
        "softmax": taught(network(end="softmax"), images, labels, plain),
    }
    for _, history in pupils.values():
        assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    return SimpleNamespace(images=images, labels=labels, **pupils)


# --- healthy runs


def trained(school):
    model, history = school.logits
    return model, cut(school.images, school.labels), history


def trained_and_new_scenes_of_two_sizes(school):
    return school.logits[0], cut(*draw(seed=7)) + cut(*draw(8, 48, seed=8))


def untrained(school):
    return compiled(network()), cut(*draw())


def untrained_with_21_classes_and_sgd(school):
    model = compiled(network(21), keras.optimizers.SGD(1e-3, momentum=0.9))
    return model, cut(*draw(num_classes=21, things=8))


def untrained_with_two_classes_not_compiled(school):
    return network(2), cut(*draw(num_classes=2))


def few_steps(school):
    model, history = taught(network(), *draw(), epochs=1)
    return model, cut(*draw()), history


def skip_scores_at_zero(school):
    scenes = datasets.pasture_batches(range(8), [(64, 64)], batch_size=4)
    return compiled(models.fcn8s(5), loss=training.void_loss()), scenes


def score_layer_at_zero(school):
    model = network()
    kernel = model.layers[-1].kernel
    kernel.assign(np.zeros(kernel.shape))
    return compiled(model, "sgd"), cut(*draw())


def shipped_network_with_its_scores(school):
    model = models.load_pretrained("pasture-fcn8s")
    scenes = datasets.pasture_batches(range(16), [(64, 64)], batch_size=8)
    confusion = training.evaluate(model, scenes)
    names = (
        *(metrics.pixel_accuracy, metrics.mean_accuracy),
        *(metrics.mean_iou, metrics.frequency_weighted_iou),
    )
    return model, scenes, None, {one.__name__: one(confusion) for one in names}


def percentages(school):
    model, _ = school.logits
    return model, cut(school.images, school.labels), None, {"pixel accuracy": 97.0}


def one_hot_labels_with_void_rows(school):
    images, labels = draw(void=True)
    one_hot = np.eye(256, dtype="float32")[labels][..., :3]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model, history = taught(network(), images, one_hot, loss, epochs=3)
    return model, cut(images, one_hot), history


def smooth_labels(school):
    labels = np.eye(3, dtype="float32")[draw()[1]] * 0.9 + 0.1 / 3
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return compiled(network(), loss=loss), cut(draw()[0], labels)


def summed_loss_with_a_small_rate(school):
    rate = keras.optimizers.SGD(1e-5, momentum=0.9)
    loss = logits_loss(reduction="sum")
    model, history = taught(network(), *draw(), loss, rate, epochs=3)
    return model, cut(*draw()), history


def summed_loss_untrained(school):
    loss = logits_loss(reduction="sum")
    return compiled(network(), keras.optimizers.SGD(1e-6), loss), cut(*draw())


def probabilities(school):
    model, history = school.softmax
    return model, cut(*draw()), history


def probabilities_untrained_not_compiled(school):
    return network(end="softmax"), cut(*draw())


def one_channel_of_probabilities(school):
    images, labels = draw(num_classes=2)
    model = compiled(network(1, end="sigmoid"), loss="binary_crossentropy")
    return model, cut(images, labels[..., None].astype("float32"))


def endless_generator(school):
    def scenes():
        for seed in itertools.count():
            yield draw(8, seed=seed)

    return school.logits[0], scenes()


class Shelf(keras.utils.PyDataset):
    """Batches by number."""

    def __len__(self):
        return 3

    def __getitem__(self, place):
        return draw(8, seed=place)


def numbered_batches(school):
    return school.logits[0], Shelf()


def data_set_of_floats_with_a_channel_of_labels(school):
    images, labels = school.images.astype("float32"), school.labels[..., None]
    return school.logits[0], tf.data.Dataset.from_tensors((images, labels))


class Own(keras.Model):
    """A subclassed model."""

    def __init__(self, twice=False):
        super().__init__()
        self.inner, self.twice = network(first=nothing()), twice

    def call(self, images):
        scores = self.inner(images)
        return tf.nn.softmax(tf.nn.softmax(scores)) if self.twice else scores


def subclassed_with_a_pipeline_that_divides(school):
    return compiled(Own()), cut(draw()[0] / 255, draw()[1])


def prepared_in_the_pipeline(school):
    model, history = school.prepared
    return model, cut(school.images / 127.5 - 1, school.labels), history


def less(images):
    """BGR less ImageNet's means."""
    return images[..., ::-1] - MEANS


def means_taken_off_in_the_pipeline(school):
    model = keras.Sequential([network(first=nothing())])
    return compiled(model), cut(less(draw()[0]), draw()[1])


def means_taken_off_in_the_model(school):
    first = LAYERS.Lambda(keras.applications.vgg16.preprocess_input)
    return compiled(network(first=first)), cut(*draw())


def standardized_in_the_model(school):
    first = LAYERS.Normalization()
    first.adapt(draw()[0])
    return compiled(network(first=first)), cut(*draw())


def batch_normalization_first(school):
    images = less(draw()[0])
    first = LAYERS.BatchNormalization(momentum=0.5)
    model, history = taught(network(first=first), images, draw()[1], epochs=3)
    return model, cut(images, draw()[1]), history


def void_with_a_weight_of_zero(school):
    images, labels = draw(num_classes=5, void=True, things=8)
    weights = (labels != 255).astype("float32")
    labels = np.where(labels == 255, 0, labels)
    return compiled(network(5)), cut(images, labels, weights)


def weighted_classes(school):
    images, labels = draw()
    weights = np.array([0.3, 1, 2], "float32")[labels]
    return school.logits[0], cut(images, labels, weights)


def void_left_out_by_an_own_loss(school):
    def loss(labels, logits):
        there = tf.cast(labels < 3, "float32")
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.where(labels < 3, tf.cast(labels, "int32"), 0), logits
        )
        return tf.reduce_sum(there * each) / tf.reduce_sum(there)

    return compiled(network(), loss=loss), cut(*draw(void=True))


def void_is_minus_one(school):
    images, labels = draw(void=True)
    labels = np.where(labels == 255, -1, labels.astype("int32"))
    return compiled(network(), loss=logits_loss(ignore_class=-1)), cut(images, labels)


def converged(school):
    model, history = school.logits
    end = history.history["loss"][-1]
    slow = {"loss": [end, end, end], "learning_rate": [1e-3, 1e-6, 1e-9]}
    return model, cut(school.images, school.labels), slow


def rate_that_rises_first(school):
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, 1000, warmup_target=1e-3, warmup_steps=100
    )
    return compiled(network(), keras.optimizers.SGD(rate)), cut(*draw())


def mirrored_together(school):
    images, labels = draw()
    images[::2], labels[::2] = images[::2, :, ::-1], labels[::2, :, ::-1]
    return school.logits[0], cut(images, labels)


def symmetric_scenes(school):
    labels = draw()[1]
    labels = np.maximum(labels, labels[:, :, ::-1])
    return school.logits[0], cut(paint(labels), labels)


def one_class_alone(school):
    return compiled(network()), cut(draw()[0], 0 * draw()[1])


def void_alone(school):
    return compiled(network(), loss=training.void_loss()), cut(
        draw()[0], np.full_like(draw()[1], 255)
    )


def blank_images(school):
    return compiled(network()), cut(0 * draw()[0], draw()[1])


def noise_for_images(school):
    noise = np.random.default_rng(0).integers(0, 256, draw()[0].shape)
    return compiled(network()), cut(noise.astype("uint8"), draw()[1])


def thin_layers(school):
    generator = np.random.default_rng(1)
    labels = []
    for shift in range(16):
        wave = 4 * np.sin(np.arange(64) / 9 + shift)
        rows = np.arange(64)[:, None] - wave.astype(int)
        borders = 10 + np.cumsum(generator.integers(2, 9, 4))
        labels.append(sum((rows >= border).astype("uint8") for border in borders))
    labels = np.array(labels)
    return compiled(network(5)), cut(paint(labels), labels)


HEALTHY = [
    *(trained, trained_and_new_scenes_of_two_sizes, untrained, few_steps),
    *(untrained_with_21_classes_and_sgd, untrained_with_two_classes_not_compiled),
    *(skip_scores_at_zero, score_layer_at_zero, shipped_network_with_its_scores),
    *(percentages, one_hot_labels_with_void_rows, smooth_labels),
    *(summed_loss_with_a_small_rate, summed_loss_untrained, probabilities),
    *(probabilities_untrained_not_compiled, one_channel_of_probabilities),
    *(endless_generator, numbered_batches, prepared_in_the_pipeline),
    *(data_set_of_floats_with_a_channel_of_labels, standardized_in_the_model),
    *(subclassed_with_a_pipeline_that_divides, batch_normalization_first),
    *(means_taken_off_in_the_pipeline, means_taken_off_in_the_model),
    *(void_with_a_weight_of_zero, weighted_classes, void_left_out_by_an_own_loss),
    *(void_is_minus_one, converged, rate_that_rises_first, mirrored_together),
    *(symmetric_scenes, one_class_alone, void_alone, blank_images),
    *(noise_for_images, thin_layers),
]


@pytest.mark.parametrize("run", HEALTHY, ids=lambda run: run.__name__)
def test_healthy_runs_get_no_name(school, run):
    keras.utils.set_random_seed(2)
    report = examine(*run(school))
    assert report.diseases == (), report


# --- broken runs


def shrunk(num_classes, scale=1, **options):
    """Scenes whose label maps were resized bilinearly."""
    images, labels = draw(16, 64, num_classes, things=8, **options)
    labels = [cv2.resize(one * scale, (32, 32)) for one in labels]
    return [cv2.resize(one, (32, 32)) for one in images], labels


def mixed_with_void(school):
    loss = training.void_loss()
    return compiled(network(5), loss=loss), cut(*map(np.array, shrunk(5, void=True)))


def mixed_classes(school):
    return network(5), cut(*map(np.array, shrunk(5)))


def mixed_fractions(school):
    images, labels = shrunk(2, scale=np.float32(1))
    return network(2), cut(np.array(images), np.array(labels))


def enlarged(school):
    images, labels = draw(16, 64, 6, things=8)
    small = labels[:, ::2, ::2]
    labels = np.array([cv2.resize(one, (64, 64)) for one in small])
    return network(6), cut(images, labels)


def counted_void(school):
    return compiled(network()), cut(*draw(void=True))


def counted_void_with_weights(school):
    images, labels = draw(void=True)
    model = compiled(network(), loss=logits_loss(ignore_class=7))
    return model, cut(images, labels, np.ones(labels.shape))


def void_of_its_own(school):
    images, labels = draw(void=True)
    return network(4), cut(images, np.where(labels == 255, 3, labels))


def void_painted_as_class_0(school):
    images, labels = draw(num_classes=5, size=64, void=True, things=9)
    return compiled(network(5)), cut(images, np.where(labels == 255, 0, labels))


def prepared_for_a_model_that_prepares(school):
    return school.logits[0], cut(school.images / 127.5 - 1, school.labels)


def divided_for_an_untrained_model(school):
    return network(), cut(draw()[0] / 255, draw()[1])


def means_taken_off_twice(school):
    return network(first=nothing()), cut(less(less(draw()[0])), draw()[1])


def divided_then_means_taken_off(school):
    return network(first=nothing()), cut(less(draw()[0] / 255), draw()[1])


def raw_model_given_prepared(school):
    images, labels = school.images.astype("float32"), school.labels
    first = LAYERS.BatchNormalization(momentum=0.8)
    model, _ = taught(network(first=first), images, labels)
    return model, cut(images / 255, labels)


def swapped(school):
    return school.logits[0], cut(school.images[..., ::-1], school.labels)


def swapped_before_the_pipeline_prepares(school):
    model, history = school.prepared
    return model, cut(school.images[..., ::-1] / 127.5 - 1, school.labels), history


def swapped_pastures(school):
    images, labels = pasture.draw_scenes(range(16), 64, 64)
    model = models.load_pretrained("pasture-fcn16s")
    return model, cut(images[..., ::-1], labels)


def all_flipped(school):
    return compiled(network()), cut(draw()[0], draw()[1][:, :, ::-1])


def every_third_image_flipped(school):
    images, labels = draw()
    images[::3] = images[::3, :, ::-1]
    return school.logits[0], cut(images, labels)


def upside_down_and_prepared(school):
    images, labels = draw(void=True)
    images[::2] = images[::2, ::-1]
    model = compiled(network(first=nothing()), loss=training.void_loss())
    return model, cut(images / 255, labels)


def softmax_in_network_and_loss(school):
    return compiled(network(end="softmax")), cut(*draw())


def softmax_in_network_and_own_loss(school):
    def loss(labels, scores):
        return keras.ops.sparse_categorical_crossentropy(
            keras.ops.cast(labels, "int32"), scores, from_logits=True
        )

    return compiled(network(end="softmax"), loss=loss), cut(*draw())


def two_softmax_layers(school):
    model = network(5, end="softmax")
    return keras.Sequential([model, LAYERS.Softmax()]), cut(*draw(num_classes=5))


def two_softmax_calls_in_a_subclass(school):
    model, images = Own(twice=True), school.images / 127.5 - 1
    model.inner.set_weights(school.prepared[0].get_weights())
    return model, cut(images, school.labels)


def softmax_twice_by_the_history(school):
    model = keras.models.clone_model(school.softmax[0])  # not compiled
    model.set_weights(school.softmax[0].get_weights())
    scores = model.predict(school.images, verbose=0)
    loss = float(logits_loss()(school.labels, scores))
    return model, cut(school.images, school.labels), {"loss": [1, loss, loss]}


def zeros(school):
    return network(start="zeros"), cut(*draw())


def zeros_after_a_training(school):
    model, history = taught(network(start="zeros"), *draw(), epochs=3)
    return model, cut(*draw()), history


def zeros_with_softmax(school):
    model = network(21, end="softmax", start="zeros")
    loss = "sparse_categorical_crossentropy"
    batches = cut(*draw(num_classes=21))
    return compiled(model, "sgd", loss), batches, {"loss": [3.04, 3.04]}


def rate_of_a_summed_loss(school):
    rate = keras.optimizers.SGD(1e-10, momentum=0.99)
    model, history = taught(network(), *draw(), optimizer=rate, epochs=3)
    return model, cut(*draw()), history


def tiny_rate_of_adam(school):
    return compiled(network(), keras.optimizers.Adam(1e-9)), cut(*draw())


def flat_history_of_a_model_not_compiled(school):
    return network(), cut(*draw()), {"loss": [2.5, 2.5, 2.499]}


def rate_of_a_mean_loss(school):
    rate = keras.optimizers.SGD(0.01, momentum=0.9)
    loss = logits_loss(reduction="sum")
    model, history = taught(network(), *draw(), loss, rate, epochs=2)
    return model, cut(*draw()), history


def huge_steps(school):
    return compiled(network(), keras.optimizers.SGD(1e3)), cut(*draw())


def rising_loss(school):
    return compiled(network()), cut(*draw()), {"loss": [1.1, 5.0, 80.0]}


def all_background(num_classes=3):
    """A network that calls everything class 0, and scenes with little else."""
    model = network(num_classes)
    model.layers[-1].bias.assign([50] + (num_classes - 1) * [0])
    images, labels = draw(things=1, size=64, num_classes=num_classes)
    return model, cut(images, labels), (labels == 0).mean()


def accuracy_of_background(school):
    model, batches, share = all_background()
    return model, batches, None, {"accuracy": share + 0.01}


def weighted_jaccard_in_percent(school):
    model, batches, share = all_background(2)
    return model, batches, None, {"Weighted Jaccard": 100 * share**2}


def weighted_mean_called_mean(school):
    model, batches, share = all_background()
    return model, batches, None, {"mean_iou": share**2}


def accuracy_in_the_history(school):
    model, batches, share = all_background()
    return model, batches, {"val_accuracy": 6 * [share]}


BROKEN = {
    "interpolated labels": (mixed_with_void, mixed_classes, mixed_fractions, enlarged),
    "void as a class": (
        *(counted_void, counted_void_with_weights, void_of_its_own),
        void_painted_as_class_0,
    ),
    "preprocessing twice": (
        *(prepared_for_a_model_that_prepares, divided_for_an_untrained_model),
        *(means_taken_off_twice, divided_then_means_taken_off),
        raw_model_given_prepared,
    ),
    "red and blue swapped": (
        *(swapped, swapped_before_the_pipeline_prepares, swapped_pastures),
    ),
    "flipped labels": (
        *(all_flipped, every_third_image_flipped, upside_down_and_prepared),
    ),
    "softmax twice": (
        *(softmax_in_network_and_loss, softmax_in_network_and_own_loss),
        *(two_softmax_layers, two_softmax_calls_in_a_subclass),
        softmax_twice_by_the_history,
    ),
    "all weights zero": (zeros, zeros_after_a_training, zeros_with_softmax),
    "learning rate": (
        *(rate_of_a_summed_loss, tiny_rate_of_adam, rate_of_a_mean_loss),
        *(flat_history_of_a_model_not_compiled, huge_steps, rising_loss),
    ),
    "background score": (
        *(accuracy_of_background, weighted_jaccard_in_percent),
        *(weighted_mean_called_mean, accuracy_in_the_history),
    ),
}
CASES = [(name, run) for name, runs in BROKEN.items() for run in runs]


@pytest.mark.parametrize(
    ("name", "run"), CASES, ids=lambda case: getattr(case, "__name__", case)
)
def test_broken_runs_get_their_name_alone(school, name, run):
    keras.utils.set_random_seed(2)
    report = examine(*run(school))
    assert report.diseases == (name,), report
    assert name not in [gap.name for gap in report.unknown]


def test_each_disease_is_tried():
    assert tuple(BROKEN) == DISEASES


# --- what it leaves alone, what it cannot tell, what it says


def numbers():
    """One random number of each global source."""
    drawn = random.random(), np.random.random()  # noqa: NPY002
    return *drawn, float(keras.random.uniform(())), float(tf.random.uniform(()))


def test_nothing_changes(school):
    model, history = school.logits
    model.compile(adam(), logits_loss(), metrics=["accuracy"])
    model.train_on_batch(school.images[:8], school.labels[:8])
    batches = cut(school.images.copy(), school.labels.copy())
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [keras.ops.convert_to_numpy(one).copy() for one in variables]
    keras.utils.set_random_seed(5)
    examine(model, batches, history, {"accuracy": 0.9})
    drawn = numbers()
    keras.utils.set_random_seed(5)
    assert drawn == numbers()
    for one, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(one, value)
    for (images, labels), kept in zip(
        batches, cut(school.images, school.labels), strict=True
    ):
        np.testing.assert_array_equal(images, kept[0])
        np.testing.assert_array_equal(labels, kept[1])
    assert not any("call" in vars(layer) for layer in model.layers)


def test_at_most_64_images_are_read(school):
    read = []

    def scenes():
        while True:
            read.append(8)
            yield draw(8)

    examine(school.logits[0], scenes())
    assert sum(read) == 64


def unknown(report):
    return [gap.name for gap in report.unknown]


def test_what_cannot_be_told_is_said(school):
    swap, score = "red and blue swapped", "background score"
    assert unknown(examine(*trained(school))) == [score]
    zero = examine(*score_layer_at_zero(school))
    assert unknown(zero) == [swap, score]
    model = network(2)
    model.layers[-1].bias.assign([-50, 50])  # fits nothing
    assert unknown(examine(model, cut(*draw(num_classes=2)))) == [
        *("void as a class", swap, "learning rate", score)
    ]
    assert unknown(examine(*symmetric_scenes(school))) == ["flipped labels", score]
    not_compiled = examine(network(), cut(*draw(void=True)))
    assert "not compiled" in not_compiled.unknown[0].reason
    blank = examine(*blank_images(school))
    assert unknown(blank)[:3] == ["preprocessing twice", swap, "flipped labels"]


def test_several_diseases_come_in_the_order_of_the_checklist():
    images, labels = draw(void=True)
    batches = cut(images / 255, labels[:, :, ::-1])
    model = compiled(network(start="zeros"))
    share = (labels == 0).sum() / (labels < 255).sum()
    report = examine(model, batches, None, {"accuracy": share})
    assert report.diseases == (
        *("void as a class", "preprocessing twice", "flipped labels"),
        *("all weights zero", "background score"),
    )


def test_the_evidence_has_the_numbers():
    report = examine(*accuracy_of_background(None))
    share = all_background()[2]
    (finding,) = report.findings
    assert f"accuracy is {share + 0.01:.3g}" in finding.evidence
    assert f"earns {share:.3g}" in finding.evidence
    assert f"mean IoU of one confusion matrix is {share / 3:.3g}" in finding.evidence
    assert report.notes[0] == "The model gives class 0 to nearly all pixels."


def test_labels_that_count_from_one_are_a_note(school):
    report = examine(school.logits[0], cut(school.images, school.labels + 1))
    assert report.diseases == ()
    assert report.notes[-1] == "Labels go up to 3, but classes to 2."


def test_the_report_as_text():
    findings = (Finding("softmax twice", "Its loss ends at 0.55."),)
    gaps = (Unknown("background score", "No score was reported."),)
    lines = str(Report(findings, gaps, ("It gives class 0.",))).split("\n")
    assert lines[0] == "Found: softmax twice."
    assert lines[1] == "  Evidence: Its loss ends at 0.55."
    assert lines[2].startswith("  Try next: Let the last layer give logits")
    assert lines[3:] == [
        "Also seen: It gives class 0.",
        "Could not tell: background score. No score was reported.",
    ]
    assert str(Report()) == "Found none of the nine diseases."


IMAGES, LABELS = np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8))


@pytest.mark.parametrize(
    ("layer", "batches", "message"),
    [
        ("conv", [], "at least one batch, but got none"),
        ("conv", [IMAGES], "but got a ndarray: give them in pairs"),
        ("conv", [(IMAGES[0], LABELS[0])], "batch the data"),
        ("conv", [(IMAGES, LABELS[:1])], "as many labels"),
        ("conv", [(IMAGES, LABELS[:, ::2])], r"but got \(2, 4, 8\)"),
        ("conv", [(IMAGES, np.zeros((2, 8, 8, 5)))], "one-hot"),
        ("dense", [(IMAGES, LABELS)], "a model that scores each pixel"),
        ("built", [(IMAGES[..., :2], LABELS)], "but it fails"),
    ],
)
def test_what_does_not_fit_together_is_an_error_of_one_line(layer, batches, message):
    layers = {
        "conv": [LAYERS.Conv2D(2, 1)],
        "dense": [LAYERS.Flatten(), LAYERS.Dense(2)],
        "built": [keras.Input((8, 8, 3)), LAYERS.Conv2D(2, 1)],
    }
    with pytest.raises(ValueError, match=message) as error:
        examine(keras.Sequential(layers[layer]), batches)
    assert "\n" not in str(error.value)
