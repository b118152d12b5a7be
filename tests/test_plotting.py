"""Colors, overlays, and figures that carry their own description."""

import io
import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from fcnlib import plotting

NAMES = ("sky", "grass", "tree", "fence", "horse")
ALT = "A gray picture beside a label map of a horse on grass."


@pytest.fixture
def scene():
    """Make a gray image, and labels of a horse on grass with some void."""
    labels = np.ones((24, 32), dtype=np.uint8)
    labels[6:18, 8:24] = 255
    labels[8:16, 10:22] = 4
    return np.full((24, 32, 3), 128, dtype=np.uint8), labels


@pytest.fixture
def displayed(monkeypatch):
    """Collect what is displayed, with its metadata."""
    collected = []

    def display(shown, metadata):
        collected.append((Image.open(io.BytesIO(shown.data)), metadata))

    monkeypatch.setattr(plotting, "display", display)
    return collected


@pytest.fixture
def legends(monkeypatch):
    """Collect the texts of the legends that are drawn."""
    collected = []
    draw = Figure.legend

    def legend(figure, handles, **options):
        collected.append([handle.get_label() for handle in handles])
        return draw(figure, handles=handles, **options)

    monkeypatch.setattr(Figure, "legend", legend)
    return collected


def colors_in(picture):
    """Return the set of colors of a picture."""
    return set(map(tuple, np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()))


def test_palette_is_of_okabe_and_ito():
    # Okabe and Ito, "Color Universal Design", 2008; their blue (0, 114, 178) is left
    # out, because it is too near to sky blue.
    expected = {
        (0, 0, 0),
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (213, 94, 0),
        (204, 121, 167),
    }
    assert len(plotting.PALETTE) == 7
    assert set(map(tuple, plotting.PALETTE.tolist())) == expected


def test_colors_are_far_apart():
    # CIE 1976 distances; a difference of about 2 can just be seen.
    colors = np.vstack([plotting.PALETTE, [[255, 255, 255]]]).astype(np.float32)
    lab = cv2.cvtColor(colors[None] / 255, cv2.COLOR_RGB2Lab)[0]
    pairs = itertools.combinations(lab, 2)
    assert min(np.linalg.norm(one - other) for one, other in pairs) > 30
    sky, grass, tree = lab[:3, 0]
    assert min(sky, grass) - tree > 40


def test_colorize_paints_classes_and_void():
    labels = np.array([[0, 1, 2, 3], [4, 5, 6, 255]], dtype=np.uint8)
    painted = plotting.colorize(labels)
    assert painted.dtype == np.uint8
    np.testing.assert_array_equal(painted.reshape(8, 3)[:7], plotting.PALETTE)
    np.testing.assert_array_equal(painted[1, 3], [255, 255, 255])
    stack = plotting.colorize(np.stack([labels, labels]).astype(np.int64))
    np.testing.assert_array_equal(stack, [painted, painted])


def test_background_is_black_and_the_horse_keeps_its_color():
    labels = np.arange(7)[None]
    painted = plotting.colorize(labels, ("background", "horse"))[0]
    assert painted[0].tolist() == [0, 0, 0]
    horse = plotting.colorize(np.array([[4]]))[0, 0]
    np.testing.assert_array_equal(painted[1], horse)
    assert len(np.unique(painted, axis=0)) == 7


def test_overlay_tints_and_outlines(scene):
    image, labels = scene
    labels = np.where(labels == 255, 1, labels)
    tinted = plotting.overlay(image, labels)

    # Half gray 128, half vermillion or green; halves are rounded to even.
    np.testing.assert_array_equal(tinted[12, 16], [170, 111, 64])
    np.testing.assert_array_equal(tinted[0, 0], [64, 143, 122])
    # The line runs around the horse, and takes none of its pixels.
    white = (tinted == 255).all(axis=-1)
    ring = cv2.dilate((labels == 4).astype(np.uint8), np.ones((3, 3), np.uint8))
    corners = [(7, 9), (7, 22), (16, 9), (16, 22)]
    for corner in corners:  # diagonal neighbors do not touch
        ring[corner] = 0
    np.testing.assert_array_equal(white, (ring == 1) & (labels != 4))


