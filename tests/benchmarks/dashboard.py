"""The Dashboard: its lists as a database grows, its page against the API's answer, and its size.

Every comparison is made in one process and without a network: the applications get ASGI messages,
and take turns. Both ask the same function who makes the request. The host gives no names, so that
ids are shown; only the size is measured with names, because these make a page longer.
"""

import asyncio
import json
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from gzip import compress
from statistics import median
from timeit import Timer

from http_api import MemoryTransactions, asgi_scope, ask_asgi
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.types import ASGIApp

from connect_core import Actor, ConnectionService, Page, list_document
from connect_core.adapters.dashboard import create_dashboard, lists
from connect_core.adapters.dashboard.links import Links
from connect_core.adapters.dashboard.pages import Shown
from connect_core.adapters.dashboard.ports import Visitor
from connect_core.adapters.dashboard.visit import Visit
from connect_core.adapters.http import create_api
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.adapters.sql import Transactions
from connect_core.history import utc_now

from .http import AsyncSample, timed, turns
from .results import AtMost, Fact, Figure, Section
from .store import ALL, LARGE, SMALL, Fresh, fill, middle, on_each
from .timing import Sample, paired_ratio, race

_AS_IT_GROWS = AtMost(1.5)
_AGAINST_THE_API = AtMost(2)
_MOST_BYTES = 60_000
#: How many rounds there are of a search, which reads everything that the organization has.
_SEARCHES = 10

#: The pages, by their queries. `{middle}` stands for the Connection in the middle of the table.
_PAGES: dict[str, str] = {
    "first page": "",
    "?view=needs-action": "?view=needs-action",
    "?view=shared-with-us&status=active": "?view=shared-with-us&status=active",
    "a page in the middle": "?after={middle}",
}
_SEARCHING: dict[str, str] = {
    "?q=, in every name": "?q=partner",
    "?q=, in no name": "?q=nobody",
}


def showing(rounds: int) -> list[Section]:
    """Measure the Dashboard on each database, beside the API, and its size."""
    return [*on_each(partial(_measured, rounds)), _sizes()]


def _measured(rounds: int, name: str, fresh: Fresh) -> list[Section]:
    sections = [_growing(rounds, name, fresh)]
    if name == "SQLite":
        sections.append(_rendering(rounds, fresh))
    return sections


def _dashboard(engine: Engine) -> ASGIApp:
    return create_dashboard(authenticate=lambda _: ALL, transactions=Transactions(engine))


# --- As the database grows -----------------------------------------------------------------------


def _growing(rounds: int, name: str, fresh: Fresh) -> Section:
    """How long a page takes with a million Connections of the visitor's, against a thousand."""
    with fresh() as small, fresh() as large:
        fill(small, SMALL, others=False)
        fill(large, LARGE, others=False)
        figures = asyncio.run(_grown(_dashboard(small), _dashboard(large), rounds))
    return Section(f"The Dashboard, {LARGE:,} Connections on {name} (medians)", figures)


async def _grown(few: ASGIApp, many: ASGIApp, rounds: int) -> tuple[Figure, ...]:
    baseline = f"the same with {SMALL:,} Connections"
    figures: list[Figure] = []
    for subject, query in (_PAGES | _SEARCHING).items():
        times = await turns(
            {
                subject: _getting(many, "/connections" + query.format(middle=middle(LARGE))),
                baseline: _getting(few, "/connections" + query.format(middle=middle(SMALL))),
            },
            rounds if subject in _PAGES else _SEARCHES,
        )
        bound = _AS_IT_GROWS if subject in _PAGES else None
        figures.append(_compared(subject, baseline, times, bound))
    return tuple(figures)


def _getting(app: ASGIApp, path: str) -> AsyncSample:
    return partial(timed, app, "GET", path, 200)


def _compared(
    subject: str,
    baseline: str,
    times: Mapping[str, list[float]],
    bound: AtMost | None,
) -> Figure:
    ours, theirs = times[subject], times[baseline]
    ratio = paired_ratio(ours, theirs)
    return Figure(subject, median(ours), baseline, median(theirs), bound, paired_ratio=ratio)


# --- Rendering -----------------------------------------------------------------------------------


def _rendering(rounds: int, fresh: Fresh) -> Section:
    """How long the page of 25 Connections takes, against the API's JSON of the same 25."""
    with fresh() as engine:
        transactions = Transactions(engine)
        transactions.change(_fill_a_page)
        api = create_api(authenticate=lambda _: ALL, transactions=transactions)
        figures = [
            asyncio.run(_answered(_dashboard(engine), api, rounds)),
            *_written(transactions, rounds),
        ]
    title = f"The Dashboard's page of {lists.PAGE_SIZE} Connections (medians)"
    return Section(title, tuple(figures))


