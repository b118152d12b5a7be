"""Write `glossary.md` from the terms that the lessons set in bold.

    python notebooks/glossary.py

A lesson sets a word in bold once, in the sentence that defines it, and nothing
else. Only text that students read counts: cells for instructors are left out.
"""

import re
from collections import namedtuple
from pathlib import Path

import jupytext

FOLDER = Path(__file__).resolve().parent

# A sentence with its place, and a term with the sentence that defines it.
Sentence = namedtuple("Sentence", "lesson text is_body")
Term = namedtuple("Term", "name short index sentence")

BOLD = re.compile(r"\*\*(.+?)\*\*(?: \(([A-Z]\w*)\))?")
LEFT_OUT = re.compile(r"```.*?```|<!--.*?-->", re.DOTALL)
BLOCK_START = re.compile(r"(\n\s*\n|\n(?=- |#|<|\|))")
SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z*`\"])")

HEAD = """\
# Glossary

The words that the lessons set in bold, each with the sentence that defines it.
Written by `notebooks/glossary.py`; change the lessons instead.

| term | in the words of the lesson | lesson |
| --- | --- | --- |
"""
NOTATION = """
## Notation

Six names and four letters mean the same in all lessons and in `fcnlib`.

| name | shape and type | meaning |
| --- | --- | --- |
| `images` | (N, H, W, 3) uint8 | RGB pictures |
| `labels` | (N, H, W) uint8 | true class of each pixel; 255 is void |
| `logits` | (N, H, W, C) float32 | a score for each class, from the network |
| `predictions` | (N, H, W) uint8 | the class with the largest score |
| `confusion` | (C, C) int64 | counted pixels: rows truth, columns prediction |
| `painted` | (H, W, 3) uint8 | a label map in the colors of its classes |

N is the number of images, H their height, W their width, and C the number of
classes.
"""


def read_sentences(folder=FOLDER):
    """Return the sentences of all lessons, in order.

    The body of a lesson is what stands between its first section's heading and
    its summary, without the headings.
    """
    sentences = []
    for path in sorted((folder / "source").glob("*.py")):
        in_body = False
        for line in _blocks(path):
            if line.startswith("## "):
                in_body = not line.startswith("## Summary")
            is_text = in_body and not line.startswith("#")
            sentences += [
                Sentence(path.stem, text, is_text)
                for text in SENTENCE_END.split(line)
            ]
    return sentences


def _blocks(path):
    """Return the headings, paragraphs and list items of a source."""
    cells = jupytext.read(path, fmt="py:percent").cells
    texts = [
        LEFT_OUT.sub("", cell.source)
        for cell in cells
        if cell.cell_type == "markdown"
        and "instructor" not in cell.metadata.get("tags", ())
    ]
    blocks = BLOCK_START.split("\n\n".join(texts))
    headings_apart = [
        part
        for block in blocks
        for part in (block.split("\n", 1) if block[:1] == "#" else [block])
    ]
    return [" ".join(part.split()) for part in headings_apart if part.strip()]


def read_terms(sentences):
    """Return the terms set in bold, in order."""
    return [
        _term(found, index, sentence)
        for index, sentence in enumerate(sentences)
        for found in BOLD.finditer(sentence.text)
    ]


def _term(found, index, sentence):
    """Split a term from its short form; only names keep a capital letter."""
    inside = re.fullmatch(r"(.+?)(?: \((\w+)\))?", found[1])
    name, short = inside[1], inside[2] or found[2]
    if found.start() == 0 and name[1:2].islower():
        name = name[0].lower() + name[1:]
    return Term(name, short, index, sentence)


def find_problems(sentences):
    """Return one line for each term that breaks a rule of the glossary."""
    terms = read_terms(sentences)
    first_uses = {term.name.lower(): term for term in reversed(terms)}.values()
    return (
        [
            f"{_place(term)} is not defined"
            for term in terms
            if not defines(term)
        ]
        + _set_twice(terms)
        + [
            line
            for term in first_uses
            for line in _used_early(term, sentences)
        ]
    )


def _place(term):
    """Name a term and its lesson."""
    return f"{term.sentence.lesson}: {term.name!r}"


def defines(term):
    """Tell whether a sentence has the form of a definition of its term.

    It does if it has six words more than the term, and the term

    - has a verb after it: "A **kernel** is", "**pooling** replaces";
    - is the name given: "is called **padding**", "is the **baseline**";
    - is explained after a colon or comma: "**void**: pixels that";
    - shares the verb of another: "**A** keeps this, and **B** its mean".
    """
    text, bold = term.sentence.text, rf"\*\*{re.escape(term.name)}[^*]*\*\*"
    short = r"(?: \([^)]*\))?(?: of an? \w+)?"
    forms = [
        rf"{bold}{short} (?:is|are|(?!(?:its|this|as)\b)\w+s)\b",
        rf"\b(?:is|are|called|named)(?: an?| the| its| their)? {bold}",
        rf"{bold}{short}(?: [\w-]+){{0,3}}:",
        rf"{bold}{short}, (?:an?|the|one)\b",
        rf"\*\*.*, and {bold}{short} (?:its|their|an?|the)\b",
    ]
    others = len(text.split()) - len(term.name.split())
    named = any(re.search(form, text, re.IGNORECASE) for form in forms)
    return named and others >= 6


def _set_twice(terms):
    """Return one line for each term that was in bold before."""
    seen, problems = set(), []
    for term in terms:
        if term.name.lower() in seen:
            problems.append(f"{_place(term)} is set in bold twice")
        seen.add(term.name.lower())
    return problems


def _used_early(term, sentences):
    """Return one line if a term is used before it is defined.

    A sentence that names the lesson of the definition announces the term: it
    may be used from there on.
    """
    number = int(term.sentence.lesson[:2])
    announced = re.compile(rf"\blessons? {number}\b", re.IGNORECASE)
    for sentence in sentences[: term.index]:
        if not sentence.is_body or not _uses(sentence.text, term):
            continue
        if announced.search(sentence.text):
            return []
        used = f"{sentence.lesson}: {sentence.text[:60]!r}"
        return [f"{_place(term)} is used before it is defined, in {used}"]
    return []


def _uses(text, term):
    """Tell whether a text uses a term or its short form, code aside."""
    prose = re.sub(r"`[^`]*`", "", text)
    name = rf"(?<![\w-]){re.escape(term.name)}(?:e?s)?(?![\w-])"
    if re.search(name, prose, re.IGNORECASE):
        return True
    short = rf"(?<![\w-]){term.short}s?(?![\w-])"
    return term.short is not None and re.search(short, prose) is not None


def write(terms):
    """Return the text of the glossary."""
    rows = [_row(term) for term in sorted(terms, key=lambda t: t.name.lower())]
    return HEAD + "\n".join(rows) + "\n" + NOTATION


def _row(term):
    """Return a term's line of the table, in bold only itself."""
    name = f"{term.name} ({term.short})" if term.short else term.name
    text = BOLD.sub(
        lambda found: (
            found[0]
            if found[1].split(" (")[0].lower() == term.name.lower()
            else found[0].replace("**", "")
        ),
        term.sentence.text,
    ).replace("|", "\\|")
    lesson = term.sentence.lesson
    return f"| {name} | {text} | [{int(lesson[:2])}]({lesson}.ipynb) |"


def main():
    """Write the glossary beside the lessons."""
    text = write(read_terms(read_sentences()))
    path = FOLDER / "glossary.md"
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path.name}: {text.count('.ipynb')} terms")


if __name__ == "__main__":
    main()
