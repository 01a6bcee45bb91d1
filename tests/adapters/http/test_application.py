"""The application: where it is mounted, whom it asks, how it reads a body, and what it logs."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import pytest
from http_api import (
    GUIDES_BODY,
    OURS,
    AsgiClient,
    AsyncMemoryTransactions,
    MemoryTransactions,
    asgi_scope,
    ask_asgi,
    authenticate,
)
from starlette.types import ASGIApp, Message

from connect_core import Actor, StoreUnavailableError
from connect_core.adapters.http import Caller, Quota, create_api
from connect_core.adapters.http.routing import CONNECTIONS

BODY = b'{"data":{"attributes":{"destination-organization-id":"org_DEF456"}}}'
POST = [
    ("Authorization", "Bearer ours"),
    ("Content-Type", "application/json"),
    ("Transfer-Encoding", "chunked"),
]


#: What hosts return by mistake.
_caller: Any = Caller
WRONG_CALLERS = ["org_ABC123", ("a", None), _caller("org_ABC123"), _caller(OURS, "guides")]


def api(**options: Any) -> ASGIApp:
    chosen: dict[str, Any] = {
        "authenticate": authenticate,
        "transactions": MemoryTransactions(),
        **options,
    }
    return create_api(**chosen)


def create_api_with_async() -> ASGIApp:
    """An application that takes each step by itself."""
    return api(transactions=AsyncMemoryTransactions())


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def status_of(sent: Sequence[Message]) -> int:
    status: int = sent[0]["status"]
    return status


class TestArguments:
    """What it cannot work with is refused when it is made."""

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"authenticate": None}, TypeError),
            ({"transactions": object()}, TypeError),
            ({"representation": "guides"}, ValueError),
            ({"extensions": 1}, TypeError),
            ({"limiter": 1}, TypeError),
            ({"max_body": "1"}, TypeError),
            ({"max_body": 0}, ValueError),
            ({"body_timeout": 0}, ValueError),
            ({"body_timeout": "1"}, TypeError),
            ({"body_timeout": True}, TypeError),
        ],
    )
    def test_refused(self, options: Mapping[str, object], error: type[Exception]) -> None:
        with pytest.raises(error, match=next(iter(options))):
            api(**options)

    @pytest.mark.parametrize("lacking", ["authenticate", "transactions"])
    def test_there_is_no_default(self, lacking: str) -> None:
        given: dict[str, Any] = {
            "authenticate": authenticate,
            "transactions": MemoryTransactions(),
        }
        del given[lacking]
        with pytest.raises(TypeError, match=lacking):
            create_api(**given)


class TestAuthentication:
    """Nobody but `authenticate` says who asks."""

    def test_nobody(self) -> None:
        answer = AsgiClient(api(), None).get()
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.codes == ["not_authenticated"]
        assert "persona-organization-id" not in answer.headers

    def test_nothing_is_read_of_whom_nobody_knows(self) -> None:
        scope = asgi_scope("POST", CONNECTIONS, [("Content-Type", "application/json")])
        assert status_of(ask_asgi(api(), scope, [])) == 401

    def test_asynchronous(self) -> None:
        async def asynchronous(request: Any) -> Any:
            await asyncio.sleep(0)
            return authenticate(request)

        class Authenticator:
            async def __call__(self, request: Any) -> Any:
                return authenticate(request)

        for each in (asynchronous, Authenticator()):
            assert AsgiClient(api(authenticate=each)).get().status == 200
            assert AsgiClient(api(authenticate=each), None).get().status == 401

    @pytest.mark.parametrize("found", WRONG_CALLERS)
    def test_what_is_no_caller(self, found: object, caplog: pytest.LogCaptureFixture) -> None:
        def authenticate_wrongly(_: object) -> object:
            return found

        answer = AsgiClient(api(authenticate=authenticate_wrongly)).get()
        assert (answer.status, answer.codes) == (500, ["internal_error"])
        assert caplog.records[0].exc_info is not None

    def test_a_store_of_keys_that_does_not_answer(self) -> None:
        def fails(_: object) -> Actor:
            raise StoreUnavailableError("it is down")

        answer = AsgiClient(api(authenticate=fails)).get()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "it is down" not in answer.body.decode()


class TestTransactions:
    """They may be synchronous or asynchronous."""

    def test_asynchronous(self) -> None:
        transactions = AsyncMemoryTransactions()
        client = AsgiClient(api(transactions=transactions))
        path = client.create()
        assert client.get(path).status == 200
        assert client.post(f"{path}/activate").codes == ["wrong_role"]
        assert transactions.inner.changes == 2

    def test_a_fault_is_logged_and_not_told(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(MemoryTransactions):
            def ask(self, work: Callable[..., Any]) -> Any:  # noqa: ARG002  # it is never done
                raise RuntimeError("the disk is on fire")

        answer = AsgiClient(api(transactions=Broken())).get()
        assert (answer.status, answer.codes) == (500, ["internal_error"])
        assert b"fire" not in answer.body
        (fault,) = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert fault.exc_info is not None
        assert answer.headers["request-id"] in fault.getMessage()


class TestMounted:
    """It works at any path, whatever the server says of the path's beginning."""

    @pytest.mark.parametrize("root", ["", "/x", "/x/y", "/a%20b", "/x/"])
    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize("raw_path", [True, False])
    def test_path(self, root: str, whole: bool, raw_path: bool) -> None:
        app = api()
        prefix = root.rstrip("/")
        begin = prefix if whole else ""
        client = AsgiClient(app, root=prefix.replace("%20", " "))
        created = client.request(
            "POST", f"{begin}{CONNECTIONS}", body=GUIDES_BODY, raw_path=raw_path
        )
        assert created.status == 201
        place = created.headers["location"]
        assert place.startswith(f"{prefix}{CONNECTIONS}/cxn_")
        another = {"data": {"attributes": {"destination-organization-id": "org_2"}}}
        client.request("POST", f"{begin}{CONNECTIONS}", body=another, raw_path=raw_path)
        listed = client.get(f"{begin}{CONNECTIONS}?page[size]=1&filter[status]=pending")
        link = listed.json["links"]["next"]
        assert link.startswith(f"{prefix}{CONNECTIONS}?page%5Bsize%5D=1&filter%5Bstatus%5D=pending")
        followed = client.get(link if whole else link.removeprefix(prefix))
        assert [each["id"] for each in followed.json["data"]] == [place.rpartition("/")[2]]
        assert followed.json["links"]["next"] is None

    @pytest.mark.parametrize("target", ["/x", "/xy" + CONNECTIONS, "/y" + CONNECTIONS])
    def test_another_path(self, target: str) -> None:
        assert AsgiClient(api(), root="/x").get(target).codes == ["no_such_path"]

    def test_a_lifespan_is_not_needed_and_does_no_harm(self) -> None:
        messages: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = ask_asgi(api(), {"type": "lifespan"}, messages)
        assert [each["type"] for each in sent] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]

    def test_options_with_a_body(self) -> None:
        """It is answered without reading the body."""
        scope = asgi_scope("OPTIONS", CONNECTIONS, POST)
        sent = ask_asgi(create_api_with_async(), scope, [])
        assert status_of(sent) == 204

    def test_a_websocket_is_closed(self) -> None:
        sent = ask_asgi(api(), {"type": "websocket"}, [])
        assert [each["type"] for each in sent] == ["websocket.close"]


