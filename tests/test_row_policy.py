"""The policy about a host's own rows: the same answers, whatever their attributes and spellings."""

from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from enum import Enum, IntEnum, StrEnum
from itertools import product
from pickle import dumps, loads
from typing import Any
from uuid import UUID

import pytest
from cells import every_existing_cell
from hypothesis import given
from hypothesis import strategies as st
from oracle import BOTH, CREATION, DESTINATION, EXISTING, OUTSIDER, SOURCE, Verdict
from row_forms import IDS, NAMINGS, SPELLINGS, Caller, Partnership, Plain, State, policy, spelled
from support import EqualClass

from connect_core import (
    AccessDeniedError,
    Action,
    Actor,
    ConnectError,
    Denial,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
    Role,
    RowPolicy,
    SelfConnectionError,
    Status,
    Wording,
    actions,
    allowed_actions,
    authorize,
    can,
    decide,
    decide_access,
    decide_create,
    roles_of,
    steps_to,
)

every_id_type = pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
every_spelling = pytest.mark.parametrize("spelling", SPELLINGS)
every_naming = pytest.mark.parametrize("naming", NAMINGS)


def caller_with(roles: frozenset[Role], ids: tuple[Any, Any, Any]) -> tuple[Caller, Any, Any]:
    """Somebody who holds these roles, and the two organizations."""
    ours, theirs, others = ids
    return Caller(ours), *{
        SOURCE: (ours, theirs),
        DESTINATION: (theirs, ours),
        BOTH: (ours, ours),
        OUTSIDER: (theirs, others),
    }[roles]


def plain(verdict: Verdict) -> tuple[Caller, Plain]:
    """The same question about a row of ours, with ids that are texts."""
    caller, source, destination = caller_with(verdict.roles, IDS["text"])
    return caller, Plain(source, destination, str(verdict.status), ["inquiry.read"])


@every_spelling
@every_naming
def test_every_cell(naming: str, spelling: str) -> None:
    """All questions about an action have the oracle's answer, and the very decision of `decide`."""
    for verdict, ids in product(EXISTING, IDS.values()):
        check_cell(verdict, naming, spelling, ids)


def check_cell(verdict: Verdict, naming: str, spelling: str, ids: tuple[Any, Any, Any]) -> None:
    assert verdict.status is not None
    rows = policy(naming, spelling)
    caller, source, destination = caller_with(verdict.roles, ids)
    row = NAMINGS[naming].make(source, destination, rows.statuses[verdict.status], ())
    decision = rows.decide(caller, verdict.action, row)
    assert decision.target is verdict.target
    assert decision.denials == verdict.denials
    known, same = plain(verdict)
    assert decision is decide(known, verdict.action, same)
    assert rows.can(caller, verdict.action, row) is decision.allowed
    assert rows.actions(caller, row) is actions(known, same)
    assert rows.allowed_actions(caller, row) == allowed_actions(known, same)
    assert rows.steps_to(row) == steps_to(same)
    assert rows.steps_to(row, "inactive") == steps_to(same, Status.INACTIVE)
    if decision:
        assert rows.authorize(caller, verdict.action, row) is decision
        return
    with pytest.raises(ConnectError) as refused:
        rows.authorize(caller, verdict.action, row)
    with pytest.raises(ConnectError) as expected:
        authorize(known, verdict.action, same)
    assert type(refused.value) is type(expected.value)
    duplicate = isinstance(refused.value, DuplicateConnectionError)
    named = naming == "of its own" and (duplicate or verdict.action is not Action.CREATE)
    told = getattr(refused.value, "existing_id" if duplicate else "connection_id")
    assert told == ("5" if named else None)


@every_id_type
@every_existing_cell
def test_every_cell_without_a_mapping(verdict: Verdict, ids: Any) -> None:
    """Ids of any type, in the functions of the policy."""
    caller, source, destination = caller_with(verdict.roles, ids)
    row = Plain(source, destination, verdict.status)
    known, same = plain(verdict)
    assert decide(caller, verdict.action, row) is decide(known, verdict.action, same)
    assert can(caller, verdict.action, row) is (verdict.target is not None)
    assert actions(caller, row) is actions(known, same)
    assert allowed_actions(caller, row) == allowed_actions(known, same)
    assert roles_of(caller, row) == verdict.roles


