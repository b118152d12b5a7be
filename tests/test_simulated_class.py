"""Grade a simulated class with both graders, to exactly the points that it deserves."""

import ast
import csv
import importlib
import os
import pathlib
import re
import socket
import subprocess
import sys

import nbformat
import pytest
import simulated_class
from nbgrader.api import Gradebook, MissingEntry

from fcnlib import checks

ROOT = pathlib.Path(__file__).parents[1]
QUICKEST = "00_start_here"  # of all lessons, when a notebook is run from end to end
SEED = 20
KILOBYTES = 8 * 2**20  # of memory, for all that nbgrader runs
BOTH = ("perfect", "empty", "half", "all_wrong")  # what nbgrader grades by default


@pytest.fixture(scope="module")
def port():
    """Open a port that answers, and a secret in the environment of the graders."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SIMULATED_SECRET", "of the instructor")
        yield server.getsockname()[1]


def run(*command, folder=ROOT):
    """Run a command, as in a shell in which the environment of the course is active."""
    scripts = str(pathlib.Path(sys.executable).parent)
    path = os.pathsep.join((scripts, os.environ["PATH"]))
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def grade(lesson, submitted, folder):
    """Grade with `fcnlib grade`; return {student: points} and what it left open."""
    simulated_class.hand_in(submitted, folder / "submitted")
    out = folder / "scores.csv"
    command = [sys.executable, "-m", "fcnlib", "grade", str(folder / "submitted")]
    command += ["--lesson", lesson, "--out", str(out), "--seed", str(SEED)]
    done = run(*command)
    assert done.returncode == 0 and not done.stderr, done.stderr
    with open(out, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    given = {row["student"]: points_of(row, lesson) for row in rows}
    assert all(
        float(row["points"]) == sum(given[row["student"]].values()) for row in rows
    )
    return given, re.findall(r"answers could reach: ([\w, ]+);", done.stdout)


def points_of(row, lesson):
    return {name: float(row[name]) for name in checks.NAMES[lesson]}


def show(title, submitted, given):
    """Print the points of each kind of submission, expected and given."""
    print(f"{title}\n{'submissions':36} count expected given")
    kinds = [re.sub(r"_\d+$", "", one.student) for one in submitted]
    for kind in dict.fromkeys(kinds):
        of_kind = [
            one for one, its in zip(submitted, kinds, strict=True) if its == kind
        ]
        expected = sum(sum(one.points.values()) for one in of_kind)
        found = [given[one.student] for one in of_kind]
        total = "none" if None in found else f"{sum(sum(p.values()) for p in found):g}"
        print(f"{kind:36} {len(of_kind):5} {expected:8} {total:>5}")


def differences(submitted, given):
    """Return {student: (expected, given)} where the two differ."""
    assert set(given) == {one.student for one in submitted}
    return {
        one.student: (one.points, given[one.student])
        for one in submitted
        if one.points != given[one.student]
    }


def as_expected(lesson, folder, port):
    """Grade the class of a lesson by `fcnlib grade`; return what differs."""
    notebook = simulated_class.editions(lesson)[0]
    submitted = simulated_class.submissions(lesson, notebook, port)
    given, left_open = grade(lesson, submitted, folder)
    show(f"{lesson}, graded by fcnlib", submitted, given)
    rights = left_open[0].split(", ") if left_open else []
    return {
        student: points
        for student, points in differences(submitted, given).items()
        if not any(one.student == student and one.needs in rights for one in submitted)
    }


# nbgrader.


def make_course(folder, lesson, shorten=None):
    """Make a course for nbgrader and release a lesson; return what students get."""
    script = ROOT / "notebooks" / "assignments.py"
    done = run(sys.executable, str(script), str(folder), "--seed", str(SEED))
    assert done.returncode == 0, done.stderr
    if shorten:
        source = folder / "source" / lesson / f"{lesson}.ipynb"
        notebook = nbformat.read(source, 4)
        shorten(notebook)
        nbformat.write(notebook, source)
    done = run("nbgrader", "generate_assignment", lesson, folder=folder)
    assert done.returncode == 0, done.stderr
    return nbformat.read(folder / "release" / lesson / f"{lesson}.ipynb", 4)


def autograde(course, lesson, submitted):
    """Grade with nbgrader; return {student: points}, `None` without points."""
    for one in submitted:
        own_name = pathlib.Path(one.path).name if "/" in one.path else f"{lesson}.ipynb"
        path = course / "submitted" / one.student / lesson / own_name
        path.parent.mkdir(parents=True)
        path.write_bytes(one.content)
    # nbgrader limits no memory, and one submission takes all that there is.
    limited = f"ulimit -d {KILOBYTES} && exec nbgrader autograde {lesson}"
    run("sh", "-c", limited, folder=course)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {one.student: marks(gradebook, lesson, one) for one in submitted}


def marks(gradebook, lesson, submission):
    """Return the points that nbgrader noted for a submission, if it did."""
    try:
        found = gradebook.find_submission(lesson, submission.student)
    except MissingEntry:
        return None
    (notebook,) = found.notebooks
    if any(grade.needs_manual_grade for grade in notebook.grades):
        return None
    return {grade.name: grade.score for grade in notebook.grades}


def by_nbgrader(lesson, course, port, taken, shorten=None):
    """Grade some of a class with nbgrader; return these submissions and the points."""
    notebook = make_course(course, lesson, shorten)
    submitted = simulated_class.submissions(lesson, notebook, port)
    submitted = [one for one in submitted if taken(one)]
    given = autograde(course, lesson, submitted)
    show(f"{lesson}, graded by nbgrader", submitted, given)
    return submitted, given


# The class itself.


def known_mistakes(lesson):
    """Count the wrong answers that the tests of a lesson's checks try."""
    number = "" if lesson.startswith("00") else f"_{lesson[:2]}"
    module = importlib.import_module(f"test_checks{number}")
    marks = [
        mark.args
        for function in vars(module).values()
        for mark in getattr(function, "pytestmark", ())
        if mark.name == "parametrize" and "hint" in mark.args[0]
    ]
    tables = {id(table): table for _, table in marks}  # one may be tried twice
    return sum(map(len, tables.values()))


