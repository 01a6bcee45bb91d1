"""Checking a record: the quick way accepts only what the models accept, with the same result."""

import json
from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime
from typing import Any, cast

import pytest
from exports import THREE, line, lived, resource
from hypothesis import given
from hypothesis import strategies as st
from support import T0, histories

from connect_core import Connection, ConnectionEvent, InvalidDocumentError, connection_document
from connect_core.adapters.cli import checking
from connect_core.adapters.cli.checking import CheckedRecord, checked_record
from connect_core.adapters.sql import History
from connect_core.history import format_timestamp
from connect_core.jsonapi import record_document
from connect_core.strategies import actor_ids, connection_ids

from .test_loading import BAD

#: Values of every kind, and such as are nearly right.
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        1.0,
        2,
        -1,
        10**30,
        "",
        "x",
        "\x00",
        "\u202e",
        "\ud800",
        [],
        {},
        [[]],
    ),
    *(
        "cxn_1",
        "org_1",
        "org_ABC123",
        "api_1",
        "usr_1",
        "user_",
        "cxn_1\n",
        "org_\u0661",
        "cxn_" + "x" * 252,
    ),
    *("pending", "active", "inactive", "create", "activate", "deactivate", "reactivate", "Pending"),
    *("source", ["source"], ["destination"], ["source", "destination"], ["source", "source"]),
    *(["inquiry.read"], ["account.read", "account.read"], ["b.c", "a.b"], ["A.b"], ["a.b\n"]),
    *([f"a{n:02}.b" for n in range(64)], [f"a{n:02}.b" for n in range(65)], {"inquiry.read": 1}),
    *("2026-11-24T12:00:00.123Z", "2026-11-24T12:00:00Z", "2026-11-24 12:00:00.123Z"),
    *("2026-11-24T13:00:00.123+01:00", "2026-11-24T12:00:00.123+00:00", "2026-11-24T12:00:00.123"),
    *("2026-02-30T12:00:00.123Z", "2026-11-24T24:00:00.000Z", "0001-01-01T00:00:00.000Z"),
    *("9999-12-31T00:00:00.000Z", "2026-W48-2T12:00:00.000Z", "2016-12-31T23:59:60.000Z"),
    *("connect/connections", "connect/connection", "api-key", "user", "a" * 255, "a" * 256, "\x7f"),
)


def nothing(_: bytes) -> None:
    """No record is certainly valid."""


def by_models(text: bytes) -> CheckedRecord | list[Any]:
    """What the models make of a record: its rows, or the problems."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "certain", nothing)
        try:
            return checked_record(text)
        except InvalidDocumentError as error:
            return list(error.problems)


def comparable(record: CheckedRecord | None) -> object:
    """A record whose times are text, and whose lists are tuples."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return format_timestamp(value)
        if isinstance(value, list | tuple):
            return tuple(map(plain, cast("list[Any]", value)))
        if isinstance(value, dict):
            return {name: plain(each) for name, each in cast("dict[str, Any]", value).items()}
        return value

    return None if record is None else (plain(record.rows), record.pointer)


def is_certain(text: bytes) -> bool:
    """Whether the quick way accepts it; then, the models do, with the same result."""
    certain = checking.certain(text)
    if certain is None:
        return False
    judged = by_models(text)
    assert isinstance(judged, CheckedRecord), judged
    assert comparable(certain) == comparable(judged)
    assert list(map(type, certain.rows.events)) == list(map(type, judged.rows.events))
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON value but the whole."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        items = enumerate(cast("list[Any]", value))  # type: ignore[redundant-cast]  # for pyright
    return [each for key, child in items for each in ((*path, key), *places(child, (*path, key)))]


