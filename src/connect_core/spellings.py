"""Spellings: checks how a host spells statuses and scopes, and what it calls its attributes.

A mapping that is incomplete or ambiguous is refused here, by name, when it is made. Otherwise a
value with two meanings would be noticed only much later.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar

from connect_core.lifecycle import Status
from connect_core.scopes import Scope
from connect_core.text import quoted, same_value, text_of

_Name = TypeVar("_Name", bound=str)
_Spelling = TypeVar("_Spelling")


def require_attributes(names: Mapping[str, object]) -> None:
    """Refuse what cannot be the names of different attributes.

    Args:
        names: the names, by the arguments that gave them.

    Raises:
        TypeError: one of them is no text.
        ValueError: one of them is no identifier, or two are the same.
    """
    seen: dict[str, str] = {}
    for argument, name in names.items():
        if not isinstance(name, str):
            raise TypeError(f"{argument}: expected an attribute's name, got {type(name).__name__}")
        if not name.isidentifier():
            raise ValueError(f"{argument}: {quoted(name)} is not the name of an attribute")
        if name in seen:
            raise ValueError(f"{seen[name]} and {argument} are both {quoted(name)}; name two")
        seen[name] = argument


def spelled_statuses(statuses: Mapping[Any, Any] | None) -> Mapping[Status, Any]:
    """The spelling of each status, in the order of `Status`; ours if None. Read-only.

    Raises:
        TypeError: a spelling is neither text, an integer nor a member of an `Enum`.
        ValueError: a status is missing, or there is no such status, or two are spelled alike.
    """
    if statuses is None:
        return MappingProxyType({status: status.value for status in Status})
    given = {_status_named(name): spelling for name, spelling in statuses.items()}
    if lacking := [str(status) for status in Status if status not in given]:
        raise ValueError(f"statuses: give the spelling of each; missing: {', '.join(lacking)}")
    return _distinct("statuses", {status: given[status] for status in Status})


def spelled_scopes(scope_names: Mapping[str, object]) -> Mapping[str, object]:
    """The spelling of each scope. Read-only.

    Raises:
        TypeError: a spelling is neither text, an integer nor a member of an `Enum`.
        ValueError: a scope is ill-formed, or two are spelled alike.
    """
    for scope in scope_names:
        try:
            Scope(scope)
        except (TypeError, ValueError) as error:
            raise ValueError(f"scope_names: {error}") from None
    return _distinct("scope_names", {text_of(scope): each for scope, each in scope_names.items()})


def _status_named(name: str) -> Status:
    try:
        return Status(name)
    except ValueError:
        known = ", ".join(Status)
        raise ValueError(f"statuses: {quoted(name)} is not a Status; they are {known}") from None


def _distinct(argument: str, given: dict[_Name, _Spelling]) -> Mapping[_Name, _Spelling]:
    """The same, once every spelling is one and no two are the same."""
    seen: list[tuple[_Name, object]] = []
    for name, spelling in given.items():
        if not isinstance(spelling, str | int | Enum) or isinstance(spelling, bool):
            raise TypeError(
                f"{argument}: the spelling of {name} must be text, an integer or a member of an"
                f" Enum, not {type(spelling).__name__}"
            )
        for other, same in seen:
            if same_value(spelling, same):
                raise ValueError(
                    f"{argument}: {other} and {name} are both spelled {quoted(spelling)}; a row"
                    " could mean either"
                )
        seen.append((name, spelling))
    return MappingProxyType(given)
