"""`serve`: the API on a database, behind uvicorn, for the holders of keys.

The Dashboard beside it is in `test_serve_dashboard`.
"""

import json
import logging
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any
from unittest.mock import Mock, patch

import httpx
import pytest
import uvicorn
from databases import SERVERS, database
from http_api import AsgiClient, asgi_scope
from people import spoil
from servers import DEADLINE, free_port, running
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from support import GUIDE_ANSWER, GUIDE_REQUEST, ROOT, T0
from terminal import complaint, environment, outcome, run, squeezed

from connect_core import Status, StoreUnavailableError
from connect_core.adapters import cli
from connect_core.adapters.cli import sample, serving
from connect_core.adapters.cli.serve import WORKER_PATIENCE
from connect_core.adapters.cli.serving import Settings, WithHealth, application_on, authentication
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.adapters.sql import ApiKeys, open_engine
from connect_core.adapters.sql.engine import engine_for

#: Unused, but every client needs one, and creating one takes long.
TLS = ssl.create_default_context()
SETTINGS = Settings("sqlite://", "guide", extensions=True)
GUIDES_COMMAND = (
    "curl -X POST https://api.withpersona.com/api/v1/connect/connections \\\n"
    '  -H "Authorization: Bearer <token>" \\\n'
    '  -H "Content-Type: application/json" \\\n'
    f"  -d '{GUIDE_REQUEST}'\n"
)


@pytest.fixture
def kept(engine: Engine) -> ApiKeys:
    """Keys on every database."""
    found = ApiKeys(engine)
    found.create_tables()
    return found


@pytest.fixture
def in_memory() -> Iterator[Engine]:
    """SQLite in memory with all tables."""
    engine = open_engine("sqlite://")
    ApiKeys(engine).create_tables()
    yield engine
    engine.dispose()


# --- What is served ------------------------------------------------------------------------------


class TestAuthentication:
    """A bearer token in the one ``Authorization`` says who calls."""

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    @pytest.mark.parametrize("spaces", [" ", "   "])
    def test_a_key(self, kept: ApiKeys, scheme: str, spaces: str) -> None:
        key, token = kept.create("org_A", representation="current")
        caller = authentication(kept)(request(f"{scheme}{spaces}{token}"))
        assert caller is not None
        assert (caller.actor, caller.representation) == (key.actor, "current")

    @pytest.mark.parametrize(
        "values",
        [
            [],
            [""],
            ["Bearer"],
            ["Bearer "],
            ["TOKEN"],
            ["Basic TOKEN"],
            ["Digest TOKEN"],
            ["BearerTOKEN"],
            ["Bearer\tTOKEN"],
            ["Bearer TOKEN x"],
            ["Bearer TOKEN,Bearer TOKEN"],
            ["Bearer TOKEN", "Bearer TOKEN"],
        ],
    )
    def test_none(self, in_memory: Engine, values: list[str]) -> None:
        keys = ApiKeys(in_memory)
        _, token = keys.create("org_A")
        asked = request(*(value.replace("TOKEN", token) for value in values))
        assert authentication(keys)(asked) is None

    def test_the_database_does_not_answer(self, tmp_path: Path) -> None:
        """That is 503, and not 401; the token is in no text."""
        engine = create_engine(f"sqlite:///{tmp_path}/nowhere/none.db")
        token = f"api_1.{'s' * 43}"
        with pytest.raises(StoreUnavailableError) as caught:
            authentication(ApiKeys(engine))(request(f"Bearer {token}"))
        assert caught.value.reason == "unable to open database file"
        assert not caught.value.uncertain

    def test_nobody_has_a_connection_to_spare(self, in_memory: Engine) -> None:
        """SQLAlchemy's own error has no driver's."""
        keys = ApiKeys(in_memory)
        _, token = keys.create("org_A")
        failure = OperationalError("SELECT", None, None)  # type: ignore[arg-type]  # as a pool's
        with (
            patch.object(ApiKeys, "authenticate", side_effect=failure),
            pytest.raises(StoreUnavailableError) as caught,
        ):
            authentication(keys)(request(f"Bearer {token}"))
        assert caught.value.reason == "OperationalError"


