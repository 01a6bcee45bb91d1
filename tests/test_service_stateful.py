"""The service over each store against the model: many Connections, several organizations at once.

The model is that of the core's commands. These tests also check what only a service can get wrong:
who finds what, which version a request expects, which pages a list has, and that a request that is
repeated under its key gets its first answer and changes nothing more.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from databases import STORES, Backend, backend
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from model import EFFECTS, Model
from sqlalchemy.orm import Session
from support import ACTORS, ORGANIZATIONS, actors, scope_sets

from connect_core import (
    Action,
    Actor,
    Change,
    ConnectError,
    ConnectionNotFoundError,
    ConnectionService,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InMemoryStore,
    NotAPartyError,
    Scope,
    SelfConnectionError,
    StaleConnectionError,
)
from connect_core.adapters.sql import SqlConnectionStore

BEGINNING = datetime(2026, 11, 24, tzinfo=UTC)

keys = st.none() | st.sampled_from(["key-1", "key-2"])
#: The expected version minus the current one; None if the request expects no version.
offsets = st.none() | st.sampled_from([0, 0, -1, 1])


class Reply:
    """A service's answer, comparable with another."""

    def __init__(self, answer: Change | ConnectError) -> None:
        self.answer = answer

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Reply)
        if isinstance(self.answer, Change):
            return self.answer == other.answer
        assert isinstance(other.answer, ConnectError)
        return self._told() == other._told()

    def _told(self) -> tuple[object, ...]:
        """A refusal, whether it is told for the first time or again."""
        return type(self.answer), vars(self.answer) | {"replayed": None}, str(self.answer)

    __hash__ = None  # type: ignore[assignment]  # replies are compared by value, never hashed


