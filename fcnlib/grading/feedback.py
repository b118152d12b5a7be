"""Write what a student reads about a graded notebook."""

import html
import string

_PAGE = string.Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$lesson: $student</title>
<style>
body { font: 1rem/1.5 sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }
th, td { border-bottom: 1px solid #767676; padding: 0.4rem 0.8rem 0.4rem 0 }
th, td { text-align: left; vertical-align: top }
</style>
</head>
<body>
<main>
<h1>$lesson</h1>
<p>$student: <strong>$total of $maximum points</strong>.$late</p>
$note
<h2>Exercises</h2>
<table>
<thead><tr><th scope="col">Exercise</th><th scope="col">Points</th>
<th scope="col">Hint</th></tr></thead>
<tbody>
$exercises
</tbody>
</table>
</main>
</body>
</html>
""")
_EXERCISE = string.Template("""\
<tr><th scope="row">$name</th><td>$points of $maximum</td><td>$hint</td></tr>""")


_NOTE = string.Template("<p>$note</p>")


def write_page(lesson, row, exercises, hints):
    """Return a page of HTML for a student, with the points and hints but no cases.

    Args:
        lesson: str.
        row: dictionary, the student's row of the table.
        exercises: list of `exercises.Exercise`.
        hints: list of str, one for each exercise.

    Returns:
        str.
    """
    lines = [
        _fill(
            _EXERCISE,
            name=exercise.name,
            points=row[exercise.name],
            maximum=exercise.points,
            hint=hint,
        )
        for exercise, hint in zip(exercises, hints, strict=True)
    ]
    late = ""
    if row["late_days"]:
        lost = round(row["points"] - row["total"], 2)
        late = f" It came late, days begun: {row['late_days']}, and lost {lost:g}."
    return _fill(
        _PAGE,
        {
            "exercises": "\n".join(lines),
            "note": _fill(_NOTE, note=row["note"]) if row["note"] else "",
        },
        lesson=lesson,
        student=row["student"],
        total=row["total"],
        maximum=sum(exercise.points for exercise in exercises),
        late=late,
    )


def _fill(template, parts=None, **texts):
    """Fill a template with parts that are HTML and with texts that are not."""
    escaped = {name: html.escape(str(text)) for name, text in texts.items()}
    return template.substitute(parts or {}, **escaped)
