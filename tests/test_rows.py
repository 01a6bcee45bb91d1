"""Rows that hold anything: a decision may be a denial, never an error, and never a permission."""

from collections import UserList, UserString
from collections.abc import Iterator
from contextlib import nullcontext
from enum import Enum, StrEnum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import (
    OUR_KEY,
    PARTNER,
    STRANGER,
    EqualClass,
    Row,
    actors,
    connection_in,
    connections,
)

from connect_core import (
    Action,
    Actor,
    ConnectError,
    Connection,
    Denial,
    OrganizationId,
    Scope,
    Status,
    actions,
    allowed_actions,
    authorize,
    authorize_access,
    can,
    decide,
    decide_access,
    decide_create,
    roles_of,
    steps_to,
)
from connect_core.text import same_value


class Agreeing:
    """An object that is equal to everything, contains everything and is true."""

    def __init__(self, hashed: object = "") -> None:
        self._hash = hash(hashed)

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return self._hash

    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Iterator[object]:
        return iter(["inquiry.read"])

    def __len__(self) -> int:
        return 1


class Impostor(Agreeing, metaclass=EqualClass):
    """An object whose class, too, is equal to everything."""


class Unhashable(Agreeing):
    """The same, without a hash."""

    __hash__ = None  # type: ignore[assignment]  # which is how Python says so


class Raising:
    """An object that raises whatever it is asked."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError

    __eq__ = __hash__ = __bool__ = __contains__ = __iter__ = __len__ = __str__ = _refuse


class AgreeingText(str):
    """Text that is equal to everything."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("active")

    def __str__(self) -> str:
        return "active"


class AgreeingList(list[str]):
    """A list that contains everything."""

    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(["inquiry.read"])


class Truth:
    """What comparing gives in libraries that compare whole columns or arrays: an object."""

    def __bool__(self) -> bool:
        return True


class Comparing:
    """An object whose ``==`` returns another object, which is true."""

    def __eq__(self, other: object) -> Any:
        return Truth()

    def __hash__(self) -> int:
        return 0


HOSTILE: list[Any] = [
    Agreeing("org_DEF456"),
    Agreeing("active"),
    Impostor("org_DEF456"),
    Impostor("active"),
    Unhashable(),
    Raising(),
    AgreeingText("else"),
    Comparing(),
    None,
    17,
    True,
    b"active",
    ["active"],
    UserString("active"),
    UserString("org_DEF456"),
    UUID(int=1),
    float("nan"),
]
each_value = pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
ACTIVE = Row("org_ABC123", "org_DEF456", "active", ["inquiry.read"])
#: The same, of the library's own types.
TYPED = Row(
    OrganizationId("org_ABC123"),
    OrganizationId("org_DEF456"),
    Status.ACTIVE,
    [Scope("inquiry.read")],
)
of_each_type = pytest.mark.parametrize("whole", [ACTIVE, TYPED], ids=["text", "typed"])


def row(whole: Row = ACTIVE, **changed: Any) -> Row:
    """An active row that would let the partner read, but for what was changed."""
    return Row(**{**vars(whole), **changed})


def everything_asked(actor: Actor, about: Row) -> None:
    """No question about it raises, and a refusal is a `ConnectError` with a text."""
    for action in Action:
        assert can(actor, action, about) is decide(actor, action, about).allowed
        assert actions(actor, about)[action] == decide(actor, action, about)
        assert (action in allowed_actions(actor, about)) is can(actor, action, about)
        with (
            nullcontext() if can(actor, action, about) else pytest.raises(ConnectError, match=r".")
        ):
            authorize(actor, action, about)
    readable = decide_access(actor, "inquiry.read", about)
    with nullcontext() if readable else pytest.raises(ConnectError, match=r"."):
        authorize_access(actor, "inquiry.read", about)


def test_the_row_that_is_changed_below_permits() -> None:
    assert decide_access(PARTNER, "inquiry.read", row()).allowed
    assert can(PARTNER, "deactivate", row())


@each_value
@of_each_type
def test_a_status(whole: Row, value: Any) -> None:
    about = row(whole, status=value)
    for actor in (OUR_KEY, PARTNER):
        everything_asked(actor, about)
        assert allowed_actions(actor, about) == frozenset()
        assert Denial.UNKNOWN_STATUS in decide_access(actor, "inquiry.read", about).denials
        assert Denial.UNKNOWN_STATUS in decide(actor, "deactivate", about).denials
    with pytest.raises(ValueError, match="does not know the status"):
        steps_to(about)
    second = decide_create(OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=about)
    assert Denial.ALREADY_EXISTS in second.denials


@each_value
@of_each_type
@pytest.mark.parametrize("role", ["source", "destination"])
def test_an_organization(role: str, whole: Row, value: Any) -> None:
    about = row(whole, **{f"{role}_organization_id": value})
    holder, other = (OUR_KEY, PARTNER) if role == "source" else (PARTNER, OUR_KEY)
    for actor in (holder, STRANGER):
        everything_asked(actor, about)
        assert roles_of(actor, about) == frozenset()
        assert decide(actor, "deactivate", about).denials == (Denial.NOT_A_PARTY,)
        assert decide_access(actor, "inquiry.read", about).denials == (Denial.NOT_A_PARTY,)
    assert can(other, "deactivate", about)
    with pytest.raises(ValueError, match="existing is a Connection from "):
        decide_create(OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=about)


@each_value
def test_scopes(value: Any) -> None:
    about = row(scopes=value)
    everything_asked(PARTNER, about)
    assert decide_access(PARTNER, "inquiry.read", about).denials == (Denial.SCOPE_NOT_GRANTED,)


