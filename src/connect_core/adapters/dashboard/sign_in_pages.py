"""The pages to sign in and out, for a Dashboard whose visitors sign in with a key."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from starlette.responses import Response

from connect_core.adapters.dashboard.forms import Fields, one
from connect_core.adapters.dashboard.origin import is_insecure
from connect_core.adapters.dashboard.ports import Visitor
from connect_core.adapters.dashboard.routing import Place, Route
from connect_core.adapters.dashboard.visit import Visit
from connect_core.adapters.dashboard.wording import Names
from connect_core.adapters.http.refusals import RequestError

if TYPE_CHECKING:
    from connect_core.adapters.dashboard.sign_in import KeySignIn
    from connect_core.adapters.sql import NewBrowserSession

#: The pages of this module.
PLACES: Final = frozenset({Place.SIGN_IN, Place.SIGN_IN_LINK, Place.SIGN_OUT})

_WRONG_KEY: Final = (
    "This key cannot be used. Check that it is complete; it may also have expired, or have been"
    " revoked."
)


#: The same for a link that has expired and one that never was, so that it says nothing about keys.
_WRONG_LINK: Final = "This sign-in link is not valid or has expired. Ask for a new one."


#: Gives the names of these ids that somebody may know.
NamesFor: TypeAlias = Callable[[frozenset[str], Visitor], Awaitable[Names]]


#: Calls a function, and waits for what it returns.
Call: TypeAlias = Callable[..., Awaitable[Any]]


async def sign_in_page(
    visit: Visit,
    sign_in: "KeySignIn",
    route: Route,
    form: Fields,
    names_for: NamesFor,
    call: Call,
) -> Response:
    """The answer to a request for one of the pages to sign in or out.

    Args:
        visit: the request. Who is signed in is known.
        sign_in: keeps the sessions.
        route: the page.
        form: the fields of the form, or of the query.
        names_for: gives names.
        call: calls the functions of `sign_in`.

    Raises:
        RequestError: the link can no longer be used, 404; or the network has no TLS, 403.
        StoreUnavailableError: the database is not available.
    """
    posts = visit.request.method == "POST"
    if route.place is Place.SIGN_OUT:
        await call(sign_in.end, visit.request)
        response = visit.redirect(visit.links.to("sign-in"))
        sign_in.forget(response)
        return response
    if posts and is_insecure(visit.request.headers):
        raise RequestError(
            403, "insecure", "Sign in over https: here, others could read your key on its way."
        )
    if route.place is Place.SIGN_IN_LINK:
        return await _by_link(visit, sign_in, route.parts[0], names_for, call)
    return await _by_key(visit, sign_in, form, call)


async def _by_key(visit: Visit, sign_in: "KeySignIn", form: Fields, call: Call) -> Response:
    place = one(form, "next") or "/connections"
    if visit.visitor is not None and visit.request.method != "POST":
        return visit.redirect(visit.links.back_to(place))
    problem = ""
    if visit.request.method == "POST":
        started = await call(sign_in.begin, visit.request, one(form, "key"))
        if started is not None:
            return _started(visit, sign_in, started, place)
        problem = _WRONG_KEY if one(form, "key") else "Enter your key."
    visit.visitor = None
    return visit.public_page(
        "sign_in",
        {"next": place, "problem": problem},
        status=401 if problem else 200,
        code="wrong_key" if problem else "ok",
    )


async def _by_link(
    visit: Visit, sign_in: "KeySignIn", token: str, names_for: NamesFor, call: Call
) -> Response:
    key = await call(sign_in.holder, token)
    if key is None:
        raise RequestError(404, "not_found", _WRONG_LINK)
    if visit.request.method == "POST":
        started = await call(sign_in.begin_by_link, visit.request, token)
        if started is not None:
            return _started(visit, sign_in, started, "/connections")
        raise RequestError(404, "not_found", _WRONG_LINK)
    if visit.visitor is not None and visit.visitor.actor == key.actor:
        return visit.redirect(visit.links.to("connections"))
    visit.visitor = None
    names = await names_for(frozenset(), Visitor(key.actor, key.name))
    holder = str(key.organization_id)
    return visit.public_page(
        "sign_in_link", {"token": token, "holder": names.of(holder), "holder_id": holder}
    )


def _started(
    visit: Visit, sign_in: "KeySignIn", started: "NewBrowserSession", place: str
) -> Response:
    response = visit.redirect(visit.links.back_to(place))
    sign_in.remember(response, visit.request, started)
    return response
