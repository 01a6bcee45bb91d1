"""Generator of vectors about HTTP: the HTTP status of each outcome."""

import json
from collections.abc import Iterator

from connect_core.conformance.generators.sharing import MANY
from connect_core.conformance.generators.texts import (
    INVALID_DOCUMENTS,
    LEAST,
    MALFORMED_TEXTS,
    MORE_INVALID_TEXTS,
    MORE_MALFORMED_TEXTS,
)
from connect_core.conformance.model import Move
from connect_core.conformance.permitted import NO_SUCH_CONNECTION, with_statuses
from connect_core.conformance.scenario import (
    DESTINATION,
    EVERYBODY,
    OUTSIDER,
    READ,
    ROUTES,
    SOURCE,
    TOO_LONG,
    V1_1,
    WORDS,
    Scenario,
    as_step,
    invalid,
    moves_after,
    shortest_walk_to,
)
from connect_core.conformance.vectors import (
    VARIANTS,
    ActStep,
    AnyStep,
    ReadStep,
    ShareStep,
    Vector,
)
from connect_core.lifecycle import Action, Status


def _testing_status(step: AnyStep, requirement: str) -> AnyStep:
    """The same call, as a test of the HTTP status instead of the outcome."""
    return with_statuses(step).model_copy(update={"requirements": (requirement,)})


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
                scenario.model.create("main", by=SOURCE, destination=to), "CXN-HTTP-001"
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
    for name, body in (
        ("not-json", MALFORMED_TEXTS["cut-off"]),
        ("no-document", json.dumps(INVALID_DOCUMENTS["scopes/none"])),
    ):
        scenario = Scenario(f"http/invalid/{name}", f"the HTTP status: {name}", "http", "documents")
        scenario.add(_testing_status(invalid("CXN-HTTP-007", body=body), "CXN-HTTP-007"))
        yield scenario.vector()
    yield from _more_statuses()


def _more_statuses() -> Iterator[Vector]:
    """Every refusal has a status from 400 to 499; a creation that gives one back has 200."""
    for status in Status:
        scenario = Scenario(
            f"http/second-create/{status}",
            "the HTTP status of a second creation",
            "http",
            since=V1_1,
        )
        scenario.given(walk=shortest_walk_to(status))
        again = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
        scenario.add(with_statuses(again), "CXN-HTTP-006", "CXN-HTTP-008")
        yield scenario.vector()
    for route, steps in ROUTES.items():
        scenario = Scenario(
            f"http/refusals/{route}",
            f"the HTTP status of every refusal, {route}",
            "http",
            since=V1_1,
        )
        scenario.given(walk=steps)
        for move in scenario.model.moves(EVERYBODY, legal=False):
            scenario.add(with_statuses(scenario.model.act(move)), "CXN-HTTP-009")
        for by in EVERYBODY:
            for scope in (READ, "other.read", ""):
                share = scenario.model.share("main", by=by, scope=scope)
                scenario.add(with_statuses(share), "CXN-HTTP-009")
        scenario.add(
            with_statuses(as_step(scenario.model.read("main", by=OUTSIDER))), "CXN-HTTP-005"
        )
        yield scenario.vector()
    scenario = Scenario(
        "http/documents",
        "the HTTP status of every kind of document",
        *("http", "documents"),
        since=V1_1,
    )
    texts = (
        *map(json.dumps, INVALID_DOCUMENTS.values()),
        *MALFORMED_TEXTS.values(),
        *MORE_INVALID_TEXTS.values(),
        *MORE_MALFORMED_TEXTS.values(),
        LEAST,
        LEAST,
    )
    for text in texts:
        created = scenario.model.create_from(text, "main", by=SOURCE, places=False)
        scenario.add(with_statuses(created), "CXN-HTTP-007")
    yield scenario.vector()
    scenario = Scenario("http/self", "the HTTP status of self-connections", "http", since=V1_1)
    scenario.add(
        with_statuses(
            scenario.model.create("main", by=SOURCE, destination=SOURCE, allow_self=True)
        ),
        "CXN-HTTP-001",
    )
    for asked in (True, False):
        again = scenario.model.create("main", by=SOURCE, destination=SOURCE, allow_self=asked)
        scenario.add(with_statuses(again), "CXN-HTTP-006")
    yield scenario.vector()
    scenario = Scenario(
        "http/no-such-id", "the HTTP status of ids of no Connection", "http", since=V1_1
    )
    scenario.given()
    for variant in VARIANTS:
        call = {
            "by": SOURCE,
            "connection": "main",
            "variant": variant,
            "accept": NO_SUCH_CONNECTION,
        }
        for attempt in (
            ReadStep.model_validate(call),
            ShareStep.model_validate({**call, "scope": READ}),
            ActStep.model_validate({**call, "action": "deactivate"}),
        ):
            scenario.add(with_statuses(attempt), "CXN-HTTP-005")
    yield scenario.vector()
    scenario = Scenario(
        "http/terms", "the HTTP status of terms that are not valid", "http", since=V1_1
    )
    for terms in (
        {"destination": TOO_LONG},
        {"destination": DESTINATION, "scopes": ()},
        {"destination": DESTINATION, "scopes": ("inquiry",)},
        {"destination": DESTINATION, "scopes": (*MANY, READ)},
        {"destination": DESTINATION, "name": "Part\nner"},
    ):
        scenario.add(with_statuses(invalid("CXN-HTTP-007", **terms)))
    scenario.add(with_statuses(scenario.model.create("main", by=SOURCE, destination=SOURCE)))
    yield scenario.vector()
    scenario = Scenario(
        "http/stale",
        "the HTTP status where another version is expected",
        *("http", "versions", "expected-version"),
        since=V1_1,
    )
    scenario.given()
    for by in EVERYBODY:
        for expected in (2, 2**40):
            step = scenario.model.act(Move("main", by, Action.ACTIVATE), expected)
            scenario.add(with_statuses(step), "CXN-HTTP-009")
    yield scenario.vector()
    for by, named in ((DESTINATION, SOURCE), (OUTSIDER, SOURCE)):
        scenario = Scenario(
            f"http/named-source/{WORDS[by]}",
            f"the HTTP status where {WORDS[by]} names the source",
            *("http", "named-source"),
            since=V1_1,
        )
        created = scenario.model.create("main", by=by, source=named, destination=DESTINATION)
        scenario.add(with_statuses(created), "CXN-HTTP-009")
        yield scenario.vector()
