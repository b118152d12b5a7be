"""Test the checks of lesson 8, and that the lesson says which way it went."""

import base64
import contextlib
import hashlib
import io
import itertools
import pathlib

import cv2
import nbformat
import numpy as np
import pytest

from fcnlib import checks, datasets, pasture

NAMES = ("training_budget", "twin_search", "untrusted_lines")
NOTEBOOKS = pathlib.Path(__file__).parents[1] / "notebooks"
EDITIONS = [
    NOTEBOOKS / folder / "08_real_horses.ipynb" for folder in (".", "solutions")
]


def squares_of(pictures):
    """Average squares of 2 x 2 pixels by four slices."""
    p = pictures.astype(float)
    return (p[:, ::2, ::2] + p[:, 1::2, ::2] + p[:, ::2, 1::2] + p[:, 1::2, 1::2]) / 4


def by_own_mean(grids):
    return np.array([grid > grid.mean() for grid in grids])


def near(a, b, limit=8):
    """Return the pairs of maps that differ in at most so many places."""
    return np.argwhere((a[:, None] != b[None]).sum(axis=(2, 3)) <= limit)


def searched(bright, limit=8):
    """Return a search that calls squares bright in its own way."""
    return lambda first, second: near(
        bright(squares_of(first)), bright(squares_of(second)), limit
    )


right_search = searched(by_own_mean)


def in_loops(first, second):
    def bits(picture):
        grid = [
            [picture[i : i + 2, j : j + 2].mean() for j in range(0, 32, 2)]
            for i in range(0, 32, 2)
        ]
        average = sum(map(sum, grid)) / 256
        return [number > average for row in grid for number in row]

    twins = []
    for i, one in enumerate(map(bits, first)):
        for j, other in enumerate(map(bits, second)):
            if sum(a is not b for a, b in zip(one, other, strict=True)) <= 8:
                twins.append([i, j])
    return twins


def by_opencv(first, second):
    def bits(picture):
        small = cv2.resize(picture.astype("float32"), (16, 16), interpolation=3)
        return small > small.mean()

    return {
        (np.int64(i), np.int64(j))
        for i, j in itertools.product(range(len(first)), range(len(second)))
        if np.logical_xor(bits(first[i]), bits(second[j])).sum() < 9
    }


def listed(first, second):
    return [tuple(map(int, pair)) for pair in right_search(first, second)]


def in_one_place(first, second):
    count = min(len(first), len(second))
    return [pair for pair in listed(first, second) if pair[0] == pair[1] < count]


def first_of_each(first, second):
    pairs = listed(first, second)
    return [pair for pair in pairs if pair == min(p for p in pairs if p[0] == pair[0])]


def returns_in_the_loop(first, second):
    return listed(first, second)[:1]


def no_twins(first, second):
    every = itertools.product(range(len(first)), range(len(second)))
    return set(every) - set(listed(first, second))


def canceling(first, second):
    a = by_own_mean(squares_of(first)).astype(int)
    b = by_own_mean(squares_of(second)).astype(int)
    return np.argwhere((a[:, None] - b[None]).sum(axis=(2, 3)) <= 8)


def equal_pixels(first, second):
    return np.argwhere((first[:, None] == second[None]).all(axis=(2, 3)))


def equal_squares(first, second):
    a, b = squares_of(first), squares_of(second)
    return np.argwhere(np.abs(a[:, None] - b[None]).max(axis=(2, 3)) < 1)


def in_bytes(first, second):
    def grids(p):
        return p[:, ::2, ::2] + p[:, 1::2, ::2] + p[:, ::2, 1::2] + p[:, 1::2, 1::2]

    return near(by_own_mean(grids(first)), by_own_mean(grids(second)))


def one_pixel_each(first, second):
    return near(by_own_mean(first[:, ::2, ::2]), by_own_mean(second[:, ::2, ::2]))


def all_pixels(first, second):
    return near(by_own_mean(first), by_own_mean(second))


def larger_squares(first, second):
    a, b = (squares_of(squares_of(pictures)) for pictures in (first, second))
    return near(by_own_mean(a), by_own_mean(b))


def one_way(first, second):
    a, b = by_own_mean(squares_of(first)), by_own_mean(squares_of(second))
    return np.argwhere((b[None] & ~a[:, None]).sum(axis=(2, 3)) <= 8)


def by_axes(*axes, shape=(-1, 16, 2, 16, 2)):
    """Return a search whose squares are averaged over other axes."""

    def grids(pictures):
        return by_own_mean(pictures.reshape(shape).mean(axis=axes))

    return lambda first, second: near(grids(first), grids(second))


