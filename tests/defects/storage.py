"""Defects about what is stored and found again: depth, number, isolation, caches, history."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from defects.catalogue import defect
from defects.systems import (
    Faulty,
    Request,
    is_destination,
    is_party,
    is_reverse,
    is_source,
    permit,
    refuse,
    same_destination,
    same_source,
)
from defects.witnesses import (
    ACTIVE,
    A,
    B,
    C,
    D,
    Exchanges,
    activate,
    create,
    creates,
    deactivate,
    reactivate,
    read,
    rounds,
    share,
    wait,
    withdrawals,
)

from connect_core import Action, Connection, ConnectionEvent, Status
from connect_core.conformance import Answer, Outcome
from connect_core.conformance.subject import State
from connect_core.scopes import DEFAULT_SCOPES

# --- depth ---------------------------------------------------------------------------------------


class _Limits(Faulty):
    """An action that was taken so many times already is refused."""

    action: ClassVar[Action]
    most: ClassVar[int]

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if there is None or call.action != self.action or not self.may(call, there):
            return None
        spent = self.past(there.id).count(self.action) >= self.most
        return refuse(Outcome.WRONG_STATUS) if spent else None


@defect("depth", create(), *withdrawals(8), deactivate(), reactivate())
class RefusesNinthReactivation(_Limits):
    """A Connection can be reactivated eight times."""

    action = Action.REACTIVATE
    most = 8


@defect("depth", create(), *rounds(10), activate())
class RefusesEleventhActivation(_Limits):
    """A Connection can be activated ten times."""

    action = Action.ACTIVATE
    most = 10


@defect("depth", create(), *withdrawals(16), deactivate())
class RefusesSeventeenthDeactivation(_Limits):
    """A Connection can be deactivated sixteen times."""

    action = Action.DEACTIVATE
    most = 16


class _ShowsEvents(Faulty):
    """The history is shown in part."""

    def shown(self, events: list[Any]) -> list[Any]:
        raise NotImplementedError

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["events"] = self.shown(state["events"])


@defect("depth", create(), *withdrawals(5), read())
class Keeps10Events(_ShowsEvents):
    """The history keeps the last 10 events."""

    def shown(self, events: list[Any]) -> list[Any]:
        return events[-10:]


@defect("depth", create(), *withdrawals(8), read())
class ShowsFirst16Events(_ShowsEvents):
    """The history is full after 16 events: later ones are not added."""

    def shown(self, events: list[Any]) -> list[Any]:
        return events[:16]


@defect("depth", create(), *withdrawals(10), read())
class ShowsFirstPageOfEvents(_ShowsEvents):
    """A read gives the first page of the history, of 20 events."""

    def shown(self, events: list[Any]) -> list[Any]:
        return events[:20]


@defect("depth", create(), *withdrawals(25), read())
class Keeps50Events(_ShowsEvents):
    """The history keeps the last 50 events."""

    def shown(self, events: list[Any]) -> list[Any]:
        return events[-50:]


@defect("depth", create(), *withdrawals(50), read())
class Keeps100Events(_ShowsEvents):
    """The history keeps the last 100 events."""

    def shown(self, events: list[Any]) -> list[Any]:
        return events[-100:]


@defect("depth", create(), *withdrawals(16), read())
class ArchivesEveryThirtySecondEvent(_ShowsEvents):
    """At 32 events the history is archived, and begins anew."""

    def shown(self, events: list[Any]) -> list[Any]:
        return events[(len(events) - 1) // 32 * 32 :]


@defect("depth", create(), *withdrawals(5), read())
class SortsEventsAsText(_ShowsEvents):
    """The events are sorted by their versions as text: 10 comes before 2."""

    def shown(self, events: list[Any]) -> list[Any]:
        return sorted(events, key=lambda event: str(event["version"]))


class _ShowsVersion(Faulty):
    """The version is shown otherwise, beyond some number."""

    def shown(self, version: int) -> int:
        raise NotImplementedError

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["version"] = self.shown(state["version"])
        for event in state["events"]:
            event["version"] = self.shown(event["version"])


@defect("depth", create(), *withdrawals(64), read())
class VersionIsSignedByte(_ShowsVersion):
    """The version is a signed byte: after 127 comes -128."""

    def shown(self, version: int) -> int:
        return (version + 128) % 256 - 128


@defect("depth", create(), *withdrawals(128), read())
class VersionIsByte(_ShowsVersion):
    """The version is a byte: after 255 comes 0."""

    def shown(self, version: int) -> int:
        return version % 256


@defect("depth", create(), *withdrawals(64), read())
class VersionSticksAt127(_ShowsVersion):
    """The version stays at 127, the most that a TINYINT column holds."""

    def shown(self, version: int) -> int:
        return min(version, 127)


@defect("depth", create(), *withdrawals(128), read())
class VersionSticksAt255(_ShowsVersion):
    """The version stays at 255, the most that an unsigned TINYINT column holds."""

    def shown(self, version: int) -> int:
        return min(version, 255)


@defect("depth", create(), *withdrawals(8), read())
class StatusFromFirst16Events(Faulty):
    """The status is worked out from the history, of which 16 events are fetched."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["status"] = attributes["status"] = state["events"][:16][-1]["status"]


