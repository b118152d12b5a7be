"""The three networks: sizes, alignment, weights, prediction and export."""

import gc
import hashlib
import json
import weakref

import keras
import numpy as np
import pytest

from fcnlib import layers, models

FCNS = (models.fcn32s, models.fcn16s, models.fcn8s)
STRIDES = {"fcn32s": [32], "fcn16s": [2, 16], "fcn8s": [2, 2, 8]}


def randomize(model, seed=0):
    """Give every weight but the deconvolutions' random values, zeros included."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            width = layer.gamma.shape
            statistics = [rng.uniform(0.5, 1.5, width), rng.normal(0, 0.1, width)]
            statistics += [rng.normal(0, 0.1, width), rng.uniform(0.5, 1.5, width)]
            layer.set_weights(statistics)
        elif isinstance(layer, keras.layers.Conv2D):
            fan_in = np.prod(layer.kernel.shape[:-1])
            layer.set_weights(
                [rng.normal(0, (2 / fan_in) ** 0.5, w.shape) for w in layer.weights]
            )
    return model


def pass_through(model, scoring):
    """Let each layer hand on its first two channels; score only in some layers."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = np.zeros(layer.kernel.shape)
            center = kernel.shape[0] // 2
            if not layer.name.startswith("score") or layer.name in scoring:
                kernel[center, center, [0, 1], [0, 1]] = 1
            biases = [np.zeros(weight.shape) for weight in layer.weights[1:]]
            layer.set_weights([kernel, *biases])
    return model


