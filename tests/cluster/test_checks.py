"""The checks of the race on a cluster find what is wrong: each is given a history that is.

The race itself is no test of pytest's: ``python -m tests.cluster``.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.checks import Landed, check, check_readings, check_same
from cluster.writers import (
    CHANGED,
    KEYED,
    PLAIN,
    UNCERTAIN,
    Reading,
    Request,
    Told,
    deliveries,
    note_delivery,
    perform,
    read_records,
    write_record,
)
from sqlalchemy import Connection as Database
from sqlalchemy import Engine, delete, update
from workers import HERE, THERE, Journal

from connect_core import Action, Actor, Change, ConnectionService
from connect_core.adapters.sql import (
    Transactions,
    connection_events,
    connections,
    idempotency_keys,
    open_engine,
)

PAIR = (HERE, THERE)
#: The requests that have made a Connection of four versions.
STEPS = (
    ("usr_1", Action.CREATE, HERE),
    ("usr_2", Action.ACTIVATE, THERE),
    ("usr_3", Action.DEACTIVATE, THERE),
    ("usr_4", Action.REACTIVATE, HERE),
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database on which the steps were taken: the even ones without a key, the odd ones with."""
    found = open_engine(f"sqlite:///{tmp_path / 'node.db'}")
    deliveries.create(found)
    yield found
    found.dispose()


@pytest.fixture
def told(engine: Engine) -> list[Told]:
    """What the writers were told of the steps."""
    transactions = Transactions(engine, on_change=note_delivery)
    found: list[Told] = []
    connection_id = ""
    for number, (request_id, action, organization) in enumerate(STEPS):
        way = KEYED if number % 2 else PLAIN
        request = Request(request_id, way, PAIR, action, organization, connection_id)

        def work(service: ConnectionService, request: Request = request) -> Change:
            return perform(service, request)

        change = transactions.change(work)
        connection_id = str(change.connection.id)
        version = change.event.version
        found.append(Told(request_id, way, organization, CHANGED, connection_id, version))
    return found


def test_a_history_that_is_as_it_was_told_passes(engine: Engine, told: list[Told]) -> None:
    assert check(engine, told) == Landed(carried_out=0, not_carried_out=0)


def test_an_uncertain_request_is_there_once_or_not_at_all(engine: Engine, told: list[Told]) -> None:
    """Of a request with a key, the repetition tells, and otherwise the history."""
    told[1] = told[1]._replace(doubts=1, replayed=True)
    told[2] = told[2]._replace(outcome=UNCERTAIN)
    told[3] = told[3]._replace(doubts=2)
    told.append(Told("usr_9", PLAIN, HERE, UNCERTAIN))
    assert check(engine, told) == Landed(carried_out=2, not_carried_out=2)


# --- What the writers were told -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "otherwise", "message"),
    [
        (1, {"outcome": "wrong_status"}, "carried out, but refused"),
        (1, {"outcome": UNCERTAIN}, "its key could have told"),
        (1, {"replayed": True}, "done, but said to be not done"),
        (1, {"version": 3}, "another version"),
        (1, {"connection_id": "cxn_9"}, "another version"),
        (1, {"id": "usr_1"}, "two requests have one id"),
        (1, {"id": "usr_9"}, "nobody asked for {'usr_2'}"),
        (1, {"way": PLAIN}, "keys: {'key of usr_2'}"),
        (2, {"way": KEYED}, "keys: {'key of usr_3'}"),
    ],
)
def test_an_answer_that_does_not_fit_the_history_is_found(
    engine: Engine, told: list[Told], number: int, otherwise: dict[str, Any], message: str
) -> None:
    told[number] = told[number]._replace(**otherwise)
    with pytest.raises(AssertionError, match=message):
        check(engine, told)


@pytest.mark.parametrize("outcome", [CHANGED, UNCERTAIN, "wrong_status"])
def test_a_request_that_was_carried_out_twice_is_found(
    engine: Engine, told: list[Told], outcome: str
) -> None:
    """Whatever the writer was told."""
    again = Actor(id="usr_3", organization_id=THERE)
    transactions = Transactions(engine, on_change=note_delivery)
    transactions.change(lambda service: service.deactivate(told[0].connection_id, by=again))
    told[2] = told[2]._replace(outcome=outcome)
    message = "carried out, but refused" if outcome == "wrong_status" else "carried out 2 times"
    with pytest.raises(AssertionError, match=message):
        check(engine, told)


