"""The permitted answers to a call, with the requirements that it tests, from the policy's decision.

A decision says whether something may be done, and every reason why it may not. The specification
permits several answers at an open point, and where several reasons hold at once. No rule is stated
here, and nothing is known of the Connections of an execution: `connect_core.conformance.model` is.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from connect_core.conformance.subject import Answer, Outcome, actor_of
from connect_core.conformance.vectors import Alternative, AnyStep, CreateStep
from connect_core.connection import Connection
from connect_core.decision import Decision, Denial, minds_version
from connect_core.errors import InvalidDocumentError
from connect_core.history import MAX_VERSION
from connect_core.jsonapi.reading import load_json
from connect_core.lifecycle import Action, Role, Status
from connect_core.policy import steps_to

#: The open points of the specification and their answers. Ours comes first.
ROLE_AND_STATUS, ROLE_FIRST, STATUS_FIRST = "CXN-OPEN-001", "role-first", "status-first"
OUTSIDERS, HIDDEN, REFUSED = "CXN-OPEN-002", "hidden", "refused"
SECOND_CREATE, DUPLICATE_REFUSED, RETURNED = "CXN-OPEN-004", "refused", "returned"
SELF, ON_REQUEST, NEVER, ALWAYS = "CXN-OPEN-005", "on-request", "never", "always"
SCOPES_WHILE_INACTIVE, KEPT, SUSPENDED = "CXN-OPEN-006", "kept", "suspended"

_OUTCOMES: Final[Mapping[Denial, Outcome]] = {
    Denial.WRONG_ROLE: Outcome.WRONG_ROLE,
    Denial.WRONG_STATUS: Outcome.WRONG_STATUS,
    Denial.ALREADY_EXISTS: Outcome.ALREADY_EXISTS,
    Denial.NOT_A_PARTY: Outcome.NOT_A_PARTY,
    Denial.SELF_CONNECTION: Outcome.SELF_CONNECTION,
}

#: The requirement that an action tests, by the action, the actor's role and whether it is allowed.
_ACTIONS: Final[Mapping[tuple[Action, Role, bool], str]] = {
    (Action.ACTIVATE, Role.DESTINATION, True): "CXN-LIFE-001",
    (Action.ACTIVATE, Role.SOURCE, False): "CXN-LIFE-002",
    (Action.ACTIVATE, Role.DESTINATION, False): "CXN-LIFE-003",
    (Action.DEACTIVATE, Role.SOURCE, True): "CXN-LIFE-004",
    (Action.DEACTIVATE, Role.DESTINATION, True): "CXN-LIFE-005",
    (Action.DEACTIVATE, Role.SOURCE, False): "CXN-LIFE-006",
    (Action.DEACTIVATE, Role.DESTINATION, False): "CXN-LIFE-006",
    (Action.REACTIVATE, Role.SOURCE, True): "CXN-LIFE-007",
    (Action.REACTIVATE, Role.DESTINATION, False): "CXN-LIFE-008",
    (Action.REACTIVATE, Role.SOURCE, False): "CXN-LIFE-009",
}
#: The requirement that a refused read of data tests, by the reason for the refusal.
_ACCESS: Final[Mapping[Denial, str]] = {
    Denial.NOT_A_PARTY: "CXN-SHAR-005",
    Denial.NOT_ACTIVE: "CXN-SHAR-002",
    Denial.WRONG_DIRECTION: "CXN-SHAR-003",
    Denial.SCOPE_NOT_GRANTED: "CXN-SHAR-004",
}

#: The HTTP statuses of each outcome: one, or the answers to an open point, ours first.
STATUSES: Final[Mapping[Outcome, tuple[int, ...]]] = {
    Outcome.OK: (200,),
    Outcome.NOT_FOUND: (404,),
    Outcome.DENIED: (403,),
    Outcome.ALREADY_EXISTS: (409,),
    Outcome.INVALID: (422,),
    Outcome.WRONG_ROLE: (403, 404, 409, 422),
    Outcome.WRONG_STATUS: (409, 403, 404, 422),
}
_STATUS_POINTS: Final = {
    Outcome.WRONG_ROLE: "CXN-OPEN-007",
    Outcome.WRONG_STATUS: "CXN-OPEN-003",
}
#: The requirement that the HTTP status of an outcome tests.
_STATUS_TESTS: Final[Mapping[Outcome, str]] = {
    Outcome.OK: "CXN-HTTP-002",
    Outcome.WRONG_STATUS: "CXN-HTTP-003",
    Outcome.WRONG_ROLE: "CXN-HTTP-004",
    Outcome.NOT_FOUND: "CXN-HTTP-005",
    Outcome.DENIED: "CXN-HTTP-005",
    Outcome.ALREADY_EXISTS: "CXN-HTTP-006",
    Outcome.INVALID: "CXN-HTTP-007",
}

#: The requirements that a call tests, and its permitted answers.
Permitted = tuple[tuple[str, ...], tuple[Alternative, ...]]


def _refusal(outcome: Outcome, point: str | None = None, *answers: str) -> Alternative:
    return Alternative(outcome=outcome, answers={} if point is None else {point: answers})


#: The permitted answers to a call on an id that no Connection has, and to one of an outsider.
NO_SUCH_CONNECTION: Final = (_refusal(Outcome.NOT_FOUND),)
OUTSIDER_REFUSALS: Final = (
    _refusal(Outcome.NOT_FOUND, OUTSIDERS, HIDDEN),
    _refusal(Outcome.NOT_A_PARTY, OUTSIDERS, REFUSED),
)
_RETURNED: Final = Alternative(
    outcome=Outcome.OK, existing=True, answers={SECOND_CREATE: (RETURNED,)}
)


def creation(
    decision: Decision, *, self_connection: bool, asked: bool, wrong: tuple[str, ...] = ()
) -> Permitted:
    """What a creation tests, and its permitted answers.

    Args:
        decision: the policy's decision, as if self-connections were asked for.
        self_connection: True if source and destination are the same organization.
        asked: True if a self-connection is asked for.
        wrong: the requirements that refuse the terms as invalid.
    """
    if wrong:  # any of several reasons may be reported
        outcomes = [Outcome.INVALID, *(_OUTCOMES[each] for each in decision.denials)]
        outcomes += [Outcome.SELF_CONNECTION] if self_connection else []
        return wrong, tuple(map(_refusal, outcomes))
    if decision.denials == (Denial.ALREADY_EXISTS,):
        refused = _refusal(Outcome.ALREADY_EXISTS, SECOND_CREATE, DUPLICATE_REFUSED)
        if self_connection and not asked:
            return ("CXN-CREA-014",), (refused, _refusal(Outcome.SELF_CONNECTION), _RETURNED)
        return ("CXN-CREA-005",), (refused, _RETURNED)
    if decision.denials:
        requirement = "CXN-CREA-003" if decision.roles else "CXN-CREA-004"
        return (requirement,), tuple(_refusals(decision))
    if not self_connection:
        return ("CXN-CREA-001",), (Alternative(outcome=Outcome.OK),)
    willing = (ON_REQUEST, ALWAYS) if asked else (ALWAYS,)
    unwilling = (NEVER,) if asked else (ON_REQUEST, NEVER)
    accept = (
        Alternative(outcome=Outcome.OK, answers={SELF: willing}),
        _refusal(Outcome.SELF_CONNECTION, SELF, *unwilling),
    )
    return ("CXN-CREA-006",), accept if asked else accept[::-1]


def action(decision: Decision, connection: Connection, expected: int | None = None) -> Permitted:
    """What an action on a Connection tests, and its permitted answers.

    Args:
        decision: the policy's decision.
        connection: the Connection.
        expected: the version that the actor expects, if it names one.
    """
    requirements, accept = _action(decision, connection)
    if expected is None:
        return requirements, accept
    if expected == connection.version:
        return ("CXN-VERS-005",), accept
    if minds_version(decision):
        requirements, accept = ("CXN-VERS-004",), (_refusal(Outcome.STALE),)
    else:
        requirements = ("CXN-VERS-006",)
    if expected > MAX_VERSION:
        return ("CXN-VERS-007",), (*accept, _refusal(Outcome.INVALID))
    return requirements, accept


def _action(decision: Decision, connection: Connection) -> Permitted:
    action, roles = Action(str(decision.action)), decision.roles
    if not roles:
        return ("CXN-LIFE-011",), OUTSIDER_REFUSALS
    requirements: tuple[str, ...] = ("CXN-CREA-007",)
    if len(roles) == 1:
        requirements = (_ACTIONS[action, next(iter(roles)), decision.allowed],)
    if connection.version > _LOWEST_VERSION[connection.status]:
        requirements += ("CXN-LIFE-010",)
    if decision:
        return requirements, (Alternative(outcome=Outcome.OK),)
    return requirements, tuple(_refusals(decision))


def access(decision: Decision) -> Permitted:
    """What a read of data tests, and its permitted answers."""
    if decision:
        return ("CXN-SHAR-001",), (Alternative(outcome=Outcome.OK),)
    tested = tuple(_ACCESS[denial] for denial in decision.denials)
    return tested, (_refusal(Outcome.DENIED),) if decision.roles else OUTSIDER_REFUSALS


def _refusals(decision: Decision) -> Iterator[Alternative]:
    """The permitted refusals of a party: one, or either of two if two reasons hold at once."""
    first, *others = (_OUTCOMES[denial] for denial in decision.denials)
    if not others:
        yield _refusal(first)
    else:
        yield _refusal(first, ROLE_AND_STATUS, ROLE_FIRST)
        yield _refusal(others[0], ROLE_AND_STATUS, STATUS_FIRST)


#: A newly created Connection.
CREATED: Final = Connection.create(by=actor_of("org_A"), destination="org_B").connection
#: The lowest version of a Connection in each status. A higher one means a longer way.
_LOWEST_VERSION: Final = {status: 1 + len(steps_to(CREATED, status)) for status in Status}


# --- HTTP statuses -------------------------------------------------------------------------------


def with_statuses(step: AnyStep) -> AnyStep:
    """The same call, with the HTTP status of each permitted answer."""
    accept: list[Alternative] = []
    for each in step.accept:
        statuses: tuple[int | None, ...] = STATUSES.get(each.outcome, (None,))
        if each.outcome is Outcome.OK and isinstance(step, CreateStep):
            statuses = (200 if each.existing else 201,)
        elif each.outcome is Outcome.INVALID and not is_json(step):
            statuses = (400,)
        point = _STATUS_POINTS.get(each.outcome)
        for status in statuses:
            chosen = {} if point is None else {point: (str(status),)}
            changes = {"http": status, "answers": {**each.answers, **chosen}}
            accept.append(each.model_copy(update=changes))
    return step.model_copy(update={"accept": tuple(accept)})


def status_requirement(step: AnyStep, answer: Answer) -> str:
    """The requirement that the HTTP status of an answer tests, whose outcome is permitted."""
    if answer.outcome is Outcome.OK and isinstance(step, CreateStep):
        existing = any(each.existing for each in step.accept)
        return "CXN-HTTP-008" if existing else "CXN-HTTP-001"
    return _STATUS_TESTS.get(answer.outcome, "CXN-HTTP-009")


def is_json(step: AnyStep) -> bool:
    """Whether what a step sends is JSON: it is, unless it is the text of a document."""
    if not isinstance(step, CreateStep) or step.body is None:
        return True
    try:
        load_json(step.body)
    except InvalidDocumentError:
        return False
    return True
