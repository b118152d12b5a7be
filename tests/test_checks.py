"""Test the checks: what they say, and that nothing a student writes breaks them."""

import _thread
import itertools
import signal
import sys
import threading
import time

import numpy as np
import pytest

from fcnlib import checks
from fcnlib.checks import judging

VOID = 255


def right_shares(labels, num_classes):
    valid = labels[labels != VOID]
    return [float(np.mean(valid == number)) for number in range(num_classes)]


def counts(labels, num_classes):
    return np.bincount(labels.ravel(), minlength=256)[:num_classes]


def counts_of_valid(labels, num_classes):
    return counts(labels, num_classes) / np.sum(labels != VOID)


def only_present(labels, num_classes):
    shares = counts_of_valid(labels, num_classes)
    return shares[shares > 0]


def of_all(labels, num_classes):
    """Count everything, so that a map without void ends at its largest class."""
    found = np.bincount(labels.ravel())[:num_classes]
    return found / found.sum()


def as_sky(labels, num_classes):
    return counts(np.where(labels == VOID, 0, labels), num_classes) / labels.size


def product_with_mask(labels, num_classes):
    valid = labels != VOID
    return counts(labels * valid, num_classes) / valid.sum()


def mask_alone(labels, num_classes):
    found = np.bincount((labels != VOID).ravel(), minlength=num_classes)
    return found / found.sum()


def with_own_number(number):
    def answer(labels, num_classes):
        found = np.bincount(labels[labels != VOID], minlength=number)
        return found / found.sum()

    return answer


def with_void_as_last(labels, num_classes):
    parts = [*counts(labels, num_classes), np.sum(labels == VOID)]
    return np.array(parts) / labels.size


def unique_counts(labels, num_classes):
    return np.unique(labels, return_counts=True)[1] / labels.size


def floor_divided(labels, num_classes):
    return counts(labels, num_classes) // np.sum(labels != VOID)


def right_test(image, predictions):
    return np.array_equal(predictions, np.argmax(image, axis=-1))


def suspect_is(find):
    """Compare the predictions with another map than that of brightest channels."""
    return lambda image, predictions: np.array_equal(predictions, find(image))


def last_wins(image):
    return 2 - np.argmax(image[..., ::-1], axis=-1)


def any_of_the_brightest(image, predictions):
    chosen = predictions[..., None] == np.arange(3)
    return bool((chosen & (image == image.max(-1, keepdims=True))).any(-1).all())


def equal_pixels(image, predictions):
    return predictions == image.argmax(-1)


def equal_histograms(image, predictions):
    first, second = image.argmax(-1).ravel(), predictions.ravel()
    return np.array_equal(
        np.bincount(first, minlength=256), np.bincount(second, minlength=256)
    )


RIGHT = {"class_shares": right_shares, "is_brightest_channel": right_test}


def test_names_list_every_exercise_once():
    names = [name for lesson in checks.NAMES.values() for name in lesson]
    assert len(names) == len(set(names))
    assert checks.NAMES["00_start_here"] == tuple(RIGHT)
    assert all(callable(getattr(checks, name)) for name in names)


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_right_for_every_seed(name, said):
    assert said(name, RIGHT[name]) == "Correct."
    for seed in range(100):
        assert checks.score(name, RIGHT[name], seed) == (1.0, "Correct.")


@pytest.mark.parametrize("name", [*itertools.chain(*checks.NAMES.values())])
def test_none_is_not_attempted(name, said):
    assert said(name, None).startswith("Not attempted yet: ")
    assert checks.score(name, None)[0] == 0


@pytest.mark.parametrize("name", RIGHT)
def test_functions_that_return_none_are_not_attempted(name, said):
    assert said(name, lambda *arguments: None).startswith("Not attempted yet: ")


