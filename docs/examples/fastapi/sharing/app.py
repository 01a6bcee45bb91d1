"""The service: `create_app` makes it. The API is mounted beside a route of your own.

Run it from the root of the repository::

    uv run --group web uvicorn --factory --app-dir docs/examples/fastapi sharing.app:create_app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from connect_core import ConnectError, ConnectionService, authorize_access, error_document
from connect_core.adapters.http import create_api, merge_openapi, openapi_document
from connect_core.adapters.sql import Transactions

from .authentication import Caller, authenticate
from .database import notify, opened

#: Stands for the data that your service shares, by the organization that it belongs to.
INQUIRIES: Final = {"org_ABC123": [{"type": "inquiry", "id": "inq_1"}]}


def create_app(database_url: str | None = None) -> FastAPI:
    """The service on this database, by default the one that the environment names."""
    url = database_url or os.environ.get("DATABASE_URL", "sqlite:///connections.db")
    engine = opened(url)
    transactions = Transactions(engine, on_change=notify)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        engine.dispose()

    app = FastAPI(title="Sharing", version="1", lifespan=lifespan)

    @app.get("/inquiries/{connection_id}", tags=["Inquiries"])
    def inquiries(connection_id: str, caller: Caller) -> list[dict[str, str]]:
        """The source's inquiries, if the caller may read them through this Connection now."""

        def read(service: ConnectionService) -> list[dict[str, str]]:
            connection = service.get(connection_id, by=caller)
            authorize_access(caller, "inquiry.read", connection)
            return INQUIRIES.get(connection.source_organization_id, [])

        return transactions.ask(read)

    @app.exception_handler(ConnectError)
    def refused(_: Request, error: ConnectError) -> JSONResponse:
        """What connect-core refuses in a route of your own, as the API answers it."""
        status, document = error_document(error)
        return JSONResponse(document, status)

    describe = app.openapi

    def described() -> dict[str, Any]:
        return merge_openapi(describe(), openapi_document())

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend it
    app.mount("/", create_api(authenticate=authenticate, transactions=transactions))
    return app
