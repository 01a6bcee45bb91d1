"""The words of a decision: its explanation and its advice."""

import re
from dataclasses import FrozenInstanceError, fields, replace
from itertools import chain
from typing import Any

import pytest
from german import GERMAN
from support import OUR_KEY, PARTNER, STRANGER, Row, connection_in

from connect_core import (
    Action,
    Actor,
    Denial,
    RowPolicy,
    Status,
    Wording,
    decide,
    decide_access,
    decide_create,
    decision_table,
)
from connect_core.answers import ENGLISH

PENDING = connection_in(Status.PENDING)
ACTIVE = connection_in(Status.ACTIVE)


class TestDecision:
    """Each decision has one sentence of explanation, and advice if it is a refusal."""

    def test_the_explanation_names_only_roles_that_are_held(self) -> None:
        assert decide(OUR_KEY, Action.DEACTIVATE, ACTIVE).explanation == (
            "The source may deactivate it, and it is then inactive."
        )

    def test_every_one_is_explained_in_one_sentence(self) -> None:
        for decision in decision_table().values():
            assert decision.explanation[0].isupper()
            assert decision.explanation.endswith(".")
            assert decision.explanation.count(". ") == 0
            assert bool(decision.advice) is not decision.allowed


class TestWays:
    """The advice says whose action it is, when it is possible, and when it is already done."""

    def test_done_already_is_said(self) -> None:
        done = decide(PARTNER, Action.ACTIVATE, ACTIVE)
        assert done.explanation.endswith("this one is active already.")
        assert done.advice.startswith("If that was the aim, it is done. First ")
        other = decide(OUR_KEY, Action.REACTIVATE, ACTIVE)
        assert other.explanation.endswith("this one is active.")
        assert other.advice == "First the source or the destination must deactivate it."

    def test_a_wrong_role_is_told_whose_it_is_and_when(self) -> None:
        assert decide(OUR_KEY, Action.ACTIVATE, PENDING).advice == (
            "It is for the destination to activate it."
        )
        assert decide(OUR_KEY, Action.ACTIVATE, ACTIVE).advice == (
            "It is for the destination to activate it, once it is pending."
        )


CHECK = "Check the Connection, and the organization that the actor acts for."
USE = "Use the existing one."
REACTIVATE = "Reactivate the existing one instead."
CORRECT = "Correct the status that is stored, or upgrade to a version that knows it."
DONE = "If that was the aim, it is done. "
DEACTIVATE_FIRST = "First the source or the destination must deactivate it."
REACTIVATE_FIRST = "First the source must reactivate it."
TO_CREATE = "It is for the source to create it."
TO_ACTIVATE = "It is for the destination to activate it"
TO_REACTIVATE = "It is for the source to reactivate it"
ONCE_KNOWN = ", once its status is one that this version knows."
NOTHING = (
    "Nothing would help: the scopes of a Connection are fixed for its life, and this scope is not "
    "among them."
)
OTHER_DIRECTION = (
    "The other direction needs a Connection of its own, in which the other organization is the "
    "source."
)

