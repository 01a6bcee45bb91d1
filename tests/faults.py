"""Faulty subjects, each wrong in one way, that the vectors have to detect.

`TableSystem` follows a table, so that any cell can be changed. `FAULTS` are the faults that no
single cell shows: they depend on the history. `HOPELESS` ignore the status, the roles or both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from connect_core import Action, Cell, Connection, Role, Status, decision_table
from connect_core.conformance import Answer, Outcome, ReferenceSystem
from connect_core.scopes import DEFAULT_SCOPES, Scope

# --- Any table -----------------------------------------------------------------------------------

#: The result of a cell: the status that it leads to, or a refusal.
Verdict = Status | Outcome
Table = Mapping[Cell, Verdict]

_OUTCOMES = {
    "wrong_role": Outcome.WRONG_ROLE,
    "wrong_status": Outcome.WRONG_STATUS,
    "already_exists": Outcome.ALREADY_EXISTS,
}


def right_table() -> dict[Cell, Verdict]:
    """The decision table, except that outsiders are told that there is no Connection."""
    return {cell: _right(cell) for cell in decision_table()}


def _right(cell: Cell) -> Verdict:
    decision = decision_table()[cell]
    if decision.target is not None:
        return decision.target
    if not cell.roles:
        return Outcome.NOT_A_PARTY if cell.action is Action.CREATE else Outcome.NOT_FOUND
    return _OUTCOMES[decision.denials[0]]


class _Kept(NamedTuple):
    source: str
    destination: str
    name: str | None
    scopes: Sequence[str]
    status: Status


class TableSystem:
    """Follows a table, and has no optional capability."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._kept: dict[str, _Kept] = {}

    def create(
        self,
        *,
        by: str,
        destination: str | None = None,
        source: str | None = None,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,
        body: str | None = None,
    ) -> Answer:
        assert body is None
        assert destination is not None
        source = by if source is None else source
        key = sha256(f"{source}>{destination}".encode()).hexdigest()  # short, whatever the ids
        there = self._kept.get(key)
        verdict = self._table[
            Cell(there and there.status, Action.CREATE, _roles(by, source, destination))
        ]
        named = sorted(map(str, DEFAULT_SCOPES) if scopes is None else set(scopes))
        if isinstance(verdict, Outcome):
            return Answer(verdict)
        if source == destination and not allow_self:
            return Answer(Outcome.SELF_CONNECTION)
        if (
            not _is_name(name)
            or len(destination) > 255
            or not 1 <= len(named) <= 64
            or not all(map(_is_scope, named))
        ):
            return Answer(Outcome.INVALID)
        self._kept[key] = _Kept(source, destination, name, named, verdict)
        return Answer(Outcome.OK, key)

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        assert expected_version is None
        kept = self._kept.get(connection)
        if kept is None:
            return Answer(Outcome.NOT_FOUND)
        roles = _roles(by, kept.source, kept.destination)
        verdict = self._table[Cell(kept.status, Action(action), roles)]
        if isinstance(verdict, Outcome):
            return Answer(verdict)
        self._kept[connection] = kept._replace(status=verdict)
        return Answer(Outcome.OK)

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        kept = self._kept.get(connection)
        if kept is None or by not in (kept.source, kept.destination):
            return Answer(Outcome.NOT_FOUND)
        may = by == kept.destination and kept.status is Status.ACTIVE and scope in kept.scopes
        return Answer(Outcome.OK if may else Outcome.DENIED)

    def read(self, *, by: str, connection: str) -> Answer:
        kept = self._kept.get(connection)
        if kept is None or by not in (kept.source, kept.destination):
            return Answer(Outcome.NOT_FOUND)
        state = {**kept._asdict(), "status": kept.status.value}
        return Answer(Outcome.OK, state=state)

    def close(self) -> None:
        self._kept.clear()


def _roles(by: str, source: str, destination: str) -> frozenset[Role]:
    holders = {Role.SOURCE: source, Role.DESTINATION: destination}
    return frozenset(role for role, holder in holders.items() if holder == by)


