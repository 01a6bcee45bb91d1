"""Generators of vectors about identity, outsiders, several Connections and self-connections."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

from connect_core.conformance.model import TERMS
from connect_core.conformance.scenario import (
    DESTINATION,
    LONG_PARTIES,
    OUTSIDER,
    PARTIES,
    READ,
    ROUTES,
    SCOPES,
    SOURCE,
    TOO_LONG,
    V1_1,
    WORDS,
    Scenario,
    as_step,
    invalid,
)
from connect_core.conformance.subject import Outcome
from connect_core.conformance.vectors import (
    ActStep,
    Alternative,
    AnyStep,
    ReadStep,
    ShareStep,
    Vector,
    absent_id,
)
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.lifecycle import Action

#: Names for a Connection that does not exist, so that its id is short, the longest, or too long.
_UNKNOWN: Final = {
    "": "nothing",
    "/longest": "x" * (MAX_ID_LENGTH - len(absent_id(""))),
    "/too-long": "x" * (MAX_ID_LENGTH + 1 - len(absent_id(""))),
}


def identity() -> Iterator[Vector]:
    """Ids that differ by case alone, the longest ids, and ids that no Connection has."""
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
    yield from _lengths()
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
    for (kind, unknown), (name, call) in product(_UNKNOWN.items(), calls.items()):
        title = f"{name} where there is no such Connection{kind.replace('/', ': ')}"
        scenario = Scenario(f"identity/unknown{kind}/{name}", title)
        scenario.given()
        attempt = _unknown(unknown, call, not_found)
        scenario.add(attempt, then=scenario.read_backs_after(attempt))
        yield scenario.vector()


def _lengths() -> Iterator[Vector]:
    """Organizations with the longest ids, and with one that is too long."""
    source, destination = LONG_PARTIES
    for name, by, to in (
        ("destination", SOURCE, destination),
        ("source", source, DESTINATION),
        ("both-parties", source, destination),
    ):
        scenario = Scenario(f"identity/longest/{name}", f"the longest ids: {name}")
        step = scenario.model.create("main", by=by, destination=to, scopes=SCOPES)
        tested = ("CXN-CREA-009", "CXN-CREA-011")
        seen = scenario.model.copy()
        seen.follow(step, step.accept[0])
        parties = seen.read("main", by=to, members=TERMS, requirements=tested[:1])
        scenario.add(step, *tested, then=[parties])
        for who, action in ((to, Action.ACTIVATE), (by, Action.DEACTIVATE)):
            scenario.add(scenario.model.share("main", by=to, scope=READ), "CXN-CREA-009")
            scenario.act(who, action, "CXN-CREA-009")
        for other in LONG_PARTIES:  # it differs from a party in the last character only
            if other not in (by, to):
                scenario.add(as_step(scenario.model.read("main", by=other)), "CXN-CREA-009")
        yield scenario.vector()
    for name, to in (("one-character", TOO_LONG), ("many-characters", TOO_LONG * 10)):
        scenario = Scenario(f"identity/too-long/{name}", f"a destination that is too long: {name}")
        scenario.add(invalid("CXN-CREA-010", destination=to))
        for called, known in (("main", DESTINATION), ("longest", destination)):
            step = scenario.model.create(called, by=SOURCE, destination=known)
            scenario.add(step, "CXN-CREA-010", "CXN-REFU-001")
        yield scenario.vector()


def _unknown(name: str, call: Mapping[str, object], accept: tuple[Alternative, ...]) -> AnyStep:
    """A call with an id that no Connection has."""
    step = {"by": SOURCE, "connection": name, "accept": accept, **call}
    step["requirements"] = ("CXN-REFU-002",)
    kinds: dict[object, type[AnyStep]] = {"act": ActStep, "share": ShareStep, "read": ReadStep}
    return kinds[call["verb"]].model_validate(step)


def outsider() -> Iterator[Vector]:
    """Everything an outsider may try on an existing Connection: outsiders learn nothing."""
    for route, steps in ROUTES.items():
        scenario = Scenario(
            f"outsider/told/{route}", f"no refusal tells anything while it is {route}", since=V1_1
        )
        scenario.given(walk=steps)
        for by in (*PARTIES, OUTSIDER):
            for move in scenario.model.moves((by,), legal=False):
                scenario.add(scenario.model.act(move), "CXN-REFU-004")
            for scope in (READ, "other.read"):
                scenario.add(scenario.model.share("main", by=by, scope=scope), "CXN-REFU-004")
        scenario.add(as_step(scenario.model.read("main", by=OUTSIDER)), "CXN-REFU-004")
        again = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
        scenario.add(again, "CXN-REFU-004")
        yield scenario.vector()
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
    for name, asked in (("asked-for", True), ("not-asked-for", False)):
        scenario = Scenario(
            f"self/second/{name}", f"a second self-connection that is {name}", since=V1_1
        )
        scenario.given(to=SOURCE)
        again = scenario.model.create("main", by=SOURCE, destination=SOURCE, allow_self=asked)
        scenario.add(again, then=scenario.read_backs_after(again))
        yield scenario.vector()
    for name, attempts in (("asked-for", (True,)), ("not-asked-for-first", (False, True))):
        title = f"a self-connection of one with partners, {name}"
        scenario = Scenario(f"self/with-partners/{name}", title, since=V1_1)
        for by, to in ((SOURCE, DESTINATION), (DESTINATION, SOURCE), (SOURCE, "org_Partner")):
            scenario.given(f"{by}-{to}", by=by, to=to, walk=((to, Action.ACTIVATE),))
        for each in (*attempts, *attempts):
            step = scenario.model.create("main", by=SOURCE, destination=SOURCE, allow_self=each)
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
