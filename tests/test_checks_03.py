"""Test what the checks of the lesson on upsampling say to right and wrong answers."""

import subprocess
import sys

import numpy as np
import pytest

from fcnlib import checks


def press(scores, kernel, stride, add=True, step=None):
    """Press the stamps weight by weight, in Python's numbers, and cut nothing off."""
    step = stride if step is None else step
    rows, columns, inputs = scores.shape
    size, _, outputs, _ = kernel.shape
    shape = (rows - 1) * stride + size, (columns - 1) * stride + size, outputs
    canvas = np.zeros(shape)
    for i, j, a, b in np.ndindex(rows, columns, size, size):
        row, column = i * step + a, j * step + b
        for out in range(outputs):
            weighted = sum(
                kernel[a, b, out, c] * scores[i, j, c] for c in range(inputs)
            )
            canvas[row, column, out] = weighted + add * canvas[row, column, out]
    return canvas


def cut(canvas, before, after):
    return canvas[before : len(canvas) - after, before : canvas.shape[1] - after]


def right_loops(scores, kernel, stride, **options):
    half = (len(kernel) - stride) // 2
    return cut(press(scores, kernel, stride, **options), half, half)


def right_lists(scores, kernel, stride):
    return right_loops(scores, kernel, stride).tolist()


def right_by_weights(scores, kernel, stride):
    """Shift a copy of the whole map for each weight, as float32."""
    size, (rows, columns, _) = len(kernel), scores.shape
    canvas = np.zeros((rows * stride + size, columns * stride + size, kernel.shape[2]))
    for a, b in np.ndindex(size, size):
        part = canvas[a : a + rows * stride : stride, b : b + columns * stride : stride]
        part += np.einsum("ijc,oc->ijo", scores, kernel[a, b])
    half = (size - stride) // 2
    whole = canvas.astype("float32")
    return whole[half : half + rows * stride, half : half + columns * stride]


def right_by_gathering(scores, kernel, stride):
    """Ask for each pixel which stamps reach it."""
    (rows, columns, _), size = scores.shape, len(kernel)
    half = (size - stride) // 2
    found = np.zeros((rows * stride, columns * stride, kernel.shape[2]))
    for y, x, i, j in np.ndindex(*found.shape[:2], rows, columns):
        a, b = y + half - i * stride, x + half - j * stride
        if 0 <= a < size and 0 <= b < size:
            found[y, x] += kernel[a, b] @ scores[i, j]
    return found


def right_by_keras(scores, kernel, stride):
    import keras

    arrays = scores[None].astype("float32"), kernel.astype("float32")
    return keras.ops.conv_transpose(*arrays, stride, "same")[0]


