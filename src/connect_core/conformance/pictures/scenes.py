"""What the pictures show: the rules as the policy answers them, and the stories of vectors.

Nothing here draws, and nothing here is a rule. The rules are asked for; a story says who attempts
what, and what comes of it; the status that an attempt leads to is looked up in the table.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from connect_core.lifecycle import SHARING_STATUS, Action, Role, Status
from connect_core.parties import ROLES, Actor
from connect_core.policy import Cell, Decision, Step, decide_access, decision_table, steps_to
from connect_core.scopes import DEFAULT_SCOPES

# --- The rules -----------------------------------------------------------------------------------


class Rules(NamedTuple):
    """All of the rules that is drawn."""

    #: Who may do what, and where it leads.
    table: Mapping[Cell, Decision]
    #: Who may read data of a scope that is granted.
    access: Mapping[tuple[Status, frozenset[Role]], Decision]
    #: The shortest way from each status to the one in which data may pass.
    ways: Mapping[Status, tuple[Step, ...]]


class Transition(NamedTuple):
    """One way out of a status, with all who may take it. `before` is None for a creation."""

    before: Status | None
    action: Action
    roles: tuple[Role, ...]
    after: Status


class _Connection(NamedTuple):
    """The least that the policy can be asked about."""

    source_organization_id: str
    destination_organization_id: str
    status: Status
    scopes: frozenset[str] = DEFAULT_SCOPES


def rules() -> Rules:
    """The rules as the policy has them."""
    return Rules(
        table=decision_table(),
        access={
            (status, roles): _access(status, roles) for status in Status for roles in ROLES.values()
        },
        ways={status: steps_to(_Connection("", "", status), SHARING_STATUS) for status in Status},
    )


def _access(status: Status, roles: frozenset[Role]) -> Decision:
    """Whether somebody with `roles` may read what a Connection in this status grants."""
    reader = Actor(id="usr_Reader", organization_id="org_Reader")
    source, destination = (
        reader.organization_id if role in roles else "org_Other" for role in Role
    )
    connection = _Connection(source, destination, status)
    return decide_access(reader, min(connection.scopes), connection)


def statuses(table: Iterable[Cell]) -> list[Status | None]:
    """Every status that the table knows, in its order; None, that there is no Connection, too."""
    return list(dict.fromkeys(cell.status for cell in table))


def role_sets(table: Iterable[Cell]) -> list[frozenset[Role]]:
    """Every set of roles that the table knows, in its order, but the outsider's last."""
    return sorted(dict.fromkeys(cell.roles for cell in table), key=lambda roles: not roles)


def transitions(table: Mapping[Cell, Decision]) -> list[Transition]:
    """Every transition of the table, in its order.

    Whoever holds both roles may do what either may, so that single roles say all of it.
    """
    takers: dict[tuple[Status | None, Action, Status], set[Role]] = {}
    for (status, action, roles), decision in table.items():
        if decision.target is not None and len(roles) == 1:
            takers.setdefault((status, action, decision.target), set()).update(roles)
    return [
        Transition(before, action, tuple(role for role in Role if role in roles), after)
        for (before, action, after), roles in takers.items()
    ]


def readers(given: Rules, status: Status) -> list[Role]:
    """The roles that may read data while a Connection has this status."""
    return [role for role in Role if given.access[status, frozenset({role})]]


def who(roles: Collection[Role]) -> str:
    """The roles in one word."""
    return "both" if len(roles) > 1 else next(iter(roles), "outsider")


# --- Stories -------------------------------------------------------------------------------------

#: Vectors whose ids begin like this are stories.
_STORY = "story/"
#: How many details of an attempt are told: of very many scopes only the first.
_MOST_DETAILS = 3


class Party(NamedTuple):
    """An organization in a story, and what it is there."""

    organization: str
    roles: frozenset[Role]

    def part(self) -> str:
        """``source``, ``source and destination``, ``outsider``."""
        return " and ".join(role for role in Role if role in self.roles) or "outsider"


class Pair(NamedTuple):
    """A Connection in a story: there is only ever one for each ordered pair."""

    source: str
    destination: str

    def roles(self, organization: str) -> frozenset[Role]:
        """What an organization is in this Connection."""
        return ROLES[organization == self.source, organization == self.destination]


class Attempt(NamedTuple):
    """What somebody tries, and what comes of it.

    Attributes:
        by: the organization that tries.
        pair: the Connection.
        words: what it tries.
        details: of what kind, or on which condition.
        refusal: why it is refused, in words; empty if it is not.
        status: the status that the Connection has from now on, if it changes.
        data: whether data passes.
    """

    by: str
    pair: Pair
    words: str
    details: tuple[str, ...]
    refusal: str
    status: Status | None
    data: bool

    def roles(self) -> frozenset[Role]:
        """What the organization that tries is in this Connection."""
        return self.pair.roles(self.by)


class Story(NamedTuple):
    """A vector whose id begins with ``story/``.

    Attributes:
        name: the rest of the id.
        title: what it is about.
        parties: the organizations, the first source first and outsiders last.
        labels: the Connections, each with its label.
        attempts: what happens, in order.
    """

    name: str
    title: str
    parties: list[Party]
    labels: dict[Pair, str]
    attempts: list[Attempt]


