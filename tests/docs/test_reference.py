"""The reference says nothing that is not so: no type, name, default or text that Python made up."""

import ast
import builtins
import collections
import datetime as dt
import enum
import importlib
import re
import runpy
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pages import PAGES
from pydantic import BaseModel
from support import ROOT
from website import built_site

from connect_core.adapters.sql import metadata

pytestmark = pytest.mark.site

#: The extension that describes the columns.
COLUMNS = runpy.run_path(str(ROOT / "docs/_extensions/columns.py"))

#: What stands between an attribute's type and its description.
_DASH = "\N{EN DASH}"
#: Elements of HTML that have no end.
_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


class Described(HTMLParser):
    """Reads what a page describes: signatures, first paragraphs, types of attributes, rows."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.signatures: list[str] = []
        self.paragraphs: list[str] = []
        self.fields: list[str] = []
        self.types: list[str] = []
        self.headings: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[tuple[str, str]] = []
        self._texts: dict[int, list[str]] = {}
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember where an element begins."""
        if tag not in _VOID:
            self._open.append((tag, dict(attrs).get("class") or ""))
            self._texts[len(self._open)] = []

    def handle_data(self, data: str) -> None:
        """Add text to every element that is open."""
        for texts in self._texts.values():
            texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Keep the text of an element that is of interest."""
        if tag in _VOID:
            return
        text = re.sub(r"\s+", " ", "".join(self._texts.pop(len(self._open)))).strip(" ¶")
        _, name = self._open.pop()
        if tag == "dt" and name.startswith("sig "):
            self.signatures.append(text)
        elif tag == "dt" and name.startswith("field-"):
            self.fields.append(text.removesuffix(":").strip())
        elif tag == "p":
            self.paragraphs.append(text)
            attribute = re.match(rf"\w+ \(([^{_DASH}]*)\) {_DASH}", text)
            if attribute:
                self.types.append(attribute[1])
        elif tag in ("h2", "h3"):
            self.headings.append(text)
        elif tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cells = [*getattr(self, "_cells", []), text]
        if tag == "tr":
            self.rows[-1], self._cells = getattr(self, "_cells", []), []


@pytest.fixture(scope="module")
def reference() -> dict[str, Described]:
    """The pages of the reference, by name."""
    return {
        page.stem: Described(page) for page in sorted((built_site() / "reference").glob("*.html"))
    }


def test_they_were_read(reference: dict[str, Described]) -> None:
    signatures = [each for page in reference.values() for each in page.signatures]
    types = [each for page in reference.values() for each in page.types]
    assert len(signatures) > 200
    assert len(types) > 80
    assert "connect_core.DEFAULT_SCOPES = frozenset({'account.read', 'inquiry.read'})" in signatures


def test_no_type_is_a_sentence(reference: dict[str, Described]) -> None:
    """Types of attributes are Python; Napoleon takes the words before a colon for one."""
    for name, page in reference.items():
        assert "Type" not in page.fields, name
        for each in page.types:
            assert ast.parse(each, mode="eval").body is not None, (name, each)
            assert "connect_core" not in each, (name, each)


def test_no_text_is_pythons_own(reference: dict[str, Described]) -> None:
    """What has no description of its own must not have that of a builtin class."""
    owners = [*vars(builtins).values(), *vars(collections).values(), *vars(enum).values()]
    owners += [*vars(dt).values(), BaseModel]
    texts = {_first(owner) for owner in owners}
    texts |= {
        _first(member)
        for owner in owners
        if isinstance(owner, type)
        for member in vars(owner).values()
    }
    assert len(texts) > 300
    assert _first(frozenset) in texts
    texts = {text for text in texts if " " in text}  # the others are words, such as "name"
    for name, page in reference.items():
        assert texts.isdisjoint(page.paragraphs), (name, texts & set(page.paragraphs))
        assert [each for each in page.paragraphs if each.startswith("Alias for field")] == [], name


def _first(thing: object) -> str:
    """The first paragraph of a docstring, on one line."""
    text = getattr(thing, "__doc__", None)
    return re.sub(r"\s+", " ", text.strip().partition("\n\n")[0]) if isinstance(text, str) else ""


def test_no_default_is_hidden_or_long(reference: dict[str, Described]) -> None:
    """A default is a value that a caller could write, or three dots; not an object's inside."""
    for name, page in reference.items():
        for signature in page.signatures:
            for given in re.findall(r" = ((?:[^,()]|\([^()]*\))+)", signature):
                assert not given.startswith(("_", "lambda", "<")), (name, signature)
                assert len(given) < 60, (name, signature)
            assert " at 0x" not in signature, (name, signature)
            assert "frozenset({})" not in signature, (name, signature)


