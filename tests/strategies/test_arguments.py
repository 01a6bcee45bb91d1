"""Arguments that no example can satisfy are refused when the strategy is made."""

from collections.abc import Callable
from typing import Any

import pytest
from support import ACTORS, OUR_KEY

from connect_core import Organization, strategies

#: Arguments that neither histories nor Connections can satisfy.
BAD_HISTORIES: list[tuple[dict[str, Any], str]] = [
    ({"source": "A"}, "expected an organization id"),
    ({"destination": "A"}, "expected an organization id"),
    (
        {"source": "org_X", "destination": Organization(id="org_X")},
        "source and destination are both org_X; give another .* or allow_self=True",
    ),
    ({"status": "archived"}, "status is 'archived'; give one or several of pending, act"),
    ({"status": ["active", "old"]}, "status is 'active', 'old'; give one or several of"),
    ({"status": []}, "status is empty; give one or several of pending, active, inactive"),
    ({"max_steps": -1}, "max_steps is -1; give 0 or more"),
    (
        {"status": ["pending", "inactive"], "max_steps": 0},
        "max_steps is 0, and it takes 1 to be inactive; give max_steps=1 or more",
    ),
    ({"scopes": []}, "scopes has 0 of them; give 1 to 64"),
    ({"scopes": [f"a.b{n}" for n in range(65)]}, "scopes has 65 of them; give 1 to 64"),
    ({"scopes": ["a"]}, "expected a scope of the form resource.verb"),
    (
        {"actors": [OUR_KEY, OUR_KEY]},
        "act for 1 organizations, and it takes 2; add an actor of another organization",
    ),
    ({"actors": [], "allow_self": True}, "act for 0 organizations, and it takes 1"),
    ({"actors": ACTORS, "source": "org_X"}, "acts for org_X; add one who does"),
    ({"actors": ACTORS, "destination": "org_X"}, "acts for org_X; add one who does"),
]
BAD: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (strategies.actor_ids, {"type": "robot"}, "'robot' is not a valid ActorType"),
    (strategies.actors, {"type": "robot"}, "'robot' is not a valid ActorType"),
    (strategies.actors, {"organization": "usr_A"}, "expected an organization id .* got 'usr_A'"),
    (strategies.actors, {"organization": 5}, "expected an organization id .* got '5'"),
    (strategies.create_documents, {"destination": "A"}, "expected an organization id"),
    (strategies.rows, {"source": "A"}, "expected an organization id"),
    (strategies.rows, {"destination": "A"}, "expected an organization id"),
    (strategies.decisions, {"denial": "bad_mood"}, "'bad_mood' is not a valid Denial"),
    (
        strategies.decisions,
        {"denial": "wrong_role", "allowed": True},
        "nothing that is allowed is denied as wrong_role; leave one of the two out",
    ),
    *((strategies.histories, *bad) for bad in BAD_HISTORIES),
    *((strategies.connections, *bad) for bad in BAD_HISTORIES),
]


@pytest.mark.parametrize(("strategy", "arguments", "message"), BAD)
def test_what_nothing_can_satisfy(
    strategy: Callable[..., object], arguments: dict[str, Any], message: str
) -> None:
    """It is refused when the strategy is made, and the message says what to change."""
    with pytest.raises(ValueError, match=message):
        strategy(**arguments)
