"""Wording: a Connection, and what can be done with it, in the words of the Dashboard.

Who may do what, and from where, is asked of the policy; nothing here decides it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import humanize

from connect_core import (
    Action,
    Connection,
    ConnectionEvent,
    Decision,
    Denial,
    Role,
    Status,
    Step,
    steps_to,
)
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS
from connect_core.table import PERMITTED_ROLES, PERMITTED_STATUSES

#: The actions on a Connection that exists, in the order of their buttons.
ACTIONS: Final = (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE)

#: The action for which somebody waits: the answer to an offer.
AWAITED: Final = Action.ACTIVATE

#: What a button says, and what an event is called.
_LABELS: Final = {
    Action.ACTIVATE: "Accept",
    Action.DEACTIVATE: "Deactivate",
    Action.REACTIVATE: "Reactivate",
}
_DONE: Final = {
    Action.CREATE: "Created",
    Action.ACTIVATE: "Accepted",
    Action.DEACTIVATE: "Deactivated",
    Action.REACTIVATE: "Reactivated",
}
_VERBS: Final = {
    Action.CREATE: "create",
    Action.ACTIVATE: "accept",
    Action.DEACTIVATE: "deactivate",
    Action.REACTIVATE: "reactivate",
}
STATUSES: Final = {
    Status.PENDING: "Pending",
    Status.ACTIVE: "Active",
    Status.INACTIVE: "Inactive",
}
#: Which way data flows, seen from the visitor's organization.
DIRECTIONS: Final = {
    "outbound": "You share with",
    "inbound": "You receive from",
    "self": "To yourself",
}
#: Whose turn it is, by the action that is due: ours, or another organization's.
_TURNS: Final = {
    Action.ACTIVATE: ("Your turn to accept", "Waiting for {} to accept"),
    Action.REACTIVATE: ("You can reactivate it", "Only {} can reactivate it"),
}


class Names(NamedTuple):
    """The names of organizations and actors.

    Attributes:
        known: the names that the host gave, by id.
    """

    known: Mapping[str, str]

    def of(self, an_id: str) -> str:
        """The name, or the id if there is none."""
        return self.known.get(str(an_id)) or str(an_id)

    def of_role(self, role: Role, connection: Connection) -> str:
        """The name of the organization with this role, as a part of a sentence."""
        return _isolated(self.of(connection.organization_of(role)))

    def of_roles(self, roles: Collection[Role], connection: Connection) -> str:
        """The names of the organizations with one of these roles, as a part of a sentence."""
        found = [self.of_role(role, connection) for role in Role if role in roles]
        return found[0] if len(found) == 1 else " or ".join(dict.fromkeys(found))


def _isolated(name: str) -> str:
    """A name, isolated so that its direction does not affect the text around it."""
    return name if name.isascii() else f"\u2068{name}\u2069"


# --- Times ---------------------------------------------------------------------------------------


def exact(machine: str) -> str:
    """A time in UTC as programs write it, for people, to the second."""
    return f"{machine[:10]} {machine[11:19]} UTC"


def relative(at: datetime, now: datetime) -> str:
    """A time as people say it: ``3 days ago``. One that is ahead of our clock is now."""
    return _ago(max(int((now - at).total_seconds()), 0))


@lru_cache(1024)
def _ago(seconds: int) -> str:
    return humanize.naturaltime(timedelta(seconds=seconds))


# --- Scopes --------------------------------------------------------------------------------------


@lru_cache(1024)
def scope_label(scope: str) -> str:
    """What a scope permits, in words: ``View Inquiry`` for ``inquiry.read``."""
    resource, _, verb = scope.partition(".")
    words = "View" if verb == "read" else _title(verb)
    return f"{words} {_title(resource)}"


def _title(text: str) -> str:
    return text.replace("_", " ").replace("-", " ").title()


# --- Actions -------------------------------------------------------------------------------------


def _is_refusal_of_offer(action: Action, status: Status | None, roles: frozenset[Role]) -> bool:
    """Whether a deactivation turns an offer down, seen from the destination."""
    return (action, status, roles) == (
        Action.DEACTIVATE,
        Status.PENDING,
        frozenset({Role.DESTINATION}),
    )


def action_label(action: Action, status: Status, roles: frozenset[Role]) -> str:
    """What the button for an action says to somebody with these roles."""
    return "Decline" if _is_refusal_of_offer(action, status, roles) else _LABELS[action]


def event_label(event: ConnectionEvent) -> str:
    """What happened, in one word."""
    if _is_refusal_of_offer(event.action, event.previous_status, event.roles):
        return "Declined"
    return _DONE[event.action]


def reason(decision: Decision, connection: Connection, names: Names) -> str:
    """Why an action is not possible, and what others would have to do; empty if it is possible."""
    if decision.allowed or decision.action is None:
        return ""
    verb = _VERBS[decision.action]
    if decision.denial is Denial.WRONG_ROLE:
        takers = names.of_roles(PERMITTED_ROLES[decision.action], connection)
        text = f"Only {takers} can {verb} it."
    elif decision.denial is Denial.WRONG_STATUS:
        permitting = filter(None, PERMITTED_STATUSES[decision.action])
        statuses = " or ".join(STATUSES[each].lower() for each in permitting)
        status = STATUSES[connection.status].lower()
        text = f"To {verb} it, it has to be {statuses}; it is {status} now."
    else:
        text = decision.explanation
    if decision.remedy and not decision.remedy[0].roles & decision.roles:
        text += f" First {in_order(decision.remedy, connection, names)}."
    return text


def in_order(steps: Iterable[Step], connection: Connection, names: Names) -> str:
    """Steps in words: ``Example Bank has to reactivate it, then ...``."""
    return ", then ".join(
        f"{names.of_roles(step.roles, connection)} has to {_VERBS[step.action]} it"
        for step in steps
    )


def turn(connection: Connection, roles: frozenset[Role], names: Names) -> tuple[str, Action | None]:
    """Whose turn it is, for somebody with these roles, and for which action of theirs others wait.

    Nobody waits for a Connection that has ended.
    """
    steps = steps_to(connection)
    if not steps:
        return "Data may flow", None
    following = steps[0]
    ours, theirs = _TURNS[following.action]
    if following.roles & roles:
        if _is_refusal_of_offer(Action.DEACTIVATE, connection.status, roles):
            ours += " or decline"
        return ours, following.action if following.action is AWAITED else None
    return theirs.format(names.of_roles(following.roles, connection)), None


# --- What an action will do ----------------------------------------------------------------------


class Consequences(NamedTuple):
    """What an action will do, before it is taken.

    Attributes:
        question: what is asked.
        lead: what happens at once.
        shows_scopes: whether the scopes belong to it.
        then: what follows from it.
    """

    question: str
    lead: str
    shows_scopes: bool
    then: str


def consequences(
    action: Action, decision: Decision, connection: Connection, names: Names
) -> Consequences:
    """What an action that is allowed will do."""
    source = names.of_role(Role.SOURCE, connection)
    reader = names.of_role(READING_ROLE, connection)
    label = action_label(action, connection.status, decision.roles)
    question = f"{label} this Connection?"
    target = connection if decision.target is None else _with(connection, decision.target)
    later = in_order(steps_to(target), connection, names)
    if decision.target is SHARING_STATUS:
        enders = names.of_roles(PERMITTED_ROLES[Action.DEACTIVATE], connection)
        return Consequences(
            question,
            f"{reader} will be able to read from {source}, from now on:",
            True,
            f"{enders} can deactivate the Connection at any time.",
        )
    if decision.target is Status.PENDING:
        return Consequences(
            question,
            f"The offer is made again. {reader} can read nothing until it is accepted: {later}.",
            False,
            "The scopes stay as they are.",
        )
    if connection.status is SHARING_STATUS:
        lead = f"Sharing stops at once: {reader} can read nothing more from {source}."
        restart = f"To start again, both sides must act: {later}."
    elif label == "Decline":
        lead = f"The offer is turned down. {reader} will read nothing from {source}."
        restart = f"To restart it: {later}."
    else:
        lead = f"The offer is withdrawn: {reader} can no longer accept it."
        restart = f"To offer it again: {later}."
    return Consequences(question, lead, False, restart)


def _with(connection: Connection, status: Status) -> Connection:
    return connection.model_copy(update={"status": status})
