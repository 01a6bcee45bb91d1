"""The statements whose instructions are counted, and the process that runs them.

`instructions` runs it under callgrind. It imports only what it needs: imports take fifty times as
long there.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from connect_core import Action, Role, Status, allowed_actions, can, decide, decide_access

from .story import DESTINATION, SOURCE, pending_connection, pending_row
from .timing import timer_of

LOOKUP = "table[status, action, role]"
#: How often the first loop runs a statement.
REPETITIONS = 500
#: Enough for the interpreter to specialize the code, and for whatever is built once.
_WARMING = 100


class Counted(NamedTuple):
    """A statement, and the values of its names."""

    source: str
    names: Mapping[str, Any]


def statements() -> dict[str, Counted]:
    """Every statement by its name; the lookup in a bare dict comes first."""
    cells = product((*Status, "unknown"), Action, ("none", *Role, "both"))
    key = {"status": Status.PENDING, "action": Action.ACTIVATE, "role": Role.DESTINATION}
    table = {cell: number for number, cell in enumerate(cells)}
    may: dict[str, Any] = {"decide": decide, "can": can, "allowed_actions": allowed_actions}
    may |= {"actor": DESTINATION, "action": Action.ACTIVATE, "connection": pending_connection()}
    may_not = {**may, "actor": SOURCE}
    unknown = {**may, "connection": replace(pending_row(), status="archived")}
    read: dict[str, Any] = {"decide_access": decide_access, "reader": DESTINATION}
    read |= {"scope": "inquiry.read", "connection": pending_connection()}
    read_row = {**read, "connection": pending_row()}
    return {
        LOOKUP: Counted(LOOKUP, {"table": table, **key}),
        "decide, allowed": Counted("decide(actor, action, connection)", may),
        "decide, denied": Counted("decide(actor, action, connection)", may_not),
        "decide, unknown status": Counted("decide(actor, action, connection)", unknown),
        "decide_access": Counted("decide_access(reader, scope, connection)", read),
        "decide_access, row": Counted("decide_access(reader, scope, connection)", read_row),
        "can": Counted("can(actor, action, connection)", may),
        "allowed_actions": Counted("allowed_actions(actor, connection)", may),
        "connection.activate(by=...)": Counted("connection.activate(by=actor)", may),
    }


def run() -> None:
    """Run each statement `REPETITIONS` times, then twice as often, with marks around both loops."""
    for source, names in statements().values():
        loop = timer_of(source, **names)
        loop.timeit(_WARMING)
        os.getppid()
        for times in (1, 2):
            loop.timeit(times * REPETITIONS)
            os.getppid()


if __name__ == "__main__":
    run()
