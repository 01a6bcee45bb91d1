"""Writers: processes that take steps on the same Connections through all nodes at once.

A request carries the id of an actor of its own, which its event keeps. So the history tells which
requests were carried out, and how often. What a writer is told goes into its journal.

A writer prefers its home node. If that one does not serve it, it goes on to the next, as a client
behind a load balancer does, and its next request tries the home node again. A request whose outcome
is uncertain is repeated if it has an idempotency key, and otherwise left uncertain.
"""

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing import parent_process
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from threading import Lock, Thread, local
from typing import Final, NamedTuple

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, event, insert
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from workers import Journal, Pair, fitting, opened, pairs_of

from connect_core import (
    Action,
    Actor,
    Change,
    ConnectError,
    Connection,
    ConnectionService,
    StaleConnectionError,
    StoreUnavailableError,
)
from connect_core.adapters.sql import SqlConnectionStore, Transactions, in_transaction

#: How many threads a process has.
THREADS: Final = 4
#: How many committed steps are taken before the next heat comes into play.
PER_HEAT: Final = 500
#: How many heats are in play at once, each with four ordered pairs.
HEATS: Final = 3
#: The longest that one request may take, in seconds, with all repetitions.
PATIENCE: Final = 300.0
#: How long a writer waits before it asks the next node, in seconds.
PAUSE: Final = 0.05

#: The host's own rows, written in the same transactions: one for each change.
deliveries: Final = Table(
    "deliveries",
    MetaData(),
    Column("connection_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("actor_id", String(64), nullable=False),
)

#: The outcomes that are no refusals.
CHANGED: Final = "changed"
UNCERTAIN: Final = "uncertain"

#: How a request is made: by `Transactions`, by `Transactions` under a key, by `in_transaction`.
PLAIN: Final = "plain"
KEYED: Final = "keyed"
OWN_SESSION: Final = "own session"


class Request(NamedTuple):
    """A request. Without an action, it takes the step that fits the status it finds.

    Attributes:
        id: the actor's id, which no other request has.
        way: how it is made.
        pair: source and destination.
        action: what to do.
        organization: for which the actor acts.
        connection_id: of the Connection; empty for a creation.
        expected_version: the version that it expects, if any.
    """

    id: str
    way: str
    pair: Pair
    action: Action | None = None
    organization: str = ""
    connection_id: str = ""
    expected_version: int | None = None

    @property
    def key(self) -> str | None:
        """Its idempotency key."""
        return f"key of {self.id}" if self.way == KEYED else None


class Told(NamedTuple):
    """What a writer was told of a request.

    Attributes:
        id: the request's.
        way: how it was made.
        organization: for which the actor acted; empty if that was decided on the way.
        outcome: `CHANGED`, `UNCERTAIN`, or the code of the refusal.
        connection_id: of the changed Connection.
        version: that the change made.
        replayed: whether an earlier attempt turned out to have made the change.
        doubts: how many attempts before had an uncertain outcome.
        seconds: how long all of it took.
    """

    id: str
    way: str
    organization: str
    outcome: str
    connection_id: str = ""
    version: int = 0
    replayed: bool = False
    doubts: int = 0
    seconds: float = 0.0


class Reading(NamedTuple):
    """What a writer read on another node directly after a change.

    Attributes:
        synced: whether the session has ``wsrep_sync_wait``.
        changed: the version that it was told of.
        read: the version that it read; 0 for no Connection.
    """

    synced: bool
    changed: int
    read: int


class Records(NamedTuple):
    """What the journals hold.

    Attributes:
        told: by request.
        readings: on other nodes.
        errors: how often the database raised an error, by code and place.
    """

    told: Sequence[Told]
    readings: Sequence[Reading]
    errors: Counter[str]


def write_record(journal: Journal, kind: str, content: Told | Reading | Mapping[str, int]) -> None:
    """Write what `read_records` reads: "told", "reading" or "errors", and the content."""
    journal.write(json.dumps([kind, content]))


def read_records(paths: Sequence[Path]) -> Records:
    """The contents of the journals."""
    told: list[Told] = []
    readings: list[Reading] = []
    errors: Counter[str] = Counter()
    for line in (line for path in paths for line in path.read_text().splitlines()):
        kind, content = json.loads(line)
        if kind == "told":
            told.append(Told(*content))
        elif kind == "reading":
            readings.append(Reading(*content))
        else:
            errors.update(content)
    return Records(told, readings, errors)


# --- A process -----------------------------------------------------------------------------------


def write(
    urls: Sequence[str], home: int, seed: str, path: str, steps: int, taken: "Synchronized[int]"
) -> None:
    """Take steps until all writers together have taken so many.

    Args:
        urls: the nodes' databases.
        home: the index of the node that this process prefers.
        seed: of its choices; the requests' ids begin with it, so it is unique.
        path: of its journal.
        steps: how many all writers take.
        taken: how many they have taken, shared by the processes.
    """
    Thread(target=_end_with_parent, daemon=True).start()
    quieten()
    errors: Counter[str] = Counter()
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(path))
        engines = [stack.enter_context(opened(url)) for url in urls]
        for engine in engines:
            _count_errors(engine, errors)
        writers = [
            _Writer(engines, home, f"{seed}-{number}", journal, steps, taken)
            for number in range(THREADS)
        ]
        with ThreadPoolExecutor(THREADS) as pool:
            for each in [pool.submit(writer.write) for writer in writers]:
                each.result()
        write_record(journal, "errors", errors)


