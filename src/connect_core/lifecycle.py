"""The rules of a Connection, written once.

A *source* organization offers to share data with a *destination* organization. The offer is a
Connection. It comes into being `pending`; the destination makes it `active`; from then on, and
only while it stays active, data may pass from the source to the destination. Either organization
may make it `inactive` at any time, whether it was accepted or not. Only the source can bring an
inactive Connection back, and it comes back as `pending`: withdrawn consent must be given again, and
is never assumed. No status is final. A Connection is never deleted, and there is only ever one for
each ordered pair of organizations.

`ConnectionLifecycle` below states all of this. It declares each transition with its two ends and
with the roles that may take it. What is not declared cannot happen: a status has no transitions
but the ones listed, and a role that no transition names may do nothing. Two facts that are not
transitions follow the class: the status in which data may be read, and the role that may read it.

Usage: on import, `connect_core.table` puts every status and every set of roles to this machine and
keeps the answers, so that a question costs one lookup. The machine also works by itself, bound to
an object of your own, as any python-statemachine class does::

    lifecycle = ConnectionLifecycle(row, state_field="status")
    lifecycle.send("activate", roles={Role.DESTINATION})

Each event takes the roles as a set; an event without roles is refused. A refused event raises
`statemachine.exceptions.TransitionNotAllowed` and leaves the object as it was. An object whose
status is None has no Connection yet: it starts in the state `absent`, from which the source may
`create`. `absent` is a state of the machine and not a `Status`: no Connection ever has it.

What this file deliberately does not know:

- organizations, people and API keys. `connect_core.parties` works out who holds which role;
- whether a Connection for the same pair exists, and whether a self-connection is wanted. These
  facts are not part of this Connection's status; `connect_core.policy` looks them up, and
  `connect_core.answers` decides;
- scopes, which limit what may be read, never who may change the status;
- time, versions, storage and events. They record a transition; they do not decide one.

Guards must never raise, whatever they are given: when python-statemachine lists the enabled
events, it counts a guard that raises as satisfied. Hence the type check in `by`.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, cast

from statemachine import State, StateMachine
from statemachine.exceptions import InvalidStateValue


class Status(StrEnum):
    """The state of a Connection. Every Connection has exactly one status at every moment."""

    #: Created or reactivated by the source; awaits the destination. No data may pass.
    PENDING = "pending"
    #: Activated by the destination. Data may pass from the source to the destination.
    ACTIVE = "active"
    #: Deactivated by either party. No data may pass until it is reactivated and activated again.
    INACTIVE = "inactive"


class Action(StrEnum):
    """What an actor may ask for. The values are the names of the lifecycle's events."""

    #: Create the Connection, as pending. Only the source may; once per ordered pair.
    CREATE = "create"
    #: Accept it: pending to active. Only the destination may.
    ACTIVATE = "activate"
    #: Withdraw from it: pending or active to inactive. Either party may.
    DEACTIVATE = "deactivate"
    #: Offer it again: inactive to pending, never straight to active. Only the source may.
    REACTIVATE = "reactivate"


class Role(StrEnum):
    """An organization's part in one Connection. It follows from ids alone and is never claimed."""

    #: The organization whose data is shared. It creates and reactivates.
    SOURCE = "source"
    #: The organization that receives the data. It activates.
    DESTINATION = "destination"


def by(*permitted: Role) -> Callable[..., bool]:
    """A guard that passes exactly when the actor holds one of the `permitted` roles.

    The guard takes the event's `roles`. Anything but a set or frozenset counts as no roles, and is
    refused; the guard cannot raise.
    """
    allowed = frozenset(permitted)

    def guard(roles: object = frozenset()) -> bool:
        # Exact types, so that iterating and comparing below run no code from outside.
        held = cast("set[object]", roles) if type(roles) in (set, frozenset) else ()
        return any(type(role) in (Role, str) and role in allowed for role in held)

    # The label in diagrams. An attribute of the bound model cannot have a space in its name, so the
    # machine never takes one for this guard.
    guard.__name__ = "by " + " or ".join(permitted)
    return guard


class ConnectionLifecycle(StateMachine):
    """The states of a Connection, the transitions between them, and who may take each.

    Send an event with the roles that act: ``send("activate", roles={Role.DESTINATION})``. States
    hold `Status` members as their values; a bound object may hold the same as plain strings.

    Raises:
        statemachine.exceptions.InvalidStateValue: on binding, when the object's status is not one
            of this machine's. The object is left as it was.
        statemachine.exceptions.TransitionNotAllowed: on an event that the current state or the
            roles do not permit. The status is left as it was.
    """

    #: There is no Connection for this ordered pair yet.
    absent = State(initial=True)
    #: Awaits the destination.
    pending = State(value=Status.PENDING)
    #: Data may pass.
    active = State(value=Status.ACTIVE)
    #: Withdrawn, but not final.
    inactive = State(value=Status.INACTIVE)

    #: The rule *create*.
    create = absent.to(pending, cond=by(Role.SOURCE))
    #: The rule *activate*.
    activate = pending.to(active, cond=by(Role.DESTINATION))
    #: The rule *deactivate*. From inactive it is refused, never a silent success.
    deactivate = inactive.from_(pending, active, cond=by(Role.SOURCE, Role.DESTINATION))
    #: The rule *reactivate*. It does not matter who deactivated.
    reactivate = inactive.to(pending, cond=by(Role.SOURCE))

    def __init__(
        self,
        model: object = None,
        state_field: str = "state",
        start_value: object = None,
        listeners: list[object] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(model, state_field, start_value, listeners, **kwargs)  # pyright: ignore[reportUnknownMemberType]  # python-statemachine types it in part
        if self.current_state_value not in self.states_map:
            raise InvalidStateValue(self.current_state_value)  # type: ignore[no-untyped-call]  # nor this


#: The rule *share*: data may be read only while the Connection has this status.
SHARING_STATUS: Final = Status.ACTIVE
#: The rule *share*: only the organization with this role may read. Data never flows the other way.
READING_ROLE: Final = Role.DESTINATION
