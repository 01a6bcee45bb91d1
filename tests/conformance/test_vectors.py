"""The vectors: well formed, complete, and equal to what the generators derive from the rules."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from model import EFFECTS
from oracle import VERDICTS
from schemas import validator

from connect_core import Action, InvalidDocumentError, parse_create
from connect_core.conformance import (
    Answer,
    InvalidVectorsError,
    Outcome,
    ReferenceSystem,
    Vector,
    load_specification,
    load_vectors,
    read_vectors,
    select,
)
from connect_core.conformance.generators import GENERATORS, vector_files
from connect_core.conformance.generators.texts import (
    INVALID_DOCUMENTS,
    INVALID_TEXTS,
    MALFORMED_TEXTS,
)
from connect_core.conformance.permitted import STATUSES
from connect_core.conformance.scenario import walks
from connect_core.conformance.shuffle import Shuffle
from connect_core.conformance.specification import DATA
from connect_core.conformance.vectors import (
    ActStep,
    Check,
    CreateStep,
    ReadStep,
    ShareStep,
    file_text,
    parse_vectors,
)

IDS = [vector.id for vector in load_vectors()]
BY_ID = {vector.id: vector for vector in load_vectors()}


def checks(vector: Vector) -> Iterator[Check]:
    for step in vector.steps:
        yield step
        yield from step.then


class TestTheFiles:
    """The files that come with the package."""

    def test_they_are_generated(self) -> None:
        """They are equal byte for byte."""
        for name, text in vector_files(load_specification().version).items():
            assert (DATA / "vectors" / name).read_text(encoding="utf-8") == text

    def test_they_follow_the_schema(self) -> None:
        problems = validator("vectors")
        for file in (DATA / "vectors").iterdir():
            assert problems(json.loads(file.read_text(encoding="utf-8"))) == []

    def test_a_file_for_each_generator(self) -> None:
        assert {file.name for file in (DATA / "vectors").iterdir()} == {
            f"{name}.json" for name in GENERATORS
        }
        for name, generator in GENERATORS.items():
            assert {vector.id.split("/")[0] for vector in generator()} == {name}

    def test_reading_what_was_written(self) -> None:
        for vector in load_vectors():
            (again,) = parse_vectors(file_text("1.0", [vector]), "again")
            assert again == vector

    def test_ids_are_unique_names(self) -> None:
        assert len(set(IDS)) == len(IDS)
        assert not [each for each in IDS if re.search(r"\d{2,}", each)]  # no numbering

    def test_calls_name_organizations_not_roles(self) -> None:
        for vector in load_vectors():
            assert all(check.by.startswith("org_") for check in checks(vector))

    def test_the_requirements_of_a_vector_are_those_of_its_checks(self) -> None:
        for vector in load_vectors():
            tested = {each for check in checks(vector) for each in check.requirements}
            assert list(vector.requirements) == sorted(tested)
            points = {
                point for check in checks(vector) for each in check.accept for point in each.answers
            }
            assert list(vector.open) == sorted(points)

    def test_refusals_are_read_back_as_often_as_successes(self) -> None:
        """Every tested action is followed by a read-back, whatever its outcome.

        Those that are new are about what happens if nothing is read.
        """
        for name in ("transition", "walk", "refusals", "versions", "history"):
            for vector in select([name]):
                if vector.since != "1.0":
                    continue
                for step in vector.steps:
                    if isinstance(step, ActStep) and step.requirements:
                        assert step.then, vector.id


class TestTheGenerators:
    """Each is complete."""

    def test_every_cell_of_the_matrix(self) -> None:
        columns = {"source": "source", "destination": "destination", "": "outsider"}
        due = {
            f"transition/{verdict.status or 'none'}/{verdict.action}/"
            f"{columns.get('+'.join(sorted(verdict.roles)), 'both')}"
            for verdict in VERDICTS
        }
        assert {each for each in IDS if each.startswith("transition/")} == due
        assert len(due) == 52

    def test_the_cells_expect_what_the_matrix_says(self) -> None:
        """The matrix is the one that the tests have by hand, not the policy's."""
        for verdict in VERDICTS:
            who = "both" if len(verdict.roles) > 1 else next(iter(verdict.roles), "outsider")
            vector = BY_ID[f"transition/{verdict.status or 'none'}/{verdict.action}/{who}"]
            tested = next(step for step in vector.steps if step.requirements)
            ours = tested.accept[0]
            if verdict.target is not None:
                assert ours.outcome is Outcome.OK
                read = [check.accept[0].state.get("status") for check in tested.then]
                assert verdict.target.value in read
                assert set(read) <= {verdict.target.value, None}
            elif not verdict.roles and verdict.action is not Action.CREATE:
                assert ours.outcome is Outcome.NOT_FOUND
            else:
                assert ours.outcome == verdict.denials[0].replace("_", "-")
                others = [each.outcome for each in tested.accept[1:] if not each.existing]
                assert others == [each.replace("_", "-") for each in verdict.denials[1:]]

    def test_every_legal_walk_of_six_steps(self) -> None:
        """The number follows from the rules that the tests have by hand."""

        def count(status: str, left: int) -> int:
            moves = [
                effect[2] for effect in EFFECTS.values() for _ in effect[0] if status in effect[1]
            ]
            return sum(count(target, left - 1) for target in moves) if left else 1

        assert len(select(["walk"])) == len(walks(6)) == count("pending", 6) == 44

    def test_a_walk_has_other_connections_and_shares(self) -> None:
        for vector in select(["walk"]):
            names = {check.connection for check in checks(vector)}
            assert names == {"main", "reverse", "partner"}
            acts = [step for step in vector.steps if isinstance(step, ActStep)]
            shares = [step for step in vector.steps if isinstance(step, ShareStep)]
            assert len(acts) == 7  # six, and the acceptance of the reverse one
            assert len(shares) == 2 * 7 + 2
            for act in acts[1:]:
                assert {check.connection for check in act.then} == names

    def test_every_reader_in_every_situation(self) -> None:
        found = Counter(each.split("/")[1] for each in IDS if each.startswith("share/"))
        routes = ("pending", "active", "inactive", "pending-again", "active-again")
        assert all(found[route] == 3 for route in (*routes, "inactive-never-accepted"))

    @pytest.mark.parametrize("name", INVALID_DOCUMENTS)
    def test_an_invalid_document_has_exactly_one_problem(self, name: str) -> None:
        """Its JSON is well formed."""
        with pytest.raises(InvalidDocumentError) as refused:
            parse_create(json.dumps(INVALID_DOCUMENTS[name]))
        assert len(refused.value.problems) == 1
        assert not refused.value.malformed

    @pytest.mark.parametrize("name", INVALID_TEXTS)
    def test_so_is_an_invalid_text(self, name: str) -> None:
        with pytest.raises(InvalidDocumentError) as refused:
            parse_create(INVALID_TEXTS[name])
        assert len(refused.value.problems) == 1
        assert not refused.value.malformed

    @pytest.mark.parametrize("name", MALFORMED_TEXTS)
    def test_malformed_texts_are_not_json(self, name: str) -> None:
        with pytest.raises(InvalidDocumentError) as refused:
            parse_create(MALFORMED_TEXTS[name])
        assert refused.value.malformed

    def test_the_places_of_problems(self) -> None:
        """For a few of each kind, the expected pointers are written by hand."""
        attributes = "/data/attributes"
        due = {
            "no-object/array": [""],
            "data/missing": [""],
            "data/null": ["/data"],
            "attributes/missing": ["/data"],
            "destination/missing": [attributes],
            "destination/empty": [f"{attributes}/destination-organization-id"],
            "name/too-long": [f"{attributes}/name"],
            "scopes/none": [f"{attributes}/scopes"],
            "scopes/number-in-it": [f"{attributes}/scopes/1"],
            "scopes/null-in-it": [f"{attributes}/scopes/0"],
            "type/null": ["/data/type"],
            "unknown/beside-data": ["/meta"],
            "unknown/in-data": ["/data/id"],
            "unknown/with-a-slash": [f"{attributes}/a~1b~0c"],
            "twice/data": ["/data"],
            "twice/in-other-words": ["/data/type"],
        }
        for name, pointers in due.items():
            expected = BY_ID[f"documents/invalid/{name}"].steps[1].accept[0].pointers
            assert expected is not None
            assert list(expected) == pointers, name
        for name in MALFORMED_TEXTS:
            assert BY_ID[f"documents/not-json/{name}"].steps[1].accept[0].pointers == ("",)
        several = BY_ID["documents/several-problems"].steps[1].accept[0].pointers
        assert several is not None
        assert set(several) == {
            f"{attributes}/{place}"
            for place in ("destination-organization-id", "more", "name", "scopes/1")
        }

    def test_open_statuses_are_those_of_the_register(self) -> None:
        points = load_specification().answers()
        for outcome, point in (
            (Outcome.WRONG_ROLE, "CXN-OPEN-007"),
            (Outcome.WRONG_STATUS, "CXN-OPEN-003"),
        ):
            assert tuple(map(str, STATUSES[outcome])) == points[point]

    def test_self_connections(self) -> None:
        both = [each for each in IDS if each.endswith("/both")]
        assert len(both) == 13
        for each in (*both, "self/life"):
            if each != "transition/none/create/both":
                (ends,) = (
                    alternative for alternative in BY_ID[each].steps[0].accept if alternative.ends
                )
                assert ends.answers == {"CXN-OPEN-005": ("never",)}

    def test_depth(self) -> None:
        """A version needs more than a byte, and the history has as many events."""
        for name in ("depth/rounds", "depth/versions", "depth/history"):
            (vector,) = select([name])
            steps = [each for each in vector.steps if isinstance(each, ActStep)]
            taken = [each for each in steps if each.accept[0].outcome is Outcome.OK]
            assert len(taken) == 300
        (vector,) = select(["depth/history"])
        last: Any = vector.steps[-1].accept[0].state["events"]
        assert [each["version"] for each in last] == list(range(1, 302))

    def test_many_connections(self) -> None:
        for vector in select(["many"]):
            names = {each.connection for each in vector.steps}
            assert len(names) >= 40

    def test_nothing_is_read_between(self) -> None:
        """An answer from what was read last is not the same as one from what is."""
        never = [each for each in select(["unread"]) if "/never" in each.id]
        assert len(never) == 3
        for vector in never:
            kinds = [type(each) for each in vector.steps]
            first = kinds.index(ReadStep)
            assert set(kinds[first:]) == {ReadStep}
            assert not [each for each in vector.steps if each.then]

    @pytest.mark.parametrize("family", ["short", "numbers", "hashes", "long"])
    def test_ids_that_are_nearly_the_same(self, family: str) -> None:
        """Each is a party of a Connection of its own."""
        (vector,) = select([f"related/{family}/destinations"])
        made = [each for each in vector.steps if isinstance(each, CreateStep)]
        destinations = [str(each.destination) for each in made]
        assert len(set(destinations)) == len(destinations) > 3
        assert max(map(len, destinations)) <= 255

    def test_the_hashes_are_the_same(self) -> None:
        """In the way of Java's text, whatever the letters around are exchanged for."""
        (vector,) = select(["related/hashes/destinations"])
        for seed in (0, 1, 2):
            sent = set[int]()
            for each in vector.steps:
                if isinstance(each, CreateStep):
                    number = 0
                    for character in _sent(str(each.destination), seed):
                        number = (31 * number + ord(character)) % 2**32
                    sent.add(number)
            assert len(sent) == 1

    def test_the_stories(self) -> None:
        assert [each for each in IDS if each.startswith("story/")] == [
            "story/accept",
            "story/withdraw-before-acceptance",
            "story/deactivate-reactivate-accept-again",
            "story/refused-share",
        ]


