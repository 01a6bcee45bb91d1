"""The policy's questions: every cell of the matrix, creation, access, and hostile rows."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from cells import (
    ERRORS,
    assert_is_the_refusal,
    connection_for,
    every_creation_cell,
    every_existing_cell,
    told_status,
)
from oracle import BOTH, EXISTING, REMEDIES, VERDICTS, Verdict
from support import (
    OUR_KEY,
    PARTNER,
    STRANGER,
    Row,
    actor_with,
    connection_in,
    without_address,
)

from connect_core import (
    Action,
    Actor,
    Connection,
    Denial,
    DuplicateConnectionError,
    InvalidTransitionError,
    Role,
    SelfConnectionError,
    Status,
    Step,
    actions,
    allowed_actions,
    authorize,
    authorize_create,
    can,
    decide,
    decide_access,
    decide_create,
    permitting_statuses,
    steps_to,
)
from connect_core.answers import ENGLISH


@every_existing_cell
def test_decide(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    decision = decide(actor, verdict.action, connection)
    assert decision.allowed is (verdict.target is not None)
    assert bool(decision) is decision.allowed
    assert decision.action is verdict.action
    assert decision.status is told_status(verdict)
    assert decision.roles == verdict.roles
    assert decision.target is verdict.target
    assert decision.denials == verdict.denials
    assert decision.denial is (verdict.denials[0] if verdict.denials else None)


@every_existing_cell
def test_everything_that_asks_agrees_with_decide(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    decision = decide(actor, verdict.action, connection)
    assert can(actor, verdict.action, connection) is decision.allowed
    assert (verdict.action in allowed_actions(actor, connection)) is decision.allowed
    assert actions(actor, connection)[verdict.action] is decision
    assert decide(actor, verdict.action, Row.of(connection)) is decision
    assert can(actor, verdict.action, Row.of(connection)) is decision.allowed


@every_existing_cell
def test_authorize(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    before = connection.model_dump()
    if verdict.target is not None:
        assert authorize(actor, verdict.action, connection).target is verdict.target
    else:
        with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
            authorize(actor, verdict.action, connection)
        assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")
    assert connection.model_dump() == before


@every_creation_cell
def test_creation(verdict: Verdict) -> None:
    actor = actor_with(verdict.roles)
    to_self = verdict.roles == BOTH
    source, destination = "org_ABC123", "org_ABC123" if to_self else "org_DEF456"
    decision = decide_create(actor, source=source, destination=destination, allow_self=to_self)
    assert decision.allowed is (verdict.target is not None)
    assert (decision.target, decision.denials) == (verdict.target, verdict.denials)
    assert (decision.action, decision.status) == (Action.CREATE, None)
    assert decision.roles == verdict.roles
    if verdict.target is not None:
        assert (
            authorize_create(actor, source=source, destination=destination, allow_self=to_self)
            is decision
        )
        created = Connection.create(
            by=actor, source=source, destination=destination, allow_self=to_self
        )
        assert created.connection.status is verdict.target
        return
    with pytest.raises(ERRORS[verdict.denials[0]]) as asked:
        authorize_create(actor, source=source, destination=destination, allow_self=to_self)
    assert_is_the_refusal(asked.value, verdict, None)
    with pytest.raises(ERRORS[verdict.denials[0]]) as commanded:
        Connection.create(by=actor, source=source, destination=destination, allow_self=to_self)
    assert_is_the_refusal(commanded.value, verdict, None)


@pytest.mark.parametrize("verdict", [v for v in EXISTING if v.action is Action.CREATE], ids=str)
def test_creation_where_one_exists(verdict: Verdict) -> None:
    existing, actor = connection_for(verdict), actor_with(verdict.roles)
    with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
        authorize_create(
            actor,
            source=existing.source_organization_id,
            destination=existing.destination_organization_id,
            existing=existing,
            allow_self=True,
        )
    assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")


def in_words(steps: tuple[Step, ...]) -> str:
    return ", ".join(
        f"{step.action} by {' or '.join(role for role in Role if role in step.roles)}"
        for step in steps
    )


@every_existing_cell
def test_remedies(verdict: Verdict) -> None:
    """Others can remedy a wrong status, and nothing else."""
    decision = decide(actor_with(verdict.roles), verdict.action, connection_for(verdict))
    due = ""
    if verdict.denials == (Denial.WRONG_STATUS,):
        due = REMEDIES[str(verdict.status), verdict.action.value]
    assert in_words(decision.remedy) == due
    assert bool(decision.advice) is not decision.allowed


PENDING = connection_in(Status.PENDING)
ACTIVE = connection_in(Status.ACTIVE)

UNKNOWN: list[Any] = ["archived", "ACTIVE", "active ", "", "absent", "none", None, 5, True, [], {}]


def row(status: Any, **changes: Any) -> Any:
    """A row of somebody's table, with any values."""
    result: Any = Row("org_ABC123", "org_DEF456", status)
    for name, value in changes.items():
        setattr(result, name, value)
    return result


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
                assert decision == menu[action]
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
            "The Connection's status 'archived' is not one that this version knows. "
            "Correct the status that is stored, or upgrade to a version that knows it."
        )

    def test_a_duplicate_of_one(self) -> None:
        with pytest.raises(DuplicateConnectionError, match="exists already;") as caught:
            authorize_create(
                OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=row("archived")
            )
        assert caught.value.decision.denials == (Denial.ALREADY_EXISTS, Denial.UNKNOWN_STATUS)

    @pytest.mark.parametrize(
        ("status", "named"),
        [
            ("archived", "'archived'"),
            ("", "''"),
            ("x" * 10_000_000, f"'{'x' * 252}...'"),
            ("act\u202eive\n", "'act\\u202eive\\u000a'"),
            (None, "'None (NoneType)'"),
            (17, "'17 (int)'"),
        ],
        ids=["text", "empty", "long", "hidden", "null", "number"],
    )
    def test_it_is_named(self, status: Any, named: str) -> None:
        """Shortened and escaped, for parties only; equal questions get equal answers."""
        explanation = f"The Connection's status {named} is not one that this version knows."
        for _ in range(2):
            decisions = [
                decide(PARTNER, Action.ACTIVATE, row(status)),
                actions(OUR_KEY, row(status))[Action.DEACTIVATE],
                decide_access(PARTNER, "inquiry.read", row(status)),
            ]
            assert {decision.explanation for decision in decisions} == {explanation}
            assert named not in decide(STRANGER, Action.ACTIVATE, row(status)).explanation

    def test_answers_that_are_kept_are_bounded(self) -> None:
        """However many unknown statuses there are, and however long, little is kept of them."""
        tables: list[dict[Any, Any]] = [ENGLISH.decisions, ENGLISH.menus, ENGLISH.access]
        size = sum(map(len, tables))
        for number in range(2_000):
            actions(OUR_KEY, row(f"status {number}"))
            decide(OUR_KEY, "activate", row(f"{number}" * 1_000))
            decide_access(OUR_KEY, "inquiry.read", row(f"status {number}"))
        assert size < sum(map(len, tables)) <= 3 * 1024
        assert max(len(key[2]) for table in tables for key in table) <= 100
        assert decide(OUR_KEY, "activate", row("another")).denials[-1] is Denial.UNKNOWN_STATUS

    def test_there_is_no_way_from_it(self) -> None:
        with pytest.raises(ValueError, match="does not know the status 'archived'"):
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
    """Access is granted only beyond doubt."""

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
        """The way to active is a remedy only if the status is the only obstacle."""
        assert decide_access(PARTNER, "inquiry.read", PENDING).remedy == steps_to(PENDING)
        assert decide_access(PARTNER, "x.y", PENDING).remedy == ()
        assert decide_access(OUR_KEY, "inquiry.read", PENDING).remedy == ()
        assert decide_access(PARTNER, "inquiry.read", ACTIVE).remedy == ()

    def test_a_self_connection_is_read_by_itself(self) -> None:
        connection = connection_in(Status.ACTIVE, to_self=True)
        assert decide_access(OUR_KEY, "inquiry.read", connection).roles == frozenset(Role)
        assert decide_access(OUR_KEY, "inquiry.read", connection)


