"""The page to try the API, in a browser: below a prefix, and with nothing from elsewhere."""

from functools import partial
from typing import TYPE_CHECKING

import pytest
from http_api import MemoryTransactions, authenticate
from servers import running
from starlette.applications import Starlette
from starlette.routing import Mount

from connect_core.adapters.http import create_api

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage

pytestmark = pytest.mark.site


def note_error(wrong: list[str], said: "ConsoleMessage") -> None:
    """Keep what the browser reports as an error."""
    if said.type == "error":
        wrong.append(said.text)


def test_a_request_is_tried(chromium: "Browser") -> None:
    """A reader gives a token, tries an operation, and sees its answer."""
    api = create_api(authenticate=authenticate, transactions=MemoryTransactions())
    host = Starlette(routes=[Mount("/x", api)])
    with running(host) as address, chromium.new_context() as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", partial(note_error, wrong))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))

        page.goto(f"{address}/x/docs")
        page.locator("#operations-Connections-list_connections").wait_for()
        assert page.locator(".opblock").count() == 7
        page.get_by_role("button", name="Authorize").click()
        page.get_by_label("auth-bearer-value").fill("ours")
        page.get_by_label("Apply credentials").click()
        page.get_by_role("button", name="Close").click()
        page.locator("#operations-Connections-list_connections .opblock-summary").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()

        assert wrong == []
        assert [each for each in asked if not each.startswith(f"{address}/x/")] == []
        assert any("/api/v1/connect/connections" in each for each in asked)
