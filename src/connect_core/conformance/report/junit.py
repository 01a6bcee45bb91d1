"""A report for continuous integration: JUnit's XML."""

import re
from typing import Final
from xml.etree import ElementTree as ET

from connect_core.conformance.results import Report, Result
from connect_core.history import format_timestamp

#: Characters that XML cannot hold.
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TAGS: Final = {
    Result.BROKEN: "error",
    Result.ERROR: "error",
    Result.NOT_CLAIMED: "skipped",
    Result.KNOWN_FAILURE: "skipped",
}


def report_junit(report: Report) -> str:
    """The report as JUnit's XML: one test case for each vector, and one for the exploration."""
    name = f"Connection specification {report.specification.version}: {report.profile.name}"
    suite = ET.Element("testsuite", name=_for_xml(name))
    for each in report.results:
        class_name, _, name = each.vector.id.partition("/")
        case = _test_case(suite, class_name, name, each.result, each.reason, each.describe())
        case.set("time", _time(each.seconds))
    if report.exploration is not None:
        done = report.exploration
        text = done.describe()
        _test_case(suite, "exploration", "exploration", done.result, done.sentence(), text)
    suite.set("time", _time(report.seconds))
    if report.began is not None:
        suite.set("timestamp", format_timestamp(report.began))
    suite.set("tests", str(len(suite)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    ET.indent(suite)
    return f"{ET.tostring(suite, encoding='unicode', xml_declaration=True)}\n"


def _test_case(
    suite: ET.Element, class_name: str, name: str, result: Result, reason: str, text: str
) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=class_name, name=name)
    if result is not Result.PASS:
        message = _for_xml(f"{result}: {reason}" if reason else str(result))
        outcome = ET.SubElement(case, _TAGS.get(result, "failure"), message=message)
        outcome.text = _for_xml(text)
    return case


def _time(seconds: float) -> str:
    """Seconds, in whole milliseconds."""
    return f"{seconds:.3f}"


def _for_xml(text: str) -> str:
    """The text, with escape sequences for characters that XML cannot hold."""
    return _NOT_XML.sub(lambda found: ascii(found.group())[1:-1], text)
