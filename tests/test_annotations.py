"""Outlines of annotation tools as label maps, and those of the photographs."""

import json

import numpy as np
import pytest

from fcnlib import annotations, photographs

CLASSES = ("background", "cat", "dog")
SQUARE = [[2, 1], [5, 1], [5, 3], [2, 3]]  # (x, y): columns 2 to 5, rows 1 to 3


def inside(corners, x, y):
    """Say whether a point is inside a polygon: an odd number of edges to its right."""
    crossed = 0
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y):
            crossed += x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return crossed % 2 == 1


def store(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def labelme(*shapes, size=(6, 8)):
    """Return what labelme writes for a picture."""
    keys = ("label", "points", "shape_type")
    listed = [dict(zip(keys, shape, strict=True)) for shape in shapes]
    return {"shapes": listed, "imageHeight": size[0], "imageWidth": size[1]}


def coco(*regions):
    """Return what COCO's format holds for two pictures and two categories."""
    keys = ("image_id", "category_id", "segmentation")
    return {
        "images": [
            {"id": 40, "file_name": "a.jpg", "height": 6, "width": 8},
            {"id": 7, "file_name": "b.jpg", "height": 5, "width": 4},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "annotations": [dict(zip(keys, region, strict=True)) for region in regions],
    }


# Painting


def test_a_square_holds_the_pixels_of_its_corners_and_between():
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 2:6] = 3
    painted = annotations.paint_outlines([(SQUARE, 3)], 6, 8)
    assert painted.dtype == np.uint8
    np.testing.assert_array_equal(painted, expected)


def test_stars_agree_with_counted_crossings_but_for_their_rim():
    random = np.random.default_rng(0)
    for _ in range(20):
        angles = np.arange(9) * 2 * np.pi / 9
        radii = random.uniform(8, 19, 9)
        corners = np.rint(20 + radii * [np.cos(angles), np.sin(angles)]).T
        labels = annotations.paint_outlines([(corners, 1)], 40, 40)
        expected = np.array(
            [[inside(corners, j, i) for j in range(40)] for i in range(40)]
        )
        # The rim belongs to the outline here, and is left open there.
        assert labels[expected].all()
        edges = zip(corners, np.roll(corners, -1, axis=0), strict=True)
        along = [a + t * (b - a) for a, b in edges for t in np.linspace(0, 1, 200)]
        rows, columns = np.nonzero((labels == 1) & ~expected)
        for row, column in zip(rows, columns, strict=True):
            distances = np.hypot(*(np.array(along) - [column, row]).T)
            assert distances.min() < 1


def test_the_later_outline_stays_and_one_may_leave_the_picture():
    outlines = [(SQUARE, 1), ([(4, 2), (20, 2), (20, 20), (4, 20)], 255)]
    labels = annotations.paint_outlines(outlines, 6, 8)
    assert labels[1, 5] == 1 and labels[2, 3] == 1
    assert (labels[2:, 4:] == 255).all() and labels[5, 3] == 0


def test_a_corner_belongs_to_the_pixel_that_it_lies_in():
    corners = [(2.9, 1.9), (2.9, 1.0), (2.0, 1.0)]
    assert annotations.paint_outlines([(corners, 1)], 4, 4).nonzero() == ([1], [2])


# labelme


def test_labelme_is_read_by_the_names_of_its_shapes(tmp_path):
    shapes = labelme(
        ("dog", SQUARE, "polygon"),
        ("cat", [[0, 0], [1, 5]], "rectangle"),
        ("void", [[7, 0], [7, 5], [7, 5]], "polygon"),
    )
    labels = annotations.read_labelme(store(tmp_path / "a.json", shapes), CLASSES)
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 2:6], expected[:, :2], expected[:, 7] = 2, 1, 255
    np.testing.assert_array_equal(labels, expected)


