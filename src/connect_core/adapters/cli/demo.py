"""``connect-core demo``: the guide's story, through the service, on a database of its own."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from connect_core import (
    Action,
    Actor,
    Change,
    Connection,
    ConnectionEvent,
    ConnectionService,
    CreateRequest,
    Decision,
    TransitionError,
    connection_document,
    decide,
    decide_access,
    decide_create,
    parse_create,
    replay,
    steps_to,
)
from connect_core.adapters.cli.options import JsonOption
from connect_core.adapters.cli.output import event_table, json_text, verdict, who, write, write_json

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: The body of the guide's request, as the guide has it.
_REQUEST: Final = """\
{
  "data": {
    "attributes": {
      "destination-organization-id": "org_DEF456",
      "name": "Partner Connection"
    }
  }
}"""
#: When the guide's Connection was created. Each scene comes a minute after the one before.
_BEGINNING: Final = datetime(2018, 6, 1, tzinfo=UTC)

_COMMANDS: Final[dict[Action, Callable[..., Change]]] = {
    Action.ACTIVATE: ConnectionService.activate,
    Action.DEACTIVATE: ConnectionService.deactivate,
    Action.REACTIVATE: ConnectionService.reactivate,
}


class _Scene(NamedTuple):
    """Somebody asks for something: the answer, and the Connection as it is afterwards."""

    actor: Actor
    scope: str | None  # what they want to read, if it is not an action that they want to take
    decision: Decision
    connection: Connection

    def title(self) -> str:
        role, organization = who(self.decision.roles), self.actor.organization_id
        wish = f"{self.decision.action or 'read'} {self.scope or self.connection.id}"
        return f"The {role} ({self.actor.id} of {organization}) asks to {wish}"

    def as_dict(self) -> dict[str, object]:
        return {
            "actor": self.actor.model_dump(mode="json"),
            "scope": self.scope,
            "decision": self.decision.as_dict(),
            "status_afterwards": self.connection.status.value,
            "steps_to_active": [step.as_dict() for step in steps_to(self.connection)],
        }


class _Story:
    """One Connection, taken through its life by the service, each scene in its own transaction."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self.scenes: list[_Scene] = []

    def create(self, request: CreateRequest, by: Actor) -> None:
        """`by` offers to share."""
        destination = request.destination_organization_id
        decision = decide_create(by, source=by.organization_id, destination=destination)
        with self._service() as service:
            self.connection, _ = service.create(
                by=by, destination=destination, name=request.name, scopes=request.scopes
            )
        self._show(by, decision)

    def take(self, action: Action, by: Actor) -> None:
        """`by` tries it. A refusal raises and changes nothing; the decision says why."""
        decision = decide(by, action, self.connection)
        with self._service() as service, suppress(TransitionError):
            self.connection, _ = _COMMANDS[action](service, self.connection.id, by=by)
        self._show(by, decision)

    def read(self, scope: str, by: Actor) -> None:
        """`by` asks whether data of `scope` may be read now."""
        with self._service() as service:
            self.connection = service.get(self.connection.id, by=by)
        self._show(by, decide_access(by, scope, self.connection), scope)

    def history(self, by: Actor) -> Sequence[ConnectionEvent]:
        """What is kept in the database of all this."""
        with self._service() as service:
            return service.history(self.connection.id, by=by)

    def _show(self, actor: Actor, decision: Decision, scope: str | None = None) -> None:
        self.scenes.append(_Scene(actor, scope, decision, self.connection))

    @contextmanager
    def _service(self) -> Generator[ConnectionService]:
        from sqlalchemy.orm import Session

        from connect_core.adapters.sql import SqlConnectionStore

        now = _BEGINNING + timedelta(minutes=len(self.scenes))
        with Session(self._engine) as session, session.begin():
            store = SqlConnectionStore(session)
            yield ConnectionService(store, clock=lambda: now, new_id=lambda: "cxn_ABC123")


class _Told(NamedTuple):
    """The story when it is over."""

    scenes: Sequence[_Scene]
    events: Sequence[ConnectionEvent]
    connection: Connection

    @property
    def replayed(self) -> bool:
        """Whether the events lead to the Connection."""
        return replay(self.events) == self.connection

    def as_dict(self) -> dict[str, object]:
        return {
            "request": json.loads(_REQUEST),
            "database": "a temporary SQLite file",
            "steps": [scene.as_dict() for scene in self.scenes],
            "history": [event.model_dump(mode="json") for event in self.events],
            "replay_gives_the_same": self.replayed,
            "document": connection_document(self.connection),
        }


def _play() -> _Told:
    """The guide's story, and what somebody else might try on the way."""
    from connect_core.adapters.cli.database import opened

    our_key = Actor(id="api_ABC123", organization_id="org_ABC123")
    partner = Actor(id="usr_Rk3v", organization_id="org_DEF456")
    with TemporaryDirectory(prefix="connect-core-") as place, opened(f"{place}/demo.db") as engine:
        story = _Story(engine)
        story.create(parse_create(_REQUEST), by=our_key)
        story.take(Action.ACTIVATE, by=our_key)
        story.take(Action.ACTIVATE, by=partner)
        story.read("inquiry.read", by=partner)
        story.read("document.read", by=partner)
        story.read("inquiry.read", by=our_key)
        story.take(Action.DEACTIVATE, by=our_key)
        story.take(Action.REACTIVATE, by=partner)
        story.take(Action.REACTIVATE, by=our_key)
        story.read("inquiry.read", by=partner)
        story.take(Action.ACTIVATE, by=partner)
        return _Told(story.scenes, story.history(by=our_key), story.connection)


def demo(as_json: JsonOption = False) -> None:
    """Play the guide's story on a temporary database, refusals too."""
    told = _play()
    if as_json:
        write_json(told.as_dict())
        return
    write(
        Text("The guide's request", "bold"),
        _REQUEST,
        Text("The story", "bold"),
        *(_scene(number, scene) for number, scene in enumerate(told.scenes, 1)),
        Text("The history", "bold"),
        event_table(told.events),
        f"Do these events, replayed, give the same Connection? {_yes_or_no(told.replayed)}",
        "All of this was kept in a temporary SQLite database, which is gone now.",
        Text("The Connection's document", "bold"),
        json_text(connection_document(told.connection)),
    )


def _yes_or_no(answer: bool) -> str:
    return "Yes." if answer else "No!"


def _scene(number: int, scene: _Scene) -> Group:
    reasons = verdict(scene.decision, scene.connection)
    return Group(f"{number:>2}. {scene.title()}", Padding(reasons, (0, 0, 0, 4)))
