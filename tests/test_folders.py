"""Folders with traps: each is made here, and has to be found and named."""

import io

import cv2
import numpy as np
import PIL.Image
import pytest

from fcnlib import datasets, folders, pasture


class Folder:
    """A folder of photographs and one of label maps."""

    def __init__(self, path):
        self.photos, self.labels = path / "photos", path / "labels"
        self.photos.mkdir()
        self.labels.mkdir()

    def add(self, name, labels, **options):
        """Write a pair; options go to Pillow."""
        size = labels.shape[1::-1] if isinstance(labels, np.ndarray) else labels.size
        PIL.Image.new("RGB", size, (90, 120, 60)).save(self.photos / f"{name}.jpg")
        if isinstance(labels, np.ndarray):
            labels = PIL.Image.fromarray(labels)
        labels.save(self.labels / f"{name}.png", **{"format": "PNG", **options})

    def inspect(self, num_classes=None):
        """Return the report."""
        return folders.inspect_folder(self.photos, self.labels, num_classes)

    def kinds(self, num_classes=None):
        """Return the name and the kind of each finding."""
        report = self.inspect(num_classes)
        return [(finding.path.name, finding.kind) for finding in report]


@pytest.fixture
def folder(tmp_path):
    """An empty pair of folders."""
    return Folder(tmp_path)


