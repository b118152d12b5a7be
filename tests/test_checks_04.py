"""Test the checks of lesson 4: right answers pass, each mistake gets its hint."""

import keras
import numpy as np
import pytest

from fcnlib import checks, layers, models
from fcnlib.checks import judging

SIZES = [(8, 6), (14, 10), (104, 72)]
CONV, DECONV = keras.layers.Conv2D, keras.layers.Conv2DTranspose


def test_a_network_that_returns_none_is_not_attempted(said):
    line = said("build_fcn8s", lambda num_classes: None)
    assert line.startswith("Not attempted yet: ")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("deconvolved_sizes", SIZES),
        ("deconvolved_sizes", np.array(SIZES)),
        ("deconvolved_sizes", tuple([float(side) for side in pair] for pair in SIZES)),
        ("faulty_lines", [1, 4, 6]),
        ("faulty_lines", (6, 4, 1)),
        ("faulty_lines", {1, 4, 6}),
        ("faulty_lines", np.array([4.0, 1.0, 6.0])),
    ],
)
def test_right_values(name, answer, said):
    assert said(name, answer) == "Correct."


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ([(7, 5), (13, 9), (100, 70)], "these sizes are already cropped"),
        ([(7, 5), (14, 10), (104, 72)], "the first size is already cropped"),
        ([(8, 6), (13, 9), (104, 72)], "the second size is already cropped"),
        ([(8, 6), (14, 10), (100, 70)], "the last size is already cropped"),
        ([(8, 6), (13, 9), (100, 70)], "two of these sizes are already cropped"),
        ([(8, 8), (16, 16), (128, 128)], "the example's answer"),
        ([(6, 4), (12, 8), (96, 64)], "lost in pooling"),
        ([(6, 4), (12, 8), (96, 72)], "lost in pooling"),
        ([(6, 4), (12, 8), (100, 70)], "lost in pooling"),
        ([(8, 6), (16, 12), (128, 96)], "upscore2 has 4 rows, and 3 of them go on"),
        ([(8, 6), (16, 12), (104, 72)], "upscore2 has 4 rows, and 3 of them go on"),
        ([(8, 6), (14, 10), (112, 80)], "upscore_pool4 is cropped before it goes on"),
        ([(6, 8), (10, 14), (72, 104)], "swapped"),
        ([(104, 72), (14, 10), (8, 6)], "reversed"),
        ([(4, 3), (7, 5), (13, 9)], "go into the deconvolutions"),
        ([(6.25, 4.375), (12.5, 8.75), (100, 70)], "whole cells"),
        ([8, 6, 14, 10, 104, 72], "shape is (6,)"),
        ({"upscore2": (8, 6)}, "dict"),
    ],
)
def test_wrong_sizes_get_their_hint(wrong, hint, said):
    line = said("deconvolved_sizes", wrong)
    assert line.startswith("Not yet: ") and hint in line


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ([4, 6], "from being negative"),
        ([1, 6], "the smaller one cannot be cut to the larger"),
        ([1, 4], "almost 0 between two cells"),
        (6, "from being negative"),
        ([], "from being negative"),
        ([1, 2, 4, 6], "line 2 is right: a kernel of 4"),
        ([1, 3, 4, 6], "line 3 is right: a skip"),
        ([5], "line 5 is right: fusion"),
        ([7], "line 7 is right: what hangs over"),
        ([0], "no line 0"),
        (["relu"], "numbers of lines"),
    ],
)
def test_wrong_lines_get_their_hint(wrong, hint, said):
    line = said("faulty_lines", wrong)
    assert line.startswith("Not yet: ") and hint in line


# FCN-8s. One builder with a setting per mistake, so that each differs from a right
# network in one place.

RIGHT = {
    "activation": None,
    "score_size": 1,
    "half_kernel": 8,  # of upscore8
    "stride": 8,
    "padding": "same",
    "start": layers.Bilinear(),
    "skip_start": "zeros",
    "bias": False,
    "names": {},
    "crop": lambda scores, like: layers.CropLike()([scores, like]),
    "last_crop": lambda scores, like: layers.CropLike()([scores, like]),
    "add": lambda name: keras.layers.Add(name=name),
    "before": lambda scores: scores,
    "end": lambda logits: logits,
    "pools": ("block4_pool", "block3_pool"),
    "fused_first": "pool4",
}