class TestWays:
    """`steps_to` on a plain row, and when nothing is left to do."""

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


class TestPermittingStatuses:
    """For queries: the statuses from which a role may take an action."""

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
        """So queries by single roles are enough for self-connections."""
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


SOURCE = Actor(id="api_1", organization_id="org_A")
DESTINATION = Actor(id="usr_1", organization_id="org_B")


@dataclass
class HostileRow:
    """A row with any values at all."""

    source_organization_id: Any = "org_A"
    destination_organization_id: Any = "org_B"
    status: Any = "active"
    scopes: Any = field(default_factory=lambda: ["inquiry.read"])


STATUSES: list[Any] = [
    None,
    5,
    0,
    True,
    float("nan"),
    [],
    {},
    set(),
    "",
    "ACTIVE",
    "active ",
    "active\n",
    "absent",
    "frozen",
    "аctive",  # noqa: RUF001  # begins with a Cyrillic a
    b"active",
    ("active",),
    object(),
    Action.ACTIVATE,
]


class TestHostileRows:
    """Whatever a row holds, the policy never raises, and never permits."""

    @pytest.mark.parametrize(
        "status",
        STATUSES,
        ids=without_address,
    )
    def test_status(self, status: Any) -> None:
        row = HostileRow(status=status)
        for actor in (SOURCE, DESTINATION):
            assert allowed_actions(actor, row) == frozenset()
            menu = actions(actor, row)
            for action in Action:
                assert not can(actor, action, row)
                assert decide(actor, action, row) == menu[action]
                assert Denial.UNKNOWN_STATUS in menu[action].denials
                assert menu[action].status is None
            access = decide_access(actor, "inquiry.read", row)
            assert not access
            assert Denial.UNKNOWN_STATUS in access.denials

    @pytest.mark.parametrize("id", [None, 5, "", b"org_A", [], "ORG_A", "org_a", "org_A ", "оrg_A"])  # noqa: RUF001  # a Cyrillic o
    def test_ids(self, id: Any) -> None:
        row = HostileRow(source_organization_id=id, destination_organization_id=id)
        for actor in (SOURCE, DESTINATION):
            assert allowed_actions(actor, row) == frozenset()
            for action in Action:
                assert decide(actor, action, row).denials == (Denial.NOT_A_PARTY,)
            access = decide_access(actor, "inquiry.read", row)
            assert access.denials == (Denial.NOT_A_PARTY,)

    @pytest.mark.parametrize(
        "scopes",
        [
            None,
            5,
            True,
            "inquiry.read",
            "inquiry.read,account.read",
            b"inquiry.read",
            bytearray(b"inquiry.read"),
            memoryview(b"inquiry.read"),
            [],
            [["inquiry.read"]],
            ["INQUIRY.READ"],
            ["inquiry.read "],
            [None, 5, {}],
            {"inquiry.read": False},
            iter(["inquiry.read"]),
            range(5),
            object(),
        ],
        ids=without_address,
    )
    def test_scopes(self, scopes: Any) -> None:
        decision = decide_access(DESTINATION, "inquiry.read", HostileRow(scopes=scopes))
        assert decision.denials == (Denial.SCOPE_NOT_GRANTED,)

    @pytest.mark.parametrize(
        "scope", ["", "x", "INQUIRY.READ", "inquiry.read\n", "inquiry", "*", "inquiry.*", "\x00"]
    )
    def test_a_scope_that_is_not_well_formed_is_granted_by_nothing(self, scope: str) -> None:
        """Not even by a row that holds it."""
        decision = decide_access(DESTINATION, scope, HostileRow(scopes=[scope]))
        assert decision.denials == (Denial.SCOPE_NOT_GRANTED,)
