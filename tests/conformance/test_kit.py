"""The kit for pytest, as its users see it: run by a pytest process of its own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import FAULTS
from subjects import Unable

from connect_core.conformance import (
    Answer,
    BrokenSystemError,
    ConnectionConformance,
    Exploration,
    InvalidProfileError,
    Profile,
    ReferenceSystem,
    Result,
    System,
    kit,
    load_vectors,
    select,
)

HEAD = """\
from connect_core.conformance import Answer, ConnectionConformance, Outcome, Profile
from connect_core.conformance import ReferenceSystem
import pytest

"""


def pytest_on(folder: Path, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest on a test module."""
    (folder / "test_ours.py").write_text(HEAD + text)
    return subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, "test_ours.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.stress
def test_an_implementation_that_conforms(tmp_path: Path) -> None:
    """There is one test for each vector, and one for the exploration. Fixtures work."""
    done = pytest_on(
        tmp_path,
        """
class TestOurs(ConnectionConformance):
    exploration = (60, 50)
    exploration_seconds = None
    seed = 1

    @pytest.fixture(autouse=True)
    def connected(self, tmp_path):
        self.made = []
        yield
        assert self.made

    def make_system(self):
        self.made.append(1)
        return ReferenceSystem()
""",
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(load_vectors()) + 1} passed" in done.stdout


def test_unclaimed_vectors_are_skipped_and_known_failures_are_expected(tmp_path: Path) -> None:
    done = pytest_on(
        tmp_path,
        """
class Ours(ReferenceSystem):
    def share(self, *, by, connection, scope):
        super().share(by=by, connection=connection, scope=scope)
        return Answer(Outcome.DENIED, http=403)

class TestOurs(ConnectionConformance):
    profile = Profile(claims=("named-source",), known_failures={
        "story/accept": "nothing is shared yet",
        "story/withdraw-before-acceptance": "it passes",
    })

    def make_system(self):
        return Ours()
""",
        "-rsx",
        "-k",
        "story or history",
    )
    assert done.returncode == 1
    assert "1 xfailed" in done.stdout
    assert "nothing is shared yet" in done.stdout
    assert "The profile does not claim versions, history." in done.stdout
    assert "story/withdraw-before-acceptance: unexpected-pass" in done.stdout
    assert "strike it from the list" in done.stdout


def test_a_failure_says_everything(tmp_path: Path) -> None:
    """The message has the requirement's text, the steps, and the expected and observed answers."""
    done = pytest_on(
        tmp_path,
        """
class Ours(ReferenceSystem):
    def act(self, *, by, connection, action, expected_version=None):
        there = self._connections.get(connection)
        if action == "deactivate" and there and there.status == "inactive":
            return Answer(Outcome.OK, http=200)
        return super().act(
            by=by, connection=connection, action=action, expected_version=expected_version
        )

class TestOurs(ConnectionConformance):
    exploration = (1000, 50)
    exploration_seconds = None
    seed = 1

    def make_system(self):
        return Ours()
""",
        "-k",
        "explorer or transition/inactive/deactivate/source",
    )
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    text = "An attempt of a party to deactivate an `inactive` Connection MUST be refused, as"
    assert f"CXN-LIFE-006 (stated): {text}" in done.stdout
    assert "  3. org_Source deactivates main\n     -> ok (HTTP 200)" in done.stdout
    assert "Expected: wrong-status" in done.stdout
    assert "Observed: ok (HTTP 200): the outcome is ok" in done.stdout
    assert "The same as a vector, ready to be kept:" in done.stdout
    assert '"id": "found/' in done.stdout
    assert "Traceback" not in done.stdout


def test_an_exploration_that_is_too_small_is_skipped(tmp_path: Path) -> None:
    done = pytest_on(
        tmp_path,
        """
class TestOurs(ConnectionConformance):
    exploration = (1, 1)
    exploration_seconds = None

    def make_system(self):
        return ReferenceSystem()
""",
        "-k",
        "explorer",
        "-rs",
    )
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    assert "is too small to say anything: it did not reach " in done.stdout
    assert "active/reactivate/destination+source" in done.stdout


def test_a_profile_with_an_unknown_capability() -> None:
    """It is refused when the class is defined, before anything runs."""
    with pytest.raises(InvalidProfileError, match="there is no capability 'clocks'"):
        type("Ours", (ConnectionConformance,), {"profile": Profile(claims=("clocks",))})


def test_the_method_has_to_be_overridden() -> None:
    class Ours(ConnectionConformance):
        """Does not override it."""

    with pytest.raises(NotImplementedError, match="Ours has to override make_system"):
        Ours().make_system()


