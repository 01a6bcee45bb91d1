"""Long lives: what export writes, import reads, however many events a Connection has."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from exports import THREE, Place, line, lived, seen, session_on
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL
from support import OUR_KEY, T0
from terminal import outcome, squeezed

from connect_core import Action, Actor, Connection
from connect_core.adapters.cli import loading, reading, transfer
from connect_core.adapters.cli.loading import load
from connect_core.adapters.cli.reading import (
    BrokenFileError,
    Found,
    LongRecord,
    MistakeError,
    records,
)
from connect_core.adapters.sql import History, SqlConnectionStore, histories
from connect_core.adapters.sql.bulk import Rows

PARTNER = Actor(id="usr_Rk3v", organization_id="org_long")
ROUND = ((Action.ACTIVATE, PARTNER), (Action.DEACTIVATE, PARTNER), (Action.REACTIVATE, OUR_KEY))


def long_lived(length: int, id: str = "cxn_00001_long") -> History:
    """A Connection with this many events."""
    change = Connection.create(by=OUR_KEY, destination="org_long", id=id, at=T0)
    events = [change.event]
    for step in range(length - 1):
        action, by = ROUND[step % 3]
        change = change.connection.take(action, by=by, at=T0)
        events.append(change.event)
    return History(change.connection, tuple(events))


def round_trip(place: Place, kept: list[History]) -> None:
    """Export, import into another database, and export again."""
    place.add(*kept)
    written = place.run("export")
    assert written == "".join(map(line, kept))
    other = Place.on(f"sqlite:///{place.directory / 'other.db'}", place.directory)
    number = f"{len(kept)} Connections imported.\n"
    assert other.run("import", other.file(written)) == number
    assert other.run("export") == written


class TestRoundTrip:
    """No life is too long."""

    def test_of_many_events(self, any_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """The line is longer than the longest record of another form may be."""
        monkeypatch.setattr(reading, "_LONGEST", 1 << 17)
        monkeypatch.setattr(reading, "_LONG", 1 << 16)
        monkeypatch.setattr(reading, "_CHUNK", 1 << 10)
        long = long_lived(700)
        assert len(line(long)) > 1 << 17
        round_trip(any_place, [THREE[0], THREE[1], long, THREE[2]])

    @pytest.mark.stress
    def test_of_very_many_events(self, place: Place) -> None:
        """It is longer without other limits than the usual ones."""
        written = line(long_lived(70_000))
        assert len(written) > 1 << 24
        assert place.run("import", place.file(written)) == "1 Connection imported.\n"
        assert place.run("export") == written

    @pytest.mark.parametrize("longest", [1, 2, 3, 4, 5, 1000])
    def test_in_batches_of_any_size(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, longest: int
    ) -> None:
        monkeypatch.setattr(reading, "_LONG", 100)
        for module in (loading, transfer):
            monkeypatch.setattr(module, "_BATCH", longest)
        round_trip(place, [THREE[0], long_lived(5)])

    def test_of_any_writing(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """As other programs write the same line."""
        monkeypatch.setattr(reading, "_LONG", 100)
        texts = [
            json.dumps(json.loads(line(each)), ensure_ascii=False).replace('": ', '"\t:  ') + " \r"
            for each in THREE
        ]
        file = place.file("\ufeff\n \t" + "\n\n".join(texts))
        assert place.run("import", file) == "3 Connections imported.\n"
        assert seen(place.kept()) == THREE


class Held(list[int]):
    """How many events each call of `add_rows` and `add_events` was given."""

    def on(self, monkeypatch: pytest.MonkeyPatch) -> "Held":
        add_rows, add_events = SqlConnectionStore.add_rows, SqlConnectionStore.add_events

        def rows_added(store: SqlConnectionStore, added: list[Rows]) -> Any:
            self.append(sum(len(rows.events) for rows in added))
            return add_rows(store, added)

        def events_added(store: SqlConnectionStore, events: Any) -> None:
            self.append(len(events))
            add_events(store, events)

        monkeypatch.setattr(SqlConnectionStore, "add_rows", rows_added)
        monkeypatch.setattr(SqlConnectionStore, "add_events", events_added)
        return self


class TestMemory:
    """Little is held at a time, of long records and of many."""

    def test_of_a_long_record(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_LONG", 100)
        monkeypatch.setattr(loading, "_BATCH", 10)
        held = Held().on(monkeypatch)
        assert place.run("import", place.file(line(long_lived(44)))) == "1 Connection imported.\n"
        assert held == [10, 10, 10, 10, 4]

    def test_of_many_records(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """Records are added together as long as their text is short."""
        many = [lived(number) for number in range(10)]
        monkeypatch.setattr(loading, "_MOST_BYTES", 3 * len(line(many[0])))
        held = Held().on(monkeypatch)
        file = place.file("".join(map(line, many)))
        assert place.run("import", file) == "10 Connections imported.\n"
        assert held == [16, 16, 8]

    def test_of_events(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """And so are events."""
        long = long_lived(12)
        event = json.dumps(json.loads(line(long))["meta"]["history"][1], separators=(",", ":"))
        monkeypatch.setattr(reading, "_LONG", 100)
        monkeypatch.setattr(loading, "_MOST_BYTES", 3 * len(event))
        held = Held().on(monkeypatch)
        place.run("import", place.file(line(long)))
        assert held == [3, 3, 3, 3]

    def test_of_the_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first parts are there before the rest is read."""
        monkeypatch.setattr(reading, "_LONG", 100)
        monkeypatch.setattr(reading, "_CHUNK", 64)
        content = line(long_lived(100)).encode()
        file = io.BytesIO(content)
        found = records(file)
        record = long_in(next(found))
        for number in range(50):
            assert next(record).pointer == (f"/meta/history/{number - 1}" if number else "/data")
            assert file.tell() < 1000 + 300 * number