def _is_name(name: str | None) -> bool:
    return name is None or (
        len(name) <= 255 and not any(character in _CONTROLS for character in name)
    )


_CONTROLS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))}


def _is_scope(text: str) -> bool:
    try:
        Scope(text)
    except ValueError:
        return False
    return True


#: Every result that a cell can be given: a status that it leads to, or a reason for refusal.
WAYS: tuple[Verdict, ...] = (
    *Status,
    Outcome.NOT_A_PARTY,
    Outcome.NOT_FOUND,
    Outcome.WRONG_ROLE,
    Outcome.WRONG_STATUS,
    Outcome.ALREADY_EXISTS,
    Outcome.SELF_CONNECTION,
)


def mutants() -> dict[str, tuple[Cell, Table]]:
    """The table with one cell changed, for every change that breaks the rules, by its name.

    One change does not break them: a self-connection can be refused.
    """
    right = right_table()
    return {
        f"{cell.status or 'none'}/{cell.action}/{'+'.join(sorted(cell.roles)) or 'outsider'}"
        f" -> {way}": (cell, {**right, cell: way})
        for cell in right
        for way in WAYS
        if way != right[cell]
        and not (cell.status is None and len(cell.roles) > 1 and way is Outcome.SELF_CONNECTION)
    }


# --- Faults that depend on the history -----------------------------------------------------------


class Call(NamedTuple):
    """A request to take an action."""

    id: str
    action: str
    by: str
    expected_version: int | None


class _Faulty(ReferenceSystem):
    """The reference, with a way to alter what it stores."""

    def meddle(self, id: str, **changes: object) -> None:
        self._connections[id] = self._connections[id].model_copy(update=changes)

    def past(self, id: str) -> list[str]:
        """The actions taken so far."""
        return [event.action.value for event in self._events[id]]

    def after(self, call: Call) -> None:
        """Called after an action was taken."""

    def refused(self, call: Call) -> None:
        """Called after an action was refused to a party."""

    def before(self, call: Call) -> Answer | None:
        """Called first; an answer that it returns is final."""

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        known = connection in self._connections
        call = Call(connection, action, by, expected_version)
        early = self.before(call) if known else None
        if early is not None:
            return early
        answer = super().act(
            by=by, connection=connection, action=action, expected_version=expected_version
        )
        if answer.outcome is Outcome.OK:
            self.after(call)
        elif known:
            self.refused(call)
        return answer

    def there(self, id: str) -> Connection:
        return self._connections[id]

    def is_party(self, id: str, by: str) -> bool:
        there = self.there(id)
        return by in (there.source_organization_id, there.destination_organization_id)


class ReactivationRestoresActive(_Faulty):
    """A Connection that was active before becomes active again at once."""

    def after(self, call: Call) -> None:
        if call.action == "reactivate" and "activate" in self.past(call.id):
            self.meddle(call.id, status=Status.ACTIVE)


class ActivatedOnlyOnce(_Faulty):
    """A second activation is refused."""

    def before(self, call: Call) -> Answer | None:
        again = call.action == "activate" and "activate" in self.past(call.id)
        mine = call.by == self.there(call.id).destination_organization_id
        return Answer(Outcome.WRONG_STATUS, http=409) if again and mine else None


class ReactivatedOnlyOnce(_Faulty):
    """A second reactivation is refused."""

    def before(self, call: Call) -> Answer | None:
        again = call.action == "reactivate" and "reactivate" in self.past(call.id)
        mine = call.by == self.there(call.id).source_organization_id
        return Answer(Outcome.WRONG_STATUS, http=409) if again and mine else None


class WithdrawalIsFinal(_Faulty):
    """A Connection that was never activated cannot be reactivated."""

    def before(self, call: Call) -> Answer | None:
        mine = call.by == self.there(call.id).source_organization_id
        if call.action == "reactivate" and mine and self.past(call.id) == ["create", "deactivate"]:
            return Answer(Outcome.WRONG_STATUS, http=409)
        return None


