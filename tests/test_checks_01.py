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


def only_ravel(features, weights, bias, height, width):
    return features.ravel() @ weights + bias


def stub(features, weights, bias, height, width):
    return None


def said(name, answer, capsys):
    """Run a check as a student does and return the one line that it printed."""
    assert getattr(checks, name)(answer) is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_exercises_of_the_lesson():
    expected = ("layer_output_shape", "strided_multiply_adds", "score_map")
    assert checks.NAMES["01_convolution"] == expected


# Rows: 100 + 4 = 104 pixels, the last window begins at 99, 99 / 3 = 33, and one more.
# Columns: 132 + 4 = 136, begins at 131, 131 / 3 = 43 and a rest, and one more.
# Work: 5 * 5 * 16 * 32 = 12,800 weights at 16 * 16 = 256 places.
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("layer_output_shape", (34, 44, 8)),
        ("layer_output_shape", [34, 44, 8]),
        ("layer_output_shape", np.array([34.0, 44.0, 8.0])),
        ("strided_multiply_adds", 3_276_800),
        ("strided_multiply_adds", 3276800.0),
        ("strided_multiply_adds", np.int64(12_800 * 256)),
        ("strided_multiply_adds", Fraction(12_800 * 64 * 64, 16)),
        ("score_map", with_loops),
        ("score_map", shifted),
        ("score_map", lambda *a: shifted(*a).astype("float32")),
    ],
)
def test_right_answers_in_many_forms(name, right, capsys):
    assert said(name, right, capsys) == "Correct."
    assert checks.score(name, right, seed=7) == (1.0, "Correct.")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("layer_output_shape", None),
        ("strided_multiply_adds", None),
        ("score_map", stub),
    ],
)
def test_stubs_are_not_attempted(name, answer, capsys):
    assert said(name, answer, capsys).startswith("Not attempted yet")


@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [
        ("layer_output_shape", (33, 43, 8), "0 is a place too"),
        ("layer_output_shape", (32, 43, 8), "padding is missing"),
        ("layer_output_shape", (33, 44, 8), "on both sides"),
        ("layer_output_shape", (100, 132, 8), "stride is missing"),
        ("layer_output_shape", (96, 128, 8), "both are missing"),
        ("layer_output_shape", (34, 45, 8), "must fit"),
        ("layer_output_shape", (34, 131 / 3 + 1, 8), "a place is whole"),
        ("layer_output_shape", (35, 46, 8), "kernel's size is missing"),
        ("layer_output_shape", (44, 34, 8), "rows come before columns"),
        ("layer_output_shape", (8, 34, 44), "maps come last"),
        ("layer_output_shape", (1, 34, 44, 8), "number of pictures"),
        ("layer_output_shape", (34, 44), "number of maps is missing"),
        ("layer_output_shape", (34, 44, 3), "each kernel makes one map"),
        ("layer_output_shape", (34, 44, 24), "each kernel makes one map"),
        ("layer_output_shape", (34, 50, 8), "the rows are right"),
        ("layer_output_shape", (30, 44, 8), "the columns are right"),
        ("layer_output_shape", (20, 20, 8), "count on a small side"),
        ("layer_output_shape", 34, "shape is ()"),
        ("layer_output_shape", "34, 44, 8", "numbers are asked for"),
        ("layer_output_shape", print, "asks for a value"),
        ("strided_multiply_adds", 12_800 * 64 * 64, "the faulty number"),
        ("strided_multiply_adds", 12_800 * 64 * 16, "rows and columns"),
        ("strided_multiply_adds", 12_800 * 15 * 15, "every stop counts"),
        ("strided_multiply_adds", (12_800 + 32) * 256, "a bias is added"),
        ("strided_multiply_adds", 3_276_800 + 32, "count exactly"),
        ("strided_multiply_adds", 2 * 3_276_800, "not two"),
        ("strided_multiply_adds", 5 * 5 * 16 * 256, "the layer has 32"),
        ("strided_multiply_adds", 5 * 5 * 32 * 256, "all 16 channels"),
        ("strided_multiply_adds", 5 * 16 * 32 * 256, "25 numbers"),
        ("strided_multiply_adds", 12_800, "these are the weights"),
        ("strided_multiply_adds", 12_832, "these are the parameters"),
        ("strided_multiply_adds", 256, "these are the places"),
        ("strided_multiply_adds", "many", "numbers are asked for"),
        ("score_map", without_bias, "bias is missing"),
        ("score_map", half_turned, "the kernel is turned"),
        ("score_map", backward, "run backward"),
        ("score_map", columns_first, "window's rows and columns are swapped"),
        ("score_map", channels_first, "channels are flattened first"),
        ("score_map", sides_swapped, "height and width are swapped"),
        ("score_map", too_few, "a place is missing"),
        ("score_map", too_few_rows, "last row is missing"),
        ("score_map", too_few_columns, "last column is missing"),
        ("score_map", jumping, "jumps by its own size"),
        ("score_map", with_padding, "no padding"),
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
def test_each_mistake_gets_its_hint(name, wrong, hint, capsys):
    line = said(name, wrong, capsys)
    assert line.startswith("Not yet: ")
    assert hint in line
    for seed in (1, 2, 3):
        assert hint in checks.score(name, wrong, seed)[1]


def test_no_hint_shows_the_solution(capsys):
    for number in ("34", "44 ", "3,276,800", "3276800"):
        for name in ("layer_output_shape", "strided_multiply_adds"):
            for wrong in (1, 2.5, [1, 2, 8], (34, 50, 8), 12_800):
                line = said(name, wrong, capsys)
                assert line.startswith("Not yet: ") and number not in line
