"""The parts of a release: one version, complete metadata, and a well-formed changelog."""

import re
import tomllib
from datetime import date
from importlib.metadata import metadata, version

from support import ROOT

import connect_core

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dynamic"] == ["version"]
    assert version("connect-core") == connect_core.__version__
    written = [
        path.name
        for path in (ROOT / "src").rglob("*.py")
        if f'"{connect_core.__version__}"' in path.read_text(encoding="utf-8")
    ]
    assert written == ["__init__.py"]


def test_the_metadata_is_complete() -> None:
    found = metadata("connect-core")
    for field in ("Summary", "License-Expression", "Requires-Python", "Keywords"):
        assert found[field], field
    assert found["Description-Content-Type"] == "text/markdown"
    assert len(found.get_all("Classifier") or []) > 10


def test_the_changelog_keeps_to_its_form() -> None:
    """Versions are newest first and dated, and have only the known kinds of changes as headings."""
    versions = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    dates: list[date] = []
    for heading in versions[1:]:
        found = re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", heading)
        assert found is not None, heading
        dates.append(date.fromisoformat(found.group(1)))
    assert dates == sorted(dates, reverse=True)
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS
    entries = re.split(r"^- ", CHANGELOG, flags=re.MULTILINE)[1:]
    assert len(entries) > 10
    sentences = [entry.partition("\n\n")[0].rstrip() for entry in entries]
    assert [entry for entry in sentences if not entry.endswith(".")] == []