def pixels(*shape, seed=0):
    """Return random pixels."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def networks():
    """The three networks with random weights in every branch."""
    return {fcn.__name__: randomize(fcn(5)) for fcn in FCNS}


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (31, 33), (32, 32), (50, 97)])
@pytest.mark.parametrize("name", STRIDES)
def test_logits_have_the_size_of_the_image(networks, name, size):
    logits = models.predict_logits(networks[name], pixels(*size, 3))
    assert logits.shape == (*size, 5)
    assert np.isfinite(logits).all()


def outside_deconvolutions(model):
    """Count the parameters outside the deconvolutions."""
    fixed = [
        layer.count_params()
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2DTranspose)
    ]
    return model.count_params() - sum(fixed)


@pytest.mark.parametrize(
    ("fcn", "outside", "total"),
    [
        (models.fcn32s, 134_346_581, 136_152_917),
        (models.fcn16s, 134_357_354, 134_815_994),
        (models.fcn8s, 134_362_751, 134_489_759),
    ],
)
def test_vgg16_size_counts_as_the_paper(fcn, outside, total):
    # In this scope variables have shapes and no values: 540 MB are not allocated.
    with keras.StatelessScope(initialize_variables=False):
        model = fcn(21, size="vgg16")
    assert outside_deconvolutions(model) == outside
    assert model.count_params() == total
    trainable = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert trainable == outside


@pytest.mark.parametrize("name", STRIDES)
def test_course_size_is_small(networks, name):
    assert networks[name].count_params() < 1_200_000


@pytest.mark.parametrize("num_classes", [1, 0, 256, 2.5, "5", None, True])
def test_class_count_that_is_none_is_an_error(num_classes):
    with pytest.raises(ValueError, match="from 2 to 255, but is") as error:
        models.fcn32s(num_classes)
    assert repr(num_classes) in str(error.value)


@pytest.mark.parametrize("fcn", FCNS)
def test_unknown_size_is_an_error(fcn):
    with pytest.raises(ValueError, match="one of course, wide, vgg16, but is 'large'"):
        fcn(5, size="large")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", STRIDES)
def test_shifted_image_gives_shifted_logits(networks, name, axis):
    # Two windows of one long strip, 32 pixels apart. A logit sees less than 192 pixels
    # to each side: half of fc6's 276, and 32 more by the enlarging.
    strip = pixels(32, 512, 3)
    windows = np.stack([strip[:, :480], strip[:, 32:]])
    if axis == 0:
        windows = windows.swapaxes(1, 2)
    logits = models.predict_logits(networks[name], windows)
    first, second = logits if axis == 1 else logits.swapaxes(1, 2)
    inner = first[:, 192 + 32 : 480 - 192 + 32]
    assert np.ptp(inner) > 0.1
    np.testing.assert_allclose(second[:, 192 : 480 - 192], inner, atol=1e-4)
    assert not np.allclose(first[:, 192 : 480 - 192], inner, atol=1e-2)


@pytest.mark.parametrize(
    ("fcn", "scoring", "stride"),
    [
        (models.fcn32s, "score_fr", 32),
        (models.fcn16s, "score_fr", 32),
        (models.fcn16s, "score_pool4", 16),
        (models.fcn8s, "score_fr", 32),
        (models.fcn8s, "score_pool4", 16),
        (models.fcn8s, "score_pool3", 8),
    ],
)
def test_identity_scores_keep_an_edge_in_place(fcn, scoring, stride):
    model = pass_through(fcn(2), [scoring])
    # Red is class 0, green class 1; the quarters meet on a line between two cells. The
    # size needs every crop: 7 cells, an odd number, and the last of them cut.
    row, column = 5 * stride, 3 * stride
    labels = np.zeros((7 * stride - 3, 7 * stride - 3), np.uint8)
    labels[:row, column:] = 1
    labels[row:, :column] = 1
    image = np.stack([255 * (labels == 0), 255 * (labels == 1), 0 * labels], axis=-1)
    predictions = models.predict_labels(model, image.astype(np.uint8))
    # Where the four quarters meet, bilinear interpolation may be undecided.
    decided = np.ones(labels.shape, bool)
    decided[row - 1 : row + 1, column - 1 : column + 1] = False
    np.testing.assert_array_equal(predictions[decided], labels[decided])


def test_skips_start_at_zero():
    for layer_name in ("score_pool4", "score_pool3"):
        for weight in models.fcn8s(5).get_layer(layer_name).get_weights():
            assert not weight.any()


def test_zero_skips_leave_the_coarse_scores_enlarged(networks):
    """FCN-16s and 8s start as FCN-32s, enlarged in two and in three steps."""
    coarse = networks["fcn32s"]
    images = pixels(1, 160, 192, 3).astype("float32")
    scores = keras.Model(coarse.input, coarse.get_layer("score_fr").output)(images)
    for name, strides in STRIDES.items():
        model = getattr(models, name)(5)
        for layer in coarse.layers:
            if not layer.name.startswith("upscore"):
                model.get_layer(layer.name).set_weights(layer.get_weights())
        expected = scores
        for stride in strides:
            enlarge = keras.layers.UpSampling2D(stride, interpolation="bilinear")
            expected = enlarge(expected)
        inner = np.s_[:, 32:-32, 32:-32]
        np.testing.assert_allclose(
            model(images)[inner], np.asarray(expected)[inner], atol=1e-4
        )


@pytest.mark.parametrize("name", STRIDES)
def test_deconvolutions_are_bilinear_and_fixed(networks, name):
    deconvolutions = [
        layer
        for layer in networks[name].layers
        if isinstance(layer, keras.layers.Conv2DTranspose)
    ]
    assert [layer.strides[0] for layer in deconvolutions] == STRIDES[name]
    for layer in deconvolutions:
        expected = layers.bilinear_kernel(layer.strides[0])
        kernel = np.asarray(layer.kernel)
        np.testing.assert_array_equal(kernel[:, :, 2, 2], expected)
        np.testing.assert_array_equal(kernel.sum(axis=(2, 3)), 5 * expected)
        assert layer.trainable_weights == []


def test_layers_have_the_names_of_the_paper():
    names = {layer.name for layer in models.fcn8s(5).layers}
    assert {"block1_conv1", "block3_pool", "block5_conv3", "fc6", "fc7"} <= names
    assert {"score_fr", "upscore2", "score_pool4", "fuse_pool4"} <= names
    assert {"upscore_pool4", "score_pool3", "fuse_pool3", "upscore8"} <= names


def first_colors(size, image):
    """Return what the first convolution of a size sees of an image."""
    images = keras.Input((None, None, 3))
    with keras.StatelessScope(initialize_variables=False):
        pool3, _, _ = models.vgg_pools(images, size)
    colors = keras.Model(images, pool3).get_layer("colors")
    return np.asarray(keras.Model(images, colors.output)(image))


def test_course_colors_are_about_minus_one_to_one():
    image = np.array([[[[0, 51, 255]]]], "uint8")
    np.testing.assert_allclose(
        first_colors("course", image), [[[[-1, -0.6, 1]]]], atol=1e-6
    )


def test_vgg16_colors_equal_those_of_keras():
    image = pixels(1, 4, 5, 3)
    expected = keras.applications.vgg16.preprocess_input(image.astype("float32"))
    np.testing.assert_allclose(first_colors("vgg16", image), expected, atol=1e-4)


def test_networks_own_their_layers():
    first, second = models.fcn8s(5), models.fcn8s(5)
    ours = {id(weight) for weight in first.weights}
    assert not ours & {id(weight) for weight in second.weights}


def test_skip_scales_multiply_the_pools():
    plain = pass_through(models.fcn8s(2), ["score_pool4", "score_pool3"])
    scaled = models.fcn8s(2, skip_scales=(0.5, 0.5))
    scaled.set_weights(plain.get_weights())
    image = pixels(64, 64, 3)
    expected = models.predict_logits(plain, image) / 2
    np.testing.assert_allclose(
        models.predict_logits(scaled, image), expected, atol=1e-6
    )
    unequal = models.fcn8s(2, skip_scales=(0.01, 0.0001))
    assert unequal.get_layer("scale_pool4").scale == 0.01
    assert unequal.get_layer("scale_pool3").scale == 0.0001


def test_logits_stay_float32_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = models.fcn8s(5)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("fc6").compute_dtype == "float16"
    assert model.output.dtype == "float32"


def test_convolutionalized_dense_layer_gives_the_same_scores():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    dense = keras.layers.Dense(6, bias_initializer="random_normal")
    expected = dense(keras.layers.Flatten()(features))
    convolution = keras.layers.Conv2D(6, (3, 4))
    convolution.build(features.shape)
    kernel, bias = dense.get_weights()
    convolution.set_weights([models.convolutionalize(kernel, 3, 4), bias])
    np.testing.assert_allclose(convolution(features)[:, 0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(50, 4), (49,)])
def test_dense_kernel_of_another_map_is_an_error(shape):
    with pytest.raises(ValueError, match=r"expected a dense kernel of \(7 \* 7"):
        models.convolutionalize(np.zeros(shape), 7, 7)


@pytest.mark.parametrize("name", STRIDES)
def test_saved_networks_give_identical_logits(networks, name, tmp_path):
    model, image = networks[name], pixels(40, 70, 3)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    filled = getattr(models, name)(5)
    filled.load_weights(tmp_path / "model.weights.h5")
    expected = models.predict_logits(model, image)
    for other in (loaded, filled):
        np.testing.assert_array_equal(models.predict_logits(other, image), expected)


@pytest.fixture
def shipped(networks, tmp_path, monkeypatch):
    """A folder of shipped weights that holds one network."""
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    path = tmp_path / "pasture-fcn8s.weights.h5"
    networks["fcn8s"].save_weights(path)
    write_card(path, num_classes=5)
    return path


def write_card(path, **entries):
    """Write the card of a weights file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = {"architecture": "fcn8s", "size": "course", "sha256": digest, **entries}
    card_path = path.parent / path.name.replace(".weights.h5", ".json")
    card_path.write_text(json.dumps(card), encoding="utf-8")


