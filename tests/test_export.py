"""Networks as ONNX and LiteRT, compared by their labels, and model cards."""

import json
import sys

import keras
import numpy as np
import onnxruntime
import pytest
from test_models import randomize

from fcnlib import export, layers, models, pasture, tiling

WRITERS = {".onnx": export.to_onnx, ".tflite": export.to_litert}


def small_network():
    """A network of a few weights that turns its colors as VGG16 wants them."""
    images = keras.Input((None, None, 3))
    bgr = keras.ops.flip(images, axis=-1)
    features = keras.layers.Conv2D(4, 3, strides=2, padding="same")(bgr)
    logits = models._enlarge(features, 2, images, "upscore")
    return randomize(keras.Model(images, logits, name="small"))


@pytest.fixture(scope="module")
def network():
    """A shipped network."""
    return models.load_pretrained("pasture-fcn8s")


@pytest.fixture(scope="module", params=WRITERS)
def exported(request, network, tmp_path_factory):
    """The same network as a file."""
    path = tmp_path_factory.mktemp("exported") / f"network{request.param}"
    WRITERS[request.param](network, path)
    return path


# The network is exported without a size; neither side need be a multiple of 32.
@pytest.mark.parametrize("size", [(96, 160), (75, 101), (1, 40)])
def test_exported_network_gives_the_same_labels(network, exported, size):
    scene, _ = pasture.draw_scene(7, 96, 160)
    image = scene[: size[0], : size[1]]
    assert export.compare(network, exported, image) >= 0.999


@pytest.mark.parametrize("ending", WRITERS)
def test_writing_and_comparing_leave_the_screen_empty(ending, tmp_path, capfd, recwarn):
    path, image = tmp_path / f"a{ending}", np.zeros((4, 4, 3), np.uint8)
    model = small_network()
    models.predict_labels(model, image)  # TensorFlow greets when it starts
    capfd.readouterr()
    recwarn.clear()
    WRITERS[ending](model, path)
    export.compare(model, path, image)
    assert capfd.readouterr() == ("", "")
    assert [each.category for each in recwarn] == []


def test_several_images_are_compared_at_once(network, exported):
    images, _ = pasture.draw_scenes(range(3), 64, 96)
    assert export.compare(network, exported, images) >= 0.999


def test_another_network_does_not_agree(network, exported):
    other = models.load_pretrained("pasture-fcn32s")
    image, _ = pasture.draw_scene(7, 96, 160)
    expected = models.predict_labels(network, image) == models.predict_labels(
        other, image
    )
    share = export.compare(other, exported, image)
    assert 0.5 < share < 0.99
    assert share == pytest.approx(expected.mean(), abs=0.001)


def test_exported_network_gives_the_same_logits(network, exported):
    image, _ = pasture.draw_scene(7, 75, 101)
    logits = export._load_runner(exported)(image[None].astype("float32"))
    np.testing.assert_allclose(
        logits[0], models.predict_logits(network, image), atol=1e-3
    )


@pytest.mark.parametrize("ending", WRITERS)
def test_a_network_that_averages_flips_is_exported_too(ending, tmp_path):
    model = tiling.average_flips(small_network())
    WRITERS[ending](model, tmp_path / f"a{ending}")
    image, _ = pasture.draw_scene(7, 40, 33)
    assert export.compare(model, tmp_path / f"a{ending}", image) >= 0.999


def network_of_three_branches():
    """A network whose pools are plain averages, with the head of FCN-8s."""
    images = keras.Input((None, None, 3))
    pools = [
        keras.layers.AveragePooling2D(stride, padding="same")(images)
        for stride in (8, 16, 32)
    ]
    score_fr = keras.layers.Conv2D(2, 1, name="score_fr")(pools[2])
    fuse_pool4 = models._fuse(score_fr, pools[1], "pool4", "upscore2")
    fuse_pool3 = models._fuse(fuse_pool4, pools[0], "pool3", "upscore_pool4")
    return randomize(models._model("branches", images, fuse_pool3, 8))


def enlarge(scores, factor, like):
    """Spread each score over its tent, and cut to the size of another map."""
    height, width = scores.shape[:2]
    spread = np.zeros(((height + 1) * factor, (width + 1) * factor, scores.shape[2]))
    tent = layers.bilinear_kernel(factor)[..., None]
    for row, column in np.ndindex(height, width):
        top, left = row * factor, column * factor
        window = spread[top : top + 2 * factor, left : left + 2 * factor]
        window += tent * scores[row, column]
    start = factor // 2
    return spread[start:, start:][: like.shape[0], : like.shape[1]]


def test_a_file_with_branches_holds_what_adds_up_to_the_logits(tmp_path):
    model, path = network_of_three_branches(), tmp_path / "network.onnx"
    export.to_onnx(export.with_branches(model), path)
    image, _ = pasture.draw_scene(7, 75, 101)
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, {"images": image[None].astype("float32")})
    scores = dict(zip(names, outputs, strict=True))
    sides = [scores[name].shape[1:3] for name in export.BRANCHES]
    assert sides == [(3, 4), (5, 7), (10, 13)]
    np.testing.assert_allclose(
        scores["logits"][0], models.predict_logits(model, image), atol=1e-3
    )
    fused = enlarge(scores["score_fr"][0], 2, scores["score_pool4"][0])
    fused = enlarge(fused + scores["score_pool4"][0], 2, scores["score_pool3"][0])
    fused = enlarge(fused + scores["score_pool3"][0], 8, image)
    np.testing.assert_allclose(scores["logits"][0], fused, atol=1e-3)
    assert export.compare(model, path, image) >= 0.999


