"""Subjects that fail in some way, and the vectors to run against them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from connect_core.conformance import (
    Answer,
    Outcome,
    ReferenceSystem,
    Result,
    System,
    Vector,
    run,
    select,
)

ACCEPT = select(["story/accept"])
ONE_CELL = select(["transition/pending/activate/destination"])


class Raises(ReferenceSystem):
    """Raises an internal error when data is read."""

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        raise ZeroDivisionError(f"{by} {connection} {scope}")


class Unable(ReferenceSystem):
    """Does not support a capability that it claims."""

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        super().share(by=by, connection=connection, scope=scope)
        return Answer(Outcome.UNSUPPORTED)


#: Why a transport cannot make a call.
NO_WAY = "There is no way to ask."


class CannotShare(ReferenceSystem):
    """Behind a transport that cannot ask to read data."""

    def share(self, **_: str) -> Answer:
        return Answer(Outcome.UNSUPPORTED, reason=NO_WAY)


class CannotReactivate(ReferenceSystem):
    """Behind a transport that cannot reactivate."""

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        if action == "reactivate":
            return Answer(Outcome.UNSUPPORTED, reason=NO_WAY)
        return super().act(
            by=by, connection=connection, action=action, expected_version=expected_version
        )


class ShowsNoScopes(ReferenceSystem):
    """Behind a transport that shows no scopes and no names."""

    def read(self, *, by: str, connection: str) -> Answer:
        answer = super().read(by=by, connection=connection)
        if answer.state is None:
            return answer
        hidden = frozenset({"scopes", "name"})
        seen = {name: value for name, value in answer.state.items() if name not in hidden}
        return replace(answer, state=seen, unseen=hidden, reason=NO_WAY)


class NoAnswer(ReferenceSystem):
    """Returns a value that is not an answer."""

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        return super().share(by=by, connection=connection, scope=scope).outcome  # type: ignore[return-value]


class Watched:
    """Another system. Before each call, `before` is called with the verb."""

    def __init__(self, system: System, before: Callable[[str], object]) -> None:
        self._system = system
        self._before = before

    def create(self, **call: Any) -> Answer:
        self._before("create")
        return self._system.create(**call)

    def act(self, **call: Any) -> Answer:
        self._before("act")
        return self._system.act(**call)

    def share(self, **call: Any) -> Answer:
        self._before("share")
        return self._system.share(**call)

    def read(self, **call: Any) -> Answer:
        self._before("read")
        return self._system.read(**call)

    def close(self) -> None:
        self._before("close")
        self._system.close()


def results(make: Callable[[], System], among: tuple[Vector, ...] = ACCEPT) -> list[Result]:
    return [each.result for each in run(make, among=among).results]