def parent_of(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


DOCUMENTS = st.one_of(
    histories(max_steps=4).map(lambda history: record_document(*history)),
    histories(max_steps=4).map(lambda history: connection_document(history[0])),
    histories(max_steps=4).map(lambda history: connection_document(history[0])["data"]),
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,", "\t:")])


class TestCertain:
    """What an export writes is certain, and so is what says the same in the same order."""

    @given(histories(max_steps=6), SEPARATORS, st.booleans())
    def test_every_history(
        self,
        history: tuple[Connection, tuple[ConnectionEvent, ...]],
        separators: tuple[str, str],
        ascii_only: bool,
    ) -> None:
        document = record_document(*history)
        text = json.dumps(document, separators=separators, ensure_ascii=ascii_only)
        assert is_certain(text.encode())

    @given(DOCUMENTS, SEPARATORS)
    def test_without_a_history_if_there_is_one_way(
        self, document: dict[str, object], separators: tuple[str, str]
    ) -> None:
        """The time of the last update may be that of the creation, for which there is no step."""
        assert is_certain(json.dumps(document, separators=separators).encode())

    @pytest.mark.parametrize("history", THREE)
    def test_every_form(self, history: History) -> None:
        for document in (record_document(*history), {"data": resource(history)}, resource(history)):
            assert is_certain(json.dumps(document).encode())

    def test_a_self_connection(self) -> None:
        own = {"organization_id": "org_ABC123"}
        document = json.dumps(record_document(*lived(1))).replace("org_1", own["organization_id"])
        for roles in ('["source"]', '["destination"]'):
            document = document.replace(f'"roles": {roles}', '"roles": ["destination", "source"]')
        assert is_certain(document.encode())


class TestUncertain:
    """Everything else is left to the models."""

    @pytest.mark.parametrize("bad", [each[0] for each in BAD.values()], ids=BAD)
    def test_what_is_bad(self, bad: str) -> None:
        assert not is_certain(bad.rstrip("\n").encode("utf-8", "surrogateescape"))

    @pytest.mark.parametrize(
        "value", ["1", "null", "[]", "{}", '"data"', '["data"]', '{"data":1}', ""]
    )
    def test_another_kind_of_value(self, value: str) -> None:
        assert not is_certain(value.encode())

    def test_what_is_nested_too_deeply(self) -> None:
        assert not is_certain(b"[" * 100_000)

    def test_another_order_or_another_member(self) -> None:
        document: Any = record_document(*THREE[0])
        assert not is_certain(json.dumps(document, sort_keys=True).encode())
        assert not is_certain(json.dumps({**document, "links": {}}).encode())
        assert not is_certain(json.dumps({**document["data"], "meta": {}}).encode())
        assert not is_certain(json.dumps({"data": document["data"], "meta": None}).encode())

    def test_a_history_of_no_events(self) -> None:
        document: Any = record_document(*THREE[0])
        assert not is_certain(json.dumps({**document, "meta": {"history": []}}).encode())

    @pytest.mark.parametrize("path", places(record_document(*THREE[1])))
    def test_every_value_in_every_place(self, path: tuple[Any, ...]) -> None:
        """A record with one value replaced is certain only if the models accept it as it is."""
        good: Any = json.loads(line(THREE[1]))
        for value in VALUES:
            document = deepcopy(good)
            parent_of(document, path)[path[-1]] = value
            is_certain(json.dumps(document, separators=(",", ":")).encode())

    @given(DOCUMENTS, st.data())
    def test_any_mutation(self, document: dict[str, object], data: st.DataObject) -> None:
        """Values are replaced, removed, moved and repeated, some in one record."""
        for _ in range(data.draw(st.integers(1, 3))):
            path = data.draw(st.sampled_from(places(document) or [("data",)]))
            other = data.draw(st.sampled_from(places(document) or [("data",)]))
            parent = parent_of(document, path)
            match data.draw(st.sampled_from(["replace", "copy", "remove", "text", "both"])):
                case "replace":
                    parent[path[-1]] = data.draw(
                        st.one_of(st.sampled_from(VALUES), actor_ids(), connection_ids(), st.text())
                    )
                case "copy":
                    parent[path[-1]] = deepcopy(parent_of(document, other)[other[-1]])
                case "remove":
                    del parent[path[-1]]
                case "text":  # the same text everywhere, such as an id or a time
                    old, new = parent[path[-1]], data.draw(st.sampled_from(VALUES))
                    if isinstance(old, str) and isinstance(new, str) and old:
                        written = json.dumps(document).replace(json.dumps(old), json.dumps(new))
                        document = json.loads(written)
                case _:
                    if isinstance(parent, list):
                        repeated: Any = deepcopy(parent[path[-1]])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportCallIssue, reportArgumentType]  # an Any that is a list
                        cast("list[Any]", parent).append(repeated)  # type: ignore[redundant-cast]  # for pyright
        is_certain(json.dumps(document, separators=(",", ":")).encode())

    @given(histories(max_steps=3), st.data())
    def test_any_bytes(
        self, history: tuple[Connection, tuple[ConnectionEvent, ...]], data: st.DataObject
    ) -> None:
        """Some characters of a good record are replaced, removed or repeated."""
        text = json.dumps(record_document(*history), separators=(",", ":")).encode()
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        other = data.draw(st.one_of(st.just(text[start:end] * 2), st.binary(max_size=3)))
        is_certain(text[:start] + other + text[end:])

    def test_a_member_twice(self) -> None:
        """Wherever it stands, and whichever value comes last."""
        written = json.dumps(record_document(*THREE[0]))
        for name in ("id", "status", "version", "history", "name"):
            key = f'"{name}": '
            before, _, after = written.partition(key)
            assert not is_certain(f"{before}{key}1, {key}{after}".encode())


def test_times_that_run_backwards_are_left_to_the_models() -> None:
    written = line(THREE[0]).replace(
        "2026-11-25T12:00:00.123Z", format_timestamp(T0)[:-5] + ".000Z"
    )
    assert not is_certain(written.encode())
