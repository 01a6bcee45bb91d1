"""Checks what a database holds after a race against what the writers were told.

The rows are read as they are stored. `verification.histories` looks at each history alone: its
versions are contiguous, the matrix permits every step, it leads to the Connection's row, and
`connect_core.replay` makes the same Connection of it. The checks here compare them with the
journals, and the nodes with one another.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Engine, select
from verification import Row, histories, rows

from connect_core.adapters.sql import connection_events, connections, idempotency_keys

from .writers import CHANGED, KEYED, UNCERTAIN, Reading, Told, deliveries


class Landed(NamedTuple):
    """What became of the requests whose outcome was uncertain.

    Attributes:
        carried_out: how many were found in the history.
        not_carried_out: how many were not.
    """

    carried_out: int
    not_carried_out: int


def check(engine: Engine, told: Sequence[Told]) -> Landed:
    """Nothing is lost, nothing is there twice, and nothing is there that nobody asked for.

    Args:
        engine: of one node.
        told: what the writers were told, one for each request.

    Returns:
        What became of the uncertain requests.

    Raises:
        AssertionError: something is wrong; the message says what.
    """
    found = histories(engine)
    events = [event for of_connection in found.values() for event in of_connection]
    _check_told(told, found, Counter(event["actor_id"] for event in events))
    _check_deliveries(engine, events)
    _check_keys(engine, told)
    return _landed(told, {event["actor_id"] for event in events})


def _check_told(
    told: Sequence[Told], found: Mapping[str, Sequence[Row]], times: Mapping[str, int]
) -> None:
    asked = {each.id for each in told}
    assert len(asked) == len(told), "two requests have one id"
    assert times.keys() <= asked, f"nobody asked for {times.keys() - asked}"
    for each in told:
        there = times.get(each.id, 0)
        if each.outcome == CHANGED:
            events = found.get(each.connection_id, ())[each.version - 1 : each.version]
            assert there, f"lost: {each}"
            assert there == 1, f"carried out {there} times: {each}"
            assert [event["actor_id"] for event in events] == [each.id], f"another version: {each}"
            assert each.doubts or not each.replayed, f"done, but said to be not done: {each}"
        elif each.outcome == UNCERTAIN:
            assert each.way != KEYED, f"its key could have told: {each}"
            assert there <= 1, f"carried out {there} times: {each}"
        else:
            assert not there, f"carried out, but refused: {each}"


def _check_deliveries(engine: Engine, events: Sequence[Row]) -> None:
    """The host's rows are those of the events."""
    ours = {(each["connection_id"], each["version"], each["actor_id"]) for each in events}
    theirs = {tuple(each.values()) for each in rows(engine, select(deliveries))}
    assert ours == theirs, f"the host's rows are not those of the events: {ours ^ theirs}"


def _check_keys(engine: Engine, told: Sequence[Told]) -> None:
    """Every decided request with a key has its record, and there is no record of another."""
    kept = {each["key"]: each["outcome"] for each in rows(engine, select(idempotency_keys))}
    decided = {f"key of {each.id}": each.outcome == CHANGED for each in told if each.way == KEYED}
    assert kept.keys() == decided.keys(), f"keys: {kept.keys() ^ decided.keys()}"
    for key, changed in decided.items():
        assert ("version" in json.loads(kept[key])) is changed, f"another outcome: {key}"


def _landed(told: Sequence[Told], there: set[str]) -> Landed:
    """Count the uncertain requests: those left uncertain, and those whose key has told."""
    uncertain = [each.id in there for each in told if each.outcome == UNCERTAIN]
    resolved = [each.replayed for each in told if each.doubts and each.outcome == CHANGED]
    return Landed(*((uncertain + resolved).count(each) for each in (True, False)))


def check_readings(readings: Sequence[Reading]) -> float:
    """With ``wsrep_sync_wait``, nobody reads less than they were told; return the rest's share.

    Raises:
        AssertionError: somebody has.
    """
    late = [each.read < each.changed for each in readings if not each.synced]
    assert not [each for each in readings if each.synced and each.read < each.changed], "stale"
    return sum(late) / len(late) if late else 0.0


def digest(engine: Engine) -> str:
    """A digest of all rows of all tables, as text."""
    found = sha256()
    for table in (connections, connection_events, idempotency_keys, deliveries):
        for row in rows(engine, select(table).order_by(*table.primary_key)):
            found.update(f"{table.name} {json.dumps(row, default=str)}\n".encode())
    return found.hexdigest()


def check_same(engines: Sequence[Engine]) -> None:
    """All nodes hold the same rows.

    Raises:
        AssertionError: they do not.
    """
    digests = [digest(engine) for engine in engines]
    assert len(set(digests)) == 1, f"the nodes differ: {digests}"
