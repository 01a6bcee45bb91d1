"""The FastAPI example: the API mounted beside a route of its own, tested over HTTP.

Every test runs on SQLite and on PostgreSQL. A shell runs the commands of the example's page, the
guide's own curl command among them. What the API itself answers is tested with the API.
"""

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import database
from servers import ADDRESS, DEADLINE, blocks, running, started, typed
from sharing.app import create_app
from sharing.database import Notice
from sqlalchemy import Engine, create_engine, func, select
from support import GUIDE_ANSWER

from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.adapters.sql import configure_engine, connection_events, connections

pytestmark = pytest.mark.service

#: Unused, but every client needs one, and creating one takes long.
TLS = ssl.create_default_context()

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


class Service:
    """A running service: three callers, one without a token, and the database behind it."""

    def __init__(self, url: str, engine: Engine) -> None:
        self._url = url
        self._engine = engine
        self.anybody = httpx.Client(base_url=url, timeout=DEADLINE, verify=TLS)
        self.ours = self.client("demo-source")
        self.theirs = self.client("demo-destination")
        self.stranger = self.client("demo-stranger")

    def client(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self._url, timeout=DEADLINE, headers=headers, verify=TLS)

    def close(self) -> None:
        for client in (self.anybody, self.ours, self.theirs, self.stranger):
            client.close()

    def create(self) -> httpx.Response:
        """The answer to the guide's request."""
        attributes = {"destination-organization-id": "org_DEF456", "name": "Partner Connection"}
        return self.ours.post(CONNECTIONS, json={"data": {"attributes": attributes}})

    def tally(self) -> tuple[int, ...]:
        """How many Connections, events and notices are committed."""
        counted = (connections, connection_events, Notice.__table__)
        with self._engine.connect() as session:
            return tuple(
                session.execute(select(func.count()).select_from(table)).scalar_one()
                for table in counted
            )


@pytest.fixture(params=["sqlite-file", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with database(request.param, tmp_path) as url:
        engine = configure_engine(create_engine(url))
        with running(create_app(url.render_as_string(hide_password=False))) as address:
            made = Service(address, engine)
            yield made
            made.close()
        engine.dispose()


# --- The service ---------------------------------------------------------------------------------


def test_the_story(service: Service) -> None:
    """The API and the route work on the same Connections, and each change has its notice."""
    created = service.create()
    assert created.status_code == 201
    assert service.tally() == (1, 1, 1)
    name = created.json()["data"]["id"]
    pending = service.theirs.get(f"/inquiries/{name}")
    assert (pending.status_code, codes(pending)) == (403, ["access_denied"])
    assert service.theirs.post(f"{CONNECTIONS}/{name}/activate").status_code == 200
    assert service.tally() == (1, 2, 2)
    read = service.theirs.get(f"/inquiries/{name}")
    assert read.json() == [{"type": "inquiry", "id": "inq_1"}]
    assert codes(service.ours.get(f"/inquiries/{name}")) == ["access_denied"]
    outside = service.stranger.get(f"/inquiries/{name}")
    assert (outside.status_code, codes(outside)) == (404, ["connection_not_found"])
    refused = service.ours.post(f"{CONNECTIONS}/{name}/activate")
    assert (refused.status_code, codes(refused)) == (403, ["wrong_role"])
    assert service.tally() == (1, 2, 2)


def test_whom_nobody_knows(service: Service) -> None:
    for client in (service.anybody, service.client("no-such-token")):
        for path in (CONNECTIONS, "/inquiries/cxn_1"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        client.close()


def test_all_of_it_or_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Connection, its event and the notice are written in one transaction."""

    def fail(**_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("sharing.database.Notice", fail)
    answer = service.create()
    assert (answer.status_code, codes(answer)) == (500, ["internal_error"])
    assert "secret" not in answer.text
    assert service.tally() == (0, 0, 0)


def test_its_description(service: Service) -> None:
    """One document describes the API and the route."""
    described = service.anybody.get("/openapi.json").json()
    one = f"{CONNECTIONS}/{{connection-id}}"
    assert {
        CONNECTIONS,
        one,
        f"{one}/activate",
        f"{one}/deactivate",
        f"{one}/reactivate",
        f"{one}/history",
        "/inquiries/{connection_id}",
    } == set(described["paths"])
    assert service.anybody.get("/docs").status_code == 200


def codes(answer: httpx.Response) -> list[str]:
    """connect-core's code for each error of an answer."""
    return [error["meta"]["code"] for error in answer.json()["errors"]]


# --- The page ------------------------------------------------------------------------------------


def guides_answer() -> dict[str, Any]:
    """The guide's sample as the rules require it: pending, and with sorted scopes."""
    answer: dict[str, Any] = json.loads(GUIDE_ANSWER)
    attributes = answer["data"]["attributes"]
    attributes |= {"status": "pending", "scopes": sorted(attributes["scopes"])}
    return answer


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
        database_url = f"sqlite:///{tmp_path}/connections.db"
        with started(start, "--port", DATABASE_URL=database_url) as url:
            created, activated, read, denied = map(like_the_guides, typed(asked, url))
        assert [created, read, denied] == shown
        shown[0]["data"]["attributes"]["status"] = "active"
        assert activated == shown[0]
