"""The FastAPI example: a real server on a port of this machine, tested over HTTP.

Every test runs on SQLite and on PostgreSQL. A shell runs the commands of the example's page, the
guide's own curl command among them.
"""

import json
import logging
import re
import socket
import ssl
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from threading import Barrier, Thread
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
import uvicorn
from databases import database
from etags import NO_VERSION, SAME_VERSION
from servers import ADDRESS, DEADLINE, blocks, free_port, started, typed
from sharing import database as sharing_database
from sharing.app import CONNECTIONS, MAX_BODY, create_app
from sharing.database import Base, Notice
from sqlalchemy import Engine, create_engine, delete, func, select, update
from support import GUIDE_ANSWER, REFUSED_STEPS, STEPS_TO

from connect_core import ConnectionService, parse_connection
from connect_core.adapters.sql import configure_engine, connection_events, connections, metadata

pytestmark = pytest.mark.service

DRIVERS = {"sqlite-file": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
#: Unused, but every client needs one, and creating one takes long.
TLS = ssl.create_default_context()

#: Each request has a connection of its own. After an unexpected error, uvicorn answers and then
#: closes the connection, and a request that is already on its way over it is lost.
NO_KEEPALIVE = httpx.Limits(max_keepalive_connections=0)

# What the guide shows, word for word.
GUIDES_COMMAND = """\
curl -X POST https://api.withpersona.com/api/v1/connect/connections \\
  -H "Authorization: Bearer <token>" \\
  -H "Content-Type: application/json" \\
  -d '{
    "data": {
      "attributes": {
        "destination-organization-id": "org_DEF456",
        "name": "Partner Connection"
      }
    }
  }'
"""


# --- The server ----------------------------------------------------------------------------------


#: Marks tests that do not depend on the database.
ON_SQLITE = pytest.mark.parametrize("served", ["sqlite-file"], indirect=True)


class Api:
    """A running service: three callers, one without a token, and the database behind it."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.url = url
        self.engine = engine
        self.anybody = httpx.Client(base_url=url, timeout=DEADLINE, verify=TLS, limits=NO_KEEPALIVE)
        self.ours = self._client("demo-source")
        self.theirs = self._client("demo-destination")
        self.stranger = self._client("demo-stranger")

    def _client(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(
            base_url=self.url, timeout=DEADLINE, headers=headers, verify=TLS, limits=NO_KEEPALIVE
        )

    def close(self) -> None:
        for client in (self.anybody, self.ours, self.theirs, self.stranger):
            client.close()

    def empty(self) -> None:
        """Empty the database."""
        with self.engine.begin() as session:
            for tables in (Base.metadata, metadata):
                for table in reversed(tables.sorted_tables):
                    session.execute(delete(table))

    def create(self, destination: str = "org_DEF456") -> str:
        """The address of a new Connection of ours, which is pending."""
        created = self.ours.post(CONNECTIONS, content=body_for(destination))
        assert created.status_code == 201, created.text
        return created.headers["Location"]

    def tally(self) -> tuple[int, ...]:
        """How many Connections, events and notices are committed."""
        counted = (connections, connection_events, Notice.__table__)
        with self.engine.connect() as session:
            return tuple(
                session.execute(select(func.count()).select_from(table)).scalar_one()
                for table in counted
            )


def body_for(destination: str) -> bytes:
    """The guide's request, for another destination."""
    attributes = {"destination-organization-id": destination, "name": "Partner Connection"}
    return json.dumps({"data": {"attributes": attributes}}).encode()


@contextmanager
def serving(database_url: str) -> Generator[str]:
    """Run the service on this database in a thread; give its URL."""
    config = uvicorn.Config(create_app(database_url), log_config=None, ws="none")
    server = uvicorn.Server(config)
    with free_port() as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            ends = monotonic() + DEADLINE
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                assert monotonic() < ends, "the server did not start in time"
                sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the server did not stop in time"


@pytest.fixture(scope="module", params=DRIVERS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    with database(request.param, tmp_path_factory.mktemp("served")) as url:
        asynchronous = url.set(drivername=DRIVERS[request.param])
        engine = configure_engine(create_engine(url))
        with serving(asynchronous.render_as_string(hide_password=False)) as address:
            api = Api(address, engine)
            yield api
            api.close()
        engine.dispose()


@pytest.fixture
def api(served: Api) -> Api:
    """The service, with nothing in its database."""
    served.empty()
    return served


def codes(answer: httpx.Response) -> list[str]:
    """connect-core's code for each error of an answer."""
    return [error["meta"]["code"] for error in answer.json()["errors"]]


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether an answer is this refusal, as a document."""
    assert answer.headers["Content-Type"] == "application/json"
    return (answer.status_code, codes(answer)) == (status, [code])


# --- The story -----------------------------------------------------------------------------------


class TestStory:
    """Each handler does its job."""

    def test_create(self, api: Api) -> None:
        answer = api.ours.post(CONNECTIONS, content=body_for("org_DEF456"))
        connection = parse_connection(answer.content)
        assert answer.status_code == 201
        assert answer.headers["ETag"] == '"1"'
        assert answer.headers["Location"] == f"{CONNECTIONS}/{connection.id}"
        assert (connection.status, connection.name) == ("pending", "Partner Connection")
        assert connection.source_organization_id == "org_ABC123"
        assert connection.destination_organization_id == "org_DEF456"
        assert api.tally() == (1, 1, 1)

    def test_from_offer_to_offer(self, api: Api) -> None:
        address = api.create()
        for client, action, status, version in (
            (api.theirs, "activate", "active", 2),
            (api.theirs, "deactivate", "inactive", 3),
            (api.ours, "reactivate", "pending", 4),
            (api.ours, "deactivate", "inactive", 5),
        ):
            taken = client.post(f"{address}/{action}")
            assert taken.status_code == 200
            assert taken.headers["ETag"] == f'"{version}"'
            assert "Location" not in taken.headers
            assert taken.json()["data"]["attributes"]["status"] == status
            for reader in (api.ours, api.theirs):
                seen = reader.get(address)
                assert (seen.status_code, seen.content) == (200, taken.content)
                assert seen.headers["ETag"] == taken.headers["ETag"]
            assert api.tally() == (1, version, version)

    def test_history(self, api: Api) -> None:
        address = api.create()
        api.theirs.post(f"{address}/activate")
        answer = api.ours.get(f"{address}/history")
        assert answer.status_code == 200
        events = answer.json()["data"]
        assert [(event["version"], event["action"]) for event in events] == [
            (1, "create"),
            (2, "activate"),
        ]
        assert events[1]["actor"] == {"id": "usr_Rk3v", "organization_id": "org_DEF456"}

    def test_data_passes_while_it_is_active_and_from_the_source_alone(self, api: Api) -> None:
        address = api.create()
        data = f"{address}/inquiries"
        assert refused(api.theirs.get(data), 403, "access_denied")
        api.theirs.post(f"{address}/activate")
        read = api.theirs.get(data)
        assert (read.status_code, read.json()) == (
            200,
            {"data": [{"type": "inquiry", "id": "inq_1"}]},
        )
        assert refused(api.ours.get(data), 403, "access_denied")
        assert refused(api.stranger.get(data), 404, "connection_not_found")
        api.ours.post(f"{address}/deactivate")
        assert refused(api.theirs.get(data), 403, "access_denied")

    def test_data_of_another_scope_does_not_pass(self, api: Api) -> None:
        wanted = json.loads(body_for("org_DEF456"))
        wanted["data"]["attributes"]["scopes"] = ["account.read"]
        address = api.ours.post(CONNECTIONS, json=wanted).headers["Location"]
        api.theirs.post(f"{address}/activate")
        assert refused(api.theirs.get(f"{address}/inquiries"), 403, "access_denied")

    @ON_SQLITE
    def test_the_content_type_of_json_api(self, api: Api) -> None:
        headers = {"Content-Type": "application/vnd.api+json"}
        answer = api.ours.post(CONNECTIONS, content=body_for("org_DEF456"), headers=headers)
        assert answer.status_code == 201


# --- Refusals ------------------------------------------------------------------------------------


class TestRefusals:
    """Each refusal has its HTTP status and its document, and changes nothing."""

    @pytest.mark.parametrize(("status", "who", "action", "http", "code"), REFUSED_STEPS)
    def test_steps(
        self, api: Api, status: str, who: str, action: str, http: int, code: str
    ) -> None:
        address = api.create()
        for taker, step in STEPS_TO[status]:
            assert getattr(api, taker).post(f"{address}/{step}").status_code == 200
        before = api.ours.get(address).content, api.tally()
        assert refused(getattr(api, who).post(f"{address}/{action}"), http, code)
        assert (api.ours.get(address).content, api.tally()) == before

    def test_a_second_one_for_a_pair(self, api: Api) -> None:
        address = api.create()
        again = api.ours.post(CONNECTIONS, content=body_for("org_DEF456"))
        assert refused(again, 409, "duplicate_connection")
        assert address.rpartition("/")[2] in again.json()["errors"][0]["details"]
        assert api.tally() == (1, 1, 1)

    def test_the_other_direction_is_another_one(self, api: Api) -> None:
        api.create()
        back = api.theirs.post(CONNECTIONS, content=body_for("org_ABC123"))
        assert back.status_code == 201

    @ON_SQLITE
    def test_with_oneself(self, api: Api) -> None:
        answer = api.ours.post(CONNECTIONS, content=body_for("org_ABC123"))
        assert refused(answer, 422, "self_connection")

    @ON_SQLITE
    def test_a_body_with_problems(self, api: Api) -> None:
        answer = api.ours.post(CONNECTIONS, content=b'{"data": {"attributes": {"name": 5}}}')
        assert answer.status_code == 422
        pointers = [error["source"]["pointer"] for error in answer.json()["errors"]]
        assert pointers == ["/data/attributes", "/data/attributes/name"]

    @ON_SQLITE
    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"data": NaN}'])
    def test_a_body_that_is_not_json(self, api: Api, body: bytes) -> None:
        assert refused(api.ours.post(CONNECTIONS, content=body), 400, "invalid_document")

    @ON_SQLITE
    def test_a_body_may_be_as_large_as_is_said(self, api: Api) -> None:
        body = body_for("org_DEF456")
        largest = body + b" " * (MAX_BODY - len(body))
        too_large = api.ours.post(CONNECTIONS, content=largest + b" ")
        assert too_large.status_code == 413
        assert too_large.json() == {
            "errors": [
                {
                    "title": HTTPStatus(413).phrase,
                    "details": "A body has at most 65536 bytes.",
                }
            ]
        }
        assert api.tally() == (0, 0, 0)
        assert api.ours.post(CONNECTIONS, content=largest).status_code == 201

    @ON_SQLITE
    def test_a_body_that_does_not_say_how_large_it_is(self, api: Api) -> None:
        """The service stops reading it: it may have no end."""

        def chunks() -> Iterator[bytes]:
            yield body_for("org_DEF456")
            while True:
                yield b" " * 8192

        head = (
            f"POST {CONNECTIONS} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer demo-source\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        host, _, port = api.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
            connection.sendall(head.encode())
            for chunk in chunks():
                connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                if answered(connection):
                    break
            assert connection.recv(12) == b"HTTP/1.1 413"

    @ON_SQLITE
    def test_whom_nobody_knows(self, api: Api) -> None:
        address = api.create()
        for authorization in (None, "Bearer", "Bearer x", "Basic demo-source", "demo-source"):
            headers = {} if authorization is None else {"Authorization": authorization}
            for answer in (
                api.anybody.get(address, headers=headers),
                api.anybody.get(CONNECTIONS, headers=headers),
                api.anybody.post(f"{address}/deactivate", headers=headers),
                api.anybody.post(CONNECTIONS, headers=headers, content=body_for("org_1")),
            ):
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert answer.json()["errors"][0]["title"] == "Unauthorized"
        assert api.tally() == (1, 1, 1)

    def test_an_outsider_cannot_tell_it_from_one_that_does_not_exist(self, api: Api) -> None:
        address = api.create()
        none = f"{CONNECTIONS}/{'cxn_' + '1' * 28}"
        for suffix in ("", "/history", "/inquiries"):
            there, nowhere = api.stranger.get(address + suffix), api.stranger.get(none + suffix)
            assert refused(there, 404, "connection_not_found")
            assert there.text.replace(address[-32:], none[-32:]) == nowhere.text

    @ON_SQLITE
    def test_an_address_that_there_is_not(self, api: Api) -> None:
        assert api.ours.get("/api/v1/nothing").json() == {
            "errors": [{"title": "Not Found", "details": "Not Found"}]
        }
        wrong = api.ours.delete(api.create())
        assert wrong.status_code == 405
        assert wrong.headers["Allow"] == "GET"
        assert wrong.json()["errors"][0]["title"] == "Method Not Allowed"


def answered(connection: socket.socket) -> bool:
    """Whether the other side has sent something."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(DEADLINE)


# --- Versions and retries ------------------------------------------------------------------------


class TestVersions:
    """``If-Match`` names the version that the caller has seen."""

    def test_the_version_that_was_seen(self, api: Api) -> None:
        address = api.create()
        etag = api.theirs.get(address).headers["ETag"]
        taken = api.theirs.post(f"{address}/activate", headers={"If-Match": etag})
        assert (taken.status_code, taken.headers["ETag"]) == (200, '"2"')

    def test_an_acceptance_that_comes_late_does_not_land_in_a_later_offer(self, api: Api) -> None:
        address = api.create()
        seen = api.theirs.get(address).headers["ETag"]
        api.ours.post(f"{address}/deactivate")
        api.ours.post(f"{address}/reactivate")
        late = api.theirs.post(f"{address}/activate", headers={"If-Match": seen})
        assert refused(late, 409, "stale_connection")
        assert api.ours.get(address).headers["ETag"] == '"3"'

    def test_whoever_may_never_do_it_is_told_that_first(self, api: Api) -> None:
        answer = api.ours.post(f"{api.create()}/activate", headers={"If-Match": '"7"'})
        assert refused(answer, 403, "wrong_role")

    @ON_SQLITE
    @pytest.mark.parametrize("etag", SAME_VERSION)
    def test_a_tag_that_a_proxy_changed(self, api: Api, etag: str) -> None:
        """Compression changes the bytes of an answer, and not the version that was seen."""
        address = api.create()
        taken = api.theirs.post(f"{address}/activate", headers={"If-Match": etag})
        assert (taken.status_code, taken.headers["ETag"]) == (200, '"2"')
        late = api.theirs.post(f"{address}/deactivate", headers={"If-Match": etag})
        assert refused(late, 409, "stale_connection")
        assert api.tally() == (1, 2, 2)

    @ON_SQLITE
    @pytest.mark.parametrize("etags", ['"1", "2"', '"7" ,\t"2",,W/"1-gzip"', '"x", "1", "a,b"'])
    @pytest.mark.parametrize("given", [{}, {"Idempotency-Key": "a"}], ids=["no key", "a key"])
    def test_several_tags(self, api: Api, etags: str, given: dict[str, str]) -> None:
        """One of them has to be the present one. With a key, a repetition has the same answer."""
        address = api.create()
        headers = {"If-Match": etags} | given
        taken = api.theirs.post(f"{address}/activate", headers=headers)
        assert (taken.status_code, taken.headers["ETag"]) == (200, '"2"')
        if given:
            again = api.theirs.post(f"{address}/activate", headers=headers)
            assert (again.status_code, again.content) == (200, taken.content)
        assert api.tally() == (1, 2, 2)

    @ON_SQLITE
    def test_several_tags_none_of_which_is_the_present_one(self, api: Api) -> None:
        address = api.create()
        api.ours.post(f"{address}/deactivate")
        for key in ("a", "a", "b"):
            headers = {"If-Match": '"1", "3"', "Idempotency-Key": key}
            late = api.ours.post(f"{address}/reactivate", headers=headers)
            assert refused(late, 409, "stale_connection")
        assert api.tally() == (1, 2, 2)

    @ON_SQLITE
    def test_several_lines(self, api: Api) -> None:
        address = api.create()
        lines = [("If-Match", '"7"'), ("If-Match", '"1"')]
        assert api.theirs.post(f"{address}/activate", headers=lines).status_code == 200

    @ON_SQLITE
    def test_another_request_with_that_key_and_several_tags(self, api: Api) -> None:
        address = api.create()
        headers = {"If-Match": '"1", "2"', "Idempotency-Key": "a"}
        assert api.ours.post(f"{address}/deactivate", headers=headers).status_code == 200
        answer = api.ours.post(f"{address}/reactivate", headers=headers)
        assert refused(answer, 422, "idempotency_key_reused")

    @ON_SQLITE
    def test_any_version(self, api: Api) -> None:
        address = api.create()
        headers = {"If-Match": "*"}
        assert api.ours.post(f"{address}/deactivate", headers=headers).status_code == 200
        assert api.ours.post(f"{address}/reactivate", headers=headers).status_code == 200
        unknown = api.ours.post(f"{CONNECTIONS}/cxn_none/deactivate", headers=headers)
        assert refused(unknown, 404, "connection_not_found")

    @ON_SQLITE
    @pytest.mark.parametrize("etag", NO_VERSION)
    def test_what_is_no_version(self, api: Api, etag: str) -> None:
        address = api.create()
        answer = api.theirs.post(f"{address}/activate", headers={"If-Match": etag})
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert (error["title"], error["source"]["header"].lower()) == ("Bad Request", "if-match")
        assert api.tally() == (1, 1, 1)


class TestRetries:
    """The same request with the same key gets the same answer, and nothing happens twice."""

    def test_a_creation(self, api: Api) -> None:
        headers = {"Idempotency-Key": "5f0c"}
        first, second = (
            api.ours.post(CONNECTIONS, content=body_for("org_DEF456"), headers=headers)
            for _ in range(2)
        )
        assert first.status_code == second.status_code == 201
        assert first.content == second.content
        assert first.headers["ETag"] == second.headers["ETag"]
        assert first.headers["Location"] == second.headers["Location"]
        assert api.tally() == (1, 1, 1)

    def test_a_step_whose_notice_was_sent(self, api: Api) -> None:
        """A repeated request does not make a second notice, even after the first was sent."""
        address, headers = api.create(), {"Idempotency-Key": "a"}
        first = api.theirs.post(f"{address}/activate", headers=headers)
        with api.engine.begin() as session:
            session.execute(update(Notice).values(sent=True))
        second = api.theirs.post(f"{address}/activate", headers=headers)
        assert (first.status_code, first.content) == (second.status_code, second.content)
        with api.engine.connect() as session:
            assert list(
                session.execute(select(Notice.version, Notice.sent).order_by("version"))
            ) == [
                (1, True),
                (2, True),
            ]

    def test_a_refusal_is_told_again_even_when_it_would_be_permitted_now(self, api: Api) -> None:
        address, headers = api.create(), {"Idempotency-Key": "b"}
        first = api.ours.post(f"{address}/reactivate", headers=headers)
        assert refused(first, 409, "wrong_status")
        api.ours.post(f"{address}/deactivate")
        second = api.ours.post(f"{address}/reactivate", headers=headers)
        assert (first.status_code, first.content) == (second.status_code, second.content)
        anew = api.ours.post(f"{address}/reactivate", headers={"Idempotency-Key": "c"})
        assert anew.status_code == 200

    def test_another_request_with_that_key(self, api: Api) -> None:
        headers = {"Idempotency-Key": "5f0c"}
        address = api.ours.post(
            CONNECTIONS, content=body_for("org_DEF456"), headers=headers
        ).headers["Location"]
        answer = api.ours.post(f"{address}/deactivate", headers=headers)
        assert refused(answer, 422, "idempotency_key_reused")
        assert api.theirs.post(f"{address}/activate", headers=headers).status_code == 200

    @ON_SQLITE
    @pytest.mark.parametrize("key", [b"", b"k" * 256, b"caf\xc3\xa9", b"a\tb"])
    def test_what_is_no_key(self, api: Api, key: bytes) -> None:
        address = api.create()
        headers = {b"Idempotency-Key": key}
        for answer in (
            api.ours.post(CONNECTIONS, content=body_for("org_XYZ789"), headers=headers),
            api.theirs.post(f"{address}/activate", headers=headers),
        ):
            assert answer.status_code == 400
            (error,) = answer.json()["errors"]
            assert error["source"]["header"].lower() == "idempotency-key"
            assert "1 to 255 printable ASCII characters" in error["details"]
        assert api.tally() == (1, 1, 1)


class TestRaces:
    """Of two simultaneous requests, one is carried out; the other is refused or gets its answer."""

    def test_two_that_take_the_same_step(self, api: Api) -> None:
        for number in range(5):
            address = api.create(f"org_{number}")
            answers = at_once(api.ours, f"{address}/deactivate")
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            (loser,) = [answer for answer in answers if answer.status_code == 409]
            assert codes(loser)[0] in ("wrong_status", "stale_connection")
        assert api.tally() == (5, 10, 10)

    @pytest.mark.parametrize("given", [{}, {"If-Match": '"1"'}], ids=["any version", "a version"])
    def test_one_request_sent_twice(self, api: Api, given: dict[str, str]) -> None:
        for number in range(5):
            address = api.create(f"org_{number}")
            headers = {"Idempotency-Key": f"key {number}"} | given
            answers = at_once(api.ours, f"{address}/deactivate", **headers)
            assert [answer.status_code for answer in answers] == [200, 200]
            assert answers[0].content == answers[1].content
        assert api.tally() == (5, 10, 10)


def at_once(client: httpx.Client, address: str, **headers: str) -> list[httpx.Response]:
    """The answers to the same request, posted twice at the same time."""
    both = Barrier(2)

    def post(_: int) -> httpx.Response:
        both.wait(DEADLINE)
        return client.post(address, headers=headers)

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(post, range(2)))


# --- Lists ---------------------------------------------------------------------------------------


def ids(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {each["id"] for each in answer.json()["data"]}


class TestLists:
    """Lists are newest first, in pages, and show only the caller's Connections."""

    def test_pages(self, api: Api) -> None:
        made = [api.create(f"org_{number}").rpartition("/")[2] for number in range(5)]
        first = api.ours.get(CONNECTIONS, params={"page[size]": 2, "filter[status]": "pending"})
        assert first.json()["links"]["prev"] is None
        second = api.ours.get(first.json()["links"]["next"])
        third = api.ours.get(second.json()["links"]["next"])
        assert third.json()["links"]["next"] is None
        listed = [each for page in (first, second, third) for each in page.json()["data"]]
        assert sorted(each["id"] for each in listed) == sorted(made)
        places = [(each["attributes"]["created-at"], each["id"]) for each in listed]
        assert places == sorted(places, reverse=True)
        assert api.ours.get(third.json()["links"]["prev"]).content == second.content
        assert api.ours.get(second.json()["links"]["prev"]).json()["data"] == first.json()["data"]

    def test_filters(self, api: Api) -> None:
        ours = api.create().rpartition("/")[2]
        back = api.theirs.post(CONNECTIONS, content=body_for("org_ABC123")).json()["data"]["id"]
        for name, value, expected in (
            ("filter[direction]", "outbound", [ours]),
            ("filter[direction]", "inbound", [back]),
            ("filter[actionable]", "activate", [back]),
            ("filter[actionable]", "reactivate", []),
            ("filter[actionable]", "deactivate", [back, ours]),
            ("filter[status]", "pending", [back, ours]),
            ("filter[status]", "active", []),
            ("filter[destination-organization-id]", "org_DEF456", [ours]),
        ):
            assert ids(api.ours.get(CONNECTIONS, params={name: value})) == set(expected), name
        assert ids(api.stranger.get(CONNECTIONS)) == set()

    @ON_SQLITE
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("page[size]", "0"),
            ("page[size]", "101"),
            ("page[size]", "x"),
            ("filter[status]", "Pending"),
            ("filter[direction]", "up"),
            ("filter[actionable]", "delete"),
            ("filter[destination-organization-id]", "x"),
        ],
    )
    def test_what_cannot_be_asked(self, api: Api, name: str, value: str) -> None:
        answer = api.ours.get(CONNECTIONS, params={name: value})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["source"] == {"parameter": name}

    @ON_SQLITE
    def test_both_directions_at_once(self, api: Api) -> None:
        name = api.create().rpartition("/")[2]
        answer = api.ours.get(CONNECTIONS, params={"page[after]": name, "page[before]": name})
        assert answer.status_code == 400
        assert (
            answer.json()["errors"][0]["details"] == "Give page[after] or page[before], not both."
        )

    def test_a_place_that_is_not_theirs_to_know(self, api: Api) -> None:
        name = api.create().rpartition("/")[2]
        answer = api.stranger.get(CONNECTIONS, params={"page[after]": name})
        assert refused(answer, 404, "connection_not_found")


