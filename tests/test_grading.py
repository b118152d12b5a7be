"""The grading of submitted notebooks, each answer in a process of its own."""

import csv
import datetime
import fractions
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser

import numpy as np
import pytest

from fcnlib import __main__ as command_line
from fcnlib import checks, grading
from fcnlib.checks import judging
from fcnlib.grading import calling, classroom, encoding, extraction, networks
from fcnlib.grading import exercises as lessons

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux closes this")
POINTS = {"moved_box_iou": 1, "class_iou": 2, "iou_counterexample": 1}
POINTS |= {"dataset_mean_iou": 3}
RIGHT = """\
def class_iou(confusion, class_id):
    right = confusion[class_id, class_id]
    return right / (confusion[class_id].sum() + confusion[:, class_id].sum() - right)
"""


@pytest.fixture
def quick(monkeypatch):
    """Give answers less time."""
    monkeypatch.setattr(judging, "SECONDS", 1)
    monkeypatch.setattr(calling, "LOAD_SECONDS", 1)


@pytest.fixture
def one_exercise(monkeypatch):
    """Let lesson 5 have one exercise."""
    exercise = lessons.Exercise("class_iou", "class_iou", 2)
    monkeypatch.setattr(classroom, "read_exercises", lambda lesson: [exercise])