class WhoeverLeftComesBack(_Faulty):
    """Only the organization that deactivated a Connection may reactivate it."""

    def before(self, call: Call) -> Answer | None:
        events = self._events[call.id]
        if (
            call.action == "reactivate"
            and self.past(call.id)[-1] == "deactivate"
            and self.is_party(call.id, call.by)
        ):
            left = events[-1].actor.organization_id
            if call.by == self.there(call.id).source_organization_id and call.by != left:
                return Answer(Outcome.WRONG_ROLE, http=403)
        return None


class SourceAcceptsTheSecondTime(_Faulty):
    """After a reactivation the source may activate, too."""

    def before(self, call: Call) -> Answer | None:
        if (
            call.action == "activate"
            and self.past(call.id)[-1] == "reactivate"
            and call.by == self.there(call.id).source_organization_id
            and call.by != (destination := str(self.there(call.id).destination_organization_id))
        ):
            return super().act(by=destination, connection=call.id, action=call.action)
        return None


class ScopesWiden(_Faulty):
    """A reactivation adds the default scopes."""

    def after(self, call: Call) -> None:
        if call.action == "reactivate":
            self.meddle(call.id, scopes=self.there(call.id).scopes | DEFAULT_SCOPES)


class ScopesAreLost(_Faulty):
    """A reactivation drops all scopes but one."""

    def after(self, call: Call) -> None:
        if call.action == "reactivate":
            self.meddle(call.id, scopes=frozenset(sorted(self.there(call.id).scopes)[:1]))


class NameIsLost(_Faulty):
    """An activation drops the name."""

    def after(self, call: Call) -> None:
        if call.action == "activate":
            self.meddle(call.id, name=None)


class DeactivatesAllOfASource(_Faulty):
    """A deactivation deactivates all Connections of the source."""

    def after(self, call: Call) -> None:
        source = self.there(call.id).source_organization_id
        for other, there in self._connections.items():
            if call.action == "deactivate" and there.source_organization_id == source:
                self.meddle(other, status=Status.INACTIVE)


class ActivatesTheOtherDirection(_Faulty):
    """Activating A to B activates B to A."""

    def after(self, call: Call) -> None:
        there = self.there(call.id)
        other = self._find(
            str(there.destination_organization_id), str(there.source_organization_id)
        )
        if call.action == "activate" and other is not None:
            self.meddle(other.id, status=Status.ACTIVE)


class OneForAnUnorderedPair(_Faulty):
    """The other direction counts as the same Connection."""

    def _find(self, source: str, destination: str) -> Connection | None:
        return super()._find(source, destination) or (
            super()._find(destination, source)
            and Connection.create(
                by=self.there(next(iter(self._connections))).creator.model_copy(
                    update={"organization_id": source}
                ),
                destination=destination,
                allow_self=True,
            ).connection
        )


class RefusalMutates(_Faulty):
    """Activating an inactive Connection is refused, and makes it pending."""

    def refused(self, call: Call) -> None:
        there = self.there(call.id)
        if (
            call.action == "activate"
            and there.status is Status.INACTIVE
            and self.is_party(call.id, call.by)
        ):
            self.meddle(call.id, status=Status.PENDING)


class RefusalRaisesVersion(_Faulty):
    """A refusal to a party raises the version."""

    def refused(self, call: Call) -> None:
        self.meddle(call.id, version=self.there(call.id).version + 1)


class RefusalIsAnEvent(_Faulty):
    """A refusal to a party is recorded in the history."""

    def refused(self, call: Call) -> None:
        if self.is_party(call.id, call.by):
            self._events[call.id].append(self._events[call.id][-1])


class RefusalTouches(_Faulty):
    """A refusal to a party changes the time of the last change."""

    def refused(self, call: Call) -> None:
        if self.is_party(call.id, call.by):
            self.meddle(call.id, updated_at=self.there(call.id).updated_at + timedelta(seconds=1))


class VersionNotRaised(_Faulty):
    """A reactivation does not raise the version."""

    def after(self, call: Call) -> None:
        if call.action == "reactivate":
            self.meddle(call.id, version=self.there(call.id).version - 1)


