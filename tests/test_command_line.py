import errno
import hashlib
import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import PIL.Image
import pytest

from fcnlib import __main__ as command_line
from fcnlib import datasets, experiments, models, pasture, recipes, training

CARD = {
    "architecture": "fcn8s",
    "size": "course",
    "num_classes": 5,
    "classes": list(pasture.CLASSES),
    "working_size": [64, 96],
}


@pytest.fixture(scope="module")
def network():
    return models.fcn8s(num_classes=5)


@pytest.fixture
def shipped(monkeypatch, network):
    """Put an untrained network in the place of the shipped ones."""
    monkeypatch.setattr(models, "load_pretrained", lambda name: network)
    monkeypatch.setattr(models, "read_card", lambda name: CARD)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "photo.png"
    datasets.write_png(path, pasture.draw_scene(0, 48, 80)[0])
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run_in_vain(capsys, *arguments):
    """Return the one line of error that a command leaves."""
    code = command_line.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("error: ")
    assert printed.err.endswith("\n") and printed.err.count("\n") == 1
    return printed.err


# The program


def run_program(*arguments):
    program = [sys.executable, "-m", "fcnlib", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_help_names_every_command():
    ended = run_program("--help")
    assert ended.returncode == 0 and ended.stderr == ""
    commands = "doctor results segment train card compare ledger evaluate download"
    for command in commands.split():
        assert f"\n    {command} " in ended.stdout


def test_doctor_reports_and_keeps_libraries_quiet():
    ended = run_program("doctor")
    assert ended.returncode == 0 and ended.stderr == ""
    for word in ("Python", "tensorflow", "keras", "cores", "GPU", *models.PRETRAINED):
        assert word in ended.stdout


def test_unknown_commands_and_missing_arguments(capsys):
    assert "'dance'" in run_in_vain(capsys, "dance")
    assert "COMMAND" in run_in_vain(capsys)
    assert "PICTURE" in run_in_vain(capsys, "segment")


def test_download_of_pasture_needs_nothing(capsys):
    assert command_line.main(["download", "pasture"]) == 0
    assert "Nothing to download" in capsys.readouterr().out
    assert "data set cats is unknown" in run_in_vain(capsys, "download", "cats")


# Segment


def test_segment_writes_beside_the_picture(shipped, picture, capsys):
    assert command_line.main(["segment", str(picture)]) == 0
    assert names(picture.parent) == [
        "photo.png",
        "photo_labels.png",
        "photo_overlay.png",
    ]
    labels = datasets.read_labels(picture.with_name("photo_labels.png"))
    overlay = datasets.read_image(picture.with_name("photo_overlay.png"))
    assert labels.shape == (48, 80) and labels.max() < 5
    assert overlay.shape == (48, 80, 3)
    chosen, printed = capsys.readouterr().out.splitlines()
    assert chosen.startswith("with horses-fcn8s, which knows sky, grass")
    assert printed.startswith(f"{picture}: ")
    shares = [
        float(share.split()[-1][:-1]) for share in printed.split(": ")[1].split(",")
    ]
    assert sum(shares) == pytest.approx(100, abs=0.3)


def write_kind(path, kind):
    image = pasture.draw_scene(1, 40, 72)[0]
    if kind == "gray":
        PIL.Image.fromarray(image[..., 0]).save(path)
    elif kind == "alpha":
        PIL.Image.fromarray(np.dstack((image, image[..., 0]))).save(path)
    elif kind == "16 bits":
        assert cv2.imwrite(str(path), image.astype("uint16") * 257)
    else:
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        PIL.Image.fromarray(image).save(path, format="JPEG", exif=exif)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("gray", (40, 72)),
        ("alpha", (40, 72)),
        ("16 bits", (40, 72)),
        ("turned", (72, 40)),
    ],
)
def test_segment_takes_every_kind_of_picture(shipped, tmp_path, kind, size):
    write_kind(tmp_path / "kind.png", kind)
    folder = tmp_path / "new" / "folder"
    arguments = ["segment", str(tmp_path / "kind.png"), "--out", str(folder)]
    assert command_line.main(arguments) == 0
    assert names(folder) == ["kind_labels.png", "kind_overlay.png"]
    assert datasets.read_labels(folder / "kind_labels.png").shape == size
    assert datasets.read_image(folder / "kind_overlay.png").shape == (*size, 3)