def combined(combine, limit=8):
    """Return a search that makes one number of four pixels in its own way."""

    def grids(p):
        p = p.astype(float)
        four = (p[:, ::2, ::2], p[:, ::2, 1::2], p[:, 1::2, ::2], p[:, 1::2, 1::2])
        return by_own_mean(combine(four))

    return lambda first, second: near(grids(first), grids(second), limit)


def over(axis, statistic=np.mean):
    """Return a search that compares squares with another mean."""
    return searched(lambda grids: grids > statistic(grids, axis=axis, keepdims=True))


def turning(*turns):
    """Return a search that also looks at pictures turned over."""

    def search(first, second):
        found = [listed(first, second)]
        found += [listed(first, turn(second)) for turn in turns]
        return sorted({pair for pairs in found for pair in pairs})

    return search


def flip_sideways(pictures):
    return pictures[:, :, ::-1]


def flip_over(pictures):
    return pictures[:, ::-1]


def close_pixels(first, second):
    apart = np.abs(first[:, None].astype(int) - second[None])
    return np.argwhere(apart.mean(axis=(2, 3)) < 5)


def mean_of_differences(first, second):
    a, b = by_own_mean(squares_of(first)), by_own_mean(squares_of(second))
    return np.argwhere((a[:, None] != b[None]).mean(axis=(2, 3)) <= 8)


def first_corner(first, second):
    a, b = by_own_mean(first[:, :16, :16]), by_own_mean(second[:, :16, :16])
    return near(a, b)


def correlated(first, second):
    a, b = by_own_mean(squares_of(first)), by_own_mean(squares_of(second))
    rows = [grids.reshape(len(grids), -1) for grids in (a, b)]
    return np.argwhere(np.corrcoef(*rows)[: len(a), len(a) :] > 0.9)


def without_axes(first, second):
    a, b = squares_of(first), squares_of(second)
    return near(a > a.mean(axis=(1, 2)), b > b.mean(axis=(1, 2)))


RIGHT = [
    ("training_budget", (60, 156)),
    ("training_budget", [60.0, np.int64(156)]),
    ("training_budget", np.array([60, 156])),
    ("twin_search", right_search),
    ("twin_search", listed),
    ("twin_search", in_loops),
    ("twin_search", by_opencv),
    ("twin_search", lambda first, second: listed(first, second)[::-1]),
    ("twin_search", by_axes(2, 4)),
    ("twin_search", combined(sum)),
    ("untrusted_lines", [3, 4, 11]),
    ("untrusted_lines", {11, 4, 3}),
    ("untrusted_lines", (4.0, 3, np.int64(11))),
]

