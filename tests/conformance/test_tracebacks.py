"""Exceptions of implementations: they are shown with their call and their traceback, whatever."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from subjects import ACCEPT

from connect_core.conformance import (
    Answer,
    Outcome,
    Profile,
    ReferenceSystem,
    Report,
    Result,
    System,
    VectorResult,
    explore,
    read_profile,
    report_html,
    report_json,
    report_junit,
    run,
    select,
)
from connect_core.conformance.vectors import Vector, parse_vectors


def looked_up(name: str) -> object:
    """Where the fault is."""
    members: dict[str, object] = {}
    return members[name]


class Raises(ReferenceSystem):
    """Raises an exception with a cause when data is read."""

    def share(self, **call: object) -> Answer:
        try:
            looked_up("errors")
        except KeyError as error:
            raise ValueError(f"no {call['scope']}") from error
        raise AssertionError


def raising(error: Callable[[], Exception]) -> type[ReferenceSystem]:
    """A system that raises this exception when data is read."""

    class Hostile(ReferenceSystem):
        def share(self, **_: object) -> Answer:
            raise error()

    return Hostile


def result_of(make: Callable[[], System], about: tuple[Vector, ...] = ACCEPT) -> VectorResult:
    (found,) = run(make, among=about).results
    return found


class TestCalls:
    """The call that failed is the last exchange."""

    def test_the_call_and_the_traceback(self) -> None:
        found = result_of(Raises)
        assert (found.result, found.reason) == (
            Result.ERROR,
            "The implementation failed: ValueError: no inquiry.read",
        )
        last = found.exchanges[-1]
        assert last.given is None
        assert last.call == 'org_Destination reads data of "inquiry.read" through main'
        assert last.answer == "raised ValueError: no inquiry.read"
        lines = found.describe().splitlines()
        begin = lines.index('  3. org_Destination reads data of "inquiry.read" through main')
        assert lines[begin + 1 : begin + 4] == [
            "     -> raised ValueError: no inquiry.read",
            "",
            "Traceback (most recent call last):",
        ]
        assert lines[-1] == "ValueError: no inquiry.read"

    def test_it_begins_at_the_implementation(self) -> None:
        """The frames of the kit would tell nothing. Those of causes are all shown."""
        shown = result_of(Raises).traceback
        frames = [line for line in shown.splitlines() if line.startswith("  File ")]
        assert [frame.rpartition(", in ")[2] for frame in frames] == ["share", "looked_up", "share"]
        assert all("test_tracebacks.py" in frame for frame in frames)
        assert "KeyError: 'errors'\n\nThe above exception was the direct cause" in shown

    def test_it_goes_on_into_libraries(self) -> None:
        class Parses(ReferenceSystem):
            def share(self, **_: object) -> Answer:
                json.loads("{")
                raise AssertionError

        assert "json/decoder.py" in result_of(Parses).traceback.replace("\\", "/")

    def test_a_method_that_does_not_take_the_call(self) -> None:
        class Narrow(ReferenceSystem):
            def share(self, *, by: str) -> Answer:  # type: ignore[override]  # that is the point
                raise AssertionError(by)

        found = result_of(Narrow)  # type: ignore[arg-type]  # that is the point
        assert found.exchanges[-1].answer.startswith("raised TypeError: ")
        (line,) = found.traceback.splitlines()
        assert line.endswith("got an unexpected keyword argument 'connection'")

    def test_a_pass_has_none(self) -> None:
        assert result_of(ReferenceSystem).traceback == ""


class TestBesidesCalls:
    """`make_system` and `close` can fail, too; it is said which did."""

    def test_make_system(self) -> None:
        def make() -> System:
            looked_up("database")
            raise AssertionError

        found = result_of(make)
        assert found.reason == "make_system failed: KeyError: 'database'"
        assert found.exchanges == ()
        assert "in looked_up" in found.traceback
        assert "runner.py" not in found.traceback

    def test_close(self) -> None:
        class Sticky(ReferenceSystem):
            def close(self) -> None:
                looked_up("database")

        found = result_of(Sticky)
        assert found.reason == "close failed: KeyError: 'database'"
        assert found.exchanges[-1].given is not None
        assert "in close" in found.traceback
        assert "runner.py" not in found.traceback

    def test_what_failed_first_is_reported(self) -> None:
        """After that, a failure to close says nothing new."""

        class Both(Raises):
            busy = False

            def share(self, **call: object) -> Answer:
                self.busy = True
                return super().share(**call)

            def close(self) -> None:
                if self.busy:
                    raise OSError("still busy")

        class Wrong(ReferenceSystem):
            def share(self, **_: object) -> Answer:
                return Answer(Outcome.DENIED)

            def close(self) -> None:
                raise OSError("still busy")

        assert result_of(Both).reason.endswith("ValueError: no inquiry.read")
        assert result_of(Wrong).result is Result.FAIL
        found = explore(Both, examples=30, steps=30, seed=1).finding
        assert found is not None
        assert "ValueError: no " in found.reason
        assert "still busy" not in found.traceback

    @pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
    def test_an_interrupted_execution_is_closed(self, ending: type[BaseException]) -> None:
        closed: list[int] = []

        class Interrupted(ReferenceSystem):
            busy = False

            def share(self, **_: object) -> Answer:
                self.busy = True
                raise ending

            def close(self) -> None:
                if self.busy:
                    closed.append(1)
                    raise OSError("still busy")

        with pytest.raises(ending):
            run(Interrupted, among=ACCEPT)
        assert closed == [1]
        with pytest.raises(ending):
            explore(Interrupted, examples=30, steps=30, seed=1)
        assert closed == [1, 1]


class UnsayableError(Exception):
    """Has no message."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class UnshowableError(Exception):
    """Does not say what else was raised."""

    @property
    def __cause__(self) -> None:  # type: ignore[override]
        raise RuntimeError("no cause")


