"""The errors: their facts and texts, and that they can be copied and pickled."""

import copy
import json
import logging
import pickle
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from support import OUR_KEY, PARTNER, STRANGER, Row, connection_in

import connect_core
from connect_core import (
    AccessDeniedError,
    Action,
    Actor,
    ConnectError,
    Connection,
    ConnectionNotFoundError,
    Denial,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidIdempotencyKeyError,
    InvalidRecordError,
    InvalidTransitionError,
    NotAPartyError,
    Problem,
    SelfConnectionError,
    StaleConnectionError,
    Status,
    StoreUnavailableError,
    TransitionError,
    authorize,
    authorize_access,
    authorize_create,
    decide,
    decide_create,
    error_document,
    steps_to,
)

PENDING = connection_in(Status.PENDING)
INACTIVE = connection_in(Status.INACTIVE)


def every_error() -> dict[str, ConnectError]:
    """One of each public error, by its code."""
    decision = decide(OUR_KEY, Action.ACTIVATE, PENDING)
    errors = [
        ConnectError("reason"),
        TransitionError(decision, OUR_KEY, "cxn_ABC123"),
        ForbiddenTransitionError(decision, OUR_KEY, "cxn_ABC123"),
        NotAPartyError(decide(STRANGER, Action.ACTIVATE, PENDING), STRANGER, "cxn_ABC123"),
        InvalidTransitionError(decide(PARTNER, Action.ACTIVATE, INACTIVE), PARTNER, "cxn_ABC123"),
        DuplicateConnectionError(decide(OUR_KEY, Action.CREATE, INACTIVE), "cxn_ABC123"),
        SelfConnectionError(decision, "org_ABC123"),
        AccessDeniedError(decision, OUR_KEY, "inquiry.read", "cxn_ABC123"),
        ConnectionNotFoundError("cxn_ABC123"),
        StaleConnectionError(3, 4, "cxn_ABC123"),
        InvalidDocumentError((Problem("/data", "it is wrong"),)),
        InvalidHistoryError(2, "is wrong"),
        IdempotencyKeyReusedError("key-1"),
        InvalidIdempotencyKeyError("clé"),
        InvalidRecordError("connections cxn_ABC123", "status is 'frozen'"),
        StoreUnavailableError("it is down", uncertain=True),
    ]
    return {error.code: error for error in errors}


def every_public_error_class() -> Iterator[type[ConnectError]]:
    for name in connect_core.__all__:
        value = getattr(connect_core, name)
        if isinstance(value, type) and issubclass(value, ConnectError):
            yield value


def test_codes_are_stable() -> None:
    """Codes are public: a change here is a breaking change."""
    assert {cls.__name__: cls.code for cls in every_public_error_class()} == {
        "ConnectError": "connect_error",
        "TransitionError": "transition_refused",
        "ForbiddenTransitionError": "wrong_role",
        "NotAPartyError": "not_a_party",
        "InvalidTransitionError": "wrong_status",
        "DuplicateConnectionError": "duplicate_connection",
        "SelfConnectionError": "self_connection",
        "AccessDeniedError": "access_denied",
        "ConnectionNotFoundError": "connection_not_found",
        "StaleConnectionError": "stale_connection",
        "InvalidDocumentError": "invalid_document",
        "InvalidHistoryError": "invalid_history",
        "IdempotencyKeyReusedError": "idempotency_key_reused",
        "InvalidIdempotencyKeyError": "invalid_idempotency_key",
        "InvalidRecordError": "invalid_record",
        "StoreUnavailableError": "store_unavailable",
    }


def test_the_hierarchy() -> None:
    assert {type(error) for error in every_error().values()} == set(every_public_error_class())
    assert NotAPartyError.__mro__[1:4] == (ForbiddenTransitionError, TransitionError, ConnectError)
    assert InvalidTransitionError.__mro__[1:3] == (TransitionError, ConnectError)
    for cls in every_public_error_class():
        if not issubclass(cls, TransitionError) and cls is not ConnectError:
            assert cls.__mro__[1] is ConnectError


