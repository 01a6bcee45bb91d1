"""Defects about what is answered: versions, open points, times, HTTP statuses, refusals."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from defects.catalogue import defect
from defects.systems import (
    Faulty,
    Request,
    is_destination,
    is_party,
    is_source,
    permit,
    refuse,
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
    deactivate,
    reactivate,
    read,
    rounds,
    send,
    share,
    wait,
    withdrawals,
)

from connect_core import Connection, Status
from connect_core.conformance import Answer, Outcome
from connect_core.history import format_timestamp, utc_now
from connect_core.scopes import Scope

# --- expected-version ----------------------------------------------------------------------------


class _Expects(Faulty):
    """The expected version is compared with the present one otherwise."""

    def same(self, expected: int, version: int) -> bool:
        return expected == version

    def minds(self, call: Request, there: Connection) -> bool:
        """Whether the expected version is looked at."""
        return True

    def sent(self, call: Request) -> Request:
        there = self._connections.get(call.connection)
        if there is None or call.expected_version is None:
            return call
        if not self.minds(call, there):
            return replace(call, expected_version=None)
        same = self.same(call.expected_version, there.version)
        return replace(call, expected_version=there.version if same else there.version + 1)


@defect("expected-version", create(), deactivate(expected=257))
class ExpectsModulo8Bits(_Expects):
    """The lowest 8 bits of versions are compared."""

    def same(self, expected: int, version: int) -> bool:
        return (expected - version) % 2**8 == 0


@defect("expected-version", create(), deactivate(expected=2**16 + 1))
class ExpectsModulo16Bits(_Expects):
    """The lowest 16 bits of versions are compared."""

    def same(self, expected: int, version: int) -> bool:
        return (expected - version) % 2**16 == 0


@defect("expected-version", create(), deactivate(expected=2**32 + 1))
class ExpectsModulo32Bits(_Expects):
    """The lowest 32 bits of versions are compared."""

    def same(self, expected: int, version: int) -> bool:
        return (expected - version) % 2**32 == 0


@defect("expected-version", create(), deactivate(expected=2**64 + 1))
class ExpectsModulo64Bits(_Expects):
    """The lowest 64 bits of versions are compared."""

    def same(self, expected: int, version: int) -> bool:
        return (expected - version) % 2**64 == 0


@defect("expected-version", create(), deactivate(expected=12))
class VersionIsPrefixOfExpected(_Expects):
    """Versions are compared as text, as far as the present one goes: 1 and 12 are the same."""

    def same(self, expected: int, version: int) -> bool:
        return str(expected).startswith(str(version))


@defect("expected-version", create(), *withdrawals(6), deactivate(expected=1))
class ExpectedIsPrefixOfVersion(_Expects):
    """Versions are compared as text, as far as the expected one goes: 1 and 13 are the same."""

    def same(self, expected: int, version: int) -> bool:
        return str(version).startswith(str(expected))


@defect("expected-version", create(), *withdrawals(6), deactivate(expected=3))
class ExpectsLastDigit(_Expects):
    """The last digits of versions are compared."""

    def same(self, expected: int, version: int) -> bool:
        return expected % 10 == version % 10


@defect("expected-version", create(), deactivate(expected=2))
class AcceptsLaterVersions(_Expects):
    """Only an expected version before the present one is stale."""

    def same(self, expected: int, version: int) -> bool:
        return expected >= version


@defect("expected-version", *ACTIVE, deactivate(expected=1))
class AcceptsEarlierVersions(_Expects):
    """Only an expected version after the present one is stale."""

    def same(self, expected: int, version: int) -> bool:
        return expected <= version


@defect("expected-version", create(), activate(expected=1))
class ExpectsVersionAfterwards(_Expects):
    """The expected version is compared with the one that the action leads to."""

    def same(self, expected: int, version: int) -> bool:
        return expected == version + 1


@defect("expected-version", *ACTIVE, deactivate(expected=1))
class AcceptsPreviousVersion(_Expects):
    """The version before the present one may be expected, too."""

    def same(self, expected: int, version: int) -> bool:
        return expected in {version, version - 1}


@defect("expected-version", *ACTIVE, deactivate(expected=1))
class AcceptsVersionOne(_Expects):
    """The version 1 may be expected at any time, as if none were given."""

    def minds(self, call: Request, there: Connection) -> bool:
        return call.expected_version != 1


@defect("expected-version", create(), activate(expected=2))
class ActivationIgnoresVersion(_Expects):
    """The expected version is ignored for an activation."""

    def minds(self, call: Request, there: Connection) -> bool:
        return call.action != "activate"


@defect("expected-version", create(), deactivate(expected=2))
class DeactivationIgnoresVersion(_Expects):
    """The expected version is ignored for a deactivation."""

    def minds(self, call: Request, there: Connection) -> bool:
        return call.action != "deactivate"


@defect("expected-version", create(), deactivate(), reactivate(expected=1))
class ReactivationIgnoresVersion(_Expects):
    """The expected version is ignored for a reactivation."""

    def minds(self, call: Request, there: Connection) -> bool:
        return call.action != "reactivate"


@defect("expected-version", create(), deactivate(A, expected=2))
class SourceIgnoresVersion(_Expects):
    """The expected version is ignored if the source acts."""

    def minds(self, call: Request, there: Connection) -> bool:
        return not is_source(call.by, there)


@defect("expected-version", create(), deactivate(B, expected=2))
class DestinationIgnoresVersion(_Expects):
    """The expected version is ignored if the destination acts."""

    def minds(self, call: Request, there: Connection) -> bool:
        return not is_destination(call.by, there)


@defect("expected-version", create(), deactivate(expected=2))
class PendingIgnoresVersion(_Expects):
    """The expected version is ignored while the Connection is pending."""

    def minds(self, call: Request, there: Connection) -> bool:
        return there.status is not Status.PENDING


@defect("expected-version", *ACTIVE, deactivate(expected=1))
class ActiveIgnoresVersion(_Expects):
    """The expected version is ignored while the Connection is active."""

    def minds(self, call: Request, there: Connection) -> bool:
        return there.status is not Status.ACTIVE


@defect("expected-version", *ACTIVE, deactivate(), deactivate(expected=2))
class WrongStatusBeforeStale(_Expects):
    """The expected version is looked at only if the action is permitted."""

    def minds(self, call: Request, there: Connection) -> bool:
        return self.may(call, there)


@defect("expected-version", create(), deactivate(expected=2**31))
class BigVersionsIgnored(_Expects):
    """An expected version that is no 32-bit number is ignored."""

    def minds(self, call: Request, there: Connection) -> bool:
        return (call.expected_version or 0) < 2**31


@defect("expected-version", create(), activate(C, expected=2))
class StaleForOutsiders(Faulty):
    """The expected version is compared before it is looked who acts."""

    def before(self, call: Request) -> Answer | None:
        there = self._connections.get(call.connection)
        if there is None or is_party(call.by, there):
            return None
        return refuse(Outcome.STALE) if call.expected_version not in {None, there.version} else None


@defect("expected-version", create(), activate(A, expected=2))
class StaleBeforeWrongRole(Faulty):
    """The expected version of a party is compared before its role."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if there is None or call.expected_version in {None, there.version}:
            return None
        return refuse(Outcome.STALE)


