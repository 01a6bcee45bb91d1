"""Generators of vectors about identity, outsiders, several Connections and self-connections."""

from collections.abc import Iterator, Mapping

from connect_core.conformance.scenario import (
    DESTINATION,
    OUTSIDER,
    PARTIES,
    READ,
    ROUTES,
    SOURCE,
    WORDS,
    Scenario,
    as_step,
)
from connect_core.conformance.subject import Outcome
from connect_core.conformance.vectors import (
    ActStep,
    Alternative,
    AnyStep,
    ReadStep,
    ShareStep,
    Vector,
)
from connect_core.lifecycle import Action


def identity() -> Iterator[Vector]:
    """Ids that differ by case alone, and ids that no Connection has."""
    for by, like in ((DESTINATION.lower(), DESTINATION), (SOURCE.lower(), SOURCE)):
        for route, steps in ROUTES.items():
            title = f"{by} is not {like}, while it is {route}"
            scenario = Scenario(f"identity/case/{WORDS[like]}/{route}", title)
            scenario.given(walk=steps)
            for move in scenario.model.moves((by,), legal=False):
                scenario.act(by, move.action, "CXN-CREA-008")
            scenario.add(scenario.model.share("main", by=by, scope=READ), "CXN-CREA-008")
            scenario.add(as_step(scenario.model.read("main", by=by)), "CXN-CREA-008")
            yield scenario.vector()
    scenario = Scenario("identity/case/another-destination", "two destinations that differ by case")
    scenario.given()
    step = scenario.model.create("other", by=SOURCE, destination=DESTINATION.lower())
    scenario.add(step, "CXN-CREA-008", then=scenario.read_backs_after(step, "other"))
    yield scenario.vector()
    scenario = Scenario(
        "identity/case/no-self-connection", "a destination that is the source but for case"
    )
    step = scenario.model.create("main", by=SOURCE, destination=SOURCE.lower())
    scenario.add(step, "CXN-CREA-008", then=scenario.read_backs_after(step))
    yield scenario.vector()
    not_found = (Alternative(outcome=Outcome.NOT_FOUND),)
    calls: dict[str, Mapping[str, object]] = {
        **{
            str(action): {"verb": "act", "action": str(action)}
            for action in Action
            if action is not Action.CREATE
        },
        "share": {"verb": "share", "scope": READ},
        "read": {"verb": "read"},
    }
    for name, call in calls.items():
        scenario = Scenario(f"identity/unknown/{name}", f"{name} where there is no such Connection")
        scenario.given()
        scenario.add(
            _unknown(call, not_found), then=scenario.read_backs_after(_unknown(call, not_found))
        )
        yield scenario.vector()


def _unknown(call: Mapping[str, object], accept: tuple[Alternative, ...]) -> AnyStep:
    """A call with an id that no Connection has."""
    step = {"by": SOURCE, "connection": "nothing", "accept": accept, **call}
    step["requirements"] = ("CXN-REFU-002",)
    kinds: dict[object, type[AnyStep]] = {"act": ActStep, "share": ShareStep, "read": ReadStep}
    return kinds[call["verb"]].model_validate(step)


def outsider() -> Iterator[Vector]:
    """Everything an outsider may try on an existing Connection: outsiders learn nothing."""
    for route, steps in ROUTES.items():
        scenario = Scenario(f"outsider/{route}", f"an outsider looks and tries while it is {route}")
        scenario.given(walk=steps)
        scenario.add(as_step(scenario.model.read("main", by=OUTSIDER)))
        for move in scenario.model.moves((OUTSIDER,), legal=False):
            scenario.act(move.by, move.action)
        scenario.add(scenario.model.share("main", by=OUTSIDER, scope=READ))
        yield scenario.vector()


def independence() -> Iterator[Vector]:
    """Several Connections: none affects another."""
    for route, steps in ROUTES.items():
        scenario = Scenario(
            f"independence/reverse/{route}", f"the other direction of one that is {route}"
        )
        scenario.given(walk=steps)
        created = scenario.model.create(
            "reverse", by=DESTINATION, destination=SOURCE, scopes=("a.b",)
        )
        scenario.add(created, "CXN-ISOL-002", then=scenario.read_backs_after(created, "reverse"))
        for by, action in (
            (DESTINATION, Action.ACTIVATE),
            (SOURCE, Action.ACTIVATE),
            (DESTINATION, Action.DEACTIVATE),
            (SOURCE, Action.REACTIVATE),
        ):
            scenario.act(by, action, "CXN-ISOL-002", name="reverse")
        for by in PARTIES:
            for name, scope in (("reverse", "a.b"), ("main", READ)):
                scenario.add(scenario.model.share(name, by=by, scope=scope), "CXN-ISOL-002")
        yield scenario.vector()
    for name, by, to in (
        ("same-source", SOURCE, "org_Partner"),
        ("same-destination", "org_Partner", DESTINATION),
        ("chain", DESTINATION, "org_Partner"),
    ):
        scenario = Scenario(f"independence/{name}", f"two Connections: {name}")
        scenario.given()
        scenario.given("other", by=by, to=to)
        for who, action in (
            (to, Action.ACTIVATE),
            (by, Action.DEACTIVATE),
            (by, Action.REACTIVATE),
        ):
            scenario.act(who, action, name="other")
        scenario.act(DESTINATION, Action.ACTIVATE)
        for reader in (DESTINATION, to):
            for which in ("main", "other"):
                scenario.add(scenario.model.share(which, by=reader, scope=READ))
        yield scenario.vector()


def self_connection() -> Iterator[Vector]:
    """Connections from an organization to itself."""
    for name, asked in (("asked-for", True), ("not-asked-for", False)):
        scenario = Scenario(f"self/create/{name}", f"a self-connection that is {name}")
        step = scenario.model.create("main", by=SOURCE, destination=SOURCE, allow_self=asked)
        scenario.add(step)
        yield scenario.vector()
    scenario = Scenario("self/life", "a whole life of a self-connection")
    scenario.given(to=SOURCE)
    for action in (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE, Action.ACTIVATE):
        for move in scenario.model.moves((SOURCE, OUTSIDER), legal=False):
            scenario.act(move.by, move.action)
        scenario.add(scenario.model.share("main", by=SOURCE, scope=READ), "CXN-CREA-007")
        scenario.act(SOURCE, action)
    scenario.add(scenario.model.share("main", by=SOURCE, scope=READ), "CXN-CREA-007")
    yield scenario.vector()
