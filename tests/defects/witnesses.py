"""Witnesses: lists of calls, each on a Connection that an earlier call made and named.

`answers` makes the calls, and `comparable` leaves out of an answer what two executions cannot have
in common: ids and times.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from connect_core.conformance import Answer, System

A: Final = "org_a"
B: Final = "org_b"
C: Final = "org_c"
D: Final = "org_d"


class Step(NamedTuple):
    """A call of a witness.

    Attributes:
        verb: `create`, `act`, `share` or `read`; or `wait`.
        terms: the other arguments.
        name: the name of the Connection that is called on, or that is created.
        derive: makes the id that is given from the Connection's.
    """

    verb: str
    terms: Mapping[str, object]
    name: str = "first"
    derive: Callable[[str], str] | None = None


@dataclass
class Exchanges:
    """The answers to the calls of a witness, and the Connections that they made.

    Attributes:
        answers: an answer for each call; the error, if one was raised.
        ids: the ids of the Connections by their names.
    """

    answers: list[Answer | Exception] = field(default_factory=list[Answer | Exception])
    ids: dict[str, str] = field(default_factory=dict[str, str])

    def states(self) -> list[Any]:
        """The states that were read."""
        given = [answer for answer in self.answers if isinstance(answer, Answer)]
        return [answer.state for answer in given if answer.state is not None]


def create(by: str = A, destination: str = B, *, to: str = "first", **terms: object) -> Step:
    return Step("create", {"by": by, "destination": destination, **terms}, to)


def send(body: str, by: str = A) -> Step:
    """Create a Connection with a document."""
    return Step("create", {"by": by, "body": body})


def act(
    action: str,
    by: str,
    on: str = "first",
    *,
    expected: int | None = None,
    derive: Callable[[str], str] | None = None,
) -> Step:
    return Step("act", {"by": by, "action": action, "expected_version": expected}, on, derive)


def activate(by: str = B, on: str = "first", expected: int | None = None) -> Step:
    return act("activate", by, on, expected=expected)


def deactivate(by: str = A, on: str = "first", expected: int | None = None) -> Step:
    return act("deactivate", by, on, expected=expected)


def reactivate(by: str = A, on: str = "first", expected: int | None = None) -> Step:
    return act("reactivate", by, on, expected=expected)


def share(
    by: str = B,
    scope: str = "account.read",
    on: str = "first",
    derive: Callable[[str], str] | None = None,
) -> Step:
    return Step("share", {"by": by, "scope": scope}, on, derive)


def read(by: str = A, on: str = "first", derive: Callable[[str], str] | None = None) -> Step:
    return Step("read", {"by": by}, on, derive)


def wait() -> Step:
    """Let so much time pass that the next change has to be dated later."""
    return Step("wait", {})


#: A Connection from A to B that is active.
ACTIVE: Final = (create(), activate())


def rounds(count: int) -> tuple[Step, ...]:
    """Activate, deactivate and reactivate a pending Connection so many times."""
    return (activate(), deactivate(), reactivate()) * count


def withdrawals(count: int) -> tuple[Step, ...]:
    """Deactivate and reactivate a pending Connection so many times."""
    return (deactivate(), reactivate()) * count


def creates(count: int, by: str = A, start: int = 0) -> tuple[Step, ...]:
    """Connections of a source to other destinations, named by their numbers."""
    return tuple(create(by, f"org_to_{n}", to=str(n)) for n in range(start, start + count))


def exchanges(system: System, witness: Sequence[Step]) -> Exchanges:
    """Make the calls of a witness."""
    done = Exchanges()
    for step in witness:
        if step.verb == "wait":
            time.sleep(0.11)
            continue
        terms = dict(step.terms)
        if step.verb != "create":
            known = done.ids.get(step.name, "cxn_missing")
            terms["connection"] = step.derive(known) if step.derive else known
        try:
            answer: Answer = getattr(system, step.verb)(**terms)
        except Exception as error:  # an exception is an answer, too: a fault
            done.answers.append(error)
            continue
        done.answers.append(answer)
        if step.verb == "create" and answer.connection is not None:
            done.ids[step.name] = answer.connection
    system.close()
    return done


def comparable(answer: Answer | Exception, ids: Mapping[str, str]) -> object:
    """What an answer says, without times, and with the names of Connections for their ids."""
    if isinstance(answer, Exception):
        return "an exception"
    names = {known: name for name, known in reversed(list(ids.items()))}
    pointers = None if answer.pointers is None else sorted(answer.pointers)
    connection = names.get(answer.connection or "", answer.connection)
    return answer.outcome, answer.http, pointers, connection, _comparable(answer.state, names)


def _comparable(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: names.get(each, each) if key in {"id", "token"} else _comparable(each, names)
            for key, each in cast("Mapping[str, Any]", value).items()
            if key not in {"created_at", "updated_at", "created-at", "updated-at"}
        }
    if isinstance(value, list):
        return [_comparable(each, names) for each in cast("list[object]", value)]
    return value