def write_notebook(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    code = [
        {"cell_type": "code", "metadata": {}, "source": cell, "outputs": []}
        for cell in cells
    ]
    path.write_text(json.dumps({"cells": code, "nbformat": 4}), encoding="utf-8")
    return path


def grade_class_iou(*cells):
    """Return the share and the hint that cells get for one exercise."""
    statements = extraction.read_statements(cells)
    code = extraction.extract(statements, "class_iou", "class_iou")
    exercise = lessons.Exercise("class_iou", "class_iou", 2)
    return classroom._grade_answer(code, exercise, 3)[:2]


def take(answer, check, *cells):
    """Return the code of an answer as one text."""
    code = extraction.extract(extraction.read_statements(cells), answer, check)
    return code and "\n".join(filter(None, code))


def value_of(answer, check, *cells):
    """Return the value that an answer has by its code alone."""
    space = {}
    exec(take(answer, check, *cells), space)
    return space[answer]


# Exercises


@pytest.mark.parametrize("lesson", checks.NAMES)
def test_every_lesson_has_its_exercises(lesson):
    found = lessons.read_exercises(lesson)
    assert [exercise.name for exercise in found] == list(checks.NAMES[lesson])
    assert all(exercise.points in (1, 2, 3) for exercise in found)
    assert len({exercise.answer for exercise in found}) == len(found)


def solution(lesson):
    cells = extraction.read_cells(lessons.SOLUTIONS / f"{lesson}.ipynb")
    return extraction.read_statements(cells)


def own_cell(lesson, answer):
    """Return the names that the answer's cell itself binds."""
    cells = extraction.read_cells(lessons.SOLUTIONS / f"{lesson}.ipynb")
    place = next(i for i, cell in enumerate(cells) if f"({answer})" in cell)
    return {
        name for s in extraction.read_statements([cells[place - 1]]) for name in s.binds
    }


def exercises_of_all(heavy):
    return [
        pytest.param(lesson, name, id=name)
        for lesson, names in checks.NAMES.items()
        for name in names
        if (name == "build_fcn8s") == heavy
    ]


def grade_solution(lesson, name):
    found = {exercise.name: exercise for exercise in lessons.read_exercises(lesson)}
    answer = found[name].answer
    statements = solution(lesson)
    code = extraction.extract(statements, answer, name)
    # Not even helpers: imports, and what the cell itself defines.
    bound = {n for s in extraction.read_statements([code.body]) for n in s.binds}
    assert bound <= own_cell(lesson, answer)
    with calling.running(code, answer) as (called, _):
        assert checks.score(name, called, seed=7) == (1.0, "Correct.")


@pytest.mark.parametrize(("lesson", "name"), exercises_of_all(heavy=False))
def test_solution_depends_on_its_own_cell_and_imports(lesson, name):
    grade_solution(lesson, name)


@pytest.mark.whole_class
@pytest.mark.parametrize(("lesson", "name"), exercises_of_all(heavy=True))
def test_network_is_graded_from_its_own_cell_and_imports(lesson, name):
    grade_solution(lesson, name)


def test_missing_solution_edition_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setattr(lessons, "SOLUTIONS", tmp_path)
    with pytest.raises(FileNotFoundError, match="instructor's copy"):
        lessons.read_exercises("05_iou")


def test_exercise_without_points_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(lessons, "SOLUTIONS", tmp_path)
    write_notebook(
        tmp_path / "05_iou.ipynb", "box_iou = 1", "checks.moved_box_iou(box_iou)"
    )
    with pytest.raises(ValueError, match="class_iou, dataset_mean_iou"):
        lessons.read_exercises("05_iou")


# Extraction


def test_takes_imports_and_helpers_and_nothing_else():
    text = take(
        *("f", "check", "import numpy as np, cv2", "print(1)\nplot = np.show()"),
        "def g(x):\n    return np.sin(x) * K\n\ndef h(x):\n    return x",
        "K = 3",
        "def f(labels):\n    return g(labels)",
        "labels = load()",
    )
    assert text.split("\n")[0] == "import numpy as np"
    assert "cv2" not in text and "plot" not in text and "load" not in text
    assert "def g" in text and "K = 3" in text and "def h" not in text


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["a = None", "a = 1", "checks.c(a)"], 1),  # copied, the copy solved
        (["a = 1", "checks.c(a)", "a = None"], 1),  # a copy of the stub behind
        (["a = 1", "a = None", "checks.c(a)"], None),  # the stub runs last
        (["checks.c(a)", "a = 1"], 1),  # in another order
        (["a = b + 1", "b = 1", "checks.c(a)"], 2),  # the helper moved
        (["a = 1", "checks.c(a)", "a = 2", "checks.c(a)"], 2),  # both copied
        (["a = [1]", "a.append(2)", "checks.c(a)", "a.append(3)"], [1, 2]),
        (["a = [1, 5]", "a[1] = 2", "checks.c(a)"], [1, 2]),
        (["a = 1\na += 1", "checks.c(a)"], 2),
        (["b = 1\na = b\nb = 5", "checks.c(a)"], 1),  # not what b is later
        (["b = 1", "c = 2", "a, z = b, c"], 1),
        (["if 1 > 0:\n    a = 1\nelse:\n    a = 2"], 1),
        (["a = 0", "for i in range(4):\n    a += i", "checks.c(a)"], 6),
        (["'''\na = 3\n'''", "a = 1", "def other():\n    a = 4"], 1),
        (["%matplotlib inline\na = 1\n!ls"], 1),
        (["%%time\na = 1"], 1),
        (["%%bash\na=1", "a = 2"], 2),
        (["b = (7\n% 4)\na = b"], 3),  # no magic, although a line begins with %
        (["a = 1\nthis is no Python\nb = 2"], 1),
        (["def f(:\n    pass\na = 1\nif a:\n    a = 2\nelse:\n    a = 3"], 2),
        (["files = !ls\na = 1"], 1),
        (["from math import *", "a = floor(2.5)"], 2),
        (["a = [k for k in range(n)]", "n = 2", "k = missing"], [0, 1]),
        (["a = {k for i in m for k in [i]}", "m = [5]", "k = i = missing"], {5}),
        (["a = {k: [j for j in k] for k in 'b'}", "j = k = missing"], {"b": ["b"]}),
        (["a = [k for k in k]", "k = 'b'"], ["b"]),
    ],
)
def test_takes_what_the_kernel_would_hold_at_the_check(cells, expected):
    assert value_of("a", "c", *cells) == expected


def test_functions_use_what_names_mean_at_the_check():
    f = value_of(
        "f", "c", "k = 1", "def f():\n    return k", "k = 2", "checks.c(f)", "k = 3"
    )
    assert f() == 2


def test_missing_answer_is_none():
    assert take("a", "c", "b = 1", "# a = 1", "a +") is None


