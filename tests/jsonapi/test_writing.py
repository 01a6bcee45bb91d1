"""Writing documents: lists, and a document for every error."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from documents import ANSWER, CASES, T0, Case, guide_connection
from pydantic import ValidationError
from support import GUIDE_REQUEST, OUR_KEY, PARTNER, STRANGER

from connect_core import (
    AccessDeniedError,
    Action,
    ConnectError,
    Connection,
    ConnectionNotFoundError,
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
    StoreUnavailableError,
    TransitionError,
    authorize,
    authorize_access,
    authorize_create,
    connection_document,
    decide,
    decide_create,
    error_document,
    list_document,
    parse_connection,
    parse_create,
)


def only_error(error: ConnectError) -> dict[str, Any]:
    """The only error object in the document of an error."""
    body: Any = error_document(error)[1]
    (told,) = body["errors"]
    return cast("dict[str, Any]", told)


def one_line(text: str) -> str:
    """JSON in one line, with its members in order."""
    return json.dumps(json.loads(text))


class TestTheGuide:
    """The answer to the guide's request has exactly the shape of the guide's answer."""

    def test_answer(self) -> None:
        request = parse_create(GUIDE_REQUEST)
        connection, _ = Connection.create(
            by=OUR_KEY,
            destination=request.destination_organization_id,
            name=request.name,
            scopes=request.scopes,
            id="cxn_ABC123",
            at=T0,
        )
        assert json.dumps(connection_document(connection)) == one_line(ANSWER)


@pytest.mark.parametrize("version", [0, -1, True, None, "1", 1.0])
def test_what_is_no_version(version: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_connection(ANSWER, version=version)
    assert [error["loc"] for error in caught.value.errors()] == [("version",)]


# --- Lists ---------------------------------------------------------------------------------------


class TestLists:
    """A page in the order given, and its links, which are null at the ends."""

    def test_no_connections(self) -> None:
        assert json.dumps(list_document([])) == (
            '{"data": [], "links": {"prev": null, "next": null}}'
        )

    def test_a_page(self) -> None:
        one, two = CASES[0], CASES[11]
        page = iter([two.connection, one.connection])
        document = list_document(page, prev="/c?page[before]=cxn_-_x", next="/c?page[after]=cxn_A")
        assert json.dumps(document) == json.dumps(
            {
                "data": [two.document["data"], one.document["data"]],
                "links": {"prev": "/c?page[before]=cxn_-_x", "next": "/c?page[after]=cxn_A"},
            }
        )

    @pytest.mark.parametrize("links", [{"prev": "/p"}, {"next": "/n"}])
    def test_one_end(self, links: dict[str, Any]) -> None:
        document = list_document([guide_connection()], **links)
        assert document["links"] == {"prev": None, "next": None} | links


# --- Error documents -----------------------------------------------------------------------------


@dataclass
class Row:
    """A row of somebody's table."""

    source_organization_id: str = "org_ABC123"
    destination_organization_id: str = "org_DEF456"
    status: str = "active"
    scopes: tuple[str, ...] = ("inquiry.read",)
    id: str = "cxn_ABC123"


PENDING = guide_connection()
ACTIVE = PENDING.activate(by=PARTNER).connection
INACTIVE = PENDING.deactivate(by=OUR_KEY).connection
NOT_FOUND = (
    "No Connection cxn_ABC123 is to be found for your organization. "
    "Check the id, and the organization that you act for."
)

