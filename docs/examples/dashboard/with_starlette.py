"""The Dashboard in Starlette, asynchronous throughout, behind the application's own sign-in.

Run it from the root of the repository::

    uv run --group web uvicorn --app-dir docs/examples/dashboard with_starlette:app

Open http://127.0.0.1:8000/partners/ and sign in as ``alice`` of Example Bank (org_ABC123), ``bob``
of Example Lender (org_DEF456) or ``carol`` of Example Broker, each with the password ``demo``. All
of it is in the SQLite file ``with_starlette.db``, or in the one that ``DATABASE_URL`` names.
"""

import os
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager

import accounts
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from connect_core import Actor
from connect_core.adapters.dashboard import Visitor, create_dashboard
from connect_core.adapters.sql import AsyncTransactions, configure_engine, metadata

url = make_url(os.environ.get("DATABASE_URL", "sqlite:///with_starlette.db"))
engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"))
configure_engine(engine.sync_engine)
reading = engine.execution_options(only_reads=True)  # which waits for nobody


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    """Create the tables at the start, and close the connections at the end."""
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(accounts.create)
    yield
    await engine.dispose()


# --- The Dashboard -------------------------------------------------------------------------------


async def authenticate(request: Request) -> Visitor | None:
    """Who is signed in, by the session of this application."""
    token = request.cookies.get(accounts.COOKIE, "")
    async with reading.connect() as connection:
        return await connection.run_sync(accounts.find_visitor, token)


async def describe(ids: Collection[str], visitor: Actor) -> Mapping[str, str]:
    """The names to show, all in one query."""
    async with reading.connect() as connection:
        return await connection.run_sync(accounts.names_of, ids, visitor)


async def search(text: str, _: Actor) -> Collection[str]:
    """The organizations with this text in their names."""
    async with reading.connect() as connection:
        return await connection.run_sync(accounts.organizations_named, text)


dashboard = create_dashboard(
    authenticate=authenticate,
    transactions=AsyncTransactions(engine),
    describe=describe,
    search=search,
    sign_in="/login",
    links={"Home": "/"},
)

# --- Pages of the application itself -------------------------------------------------------------


async def home(request: Request) -> Response:
    """The home page."""
    return accounts.home_page(await authenticate(request))


async def login(request: Request) -> Response:
    """The page to sign in. The Dashboard adds ``next``, the page to come back to."""
    if request.method != "POST":
        return accounts.login_page(request.query_params.get("next", "/"))
    if not accounts.is_own_form(request):
        raise HTTPException(403, "The form was sent from another site.")
    form = await accounts.fields_of(request)
    back, name, password = (form.get(field, "") for field in ("next", "username", "password"))
    async with engine.begin() as connection:
        token = await connection.run_sync(accounts.start_session, name, password)
    if token is None:
        return accounts.login_page(back, failed=True)
    return accounts.signed_in(request, token, back)


async def logout(request: Request) -> Response:
    """Sign out."""
    if not accounts.is_own_form(request):
        raise HTTPException(403, "The form was sent from another site.")
    async with engine.begin() as connection:
        token = request.cookies.get(accounts.COOKIE, "")
        await connection.run_sync(accounts.end_session, token)
    return accounts.signed_out()


app = Starlette(
    routes=[
        Route("/", home),
        Route("/login", login, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
        Mount("/partners", dashboard),
    ],
    lifespan=lifespan,
)
