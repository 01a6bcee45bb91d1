"""What the triggers refuse, and in which words: the rules as conditions on rows, in SQL.

The steps and the roles come from the decision table; nothing of it is repeated here. A condition
is the text of an expression that every supported database understands; where they differ, a
`Language` writes it. In a trigger, ``NEW`` and ``OLD`` are the rows that it is about.

This module makes texts. It knows no trigger's syntax (`connect_core.adapters.sql.enforcement` does)
and runs no statement.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from typing import Final, NamedTuple, Protocol

from sqlalchemy import Table

from connect_core.adapters.sql.tables import Tables, connections
from connect_core.decision import Cell, Decision, Denial, any_of
from connect_core.history import Terms
from connect_core.lifecycle import Role, Status
from connect_core.parties import ROLES
from connect_core.policy import decision_table

#: The columns that every change updates. The others are fixed.
CHANGING: Final = ("status", "updated_at", "version")
FIXED: Final = tuple(each.name for each in connections.c if each.name not in CHANGING)
#: The fields of a creation's terms, which are columns of the Connection as well.
TERMS: Final = tuple(Terms.model_fields)

#: The status before an event; empty before a creation.
_PREVIOUS: Final = "coalesce(NEW.previous_status, '')"


class Language(Protocol):
    """What databases write, or do, in different ways."""

    #: Whether a transaction that leaves a Connection without its last event is not committed.
    checks_commits: bool

    def concatenated(self, *texts: str) -> str:
        """Texts with spaces between them."""
        ...

    def differs(self, one: str, other: str) -> str:
        """Whether two values differ; NULL is a value like the others."""
        ...

    def roles_differ(self, stored: str, compact: str) -> str:
        """Whether a column of JSON differs from a JSON text without spaces."""
        ...

    def terms_differ(self, stored: str) -> str:
        """Whether a column of JSON differs from an object of the `TERMS`, as ``its_name`` etc."""
        ...


class Lookup(NamedTuple):
    """A row that the following cases need to know; if there is none, the names are NULL.

    Attributes:
        table: where it is.
        columns: its columns, by the names under which the conditions use them.
        condition: which row.
        order: what follows the condition.
    """

    table: Table
    columns: Mapping[str, str]
    condition: str
    order: str = ""


class Named(NamedTuple):
    """An expression that the following cases use by a name."""

    name: str
    expression: str


class Case(NamedTuple):
    """One branch: what is refused under a condition, or None if nothing more is asked then."""

    condition: str
    refusal: str | None


class Rule(NamedTuple):
    """What one kind of statement is asked about each row.

    Attributes:
        table: the table that the statement changes.
        event: ``INSERT``, ``UPDATE`` or ``DELETE``; a database may add others.
        parts: what is looked up and asked, in order. The first case whose condition holds decides.
        otherwise: what is refused if no condition holds; None for nothing.
    """

    table: Table
    event: str
    parts: tuple[Lookup | Named | Case, ...] = ()
    otherwise: str | None = None


def quoted(value: str) -> str:
    """A text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def rules(tables: Tables, language: Language) -> tuple[Rule, ...]:
    """The rules for these tables, in the words of a database."""
    return (
        _new_connection(tables, language),
        _changed_connection(tables, language),
        _removed_connection(tables),
        _new_event(tables, language),
        Rule(tables.connection_events, "UPDATE", otherwise=HISTORY_CHANGES),
        Rule(tables.connection_events, "DELETE", otherwise=HISTORY_CHANGES),
    )


# --- The refusals --------------------------------------------------------------------------------

HISTORY_CHANGES: Final = "connect_core: history never changes"
NEVER_DELETED: Final = "connect_core: a Connection is never deleted"
#: What is refused when the transaction is committed, where a database can wait until then.
NO_EVENT: Final = "connect_core: the event of the last version is missing"
_NO_EVENT_BEFORE: Final = "connect_core: the event of the version before is missing"
_BY_ONE: Final = "connect_core: the version must rise by one"
_BACKWARDS: Final = "connect_core: time must not move backwards"
_AS_CREATED: Final = "connect_core: a new Connection must be as its creation leaves it"
_HAS_EVENTS: Final = "connect_core: a new Connection must have no events"
_NO_CONNECTION: Final = "connect_core: there is no such Connection"
_TOO_EARLY: Final = "connect_core: the Connection has not reached the version of the event"
_OTHER_PREVIOUS: Final = "connect_core: previous_status is not the status before the event"
_OTHER_STATE: Final = "connect_core: status and time of the event are not those of the Connection"
_OTHER_TERMS: Final = (
    "connect_core: terms, actor or time are not those of the Connection's creation"
)
_LATER_TERMS: Final = "connect_core: only a creation has terms"
_OTHER_ROLES: Final = "connect_core: the roles are not those that the organization holds"
_OUTSIDER: Final = "connect_core: an outsider may take no action"
_NO_SUCH_STEP: Final = "connect_core: there is no such step"


