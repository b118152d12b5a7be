"""Measure what each lesson needs on this machine, for those who plan seats.

    python notebooks/measure.py [LESSON ...]

Runs the solution edition of each lesson in a kernel of its own and stores in
`results/lessons.json` the kernel's peak memory, its processor seconds, and the
seconds from start to end. The name `jupyterlab` stands for the server that
shows the notebooks, measured until it is ready. What is not named keeps its
numbers. INSTRUCTORS.md shows memory and processor seconds in a table, beside
what the sources say of each lesson, and this table is written anew; the time
to the end depends on what else the machine does. Needs Linux or macOS.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))  # also where this is imported
import build

SERVER = "jupyterlab"
SERVER_SECONDS = 120
TABLE = re.compile(
    "(?<=<!-- lessons -->\n\n).*(?=<!-- /lessons -->)", re.DOTALL
)
HEAD = """\
| | minutes to read | exercises | points | memory, MiB | processor, s |
| --- | --- | --- | --- | --- | --- |
"""
PAGE = build.FOLDER.parent / "INSTRUCTORS.md"
STORE = build.FOLDER.parent / "results" / "lessons.json"
# Linux counts into ru_maxrss what the process held before it became Python.
LAST_CELL = """\
import json
import pathlib
import re
import resource

own = resource.getrusage(resource.RUSAGE_SELF)
ended = resource.getrusage(resource.RUSAGE_CHILDREN)
times = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
status, peak = pathlib.Path("/proc/self/status"), own.ru_maxrss
if status.is_file():
    peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text())[1])
print(json.dumps([peak, times]))"""


def measure(notebook, folder):
    """Run a notebook in a folder; return what its kernel needed."""
    notebook.cells.append(nbformat.v4.new_code_cell(LAST_CELL))
    start = time.monotonic()
    build.execute(notebook, folder)
    seconds = time.monotonic() - start
    peak, processor_seconds = json.loads(notebook.cells[-1].outputs[0].text)
    return _numbers(peak, processor_seconds, seconds)


def _numbers(peak, processor_seconds, seconds):
    """Return what was measured, rounded, in the units of the store."""
    units = 2**20 if sys.platform == "darwin" else 2**10  # in one MiB
    return {
        "peak_memory_mib": round(peak / units),
        "processor_seconds": round(processor_seconds, 1),
        "seconds": round(seconds, 1),
        "machine": f"{os.cpu_count()} {platform.machine()} cores",
    }


def measure_lesson(name, folder=build.FOLDER):
    """Measure the solution edition of a lesson, made from its source."""
    path, notebook = list(build.editions(name, folder).items())[1]
    path.parent.mkdir(exist_ok=True)
    return measure(notebook, path.parent)


def measure_server():
    """Start JupyterLab and stop it when it is ready; return what it needed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
        command += ["--allow-root", f"--ServerApp.root_dir={folder}"]
        start = time.monotonic()
        lab = subprocess.Popen(
            command,
            env={**os.environ, "JUPYTER_RUNTIME_DIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not list(Path(folder).glob("jpserver-*.json")):  # it is ready
            if time.monotonic() > start + SERVER_SECONDS:
                lab.kill()
                raise build.BuildError(f"not ready in {SERVER_SECONDS} s")
            time.sleep(0.1)
        seconds = time.monotonic() - start
        lab.terminate()
        _, _, used = os.wait4(lab.pid, 0)
    return _numbers(used.ru_maxrss, used.ru_utime + used.ru_stime, seconds)


def store(name, measured, path=STORE):
    """Put the numbers of one lesson into the file that holds all."""
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    known[name] = measured
    _write(path, json.dumps(dict(sorted(known.items())), indent=2) + "\n")


def show(page=PAGE, path=STORE, folder=build.FOLDER):
    """Write the table of the instructors' page, one row a lesson."""
    known = json.loads(path.read_text("utf-8"))
    told = {name: plan(name, folder) for name in build.lessons(folder)}
    told[SERVER] = ("", "", "")
    row = "| {} | {} | {} | {} | {peak_memory_mib} | {processor_seconds} |\n"
    rows = [
        row.format(name, *told[name], **known[name])
        for name in told
        if name in known
    ]
    text = page.read_text("utf-8")
    _write(page, TABLE.sub(lambda _: HEAD + "".join(rows) + "\n", text))


def plan(name, folder=build.FOLDER):
    """Return the minutes to read, the exercises and the points of a lesson."""
    text = (folder / "source" / f"{name}.py").read_text("utf-8")
    cells = build.read_cells(text)
    points = [cell.metadata.get("points", 0) for cell in cells]
    minutes = re.search(r"(\d+) minutes to read", text)
    return (minutes[1] if minutes else ""), sum(map(bool, points)), sum(points)


def _write(path, text):
    """Write a file so that it is never there in part."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def main(arguments=None):
    """Measure lessons one after the other; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "lesson", nargs="*", help="all lessons if none is named"
    )
    options = parser.parse_args(arguments)
    os.environ["FCNLIB_PROFILE"] = "quick"
    failed = False
    for name in options.lesson or [*build.lessons(), SERVER]:
        try:
            measured = (
                measure_server() if name == SERVER else measure_lesson(name)
            )
        except build.BuildError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            failed = True
        else:
            store(name, measured)
            show()
            print(f"{name}: {measured}", flush=True)
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