#: The advice on an action, typed by hand: for the source, the destination, and both. An empty text
#: stands for what is allowed.
ON_ACTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("pending", "create"): (USE, USE, USE),
    ("pending", "activate"): (f"{TO_ACTIVATE}.", "", ""),
    ("pending", "deactivate"): ("", "", ""),
    ("pending", "reactivate"): (
        DONE + DEACTIVATE_FIRST,
        f"{TO_REACTIVATE}, once it is inactive.",
        DONE + DEACTIVATE_FIRST,
    ),
    ("active", "create"): (USE, USE, USE),
    ("active", "activate"): (
        f"{TO_ACTIVATE}, once it is pending.",
        f"{DONE}{DEACTIVATE_FIRST[:-1]}, then the source must reactivate it.",
        f"{DONE}{DEACTIVATE_FIRST[:-1]}, then the source must reactivate it.",
    ),
    ("active", "deactivate"): ("", "", ""),
    ("active", "reactivate"): (
        DEACTIVATE_FIRST,
        f"{TO_REACTIVATE}, once it is inactive.",
        DEACTIVATE_FIRST,
    ),
    ("inactive", "create"): (REACTIVATE, USE, REACTIVATE),
    ("inactive", "activate"): (
        f"{TO_ACTIVATE}, once it is pending.",
        REACTIVATE_FIRST,
        REACTIVATE_FIRST,
    ),
    ("inactive", "deactivate"): (DONE + REACTIVATE_FIRST,) * 3,
    ("inactive", "reactivate"): ("", f"{TO_REACTIVATE}.", ""),
    ("archived", "create"): (USE, USE, USE),
    ("archived", "activate"): (TO_ACTIVATE + ONCE_KNOWN, CORRECT, CORRECT),
    ("archived", "deactivate"): (CORRECT, CORRECT, CORRECT),
    ("archived", "reactivate"): (CORRECT, TO_REACTIVATE + ONCE_KNOWN, CORRECT),
}
#: The advice on reading data, by the status and whether the scope is granted.
ON_ACCESS: dict[tuple[str, bool], tuple[str, ...]] = {
    ("pending", True): (OTHER_DIRECTION, *("First the destination must activate it.",) * 2),
    ("active", True): (OTHER_DIRECTION, "", ""),
    ("inactive", True): (
        OTHER_DIRECTION,
        *(f"{REACTIVATE_FIRST[:-1]}, then the destination must activate it.",) * 2,
    ),
    ("archived", True): (OTHER_DIRECTION, CORRECT, CORRECT),
    ("pending", False): (OTHER_DIRECTION, NOTHING, NOTHING),
    ("active", False): (OTHER_DIRECTION, NOTHING, NOTHING),
    ("inactive", False): (OTHER_DIRECTION, NOTHING, NOTHING),
    ("archived", False): (OTHER_DIRECTION, NOTHING, NOTHING),
}


class TestAdvice:
    """Every combination of denials gets advice that would help, or is told that nothing would."""

    @staticmethod
    def rows(status: str) -> list[tuple[Actor, Row]]:
        """An actor in each set of roles, with a row of this status; an outsider comes last."""
        row = Row("org_ABC123", "org_DEF456", status, ["inquiry.read"])
        to_self = replace(row, destination_organization_id="org_ABC123")
        return [(OUR_KEY, row), (PARTNER, row), (OUR_KEY, to_self), (STRANGER, row)]

    @pytest.mark.parametrize(("status", "action"), ON_ACTIONS)
    def test_on_actions(self, status: str, action: str) -> None:
        advice = [decide(actor, action, row).advice for actor, row in self.rows(status)]
        assert advice == [*ON_ACTIONS[status, action], CHECK]

    @pytest.mark.parametrize(("status", "granted"), ON_ACCESS)
    def test_on_access(self, status: str, granted: bool) -> None:
        scope = "inquiry.read" if granted else "account.read"
        advice = [decide_access(actor, scope, row).advice for actor, row in self.rows(status)]
        assert advice == [*ON_ACCESS[status, granted], CHECK]

    @pytest.mark.parametrize("status", [None, *Status, "archived"])
    @pytest.mark.parametrize("allow_self", [False, True])
    def test_on_creation(self, status: str | None, allow_self: bool) -> None:
        due: list[str] = ["", TO_CREATE, "", CHECK]
        if status is not None:
            due = [*ON_ACTIONS[status, "create"], CHECK]
        elif not allow_self:
            due[2] = "Name another organization or, in a sandbox, ask for a self-connection."
        advice = [
            decide_create(
                actor,
                source=row.source_organization_id,
                destination=row.destination_organization_id,
                existing=None if status is None else row,
                allow_self=allow_self,
            ).advice
            for actor, row in self.rows(status or "")
        ]
        assert advice == due

    def test_no_advice_names_an_argument_of_python(self) -> None:
        """It is sent to clients, who may use another language."""
        said = {*chain(*ON_ACTIONS.values(), *ON_ACCESS.values())}
        said |= {decision.explanation for decision in decision_table().values()}
        assert not [text for text in said if "=" in text or "_" in text]


