"""Test the checks of lesson 9: right answers, wrong ones, and what they hear."""

import math

import numpy as np
import pytest

from fcnlib import checks

NAMES = ("wrong_label", "tile_starts")


def by_hand(length, tile, margin):
    starts = [0]
    while starts[-1] + tile < length:
        starts.append(min(starts[-1] + tile - 2 * margin, length - tile))
    return starts


def spread(length, tile, margin):
    """Even distances, rounded."""
    rest = max(0, length - tile)
    count = 1 + math.ceil(rest / (tile - 2 * margin))
    return np.linspace(0, rest, count).astype(int)


def from_the_end(length, tile, margin):
    starts = [max(0, length - tile)]
    while starts[0] > 0:
        starts = [max(0, starts[0] - (tile - 2 * margin)), *starts]
    return tuple(starts)


def steps(length, tile, margin):
    return list(range(0, length, tile - 2 * margin))


def steps_that_fit(length, tile, margin):
    return list(range(0, max(1, length - tile + 1), tile - 2 * margin))


def one_margin(length, tile, margin):
    starts = list(range(0, max(1, length - tile + 1), tile - margin))
    return starts if starts[-1] + tile >= length else [*starts, length - tile]


def no_margin(length, tile, margin):
    return one_margin(length, tile, 0)


def every_pixel(length, tile, margin):
    return list(range(max(1, length - tile + 1)))


def always_one_more(length, tile, margin):
    starts = steps_that_fit(length, tile, margin)
    return [*starts, max(0, length - tile)]


def without_the_last(length, tile, margin):
    return by_hand(length, tile, margin)[:-1]


def with_ends(length, tile, margin):
    return [(start, start + tile) for start in by_hand(length, tile, margin)]


def in_fractions(length, tile, margin):
    rest = max(0, length - tile)
    count = 1 + math.ceil(rest / (tile - 2 * margin))
    return [rest * number / max(1, count - 1) for number in range(count)]


RIGHT = [
    ("wrong_label", (255, 254)),
    ("wrong_label", [255, 254]),
    ("wrong_label", np.array([255, 254], "uint8")),
    ("wrong_label", (255.0, np.uint8(255) - np.uint8(1))),
    ("tile_starts", by_hand),
    ("tile_starts", spread),
    ("tile_starts", from_the_end),
    ("tile_starts", lambda length, tile, margin: iter(by_hand(length, tile, margin))),
]

WRONG = [
    ("wrong_label", (254, 255), "comes first"),
    ("wrong_label", (0, 255), "which is void"),
    ("wrong_label", (0, -1), "no -1"),
    ("wrong_label", (0, 0), "does not stay 0"),
    ("wrong_label", (255, 255), "like any other"),
    ("wrong_label", (0, 256), "has no 256"),
    ("wrong_label", (255, 256), "1 is subtracted"),
    ("wrong_label", (255, 0), "no overflow"),
    ("wrong_label", (255, -1), "subtract 1 from it"),
    ("wrong_label", (1, 0), "road"),
    ("wrong_label", (2, 1), "car"),
    ("wrong_label", (3, 2), "person"),
    ("wrong_label", (3, 1), "3 does not become 1"),
    ("wrong_label", (4, 3), "one of the five"),
    ("wrong_label", 254, "two numbers"),
    ("wrong_label", (255, 254, 1), "two numbers"),
    ("wrong_label", "255, 254", "two numbers"),
    ("wrong_label", by_hand, "a function came"),
    ("tile_starts", steps, "length 10, tile 6, margin 1: a tile that starts at 8"),
    (
        "tile_starts",
        steps_that_fit,
        "length 11, tile 6, margin 1: no tile holds 1 pixel",
    ),
    ("tile_starts", one_margin, "share 1 pixel, and 2 are needed"),
    ("tile_starts", no_margin, "neighbors share"),
    ("tile_starts", every_pixel, "2 tiles are enough, and there are 5"),
    ("tile_starts", always_one_more, "the last start is repeated"),
    ("tile_starts", without_the_last, "no tile holds 4 pixels at the end"),
    ("tile_starts", with_ends, "without the ends"),
    ("tile_starts", in_fractions, "whole number"),
    ("tile_starts", lambda *a: len(by_hand(*a)), "one number"),
    ("tile_starts", lambda *a: "0, 4", "it returns str"),
    ("tile_starts", lambda *a: [], "empty"),
    ("tile_starts", lambda *a: by_hand(*a)[::-1], "do not grow"),
    ("tile_starts", lambda *a: [start + 1 for start in by_hand(*a)], "starts at 1"),
    (
        "tile_starts",
        lambda n, t, m: by_hand(n, t, m) if n > t else [0, 0],
        "one tile covers the side, and there are 2",
    ),
    (
        "tile_starts",
        lambda n, t, m: by_hand(n, t, m) if n >= t else [n - t],
        "length 4, tile 6, margin 1: the first tile starts at -2",
    ),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_are_correct(name, answer):
    for seed in (None, 1, 2):
        assert checks.score(name, answer, seed) == (1.0, "Correct.")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_wrong_answers_get_their_hint(name, answer, hint):
    points, message = checks.score(name, answer)
    assert points == 0 and message.startswith("Not yet: ") and hint in message
    assert "\n" not in message and message.endswith((".", "?"))


@pytest.mark.parametrize(
    ("name", "stub"),
    [("wrong_label", None), ("tile_starts", lambda length, tile, margin: None)],
)
def test_a_stub_is_not_attempted(name, stub):
    points, message = checks.score(name, stub)
    assert points == 0 and message.startswith("Not attempted yet: ")


def test_the_lesson_has_these_exercises():
    assert checks.NAMES["09_your_own_images"] == NAMES
