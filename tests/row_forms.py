"""Rows as hosts have them: ids of any type, other attributes, other spellings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from connect_core import RowPolicy, Status

# --- Ids -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tenant:
    """A value object."""

    number: int


#: For each type of an id, those of three organizations.
IDS: Final[dict[str, tuple[Any, Any, Any]]] = {
    "text": ("acme", "Acme", "acme "),
    "int": (17, 1000, 2**40),
    "UUID": (UUID(int=17), UUID(int=2**127 + 5), UUID(int=0)),
    "value object": (Tenant(17), Tenant(18), Tenant(0)),
}


@dataclass
class Caller:
    """Somebody of a host's own who acts for an organization."""

    organization_id: Any


# --- Spellings -----------------------------------------------------------------------------------


class State(Enum):
    """Statuses of a host's own, which are no texts."""

    OFFERED = "pending?"
    RUNNING = "active?"
    OVER = "inactive?"
    FROZEN = "frozen?"


class StateText(StrEnum):
    """The same as texts, under other names."""

    OFFERED = "Offered"
    RUNNING = "Running"
    OVER = "Over"
    FROZEN = "Frozen"


class StateNumber(IntEnum):
    """The same as numbers."""

    OFFERED = 1
    RUNNING = 2
    OVER = 3
    FROZEN = 4


def spelled(pending: object, active: object, inactive: object) -> dict[Status, object]:
    """The spelling of each status."""
    return {Status.PENDING: pending, Status.ACTIVE: active, Status.INACTIVE: inactive}


#: For each way to spell statuses: the spellings, and one that has no meaning.
SPELLINGS: Final[dict[str, tuple[Mapping[Status, Any], Any]]] = {
    "as here": (spelled("pending", "active", "inactive"), "frozen"),
    "upper case": (spelled("PENDING", "ACTIVE", "INACTIVE"), "FROZEN"),
    "mixed up": (spelled("active", "inactive", "pending"), "frozen"),
    "integers": (spelled(0, 1, 1000), 7),
    "Enum": (spelled(State.OFFERED, State.RUNNING, State.OVER), State.FROZEN),
    "StrEnum": (spelled(StateText.OFFERED, StateText.RUNNING, StateText.OVER), StateText.FROZEN),
    "IntEnum": (
        spelled(StateNumber.OFFERED, StateNumber.RUNNING, StateNumber.OVER), StateNumber.FROZEN
    ),
}  # fmt: skip


# --- Rows ----------------------------------------------------------------------------------------


@dataclass
class Plain:
    """A row with the attributes of this library."""

    source_organization_id: Any
    destination_organization_id: Any
    status: Any
    scopes: Any = ()


@dataclass
class Partnership:
    """A row with attributes of a host's own."""

    number: int
    giver: Any
    taker: Any
    state: Any
    permits: Any = ()


class Naming(NamedTuple):
    """How the attributes are called, and what makes such a row."""

    names: Mapping[str, str]
    make: Callable[..., Any]


NAMINGS: Final[dict[str, Naming]] = {
    "as here": Naming({}, Plain),
    "of its own": Naming(
        {
            "source": "giver",
            "destination": "taker",
            "status": "state",
            "scopes": "permits",
            "id": "number",
        },
        partial(Partnership, 5),
    ),
}


def policy(naming: str, spelling: str, **more: Any) -> RowPolicy:
    """The policy about rows of this form."""
    names: dict[str, Any] = dict(NAMINGS[naming].names)
    return RowPolicy(**names, statuses=SPELLINGS[spelling][0], **more)