def disks(*classes, size=(60, 80), background=0):
    """Return a label map of disks, one for each class."""
    labels = np.full(size, background, np.uint8)
    for place, number in enumerate(classes):
        center = (10 + 60 * place // max(1, len(classes) - 1), 20 + 20 * (place % 2))
        cv2.circle(labels, center, 8, int(number), -1)
    return labels


# Healthy folders


@pytest.mark.parametrize("num_classes", [None, 5])
def test_pastures_are_healthy(folder, num_classes):
    sizes = [(64, 64), (96, 128), (128, 128), (240, 320)]
    counts = np.zeros(256, int)
    for seed in range(12):
        _, labels = pasture.draw_scene(seed, *sizes[seed % 4])
        folder.add(f"scene_{seed}", labels)
        counts += np.bincount(labels.ravel(), minlength=256)
    report = folder.inspect(num_classes)
    assert report == [] and report.problems == []
    assert report.pairs == 12
    np.testing.assert_array_equal(report.counts, counts)
    assert str(report).startswith("12 pairs, 0 problems, 0 notes.\npixels: 0 ")
    assert f"void {100 * counts[255] / counts.sum():.1f} %" in str(report)


def test_masks_of_0_and_1_with_void_are_healthy(folder):
    folder.add("a", disks(1))
    folder.add("b", np.where(disks(1) == 1, 1, disks(255)))
    folder.add("none", disks())
    rim = disks(1) != np.roll(disks(1), 1)
    folder.add("rim", np.where(rim, 255, disks(1)).astype(np.uint8))
    assert folder.inspect() == folder.inspect(2) == []


def test_one_bit_a_pixel_is_healthy(folder):
    folder.add("a", disks(1).astype(bool))
    assert folder.inspect(2) == []


def test_thin_classes_and_nearest_neighbor_are_healthy(folder):
    labels = disks(1, 3)
    labels[::10] = 2  # a rail of one pixel, between 1 and 3 where it crosses them
    labels[:, ::9] = 4
    for name, factor in (("a", 1), ("b", 0.6), ("c", 1.7)):
        resized = cv2.resize(
            labels, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST
        )
        folder.add(name, resized)
    assert folder.inspect() == folder.inspect(5) == []


def test_files_that_are_no_pictures_are_passed_over(folder):
    folder.add("a", disks(1))
    (folder.labels / "classes.txt").write_text("horse")
    (folder.photos / ".hidden.jpg").write_bytes(b"")
    assert folder.inspect() == []


# Files


def test_unmatched_files_are_named(folder):
    for name in ("a", "b", "c"):
        folder.add(name, disks(1))
    (folder.labels / "a.png").unlink()
    (folder.photos / "c.jpg").unlink()
    report = folder.inspect()
    assert [(finding.path.name, finding.kind) for finding in report] == [
        ("a.jpg", "unmatched"),
        ("c.png", "unmatched"),
    ]
    assert report.pairs == 1
    assert f"add label map a to {folder.labels}" in str(report)


def test_unreadable_files_are_named_and_the_others_inspected(folder):
    for name in "abcdef":
        folder.add(name, disks(2, 1))
    content = (folder.labels / "a.png").read_bytes()
    (folder.labels / "a.png").write_bytes(content[: len(content) // 2])
    (folder.labels / "b.png").write_bytes(b"")
    (folder.labels / "c.png").write_text("no picture")
    (folder.photos / "d.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder.photos / "e.jpg").unlink()
    (folder.photos / "e.jpg").mkdir()
    assert folder.kinds() == [
        *((f"{name}.png", "unreadable") for name in "abc"),
        *((f"{name}.jpg", "unreadable") for name in "de"),
    ]
    assert folder.inspect().counts.sum() == 3 * 60 * 80
    assert "BytesIO" not in str(folder.inspect())


def test_damage_of_any_kind_raises_nothing(folder):
    rng = np.random.default_rng(0)
    folder.add("whole", disks(2, 1))
    content = bytearray((folder.labels / "whole.png").read_bytes())
    photo = bytearray((folder.photos / "whole.jpg").read_bytes())
    for number in range(60):
        for where, suffix, original in (
            (folder.labels, "png", content),
            (folder.photos, "jpg", photo),
        ):
            damaged = original.copy()
            for place in rng.integers(0, len(original), 3):
                damaged[place] = rng.integers(256)
            (where / f"{number}.{suffix}").write_bytes(damaged)
    assert folder.inspect().pairs == 61


def test_pairs_of_different_size_are_named(folder):
    folder.add("a", disks(1))
    folder.add("b", disks(1))
    PIL.Image.new("RGB", (50, 40)).save(folder.photos / "a.jpg")
    (finding,) = folder.inspect()
    assert finding.path.name == "a.png" and finding.kind == "size"
    assert finding.expected == "40 x 50 pixels, as its image has"
    assert finding.found == "60 x 80"


def test_photograph_that_the_camera_turned_is_recognized(folder):
    folder.add("a", disks(1))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    PIL.Image.new("RGB", (80, 60)).save(folder.photos / "a.jpg", exif=exif)
    (finding,) = folder.inspect()
    assert finding.kind == "size" and "rotation" in finding.advice


def test_two_files_of_one_name_are_named(folder):
    folder.add("a", disks(1))
    PIL.Image.new("RGB", (80, 60)).save(folder.photos / "a.png")
    assert folder.kinds() == [("a.png", "double name")]


def test_empty_folders_are_named(folder):
    report = folder.inspect()
    assert [finding.kind for finding in report] == ["empty", "empty"]
    assert report.pairs == 0


def test_missing_folder_is_an_error(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="none is no folder"):
        folders.inspect_folder(folder.photos, tmp_path / "none")


@pytest.mark.parametrize("num_classes", [1, 256, 2.5, True])
def test_class_count_that_is_none_is_an_error(folder, num_classes):
    with pytest.raises(ValueError, match="from 2 to 255, but is"):
        folder.inspect(num_classes)


# Formats


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_jpeg_labels_are_known_by_their_content(folder, name):
    folder.add("a", disks(1))
    (folder.labels / "a.png").unlink()
    PIL.Image.fromarray(disks(1)).save(folder.labels / name, format="JPEG")
    assert folder.kinds() == [(name, "JPEG")]


def test_other_formats_are_named(folder):
    folder.add("a", disks(1), format="BMP")
    (finding,) = folder.inspect()
    assert finding.kind == "not PNG" and finding.found == "a BMP file"


def painted(mode):
    """Return a label map painted in black, red and green."""
    colors = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0)], np.uint8)
    return PIL.Image.fromarray(colors[disks(1, 2)]).convert(mode)


@pytest.mark.parametrize(("mode", "alpha"), [("RGB", False), ("RGBA", True)])
def test_painted_maps_are_named_as_such(folder, mode, alpha):
    folder.add("a", painted(mode))
    (finding,) = folder.inspect()
    assert finding.kind == "painted"
    assert "painted in 3 colors, one (128, 0, 0)" in finding.found
    assert ("alpha channel" in finding.found) == alpha


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4), ("LA", 2)])
def test_gray_values_in_several_channels_are_told_from_paint(folder, mode, channels):
    folder.add("a", PIL.Image.fromarray(disks(1, 2)).convert(mode))
    (finding,) = folder.inspect()
    assert finding.kind == "several channels"
    assert f"{channels} channels" in finding.found
    assert ("alpha channel" in finding.found) == (mode != "RGB")


