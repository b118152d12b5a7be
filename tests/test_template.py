"""The template becomes a lesson by the steps that INSTRUCTORS.md names."""

import pathlib
import shutil

import nbformat
import pytest
import test_instructors
import test_notebooks

from fcnlib import checks

ROOT = pathlib.Path(__file__).parents[1]
TEMPLATE = ROOT / "notebooks" / "template"
NAME = "11_my_lesson"
build = test_notebooks.build


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a copy of the package and an empty notebooks/, which kernels use."""
    heavy = shutil.ignore_patterns("weights", "__pycache__")
    shutil.copytree(ROOT / "fcnlib", tmp_path / "fcnlib", ignore=heavy)
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    (tmp_path / "INSTRUCTORS.md").touch()  # the notes link to it
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(build, "SETUP", "1")  # Keras is not needed here
    return tmp_path


def add_the_template(checkout):
    """Copy the lesson and the judge, and import the check."""
    lesson = checkout / "notebooks" / "source" / f"{NAME}.py"
    shutil.copyfile(TEMPLATE / "lesson.py", lesson)
    folder = checkout / "fcnlib" / "checks"
    shutil.copyfile(TEMPLATE / "judge.py", folder / "lesson_11.py")
    with (folder / "__init__.py").open("a", encoding="utf-8") as file:
        file.write("from fcnlib.checks.lesson_11 import rim_share\n")


def test_both_editions_build_and_keep_every_rule(checkout, monkeypatch):
    add_the_template(checkout)
    news = build.build(NAME, checkout / "notebooks")
    assert news == {f"{NAME}.ipynb": "new", f"solutions/{NAME}.ipynb": "new"}

    monkeypatch.setitem(checks.NAMES, NAME, ("rim_share",))
    for place in news:
        path = checkout / "notebooks" / place
        notebook = nbformat.read(path, 4)
        problems = {
            rule.__name__: rule(notebook, path) for rule in test_notebooks.RULES
        }
        assert problems == dict.fromkeys(problems, [])
    monkeypatch.setattr(test_instructors, "ROOT", checkout)
    test_instructors.test_each_lesson_has_its_teaching_note(path)
    test_instructors.test_notes_are_short(path)


def test_the_template_holds_what_a_lesson_can_hold():
    source = (TEMPLATE / "lesson.py").read_text("utf-8")
    cells = build.read_cells(source)
    assert sum("instructor" in test_notebooks.tags(cell) for cell in cells) >= 4
    assert sum("points" in cell.metadata for cell in cells) == 1
    judge = (TEMPLATE / "judge.py").read_text("utf-8")
    assert f'@exercise("{NAME}", asks_for=' in judge
