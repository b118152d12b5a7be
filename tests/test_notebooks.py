"""Test the lessons as they are stored: both editions, and what builds them.

Each rule is a function that returns a list of problems. It is tried on every stored
notebook, and on a planted bad one, so that no rule passes because it sees nothing.
"""

import ast
import importlib.util
import pathlib
import re

import jupytext
import nbformat
import pytest

from fcnlib import checks

ROOT = pathlib.Path(__file__).parents[1]
# The words that each lesson has; whoever translates the lessons translates them here.
PREDICTION = "### Predict, then run\n"
PARTS = (
    "After this lesson you can:",
    "minutes to read",
    "## Summary\n\nIn this lesson you:",
    "## References",
)
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")


def load(name):
    """Import a script of the folder notebooks/, which is no package."""
    path = ROOT / "notebooks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"notebooks_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load("build")
LESSONS = build.lessons()
EDITIONS = [path for name in LESSONS for path in build.editions(name)]


def tags(cell):
    return cell.metadata.get("tags", [])


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def own_code_cells(notebook):
    """Return the code cells that an author wrote."""
    return [cell for cell in code_cells(notebook) if "generated" not in tags(cell)]


# The rules for one notebook.


def execution_counts(notebook, path):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    expected = list(range(1, len(counts) + 1))
    return [] if counts == expected and counts else [f"not run in order: {counts}"]


def errors_and_warnings(notebook, path):
    problems = []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                problems.append(f"error: {output.ename}")
            if output.get("name") == "stderr":
                problems.append(f"error stream: {output.text}")
    return problems


def alternative_texts(notebook, path):
    problems = []
    for output in outputs(notebook):
        for kind in output.get("data", {}):
            alt = output.metadata.get(kind, {}).get("alt", "")
            if kind.startswith("image/") and not 0 < len(alt.strip()) < 300:
                problems.append(f"{kind} with the alternative text {alt!r}")
    return problems


def links(notebook, path):
    targets = [
        target
        for cell in text_cells(notebook)
        for found in LINK.findall(cell.source)
        for target in found
        if target and not re.match(r"https?:|mailto:|#", target)
    ]
    return [
        f"broken link {target}"
        for target in targets
        if not (path.parent / target.split("#")[0]).exists()
    ]


def figures_without_text(notebook, path):
    return [
        f"picture without text: {found}"
        for cell in text_cells(notebook)
        for found in re.findall(r"!\[\s*\]\([^)]*\)|<img(?![^>]*alt=\"\w)", cell.source)
    ]


def code_limits(notebook, path):
    problems = []
    for cell in own_code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        defines = any(
            isinstance(node, ast.FunctionDef | ast.ClassDef)
            for node in ast.parse(cell.source).body
        )
        if len(lines) > (20 if defines else 15):
            problems.append(f"{len(lines)} lines: {lines[0]}")
        problems += [f"too wide: {line}" for line in lines if len(line) > 79]
    own = [cell for cell in own_code_cells(notebook) if "checks." not in cell.source]
    return problems + (["over 30 code cells"] if len(own) > 30 else [])


def text_limits(notebook, path):
    """Hints are folded away, and words for instructors are not for the student."""
    texts = [
        re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
        for cell in text_cells(notebook)
        if "instructor" not in tags(cell)
    ]
    words = [len(text.split()) for text in texts]
    problems = [
        f"{count} words: {text[:40]!r}"
        for count, text in zip(words, texts, strict=True)
        if count > 150
    ]
    # The failure clinic may be longer.
    clinic = "failure_clinic" in path.stem
    return problems + (["over 2,500 words"] if sum(words) > 2500 and not clinic else [])


def plain_python(notebook, path):
    return [
        f"magic or shell command: {line}"
        for cell in own_code_cells(notebook)
        for line in cell.source.splitlines()
        if line.lstrip().startswith(("%", "!"))
    ]


