"""Send a Keras model as plain data: its layers as JSON, and its weights.

By such JSON Keras can be made to run other code than a network's. So `rebuild` reads
only the layers listed here, and Keras's own arithmetic on maps.
"""

import json
import sys

_MARK = "layers of a Keras model"
_KNOWN = {
    "fcnlib.layers": "Bilinear CropLike",
    "keras": "DTypePolicy",
    "keras.initializers": "Constant GlorotNormal GlorotUniform HeNormal HeUniform Ones "
    "RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros",
    "keras.layers": "Activation Add Average AveragePooling2D BatchNormalization "
    "Concatenate Conv2D Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dropout "
    "GaussianNoise Identity InputLayer LayerNormalization LeakyReLU MaxPooling2D "
    "Maximum Minimum Multiply Permute ReLU Rescaling Reshape Resizing SeparableConv2D "
    "Softmax SpatialDropout2D Subtract UpSampling2D ZeroPadding2D",
    "keras.regularizers": "L1 L1L2 L2",
    "keras.src.models.functional": "Functional",
    "keras.src.models.sequential": "Sequential",
    "keras.src.ops.core": "Cast Shape",
    "keras.src.ops.image": "Resize",
    "keras.src.ops.nn": "Relu Softmax",
    "keras.src.ops.numpy": "Add Concatenate GetItem Maximum Minimum Multiply Pad "
    "Subtract",
    None: "__ellipsis__ __keras_tensor__ __slice__",
}


def describe(value):
    """Return plain data for a Keras model, alone or first in a pair; else the value.

    Args:
        value: anything.

    Returns:
        Dictionary of the model's JSON and of its weights by layer, or the value.
    """
    if isinstance(value, tuple) and len(value) == 2:
        return describe(value[0]), value[1]
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(value, keras.Model):
        return value
    weights = {layer.name: layer.get_weights() for layer in value.layers}
    return {_MARK: value.to_json(), "weights": weights}


def rebuild(value):
    """Return the Keras model that `describe` made into plain data; else the value.

    Args:
        value: anything that `encoding.unpack` returned.

    Returns:
        Keras model, or the value.

    Raises:
        ValueError: if the model holds what is not listed here.
    """
    if not isinstance(value, dict) or _MARK not in value:
        return value
    import keras

    from fcnlib import layers  # noqa: F401, so that Keras knows them

    _refuse_others(json.loads(value[_MARK]))
    model = keras.models.model_from_json(value[_MARK])
    for name, weights in value["weights"].items():
        model.get_layer(name).set_weights(weights)
    return model


def _refuse_others(part):
    """Raise an error at the first class that is not listed."""
    if isinstance(part, dict):
        if "class_name" in part:
            name = part["class_name"]
            if name not in _KNOWN.get(part.get("module"), "").split():
                raise ValueError(
                    "a network is asked for that is made of layers of Keras or fcnlib, "
                    f"and this has a {name}"
                )
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            _refuse_others(item)
