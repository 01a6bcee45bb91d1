"""Mounted in other frameworks, and behind a proxy that strips a prefix: links lead back."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django_settings import set_up
from fastapi import FastAPI
from http_api import GUIDES_BODY, AsgiClient, MemoryTransactions, authenticate
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connect_core.adapters.http import create_api
from connect_core.adapters.http.routing import CONNECTIONS


def api() -> ASGIApp:
    return create_api(authenticate=authenticate, transactions=MemoryTransactions())


async def _hello(_: object) -> PlainTextResponse:
    return PlainTextResponse("hello")


def in_starlette(prefix: str) -> ASGIApp:
    return Starlette(routes=[Route("/hello", _hello), Mount(prefix, api())])


def in_fastapi(prefix: str) -> ASGIApp:
    app = FastAPI()
    app.get("/hello")(lambda: "hello")
    app.mount(prefix, api())
    return app


def in_django(prefix: str) -> ASGIApp:
    """Beside Django's own application, as an ``asgi.py`` does it."""
    set_up()
    theirs: Any = get_asgi_application()  # its types are narrower than ASGI's
    ours = api()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(f"{prefix}/api/v1/connect/"):
            await ours({**scope, "root_path": prefix}, receive, send)
        else:
            await theirs(scope, receive, send)

    return application


@pytest.mark.parametrize("prefix", ["", "/x", "/x/y"])
@pytest.mark.parametrize("host", [in_starlette, in_fastapi, in_django])
def test_mounted(host: Callable[[str], ASGIApp], prefix: str) -> None:
    """A lifespan never ran, and every address leads back to the mount."""
    app = host(prefix)
    ours, theirs = AsgiClient(app), AsgiClient(app, "theirs")
    created = ours.post(prefix + CONNECTIONS, body=GUIDES_BODY)
    assert created.status == 201, created.body
    place = created.headers["location"]
    assert place == f"{prefix}{CONNECTIONS}/{created.json['data']['id']}"
    assert theirs.post(f"{place}/activate").status == 200
    assert ours.get(place).json["data"]["attributes"]["status"] == "active"
    another = {"data": {"attributes": {"destination-organization-id": "org_2"}}}
    ours.post(prefix + CONNECTIONS, body=another)
    link = ours.get(f"{prefix}{CONNECTIONS}?page[size]=1").json["links"]["next"]
    assert link.startswith(f"{prefix}{CONNECTIONS}?")
    assert ours.get(link).json["data"][0]["id"] == created.json["data"]["id"]
    for target in (f"{place}/", f"{prefix}{CONNECTIONS}/"):
        assert ours.get(target).status == 404
    assert ours.get(f"{place.replace('/cxn_', '%2Fcxn_')}").status == 404


@pytest.mark.parametrize("host", [in_starlette, in_fastapi])
def test_the_hosts_own_routes(host: Callable[[str], ASGIApp]) -> None:
    assert b"hello" in AsgiClient(host("/")).get("/hello").body


@pytest.mark.parametrize("prefix", ["/x", "/x/y"])
def test_behind_a_proxy_that_strips_a_prefix(prefix: str) -> None:
    """The server is told the prefix, and the requests come without it."""
    ours = AsgiClient(api(), root=prefix)
    created = ours.post(CONNECTIONS, body=GUIDES_BODY)
    assert created.headers["location"].startswith(f"{prefix}{CONNECTIONS}/cxn_")
    stripped = created.headers["location"].removeprefix(prefix)
    assert ours.get(stripped).status == 200


@pytest.mark.parametrize("field", ["Host", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"])
def test_no_address_comes_from_a_header(field: str) -> None:
    ours = AsgiClient(api())
    created = ours.request("POST", headers={field: "elsewhere.example"}, body=GUIDES_BODY)
    assert b"elsewhere" not in created.body
    assert "elsewhere" not in str(created.headers)
