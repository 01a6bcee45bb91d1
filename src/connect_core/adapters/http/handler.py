"""The handler: the API without a web framework, from a plain request to a plain response.

`Handler.handle` is all that a synchronous host needs: Flask, Django's views and tests call it with
whoever they have authenticated. The application to mount (`create_api`) goes the same way in its
single steps, because it authenticates before it reads the body: see `Exchange`.

The handler opens no transaction, authenticates nobody and keeps nothing. It logs one line for each
request, with the level INFO, to the logger ``connect_core.adapters.http``.
"""

import json
import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Final
from urllib.parse import quote

from connect_core import Actor, ConnectError, error_document
from connect_core.adapters.http import headers
from connect_core.adapters.http.inflection import Inflection, inflected
from connect_core.adapters.http.logs import note, note_fault
from connect_core.adapters.http.messages import Caller, Request, Response
from connect_core.adapters.http.operations import Answer, Job, Setting, job_of
from connect_core.adapters.http.ports import Quota, TransactionsLike, require_transactions
from connect_core.adapters.http.refusals import RequestError, not_authenticated, too_many
from connect_core.adapters.http.routing import Route, route
from connect_core.jsonapi import Representation, problem_document

log: Final = logging.getLogger("connect_core.adapters.http")

#: The forms of the documents.
REPRESENTATIONS: Final[tuple[Representation, ...]] = ("guide", "current")

#: On every answer. A shared cache must not keep it, and a browser must not guess its type.
_ALWAYS: Final = {
    "Cache-Control": "private, no-store",
    "Vary": "Authorization, Key-Inflection",
    "X-Content-Type-Options": "nosniff",
}


class Handler:
    """The API as a function of a request, for any host.

    Args:
        transactions: runs the work of each request.
        representation: the form of the documents, unless the caller has one: ``"guide"`` or
            ``"current"``.
        extensions: whether there are operations and filters beyond the published ones.

    Raises:
        TypeError: `transactions` lacks a method, or `extensions` is no bool.
        ValueError: there is no such representation.
    """

    def __init__(
        self,
        transactions: TransactionsLike,
        *,
        representation: Representation = "guide",
        extensions: bool = True,
    ) -> None:
        require_transactions(transactions)
        self._transactions = transactions
        self._setting = setting_of(representation, extensions=extensions)

    def handle(
        self, request: Request, caller: Actor | Caller | None, *, quota: Quota | None = None
    ) -> Response:
        """Answer a request. Nothing is raised: a fault is logged, and answered with 500.

        What was changed is committed when this returns.

        Args:
            request: the request.
            caller: whom the host has authenticated; None for nobody.
            quota: what the caller has left of a rate limit, if there is one.
        """
        exchange = Exchange(request, self._setting)
        return exchange.complete(self._transactions, lambda: caller, lambda _: quota)


def _is_caller(value: object) -> bool:
    return isinstance(value, Caller) and isinstance(value.actor, Actor)  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers


def setting_of(representation: Representation, *, extensions: bool) -> Setting:
    """The settings of an application, checked.

    Raises:
        TypeError: `extensions` is no bool.
        ValueError: there is no such representation.
    """
    if representation not in REPRESENTATIONS:
        raise ValueError(
            f"representation is {representation!r}; it must be {' or '.join(REPRESENTATIONS)}"
        )
    if not isinstance(extensions, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"extensions is {extensions!r}; it must be True or False")
    return Setting(representation, extensions)


def carry_out(transactions: TransactionsLike, job: Job) -> Answer:
    """Do the work of a request in a transaction."""
    return (transactions.change if job.changes else transactions.ask)(job.work)


