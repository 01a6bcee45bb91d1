"""The built documentation site: complete, small, and self-contained."""

import re
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile
from support import ROOT
from test_errors import every_error, every_public_error_class
from website import built_site, drawn_site

import connect_core
from connect_core import (
    InvalidDocumentError,
    Problem,
    conformance,
    diagrams,
    error_document,
    strategies,
)
from connect_core.adapters import cli, sql

pytestmark = pytest.mark.site

_LIMIT = 500_000
_EXTERNAL = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)


class Loaded(HTMLParser):
    """Collects what a browser fetches to show a page, and counts its diagrams."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.diagrams = 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record what this element needs."""
        values = {name: value or "" for name, value in attrs}
        if tag == "figure" and values.get("class") == "diagram":
            self.diagrams += 1
        needed = "href" if tag == "link" else "src"
        if tag in ("link", "script", "img", "iframe", "source") and needed in values:
            self.fetched.append(values[needed])


@pytest.fixture(scope="module")
def site() -> Path:
    """The folder of the built site."""
    return built_site()


@pytest.fixture(scope="module")
def pages(site: Path) -> list[Path]:
    """Every page of the site."""
    found = sorted(site.rglob("*.html"))
    assert len(found) > 30
    return found


def test_no_page_is_large(pages: list[Path]) -> None:
    """Images do not count. Diagrams do, because they are part of the page."""
    assert {page.name: page.stat().st_size for page in pages if page.stat().st_size > _LIMIT} == {}


def test_nothing_comes_from_elsewhere(pages: list[Path], site: Path) -> None:
    fetched = defaultdict[str, list[str]](list)
    for page in pages:
        for target in Loaded(page).fetched:
            fetched[target].append(page.name)
    assert len(fetched) > 5
    assert [target for target in fetched if _EXTERNAL.match(target)] == []
    sheets = [*site.rglob("*.css")]
    assert len(sheets) > 3
    assert [sheet for sheet in sheets if re.search(r"url\(['\"]?\w*:?//", sheet.read_text())] == []


def test_diagrams_are_within_their_pages() -> None:
    site = drawn_site()
    drawn = {
        page.relative_to(site).as_posix(): Loaded(page).diagrams for page in site.rglob("*.html")
    }
    assert {name: count for name, count in drawn.items() if count} == {
        "how-to/diagrams.html": 1,
        "index.html": 1,
        "reference/diagrams.html": 5,
        "tutorial.html": 2,
    }


def test_every_public_name_has_its_place(site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    there = {name for kind, names in inventory.data.items() if "py:" in kind for name in names}
    public = [f"connect_core.{name}" for name in connect_core.__all__]
    public += [f"connect_core.conformance.{name}" for name in conformance.__all__]
    public += [f"connect_core.strategies.{name}" for name in strategies.__all__]
    public += [
        f"connect_core.diagrams.{name}"
        for name, thing in vars(diagrams).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == diagrams.__name__
    ]
    public += [f"connect_core.adapters.sql.{name}" for name in sql.__all__]
    assert len(public) > 100
    assert [name for name in public if name not in there] == []


def test_no_description_is_taken_for_a_type(pages: list[Path]) -> None:
    """Napoleon takes the words before a colon for a type; the signatures show the types."""
    for page in pages:
        assert '<dt class="field-odd">Type' not in page.read_text(encoding="utf-8"), page


def test_the_search_finds_what_is_there(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for word in ("reactiv", "permitting_status", "idempot", "fastapi"):
        assert word in index, word


def test_the_command_line_is_described_command_by_command(site: Path) -> None:
    page = (site / "reference/cli.html").read_text(encoding="utf-8")
    commands = [command.name for command in cli.app.registered_commands]
    commands += ["keys create", "keys list", "keys revoke"]
    commands += [f"conformance {name}" for name in ("run", "generate", "diff", "init", "export")]
    assert len(commands) > 15
    for command in commands:
        anchor = f"connect-core {command}".replace(" ", "-")
        assert f'id="{anchor}"' in page, command
    text = re.sub(r"<[^>]+>", "", page)
    assert "--expected-version N: Only if this is still the Connection" in text
    assert "Offer to share data with another organization." in text
    assert "Offer to share data with another..." not in text


class TestErrors:
    """The page on errors gives each error its code and its HTTP status."""

    TEXT = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")

    def facts(self, name: str) -> dict[str, str]:
        """The fields of one error."""
        block = re.search(
            rf"^\.\. autoexception:: {name}\n(.*?)(?=^\.\. auto|\Z)", self.TEXT, re.S | re.M
        )
        assert block is not None, name
        return dict(re.findall(r"^   :([\w ]+): (.*)$", block.group(1), re.MULTILINE))

    @pytest.mark.parametrize("error", every_error().values(), ids=lambda error: error.code)
    def test_it_is_described(self, error: connect_core.ConnectError) -> None:
        facts = self.facts(type(error).__name__)
        assert {"When", "HTTP", "Afterwards", "Who can act"} <= set(facts)
        status, _ = error_document(error)
        if type(error) is not connect_core.TransitionError:  # it is never raised itself
            assert facts["HTTP"].startswith(str(status))
        if type(error) not in (connect_core.ConnectError, connect_core.TransitionError):
            assert facts["Code"] == f"``{error.code}``"
            row = re.search(rf"^\| \[`{type(error).__name__}`\].*$", self.TEXT, re.MULTILINE)
            assert row is not None
            assert row.group().split(" | ")[1] == f"`{error.code}`"
            assert str(status) in row.group().split(" | ")[2]

    def test_none_is_missing(self) -> None:
        named = re.findall(r"^\.\. autoexception:: (\w+)$", self.TEXT, re.MULTILINE)
        assert sorted(named) == sorted(cls.__name__ for cls in every_public_error_class())

    def test_what_is_not_json_is_another_status(self) -> None:
        malformed = InvalidDocumentError((Problem("", "it is not JSON"),), malformed=True)
        assert error_document(malformed)[0] == 400
        assert "400" in self.facts("InvalidDocumentError")["HTTP"]
