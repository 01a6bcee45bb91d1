"""The specification: its text is valid, and agrees with the rules and with the package's data."""

import json
import re

import pytest
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE
from snapshot import SNAPSHOT, TEXT, requirement_vectors

from connect_core import Action, Cell, Denial, Status, decision_table
from connect_core.conformance import load_specification, load_vectors
from connect_core.conformance.specification import (
    InvalidSpecificationError,
    Specification,
    parse,
    specification_text,
)

ROLES = {"source": SOURCE, "destination": DESTINATION, "both": BOTH, "outsider": OUTSIDER}


@pytest.fixture(scope="module")
def specification() -> Specification:
    return parse(TEXT)


class TestTheText:
    """The contents of the text."""

    def test_the_data_of_the_package_agrees_with_it(self, specification: Specification) -> None:
        assert specification == load_specification()
        assert json.loads(specification_text(specification))["version"] == "1.1"

    def test_the_matrix_is_the_decision_table(self, specification: Specification) -> None:
        typed = {
            Cell(
                None if row.status == "none" else Status(row.status), Action(row.action), ROLES[who]
            ): getattr(row, who)
            for row in specification.matrix
            for who in ROLES
        }
        assert typed.keys() == decision_table().keys()
        for cell, decision in decision_table().items():
            denials = ", ".join(decision.denials).replace("_", " ")
            assert typed[cell] == (f"→ {decision.target}" if decision else denials), cell

    def test_every_requirement_has_a_basis(self, specification: Specification) -> None:
        bases = {each.basis for each in specification.requirements}
        assert bases == {"stated", "inferred", "chosen"}
        assert all(each.why for each in specification.requirements if each.basis == "stated")

    def test_sections(self, specification: Specification) -> None:
        """The letters of an id correspond to its section, so that people can recognise ids."""
        sections = {each.id[4:8]: each.section for each in specification.requirements}
        assert sections == {
            "CREA": "Creation",
            "LIFE": "The life of a Connection",
            "REFU": "Refusals",
            "SHAR": "Sharing",
            "SCOP": "Scopes",
            "PERM": "Permanence",
            "ISOL": "Independence",
            "TIME": "Times",
            "VERS": "Versions",
            "HIST": "History",
            "DOCS": "Documents",
            "HTTP": "HTTP",
            "ADVI": "Advice",
        }
        for each in specification.requirements:
            assert sections[each.id[4:8]] == each.section

    def test_the_register(self, specification: Specification) -> None:
        titles = [each.title for each in specification.open_points]
        assert titles == [
            "Wrong role and wrong status at once",
            "Hidden or refused to outsiders",
            "The HTTP status of a wrong status",
            "A second create",
            "Self-connections",
            "Scopes over a deactivation",
            "The HTTP status of a wrong role",
        ]
        for point in specification.open_points:
            assert len(point.answers) > 1
            assert point.ours == next(iter(point.answers))

    def test_a_requirement_refers_to_every_open_point(self, specification: Specification) -> None:
        left = {point for each in specification.requirements for point in each.open}
        assert left == {point.id for point in specification.open_points}

    def test_denials_have_outcomes(self) -> None:
        """Each reason in the matrix is in the table of outcomes."""
        reasons = {denial for decision in decision_table().values() for denial in decision.denials}
        assert reasons < set(Denial)
        for reason in reasons:
            assert f"| `{reason.replace('_', '-')}` |" in TEXT

    def test_what_is_new_says_so(self, specification: Specification) -> None:
        since = {each.id: each.since for each in specification.requirements}
        assert set(since.values()) == {"1.0", "1.1"}
        assert since["CXN-LIFE-001"] == "1.0"
        assert since["CXN-TIME-001"] == "1.1"
        old = [each for each in load_vectors() if each.since == "1.0"]
        assert not [
            vector.id for vector in old for each in vector.requirements if since[each] != "1.0"
        ]

    def test_a_requirement_by_its_id(self, specification: Specification) -> None:
        assert specification.requirement("CXN-LIFE-007").text == (
            "An implementation MUST let the source reactivate an `inactive` Connection, which is "
            "then `pending`, never `active`."
        )
        with pytest.raises(KeyError):
            specification.requirement("CXN-LIFE-999")


