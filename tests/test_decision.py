"""Decisions: immutable values that can be written down and read again."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest
from support import OUR_KEY, PARTNER, connection_in

from connect_core import (
    Action,
    Cell,
    Decision,
    Denial,
    Role,
    Status,
    decide,
    decide_access,
    decision_table,
    steps_to,
)

PENDING = connection_in(Status.PENDING)
ACTIVE = connection_in(Status.ACTIVE)


class TestDecision:
    """Immutable, true exactly when allowed, and plain JSON for an audit record."""

    def test_as_dict(self) -> None:
        decision = decide(PARTNER, Action.ACTIVATE, connection_in(Status.INACTIVE))
        assert decision.as_dict() == {
            "allowed": False,
            "action": "activate",
            "status": "inactive",
            "roles": ["destination"],
            "target": None,
            "denials": ["wrong_status"],
            "remedy": [
                {
                    "action": "reactivate",
                    "roles": ["source"],
                    "before": "inactive",
                    "after": "pending",
                }
            ],
            "explanation": (
                "A Connection can be activated only while it is pending, and this one is inactive."
            ),
            "advice": "First the source must reactivate it.",
        }

    def test_as_dict_of_what_is_allowed(self) -> None:
        assert decide(PARTNER, Action.ACTIVATE, PENDING).as_dict() == {
            "allowed": True,
            "action": "activate",
            "status": "pending",
            "roles": ["destination"],
            "target": "active",
            "denials": [],
            "remedy": [],
            "explanation": "The destination may activate it, and it is then active.",
            "advice": "",
        }

    def test_as_dict_of_an_access(self) -> None:
        decision = decide_access(PARTNER, "inquiry.read", ACTIVE)
        assert decision.as_dict() == {
            "allowed": True,
            "action": None,
            "status": "active",
            "roles": ["destination"],
            "target": None,
            "denials": [],
            "remedy": [],
            "explanation": "The destination may read it while the Connection is active.",
            "advice": "",
        }

    def test_every_one_is_plain_json(self) -> None:
        for decision in decision_table().values():
            assert json.loads(json.dumps(decision.as_dict())) == decision.as_dict()
            assert _plain(decision.as_dict())

    def test_immutable(self) -> None:
        decision = decide(PARTNER, Action.ACTIVATE, PENDING)
        with pytest.raises(FrozenInstanceError):
            decision.allowed = False  # type: ignore[misc]  # that is the point
        with pytest.raises(AttributeError):
            steps_to(PENDING)[0].after = Status.INACTIVE  # type: ignore[misc]  # that is the point
        assert not hasattr(decision, "__dict__")

    def test_allowed_follows_from_the_denials(self) -> None:
        assert Decision(None, None, frozenset()).allowed
        refused = Decision(None, None, frozenset(), denials=(Denial.NOT_ACTIVE, Denial.WRONG_ROLE))
        assert not refused
        assert refused.denial is Denial.NOT_ACTIVE

    def test_copies(self) -> None:
        for decision in decision_table().values():
            assert copy.deepcopy(decision) == decision
            assert pickle.loads(pickle.dumps(decision)) == decision

    def test_shown(self) -> None:
        shown = repr(decide(OUR_KEY, Action.ACTIVATE, ACTIVE))
        assert shown.startswith("Decision(allowed=False, action=<Action.ACTIVATE")
        assert shown.endswith(
            "denials=(<Denial.WRONG_ROLE: 'wrong_role'>, <Denial.WRONG_STATUS: 'wrong_status'>))"
        )


def _plain(value: object) -> bool:
    """Whether `value` consists of JSON's own types, without subclasses."""
    if type(value) is dict:
        members = cast("dict[object, object]", value)
        return all(type(name) is str and _plain(item) for name, item in members.items())
    if type(value) is list:
        return all(_plain(item) for item in cast("list[object]", value))
    return value is None or type(value) in {str, bool}


#: Records that no version has written.
UNREADABLE: list[dict[str, Any]] = [
    {"status": "frozen"},
    {"action": "expire"},
    {"roles": ["owner"]},
    {"target": "frozen"},
    {"denials": ["bad_mood"]},
    {"remedy": [{"action": "expire", "roles": [], "before": "active", "after": "active"}]},
    {"remedy": [{"action": "activate", "roles": ["x"], "before": "pending", "after": "x"}]},
]


class TestWrittenDown:
    """A decision that was written down reads back as it was."""

    @pytest.mark.parametrize(
        "cell",
        decision_table(),
        ids=lambda cell: f"{cell.status}-{cell.action}-{'+'.join(sorted(cell.roles))}",
    )
    def test_every_decision(self, cell: Cell) -> None:
        decision = decision_table()[cell]
        read = Decision.from_dict(json.loads(json.dumps(decision.as_dict())))
        assert read == decision
        assert read.as_dict() == decision.as_dict()
        for name in ("action", "status", "target"):
            assert type(getattr(read, name)) is type(getattr(decision, name))
        assert {type(each) for each in read.denials} <= {Denial}
        for action, roles, before, after in read.remedy:
            assert (type(action), type(before), type(after)) == (Action, Status, Status)
            assert {type(each) for each in roles} == {Role}
        assert {type(each) for each in read.roles} <= {Role}

    def test_those_of_an_access(self) -> None:
        for status in Status:
            decision = decide_access(PARTNER, "inquiry.read", connection_in(status))
            assert Decision.from_dict(decision.as_dict()) == decision

    @pytest.mark.parametrize(
        "change",
        UNREADABLE,
        ids=str,
    )
    def test_what_is_not_known_is_refused(self, change: dict[str, Any]) -> None:
        record = decide(PARTNER, Action.ACTIVATE, PENDING).as_dict()
        with pytest.raises(ValueError, match="is not a valid"):
            Decision.from_dict(record | change)

    @pytest.mark.parametrize("member", decide(PARTNER, Action.ACTIVATE, PENDING).as_dict())
    def test_what_is_missing_is_refused(self, member: str) -> None:
        record = decide(PARTNER, Action.ACTIVATE, PENDING).as_dict()
        if member == "allowed":  # follows from the denials
            return
        del record[member]
        with pytest.raises(KeyError, match=member):
            Decision.from_dict(record)
