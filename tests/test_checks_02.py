"""Test the checks of lesson 2: right answers however written, and each hint."""

import numpy as np
import pytest

from fcnlib import checks

LESSON = "02_pooling"


def walk_back(cell, layers, height):
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + kernel - 1
    return max(first, 0), min(last, height - 1)


def by_sets(cell, layers, height):
    """Follow every row on its own."""
    rows = {cell}
    for kernel, stride, padding in layers[::-1]:
        rows = {row * stride - padding + step for row in rows for step in range(kernel)}
    inside = [row for row in rows if 0 <= row < height]
    return [float(min(inside)), float(max(inside))]


def by_size_and_start(cell, layers, height):
    """Compute the field's size and its start forward, as in tables of networks."""
    field, stride, start = 1, 1, 0
    for kernel, step, padding in layers:
        field, start = field + (kernel - 1) * stride, start - padding * stride
        stride *= step
    first = start + cell * stride
    return np.clip([first, first + field - 1], 0, height - 1)


RIGHT = {
    "pooling_counterexample": [
        [[-1, -1, -1], [-1, -1, -1], [-1, -1, -1]],
        np.array([[1, 2, 3], [4, 5, 6], [7, 8, -9]]),
        ((5, 5, -2), (5, 5, -3), (0.5, 0, 0)),
        np.full((3, 3), -1, dtype="int8"),
    ],
    "field_and_stride": [
        (40, 6),
        [40.0, 6],
        np.array([40, 6], dtype="uint8"),
        (np.int64(40), 6),
    ],
    "seen_rows": [walk_back, by_sets, by_size_and_start],
}


def cut_off(rows, height):
    return max(rows[0], 0), min(rows[1], height - 1)


def walk(cell, layers, extra=-1, sign=-1, stride_counts=True):
    """Walk back with one part of the rule wrong."""
    first = last = cell
    for kernel, stride, padding in layers:
        factor = stride if stride_counts else 1
        first = first * factor + sign * padding
        last = last * factor + sign * padding + kernel + extra
    return first, last


def last_from_first(cell, layers, height):
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = first * stride - padding
        last = first + kernel - 1
    return cut_off((first, last), height)


def last_from_changed_first(cell, layers, height):
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = first * stride - padding
        last = first * stride - padding + kernel - 1
    return cut_off((first, last), height)


def last_padded_below(cell, layers, height):
    """Add the padding for the last row."""
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride + padding + kernel - 1
    return cut_off((first, last), height)


def padding_before_stride(cell, layers, height):
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = (first - padding) * stride
        last = (last - padding) * stride + kernel - 1
    return cut_off((first, last), height)


def one_row_without_stride(cell, layers, height, of_first):
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = first * (1 if of_first else stride) - padding
        last = last * (stride if of_first else 1) - padding + kernel - 1
    return cut_off((first, last), height)


def reordered(cell, layers, height, order):
    return walk_back(cell, [[layer[i] for i in order] for layer in layers], height)


def moved(cell, layers, height):
    first, last = walk(cell, layers[::-1])
    shift = max(-first, 0) - max(last - height + 1, 0)
    return first + shift, last + shift


def hard_coded(cell, layers, height):
    known = [(3 if pad == 1 else 2, step, pad) for _, step, pad in layers]
    return walk_back(cell, known, height)


