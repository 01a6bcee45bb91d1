"""The Dashboard in FastAPI, behind the sign-in of the application itself.

Run it from the root of the repository::

    uv run --group web uvicorn --app-dir docs/examples/dashboard with_fastapi:app

Open http://127.0.0.1:8000/partners/ and sign in as ``alice`` of Example Bank (org_ABC123), ``bob``
of Example Lender (org_DEF456) or ``carol`` of Example Broker, each with the password ``demo``. All
of it is in the SQLite file ``with_fastapi.db``, or in the database that ``DATABASE_URL`` names.
"""

import os
from collections.abc import Collection, Mapping
from typing import Annotated

import accounts
from fastapi import Depends, FastAPI, HTTPException, Request, Response

from connect_core import Actor
from connect_core.adapters.dashboard import Visitor, create_dashboard
from connect_core.adapters.sql import Transactions, open_engine

engine = open_engine(os.environ.get("DATABASE_URL", "sqlite:///with_fastapi.db"))
reading = engine.execution_options(only_reads=True)  # which waits for nobody
with engine.begin() as opened:
    accounts.create(opened)

# --- The Dashboard -------------------------------------------------------------------------------


def authenticate(request: Request) -> Visitor | None:
    """Who is signed in, by the session of this application."""
    with reading.connect() as connection:
        return accounts.find_visitor(connection, request.cookies.get(accounts.COOKIE, ""))


def describe(ids: Collection[str], visitor: Actor) -> Mapping[str, str]:
    """The names to show, all in one query."""
    with reading.connect() as connection:
        return accounts.names_of(connection, ids, visitor)


def search(text: str, _: Actor) -> Collection[str]:
    """The organizations with this text in their names."""
    with reading.connect() as connection:
        return accounts.organizations_named(connection, text)


dashboard = create_dashboard(
    authenticate=authenticate,
    transactions=Transactions(engine),
    describe=describe,
    search=search,
    sign_in="/login",
    links={"Home": "/"},
)
app = FastAPI(title="A host", version="1")
app.mount("/partners", dashboard)

# --- Pages of the application itself -------------------------------------------------------------

Form = Annotated[dict[str, str], Depends(accounts.fields_of)]


def own_form(request: Request) -> None:
    """Refuse a form of another site."""
    if not accounts.is_own_form(request):
        raise HTTPException(403, "The form was sent from another site.")


@app.get("/", include_in_schema=False)
def home(request: Request) -> Response:
    """The home page."""
    return accounts.home_page(authenticate(request))


@app.get("/login", include_in_schema=False)
def login(next: str = "/") -> Response:
    """The page to sign in. The Dashboard adds ``next``, the page to come back to."""
    return accounts.login_page(next)


@app.post("/login", include_in_schema=False, dependencies=[Depends(own_form)])
def start(request: Request, form: Form) -> Response:
    """Sign in."""
    back = form.get("next", "/")
    with engine.begin() as connection:
        name, password = form.get("username", ""), form.get("password", "")
        token = accounts.start_session(connection, name, password)
    if token is None:
        return accounts.login_page(back, failed=True)
    return accounts.signed_in(request, token, back)


@app.post("/logout", include_in_schema=False, dependencies=[Depends(own_form)])
def end(request: Request) -> Response:
    """Sign out."""
    with engine.begin() as connection:
        accounts.end_session(connection, request.cookies.get(accounts.COOKIE, ""))
    return accounts.signed_out()
