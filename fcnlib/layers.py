"""What these networks add to Keras: bilinear and large random kernels, and a crop."""

import keras
import numpy as np
import tensorflow as tf


def bilinear_kernel(factor):
    """Return the kernel with which a transposed convolution enlarges bilinearly.

    Used with strides of `factor` and `padding="same"`, it repeats half-pixel bilinear
    interpolation exactly, but for the outer `factor / 2` pixels, where the transposed
    convolution meets zeros. Section 3.3 of Long et al. (2015).

    Args:
        factor: Integer, how many times the map grows in height and in width.

    Returns:
        Array of shape (size, size), float32, with size `2 * factor - factor % 2`.

    Raises:
        ValueError: If `factor` is not a whole number of at least 1.

    Example:
        >>> from fcnlib import layers
        >>> layers.bilinear_kernel(2)[1].tolist()
        [0.1875, 0.5625, 0.5625, 0.1875]
    """
    if factor != int(factor) or factor < 1:
        raise ValueError(
            f"factor must be a whole number of at least 1, but is {factor}: "
            "pass the stride of the transposed convolution."
        )
    size = int(2 * factor - factor % 2)
    distance = np.abs(np.arange(size) - (size - 1) / 2)
    tent = 1 - distance / factor
    return np.outer(tent, tent).astype("float32")


@keras.saving.register_keras_serializable(package="fcnlib")
class Bilinear(keras.initializers.Initializer):
    """Fill a transposed convolution with bilinear interpolation, class by class.

    Each channel is enlarged by the bilinear kernel; no channel flows into another.
    Section 3.3 of Long et al. (2015).

    Example:
        >>> from fcnlib import layers
        >>> kernel = layers.Bilinear()((4, 4, 3, 3))  # height, width, out, in
        >>> [float(kernel[1, 1, 0, channel]) for channel in range(3)]
        [0.5625, 0.0, 0.0]
    """

    def __call__(self, shape, dtype=None):
        """Return the kernel.

        Args:
            shape: Four integers: height, width, channels out, channels in.
            dtype: Type of the kernel, or `None` for Keras's default.

        Returns:
            Tensor of that shape.

        Raises:
            ValueError: If the shape is not that of a bilinear kernel.
        """
        height, width, channels_out, channels_in = shape
        factor = (height + 1) // 2
        if height != width or height != 2 * factor - factor % 2:
            raise ValueError(
                "a bilinear kernel is 2 * stride - stride % 2 on each side, but this "
                f"one is {height} x {width}: choose, for stride 2, a kernel of 4 x 4."
            )
        if channels_out != channels_in:
            raise ValueError(
                f"bilinear enlarging keeps the channels, but {channels_in} go in and "
                f"{channels_out} come out: give the layer {channels_in} filters."
            )
        diagonal = np.eye(channels_out)
        kernel = bilinear_kernel(factor)[:, :, None, None] * diagonal
        return keras.ops.convert_to_tensor(kernel, dtype or keras.config.floatx())


@keras.saving.register_keras_serializable(package="fcnlib")
class CompiledGlorotUniform(keras.initializers.GlorotUniform):
    """Draw the numbers of Keras's GlorotUniform with one copy in memory, not three.

    Keras draws from 0 to 1, then multiplies and shifts, and keeps all three results
    until the last is there. Compiled, the three steps share one. In fc6 of VGG16, a
    copy takes 0.41 gigabytes.

    Example:
        >>> from fcnlib import layers
        >>> layers.CompiledGlorotUniform(seed=0)((7, 7, 512, 64)).shape
        TensorShape([7, 7, 512, 64])
    """

    def __call__(self, shape, dtype=None):
        """Return the kernel.

        Args:
            shape: Integers, the shape of the kernel.
            dtype: Type of the kernel, or `None` for Keras's default.

        Returns:
            Tensor of that shape.
        """
        draw = tf.function(
            lambda: super(CompiledGlorotUniform, self).__call__(shape, dtype)
        )
        return draw.get_concrete_function()()


@keras.saving.register_keras_serializable(package="fcnlib")
class CropLike(keras.layers.Layer):
    """Cut a map at bottom and right to the height and width of another.

    With `padding="same"` everywhere, all maps share their top left corner, so what is
    too much hangs over at the bottom and at the right.

    Example:
        >>> import numpy as np
        >>> from fcnlib import layers
        >>> scores, like = np.ones((1, 64, 96, 5)), np.ones((1, 50, 70, 3))
        >>> tuple(layers.CropLike()([scores, like]).shape)
        (1, 50, 70, 5)
    """

    def call(self, inputs):
        """Return the cropped map.

        Args:
            inputs: List of the map to cut, (N, height, width, C), and the map to
                follow, (N, H, W, any), which is at most as high and as wide.

        Returns:
            Tensor of shape (N, H, W, C).
        """
        scores, like = inputs
        height, width = keras.ops.shape(like)[1:3]
        return scores[:, :height, :width, :]

    def compute_output_shape(self, input_shape):
        """Return the shape (N, H, W, C), with `None` where a size is open."""
        (batch, _, _, channels), (_, height, width, _) = input_shape
        return batch, height, width, channels