# --- The words of a host -------------------------------------------------------------------------

#: Every decision that there is, with a status that is not known as well.
EVERY = [
    *ENGLISH.decisions.values(),
    *ENGLISH.access.values(),
    *ENGLISH.creations.values(),
]
UNKNOWN = [
    (decision, "'archived'")
    for actor, row in TestAdvice.rows("archived")
    for decision in (
        decide(actor, "activate", row),
        decide(actor, "reactivate", row),
        decide_access(actor, "inquiry.read", row),
    )
]
#: The name of each phrase.
PHRASES = [each.name for each in fields(Wording)]


class TestWords:
    """A host says what it calls things, and may say everything otherwise."""

    def test_the_policy_speaks_english(self) -> None:
        """A decision that is put into words again says the same."""
        for decision in EVERY:
            assert Wording().advise(decision) == decision.advice
            if Denial.UNKNOWN_STATUS not in decision.denials:
                assert Wording().explain(decision) == decision.explanation
        for decision, stored in UNKNOWN:
            assert Wording().explain(decision, stored_status=stored) == decision.explanation

    def test_steps_are_said_alike(self) -> None:
        for decision in EVERY:
            if decision.remedy:
                said = Wording().advise(decision)
                assert said.endswith(f"First {', then '.join(map(str, decision.remedy))}.")

    @pytest.mark.parametrize("phrase", PHRASES)
    def test_each_phrase_is_used(self, phrase: str) -> None:
        """Another text in its place is found in what some decision says."""
        other = Wording(**{phrase: "QQQ"})
        said = [
            *map(other.explain, EVERY),
            *map(other.advise, EVERY),
            *(other.explain(decision, stored_status=stored) for decision, stored in UNKNOWN),
        ]
        said += [ask(each) for each, _ in UNKNOWN for ask in (other.advise, other.explain)]
        # A creation is never refused for the status alone.
        assert any("QQQ" in each for each in said) is (phrase != "created")

    def test_nouns(self) -> None:
        words = Wording(connection="agreement", a_connection="an agreement", source="the giver")
        assert words.explain(decide(OUR_KEY, Action.ACTIVATE, PENDING)) == (
            "Only the destination may activate an agreement, and the actor acts for the giver."
        )
        assert words.explain(decide(PARTNER, Action.ACTIVATE, ACTIVE)) == (
            "An agreement can be activated only while it is pending, and this one is active"
            " already."
        )
        of_a_share = replace(Wording(), connection="share").explain(
            decide(OUR_KEY, Action.ACTIVATE, PENDING)
        )
        assert of_a_share.startswith("Only the destination may activate a share, and")

    @pytest.mark.parametrize("action", Action)
    def test_participles(self, action: Action) -> None:
        words = Wording(**{f"{action}d": "QQQ", "wrong_status": "{done}"})
        said = {words.explain(d) for d in EVERY if d.action is action}
        wrong = [d for d in EVERY if d.action is action and d.denial is Denial.WRONG_STATUS]
        assert bool(wrong) is any("QQQ" in each for each in said)

    @pytest.mark.parametrize(
        ("phrases", "message"),
        [
            (
                {"wrong_role": "Only {taker} may."},
                "^wrong_role: 'Only {taker} may.' may have nothing",
            ),
            ({"first": "First {}."}, "^first: "),
            ({"first": "First {0}."}, "^first: "),
            ({"first": "First {steps."}, "^first: "),
            ({"first": "First {steps.__class__.x}."}, "^first: "),
            ({"first": "First {steps!x}."}, "^first: "),
            ({"first": "First {steps!r}."}, "^first: "),
            ({"first": "First {steps:>9}."}, "^first: "),
            ({"not_a_party": "{status.upper}"}, "^not_a_party: "),
            ({"not_a_party": "{status[0]}"}, "^not_a_party: "),
            ({"not_a_party": "{status:{action}}"}, "^not_a_party: "),
            (
                {"step": "{statuses}"},
                r"^step: '{statuses}' may have nothing in braces but {action}, {takers}$",
            ),
        ],
    )
    def test_braces(self, phrases: dict[str, str], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Wording(**phrases)

    @pytest.mark.parametrize("value", [None, 5, b"the giver", ["x"]])
    @pytest.mark.parametrize("phrase", ["source", "wrong_role", "a_connection"])
    def test_no_text(self, phrase: str, value: Any) -> None:
        with pytest.raises(
            TypeError, match=f"^{phrase}: expected text, got {type(value).__name__}"
        ):
            Wording(**{phrase: value})

    def test_words_may_hold_braces(self) -> None:
        """They are put into sentences, and are none."""
        said = Wording(source="{the giver}").explain(decide(OUR_KEY, Action.DEACTIVATE, ACTIVE))
        assert said == "{the giver} may deactivate it, and it is then inactive."

    def test_it_is_a_value(self) -> None:
        assert Wording(source="x") == Wording(source="x") != Wording()
        assert hash(Wording(source="x")) == hash(Wording(source="x"))
        assert replace(Wording(source="x"), destination="y") == Wording(source="x", destination="y")
        with pytest.raises(FrozenInstanceError):
            Wording().source = "x"  # type: ignore[misc]


class TestGerman:
    """The documentation's German: nothing is left in English."""

    def test_every_phrase_is_given(self) -> None:
        for name in set(PHRASES) - {"connection", "a_connection"}:
            assert getattr(GERMAN, name) != getattr(Wording(), name), name

    def test_no_english_is_left(self) -> None:
        english = set(re.findall(r"[a-z]+", " ".join(vars(Wording()).values()).lower()))
        common = {"in", "die", "an", "status", "version", "then", "was"}
        for decision in EVERY:
            for said in (GERMAN.explain(decision), GERMAN.advise(decision)):
                words = set(re.findall(r"[^\W\d_]+", said.lower()))
                assert not words & english - common, said
                assert "{" not in said

    @pytest.mark.parametrize(
        ("actor", "action", "connection", "explanation", "advice"),
        [
            (
                PARTNER, Action.ACTIVATE, PENDING,
                "Das Ziel darf sie annehmen; danach ist sie aktiv.", "",
            ),
            (
                OUR_KEY, Action.ACTIVATE, PENDING,
                "Nur das Ziel darf eine Verbindung annehmen, und die handelnde Organisation ist die"
                " Quelle.",
                "Das Ziel kann sie annehmen.",
            ),
            (
                PARTNER, Action.ACTIVATE, ACTIVE,
                "Eine Verbindung kann nur angenommen werden, solange sie angeboten ist, und diese"
                " ist schon aktiv.",
                "Wenn das beabsichtigt war, ist es schon geschehen. Zuerst muss die Quelle oder das"
                " Ziel sie beenden, dann muss die Quelle sie wieder anbieten.",
            ),
            (
                STRANGER, Action.ACTIVATE, ACTIVE,
                "Die handelnde Organisation ist weder die Quelle noch das Ziel.",
                "Zu prüfen sind die Verbindung und die Organisation, für die gehandelt wird.",
            ),
        ],
    )  # fmt: skip
    def test_sentences(
        self, actor: Actor, action: Action, connection: Any, explanation: str, advice: str
    ) -> None:
        decision = RowPolicy(wording=GERMAN).decide(actor, action, connection)
        assert (decision.explanation, decision.advice) == (explanation, advice)
