"""Wording: a decision in words, in English or in those of a host.

Every decision has one sentence that says why it is allowed or denied and, if it is denied, one or
two that say what would help. A `Wording` holds the phrases of which they are made. The roles and
statuses in them come from the lifecycle's own answers (`connect_core.table`), so that no sentence
can disagree with the rules. This module decides nothing.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from string import Formatter
from typing import Final

from connect_core.decision import Cell, Decision, Denial, Step
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, Action, Role, Status
from connect_core.table import PERMITTED_ROLES, PERMITTED_STATUSES, TARGETS, leads_to

#: The words that stand in sentences, not sentences themselves.
_WORDS: Final = frozenset(
    {"connection", "a_connection", "either", "then"}
    | {*Role, *Status, *Action}
    | {f"{action}d" for action in Action}
)
#: What a sentence may name in braces.
_FIELDS: Final = frozenset(
    {"connection", "a_connection", "action", "done", "status", "statuses", "stored"}
    | {"roles", "takers", "target", "steps", *Role}
)


@dataclass(frozen=True, kw_only=True)
class Wording:
    """The phrases of which explanations and advice are made: by default, English ones.

    Give those that your service says otherwise; all of them for another language. Immutable.

    The words come first. `connection` is what your service calls a Connection, and `a_connection`
    the same with its article, which is "a" and the noun if omitted. Each role, status and action
    has a word under its own name; ``created``, ``activated``, ``deactivated`` and ``reactivated``
    are the participles. `either` stands between alternatives, `then` between steps.

    The others are sentences. Each may name, in braces:

    - ``{connection}``, ``{a_connection}``, ``{source}``, ``{destination}``: the words;
    - ``{action}``, ``{done}``: the action asked for, and its participle;
    - ``{status}``: the Connection's status; ``{stored}``: one that is not known, as it is stored;
    - ``{roles}``: the roles that the actor holds;
    - ``{takers}``: the roles that may take the action or, to read data, the one that may; of those,
      only the ones that the actor holds, if it is allowed;
    - ``{statuses}``: those from which the action can be taken, or in which data may be read;
    - ``{target}``: the status to which a permitted action leads;
    - ``{steps}``: what would help, each step as `step` says it.

    What does not apply to a decision is empty. A sentence's first letter is made a capital.

    Raises:
        TypeError: a phrase is not text.
        ValueError: a sentence has something else in braces, or a brace is not closed.
    """

    connection: str = "Connection"
    a_connection: str = ""
    source: str = "the source"
    destination: str = "the destination"
    pending: str = "pending"
    active: str = "active"
    inactive: str = "inactive"
    create: str = "create"
    activate: str = "activate"
    deactivate: str = "deactivate"
    reactivate: str = "reactivate"
    created: str = "created"
    activated: str = "activated"
    deactivated: str = "deactivated"
    reactivated: str = "reactivated"
    either: str = " or "
    then: str = ", then "

    # Why it is allowed.
    permitted: str = "{takers} may {action} it, and it is then {target}."
    readable: str = "{takers} may read it while the {connection} is {statuses}."

    # Why it is denied.
    not_a_party: str = "The actor's organization is neither {source} nor {destination}."
    wrong_role: str = "Only {takers} may {action} {a_connection}, and the actor acts for {roles}."
    wrong_status: str = (
        "{a_connection} can be {done} only while it is {statuses}, and this one is {status}."
    )
    wrong_status_already: str = (
        "{a_connection} can be {done} only while it is {statuses},"
        " and this one is {status} already."
    )
    already_exists: str = (
        "{a_connection} from {source} to {destination} exists already; there is only ever one"
        " for an ordered pair."
    )
    already_exists_in: str = (
        "{a_connection} from {source} to {destination} exists already and is {status}; there"
        " is only ever one for an ordered pair."
    )
    self_connection: str = "{source} and {destination} are the same organization."
    unknown_status: str = "The {connection}'s status is not one that this version knows."
    unknown_status_stored: str = (
        "The {connection}'s status {stored} is not one that this version knows."
    )
    not_active: str = (
        "Data may pass only while the {connection} is {statuses}, and this one is {status}."
    )
    scope_not_granted: str = "The {connection} does not grant this scope."
    wrong_direction: str = (
        "Data passes only from {source} to {destination}, and the actor acts for {roles}."
    )

    # What would help.
    step: str = "{takers} must {action} it"
    first: str = "First {steps}."
    done_already: str = "If that was the aim, it is done. First {steps}."
    other_direction: str = (
        "The other direction needs {a_connection} of its own, in which the other organization is"
        " {source}."
    )
    scopes_are_fixed: str = (
        "Nothing would help: the scopes of {a_connection} are fixed for its life, and this scope is"
        " not among them."
    )
    check_the_parties: str = "Check the {connection}, and the organization that the actor acts for."
    for_others: str = "It is for {takers} to {action} it."
    for_others_once: str = "It is for {takers} to {action} it, once it is {statuses}."
    for_others_once_known: str = (
        "It is for {takers} to {action} it, once its status is one that this version knows."
    )
    name_another: str = "Name another organization or, in a sandbox, ask for a self-connection."
    correct_the_status: str = (
        "Correct the status that is stored, or upgrade to a version that knows it."
    )
    reactivate_existing: str = "Reactivate the existing one instead."
    use_existing: str = "Use the existing one."

    def __post_init__(self) -> None:
        for each in fields(self):
            phrase: object = getattr(self, each.name)
            if not isinstance(phrase, str):
                raise TypeError(f"{each.name}: expected text, got {type(phrase).__name__}")
            if each.name not in _WORDS:
                _require_known_fields(each.name, phrase)

    def explain(self, decision: Decision, *, stored_status: str = "") -> str:
        """Why it was allowed or denied, in one sentence.

        Args:
            decision: any decision; the words that it has itself make no difference.
            stored_status: for `Denial.UNKNOWN_STATUS`, the status as it is stored, safe to show.
        """
        phrase = self._explanation(decision, stored=bool(stored_status))
        return self._sentence(phrase, decision, stored_status)

    def advise(self, decision: Decision) -> str:
        """What would help, in one or two sentences; empty if it is allowed."""
        return "" if decision.allowed else self._sentence(self._advice(decision), decision)

    def _explanation(self, decision: Decision, *, stored: bool) -> str:
        """The phrase that says why."""
        action, status = decision.action, decision.status
        match decision.denial:
            case None:
                return self.readable if action is None else self.permitted
            case Denial.WRONG_STATUS:
                done = leads_to(action, status)
                return self.wrong_status_already if done else self.wrong_status
            case Denial.ALREADY_EXISTS:
                return self.already_exists if status is None else self.already_exists_in
            case Denial.UNKNOWN_STATUS:
                return self.unknown_status_stored if stored else self.unknown_status
            case denial:
                return _text(self, denial)

    def _advice(self, decision: Decision) -> str:
        """The phrase that says what would help."""
        action, denials = decision.action, decision.denials
        if decision.remedy:
            return self.done_already if leads_to(action, decision.status) else self.first
        if Denial.WRONG_DIRECTION in denials:  # no other condition matters: nothing changes this
            return self.other_direction
        if Denial.SCOPE_NOT_GRANTED in denials:
            return self.scopes_are_fixed
        match denials[0]:
            case Denial.NOT_A_PARTY:
                return self.check_the_parties
            case Denial.WRONG_ROLE if Denial.ALREADY_EXISTS not in denials:
                if Denial.UNKNOWN_STATUS in denials:
                    return self.for_others_once_known
                return self.for_others_once if Denial.WRONG_STATUS in denials else self.for_others
            case Denial.SELF_CONNECTION:
                return self.name_another
            case Denial.UNKNOWN_STATUS:
                return self.correct_the_status
            case _:  # there is one already
                can_reactivate = Cell(decision.status, Action.REACTIVATE, decision.roles) in TARGETS
                return self.reactivate_existing if can_reactivate else self.use_existing

    def _sentence(self, phrase: str, decision: Decision, stored_status: str = "") -> str:
        action, roles = decision.action, decision.roles
        takers = frozenset({READING_ROLE}) if action is None else PERMITTED_ROLES[action]
        statuses = (SHARING_STATUS,) if action is None else PERMITTED_STATUSES[action]
        sentence = phrase.format(
            connection=self.connection,
            a_connection=self.a_connection or f"a {self.connection}",
            **{role.value: _text(self, role) for role in Role},
            action=_text(self, action),
            done=_text(self, action and f"{action}d"),
            status=_text(self, decision.status),
            stored=stored_status,
            statuses=self._any_of(statuses),
            roles=self._any_of(roles),
            takers=self._any_of(takers & roles if decision.allowed else takers),
            target=_text(self, decision.target),
            steps=self.then.join(map(self._step, decision.remedy)),
        )
        return f"{sentence[:1].upper()}{sentence[1:]}"

    def _step(self, step: Step) -> str:
        return self.step.format(takers=self._any_of(step.roles), action=_text(self, step.action))

    def _any_of(self, members: Collection[Role] | Collection[Status | None]) -> str:
        """The words of roles or statuses, in the order of their definition."""
        order: Iterable[Role | Status] = (*Role, *Status)
        return self.either.join(_text(self, each) for each in order if each in members)


def _text(wording: Wording, name: str | None) -> str:
    """The phrase of this name; empty if there is none to say."""
    return "" if name is None else str(getattr(wording, name))


def _require_known_fields(name: str, phrase: str) -> None:
    """Refuse a sentence that has anything else in braces than the names that it may have."""
    known = {"takers", "action"} if name == "step" else _FIELDS
    try:
        is_right = all(
            field is None or (field in known and not format_spec and not conversion)
            for _, field, format_spec, conversion in Formatter().parse(phrase)
        )
    except ValueError:  # a brace is not closed
        is_right = False
    if not is_right:
        may = ", ".join(f"{{{each}}}" for each in sorted(known))
        raise ValueError(f"{name}: {phrase!r} may have nothing in braces but {may}")
