"""Hypothesis strategies that make values for your own tests. The extra `testing` installs them.

Every value is legal unless the strategy's name or description says otherwise: the library's own
commands created and changed each Connection, so its version, times and creator agree. Legal but
unpleasant values come often: ids that differ only by case, names that read backwards, clocks that
run backwards, two steps in the same millisecond.

Examples shrink to simple ones: to ``org_A``, to a person, to a pending Connection, to the fewest
steps. A strategy keeps to the arguments that you give. If nothing can satisfy them, it is refused
when it is made, not when an example is drawn::

    from hypothesis import given
    from connect_core import Connection
    from connect_core.strategies import connections

    @given(connections(status="active", source="org_ABC123"))
    def test_our_report_lists_it(connection: Connection) -> None: ...

`histories` with ``actors=`` uses only people and organizations that your tests already know.
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