class _ForgetsInRound(Faulty):
    """Something is lost with a later reactivation."""

    lost: ClassVar[int]
    changes: ClassVar[dict[str, object]]

    def changed(self, call: Request, there: Connection) -> None:
        if call.action == "reactivate" and self.round(there.id) == self.lost:
            self.meddle(there.id, **self.changes)


@defect("depth", create(name="Ours"), *withdrawals(2), read())
class ForgetsNameInSecondRound(_ForgetsInRound):
    """The second reactivation loses the name."""

    lost = 2
    changes: ClassVar = {"name": None}


@defect("depth", create(name="Ours"), *withdrawals(7), read())
class ForgetsNameInSeventhRound(_ForgetsInRound):
    """The seventh reactivation loses the name."""

    lost = 7
    changes: ClassVar = {"name": None}


@defect("depth", create(scopes=["a.read"]), *withdrawals(3), read())
class DefaultScopesInThirdRound(_ForgetsInRound):
    """The third reactivation gives the default scopes."""

    lost = 3
    changes: ClassVar = {"scopes": DEFAULT_SCOPES}


@defect("depth", create(), *withdrawals(4), read())
class LosesScopeInFourthRound(Faulty):
    """The fourth reactivation loses the last of the scopes."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.action == "reactivate" and self.round(there.id) == 4 and len(there.scopes) > 1:
            self.meddle(there.id, scopes=frozenset(sorted(there.scopes)[:-1]))


@defect("depth", create(), *rounds(2), activate(A))
class RemembersConsent(Faulty):
    """From the third round on the source can activate: the destination has agreed twice."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if there is not None and call.action == "activate" and is_source(call.by, there):
            agreed = self.past(there.id).count("activate") >= 2
            if agreed and there.status is Status.PENDING:
                return self.right(replace(call, by=there.destination_organization_id))
        return None


@defect("depth", create(), *rounds(3), read())
class TrustedAfterThreeRounds(_ForgetsInRound):
    """The third reactivation makes the Connection active at once."""

    lost = 3
    changes: ClassVar = {"status": Status.ACTIVE}


@defect("depth", create(), *rounds(2), activate(), read())
class ForgetsThirdActivation(Faulty):
    """The third activation is recorded, but leaves the status as it was."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.action == "activate" and self.past(there.id).count("activate") == 3:
            self.meddle(there.id, status=Status.PENDING)


@defect("depth", create(), *rounds(3), share())
class SharesPendingInLaterRounds(Faulty):
    """From the fourth round on data may be read while the Connection is pending."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if call.verb != "share" or there is None or there.status is not Status.PENDING:
            return None
        known = is_destination(call.by, there) and call.scope in there.scopes
        return permit() if known and self.round(there.id) >= 3 else None


@defect("depth", create(), *rounds(5), activate(), share())
class DeniesInSixthRound(Faulty):
    """From the sixth round on no data may be read, though the Connection is active."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        late = call.verb == "share" and there is not None and self.round(there.id) >= 5
        return refuse(Outcome.DENIED) if late else None


@defect("depth", create(), *rounds(2), activate(), deactivate(B))
class DestinationDeactivatesTwice(Faulty):
    """The destination can deactivate in the first two rounds only."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if there is not None and call.action == "deactivate" and is_destination(call.by, there):
            return refuse(Outcome.WRONG_ROLE) if self.round(there.id) >= 2 else None
        return None


# --- many ----------------------------------------------------------------------------------------


class _LimitsCreation(Faulty):
    """A creation is refused if there are so many Connections."""

    most: ClassVar[int]

    def counts(self, each: Connection, origin: str, destination: str) -> bool:
        return True

    def _find(self, source: str, destination: str) -> Connection | None:
        self.asked = source, destination
        return super()._find(source, destination)

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create":
            others = self.others(there)
            number = sum(self.counts(each, *self.asked) for each in others)
            self.full = number >= self.most
            if self.full:
                del self._connections[there.id]

    def _told(self, call: Request, answer: Answer) -> Answer:
        self.full = False
        answer = super()._told(call, answer)
        return refuse(Outcome.INVALID) if self.full else answer


