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
    V1_1,
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
    for name, granted in (("several", _GRANTED), ("one", (READ,))):
        title = f"texts that are nearly a scope of the Connection: {name}"
        scenario = Scenario(f"share/neighbours/{name}", title, since=V1_1)
        scenario.given(scopes=granted, walk=shortest_walk_to(Status.ACTIVE))
        for scope in (*_GRANTED, *_NEIGHBOURS, *_GRANTED):
            scenario.add(scenario.model.share("main", by=DESTINATION, scope=scope))
        yield scenario.vector()
    scenario = Scenario("share/of-others", "scopes of other Connections of a party", since=V1_1)
    pairs = {
        "reverse": (DESTINATION, SOURCE),
        "same-source": (SOURCE, "org_Partner"),
        "same-destination": ("org_Partner", DESTINATION),
        "next": (DESTINATION, "org_Partner"),
    }
    scenario.given(scopes=("main.read",), walk=shortest_walk_to(Status.ACTIVE))
    for name, (by, to) in pairs.items():
        scenario.given(name, by=by, to=to, scopes=(f"{name}.read",), walk=((to, Action.ACTIVATE),))
    for name in ("main", *pairs):
        to = str(scenario.model.connection(name).destination_organization_id)
        for other in ("main", *pairs):
            share = scenario.model.share(name, by=to, scope=f"{other}.read")
            scenario.add(share, "CXN-ISOL-001")
    yield scenario.vector()
    scenario = Scenario("share/the-longest-scope", "the longest scope, and longer text")
    scenario.given(scopes=(LONGEST,), walk=shortest_walk_to(Status.ACTIVE))
    for scope in (LONGEST, LONGEST[:-1], f"{LONGEST}-", LONGEST * 10):
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=scope))
    yield scenario.vector()


#: The scopes of a Connection whose neighbours are asked for.
_GRANTED: Final = ("inquiry.read", "case-file.read_all", "account.write", "a.b", "report2.manage")
#: Texts that are nearly a granted scope: longer, shorter, escaped, a pattern, a list.
_NEIGHBOURS: Final = (
    *("inquiry.reads", "inquiry.rea", "inquiry.read-all", "inquiry.read_", "inquiry.read-"),
    *("nquiry.read", "xinquiry.read", "my-inquiry.read", "inquiry", "inquiry.", ".read", "read"),
    *(
        "inquiryxread",
        "inquiry-read",
        "inquiry_read",
        "inquiry:read",
        "inquiry/read",
        "inquiryread",
    ),
    *("inquiry..read", "inquiry.read.", ".inquiry.read", "inquiry.read.all", "inquiry.read:all"),
    *("inquiry.*", "*.read", "*", "*.*", "inquiry.rea?", "inquiry.re%", "inquiry.rea_", "%"),
    *("inquiry.rea.", ".*", "inquiry.(read)", "inquiry.read|x", "^inquiry.read$", "inquir[y].read"),
    *(" inquiry.read", "inquiry.read ", "inquiry.read\n", "\ninquiry.read", "inquiry.read\r\n"),
    *(
        "inquiry.read\t",
        "inquiry.read\0",
        "inquiry\0.read",
        "inquiry.read\u200b",
        "inquiry.read\u00a0",
    ),
    *("inquiry. read", "inquiry .read", "inquiry.read,account.write", "inquiry.read account.write"),
    *("account.write,inquiry.read", "[inquiry.read]", '"inquiry.read"', "'inquiry.read'"),
    *("inquiry.read;a.b", "a.b inquiry.read", "inquiry%2Eread", "inquiry%2eread", "inquiry\\.read"),
    *("inquiry&#46;read", "inquiry\\u002eread", "INQUIRY.READ", "Inquiry.read", "inquiry.Read"),
    *(
        "inqu\u0131ry.read",
        "\uff49nquiry.read",
        "inquiry\uff0eread",
        "inquiry\u2024read",
        "\u0456nquiry.read",
    ),
    *(
        "inquir\u00ff.read",
        "inquiry\u0301.read",
        "inquiry.write",
        "inquiry.manage",
        "inquiry.read_all",
    ),
    *("account.read", "account.writ", "account.manage", "account.write-all", "account.delete"),
    *("report2.read", "report2.write", "report.manage", "report22.manage", "report.2manage"),
    *(
        "case-file.read",
        "case_file.read_all",
        "case-file.read-all",
        "case.read_all",
        "casefile.read_all",
    ),
    *(
        "file.read_all",
        "case-file.read_al",
        "a.bb",
        "aa.b",
        "a.c",
        "b.a",
        "a",
        "b",
        "a.b.a.b",
        "b.b",
        "a.a",
    ),
    *(
        "inquiry.read#",
        "inquiry.read?",
        "inquiry.read/",
        "read.inquiry",
        "",
        " ",
        ".",
        "scopes",
        "null",
    ),
)

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
    yield from _exactly_these()
    for route in ("inactive", "inactive-never-accepted"):
        for name, named in (("named", (READ, "a.b")), ("default", None)):
            yield _over_a_deactivation(route, name, named)