class _Overflows(Faulty):
    """A big expected version makes the implementation fail."""

    bits: ClassVar[int]

    def before(self, call: Request) -> Answer | None:
        if (call.expected_version or 0) >= 2**self.bits:
            raise OverflowError("the number is too large for the column")
        return None


@defect("expected-version", create(), deactivate(expected=2**31))
class FailsBeyond31Bits(_Overflows):
    """The query fails if the expected version is greater than 2147483647."""

    bits = 31


@defect("expected-version", create(), deactivate(expected=2**63))
class FailsBeyond63Bits(_Overflows):
    """The query fails if the expected version does not fit into 64 bits with a sign."""

    bits = 63


@defect("expected-version", create(), activate(A, expected=2**31), activate(C, expected=2**31))
class BigVersionIsStaleForOutsiders(Faulty):
    """An expected version that is no 32-bit number is stale at once, whoever acts."""

    def before(self, call: Request) -> Answer | None:
        return refuse(Outcome.STALE) if (call.expected_version or 0) >= 2**31 else None


# --- open-points ---------------------------------------------------------------------------------


def _differ(one: int = -2, other: int = -1) -> Callable[[Exchanges], bool]:
    """Judge two answers, by their places, that an open point has to make alike."""

    def judge(done: Exchanges) -> bool:
        first, second = done.answers[one], done.answers[other]
        assert isinstance(first, Answer)
        assert isinstance(second, Answer)
        return (first.outcome, first.http) != (second.outcome, second.http)

    return judge


class _TellsOutsiders(Faulty):
    """Connections are hidden from outsiders, except in some cases, where they are refused."""

    def tells(self, call: Request, there: Connection) -> bool:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        there = self._connections.get(call.connection)
        if there is None or is_party(call.by, there) or not self.tells(call, there):
            return None
        return refuse(Outcome.NOT_A_PARTY)


@defect("open-points", create(), read(C), activate(C), judge=_differ())
class RefusesOutsidersThatAct(_TellsOutsiders):
    """A Connection is hidden from outsiders that read, and refused to those that act."""

    def tells(self, call: Request, there: Connection) -> bool:
        return call.verb == "act"


@defect("open-points", create(), read(C), share(C), judge=_differ())
class RefusesOutsidersThatShare(_TellsOutsiders):
    """A Connection is hidden from outsiders, but refused to those that read data through it."""

    def tells(self, call: Request, there: Connection) -> bool:
        return call.verb == "share"


@defect("open-points", create(), activate(C), deactivate(C), judge=_differ())
class RefusesOutsidersThatDeactivate(_TellsOutsiders):
    """A Connection is hidden from outsiders, but refused to those that deactivate it."""

    def tells(self, call: Request, there: Connection) -> bool:
        return call.action == "deactivate"


@defect("open-points", create(), read(C), activate(), read(C), judge=_differ(-3))
class RefusesOutsidersWhileActive(_TellsOutsiders):
    """A Connection is refused to outsiders while it is active, and else hidden."""

    def tells(self, call: Request, there: Connection) -> bool:
        return there.status is Status.ACTIVE


@defect("open-points", *ACTIVE, share(C, "other.read"), share(C), judge=_differ())
class RefusesOutsidersThatKnowScope(_TellsOutsiders):
    """A Connection is refused to outsiders that name one of its scopes, and else hidden."""

    def tells(self, call: Request, there: Connection) -> bool:
        return call.scope in there.scopes


@defect("open-points", create(), read(C), *rounds(1), read(C), judge=_differ(1))
class RefusesOutsidersInLaterRounds(_TellsOutsiders):
    """A Connection that was reactivated is refused to outsiders, and else hidden."""

    def tells(self, call: Request, there: Connection) -> bool:
        return self.round(there.id) > 0


@defect("open-points", create(), create(C, D, to="own"), read(C), read("org_e"), judge=_differ())
class HidesFromStrangersOnly(_TellsOutsiders):
    """A Connection is refused to outsiders with Connections of their own, and else hidden."""

    def tells(self, call: Request, there: Connection) -> bool:
        return any(is_party(call.by, each) for each in self._connections.values())


@defect("open-points", create(), read(C), activate(C, expected=1), judge=_differ())
class RefusesOutsidersThatKnowVersion(_TellsOutsiders):
    """A Connection is refused to outsiders that expect its version, and else hidden."""

    def tells(self, call: Request, there: Connection) -> bool:
        return call.expected_version == there.version


class _StatusFirst(Faulty):
    """Of a wrong role and a wrong status the role is reported, except in some cases."""

    def first(self, call: Request, there: Connection) -> bool:
        raise NotImplementedError

    def after(self, call: Request, answer: Answer) -> Answer:
        there = self.found(call)
        if there is None or answer.outcome is not Outcome.WRONG_ROLE:
            return answer
        needed = Status.PENDING if call.action == "activate" else Status.INACTIVE
        both = there.status is not needed
        return refuse(Outcome.WRONG_STATUS) if both and self.first(call, there) else answer