def test_overlay_leaves_void_and_background(scene):
    image, labels = scene
    tinted = plotting.overlay(image, labels)
    np.testing.assert_array_equal(tinted[labels == 255], image[labels == 255])

    binary = (labels == 4).astype(np.uint8)
    tinted = plotting.overlay(image, binary, ("background", "horse"))
    changed = (tinted != image).any(axis=-1)
    assert changed[binary == 1].all()
    # 8 x 12 pixels of horse, and an outline along its four sides.
    assert changed.sum() == 8 * 12 + 2 * (8 + 12)


def test_overlay_of_a_single_pixel_and_of_no_tint(scene):
    image, labels = scene
    single = plotting.overlay(image[:1, :1], labels[:1, :1])
    assert single.shape == (1, 1, 3)
    flat = np.ones_like(labels)
    np.testing.assert_array_equal(plotting.overlay(image, flat, opacity=0), image)


def test_figure_is_displayed_with_its_alt_text_and_closed(scene, displayed):
    assert plotting.show_images(scene, ["image", "truth"], ALT, NAMES) is None
    [(picture, metadata)] = displayed
    assert metadata == {"image/png": {"alt": ALT}}
    assert plt.get_fignums() == []
    green, vermillion = (0, 158, 115), (213, 94, 0)
    assert {green, vermillion, (128, 128, 128)} <= colors_in(picture)


def test_show_closes_a_figure_of_pyplot(displayed):
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    plotting.show(figure, ALT)
    assert plt.get_fignums() == []
    assert displayed[0][1] == {"image/png": {"alt": ALT}}


def test_legend_names_only_what_is_present(scene, displayed, legends):
    image, labels = scene
    predictions = np.full_like(labels, 3)
    titles = ["image", "truth", "prediction"]
    plotting.show_images([image, labels, predictions], titles, ALT, NAMES)
    plotting.show_images([predictions], ["prediction"], ALT, NAMES)
    plotting.show_images([image, labels], ["image", "truth"], ALT)
    plotting.show_images([image], ["image"], ALT, NAMES)
    assert legends == [["grass", "fence", "horse", "void"], ["fence"]]


def test_figures_stay_legible_on_a_dark_page(scene, displayed):
    with plt.style.context("dark_background"):
        plotting.show_images(scene, ["image", "truth"], ALT, NAMES)
    pixels = np.asarray(displayed[0][0].convert("RGBA"))
    assert (pixels[..., 3] == 255).all()
    assert (pixels[[0, -1]] == 255).all()
    title = pixels[:18, :, :3]
    assert title.min() < 60


@pytest.mark.parametrize("count, rows", [(1, 1), (4, 1), (5, 2), (9, 3)])
def test_panels_wrap_after_four(displayed, count, rows):
    purple = np.full((24, 24, 3), (120, 0, 200), dtype=np.uint8)
    plotting.show_images([purple] * count, ["image"] * count, ALT)
    found = (np.asarray(displayed[0][0].convert("RGB")) == (120, 0, 200)).all(axis=-1)
    boxes = cv2.connectedComponentsWithStats(found.astype(np.uint8))[2][1:, :4]
    assert len(boxes) == count
    assert len(set(boxes[:, 0])) == min(count, 4)  # left edges
    assert len(set(boxes[:, 1])) == rows  # upper edges
    assert np.ptp(boxes[:, 2:]) <= 2  # all squares of one size


def test_saved_figure_describes_itself(scene, tmp_path):
    path = tmp_path / "scene.png"
    plotting.save_images(path, scene, ["image", "truth"], ALT, NAMES)
    picture = Image.open(path)
    assert picture.text == {"Description": ALT}
    assert picture.width > 1500
    assert list(tmp_path.iterdir()) == [path]
    first = path.read_bytes()
    plotting.save_images(path, scene, ["image", "truth"], ALT, NAMES)
    assert path.read_bytes() == first


def test_failed_save_leaves_what_was_there(scene, tmp_path, monkeypatch):
    path = tmp_path / "scene.png"
    path.write_bytes(b"before")

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        plotting.save_images(path, scene, ["image", "truth"], ALT)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("alt", ["", "  \n", None, "x" * 301])
def test_alt_text_is_required(scene, displayed, alt):
    with pytest.raises(ValueError, match="alt must be a text of 1 to 300 characters"):
        plotting.show_images(scene, ["image", "truth"], alt)
    assert displayed == []


