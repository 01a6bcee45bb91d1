"""The kit for pytest, as its users see it: run by a pytest process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from faults import FAULTS

from connect_core.conformance import (
    ConnectionConformance,
    InvalidProfileError,
    Profile,
    System,
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
        if action == "deactivate" and self._connections[connection].status == "inactive":
            return Answer(Outcome.OK, http=200)
        return super().act(
            by=by, connection=connection, action=action, expected_version=expected_version
        )

class TestOurs(ConnectionConformance):
    exploration = (100, 50)

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


def test_an_exploration_that_is_too_small_does_not_pass(tmp_path: Path) -> None:
    done = pytest_on(
        tmp_path,
        """
class TestOurs(ConnectionConformance):
    exploration = (1, 1)

    def make_system(self):
        return ReferenceSystem()
""",
        "-k",
        "explorer",
    )
    assert done.returncode == 1
    assert "cells of the matrix" in done.stdout
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


def test_an_exploration_fails_with_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.fail.Exception, match="did not reach"):
        Ours().test_explorer()
    monkeypatch.setattr(Ours, "exploration", (60, 40))
    with pytest.raises(pytest.fail.Exception, match="ready to be kept"):
        Ours().test_explorer()