@defect("open-points", *ACTIVE, activate(A), reactivate(B), judge=_differ())
class ReactivationStatusFirst(_StatusFirst):
    """A wrong role is reported first for an activation, a wrong status for a reactivation."""

    def first(self, call: Request, there: Connection) -> bool:
        return call.action == "reactivate"


@defect("open-points", *ACTIVE, activate(A), deactivate(), activate(A), judge=_differ(-3))
class InactiveStatusFirst(_StatusFirst):
    """A wrong role is reported first, but of an inactive Connection the wrong status."""

    def first(self, call: Request, there: Connection) -> bool:
        return there.status is Status.INACTIVE


@defect("open-points", create(), reactivate(B), activate(), reactivate(B), judge=_differ(-3))
class ActiveStatusFirst(_StatusFirst):
    """A wrong role is reported first, but of an active Connection the wrong status."""

    def first(self, call: Request, there: Connection) -> bool:
        return there.status is Status.ACTIVE


@defect(
    "open-points", *ACTIVE, activate(A), *rounds(1)[1:], activate(), activate(A), judge=_differ(2)
)
class StatusFirstInLaterRounds(_StatusFirst):
    """A wrong role is reported first, but after a reactivation the wrong status."""

    def first(self, call: Request, there: Connection) -> bool:
        return self.round(there.id) > 0


@defect("open-points", *ACTIVE, activate(A), create(B, B, source=A, to="2"), judge=_differ())
class CreationStatusFirst(Faulty):
    """A wrong role is reported first, but for a creation that there is a Connection already."""

    def before(self, call: Request) -> Answer | None:
        if call.source is None or call.destination != call.by or call.source == call.by:
            return None
        taken = self._find(call.source, call.by) is not None
        return refuse(Outcome.ALREADY_EXISTS) if taken else None


@defect("open-points", create(), activate(A), reactivate(B), judge=_differ())
class WrongRoleHasTwoStatuses(Faulty):
    """The HTTP status of a wrong role is 403, but for a reactivation 404."""

    def after(self, call: Request, answer: Answer) -> Answer:
        other = answer.outcome is Outcome.WRONG_ROLE and call.action == "reactivate"
        return replace(answer, http=404) if other else answer


@defect("open-points", create(), reactivate(A), activate(), activate(B), judge=_differ(-3))
class WrongStatusHasTwoStatuses(Faulty):
    """The HTTP status of a wrong status is 409, but for an activation 422."""

    def after(self, call: Request, answer: Answer) -> Answer:
        other = answer.outcome is Outcome.WRONG_STATUS and call.action == "activate"
        return replace(answer, http=422) if other else answer


@defect("open-points", *ACTIVE, reactivate(A), deactivate(), deactivate(B), judge=_differ(-3))
class WrongStatusByStatus(Faulty):
    """The HTTP status of a wrong status is 409, but of an inactive Connection 404."""

    def after(self, call: Request, answer: Answer) -> Answer:
        there = self.found(call)
        if there is None or there.status is not Status.INACTIVE:
            return answer
        return replace(answer, http=404) if answer.outcome is Outcome.WRONG_STATUS else answer


@defect("open-points", *ACTIVE, activate(A), create(B, B, source=A, to="2"), judge=_differ())
class WrongRoleOfCreation(Faulty):
    """The HTTP status of a wrong role is 403, but for a creation 422."""

    def after(self, call: Request, answer: Answer) -> Answer:
        other = answer.outcome is Outcome.WRONG_ROLE and call.verb == "create"
        return replace(answer, http=422) if other else answer


def _scopes_differ(done: Exchanges) -> bool:
    """Whether some of the states that were read, all inactive, have scopes, and others none."""
    return len({bool(state["scopes"]) for state in done.states()}) > 1


class _Suspends(Faulty):
    """An inactive Connection has its scopes, except in some cases."""

    def suspends(self, there: Connection) -> bool:
        raise NotImplementedError

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        there = self.there(call.connection)
        if there.status is Status.INACTIVE and self.suspends(there):
            state["scopes"] = attributes["scopes"] = []


@defect(
    "open-points",
    *(create(), deactivate(A), read(), reactivate(), deactivate(B), read()),
    judge=_scopes_differ,
)
class SuspendedByDestination(_Suspends):
    """The scopes are suspended if the destination deactivates, and else kept."""

    def suspends(self, there: Connection) -> bool:
        return is_destination(self._events[there.id][-1].actor.organization_id, there)


@defect(
    "open-points",
    *(create(), deactivate(), read(), reactivate(), activate(), deactivate(), read()),
    judge=_scopes_differ,
)
class SuspendedIfActivated(_Suspends):
    """The scopes are suspended if the Connection was active, and else kept."""

    def suspends(self, there: Connection) -> bool:
        return self._events[there.id][-1].previous_status is Status.ACTIVE


