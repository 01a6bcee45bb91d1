"""The application: the pages behind ASGI, to be mounted or served.

It has no lifespan: a mounted application's never runs. Everything that it needs is given to
`create_dashboard`.
"""

import sys
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from connect_core import Action, Actor, ConnectError, arguments
from connect_core.adapters.dashboard import lists, pages
from connect_core.adapters.dashboard.forms import FORM_TYPE, Fields, fields_of
from connect_core.adapters.dashboard.links import Links
from connect_core.adapters.dashboard.origin import require_same_origin
from connect_core.adapters.dashboard.pages import Outcome, Redirect, Task
from connect_core.adapters.dashboard.ports import Authenticate, Describe, Search, Visitor
from connect_core.adapters.dashboard.rendering import asset_response
from connect_core.adapters.dashboard.routing import Place, Route, require_method, route
from connect_core.adapters.dashboard.sign_in_pages import PLACES, Call, sign_in_page
from connect_core.adapters.dashboard.visit import NOT_FOUND, Visit
from connect_core.adapters.dashboard.wording import Names
from connect_core.adapters.http import Caller
from connect_core.adapters.http.asgi import (
    body_of,
    called,
    is_async,
    mounted,
    no_lifespan,
)
from connect_core.adapters.http.ports import (
    AsyncTransactionsLike,
    Limiter,
    TransactionsLike,
    require_transactions,
)
from connect_core.adapters.http.refusals import RequestError, too_many
from connect_core.history import utc_now

if TYPE_CHECKING:
    from connect_core.adapters.dashboard.sign_in import KeySignIn


def create_dashboard(
    *,
    authenticate: Authenticate,
    transactions: TransactionsLike | AsyncTransactionsLike,
    describe: Describe | None = None,
    search: Search | None = None,
    sign_in: "KeySignIn | str | None" = None,
    links: Mapping[str, str] | None = None,
    limiter: Limiter | None = None,
    clock: Callable[[], datetime] = utc_now,
    max_body: int = 64 * 1024,
    body_timeout: float = 20.0,
) -> ASGIApp:
    """The Dashboard as an ASGI application, to be mounted at any path or served alone.

    Below the mount are ``/connections`` and ``/organization``. It knows nothing but its arguments,
    and needs no lifespan. Functions but `clock` may be asynchronous; if not, they run in the
    thread pool.

    Args:
        authenticate: says who makes a request: an `Actor`, a `Visitor`, or None for nobody. It must
            rely on nothing but what it has checked, such as the host's session. For somebody who is
            signed in but may not use the Dashboard, it raises Starlette's ``HTTPException``; if its
            database does not answer, `StoreUnavailableError`.
        transactions: `connect_core.adapters.sql.Transactions`, `AsyncTransactions`, or your own.
        describe: gives the names of organizations and actors; without it, ids are shown. It is also
            asked for actors of other organizations, and leaves out what the visitor may not know.
        search: finds organizations by a part of their names, of which the first 100 are looked for;
            without it, only the names of Connections are searched.
        sign_in: where somebody goes who is not signed in: the path of a page of the host's, to
            which ``next`` is added; or a `KeySignIn`, with pages of its own. Without it, the answer
            is 401.
        links: links to pages of the host, by their labels, for the head of every page that
            somebody signed in sees.
        limiter: counts the requests of each visitor; without it there is no limit.
        clock: gives the current time, aware, for the ages of what is shown; the system's clock in
            UTC if omitted.
        max_body: the most bytes that a form has.
        body_timeout: how long a form may take to arrive, in seconds.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is not valid.
    """
    require_transactions(transactions)
    for name, value in (("authenticate", authenticate), ("clock", clock)):
        arguments.function(value, name)
    optional = {"describe": describe, "search": search, "limiter": limiter}
    for name, function in optional.items():
        if function is not None:
            arguments.function(function, name)
    arguments.number(max_body, "max_body", 1, sys.maxsize)
    arguments.seconds(body_timeout, "body_timeout")
    if not (sign_in is None or isinstance(sign_in, str) or hasattr(sign_in, "begin")):
        raise TypeError(f"sign_in is {sign_in!r}; it must be a KeySignIn, a path or None")
    links = {} if links is None else links
    if not isinstance(links, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"links is {links!r}; it must be a dict of addresses by their labels")
    for each in (*links, *links.values()):
        arguments.text(each, "links")
    return _Dashboard(
        authenticate,
        transactions,
        describe,
        search,
        sign_in,
        dict(links),
        limiter,
        clock,
        max_body,
        body_timeout,
    )


