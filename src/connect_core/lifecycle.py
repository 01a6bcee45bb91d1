"""The rules of a Connection, written once.

A *source* organization offers to share data with a *destination* organization. The offer is a
Connection. It comes into being `pending`; the destination makes it `active`; from then on, and
only while it stays active, data may pass from the source to the destination. Either of the two may
make it `inactive` at any time, whether it was accepted yet or not. Only the source can bring an
inactive Connection back, and it comes back merely `pending`: consent that was withdrawn is asked
for again, never assumed. There is no last state. A Connection is never deleted, and there is only
ever one for each ordered pair of organizations.

That is the whole theory, and `ConnectionLifecycle` below is the whole statement of it. Each
transition is declared with its two ends and with the roles that may take it. What is not declared
cannot happen: a status has no way out but the ones listed, and a role that no transition names has
no power. Two facts that are not transitions stand beside the class: the status in which data may
be read, and the role that may read it.

How to use it. `connect_core.policy` puts every status and every set of roles to this machine when
it is imported and keeps the answers in a table, so that asking costs one lookup. The machine also
works by itself, bound to an object of your own, as any python-statemachine class does::

    lifecycle = ConnectionLifecycle(row, state_field="status")
    lifecycle.send("activate", roles={Role.DESTINATION})

The roles are given with each event as a set; an event without them is refused. A refused event
raises `statemachine.exceptions.TransitionNotAllowed` and leaves the object as it was. An object
whose status is None has no Connection yet: it starts in the state `absent`, from which the source
may `create`. `absent` is a state of the machine and not a `Status`: no Connection ever has it.

What this file deliberately does not know:

- organizations, people and API keys. Who holds which role is worked out in `connect_core.parties`;
- whether a Connection for the same pair exists, and whether a self-connection is wanted. Those
  are questions about other facts than this Connection's status; `connect_core.policy` asks them;
- scopes, which limit what may be read, never who may change the status;
- time, versions, storage and events. They record a transition; they do not decide one.

Guards must not be able to raise, whatever they are given: python-statemachine counts a guard that
raises as one that agreed when it lists the enabled events. Hence the type check in `by`.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, cast

from statemachine import State, StateMachine
from statemachine.exceptions import InvalidStateValue


class Status(StrEnum):
    """Where a Connection stands. Every Connection has exactly one of these, at every moment."""

    #: Created or reactivated by the source; waits for the destination. No data may pass.
    PENDING = "pending"
    #: Activated by the destination. Data may pass from the source to the destination.
    ACTIVE = "active"
    #: Deactivated by either. No data may pass until it was reactivated and activated again.
    INACTIVE = "inactive"


class Action(StrEnum):
    """What an actor may ask for. The values are the names of the lifecycle's events."""

    #: Bring the Connection into being, pending. The source's alone; once per ordered pair.
    CREATE = "create"
    #: Accept it: pending to active. The destination's alone.
    ACTIVATE = "activate"
    #: Withdraw from it: pending or active to inactive. Either party's.
    DEACTIVATE = "deactivate"
    #: Offer it again: inactive to pending, never straight to active. The source's alone.
    REACTIVATE = "reactivate"


class Role(StrEnum):
    """An organization's part in one Connection. It follows from ids alone; nobody claims it."""

    #: The organization whose data is shared. It creates and reactivates.
    SOURCE = "source"
    #: The organization that receives the data. It activates.
    DESTINATION = "destination"


def by(*permitted: Role) -> Callable[..., bool]:
    """A guard that agrees exactly when one of the `permitted` roles is among those that act.

    The guard takes the event's `roles`. Anything but a set or frozenset holds no role, and so is
    refused; the guard cannot raise.
    """
    allowed = frozenset(permitted)

    def guard(roles: object = frozenset()) -> bool:
        # Exact types: what is compared and walked through below runs no code from outside.
        held = cast("set[object]", roles) if type(roles) in (set, frozenset) else ()
        return any(type(role) in (Role, str) and role in allowed for role in held)

    # The label in diagrams. A name with a space can be no attribute of the bound model, so the
    # machine never looks there for a guard of the same name.
    guard.__name__ = "by " + " or ".join(permitted)
    return guard


class ConnectionLifecycle(StateMachine):
    """The states of a Connection, the transitions between them, and who may take each.

    Send an event with the roles that act: ``send("activate", roles={Role.DESTINATION})``. States
    hold `Status` members as their values; a bound object may hold the same as plain strings.

    Raises:
        statemachine.exceptions.InvalidStateValue: on binding, when the object's status is not one
            of this machine's. The object is left as it was.
        statemachine.exceptions.TransitionNotAllowed: on an event that the present state or the
            roles do not permit. The status is left as it was.
    """

    #: There is no Connection for this ordered pair yet.
    absent = State(initial=True)
    #: Waits for the destination.
    pending = State(value=Status.PENDING)
    #: Data may pass.
    active = State(value=Status.ACTIVE)
    #: Withdrawn. Not an end: nothing is final here.
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


#: The rule *share*: data may be read while the Connection has this status, and in no other ...
SHARING_STATUS: Final = Status.ACTIVE
#: ... and only by the organization that holds this role. Data never flows the other way.
READING_ROLE: Final = Role.DESTINATION
