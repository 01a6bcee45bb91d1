"""connect-core itself."""

import json
from collections.abc import Callable, Sequence

from connect_core import (
    Action,
    Actor,
    Connection,
    ConnectionLike,
    Decision,
    TransitionError,
    allowed_actions,
    can,
    decide,
)

from .contestant import Contestant, StoredRow


class Ours(Contestant):
    """A question is a lookup. A command checks, copies the Connection, and makes its event."""

    name = "connect-core"
    distribution = "connect-core"
    gives = "every condition that failed, the steps that would help, a sentence"
    refusals = (TransitionError,)

    def decide(self, actor: Actor, action: Action, subject: ConnectionLike) -> Decision:
        return decide(actor, action, subject)

    def deciding(self) -> Callable[[Actor, Action, ConnectionLike], Decision]:
        return decide

    def allowed_actions(self, actor: Actor, subject: ConnectionLike) -> frozenset[Action]:
        return allowed_actions(actor, subject)

    def listing(self) -> Callable[[Actor, ConnectionLike], frozenset[Action]]:
        return allowed_actions

    def read(self, answer: Decision) -> tuple[bool, object]:
        return answer.allowed, (*answer.denials, answer.explanation)

    def subject(self, row: StoredRow) -> Connection:
        created, _ = Connection.create(
            by=Actor(id="usr_1", organization_id=row.source_organization_id),
            destination=row.destination_organization_id,
            id=row.id,
            allow_self=True,
        )
        # From JSON, so that no strings are shared; with the row's status.
        record = json.dumps({**created.model_dump(mode="json"), "status": row.status})
        return Connection.model_validate_json(record, context={"allow_self": True})

    def step(self, subject: Connection, actor: Actor, action: Action) -> Connection:
        return subject.take(action, by=actor).connection

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        return [row for row in rows if can(actor, action, row)]