def deep(depth: int) -> Exception:
    """An exception with many causes."""
    error = ValueError(f"number {depth}")
    error.__cause__ = deep(depth - 1) if depth else None
    return error


class TestHostileExceptions:
    """They do not break the kit, nor its reports."""

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (UnsayableError, "UnsayableError: <UnsayableError>"),
            (UnshowableError, "UnshowableError"),
            (lambda: ValueError(), "ValueError"),
            (lambda: ValueError("one\ntwo"), "ValueError: one two"),
            (lambda: ValueError("\x00\x1b[31m\u202e\ud800"), r"ValueError: \u0000\u001b[31m\u202e"),
            (lambda: ValueError("x" * 10**6), "ValueError: xxx"),
            (lambda: ValueError("x\n" * 10**5), "ValueError: x x x"),
            (lambda: deep(50), "ValueError: number 50"),
            (lambda: ExceptionGroup("several", [ValueError("a"), KeyError("b")]), "ExceptionGroup"),
        ],
    )
    def test_they_are_shown(self, error: Callable[[], Exception], message: str) -> None:
        report = run(raising(error), among=ACCEPT)
        (found,) = report.results
        assert found.reason.startswith(f"The implementation failed: {message}")
        assert found.exchanges[-1].answer.startswith(f"raised {message}")
        assert len(found.reason) < 500
        assert len(found.traceback.splitlines()) <= 61
        assert max(map(len, found.traceback.splitlines())) <= 400
        assert not set(found.traceback) & set("\x00\x1b\u202e\ud800")
        for text in (found.describe(), report_json(report), report_html(report)):
            assert text.encode()
        ET.fromstring(report_junit(report))  # noqa: S314  # our own text

    def test_the_ends_of_a_long_traceback_are_shown(self) -> None:
        shown = result_of(raising(lambda: deep(50))).traceback.splitlines()
        assert shown[0] == "ValueError: number 0"
        assert shown[-1] == "ValueError: number 50"
        assert [line for line in shown if " lines are left out ..." in line] == shown[30:31]

    def test_one_that_cannot_be_shown(self) -> None:
        shown = result_of(raising(UnshowableError)).traceback
        assert shown == "The traceback cannot be shown: the exception does not permit it."

    def test_a_state_that_is_not_json(self) -> None:
        """What the system returns is shown, even if it cannot be written as JSON."""
        circular: dict[object, object] = {("a", "tuple"): 1}
        circular["itself"] = circular

        class Odd(ReferenceSystem):
            def read(self, **_: object) -> Answer:
                return Answer(Outcome.OK, state=circular)  # type: ignore[arg-type]

        failed = [each for each in run(Odd, among=ACCEPT).results if each.result is Result.FAIL]
        assert "('a', 'tuple')" in failed[0].describe()

    def test_an_answer_that_cannot_be_shown(self) -> None:
        class Odd(ReferenceSystem):
            def share(self, **_: object) -> Answer:
                return UnsayableError()  # type: ignore[return-value]

        found = result_of(Odd)
        assert found.result is Result.BROKEN
        assert "<UnsayableError>, which is not an Answer" in found.reason


