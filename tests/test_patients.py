"""The runs that fail: each by one line, with its symptoms, and cured by that line."""

import ast
import inspect
import textwrap

import numpy as np
import pytest

from fcnlib import checks, metrics, pasture, patients

LN_5 = np.log(5)
USERS = ("Ada", "Bruno", "Jo")
TRAINED = ("Dev", "Eva", "Finn", "Gita", "Gus", "Hugo")  # whose score must suffer


@pytest.fixture(scope="module", autouse=True)
def small_runs():
    """Train on fewer scenes than the lesson, and forget these runs afterwards."""
    caches = (patients._train, patients._stored_scenes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patients, "SCENES", 96)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="module")
def unseen():
    return pasture.draw_scenes(range(32), *patients.SIZE)


def both(name):
    """Return a run before and after its treatment."""
    return patients.admit(name), patients.treat(name)


def joined(run):
    """Return all images and all labels of a run."""
    return [np.concatenate(part) for part in zip(*run.batches, strict=True)]


def count(model, images, labels):
    confusion = np.zeros((model.output_shape[-1],) * 2, int)
    predictions = np.argmax(model(images, training=False), axis=-1)
    known = labels != 255
    np.add.at(confusion, (labels[known], predictions[known]), 1)
    return confusion


def statement(function):
    """Return the one statement of a function below its docstring."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    docstring, line = tree.body
    assert isinstance(docstring.value, ast.Constant)
    return ast.unparse(line), ast.unparse(tree.args)


@pytest.mark.parametrize("name", patients.NAMES)
def test_one_line_is_broken(name):
    ((step, broken),) = patients._BROKEN[name].items()
    mended = getattr(patients._healthy(name), step)
    (broken_line, its_arguments), (mended_line, arguments) = map(
        statement, (broken, mended)
    )
    assert broken_line != mended_line and its_arguments == arguments
    change = patients._last_line(broken), patients._last_line(mended)
    assert [ast.unparse(ast.parse(line)) for line in change] == [
        broken_line,
        mended_line,
    ]


def test_all_other_steps_of_all_programs_are_the_same():
    programs = {patients._healthy(name) for name in patients.NAMES}
    assert len(programs) == 3  # for uses, for trainings, and for Ida's fences
    broken = [line for steps in patients._BROKEN.values() for line in steps.values()]
    assert len(set(broken)) == len(patients.NAMES)


@pytest.mark.parametrize("call", [patients.admit, patients.treat])
@pytest.mark.parametrize("name", ["ada", "Zoe", None, 1])
def test_unknown_patients_are_named(call, name):
    message = rf"^expected one of Ada, Bruno, .*, Jo, but got {name!r}: choose a"
    with pytest.raises(ValueError, match=message):
        call(name)


@pytest.mark.parametrize("name", patients.NAMES)
def test_both_runs_have_the_same_budget(name):
    sick, cured = both(name)
    assert sick.complaint == patients.COMPLAINTS[name] and not cured.complaint
    assert sick.change == () and len(set(cured.change)) == 2
    assert [len(images) for images, _ in sick.batches] == [
        len(images) for images, _ in cured.batches
    ]
    epochs = {} if name in USERS else {"loss": 2 if name == "Ida" else patients.EPOCHS}
    for run in (sick, cured):
        assert {key: len(losses) for key, losses in run.history.items()} == epochs
        assert run.model.loss.get_config()["ignore_class"] == 255
        for images, labels in run.batches:
            assert images.shape == (len(labels), *patients.SIZE, 3)
            assert labels.shape == images.shape[:3] and labels.dtype == np.uint8


def test_a_run_is_trained_once():
    assert patients.admit("Finn").model is patients.admit("Finn").model
    assert patients.treat("Finn").model is patients.treat("Chloe").model


def test_ada_prepares_the_colors_although_the_network_does():
    sick, cured = both("Ada")
    (images, labels), (raw, truth) = joined(sick), joined(cured)
    assert raw.dtype == np.uint8 and np.array_equal(labels, truth)
    np.testing.assert_allclose(images, raw / 127.5 - 1)
    for one, other in zip(sick.model.weights, cured.model.weights, strict=True):
        assert np.array_equal(one, other)


def test_bruno_hands_over_blue_first():
    sick, cured = both("Bruno")
    (images, labels), (raw, truth) = joined(sick), joined(cured)
    assert np.array_equal(images, raw[..., ::-1]) and np.array_equal(labels, truth)
    assert not np.array_equal(images, raw)
    drawn, _ = pasture.draw_scenes(range(len(raw)), *patients.SIZE)
    assert np.array_equal(raw, drawn)


def test_chloe_invents_classes_and_loses_contacts():
    (sick, labels), (images, truth) = map(joined, both("Chloe"))
    assert np.array_equal(sick, images)
    assert set(np.unique(labels)) == set(np.unique(truth)) == {0, 1, 2, 3, 4, 255}
    assert (labels == 255).mean() > 1.5 * (truth == 255).mean()
    contacts = [
        np.sum(abs(part[:, :, 1:] - part[:, :, :-1].astype(int)) == 2)
        for part in (labels, truth)
    ]  # of sky and tree, and of grass and fence
    assert contacts[0] < contacts[1] / 5


def test_dev_makes_sky_of_void():
    (sick, labels), (images, truth) = map(joined, both("Dev"))
    assert np.array_equal(sick, images)
    assert np.array_equal(labels, np.where(truth == 255, 0, truth))
    assert (truth == 255).any()


def test_eva_flips_every_second_picture_alone():
    (sick, labels), (images, truth) = map(joined, both("Eva"))
    assert np.array_equal(sick, images)
    assert np.array_equal(labels[::2], truth[::2])
    assert np.array_equal(labels[1::2], truth[1::2, :, ::-1])


def test_the_losses_of_finn_and_gita_stand_still_at_ln_5():
    for name in ("Finn", "Gita"):
        losses = patients.admit(name).history["loss"]
        np.testing.assert_allclose(losses, LN_5, atol=1e-3)
    kernels = [
        weight
        for layer in patients.admit("Finn").model.layers
        for weight in layer.get_weights()
        if weight.ndim == 4
    ]
    assert len(kernels) == 6 and not any(kernel.any() for kernel in kernels)
    assert patients.treat("Gita").history["loss"][-1] < LN_5 - 0.4


def test_the_loss_of_gus_is_nan():
    assert np.isnan(patients.admit("Gus").history["loss"]).all()


def test_hugo_applies_two_softmaxes():
    hugo = patients.admit("Hugo")
    outputs = np.array(hugo.model(hugo.batches[0][0], training=False))
    np.testing.assert_allclose(outputs.sum(axis=-1), 1, atol=1e-4)
    losses = hugo.history["loss"]
    assert hugo.model.loss.get_config()["from_logits"] is True
    assert LN_5 > losses[0] > losses[-1] > np.log(1 + 4 / np.e)


def test_the_scores_of_ida_come_from_the_background():
    sick, cured = both("Ida")
    confusion = count(sick.model, *joined(sick))
    share = confusion[0].sum() / confusion.sum()
    assert sick.model is cured.model and 0.85 < share < 0.95
    assert sick.reported["pixel_accuracy"] == pytest.approx(share, abs=0.03)
    assert sick.reported["frequency_weighted_iou"] == pytest.approx(share**2, abs=0.05)
    assert list(cured.reported) == ["mean_iou"] and cured.reported["mean_iou"] < 0.6


def test_jo_numbers_the_classes_in_an_order_that_no_sorting_gives():
    sick, cured = both("Jo")
    confusion = count(sick.model, *joined(sick))
    rows, columns = confusion.argmax(axis=1), confusion.argmax(axis=0)
    called = [pasture.CLASSES[number] for number in rows]
    assert called == ["horse", "fence", "grass", "sky", "tree"]
    assert columns.tolist() == np.argsort(rows).tolist()  # the inverse order
    # No class keeps its number, and neither a wrong direction nor a guess is right.
    assert not np.any(rows == np.arange(5)) and not np.array_equal(rows, columns)
    assert called not in (sorted(pasture.CLASSES), sorted(pasture.CLASSES, key=len))
    assert checks.score("jo_diagnosis", ("c", called)) == (1.0, "Correct.")
    assert count(cured.model, *joined(cured)).argmax(axis=1).tolist() == [*range(5)]


@pytest.mark.parametrize("name", USERS)
def test_the_cure_of_a_use_raises_the_reported_score(name):
    sick, cured = both(name)
    confusion = count(cured.model, *joined(cured))
    assert cured.reported == {"mean_iou": metrics.mean_iou(confusion)}
    assert cured.reported["mean_iou"] > sick.reported["mean_iou"] + 0.08


@pytest.mark.parametrize("name", TRAINED)
def test_the_cure_of_a_training_raises_the_score_on_unseen_scenes(name, unseen):
    before, after = (metrics.mean_iou(count(run.model, *unseen)) for run in both(name))
    assert after > before