WRONG = [
    ("pooling_counterexample", [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "above 0 wins"),
    ("pooling_counterexample", np.zeros((3, 3)), "where 0 wins"),
    ("pooling_counterexample", np.eye(3), "where 0 wins"),
    ("pooling_counterexample", [[-1, -2, 0], [-3, -4, 0], [0, 0, 0]], "where 0 wins"),
    ("pooling_counterexample", [[-1, -2, 3], [-4, -5, 6], [7, 8, 9]], "edge"),
    ("pooling_counterexample", [[1, 2, -3], [4, 5, 6], [7, 8, 9]], "largest number"),
    ("pooling_counterexample", [[1, 2, -3], [4, 5, 0], [7, 8, 0]], "largest number"),
    ("pooling_counterexample", [[5, 6], [8, 0]], "result has 2 rows"),
    ("pooling_counterexample", -np.ones((4, 4)), "not (4, 4)"),
    ("pooling_counterexample", -1, "not ()"),
    ("pooling_counterexample", np.full((3, 3), -np.inf), "finite"),
    ("pooling_counterexample", "zeros", "numbers are asked for"),
    ("pooling_counterexample", max, "a function came"),
    ("field_and_stride", (4, 2), "that is the example"),
    ("field_and_stride", (12, 2), "that is layer 3"),
    ("field_and_stride", (16, 6), "that is layer 4"),
    ("field_and_stride", (14, 6), "strides count"),
    ("field_and_stride", (14, 1), "strides count"),
    ("field_and_stride", (18, 6), "windows overlap"),
    ("field_and_stride", (24, 6), "longer than 2"),
    ("field_and_stride", (28, 6), "longer than 3"),
    ("field_and_stride", (30, 4), "second pool is by 3"),
    ("field_and_stride", (34, 6), "multiplies only the stride"),
    ("field_and_stride", (66, 6), "multiplies only the stride"),
    ("field_and_stride", (35, 6), "pools' windows"),
    ("field_and_stride", (36, 6), "adds 8 pixels"),
    ("field_and_stride", (36, 5), "steps of two pools multiply"),
    ("field_and_stride", (38, 6), "spans steps of 2"),
    ("field_and_stride", (39, 6), "off by one"),
    ("field_and_stride", (41, 6), "off by one"),
    ("field_and_stride", (43, 6), "adds k - 1 steps"),
    ("field_and_stride", (49, 6), "next layer on"),
    ("field_and_stride", (51, 6), "adds 2 pixels"),
    ("field_and_stride", (52, 6), "adds 2 pixels"),
    ("field_and_stride", (450, 6), "do not multiply"),
    ("field_and_stride", (1600, 6), "not its area"),
    ("field_and_stride", [40, 5], "strides do not add up"),
    ("field_and_stride", [40, 8], "strides do not add up"),
    ("field_and_stride", [40, 1], "all layers together"),
    ("field_and_stride", [40, 2], "only the first pool"),
    ("field_and_stride", [40, 3], "only the second pool"),
    ("field_and_stride", (6, 40), "the order is"),
    ("field_and_stride", 40, "two numbers"),
    ("field_and_stride", [40, 40, 6], "shape is (3,)"),
    ("field_and_stride", {40, 6}, "set"),
    ("seen_rows", lambda c, ls, h: (c, c), "the window is left out"),
    ("seen_rows", lambda c, ls, h: walk(c, ls[::-1], sign=0), "padding is left out"),
    ("seen_rows", lambda c, ls, h: walk(c, ls[::-1], sign=1), "wrong sign"),
    ("seen_rows", lambda c, ls, h: walk(c, ls[::-1], extra=0), "off by one"),
    ("seen_rows", lambda *a: walk_back(*a)[::-1], "the order is"),
    ("seen_rows", lambda *a: range(walk_back(*a)[0], 7), "not all rows"),
    ("seen_rows", lambda *a: 1 + np.ptp(walk_back(*a)), "how many rows"),
    (
        "seen_rows",
        lambda c, ls, h: walk(c, ls[::-1], stride_counts=False),
        "the stride is left out",
    ),
    ("seen_rows", lambda c, ls, h: cut_off(walk(c, ls), h), "wrong order"),
    ("seen_rows", lambda c, ls, h: cut_off(walk(c, ls[-1:]), h), "before the last"),
    ("seen_rows", lambda c, ls, h: cut_off(walk(c, ls[:1]), h), "after the first"),
    ("seen_rows", last_from_first, "from its own row"),
    ("seen_rows", last_from_changed_first, "not from the new first"),
    ("seen_rows", last_padded_below, "subtracted for both rows"),
    ("seen_rows", padding_before_stride, "after multiplying by the stride"),
    ("seen_rows", lambda *a: one_row_without_stride(*a, False), "for the last row"),
    ("seen_rows", lambda *a: one_row_without_stride(*a, True), "for the first row"),
    ("seen_rows", lambda *a: reordered(*a, (1, 0, 2)), "(kernel, stride, padding)"),
    ("seen_rows", lambda *a: reordered(*a, (0, 2, 1)), "(kernel, stride, padding)"),
    ("seen_rows", lambda *a: reordered(*a, (1, 2, 0)), "(kernel, stride, padding)"),
    ("seen_rows", lambda *a: (walk_back(*a)[0], 3), "first row and how many"),
    ("seen_rows", lambda *a: (1, 2), "it returns 1 and 2"),
    ("seen_rows", lambda c, ls, h: walk(c, ls[::-1]), "no row -1"),
    ("seen_rows", moved, "not moved"),
    ("seen_rows", lambda c, ls, h: np.maximum(walk(c, ls[::-1]), 0), "end with row 15"),
    (
        "seen_rows",
        lambda c, ls, h: cut_off(walk(c, ls[::-1]), h - 1),
        "not with row 14",
    ),
    ("seen_rows", hard_coded, "right for kernels 3 and 2"),
    ("seen_rows", lambda c, ls, h: [c], "shape is (1,)"),
    ("seen_rows", lambda c, ls, h: [(c, c), c], "numbers are asked for"),
    ("seen_rows", lambda c, ls: (c, c), "TypeError"),
    ("seen_rows", (4, 6), "function itself"),
]


def test_these_are_the_exercises_of_the_lesson():
    assert checks.NAMES[LESSON] == tuple(RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_right_however_written(name):
    for answer in RIGHT[name]:
        for seed in (None, *range(20)):
            assert checks.score(name, answer, seed) == (1.0, "Correct.")


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_each_mistake_gets_its_hint(name, wrong, hint):
    points, message = checks.score(name, wrong)
    assert points == 0
    assert message.startswith("Not yet: ")
    assert hint in message


def test_wrong_answers_fail_whatever_the_seed():
    for name, wrong, _ in WRONG:
        assert checks.score(name, wrong, 1)[0] == 0


def test_the_stub_of_the_function_is_not_attempted():
    message = checks.score("seen_rows", lambda cell, layers, height: None)[1]
    assert message.startswith("Not attempted yet")


def test_hints_show_no_right_answer_of_the_values():
    for name, wrong, _ in WRONG:
        if name == "field_and_stride":
            assert "40" not in checks.score(name, wrong)[1]
