"""Test the checks of lesson 6: right answers, wrong ones, and what they hear."""

import ast
import re
from fractions import Fraction

import numpy as np
import pytest

from fcnlib import checks

NAMES = ("summed_rate", "faulty_training_lines", "weighted_void_loss")


def shares_of(logits, axis=-1):
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def right_loss(logits, labels, class_weights):
    x, y = logits[labels < 255], labels[labels < 255]
    x = x - x.max(axis=1, keepdims=True)
    losses = np.log(np.exp(x).sum(axis=1)) - x[range(len(y)), y]
    return (np.array(class_weights)[y] * losses).mean()


def right_loss_in_loops(logits, labels, class_weights):
    total, count = 0.0, 0
    for place in np.ndindex(labels.shape):
        number = int(labels[place])
        if number == 255:
            continue
        scores = logits[place] - max(logits[place])
        total -= class_weights[number] * (scores[number] - np.log(sum(np.exp(scores))))
        count += 1
    return total / count


def right_loss_one_hot(logits, labels, class_weights):
    one_hot = labels[..., None] == np.arange(logits.shape[-1])  # void: all False
    sums = np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    weighed = one_hot * np.array(class_weights) * (sums - logits)
    return np.float32(weighed.sum() / one_hot.sum())


def losses_of(logits, labels):
    """Return the cross-entropies and the classes of the valid pixels."""
    x, y = logits[labels < 255], labels[labels < 255]
    return np.logaddexp.reduce(x, axis=1) - x[range(len(y)), y], y


def with_losses(combine):
    """Return an answer that combines weights and right losses wrongly."""

    def answer(logits, labels, class_weights):
        losses, classes = losses_of(logits, labels)
        return combine(np.array(class_weights), losses, classes)

    return answer


def filled_with(number, divide_by_valid=False):
    """Return an answer that takes void for a class."""

    def answer(logits, labels, class_weights):
        number_used = number % logits.shape[-1]
        filled = np.where(labels == 255, number_used, labels)
        loss = right_loss(logits, filled, class_weights)
        ratio = labels.size / (labels < 255).sum() if divide_by_valid else 1
        return loss * ratio

    return answer


def with_shares(find_shares):
    """Return an answer whose shares are found wrongly."""

    def answer(logits, labels, class_weights):
        x, y = logits[labels < 255], labels[labels < 255]
        shares = find_shares(x)[range(len(y)), y]
        return np.mean(np.array(class_weights)[y] * -np.log(shares))

    return answer


def with_parts(
    shift_sums=True,
    shift_truths=True,
    top=lambda x: x.max(axis=1, keepdims=True),
    total=lambda powers: powers.sum(axis=1, keepdims=True),
    log=np.log,
):
    """Return an answer with a wrong part in the logarithm of the softmax."""

    def answer(logits, labels, class_weights):
        x, y = logits[labels < 255], labels[labels < 255]
        logs = log(total(np.exp(x - shift_sums * top(x))))
        table = logs - (x - shift_truths * top(x))
        return np.mean(np.array(class_weights)[y] * table[range(len(y)), y])

    return answer


def with_table(combine):
    """Return an answer that takes too much from the losses of all classes."""

    def answer(logits, labels, class_weights):
        x, y = logits[labels < 255], labels[labels < 255]
        table = np.logaddexp.reduce(x, axis=1, keepdims=True) - x
        return combine(table, y, np.array(class_weights))

    return answer


def whole_table(table, y, w):
    return (table[:, y] * w[y]).sum() / len(y)


def no_mask(logits, labels, class_weights):
    x, y = logits.reshape(-1, logits.shape[-1]), labels.ravel()
    losses = np.logaddexp.reduce(x, axis=1) - x[range(len(y)), y]
    return (np.array(class_weights)[y] * losses).mean()


def naive(x):
    powers = np.exp(x)
    return powers / powers.sum(axis=1, keepdims=True)


def over_all(logits, labels, class_weights):
    return right_loss(logits, labels, class_weights) * np.mean(labels < 255)


def of_pictures(logits, labels, class_weights):
    pairs = zip(logits, labels, strict=True)
    return np.array([right_loss(x[None], y[None], class_weights) for x, y in pairs])


