"""Make a simulated class: submissions of a lesson, each with the points it deserves.

    python tests/simulated_class.py LESSON FOLDER

The right and the wrong answers are those of tests/test_checks*.py, read out of them by
their syntax trees: an answer that is added there joins the class. The points follow
from how a submission was made, and never from what a grader said.
"""

import ast
import collections
import copy
import importlib.util
import itertools
import json
import pathlib
import re
import sys
import textwrap

import nbformat

from fcnlib import checks

TESTS = pathlib.Path(__file__).parent
CHECK = re.compile(r"^checks\.(\w+)\((\w+)\)", re.MULTILINE)

# name: of the exercise; answer: the variable that holds it; solution: the code.
Exercise = collections.namedtuple("Exercise", "name answer points solution")
# content: bytes of the file at `path`, which begins with the student's name; points:
# {exercise: points}; intact: whether an honest student changed nothing but answers;
# needs: the right that an attack needs, as `fcnlib grade` calls it.
Submission = collections.namedtuple(
    "Submission", "student path content points intact needs"
)


# What a lesson asks for.


def editions(lesson):
    """Return the student edition of a lesson and the solved one, not run."""
    path = TESTS.parent / "notebooks" / "build.py"
    spec = importlib.util.spec_from_file_location("notebooks_build", path)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return list(build.editions(lesson).values())