def anatomy(notebook, path):
    text = "\n".join(cell.source for cell in text_cells(notebook))
    first, *others = re.findall(r"^# .*$", text, re.MULTILINE)
    problems = [] if first.endswith("?") and not others else ["title: one question"]
    if text.count(PREDICTION) < 2:
        problems.append("fewer than two predictions")
    return problems + [f"missing: {part!r}" for part in PARTS if part not in text]


def exercises(notebook, path):
    called = [
        node.func.attr
        for cell in code_cells(notebook)
        if "generated" not in tags(cell)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith("checks.")
        and node.func.attr not in ("score",)
    ]
    expected = list(checks.NAMES.get(path.stem, ()))
    return [] if called == expected else [f"checks {called}, expected {expected}"]


def verdicts(notebook, path):
    """An unsolved exercise is not attempted, and each solution is correct."""
    expected = "Correct" if path.parent.name == "solutions" else "Not attempted yet"
    return [
        f"a check says {said!r}"
        for cell in own_code_cells(notebook)
        if re.search(r"^checks\.\w+\(", cell.source, re.MULTILINE)
        for said in ["".join(output.get("text", "") for output in cell.outputs)]
        if not said.startswith(expected)
    ]


def photographs(notebook, path):
    return [
        f"a photograph may show: {cell.source[:40]!r}"
        for cell in code_cells(notebook)
        if "shows-photograph" in tags(cell)
        and (cell.outputs or "nbval-ignore-output" not in tags(cell))
    ]


def hidden_statements(source):
    """Return the statements of a cell's solution, and its lines."""
    marker = build.MARKER.search(source)
    if marker is None:
        return [], []
    first = source[: marker.end()].count("\n") + 1
    hidden = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno >= first
    ]
    lines = [line.strip() for line in source[marker.end() :].splitlines()]
    return hidden, [line for line in lines if len(line) > 15]


def solutions_that_show(notebook, path):
    """Compare a student edition with what its source hides."""
    if path.parent.name == "solutions":
        return []
    source = (path.parent / "source" / f"{path.stem}.py").read_text(encoding="utf-8")
    cells = jupytext.reads(source, fmt="py:percent").cells
    code = {
        ast.unparse(node)
        for cell in own_code_cells(notebook)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.stmt)
    }
    visible = nbformat.writes(notebook)
    problems = ["a solution's marker"] if "# solution" in visible else []
    for cell in cells:
        if {"solution", "instructor"} & set(tags(cell)):
            shown = any(cell.source == other.source for other in notebook.cells)
            problems += [f"shows {cell.source[:40]!r}"] if shown else []
        elif cell.cell_type == "code":
            statements, lines = hidden_statements(cell.source)
            problems += [f"shows {found!r}" for found in statements if found in code]
            problems += [f"shows {line!r}" for line in lines if line in visible]
    return problems


RULES = [
    execution_counts,
    errors_and_warnings,
    alternative_texts,
    links,
    figures_without_text,
    code_limits,
    text_limits,
    plain_python,
    anatomy,
    exercises,
    verdicts,
    photographs,
    solutions_that_show,
]


def identify(path):
    return path.relative_to(ROOT / "notebooks").as_posix()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", EDITIONS, ids=identify)
def test_stored_editions(path, rule):
    assert rule(nbformat.read(path, 4), path) == []


@pytest.mark.parametrize("path", EDITIONS, ids=identify)
def test_stored_editions_are_small_and_valid(path):
    assert path.stat().st_size < 1_000_000
    nbformat.validate(nbformat.read(path, 4))


@pytest.mark.parametrize("name", LESSONS)
def test_stored_editions_are_as_their_source(name):
    assert build.differences(name) == []


def test_every_edition_has_a_source_and_every_checked_lesson_is_there():
    folder = ROOT / "notebooks"
    stored = {*folder.glob("*.ipynb"), *(folder / "solutions").glob("*.ipynb")}
    assert stored == set(EDITIONS)
    assert set(checks.NAMES) <= set(LESSONS)


# The planted ones: a small lesson, and one fault at a time.

