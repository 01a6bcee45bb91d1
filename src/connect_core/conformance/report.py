"""Reports of a run: for programs (JSON), for continuous integration (JUnit), for people (HTML)."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Final
from xml.etree import ElementTree as ET

from connect_core.conformance.runner import (
    Exploration,
    Report,
    RequirementResult,
    Result,
    VectorResult,
)
from connect_core.conformance.vectors import vector_dict


def report_dict(report: Report) -> dict[str, object]:
    """A report as plain JSON values."""
    return {
        "specification": report.specification.version,
        "implementation": report.profile.name,
        "conforms": report.conforms,
        "sentence": report.sentence(),
        "claims": list(report.profile.claims),
        "answers": report.answers,
        "counts": {each.value: report.counts()[each] for each in Result},
        "requirements": [_requirement(each) for each in report.requirements()],
        "vectors": [_vector(each) for each in report.results],
        "exploration": None if report.exploration is None else _exploration(report.exploration),
    }


def _requirement(found: RequirementResult) -> dict[str, object]:
    requirement = found.requirement
    return {
        "id": requirement.id,
        "result": found.result.value,
        "vectors": {each.value: found.counts[each] for each in Result if found.counts[each]},
        "keyword": requirement.keyword,
        "basis": requirement.basis,
        "text": requirement.text,
    }


def _vector(found: VectorResult) -> dict[str, object]:
    told: dict[str, object] = {
        "id": found.vector.id,
        "result": found.result.value,
        "requirements": list(found.vector.requirements),
    }
    if found.result is Result.PASS:
        return told
    return told | {
        "reason": found.reason,
        "blamed": list(found.blamed),
        "exchanges": [{"call": each.call, "answer": each.answer} for each in found.exchanges],
        "expected": found.expected,
        "observed": found.observed,
    }


def _exploration(found: Exploration) -> dict[str, object]:
    return {
        "examples": found.examples,
        "steps": found.steps,
        "seed": found.seed,
        "result": found.result.value,
        "unvisited": list(found.unvisited),
        "finding": None if found.finding is None else _vector(found.finding),
        "vector": None if found.finding is None else vector_dict(found.finding.vector),
    }


def report_json(report: Report) -> str:
    """The report as JSON text."""
    return f"{json.dumps(report_dict(report), indent=2)}\n"


# --- JUnit ---------------------------------------------------------------------------------------


def report_junit(report: Report) -> str:
    """The report as JUnit's XML: a test case for each vector, and one for the exploration."""
    suite = ET.Element(
        "testsuite",
        name=f"Connection specification {report.specification.version}: {report.profile.name}",
    )
    for found in report.results:
        family, _, name = found.vector.id.partition("/")
        _test_case(suite, family, name, found.result, found.reason, found.describe())
    if report.exploration is not None:
        explored = report.exploration
        told = explored.describe()
        _test_case(suite, "exploration", "exploration", explored.result, explored.sentence(), told)
    suite.set("tests", str(len(suite)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    ET.indent(suite)
    return f"{ET.tostring(suite, encoding='unicode', xml_declaration=True)}\n"


_TAGS: Final = {
    Result.ERROR: "error",
    Result.NOT_CLAIMED: "skipped",
    Result.KNOWN_FAILURE: "skipped",
}


def _test_case(
    suite: ET.Element, family: str, name: str, result: Result, reason: str, told: str
) -> None:
    case = ET.SubElement(suite, "testcase", classname=family, name=name)
    if result is Result.PASS:
        return
    message = _for_xml(f"{result}: {reason}" if reason else str(result))
    outcome = ET.SubElement(case, _TAGS.get(result, "failure"), message=message)
    outcome.text = _for_xml(told)


def _for_xml(text: str) -> str:
    """Text without what XML cannot hold, which is spelt out."""
    return "".join(each if _is_xml(each) else ascii(each)[1:-1] for each in text)


#: What XML can hold, besides tabs and line breaks.
_XML: Final = ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))


def _is_xml(character: str) -> bool:
    code = ord(character)
    return code in (9, 10, 13) or any(low <= code <= high for low, high in _XML)


# --- HTML ----------------------------------------------------------------------------------------

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --dim: #767676; --good: #18794e; --bad: #c62a2f;
  --wait: #946800; }}
@media (prefers-color-scheme: dark) {{ :root {{ --dim: #9a9a9a; --good: #4cc38a; --bad: #ff6369;
  --wait: #f1a10d; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.1rem; margin-top: 2.5rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0;
  border-bottom: 1px solid var(--line); }}
td:not(:last-child) {{ white-space: nowrap; }}
code, pre {{ font: 13px/1.5 ui-monospace, monospace; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; padding: .8rem 1rem;
  border-left: 3px solid var(--bad); }}
.verdict {{ font-size: 1.15rem; border-left: 3px solid; padding-left: 1rem; }}
.good {{ color: var(--good); }} .bad {{ color: var(--bad); }} .wait {{ color: var(--wait); }}
.dim {{ color: var(--dim); }}
@media (max-width: 40rem) {{ td {{ display: block; border: 0; padding: 0; }}
  tr {{ display: block; padding: .6rem 0; border-bottom: 1px solid var(--line); }}
  thead {{ display: none; }} }}
</style>
<h1>{title}</h1>
<p class="verdict {mood}">{sentence}</p>
<h2>Requirements</h2>
<table>
<thead><tr><th>result<th>requirement<th>vectors<th>text</thead>
<tbody>
{requirements}
</tbody>
</table>
{details}
"""
_MOODS: Final = {
    Result.PASS: "good",
    Result.NOT_CLAIMED: "dim",
    Result.KNOWN_FAILURE: "wait",
    Result.COULD_NOT_TEST: "wait",
}


def report_html(report: Report) -> str:
    """The report as a page that needs nothing else."""
    title = f"{report.profile.name}: conformance to the Connection specification"
    return _PAGE.format(
        title=escape(title),
        mood="good" if report.conforms else "bad",
        sentence=escape(report.sentence()),
        requirements="\n".join(_row(each) for each in report.requirements()),
        details="\n".join(_details(report)),
    )


def _row(found: RequirementResult) -> str:
    told = ",<br>".join(f"{found.counts[each]} {each}" for each in Result if found.counts[each])
    return (
        f'<tr id="{found.requirement.id}"><td class="{_MOODS.get(found.result, "bad")}">'
        f"{found.result}<td><code>{found.requirement.id}</code>"
        f"<td>{told or 'none'}<td>{_marked_up(found.requirement.text)}"
    )


def _marked_up(text: str) -> str:
    """The specification's Markdown, as far as requirements use it."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", re.sub(r"\*(\w+)\*", r"<i>\1</i>", escape(text)))


def _details(report: Report) -> Iterator[str]:
    """What did not pass, and the answers to open points."""
    untold = (Result.PASS, Result.NOT_CLAIMED)
    told = [each for each in report.results if each.result not in untold]
    if told:
        yield "<h2>What did not pass</h2>"
    for each in told:
        yield f"<pre>{escape(each.describe())}</pre>"
    if report.exploration is not None:
        yield f"<h2>Exploration</h2>\n<p>{escape(report.exploration.sentence().capitalize())}.</p>"
        if report.exploration.result is not Result.PASS:
            yield f"<pre>{escape(report.exploration.describe())}</pre>"
    yield "<h2>Answers to open points</h2>\n<table><tbody>"
    for point in report.specification.open_points:
        answers = " or ".join(report.answers.get(point.id, ())) or "none"
        yield f"<tr><td><code>{point.id}</code><td>{escape(answers)}<td>{escape(point.title)}"
    yield "</tbody></table>"