@every_id_type
@every_spelling
@every_naming
@pytest.mark.parametrize("roles", [SOURCE, DESTINATION, BOTH, OUTSIDER], ids=str)
@pytest.mark.parametrize("scopes", [["inquiry.read", "x.y"], ("account.read",), None], ids=str)
def test_access(roles: frozenset[Role], naming: str, spelling: str, ids: Any, scopes: Any) -> None:
    rows = policy(naming, spelling)
    caller, source, destination = caller_with(roles, ids)
    known, giver, taker = caller_with(roles, IDS["text"])
    for status in Status:
        row = NAMINGS[naming].make(source, destination, rows.statuses[status], scopes)
        same = Plain(giver, taker, status.value, scopes)
        for scope in ("inquiry.read", "account.read", "ill-formed"):
            decision = rows.decide_access(caller, scope, row)
            assert decision is decide_access(known, scope, same)
            if decision:
                assert rows.authorize_access(caller, scope, row) is decision
                continue
            with pytest.raises(AccessDeniedError) as refused:
                rows.authorize_access(caller, scope, row)
            assert refused.value.decision is decision
            assert refused.value.reader is caller
            assert refused.value.scope == scope
            assert refused.value.connection_id == {"as here": None, "of its own": "5"}[naming]


@every_spelling
def test_creation(spelling: str) -> None:
    for verdict, ids in product(CREATION, IDS.values()):
        check_creation(verdict, spelling, ids)


def check_creation(verdict: Verdict, spelling: str, ids: tuple[Any, Any, Any]) -> None:
    rows = policy("of its own", spelling)
    caller, source, destination = caller_with(verdict.roles, ids)
    parties = {"source": source, "destination": destination}
    decision = rows.decide_create(caller, **parties, allow_self=True)
    assert (decision.target, decision.denials) == (verdict.target, verdict.denials)
    assert decision is decide_create(caller, **parties, allow_self=True)
    existing = Partnership(5, source, destination, None)
    for stored in (*rows.statuses.values(), SPELLINGS[spelling][1]):
        existing.state = stored
        again = rows.decide_create(caller, **parties, existing=existing, allow_self=True)
        assert again == rows.decide(caller, "create", existing) or stored == SPELLINGS[spelling][1]
        assert again.denials != ()
    if decision:
        assert rows.authorize_create(caller, **parties, allow_self=True) is decision
        with pytest.raises(DuplicateConnectionError) as refused:
            rows.authorize_create(caller, **parties, existing=existing, allow_self=True)
        assert refused.value.existing_id == "5"
    else:
        with pytest.raises(ForbiddenTransitionError):
            rows.authorize_create(caller, **parties, allow_self=True)


class TestCreation:
    """What else a creation may be refused for."""

    def test_with_oneself(self) -> None:
        ours = UUID(int=5)
        with pytest.raises(SelfConnectionError) as refused:
            RowPolicy().authorize_create(Caller(ours), source=ours, destination=UUID(int=5))
        assert refused.value.organization_id == ours
        decision = RowPolicy().decide_create(Caller(ours), source=ours, destination=UUID(int=5))
        assert decision.denials == (Denial.SELF_CONNECTION,)
        assert f"Both are {ours}." in str(refused.value)

    def test_other_parties(self) -> None:
        rows = policy("of its own", "integers")
        parties: list[tuple[Any, Any]] = [(1, 3), (2, 1), (1, "2")]
        for giver, taker in parties:
            existing = Partnership(5, giver, taker, 0)
            with pytest.raises(ValueError, match=r"^existing is a Connection from \d to \d, not "):
                rows.decide_create(Caller(1), source=1, destination=2, existing=existing)

    @pytest.mark.parametrize(("source", "destination"), [(None, 2), (1, None), (None, None)])
    def test_nobody(self, source: Any, destination: Any) -> None:
        for ask in (RowPolicy().decide_create, decide_create):
            with pytest.raises(TypeError, match=r"^source and destination: expected an organ"):
                ask(Caller(1), source=source, destination=destination)


