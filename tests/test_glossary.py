"""The glossary: its rules, each tried on a planted fault, and the stored page."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"

FIRST = """\
# %% [markdown]
# # What is a kernel?
#
# The title and the goals may speak of a stride.
#
# ## One window
#
# A **kernel** is a small grid of numbers that slides over a
# picture. The **dense layer** (FC) has a weight for each number, as every kernel.
# The stride comes in lesson 1; that stride is a number.

# %% tags=["instructor"]
"**code** is not text"

# %% [markdown] tags=["instructor"]
# **For instructors.** Ask.
"""
SECOND = """\
# %% [markdown]
# # How far?
#
# ## Steps
#
# The window moves. Its step is called the **stride**, a number of whole pixels, at
# least 1; a **kernel size** is its width, an FC the whole picture.
#
# ## Summary
#
# You know the bias.
"""
NAMES = ["kernel", "dense layer", "stride", "kernel size"]


def load():
    """Import the script, which is in no package."""
    path = FOLDER / "glossary.py"
    spec = importlib.util.spec_from_file_location("notebooks_glossary", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


glossary = load()


@pytest.fixture
def write_lessons(tmp_path):
    """Return a function that stores two small lessons and reads their sentences."""
    (tmp_path / "source").mkdir()

    def write(first=FIRST, second=SECOND):
        (tmp_path / "source" / "00_kernel.py").write_text(first, "utf-8")
        (tmp_path / "source" / "01_stride.py").write_text(second, "utf-8")
        return glossary.read_sentences(tmp_path)

    return write


def test_the_lessons_follow_the_rules():
    sentences = glossary.read_sentences()
    assert glossary.find_problems(sentences) == []
    assert len(glossary.read_terms(sentences)) >= 12


def test_the_stored_glossary_is_as_the_lessons():
    expected = glossary.write(glossary.read_terms(glossary.read_sentences()))
    stored = (FOLDER / "glossary.md").read_text("utf-8")
    assert stored == expected, "run: make notebooks"


def test_the_links_lead_to_lessons():
    for term in glossary.read_terms(glossary.read_sentences()):
        assert (FOLDER / f"{term.sentence.lesson}.ipynb").is_file()


def test_terms_are_found_with_their_sentences(write_lessons):
    sentences = write_lessons()
    terms = glossary.read_terms(sentences)
    assert [term.name for term in terms] == NAMES
    assert [term.short for term in terms] == [None, "FC", None, None]
    assert terms[0].sentence.text == (
        "A **kernel** is a small grid of numbers that slides over a picture."
    )
    assert glossary.find_problems(sentences) == []


def test_rows_are_sorted_bold_once_and_linked(write_lessons):
    page = glossary.write(glossary.read_terms(write_lessons()))
    rows = [line for line in page.splitlines() if ".ipynb" in line]
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert names == ["dense layer (FC)", "kernel", "kernel size", "stride"]
    assert all(row.count("**") == 2 for row in rows)
    assert rows[1].endswith("a picture. | [0](00_kernel.ipynb) |")
    for name in ("images", "labels", "logits", "predictions", "confusion", "painted"):
        assert f"| `{name}` | (" in page


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("called the **stride**, a", "so, and **stride** may be a", "is not defined"),
        ("A **kernel** is", "We need a **kernel** for", "is not defined"),
        ("A **kernel** is a small", "It is a **kernel**. A", "is not defined"),
        ("The window moves.", "A **kernel** is what moves over it all.", "twice"),
        ("The window moves.", "A **Kernel** is what moves over it all.", "twice"),
        ("The window moves.", "The stride is large.", "before it is defined"),
        ("The window moves.", "Two kernel sizes differ.", "before it is defined"),
        ("comes in lesson 1", "comes later", "before it is defined"),
        ("comes in lesson 1", "comes in lesson 2", "before it is defined"),
        ("A **kernel** is", "Take an FC. A **kernel** is", "before it is defined"),
    ],
)
def test_a_planted_fault_is_found(write_lessons, old, new, problem):
    both = FIRST + SECOND
    assert both.count(old) == 1
    if problem == "before it is defined" and old == "The window moves.":
        # Not announced: the first lesson does not name the lesson of the stride.
        planted = FIRST.replace("in lesson 1; that stride", "next; that step")
        planted = planted.replace("The stride comes", "It comes")
        sentences = write_lessons(planted, SECOND.replace(old, new))
    else:
        sentences = write_lessons(FIRST.replace(old, new), SECOND.replace(old, new))
    (found,) = glossary.find_problems(sentences)
    assert problem in found


@pytest.mark.parametrize(
    "definition",
    [
        "**Pooling** replaces each window of a map by one number.",
        "The distance of two windows is their **pooling**.",
        "In a narrow sense, **pooling** (PL) is what a window forgets.",
        "Here stands **pooling** per window: the largest number of four.",
        "It works by **pooling**, a choice of one number from four.",
        "A **map** keeps all of them, and **pooling** the largest one.",
        "The **pooling** of a map is the largest number of each.",
    ],
)
def test_these_sentences_define(write_lessons, definition):
    sentences = write_lessons(second=f"# %% [markdown]\n# ## A\n#\n# {definition}\n")
    (term,) = (t for t in glossary.read_terms(sentences) if t.name == "pooling")
    assert glossary.defines(term)


@pytest.mark.parametrize(
    "mention",
    [
        "We now turn to **pooling** and to what it forgets.",
        "With **pooling** its rows become half as many as before.",
        "**Pooling** is good.",
        "Many networks need **pooling** as they grow deeper and deeper.",
    ],
)
def test_these_sentences_do_not_define(write_lessons, mention):
    sentences = write_lessons(second=f"# %% [markdown]\n# ## A\n#\n# {mention}\n")
    (term,) = (t for t in glossary.read_terms(sentences) if t.name == "pooling")
    assert not glossary.defines(term)