def test_segment_refuses_outputs_that_meet(shipped, picture, tmp_path, capsys):
    other = tmp_path / "photo.jpg"
    other.write_bytes(picture.read_bytes())
    message = run_in_vain(capsys, "segment", picture, other)
    assert "photo_labels.png" in message and "--out" in message
    assert "photo_labels.png" in run_in_vain(capsys, "segment", picture, picture)
    own = tmp_path / "photo_labels.png"
    own.write_bytes(picture.read_bytes())
    assert "would meet" in run_in_vain(capsys, "segment", picture, own)
    assert names(tmp_path) == ["photo.jpg", "photo.png", "photo_labels.png"]
    assert own.read_bytes() == picture.read_bytes()


# Bad input


def make_bad(path, kind):
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(
            {"empty": b"", "no image": b"hello", "0 pixels": b"P6 0 0 255\n"}[kind]
        )


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "truncated", "no image", "0 pixels"]
)
def test_segment_names_a_bad_picture(shipped, picture, tmp_path, capsys, kind):
    make_bad(picture, kind)
    folder = tmp_path / "out"
    assert str(picture) in run_in_vain(capsys, "segment", picture, "--out", folder)
    assert not folder.exists()


def test_segment_names_an_unknown_model(picture, capsys):
    message = run_in_vain(capsys, "segment", picture, "--model", "pasture-fcn64s")
    assert "pasture-fcn64s" in message and "pasture-fcn8s" in message
    assert names(picture.parent) == ["photo.png"]


@pytest.fixture
def weights_folder(monkeypatch, tmp_path, network):
    """Ship an untrained network from a folder of its own."""
    folder = tmp_path / "weights"
    folder.mkdir()
    network.save_weights(folder / "horses-fcn8s.weights.h5")
    content = (folder / "horses-fcn8s.weights.h5").read_bytes()
    card = {**CARD, "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "horses-fcn8s.json").write_text(json.dumps(card))
    monkeypatch.setattr(models, "WEIGHTS", folder)
    return folder


def test_segment_loads_the_weights_of_the_card(weights_folder, picture):
    assert command_line.main(["segment", str(picture)]) == 0


def test_segment_refuses_weights_with_another_hash(weights_folder, picture, capsys):
    path = weights_folder / "horses-fcn8s.weights.h5"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    message = run_in_vain(capsys, "segment", picture)
    assert "horses-fcn8s.weights.h5" in message and "SHA-256" in message


def test_segment_refuses_weights_for_another_class_count(
    weights_folder, picture, capsys, recwarn
):
    path = weights_folder / "horses-fcn8s.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_classes": 7}))
    message = run_in_vain(capsys, "segment", picture)
    assert "horses-fcn8s.weights.h5" in message and "7 classes" in message
    assert len(recwarn) == 0  # a warning of Keras would be a second line


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_segment_that_cannot_write_leaves_nothing(
    shipped, picture, tmp_path, capsys, monkeypatch, number, reason
):
    def fail(path, content):
        with open(path, "wb") as file:
            file.write(content[:20])
        raise OSError(number, reason)

    monkeypatch.setattr(pathlib.Path, "write_bytes", fail)
    folder = tmp_path / "out"
    message = run_in_vain(capsys, "segment", picture, "--out", folder)
    assert str(folder / "photo_overlay.png") in message and reason in message
    assert names(folder) == []


def test_segment_into_a_file_instead_of_a_folder(shipped, picture, capsys):
    message = run_in_vain(capsys, "segment", picture, "--out", picture)
    assert str(picture) in message
    assert names(picture.parent) == ["photo.png"]


def test_an_interruption_is_one_line(shipped, picture, capsys, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "read_image", interrupt)
    assert command_line.main(["segment", str(picture)]) == 130
    assert capsys.readouterr().err == "interrupted\n"


# Results, train and evaluate


def test_results_write_pictures_and_scores(shipped, tmp_path, monkeypatch, capsys):
    splits = {**datasets.PASTURE_SPLITS, "test": range(3)}
    monkeypatch.setattr(datasets, "PASTURE_SPLITS", splits)
    monkeypatch.setattr(training, "SIZE", (32, 32))
    folder = tmp_path / "results"
    assert command_line.main(["results", "--out", str(folder)]) == 0
    assert names(folder) == [
        "horse.png",
        "run.json",
        "scores.json",
        "sem_seg.png",
        "sem_seg_inf.png",
    ]
    image, labels = pasture.draw_scene(command_line.HORSE_SEED, 480, 640)
    assert np.array_equal(datasets.read_image(folder / "horse.png"), image)
    assert (labels == pasture.CLASSES.index("horse")).mean() > 0.05
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["scenes"] == 3 and scores["seeds"] == [0, 2]
    assert scores["height"] == scores["width"] == 32
    assert list(scores["networks"]) == list(models.PRETRAINED[:3])
    for score in scores["networks"].values():
        assert list(score["iou"]) == list(pasture.CLASSES)
        assert 0 <= score["mean_iou"] <= 1 and 0 <= score["pixel_accuracy"] <= 1
        mean = np.nanmean(list(score["iou"].values()))
        assert score["mean_iou"] == pytest.approx(mean, abs=1e-4)
    run = json.loads((folder / "run.json").read_text())
    assert {"seconds", "python", "packages", "cores"} <= set(run)
    assert capsys.readouterr().out.count("unseen scenes") == 3