def request(*authorizations: str) -> Request:
    """A request with these values of ``Authorization``."""
    return Request(asgi_scope("GET", CONNECTIONS, [("Authorization", v) for v in authorizations]))


class TestHealth:
    """`/healthz` says that the process lives, `/readyz` that its database does."""

    def test_the_database_answers(self, engine: Engine) -> None:
        assert not serving.is_ready(engine)  # there is no table of keys
        ApiKeys(engine).create_tables()
        assert serving.is_ready(engine)
        with engine.begin() as session:
            session.execute(text("DROP TABLE connection_events"))
        assert not serving.is_ready(engine)

    def test_the_database_is_busy(self, tmp_path: Path) -> None:
        """It can still be read."""
        engine = open_engine(f"sqlite:///{tmp_path}/c.db")
        ApiKeys(engine).create_tables()
        with engine.begin():
            assert serving.is_ready(engine)
        engine.dispose()

    def test_the_database_cannot_be_opened(self, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path}/nowhere/none.db")
        assert not serving.is_ready(engine)

    @pytest.mark.parametrize("root", ["", "/x", "/x/y"])
    @pytest.mark.parametrize(
        ("path", "ready", "answer"),
        [
            ("/healthz", True, (200, {"status": "ok"})),
            ("/healthz", False, (200, {"status": "ok"})),
            ("/readyz", True, (200, {"status": "ok"})),
            ("/readyz", False, (503, {"status": "unavailable"})),
        ],
    )
    def test_answers(
        self, root: str, path: str, ready: bool, answer: tuple[int, dict[str, str]]
    ) -> None:
        """They need no key, and are at the root, whatever prefix a proxy strips."""
        client = AsgiClient(WithHealth(PlainTextResponse("else"), lambda: ready), None, root=root)
        got = client.get(root + path)
        assert (got.status, got.json) == answer
        assert got.headers["cache-control"] == "no-store"

    def test_the_process_lives_while_the_database_does_not(self) -> None:
        """The database is not asked."""
        ask = Mock()
        client = AsgiClient(WithHealth(PlainTextResponse("else"), ask), None)
        assert client.get("/healthz").status == 200
        ask.assert_not_called()

    def test_the_patience_that_is_documented(self) -> None:
        assert serving.PATIENCE == 5
        page = (ROOT / "docs/how-to/operate.md").read_text(encoding="utf-8")
        assert "the database answers within five seconds" in page

    def test_a_database_that_takes_its_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(serving, "PATIENCE", 0.05)

        def slow() -> bool:
            sleep(0.3)
            return True

        client = AsgiClient(WithHealth(PlainTextResponse("else"), slow), None)
        assert client.get("/readyz").status == 503

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_methods(self, path: str) -> None:
        client = AsgiClient(WithHealth(PlainTextResponse("else"), lambda: True), None)
        assert client.request("HEAD", path).status == 200
        for method in ("POST", "DELETE", "OPTIONS"):
            refused = client.request(method, path)
            assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")

    @pytest.mark.parametrize("path", ["/", "/healthz/", "/healthz/x", "/x/healthz", "/readyz%20"])
    def test_everything_else(self, path: str) -> None:
        client = AsgiClient(WithHealth(PlainTextResponse("else"), lambda: True), None)
        assert client.get(path).body == b"else"

    def test_other_protocols(self) -> None:
        """A lifespan or a WebSocket is the application's affair."""
        scopes: list[Any] = []

        async def note(scope: Any, *_: object) -> None:
            scopes.append(scope)

        never: Any = None
        awaited = WithHealth(note, lambda: True)({"type": "lifespan"}, never, never)
        with pytest.raises(StopIteration):
            awaited.send(None)
        assert scopes == [{"type": "lifespan"}]


