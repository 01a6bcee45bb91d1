"""Routes: which page a method and a path name. There are no redirects because of a slash."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, NamedTuple

from connect_core.adapters.dashboard.pages import STEPS
from connect_core.adapters.http.refusals import RequestError


class Place(Enum):
    """The pages."""

    #: Where the Dashboard is mounted; it leads to the Connections.
    ROOT = auto()
    #: All Connections.
    CONNECTIONS = auto()
    #: The form to create one.
    NEW = auto()
    #: One Connection.
    CONNECTION = auto()
    #: A step of a Connection, to be confirmed.
    STEP = auto()
    #: The visitor's organization.
    ORGANIZATION = auto()
    #: To sign in with a key.
    SIGN_IN = auto()
    #: To sign in with a link.
    SIGN_IN_LINK = auto()
    #: To sign out.
    SIGN_OUT = auto()
    #: None.
    NOWHERE = auto()


#: The methods that each page takes.
_METHODS: Final[Mapping[Place, tuple[str, ...]]] = {
    Place.NEW: ("GET", "POST"),
    Place.STEP: ("GET", "POST"),
    Place.SIGN_IN: ("GET", "POST"),
    Place.SIGN_IN_LINK: ("GET", "POST"),
    Place.SIGN_OUT: ("POST",),
}
#: The pages without a variable part in their paths.
_FIXED: Final[Mapping[tuple[str, ...], Place]] = {
    ("",): Place.ROOT,
    ("connections",): Place.CONNECTIONS,
    ("connections", "new"): Place.NEW,
    ("organization",): Place.ORGANIZATION,
    ("sign-in",): Place.SIGN_IN,
    ("sign-out",): Place.SIGN_OUT,
}


class Route(NamedTuple):
    """A page, and the variable parts of its path."""

    place: Place
    parts: tuple[str, ...] = ()


def route(path: str) -> Route:
    """The page at a path below the mount.

    Ids have no character that would be percent-encoded, and so nothing is decoded.
    """
    parts = tuple(path.removeprefix("/").split("/"))
    if parts in _FIXED:
        return Route(_FIXED[parts])
    match parts:
        case ("connections", connection_id) if connection_id:
            return Route(Place.CONNECTION, (connection_id,))
        case ("connections", connection_id, step) if connection_id and step in STEPS:
            return Route(Place.STEP, (connection_id, step))
        case ("sign-in", token) if token:
            return Route(Place.SIGN_IN_LINK, (token,))
        case _:
            return Route(Place.NOWHERE)


def require_method(method: str, place: Place) -> None:
    """Refuse a method that a page does not take. ``HEAD`` is as good as ``GET``.

    Raises:
        RequestError: 405, with ``Allow``.
    """
    methods = _METHODS.get(place, ("GET",))
    if method in methods or (method == "HEAD" and "GET" in methods):
        return
    allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
    raise RequestError(
        405,
        "method_not_allowed",
        "This page cannot be used in that way.",
        headers={"Allow": allowed},
    )
