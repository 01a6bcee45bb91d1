"""Loading records: which are accepted, and what is wrong with the others."""

import json
from datetime import timedelta
from typing import Any

import pytest
from exports import THREE, Place, line, lived, loaded, resource, seen, session_on
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.event import listen
from support import OUR_KEY, T0, connection_in, histories
from terminal import outcome, run_json, squeezed

from connect_core import (
    Action,
    Connection,
    ConnectionEvent,
    InvalidDocumentError,
    Role,
    Status,
    connection_document,
    list_document,
    replay,
)
from connect_core.adapters.cli import loading
from connect_core.adapters.cli.checking import shortest_history
from connect_core.adapters.sql import History, SqlConnectionStore
from connect_core.jsonapi import load_json, parse_record, record_document

A_YEAR = timedelta(days=365)


class TestWithoutAHistory:
    """A record without a history gets the shortest one, at the time of the last update."""

    WAYS: tuple[tuple[Status, int, list[Action]], ...] = (
        (Status.PENDING, 0, []),
        (Status.PENDING, 1, [Action.DEACTIVATE, Action.REACTIVATE]),
        (Status.ACTIVE, 0, [Action.ACTIVATE]),
        (Status.ACTIVE, 1, [Action.ACTIVATE]),
        (Status.INACTIVE, 0, [Action.DEACTIVATE]),
        (Status.INACTIVE, 1, [Action.DEACTIVATE]),
    )

    @pytest.mark.parametrize("to_self", [False, True])
    @pytest.mark.parametrize(("status", "days", "steps"), WAYS)
    def test_the_shortest(
        self, status: Status, days: int, steps: list[Action], to_self: bool
    ) -> None:
        known = connection_in(Status.PENDING, to_self=to_self)
        updated_at = T0 + timedelta(days=days)
        output = known.model_copy(update={"status": status, "updated_at": updated_at})
        connection, events = shortest_history(output)
        assert [event.action for event in events] == [Action.CREATE, *steps]
        assert replay(events) == connection
        assert connection == output.model_copy(update={"version": len(events)})
        assert {event.occurred_at for event in events[1:]} <= {updated_at}
        assert {event.actor.id for event in events[1:]} <= {"api_import"}
        for event in events[1:]:
            role = next(role for role in Role if role in event.roles)
            assert event.actor.organization_id == connection.organization_of(role)
        for document in (connection_document(output), connection_document(output)["data"]):
            assert loaded(json.dumps(document).encode()) == [History(connection, tuple(events))]

    @given(histories(max_steps=1), st.sampled_from(Status), st.timedeltas(timedelta(0), A_YEAR))
    def test_any(
        self,
        begun: tuple[Connection, tuple[ConnectionEvent, ...]],
        status: Status,
        later: timedelta,
    ) -> None:
        """Wherever a Connection stands, and since when: its history leads exactly there."""
        later = timedelta(milliseconds=later // timedelta(milliseconds=1))
        at = begun[0].created_at + later
        output = begun[0].model_copy(update={"status": status, "updated_at": at})
        history = shortest_history(output)
        assert replay(history.events) == history.connection
        assert history.connection == output.model_copy(update={"version": len(history.events)})
        (found,) = loaded(json.dumps(list_document([output])).encode())
        assert found == History(history.connection, tuple(history.events))
        assert connection_document(found.connection) == connection_document(output)

    def test_a_record_with_an_empty_meta_has_none(self, place: Place) -> None:
        document = {**connection_document(THREE[0].connection), "meta": None}
        assert place.run("import", place.file(json.dumps(document))) == "1 Connection imported.\n"
        assert [connection.version for connection, _ in place.kept()] == [3]


class TestWhatIsTaken:
    """Every JSON text with the same meaning is accepted, and gives the same."""

    @pytest.mark.parametrize("indent", [None, 2])
    def test_lines_and_longer_values(self, place: Place, indent: int | None) -> None:
        text = "\n".join(json.dumps(record_document(*each), indent=indent) for each in THREE)
        assert place.run("import", place.file(text)) == "3 Connections imported.\n"
        assert seen(place.kept()) == THREE

    def test_stdin(self, place: Place) -> None:
        text = "".join(map(line, THREE)).encode()
        assert place.run("import", "-", stdin=text) == "3 Connections imported.\n"
        assert seen(place.kept()) == THREE

    def test_another_writing_of_the_same(self, place: Place) -> None:
        """Times in another zone, scopes in another order: read, and checked."""
        document: Any = json.loads(line(THREE[0]))
        attributes = document["data"]["attributes"]
        attributes["scopes"] = attributes["scopes"][::-1]
        attributes["created-at"] = "2026-11-24T13:00:00.123+01:00"
        document["meta"]["history"][0]["roles"] = ["source"]
        file = place.file(json.dumps(document))
        assert place.run("import", file) == "1 Connection imported.\n"
        assert seen(place.kept()) == THREE[:1]

    def test_more_than_one_batch(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "_BATCH", 2)
        many = [lived(number) for number in range(5)]
        assert place.run("import", place.file("".join(map(line, many)))) == (
            "5 Connections imported.\n"
        )
        assert seen(place.kept()) == many

    def test_as_json(self, place: Place) -> None:
        output = run_json("import", place.file(line(THREE[0])), "--database", place.url)
        assert output == {
            "imported": 1,
            "existing": 0,
            "bad": 0,
            "problems": [],
            "more_problems": 0,
        }


def changed(history: History, *path: str | int, to: object) -> str:
    """A line of an export with one value replaced."""
    document: Any = json.loads(line(history))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document) + "\n"


