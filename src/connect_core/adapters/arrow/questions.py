"""Questions about every row of a table: what the decision on a row depends on, column by column.

A question says which facts matter beside the status. It asks a `RowPolicy` about one row for all
that have the same facts and status. Which rows are allowed it can also say without decisions, from
the statuses that permit something, as the filters of `connect_core.adapters.sql` do: that is
quicker, because only these statuses have to be found.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from types import SimpleNamespace
from typing import Protocol

import pyarrow as pa

from connect_core.adapters.arrow.comparing import Mask, constant, has_member, has_value, pc
from connect_core.adapters.arrow.tables import (
    Column,
    column_of_ids,
    column_of_scopes,
    column_of_statuses,
    organization_of,
    spelled,
    spelling_of,
)
from connect_core.decision import Decision
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, Action, Role, Status
from connect_core.parties import ActorLike
from connect_core.policy import permitting_statuses
from connect_core.row_policy import RowPolicy


@dataclass(frozen=True)
class _Actor:
    organization_id: object


class ActorAndColumns:
    """Who asks, and three columns of a table, compared when that is needed.

    Raises:
        TypeError: the actor acts for no organization, or a column cannot hold what is looked for.
        LookupError: the table lacks a column, or has two of the same name.
    """

    def __init__(self, actor: object, argument: str, table: pa.Table, rows: RowPolicy) -> None:
        self._ours = organization_of(actor, argument)
        self._spellings = spelled(rows.statuses)
        self._source = column_of_ids(table, "source", rows.source, self._ours)
        self._destination = column_of_ids(table, "destination", rows.destination, self._ours)
        self.status: Column = column_of_statuses(table, rows.status, self._spellings.values())
        self._rows = rows

    def __len__(self) -> int:
        return len(self.status)

    @cached_property
    def is_source(self) -> Mask:
        """The rows in which the actor's organization is the source."""
        return has_value(self._source, self._ours)

    @cached_property
    def is_destination(self) -> Mask:
        """The rows in which the actor's organization is the destination."""
        return has_value(self._destination, self._ours)

    def holds(self, role: Role) -> Mask:
        """The rows in which the actor holds the role."""
        return self.is_source if role is Role.SOURCE else self.is_destination

    def has_status(self, statuses: Iterable[Status]) -> Mask:
        """The rows whose status is one of these."""
        found = (has_value(self.status, self._spellings[status]) for status in statuses)
        return any_of(found, len(self))

    @property
    def actor(self) -> ActorLike:
        """An actor of the organization."""
        return _Actor(self._ours)

    def row(
        self, is_source: bool, is_destination: bool, status: object, scopes: object = None
    ) -> SimpleNamespace:
        """A row that stands for all of which this is true."""
        rows, ours = self._rows, self._ours
        return SimpleNamespace(
            **{
                rows.source: ours if is_source else None,
                rows.destination: ours if is_destination else None,
                rows.status: status,
                rows.scopes: scopes,
            }
        )


class Question(Protocol):
    """A question about every row."""

    @property
    def columns(self) -> ActorAndColumns:
        """Who asks, and what is known of the rows."""
        ...

    @property
    def masks(self) -> Sequence[Mask]:
        """What the decision depends on, beside the status."""
        ...

    def decide(self, facts: Sequence[bool], status: object) -> Decision:
        """The decision on the rows in which the masks have these values, and with this status."""
        ...

    def allowed(self) -> Mask:
        """The rows that are allowed."""
        ...


class OnAction:
    """Whether an action may be taken."""

    def __init__(self, actor: object, action: str, table: pa.Table, rows: RowPolicy) -> None:
        self.columns = ActorAndColumns(actor, "actor", table, rows)
        self._action = Action(action)
        self._rows = rows

    @property
    def masks(self) -> Sequence[Mask]:
        """Whether the actor's organization is the source, and whether it is the destination."""
        return self.columns.is_source, self.columns.is_destination

    def decide(self, facts: Sequence[bool], status: object) -> Decision:
        """The decision on such rows."""
        is_source, is_destination = facts
        row = self.columns.row(is_source, is_destination, status)
        return self._rows.decide(self.columns.actor, self._action, row)

    def allowed(self) -> Mask:
        """The rows on which it may be taken."""
        takers: dict[Collection[Status], list[Role]] = {}
        for role in Role:
            takers.setdefault(permitting_statuses(role, self._action), []).append(role)
        length = len(self.columns)
        ways = (
            pc.and_(
                any_of(map(self.columns.holds, roles), length), self.columns.has_status(statuses)
            )
            for statuses, roles in takers.items()
            if statuses
        )
        return any_of(ways, length)


class OnAccess:
    """Whether data may be read."""

    def __init__(self, reader: object, scope: str, table: pa.Table, rows: RowPolicy) -> None:
        self.columns = ActorAndColumns(reader, "reader", table, rows)
        self._spelling = spelling_of(scope, rows)
        self._scopes = column_of_scopes(table, rows.scopes, self._spelling)
        self._scope = scope
        self._rows = rows

    @cached_property
    def _granted(self) -> Mask:
        if self._spelling is None:
            return constant(False, len(self.columns))
        return has_member(self._scopes, self._spelling)

    @property
    def masks(self) -> Sequence[Mask]:
        """The same as for an action, and whether the scope is granted."""
        return self.columns.is_source, self.columns.is_destination, self._granted

    def decide(self, facts: Sequence[bool], status: object) -> Decision:
        """The decision on such rows."""
        is_source, is_destination, granted = facts
        row = self.columns.row(is_source, is_destination, status, [self._spelling] * granted)
        return self._rows.decide_access(self.columns.actor, self._scope, row)

    def allowed(self) -> Mask:
        """The rows through which it may be read."""
        sharing = self.columns.has_status([SHARING_STATUS])
        readable: Mask = pc.and_(pc.and_(self.columns.holds(READING_ROLE), sharing), self._granted)
        return readable


def any_of(masks: Iterable[Mask], length: int) -> Mask:
    """The rows that are in one of the masks."""
    return reduce(pc.or_, masks, constant(False, length))
