"""The questions about one Connection, asked of every contestant in turns."""

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.timing import Sample, best, statement

from connect_core import Action, Actor

from .contestant import Ability, Contestant, StoredRow
from .report import Answer, Question

_SOURCE = Actor(id="api_ABC123", organization_id="org_ABC123")
_DESTINATION = Actor(id="usr_Rk3v", organization_id="org_DEF456")

#: Three transitions that end where they began, so that nothing has to be reset.
_ROUND = """\
active = step(subject, destination, activate)
inactive = step(active, source, deactivate)
step(inactive, source, reactivate)"""
_STEPS = 3


def ask(everyone: Sequence[Contestant], rounds: int) -> dict[str, Question]:
    """Time every question with every contestant that can answer it."""
    deciding = "one decision with its reason"
    listing = "all actions that are allowed now"
    return {
        "allowed": _race(
            f"{deciding}: allowed",
            Ability.DECIDE,
            partial(_deciding, _DESTINATION),
            everyone,
            rounds,
        ),
        "refused": _race(
            f"{deciding}: refused", Ability.DECIDE, partial(_deciding, _SOURCE), everyone, rounds
        ),
        "step": _race("one transition, checked", Ability.STEP, _stepping, everyone, rounds),
        "allowed_actions": _race(listing, Ability.ALLOWED_ACTIONS, _listing, everyone, rounds),
    }


def _race(
    title: str,
    ability: Ability,
    sample: Callable[[Contestant], Sample],
    everyone: Sequence[Contestant],
    rounds: int,
) -> Question:
    able = [each for each in everyone if ability not in each.cannot]
    seconds = best({each.name: sample(each) for each in able}, rounds)
    return Question(
        title=title,
        answers=[
            Answer(
                contestant=each.name,
                seconds=seconds.get(each.name),
                instead=each.cannot.get(ability, ""),
            )
            for each in everyone
        ],
    )


def _pending() -> StoredRow:
    """The guide's Connection. Its ids equal the actors' but are not the same string objects."""
    ids = b"cxn_ABC123 org_ABC123 org_DEF456 pending"
    return StoredRow(*ids.decode().split())


def _deciding(actor: Actor, contestant: Contestant) -> Sample:
    """The destination may activate it, and the source may not."""
    return statement(
        "decide(actor, action, subject)",
        decide=contestant.deciding(),
        actor=actor,
        action=Action.ACTIVATE,
        subject=contestant.subject(_pending()),
    )


def _stepping(contestant: Contestant) -> Sample:
    around = statement(
        _ROUND,
        step=contestant.step,
        subject=contestant.subject(_pending()),
        source=_SOURCE,
        destination=_DESTINATION,
        activate=Action.ACTIVATE,
        deactivate=Action.DEACTIVATE,
        reactivate=Action.REACTIVATE,
    )
    return lambda: around() / _STEPS


def _listing(contestant: Contestant) -> Sample:
    return statement(
        "allowed_actions(actor, subject)",
        allowed_actions=contestant.listing(),
        actor=_DESTINATION,
        subject=contestant.subject(_pending()),
    )
