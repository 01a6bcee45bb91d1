"""What type checkers accept as a row: objects of SQLAlchemy and Django, and rows of a select.

And what they accept as an actor, and under a `RowPolicy`.

Checked by mypy and pyright, run by neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypedDict, assert_type
from uuid import UUID

from django.db import models
from partnerships.models import ApiKey
from partnerships.models import Partnership as DjangoPartnership
from partnerships.policy import POLICY, State
from sqlalchemy import JSON, ColumnElement, RowMapping, select
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column

from connect_core import (
    Action,
    Actor,
    Decision,
    Denial,
    Role,
    RowPolicy,
    Status,
    Step,
    actions,
    allowed_actions,
    authorize,
    authorize_access,
    authorize_create,
    can,
    decide,
    decide_access,
    decide_create,
    permitting_statuses,
    roles_of,
    steps_to,
)
from connect_core.adapters.sql import actionable, connections, readable, visible

actor = Actor(id="usr_1", organization_id="org_A")


class Base(DeclarativeBase):
    """The host's tables."""


class HostStatus(Enum):
    """A host's own enumeration."""

    PENDING = "pending"


class Partnership(Base):
    """The documentation's own example, with nullable columns and an enumeration."""

    __tablename__ = "partnership"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_organization_id: Mapped[str]
    destination_organization_id: Mapped[str | None]
    status: Mapped[HostStatus | None]
    scopes: Mapped[list[str] | None] = mapped_column(JSON)


class AsDataclass(MappedAsDataclass, Base):
    """A class that is mapped as a dataclass."""

    __tablename__ = "as_dataclass"
    id: Mapped[str] = mapped_column(primary_key=True)
    source_organization_id: Mapped[str]
    destination_organization_id: Mapped[str]
    status: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(JSON)


class Annotated(models.Model):
    """A Django model with annotated fields."""

    source_organization_id: "models.CharField[str, str]" = models.CharField(max_length=255)
    destination_organization_id: "models.CharField[str | None, str | None]" = models.CharField(
        max_length=255, null=True
    )
    status: "models.CharField[str, str]" = models.CharField(max_length=16)
    scopes: "models.JSONField[list[str], list[str]]" = models.JSONField()


class Untyped(models.Model):
    """A Django model as most are written: fields without annotations."""

    source_organization_id = models.CharField(max_length=255)  # type: ignore[var-annotated]  # as in
    destination_organization_id = models.CharField(null=True)  # type: ignore[var-annotated]  # most
    status = models.CharField(max_length=16)  # type: ignore[var-annotated]  # models
    scopes = models.JSONField(default=list)


class Plain(NamedTuple):
    """A row as a named tuple."""

    source_organization_id: str
    destination_organization_id: str
    status: str
    scopes: tuple[str, ...] = ()


class Frozen(TypedDict):
    """Not a row: members instead of attributes."""

    status: str


def every_question(session: Session) -> None:
    """Each kind of row, put to the questions that take one."""
    mapped = session.get_one(Partnership, 1)
    assert_type(mapped.status, HostStatus | None)
    assert_type(can(actor, "activate", mapped), bool)
    assert_type(decide(actor, Action.ACTIVATE, mapped), Decision)
    assert_type(authorize(actor, "deactivate", mapped), Decision)
    assert_type(decide_access(actor, "inquiry.read", mapped), Decision)
    assert_type(authorize_access(actor, "inquiry.read", mapped), Decision)
    assert_type(allowed_actions(actor, mapped), frozenset[Action])
    assert_type(actions(actor, mapped), Mapping[Action, Decision])
    assert_type(steps_to(mapped), tuple[Step, ...])
    assert_type(steps_to(mapped, "inactive"), tuple[Step, ...])
    assert_type(roles_of(actor, mapped), frozenset[Role])
    assert_type(
        decide_create(actor, source="org_A", destination="org_B", existing=mapped), Decision
    )
    assert_type(
        authorize_create(actor, source="org_A", destination="org_B", existing=mapped), Decision
    )

    as_dataclass = session.get_one(AsDataclass, "cxn_1")
    assert_type(can(actor, "activate", as_dataclass), bool)
    assert_type(decide_access(actor, "inquiry.read", as_dataclass), Decision)

    for row in session.execute(select(connections)):
        assert_type(can(actor, "activate", row), bool)
        assert_type(decide_access(actor, "inquiry.read", row), Decision)
        assert_type(actions(actor, row), Mapping[Action, Decision])
    columns = select(Partnership.source_organization_id, Partnership.status)
    for typed in session.execute(columns):
        assert_type(can(actor, "activate", typed), bool)
    mapping: RowMapping = session.execute(select(connections)).mappings().one()
    assert_type(can(actor, "activate", Plain(**mapping)), bool)


def of_django() -> None:
    """Models of Django."""
    annotated = Annotated.objects.get(pk=1)
    assert_type(can(actor, "activate", annotated), bool)
    assert_type(decide_access(actor, "inquiry.read", annotated), Decision)
    untyped = Untyped.objects.get(pk=1)
    assert_type(can(actor, "activate", untyped), bool)
    assert_type(decide_access(actor, "inquiry.read", untyped), Decision)
    assert_type(actions(actor, untyped), Mapping[Action, Decision])