def test_old_notebooks_are_read(tmp_path):
    path = tmp_path / "old.ipynb"
    cell = {"cell_type": "code", "input": ["a = 1\n", "b = 2"]}
    path.write_text(json.dumps({"worksheets": [{"cells": [cell]}], "nbformat": 3}))
    assert extraction.read_cells(path) == ["a = 1\nb = 2"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x00\xff", b"[]", b"{}", b'{"cells": 3}', b"[" * 10**5, b"a = 1"]
    + [b'{"cells": [{"cell_type": "code", "source": null}]}'],
)
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "no.ipynb"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it is no notebook"):
        extraction.read_cells(path)


# Plain data


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 10**30, -2.5, "no\ud800", 1 + 2j, fractions.Fraction(5, 11)]
    + [range(3), (1, [2, {3}], {"a": frozenset({4})})],
)
def test_values_arrive_as_they_are(value):
    found = encoding.unpack(encoding.pack(value))
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3).T, np.float32(2.5), np.bool_(True), np.zeros((0, 3))]
    + [np.array(["up2", "up44"]), np.array([], "uint8"), np.array(7, "uint8")],
)
def test_arrays_arrive_as_they_are(array):
    found = encoding.unpack(encoding.pack(array))
    assert type(found) is type(array) and found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_arrays_of_fractions_arrive():
    array = np.array([[fractions.Fraction(1, 2), 3]])
    assert encoding.unpack(encoding.pack(array)).tolist() == array.tolist()


def test_code_does_not_travel():
    class Evil(float):
        def __reduce__(self):
            return os.system, ("false",)

        def __eq__(self, other):
            return True

    assert type(encoding.unpack(encoding.pack(Evil(2)))) is float
    found = encoding.unpack(encoding.pack(Evil))
    assert isinstance(found, encoding.Unknown) and type(found).__name__ == "type"
    endless = encoding.unpack(encoding.pack(iter(int, 1)))
    assert len(list(endless)) == encoding.MAX_ITEMS


def test_lists_within_themselves_end():
    endless = []
    endless.append(endless)
    assert isinstance(encoding.unpack(encoding.pack(endless)), list)


@pytest.mark.parametrize(
    "structure",
    ['["array", "O", [1], 0]', '["array", "<f8", [99], 0]', '["array", "<f8", [-1], 0]']
    + ['["pickle", 1]', '["set", ["list"]]', "[", '["int", "x"]', '["array", "<f8"]']
    + ['["list", ' * 10**5, '["unknown"]', '["array", "<f8", [1], -9]'],
)
def test_forged_bytes_are_an_error(structure):
    packed = struct.pack("<Q", len(structure)) + structure.encode() + b"12345678"
    with pytest.raises(ValueError, match="expected a packed value"):
        encoding.unpack(packed)


def test_networks_travel_as_plain_data():
    from fcnlib import models

    model = models.fcn8s(num_classes=3)
    sent = encoding.unpack(encoding.pack(networks.describe((model, []))))
    found = networks.rebuild(sent[0])
    image = np.random.default_rng(0).uniform(0, 255, (1, 40, 33, 3)).astype("float32")
    np.testing.assert_allclose(found(image), model(image), rtol=1e-5, atol=1e-5)


def test_networks_bring_no_code_along():
    from fcnlib import models

    described = networks.describe(models.fcn32s(num_classes=3))
    mark = next(key for key in described if key != "weights")
    for module, name in [
        ("keras.layers", "Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("builtins", "function"),
        ("keras", "utils.get_file"),
        ("os", "system"),
        (None, "__lambda__"),
    ]:
        described[mark] = json.dumps({"a": [{"module": module, "class_name": name}]})
        with pytest.raises(ValueError, match=name):
            networks.rebuild(described)


# Attacks


def test_right_answer_is_right_however_it_is_surrounded():
    decoy = "from fcnlib import checks\nchecks.score = None\nraise SystemExit"
    cells = ["%pip install x", decoy, RIGHT, "checks.class_iou(class_iou)", "del np"]
    assert grade_class_iou(*cells) == (1.0, "Correct.")


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("while True: pass", "not finished in 1 s"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import os; os._exit(0)", "Python has ended, with status 0"),
        ("import ctypes; ctypes.string_at(0)", "Python has ended"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("return class_iou(confusion, class_id)", "RecursionError"),
        ("confusion[0] = 0; return 1", "it changes the array"),
        ("return iter(int, 1)", "one number is asked for"),
        ("return 'x' * 10**7", "expected an answer of less size"),
        ("print('x' * 10**6); return 1", "another number"),
        ("input()", "EOFError"),
        ("import os; raise ValueError(sorted(os.environ))", "PATH"),
    ],
)
def test_answers_that_go_wrong_get_a_hint(quick, body, hint):
    share, found = grade_class_iou("def class_iou(confusion, class_id):\n    " + body)
    assert share == 0 and hint in found


@pytest.mark.parametrize("change", ["clear()", "append(1)", "__setitem__(0, None)"])
def test_what_an_answer_does_to_a_list_is_seen(change):
    given = [(np.ones(2), np.zeros(3)), (np.ones(4), np.zeros(5))]
    body = f"def answer(shards):\n    shards.{change}\n    return 1"
    code = extraction.extract(extraction.read_statements([body]), "answer", "check")
    with calling.running(code, "answer") as (called, _):
        assert called(given) == 1
    assert len(given) != 2 or given[0] is None


@LINUX
@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("import numpy as np; return np.ones(2**33).sum()", "MemoryError"),
        ("return open(SOLUTION).read()", "PermissionError"),
        ("open(SOLUTION + 'x', 'w')", "PermissionError"),
        (
            "return open(f'/proc/{__import__(\"os\").getppid()}/environ').read()",
            "Error",
        ),
        ("import socket; return socket.create_connection(('127.0.0.1', 9))", "Error"),
        ("f = open('large', 'wb'); f.write(bytes(2**26)); f.flush()", "OSError"),
    ],
)
def test_system_refuses_what_no_answer_needs(quick, body, hint):
    place = f"SOLUTION = {str(lessons.SOLUTIONS / '05_iou.ipynb')!r}\n"
    cell = f"{place}def class_iou(confusion, class_id):\n    {body}"
    share, found = grade_class_iou(cell)
    assert share == 0 and hint in found and "not finished" not in found