ERRORS: list[tuple[str, ConnectError, int, str, str, str]] = [
    (
        "wrong role",
        ForbiddenTransitionError(decide(OUR_KEY, Action.ACTIVATE, PENDING), OUR_KEY, "cxn_ABC123"),
        403,
        "Forbidden",
        "wrong_role",
        "api_ABC123 of org_ABC123 may not activate cxn_ABC123: Only the destination may activate "
        "a Connection, and the actor acts for the source. It is for the destination to activate "
        "it.",
    ),
    (
        "outsider",
        NotAPartyError(decide(STRANGER, Action.ACTIVATE, PENDING), STRANGER, "cxn_ABC123"),
        404,
        "Record not found",
        "connection_not_found",
        NOT_FOUND,
    ),
    (
        "outsider who would read",
        AccessDeniedError(
            decide(STRANGER, Action.ACTIVATE, PENDING), STRANGER, "inquiry.read", "cxn_ABC123"
        ),
        404,
        "Record not found",
        "connection_not_found",
        NOT_FOUND,
    ),
    (
        "wrong status",
        InvalidTransitionError(decide(PARTNER, Action.ACTIVATE, INACTIVE), PARTNER, "cxn_ABC123"),
        409,
        "Invalid transition",
        "wrong_status",
        "usr_Rk3v of org_DEF456 may not activate cxn_ABC123: A Connection can be activated only "
        "while it is pending, and this one is inactive. First the source must reactivate it.",
    ),
    (
        "duplicate",
        DuplicateConnectionError(
            decide_create(
                OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=INACTIVE
            ),
            "cxn_ABC123",
        ),
        409,
        "Record not unique",
        "duplicate_connection",
        "A Connection from the source to the destination exists already and is inactive; there "
        "is only ever one for an ordered pair. It is cxn_ABC123. Reactivate the existing one "
        "instead.",
    ),
    (
        "access denied",
        AccessDeniedError(
            decide(PARTNER, Action.REACTIVATE, INACTIVE), PARTNER, "inquiry.read", "cxn_ABC123"
        ),
        403,
        "Access denied",
        "access_denied",
        "usr_Rk3v of org_DEF456 may not read 'inquiry.read' through cxn_ABC123: Only the source "
        "may reactivate a Connection, and the actor acts for the destination. It is for the "
        "source to reactivate it.",
    ),
    (
        "not found",
        ConnectionNotFoundError("cxn_ABC123"),
        404,
        "Record not found",
        "connection_not_found",
        NOT_FOUND,
    ),
    (
        "stale",
        StaleConnectionError(3, 4, "cxn_ABC123"),
        409,
        "Stale object error",
        "stale_connection",
        "cxn_ABC123 has changed: version 3 was expected, and it has version 4. "
        "Read it again and decide anew.",
    ),
    (
        "history",
        InvalidHistoryError(2, "names a secret"),
        500,
        "Internal error",
        "invalid_history",
        "The request could not be served.",
    ),
    (
        "reused key",
        IdempotencyKeyReusedError("key-1"),
        422,
        "Idempotency key reused",
        "idempotency_key_reused",
        "The idempotency key 'key-1' came with another request before, and nothing was done. Take "
        "a new key for a new request; repeat a request word for word.",
    ),
    (
        "invalid key",
        InvalidIdempotencyKeyError("\n"),
        400,
        "Invalid idempotency key",
        "invalid_idempotency_key",
        "'\\u000a' is not an idempotency key (1 to 255 printable ASCII characters). "
        "Nothing was done.",
    ),
    (
        "record",
        InvalidRecordError("a secret", "another"),
        500,
        "Internal error",
        "invalid_record",
        "The request could not be served.",
    ),
    (
        "store",
        StoreUnavailableError("a secret"),
        503,
        "Service unavailable",
        "store_unavailable",
        "The request could not be served now, and nothing was changed: repeat it later.",
    ),
    (
        "store, perhaps done",
        StoreUnavailableError("a secret", uncertain=True),
        503,
        "Service unavailable",
        "store_unavailable",
        "It is not known whether the request was carried out: read the Connection, or repeat the "
        "request with its idempotency key.",
    ),
    (
        "any other",
        ConnectError("a secret"),
        500,
        "Internal error",
        "connect_error",
        "The request could not be served.",
    ),
    (
        "a transition error of no class",
        TransitionError(decide(OUR_KEY, Action.ACTIVATE, PENDING), OUR_KEY, "cxn_ABC123"),
        500,
        "Internal error",
        "transition_refused",
        "The request could not be served.",
    ),
]