def answer_cells(notebook):
    """Return {exercise: (answer's name, cell)}: the cell before each check."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = {}
    for cell, following in itertools.pairwise(code):
        for name, answer in CHECK.findall(following.source):
            found[name] = answer, cell
    return found


def exercises(lesson):
    """Return the exercises of a lesson in order."""
    _, solved = editions(lesson)
    return [
        Exercise(name, answer, cell.metadata.points, cell.source)
        for name, (answer, cell) in answer_cells(solved).items()
    ]


# Answers from the tests of the checks.


def known_answers(lesson):
    """Return the right and the wrong answers, as {exercise: [code]} each.

    Code is a pair: the helpers, and the expression of the answer.
    """
    number = lesson[:2]
    path = TESTS / ("test_checks.py" if number == "00" else f"test_checks_{number}.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {"right": {}, "wrong": {}}
    for kind, name, expression in _answers_of(tree, checks.NAMES[lesson]):
        code = _helpers(tree, expression), ast.unparse(expression)
        found[kind].setdefault(name, []).append(code)
    return found["right"], found["wrong"]


def _answers_of(tree, names):
    """Yield each answer in a test file: its kind, its exercise, its expression."""
    for statement in tree.body:
        for kind, default, rows in _tables(statement, names):
            for row in rows:
                cells = row.elts if isinstance(row, ast.Tuple) else [row]
                if default is not None:
                    yield kind, default, cells[0]
                elif getattr(cells[0], "value", None) in names:
                    yield kind, cells[0].value, cells[1]


def _tables(statement, names):
    """Yield the tables of a statement: kind, the exercise if it is one, rows."""
    if isinstance(statement, ast.Assign):
        kind = ast.unparse(statement.targets[0]).lower()
        if kind in ("right", "wrong"):
            yield kind, None, _rows(statement.value)
    for mark in getattr(statement, "decorator_list", ()):
        if len(getattr(mark, "args", ())) == 2 and isinstance(mark.args[1], ast.List):
            columns = ast.literal_eval(mark.args[0])
            kind = _kind(statement.name, columns)
            if kind is not None:
                default = None if "name" in columns else _named(statement, names)
                yield kind, default, mark.args[1].elts


def _kind(test, columns):
    """Tell which answers a parametrized test tries, by its name and its columns."""
    if "wrong" in columns and "hint" in columns:
        return "wrong"
    return "right" if test.startswith("test_right") else None


def _rows(table):
    """Return the rows of a list, or of a dict from exercises to their answers."""
    if isinstance(table, ast.List):
        return table.elts
    return [
        ast.Tuple([key, answer])
        for key, value in zip(table.keys, table.values, strict=True)
        for answer in (value.elts if isinstance(value, ast.List) else [value])
    ]


def _named(statement, names):
    """Return the exercise that a test names in its body."""
    texts = (getattr(node, "value", None) for node in ast.walk(statement))
    return next(text for text in texts if text in names)


def _helpers(tree, expression):
    """Return the code of all that an expression needs from its module."""
    defined = _definitions(tree)
    needed, found = [expression], set()
    while needed:
        used = {node.id for node in ast.walk(needed.pop()) if hasattr(node, "id")}
        new = (used & set(defined)) - found
        needed += [defined[name] for name in new]
        found |= new
    texts = [ast.unparse(defined[name]) for name in defined if name in found]
    return "\n\n".join(dict.fromkeys(texts))


def _definitions(tree):
    """Return {name: statement} of a module, in order, one name an import."""
    found = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                single = copy.copy(statement)
                single.names = [alias]
                found[alias.asname or alias.name] = single
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                found |= {
                    node.id: statement
                    for node in ast.walk(target)
                    if isinstance(node, ast.Name)
                }
    return found


# Submissions. Each begins with an untouched notebook of the lesson.


def submissions(lesson, notebook, port=9):
    """Return the submissions of a whole class for a lesson.

    `notebook` is the student edition, or what nbgrader made of it; `port` is one of
    this machine that answers, for the submission that tries the network.
    """
    asked = exercises(lesson)
    right, wrong = known_answers(lesson)
    return [
        *_honest(asked, notebook, right, wrong),
        *_damaged(asked, notebook, wrong),
        *_hostile(asked, notebook, lesson, port),
        *_strange_files(asked, notebook),
    ]


def _submit(asked, student, notebook, lost=(), path=None, intact=False, needs=None):
    """Return a submission; exercises in `lost` get no points."""
    content = notebook if isinstance(notebook, bytes) else _write(notebook)
    points = {each.name: 0 if each.name in lost else each.points for each in asked}
    path = path or f"{student}.ipynb"
    return Submission(student, path, content, points, intact, needs)


def _write(notebook):
    """Return the bytes of a notebook, whatever nbformat thinks of it."""
    return json.dumps(notebook, ensure_ascii=False, indent=1).encode()


def fill(notebook, texts, apart=False):
    """Return a copy of a notebook with answers filled in.

    `texts` is {exercise: code}, where code may be a pair of helpers and answer; the
    helpers have a cell of their own if they are to stand apart.
    """
    copied = copy.deepcopy(notebook)
    for name, (_, cell) in answer_cells(copied).items():
        helpers, text = texts.get(name, ("", cell.source))
        if apart and helpers:
            place = copied.cells.index(cell)
            copied.cells.insert(place, nbformat.v4.new_code_cell(helpers))
        cell.source = text if apart or not helpers else f"{helpers}\n\n\n{text}"
    return copied


def _code(exercise, pair):
    """Return helpers and answer of a known answer, under the lesson's name."""
    helpers, expression = pair
    return helpers, f"{exercise.answer} = {expression}"


def _solved(asked):
    """Return the lesson's own solutions, as `fill` takes them."""
    return {each.name: ("", each.solution) for each in asked}


def _spoiled(asked, wrong, spared):
    """Return all solutions, but for one wrong answer, and the exercise of that."""
    other = next(each for each in asked if each is not spared)
    return _solved(asked) | {other.name: _code(other, wrong[other.name][0])}, other.name


def _honest(asked, notebook, right, wrong):
    """Yield what students hand in who answer well, badly, in part or not at all."""
    names = [each.name for each in asked]
    solved, half = _solved(asked), len(asked) // 2
    yield _submit(asked, "perfect", fill(notebook, solved), intact=True)
    yield _submit(asked, "empty", notebook, names, intact=True)
    some = {name: solved[name] for name in names[:half]}
    yield _submit(asked, "half", fill(notebook, some), names[half:], intact=True)
    first = {each.name: _code(each, wrong[each.name][0]) for each in asked}
    yield _submit(asked, "all_wrong", fill(notebook, first), names, intact=True)
    for number in range(max(map(len, right.values()))):
        texts = _take(asked, right, number)
        student = f"differently_{number:02}"
        yield _submit(asked, student, fill(notebook, texts, apart=True), intact=True)
    for number, chosen in enumerate(_rounds(names, wrong)):
        mistakes = {
            each.name: _code(each, chosen[each.name])
            for each in asked
            if each.name in chosen
        }
        filled = fill(notebook, _take(asked, right, number) | mistakes)
        yield _submit(asked, f"wrong_{number:02}", filled, chosen, intact=True)