def test_secrets_of_the_environment_stay_outside(monkeypatch):
    monkeypatch.setenv("FCNLIB_GRADING_SEED", "4711")
    body = "    import os; raise ValueError([k for k in os.environ if 'SEED' in k])"
    _, hint = grade_class_iou(f"def class_iou(confusion, class_id):\n{body}")
    assert "ValueError: []" in hint


@pytest.mark.parametrize(
    "attack",
    [
        "from fcnlib import checks\nchecks.score = lambda *a, **k: (1.0, 'Correct.')",
        "import fcnlib.checks.judging as judging\n"
        "judging._JUDGES['class_iou'] = lambda a, r: None, 'function', None",
        "import sys, numpy\nnumpy.allclose = lambda *a, **k: True",
        "import builtins\nbuiltins.isinstance = lambda *a: True",
        'import os, struct\nm = b\'["tuple", 1.0, "Correct."]\'\n'
        "p = struct.pack('<Q', len(m)) + m\n"
        "for stream in range(3, 20):\n"
        "    try:\n        os.write(stream, struct.pack('<Q', len(p)) + p)\n"
        "    except OSError:\n        pass",
        "import os\nfor stream in range(3, 20):\n"
        "    try:\n        os.write(stream, b'\\xff' * 99)\n"
        "    except OSError:\n        pass",
    ],
)
def test_overwriting_and_forging_earn_nothing(quick, attack):
    cell = "def class_iou(confusion, class_id):\n"
    cell += "".join(f"    {line}\n" for line in attack.split("\n"))
    share, hint = grade_class_iou(cell + "    return 1.0")
    assert share == 0 and "Correct" not in hint
    assert grade_class_iou(RIGHT) == (1.0, "Correct.")


def test_code_that_does_not_load_gets_a_hint(quick):
    assert "not finished in 1 s" in grade_class_iou("class_iou = [*iter(int, 1)]")[1]
    assert "it stops with NameError" in grade_class_iou("class_iou = missing")[1]
    _, hint = grade_class_iou("import os", "class_iou = os._exit(3)")
    assert hint == "Not yet: Python has ended, with status 3; does it call exit()?"


