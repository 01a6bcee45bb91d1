"""The HTML report in a browser: it fits the window and is accessible."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import FAULTS

from connect_core.conformance import Profile, Report, explore, report_html, run, select

if TYPE_CHECKING:
    from browser import Scheme
    from playwright.sync_api import Browser

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with passes, failures, a counterexample and a long name."""
    profile = Profile(name="implementation" * 10, claims=("versions",))
    faulty = FAULTS["SharesForEver"]
    done = run(faulty, profile, among=select(["self", "story"]))
    found = explore(faulty, profile, examples=10, steps=10, seed=1)
    path = tmp_path_factory.mktemp("report") / "report.html"
    report = Report(done.profile, done.specification, done.results, done.answers, found)
    path.write_text(report_html(report), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "dark"), (390, "light"), (1280, "dark"), (2560, "light")]
)
def test_it_fits_and_is_accessible(
    chromium: "Browser", page_file: Path, width: int, scheme: "Scheme"
) -> None:
    from browser import opened, too_wide, violations

    with opened(chromium, page_file, width=width, scheme=scheme) as page:
        assert too_wide(page) == []
        assert violations(page, "html") == []
