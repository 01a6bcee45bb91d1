"""``connect-core demo``: the guide's story, run by the service on a temporary database."""

import json
from collections.abc import Generator, Sequence
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
from connect_core.adapters.cli.signals import cleaning_up

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
#: When the guide's Connection was created. Each scene is a minute after the one before.
_BEGINNING: Final = datetime(2018, 6, 1, tzinfo=UTC)


class _Scene(NamedTuple):
    """One request: the actor, the decision, and the Connection afterwards."""

    actor: Actor
    scope: str | None  # the scope to read; None if the request is for an action
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
    """The life of one Connection, each scene in its own transaction of the service."""

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
            self.connection, _ = service.take(action, self.connection.id, by=by)
        self._show(by, decision)

    def read(self, scope: str, by: Actor) -> None:
        """`by` asks whether data of `scope` may be read now."""
        with self._service() as service:
            self.connection = service.get(self.connection.id, by=by)
        self._show(by, decide_access(by, scope, self.connection), scope)

    def history(self, by: Actor) -> Sequence[ConnectionEvent]:
        """The history that is stored in the database."""
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


class _Outcome(NamedTuple):
    """The result of a whole story."""

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


def _play() -> _Outcome:
    """Play the guide's story, with the refused attempts that others might make."""
    from connect_core.adapters.cli.database import opened

    our_key = Actor(id="api_ABC123", organization_id="org_ABC123")
    partner = Actor(id="usr_Rk3v", organization_id="org_DEF456")
    with (
        cleaning_up(),
        TemporaryDirectory(prefix="connect-core-") as place,
        opened(f"{place}/demo.db", on_creation=lambda _: None) as engine,
    ):
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
        return _Outcome(story.scenes, story.history(by=our_key), story.connection)


def demo(as_json: JsonOption = False) -> None:
    """Play the guide's story and refusals on a temporary database."""
    played = _play()
    if as_json:
        write_json(played.as_dict())
        return
    write(
        Text("The guide's request", "bold"),
        _REQUEST,
        Text("The story", "bold"),
        *(_scene(number, scene) for number, scene in enumerate(played.scenes, 1)),
        Text("The history", "bold"),
        *event_table(played.events),
        f"Do these events, replayed, give the same Connection? {_yes_or_no(played.replayed)}",
        "All of this was stored in a temporary SQLite database, which is deleted now.",
        Text("The Connection's document", "bold"),
        json_text(connection_document(played.connection)),
    )


def _yes_or_no(answer: bool) -> str:
    return "Yes." if answer else "No!"


def _scene(number: int, scene: _Scene) -> Group:
    reasons = verdict(scene.decision, scene.connection)
    return Group(f"{number:>2}. {scene.title()}", Padding(reasons, (0, 0, 0, 4)))