# --- Unknown statuses ----------------------------------------------------------------------------


class TestUnknownStatuses:
    """A status outside of the mapping permits nothing, and is named."""

    @every_spelling
    def test_one_that_has_no_meaning(self, spelling: str) -> None:
        stored = SPELLINGS[spelling][1]
        rows = policy("of its own", spelling)
        row = Partnership(5, 1, 2, stored, ["inquiry.read"])
        for decision in (
            rows.decide(Caller(2), "activate", row),
            rows.actions(Caller(1), row)[Action.DEACTIVATE],
            rows.decide_access(Caller(2), "inquiry.read", row),
        ):
            assert decision.denial is Denial.UNKNOWN_STATUS
            assert str(stored) in decision.explanation
            assert decision.status is None
        assert rows.allowed_actions(Caller(1), row) == frozenset()
        with pytest.raises(InvalidTransitionError):
            rows.authorize(Caller(2), "activate", row)
        with pytest.raises(
            ValueError, match=r"^no Status is spelled .*; the spellings are: pending "
        ):
            rows.steps_to(row)
        outsider = rows.decide(Caller(3), "activate", row)
        assert outsider.denials == (Denial.NOT_A_PARTY,)
        assert str(stored) not in outsider.explanation

    @pytest.mark.parametrize("spelling", ["upper case", "integers", "Enum", "StrEnum", "IntEnum"])
    @pytest.mark.parametrize("status", Status)
    def test_our_own_spelling(self, spelling: str, status: Status) -> None:
        """It means nothing if the mapping does not say so, and the explanation tells the two."""
        rows = policy("of its own", spelling)
        for stored in (status, status.value):
            decision = rows.decide(Caller(2), "activate", Partnership(5, 1, 2, stored))
            assert decision.denials == (Denial.UNKNOWN_STATUS,)
            name = type(stored).__name__
            assert f"status '{status.value} ({name})' is not one" in decision.explanation

    def test_text_and_numbers_are_not_the_same(self) -> None:
        numbers = policy("of its own", "integers")
        for stored in ("1", 1.0, True, False, b"1", None, [], [1], State.RUNNING):
            assert not numbers.can(Caller(1), "deactivate", Partnership(5, 1, 2, stored))
        assert numbers.can(Caller(1), "deactivate", Partnership(5, 1, 2, 1))

    def test_members_and_what_they_hold(self) -> None:
        """A member that is a text or a number is the same as that; another one is not."""

        class Text(str, Enum):  # noqa: UP042  # not a StrEnum
            ON = "Running"

        class Number(IntEnum):
            ON = 2

        class Name(StrEnum):
            ON = "Running"

        on: dict[str, list[Any]] = {
            "StrEnum": ["Running", Text.ON, Name.ON],
            "IntEnum": [2, Number.ON],
        }
        for spelling, values in on.items():
            for stored in values:
                row = Partnership(5, 1, 2, stored)
                assert policy("of its own", spelling).can(Caller(1), "deactivate", row), stored
        for stored in ("active?", "RUNNING", 2):
            row = Partnership(5, 1, 2, stored)
            assert not policy("of its own", "Enum").can(Caller(1), "deactivate", row)


# --- Hostile rows --------------------------------------------------------------------------------


class Raising:
    """An object that raises whatever it is asked."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError

    __eq__ = __hash__ = __bool__ = __contains__ = __iter__ = __len__ = __str__ = _refuse


class Agreeing:
    """An object that is equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("ACTIVE")


class Impostor(Agreeing, metaclass=EqualClass):
    """An object whose class, too, is equal to everything."""


class Unhashable(Impostor):
    """The same, without a hash."""

    __hash__ = None  # type: ignore[assignment]  # which is how Python says so


