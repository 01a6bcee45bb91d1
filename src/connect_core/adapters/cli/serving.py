"""What ``connect-core serve`` serves: the API and the Dashboard for the holders of keys.

Beside them are two answers on health.

This module needs the extra `serve`, and so commands import it when they run. It listens nowhere:
uvicorn does. With several workers, each of them calls `application`, which finds its settings in
the environment, where the command has put them.
"""

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine, literal, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from connect_core.adapters.dashboard import create_dashboard
from connect_core.adapters.dashboard.sign_in import KeySignIn
from connect_core.adapters.http import Caller, create_api
from connect_core.adapters.sql import (
    ApiKeys,
    Transactions,
    keys_metadata,
    metadata,
)
from connect_core.adapters.sql.availability import available
from connect_core.adapters.sql.engine import engine_for
from connect_core.identifiers import OrganizationId
from connect_core.jsonapi import Representation
from connect_core.parties import Name
from connect_core.text import shown

#: The environment variable in which the workers find their settings.
_VARIABLE: Final = "_CONNECT_CORE_SERVE"
#: How long the database may take to answer whether it is ready, in seconds.
PATIENCE: Final = 5.0


class Settings(NamedTuple):
    """What is served.

    Attributes:
        database: the URL of the database, with its password.
        representation: the form of the documents, unless a key has another one.
        extensions: whether there are operations beyond the published ones.
        names: the path of the file with the names of organizations; empty if there is none.
    """

    database: str
    representation: Representation
    extensions: bool
    names: str = ""

    def publish(self) -> None:
        """Put them where the workers, which this process starts, find them."""
        os.environ[_VARIABLE] = json.dumps(self._asdict())


def application() -> ASGIApp:
    """The application for one worker. It does not ask the database before the first request.

    Raises:
        KeyError: the environment has no settings: `serve` did not start this process.
    """
    settings = Settings(**json.loads(os.environ[_VARIABLE]))
    return application_on(engine_for(make_url(settings.database)), settings)


def application_on(engine: Engine, settings: Settings) -> ASGIApp:
    """The application on a database."""
    keys, transactions = ApiKeys(engine), Transactions(engine)
    api = create_api(
        authenticate=authentication(keys),
        transactions=transactions,
        representation=settings.representation,
        extensions=settings.extensions,
    )
    names = names_in(settings.names) if settings.names else {}
    sign_in = KeySignIn(engine)
    dashboard = create_dashboard(
        authenticate=sign_in.authenticate,
        transactions=transactions,
        describe=lambda ids, _: {each: names[each] for each in ids if each in names},
        search=lambda text, _: [
            each for each, name in names.items() if text.casefold() in name.casefold()
        ],
        sign_in=sign_in,
    )
    return WithHealth(_ApiAndDashboard(api, dashboard), lambda: is_ready(engine))


class _ApiAndDashboard:
    """The API at its paths, and the Dashboard at all others."""

    def __init__(self, api: ASGIApp, dashboard: ASGIApp) -> None:
        self._api = api
        self._dashboard = dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path_of(scope)
        is_api = path.startswith(("/api/", "/docs/")) or path in ("/docs", "/openapi.json")
        await (self._api if is_api else self._dashboard)(scope, receive, send)


def names_in(path: str) -> dict[str, str]:
    """The names of organizations in a file: a JSON object with a name for each id.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file; the text says what is wrong, and where.
    """
    place = Path(path)
    if place.exists() and not place.is_file():  # a pipe could not be read by every worker
        raise ValueError("it is not a file")
    try:
        names = _NAMES.validate_json(place.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = f"the member {shown(str(first['loc'][0]), 80)}: " if first["loc"] else ""
        raise ValueError(where + first["msg"].removeprefix("Value error, ")) from None
    return {str(each): name for each, name in names.items()}


#: Names of organizations, by their ids.
_NAMES: Final = TypeAdapter(dict[OrganizationId, Name])


# --- Keys ----------------------------------------------------------------------------------------


def authentication(keys: ApiKeys) -> Callable[[Request], Caller | None]:
    """What finds the holder of the key in a request's ``Authorization``."""

    def authenticate(request: Request) -> Caller | None:
        token = _bearer_token(request)
        with available():
            key = None if token is None else keys.authenticate(token)
        return None if key is None else Caller(key.actor, key.representation)

    return authenticate


def _bearer_token(request: Request) -> str | None:
    """The bearer token; None if there is none, or if there are several ``Authorization``."""
    fields = request.headers.getlist("Authorization")
    scheme, _, token = fields[0].partition(" ") if len(fields) == 1 else ("", "", "")
    return token.strip(" ") if scheme.lower() == "bearer" else None


# --- Health --------------------------------------------------------------------------------------


def is_ready(engine: Engine) -> bool:
    """Whether the database answers and has all tables."""
    tables = (*metadata.sorted_tables, *keys_metadata.sorted_tables)
    try:
        with engine.execution_options(only_reads=True).connect() as database:
            for table in tables:
                database.execute(select(literal(1)).select_from(table).limit(1))
    except SQLAlchemyError:
        return False
    return True


class WithHealth:
    """An application, and beside it ``/healthz`` and ``/readyz``, which need no key.

    Args:
        application: answers all other requests.
        is_ready: whether requests can be served now. It runs in the thread pool, and counts as
            False if it takes longer than `PATIENCE`.
    """

    def __init__(self, application: ASGIApp, is_ready: Callable[[], bool]) -> None:
        self._application = application
        self._is_ready = is_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = _path_of(scope) if scope["type"] == "http" else None
        if path not in ("/healthz", "/readyz"):
            await self._application(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await Response(status_code=405, headers={"Allow": "GET, HEAD"})(scope, receive, send)
        else:
            ready = path == "/healthz" or await self._ready()
            response = JSONResponse(
                {"status": "ok" if ready else "unavailable"},
                status_code=200 if ready else 503,
                headers={"Cache-Control": "no-store"},
            )
            await response(scope, receive, send)

    async def _ready(self) -> bool:
        with anyio.move_on_after(PATIENCE):
            return await anyio.to_thread.run_sync(self._is_ready, abandon_on_cancel=True)
        return False


def _path_of(scope: Scope) -> str:
    """The path below ``--root-path``, which uvicorn puts before the path."""
    path: str = scope.get("path", "")
    return path.removeprefix(scope.get("root_path", ""))


# --- Logs ----------------------------------------------------------------------------------------


class UtcFormatter(logging.Formatter):
    """Lines that begin with a time in UTC."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


#: One line for each request, and what uvicorn says of its processes, to stderr.
LOGS: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": "connect_core.adapters.cli.serving.UtcFormatter",
            "format": "%(asctime)s %(levelname)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False}
        for name in ("connect_core", "uvicorn")
    },
}
