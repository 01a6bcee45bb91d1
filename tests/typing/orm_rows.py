"""What type checkers accept as a row: objects of SQLAlchemy and Django, and rows of a select.

Checked by mypy and pyright, run by neither.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TypedDict, assert_type

from django.db import models
from partnerships.models import Partnership as DjangoPartnership
from sqlalchemy import JSON, RowMapping, select
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column

from connect_core import (
    Action,
    Actor,
    Decision,
    Denial,
    Role,
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
from connect_core.adapters.sql import actionable, connections, visible

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
    annotated = DjangoPartnership.objects.get(pk="cxn_1")
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