def check_the_class(lesson, port):
    """Assert that each wrong answer is in one submission, and costs its points."""
    notebook = simulated_class.editions(lesson)[0]
    submitted = simulated_class.submissions(lesson, notebook, port)
    students = [one.student for one in submitted]
    assert len(students) == len(set(students))
    tried = [one for one in submitted if one.student.startswith("wrong_")]
    lost = sum(points == 0 for one in tried for points in one.points.values())
    assert lost == known_mistakes(lesson) > 0
    for name in checks.NAMES[lesson]:  # none is wrong only where all others are too
        assert any(one.points[name] == 0 < sum(one.points.values()) for one in tried)


def test_the_class_makes_every_known_mistake(port):
    check_the_class(QUICKEST, port)


# The quickest lesson.


def test_all_submissions_get_their_points(tmp_path, port):
    assert as_expected(QUICKEST, tmp_path, port) == {}


def test_nbgrader_gives_the_same_points(tmp_path, port):
    four = by_nbgrader(QUICKEST, tmp_path, port, lambda one: one.student in BOTH)
    assert len(four[0]) == len(BOTH) and differences(*four) == {}


# The whole class, all lessons: make test-class.

# What nbgrader gives for notebooks that are not as it handed them out, and for answers
# that do harm.
OUTCOMES = {
    "the expected points": {
        "only_answers_and_imports",
        "cells_copied",
        "outputs_kept",
        "outputs_stripped",
        "kernel_renamed",
        "magics_and_scraps",
        "endless_cell",
        "answer_deleted",
        "never_ends",
        "takes_64_GB",
        "exits",
        "prints_a_megabyte",
        "older_format",
    },
    "fewer points": {"answers_at_the_end", "cells_reversed"},
    "points for an attack": {
        "overwrites_the_checks",
        "reads_the_solutions",
        "reads_the_environment",
        "looks_into_its_folder",
        "tries_the_network",
    },
    "no row": {
        "cells_renamed",
        "metadata_lost",
        "file_renamed",
        "ends_the_process",
        "exits_at_once_is_brightest_channel",
        "empty_file",
        "binary_file",
        "python_file",
        "other_json",
        "half_a_file",
    },
}


def outcome(submission, given):
    """Return what a submission got, in the words of `OUTCOMES`."""
    if given is None:
        return "no row"
    if given == submission.points:
        return "the expected points"
    more = sum(given.values()) > sum(submission.points.values())
    return "points for an attack" if more else "fewer points"


@pytest.mark.whole_class
def test_what_nbgrader_does_with_the_others(tmp_path, port):
    others, given = by_nbgrader(
        QUICKEST, tmp_path, port, lambda one: not one.intact, keep_exercises
    )
    found = {kind: set() for kind in OUTCOMES}
    for one in others:
        found[outcome(one, given[one.student])].add(one.student)
    assert found == OUTCOMES


def keep_exercises(notebook):
    """Leave only the exercises of a lesson and their imports, which run in seconds."""
    answers = [cell for _, cell in simulated_class.answer_cells(notebook).values()]
    graded = [cell for cell in notebook.cells if "points" in cell.metadata.nbgrader]
    used = {
        node.id
        for cell in answers
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Name)
    }
    imports = [
        ast.unparse(node)
        for cell in notebook.cells
        if cell.cell_type == "code" and "generated" not in cell.metadata.get("tags", ())
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        if {alias.asname or alias.name for alias in node.names} & used
    ]
    first = nbformat.v4.new_code_cell("\n".join(imports))
    kept = [cell for cell in notebook.cells if cell in answers or cell in graded]
    notebook.cells = [first, *kept]


@pytest.mark.whole_class
@pytest.mark.parametrize("lesson", checks.NAMES)
def test_every_class_makes_every_known_mistake(lesson, port):
    check_the_class(lesson, port)


@pytest.mark.whole_class
@pytest.mark.parametrize("lesson", checks.NAMES)
def test_all_submissions_of_all_lessons(lesson, tmp_path, port):
    assert as_expected(lesson, tmp_path, port) == {}


@pytest.mark.whole_class
@pytest.mark.parametrize("lesson", checks.NAMES)
def test_nbgrader_gives_all_honest_answers_the_same_points(lesson, tmp_path, port):
    honest = by_nbgrader(lesson, tmp_path, port, lambda one: one.intact, keep_exercises)
    assert len(honest[0]) > len(BOTH) and differences(*honest) == {}


@pytest.mark.whole_class
@pytest.mark.parametrize("lesson", [name for name in checks.NAMES if name != QUICKEST])
def test_nbgrader_runs_whole_lessons_to_the_same_points(lesson, tmp_path, port):
    """tests/test_assignments.py lets whole lessons with no right answer be graded."""
    right = ("perfect", "half")
    two = by_nbgrader(lesson, tmp_path, port, lambda one: one.student in right)
    assert len(two[0]) == len(right) and differences(*two) == {}