def _take(asked, answers, number):
    """Return the answers of a number, in turn, for all exercises."""
    return {
        each.name: _code(each, answers[each.name][number % len(answers[each.name])])
        for each in asked
    }


def _rounds(names, wrong):
    """Yield {exercise: wrong answer} until each was taken; not all in one round."""
    left = {name: list(wrong[name]) for name in names}
    for number in itertools.count():
        open_ones = [name for name in names if left[name]]
        if not open_ones:
            return
        if len(open_ones) == len(names):
            del open_ones[number % len(names)]
        yield {name: left[name].pop(0) for name in open_ones}


def _function(asked):
    """Return the first exercise that asks for a function."""
    return next(each for each in asked if each.solution.startswith("def "))


def _damaged(asked, notebook, wrong):
    """Yield notebooks with cells that are gone, moved, copied or not as before.

    One answer in them is wrong, so that a grader who gives all or nothing is seen.
    """
    target = _function(asked)
    texts, lost = _spoiled(asked, wrong, target)
    whole = fill(notebook, texts)
    for change in _DAMAGES:
        damaged = copy.deepcopy(whole)
        change(damaged)
        yield _submit(asked, change.__name__.strip("_"), damaged, [lost])
    path = "file_renamed/Untitled (2).ipynb"
    yield _submit(asked, "file_renamed", whole, [lost], path)
    gone = copy.deepcopy(whole)
    gone.cells.remove(answer_cells(gone)[target.name][1])
    yield _submit(asked, "answer_deleted", gone, [lost, target.name])


def _only_answers_and_imports(notebook):
    answers = [cell for _, cell in answer_cells(notebook).values()]
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell in answers or re.search(r"^(import|from) ", cell.source, re.MULTILINE)
    ]
    for cell in notebook.cells:
        cell.source = CHECK.sub("", cell.source)


def _cells_copied(notebook):
    notebook.cells = [copied for cell in notebook.cells for copied in (cell, cell)]


def _answers_at_the_end(notebook):
    """Move the answers to new cells, which nbgrader does not know."""
    for _, cell in answer_cells(notebook).values():
        notebook.cells.append(nbformat.v4.new_code_cell(cell.source))
        cell.source = "# see below"


def _cells_reversed(notebook):
    notebook.cells.reverse()


def _cells_renamed(notebook):
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell{number}"
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.grade_id = f"mine-{number}"


def _metadata_lost(notebook):
    notebook.metadata = nbformat.from_dict({})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})


def _outputs_kept(notebook):
    """Keep what a check may have said before the answer was changed."""
    said = nbformat.v4.new_output("stream", text="Correct.\n")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = 1, [said]


