"""The option that runs a sample of the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

MODULE = """\
import pytest

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

@pytest.mark.parametrize("number", [pytest.param(0, marks=pytest.mark.slow), 1, 2])
def test_marked(number):
    pass
""" + "".join(
    f"""
@pytest.mark.parametrize("number", range(4))
def test_{name}(number):
    pass
"""
    for name in "abcdefgh"
)


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
    """Every fourth case of each function, from one of the first four on: the same every time."""
    done = pytest_on(tmp_path, "-v", "--every=4", "-m", "not slow")
    assert done.returncode == 0, done.stdout
    ran = [line.split()[0].partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    cases = {
        "test_plain": [""],
        "test_numbers": [f"[{number}]" for number in range(10)],
        "test_stores": [f"[{s}-{n}]" for s in ("memory", "file", "server") for n in range(4)],
        "test_marked": ["[1]", "[2]"],
        **{f"test_{name}": [f"[{number}]" for number in range(4)] for name in "abcdefgh"},
    }
    due: list[str] = []
    begins: set[int] = set()
    for function, those in cases.items():
        chosen = [each.removeprefix(function) for each in ran if each.partition("[")[0] == function]
        begin = those.index(chosen[0])
        begins.add(begin)
        assert begin < 4
        due += [function + each for each in those[begin::4]]
    assert ran == due
    assert len(begins) > 1
    again = pytest_on(tmp_path, "-v", "--every=4", "-m", "not slow")
    assert [line.partition(" ")[0] for line in again.stdout.splitlines() if "::" in line] == [
        line.partition(" ")[0] for line in done.stdout.splitlines() if "::" in line
    ]


def test_it_says_so(tmp_path: Path) -> None:
    """Nobody takes a sample for the whole suite."""
    done = pytest_on(tmp_path, "-q", "--every=100")
    assert "A SAMPLE: 12 of 58 cases (--every=100)" in done.stdout.splitlines(), done.stdout
    assert "12 passed, 46 deselected" in done.stdout


def test_every_case(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, "-q", "--every=1")
    assert "58 passed" in done.stdout
    assert "SAMPLE" not in done.stdout


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_invalid_numbers(tmp_path: Path, number: str) -> None:
    done = pytest_on(tmp_path, f"--every={number}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"argument --every: invalid count value: '{number}'" in done.stderr
