"""The Connection: an immutable value, and the commands that make the next one from it.

A command asks the policy. It then either raises a typed error, and nothing has changed, or returns
a `Change`: the new Connection and the one event that records what happened. Nothing is changed in
place, and nothing is stored.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from pydantic import BaseModel, field_validator

from connect_core import arguments
from connect_core.errors import ConnectError, InvalidHistoryError
from connect_core.history import (
    MAX_VERSION,
    ConnectionEvent,
    Terms,
    Timestamp,
    Version,
    not_before_creation,
    utc_now,
)
from connect_core.identifiers import ConnectionId, OrganizationId
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import (
    Actor,
    Immutable,
    Name,
    Organization,
    OrganizationRef,
    organization_id_of,
)
from connect_core.policy import authorize, authorize_create
from connect_core.rows import CHECKED
from connect_core.scopes import DEFAULT_SCOPES, ScopeSet
from connect_core.text import shown

if TYPE_CHECKING:
    from pydantic import ValidationInfo

_Model = TypeVar("_Model", bound=BaseModel)


# These set what pydantic keeps in a model, past the check that makes it immutable. They take half
# the time of `object.__setattr__`, and a command does little else.
_set_values = BaseModel.__dict__["__dict__"].__set__
_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__

_EVENT_FIELDS = set(ConnectionEvent.model_fields)
_TERMS_FIELDS = set(Terms.model_fields)


def _assemble(
    model: type[_Model], values: dict[str, Any], fields_set: set[str], like: BaseModel
) -> _Model:
    """Make a model from values that are known to be valid, without validating them again.

    What else pydantic keeps in a model depends on pydantic's version, and comes from `like`, which
    has been validated. Models share it, and `fields_set` too: pydantic copies before it changes.
    """
    assembled = object.__new__(model)
    _set_values(assembled, values)
    _set_fields_set(assembled, fields_set)
    _set_extra(assembled, like.__pydantic_extra__)
    _set_private(assembled, like.__pydantic_private__)
    return assembled


class Change(NamedTuple):
    """What a command returns: the new Connection, and the event that led to it."""

    connection: "Connection"
    event: ConnectionEvent

    @property
    def replayed(self) -> bool:
        """True if nothing was done now: the first outcome of an idempotency key, given again.

        The event names who took the step then, who need not be the actor that repeats it: keys
        belong to an organization.
        """
        return False


class ReplayedChange(Change):
    """A `Change` that an earlier request made, and that is equal to the one it returned then."""

    @property
    def replayed(self) -> bool:
        """True."""
        return True


class Connection(Immutable):
    """One organization's offer to share data with another, and its status. Immutable.

    Make one with `create`, or from outside data with ``Connection.model_validate(data)``, which
    checks all of it. A self-connection from outside is refused unless you pass
    ``context={"allow_self": True}``.

    Attributes:
        id: the Connection's own id.
        source_organization_id: whose data is shared.
        destination_organization_id: who receives it.
        name: for people; None, or at most 255 characters.
        status: its status now.
        scopes: what may be shared, 1 to 64 of them. Fixed for life.
        creator: who created it, acting for the source.
        created_at: when it was created, in UTC and whole milliseconds.
        updated_at: when it last changed; never before `created_at`.
        version: 1 at creation, one more with every change; at most 2147483647.

    Raises:
        pydantic.ValidationError: a field is not valid, or two of them contradict each other.
    """

    id: ConnectionId
    source_organization_id: OrganizationRef
    destination_organization_id: OrganizationRef
    name: Name | None = None
    status: Status
    scopes: ScopeSet
    creator: Actor
    created_at: Timestamp
    updated_at: Timestamp
    version: Version

    @field_validator("destination_organization_id")
    @classmethod
    def _parties_are_distinct(cls, value: OrganizationId, info: "ValidationInfo") -> OrganizationId:
        context: Mapping[str, object] = info.context or {}
        if value == info.data.get("source_organization_id") and not context.get("allow_self"):
            raise ValueError(
                "the source and the destination are the same organization; "
                'validate with context={"allow_self": True} if that is meant'
            )
        return value

    @field_validator("creator")
    @classmethod
    def _creator_acts_for_the_source(cls, value: Actor, info: "ValidationInfo") -> Actor:
        source = info.data.get("source_organization_id", value.organization_id)
        if value.organization_id != source:
            raise ValueError(
                f"only the source creates, and the creator acts for {value.organization_id}"
            )
        return value

    _time_runs_forwards = field_validator("updated_at")(not_before_creation)

    @classmethod
    def create(
        cls,
        *,
        by: Actor,
        destination: str | Organization,
        source: str | Organization | None = None,
        name: str | None = None,
        scopes: Iterable[str] = DEFAULT_SCOPES,
        allow_self: bool = False,
        id: str | None = None,
        at: datetime | str | None = None,
    ) -> Change:
        """Offer to share: the rules *create*, *self* and *scopes*. The Connection is pending.

        Only a store knows whether this ordered pair has a Connection already (the rule *once*);
        `connect_core.authorize_create` takes the existing one.

        Args:
            by: who creates it; must act for the source.
            destination: the organization to share with.
            source: the organization whose data is shared; that of `by` if omitted.
            name: for people; at most 255 characters.
            scopes: what to share; `DEFAULT_SCOPES` if omitted.
            allow_self: permit source and destination to be the same, for sandboxes.
            id: the new Connection's id; minted if omitted.
            at: an aware time, or RFC 3339 text; now if omitted. Kept in UTC and whole milliseconds,
                from 0001-01-02T00:00:00.000Z to 9999-12-30T23:59:59.999Z.

        Raises:
            NotAPartyError: `by` acts for neither organization.
            ForbiddenTransitionError: `by` acts for the destination.
            SelfConnectionError: both are the same organization, and `allow_self` is not given.
            pydantic.ValidationError: another argument is not valid; all of them are listed.
        """
        by = arguments.actor(by, "by")
        source = by.organization_id if source is None else source
        for argument, organization in (("source", source), ("destination", destination)):
            arguments.text(organization_id_of(organization), argument)
        decision = authorize_create(
            by,
            source=source,
            destination=destination,
            allow_self=arguments.flag(allow_self, "allow_self"),
        )
        moment = utc_now() if at is None else arguments.moment(at, "at")
        connection = cls.model_validate(
            {
                "id": ConnectionId.mint() if id is None else id,
                "source_organization_id": source,
                "destination_organization_id": destination,
                "name": name,
                "status": decision.target,
                "scopes": scopes,
                "creator": by,
                "created_at": moment,
                "updated_at": moment,
                "version": 1,
            },
            context={"allow_self": allow_self},
        )
        values = {field: getattr(connection, field) for field in Terms.model_fields}
        terms = _assemble(Terms, values, _TERMS_FIELDS, by)
        event = connection._event(Action.CREATE, by, decision.roles, None, terms)
        return Change(connection, event)

    def activate(self, *, by: Actor, at: datetime | str | None = None) -> Change:
        """Accept the offer: the rule *activate*. Pending becomes active.

        Args:
            by: who activates it; must act for the destination.
            at: an aware time, or RFC 3339 text; now if omitted. `updated_at` never moves backwards.

        Raises:
            NotAPartyError: `by` acts for neither organization.
            ForbiddenTransitionError: `by` acts for the source alone.
            InvalidTransitionError: the Connection is not pending.
            ValueError: `at` is naive or out of range.
        """
        return self.take(Action.ACTIVATE, by=by, at=at)

    def deactivate(self, *, by: Actor, at: datetime | str | None = None) -> Change:
        """Withdraw: the rule *deactivate*. Pending or active becomes inactive.

        Args:
            by: who deactivates it; must act for the source or the destination.
            at: an aware time, or RFC 3339 text; now if omitted. `updated_at` never moves backwards.

        Raises:
            NotAPartyError: `by` acts for neither organization.
            InvalidTransitionError: the Connection is inactive already.
            ValueError: `at` is naive or out of range.
        """
        return self.take(Action.DEACTIVATE, by=by, at=at)

    def reactivate(self, *, by: Actor, at: datetime | str | None = None) -> Change:
        """Offer again: the rule *reactivate*. Inactive becomes pending, whoever deactivated it.

        Args:
            by: who reactivates it; must act for the source.
            at: an aware time, or RFC 3339 text; now if omitted. `updated_at` never moves backwards.

        Raises:
            NotAPartyError: `by` acts for neither organization.
            ForbiddenTransitionError: `by` acts for the destination alone.
            InvalidTransitionError: the Connection is not inactive.
            ValueError: `at` is naive or out of range.
        """
        return self.take(Action.REACTIVATE, by=by, at=at)

    def take(self, action: str, *, by: Actor, at: datetime | str | None = None) -> Change:
        """Take `action`: what `activate`, `deactivate` and `reactivate` do.

        Args:
            action: an `Action`. Create is always refused: the Connection exists.
            by: who takes it.
            at: an aware time, or RFC 3339 text; now if omitted. `updated_at` never moves backwards.

        Raises:
            TransitionError: `authorize` refuses it.
            DuplicateConnectionError: `action` is create, and `by` acts for the source.
            ValueError: there is no such action; `at` is naive or out of range; or the version is
                the highest there is, 2147483647.
        """
        by = arguments.actor(by, "by")
        decision = authorize(by, action, self)
        if self.version == MAX_VERSION:
            raise ValueError(f"the version is {MAX_VERSION}, the highest there is")
        moment = utc_now() if at is None else arguments.moment(at, "at")
        connection = self._with(
            {
                "status": decision.target,
                "updated_at": moment if moment > self.updated_at else self.updated_at,
                "version": self.version + 1,
            }
        )
        event = connection._event(Action(action), by, decision.roles, self.status)
        return Change(connection, event)

    def apply(self, event: ConnectionEvent) -> "Connection":
        """The Connection after `event`, if `event` could have happened to it next.

        The step is taken again under the rules, and must give the same event.

        Raises:
            InvalidHistoryError: the event could not have happened. `index` is its place in the
                whole history, which is this Connection's `version`.
        """
        event = arguments.instance(ConnectionEvent, event, "event")
        try:
            change = self.take(event.action, by=event.actor, at=event.occurred_at)
        except (ConnectError, ValueError) as refusal:
            raise InvalidHistoryError(self.version, f"was not permitted ({refusal})") from refusal
        _require_same(self.version, event, change.event)
        return change.connection

    def organization_of(self, role: str) -> OrganizationId:
        """The organization that holds `role` in this Connection.

        Raises:
            ValueError: there is no such role.
        """
        organization_id: OrganizationId = getattr(self, f"{Role(role)}_organization_id")
        return organization_id

    def _with(self, changed: dict[str, Any]) -> Self:
        """This Connection with other values, which are known to be valid."""
        if type(self) is Connection:
            values = self.__dict__ | changed
            return _assemble(type(self), values, self.__pydantic_fields_set__, self)
        # A subclass may keep what it has worked out (`cached_property`, private attributes).
        values = {field: getattr(self, field) for field in type(self).model_fields} | changed
        return type(self).model_validate(values, context={"allow_self": True})

    def _event(
        self,
        action: Action,
        by: Actor,
        roles: frozenset[Role],
        previous_status: Status | None,
        terms: Terms | None = None,
    ) -> ConnectionEvent:
        """The event of the change that led to this state of the Connection."""
        values = {
            "connection_id": self.id,
            "version": self.version,
            "action": action,
            "previous_status": previous_status,
            "status": self.status,
            "actor": by,
            "roles": roles,
            "occurred_at": self.updated_at,
            "terms": terms,
        }
        return _assemble(ConnectionEvent, values, _EVENT_FIELDS, by)


CHECKED.add(Connection)


def _require_same(index: int, event: ConnectionEvent, due: ConnectionEvent) -> None:
    """Raise if `event` is not the event that was due, and name the differences."""
    differences = [
        f"{field} {shown(getattr(event, field))} where {shown(getattr(due, field))} was due"
        for field in ConnectionEvent.model_fields
        if getattr(event, field) != getattr(due, field)
    ]
    if differences:
        raise InvalidHistoryError(index, f"has {', '.join(differences)}")


def replay(events: Iterable[ConnectionEvent]) -> Connection:
    """The Connection that `events` lead to, oldest first. Every step is taken again and checked.

    This cannot detect that events are missing at the end (compare the version with the stored
    Connection's), or that an actor was replaced by another of the same organization.

    Raises:
        InvalidHistoryError: the chain is empty, does not begin with a creation, or holds an event
            that could not have happened; `index` is the first such event's place.
    """
    connection: Connection | None = None
    for event in events:
        connection = _begin(event) if connection is None else connection.apply(event)
    if connection is None:
        raise InvalidHistoryError(0, "is missing: a history begins with a creation")
    return connection


def _begin(event: ConnectionEvent) -> Connection:
    """The Connection that a history's first event creates."""
    event = arguments.instance(ConnectionEvent, event, "event")
    if event.terms is None:
        raise InvalidHistoryError(0, f"is {event.action}, and a history begins with a creation")
    try:
        change = Connection.create(
            by=event.actor,
            source=event.terms.source_organization_id,
            destination=event.terms.destination_organization_id,
            name=event.terms.name,
            scopes=event.terms.scopes,
            allow_self=True,
            id=event.connection_id,
            at=event.occurred_at,
        )
    except ConnectError as refusal:
        raise InvalidHistoryError(0, f"was not permitted ({refusal})") from refusal
    _require_same(0, event, change.event)
    return change.connection
