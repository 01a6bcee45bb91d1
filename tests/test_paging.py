"""Pages: sequences of Connections, what is left out of them, and where they begin."""

import copy
import json
import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, asdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import OUR_KEY, PARTNER, T0, without_count

from connect_core import (
    Connection,
    ConnectionService,
    InMemoryStore,
    InvalidRecordError,
    Page,
    Position,
    Selection,
    list_document,
)
from connect_core.paging import count_of
from connect_core.store import Filters, selection_for


def service_with(count: int, store: InMemoryStore) -> ConnectionService:
    """A service with this many Connections of ours, oldest first: ``cxn_0``, ``cxn_1``, ..."""
    for number in range(count):
        store.add(
            Connection.create(
                by=OUR_KEY,
                destination=f"org_{number}",
                id=f"cxn_{number}",
                at=T0 + timedelta(seconds=number),
            )
        )
    return ConnectionService(store)


def ids(connections: Sequence[Connection]) -> list[str]:
    return [str(connection.id) for connection in connections]


class TestPage:
    """A page is a frozen sequence of its Connections."""

    @pytest.fixture
    def page(self) -> Page:
        return service_with(5, InMemoryStore()).list(by=OUR_KEY, limit=3)

    def test_a_sequence(self, page: Page) -> None:
        assert isinstance(page, Sequence)
        assert ids(page) == ids(list(page)) == ["cxn_4", "cxn_3", "cxn_2"]
        assert len(page) == 3
        assert page[0].id == "cxn_4"
        assert page[-1] is page.connections[2]
        assert page[1:] == page.connections[1:]
        assert ids(tuple(reversed(page))) == ["cxn_2", "cxn_3", "cxn_4"]
        assert page.index(page[1]) == 1
        assert page.count(page[1]) == 1
        assert page[0] in page
        with pytest.raises(IndexError):
            page[3]

    def test_an_empty_one_is_false(self, page: Page) -> None:
        assert page
        assert not Page()
        assert list(Page()) == []

    def test_frozen_and_equal_by_value(self, page: Page) -> None:
        with pytest.raises(FrozenInstanceError):
            page.next = None  # type: ignore[misc]  # that is the point
        assert pickle.loads(pickle.dumps(page)) == copy.deepcopy(page) == page
        assert hash(page) == hash(copy.copy(page))
        assert page != Page(page.connections)
        assert not hasattr(page, "__dict__")

    def test_as_a_document(self, page: Page) -> None:
        document: Any = list_document(page, next="/next")
        assert [each["id"] for each in document["data"]] == ids(page)

    def test_a_framework_that_knows_dataclasses_sends_names(self, page: Page) -> None:
        sent = json.loads(json.dumps(asdict(page), default=str))
        assert list(sent) == ["connections", "prev", "next", "unreadable"]


class TestBeyondTheEnds:
    """An empty page knows the way back."""

    def test_after_the_last(self) -> None:
        service = service_with(3, InMemoryStore())
        page = service.list(by=OUR_KEY, after="cxn_0")
        assert page == Page(prev=service.get("cxn_0", by=OUR_KEY).id)
        assert ids(service.list(by=OUR_KEY, before=page.prev)) == ["cxn_2", "cxn_1"]

    def test_before_the_first(self) -> None:
        service = service_with(3, InMemoryStore())
        page = service.list(by=OUR_KEY, before="cxn_2")
        assert page == Page(next=service.get("cxn_2", by=OUR_KEY).id)
        assert ids(service.list(by=OUR_KEY, after=page.next)) == ["cxn_1", "cxn_0"]

    def test_where_there_is_no_other_page(self) -> None:
        service = service_with(1, InMemoryStore())
        assert service.list(by=OUR_KEY, after="cxn_0") == Page()
        assert service.list(by=OUR_KEY, before="cxn_0") == Page()
        assert service.list(by=OUR_KEY, status="active") == Page()
        assert service.list(by=OUR_KEY, actionable="create", after="cxn_0") == Page()

    def test_a_cursor_that_has_left_the_selection(self) -> None:
        service = service_with(3, InMemoryStore())
        service.deactivate("cxn_0", by=OUR_KEY)
        page = service.list(by=OUR_KEY, status="pending", after="cxn_0")
        assert page.prev == "cxn_0"
        assert ids(service.list(by=OUR_KEY, status="pending", before=page.prev)) == [
            "cxn_2",
            "cxn_1",
        ]


class Damaged(InMemoryStore):
    """A store in which some records are not what was written."""

    def __init__(self, unreadable: Sequence[str]) -> None:
        super().__init__()
        self._unreadable = unreadable
        #: How many records each call asked for.
        self.asked: list[int] = []

    def page(
        self, selection: Selection, *, beyond: Position | None, newest_first: bool, limit: int
    ) -> Sequence[Connection | InvalidRecordError]:
        self.asked.append(limit)
        found = super().page(selection, beyond=beyond, newest_first=newest_first, limit=limit)
        return [
            InvalidRecordError(f"connections {each.id}", "status is 'frozen'")
            if isinstance(each, Connection) and each.id in self._unreadable
            else each
            for each in found
        ]