class TestBodies:
    """A body is read no further than it may be large, and for no longer than it may take."""

    def test_in_parts(self) -> None:
        sent = ask_asgi(
            api(),
            asgi_scope("POST", CONNECTIONS, POST),
            [part(BODY[:20]), part(BODY[20:]), part(b"", more=False)],
        )
        assert status_of(sent) == 201

    def test_as_large_as_it_may_be(self) -> None:
        filled = BODY + b" " * (200 - len(BODY))
        client = AsgiClient(api(max_body=200))
        headers = {"Content-Type": "application/json"}
        assert client.post(headers=headers, body=filled + b" ").codes == ["body_too_large"]
        assert client.post(headers=headers, body=filled).status == 201

    def test_too_large_by_its_own_word(self) -> None:
        scope = asgi_scope("POST", CONNECTIONS, [*POST[:2], ("Content-Length", "70000")])
        sent = ask_asgi(api(), scope, [])
        assert status_of(sent) == 413
        assert (b"connection", b"close") in sent[0]["headers"]

    def test_too_large_without_a_word(self) -> None:
        parts = [part(b" " * 40_000) for _ in range(3)]
        assert status_of(ask_asgi(api(), asgi_scope("POST", CONNECTIONS, POST), parts)) == 413

    def test_one_that_stalls(self) -> None:
        transactions = MemoryTransactions()
        app = api(body_timeout=0.05, transactions=transactions)
        sent = ask_asgi(app, asgi_scope("POST", CONNECTIONS, POST), [part(BODY[:20])])
        assert status_of(sent) == 408
        assert b"0.05 seconds" in sent[1]["body"]
        assert transactions.changes == 0

    @pytest.mark.parametrize("messages", [[], [part(BODY[:20])]])
    def test_a_client_that_hangs_up(
        self, messages: list[Message], caplog: pytest.LogCaptureFixture
    ) -> None:
        transactions = MemoryTransactions()
        app = api(transactions=transactions)
        caplog.set_level(logging.INFO)
        gone = [*messages, {"type": "http.disconnect"}]
        assert ask_asgi(app, asgi_scope("POST", CONNECTIONS, POST), gone) == []
        assert transactions.changes == 0
        (line,) = [each for each in caplog.records if each.name == "connect_core.adapters.http"]
        assert (line.levelno, line.exc_info) == (logging.INFO, None)
        assert "code=client_disconnected" in line.getMessage()

    def test_a_client_that_does_not_wait_for_the_answer(self) -> None:
        async def gone(_: Message) -> None:
            raise OSError

        async def receive() -> Message:
            return part(b"", more=False)

        scope = asgi_scope("GET", CONNECTIONS, POST[:1])
        anyio.run(api(), scope, receive, gone)