class AgreeingText(str):
    """Text that is equal to everything."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


class AgreeingNumber(int):
    """A number that is equal to everything."""

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        return True


ODD: list[Any] = [
    None, "", 0, 1, True, 1.0, b"", [], {}, (), Raising(), Agreeing(), Impostor(), Unhashable(),
    AgreeingText("x"),
    AgreeingNumber(5), UUID(int=17), "ACTIVE", "acme", Status.ACTIVE, State.RUNNING,
    float("nan"),
]  # fmt: skip


class TestHostileRows:
    """Whatever a row holds, the questions are answered, and nothing is permitted by mistake."""

    @every_spelling
    def test_anything(self, spelling: str) -> None:
        rows = policy("of its own", spelling)
        for ours, source, destination in product(["acme", 17, UUID(int=17), None], ODD, ODD):
            for stored in (rows.statuses[Status.ACTIVE], "ACTIVE", *ODD):
                row = Partnership(5, source, destination, stored, ODD)
                held = rows.decide(Caller(ours), "deactivate", row).roles
                assert (Role.SOURCE in held) is is_same(ours, source)
                assert (Role.DESTINATION in held) is is_same(ours, destination)

    @every_spelling
    def test_any_status(self, spelling: str) -> None:
        rows = policy("of its own", spelling)
        active = rows.statuses[Status.ACTIVE]
        for stored in ODD:
            row = Partnership(5, 17, 18, stored, ["inquiry.read"])
            allowed = rows.decide(Caller(17), "deactivate", row).allowed
            known = [each for each in rows.statuses.values() if is_same(each, stored)]
            assert allowed is bool(set(known) - {rows.statuses[Status.INACTIVE]})
            reads = rows.decide_access(Caller(18), "inquiry.read", row).allowed
            assert reads is (active in known)

    def test_nobody(self) -> None:
        """None is no organization, so that nobody holds a role where an id is missing."""
        row = Partnership(5, None, None, "PENDING", ["inquiry.read"])
        rows = policy("of its own", "upper case")
        for decision in (
            rows.decide(Caller(None), "activate", row),
            decide(Caller(None), "activate", Plain(None, None, "pending")),
        ):
            assert decision.denials == (Denial.NOT_A_PARTY,)
        with pytest.raises(NotAPartyError, match=r"^an actor of None may not activate 5: "):
            rows.authorize(Caller(None), "activate", row)

    @given(st.data())
    def test_a_mapping_changes_nothing(self, data: st.DataObject) -> None:
        """The law: a row in other words is decided as the row in ours."""
        kind = data.draw(st.sampled_from(sorted(IDS)))
        naming = data.draw(st.sampled_from(sorted(NAMINGS)))
        spelling = data.draw(st.sampled_from(sorted(SPELLINGS)))
        rows = policy(naming, spelling)
        some = st.sampled_from([*IDS[kind], None])
        ours, source, destination = data.draw(st.tuples(some, some, some))
        status = data.draw(st.sampled_from([*Status, None]))
        stored = SPELLINGS[spelling][1] if status is None else rows.statuses[status]
        scopes = data.draw(st.lists(st.sampled_from(["inquiry.read", "account.read", None])))
        row = NAMINGS[naming].make(source, destination, stored, scopes)
        same = Plain(source, destination, status or "frozen", scopes)
        for action in Action:
            one, other = rows.decide(Caller(ours), action, row), decide(Caller(ours), action, same)
            assert (one.denials, one.target, one.remedy) == (
                other.denials,
                other.target,
                other.remedy,
            )
        one = rows.decide_access(Caller(ours), "inquiry.read", row)
        assert one.denials == decide_access(Caller(ours), "inquiry.read", same).denials


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same, as the policy has it, typed by hand."""
    if one is None or isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, str) and isinstance(other, str):
        return str.__eq__(one, other)
    if isinstance(one, int) and isinstance(other, int):
        return int.__eq__(one, other)
    return type(one) is type(other) and not isinstance(one, Raising) and bool(one == other)


# --- Scopes --------------------------------------------------------------------------------------


