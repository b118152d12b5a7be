"""Test the checks of lesson 1: right answers in many forms, and a hint per mistake."""

from fractions import Fraction

import numpy as np
import pytest

from fcnlib import checks


def with_loops(features, weights, bias, height, width):
    rows = len(features) - height + 1
    columns = len(features[0]) - width + 1
    scores = []
    for i in range(rows):
        scores.append([])
        for j in range(columns):
            window = features[i : i + height, j : j + width].flatten()
            scores[i].append(
                [sum(window * weights[:, c]) + bias[c] for c in range(len(bias))]
            )
    return scores


def of_kernel(kernel, features, bias):
    """Correlate by adding up shifted maps, one for each number of the kernel."""
    height, width, _, classes = kernel.shape
    rows, columns = features.shape[0] - height + 1, features.shape[1] - width + 1
    scores = np.zeros((rows, columns, classes)) + bias
    for i in range(height):
        for j in range(width):
            scores += features[i : i + rows, j : j + columns] @ kernel[i, j]
    return scores


def shifted(features, weights, bias, height, width):
    kernel = weights.reshape(height, width, features.shape[2], -1)
    return of_kernel(kernel, features, bias)


def without_bias(features, weights, bias, height, width):
    return shifted(features, weights, 0 * bias, height, width)


def half_turned(features, weights, bias, height, width):
    kernel = weights.reshape(height, width, features.shape[2], -1)
    return of_kernel(kernel[::-1, ::-1], features, bias)


def backward(features, weights, bias, height, width):
    return shifted(features, weights[::-1], bias, height, width)


def columns_first(features, weights, bias, height, width):
    kernel = weights.reshape(width, height, features.shape[2], -1)
    return of_kernel(kernel.transpose(1, 0, 2, 3), features, bias)


def channels_first(features, weights, bias, height, width):
    kernel = weights.reshape(features.shape[2], height, width, -1)
    return of_kernel(kernel.transpose(1, 2, 0, 3), features, bias)


def sides_swapped(features, weights, bias, height, width):
    return shifted(features, weights, bias, width, height)


def too_few(features, weights, bias, height, width):
    rows, columns = features.shape[0] - height, features.shape[1] - width
    return shifted(features, weights, bias, height, width)[:rows, :columns]


def too_few_rows(*arguments):
    return shifted(*arguments)[:-1]


def too_few_columns(*arguments):
    return shifted(*arguments)[:, :-1]


def jumping(features, weights, bias, height, width):
    return shifted(features, weights, bias, height, width)[::height, ::width]


def with_padding(features, weights, bias, height, width):
    top, left = (height - 1) // 2, (width - 1) // 2
    sides = (top, height - 1 - top), (left, width - 1 - left), (0, 0)
    return shifted(np.pad(features, sides), weights, bias, height, width)


def without_negatives(*arguments):
    return np.maximum(shifted(*arguments), 0)


def softmax(*arguments):
    exponentials = np.exp(shifted(*arguments))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def classes_first(*arguments):
    return shifted(*arguments).transpose(2, 0, 1)


def result_transposed(*arguments):
    return shifted(*arguments).transpose(1, 0, 2)


def first_window(features, weights, bias, height, width):
    return features[:height, :width].ravel() @ weights + bias


def in_one_row(*arguments):
    return shifted(*arguments).reshape(-1, len(arguments[2]))


def in_whole_numbers(*arguments):
    return shifted(*arguments).astype(int)


def filled_to(*place):
    """Return an answer that leaves the places beyond `place` at zero."""

    def answer(*arguments):
        scores = shifted(*arguments)
        result = np.zeros(scores.shape)
        result[place] = scores[place]
        return result

    return answer


def padded_by(top, bottom, left, right):
    def answer(features, *others):
        sides = (top, bottom), (left, right), (0, 0)
        return shifted(np.pad(features, sides), *others)

    return answer