class EventLost(_Faulty):
    """A deactivation by the destination is not recorded."""

    def after(self, call: Call) -> None:
        if (
            call.action == "deactivate"
            and call.by == self.there(call.id).destination_organization_id
        ):
            self._events[call.id].pop()


class TimeRunsBackwards(_Faulty):
    """The second change is dated before the first."""

    def after(self, call: Call) -> None:
        there = self.there(call.id)
        if there.version > 2:
            self.meddle(call.id, updated_at=there.created_at - timedelta(hours=1))


class CreatedAnew(_Faulty):
    """A reactivation changes the time of creation."""

    def after(self, call: Call) -> None:
        if call.action == "reactivate":
            self.meddle(call.id, created_at=self.there(call.id).created_at - timedelta(seconds=5))


class StaleIsIgnored(_Faulty):
    """The expected version is ignored."""

    def before(self, call: Call) -> Answer | None:
        return (
            None
            if call.expected_version is None
            else super().act(by=call.by, connection=call.id, action=call.action)
        )


class StaleOnlyIfTheStatusChanged(_Faulty):
    """A stale version is refused only if the status has changed since."""

    def before(self, call: Call) -> Answer | None:
        events = self._events[call.id]
        if (
            call.expected_version is not None
            and call.expected_version <= len(events)
            and events[call.expected_version - 1].status is self.there(call.id).status
        ):
            return super().act(by=call.by, connection=call.id, action=call.action)
        return None


class SecondCreateOverwrites(_Faulty):
    """A second create is refused, but its terms overwrite the first."""

    def create(
        self,
        *,
        by: str,
        destination: str | None = None,
        source: str | None = None,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,
        body: str | None = None,
    ) -> Answer:
        answer = super().create(
            by=by,
            destination=destination,
            source=source,
            name=name,
            scopes=scopes,
            allow_self=allow_self,
            body=body,
        )
        if answer.outcome is Outcome.ALREADY_EXISTS and scopes:
            there = self._find(by if source is None else source, str(destination))
            assert there is not None
            self.meddle(there.id, scopes=frozenset(map(Scope, scopes)))
        return answer


class SecondAfterInactive(_Faulty):
    """An inactive Connection does not count: another is created beside it."""

    def _find(self, source: str, destination: str) -> Connection | None:
        there = super()._find(source, destination)
        return None if there is None or there.status is Status.INACTIVE else there


class _Sharing(_Faulty):
    """The reference, with a way to share more than is granted."""

    def grants(self, there: Connection, by: str, scope: str) -> bool:
        raise NotImplementedError

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        there = self._connections.get(connection)
        if there is not None and self.grants(there, by, scope):
            return Answer(Outcome.OK, http=200)
        return super().share(by=by, connection=connection, scope=scope)


class SharesForEver(_Sharing):
    """Data of a Connection that was activated once may be read for ever."""

    def grants(self, there: Connection, by: str, scope: str) -> bool:
        mine = by == there.destination_organization_id and scope in there.scopes
        return mine and "activate" in self.past(there.id)


class SharesOnceReactivated(_Sharing):
    """A reactivation shares data without a second activation."""

    def grants(self, there: Connection, by: str, scope: str) -> bool:
        mine = by == there.destination_organization_id and scope in there.scopes
        return mine and there.status is Status.PENDING and "reactivate" in self.past(there.id)


class SharesBackwards(_Sharing):
    """If both directions are active, each of them shares data both ways."""

    def grants(self, there: Connection, by: str, scope: str) -> bool:
        other = self._find(
            str(there.destination_organization_id), str(there.source_organization_id)
        )
        active = other is not None and {other.status, there.status} == {Status.ACTIVE}
        return active and by == there.source_organization_id and scope in there.scopes


class SharesAnyCase(_Sharing):
    """The case of scopes is ignored."""

    def grants(self, there: Connection, by: str, scope: str) -> bool:
        mine = by == there.destination_organization_id and there.status is Status.ACTIVE
        return mine and scope.lower() in there.scopes