@LINUX
def test_no_process_of_an_answer_remains(quick, tmp_path):
    body = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    raise ValueError(os.getcwd())
    """
    _, hint = grade_class_iou(f"def class_iou(confusion, class_id):{body}")
    folder = hint.partition("ValueError: ")[2].rstrip(".")
    assert folder and not os.path.exists(folder)
    working = []
    for process in os.listdir("/proc"):
        try:
            working.append(os.readlink(f"/proc/{process}/cwd"))
        except OSError:
            continue
    assert not [place for place in working if folder in place]


# A class


def read_table(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_class_is_graded_and_resumed(tmp_path, capsys):
    folder, out = tmp_path / "class", tmp_path / "scores.csv"
    cells = extraction.read_cells(lessons.SOLUTIONS / "05_iou.ipynb")
    write_notebook(folder / "ada.ipynb", *cells)
    write_notebook(folder / "ben" / "deep" / "any name.ipynb", *reversed(cells))
    write_notebook(folder / "=cleo.ipynb", RIGHT)
    (folder / "dan.py").write_text(RIGHT)
    (folder / "eve.ipynb").write_bytes(b"\x00\xff")
    (folder / "fay").mkdir()
    (folder / ".DS_Store").write_text("")
    rows = grading.grade_folder(folder, "05_iou", out, seed=5)
    table = {row["student"]: row for row in read_table(out)}
    totals = {student: row["total"] for student, row in table.items()}
    full = str(sum(POINTS.values()))
    assert totals == {"ada": full, "ben": full, "'=cleo": "2"} | dict.fromkeys(
        ("dan", "eve", "fay"), "0"
    )
    assert {name: int(table["ada"][name]) for name in POINTS} == POINTS
    assert "an .ipynb file is asked for" in table["dan"]["note"]
    assert "it is no notebook" in table["eve"]["note"]
    assert len(rows) == 6 and not list(tmp_path.glob("**/*.part"))

    capsys.readouterr()
    write_notebook(folder / "=cleo.ipynb", "class_iou = 1")
    grading.grade_folder(folder, "05_iou", out, seed=5)
    assert capsys.readouterr().out.startswith("5 of 6 are graded already")
    assert {r["student"]: r["total"] for r in read_table(out)}["'=cleo"] == "0"
    assert len(read_table(out)) == 6


def test_nothing_of_the_pool_is_left_when_the_last_row_is_there(tmp_path, one_exercise):
    """Else it may be closed twice while the command ends, which prints a traceback."""
    write_notebook(tmp_path / "class" / "ada.ipynb", RIGHT)
    before = threading.enumerate()
    grading.grade_folder(tmp_path / "class", "05_iou", tmp_path / "s.csv")
    assert set(threading.enumerate()) <= set(before)


def test_a_bar_shows_how_far_it_came(tmp_path, one_exercise, monkeypatch, capsys):
    for student in ("ada", "ben"):
        write_notebook(tmp_path / "class" / f"{student}.ipynb")
    given = tmp_path / "class", "05_iou", tmp_path / "s.csv"
    with monkeypatch.context() as patched:
        patched.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        grading.grade_folder(*given)
    assert " 2/2 [" in capsys.readouterr().err
    grading.grade_folder(*given, again=True)
    assert capsys.readouterr().err == ""  # a file has no use for it


def test_an_interrupted_class_keeps_its_rows_and_goes_on(tmp_path, capsys):
    folder, out = tmp_path / "class", tmp_path / "scores.csv"
    write_notebook(folder / "0.ipynb", RIGHT)
    for number in range(1, 6):
        slow = "import time\ndef class_iou(confusion, class_id):\n    time.sleep(2)"
        write_notebook(folder / f"{number}.ipynb", slow)
    command = [sys.executable, "-m", "fcnlib", "grade", str(folder)]
    command += ["--lesson", "05_iou", "--out", str(out), "--seed", "5"]
    running = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # A shell may have started the tests in the background, without interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not out.exists():
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    assert running.communicate()[1] == "interrupted\n"
    assert running.returncode == 130
    kept = len(read_table(out))
    assert 0 < kept < 6
    capsys.readouterr()
    rows = grading.grade_folder(folder, "05_iou", out, seed=5)
    assert capsys.readouterr().out.startswith(f"{kept} of 6 are graded already")
    assert len(rows) == 6


class Page(HTMLParser):
    """Collect the tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_feedback_is_a_page_without_the_students_html(tmp_path, one_exercise):
    folder = tmp_path / "class"
    body = "    raise ValueError('<script>alert(1)</script> $note')"
    write_notebook(folder / "ada.ipynb", f"def class_iou(a, b):\n{body}")
    grading.grade_folder(folder, "05_iou", tmp_path / "s.csv")
    page = Page((tmp_path / "s_feedback" / "ada.html").read_text(encoding="utf-8"))
    assert ("html", {"lang": "en"}) in page.tags
    assert [tag for tag, _ in page.tags if tag in ("h1", "h2")] == ["h1", "h2"]
    assert "script" not in [tag for tag, _ in page.tags]
    assert "it stops with ValueError: <script>alert(1)</script> $note" in page.text
    assert "0 of 2" in page.text