WRONG = [
    ("training_budget", (156, 60), "wrong order"),
    ("training_budget", (5, 156), "first number is for one epoch"),
    ("training_budget", (12, 156), "number of epochs"),
    ("training_budget", (240, 156), "adds all 20"),
    ("training_budget", (1200, 156), "all pictures"),
    ("training_budget", (100, 156), "pictures in an epoch"),
    ("training_budget", (7.5, 150), "by the batch size"),
    ("training_budget", (59, 156), "is another; each epoch has"),
    ("training_budget", (60, 13), "second number is for one epoch"),
    ("training_budget", (60, 150), "run on from epoch"),
    ("training_budget", (60, 144), "leaves out"),
    ("training_budget", (60, 36), "3 steps an epoch"),
    ("training_budget", (60, 1200), "counts pictures"),
    ("training_budget", (60, 780), "5 times too large"),
    ("training_budget", (60, 60), "repeats"),
    ("training_budget", (60, 157), "is another; how many batches"),
    ("training_budget", 60, "this holds 1"),
    ("training_budget", (60, 156, 8), "this holds 3"),
    ("training_budget", "60, 156", "two whole numbers"),
    ("training_budget", listed, "a function came"),
    ("twin_search", lambda f, s: right_search(f, s)[:, ::-1], "swapped"),
    ("twin_search", in_one_place, "same place"),
    ("twin_search", first_of_each, "several twins"),
    ("twin_search", returns_in_the_loop, "inside the loop"),
    ("twin_search", no_twins, "that are no twins"),
    ("twin_search", canceling, "+1 and -1 cancel"),
    ("twin_search", equal_pixels, "a darker copy has others"),
    ("twin_search", equal_squares, "a darker copy has others"),
    ("twin_search", searched(lambda grids: grids > 128), "compared with 128"),
    ("twin_search", searched(lambda grids: grids > grids.mean()), "over all pictures"),
    ("twin_search", in_bytes, "a byte"),
    ("twin_search", one_pixel_each, "one or two of each"),
    ("twin_search", combined(lambda four: four[0] + four[3]), "one or two "),
    ("twin_search", combined(lambda four: four[0] + four[1]), "one or two "),
    ("twin_search", combined(lambda four: np.max(four, 0)), "its largest or smallest"),
    ("twin_search", combined(lambda four: np.min(four, 0)), "its largest or smallest"),
    ("twin_search", all_pixels, "single pixels"),
    (
        "twin_search",
        lambda f, s: near(by_own_mean(f), by_own_mean(s), 32),
        "single pixels",
    ),
    ("twin_search", first_corner, "first 16 x 16 pixels"),
    ("twin_search", by_axes(1, 3, shape=(-1, 2, 16, 2, 16)), "axes 2 and 4"),
    ("twin_search", by_axes(1, 3), "axes of length 2"),
    ("twin_search", mean_of_differences, "a mean is never above 1"),
    ("twin_search", over(0), "taken over axis 0"),
    ("twin_search", over(1), "each column has a mean"),
    ("twin_search", over(2), "each row has a mean"),
    ("twin_search", over((1, 2), np.median), "this is the median"),
    ("twin_search", without_axes, "keepdims=True"),
    ("twin_search", close_pixels, "numbers are compared"),
    ("twin_search", turning(flip_sideways), "mirror images"),
    ("twin_search", turning(flip_over), "mirror images"),
    ("twin_search", turning(flip_sideways, flip_over), "mirror images"),
    ("twin_search", lambda f, s: listed(f, s) * 2, "more than once"),
    ("twin_search", larger_squares, "4 x 4"),
    ("twin_search", searched(by_own_mean, 7), "8 squares may differ, and"),
    ("twin_search", searched(by_own_mean, 0), "8 squares may differ, and"),
    ("twin_search", searched(by_own_mean, 9), "9 squares may not differ"),
    ("twin_search", searched(by_own_mean, 10), "is your limit above 8"),
    ("twin_search", searched(by_own_mean, 12), "is your limit above 8"),
    ("twin_search", searched(by_own_mean, 16), "is your limit above 8"),
    ("twin_search", correlated, "is your limit above 8"),
    ("twin_search", one_way, "10 squares may not differ"),
    ("twin_search", lambda f, s: [], "fails on exact copies"),
    ("twin_search", lambda f, s: len(listed(f, s)), "a list of pairs is asked for"),
    ("twin_search", lambda f, s: np.eye(5, 6) > 0, "a list of pairs is asked for"),
    ("twin_search", lambda f, s: [i for i, _ in listed(f, s)], "a list of pairs"),
    ("twin_search", lambda f, s: [("one", "two")], "a list of pairs is asked for"),
    ("twin_search", lambda f, s: tuple(right_search(f, s).T), "np.where"),
    ("twin_search", [(0, 1)], "hand over the function"),
    ("untrusted_lines", [3, 4], "what is reported"),
    ("untrusted_lines", [3, 11], "before the split"),
    ("untrusted_lines", [11], "numbers of a mask"),
    ("untrusted_lines", 3, "a list of line numbers"),
    ("untrusted_lines", [2, 3, 4, 11], "line 2 is right"),
    ("untrusted_lines", [3, 5, 11], "line 5 is right"),
    ("untrusted_lines", [3, 6, 11], "line 6 is right"),
    ("untrusted_lines", [3, 4, 10], "line 10 is right"),
    ("untrusted_lines", {1}, "line 1 is right"),
    ("untrusted_lines", [0], "there is no line 0"),
    ("untrusted_lines", "3, 4", "a list of line numbers"),
    ("untrusted_lines", ["three"], "numbers of lines"),
]


def test_the_lesson_has_these_exercises():
    assert checks.NAMES["08_real_horses"] == NAMES


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_are_right_for_every_seed(name, answer, said):
    assert said(name, answer) == "Correct."
    for seed in range(10):
        assert checks.score(name, answer, seed) == (1.0, "Correct.")


def test_a_search_that_returns_none_is_not_attempted(said):
    line = said("twin_search", lambda first, second: None)
    assert line.startswith("Not attempted yet: ")


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_each_mistake_gets_its_hint(name, wrong, hint, said):
    line = said(name, wrong)
    assert line.startswith("Not yet: ")
    assert hint in line and not line.endswith(("?.", ".."))
    for seed in range(5):
        points, message = checks.score(name, wrong, seed)
        assert points == 0 and hint in message


# Which way the lesson went.


def first_cell():
    """Return the cell of the lesson that looks for the horses."""
    cells = nbformat.read(EDITIONS[1], 4).cells
    (cell,) = [cell for cell in cells if "load_horses(" in cell.source][:1]
    return cell


