"""The files around the package agree with each other and with the package."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import median

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fcnlib
from fcnlib import grading

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "fcnlib").rglob("*.py"))
CORE = ("layers", "models", "training", "metrics", "datasets", "plotting")
PAGES = (
    *("README.md", "INSTRUCTORS.md", "CONTRIBUTING.md"),
    *("data/README.md", "results/README.md"),
)

# Scores made on another processor differ in the last digits.
SCORE_TOLERANCE = 0.005


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def ranges(project):
    """Every package of pyproject.toml, with its range."""
    lines = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        lines += extra
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(each.name): each.specifier for each in requirements}


@pytest.fixture(scope="module")
def pins():
    """Every package of the two files of pins, with its version."""
    files = [ROOT / f"requirements{of}.txt" for of in ("", "-site")]
    lines = [line for path in files for line in path.read_text("utf-8").splitlines()]
    found = {}
    for line in lines:
        if not line.startswith("#"):
            name, version = re.fullmatch(
                r"([\w.-]+)==([\w.]+)(?: ; sys_platform .= \"\w+\")?", line
            ).groups()
            found[canonicalize_name(name)] = version
    return found


def tracked_files():
    """The files that git knows, or a skipped test where there is no git."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    command = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in files if path.is_file()]


# --- packages and versions


def test_pins_lie_in_the_ranges(ranges, pins):
    for name, specifier in ranges.items():
        assert specifier.contains(pins[name]), (name, str(specifier), pins[name])


def test_every_range_has_a_lower_bound_and_a_cap(ranges):
    for name, specifier in ranges.items():
        operators = {each.operator for each in specifier}
        assert operators in ({">=", "<"}, {"=="}), (name, str(specifier))


def test_conda_asks_for_the_same_packages(project, ranges):
    lines = (ROOT / "environment.yml").read_text("utf-8").splitlines()
    items = [line.strip()[2:] for line in lines if line.strip().startswith("- ")]
    channel, *packages, pip_heading, package_itself = items
    assert (channel, pip_heading) == ("conda-forge", "pip:")

    # With every extra but the site's, the package itself brings what conda does not.
    extras = ",".join(
        each for each in project["optional-dependencies"] if each != "site"
    )
    assert package_itself == f"-e .[{extras}]"

    expected = {"python": Requirement(f"python{project['requires-python']}").specifier}
    expected |= {"pip": Requirement("pip").specifier} | ranges
    for package in map(Requirement, packages):
        assert package.specifier == expected[package.name], package


def test_one_version_everywhere(project):
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert "version" in project["dynamic"]  # read from the package
    assert f"\nversion: {fcnlib.__version__}\n" in citation


def test_every_dependency_has_its_reason(ranges):
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = re.findall(r"^\| ([\w, -]+) \| .+ \|$", text, flags=re.MULTILINE)
    explained = {name for row in table[1:] for name in row.split(", ")} - {"---"}
    assert explained == set(ranges)


def test_license_names_both_licenses():
    for name in ("LICENSE", "README.md"):
        text = (ROOT / name).read_text("utf-8")
        assert "MIT" in text and "CC BY 4.0" in text, name


# --- what a repository must not hold

ADDRESSES = {
    "a package registry": rb"pypi\.org|pythonhosted|/simple/|index-url\b|find-links\b",
    "a folder of one machine": rb"/hom[e]/\w|/User[s]/\w|/roo[t]/|\b[A-Z]:\\+User[s]",
    "a checkout's folder": rb"(?<![\w.})])/wor[k]/|/ipykernel_",
}
WORK = "/".join(["", "work", ""])  # in parts, so that this file names no such folder
TEXTS = {".cff", ".csv", ".ipynb", ".json", ".md", ".py", ".toml", ".txt", ".yml", ""}


def forbidden(content):
    """The first address of a registry or a machine in a file's bytes, if any."""
    for what, pattern in ADDRESSES.items():
        found = re.search(pattern, content)
        if found:
            return f"{what}: {content[found.start() : found.end() + 30]}"
    return None


def test_no_tracked_file_holds_an_address():
    for path in tracked_files():
        if path.suffix in TEXTS and path != Path(__file__):
            ignored = path.name == ".gitignore"
            assert ignored or forbidden(path.read_bytes()) is None, path


@pytest.mark.parametrize(
    "planted",
    ["https://registry.example/simple/", "/home/ada", "C:\\Users\\ada", f"'{WORK}a'"],
)
def test_a_planted_address_is_found(planted):
    assert forbidden(planted.encode()) is not None
    assert forbidden(f"copied to `work/`, see ..{WORK} and /simple".encode()) is None


# --- pages