RIGHT = [
    ("enlarged_shape", (2, 40, 56, 5)),
    ("enlarged_shape", [2.0, 40.0, 56.0, 5.0]),
    ("enlarged_shape", np.array([2, 40, 56, 5])),
    ("uneven_layers", ["up2", "up4", "up6"]),
    ("uneven_layers", {"up6", "up2", "up4"}),
    ("uneven_layers", "up6, up4, up2"),
    ("uneven_layers", np.array(["up4", "up2", "up6"])),
    ("transposed_convolution", right_loops),
    ("transposed_convolution", right_lists),
    ("transposed_convolution", right_by_weights),
    ("transposed_convolution", right_by_gathering),
    ("transposed_convolution", right_by_keras),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_are_right_for_every_seed(name, answer, said):
    assert said(name, answer) == "Correct."
    for seed in range(5):
        assert checks.score(name, answer, seed) == (1.0, "Correct.")


def test_a_function_that_returns_none_is_not_attempted(said):
    line = said("transposed_convolution", lambda *arguments: None)
    assert line.startswith("Not attempted yet: ")


def fixed_cut(scores, kernel, stride):
    return cut(press(scores, kernel, stride), 1, 1)


def empty_slice(scores, kernel, stride):
    half = (len(kernel) - stride) // 2
    return press(scores, kernel, stride)[half:-half, half:-half]


def each_channel_alone(scores, kernel, stride):
    """Loop over the channels as if there were as many out as in."""
    diagonal = np.eye(kernel.shape[2], kernel.shape[3])
    return right_loops(scores, kernel * diagonal, stride)


def window(scores, kernel, stride, first):
    rows, columns = stride * np.array(scores.shape[:2])
    return press(scores, kernel, stride)[first:][:rows, first:][:, :columns]


def only(index):
    """Return an answer that uses one input channel."""
    return lambda s, k, n: right_loops(s[..., [index]], k[..., [index]], n)


def all_channels_equal(scores, kernel, stride):
    right = right_loops(scores, kernel, stride)
    return np.repeat(right.sum(-1, keepdims=True), right.shape[-1], axis=-1)


def stamps_side_by_side(scores, kernel, stride):
    size, (rows, columns, _) = len(kernel), scores.shape
    canvas = np.zeros((rows * size, columns * size, kernel.shape[2]))
    for i, j in np.ndindex(rows, columns):
        top, left = i * size, j * size
        canvas[top : top + size, left : left + size] += kernel @ scores[i, j]
    half = (size - stride) // 2
    return canvas[half:, half:][: rows * stride, : columns * stride]


def early_return(scores, kernel, stride, after_one=False):
    """Return after the first row of scores, or after the first score."""
    kept = np.zeros_like(scores)
    kept[0, : 1 if after_one else None] = scores[0, : 1 if after_one else None]
    return right_loops(kept, kernel, stride)


def each_stamp_cut(scores, kernel, stride):
    half = (len(kernel) - stride) // 2
    canvas = np.zeros((*(stride * np.array(scores.shape[:2])), kernel.shape[2]))
    for i, j in np.ndindex(*scores.shape[:2]):
        whole = kernel @ scores[i, j]
        top, left = i * stride, j * stride
        canvas[top : top + stride, left : left + stride] += whole[
            half : half + stride, half : half + stride
        ]
    return canvas


def on_canvas(shape, step=None):
    """Return an answer whose zeros have a shape, by rows, columns, K, stride."""

    def answer(scores, kernel, stride):
        rows, columns, _ = scores.shape
        size, apart = len(kernel), step(kernel, stride) if step else stride
        canvas = np.zeros(shape(rows, columns, size, stride, *kernel.shape[2:]))
        for i, j in np.ndindex(rows, columns):
            top, left = i * apart, j * apart
            canvas[top : top + size, left : left + size] += kernel @ scores[i, j]
        half = (size - stride) // 2
        return canvas[half : half + rows * stride, half : half + columns * stride]

    return answer


def right_shape(rows, columns, size, stride, outputs, inputs):
    return (rows - 1) * stride + size, (columns - 1) * stride + size, outputs


too_small = on_canvas(lambda h, w, k, s, out, _: (h * s, w * s, out))
square = on_canvas(lambda h, w, k, s, out, _: ((h - 1) * s + k,) * 2 + (out,))
inputs_last = on_canvas(lambda *sizes: (*right_shape(*sizes)[:2], sizes[-1]))


def too_small_by_weights(scores, kernel, stride):
    """Add single numbers, so that an index leaves the zeros."""
    rows, columns, _ = scores.shape
    canvas = np.zeros((rows * stride, columns * stride, kernel.shape[2]))
    for i, j, a, b in np.ndindex(rows, columns, *kernel.shape[:2]):
        canvas[i * stride + a, j * stride + b] += kernel[a, b] @ scores[i, j]
    half = (len(kernel) - stride) // 2
    return canvas[half : half + rows * stride, half : half + columns * stride]


def halved_by_slash(scores, kernel, stride):
    half = (len(kernel) - stride) / 2
    return cut(press(scores, kernel, stride), half, half)


def total(kernel, stride):
    return len(kernel) - stride


@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [
        ("enlarged_shape", (2, 32, 48, 5), "16 pixels, not 8"),
        ("enlarged_shape", (2, 48, 64, 5), "16 pixels, not 24"),
        ("enlarged_shape", (2, 64, 96, 5), "overlap"),
        ("enlarged_shape", (2, 19, 21, 5), "stride is ignored"),
        ("enlarged_shape", (2, 25, 41, 5), "kernel's size is missing"),
        ("enlarged_shape", (2, 41, 57, 5), "one pixel too many"),
        ("enlarged_shape", (2, 39, 55, 5), "one pixel too few"),
        ("enlarged_shape", (2, 24, 40, 5), "16 pixels, not 0"),
        ("enlarged_shape", (2, 56, 88, 5), "start 8 apart, and are 16 long"),
        ("enlarged_shape", (2, 56, 40, 5), "rows come before"),
        ("enlarged_shape", (2, 4, 6, 5), "enlarge"),
        ("enlarged_shape", (2, 40, 48, 5), "rows are right"),
        ("enlarged_shape", (2, 32, 56, 5), "columns are right"),
        ("enlarged_shape", (2, 100, 200, 5), "second one"),
        ("enlarged_shape", (2, 40, 56, 64), "each filter"),
        ("enlarged_shape", (2, 40, 56, 320), "each filter"),
        ("enlarged_shape", (2, 5, 40, 56), "channels come last"),
        ("enlarged_shape", (1, 40, 56, 5), "number of pictures"),
        ("enlarged_shape", (None, 40, 56, 5), "in place of None"),
        ("enlarged_shape", (40, 56), "four numbers"),
        ("enlarged_shape", 40, "four numbers"),
        ("enlarged_shape", "(2, 40, 56, 5)", "four numbers"),
        ("uneven_layers", ["up2", "up5"], "up5 is even: an odd size"),
        ("uneven_layers", ["up2", "up6"], "up4 is missing: an even size"),
        ("uneven_layers", ["up2", "up4"], "up6 is missing: gaps"),
        ("uneven_layers", [], "up2 is missing"),
        ("uneven_layers", ["up1", "up2"], "up1 is even: "),
        ("uneven_layers", ["up2", "up3"], "up3 is even: "),
        ("uneven_layers", ["up5", "up3", "up1"], "the others are asked for"),
        ("uneven_layers", ["up2", "up9"], "no layer up9"),
        ("uneven_layers", [2, 4, 6], "no layer 2"),
        ("uneven_layers", 2, "list of names"),
        ("transposed_convolution", press, "nothing is cut off"),
        (
            "transposed_convolution",
            lambda s, k, n: cut(press(s, k, n), 0, total(k, n)),
            "bottom and right only",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: cut(press(s, k, n), total(k, n), 0),
            "top and left only",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: cut(press(s, k, n), total(k, n), total(k, n)),
            "in all, not at each side",
        ),
        ("transposed_convolution", fixed_cut, "always cuts 1"),
        ("transposed_convolution", empty_slice, "[0:-0]"),
        (
            "transposed_convolution",
            lambda *a: right_loops(*a, add=False),
            "they add up",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: right_loops(s, k[::-1, ::-1], n),
            "flipped",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: right_loops(s, k.swapaxes(0, 1), n),
            "of the kernel are swapped",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: right_loops(s.swapaxes(0, 1), k, n),
            "of the scores are swapped",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: right_loops(s, k.swapaxes(2, 3), n),
            "channel axes are swapped",
        ),
        ("transposed_convolution", each_channel_alone, "one input only"),
        (
            "transposed_convolution",
            lambda *a: right_loops(*a, step=1),
            "stride is ignored",
        ),
        (
            "transposed_convolution",
            lambda *a: right_loops(*a).sum(axis=-1),
            "added up",
        ),
        (
            "transposed_convolution",
            lambda *a: np.moveaxis(right_loops(*a), -1, 0),
            "channels come last",
        ),
        ("transposed_convolution", only(0), "only the first input"),
        ("transposed_convolution", only(-1), "only the last input"),
        (
            "transposed_convolution",
            lambda s, k, n: right_loops(s, k, n) / s.shape[2],
            "averaged",
        ),
        ("transposed_convolution", all_channels_equal, "all output channels are equal"),
        ("transposed_convolution", stamps_side_by_side, "not K, pixels apart"),
        ("transposed_convolution", early_return, "only the first row"),
        (
            "transposed_convolution",
            lambda *a: early_return(*a, after_one=True),
            "only the first score",
        ),
        ("transposed_convolution", each_stamp_cut, "cut before they overlap"),
        (
            "transposed_convolution",
            lambda s, k, n: cut(press(s, k, n), n // 2, n // 2),
            "it cuts stride // 2",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: window(s, k, n, n // 2),
            "begins at stride // 2",
        ),
        (
            "transposed_convolution",
            lambda s, k, n: window(s, k, n, 1),
            "always begins at 1",
        ),
        ("transposed_convolution", too_small, "zeros are too small"),
        ("transposed_convolution", too_small_by_weights, "zeros are too small"),
        (
            "transposed_convolution",
            on_canvas(right_shape, step=lambda k, n: len(k)),
            "not K, pixels apart",
        ),
        ("transposed_convolution", square, "H and W are mixed up"),
        ("transposed_convolution", inputs_last, "C_in and C_out are mixed up"),
        ("transposed_convolution", halved_by_slash, "halve it by //"),
        (
            "transposed_convolution",
            lambda s, k, n: (k @ s, np.zeros(2)[9]),
            "it stops with",
        ),
        ("transposed_convolution", np.array([1]), "function itself"),
    ],
)
def test_each_mistake_gets_its_hint(name, wrong, hint, said):
    line = said(name, wrong)
    assert line.startswith("Not yet: ")
    assert hint in line


def test_hints_differ_and_do_not_show_the_answer():
    """No number of the right shape is printed, whatever is answered."""
    for wrong in [(2, 32, 48, 5), (2, 100, 200, 5), (1, 1, 1, 1), (2, 40, 1, 5)]:
        _, message = checks.score("enlarged_shape", wrong)
        assert "40" not in message and "56" not in message


def test_loading_keras_is_not_the_time_of_an_answer():
    """Look in a new process, where nothing has loaded it yet."""
    code = """if True:
        import sys
        from fcnlib import checks

        assert "keras" not in sys.modules

        def loaded(scores, kernel, stride):
            assert "keras" in sys.modules
            return scores[0, 0]

        print(checks.score("transposed_convolution", loaded)[1])
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.startswith("Not yet: the shape is"), run.stderr
