"""Solutions and hidden tests are not in what students get; planted ones are found."""

import ast
import textwrap

import assignments
import build
import leaks
import nbformat
import pytest
import release
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

LESSONS = build.lessons()
SEED = 918273645


@pytest.fixture(scope="module")
def secrets():
    """The pieces of all solutions."""
    return {mark: word for name in LESSONS for mark, word in solutions(name)}


def solutions(name):
    return leaks.secret_solutions(name).items()


@pytest.fixture(scope="module")
def values():
    """The values that answer exercises, with their names."""
    return [pair for name in LESSONS for pair in leaks.secret_values(name)]


# What students get.


def test_every_exercise_has_a_secret(values):
    named = {name for name, _ in values}
    for lesson in LESSONS:
        cells, _ = leaks.lesson_cells(lesson)
        for exercise in assignments.exercises(cells):
            block = ast.Module(leaks.solution(exercise.answer_cell), [])
            secret = set(leaks.all_pieces([block])) - leaks.shown(lesson)
            assert secret or exercise.answer in named, exercise.name


def test_the_archive_shows_no_solution(secrets, values):
    assert leaks.find(release.student_files(), secrets, values) == []


@pytest.fixture(scope="module")
def released():
    """The lessons as nbgrader hands them out, each with its hidden tests' pieces."""
    stub = ClearSolutions(code_stub={"python": ""})
    files, hidden = {}, {}
    for name in LESSONS:
        notebook = assignments.assignment(name, SEED)
        hidden |= leaks.secret_tests(notebook)
        for preprocessor in (stub, ClearHiddenTests()):
            notebook, _ = preprocessor.preprocess(notebook, {})
        files[f"{name}.ipynb"] = nbformat.writes(notebook).encode()
    return files, hidden


def test_the_release_of_nbgrader_shows_no_solution_and_no_hidden_test(
    released, secrets, values
):
    files, hidden = released
    assert len(hidden) > len(LESSONS)
    assert leaks.find(files, secrets | hidden, values) == []
    assert not any(str(SEED).encode() in content for content in files.values())


def test_the_sources_of_nbgrader_hold_both(secrets, values):
    notebook = assignments.assignment("05_iou", SEED)
    hidden = leaks.secret_tests(notebook)
    files = {"05_iou.ipynb": nbformat.writes(notebook).encode()}
    assert len(leaks.find(files, secrets, [])) >= 4
    assert len(leaks.find(files, hidden, [])) == len(hidden)
    assert len(leaks.find(files, {}, values)) == 1  # the counterexample


# Planted ones.

FUNCTION = """
def class_iou(confusion, class_id):
    right = confusion[class_id, class_id]
    either = confusion[class_id].sum() + confusion[:, class_id].sum() - right
    return right / either
"""
RENAMED = """
class Score:
    def of(self, table, k):
        if table is not None:
            # The square on the diagonal counts once.
            n = table[k,k]
            m = (table[k].sum()
                 + table[:, k].sum() - n)
            return n/m
"""


def in_notebook(cell):
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))


def in_page(code):
    marked = code.replace("confusion", '<span class="n">confusion</span>')
    return f"<html><p>Answer</p><pre><span></span>{marked}</pre></html>"


def traceback(code):
    lines = textwrap.dedent(code).strip().splitlines()
    return "Error\n" + "\n".join(f"---> {i} {line}" for i, line in enumerate(lines))


output = nbformat.v4.new_output("error", traceback=[traceback(FUNCTION)])
PLANTED = [
    ("fcnlib/a.py", FUNCTION),
    ("fcnlib/a.py", RENAMED),
    ("fcnlib/a.py", f"SOLUTION = '''{FUNCTION}'''"),
    ("README.md", f"The answer:\n\n```python\n{FUNCTION}```\n"),
    ("README.md", "# Do not write `a = c[k, k]` and\n`return a / b`\n" + FUNCTION),
    ("a.ipynb", in_notebook(nbformat.v4.new_code_cell(RENAMED))),
    ("a.ipynb", in_notebook(nbformat.v4.new_code_cell("", outputs=[output]))),
    ("a.ipynb", in_notebook(nbformat.v4.new_markdown_cell(f"```\n{FUNCTION}```"))),
    ("feedback.html", in_page(FUNCTION)),
]


@pytest.mark.parametrize(("place", "text"), PLANTED)
def test_a_planted_solution_is_found(place, text, secrets):
    found = leaks.find({place: text.encode()}, secrets, [])
    assert found and all(line.startswith(f"{place}: 05_iou: ") for line in found)


@pytest.mark.parametrize(
    "planted",
    [
        "box_iou = 30 / 66",
        "print(wrong_pair := (255, 0xFE))",
        "check(faulty_lines=[1, 4, 6])",
        "KEY = {'output_shape': (50, 69, 8)}",
        "self.uneven_layers = ['up2', 'up4', 'up6']",
        "counterexample = [[3, 1, 0], [2, 4, 0], [0, 0, 0]]",
        "counterexample: list = [[1, 2, 3], [4, 5, 6], [7, 8, -9]]",
    ],
)
def test_a_planted_value_is_found(planted, values):
    assert len(leaks.find({"a.py": planted.encode()}, {}, values)) == 1


@pytest.mark.parametrize(
    "innocent", ["iou = 30 / 66", "box_iou = 1 / 3", "faulty_lines(answer)", "x = 1 +"]
)
def test_another_name_or_value_is_no_leak(innocent, secrets, values):
    assert leaks.find({"a.md": innocent.encode()}, secrets, values) == []


def test_code_that_the_lesson_shows_is_no_leak(secrets):
    _, student = leaks.lesson_cells("05_iou")
    code = "\n".join(cell.source for cell in student if cell.cell_type == "code")
    assert leaks.find({"a.py": code.encode()}, secrets, []) == []


def test_a_planted_hidden_test_is_found(released):
    _, hidden = released
    call = f'checks.score("class_iou", class_iou, seed={SEED})'
    line = f"hidden_score, hidden_hint = {call}"
    assert leaks.find({"a.html": in_page(line).encode()}, hidden, [])
    assert leaks.find({"a.py": line.encode()}, hidden, [])
    assert leaks.find({"a.py": call.encode()}, hidden, []) == []  # its seed tells it