@pytest.fixture(scope="module")
def report() -> Report:
    return run(Raises, Profile(name="ours\x00\x1b"), among=ACCEPT)


class TestReports:
    """Every format has the call and the traceback."""

    def test_json(self, report: Report) -> None:
        (vector,) = json.loads(report_json(report))["vectors"]
        assert vector["exchanges"][-1]["answer"] == "raised ValueError: no inquiry.read"
        assert vector["traceback"] == report.results[0].traceback

    def test_junit(self, report: Report) -> None:
        """Control characters in the name of the implementation are escaped."""
        suite = ET.fromstring(report_junit(report))  # noqa: S314  # our own text
        assert str(suite.get("name")).endswith(r": ours\x00\x1b")
        (error,) = suite.iter("error")
        assert str(error.text) == report.results[0].describe()

    def test_html(self, report: Report) -> None:
        page = report_html(report)
        assert "raised ValueError: no inquiry.read\n\nTraceback (most recent call last):" in page
        assert "KeyError: &#39;errors&#39;" in page


class TestExplorations:
    """A fault that an exploration finds is shown in the same way, and its vector fails again."""

    def test_a_call(self) -> None:
        found = explore(Raises, examples=30, steps=30, seed=1).finding
        assert found is not None
        assert found.exchanges[-1].answer.startswith("raised ValueError: no ")
        assert found.traceback.count("Traceback (most recent call last):") == 2
        assert "conformance/trace.py" not in found.traceback.replace("\\", "/")

    def test_a_read_back(self) -> None:
        class Unread(ReferenceSystem):
            def read(self, *, by: str, connection: str) -> Answer:
                there = self._connections.get(connection)
                if there is not None and there.version == 2:
                    looked_up("version")
                return super().read(by=by, connection=connection)

        found = explore(Unread, examples=30, steps=30, seed=1).finding
        assert found is not None
        assert found.exchanges[-1].call.startswith("org_A looks at ")
        assert found.exchanges[-1].answer == "raised KeyError: 'version'"
        (again,) = run(Unread, among=[found.vector]).results
        assert (again.result, again.reason) == (Result.ERROR, found.reason)
        assert run(ReferenceSystem, among=[found.vector]).passed

    def test_close(self) -> None:
        class Sticky(ReferenceSystem):
            def close(self) -> None:
                looked_up("database")

        found = explore(Sticky, examples=5, steps=5, seed=1).finding
        assert found is not None
        assert found.reason == "close failed: KeyError: 'database'"
        assert len(found.vector.steps) == 1
        assert found.traceback.count("Traceback (most recent call last):") == 1

    def test_make_system(self) -> None:
        """There is no vector then. It is tried once."""
        made: list[int] = []

        def make() -> System:
            made.append(1)
            looked_up("database")
            raise AssertionError

        found = explore(make, examples=5, steps=5, seed=1)
        assert (found.result, found.finding, made) == (Result.ERROR, None, [1])
        due = "exploration 5x5 (seed 1) found an error: make_system failed: KeyError: 'database'"
        assert found.sentence() == due
        assert found.describe().startswith(f"{due}\n\nTraceback (most recent call last):\n")
        passed = run(ReferenceSystem, among=ACCEPT)
        report = Report(passed.profile, passed.specification, passed.results, {}, found)
        assert "in looked_up" in report_html(report)
        assert "in looked_up" in report_junit(report)
        written = json.loads(report_json(report))["exploration"]
        assert written["traceback"] == found.traceback
        assert written["reason"] == "make_system failed: KeyError: 'database'"

    def test_make_system_fails_later(self) -> None:
        """It is an error, too, and the one before is told."""
        made: list[int] = []

        def make() -> System:
            made.append(1)
            if len(made) > 1:
                looked_up("database")
            return Raises()

        found = explore(make, examples=30, steps=50, seed=1)
        assert found.result is Result.ERROR
        assert found.finding is not None
        assert "ValueError: no " in found.finding.reason


