"""The policy beyond the matrix: what it says, what it is given, and what it never does."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest
from oracle import VERDICTS
from support import OUR_KEY, PARTNER, STRANGER, Row, connection_in

from connect_core import (
    Action,
    Cell,
    Connection,
    Decision,
    Denial,
    DuplicateConnectionError,
    InvalidTransitionError,
    Role,
    SelfConnectionError,
    Status,
    actions,
    allowed_actions,
    authorize,
    authorize_create,
    can,
    decide,
    decide_access,
    decide_create,
    decision_table,
    permitting_statuses,
    steps_to,
)

PENDING = connection_in(Status.PENDING)
ACTIVE = connection_in(Status.ACTIVE)

UNKNOWN: list[Any] = ["archived", "ACTIVE", "active ", "", "absent", "none", None, 5, True, [], {}]


def row(status: Any, **changes: Any) -> Any:
    """A row of somebody's table, with whatever stands in it."""
    result: Any = Row("org_ABC123", "org_DEF456", status)
    for name, value in changes.items():
        setattr(result, name, value)
    return result


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

    def test_the_explanation_names_only_roles_that_are_held(self) -> None:
        assert decide(OUR_KEY, Action.DEACTIVATE, ACTIVE).explanation == (
            "The source may deactivate it, and it is then inactive."
        )

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

    def test_every_one_is_explained_in_one_sentence(self) -> None:
        for decision in decision_table().values():
            assert decision.explanation[0].isupper()
            assert decision.explanation.endswith(".")
            assert decision.explanation.count(". ") == 0
            assert bool(decision.advice) is not decision.allowed

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
    """Whether `value` is made of the types that JSON knows and of nothing derived from them."""
    if type(value) is dict:
        members = cast("dict[object, object]", value)
        return all(type(name) is str and _plain(item) for name, item in members.items())
    if type(value) is list:
        return all(_plain(item) for item in cast("list[object]", value))
    return value is None or type(value) in {str, bool}


class TestAnswersAreMadeBeforehand:
    """`decide` allocates nothing: equal questions get the same object."""

    def test_the_same_object(self) -> None:
        other = Connection.create(by=OUR_KEY, destination="org_DEF456").connection
        for actor in (OUR_KEY, PARTNER, STRANGER):
            for action in Action:
                assert decide(actor, action, PENDING) is decide(actor, action, other)
            assert allowed_actions(actor, PENDING) is allowed_actions(actor, other)
            assert actions(actor, PENDING) is actions(actor, other)

    def test_the_menu_is_read_only(self) -> None:
        menu: Any = actions(OUR_KEY, PENDING)
        with pytest.raises(TypeError):
            menu[Action.CREATE] = None

    def test_an_action_as_plain_text(self) -> None:
        action: Any = "activate"
        assert decide(PARTNER, action, PENDING) is decide(PARTNER, Action.ACTIVATE, PENDING)


