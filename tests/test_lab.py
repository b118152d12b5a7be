"""Test that `make lab` copies each lesson once and never writes over an answer."""

import importlib.util
import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location(
    "notebooks_lab", ROOT / "notebooks" / "lab.py"
)
lab = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lab)


NOTHING_NEW = "work/: all lessons are there; nothing copied"


def write_lesson(path, sha256, text=""):
    metadata = {"fcnlib": {"source": "a.py", "sha256": sha256}}
    notebook = {"cells": [text], "metadata": metadata}
    path.write_text(json.dumps(notebook), encoding="utf-8")


@pytest.fixture
def folders(tmp_path):
    lessons = tmp_path / "notebooks"
    (lessons / "solutions").mkdir(parents=True)
    write_lesson(lessons / "00_a.ipynb", "one")
    write_lesson(lessons / "solutions" / "00_a.ipynb", "one", "solved")
    return lessons, tmp_path / "work"


def test_lessons_are_copied_once(folders):
    lessons, work = folders
    assert lab.copy_lessons(*folders) == ["00_a.ipynb: copied to work/"]
    copied = (work / "00_a.ipynb").read_bytes()
    assert copied == (lessons / "00_a.ipynb").read_bytes()
    assert lab.copy_lessons(*folders) == [NOTHING_NEW]
    assert [path.name for path in work.iterdir()] == ["00_a.ipynb"]


def test_answers_stay_and_newer_versions_are_told(folders):
    lessons, work = folders
    lab.copy_lessons(*folders)
    write_lesson(work / "00_a.ipynb", "one", "my answer")
    answered = (work / "00_a.ipynb").read_bytes()
    assert lab.copy_lessons(*folders) == [NOTHING_NEW]
    write_lesson(lessons / "00_a.ipynb", "two")
    write_lesson(lessons / "01_b.ipynb", "new")
    newer, copied = lab.copy_lessons(*folders)
    assert newer.startswith("00_a.ipynb: notebooks/ has a newer version")
    assert copied == "01_b.ipynb: copied to work/"
    assert (work / "00_a.ipynb").read_bytes() == answered


@pytest.mark.parametrize("text", ["", "not a notebook", "[]", '{"metadata": {}}'])
def test_a_damaged_copy_stays(folders, text):
    _, work = folders
    work.mkdir()
    (work / "00_a.ipynb").write_text(text, encoding="utf-8")
    (told,) = lab.copy_lessons(*folders)
    assert "yours is kept" in told
    assert (work / "00_a.ipynb").read_text(encoding="utf-8") == text


def test_copy_only_opens_nothing(folders, monkeypatch, capsys):
    lessons, work = folders
    monkeypatch.setattr(lab, "ROOT", lessons.parent)
    monkeypatch.setattr(lab, "open_lab", lambda work: pytest.fail("opened"))
    assert lab.main(["--copy-only"]) == 0
    assert capsys.readouterr().out == "00_a.ipynb: copied to work/\n"


def test_jupyterlab_opens_in_work_and_sees_the_course(folders, monkeypatch):
    lessons, work = folders
    commands = []

    class Lab:
        """A JupyterLab that the user interrupts once, and then shuts down."""

        def __init__(self, command, cwd):
            commands.append(command)
            self.waits = iter([KeyboardInterrupt, 0])

        def wait(self):
            answer = next(self.waits)
            if answer is KeyboardInterrupt:
                raise KeyboardInterrupt
            return answer

    monkeypatch.setattr(lab, "ROOT", lessons.parent)
    monkeypatch.setattr(lab.subprocess, "Popen", Lab)
    assert lab.main([]) == 0
    ((_, *options),) = commands
    assert options[:2] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={lessons.parent}" in options
    assert f"--FileContentsManager.preferred_dir={work}" in options


def test_a_file_in_the_way_is_named(folders, monkeypatch, capsys):
    lessons, work = folders
    work.write_text("mine")
    monkeypatch.setattr(lab, "ROOT", lessons.parent)
    assert lab.main(["--copy-only"]) == 2
    printed = capsys.readouterr().err
    assert (
        printed.startswith(f"error: {work} is no folder") and "\n" not in printed[:-1]
    )
    assert work.read_text() == "mine"
