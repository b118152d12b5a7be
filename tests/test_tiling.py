"""Large pictures in tiles, and pictures with their mirror images."""

import keras
import numpy as np
import pytest
from test_models import pixels, randomize

from fcnlib import models, pasture, tiling

FCNS = (models.fcn32s, models.fcn16s, models.fcn8s)


@pytest.fixture(scope="module")
def network():
    """A network with random weights in every branch."""
    return randomize(models.fcn8s(5))


def let_through(model):
    """Give all kernels positive weights, so that a change goes as far as it can."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            weights = layer.get_weights()
            fan_in = np.prod(weights[0].shape[:-1])
            layer.set_weights(
                [np.full(weights[0].shape, 1 / fan_in)]
                + [np.zeros(weight.shape) for weight in weights[1:]]
            )
    return model


def changed_columns(model, column, width):
    """Return the first and last column whose logits a bright column changes."""
    dark = np.full((32, width, 3), 128, np.uint8)
    bright = dark.copy()
    bright[:, column] = 255
    before, after = models.predict_logits(model, np.stack([dark, bright]))
    columns = np.flatnonzero(np.any(before != after, axis=(0, 2)))
    return columns[0], columns[-1]


@pytest.mark.parametrize("fcn", FCNS)
def test_reach_is_as_far_as_a_pixel_changes_scores(fcn):
    model = let_through(fcn(2))
    reach, coarsest = tiling.measure_reach(model)
    assert coarsest == 32
    extremes = [changed_columns(model, 512 + shift, 1024) for shift in range(32)]
    backward = max(512 + shift - first for shift, (first, _) in enumerate(extremes))
    forward = max(last - 512 - shift for shift, (_, last) in enumerate(extremes))
    assert backward == forward == reach


def test_reach_of_vgg16_follows_from_its_receptive_field():
    # 404 pixels for a cell of fc7 (Table 1 of the paper), and two cells of 32 pixels
    # but one pixel by the last enlarging.
    with keras.StatelessScope(initialize_variables=False):
        model = models.fcn32s(21, size="vgg16")
    assert tiling.measure_reach(model) == ((404 - 1 + 64 - 1) // 2, 32)


def test_reach_of_uneven_and_dilated_windows_is_enough():
    images = keras.Input((None, None, 3))
    features = keras.layers.Conv2D(2, 3, strides=2, padding="same")(images)
    features = keras.layers.Conv2D(2, 3, dilation_rate=2, padding="same")(features)
    logits = keras.layers.Conv2DTranspose(2, 4, strides=2, padding="same")(features)
    model = let_through(keras.Model(images, logits))
    reach, coarsest = tiling.measure_reach(model)
    assert (reach, coarsest) == (7, 2)  # 2/2 and 1/2 for uneven padding, 2 * 2, 3/2
    for column in (64, 65):
        first, last = changed_columns(model, column, 128)
        assert reach - 2 <= column - first <= reach
        assert reach - 2 <= last - column <= reach


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.GlobalAveragePooling2D(keepdims=True),
        keras.layers.Conv2D(2, 3, padding="valid"),
        keras.layers.UpSampling2D(2),
    ],
)
def test_layer_of_unknown_reach_is_an_error(layer):
    images = keras.Input((None, None, 3))
    model = keras.Model(images, layer(images))
    with pytest.raises(ValueError, match=f"but {layer.name} is a .* pass a margin"):
        tiling.measure_reach(model)


# The sizes need one tile, tiles in one direction or in both, and end off the grid.
@pytest.mark.parametrize("size", [(1, 1), (50, 70), (33, 901), (700, 64), (450, 531)])
def test_tiles_give_the_labels_of_the_whole_picture(network, size):
    image = pixels(*size, 3)
    predictions = tiling.predict_tiles(network, image, tile_size=416)
    assert predictions.dtype == np.uint8
    logits = models.predict_logits(network, image)
    differs = predictions != logits.argmax(axis=-1)
    best = np.sort(logits, axis=-1)
    # Where two classes score the same, rounding decides.
    assert (best[differs, -1] - best[differs, -2] < 1e-4).all()
    assert differs.mean() < 1e-4


def test_too_small_a_margin_leaves_seams(network):
    image = pixels(64, 901, 3)
    expected = models.predict_labels(network, image)
    wrong = {}
    for margin in (0, 64, tiling.measure_reach(network)[0]):
        tiled = tiling.predict_tiles(network, image, tile_size=448, margin=margin)
        wrong[margin] = (tiled != expected).mean()
    assert list(wrong.values()) == sorted(wrong.values(), reverse=True)
    assert wrong[0] > 0.02 and wrong[64] > 0.001


@pytest.mark.parametrize("margin", [None, 0, 37])
def test_the_network_sees_no_more_than_a_tile(network, monkeypatch, margin):
    seen = []

    def predict_labels(model, image):
        seen.append(image.shape[:2])
        return image[..., 0]

    monkeypatch.setattr(models, "predict_labels", predict_labels)
    image = pixels(3000, 4000, 3)
    predictions = tiling.predict_tiles(network, image, tile_size=1000, margin=margin)
    np.testing.assert_array_equal(predictions, image[..., 0])
    assert np.max(seen) == 1000 and len(seen) > 12


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8, 3), (0, 8, 3)])
def test_picture_of_wrong_shape_is_an_error(network, shape):
    with pytest.raises(ValueError, match="expected one image of shape") as error:
        tiling.predict_tiles(network, np.zeros(shape, np.uint8))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize(("tile_size", "margin"), [(384, None), (31, 0), (64, -1)])
def test_tile_without_inside_is_an_error(network, tile_size, margin):
    with pytest.raises(ValueError, match=f"pixels, but got {tile_size} with a margin"):
        tiling.predict_tiles(network, pixels(8, 8, 3), tile_size, margin)


@pytest.mark.parametrize("width", [64, 77])
def test_mirrored_image_gets_mirrored_logits(network, width):
    averaged = tiling.average_flips(network)
    images = pixels(2, 40, width, 3)
    logits = models.predict_logits(averaged, images)
    mirrored = models.predict_logits(averaged, images[:, :, ::-1])
    np.testing.assert_array_equal(mirrored[:, :, ::-1], logits)
    plain = models.predict_logits(network, images)
    assert not np.allclose(models.predict_logits(network, images[:, :, ::-1]), plain)


def test_averaged_logits_are_the_mean_of_both_views(network):
    image = pixels(40, 77, 3)
    first = models.predict_logits(network, image)
    second = models.predict_logits(network, image[:, ::-1])[:, ::-1]
    averaged = models.predict_logits(tiling.average_flips(network), image)
    np.testing.assert_allclose(averaged, (first + second) / 2, atol=1e-5)


def test_averaging_owns_no_weights_and_leaves_the_network_alone(network):
    averaged = tiling.average_flips(network)
    assert {id(each) for each in averaged.weights} == {
        id(each) for each in network.weights
    }
    assert tiling.measure_reach(network) == tiling.measure_reach(models.fcn8s(5))


def test_averaging_works_with_pictures_and_tiles(network):
    averaged = tiling.average_flips(network)
    image, _ = pasture.draw_scene(0, 60, 80)
    picture = models.predict_picture(averaged, image, (48, 64))
    assert picture.shape == (60, 80)
    with pytest.raises(ValueError, match="pass a margin"):
        tiling.predict_tiles(averaged, image)
    tiled = tiling.predict_tiles(averaged, image, margin=192)
    np.testing.assert_array_equal(tiled, models.predict_labels(averaged, image))