def test_late_work_loses_a_share_for_each_day_begun(tmp_path, one_exercise):
    folder, times = tmp_path / "class", tmp_path / "times.csv"
    for name in ("ada", "ben", "cleo"):
        write_notebook(folder / f"{name}.ipynb", RIGHT)
    times.write_text(
        "student,submitted\nada,2026-11-20T18:00\nben,2026-11-20T18:01\n"
        "cleo,2026-12-24T00:00\n"
    )
    rule = {"due": datetime.datetime(2026, 11, 20, 18), "late": 0.1}
    out = tmp_path / "s.csv"
    grading.grade_folder(folder, "05_iou", out, submitted=times, **rule)
    rows = [(r["points"], r["late_days"], r["total"]) for r in read_table(out)]
    assert rows == [("2", "0", "2"), ("2", "1", "1.8"), ("2", "34", "0")]

    for name, day in {"ada": 20, "ben": 21, "cleo": 22}.items():
        changed = datetime.datetime(2026, 11, day, 12).timestamp()
        os.utime(folder / f"{name}.ipynb", (changed, changed))
    rows = grading.grade_folder(folder, "05_iou", out, **rule)
    assert [row["total"] for row in rows] == [2, 1.8, 1.6]
    page = (tmp_path / "s_feedback" / "cleo.html").read_text(encoding="utf-8")
    assert (
        "1.6 of 2 points</strong>. It came late, days begun: 2, and lost 0.4." in page
    )


def test_moodle_and_canvas_get_what_they_import(tmp_path, one_exercise):
    name = "Ada Lovelace_321_assignsubmission_file_"
    write_notebook(tmp_path / "moodle" / name / "05_iou.ipynb", RIGHT)
    write_notebook(tmp_path / "canvas" / "adalove.ipynb", RIGHT)
    write_notebook(tmp_path / "canvas" / "benzban_LATE_77_991_05_iou-1.ipynb", RIGHT)
    for system in ("moodle", "canvas"):
        out, table = tmp_path / f"of_{system}.csv", tmp_path / f"{system}.csv"
        grading.grade_folder(tmp_path / system, "05_iou", out, **{system: table})
    (ada,) = read_table(tmp_path / "moodle.csv")
    assert (ada["Identifier"], ada["Grade"]) == ("Participant 321", "2")
    assert ada["Full name"] == "Ada Lovelace" and "Last modified (grade)" in ada
    possible, ada, ben = read_table(tmp_path / "canvas.csv")
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "05_iou"]
    assert list(ada) == head and possible["05_iou"] == "2"
    assert (ada["ID"], ada["SIS Login ID"]) == ("", "adalove")
    assert (ben["Student"], ben["ID"], ben["05_iou"]) == ("benzban", "77", "2")
    assert (tmp_path / "of_moodle_feedback" / f"{name}.html").exists()
    with pytest.raises(ValueError, match="as Canvas gives them"):
        grading.grade_folder(tmp_path / "moodle", "05_iou", out, canvas=table)


def test_note_says_what_ran_out_of_time(tmp_path, quick):
    path = write_notebook(tmp_path / "ada.ipynb", "box_iou = [*iter(int, 1)]", RIGHT)
    results, note, _ = classroom.grade_notebook(path, lessons.read_exercises("05_iou"))
    assert [share for share, _ in results] == [0, 1, 0, 0]
    assert note == "out of time: moved_box_iou"


def test_newest_notebook_of_the_lesson_counts(tmp_path, one_exercise):
    folder = tmp_path / "class" / "ada"
    for age, (name, cell) in enumerate(
        {
            "other": "class_iou = 1",
            "05_iou": RIGHT,
            "05_iou (1)": "class_iou = 2",
        }.items()
    ):
        path = write_notebook(folder / f"{name}.ipynb", cell)
        os.utime(path, (10**9 - age, 10**9 - age))
    (row,) = grading.grade_folder(folder.parent, "05_iou", tmp_path / "s.csv")
    assert row["total"] == 2
    assert row["note"] == "3 notebooks; ada/05_iou.ipynb is graded"