class TestScopeNames:
    """Scopes that a host spells otherwise."""

    @pytest.mark.parametrize(
        ("name", "stored", "others"),
        [
            ("READ_INQUIRIES", "READ_INQUIRIES", ["inquiry.read", "read_inquiries", 1]),
            (1, 1, ["1", True, 1.0, "inquiry.read"]),
            (State.RUNNING, State.RUNNING, ["active?", "RUNNING", State.OVER]),
        ],
    )
    def test_they_are_all_that_there_are(self, name: Any, stored: Any, others: list[Any]) -> None:
        rows = RowPolicy(scope_names={"inquiry.read": name})
        for collection in (list, tuple, set, frozenset):
            row = Plain(1, 2, "active", collection([stored, None]))
            assert rows.decide_access(Caller(2), "inquiry.read", row)
            row = Plain(1, 2, "active", collection(others))
            assert not rows.decide_access(Caller(2), "inquiry.read", row)
        for scope in ("account.read", "READ_INQUIRIES", "", None, 1):
            row = Plain(1, 2, "active", ["account.read", scope, stored])
            decision = rows.decide_access(Caller(2), scope, row)  # type: ignore[arg-type]
            assert decision.denials == (Denial.SCOPE_NOT_GRANTED,)

    def test_the_spelling(self) -> None:
        rows = RowPolicy(scope_names={"inquiry.read": 5})
        assert rows.spelling_of("inquiry.read") == 5
        assert rows.spelling_of("account.read") is None
        assert rows.scope_names == {"inquiry.read": 5}

    def test_named_by_members(self) -> None:
        """What a scope is called is its text, not what `str` makes of a member."""

        class Ours(str, Enum):  # noqa: UP042  # its `str` differs from its text
            INQUIRY = "inquiry.read"

        rows = RowPolicy(scope_names={Ours.INQUIRY: "I"})
        assert rows.scope_names == {"inquiry.read": "I"}
        assert repr(rows) == "RowPolicy(scope_names={'inquiry.read': 'I'})"
        assert rows.spelling_of("inquiry.read") == rows.spelling_of(Ours.INQUIRY) == "I"
        assert RowPolicy().spelling_of("account.read") == "account.read"
        for scope in ("ill-formed", "", None, 5):
            assert RowPolicy().spelling_of(scope) is None  # type: ignore[arg-type]
        assert RowPolicy().scope_names is None


# --- Making one ----------------------------------------------------------------------------------


def _pickled(rows: RowPolicy) -> RowPolicy:
    again: RowPolicy = loads(dumps(rows))
    return again


COPIES: list[Callable[[RowPolicy], RowPolicy]] = [copy, deepcopy, _pickled]


