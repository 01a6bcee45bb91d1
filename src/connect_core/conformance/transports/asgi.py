"""An ASGI application in this process as a `System`, without a server.

The application runs on an event loop in a thread of its own, as long as the `AsgiService` is open.
Its lifespan does not run, as that of a mounted application does not.
"""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, Final, TypeAlias

import httpx
from anyio import move_on_after
from anyio.from_thread import BlockingPortal, start_blocking_portal

from connect_core.conformance.profile import Profile
from connect_core.conformance.transports.http import HttpService
from connect_core.conformance.transports.organizations import Keys, MakeKey

#: An ASGI application. Its arguments are those of the ASGI specification.
Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
#: The application believes to be called so. Nothing is sent there.
_BASE: Final = "http://connect-core.invalid"


class AsgiService(HttpService):
    """An ASGI application that has the published operations, in this process.

    It is an `HttpService` in everything else. What the application raises is the error of the call,
    with its traceback.

    Args:
        app: the application.
        keys: makes the key of an organization, given its id; or a `KeyPool`.
        profile: the profile of the implementation; if omitted, every capability is claimed that
            HTTP can carry.
        root_path: where it is mounted; empty at the root.
        timeout: the time limit for an answer, in seconds.

    Raises:
        TypeError: `app` cannot be called, or `keys` is no source of keys.
    """

    def __init__(
        self,
        app: Application,
        keys: Keys | MakeKey,
        profile: Profile | None = None,
        *,
        root_path: str = "",
        timeout: float = 10.0,
    ) -> None:
        if not callable(app):  # pyright: ignore[reportUnnecessaryComparison]  # untyped callers
            raise TypeError(f"the application is {type(app).__name__}, which cannot be called")
        super().__init__(f"{_BASE}{root_path}", keys, profile, timeout=timeout)
        self._app = app
        self._root_path = root_path

    def _open_transport(self, opened: ExitStack) -> httpx.BaseTransport:
        portal = opened.enter_context(start_blocking_portal())
        return _Bridge(httpx.ASGITransport(self._app, root_path=self._root_path), portal)


class _Bridge(httpx.BaseTransport):
    """Calls an asynchronous transport in the thread of a portal."""

    def __init__(self, inner: httpx.AsyncBaseTransport, portal: BlockingPortal) -> None:
        self._inner = inner
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Make a request, and wait for the whole answer."""
        return self._portal.call(self._handle, request)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        with move_on_after(request.extensions["timeout"]["read"]):
            response = await self._inner.handle_async_request(request)
            body = await response.aread()
            return httpx.Response(response.status_code, headers=response.headers, content=body)
        raise httpx.ReadTimeout("the application does not answer")
