"""Lists: the page of all Connections, with its tabs, its filter and its search."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from logging import Logger, getLogger
from typing import Any, Final, NamedTuple

from connect_core import (
    Actor,
    Connection,
    ConnectionNotFoundError,
    ConnectionService,
    Direction,
    OrganizationId,
    Page,
    Position,
)
from connect_core.adapters.dashboard.forms import Fields, one
from connect_core.adapters.dashboard.pages import Shown, Task
from connect_core.adapters.dashboard.views import Viewpoint, ids_of, summary
from connect_core.adapters.dashboard.wording import AWAITED, STATUSES
from connect_core.adapters.http.refusals import RequestError
from connect_core.parties import MAX_NAME_LENGTH
from connect_core.store import selection_for

log: Final[Logger] = getLogger("connect_core.adapters.dashboard")

#: How many Connections a page shows, and how far a tab counts.
PAGE_SIZE: Final = 25
MOST_COUNTED: Final = 100
#: How many organizations a search by name considers.
MOST_FOUND: Final = 25


class Tab(NamedTuple):
    """A part of the Connections.

    Attributes:
        label: its name.
        filters: the arguments of `ConnectionService.list` that select it.
    """

    label: str
    filters: Mapping[str, str]


TABS: Final[Mapping[str, Tab]] = {
    "needs-action": Tab("Needs my action", {"actionable": AWAITED}),
    "shared-by-us": Tab("Shared by us", {"direction": Direction.OUTBOUND}),
    "shared-with-us": Tab("Shared with us", {"direction": Direction.INBOUND}),
    "all": Tab("All", {}),
}


class Question(NamedTuple):
    """What the page of all Connections is asked.

    Attributes:
        view: the tab.
        status: only Connections with this status; empty for any.
        text: only what is found with this text; empty for all.
        after: begin after this Connection; None to begin at the first.
        before: end before this Connection.
    """

    view: str
    status: str
    text: str
    after: str | None
    before: str | None

    @classmethod
    def of(cls, query: Fields) -> "Question":
        """What a query asks.

        Raises:
            RequestError: there is no such tab, status or page, or the text is too long, 400.
        """
        view, status, text = one(query, "view") or "all", one(query, "status"), one(query, "q")
        if view not in TABS:
            raise _invalid("There is no such list.")
        if status and status not in STATUSES:
            raise _invalid("There is no such status.")
        if len(text) > MAX_NAME_LENGTH:
            raise _invalid(f"Search for {MAX_NAME_LENGTH} characters at most.")
        after, before = one(query, "after") or None, one(query, "before") or None
        if after and before:
            raise _invalid("A page begins after a Connection, or ends before one, not both.")
        return cls(view, status, text, after, before)

    @property
    def filters(self) -> dict[str, Any]:
        """The arguments of `ConnectionService.list` that its tab and its status make."""
        return {**TABS[self.view].filters, **({"status": self.status} if self.status else {})}

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves out any Connections of its tab."""
        return bool(self.status or self.text)

    @property
    def looks_for_names(self) -> bool:
        """Whether the text may be a part of a name, and not an id."""
        return bool(self.text) and not _is_id(self.text)


def _invalid(text: str) -> RequestError:
    return RequestError(400, "invalid_parameter", text)


def _is_id(text: str) -> bool:
    return text.startswith(("cxn_", "org_"))


def connections(visitor: Actor, asked: Question, organizations: Collection[str]) -> Task:
    """A page of Connections.

    Args:
        visitor: who asks.
        asked: which.
        organizations: those whose names have the text in them, as the host found them.
    """

    def work(service: ConnectionService) -> Shown:
        exact = _exact(service, visitor, asked, organizations)
        page = Page()
        if not _is_id(asked.text):
            page = service.list(
                by=visitor,
                **asked.filters,
                name=asked.text or None,
                after=asked.after,
                before=asked.before,
                limit=PAGE_SIZE,
            )
        for error in page.unreadable:
            log.error("left out of a list: %s", error)
        first = asked.after is None and asked.before is None
        found = [*(exact if first else []), *(each for each in page if each not in exact)]
        counts = _counts(service, visitor)
        return Shown("connections", ids_of(found), partial(_context, asked, found, page, counts))

    return Task(work)


def _counts(service: ConnectionService, visitor: Actor) -> dict[str, int]:
    """How many Connections each tab has, counted no further than `MOST_COUNTED`."""
    counts = {
        view: service.count(by=visitor, **tab.filters, most=MOST_COUNTED)
        for view, tab in TABS.items()
        if tab.filters
    }
    both = counts["shared-by-us"] + counts["shared-with-us"]
    if 0 < both <= MOST_COUNTED:  # a self-connection is in both
        both = service.count(by=visitor, most=MOST_COUNTED)
    return counts | {"all": min(both, MOST_COUNTED)}


def _exact(
    service: ConnectionService, visitor: Actor, asked: Question, organizations: Collection[str]
) -> list[Connection]:
    """The Connections with the id that is searched for, or with one of these organizations."""
    found: list[Connection | None] = []
    if asked.text.startswith("cxn_"):
        found.append(_got(service, visitor, asked.text))
    partners = [asked.text] if asked.text.startswith("org_") else list(organizations)
    for partner in partners[:MOST_FOUND]:
        if _is_organization(partner):
            found.append(service.find(by=visitor, destination=partner))
            found.append(service.find(by=visitor, source=partner))
    selected = selection_for(visitor, **asked.filters)
    distinct = dict.fromkeys(each for each in found if each is not None)
    return sorted(filter(selected.admits, distinct), key=Position.of, reverse=True)


def _got(service: ConnectionService, visitor: Actor, connection_id: str) -> Connection | None:
    try:
        return service.get(connection_id, by=visitor)
    except ConnectionNotFoundError:
        return None


def _is_organization(text: str) -> bool:
    try:
        OrganizationId(text)
    except ValueError:
        return False
    return True


def _context(
    asked: Question,
    found: Sequence[Connection],
    page: Page,
    counts: Mapping[str, int],
    view: Viewpoint,
) -> Mapping[str, Any]:
    """The variables of the template."""
    return {
        "asked": asked,
        "tabs": [
            {"view": name, "label": tab.label, "count": _counted(counts[name])}
            for name, tab in TABS.items()
        ],
        "statuses": STATUSES,
        "rows": [summary(each, view) for each in found],
        "prev": page.prev,
        "next": page.next,
        "left_out": len(page.unreadable),
        "is_empty": counts["all"] == 0,
    }


def _counted(count: int) -> str:
    return f"{MOST_COUNTED - 1}+" if count == MOST_COUNTED else str(count)
