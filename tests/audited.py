"""Histories to audit: tables without constraints, every possible step, and what is expected.

What is expected is written down here or in the oracle; nothing of it comes from the rules.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE, VERDICTS, Verdict
from sqlalchemy import Column, MetaData, Table

from connect_core import Role
from connect_core.adapters.sql import Tables, connection_events, connections

#: The columns that an audit reads.
PARTIES: Final = ("id", "source_organization_id", "destination_organization_id")
STEPS: Final = (
    "connection_id", "version", "action", "previous_status", "status", "actor_organization_id",
    "roles",
)  # fmt: skip


class Party(NamedTuple):
    """A row of the Connections."""

    id: str
    source_organization_id: str | None
    destination_organization_id: str | None


class Event(NamedTuple):
    """A row of the events; `roles` as a list."""

    connection_id: str | None
    version: int | None
    action: str | None
    previous_status: str | None
    status: str | None
    actor_organization_id: str | None
    roles: Any


def copies() -> Tables:
    """Tables of these columns alone, without constraints, as a copy elsewhere has them."""
    metadata = MetaData()

    def bare(table: Table, names: Iterable[str]) -> Table:
        columns = [Column(name, table.c[name].type) for name in names]
        return Table(table.name, metadata, *columns)

    parties, steps = bare(connections, PARTIES), bare(connection_events, STEPS)
    return Tables(parties, steps, Table("unused", metadata), metadata)


#: The tables of an audit.
COPIES: Final = copies()


def as_text(event: Event) -> Event:
    """The event with its roles as JSON text."""
    return event._replace(roles=None if event.roles is None else json.dumps(event.roles))


# --- Every step ----------------------------------------------------------------------------------

_STATUSES = ["pending", "active", "inactive"]
_ORGANIZATIONS = {SOURCE: "org_A", DESTINATION: "org_B", OUTSIDER: "org_C", BOTH: "org_A"}


def every_step() -> tuple[list[Party], list[Event], set[tuple[str, int, str]]]:
    """Connections with each step that can be written down, and the findings on these steps.

    The step is the first event or, if it has a status before, the second. The first event leads to
    that status, whether that is possible or not.
    """
    verdicts: dict[Any, Verdict] = {(v.status, v.action, v.roles): v for v in VERDICTS}
    parties: list[Party] = []
    events: list[Event] = []
    findings: set[tuple[str, int, str]] = set()
    steps = product(
        [None, *_STATUSES, "frozen", "Active", "pending "],
        ["create", "activate", "deactivate", "reactivate", "expire", "Create", "create ", None],
        [SOURCE, DESTINATION, BOTH, OUTSIDER],
        [*_STATUSES, "frozen", "pending ", None],
    )
    for number, (before, action, roles, after) in enumerate(steps):
        name = f"cxn_{number}"
        parties.append(Party(name, "org_A", "org_A" if roles == BOTH else "org_B"))
        step = Event(
            name,
            1,
            action,
            before,
            after,
            _ORGANIZATIONS[roles],
            sorted(role.value for role in roles),
        )
        if before is not None:
            events.append(Event(name, 1, "create", None, before, "org_A", ["source"]))
            step = step._replace(version=2)
        events.append(step)
        verdict = verdicts.get((before, action, roles))
        finding = None
        if verdict is None:
            finding = "unknown_step"
        elif verdict.denials:
            finding = str(verdict.denials[0])
        elif verdict.target != after:
            finding = "wrong_status_after"
        if finding is not None:
            findings.add((name, step.version or 0, finding))
    return parties, events, findings


def on_every_step(found: Iterable[Sequence[Any]], events: Sequence[Event]) -> set[tuple[Any, ...]]:
    """What was found on the last event of each Connection."""
    last = {event.connection_id: event.version for event in events}
    return {tuple(row) for row in found if last[row[0]] == row[1]}


# --- Tampering -----------------------------------------------------------------------------------

A: Final = Party("cxn_A", "org_A", "org_B")
#: A history that could have happened; the creation by itself, and then each action.
HISTORY: Final = [
    Event("cxn_A", 1, "create", None, "pending", "org_A", ["source"]),
    Event("cxn_A", 2, "activate", "pending", "active", "org_B", ["destination"]),
    Event("cxn_A", 3, "deactivate", "active", "inactive", "org_B", ["destination"]),
    Event("cxn_A", 4, "reactivate", "inactive", "pending", "org_A", ["source"]),
    Event("cxn_A", 5, "deactivate", "pending", "inactive", "org_A", ["source"]),
]
#: The same of an organization with itself.
TO_ITSELF: Final = [
    event._replace(actor_organization_id="org_A", roles=sorted(role.value for role in Role))
    for event in HISTORY
]


def changed(number: int, /, **values: Any) -> list[Event]:
    """The history with another event of this version."""
    return [event._replace(**values) if event.version == number else event for event in HISTORY]


#: What was done to the history, and what is found.
TAMPERED: Final[dict[str, tuple[list[Event], list[tuple[int | None, str]]]]] = {
    "nothing": (HISTORY, []),
    "the last event is missing": (HISTORY[:-1], []),
    "the first event is missing": (HISTORY[1:], [(2, "version_gap")]),
    "an event is missing": ([*HISTORY[:2], *HISTORY[3:]], [(4, "version_gap")]),
    "an event is there twice": ([*HISTORY, HISTORY[2]], [(3, "version_gap")]),
    "version 0": ([HISTORY[0]._replace(version=0)], [(0, "version_gap")]),
    "a negative version": ([HISTORY[0]._replace(version=-(2**31))], [(-(2**31), "version_gap")]),
    "the greatest version": (changed(5, version=2**31 - 1), [(2**31 - 1, "version_gap")]),
    "no version": ([HISTORY[0]._replace(version=None)], [(None, "version_gap")]),
    "another status before": (
        changed(2, previous_status="inactive"), [(2, "wrong_previous_status")],
    ),
    "no status before": (changed(2, previous_status=None), [(2, "wrong_previous_status")]),
    "a status before the creation": (
        changed(1, previous_status="pending"), [(1, "wrong_previous_status")],
    ),
    "by the other role": (
        changed(2, actor_organization_id="org_A", roles=["source"]), [(2, "wrong_role")],
    ),
    "by the other role, as if by the right one": (
        changed(2, actor_organization_id="org_A"), [(2, "wrong_role")],
    ),
    "by an outsider": (changed(3, actor_organization_id="org_C"), [(3, "not_a_party")]),
    "by another case": (changed(3, actor_organization_id="ORG_B"), [(3, "not_a_party")]),
    "by a trailing space": (changed(3, actor_organization_id="org_B "), [(3, "not_a_party")]),
    "by nobody": (changed(3, actor_organization_id=None), [(3, "not_a_party")]),
    "another action": (changed(3, action="activate"), [(3, "wrong_status")]),
    "a second creation": (
        changed(4, action="create"), [(4, "already_exists")],
    ),
    "an unknown action": (changed(3, action="expire"), [(3, "unknown_step")]),
    "no action": (changed(3, action=None), [(3, "unknown_step")]),
    "another status after": (
        changed(3, status="pending"), [(3, "wrong_status_after"), (4, "wrong_previous_status")],
    ),
    "no status after": (changed(5, status=None), [(5, "wrong_status_after")]),
    "a status after, with a space": (changed(5, status="inactive "), [(5, "wrong_status_after")]),
    "other roles": (changed(3, roles=["source"]), [(3, "wrong_recorded_roles")]),
    "more roles": (changed(3, roles=["destination", "source"]), [(3, "wrong_recorded_roles")]),
    "roles that there are not": (
        changed(3, roles=["destination", "owner"]), [(3, "wrong_recorded_roles")],
    ),
    "no roles": (changed(3, roles=[]), [(3, "wrong_recorded_roles")]),
    "roles missing": (changed(3, roles=None), [(3, "wrong_recorded_roles")]),
    "no Connection": (
        [HISTORY[0]._replace(connection_id="cxn_B")], [(1, "unknown_connection")],
    ),
    "a Connection by another case": (
        [HISTORY[0]._replace(connection_id="CXN_A")], [(1, "unknown_connection")],
    ),
    "no id": ([HISTORY[0]._replace(connection_id=None)], [(1, "unknown_connection")]),
}  # fmt: skip