class TestErrorDocuments:
    """Each error has its HTTP status and a body that names what is wrong and what would help."""

    @pytest.mark.parametrize(
        ("error", "status", "title", "code", "details"),
        [row[1:] for row in ERRORS],
        ids=[row[0] for row in ERRORS],
    )
    def test_body(
        self, error: ConnectError, status: int, title: str, code: str, details: str
    ) -> None:
        told = only_error(error)
        assert error_document(error)[0] == status
        assert list(told)[:3] == ["title", "details", "meta"]
        assert (told["title"], told["details"], told["meta"]["code"]) == (title, details, code)
        if status in (404, 500):
            assert told == {"title": title, "details": details, "meta": {"code": code}}

    def test_self_connection_names_the_member(self) -> None:
        with pytest.raises(SelfConnectionError) as caught:
            authorize_create(OUR_KEY, source="org_ABC123", destination="org_ABC123")
        status, body = error_document(caught.value)
        assert status == 422
        assert body == {
            "errors": [
                {
                    "title": "Self-connection",
                    "details": str(caught.value),
                    "meta": {
                        "code": "self_connection",
                        "denials": ["self_connection"],
                        "remedy": [],
                    },
                    "source": {"pointer": "/data/attributes/destination-organization-id"},
                }
            ]
        }
        assert "org_ABC123" in str(caught.value)

    def test_an_invalid_document_has_one_entry_a_problem(self) -> None:
        error = InvalidDocumentError(
            (Problem("", "it is empty"), Problem("/data/a~1b", "it is wrong"))
        )
        assert json.dumps(error_document(error)) == json.dumps(
            [
                422,
                {
                    "errors": [
                        {
                            "title": "Invalid document",
                            "details": "it is empty",
                            "meta": {"code": "invalid_document"},
                            "source": {"pointer": ""},
                        },
                        {
                            "title": "Invalid document",
                            "details": "it is wrong",
                            "meta": {"code": "invalid_document"},
                            "source": {"pointer": "/data/a~1b"},
                        },
                    ]
                },
            ]
        )

    @pytest.mark.parametrize("error", [ValueError("x"), None, "wrong_role", ConnectError])
    def test_what_is_no_error_of_ours(self, error: Any) -> None:
        with pytest.raises(TypeError, match=r"^error_document reports a ConnectError, not "):
            error_document(error)

    @pytest.mark.parametrize(
        "error", [IdempotencyKeyReusedError("key-1"), InvalidIdempotencyKeyError("")]
    )
    def test_a_key_comes_in_a_header(self, error: ConnectError) -> None:
        assert only_error(error)["source"] == {"header": "Idempotency-Key"}

    def test_malformed_json(self) -> None:
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create('{"data": }')
        assert caught.value.malformed
        reason = "Expecting value: line 1 column 10 (char 9)"
        assert caught.value.problems == (Problem("", reason),)
        assert str(caught.value) == f"The document is not JSON: {reason} (at the top level)."
        assert error_document(caught.value) == (
            400,
            {
                "errors": [
                    {
                        "title": "Malformed JSON",
                        "details": reason,
                        "meta": {"code": "invalid_document"},
                        "source": {"pointer": ""},
                    }
                ]
            },
        )

    def test_every_class_is_told(self) -> None:
        """The table above has every public error except the two with tests of their own."""
        due = set(subclasses_of(ConnectError)) - {SelfConnectionError, InvalidDocumentError}
        due = {cls for cls in due if cls.__module__ == "connect_core.errors"}
        assert {type(row[1]) for row in ERRORS} == due | {ConnectError}


def subclasses_of(cls: type[ConnectError]) -> Iterator[type[ConnectError]]:
    """The subclasses of `cls`, and theirs."""
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses_of(subclass)


