"""Judge the exercise of lesson 11_my_lesson."""

import numpy as np

from fcnlib.checks.judging import compare_number, exercise


@exercise("11_my_lesson", asks_for="function")
def rim_share(answer, random):
    """Check the share of a picture's pixels that lie in its outermost rim.

    Args:
        answer: function of `height` and `width`, each at least 2; returns one
            number from 0 to 1.

    Example:
        >>> rim_share(lambda height, width: None)
        Not attempted yet: it returns None; is a return missing?
    """
    sizes = [(3, 4), *random.integers(2, 200, (5, 2)).tolist()]
    for height, width in sizes:
        rim = np.ones((height, width))
        rim[1:-1, 1:-1] = 0
        mistakes = {
            "this counts pixels; a share is a count over all.": rim.sum(),
            "the corners are counted twice.": (rim.sum() + 4) / rim.size,
            "the rim is asked for, not what it surrounds.": 1 - rim.mean(),
        }
        hint = compare_number(answer(height, width), rim.mean(), mistakes)
        if hint is not None:
            return hint
    return None
