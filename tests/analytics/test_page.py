"""The page on analytics, all of it: also its example for Spark, which other runs leave out."""

from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, Runner

pytestmark = pytest.mark.stress


@pytest.mark.usefixtures("spark")
def test_it_runs_on_spark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spark prints what DuckDB has printed, as the page says."""
    text = PAGES["docs/how-to/analytics.md"].read_text(encoding="utf-8")
    excuse = "<!-- not run: it needs Spark; tests/analytics runs it -->\n"
    assert text.count(excuse) == 1
    before, _, spark_and_after = text.partition(excuse)
    example, end, _ = spark_and_after.partition("\n```\n")
    printed = before.rsplit("```text\n", 1)[1].partition("```")[0]
    page = tmp_path / "page.md"
    page.write_text(f"{before}{example}{end}\n```text\n{printed}```\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runner = Runner()
    namespace: dict[str, Any] = runner.run(page).namespace
    assert runner.ran == 7
    assert namespace["spark"].version
    assert capsys.readouterr().out == ""