@pytest.mark.parametrize(
    "scopes",
    [
        "inquiry.read",
        UserString("inquiry.readonly"),
        AgreeingText("inquiry.read"),
        b"inquiry.read",
        {"inquiry.read": True},
        dict.fromkeys(["inquiry.read"]).keys(),
        UserList(["inquiry.read"]),
        range(3),
        iter(["inquiry.read"]),
        AgreeingList(),
        AgreeingList(["account.read"]),
        [Agreeing("inquiry.read")],
        [Impostor("inquiry.read")],
        Impostor("inquiry.read"),
        {Agreeing("inquiry.read")},
        [AgreeingText("account.read")],
        (Raising(),),
        [["inquiry.read"]],
        ["inquiry.read "],
        ["Inquiry.read"],
        [],
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_what_grants_nothing(scopes: Any) -> None:
    decision = decide_access(PARTNER, "inquiry.read", row(scopes=scopes))
    assert decision.denials == (Denial.SCOPE_NOT_GRANTED,)


class Plain(str):
    """Text of a class of the host's own."""

    __slots__ = ()


class HostList(list[str]):
    """A list of a class of the host's own, as an ORM's that notices changes."""


@pytest.mark.parametrize(
    "scopes",
    [
        {"inquiry.read"},
        frozenset({Scope("inquiry.read")}),
        ["account.read", "inquiry.read"],
        ("inquiry.read",),
        [Plain("inquiry.read")],
        HostList(["inquiry.read"]),
        [None, 17, Raising(), "inquiry.read"],
        [Agreeing("inquiry.read"), "inquiry.read"],
    ],
    ids=lambda value: f"{type(value).__name__}",
)
@pytest.mark.parametrize("kind", [str, Scope, Plain])
def test_what_grants(scopes: Any, kind: type[str]) -> None:
    assert decide_access(PARTNER, kind("inquiry.read"), row(scopes=scopes)).allowed


@pytest.mark.parametrize("scope", ["*", "inquiry", "", "inquiry.read\n", "inquiry.read " * 9])
def test_an_ill_formed_scope_is_granted_by_nobody(scope: str) -> None:
    assert not decide_access(PARTNER, scope, row(scopes=[scope]))
    assert not decide_access(PARTNER, Plain(scope), row(scopes={Plain(scope)}))


@each_value
def test_what_is_asked_for(value: Any) -> None:
    """A scope that is no text is granted by nobody, and the refusal can be told."""
    assert not decide_access(PARTNER, value, row(scopes=[value]))
    assert not decide_access(PARTNER, value, row())
    with pytest.raises(ConnectError) as caught:
        authorize_access(PARTNER, value, row())
    assert str(caught.value)


class HostStatus(StrEnum):
    """The statuses as a host's enumeration of text."""

    ACTIVE = "active"


class OtherStatus(Enum):
    """The statuses as an enumeration that is no text."""

    ACTIVE = "active"


@each_value
@pytest.mark.parametrize(
    "about", [ACTIVE, TYPED, connection_in(Status.ACTIVE)], ids=["text", "typed", "Connection"]
)
def test_an_actors_organization(value: Any, about: Any) -> None:
    actor: Any = SimpleNamespace(organization_id=value)
    everything_asked(actor, about)
    assert allowed_actions(actor, about) == frozenset()
    assert decide(actor, "deactivate", about).denials == (Denial.NOT_A_PARTY,)
    assert decide_access(actor, "inquiry.read", about).denials == (Denial.NOT_A_PARTY,)


def test_text_of_the_hosts_own_counts_by_its_characters() -> None:
    about = row(
        source_organization_id=Plain("org_ABC123"),
        destination_organization_id=AgreeingText("org_DEF456"),
        status=HostStatus.ACTIVE,
    )
    assert decide_access(PARTNER, "inquiry.read", about).allowed
    assert decide(OUR_KEY, "deactivate", about) is decide(OUR_KEY, "deactivate", row())
    assert actions(OUR_KEY, about) is actions(OUR_KEY, row())
    assert not decide_access(STRANGER, "inquiry.read", about)
    assert not decide_access(PARTNER, "inquiry.read", row(status=OtherStatus.ACTIVE))
    assert roles_of(PARTNER, about) == roles_of(PARTNER, row())


def test_ids_that_are_no_text() -> None:
    """They are the same if they have one type and ``==`` says True."""
    assert same_value(17, 17)
    assert same_value(UUID(int=1), UUID(int=1))
    assert not same_value(1, True)
    assert not same_value(1, 1.0)
    assert not same_value(UUID(int=1), str(UUID(int=1)))
    assert not same_value(str(UUID(int=1)), UUID(int=1))
    assert not same_value(Comparing(), Comparing())
    assert not same_value(Raising(), Raising())
    assert not same_value(Impostor(), 17)


def test_members() -> None:
    """A member of an Enum is the same as itself alone, whatever its class says."""

    class Said(Enum):
        A = "a"
        B = "b"

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = Enum.__hash__

    assert same_value(Said.A, Said.A)
    assert not same_value(Said.A, Said.B)
    assert not same_value(Said.A, "a")
    assert not same_value("a", Said.A)


@given(
    connections,
    actors,
    st.sampled_from(sorted(vars(ACTIVE))),
    st.sampled_from(range(len(HOSTILE))),  # Hypothesis itself looks at what it draws
)
def test_one_hostile_value_never_permits_more(
    connection: Connection, actor: Actor, name: str, index: int
) -> None:
    """Law: what is permitted about a damaged row was permitted about the row."""
    before = Row.of(connection)
    damaged = Row(**{**vars(before), name: HOSTILE[index]})
    everything_asked(actor, damaged)
    assert allowed_actions(actor, damaged) <= allowed_actions(actor, before)
    for scope in ("inquiry.read", "account.read"):
        if decide_access(actor, scope, damaged):
            assert decide_access(actor, scope, before)
