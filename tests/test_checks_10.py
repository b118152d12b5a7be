"""Test the checks of lesson 10: right answers, wrong ones, and what they hear."""

from fractions import Fraction

import numpy as np
import pytest

from fcnlib import checks

NAMES = ("map_megabytes", "shard_losses")


def by_hand(shards):
    """Go through all pixels in loops."""
    totals, count = [], 0
    for losses, labels in shards:
        total = 0.0
        for loss, label in zip(np.ravel(losses), np.ravel(labels), strict=True):
            if label != 255:
                total += loss
                count += 1
        totals.append(total)
    return [total / count for total in totals]


def masked(shards):
    """Use masked arrays, and return an array."""
    parts = [np.ma.masked_array(losses, labels == 255) for losses, labels in shards]
    sums = np.array([part.filled(0).sum() for part in parts])
    return sums / sum(part.count() for part in parts)


def in_a_tuple(shards):
    everywhere = np.concatenate([labels.ravel() for _, labels in shards])
    count = np.count_nonzero(everywhere < 255)
    sums = (np.where(labels < 255, losses, 0).sum() for losses, labels in shards)
    return tuple(total / count for total in sums)


def own_means(shards):
    return [losses[labels != 255].mean() for losses, labels in shards]


def mean_of_means(shards):
    return [mean / len(shards) for mean in own_means(shards)]


def with_void(shards):
    return [losses.mean() for losses, _ in shards]


def with_void_over_valid(shards):
    count = sum((labels != 255).sum() for _, labels in shards)
    return [losses.sum() / count for losses, _ in shards]


def over_all_pixels(shards):
    size = sum(labels.size for _, labels in shards)
    return [losses[labels != 255].sum() / size for losses, labels in shards]


def over_own_pixels(shards):
    return [losses[labels != 255].sum() / labels.size for losses, labels in shards]


def only_sums(shards):
    return [losses[labels != 255].sum() for losses, labels in shards]


def over_devices(shards):
    return [total / len(shards) for total in only_sums(shards)]


def times_mask(shards):
    count = sum((labels != 255).sum() for _, labels in shards)
    return [(losses * (labels != 255)).sum() / count for losses, labels in shards]


def whole_loss(shards):
    return sum(by_hand(shards))


def whole_loss_each(shards):
    return [whole_loss(shards)] * len(shards)


def only_counts(shards):
    return [(labels != 255).sum() for _, labels in shards]


def weighted_means(shards):
    """Right but for a shard that is all void: 0 times nan."""
    counts = np.array(only_counts(shards))
    return counts / counts.sum() * np.array(own_means(shards))


def class_zero_left_out(shards):
    count = sum(((labels > 0) & (labels < 255)).sum() for _, labels in shards)
    return [losses[labels != 255].sum() / count for losses, labels in shards]


def one_for_each_picture(shards):
    return [part for part in by_hand(shards) for _ in range(2)]


RIGHT = [
    ("map_megabytes", 72),
    ("map_megabytes", 72.0),
    ("map_megabytes", Fraction(72)),
    ("map_megabytes", np.float32(72)),
    ("shard_losses", by_hand),
    ("shard_losses", masked),
    ("shard_losses", in_a_tuple),
]

WRONG = [
    ("map_megabytes", 24, "the batch has 3"),
    ("map_megabytes", 144, "2 bytes here, not 4"),
    ("map_megabytes", 36, "counts numbers"),
    ("map_megabytes", 576, "bits"),
    ("map_megabytes", 3.375, "3 channels"),
    ("map_megabytes", 68.6646, "not 2"),
    ("map_megabytes", 72_000_000, "those are bytes"),
    ("map_megabytes", 0.072, "kilobytes or gigabytes"),
    ("map_megabytes", 1.125, "has 64 numbers"),
    ("map_megabytes", 18, "after pooling"),
    ("map_megabytes", 0.003584, "weights"),
    ("map_megabytes", 48, "one picture in 4 bytes"),
    ("map_megabytes", 1.28, "the example"),
    ("map_megabytes", 5, "multiply what the text names"),
    ("map_megabytes", "72 MB", "one number is asked for"),
    ("map_megabytes", (72, 1), "one number is asked for"),
    ("shard_losses", own_means, "by its own valid pixels"),
    ("shard_losses", mean_of_means, "mean of the devices' means"),
    ("shard_losses", with_void, "void pixels count nowhere"),
    ("shard_losses", with_void_over_valid, "void pixels count nowhere"),
    ("shard_losses", over_all_pixels, "in the count that divides"),
    ("shard_losses", over_own_pixels, "in the count that divides"),
    ("shard_losses", only_sums, "these are sums"),
    ("shard_losses", over_devices, "by the number of devices"),
    ("shard_losses", times_mask, "0 times nan"),
    ("shard_losses", whole_loss, "returns one number"),
    ("shard_losses", whole_loss_each, "not all devices together"),
    ("shard_losses", only_counts, "the losses are missing"),
    ("shard_losses", weighted_means, "all void contributes 0"),
    ("shard_losses", class_zero_left_out, "class 0 is a class"),
    ("shard_losses", one_for_each_picture, "the shape is (4,)"),
    ("shard_losses", lambda shards: [7.0, 8.0], "the sums 8 and 5"),
    ("shard_losses", lambda shards: "1.6, 1", "one number"),
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
    ("name", "stub"), [("map_megabytes", None), ("shard_losses", lambda shards: None)]
)
def test_a_stub_is_not_attempted(name, stub):
    points, message = checks.score(name, stub)
    assert points == 0 and message.startswith("Not attempted yet: ")


def test_the_lesson_has_these_exercises():
    assert checks.NAMES["10_scaling_up"] == NAMES
