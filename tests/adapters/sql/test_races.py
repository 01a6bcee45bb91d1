"""Races between processes: on a server with eight of them, on a SQLite file with four.

The databases race differently. On SQLite each transaction begins as a writing one, and so they
take place one after another: what a transaction has read is still so when it writes, and nobody
loses a race who named no version. On a server, at READ COMMITTED, they overlap, and the slower of
two who read the same version is told `StaleConnectionError`.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import NamedTuple

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from verification import Arena, Row, arena, histories, rows, verdict_on
from workers import (
    CHANGED,
    HERE,
    PROCESSES,
    STALE,
    Entry,
    Outcome,
    Request,
    ask,
    duel,
    open_together,
    opened,
    pairs_of,
    race,
    read_journal,
    run,
)

from connect_core import (
    Action,
    ConnectionNotFoundError,
    ConnectionService,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidTransitionError,
)
from connect_core.adapters.sql import SqlConnectionStore, idempotency_keys

DUPLICATE = DuplicateConnectionError.code
NOT_FOUND = ConnectionNotFoundError.code
REUSED = IdempotencyKeyReusedError.code
WRONG_ROLE = ForbiddenTransitionError.code
WRONG_STATUS = InvalidTransitionError.code

pytestmark = pytest.mark.stress

#: For each database: processes, heats, and requests per process and heat.
RACES = {"sqlite-file": (4, 5, 150), "postgresql": (8, 5, 75), "mariadb": (8, 3, 40)}
#: For each database: rounds of a duel.
DUELS = {"sqlite-file": 100, "postgresql": 150, "mariadb": 40}
#: For each database: how often an empty one is opened.
OPENINGS = {"sqlite-file": 50, "postgresql": 20, "mariadb": 10}
#: How many processes open it at the same moment.
OPENERS = 4

log = logging.getLogger(__name__)


@pytest.fixture(params=RACES)
def meeting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    """An empty database that several processes use."""
    with arena(request.param, tmp_path) as found:
        yield found


# --- A race --------------------------------------------------------------------------------------


def test_a_race_loses_nothing_and_permits_nothing(meeting: Arena, tmp_path: Path) -> None:
    """Every history is contiguous, lawful and leads to its row; it is what was acknowledged.

    Each change is acknowledged once, whoever else tried at the same moment, and each version is
    somebody's acknowledged change. A key has one outcome. Refusals are right, and of known kinds.
    """
    processes, heats, requests = RACES[meeting.kind]
    seed = SystemRandom().randrange(2**32)
    log.warning("seed %d", seed)
    with opened(meeting.url):
        pass  # creates the tables
    barrier = PROCESSES.Barrier(processes)
    paths = [tmp_path / f"{worker}.jsonl" for worker in range(processes)]
    run(
        race,
        [
            (meeting.url, str(path), barrier, seed, worker, heats, requests)
            for worker, path in enumerate(paths)
        ],
    )
    entries = [entry for path in paths for entry in read_journal(path)]
    found = histories(meeting.engine)

    assert len(found) == sum(len(pairs_of(heat)) for heat in range(heats))
    for entry in entries:
        check_answer(entry)
    check_acknowledged(entries, found)
    check_keys(entries, meeting)
    check_that_it_was_a_race(entries, meeting)
    assert len(entries) >= processes * heats * requests


def check_answer(entry: Entry) -> None:
    """A change follows the expected version; a refusal is the one in the matrix."""
    request, outcome = entry
    if outcome.code == CHANGED:
        assert outcome.version is not None
        assert request.expected_version in (None, outcome.version - 1), entry
    elif outcome.code == STALE:
        assert outcome.version != request.expected_version, entry
    elif outcome.code in (WRONG_ROLE, WRONG_STATUS):
        assert verdict_on(request, outcome.status).denials[0] == outcome.code, entry
    elif outcome.code == NOT_FOUND:
        assert request.organization not in (request.source, request.destination), entry
    elif outcome.code == DUPLICATE:
        assert request.action == Action.CREATE, entry
    else:
        assert outcome.code == REUSED, entry
        assert request.key is not None, entry


def check_acknowledged(entries: Sequence[Entry], found: Mapping[str, Sequence[Row]]) -> None:
    """Each event is the acknowledged change of one request, and no other change was acknowledged.

    A request that was repeated under its key is one request.
    """
    made: dict[tuple[str, int | None], set[object]] = defaultdict(set)
    for number, (request, outcome) in enumerate(entries):
        if outcome.code == CHANGED:
            of_request = number if request.key is None else request
            made[outcome.connection_id, outcome.version].add(of_request)
            event = found[outcome.connection_id][(outcome.version or 0) - 1]
            assert event["action"] == request.action
            assert event["actor_organization_id"] == request.organization
    assert all(len(requests) == 1 for requests in made.values()), "one version, two changes"
    kept = {(each, event["version"]) for each, events in found.items() for event in events}
    assert made.keys() == kept, made.keys() ^ kept


def by_key(entries: Sequence[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """The outcomes of requests with a key, except lost races, which were sent again."""
    grouped: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.request.key is not None and not entry.lost_race:
            grouped[entry.request.organization, entry.request.key].append(entry)
    return grouped


def check_keys(entries: Sequence[Entry], meeting: Arena) -> None:
    """A key belongs to one request with one outcome; other requests with it are refused."""
    grouped = by_key(entries)
    for of_key in grouped.values():
        answered = {entry for entry in of_key if entry.outcome.code != REUSED}
        assert len(answered) == 1, answered
        owner = answered.pop().request
        assert all(entry.request != owner for entry in of_key if entry.outcome.code == REUSED)
    kept = rows(meeting.engine, select(idempotency_keys))
    assert {(row["organization_id"], row["key"]) for row in kept} == grouped.keys()


def check_that_it_was_a_race(entries: Sequence[Entry], meeting: Arena) -> None:
    """Every kind of outcome occurred, repeated changes too; races were lost where they can be."""
    codes = Counter(entry.outcome.code for entry in entries)
    repeated = [
        of_key
        for of_key in by_key(entries).values()
        if sum(entry.outcome.code == CHANGED for entry in of_key) > 1
    ]
    lost = sum(entry.lost_race for entry in entries)
    log.warning("%s, %d lost races, %d repeated changes", dict(codes), lost, len(repeated))
    assert codes.keys() == {CHANGED, STALE, WRONG_ROLE, WRONG_STATUS, NOT_FOUND, DUPLICATE, REUSED}
    assert repeated
    assert bool(lost) is (meeting.kind != "sqlite-file")


# --- Duels ---------------------------------------------------------------------------------------


class Round(NamedTuple):
    """A round of a duel: the outcome for each side, and the steps taken."""

    left: list[Outcome]
    right: list[Outcome]
    steps: list[str]


def prepared(meeting: Arena, *further: Action) -> list[Request]:
    """For each round, the creation of a Connection that has been created, with its id.

    Args:
        meeting: where.
        further: steps that have been taken after the creation.
    """
    made: list[Request] = []
    with opened(meeting.url) as engine, Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        for number in range(DUELS[meeting.kind]):
            request = Request(Action.CREATE, HERE, f"org_{number}", HERE)
            connection_id = str(ask(service, request).connection.id)
            request = request._replace(connection_id=connection_id)
            for action in further:
                ask(service, request._replace(action=action))
            made.append(request)
    return made


def accept(created: Request, expected_version: int | None = None) -> Request:
    """The destination's acceptance."""
    return created._replace(
        action=Action.ACTIVATE,
        organization=created.destination,
        expected_version=expected_version,
    )


