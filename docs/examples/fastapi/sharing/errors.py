"""Every refusal and every failure becomes a document of errors in connect-core's form."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from connect_core import ConnectError, error_document

log = logging.getLogger(__name__)


async def on_refusal(request: Request, error: Exception) -> JSONResponse:
    """What connect-core refuses. An internal error is logged, and the client is not told of it."""
    assert isinstance(error, ConnectError)
    status, document = error_document(error)
    if status >= 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse(document, status)


async def on_http_exception(_: Request, error: Exception) -> JSONResponse:
    """What FastAPI refuses, and what we refuse with `HTTPException`: 401, 404, 405, 413 ..."""
    assert isinstance(error, StarletteHTTPException)
    return problem(error.status_code, error.detail, headers=error.headers)


async def on_invalid_request(_: Request, error: Exception) -> JSONResponse:
    """A header or a parameter that is not what the handler declares."""
    assert isinstance(error, RequestValidationError)
    kind, name = error.errors()[0]["loc"][:2]
    source = {"header" if kind == "header" else "parameter": name}
    return problem(400, error.errors()[0]["msg"], source=source)


async def on_failure(_: Request, __: Exception) -> JSONResponse:
    """Anything else. The server logs it, because Starlette raises it again after the answer."""
    return problem(500, "The request could not be served.")


def problem(
    status: int,
    details: str,
    *,
    source: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A document with one error."""
    error: dict[str, object] = {"title": HTTPStatus(status).phrase, "details": details}
    if source is not None:
        error["source"] = source
    return JSONResponse({"errors": [error]}, status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Answer every exception with a document."""
    app.add_exception_handler(ConnectError, on_refusal)
    app.add_exception_handler(StarletteHTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(Exception, on_failure)