class TestOutsiders:
    """An outsider cannot tell a Connection that exists from one that does not."""

    @pytest.mark.parametrize("connection", [PENDING, ACTIVE, INACTIVE, Row(status="frozen")])
    def test_is_told_that_there_is_none(self, connection: Any) -> None:
        none_there = error_document(ConnectionNotFoundError("cxn_ABC123"))
        for action in (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE):
            with pytest.raises(NotAPartyError) as refused:
                authorize(STRANGER, action, connection)
            assert error_document(refused.value) == none_there
        with pytest.raises(AccessDeniedError) as denied:
            authorize_access(STRANGER, "inquiry.read", connection)
        assert error_document(denied.value) == none_there

    @pytest.mark.parametrize("existing", [None, PENDING, ACTIVE, INACTIVE])
    def test_who_would_create_for_others(self, existing: Connection | None) -> None:
        with pytest.raises(NotAPartyError) as refused:
            authorize_create(
                STRANGER, source="org_ABC123", destination="org_DEF456", existing=existing
            )
        assert error_document(refused.value) == error_document(ConnectionNotFoundError())

    def test_a_party_is_told_the_truth(self) -> None:
        with pytest.raises(AccessDeniedError) as denied:
            authorize_access(PARTNER, "inquiry.read", PENDING)
        status, body = error_document(denied.value)
        assert status == 403
        assert "First the destination must activate it." in json.dumps(body)


DEACTIVATE = {
    "action": "deactivate",
    "roles": ["destination", "source"],
    "before": "active",
    "after": "inactive",
}
REACTIVATE = {
    "action": "reactivate",
    "roles": ["source"],
    "before": "inactive",
    "after": "pending",
}
#: What a refusal is about, and the facts in its ``meta``.
FACTS: list[tuple[Callable[[], object], dict[str, object]]] = [
    (
        lambda: authorize(PARTNER, "activate", ACTIVE),
        {
            "code": "wrong_status",
            "denials": ["wrong_status"],
            "status": "active",
            "remedy": [DEACTIVATE, REACTIVATE],
        },
    ),
    (
        lambda: authorize(OUR_KEY, "activate", ACTIVE),
        {
            "code": "wrong_role",
            "denials": ["wrong_role", "wrong_status"],
            "status": "active",
            "remedy": [],
        },
    ),
    (
        lambda: authorize_create(
            OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=INACTIVE
        ),
        {
            "code": "duplicate_connection",
            "denials": ["already_exists"],
            "status": "inactive",
            "remedy": [],
            "existing-id": "cxn_ABC123",
        },
    ),
    (
        lambda: authorize_create(
            PARTNER, source="org_ABC123", destination="org_DEF456", existing=INACTIVE
        ),
        {
            "code": "wrong_role",
            "denials": ["wrong_role", "already_exists"],
            "status": "inactive",
            "remedy": [],
        },
    ),
    (
        lambda: authorize_access(PARTNER, "inquiry.write", INACTIVE),
        {
            "code": "access_denied",
            "denials": ["not_active", "scope_not_granted"],
            "status": "inactive",
            "remedy": [],
            "missing-scopes": ["inquiry.write"],
        },
    ),
]


class TestFacts:
    """What a client may know is there to be read by a program."""

    @pytest.mark.parametrize(("refused", "facts"), FACTS, ids=lambda value: str(value)[:9])
    def test_a_refusal(self, refused: Callable[[], object], facts: dict[str, object]) -> None:
        with pytest.raises(ConnectError) as caught:
            refused()
        assert only_error(caught.value)["meta"] == facts

    def test_a_lost_race(self) -> None:
        assert only_error(StaleConnectionError(3, None, "cxn_1"))["meta"] == {
            "code": "stale_connection",
            "expected-version": 3,
        }

    @pytest.mark.parametrize("scope", ["inquiry.read", "inquiry.write"])
    @pytest.mark.parametrize("connection", [PENDING, ACTIVE, INACTIVE], ids=lambda c: c.status)
    def test_an_outsider_gets_the_same_fields_as_if_there_were_none(
        self, connection: Connection, scope: str
    ) -> None:
        none_there = error_document(ConnectionNotFoundError(connection.id))
        asked: list[Callable[[], object]] = [
            lambda: authorize(STRANGER, "activate", connection),
            lambda: authorize(STRANGER, "deactivate", connection),
            lambda: authorize(STRANGER, "reactivate", connection),
            lambda: authorize_access(STRANGER, scope, connection),
        ]
        for ask in asked:
            with pytest.raises(ConnectError) as caught:
                ask()
            assert error_document(caught.value) == none_there


class _ImpatientError(StaleConnectionError):
    """An error of a service's own."""

    code = "impatient"