def withdraw(created: Request) -> Request:
    """The source's withdrawal."""
    return created._replace(action=Action.DEACTIVATE)


def offer_again(created: Request) -> list[Request]:
    """The source withdraws, and then offers again."""
    return [withdraw(created), created._replace(action=Action.REACTIVATE)]


def duelled(
    meeting: Arena, tmp_path: Path, left: Sequence[list[Request]], right: Sequence[list[Request]]
) -> list[Round]:
    """Let two processes make their requests at the same moment, round by round."""
    barrier = PROCESSES.Barrier(2)
    seed = SystemRandom().randrange(2**32)
    paths = tmp_path / "left.jsonl", tmp_path / "right.jsonl"
    sides = list(zip(paths, (left, right), strict=True))
    run(
        duel,
        [
            (meeting.url, str(path), barrier, seed + side, requests)
            for side, (path, requests) in enumerate(sides)
        ],
    )
    journals = [iter(read_journal(path)) for path in paths]
    steps = {
        events[0]["terms"]["destination_organization_id"]: [event["action"] for event in events]
        for events in histories(meeting.engine).values()
    }
    return [
        Round(
            [next(journals[0]).outcome for _ in both[0]],
            [next(journals[1]).outcome for _ in both[1]],
            steps[both[0][0].destination],
        )
        for both in zip(left, right, strict=True)
    ]


def check_refused(outcome: Outcome, meeting: Arena) -> None:
    """Refused because of the status; where transactions overlap, perhaps because overtaken."""
    assert outcome.code in (
        {WRONG_STATUS, STALE} if meeting.kind != "sqlite-file" else {WRONG_STATUS}
    )


