"""The course folder for nbgrader: what it holds, and what nbgrader makes of it."""

import ast
import csv
import html
import os
import pathlib
import re
import subprocess
import sys

import assignments
import build
import leaks
import nbformat
import pytest
from traitlets.config import PyFileConfigLoader

from fcnlib import checks

LESSONS = build.lessons()
QUICKEST = "05_iou"
SEED = 918273645
# What nbgrader says of an answer that never ends, and of one that fails.
ANSWERED_BADLY = re.compile(
    r".*ERROR. (Timeout waiting|Interrupting kernel).*\n|The error was:\n"
)


def load(path):
    return nbformat.read(path, 4)


def kinds(notebook, kind):
    """Return the cells of one kind by their ids."""
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {
        cell.metadata.nbgrader.grade_id: cell
        for cell in marked
        if cell.metadata.nbgrader[kind]
    }


def code(cell):
    """Return the lines of a cell that are not blank."""
    return [line.rstrip() for line in cell.source.splitlines() if line.strip()]


# The exercises, as the sources have them.


def source_cells(lesson):
    path = build.FOLDER / "source" / f"{lesson}.py"
    return build.read_cells(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_exercise_has_points(lesson):
    found = assignments.exercises(source_cells(lesson))
    assert tuple(each.name for each in found) == checks.NAMES.get(lesson, ())
    assert all(each.points in (1, 2, 3) for each in found)
    assert len({each.answer for each in found}) == len(found)


def test_an_exercise_without_a_check_is_refused():
    cells = [
        nbformat.v4.new_code_cell("x = 1", metadata={"points": 1}),
        nbformat.v4.new_code_cell("print(x)"),
    ]
    with pytest.raises(build.BuildError, match="no check follows the cell 'x = 1'"):
        assignments.exercises(cells)


def test_regions_leave_the_stub():
    value = "# Given.\n# solution\na = 1\nb = a"
    assert assignments.with_regions(value, build.stub(value)) == (
        "# Given.\n# Your 2 lines here.\nb = None\n"
        "### BEGIN SOLUTION\na = 1\nb = a\n### END SOLUTION"
    )
    function = "def f(x):\n    # solution\n    return x"
    assert assignments.with_regions(function, build.stub(function)) == (
        "def f(x):\n    # Your 1 line here.\n    ### BEGIN SOLUTION\n    return x\n"
        "    ### END SOLUTION\n    return None"
    )


def names(code, kind):
    """Return the names that code reads (`ast.Load`), or sets (`ast.Store`)."""
    nodes = list(ast.walk(ast.parse(code)))
    found = {
        node.id
        for node in nodes
        if isinstance(getattr(node, "ctx", None), kind)
        if isinstance(node, ast.Name)
    }
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return found | (functions if kind is ast.Store else set())


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_cell_needs_the_explorers_that_nbgrader_skips(lesson):
    cells = [cell for cell in source_cells(lesson) if cell.cell_type == "code"]
    for number, cell in enumerate(cells):
        if "explorer" in cell.metadata.get("tags", ()):
            later = "\n".join(after.source for after in cells[number + 1 :])
            shared = names(cell.source, ast.Store) & names(later, ast.Load)
            assert shared <= {"_"}


# The seed.


def test_the_seed_is_given_or_kept_or_drawn(tmp_path, monkeypatch):
    monkeypatch.delenv("FCNLIB_GRADING_SEED", raising=False)
    drawn = {assignments.choose_seed(None, tmp_path) for _ in range(3)}
    assert len(drawn) == 3 and min(drawn) > 0
    (tmp_path / "seed.txt").write_text("77\n")
    assert assignments.choose_seed(None, tmp_path) == 77
    monkeypatch.setenv("FCNLIB_GRADING_SEED", "78")
    assert assignments.choose_seed(None, tmp_path) == 78
    assert assignments.choose_seed("79", tmp_path) == 79


@pytest.mark.parametrize("seed", ["0", "-1", "1.5", "spring"])
def test_a_seed_that_hides_nothing_is_refused(seed, tmp_path, capsys):
    course = tmp_path / "course"
    assert assignments.main([str(course), f"--seed={seed}"]) == 2
    told = capsys.readouterr().err
    assert told == (
        f"error: the seed must be a whole number above 0, received '{seed}'\n"
    )
    assert not course.exists()


# The course folder, and nbgrader at work in it.


def run(course, *arguments):
    """Run nbgrader as an instructor does; return what it says, which is no warning."""
    folder = pathlib.Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", "")]),
        "FCNLIB_PROFILE": "quick",
    }
    finished = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout
    told = ANSWERED_BADLY.sub("", finished.stdout)
    assert not re.search("warn|error", told, re.IGNORECASE), told
    return finished.stdout


def submit(course, lesson, student, answers):
    """Hand in the released lesson with other answers, by their cells' ids."""
    notebook = load(course / "release" / lesson / f"{lesson}.ipynb")
    for grade_id, cell in kinds(notebook, "solution").items():
        cell.source = answers.get(grade_id, cell.source)
    folder = course / "submitted" / student / lesson
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{lesson}.ipynb")