class TestApplication:
    """The application of a worker, by the settings that are in the environment."""

    def test_from_the_environment(self, tmp_path: Path) -> None:
        engines: list[Engine] = []

        def note(url: URL) -> Engine:
            engines.append(engine_for(url))
            return engines[-1]

        url = f"sqlite:///{tmp_path}/c.db"
        engine = open_engine(url)
        keys = ApiKeys(engine)
        keys.create_tables()
        _, token = keys.create("org_ABC123")
        with patch.dict(os.environ), patch.object(serving, "engine_for", note):
            Settings(url, "current", extensions=False).publish()
            application = serving.application()
        assert AsgiClient(application, None).get("/readyz").status == 200
        assert AsgiClient(application, None).get().status == 401
        created = AsgiClient(application, token).post(body=json.loads(_CURRENT_REQUEST))
        assert created.status == 201
        assert created.json["data"]["type"] == "connect/connection"
        path = f"{created.headers['location']}/activate"
        assert AsgiClient(application, token).post(path).status == 404
        for each in (engine, *engines):
            each.dispose()

    def test_it_waits_for_no_database(self) -> None:
        """A worker that starts while the server is down answers when it is up again."""
        with patch.dict(os.environ):
            Settings("postgresql+psycopg://127.0.0.1:1/none", "guide", extensions=True).publish()
            application = serving.application()
        client = AsgiClient(application, f"api_1.{'a' * 43}")
        assert (client.get("/readyz").status, client.get().status) == (503, 503)

    def test_without_settings(self) -> None:
        with patch.dict(os.environ, clear=True), pytest.raises(KeyError):
            serving.application()

    def test_the_representation_of_a_key(self, in_memory: Engine) -> None:
        """It goes before that of the server."""
        keys = ApiKeys(in_memory)
        application = application_on(in_memory, SETTINGS)
        types: list[str] = []
        for destination, representation in (
            ("org_B", None),
            ("org_C", "guide"),
            ("org_D", "current"),
        ):
            _, token = keys.create("org_A", representation=representation)  # type: ignore[arg-type]  # one of both
            client = AsgiClient(application, token)
            place = client.create(destination)
            types.append(client.get(place).json["data"]["type"])
        assert types == ["connect/connections", "connect/connections", "connect/connection"]

    def test_a_revoked_key(self, in_memory: Engine) -> None:
        keys = ApiKeys(in_memory)
        key, token = keys.create("org_A")
        client = AsgiClient(application_on(in_memory, SETTINGS), token)
        assert client.get().status == 200
        keys.revoke(key.id)
        assert client.get().status == 401

    def test_no_log_has_a_token(self, in_memory: Engine, caplog: pytest.LogCaptureFixture) -> None:
        keys = ApiKeys(in_memory)
        key, token = keys.create("org_A")
        with caplog.at_level(logging.DEBUG):
            client = AsgiClient(application_on(in_memory, SETTINGS), token)
            client.create("org_B")
            spoil_key = text("UPDATE connection_api_keys SET organization_id = 'acme'")
            with in_memory.begin() as session:
                session.execute(spoil_key)
            assert client.get().status == 500
        assert key.id in caplog.text
        assert token.partition(".")[2] not in caplog.text


_CURRENT_REQUEST = '{"data": {"attributes": {"destination-organization-id": "org_DEF456"}}}'


class TestLogs:
    """Lines with the time in UTC, for what the API and uvicorn say."""

    def test_a_line(self) -> None:
        record = logging.LogRecord("connect_core", 20, "", 0, "status=%s", (201,), None)
        record.created, record.msecs = T0.timestamp(), 123.0
        form = serving.LOGS["formatters"]["lines"]["format"]
        written = serving.UtcFormatter(form).format(record)
        assert written == "2026-11-24T12:00:00.123Z INFO status=201"

    def test_lines_are_written_once_and_by_these_loggers(self) -> None:
        """Not again by the root's handlers; loggers that exist already go on."""
        written = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
        assert serving.LOGS["loggers"] == {"connect_core": written, "uvicorn": written}
        assert serving.LOGS["disable_existing_loggers"] is False

    def test_the_formatter_is_where_the_settings_say(self) -> None:
        named = serving.LOGS["formatters"]["lines"]["()"]
        assert named == f"{serving.UtcFormatter.__module__}.{serving.UtcFormatter.__qualname__}"


# --- The command ---------------------------------------------------------------------------------


