"""Grade a folder of submissions: one row and one page of feedback for a student."""

import concurrent.futures
import contextlib
import hashlib
import multiprocessing
import os
import pathlib
import signal
import threading

import tqdm

from fcnlib import __version__, checks
from fcnlib.grading import calling, extraction, feedback, sandbox, submissions, tables
from fcnlib.grading.exercises import read_exercises

WORKERS = 2
_LATE = "out of time"  # a note by which the next run grades the row anew


def grade_folder(
    folder,
    lesson,
    out,
    seed=None,
    due=None,
    late=0.0,
    submitted=None,
    moodle=None,
    canvas=None,
    again=False,
):
    """Grade the notebooks that students handed in.

    Each answer runs in a process of its own (see `sandbox`). Rows are written as they
    come, so an interrupted run goes on where it was. A row is kept while file, lesson,
    seed and rule of lateness are the same. Rows of students who are not in the folder
    stay. Pages of feedback go into a folder beside the table.

    Args:
        folder: path of a folder with a file or a folder for each student.
        lesson: str, a lesson such as "05_iou".
        out: path of the table to write, a CSV.
        seed: int, draws the cases; by default those that students see.
        due: datetime.datetime until which work is in time, or `None`.
        late: float, the share of the points that each day begun later costs.
        submitted: path of a CSV with the columns `student` and `submitted`; by default
            the time at which a file was last changed counts.
        moodle: path of a grading worksheet to write for Moodle, or `None`.
        canvas: path of a table to write for Canvas, or `None`.
        again: bool, whether to grade anew what has been graded.

    Returns:
        List of dictionaries, the rows of the table.

    Raises:
        ValueError: if the lesson, the rule of lateness or a table is none, or if two
            tables are one file.
        FileNotFoundError: if the folder has no submissions.

    Example:
        >>> import pathlib, tempfile
        >>> work = pathlib.Path(tempfile.mkdtemp())
        >>> (work / "handed_in" / "Ada").mkdir(parents=True)  # and nothing in it
        >>> rows = grade_folder(work / "handed_in", "05_iou", work / "scores.csv")
        >>> rows[0]["student"], rows[0]["points"]
        ('Ada', 0)
    """
    folder, out = pathlib.Path(folder), pathlib.Path(out)
    if not 0 <= late <= 1:
        raise ValueError(f"expected a share from 0 to 1 for a late day; got {late}")
    if due is None and (late or submitted):
        raise ValueError("expected a time until which work is in time; give --due")
    exercises = read_exercises(lesson)
    pages = out.with_name(f"{out.stem}_feedback")
    others = [pathlib.Path(path) for path in (moodle, canvas, submitted) if path]
    _check_files([out, *others])
    found = submissions.find_submissions(folder, lesson, [out, pages, *others])
    if submitted:
        found = submissions.read_times(pathlib.Path(submitted), found)
    for table, system in ((moodle, "Moodle"), (canvas, "Canvas")):
        if table:
            submissions.check_names(found, system)
    rule = lesson, seed, due, late
    table = _Table(out, exercises, lesson, rule, pages)
    table.grade(found, again)
    maximum = sum(exercise.points for exercise in exercises)
    if moodle:
        tables.write_moodle(pathlib.Path(moodle), table.rows(), maximum)
    if canvas:
        tables.write_canvas(pathlib.Path(canvas), table.rows(), maximum, lesson)
    return table.rows()


def _check_files(paths):
    """Refuse a folder where a file is asked for, and one file for two tables."""
    for number, path in enumerate(paths):
        if path.is_dir():
            raise ValueError(
                f"expected a file, and {path} is a folder; name a file in it"
            )
        if path.resolve() in [before.resolve() for before in paths[:number]]:
            raise ValueError(f"expected a file for each table; got {path} for two")


def grade_notebook(path, exercises, seed=None):
    """Grade the answers in one notebook.

    Args:
        path: pathlib.Path.
        exercises: list of `exercises.Exercise`.
        seed: int or `None`, as of `checks.score`.

    Returns:
        results: list of pairs of a share of the points, from 0 to 1, and a hint.
        note: str, why something could not be graded, or "".
        left_open: set of str, what `sandbox.close` left open.
    """
    try:
        statements = extraction.read_statements(extraction.read_cells(path))
    except (ValueError, OSError) as error:
        return [(0.0, "Not attempted yet.")] * len(exercises), str(error), set()
    results, left_open = [], set()
    codes = [
        extraction.extract(statements, exercise.answer, exercise.name)
        for exercise in exercises
    ]
    note = "" if any(codes) else "no answer's name is in it: is it another lesson?"
    for exercise, code in zip(exercises, codes, strict=True):
        if code is None:
            missing = f"Not attempted yet: nothing is called {exercise.answer}."
            results.append((0.0, missing))
            continue
        share, hint, opened = _grade_answer(code, exercise, seed)
        results.append((share, hint))
        left_open.update(opened)
    return results, note or _out_of_time(exercises, results), left_open


def _grade_answer(code, exercise, seed):
    """Return the share and the hint of one answer, and what was left open for it."""
    opened = []
    try:
        with calling.running(code, exercise.answer) as (answer, opened):
            share, hint = checks.score(exercise.name, answer, seed)
    except calling.NoAnswer as error:
        share, hint = 0.0, f"Not yet: it stops with {type(error).__name__}: {error}"
    # A NoAnswer itself, unlike its subclasses, is no error of the student's code.
    hint = hint.replace(f"it stops with {calling.NoAnswer.__name__}: ", "")
    return share, hint, opened


