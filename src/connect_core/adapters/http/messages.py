"""Requests and responses as plain values: what the handler takes in and gives out.

No web framework is involved. A host that has one turns its own request into a `Request`, and a
`Response` into its own. `Caller` says who asks; the host has authenticated them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from connect_core.jsonapi import Representation
from connect_core.parties import Actor

#: The fields of a header, in the order in which they were sent. Names are in any case.
Headers: TypeAlias = Sequence[tuple[str, str]]


class Request(NamedTuple):
    """A request.

    Attributes:
        method: such as ``GET``.
        path: the path below `root`, as it was sent: still percent-encoded, without the query.
        query: the query as it was sent, without its question mark.
        headers: each header field with its value, repeated ones too.
        body: the body; empty if there is none.
        root: the path at which the API is mounted, such as ``/x/y``; empty at the root. It begins
            the links and the ``Location`` of an answer.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    root: str = ""


class Response(NamedTuple):
    """A response.

    Attributes:
        status: the HTTP status.
        headers: the header fields, without ``Content-Length``.
        body: the body. The answer to ``HEAD`` has that of ``GET``, of which only the length is
            sent.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Caller(NamedTuple):
    """Who asks, and how the answers look.

    Attributes:
        actor: who asks, and for which organization.
        representation: ``"guide"`` or ``"current"``; None for that of the application.
    """

    actor: Actor
    representation: Representation | None = None
