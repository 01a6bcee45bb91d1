"""Idempotency keys: one effect and one answer for a repeated request."""

import pickle
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from unittest.mock import Mock

import pytest
from clocks import Clock
from databases import Backend
from hosts import OUR_COLLEAGUE, OUTSIDE, REFUSED, THEIRS, Host, Overtaken
from pydantic import ValidationError
from support import OUR_KEY, PARTNER, T0

from connect_core import (
    Action,
    Actor,
    Change,
    ConnectError,
    ConnectionEvent,
    ConnectionId,
    ConnectionNotFoundError,
    ConnectionService,
    ConnectionStore,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKey,
    IdempotencyKeyReusedError,
    InMemoryStore,
    InvalidDocumentError,
    InvalidRecordError,
    InvalidTransitionError,
    Organization,
    OrganizationId,
    Problem,
    StaleConnectionError,
    Status,
    error_document,
)


@pytest.fixture
def host(stored: Backend) -> Host:
    return Host(stored)


def is_told_again(first: object, again: object) -> bool:
    """Whether `again` is the refusal `first`, kept and marked as such."""
    assert isinstance(first, ConnectError)
    assert isinstance(again, ConnectError)
    assert (first.replayed, again.replayed) == (False, True)
    told = vars(again) | {"replayed": False}
    return (type(again), str(again), told) == (
        type(first),
        str(first),
        vars(first) | {"replayed": False},
    )