@defect(
    "open-points",
    *(*ACTIVE, deactivate(), read(A), read(B)),
    judge=_scopes_differ,
)
class SuspendedForDestination(Faulty):
    """The scopes of an inactive Connection are suspended for the destination, and else kept."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if state["status"] == "inactive" and call.by != state["source"]:
            state["scopes"] = attributes["scopes"] = []


class _Returns(Faulty):
    """A second creation is refused, except in some cases, where the first one is returned."""

    def returns(self, call: Request, there: Connection) -> bool:
        raise NotImplementedError

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is not Outcome.ALREADY_EXISTS or call.destination is None:
            return answer
        there = self._find(call.origin, call.destination)
        if there is None or not self.returns(call, there):
            return answer
        return Answer(Outcome.OK, there.id, http=200)


@defect("open-points", create(), create(), activate(), create(), judge=_differ(1))
class ReturnsActive(_Returns):
    """A second creation returns a Connection that is active, and is else refused."""

    def returns(self, call: Request, there: Connection) -> bool:
        return there.status is Status.ACTIVE


@defect("open-points", create(), create(), deactivate(), create(), judge=_differ(1))
class ReturnsInactive(_Returns):
    """A second creation returns a Connection that is inactive, and is else refused."""

    def returns(self, call: Request, there: Connection) -> bool:
        return there.status is Status.INACTIVE


@defect("open-points", create(name="a"), create(name="b"), create(name="a"), judge=_differ())
class ReturnsWithSameName(_Returns):
    """A second creation on the same terms returns the first Connection, and is else refused."""

    def returns(self, call: Request, there: Connection) -> bool:
        named = call.scopes is None or frozenset(map(str, call.scopes)) == there.scopes
        return named and call.name == there.name


@defect("open-points", create(A, A), create(A, B), create(A, A), judge=_differ(0))
class SelfConnectionForPartners(Faulty):
    """A self-connection has to be asked for, unless the organization has another Connection."""

    def sent(self, call: Request) -> Request:
        known = call.verb == "create" and any(
            is_party(call.by, each) for each in self._connections.values()
        )
        return replace(call, allow_self=True) if known else call


@defect(
    "open-points",
    *(create(C, C, allow_self=True), create(A, B), create(A, A, allow_self=True, to="2")),
    judge=_differ(0),
)
class SelfConnectionFirst(Faulty):
    """A self-connection that is asked for is refused if the organization has another Connection."""

    def before(self, call: Request) -> Answer | None:
        if call.verb != "create" or call.destination != call.origin:
            return None
        known = any(is_party(call.by, each) for each in self._connections.values())
        return Answer(Outcome.SELF_CONNECTION, http=422) if known else None


# --- times ---------------------------------------------------------------------------------------


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _last(done: Exchanges) -> Any:
    return done.states()[-1]


def _is_off(done: Exchanges) -> bool:
    """Whether the last time of change is more than a minute from now."""
    return abs(_time(_last(done)["updated_at"]) - datetime.now(UTC)) > timedelta(minutes=1)


def _stands_still(done: Exchanges) -> bool:
    """Whether the last two states have one time of change."""
    before, after = done.states()[-2:]
    return bool(before["updated_at"] == after["updated_at"])


def _pauses(done: Exchanges) -> bool:
    """Whether some two states in a row have one time of change."""
    times = [state["updated_at"] for state in done.states()]
    return len(set(times)) < len(times)


def _has_moved(done: Exchanges) -> bool:
    return not _stands_still(done)


def _goes_back(done: Exchanges) -> bool:
    """Whether the time of change of the last state is before that of the state read before."""
    before, after = done.states()[-2:]
    return _time(after["updated_at"]) < _time(before["updated_at"])


def _creation_moves(done: Exchanges) -> bool:
    before, after = done.states()[-2:]
    return bool(before["created_at"] != after["created_at"])


def _starts_changed(done: Exchanges) -> bool:
    """Whether a Connection was changed at another time than it was created."""
    return bool(_last(done)["created_at"] != _last(done)["updated_at"])


def _document_differs(done: Exchanges) -> bool:
    """Whether the document has other times than the state."""
    state = _last(done)
    attributes = state["document"]["data"]["attributes"]
    times = attributes["created-at"], attributes["updated-at"]
    return times != (state["created_at"], state["updated_at"])


class _ShowsTimes(Faulty):
    """The times are shown otherwise, in the state and in the document."""

    def shown(self, at: datetime) -> datetime:
        raise NotImplementedError

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        for member in "created_at", "updated_at":
            at = format_timestamp(self.shown(_time(state[member])))
            state[member] = attributes[member.replace("_", "-")] = at


_TWICE = (create(), read(), wait(), activate(), read())
_OFTEN = (*_TWICE, wait(), deactivate(), read(), wait(), reactivate(), read())


@defect("times", create(), read(), judge=_is_off)
class OneHourAhead(_ShowsTimes):
    """The times are one hour ahead, as in winter time that is taken for UTC."""

    def shown(self, at: datetime) -> datetime:
        return at + timedelta(hours=1)


@defect("times", create(), read(), judge=_is_off)
class LocalTimesWithZ(_ShowsTimes):
    """The times are those of a time zone five hours behind UTC, with a Z."""

    def shown(self, at: datetime) -> datetime:
        return at - timedelta(hours=5)


@defect("times", *_OFTEN, judge=_pauses)
class DatesOnly(_ShowsTimes):
    """The times are kept in a column of dates, without the time of day."""

    def shown(self, at: datetime) -> datetime:
        return at.replace(hour=0, minute=0, second=0, microsecond=0)


@defect("times", *_OFTEN, judge=_pauses)
class WholeMinutes(_ShowsTimes):
    """The times are kept in whole minutes."""

    def shown(self, at: datetime) -> datetime:
        return at.replace(second=0, microsecond=0)


@defect("times", *_OFTEN, judge=_pauses)
class WholeSeconds(_ShowsTimes):
    """The times are kept in whole seconds."""

    def shown(self, at: datetime) -> datetime:
        return at.replace(microsecond=0)


class _ChangesTimes(Faulty):
    """A change is dated otherwise."""

    def times(self, call: Request, there: Connection) -> dict[str, datetime]:
        raise NotImplementedError

    def changed(self, call: Request, there: Connection) -> None:
        self.meddle(there.id, **self.times(call, there))


@defect("times", *_TWICE, judge=_stands_still)
class NeverUpdated(_ChangesTimes):
    """The time of change stays that of the creation."""

    def times(self, call: Request, there: Connection) -> dict[str, datetime]:
        return {"updated_at": there.created_at}


@defect("times", *_TWICE, wait(), deactivate(), read(), judge=_stands_still)
class DeactivationKeepsTime(Faulty):
    """A deactivation leaves the time of change where it was."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if there is None or call.action != "deactivate":
            return None
        answer = self._told(call, self.right(call))
        self.meddle(there.id, updated_at=there.updated_at)
        return answer