def pickled(error: ConnectError) -> ConnectError:
    twin: ConnectError = pickle.loads(pickle.dumps(error))
    return twin


@pytest.mark.parametrize("code", every_error())
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_they_survive_copying(code: str, duplicate: Callable[[ConnectError], ConnectError]) -> None:
    error = every_error()[code]
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert twin.args == error.args
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
    assert twin.code == code


@pytest.mark.parametrize("code", set(every_error()) - {"connect_error"})
def test_their_facts_are_enough_to_build_them_again(code: str) -> None:
    """The records of idempotency keys rely on this."""
    error = every_error()[code]
    twin = type(error)(**vars(error))
    assert (type(twin), vars(twin), str(twin)) == (type(error), vars(error), str(error))


TEXTS = {
    "connect_error": "reason",
    "wrong_role": (
        "api_ABC123 of org_ABC123 may not activate cxn_ABC123: Only the destination may activate "
        "a Connection, and the actor acts for the source. It is for the destination to activate it."
    ),
    "not_a_party": (
        "user_Zz9 of org_XYZ789 may not activate cxn_ABC123: The actor's organization is neither "
        "the source nor the destination. Check the Connection, and the organization that the "
        "actor acts for."
    ),
    "wrong_status": (
        "usr_Rk3v of org_DEF456 may not activate cxn_ABC123: A Connection can be activated only "
        "while it is pending, and this one is inactive. First the source must reactivate it."
    ),
    "duplicate_connection": (
        "A Connection from the source to the destination exists already and is inactive; there "
        "is only ever one for an ordered pair. It is cxn_ABC123. Reactivate the existing one "
        "instead."
    ),
    "connection_not_found": (
        "No Connection cxn_ABC123 is to be found for your organization. "
        "Check the id, and the organization that you act for."
    ),
    "stale_connection": (
        "cxn_ABC123 has changed: version 3 was expected, and it has version 4. "
        "Read it again and decide anew."
    ),
    "invalid_document": "The document is not valid: it is wrong (at /data).",
    "invalid_history": (
        "This history could not have happened: event 2 is wrong. "
        "Compare the stored events with a backup; nothing was built from them."
    ),
    "idempotency_key_reused": (
        "The idempotency key 'key-1' came with another request before, and nothing was done. "
        "Take a new key for a new request; repeat a request word for word."
    ),
    "invalid_idempotency_key": (
        "'clé' is not an idempotency key (1 to 255 printable ASCII characters). Nothing was done."
    ),
    "invalid_record": (
        "What is stored as connections cxn_ABC123 is not what was written: status is 'frozen'. "
        "Compare it with a backup; nothing was served from it."
    ),
}


@pytest.mark.parametrize("code", TEXTS)
def test_texts(code: str) -> None:
    """Each text says what was refused, why, and what to do next."""
    assert str(every_error()[code]) == TEXTS[code]


def test_texts_where_facts_are_missing() -> None:
    assert "No such Connection is to be found" in str(ConnectionNotFoundError())
    assert str(StaleConnectionError(3, None)).startswith(
        "The Connection has changed: version 3 was expected, and it has another."
    )
    problem = Problem("", "it is wrong")
    assert str(InvalidDocumentError((problem, problem), malformed=True)) == (
        "The document is not JSON: it is wrong (at the top level); it is wrong (at the top level)."
    )


def test_a_row_without_an_id() -> None:
    row = Row.of(PENDING)
    with pytest.raises(
        ForbiddenTransitionError, match="may not activate the Connection:"
    ) as caught:
        authorize(OUR_KEY, Action.ACTIVATE, row)
    assert caught.value.connection_id is None
    with pytest.raises(AccessDeniedError, match="through the Connection:") as denied:
        authorize_access(PARTNER, "inquiry.read", row)
    assert denied.value.connection_id is None


def test_an_invalid_transition_says_what_would_help() -> None:
    with pytest.raises(InvalidTransitionError) as caught:
        INACTIVE.activate(by=PARTNER)
    error = caught.value
    assert error.remedy == error.decision.remedy == steps_to(INACTIVE, Status.PENDING)
    assert [str(step) for step in error.remedy] == ["the source must reactivate it"]