LESSON = '''\
# %% [markdown]
# # Is it small?
#
# After this lesson you can: see. 1 minute or more minutes to read.
# [page](../README.md)

# %%
from fcnlib import checks

# %% [markdown]
# ### Predict, then run
#
# One.
#
# ### Predict, then run
#
# Two.

# %%
def class_shares(labels, num_classes):
    """Return shares."""
    # solution
    valid = labels[labels != 255]
    # void is out
    return [float((valid == number).mean()) for number in range(num_classes)]


# %%
checks.class_shares(class_shares)

# %%
# solution
half = 1
answer = half / 2

# %% [markdown] tags=["instructor"]
# A word for instructors.

# %% tags=["solution"]
print("only for instructors")

# %% [markdown]
# ## Summary
#
# In this lesson you: saw.
#
# ## References
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder notebooks/ with one lesson, which is not built yet."""
    monkeypatch.setattr(checks, "NAMES", {"small": ("class_shares",)})
    (tmp_path / "README.md").touch()
    source = tmp_path / "notebooks" / "source" / "small.py"
    source.parent.mkdir(parents=True)
    (tmp_path / "notebooks" / "solutions").mkdir()
    source.write_text(LESSON, encoding="utf-8")
    return tmp_path / "notebooks"


def pretend_to_run(notebook):
    """Number the code cells, and let the checks say what they should."""
    for count, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = count
        if cell.source.startswith("checks."):
            solved = any("labels[labels" in c.source for c in notebook.cells)
            said = "Correct." if solved else "Not attempted yet: ."
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said)]


def test_a_good_lesson_breaks_no_rule(folder):
    for path, notebook in build.editions("small", folder).items():
        pretend_to_run(notebook)
        assert [rule(notebook, path) for rule in RULES] == [[] for _ in RULES]


def picture(**metadata):
    data = {"image/png": "AAAA"}
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


def plant_output(notebook, output):
    code_cells(notebook)[0].outputs = [output]


def plant_text(notebook, text):
    notebook.cells.append(nbformat.v4.new_markdown_cell(text))


def plant_code(notebook, code, tagged=(), outputs=()):
    metadata = {"tags": list(tagged)}
    cell = nbformat.v4.new_code_cell(code, metadata=metadata, outputs=list(outputs))
    notebook.cells.append(cell)


stream = nbformat.v4.new_output("stream", name="stderr", text="a notice")
failure = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
long_alt = {"image/png": {"alt": "a" * 300}}
hidden_line = "valid = labels[labels != 255]"

FAULTS = [
    (execution_counts, lambda n: code_cells(n)[1].update(execution_count=None)),
    (execution_counts, lambda n: code_cells(n)[1].update(execution_count=7)),
    (execution_counts, lambda n: n.update(cells=text_cells(n))),
    (errors_and_warnings, lambda n: plant_output(n, failure)),
    (errors_and_warnings, lambda n: plant_output(n, stream)),
    (alternative_texts, lambda n: plant_output(n, picture())),
    (alternative_texts, lambda n: plant_output(n, picture(**long_alt))),
    (links, lambda n: plant_text(n, "[gone](../no_such_file.md)")),
    (links, lambda n: plant_text(n, '<img alt="x" src="no_such_file.png">')),
    (figures_without_text, lambda n: plant_text(n, "![](../README.md)")),
    (figures_without_text, lambda n: plant_text(n, '<img src="a.png">')),
    (code_limits, lambda n: plant_code(n, "1\n" * 16)),
    (code_limits, lambda n: plant_code(n, "def f():\n" + "    1\n" * 20)),
    (code_limits, lambda n: plant_code(n, "a = " + "1" * 76)),
    (code_limits, lambda n: [plant_code(n, "1") for _ in range(31)]),
    (text_limits, lambda n: plant_text(n, "word " * 151)),
    (text_limits, lambda n: [plant_text(n, "word " * 150) for _ in range(17)]),
    (plain_python, lambda n: plant_code(n, "%matplotlib inline")),
    (plain_python, lambda n: plant_code(n, "!pip install x")),
    (anatomy, lambda n: n.cells[0].update(source="# A title")),
    (anatomy, lambda n: plant_text(n, "# A second title?")),
    (anatomy, lambda n: n.cells[3].update(source="### Predict, then run\n")),
    (anatomy, lambda n: n.cells.pop()),
    (exercises, lambda n: plant_code(n, "checks.class_shares(None)")),
    (exercises, lambda n: plant_code(n, "checks.no_such_exercise(None)")),
    (exercises, lambda n: n.update(cells=n.cells[:-3])),
    (verdicts, lambda n: code_cells(n)[3].outputs[0].update(text="Not yet: .")),
    (photographs, lambda n: plant_code(n, "1", ["shows-photograph"])),
    (
        photographs,
        lambda n: plant_code(
            n, "1", ["shows-photograph", "nbval-ignore-output"], [picture()]
        ),
    ),
    (solutions_that_show, lambda n: plant_text(n, f"`{hidden_line}`")),
    (solutions_that_show, lambda n: plant_code(n, "if 1:\n    answer = half/2")),
    (solutions_that_show, lambda n: plant_code(n, "1  # solution")),
    (solutions_that_show, lambda n: plant_text(n, "A word for instructors.")),
    (solutions_that_show, lambda n: plant_code(n, 'print("only for instructors")')),
]


@pytest.mark.parametrize(("rule", "plant"), FAULTS)
def test_a_planted_fault_is_found(rule, plant, folder):
    (path, notebook), _ = build.editions("small", folder).items()
    pretend_to_run(notebook)
    assert rule(notebook, path) == []
    plant(notebook)
    assert rule(notebook, path) != []


# What builds them.


def test_stubs_in_functions_and_for_values(folder):
    student, solution = build.editions("small", folder).values()
    code = "\n".join(cell.source for cell in own_code_cells(student))
    assert '    """Return shares."""\n    # Your 2 lines here.\n    return None' in code
    assert "# Your 2 lines here.\nanswer = None" in code
    assert build.stub("x = 1\n# solution\ny = 2") == (
        "x = 1\n# Your 1 line here.\ny = None"
    )
    complete = "\n".join(cell.source for cell in own_code_cells(solution))
    assert "# solution" not in complete
    assert hidden_line in complete and "answer = half / 2" in complete
    assert len(solution.cells) == len(student.cells) + 2


def test_links_of_the_solution_edition_start_one_folder_deeper(folder):
    student, solution = build.editions("small", folder).values()
    assert "](../README.md)" in student.cells[0].source
    assert "](../../README.md)" in solution.cells[0].source


def test_ids_are_the_same_in_both_editions_and_survive_changes_elsewhere(folder):
    student, solution = build.editions("small", folder).values()
    ids = [cell.id for cell in student.cells]
    assert len(set(ids)) == len(ids)
    assert set(ids) < {cell.id for cell in solution.cells}
    path = folder / "source" / "small.py"
    path.write_text(LESSON.replace("# One.", "# 1."), encoding="utf-8")
    changed, _ = build.editions("small", folder).values()
    assert len(set(ids) - {cell.id for cell in changed.cells}) == 1


def store(folder):
    for path, notebook in build.editions("small", folder).items():
        nbformat.write(notebook, path)


def test_differences_from_the_source_are_found(folder):
    assert len(build.differences("small", folder)) == 2  # nothing is stored yet
    store(folder)
    assert build.differences("small", folder) == []
    path = folder / "small.ipynb"
    good = path.read_text(encoding="utf-8")
    path.write_text(good.replace("One.", "Won."), encoding="utf-8")
    assert build.differences("small", folder) == ["small.ipynb: build it again"]
    path.write_text(good, encoding="utf-8")
    with (folder / "source" / "small.py").open("a", encoding="utf-8") as source:
        source.write("\n")  # the cells stay, the hash changes
    assert len(build.differences("small", folder)) == 2


@pytest.fixture
def quick_lesson(folder, monkeypatch):
    """Let the small lesson run fast: nothing to import, one picture, one photograph."""
    monkeypatch.setattr(build, "SETUP", "1")
    text = (
        "# %% [markdown]\n# # Fast?\n\n# %%\nprint('a', flush=True)\nprint('b')\n\n"
        "# %% tags=['shows-photograph']\n'photograph'\n"
    )
    (folder / "source" / "small.py").write_text(text, encoding="utf-8")
    return folder


def test_building_runs_both_editions_and_is_repeatable(quick_lesson):
    expected = dict.fromkeys(("small.ipynb", "solutions/small.ipynb"), "new")
    assert build.build("small", quick_lesson) == expected
    path = quick_lesson / "small.ipynb"
    notebook = nbformat.read(path, 4)
    _, printed, photograph = code_cells(notebook)
    assert execution_counts(notebook, path) == []
    assert [output.text for output in printed.outputs] == ["a\nb\n"]
    assert photograph.outputs == [] and "shows-photograph" in tags(photograph)
    assert notebook.metadata.language_info == {"name": "python"}
    before = path.read_bytes()
    assert set(build.build("small", quick_lesson).values()) == {"unchanged"}
    assert path.read_bytes() == before
    assert build.differences("small", quick_lesson) == []


@pytest.mark.parametrize(
    ("old", "new", "student", "solution"),
    [
        ("# %%\nprint('a'", "# %%\nprint('c'", "changed", "changed"),
        ("int('1')", "int('2')", "only its source's hash changed", "changed"),
    ],
)
def test_building_says_what_is_new_in_each_edition(
    old, new, student, solution, quick_lesson, monkeypatch
):
    source = quick_lesson / "source" / "small.py"
    text = source.read_text("utf-8") + "\n# %% tags=['solution']\nint('1')\n"
    source.write_text(text, encoding="utf-8")
    monkeypatch.setattr(build, "execute", lambda notebook, folder: None)
    build.build("small", quick_lesson)
    assert text.count(old) == 1
    source.write_text(text.replace(old, new), encoding="utf-8")
    news = {"small.ipynb": student, "solutions/small.ipynb": solution}
    assert build.build("small", quick_lesson) == news
    assert build.differences("small", quick_lesson) == []


def test_new_outputs_alone_are_told(quick_lesson, monkeypatch):
    monkeypatch.setattr(build, "execute", lambda notebook, folder: None)
    build.build("small", quick_lesson)
    path = quick_lesson / "small.ipynb"
    notebook = nbformat.read(path, 4)
    plant_output(notebook, stream)
    nbformat.write(notebook, path)
    told = build.build("small", quick_lesson)["small.ipynb"]
    assert told == "only outputs changed"


def test_a_lesson_that_fails_is_named_and_leaves_nothing(quick_lesson):
    source = quick_lesson / "source" / "small.py"
    with source.open("a", encoding="utf-8") as file:
        file.write("\n# %%\nint('two\\nlines')\n")
    message = r"^small.ipynb, cell 5: ValueError: [^\n]*$"
    with pytest.raises(build.BuildError, match=message):
        build.build("small", quick_lesson)
    assert not list(quick_lesson.rglob("*.ipynb"))
    assert not list(quick_lesson.rglob("*.tmp"))


def test_the_command_line_names_what_is_wrong(capsys, monkeypatch):
    monkeypatch.setenv("FCNLIB_PROFILE", "quick")  # main sets it; put it back
    assert build.main(["no_such_lesson", "--check"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: no_such_lesson: no such lesson, expected one")
    assert told.err.count("\n") == 1


def test_values_must_be_bound(folder):
    path = folder / "source" / "small.py"
    path.write_text("# %%\n# solution\nprint(1)\n", encoding="utf-8")
    with pytest.raises(build.BuildError, match="small.py: .* must bind a name"):
        build.editions("small", folder)


def test_ids_are_valid_in_a_notebook(folder):
    for notebook in build.editions("small", folder).values():
        nbformat.validate(notebook)