class TestUnknownStatus:
    """A status that this version does not know permits nothing, whatever it is."""

    @pytest.mark.parametrize("status", UNKNOWN, ids=repr)
    def test_nothing_is_allowed(self, status: Any) -> None:
        for actor in (OUR_KEY, PARTNER, STRANGER):
            assert allowed_actions(actor, row(status)) == frozenset()
            menu = actions(actor, row(status))
            assert list(menu) == list(Action)
            for action in Action:
                decision = decide(actor, action, row(status))
                assert decision is menu[action]
                assert not decision
                assert not can(actor, action, row(status))
                assert (decision.status, decision.target) == (None, None)
                assert decision.remedy == ()
            assert not decide_access(actor, "inquiry.read", row(status))

    @pytest.mark.parametrize("status", UNKNOWN, ids=repr)
    def test_the_reasons(self, status: Any) -> None:
        unknown = Denial.UNKNOWN_STATUS
        due: dict[tuple[Any, Action], tuple[Denial, ...]] = {
            (OUR_KEY, Action.CREATE): (Denial.ALREADY_EXISTS, unknown),
            (OUR_KEY, Action.ACTIVATE): (Denial.WRONG_ROLE, unknown),
            (OUR_KEY, Action.DEACTIVATE): (unknown,),
            (OUR_KEY, Action.REACTIVATE): (unknown,),
            (PARTNER, Action.CREATE): (Denial.WRONG_ROLE, Denial.ALREADY_EXISTS, unknown),
            (PARTNER, Action.ACTIVATE): (unknown,),
            (PARTNER, Action.DEACTIVATE): (unknown,),
            (PARTNER, Action.REACTIVATE): (Denial.WRONG_ROLE, unknown),
        }
        for (actor, action), denials in due.items():
            assert decide(actor, action, row(status)).denials == denials
        for action in Action:
            assert decide(STRANGER, action, row(status)).denials == (Denial.NOT_A_PARTY,)

    def test_access(self) -> None:
        assert decide_access(PARTNER, "inquiry.read", row("archived")).denials == (
            Denial.UNKNOWN_STATUS,
        )
        assert decide_access(OUR_KEY, "x.y", row("archived")).denials == (
            Denial.UNKNOWN_STATUS,
            Denial.SCOPE_NOT_GRANTED,
            Denial.WRONG_DIRECTION,
        )
        assert decide_access(STRANGER, "inquiry.read", row("archived")).denials == (
            Denial.NOT_A_PARTY,
        )

    def test_the_error(self) -> None:
        with pytest.raises(InvalidTransitionError) as caught:
            authorize(PARTNER, Action.ACTIVATE, row("archived"))
        assert (caught.value.status, caught.value.remedy) == (None, ())
        assert str(caught.value).endswith(
            "The Connection's status is not one that this version knows. "
            "Correct what is stored, or upgrade to a version that knows it."
        )

    def test_a_duplicate_of_one(self) -> None:
        with pytest.raises(DuplicateConnectionError, match="exists already;") as caught:
            authorize_create(
                OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=row("archived")
            )
        assert caught.value.decision.denials == (Denial.ALREADY_EXISTS, Denial.UNKNOWN_STATUS)

    def test_there_is_no_way_from_it(self) -> None:
        with pytest.raises(ValueError, match="'archived' is not a valid Status"):
            steps_to(row("archived"))


class TestMisuse:
    """The caller's own mistakes are `ValueError`s, never an answer."""

    @pytest.mark.parametrize("action", ["explode", "", "ACTIVATE", None, 5, []], ids=repr)
    def test_no_such_action(self, action: Any) -> None:
        for ask in (decide, can, authorize):
            with pytest.raises(ValueError, match="is not a valid Action"):
                ask(OUR_KEY, action, PENDING)
            with pytest.raises(ValueError, match="is not a valid Action"):
                ask(OUR_KEY, action, row("archived"))

    def test_no_such_goal(self) -> None:
        goal: Any = "accepted"
        with pytest.raises(ValueError, match="'accepted' is not a valid Status"):
            steps_to(PENDING, goal)

    @pytest.mark.parametrize(
        "pair", [("org_DEF456", "org_ABC123"), ("org_ABC123", "org_X"), ("org_ABC123", "org_A")]
    )
    def test_an_existing_connection_of_other_parties(self, pair: tuple[str, str]) -> None:
        with pytest.raises(ValueError, match="existing is a Connection") as caught:
            decide_create(OUR_KEY, source=pair[0], destination=pair[1], existing=PENDING)
        assert str(caught.value) == (
            "existing is a Connection from org_ABC123 to org_DEF456, not from "
            f"{pair[0]} to {pair[1]}; give the one for this ordered pair, or None"
        )

    def test_a_self_connection_is_asked_for(self) -> None:
        pair = ("org_ABC123", "org_ABC123")
        refused = decide_create(OUR_KEY, source=pair[0], destination=pair[1])
        assert refused.denials == (Denial.SELF_CONNECTION,)
        with pytest.raises(SelfConnectionError):
            authorize_create(OUR_KEY, source=pair[0], destination=pair[1])
        assert decide_create(OUR_KEY, source=pair[0], destination=pair[1], allow_self=True)