def test_pretrained_network_is_the_shipped_one(networks, shipped):
    image = pixels(40, 70, 3)
    np.testing.assert_array_equal(
        models.predict_logits(models.load_pretrained("pasture-fcn8s"), image),
        models.predict_logits(networks["fcn8s"], image),
    )


def test_loading_leaves_the_random_seed_alone(shipped):
    keras.utils.set_random_seed(0)
    expected = models.fcn32s(2).get_layer("fc7").get_weights()[0]
    keras.utils.set_random_seed(0)
    models.load_pretrained("pasture-fcn8s")
    kernel = models.fcn32s(2).get_layer("fc7").get_weights()[0]
    np.testing.assert_array_equal(kernel, expected)


def test_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="expected one of pasture-fcn32s, .*'vgg'"):
        models.load_pretrained("vgg")


@pytest.mark.parametrize("ending", [".json", ".weights.h5"])
def test_missing_file_is_an_error(shipped, ending):
    missing = shipped.parent / f"pasture-fcn8s{ending}"
    missing.unlink()
    with pytest.raises(FileNotFoundError) as error:
        models.load_pretrained("pasture-fcn8s")
    assert str(missing) in str(error.value)


def test_changed_weights_are_an_error(shipped):
    shipped.write_bytes(shipped.read_bytes() + b"0")
    with pytest.raises(ValueError, match="expected SHA-256 .* but the file has"):
        models.load_pretrained("pasture-fcn8s")


@pytest.mark.parametrize("other", [{"num_classes": 7}, {"architecture": "fcn16s"}])
def test_weights_of_another_network_are_an_error(shipped, other):
    write_card(shipped, **{"num_classes": 5, **other})
    with pytest.raises(ValueError, match="but the file holds others") as error:
        models.load_pretrained("pasture-fcn8s")
    assert str(shipped) in str(error.value)
    assert "\n" not in str(error.value)


def test_onnx_export_gives_equal_logits_at_open_size(networks, tmp_path):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = str(tmp_path / "fcn8s.onnx")
    networks["fcn8s"].export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    for size in [(64, 96), (33, 50)]:
        image = pixels(*size, 3)
        (logits,) = session.run(None, {name: image[None].astype("float32")})
        expected = models.predict_logits(networks["fcn8s"], image)
        np.testing.assert_allclose(logits[0], expected, atol=1e-4)