def quieten() -> None:
    """Report no session that cannot be rolled back, as on a node that serves nobody."""
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def _end_with_parent() -> None:
    """End this process if the command is killed, and cannot end it."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _count_errors(engine: Engine, errors: Counter[str]) -> None:
    """Count the database's errors by code and place, those too that the library deals with."""
    thread, lock = local(), Lock()

    def at_end_by(command: str) -> Callable[[object], None]:
        def note(_: object) -> None:
            thread.ending = command

        return note

    def count(context: ExceptionContext) -> None:
        place = "connecting" if context.connection is None else getattr(thread, "ending", "ping")
        if context.statement is not None:
            place = context.statement.split()[0]
        code = context.original_exception.args[0] if context.original_exception.args else "?"
        with lock:
            errors[f"{code} at {place}"] += 1

    event.listen(engine, "commit", at_end_by("COMMIT"))
    event.listen(engine, "rollback", at_end_by("ROLLBACK"))
    event.listen(engine, "handle_error", count)


def note_delivery(session: Session, change: Change) -> None:
    """Write the host's row for a change."""
    connection, happened = change
    row = {"connection_id": str(connection.id), "version": happened.version}
    session.execute(insert(deliveries).values(**row, actor_id=happened.actor.id))


class _Writer:
    """One thread."""

    def __init__(
        self,
        engines: Sequence[Engine],
        home: int,
        name: str,
        journal: Journal,
        steps: int,
        taken: "Synchronized[int]",
    ) -> None:
        self._engines = engines
        self._transactions = [Transactions(each, on_change=note_delivery) for each in engines]
        self._home = home
        self._name = name
        self._chance = Random(name)  # noqa: S311
        self._journal = journal
        self._steps = steps
        self._taken = taken

    def write(self) -> None:
        """Make requests until enough steps have been taken."""
        number = 0
        while self._taken.value < self._steps:
            number += 1
            heat = self._taken.value // PER_HEAT
            pairs = [pair for each in range(heat, heat + HEATS) for pair in pairs_of(each)]
            pair = self._chance.choice(pairs)
            request = self._request(f"usr_{self._name}-{number}", pair)
            told = self._carry_out(request)
            write_record(self._journal, "told", told)
            if told.outcome == CHANGED:
                with self._taken.get_lock():
                    self._taken.value += 1
                if self._chance.random() < 0.05:
                    self._read_elsewhere(pair, told)

    # --- Requests ---

    def _request(self, request_id: str, pair: Pair) -> Request:
        """Three of ten have a key, and two use a session of their own."""
        way = self._chance.choice([PLAIN] * 5 + [KEYED] * 3 + [OWN_SESSION] * 2)
        if way != KEYED:
            return Request(request_id, way, pair)
        found = self._find(pair)
        action, organization = fitting(None if found is None else found.status, pair)
        if found is None:
            return Request(request_id, way, pair, action, organization)
        if self._chance.random() < 0.1:
            action, organization = self._chance.choice(list(Action)[1:]), self._chance.choice(pair)
        expected = found.version if self._chance.random() < 0.3 else None
        return Request(request_id, way, pair, action, organization, str(found.id), expected)

    def _find(self, pair: Pair) -> Connection | None:
        """The Connection as the first node that answers has it."""
        for node in self._nodes():
            try:
                return self._transactions[node].ask(lambda service: _find(service, pair))
            except StoreUnavailableError:
                time.sleep(PAUSE)
        raise AssertionError("unreachable")

    def _nodes(self) -> Iterator[int]:
        """The nodes to ask, one after another, for as long as patience lasts."""
        end, node = time.monotonic() + PATIENCE, self._home
        while time.monotonic() < end:
            yield node
            node = (node + 1) % len(self._engines)
        raise AssertionError("no node has answered for too long")

    def _carry_out(self, request: Request) -> Told:
        """Make a request, again and again if need be, until the writer has been told."""
        began, doubts = time.monotonic(), 0

        def told(outcome: str, change: Change | None = None) -> Told:
            result = Told(request.id, request.way, request.organization, outcome, doubts=doubts)
            if change is not None:
                result = result._replace(
                    connection_id=str(change.connection.id),
                    version=change.event.version,
                    replayed=change.replayed,
                )
            return result._replace(seconds=round(time.monotonic() - began, 4))

        for node in self._nodes():
            try:
                return told(CHANGED, self._ask(node, request))
            except (DBAPIError, StoreUnavailableError) as error:
                if _is_uncertain(error):
                    doubts += 1
                    if request.key is None:
                        return told(UNCERTAIN)
                time.sleep(PAUSE)
            except StaleConnectionError as refusal:
                if request.key is None or request.expected_version is not None:
                    return told(refusal.code)
            except ConnectError as refusal:
                return told(refusal.code)
        raise AssertionError("unreachable")

    def _ask(self, node: int, request: Request) -> Change:
        if request.way != OWN_SESSION:
            return self._transactions[node].change(lambda service: perform(service, request))

        def work(session: Session) -> Change:
            change = perform(ConnectionService(SqlConnectionStore(session)), request)
            note_delivery(session, change)
            return change

        return in_transaction(self._engines[node], work)

    def _read_elsewhere(self, pair: Pair, told: Told) -> None:
        """Read the Connection on the next node."""
        node = (self._home + 1) % len(self._engines)
        synced = "wsrep_sync_wait" in str(self._engines[node].url)
        try:
            found = self._transactions[node].ask(lambda service: _find(service, pair))
        except StoreUnavailableError:
            return
        read = 0 if found is None else found.version
        write_record(self._journal, "reading", Reading(synced, told.version, read))