def of_python(frozen: Frozen) -> None:
    """Named tuples; and what is refused, because it has no attributes."""
    assert_type(can(actor, "activate", Plain("org_A", "org_B", "pending")), bool)
    can(actor, "activate", frozen)  # type: ignore[arg-type]  # a dict has members
    can(actor, "activate", "pending")  # type: ignore[arg-type]  # text has no status
    can(actor, 1, Plain("org_A", "org_B", "pending"))  # type: ignore[arg-type]  # a number


assert_type(permitting_statuses("source", "deactivate"), tuple[Status, ...])
assert_type(decide(actor, "activate", Plain("a", "b", "c")).denial, Denial | None)
visible("org_A", on=Partnership)
actionable(actor, "activate", on=Partnership)


# --- Rows with names of their own ----------------------------------------------------------------


class OwnNames(Base):
    """A class of SQLAlchemy's."""

    __tablename__ = "own_names"
    number: Mapped[int] = mapped_column(primary_key=True)
    giver: Mapped[UUID]
    taker: Mapped[UUID | None]
    state: Mapped[int]
    permits: Mapped[list[str]] = mapped_column(JSON)


@dataclass
class PlainOwnNames:
    """A dataclass."""

    giver: int
    taker: int
    state: HostStatus
    permits: set[str]


rows = RowPolicy(
    source="giver",
    destination="taker",
    status="state",
    scopes="permits",
    id="number",
    statuses={Status.PENDING: 1, Status.ACTIVE: 2, Status.INACTIVE: 3},
)
assert_type(RowPolicy(statuses={"pending": 1, "active": 2, "inactive": 3}), RowPolicy[int])
assert_type(RowPolicy(source="giver"), RowPolicy[str])
assert_type(POLICY, RowPolicy[State])
of_any: RowPolicy = POLICY  # what a function takes that does not mind how statuses are spelled
RowPolicy(statuses=["pending", "active", "inactive"])  # type: ignore[call-overload]  # no mapping
RowPolicy("giver", "taker")  # type: ignore[call-overload]  # by position


@dataclass(frozen=True)
class Key:
    """An actor with nothing but an organization."""

    organization_id: UUID


class User(NamedTuple):
    """An actor with an id."""

    id: int
    organization_id: int


class Account:
    """An actor whose organization is computed."""

    @property
    def organization_id(self) -> str | None:
        """None, as long as it has none."""
        return None


@dataclass
class Nobody:
    """Not an actor: it has no `organization_id`."""

    id: str
    org_id: str


def with_own_names(session: Session, key: ApiKey) -> None:
    """Each question about rows of each kind."""
    mapped = session.get_one(OwnNames, 1)
    in_django = DjangoPartnership.objects.get(pk=UUID(int=1))
    plain = PlainOwnNames(1, 2, HostStatus.PENDING, {"inquiry.read"})
    for each, policy in ((mapped, rows), (in_django, POLICY), (plain, rows)):
        assert_type(policy.decide(key, "activate", each), Decision)
        assert_type(policy.can(key, Action.ACTIVATE, each), bool)
        assert_type(policy.authorize(key, "activate", each), Decision)
        assert_type(policy.actions(key, each), Mapping[Action, Decision])
        assert_type(policy.allowed_actions(key, each), frozenset[Action])
        assert_type(policy.steps_to(each), tuple[Step, ...])
        assert_type(policy.steps_to(each, "inactive"), tuple[Step, ...])
        assert_type(policy.decide_access(key, "inquiry.read", each), Decision)
        assert_type(policy.authorize_access(key, "inquiry.read", each), Decision)
        ours, theirs = UUID(int=1), UUID(int=2)
        assert_type(
            policy.decide_create(key, source=ours, destination=theirs, existing=each), Decision
        )
        assert_type(
            policy.authorize_create(key, source=ours, destination=theirs, existing=each), Decision
        )
    assert_type(rows.statuses, Mapping[Status, int])
    assert_type(rows.target_of(rows.decide(key, "activate", mapped)), int)
    assert_type(rows.roles_of(key, mapped), frozenset[Role])
    assert_type(rows.attribute_of(Role.SOURCE), str)
    assert_type(rows.scope_names, Mapping[str, object] | None)
    assert_type(rows.spelling_of("inquiry.read"), object)
    assert_type(rows.source, str)
    assert_type(visible(UUID(int=1), on=OwnNames, rows=rows), ColumnElement[bool])
    assert_type(actionable(key, "activate", on=OwnNames, rows=rows), ColumnElement[bool])
    assert_type(readable(key, "inquiry.read", on=OwnNames, rows=rows), ColumnElement[bool])


def of_every_type(mapped: OwnNames, plain: Plain) -> None:
    """Actors with an organization's id of any type; and what is refused, because it has none."""
    for each in (Key(UUID(int=1)), User(1, 2), Account()):
        assert_type(rows.decide(each, "activate", mapped), Decision)
        assert_type(decide(each, "activate", plain), Decision)
        assert_type(roles_of(each, plain), frozenset[Role])
        assert_type(actionable(each, "activate"), ColumnElement[bool])
    nobody = Nobody("usr_1", "org_A")
    rows.decide(nobody, "activate", mapped)  # type: ignore[arg-type]
    rows.authorize_access(nobody, "inquiry.read", mapped)  # type: ignore[arg-type]
    decide(nobody, "activate", plain)  # type: ignore[arg-type]
    actionable(nobody, "activate")  # type: ignore[arg-type]
    readable("org_A", "inquiry.read")  # type: ignore[arg-type]
    rows.can(None, "activate", mapped)  # type: ignore[arg-type]