class TestMaking:
    """A mapping that is incomplete or ambiguous is refused at once, by name."""

    def test_what_it_says(self) -> None:
        rows = policy("of its own", "upper case")
        names = (rows.source, rows.destination, rows.status, rows.scopes, rows.id)
        assert names == ("giver", "taker", "state", "permits", "number")
        assert rows.statuses == SPELLINGS["upper case"][0]
        assert list(rows.statuses) == list(Status)
        with pytest.raises(TypeError):
            rows.statuses[Status.ACTIVE] = "x"  # type: ignore[index]
        assert repr(rows) == (
            "RowPolicy(source='giver', destination='taker', status='state', scopes='permits',"
            " id='number', statuses={'pending': 'PENDING', 'active': 'ACTIVE',"
            " 'inactive': 'INACTIVE'})"
        )
        assert repr(RowPolicy()) == repr(RowPolicy(status="".join("status"))) == "RowPolicy()"
        plain_names = RowPolicy()
        assert plain_names.statuses == {status: status.value for status in Status}

    def test_where_a_step_leads(self) -> None:
        rows = policy("of its own", "Enum")
        row = Partnership(5, 1, 2, State.OFFERED, ["inquiry.read"])
        assert rows.target_of(rows.decide(Caller(2), "activate", row)) is State.RUNNING
        assert rows.target_of(rows.decide(Caller(1), "deactivate", row)) is State.OVER
        assert rows.target_of(rows.decide_create(Caller(1), source=1, destination=2)) is (
            State.OFFERED
        )
        row.state = State.RUNNING
        for nowhere in (
            rows.decide(Caller(1), "activate", row),
            rows.decide_access(Caller(2), "inquiry.read", row),
        ):
            with pytest.raises(ValueError, match=r"^this decision leads to no status: [OT]"):
                rows.target_of(nowhere)

    def test_roles(self) -> None:
        rows = policy("of its own", "integers")
        row = Partnership(5, 1, 2, "no status")
        assert rows.roles_of(Caller(1), row) == SOURCE
        assert rows.roles_of(Caller(2), row) == DESTINATION
        assert rows.roles_of(Caller(3), row) == OUTSIDER
        row.taker = 1
        assert rows.roles_of(Caller(1), row) == BOTH
        assert rows.attribute_of(Role.SOURCE) == "giver"
        assert rows.attribute_of("destination") == "taker"
        with pytest.raises(ValueError, match="'giver' is not a valid Role"):
            rows.attribute_of("giver")

    def test_statuses_by_their_names(self) -> None:
        given_as_text = {"inactive": 3, "pending": 1, "active": 2}
        assert RowPolicy(statuses=given_as_text).statuses == spelled(1, 2, 3)

    @pytest.mark.parametrize("copied", COPIES, ids=["copied", "deeply", "pickled"])
    def test_copies(self, copied: Callable[[RowPolicy], RowPolicy]) -> None:
        """They say what the original says."""
        words = Wording(source="the giver")
        rows = policy("of its own", "Enum", scope_names={"a.b": 5}, wording=words)
        again = copied(rows)
        assert repr(again) == repr(rows)
        row = Partnership(5, 17, 18, State.OFFERED, [5])
        for action in Action:
            assert again.decide(Caller(17), action, row) == rows.decide(Caller(17), action, row)
        assert copied(RowPolicy()).decide(Caller(1), "create", Plain(1, 2, "active")) is decide(
            Caller(1), "create", Plain(1, 2, "active")
        )

    def test_members_without_a_hash(self) -> None:
        class Odd(Enum):
            A, B, C = range(3)

            def __eq__(self, other: object) -> bool:
                return self is other

            __hash__ = None  # type: ignore[assignment]  # which is how Python says so

        rows = RowPolicy(statuses={"pending": Odd.A, "active": Odd.B, "inactive": Odd.C})
        assert rows.can(Caller(1), "reactivate", Plain(1, 2, Odd.C))
        assert not rows.can(Caller(1), "reactivate", Plain(1, 2, Odd.A))

    def test_a_mapping_is_copied(self) -> None:
        statuses = spelled(1, 2, 3)
        rows = RowPolicy(statuses=statuses)
        statuses[Status.ACTIVE] = 9
        assert rows.statuses[Status.ACTIVE] == 2

    @pytest.mark.parametrize(
        ("statuses", "kind", "message"),
        [
            (
                {},
                ValueError,
                "statuses: give the spelling of each; missing: pending, active, inactive",
            ),
            ({"pending": 1, "active": 2}, ValueError, "spelling of each; missing: inactive"),
            (spelled(1, 2, 3) | {"frozen": 4}, ValueError, "'frozen' is not a Status; they are"),
            ({5: 5}, ValueError, "5 is not a Status"),
            (spelled("A", "B", "A"), ValueError, "pending and inactive are both spelled 'A'; a"),
            (spelled("x", State.OVER, State.OVER), ValueError, "active and inactive are both"),
            (spelled(1, 2, 1), ValueError, "both spelled 1"),
            (spelled(1, None, 3), TypeError, "the spelling of active must be text, an integer or"),
            (spelled(True, 2, 3), TypeError, "a member of an Enum, not bool"),
            (spelled(1.0, 2, 3), TypeError, "not float"),
            (spelled(["P"], 2, 3), TypeError, "not list"),
        ],
    )
    def test_statuses(self, statuses: Any, kind: type[Exception], message: str) -> None:
        with pytest.raises(kind, match=f"^statuses: .*{message.removeprefix('statuses: ')}"):
            RowPolicy(statuses=statuses)

    @pytest.mark.parametrize(
        ("names", "kind", "message"),
        [
            ({"inquiry": "R"}, ValueError, "^scope_names: .*inquiry"),
            ({5: "R"}, (TypeError, ValueError), "^scope_names: "),
            ({"a.b": "R", "a.c": "R"}, ValueError, "^scope_names: a.b and a.c are both spelled"),
            ({"a.b": None}, TypeError, "^scope_names: the spelling of a.b must be text"),
        ],
    )
    def test_scope_names(self, names: Any, kind: type[Exception], message: str) -> None:
        with pytest.raises(kind, match=message):
            RowPolicy(scope_names=names)

    @pytest.mark.parametrize(
        ("names", "kind", "message"),
        [
            (
                {"source": "org", "destination": "org"},
                ValueError,
                "source and destination are both",
            ),
            ({"id": "status"}, ValueError, "^status and id are both 'status'; name two"),
            ({"status": ""}, ValueError, "^status: '' is not the name of an attribute"),
            ({"scopes": "a.b"}, ValueError, "^scopes: 'a.b' is not the name of an attribute"),
            ({"source": None}, TypeError, "^source: expected an attribute's name, got NoneType"),
            ({"destination": 5}, TypeError, "^destination: expected an attribute's name, got int"),
        ],
    )
    def test_names(self, names: Mapping[str, Any], kind: type[Exception], message: str) -> None:
        with pytest.raises(kind, match=message):
            RowPolicy(**names)

    def test_wording(self) -> None:
        with pytest.raises(TypeError, match=r"^wording: expected a Wording, got dict"):
            RowPolicy(wording={})  # type: ignore[call-overload]

    def test_no_such_action(self) -> None:
        row = Plain(1, 2, "active")
        wrong: list[Any] = ["explode", None, []]
        for ask in (RowPolicy().decide, RowPolicy().can, RowPolicy().authorize):
            for action in wrong:
                with pytest.raises(ValueError, match="is not a valid Action"):
                    ask(Caller(1), action, row)

    def test_no_such_attribute(self) -> None:
        with pytest.raises(AttributeError, match="giver"):
            policy("of its own", "as here").can(Caller(1), "activate", Plain(1, 2, "active"))

    def test_no_such_goal(self) -> None:
        with pytest.raises(ValueError, match="'frozen' is not a valid Status"):
            RowPolicy().steps_to(Plain(1, 2, "active"), "frozen")


