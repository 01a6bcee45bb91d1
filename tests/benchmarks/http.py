"""The HTTP API: against a FastAPI handler written by hand, and as a process under load.

The comparison is made in one process and without a network: both applications get the same ASGI
messages, on the same kind of database, and take turns. Under load, ``connect-core serve`` is a
process of its own with one worker; eight clients keep their connections open. The load is bounded
and stays on the loopback address.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from http_api import asgi_scope
from sqlalchemy import Engine, text
from starlette.types import ASGIApp, Message

from connect_core import Actor
from connect_core.adapters.http import create_api
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.adapters.sql import ApiKeys, Transactions, open_engine
from connect_core.history import format_timestamp, utc_now

from .results import AtMost, Figure, Section
from .timing import paired_ratio

_OURS = Actor(id="api_ABC123", organization_id="org_ABC123")
_TOKENS = {"ours": _OURS}
_CLIENTS = 8
#: How long a load lasts, in seconds.
_LOAD = 5.0


def serving(rounds: int) -> list[Section]:
    """Measure the API beside a handler by hand, and under load."""
    return [_beside(5 * rounds), _loaded()]


# --- By hand -------------------------------------------------------------------------------------

_SELECT = text("SELECT * FROM connections WHERE id = :id")
_UPDATE = text(
    "UPDATE connections SET status = 'inactive', updated_at = :now, version = version + 1"
    " WHERE id = :id AND version = :version"
)
_INSERT = text(
    "INSERT INTO connection_events (connection_id, version, action, previous_status, status,"
    " actor_id, actor_organization_id, roles, occurred_at) VALUES (:id, :version, 'deactivate',"
    " :previous, 'inactive', :actor, :organization, :roles, :now)"
)


def _by_hand(engine: Engine) -> FastAPI:
    """What a team would write for two of the operations, with the same statements."""
    app = FastAPI()
    reading = engine.execution_options(only_reads=True)

    def caller(request: Request) -> Actor:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in _TOKENS:
            raise HTTPException(401)
        return _TOKENS[token]

    def visible(row: Any, by: Actor) -> Any:
        parties = (
            () if row is None else (row.source_organization_id, row.destination_organization_id)
        )
        if by.organization_id not in parties:
            raise HTTPException(404)
        return row

    def document(row: Any, **changed: object) -> JSONResponse:
        value: dict[str, Any] = {**row._mapping, **changed}
        attributes = {
            "token": value["id"],
            "name": value["name"],
            "status": value["status"],
            "organization-id": value["source_organization_id"],
            "destination-organization-id": value["destination_organization_id"],
            "scopes": json.loads(value["scopes"]),
            "creator-id": value["creator_id"],
            "creator-type": "api-key",
            "created-at": value["created_at"],
            "updated-at": value["updated_at"],
        }
        data = {"type": "connect/connections", "id": value["id"], "attributes": attributes}
        return JSONResponse({"data": data}, headers={"ETag": f'"{value["version"]}"'})

    @app.get(CONNECTIONS + "/{connection_id}")
    def retrieve(connection_id: str, by: Annotated[Actor, Depends(caller)]) -> JSONResponse:
        with reading.connect() as database:
            row = database.execute(_SELECT, {"id": connection_id}).one_or_none()
            return document(visible(row, by))

    @app.post(CONNECTIONS + "/{connection_id}/deactivate")
    def deactivate(connection_id: str, by: Annotated[Actor, Depends(caller)]) -> JSONResponse:
        with engine.begin() as database:
            found = database.execute(_SELECT, {"id": connection_id}).one_or_none()
            row = visible(found, by)
            if row.status not in ("pending", "active"):
                raise HTTPException(409)
            now = format_timestamp(utc_now())
            values = {"id": row.id, "version": row.version, "now": now}
            if database.execute(_UPDATE, values).rowcount != 1:
                raise HTTPException(409)
            event = {
                **values,
                "version": row.version + 1,
                "previous": row.status,
                "actor": by.id,
                "organization": by.organization_id,
                "roles": '["source"]',
            }
            database.execute(_INSERT, event)
        return document(row, status="inactive", updated_at=now, version=row.version + 1)

    return app


# --- Side by side --------------------------------------------------------------------------------


def _beside(rounds: int) -> Section:
    return asyncio.run(_compare(rounds))


async def _compare(rounds: int) -> Section:
    with TemporaryDirectory(prefix="connect-core-") as directory:
        engine = open_engine(f"sqlite:///{directory}/connections.db")
        try:
            transactions = Transactions(engine)
            ours = create_api(
                authenticate=lambda request: _TOKENS.get(
                    request.headers.get("authorization", "").removeprefix("Bearer ")
                ),
                transactions=transactions,
            )
            change = transactions.change(
                lambda service: service.create(by=_OURS, destination="org_DEF456")
            )
            path = f"{CONNECTIONS}/{change.connection.id}"
            reads = {
                name: await _reading(app, path)
                for name, app in (("ours", ours), ("by hand", _by_hand(engine)))
            }
            steps = {
                name: _stepping(app, ours, path)
                for name, app in (("ours", ours), ("by hand", _by_hand(engine)))
            }
            return Section(
                "A request, in one process and on SQLite",
                (
                    _figure("GET one", await turns(reads, rounds)),
                    _figure("POST deactivate", await turns(steps, rounds)),
                ),
            )
        finally:
            engine.dispose()


def _figure(name: str, times: dict[str, list[float]]) -> Figure:
    return Figure(
        name,
        median(times["ours"]),
        "the same in a FastAPI handler by hand",
        median(times["by hand"]),
        AtMost(1.0),
        paired_ratio=paired_ratio(times["ours"], times["by hand"]),
    )


#: One short measurement: seconds for one request.
AsyncSample = Callable[[], Awaitable[float]]


async def turns(contestants: dict[str, AsyncSample], rounds: int) -> dict[str, list[float]]:
    """The times of each, taken in turns after a tenth of the rounds to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + rounds // 10):
        for name, sample in contestants.items():
            seconds = await sample()
            if number >= rounds // 10:
                times[name].append(seconds)
    return times


