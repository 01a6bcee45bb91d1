"""Lists: the page of all Connections, with its tabs, its filter and its search."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from connect_core import (
    Actor,
    ConnectionNotFoundError,
    ConnectionService,
    Direction,
    OrganizationId,
    Page,
)
from connect_core.adapters.dashboard.forms import Fields, one
from connect_core.adapters.dashboard.pages import Shown, Task
from connect_core.adapters.dashboard.views import Viewpoint, ids_of, summary
from connect_core.adapters.dashboard.visit import log
from connect_core.adapters.dashboard.wording import AWAITED, STATUSES
from connect_core.adapters.http.refusals import RequestError
from connect_core.parties import MAX_NAME_LENGTH
from connect_core.store import MAX_PARTNERS, selection_for

#: How many Connections a page shows, and how far a tab counts.
PAGE_SIZE: Final = 25
MOST_COUNTED: Final = 100


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


class ListQuery(NamedTuple):
    """The query of the page of all Connections.

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
    def of(cls, query: Fields) -> "ListQuery":
        """The query of a request.

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


def connections(visitor: Actor, query: ListQuery, organizations: Collection[str]) -> Task:
    """A page of Connections.

    Args:
        visitor: who asks.
        query: which.
        organizations: those whose names have the text in them, as the host found them.
    """
    found = [query.text] if query.text.startswith("org_") else organizations
    partners = list(dict.fromkeys(filter(_is_organization, found)))
    leaves_out = len(partners) > MAX_PARTNERS

    def work(service: ConnectionService) -> Shown:
        if query.text.startswith("cxn_"):
            page = _with_id(service, visitor, query)
        else:
            page = service.list(
                by=visitor,
                **query.filters,
                name=query.text or None,
                partners=partners[:MAX_PARTNERS] or None,
                after=query.after,
                before=query.before,
                limit=PAGE_SIZE,
            )
        for error in page.unreadable:
            log.error("left out of a list: %s", error)
        counts = _counts(service, visitor)
        context = partial(_context, query, page, counts, leaves_out)
        return Shown("connections", ids_of(page), context)

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


def _with_id(service: ConnectionService, visitor: Actor, query: ListQuery) -> Page:
    """The Connection with the id that is searched for, if it is in the list."""
    try:
        found = service.get(query.text, by=visitor)
    except ConnectionNotFoundError:
        return Page()
    is_in_list = selection_for(visitor, **query.filters).admits(found)
    return Page((found,)) if is_in_list else Page()


def _is_organization(text: str) -> bool:
    try:
        OrganizationId(text)
    except ValueError:
        return False
    return True


def _context(
    query: ListQuery,
    page: Page,
    counts: Mapping[str, int],
    leaves_out: bool,
    view: Viewpoint,
) -> Mapping[str, Any]:
    """The variables of the template."""
    return {
        "query": query,
        "tabs": [
            {"view": name, "label": tab.label, "count": _counted(counts[name])}
            for name, tab in TABS.items()
        ],
        "statuses": STATUSES,
        "rows": [summary(each, view) for each in page],
        "prev": page.prev,
        "next": page.next,
        "left_out": len(page.unreadable),
        "is_empty": counts["all"] == 0,
        "is_tab_empty": counts[query.view] == 0,
        "most_found": MAX_PARTNERS if leaves_out else None,
    }


def _counted(count: int) -> str:
    return f"{MOST_COUNTED - 1}+" if count == MOST_COUNTED else str(count)
