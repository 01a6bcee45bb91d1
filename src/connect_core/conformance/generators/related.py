"""Generators of vectors about ids that are nearly the same, of organizations and Connections."""

from collections.abc import Iterator
from typing import Final

from connect_core.conformance.model import TERMS
from connect_core.conformance.permitted import NO_SUCH_CONNECTION
from connect_core.conformance.scenario import (
    DESTINATION,
    READ,
    SCOPES,
    SOURCE,
    V1_1,
    Scenario,
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
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.lifecycle import Action, Status

_SHORT: Final = "org_Acme-Partner_01"
#: Ids that some comparison takes for `_SHORT`: by case, by a part, after trimming or replacing.
_NEAR: Final = (
    "org_acme-partner_01",
    "org_ACME-PARTNER_01",
    "org_aCME-pARTNER_01",
    "org_acme-Partner_01",
    "org_Acme-partner_01",
    "org_Acme-Partner_01x",
    "org_Acme-Partner_0",
    "org_Acme-Partner",
    "org_Acme",
    "org_Acme-Partner_01-",
    "org_Acme-Partner_01_",
    "org_-Acme-Partner_01",
    "org__Acme-Partner_01",
    "org_cme-Partner_01",
    "org_xAcme-Partner_01",
    "org_Partner_01",
    "org_01",
    "org_Acme_Partner_01",
    "org_Acme-Partner-01",
    "org_AcmePartner_01",
    "org_AcmePartner01",
    "org_Acme--Partner_01",
    "org_Acme-Partner__01",
    "org_Accme-Partner_01",
    "org_Acme-Partner_1",
    "org_Acme-Partner_001",
    "org_Acme-Partner_010",
    "org_Acme-Partner_O1",
    "org_Acme-Partner_0l",
    "org_Acme-Partner_0I",
    "org_Acme-Partner_00",
    "org_Acme-Partner_10",
    "org_Amce-Partner_01",
    "org_Partner-Acme_01",
    "org_10_rentraP-emcA",
    "org_org_Acme-Partner_01",
    "org_api_Acme-Partner_01",
)
_NUMBER: Final = "org_10"
_NEAR_NUMBERS: Final = ("org_010", "org_0010", "org_1e1", "org_0xA", "org_1_0", "org_10_", "org_1")
_LONG: Final = "org_".ljust(MAX_ID_LENGTH, "q")
#: Where long ids differ from `_LONG`: in one character behind so many that are the same.
_SAME: Final = (41, 50, 60, 63, 64, 80, 99, 100, 127, 128, 150, 191, 199, 200, 240, 253, 254)
_NEAR_LONG: Final = (
    *(f"{_LONG[:place]}z{_LONG[place + 1 :]}" for place in _SAME),
    *(_LONG[:length] for length in (64, 100, 128, 200, 250, 254)),
)
#: Ids that have the same polynomial hash, as Java computes it for text.
_HASHED: Final = "org_eoeo"
_SAME_HASH: Final = ("org_eog1", "org_g1eo", "org_g1g1")
#: A family of ids: one, and those that are nearly the same.
_FAMILIES: Final = {
    "short": (_SHORT, _NEAR),
    "hashes": (_HASHED, _SAME_HASH),
    "numbers": (_NUMBER, _NEAR_NUMBERS),
    "long": (_LONG, _NEAR_LONG),
}
#: Pairs of source and destination that are the same if one is written behind the other.
_JOINED: Final = (
    ("org_A", "org_B-org_C"),
    ("org_A-org_B", "org_C"),
    ("org_A", "org_B_org_C"),
    ("org_A_org_B", "org_C"),
    ("org_A", "org_Borg_C"),
    ("org_Aorg_B", "org_C"),
    ("org_A", "org_Corg_B"),
    ("org_C", "org_A-org_B"),
    ("org_B-org_C", "org_A"),
)


def related() -> Iterator[Vector]:
    """Organizations whose ids are nearly the same: each is somebody else."""
    for family, (own, others) in _FAMILIES.items():
        scenario = _scenario(family, "destinations")
        for name, to in _names(own, others):
            step = scenario.model.create(name, by=SOURCE, destination=to, scopes=SCOPES)
            _add_created(scenario, step, name, to)
        scenario.take(own, Action.ACTIVATE, "0")
        for name, other in _names(own, others):
            if other != own:
                scenario.refused_all(other, "0", "CXN-CREA-008")
                scenario.add(scenario.model.share(name, by=other, scope=READ), "CXN-CREA-008")
        _read_all(scenario)
        yield scenario.vector()

        scenario = _scenario(family, "sources")
        for name, by in _names(own, others):
            step = scenario.model.create(name, by=by, destination=DESTINATION, scopes=SCOPES)
            _add_created(scenario, step, name, by)
        scenario.take(DESTINATION, Action.ACTIVATE, "0")
        for name, other in _names(own, others):
            if other != own:
                scenario.refused_all(other, "0", "CXN-CREA-008")
                scenario.take(own, Action.DEACTIVATE, name, "CXN-CREA-008")
        _read_all(scenario)
        yield scenario.vector()

        scenario = _scenario(family, "each-other")
        for name, to in _names(own, others):
            if to != own:
                step = scenario.model.create(name, by=own, destination=to)
                _add_created(scenario, step, name, to)
                scenario.take(own, Action.ACTIVATE, name, "CXN-CREA-008")
                scenario.take(to, Action.ACTIVATE, name, "CXN-CREA-008")
        yield scenario.vector()
    scenario = Scenario(
        "related/named-source", "one names another as the source", "named-source", since=V1_1
    )
    for other in (*_NEAR, *_SAME_HASH, _HASHED):
        attempt = scenario.model.create("0", by=other, source=_SHORT, destination=DESTINATION)
        scenario.add(attempt, "CXN-CREA-008")
    created = scenario.model.create("0", by=_SHORT, destination=DESTINATION)
    scenario.add(created, "CXN-CREA-008", "CXN-REFU-001")
    yield scenario.vector()
    scenario = Scenario(
        "related/joined", "pairs that are the same where one id is behind the other", since=V1_1
    )
    for number, (by, to) in enumerate(_JOINED):
        step = scenario.model.create(str(number), by=by, destination=to)
        _add_created(scenario, step, str(number), to)
    _read_all(scenario)
    yield scenario.vector()


def _scenario(family: str, what: str) -> Scenario:
    title = f"{what} whose ids are nearly the same: {family}"
    return Scenario(f"related/{family}/{what}", title, since=V1_1)


def _names(own: str, others: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The name of the Connection of each organization, and its id."""
    for number, each in enumerate((own, *others)):
        yield str(number), each


def _add_created(scenario: Scenario, step: AnyStep, name: str, by: str) -> None:
    """Add a creation, and a read of its parties."""
    after = scenario.model.copy()
    after.follow(step, step.accept[0])
    tests = ("CXN-CREA-008",)
    scenario.add(step, *tests, then=[after.read(name, by=by, members=TERMS, requirements=tests)])


def _read_all(scenario: Scenario) -> None:
    for name in scenario.model.names():
        scenario.look(name, "status", tests=("CXN-CREA-008", "CXN-ISOL-001"))


def derived() -> Iterator[Vector]:
    """Texts made from the id of a Connection: each is an id that no Connection has."""
    calls: dict[str, tuple[type[AnyStep], dict[str, object]]] = {
        "read": (ReadStep, {"by": SOURCE}),
        "share": (ShareStep, {"by": DESTINATION, "scope": READ}),
        "deactivate": (ActStep, {"by": SOURCE, "action": "deactivate"}),
    }
    for call, (kind, members) in calls.items():
        scenario = Scenario(
            f"derived/{call}", f"{call} with ids made from that of a Connection", since=V1_1
        )
        scenario.given(walk=shortest_walk_to(Status.ACTIVE))
        scenario.given("other", to="org_Partner")
        for variant in VARIANTS:
            step = kind.model_validate(
                {
                    "connection": "main",
                    "variant": variant,
                    "requirements": ("CXN-REFU-003",),
                    "accept": NO_SUCH_CONNECTION,
                    **members,
                }
            )
            scenario.add(step)
        scenario.look("main", tests=("CXN-REFU-003",))
        yield scenario.vector()
