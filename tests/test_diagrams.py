"""Test the diagrams of the networks: as the script draws them, to scale, readable."""

import importlib.util
import pathlib
import re
from xml.etree import ElementTree

import pytest

NOTEBOOKS = pathlib.Path(__file__).parents[1] / "notebooks"
SVG = "{http://www.w3.org/2000/svg}"

# The maps that a picture of 128 x 128 pixels gives: height, width and channels.
BACKBONE = [
    (128, 128, 3),
    (64, 64, 16),
    (32, 32, 32),
    (16, 16, 64),
    (8, 8, 96),
    *[(4, 4, 128)] * 3,
]
SCORES = {
    "fcn32s": {"score_fr": 4, "upscore32": 128},
    "fcn16s": {
        "score_fr": 4,
        "upscore2": 8,
        "score_pool4": 8,
        "fuse_pool4": 8,
        "upscore16": 128,
    },
    "fcn8s": {
        "score_fr": 4,
        "upscore2": 8,
        "score_pool4": 8,
        "fuse_pool4": 8,
        "upscore_pool4": 16,
        "score_pool3": 16,
        "fuse_pool3": 16,
        "upscore8": 128,
    },
}


@pytest.fixture(scope="module")
def diagrams():
    path = NOTEBOOKS / "diagrams.py"
    spec = importlib.util.spec_from_file_location("notebooks_diagrams", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(name):
    return (NOTEBOOKS / "figures" / f"{name}.svg").read_text(encoding="utf-8")


def parse(name):
    return ElementTree.fromstring(stored(name))


def brightness(color):
    """Return the relative luminance of a color, from 0 to 1 (WCAG 2.2)."""
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return sum(
        weight * value
        for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )


@pytest.mark.parametrize("name", SCORES)
def test_stored_diagrams_are_what_the_script_draws(name, diagrams):
    assert stored(name) == diagrams.diagram(name)


def test_main_writes_every_diagram(tmp_path, diagrams, monkeypatch, capsys):
    monkeypatch.setattr(diagrams, "FOLDER", tmp_path / "notebooks" / "figures")
    (tmp_path / "notebooks").mkdir()
    diagrams.main()
    written = {path.stem for path in (tmp_path / "notebooks" / "figures").iterdir()}
    assert written == set(SCORES)
    assert "notebooks/figures/fcn8s.svg" in capsys.readouterr().out


@pytest.mark.parametrize("name", SCORES)
def test_boxes_are_to_scale(name):
    """Height over rows is one number for all boxes, and width over channels too."""
    panel, *boxes = parse(name).findall(f"{SVG}rect")
    shapes = [*BACKBONE, *((side, side, 5) for side in SCORES[name].values())]
    assert len(boxes) == len(shapes)
    sizes = sorted((float(b.get("height")), float(b.get("width"))) for b in boxes)
    expected = sorted((1.25 * rows, 0.6 * channels) for rows, _, channels in shapes)
    for found, wanted in zip(sizes, expected, strict=True):
        assert found == pytest.approx(wanted)


@pytest.mark.parametrize("name", SCORES)
def test_every_layer_is_named_with_its_size(name):
    texts = [text.text for text in parse(name).findall(f"{SVG}text")]
    for layer, side in SCORES[name].items():
        assert texts[texts.index(layer) + 1] == f"{side} × {side} × 5"
    assert "8 × 8 × 96" in texts


@pytest.mark.parametrize("name", SCORES)
def test_diagrams_are_described_in_words(name):
    root = parse(name)
    names = root.get("aria-labelledby").split()
    found = {child.get("id"): child.text for child in root}
    assert root.get("role") == "img" and names == ["title", "desc"]
    assert all(found[part].strip() for part in names)


@pytest.mark.parametrize("name", SCORES)
def test_diagrams_can_be_read_on_any_page(name):
    """An opaque panel lies under all, and text stands out from it (7 to 1)."""
    root = parse(name)
    panel = root.find(f"{SVG}rect")
    assert [panel.get("width"), panel.get("height")] == root.get("viewBox").split()[2:]
    assert panel.get("opacity") is None and panel.get("fill-opacity") is None
    for text in root.findall(f"{SVG}text"):
        dark, bright = brightness(text.get("fill")), brightness(panel.get("fill"))
        assert (bright + 0.05) / (dark + 0.05) >= 7


@pytest.mark.parametrize("name", SCORES)
def test_nothing_leaves_the_panel(name):
    root = parse(name)
    width, height = (float(side) for side in root.get("viewBox").split()[2:])
    for text in root.findall(f"{SVG}text"):
        half = 4.5 * len(text.text)  # a letter is at most 9 wide
        assert half <= float(text.get("x")) <= width - half
        assert 14 <= float(text.get("y")) <= height - 5
    assert not re.search(r'="-', stored(name).split("</desc>")[1])
