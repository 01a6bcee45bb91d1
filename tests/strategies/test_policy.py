"""Strategies of rows, moves and decisions."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from drawing import drawn, found, simplest
from hypothesis import given
from hypothesis import strategies as st
from oracle import VERDICTS
from support import OUR_KEY, PARTNER, connection_in

from connect_core import (
    Action,
    Actor,
    ActorType,
    Cell,
    Connection,
    Decision,
    Denial,
    OrganizationId,
    Role,
    Status,
    allowed_actions,
    can,
    decide,
    decision_table,
    roles_of,
    strategies,
)
from connect_core.strategies import Row


class TestRows:
    """Rows hold plain values, and statuses that do not exist."""

    @given(strategies.rows(), strategies.actors(), st.sampled_from(Action))
    def test_plain_values(self, row: Row, actor: Actor, action: Action) -> None:
        source, destination, status, scopes = row
        assert {type(each) for each in (source, destination, status, *scopes)} == {str}
        assert OrganizationId(source)
        assert OrganizationId(destination)
        if status not in set(Status):
            assert not decide(actor, action, row)

    def test_the_simplest(self) -> None:
        assert simplest(strategies.rows()) == Row("org_A", "org_B", "pending", ("inquiry.read",))

    @pytest.mark.parametrize("status", [*Status, "archived", "ACTIVE", ""])
    def test_statuses(self, status: str) -> None:
        assert found(strategies.rows(), lambda row: row.status == status, within=500)

    @given(strategies.rows(status="on hold", source="org_X", destination="org_Y"))
    def test_pins(self, row: Row) -> None:
        assert row[:3] == ("org_X", "org_Y", "on hold")

    @pytest.mark.parametrize("pinned", ["source", "destination"])
    def test_a_party(self, pinned: str) -> None:
        pin: dict[str, Any] = {pinned: "org_X"}
        rows = drawn(strategies.rows(**pin), examples=100)
        assert {getattr(row, f"{pinned}_organization_id") for row in rows} == {"org_X"}
        assert {row.source_organization_id == row.destination_organization_id for row in rows} == {
            True,
            False,
        }


class TestMoves:
    """Legal moves are permitted; other moves are whatever anybody may try."""

    @given(strategies.connections(allow_self=True), st.data())
    def test_legal_moves(self, connection: Connection, data: st.DataObject) -> None:
        action, actor = data.draw(strategies.legal_moves(connection))
        assert connection.take(action, by=actor).event.action is action

    @pytest.mark.parametrize("to_self", [False, True])
    @pytest.mark.parametrize("status", Status)
    def test_every_legal_move(self, status: Status, to_self: bool) -> None:
        connection = connection_in(status, to_self=to_self)
        moves = drawn(strategies.legal_moves(connection), examples=200)
        parties = [OUR_KEY] if to_self else [OUR_KEY, PARTNER]
        assert {(action, actor.organization_id) for action, actor in moves} == {
            (action, party.organization_id)
            for party in parties
            for action in allowed_actions(party, connection)
        }
        assert {actor.type for _, actor in moves} == set(ActorType)

    def test_moves(self) -> None:
        connection = connection_in(Status.PENDING)
        moves = drawn(strategies.moves(connection), examples=500)
        assert {(action, roles_of(actor, connection)) for action, actor in moves} == {
            (action, frozenset(roles))
            for action in Action
            for roles in ([], [Role.SOURCE], [Role.DESTINATION])
        }
        assert any(can(actor, action, connection) for action, actor in moves)

    def test_of_rows(self) -> None:
        row = Row("org_X", "org_Y", "inactive", ())
        assert simplest(strategies.legal_moves(row)) == (
            Action.REACTIVATE,
            Actor(id="usr_A", organization_id="org_X"),
        )
        unknown = row._replace(status="archived")
        assert simplest(strategies.moves(unknown))[1].organization_id == "org_X"
        with pytest.raises(ValueError, match="status is 'archived'; give a Connection that is one"):
            strategies.legal_moves(unknown)

    @pytest.mark.parametrize("moves", [strategies.moves, strategies.legal_moves])
    def test_of_a_row_with_a_bad_id(self, moves: Callable[[Row], object]) -> None:
        with pytest.raises(ValueError, match="expected an organization id"):
            moves(Row("org_X", "Y", "active", ()))


class TestDecisions:
    """Every decision that the policy can give, and no other."""

    def test_all_that_the_table_has(self) -> None:
        assert set(drawn(strategies.decisions())) > set(decision_table().values())

    @pytest.mark.parametrize("verdict", VERDICTS, ids=str)
    def test_every_cell(self, verdict: Any) -> None:
        cell = Cell(verdict.status, verdict.action, verdict.roles)
        decision = found(strategies.decisions(), lambda each: each == decision_table()[cell])
        assert decision.denials == verdict.denials

    @pytest.mark.parametrize("denial", Denial)
    def test_every_denial(self, denial: Denial) -> None:
        found(strategies.decisions(), lambda each: each.denial is denial)
        for decision in drawn(strategies.decisions(denial=denial), examples=50):
            assert denial in decision.denials

    def test_on_access(self) -> None:
        decisions = drawn(strategies.decisions())
        access = [each for each in decisions if each.action is None]
        assert [each.status for each in access if each.allowed and len(each.roles) == 1] == [
            Status.ACTIVE
        ]
        wrong = (Denial.SCOPE_NOT_GRANTED, Denial.WRONG_DIRECTION)
        assert {each.denials for each in access if len(each.denials) == 3} == {
            (Denial.NOT_ACTIVE, *wrong),
            (Denial.UNKNOWN_STATUS, *wrong),
        }

    @pytest.mark.parametrize("allowed", [True, False])
    def test_allowed_or_not(self, allowed: bool) -> None:
        decisions = drawn(strategies.decisions(allowed=allowed), examples=100)
        assert {decision.allowed for decision in decisions} == {allowed}

    def test_the_plainest(self) -> None:
        assert simplest(strategies.decisions()).allowed

    @given(strategies.decisions())
    def test_they_can_be_written_down(self, decision: Decision) -> None:
        assert Decision.from_dict(json.loads(json.dumps(decision.as_dict()))) == decision
