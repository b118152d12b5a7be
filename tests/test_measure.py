"""What a lesson needs is measured in a kernel of its own."""

import importlib.util
import json
import pathlib
import sys

import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location(
    "notebooks_measure", ROOT / "notebooks" / "measure.py"
)
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows counts memory in another way"
)


@pytest.fixture(scope="module")
def measure():
    module = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(module)
    return module


def lesson(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def test_memory_and_work_are_those_of_the_kernel(measure, tmp_path):
    small = measure.measure(lesson("held = b'1' * 300 * 2**20"), tmp_path)
    loops = "for _ in range(20_000_000):\n    pass"
    large = measure.measure(lesson("held = b'1' * 500 * 2**20", loops), tmp_path)
    assert 190 < large["peak_memory_mib"] - small["peak_memory_mib"] < 210
    assert large["processor_seconds"] > small["processor_seconds"]
    assert small["seconds"] > 0 and small["machine"].endswith("cores")


def test_what_is_not_measured_again_stays(measure, tmp_path):
    path = tmp_path / "lessons.json"
    for name, number in (("b", 1), ("a", 2), ("b", 3)):
        measure.store(name, {"seconds": number}, path)
    stored = json.loads(path.read_text("utf-8"))
    assert list(stored.items()) == [("a", {"seconds": 2}), ("b", {"seconds": 3})]
    assert list(tmp_path.iterdir()) == [path]


def test_the_page_shows_the_lessons_that_were_measured(measure, tmp_path):
    (tmp_path / "source").mkdir()
    for name in ("00_a", "01_b"):
        text = "# %% [markdown]\n# 9 minutes to read.\n\n# %% points=2\na = 1\n"
        (tmp_path / "source" / f"{name}.py").write_text(text, "utf-8")
    path, page = tmp_path / "lessons.json", tmp_path / "page.md"
    numbers = {"peak_memory_mib": 7, "processor_seconds": 0.5, "seconds": 1.5}
    for name in ("jupyterlab", "01_b", "gone"):
        measure.store(name, numbers, path)
    for old in ("", "| old |\n\n"):
        page.write_text(f"a\n<!-- lessons -->\n\n{old}<!-- /lessons -->\nb\n", "utf-8")
        measure.show(page, path, tmp_path)
        before, *table, after = page.read_text("utf-8").split("<!-- ")
        assert (before, after) == ("a\n", "/lessons -->\nb\n")
        assert table[0].splitlines()[4:] == [
            "| 01_b | 9 | 1 | 2 | 7 | 0.5 |",
            "| jupyterlab |  |  |  | 7 | 0.5 |",
            "",
        ]


def test_a_wrong_name_is_told_in_one_line(measure, monkeypatch, capsys):
    monkeypatch.setenv("FCNLIB_PROFILE", "quick")  # main sets it; put it back
    assert measure.main(["no_such_lesson"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: no_such_lesson") and told.count("\n") == 1