def links(text):
    """The relative targets of a Markdown text, pictures too."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [each.split("#")[0] for each in targets if not each.startswith("http")]


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_exist(page):
    folder = (ROOT / page).parent
    text = (ROOT / page).read_text("utf-8")
    broken = [each for each in links(text) if not (folder / each).exists()]
    assert broken == []
    for alt in re.findall(r"!\[(.*?)\]\(", text, flags=re.DOTALL):
        assert 20 < len(alt) < 300, alt


def test_links_are_seen():
    text = "![a](b.png) [c](d.md#e) [f](https://g.org)"
    assert links(text) == ["b.png", "d.md"]


def readme_rows():
    """The cells of README's table of scores, row by row, heading first."""
    text = (ROOT / "README.md").read_text("utf-8")
    table = re.search(r"<!-- scores -->\n(.*?)<!-- /scores -->", text, re.DOTALL)
    rows = [row.strip("| ").split("|") for row in table[1].splitlines() if row]
    return [[cell.strip() for cell in row] for row in rows if "---" not in row[0]]


def test_readme_has_the_stored_scores():
    stored = ROOT / "results" / "scores.json"
    if not stored.exists():
        pytest.skip("make results has not been run")
    networks = json.loads(stored.read_text("utf-8"))["networks"]
    heading, *rows = readme_rows()
    assert [row[0].strip("`") for row in rows] == list(networks)
    for row, scores in zip(rows, networks.values(), strict=True):
        assert heading == ["network", *scores["iou"], "mean IoU", "pixel accuracy"]
        measured = (*scores["iou"].values(), scores["mean_iou"])
        measured += (scores["pixel_accuracy"],)
        for cell, value in zip(row[1:], measured, strict=True):
            assert re.fullmatch(r"\d\.\d{3}", cell), cell
            assert abs(float(cell) - value) <= SCORE_TOLERANCE, (row[0], cell, value)


def test_readme_has_one_row_a_lesson():
    text = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| .+\? \| (.+) \|$", text, flags=re.MULTILINE)
    lessons = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    expected = [
        (str(int(path.stem[:2])), f"[{path.stem}](notebooks/{path.name})")
        for path in lessons
    ]
    assert [row for row in rows if row[1] != "coming"] == expected


# --- the package's shape


def public_definitions(path):
    """The public functions and classes at the top of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text("utf-8"))
    return [
        node
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_")
    ]


def needs_example(path, name):
    """Tell whether others call a public name.

    The command line's functions and the checks are shown by what they print, and of
    the grader others call what its package offers.
    """
    if path.parent.name == "grading":
        return name in grading.__all__
    return path.stem != "__main__" and path.parent.name != "checks"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_public_names_are_documented(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
    for node in public_definitions(path):
        docstring = ast.get_docstring(node) or ""
        assert docstring.split("\n")[0].endswith("."), node.name
        if needs_example(path, node.name):
            assert ">>> " in docstring, f"{node.name} has no example"


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, fcnlib; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    heavy = {"tensorflow", "keras", "cv2", "numpy", "matplotlib", "IPython"}
    assert heavy & set(loaded.decode().split()) == set()


def test_file_names_say_a_purpose():
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
    names = {path.stem for path in (ROOT / "fcnlib").rglob("*.py")}
    assert names & vague == set()


def code_lines(path):
    """The lines of a module that are no docstring, no comment and not blank."""
    text = path.read_text("utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [each for each in ast.walk(ast.parse(text)) if isinstance(each, documented)]
    prose = set()
    for node in nodes:
        if ast.get_docstring(node) is not None:
            prose |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    stripped = [line.strip() for number, line in lines if number not in prose]
    return [line for line in stripped if line and not line.startswith("#")]


def function_lengths(path):
    """The lines of every function's body, its docstring left out."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    bodies = [node.body[ast.get_docstring(node) is not None :] for node in functions]
    return [body[-1].end_lineno - body[0].lineno + 1 for body in bodies if body]


def test_the_core_stays_small():
    paths = [ROOT / "fcnlib" / f"{name}.py" for name in CORE]
    assert sum(len(code_lines(path)) for path in paths) < 1200
    assert median(sum((function_lengths(path) for path in paths), [])) < 12


# --- the Makefile, in a folder whose name has a space


