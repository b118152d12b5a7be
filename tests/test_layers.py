"""The bilinear kernel against hand derivation and Keras; the crop at every size."""

import keras
import numpy as np
import pytest

from fcnlib import layers


def deconvolution(channels, factor):
    """Return a bilinear transposed convolution as the networks use it."""
    return keras.layers.Conv2DTranspose(
        channels,
        2 * factor - factor % 2,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=layers.Bilinear(),
    )


def test_kernel_of_factor_2_by_hand():
    # A pixel of the result lies 1/4 or 3/4 of a step away from its two neighbors,
    # so they count 3/4 and 1/4.
    tent = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_array_equal(layers.bilinear_kernel(2), np.outer(tent, tent))


def test_kernel_of_factor_8_by_hand():
    # Half-pixel distances from the center are 1/2, 3/2, ... 15/2 steps of 1/8.
    rise = np.array([1, 3, 5, 7, 9, 11, 13, 15]) / 16
    tent = np.concatenate([rise, rise[::-1]])
    np.testing.assert_array_equal(layers.bilinear_kernel(8), np.outer(tent, tent))


@pytest.mark.parametrize(
    ("factor", "size"), [(1, 1), (2, 4), (3, 5), (4, 8), (8, 16), (16, 32), (32, 64)]
)
def test_kernel_spreads_each_score_over_factor_squared_pixels(factor, size):
    kernel = layers.bilinear_kernel(factor)
    assert kernel.shape == (size, size)
    assert kernel.dtype == np.float32
    assert kernel.sum() == pytest.approx(factor**2)


@pytest.mark.parametrize("factor", [0, -2, 1.5])
def test_kernel_of_no_factor_is_an_error(factor):
    with pytest.raises(ValueError, match=f"at least 1, but is {factor}"):
        layers.bilinear_kernel(factor)


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
def test_deconvolution_equals_upsampling_inside(factor):
    scores = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    enlarged = deconvolution(3, factor)(scores)
    expected = keras.layers.UpSampling2D(factor, interpolation="bilinear")(scores)
    inner = slice(factor // 2, -(factor // 2))
    np.testing.assert_allclose(
        enlarged[:, inner, inner], expected[:, inner, inner], atol=2e-6
    )


def test_border_is_weakened_as_derived():
    # At a border pixel the neighbor outside counts as 0: 3/4 is left on an edge, its
    # square in a corner.
    enlarged = np.asarray(deconvolution(1, 2)(np.ones((1, 4, 4, 1), "float32")))
    assert enlarged[0, 0, 0, 0] == 0.5625
    assert enlarged[0, 0, 3, 0] == 0.75
    assert enlarged[0, 3, 3, 0] == 1.0


def test_odd_factor_enlarges_without_shift():
    ramp = np.arange(6, dtype="float32")[None, None, :, None].repeat(6, axis=1)
    enlarged = np.asarray(deconvolution(1, 3)(ramp))[0, 6, :, 0]
    # The center of pixel i lies at 3 * i + 1.
    np.testing.assert_allclose(enlarged[3:-3], (np.arange(3, 15) - 1) / 3, atol=1e-6)


def test_channels_stay_apart():
    kernel = np.asarray(layers.Bilinear()((4, 4, 3, 3)))
    for out in range(3):
        for into in range(3):
            expected = layers.bilinear_kernel(2) * (out == into)
            np.testing.assert_array_equal(kernel[:, :, out, into], expected)


@pytest.mark.parametrize("shape", [(4, 5, 2, 2), (3, 3, 2, 2), (6, 6, 2, 2)])
def test_kernel_that_is_not_bilinear_is_an_error(shape):
    with pytest.raises(ValueError, match=f"this one is {shape[0]} x {shape[1]}"):
        layers.Bilinear()(shape)


def test_more_channels_out_than_in_is_an_error():
    with pytest.raises(ValueError, match="but 2 go in and 3 come out"):
        layers.Bilinear()((4, 4, 3, 2))


def test_initializer_follows_the_type_and_comes_back_from_its_config():
    config = keras.saving.serialize_keras_object(layers.Bilinear())
    again = keras.saving.deserialize_keras_object(config)
    kernel = again((4, 4, 1, 1), dtype="float64")
    assert keras.backend.standardize_dtype(kernel.dtype) == "float64"
    np.testing.assert_array_equal(kernel[:, :, 0, 0], layers.bilinear_kernel(2))


@pytest.mark.parametrize("dtype", ["float32", "float16", None])
def test_compiled_initializer_draws_the_numbers_of_keras(dtype):
    ours = layers.CompiledGlorotUniform(seed=3)
    config = keras.saving.serialize_keras_object(ours)
    expected = keras.initializers.GlorotUniform(seed=3)((7, 7, 64, 32), dtype)
    for draw in (ours, keras.saving.deserialize_keras_object(config)):
        drawn = draw((7, 7, 64, 32), dtype)
        assert drawn.dtype == expected.dtype
        np.testing.assert_array_equal(drawn, expected)


def test_compiled_initializer_follows_the_random_seed():
    kernels = []
    for kind in (layers.CompiledGlorotUniform, keras.initializers.GlorotUniform):
        keras.utils.set_random_seed(1)
        kernels.append(kind()((3, 3, 4, 5)))
    np.testing.assert_array_equal(*kernels)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 3), (8, 12)])
def test_crop_keeps_the_top_left(height, width):
    scores = np.random.default_rng(0).normal(size=(2, 8, 12, 5)).astype("float32")
    cropped = layers.CropLike()([scores, np.zeros((2, height, width, 3))])
    np.testing.assert_array_equal(cropped, scores[:, :height, :width])


def test_crop_knows_its_shape_for_static_and_open_sizes():
    scores = keras.Input((None, None, 5))
    static = layers.CropLike()([scores, keras.Input((50, 70, 3))])
    opened = layers.CropLike()([scores, keras.Input((None, 70, 3))])
    assert static.shape == (None, 50, 70, 5)
    assert opened.shape == (None, None, 70, 5)
