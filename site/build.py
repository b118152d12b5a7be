"""Build the site: the lessons with their stored outputs, and the texts around them.

    python site/build.py

The pages land in `site/_build/html`. Nothing of a lesson is run. What the pages
load comes from `site/node_modules`, so that no other host is asked for anything.
"""

import importlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import collect

from fcnlib import __main__ as program

SITE = Path(__file__).resolve().parent
BUILT = SITE / "_build"
PAGES, STATIC, HTML = BUILT / "pages", BUILT / "static", BUILT / "html"
PACKAGES, TRY_IT = SITE / "node_modules", SITE / "try_it"
# The pages beside the lessons, in the order of the table of contents.
AROUND = (
    "compare",
    "try_it",
    "notebooks/glossary",
    "results/README",
    "data/README",
    "install",
    "INSTRUCTORS",
)
LOADED = {".js", ".mjs", ".css", ".html", ".svg", ".png"}


def main():
    """Build the site; return the exit status."""
    start = time.monotonic()
    for folder in (PAGES, STATIC, HTML):
        shutil.rmtree(folder, ignore_errors=True)
    if not (PACKAGES / "mathjax").is_dir():
        print("error: site/node_modules holds no MathJax; run make site")
        return 2
    collect_pages()
    collect_static()
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-c", SITE, PAGES, HTML]
    finished = subprocess.run([sys.executable, *command])
    if finished.returncode:
        return finished.returncode
    hand_out_lessons()
    print(f"{HTML}: {megabytes(HTML):.0f} MB, {time.monotonic() - start:.0f} s")
    return 0


def collect_pages():
    """Write what Sphinx reads."""
    shutil.copytree(SITE / "pages", PAGES)
    for path in collect.lessons():
        text = json.dumps(collect.read_lesson(path))
        _write(PAGES / "notebooks" / path.name, text)
    for place in collect.TEXTS:
        text = (collect.ROOT / place).read_text(encoding="utf-8")
        _write(PAGES / place, collect.relink(text, place))
    for path in collect.files():
        copy = PAGES / path.relative_to(collect.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    _write(PAGES / "parts" / "contents.md", contents())
    readme = (collect.ROOT / "README.md").read_text(encoding="utf-8")
    _write(PAGES / "parts" / "install.md", install_part(readme))
    draw_frames()


def draw_frames():
    """Draw what the page that compares the networks shows."""
    program._import_tensorflow()  # here, without its notices
    frames = importlib.import_module("frames")
    (PAGES / "frames").mkdir()
    _write(PAGES / "parts" / "scores.md", frames.write(PAGES / "frames"))


def contents():
    """Return the tables of contents: the lessons with their numbers, and the rest."""
    numbered = []
    for path in collect.lessons():
        title = collect.title(json.loads(path.read_text(encoding="utf-8")))
        numbered.append(f"{int(path.name[:2])}. {title} <notebooks/{path.stem}>")
    tables = {"Lessons": numbered, "Around the lessons": AROUND}
    return "\n".join(
        f"```{{toctree}}\n:caption: {caption}\n\n" + "\n".join(entries) + "\n```\n"
        for caption, entries in tables.items()
    )


def install_part(readme):
    """Return the section of the README that says how to run the course."""
    section = readme.split("## Two commands\n")[1].split("\n## ")[0]
    return collect.relink(section, "README.md")


def collect_static():
    """Copy what the pages load, and draw what the page to try it needs."""
    packed = PACKAGES / "mathjax" / "es5"
    fonts = "output/chtml/fonts/woff-v2"
    shutil.copytree(packed / fonts, STATIC / "mathjax" / fonts)
    shutil.copy(packed / "tex-chtml.js", STATIC / "mathjax")
    collect_try_it()


def collect_try_it():
    """Copy the page to try the networks, and let it draw what it needs."""
    shutil.copy(TRY_IT / "try_it.md", PAGES)
    (STATIC / "try_it").mkdir()
    for path in TRY_IT.iterdir():
        if path.suffix in LOADED:
            shutil.copy(path, STATIC / "try_it")
    sys.path.insert(0, str(TRY_IT))
    importlib.import_module("assets").write(STATIC / "try_it", PACKAGES)


def hand_out_lessons():
    """Put the student editions beside the pages, for the links that download."""
    (HTML / "downloads").mkdir()
    for path in collect.lessons():
        shutil.copy(path, HTML / "downloads")


def megabytes(folder):
    """Return the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*")) / 1e6


def _write(path, text):
    """Write a text file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