class Requests(RuleBasedStateMachine):
    """Any actor requests anything, with and without keys and versions."""

    stored: ClassVar[Backend]
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, Model] = {}
        self.kept: dict[tuple[str, str], tuple[object, Reply]] = {}
        self.seconds = 0
        self.minted = 0
        self.open = ExitStack()

    @initialize()
    def begin(self) -> None:
        """Run everything in one transaction, which is rolled back at the end."""
        if self.stored.kind == "memory":
            store: Any = InMemoryStore()
        else:
            session = self.open.enter_context(Session(self.stored.engine))
            self.open.callback(session.rollback)
            store = SqlConnectionStore(session)
        self.service = ConnectionService(store, clock=self.clock, new_id=self.new_id)

    def teardown(self) -> None:
        self.open.close()

    def clock(self) -> datetime:
        """A clock of whole seconds, so that some Connections have equal times."""
        return BEGINNING + timedelta(seconds=self.seconds)

    def new_id(self) -> str:
        """Ids that do not sort by creation."""
        self.minted += 1
        return f"cxn_{self.minted * 37 % 101:03}"

    # --- Commands ---

    def asked(
        self, by: Actor, key: str | None, request: tuple[Any, ...], **named: Any
    ) -> tuple[Reply, bool]:
        """The answer to a request, and whether it was carried out now."""
        question, *arguments = request[0]
        try:
            reply = Reply(
                getattr(self.service, question)(*arguments, by=by, idempotency_key=key, **named)
            )
        except ConnectError as refusal:
            reply = Reply(refusal)
        if key is None:
            return reply, True
        place = str(by.organization_id), key
        if place not in self.kept:
            self.kept[place] = request, reply
            return reply, True
        first_request, first_reply = self.kept[place]
        if first_request == request:
            assert reply == first_reply
        else:
            assert type(reply.answer) is IdempotencyKeyReusedError
        return reply, False

    @rule(
        target=ids,
        by=actors,
        destination=st.sampled_from(ORGANIZATIONS),
        scopes=scope_sets,
        allow_self=st.booleans(),
        key=keys,
    )
    def create(
        self,
        by: Actor,
        destination: str,
        scopes: frozenset[Scope],
        allow_self: bool,
        key: str | None,
    ) -> str:
        """Create once per ordered pair, and with oneself only on request."""
        source = str(by.organization_id)
        existing = {(m.source, m.destination): name for name, m in self.models.items()}
        reply, now = self.asked(
            by,
            key,
            (("create",), destination, scopes, allow_self),
            destination=destination,
            scopes=scopes,
            allow_self=allow_self,
        )
        answer = reply.answer
        if now and (source, destination) in existing:
            assert isinstance(answer, DuplicateConnectionError)
            assert answer.existing_id == existing[source, destination]
        elif now and source == destination and not allow_self:
            assert isinstance(answer, SelfConnectionError)
        elif now:
            assert isinstance(answer, Change)
            connection, event = answer
            assert connection.scopes == scopes
            self.models[connection.id] = Model(source, destination, events=[event])
        return existing.get((source, destination)) or next(reversed(self.models), "cxn_none")

    @rule(
        name=ids,
        by=actors,
        action=st.sampled_from(sorted(EFFECTS)),
        offset=offsets,
        key=keys,
        pause=st.integers(0, 1),
    )
    def step(
        self,
        name: str,
        by: Actor,
        action: Action,
        offset: int | None,
        key: str | None,
        pause: int,
    ) -> None:
        """Take a step, or get the refusal that the model expects."""
        self.seconds += pause
        model = self.models.get(name)
        version = None if offset is None or model is None else model.version + offset
        reply, now = self.asked(by, key, ((action.value, name), version), expected_version=version)
        if not now:
            return
        refusal = NotAPartyError if model is None else model.refusal(by, action)
        if refusal is NotAPartyError:
            assert type(reply.answer) is ConnectionNotFoundError
        elif refusal is ForbiddenTransitionError:
            assert type(reply.answer) is ForbiddenTransitionError
        elif offset:
            assert type(reply.answer) is StaleConnectionError
        elif refusal is not None:
            assert type(reply.answer) is refusal
        else:
            assert model is not None
            assert isinstance(reply.answer, Change)
            model.take(action, reply.answer.event)

    @rule(age=st.integers(0, 3))
    def forget(self, age: int) -> None:
        """Forget all keys at once: their requests may be carried out again."""
        self.seconds += 10
        forgotten = self.service.forget_idempotency_keys(timedelta(seconds=age))
        assert forgotten == len(self.kept)
        self.kept.clear()

    # --- Questions ---

    @rule(
        by=actors,
        status=st.none() | st.sampled_from(["pending", "active", "inactive"]),
        direction=st.sampled_from([None, "outbound", "inbound"]),
        action=st.none() | st.sampled_from(sorted(EFFECTS)),
        destination=st.none() | st.sampled_from(ORGANIZATIONS),
        limit=st.integers(1, 4),
    )
    def turn_the_pages(
        self,
        by: Actor,
        status: str | None,
        direction: str | None,
        action: Action | None,
        destination: str | None,
        limit: int,
    ) -> None:
        """Read a list page by page: it has every Connection of the model once, newest first."""
        due = [
            (model.events[0].occurred_at, name)
            for name, model in self.models.items()
            if model.roles_of(by)
            and status in (None, model.status)
            and destination in (None, model.destination)
            and (direction != "outbound" or model.source == by.organization_id)
            and (direction != "inbound" or model.destination == by.organization_id)
            and (action is None or model.refusal(by, action) is None)
        ]
        found: list[str] = []
        after = None
        for _ in range(len(due) + 1):
            page = self.service.list(
                by=by,
                status=status,
                direction=direction,
                actionable=action,
                destination=destination,
                limit=limit,
                after=after,
            )
            found += [connection.id for connection in page.connections]
            after = page.next
            if after is None:
                break
        assert found == [name for _, name in sorted(due, reverse=True)]

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        """Each Connection, its history and access to its data agree, for every organization."""
        for name, model in self.models.items():
            for actor in ACTORS[::2]:
                roles = model.roles_of(actor)
                if not roles:
                    with pytest.raises(ConnectionNotFoundError):
                        self.service.get(name, by=actor)
                    continue
                connection = self.service.get(name, by=actor)
                assert connection.status.value == model.status
                assert connection.version == model.version
                may_read = model.status == "active" and "destination" in roles
                scope = next(iter(connection.scopes))
                try:
                    assert self.service.authorize_access(name, scope, by=actor)
                    assert may_read
                except ConnectError:
                    assert not may_read
            holder = next(actor for actor in ACTORS if model.roles_of(actor))
            assert list(self.service.history(name, by=holder)) == model.events


@pytest.fixture(params=STORES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[type[Requests]]:
    with backend(request.param, tmp_path) as stored:
        yield type(f"RequestsOver{stored.kind}", (Requests,), {"stored": stored})


def test_requests(machine: type[Requests]) -> None:
    in_memory = machine.stored.kind == "memory"
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=settings().max_examples if in_memory else 20,
            stateful_step_count=30,
            deadline=None,
        ),
    )