@defect("many", *creates(7))
class SixDestinationsOfASource(_LimitsCreation):
    """A source can have six Connections."""

    most = 6

    def counts(self, each: Connection, origin: str, destination: str) -> bool:
        return each.source_organization_id == origin


@defect("many", *creates(17))
class SixteenDestinationsOfASource(_LimitsCreation):
    """A source can have sixteen Connections."""

    most = 16

    def counts(self, each: Connection, origin: str, destination: str) -> bool:
        return each.source_organization_id == origin


@defect("many", *(create(f"org_{n}", B) for n in range(11)))
class TenSourcesOfADestination(_LimitsCreation):
    """A destination can have ten Connections."""

    most = 10

    def counts(self, each: Connection, origin: str, destination: str) -> bool:
        return each.destination_organization_id == destination


@defect("many", *(create(f"org_{n}", f"org_{n}_b") for n in range(33)))
class ThirtyTwoConnections(_LimitsCreation):
    """There can be 32 Connections in all."""

    most = 32


@defect("many", *creates(17), read(on="0"))
class DropsOldestOfSixteen(Faulty):
    """The store is a cache of 16 Connections: the oldest makes room for the next one."""

    def changed(self, call: Request, there: Connection) -> None:
        if len(self._connections) > 16:
            del self._connections[next(iter(self._connections))]


@defect("many", *creates(33), read(on="0"))
class DropsLeastRecentOf32(Faulty):
    """The store is a cache of 32 Connections: the least recently used makes room."""

    def sent(self, call: Request) -> Request:
        if call.connection in self._connections:
            self._connections[call.connection] = self._connections.pop(call.connection)
        return call

    def changed(self, call: Request, there: Connection) -> None:
        if len(self._connections) > 32:
            del self._connections[next(iter(self._connections))]


@defect("many", *creates(21), read(on="0"))
class TwentyFirstReplacesFirst(Faulty):
    """The Connections of a source are in twenty slots, and the 21st takes the first one's."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create":
            same = [each for each in self.others(there) if same_source(each, there)]
            if len(same) >= 20:
                del self._connections[same[0].id]


def _repeats(done: Exchanges) -> bool:
    """Whether two Connections have one id."""
    return len(set(done.ids.values())) < len(done.ids)


@defect("many", *creates(17), judge=_repeats)
class IdIsHexadecimalDigit(Faulty):
    """The id ends in a number of one hexadecimal digit, so that the 17th is the first again."""

    made = 0

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create":
            self.rename(there.id, f"cxn_{self.made % 16:x}")
            self.made += 1


class _FindsPairsAmong(Faulty):
    """A pair is looked for among some Connections only, so that a second one is created."""

    def among(self, source: str, each: list[Connection]) -> list[Connection]:
        raise NotImplementedError

    def _find(self, source: str, destination: str) -> Connection | None:
        for each in self.among(source, list(self._connections.values())):
            pair = each.source_organization_id, each.destination_organization_id
            if pair == (source, destination):
                return each
        return None


@defect("many", *creates(11), create(A, "org_to_10", to="again"))
class FindsPairOnFirstPage(_FindsPairsAmong):
    """A second creation is recognized if the first one is on the first page, of ten, of a list."""

    def among(self, source: str, each: list[Connection]) -> list[Connection]:
        return [one for one in each if one.source_organization_id == source][:10]


@defect("many", *creates(26), create(A, "org_to_0", to="again"))
class FindsPairAmongRecent(_FindsPairsAmong):
    """A second creation is recognized if the first one is among the 25 newest Connections."""

    def among(self, source: str, each: list[Connection]) -> list[Connection]:
        return each[-25:]


class _ListsFew(Faulty):
    """A party finds a Connection in a list of its own, which has a limit."""

    verb: ClassVar[str]

    def listed(self, ours: list[Connection]) -> list[Connection]:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        if call.verb != self.verb or self.found(call) is None:
            return None
        ours = [each for each in self._connections.values() if is_party(call.by, each)]
        if call.connection in {each.id for each in self.listed(ours)}:
            return None
        return refuse(Outcome.DENIED if self.verb == "share" else Outcome.NOT_FOUND)


_NINE = tuple(create(f"org_{n}", B, to=str(n)) for n in range(9))


@defect("many", *_NINE, activate(B, "8"), share(B, on="8"))
class SharesThroughFirstEight(_ListsFew):
    """The destination may read data through its first eight Connections only."""

    verb = "share"

    def listed(self, ours: list[Connection]) -> list[Connection]:
        return ours[:8]


@defect("many", *creates(21), read(on="0"))
class ReadsTwentyNewest(_ListsFew):
    """An organization can read its twenty newest Connections only."""

    verb = "read"

    def listed(self, ours: list[Connection]) -> list[Connection]:
        return ours[-20:]


@defect("many", *creates(33), deactivate(on="32"))
class ActsOnFirst32(_ListsFew):
    """An organization can act on its first 32 Connections only."""

    verb = "act"

    def listed(self, ours: list[Connection]) -> list[Connection]:
        return ours[:32]


@defect("many", *creates(33), activate("org_to_32", "32"), read(on="0"))
class StatusInBitsOfAWord(Faulty):
    """Which Connections are active is kept in the bits of a word: the 33rd shares the first's."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        index = list(self._connections).index(call.connection)
        sharing = list(self._connections.values())[index % 32 :: 32]
        if any(each.status is Status.ACTIVE for each in sharing):
            state["status"] = attributes["status"] = "active"


