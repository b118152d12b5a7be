"""Judge the exercises of lesson 10_scaling_up."""

import numpy as np

from fcnlib.checks.judging import Mistake, compare, compare_number, exercise


@exercise("10_scaling_up", asks_for="value")
def map_megabytes(answer, random):
    """Check the megabytes of block1_conv1's output, for a batch in half precision.

    Args:
        answer: a number.

    Example:
        >>> map_megabytes(24)
        Not yet: that is one picture; the batch has 3.
    """
    pixels = np.float64(375 * 500)
    megabytes = 3 * pixels * 64 * 2 / 1e6
    mistakes = {
        "that is one picture; the batch has 3.": megabytes / 3,
        "each number takes 2 bytes here, not 4.": 2 * megabytes,
        "that counts numbers; each takes 2 bytes.": megabytes / 2,
        "that counts bits; a byte has 8.": (8 * megabytes, 16 * megabytes),
        "that is the input, which has 3 channels; the output has 64.": (
            3 * pixels * 3 * 2 / 1e6,
            3 * pixels * 3 / 1e6,
        ),
        "a megabyte has 10⁶ bytes here, not 2²⁰.": megabytes * 1e6 / 2**20,
        "those are bytes; a megabyte has 10⁶ of them.": megabytes * 1e6,
        "those are kilobytes or gigabytes; a megabyte has 10⁶ bytes.": (
            megabytes * 1e3,
            megabytes / 1e3,
        ),
        "each pixel of the output has 64 numbers; the input's 3 do not matter.": (
            3 * pixels * 2 / 1e6,
            pixels * 2 / 1e6,
        ),
        "that is after pooling, which comes later in the block.": megabytes / 4,
        "that is the memory of the layer's weights, and the output is asked for.": (
            np.float64(1792 * 2 / 1e6),
            np.float64(1792 * 4 / 1e6),
            np.float64(1728 * 2 / 1e6),
        ),
        "that is one picture in 4 bytes; the batch has 3, in 2 bytes.": megabytes / 1.5,
        "the example is of one picture of 100 x 100 pixels; this is larger.": 1.28,
    }
    return compare_number(
        answer, megabytes, mistakes, "multiply what the text names, one by one."
    )


@exercise("10_scaling_up", asks_for="function")
def shard_losses(answer, random):
    """Check what each device contributes to one loss over all valid pixels.

    Args:
        answer: function of `shards`, a list of (losses, labels), (N, H, W) float and
            (N, H, W) uint8; returns a list of numbers.

    Example:
        >>> shard_losses(lambda shards: [losses.mean() for losses, _ in shards])
        Not yet: void pixels count nowhere; here three of a shard's four are void.
    """
    first = [
        (np.array([[[1.0, 3, 2, 2]]]), np.array([[[0, 0, 4, 4]]], "uint8")),
        (np.array([[[5.0, 7, 1, 3]]]), np.array([[[2, 255, 255, 255]]], "uint8")),
    ]
    with_nan = [first[0], (np.array([[[5.0, np.nan, 1, 3]]]), first[1][1])]
    all_void = [first[0], (first[1][0], np.full((1, 1, 4), 255, "uint8"))]
    for shards, hint in (
        (first, None),
        (with_nan, "at a void pixel the loss may be nan, and 0 times nan is nan."),
        (all_void, "a shard that is all void contributes 0, and changes no other."),
        (_draw_shards(random), None),
    ):
        fault = _judge_shards(answer(_copy(shards)), shards, hint)
        if fault is not None:
            return fault
    return None


def _draw_shards(random):
    """Draw three shards of two pictures each, with void spread unevenly."""
    shards = []
    for share in (0.0, 0.3, 0.9):
        labels = random.integers(0, 21, (2, 4, 5)).astype("uint8")
        labels[random.random(labels.shape) < share] = 255
        shards.append((random.random(labels.shape), labels))
    return shards


def _copy(shards):
    """Copy shards, which an answer may change."""
    return [(losses.copy(), labels.copy()) for losses, labels in shards]


def _judge_shards(found, shards, hint):
    """Return what is wrong with the contributions to a loss, or `None`."""
    if np.ndim(found) == 0:
        raise Mistake(
            "it returns one number; a list with one for each device is asked for."
        )
    found = np.asarray(list(found), "float64")
    if hint is not None and np.isnan(found).any():
        return hint
    valid = [labels != 255 for _, labels in shards]
    sums = np.array(
        [losses[mask].sum() for (losses, _), mask in zip(shards, valid, strict=True)]
    )
    counts = np.array([mask.sum() for mask in valid])
    sizes = np.array([mask.size for mask in valid])
    with_void = np.array([losses.sum() for losses, _ in shards])
    own_means = sums / np.maximum(counts, 1)
    mistakes = {
        "each device divides by its own valid pixels; the sum must be the mean over "
        "the valid pixels of all.": (own_means, sums / counts),
        "a mean of the devices' means; a device with few valid pixels then says as "
        "much as one with many.": own_means / len(shards),
        "void pixels count nowhere; here three of a shard's four are void.": (
            with_void / sizes,
            with_void / sizes.sum(),
            with_void / sizes / len(shards),
            with_void / counts.sum(),
        ),
        "void pixels are in the count that divides, though not in the sum.": (
            sums / sizes.sum(),
            sums / sizes,
        ),
        "these are sums; nothing is divided by the number of valid pixels.": sums,
        "divided by the number of devices, not by the valid pixels.": sums
        / len(shards),
        "the sum is asked for one number per device, not all devices together.": (
            np.full(len(shards), sums.sum() / counts.sum())
        ),
        "these are the counts, or shares of them; the losses are missing.": (
            counts,
            counts / counts.sum(),
        ),
        "class 0 is a class like any other; 255 alone is void.": (
            sums / sum(((labels % 255) > 0).sum() for _, labels in shards)
        ),
    }
    return compare(found, sums / counts.sum(), mistakes, hint or _OTHERWISE)


_OTHERWISE = "the text's two shards have 5 valid pixels, and the sums 8 and 5."