class TestIdempotency:
    """The same request under the same key: one effect, one answer."""

    def test_a_create(self, host: Host) -> None:
        first = host.asks("create", by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        host.clock.move(hours=1)
        again = host.asks("create", by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        assert isinstance(first, Change)
        assert again == first
        assert host.minted == 1

    def test_a_step_gets_its_first_answer_whatever_came_after(self, host: Host) -> None:
        connection = host.create()
        first = host.asks("activate", connection.id, by=PARTNER, idempotency_key="k")
        host.asks("deactivate", connection.id, by=OUR_KEY)
        again = host.asks("activate", connection.id, by=PARTNER, idempotency_key="k")
        assert again == first
        assert again.connection.status is Status.ACTIVE
        assert host.events(connection) == 3
        assert host.asks("get", connection.id, by=PARTNER).status is Status.INACTIVE

    @pytest.mark.parametrize(
        ("action", "actor", "status", "error"), [*REFUSED, OUTSIDE[0], OUTSIDE[-1]]
    )
    def test_refusals_are_told_again_word_for_word(
        self, host: Host, action: str, actor: Actor, status: Status, error: type[ConnectError]
    ) -> None:
        connection = host.brings_to(status, host.create())
        first = host.asks(action, connection.id, by=actor, idempotency_key="k")
        assert type(first) is error
        before = host.events(connection)
        for step, by in (("deactivate", OUR_KEY), ("reactivate", OUR_KEY), ("activate", PARTNER)):
            host.asks(step, connection.id, by=by)  # the refused request may be permitted now
        after = host.events(connection)
        assert after > before
        again = host.asks(action, connection.id, by=actor, idempotency_key="k")
        assert type(again) is error
        assert is_told_again(first, again)
        assert host.events(connection) == after

    @pytest.mark.parametrize("allow_self", [False, True])
    def test_refused_creations(self, host: Host, allow_self: bool) -> None:
        host.create()
        for destination in (THEIRS, OUR_KEY.organization_id):
            named = {"destination": destination, "idempotency_key": f"k-{destination}"}
            first = host.asks("create", by=OUR_KEY, allow_self=allow_self, **named)
            again = host.asks("create", by=OUR_KEY, allow_self=allow_self, **named)
            if isinstance(first, ConnectError):
                assert is_told_again(first, again)
            else:
                assert again == first
                assert (first.replayed, again.replayed) == (False, True)

    def test_the_refusal_of_a_document(self, host: Host) -> None:
        """It is kept with all of its problems, for this request and no other."""
        problems = (Problem("/data/a~1b", "it is wrong"), Problem("", "it is empty"))
        for malformed in (False, True):
            error = InvalidDocumentError(problems, malformed)
            named = {"by": OUR_KEY, "idempotency_key": f"k-{malformed}"}
            first = host.asks("refuse", error, request={"body": "x"}, **named)
            again = host.asks("refuse", error, request={"body": "x"}, **named)
            assert first is error
            assert is_told_again(first, again)
            assert type(again.problems[0]) is Problem
            other = host.asks("refuse", error, request={"body": "y"}, **named)
            assert type(other) is IdempotencyKeyReusedError
            command = host.asks("create", destination=THEIRS, **named)
            assert type(command) is IdempotencyKeyReusedError

    def test_without_a_key_nothing_is_kept(self, host: Host) -> None:
        error = InvalidDocumentError((Problem("", "it is wrong"),))
        named = {"by": OUR_KEY, "idempotency_key": None, "request": {"body": "x"}}
        assert host.asks("refuse", error, **named) is error
        assert not error.replayed

    def test_a_stale_version_is_an_outcome(self, host: Host) -> None:
        """The same request is not carried out later, when the expected version is reached."""
        connection = host.create()
        named = {"by": OUR_KEY, "expected_version": 3, "idempotency_key": "k"}
        first = host.asks("deactivate", connection.id, **named)
        assert type(first) is StaleConnectionError
        host.asks("deactivate", connection.id, by=OUR_KEY)
        host.asks("reactivate", connection.id, by=OUR_KEY)
        again = host.asks("deactivate", connection.id, **named)
        assert is_told_again(first, again)
        assert host.events(connection) == 3

    def test_a_lost_race_is_not(self) -> None:
        """Nothing was decided, so the client can send the request again with its key."""
        rivals = [Action.DEACTIVATE, Action.REACTIVATE]

        def meanwhile(store: ConnectionStore) -> None:
            connection = store.get(ConnectionId("cxn_1"))
            assert connection is not None
            if rivals:
                assert store.save(getattr(connection, rivals.pop(0))(by=OUR_KEY, at=T0))

        service = ConnectionService(Overtaken(meanwhile), new_id=lambda: "cxn_1")
        service.create(by=OUR_KEY, destination=THEIRS)
        with pytest.raises(StaleConnectionError):
            service.deactivate("cxn_1", by=PARTNER, idempotency_key="k")
        with pytest.raises(InvalidTransitionError):
            service.deactivate("cxn_1", by=PARTNER, idempotency_key="k")
        assert rivals == [Action.REACTIVATE]

    def test_a_lost_race_of_a_request_with_a_version_is(self) -> None:
        rivals = [Action.DEACTIVATE]

        def meanwhile(store: ConnectionStore) -> None:
            connection = store.get(ConnectionId("cxn_1"))
            assert connection is not None
            assert store.save(getattr(connection, rivals.pop())(by=OUR_KEY, at=T0))

        service = ConnectionService(Overtaken(meanwhile), new_id=lambda: "cxn_1")
        service.create(by=OUR_KEY, destination=THEIRS)
        for _ in range(2):
            with pytest.raises(StaleConnectionError) as lost:
                service.activate("cxn_1", by=PARTNER, expected_version=1, idempotency_key="k")
            assert (lost.value.expected_version, lost.value.actual_version) == (1, 2)

    def test_another_request_with_the_key(self, host: Host) -> None:
        connection = host.create(idempotency_key="k")
        others: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
            ("create", (), {"destination": "org_other"}),
            ("create", (), {"destination": THEIRS, "name": "Partner"}),
            ("create", (), {"destination": THEIRS, "scopes": ["x.y"]}),
            ("create", (), {"destination": THEIRS, "allow_self": True}),
            ("deactivate", (connection.id,), {}),
            ("deactivate", ("cxn_none",), {}),
            ("activate", (connection.id,), {}),
        ]
        for question, arguments, named in others:
            refusal = host.asks(question, *arguments, by=OUR_KEY, idempotency_key="k", **named)
            assert type(refusal) is IdempotencyKeyReusedError
            assert refusal.key == "k"
            assert error_document(refusal)[0] == 422
        assert host.events(connection) == 1
        assert host.minted == 1

    def test_versions_make_different_requests(self, host: Host) -> None:
        connection = host.create()
        named = {"by": OUR_KEY, "idempotency_key": "k"}
        host.asks("deactivate", connection.id, expected_version=1, **named)
        for version in (None, 2):
            refusal = host.asks("deactivate", connection.id, expected_version=version, **named)
            assert type(refusal) is IdempotencyKeyReusedError

    def test_the_same_request_however_it_is_put(self, host: Host) -> None:
        first = host.asks(
            "create", by=OUR_KEY, destination=THEIRS, scopes=["b.c", "a.b"], idempotency_key="k"
        )
        again = host.asks(
            "create",
            by=OUR_COLLEAGUE,
            destination=Organization(id=THEIRS),
            scopes={"a.b", "b.c"},
            name=None,
            idempotency_key="k",
        )
        assert again == first
        assert again.connection.creator == OUR_KEY

    def test_fingerprints_are_for_ever(self) -> None:
        """They are stored: a release that computed others would refuse repeated requests."""
        store = InMemoryStore()
        service = ConnectionService(store, new_id=lambda: "cxn_1")
        service.create(by=OUR_KEY, destination=THEIRS, name="é", idempotency_key="1")
        service.activate("cxn_1", by=PARTNER, expected_version=1, idempotency_key="2")
        kept = [
            store.once(actor.organization_id, IdempotencyKey(key), attempt=Mock(side_effect=[]))
            for actor, key in ((OUR_KEY, "1"), (PARTNER, "2"))
        ]
        assert [record.fingerprint for record in kept] == [
            sha256(request.encode()).hexdigest()
            for request in (
                '{"action": "create", "allow_self": false, "terms": {'
                '"destination_organization_id": "org_DEF456", "name": "\\u00e9", '
                '"scopes": ["account.read", "inquiry.read"], '
                '"source_organization_id": "org_ABC123"}}',
                '{"action": "activate", "connection_id": "cxn_1", "expected_version": 1}',
            )
        ]

    def test_keys_are_an_organizations_own(self, host: Host) -> None:
        connection = host.create(idempotency_key="k")
        other = host.create(PARTNER, OUR_KEY.organization_id, idempotency_key="k")
        assert other != connection
        accepted = host.asks("activate", connection.id, by=PARTNER, idempotency_key="k2")
        refused = host.asks("activate", connection.id, by=OUR_KEY, idempotency_key="k2")
        assert isinstance(accepted, Change)
        assert type(refused) is ForbiddenTransitionError

    @pytest.mark.parametrize("key", ["", "x" * 256, "nul\x00", "umlaut ä", "line\n"])
    def test_what_is_no_key(self, host: Host, key: str) -> None:
        with pytest.raises(ValueError, match="an idempotency key"), host.service() as service:
            service.create(by=OUR_KEY, destination=THEIRS, idempotency_key=key)
        assert host.asks("list", by=OUR_KEY).connections == ()

    def test_bad_arguments_are_no_outcome(self, host: Host) -> None:
        with pytest.raises(ValidationError), host.service() as service:
            service.create(by=OUR_KEY, destination="nobody", idempotency_key="k")
        assert host.create(idempotency_key="k").version == 1

    def test_forgetting(self, host: Host) -> None:
        connection = host.create(idempotency_key="old")
        host.clock.move(hours=24)
        host.asks("activate", connection.id, by=PARTNER, idempotency_key="young")
        assert host.asks("forget_idempotency_keys", timedelta(hours=24)) == 0
        host.clock.move(milliseconds=1)
        assert host.asks("forget_idempotency_keys", timedelta(hours=24)) == 1
        anew = host.asks("create", by=OUR_KEY, destination=THEIRS, idempotency_key="old")
        assert type(anew) is DuplicateConnectionError
        again = host.asks("activate", connection.id, by=PARTNER, idempotency_key="young")
        assert isinstance(again, Change)
        assert host.asks("forget_idempotency_keys", timedelta(0)) == 1

    def test_a_negative_age(self, host: Host) -> None:
        with pytest.raises(ValueError, match="cannot be negative"), host.service() as service:
            service.forget_idempotency_keys(timedelta(seconds=-1))


class Damaged(InMemoryStore):
    """A store whose records can be edited by hand."""

    def kept(self) -> int:
        return len(self._records)

    def edit_outcome(self, outcome: str) -> None:
        self._records = {key: each._replace(outcome=outcome) for key, each in self._records.items()}

    def edit_history(self, keep: slice) -> None:
        self._events = {key: events[keep] for key, events in self._events.items()}

    def edit_event(self, version: int, /, **changes: Any) -> None:
        for events in self._events.values():
            events[version - 1] = events[version - 1].model_copy(update=changes)

    def edit_connection(self, **changes: Any) -> None:
        self._connections = {
            key: each.model_copy(update=changes) for key, each in self._connections.items()
        }


class Counting(InMemoryStore):
    """A store that counts the events that it hands out."""

    handed_out = 0

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        events = super().history(connection_id)
        self.handed_out += len(events)
        return events

    def event(self, connection_id: ConnectionId, version: int) -> ConnectionEvent | None:
        self.handed_out += 1
        return super().event(connection_id, version)


class TestReplays:
    """A replayed answer says that it is one, and costs the same however long the history is."""

    def test_it_names_who_took_the_step(self, host: Host) -> None:
        first = host.asks("create", by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        again = host.asks("create", by=OUR_COLLEAGUE, destination=THEIRS, idempotency_key="k")
        assert again == first
        assert again.event.actor == OUR_KEY
        assert (first.replayed, again.replayed) == (False, True)
        assert tuple(again) == (first.connection, first.event)

    def test_it_can_be_pickled(self, host: Host) -> None:
        host.asks("create", by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        again = host.asks("create", by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        twin = pickle.loads(pickle.dumps(again))
        assert twin == again
        assert twin.replayed

    def test_each_step_of_a_life(self, host: Host) -> None:
        offered = host.create()
        steps = [("activate", PARTNER), ("deactivate", PARTNER), ("reactivate", OUR_KEY)] * 2
        changes = [
            host.asks(action, offered.id, by=actor, idempotency_key=f"{number}")
            for number, (action, actor) in enumerate(steps)
        ]
        for number, (action, actor) in enumerate(steps):
            again = host.asks(action, offered.id, by=actor, idempotency_key=f"{number}")
            assert again == changes[number]
            assert again.replayed

    def test_a_long_history_is_not_read(self) -> None:
        store = Counting()
        service = ConnectionService(store)
        offered = service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k").connection
        for _ in range(50):
            service.activate(offered.id, by=PARTNER, idempotency_key=f"a{_}")
            service.deactivate(offered.id, by=PARTNER)
            service.reactivate(offered.id, by=OUR_KEY)
        service.activate(offered.id, by=PARTNER)
        service.authorize_access(offered.id, "inquiry.read", by=PARTNER)
        service.list(by=PARTNER)
        assert store.handed_out == 0
        service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        service.activate(offered.id, by=PARTNER, idempotency_key="a49")
        assert store.handed_out == 2

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"previous_status": Status.INACTIVE}, "was not permitted"),
            ({"status": Status.PENDING}, "has status pending where active was due"),
            ({"actor": OUR_KEY}, "was not permitted"),
            ({"connection_id": ConnectionId("cxn_2")}, "has connection_id cxn_2 where cxn_1"),
            ({"version": 7}, "it leads to another version than is stored"),
            ({"occurred_at": T0 - timedelta(days=1)}, "has occurred_at"),
            ({"occurred_at": T0 + timedelta(days=1)}, "it leads to another updated_at"),
        ],
        ids=str,
    )
    def test_an_event_that_could_not_have_happened(
        self, changes: dict[str, Any], reason: str
    ) -> None:
        store = Damaged()
        service = ConnectionService(store, clock=Clock(T0), new_id=lambda: "cxn_1")
        service.create(by=OUR_KEY, destination=THEIRS)
        service.activate("cxn_1", by=PARTNER, idempotency_key="k")
        store.edit_event(2, **changes)
        with pytest.raises(InvalidRecordError, match=reason) as caught:
            service.activate("cxn_1", by=PARTNER, idempotency_key="k")
        assert caught.value.record == "the history of cxn_1"