@pytest.mark.parametrize("value", [7, 254, -1, 300])
def test_labels_without_a_color_are_named(scene, value):
    with pytest.raises(ValueError, match=f"from 0 to 6, or 255 for void, got {value}:"):
        plotting.colorize(np.array([[0, value]]))


@pytest.mark.parametrize(
    "images, titles, names, message",
    [
        ([], [], (), "at least one image and as many titles as images, got 0 and 0"),
        ([np.zeros((2, 2), int)], [], (), "got 1 and 0: give each image a title"),
        ([np.zeros((2, 2, 3))], ["a"], (), r"got \(2, 2, 3\) float64"),
        ([np.zeros((2, 2, 1), np.uint8)], ["a"], (), r"got \(2, 2, 1\) uint8"),
        ([np.zeros(3, np.uint8)], ["a"], (), r"got \(3,\) uint8"),
        ([np.zeros((2, 2))], ["a"], (), "labels must be integers, got float64"),
        ([np.zeros((0, 2), int)], ["a"], (), r"must have pixels, got .* \(0, 2\)"),
        ([np.full((2, 2), 5)], ["a"], NAMES, "got 5 names and the class 5"),
    ],
)
def test_bad_panels_are_named(displayed, images, titles, names, message):
    with pytest.raises(ValueError, match=message):
        plotting.show_images(images, titles, ALT, names)


def test_overlay_wants_equal_sizes(scene):
    image, labels = scene
    with pytest.raises(
        ValueError, match=r"size of the image, \(24, 32\), got \(23, 32"
    ):
        plotting.overlay(image, labels[1:])


def test_import_makes_no_figure_and_changes_no_setting():
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "from fcnlib import plotting\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "assert plotting.plt.get_fignums() == []\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def written(figure):
    """Return the texts in the squares of a figure of grids."""
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_grids_write_every_number_and_leave_nan_empty():
    grid = np.array([[1, -2], [0, 30]])
    results = np.array([[0.5, np.nan, 1 / 16]])
    with plt.style.context(plotting.STYLE):
        figure = plotting._draw_grids([grid, results], ["one", "two"], None)
    assert written(figure) == ["1", "−2", "0", "30", "0.5", "", "0.0625"]
    squares = figure.axes[1].patches
    assert squares[1].get_facecolor()[:3] == (0.85, 0.85, 0.85)
    # Negative is orange, positive is purple, zero is white.
    colors = np.array([square.get_facecolor()[:3] for square in figure.axes[0].patches])
    assert colors[1, 0] > colors[1, 2] and colors[3, 0] < colors[3, 2]
    assert (colors[2] == 1).all()


