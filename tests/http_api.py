"""The HTTP API in tests: callers, transactions in memory, and an ASGI client without a server."""

import json
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

import anyio
from starlette.types import ASGIApp, Message, Scope

from connect_core import Actor, ConnectionService, InMemoryStore
from connect_core.adapters.http import Caller
from connect_core.adapters.http.routing import CONNECTIONS

_Result = TypeVar("_Result")

OURS = Actor(id="api_ABC123", organization_id="org_ABC123")
THEIRS = Actor(id="usr_Rk3v", organization_id="org_DEF456")
STRANGER = Actor(id="usr_Zz9", organization_id="org_XYZ789")
#: The callers, by their tokens.
TOKENS: dict[str, Actor | Caller] = {
    "ours": OURS,
    "theirs": THEIRS,
    "stranger": STRANGER,
    "ours-current": Caller(OURS, "current"),
    "ours-guide": Caller(OURS, "guide"),
}
GUIDES_BODY = {
    "data": {
        "attributes": {
            "destination-organization-id": "org_DEF456",
            "name": "Partner Connection",
        }
    }
}


class MemoryTransactions:
    """Transactions on a store in memory. They take turns, and nothing is undone."""

    def __init__(self) -> None:
        self._turn = RLock()
        self.empty()

    def empty(self) -> None:
        """Begin with an empty store."""
        self.service = ConnectionService(InMemoryStore())
        self.changes = 0

    def change(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        with self._turn:
            self.changes += 1
            return work(self.service)

    def ask(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        with self._turn:
            return work(self.service)


class AsyncMemoryTransactions:
    """The same for asynchronous hosts."""

    def __init__(self) -> None:
        self.inner = MemoryTransactions()

    async def change(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        return self.inner.change(work)

    async def ask(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        return self.inner.ask(work)


def authenticate(request: Any) -> Actor | Caller | None:
    """The caller whose token a Starlette request has."""
    return caller_of(request.headers.getlist("Authorization"))


def caller_of(values: Sequence[str]) -> Actor | Caller | None:
    """The caller whose token is in the values of ``Authorization``."""
    if len(values) != 1 or not values[0].startswith("Bearer "):
        return None
    return TOKENS.get(values[0].removeprefix("Bearer "))


class Answered(NamedTuple):
    """A response as an ASGI server gets it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [error["meta"]["code"] for error in self.json["errors"]]


Headers = Sequence[tuple[str, str]] | Mapping[str, str]


def asgi_scope(
    method: str, target: str, headers: Headers = (), *, root: str = "", raw_path: bool = True
) -> Scope:
    """The scope of a request to a path with its query, as servers make it."""
    path, _, query = target.partition("?")
    fields = headers.items() if isinstance(headers, Mapping) else headers
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "query_string": query.encode(),
        "root_path": root,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    if raw_path:
        scope["raw_path"] = path.encode()
    return scope


def ask_asgi(app: ASGIApp, scope: Scope, messages: Sequence[Message]) -> list[Message]:
    """What an application sends when it receives these messages. After them it waits for ever."""
    sent: list[Message] = []
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await anyio.sleep_forever()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(app, scope, receive, send)
    return sent


class AsgiClient:
    """Sends requests to an ASGI application, in this process and without a server.

    Args:
        app: the application.
        token: whose requests they are; see `TOKENS`. None for nobody's.
        root: where a server says that the application is mounted.
    """

    def __init__(self, app: ASGIApp, token: str | None = "ours", *, root: str = "") -> None:  # noqa: S107  # of a test
        self._app = app
        self._token = token
        self._root = root

    def request(
        self,
        method: str,
        target: str = CONNECTIONS,
        headers: Headers = (),
        body: object = b"",
        *,
        raw_path: bool = True,
    ) -> Answered:
        """The response. A body that is not bytes is sent as JSON."""
        fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        names = {name.lower() for name, _ in fields}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if content and "content-type" not in names and not isinstance(body, bytes):
            fields.append(("Content-Type", "application/json"))
        if content and not {"content-length", "transfer-encoding"} & names:
            fields.append(("Content-Length", str(len(content))))
        if self._token is not None and "authorization" not in names:
            fields.append(("Authorization", f"Bearer {self._token}"))
        scope = asgi_scope(method, target, fields, root=self._root, raw_path=raw_path)
        message = {"type": "http.request", "body": content, "more_body": False}
        start, *bodies = ask_asgi(self._app, scope, [message])
        received = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        assert len(received) == len(start["headers"]), "a header field comes twice"
        return Answered(start["status"], received, b"".join(each["body"] for each in bodies))

    def get(self, target: str = CONNECTIONS, headers: Headers = ()) -> Answered:
        return self.request("GET", target, headers)

    def post(
        self, target: str = CONNECTIONS, headers: Headers = (), body: object = b""
    ) -> Answered:
        return self.request("POST", target, headers, body)

    def create(self, destination: str = "org_DEF456") -> str:
        """The path of a new Connection."""
        attributes = {"destination-organization-id": destination}
        created = self.post(body={"data": {"attributes": attributes}})
        assert created.status == 201, created
        return created.headers["location"]