def network(**changes):
    """Return a function that builds FCN-8s, with some places changed."""
    how = {**RIGHT, **changes}

    def build(num_classes):
        def named(name):
            return how["names"].get(name, name)

        def score(features, name, start):
            return CONV(
                num_classes,
                how["score_size"],
                padding="same",
                activation=how["activation"],
                kernel_initializer=start,
                name=named(name),
            )(features)

        def enlarge(scores, kernel, stride, name):
            return DECONV(
                num_classes,
                kernel,
                strides=stride,
                padding=how["padding"],
                use_bias=how["bias"],
                kernel_initializer=how["start"],
                name=named(name),
            )(how["before"](scores))

        base = models.fcn32s(num_classes)
        skips = {
            f"pool{number}": score(
                base.get_layer(pool).output, f"score_pool{number}", how["skip_start"]
            )
            for number, pool in zip((4, 3), how["pools"], strict=True)
        }
        coarse = score(base.get_layer("fc7_relu").output, "score_fr", "glorot_uniform")
        first, second = how["fused_first"], {"pool4": "pool3", "pool3": "pool4"}
        large = how["crop"](enlarge(coarse, 4, 2, "upscore2"), skips[first])
        fused = how["add"](named(f"fuse_{first}"))([large, skips[first]])
        other = second[first]
        large = how["crop"](enlarge(fused, 4, 2, "upscore_pool4"), skips[other])
        fused = how["add"](named(f"fuse_{other}"))([large, skips[other]])
        large = enlarge(fused, 2 * how["half_kernel"], how["stride"], "upscore8")
        logits = how["end"](how["last_crop"](large, base.input))
        return keras.Model(base.input, logits)

    return build


def from_an_empty_cell(num_classes):
    """Build all of it by hand, with a dense layer for the skip of pool3."""

    def convolve(features, width, size, name):
        features = CONV(width, size, padding="same", use_bias=False, name=name)(
            features
        )
        features = keras.layers.BatchNormalization(name=f"{name}_norm")(features)
        return keras.layers.ReLU()(features)

    def enlarge(scores, factor, name):
        return DECONV(
            num_classes,
            2 * factor,
            factor,
            "same",
            use_bias=False,
            kernel_initializer=layers.Bilinear(),
            trainable=False,
            name=name,
        )(scores)

    images = keras.Input((None, None, 3))
    pool3, pool4, pool5 = models.vgg_pools(images)
    fc7 = convolve(convolve(pool5, 128, 3, "fc6"), 128, 1, "fc7")
    score_fr = CONV(num_classes, 1, name="score_fr")(fc7)
    score_pool4 = CONV(num_classes, 1, kernel_initializer="zeros", name="score_pool4")(
        pool4
    )
    upscore2 = layers.CropLike()([enlarge(score_fr, 2, "upscore2"), pool4])
    fuse_pool4 = keras.layers.add([score_pool4, upscore2], name="fuse_pool4")
    score_pool3 = keras.layers.Dense(
        num_classes, kernel_initializer="zeros", name="score_pool3"
    )(pool3)
    large = layers.CropLike()([enlarge(fuse_pool4, 2, "upscore_pool4"), pool3])
    fuse_pool3 = keras.layers.Add(name="fuse_pool3")([large, score_pool3])
    logits = layers.CropLike()([enlarge(fuse_pool3, 8, "upscore8"), images])
    return keras.Model(images, logits)


@pytest.mark.parametrize(
    "right",
    [network(), from_an_empty_cell, models.fcn8s],
    ids=["head", "all", "fcnlib"],
)
def test_right_networks(right, said):
    assert said("build_fcn8s", right) == "Correct."
    assert checks.score("build_fcn8s", right, seed=7) == (1.0, "Correct.")


class AtTopLeft(layers.CropLike):
    """Cut the first rows and columns instead of the last."""

    def call(self, inputs):
        scores, like = inputs
        rows, columns = keras.ops.shape(like)[1:3]
        return scores[:, -rows:, -columns:]


def bottom_right(scores, like):
    return AtTopLeft()([scores, like])


def uncropped(scores, like):
    return scores


def mean(name):
    return keras.layers.Average(name=name)


def larger(name):
    return keras.layers.Maximum(name=name)


def joined(name):
    """Lay the scores side by side, and mix them."""
    return lambda maps: CONV(maps[0].shape[-1], 1, name=name)(
        keras.layers.Concatenate()(maps)
    )


def first_only(name):
    return lambda maps: keras.layers.Identity(name=name)(maps[0])


def second_only(name):
    return lambda maps: keras.layers.Identity(name=name)(maps[1])


def first_twice(name):
    return lambda maps: keras.layers.Add(name=name)([maps[0], maps[0]])


def concatenated(name):
    return keras.layers.Concatenate(name=name)


def swapped_crop(scores, like):
    """Cut the scores of the pool to the enlarged ones, which are larger."""
    return layers.CropLike()([like, scores])


def without_the_coarse_scores(num_classes):
    """Enlarge the scores of pool4 alone; score_fr and the first sum lead nowhere."""
    whole = models.fcn8s(num_classes)
    skip = whole.get_layer("score_pool4").output
    other = whole.get_layer("score_pool3").output
    large = layers.CropLike()([whole.get_layer("upscore_pool4")(skip), other])
    fused = whole.get_layer("fuse_pool3")([large, other])
    logits = whole.get_layer("upscore8")(fused)
    return keras.Model(whole.input, layers.CropLike()([logits, whole.input]))


def five_classes(num_classes):
    return models.fcn8s(5)


def of_one_size(num_classes):
    images = keras.Input((128, 128, 3))
    return keras.Model(images, models.fcn8s(num_classes)(images))


