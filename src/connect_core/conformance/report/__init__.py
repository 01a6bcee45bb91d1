"""Reports of a run: for programs (JSON), for continuous integration (JUnit), for people (HTML)."""

from connect_core.conformance.report.data import report_dict, report_json
from connect_core.conformance.report.html import report_html
from connect_core.conformance.report.junit import report_junit

__all__ = ["report_dict", "report_html", "report_json", "report_junit"]