def wrong_answers(solutions):
    """Answer every exercise with a number, or a function that returns it."""
    region = re.compile("( *)### BEGIN SOLUTION.*### END SOLUTION", re.DOTALL)
    wrong = {}
    for grade_id, text in solutions.items():
        value = re.search(r"^(\w+) = None$", text, re.MULTILINE)
        answer = f"{value[1]} = 17" if value else r"\1return 17"
        wrong[grade_id] = region.sub(answer, text)
    return wrong


def stuck_answers(solutions):
    """Answer everything right, except that the first answer never ends."""
    first, *_ = solutions
    return {**solutions, first: "while True:\n    pass"}


def grade(course, lesson):
    """Let nbgrader grade a class of one lesson; return the students' points."""
    run(course, "generate_assignment", lesson)
    source = load(course / "source" / lesson / f"{lesson}.ipynb")
    solutions = {key: cell.source for key, cell in kinds(source, "solution").items()}
    submit(course, lesson, "empty", {})
    submit(course, lesson, "wrong", wrong_answers(solutions))
    submit(course, lesson, "stuck", stuck_answers(solutions))
    run(course, "autograde", lesson)
    run(course, "generate_feedback", lesson)
    run(course, "export")
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == lesson]
    return {row["student_id"]: float(row["score"]) for row in rows}


def write_course(course):
    """Write a course folder whose cells are stopped sooner."""
    assert assignments.main([str(course), f"--seed={SEED}"]) == 0
    path = course / "nbgrader_config.py"
    text = path.read_text(encoding="utf-8")
    shorter = text.replace("ANSWER_SECONDS = 60 ", "ANSWER_SECONDS = 2 ")
    assert shorter != text
    path.write_text(shorter.replace("LESSON_SECONDS = 600 ", "LESSON_SECONDS = 240 "))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = tmp_path_factory.mktemp("a folder") / "course"
    write_course(course)
    return course


@pytest.fixture(scope="module")
def points(course):
    return grade(course, QUICKEST)


def expected_points(lesson):
    """Return what the three students deserve."""
    first, *others = assignments.exercises(source_cells(lesson))
    right = sum(each.points for each in others)
    return {"empty": 0, "wrong": 0, "stuck": right}


def test_nbgrader_gives_the_points_that_the_answers_deserve(points):
    assert points == expected_points(QUICKEST)
    assert points["stuck"] > 0


def check_release(course, lesson):
    """Compare what nbgrader hands out with the student edition."""
    released = load(course / "release" / lesson / f"{lesson}.ipynb")
    student = build.editions(lesson)[build.FOLDER / f"{lesson}.ipynb"]
    graded = kinds(released, "grade")
    assert tuple(graded) == checks.NAMES.get(lesson, ())
    for cell, edition in zip(released.cells, student.cells, strict=True):
        nbgrader = cell.metadata.nbgrader
        assert nbgrader.locked is not nbgrader.solution
        assert cell.metadata.deletable is False
        assert cell.metadata.get("editable", True) is nbgrader.solution
        if nbgrader.grade:
            assert code(cell)[:2] == ["from fcnlib import checks", code(edition)[-1]]
            assert len(code(cell)) == 3 and "HIDDEN" not in cell.source
        else:
            shown = edition.source.replace("../notebooks/figures/", "figures/")
            assert code(cell) == [line.rstrip() for line in shown.split("\n") if line]


def test_the_release_is_the_student_edition(course, points):
    check_release(course, QUICKEST)


def check_feedback(course, lesson):
    """No feedback shows a hidden test, or a solution that is not the student's."""
    source = load(course / "source" / lesson / f"{lesson}.ipynb")
    hidden = leaks.secret_tests(source)
    secrets = leaks.secret_solutions(lesson)
    pages = {
        f"{path.parts[-3]}.html": path.read_bytes()
        for path in (course / "feedback").rglob(f"{lesson}.html")
    }
    assert set(pages) == {"empty.html", "wrong.html", "stuck.html"}
    own = dict(pages)
    assert leaks.find(own, hidden, []) == []
    stuck = own.pop("stuck.html")
    assert leaks.find(own, secrets, leaks.secret_values(lesson)) == []
    assert leaks.find({"stuck.html": stuck}, secrets, []) != []  # the student's own
    for page in pages.values():
        assert str(SEED).encode() not in page and b"HIDDEN TESTS" not in page


def test_the_feedback_hides_the_tests_and_keeps_the_hints(course, points):
    check_feedback(course, QUICKEST)
    folder = course / "feedback"
    page = {
        path.parts[-3]: path.read_text(encoding="utf-8")
        for path in folder.rglob("*.html")
    }
    assert "Not attempted yet: the answer is still None." in page["empty"]
    assert "With other numbers: Not yet: " in page["wrong"]
    assert "With other numbers: Correct." in page["stuck"]
    assert "No reply from kernel before timeout" in page["stuck"]
    assert "NameError: name 'box_iou' is not defined" in html.unescape(page["stuck"])