class SharesBeyondTheFirst(_Sharing):
    """A verb that is granted on one resource is granted on all."""

    def grants(self, there: Connection, by: str, scope: str) -> bool:
        mine = by == there.destination_organization_id and there.status is Status.ACTIVE
        verbs = {each.partition(".")[2] for each in there.scopes}
        return mine and scope.count(".") == 1 and scope.partition(".")[2] in verbs


class IdsWithoutCase(ReferenceSystem):
    """The case of the actor's organization is ignored."""

    def _visible(self, connection_id: str, by: str) -> Connection:
        return super()._visible(connection_id, self._who(connection_id, by))

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        return super().act(
            by=self._who(connection, by),
            connection=connection,
            action=action,
            expected_version=expected_version,
        )

    def _who(self, connection: str, by: str) -> str:
        there = self._connections.get(connection)
        parties = (
            [
                str(there.source_organization_id),
                str(there.destination_organization_id),
            ]
            if there
            else []
        )
        return next((each for each in parties if each.lower() == by.lower()), by)


class PairsWithoutCase(_Faulty):
    """The case of an ordered pair's organizations is ignored."""

    def _find(self, source: str, destination: str) -> Connection | None:
        for each in self._connections.values():
            pair = each.source_organization_id, each.destination_organization_id
            if tuple(map(str.lower, pair)) == (source.lower(), destination.lower()):
                return each.model_copy(
                    update={
                        "source_organization_id": source,
                        "destination_organization_id": destination,
                    }
                )
        return None


class GoneWhenInactive(_Faulty):
    """The destination cannot see an inactive Connection."""

    def read(self, *, by: str, connection: str) -> Answer:
        there = self._connections.get(connection)
        if (
            there is not None
            and there.status is Status.INACTIVE
            and by == there.destination_organization_id
            and by != there.source_organization_id
        ):
            return Answer(Outcome.NOT_FOUND, http=404)
        return super().read(by=by, connection=connection)


class OutsidersLearnTheStatus(_Faulty):
    """An outsider is told that an inactive Connection is inactive."""

    def before(self, call: Call) -> Answer | None:
        inactive = self.there(call.id).status is Status.INACTIVE
        return (
            Answer(Outcome.WRONG_STATUS, http=409)
            if inactive and not self.is_party(call.id, call.by)
            else None
        )


class ChangesItsMind(_Faulty):
    """Wrong role takes precedence until the first reactivation, wrong status afterwards."""

    def before(self, call: Call) -> Answer | None:
        there = self.there(call.id)
        if (
            "reactivate" in self.past(call.id)
            and call.action == "activate"
            and there.status is not Status.PENDING
            and call.by == there.source_organization_id
        ):
            return Answer(Outcome.WRONG_STATUS, http=409)
        return None


#: Every fault that depends on the history, by its name.
FAULTS: dict[str, Callable[[], ReferenceSystem]] = {
    fault.__name__: fault
    for fault in (
        ReactivationRestoresActive,
        ActivatedOnlyOnce,
        ReactivatedOnlyOnce,
        WithdrawalIsFinal,
        WhoeverLeftComesBack,
        SourceAcceptsTheSecondTime,
        ScopesWiden,
        ScopesAreLost,
        NameIsLost,
        DeactivatesAllOfASource,
        ActivatesTheOtherDirection,
        OneForAnUnorderedPair,
        RefusalMutates,
        RefusalRaisesVersion,
        RefusalIsAnEvent,
        RefusalTouches,
        VersionNotRaised,
        EventLost,
        TimeRunsBackwards,
        CreatedAnew,
        StaleIsIgnored,
        StaleOnlyIfTheStatusChanged,
        SecondCreateOverwrites,
        SecondAfterInactive,
        SharesForEver,
        SharesOnceReactivated,
        SharesBackwards,
        SharesAnyCase,
        SharesBeyondTheFirst,
        IdsWithoutCase,
        PairsWithoutCase,
        GoneWhenInactive,
        OutsidersLearnTheStatus,
        ChangesItsMind,
    )
}


# --- Lengths -------------------------------------------------------------------------------------


