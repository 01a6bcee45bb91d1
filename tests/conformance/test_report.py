"""Reports: as data, as JUnit XML and as a page; what they escape, and what they say."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from peers import PRINTS_GARBAGE
from subjects import ACCEPT, Raises

from connect_core import __version__
from connect_core.conformance import (
    Answer,
    Exploration,
    Profile,
    ReferenceSystem,
    Report,
    Result,
    StdioPeer,
    VectorResult,
    Verdict,
    explore,
    load_specification,
    load_vectors,
    report_dict,
    report_html,
    report_json,
    report_junit,
    run,
    select,
)


@pytest.fixture(scope="module")
def mixed() -> Report:
    """A report with every kind of result, an exploration and hostile text."""

    class Renames(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            if answer.state is not None and answer.state["name"] == "Another":
                return answer
            return Answer(answer.outcome, state={**(answer.state or {}), "name": "\x00<b>"})

    class Mixed(Renames, Raises):
        """Also raises."""

    profile = Profile(
        name="<ours> & theirs",
        claims=("named-source",),
        known_failures={"story/accept": "no reads", "scopes/refused/empty": "it passes"},
    )
    found = run(Mixed, profile, among=select(["transition", "story", "history", "scopes"]))
    exploration = explore(Renames, profile, examples=5, steps=5, seed=1)
    return replace(found, exploration=exploration)


@pytest.fixture(scope="module")
def broken() -> Report:
    """A report on a process that broke the protocol, also in an exploration."""
    with StdioPeer(PRINTS_GARBAGE) as peer:
        found = run(peer.ready, Profile(name="garbage"), among=ACCEPT)
    transcript = ("> hello", "< <b>nonsense</b>", "! a warning")
    exploration = Exploration(1, 2, 3, Result.BROKEN, reason="no JSON", transcript=transcript)
    return replace(found, exploration=exploration)


def with_results(*results: Result) -> Report:
    """A report with these results, one for each of as many vectors."""
    vectors = zip(load_vectors(), results, strict=False)
    found = tuple(VectorResult(vector, result) for vector, result in vectors)
    return Report(Profile(name="ours"), load_specification(), found, shuffle=1)


#: A report with each verdict, and the heading of its page.
VERDICTS = {
    Verdict.CONFORMS: ([Result.PASS] * len(load_vectors()), "Conforms"),
    Verdict.INCOMPLETE: ([Result.PASS], "Passed what was run"),
    Verdict.KNOWN_FAILURES: ([Result.KNOWN_FAILURE], "Known failures"),
    Verdict.DOES_NOT_CONFORM: ([Result.FAIL], "Does not conform"),
    Verdict.NOT_TESTED: ([Result.NOT_CLAIMED], "Not tested"),
    Verdict.BROKEN: ([Result.BROKEN], "Broke the protocol"),
}


class TestReports:
    """The formats for programs, for continuous integration, and for people."""

    def test_json(self, mixed: Report) -> None:
        written = json.loads(report_json(mixed))
        assert written == report_dict(mixed)
        assert written["implementation"] == "<ours> & theirs"
        assert written["conforms"] is False
        assert written["sentence"] == mixed.sentence()
        assert set(written["counts"]) == {each.value for each in Result}
        assert sum(written["counts"].values()) == len(written["vectors"])
        assert [each["id"] for each in written["requirements"]] == [
            each.id for each in load_specification().requirements
        ]
        failed = next(each for each in written["vectors"] if each["result"] == "fail")
        assert failed["expected"]
        assert failed["exchanges"][0]["call"].startswith("org_Source creates main")
        passed = next(each for each in written["vectors"] if each["result"] == "pass")
        assert set(passed) == {"id", "result", "requirements", "seconds"}
        assert not any("transcript" in each for each in written["vectors"])
        assert written["exploration"]["result"] == "fail"
        assert written["exploration"]["vector"]["id"].startswith("found/")
        assert "transcript" not in written["exploration"]
        assert written["explored"] is False

    def test_json_of_a_run_without_an_exploration(self) -> None:
        written = report_dict(run(ReferenceSystem, shuffle=7))
        assert written["exploration"] is None
        assert written["explored"] is False
        assert written["conforms"] is True
        assert written["verdict"] == "conforms"
        assert written["gaps"] == []
        assert written["shuffle"] == 7
        assert written["kit"] == __version__

    def test_json_says_when_and_how_long(self) -> None:
        vector, *_ = load_vectors()
        began = datetime(2026, 5, 1, 12, 0, 0, 4000, tzinfo=UTC)
        result = VectorResult(vector, Result.PASS, seconds=0.00149)
        profile = Profile(name="ours", claims=("history", "versions"))
        report = Report(profile, load_specification(), (result,), began=began, seconds=1.23456)
        written: dict[str, Any] = report_dict(report)
        assert (written["began"], written["seconds"]) == ("2026-05-01T12:00:00.004Z", 1.235)
        assert written["vectors"][0]["seconds"] == 0.001
        assert written["level"] == "core + versions + history"
        assert written["gaps"] == list(report.gaps())
        assert len(report.gaps()) == 2
        assert report_dict(replace(report, began=None))["began"] is None

    def test_json_of_an_exploration_that_found_nothing(self) -> None:
        done = Exploration(1, 2, 3, Result.PASS)
        assert report_dict(replace(run(ReferenceSystem, among=[]), exploration=done))["explored"]

    def test_json_of_a_broken_peer(self, broken: Report) -> None:
        written = json.loads(report_json(broken))
        assert written["verdict"] == "broken"
        (only,) = written["vectors"]
        assert only["result"] == "broken"
        assert only["transcript"][-1] == "< hello"
        assert broken.exploration is not None
        assert written["exploration"]["transcript"] == list(broken.exploration.transcript)

    @pytest.mark.parametrize("verdict", Verdict)
    def test_each_verdict(self, verdict: Verdict) -> None:
        results, heading = VERDICTS[verdict]
        report = with_results(*results)
        assert report.verdict is verdict
        assert report_dict(report)["verdict"] == verdict.value
        page = report_html(report)
        assert f'<p class="verdict {verdict}"><strong>{heading}</strong> ours ' in page
        assert re.search(rf"^.*\.{verdict}\b.* {{ --accent: ", page, re.MULTILINE)
        ET.fromstring(report_junit(report))  # noqa: S314  # our own text

    def test_junit(self, mixed: Report) -> None:
        suite = ET.fromstring(report_junit(mixed))  # noqa: S314  # our own text
        cases = {f"{case.get('classname')}/{case.get('name')}": case for case in suite}
        assert len(cases) == len(mixed.results) + 1
        assert suite.get("tests") == str(len(cases))
        kinds = {
            Result.PASS: [],
            Result.FAIL: ["failure"],
            Result.ERROR: ["error"],
            Result.UNEXPECTED_PASS: ["failure"],
            Result.COULD_NOT_TEST: ["failure"],
            Result.KNOWN_FAILURE: ["skipped"],
            Result.NOT_CLAIMED: ["skipped"],
            Result.BROKEN: ["error"],
        }
        assert set(kinds) == set(Result)
        seen = set[Result]()
        for each in mixed.results:
            case = cases[each.vector.id]
            assert [child.tag for child in case] == kinds[each.result]
            seen.add(each.result)
        assert seen >= {Result.FAIL, Result.UNEXPECTED_PASS, Result.KNOWN_FAILURE}
        xml = ET.tostring(suite, "unicode")
        assert "\\x00" in xml or "u0000" in xml
        for attribute, tag in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert suite.get(attribute) == str(len(suite.findall(f"testcase/{tag}")))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", suite.get("timestamp", ""))

    def test_junit_times(self) -> None:
        result = VectorResult(load_vectors()[0], Result.PASS, seconds=0.0126)
        report = Report(Profile(), load_specification(), (result,), seconds=61.5)
        explored = replace(report, exploration=Exploration(1, 2, 3, Result.PASS))
        suite = ET.fromstring(report_junit(explored))  # noqa: S314  # our own text
        assert [case.get("time") for case in suite] == ["0.013", None]
        assert (suite.get("time"), suite.get("timestamp")) == ("61.500", None)

    def test_junit_of_a_broken_peer(self, broken: Report) -> None:
        suite = ET.fromstring(report_junit(broken))  # noqa: S314  # our own text
        assert [[child.tag for child in case] for case in suite] == [["error"], ["error"]]
        texts = [error.text or "" for error in suite.iter("error")]
        assert "< hello" in texts[0]
        assert "< <b>nonsense</b>" in texts[1]
        assert suite.get("errors") == "2"

    def test_html(self, mixed: Report) -> None:
        page = report_html(mixed)
        HTMLParser().feed(page)
        assert "&lt;ours&gt; &amp; theirs does not conform" in page
        assert "<b>" not in page
        assert "<script" not in page
        assert "http" not in page.replace("HTTP", "").replace("https", "")
        for each in load_specification().requirements:
            assert f'<tr id="{each.id}" class="of-' in page
        assert "Vectors that did not pass" in page
        assert "<code>pending</code>" in page
        assert "<em>both</em>" in page
        assert "Exploration 5x5 (seed 1) found a fault." in page
        assert mixed.exploration is not None
        assert mixed.exploration.finding is not None
        assert f"<code>{mixed.exploration.finding.vector.id}</code>" in page

    def test_html_describes_each_failure(self, mixed: Report) -> None:
        page = report_html(mixed)
        described = re.findall(
            r'<h3><span class="result result-(\S+)">\1</span> <code>(.+?)</code></h3>\n'
            r"<pre>(.*?)</pre>",
            page,
            re.DOTALL,
        )
        found = [unescape(f"{vector}: {result}\n{text}") for result, vector, text in described]
        assert mixed.exploration is not None
        assert found == [
            *(
                each.describe()
                for result in Result
                for each in mixed.results
                if each.result is result not in (Result.PASS, Result.NOT_CLAIMED)
            ),
            mixed.exploration.describe(),
        ]

    def test_html_of_a_pass(self) -> None:
        page = report_html(run(ReferenceSystem))
        assert "This was no complete run" not in page
        assert "Vectors that did not pass" not in page
        assert "Exploration" not in page
        assert "<td>role-first</td>\n<td>Wrong role and wrong status at once</td>" in page

    def test_html_when_nothing_was_tested(self) -> None:
        page = report_html(run(ReferenceSystem, among=[]))
        assert f"<li>0 of {len(load_vectors())} vectors of the specification were run</li>" in page
        untested = len(load_specification().requirements)
        assert page.count('<td class="vectors">\nnone\n</td>') == untested

    def test_html_of_an_exploration_without_a_fault(self) -> None:
        page = explored_page(Exploration(1, 2, 3, Result.PASS))
        assert "<p>Exploration 1x2 (seed 3) found nothing.</p>" in page
        assert "<pre>" not in page
        assert "not reached" not in page

    def test_html_begins_with_the_failures(self, mixed: Report) -> None:
        page = report_html(mixed)
        headings = re.findall('<h2 id="(.+?)"', page)
        assert headings == ["failures", "exploration", "requirements", "answers"]
        assert re.findall('<li><a href="#(.+?)"', page) == headings

    def test_html_counts_each_result(self, mixed: Report) -> None:
        page = report_html(mixed)
        counted = re.findall(
            r'<input type="checkbox" id="show-(\S+)" autocomplete="off" checked> <span>'
            r'<span class="result result-\1">\1</span> <small>(\d+) vectors?, (\d+) req',
            page,
        )
        assert [name for name, _, _ in counted] == [
            each for each in Result if any(name == each for name, _, _ in counted)
        ]
        assert {name: int(number) for name, number, _ in counted if number != "0"} == mixed.counts()
        assert sum(int(number) for _, _, number in counted) == len(mixed.requirements())
        assert ">1 vector, " in report_html(with_results(Result.FAIL))

    def test_html_says_how_to_repeat_the_run(self) -> None:
        began = datetime(2026, 5, 1, 12, 0, 3, tzinfo=UTC)
        report = replace(with_results(Result.PASS), began=began, seconds=0.5, shuffle=77)
        assert facts(report) == {
            "Level": report.level,
            "Seed": "77",
            "Kit": f"connect-core {__version__}",
            "Date": "2026-05-01 12:00:03 UTC",
            "Duration": "0.500 s",
        }
        assert facts(replace(report, seconds=90))["Duration"] == "1.5 min"
        unknown = facts(replace(report, began=None, shuffle=0))
        assert unknown["Seed"] == "none, not shuffled"
        assert set(unknown) == {"Level", "Seed", "Kit"}

    def test_html_of_a_broken_peer(self, broken: Report) -> None:
        page = report_html(broken)
        shown, explored = re.findall(r'<pre class="transcript">(.*?)</pre>', page, re.DOTALL)
        assert unescape(shown) == "\n".join(broken.results[0].transcript)
        assert explored == "&gt; hello\n&lt; &lt;b&gt;nonsense&lt;/b&gt;\n! a warning"
        assert page.count("What was sent and received:") == 2

    def test_html_of_a_counterexample_that_broke_the_protocol(self) -> None:
        finding = VectorResult(load_vectors()[0], Result.BROKEN, "It hung.", transcript=("> 1",))
        page = explored_page(Exploration(1, 2, 3, Result.BROKEN, finding=finding))
        assert page.count("What was sent and received:") == 1
        assert '<pre class="transcript">&gt; 1</pre>' in page

    def test_html_of_an_exploration_that_did_not_reach_everything(self) -> None:
        page = explored_page(explore(ReferenceSystem, examples=1, steps=1, seed=1))
        assert "did not reach" in page
        assert "<li>active/create/source</li>" in page

    def test_html_of_an_exploration_that_ended_in_an_error(self) -> None:
        page = explored_page(Exploration(1, 2, 3, Result.ERROR, reason="KeyError: 'Main'"))
        assert "<p>Exploration 1x2 (seed 3) found an error: KeyError: &#39;Main&#39;.</p>" in page
        assert "<pre>" not in page

    def test_hostile_text_in_html(self) -> None:
        """No text in the page is markup, invisible, or impossible to encode as UTF-8."""
        hostile = "</title><script>alert(\"1\")</script> <img src=x onerror='1'> {{ 7 * 7 }}"
        unshown = "\x00\x1b\x85\u202e\ufeff\uffff"

        class Hostile(ReferenceSystem):
            def share(self, *, by: str, connection: str, scope: str) -> Answer:
                raise ValueError(f"{hostile}{unshown}\ud800 {by} {connection} {scope}")

        page = report_html(run(Hostile, Profile(name=f"{hostile}{unshown}"), among=ACCEPT))
        assert "\\u0000\\u001b\\u0085\\u202e\\ufeff\\uffff\\ud800" in page
        assert not set(page) & set(unshown)
        page.encode()
        assert Tags.of(page) == Tags.of(report_html(run(Raises, among=ACCEPT)))
        assert (
            unescape(page).count(hostile) == 6
        )  # the title, the heading, the verdict; the reason, the answer, the traceback

    def test_the_structure_of_the_page(self, mixed: Report) -> None:
        """It has a language, one main heading, landmarks, and table headers with a scope."""
        page = report_html(mixed)
        assert page.startswith('<!doctype html>\n<html lang="en">')
        tags = Tags.of(page)
        for tag in ("title", "h1", "header", "nav", "main"):
            assert tags.count(tag) == 1, tag
        assert tags.count("table") == 2
        assert set(re.findall("<th( .*?)>", page)) == {
            ' scope="col"',
            ' scope="row"',
            ' scope="rowgroup" colspan="4"',
        }
        for target in re.findall('href="#(.+?)"', page):
            assert page.count(f'id="{target}"') == 1
        ids = re.findall(' id="(.+?)"', page)
        assert len(ids) == len(set(ids))

    def test_importing_the_kit_does_not_import_jinja2(self) -> None:
        code = "import connect_core.conformance, sys; assert 'jinja2' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603  # our own interpreter


class Tags(HTMLParser):
    """The tags of a page, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def of(cls, page: str) -> list[str]:
        tags = cls()
        tags.feed(page)
        return tags.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # as the parser's
        self.found.append(tag)


def facts(report: Report) -> dict[str, str]:
    """The line with what is needed to repeat the run."""
    return dict(re.findall("<div><dt>(.+?)</dt><dd>(.+?)</dd></div>", report_html(report)))


def explored_page(found: Exploration) -> str:
    """The page of a run that passed, with this exploration."""
    passed = run(ReferenceSystem, among=ACCEPT)
    return report_html(replace(passed, answers={}, exploration=found))