def _fill_a_page(service: ConnectionService) -> None:
    """One page and a little more: in both directions, with every status, half of them named."""
    for number in range(lists.PAGE_SIZE + 5):
        partner = Actor(id=f"usr_{number}", organization_id=f"org_{number}")
        source, destination = (ALL, partner) if number % 2 else (partner, ALL)
        name = f"Partner {number}" if number % 4 < 2 else None
        made = service.create(by=source, destination=destination.organization_id, name=name)
        if number % 3:
            service.activate(made.connection.id, by=destination)
        if number % 3 == 2:
            service.deactivate(made.connection.id, by=source)


async def _answered(dashboard: ASGIApp, api: ASGIApp, rounds: int) -> Figure:
    subject, baseline = "GET /connections", "the same 25 from the API, as JSON"
    times = await turns(
        {
            subject: _getting(dashboard, "/connections"),
            baseline: _getting(api, f"{CONNECTIONS}?page[size]={lists.PAGE_SIZE}"),
        },
        rounds,
    )
    return _compared(subject, baseline, times, _AGAINST_THE_API)


def _written(transactions: Transactions, rounds: int) -> list[Figure]:
    """The page alone, and its parts, against the JSON alone, without database and application."""
    asked = lists.ListQuery.of({})
    shown = transactions.ask(lists.connections(ALL, asked, ()).work)
    page = transactions.ask(lambda service: service.list(by=ALL, limit=lists.PAGE_SIZE))
    assert isinstance(shown, Shown)
    visit = Visit(
        Request(asgi_scope("GET", "/connections")), Links(""), host_links={}, clock=utc_now
    )
    visit.visitor = Visitor(ALL)
    baseline = "list_document and json.dumps"
    contestants: dict[str, Callable[[], object]] = {
        "views and template": partial(visit.page, shown.template, shown.context, ALL),
        baseline: partial(_as_json, page),
    }
    times = race({name: _one_call(call) for name, call in contestants.items()}, rounds)
    return [_compared(name, baseline, times, None) for name in contestants if name != baseline]


def _as_json(page: Page) -> bytes:
    document = list_document(page, next=page.next)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _one_call(action: Callable[[], object]) -> Sample:
    return partial(Timer(action).timeit, 1)


# --- Size ----------------------------------------------------------------------------------------

#: What a page loads: scripts, and links that are neither to a page nor to data.
_LOADED = re.compile(r'<(?:script|link|img)\b[^>]*?\b(?:src|href)="([^"]+)"')


def _sizes() -> Section:
    """How many bytes a browser that knows nothing yet loads for the page of 25 Connections.

    The Dashboard compresses its files, but no page; a host or a proxy may.
    """
    transactions = MemoryTransactions()
    transactions.change(_fill_a_page)
    app = create_dashboard(
        authenticate=lambda _: ALL, transactions=transactions, describe=_described
    )
    page = _body(app, "/connections", "identity")
    assert page.count(b'class="row-title"') == lists.PAGE_SIZE
    loaded = _LOADED.findall(page.decode())
    files = {
        address.rpartition("/")[2]: (_body(app, address, "identity"), _body(app, address, "gzip"))
        for address in loaded
    }
    sent = {"the page": (page, compress(page, mtime=0)), **files}
    total = len(page) + sum(len(compressed) for _, compressed in files.values())
    kinds = sorted(name.rpartition(".")[2] for name in files)
    sizes = [
        Fact(f"{name}: {len(plain):,} bytes, {len(compressed):,} with gzip", True)
        for name, (plain, compressed) in sent.items()
    ]
    return Section(
        "What a browser loads for 25 Connections",
        (),
        (
            *sizes,
            Fact(
                f"the page, and its files with gzip: {total:,} bytes, of {_MOST_BYTES:,}",
                total <= _MOST_BYTES,
            ),
            Fact("one style sheet, one script, one icon", kinds == ["css", "js", "svg"]),
        ),
    )


def _described(ids: Collection[str], _: Actor) -> Mapping[str, str]:
    return {each: f"Example Organization {each.rpartition('_')[2]}" for each in ids}


def _body(app: ASGIApp, path: str, encoding: str) -> bytes:
    """The body of an answer, which has to have the coding that is asked for."""
    asked = {"type": "http.request", "body": b"", "more_body": False}
    scope = asgi_scope("GET", path, {"Host": "127.0.0.1", "Accept-Encoding": encoding})
    start, *rest = ask_asgi(app, scope, [asked])
    assert start["status"] == 200, path
    assert dict(start["headers"]).get(b"content-encoding", b"identity").decode() == encoding
    return b"".join(message.get("body", b"") for message in rest)