@pytest.fixture
def run_make(tmp_path):
    """A function that runs make in a copy whose installed Python is a stand-in."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    checkout = tmp_path / "a folder" / "checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, checkout)
    stand_in = checkout / ".venv" / "bin" / "python"
    stand_in.write_text('#!/bin/sh\necho "data=$FCNLIB_DATA" called "$@"\n')
    stand_in.chmod(0o755)
    (checkout / ".venv" / "installed").write_text(f"{checkout}:requirements.txt\n")

    def run(*arguments, data=None):
        environment = {k: v for k, v in os.environ.items() if k not in MAKE_VARIABLES}
        environment |= {} if data is None else {"FCNLIB_DATA": data}
        command = ["make", "--no-print-directory", "--silent", *arguments]
        return subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True
        )

    run.checkout = checkout
    return run


# What an outer make hands to its recipes.
MAKE_VARIABLES = {"FCNLIB_DATA", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PINS", "PYTHON"}


@pytest.mark.parametrize(
    ("target", "call"),
    [
        ("results", "-m fcnlib results"),
        ("doctor", "-m fcnlib doctor"),
        ("lab", "notebooks/lab.py"),
        ("assignments", "notebooks/assignments.py"),
        ("student-release", "notebooks/release.py"),
        ("bench", "tests/bench.py"),
    ],
)
def test_make_target_calls_its_program(run_make, target, call):
    (run_make.checkout / "notebooks").mkdir()  # a folder must not pass for a target
    assert run_make(target).stdout == f"data= called {call}\n"


def test_make_notebooks_draws_then_builds_then_collects_the_words(run_make):
    (run_make.checkout / "notebooks").mkdir()
    called = [line.split()[-1] for line in run_make("notebooks").stdout.splitlines()]
    scripts = ("diagrams", "build", "glossary")
    assert called == [f"notebooks/{name}.py" for name in scripts]


def test_make_test_runs_all_lessons_solved_and_the_first_six_unsolved(run_make):
    names = ["solutions/07_b", "solutions/00_a", "00_a", "05_c", "06_d", "10_e"]
    for name in names:
        path = run_make.checkout / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    *steps, lessons = run_make("test").stdout.splitlines()
    assert [step.split()[3] for step in steps] == ["ruff", "ruff", "pytest"]
    assert "--nbval --nbval-current-env" in lessons
    run = re.findall(r"notebooks/(\S+)\.ipynb", lessons)
    assert sorted(run) == ["00_a", "05_c", "solutions/00_a", "solutions/07_b"]


def test_make_test_fails_without_lessons(run_make):
    finished = run_make("test")
    assert finished.returncode == 2
    assert "no lessons in notebooks/" in finished.stderr


def test_make_finds_the_data_beside_the_checkout(run_make):
    data = run_make.checkout.parent / "shared" / "data"
    data.mkdir(parents=True)
    assert run_make("doctor").stdout.startswith(f"data={data} called")


def test_make_keeps_the_data_that_the_user_names_and_makes_it_absolute(run_make):
    (run_make.checkout.parent / "shared" / "data").mkdir(parents=True)
    near = run_make.checkout / "my data"
    assert run_make("doctor", data="my data").stdout.startswith(f"data={near} ")
    assert run_make("FCNLIB_DATA=my data", "doctor").stdout.startswith(f"data={near} ")
    assert run_make("doctor", data="/far away").stdout.startswith("data=/far away ")


def interpreter(path, version):
    """A stand-in for an interpreter of some version, without the venv module."""
    code = f"#!{sys.executable}\nimport sys\nsys.version_info = {version}\n"
    code += "code = sys.argv[-1]\n"
    code += "sys.exit(1) if 'ensurepip' in code else exec(code)\n"
    path.write_text(code)
    path.chmod(0o755)
    return f"PYTHON={path}"


@pytest.mark.skipif(" " in sys.executable, reason="the stand-in cannot name its Python")
@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ((3, 10, 9), "Python 3.11, 3.12 or 3.13 is needed"),
        ((3, 14, 0), "Python 3.11, 3.12 or 3.13 is needed"),
        ((3, 11, 0), "has no venv module"),
    ],
)
def test_make_says_in_one_line_what_is_wrong_with_python(
    run_make, tmp_path, version, reason
):
    (run_make.checkout / ".venv" / "installed").unlink()
    finished = run_make(interpreter(tmp_path / "python", version), "doctor")
    errors = [line for line in finished.stderr.splitlines() if "make: ***" not in line]
    assert finished.returncode == 2
    assert len(errors) == 1 and reason in errors[0]


def test_make_says_that_there_is_no_python(run_make):
    (run_make.checkout / ".venv" / "installed").unlink()
    finished = run_make("PYTHON=no-such-python", "doctor")
    assert finished.returncode == 2
    assert '"no-such-python" was not found' in finished.stderr.splitlines()[0]


def test_make_installs_again_when_the_folder_or_the_pins_changed(run_make):
    no_python = "PYTHON=no-such-python"
    assert run_make(no_python, "doctor").returncode == 0  # all is installed
    assert "was not found" in run_make("PINS=", no_python, "doctor").stderr

    stamp = run_make.checkout / ".venv" / "installed"
    stamp.write_text("/elsewhere/checkout:requirements.txt\n")
    assert "was not found" in run_make(no_python, "doctor").stderr


def test_continuous_integration_runs_what_the_readme_names():
    script = ROOT / ".ci" / "run"
    assert "make test" in script.read_text("utf-8")
    assert "make test" in (ROOT / "README.md").read_text("utf-8")
    if os.name == "posix":
        assert os.access(script, os.X_OK)