async def _reading(app: ASGIApp, path: str) -> AsyncSample:
    async def sample() -> float:
        return await timed(app, "GET", path, 200)

    return sample


def _stepping(app: ASGIApp, other: ASGIApp, path: str) -> AsyncSample:
    async def sample() -> float:
        seconds = await timed(app, "POST", f"{path}/deactivate", 200)
        await timed(other, "POST", f"{path}/reactivate", 200)
        return seconds

    return sample


async def timed(app: ASGIApp, method: str, path: str, due: int) -> float:
    """How long an application takes to answer a request, in seconds, with this status."""
    scope = asgi_scope(method, path, {"Host": "127.0.0.1", "Authorization": "Bearer ours"})
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    begun = perf_counter()
    await app(scope, receive, send)
    seconds = perf_counter() - begun
    assert statuses == [due], statuses
    return seconds


# --- Under load ----------------------------------------------------------------------------------


class Load(NamedTuple):
    """What a load came to: how many requests a second, and the time of each in seconds."""

    rate: float
    times: Sequence[float]

    @property
    def p99(self) -> float:
        """The time within which 99 of 100 requests were answered."""
        return quantiles(self.times, n=100)[98]


def _loaded() -> Section:
    with TemporaryDirectory(prefix="connect-core-") as directory:
        engine = open_engine(f"sqlite:///{directory}/connections.db")
        keys = ApiKeys(engine)
        keys.create_tables()
        _, token = keys.create("org_ABC123")
        transactions = Transactions(engine)
        paths = [
            f"{CONNECTIONS}/"
            + transactions.change(
                lambda service, number=number: service.create(  # type: ignore[misc]  # mypy infers no default
                    by=_OURS, destination=f"org_{number}"
                )
            ).connection.id
            for number in range(_CLIENTS)
        ]
        engine.dispose()
        with _served(Path(directory) / "connections.db") as (port, started):
            reads = asyncio.run(_load(port, token, paths, _read))
            changes = asyncio.run(_load(port, token, paths, _change))
            calm_reads = asyncio.run(_load(port, token, paths, _read, reads.rate / 2))
            calm_changes = asyncio.run(_load(port, token, paths, _change, changes.rate / 2))
    return Section(
        "connect-core serve, one worker, SQLite, eight clients",
        (
            Figure("start to first answer", started, bound=AtMost(2.0)),
            Figure(f"a read: {reads.rate:.0f} a second", 1 / reads.rate, bound=AtMost(1 / 1000)),
            Figure(
                f"a checked change: {changes.rate:.0f} a second",
                1 / changes.rate,
                bound=AtMost(1 / 400),
            ),
            Figure("a read at half that load, p99", calm_reads.p99, bound=AtMost(0.05)),
            Figure("a change at half that load, p99", calm_changes.p99, bound=AtMost(0.05)),
        ),
    )


@contextmanager
def _served(database: Path) -> Generator[tuple[int, float]]:
    """Run `serve` on a database; give its port, and how long it took to its first answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "connect_core", "serve"]
    options = ["--database", str(database), "--port", str(port)]
    begun = monotonic()
    with subprocess.Popen(  # noqa: S603  # our own command
        [*command, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    ) as process:
        try:
            _wait_for(port, process)
            yield port, monotonic() - begun
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = monotonic() + 20
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if b" 200 " in client.recv(64):
                    return
        except OSError:
            pass
        if process.poll() is not None or monotonic() > ends:
            raise RuntimeError(f"serve did not start: {process.poll()}")
        sleep(0.01)


#: One unit of work of a client: sends requests and returns how long each took.
_Work = Callable[["_Client", str], Awaitable[list[float]]]


async def _load(
    port: int, token: str, paths: Sequence[str], work: _Work, rate: float | None = None
) -> Load:
    """Let every client work for a while, as fast as it can or at this rate for all together."""
    begun = perf_counter()
    times: list[float] = []

    async def run(path: str) -> None:
        client = await _Client.connected(port, token)
        pause = 0.0 if rate is None else _CLIENTS / rate
        due = perf_counter()
        while perf_counter() - begun < _LOAD:
            found = await work(client, path)
            times.extend(found)
            due += pause * len(found)
            await asyncio.sleep(max(0.0, due - perf_counter()))
        await client.close()

    await asyncio.gather(*map(run, paths))
    return Load(len(times) / (perf_counter() - begun), times)


async def _read(client: "_Client", path: str) -> list[float]:
    return [await client.request(b"GET", path)]


async def _change(client: "_Client", path: str) -> list[float]:
    steps = ("deactivate", "reactivate")
    return [await client.request(b"POST", f"{path}/{step}") for step in steps]


class _Client:
    """One connection that is kept open. It does as little as it can."""

    def __init__(
        self, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer
        self._fields = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n".encode()

    @classmethod
    async def connected(cls, port: int, token: str) -> "_Client":
        return cls(token, *await asyncio.open_connection("127.0.0.1", port))

    async def request(self, method: bytes, path: str) -> float:
        """Send a request, and read its answer; return how long that took."""
        begun = perf_counter()
        length = b"Content-Length: 0\r\n" if method == b"POST" else b""
        head = b"%s %s HTTP/1.1\r\n%s%s\r\n" % (method, path.encode(), self._fields, length)
        self._writer.write(head)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        assert answer.split(b" ", 2)[1] == b"200", answer
        size = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(size)
        return perf_counter() - begun

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