def test_branches_are_those_that_the_network_has():
    assert export.with_branches(models.fcn32s(2)).output.keys() == {
        *("logits", "score_fr")
    }
    with pytest.raises(ValueError, match="^small: expected a layer named score_fr, "):
        export.with_branches(small_network())


@pytest.mark.parametrize("ending", WRITERS)
def test_path_of_another_ending_is_an_error(ending, tmp_path):
    path = tmp_path / "network.bin"
    with pytest.raises(ValueError, match=f"ends with {ending}, but got .*network.bin"):
        WRITERS[ending](None, path)
    with pytest.raises(ValueError, match="ends with .onnx or .tflite, but got"):
        export.compare(None, path, None)


@pytest.mark.parametrize("ending", WRITERS)
def test_failed_conversion_leaves_the_old_file(ending, tmp_path):
    # Keras cannot enlarge so when the size is open.
    images = keras.Input((None, None, 3))
    enlarged = keras.layers.UpSampling2D(interpolation="bilinear")(images)
    model = keras.Model(images, enlarged, name="odd")
    path = tmp_path / f"network{ending}"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="^odd: expected layers that .* failed"):
        WRITERS[ending](model, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("ending", WRITERS)
def test_half_precision_is_an_error(ending, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = small_network()
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="small: .* computes in float16: build it"):
        WRITERS[ending](model, tmp_path / f"network{ending}")
    assert list(tmp_path.iterdir()) == []


def test_layer_that_needs_more_than_the_plain_interpreter_is_an_error(tmp_path):
    images = keras.Input((None, None, 3))
    model = keras.Model(images, keras.ops.erfinv(images / 256), name="odd")
    with pytest.raises(ValueError, match="^odd: expected layers that litert knows"):
        export.to_litert(model, tmp_path / "network.tflite")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "none" / "network.tflite"
    with pytest.raises(OSError, match="cannot be written") as error:
        export.to_litert(small_network(), path)
    assert str(path) in str(error.value)


def test_missing_packages_are_errors_that_say_what_to_install(monkeypatch, tmp_path):
    for name in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match="run python -m pip install tf2onnx"):
        export.to_onnx(small_network(), tmp_path / "a.onnx")
    image = np.zeros((4, 4, 3), np.uint8)
    for ending, package in ((".onnx", "onnxruntime"), (".tflite", "ai-edge-litert")):
        path = tmp_path / f"b{ending}"
        path.touch()
        with pytest.raises(ValueError, match=f"run python -m pip install {package}"):
            export.compare(small_network(), path, image)


@pytest.mark.parametrize("ending", WRITERS)
def test_damaged_or_missing_file_is_an_error(ending, tmp_path):
    path = tmp_path / f"network{ending}"
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(FileNotFoundError, match="found none: write it first"):
        export.compare(small_network(), path, image)
    path.write_bytes(b"no network")
    with pytest.raises(ValueError, match="damaged or another file") as error:
        export.compare(small_network(), path, image)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


# Model cards


@pytest.mark.parametrize("name", models.PRETRAINED)
def test_card_of_a_shipped_network_says_what_its_file_says(name):
    text, card = export.model_card(name), models.read_card(name)
    assert text.startswith(f"# {name}\n")
    sections = [line for line in text.splitlines() if line.startswith("## ")]
    assert sections == [
        *("## What it is", "## Data", "## Scores", "## How it was made"),
        *("## Limits", "## License"),
    ]
    assert "Not stated" not in text
    for said in (*card["classes"], card["data"], card["command"], card["sha256"]):
        assert said in text
    for images, scores in card["scores"].items():
        cells = text.split(f"\n| {images} | ")[1].split("\n")[0].split(" | ")
        assert cells[0] == f"{scores['mean_iou']:.3f}"
        weakest = min(scores["iou"].values())
        assert f"{weakest:.3f}" in cells
        assert f"on {images} is" in text and f"an IoU of {weakest:.3f}." in text


def test_card_of_a_network_of_ones_own_shows_what_is_missing():
    card = {"name": "barns", "classes": ["ground", "barn"], "limits": "Red barns only."}
    text = export.model_card(card)
    assert text.startswith("# barns\n") and "- 1: barn\n" in text
    assert "\n- Red barns only.\n" in text
    for title in ("Data", "Scores", "How it was made", "License"):
        assert f"## {title}\n\nNot stated.\n" in text


def test_card_takes_one_set_of_scores_and_entries_of_its_own():
    scores = {"mean_iou": 0.5, "iou": {"ground": 0.75, "barn": 0.25}}
    card = {"scores": scores, "license": "CC0", "learning_rate": 0.001, "photos": 12}
    lines = export.model_card(json.loads(json.dumps(card))).splitlines()
    assert "| images | mean IoU | IoU ground | IoU barn |" in lines
    assert "| all | 0.500 | 0.750 | 0.250 |" in lines
    assert "- learning rate: 0.001" in lines and "- photos: 12" in lines
    assert "CC0" in lines


def test_card_of_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="but got 'barns'"):
        export.model_card("barns")