@defect("many", *creates(101), read(on="0"))
class HundredEventsInAll(Faulty):
    """The table of events keeps the last hundred of all Connections together."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        newest = sorted(
            (event for events in self._events.values() for event in events),
            key=lambda event: (event.occurred_at, event.connection_id),
        )[-100:]
        kept = {event.version for event in newest if event.connection_id == call.connection}
        state["events"] = [event for event in state["events"] if event["version"] in kept]


# --- isolation -----------------------------------------------------------------------------------


class _Spreads(Faulty):
    """A change of one Connection changes others."""

    action: ClassVar[str]

    def reaches(self, there: Connection, other: Connection) -> bool:
        raise NotImplementedError

    def change(self, there: Connection, other: Connection) -> dict[str, object]:
        return {"status": there.status}

    def changed(self, call: Request, there: Connection) -> None:
        if self.action in {call.action, call.verb}:
            for other in self.others(there):
                if self.reaches(there, other):
                    self.meddle(other.id, **self.change(there, other))


_FORK = (create(A, C, to="other"), create(A, B))
_MEETING = (create(C, B, to="other"), create(A, B))
_BOTH_WAYS = (create(B, A, to="other"), create(A, B))


@defect("isolation", *_FORK, deactivate(A), read(on="other"))
class DeactivatesAllOfSource(_Spreads):
    """The source's deactivation of one Connection deactivates all that it is the source of."""

    action = "deactivate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        last = self._events[there.id][-1].actor.organization_id
        return same_source(there, other) and is_source(last, there)


@defect("isolation", *_MEETING, activate(B), read(C, "other"))
class ActivatesAllOfDestination(_Spreads):
    """An activation activates everything that is pending for the destination."""

    action = "activate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return same_destination(there, other) and other.status is Status.PENDING


@defect("isolation", *_MEETING, deactivate(B), read(C, "other"))
class DestinationLeavesAll(_Spreads):
    """A destination that deactivates one Connection deactivates all Connections to it."""

    action = "deactivate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        last = self._events[there.id][-1].actor.organization_id
        return same_destination(there, other) and is_destination(last, there)


@defect("isolation", *_BOTH_WAYS, deactivate(), read(on="other"))
class DeactivatesReverse(_Spreads):
    """A deactivation also deactivates the Connection in the other direction."""

    action = "deactivate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return is_reverse(there, other)


@defect("isolation", *_BOTH_WAYS, activate(), read(on="other"))
class ActivatesReverse(_Spreads):
    """An activation also activates the Connection in the other direction, if it is pending."""

    action = "activate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return is_reverse(there, other) and other.status is Status.PENDING


@defect("isolation", *_MEETING, activate(B, "other"), activate(B), read(B, "other"))
class OneActiveForEachDestination(_Spreads):
    """An activation deactivates the other active Connections of the destination."""

    action = "activate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return same_destination(there, other) and other.status is Status.ACTIVE

    def change(self, there: Connection, other: Connection) -> dict[str, object]:
        return {"status": Status.INACTIVE}


@defect("isolation", *_FORK, activate(), read(on="other"))
class RaisesVersionsOfSource(_Spreads):
    """An activation raises the versions of all Connections of the source."""

    action = "activate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return same_source(there, other)

    def change(self, there: Connection, other: Connection) -> dict[str, object]:
        return {"version": other.version + 1}


@defect("isolation", create(A, C, to="other", name="Old"), create(name="New"), read(on="other"))
class CreationRenamesSiblings(_Spreads):
    """A creation gives its name to all Connections of the source."""

    action = "create"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return same_source(there, other)

    def change(self, there: Connection, other: Connection) -> dict[str, object]:
        return {"name": there.name}


@defect("isolation", create(A, C, to="other"), create(scopes=["a.b"]), read(on="other"))
class CreationRescopesSiblings(_Spreads):
    """The scopes belong to the source: a creation replaces those of its other Connections."""

    action = "create"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return same_source(there, other)

    def change(self, there: Connection, other: Connection) -> dict[str, object]:
        return {"scopes": there.scopes}