def went(monkeypatch, folder):
    """Run that cell with a data folder; return what it printed and the pairs."""
    monkeypatch.setenv("FCNLIB_DATA", str(folder))
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(first_cell().source, names)
    return printed.getvalue(), names["train"], names["val"]


@pytest.fixture
def few_horses(tmp_path, monkeypatch):
    """Write three pairs with their list, in a folder of their own."""
    rows = ["name,split,rgb_sha256,figure_ground_sha256"]
    for name, split in (("a", "train"), ("b", "train"), ("c", "val")):
        digests = []
        for kind, shape in (("rgb", (8, 8, 3)), ("figure_ground", (8, 8))):
            path = tmp_path / "weizmann_horse_db" / kind / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            _, content = cv2.imencode(".jpg", np.full(shape, 200, "uint8"))
            path.write_bytes(content.tobytes())
            digests.append(hashlib.sha256(content.tobytes()).hexdigest())
        rows.append(",".join((name, split, *digests)))
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    monkeypatch.setattr(datasets, "_HORSE_LIST", str(tmp_path / "list.csv"))
    return tmp_path


def test_with_horses_the_lesson_says_so(few_horses, monkeypatch):
    line, train, val = went(monkeypatch, few_horses)
    assert line == "horses found: 2 to learn from, 1 to score\n"
    assert len(train) == 2 and len(val) == 1


def test_without_horses_the_lesson_says_how_to_get_them(tmp_path, monkeypatch):
    line, train, val = went(monkeypatch, tmp_path)
    assert line.startswith("no horses, cells that need them are skipped: ")
    assert "python -m fcnlib download horses" in line and line.count("\n") == 1
    assert train == val == []


def test_half_of_the_horses_are_none(few_horses, monkeypatch):
    (few_horses / "weizmann_horse_db" / "rgb" / "c.jpg").unlink()
    line, train, val = went(monkeypatch, few_horses)
    assert line.startswith("no horses, ") and train == val == []


def test_where_the_horses_are_here_the_lesson_finds_all(monkeypatch):
    folder = datasets.data_folder()
    if not all(
        (folder / name).is_file()
        for split in ("train", "val")
        for name in datasets.horse_files(split)
    ):
        pytest.skip("the horses are not on this machine")
    line, _, _ = went(monkeypatch, folder)
    assert line == "horses found: 178 to learn from, 50 to score\n"


@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: path.parent.name)
def test_the_stored_lesson_ran_with_horses(path):
    printed = "".join(
        output.get("text", "")
        for cell in nbformat.read(path, 4).cells
        for output in cell.get("outputs", ())
    )
    assert "horses found: 178 to learn from, 50 to score" in printed
    assert "skipped" not in printed and "no stored scores" not in printed


# No photograph is shown in what is stored.


def pictures_of(notebook):
    """Return all outputs that are no text, each with its kind."""
    return [
        (kind, data)
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind, data in output.get("data", {}).items()
        if kind != "text/plain"
    ]


def is_flat(kind, data):
    """Tell whether a picture has few colors, but for the edges of its letters."""
    if kind != "image/png":
        return False
    content = np.frombuffer(base64.b64decode(data), "uint8")
    colors = cv2.imdecode(content, cv2.IMREAD_COLOR).reshape(-1, 3) // 4
    numbers = colors.astype(int) @ [1, 64, 64 * 64]
    counts = np.sort(np.bincount(numbers))[::-1]
    return counts[:10].sum() > 0.9 * counts.sum()


@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: path.parent.name)
def test_no_stored_picture_is_a_photograph(path):
    pictures = pictures_of(nbformat.read(path, 4))
    assert len(pictures) >= 6
    assert all(is_flat(kind, data) for kind, data in pictures)


@pytest.mark.parametrize("share", [1, 4, 8])
def test_a_planted_picture_is_found(share):
    """Even a drawn scene has many colors, and in an eighth of a figure they show."""
    scene, _ = pasture.draw_scene(seed=3)
    figure = np.full((128, 128 * share, 3), 255, "uint8")
    figure[:, :128] = scene
    _, content = cv2.imencode(".png", figure)
    picture = base64.b64encode(content.tobytes()).decode()
    output = nbformat.v4.new_output("display_data", data={"image/png": picture})
    cell = nbformat.v4.new_code_cell("1", outputs=[output])
    ((kind, data),) = pictures_of(nbformat.v4.new_notebook(cells=[cell]))
    assert not is_flat(kind, data)
    assert not is_flat("image/svg+xml", "<svg/>")
