"""The words of a decision: its explanation and its advice."""

from support import OUR_KEY, PARTNER, connection_in

from connect_core import Action, Status, decide, decision_table

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