def test_labelme_without_shapes_is_background(tmp_path):
    path = store(tmp_path / "a.json", labelme())
    assert not annotations.read_labelme(path, CLASSES).any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (labelme(("cow", SQUARE, "polygon")), "background, cat, dog, .* named cow"),
        (labelme(("cat", SQUARE[:2], "circle")), "cat is a circle: draw it as a"),
        ({"shapes": [], "imageWidth": 3}, "no entry imageHeight"),
    ],
)
def test_labelme_that_cannot_be_read_says_why(tmp_path, content, message):
    path = store(tmp_path / "a.json", content)
    with pytest.raises(ValueError, match=message) as error:
        annotations.read_labelme(path, CLASSES)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_damaged_and_missing_files_are_errors(tmp_path):
    path = tmp_path / "a.json"
    for read in (annotations.read_labelme, annotations.read_coco):
        with pytest.raises(FileNotFoundError, match="a.json is no file"):
            read(path, CLASSES)
    path.write_text('{"shapes": [')
    for read in (annotations.read_labelme, annotations.read_coco):
        with pytest.raises(ValueError, match="expected JSON, but it cannot be read"):
            read(path, CLASSES)


# COCO


def test_coco_is_read_by_names_and_not_by_numbers(tmp_path):
    flat = [number for corner in SQUARE for number in corner]
    content = coco(
        (40, 18, [flat]),
        (7, 17, [[0, 0, 3, 0, 3, 0], [0, 4, 3, 4, 3, 4]]),  # one cat in two parts
    )
    labels = annotations.read_coco(store(tmp_path / "a.json", content), CLASSES)
    assert list(labels) == ["a.jpg", "b.jpg"]
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 2:6] = 2
    np.testing.assert_array_equal(labels["a.jpg"], expected)
    expected = np.zeros((5, 4), np.uint8)
    expected[[0, 4]] = 1
    np.testing.assert_array_equal(labels["b.jpg"], expected)


def test_coco_that_cannot_be_read_says_why(tmp_path):
    runs = coco((40, 18, {"counts": [0, 4], "size": [6, 8]}))
    with pytest.raises(ValueError, match="picture 40 is stored as runs of pixels"):
        annotations.read_coco(store(tmp_path / "a.json", runs), CLASSES)
    with pytest.raises(ValueError, match="expected one of background, dog"):
        annotations.read_coco(
            store(tmp_path / "b.json", coco((40, 17, [[0, 0, 1, 1, 2, 0]]))),
            ("background", "dog"),
        )
    with pytest.raises(ValueError, match="as COCO writes them, but .* images"):
        annotations.read_coco(store(tmp_path / "c.json", labelme()), CLASSES)


# The photographs


@pytest.mark.parametrize("name", photographs.OUTLINES)
def test_outlines_lie_in_their_photographs(name):
    pytest.importorskip("skimage")
    image = photographs.load_photograph(name)
    corners = np.array(photographs.OUTLINES[name])
    assert image.dtype == np.uint8 and image.shape[2] == 3
    assert (corners >= 0).all() and (corners < image.shape[1::-1]).all()
    labels = annotations.paint_outlines([(corners, 1)], *image.shape[:2])
    x, y = corners.T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2  # the shoelace formula
    assert labels.mean() == pytest.approx(area / labels.size, rel=0.08)


# Places that anyone can find in the photographs: (x, y), inside or not.
@pytest.mark.parametrize(
    ("name", "within", "outside"),
    [
        ("astronaut", [(230, 110), (170, 385), (430, 430)], [(30, 60), (410, 200)]),
        ("camera", [(200, 90), (100, 300), (295, 160)], [(400, 60), (293, 400)]),
        ("chelsea", [(170, 110), (315, 130), (370, 20)], [(10, 40), (420, 200)]),
        ("coffee", [(290, 150), (120, 240), (360, 290)], [(30, 30), (550, 200)]),
        ("rocket", [(322, 150), (322, 380)], [(200, 300), (300, 60), (45, 200)]),
    ],
)
def test_outlines_hold_the_subject(name, within, outside):
    corners = photographs.OUTLINES[name]
    labels = annotations.paint_outlines([(corners, 1)], 640, 640)
    assert [labels[y, x] for x, y in within] == [1] * len(within)
    assert [labels[y, x] for x, y in outside] == [0] * len(outside)


def test_unknown_photograph_and_missing_package_are_errors(monkeypatch):
    with pytest.raises(ValueError, match="astronaut, .* but got 'horse'"):
        photographs.load_photograph("horse")
    monkeypatch.setattr(photographs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="run python -m pip install scikit-image"):
        photographs.load_photograph("coffee")
