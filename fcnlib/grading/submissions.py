"""Find what students handed in, and when."""

import collections
import csv
import datetime
import math
import re

from fcnlib import checks

# As Moodle and Canvas name what they let a teacher download.
_MOODLE = re.compile(r"(?P<student>.+)_(?P<identifier>\d+)_assignsubmission_.*")
_CANVAS = re.compile(r"(?P<student>[^_]+)(?:_LATE)?_(?P<identifier>\d+)_\d+_.+")
_IGNORED = ("__MACOSX", "__pycache__")

Submission = collections.namedtuple(
    "Submission", ["student", "identifier", "system", "name", "path", "note", "time"]
)
Submission.__doc__ = """What a student handed in.

`name` is that of the file or folder, `path` that of the notebook in it or `None`,
`identifier` the number that `system`, "Moodle" or "Canvas", put into the name, or "".
"""


def find_submissions(folder, lesson, left_out=()):
    """Return what the students handed in, each as a file or folder of a name of theirs.

    Of a student's several notebooks the newest counts, of those with the lesson's name
    in their path if there are any. One with another lesson's name does not count.

    Args:
        folder: pathlib.Path.
        lesson: str, a lesson such as "05_iou".
        left_out: paths that are no submissions, such as those of results.

    Returns:
        List of `Submission`, one for a student, in the order of their names.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"expected a folder of submissions, and {folder} is none; give another"
        )
    left_out = {path.resolve() for path in left_out}
    students = {}
    for entry in sorted(folder.iterdir()):
        if not _is_ignored(entry) and entry.resolve() not in left_out:
            students.setdefault(_read_name(entry), []).append(entry)
    if not students:
        raise FileNotFoundError(f"expected submissions in {folder}; it has none")
    return [
        _read_entries(folder, *student, entries, lesson)
        for student, entries in students.items()
    ]


def days_late(time, due):
    """Return the days begun between the time that work was due and that it came.

    Args:
        time: datetime.datetime of the submission.
        due: datetime.datetime.

    Returns:
        int, 0 if it came in time.

    Example:
        >>> due = datetime.datetime(2026, 11, 20, 18)
        >>> days_late(datetime.datetime(2026, 11, 21, 18, 1), due)
        2
    """
    late = time.astimezone() - due.astimezone()
    return max(0, math.ceil(late / datetime.timedelta(days=1)))


def read_time(text):
    """Return a time.

    Args:
        text: str, such as "2026-11-20T18:00".

    Returns:
        datetime.datetime.

    Raises:
        ValueError: if this is no time.

    Example:
        >>> read_time("2026-11-20T18:00").hour
        18
    """
    try:
        return datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"expected a time such as 2026-11-20T18:00; got {text!r}"
        ) from None


def read_times(path, submissions):
    """Return the submissions with the times of a table.

    Args:
        path: pathlib.Path of a CSV with the columns `student` and `submitted`.
        submissions: list of `Submission`.

    Returns:
        List of `Submission`.

    Raises:
        ValueError: if a student or a time is missing, or a time cannot be read.
    """
    with open(path, newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    try:
        times = {row["student"]: row["submitted"] for row in rows}
    except KeyError as error:
        raise ValueError(f"expected a column {error} in {path}; add it") from None
    parsed = {student: read_time(time or "") for student, time in times.items()}
    missing = [one.student for one in submissions if one.student not in parsed]
    if missing:
        raise ValueError(f"expected a row for {missing[0]} in {path}; add it")
    return [one._replace(time=parsed[one.student]) for one in submissions]


def check_names(found, system):
    """Refuse submissions that another system has named than the table is for.

    Args:
        found: list of `Submission`.
        system: "Moodle", where each needs its number; or "Canvas", where a name without
            one is a login.

    Raises:
        ValueError: if there is one.
    """
    fitting = {"Moodle": ["Moodle"], "Canvas": ["Canvas", ""]}[system]
    others = [one.name for one in found if one.system not in fitting]
    if others:
        example = {
            "Moodle": "Ada Lovelace_123_assignsubmission_file",
            "Canvas": "lovelaceada_123_456_05_iou.ipynb",
        }[system]
        raise ValueError(
            f"expected names as {system} gives them, {example}, for a table for "
            f"{system}; got {others[0]}; leave --{system.lower()} out"
        )


def _is_ignored(path):
    """Tell whether a file was put there by a program."""
    return path.name.startswith(".") or path.name in _IGNORED


def _read_name(entry):
    """Return student, number and system in the name of a file or folder."""
    stem = entry.name if entry.is_dir() else entry.stem
    for system, pattern in (("Moodle", _MOODLE), ("Canvas", _CANVAS)):
        known = pattern.fullmatch(stem)
        if known:
            return *known.group("student", "identifier"), system
    return stem, "", ""


def _read_entries(folder, student, identifier, system, entries, lesson):
    """Return the submission that a student's files and folders are."""
    files = [path for entry in entries for path in _files(entry)]
    notebooks = [path for path in files if path.suffix == ".ipynb"]
    of_others = set(checks.NAMES) - {lesson}
    places = {path: path.relative_to(folder).as_posix() for path in notebooks}
    own = [p for p in notebooks if not any(other in places[p] for other in of_others)]
    own = own or notebooks
    named = [path for path in own if lesson in places[path]] or own
    newest = max(named, key=lambda path: path.stat().st_mtime, default=None)
    note = ""
    if newest is None:
        names = ", ".join(path.name for path in files[:3]) or "nothing"
        note = f"no notebook: an .ipynb file is asked for, and this is {names}"
    elif len(own) > 1:
        note = f"{len(own)} notebooks; {places[newest]} is graded"
    changed = (newest or entries[0]).stat().st_mtime
    time = datetime.datetime.fromtimestamp(changed).astimezone()
    name = entries[0].name
    return Submission(student, identifier, system, name, newest, note, time)


def _files(entry):
    """Return the files in an entry, or the entry itself; links lead elsewhere."""
    if entry.is_symlink():
        return []
    if not entry.is_dir():
        return [entry]
    inner = [path for path in sorted(entry.iterdir()) if not _is_ignored(path)]
    return [file for path in inner for file in _files(path)]
