"""Differences between decision tables and between vectors: each kind, one at a time."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terminal import run_json

from connect_core.conformance.diff import (
    Difference,
    Form,
    Kind,
    compare,
    compare_tables,
    compare_vectors,
    load,
    summary,
)

#: The output of `connect-core table --json`.
TABLE: list[dict[str, Any]] = run_json("table")
ROWS = range(len(TABLE))

Json = dict[str, Any]


def words(row: Json) -> str:
    """A cell in words, built in another way than by the module."""
    by = {
        (): "an outsider",
        ("source",): "the source",
        ("destination",): "the destination",
        ("destination", "source"): "the destination and the source",
    }
    return f"{row['status'] or 'none'}, {row['action']}, by {by[tuple(row['roles'])]}"


def with_row(place: int, **members: object) -> list[Json]:
    return [row | members if n == place else row for n, row in enumerate(TABLE)]


class TestTables:
    """Every cell of the real table is changed in every way."""

    def test_no_difference(self) -> None:
        assert compare_tables(TABLE, copy.deepcopy(TABLE)) == []
        shuffled = [row | {"roles": row["roles"][::-1]} for row in reversed(TABLE)]
        assert compare_tables(TABLE, shuffled) == []

    @pytest.mark.parametrize("place", ROWS)
    def test_permitted_or_refused(self, place: int) -> None:
        row = TABLE[place]
        if row["allowed"]:
            changes: Json = {"allowed": False, "target": None, "denials": ["wrong_status"]}
            kinds = Kind.LESS_PERMISSIVE, Kind.MORE_PERMISSIVE
            answers = f"allowed, leads to {row['target']}", "refused: wrong status"
        else:
            changes = {"allowed": True, "target": "active", "denials": []}
            kinds = Kind.MORE_PERMISSIVE, Kind.LESS_PERMISSIVE
            reasons = ", ".join(row["denials"]).replace("_", " ")
            answers = f"refused: {reasons}", "allowed, leads to active"
        other = with_row(place, **changes)
        where = words(row)
        old, new = answers
        assert compare_tables(TABLE, other) == [Difference(where, kinds[0], old, new, "cell")]
        assert compare_tables(other, TABLE) == [Difference(where, kinds[1], new, old, "cell")]

    @pytest.mark.parametrize("place", ROWS)
    def test_another_answer_of_the_same_kind(self, place: int) -> None:
        row = TABLE[place]
        if row["allowed"]:
            (found,) = compare_tables(TABLE, with_row(place, target="archived"))
            answers = f"allowed, leads to {row['target']}", "allowed, leads to archived"
            assert found == Difference(words(row), Kind.LEADS_ELSEWHERE, *answers, "cell")
        else:
            (found,) = compare_tables(TABLE, with_row(place, denials=["no_reason"]))
            reasons = ", ".join(row["denials"]).replace("_", " ")
            answers = f"refused: {reasons}", "refused: no reason"
            assert found == Difference(words(row), Kind.REFUSED_OTHERWISE, *answers, "cell")

    @pytest.mark.parametrize("place", ROWS)
    def test_added_and_removed(self, place: int) -> None:
        fewer = [row for n, row in enumerate(TABLE) if n != place]
        (removed,) = compare_tables(TABLE, fewer)
        (added,) = compare_tables(fewer, TABLE)
        assert removed[:2] == (words(TABLE[place]), Kind.REMOVED)
        assert added[:2] == (words(TABLE[place]), Kind.ADDED)
        assert (removed.old, removed.new) == (added.new, added.old)
        assert removed.new == "absent"
        assert removed.old.startswith("allowed, " if TABLE[place]["allowed"] else "refused: ")

    @pytest.mark.parametrize("member", ["explanation", "advice", "remedy", "new"])
    @pytest.mark.parametrize("value", ["otherwise", True, 1, None])
    def test_other_members(self, member: str, value: object) -> None:
        (found,) = compare_tables(TABLE, with_row(0, **{member: value}))
        assert found[:2] == ("none, create, by an outsider", Kind.OTHER)
        was = f"{member} {json.dumps(TABLE[0][member])}" if member in TABLE[0] else "no new"
        assert found[2:] == (was, f"{member} {json.dumps(value)}", "cell")

    def test_true_is_not_one(self) -> None:
        found = compare_tables(with_row(0, new=True), with_row(0, new=1))
        assert [each[1:4] for each in found] == [(Kind.OTHER, "new true", "new 1")]

    def test_several(self) -> None:
        other = copy.deepcopy(TABLE)
        for row in other:
            row |= {"allowed": True, "target": "pending", "denials": []}
        refused = [row for row in TABLE if not row["allowed"]]
        elsewhere = [row for row in TABLE if row["allowed"] and row["target"] != "pending"]
        found = compare_tables(TABLE, other)
        assert [each.where for each in found] == [
            words(row) for row in TABLE if row in refused or row in elsewhere
        ]
        assert summary(found) == (
            f"{len(refused)} cells more permissive, {len(elsewhere)} leading elsewhere."
        )


# --- Vectors -------------------------------------------------------------------------------------

POINT = "CXN-OPEN-001"
ROLE_FIRST: Json = {"outcome": "wrong-role", "answers": {POINT: ["role-first"]}}
STATUS_FIRST: Json = {"outcome": "wrong-status", "answers": {POINT: ["status-first"]}}
OK: Json = {"outcome": "ok"}
NOTHING: Json = {}


def read_back(status: str, **members: object) -> Json:
    accept = [{"outcome": "ok", "state": {"status": status}}]
    return {"by": "org_Source", "connection": "main", "accept": accept} | members


def vector(name: str = "transition/active/reactivate/destination") -> Json:
    """A vector with every member."""
    return {
        "id": name,
        "title": "The destination cannot reactivate",
        "since": "1.0",
        "requirements": ["CXN-LIFE-008"],
        "needs": ["versions"],
        "open": [POINT],
        "steps": [
            {
                "verb": "create",
                "by": "org_Source",
                "connection": "main",
                "destination": "org_Destination",
                "scopes": ["inquiry.read"],
                "accept": [OK],
                "then": [read_back("pending")],
            },
            act("activate", OK),
            act("reactivate", ROLE_FIRST, STATUS_FIRST),
        ],
    }


def act(action: str, *accept: Json, **members: object) -> Json:
    step = {"verb": "act", "by": "org_Destination", "connection": "main", "action": action}
    return step | {"accept": list(accept)} | members


WHERE = "transition/active/reactivate/destination"
LAST = f"{WHERE}, step 3 (act by org_Destination, action reactivate, connection main)"


def accepting(*accept: Json) -> list[Json]:
    """The vector with other permitted answers to its last step."""
    changed = vector()
    changed["steps"][2]["accept"] = list(accept)
    return [changed]


def changing(change: Callable[[Json], object]) -> list[Difference]:
    """The differences between the vector and a changed copy of it."""
    changed = vector()
    change(changed)
    return compare_vectors([vector()], [changed])


class TestSteps:
    """Differences in what a step accepts."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            pytest.param([ROLE_FIRST, STATUS_FIRST], [OK], id="newly ok"),
            pytest.param([ROLE_FIRST], [ROLE_FIRST, OK], id="ok too"),
            pytest.param([ROLE_FIRST], [ROLE_FIRST, STATUS_FIRST], id="more outcomes"),
            pytest.param([], [ROLE_FIRST], id="anything at all"),
            pytest.param([ROLE_FIRST], [{"outcome": "wrong-role"}], id="without a condition"),
            pytest.param(
                [ROLE_FIRST],
                [{"outcome": "wrong-role", "answers": {POINT: ["both", "role-first"]}}],
                id="on more answers",
            ),
            pytest.param(
                [{"outcome": "wrong-role", "answers": {POINT: ["a"], "CXN-OPEN-002": ["b"]}}],
                [{"outcome": "wrong-role", "answers": {POINT: ["a"]}}],
                id="on fewer conditions",
            ),
            pytest.param([{"outcome": "wrong-role"}], [ROLE_FIRST, STATUS_FIRST], id="opened"),
            pytest.param([OK], [OK, {"outcome": "stale"}], id="refused too"),
            pytest.param(
                [{"outcome": "invalid", "pointers": ["/a"]}],
                [{"outcome": "invalid", "pointers": ["/b"]}, OK],
                id="newly ok beside another change",
            ),
        ],
    )
    def test_more_and_less(self, old: list[Json], new: list[Json]) -> None:
        (more,) = compare_vectors(accepting(*old), accepting(*new))
        (less,) = compare_vectors(accepting(*new), accepting(*old))
        assert more[:2] == (LAST, Kind.MORE_PERMISSIVE)
        assert less[:2] == (LAST, Kind.LESS_PERMISSIVE)
        assert (more.old, more.new, more.what) == (less.new, less.old, "step")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            pytest.param([ROLE_FIRST], [STATUS_FIRST], id="another reason"),
            pytest.param([OK, {"outcome": "stale"}], [OK, {"outcome": "invalid"}], id="beside ok"),
        ],
    )
    def test_refused_otherwise(self, old: list[Json], new: list[Json]) -> None:
        (found,) = compare_vectors(accepting(*old), accepting(*new))
        assert found[:2] == (LAST, Kind.REFUSED_OTHERWISE)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            pytest.param([ROLE_FIRST, STATUS_FIRST], [STATUS_FIRST, ROLE_FIRST], id="order"),
            pytest.param([OK], [OK, OK], id="repeated"),
            pytest.param([OK], [OK | {"state": NOTHING}], id="a required state"),
            pytest.param([OK | {"state": 1}], [OK | {"state": True}], id="true is not one"),
            pytest.param(
                [ROLE_FIRST],
                [{"outcome": "wrong-role", "answers": {POINT: ["another"]}}],
                id="on another answer",
            ),
            pytest.param(
                [ROLE_FIRST],
                [{"outcome": "wrong-role", "answers": {"CXN-OPEN-002": ["role-first"]}}],
                id="on another point",
            ),
        ],
    )
    def test_other(self, old: list[Json], new: list[Json]) -> None:
        for found in (
            compare_vectors(accepting(*old), accepting(*new)),
            compare_vectors(accepting(*new), accepting(*old)),
        ):
            assert [each[:2] for each in found] == [(LAST, Kind.OTHER)]

    def test_in_words(self) -> None:
        new = accepting(OK | {"state": {"status": "pending"}, "http": 200})
        (found,) = compare_vectors([vector()], new)
        assert found.old == (
            "wrong role, if CXN-OPEN-001 is role-first; "
            "or wrong status, if CXN-OPEN-001 is status-first"
        )
        assert found.new == 'ok, with http 200, state {"status": "pending"}'
        (found,) = compare_vectors([vector()], accepting())
        assert found.new == "nothing"

    def test_the_order_of_answers_does_not_matter(self) -> None:
        one, other = ({"outcome": "stale", "answers": {POINT: a}} for a in (["a", "b"], ["b", "a"]))
        assert compare_vectors(accepting(one), accepting(other)) == []

    def test_another_state_in_a_read_back(self) -> None:
        found = changing(lambda each: each["steps"][0].update(then=[read_back("active")]))
        where = f"{WHERE}, step 1, read-back 1 (read by org_Source, connection main)"
        answers = 'ok, with state {"status": "pending"}', 'ok, with state {"status": "active"}'
        assert found == [Difference(where, Kind.OTHER, *answers, "step")]

    def test_a_read_back_that_is_refused(self) -> None:
        refused = read_back("pending", accept=[{"outcome": "not-found"}])
        (found,) = changing(lambda each: each["steps"][0].update(then=[refused]))
        assert found.kind is Kind.LESS_PERMISSIVE

    def test_another_read_back(self) -> None:
        further = read_back("pending", by="org_Other")
        (added,) = changing(lambda each: each["steps"][0]["then"].append(further))
        words = "absent", "read by org_Other, connection main", "step"
        assert added == Difference(f"{WHERE}, step 1, read-back 2", Kind.ADDED, *words)
        (removed,) = changing(lambda each: each["steps"][0].pop("then"))
        assert removed[:2] == (f"{WHERE}, step 1, read-back 1", Kind.REMOVED)

    @pytest.mark.parametrize("place", range(4))
    def test_added_and_removed(self, place: int) -> None:
        """An added step does not make the steps after it differ."""
        changed = vector()
        changed["steps"].insert(place, act("deactivate", OK, expected_version=2))
        call = "act by org_Destination, action deactivate, connection main, expected_version 2"
        (added,) = compare_vectors([vector()], [changed])
        (removed,) = compare_vectors([changed], [vector()])
        where = f"{WHERE}, step {place + 1}"
        assert added == Difference(where, Kind.ADDED, "absent", call, "step")
        assert removed == Difference(where, Kind.REMOVED, call, "absent", "step")

    @pytest.mark.parametrize(
        ("member", "value", "call"),
        [
            ("verb", "share", "share by"),
            ("by", "org_Other", "act by org_Other"),
            ("connection", "back", "connection back"),
            ("action", "deactivate", "action deactivate"),
            ("action", None, "action null"),
            ("expected_version", 3, "expected_version 3"),
        ],
    )
    def test_another_call(self, member: str, value: object, call: str) -> None:
        (found,) = changing(lambda each: each["steps"][1].update({member: value}))
        assert found[:2] == (f"{WHERE}, step 2", Kind.OTHER)
        assert found.old == "act by org_Destination, action activate, connection main"
        assert call in found.new

    def test_a_call_with_a_value_of_another_type(self) -> None:
        old, new = vector(), vector()
        for each, value in ((old, 1), (new, "1")):
            each["steps"][1]["expected_version"] = value
        assert [each.kind for each in compare_vectors([old], [new])] == [Kind.OTHER]

    def test_many_equal_steps(self) -> None:
        steps = [act("activate", OK), act("deactivate", OK)] * 150
        old, new = ({"id": "a", "steps": each} for each in (steps, [act("reactivate", OK), *steps]))
        assert [each[:2] for each in compare_vectors([old], [new])] == [("a, step 1", Kind.ADDED)]

    def test_the_order_of_members_does_not_matter(self) -> None:
        step = act("activate", OK | {"state": {"a": 1, "b": 2}})
        other = act("activate", OK | {"state": {"b": 2, "a": 1}})
        reordered = {name: other[name] for name in reversed(other)}
        old, new = ({"id": "a", "steps": [each]} for each in (step, reordered))
        assert compare_vectors([old], [new]) == []

    def test_a_difference_after_an_added_step(self) -> None:
        changed = accepting(OK)[0]
        changed["steps"].insert(1, act("deactivate", OK))
        found = compare_vectors([vector()], [changed])
        assert [each.kind for each in found] == [Kind.ADDED, Kind.MORE_PERMISSIVE]
        assert found[1].where == LAST.replace("step 3", "step 4")


