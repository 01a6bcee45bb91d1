"""The comparison of implementations: what is read from their reports, and what is refused."""

import json
from typing import Any

import pytest
from faults import FAULTS

from connect_core import __version__
from connect_core.conformance import (
    Profile,
    ReferenceSystem,
    Result,
    Verdict,
    load_specification,
    report_json,
    run,
)
from connect_core.conformance.comparison import Comparison, compare_reports, read_report
from connect_core.conformance.runner import select


def a_report(**members: object) -> dict[str, Any]:
    """A report with what is read from it."""
    return {
        "implementation": "ours",
        "specification": "1.1",
        "kit": "0.1.0",
        "level": "core",
        "verdict": "conforms",
        "sentence": "ours conforms.",
        "requirements": [{"id": "A", "result": "pass"}, {"id": "B", "result": "not-claimed"}],
        **members,
    }


def compared(*reports: dict[str, Any]) -> Comparison:
    """The comparison of these reports, in files named 1, 2 and so on."""
    return compare_reports(
        [read_report(json.dumps(each).encode(), str(i)) for i, each in enumerate(reports, 1)]
    )


class TestReading:
    """Only what ``conformance run --report`` writes is read."""

    def test_a_real_report(self) -> None:
        done = run(FAULTS["SharesForEver"], Profile(name="faulty"), among=select(["story"]))
        read = read_report(report_json(done).encode(), "faulty.json")
        assert read.file == "faulty.json"
        assert read.name == "faulty"
        assert read.specification == load_specification().version
        assert read.kit == __version__
        assert read.level == done.level
        assert read.verdict is Verdict.DOES_NOT_CONFORM
        assert read.sentence == done.sentence()
        assert read.results == {each.requirement.id: each.result for each in done.requirements()}

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", " is not JSON: Expecting value: line 1 column 1 (char 0); give what "),
            (b"\xff", " is not JSON: byte 0 is not UTF-8; give what "),
            (b"[NaN]", " is not JSON: NaN is not a JSON number; give what "),
            (b"[]", " is no report: a report must be an object, not []; give what "),
            (b'{"a": 1, "a": 2}', ": the member 'a' stands twice (at /a); remove one of them"),
        ],
    )
    def test_what_is_no_report(self, content: bytes, reason: str) -> None:
        with pytest.raises(ValueError, match="it") as raised:
            read_report(content, "it.json")
        assert str(raised.value).startswith(f"it.json{reason}")

    @pytest.mark.parametrize("name", a_report())
    def test_a_report_that_lacks_something(self, name: str) -> None:
        report = a_report()
        del report[name]
        with pytest.raises(ValueError, match=f"^it is no report: it has no '{name}'; give what "):
            read_report(json.dumps(report).encode(), "it")

    @pytest.mark.parametrize(
        ("members", "reason"),
        [
            ({"kit": 1}, "'kit' must be text, not 1"),
            ({"requirements": {}}, "'requirements' must be a list, not {}"),
            ({"requirements": [1]}, "each of 'requirements' must be an object, not 1"),
            ({"requirements": [{"result": "pass"}]}, "it has no 'id'"),
            ({"requirements": [{"id": 1}]}, "a requirement's 'id' must be text, not 1"),
            ({"requirements": [{"id": "A"}]}, "it has no 'result'"),
            (
                {"requirements": [{"id": "A", "result": "pass"}] * 2},
                '"A" is there twice',
            ),
            (
                {"requirements": [{"id": "A", "result": "fine"}]},
                f'the result of A must be one of {", ".join(Result)}, not "fine"',
            ),
            ({"verdict": 1}, f"'verdict' must be one of {', '.join(Verdict)}, not 1"),
        ],
    )
    def test_a_report_with_something_else(self, members: dict[str, Any], reason: str) -> None:
        with pytest.raises(ValueError, match="is no report") as raised:
            read_report(json.dumps(a_report(**members)).encode(), "it")
        assert str(raised.value).startswith(f"it is no report: {reason}; give what ")


class TestComparing:
    """The reports side by side."""

    def test_the_rows(self) -> None:
        other = a_report(
            requirements=[{"id": "B", "result": "fail"}, {"id": "A", "result": "pass"}]
        )
        assert compared(a_report(), other).rows() == [
            ("A", [Result.PASS, Result.PASS]),
            ("B", [Result.NOT_CLAIMED, Result.FAIL]),
        ]

    def test_one_alone(self) -> None:
        assert compared(a_report()).rows() == [("A", [Result.PASS]), ("B", [Result.NOT_CLAIMED])]

    def test_as_data(self) -> None:
        theirs = a_report(implementation="theirs", verdict="broken", sentence="It broke.")
        assert compared(a_report(), theirs).as_dict() == {
            "specification": "1.1",
            "implementations": [
                {
                    "report": "1",
                    "implementation": "ours",
                    "verdict": "conforms",
                    "level": "core",
                    "kit": "0.1.0",
                    "sentence": "ours conforms.",
                },
                {
                    "report": "2",
                    "implementation": "theirs",
                    "verdict": "broken",
                    "level": "core",
                    "kit": "0.1.0",
                    "sentence": "It broke.",
                },
            ],
            "requirements": [
                {"id": "A", "results": ["pass", "pass"]},
                {"id": "B", "results": ["not-claimed", "not-claimed"]},
            ],
        }

    def test_as_markdown(self) -> None:
        theirs = a_report(implementation="a|b <i>*x*\n[y](z) `c` \\", verdict="incomplete")
        assert compared(a_report(), theirs).markdown().split("\n") == [
            r"| requirement | ours | a\|b \<i\>\*x\*\\u000a\[y\](z) \`c\` \\ |",
            "| --- | --- | --- |",
            "| **verdict** | **conforms** | **incomplete** |",
            "| A | pass | pass |",
            "| B | not-claimed | not-claimed |",
        ]

    @pytest.mark.parametrize("versions", [("1.1", "2.0"), ("2.0", "1.1")])
    def test_another_version(self, versions: tuple[str, str]) -> None:
        with pytest.raises(ValueError, match="is about version") as raised:
            compared(*(a_report(specification=each) for each in versions))
        assert str(raised.value) == (
            f"1 is about version {versions[0]} of the specification, and 2 about version "
            f"{versions[1]}; run both with one version of the kit"
        )

    def test_other_requirements(self) -> None:
        other = a_report(kit="0.2.0", requirements=[{"id": "A", "result": "pass"}])
        with pytest.raises(ValueError, match="is in only one of") as raised:
            compared(a_report(), a_report(), other)
        assert str(raised.value) == (
            "B is in only one of 1 (kit 0.1.0) and 3 (kit 0.2.0); "
            "run both with one version of the kit"
        )


def test_what_the_kit_writes_can_be_compared() -> None:
    """Also the report of a run that tested nothing."""
    reports = [run(ReferenceSystem, among=select(each)) for each in (["story"], ["no such"])]
    comparison = compare_reports(
        [read_report(report_json(each).encode(), "it") for each in reports]
    )
    verdicts = [each.verdict for each in comparison.implementations]
    assert verdicts == [Verdict.INCOMPLETE, Verdict.NOT_TESTED]
    assert len(comparison.rows()) == len(load_specification().requirements)
