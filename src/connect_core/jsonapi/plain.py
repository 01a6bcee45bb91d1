"""Records as plain values: the quick way for those that are certainly valid.

A history is fixed by few facts: the terms, and who took which step when. All else follows from the
rules: versions, roles, statuses, and every character of the line that an export writes. So
`plain_record` checks the facts, takes the steps in the lifecycle's table, and writes what they come
to. A record that is exactly that, in a file or in a database, is the record of a history that could
have happened and that leads to its Connection.

The law: what this module accepts, the models accept, with the same values; that is, `parse_record`
and `connect_core.store.verified_history` do. The reverse is not true. What is not accepted here,
the models judge, and they say what is wrong with it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final, NamedTuple

from connect_core.history import EARLIEST, LATEST
from connect_core.identifiers import ActorId, ConnectionId, OrganizationId, ValidatedText
from connect_core.jsonapi.models import RESOURCE_TYPE
from connect_core.parties import MAX_NAME_LENGTH, ROLES, ActorType, may_be_in_name
from connect_core.scopes import MAX_SCOPES, Scope
from connect_core.table import TARGETS

#: A step: the action, the id of the actor, that of its organization, and the time.
PlainStep = tuple[str, str, str, str]


class PlainRecord(NamedTuple):
    """A Connection with its whole history, checked. Times are text, sets are sorted tuples.

    Attributes:
        connection: its id, source, destination, name, status, scopes, the id of its creator, the
            times of its creation and of its last update, and its version.
        events: for each the id of the Connection, the version, the action, the status before and
            after, the id of the actor and that of its organization, the roles, the time, and the
            terms by their names, or None.
        resource: the resource object, as JSON on one line and in ASCII.
        history: the items of the history in the same form, separated by commas.
    """

    connection: tuple[Any, ...]
    events: Sequence[tuple[Any, ...]]
    resource: str
    history: str

    def line(self) -> str:
        """What an export writes, without the line break."""
        return f'{{"data":{self.resource},"meta":{{"history":[{self.history}]}}}}'


def plain_record(
    id: Any, source: Any, destination: Any, name: Any, scopes: Any, steps: Iterable[PlainStep]
) -> PlainRecord | None:
    """The record of these facts; None if one of them is not certainly valid.

    Args:
        id: that of the Connection.
        source: the id of the organization whose data is shared.
        destination: the id of the organization that receives it.
        name: text, or None.
        scopes: a tuple, sorted and without repetitions.
        steps: the creation, and all later steps; their times as `format_timestamp` writes them.
    """
    try:
        return _record(id, source, destination, name, scopes, steps)
    except (KeyError, TypeError, ValueError):  # of another type, not in the table, no time
        return None


def _record(
    id: str,
    source: str,
    destination: str,
    name: str | None,
    scopes: tuple[str, ...],
    steps: Iterable[PlainStep],
) -> PlainRecord | None:
    written_scopes = _written_scopes(scopes)
    if not (
        _is_connection(id)
        and _is_organization(source)
        and _is_organization(destination)
        and (name is None or _is_name(name))
        and written_scopes
    ):
        return None
    written_name = "null" if name is None else _ENCODE(name)
    terms: object = {
        "source_organization_id": source,
        "destination_organization_id": destination,
        "name": name,
        "scopes": scopes,
    }
    written_terms = (
        f'{{"source_organization_id":"{source}","destination_organization_id":"{destination}",'
        f'"name":{written_name},"scopes":{written_scopes}}}'
    )
    status, now = None, ""
    creator_id = created_at = ""
    events: list[tuple[Any, ...]] = []
    history: list[str] = []
    for action, actor_id, organization, at in steps:
        taken = _STEPS[status, action, organization == source, organization == destination]
        # A clock that runs backwards would not have been written down.
        if not (_is_actor(actor_id) and _is_time(at) and at >= now):
            return None
        version = len(events) + 1
        target, roles = taken.target, taken.roles
        events.append(
            (id, version, action, status, target, actor_id, organization, roles, at, terms)
        )
        history.append(
            f'{{"connection_id":"{id}","version":{version},{taken.written},"actor":{{"id":'
            f'"{actor_id}","organization_id":"{organization}"}},"roles":{taken.written_roles},'
            f'"occurred_at":"{at}","terms":{written_terms}}}'
        )
        if version == 1:
            creator_id, created_at = actor_id, at
            terms, written_terms = None, "null"
        status, now = target, at
    if status is None:
        return None
    connection = (
        *(id, source, destination, name, status, scopes),
        *(creator_id, created_at, now, len(events)),
    )
    resource = (
        f'{{"type":"{RESOURCE_TYPE}","id":"{id}","attributes":{{"token":"{id}","name":'
        f'{written_name},"status":"{status}","organization-id":"{source}",'
        f'"destination-organization-id":"{destination}","scopes":{written_scopes},'
        f'"creator-id":"{creator_id}","creator-type":"{_type_of(creator_id)}",'
        f'"created-at":"{created_at}","updated-at":"{now}"}}}}'
    )
    return PlainRecord(connection, events, resource, ",".join(history))


# --- Steps ---------------------------------------------------------------------------------------


class _Taken(NamedTuple):
    """What a step comes to, and how that is written."""

    target: str
    roles: tuple[str, ...]
    written: str
    written_roles: str


def _taken_steps() -> dict[tuple[str | None, str, bool, bool], _Taken]:
    """The permitted steps, by the status, the action, and whether the actor is either party."""
    flags = {roles: both for both, roles in ROLES.items()}
    found: dict[tuple[str | None, str, bool, bool], _Taken] = {}
    for (status, action, roles), target in TARGETS.items():
        before = None if status is None else status.value
        names = tuple(sorted(role.value for role in roles))
        written = {"action": action.value, "previous_status": before, "status": target.value}
        found[before, action.value, *flags[roles]] = _Taken(
            target.value, names, _compact(written)[1:-1], _compact(names)
        )
    return found


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


_STEPS: Final = _taken_steps()

# --- Facts ---------------------------------------------------------------------------------------

_ENCODE: Final = json.JSONEncoder().encode
_is_clock: Final = re.compile(r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z").fullmatch


def _whole(kind: type[ValidatedText]) -> re.Pattern[str]:
    """The texts of this kind, which must match as a whole."""
    return re.compile(f"(?!.{{{kind.max_length + 1}}}){kind.pattern}")


_is_connection: Final = _whole(ConnectionId).fullmatch
_is_scope: Final = _whole(Scope).fullmatch
# Most organizations and actors occur more than once.
_is_organization: Final = lru_cache(maxsize=4096)(_whole(OrganizationId).fullmatch)
_is_actor: Final = lru_cache(maxsize=4096)(_whole(ActorId).fullmatch)


def _is_name(name: str) -> bool:
    return len(name) <= MAX_NAME_LENGTH and may_be_in_name(name)


def _is_time(text: str) -> bool:
    """Whether it is a time exactly as it is written; such texts sort as the times do."""
    return _is_date(text[:10]) and _is_clock(text, 10) is not None


@lru_cache(maxsize=4096)
def _is_date(text: str) -> bool:
    """Whether it is a date exactly as it is written, on which every time is one that is allowed."""
    found = date.fromisoformat(text)
    return found.isoformat() == text and EARLIEST.date() <= found <= LATEST.date()


@lru_cache(maxsize=1024)
def _written_scopes(scopes: tuple[str, ...]) -> str | None:
    """The scopes as JSON, if they are valid, sorted, and different."""
    if not 1 <= len(scopes) <= MAX_SCOPES or not all(map(_is_scope, scopes)):
        return None
    return _compact(scopes) if sorted(set(scopes)) == list(scopes) else None


def _type_of(creator_id: str) -> str:
    """The type of an actor."""
    return _TYPES[creator_id.startswith("api_")]


_TYPES: Final = {True: ActorType.API_KEY.value, False: ActorType.USER.value}