def as_large_as_features(features, *others):
    scores = shifted(features, *others)
    result = np.zeros((*features.shape[:2], scores.shape[2]))
    result[: len(scores), : scores.shape[1]] = scores
    return result


def classes_added_up(features, weights, bias, height, width):
    sums = shifted(features, weights, 0 * bias, height, width)
    return sums.sum(axis=-1, keepdims=True) + bias


def bias_twice(features, weights, bias, height, width):
    return shifted(features, weights, 2 * bias, height, width)


def first_bias(features, weights, bias, height, width):
    return shifted(features, weights, 0 * bias + bias[0], height, width)


def weights_mixed_up(features, weights, bias, height, width):
    return shifted(features, weights.T.reshape(weights.shape), bias, height, width)


def by_columns(features, weights, bias, height, width):
    def result_of(part):
        return part.ravel(order="F") @ weights + bias

    return at_each_place(features, height, width, result_of, len(bias))


def at_each_place(features, height, width, result_of, *classes):
    rows, columns = features.shape[0] - height + 1, features.shape[1] - width + 1
    result = np.zeros((rows, columns, *classes))
    for i in range(rows):
        for j in range(columns):
            result[i, j] = result_of(features[i : i + height, j : j + width])
    return result


def always_three(features, weights, bias, height, width):
    def result_of(part):
        return part.ravel() @ weights + bias

    return at_each_place(features, height, width, result_of, 3)


def of_no_classes(features, weights, bias, height, width):
    def result_of(part):
        return part.ravel() @ weights + bias

    return at_each_place(features, height, width, result_of)


def without_flattening(features, weights, bias, height, width):
    def result_of(part):
        return part @ weights + bias

    return at_each_place(features, height, width, result_of, len(bias))


def dot_without_flattening(features, weights, bias, height, width):
    def result_of(part):
        return np.dot(part, weights) + bias

    return at_each_place(features, height, width, result_of, len(bias))


def as_correlate(features, weights, bias, height, width):
    def result_of(part):
        return np.sum(part * weights) + bias

    return at_each_place(features, height, width, result_of, len(bias))


def weights_in_front(features, weights, bias, height, width):
    def result_of(part):
        return weights @ part.ravel() + bias

    return at_each_place(features, height, width, result_of, len(bias))


def window_ends_too_early(features, weights, bias, height, width):
    rows, columns = features.shape[0] - height + 1, features.shape[1] - width + 1
    result = np.zeros((rows, columns, len(bias)))
    for i in range(rows):
        for j in range(columns):
            result[i, j] = features[i:height, j:width].ravel() @ weights + bias
    return result


def with_keras(features, weights, bias, height, width):
    import keras

    kernel = weights.reshape(height, width, features.shape[2], -1)
    return np.asarray(keras.ops.conv(features[None], kernel, padding="valid"))[0] + bias


def only_ravel(features, weights, bias, height, width):
    return features.ravel() @ weights + bias


def stub(features, weights, bias, height, width):
    return None


def test_exercises_of_the_lesson():
    expected = ("layer_output_shape", "strided_multiply_adds", "score_map")
    assert checks.NAMES["01_convolution"] == expected


# Rows: 96 + 6 = 102 pixels, the last window begins at 99, 99 / 2 = 49 and a rest, and
# one more. Columns: 133 + 6 = 139, begins at 136, 136 / 2 = 68, and one more.
# Work: 5 * 5 * 24 * 32 = 19,200 weights at 16 * 16 = 256 places.
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("layer_output_shape", (50, 69, 8)),
        ("layer_output_shape", [50, 69, 8]),
        ("layer_output_shape", np.array([50.0, 69.0, 8.0])),
        ("strided_multiply_adds", 4_915_200),
        ("strided_multiply_adds", 4915200.0),
        ("strided_multiply_adds", np.int64(19_200 * 256)),
        ("strided_multiply_adds", Fraction(19_200 * 64 * 64, 16)),
        ("score_map", with_keras),
        ("score_map", with_loops),
        ("score_map", shifted),
        ("score_map", lambda *a: shifted(*a).astype("float32")),
    ],
)
def test_right_answers_in_many_forms(name, right, said):
    assert said(name, right) == "Correct."
    assert checks.score(name, right, seed=7) == (1.0, "Correct.")


