"""What the applications share: where they are mounted, a request's body, and calling the host.

The host's functions may be synchronous or asynchronous. Synchronous ones run in the thread pool of
AnyIO, so that they hold up no other request.
"""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import quote, unquote

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from connect_core.adapters.http.refusals import stalled, too_large


def is_async(function: object) -> bool:
    """Whether it returns what has to be awaited. An object with such a ``__call__`` does, too."""
    return iscoroutinefunction(function) or iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # what calling it would call
    )


async def called(function: Callable[..., Any], *arguments: object) -> Any:
    """What a function returns; a synchronous one is called in a thread."""
    if is_async(function):
        return await function(*arguments)
    return await run_in_threadpool(function, *arguments)


async def body_of(request: Request, most: int, timeout: float) -> bytes:
    """The body. It is read no further than it may be large, and not for longer than it may.

    Args:
        request: the request.
        most: how many bytes it may have.
        timeout: how long it may take to arrive, in seconds.

    Raises:
        RequestError: it is too large, 413; or it did not arrive in time, 408.
        starlette.requests.ClientDisconnect: the client hung up.
    """
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > most:
        raise too_large(most)
    body = bytearray()
    with anyio.move_on_after(timeout) as scope:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large(most)
    if scope.cancelled_caught:
        raise stalled(timeout)
    return bytes(body)


def mounted(scope: Scope) -> tuple[str, str]:
    """Where the application is mounted, and the path below, both percent-encoded.

    Servers and frameworks differ in whether the path begins with the mount's.
    """
    root: str = scope.get("root_path", "").rstrip("/")
    raw: bytes | None = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1").partition("?")[0]
    parts, depth = path.split("/"), root.count("/")
    below = "/".join(["", *parts[depth + 1 :]])
    is_below = unquote("/".join(parts[: depth + 1])) == root
    return quote(root), below or "/" if is_below else path


async def no_lifespan(receive: Receive, send: Send) -> None:
    """Answer a server that asks; there is nothing to start and nothing to stop."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
