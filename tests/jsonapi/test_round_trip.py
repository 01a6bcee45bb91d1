"""A Connection that was written as a document reads back as it was."""

import copy
import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
from documents import CASES, Case, guide_connection
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import connections as connections_of_a_history

from connect_core import Connection, Status, connection_document, list_document, parse_connection


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
class TestConnectionDocuments:
    """What is written is the guide's document, and reading it gives the Connection back."""

    def test_write(self, case: Case) -> None:
        assert json.dumps(connection_document(case.connection)) == json.dumps(case.document)

    def test_read(self, case: Case) -> None:
        text = json.dumps(case.document)
        raw = json.dumps(case.document, ensure_ascii=False).encode()
        for document in (case.document, MappingProxyType(case.document), text, raw, bytearray(raw)):
            assert parse_connection(document) == case.connection

    def test_the_version_is_a_parameter(self, case: Case) -> None:
        assert parse_connection(case.document, version=7) == case.connection.model_copy(
            update={"version": 7}
        )

    def test_what_was_given_is_not_changed(self, case: Case) -> None:
        given = case.document
        before = copy.deepcopy(given)
        parse_connection(given)
        assert json.dumps(given) == json.dumps(before)

    def test_the_document_is_the_callers_to_change(self, case: Case) -> None:
        first: Any = connection_document(case.connection)
        first["data"]["attributes"]["scopes"].append("x.y")
        first["data"]["attributes"]["name"] = "changed"
        assert connection_document(case.connection) == case.document


opaque = st.text("123456789ABCabc_-", min_size=1, max_size=30)
organizations = opaque.map("org_".__add__)
names = st.none() | st.text(
    st.sampled_from("a\"'\\/<\u00e9\u202e\u200d\u0301\u2028👾 ")
    | st.characters(exclude_categories=("Cc", "Cs")),
    max_size=255,
)
scope_parts = st.from_regex(r"[a-z][0-9a-z_-]{0,6}", fullmatch=True)
scopes = st.frozensets(st.tuples(scope_parts, scope_parts).map(".".join), min_size=1, max_size=64)
times = st.datetimes(
    min_value=datetime(1, 1, 2),
    max_value=datetime(9999, 12, 30, 23, 59, 59, 999999),
    timezones=st.just(UTC),
)


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    """Any valid Connection, including self-connections and those that no history leads to."""
    source = draw(organizations)
    created_at, updated_at = sorted((draw(times), draw(times)))
    return Connection.model_validate(
        {
            "id": "cxn_" + draw(opaque),
            "source_organization_id": source,
            "destination_organization_id": draw(organizations | st.just(source)),
            "name": draw(names),
            "status": draw(st.sampled_from(Status)),
            "scopes": draw(scopes),
            "creator": {
                "id": draw(st.sampled_from(("usr_", "user_", "api_"))) + draw(opaque),
                "organization_id": source,
            },
            "created_at": created_at,
            "updated_at": updated_at,
            "version": draw(st.integers(1, 2**31 - 1)),
        },
        context={"allow_self": True},
    )


class TestRoundTrip:
    """Reading back what was written gives an equal Connection."""

    @given(connections())
    @example(guide_connection())
    def test_as_data(self, connection: Connection) -> None:
        document = connection_document(connection)
        assert parse_connection(document, version=connection.version) == connection

    @given(connections(), st.booleans())
    def test_as_json(self, connection: Connection, ascii_only: bool) -> None:
        text = json.dumps(connection_document(connection), ensure_ascii=ascii_only)
        assert parse_connection(text, version=connection.version) == connection
        assert parse_connection(text.encode(), version=connection.version) == connection

    @given(connections())
    def test_and_again(self, connection: Connection) -> None:
        """Writing what was read writes the same."""
        document = connection_document(connection)
        assert connection_document(parse_connection(document)) == document

    @settings(max_examples=30)
    @given(st.lists(connections(), max_size=3))
    def test_in_a_list(self, page: list[Connection]) -> None:
        document: Any = list_document(page)
        assert [{"data": item} for item in document["data"]] == [
            connection_document(connection) for connection in page
        ]


class TestDocuments:
    """The same for Connections to which a history leads."""

    @given(connections_of_a_history)
    def test_round_trip(self, connection: Connection) -> None:
        document = connection_document(connection)
        assert parse_connection(document, version=connection.version) == connection