class TestWords:
    """Decisions are in the host's words."""

    def test_all_of_them(self) -> None:
        rows = RowPolicy(wording=Wording(connection="partnership", source="the giver"))
        row = Plain(1, 2, "pending", [])
        refused = rows.decide(Caller(1), "activate", row)
        assert refused.explanation == (
            "Only the destination may activate a partnership, and the actor acts for the giver."
        )
        assert rows.actions(Caller(1), row)[Action.ACTIVATE] == refused
        assert rows.decide_create(Caller(2), source=1, destination=2).explanation == (
            "Only the giver may create a partnership, and the actor acts for the destination."
        )
        access = rows.decide_access(Caller(2), "inquiry.read", row)
        assert access.explanation.startswith("Data may pass only while the partnership is active")
        row.status = "FROZEN"
        unknown = rows.decide(Caller(1), "deactivate", row)
        assert unknown.explanation.startswith("The partnership's status 'FROZEN' is not one")
        with pytest.raises(InvalidTransitionError, match="The partnership's status 'FROZEN'"):
            rows.authorize(Caller(1), "deactivate", row)

    def test_the_guide_keeps_its_own(self) -> None:
        RowPolicy(wording=Wording(connection="partnership"))
        assert "a Connection" in decide(Caller(1), "activate", Plain(1, 2, "active")).explanation

    def test_an_actor_of_the_guide(self) -> None:
        actor = Actor(id="usr_1", organization_id="org_A")
        assert policy("of its own", "upper case").can(
            actor, "activate", Partnership(5, "org_B", "org_A", "PENDING")
        )
