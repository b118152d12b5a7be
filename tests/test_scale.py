"""Large trainings: shared among devices, interrupted, staged; on miniature data."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import keras
import miniature_voc
import numpy as np
import pytest
import tensorflow as tf
import tiny_training

from fcnlib import (
    checkpoints,
    datasets,
    distribution,
    fine_tuning,
    measurements,
    metrics,
    models,
    training,
    voc_recipes,
)
from fcnlib.__main__ import main

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tests" / "tiny_training.py"
# The order in which threads and devices add numbers up moves the last digits.
SAME_LOSS = 1e-4
SAME_WEIGHTS = 1e-6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Miniature VOC 2011, VOC 2012 and SBD."""
    folder = tmp_path_factory.mktemp("voc")
    miniature_voc.write_voc(folder)
    miniature_voc.write_voc(folder, 2011)
    miniature_voc.write_sbd(folder)
    return folder


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """One more size of networks, with dropout, as the script has it."""
    monkeypatch.setitem(models.SIZES, "tiny", tiny_training.TINY)
    monkeypatch.delenv("TF_CONFIG", raising=False)


def start(*arguments, **environment):
    """Start the script in a process of its own."""
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process):
    """Return what a process printed as JSON once it ended well."""
    printed, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints[-2000:]
    return json.loads(printed.splitlines()[-1])