@defect("times", *_TWICE, judge=_stands_still)
class DestinationKeepsTime(Faulty):
    """What the destination does leaves the time of change where it was."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if there is None or call.verb != "act" or not is_destination(call.by, there):
            return None
        answer = self._told(call, self.right(call))
        self.meddle(there.id, updated_at=there.updated_at)
        return answer


@defect("times", create(), read(), judge=_starts_changed)
class UpdatedAfterCreated(_ChangesTimes):
    """The two times of a creation come from two looks at the clock, a millisecond apart."""

    def times(self, call: Request, there: Connection) -> dict[str, datetime]:
        later = there.updated_at + timedelta(milliseconds=1)
        return {"updated_at": later} if call.verb == "create" else {}


@defect("times", *ACTIVE, read(), wait(), deactivate(), reactivate(), read(), judge=_creation_moves)
class ReactivationMovesCreation(_ChangesTimes):
    """A reactivation is dated as a creation, too."""

    def times(self, call: Request, there: Connection) -> dict[str, datetime]:
        return {"created_at": there.updated_at} if call.action == "reactivate" else {}


@defect("times", *_TWICE, judge=_creation_moves)
class ActivationMovesCreation(_ChangesTimes):
    """A Connection is dated as created when it is activated."""

    def times(self, call: Request, there: Connection) -> dict[str, datetime]:
        return {"created_at": there.updated_at} if call.action == "activate" else {}


@defect("times", create(), wait(), *withdrawals(1), read(), activate(), read(), judge=_goes_back)
class ActivationGoesBack(_ChangesTimes):
    """An activation sets the time of change to that of the creation."""

    def times(self, call: Request, there: Connection) -> dict[str, datetime]:
        return {"updated_at": there.created_at} if call.action == "activate" else {}


@defect("times", create(), read(), wait(), read(), judge=_has_moved)
class ReadUpdates(Faulty):
    """A read is dated like a change."""

    def before(self, call: Request) -> Answer | None:
        if call.verb == "read" and self.found(call):
            self.meddle(call.connection, updated_at=utc_now())
        return None


@defect("times", *ACTIVE, read(), wait(), share(), read(), judge=_has_moved)
class SharingUpdates(Faulty):
    """That data may be read is dated like a change."""

    def before(self, call: Request) -> Answer | None:
        if call.verb == "share" and self.found(call):
            self.meddle(call.connection, updated_at=utc_now())
        return None


@defect("times", create(), read(), wait(), activate(A), read(), judge=_has_moved)
class RefusalUpdates(Faulty):
    """An action that is refused to a party is dated like a change."""

    def refused(self, call: Request, there: Connection | None) -> None:
        if there is not None and is_party(call.by, there):
            self.meddle(there.id, updated_at=utc_now())


@defect("times", create(), read(), wait(), deactivate(expected=9), read(), judge=_has_moved)
class StaleUpdates(Faulty):
    """An action that is refused as stale is dated like a change."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is Outcome.STALE:
            self.meddle(call.connection, updated_at=utc_now())
        return answer


@defect("times", create(), read(), wait(), create(), read(), judge=_has_moved)
class SecondCreationUpdates(Faulty):
    """A second creation that is refused is dated like a change."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is Outcome.ALREADY_EXISTS and call.destination is not None:
            there = self._find(call.origin, call.destination)
            if there is not None:
                self.meddle(there.id, updated_at=utc_now())
        return answer


@defect("times", create(), read(), wait(), read(), judge=_creation_moves)
class CreatedWhenRead(Faulty):
    """The time of creation is not kept, and is that of the read."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["created_at"] = attributes["created-at"] = format_timestamp(utc_now())


@defect("times", create(), wait(), activate(), read(), judge=_document_differs)
class DocumentUpdatedAtCreation(Faulty):
    """The document gives the time of creation for the time of change."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        attributes["updated-at"] = attributes["created-at"]


@defect("times", create(), wait(), activate(), read(), judge=_document_differs)
class DocumentTimesSwapped(Faulty):
    """The document has the two times in each other's place."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        attributes["created-at"], attributes["updated-at"] = (
            state["updated_at"],
            state["created_at"],
        )