class Ours(ConnectionConformance):
    """pytest does not collect it. The tests below call its methods one by one."""

    profile = Profile(claims=("named-source",), known_failures={"story/refused-share": "later"})
    exploration = (1, 1)
    exploration_seconds = None
    seed = 1

    def make_system(self) -> System:
        return FAULTS["SharesForEver"]()


@pytest.mark.parametrize(
    ("vector", "outcome", "message"),
    [
        ("share/inactive/destination", pytest.fail.Exception, "CXN-SHAR-002 (stated): While a"),
        ("history/activate/deactivate-source/reactivate", pytest.skip.Exception, "not claim"),
        ("story/refused-share", pytest.xfail.Exception, "later"),
    ],
)
def test_results_become_outcomes_of_pytest(
    vector: str, outcome: type[BaseException], message: str
) -> None:
    with pytest.raises(outcome) as raised:
        Ours().test_vector(*select([vector]))
    assert message in str(raised.value)


def test_a_pass_raises_nothing() -> None:
    Ours().test_vector(*select(["story/withdraw-before-acceptance"]))


def test_an_exploration_fails_with_its_result(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"did not reach \d+ cells of the matrix: act"):
        Ours().test_explorer(request)
    monkeypatch.setattr(Ours, "exploration", (1000, 40))  # more than the fault has ever needed
    with pytest.raises(pytest.fail.Exception, match="ready to be kept"):
        Ours().test_explorer(request)


