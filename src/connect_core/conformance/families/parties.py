"""Families: who is who, outsiders, several Connections, and an organization with itself."""

from collections.abc import Iterator, Mapping

from connect_core.conformance.families.telling import (
    DESTINATION,
    OUTSIDER,
    PARTIES,
    READ,
    ROUTES,
    SOURCE,
    WORDS,
    Story,
    as_step,
)
from connect_core.conformance.system import Outcome
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
    """Ids that differ by case alone, and ids that nothing has."""
    for by, like in ((DESTINATION.lower(), DESTINATION), (SOURCE.lower(), SOURCE)):
        for route, steps in ROUTES.items():
            told = f"{by} is not {like}, while it is {route}"
            story = Story(f"identity/case/{WORDS[like]}/{route}", told)
            story.given(walk=steps)
            for move in story.world.moves((by,), legal=False):
                story.act(by, move.action, "CXN-CREA-008")
            story.tell(story.world.share("main", by=by, scope=READ), "CXN-CREA-008")
            story.tell(as_step(story.world.read("main", by=by)), "CXN-CREA-008")
            yield story.vector()
    story = Story("identity/case/another-destination", "two destinations that differ by case")
    story.given()
    step = story.world.create("other", by=SOURCE, destination=DESTINATION.lower())
    story.tell(step, "CXN-CREA-008", then=story.seen_after(step, "other"))
    yield story.vector()
    story = Story(
        "identity/case/no-self-connection", "a destination that is the source but for case"
    )
    step = story.world.create("main", by=SOURCE, destination=SOURCE.lower())
    story.tell(step, "CXN-CREA-008", then=story.seen_after(step))
    yield story.vector()
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
        story = Story(f"identity/unknown/{name}", f"{name} where there is no such Connection")
        story.given()
        story.tell(_unknown(call, not_found), then=story.seen_after(_unknown(call, not_found)))
        yield story.vector()


def _unknown(call: Mapping[str, object], accept: tuple[Alternative, ...]) -> AnyStep:
    """A call about an id that no Connection has."""
    step = {"by": SOURCE, "connection": "nothing", "accept": accept, **call}
    step["requirements"] = ("CXN-REFU-002",)
    kinds: dict[object, type[AnyStep]] = {"act": ActStep, "share": ShareStep, "read": ReadStep}
    return kinds[call["verb"]].model_validate(step)


def outsider() -> Iterator[Vector]:
    """Outsiders, who learn nothing: not even by creating."""
    for route, steps in ROUTES.items():
        story = Story(f"outsider/{route}", f"an outsider looks and tries while it is {route}")
        story.given(walk=steps)
        story.tell(as_step(story.world.read("main", by=OUTSIDER)))
        for move in story.world.moves((OUTSIDER,), legal=False):
            story.act(move.by, move.action)
        story.tell(story.world.share("main", by=OUTSIDER, scope=READ))
        yield story.vector()


def independence() -> Iterator[Vector]:
    """Several Connections, each with its own life."""
    for route, steps in ROUTES.items():
        story = Story(
            f"independence/reverse/{route}", f"the other direction of one that is {route}"
        )
        story.given(walk=steps)
        created = story.world.create("reverse", by=DESTINATION, destination=SOURCE, scopes=("a.b",))
        story.tell(created, "CXN-ISOL-002", then=story.seen_after(created, "reverse"))
        for by, action in (
            (DESTINATION, Action.ACTIVATE),
            (SOURCE, Action.ACTIVATE),
            (DESTINATION, Action.DEACTIVATE),
            (SOURCE, Action.REACTIVATE),
        ):
            story.act(by, action, "CXN-ISOL-002", name="reverse")
        for by in PARTIES:
            for name, scope in (("reverse", "a.b"), ("main", READ)):
                story.tell(story.world.share(name, by=by, scope=scope), "CXN-ISOL-002")
        yield story.vector()
    for name, by, to in (
        ("same-source", SOURCE, "org_Partner"),
        ("same-destination", "org_Partner", DESTINATION),
        ("chain", DESTINATION, "org_Partner"),
    ):
        story = Story(f"independence/{name}", f"two Connections: {name}")
        story.given()
        story.given("other", by=by, to=to)
        for who, action in (
            (to, Action.ACTIVATE),
            (by, Action.DEACTIVATE),
            (by, Action.REACTIVATE),
        ):
            story.act(who, action, name="other")
        story.act(DESTINATION, Action.ACTIVATE)
        for reader in (DESTINATION, to):
            for which in ("main", "other"):
                story.tell(story.world.share(which, by=reader, scope=READ))
        yield story.vector()


def itself() -> Iterator[Vector]:
    """An organization that is connected with itself."""
    for name, asked in (("asked-for", True), ("not-asked-for", False)):
        story = Story(f"self/create/{name}", f"a self-connection that is {name}")
        step = story.world.create("main", by=SOURCE, destination=SOURCE, allow_self=asked)
        story.tell(step)
        yield story.vector()
    story = Story("self/life", "a whole life of a self-connection")
    story.given(to=SOURCE)
    for action in (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE, Action.ACTIVATE):
        for move in story.world.moves((SOURCE, OUTSIDER), legal=False):
            story.act(move.by, move.action)
        story.tell(story.world.share("main", by=SOURCE, scope=READ), "CXN-CREA-007")
        story.act(SOURCE, action)
    story.tell(story.world.share("main", by=SOURCE, scope=READ), "CXN-CREA-007")
    yield story.vector()