class Served:
    """What the command asks of uvicorn, which does not run."""

    def __init__(self) -> None:
        self.config: uvicorn.Config | None = None
        self.sockets: list[socket.socket] = []
        self.address: Any = None
        self.options: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.answers: list[int] = []

    def run(self, server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        """In place of `uvicorn.Server.run`."""
        self.config = server.config
        self.address = sockets[0].getsockname()
        socket.create_connection(self.address[:2]).close()  # which waits to be accepted
        application: Any = server.config.app
        self.answers = [
            AsgiClient(application, None).get(path).status for path in ("/readyz", CONNECTIONS)
        ]

    def run_workers(self, application: str, **options: Any) -> None:
        """In place of `uvicorn.run`."""
        self.options = {"application": application, **options}
        self.settings = json.loads(os.environ["_CONNECT_CORE_SERVE"])
        with socket.socket() as again:  # the port is free again
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((options["host"], options["port"]))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    found = Served()

    def run_server(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        found.run(server, sockets)

    monkeypatch.setattr(uvicorn.Server, "run", run_server)
    monkeypatch.setattr(uvicorn, "run", found.run_workers)
    # It would change the logs of this process.
    monkeypatch.setattr(uvicorn.Config, "configure_logging", Mock())
    return found


class TestCommand:
    """It opens the database and the port, says so, and leaves the rest to uvicorn."""

    @pytest.mark.parametrize("kind", ["sqlite-file", *SERVERS])
    def test_it_serves(self, served: Served, kind: str, tmp_path: Path) -> None:
        with database(kind, tmp_path) as url:
            rendered = url.render_as_string(hide_password=False)
            code, written, complained = outcome("serve", "--port", "0", "--database", rendered)
        assert code == 0
        assert served.answers == [200, 401]
        at = f"http://127.0.0.1:{served.address[1]}"
        due = f"Listening at {at} Dashboard: {at}/connections Database: "
        assert squeezed(written).startswith(due)
        assert squeezed(written).endswith(
            "There is no key that can be used yet, so that nobody can call or sign in. Create "
            "one, with the same --database: connect-core keys create --organization org_ABC123"
        )
        assert (
            "Created the tables connection_api_keys and connection_browser_sessions.\n"
            in complained
        )

    def test_its_settings(self, served: Served, tmp_path: Path) -> None:
        outcome("serve", "--port", "0", "--database", f"{tmp_path}/c.db", "--root-path", "/x/y/")
        config = served.config
        assert config is not None
        assert (config.root_path, config.access_log, config.server_header) == ("/x/y", False, False)
        assert (config.timeout_graceful_shutdown, config.timeout_keep_alive) == (30, 130)
        assert (config.proxy_headers, config.lifespan, config.ws) == (False, "off", "none")
        assert config.log_config == serving.LOGS

    def test_the_second_time(self, served: Served, tmp_path: Path) -> None:
        """Nothing is created, and there is a key."""
        arguments = ("serve", "--port", "0", "--database", f"{tmp_path}/c.db")
        assert "Created the database" in outcome(*arguments)[2]
        run_key = ("keys", "create", "--organization", "org_A", "--database", f"{tmp_path}/c.db")
        outcome(*run_key, "--expires", "1s")
        engine = open_engine(f"sqlite:///{tmp_path}/c.db")
        spoil(str(tmp_path / "c.db"), "UPDATE connection_api_keys SET expires_at = created_at")
        assert "There is no key that can be used yet" in run(*arguments)
        (key,) = ApiKeys(engine).list()
        outcome(*run_key)
        spoil_key = "UPDATE connection_api_keys SET name = char(10) WHERE id = '{}'"
        spoil(str(tmp_path / "c.db"), spoil_key.format(key.id))
        engine.dispose()
        written = squeezed(run(*arguments))
        at = f"http://127.0.0.1:{served.address[1]}"
        assert written == (
            f"Listening at {at} Dashboard: {at}/connections Database: {tmp_path}/c.db"
        )

    def test_several_workers(self, served: Served, tmp_path: Path) -> None:
        arguments = ("--representation", "current", "--no-extensions", "--root-path", "/x")
        outcome(
            "serve", "--port", "0", "--workers", "3", "--database", f"{tmp_path}/c.db", *arguments
        )
        assert served.settings == {
            "database": f"sqlite:///{tmp_path}/c.db",
            "representation": "current",
            "extensions": False,
            "names": "",
        }
        options = served.options
        assert options["application"] == "connect_core.adapters.cli.serving:application"
        assert (options["factory"], options["workers"], options["host"]) == (True, 3, "127.0.0.1")
        assert (options["root_path"], options["timeout_graceful_shutdown"]) == ("/x", 30)

    def test_the_password_is_not_shown(self, served: Served) -> None:
        with database("postgresql", Path()) as url:
            secret = url.set(password="not-shown")  # noqa: S106  # of a test
            rendered = secret.render_as_string(hide_password=False)
            arguments = ("serve", "--port", "0", "--workers", "2", "--database", rendered)
            code, written, complained = outcome(*arguments)
            assert make_url(served.settings.pop("database")).password == "not-shown"  # noqa: S105  # of a test
            assert served.settings == {"representation": "guide", "extensions": True, "names": ""}
        assert code == 0
        assert "not-shown" not in written + complained
        assert "postgresql+psycopg://" in written

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--host", "0.0.0.0"], "'--host': other machines can reach 0.0.0.0, and keys would "),  # noqa: S104  # refused
            (["--host", "::"], "'--host': other machines can reach ::, and keys would cross the"),
            (["--host", "192.0.2.1"], "'--host': other machines can reach 192.0.2.1, and keys"),
            (["--host", "127.0.0.1.."], "'--host': '127.0.0.1..': "),
            (["--host", "a" * 64], f"'--host': '{'a' * 64}': it is not a host's name."),
            (["--root-path", "x"], "'--root-path': 'x' is not a path such as /connect."),
            (["--root-path", "/a?b"], "'--root-path': '/a?b' is not a path such as"),
            (["--root-path", "/a b"], "'--root-path': '/a b' is not a path such as"),
            (["--representation", "latest"], "'latest' is not one of guide, current."),
            (["--workers", "0"], "'--workers'"),
            (["--port", "65536"], "'--port'"),
            (
                ["--demo", "--database", "some.db"],
                "'--demo': it has a database of its own; leave out this or --database.",
            ),
        ],
    )
    def test_wrong_usage(self, served: Served, arguments: list[str], message: str) -> None:
        """Before any database is opened."""
        assert message in squeezed(complaint("serve", *arguments))
        assert served.address is None

    def test_a_public_address_with_tls_in_front(self, served: Served, tmp_path: Path) -> None:
        every = "0.0.0.0"  # noqa: S104  # that is the point
        arguments = ("--host", every, "--tls-in-front", "--database", f"{tmp_path}/c.db")
        code, written, _ = outcome("serve", "--port", "0", *arguments)
        assert code == 0
        assert served.address[0] == every
        assert f"http://{every}:{served.address[1]}\n" in written

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
    def test_loopback(self, served: Served, host: str, tmp_path: Path) -> None:
        arguments = ("--host", host, "--database", f"{tmp_path}/c.db")
        code, written, _ = outcome("serve", "--port", "0", *arguments)
        assert code == 0
        shown = f"[{host}]" if ":" in host else host.replace("localhost", served.address[0])
        assert written.startswith(f"Listening at http://{shown.replace('::1', '::1')}:")

    def test_a_port_that_is_taken(self, served: Served, tmp_path: Path) -> None:
        with free_port() as taken:
            taken.listen()
            port = taken.getsockname()[1]
            told = complaint("serve", "--port", str(port), "--database", f"{tmp_path}/c.db")
        assert (
            f"'--port': cannot listen at 127.0.0.1 port {port}: Address already in use. Stop what "
            "listens there, or give another --port."
        ) in squeezed(told)
        assert list(tmp_path.iterdir()) == []
        assert served.config is None

    def test_a_database_that_cannot_be_used(self, served: Served) -> None:
        told = complaint("serve", "--port", "0", "--database", "sqlite://")
        assert "a database in memory would be gone when the command ends" in squeezed(told)
        assert served.config is None

    @pytest.mark.parametrize("arguments", [["--demo"], ["--workers", "2"], []], ids=" ".join)
    def test_nobody_is_told_where_it_listens(
        self, served: Served, tmp_path: Path, arguments: list[str]
    ) -> None:
        """Then it does not serve."""
        on = [] if "--demo" in arguments else ["--database", f"{tmp_path}/c.db"]
        with (
            patch.dict(os.environ, environment(), clear=True),
            Path("/dev/full").open("w") as full,
            redirect_stderr(StringIO()) as complained,
            redirect_stdout(full),
            pytest.raises(SystemExit) as left,
        ):
            cli.app(["serve", "--port", "0", *arguments, *on], prog_name="connect-core")
        assert left.value.code == 5
        told = squeezed(complained.getvalue())
        assert told.endswith("Could not write to stdout: No space left on device.")
        assert (served.config, served.options) == (None, {})