class TestLimiter:
    """A host's limiter counts before anything is done."""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_quota(self, is_async: bool) -> None:
        transactions = MemoryTransactions()
        left = [1, 0]

        def count(caller: Caller) -> Quota:
            assert caller == Caller(OURS)
            exceeded = not left
            return Quota(2, left.pop(0) if left else 0, 30, exceeded)

        async def count_later(caller: Caller) -> Quota:
            return count(caller)

        limiter = count_later if is_async else count
        client = AsgiClient(api(transactions=transactions, limiter=limiter))
        path = client.create()
        taken = client.post(f"{path}/deactivate", {"Idempotency-Key": "k"})
        assert taken.headers["ratelimit-limit"] == "2"
        assert taken.headers["ratelimit-remaining"] == "0"
        assert taken.headers["ratelimit-reset"] == "30"
        refused = client.post(f"{path}/reactivate", {"Idempotency-Key": "l"})
        assert (refused.status, refused.headers["retry-after"]) == (429, "30")
        assert refused.codes == ["rate_limit_exceeded"]
        assert refused.headers["ratelimit-remaining"] == "0"
        assert transactions.changes == 2
        left.append(0)
        assert client.post(f"{path}/reactivate", {"Idempotency-Key": "l"}).status == 200

    def test_without_one(self) -> None:
        assert not [each for each in AsgiClient(api()).get().headers if "ratelimit" in each]


class TestLog:
    """One line for each request, without a secret."""

    def test_line(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "connect_core.adapters.http")
        client = AsgiClient(api())
        path = client.create()
        client.post(f"{path}/activate", {"Request-Id": "req_7", "Idempotency-Key": "k-secret"})
        client.get("/elsewhere?key=s3cret")
        created, refused, lost = [each.getMessage() for each in caplog.records]
        assert "action=create" in created
        assert "status=201 code=ok" in created
        assert refused.startswith(
            f"request_id=req_7 action=activate connection={path.rpartition('/')[2]}"
            " actor=api_ABC123 organization=org_ABC123 status=403 code=wrong_role duration_ms="
        )
        assert "action=- connection=- actor=- organization=- status=404 code=no_such_path" in lost
        assert not [each for each in (created, refused, lost) if "ours" in each or "cret" in each]
        facts = caplog.records[1].__dict__["connect_core"]
        assert (facts["status"], facts["code"], facts["action"]) == (403, "wrong_role", "activate")

    def test_text_from_outside_stays_in_its_place(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "connect_core.adapters.http")
        AsgiClient(api()).get(f"{CONNECTIONS}/cxn_%0Astatus=200%20x")
        (line,) = [each.getMessage() for each in caplog.records]
        assert "\n" not in line
        assert line.count("status=") == 1
        assert "connection=cxn_%0Astatus%3D200%20x actor=" in line

    def test_nobody_listens(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "connect_core.adapters.http")
        assert AsgiClient(api()).get().status == 200
        assert caplog.records == []