@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [
        ("class_shares", counts, "counts"),
        ("class_shares", lambda *a: 100 * counts_of_valid(*a), "percentages"),
        ("class_shares", lambda m, n: counts(m, n) / m.size, "void"),
        ("class_shares", only_present, "absent"),
        ("class_shares", of_all, "absent"),
        ("class_shares", lambda m, n: only_present(m, n) * 43 / 63, "absent"),
        ("class_shares", lambda m, n: counts(m, 256) / m.size, "255 was counted"),
        ("class_shares", lambda m, n: counts(m, 256), "255 was counted"),
        ("class_shares", unique_counts, "255 was counted"),
        ("class_shares", with_void_as_last, "255 was counted"),
        ("class_shares", with_own_number(5), "use num_classes"),
        ("class_shares", with_own_number(6), "use num_classes"),
        ("class_shares", lambda m, n: right_shares(m, 5), "use num_classes"),
        ("class_shares", as_sky, "counted as class 0"),
        ("class_shares", product_with_mask, "counted as class 0"),
        ("class_shares", mask_alone, "the mask was counted"),
        ("class_shares", lambda m, n: mask_alone(m, 2), "the mask was counted"),
        ("class_shares", floor_divided, "fractions are gone"),
        ("class_shares", lambda m, n: counts(m, n) / n, "divide by"),
        ("class_shares", lambda m, n: counts(m, n) / len(m), "divide by"),
        ("class_shares", lambda m, n: counts(m, n) / counts(m, n).max(), "divide by"),
        ("class_shares", lambda *a: np.round(counts_of_valid(*a), 2), "rounded"),
        ("class_shares", lambda *a: [round(s, 3) for s in right_shares(*a)], "rounded"),
        ("class_shares", lambda m, n: np.bincount(m), "takes one row of numbers"),
        ("class_shares", lambda m, n: np.full(n, np.nan), "nan"),
        ("class_shares", lambda m, n: np.ones(n), "the numbers are not"),
        ("class_shares", lambda m, n: {"sky": 1}, "returns dict"),
        ("class_shares", lambda m, n: [[1], 2], "returns list"),
        ("class_shares", lambda m: m, "TypeError"),
        ("class_shares", 0.5, "function itself"),
        ("is_brightest_channel", lambda i, p: p.max() <= 2, "prove nothing"),
        ("is_brightest_channel", lambda i, p: True, "prove nothing"),
        ("is_brightest_channel", lambda i, p: False, "False even for"),
        ("is_brightest_channel", lambda i, p: p is i.argmax(-1), "False even for"),
        ("is_brightest_channel", lambda i, p: not right_test(i, p), "are swapped"),
        ("is_brightest_channel", suspect_is(lambda i: i.max(-1)), "brightnesses"),
        ("is_brightest_channel", suspect_is(lambda i: i.argmin(-1)), "darkest"),
        (
            "is_brightest_channel",
            suspect_is(lambda i: i[..., ::-1].argmax(-1)),
            "red is channel 0",
        ),
        ("is_brightest_channel", suspect_is(lambda i: i.argmax(0)), "which axis"),
        ("is_brightest_channel", suspect_is(lambda i: i.argmax(1)), "which axis"),
        ("is_brightest_channel", suspect_is(last_wins), "the first counts"),
        ("is_brightest_channel", any_of_the_brightest, "the first counts"),
        ("is_brightest_channel", equal_pixels, "many values"),
        (
            "is_brightest_channel",
            lambda i, p: np.any(equal_pixels(i, p)),
            "one equal pixel",
        ),
        (
            "is_brightest_channel",
            lambda i, p: equal_pixels(i, p)[0, 0],
            "one equal pixel",
        ),
        ("is_brightest_channel", equal_histograms, "the counts agree"),
        (
            "is_brightest_channel",
            lambda i, p: i.argmax(-1).sum() == p.sum(),
            "the counts agree",
        ),
        (
            "is_brightest_channel",
            lambda i, p: equal_pixels(i, p)[p != VOID].all(),
            "a pixel of 255",
        ),
        ("is_brightest_channel", lambda i, p: "yes", "returns str"),
        (
            "is_brightest_channel",
            lambda i, p: np.mean(p == i.argmax(-1)) > 0.9,
            "one pixel differs",
        ),
        (
            "is_brightest_channel",
            lambda i, p: right_test(i, p) or p.max() > 2,
            "nothing to do",
        ),
    ],
)
def test_each_mistake_gets_its_hint(name, wrong, hint, said):
    line = said(name, wrong)
    assert line.startswith("Not yet: ")
    assert hint in line


@pytest.mark.parametrize("wrong", [of_all, with_own_number(5), equal_histograms])
def test_wrong_answers_are_wrong_for_every_seed(wrong):
    name = "class_shares" if wrong is not equal_histograms else "is_brightest_channel"
    assert not any(checks.score(name, wrong, seed)[0] for seed in range(50))


