"""Generators of vectors about who may read which data, and about the scopes of a Connection."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from connect_core.conformance.model import Move
from connect_core.conformance.scenario import (
    DESTINATION,
    EVERYBODY,
    READ,
    ROUTES,
    SCOPES,
    SOURCE,
    WORDS,
    Scenario,
    invalid,
    shortest_walk_to,
)
from connect_core.conformance.vectors import Vector
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.lifecycle import Action, Status
from connect_core.scopes import MAX_SCOPES

#: The scopes that readers ask for: granted, not granted, and malformed.
_ASKED: Final = (
    *SCOPES,
    "inquiry.write",
    "case.read",
    "Inquiry.Read",
    "inquiry",
    "inquiry.",
    "inquiry.read ",
    "inquiry.read.all",
    "*",
    "",
)


def share() -> Iterator[Vector]:
    """Reads of data by everybody, in every situation, for every kind of scope."""
    for (route, steps), by in ((each, by) for each in ROUTES.items() for by in EVERYBODY):
        reader = WORDS[by]
        scenario = Scenario(f"share/{route}/{reader}", f"{reader} reads while it is {route}")
        scenario.given(walk=steps)
        for scope in _ASKED:
            step = scenario.model.share("main", by=by, scope=scope)
            scenario.add(step, then=scenario.read_backs_after(step)[:1] if scope == READ else ())
        yield scenario.vector()
    scenario = Scenario("share/the-moment-counts", "reads before and after each change")
    scenario.given(walk=ROUTES["active-again"])
    for by, action in (
        (DESTINATION, Action.DEACTIVATE),
        (SOURCE, Action.REACTIVATE),
        (DESTINATION, Action.ACTIVATE),
        (SOURCE, Action.DEACTIVATE),
    ):
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=READ))
        scenario.prepare(scenario.model.act(Move("main", by, action)))
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=READ))
    yield scenario.vector()
    scenario = Scenario("share/the-longest-scope", "the longest scope, and longer text")
    scenario.given(scopes=(LONGEST,), walk=shortest_walk_to(Status.ACTIVE))
    for scope in (LONGEST, LONGEST[:-1], f"{LONGEST}-", LONGEST * 10):
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=scope))
    yield scenario.vector()


#: A scope of the greatest length.
LONGEST: Final = "longest.read".ljust(MAX_ID_LENGTH, "-")
MANY: Final = tuple(f"kind{number:02}.read" for number in range(MAX_SCOPES))
_KEPT_SCOPES: Final[Mapping[str, tuple[str, Sequence[str] | None]]] = {
    "default": ("CXN-SCOP-002", None),
    "one": ("CXN-SCOP-001", (READ,)),
    "the-other": ("CXN-SCOP-001", ("account.read",)),
    "in-any-order-and-repeated": ("CXN-SCOP-001", (READ, "account.read", READ)),
    "unknown": ("CXN-SCOP-005", ("x-ray_2.look-at_1", READ)),
    "unknown-only": ("CXN-SCOP-005", ("a.b",)),
    "sixty-four": ("CXN-SCOP-001", MANY),
    "longest": ("CXN-SCOP-005", (LONGEST, LONGEST[:-1] + "x")),
}
MALFORMED: Final = {
    "no-verb": "inquiry",
    "empty-verb": "inquiry.",
    "empty-resource": ".read",
    "three-parts": "inquiry.read.all",
    "upper-case": "Inquiry.read",
    "leading-digit": "1inquiry.read",
    "space": "inquiry.read ",
    "line-feed": "inquiry.read\n",
    "wildcard": "inquiry.*",
    "not-ascii": "inqu\u00edry.read",
    "empty": "",
    "too-long": f"{LONGEST}-",
}


def scopes() -> Iterator[Vector]:
    """Scopes at creation, and after a deactivation."""
    for name, (requirement, named) in _KEPT_SCOPES.items():
        scenario = Scenario(f"scopes/{name}", f"a Connection with scopes: {name}")
        scenario.given(scopes=named, walk=shortest_walk_to(Status.ACTIVE))
        scenario.read("main", "scopes", tests=requirement)
        for scope in sorted(scenario.model.connection("main").scopes)[:3]:
            scenario.add(
                scenario.model.share("main", by=DESTINATION, scope=str(scope)), requirement
            )
        yield scenario.vector()
    refused = {"empty": ("CXN-SCOP-003", ()), "too-many": ("CXN-SCOP-007", (*MANY, READ))}
    for name, malformed in MALFORMED.items():
        refused[f"malformed/{name}"] = ("CXN-SCOP-004", (READ, malformed))
    for name, (requirement, named) in refused.items():
        yield _refused_scopes(name, requirement, named)
    for name, requirement in (("empty", "CXN-SCOP-003"), ("too-many", "CXN-SCOP-007")):
        named = () if name == "empty" else tuple(f"other{number}.read" for number in range(99))
        yield _refused_scopes(f"{name}-again", requirement, named, after="org_Partner")
    for route in ("inactive", "inactive-never-accepted"):
        for name, named in (("named", (READ, "a.b")), ("default", None)):
            yield _over_a_deactivation(route, name, named)


def _over_a_deactivation(route: str, name: str, named: Sequence[str] | None) -> Vector:
    """The scopes of an inactive Connection, and of a reactivated one, are those of its creation."""
    scenario = Scenario(f"scopes/over-a-deactivation/{route}/{name}", f"{name} scopes, {route}")
    scenario.given(scopes=named, walk=ROUTES[route])
    tests = "CXN-SCOP-006" if named else "CXN-SCOP-002"
    scenario.read("main", "scopes", tests=tests)
    for by, action in ((SOURCE, Action.REACTIVATE), (DESTINATION, Action.ACTIVATE)):
        scenario.prepare(scenario.model.act(Move("main", by, action)))
        scenario.read("main", "scopes", tests=tests)
    for scope in (READ, "a.b", "account.read"):
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=scope), tests)
    return scenario.vector()


def _refused_scopes(
    name: str, requirement: str, named: Sequence[str], after: str | None = None
) -> Vector:
    """A create with these scopes is refused, and one without them still succeeds."""
    scenario = Scenario(f"scopes/refused/{name}", f"a creation with scopes is refused: {name}")
    if after is not None:
        scenario.given("other", to=after)
    scenario.add(invalid(requirement, scopes=tuple(named), destination=DESTINATION))
    later = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
    scenario.add(later, requirement, "CXN-REFU-001")
    return scenario.vector()