#: More scopes that are not well formed.
_MORE_MALFORMED: Final = (
    *("\ninquiry.read", "inquiry.read\r\n", " inquiry.read", "inquiry..read", "inquiry .read", "."),
    *("_inquiry.read", "-inquiry.read", "inquiry._read", "inquiry.-read", "inquiry.1read", "read"),
    *(
        "inquiry,read",
        "inquiry:read",
        "inquiry/read",
        "inquiry.re:ad",
        "inquiry.re@ad",
        "inquiry.re~ad",
        "inquiry.re$ad",
        "inquiry.re!ad",
        "in:quiry.read",
        "in+quiry.read",
        "inquiry.re\u0661d",
        "inqu\uff11ry.read",
        "inquiry.re\u00b2d",
        "inquiry.re+ad",
        "inquiry.re ad",
        "inquiry.",
    ),
    *(
        "inquiry.READ",
        "iNquiry.read",
        "inquiry.rEad",
        "\u0131nquiry.read",
        "inquiry.re\u00e4d",
        "*",
    ),
    *(
        "inquiry.read\u0301",
        "inquiry\uff0eread",
        "\uff49nquiry.read",
        "inquiry.\u0661",
        "inquiry.read\0",
    ),
    *("inquiry.read\u200b", "inquiry.read,account.read", "inquiry.read account.read", "*.read"),
)
#: Scopes that are well formed, though some take them for malformed.
_WELL_FORMED: Final = (
    *("a.b", "a1.b2", "a-.b-", "a_.b_", "a--b.c__d", "a-1_2.b-3_4", "null.null", "x.y-z", "i.l"),
    *("resource.write", "scopes.read", "a0.b0", "constructor.prototype", "if.else"),
)


def _exactly_these() -> Iterator[Vector]:
    """Scopes that are kept, shared and refused one by one."""
    scenario = Scenario("scopes/each-of-sixty-four", "each of sixty-four scopes", since=V1_1)
    scenario.given(scopes=MANY, walk=shortest_walk_to(Status.ACTIVE))
    for scope in (*MANY, "kind64.read", "kind0.read", "kind1.read", "kind.read"):
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=scope), "CXN-SCOP-001")
    yield scenario.vector()
    for name, lists in (
        ("all", ((*MANY, MANY[0]), MANY * 3)),
        ("one", ((READ,) * 65, (READ,) * 1000, (*SCOPES, *SCOPES[::-1]))),
    ):
        scenario = Scenario(f"scopes/repeated/{name}", f"lists that repeat {name}", since=V1_1)
        for number, named in enumerate(lists):
            connection, to = str(number), f"org_Partner{number}"
            step = scenario.model.create(connection, by=SOURCE, destination=to, scopes=named)
            scenario.add(step, "CXN-SCOP-008")
            scenario.look(connection, "scopes", tests=("CXN-SCOP-008", "CXN-SCOP-001"))
        yield scenario.vector()
    scenario = Scenario("scopes/well-formed", "scopes that only look malformed", since=V1_1)
    scenario.given(scopes=_WELL_FORMED, walk=shortest_walk_to(Status.ACTIVE))
    scenario.look("main", "scopes", tests=("CXN-SCOP-005",))
    for scope in _WELL_FORMED:
        scenario.add(scenario.model.share("main", by=DESTINATION, scope=scope), "CXN-SCOP-005")
    yield scenario.vector()
    scenario = Scenario("scopes/refused/more", "scopes that are not well formed", since=V1_1)
    for scope in _MORE_MALFORMED:
        for named in ((scope,), (READ, scope)):
            scenario.add(invalid("CXN-SCOP-004", destination=DESTINATION, scopes=named))
    later = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
    scenario.add(later, "CXN-SCOP-004", "CXN-REFU-001")
    scenario.add(scenario.model.create("main", by=SOURCE, destination=DESTINATION))
    scenario.look("main", "scopes", tests=("CXN-SCOP-002",))
    yield scenario.vector()


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