def _sent(organization: str, seed: int) -> str:
    """The id that is sent in place of an organization's."""
    seen: list[str] = []

    class Sees(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            seen.append(by)
            return super().read(by=by, connection=connection)

    Shuffle(seed).system(Sees(), "any").read(by=organization, connection="none")
    return seen[0]


# --- Files of one's own --------------------------------------------------------------------------

READ: dict[str, Any] = {"by": "org_A", "connection": "main", "accept": [{"outcome": "ok"}]}
STEP: dict[str, Any] = {"verb": "read", **READ}
VECTOR: dict[str, Any] = {
    "id": "mine/first",
    "title": "",
    "since": "1.0",
    "requirements": [],
    "steps": [STEP],
}
FILE: dict[str, Any] = {"specification": "1.0", "vectors": [VECTOR]}


def with_step(**changes: object) -> dict[str, Any]:
    step = {name: value for name, value in {**STEP, **changes}.items() if value is not None}
    return {**FILE, "vectors": [{**VECTOR, "steps": [step]}]}


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(FILE))
    (vector,) = read_vectors(path)
    assert vector.id == "mine/first"
    assert vector.steps[0].by == "org_A"
    assert validator("vectors")(FILE) == []


BAD_FILES: dict[str, tuple[object, str]] = {
    "no-object": ([], "the whole document"),
    "no-version": ({"vectors": []}, "specification"),
    "a-member-too-many": ({**FILE, "more": 1}, "more"),
    "no-steps": ({**FILE, "vectors": [{**VECTOR, "steps": []}]}, "vectors/0/steps"),
    "id": ({**FILE, "vectors": [{**VECTOR, "id": "Mine"}]}, "vectors/0/id"),
    "verb": (with_step(verb="delete"), "vectors/0/steps/0"),
    "no-verb": (with_step(verb=None), "vectors/0/steps/0"),
    "nothing-accepted": (with_step(accept=[]), "accept"),
    "variant": (with_step(variant="upside-down"), "variant"),
    "outcome": (with_step(accept=[{"outcome": "fine"}]), "accept/0/outcome"),
    "action": (with_step(verb="act", action="create"), "action"),
    "no-scope": (with_step(verb="share"), "scope"),
    "read-with-scope": (with_step(scope="a.b"), "scope"),
    "then": (with_step(then=[{**READ, "verb": "read"}]), "then/0/verb"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_not_valid(name: str, tmp_path: Path) -> None:
    """The reader and the schema agree, and the message names the place."""
    content, place = BAD_FILES[name]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    message = rf"mine\.json is not a valid file of vectors: .*{place}"
    with pytest.raises(InvalidVectorsError, match=message):
        read_vectors(path)
    assert validator("vectors")(content) != []


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidVectorsError, match=r"nowhere\.json cannot be read"):
        read_vectors(tmp_path / "nowhere.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff")
    with pytest.raises(InvalidVectorsError, match=r"bytes\.json cannot be read"):
        read_vectors(tmp_path / "bytes.json")
    (tmp_path / "text.json").write_text("{")
    message = r"text\.json is not a valid file of vectors: the whole document: "
    with pytest.raises(InvalidVectorsError, match=message):
        read_vectors(tmp_path / "text.json")


def test_two_vectors_with_the_same_id() -> None:
    text = json.dumps({**FILE, "vectors": [VECTOR, VECTOR]})
    with pytest.raises(InvalidVectorsError, match="two vectors with the same id: mine/first"):
        parse_vectors(text, "mine")


class TestSelect:
    """By id, by generator, by requirement, and by pattern."""

    @pytest.mark.parametrize(
        ("pattern", "count"),
        [
            ("transition", 52),
            ("transition/", 52),
            ("transition/active", 16),
            ("transition/active/reactivate/destination", 1),
            ("transition/*/activate/source", 3),
            ("CXN-SCOP-007", 2),
            ("transitio", 0),
            ("nothing", 0),
        ],
    )
    def test_one_pattern(self, pattern: str, count: int) -> None:
        assert len(select([pattern])) == count

    def test_all_and_several(self) -> None:
        assert select([]) == load_vectors()
        both = select(["story", "transition/none"])
        assert len(both) == 4 + 4
        assert both == tuple(each for each in load_vectors() if each in both)  # in their order
        assert select(["story/accept"], both[-2:]) == ()


def test_create_steps_are_from_terms_or_from_a_document() -> None:
    for vector in load_vectors():
        for step in vector.steps:
            if isinstance(step, CreateStep):
                assert (step.destination is None) is (step.body is not None)


def test_everybody_tries_every_action() -> None:
    """The refusals of a walk are complete: every organization tries every action."""
    vector = BY_ID["refusals/activate/deactivate-source/reactivate"]
    tried = Counter(
        (step.by, step.action)
        for step in vector.steps
        if isinstance(step, ActStep) and step.requirements
    )
    people = ("org_Source", "org_Destination", "org_Outsider")
    actions = ("activate", "deactivate", "reactivate")
    assert set(tried) == set(product(people, actions))
    assert tried["org_Outsider", "activate"] == 4