class TestDemo:
    """A temporary database with a key for each of three organizations, and the guide's command."""

    @pytest.fixture
    def shown(self, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
        """What is printed; `CONNECT_CORE_DATABASE` is not used."""
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        written = run("serve", "--demo", "--port", "0", CONNECT_CORE_DATABASE=f"{tmp_path}/c.db")
        assert served.answers == [200, 401]
        assert list(tmp_path.iterdir()) == []
        return written

    def test_the_guides_command(self, served: Served, shown: str) -> None:
        """Word for word, but for the host and the token, ready to paste."""
        (token,) = re.findall(r"^  org_ABC123  (\S+)$", shown, re.MULTILINE)
        url = f"http://127.0.0.1:{served.address[1]}"
        due = GUIDES_COMMAND.replace("https://api.withpersona.com", url).replace("<token>", token)
        assert f"\n\n{due}\n" in shown
        assert GUIDES_COMMAND == sample.GUIDES_COMMAND
        assert f"Listening at {url}, on a temporary database" in shown

    def test_connections_in_every_status(self, in_memory: Engine) -> None:
        """The guide's pair is free."""
        made = sample.filled(in_memory)
        client = AsgiClient(application_on(in_memory, SETTINGS), made.source)
        found = client.get().json["data"]
        theirs = AsgiClient(application_on(in_memory, SETTINGS), made.outsider).get().json["data"]
        statuses = {each["attributes"]["status"] for each in (*found, *theirs)}
        assert statuses == set(Status)
        created = client.post(body=json.loads(GUIDE_REQUEST))
        assert (created.status, created.json["data"]["attributes"]["creator-id"]) == (
            201,
            "api_ABC123",
        )
        path = f"{created.headers['location']}/activate"
        assert (
            AsgiClient(application_on(in_memory, SETTINGS), made.outsider).post(path).status == 404
        )
        assert (
            AsgiClient(application_on(in_memory, SETTINGS), made.destination).post(path).status
            == 200
        )

    def test_no_repr_has_a_token(self, in_memory: Engine) -> None:
        made = sample.filled(in_memory)
        assert not any(token in repr(made) for token in made)


# --- A server ------------------------------------------------------------------------------------


def test_the_guides_request(in_memory: Engine) -> None:
    """Over HTTP, as the demo shows it; the answer has the guide's members."""
    made = sample.filled(in_memory)
    with running(application_on(in_memory, SETTINGS)) as url:
        headers = {"Authorization": f"Bearer {made.source}", "Content-Type": "application/json"}
        with httpx.Client(base_url=url, headers=headers, verify=TLS, timeout=DEADLINE) as client:
            answer = client.post(CONNECTIONS, content=GUIDE_REQUEST)
            assert client.get("/readyz").json() == {"status": "ok"}
    assert answer.status_code == 201
    ours, guides = answer.json()["data"], json.loads(GUIDE_ANSWER)["data"]
    assert list(ours) == list(guides)
    assert list(ours["attributes"]) == list(guides["attributes"])
    for same in ("name", "organization-id", "destination-organization-id", "creator-id"):
        assert ours["attributes"][same] == guides["attributes"][same]


# --- Processes -----------------------------------------------------------------------------------

#: The signals as a shell at a terminal leaves them. What runs in the background may ignore them.
AS_USUAL = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from connect_core.__main__ import main
if __name__ == "__main__":
    main()
"""


class Running:
    """A server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, place: Path) -> None:
        self.process = process
        self.url = url
        self.place = place

    def token(self) -> str:
        """The token of a new key of ``org_ABC123``."""
        engine = open_engine(f"sqlite:///{self.place}")
        _, token = ApiKeys(engine).create("org_ABC123")
        engine.dispose()
        return token

    def ask(self, path: str, **options: Any) -> httpx.Response:
        return httpx.request("GET", f"{self.url}{path}", verify=TLS, timeout=DEADLINE, **options)

    def wait_until_ready(self) -> None:
        ends = monotonic() + DEADLINE
        while True:
            try:
                if self.ask("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.process.communicate()
                assert monotonic() < ends, "the server did not start in time"
            sleep(0.02)


@contextmanager
def serving_process(place: Path, *arguments: str) -> Generator[Running]:
    """The command in a process of its own, which answers."""
    script = place.with_name("main.py")
    script.write_text(AS_USUAL)
    with subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, str(script), "serve", "--port", "0", "--database", str(place), *arguments],
        env=environment(TMPDIR=str(place.parent)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            found = Running(process, url, place)
            found.wait_until_ready()
            yield found
        finally:
            process.kill()


@pytest.mark.stress
class TestSignals:
    """A server that is stopped finishes what is under way, and exits with 0."""

    @pytest.mark.parametrize("workers", ["1", "2"])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_request_under_way(
        self, tmp_path: Path, workers: str, number: signal.Signals
    ) -> None:
        """It waits for another process's transaction when the signal comes, and is answered."""
        place = tmp_path / "c.db"
        answers: list[httpx.Response] = []
        with serving_process(place, "--workers", workers) as server:
            headers = {
                "Authorization": f"Bearer {server.token()}",
                "Content-Type": "application/json",
            }

            def create() -> None:
                answers.append(
                    httpx.post(
                        f"{server.url}{CONNECTIONS}",
                        content=GUIDE_REQUEST,
                        headers=headers,
                        verify=TLS,
                        timeout=DEADLINE,
                    )
                )

            engine = open_engine(f"sqlite:///{place}")
            with engine.begin():
                client = Thread(target=create)
                client.start()
                sleep(0.5)
                server.process.send_signal(number)
                sleep(1)
                assert server.process.poll() is None
                if workers == "1":  # the parent of several keeps the port until it ends
                    with pytest.raises(httpx.ConnectError):
                        server.ask("/healthz")
            client.join(DEADLINE)
            assert server.process.wait(DEADLINE) == 0
        (answer,) = answers
        assert answer.status_code == 201
        with engine.connect() as session:
            found = session.execute(text("SELECT id FROM connections")).scalars().all()
        engine.dispose()
        assert found == [answer.json()["data"]["id"]]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_the_demo(self, tmp_path: Path, number: signal.Signals) -> None:
        """Its database is removed."""
        script = tmp_path / "main.py"
        script.write_text(AS_USUAL)
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        with subprocess.Popen(  # noqa: S603  # our own interpreter
            [sys.executable, str(script), "serve", "--demo", "--port", "0"],
            env=environment(TMPDIR=str(temporary)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            url = process.stdout.readline().split()[2].rstrip(",")
            Running(process, url, script).wait_until_ready()
            assert len(list(temporary.iterdir())) == 1
            process.send_signal(number)
            process.send_signal(number)
            assert process.wait(DEADLINE) == 0
        assert list(temporary.iterdir()) == []

    def test_a_worker_is_killed(self, tmp_path: Path) -> None:
        """Another one takes its place, later if it was just being asked whether it is alive."""
        with serving_process(tmp_path / "c.db", "--workers", "2") as server:
            before = _children(server.process.pid)
            os.kill(before[0], signal.SIGKILL)
            ends = monotonic() + WORKER_PATIENCE + DEADLINE
            while before[0] in _children(server.process.pid) or len(
                _children(server.process.pid)
            ) < len(before):
                assert monotonic() < ends
                sleep(0.1)
            server.wait_until_ready()
            server.process.terminate()
            assert server.process.wait(DEADLINE) == 0


def _children(pid: int) -> list[int]:
    """The processes that a process has started and that serve."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [
        int(each)
        for each in text.split()
        if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]
