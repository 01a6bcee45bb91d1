"""The application: the handler behind ASGI, to be mounted or served.

It has no lifespan: a mounted application's never runs. Everything that it needs is given to
`create_api`. Synchronous work is done in the thread pool of AnyIO, so that it holds up no other
request.
"""

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.types import ASGIApp, Receive, Scope, Send

from connect_core import Actor, arguments
from connect_core.adapters.http.asgi import (
    body_of,
    called,
    is_async,
    mounted,
    no_lifespan,
)
from connect_core.adapters.http.handler import Exchange, setting_of
from connect_core.adapters.http.messages import Caller, Request, Response
from connect_core.adapters.http.operations import Answer, Job, Setting
from connect_core.adapters.http.pages import Pages
from connect_core.adapters.http.ports import (
    AsyncTransactionsLike,
    Limiter,
    Quota,
    TransactionsLike,
    require_transactions,
)
from connect_core.jsonapi import Representation

#: Who asks, or nobody.
Authenticated: TypeAlias = Actor | Caller | None
#: Says who asks. It is the only one who does.
Authenticate: TypeAlias = Callable[[WebRequest], Authenticated | Awaitable[Authenticated]]


def create_api(
    *,
    authenticate: Authenticate,
    transactions: TransactionsLike | AsyncTransactionsLike,
    representation: Representation = "guide",
    extensions: bool = True,
    limiter: Limiter | None = None,
    max_body: int = 64 * 1024,
    body_timeout: float = 20.0,
) -> ASGIApp:
    """The guide's API as an ASGI application, to be mounted at any path or served alone.

    Below the mount are ``/api/v1/connect/connections``, with its description in ``/openapi.json``
    and a page to try it in ``/docs``. It knows nothing but its arguments, and needs no lifespan.

    Args:
        authenticate: says who makes a request: an `Actor`, a `Caller` whose representation differs
            from the application's, or None for nobody, who gets 401. It may be asynchronous; if
            not, it runs in the thread pool. It must rely on nothing but what it has checked.
        transactions: `connect_core.adapters.sql.Transactions`, `AsyncTransactions`, or your own.
        representation: the form of the documents: ``"guide"``, or ``"current"`` for that of the
            published API.
        extensions: False for the published operations alone: without activate, the history,
            ``filter[direction]``, ``filter[actionable]`` and the scopes of a creation.
        limiter: counts the requests of each caller; without it there is no limit. It may be
            asynchronous; if not, it runs in the thread pool.
        max_body: the most bytes that a body has.
        body_timeout: how long a body may take to arrive, in seconds.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is not valid.
    """
    return _Api(
        authenticate,
        transactions,
        setting_of(representation, extensions=extensions),
        limiter,
        max_body,
        body_timeout,
    )


class _Api:
    def __init__(
        self,
        authenticate: Authenticate,
        transactions: TransactionsLike | AsyncTransactionsLike,
        setting: Setting,
        limiter: Limiter | None,
        max_body: int,
        body_timeout: float,
    ) -> None:
        if not callable(authenticate):
            raise TypeError(f"authenticate is {authenticate!r}; it must be a function")
        require_transactions(transactions)
        if limiter is not None:
            arguments.function(limiter, "limiter")
        arguments.number(max_body, "max_body", 1, sys.maxsize)
        arguments.seconds(body_timeout, "body_timeout")
        self._authenticate = authenticate
        self._transactions = transactions
        self._limiter = limiter
        self._setting = setting
        self._max_body = max_body
        self._body_timeout = body_timeout
        self._is_synchronous = not any(map(is_async, (authenticate, transactions.change, limiter)))
        self._pages: Final = Pages(setting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await no_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request_of(scope)
        response = self._pages.page(request)
        if response is None:
            exchange = Exchange(request, self._setting)
            web_request = WebRequest(scope, receive)
            if self._is_synchronous and not exchange.has_body:  # one thread does all of it
                response = await run_in_threadpool(self._at_once, exchange, web_request)
            else:
                response = await self._step_by_step(exchange, web_request)
        if response is not None:
            with suppress(OSError):  # the client hung up meanwhile
                await _send(send, response, with_body=request.method != "HEAD")

    def _at_once(self, exchange: Exchange, web_request: WebRequest) -> Response:
        return exchange.complete(
            cast("TransactionsLike", self._transactions),
            lambda: cast("Authenticated", self._authenticate(web_request)),
            lambda caller: None if self._limiter is None else cast("Quota", self._limiter(caller)),
        )

    async def _step_by_step(self, exchange: Exchange, web_request: WebRequest) -> Response | None:
        """The response; None if the client hung up before its request was read."""
        try:
            if (early := exchange.begin()) is not None:
                return early
            caller = exchange.identify(await called(self._authenticate, web_request))
            if self._limiter is not None:
                exchange.admit(await called(self._limiter, caller))
            exchange.check()
            body = await self._body(web_request) if exchange.has_body else b""
            answer = await self._carry_out(exchange.read(body))
        except ClientDisconnect:
            exchange.abandon()
            return None
        except Exception as error:
            return exchange.refuse(error)
        return exchange.answer(answer)

    async def _body(self, web_request: WebRequest) -> bytes:
        return await body_of(web_request, self._max_body, self._body_timeout)

    async def _carry_out(self, job: Job) -> Answer:
        """Do the work of a request, in a thread if the transactions are synchronous."""
        run = self._transactions.change if job.changes else self._transactions.ask
        return cast("Answer", await called(run, job.work))


# --- ASGI ---


def _request_of(scope: Scope) -> Request:
    """The request without its body."""
    root, path = mounted(scope)
    return Request(
        method=scope["method"],
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=[
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ],
        root=root,
    )


async def _send(send: Send, response: Response, *, with_body: bool) -> None:
    fields = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.items()
    ]
    if response.status not in (204, 304):
        fields.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": fields})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})
