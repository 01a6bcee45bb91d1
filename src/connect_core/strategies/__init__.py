"""Strategies: Hypothesis makes up what your own tests need. The extra `testing` installs it.

Everything here is legal unless its name or its description says otherwise: a Connection was
created and changed by the library's own commands, so that its version, its times and its creator go
together. What is legal and unpleasant comes often: ids that differ only by case, names that read
backwards, clocks that run backwards, two steps in the same millisecond.

Examples shrink to the plain ones: to ``org_A``, to a person, to a Connection that is pending, to
the fewest steps. What you pin is honoured, and what nothing can satisfy is refused when the
strategy is made, not when an example is drawn::

    from hypothesis import given
    from connect_core import Connection
    from connect_core.strategies import connections

    @given(connections(status="active", source="org_ABC123"))
    def test_our_report_lists_it(connection: Connection) -> None: ...

`histories` with ``actors=`` keeps to people and organizations that your tests know already.
"""

from connect_core.strategies.history import History, connections, events, histories
from connect_core.strategies.identifiers import actor_ids, connection_ids, organization_ids
from connect_core.strategies.jsonapi import (
    connection_documents,
    create_documents,
    invalid_connection_documents,
    invalid_create_documents,
)
from connect_core.strategies.parties import actors, organizations
from connect_core.strategies.policy import Row, decisions, legal_moves, moves, rows
from connect_core.strategies.values import names, scope_sets, scopes, times

__all__ = [
    "History",
    "Row",
    "actor_ids",
    "actors",
    "connection_documents",
    "connection_ids",
    "connections",
    "create_documents",
    "decisions",
    "events",
    "histories",
    "invalid_connection_documents",
    "invalid_create_documents",
    "legal_moves",
    "moves",
    "names",
    "organization_ids",
    "organizations",
    "rows",
    "scope_sets",
    "scopes",
    "times",
]
