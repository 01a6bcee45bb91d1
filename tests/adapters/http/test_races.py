"""Races over HTTP: eight clients of ``connect-core serve`` with four workers, one of them killed.

Every request has an idempotency key, and is repeated until it is answered. So in the end each event
is one acknowledged request's, and each acknowledged change is one event: nothing is lost, and
nothing happens twice.
"""

import os
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, pairwise
from pathlib import Path
from random import Random
from threading import Barrier
from time import monotonic, sleep
from typing import NamedTuple

import httpx
import pytest
from databases import SERVERS, database
from http_api import OURS
from servers import DEADLINE, free_port
from sqlalchemy import URL

from connect_core import Action
from connect_core.adapters.cli.serve import WORKER_PATIENCE
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.adapters.sql import ApiKeys, Transactions, open_engine

pytestmark = pytest.mark.stress

CLIENTS = 8
REQUESTS = 40
TLS = ssl.create_default_context()
ORGANIZATIONS = ("org_ABC123", "org_DEF456")


class Served(NamedTuple):
    """A running server: its address, its process, and a token for each organization."""

    address: str
    process: subprocess.Popen[bytes]
    tokens: dict[str, str]

    def client(self, organization: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.tokens[organization]}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=DEADLINE, verify=TLS)

    def workers(self) -> list[int]:
        """The processes that answer requests."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = [int(pid) for pid in path.read_text().split()]
        return [pid for pid in found if b"spawn_main" in _command(pid)]


def _command(pid: int) -> bytes:
    """The command line of a process; empty if it has ended."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def serving(url: URL) -> Generator[Served]:
    engine = open_engine(url)
    keys = ApiKeys(engine)
    keys.create_tables()
    tokens = {each: keys.create(each).token for each in ORGANIZATIONS}
    engine.dispose()
    with free_port() as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "connect_core", "serve", "--workers", "4", "--port", str(port)]
    named = {"CONNECT_CORE_DATABASE": url.render_as_string(hide_password=False)}
    with subprocess.Popen(  # noqa: S603  # ours
        command,
        env={**os.environ, **named},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for(port, process)
            yield Served(f"http://127.0.0.1:{port}", process, tokens)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = monotonic() + DEADLINE
    with httpx.Client(verify=TLS) as client:
        while True:
            try:
                if client.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert process.poll() is None, "the server did not start"
            assert monotonic() < ends, "the server did not start in time"
            sleep(0.05)


@pytest.fixture(params=["sqlite-file", *SERVERS])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    with database(request.param, tmp_path) as found:
        yield found


class Acknowledged(NamedTuple):
    """A change that a client was told of."""

    connection_id: str
    version: int
    action: str
    organization: str
    key: str


def answered(client: httpx.Client, path: str, headers: dict[str, str]) -> httpx.Response:
    """The answer to a request that is repeated until there is one."""
    ends = monotonic() + DEADLINE
    while True:
        try:
            answer = client.post(path, headers=headers)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code != 503:
            return answer
        assert monotonic() < ends, "nobody answers"
        sleep(0.02)


def test_one_worker_is_killed_while_the_others_go_on(url: URL) -> None:
    with serving(url) as served:
        with served.client("org_ABC123") as ours, served.client("org_DEF456") as theirs:
            body = {"data": {"attributes": {"destination-organization-id": "org_DEF456"}}}
            connection_id = ours.post(CONNECTIONS, json=body).json()["data"]["id"]
            back = {"data": {"attributes": {"destination-organization-id": "org_ABC123"}}}
            another_id = theirs.post(CONNECTIONS, json=back).json()["data"]["id"]
        together = Barrier(CLIENTS + 1)

        def work(number: int) -> list[Acknowledged]:
            random = Random(number)  # noqa: S311  # the same race on every run
            organization = ORGANIZATIONS[number % 2]
            told: list[Acknowledged] = []
            with served.client(organization) as client:
                together.wait(DEADLINE)
                for request in range(REQUESTS):
                    which = random.choice((connection_id, another_id))
                    action = random.choice((Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE))
                    key = f"{number}-{request}"
                    given = {"Idempotency-Key": key}
                    answer = answered(client, f"{CONNECTIONS}/{which}/{action}", given)
                    assert answer.status_code in (200, 403, 409), answer.text
                    if answer.status_code == 200:
                        version = int(answer.headers["ETag"].strip('"'))
                        told.append(Acknowledged(which, version, action, organization, key))
            return told

        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(work, number) for number in range(CLIENTS)]
            together.wait(DEADLINE)
            sleep(0.3)
            killed = served.workers()[0]
            os.kill(killed, signal.SIGKILL)
            acknowledged = [each for future in running for each in future.result(DEADLINE * 2)]
        ends = monotonic() + WORKER_PATIENCE + DEADLINE
        while killed in served.workers():  # it was just being asked whether it is alive
            assert monotonic() < ends
            sleep(0.1)
    engine = open_engine(url)
    try:
        for which in (connection_id, another_id):
            check_history(Transactions(engine), which, acknowledged)
    finally:
        engine.dispose()
    assert len(acknowledged) > CLIENTS


def check_history(
    transactions: Transactions, connection_id: str, acknowledged: list[Acknowledged]
) -> None:
    """Every event but the first was acknowledged once, and nothing else was."""
    events = transactions.ask(lambda service: service.history(connection_id, by=OURS))
    done = {
        (event.version, event.action.value, str(event.actor.organization_id))
        for event in events[1:]
    }
    told = [
        (each.version, each.action, each.organization)
        for each in acknowledged
        if each.connection_id == connection_id
    ]
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    assert all(before.status == after.previous_status for before, after in pairwise(events))
    assert Counter(told) == Counter(done)


def test_one_request_that_many_send_at_once(url: URL) -> None:
    """All get one answer, and it happens once; accepting races with withdrawing."""
    with serving(url) as served, served.client("org_ABC123") as ours:
        numbers = count(1)
        body = {"data": {"attributes": {"destination-organization-id": "org_DEF456"}}}

        def create(together: Barrier) -> httpx.Response:
            with served.client("org_ABC123") as client:
                together.wait(DEADLINE)
                return client.post(CONNECTIONS, json=body, headers={"Idempotency-Key": "create"})

        with ThreadPoolExecutor(CLIENTS) as pool:
            together = Barrier(CLIENTS)
            created = list(pool.map(create, [together] * CLIENTS))
        assert {(each.status_code, each.content) for each in created} == {(201, created[0].content)}
        assert sum("Idempotent-Replayed" not in each.headers for each in created) == 1
        path = created[0].headers["Location"]

        for _ in range(5):
            tag = ours.get(path).headers["ETag"]
            together = Barrier(2)

            def take(
                organization: str, action: str, tag: str = tag, together: Barrier = together
            ) -> int:
                headers = {"If-Match": tag, "Idempotency-Key": f"{organization}-{next(numbers)}"}
                with served.client(organization) as client:
                    together.wait(DEADLINE)
                    return client.post(f"{path}/{action}", headers=headers).status_code

            with ThreadPoolExecutor(2) as pool:
                accepting = pool.submit(take, "org_DEF456", "activate")
                withdrawing = pool.submit(take, "org_ABC123", "deactivate")
                statuses = accepting.result(DEADLINE), withdrawing.result(DEADLINE)
            assert sorted(statuses) == [200, 409], statuses
            if ours.get(path).json()["data"]["attributes"]["status"] == "active":
                ours.post(f"{path}/deactivate")
            ours.post(f"{path}/reactivate")