class TestUnreadable:
    """A record that cannot be read is left out and named; the rest is served."""

    @pytest.mark.parametrize("by", [OUR_KEY, PARTNER], ids=["source", "destination"])
    def test_both_parties_see_the_rest(self, by: Any) -> None:
        store = Damaged(["cxn_1"])
        service = service_with(3, store)
        store.add(Connection.create(by=OUR_KEY, destination="org_DEF456", id="cxn_9", at=T0))
        page = service.list(by=by)
        assert ids(page) == (["cxn_2", "cxn_9", "cxn_0"] if by is OUR_KEY else ["cxn_9"])
        assert [error.record for error in page.unreadable] == (
            ["connections cxn_1"] if by is OUR_KEY else []
        )
        assert (page.prev, page.next) == (None, None)

    def test_a_page_is_filled_beyond_them(self) -> None:
        service = service_with(6, Damaged(["cxn_5", "cxn_4", "cxn_2"]))
        page = service.list(by=OUR_KEY, limit=2)
        assert ids(page) == ["cxn_3", "cxn_1"]
        assert [error.record for error in page.unreadable] == [
            "connections cxn_5",
            "connections cxn_4",
            "connections cxn_2",
        ]
        assert page.next == "cxn_1"
        assert ids(service.list(by=OUR_KEY, after=page.next)) == ["cxn_0"]

    def test_how_much_is_read_to_fill_it(self) -> None:
        store = Damaged([f"cxn_{number}" for number in (9, 8, 7, 5)])
        assert ids(service_with(10, store).list(by=OUR_KEY, limit=2)) == ["cxn_6", "cxn_4"]
        # One more than the page has, to see whether there is another; then as many more as were
        # left out so far.
        assert store.asked == [3, 6, 7]

    def test_nothing_readable(self) -> None:
        page = service_with(3, Damaged(["cxn_0", "cxn_1", "cxn_2"])).list(by=OUR_KEY, limit=1)
        assert not page
        assert (page.prev, page.next) == (None, None)
        assert len(page.unreadable) == 3

    @given(st.integers(0, 9), st.sets(st.integers(0, 8)), st.integers(1, 4), st.booleans())
    def test_turning_the_pages(self, count: int, bad: set[int], limit: int, forwards: bool) -> None:
        """Law: turning all pages shows each readable Connection once, whichever are not."""
        service = service_with(count, Damaged([f"cxn_{number}" for number in bad]))
        due = [f"cxn_{number}" for number in reversed(range(count)) if number not in bad]
        seen: list[str] = []
        page = service.list(by=OUR_KEY, limit=limit)
        if not forwards and due:  # begin at the end
            page = service.list(by=OUR_KEY, limit=limit, before=due[-1])
            seen = [due[-1]]
        while True:
            assert len(page) <= limit
            seen = [*seen, *ids(page)] if forwards else [*ids(page), *seen]
            cursor = page.next if forwards else page.prev
            if cursor is None:
                break
            page = service.list(
                by=OUR_KEY, limit=limit, **{"after" if forwards else "before": cursor}
            )
        assert seen == due


class Silent(InMemoryStore):
    """A store that must not be asked."""

    def page(self, *_: object, **__: object) -> Any:
        raise AssertionError("a page was asked for")

    def count(self, selection: Selection, most: int) -> int:
        raise AssertionError(f"a count to {most} was asked for: {selection}")


class TestCount:
    """Counting, with the store's own means or without."""

    @pytest.mark.parametrize("most", [1, 3, 4, 1000])
    def test_a_store_that_cannot_count(self, most: int) -> None:
        """Its records are read, no more than are to be counted; the unreadable ones count, too."""
        store = Damaged(["cxn_2"])
        service_with(4, store)
        service = ConnectionService(without_count(store))
        assert service.count(by=OUR_KEY, most=most) == min(most, 4)
        assert store.asked == [most]

    def test_a_store_that_can(self) -> None:
        store = Damaged(["cxn_2"])
        assert service_with(4, store).count(by=OUR_KEY) == 4
        assert store.asked == []

    @pytest.mark.parametrize(
        "filters",
        [
            {"actionable": "create"},
            {"actionable": "activate", "status": "active"},
            {"direction": "outbound", "source": "org_DEF456"},
            {"name": "\x00"},
            {"name": "\x00", "partners": []},
            {"partners": []},
        ],
        ids=lambda filters: " ".join(filters),
    )
    def test_nothing_is_asked_if_nothing_can_be_selected(self, filters: Filters) -> None:
        store = Silent()
        selection = selection_for(OUR_KEY, **filters)
        assert selection.standings == ()
        assert count_of(store, selection, 100) == 0
        assert ConnectionService(store).count(by=OUR_KEY, **filters) == 0
        assert ConnectionService(without_count(store)).count(by=OUR_KEY, **filters) == 0