def test_a_duplicate_is_told_to_the_source_only() -> None:
    with pytest.raises(DuplicateConnectionError) as caught:
        authorize_create(OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=PENDING)
    assert caught.value.existing_id == "cxn_ABC123"
    assert str(caught.value).endswith("It is cxn_ABC123. Use the existing one.")
    assert caught.value.decision.denial is Denial.ALREADY_EXISTS
    for actor, error in ((PARTNER, ForbiddenTransitionError), (STRANGER, NotAPartyError)):
        with pytest.raises(error) as refused:
            authorize_create(actor, source="org_ABC123", destination="org_DEF456", existing=PENDING)
        assert refused.value.connection_id is None
        assert "cxn_" not in str(refused.value)


def test_a_duplicate_without_an_id() -> None:
    with pytest.raises(DuplicateConnectionError) as caught:
        authorize(OUR_KEY, Action.CREATE, Row.of(INACTIVE))
    assert caught.value.existing_id is None
    assert "It is" not in str(caught.value)


def test_a_self_connection() -> None:
    with pytest.raises(SelfConnectionError) as caught:
        Connection.create(by=OUR_KEY, destination="org_ABC123")
    assert caught.value.organization_id == "org_ABC123"
    assert caught.value.decision.denials == (Denial.SELF_CONNECTION,)
    assert caught.value.decision.target is None
    assert str(caught.value) == (
        "The source and the destination are the same organization. Both are org_ABC123. "
        "Name another organization or, in a sandbox, ask for a self-connection."
    )


def test_a_second_self_connection_fails_on_both_counts() -> None:
    existing = connection_in(Status.ACTIVE, to_self=True)
    decision = decide_create(
        OUR_KEY, source="org_ABC123", destination="org_ABC123", existing=existing
    )
    assert decision.denials == (Denial.ALREADY_EXISTS, Denial.SELF_CONNECTION)


@pytest.mark.parametrize(
    ("reader", "scope", "status", "advice"),
    [
        (PARTNER, "inquiry.read", Status.PENDING, "First the destination must activate it."),
        (
            PARTNER,
            "inquiry.read",
            Status.INACTIVE,
            "First the source must reactivate it, then the destination must activate it.",
        ),
        (PARTNER, "x.y", Status.ACTIVE, "for its life, and this scope is not among them."),
        (OUR_KEY, "inquiry.read", Status.ACTIVE, "the other organization is the source."),
        (STRANGER, "inquiry.read", Status.ACTIVE, "the organization that the actor acts for."),
    ],
)
def test_denied_access(reader: Actor, scope: str, status: Status, advice: str) -> None:
    with pytest.raises(AccessDeniedError) as caught:
        authorize_access(reader, scope, connection_in(status))
    assert str(caught.value).endswith(advice)
    assert str(caught.value).startswith(
        f"{reader.id} of {reader.organization_id} may not read '{scope}' through cxn_ABC123: "
    )
    assert caught.value.missing_scopes == ({"x.y"} if scope == "x.y" else set())


class Unspeakable:
    """An id that cannot be made text, hashed or pickled."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError

    __str__ = __repr__ = __format__ = __hash__ = __eq__ = __bool__ = __len__ = _refuse
    __reduce_ex__ = __reduce__ = __iter__ = _refuse


class LyingText(str):
    """Text whose class redefines what text does."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError

    __len__ = __format__ = isprintable = __reduce_ex__ = __str__  # type: ignore[assignment]  # on purpose