def _touched_other(done: Exchanges) -> bool:
    """Whether the two states that were read have different times."""
    before, after = (state["updated_at"] for state in done.states())
    return bool(before != after)


@defect(
    "isolation",
    *_FORK,
    read(on="other"),
    wait(),
    activate(),
    read(on="other"),
    judge=_touched_other,
)
class TouchesSiblings(_Spreads):
    """An activation dates all Connections of the source as changed."""

    action = "activate"

    def reaches(self, there: Connection, other: Connection) -> bool:
        return same_source(there, other)

    def change(self, there: Connection, other: Connection) -> dict[str, object]:
        return {"updated_at": there.updated_at}


@defect("isolation", *_FORK, reactivate(B), read(on="other"))
class RefusalRaisesVersionsOfSource(Faulty):
    """An action that is refused raises the versions of the source's other Connections."""

    def refused(self, call: Request, there: Connection | None) -> None:
        if there is not None and is_party(call.by, there):
            for other in self.others(there):
                if same_source(there, other):
                    self.meddle(other.id, version=other.version + 1)


@defect("isolation", *_FORK, create(A, D, scopes=["A"], to="invalid"), read())
class InvalidCreationDeactivatesNewest(Faulty):
    """A creation that is not valid is undone by deactivating the source's newest Connection."""

    def after(self, call: Request, answer: Answer) -> Answer:
        ours = [each for each in self._connections.values() if is_source(call.by, each)]
        if answer.outcome is Outcome.INVALID and call.verb == "create" and ours:
            self.meddle(ours[-1].id, status=Status.INACTIVE)
        return answer


@defect("isolation", *_FORK, activate(C, "other"), read(on="other"))
class RecordsWithNewest(Faulty):
    """An event is recorded with the newest Connection."""

    def changed(self, call: Request, there: Connection) -> None:
        newest = next(reversed(self._connections))
        if newest != there.id:
            self._events[newest].append(self._events[there.id].pop())


@defect("isolation", *_BOTH_WAYS)
class PairIsUnordered(Faulty):
    """There can be one Connection between two organizations, in whichever direction."""

    def _find(self, source: str, destination: str) -> Connection | None:
        back = super()._find(destination, source)
        there = super()._find(source, destination)
        asked = {"source_organization_id": source, "destination_organization_id": destination}
        return there or (back and back.model_copy(update=asked))


@defect("isolation", *_BOTH_WAYS, activate(A, "other"), share(B))
class SharesIfReverseIsActive(Faulty):
    """The destination may read data while the Connection in either direction is active."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if call.verb != "share" or there is None or not is_destination(call.by, there):
            return None
        active = any(
            is_reverse(there, each) and each.status is Status.ACTIVE for each in self.others(there)
        )
        return permit() if active and call.scope in there.scopes else None


@defect("isolation", *_BOTH_WAYS, activate(A, "other"), activate(), share(A))
class SharesBackwardsIfBothAreActive(Faulty):
    """Once both directions are active, either party may read data through either Connection."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if call.verb != "share" or there is None or there.status is not Status.ACTIVE:
            return None
        active = any(
            is_reverse(there, each) and each.status is Status.ACTIVE for each in self.others(there)
        )
        return permit() if active and call.scope in there.scopes else None


@defect("isolation", *_FORK, read())
class VersionsFromOneSequence(Faulty):
    """The versions of all Connections come from one sequence."""

    number = 0

    def changed(self, call: Request, there: Connection) -> None:
        self.number += 1
        self.meddle(there.id, version=self.number)


@defect("isolation", *_FORK, activate(C, "other"), read())
class StatusOfSource(Faulty):
    """The status is kept with the source: all its Connections show the last one set."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: dict[str, Status] = {}

    def changed(self, call: Request, there: Connection) -> None:
        self.statuses[there.source_organization_id] = there.status

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["status"] = attributes["status"] = self.statuses[state["source"]].value


# --- cached --------------------------------------------------------------------------------------


class _Remembers(Faulty):
    """Remembers the Connection and the state of the last read."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[object, Connection] = {}

    def key(self, call: Request) -> object:
        """What a read is remembered by: the Connection, whoever reads it."""
        return call.connection

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        self.seen[self.key(call)] = self.there(call.connection)

    def remembered(self, call: Request) -> Connection | None:
        return self.seen.get(self.key(call)) if self.found(call) else None


@defect("cached", *ACTIVE, read(A), deactivate(), share())
class SharesAsLastRead(_Remembers):
    """Whether data may be read is decided on the state that anybody read last."""

    def before(self, call: Request) -> Answer | None:
        seen = self.remembered(call) if call.verb == "share" else None
        if seen is None:
            return None
        now = self.there(call.connection)
        self.restore(seen)
        answer = self.right(call)
        self.restore(now)
        return answer


