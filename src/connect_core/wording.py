"""Wording: a decision in words.

Each of the three functions returns one or two plain sentences: why an action is allowed, why it is
denied, and what would help. The roles and statuses in them come from the lifecycle's own answers
(`connect_core.table`), so that no sentence can disagree with the rules. This module decides
nothing.
"""

from connect_core.decision import Cell, Denial, Step, any_of
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, Action, Role, Status
from connect_core.table import PERMITTED_ROLES, PERMITTED_STATUSES, TARGETS, leads_to


def explain(
    denial: Denial,
    action: Action | None,
    status: Status | None,
    roles: frozenset[Role],
    unknown_status: str = "",
) -> str:
    """Why it was denied, in one sentence. `unknown_status` is a status's name, safe to show."""
    match denial:
        case Denial.NOT_A_PARTY:
            return "The actor's organization is neither the source nor the destination."
        case Denial.WRONG_ROLE:
            return (
                f"Only {any_of(PERMITTED_ROLES[action])} may {action} a Connection, "
                f"and the actor acts for {any_of(roles)}."
            )
        case Denial.WRONG_STATUS:
            already = " already" if leads_to(action, status) else ""
            return (
                f"A Connection can be {action}d only while it is "
                f"{' or '.join(map(str, PERMITTED_STATUSES[action]))}, "
                f"and this one is {status}{already}."
            )
        case Denial.ALREADY_EXISTS:
            standing = "" if status is None else f" and is {status}"
            return (
                f"A Connection from this source to this destination exists already{standing}; "
                "there is only ever one for an ordered pair."
            )
        case Denial.SELF_CONNECTION:
            return "The source and the destination are the same organization."
        case Denial.UNKNOWN_STATUS:
            named = unknown_status and f" {unknown_status}"
            return f"The Connection's status{named} is not one that this version knows."
        case Denial.NOT_ACTIVE:
            return (
                f"Data may pass only while the Connection is {SHARING_STATUS}, "
                f"and this one is {status}."
            )
        case Denial.SCOPE_NOT_GRANTED:
            return "The Connection does not grant this scope."
        case Denial.WRONG_DIRECTION:  # pragma: no branch  # every denial is named by now
            return (
                "Data passes only from the source to the destination, "
                f"and the actor acts for {any_of(roles)}."
            )


def advise(
    denials: tuple[Denial, ...],
    action: Action | None,
    status: Status | None,
    roles: frozenset[Role],
    remedy: tuple[Step, ...],
) -> str:
    """What would help, in one or two sentences."""
    if remedy:
        done = "If that was the aim, it is done. " if leads_to(action, status) else ""
        return f"{done}First {', then '.join(map(str, remedy))}."
    if Denial.WRONG_DIRECTION in denials:  # no other condition matters: nothing would change this
        return (
            "The other direction needs a Connection of its own, in which the other organization "
            "is the source."
        )
    if Denial.SCOPE_NOT_GRANTED in denials:
        return (
            "Nothing would help: the scopes of a Connection are fixed for its life, and this "
            "scope is not among them."
        )
    match denials[0]:
        case Denial.NOT_A_PARTY:
            return "Check the Connection, and the organization that the actor acts for."
        case Denial.WRONG_ROLE if Denial.ALREADY_EXISTS not in denials:
            takers = any_of(PERMITTED_ROLES[action])
            return f"It is for {takers} to {action} it{_when(denials, action)}."
        case Denial.SELF_CONNECTION:
            return "Name another destination or, in a sandbox, ask for a self-connection."
        case Denial.UNKNOWN_STATUS:
            return "Correct the status that is stored, or upgrade to a version that knows it."
        case _:  # there is one already
            if Cell(status, Action.REACTIVATE, roles) in TARGETS:
                return "Reactivate the existing one instead."
            return "Use the existing one."


def _when(denials: tuple[Denial, ...], action: Action | None) -> str:
    """From when on those who may ever take `action` may take it, if they may not now."""
    if Denial.UNKNOWN_STATUS in denials:
        return ", once its status is one that this version knows"
    if Denial.WRONG_STATUS in denials:
        return f", once it is {' or '.join(map(str, PERMITTED_STATUSES[action]))}"
    return ""


def explain_permission(action: Action | None, roles: frozenset[Role], target: Status | None) -> str:
    """Why it was allowed, in one sentence."""
    if action is None:
        return f"The {READING_ROLE} may read it while the Connection is {SHARING_STATUS}."
    takers = any_of(roles & PERMITTED_ROLES[action])
    return f"{takers.capitalize()} may {action} it, and it is then {target}."