@defect("times", create(), read(), judge=_document_differs)
class DocumentInLocalTime(Faulty):
    """The document has the times of a time zone two hours ahead, with a Z."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        for member in "created-at", "updated-at":
            at = _time(attributes[member]) + timedelta(hours=2)
            attributes[member] = format_timestamp(at)


# --- http ----------------------------------------------------------------------------------------


class _Responds(Faulty):
    """Some answers have another HTTP status."""

    http: ClassVar[int]

    def applies(self, call: Request, answer: Answer) -> bool:
        raise NotImplementedError

    def after(self, call: Request, answer: Answer) -> Answer:
        return replace(answer, http=self.http) if self.applies(call, answer) else answer


@defect("http", create())
class CreationIs200(_Responds):
    """The HTTP status of a creation is 200."""

    http = 200

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.verb == "create" and answer.outcome is Outcome.OK


@defect("http", send('{"data":{"attributes":{"destination-organization-id":"org_b"}}}'))
class CreationFromDocumentIs202(_Responds):
    """The HTTP status of a creation from a document is 202."""

    http = 202

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.body is not None and answer.outcome is Outcome.OK


@defect("http", create(A, A, allow_self=True))
class SelfCreationIs200(_Responds):
    """The HTTP status of a creation is 201, but of a self-connection 200."""

    http = 200

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.OK and call.destination == call.by


@defect("http", *ACTIVE)
class ActivationIs201(_Responds):
    """The HTTP status of an activation is 201, as of a creation."""

    http = 201

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.action == "activate" and answer.outcome is Outcome.OK


@defect("http", create(), deactivate())
class DeactivationIs204(_Responds):
    """The HTTP status of a deactivation is 204, as of a deletion."""

    http = 204

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.action == "deactivate" and answer.outcome is Outcome.OK


@defect("http", create(), deactivate(), reactivate())
class ReactivationIs202(_Responds):
    """The HTTP status of a reactivation is 202: the destination is yet to agree."""

    http = 202

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.action == "reactivate" and answer.outcome is Outcome.OK


@defect("http", *ACTIVE, share())
class SharingIs204(_Responds):
    """The HTTP status of a permission to read data is 204."""

    http = 204

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.verb == "share" and answer.outcome is Outcome.OK


@defect("http", create(), deactivate(), read())
class ReadingInactiveIs410(_Responds):
    """The HTTP status of a read of an inactive Connection is 410."""

    http = 410

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.state is not None and answer.state["status"] == "inactive"


@defect("http", create(), share())
class DeniedIs404(_Responds):
    """The HTTP status of data that may not be read is 404."""

    http = 404

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.DENIED


@defect("http", create(), share())
class DeniedIs200(_Responds):
    """The HTTP status of data that may not be read is 200: the question was answered."""

    http = 200

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.DENIED


@defect("http", *ACTIVE, deactivate(), share())
class DeniedWhileInactiveIs409(_Responds):
    """The HTTP status of data that may not be read any more is 409."""

    http = 409

    def applies(self, call: Request, answer: Answer) -> bool:
        there = self._connections.get(call.connection)
        inactive = there is not None and there.status is Status.INACTIVE
        return inactive and answer.outcome is Outcome.DENIED


@defect("http", *ACTIVE, share(scope="Not a scope"))
class DeniedMalformedScopeIs422(_Responds):
    """The HTTP status of data that may not be read is 422 if the scope is not well formed."""

    http = 422

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.DENIED and "." not in call.scope


@defect("http", *ACTIVE, share(A))
class DeniedToSourceIs405(_Responds):
    """The HTTP status of data that the source may not read is 405."""

    http = 405

    def applies(self, call: Request, answer: Answer) -> bool:
        there = self._connections.get(call.connection)
        source = there is not None and is_source(call.by, there)
        return source and answer.outcome is Outcome.DENIED


@defect("http", activate())
class NotFoundIs403(_Responds):
    """The HTTP status of an action on a Connection that is not found is 403."""

    http = 403

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.verb == "act" and answer.outcome is Outcome.NOT_FOUND


@defect("http", read())
class NotFoundIs200(_Responds):
    """The HTTP status of a read that finds nothing is 200, as of an empty list."""

    http = 200

    def applies(self, call: Request, answer: Answer) -> bool:
        return call.verb == "read" and answer.outcome is Outcome.NOT_FOUND


@defect("http", read(derive=lambda _: "no id"))
class NotFoundMalformedIs400(_Responds):
    """The HTTP status is 400, not 404, if the id of a Connection does not begin with its prefix."""

    http = 400

    def applies(self, call: Request, answer: Answer) -> bool:
        malformed = not call.connection.startswith("cxn_")
        return answer.outcome is Outcome.NOT_FOUND and malformed


@defect("http", create(), create())
class AlreadyExistsIs422(_Responds):
    """The HTTP status of a second creation is 422."""

    http = 422

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.ALREADY_EXISTS


@defect("http", create(), deactivate(), create())
class AlreadyInactiveIs410(_Responds):
    """The HTTP status of a second creation is 410 if the Connection is inactive."""

    http = 410

    def applies(self, call: Request, answer: Answer) -> bool:
        inactive = any(each.status is Status.INACTIVE for each in self._connections.values())
        return inactive and answer.outcome is Outcome.ALREADY_EXISTS


@defect("http", create(scopes=[]))
class InvalidIs400(_Responds):
    """The HTTP status of terms that are not valid is 400."""

    http = 400

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.INVALID and call.body is None


@defect("http", create(A, "org_" + "x" * 252))
class TooLongIs414(_Responds):
    """The HTTP status of a destination with too many characters is 414."""

    http = 414

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.INVALID and len(call.destination or "") > 255


@defect("http", create(), deactivate(expected=2))
class StaleIs200(_Responds):
    """The HTTP status of a stale action is 200."""

    http = 200

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.STALE


@defect("http", create(), deactivate(expected=2))
class StaleIs503(_Responds):
    """The HTTP status of a stale action is 503, so that it is tried again."""

    http = 503

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.STALE


@defect("http", create(A, A))
class SelfConnectionIs500(_Responds):
    """The HTTP status of a self-connection that is refused is 500: a constraint failed."""

    http = 500

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.SELF_CONNECTION


@defect("http", create(C, B, source=A))
class NotAPartyIs302(_Responds):
    """The HTTP status of an outsider's creation is 302, to where one logs in."""

    http = 302

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.NOT_A_PARTY


@defect("http", create(), activate(A))
class WrongRoleIs401(_Responds):
    """The HTTP status of a wrong role is 401."""

    http = 401

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.WRONG_ROLE


@defect("http", create(), reactivate())
class WrongStatusIs400(_Responds):
    """The HTTP status of a wrong status is 400."""

    http = 400

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.WRONG_STATUS


@defect("http", create(), deactivate(), deactivate())
class RepeatedDeactivationIs304(_Responds):
    """The HTTP status of a second deactivation is 304: nothing was changed."""

    http = 304

    def applies(self, call: Request, answer: Answer) -> bool:
        return answer.outcome is Outcome.WRONG_STATUS and call.action == "deactivate"


# --- refusals ------------------------------------------------------------------------------------


@defect("refusals", *ACTIVE, reactivate())
class WrongStatusHasState(Faulty):
    """The refusal of an action from a wrong status has the state of the Connection."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is not Outcome.WRONG_STATUS:
            return answer
        return replace(answer, state=self.right(replace(call, verb="read")).state)


@defect("refusals", *ACTIVE, deactivate(expected=1))
class StaleHasState(Faulty):
    """The refusal of a stale action has the state of the Connection."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is not Outcome.STALE:
            return answer
        return replace(answer, state=self.right(replace(call, verb="read")).state)


@defect("refusals", create(), create())
class AlreadyExistsHasConnection(Faulty):
    """The refusal of a second creation has the id of the first Connection."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is not Outcome.ALREADY_EXISTS or call.destination is None:
            return answer
        there = self._find(call.origin, call.destination)
        return replace(answer, connection=there.id) if there else answer


class _ChangesThough(Faulty):
    """An action that is refused to a party changes the Connection."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        raise NotImplementedError

    def refused(self, call: Request, there: Connection | None) -> None:
        if there is not None and is_party(call.by, there):
            self.meddle(there.id, **self.changes(call, there))


@defect("refusals", create(), activate(A), read())
class RefusedActivationActivates(_ChangesThough):
    """The source's activation is carried out before its role is checked, and refused then."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        pending = call.action == "activate" and there.status is Status.PENDING
        return {"status": Status.ACTIVE} if pending and is_source(call.by, there) else {}


@defect("refusals", create(), deactivate(), reactivate(B), read())
class RefusedReactivationReactivates(_ChangesThough):
    """The destination's reactivation is carried out before its role is checked."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        inactive = call.action == "reactivate" and there.status is Status.INACTIVE
        return {"status": Status.PENDING} if inactive and is_destination(call.by, there) else {}