def test_evaluate_prints_one_table(shipped, monkeypatch, capsys):
    splits = {**datasets.PASTURE_SPLITS, "val": range(1000, 1003)}
    monkeypatch.setattr(datasets, "PASTURE_SPLITS", splits)
    arguments = "evaluate pasture-fcn8s --data pasture --split val --size 32x48"
    assert command_line.main(arguments.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "pasture-fcn8s on pasture val: 3 scenes of 32 x 48"
    rows = {line[:24].strip(): line[24:].split() for line in lines[2:]}
    assert list(rows)[:5] == list(pasture.CLASSES)
    assert list(rows)[5:] == [
        "mean IoU",
        "frequency weighted IoU",
        "pixel accuracy",
        "mean accuracy",
    ]
    ious = [float(rows[name][0]) for name in pasture.CLASSES]
    assert float(rows["mean IoU"][0]) == pytest.approx(np.nanmean(ious), abs=2e-3)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--data cats --split test", "data set cats is unknown; expected pasture"),
        ("--data pasture --split exam", "split exam is unknown; expected train, val"),
        ("--data pasture --split test --size 12", "size is 12; expected HEIGHTxWIDTH"),
        ("--data pasture --split test --size 0x9", "size is 0x9"),
        ("--data pasture", "--split"),
    ],
)
def test_evaluate_refuses_what_it_does_not_know(shipped, capsys, arguments, expected):
    assert expected in run_in_vain(
        capsys, "evaluate", "pasture-fcn8s", *arguments.split()
    )


