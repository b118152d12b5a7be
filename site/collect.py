"""Bring the course's texts into the form that Sphinx reads.

Every text keeps its place relative to the others, so that their links hold.
Links to what has no page lead to the public repository.
"""

import json
import re
import tomllib
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
TEXTS = (
    "INSTRUCTORS.md",
    "data/README.md",
    "notebooks/glossary.md",
    "results/README.md",
)
# What these texts show or hand out.
FILES = (
    "data/*.csv",
    "fcnlib/weights/*.json",
    "notebooks/figures/*.svg",
    "results/*.json",
    "results/*.png",
)
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
DESCRIPTION = re.compile(r"!\[[^]]+\]")  # of a picture
BUTTONS = """
<p class="lesson-buttons">
<span>Lesson {number}</span>
<a href="{colab}">Open in Colab</a>
<a href="{binder}">Open in Binder</a>
<a href="{download}" download>Download the notebook</a>
</p>
"""


def repository():
    """Return the public address of the repository, from pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def lessons():
    """Return the paths of the student editions, in order."""
    return sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def files():
    """Return the paths of what the texts show or hand out."""
    found = [path for pattern in FILES for path in ROOT.glob(pattern)]
    return sorted(path for path in found if path.name != "run.json")


def title(notebook):
    """Return the title of a lesson: its first heading."""
    return re.search(r"^# (.+)$", _text(notebook["cells"][0]), re.MULTILINE)[1]


def read_lesson(path):
    """Return a lesson as it becomes a page."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    kept = [cell for cell in notebook["cells"] if "generated" not in _tags(cell)]
    for cell in kept:
        if cell["cell_type"] == "code":
            _describe_figure(cell)
            _fold_explorer(cell)
        else:
            cell["source"] = relink(_text(cell), f"notebooks/{path.name}")
    heading = f"# {title(notebook)}\n"
    kept[0]["source"] = kept[0]["source"].replace(heading, heading + buttons(path), 1)
    return {**notebook, "cells": kept}


def buttons(path):
    """Return the row of links with which a reader starts a lesson."""
    public = PurePosixPath(repository().removeprefix("https://github.com/"))
    return BUTTONS.format(
        number=int(path.name[:2]),
        colab="https://colab.research.google.com/github/"
        f"{public}/blob/main/notebooks/{path.name}",
        binder=f"https://mybinder.org/v2/gh/{public}/main"
        f"?labpath=notebooks/{path.name}",
        download=f"../downloads/{path.name}",
    )


def relink(text, place):
    """Let links to what has no page lead to the repository, descriptions be one line.

    Args:
        text: Markdown.
        place: Path of the text inside the repository, with `/`.

    Returns:
        The text.
    """
    shown = {path.relative_to(ROOT).as_posix() for path in [*lessons(), *files()]}

    def lead(match):
        target = _resolve(place, match[1])
        if target in shown | set(TEXTS):
            return match[1]
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        if not (ROOT / target).exists():
            return match[1]  # Sphinx says that it leads nowhere
        return f"{repository()}/{kind}/main/{target}"

    described = DESCRIPTION.sub(lambda match: " ".join(match[0].split()), text)
    return LINK.sub(lead, described)


def _resolve(place, target):
    """Return the path inside the repository that a relative link leads to."""
    parts = []
    for part in (PurePosixPath(place).parent / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _describe_figure(cell):
    """Hand the alternative text of an output to the page."""
    described = [
        output["metadata"]["image/png"]["alt"]
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    if len(described) > 1:
        raise ValueError(f"expected one figure in a cell, got {len(described)}")
    if described:
        cell["metadata"]["mystnb"] = {"image": {"alt": described[0]}}


def _fold_explorer(cell):
    """Fold the code of a widget: no kernel runs behind a page."""
    if "explorer" in _tags(cell):
        cell["metadata"]["tags"].append("hide-input")
        prompt = "The code of an explorer, which needs a running notebook"
        cell["metadata"]["mystnb"] = {"code_prompt_show": prompt}


def _tags(cell):
    """Return the tags of a cell."""
    return cell["metadata"].get("tags", [])


def _text(cell):
    """Return the text of a cell, which a notebook stores whole or in lines."""
    return "".join(cell["source"])