def clusters(count=2):
    """Return TF_CONFIG for each of some machines, all of them this one."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        json.dumps(
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
        )
        for index in range(count)
    ]


def command(data, out, *more, name="voc-fcn32s", steps=8):
    """Return the words of a training of the tiny network."""
    words = ["train", name, "--data", data, "--out", out, "--size", "tiny"]
    words += ["--weights", "random", "--steps", steps, *more]
    return list(map(str, words))


def weights(out, name="voc-fcn32s"):
    """Return the weights of a network that was written."""
    return fine_tuning.load_network(out / f"{name}.json")[0].get_weights()


def assert_same(first, second, tolerance=SAME_WEIGHTS):
    """Compare the weights of two networks."""
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


# --- several devices and machines


@pytest.fixture(scope="module")
def shared():
    """The same training on 1, 2 and 4 virtual devices, by their number."""
    # TensorFlow has room for one group of devices in a process.
    processes = [start("share", 1, 2), start("share", 4)]
    rows = [row for process in processes for row in outcome(process)]
    return {row["replicas"]: row for row in rows}


def assert_like_one_device(row, one):
    """The losses of all steps, and the confusion, are those of one device."""
    assert len(one["losses"]) == 20 and one["losses"][-1] < 0.8 * one["losses"][0]
    np.testing.assert_allclose(row["losses"], one["losses"], rtol=SAME_LOSS)
    assert row["confusion"] == one["confusion"]


@pytest.mark.parametrize("devices", [2, 4])
def test_devices_repeat_what_one_does(shared, devices):
    assert_like_one_device(shared[devices], shared[1])


def test_the_loss_of_one_device_is_that_of_keras(shared):
    """Step 1: the mean over the valid pixels of four pictures of different sizes."""
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny_training.TINY, "dropout", 0)
        model = models.fcn8s(5, "tiny")
    pairs = tiny_training.uneven_pairs()
    batch = [pairs[each] for each in distribution.picture_order(len(pairs), 0)[:4]]
    pixels = [np.count_nonzero(labels != 255) for _, labels in batch]
    losses = [
        float(training.void_loss()(labels[None], model(image[None])))
        for image, labels in batch
    ]
    found = shared[1]["losses"][0]
    assert found == pytest.approx(np.average(losses, weights=pixels), rel=1e-5)
    # What devices would give that divide by their own pixels: void is spread unevenly.
    assert found != pytest.approx(np.mean(losses), rel=0.01)


def test_nothing_is_dealt_twice_or_forgotten(shared):
    for row in shared.values():
        assert row["dealt"] == [[20, 21, 22, 23], [24, 25, 26, 27], [28, 29, 30, 31]]


def test_all_pixels_of_all_pictures_are_counted_once(shared):
    valid = sum((labels != 255).sum() for _, labels in tiny_training.uneven_pairs())
    assert np.sum(shared[4]["confusion"]) == valid


def test_two_machines_repeat_what_one_does(shared):
    workers = [start("share", 1, TF_CONFIG=cluster) for cluster in clusters()]
    rows = [outcome(worker)[0] for worker in workers]
    for row in rows:
        assert row["replicas"] == 2
        assert_like_one_device(row, shared[1])
    assert [row["dealt"][0] for row in rows] == [[20, 21], [22, 23]]


def test_confusion_is_that_of_one_prediction_after_the_other():
    pairs = tiny_training.uneven_pairs()
    model = models.fcn8s(5, "course")
    expected = sum(
        metrics.confusion_matrix(labels, models.predict_labels(model, image), 5)
        for image, labels in pairs
    )
    strategy = distribution.choose_strategy()
    np.testing.assert_array_equal(
        distribution.evaluate(strategy, model, pairs), expected
    )


def test_each_epoch_goes_through_all_pictures_in_another_order():
    orders = [distribution.picture_order(9, epoch).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


# --- interruptions


def kill_after(step, folder, process, seconds=300):
    """Kill a process, which can do nothing about it, after the checkpoint of a step."""
    for _ in range(100 * seconds):
        names = [path.stem for path in folder.glob("step-*.npz")]
        if any(int(name[5:]) >= step for name in names) or process.poll() is not None:
            break
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("recipe", ["paper", "keras"])
def test_a_killed_training_ends_with_the_same_weights(data, tmp_path, recipe, capfd):
    more = ["--recipe", recipe, "--checkpoint-minutes", 0]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(command(data, whole, *more, steps=60)) == 0
    process = start(*command(data, killed, *more, steps=60))
    kill_after(3, killed / "voc-fcn32s.training", process)
    assert not (killed / "voc-fcn32s.json").exists()
    # A third is there for the moment before the first is deleted.
    assert 1 <= len(list(killed.rglob("step-*"))) <= 3
    assert main(command(data, killed, *more, steps=60)) == 0
    assert_same(weights(whole), weights(killed))
    assert not list(tmp_path.rglob("step-*"))


def test_dropout_is_at_work(data, tmp_path, monkeypatch, capfd):
    """Else the test above would say nothing of it."""
    assert main(command(data, tmp_path / "with", "--recipe", "keras")) == 0
    monkeypatch.setitem(tiny_training.TINY, "dropout", 0)
    assert main(command(data, tmp_path / "without", "--recipe", "keras")) == 0
    pairs = zip(weights(tmp_path / "with"), weights(tmp_path / "without"), strict=True)
    assert any(np.abs(one - other).max() > 1e-6 for one, other in pairs)


def test_a_damaged_checkpoint_is_passed_over(tmp_path, capsys):
    weight = keras.Variable([1.0, 2.0])
    for step in (1, 2):
        weight.assign([step, step])
        checkpoints.save(tmp_path, {"size": "tiny"}, step, [weight])
    last = tmp_path / "step-00000002.npz"
    last.write_bytes(last.read_bytes()[:-40])
    assert checkpoints.restore(tmp_path, {"size": "tiny"}, [weight]) == 1
    assert weight.numpy().tolist() == [1, 1]
    assert "damaged" in capsys.readouterr().out
    for damage in (bytes(last.stat().st_size), b"text"):
        last.write_bytes(damage)
        assert checkpoints.restore(tmp_path, {"size": "tiny"}, [weight]) == 1
    (tmp_path / "step-00000001.npz").write_bytes(b"")
    with pytest.raises(ValueError, match="all 2 are damaged: delete this folder"):
        checkpoints.restore(tmp_path, {"size": "tiny"}, [weight])


def test_a_failed_write_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    weight = keras.Variable([1.0])
    checkpoints.save(tmp_path, {}, 1, [weight])

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left on device.: make space"):
        checkpoints.save(tmp_path, {}, 2, [weight])
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]
    assert checkpoints.restore(tmp_path, {}, [weight]) == 1


def test_a_full_disk_is_told_before_weights_are_written(data, tmp_path, monkeypatch):
    """h5py would crash Python. The checkpoint stays, and the next call goes on."""
    with monkeypatch.context() as patched:
        full = shutil.disk_usage(tmp_path)._replace(free=1000)
        patched.setattr(shutil, "disk_usage", lambda folder: full)
        with pytest.raises(OSError, match="MB of free space, but there are 0: make"):
            voc_recipes.train_voc(
                *("voc-fcn32s", data, tmp_path), size="tiny", weights="random", steps=1
            )
    assert [path.name for path in tmp_path.iterdir()] == ["voc-fcn32s.training"]
    assert main(command(data, tmp_path, steps=1)) == 0


@pytest.mark.scale
def test_after_a_machine_is_lost_all_go_on_from_the_checkpoint(data, tmp_path):
    more = ["--recipe", "keras", "--batch", 2, "--checkpoint-minutes", 0]
    lost, whole = (
        command(data, tmp_path / name, *more, steps=30) for name in ("lost", "whole")
    )
    workers = [start(*lost, TF_CONFIG=cluster) for cluster in clusters()]
    kill_after(3, tmp_path / "lost/voc-fcn32s.training", workers[1])
    _, complaints = workers[0].communicate(timeout=300)
    assert workers[0].returncode == 2
    assert complaints.splitlines()[-1].startswith("error: the connection to another")
    for words in (lost, whole):
        workers = [start(*words, TF_CONFIG=cluster) for cluster in clusters()]
        for worker in workers:
            _, complaints = worker.communicate(timeout=600)
            assert worker.returncode == 0, complaints[-2000:]
    assert_same(weights(tmp_path / "lost"), weights(tmp_path / "whole"))


# --- recipes and stages


def test_the_stages_follow_each_other(data, tmp_path, capfd):
    out, more = tmp_path / "out", ["--sbd", data, "--recipe", "paper"]
    sixteen = command(data, out, *more, name="voc-fcn16s", steps=2)
    assert main(sixteen) == 2
    errors = capfd.readouterr().err.splitlines()
    assert errors[-1].startswith(f"error: {out}/voc-fcn32s.json: voc-fcn16s starts")
    assert main(command(data, out, *more, steps=2)) == 0
    assert main(sixteen) == 0
    assert main(command(data, out, *more, name="voc-fcn8s", steps=2)) == 0
    table = capfd.readouterr().out
    assert "| voc-fcn8s, seg11valid |" in table
    assert "| CVPR 2015, fcn8s, seg11valid | 90.3 | 75.9 | 62.7 | 83.2 |" in table
    card = json.loads((out / "voc-fcn8s.json").read_text())
    assert card["training"]["pictures"].startswith("paper-train, 7 pairs ")
    assert card["command"] == (
        "python -m fcnlib train voc-fcn8s --data VOC --sbd SBD --recipe paper "
        "--size tiny --steps 2 --batch 1"
    )
    # At the paper's learning rates, a stage hardly leaves the one before.
    before, after = (weights(out, f"voc-fcn{stride}s")[0] for stride in (16, 8))
    np.testing.assert_allclose(before, after, atol=1e-3)

    assert main(command(data, out, *more, name="voc-fcn8s", steps=2)) == 0
    assert table.splitlines()[-6:] == capfd.readouterr().out.splitlines()[-6:]


def test_the_scales_of_the_network_trained_at_once_are_folded_in(data, tmp_path):
    model = voc_recipes.build_network("voc-fcn8s-atonce", "tiny", "random")
    for name in ("score_pool3", "score_pool4", "score_fr"):
        kernel = model.get_layer(name).kernel
        kernel.assign(keras.random.normal(kernel.shape, seed=1))
    card = {"architecture": "fcn8s", "num_classes": 21, "size": "tiny"}
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3)).astype("uint8")
    expected = models.predict_logits(model, image)
    found = models.predict_logits(voc_recipes._detach(model, card), image)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert expected.std() > 0.1


def test_the_sum_with_its_learning_rate_steps_as_the_mean_with_its_own():
    """1e-10 for the sum over 187,500 pixels is 1.875e-5 for their mean."""
    pairs = tiny_training.uneven_pairs()[:1]
    pixels = np.count_nonzero(pairs[0][1] != 255)
    ends = []
    for summed, rate in ((True, 1e-6), (False, 1e-6 * pixels)):
        keras.utils.set_random_seed(0)
        model = models.fcn32s(5, "tiny")
        optimizer = keras.optimizers.SGD(rate, momentum=0.99)
        optimizer.build(model.trainable_variables)
        distribution.train(
            *(distribution.choose_strategy(), model, optimizer, pairs, 5, 1),
            after_step=lambda step, loss: None,
            summed=summed,
        )
        ends.append(model.get_weights())
    assert_same(*ends, tolerance=1e-5)


def test_the_papers_optimizer_is_caffes():
    """Two steps by hand: the decay is part of the gradient, biases learn twice."""
    kernel = keras.Variable([1.0], name="kernel")
    bias = keras.Variable([1.0], name="bias")
    optimizer = voc_recipes.PaperSGD(0.1, momentum=0.5)
    for _ in range(2):
        optimizer.apply([tf.constant([3.0]), tf.constant([3.0])], [kernel, bias])
    first = 0.1 * (3 + 5e-4 * 1.0)
    second = 0.5 * first + 0.1 * (3 + 5e-4 * (1 - first))
    assert float(kernel[0]) == pytest.approx(1 - first - second)
    assert float(bias[0]) == pytest.approx(1 - 0.6 - (0.3 + 0.6))


@pytest.mark.parametrize("recipe", ["paper", "keras"])
def test_half_precision_trains_and_scores_in_single(recipe):
    pairs = tiny_training.uneven_pairs()
    losses = {}
    for mixed in (False, True):
        keras.utils.set_random_seed(0)
        with voc_recipes.precision(mixed):
            model = voc_recipes.build_network("voc-fcn8s", "tiny")
        assert model.output.dtype == "float32"
        assert model.get_layer("fc6").compute_dtype == "bfloat16" if mixed else True
        assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
        optimizer = voc_recipes.make_optimizer("voc-fcn32s", recipe, 5)
        optimizer.build(model.trainable_variables)
        losses[mixed] = []
        distribution.train(
            *(distribution.choose_strategy(), model, optimizer, pairs, 5, 1),
            after_step=lambda step, loss, mixed=mixed: losses[mixed].append(loss),
            summed=recipe == "paper",
        )
    np.testing.assert_allclose(losses[True], losses[False], rtol=0.02)
    assert keras.config.dtype_policy().name == "float32"


def test_a_step_whose_gradients_overflow_is_left_out():
    model = models.fcn32s(5, "tiny")
    optimizer = voc_recipes.make_optimizer("voc-fcn32s", "paper", 5, scale_loss=True)
    optimizer.build(model.trainable_variables)
    optimizer.dynamic_scale.assign(float("inf"))
    before = model.get_weights()
    distribution.train(
        *(distribution.choose_strategy(), model, optimizer),
        *(tiny_training.uneven_pairs(), 1, 1),
        after_step=lambda step, loss: None,
    )
    assert_same(before, model.get_weights(), tolerance=0)


def test_losses_are_logged_for_tensorboard(data, tmp_path, capfd):
    assert main(command(data, tmp_path, steps=3)) == 0
    (log,) = (tmp_path / "voc-fcn32s.training" / "logs").iterdir()
    events = list(tf.compat.v1.train.summary_iterator(str(log)))
    logged = {
        event.step: tf.make_ndarray(value.tensor)
        for event in events
        for value in event.summary.value
        if value.tag == "loss" and value.metadata.plugin_data.plugin_name == "scalars"
    }
    assert list(logged) == [1, 2, 3]
    # Scores that start at zero give each class the same chance.
    assert logged[1] == pytest.approx(np.log(21), rel=1e-5)


# --- what is wrong


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "TF_CONFIG: expected JSON"),
        ("[]", 'TF_CONFIG: expected "cluster"'),
        ('{"cluster": {"worker": ["a:1"]}}', 'TF_CONFIG: expected "task"'),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "TF_CONFIG: expected a task among the 1 of type 'worker'",
        ),
        (
            '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
            "TF_CONFIG: expected addresses with a port, such as 10.0.0.1:2222",
        ),
        (
            '{"cluster": {"worker": ["a:99999"]}, '
            '"task": {"type": "worker", "index": 0}}',
            "TF_CONFIG: expected addresses with a port",
        ),
        (
            '{"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}}',
            "TF_CONFIG: expected addresses with a port",
        ),
        (
            '{"cluster": {"worker": ["a:1", "a:1"]}, '
            '"task": {"type": "worker", "index": 0}}',
            "TF_CONFIG: expected an address for each machine, but a:1 comes twice",
        ),
        (
            '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, '
            '"task": {"type": "ps", "index": 0}}',
            'TF_CONFIG: expected the types "worker" and "chief" alone',
        ),
    ],
)
def test_a_wrong_cluster_is_one_line(data, tmp_path, monkeypatch, capfd, config, said):
    monkeypatch.setenv("TF_CONFIG", config)
    assert main(command(data, tmp_path)) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--devices", "9"], "expected 9 devices, but TensorFlow sees"),
        (["--devices", "none"], "argument --devices: expected a number from 1 up"),
        (["--data", "nowhere"], "nowhere is no folder"),
        (["--size", "large"], "expected one of course, wide"),
        (["--checkpoint-minutes", "-1"], "argument --checkpoint-minutes: expected a"),
        (["--checkpoint-minutes", "nan"], "argument --checkpoint-minutes: expected a"),
        (["--start", "a.json"], "voc-fcn32s starts from no other network"),
        (["--weights", "none.h5"], "expected a network of size 'vgg16'"),
    ],
)
def test_a_wrong_argument_is_one_line(data, tmp_path, capfd, more, said):
    assert main(command(data, tmp_path, *more)) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")


def test_a_batch_that_devices_cannot_share_is_refused():
    class Two:
        num_replicas_in_sync = 2

    with pytest.raises(ValueError, match="2 devices can share, but got 3"):
        distribution.deal(None, range(1), 3, Two, [])


def test_a_checkpoint_of_another_architecture_is_one_line(data, tmp_path, capfd):
    weight = keras.Variable([1.0])
    folder = tmp_path / "voc-fcn8s-atonce.training"
    checkpoints.save(folder, {"network": "voc-fcn32s"}, 2, [weight])
    words = command(data, tmp_path, name="voc-fcn8s-atonce")
    assert main(words) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "expected a checkpoint with network voc-fcn8s-atonce, but it has" in line


def test_a_finished_network_of_another_call_is_not_overwritten(data, tmp_path, capfd):
    assert main(command(data, tmp_path, steps=1)) == 0
    assert main(command(data, tmp_path, steps=2)) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "another is there" in line


def test_a_finished_network_whose_files_are_damaged_is_told(data, tmp_path, capfd):
    assert main(command(data, tmp_path, steps=1)) == 0
    stored, card = tmp_path / "voc-fcn32s.weights.h5", tmp_path / "voc-fcn32s.json"
    stored.write_bytes(stored.read_bytes()[:1000])
    sixteen = command(data, tmp_path, name="voc-fcn16s")
    for words in (command(data, tmp_path, steps=1), sixteen):
        assert main(words) == 2
        line = capfd.readouterr().err.splitlines()[-1]
        assert line.startswith(f"error: {stored}: expected SHA-256")
    card.write_text("{")
    for words in (command(data, tmp_path, steps=1), sixteen):
        assert main(words) == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"error: {card}: expected the card of a network")


def test_a_stage_starts_from_the_one_before_alone(data, tmp_path, capfd):
    card = tmp_path / "mine.json"
    card.write_text('{"architecture": "fcn8s", "sha256": "0"}')
    words = command(data, tmp_path, "--start", card, name="voc-fcn16s")
    assert main(words) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith("fcn32s, but this is of fcn8s: give the card of voc-fcn32s")


@pytest.mark.parametrize("place", ["out", "out/voc-fcn32s.training"])
def test_a_file_in_place_of_the_folder_is_one_line(data, tmp_path, capfd, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("mine")
    assert main(command(data, tmp_path / "out")) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "expected a folder to write to" in line and "choose another --out" in line
    assert (tmp_path / place).read_text() == "mine"


def test_damaged_labels_to_score_on_are_told_before_the_training(tmp_path, capfd):
    folder = miniature_voc.write_voc(tmp_path / "damaged")
    name = miniature_voc.voc_names("val")[0]
    (folder / "SegmentationClass" / f"{name}.png").write_bytes(b"no picture")
    assert main(command(tmp_path / "damaged", tmp_path / "out")) == 2
    assert name in capfd.readouterr().err
    for path in (folder / "SegmentationClass").iterdir():
        datasets.write_png(path, np.full((66, 93), 255, "uint8"))
    assert main(command(tmp_path / "damaged", tmp_path / "out")) == 2
    assert "all 4 label maps are void" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_machines_that_were_given_another_command_are_told(data, tmp_path):
    """Before they wait for each other in vain."""
    workers = [
        start(*command(data, tmp_path, "--batch", 2, steps=steps), TF_CONFIG=cluster)
        for steps, cluster in zip((2, 3), clusters(), strict=True)
    ]
    for worker in workers:
        _, complaints = worker.communicate(timeout=300)
        assert worker.returncode == 2
        assert "expected the same training on all machines" in complaints


def test_a_damaged_picture_is_one_line(tmp_path, capfd):
    folder = miniature_voc.write_voc(tmp_path / "damaged")
    picture = folder / "JPEGImages" / f"{miniature_voc.voc_names('train')[0]}.jpg"
    picture.write_bytes(picture.read_bytes()[:300])
    assert main(command(tmp_path / "damaged", tmp_path, steps=20)) == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ") and str(picture) in line


# --- what it needs


def test_without_a_gpu_nothing_is_invented(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    assert main(["measure", "gpu", "--out", str(tmp_path)]) == 0
    stored = json.loads((tmp_path / "gpu.json").read_text())
    assert stored["device"] is None and stored["reason"] == measurements.NO_GPU
    assert not any(isinstance(value, float) for value in stored.values())


def test_stored_measurements_are_of_these_commands():
    gpu = json.loads((ROOT / "results" / "gpu.json").read_text())
    assert gpu["command"] == "python -m fcnlib measure gpu"
    memory = json.loads((ROOT / "results" / "memory.json").read_text())
    assert memory["training_gigabytes"] < 6 and memory["inference_gigabytes"] < 2


def test_operations_are_those_of_vgg16():
    """VGG16's convolutions take 15.3 billion multiplications and additions at 224."""
    shape = (224, 224, 3)
    body = keras.applications.VGG16(False, weights=None, input_shape=shape)
    billions = measurements.count_operations(body, shape[:2]) / 2e9
    assert billions == pytest.approx(15.35, abs=0.01)


@pytest.mark.scale
def test_steps_and_input_are_timed():
    runs = measurements.measure_steps("tiny", (32, 48), steps=1)
    assert [(run["precision"], run["xla"]) for run in runs] == [
        ("float32", False),
        ("float32", True),
        ("bfloat16", False),
        ("bfloat16", True),
    ]
    assert all(run["steps_per_second"] > 0 for run in runs)
    assert all(run["share_of_peak"] > 0 for run in runs)


@pytest.mark.scale
def test_memory_stays_small():
    memory = measurements.measure_memory()
    assert memory["training_gigabytes"] < 6
    assert memory["inference_gigabytes"] < 2