def long_in(found: Found | LongRecord) -> Iterator[Found]:
    assert isinstance(found, LongRecord)
    return found.parts()


DATA = b'{"data":{"id":"cxn_1"},"meta":{"history":['


class TestParts:
    """A long line of an export is read in parts."""

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_LONG", 10)
        monkeypatch.setattr(reading, "_CHUNK", 4)

    def test_are_the_data_and_the_events(self) -> None:
        file = io.BytesIO(b'\n{ "data" :{"id":1},"meta":{"history":[ {"a":[]}, 2]}} \r\n[3]\n')
        found = records(file)
        record = next(found)
        assert isinstance(record, LongRecord)
        assert record.line == 2
        assert [(part.pointer, part.text) for part in record.parts()] == [
            ("/data", b'{"id":1}'),
            ("/meta/history/0", b'{"a":[]}'),
            ("/meta/history/1", b"2"),
        ]
        assert list(found) == [Found(3, "", b"[3]")]

    @pytest.mark.parametrize("taken", [0, 1, 2])
    def test_need_not_be_taken(self, taken: int) -> None:
        found = records(io.BytesIO(DATA + b"1,2,3]}}\n[4]\n" + DATA + b"5]}}"))
        record = long_in(next(found))
        for _ in range(taken):
            next(record)
        assert next(found) == Found(2, "", b"[4]")
        last = next(found)
        assert isinstance(last, LongRecord)
        assert last.line == 3
        assert list(found) == []

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (DATA + b"1,\n2]}}", "Expecting value"),
            (DATA + b'{"a":\n1}]}}', "Expecting value"),
            (DATA, "Expecting value"),
            (DATA + b"1", "',' or ']' is due, and there is the end"),
            (DATA + b"]}", "',' or '}' is due, and there is the end"),
            (DATA + b"]}}}", "there is something behind the end of the document"),
            (DATA + b"1 2]}}", "',' or ']' is due, and there is '2'"),
            (DATA + b"x]}}", "Expecting value"),
            (DATA + b'],"history":[]}}', "the 'meta' of a long record has 'history', and there is"),
            (DATA + b'],"more":[]}}', "the 'meta' of a long record has 'history', and there is 'm"),
            (DATA + b']},"meta":{}}', "a long record has 'data' and 'meta', and there is 'meta'"),
            (DATA + b']},"data":{}}', "a long record has 'data' and 'meta', and there is 'data'"),
            (b'{"data":{},"links":{}}', "a long record has 'data' and 'meta', and there is 'li"),
            (b'{"data":{},"meta":null}', "'{' is due, and there is 'n'"),
            (b'{"data":{},"meta":{"history":null}}', "'[' is due, and there is 'n'"),
            (b'{"data":{"id":x},"meta":{}}', "Expecting value"),
        ],
    )
    def test_have_mistakes(self, content: bytes, reason: str) -> None:
        """They do not affect the next line."""
        rest = content.partition(b"\n")[2]
        found = records(io.BytesIO(content + b"\n[1]\n"))
        with pytest.raises(MistakeError) as caught:
            list(long_in(next(found)))
        assert caught.value.reason.startswith(reason)
        assert str(caught.value) == caught.value.reason
        expected = [Found(2, "", rest)] if rest else []
        assert list(found) == [*expected, Found(2 + len(expected), "", b"[1]")]

    def test_may_be_missing(self) -> None:
        for rest in (b"}", b',"meta":{}}', b',"meta":{"history":[]}}'):
            found = records(io.BytesIO(b'{"data":{"id":1}' + rest))
            assert [part.text for part in long_in(next(found))] == [b'{"id":1}']

    @pytest.mark.parametrize("number", [16, 17])
    def test_are_not_too_long(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        """A longer event breaks the file, which is no export."""
        monkeypatch.setattr(reading, "_LONGEST", 20)
        monkeypatch.setattr(reading, "_LONG", 15)
        event = b'{"":"' + b"x" * (number - 3) + b'"}'
        found = records(io.BytesIO(b'\n{"data":{"":""},"meta":{"history":[1,' + event + b"]}}\n[]"))
        parts = long_in(next(found))
        assert [next(parts).text for _ in range(2)] == [b'{"":""}', b"1"]
        if number == 16:
            assert next(parts).text == event
            assert list(found) == [Found(3, "", b"[]")]
        else:
            with pytest.raises(BrokenFileError) as caught:
                next(parts)
            assert caught.value.line == 2
            assert caught.value.reason == "a record has more than 20 characters"

    @pytest.mark.parametrize(
        "content",
        [
            b'{"meta":{"history":[]},"data":{}}',
            b'[{"data":{}}' + b" " * 20 + b"]",
            b'{"data":"a long text"}',
            b'{"data" {"a": "long"}}',
            b'\xef\xbb\xbf{"data":{"a":"long one"}}',
        ],
    )
    def test_other_lines_are_held(self, content: bytes) -> None:
        assert list(records(io.BytesIO(b"1\n" + content + b"\n2"))) == [
            Found(1, "", b"1"),
            Found(2, "", content),
            Found(3, "", b"2"),
        ]

    @pytest.mark.parametrize(("length", "kind"), [(10, Found), (11, LongRecord)])
    @pytest.mark.parametrize("end", [b"", b"\n", b"\n1"])
    def test_short_lines_are_held(self, length: int, kind: type, end: bytes) -> None:
        content = b'{"data":{'
        content += b"x" * (length - len(content))
        for before in (b"", b"\n", b"1\n"):
            *_, found = records(io.BytesIO(before + content + end.removesuffix(b"1")))
            assert isinstance(found, kind)
        if kind is Found:
            first, *_ = records(io.BytesIO(content + end))
            assert first == Found(1, "", content)


def changed(history: History, *path: str | int, to: object) -> str:
    """A line of an export with one value replaced."""
    document: Any = json.loads(line(history))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document) + "\n"