def _never_changes(column: str) -> str:
    return f"connect_core: {column} never changes"


def _leads_nowhere(before: str, after: str) -> str:
    return f"connect_core: no action leads from {before} to {after}"


def _refusal_of(cell: Cell, decision: Decision) -> str:
    """Why the decision table refuses a party's step."""
    if decision.denial is Denial.WRONG_ROLE:
        return f"connect_core: {any_of(cell.roles)} may not take {cell.action}"
    return f"connect_core: {cell.action} is not possible from {cell.status}"


# --- What follows from the decision table --------------------------------------------------------


def roles_text(roles: Collection[Role]) -> str:
    """Roles as they are stored, in JSON without spaces."""
    return json.dumps(sorted(role.value for role in roles), separators=(",", ":"))


def _one_of(expression: str, values: Iterable[str]) -> str:
    listed = ", ".join(map(quoted, dict.fromkeys(values)))
    return f"{expression} IN ({listed})"


def _previous(status: Status | None) -> str:
    return "" if status is None else status.value


def _is_permitted(language: Language) -> str:
    """Whether the table permits the step of an event to who holds `held`."""
    step = language.concatenated("held", "NEW.action", _PREVIOUS, "NEW.status")
    return _one_of(
        step,
        (
            f"{roles_text(cell.roles)} {cell.action} {_previous(cell.status)} {decision.target}"
            for cell, decision in decision_table().items()
            if decision
        ),
    )


def _refused_steps() -> Iterator[Case]:
    """The parties' steps that the table refuses, those of the same words together.

    The words name the role or the status, so that a group is every combination of its values.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell, decision in decision_table().items():
        if not decision and cell.roles:
            key = (_refusal_of(cell, decision), cell.action.value)
            groups.setdefault(key, []).append(cell)
    for (refusal, action), cells in groups.items():
        held = _one_of("held", (roles_text(cell.roles) for cell in cells))
        previous = _one_of(_PREVIOUS, (_previous(cell.status) for cell in cells))
        yield Case(f"NEW.action = {quoted(action)} AND {held} AND {previous}", refusal)


def _steps_of_status() -> tuple[str, Iterator[Case]]:
    """Whether a status may follow another, and the refusals of those that may not."""
    permitted = {
        (cell.status, decision.target)
        for cell, decision in decision_table().items()
        if decision and cell.status is not None
    }
    conditions = {
        (before, after): f"OLD.status = {quoted(before)} AND NEW.status = {quoted(after)}"
        for before, after in product(Status, repeat=2)
    }
    return " OR ".join(conditions[pair] for pair in conditions if pair in permitted), (
        Case(condition, _leads_nowhere(*pair))
        for pair, condition in conditions.items()
        if pair not in permitted
    )


def _first_statuses() -> list[str]:
    return [
        decision.target.value
        for cell, decision in decision_table().items()
        if cell.status is None and decision.target is not None
    ]


def _held() -> str:
    """The roles that the actor's organization holds, as they are stored."""
    branches: list[str] = []
    for (is_source, is_destination), roles in sorted(ROLES.items(), reverse=True):
        held = {Role.SOURCE: is_source, Role.DESTINATION: is_destination}
        condition = " AND ".join(
            f"NEW.actor_organization_id = its_{role}_organization_id"
            for role, holds in held.items()
            if holds
        )
        text = quoted(roles_text(roles))
        branches.append(f"WHEN {condition} THEN {text}" if condition else f"ELSE {text}")
    return f"CASE {' '.join(branches)} END"


# --- The rules -----------------------------------------------------------------------------------


def _last_event(tables: Tables, connection_id: str) -> Lookup:
    """The last event of a Connection. It has as many as the version of that one says."""
    columns = {"last_version": "version", "last_status": "status", "last_time": "occurred_at"}
    condition = f"connection_id = {connection_id}"
    return Lookup(tables.connection_events, columns, condition, " ORDER BY version DESC LIMIT 1")


def _named(table: Table, columns: Iterable[str], condition: str) -> Lookup:
    """A Connection, with the names ``its_id`` and the like."""
    return Lookup(table, {f"its_{column}": column for column in columns}, condition)


