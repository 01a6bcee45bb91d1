"""A step: `Connection.activate`, against pydantic's copy and against the state machine itself."""

from connect_core import ConnectionLifecycle, Role, Status

from .results import AtLeast, AtMost, Figure, Section
from .story import DESTINATION, pending_connection
from .timing import best, statement

_ACTIVATE = "connection.activate(by=...)"
_COPY = "connection.model_copy()"
_SEND = "reset the state, machine.send(...)"
_RESET = "the reset alone"


def activating(rounds: int) -> Section:
    """How long a command takes, including reading the clock.

    The machine must be reset before each event, or only the first would be permitted. The
    assignment is the cheapest way. Its time is not subtracted; a figure of its own shows how
    short it is.
    """
    connection = pending_connection()
    machine = ConnectionLifecycle()
    names = {"machine": machine, "pending": Status.PENDING, "roles": {Role.DESTINATION}}
    reset = "machine.current_state_value = pending"
    seconds = best(
        {
            _ACTIVATE: statement(
                "connection.activate(by=actor)", connection=connection, actor=DESTINATION
            ),
            _COPY: statement("connection.model_copy()", connection=connection),
            _SEND: statement(f"{reset}\nmachine.send('activate', roles=roles)", **names),
            _RESET: statement(reset, **names),
        },
        rounds,
    )
    return Section(
        "A command",
        (
            Figure(_ACTIVATE, seconds[_ACTIVATE], _COPY, seconds[_COPY], AtMost(3)),
            Figure(_ACTIVATE, seconds[_ACTIVATE], _SEND, seconds[_SEND], AtLeast(12), faster=True),
            Figure(_RESET, seconds[_RESET]),
        ),
    )