def fixed_input(num_classes):
    body = models.fcn8s(num_classes)
    images = keras.Input((128, 128, 3))
    return keras.models.clone_model(body, input_tensors=images)


def resized(num_classes):
    """Resize before the fusion, where a deconvolution is asked for."""
    base = models.fcn8s(num_classes)
    resize = keras.layers.UpSampling2D(2, interpolation="bilinear", name="upscore2")

    def swap(layer):
        return (
            resize
            if layer.name == "upscore2"
            else layer.__class__.from_config(layer.get_config())
        )

    return keras.models.clone_model(base, clone_function=swap)


def extra_layer(maps):
    return CONV(maps.shape[-1], 1, name="extra")(maps)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (network(names={"score_fr": "scores"}), "no layer is called 'score_fr'"),
        (network(names={"fuse_pool3": "sum"}), "no layer is called 'fuse_pool3'"),
        (models.fcn16s, "no layer is called 'upscore_pool4'"),
        (network(activation="relu"), "score_fr has the activation 'relu'"),
        (network(before=keras.layers.ReLU()), "enlarges score_fr after a ReLU"),
        (network(before=keras.layers.Softmax()), "enlarges score_fr after a softmax"),
        (
            network(half_kernel=4),
            "upscore8 has a kernel of (8, 8); its side should be twice",
        ),
        (network(half_kernel=16, stride=16), "upscore8 has the strides (16, 16)"),
        (
            network(score_size=3),
            "score_fr has a kernel of (3, 3); its side should be 1",
        ),
        (network(padding="valid"), "upscore2 has the padding 'valid'"),
        (network(start="he_normal"), "upscore2 does not start with the bilinear"),
        (resized, "upscore2 is a UpSampling2D; a Conv2DTranspose is asked for"),
        (network(bias=True), "upscore2 has a bias, unlike the layer of fcnlib; is **"),
        (
            network(start="glorot_uniform", bias=True),
            "upscore2 has a bias, unlike the layer of fcnlib; is **bilinear missing?",
        ),
        (
            network(names={"score_pool3": "score_fr"}),
            "two layers are called 'score_fr'",
        ),
        (without_the_coarse_scores, "score_fr is missing or leads nowhere"),
        (network(skip_start="glorot_uniform"), "score_pool4 does not start at zero"),
        (network(crop=uncropped), "upscore2 has 6 x 8 cells there, score_pool4 5 x 7"),
        (network(crop=swapped_crop), "fuse_pool4 adds score_pool4 to itself; CropLike"),
        (network(last_crop=swapped_crop), "the output is the image; CropLike cuts"),
        (network(last_crop=uncropped), "104 logits; one crop is left"),
        (network(crop=bottom_right), "cropped at the top left; the first cells"),
        (network(last_crop=bottom_right), "last crop is at the top left"),
        (
            network(pools=("block3_pool", "block4_pool")),
            "64 channels, and pool4 has 96",
        ),
        (network(fused_first="pool3"), "which pool is fused first?"),
        (network(add=mean), "fuse_pool4 takes the mean"),
        (network(add=larger), "fuse_pool4 takes the larger"),
        (network(add=first_only), "fuse_pool4 leaves out score_pool4"),
        (network(add=second_only), "score_fr is missing or leads nowhere"),
        (network(add=first_twice), "fuse_pool4 adds upscore2 to itself"),
        (network(add=concatenated), "as a Concatenate gives them; an Add is asked for"),
        (
            network(add=concatenated, start="he_normal"),
            "fuse_pool4 is a Concatenate; an Add is asked for",
        ),
        (network(add=joined), "parameters more than fcnlib's"),
        (network(end=extra_layer), "parameters more than fcnlib's"),
        (network(end=keras.layers.Softmax()), "a softmax stands at the end"),
        (network(end=keras.layers.ReLU()), "a ReLU stands at the end"),
        (five_classes, "score_fr gives 5 scores for"),
        (of_one_size, "no layer is called 'score_fr'"),
        (fixed_input, "the input is fixed to (128, 128, 3)"),
        (lambda num_classes: models.fcn8s(num_classes).output, "KerasTensor came"),
        (lambda num_classes: models.fcn8s(num_classes, size="vgg"), "ValueError"),
        (network()(5), "the function that builds the network"),
    ],
)
def test_wrong_networks_get_their_hint(wrong, hint, said):
    line = said("build_fcn8s", wrong)
    assert line.startswith("Not yet: ") and hint in line


def test_a_slow_network_is_waited_for(monkeypatch):
    """On a busy machine the building takes longer than other answers may."""
    monkeypatch.setattr(judging, "SECONDS", 0.01)
    assert checks.score("build_fcn8s", models.fcn8s) == (1.0, "Correct.")


def test_the_network_keeps_its_weights():
    """A student may return a network that was trained before."""
    model = models.fcn8s(3)
    before = model.get_weights()
    checks.score("build_fcn8s", lambda num_classes: model, seed=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
