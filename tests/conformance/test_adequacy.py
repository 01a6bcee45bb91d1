"""Whether the kit finds faults: every wrong cell of the table, and the catalogue of faults.

The numbers are printed, and are the same as in docs/conformance.md. ``python -m tests.adequacy``
measures the whole catalogue.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
from adequacy import FOUND, failing_vectors, table
from defects import DEFECTS
from faults import FAULTS, HOPELESS, LENGTH_FAULTS, TableSystem, mutants, right_table
from support import ROOT

from connect_core import Cell
from connect_core.conformance import (
    Outcome,
    Profile,
    ReferenceSystem,
    Result,
    System,
    VectorResult,
    explore,
    load_vectors,
    run,
)
from connect_core.conformance.generators import GENERATORS
from connect_core.conformance.profile import Answers
from connect_core.conformance.runner import run_vector
from connect_core.conformance.vectors import file_text, parse_vectors

PAGE = ROOT / "docs" / "conformance.md"
#: The capabilities of a system that only follows a table.
PLAIN = Profile(name="a table", claims=("named-source",))

every_fault = pytest.mark.parametrize("name", FAULTS)


def killer(make: Callable[[], System], profile: Profile, first: str = "") -> VectorResult | None:
    """The first vector that a system fails. The vector `first`, which is likely to, runs first."""
    answers = Answers({})
    for vector in sorted(load_vectors(), key=lambda vector: vector.id != first):
        result = run_vector(make, vector, profile, answers)
        if result.result is Result.FAIL:
            return result
        assert result.result is not Result.ERROR, result.describe()
    return None


def about(cell: Cell) -> str:
    """The id of the vector about a cell."""
    who = "both" if len(cell.roles) > 1 else next(iter(cell.roles), "outsider")
    return f"transition/{cell.status or 'none'}/{cell.action}/{who}"


@cache
def killed_tables() -> dict[str, VectorResult | None]:
    return {
        name: killer(partial(TableSystem, table), PLAIN, about(cell))
        for name, (cell, table) in mutants().items()
    }


@cache
def killed_faults() -> dict[str, VectorResult | None]:
    return {name: killer(fault, Profile()) for name, fault in FAULTS.items()}


def test_the_right_table_passes() -> None:
    """The table that is changed below is right."""
    report = run(lambda: TableSystem(right_table()), PLAIN)
    assert report.conforms
    assert report.counts()[Result.PASS] > 150


def test_every_wrong_cell_is_found() -> None:
    """Each of the 52 cells is changed in each of the 8 ways in which it can be wrong.

    One change is permitted: that a self-connection is refused.
    """
    survivors = [name for name, found in killed_tables().items() if found is None]
    assert survivors == []
    assert len(killed_tables()) == 52 * 8 - 1


def test_the_permitted_change_conforms() -> None:
    """An implementation that never makes self-connections conforms."""
    (cell,) = (cell for cell in right_table() if cell.status is None and len(cell.roles) > 1)
    report = run(lambda: TableSystem({**right_table(), cell: Outcome.SELF_CONNECTION}), PLAIN)
    assert report.conforms
    assert report.answers["CXN-OPEN-005"] == ["never"]
    skipped = [each.vector.id for each in report.results if "excludes" in each.reason]
    assert len(skipped) == 13 + 6  # the cells of the column, and six of `self`


@every_fault
def test_every_behavioural_fault_is_found(name: str) -> None:
    """The vectors alone find it."""
    found = killed_faults()[name]
    assert found is not None, FAULTS[name].__doc__
    assert found.blamed


@pytest.mark.parametrize("fault", LENGTH_FAULTS)
def test_every_fault_of_length_is_found(fault: Callable[[], ReferenceSystem]) -> None:
    """Only vectors find them: the exploration draws no ids or scopes as long as these."""
    report = run(fault)
    assert LENGTH_FAULTS[fault] in {
        each.requirement.id for each in report.requirements() if each.result is Result.FAIL
    }


def test_no_single_cell_shows_them() -> None:
    """Most behavioural faults pass every vector about a cell."""
    cells = [vector for vector in load_vectors() if vector.id.startswith("transition/")]
    unseen = [name for name, fault in FAULTS.items() if run(fault, among=cells).passed]
    assert len(unseen) > 12


@pytest.mark.parametrize("name", HOPELESS)
def test_systems_that_do_not_look(name: str) -> None:
    """The systems accept everything, refuse everything, ignore the role, or ignore the status."""
    report = run(HOPELESS[name], PLAIN)
    assert report.exit_code == 1
    assert report.counts()[Result.FAIL] > 20
    assert "does not conform" in report.sentence()


def test_refusing_everything_tests_next_to_nothing() -> None:
    """What could not be tested does not count as a pass: not one vector passes."""
    counts = run(HOPELESS["RefusesEverything"], PLAIN).counts()
    assert counts[Result.PASS] == 0
    assert counts[Result.COULD_NOT_TEST] > 100


#: The faults that the exploration finds quickly.
QUICK = ("EventLost", "RefusalTouches", "ScopesWiden", "StaleIsIgnored", "TimeRunsBackwards")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.stress) for name in FAULTS],
)
def test_the_exploration_finds_them_too(name: str) -> None:
    """The counterexample is short, and as a vector it fails again, but not for the reference."""
    every = (explore(FAULTS[name], examples=100, steps=50, seed=seed) for seed in (1, 2, 3))
    found = next(each for each in every if each.finding is not None)
    assert found.result in (Result.FAIL, Result.ERROR)  # one raises where scopes are not valid
    assert found.finding is not None
    vector = found.finding.vector
    assert len(vector.steps) <= 10
    (kept,) = parse_vectors(file_text("1.0", [vector]), "kept")
    assert kept == vector
    again = run(FAULTS[name], among=[vector])
    assert again.counts() == {found.result: 1}
    assert run(ReferenceSystem, among=[vector]).counts() == {Result.PASS: 1}


# --- The catalogue -------------------------------------------------------------------------------

NUMBERS: dict[str, Any] = json.loads(FOUND.read_text(encoding="utf-8"))


def test_the_catalogue_is_large_and_of_every_kind() -> None:
    kinds = Counter(each.kind for each in DEFECTS.values())
    assert kinds.total() >= 500
    assert {kind: counts["faults"] for kind, counts in NUMBERS["kinds"].items()} == kinds


def test_what_is_found() -> None:
    """The vectors alone find 97 of 100 at least; with the exploration, all are found."""
    total = Counter[str]()
    for counts in NUMBERS["kinds"].values():
        total.update(counts)
    assert total["vectors"] / total["faults"] >= 0.97
    assert total["both"] == total["faults"]
    assert NUMBERS["not found"] == []


def test_every_vector_is_in_the_numbers() -> None:
    """Also every family, and each of these finds something."""
    assert list(NUMBERS["vectors"]) == [each.id for each in load_vectors()]
    assert set(NUMBERS["families"]) == set(GENERATORS)
    assert min(NUMBERS["families"].values()) > 0


def test_the_table_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    written = table(NUMBERS)
    with capsys.disabled():
        sys.stdout.write(f"\n{written}\n")
    assert written in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*sorted(DEFECTS)[::12]])
def test_a_sample_is_found_again(name: str) -> None:
    """One in twelve. The vectors that found it before run first."""
    found = next(iter(failing_vectors(DEFECTS[name].make, first=_LIKELY)), None)
    assert (found is None) is (name in NUMBERS["not found by vectors"])


@pytest.mark.stress
@pytest.mark.parametrize("name", DEFECTS)
def test_all_are_found_again(name: str) -> None:
    found = next(iter(failing_vectors(DEFECTS[name].make, first=_LIKELY)), None)
    assert (found is None) is (name in NUMBERS["not found by vectors"])


#: The vectors that find most.
_LIKELY = sorted(NUMBERS["vectors"], key=NUMBERS["vectors"].__getitem__)[-60:]


def test_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """They are printed, and the same as on the page."""
    tables, faults = killed_tables(), killed_faults()
    assert run(ReferenceSystem).conforms
    unmasked = sum(not run(system, PLAIN).conforms for system in HOPELESS.values())
    numbers = (
        f"{sum(found is not None for found in tables.values())} of {len(tables)} wrong tables, "
        f"{sum(found is not None for found in faults.values())} of {len(faults)} behavioural "
        f"faults and {unmasked} of {len(HOPELESS)} careless implementations"
    )
    with capsys.disabled():
        sys.stdout.write(f"\nThe vectors find {numbers}.\n")
    page = re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8"))
    assert numbers in page
