"""Read and write the tables of points: the course's own, Moodle's and Canvas's."""

import csv
import io
import os

# A spreadsheet takes a cell that begins so for a formula, and students choose names.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def columns(exercises):
    """Return the columns of the course's own table.

    Args:
        exercises: list of `exercises.Exercise`.

    Returns:
        List of str.
    """
    names = [exercise.name for exercise in exercises]
    after = ["points", "late_days", "total", "note", "key"]
    return ["student", "identifier", "file", *names, *after]


def read_rows(path, exercises):
    """Return the rows of a table that an earlier run wrote.

    Args:
        path: pathlib.Path, of a file that may be missing.
        exercises: list of `exercises.Exercise`, those of the lesson.

    Returns:
        List of dictionaries of str.

    Raises:
        ValueError: if the table is another lesson's, or none.
    """
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        rows = [{k: _original(row[k]) for k in row if k} for row in reader]
        names = list(reader.fieldnames or [])
    if names != columns(exercises):
        raise ValueError(
            f"expected the scores of this lesson in {path}, and it holds another "
            "table; choose another --out"
        )
    return rows


def write_rows(path, exercises, rows):
    """Write the course's own table, whole or not at all.

    Args:
        path: pathlib.Path.
        exercises: list of `exercises.Exercise`.
        rows: list of dictionaries, a value for each of `columns`.
    """
    names = columns(exercises)
    _write(path, [names, *([row[name] for name in names] for row in rows)])


def write_moodle(path, rows, maximum):
    """Write a grading worksheet, which Moodle's assignments upload.

    Args:
        path: pathlib.Path.
        rows: list of dictionaries of the course's own table.
        maximum: number, the points of all exercises.
    """
    head = ["Identifier", "Full name", "Grade", "Maximum Grade"]
    head += ["Last modified (grade)", "Feedback comments"]
    lines = [
        [
            *(f"Participant {row['identifier']}", row["student"]),
            *(row["total"], maximum, "-", row["note"]),
        ]
        for row in rows
    ]
    _write(path, [head, *lines])


def write_canvas(path, rows, maximum, lesson):
    """Write a table that Canvas's gradebook imports.

    Students whose number is unknown are named by their login, as their files are.

    Args:
        path: pathlib.Path.
        rows: list of dictionaries of the course's own table.
        maximum: number, the points of all exercises.
        lesson: str, the name of the assignment.
    """
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", lesson]
    possible = ["    Points Possible", "", "", "", "", maximum]
    lines = [
        [
            *(row["student"], row["identifier"], ""),
            *("" if row["identifier"] else row["student"], "", row["total"]),
        ]
        for row in rows
    ]
    _write(path, [head, possible, *lines])


def write_text(path, text):
    """Write a text file, whole or not at all.

    Args:
        path: pathlib.Path.
        text: str.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(text.encode("utf-8", "replace"))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(path, lines):
    """Write lines as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [_harmless(cell) for cell in line] for line in lines
    )
    write_text(path, text.getvalue())


def _original(cell):
    """Return what `_harmless` was given."""
    is_formula = cell and cell[0] == "'" and cell[1:].startswith(_FORMULAS)
    return cell[1:] if is_formula else cell


def _harmless(cell):
    """Return a cell that no spreadsheet takes for a formula."""
    is_formula = isinstance(cell, str) and len(cell) > 1 and cell.startswith(_FORMULAS)
    return f"'{cell}" if is_formula else cell
