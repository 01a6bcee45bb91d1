"""One request to the Dashboard, on its way to its page.

A `Visit` knows who is signed in, and the names that they may know. It makes every answer: pages,
redirects and refusals, each with the same header fields, and one line in the log.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from time import perf_counter
from typing import Any, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connect_core import Actor, ConnectError, ConnectionNotFoundError, error_document
from connect_core.adapters.dashboard.links import Links
from connect_core.adapters.dashboard.ports import Visitor
from connect_core.adapters.dashboard.rendering import SECURITY, rendered
from connect_core.adapters.dashboard.views import Viewpoint
from connect_core.adapters.dashboard.wording import Names, exact
from connect_core.adapters.http import headers
from connect_core.adapters.http.logs import note, note_fault
from connect_core.adapters.http.refusals import RequestError
from connect_core.errors import StoreUnavailableError
from connect_core.history import as_timestamp, format_timestamp

log: Final = logging.getLogger("connect_core.adapters.dashboard")

#: What a page of an error is called, by its status.
_TITLES: Final = {
    400: "This does not work",
    401: "You are not signed in",
    403: "This is not permitted",
    404: "There is nothing here",
    405: "This does not work",
    408: "That took too long",
    409: "This is not possible now",
    413: "That was too much",
    415: "This does not work",
    422: "This does not work",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Please try again in a moment",
}
#: The same for every page that is not there, so that it says nothing about what exists.
NOT_FOUND: Final = (
    "There is no such page, or none that your organization may see. Check the address."
)
_FAULT: Final = "This page could not be shown. The error was logged, and nothing was changed."
_BUSY: Final = "The database does not answer at the moment. Nothing was changed."
_UNCERTAIN: Final = (
    "The database stopped answering. It is not known whether the change was stored: look at the"
    " Connection before you try again."
)


class Visit:
    """One request.

    Args:
        request: the request.
        links: makes addresses.
        host_links: links to pages of the host, by their labels.
        clock: gives the current time.
    """

    def __init__(
        self,
        request: Request,
        links: Links,
        *,
        host_links: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self.request: Final = request
        self.links: Final = links
        self.visitor: Visitor | None = None
        self.can_sign_out = False
        self.names = Names({})
        self._host_links = host_links
        self._clock = clock
        self._started = perf_counter()
        self._request_id = headers.request_id(request.headers.items())

    # --- Answers ---

    def page(
        self,
        template: str,
        context: Callable[[Viewpoint], Mapping[str, Any]],
        visitor: Actor,
        *,
        status: int = 200,
    ) -> Response:
        """A page for somebody who is signed in.

        Args:
            template: the name of its template.
            context: gives the variables of the template.
            visitor: who is signed in.
            status: the HTTP status.
        """
        view = Viewpoint(visitor, self.names, self._clock())
        return self._html(template, {**self._common(), **context(view)}, status, {}, "ok")

    def public_page(
        self, template: str, variables: Mapping[str, Any], *, status: int = 200, code: str = "ok"
    ) -> Response:
        """A page for somebody who is not signed in."""
        return self._html(template, {**self._common(), **variables}, status, {}, code)

    def redirect(self, address: str) -> Response:
        """To another page, with ``GET``."""
        self._note(303, "ok")
        return RedirectResponse(address, 303, headers={**SECURITY, "Request-Id": self._request_id})

    def refusal(self, error: Exception) -> Response:
        """The page of an error. A fault is logged, and the visitor is not told of it."""
        if isinstance(error, RequestError):
            return self._error(error.status, error.details, error.code, error.headers)
        if isinstance(error, HTTPException):  # the host's own answer
            return self._error(error.status_code, error.detail, "refused", error.headers or {})
        if not isinstance(error, ConnectError):
            note_fault(log, self._facts(), error)
            return self._error(500, _FAULT, "internal_error", {})
        if isinstance(error, ConnectionNotFoundError):
            return self._error(404, NOT_FOUND, "not_found", {})
        status, _ = error_document(error)
        if status < 500:
            return self._error(status, str(error), error.code, {})
        note_fault(log, self._facts(), error)
        if isinstance(error, StoreUnavailableError):
            text = _UNCERTAIN if error.uncertain else _BUSY
            return self._error(503, text, error.code, {"Retry-After": "5"})
        return self._error(500, _FAULT, error.code, {})

    def abandon(self) -> None:
        """Log a request whose client hung up before it was read. Nothing was done."""
        self._note(499, "client_disconnected")

    def _error(self, status: int, text: str, code: str, more: Mapping[str, str]) -> Response:
        variables = {
            **self._common(),
            "status": status,
            "title": _TITLES.get(status, _TITLES[400]),
            "text": text,
            "request_id": self._request_id,
        }
        return self._html("error", variables, status, more, code)

    def _html(
        self,
        template: str,
        variables: Mapping[str, Any],
        status: int,
        more: Mapping[str, str],
        code: str,
    ) -> Response:
        fields = {
            **SECURITY,
            "Content-Type": "text/html; charset=utf-8",
            "Request-Id": self._request_id,
            **more,
        }
        response = Response(rendered(template, self.links, variables), status, fields)
        self._note(status, code)
        return response

    def _common(self) -> Mapping[str, Any]:
        """The variables of every template."""
        actor = None if self.visitor is None else self.visitor.actor
        ends = None if self.visitor is None else self.visitor.expires_at
        until = None if ends is None else format_timestamp(as_timestamp(ends))
        ours = "" if actor is None else str(actor.organization_id)
        return {
            "is_signed_in": actor is not None,
            "our_id": ours,
            "our_name": self.names.of(ours),
            "initial": _initial(self.names.of(ours).removeprefix("org_")),
            "actor": "" if actor is None else self.names.of(actor.id),
            "actor_id": "" if actor is None else str(actor.id),
            "session_ends": until and {"machine": until, "exact": exact(until)},
            "can_sign_out": self.can_sign_out,
            "host_links": self._host_links,
        }

    # --- Logs ---

    def _note(self, status: int, code: str) -> None:
        if log.isEnabledFor(logging.INFO):
            note(log, self._facts(), status=status, code=code, started=self._started)

    def _facts(self) -> dict[str, object]:
        """Who asked for what. The token of a sign-in link is left out."""
        actor = None if self.visitor is None else self.visitor.actor
        path = self.request.scope["path"]
        known = path if "/sign-in/" not in path else path.partition("/sign-in/")[0] + "/sign-in/..."
        return {
            "request_id": self._request_id,
            "method": self.request.method,
            "path": quote(known),
            "actor": "-" if actor is None else str(actor.id),
            "organization": "-" if actor is None else str(actor.organization_id),
        }


def _initial(name: str) -> str:
    """The first letter or digit of a name, which stands for it in a small space."""
    return next((each for each in name if each.isalnum()), "")
