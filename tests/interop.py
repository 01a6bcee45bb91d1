"""The interop table: ``uv run --group test python -m tests.interop``.

It runs all vectors, and an exploration, against every implementation that there is: the reference,
the service on each store, the HTTP API in both forms of the documents, Node.js and Perl. It writes
``docs/interop.md``, and needs PostgreSQL, MariaDB, Node.js and Perl. It takes a minute or two.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":  # the modules of the tests are found as pytest finds them
    sys.path.insert(0, str(Path(__file__).parent))

from databases import STORES, Backend, backend
from http_api import MemoryTransactions
from http_services import key_for
from peers import PEER, PERL_PEER
from sqlalchemy import delete

from connect_core import Actor, ConnectionService, InMemoryStore
from connect_core.adapters.http import create_api
from connect_core.adapters.sql import connection_events, connections
from connect_core.conformance import (
    AsgiService,
    HttpProfile,
    Profile,
    ReferenceSystem,
    Report,
    ServiceSystem,
    StdioPeer,
    System,
    explore,
    report_json,
    run,
)
from connect_core.conformance.comparison import compare_reports, read_report
from connect_core.jsonapi import Representation

#: The page that is written.
PAGE: Final = Path(__file__).parents[1] / "docs" / "interop.md"
_SEED: Final = 1
_CLAIMS: Final = Profile().claims
_SERVICE: Final = tuple(each for each in _CLAIMS if each != "named-source")
_FORMS: Final[tuple[Representation, ...]] = ("guide", "current")


def _report(make_system: Callable[[], System], profile: Profile) -> Report:
    """The report of a complete run, shuffled as always, with an exploration."""
    report = run(make_system, profile, shuffle=_SEED)
    found = explore(make_system, profile, examples=20, steps=50, seed=_SEED)
    return replace(report, exploration=found)


def _reports() -> Iterator[Report]:
    yield _report(ReferenceSystem, Profile(name="reference"))
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        for kind in STORES:
            stored = opened.enter_context(backend(kind, folder))
            profile = Profile(name=f"service, {kind}", claims=_SERVICE)
            yield _report(_service_on(stored), profile)
    for form in _FORMS:
        api = create_api(
            authenticate=_authenticate, transactions=MemoryTransactions(), representation=form
        )
        profile = Profile(name=f"HTTP, {form}", http=HttpProfile(history="{id}/history"))
        with AsgiService(api, key_for, profile, timeout=60) as asked:
            yield _report(asked.system, asked.profile)
    for name, command in (("Node.js", ["node", str(PEER)]), ("Perl", ["perl", str(PERL_PEER)])):
        with StdioPeer(command) as peer:
            yield _report(peer.ready, Profile(name=name))


def _service_on(stored: Backend) -> Callable[[], System]:
    """The service on a store; one in a database is emptied at the end of each execution."""
    if stored.kind == "memory":
        return lambda: ServiceSystem(ConnectionService(InMemoryStore()))

    def empty() -> None:
        with stored.engine.begin() as database:
            database.execute(delete(connection_events))
            database.execute(delete(connections))

    system = ServiceSystem(stored.service, empty)
    return lambda: system


def _authenticate(request: Any) -> Actor:
    """The actor whose key a request has."""
    organization = request.headers["Authorization"].removeprefix(f"Bearer {key_for('')}")
    return Actor(id="api_TheKeyOfIt", organization_id=organization)


_HEAD: Final = """\
# Interoperability

What each implementation that we know of meets, requirement by requirement. The table is that of
`connect-core conformance compare --markdown`, made by `uv run --group test python -m
tests.interop`: all vectors, shuffled, and an exploration 20x50. What is `not-claimed` is not part
of the implementation, or cannot be seen over HTTP.

"""


def page(reports: list[Report]) -> str:
    """The text of the page."""
    read = [
        read_report(report_json(each).encode(), f"{number}.json")
        for number, each in enumerate(reports)
    ]
    sentences = "\n".join(f"- {each.sentence()}" for each in reports)
    return f"{_HEAD}{compare_reports(read).markdown()}\n\n{sentences}\n"


def main() -> int:
    """Write the page; return 1 if an implementation does not conform."""
    reports: list[Report] = []
    for report in _reports():
        sys.stdout.write(f"{report.sentence()}\n")
        reports.append(report)
    PAGE.write_text(page(reports), encoding="utf-8")
    failed = [json.dumps(each.profile.name) for each in reports if not each.conforms]
    sys.stdout.write(f"Does not conform: {', '.join(failed)}.\n" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