#: What a host's row may have as its id, and the text that names it.
IDS: list[tuple[Any, str]] = [
    ("cxn_1", "cxn_1"),
    (17, "17"),
    (0, "0"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (b"cxn_1", "b'cxn_1'"),
    (["cxn_1"], "['cxn_1']"),
    (1.5, "1.5"),
    (False, "False"),
    ("", ""),
    (Unspeakable(), "<Unspeakable>"),
    (LyingText("cxn_1"), "cxn_1"),
    (len, "<built-in function len>"),
    ("cxn_\u202e\n" + "x" * 10_000_000, "cxn_\\u202e\\u000a" + "x" * 246 + "..."),
]


class TestRowsWithAnyId:
    """Whatever a host's row has as its id, a refusal prints, logs, pickles and is a document."""

    @staticmethod
    def refusals(row: Any) -> Iterator[ConnectError]:
        """A refusal of each kind about a row: of an action, of creation and of access."""
        asked: list[Callable[[], object]] = [
            lambda: authorize(OUR_KEY, Action.ACTIVATE, row),
            lambda: authorize(OUR_KEY, Action.REACTIVATE, row),
            lambda: authorize(STRANGER, Action.DEACTIVATE, row),
            lambda: authorize(OUR_KEY, Action.CREATE, row),
            lambda: authorize_create(
                OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=row
            ),
            lambda: authorize_access(OUR_KEY, "inquiry.read", row),
            lambda: authorize_access(STRANGER, "inquiry.read", row),
        ]
        for ask in asked:
            with pytest.raises(ConnectError) as caught:
                ask()
            yield caught.value

    @pytest.mark.parametrize(("row_id", "shown"), IDS, ids=lambda value: type(value).__name__)
    def test_every_refusal_can_be_told(
        self, row_id: Any, shown: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        row: Any = SimpleNamespace(
            id=row_id,
            source_organization_id="org_ABC123",
            destination_organization_id="org_DEF456",
            status="pending",
            scopes=["inquiry.read"],
        )
        for error in self.refusals(row):
            assert shown in str(error)
            logging.getLogger("host").warning("refused: %s, %r", error, error)
            assert json.dumps(error_document(error), ensure_ascii=False).encode()
            for twin in (pickled(error), copy.copy(error), copy.deepcopy(error)):
                assert str(twin) == str(error)
        assert len(caplog.records) == 7

    @pytest.mark.parametrize(
        "value", [17, UUID(int=1), None, Unspeakable()], ids=lambda value: type(value).__name__
    )
    def test_ids_of_organizations_that_are_no_text(self, value: Any) -> None:
        row: Any = SimpleNamespace(
            id=value,
            source_organization_id=value,
            destination_organization_id=value,
            status=value,
            scopes=value,
        )
        asked: list[Callable[[], object]] = [
            lambda: authorize(OUR_KEY, Action.ACTIVATE, row),
            lambda: authorize_access(OUR_KEY, "inquiry.read", row),
        ]
        for ask in asked:
            with pytest.raises(ConnectError) as caught:
                ask()
            assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
            assert error_document(caught.value)[0] == 404
        with pytest.raises(ValueError, match="existing is a Connection from ") as mistaken:
            authorize_create(OUR_KEY, source="org_ABC123", destination="org_B", existing=row)
        assert pickle.loads(pickle.dumps(mistaken.value)).args == mistaken.value.args

    def test_an_actor_without_an_id(self) -> None:
        """The policy asks an actor for the organization only."""
        actor: Any = SimpleNamespace(organization_id="org_ABC123")
        with pytest.raises(ForbiddenTransitionError, match=r"^an actor of org_ABC123 may not"):
            authorize(actor, Action.ACTIVATE, PENDING)


def test_the_ids_that_name_a_record_are_not_cut() -> None:
    organization_id, key = "org_".ljust(255, "x"), "k" * 255
    record = f"connection_idempotency_keys {organization_id} '{key}'"
    assert f"stored as {record} is not" in str(InvalidRecordError(record, "it is odd"))
    assert len(str(InvalidRecordError("x" * 10_000_000, "it is odd"))) < 1000


def test_a_store_that_does_not_answer() -> None:
    """The text says whether anything was changed, and what to do."""
    refused = str(StoreUnavailableError("database is locked"))
    assert refused == (
        "The store is not available: database is locked. Nothing was changed: repeat the request "
        "later."
    )
    unknown = str(StoreUnavailableError("the connection was lost", uncertain=True))
    assert unknown == (
        "The store is not available: the connection was lost. Whether the change was stored is not "
        "known: read the Connection, or repeat the request with its idempotency key."
    )
