"""The Sphinx extension that draws diagrams in Chromium, with the npm package `mermaid`."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Scheme, opened, too_wide, violations
from playwright.sync_api import Browser, Locator, Page, expect
from support import ROOT
from test_diagrams import HOSTILE, STORIES
from website import drawn_site

from connect_core import diagrams

pytestmark = pytest.mark.site

_CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "docs" / "_extensions")!r})
extensions = ["mermaid", "myst_parser"]
html_theme = "furo"
myst_fence_as_directive = ["mermaid"]
"""
_ARROW = "sequenceDiagram\n    one->>two: a message"


def built(folder: Path, page: str, **environment: str) -> tuple[int, str, Path]:
    """Build a site with one page: Sphinx's exit code, its output, and the page."""
    docs = folder / "docs"
    docs.mkdir()
    (docs / "conf.py").write_text(_CONF)
    (docs / "index.md").write_text(page)
    if not (folder / "build").exists():
        (ROOT / "build").mkdir(exist_ok=True)
        (folder / "build").symlink_to(ROOT / "build")  # the npm package is there, if it was fetched
    given = {name: value for name, value in os.environ.items() if "CONNECT_CORE" not in name}
    run = subprocess.run(  # our own interpreter, our own sources
        [sys.executable, "-m", "sphinx", "-W", "docs", "site"],
        cwd=folder,
        env=given | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr, folder / "site" / "index.html"


def fenced(text: str) -> str:
    return f"```mermaid\n{text}\n```\n"


def shown(page: Page) -> list[str]:
    """The lines of text that a reader sees in the diagrams of a page."""
    lines: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(".diagram svg text")]
            .filter((it) => it.getClientRects().length)
            .map((it) => it.textContent)"""
    )
    return lines


def contrast(one: str, other: str) -> float:
    """The contrast of two colours in a browser's notation, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TestSite:
    """The site's own diagrams."""

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [DESKTOP, PHONE])
    def test_they_are_drawn(self, chromium: Browser, scheme: Scheme, width: int) -> None:
        page_path = drawn_site() / "reference/diagrams.html"
        with opened(chromium, page_path, width=width, scheme=scheme) as page:
            drawings = page.locator(".diagram svg")
            assert drawings.count() == 2 * page.locator(".diagram").count() == 10
            assert [drawing.is_visible() for drawing in drawings.all()] == [
                seen for _ in range(5) for seen in (scheme == "light", scheme == "dark")
            ]
            for text in ("Pending", "the destination may read data", "3. activate", "data"):
                assert text in shown(page), text
            assert too_wide(page) == []
            for drawing in page.locator(f".only-{scheme} svg").all():
                assert self.clipped(drawing) == []

    def clipped(self, drawing: Locator) -> list[str]:
        """The texts that extend beyond a drawing."""
        found: list[str] = drawing.evaluate(
            """(it) => {
                const all = it.getBoundingClientRect();
                return [...it.querySelectorAll("text")].filter((text) => {
                    const box = text.getBoundingClientRect();
                    return box.left < all.left || box.right > all.right
                        || box.top < all.top || box.bottom > all.bottom;
                }).map((text) => text.textContent);
            }"""
        )
        return found

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_their_texts_stand_out(self, chromium: Browser, scheme: Scheme) -> None:
        with opened(chromium, drawn_site() / "reference/diagrams.html", scheme=scheme) as page:
            paper: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
            inks: list[str] = page.evaluate(
                """() => [...document.querySelectorAll(".diagram svg text")]
                    .filter((it) => it.getClientRects().length)
                    .map((it) => getComputedStyle(it.querySelector("tspan") ?? it).fill)"""
            )
        assert len(set(inks)) > 4
        assert {ink: contrast(ink, paper) for ink in inks if contrast(ink, paper) < 4.5} == {}

    def test_they_follow_the_choice_of_the_reader(self, chromium: Browser) -> None:
        """They follow it whatever the system prefers."""
        with opened(chromium, drawn_site() / "index.html", scheme="light") as page:
            for theme in ("light", "dark"):
                page.evaluate("(theme) => { document.body.dataset.theme = theme; }", theme)
                for each in ("light", "dark"):
                    drawing = page.locator(f".diagram .only-{each} svg")
                    expect(drawing).to_be_visible(visible=each == theme)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("path", ["reference/diagrams.html", "how-to/diagrams.html"])
    def test_everybody_can_read_them(self, chromium: Browser, path: str, scheme: Scheme) -> None:
        with opened(chromium, drawn_site() / path, scheme=scheme) as page:
            assert violations(page, ".diagram") == []
            ids = page.evaluate("[...document.querySelectorAll('[id]')].map((it) => it.id)")
            assert len(ids) == len(set(ids))

    def test_their_names(self, chromium: Browser) -> None:
        """A diagram is named by the title in its text, or else by the heading above it."""
        with opened(chromium, drawn_site() / "reference/diagrams.html") as page:
            for name in ("The life of a Connection", "An offer is accepted, and data may pass"):
                expect(page.get_by_role("document", name=name).first).to_be_attached()
        with opened(chromium, drawn_site() / "how-to/diagrams.html") as page:
            name = "Who shares with whom"
            assert page.locator(".only-light svg").get_attribute("aria-label") == name