def test_of_accept_and_withdraw_a_withdrawal_that_succeeded_is_the_last_word(
    meeting: Arena, tmp_path: Path
) -> None:
    """It never ends active after a deactivate succeeded, and whoever failed has done nothing."""
    made = prepared(meeting)
    rounds = duelled(
        meeting, tmp_path, [[accept(each)] for each in made], [[withdraw(each)] for each in made]
    )
    for (accepted,), (withdrawn,), steps in rounds:
        for outcome in (accepted, withdrawn):
            if outcome.code != CHANGED:
                check_refused(outcome, meeting)
        assert steps == ["create"] + ["activate"] * (accepted.code == CHANGED) + ["deactivate"] * (
            withdrawn.code == CHANGED
        )
        assert len(steps) > 1, "both have failed"
    assert {steps[1] for _, _, steps in rounds} == {"activate", "deactivate"}, (
        "one was always first"
    )


def test_of_two_acceptances_one_succeeds(meeting: Arena, tmp_path: Path) -> None:
    """Two accepts never both succeed, and never neither."""
    accepts = [[accept(each)] for each in prepared(meeting)]
    rounds = duelled(meeting, tmp_path, accepts, accepts)
    for (left,), (right,), steps in rounds:
        winner, loser = (left, right) if left.code == CHANGED else (right, left)
        assert winner.code == CHANGED
        check_refused(loser, meeting)
        assert steps == ["create", "activate"]
    assert {left.code == CHANGED for (left,), _, _ in rounds} == {True, False}


def test_of_two_creations_one_succeeds(meeting: Arena, tmp_path: Path) -> None:
    """An ordered pair has one Connection, and who comes second is told that it exists."""
    with opened(meeting.url):
        pass  # creates the tables
    creations = [
        [Request(Action.CREATE, HERE, f"org_{number}", HERE)]
        for number in range(DUELS[meeting.kind])
    ]
    rounds = duelled(meeting, tmp_path, creations, creations)
    for (left,), (right,), steps in rounds:
        assert sorted([left.code, right.code]) == sorted([CHANGED, DUPLICATE])
        assert steps == ["create"]
    assert {left.code == CHANGED for (left,), _, _ in rounds} == {True, False}


def test_an_acceptance_of_an_offer_that_is_being_replaced_accepts_that_offer_or_nothing(
    meeting: Arena, tmp_path: Path
) -> None:
    """An accept that names version 1 lands on version 1, or is refused: never in the next offer."""
    made = prepared(meeting)
    rounds = duelled(
        meeting,
        tmp_path,
        [[accept(each, expected_version=1)] for each in made],
        [offer_again(each) for each in made],
    )
    for (accepted,), (withdrawn, offered), steps in rounds:
        again = ["deactivate", "reactivate"]
        if accepted.code == STALE:
            assert withdrawn.code == offered.code == CHANGED
            assert steps == ["create", *again]
        elif withdrawn.code == CHANGED:
            assert (accepted.version, offered.code) == (2, CHANGED)
            assert steps == ["create", "activate", *again]
        else:
            assert (accepted.version, offered.code) == (2, WRONG_STATUS)
            check_refused(withdrawn, meeting)
            assert steps == ["create", "activate"]
    assert {accepted.code for (accepted,), _, _ in rounds} == {CHANGED, STALE}


def test_an_acceptance_that_was_held_back_is_refused(meeting: Arena, tmp_path: Path) -> None:
    """An accept carrying the version of an earlier pending round is refused, whenever it lands."""
    made = prepared(meeting, Action.DEACTIVATE, Action.REACTIVATE)
    rounds = duelled(
        meeting,
        tmp_path,
        [[accept(each, expected_version=1)] for each in made],
        [offer_again(each) for each in made],
    )
    for (accepted,), (withdrawn, offered), steps in rounds:
        assert accepted.code == STALE
        assert withdrawn.code == offered.code == CHANGED
        assert steps == ["create", *["deactivate", "reactivate"] * 2]
    met = {accepted.version for (accepted,), _, _ in rounds}
    assert met <= {3, 4, 5}
    assert 3 in met, "it never came before the others"
    assert met - {3}, "it never came after the others"


# --- Opening -------------------------------------------------------------------------------------


def test_processes_that_open_an_empty_database_together_all_succeed(
    meeting: Arena, tmp_path: Path
) -> None:
    """The first process creates the tables and the settings, and none fails."""
    rounds = range(OPENINGS[meeting.kind])
    urls = [meeting.url for _ in rounds]
    if meeting.kind == "sqlite-file":
        urls = [f"sqlite:///{tmp_path / str(number)}.db" for number in rounds]
    barrier = PROCESSES.Barrier(OPENERS)
    run(open_together, [(urls, barrier)] * OPENERS)