def test_what_is_graded_holds_the_hidden_tests(course, points):
    """The comparison with the feedback would find them, were they there."""
    path = course / "autograded" / "stuck" / QUICKEST / f"{QUICKEST}.ipynb"
    source = load(course / "source" / QUICKEST / f"{QUICKEST}.ipynb")
    hidden = leaks.secret_tests(source)
    assert leaks.find({"stuck.ipynb": path.read_bytes()}, hidden, [])
    assert str(SEED).encode() in path.read_bytes()


def test_validate_says_what_the_source_and_the_unsolved_lesson_are(course, points):
    path = pathlib.Path(QUICKEST, f"{QUICKEST}.ipynb")
    told = run(course, "validate", str("source" / path))
    assert "Success! Your notebook passes all the tests." in told


def test_a_notebook_that_was_not_handed_out_is_refused(course, points):
    """Else its right answers would get 0, without a word."""
    folder = course / "submitted" / "dan" / QUICKEST
    folder.mkdir(parents=True)
    solved = build.FOLDER / "solutions" / f"{QUICKEST}.ipynb"
    (folder / solved.name).write_bytes(solved.read_bytes())
    with pytest.raises(AssertionError, match="expected the notebook of release/05_iou"):
        run(course, "autograde", QUICKEST, "--student", "dan")
    assert not (course / "autograded" / "dan").exists()


def test_an_edited_text_leaves_the_names_of_the_cells(tmp_path):
    """Else nbgrader takes no second version of a lesson once work has come."""
    text = (build.FOLDER / "source" / f"{QUICKEST}.py").read_text(encoding="utf-8")
    named = []
    for version in (text, text.replace("Return", "Give back")):
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / f"{QUICKEST}.py").write_text(version, encoding="utf-8")
        notebook = assignments.assignment(QUICKEST, SEED, tmp_path)
        named.append([cell.metadata.nbgrader.grade_id for cell in notebook.cells])
    assert version != text and named[0] == named[1]


def test_copies_of_cells_do_not_stop_the_grading(course):
    """Else nbgrader ends for the whole class: "old version of the metadata"."""
    path = str(course / "nbgrader_config.py")
    chosen = PyFileConfigLoader(path).load_config()["Autograde"]
    forget = chosen.sanitize_preprocessors[2]
    notebook = load(course / "source" / QUICKEST / f"{QUICKEST}.ipynb")
    ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells]
    notebook.cells = [cell for cell in notebook.cells for _ in range(2)]
    notebook.cells = [nbformat.from_dict(cell) for cell in notebook.cells]
    forgotten, _ = forget().preprocess(notebook, {})
    first, last = forgotten.cells[::2], forgotten.cells[1::2]
    assert not any("nbgrader" in cell.metadata for cell in first)
    assert [cell.metadata.nbgrader.grade_id for cell in last] == ids


def test_the_course_folder_is_complete_and_of_no_machine(course):
    named = {path.stem for path in (course / "source").rglob("*.ipynb")}
    assert named == set(LESSONS)
    for lesson in LESSONS:
        folder = course / "source" / lesson
        notebook = load(folder / f"{lesson}.ipynb")
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"
        texts = [c.source for c in notebook.cells if c.cell_type == "markdown"]
        for link in re.findall(r"\]\((?!http|#)([^)\s]+)\)", "\n".join(texts)):
            assert (folder / link).is_file(), link
        assert "For instructors" not in "\n".join(texts)
        text = (folder / f"{lesson}.ipynb").read_text(encoding="utf-8")
        assert str(build.FOLDER.parent) not in text and str(course) not in text
    needed = course / "source" / "08_real_horses" / "results" / "transfer.json"
    assert needed.is_file()


def test_a_second_run_changes_nothing_and_keeps_the_configuration(tmp_path, capsys):
    assert assignments.main([str(tmp_path), f"--seed={SEED}"]) == 0
    configuration = tmp_path / "nbgrader_config.py"
    configuration.write_text("# Ours.\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    capsys.readouterr()
    assert assignments.main([str(tmp_path)]) == 0  # the seed of seed.txt
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{configuration}: differs from notebooks/; yours is kept"
    ]


@pytest.mark.whole_class
@pytest.mark.parametrize("lesson", checks.NAMES)
def test_nbgrader_grades_every_lesson(lesson, tmp_path):
    course = tmp_path / "course"
    write_course(course)
    assert grade(course, lesson) == expected_points(lesson)
    check_release(course, lesson)
    check_feedback(course, lesson)
    for version in ("source", "release"):
        told = run(course, "validate", f"{version}/{lesson}/{lesson}.ipynb")
        assert ("Success!" in told) is (version == "source")
        assert (f"FAILED ON {len(checks.NAMES[lesson])} CELL(S)" in told) is (
            version == "release"
        )