class TestAccess:
    """What is not granted beyond doubt is not granted."""

    @pytest.mark.parametrize(
        "scopes", [None, "inquiry.read", "inquiry.read,account.read", 5, [], {"other.read": 1}]
    )
    def test_scopes_that_grant_nothing(self, scopes: Any) -> None:
        decision = decide_access(PARTNER, "inquiry.read", row("active", scopes=scopes))
        assert decision.denials == (Denial.SCOPE_NOT_GRANTED,)

    @pytest.mark.parametrize(
        "scope", ["inquiry", "inquiry.READ", "inquiry.read ", "", "*", "inquiry.*"]
    )
    def test_a_scope_is_compared_exactly(self, scope: str) -> None:
        assert not decide_access(PARTNER, scope, ACTIVE)

    @pytest.mark.parametrize("scopes", [["inquiry.read"], ("inquiry.read",), {"inquiry.read"}])
    def test_any_collection_grants(self, scopes: Any) -> None:
        assert decide_access(PARTNER, "inquiry.read", row("active", scopes=scopes))

    def test_nothing_mends_what_else_failed(self) -> None:
        """The way to active is a remedy only where nothing but the status stands in the way."""
        assert decide_access(PARTNER, "inquiry.read", PENDING).remedy == steps_to(PENDING)
        assert decide_access(PARTNER, "x.y", PENDING).remedy == ()
        assert decide_access(OUR_KEY, "inquiry.read", PENDING).remedy == ()
        assert decide_access(PARTNER, "inquiry.read", ACTIVE).remedy == ()

    def test_a_self_connection_is_read_by_itself(self) -> None:
        connection = connection_in(Status.ACTIVE, to_self=True)
        assert decide_access(OUR_KEY, "inquiry.read", connection).roles == frozenset(Role)
        assert decide_access(OUR_KEY, "inquiry.read", connection)


class TestWays:
    """Where one is already, nothing is left to do."""

    def test_no_steps(self) -> None:
        for status in Status:
            assert steps_to(connection_in(status), status) == ()

    def test_a_plain_row(self) -> None:
        (step,) = steps_to(row("pending"))
        assert (step.action, step.before, step.after) == (
            Action.ACTIVATE,
            Status.PENDING,
            Status.ACTIVE,
        )
        assert step.roles == {Role.DESTINATION}

    def test_both_parties_may_withdraw(self) -> None:
        (step,) = steps_to(row("active"), Status.INACTIVE)
        assert str(step) == "the source or the destination must deactivate it"
        assert step.as_dict()["roles"] == ["destination", "source"]

    def test_done_already_is_said(self) -> None:
        done = decide(PARTNER, Action.ACTIVATE, ACTIVE)
        assert done.explanation.endswith("this one is active already.")
        assert done.advice.startswith("If that was the aim, it is done. First ")
        other = decide(OUR_KEY, Action.REACTIVATE, ACTIVE)
        assert other.explanation.endswith("this one is active.")
        assert other.advice == "First the source or the destination must deactivate it."

    def test_a_wrong_role_is_told_whose_it_is_and_when(self) -> None:
        assert decide(OUR_KEY, Action.ACTIVATE, PENDING).advice == (
            "It is for the destination to activate it."
        )
        assert decide(OUR_KEY, Action.ACTIVATE, ACTIVE).advice == (
            "It is for the destination to activate it, once it is pending."
        )


#: What no version has written down.
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
    """A decision that was written down can be read again, word for word."""

    @pytest.mark.parametrize("cell", decision_table(), ids=str)
    def test_every_decision(self, cell: Cell) -> None:
        decision = decision_table()[cell]
        record = json.loads(json.dumps(decision.as_dict()))
        assert Decision.from_dict(record) == decision
        assert repr(Decision.from_dict(record)) == repr(decision)
        assert Decision.from_dict(record).as_dict() == decision.as_dict()

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


class TestPermittingStatuses:
    """What a query needs to know: from which statuses a role may take an action."""

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("action", Action)
    def test_they_are_those_of_the_matrix(self, role: Role, action: Action) -> None:
        permitting = tuple(
            verdict.status
            for verdict in VERDICTS
            if verdict.action is action
            and verdict.roles == frozenset({role})
            and verdict.status is not None
            and verdict.target is not None
        )
        assert permitting_statuses(role, action) == permitting

    def test_both_roles_may_do_what_either_may(self) -> None:
        """What makes a query by single roles enough for self-connections."""
        for verdict in VERDICTS:
            if verdict.roles == frozenset(Role) and verdict.status is not None:
                single = {
                    status for role in Role for status in permitting_statuses(role, verdict.action)
                }
                assert (verdict.status in single) is (verdict.target is not None)

    def test_plain_strings_will_do(self) -> None:
        role: Any = "source"
        action: Any = "reactivate"
        assert permitting_statuses(role, action) == (Status.INACTIVE,)

    @pytest.mark.parametrize(("role", "action"), [("owner", "activate"), ("source", "expire")])
    def test_what_does_not_exist_is_refused(self, role: Any, action: Any) -> None:
        with pytest.raises(ValueError, match="is not a valid"):
            permitting_statuses(role, action)
