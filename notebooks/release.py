"""Pack what students get into one archive.

    python notebooks/release.py [FOLDER]

`FOLDER/fcnlib-course-VERSION.zip`, by default in `dist/`, holds the student
editions, the package with its weights, the data cards, the results and the
glossary; no solution, no source, no word for instructors, and no test. The
same files always give the same archive.
"""

import argparse
import os
import re
import sys
import zipfile
from pathlib import Path

import build
import fcnlib

ROOT = build.FOLDER.parent
PATTERNS = (
    "LICENSE",
    "CITATION.cff",
    "environment.yml",
    "pyproject.toml",
    "data/README.md",
    "data/*.csv",
    "fcnlib/**/*.py",
    "fcnlib/*.mplstyle",
    "fcnlib/weights/*",
    "notebooks/glossary.md",
    "notebooks/figures/*.svg",
    "notebooks/lab.py",
    "results/*.md",
    "results/*.json",
    "results/*.png",
)
LEFT_OUT = {"results/run.json"}  # of the machine that packs
# Students' JupyterLab has no menus for instructors.
PINS_OF_NBGRADER = {"alembic", "Mako", "nbgrader", "RapidFuzz", "SQLAlchemy"}
STUDENT_TARGETS = ("help", "results", "lab", "doctor", "clean")
PHONY = re.compile(r"^\.PHONY: help .*$", re.MULTILINE)
TARGET = re.compile(r"([a-z-]+):.*##")
OF_THE_TESTS = re.compile(
    r"^(PYTHON_FILES|SOLUTIONS|STUDENT_EDITIONS|LESSONS)\b.*\n", re.MULTILINE
)


def student_files(root=ROOT):
    """Return the content of each file of the archive, by its path."""
    names = build.lessons(root / "notebooks")
    stale = [
        line
        for name in names
        for line in build.differences(name, root / "notebooks")
    ]
    if stale:
        raise build.BuildError(", ".join(stale))
    paths = [root / "notebooks" / f"{name}.ipynb" for name in names]
    for pattern in PATTERNS:
        paths += root.glob(pattern)
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() for path in paths
    }
    for place in LEFT_OUT & set(files):
        del files[place]
    readme = root / "notebooks" / "student_readme.md"
    pins = (root / "requirements.txt").read_text(encoding="utf-8")
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    files["README.md"] = readme.read_bytes()
    files["requirements.txt"] = student_pins(pins).encode()
    files["Makefile"] = student_makefile(makefile).encode()
    return files


def student_pins(text):
    """Leave out the packages that only nbgrader needs."""
    lines = text.splitlines(keepends=True)
    kept = [
        line for line in lines if line.split("==")[0] not in PINS_OF_NBGRADER
    ]
    return "".join(kept)


def student_makefile(text):
    """Leave out the targets whose files are not in the archive."""
    paragraphs = OF_THE_TESTS.sub("", text).split("\n\n")
    kept = [
        paragraph
        for paragraph in paragraphs
        for target in [TARGET.match(paragraph)]
        if target is None or target[1] in STUDENT_TARGETS
    ]
    phony = f".PHONY: {' '.join(STUDENT_TARGETS)}"
    makefile = PHONY.sub(phony, "\n\n".join(kept))
    return makefile.replace("[notebooks,tests]", "[notebooks]")


def pack(folder, root=ROOT):
    """Write the archive; return its path."""
    files = student_files(root)
    top = f"fcnlib-course-{fcnlib.__version__}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{top}.zip"
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{top}/{place}")  # dated 1980
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    os.replace(temporary, path)
    return path


def main(arguments=None):
    """Pack the archive; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=ROOT / "dist")
    options = parser.parse_args(arguments)
    try:
        path = pack(Path(options.folder))
    except (build.BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
