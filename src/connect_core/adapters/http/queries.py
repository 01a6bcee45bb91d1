"""The query of a request: filters, pages and fields, read strictly.

A member that is not known is refused, and so is one that comes twice: a mistyped filter must not
widen an answer.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from connect_core import Action, Direction, OrganizationId, Status
from connect_core.adapters.http.inflection import kebab
from connect_core.adapters.http.refusals import RequestError, invalid_parameter
from connect_core.jsonapi import Representation, field_names, resource_type
from connect_core.paging import MAX_PAGE_SIZE
from connect_core.text import shown

#: The members of ``filter`` and ``page``, with the arguments of `ConnectionService.list` that they
#: become.
_PUBLISHED: Final = {
    "filter[status]": "status",
    "filter[destination-organization-id]": "destination",
    "page[after]": "after",
    "page[before]": "before",
    "page[size]": "limit",
}
#: Those that are not published.
_EXTENSIONS: Final = {"filter[direction]": "direction", "filter[actionable]": "actionable"}


class ListQuery(NamedTuple):
    """What a list is asked for.

    Attributes:
        arguments: the arguments of `ConnectionService.list`, without `by`.
        fields: the members to which each resource object is thinned out; None for all.
        others: the members of the query that are the same for every page.
    """

    arguments: Mapping[str, Any]
    fields: Collection[str] | None
    others: Mapping[str, str]

    def page(self, name: str, cursor: str | None) -> str | None:
        """The query of another page, percent-encoded; None if there is none."""
        return None if cursor is None else urlencode({**self.others, f"page[{name}]": cursor})


def list_query(query: str, representation: Representation, *, extensions: bool) -> ListQuery:
    """Read the query of a list.

    Raises:
        RequestError: a member is unknown, comes twice, or has a value that it cannot have.
    """
    known = {**_PUBLISHED, **(_EXTENSIONS if extensions else {})}
    members = _members(query, [*known, _fields_name(representation)])
    if "page[after]" in members and "page[before]" in members:
        raise invalid_parameter("page[before]", "Give page[after] or page[before], not both.")
    arguments = {
        argument: _READ[argument](name, members[name])
        for name, argument in known.items()
        if name in members
    }
    others = {name: value for name, value in members.items() if name not in _CURSORS}
    return ListQuery(arguments, _fields(members, representation), others)


def fields_query(query: str, representation: Representation) -> Collection[str] | None:
    """Read the query of one resource object: the members to which it is thinned out, or None.

    Raises:
        RequestError: a member is unknown, comes twice, or has a value that it cannot have.
    """
    return _fields(_members(query, [_fields_name(representation)]), representation)


def require_none(query: str) -> None:
    """Refuse any query.

    Raises:
        RequestError: there is one.
    """
    _members(query, [])


_CURSORS: Final = ("page[after]", "page[before]")


def _members(query: str, known: Collection[str]) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise RequestError(
            400, "invalid_query", "The query is not UTF-8, or has more than 100 members."
        ) from None
    members: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise invalid_parameter(name, f"There is no {shown(name)} here; {_listed(known)}.")
        if name in members:
            raise invalid_parameter(name, f"{name} stands twice; give it once.")
        members[name] = value
    return members


def _listed(known: Collection[str]) -> str:
    return f"there are {', '.join(known)}" if known else "this operation takes no query"


def _fields_name(representation: Representation) -> str:
    return f"fields[{resource_type(representation)}]"


def _fields(members: Mapping[str, str], representation: Representation) -> Collection[str] | None:
    name = _fields_name(representation)
    if name not in members:
        return None
    wanted = [kebab(each) for each in members[name].split(",") if each]
    known = field_names(representation)
    for each in wanted:
        if each not in known:
            raise invalid_parameter(
                name, f"There is no member {shown(each)}; there are {', '.join(known)}."
            )
    return frozenset(wanted)


# --- Values ---


def _one_of(kind: type[Status] | type[Direction] | type[Action]) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value not in set(kind):
            raise invalid_parameter(name, f"{name} is one of {', '.join(kind)}.")
        return value

    return read


def _organization(name: str, value: str) -> str:
    try:
        return OrganizationId(value)
    except ValueError as error:
        raise invalid_parameter(name, f"{name}: {error}.") from None


def _size(name: str, value: str) -> int:
    if re.fullmatch("[0-9]{1,9}", value) is None or not 1 <= int(value) <= MAX_PAGE_SIZE:
        raise invalid_parameter(name, f"{name} is a number from 1 to {MAX_PAGE_SIZE}.")
    return int(value)


def _cursor(_: str, value: str) -> str:
    return value


_READ: Final[Mapping[str, Callable[[str, str], object]]] = {
    "status": _one_of(Status),
    "destination": _organization,
    "after": _cursor,
    "before": _cursor,
    "limit": _size,
    "direction": _one_of(Direction),
    "actionable": _one_of(Action),
}