def test_16_bits_are_named(folder):
    folder.add("a", disks(1, 4).astype(np.uint16) * 100)
    (finding,) = folder.inspect()
    assert finding.kind == "16 bits" and "up to 400" in finding.found


def with_palette(labels, colors):
    """Return a label map with a palette."""
    picture = PIL.Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette([part for color in colors for part in color])
    return picture


def test_palettes_are_a_note(folder):
    colors = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    folder.add("a", with_palette(disks(1, 2), colors))
    folder.add("b", with_palette(disks(2), colors))
    folder.add("c", disks(1))
    report = folder.inspect(3)
    assert report.problems == []
    (note,) = report
    assert note.kind == "palette" and "2 of 3 label maps" in note.found
    assert report.counts[2] > 0


def test_palettes_that_differ_are_a_problem(folder):
    colors = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    folder.add("a", with_palette(disks(1, 2), colors))
    folder.add("b", with_palette(disks(2, 1), [colors[0], colors[2], colors[1]]))
    report = folder.inspect()
    assert [finding.kind for finding in report] == ["palettes differ", "palette"]
    assert report[0].path.name == "b.png"
    assert report[0].expected == "color (128, 0, 0) for number 1, as in a.png"


def test_properties_of_photographs_are_notes(folder):
    for name in ("clear", "deep", "opaque"):
        folder.add(name, disks(1))
        (folder.photos / f"{name}.jpg").unlink()
    PIL.Image.new("RGBA", (80, 60), (9, 9, 9, 0)).save(folder.photos / "clear.png")
    PIL.Image.new("RGBA", (80, 60), (9, 9, 9, 255)).save(folder.photos / "opaque.png")
    deep = np.full((60, 80, 3), 40000, np.uint16)
    cv2.imwrite(str(folder.photos / "deep.png"), deep)
    assert folder.kinds() == [
        ("clear.png", "alpha channel"),
        ("deep.png", "16-bit image"),
    ]
    assert folder.inspect().problems == []


# Numbers


@pytest.mark.parametrize("num_classes", [None, 2, 21])
def test_masks_of_0_and_255_are_named_file_by_file(folder, num_classes):
    folder.add("a", disks(255))
    folder.add("b", disks(255, 255))
    folder.add("full", disks(background=255))
    folder.add("none", disks())
    assert folder.kinds(num_classes) == [
        (f"{name}.png", "0/255 mask") for name in ("a", "b", "full")
    ]


@pytest.mark.parametrize("num_classes", [None, 2])
@pytest.mark.parametrize("quality", [60, 75, 95])
def test_masks_that_once_were_jpeg_are_recognized(folder, num_classes, quality):
    content = io.BytesIO()
    PIL.Image.fromarray(disks(255)).save(content, "JPEG", quality=quality)
    folder.add("a", np.array(PIL.Image.open(content)))
    assert folder.kinds(num_classes) == [
        ("a.png", "0/255 mask"),
        ("a.png", "softened edges"),
    ]


@pytest.mark.parametrize("num_classes", [None, 2])
def test_antialiased_masks_are_recognized(folder, num_classes):
    mask = disks()
    cv2.ellipse(mask, (40, 30), (30, 12), 20, 0, 360, 255, -1, cv2.LINE_AA)
    folder.add("a", mask)
    assert ("a.png", "softened edges") in folder.kinds(num_classes)
    assert ("a.png", "0/255 mask") in folder.kinds(num_classes)


@pytest.mark.parametrize("num_classes", [None, 3])
def test_one_mask_among_maps_of_classes_is_noted(folder, num_classes):
    folder.add("a", disks(1, 2))
    folder.add("b", disks(2, 255))
    folder.add("mask", disks(255))
    folder.add("none", disks())
    (note,) = folder.inspect(num_classes)
    assert (note.path.name, note.kind) == ("mask.png", "perhaps a mask")
    assert note.is_note and "only 0 and 255" in note.found


SOFT = [
    *((method, 0.5) for method in (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)),
    *((method, 0.7) for method in (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)),
    *((method, 1.5) for method in (cv2.INTER_LINEAR, cv2.INTER_CUBIC)),
    *((method, 3.0) for method in (cv2.INTER_LINEAR, cv2.INTER_CUBIC)),
]


