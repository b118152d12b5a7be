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


def by_keras(shards):
    import keras

    return [keras.ops.convert_to_tensor(part) for part in by_hand(shards)]


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


def classes_below(limit):
    """Take only numbers below a limit for classes."""

    def answer(shards):
        valid = sum((labels < limit).sum() for _, labels in shards)
        return [losses[labels < limit].sum() / valid for losses, labels in shards]

    return answer


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


def over_the_last_count(shards):
    """n = where n += is meant."""
    for _, labels in shards:
        n = (labels != 255).sum()
    return [total / n for total in only_sums(shards)]


def over_the_first_count(shards):
    return [total / only_counts(shards)[0] for total in only_sums(shards)]


def over_the_largest_count(shards):
    return [total / max(only_counts(shards)) for total in only_sums(shards)]


def over_the_mean_count(shards):
    return [total / np.mean(only_counts(shards)) for total in only_sums(shards)]


def while_counting(shards):
    n, parts = 0, []
    for losses, labels in shards:
        n += (labels != 255).sum()
        parts.append(losses[labels != 255].sum() / n)
    return parts


def split_evenly(shards):
    return [whole_loss(shards) / len(shards)] * len(shards)


def times_devices(shards):
    return [part * len(shards) for part in by_hand(shards)]


def only_void(shards):
    count = sum(only_counts(shards))
    return [losses[labels == 255].sum() / count for losses, labels in shards]


def class_zero_nowhere(shards):
    masks = [(labels > 0) & (labels < 255) for _, labels in shards]
    count = sum(mask.sum() for mask in masks)
    parts = zip(shards, masks, strict=True)
    return [losses[mask].sum() / count for (losses, _), mask in parts]


def without_void_shards(shards):
    parts = zip(by_hand(shards), only_counts(shards), strict=True)
    return [part for part, count in parts if count]


def changes_losses(shards):
    count = sum(only_counts(shards))
    for losses, labels in shards:
        losses[labels == 255] = 0
    return [losses.sum() / count for losses, _ in shards]


def empties_the_list(shards):
    parts = by_hand(shards)
    shards.clear()
    return parts


def replaces_shards(shards):
    parts = by_hand(shards)
    shards[0] = None
    return parts


def in_one_array(shards):
    losses = np.array([losses for losses, _ in shards])
    valid = np.array([labels for _, labels in shards]) != 255
    parts = zip(losses, valid, strict=True)
    return [loss[mask].sum() / valid.sum() for loss, mask in parts]


def stacked(shards):
    valid = np.stack([labels for _, labels in shards]) != 255
    return [total / valid.sum() for total in only_sums(shards)]


def counted_in_8_bits(shards):
    counts = [(labels != 255).sum(dtype="uint8") for _, labels in shards]
    return [total / sum(map(int, counts)) for total in only_sums(shards)]


def added_in_8_bits(shards):
    count = np.uint8(0)
    for each in only_counts(shards):
        count += each.astype("uint8")
    return [total / count for total in only_sums(shards)]


RIGHT = [
    ("map_megabytes", 72),
    ("map_megabytes", 72.0),
    ("map_megabytes", Fraction(72)),
    ("map_megabytes", np.float32(72)),
    ("shard_losses", by_hand),
    ("shard_losses", masked),
    ("shard_losses", in_a_tuple),
    ("shard_losses", by_keras),
]

WRONG = [
    ("map_megabytes", 24, "the batch has 3"),
    ("map_megabytes", 144, "2 bytes here, not 4"),
    ("map_megabytes", 36, "counts numbers"),
    ("map_megabytes", 36_000_000, "counts numbers"),
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
    ("map_megabytes", 216.0, "the input's 3 channels as well"),
    ("map_megabytes", 22.888, "and the batch has 3"),
    ("map_megabytes", 137.329, "each number takes 2 of them"),
    ("map_megabytes", 34.3323, "each number takes 2 of them"),
    ("map_megabytes", 70.3125, "not 2"),
    ("map_megabytes", 71.329536, "no border is lost"),
    ("map_megabytes", 96, "not square"),
    ("map_megabytes", 54, "not square"),
    ("map_megabytes", True, "True or False"),
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
    ("shard_losses", whole_loss_each, "the mean of all devices, for each"),
    ("shard_losses", split_evenly, "only its own sum"),
    ("shard_losses", lambda shards: [whole_loss(shards)], "one number for each"),
    ("shard_losses", lambda shards: by_hand(shards)[:1], "return stand inside"),
    ("shard_losses", lambda shards: iter(by_hand(shards)), "a generator"),
    ("shard_losses", times_devices, "times the number of devices"),
    ("shard_losses", over_the_last_count, "of one shard only"),
    ("shard_losses", over_the_first_count, "of one shard only"),
    ("shard_losses", over_the_largest_count, "of one shard only"),
    ("shard_losses", over_the_mean_count, "a mean of the counts"),
    ("shard_losses", while_counting, "before all shards are counted"),
    ("shard_losses", only_void, "void pixels count nowhere"),
    ("shard_losses", class_zero_nowhere, "class 0 is a class"),
    ("shard_losses", without_void_shards, "still has its number, 0"),
    ("shard_losses", changes_losses, "changes the arrays"),
    ("shard_losses", empties_the_list, "changes the arrays"),
    ("shard_losses", replaces_shards, "changes the arrays"),
    ("shard_losses", in_one_array, "may differ in N"),
    ("shard_losses", stacked, "may differ in N"),
    ("shard_losses", counted_in_8_bits, "8 bits end at 255"),
    ("shard_losses", added_in_8_bits, "8 bits end at 255"),
    ("shard_losses", only_counts, "the losses are missing"),
    ("shard_losses", weighted_means, "all void contributes 0"),
    ("shard_losses", class_zero_left_out, "class 0 is a class"),
    ("shard_losses", classes_below(21), "255 alone is void"),
    ("shard_losses", classes_below(254), "255 alone is void"),
    ("shard_losses", one_for_each_picture, "the shape is (4,)"),
    ("shard_losses", lambda shards: [7.0, 8.0], "the sums 12 and 4"),
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