def test_predictions_are_the_best_classes(networks):
    images = pixels(3, 20, 30, 3)
    model = networks["fcn8s"]
    logits = np.asarray(model(images.astype("float32"), training=False))
    np.testing.assert_allclose(models.predict_logits(model, images), logits, atol=1e-5)
    predictions = models.predict_labels(model, images)
    assert predictions.dtype == np.uint8
    np.testing.assert_array_equal(predictions, logits.argmax(axis=-1))
    one = models.predict_labels(model, images[1])
    np.testing.assert_array_equal(one, predictions[1])


def test_a_new_size_does_not_retrace(networks):
    model = networks["fcn8s"]
    for size in [(1, 32, 32), (2, 50, 20), (3, 7, 9)]:
        models.predict_labels(model, pixels(*size, 3))
        models.predict_logits(model, pixels(*size[1:], 3))
    assert models._predictor(model).experimental_get_tracing_count() == 1


def test_prediction_sees_changed_weights():
    model = randomize(models.fcn8s(5))
    image = pixels(40, 40, 3)
    before = models.predict_logits(model, image)
    randomize(model, seed=1)
    assert not np.allclose(models.predict_logits(model, image), before)


def test_many_images_go_in_small_batches(networks, monkeypatch):
    images = pixels(5, 16, 16, 3)
    expected = models.predict_labels(networks["fcn8s"], images)
    sizes = []
    predictor = models._predictor(networks["fcn8s"])

    def spy(batch):
        sizes.append(len(batch))
        return predictor(batch)

    monkeypatch.setattr(models, "_predictor", lambda model: spy)
    monkeypatch.setattr(models, "BATCH_PIXELS", 2 * 16 * 16)
    predictions = models.predict_labels(networks["fcn8s"], images)
    np.testing.assert_array_equal(predictions, expected)
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 4), (0, 8, 3), (0, 8, 8, 3), (1, 1, 8, 8, 3)]
)
def test_images_of_wrong_shape_are_an_error(networks, shape):
    with pytest.raises(ValueError, match="expected images of shape") as error:
        models.predict_labels(networks["fcn8s"], np.zeros(shape, np.uint8))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("dtype", ["float32", "uint16", "bool"])
def test_images_of_wrong_type_are_an_error(networks, dtype):
    with pytest.raises(ValueError, match=f"in uint8, .* but got {dtype}"):
        models.predict_labels(networks["fcn8s"], np.zeros((8, 8, 3), dtype))


def test_a_dropped_network_leaves_the_memory():
    model = models.fcn32s(2)
    models.predict_labels(model, pixels(32, 32, 3))
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((64, 96), (64, 96)),
        ((128, 192), (64, 96)),
        ((300, 100), (64, 21)),  # 64 / 300 of both sides
        ((16, 16), (64, 64)),
        ((1, 500), (1, 96)),
    ],
)
def test_pictures_are_scaled_to_the_working_size(monkeypatch, size, seen):
    seen_sizes = []

    def predict_logits(network, image):
        seen_sizes.append(image.shape[:2])
        return np.zeros((*image.shape[:2], 5), dtype="float32")

    monkeypatch.setattr(models, "predict_logits", predict_logits)
    image = np.zeros((*size, 3), dtype="uint8")
    predictions = models.predict_picture(None, image, (64, 96))
    assert seen_sizes == [seen]
    assert predictions.shape == size and predictions.dtype == "uint8"


def test_a_picture_of_the_working_size_is_predicted_as_it_is():
    network = models.fcn8s(num_classes=5)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), "uint8")
    predictions = models.predict_picture(network, image, (64, 96))
    assert np.array_equal(predictions, models.predict_labels(network, image))


def test_pictures_get_enlarged_scores_and_keeps_edges_in_place(monkeypatch):
    # Red scores for class 0, green for class 1, blue for class 2. At a quarter of the
    # size the edges, at multiples of 4, fall between pixels; enlarged they return.
    image = np.zeros((128, 192, 3), dtype="uint8")
    image[..., 0] = 255
    image[:64, 100:] = (0, 255, 0)
    image[64:, 52:] = (0, 0, 255)
    monkeypatch.setattr(
        models, "predict_logits", lambda network, small: small.astype("float32")
    )
    predictions = models.predict_picture(None, image, (32, 48))
    assert np.array_equal(predictions[:60], image[:60].argmax(axis=-1))
    assert np.array_equal(predictions[68:], image[68:].argmax(axis=-1))