def stories(vectors: Iterable[Mapping[str, object]], table: Mapping[Cell, Decision]) -> list[Story]:
    """The stories among the vectors, in order of their names.

    Raises:
        ValueError: a story cannot be drawn; says which, and why.
    """
    told: dict[str, Story] = {}
    for vector in vectors:
        name = _text(vector, "id", "a vector")
        if name.startswith(_STORY):
            story = _story(vector, name, table)
            if story.name in told:
                raise ValueError(f"two vectors have the id {name!r}; rename one of them")
            told[story.name] = story
    return [told[name] for name in sorted(told)]


def _story(vector: Mapping[str, object], name: str, table: Mapping[Cell, Decision]) -> Story:
    slug = name.removeprefix(_STORY)
    if not slug.isascii() or not slug.replace("-", "").isalnum():
        raise ValueError(f"{name!r} names a file, and can have letters, digits and '-' only")
    narrator = _Narrator(table)
    for number, step in enumerate(cast("Sequence[Mapping[str, object]]", vector["steps"]), 1):
        narrator.attempt(step, f"step {number} of {name}")
    if not narrator.attempts:
        raise ValueError(f"{name} has no steps that could be drawn")
    return Story(
        slug, _text(vector, "title", name), narrator.parties(), narrator.labels, narrator.attempts
    )


class _Narrator:
    """Follows a story, and knows where every Connection stands."""

    def __init__(self, table: Mapping[Cell, Decision]) -> None:
        self.table = table
        self.pairs: dict[str, Pair] = {}
        self.labels: dict[Pair, str] = {}
        self.standing: dict[Pair, Status] = {}
        self.attempts: list[Attempt] = []

    def attempt(self, step: Mapping[str, object], where: str) -> None:
        """What one step tells; `where` is for messages."""
        by = _text(step, "by", where)
        words, action = _asked(step, where)
        pair = self._pair(step, where)
        outcome = _outcome(step, where)
        status = self._led_to(action, by, pair) if action and outcome == "ok" else None
        self.attempts.append(
            Attempt(
                by=by,
                pair=pair,
                words=words,
                details=tuple(_shortened(_details(step))),
                refusal="" if outcome == "ok" else outcome.replace("-", " "),
                status=status,
                data=words == _READ_DATA and outcome == "ok",
            )
        )

    def _pair(self, step: Mapping[str, object], where: str) -> Pair:
        """The Connection of a step. Whoever tries to create one names it, even if in vain."""
        if step.get("verb") == "create":
            return self._created(step, where)
        label = _text(step, "connection", where)
        if label not in self.pairs:
            raise ValueError(f"{where} is about {label!r}, which no step before it creates")
        return self.pairs[label]

    def _created(self, step: Mapping[str, object], where: str) -> Pair:
        """A new pair, or one that is known; what is refused may have no label."""
        source = _text({"source": step["by"]} | dict(step), "source", where)
        pair = Pair(source, _text(step, "destination", where))
        label = _text({"connection": " to ".join(pair)} | dict(step), "connection", where)
        self.pairs[label] = pair
        self.labels.setdefault(pair, label)
        return pair

    def _led_to(self, action: Action, by: str, pair: Pair) -> Status | None:
        """The new status by the table, if there is one, which is remembered."""
        decision = self.table.get(Cell(self.standing.get(pair), action, pair.roles(by)))
        if decision is None or decision.target is None:
            return None
        self.standing[pair] = decision.target
        return decision.target

    def parties(self) -> list[Party]:
        """Everybody in the story: those between whom there are Connections before the others."""
        named = [organization for pair in self.labels for organization in pair]
        acting = [attempt.by for attempt in self.attempts]
        return [
            Party(organization, frozenset(self._roles(organization)))
            for organization in dict.fromkeys(named + acting)
        ]

    def _roles(self, organization: str) -> Iterator[Role]:
        for pair in self.labels:
            yield from pair.roles(organization)


_READ_DATA = "read data"


def _asked(step: Mapping[str, object], where: str) -> tuple[str, Action | None]:
    """What is attempted, in words; the action if it is one."""
    match step.get("verb"):
        case "create":
            return Action.CREATE, Action.CREATE
        case "act":
            action = Action(_text(step, "action", where))
            return action, action
        case "share":
            return _READ_DATA, None
        case "read":
            return "look at it", None
        case verb:
            raise ValueError(f"{where} has the verb {verb!r}, which cannot be drawn")


def _details(step: Mapping[str, object]) -> list[str]:
    scopes = cast("Sequence[str]", step.get("scopes", ()))
    told = [*scopes, *(str(step[name]) for name in ("scope",) if name in step)]
    if "expected_version" in step:
        told.append(f"if version {step['expected_version']}")
    return told


def _shortened(details: list[str]) -> list[str]:
    if len(details) <= _MOST_DETAILS:
        return details
    return [*details[: _MOST_DETAILS - 1], f"and {len(details) - _MOST_DETAILS + 1} more"]


def _outcome(step: Mapping[str, object], where: str) -> str:
    """What comes of it here: the first of the outcomes that are accepted."""
    accepted = cast("Sequence[Mapping[str, object]]", step["accept"])
    if not accepted:
        raise ValueError(f"{where} accepts no outcome, so that none can be drawn")
    return _text(accepted[0], "outcome", where)


def _text(record: Mapping[str, object], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{where} needs a text for {name!r}, and has {value!r}")
    return value
