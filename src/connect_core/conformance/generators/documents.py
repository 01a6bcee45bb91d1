"""Generator of vectors about create documents, valid and not, and Connection documents."""

import json
from collections.abc import Iterator
from typing import Final

from connect_core.conformance.generators.names import KEPT
from connect_core.conformance.generators.texts import (
    INVALID_DOCUMENTS,
    INVALID_TEXTS,
    LEAST,
    MALFORMED_TEXTS,
    MORE_INVALID_TEXTS,
    MORE_MALFORMED_TEXTS,
    VALID_DOCUMENTS,
    VALID_TEXTS,
    with_,
)
from connect_core.conformance.model import TERMS
from connect_core.conformance.scenario import (
    DESTINATION,
    LONG_PARTIES,
    PARTIES,
    READ,
    ROUTES,
    SOURCE,
    V1_0,
    V1_1,
    Scenario,
    as_step,
    invalid,
)
from connect_core.conformance.subject import Outcome
from connect_core.conformance.vectors import (
    Alternative,
    ReadStep,
    Vector,
)
from connect_core.errors import InvalidDocumentError
from connect_core.jsonapi import parse_create


def documents() -> Iterator[Vector]:
    """Create documents, valid and not, and Connection documents."""
    yield from _more_documents()
    for name, document in VALID_DOCUMENTS.items():
        yield _accepted(name, json.dumps(document))
    for name, document in INVALID_DOCUMENTS.items():
        yield _refused_document(f"invalid/{name}", "CXN-DOCS-002", json.dumps(document))
    for name, text in INVALID_TEXTS.items():
        yield _refused_document(f"invalid/{name}", "CXN-DOCS-002", text)
    for name, text in MALFORMED_TEXTS.items():
        yield _refused_document(f"not-json/{name}", "CXN-DOCS-003", text)
    several = with_(destination_organization_id="", name=7, scopes=[READ, ""], more=1)
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


#: Scopes whose order differs if they are compared by parts, as numbers, or by letters alone.
_ORDERS: Final = (
    ("a10.b", "a2.b", "a1.b", "a.b10", "a.b9"),
    ("ab.c", "a-b.c", "a_b.c", "a.bc", "a.b-c", "a.b_c", "a.b", "a0.b"),
    ("b.a", "a.b", "aa.a", "a.aa", "a.a"),
    ("zeta.read", "alpha.write", "alpha-two.read", "alpha.read", "alphabet.read"),
)


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


def _more_documents() -> Iterator[Vector]:
    """What version 1.1 says more clearly."""
    for name, text in VALID_TEXTS.items():
        yield _accepted(name, text, V1_1)
    for kind, texts in (("invalid", MORE_INVALID_TEXTS), ("not-json", MORE_MALFORMED_TEXTS)):
        scenario = Scenario(
            f"documents/{kind}/more", f"more texts that are {kind}", "documents", since=V1_1
        )
        for text in texts.values():
            step = scenario.model.create_from(text, "main", by=SOURCE)
            scenario.add(step, "CXN-DOCS-004")
        scenario.add(scenario.model.create_from(LEAST, "main", by=SOURCE))
        scenario.look("main", *("status", *TERMS, "scopes"), tests=("CXN-DOCS-002",))
        yield scenario.vector()
    for name, deep in (("deep", "[" * 2000 + "]" * 2000), ("digits", "1" * 5000)):
        text = json.dumps(with_(name=0)).replace(": 0", f": {deep}")
        scenario = Scenario(
            f"documents/either/{name}",
            f"either no JSON or no name: {name}",
            "documents",
            since=V1_1,
        )
        due = [
            Alternative(outcome=Outcome.INVALID, pointers=(place,))
            for place in ("/data/attributes/name", "")
        ]
        step = invalid("CXN-DOCS-002", body=text)
        scenario.add(step.model_copy(update={"accept": tuple(due)}))
        scenario.add(scenario.model.create_from(LEAST, "main", by=SOURCE))
        yield scenario.vector()
    scenario = Scenario(
        "documents/written/names",
        "the document of Connections with other names",
        "documents",
        since=V1_1,
    )
    for number, name in enumerate(KEPT):
        called = str(number)
        scenario.given(called, to=f"org_Partner{number}", called=name)
        scenario.add(_written(scenario, SOURCE, called))
    yield scenario.vector()
    scenario = Scenario(
        "documents/written/scopes",
        "the document of Connections with other scopes",
        "documents",
        since=V1_1,
    )
    for number, named in enumerate(_ORDERS):
        called, to = str(number), f"org_Partner{number}"
        scenario.given(called, to=to, scopes=named)
        for by in (SOURCE, to):
            scenario.add(_written(scenario, by, called))
    yield scenario.vector()
    scenario = Scenario(
        "documents/written/times",
        "the times in the document of a new Connection",
        *("documents", "times"),
        since=V1_1,
    )
    scenario.given()
    for by in PARTIES:
        members = ("document", "created_at", "updated_at")
        tests = ("CXN-DOCS-008",)
        check = scenario.model.read("main", by=by, members=members, requirements=tests)
        scenario.add(as_step(check))
    yield scenario.vector()
    for needs in (("documents",), ("documents", "times")):
        scenario = Scenario(
            f"documents/written/after-each-change/{needs[-1]}",
            "the document after each change, as both parties read it",
            *needs,
            since=V1_1,
        )
        scenario.given(scopes=("x.y", READ, "a.b"), called=" Partner\u00e9 ")
        scenario.given("other", by=DESTINATION, to=SOURCE)
        for move in (None, *ROUTES["active-again"], *ROUTES["inactive"][1:]):
            if move is not None:
                scenario.take(*move, pause=2)
            for by in PARTIES:
                if "times" not in needs:
                    scenario.add(_written(scenario, by))
                    continue
                members = ("document", "created_at", "updated_at")
                tests = ("CXN-DOCS-008",)
                check = scenario.model.read("main", by=by, members=members, requirements=tests)
                scenario.add(as_step(check))
        yield scenario.vector()


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


def _written(scenario: Scenario, by: str, name: str = "main") -> ReadStep:
    """A read of the document, with placeholders for the id and the times."""
    tests = ("CXN-DOCS-005", "CXN-DOCS-006", "CXN-DOCS-007")
    return as_step(scenario.model.read(name, by=by, members=("document",), requirements=tests))
