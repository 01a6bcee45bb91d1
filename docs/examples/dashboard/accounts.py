"""What a host has already: organizations, users and sessions of its own, and a page to sign in.

`with_fastapi` and `with_starlette` share it; in your application, your own takes its place. A
function that reads or writes is given an open connection.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import scrypt, sha256
from html import escape
from secrets import compare_digest, token_bytes, token_urlsafe
from urllib.parse import parse_qsl

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    union_all,
)
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from connect_core import Actor
from connect_core.adapters.dashboard import Visitor

COOKIE = "session"
LIFETIME = timedelta(hours=8)

metadata = MetaData()
organizations = Table(
    "organizations",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("name", String(100), nullable=False),
)
users = Table(
    "users",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("organization_id", String(255), ForeignKey(organizations.c.id), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("password", LargeBinary, nullable=False),
)
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String(255), ForeignKey(users.c.id), nullable=False),
    Column("ends", Integer, nullable=False),  # seconds since 1970
)

# --- Users and sessions --------------------------------------------------------------------------


def create(connection: Connection) -> None:
    """Create the tables and, FOR DEMONSTRATION ONLY, a user of each of three organizations."""
    metadata.create_all(connection)
    if connection.scalar(select(organizations.c.id).limit(1)) is not None:
        return
    demo = [
        ("alice", "org_ABC123", "Example Bank"),
        ("bob", "org_DEF456", "Example Lender"),
        ("carol", "org_GHI789", "Example Broker"),
    ]
    for user, organization_id, name in demo:
        connection.execute(insert(organizations).values(id=organization_id, name=name))
        salt = token_bytes(16)
        row = {"id": f"usr_{user}", "name": user, "organization_id": organization_id}
        hashed = {"salt": salt, "password": _hashed("demo", salt)}
        connection.execute(insert(users).values(**row, **hashed))


def start_session(connection: Connection, name: str, password: str) -> str | None:
    """The token of a new session; None if the name or the password is wrong."""
    found = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    salt, known = (b"", b"") if found is None else (found.salt, found.password)
    if not compare_digest(_hashed(password, salt), known) or found is None:
        return None
    token, ends = token_urlsafe(), datetime.now(UTC) + LIFETIME
    row = {"digest": _digest(token), "user_id": found.id, "ends": int(ends.timestamp())}
    connection.execute(insert(sessions).values(**row))
    return token


def find_visitor(connection: Connection, token: str) -> Visitor | None:
    """Whose session this is; None if there is none, or if it has ended."""
    query = select(users, sessions.c.ends).join(sessions)
    found = connection.execute(query.where(sessions.c.digest == _digest(token))).one_or_none()
    if found is None or found.ends <= datetime.now(UTC).timestamp():
        return None
    actor = Actor(id=found.id, organization_id=found.organization_id)
    return Visitor(actor, found.name, datetime.fromtimestamp(found.ends, UTC))


def end_session(connection: Connection, token: str) -> None:
    """Forget a session."""
    connection.execute(delete(sessions).where(sessions.c.digest == _digest(token)))


def _hashed(password: str, salt: bytes) -> bytes:
    return scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


# --- Names ---------------------------------------------------------------------------------------


def names_of(connection: Connection, ids: Collection[str], visitor: Actor) -> Mapping[str, str]:
    """The names of organizations, and of users of the visitor's organization, in one query."""
    known = select(organizations.c.id, organizations.c.name).where(organizations.c.id.in_(ids))
    colleagues = select(users.c.id, users.c.name).where(
        users.c.id.in_(ids), users.c.organization_id == str(visitor.organization_id)
    )
    return {row.id: row.name for row in connection.execute(union_all(known, colleagues))}


def organizations_named(connection: Connection, text: str) -> Collection[str]:
    """The ids of at most 25 organizations with this text in their names."""
    matches = organizations.c.name.icontains(text, autoescape=True)
    query = select(organizations.c.id).where(matches).order_by(organizations.c.name).limit(25)
    return connection.scalars(query).all()


# --- Pages ---------------------------------------------------------------------------------------


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form."""
    return dict(parse_qsl((await request.body()).decode()))


def is_own_form(request: Request) -> bool:
    """Whether a form was sent from a page of this host. If the browser does not say so, it was not.

    A browser that sends no ``Sec-Fetch-Site`` names the page's origin.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    if site is not None:
        return site == "same-origin"
    authority = origin.partition("://")[2]
    return authority != "" and authority == request.headers.get("Host")


def local_path(address: str) -> str:
    """The address if it is a path of this host, and the home page if it leads elsewhere."""
    return address if re.fullmatch(r"/(?![/\\])[!-~]*|/", address) else "/"


def login_page(back: str, *, failed: bool = False) -> Response:
    """The form to sign in, which leads back to a page."""
    problem = '<p role="alert">The name or the password is wrong.</p>' if failed else ""
    return HTMLResponse(
        f'<!DOCTYPE html><html lang="en"><title>Sign in</title><h1>Sign in</h1>{problem}'
        f'<form method="post"><input type="hidden" name="next" value="{escape(local_path(back))}">'
        '<p><label>Name <input name="username" autocomplete="username" required></label>'
        '<p><label>Password <input name="password" type="password" required'
        ' autocomplete="current-password"></label><p><button>Sign in</button></form>',
        401 if failed else 200,
    )


def signed_in(request: Request, token: str, back: str) -> Response:
    """Let the browser keep the session, and go back to where somebody was."""
    response = RedirectResponse(local_path(back), 303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=secure)
    return response


def signed_out() -> Response:
    """Let the browser forget the session, and go home."""
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


def home_page(visitor: Visitor | None) -> Response:
    """The home page, with a link to the Dashboard."""
    content = '<p><a href="/login">Sign in</a>'
    if visitor is not None:
        content = (
            f'<p>Signed in as {escape(str(visitor.name))}.<p><a href="/partners/">Partners</a>'
            '<form method="post" action="/logout"><button>Sign out</button></form>'
        )
    return HTMLResponse(f'<!DOCTYPE html><html lang="en"><title>Home</title><h1>Home</h1>{content}')
