"""A sample of the mutants of the reference: the conformance kit's vectors find them.

`tests.mutation.conformance` tries all of them, with the exploration, and needs Cosmic Ray. These
are made without it.
"""

import random
from pathlib import Path

import pytest
from mutation.conformance import (
    MODULES,
    PROFILES,
    REASONS,
    SEED,
    Bench,
    Fate,
    original_of,
    place_of,
    places,
    reasons_for_functions,
)
from mutation.making import Mutant, by_negation, mutants
from mutation.verdict import key_of, reasons_in

from connect_core.conformance import Profile

SAMPLE = 12
#: What needs no waiting.
CLAIMS = frozenset(PROFILES["service"].claims) - {"times"}


def without_a_reason() -> list[Mutant]:
    """The mutants that nobody says the kit does not find."""
    surviving = reasons_in(REASONS, list(MODULES))
    unreached = reasons_for_functions(MODULES)
    return [
        mutant
        for module in MODULES
        for mutant in mutants(module, by_negation)
        if key_of(mutant) not in surviving
        and (module, place_of(original_of(module), mutant).function) not in unreached
    ]


@pytest.mark.stress
def test_the_vectors_find_a_sample(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    sample = random.Random(SEED).sample(without_a_reason(), SAMPLE)  # noqa: S311  # no secret
    missed = [key_of(mutant) for mutant in sample if not bench.fails(mutant, CLAIMS)]
    assert missed == []


@pytest.mark.stress
def test_the_unchanged_package_passes(tmp_path: Path) -> None:
    unchanged = Mutant("service", original_of("service"), "", "")
    assert not Bench(tmp_path).fails(unchanged, CLAIMS)


def test_a_change_belongs_to_the_innermost_statement() -> None:
    source = "def one(\n    two=1,\n):\n    if two:\n        return [\n            3,\n        ]\n"
    mutant = Mutant("", source.replace("3", "4"), "", "")
    assert place_of(source, mutant) == (range(5, 8), "one")
    assert [list(each.lines) for each in places(source)] == [[1, 2, 3], [4], [5, 6, 7]]


def test_conditions_are_negated() -> None:
    source = "if a or b:\n    c = d if e else f\n"
    assert set(by_negation(source)) == {
        "if not (a or b):\n    c = d if e else f\n",
        "if a or b:\n    c = d if not (e) else f\n",
    }


def test_every_fate_has_a_column() -> None:
    assert list(Fate)[-1] is Fate.SURVIVED
    assert set(PROFILES["core"].claims) == set(Profile().claims)
