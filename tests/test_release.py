"""The archive for students: complete, without what is not theirs, and installable."""

import importlib.metadata
import re
import zipfile

import build
import pytest
import release
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fcnlib

TOP = f"fcnlib-course-{fcnlib.__version__}"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The folder that a student unpacks."""
    folder = tmp_path_factory.mktemp("student")
    with zipfile.ZipFile(release.pack(folder)) as packed:
        packed.extractall(folder)
    return folder / TOP


def places(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in files}


def test_the_archive_holds_the_lessons_and_the_package(archive):
    held = places(archive)
    assert {f"notebooks/{name}.ipynb" for name in build.lessons()} < held
    package = release.ROOT / "fcnlib"
    modules = [path.relative_to(release.ROOT) for path in package.rglob("*.py")]
    assert {path.as_posix() for path in modules} < held
    assert {"README.md", "data/README.md", "notebooks/glossary.md", "LICENSE"} < held


def test_the_archive_holds_nothing_for_instructors(archive):
    for place in places(archive):
        assert not re.search("solution|source/|tests?/|INSTRUCTORS|build.py", place)
        assert not place.endswith((".pyc", ".tmp", "run.json", "seed.txt"))
    for path in (archive / "notebooks").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert "For instructors" not in text and "# solution" not in text
    readme = (archive / "README.md").read_text(encoding="utf-8")
    assert readme == (release.build.FOLDER / "student_readme.md").read_text("utf-8")


def test_links_lead_to_files_of_the_archive(archive):
    pages = [*archive.rglob("*.md"), *archive.rglob("*.ipynb")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(((?:\.\./)*[\w/]+\.(?:md|ipynb|svg|png))\)", text):
            assert (page.parent / link).is_file(), (page, link)


def test_the_same_files_give_the_same_archive(archive, tmp_path):
    again = release.pack(tmp_path).read_bytes()
    assert (archive.parent / f"{TOP}.zip").read_bytes() == again


def needs(name, extra=""):
    """Return the packages that an installed package asks for here."""
    lines = importlib.metadata.requires(name) or []
    asked = [Requirement(line) for line in lines]
    return {
        canonicalize_name(each.name)
        for each in asked
        if each.marker is None or each.marker.evaluate({"extra": extra})
    }


def test_the_pins_are_all_that_the_lessons_need(archive):
    text = (archive / "requirements.txt").read_text(encoding="utf-8")
    names = re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
    pinned = {canonicalize_name(name) for name in names}
    asked = {canonicalize_name(name) for name in release.PINS_OF_NBGRADER}
    assert asked & pinned == set() and asked <= {"nbgrader", *needs("nbgrader"), "mako"}
    waiting = needs("fcnlib", "notebooks")
    seen = set()
    while waiting:
        name = waiting.pop()
        assert name in pinned, name
        seen.add(name)
        waiting |= needs(name) - seen


def test_the_makefile_has_the_students_targets_alone(archive):
    text = (archive / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE)
    assert tuple(targets) == release.STUDENT_TARGETS
    assert f".PHONY: {' '.join(targets)}\n" in text
    assert not re.search(r"tests|solutions|SOLUTIONS|build\.py|pytest", text)
    scripts = re.findall(r"\$\(VENV_PYTHON\) (notebooks/\w+\.py)", text)
    assert scripts and all((archive / script).is_file() for script in scripts)


def test_a_lesson_that_is_not_built_is_not_packed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(build, "differences", lambda name, folder: [f"{name}: old"])
    assert release.main([str(tmp_path / "dist")]) == 2
    assert capsys.readouterr().err.startswith("error: 00_start_here: old, ")
    assert not (tmp_path / "dist").exists()