def test_the_stub_of_the_function_is_not_attempted(said):
    assert said("score_map", stub).startswith("Not attempted yet: ")


@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [
        ("layer_output_shape", (49, 68, 8), "0 is a place too"),
        ("layer_output_shape", (50, 68, 8), "rounding up is no + 1"),
        ("layer_output_shape", (47, 66, 8), "padding is missing"),
        ("layer_output_shape", (49, 67, 8), "on both sides"),
        ("layer_output_shape", (100, 137, 8), "stride is missing"),
        ("layer_output_shape", (94, 131, 8), "both are missing"),
        ("layer_output_shape", (48, 67, 8), "size / stride"),
        ("layer_output_shape", (48, 66, 8), "size / stride"),
        ("layer_output_shape", (51, 69, 8), "must fit"),
        ("layer_output_shape", (99 / 2 + 1, 69, 8), "a place is whole"),
        ("layer_output_shape", (52, 70, 8), "kernel's size is missing"),
        ("layer_output_shape", (69, 50, 8), "rows come before columns"),
        ("layer_output_shape", (8, 50, 69), "maps come last"),
        ("layer_output_shape", (1, 50, 69, 8), "number of pictures"),
        ("layer_output_shape", (None, 50, 69, 8), "number of pictures"),
        ("layer_output_shape", (50, 69), "number of maps is missing"),
        ("layer_output_shape", ((50, 69), 8), "side by side"),
        ("layer_output_shape", [[50, 69, 8]], "side by side"),
        ("layer_output_shape", (50, 69, 1), "8 kernels make 8 maps"),
        ("layer_output_shape", (50, 69, 3), "8 kernels make 8 maps"),
        ("layer_output_shape", (50, 69, 24), "8 kernels make 8 maps"),
        ("layer_output_shape", (50, 75, 8), "the rows are right"),
        ("layer_output_shape", (30, 69, 8), "the columns are right"),
        ("layer_output_shape", (20, 20, 8), "count on a small side"),
        ("layer_output_shape", 50, "shape is ()"),
        ("layer_output_shape", "50, 69, 8", "without quotes"),
        ("layer_output_shape", ("50", "69", "8"), "without quotes"),
        ("layer_output_shape", print, "asks for a value"),
        ("strided_multiply_adds", 19_200 * 64 * 64, "the faulty number"),
        ("strided_multiply_adds", 19_200 * 64 * 16, "thins out rows and columns"),
        ("strided_multiply_adds", 19_200 * 16, "the stops of one row"),
        ("strided_multiply_adds", 19_200 * 15 * 15, "every stop counts"),
        ("strided_multiply_adds", 19_200 * 17 * 17, "one stop too many"),
        ("strided_multiply_adds", 19_200 * 60 * 60, "without padding"),
        ("strided_multiply_adds", 76_800, "this is the example"),
        ("strided_multiply_adds", 98_304 * 8_192, "all pairs"),
        ("strided_multiply_adds", (19_200 + 32) * 256, "a bias is added"),
        ("strided_multiply_adds", 4_915_200 + 32, "count exactly"),
        ("strided_multiply_adds", 2 * 4_915_200, "not two"),
        ("strided_multiply_adds", 5 * 5 * 24 * 256, "the layer has 32"),
        ("strided_multiply_adds", 5 * 5 * 32 * 256, "all 24 channels"),
        ("strided_multiply_adds", 5 * 24 * 32 * 256, "25 numbers"),
        ("strided_multiply_adds", 19_200, "these are the weights"),
        ("strided_multiply_adds", 19_232, "these are the parameters"),
        ("strided_multiply_adds", 256, "these are the places"),
        ("strided_multiply_adds", 12_345_678, "count the weights, then"),
        ("strided_multiply_adds", (4, 915, 200), "without commas"),
        ("strided_multiply_adds", "4915200", "without quotes"),
        ("strided_multiply_adds", {}, "numbers are asked for"),
        ("score_map", without_bias, "bias is missing"),
        ("score_map", half_turned, "the kernel is turned"),
        ("score_map", backward, "run backward"),
        ("score_map", columns_first, "window's rows and columns are swapped"),
        ("score_map", channels_first, "channels are flattened first"),
        ("score_map", sides_swapped, "height and width are swapped"),
        ("score_map", too_few, "a place is missing"),
        ("score_map", too_few_rows, "last row is missing"),
        ("score_map", too_few_columns, "last column is missing"),
        ("score_map", jumping, "jumps over places"),
        ("score_map", lambda *a: shifted(*a)[::2, ::2], "jumps over places"),
        ("score_map", with_padding, "no padding"),
        ("score_map", padded_by(1, 1, 1, 1), "no padding"),
        ("score_map", padded_by(0, 1, 0, 3), "no padding"),
        ("score_map", as_large_as_features, "no padding"),
        ("score_map", filled_to(0, 0), "is the return inside a loop"),
        ("score_map", filled_to(0), "is the return inside a loop"),
        ("score_map", filled_to(np.s_[:-1]), "how many steps"),
        ("score_map", filled_to(np.s_[:], np.s_[:-1]), "how many steps"),
        ("score_map", filled_to(np.s_[:-1], np.s_[:-1]), "how many steps"),
        ("score_map", classes_added_up, "the classes are added up"),
        ("score_map", lambda *a: shifted(*a).sum(-1), "the classes are added up"),
        ("score_map", lambda *a: shifted(*a)[..., 0], "scores of one class"),
        ("score_map", lambda *a: shifted(*a)[None], "no axis for several pictures"),
        ("score_map", bias_twice, "added twice"),
        ("score_map", first_bias, "a bias of its own"),
        ("score_map", weights_mixed_up, "a reshape is no transpose"),
        ("score_map", by_columns, "column by column"),
        ("score_map", always_three, "3 is not always right"),
        ("score_map", of_no_classes, "one axis more"),
        ("score_map", without_flattening, "flatten the window first"),
        ("score_map", dot_without_flattening, "flatten the window first"),
        ("score_map", as_correlate, "flatten the window first"),
        ("score_map", weights_in_front, "stands before `@`"),
        ("score_map", window_ends_too_early, "Where does the second one end"),
        ("score_map", without_negatives, "negative scores are gone"),
        ("score_map", softmax, "these are shares"),
        ("score_map", lambda *a: shifted(*a).argmax(-1), "these are classes"),
        ("score_map", classes_first, "the classes come last"),
        ("score_map", result_transposed, "result are swapped"),
        ("score_map", first_window, "first window alone"),
        ("score_map", in_one_row, "in one row"),
        ("score_map", in_whole_numbers, "whole numbers"),
        ("score_map", only_ravel, "it stops with ValueError"),
        ("score_map", np.zeros((5, 4, 3)), "the function itself"),
    ],
)
def test_each_mistake_gets_its_hint(name, wrong, hint, said):
    line = said(name, wrong)
    assert line.startswith("Not yet: ")
    assert hint in line
    for seed in (1, 2, 3):
        assert hint in checks.score(name, wrong, seed)[1]


def test_no_hint_shows_the_solution(said):
    for number in ("50", "69", "4,915,200", "4915200"):
        for name in ("layer_output_shape", "strided_multiply_adds"):
            for wrong in (1, 2.5, [1, 2, 8], (50, 75, 8), 19_200):
                line = said(name, wrong)
                assert line.startswith("Not yet: ") and number not in line