def first_picture(logits, labels, class_weights):
    return of_pictures(logits, labels, class_weights)[0]


def last_picture(logits, labels, class_weights):
    return of_pictures(logits, labels, class_weights)[-1]


def by_predicted_class(logits, labels, class_weights):
    losses, _ = losses_of(logits, labels)
    best = logits[labels < 255].argmax(axis=1)
    return np.mean(np.array(class_weights)[best] * losses)


def weighed_logits(logits, labels, class_weights):
    ones = np.ones(len(class_weights))
    return right_loss(logits * np.array(class_weights), labels, ones)


def without_softmax(logits, labels, class_weights):
    x, y = logits[labels < 255], labels[labels < 255]
    return -np.mean(np.array(class_weights)[y] * x[range(len(y)), y])


def without_log_of_sum(logits, labels, class_weights):
    return without_softmax(
        logits - logits.max(axis=-1, keepdims=True), labels, class_weights
    )


def index_with_void(logits, labels, class_weights):
    return np.mean(np.array(class_weights)[labels])


def over_pixels(logits, labels, class_weights):
    return right_loss(logits, labels, class_weights) * 0 + np.array([1.0, 2.0])


def changes_logits(logits, labels, class_weights):
    logits -= logits.max(axis=-1, keepdims=True)
    return right_loss(logits, labels, class_weights)


RIGHT = [
    ("summed_rate", 0.0004),
    ("summed_rate", 0.1 / 250),
    ("summed_rate", Fraction(1, 2500)),
    ("summed_rate", np.float32(4e-4)),
    ("faulty_training_lines", [1, 5, 6]),
    ("faulty_training_lines", (6, 5, 1)),
    ("faulty_training_lines", {1, 5, 6}),
    ("faulty_training_lines", np.array([5.0, 1.0, 6.0])),
    ("weighted_void_loss", right_loss),
    ("weighted_void_loss", right_loss_in_loops),
    ("weighted_void_loss", right_loss_one_hot),
]

