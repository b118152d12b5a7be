"""VOC, SBD, CamVid and Oxford Pets, read from miniature trees of the real layouts."""

import pathlib
import shutil
import sys

import miniature_voc
import numpy as np
import PIL.Image
import pytest

from fcnlib import datasets, voc


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """A folder with all the miniature trees, as their archives unpack."""
    folder = tmp_path_factory.mktemp("data")
    miniature_voc.write_voc(folder, 2012)
    miniature_voc.write_voc(folder, 2011)
    miniature_voc.write_sbd(folder)
    miniature_voc.write_camvid(folder)
    miniature_voc.write_pets(folder / "oxford_pets")
    return folder


@pytest.fixture
def voc_2012(tmp_path):
    """A miniature VOC 2012 to be broken."""
    return miniature_voc.write_voc(tmp_path)


def names_of(pairs):
    for image, labels in pairs:
        assert image.stem == labels.path.stem
    return [image.stem for image, _ in pairs]


def read_in_vain(path, error=ValueError):
    """Return the one line that says why a label map cannot be read."""
    with pytest.raises(error) as caught:
        datasets.read_labels(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def list_in_vain(error, list_pairs, *arguments, **options):
    """Return the one line that says why pairs cannot be listed."""
    with pytest.raises(error) as caught:
        list_pairs(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Splits


@pytest.mark.parametrize("split", voc.VOC_SPLITS)
def test_voc_has_the_pairs_of_its_lists(trees, split):
    pairs = datasets.voc_pairs(trees, split)
    assert names_of(pairs) == miniature_voc.voc_names(split)
    root = trees / "VOCdevkit" / "VOC2012"
    assert {image.parent for image, _ in pairs} == {root / "JPEGImages"}
    assert {labels.path.parent for _, labels in pairs} == {root / "SegmentationClass"}


def test_seg11valid_is_voc_2011_val_without_what_sbd_trains_on(trees):
    # val: 2007_000002, 4, 6 and 8; SBD trains on 2 and 6, and validates on 4.
    pairs = datasets.voc_pairs(trees, "seg11valid", trees)
    assert names_of(pairs) == ["2007_000004", "2007_000008"]
    root = trees / "TrainVal" / "VOCdevkit" / "VOC2011"
    assert pairs[0][1].path == root / "SegmentationClass" / "2007_000004.png"


def test_the_papers_splits_share_no_picture(trees):
    train = names_of(datasets.voc_pairs(trees, "paper-train", trees))
    assert train == miniature_voc.SBD_NAMES["train"]
    assert not set(train) & set(
        names_of(datasets.voc_pairs(trees, "seg11valid", trees))
    )
    # And with VOC val it would share some.
    assert set(train) & set(names_of(datasets.voc_pairs(trees, "val")))


def test_sbd_train_is_what_sbd_trains_on_without_voc_val(trees):
    # SBD trains on 2007_000002 and 2007_000006 too, which are in VOC val.
    pairs = datasets.voc_pairs(trees, "sbd-train", sbd=trees)
    assert names_of(pairs) == [
        *("2008_000001", "2008_000003", "2010_000020", "2010_000021", "2010_000022")
    ]
    assert all(labels.path.suffix == ".mat" for _, labels in pairs)


# What is read


@pytest.mark.parametrize("split", voc.VOC_SPLITS + voc.SBD_SPLITS)
def test_voc_and_sbd_are_read_as_drawn(trees, split):
    for image_path, labels_path in datasets.voc_pairs(trees, split, trees):
        void = 0 if labels_path.path.suffix == ".mat" else 255
        drawn, expected = miniature_voc.draw(image_path.stem, void=void)
        image, labels = datasets.read_pair(image_path, labels_path)
        assert labels.dtype == "uint8"
        np.testing.assert_array_equal(labels, expected)
        assert np.abs(image.astype(int) - drawn).mean() < 12  # a JPEG of it


def test_camvid_has_eleven_classes_and_void(trees):
    table = np.full(256, 255, "uint8")
    table[:5] = miniature_voc.CAMVID_CLASSES
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        pairs = datasets.camvid_pairs(trees, split)
        assert len(pairs) == count
        for image_path, labels_path in pairs:
            stored = np.array(PIL.Image.open(labels_path))
            labels = datasets.read_pair(image_path, labels_path)[1]
            assert (labels[stored == 11] == 255).all() and (stored == 11).any()
            assert (labels[stored < 11] == stored[stored < 11]).all()
            assert stored.max() == 11


def test_camvid_pairs_by_its_list_and_not_by_names(trees, tmp_path):
    # One published version names the label maps otherwise, all on one line.
    root = tmp_path / "CamVid"
    shutil.copytree(trees / "CamVid", root)
    words = []
    for number, path in enumerate(sorted((root / "val").iterdir())):
        renamed = root / "valannot" / f"valannot_{number}.png"
        (root / "valannot" / path.name).rename(renamed)
        words += [
            f"/SegNet/CamVid/val/{path.name}",
            f"/SegNet/CamVid/valannot/{number}",
        ]
        words[-1] = f"/SegNet/CamVid/valannot/{renamed.name}"
    (root / "val.txt").write_text(" ".join(words))
    stems = [labels.path.stem for _, labels in datasets.camvid_pairs(root, "val")]
    assert stems == ["valannot_0", "valannot_1"]


def test_pets_are_pet_background_and_void(trees):
    pairs = datasets.pets_pairs(trees, "trainval")
    assert names_of(pairs)[-1] == "yorkshire_terrier_4" and len(pairs) == 4
    assert len(datasets.pets_pairs(trees, "test")) == 3
    for image_path, labels_path in pairs:
        trimap = np.array(PIL.Image.open(labels_path))
        labels = datasets.read_pair(image_path, labels_path)[1]
        for number, label in ((1, 1), (2, 0), (3, 255)):
            assert (labels[trimap == number] == label).all()
            assert (trimap == number).any()


def test_a_jpeg_of_the_pets_with_a_fault_inside_is_read(tmp_path):
    # As some published ones: data that end too early, and bytes that belong nowhere.
    root = miniature_voc.write_pets(tmp_path)
    path = root / "images" / "Abyssinian_5.jpg"
    content = path.read_bytes()
    for broken in (content[:-900] + content[-2:], content[:-2] + bytes(240)):
        path.write_bytes(broken + b"\xff\xd9")
        image, labels = datasets.read_pair(*datasets.pets_pairs(root, "test")[0])
        assert image.shape[:2] == labels.shape


def test_batches_are_made_of_any_of_them(trees):
    pairs = datasets.voc_pairs(trees, "train") + datasets.pets_pairs(trees, "test")
    [(images, labels)] = datasets.batches(pairs, (104, 104), batch_size=9)
    assert images.shape == (9, 104, 104, 3)
    _, expected = miniature_voc.draw("2008_000001")
    height, width = expected.shape
    np.testing.assert_array_equal(labels[0, :height, :width], expected)
    assert set(np.unique(labels[6:])) == {0, 1, 255}


def test_class_names_are_those_of_the_challenge():
    assert len(voc.CLASSES) == 21 and len(set(voc.CLASSES)) == 21
    assert [voc.CLASSES[i] for i in (0, 1, 12, 13, 15, 20)] == [
        *("background", "aeroplane", "dog", "horse", "person", "tvmonitor")
    ]
    assert len(voc.CAMVID_CLASSES) == 11 and voc.CAMVID_CLASSES[3] == "road"


def test_label_files_can_be_compared_sorted_and_opened(trees):
    labels = [labels for _, labels in datasets.voc_pairs(trees, "trainval")]
    assert len(set(labels)) == 10 and sorted(labels)[0].path.stem == "2007_000002"
    assert pathlib.Path(labels[0]) == labels[0].path
    assert str(labels[0]) == str(labels[0].path)


# Folders


@pytest.mark.parametrize(
    "inside", [".", "VOC2012", "VOC2012/JPEGImages", "VOC2012/ImageSets/Segmentation"]
)
def test_voc_is_found_from_above_and_from_below(trees, inside, monkeypatch):
    expected = [image for image, _ in datasets.voc_pairs(trees, "val")]
    inside = trees / "VOCdevkit" / inside
    found = [image for image, _ in datasets.voc_pairs(inside, "val")]
    assert found == expected
    monkeypatch.chdir(inside)
    found = [image.resolve() for image, _ in datasets.voc_pairs(".", "val")]
    assert found == [image.resolve() for image in expected]


def test_a_folder_too_high_is_searched_one_level_down(trees):
    above = trees.parent
    listed = (
        datasets.voc_pairs(above, "seg11valid", above),
        datasets.camvid_pairs(above, "val"),
        datasets.pets_pairs(above, "test"),
    )
    assert [len(pairs) for pairs in listed] == [2, 2, 3]


@pytest.mark.parametrize("inside", [".", "dataset", "dataset/cls"])
def test_sbd_is_found_from_above_and_from_below(trees, inside):
    pairs = datasets.voc_pairs(
        trees, "paper-train", sbd=trees / "benchmark_RELEASE" / inside
    )
    assert pairs == datasets.voc_pairs(trees, "paper-train", sbd=trees)


def test_the_year_of_the_folder_is_taken(trees, tmp_path):
    root = trees / "TrainVal" / "VOCdevkit" / "VOC2011"
    [image, *_] = [image for image, _ in datasets.voc_pairs(root, "val")]
    assert image.is_relative_to(root)
    miniature_voc.write_voc(tmp_path, 2011)
    assert len(datasets.voc_pairs(tmp_path, "train")) == 6


@pytest.mark.parametrize(
    ("list_pairs", "split", "name"),
    [
        (datasets.voc_pairs, "train", "voc2012"),
        (datasets.camvid_pairs, "train", "camvid"),
        (datasets.pets_pairs, "test", "pets"),
    ],
)
def test_a_wrong_folder_is_one_line(tmp_path, list_pairs, split, name):
    for folder, state in ((tmp_path, "holds no"), (tmp_path / "x", "is no folder")):
        message = list_in_vain(FileNotFoundError, list_pairs, folder, split)
        assert message.startswith(f"{folder} {state}")
        assert f"python -m fcnlib download {name}" in message


def test_a_wrong_folder_of_sbd_is_one_line(trees, tmp_path):
    message = list_in_vain(
        FileNotFoundError, datasets.voc_pairs, trees, "sbd-train", sbd=tmp_path
    )
    assert "benchmark_RELEASE/dataset/cls" in message and "download sbd" in message


def test_the_paper_s_splits_never_send_for_voc_2012(trees, tmp_path):
    message = list_in_vain(
        FileNotFoundError, datasets.voc_pairs, tmp_path, "seg11valid", sbd=trees
    )
    assert "download voc2011" in message
    pairs = datasets.voc_pairs(tmp_path, "paper-train", sbd=trees)
    assert pairs == datasets.voc_pairs(trees, "paper-train", sbd=trees)


def test_seg11valid_is_no_part_of_voc_2012(trees, voc_2012):
    for folder in (voc_2012, voc_2012.parent):
        message = list_in_vain(
            ValueError, datasets.voc_pairs, folder, "seg11valid", trees
        )
        assert "is VOC 2012" in message and "download voc2011" in message


# Bad input


@pytest.mark.parametrize(
    "list_pairs", [datasets.voc_pairs, datasets.camvid_pairs, datasets.pets_pairs]
)
def test_an_unknown_split_names_the_known_ones(trees, list_pairs):
    message = list_in_vain(ValueError, list_pairs, trees, "training")
    assert "split training is unknown; expected one of" in message
    assert "test" in message or "seg11valid" in message


@pytest.mark.parametrize("split", voc.SBD_SPLITS)
def test_sbd_is_asked_for_where_it_is_needed(trees, split):
    message = list_in_vain(ValueError, datasets.voc_pairs, trees, split)
    assert f"split {split} needs SBD" in message


def test_missing_masks(voc_2012):
    shutil.rmtree(voc_2012 / "SegmentationClass")
    message = list_in_vain(FileNotFoundError, datasets.voc_pairs, voc_2012, "val")
    first = voc_2012 / "SegmentationClass" / "2007_000002.png"
    assert message.startswith(f"{first} is missing")
    assert "of 8 files" in message and "4 are not there" in message


def test_a_list_that_names_absent_files(voc_2012):
    with open(voc_2012 / "ImageSets" / "Segmentation" / "val.txt", "a") as file:
        file.write("2012_999999\n")
    message = list_in_vain(FileNotFoundError, datasets.voc_pairs, voc_2012, "val")
    assert "2012_999999.jpg is missing" in message and "2 are not there" in message


def test_lists_of_another_system_are_read(voc_2012):
    path = voc_2012 / "ImageSets" / "Segmentation" / "val.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b" \r\n") + b"\r\n")
    assert names_of(datasets.voc_pairs(voc_2012, "val")) == miniature_voc.voc_names(
        "val"
    )


def test_a_list_that_is_missing_or_empty(voc_2012):
    path = voc_2012 / "ImageSets" / "Segmentation" / "val.txt"
    path.write_text("\n")
    message = list_in_vain(ValueError, datasets.voc_pairs, voc_2012, "val")
    assert message.startswith(f"{path} names no files")
    path.unlink()
    message = list_in_vain(FileNotFoundError, datasets.voc_pairs, voc_2012, "val")
    assert message.startswith(f"{path} is missing")


def test_a_list_of_camvid_that_is_cut(trees, tmp_path):
    shutil.copytree(trees / "CamVid", tmp_path / "CamVid")
    (tmp_path / "CamVid" / "val.txt").write_text("a/b c/d e/f")
    message = list_in_vain(ValueError, datasets.camvid_pairs, tmp_path, "val")
    assert "val.txt names 3 files; expected an even number" in message


def test_masks_in_colors_are_refused(voc_2012):
    [(_, labels), *_] = datasets.voc_pairs(voc_2012, "val")
    miniature_voc.paint_mask(labels.path)
    assert "no label map (PNG, RGB)" in read_in_vain(labels)


def test_masks_in_gray_are_refused(voc_2012):
    [(_, labels), *_] = datasets.voc_pairs(voc_2012, "val")
    PIL.Image.open(labels).convert("L").save(labels)
    assert "holds the number" in read_in_vain(labels)


@pytest.mark.parametrize(
    ("numbering", "number"),
    [("voc", 21), ("voc", 254), ("camvid", 12), ("camvid", 255), ("pets", 0)],
)
def test_a_number_that_is_no_class_is_named(tmp_path, numbering, number):
    path = tmp_path / "labels.png"
    datasets.write_png(path, np.array([[1, 2, number]], "uint8"))
    message = read_in_vain(voc.LabelFile(path, numbering))
    assert f"holds the number {number};" in message


def test_an_image_and_labels_of_two_sizes(voc_2012):
    [(image, _), (_, labels), *_] = datasets.voc_pairs(voc_2012, "trainval")
    with pytest.raises(ValueError, match="66 x 93 pixels but .* has 75 x 100"):
        datasets.read_pair(image, voc.LabelFile(labels.path, "voc"))


# MATLAB files


def test_damaged_and_foreign_mat_files(tmp_path):
    labels = voc.LabelFile(tmp_path / "a.mat", "voc")
    assert "unpack" in read_in_vain(labels, FileNotFoundError)
    miniature_voc.write_mat(labels.path, np.ones((9, 7), "uint8"))
    assert datasets.read_labels(labels).shape == (9, 7)
    content = labels.path.read_bytes()
    for broken in (b"", content[:60], content[:-40], b"<html>" * 100):
        labels.path.write_bytes(broken)
        assert "damaged or no label map of SBD" in read_in_vain(labels)


def test_a_mat_file_of_another_kind(tmp_path):
    labels = voc.LabelFile(tmp_path / "a.mat", "voc")
    miniature_voc.write_mat(labels.path, np.ones((9, 7)))
    assert "(9, 7), float64" in read_in_vain(labels)
    miniature_voc.scipy.io.savemat(labels.path, {"GTinst": 1})
    assert "GTcls" in read_in_vain(labels)


def test_without_scipy_the_line_says_what_to_install(trees, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    [(_, labels), *_] = datasets.voc_pairs(trees, "paper-train", trees)
    assert "python -m pip install scipy" in read_in_vain(labels)
    # Nothing else needs it.
    assert datasets.read_pair(*datasets.voc_pairs(trees, "val")[0])
