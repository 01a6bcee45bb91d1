"""The page on what went wrong elsewhere: short sections, each with a year and existing tests."""

import ast
import re
from typing import Any

import pytest
from pages import PAGES
from statemachine import State, StateMachine
from support import OUR_KEY, ROOT

from connect_core import Actor, InvalidDocumentError, parse_create

PAGE = PAGES["docs/explanation/elsewhere.md"].read_text(encoding="utf-8")
_, *PARTS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
SECTIONS = {title: text for title, _, text in (part.partition("\n") for part in PARTS)}
TESTS = {title: re.findall(r"`(tests/[^`]+)`", text) for title, text in SECTIONS.items()}

every_section = pytest.mark.parametrize("title", SECTIONS)


def _has_test(named: str) -> bool:
    """Whether a file has the test, given as pytest names it: file, classes, function."""
    path, *inner = named.split("::")
    if not inner or not (ROOT / path).is_file():
        return False
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    for name in inner:
        kind = ast.FunctionDef if name == inner[-1] else ast.ClassDef
        found = [each for each in body if isinstance(each, kind) and each.name == name]
        if not found:
            return False
        body = found[-1].body
    return inner[-1].startswith("test_")


def test_how_many() -> None:
    assert 10 <= len(SECTIONS) <= 16


@every_section
def test_it_names_tests_that_exist(title: str) -> None:
    assert TESTS[title]
    assert [named for named in TESTS[title] if not _has_test(named)] == []


@pytest.mark.parametrize(
    "named",
    [
        "tests/test_nothing.py::test_it",
        "tests/test_store.py",
        "tests/test_store.py::test_nothing",
        "tests/test_store.py::TestAdding",
        "tests/test_store.py::TestSaving::test_a_taken_pair",
        "tests/test_store.py::test_a_taken_pair",
    ],
)
def test_a_test_that_does_not_exist_is_noticed(named: str) -> None:
    assert _has_test("tests/test_store.py::TestAdding::test_a_taken_pair")
    assert not _has_test(named)


@every_section
def test_it_is_short(title: str) -> None:
    lines = [line for line in SECTIONS[title].splitlines() if line]
    assert len(lines) <= 12


@every_section
def test_it_has_a_year_and_a_reference_or_names_nobody(title: str) -> None:
    text = SECTIONS[title]
    dated = re.match(r"\n\*(?:20\d\d(?:, )?)+\.\*", text) is not None
    assert dated is ("](https://" in text)
    assert dated or "We know of no public" in text


# --- A trap that has no other test ----------------------------------------------------------------


@pytest.mark.parametrize(
    "member", ["organization-id", "source-organization-id", "role", "roles", "creator-id", "by"]
)
@pytest.mark.parametrize("place", ["", "/data", "/data/attributes"])
def test_a_document_cannot_name_the_caller(place: str, member: str) -> None:
    attributes = {"destination-organization-id": "org_DEF456"}
    document: dict[str, Any] = {"data": {"attributes": attributes}}
    inner = document
    for step in place.split("/")[1:]:
        inner = inner[step]
    inner[member] = "org_GHI789"
    with pytest.raises(InvalidDocumentError) as caught:
        parse_create(document)
    assert [problem.pointer for problem in caught.value.problems] == [f"{place}/{member}"]


@pytest.mark.parametrize("claim", ["role", "roles"])
def test_an_actor_cannot_claim_a_role(claim: str) -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Actor.model_validate(OUR_KEY.model_dump() | {claim: "destination"})


def test_what_it_says_of_python_statemachine() -> None:
    """An exception in a guard counts as consent there, which is why ours cannot raise."""

    class Gate(StateMachine):
        closed = State(initial=True)
        opened = State(final=True)
        unlock = closed.to(opened, cond="broken")

        def broken(self) -> bool:
            raise ArithmeticError

    gate: Any = Gate()
    assert [event.id for event in gate.enabled_events()] == ["unlock"]
