"""The HTML report in a browser: it fits the window, is accessible, and hides what is deselected."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import FAULTS
from peers import PRINTS_GARBAGE

from connect_core.conformance import (
    Profile,
    ReferenceSystem,
    StdioPeer,
    explore,
    report_html,
    run,
    select,
)

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
    path.write_text(report_html(replace(done, exploration=found)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def other_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Reports of a pass, of a part of the vectors, of none, and of a process without a protocol."""
    with StdioPeer(PRINTS_GARBAGE) as peer:
        reports = [
            run(ReferenceSystem),
            replace(
                run(ReferenceSystem, among=select(["story"])),
                exploration=explore(ReferenceSystem, examples=1, steps=1, seed=1),
            ),
            run(ReferenceSystem, among=[]),
            run(peer.ready, Profile(name="garbage")),
        ]
    folder = tmp_path_factory.mktemp("reports")
    paths = [folder / f"{report.verdict}.html" for report in reports]
    for path, report in zip(paths, reports, strict=True):
        path.write_text(report_html(report), encoding="utf-8")
    return paths


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


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1200, "light")])
def test_so_do_the_others(
    chromium: "Browser", other_files: list[Path], width: int, scheme: "Scheme"
) -> None:
    from browser import opened, too_wide, violations

    for path in other_files:
        with opened(chromium, path, width=width, scheme=scheme) as page:
            assert too_wide(page) == []
            assert violations(page, "html") == []


def test_results_can_be_hidden(chromium: "Browser", page_file: Path) -> None:
    """With the keyboard, and without scripts. A section without a visible row is hidden, too."""
    from browser import opened
    from playwright.sync_api import expect

    with opened(chromium, page_file) as page:
        results: list[str] = page.locator(".filter input").evaluate_all(
            "all => all.map(it => it.id)"
        )
        assert len(results) > 2
        sections = page.locator("tbody.group")
        shown = page.locator("tbody.group").filter(visible=True)
        expect(shown).to_have_count(sections.count())
        for name in results:
            rows = page.locator(f".of-{name.removeprefix('show-')}")
            expect(rows.first).to_be_visible()
            page.locator(f"#{name}").press("Space")
            expect(rows.filter(visible=True)).to_have_count(0)
        expect(shown).to_have_count(0)
        page.get_by_role("checkbox", name="pass").check()
        expect(page.locator("tr.of-pass").filter(visible=True)).to_have_count(
            page.locator("tr.of-pass").count()
        )
        expect(shown).to_have_count(page.locator("tbody.group:has(.of-pass)").count())
