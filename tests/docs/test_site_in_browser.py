"""Every page of the site in a browser, from ``file://``."""

from pathlib import Path

import pytest
from browser import PHONE, opened, too_wide
from playwright.sync_api import Browser, expect
from website import built_site

pytestmark = pytest.mark.site


def pages() -> list[Path]:
    found = sorted(built_site().rglob("*.html"))
    assert len(found) > 5
    return [path for path in found if "_static" not in path.parts]


def test_every_page_fits_a_phone(chromium: Browser) -> None:
    wide: dict[str, list[str]] = {}
    with opened(chromium, built_site() / "index.html", width=PHONE) as page:
        for path in pages():
            page.goto(path.as_uri())
            wide[path.name] = too_wide(page)
    assert {name: elements for name, elements in wide.items() if elements} == {}


def test_what_is_too_wide_is_found(chromium: Browser, tmp_path: Path) -> None:
    """Otherwise, the test above could not fail."""
    (tmp_path / "wide.html").write_text(
        "<p>narrow</p><div style='width: 400px'>wide</div>", "utf-8"
    )
    with opened(chromium, tmp_path / "wide.html", width=PHONE) as page:
        assert too_wide(page) == ['<div style="width: 400px">wide</div>']


def test_its_search_finds_the_explorer(chromium: Browser) -> None:
    with opened(chromium, built_site() / "index.html") as page:
        page.get_by_role("textbox", name="Search").first.fill("explorer")
        page.get_by_role("textbox", name="Search").first.press("Enter")
        found = page.locator("#search-results").get_by_role("link", name="Explorer", exact=True)
        found.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Explorer")
