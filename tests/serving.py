"""A system of Python as a process that speaks the line protocol: ``python serving.py NAME``.

It serves a fault of `faults`, by its name. `served` is the command, for `StdioPeer`.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faults import FAULTS

from connect_core.conformance import ReferenceSystem, System


def served(name: str) -> list[str]:
    """The command of a process that serves the fault of this name."""
    return [sys.executable, str(Path(__file__)), name]


def serve(make_system: Callable[[], System]) -> None:
    """Answer requests until the input ends."""
    system = make_system()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        verb, number = request.pop("verb"), request.pop("id")
        del request["protocol"]
        answer: dict[str, Any] = {"protocol": 1, "id": number, "outcome": "ok"}
        if verb == "close":
            system = make_system()
        else:
            given = asdict(getattr(system, verb)(**request))
            told = ("outcome", "connection", "state", "pointers", "http")
            answer |= {name: given[name] for name in told if given[name] is not None}
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(FAULTS.get(sys.argv[1], ReferenceSystem))