def test_evaluate_scores_horse_against_the_rest(shipped, monkeypatch, tmp_path, capsys):
    scene, labels = pasture.draw_scene(2, 48, 64)
    masks = (labels == pasture.CLASSES.index("horse")).astype("uint8")
    monkeypatch.setattr(datasets, "load_horses", lambda split: [(scene, masks)])
    path = tmp_path / "scores.json"
    arguments = f"evaluate pasture-fcn8s --data horses --split val --json {path}"
    assert command_line.main(arguments.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    about = "horses val: 1 photographs at their masks' sizes"
    assert lines[0] == f"pasture-fcn8s on {about}"
    network = models.load_pretrained("pasture-fcn8s")
    size = models.read_card("pasture-fcn8s")["working_size"]
    found = models.predict_picture(network, scene, size) == 4
    iou = (found & (masks == 1)).sum() / (found | (masks == 1)).sum()
    scores = json.loads(path.read_text())
    assert scores["network"] == "pasture-fcn8s" and scores["data"] == about
    assert list(scores["iou"]) == ["background", "horse"]
    assert scores["iou"]["horse"] == pytest.approx(iou, abs=1e-4)


def test_evaluate_scores_a_folder(shipped, tmp_path, capsys):
    for seed, size in ((0, (40, 60)), (1, (60, 40))):
        image, labels = pasture.draw_scene(seed, *size)
        for kind, picture in (("images", image), ("labels", labels)):
            (tmp_path / kind).mkdir(exist_ok=True)
            datasets.write_png(tmp_path / kind / f"{seed}.png", picture)
    arguments = ["evaluate", "pasture-fcn8s", "--data", "folder"]
    arguments += ["--images", str(tmp_path / "images")]
    assert "--labels; add it" in run_in_vain(capsys, *arguments)
    arguments += ["--labels", str(tmp_path / "labels")]
    assert command_line.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("images: 2 pictures at their own sizes")
    assert [line.split()[0] for line in lines[2:7]] == list(pasture.CLASSES)


def write_masks(folder, value=1):
    """Write four small scenes and masks of horses, and return the arguments."""
    for seed in range(4):
        image, labels = pasture.draw_scene(seed, 32, 48)
        mask = np.where(labels == 255, 255, (labels >= 3) * value).astype("uint8")
        for kind, picture in (("images", image), ("labels", mask)):
            (folder / kind).mkdir(exist_ok=True)
            datasets.write_png(folder / kind / f"{seed}.png", picture)
    kinds = ("images", "labels")
    return [each for kind in kinds for each in (f"--{kind}", str(folder / kind))]


def test_a_network_of_ones_own_is_trained_and_used(shipped, tmp_path, capsys):
    folders = write_masks(tmp_path)
    out = ["--out", str(tmp_path / "networks")]
    train = ["train", "mares", "--data", "folder", *folders, *out]
    command_line.main([*train, "--epochs", "1", "--classes", "background,mare"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 pairs, 0 problems, 0 notes."
    assert lines[-2].startswith("held out, at their own sizes: mean IoU 0.")
    card = tmp_path / "networks" / "mares.json"
    assert lines[-1] == f"wrote {card} and .weights.h5"

    evaluate = ["evaluate", str(card), "--data", "folder", *folders]
    assert command_line.main(evaluate) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["background", "mare"]

    weights = card.with_name("mares.weights.h5").read_bytes()
    assert "mares.json: expected a new name" in run_in_vain(capsys, *train)
    assert card.with_name("mares.weights.h5").read_bytes() == weights

    picture = tmp_path / "images" / "0.png"
    segment = ["segment", str(picture), "--model", str(card), "--out", str(tmp_path)]
    assert command_line.main(segment) == 0
    assert datasets.read_labels(tmp_path / "0_labels.png").max() < 2
    capsys.readouterr()

    assert command_line.main(["card", str(card)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# mares\n") and "- 1: mare\n" in text
    page = tmp_path / "CARD.md"
    assert command_line.main(["card", str(card), "--out", str(page)]) == 0
    assert page.read_text() == text and capsys.readouterr().out == ""


def test_card_of_a_shipped_network_is_printed(capsys):
    assert command_line.main(["card", "pasture-fcn8s"]) == 0
    assert capsys.readouterr().out.startswith("# pasture-fcn8s\n")
    message = run_in_vain(capsys, "card", "barns")
    assert "the path networks/barns.json of your own, but got 'barns'" in message
    assert "found none" in run_in_vain(capsys, "card", "barns.json")


def test_train_refuses_bad_folders_with_a_report(shipped, tmp_path, capsys):
    folders = write_masks(tmp_path, value=255)
    arguments = ["train", "mares", "--data", "folder", *folders]
    arguments += ["--out", str(tmp_path / "networks")]
    assert command_line.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("4 pairs, 4 problems (4 0/255 mask)")
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert "4 problems: repair the files" in printed.err
    assert not (tmp_path / "networks").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("mares --data horses", "--data is horses; expected folder, or leave it out"),
        ("mares --data folder --images a", "--data folder needs --labels; add it"),
        ("mares --data folder --images a --labels .", "a is no folder"),
        ("mares --data folder --images . --labels b", "b is no folder"),
        ("mares --images a --labels b", "--images and --labels need --data folder"),
        ("a/b --data folder --images . --labels .", "expected a name such as barns"),
        ("mares --data folder --images . --labels . --epochs 0", "at least one epoch"),
        ("mares --data folder --images a --labels b --epochs x", "invalid int value"),
    ],
)
def test_train_refuses_what_it_does_not_know(capsys, arguments, expected):
    assert expected in run_in_vain(capsys, "train", *arguments.split())


def test_train_hands_over_the_name(monkeypatch):
    trained = []
    monkeypatch.setattr(recipes, "train_pretrained", trained.append)
    assert command_line.main(["train", "pasture-fcn16s"]) == 0
    assert trained == ["pasture-fcn16s"]


def test_compare_writes_into_the_folder(monkeypatch, tmp_path, capsys):
    written = []
    run = {"network": "fcn8s", "iou": {"horse": 0.5}, "mean_iou": 0.25}

    def compare(path):
        written.append(path)
        return {"runs": [run]}

    monkeypatch.setattr(experiments, "compare", compare)
    folder = tmp_path / "new" / "folder"
    assert command_line.main(["compare", "--out", str(folder)]) == 0
    assert written == [folder / "compare.json"]
    assert "| fcn8s | 0.500 (one seed) | 0.250 (one seed) |" in capsys.readouterr().out
    assert folder.is_dir()  # before hours of training, not after


def test_evaluate_on_horses_needs_a_network_that_knows_them(
    monkeypatch, network, capsys
):
    card = {**CARD, "classes": ["sky", "grass", "tree", "fence", "cow"]}
    monkeypatch.setattr(models, "load_pretrained", lambda name: network)
    monkeypatch.setattr(models, "read_card", lambda name: card)
    arguments = ["evaluate", "pasture-fcn8s", "--data", "horses", "--split", "val"]
    assert "with a class horse" in run_in_vain(capsys, *arguments)