def _outputs_stripped(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = None, []


def _kernel_renamed(notebook):
    notebook.metadata.kernelspec = {"name": "my-env", "display_name": "My (3.12)"}


def _magics_and_scraps(notebook):
    """Add cells that are no Python, and an answer's name in other places."""
    for text in ("%pip install fcnlib\n!ls", "def half(", "%%bash\nexit 3", "1 / 0"):
        notebook.cells.insert(2, nbformat.v4.new_code_cell(text))


def _endless_cell(notebook):
    notebook.cells.insert(2, nbformat.v4.new_code_cell("while True:\n    pass"))


_DAMAGES = (
    _only_answers_and_imports,
    _cells_copied,
    _answers_at_the_end,
    _cells_reversed,
    _cells_renamed,
    _metadata_lost,
    _outputs_kept,
    _outputs_stripped,
    _kernel_renamed,
    _magics_and_scraps,
    _endless_cell,
)


def _hostile(asked, notebook, lesson, port):
    """Yield notebooks with a function that does harm, or tries to get at points.

    The function is right if its attack succeeds, so the points tell which did.
    """
    target = _function(asked)
    solution = target.solution.replace(f"def {target.answer}(", "def right(", 1)
    solutions = TESTS.parent / "notebooks" / "solutions" / f"{lesson}.ipynb"
    for student, (body, needs) in _ATTACKS.items():
        attack = body.format(port=port, path=str(solutions))
        text = f"def {target.answer}(*arguments):\n{_indent(attack)}"
        answer = f"{text}    return right(*arguments)"
        texts = _solved(asked) | {target.name: (solution, answer)}
        lost = [] if needs == "nothing" else [target.name]
        yield _submit(asked, student, fill(notebook, texts), lost, needs=needs)
    for each in asked:
        if each is not target:
            texts = _solved(asked) | {each.name: ("", _exit_at_once(each))}
            filled = fill(notebook, texts)
            yield _submit(asked, f"exits_at_once_{each.name}", filled, [each.name])


def _exit_at_once(exercise):
    """Return an answer that ends the process as soon as it is read."""
    return f"import os\n\n{exercise.answer} = os._exit(0)"


def _indent(text):
    """Indent the lines of a function's body."""
    return textwrap.indent(textwrap.dedent(text).strip() + "\n", "    ")


# What a function does before it answers rightly, and the right that it must have to
# succeed: none must have any but "nothing".
_ATTACKS = {
    "never_ends": ("while True:\n    pass", "time"),
    "takes_64_GB": ("hoard = [bytearray(2**30) for _ in range(64)]", "memory"),
    "exits": ("raise SystemExit", "its process"),
    "ends_the_process": ("import os\nos._exit(0)", "its process"),
    "prints_a_megabyte": ("print('x' * 2**20)", "nothing"),
    "overwrites_the_checks": (
        """
        import fcnlib.checks
        from fcnlib.checks import judging
        for module in (fcnlib.checks, judging):
            module.score = lambda *a, **k: (1.0, "Correct.")
        judging.compare = judging.compare_number = lambda *a, **k: None
        print(1.0, "Correct.")
        return 0
        """,
        "the checks",
    ),
    "reads_the_solutions": (
        """
        try:
            open({path!r}).close()
        except OSError:
            return 0
        """,
        "files",
    ),
    "reads_the_environment": (
        """
        import os
        if "SIMULATED_SECRET" not in os.environ:
            return 0
        """,
        "environment",
    ),
    "looks_into_its_folder": (
        """
        import os
        if all(name.startswith(".") for name in os.listdir()):  # Keras makes .keras
            return 0
        """,
        "what lies beside it",
    ),
    "tries_the_network": (
        """
        import socket
        try:
            socket.create_connection(("127.0.0.1", {port}), 2).close()
        except OSError:
            return 0
        """,
        "network",
    ),
}


def _strange_files(asked, notebook):
    """Yield files that are no notebook, and one of an older format."""
    names = [each.name for each in asked]
    solved = fill(notebook, _solved(asked))
    strange = {
        "empty_file": b"",
        "binary_file": bytes(range(256)) * 40,
        "python_file": "\n".join(each.solution for each in asked).encode(),
        "other_json": b'{"cells": 3}',
        "half_a_file": _write(solved)[: len(_write(solved)) // 2],
    }
    for student, content in strange.items():
        path = "python_file.py" if student == "python_file" else None
        yield _submit(asked, student, content, names, path)
    older = copy.deepcopy(solved)
    yield _submit(asked, "older_format", _write(nbformat.convert(older, 3)))


def hand_in(submitted, folder):
    """Write submissions into a folder."""
    for one in submitted:
        path = folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content)


def main(arguments):
    """Write the class of a lesson into a folder, and what each student should get."""
    lesson, folder = arguments
    submitted = submissions(lesson, editions(lesson)[0])
    hand_in(submitted, pathlib.Path(folder))
    for one in submitted:
        print(one.student, *one.points.values())


if __name__ == "__main__":
    main(sys.argv[1:])