class TestVectorsAndRequirements:
    """Every requirement has vectors, and every vector has requirements."""

    def test_every_must_has_two_vectors(self, specification: Specification) -> None:
        for each in specification.requirements:
            about = [vector for vector in load_vectors() if each.id in vector.requirements]
            assert len(about) >= 2 or "MUST" not in each.keyword, each.id

    def test_every_vector_cites_what_exists(self, specification: Specification) -> None:
        requirements = {each.id for each in specification.requirements}
        answers = specification.answers()
        for vector in load_vectors():
            assert vector.requirements
            assert set(vector.requirements) <= requirements
            assert set(vector.needs) <= specification.capabilities.keys()
            for step in vector.steps:
                for check in (step, *step.then):
                    for alternative in check.accept:
                        for point, given in alternative.answers.items():
                            assert set(given) <= set(answers[point])

    def test_needs_are_those_of_the_requirements(self, specification: Specification) -> None:
        """A vector needs every capability that its requirements need."""
        for vector in load_vectors():
            due = {
                need
                for each in vector.requirements
                for need in specification.requirement(each).needs
            }
            assert due <= set(vector.needs), vector.id

    def test_every_answer_is_accepted_somewhere(self, specification: Specification) -> None:
        seen: dict[str, set[str]] = {point: set() for point in specification.answers()}
        for vector in load_vectors():
            for step in vector.steps:
                for check in (step, *step.then):
                    for alternative in check.accept:
                        for point, given in alternative.answers.items():
                            seen[point] |= set(given)
        assert seen == {point: set(given) for point, given in specification.answers().items()}

    def test_several_answers_only_where_a_point_is_open(self) -> None:
        """Or where the text permits either of two: what is too deep, too long or too big."""
        either = {"CXN-DOCS-002", "CXN-VERS-007", "CXN-CREA-014"}
        for vector in load_vectors():
            for step in vector.steps:
                for check in (step, *step.then):
                    for alternative in check.accept:
                        assert (
                            alternative.answers
                            or len(check.accept) == 1
                            or either & set(check.requirements)
                        ), vector.id

    def test_the_snapshot(self) -> None:
        """The vectors of each requirement do not change by accident.

        If they should change, say so in CHANGELOG.md and run
        ``uv run --group test python -m tests.snapshot``.
        """
        assert json.loads(SNAPSHOT.read_text(encoding="utf-8")) == requirement_vectors()

    def test_no_released_id_has_disappeared(self) -> None:
        released = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
        assert parse(TEXT, released).version == "1.1"
        with pytest.raises(InvalidSpecificationError, match=r"CXN-LIFE-099 was released; keep it"):
            parse(TEXT, [*released, "CXN-LIFE-099"])


# --- Texts that are not valid --------------------------------------------------------------------

LIFE_5 = "### CXN-LIFE-005\n"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Version 1.1", "Version one", "the version is missing; write it in a line such as"),
        ("## The matrix", "## The table", "there is no section 'The matrix'"),
        ("## Capabilities", "## Powers", "there is no section 'Capabilities'"),
        ("## Retired ids", "## Gone", "there is no section 'Retired ids'"),
        (LIFE_5, "### CXN-LIFE-004\n", "CXN-LIFE-004 occurs twice"),
        ("\nNone.\n", "\nCXN-LIFE-005\n", "CXN-LIFE-005 is retired and cannot be used again"),
        (LIFE_5, "### CXN-LIFE-050\n", "CXN-LIFE-005 was released; keep it, or list it"),
        ("as CXN-LIFE-004.", "as CXN-LIFE-044.", "CXN-LIFE-044 is referred to, but does not exist"),
        ("Needs: times.", "Needs: clocks.", "CXN-PERM-004 needs 'clocks', which is not among"),
        (
            "Open: CXN-OPEN-006.",
            "Open: CXN-OPEN-060.",
            "CXN-SCOP-006 leaves CXN-OPEN-060 open, which is not in the register",
        ),
        ("MUST leave every", "leaves every", r"CXN-REFU-001 has the key words \[\]; it needs one"),
        (
            "A refusal MUST leave every",
            "A refusal MUST and SHOULD leave every",
            r"CXN-REFU-001 has the key words \['MUST', 'SHOULD'\]; it needs one",
        ),
        ("A refusal MUST leave every", "A refusal SHALL leave every", r"\['SHALL'\]; it needs one"),
        (
            "A refusal MUST leave every Connection as it was.\n\nBasis: chosen.",
            "A refusal leaves every Connection as it was.\n\nBasis: chosen, it MUST.",
            r"CXN-REFU-001 has the key words \['MUST'\]; it needs one",
        ),
        (
            "MUST leave every Connection as it was.\n",
            "MUST leave every Connection as it was.\n\nReally.\n",
            "CXN-REFU-001 has 3 paragraphs; it needs two",
        ),
        (
            "it was.\n\nBasis: chosen.",
            "it was.\n\nBasis: guessed.",
            "CXN-REFU-001 does not say its basis",
        ),
        ("it was.\n\nBasis: chosen.", "it was.", "CXN-REFU-001 has 1 paragraphs; it needs two"),
        ("Since: 1.1.", "Since: now.", "is there since 'now', which is no version"),
        (" (ours)", "", "needs one answer that is marked as (ours)"),
        ("| none | create | → pending |", "| none | create |", "of the matrix needs 6 cells"),
    ],
)
def test_a_problem_is_reported(old: str, new: str, problem: str) -> None:
    assert old in TEXT
    released = [each.id for each in load_specification().requirements]
    with pytest.raises(InvalidSpecificationError) as refused:
        parse(TEXT.replace(old, new, 1), released)
    message = str(refused.value)
    assert re.search(problem.replace("(ours)", r"\(ours\)"), message), message


def test_all_problems_are_reported_at_once_with_their_lines() -> None:
    text = TEXT.replace("A refusal MUST leave", "A refusal leaves", 1).replace(
        "Needs: times.", "Needs: clocks."
    )
    with pytest.raises(InvalidSpecificationError) as refused:
        parse(text)
    first, *others = str(refused.value).splitlines()
    line = 1 + TEXT[: TEXT.index("### CXN-REFU-001")].count("\n")
    assert first.startswith(f"line {line}: CXN-REFU-001 has the key words []")
    assert [each.split()[0] for each in others] == [
        *("CXN-PERM-004", "CXN-PERM-005", "CXN-TIME-001", "CXN-TIME-002", "CXN-TIME-003")
    ]
