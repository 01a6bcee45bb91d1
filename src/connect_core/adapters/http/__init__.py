"""The guide's HTTP API: a handler that knows no web framework, and an application to mount.

`create_api` returns an ASGI application. Mount it in FastAPI, Starlette or Django, or serve it
alone: ``app.mount("/", create_api(authenticate=..., transactions=Transactions(engine)))``.

It states no rule: it reads a request, asks `connect_core.ConnectionService` one thing in a
transaction, and writes the answer. It authenticates nobody; the host says who asks. `Handler` does
the same from a plain `Request` to a plain `Response`, for hosts without ASGI.

The operations are those of the guide and of the published API, and, unless they are switched off,
a few more that are marked as extensions: activate, the history, two filters, and the scopes of a
creation. Every answer is JSON, refusals too, and carries a ``Request-Id``.
"""

from connect_core.adapters.http.application import Authenticate, create_api
from connect_core.adapters.http.handler import Handler
from connect_core.adapters.http.messages import Caller, Request, Response
from connect_core.adapters.http.openapi import merge_openapi, openapi_document
from connect_core.adapters.http.ports import (
    AsyncTransactionsLike,
    Limiter,
    Quota,
    TransactionsLike,
)

__all__ = [
    "AsyncTransactionsLike",
    "Authenticate",
    "Caller",
    "Handler",
    "Limiter",
    "Quota",
    "Request",
    "Response",
    "TransactionsLike",
    "create_api",
    "merge_openapi",
    "openapi_document",
]