class TestSize:
    """Little is kept for a key, whatever the client sends."""

    @pytest.mark.parametrize("connection_id", ["x" * 1_000_000, "cxn_" + "x" * 252, "no id"])
    def test_an_id_that_is_none(self, connection_id: str) -> None:
        store = Damaged()
        service = ConnectionService(store)
        for _ in range(2):
            with pytest.raises(ConnectionNotFoundError) as caught:
                service.activate(connection_id, by=PARTNER, idempotency_key="k")
            assert caught.value.connection_id == connection_id
        assert store.kept() == 0


class TestDamage:
    """The service answers nothing from a damaged record."""

    @pytest.fixture
    def store(self) -> Damaged:
        return Damaged()

    @pytest.fixture
    def service(self, store: Damaged) -> ConnectionService:
        service = ConnectionService(store, clock=Clock(T0), new_id=lambda: "cxn_1")
        service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        service.activate("cxn_1", by=PARTNER)
        return service

    def again(self, service: ConnectionService) -> Change:
        return service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")

    @pytest.mark.parametrize(
        "outcome",
        [
            "",
            "null",
            "5",
            "[]",
            "{}",
            '{"connection_id": "cxn_1"}',
            '{"connection_id": "1", "version": 1}',
            '{"connection_id": "cxn_1", "version": null}',
            '{"connection_id": "cxn_1", "version": "first"}',
            '{"code": "no_such_code", "facts": {}}',
            '{"code": "wrong_role", "facts": {}}',
            '{"code": "wrong_role", "facts": null}',
            '{"code": "wrong_role", "facts": {"decision": {}, "actor": {}}}',
            '{"code": "stale_connection", "facts": {"surprise": 1}}',
        ],
    )
    def test_an_outcome(self, service: ConnectionService, store: Damaged, outcome: str) -> None:
        store.edit_outcome(outcome)
        with pytest.raises(InvalidRecordError, match="it cannot be read") as caught:
            self.again(service)
        assert caught.value.record == "the outcome of 'k' for org_ABC123"

    @pytest.mark.parametrize("version", [0, -1, 3])
    def test_an_outcome_of_no_event(
        self, service: ConnectionService, store: Damaged, version: int
    ) -> None:
        store.edit_outcome(f'{{"connection_id": "cxn_1", "version": {version}}}')
        with pytest.raises(InvalidRecordError, match=f"it has no event {version}") as caught:
            self.again(service)
        assert caught.value.record == "the history of cxn_1"

    def test_an_outcome_of_no_connection(self, service: ConnectionService, store: Damaged) -> None:
        store.edit_outcome('{"connection_id": "cxn_2", "version": 1}')
        with pytest.raises(InvalidRecordError, match="it has no event 1"):
            self.again(service)

    @pytest.mark.parametrize(
        ("keep", "reason"),
        [
            (slice(0, 0), "begins with a creation"),
            (slice(1, 2), "begins with a creation"),
            (slice(0, 1), "it leads to another status, version than is stored"),
            (slice(None, None, -1), "begins with a creation"),
        ],
        ids=str,
    )
    def test_a_history(
        self, service: ConnectionService, store: Damaged, keep: slice, reason: str
    ) -> None:
        store.edit_history(keep)
        with pytest.raises(InvalidRecordError, match=reason) as caught:
            service.history("cxn_1", by=OUR_KEY)
        assert caught.value.record == "the history of cxn_1"

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": "Another"},
            {"scopes": frozenset({"all.read"})},
            {"source_organization_id": OrganizationId("org_XYZ789")},
            {"created_at": T0 - timedelta(days=1)},
            {"updated_at": T0 + timedelta(days=1)},
            {"status": Status.PENDING},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_a_connection(
        self, service: ConnectionService, store: Damaged, changes: dict[str, Any]
    ) -> None:
        store.edit_connection(**changes)
        with pytest.raises(InvalidRecordError, match=f"another {next(iter(changes))} than"):
            service.history("cxn_1", by=PARTNER)

    def test_events_that_came_since_are_left_out(
        self, service: ConnectionService, store: Damaged
    ) -> None:
        """Another request may act after the Connection is read and before its events are."""
        before = store.get(ConnectionId("cxn_1"))
        assert before is not None
        service.deactivate("cxn_1", by=OUR_KEY)
        store.edit_connection(**dict(before))
        assert len(service.history("cxn_1", by=OUR_KEY)) == 2