HISTORY = "meta", "history"
#: Bad records: the line, the pointer, and the beginning of the detail.
BAD: dict[str, tuple[str, str, str]] = {
    "an unknown status": (
        changed(THREE[1], "data", "attributes", "status", to="archived"),
        "/data/attributes/status",
        "Input should be 'pending',",
    ),
    "a member twice": (
        line(THREE[1]).replace('"id":"cxn', '"id":"cxn_0","id":"cxn', 1),
        "/data/id",
        "the member 'id' stands twice",
    ),
    "a member of an event twice": (
        line(THREE[1]).replace('"version":4', '"version":4,"version":4'),
        "/meta/history/3/version",
        "the member 'version' stands twice",
    ),
    "an actor that is none": (
        changed(THREE[1], *HISTORY, 3, "actor", "id", to="cxn_1"),
        "/meta/history/3/actor/id",
        "expected an actor id",
    ),
    "an event that is none": (
        changed(THREE[1], *HISTORY, 2, to=5),
        "/meta/history/2",
        "Input should be an object",
    ),
    "a step that nobody may take": (
        changed(THREE[1], *HISTORY, 1, "actor", "organization_id", to="org_ABC123"),
        "/meta/history",
        "This history could not have happened: event 1 was not permitted (usr_Rk3v of org_ABC123 ",
    ),
    "a history of nothing": (
        changed(THREE[1], *HISTORY, to=[]),
        "/meta/history",
        "This history could not have happened: event 0 is missing",
    ),
    "a history of another": (
        changed(THREE[1], *HISTORY, to=json.loads(line(THREE[2]))["meta"]["history"]),
        "/meta/history",
        "it leads to another id, destination_organization_id, name, created_at than is stored",
    ),
    "a history without its end": (
        changed(THREE[1], *HISTORY, to=json.loads(line(THREE[1]))["meta"]["history"][:2]),
        "/meta/history",
        "it leads to another status than is stored",
    ),
    "no number": (
        line(THREE[1]).replace('"version":4', '"version":NaN'),
        "",
        "among the events from 3 on: NaN is not a JSON number",
    ),
    "no JSON": (
        line(THREE[1]).replace('"version":4', '"version":x'),
        "",
        "Expecting value",
    ),
}