# --- Failures ------------------------------------------------------------------------------------


@ON_SQLITE
class TestFailures:
    """The client gets a document without details, and the log has all of them."""

    def test_what_nobody_expected(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("a secret")

        address = api.create()
        monkeypatch.setattr(ConnectionService, "get", fail)
        answer = api.ours.get(address)
        assert answer.status_code == 500
        assert answer.json() == {
            "errors": [
                {"title": "Internal Server Error", "details": "The request could not be served."}
            ]
        }
        assert logged(caplog) == [("uvicorn.error", "RuntimeError: a secret")]

    def test_a_row_that_somebody_edited(self, api: Api, caplog: pytest.LogCaptureFixture) -> None:
        address = api.create()
        with api.engine.begin() as session:
            session.execute(update(connections).values(scopes=[]))
        answer = api.ours.get(address)
        assert refused(answer, 500, "invalid_record")
        assert answer.json()["errors"][0]["details"] == "The request could not be served."
        ((logger, text),) = logged(caplog)
        assert logger == "sharing.errors"
        assert "InvalidRecordError" in text

    def test_all_of_it_or_nothing(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The Connection, its event and the host's own row are written in one transaction."""

        def fail(**_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(sharing_database, "Notice", fail)
        answer = api.ours.post(CONNECTIONS, content=body_for("org_DEF456"))
        assert answer.status_code == 500
        assert api.tally() == (0, 0, 0)
        assert logged(caplog) == [("uvicorn.error", "RuntimeError")]  # not in the next test


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What was logged as an error: the logger, and the last line."""
    ends = monotonic() + DEADLINE  # the server logs after it has answered
    while True:
        errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
        if errors:
            break
        assert monotonic() < ends, "nothing was logged"
        sleep(0.01)
    formatter = logging.Formatter()
    return [(each.name, formatter.format(each).rstrip().rpartition("\n")[2]) for each in errors]


# --- FastAPI's own documentation -----------------------------------------------------------------


@ON_SQLITE
def test_its_pages(api: Api) -> None:
    """Every operation needs a token, describes its answer, and has no error in FastAPI's form."""
    assert api.anybody.get("/docs").status_code == 200
    described = api.anybody.get("/openapi.json").json()
    operations = {
        (method, path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    one = f"{CONNECTIONS}/{{connection_id}}"
    assert set(operations) == {
        ("post", CONNECTIONS),
        ("get", CONNECTIONS),
        ("get", one),
        ("get", f"{one}/history"),
        ("get", f"{one}/inquiries"),
        ("post", f"{one}/activate"),
        ("post", f"{one}/deactivate"),
        ("post", f"{one}/reactivate"),
    }
    for operation in operations.values():
        assert operation["security"] == [{"HTTPBearer": []}]
        assert operation["description"]
        assert len(operation["responses"]) == 2
        assert "default" in operation["responses"]
    creation = operations["post", CONNECTIONS]
    body = creation["requestBody"]["content"]["application/json"]["example"]
    assert body == json.loads(body_for("org_DEF456"))
    example = creation["responses"]["201"]["content"]["application/json"]["example"]
    assert example == guides_answer()


def guides_answer() -> dict[str, Any]:
    """The guide's sample as the rules require it: pending, and with sorted scopes."""
    answer: dict[str, Any] = json.loads(GUIDE_ANSWER)
    attributes = answer["data"]["attributes"]
    attributes |= {"status": "pending", "scopes": sorted(attributes["scopes"])}
    return answer


# --- The page ------------------------------------------------------------------------------------


def like_the_guides(answer: str) -> object:
    """An answer with its id and times replaced by the guide's."""
    answer = re.sub(r"cxn_\w+", "cxn_ABC123", answer)
    answer = re.sub(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", "2018-06-01T00:00:00.000Z", answer)
    return json.loads(answer)


class TestPage:
    """The page's commands, run against the server that the page starts."""

    def test_the_guides_command_is_on_it_word_for_word(self) -> None:
        command = GUIDES_COMMAND.replace("https://api.withpersona.com", ADDRESS)
        assert command.replace("<token>", "demo-source") in blocks("fastapi.md", "console")

    @pytest.mark.usefixtures("curl")
    def test_its_commands(self, tmp_path: Path) -> None:
        start, *asked, install = blocks("fastapi.md", "console")
        shown = [json.loads(block) for block in blocks("fastapi.md", "json")]
        assert len(asked) == 4
        assert install.startswith("pip install ")
        assert shown[0] == guides_answer()
        database_url = f"sqlite+aiosqlite:///{tmp_path}/connections.db"
        with started(start, "--port", DATABASE_URL=database_url) as url:
            created, activated, read, denied = map(like_the_guides, typed(asked, url))
        assert [created, read, denied] == shown
        shown[0]["data"]["attributes"]["status"] = "active"
        assert activated == shown[0]
