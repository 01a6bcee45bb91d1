"""Reports: as data, as JUnit XML and as a page; what they escape, and what they say."""

import json
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from subjects import ACCEPT, Raises

from connect_core.conformance import (
    Answer,
    Exploration,
    Profile,
    ReferenceSystem,
    Report,
    Result,
    explore,
    load_specification,
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

    class Mixed(Raises):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            if answer.state is not None and answer.state["name"] == "Another":
                return answer
            return Answer(answer.outcome, state={**(answer.state or {}), "name": "\x00<b>"})

    profile = Profile(
        name="<ours> & theirs",
        claims=("named-source",),
        known_failures={"story/accept": "no reads", "scopes/refused/empty": "it passes"},
    )
    found = run(Mixed, profile, among=select(["transition", "story", "history", "scopes"]))
    exploration = explore(Mixed, profile, examples=5, steps=5, seed=1)
    return Report(found.profile, found.specification, found.results, found.answers, exploration)


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
        assert set(passed) == {"id", "result", "requirements"}
        assert written["exploration"]["result"] == "fail"
        assert written["exploration"]["vector"]["id"].startswith("found/")

    def test_json_of_a_run_without_an_exploration(self) -> None:
        written = report_dict(run(ReferenceSystem, among=ACCEPT))
        assert written["exploration"] is None
        assert written["conforms"] is True

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
        }
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

    def test_html(self, mixed: Report) -> None:
        page = report_html(mixed)
        HTMLParser().feed(page)
        assert "&lt;ours&gt; &amp; theirs does not conform" in page
        assert "<b>" not in page
        assert "<script" not in page
        assert "http" not in page.replace("HTTP", "").replace("https", "")
        for each in load_specification().requirements:
            assert f'<tr id="{each.id}">' in page
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
                for each in mixed.results
                if each.result not in (Result.PASS, Result.NOT_CLAIMED)
            ),
            mixed.exploration.describe(),
        ]

    def test_html_of_a_pass(self) -> None:
        page = report_html(run(ReferenceSystem))
        assert 'class="verdict conforms"><strong>Conforms</strong>' in page
        assert "Vectors that did not pass" not in page
        assert "Exploration" not in page
        assert "<td>role-first</td>\n<td>Wrong role and wrong status at once</td>" in page

    def test_html_when_nothing_was_tested(self) -> None:
        page = report_html(run(ReferenceSystem, among=[]))
        assert 'class="verdict not-tested"><strong>Not tested</strong>' in page
        untested = len(load_specification().requirements)
        assert page.count('<td class="vectors">\nnone\n</td>') == untested

    def test_html_of_an_exploration_without_a_fault(self) -> None:
        page = explored_page(Exploration(1, 2, 3, Result.PASS))
        assert "<p>Exploration 1x2 (seed 3) found nothing.</p>" in page
        assert "<pre>" not in page
        assert "not reached" not in page

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


def explored_page(found: Exploration) -> str:
    """The page of a run that passed, with this exploration."""
    passed = run(ReferenceSystem, among=ACCEPT)
    return report_html(Report(passed.profile, passed.specification, passed.results, {}, found))