def test_what_breaks_the_protocol_fails(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the lines that were sent and received."""

    def make_system(_: object) -> System:
        error = BrokenSystemError("it exited")
        error.transcript = ["> {}", "! no more memory"]
        raise error

    monkeypatch.setattr(Ours, "make_system", make_system)
    with pytest.raises(BrokenSystemError, match="it exited"):
        Ours().test_vector(*select(["story/accept"]))
    with pytest.raises(pytest.fail.Exception) as raised:
        Ours().test_explorer(request)
    assert str(raised.value).endswith("protocol was broken: it exited\n> {}\n! no more memory")


class Listening(ReferenceSystem):
    """Writes down who reads data or creates."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self._seen = seen

    def create(self, **call: Any) -> Answer:
        self._seen.append(call["by"])
        return super().create(**call)

    def share(self, **call: Any) -> Answer:
        self._seen.append(call["by"])
        return super().share(**call)


def test_the_ids_are_others_in_each_session() -> None:
    """All tests of a class have those of one seed, which the class may choose."""
    seen: list[str] = []

    class Recording(ConnectionConformance):
        """Remembers who acts."""

        def make_system(self) -> System:
            return Listening(seen)

    class AsWritten(Recording):
        """Has the ids of the vectors."""

        shuffle = 0

    class Chosen(Recording):
        """Has those of a seed."""

        shuffle = 5

    class ChosenAgain(Chosen):
        """Has the same ones."""

    def ids(kind: type[ConnectionConformance]) -> list[str]:
        seen.clear()
        kind().test_vector(*select(["story/accept"]))
        return list(dict.fromkeys(seen))

    assert ids(AsWritten) == ["org_Source", "org_Destination"]
    assert ids(Chosen) == ids(ChosenAgain)
    assert ids(Chosen) != ids(AsWritten) != ids(Recording)
    assert ids(Recording) == ids(Recording)


def _unable(_: object) -> Unable:
    return Unable()


def test_a_call_that_an_exploration_cannot_make_fails(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a finding: the system does not do what it claims."""
    monkeypatch.setattr(Ours, "exploration", (30, 30))
    monkeypatch.setattr(Ours, "make_system", _unable)
    with pytest.raises(pytest.fail.Exception, match="this is not supported"):
        Ours().test_explorer(request)


def test_an_exploration_that_found_nothing_raises_nothing(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explore(*_: object, **__: object) -> Exploration:
        return Exploration(60, 40, 1, Result.PASS, runs=60)

    monkeypatch.setattr(kit, "explore", explore)
    Ours().test_explorer(request)


def test_control_characters_do_not_reach_the_terminal(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_system(_: object) -> System:
        raise OSError("\x1b[31m")

    monkeypatch.setattr(Ours, "make_system", make_system)
    with pytest.raises(pytest.fail.Exception) as one:
        Ours().test_vector(*select(["story/accept"]))
    with pytest.raises(pytest.fail.Exception) as other:
        Ours().test_explorer(request)
    for said in (str(one.value), str(other.value)):
        assert r"make_system failed: OSError: \u001b[31m" in said
        assert "Traceback (most recent call last):" in said
        assert "\x1b" not in said


# --- The time of an exploration ------------------------------------------------------------------

#: A class whose calls take time, by a clock of its own; and the time after which pytest says more.
SLOW = """\
import connect_core.conformance.kit as kit
import connect_core.conformance.trace as trace
from itertools import count
from types import SimpleNamespace

kit._INTERVAL = {interval}
clock = count()
trace.time = SimpleNamespace(monotonic=lambda: next(clock))

class TestOurs(ConnectionConformance):
    exploration = ({runs}, 50)
    exploration_seconds = {seconds}
    seed = 1

    def make_system(self):
        print("captured")
        return ReferenceSystem()
"""


def slow(seconds: object, *, runs: int = 60, interval: float = 0) -> str:
    return SLOW.format(seconds=seconds, runs=runs, interval=interval)


def test_an_exploration_that_is_not_ready_in_time_is_skipped(tmp_path: Path) -> None:
    """The reason says how far it came, what was not reached, and what to set."""
    done = pytest_on(tmp_path, slow(9), "-k", "explorer", "-rs")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    reason = done.stdout.rpartition("SKIPPED")[2]
    assert "exploration 60x50 (seed 1) is too small to say anything: it did not reach " in reason
    assert " of 60 runs, all that 9 s allowed; set exploration_seconds to more" in reason
    assert "Not reached: " in reason
    assert "/reactivate/" in reason


@pytest.mark.stress
def test_an_exploration_that_has_tried_every_cell_in_time_passes(tmp_path: Path) -> None:
    """It says how far it came, past the capturing of output, but only if it was not all."""
    done = pytest_on(tmp_path, slow(3000, runs=9999, interval=3600), "-k", "explorer")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert re.search(
        r"^test_ours.py::TestOurs::test_explorer: exploration 9999x50 \(seed 1\) found nothing in "
        r"[1-9]\d* of 9999 runs, all that 3000 s allowed$",
        done.stdout,
        re.MULTILINE,
    )
    assert "captured" not in done.stdout


def test_progress_is_shown(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, slow(None, runs=3), "-k", "explorer")
    assert done.returncode == 0, done.stdout
    for runs in range(4):
        shown = rf"^test_ours.py::TestOurs::test_explorer: {runs} of 3 runs in \d+ s$"
        assert re.search(shown, done.stdout, re.MULTILINE)
    assert "captured" not in done.stdout


@pytest.mark.parametrize("options", [["-s"], ["-p", "no:capture"]])
def test_progress_is_shown_without_capturing(tmp_path: Path, options: list[str]) -> None:
    done = pytest_on(tmp_path, slow(9), "-k", "explorer", *options)
    assert done.returncode == 0, done.stdout
    assert "test_explorer: 0 of 60 runs in " in done.stdout
    assert "all that 9 s allowed" in done.stdout


def test_nothing_is_shown_of_a_short_exploration(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, slow(None, runs=3, interval=3600), "-k", "explorer")
    assert "test_ours.py::TestOurs::test_explorer: " not in done.stdout


def test_nothing_is_shown_without_a_terminal(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The workers of pytest-xdist have none."""
    monkeypatch.setattr(Ours, "exploration_seconds", 1e-9)
    with monkeypatch.context() as patched:
        patched.setattr(request.config.pluginmanager, "get_plugin", dict[str, None]().get)
        with pytest.raises(pytest.skip.Exception, match="all that 1e-09 s allowed"):
            Ours().test_explorer(request)
    assert capfd.readouterr() == ("", "")


def test_there_is_a_time_limit_by_default() -> None:
    assert ConnectionConformance.exploration_seconds == 20


class Terminal:
    """What is written to pytest's terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write_line(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize("captures", [True, False])
def test_lines_of_progress(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, captures: bool
) -> None:
    """One is written if the last is old enough, past the capturing of output if there is any."""
    progress = kit._Progress(request, 9)  # pyright: ignore[reportPrivateUsage]  # the unit
    terminal = Terminal()
    monkeypatch.setattr(progress, "_terminal", terminal)
    if not captures:
        monkeypatch.setattr(progress, "_capture", None)
    progress.report(1)
    monkeypatch.setattr(kit, "_INTERVAL", 0.0)
    progress.report(2)
    assert terminal.lines == [f"{request.node.nodeid}: 2 of 9 runs in 0 s"]
    monkeypatch.setattr(progress, "_terminal", None)
    progress.report(3)
    assert len(terminal.lines) == 1