class _UnlistedError(ConnectError):
    """Another, whose bases have no HTTP status."""

    code = "unlisted"


class _HiddenError(NotAPartyError):
    """An error that an outsider must not see."""

    code = "hidden"


class TestErrorsOfYourOwn:
    """A subclass that the library does not know has the status and the title of its base."""

    def test_status_and_title_of_the_base(self) -> None:
        error = _ImpatientError(1, 2, "cxn_A")
        assert error_document(error) == (
            409,
            {
                "errors": [
                    {
                        "title": "Stale object error",
                        "details": str(error),
                        "meta": {"code": "impatient", "expected-version": 1, "actual-version": 2},
                    }
                ]
            },
        )

    def test_nothing_is_told_of_the_inside(self) -> None:
        status, body = error_document(_UnlistedError("password"))
        assert status == 500
        assert "password" not in json.dumps(body)
        assert body == {
            "errors": [
                {
                    "title": "Internal error",
                    "details": "The request could not be served.",
                    "meta": {"code": "unlisted"},
                }
            ]
        }

    def test_an_outsiders_stays_hidden(self) -> None:
        error = _HiddenError(decide(STRANGER, Action.ACTIVATE, PENDING), STRANGER, "cxn_ABC123")
        assert error_document(error) == error_document(ConnectionNotFoundError("cxn_ABC123"))


class TestSendable:
    """An error document is JSON in UTF-8, whatever the error was made with."""

    @pytest.mark.parametrize(
        "error",
        [
            ConnectionNotFoundError("cxn_\udcff"),
            StaleConnectionError(1, 2, "cxn_\ud800"),
            NotAPartyError(
                decide(STRANGER, Action.ACTIVATE, guide_connection()), STRANGER, "\udfff"
            ),
            AccessDeniedError(
                decide(OUR_KEY, Action.ACTIVATE, guide_connection()), OUR_KEY, "\ud800"
            ),
        ],
        ids=["not found", "stale", "outsider", "access"],
    )
    def test_half_a_surrogate_pair(self, error: ConnectError) -> None:
        """An id or a scope that was asked for comes from a URL, and a URL can hold any bytes."""
        _, body = error_document(error)
        assert json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8")) == body

    @pytest.mark.parametrize(
        "error",
        [
            ConnectionNotFoundError("x" * 10_000_000),
            AccessDeniedError(
                decide(OUR_KEY, Action.ACTIVATE, guide_connection()), OUR_KEY, "x" * 10_000_000
            ),
        ],
        ids=["not found", "access"],
    )
    def test_ten_megabytes(self, error: ConnectError) -> None:
        assert len(str(error)) < 2_000
        assert len(json.dumps(error_document(error)[1])) < 2_000


# --- Plain data ----------------------------------------------------------------------------------


def kinds_in(value: object) -> set[type]:
    """The exact type of everything in a document, names of members included."""
    kinds: set[type] = {type(value)}
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]  # of anything
            kinds |= {type(name)} | kinds_in(item)  # pyright: ignore[reportUnknownArgumentType]  # as above
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]  # of anything
            kinds |= kinds_in(item)  # pyright: ignore[reportUnknownArgumentType]  # as above
    return kinds


class TestPlainData:
    """Documents consist of dict, list, str, int and None, without subclasses: some refuse those."""

    PLAIN = frozenset({dict, list, str, int, type(None)})

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_connections(self, case: Case) -> None:
        assert kinds_in(connection_document(case.connection)) <= self.PLAIN
        assert kinds_in(list_document([case.connection], next="/n")) <= self.PLAIN

    @pytest.mark.parametrize("error", [row[1] for row in ERRORS], ids=[row[0] for row in ERRORS])
    def test_errors(self, error: ConnectError) -> None:
        status, body = error_document(error)
        assert type(status) is int
        assert kinds_in(body) <= self.PLAIN

    def test_invalid_documents(self) -> None:
        with pytest.raises(InvalidDocumentError) as caught:
            parse_connection({"data": {"id": "x", 5: 1, "attributes": {}}})
        assert kinds_in(error_document(caught.value)[1]) <= self.PLAIN