@defect("cached", *ACTIVE, read(B), deactivate(), read(A), share(B))
class SharesAsReaderLastRead(SharesAsLastRead):
    """Whether data may be read is decided on the state that the reader itself read last."""

    def key(self, call: Request) -> object:
        return call.connection, call.by


@defect("cached", create(), read(B), deactivate(), reactivate(), deactivate(), activate(B))
class ActsAsLastRead(_Remembers):
    """Whether an action is permitted is decided on the state that the actor read last."""

    def key(self, call: Request) -> object:
        return call.connection, call.by

    def before(self, call: Request) -> Answer | None:
        seen = self.remembered(call) if call.verb == "act" else None
        if seen is None or self.may(call, seen) == self.may(call, self.there(seen.id)):
            return None
        if not self.may(call, seen):
            return refuse(Outcome.WRONG_STATUS)
        now = self.there(seen.id)
        self.meddle(seen.id, status=seen.status)
        answer = self._told(call, self.right(call))
        if answer.outcome is not Outcome.OK:
            self.restore(now)
        return answer


@defect("cached", create(), read(B), activate(B), deactivate(B, expected=1))
class ExpectsAsLastRead(_Remembers):
    """An expected version is compared with the one that the actor read last."""

    def key(self, call: Request) -> object:
        return call.connection, call.by

    def before(self, call: Request) -> Answer | None:
        seen = self.remembered(call) if call.expected_version is not None else None
        if seen is not None and seen.version == call.expected_version:
            return self._told(call, self.right(replace(call, expected_version=None)))
        return None


class _CachesState(Faulty):
    """A read gives the state that was read before, as long as it is in the cache."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[object, State] = {}

    def key(self, call: Request) -> object:
        return call.connection

    def forgets(self, call: Request, there: Connection) -> bool:
        """Whether an action removes the state from the cache."""
        return True

    def before(self, call: Request) -> Answer | None:
        cached = self.cache.get(self.key(call)) if call.verb == "read" else None
        if cached is None or self.found(call) is None:
            return None
        return Answer(Outcome.OK, state=cached, http=200)

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        self.cache[self.key(call)] = state

    def changed(self, call: Request, there: Connection) -> None:
        if self.forgets(call, there):
            self.cache.pop(self.key(call), None)


@defect("cached", create(), read(A), activate(B), read(A))
class StateCachedUntilOwnAction(_CachesState):
    """Each organization reads the state from its own cache, which its own actions invalidate."""

    def key(self, call: Request) -> object:
        return call.connection, call.by


@defect("cached", create(), read(A), activate(B), read(A))
class ActivationLeavesCache(_CachesState):
    """States are cached, and only what the source does invalidates them."""

    def forgets(self, call: Request, there: Connection) -> bool:
        return is_source(call.by, there)


@defect("cached", *ACTIVE, deactivate(), read(), reactivate(), read())
class ReactivationLeavesCache(_CachesState):
    """States are cached, and reactivation does not invalidate them."""

    def forgets(self, call: Request, there: Connection) -> bool:
        return call.action != "reactivate"


class _CachesShares(Faulty):
    """The answer to an attempt to read data is given again."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[object, Answer] = {}

    def key(self, call: Request) -> object:
        return call.by, call.connection, call.scope

    def keeps(self, answer: Answer) -> bool:
        return True

    def before(self, call: Request) -> Answer | None:
        return self.cache.get(self.key(call)) if call.verb == "share" else None

    def after(self, call: Request, answer: Answer) -> Answer:
        if call.verb == "share" and self.keeps(answer):
            self.cache[self.key(call)] = answer
        return answer


@defect("cached", *ACTIVE, share(), deactivate(), share())
class SharesForever(_CachesShares):
    """That a destination may read data of a scope is cached, and never invalidated."""

    def keeps(self, answer: Answer) -> bool:
        return answer.outcome is Outcome.OK


@defect("cached", create(), share(), activate(), share())
class DeniesForever(_CachesShares):
    """That a destination may not read data of a scope is cached, and never invalidated."""

    def keeps(self, answer: Answer) -> bool:
        return answer.outcome is Outcome.DENIED


@defect("cached", *ACTIVE, share(B), share(A))
class SharesCachedWithoutReader(_CachesShares):
    """That data may be read is cached by Connection and scope, whoever reads."""

    def key(self, call: Request) -> object:
        return call.connection, call.scope

    def changed(self, call: Request, there: Connection) -> None:
        self.cache.clear()


@defect("cached", *ACTIVE, create(C, B, to="second"), share(), share(on="second"))
class SharesCachedWithoutConnection(_CachesShares):
    """That data may be read is cached by reader and scope, whichever the Connection."""

    def key(self, call: Request) -> object:
        return call.by, call.scope

    def changed(self, call: Request, there: Connection) -> None:
        self.cache.clear()


