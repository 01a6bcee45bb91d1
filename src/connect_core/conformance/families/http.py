"""Family: the HTTP status of each outcome."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from connect_core.conformance.families.documents import INVALID_DOCUMENTS, MALFORMED_TEXTS
from connect_core.conformance.families.telling import (
    DESTINATION,
    OUTSIDER,
    READ,
    ROUTES,
    SOURCE,
    WORDS,
    Story,
    as_step,
    invalid,
    moves_after,
)
from connect_core.conformance.system import Outcome
from connect_core.conformance.vectors import (
    Alternative,
    AnyStep,
    Vector,
)
from connect_core.conformance.world import Move
from connect_core.lifecycle import Action

#: The HTTP statuses of an outcome: one, or for an open point those of its answers, ours first.
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


def _coded(step: AnyStep, requirement: str, *, due: int | None = None) -> AnyStep:
    """A call whose HTTP status is tested, not what came of it."""
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

    def story(name: str, route: str | None = None) -> Story:
        found = Story(f"http/{name}", f"the HTTP status: {name.replace('/', ', ')}", "http")
        if route is not None:
            found.given(walk=ROUTES[route])
        return found

    for name, to in (("partner", DESTINATION), ("another", "org_Partner")):
        told = story(f"created/{name}")
        told.tell(
            _coded(told.world.create("main", by=SOURCE, destination=to), "CXN-HTTP-001", due=201)
        )
        yield told.vector()
    for route, steps in ROUTES.items():
        for by, action in moves_after(steps):
            told = story(f"ok/{route}/{action}-{WORDS[by]}", route)
            told.tell(_coded(told.world.act(Move("main", by, action)), "CXN-HTTP-002"))
            told.tell(_coded(as_step(told.world.read("main", by=by)), "CXN-HTTP-002"))
            yield told.vector()
    told = story("ok/share", "active")
    told.tell(_coded(told.world.share("main", by=DESTINATION, scope=READ), "CXN-HTTP-002"))
    yield told.vector()
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
        told = story(name, route)
        told.tell(_coded(told.world.act(move), requirement))
        yield told.vector()
    for by, route in ((DESTINATION, "pending"), (SOURCE, "active"), (OUTSIDER, "active")):
        told = story(f"denied/{WORDS[by]}/{route}", route)
        told.tell(_coded(told.world.share("main", by=by, scope=READ), "CXN-HTTP-005"))
        yield told.vector()
    for route in ("active", "inactive"):
        told = story(f"already-exists/{route}", route)
        again = told.world.create("main", by=SOURCE, destination=DESTINATION)
        told.tell(_coded(again, "CXN-HTTP-006"))
        yield told.vector()
    for name, body, due in (
        ("not-json", MALFORMED_TEXTS["cut-off"], 400),
        ("no-document", json.dumps(INVALID_DOCUMENTS["scopes/none"]), 422),
    ):
        told = Story(f"http/invalid/{name}", f"the HTTP status: {name}", "http", "documents")
        told.tell(_coded(invalid("CXN-HTTP-007", body=body), "CXN-HTTP-007", due=due))
        yield told.vector()
