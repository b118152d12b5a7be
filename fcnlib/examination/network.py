"""Look into a network, and watch what enters its layers."""

import functools

import keras
import numpy as np


def watch(model, images):
    """Run a model and note what enters its first kernel and each softmax layer.

    Args:
        model: Keras model that has been called.
        images: (N, H, W, channels).

    Returns:
        Array or `None`, the prepared images, and list of arrays, what each softmax got.

    Example:
        >>> first = keras.Input((2, 3, 3)), keras.layers.Rescaling(2, offset=1)
        >>> last = keras.layers.Conv2D(4, 1), keras.layers.Softmax()
        >>> model = keras.Sequential([*first, *last])
        >>> prepared, scores = watch(model, np.zeros((1, 2, 3, 3)))
        >>> float(prepared.max()), scores[0].shape
        (1.0, (1, 2, 3, 4))
    """
    prepared, scores = [], []

    def noting(layer, call):
        """Return a layer's call that notes what enters."""

        @functools.wraps(call)
        def noted(*arguments, **options):
            if not arguments or not hasattr(arguments[0], "shape"):
                pass  # several inputs
            elif not _learns(layer):
                scores.append(np.array(arguments[0], "float32"))
            elif not prepared:
                prepared.append(np.array(arguments[0], "float32"))
            return call(*arguments, **options)

        return noted

    layers = [
        layer
        for layer in _leaves(model)
        if _learns(layer) or _activation(layer) == "softmax"
    ]
    own = [vars(layer).get("call") for layer in layers]
    try:
        for layer in layers:
            layer.call = noting(layer, layer.call)
        model(images, training=False)
    finally:
        for layer, call in zip(layers, own, strict=True):
            if call is None:
                del layer.call
            else:
                layer.call = call
    return (prepared or [None])[0], scores


def _learns(layer):
    """Whether a layer has weights that a training finds."""
    is_fixed = isinstance(layer, keras.layers.Normalization)
    return bool(getattr(layer, "weights", ())) and not is_fixed


def activations(model):
    """Return the names of the activations in a model of any depth.

    Args:
        model: Keras model.

    Returns:
        Set of strings in lower case; a layer without one gives its type's name.

    Example:
        >>> inner = keras.Sequential([keras.layers.ReLU(), keras.layers.Softmax()])
        >>> sorted(activations(keras.Sequential([inner])))
        ['relu', 'softmax']
    """
    return {_activation(leaf) for leaf in _leaves(model)}


def _activation(leaf):
    """Return the name of a layer's activation in lower case, else that of its type."""
    function = getattr(leaf, "activation", None) or type(leaf)
    return getattr(function, "__name__", "").lower()


def _leaves(model):
    """Return the layers and operations of a model that hold no others."""
    layers = model._flatten_layers(include_self=False)
    operations = getattr(model, "operations", ())
    found = [layer for layer in layers if not list(layer._flatten_layers(False))]
    return found + [one for one in operations if not isinstance(one, keras.Layer)]