def test_a_file_beside_a_students_folder_is_told(tmp_path, one_exercise):
    write_notebook(tmp_path / "class" / "ada" / "05_iou.ipynb", RIGHT)
    write_notebook(tmp_path / "class" / "ada" / "06_training.ipynb", RIGHT)
    write_notebook(tmp_path / "class" / "ada.ipynb", RIGHT)
    (row,) = grading.grade_folder(tmp_path / "class", "05_iou", tmp_path / "s.csv")
    assert row["note"] == "2 notebooks; ada/05_iou.ipynb is graded"


def test_another_lesson_is_told(tmp_path, one_exercise):
    write_notebook(tmp_path / "class" / "ada.ipynb", "megabytes = 3")
    (row,) = grading.grade_folder(tmp_path / "class", "05_iou", tmp_path / "s.csv")
    assert row["total"] == 0 and row["note"].endswith("is it another lesson?")


def test_grading_goes_on_when_its_process_ends(monkeypatch):
    def pool(jobs, workers):
        if workers == 1 and "bad" in str(jobs):
            raise classroom.concurrent.futures.BrokenExecutor
        for one in jobs:
            if one == "bad":
                raise classroom.concurrent.futures.BrokenExecutor
            yield one, ([(1.0, "Correct.")], "", set())

    monkeypatch.setattr(classroom, "_grade_in_pool", pool)
    jobs = {name: (name, [1], None) for name in ("good", "bad", "late")}
    found = dict(classroom._grade_all(jobs))
    assert found["good"][0] == found["late"][0] == [(1.0, "Correct.")]
    assert found["bad"][0][0][0] == 0 and "by hand" in found["bad"][1]


# The command


def run_in_vain(capsys, *arguments):
    """Return the one line of error that the command leaves."""
    code = command_line.main(["grade", *map(str, arguments)])
    printed = capsys.readouterr()
    assert code == 2 and printed.err.count("\n") == 1
    return printed.err


def test_command_grades(tmp_path, capsys, one_exercise, monkeypatch):
    monkeypatch.setenv("FCNLIB_GRADING_SEED", "12")
    write_notebook(tmp_path / "class" / "ada.ipynb", RIGHT)
    out = tmp_path / "new" / "scores.csv"
    arguments = ["grade", tmp_path / "class", "--lesson", "05_iou", "--out", out]
    assert command_line.main(list(map(str, arguments))) == 0
    assert capsys.readouterr().out.endswith(f"wrote {out}: 1 students\n")
    assert read_table(out)[0]["total"] == "2"


def test_command_refuses_in_one_line_and_writes_nothing(tmp_path, capsys):
    folder, out = tmp_path / "class", tmp_path / "s.csv"
    given = [folder, "--lesson", "05_iou", "--out", out]
    assert "is none; give another" in run_in_vain(capsys, *given)
    folder.mkdir()
    assert "it has none" in run_in_vain(capsys, *given)
    write_notebook(folder / "ada.ipynb", RIGHT)
    known = [folder, "--out", out, "--lesson"]
    assert "expected a lesson" in run_in_vain(capsys, *known, "55_iou")
    assert "a whole number" in run_in_vain(capsys, *given, "--seed", "x")
    assert "a share from 0 to 1" in run_in_vain(capsys, *given, "--late", "10")
    assert "expected a time" in run_in_vain(capsys, *given, "--due", "Friday")
    assert "Moodle" in run_in_vain(capsys, *given, "--moodle", tmp_path / "m.csv")
    assert "for two" in run_in_vain(capsys, *given, "--canvas", out)
    assert "is a folder" in run_in_vain(capsys, *given, "--canvas", folder)
    assert "give --due" in run_in_vain(capsys, *given, "--late", "0.1")
    given += ["--due", "2026-11-20"]
    times = tmp_path / "times.csv"
    times.write_text("student,submitted\nben,2026-11-20T18:00\n")
    assert "a row for ada" in run_in_vain(capsys, *given, "--submitted", times)
    times.write_text("name,when\nben,now\n")
    assert "a column 'student'" in run_in_vain(capsys, *given, "--submitted", times)
    assert not out.exists()
    out.write_text("student,points\nada,3\n")
    assert "another table" in run_in_vain(capsys, *given)
    assert out.read_text() == "student,points\nada,3\n"
    out.write_text("")
    assert "another table" in run_in_vain(capsys, *given)
