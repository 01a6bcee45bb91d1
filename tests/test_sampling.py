"""The option that runs a sample of the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

MODULE = """\
import pytest

SLOW = pytest.param(0, marks=pytest.mark.slow)

def test_plain():
    pass

@pytest.mark.parametrize("number", range(10))
def test_numbers(number):
    pass

@pytest.fixture(params=["memory", "file", "server"])
def store(request):
    return request.param

@pytest.mark.parametrize("number", range(4))
def test_stores(store, number):
    pass

@pytest.mark.parametrize(("store", "number"), [("memory", 0), ("memory", 1), ("file", 2)],
                         indirect=["store"])
def test_chosen(store, number):
    pass

@pytest.mark.parametrize("store", ["memory", "file"], indirect=True)
def test_all_chosen(store):
    pass

@pytest.mark.parametrize(argnames="number", argvalues=[SLOW, 1, 2])
def test_marked(number):
    pass
"""


def pytest_on(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest on the module."""
    (folder / "test_ours.py").write_text(MODULE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "sampling", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_sample(tmp_path: Path) -> None:
    """The first case and every Nth, and the first with each value of a fixture."""
    done = pytest_on(tmp_path, "-v", "--every=4", "-m", "not slow")
    assert done.returncode == 0, done.stdout
    ran = [line.split()[0].partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert ran == [
        "test_plain",
        "test_numbers[0]",
        "test_numbers[4]",
        "test_numbers[8]",
        "test_stores[memory-0]",
        "test_stores[file-0]",
        "test_stores[server-0]",
        "test_chosen[memory-0]",
        "test_chosen[file-2]",
        "test_all_chosen[memory]",
        "test_all_chosen[file]",
        "test_marked[1]",
    ]


def test_it_says_so(tmp_path: Path) -> None:
    """Nobody takes a sample for the whole suite."""
    done = pytest_on(tmp_path, "-q", "--every=4")
    assert "A SAMPLE: 12 of 31 cases (--every=4)" in done.stdout.splitlines(), done.stdout
    assert "12 passed, 19 deselected" in done.stdout


def test_every_case(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, "-q", "--every=1")
    assert "31 passed" in done.stdout
    assert "SAMPLE" not in done.stdout


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_invalid_numbers(tmp_path: Path, number: str) -> None:
    done = pytest_on(tmp_path, f"--every={number}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"argument --every: invalid count value: '{number}'" in done.stderr
