"""Build both editions of the lessons from their sources, and run them.

    python notebooks/build.py [LESSON ...] [--check]

A source is text in the percent format, `notebooks/source/LESSON.py`. The
solution edition holds all of it. In the student edition the line `# solution`
and the rest of its cell become a stub, and cells tagged `solution` or
`instructor` are left out. Relative links in a source start at `notebooks/`.
Outputs of cells tagged `shows-photograph` or `explorer` (widgets, which are
dead where no kernel runs) are not kept.
"""

import argparse
import ast
import hashlib
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jupytext
import nbclient
import nbformat

FOLDER = Path(__file__).resolve().parent
CELL_SECONDS = 600
STRIPPED = {"shows-photograph", "explorer"}
MARKER = re.compile(r"^( *)# solution\n", re.MULTILINE)
HASH = re.compile(r'"sha256": "\w+"')
RELATIVE_LINK = re.compile(r"(\]\(|src=\")(?!https?:|mailto:|#|/)")
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
SETUP = """\
# Loads Keras without TensorFlow's notices. On Colab, it installs the course.
import importlib.util
import os
import subprocess
import sys

if "google.colab" in sys.modules and not importlib.util.find_spec("fcnlib"):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    address = "git+{repository}"
    subprocess.run([*pip, address], check=True)
    importlib.invalidate_caches()
if importlib.util.find_spec("fcnlib") is None:
    print("On your machine, run in the course's folder:  pip install -e .")
else:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    screen = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    importlib.import_module("keras")
    os.dup2(screen, 2)"""


class BuildError(Exception):
    """A lesson that cannot be built, with the reason in one line."""


def lessons(folder=FOLDER):
    """Return the names of all lessons, in order."""
    return sorted(path.stem for path in (folder / "source").glob("*.py"))


