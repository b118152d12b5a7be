"""Copy each lesson to `work/` once, and open JupyterLab there.

    python notebooks/lab.py [--copy-only]

A copy that is there is never written again, whatever changes in `notebooks/`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def copy_lessons(lessons, work):
    """Copy what is not in `work` yet; return the lines to tell."""
    if work.exists() and not work.is_dir():
        raise FileExistsError(f"{work} is no folder: rename it, start again")
    work.mkdir(exist_ok=True)
    told = []
    for lesson in sorted(lessons.glob("*.ipynb")):
        mine = work / lesson.name
        if not mine.exists():
            temporary = mine.with_suffix(".tmp")
            shutil.copyfile(lesson, temporary)
            os.replace(temporary, mine)
            told.append(f"{lesson.name}: copied to {work.name}/")
        elif version(mine) != version(lesson):
            told.append(
                f"{lesson.name}: {lessons.name}/ has a newer version, or yours"
                " cannot be read; yours is kept. For the newer one, rename"
                " yours and start again."
            )
    return told or [f"{work.name}/: all lessons are there; nothing copied"]


def version(path):
    """Return the hash of a notebook's source, or `None` if it has none."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return notebook["metadata"]["fcnlib"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def open_lab(work):
    """Run JupyterLab until it is closed; links may lead out of `work`."""
    command = [sys.executable, "-m", "jupyterlab"]
    command += [f"--ServerApp.root_dir={work.parent}"]
    command += [f"--FileContentsManager.preferred_dir={work}"]
    lab = subprocess.Popen(command, cwd=work)
    while True:
        try:
            return lab.wait()
        except KeyboardInterrupt:
            pass  # JupyterLab got it too, and asks whether to shut down


def main(arguments=None):
    """Copy the lessons and open JupyterLab; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--copy-only", action="store_true", help="do not open JupyterLab"
    )
    options = parser.parse_args(arguments)
    work = ROOT / "work"
    try:
        for line in copy_lessons(ROOT / "notebooks", work):
            print(line, flush=True)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if options.copy_only else open_lab(work)


if __name__ == "__main__":
    sys.exit(main())