def _new_connection(tables: Tables, language: Language) -> Rule:
    """A Connection of a later version is one that is imported; its history follows.

    If commits are checked, a Connection that has events already can get none of its own, and is not
    committed.
    """
    created = f"{_one_of('NEW.status', _first_statuses())} AND NEW.updated_at = NEW.created_at"
    as_created = Case(f"NEW.version = 1 AND NOT ({created})", _AS_CREATED)
    if language.checks_commits:
        return Rule(tables.connections, "INSERT", (as_created,))
    last = _last_event(tables, "NEW.id")
    parts = (as_created, last, Case("last_version IS NOT NULL", _HAS_EVENTS))
    return Rule(tables.connections, "INSERT", parts)


def _changed_connection(tables: Tables, language: Language) -> Rule:
    """The next version, after the event of this one; or back, if this one has no event.

    If commits are checked, the event of this version is certain to come.
    """
    follows = "NEW.version = OLD.version + 1"
    last = _last_event(tables, "OLD.id")
    is_needed = not language.checks_commits
    if is_needed:
        follows += " AND coalesce(last_version, 0) = OLD.version"
    is_step, refused_steps = _steps_of_status()
    undone = (
        "NEW.version = OLD.version - 1 AND last_version = NEW.version"
        " AND last_status = NEW.status AND last_time = NEW.updated_at"
    )
    fixed = (
        Case(language.differs(f"NEW.{each}", f"OLD.{each}"), _never_changes(each)) for each in FIXED
    )
    parts: tuple[Lookup | Named | Case, ...] = (
        *fixed,
        *([last] if is_needed else []),
        Case(f"{follows} AND NEW.updated_at >= OLD.updated_at AND ({is_step})", None),
        *([] if is_needed else [last]),
        Case(undone, None),
        Case("NEW.version <> OLD.version + 1", _BY_ONE),
        Case("coalesce(last_version, 0) <> OLD.version", _NO_EVENT_BEFORE),
        Case("NEW.updated_at < OLD.updated_at", _BACKWARDS),
        *refused_steps,
    )
    return Rule(tables.connections, "UPDATE", parts, _NO_SUCH_STEP)


def _removed_connection(tables: Tables) -> Rule:
    """Only one whose creation was not recorded."""
    parts = (
        _last_event(tables, "OLD.id"),
        Case("last_version IS NOT NULL", NEVER_DELETED),
    )
    return Rule(tables.connections, "DELETE", parts)


def _new_event(tables: Tables, language: Language) -> Rule:
    """The next event of a Connection that has reached its version."""
    own, is_permitted = "id = NEW.connection_id", _is_permitted(language)
    parties = [f"{role}_organization_id" for role in Role]
    connection = _named(tables.connections, ("id", *parties, *CHANGING), own)
    previous = Lookup(
        tables.connection_events,
        {"status_before": "status", "time_before": "occurred_at"},
        "connection_id = NEW.connection_id AND version = NEW.version - 1",
    )
    others = [name for name in TERMS if name not in parties]
    created = _named(tables.connections, (*others, "creator_id", "created_at"), own)
    creation = " OR ".join(
        (
            language.terms_differ("NEW.terms"),
            language.differs("NEW.actor_id", "its_creator_id"),
            language.differs("NEW.occurred_at", "its_created_at"),
        )
    )
    parts: tuple[Lookup | Named | Case, ...] = (
        connection,
        previous,
        Named("held", _held()),
        Case("its_id IS NULL", _NO_CONNECTION),
        Case("NEW.version > its_version", _TOO_EARLY),
        Case("NEW.version <> 1 AND status_before IS NULL", _NO_EVENT_BEFORE),
        Case(language.differs("NEW.previous_status", "status_before"), _OTHER_PREVIOUS),
        Case("NEW.occurred_at < time_before", _BACKWARDS),
        Case(
            "NEW.version = its_version"
            " AND (NEW.status <> its_status OR NEW.occurred_at <> its_updated_at)",
            _OTHER_STATE,
        ),
        Case("NEW.version <> 1 AND NEW.terms IS NOT NULL", _LATER_TERMS),
        Case(f"held = {quoted(roles_text(ROLES[False, False]))}", _OUTSIDER),
        Case(language.roles_differ("NEW.roles", "held"), _OTHER_ROLES),
        Case(f"NEW.version <> 1 AND {is_permitted}", None),
        created,
        Case(f"NEW.version = 1 AND ({creation})", _OTHER_TERMS),
        Case(is_permitted, None),
        *_refused_steps(),
    )
    return Rule(tables.connection_events, "INSERT", parts, _NO_SUCH_STEP)