def editions(name, folder=FOLDER):
    """Return the two editions, not yet run: a notebook for each path."""
    path = folder / "source" / f"{name}.py"
    if not path.is_file():
        known = ", ".join(lessons(folder))
        raise BuildError(f"{name}: no such lesson, expected one of {known}")
    text = path.read_text(encoding="utf-8")
    cells = read_cells(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    metadata = {
        "fcnlib": {"source": path.name, "sha256": digest},
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    try:
        student = _student_cells(cells)
    except (SyntaxError, ValueError) as error:
        raise BuildError(f"{path.name}: {error}") from None
    return {
        folder / f"{name}.ipynb": _notebook(student, metadata),
        folder / "solutions" / f"{name}.ipynb": _notebook(
            _solution_cells(cells), metadata
        ),
    }


def repository():
    """Return the public address of the course, from pyproject.toml."""
    text = (FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def read_cells(text):
    """Return the cells of a source, with the generated one after the title.

    An id changes only with the cell's text and is the same in both editions.
    """
    cells = jupytext.reads(text, fmt="py:percent").cells
    generated = {"tags": ["generated"]}
    setup = SETUP.format(repository=repository())
    cells.insert(1, nbformat.v4.new_code_cell(setup, metadata=generated))
    seen = {}
    for cell in cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = f"{digest}-{seen[digest]}"
    return cells


def _notebook(cells, metadata):
    """Make a notebook of (cell, text) pairs; the cells stay as they are."""
    copies = [
        nbformat.from_dict({**cell, "source": text}) for cell, text in cells
    ]
    return nbformat.v4.new_notebook(
        cells=copies, metadata=nbformat.from_dict(metadata)
    )


def _tags(cell):
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", ()))


def _student_cells(cells):
    """Leave out what is for instructors, and hide the solutions."""
    return [
        (cell, stub(cell.source) if cell.cell_type == "code" else cell.source)
        for cell in cells
        if not _tags(cell) & {"solution", "instructor"}
    ]


def _solution_cells(cells):
    """Take out the markers, and let links start one folder deeper."""
    return [
        (cell, MARKER.sub("", cell.source))
        if cell.cell_type == "code"
        else (cell, RELATIVE_LINK.sub(r"\1../", cell.source))
        for cell in cells
    ]


def stub(source):
    """Replace the marker and the rest of a cell by a stub.

    In a function the stub returns `None`; elsewhere, the name that the
    solution binds last becomes `None`.
    """
    marker = MARKER.search(source)
    if marker is None:
        return source
    indent, hidden = marker[1], source[marker.end() :]
    lines = [line.strip() for line in hidden.splitlines()]
    count = sum(bool(line) and not line.startswith("#") for line in lines)
    invitation = f"# Your {count} line{'s' if count > 1 else ''} here."
    ending = "return None" if indent else f"{_last_name(hidden)} = None"
    return f"{source[: marker.start()]}{indent}{invitation}\n{indent}{ending}"


def _last_name(hidden):
    """Return the name that the last assignment of a solution binds."""
    for statement in reversed(ast.parse(hidden).body):
        if isinstance(statement, ast.Assign):
            return ast.unparse(statement.targets[0])
    raise ValueError("a solution outside a function must bind a name")


def execute(notebook, folder):
    """Run a notebook in a folder; its outputs are stored in it."""
    begun = []
    client = nbclient.NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        record_timing=False,
        store_widget_state=True,  # without it, an output in a widget fails
        coalesce_streams=True,
        on_cell_start=lambda cell, cell_index: begun.append(cell_index + 1),
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute(stderr=subprocess.DEVNULL)
    except nbclient.exceptions.CellExecutionError as error:
        reason = " ".join(f"{error.ename}: {error.evalue}".split())
        raise BuildError(f"cell {begun[-1]}: {reason}") from None
    except (TimeoutError, nbclient.exceptions.DeadKernelError):
        reason = f"it died or ran longer than {CELL_SECONDS} s"
        raise BuildError(f"cell {begun[-1]}: {reason}") from None
    notebook.metadata.language_info = {"name": "python"}  # no versions
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if _tags(cell) & STRIPPED:
            cell.outputs = []


def build(name, folder=FOLDER):
    """Build and store both editions; return what is new in each."""
    built = {}
    for path, notebook in editions(name, folder).items():
        path.parent.mkdir(exist_ok=True)
        try:
            execute(notebook, path.parent)
        except BuildError as error:
            place = path.relative_to(folder).as_posix()
            raise BuildError(f"{place}, {error}") from None
        built[path] = nbformat.writes(notebook) + "\n"
    news = {
        path.relative_to(folder).as_posix(): _news(path, text)
        for path, text in built.items()
    }
    for path, text in built.items():
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    return news


def _news(path, text):
    """Say what is new in an edition, compared with the stored one."""
    if not path.is_file():
        return "new"
    stored = path.read_text(encoding="utf-8")
    if stored == text:
        return "unchanged"
    if HASH.sub("", stored) == HASH.sub("", text):
        return "only its source's hash changed"
    cells = [
        _without_outputs(nbformat.reads(each, 4))[1] for each in (stored, text)
    ]
    return "only outputs changed" if cells[0] == cells[1] else "changed"


def differences(name, folder=FOLDER):
    """Return one line for each edition that is not as its source says."""
    return [
        f"{path.relative_to(folder).as_posix()}: build it again"
        for path, notebook in editions(name, folder).items()
        if not path.is_file()
        or _without_outputs(nbformat.read(path, 4))
        != _without_outputs(notebook)
    ]


def _without_outputs(notebook):
    """Return all of a notebook that does not come from running it."""
    return notebook.metadata, [
        (cell.id, cell.cell_type, cell.metadata, cell.source)
        for cell in notebook.cells
    ]


def _report(name, check):
    """Build one lesson, or check it, and return the line to print."""
    if check:
        stale = differences(name)
        if stale:
            raise BuildError(", ".join(stale))
        return f"{name}: as its source"
    start = time.monotonic()
    news = [f"{place} {what}" for place, what in build(name).items()]
    return f"{', '.join(news)}; {time.monotonic() - start:.0f} s"


def main(arguments=None):
    """Build or check lessons; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "lesson", nargs="*", help="all lessons if none is named"
    )
    parser.add_argument(
        "--check", action="store_true", help="run and write nothing"
    )
    options = parser.parse_args(arguments)
    os.environ["FCNLIB_PROFILE"] = "quick"  # what the stored editions show
    failed = False
    for name in options.lesson or lessons():
        try:
            print(_report(name, options.check), flush=True)
        except BuildError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