@pytest.mark.parametrize("num_classes", [None, 5])
@pytest.mark.parametrize(("interpolation", "factor"), SOFT)
def test_interpolated_classes_are_recognized(
    folder, num_classes, interpolation, factor
):
    scenes = [pasture.draw_scene(seed, 128, 128)[1] for seed in range(4)]
    for seed, labels in enumerate(scenes):
        without_void = np.where(
            labels == 255, cv2.erode(labels, np.ones((5, 5))), labels
        )
        for name, which in (("void", labels), ("plain", without_void.astype(np.uint8))):
            resized = cv2.resize(
                which, None, fx=factor, fy=factor, interpolation=interpolation
            )
            folder.add(f"{name}_{seed}", resized)
    kinds = folder.kinds(num_classes)
    assert [name for name, kind in kinds if kind == "softened edges"] == [
        *(f"plain_{seed}.png" for seed in range(4)),
        *(f"void_{seed}.png" for seed in range(4)),
    ]


@pytest.mark.parametrize("num_classes", [None, 3])
def test_classes_counted_from_one_are_recognized(folder, num_classes):
    folder.add("a", disks(2, 3, background=1))
    folder.add("b", disks(3, 255, background=1))
    (finding,) = folder.inspect(num_classes)
    assert finding.kind == "off by one" and finding.path == folder.labels
    assert finding.found == "1, 2, 3, and 0 nowhere"


def test_a_class_number_equal_to_their_count_is_no_class(folder):
    folder.add("a", disks(1, 2))
    folder.add("b", disks(1, 3))
    (finding,) = folder.inspect(3)
    assert (finding.path.name, finding.kind) == ("b.png", "no class")
    assert finding.expected == "classes from 0 to 2, or 255 for void"
    assert finding.found == "3" and "subtract 1" in finding.advice
    assert folder.inspect(4) == []


def test_gray_values_for_classes_are_noted_when_the_count_is_open(folder):
    folder.add("a", disks(85, 170))
    assert folder.kinds() == [("labels", "gaps")]
    assert [kind for _, kind in folder.kinds(3)] == ["no class", "absent class"]


def test_maps_that_are_all_void_are_named(folder):
    folder.add("a", disks(1))
    folder.add("b", disks(background=255))
    assert folder.kinds() == folder.kinds(2) == [("b.png", "all void")]


def test_classes_that_never_occur_are_a_note(folder):
    folder.add("a", disks(1, 3))
    (note,) = folder.inspect(5)
    assert note.is_note and note.found == "no pixel of 2, 4"


def test_a_single_class_is_a_problem(folder):
    folder.add("a", disks())
    (finding,) = folder.inspect()
    assert finding.kind == "one class" and not finding.is_note


# The report


def test_report_prints_problems_first_ten_of_them_and_a_count(folder):
    for number in range(12):
        folder.add(f"{number:02}", with_palette(disks(1), [(0, 0, 0), (9, 9, 9)]))
        (folder.photos / f"{number:02}.jpg").unlink()
    folder.add("whole", disks(1))
    lines = str(folder.inspect()).splitlines()
    assert lines[0] == "1 pair, 12 problems (12 unmatched), 1 note."
    assert [line.split(": expected")[0] for line in lines[1:11]] == [
        str(folder.labels / f"{number:02}.png") for number in range(10)
    ]
    assert lines[11] == "... and 3 more."
    assert lines[12].startswith("pixels: 0 ") and len(lines) == 13


def test_every_finding_is_one_sentence_with_what_to_do(folder):
    folder.add("a", disks(255), format="JPEG")
    folder.add("b", disks(1, 2))
    (folder.photos / "b.jpg").unlink()
    for finding in folder.inspect():
        text = str(finding)
        assert text.startswith(f"{finding.path}: expected ")
        assert ", but got " in text and "\n" not in text
        assert text.endswith(f": {finding.advice}.")


def test_what_is_refused_in_training_is_found_before(folder):
    folder.add("a", painted("RGB"))
    folder.add("b", disks(1).astype(np.uint16))
    folder.add("c", disks(1), format="JPEG")
    folder.add("d", disks(1))
    found = {finding.path.stem for finding in folder.inspect()}
    refused = set()
    for image, labels in datasets.folder_pairs(folder.photos, folder.labels):
        try:
            datasets.read_pair(image, labels)
        except ValueError:
            refused.add(labels.stem)
    assert found == refused == {"a", "b", "c"}


def test_shares_of_hundreds_of_numbers_are_cut_short():
    report = folders.Report()
    report.counts[:] = 1
    line = str(report).splitlines()[-1]
    assert line.startswith("pixels: 0 0.4 %, 1 0.4 %, ")
    assert line.endswith("39 0.4 % and 216 other numbers")