@defect("refusals", *ACTIVE, reactivate(), read())
class RefusedReactivationDeactivates(_ChangesThough):
    """A reactivation of an active Connection is refused, and leaves it pending."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        active = call.action == "reactivate" and there.status is Status.ACTIVE
        return {"status": Status.PENDING} if active and is_source(call.by, there) else {}


@defect("refusals", create(), activate(A), read())
class WrongRoleRaisesVersion(_ChangesThough):
    """An action that the actor's role may never take raises the version."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        never = {"activate": is_source, "reactivate": is_destination}.get(call.action)
        return {"version": there.version + 1} if never and never(call.by, there) else {}


@defect("refusals", *ACTIVE, deactivate(), deactivate(B), read())
class RefusedDeactivationRaisesVersion(_ChangesThough):
    """The deactivation of an inactive Connection raises the version."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        again = call.action == "deactivate" and there.status is Status.INACTIVE
        return {"version": there.version + 1} if again else {}


@defect("refusals", *ACTIVE, deactivate(expected=1), read())
class StaleIsCarriedOut(Faulty):
    """A stale action is refused after it was carried out."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is Outcome.STALE:
            self.right(replace(call, expected_version=None))
        return answer


@defect("refusals", create(), deactivate(expected=9), read())
class StaleRaisesVersion(Faulty):
    """A stale action raises the version."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is Outcome.STALE:
            self.meddle(call.connection, version=self.there(call.connection).version + 1)
        return answer


class _Upserts(Faulty):
    """A second creation is refused, but changes the first Connection."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        raise NotImplementedError

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is Outcome.ALREADY_EXISTS and call.destination is not None:
            there = self._find(call.origin, call.destination)
            if there is not None:
                self.meddle(there.id, **self.changes(call, there))
        return answer


@defect("refusals", create(name="Old"), create(name="New"), read())
class SecondCreationRenames(_Upserts):
    """A second creation is refused, and replaces the name."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        return {"name": call.name}


@defect("refusals", create(), create(scopes=["new.kind"]), read())
class SecondCreationAddsScopes(_Upserts):
    """A second creation is refused, and adds its scopes."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        try:
            return {"scopes": there.scopes | set(map(Scope, call.scopes or ()))}
        except ValueError:
            return {}


@defect("refusals", *ACTIVE, deactivate(), create(), read())
class SecondCreationReopens(_Upserts):
    """A second creation is refused, but makes an inactive Connection pending."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        return {"status": Status.PENDING} if there.status is Status.INACTIVE else {}


@defect("refusals", create(), create(), read())
class SecondCreationRaisesVersion(_Upserts):
    """A second creation is refused, and raises the version."""

    def changes(self, call: Request, there: Connection) -> dict[str, object]:
        return {"version": there.version + 1}


@defect("refusals", create(name="Old"), create(name="New"), read())
class ReturnedWithNewName(Faulty):
    """A second creation returns the first Connection, with the new name."""

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.outcome is not Outcome.ALREADY_EXISTS or call.destination is None:
            return answer
        there = self._find(call.origin, call.destination)
        if there is None:
            return answer
        self.meddle(there.id, name=call.name)
        return Answer(Outcome.OK, there.id, http=200)


class _LeavesPairs(Faulty):
    """A creation that is refused takes the pair all the same."""

    outcome: ClassVar[Outcome]

    def __init__(self) -> None:
        super().__init__()
        self.taken: set[tuple[str, str]] = set()

    def before(self, call: Request) -> Answer | None:
        taken = call.source is None and (call.by, call.destination) in self.taken
        return refuse(Outcome.ALREADY_EXISTS) if taken else None

    def after(self, call: Request, answer: Answer) -> Answer:
        if call.verb == "create" and call.destination and answer.outcome is self.outcome:
            self.taken.add((call.origin, call.destination))
        return answer


@defect("refusals", create(scopes=[]), create())
class InvalidCreationTakesPair(_LeavesPairs):
    """A creation on terms that are not valid is refused after the row was written."""

    outcome = Outcome.INVALID


@defect("refusals", create(A, A), create(A, A, allow_self=True))
class SelfConnectionTakesPair(_LeavesPairs):
    """A self-connection that was not asked for is refused after the row was written."""

    outcome = Outcome.SELF_CONNECTION


@defect("refusals", create(C, B, source=A), create())
class OutsidersCreationTakesPair(_LeavesPairs):
    """An outsider's creation is refused after the row was written."""

    outcome = Outcome.NOT_A_PARTY


@defect("refusals", create(B, B, source=A), create())
class DestinationsCreationTakesPair(_LeavesPairs):
    """The destination's creation is refused after the row was written."""

    outcome = Outcome.WRONG_ROLE


class _Answers(Faulty):
    """Some refusals are answered otherwise."""

    outcome: ClassVar[Outcome]

    def applies(self, call: Request, there: Connection) -> bool:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        if there is None or not self.applies(call, there):
            return None
        return permit() if self.outcome is Outcome.OK else refuse(self.outcome)


@defect("refusals", *ACTIVE, deactivate(), deactivate())
class RepeatedDeactivationIsOk(_Answers):
    """A deactivation of an inactive Connection succeeds, and does nothing."""

    outcome = Outcome.OK

    def applies(self, call: Request, there: Connection) -> bool:
        return call.action == "deactivate" and there.status is Status.INACTIVE


@defect("refusals", *ACTIVE, activate())
class RepeatedActivationIsOk(_Answers):
    """An activation of an active Connection succeeds, and does nothing."""

    outcome = Outcome.OK

    def applies(self, call: Request, there: Connection) -> bool:
        active = call.action == "activate" and there.status is Status.ACTIVE
        return active and is_destination(call.by, there)


@defect("refusals", create(), reactivate())
class ReactivationOfPendingIsOk(_Answers):
    """A reactivation of a pending Connection succeeds, and does nothing."""

    outcome = Outcome.OK

    def applies(self, call: Request, there: Connection) -> bool:
        pending = call.action == "reactivate" and there.status is Status.PENDING
        return pending and is_source(call.by, there)


