"""A copy of the package behind the line protocol: ``python peer.py SRC core``, or ``service``.

`SRC` is the directory that the package is imported from. With ``--record FILE``, every request is
written to a file together with its answer. With ``--replay FILE``, nothing is read: the requests in
the file are made again, and the index of the first one is printed whose answer is not the one in
the file, or null. Both run by a clock and a source of chance of their own, so that equal requests
get equal answers.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connect_core.conformance import System

#: How long each look at the clock of a recording takes, in nanoseconds: less than a millisecond, so
#: that some moments are equal to the one before.
_LOOK = 300_000
#: How much memory and processor time a mutant may take.
_MOST_BYTES = 2**31
_MOST_SECONDS = 120


class Subject:
    """What answers: a fresh system for each execution."""

    def __init__(self, kind: str) -> None:
        from connect_core import ConnectionService, InMemoryStore
        from connect_core.conformance.subject import ReferenceSystem, ServiceSystem

        self._make: dict[str, Callable[[], System]] = {
            "core": ReferenceSystem,
            "service": lambda: ServiceSystem(ConnectionService(InMemoryStore())),
        }
        self._kind = kind
        self._system = self._make[kind]()

    def answer(self, line: str) -> str:
        """The line that answers a request. A failure is an answer, too."""
        request: dict[str, Any] = json.loads(line)
        number, verb = request.pop("id"), request.pop("verb")
        del request["protocol"]
        reply: dict[str, object] = {"outcome": "ok"}
        try:
            if verb == "close":
                self._system.close()
                self._system = self._make[self._kind]()
            else:
                given = asdict(getattr(self._system, verb)(**request))
                names = ("outcome", "connection", "state", "pointers", "http")
                reply = {name: given[name] for name in names if given[name] is not None}
        except Exception as error:
            reply = {"error": repr(error)}
        return json.dumps({"protocol": 1, "id": number, **reply})


class Clock:
    """A clock of which each look takes some time, set anew for each request."""

    def __init__(self) -> None:
        self.now = 0

    def look(self) -> int:
        """The time in nanoseconds."""
        self.now += _LOOK
        return self.now

    def replace(self) -> None:
        """Replace the clock and the source of chance, before the package is imported."""
        time.time_ns = self.look
        os.urandom = bytes


def serve(subject: Subject) -> None:
    """Answer the requests on the standard input."""
    for line in sys.stdin:
        sys.stdout.write(subject.answer(line) + "\n")
        sys.stdout.flush()


def record(kind: str, path: str) -> None:
    """Answer the requests on the standard input, and write down when each came."""
    look, clock = time.time_ns, Clock()
    clock.replace()
    subject = Subject(kind)
    with open(path, "w", encoding="utf-8") as recorded:  # noqa: PTH123  # pathlib is slow to import
        for line in sys.stdin:
            clock.now = look()
            recorded.write(f"{clock.now}\n{line}")
            answer = subject.answer(line) + "\n"
            recorded.write(answer)
            recorded.flush()
            sys.stdout.write(answer)
            sys.stdout.flush()


def first_difference(kind: str, path: str) -> int | None:
    """The index of the first request whose answer is not the one that is recorded in a file."""
    clock = Clock()
    clock.replace()
    subject = Subject(kind)
    with open(path, encoding="utf-8") as recorded:  # noqa: PTH123  # as above
        for index, moment in enumerate(iter(recorded.readline, "")):
            clock.now = int(moment)
            if subject.answer(recorded.readline()) != recorded.readline().rstrip("\n"):
                return index
    return None


def limit() -> None:
    """Limit the memory and the time of this process, where that is possible."""
    if sys.platform != "win32":
        from resource import RLIMIT_AS, RLIMIT_CPU, setrlimit

        setrlimit(RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
        setrlimit(RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))


def main(source: str, *rest: str) -> int:
    """Serve, record or replay."""
    limit()
    sys.path.insert(0, source)
    # Without what else the kit's package imports, which takes four times as long.
    package = ModuleType("connect_core.conformance")
    package.__path__ = [os.path.join(source, "connect_core", "conformance")]  # noqa: PTH118  # as above
    sys.modules[package.__name__] = package
    match rest:
        case [kind, "--replay", path]:
            sys.stdout.write(json.dumps(first_difference(kind, path)))
        case [kind, "--record", path]:
            record(kind, path)
        case [kind]:
            serve(Subject(kind))
        case _:
            raise SystemExit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
