"""The generated first cell installs the course into Colab's usual packages.

It leaves every package that is there as it was, and a lesson runs afterwards.
"""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import build
import pytest

pytestmark = pytest.mark.colab

ROOT = Path(__file__).resolve().parents[2]
# As Colab had them in 2026, as far as they matter here.
PACKAGES = (
    "tensorflow==2.19.*",
    "keras==3.10.*",
    "numpy==2.0.2",
    "opencv-python==4.12.*",
    "matplotlib==3.10.0",
    "pillow==11.3.0",
    "ipython==7.34.0",
    "requests==2.32.4",
    "scikit-image==0.25.2",
    "ipywidgets==7.7.1",
)
ON_COLAB = """
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
import matplotlib
matplotlib.use("Agg")
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository that holds what this checkout holds of the package."""
    folder = tmp_path_factory.mktemp("public") / "fcnlib"
    shutil.copytree(
        ROOT / "fcnlib", folder / "fcnlib", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "data").mkdir()
    for path in ("pyproject.toml", "README.md", "LICENSE", "data/weizmann_horses.csv"):
        shutil.copy(ROOT / path, folder / path)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter with Colab's packages."""
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder, with_pip=True)
    place = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    pip = [folder / place, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *PACKAGES], check=True)
    return folder / place


def freeze(python):
    """The installed packages, one a line."""
    command = [python, "-m", "pip", "freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if not line.startswith("fcnlib")]


def test_the_first_cell_installs_and_breaks_nothing(python, repository, tmp_path):
    before = freeze(python)
    lesson = ROOT / "notebooks" / "00_start_here.ipynb"
    cells = json.loads(lesson.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    address = f"git+{build.repository()}"
    assert sum(address in text for text in code) == 1
    local = [text.replace(address, f"git+{repository.as_uri()}") for text in code]
    program = tmp_path / "lesson.py"
    program.write_text("\n\n".join([ON_COLAB, *local]), encoding="utf-8")
    finished = subprocess.run(
        [python, program], cwd=tmp_path, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert freeze(python) == before
    check = subprocess.run([python, "-m", "pip", "check"], capture_output=True)
    assert check.returncode == 0, check.stdout.decode()


def test_elsewhere_the_first_cell_installs_nothing(tmp_path):
    program = tmp_path / "cell.py"
    program.write_text(build.SETUP.format(repository="nowhere"), encoding="utf-8")
    command = [sys.executable, "-S", program]  # without any installed package
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "pip install -e ." in finished.stdout