class TestBadRecords:
    """A bad one is reported as a short one would be, but only its first bad part."""

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_LONG", 100)

    @pytest.mark.parametrize("batch", [1, 3])
    @pytest.mark.parametrize(("bad", "pointer", "detail"), BAD.values(), ids=BAD)
    def test_the_rest_is_imported(
        self,
        place: Place,
        monkeypatch: pytest.MonkeyPatch,
        bad: str,
        pointer: str,
        detail: str,
        batch: int,
    ) -> None:
        monkeypatch.setattr(loading, "_BATCH", batch)
        file = place.file(line(THREE[0]) + bad + line(THREE[2]))
        output = place.refused("import", file)
        where = f"line 2, {pointer}: {detail}" if pointer else f"line 2: {detail}"
        assert output.startswith(where), output
        assert output.endswith(
            "Nothing was imported: 1 bad record. Fix the file, or import the "
            "rest with --skip-invalid."
        )
        code, written, complained = outcome(
            "import", file, "--skip-invalid", "--database", place.url
        )
        assert (code, written) == (0, "2 Connections imported.\n")
        assert squeezed(complained).startswith(where)
        assert seen(place.kept()) == [THREE[0], THREE[2]]

    def test_what_is_there_already(self, any_place: Place) -> None:
        any_place.add(THREE[1])
        rival = line(THREE[1]).replace("cxn_00001", "cxn_x")
        file = any_place.file("".join(map(line, THREE)) + rival + line(THREE[0]))
        code, written, complained = outcome(
            "import", file, "--skip-invalid", "--database", any_place.url
        )
        assert (code, written) == (0, "2 Connections imported.\n")
        assert squeezed(complained) == (
            "line 2, /data/id: the id cxn_00001 is taken "
            "line 4, /data/id: the ordered pair org_ABC123 -> org_1 is taken by cxn_00001 "
            "line 5, /data/id: the id cxn_00000 is taken 3 records skipped."
        )
        assert seen(any_place.kept()) == THREE

    def test_a_part_that_is_too_long(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is imported from a file that is none of ours."""
        monkeypatch.setattr(reading, "_LONGEST", 2000)
        monkeypatch.setattr(reading, "_CHUNK", 100)
        bad = line(THREE[1]).replace("usr_Rk3v", "usr_" + "x" * 3000)
        file = place.file(line(THREE[0]) + bad + line(THREE[2]))
        output = place.refused("import", file, "--skip-invalid")
        assert output == (
            "line 2: a record has more than 2000 characters "
            "Nothing was imported: the file is broken at line 2."
        )

    def test_a_short_one_between(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """Problems are reported in the order of the file."""
        monkeypatch.setattr(reading, "_LONG", len(line(THREE[0])) + 10)
        long = long_lived(9)
        bad = changed(long, *HISTORY, 3, to=5)
        file = place.file("x\n" + line(THREE[0]) + bad + "y\n" + line(THREE[0]) + line(long))
        code, written, complained = outcome(
            "import", file, "--skip-invalid", "--database", place.url
        )
        assert (code, written) == (0, "2 Connections imported.\n")
        assert [each.split(":")[0] for each in complained.splitlines()] == [
            "line 1",
            "line 3, /meta/history/3",
            "line 4",
            "line 5, /data/id",
            "4 records skipped.",
        ]


def outcome_of(content: bytes, long: int) -> tuple[list[History], int, list[int], bool]:
    """What is imported, how many are not, their lines, and whether the file is broken."""
    with pytest.MonkeyPatch.context() as patch, session_on(URL.create("sqlite")) as session:
        patch.setattr(reading, "_LONG", long)
        store = SqlConnectionStore(session)
        tally = load(records(io.BytesIO(content)), store)
        lines = sorted({problem.line for problem in tally.problems})
        return seen(list(store.everything())), tally.bad, lines, tally.broken is not None


class TestLaws:
    """For every file."""

    @settings(deadline=None)
    @given(st.data())
    def test_long_or_short(self, data: st.DataObject) -> None:
        """For all mistakes in lines of an export: the same are imported, however they are read.

        The first line is that of no export, so that the file is one of lines.
        """
        content = "".join(map(line, [THREE[0], *THREE])).encode()
        for _ in range(data.draw(st.integers(0, 2))):
            place = data.draw(st.integers(0, len(content) - 1))
            piece = data.draw(
                st.sampled_from([b"", b"\n", b"x", b'"', b"{", b"}", b",", b"]", b"1", b"\xff"])
            )
            content = content[:place] + piece + content[place + data.draw(st.integers(0, 1)) :]
        content = b"1\n" + content
        assert outcome_of(content, 0) == outcome_of(content, 1 << 20)


def test_a_longer_export_is_written_as_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is in a temporary file, and nothing longer than a batch is in memory."""
    monkeypatch.setattr(transfer, "_HELD", 3000)
    monkeypatch.setattr(transfer, "_BATCH", 3)
    monkeypatch.setattr(histories, "_MOST_PLAIN", 40)
    place = Place.on(f"sqlite:///{tmp_path / 'connections.db'}", tmp_path)
    kept = [THREE[0], long_lived(50), THREE[2]]
    place.add(*kept)
    written: list[str] = []

    def target(_: str, **__: object) -> nullcontext[Callable[[str], None]]:
        return nullcontext(written.append)

    monkeypatch.setattr(transfer, "target", target)
    assert place.run("export") == ""
    assert "".join(written) == "".join(map(line, kept))
    assert max(map(len, written)) <= 3000
