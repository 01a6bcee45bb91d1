"""Pages: a part of a list of Connections, and how it is read from a store.

Lists are sorted by (created at, id), newest first. A page begins after a Connection, or ends before
one, so that pages neither skip nor repeat Connections while others are created. This module does
not decide who may see what: `connect_core.service` does.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

from connect_core.connection import Connection
from connect_core.errors import InvalidRecordError
from connect_core.identifiers import ConnectionId
from connect_core.store import ConnectionStore, Position, Selection

#: The most Connections on one page.
MAX_PAGE_SIZE: Final = 100
#: The furthest that Connections are counted.
MAX_COUNT: Final = 1000


@dataclass(frozen=True, slots=True)
class Page(Sequence[Connection]):
    """One page of a list of Connections, newest first: a sequence of them. Immutable.

    Attributes:
        connections: the Connections, at most as many as were asked for.
        prev: pass this as `before` to get the page before; None at the beginning.
        next: pass this as `after` to get the page after; None at the end.
        unreadable: what the store had to leave out of this page, because it is not what was
            written. Log it: each names its record, and an operator has to mend it.
    """

    connections: tuple[Connection, ...] = ()
    prev: ConnectionId | None = None
    next: ConnectionId | None = None
    unreadable: tuple[InvalidRecordError, ...] = ()

    def __len__(self) -> int:
        return len(self.connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self.connections)

    @overload
    def __getitem__(self, index: int) -> Connection: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Connection, ...]: ...
    def __getitem__(self, index: int | slice) -> Connection | tuple[Connection, ...]:
        return self.connections[index]


def page_of(
    store: ConnectionStore,
    selection: Selection,
    cursor: Connection | None,
    *,
    newest_first: bool,
    limit: int,
) -> Page:
    """The page of `selection` that begins after `cursor`.

    Args:
        store: where the Connections are.
        selection: which of them.
        cursor: the Connection before the page; None for the first page. It need not be selected.
        newest_first: True to go on towards older ones, False to go back towards newer ones.
        limit: how many Connections at most.
    """
    here = None if cursor is None else Position.of(cursor)
    found, unreadable = _readable(store, selection, here, newest_first, limit + 1)
    page, more = found[:limit], len(found) > limit
    start = Position.of(page[0]) if page else here
    # Ask what is on the other side: the cursor's Connection may have left the selection.
    behind = here is not None and bool(_readable(store, selection, start, not newest_first, 1)[0])
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    if cursor is not None and not page:
        first = last = cursor.id
    if not newest_first:
        page, first, last, more, behind = page[::-1], last, first, behind, more
    return Page(tuple(page), first if behind else None, last if more else None, tuple(unreadable))


def count_of(store: ConnectionStore, selection: Selection, most: int) -> int:
    """How many Connections are selected, counting no further than `most`.

    Records that cannot be read are counted.
    """
    if not selection.standings:
        return 0
    counted: Callable[[Selection, int], int] | None = getattr(store, "count", None)
    if counted is not None:
        return counted(selection, most)
    return len(store.page(selection, beyond=None, newest_first=True, limit=most))


def _readable(
    store: ConnectionStore,
    selection: Selection,
    beyond: Position | None,
    newest_first: bool,
    limit: int,
) -> tuple[list[Connection], list[InvalidRecordError]]:
    """The first `limit` Connections that can be read, and what had to be left out before them."""
    if not selection.standings:
        return [], []
    asked = limit
    while True:
        items = store.page(selection, beyond=beyond, newest_first=newest_first, limit=asked)
        connections = [each for each in items if isinstance(each, Connection)]
        unreadable = [each for each in items if isinstance(each, InvalidRecordError)]
        if len(items) < asked or len(connections) >= limit:
            return connections[:limit], unreadable
        asked = limit + len(unreadable)