class TestUnsupportedCalls:
    """It is said why a call was made that the implementation does not support."""

    class Unable(ReferenceSystem):
        """Supports no capability."""

        def create(self, **call: object) -> Answer:
            if call.get("body") is not None or call.get("source") is not None:
                return Answer(Outcome.UNSUPPORTED)
            return super().create(**call)  # type: ignore[arg-type]

        def act(self, **call: object) -> Answer:
            if call["expected_version"] is not None:
                return Answer(Outcome.UNSUPPORTED)
            return super().act(**call)  # type: ignore[arg-type]

    ASSUMED = "this is not supported, and no claims are given, so that every capability is assumed"

    @pytest.mark.parametrize(
        ("about", "named"),
        [
            ("documents/invalid/data/null", "`documents`"),
            ("transition/none/create/outsider", "`named-source`"),
            ("expected-version/pending/activate-destination", "`versions` and `expected-version`"),
        ],
    )
    def test_a_capability(self, about: str, named: str) -> None:
        vectors = select([about])
        (found,) = run(self.Unable, among=vectors).results
        assert found.result is Result.COULD_NOT_TEST
        assert found.reason.endswith(f": {self.ASSUMED}, also {named}.")
        claimed = Profile(claims=Profile().claims)
        (found,) = run(self.Unable, claimed, among=vectors).results
        assert found.reason.endswith(f": this is not supported, and the profile claims {named}.")

    def test_a_profile_in_a_file(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """It may have no claims, either."""
        path = tmp_path_factory.mktemp("profile") / "profile.json"
        path.write_text('{"name": "ours"}')
        vectors = select(["transition/none/create/outsider"])
        (found,) = run(self.Unable, read_profile(path), among=vectors).results
        assert self.ASSUMED in found.reason

    def test_a_call_that_needs_none(self) -> None:
        class Unsharing(ReferenceSystem):
            def share(self, **_: object) -> Answer:
                return Answer(Outcome.UNSUPPORTED)

        for profile in (Profile(), Profile(claims=())):
            (found,) = run(Unsharing, profile, among=ACCEPT).results
            assert found.reason == (
                'org_Destination reads data of "inquiry.read" through main: this is not supported, '
                "and every implementation has to support it."
            )

    def test_a_vector_that_does_not_say_what_it_needs(self) -> None:
        step = {
            "verb": "create",
            "by": "org_A",
            "connection": "main",
            "body": "{}",
            "accept": [{"outcome": "invalid"}],
        }
        vector = {"id": "our/own", "title": "", "since": "1.0", "requirements": [], "steps": [step]}
        text = json.dumps({"specification": "1.0", "vectors": [vector]})
        (found,) = run(self.Unable, Profile(claims=()), among=parse_vectors(text, "ours")).results
        assert found.reason.endswith(
            ": this is not supported, and the vector does not list `documents` among its needs."
        )

    def test_in_an_exploration(self) -> None:
        found = explore(self.Unable, examples=30, steps=30, seed=1).finding
        assert found is not None
        assert self.ASSUMED in found.reason
