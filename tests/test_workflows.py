"""The workflows of the code host call what is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
VERSION = "$env:PYTHON_VERSION"  # stands in quotes, since it holds a point


def read(path):
    return yaml.safe_load(path.read_text("utf-8"))


def commands(path):
    """Every command of a workflow, by job."""
    return {
        name: [step["run"] for step in job["steps"] if "run" in step]
        for name, job in read(path)["jobs"].items()
    }


def test_workflows_call_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, flags=re.MULTILINE))
    called = []
    for path in WORKFLOWS:
        for job, lines in commands(path).items():
            if job != "windows":
                words = [line.split() for line in lines]
                assert all(each[0] == "make" for each in words), (path.name, lines)
                called += [each[-1] for each in words]
    assert set(called) == {"test", "test-colab", "test-links", "test-site"}
    assert set(called) <= targets


def test_windows_runs_the_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8").replace("-3.12", "-VERSION")
    run = commands(ROOT / ".github" / "workflows" / "tests.yml")["windows"]
    for line in run:
        assert line.replace(f'"-{VERSION}"', "-VERSION") in readme.splitlines()


def test_workflows_try_every_python_and_system():
    jobs = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    systems = {*jobs["make"]["strategy"]["matrix"]["system"], "windows-latest"}
    assert {name.split("-")[0] for name in systems} == {"ubuntu", "macos", "windows"}
    for job in jobs.values():
        assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_workflows_are_valid():
    checker = Path(sys.executable).with_name("check-jsonschema")
    if not checker.exists():
        pytest.skip("check-jsonschema is not installed: run make test-site")
    schema = ["--builtin-schema", "vendor.github-workflows"]
    finished = subprocess.run([checker, *schema, *WORKFLOWS], capture_output=True)
    assert finished.returncode == 0, finished.stdout.decode()


def test_workflows_are_safe():
    auditor = Path(sys.executable).with_name("zizmor")
    if not auditor.exists():
        pytest.skip("zizmor is not installed: run make test-site")
    settings = ["--offline", "--config", ROOT / ".github" / "zizmor.yml"]
    finished = subprocess.run([auditor, *settings, *WORKFLOWS], capture_output=True)
    assert finished.returncode == 0, finished.stdout.decode()


def test_binder_installs_the_pinned_packages():
    lines = (ROOT / ".binder" / "requirements.txt").read_text("utf-8").splitlines()
    asked = [line for line in lines if not line.startswith("#")]
    assert asked == ["-r ../requirements.txt"]
    runtime = (ROOT / ".binder" / "runtime.txt").read_text("utf-8").strip()
    assert runtime in ("python-3.11", "python-3.12", "python-3.13")
    script = ROOT / ".binder" / "postBuild"
    last = script.read_text("utf-8").splitlines()[-1]
    readme = (ROOT / "README.md").read_text("utf-8")
    assert last.removeprefix("python ") in readme


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_binder_can_run_its_script():
    script = ROOT / ".binder" / "postBuild"
    subprocess.run(["bash", "-n", script], check=True)
