"""The policy about rows as a host has them: its attributes, its spellings and its words.

A `RowPolicy` says once how the rows of a table are to be read. Its methods are the policy's
questions. It states no rule: the answers are those of `connect_core.policy`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from connect_core.answers import ENGLISH, Answers
from connect_core.decision import Decision, Step
from connect_core.errors import AccessDeniedError
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import ROLES, ActorLike
from connect_core.policy import Existing, allowed_by, creation_decision, refuse
from connect_core.rows import facts, grants, has_member, id_of, is_scope, name_of, text_or_none
from connect_core.spellings import require_attributes, spelled_scopes, spelled_statuses
from connect_core.table import SHORTEST_WAYS
from connect_core.text import quoted, same_value, text_of
from connect_core.wording import Wording

_NAMES: Final = frozenset(Status)
if TYPE_CHECKING:  # only type checkers need its default, which `typing` has from Python 3.13 on
    from typing_extensions import TypeVar as _TypeVar

    #: What the statuses are spelled as: `str`, `int` or an `Enum` of the host's.
    _Spelling = _TypeVar("_Spelling", covariant=True, default=object)
else:
    _Spelling = TypeVar("_Spelling", covariant=True)
_Name = TypeVar("_Name", bound=str)


class RowPolicy(Generic[_Spelling]):
    """The policy's questions about rows that have other attributes, spellings or words.

    Make one for each kind of row, when your service starts. Threads may share it. Of the rows it
    keeps nothing but the first unknown statuses, with the answers about them. The filters of
    `connect_core.adapters.sql` take it as `rows`.

    Args:
        source: the attribute of the organization whose data is shared.
        destination: the attribute of the organization that receives it.
        status: the attribute of the status.
        scopes: the attribute of the scopes; read only to decide on access.
        id: the attribute of the row's id, for errors; rows need not have it.
        statuses: how each `Status` is spelled: as other text, as an integer, as a member of an
            `Enum` of yours; all of them. If omitted, as in this library. A type checker knows the
            type of the spellings: ``RowPolicy[State]``.
        scope_names: how scopes are spelled, and all that there are. If omitted, as in this library.
        wording: the words of explanations and advice. If omitted, English ones.

    Raises:
        TypeError: an attribute's name is no text; a spelling cannot be one (None, a truth value, a
            list); or `wording` is no `Wording`.
        ValueError: an attribute's name is no identifier; two of them are the same; `statuses` lacks
            a status or has one that there is not; a scope is ill-formed; or two of them have the
            same spelling.

    A row that lacks an attribute leads to Python's `AttributeError`. What its attributes hold may
    be anything: a status with another spelling is unknown, permits nothing, and is named in the
    explanation.
    """

    @overload
    def __init__(
        self: "RowPolicy[str]",
        *,
        source: str = ...,
        destination: str = ...,
        status: str = ...,
        scopes: str = ...,
        id: str = ...,
        statuses: None = None,
        scope_names: Mapping[str, object] | None = ...,
        wording: Wording | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        *,
        source: str = ...,
        destination: str = ...,
        status: str = ...,
        scopes: str = ...,
        id: str = ...,
        statuses: Mapping[_Name, _Spelling],
        scope_names: Mapping[str, object] | None = ...,
        wording: Wording | None = ...,
    ) -> None: ...
    def __init__(
        self,
        *,
        source: str = "source_organization_id",
        destination: str = "destination_organization_id",
        status: str = "status",
        scopes: str = "scopes",
        id: str = "id",
        statuses: Mapping[Any, Any] | None = None,
        scope_names: Mapping[str, object] | None = None,
        wording: Wording | None = None,
    ) -> None:
        names = {"source": source, "destination": destination, "status": status, "scopes": scopes}
        self._names = names | {"id": id}
        require_attributes(self._names)
        self._read = attrgetter(source, destination, status)
        self._statuses: Mapping[Status, _Spelling] = spelled_statuses(statuses)
        self._scope_names = None if scope_names is None else spelled_scopes(scope_names)
        # What almost every row holds takes less time: text, a number, a member of an Enum.
        spelled = self._statuses.items()
        self._by_identity: Final[dict[int, Status]] = {
            _address(spelling): status for status, spelling in spelled
        }
        self._by_value: Final[dict[object, Status]] = {
            str.__str__(spelling) if isinstance(spelling, str) else spelling: status
            for status, spelling in spelled
            if isinstance(spelling, str | int)  # other members may have no hash
        }
        self._answers = ENGLISH if wording is None else Answers(_require_wording(wording))
        self._decisions = self._answers.decisions
        arguments: dict[str, Any] = {
            **self._names,
            "statuses": statuses and {str(each): spelling for each, spelling in spelled},
            "scope_names": None if scope_names is None else dict(self._scope_names or {}),
            "wording": wording,
        }
        defaults = RowPolicy.__init__.__kwdefaults__ or {}
        self._given = {
            name: arguments[name] for name in defaults if arguments[name] != defaults[name]
        }

    def __repr__(self) -> str:
        arguments = (f"{name}={value!r}" for name, value in self._given.items())
        return f"{type(self).__name__}({', '.join(arguments)})"

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        """Copy and pickle it by what it was made of."""
        again: Callable[..., object] = type(self)
        return partial(again, **self._given), ()

    # --- How the rows are read ---

    @property
    def source(self) -> str:
        """The attribute of the organization whose data is shared."""
        return self._names["source"]

    @property
    def destination(self) -> str:
        """The attribute of the organization that receives it."""
        return self._names["destination"]

    @property
    def status(self) -> str:
        """The attribute of the status."""
        return self._names["status"]

    @property
    def scopes(self) -> str:
        """The attribute of the scopes."""
        return self._names["scopes"]

    @property
    def id(self) -> str:
        """The attribute of the row's id."""
        return self._names["id"]

    def attribute_of(self, role: str) -> str:
        """The attribute of the organization that holds a role, for queries of your own.

        Raises:
            ValueError: there is no such role.
        """
        return self._names[Role(role)]

    @property
    def statuses(self) -> Mapping[Status, _Spelling]:
        """How each status is spelled. Read-only."""
        return self._statuses

    @property
    def scope_names(self) -> Mapping[str, object] | None:
        """How the scopes are spelled; None if as in this library. Read-only."""
        return self._scope_names

    def spelling_of(self, scope: str) -> object:
        """How a scope is spelled: what to look for, or to write. None if no row can grant it."""
        name = text_or_none(scope)
        if name is None or self._scope_names is None:
            return name if name is not None and is_scope(name) else None
        return self._scope_names.get(name)

    # --- Questions ---

    def decide(self, actor: ActorLike, action: str, row: object) -> Decision:
        """Whether `actor` may take `action` on `row`, and why: see `connect_core.decide`.

        Raises:
            ValueError: there is no such action.
        """
        source, destination, stored = self._read(row)
        if type(stored) is str:  # the same as `_facts`, in less time
            known: str | None = self._by_value.get(stored)
        else:
            known = self._by_identity.get(id(stored))
        if known is None:
            known = self._status_or_name(stored)
        is_source, is_destination, status = facts(actor.organization_id, source, destination, known)
        try:
            return self._decisions[is_source, is_destination, status, action]
        except (KeyError, TypeError):  # an unknown status, or no action
            return self._answers.on_action((is_source, is_destination, status, action))

    def can(self, actor: ActorLike, action: str, row: object) -> bool:
        """Whether `actor` may take `action` on `row`: see `connect_core.can`.

        Raises:
            ValueError: there is no such action.
        """
        return self.decide(actor, action, row).allowed

    def authorize(self, actor: ActorLike, action: str, row: object) -> Decision:
        """Return the `Decision` that permits `action`, or raise: see `connect_core.authorize`.

        Raises:
            NotAPartyError: the actor is an outsider.
            ForbiddenTransitionError: wrong role.
            InvalidTransitionError: wrong status, or one that is not known.
            DuplicateConnectionError: `action` is create, and the actor acts for the source.
            ValueError: there is no such action.
        """
        decision = self.decide(actor, action, row)
        if not decision.allowed:
            refuse(decision, actor, id_of(row, self.id))
        return decision

    def target_of(self, decision: Decision) -> _Spelling:
        """The status to which a permitted action leads, as it is spelled: what to write then.

        Raises:
            ValueError: the decision is a denial, or one on reading data: it leads nowhere.
        """
        if decision.target is None:
            raise ValueError(f"this decision leads to no status: {decision.explanation}")
        return self._statuses[decision.target]

    def roles_of(self, actor: ActorLike, row: object) -> frozenset[Role]:
        """The roles that `actor` holds in `row`: see `connect_core.roles_of`."""
        is_source, is_destination, _ = self._facts(actor, row)
        return ROLES[is_source, is_destination]

    def allowed_actions(self, actor: ActorLike, row: object) -> frozenset[Action]:
        """Every action that `actor` may take now: see `connect_core.allowed_actions`."""
        return allowed_by(self._facts(actor, row))

    def actions(self, actor: ActorLike, row: object) -> Mapping[Action, Decision]:
        """Every action with its `Decision`, for a menu: see `connect_core.actions`."""
        return self._answers.on_all_actions(self._facts(actor, row))

    def steps_to(self, row: object, goal: str = Status.ACTIVE) -> tuple[Step, ...]:
        """The shortest way from the status of `row` to `goal`: see `connect_core.steps_to`.

        Raises:
            ValueError: the status of `row` is not known, or there is no status `goal`.
        """
        stored = getattr(row, self.status)
        status = self._status_of(stored)
        if status is None:
            raise ValueError(f"no Status is spelled {quoted(stored)}; {self._spelled()}")
        return SHORTEST_WAYS[status][Status(goal)]

    def decide_create(
        self,
        actor: ActorLike,
        *,
        source: object,
        destination: object,
        existing: object = None,
        allow_self: bool = False,
    ) -> Decision:
        """Whether `actor` may create one: see `connect_core.decide_create`.

        Args:
            actor: who asks.
            source: the organization that would share its data.
            destination: the organization that would receive it.
            existing: the row for this ordered pair, whatever its status, if there is one.
            allow_self: permit source and destination to be the same, for sandboxes.

        Raises:
            TypeError: `source` or `destination` is None.
            ValueError: `existing` is a row of other parties, or in the other direction.
        """
        found = None
        if existing is not None:
            first, second, status = self._read(existing)
            found = Existing(first, second, self._status_of(status))
        return creation_decision(
            self._answers, actor, source, destination, found, allow_self=allow_self
        )

    def authorize_create(
        self,
        actor: ActorLike,
        *,
        source: object,
        destination: object,
        existing: object = None,
        allow_self: bool = False,
    ) -> Decision:
        """Return the `Decision` that permits the creation: see `connect_core.authorize_create`.

        It takes the arguments of `decide_create`.

        Raises:
            NotAPartyError: the actor acts for neither organization.
            ForbiddenTransitionError: the actor acts for the destination.
            DuplicateConnectionError: there is an `existing` one.
            SelfConnectionError: both are the same organization, and `allow_self` is not given.
            TypeError: `source` or `destination` is None.
            ValueError: `existing` is a row of other parties.
        """
        decision = self.decide_create(
            actor, source=source, destination=destination, existing=existing, allow_self=allow_self
        )
        if not decision.allowed:
            refuse(decision, actor, id_of(existing, self.id))
        return decision

    def decide_access(self, reader: ActorLike, scope: str, row: object) -> Decision:
        """Whether `reader` may read data of `scope` by `row`: see `connect_core.decide_access`.

        `scope` is the name that it has in this library. Only the destination may read, only while
        the status is active, and only within the scopes. A scope without a spelling is granted by
        no row.
        """
        granted = self._grants(getattr(row, self.scopes), scope)
        return self._answers.on_access((*self._facts(reader, row), granted))

    def authorize_access(self, reader: ActorLike, scope: str, row: object) -> Decision:
        """Return the `Decision` that permits the access, or raise the typed error that refuses it.

        Raises:
            AccessDeniedError: with the whole `Decision`, and with the missing scope, if one is
                missing.
        """
        decision = self.decide_access(reader, scope, row)
        if not decision.allowed:
            raise AccessDeniedError(decision, reader, text_of(scope), id_of(row, self.id))
        return decision

    # --- Reading a row, whose values may be anything ---

    def _facts(self, actor: ActorLike, row: object) -> tuple[bool, bool, str]:
        """Whether the actor's organization is the source, whether the destination; the status."""
        source, destination, stored = self._read(row)
        return facts(actor.organization_id, source, destination, self._status_or_name(stored))

    def _status_or_name(self, stored: object) -> str:
        """The status; if it is not known, what it is called, which is as no status is."""
        status = self._status_of(stored)
        if status is not None:
            return status
        name = name_of(stored)
        return f"{name} ({type(stored).__name__})" if name in _NAMES else name

    def _status_of(self, stored: object) -> Status | None:
        """The status that is spelled so, if there is one."""
        if type(stored) is str or type(stored) is int:
            return self._by_value.get(stored)
        known = self._by_identity.get(id(stored))
        if known is not None:
            return known
        alike = (each for each, spelling in self._statuses.items() if same_value(spelling, stored))
        return next(alike, None)

    def _grants(self, scopes: object, scope: str) -> bool:
        """Whether the row's scopes have this one."""
        if self._scope_names is None:
            return grants(scopes, scope)
        spelling = self.spelling_of(scope)
        return spelling is not None and has_member(scopes, spelling)

    def _spelled(self) -> str:
        spelled = (f"{each} {quoted(spelling)}" for each, spelling in self._statuses.items())
        return f"the spellings are: {', '.join(spelled)}"


def _address(value: object) -> int:
    return id(value)


def _require_wording(wording: object) -> Wording:
    if not isinstance(wording, Wording):
        raise TypeError(f"wording: expected a Wording, got {type(wording).__name__}")
    return wording