ATTRIBUTES = "data", "attributes"
HISTORY = "meta", "history"

#: Bad records: the line, the pointer, and the beginning of the detail.
BAD: dict[str, tuple[str, str, str]] = {
    "no JSON": ("nonsense\n", "", "Expecting value"),
    "not an object": ("[]\n", "", "Input should be an object"),
    "nothing": ("{}\n", "", "the member 'type' is missing"),
    "no connection": ('{"data": null}\n', "/data", "Input should be an object"),
    "no UTF-8": ("\udcff\n", "", "byte 0 is not UTF-8"),
    "an unknown status": (
        changed(THREE[1], *ATTRIBUTES, "status", to="archived"),
        "/data/attributes/status",
        "Input should be 'pending',",
    ),
    "an id that is none": (
        changed(THREE[1], "data", "id", to="org_1"),
        "/data/id",
        "expected a connection id",
    ),
    "a naive time": (
        changed(THREE[1], *ATTRIBUTES, "created-at", to="2026-11-24T12:00:00.123"),
        "/data/attributes/created-at",
        "expected a time such as 2018-06-01T00:00:00.000Z, with its offset",
    ),
    "an actor that is none": (
        changed(THREE[1], *HISTORY, 1, "actor", "id", to="cxn_1"),
        "/meta/history/1/actor/id",
        "expected an actor id",
    ),
    "an action that does not exist": (
        changed(THREE[1], *HISTORY, 2, "action", to="expire"),
        "/meta/history/2/action",
        "Input should be 'create',",
    ),
    "a version that is no integer": (
        changed(THREE[1], *HISTORY, 1, "version", to=True),
        "/meta/history/1/version",
        "",
    ),
    "a step that nobody may take": (
        changed(THREE[1], *HISTORY, 1, "actor", "organization_id", to="org_ABC123"),
        "/meta/history",
        "This history could not have happened: event 1 was not permitted (usr_Rk3v of org_ABC123 ",
    ),
    "a version too many": (
        changed(THREE[1], *HISTORY, 3, "version", to=5),
        "/meta/history",
        "it leads to another status, version than is stored",
    ),
    "another role": (
        changed(THREE[1], *HISTORY, 3, "roles", to=["source", "destination"]),
        "/meta/history",
        "This history could not have happened: event 3 has roles ",
    ),
    "a history of nothing": (changed(THREE[1], *HISTORY, to=[]), "/meta/history", ""),
    "a history of another": (
        changed(THREE[1], *HISTORY, to=json.loads(line(THREE[2]))["meta"]["history"]),
        "/meta/history",
        "it leads to another id, destination_organization_id, name, created_at than is stored",
    ),
    "a history that leads elsewhere": (
        changed(THREE[1], *ATTRIBUTES, "status", to="active"),
        "/meta/history",
        "it leads to another status than is stored",
    ),
    "a history without its end": (
        changed(THREE[1], *HISTORY, to=json.loads(line(THREE[1]))["meta"]["history"][:2]),
        "/meta/history",
        "it leads to another status than is stored",
    ),
    "a member twice": (
        line(THREE[1]).replace('"id":"cxn', '"id":"cxn_0","id":"cxn', 1),
        "/data/id",
        "",
    ),
}


