"""Generator of the stories of the guide, for people. The documentation has a diagram of each."""

from collections.abc import Iterator

from connect_core.conformance.scenario import (
    DESTINATION,
    OUTSIDER,
    READ,
    SCOPES,
    SOURCE,
    Scenario,
)
from connect_core.conformance.vectors import Vector
from connect_core.lifecycle import Action


def stories() -> Iterator[Vector]:
    """The stories of the guide, one vector each."""
    withdraw, offer = (SOURCE, Action.DEACTIVATE), (SOURCE, Action.REACTIVATE)
    accept, leave = (DESTINATION, Action.ACTIVATE), (DESTINATION, Action.DEACTIVATE)
    for name, title, steps in (
        ("accept", "an offer is accepted, and data may pass", (accept,)),
        (
            "withdraw-before-acceptance",
            "an offer is withdrawn before it is accepted",
            (withdraw, accept),
        ),
        (
            "deactivate-reactivate-accept-again",
            "either may leave; then the source offers again, and the destination accepts again",
            (accept, leave, offer, accept),
        ),
        ("refused-share", "data does not pass", (accept, withdraw)),
    ):
        scenario = Scenario(f"story/{name}", title)
        scenario.add(
            scenario.model.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
        )
        if name == "refused-share":
            scenario.add(scenario.model.share("main", by=DESTINATION, scope=READ))
        for by, action in steps:
            scenario.act(by, action)
            if name == "refused-share" and action is Action.ACTIVATE:
                for reader, scope in ((SOURCE, READ), (DESTINATION, "case.read"), (OUTSIDER, READ)):
                    scenario.add(scenario.model.share("main", by=reader, scope=scope))
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=READ))
        yield scenario.vector()
