"""Our own HTTP API passes the kit: in both forms, on every database, from every kind of host."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import database
from http_api import MemoryTransactions
from http_services import key_for
from sqlalchemy import URL, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from connect_core import Actor
from connect_core.adapters.http import create_api
from connect_core.adapters.sql import (
    AsyncTransactions,
    Transactions,
    configure_engine,
    open_engine,
)
from connect_core.conformance import (
    AsgiService,
    Exploration,
    HttpProfile,
    Profile,
    Report,
    Result,
    Vector,
    explore,
    load_vectors,
    run,
    select,
)
from connect_core.jsonapi import Representation

FORMS: tuple[Representation, ...] = ("guide", "current")
PROFILE = Profile(
    name="our API",
    http=HttpProfile(history="{id}/history"),
    answers={
        "CXN-OPEN-001": "role-first",
        "CXN-OPEN-002": "hidden",
        "CXN-OPEN-003": "409",
        "CXN-OPEN-004": "refused",
        "CXN-OPEN-005": "never",  # nobody can ask for a self-connection over HTTP
        "CXN-OPEN-007": "403",
    },
)
#: The drivers of each kind of database, synchronous and not.
DRIVERS = {
    "sqlite-file": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+aiomysql",
}

every_form = pytest.mark.parametrize("form", FORMS)


def authenticate(request: Any) -> Actor:
    """The actor whose key a request has."""
    organization = request.headers["Authorization"].removeprefix(f"Bearer {key_for('')}")
    return Actor(id="api_TheKeyOfIt", organization_id=organization)


def service(transactions: Any, form: Representation) -> AsgiService:
    api = create_api(authenticate=authenticate, transactions=transactions, representation=form)
    return AsgiService(api, key_for, PROFILE, timeout=60)


def report_of(
    transactions: Any, form: Representation, among: tuple[Vector, ...] | None = None
) -> Report:
    with service(transactions, form) as asked:
        assert asked.representation == form
        return run(asked.system, asked.profile, among=among)


def explored(transactions: Any, form: Representation, examples: int) -> Exploration:
    with service(transactions, form) as asked:
        return explore(asked.system, asked.profile, examples=examples, steps=50, seed=1)


@every_form
def test_a_few_vectors_in_memory(form: Representation) -> None:
    names = ["http", "self", "transition/inactive", "identity/longest", "documents/not-json"]
    report = report_of(MemoryTransactions(), form, select(names))
    assert report.passed, report.sentence()
    assert report.counts()[Result.PASS] > 20


def test_the_published_operations_alone() -> None:
    """What needs no activation passes, without an extension."""
    names = ["none", "pending/deactivate", "inactive/deactivate", "inactive/reactivate"]
    among = select([f"transition/{each}" for each in names])
    api = create_api(authenticate=authenticate, transactions=MemoryTransactions(), extensions=False)
    profile = Profile(http=HttpProfile(scopes=False))
    with AsgiService(api, key_for, profile) as asked:
        report = run(asked.system, asked.profile, among=among)
    assert report.passed, report.sentence()
    assert report.counts()[Result.PASS] == 10


@pytest.fixture(params=DRIVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[URL]:
    """A database with the tables."""
    with database(kind, tmp_path) as empty:
        open_engine(empty).dispose()
        yield empty


#: Where the gate runs nearly every vector with these transactions; elsewhere some generators'. The
#: service on each database runs them all.
IN_THE_GATE = {Transactions: ("sqlite-file", "guide"), AsyncTransactions: ("postgresql", "current")}
LONG = re.compile("depth/|walk/")
SOME = ["http", "transition", "outsider", "expected-version", "story"]

every_amount = pytest.mark.parametrize(
    "whole", [False, pytest.param(True, marks=pytest.mark.long)], ids=["some", "every vector"]
)


@pytest.mark.stress
class TestDatabases:
    """Every combination of database, form and transactions."""

    @every_form
    @every_amount
    def test_transactions(self, url: URL, kind: str, form: Representation, whole: bool) -> None:
        engine = open_engine(url)
        try:
            self.check(Transactions(engine), kind, form, whole=whole)
        finally:
            engine.dispose()

    @every_form
    @every_amount
    def test_async_transactions(
        self, url: URL, kind: str, form: Representation, whole: bool
    ) -> None:
        # No connection is kept: the service's event loop ends, and aiomysql cannot close it later.
        engine = create_async_engine(url.set(drivername=DRIVERS[kind]), poolclass=NullPool)
        configure_engine(engine.sync_engine)
        self.check(AsyncTransactions(engine), kind, form, whole=whole)

    def check(self, transactions: Any, kind: str, form: Representation, *, whole: bool) -> None:
        gate = IN_THE_GATE[type(transactions)] == (kind, form)
        vectors = select(SOME)
        if whole or gate:
            vectors = tuple(each for each in load_vectors() if whole or not LONG.match(each.id))
        whole = whole or gate
        report = report_of(transactions, form, vectors)
        assert report.passed, report.sentence()
        assert len(report.results) == len(vectors)
        if isinstance(transactions, Transactions) and whole:
            done = explored(transactions, form, 3)  # too few to try every cell
            assert done.finding is None, done.describe()
