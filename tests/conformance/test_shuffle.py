"""Shuffling: other ids and another order, so that no answer can be known by heart."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect_core.conformance import Answer, Outcome, ReferenceSystem, Result, load_vectors, run
from connect_core.conformance.shuffle import Shuffle
from connect_core.conformance.vectors import absent_id


class Recorder:
    """A system that remembers its calls, and answers each with the next of its answers."""

    def __init__(self, *answers: object) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answers = list(answers)

    def _answer(self, verb: str, call: dict[str, Any]) -> Any:
        self.calls.append((verb, call))
        return self._answers.pop(0) if self._answers else Answer(Outcome.OK, "cxn_1", http=200)

    def create(self, **call: Any) -> Answer:
        return self._answer("create", call)  # type: ignore[no-any-return]

    def act(self, **call: Any) -> Answer:
        return self._answer("act", call)  # type: ignore[no-any-return]

    def share(self, **call: Any) -> Answer:
        return self._answer("share", call)  # type: ignore[no-any-return]

    def read(self, **call: Any) -> Answer:
        return self._answer("read", call)  # type: ignore[no-any-return]

    def close(self) -> None:
        self.calls.append(("close", {}))


def sent(*ids: str, seed: int = 1, key: str = "a/vector") -> list[str]:
    """The ids that a system receives instead of these."""
    recorder = Recorder()
    system = Shuffle(seed).system(recorder, key)
    for each in ids:
        system.read(by=each, connection="cxn_1")
    return [call["by"] for _, call in recorder.calls]


def answered(answer: object, seed: int = 1) -> Any:
    """What an execution receives instead of this answer."""
    return Shuffle(seed).system(Recorder(answer), "a/vector").read(by="org_A", connection="cxn_1")


class TestSeed:
    """The same seed gives the same ids and the same order."""

    def test_the_same(self) -> None:
        vectors = load_vectors()
        assert sent("org_Source", seed=7) == sent("org_Source", seed=7)
        assert Shuffle(7).order(vectors) == Shuffle(7).order(vectors)

    def test_another(self) -> None:
        """Also another vector has other ids."""
        vectors = load_vectors()
        assert sent("org_Source", seed=7) != sent("org_Source", seed=8)
        assert sent("org_Source", key="a/vector") != sent("org_Source", key="another/vector")
        assert Shuffle(7).order(vectors) != Shuffle(8).order(vectors)
        assert Shuffle(7).order(vectors) != list(vectors)

    def test_every_vector_is_there_once(self) -> None:
        vectors = load_vectors()
        assert sorted(each.id for each in Shuffle(7).order(vectors)) == sorted(
            each.id for each in vectors
        )

    def test_0_changes_nothing(self) -> None:
        system = ReferenceSystem()
        assert Shuffle(0).system(system, "a/vector") is system
        assert Shuffle(0).order(load_vectors()) == list(load_vectors())

    def test_of(self) -> None:
        """Without a seed it is a new one, and never 0."""
        assert Shuffle.of(0).seed == 0
        assert Shuffle.of(12).seed == 12
        seeds = {Shuffle.of(None).seed for _ in range(20)}
        assert len(seeds) > 1
        assert all(0 < seed < 10**6 for seed in seeds)


class TestRelations:
    """What ids have in common stays."""

    def test_none_is_what_it_was(self) -> None:
        for seed in range(1, 50):
            assert sent("org_Source", "org_Destination", seed=seed) != [
                "org_Source",
                "org_Destination",
            ]

    def test_length_case_and_prefix(self) -> None:
        (changed,) = sent("org_SourceOf-the_Data-123lO0")
        assert len(changed) == len("org_SourceOf-the_Data-123lO0")
        assert changed.startswith("org_")
        for old, new in zip("org_SourceOf-the_Data-123lO0", changed, strict=True):
            assert (old.isupper(), old.islower(), old.isdigit()) == (
                new.isupper(),
                new.islower(),
                new.isdigit(),
            )

    def test_case_alone(self) -> None:
        one, other = sent("org_source", "org_SOURCE")
        assert one != other
        assert one.lower() == other.lower()

    def test_prefixes(self) -> None:
        short, long = sent("org_Sour", "org_Source")
        assert long.startswith(short)

    def test_one_character(self) -> None:
        one, other = sent("org_Sourceb", "org_Sourcec")
        assert one[:-1] == other[:-1]
        assert one[-1] != other[-1]

    def test_what_looks_like_another_character_stays(self) -> None:
        assert sent("org_-lL1oO0iIeEgGxXrR_") == ["org_-lL1oO0iIeEgGxXrR_"]

    def test_what_is_no_id_of_this_form(self) -> None:
        """It is treated in the same way; without a prefix, all of it is one."""
        assert sent("", "bad", "\u0430_") == ["", "bad", "\u0430_"]

    @given(st.lists(st.text(max_size=8) | st.text("org_Absbl19-", max_size=8), max_size=6))
    def test_sent_ids_are_distinct_where_given_ids_are(self, ids: list[str]) -> None:
        changed = sent(*ids)
        assert len(set(changed)) == len(set(ids))
        for number, each in enumerate(ids):
            for other in range(number):
                assert (each == ids[other]) is (changed[number] == changed[other])

    @given(st.text("org_Absbl19-", max_size=12), st.integers(1, 10**6))
    def test_there_and_back(self, id: str, seed: int) -> None:
        (changed,) = sent(id, seed=seed)
        state = answered(Answer(Outcome.OK, state={"source": changed}), seed).state
        assert state == {"source": id}


class TestCalls:
    """Every verb has other ids; everything else is as it was."""

    def test_a_creation(self) -> None:
        a, b, c = sent("org_Aab", "org_Bab", "org_Cab")
        recorder = Recorder()
        terms: dict[str, Any] = {"name": "org_Aab", "scopes": ("a.b",), "allow_self": True}
        Shuffle(1).system(recorder, "a/vector").create(
            by="org_Aab", destination="org_Bab", source="org_Cab", **terms
        )
        assert recorder.calls == [
            ("create", {"by": a, "destination": b, "source": c, "body": None, **terms})
        ]

    def test_a_document(self) -> None:
        """Only the ids in it change, also in what is no JSON. A continued one is no such id."""
        a, b = sent("org_Aab", "org_Bab")
        recorder = Recorder()
        system = Shuffle(1).system(recorder, "a/vector")
        text = '{{"x": "{}", "y": ["{}", "my-org_Aab", "org_Aab\\u0435", "org_", "ab"]'
        system.create(by="org_Aab", body=text.format("org_Aab", "org_Bab"))
        ((_, call),) = recorder.calls
        assert call["body"] == text.format(a, b)
        assert (call["by"], call["destination"], call["source"]) == (a, None, None)

    def test_the_others(self) -> None:
        (a,) = sent("org_Aab")
        recorder = Recorder()
        system = Shuffle(1).system(recorder, "a/vector")
        system.act(by="org_Aab", connection="cxn_ab", action="activate", expected_version=3)
        system.share(by="org_Aab", connection="cxn_ab", scope="org_ab.read")
        system.read(by="org_Aab", connection="cxn_ab")
        system.close()
        assert recorder.calls == [
            (
                "act",
                {"by": a, "connection": "cxn_ab", "action": "activate", "expected_version": 3},
            ),
            ("share", {"by": a, "connection": "cxn_ab", "scope": "org_ab.read"}),
            ("read", {"by": a, "connection": "cxn_ab"}),
            ("close", {}),
        ]

    def test_ids_that_no_connection_has(self) -> None:
        """They stay such ids, of another name."""
        recorder = Recorder()
        system = Shuffle(1).system(recorder, "a/vector")
        (name,) = (each.removeprefix("org_") for each in sent("org_main"))
        there_is_none = absent_id("main"), absent_id("m\nain")
        for each in (*there_is_none, f"x{absent_id('main')}", "cxn_main"):
            system.read(by="org_A", connection=each)
        ids = [call["connection"] for _, call in recorder.calls]
        assert ids[0] == absent_id(name) != absent_id("main")
        assert ids[1] == absent_id(f"{name[0]}\n{name[1:]}")
        assert ids[2:] == [f"x{absent_id('main')}", "cxn_main"]


class TestAnswers:
    """They are translated back; what is no answer is left to whoever judges it."""

    def test_a_state(self) -> None:
        a, b, by = sent("org_Aab", "org_Bab", "api_Aab")
        attributes = {"organization-id": a, "destination-organization-id": b, "creator-id": by}
        kept = {"name": a, "token": "cxn_ab"}
        state = {
            "source": a,
            "destination": b,
            "name": a,
            "events": [{"organization": b, "action": "activate"}],
            "document": {"data": {"id": "cxn_ab", "attributes": {**attributes, **kept}}, "x": a},
        }
        answer = Answer(Outcome.OK, "cxn_ab", state, [""], 200)
        assert answered(answer) == Answer(
            Outcome.OK,
            "cxn_ab",
            {
                "source": "org_Aab",
                "destination": "org_Bab",
                "name": a,
                "events": [{"organization": "org_Bab", "action": "activate"}],
                "document": {
                    "data": {
                        "id": "cxn_ab",
                        "attributes": {
                            "organization-id": "org_Aab",
                            "destination-organization-id": "org_Bab",
                            "creator-id": "api_Aab",
                            **kept,
                        },
                    },
                    "x": a,
                },
            },
            [""],
            200,
        )
        assert json.dumps(state).count(a) == 5  # what the system gave is not changed

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(Outcome.DENIED, http=403),
            Answer(Outcome.OK, state=["source"]),  # type: ignore[arg-type]  # an untyped system
            None,
            "ok",
            7,
        ],
    )
    def test_what_has_no_state(self, answer: object) -> None:
        assert answered(answer) is answer

    @pytest.mark.parametrize(
        "state",
        [
            {},
            {"source": 7, "destination": None, "events": None, "document": None},
            {"events": "org_ab"},
            {"events": {"organization": "org_ab"}},
            {"events": ["org_ab", None, {"organization": 3}, {}]},
            {"document": "org_ab"},
            {"document": {}},
            {"document": {"data": ["org_ab"]}},
            {"document": {"data": {"attributes": "org_ab"}}},
            {"document": {"data": {"attributes": {"creator-id": ["api_ab"]}}}},
        ],
    )
    def test_odd_states(self, state: dict[str, object]) -> None:
        assert answered(Answer(Outcome.OK, state=state)).state == state

    def test_events_in_a_tuple(self) -> None:
        (a,) = sent("org_Aab")
        state: dict[str, object] = {"events": ({"organization": a},)}
        assert answered(Answer(Outcome.OK, state=state)).state == {
            "events": [{"organization": "org_Aab"}]
        }


class Recording(ReferenceSystem):
    """Writes down its answers."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__()
        self._answers = answers

    def create(self, **call: Any) -> Answer:
        return self._kept(super().create(**call))

    def act(self, **call: Any) -> Answer:
        return self._kept(super().act(**call))

    def share(self, **call: Any) -> Answer:
        return self._kept(super().share(**call))

    def read(self, **call: Any) -> Answer:
        return self._kept(super().read(**call))

    def _kept(self, answer: Answer) -> Answer:
        self._answers.append(answer)
        return answer


class TestKnownByHeart:
    """Who answers without looking does not conform."""

    def test_a_replay_of_recorded_answers(self) -> None:
        """It passes only if the same is asked again."""
        among = [each for each in load_vectors() if each.id.startswith(("story/", "walk/"))]

        def recorded(seed: int) -> Iterable[Answer]:
            answers: list[Answer] = []
            assert run(lambda: Recording(answers), among=among, shuffle=seed).passed
            return answers

        same = Recorder(*recorded(3))
        assert run(lambda: same, among=among, shuffle=3).passed
        assert [call for call in same.calls if call[0] != "close"]
        for seed in (4, 0):
            other = Recorder(*recorded(3))
            report = run(lambda system=other: system, among=among, shuffle=seed)  # type: ignore[misc]
            assert not report.passed
            assert report.counts()[Result.FAIL] > 0

    def test_ok_to_everything(self) -> None:
        report = run(Recorder, shuffle=1)
        assert not report.passed
        assert not report.conforms
        assert report.counts()[Result.FAIL] > 100