def _out_of_time(exercises, results):
    """Return a note on the answers that might only have met a busy machine."""
    late = [
        exercise.name
        for exercise, (_, hint) in zip(exercises, results, strict=True)
        if "not finished in" in hint
    ]
    return f"{_LATE}: {', '.join(late)}" if late else ""


class _Table:
    """The rows of a class, on the disk whenever one has come."""

    def __init__(self, out, exercises, lesson, rule, pages):
        self.out, self.exercises, self.lesson = out, exercises, lesson
        self.rule, self.pages = rule, pages
        old = tables.read_rows(out, exercises)
        self.by_student = {(row["student"], row["identifier"]): row for row in old}

    def rows(self):
        """Return the rows by the students' names."""
        return [self.by_student[student] for student in sorted(self.by_student)]

    def grade(self, found, again):
        """Grade the submissions whose row is missing or of another state."""
        keys = {one: self._key(one) for one in found}
        left = [one for one in found if again or not self._is_kept(one, keys[one])]
        if len(left) < len(found):
            print(f"{len(found) - len(left)} of {len(found)} are graded already")
        _, seed, _, _ = self.rule
        jobs = {one: (one.path, self.exercises, seed) for one in left}
        open_rights = set()
        # Where nobody looks, as when a file takes what is printed, there is no bar.
        with tqdm.tqdm(total=len(jobs), unit=" notebooks", disable=None) as bar:
            for one, (results, note, left_open) in _grade_all(jobs):
                open_rights.update(left_open)
                self._add(one, keys[one], results, note)
                bar.update()
        if open_rights:
            print(
                f"not closed to answers: {', '.join(sorted(open_rights))}; grade the "
                "work of strangers in a container, see INSTRUCTORS.md"
            )

    def _key(self, one):
        """Return a text that changes with all that a row depends on."""
        content = one.path.read_bytes() if one.path else b""
        _, _, due, _ = self.rule
        state = [hashlib.sha256(content).hexdigest(), one.note, due and one.time]
        state += [__version__, *self.rule, *self.exercises]
        return hashlib.sha256(repr(state).encode()).hexdigest()[:16]

    def _is_kept(self, one, key):
        """Tell whether a submission has its row and its page, and ran in time."""
        row = self.by_student.get((one.student, one.identifier), {})
        if row.get("key") != key or _LATE in row["note"]:
            return False
        return self._page(one).exists()

    def _page(self, one):
        """Return the path of a submission's feedback."""
        return self.pages / f"{one.name.removesuffix('.ipynb')}.html"

    def _add(self, one, key, results, note):
        """Write a submission's row and page."""
        _, _, due, late = self.rule
        points = [
            _round(share * exercise.points)
            for (share, _), exercise in zip(results, self.exercises, strict=True)
        ]
        days = submissions.days_late(one.time, due) if due else 0
        row = {"student": one.student, "identifier": one.identifier, "file": one.name}
        names = [exercise.name for exercise in self.exercises]
        row |= dict(zip(names, points, strict=True))
        row |= {"points": sum(points), "late_days": days}
        row |= {"total": _round(sum(points) * max(0, 1 - late * days))}
        row |= {"note": "; ".join(filter(None, (one.note, note))), "key": key}
        hints = [hint for _, hint in results]
        page = feedback.write_page(self.lesson, row, self.exercises, hints)
        tables.write_text(self._page(one), page)
        self.by_student[one.student, one.identifier] = row
        tables.write_rows(self.out, self.exercises, self.rows())


def _round(points):
    """Return points with two decimals at most, and with none if they are whole."""
    points = round(points, 2)
    return int(points) if points == int(points) else points


def _grade_all(jobs):
    """Yield each submission with what came of it, several at a time."""
    left = {one: job for one, job in jobs.items() if job[0] is not None}
    for one in jobs.keys() - left.keys():
        results = [(0.0, "Not attempted yet.")] * len(jobs[one][1])
        yield one, (results, "", set())
    done = set()
    try:
        for one, graded in _grade_in_pool(left, WORKERS):
            done.add(one)
            yield one, graded
    except concurrent.futures.BrokenExecutor:
        for one in left.keys() - done:  # one of these ends what grades it
            yield one, _grade_alone(left[one])


def _grade_in_pool(jobs, workers):
    """Yield what came of each job as it comes; an interrupt cancels the rest."""
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _prepare_worker
    )
    try:
        with _interrupts_ignored():
            futures = {pool.submit(grade_notebook, *jobs[one]): one for one in jobs}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_ignored():
    """Ignore interrupts, as do the processes that are started meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _grade_alone(job):
    """Grade in a process of its own, which may end before it is done."""
    try:
        ((_, graded),) = _grade_in_pool({"alone": job}, 1)
    except concurrent.futures.BrokenExecutor:
        results = [(0.0, "Not graded.")] * len(job[1])
        return results, "it ended the grading process; look at it by hand", set()
    return graded


def _prepare_worker():
    """Leave interrupts to the command, limit memory, and silence the libraries."""
    sandbox.set_limit("RLIMIT_DATA", sandbox.BYTES)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
