"""A report for continuous integration, in the XML that JUnit writes."""

import re
from typing import Final
from xml.etree import ElementTree as ET

from connect_core.conformance.runner import Report, Result

#: What XML cannot hold.
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TAGS: Final = {
    Result.ERROR: "error",
    Result.NOT_CLAIMED: "skipped",
    Result.KNOWN_FAILURE: "skipped",
}


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
    """The text with an escape sequence in place of each character that XML cannot hold."""
    return _NOT_XML.sub(lambda found: ascii(found.group())[1:-1], text)