class _Dashboard:
    def __init__(
        self,
        authenticate: Authenticate,
        transactions: TransactionsLike | AsyncTransactionsLike,
        describe: Describe | None,
        search: Search | None,
        sign_in: "KeySignIn | str | None",
        links: Mapping[str, str],
        limiter: Limiter | None,
        clock: Callable[[], datetime],
        max_body: int,
        body_timeout: float,
    ) -> None:
        self._authenticate = authenticate
        self._transactions = transactions
        self._describe = describe
        self._search = search
        self._page = sign_in if isinstance(sign_in, str) else None
        self._keys = None if isinstance(sign_in, str) else sign_in
        self._host_links: Final = links
        self._limiter = limiter
        self._clock = clock
        self._max_body = max_body
        self._body_timeout = body_timeout
        functions = (authenticate, transactions.change, describe, search, limiter)
        self._is_synchronous = not any(map(is_async, functions))
        self._call: Call = _called_directly if self._is_synchronous else called

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await no_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            response = await self._response(Request(scope, receive))
            if response is not None:
                if scope["method"] == "HEAD":
                    response.body = b""  # the length stays that of the page
                with suppress(OSError):  # the client hung up meanwhile
                    await response(scope, receive, send)

    async def _response(self, request: Request) -> Response | None:
        """The answer; None if the client hung up before its request was read."""
        root, path = mounted(request.scope)
        if path.startswith("/assets/") and (found := _asset(request, path)) is not None:
            return found
        visit = Visit(request, Links(root), host_links=self._host_links, clock=self._clock)
        try:
            received = await self._received(request)
        except ClientDisconnect:
            visit.abandon()
            return None
        steps = self._answered(visit, path, received)
        return await (run_in_threadpool(_result_of, steps) if self._is_synchronous else steps)

    async def _received(self, request: Request) -> bytes | RequestError:
        """The form of a request, or why it is refused."""
        if request.method != "POST":
            return b""
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            require_same_origin(request.headers)
            if kind != FORM_TYPE:
                return RequestError(
                    415, "not_a_form", "Only the forms of these pages can be sent here."
                )
            return await body_of(request, self._max_body, self._body_timeout)
        except RequestError as error:
            return error

    async def _answered(self, visit: Visit, path: str, received: bytes | RequestError) -> Response:
        """The answer. If the host's functions are synchronous, this waits for nothing."""
        try:
            return await self._visited(visit, path, received)
        except Exception as error:
            with suppress(Exception):  # show the page even if the host's `describe` fails
                if visit.visitor is not None:
                    visit.names = await self._names(frozenset(), visit.visitor)
            return visit.refusal(error)

    async def _visited(self, visit: Visit, path: str, received: bytes | RequestError) -> Response:
        """Take every step of a request: who sends it, from where, and what is to be done."""
        request, found = visit.request, route(path)
        is_for_sign_in = self._keys is not None and found.place in PLACES
        visit.visitor = await self._who(request)
        visit.can_sign_out = self._keys is not None
        if is_for_sign_in or visit.visitor is not None:
            if found.place in PLACES and not is_for_sign_in:
                found = Route(Place.NOWHERE)
            require_method(request.method, found.place)
        if isinstance(received, RequestError):
            raise received
        form = fields_of(received if request.method == "POST" else _query(request))
        if self._keys is not None and is_for_sign_in:
            return await sign_in_page(visit, self._keys, found, form, self._names, self._call)
        if visit.visitor is None:
            return self._not_signed_in(visit, path, form)
        await self._admit(visit.visitor.actor)
        return await self._shown(visit, visit.visitor, found, form)

    # --- Who asks ---

    async def _who(self, request: Request) -> Visitor | None:
        known = await self._call(self._authenticate, request)
        if isinstance(known, Actor):
            return Visitor(known)
        if known is None or (isinstance(known, Visitor) and isinstance(known.actor, Actor)):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped hosts
            return known
        raise TypeError(
            f"authenticate gave {type(known).__name__}; it must be an Actor, a Visitor or None"
        )

    def _not_signed_in(self, visit: Visit, path: str, form: Fields) -> Response:
        """To the page to sign in, or, after a form, what has happened. Nothing was changed."""
        query = _query(visit.request)
        place = f"{path}?{query}" if query else path
        address = None
        if self._keys is not None:
            address = visit.links.to("sign-in", next=_page_of_form(place, form, visit))
        elif self._page is not None:
            back = visit.links.back_to(_page_of_form(place, form, visit))
            joint = "&" if "?" in self._page else "?"
            address = f"{self._page}{joint}{urlencode({'next': back})}"
        if address is not None and visit.request.method in ("GET", "HEAD"):
            return visit.redirect(address)
        return visit.public_page("signed_out", {"address": address}, status=401, code="signed_out")

    async def _admit(self, actor: Actor) -> None:
        """Count the request.

        Raises:
            RequestError: it is one too many, 429.
        """
        if self._limiter is None:
            return
        quota = await self._call(self._limiter, Caller(actor))
        if quota.exceeded:
            raise too_many(quota.limit, quota.reset)

    # --- What is asked ---

    async def _shown(self, visit: Visit, visitor: Visitor, found: Route, form: Fields) -> Response:
        outcome = await self._outcome(await self._task(visit, visitor.actor, found, form))
        if isinstance(outcome, Redirect):
            return visit.redirect(outcome.address)
        visit.names = await self._names(outcome.ids, visitor)
        return visit.page(outcome.template, outcome.context, visitor.actor, status=outcome.status)

    async def _task(self, visit: Visit, actor: Actor, found: Route, form: Fields) -> Task | Outcome:
        """What is to be done; its outcome, if that needs no transaction."""
        posts = visit.request.method == "POST"
        match found.place:
            case Place.ROOT:
                return Redirect(visit.links.to("connections"))
            case Place.CONNECTIONS:
                query = lists.ListQuery.of(form)
                return lists.connections(actor, query, await self._found(actor, query))
            case Place.NEW if posts:
                return pages.create(actor, form, visit.links)
            case Place.NEW:
                return pages.creation(form)
            case Place.CONNECTION:
                return pages.connection(actor, found.parts[0], form)
            case Place.STEP if posts:
                connection_id, step = found.parts
                return pages.take(actor, connection_id, Action(step), form, visit.links)
            case Place.STEP:
                return pages.confirmation(actor, found.parts[0], Action(found.parts[1]))
            case Place.ORGANIZATION:
                return pages.information()
            case _:
                raise RequestError(404, "not_found", NOT_FOUND)

    async def _outcome(self, task: Task | Outcome) -> Outcome:
        """Do the work of a task, and that of the task which shows its refusal."""
        if not isinstance(task, Task):
            return task
        try:
            run = self._transactions.change if task.changes else self._transactions.ask
            return cast("Outcome", await self._call(run, task.work))
        except ConnectError as error:
            if (shown := task.refused(error)) is None:
                raise
        return await self._outcome(shown)

    # --- What the host knows ---

    async def _found(self, actor: Actor, query: lists.ListQuery) -> Collection[str]:
        """Organizations whose names contain the search text."""
        if self._search is None or not query.looks_for_names:
            return ()
        return cast("Collection[str]", await self._call(self._search, query.text, actor))

    async def _names(self, ids: frozenset[str], visitor: Visitor) -> Names:
        """The names of these, of a visitor, and of its organization."""
        actor, name, _ = visitor
        known = {str(actor.id): name} if name else {}
        if self._describe is not None:
            wanted = ids | {str(actor.id), str(actor.organization_id)}
            known |= cast("Mapping[str, str]", await self._call(self._describe, wanted, actor))
        return Names(known)


def _asset(request: Request, path: str) -> Response | None:
    digest, _, name = path.removeprefix("/assets/").partition("/")
    if request.method not in ("GET", "HEAD"):
        return None
    accepted = request.headers.get("Accept-Encoding", "")
    return asset_response(digest, name, accepts_gzip="gzip" in accepted)


def _page_of_form(place: str, form: Fields, visit: Visit) -> str:
    """The page with a form, filled in again; the page itself if it was no form that was sent."""
    if visit.request.method != "POST" or not place.startswith("/connections/new"):
        return place
    kept = [(name, value) for name, values in form.items() for value in values if name != "key"]
    return f"/connections/new?{urlencode(kept)}"


def _query(request: Request) -> str:
    query: bytes = request.scope.get("query_string", b"")
    return query.decode("latin-1")


async def _called_directly(function: Callable[..., Any], *arguments: object) -> Any:
    return function(*arguments)


def _result_of(steps: Coroutine[Any, Any, Response]) -> Response:
    """The result of steps that wait for nothing."""
    try:
        steps.send(None)
    except StopIteration as done:
        return cast("Response", done.value)
    raise RuntimeError("the steps have waited")  # pragma: no cover  # nothing in them can