class TestVectors:
    """Whole vectors, and their other members."""

    def test_no_difference(self) -> None:
        old = {"specification": "1.0", "vectors": [vector("a"), vector("b")]}
        assert compare_vectors(old, copy.deepcopy(old)) == []
        assert compare_vectors(old, [vector("b"), vector("a")]) == []

    def test_added_and_removed(self) -> None:
        (added,) = compare_vectors([], {"vectors": [vector()]})
        (removed,) = compare_vectors([vector()], [])
        title = "The destination cannot reactivate (3 steps)"
        assert added == Difference(WHERE, Kind.ADDED, "absent", title, "vector")
        assert removed == Difference(WHERE, Kind.REMOVED, title, "absent", "vector")

    @pytest.mark.parametrize(("count", "words"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
    def test_one_step_or_several(self, count: int, words: str) -> None:
        short: Json = {"id": "a", "steps": [act("activate", OK)] * count}
        assert [each.new for each in compare_vectors([], [short])] == [f" ({words})"]

    @pytest.mark.parametrize("member", ["title", "since", "requirements", "needs", "open"])
    def test_its_other_members(self, member: str) -> None:
        (found,) = changing(lambda each: each.update({member: "otherwise"}))
        was = f"{member} {json.dumps(vector()[member])}"
        assert found == Difference(WHERE, Kind.OTHER, was, f'{member} "otherwise"', "vector")
        (found,) = changing(lambda each: each.update({member: "é"}))
        assert found.new == f'{member} "é"'
        (found,) = changing(lambda each: each.pop(member))
        assert found == Difference(WHERE, Kind.OTHER, was, f"no {member}", "vector")

    def test_everything_at_once(self) -> None:
        changed = accepting(OK)[0] | {"title": "Otherwise", "since": "1.1"}
        found = compare_vectors([vector(), vector("b")], [changed, vector("c")])
        assert [(each.kind, each.what) for each in found] == [
            (Kind.OTHER, "vector"),
            (Kind.MORE_PERMISSIVE, "step"),
            (Kind.REMOVED, "vector"),
            (Kind.ADDED, "vector"),
        ]
        assert found[0].new == 'title "Otherwise", since "1.1"'
        assert summary(found) == (
            "1 step more permissive, 1 vector added, 1 removed, 1 different otherwise."
        )


class TestSummary:
    """One sentence."""

    @pytest.mark.parametrize(
        ("differences", "sentence"),
        [
            ([], "No difference."),
            ([(Kind.ADDED, "cell")], "1 cell added."),
            ([(Kind.ADDED, "vector"), (Kind.REMOVED, "step")], "1 vector added, 1 step removed."),
            (
                [(Kind.LESS_PERMISSIVE, "cell"), *[(Kind.MORE_PERMISSIVE, "cell")] * 2],
                "2 cells more permissive, 1 less permissive.",
            ),
            (
                [(kind, "step") for kind in reversed(Kind)],
                "1 step more permissive, 1 less permissive, 1 leading elsewhere, "
                "1 refused otherwise, 1 added, 1 removed, 1 different otherwise.",
            ),
            (
                [(Kind.OTHER, "vector"), (Kind.OTHER, "step"), (Kind.OTHER, "step")],
                "2 steps different otherwise, 1 vector different otherwise.",
            ),
        ],
    )
    def test_it(self, differences: list[tuple[Kind, str]], sentence: str) -> None:
        given = [Difference("here", kind, "", "", what) for kind, what in differences]
        assert summary(given) == sentence


# --- Files ---------------------------------------------------------------------------------------


def written(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        load(path)
    return str(caught.value)


class TestLoad:
    """Whether a file holds a table or vectors, or what is wrong with it and where."""

    def test_a_table(self, tmp_path: Path) -> None:
        document = load(written(tmp_path / "table.json", TABLE))
        assert document == (Form.TABLE, TABLE)

    @pytest.mark.parametrize("value", [{"vectors": [vector()]}, [vector()]], ids=["file", "list"])
    def test_vectors(self, tmp_path: Path, value: object) -> None:
        assert load(written(tmp_path / "v.json", value)) == (Form.VECTORS, [vector()])

    def test_no_vectors(self, tmp_path: Path) -> None:
        assert load(written(tmp_path / "v.json", {"vectors": []})) == (Form.VECTORS, [])

    def test_a_directory(self, tmp_path: Path) -> None:
        written(tmp_path / "b.json", {"vectors": [vector("b")]})
        written(tmp_path / "deep" / "c.json", {"vectors": [vector("c")]})
        written(tmp_path / "a.json", [vector("a2"), vector("a1")])
        (tmp_path / "README.md").write_text("no vectors", encoding="utf-8")
        names = [each["id"] for each in load(str(tmp_path)).records]
        assert names == ["a2", "a1", "b", "c"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (b"{", " is not JSON: "),
            (b"\xff", " is not JSON: byte 0 is not UTF-8; give what 'connect-core table --json'"),
            (
                b'{"vectors": [], "vectors": [], "x": 1, "x": 1}',
                ": the member 'vectors' stands twice (at /vectors)",
            ),
            (b"[]", ": this is neither a decision table nor vectors; give what 'connect-core"),
            (b"{}", ": this is neither a decision table nor vectors; give "),
            (b"7", ": this is neither a decision table nor vectors; give "),
            (b"[1]", ": this is neither a decision table nor vectors; give "),
            (b'{"vectors": 7}', ": the vectors must be a list, not 7"),
            (b'{"vectors": [7]}', ": each of the vectors must be an object, not 7"),
            (b'[{"id": "a", "steps": []}, 7]', ": each of vectors must be an object, not 7"),
        ],
    )
    def test_neither(self, tmp_path: Path, text: bytes, message: str) -> None:
        path = tmp_path / "x.json"
        path.write_bytes(text)
        assert complaint(path).startswith(f"{path}{message}")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"status": 7}, "'status' must be text, not 7"),
            ({"action": None}, "'action' must be text, not null"),
            ({"roles": "source"}, "'roles' must be a list, not \"source\""),
            ({"roles": [1]}, "each of 'roles' must be text, not 1"),
            ({"allowed": 1}, "'allowed' must be true or false, not 1"),
            ({"denials": None}, "'denials' must be a list, not null"),
            ({"denials": [NOTHING]}, "each of 'denials' must be text, not {}"),
        ],
    )
    def test_rows_that_are_not_valid(self, tmp_path: Path, changes: Json, message: str) -> None:
        path = written(tmp_path / "x.json", with_row(3, **changes))
        assert complaint(path) == f"{path}: {message}"

    @pytest.mark.parametrize("member", ["status", "roles", "allowed"])
    def test_rows_without_a_required_member(self, tmp_path: Path, member: str) -> None:
        rows = [{name: row[name] for name in row if name != member} for row in TABLE]
        path = written(tmp_path / "x.json", rows)
        assert complaint(path) == f"{path}: a row of a decision table needs {member}"

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({"id": 7, "steps": []}, "a vector's 'id' must be text, not 7"),
            ({"id": "a"}, "the steps of 'a' must be a list, not null"),
            ({"id": "a", "steps": [7]}, "each of the steps of 'a' must be an object, not 7"),
            ({"id": "a", "steps": [NOTHING]}, "'accept' in a must be a list, not null"),
            (
                {"id": "a", "steps": [act("x", NOTHING)]},
                "'outcome' in a must be text, not null",
            ),
            (
                {"id": "a", "steps": [act("x", OK | {"answers": []})]},
                "'answers' in a must be an object, not []",
            ),
            (
                {"id": "a", "steps": [act("x", OK | {"answers": {POINT: "x"}})]},
                f'{POINT} in a must be a list, not "x"',
            ),
            (
                {"id": "a", "steps": [act("x", OK | {"answers": {POINT: [1]}})]},
                f"each of {POINT} in a must be text, not 1",
            ),
            (
                {"id": "a", "steps": [act("x", OK, then=[{"accept": 7}])]},
                "'accept' in a must be a list, not 7",
            ),
            (
                {"id": "a", "steps": [act("x", OK, then=[read_back("active", then=[])])]},
                "'then' in 'a' cannot have a 'then' of its own",
            ),
            (
                {"id": "a", "steps": "x" * 1000},
                f"the steps of 'a' must be a list, not \"{'x' * 59}",
            ),
        ],
    )
    def test_vectors_that_are_not_valid(self, tmp_path: Path, value: object, message: str) -> None:
        path = written(tmp_path / "x.json", {"vectors": [value]})
        assert complaint(path) == f"{path}: {message}"

    def test_twice_in_a_file(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.json", [*TABLE, TABLE[0]])
        cell = "'none, create, by an outsider'"
        assert complaint(path) == f"{path}: {cell} is there twice; remove one of them"
        path = written(tmp_path / "y.json", [vector("a"), vector("a")])
        assert complaint(path) == f"{path}: 'a' is there twice; remove one of them"

    @pytest.mark.parametrize("value", [[vector("a")], TABLE[:1]], ids=["vectors", "table"])
    def test_twice_in_a_directory(self, tmp_path: Path, value: object) -> None:
        first = written(tmp_path / "1.json", value)
        second = written(tmp_path / "2.json", value)
        message = complaint(tmp_path)
        assert message.startswith(f"{second}: '")
        assert message.endswith(f"' is in {first} already; remove one of them")

    def test_both_in_a_directory(self, tmp_path: Path) -> None:
        first, second = tmp_path / "1.json", tmp_path / "2.json"
        forms = ("a decision table", TABLE), ("vectors", [vector()])
        for (name, one), (other_name, other) in (forms, forms[::-1]):
            written(first, one)
            written(second, other)
            assert complaint(tmp_path) == (
                f"{second} holds {other_name}, and {first} holds {name}; keep them apart"
            )

    def test_an_empty_directory(self, tmp_path: Path) -> None:
        assert complaint(tmp_path).startswith(f"{tmp_path} has no files that end in .json; give ")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "none.json")


class TestCompare:
    """The contents of two files."""

    def test_tables(self, tmp_path: Path) -> None:
        old = load(written(tmp_path / "1.json", TABLE))
        new = load(written(tmp_path / "2.json", TABLE[1:]))
        assert compare(old, new) == compare_tables(TABLE, TABLE[1:]) != []

    def test_vectors(self, tmp_path: Path) -> None:
        old = load(written(tmp_path / "1.json", {"vectors": [vector()]}))
        new = load(written(tmp_path / "2.json", accepting(OK)))
        assert compare(old, new) == compare_vectors([vector()], accepting(OK)) != []

    def test_two_of_different_kinds(self, tmp_path: Path) -> None:
        old = load(written(tmp_path / "1.json", TABLE))
        new = load(written(tmp_path / "2.json", [vector()]))
        for one, other in ((old, new), (new, old)):
            with pytest.raises(ValueError, match="cannot be compared with"):
                compare(one, other)
