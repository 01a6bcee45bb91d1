"""Every refusal and every failure becomes a document of errors."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse

from connect_core import (
    ConnectError,
    InvalidDocumentError,
    Problem,
    SelfConnectionError,
    error_document,
)

log = logging.getLogger(__name__)


class Refusals:
    """Middleware: a refusal that a view raises becomes an answer with its status and document."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; there is nothing to do unless the view raises."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The answer to an exception; None leaves it to Django."""
        if isinstance(error, RequestDataTooBig):
            return problem(413)
        if not isinstance(error, ConnectError):
            return None
        if isinstance(error, SelfConnectionError):  # its own pointer is for the guide's body
            error = InvalidDocumentError((Problem("/to", str(error)),))
        status, document = error_document(error)
        if status >= 500:  # the client is not told what it was
            log.error("%s %s failed", request.method, request.path, exc_info=error)
        return JsonResponse(document, status=status)


def problem(status: int) -> JsonResponse:
    """A document with one error that says no more than its status."""
    return JsonResponse({"errors": [{"title": HTTPStatus(status).phrase}]}, status=status)


def not_found(_: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001  # Django's
    """Replaces Django's page for an unknown address, and for a row that the actor may not see."""
    return problem(404)


def failed(_: HttpRequest) -> JsonResponse:
    """Replaces Django's page for an unexpected exception, which Django has logged."""
    return problem(500)
