"""Formats of a report: JSON for programs, JUnit XML for continuous integration, HTML for people.

The formats decide nothing: results and sentences come from `connect_core.conformance.results`.
"""

from connect_core.conformance.report.data import report_dict, report_json
from connect_core.conformance.report.html import report_html
from connect_core.conformance.report.junit import report_junit

__all__ = ["report_dict", "report_html", "report_json", "report_junit"]