def _find(service: ConnectionService, pair: Pair) -> Connection | None:
    source, destination = pair
    by = Actor(id="usr_reader", organization_id=source)
    return service.find(by=by, destination=destination)


def perform(service: ConnectionService, request: Request) -> Change:
    """Take the step that a request asks for."""
    action, organization, connection_id = (
        request.action,
        request.organization,
        request.connection_id,
    )
    if action is None:
        found = _find(service, request.pair)
        action, organization = fitting(None if found is None else found.status, request.pair)
        connection_id = "" if found is None else str(found.id)
    by = Actor(id=request.id, organization_id=organization)
    if action is Action.CREATE:
        return service.create(
            by=by, destination=request.pair[1], allow_self=True, idempotency_key=request.key
        )
    return service.take(
        action,
        connection_id,
        by=by,
        expected_version=request.expected_version,
        idempotency_key=request.key,
    )


#: The codes of errors after which nothing was done: a lock was waited for too long, a conflict, no
#: connection could be made, or the node does not serve anybody.
_NOTHING_DONE: Final = frozenset({1205, 1213, 2003, 1047})


def _is_uncertain(error: DBAPIError | StoreUnavailableError) -> bool:
    """Whether the change may have been made; in doubt, it may."""
    if isinstance(error, StoreUnavailableError):
        return error.uncertain
    return error.orig is None or error.orig.args[0] not in _NOTHING_DONE