@pytest.mark.parametrize(
    ("name", "right"),
    [
        (
            "class_shares",
            lambda m, n: np.bincount(m.ravel(), minlength=n)[:n] / np.sum(m < 255),
        ),
        (
            "class_shares",
            lambda m, n: tuple(np.mean(m[m < 255] == k) for k in range(n)),
        ),
        ("is_brightest_channel", lambda i, p: bool(equal_pixels(i, p).all())),
        ("is_brightest_channel", lambda i, p: int(np.sum(~equal_pixels(i, p)) == 0)),
        ("is_brightest_channel", lambda i, p: i.argmax(-1).tolist() == p.tolist()),
    ],
)
def test_right_answers_written_otherwise(name, right, said):
    assert said(name, right) == "Correct."


def test_hard_coded_answers_fail_under_another_seed():
    seen = []

    def remember(labels, num_classes):
        seen.append(right_shares(labels, num_classes))
        return seen[-1]

    checks.score("class_shares", remember)
    replayed = iter(seen)
    assert checks.score("class_shares", lambda *a: next(replayed), 1)[0] == 0


def raise_with(error):
    def answer(*arguments):
        raise error

    return answer


class Unprintable(Exception):
    """An error that fails to print itself."""

    def __str__(self):
        raise RuntimeError("no text")


class Uncomparable:
    """A value that stops the program when it is read as numbers."""

    def __array__(self, *arguments, **options):
        raise SystemExit(3)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("two\nlines"),
        SystemExit(1),
        RecursionError(),
        Unprintable(),
        GeneratorExit(),
        MemoryError(),
        StopIteration(),
    ],
)
def test_errors_become_one_line(error, said):
    line = said("class_shares", raise_with(error))
    assert line.startswith("Not yet: it stops with " + type(error).__name__)


def test_values_that_cannot_be_read_become_one_line(said):
    line = said("class_shares", lambda *a: Uncomparable())
    assert line.startswith("Not yet: ")


def test_endless_recursion_becomes_one_line(said):
    def forever(labels, num_classes):
        return forever(labels, num_classes)

    assert "RecursionError" in said("class_shares", forever)


def test_prints_and_warnings_of_an_answer_stay_out(said, recwarn):
    def talkative(labels, num_classes):
        print("labels:", labels)
        np.zeros(1) / np.zeros(1)
        return right_shares(labels, num_classes)

    assert said("class_shares", talkative) == "Correct."
    assert not recwarn.list


def test_answers_that_change_their_arguments_are_told(said):
    def in_place(labels, num_classes):
        shares = right_shares(labels, num_classes)
        labels[labels == VOID] = 0
        return shares

    assert "work on a copy" in said("class_shares", in_place)


def test_none_from_one_branch_only(said):
    def forgetful(image, predictions):
        if right_test(image, predictions):
            return True

    assert "None for some" in said("is_brightest_channel", forgetful)


def endless(labels, num_classes):
    while True:
        pass


def endless_that_catches(labels, num_classes):
    while True:
        try:
            len(labels)
        except Exception:
            continue


def asleep(labels, num_classes):
    time.sleep(2)


def still_running(function):
    """Tell whether any thread is inside a function."""
    for frame in sys._current_frames().values():
        while frame is not None:
            if frame.f_code is function.__code__:
                return True
            frame = frame.f_back
    return False


@pytest.mark.parametrize("answer", [endless, endless_that_catches, asleep])
def test_calls_end_when_their_time_is_up(answer, said, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    start = time.monotonic()
    line = said("class_shares", answer)
    assert "without end" in line
    assert time.monotonic() - start < 1.9
    if answer is not asleep:  # a sleeper ends when it wakes up
        assert not still_running(answer)


def test_the_users_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        checks.class_shares(raise_with(KeyboardInterrupt()))


@pytest.fixture
def heeded_interrupts():
    """Heed interrupts, which a shell has background programs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_users_interrupt_ends_a_running_answer(heeded_interrupts):
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        checks.class_shares(endless)
    timer.join()
    assert not still_running(endless)


def test_unknown_exercises_are_named():
    with pytest.raises(ValueError, match="one of class_shares.*'claas_shares'"):
        checks.score("claas_shares", right_shares)


def test_values_and_functions_are_told_apart():
    kinds = {"value": print, "function": 3}
    for asks_for, answer in kinds.items():
        with pytest.raises(judging.Mistake):
            judging.accept(answer, asks_for)
    assert judging.accept(3, "value") == 3