@pytest.fixture(scope="module")
def texts(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The lifecycle of the README and every story, on one page."""
    drawn_site()
    given = [diagrams.lifecycle_mermaid(), *map(diagrams.sequence_diagram, STORIES.values())]
    folder = tmp_path_factory.mktemp("drawn")
    code, said, path = built(folder, "\n".join(map(fenced, given)))
    assert code == 0, said
    with opened(chromium, path) as page:
        yield page


class TestMermaid:
    """What Mermaid draws from the texts."""

    def test_it_draws_every_one(self, texts: Page) -> None:
        assert texts.locator("figure.diagram").count() == 1 + len(STORIES)
        assert texts.locator(".diagram svg").count() == 2 * (1 + len(STORIES))

    def test_it_shows_the_lifecycle_of_the_readme(self, texts: Page) -> None:
        assert {"Absent", "Pending", "Active", "Inactive"} <= set(shown(texts))

    def test_it_shows_hostile_text_as_it_is(self, texts: Page) -> None:
        hostile = " ".join(HOSTILE.split())
        assert hostile in [" ".join(each.split()) for each in shown(texts)]
        titles = texts.locator(".only-light svg > title").all_text_contents()
        assert hostile in [" ".join(each.split()) for each in titles]
        assert texts.locator(".diagram svg b").count() == 0

    def test_what_it_cannot_draw_is_a_warning(self, tmp_path: Path) -> None:
        drawn_site()
        code, said, _ = built(tmp_path, fenced("sequenceDiagram\n    one->two->three"))
        assert code == 1
        assert "index.md:1: WARNING: Mermaid cannot draw this" in said


class TestWithoutTools:
    """The build without Chromium or npm."""

    def test_the_text_is_shown(self, tmp_path: Path) -> None:
        code, said, page = built(tmp_path, fenced(_ARROW), PATH="")
        assert code == 0, said
        assert "index shows diagrams as text: Chromium is not installed" in said
        text = page.read_text(encoding="utf-8")
        assert "<figure" not in text
        assert "a message" in text

    def test_npm(self, tmp_path: Path) -> None:
        (tmp_path / "chromium").symlink_to("/bin/false")
        (tmp_path / "build").mkdir()
        code, said, _ = built(tmp_path, fenced(_ARROW), PATH=str(tmp_path))
        assert code == 0, said
        assert "index shows diagrams as text: npm is not installed" in said

    def test_a_registry_that_cannot_be_reached(self, tmp_path: Path) -> None:
        for program in ("chromium", "npm"):
            (tmp_path / program).symlink_to("/bin/false")
        (tmp_path / "build").mkdir()
        code, said, _ = built(tmp_path, fenced(_ARROW), PATH=str(tmp_path))
        assert code == 0, said
        assert "index shows diagrams as text: npm could not fetch mermaid" in said

    @pytest.mark.parametrize("name", ["CHROMIUM", "NODE"])
    def test_it_is_an_error_in_the_gate(self, tmp_path: Path, name: str) -> None:
        required = {f"CONNECT_CORE_REQUIRE_{name}": "1", "PATH": ""}
        code, said, _ = built(tmp_path, fenced(_ARROW), **required)
        assert code == 2
        assert "diagrams cannot be drawn: Chromium is not installed" in said
