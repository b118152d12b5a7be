"""Read a lesson's exercises and their points from its solution edition."""

import ast
import collections
import json
import pathlib

from fcnlib import checks

SOLUTIONS = pathlib.Path(__file__).parents[2] / "notebooks" / "solutions"

Exercise = collections.namedtuple("Exercise", ["name", "answer", "points"])
Exercise.__doc__ = "An exercise: its check's name, its answer's name, its points."


def read_exercises(lesson):
    """Return the exercises of a lesson in their order.

    Args:
        lesson: str, a lesson such as "05_iou".

    Returns:
        List of `Exercise`.

    Raises:
        ValueError: if there is no such lesson, or two of its exercises share a name.
        FileNotFoundError: if the solution edition is not beside the package.

    Example:
        >>> [exercise.name for exercise in read_exercises("09_your_own_images")]
        ['wrong_label', 'tile_starts']
    """
    if lesson not in checks.NAMES:
        known = ", ".join(checks.NAMES)
        raise ValueError(f"expected a lesson, one of {known}; got {lesson}")
    path = SOLUTIONS / f"{lesson}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the solution edition at {path}, and there is no such file; "
            "grading needs the instructor's copy of the course"
        )
    exercises, points = [], None
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        names = _names("".join(cell["source"]))
        if names and points:
            exercises.append(Exercise(*names, points))
        points = cell["metadata"].get("points")
    _refuse_incomplete(lesson, exercises)
    return exercises


def _names(source):
    """Return the names of exercise and answer in a cell that checks one, or `None`."""
    for statement in ast.parse(source).body:
        match statement:
            case ast.Expr(
                ast.Call(
                    ast.Attribute(ast.Name("checks"), name), [ast.Name(answer)], []
                )
            ):
                return name, answer
    return None


def _refuse_incomplete(lesson, exercises):
    """Raise an error if an exercise has no points or shares its answer's name."""
    missing = set(checks.NAMES[lesson]) - {exercise.name for exercise in exercises}
    if missing:
        raise ValueError(
            f"expected points=... at every answer of {lesson}, and there are none for "
            f"{', '.join(sorted(missing))}; add them to the source and build the lesson"
        )
    answers = collections.Counter(exercise.answer for exercise in exercises)
    shared = [name for name, count in answers.items() if count > 1]
    if shared:
        raise ValueError(
            f"expected answers of different names in {lesson}, and two are called "
            f"{shared[0]}; rename one"
        )
