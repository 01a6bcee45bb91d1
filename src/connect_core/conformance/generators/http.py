"""Generator of vectors about HTTP: the HTTP status of each outcome."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from connect_core.conformance.generators.documents import INVALID_DOCUMENTS, MALFORMED_TEXTS
from connect_core.conformance.model import Move
from connect_core.conformance.scenario import (
    DESTINATION,
    OUTSIDER,
    READ,
    ROUTES,
    SOURCE,
    WORDS,
    Scenario,
    as_step,
    invalid,
    moves_after,
)
from connect_core.conformance.subject import Outcome
from connect_core.conformance.vectors import (
    Alternative,
    AnyStep,
    Vector,
)
from connect_core.lifecycle import Action

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
_OPEN_POINTS: Final = {
    Outcome.WRONG_ROLE: "CXN-OPEN-007",
    Outcome.WRONG_STATUS: "CXN-OPEN-003",
}


def _testing_status(step: AnyStep, requirement: str, *, due: int | None = None) -> AnyStep:
    """The same call, as a test of the HTTP status instead of the outcome."""
    accept: list[Alternative] = []
    for each in step.accept:
        statuses = (due,) if due else STATUSES.get(each.outcome, (None,))
        for status in (None,) if each.existing else statuses:
            point = _OPEN_POINTS.get(each.outcome)
            chosen = {} if point is None else {point: (str(status),)}
            changes = {"http": status, "answers": {**each.answers, **chosen}}
            accept.append(each.model_copy(update=changes))
    return step.model_copy(update={"requirements": (requirement,), "accept": tuple(accept)})


def http() -> Iterator[Vector]:
    """The HTTP status of each outcome."""

    def begin(name: str, route: str | None = None) -> Scenario:
        scenario = Scenario(f"http/{name}", f"the HTTP status: {name.replace('/', ', ')}", "http")
        if route is not None:
            scenario.given(walk=ROUTES[route])
        return scenario

    for name, to in (("partner", DESTINATION), ("another", "org_Partner")):
        scenario = begin(f"created/{name}")
        scenario.add(
            _testing_status(
                scenario.model.create("main", by=SOURCE, destination=to), "CXN-HTTP-001", due=201
            )
        )
        yield scenario.vector()
    for route, steps in ROUTES.items():
        for by, action in moves_after(steps):
            scenario = begin(f"ok/{route}/{action}-{WORDS[by]}", route)
            scenario.add(
                _testing_status(scenario.model.act(Move("main", by, action)), "CXN-HTTP-002")
            )
            scenario.add(
                _testing_status(as_step(scenario.model.read("main", by=by)), "CXN-HTTP-002")
            )
            yield scenario.vector()
    scenario = begin("ok/share", "active")
    scenario.add(
        _testing_status(scenario.model.share("main", by=DESTINATION, scope=READ), "CXN-HTTP-002")
    )
    yield scenario.vector()
    for name, route, move, requirement in (
        (
            "wrong-status/reactivate",
            "active",
            Move("main", SOURCE, Action.REACTIVATE),
            "CXN-HTTP-003",
        ),
        (
            "wrong-status/deactivate",
            "inactive",
            Move("main", SOURCE, Action.DEACTIVATE),
            "CXN-HTTP-003",
        ),
        ("wrong-role/activate", "pending", Move("main", SOURCE, Action.ACTIVATE), "CXN-HTTP-004"),
        (
            "wrong-role/reactivate",
            "inactive",
            Move("main", DESTINATION, Action.REACTIVATE),
            "CXN-HTTP-004",
        ),
        ("outsider/activate", "pending", Move("main", OUTSIDER, Action.ACTIVATE), "CXN-HTTP-005"),
    ):
        scenario = begin(name, route)
        scenario.add(_testing_status(scenario.model.act(move), requirement))
        yield scenario.vector()
    for by, route in ((DESTINATION, "pending"), (SOURCE, "active"), (OUTSIDER, "active")):
        scenario = begin(f"denied/{WORDS[by]}/{route}", route)
        scenario.add(
            _testing_status(scenario.model.share("main", by=by, scope=READ), "CXN-HTTP-005")
        )
        yield scenario.vector()
    for route in ("active", "inactive"):
        scenario = begin(f"already-exists/{route}", route)
        again = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
        scenario.add(_testing_status(again, "CXN-HTTP-006"))
        yield scenario.vector()
    for name, body, due in (
        ("not-json", MALFORMED_TEXTS["cut-off"], 400),
        ("no-document", json.dumps(INVALID_DOCUMENTS["scopes/none"]), 422),
    ):
        scenario = Scenario(f"http/invalid/{name}", f"the HTTP status: {name}", "http", "documents")
        scenario.add(_testing_status(invalid("CXN-HTTP-007", body=body), "CXN-HTTP-007", due=due))
        yield scenario.vector()
