"""The Weizmann horses are read as they are; most tests make a small copy of them."""

import collections
import hashlib
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcnlib import datasets

ROOT = Path(__file__).resolve().parents[1]


def encode(picture):
    """Return a picture, gray or RGB, as the bytes of a JPEG file of best quality."""
    picture = np.asarray(picture, "uint8")
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()


def red(height, width):
    return np.full((height, width, 3), (200, 10, 60))


@pytest.fixture
def write_horses(tmp_path, monkeypatch):
    """A function that writes a data set and its list, and returns the folder."""

    def write(pairs):
        folder = tmp_path / "data"
        lines = ["name,split,rgb_sha256,figure_ground_sha256"]
        for name, (split, photograph, mask) in pairs.items():
            digests = []
            for kind, picture in (("rgb", photograph), ("figure_ground", mask)):
                path = folder / "weizmann_horse_db" / kind / f"{name}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode(picture))
                digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
            lines.append(",".join((name, split, *digests)))
        (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
        monkeypatch.setattr(datasets, "_HORSE_LIST", str(tmp_path / "list.csv"))
        return folder

    return write


@pytest.fixture
def three_horses(write_horses):
    """Three pairs, one for each split."""
    mask = np.zeros((16, 24))
    return write_horses(
        {
            "horse001": ("val", red(32, 48), mask + 1),
            "horse002": ("train", red(32, 48), mask + 2),
            "horse003": ("test", red(32, 48), mask + 3),
        }
    )


def path_of(folder, kind, name):
    return folder / "weizmann_horse_db" / kind / f"{name}.jpg"


# What is read


def test_photographs_are_averaged_to_the_size_of_their_masks(write_horses):
    # Of four columns, bright and dark at the ends and in the middle, the average is
    # gray; the nearest column, or the middle two, would be dark.
    columns = np.tile([255, 0, 0, 255], 16)
    photograph = np.broadcast_to(columns[None, :, None], (40, 64, 3))
    folder = write_horses({"a": ("train", photograph, np.zeros((10, 16)))})
    [(image, labels)] = datasets.load_horses("train", folder)
    assert image.shape == (10, 16, 3) and image.dtype == "uint8"
    assert np.abs(image.astype(int) - 127.5).max() < 6
    assert labels.shape == (10, 16) and labels.dtype == "uint8"


def test_photographs_smaller_than_their_masks_are_enlarged(write_horses):
    folder = write_horses({"a": ("train", red(10, 20), np.zeros((15, 30)))})
    [(image, labels)] = datasets.load_horses("train", str(folder))
    assert image.shape == (15, 30, 3) and labels.shape == (15, 30)
    assert np.abs(image.astype(int) - (200, 10, 60)).max() <= 4  # RGB


def test_masks_are_cut_at_128(write_horses):
    values = np.repeat([0, 20, 120, 136, 240, 255], 8)  # whole blocks of a JPEG file
    mask = np.broadcast_to(values, (16, 48))
    folder = write_horses({"a": ("train", red(32, 96), mask)})
    [(_, labels)] = datasets.load_horses("train", folder)
    assert np.array_equal(labels, np.broadcast_to(values >= 128, (16, 48)))


def test_a_split_holds_its_pairs_in_the_order_of_the_list(write_horses):
    folder = write_horses(
        {
            name: (split, red(8, 8 * size), np.zeros((8, 8 * size)))
            for name, split, size in (
                ("b", "val", 3),
                ("c", "train", 2),
                ("a", "val", 1),
            )
        }
    )
    shapes = [labels.shape for _, labels in datasets.load_horses("val", folder)]
    assert shapes == [(8, 24), (8, 8)]


# Where it is looked for


def test_data_folder_is_the_named_one_or_that_of_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv("FCNLIB_DATA", str(tmp_path / "there"))
    assert datasets.data_folder() == tmp_path / "there"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCNLIB_DATA", "near")
    assert datasets.data_folder() == tmp_path / "near"
    monkeypatch.setenv("FCNLIB_DATA", "")
    assert datasets.data_folder() == ROOT / "data"
    monkeypatch.delenv("FCNLIB_DATA")
    assert datasets.data_folder() == ROOT / "data"
    monkeypatch.setattr(datasets, "_HORSE_LIST", "data/no_such_list.csv")
    assert datasets.data_folder() == tmp_path / "data"  # no checkout


def test_load_horses_looks_in_the_data_folder(three_horses, monkeypatch):
    monkeypatch.setenv("FCNLIB_DATA", str(three_horses))
    assert len(datasets.load_horses("test")) == 1


# What is missing or damaged


def refuse(split, folder, error, reason):
    """Assert a one-line refusal that says how the horses get into the folder."""
    with pytest.raises(error, match=reason) as caught:
        datasets.load_horses(split, folder)
    message = str(caught.value)
    assert f'python -m fcnlib download horses --to "{folder}"' in message
    assert f"into {folder / 'weizmann_horse_db'} by hand" in message
    assert "\n" not in message
    return message


def test_an_empty_folder_is_named(three_horses, tmp_path):
    for folder in (tmp_path / "gone", tmp_path):
        message = refuse("train", folder, FileNotFoundError, "holds no horses of train")
        assert message.startswith(str(folder))


def test_a_folder_with_some_of_the_splits_says_which(three_horses):
    for kind in ("rgb", "figure_ground"):
        path_of(three_horses, kind, "horse003").unlink()
    assert len(datasets.load_horses("val", three_horses)) == 1
    reason = "holds the horses of train and val, but none of test"
    refuse("test", three_horses, FileNotFoundError, reason)


def test_a_split_with_a_hole_names_the_first_missing_file(three_horses):
    path_of(three_horses, "figure_ground", "horse002").unlink()
    reason = r"lacks 1 of 2 files of train, first .*figure_ground/horse002\.jpg"
    refuse("train", three_horses, FileNotFoundError, reason)
    assert len(datasets.load_horses("val", three_horses)) == 1


@pytest.mark.parametrize("damage", ["cut", "empty", "another file"])
def test_damaged_and_other_files_are_named(three_horses, damage):
    path = path_of(three_horses, "figure_ground", "horse002")
    content = path.read_bytes()
    other = path_of(three_horses, "figure_ground", "horse001").read_bytes()
    changed = {"cut": content[:-9], "empty": b"", "another file": other}
    path.write_bytes(changed[damage])
    reason = r"horse002\.jpg is damaged or another file.*1 such of 2"
    message = refuse("train", three_horses, ValueError, reason)
    assert message.startswith(str(path))


def test_an_unknown_split_is_refused(tmp_path):
    expected = "split exam is unknown; expected train, val, test"
    with pytest.raises(ValueError, match=expected):
        datasets.load_horses("exam", tmp_path)


# The list


def test_the_list_names_328_pairs_in_three_splits():
    splits = {split: datasets.horse_files(split) for split in datasets.HORSE_SPLITS}
    counts = {split: len(files) // 2 for split, files in splits.items()}
    assert counts == {"train": 178, "val": 50, "test": 100}
    every = {
        path: digest for files in splits.values() for path, digest in files.items()
    }
    assert len(every) == 656  # none is in two splits
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in every.values())
    for files in splits.values():
        names = [tuple(path.split("/")) for path in files]
        assert [kind for _, kind, _ in names] == ["rgb", "figure_ground"] * (
            len(names) // 2
        )
        assert [name[2] for name in names[::2]] == [name[2] for name in names[1::2]]


def test_the_data_page_tells_of_photographs_that_are_there_twice():
    where = collections.defaultdict(list)
    for split in datasets.HORSE_SPLITS:
        for path, digest in datasets.horse_files(split).items():
            where[digest].append(f"`{Path(path).stem}` ({split})")
    twice = [" and ".join(places) for places in where.values() if len(places) > 1]
    page = (ROOT / "data" / "README.md").read_text("utf-8")
    assert sorted(twice) == [
        "`horse006` (train) and `horse018` (test)",
        "`horse240` (train) and `horse274` (train)",
    ]
    for pair in twice:
        assert pair in page


def test_the_list_is_in_the_built_package(tmp_path):
    build = [sys.executable, "-c", "import setuptools; setuptools.setup()"]
    build += ["--quiet", "build", f"--build-base={tmp_path}/base"]
    build += [f"--build-lib={tmp_path}/lib", "egg_info", f"--egg-base={tmp_path}"]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    built = tmp_path / "lib" / "fcnlib"
    copy = built / "data" / "weizmann_horses.csv"
    original = ROOT / "data" / "weizmann_horses.csv"
    assert copy.read_bytes() == original.read_bytes()
    # Nothing else of the folder, where downloads land, is in the package.
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    code = "from fcnlib import datasets as d; "
    code += "print(d.__file__, len(d.horse_files('val')), d.data_folder())"
    environment = {**os.environ, "PYTHONPATH": str(built.parent)}
    environment.pop("FCNLIB_DATA", None)
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [str(built / "datasets.py"), "100", str(tmp_path / "data")]
    assert ended.stdout.split() == expected


# The real photographs, where they are


def load_real(split):
    try:
        return datasets.load_horses(split)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_real_horses_are_as_described():
    pairs = load_real("train") + load_real("val")
    assert len(pairs) == 228
    for image, labels in pairs:
        assert image.shape == (*labels.shape, 3)
        assert set(np.unique(labels)) == {0, 1}
    share = sum(labels.sum() for _, labels in pairs) / sum(
        labels.size for _, labels in pairs
    )
    assert 0.2 < share < 0.3  # about a quarter, as data/README.md says


def test_the_data_page_tells_of_the_same_photographs_in_other_files():
    thumbnails, names = [], []
    for split in ("train", "val"):
        thumbnails += [
            cv2.resize(i, (16, 16), interpolation=cv2.INTER_AREA)
            for i, _ in load_real(split)
        ]
        paths = list(datasets.horse_files(split))[::2]
        names += [f"`{Path(path).stem}` ({split})" for path in paths]
    gray = np.array(thumbnails, "float32").mean(axis=-1)
    apart = np.abs(gray[:, None] - gray[None]).mean(axis=(2, 3))
    first, second = np.nonzero(np.triu(apart < 5, k=1))
    found = [(names[i], names[j]) for i, j in zip(first, second, strict=True)]
    assert len(found) == 5
    page = (ROOT / "data" / "README.md").read_text("utf-8")
    row = page.split("| Twice | ")[1].split("\n")[0]
    # Differently cropped: by eye one photograph, and no thumbnail tells.
    found.append(("`horse193` (train)", "`horse254` (train)"))
    for name in itertools.chain(*found):
        assert name.split()[0] in row
    assert apart[names.index(found[-1][0]), names.index(found[-1][1])] > 10
    assert ("`horse146` (train)", "`horse004` (val)") in found