class Exchange:
    """One request on its way to its response.

    `complete` takes all of its steps. Otherwise call `begin`, `identify`, `admit`, `check` and
    `read` in this order, do the work, and give the answer to `answer`. What any of these steps, or
    the work, raises goes to `refuse`.

    Args:
        request: the request. Its body may still be missing; `read` takes it.
        setting: the settings of the application.
    """

    def __init__(self, request: Request, setting: Setting) -> None:
        self._started = perf_counter()
        self._request = request
        self._setting = setting
        self._route: Route | None = None
        self._caller: Caller | None = None
        self._quota: Quota | None = None
        self._inflection = Inflection.KEBAB
        self.request_id: Final = headers.request_id(request.headers)

    # --- All steps at once ---

    def complete(
        self,
        transactions: TransactionsLike,
        authenticate: Callable[[], Actor | Caller | None],
        limiter: Callable[[Caller], Quota | None],
    ) -> Response:
        """Take every step, and do the work, for a host that waits for each of them.

        Args:
            transactions: runs the work.
            authenticate: says who asks.
            limiter: counts the request, and says what its caller has left.
        """
        try:
            if (early := self.begin()) is not None:
                return early
            self.admit(limiter(self.identify(authenticate())))
            self.check()
            answer = carry_out(transactions, self.read(self._request.body))
        except Exception as error:
            return self.refuse(error)
        return self.answer(answer)

    # --- Steps ---

    def begin(self) -> Response | None:
        """Find the operation.

        Returns:
            The response to ``OPTIONS``, after which there is nothing to do; None otherwise.

        Raises:
            RequestError: the path or the method has none.
        """
        found = route(self._request.method, self._request.path, extensions=self._setting.extensions)
        if isinstance(found, str):
            return self._response(204, None, {"Allow": found}, "ok")
        self._route = found
        self._inflection = headers.inflection(self._request.headers)
        return None

    def identify(self, caller: Actor | Caller | None) -> Caller:
        """Take whom the host has authenticated.

        Raises:
            RequestError: it is nobody, 401.
            TypeError: it is something else than an `Actor` or a `Caller`.
            ValueError: the caller's representation does not exist.
        """
        if caller is None:
            raise not_authenticated()
        known = Caller(caller) if isinstance(caller, Actor) else caller
        if not _is_caller(known):
            raise TypeError(
                f"authenticate gave {type(caller).__name__}; it must be an Actor, a Caller or None"
            )
        self._caller = known
        if known.representation is not None:
            self._setting = setting_of(known.representation, extensions=self._setting.extensions)
        return known

    def admit(self, quota: Quota | None) -> None:
        """Take what the caller has left of its rate limit.

        Raises:
            RequestError: nothing, 429.
        """
        self._quota = quota
        if quota is not None and quota.exceeded:
            raise too_many(quota.limit, quota.reset)

    def check(self) -> None:
        """Check what the headers say of the body.

        Raises:
            RequestError: it is not JSON.
        """
        if self._request.method == "POST":
            headers.require_json(self._request.headers, has_body=self.has_body)

    @property
    def has_body(self) -> bool:
        """Whether the request has a body that is read, or says that one follows."""
        if self._request.method != "POST":
            return False
        length = headers.values(self._request.headers, "Content-Length")
        chunked = headers.values(self._request.headers, "Transfer-Encoding")
        return bool(self._request.body or chunked or length not in ([], ["0"]))

    def read(self, body: bytes) -> Job:
        """Read the request, with its body.

        Raises:
            RequestError: it is refused because of its form.
            ConnectError: it is refused because of a header or a document.
            RuntimeError: `begin` or `identify` was not called.
        """
        if self._route is None or self._caller is None:
            raise RuntimeError("begin and identify come before read")
        return job_of(self._request._replace(body=body), self._route, self._caller, self._setting)

    # --- Ends ---

    def answer(self, answer: Answer) -> Response:
        """The response with what the operation answers."""
        return self._response(answer.status, answer.document, answer.headers, "ok")

    def refuse(self, error: Exception) -> Response:
        """The response with a refusal. A fault is logged, and the client is not told of it."""
        representation = self._setting.representation
        if isinstance(error, RequestError):
            document = problem_document(
                error.status,
                error.details,
                code=error.code,
                source=error.source,
                representation=representation,
            )
            return self._response(error.status, document, error.headers, error.code)
        if not isinstance(error, ConnectError):
            note_fault(log, self._facts(), error)
            document = problem_document(
                500,
                "The request could not be served.",
                code="internal_error",
                representation=representation,
            )
            return self._response(500, document, {}, "internal_error")
        status, refused = error_document(error, representation=representation)
        more = {"Idempotent-Replayed": "true"} if error.replayed else {}
        if status >= 500:
            note_fault(log, self._facts(), error)
        if status == 503:
            more["Retry-After"] = "1"
        return self._response(status, refused, more, error.code)

    def abandon(self) -> None:
        """Log a request whose client hung up before it was read. Nothing was done."""
        self._log(499, "client_disconnected")

    def _response(
        self, status: int, document: object, more: Mapping[str, str], code: str
    ) -> Response:
        body = b""
        fields = {"Request-Id": self.request_id, **_ALWAYS, **more}
        if document is not None:
            fields["Content-Type"] = "application/json"
            spelled = inflected(document, self._inflection)
            body = json.dumps(spelled, ensure_ascii=False, separators=(",", ":")).encode()
        if self._caller is not None:
            fields["Persona-Organization-Id"] = str(self._caller.actor.organization_id)
        if self._quota is not None:
            fields["RateLimit-Limit"] = str(self._quota.limit)
            fields["RateLimit-Remaining"] = str(self._quota.remaining)
            fields["RateLimit-Reset"] = str(self._quota.reset)
        self._log(status, code)
        return Response(status, fields, body)

    # --- Logs ---

    def _log(self, status: int, code: str) -> None:
        if log.isEnabledFor(logging.INFO):
            note(log, self._facts(), status=status, code=code, started=self._started)

    def _facts(self) -> dict[str, object]:
        """Who asked for what. What a client chose is percent-encoded, and stays in its place."""
        actor = None if self._caller is None else self._caller.actor
        known = self._route
        return {
            "request_id": self.request_id,
            "action": "-" if known is None else known.operation.value,
            "connection": quote(known.connection_id) if known and known.connection_id else "-",
            "actor": "-" if actor is None else str(actor.id),
            "organization": "-" if actor is None else str(actor.organization_id),
        }
