"""Links: the addresses of the pages, relative to where the Dashboard is mounted.

Nothing is taken from ``Host`` or from any ``X-Forwarded-`` field, so that no request can make a
link, or a redirect, lead elsewhere.
"""

from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlencode

#: The characters that stay as they are in a path that leads back to a page, besides letters.
_SAFE: Final = "/?&=%-_.~+"


class Links(NamedTuple):
    """Makes addresses.

    Attributes:
        root: where the Dashboard is mounted, percent-encoded; empty at the root.
    """

    root: str

    def to(self, *parts: str, **query: str | None) -> str:
        """The address of a page: parts of its path, and members of its query that are not None."""
        path = "/".join([self.root, *(quote(part, safe="") for part in parts)])
        if not query:
            return path
        given = {name: value for name, value in query.items() if value is not None}
        return f"{path}?{urlencode(given)}" if given else path

    def back_to(self, place: str) -> str:
        """The address of the page at a place that a request names, such as ``/connections?a=b``.

        Whatever the request names, the address is one below the mount. A browser would resolve
        ``..``, also if it is percent-encoded, and so such a place leads to the Connections.
        """
        segments = unquote(place.partition("?")[0]).split("/")
        if not {".", ".."}.isdisjoint(segments):
            return self.to("connections")
        return f"{self.root}/{quote(place.lstrip('/'), safe=_SAFE)}"
