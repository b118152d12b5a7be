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
    if isinstance(answer, bool | np.bool_):
        raise Mistake("one number is asked for, and this is True or False.")
    pixels = np.float64(375 * 500)
    megabytes = 3 * pixels * 64 * 2 / 1e6
    mistakes = {
        "that is one picture; the batch has 3.": megabytes / 3,
        "each number takes 2 bytes here, not 4.": 2 * megabytes,
        "that counts numbers; each takes 2 bytes.": (
            megabytes / 2,
            megabytes / 2 * 1e6,
        ),
        "that counts bits; a byte has 8.": (8 * megabytes, 16 * megabytes),
        "that is the input, which has 3 channels; the output has 64.": (
            3 * pixels * 3 * 2 / 1e6,
            3 * pixels * 3 / 1e6,
        ),
        "that counts the input's 3 channels as well; the output has 64 numbers a "
        "pixel.": 3 * megabytes,
        "a megabyte has 10⁶ bytes here, not 2²⁰.": (
            megabytes * 1e6 / 2**20,
            megabytes * 1e3 / 2**10,
        ),
        "a megabyte has 10⁶ bytes here, not 2²⁰, and the batch has 3 pictures.": (
            megabytes / 3 * 1e6 / 2**20
        ),
        "a megabyte has 10⁶ bytes here, not 2²⁰, and each number takes 2 of them.": (
            2 * megabytes * 1e6 / 2**20,
            megabytes / 2 * 1e6 / 2**20,
        ),
        "the layer keeps the size of its input; no border is lost.": np.float64(
            3 * 373 * 498 * 64 * 2 / 1e6
        ),
        "the pictures have 500 × 375 pixels; they are not square.": (
            megabytes * 500 / 375,
            megabytes * 375 / 500,
        ),
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
        Not yet: void pixels count nowhere; here three of a shard's six are void.
    """
    # An answer may use Keras, and loading it must not count as the answer's time.
    import keras  # noqa: F401

    first = [
        (np.array([[[1.0, 3, 2, 2, 4, 9]]]), _as_labels(0, 4, 4, 4, 4, 255)),
        (np.array([[[1.0, 2, 1, 6, 5, 7]]]), _as_labels(2, 2, 2, 255, 255, 255)),
    ]
    with_nan = [first[0], (np.array([[[1.0, 2, 1, np.nan, 5, 7]]]), first[1][1])]
    all_void = [first[0], (first[1][0], np.full((1, 1, 6), 255, "uint8"))]
    for shards, hint in (
        (first, None),
        (with_nan, "at a void pixel the loss may be nan, and 0 times nan is nan."),
        (all_void, "a shard that is all void contributes 0, and changes no other."),
        (_draw_shards(random), None),
    ):
        fault = _judge_shards(answer, shards, hint)
        if fault is not None:
            return fault
    return None


def _as_labels(*row):
    """Return a label map of one picture with one row."""
    return np.array([[row]], "uint8")


def _draw_shards(random):
    """Draw shards of unequal sizes, with void spread unevenly, too large for uint8."""
    shards = []
    for pictures, share, classes in ((2, 0.0, 21), (3, 0.3, 255), (2, 0.9, 21)):
        labels = random.integers(0, classes, (pictures, 12, 15)).astype("uint8")
        labels[random.random(labels.shape) < share] = 255
        labels[0, 0, :3] = classes - 1
        shards.append((random.random(labels.shape), labels))
    return shards


def _judge_shards(answer, shards, hint):
    """Return what is wrong with the contributions to a loss, or `None`."""
    given = [(losses.copy(), labels.copy()) for losses, labels in shards]
    found = _call(answer, given)
    if hint is not None and np.isnan(found).any():
        return hint
    sums, counts = _sums_and_counts(shards)
    mistakes = _mistaken_counts(shards) | _mistaken_sums(shards)
    expected = sums / counts.sum()
    fault = compare(found, expected, mistakes, hint or _OTHERWISE)
    if fault is None and not _are_same(given, shards):
        fault = "it changes the arrays that it is given; work on copies."
    return fault


def _call(answer, shards):
    """Return what an answer makes of shards, as an array of numbers."""
    try:
        found = answer(shards)
    except Mistake as mistake:
        if "inhomogeneous" in str(mistake) or "same shape" in str(mistake):
            raise Mistake(
                "shards may differ in N, and arrays of different shapes do not fit "
                "into one."
            ) from mistake
        raise
    if hasattr(found, "__next__"):
        raise Mistake("it returns a generator, which has no numbers yet; make a list.")
    if np.ndim(found) == 0:
        raise Mistake(
            "it returns one number; a list with one for each device is asked for."
        )
    return np.asarray(list(found), "float64")


def _are_same(given, shards):
    """Tell whether shards are still as they were, nan included."""
    return len(given) == len(shards) and all(
        isinstance(shard, tuple)
        and len(shard) == 2
        and np.array_equal(shard[0], losses, equal_nan=True)
        and np.array_equal(shard[1], labels)
        for shard, (losses, labels) in zip(given, shards, strict=True)
    )


def _sums_and_counts(shards):
    """Return the sum of the losses of each shard's valid pixels, and their number."""
    valid = [(losses[labels != 255]) for losses, labels in shards]
    return np.array([part.sum() for part in valid]), np.array([*map(len, valid)])


def _mistaken_counts(shards):
    """Return what comes of dividing by another count, by hint."""
    sums, counts = _sums_and_counts(shards)
    sizes = np.array([labels.size for _, labels in shards])
    not_zero = sum((labels % 255 > 0).sum() for _, labels in shards)
    return {
        "each device divides by its own valid pixels; the sum must be the mean over "
        "the valid pixels of all.": (sums / np.maximum(counts, 1), sums / counts),
        "a mean of the devices' means; a device with few valid pixels then says as "
        "much as one with many.": sums / np.maximum(counts, 1) / len(shards),
        "void pixels are in the count that divides, though not in the sum.": (
            sums / sizes.sum(),
            sums / sizes,
        ),
        "these are sums; nothing is divided by the number of valid pixels.": sums,
        "divided by the number of devices or pictures, not by the valid pixels.": (
            sums / len(shards)
        ),
        "divided by the valid pixels of one shard only; were the counts added up?": (
            *(sums / count for count in counts),
        ),
        "it divides before all shards are counted; a device needs the count of all.": (
            sums / np.cumsum(counts)
        ),
        "the sum of these is the mean, times the number of devices; was a mean of the "
        "counts taken?": sums / counts.mean(),
        "class 0 is a class like any other; 255 alone is void.": (
            sums / not_zero,
            _without_class_0(shards) / not_zero,
        ),
        "255 alone is void; 21 and 254 are numbers of classes like any other.": (
            *(_shares_below(shards, classes) for classes in (20, 21, 22, 254)),
        ),
        "the count of valid pixels ran over; 8 bits end at 255.": (
            sums / (counts % 256).sum(),
            sums / (counts.sum() % 256),
        ),
    }


def _without_class_0(shards):
    """Return the sum of each shard's losses where the class is neither void nor 0."""
    return np.array([losses[labels % 255 > 0].sum() for losses, labels in shards])


def _shares_below(shards, classes):
    """Return what comes of taking only numbers below a limit for classes."""
    few = [(losses[labels < classes]) for losses, labels in shards]
    return np.array([part.sum() for part in few]) / sum(map(len, few))


def _mistaken_sums(shards):
    """Return what comes of adding up or sharing out something else, by hint."""
    sums, counts = _sums_and_counts(shards)
    sizes = np.array([labels.size for _, labels in shards])
    with_void = np.array([losses.sum() for losses, _ in shards])
    whole = sums.sum() / counts.sum()
    right = sums / counts.sum()
    return {
        "a shard that is all void still has its number, 0.": right[counts > 0],
        "void pixels count nowhere; here three of a shard's six are void.": (
            with_void / sizes,
            with_void / sizes.sum(),
            with_void / sizes / len(shards),
            with_void / counts.sum(),
            (with_void - sums) / counts.sum(),
        ),
        "that is the mean of all devices, for each; each contributes only its own "
        "sum.": (
            np.full(len(shards), whole),
            np.full(len(shards), whole / len(shards)),
        ),
        "that is the mean of all devices; one number for each device is asked for.": (
            np.array([whole])
        ),
        "only the first shard is in the list; does return stand inside the loop?": (
            right[:1]
        ),
        "these are the counts, or shares of them; the losses are missing.": (
            counts,
            counts / counts.sum(),
        ),
    }


_OTHERWISE = "the text's two shards have 8 valid pixels, and the sums 12 and 4."