class _Cuts(ReferenceSystem):
    """Cuts what is too long, as a database may do with text that is longer than its column."""

    #: How many characters are kept of an id, and of a scope.
    id_length = scope_length = 255

    def create(
        self,
        *,
        by: str,
        destination: str | None = None,
        source: str | None = None,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,
        body: str | None = None,
    ) -> Answer:
        return super().create(
            by=by[: self.id_length],
            destination=destination and destination[: self.id_length],
            source=source and source[: self.id_length],
            name=name,
            scopes=None if scopes is None else [each[: self.scope_length] for each in scopes],
            allow_self=allow_self,
            body=body,
        )


class CutsIdsThatAreTooLong(_Cuts):
    """A destination that is too long is cut, not refused."""

    scope_length = 10_000


class CutsScopesThatAreTooLong(_Cuts):
    """A scope that is too long is cut, not refused."""

    id_length = 10_000


class CutsTheLongestIds(_Cuts):
    """The last character of the longest ids is lost."""

    id_length, scope_length = 254, 10_000


class CutsTheLongestScopes(_Cuts):
    """The last character of the longest scopes is lost."""

    id_length, scope_length = 10_000, 254


class RefusesTheLongestIds(ReferenceSystem):
    """Ids of 255 characters are refused."""

    def create(self, **call: Any) -> Answer:
        if call.get("body") is None and max(len(call["by"]), len(call["destination"])) > 254:
            return Answer(Outcome.INVALID, http=422)
        return super().create(**call)


class MakesLongIds(ReferenceSystem):
    """The id of a Connection has 256 characters."""

    def create(self, **call: Any) -> Answer:
        answer = super().create(**call)
        if answer.connection is None:
            return answer
        long = answer.connection.ljust(256, "x")
        self._connections[long] = self._connections.pop(answer.connection)
        self._events[long] = self._events.pop(answer.connection)
        return replace(answer, connection=long)


#: Faults that only ids and scopes of the greatest length show, each with the requirement that
#: vectors find violated.
LENGTH_FAULTS: dict[Callable[[], ReferenceSystem], str] = {
    CutsIdsThatAreTooLong: "CXN-CREA-010",
    CutsScopesThatAreTooLong: "CXN-SCOP-004",
    CutsTheLongestIds: "CXN-CREA-009",
    CutsTheLongestScopes: "CXN-SCOP-005",
    RefusesTheLongestIds: "CXN-CREA-009",
    MakesLongIds: "CXN-CREA-011",
}


# --- Systems that ignore the status, the roles or both -------------------------------------------


class AcceptsEverything(TableSystem):
    """Permits every action and every read."""

    def __init__(self) -> None:
        targets = {"create": "pending", "activate": "active", "deactivate": "inactive"}
        super().__init__(
            {cell: Status(targets.get(cell.action, "pending")) for cell in decision_table()}
        )

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        super().share(by=by, connection=connection, scope=scope)
        return Answer(Outcome.OK)


class RefusesEverything(TableSystem):
    """Refuses every action."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(decision_table(), Outcome.WRONG_ROLE))


class IgnoresTheRole(TableSystem):
    """Everybody may do what any role may do."""

    def __init__(self) -> None:
        right = right_table()
        super().__init__({cell: right[cell._replace(roles=frozenset(Role))] for cell in right})


class IgnoresTheStatus(TableSystem):
    """A role that may take an action in some status may take it in every status."""

    def __init__(self) -> None:
        right = right_table()
        super().__init__({cell: self._ever(cell, right) for cell in right})

    @staticmethod
    def _ever(cell: Cell, right: Table) -> Verdict:
        anywhere = [
            verdict
            for other, verdict in right.items()
            if (other.action, other.roles) == (cell.action, cell.roles)
            and isinstance(verdict, Status)
        ]
        return anywhere[0] if anywhere else right[cell]


HOPELESS: dict[str, Callable[[], TableSystem]] = {
    each.__name__: each
    for each in (AcceptsEverything, RefusesEverything, IgnoresTheRole, IgnoresTheStatus)
}
