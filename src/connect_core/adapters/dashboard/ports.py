"""Ports: what a host gives the Dashboard, besides its transactions and its rate limiter."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from starlette.requests import Request

from connect_core.parties import Actor


class Visitor(NamedTuple):
    """Who is signed in.

    Attributes:
        actor: who acts, and for which organization.
        name: their name, if `Describe` gives none; None to show the actor's id then.
        expires_at: when the session ends, aware; None if that is not known.
    """

    actor: Actor
    name: str | None = None
    expires_at: datetime | None = None


#: Who is signed in, or nobody.
Authenticated: TypeAlias = Actor | Visitor | None
#: Says who is signed in. Nothing else is asked.
Authenticate: TypeAlias = Callable[[Request], Authenticated | Awaitable[Authenticated]]


class Describe(Protocol):
    """Gives the names under which organizations and actors are shown."""

    def __call__(
        self, ids: Collection[str], visitor: Actor, /
    ) -> Mapping[str, str] | Awaitable[Mapping[str, str]]:
        """The names of those ids that have one and that the visitor may know, by id.

        It is called once for a page. An id without a name is shown itself.
        """
        ...


class Search(Protocol):
    """Finds organizations by a part of their names."""

    def __call__(
        self, text: str, visitor: Actor, /
    ) -> Collection[str] | Awaitable[Collection[str]]:
        """The ids of organizations with this text in their names, the best ones first.

        The first hundred are looked for.
        """
        ...