@defect("cached", *ACTIVE, share(), share(scope="other.read"))
class SharesCachedWithoutScope(_CachesShares):
    """That data may be read is cached by reader and Connection, whatever the scope."""

    def key(self, call: Request) -> object:
        return call.by, call.connection

    def changed(self, call: Request, there: Connection) -> None:
        self.cache.clear()


@defect("cached", *ACTIVE, share(), deactivate(B), share())
class DestinationLeavesShares(_CachesShares):
    """That data may be read is cached, and only the source's actions invalidate it."""

    def changed(self, call: Request, there: Connection) -> None:
        if is_source(call.by, there) or call.action == "activate":
            self.cache.clear()


@defect("cached", create(), read(), activate(), read())
class DocumentCachedAtFirstRead(Faulty):
    """The Connection document is made when it is read first."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, Any] = {}

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["document"] = self.documents.setdefault(call.connection, state["document"])


@defect("cached", create(), read(), activate(), read())
class EventsCachedAtFirstRead(Faulty):
    """The history is fetched when it is read first, and not again."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: dict[str, Any] = {}

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["events"] = self.fetched.setdefault(call.connection, state["events"])


@defect("cached", create(), read(C), read(A))
class NotFoundCached(Faulty):
    """That there is no such Connection is cached by its id, also if it was only hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: set[str] = set()

    def before(self, call: Request) -> Answer | None:
        missing = call.verb == "read" and call.connection in self.missing
        return refuse(Outcome.NOT_FOUND) if missing else None

    def after(self, call: Request, answer: Answer) -> Answer:
        if call.verb == "read" and answer.outcome is Outcome.NOT_FOUND:
            self.missing.add(call.connection)
        return answer


@defect("cached", create(scopes=["bad"]), create(), create())
class NoPairCached(Faulty):
    """That there is no Connection for a pair is cached when a creation fails otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.none: set[tuple[str, str]] = set()

    def _find(self, source: str, destination: str) -> Connection | None:
        self.asked = source, destination
        return None if self.asked in self.none else super()._find(source, destination)

    def after(self, call: Request, answer: Answer) -> Answer:
        if call.verb == "create" and answer.outcome is Outcome.INVALID and call.body is None:
            self.none.add(self.asked)
        return answer


class _RepeatsActions(Faulty):
    """The answer to an action that was sent before is given again."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[Request, Answer] = {}

    def keeps(self, answer: Answer) -> bool:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        return self.answers.get(call) if call.verb == "act" else None

    def after(self, call: Request, answer: Answer) -> Answer:
        if call.verb == "act" and self.keeps(answer):
            self.answers[call] = answer
        return answer


@defect("cached", create(), deactivate(), activate(), reactivate(), activate())
class RepeatsRefusals(_RepeatsActions):
    """A request that was refused to a party is refused again, whatever has happened since."""

    def keeps(self, answer: Answer) -> bool:
        return answer.outcome is Outcome.WRONG_STATUS


@defect("cached", create(), *rounds(1), activate(), deactivate(), read())
class RepeatsSuccesses(_RepeatsActions):
    """A request that succeeded is taken for a repetition, answered alike, and not carried out."""

    def keeps(self, answer: Answer) -> bool:
        return answer.outcome is Outcome.OK


# --- history -------------------------------------------------------------------------------------


class _Records(Faulty):
    """The last event is recorded otherwise."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        """What is recorded instead of an event that is about to be shown."""
        raise NotImplementedError

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["events"] = [new for old in state["events"] for new in self.recorded(old, call)]


@defect("history", *ACTIVE, read())
class RecordsSourceAlways(_Records):
    """Every event is recorded with the source as the organization that acted."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "organization": self.there(call.connection).source_organization_id}]


@defect("history", *ACTIVE, deactivate(B), read())
class RecordsDeactivationAsSource(_Records):
    """A deactivation is recorded with the source as the organization that acted."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        source = str(self.there(call.connection).source_organization_id)
        by = source if event["action"] == "deactivate" else event["organization"]
        return [{**event, "organization": by}]


@defect("history", *ACTIVE, read())
class RecordsReader(_Records):
    """The events are shown with the organization that reads them."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "organization": call.by}]


@defect("history", create(), read())
class RecordsActor(_Records):
    """The events have the id of the actor, not of its organization."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "organization": event["organization"].replace("org_", "api_", 1)}]


@defect("history", create(), deactivate(), read())
class DeactivatesFromActiveAlways(_Records):
    """The status before a deactivation is recorded as active, also if it was pending."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        deactivation = event["action"] == "deactivate"
        return [{**event, "previous_status": "active"} if deactivation else event]


