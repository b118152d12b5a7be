"""INSTRUCTORS.md and the teaching notes agree with the lessons and with what ran."""

import json
import pathlib
import re

import nbformat
import pytest

from fcnlib import checks
from fcnlib.grading import sandbox

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "INSTRUCTORS.md").read_text("utf-8")
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("[0-9]*.ipynb"))
STORED = json.loads((ROOT / "results" / "lessons.json").read_text("utf-8"))
MINUTES = re.compile(r"^Minutes to read: (.+?)\.$", re.MULTILINE | re.DOTALL)


def read(path):
    return nbformat.read(path, 4).cells


def notes(path):
    """Return the texts for instructors, joined, of a solution edition."""
    tagged = [c for c in read(path) if "instructor" in c.metadata.get("tags", [])]
    return "\n\n".join(cell.source for cell in tagged)


def source(path):
    """Return the source of an edition."""
    folder = ROOT / "notebooks" / "source"
    return (folder / f"{path.stem}.py").read_text("utf-8")


def minutes_to_read(path):
    return int(re.search(r"(\d+) minutes to read", source(path))[1])


def points(path):
    return sum(
        map(int, re.findall(r"^# %%.* points=(\d+)", source(path), re.MULTILINE))
    )


def section(heading):
    """Return what stands under a heading, up to the next one of any level."""
    _, found = PAGE.split(f"{heading}\n", 1)
    return re.split(r"^##+ ", found, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """Return the cells of the tables in a text, without their headings."""
    lines = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    return [line.split(" | ") for line in lines if not line.startswith("---")][1:]


def test_the_page_is_short_and_linked():
    assert len(PAGE.splitlines()) < 400
    assert "](INSTRUCTORS.md)" in (ROOT / "README.md").read_text("utf-8")
    headings = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    known = {re.sub(r"[^\w ]", "", one.lower()).replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= known


def table_of_lessons():
    return {row[0]: row[1:] for row in rows(section("<!-- lessons -->"))}


def test_the_table_of_lessons_is_what_they_say_and_what_was_measured():
    """Where it is not, `python notebooks/measure.py LESSON` writes it."""
    found = table_of_lessons()
    assert list(found) == [*(path.stem for path in SOLUTIONS), "jupyterlab"]
    for path in SOLUTIONS:
        exercises = len(checks.NAMES[path.stem])
        said = [minutes_to_read(path), exercises, points(path)]
        assert found[path.stem][:3] == list(map(str, said))
    numbers = ("peak_memory_mib", "processor_seconds")
    for name, row in found.items():
        assert row[3:] == [str(STORED[name][number]) for number in numbers]
    machines = {measured["machine"] for measured in STORED.values()}
    assert [machine in PAGE for machine in machines] == [True]


def test_the_seats_that_are_recommended_are_large_enough():
    memory = {name: int(row[3]) for name, row in table_of_lessons().items()}
    server, largest = memory.pop("jupyterlab"), memory.pop("10_scaling_up")
    assert "2 GiB hold each of the lessons 0 to 9 and the server" in PAGE
    assert max(memory.values()) + server < 2 * 1024
    assert "4 GiB also hold lesson 10" in PAGE and largest + server < 4 * 1024
    busy = 100 * STORED["07_failure_clinic"]["processor_seconds"] / 16 / 60
    assert f"16 cores are busy for {busy:.0f} minutes" in " ".join(PAGE.split())


def test_commands_and_limits_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake ([a-z-]{4,})\b", PAGE):
        assert target == "runs" or f"\n{target}: " in makefile, target
    for command in re.findall(r"python (notebooks/\w+\.py)", PAGE):
        assert (ROOT / command).is_file()
    options = set(re.findall(r"`(--\w+)", section("## Without nbgrader")))
    command_line = (ROOT / "fcnlib" / "__main__.py").read_text("utf-8")
    added = set(re.findall(r"\"(--\w+)\"", command_line)) | {"--moodle", "--canvas"}
    assert len(options) > 4 and options <= added

    assert sandbox.BYTES == 4 * 2**30 and "| memory (4 GB) |" in PAGE
    limits = (ROOT / "notebooks" / "nbgrader_config.py").read_text("utf-8")
    seconds = dict(re.findall(r"^([A-Z]+)_SECONDS = (\d+)", limits, re.MULTILINE))
    assert (
        "An answer has {ANSWER} seconds, a check {GRADING}, a cell of the lesson"
        " {LESSON}.".format(**seconds)
    ) in " ".join(PAGE.split())


def test_schedules_add_up():
    for heading, minutes in (("### A class of two hours", 120), ("### A day", 370)):
        assert sum(int(row[0]) for row in rows(section(heading))) == minutes
    numbered = {int(path.stem[:2]): path for path in SOLUTIONS}
    for _, lessons, reading, exercises, _ in rows(section("### Six weeks")):
        paths = [numbered[int(number)] for number in lessons.split(", ")]
        assert int(reading) == sum(map(minutes_to_read, paths))
        assert int(exercises) == sum(len(checks.NAMES[path.stem]) for path in paths)


def test_schedules_name_sections_and_exercises_that_exist():
    sources = (ROOT / "notebooks" / "source").glob("*.py")
    text = "\n".join(path.read_text("utf-8") for path in sources)
    headings = set(re.findall(r"^# ##+ (?:Exercise: )?(.+)$", text, re.MULTILINE))
    named = re.findall(
        r"\"([^\"]+?),?\"", PAGE.split("## Schedules")[1].split("### Six")[0]
    )
    assert len(named) > 8 and set(named) <= headings


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_each_lesson_has_its_teaching_note(path):
    text = notes(path)
    assert "Teaching note. Say first:" in text
    assert "Misconceptions" in text and "Marking the predictions" in text
    listed = MINUTES.search(text)[1].split(",")
    spent = [int(part.split()[-1]) for part in listed]
    assert sum(spent) == minutes_to_read(path)
    sections = re.findall(r"^# ## (.+)$", source(path), re.MULTILINE)
    assert len(spent) == 1 + len(sections) - len({"Summary", "References"})


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_notes_are_short(path):
    for cell in read(path):
        if "instructor" in cell.metadata.get("tags", []):
            assert cell.source.startswith("**For instructors.** ")
            assert len(cell.source.split()) <= 150
