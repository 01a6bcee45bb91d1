"""What the strategies export, and the types of what they draw."""

from typing import assert_type

from hypothesis import strategies as st
from support import connection_in

from connect_core import (
    Action,
    Actor,
    ActorId,
    Connection,
    ConnectionEvent,
    ConnectionId,
    Decision,
    OrganizationId,
    Status,
    strategies,
)
from connect_core.strategies import Row

NAMES = """
    History Row actor_ids actors connection_documents connection_ids connections create_documents
    decisions events histories invalid_connection_documents invalid_create_documents legal_moves
    moves names organization_ids organizations rows scope_sets scopes times
"""


def test_all_is_exact() -> None:
    assert strategies.__all__ == NAMES.split()
    assert all(getattr(strategies, name).__doc__ for name in strategies.__all__)


def test_its_types() -> None:
    """As mypy and pyright see them."""
    assert_type(strategies.organization_ids(), st.SearchStrategy[OrganizationId])
    assert_type(strategies.actor_ids(), st.SearchStrategy[ActorId])
    assert_type(strategies.connection_ids(), st.SearchStrategy[ConnectionId])
    assert_type(strategies.connections(), st.SearchStrategy[Connection])
    assert_type(
        strategies.histories(),
        st.SearchStrategy[tuple[Connection, tuple[ConnectionEvent, ...]]],
    )
    assert_type(strategies.events(), st.SearchStrategy[ConnectionEvent])
    assert_type(strategies.rows(), st.SearchStrategy[Row])
    assert_type(strategies.decisions(), st.SearchStrategy[Decision])
    assert_type(strategies.create_documents(), st.SearchStrategy[dict[str, object]])
    assert_type(strategies.connection_documents(), st.SearchStrategy[dict[str, object]])
    assert_type(strategies.invalid_create_documents(), st.SearchStrategy[object])
    assert_type(
        strategies.legal_moves(connection_in(Status.ACTIVE)),
        st.SearchStrategy[tuple[Action, Actor]],
    )
