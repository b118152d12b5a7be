"""The pages hold the lessons as they are stored, and lead nowhere that is not there."""

import json
import re
import subprocess
import tomllib
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest

from fcnlib import pasture, plotting

pytestmark = pytest.mark.site

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


class Reader(HTMLParser):
    """Collects what a page shows and where it leads."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.images = [], [], []
        self.anchors, self.tags = set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        self.tags.append(tag)
        self.anchors |= {attributes.get("id"), attributes.get("name")} - {None}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if tag in ("script", "img", "iframe", "source") and "src" in attributes:
            self.loads.append(attributes["src"])
        if tag == "link" and attributes.get("rel") in ("stylesheet", "icon"):
            self.loads.append(attributes["href"])


@pytest.fixture(scope="module")
def read(html, pages):
    """What each page holds, by its address."""
    return {place: Reader(html / place) for place in pages}


def page_of(lesson):
    return f"notebooks/{lesson.stem}.html"


def follow(place, address):
    """The path inside the site and the anchor that a relative address leads to."""
    parts = urlsplit(address)
    path = PurePosixPath(place).parent / unquote(parts.path) if parts.path else place
    kept = []
    for part in PurePosixPath(path).parts:
        kept = kept[:-1] if part == ".." else [*kept, part]
    return "/".join(kept), unquote(parts.fragment)


def test_every_lesson_has_a_page_and_comes_in_order(read):
    links = dict.fromkeys(read["index.html"].links)
    listed = [link for link in links if re.fullmatch(r"notebooks/\d+_\w+\.html", link)]
    assert listed == [page_of(lesson) for lesson in LESSONS]
    for before, lesson, after in zip(LESSONS, LESSONS[1:], LESSONS[2:], strict=False):
        text = read[page_of(lesson)].links
        assert f"{before.stem}.html" in text and f"{after.stem}.html" in text


def test_every_link_and_every_picture_is_there(html, read):
    broken = []
    for place, page in read.items():
        for address in page.links + page.loads:
            if urlsplit(address).scheme in ("", "file"):
                target, anchor = follow(place, address)
                known = read[target].anchors if target in read else set()
                if not (html / target).is_file() or (anchor and anchor not in known):
                    broken.append((place, address))
    assert broken == []


def test_nothing_is_loaded_from_another_host(read):
    for place, page in read.items():
        for address in page.loads:
            assert urlsplit(address).scheme in ("", "data"), (place, address)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_keeps_its_texts_figures_and_hints(read, html, lesson):
    cells = json.loads(lesson.read_text("utf-8"))["cells"]
    page = read[page_of(lesson)]
    outputs = [each for cell in cells for each in cell.get("outputs", [])]
    told = [
        each["metadata"]["image/png"]["alt"]
        for each in outputs
        if "image/png" in each.get("data", {})
    ]
    texts = ["".join(cell["source"]) for cell in cells]
    told += [alt for text in texts for alt in re.findall(r"!\[([^]]+)\]\(", text)]
    shown = [image["alt"] for image in page.images]
    assert sorted(shown) == sorted(" ".join(alt.split()) for alt in told)

    marked = [
        re.findall(r"^#{1,4} ", text, flags=re.MULTILINE)
        for text, cell in zip(texts, cells, strict=True)
        if cell["cell_type"] == "markdown"
    ]
    shown = [tag for tag in page.tags if re.fullmatch(r"h[1-4]", tag)]
    assert len(shown) == sum(map(len, marked))

    hints = sum(text.count("<details>") for text in texts)
    explorers = sum("explorer" in cell["metadata"].get("tags", []) for cell in cells)
    assert page.tags.count("details") == hints + explorers
    raw = (html / page_of(lesson)).read_text("utf-8")
    assert "widget-view" not in raw and "google.colab" not in raw
    code = sum(cell["cell_type"] == "code" for cell in cells)
    assert raw.count("cell_input docutils") == code - 1  # all but the generated one
    printed = sum(each.get("name") == "stdout" for each in outputs)
    assert raw.count("output stream highlight") == printed


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_weighs_under_two_megabytes(html, read, lesson):
    place = page_of(lesson)
    images = {follow(place, image["src"])[0] for image in read[place].images}
    own = [html / name for name in {place, *images}]
    assert sum(path.stat().st_size for path in own) < 2e6


def test_the_site_without_networks_weighs_under_sixty_megabytes(html):
    files = [path for path in html.rglob("*") if path.is_file()]
    light = [path for path in files if path.suffix not in (".onnx", ".wasm")]
    assert sum(path.stat().st_size for path in light) < 60e6


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_buttons_of_a_lesson_open_its_student_edition(read, html, lesson):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    owner_and_name = project["urls"]["Repository"].removeprefix("https://github.com/")
    colab, binder, download = (
        next(link for link in read[page_of(lesson)].links if part in link)
        for part in ("colab.research", "mybinder", "downloads/")
    )
    path = f"notebooks/{lesson.name}"
    assert colab == (
        f"https://colab.research.google.com/github/{owner_and_name}/blob/main/{path}"
    )
    assert binder == (
        f"https://mybinder.org/v2/gh/{owner_and_name}/main?labpath={path}"
    )
    handed_out = html / follow(page_of(lesson), download)[0]
    assert handed_out.read_bytes() == lesson.read_bytes()


def test_the_public_address_stands_in_one_file():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    address = project["urls"]["Repository"].removeprefix("https://")
    command = ["git", "-C", ROOT, "-c", f"safe.directory={ROOT}", "grep", "-l"]
    options = ["--untracked", "-F", address, "--", ":!notebooks/*.ipynb"]
    found = subprocess.run([*command, *options], capture_output=True, text=True)
    if found.returncode not in (0, 1):
        pytest.skip("not a git checkout")
    assert found.stdout.split() == ["pyproject.toml"]


def test_the_legend_has_the_colors_of_the_label_maps(html):
    text = (html / "_static" / "site.css").read_text("utf-8")
    rules = dict(re.findall(r"\.legend \.(\w+) \{ background: (#\w{6}); \}", text))
    values = [*range(len(pasture.CLASSES)), plotting.VOID]
    colors = plotting.colorize([values], pasture.CLASSES)[0]
    expected = ["#{:02x}{:02x}{:02x}".format(*color) for color in colors]
    assert rules == dict(zip([*pasture.CLASSES, "void"], expected, strict=True))


def test_the_fence_gains_most_from_the_skips(html):
    text = (html / "compare.html").read_text("utf-8")
    rows = {
        name: [float(cell) for cell in re.findall(r"<p>(\d\.\d\d)</p>", row)]
        for name, row in re.findall(r"<td><p>(FCN-\d+s)</p></td>(.*?)</tr>", text, re.S)
    }
    gains = [
        fine - coarse
        for fine, coarse in zip(rows["FCN-8s"], rows["FCN-32s"], strict=True)
    ]
    assert max(gains) == gains[pasture.CLASSES.index("fence")]
