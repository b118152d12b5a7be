"""Judge the exercises of lesson 00_start_here."""

import numpy as np

from fcnlib.checks.judging import compare, exercise, is_yes


@exercise("00_start_here", asks_for="function")
def class_shares(answer, random):
    """Check the shares of the classes among the pixels that are not void.

    Args:
        answer: function of `labels`, (H, W) uint8 with 255 for void, and `num_classes`;
            returns (num_classes,) floats, 0 for a class that is absent.

    Example:
        >>> class_shares(lambda labels, num_classes: None)
        Not attempted yet: it returns None; is a return missing?
    """
    cases = [(7, (0, 1, 3), 20), (4, (0, 1, 2), 0), (3, (1, 2), 9), (9, range(9), 20)]
    for num_classes, present, voids in cases:
        row = random.permutation(np.resize(present, 63)).astype("uint8")
        row[:voids] = 255
        labels = random.permutation(row).reshape(7, 9)
        shares = np.bincount(row[voids:], minlength=num_classes) / (63 - voids)
        mistakes = _class_shares_mistakes(labels, num_classes)
        hint = compare(answer(labels, num_classes), shares, mistakes)
        if hint is not None:
            return hint
    return None


def _class_shares_mistakes(labels, num_classes):
    """Return the hints for `class_shares`, each with the results that it belongs to."""
    everything = np.bincount(labels.ravel(), minlength=256)
    counts, size = everything[:num_classes], labels.size
    total = counts.sum()
    as_sky = counts + (np.arange(num_classes) == 0) * everything[255]
    masks = [(size - total, total), (total, size - total)]
    padded = [np.pad(mask, (0, num_classes - 2)) for mask in masks]

    def divide(*rows):
        divisors = 1, size, total
        return tuple(np.array(row) / divisor for row in rows for divisor in divisors)

    return {
        "void pixels are still part of the total.": counts / size,
        "these are counts; a share is a count over the total.": counts,
        "these are percentages; shares add up to 1.": 100 * counts / total,
        "a class that is absent has a share too, the last one as well: 0.": (
            divide(counts[counts > 0], np.trim_zeros(counts, "b"))
        ),
        "use num_classes; a number of your own, as 5, fits some maps only.": (
            divide(*(np.resize([*counts, 0, 0, 0], own) for own in (5, 6)))
        ),
        "255 was counted as a class; leave void out first.": (
            divide(everything, everything[everything > 0], [*counts, size - total])
        ),
        "void was counted as class 0, sky.": divide(as_sky),
        "the mask was counted; use it to choose the labels.": divide(*masks, *padded),
        "the fractions are gone; `//` and int drop them.": counts // total,
        "divide by the number of pixels that are not void.": tuple(
            counts / divisor for divisor in (num_classes, *labels.shape, counts.max())
        ),
    }


@exercise("00_start_here", asks_for="function")
def is_brightest_channel(answer, random):
    """Check the test that unmasks a label map made of the image's channels alone.

    Args:
        answer: function of `image`, (H, W, 3) uint8, and `predictions`, (H, W) uint8;
            returns `True` if every prediction is the number of the pixel's brightest
            channel, else `False`.

    Example:
        >>> is_brightest_channel(lambda image, predictions: predictions == 2)
        Not yet: it returns many values; one True or False is asked for.
    """
    bands = random.permuted(np.tile([0, 80, 160], (10, 14, 1)), axis=-1)
    image = (bands + random.integers(0, 80, bands.shape)).astype("uint8")
    brightest = image.argmax(axis=-1).astype("uint8")
    if not is_yes(answer(image, brightest)):
        return _why_it_misses(answer, random)
    for hint, predictions in _other_maps(image, brightest, random).items():
        if is_yes(answer(image, predictions)):
            return hint
    image[2, 3], image[4, 5] = (90, 90, 90), (20, 70, 70)
    ties = image.argmax(axis=-1).astype("uint8")
    later = ties.copy()
    later[2, 3], later[4, 5] = 2, 2
    if not is_yes(answer(image, ties)) or is_yes(answer(image, later)):
        return "of equal channels the first counts: (90, 90, 90) has the number 0."
    return None


def _why_it_misses(answer, random):
    """Return a hint for an answer that says `False` to a map of brightest channels."""
    image = random.permuted(np.tile([0, 1, 2], (3, 3, 1)), axis=-1).astype("uint8")
    maps = {
        "True and False are swapped.": image.argsort(axis=-1)[..., 1],
        "these are brightnesses; the numbers of the channels are asked for.": (
            image.max(axis=-1)
        ),
        "this is the darkest channel, and the brightest is asked for.": (
            image.argmin(axis=-1)
        ),
        "red is channel 0 and blue is channel 2; leave the order as it is.": (
            image[..., ::-1].argmax(axis=-1)
        ),
        "which axis of (H, W, 3) holds the channels? It is not the first.": (
            image.argmax(axis=0)
        ),
        "which axis of (H, W, 3) holds the channels? It is not the second.": (
            image.argmax(axis=1)
        ),
    }
    for hint, predictions in maps.items():
        if is_yes(answer(image, predictions.astype("uint8"))):
            return hint
    return "it says False even for a map of brightest channels; make that map yourself."


def _other_maps(image, brightest, random):
    """Return maps that are not of brightest channels, each with its hint."""
    unequal = (brightest + 1) % 3
    agrees = np.zeros(brightest.shape, bool)
    agrees[0], agrees[:, 0], agrees[-1, -1] = True, True, True
    altered, swapped, with_void = (brightest.copy() for _ in range(3))
    altered[3, 5] = image[3, 5].argmin()
    row, column = np.argwhere(brightest != brightest[0, 0])[0]
    swapped[0, 0], swapped[row, column] = brightest[row, column], brightest[0, 0]
    with_void[6, 2] = 255
    return {
        "numbers from 0 to 2 alone prove nothing; compare pixel with pixel.": unequal,
        "one equal pixel is not enough; every pixel must agree.": (
            np.where(agrees, brightest, unequal)
        ),
        "it also says True for a map that has nothing to do with the image.": (
            random.integers(0, 5, image.shape[:2]).astype("uint8")
        ),
        "it says True although one pixel differs from the brightest channel.": altered,
        "the counts agree, the pixels do not; compare pixel with pixel.": swapped,
        "a pixel of 255 differs too; no channel has this number.": with_void,
    }
