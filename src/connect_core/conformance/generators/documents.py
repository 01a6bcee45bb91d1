"""Generator of vectors about create documents, valid and not, and Connection documents."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from connect_core.conformance.generators.sharing import LONGEST, MALFORMED, MANY
from connect_core.conformance.model import TERMS
from connect_core.conformance.scenario import (
    DESTINATION,
    LONG_PARTIES,
    PARTIES,
    READ,
    ROUTES,
    SOURCE,
    TOO_LONG,
    V1_0,
    Scenario,
    as_step,
    invalid,
)
from connect_core.conformance.vectors import (
    ReadStep,
    Vector,
)
from connect_core.errors import InvalidDocumentError
from connect_core.jsonapi import parse_create
from connect_core.parties import MAX_NAME_LENGTH

_ATTRIBUTES: Final[Mapping[str, object]] = {
    "destination-organization-id": DESTINATION,
    "name": "Partner Connection",
    "scopes": [READ, "account.read"],
}
_REQUIRED: Final = {"destination-organization-id": DESTINATION}


def _document(attributes: object = _ATTRIBUTES, **data: object) -> dict[str, object]:
    return {"data": {"type": "connect/connections", **data, "attributes": attributes}}


def _with(**members: object) -> dict[str, object]:
    """The complete create document with changed attributes; their names are written with ``_``."""
    return _document(
        {**_ATTRIBUTES, **{name.replace("_", "-"): value for name, value in members.items()}}
    )


#: Create documents that an implementation must accept.
VALID_DOCUMENTS: Final[Mapping[str, object]] = {
    "the-guides": {
        "data": {
            "attributes": {"destination-organization-id": DESTINATION, "name": "Partner Connection"}
        }
    },
    "complete": _document(),
    "least": {"data": {"attributes": _REQUIRED}},
    "other-type": _document(type="connect/connection"),
    "name-null": _with(name=None),
    "name-empty": _with(name=""),
    "name-longest": _with(name="n" * MAX_NAME_LENGTH),
    "name-longest-beyond-ascii": _with(name="\U0001f91d" * MAX_NAME_LENGTH),
    "name-of-other-scripts": _with(name="Ma\u00df & \u30d1\u30fc\u30c8\u30ca\u30fc \u202e"),
    "one-scope": _with(scopes=[READ]),
    "scope-twice": _with(scopes=[READ, READ]),
    "unknown-scope": _with(scopes=["x-ray_2.look-at_1"]),
    "sixty-four-scopes": _with(scopes=list(MANY)),
    "destination-of-one-letter": _with(destination_organization_id="org_1"),
    "destination-long": _with(destination_organization_id=f"org_{'Az-_9' * 50}"),
    "destination-longest": _with(destination_organization_id=LONG_PARTIES[1]),
    "scope-longest": _with(scopes=[LONGEST]),
}
#: Create documents that an implementation must refuse. Each has exactly one problem.
INVALID_DOCUMENTS: Final[Mapping[str, object]] = {
    "no-object/array": [],
    "no-object/null": None,
    "no-object/text": "data",
    "data/missing": {},
    "data/null": {"data": None},
    "data/array": {"data": [_document()["data"]]},
    "attributes/missing": {"data": {"type": "connect/connections"}},
    "attributes/null": _document(None),
    "attributes/text": _document("org_Destination"),
    "destination/missing": _document({"name": "Partner Connection"}),
    "destination/null": _with(destination_organization_id=None),
    "destination/number": _with(destination_organization_id=7),
    "destination/empty": _with(destination_organization_id=""),
    "destination/prefix-only": _with(destination_organization_id="org_"),
    "destination/other-prefix": _with(destination_organization_id="cxn_Destination"),
    "destination/upper-case-prefix": _with(destination_organization_id="ORG_Destination"),
    "destination/space": _with(destination_organization_id="org_Destination "),
    "destination/line-feed": _with(destination_organization_id="org_Destination\n"),
    "destination/look-alike": _with(destination_organization_id="org_D\u0435stination"),
    "destination/full-width": _with(destination_organization_id="org_\uff11"),
    "destination/too-long": _with(destination_organization_id=TOO_LONG),
    "destination/object": _with(destination_organization_id={"id": DESTINATION}),
    "name/number": _with(name=7),
    "name/false": _with(name=False),
    "name/too-long": _with(name="n" * (MAX_NAME_LENGTH + 1)),
    "name/control-character": _with(name="Partner\u0007"),
    "name/delete": _with(name="Partner\u007f"),
    "name/line-feed": _with(name="Partner\n"),
    "name/nul": _with(name="Partner\u0000"),
    "name/surrogate": _with(name="Partner\ud800"),
    "scopes/null": _with(scopes=None),
    "scopes/text": _with(scopes=READ),
    "scopes/object": _with(scopes={READ: True}),
    "scopes/none": _with(scopes=[]),
    "scopes/too-many": _with(scopes=[*MANY, READ]),
    "scopes/number-in-it": _with(scopes=[READ, 7]),
    "scopes/null-in-it": _with(scopes=[None, READ]),
    **{f"scopes/{name}": _with(scopes=[READ, scope]) for name, scope in MALFORMED.items()},
    "type/other": _document(type="connect/links"),
    "type/null": _document(type=None),
    "type/upper-case": _document(type="Connect/Connections"),
    "unknown/attribute": _with(status="active"),
    "unknown/source": _with(source_organization_id=SOURCE),
    "unknown/upper-case": _with(Name="Partner"),
    "unknown/snake-case": _document({**_ATTRIBUTES, "destination_organization_id": DESTINATION}),
    "unknown/in-data": _document(id="cxn_1"),
    "unknown/beside-data": {**_document(), "meta": {}},
    "unknown/with-a-slash": _with(**{"a/b~c": 1}),
}
_DUPLICATE: Final = json.dumps(_document(_REQUIRED))
#: More invalid create documents, as text: with duplicate members, which a dict cannot have.
INVALID_TEXTS: Final[Mapping[str, str]] = {
    "twice/destination": _DUPLICATE.replace(
        '"destination', f'"destination-organization-id": "{DESTINATION}", "destination'
    ),
    "twice/data": f'{{"data": 1, {_DUPLICATE[1:]}',
    "twice/in-other-words": _DUPLICATE.replace(
        '"type"', '"t\\u0079pe": "connect/connections", "type"'
    ),
}
#: Texts that are not JSON.
MALFORMED_TEXTS: Final[Mapping[str, str]] = {
    "empty": "",
    "white-space": " \n",
    "cut-off": json.dumps(_document())[:-1],
    "two-values": json.dumps(_document()) * 2,
    "trailing-comma": json.dumps(_document()).replace('"}}', '",}}').replace("]}", "],}"),
    "single-quotes": json.dumps(_document()).replace('"', "'"),
    "nan": json.dumps(_document({**_ATTRIBUTES, "name": 0})).replace(": 0", ": NaN"),
    "comment": f"/* a Connection */ {json.dumps(_document())}",
    "form": "destination-organization-id=org_Destination",
    "raw-line-feed-in-text": json.dumps(_document()).replace("Partner ", "Partner\n"),
}


def documents() -> Iterator[Vector]:
    """Create documents, valid and not, and Connection documents."""
    for name, document in VALID_DOCUMENTS.items():
        yield _accepted(name, json.dumps(document))
    for name, document in INVALID_DOCUMENTS.items():
        yield _refused_document(f"invalid/{name}", "CXN-DOCS-002", json.dumps(document))
    for name, text in INVALID_TEXTS.items():
        yield _refused_document(f"invalid/{name}", "CXN-DOCS-002", text)
    for name, text in MALFORMED_TEXTS.items():
        yield _refused_document(f"not-json/{name}", "CXN-DOCS-003", text)
    several = _with(destination_organization_id="", name=7, scopes=[READ, ""], more=1)
    yield _refused_document("several-problems", "CXN-DOCS-004", json.dumps(several))
    for route, steps in ROUTES.items():
        scenario = Scenario(
            f"documents/written/{route}", f"the document while it is {route}", "documents"
        )
        scenario.given(walk=steps, scopes=("x.y", READ, "a.b"))
        for by in PARTIES:
            scenario.add(_written(scenario, by))
        yield scenario.vector()
    for name, title, (source, destination) in (
        ("nameless", "the document of one without a name", PARTIES),
        ("longest-ids", "the document of one whose parties have the longest ids", LONG_PARTIES),
    ):
        scenario = Scenario(f"documents/written/{name}", title, "documents")
        scenario.prepare(scenario.model.create("main", by=source, destination=destination))
        scenario.add(_written(scenario, source))
        yield scenario.vector()


def _accepted(name: str, body: str, since: str = V1_0) -> Vector:
    scenario = Scenario(
        f"documents/valid/{name}", f"a create document: {name}", "documents", since=since
    )
    step = scenario.model.create_from(body, "main", by=SOURCE)
    after = scenario.model.copy()
    after.follow(step, step.accept[0])
    to = str(after.connection("main").destination_organization_id)
    members = ("status", *TERMS, "scopes")
    seen = after.read("main", by=to, members=members, requirements=step.requirements)
    scenario.add(step, then=[seen])
    return scenario.vector()


def _refused_document(name: str, requirement: str, body: str) -> Vector:
    scenario = Scenario(f"documents/{name}", f"no create document: {name}", "documents")
    pointers: list[str] = []
    try:
        parse_create(body)
    except InvalidDocumentError as error:
        pointers = sorted({problem.pointer for problem in error.problems})
    scenario.add(invalid(requirement, body=body))
    scenario.add(invalid("CXN-DOCS-004", body=body, pointers=pointers))
    later = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
    scenario.add(later, requirement)
    return scenario.vector()


def _written(scenario: Scenario, by: str) -> ReadStep:
    """A read of the document, with placeholders for the id and the times."""
    tests = ("CXN-DOCS-005", "CXN-DOCS-006", "CXN-DOCS-007")
    return as_step(scenario.model.read("main", by=by, members=("document",), requirements=tests))