# --- Names ---------------------------------------------------------------------------------------


#: What a session of PostgreSQL sets, which is no name in Python.
SETTING = "connect_core.organization_id"


def _exists(dotted: str) -> bool:
    """Whether this is a module, or leads from one to an attribute or a field."""
    first, *rest = dotted.split(".")
    thing: object = importlib.import_module(first)
    path = first
    for part in rest:
        path = f"{path}.{part}"
        fields = {
            *getattr(thing, "model_fields", ()),
            *getattr(thing, "__annotations__", ()),
        }
        if hasattr(thing, part):
            thing = getattr(thing, part)
            continue
        try:
            thing = importlib.import_module(path)
        except ImportError:
            return part in fields
    return True


def test_every_dotted_name_exists() -> None:
    found: dict[str, str] = {}
    for page in built_site().rglob("*.html"):
        text = unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))
        found |= dict.fromkeys(re.findall(r"\bconnect_core(?:\.\w+)+", text), page.name)
    assert len(found) > 150
    assert found.pop(SETTING) in {"enforcement.html", "sql.html"}
    assert {name: page for name, page in found.items() if not _exists(name)} == {}
    assert not _exists("connect_core.Nothing")
    assert not _exists("connect_core.adapters.nothing")


# --- Tables --------------------------------------------------------------------------------------


def _named() -> Iterator[tuple[str, str]]:
    """Constraints and indexes that pages name, each with its page."""
    for name, path in PAGES.items():
        text = path.read_text(encoding="utf-8")
        for found in re.findall(r"\b(?:pk|uq|ck|fk|ix)_connection\w*", text):
            yield name, found


def test_every_constraint_and_index_exists() -> None:
    there = {
        str(name)
        for table in metadata.tables.values()
        for name in (
            *(constraint.name for constraint in table.constraints),
            *(index.name for index in table.indexes),
        )
    }
    named = set(_named())
    assert ("docs/how-to/mariadb.md", "uq_connections_ordered_pair") in named
    assert {each for each in named if each[1] not in there} == set()


def test_every_table_has_its_own_name(reference: dict[str, Described]) -> None:
    """Where a table's Python name differs from its name in the database, both are given."""
    for name, page in reference.items():
        for paragraph in page.paragraphs:
            words = set(re.findall(r"\w+", paragraph))
            assert "idempotency_keys" not in words or "connection_idempotency_keys" in words, name
    (public,) = [each for each in reference["stability"].paragraphs if "columns, types" in each]
    assert set(metadata.tables) <= set(re.findall(r"\w+", public))
    (intro,) = [each for each in reference["sql"].paragraphs if "There are three tables" in each]
    assert set(metadata.tables) <= set(re.findall(r"\w+", intro))
    assert len(metadata.tables) == 3


def test_every_column_is_described(reference: dict[str, Described]) -> None:
    page = reference["sql"]
    described = [row for row in page.rows if len(row) == 7 and row[0] != "column"]
    expected = [
        [
            column.name,
            *(column.type.compile(dialect) for dialect in COLUMNS["DIALECTS"].values()),
            "yes" if column.nullable else "no",
        ]
        for table in metadata.tables.values()
        for column in table.c
    ]
    assert [row[:5] for row in described] == expected
    assert all(row[5].endswith(".") for row in described)
    assert all(row[6] for row in described)
    assert page.headings[-3:] == list(metadata.tables)


def test_a_column_without_a_meaning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    COLUMNS["check"]()
    monkeypatch.delitem(COLUMNS["MEANINGS"]["connections"], "version")
    with pytest.raises(ValueError, match=r"differ: \[\('connections', 'version'\)\]"):
        COLUMNS["described"]()


def test_what_is_personal_is_marked() -> None:
    """Whoever acted is in three columns, and in no other."""
    marked = {
        f"{table}.{column}"
        for table, meanings in COLUMNS["MEANINGS"].items()
        for column, meaning in meanings.items()
        if meaning.personal != "no"
    }
    assert {
        "connections.creator_id",
        "connection_events.actor_id",
        "connection_idempotency_keys.outcome",
    } < marked
    assert not any(each.endswith(("status", "version", "scopes", "fingerprint")) for each in marked)
