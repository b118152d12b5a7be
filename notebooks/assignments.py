"""Write the lessons as a course folder for nbgrader.

    python notebooks/assignments.py [FOLDER] [--seed NUMBER]

`FOLDER/source/LESSON/` holds each lesson with its solutions, its locked cells
and its hidden tests, and the files that it shows. The hidden tests draw their
cases from the seed: the number that is given, or that the environment variable
FCNLIB_GRADING_SEED holds, or that an earlier run left in `FOLDER/seed.txt`, or
else a random one. Whoever knows it knows the cases.
"""

import argparse
import collections
import itertools
import os
import re
import secrets
import shutil
import sys
from pathlib import Path

import nbformat

import build

ROOT = build.FOLDER.parent
CONFIGURATION = "nbgrader_config.py"
CALL = re.compile(r"^checks\.(\w+)\((\w+)\)$", re.MULTILINE)
FIGURE = re.compile(r"\.\./notebooks/(figures/[\w.-]+)")
HIDDEN_TESTS = """\
{points} * checks.score("{name}", {answer})[0]  # "Validate" reads this
### BEGIN HIDDEN TESTS
hidden_score, hidden_hint = checks.score("{name}", {answer}, seed={seed})
print("With other numbers:", hidden_hint)
if hidden_score == 0:
    raise AssertionError("no points")
{points} * hidden_score
### END HIDDEN TESTS"""

Exercise = collections.namedtuple(
    "Exercise", "name answer points answer_cell check_cell"
)


def exercises(cells):
    """Return the exercises among a lesson's cells, in order.

    An exercise is a code cell whose metadata holds `points`, for the answer,
    and the code cell behind it, which calls `checks.NAME(ANSWER)`.
    """
    code = [cell for cell in cells if cell.cell_type == "code"]
    found = []
    for cell, check in itertools.pairwise(code):
        if "points" in cell.metadata:
            call = CALL.search(check.source)
            if call is None:
                first = cell.source.splitlines()[0]
                raise build.BuildError(f"no check follows the cell {first!r}")
            points = cell.metadata["points"]
            found.append(Exercise(*call.groups(), points, cell, check))
    return found


def assignment(name, seed, folder=build.FOLDER):
    """Return a lesson as nbgrader's source: solutions, locks, hidden tests."""
    text = (folder / "source" / f"{name}.py").read_text(encoding="utf-8")
    marked = {cell.id: cell.source for cell in build.read_cells(text)}
    notebook = build.editions(name, folder)[folder / f"{name}.ipynb"]
    for number, cell in enumerate(notebook.cells):
        # By its place: an edited cell has another id of its own, and once work
        # has come nbgrader takes no cell of another name.
        _describe(cell, f"cell-{number:02}", locked=True)
        cell.source = FIGURE.sub(r"\1", cell.source)
    for each in exercises(notebook.cells):
        answer, check = each.answer_cell, each.check_cell
        answer.source = with_regions(marked[answer.id], answer.source)
        check.source = _with_hidden_tests(each, seed)
        _describe(answer, f"{each.name}-answer", solution=True)
        _describe(
            check, each.name, grade=True, locked=True, points=each.points
        )
    return notebook


def _describe(cell, grade_id, **properties):
    """Tell nbgrader what a cell is."""
    kind = dict.fromkeys(("grade", "locked", "solution", "task"), False)
    cell.metadata["nbgrader"] = {
        "cell_type": cell.cell_type,
        "grade_id": grade_id,
        "schema_version": 3,
        **kind,
        **properties,
    }


def with_regions(source, stub):
    """Fence a solution for nbgrader, so that it leaves the student's stub.

    In a function, the stub's `return None` stands behind the solution, where
    it is never reached; elsewhere its `NAME = None` stands before it.
    """
    marker = build.MARKER.search(source)
    indent, given = marker[1], source[: marker.start()]
    invitation, ending = stub[len(given) :].split("\n")
    region = (
        f"{indent}### BEGIN SOLUTION\n{source[marker.end() :].rstrip()}\n"
        f"{indent}### END SOLUTION"
    )
    after = [region, ending] if indent else [ending, region]
    return given + "\n".join([invitation, *after])


def _with_hidden_tests(exercise, seed):
    """Add to a check what "Validate" reads and what grades it."""
    first = "from fcnlib import checks\n\n"
    visible = exercise.check_cell.source.removeprefix(first)
    tests = HIDDEN_TESTS.format(seed=seed, **exercise._asdict())
    return f"{first}{visible}\n{tests}"


def needed_files(name, folder=build.FOLDER):
    """Return the files that a lesson shows, by their paths beside it."""
    text = (folder / "source" / f"{name}.py").read_text(encoding="utf-8")
    figures = {path: folder / path for path in FIGURE.findall(text)}
    stored = {
        f"results/{path.name}": path
        for path in (folder.parent / "results").glob("*.json")
        if path.name in text
    }
    return figures | stored


def choose_seed(given, course):
    """Return the seed, which must draw other cases than those of a student."""
    stored = course / "seed.txt"
    seed = given or os.environ.get("FCNLIB_GRADING_SEED")
    if not seed and stored.is_file():
        seed = stored.read_text(encoding="utf-8").strip()
    seed = seed or str(secrets.randbelow(2**31) + 1)
    if not seed.isdecimal() or int(seed) == 0:
        raise build.BuildError(
            f"the seed must be a whole number above 0, received {seed!r}"
        )
    return int(seed)


def write_course(course, seed, folder=build.FOLDER):
    """Write all lessons into a course folder; return the lines to tell."""
    course.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds the seed
    names = build.lessons(folder)
    notebooks = {name: assignment(name, seed, folder) for name in names}
    for name, notebook in notebooks.items():
        lesson = course / "source" / name
        for place, path in needed_files(name, folder).items():
            (lesson / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, lesson / place)
        lesson.mkdir(parents=True, exist_ok=True)
        text = nbformat.writes(notebook) + "\n"
        _write(lesson / f"{name}.ipynb", text)
    _write(course / "seed.txt", f"{seed}\n")
    (course / "seed.txt").chmod(0o600)  # not for others on a shared machine
    told = [f"{course}: {len(names)} lessons in source/, seed in seed.txt"]
    return told + _write_configuration(course)


def _write_configuration(course):
    """Copy nbgrader's configuration, unless one is there."""
    mine, ours = course / CONFIGURATION, build.FOLDER / CONFIGURATION
    text = ours.read_text(encoding="utf-8")
    if not mine.is_file():
        _write(mine, text)
    elif mine.read_text(encoding="utf-8") != text:
        return [f"{mine}: differs from notebooks/; yours is kept"]
    return []


def _write(path, text):
    """Write a file so that it is never there in part."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def main(arguments=None):
    """Write the course folder; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=ROOT / "nbgrader")
    parser.add_argument(
        "--seed", help="a number above 0 that students do not know"
    )
    options = parser.parse_args(arguments)
    course = Path(options.folder)
    try:
        seed = choose_seed(options.seed, course)
        print(*write_course(course, seed), sep="\n")
    except (build.BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
