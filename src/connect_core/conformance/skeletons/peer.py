"""A peer for `connect-core conformance run --stdio`: fill in the four functions.

Each of them takes a request, and returns the outcome and the further members of its answer. "The
line protocol" in the Connection specification says what both have.
"""

import json
import sys
from typing import Any

#: Your Connections, by id.
connections: dict[str, Any] = {}


# --- Fill these in -------------------------------------------------------------------------------


def create(request: dict[str, Any]) -> dict[str, Any]:
    """Create a Connection to `destination` or from the document `body`; if ok: `connection`.

    `source`, `name`, `scopes` and `allow_self` may be given, too, unless there is a `body`.
    """
    return {"outcome": "unsupported"}


def act(request: dict[str, Any]) -> dict[str, Any]:
    """Take the `action` on the `connection`; `expected_version` may be given."""
    return {"outcome": "not-found"}


def share(request: dict[str, Any]) -> dict[str, Any]:
    """Say whether `by` may read data of the `scope` through the `connection` now."""
    return {"outcome": "not-found"}


def read(request: dict[str, Any]) -> dict[str, Any]:
    """Show the `connection` to `by`; if ok: `state`, an object."""
    return {"outcome": "not-found"}


# --- The line protocol ---------------------------------------------------------------------------


def close(request: dict[str, Any]) -> dict[str, Any]:
    """Forget everything: what follows begins without Connections."""
    connections.clear()
    return {"outcome": "ok"}


VERBS = {"create": create, "act": act, "share": share, "read": read, "close": close}


def answer_to(line: bytes) -> str:
    """Answer one request. A failure is an answer, too, and the next request is read."""
    number = None  # until it is known
    try:
        request = json.loads(line.decode("utf-8"))
        number = int(request["id"])
        verb = VERBS.get(request["verb"])
        answer = verb(request) if verb else {"outcome": "unsupported"}
        return json.dumps({"protocol": 1, "id": number, **answer}, allow_nan=False)
    except Exception as error:
        return json.dumps({"protocol": 1, "id": number, "error": repr(error)})


if __name__ == "__main__":
    for line in sys.stdin.buffer:  # whose lines end with U+000A, and with nothing else
        sys.stdout.buffer.write(answer_to(line).encode("ascii") + b"\n")
        sys.stdout.buffer.flush()