WRONG = [
    ("summed_rate", 25, "must be smaller"),
    ("summed_rate", 30, "must be smaller"),
    ("summed_rate", 0.1 / 300, "void pixels are counted"),
    ("summed_rate", 0.1 / 150, "one picture, and its void"),
    ("summed_rate", 0.001, "this counts one picture;"),
    ("summed_rate", 0.1 / 125, "this counts one picture;"),
    ("summed_rate", 0.1 / 200, "both pictures together"),
    ("summed_rate", 0.1 / 350, "this adds them"),
    ("summed_rate", 0.002, "number of void pixels"),
    ("summed_rate", 0.05, "number of pictures"),
    ("summed_rate", 0.0002, "by 2 once more"),
    ("summed_rate", 1 / 250, "how many times smaller"),
    ("summed_rate", 0.1, "would grow"),
    ("summed_rate", 250, "a number of pixels"),
    ("summed_rate", 2500, "divides the pixels by the rate"),
    ("summed_rate", 1 / 300, "how many times smaller"),
    ("summed_rate", 0.2, "of the example"),
    ("summed_rate", 0.6 / 250, "0.6 is the rate of the example"),
    ("summed_rate", 0.1 / 3, "the example's valid pixels"),
    ("summed_rate", -0.0004, "makes the loss grow"),
    ("summed_rate", 0.07, "another number"),
    ("summed_rate", [0.0004], "one number is asked for, and this is a list"),
    ("summed_rate", "1/2500", "of the type str"),
    ("summed_rate", right_loss, "a function came"),
    ("faulty_training_lines", [], "about void is left"),
    ("faulty_training_lines", [5, 6], "which label is no class"),
    ("faulty_training_lines", [1, 6], "which line draws twice"),
    ("faulty_training_lines", 1, "which line draws twice"),
    ("faulty_training_lines", [1, 5], "which scenes choose the epoch"),
    ("faulty_training_lines", [1, 2, 5, 6], "line 2 is right: any usual optimizer"),
    ("faulty_training_lines", [3], "line 3 is right: no mean IoU"),
    ("faulty_training_lines", [4, 5], "line 4 is right: the epochs"),
    ("faulty_training_lines", [1, 7], "line 7 is right: it asks"),
    ("faulty_training_lines", [8], "line 8 is right: it remembers"),
    ("faulty_training_lines", {9}, "line 9 is right: it keeps"),
    ("faulty_training_lines", [10], "line 10 is right: it takes"),
    ("faulty_training_lines", [1, 5, 6, 11], "a use that comes too early."),
    ("faulty_training_lines", [0, 1], "no line 0; the lines are 1 to 11"),
    ("faulty_training_lines", [12], "no line 12"),
    ("faulty_training_lines", [1.5], "no line 1.5"),
    ("faulty_training_lines", "line 5", "numbers of lines"),
    ("weighted_void_loss", with_losses(lambda w, losses, y: losses.mean()), "missing"),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: np.average(losses, weights=w[y])),
        "sum of the weights",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: (w[y] * losses).sum()),
        "not divided",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: w.mean() * losses.mean()),
        "averaged apart",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: ((w / w.sum())[y] * losses).mean()),
        "their sum or mean",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: (losses / w[y]).mean()),
        "divided by the weights",
    ),
    ("weighted_void_loss", weighed_logits, "multiply the logits"),
    ("weighted_void_loss", by_predicted_class, "best class"),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: -(w[y] * losses).mean()),
        "the sign is wrong",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: (w[y] * losses).mean() / np.log(2)),
        "natural logarithm",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: (w[y] * losses).mean() / np.log(10)),
        "natural logarithm",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: (w[y] * np.exp(-losses)).mean()),
        "mean share",
    ),
    ("weighted_void_loss", without_softmax, "softmax is missing"),
    ("weighted_void_loss", without_log_of_sum, "softmax is missing"),
    (
        "weighted_void_loss",
        with_shares(lambda x: np.exp(x) / np.exp(x).sum()),
        "classes of one pixel",
    ),
    (
        "weighted_void_loss",
        with_shares(lambda x: shares_of(x, axis=0)),
        "runs over the pixels",
    ),
    (
        "weighted_void_loss",
        lambda x, y, w: right_loss(x, y, w) / x.shape[-1],
        "over the classes too",
    ),
    ("weighted_void_loss", with_parts(shift_truths=False), "in one part"),
    ("weighted_void_loss", with_parts(shift_sums=False), "in one part"),
    ("weighted_void_loss", with_parts(top=lambda x: x.max(axis=0)), "largest of each"),
    (
        "weighted_void_loss",
        with_parts(total=lambda powers: powers.sum(axis=0)[None]),
        "added over the pixels",
    ),
    ("weighted_void_loss", with_parts(total=np.sum), "powers of all pixels"),
    ("weighted_void_loss", with_parts(log=np.log2), "go with the natural logarithm"),
    ("weighted_void_loss", with_parts(log=np.log10), "go with the natural logarithm"),
    ("weighted_void_loss", with_table(whole_table), "the classes of all pixels"),
    (
        "weighted_void_loss",
        with_table(lambda table, y, w: whole_table(table, y, w) / len(y)),
        "the classes of all pixels",
    ),
    (
        "weighted_void_loss",
        with_table(lambda table, y, w: (w * table).sum() / len(y)),
        "losses of all classes",
    ),
    (
        "weighted_void_loss",
        with_table(lambda table, y, w: (w * table).mean()),
        "losses of all classes",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: (losses - np.log(w[y])).mean()),
        "outside the logarithm",
    ),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: (w[y] * (1 - np.exp(-losses))).mean()),
        "1 minus the share",
    ),
    ("weighted_void_loss", no_mask, "255 is taken for the number of a class"),
    ("weighted_void_loss", lambda x, y, w: 3.235, "the answer of the example"),
    (
        "weighted_void_loss",
        with_losses(lambda w, losses, y: w[y] * losses),
        "this is an array, (30,)",
    ),
    ("weighted_void_loss", over_all, "void pixels are in the count"),
    ("weighted_void_loss", filled_with(0), "count as class 0"),
    ("weighted_void_loss", filled_with(-1), "as the last class"),
    (
        "weighted_void_loss",
        filled_with(0, divide_by_valid=True),
        "in the sum, and not in the count",
    ),
    ("weighted_void_loss", lambda x, y, w: of_pictures(x, y, w).mean(), "averaged f"),
    ("weighted_void_loss", lambda x, y, w: of_pictures(x, y, w).sum(), "are added up"),
    ("weighted_void_loss", first_picture, "only one picture"),
    ("weighted_void_loss", last_picture, "only one picture"),
    (
        "weighted_void_loss",
        lambda x, y, w: right_loss(x, y, w) * (y < 255).sum() / len(y),
        "not divided",
    ),
    ("weighted_void_loss", with_shares(naive), "too large for the computer"),
    (
        "weighted_void_loss",
        with_shares(lambda x: naive(x - x.max())),
        "a sum of powers is 0",
    ),
    (
        "weighted_void_loss",
        with_shares(lambda x: shares_of(x) + 1e-9),
        "caps the loss",
    ),
    (
        "weighted_void_loss",
        with_shares(lambda x: np.maximum(shares_of(x), 1e-12)),
        "caps the loss",
    ),
    ("weighted_void_loss", index_with_void, "on one picture without void"),
    ("weighted_void_loss", over_pixels, "one number is asked for"),
    ("weighted_void_loss", changes_logits, "it changes the array"),
    ("weighted_void_loss", lambda x, y, w: 0.5, "on one picture without void"),
    (
        "weighted_void_loss",  # right at first, and then wrong in a way of its own
        lambda x, y, w: right_loss(x, y, w) + 0.1 * (y.max() == 255),
        "and fails with void",
    ),
    (
        "weighted_void_loss",
        lambda x, y, w: right_loss(x, y, w) + 0.1 * (len(y) > 1),
        "fails for several",
    ),
    (
        "weighted_void_loss",
        lambda x, y, w: right_loss(x, y, w) + (x.max() > 100),
        "fails for large ones",
    ),
    ("weighted_void_loss", lambda x, y, w: "0.5 nats", "of the type str"),
]