# --- What is stored -------------------------------------------------------------------------------


def lose_the_last_step(database: Database) -> None:
    """What is left is a legal history."""
    database.execute(delete(connection_events).where(connection_events.c.version == 4))
    database.execute(delete(deliveries).where(deliveries.c.version == 4))
    before = {"version": 3, "status": "inactive"}
    at = connection_events.select().where(connection_events.c.version == 3)
    row = database.execute(at).mappings().one()
    database.execute(update(connections).values(**before, updated_at=row["occurred_at"]))


def let_the_source_activate(database: Database) -> None:
    """The matrix does not permit it."""
    event = update(connection_events).where(connection_events.c.version == 2)
    database.execute(event.values(actor_organization_id=HERE, roles=["source"]))


def lose_an_event(database: Database) -> None:
    """The versions have a gap."""
    database.execute(delete(connection_events).where(connection_events.c.version == 2))


def change_the_row(database: Database) -> None:
    """The Connection is not what its events lead to."""
    database.execute(update(connections).values(status="active"))


def lose_a_delivery(database: Database) -> None:
    """The host's row of a change is missing."""
    database.execute(delete(deliveries).where(deliveries.c.version == 2))


def lose_a_key(database: Database) -> None:
    """The record of a key is missing."""
    keys = idempotency_keys
    database.execute(delete(keys).where(keys.c.key == "key of usr_2"))


def keep_a_refusal(database: Database) -> None:
    """The key's record says something else than the writer was told."""
    database.execute(update(idempotency_keys).values(outcome='{"code": "wrong_status"}'))


@pytest.mark.parametrize(
    ("doctor", "message"),
    [
        (lose_the_last_step, "lost"),
        (let_the_source_activate, "not permitted"),
        (lose_an_event, None),
        (change_the_row, None),
        (lose_a_delivery, "the host's rows are not those of the events"),
        (lose_a_key, "keys: {'key of usr_2'}"),
        (keep_a_refusal, "another outcome"),
    ],
)
def test_a_database_that_does_not_hold_what_was_told_is_found(
    engine: Engine, told: list[Told], doctor: Callable[[Database], None], message: str | None
) -> None:
    check(engine, told)
    with engine.begin() as database:
        doctor(database)
    with pytest.raises(AssertionError, match=message):
        check(engine, told)


@pytest.mark.parametrize(
    "doctor", [let_the_source_activate, change_the_row, lose_a_delivery, lose_a_key, keep_a_refusal]
)
def test_nodes_that_do_not_hold_the_same_rows_are_found(
    engine: Engine, told: list[Told], tmp_path: Path, doctor: Callable[[Database], None]
) -> None:
    """In any table."""
    assert told
    copy = tmp_path / "other.db"
    with engine.connect() as database:
        database.exec_driver_sql("COMMIT")
        database.exec_driver_sql(f"VACUUM INTO '{copy}'")
    other = open_engine(f"sqlite:///{copy}")
    check_same([engine, engine, other])
    with other.begin() as database:
        doctor(database)
    with pytest.raises(AssertionError, match="the nodes differ"):
        check_same([engine, engine, other])
    other.dispose()


# --- Readings and journals ------------------------------------------------------------------------


def test_only_a_session_that_does_not_wait_may_read_less_than_was_told() -> None:
    fresh = Reading(synced=True, changed=3, read=4)
    late = Reading(synced=False, changed=3, read=2)
    equal = Reading(synced=False, changed=3, read=3)
    assert check_readings([fresh]) == 0.0
    assert check_readings([fresh, late, equal]) == 0.5
    with pytest.raises(AssertionError, match="stale"):
        check_readings([fresh, late._replace(synced=True)])


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    told = Told("usr_1", KEYED, HERE, CHANGED, "cxn_1", 3, replayed=True, doubts=1, seconds=0.5)
    reading = Reading(synced=True, changed=3, read=4)
    paths = [tmp_path / "1", tmp_path / "2"]
    for path in paths:
        with Journal(str(path)) as journal:
            write_record(journal, "told", told)
            write_record(journal, "reading", reading)
            write_record(journal, "errors", {"1213 at COMMIT": 2})
    records = read_records(paths)
    assert records.told == [told, told]
    assert records.readings == [reading, reading]
    assert records.errors == {"1213 at COMMIT": 4}