@defect("refusals", create(), *rounds(1), activate(), activate(B))
class RepeatedActivationIsWrongRoleLater(_Answers):
    """An activation of an active Connection is a wrong role, once it was reactivated."""

    outcome = Outcome.WRONG_ROLE

    def applies(self, call: Request, there: Connection) -> bool:
        active = call.action == "activate" and there.status is Status.ACTIVE
        return active and self.round(there.id) > 0


@defect("refusals", create(), deactivate(B), deactivate(B))
class DeclinedTwiceIsWrongRole(_Answers):
    """A second deactivation is a wrong role for a destination that never activated."""

    outcome = Outcome.WRONG_ROLE

    def applies(self, call: Request, there: Connection) -> bool:
        inactive = call.action == "deactivate" and there.status is Status.INACTIVE
        return inactive and is_destination(call.by, there) and "activate" not in self.past(there.id)


@defect("refusals", *ACTIVE, deactivate(), share())
class SharingInactiveIsWrongStatus(_Answers):
    """Data that may not be read while the Connection is inactive are refused as a wrong status."""

    outcome = Outcome.WRONG_STATUS

    def applies(self, call: Request, there: Connection) -> bool:
        return call.verb == "share" and there.status is Status.INACTIVE


@defect("refusals", *ACTIVE, share(A))
class SharingSourceIsWrongRole(_Answers):
    """Data that the source may not read are refused as a wrong role."""

    outcome = Outcome.WRONG_ROLE

    def applies(self, call: Request, there: Connection) -> bool:
        return call.verb == "share" and not is_destination(call.by, there)


@defect("refusals", *ACTIVE, share(scope="Not a scope"))
class SharingMalformedIsInvalid(_Answers):
    """Data of a scope that is not well formed are refused as not valid."""

    outcome = Outcome.INVALID

    def applies(self, call: Request, there: Connection) -> bool:
        return call.verb == "share" and "." not in call.scope


@defect("refusals", *ACTIVE, share(scope=""))
class SharingEmptyScopeFails(Faulty):
    """An attempt to read data of an empty scope makes the implementation fail."""

    def before(self, call: Request) -> Answer | None:
        if call.verb == "share" and not call.scope:
            raise ValueError("no scope was given")
        return None


_SELF = (create(A, A, allow_self=True),)


@defect("refusals", *_SELF, activate(A))
class SelfActivationIsWrongRole(_Answers):
    """In a self-connection the source's role is looked at first: nobody can activate it."""

    outcome = Outcome.WRONG_ROLE

    def applies(self, call: Request, there: Connection) -> bool:
        return (
            call.action == "activate"
            and is_source(call.by, there)
            and is_destination(call.by, there)
        )


@defect("refusals", *_SELF, deactivate(), reactivate())
class SelfReactivationIsWrongRole(_Answers):
    """In a self-connection the destination's role is looked at first: nobody can reactivate it."""

    outcome = Outcome.WRONG_ROLE

    def applies(self, call: Request, there: Connection) -> bool:
        both = is_source(call.by, there) and is_destination(call.by, there)
        return call.action == "reactivate" and both


@defect("refusals", *_SELF, activate(A), share(A))
class SelfSharingIsDenied(_Answers):
    """In a self-connection the source is denied what it may read as the destination."""

    outcome = Outcome.DENIED

    def applies(self, call: Request, there: Connection) -> bool:
        return call.verb == "share" and is_source(call.by, there)


@defect("refusals", *_SELF, share(A))
class SelfSharingIsAlwaysPermitted(_Answers):
    """An organization may read its own data through a self-connection, whatever the status."""

    outcome = Outcome.OK

    def applies(self, call: Request, there: Connection) -> bool:
        both = is_source(call.by, there) and is_destination(call.by, there)
        return call.verb == "share" and both and call.scope in there.scopes


class _CreatesAgain(Faulty):
    """A second Connection is created in some cases."""

    def again(self, there: Connection) -> bool:
        raise NotImplementedError

    def _find(self, source: str, destination: str) -> Connection | None:
        there = super()._find(source, destination)
        return None if there is not None and self.again(there) else there


@defect("refusals", *ACTIVE, deactivate(), create(to="second"))
class CreatesOverInactive(_CreatesAgain):
    """A Connection that is inactive does not keep its source from creating another one."""

    def again(self, there: Connection) -> bool:
        return there.status is Status.INACTIVE


@defect("refusals", create(), create(to="second"))
class CreatesOverPending(_CreatesAgain):
    """A Connection that was never activated does not keep its source from creating another one."""

    def again(self, there: Connection) -> bool:
        return self.past(there.id) == ["create"]


@defect("refusals", *_SELF, create(A, A, allow_self=True, to="second"))
class CreatesSelfConnectionsAgain(_CreatesAgain):
    """There can be several self-connections of an organization."""

    def again(self, there: Connection) -> bool:
        return there.source_organization_id == there.destination_organization_id


@defect("refusals", create(B, B, source=A))
class DestinationsCreationIsNotAParty(Faulty):
    """The destination that creates is refused as an outsider, if there is no Connection yet."""

    def before(self, call: Request) -> Answer | None:
        if call.source is None or call.destination != call.by or call.source == call.by:
            return None
        return refuse(Outcome.NOT_A_PARTY) if self._find(call.source, call.by) is None else None


@defect("refusals", create(C, B, source=A))
class OutsidersCreationIsWrongRole(Faulty):
    """An outsider that creates is refused as if it were the destination."""

    def after(self, call: Request, answer: Answer) -> Answer:
        outsider = call.verb == "create" and answer.outcome is Outcome.NOT_A_PARTY
        return refuse(Outcome.WRONG_ROLE) if outsider else answer


@defect("refusals", create(A, "org_" + "x" * 252))
class TooLongDestinationFails(Faulty):
    """A destination with more than 255 characters makes the implementation fail."""

    def before(self, call: Request) -> Answer | None:
        if len(call.destination or "") > 255:
            raise ValueError("value too long for type character varying(255)")
        return None