@defect("history", create(), deactivate(), reactivate(), read())
class ReactivationForgetsPrevious(_Records):
    """The status before a reactivation is recorded as nothing, as for a creation."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "previous_status": None} if event["action"] == "reactivate" else event]


@defect("history", create(), read())
class CreatedFromPending(_Records):
    """The status before a creation is recorded as pending."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "previous_status": event["previous_status"] or "pending"}]


@defect("history", *ACTIVE, read())
class RecordsPreviousStatusTwice(_Records):
    """The status after an action is recorded before it is set."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "status": event["previous_status"] or event["status"]}]


@defect("history", create(), deactivate(), reactivate(), read())
class ReactivationIsCreation(_Records):
    """A reactivation is recorded as a creation, since it leads to the same status."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "action": "create"} if event["action"] == "reactivate" else event]


@defect("history", create(), deactivate(), reactivate(), read())
class ReactivationNotRecorded(_Records):
    """Reactivations are not recorded."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [] if event["action"] == "reactivate" else [event]


@defect("history", create(), read())
class CreationNotRecorded(_Records):
    """The history begins with the first action after the creation."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [] if event["action"] == "create" else [event]


@defect("history", create(), deactivate(), read())
class DeactivationRecordedTwice(_Records):
    """A deactivation is recorded twice, once for each party."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [event, event] if event["action"] == "deactivate" else [event]


@defect("history", create(), *withdrawals(5), read())
class EventVersionHasOneDigit(_Records):
    """From the tenth event on the version in an event is its last digit."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "version": event["version"] % 10}]


@defect("history", *ACTIVE, read())
class EventHasVersionBefore(_Records):
    """An event has the version that the change was made from."""

    def recorded(self, event: Any, call: Request) -> Sequence[Any]:
        return [{**event, "version": event["version"] - 1}]


@defect("history", *ACTIVE, read())
class NewestEventFirst(Faulty):
    """The history is shown newest first."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["events"].reverse()


@defect("history", create(), deactivate(A), reactivate(A), read())
class MergesEventsOfOneActor(Faulty):
    """Of several events in a row with one actor the last is kept, and the creation."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        events = state["events"]
        state["events"] = [
            event
            for event, later in zip(events, [*events[1:], {"organization": None}], strict=True)
            if event["organization"] != later["organization"] or event["action"] == "create"
        ]


@defect("history", *ACTIVE, deactivate(), reactivate(), read())
class ReactivationBeginsHistory(Faulty):
    """A reactivation clears the history, and is its first event."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.action == "reactivate":
            del self._events[there.id][:-1]


@defect("history", *_BOTH_WAYS, read())
class ShowsEventsOfReverse(Faulty):
    """The history is found by the two parties, and has the events of the other direction, too."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        there = self.there(call.connection)
        for each in self.others(there):
            if is_reverse(there, each):
                back = self.right(replace(call, connection=each.id)).state or {}
                state["events"] += back["events"]


class _RecordsRefusals(Faulty):
    """Some refusals are recorded like changes."""

    def records(self, call: Request, there: Connection) -> bool:
        raise NotImplementedError

    def refused(self, call: Request, there: Connection | None) -> None:
        if there is not None and is_party(call.by, there) and self.records(call, there):
            last: ConnectionEvent = self._events[there.id][-1]
            again = {"action": Action(call.action), "previous_status": there.status}
            self._events[there.id].append(last.model_copy(update=again))


@defect("history", create(), activate(A), read())
class RecordsRefusedActivation(_RecordsRefusals):
    """An activation that is refused to the source is recorded."""

    def records(self, call: Request, there: Connection) -> bool:
        return call.action == "activate" and is_source(call.by, there)


@defect("history", create(), deactivate(), deactivate(B), read())
class RecordsRefusedDeactivation(_RecordsRefusals):
    """A second deactivation, by the other party, is refused but recorded."""

    def records(self, call: Request, there: Connection) -> bool:
        last = self._events[there.id][-1].actor.organization_id
        return call.action == "deactivate" and last != call.by


@defect("history", create(), deactivate(expected=7), read())
class RecordsStaleActions(_RecordsRefusals):
    """An action that is refused as stale is recorded."""

    def records(self, call: Request, there: Connection) -> bool:
        return call.expected_version is not None and self.may(call, there)


@defect("history", create(), create(), read())
class RecordsSecondCreation(Faulty):
    """A second creation that is refused is recorded as an event of the first Connection."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is Outcome.ALREADY_EXISTS and call.destination is not None:
            there = self._find(call.origin, call.destination)
            if there is not None:
                self._events[there.id].append(self._events[there.id][0])
        return answer