class TestBadRecords:
    """Each is reported with its line and place; nothing is imported, or on request the rest."""

    @pytest.mark.parametrize(("bad", "pointer", "detail"), BAD.values(), ids=BAD)
    def test_nothing_is_imported(self, place: Place, bad: str, pointer: str, detail: str) -> None:
        text = line(THREE[0]) + "\n" + bad + line(THREE[2])
        file = place.file(text.encode("utf-8", "surrogateescape"))
        output = place.refused("import", file)
        where = f"line 3, {pointer}: {detail}" if pointer else "line 3: "
        assert output.startswith(where), output
        assert detail in output
        assert output.endswith(
            "Nothing was imported: 1 bad record. Fix the file, or import the rest with "
            "--skip-invalid."
        )
        assert place.kept() == []

    @pytest.mark.parametrize(("bad", "pointer", "detail"), BAD.values(), ids=BAD)
    def test_the_rest_is_imported(self, place: Place, bad: str, pointer: str, detail: str) -> None:
        text = line(THREE[0]) + bad + line(THREE[2])
        file = place.file(text.encode("utf-8", "surrogateescape"))
        code, written, complained = outcome(
            "import", file, "--skip-invalid", "--database", place.url
        )
        assert (code, written) == (0, "2 Connections imported.\n")
        output = squeezed(complained)
        assert output.startswith(f"line 2, {pointer}: {detail}" if pointer else "line 2: ")
        assert output.endswith("1 record skipped.")
        assert seen(place.kept()) == [THREE[0], THREE[2]]

    def test_as_json(self, place: Place) -> None:
        file = place.file(line(THREE[0]) + BAD["an unknown status"][0] + BAD["no JSON"][0])
        for options, code, imported in (([], 1, 0), (["--skip-invalid"], 0, 1)):
            done = outcome("import", file, "--json", "--database", place.url, *options)
            output = json.loads(done[1])
            assert (done[0], output["imported"], output["bad"]) == (code, imported, 2)
            assert output["more_problems"] == 0
            first, second = output["problems"]
            assert (first["line"], first["pointer"]) == (2, "/data/attributes/status")
            assert first["detail"].startswith("Input should be 'pending'")
            assert (second["line"], second["pointer"]) == (3, "")

    def test_in_a_list(self, place: Place) -> None:
        """The pointer leads from the top of the file."""
        bad = json.loads(BAD["an unknown status"][0])["data"]
        document = {"data": [resource(THREE[0]), bad, resource(THREE[2])]}
        output = place.refused("import", place.file(json.dumps(document, indent=1)))
        lines = json.dumps(document, indent=1).splitlines()
        number = [n for n, each in enumerate(lines, 1) if each == "  {"][1]
        assert output.startswith(f"line {number}, /data/1/attributes/status: Input should be")

    def test_all_problems_of_all_records_in_order(self, place: Place) -> None:
        two: Any = json.loads(line(THREE[0]))
        two["data"]["attributes"] |= {"status": "x", "creator-id": "y"}
        text = json.dumps(two) + "\nnonsense\n" + line(THREE[2]) + line(THREE[2])
        code, _, complained = outcome("import", place.file(text), "--database", place.url)
        assert code == 1
        lines = complained.splitlines()
        assert [each.split(":")[0] for each in lines if each.startswith("line ")] == [
            "line 1, /data/attributes/status",
            "line 1, /data/attributes/creator-id",
            "line 2",
            "line 4, /data/id",
        ]
        assert "Nothing was imported: 3 bad records." in complained

    @pytest.mark.parametrize("one", [True, 1.0])
    def test_what_python_takes_for_one(self, place: Place, one: object) -> None:
        output = place.refused(
            "import", place.file(changed(THREE[0], *HISTORY, 0, "version", to=one))
        )
        assert output.startswith("line 1, /meta/history/0/version: Input should be a valid integer")

    def test_of_very_many_the_first(self, place: Place) -> None:
        file = place.file("nonsense\n" * 105)
        output = place.refused("import", file)
        assert output.count("Expecting value") == 100
        assert "line 100: " in output
        assert "line 101: " not in output
        assert " and 5 more problems Nothing was imported: 105 bad records. " in output
        done = outcome("import", file, "--json", "--database", place.url)
        assert json.loads(done[1])["more_problems"] == 5
        assert len(json.loads(done[1])["problems"]) == 100

    def test_one_more_than_are_told(self, place: Place) -> None:
        output = place.refused("import", place.file("nonsense\n" * 101))
        assert " and 1 more problem Nothing " in output

    def test_text_from_the_file_does_not_disturb_the_terminal(self, place: Place) -> None:
        bad = changed(THREE[0], "data", "id", to="\x1b[31m\u202e")
        output = place.refused("import", place.file(bad))
        assert "\x1b" not in output
        assert "\u202e" not in output


