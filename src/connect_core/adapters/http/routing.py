"""Routes: which operation a method and a path name.

A path is split before it is decoded, so that an encoded slash never separates anything. There are
no redirects: a path with a slash too many names nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote

from connect_core.adapters.http.refusals import RequestError, no_such_path

#: The path of the Connections, below the mount.
CONNECTIONS: Final = "/api/v1/connect/connections"


class Operation(StrEnum):
    """The operations."""

    #: A page of Connections.
    LIST = "list"
    #: A new Connection.
    CREATE = "create"
    #: One Connection.
    RETRIEVE = "retrieve"
    #: To accept; an extension.
    ACTIVATE = "activate"
    #: To withdraw.
    DEACTIVATE = "deactivate"
    #: To offer again.
    REACTIVATE = "reactivate"
    #: The events of a Connection; an extension.
    HISTORY = "history"

    @property
    def is_extension(self) -> bool:
        """Whether it is not among the published ones."""
        return self in (Operation.ACTIVATE, Operation.HISTORY)


class Route(NamedTuple):
    """An operation, and the id of the Connection that the path names; empty for the collection."""

    operation: Operation
    connection_id: str = ""


#: The operation of each method, by what follows the collection's path: nothing, an id, or an id and
#: a word.
_COLLECTION: Final = {"GET": Operation.LIST, "POST": Operation.CREATE}
_ONE: Final = {"GET": Operation.RETRIEVE}
_PARTS: Final[Mapping[str, Mapping[str, Operation]]] = {
    "activate": {"POST": Operation.ACTIVATE},
    "deactivate": {"POST": Operation.DEACTIVATE},
    "reactivate": {"POST": Operation.REACTIVATE},
    "history": {"GET": Operation.HISTORY},
}


def route(method: str, path: str, *, extensions: bool) -> Route | str:
    """The operation of a request; for ``OPTIONS``, the methods of the path, as ``Allow`` has them.

    Args:
        method: the method. ``HEAD`` is routed like ``GET``.
        path: the path below the mount, percent-encoded.
        extensions: whether there are operations beyond the published ones.

    Raises:
        RequestError: 404 if the path is no operation's; 405, with ``Allow``, if the method is not.
    """
    operations, connection_id = _resource(path)
    operations = {
        each: operation
        for each, operation in operations.items()
        if extensions or not operation.is_extension
    }
    if not operations:
        raise no_such_path()
    operation = operations.get("GET" if method == "HEAD" else method)
    if operation is not None:
        return Route(operation, connection_id)
    allowed = ", ".join(
        sorted({*operations, "OPTIONS", *(["HEAD"] if "GET" in operations else [])})
    )
    if method == "OPTIONS":
        return allowed
    raise RequestError(
        405, "method_not_allowed", f"This path takes {allowed}.", headers={"Allow": allowed}
    )


def _resource(path: str) -> tuple[Mapping[str, Operation], str]:
    if path == CONNECTIONS:
        return _COLLECTION, ""
    if not path.startswith(f"{CONNECTIONS}/"):
        return {}, ""
    connection_id, *rest = path.removeprefix(f"{CONNECTIONS}/").split("/")
    if not connection_id or len(rest) > 1:
        return {}, ""
    return _PARTS.get(rest[0], {}) if rest else _ONE, unquote(connection_id)