# The smallest inputs that the hints name.
INPUTS = re.compile(r"try logits (.*), labels (.*) and weights (.*)\.$")


def test_the_lesson_has_these_exercises():
    assert checks.NAMES["06_training"] == NAMES


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_are_right_for_every_seed(name, answer, said):
    assert said(name, answer) == "Correct."
    for seed in range(20):
        assert checks.score(name, answer, seed) == (1.0, "Correct.")


def test_functions_that_return_none_are_not_attempted(said):
    line = said("weighted_void_loss", lambda *arguments: None)
    assert line.startswith("Not attempted yet: ")


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_each_mistake_gets_its_hint(name, wrong, hint, said):
    line = said(name, wrong)
    assert line.startswith("Not yet: ")
    assert hint in line
    for seed in range(10):
        assert checks.score(name, wrong, seed)[0] == 0


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
@np.errstate(all="ignore")
def test_the_inputs_in_hints_show_the_mistake(name, wrong, hint, said):
    line = said(name, wrong)
    inputs = INPUTS.search(line)
    if inputs is None:
        assert "try" not in line
        return
    logits, labels, weights = map(ast.literal_eval, inputs.groups())
    arrays = np.array(logits, float), np.array(labels, "uint8"), np.array(weights)
    expected = right_loss_in_loops(*arrays)
    assert not np.isclose(wrong(*arrays), expected)


def test_most_hints_hold_such_an_input(said):
    lines = [said(name, wrong) for name, wrong, _ in WRONG]
    assert sum(bool(INPUTS.search(line)) for line in lines) == 43


def test_the_example_of_the_lesson():
    logits = np.log([[[[2, 1, 1], [1, 1, 2]], [[3, 4, 1], [1, 2, 1]]]])
    labels = np.array([[[0, 1], [2, 255]]], "uint8")
    for right in (right_loss, right_loss_in_loops, right_loss_one_hot):
        assert round(float(right(logits, labels, [1, 2, 3])), 3) == 3.235