class TestWhatIsThereAlready:
    """An id or an ordered pair that is taken, in the database or earlier in the file."""

    def test_an_id(self, any_place: Place) -> None:
        any_place.add(THREE[0])
        output = any_place.refused("import", any_place.file(line(THREE[0])))
        assert output.startswith(
            "line 1, /data/id: the id cxn_00000 is taken Nothing was imported:"
        )

    def test_a_pair(self, any_place: Place) -> None:
        any_place.add(THREE[0])
        rival, event = Connection.create(by=OUR_KEY, destination="org_0", id="cxn_x", at=T0)
        output = any_place.refused("import", any_place.file(line(History(rival, (event,)))))
        assert output.startswith(
            "line 1, /data/id: the ordered pair org_ABC123 -> org_0 is taken by cxn_00000 Nothing"
        )

    def test_the_rest_goes_in(self, any_place: Place) -> None:
        any_place.add(THREE[1])
        file = any_place.file("".join(map(line, [*THREE, THREE[0]])))
        code, written, complained = outcome(
            "import", file, "--skip-invalid", "--database", any_place.url
        )
        assert (code, written) == (0, "2 Connections imported.\n")
        assert complained.splitlines() == [
            "line 2, /data/id: the id cxn_00001 is taken",
            "line 4, /data/id: the id cxn_00000 is taken",
            "2 records skipped.",
        ]
        assert seen(any_place.kept()) == THREE

    def test_in_a_list(self, place: Place) -> None:
        document = json.dumps({"data": [resource(THREE[0]), resource(THREE[0])]})
        output = place.refused("import", place.file(document))
        assert output.startswith("line 1, /data/1/id: the id cxn_00000 is taken")

    def test_is_found_by_indexes(self, place: Place) -> None:
        """However many there are: a table that was read for each record would be read too often."""
        place.add(*THREE)
        with session_on(place.url) as session:
            asked: list[tuple[str, Any]] = []

            def ask(_: object, __: object, statement: str, values: Any, *___: object) -> None:
                if statement.startswith("SELECT"):
                    asked.append((statement, values))

            listen(session.get_bind(), "before_cursor_execute", ask)
            assert SqlConnectionStore(session).add_all(THREE) == [0, 1, 2]
            plans = [
                str(row[-1])
                for statement, values in asked
                for row in session.connection().exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", values
                )
            ]
        assert len(asked) == 2  # by their ids, and by their pairs
        assert sum(step.startswith("SEARCH connections") for step in plans) == 2
        assert not [step for step in plans if step.startswith("SCAN connections")]

    def test_is_told_in_the_order_of_the_file(self, place: Place) -> None:
        output = place.refused("import", place.file(line(THREE[0]) * 2 + "nonsense\n"))
        assert output.startswith("line 2, /data/id: the id cxn_00000 is taken line 3: Expecting")

    def test_across_batches(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "_BATCH", 1)
        output = place.refused("import", place.file(line(THREE[0]) * 2))
        assert output.startswith("line 2, /data/id: the id cxn_00000 is taken")

    def test_why_is_not_looked_up_for_what_is_not_told(self, place: Place) -> None:
        place.add(THREE[0])
        output = place.refused("import", place.file("nonsense\n" * 101 + line(THREE[0])))
        assert " and 2 more problems Nothing was imported: 102 bad records. " in output


class TestBrokenFiles:
    """Nothing is imported from a broken file, whatever the options are."""

    @pytest.mark.parametrize("options", [[], ["--skip-invalid"]])
    def test_a_list(self, place: Place, options: list[str]) -> None:
        text = json.dumps({"data": [resource(each) for each in THREE]}, indent=1)
        number = text.count("\n") + 1
        output = place.refused("import", place.file(text[:-2]), *options)
        assert output.endswith(f"Nothing was imported: the file is broken at line {number - 1}.")
        assert output.startswith(f"line {number - 1}: ',' or '}}' is due, and there is the end")

    def test_longer_values(self, place: Place) -> None:
        text = json.dumps(record_document(*THREE[0]), indent=1) + "\nnonsense"
        output = place.refused("import", place.file(text), "--skip-invalid")
        number = text.count("\n") + 1
        assert f"Nothing was imported: the file is broken at line {number}." in output

    def test_as_json(self, place: Place) -> None:
        file = place.file('{"data": [')
        code, written, complained = outcome("import", file, "--json", "--database", place.url)
        output = json.loads(written)
        assert (code, output["imported"]) == (1, 0)
        assert [trouble["line"] for trouble in output["problems"]] == [1]
        assert "Nothing was imported: the file is broken at line 1." in complained


class TestRecords:
    """`parse_record` reads what `record_document` writes, and a bare resource object."""

    def test_a_bare_resource_object(self) -> None:
        record = parse_record(resource(THREE[0]))
        assert record.connection == THREE[0].connection.model_copy(update={"version": 1})
        assert (record.events, record.pointer) == (None, "")

    def test_a_document_without_a_history(self) -> None:
        record = parse_record(connection_document(THREE[0].connection))
        assert (record.connection.version, record.events, record.pointer) == (1, None, "/data")

    def test_problems_that_were_found_before(self) -> None:
        value, repeated = load_json(BAD["a member twice"][0])
        with pytest.raises(InvalidDocumentError) as caught:
            parse_record(value, repeated)
        assert [problem.pointer for problem in caught.value.problems] == ["/data/id"]