def test_numbers_on_grids_can_be_read():
    grid = np.arange(-50, 50).reshape(10, 10)
    with plt.style.context(plotting.STYLE):
        figure = plotting._draw_grids([grid], ["numbers"], None)
    for patch in figure.axes[0].patches:
        # Relative luminance of WCAG 2; 7 to 1 is its strictest level.
        linear = np.array(patch.get_facecolor()[:3]) ** 2.2
        assert (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.055 > 7


def test_windows_are_outlined_where_they_lie(displayed):
    grid = np.zeros((6, 6), dtype=int)
    windows = [(1, 2, 3, 3), None]
    with plt.style.context(plotting.STYLE):
        figure = plotting._draw_grids([grid, grid], ["in", "out"], windows)
    outlines = [[p for p in axis.patches if not p.get_fill()] for axis in figure.axes]
    assert [len(found) for found in outlines] == [1, 0]
    # Square (i, j) reaches from i - 0.5 to i + 0.5.
    assert outlines[0][0].get_bbox().extents.tolist() == [1.5, 0.5, 4.5, 3.5]
    assert plotting.show_grids([grid], ["in"], ALT, windows[:1]) is None
    assert displayed[0][1] == {"image/png": {"alt": ALT}}


def test_squares_of_all_grids_have_one_size(displayed):
    # Without a number, a grid of ones is flat purple inside its gray lines.
    plotting.show_grids([np.ones((4, 4)), np.ones((1, 3))], ["a", "b"], ALT)
    pixels = np.asarray(displayed[0][0].convert("RGB")).astype(int)
    purple = (pixels == pixels[pixels.shape[0] // 2, 12]).all(axis=-1).astype(np.uint8)
    boxes = cv2.connectedComponentsWithStats(purple)[2][1:]
    squares = boxes[boxes[:, 4] > 200]
    assert len(squares) == 4 * 4 + 3
    assert np.ptp(squares[:, 2:4]) <= 2


def test_maps_share_one_scale():
    maps = [np.array([[0, 1.0]]), np.array([[2.0], [5]])]
    with plt.style.context(plotting.STYLE):
        figure = plotting._draw_maps(maps, ["a", "b"], signed=False)
        signed = plotting._draw_maps([-maps[0], maps[1]], ["a", "b"], signed=True)
        flat = plotting._draw_maps([np.zeros((2, 2))], ["a"], signed=True)
    limits = [axis.images[0].get_clim() for axis in figure.axes[:2]]
    assert limits == [(0, 5), (0, 5)]
    assert [axis.images[0].get_clim() for axis in signed.axes[:2]] == [(-5, 5)] * 2
    assert len(figure.axes) == 3  # two maps, one color bar
    assert flat.axes[0].images[0].get_clim() == (-1, 1)


def test_curves_differ_in_more_than_color(displayed):
    curves = {str(i): (range(3), [i, i, i]) for i in range(6)}
    with plt.style.context(plotting.STYLE):
        figure = plotting._draw_curves(curves, "epoch", "loss")
    lines = figure.axes[0].lines
    assert len({str(line.get_color()) for line in lines}) == 6
    assert len({line.get_marker() for line in lines}) == 6
    assert len({str(look[1]) for look in plotting.CURVES}) == 6
    assert figure.axes[0].get_xlabel() == "epoch"
    assert figure.axes[0].get_ylabel() == "loss"
    assert plotting.show_curves(curves, ALT, "epoch", "loss") is None
    assert displayed[0][1] == {"image/png": {"alt": ALT}}


def test_boxes_outside_the_image_are_seen():
    image = np.zeros((20, 30, 3), dtype=np.uint8)
    boxes = {"small": (5, 6, 2, 3), "large": (-10, -15, 40, 60)}
    with plt.style.context(plotting.STYLE):
        figure = plotting._draw_boxes(image, boxes)
    axis = figure.axes[0]
    small, large = (patch.get_bbox().extents.tolist() for patch in axis.patches)
    # Pixel 6 begins at 5.5; three columns later, 8.5, the box ends.
    assert small == [5.5, 4.5, 8.5, 6.5]
    assert axis.get_xlim()[0] <= large[0] and axis.get_xlim()[1] >= large[2]
    assert axis.get_ylim()[1] <= large[1] and axis.get_ylim()[0] >= large[3]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(boxes)


def test_boxes_are_displayed_with_their_alt_text(scene, displayed):
    assert plotting.show_boxes(scene[0], {"truth": (2, 3, 4, 5)}, ALT) is None
    [(picture, metadata)] = displayed
    assert metadata == {"image/png": {"alt": ALT}}
    assert {(0, 0, 0), (128, 128, 128)} <= colors_in(picture)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plotting.show_grids([], [], ALT), "got 0 and 0"),
        (lambda: plotting.show_grids([np.eye(2)], [], ALT), "got 1 and 0"),
        (lambda: plotting.show_grids([np.ones(3)], ["a"], ALT), r"\(H, W\).*\(3,\)"),
        (lambda: plotting.show_grids([np.eye(2)], ["a"], ALT, []), "1 grids, got 0"),
        (lambda: plotting.show_grids([np.eye(120)], ["a"], ALT), "few squares"),
        (lambda: plotting.show_maps([np.ones((2, 2, 3))], ["a"], ALT), r"\(2, 2, 3\)"),
        (lambda: plotting.show_curves({}, ALT, "x", "y"), "from 1 to 6 .* got 0"),
        (lambda: plotting.show_boxes(np.eye(4), {"a": (0, 0, 1, 1)}, ALT), "uint8"),
        (
            lambda: plotting.show_boxes(
                np.zeros((9, 9, 3), np.uint8), dict.fromkeys("abcdefg"), ALT
            ),
            "got 7",
        ),
    ],
)
def test_figures_name_what_they_cannot_draw(call, message):
    with pytest.raises(ValueError, match=message):
        call()
