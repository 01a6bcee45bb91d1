"""Reading files of records: list documents, values one after another, and lines."""

import io
import json
from typing import Any

import pytest
from pieces import BOM, Pieces, elements, lines, outcome, read

from connect_core.adapters.cli import reading
from connect_core.adapters.cli.reading import BrokenFileError, Found, records


class Endless:
    """An endless file."""

    def __init__(self, character: bytes) -> None:
        self.character = character

    def read(self, size: int, /) -> bytes:
        return self.character * size


ONE: dict[str, Any] = {"id": "cxn_1", "of": {"a": [1, {}]}}
TWO: dict[str, Any] = {"id": "cxn_2", "data": ["]", "}"]}
PRETTY = b"""{
  "jsonapi": {
    "version": "1.1"
  },
  "data": [
    {
      "id": "1"
    },
    {
      "id": "2"
    }
  ],
  "links": {
    "data": []
  }
}
"""


class TestListDocuments:
    """If a file is an object with an array as its `data`, the records are the elements."""

    def test_compact(self) -> None:
        one, two = (json.dumps(each, separators=(",", ":")).encode() for each in (ONE, TWO))
        assert read(b'{"data":[%b,%b]}' % (one, two)) == elements((1, one), (1, two))

    def test_pretty(self) -> None:
        assert read(PRETTY) == elements(
            (6, b'{\n      "id": "1"\n    }'), (9, b'{\n      "id": "2"\n    }')
        )

    def test_line_breaks_of_two_characters_are_one(self) -> None:
        assert read(PRETTY.replace(b"\n", b"\r\n")) == elements(
            (6, b'{\r\n      "id": "1"\r\n    }'), (9, b'{\r\n      "id": "2"\r\n    }')
        )

    @pytest.mark.parametrize(
        "document",
        [
            b'{"data":[{},[1]]}',
            b'  \t{"data" : [ {} , [1] ] } \r ',
            b'{"meta":{"data":[3,{"data":[4]}]},"data":[{},[1]]}',
            b'{"a":"\\"data\\":[","b":1.5e3,"c":null,"d":[[]],"data":[{},[1]]}',
            b'{"data":[{},[1]],"meta":{"data":[3]},"n":-1,"included":[{"data":[5]}]}',
            b'{"":"","data":[{},[1]],"":""}',
            b'{"d\\u0061t\\u0061":[{},[1]]}',
            b'{"DATA":[2],"data ":[3],"data":[{},[1]],"atad":[4]}',
            BOM + b'{"data":[{},[1]]}',
        ],
    )
    def test_whatever_stands_around_it(self, document: bytes) -> None:
        assert read(document) == elements((1, b"{}"), (1, b"[1]"))

    def test_elements_may_be_anything(self) -> None:
        every = [b'"a,]"', b"-1.50E+3", b"true", b"null", b"-Infinity", b"NaN", b"[[],[]]", b"{}"]
        found = elements(*((1, each) for each in every))
        for spaces in (b"", b" ", b" " * 30):
            joined = (spaces + b"," + spaces).join(every)
            assert read(b'{"data":[%b]}' % joined) == found

    def test_lines_are_those_on_which_elements_begin(self) -> None:
        assert read(b'\n{\n"data"\n:\n[\n\n{\n}\n,\n{}, []\n]\n}\n\n') == elements(
            (7, b"{\n}"), (10, b"{}"), (10, b"[]")
        )

    @pytest.mark.parametrize(
        "document",
        [b'{"data":[]}', b'\n{ "data" :\n[\n]\n}\n', b'{"meta":{},"data":[ ],"links":{}}'],
    )
    def test_may_be_empty(self, document: bytes) -> None:
        assert read(document) == []

    @pytest.mark.parametrize(
        "document",
        [
            b"{}",
            b"{ }",
            b"[]",
            b'[{"data":[1]}]',
            b'"data"',
            b'{"data":{}}',
            b'{"data":null}',
            b'{"data":"[1]"}',
            b'{"data":1,"data":[1]}',
            b'{"meta":{"data":[1]}}',
            b'{"other":[1]}',
            b'{"DATA":[1]}',
        ],
    )
    def test_what_has_no_array_is_a_record(self, document: bytes) -> None:
        assert read(document) == lines((1, document))

    @pytest.mark.parametrize(
        "document",
        [
            b"{",
            b'{"data"',
            b'{"data":',
            b'{"data"[1]}',
            b'{"data":x[1]}',
            b"{data:[1]}",
            b'{"meta":,"data":[1]}',
            b'{"meta":{} "data":[1]}',
            b'{"meta" {},"data":[1]}',
            b'{"meta":{},,"data":[1]}',
            b'{,"data":[1]}',
            b'{"meta":tru,"data":[1]}',
            b'{"\xff":"\n","data":[1]}'.replace(b"\n", b"\t"),
            b'"data":[1]}',
        ],
    )
    def test_what_is_not_json_until_there_is_a_line(self, document: bytes) -> None:
        assert read(document) == lines((1, document))

    @pytest.mark.parametrize(
        ("rest", "count", "line", "reason"),
        [
            (b"", 0, 1, "Expecting value"),
            (b"\n ,{}]}", 0, 2, "Expecting value"),
            (b"x" * 50, 0, 1, "Expecting value"),
            (b"{}", 1, 1, "',' or ']' is due, and there is the end"),
            (b"{}\n\n", 1, 3, "',' or ']' is due, and there is the end"),
            (b"{}\n{}]}", 1, 2, "',' or ']' is due, and there is '{'"),
            (b"{},\n", 1, 2, "Expecting value"),
            (b"{},\n]}", 1, 2, "Expecting value"),
            (b"{},\n\n,{}]}", 1, 3, "Expecting value"),
            (b"{},{}\n}", 2, 2, "',' or ']' is due, and there is '}'"),
            (b"{}\n\xff", 1, 2, r"',' or ']' is due, and there is '\udcff'"),
            (b"{\n\n1:2}]}", 0, 3, "Expecting property name enclosed in double quotes"),
            (b'{\n"a"\n\n"b"}]}', 0, 4, "Expecting ':' delimiter"),
            (b'{\n"a":1\n"b"}]}', 0, 3, "Expecting ',' delimiter"),
            (b'{\n"a":\n"', 0, 3, "Unterminated string starting at"),
            (b'{\n"a":"b\n"}]}', 0, 2, "Invalid control character at"),
            (b"{}]\n", 1, 2, "',' or '}' is due, and there is the end"),
            (b"{}\n]\n]", 1, 3, "',' or '}' is due, and there is ']'"),
            (b"{}],\n}", 1, 2, "the name of a member is due"),
            (b"{}],\n", 1, 2, "the name of a member is due"),
            (b"{}],\n,", 1, 2, "the name of a member is due"),
            (b"{}],\n1:2}", 1, 2, "the name of a member is due"),
            (b'{}],\n"a', 1, 2, "Unterminated string starting at"),
            (b'{}],"a"\n}', 1, 2, "':' is due, and there is '}'"),
            (b'{}],"a"\n', 1, 2, "':' is due, and there is the end"),
            (b'{}],"a":\n}', 1, 2, "Expecting value"),
            (b'{}],"a":1\n"b":2}', 1, 2, "',' or '}' is due, and there is '\"'"),
            (b'{}],"data":\n[{}]}', 1, 1, "the member 'data' stands twice"),
            (b'{}],"m":0,\n"d\\u0061ta":1}', 1, 2, "the member 'data' stands twice"),
            (b"{}]}\n\n{}", 1, 3, "there is something behind the end of the document"),
            (b'{}]}\n{"data":[1]}', 1, 2, "there is something behind the end of the document"),
            (b"{}]}}", 1, 1, "there is something behind the end of the document"),
            (b"{}]}\n\xff", 1, 2, "there is something behind the end of the document"),
        ],
    )
    def test_is_broken_by_what_is_not_json(
        self, rest: bytes, count: int, line: int, reason: str
    ) -> None:
        file = b'{"data":[' + rest
        expected = elements(*[(1, b"{}")] * count), (line, reason)
        assert outcome(file) == expected
        assert outcome(Pieces(file)) == expected

    def test_is_broken_by_its_end_anywhere(self) -> None:
        document = PRETTY.rstrip()
        complete = read(document)
        for end in range(document.index(b"[") + 1, len(document)):
            found, broken = outcome(document[:end])
            assert found == [
                each for each in complete if end >= document.index(each.text) + len(each.text)
            ]
            assert broken is not None
            assert broken[0] <= document.count(b"\n", 0, end) + 1

    def test_gives_each_record_before_it_reads_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_CHUNK", 16)
        file = Pieces(b'{"data":[%b]}' % b",".join([b'{"id":"1"}'] * 100), [16] * 100)
        found = records(file)
        for at in range(90):
            assert next(found) == Found(1, f"/data/{at}", b'{"id":"1"}')
            assert len(file.rest) > 1100 - 11 * at - 64


class TestLines:
    """If the first value does not go on over several lines, the records are the lines."""

    def test_one_a_line(self) -> None:
        assert read(b'{"id":"1"}\n{ "id": "2" }\n[3]\n') == lines(
            (1, b'{"id":"1"}'), (2, b'{ "id": "2" }'), (3, b"[3]")
        )

    def test_the_last_may_have_no_end(self) -> None:
        assert read(b"{}\n[]") == lines((1, b"{}"), (2, b"[]"))
        assert read(b"{}") == lines((1, b"{}"))

    def test_blank_ones_are_counted_only(self) -> None:
        assert read(b"\n \t\n{}\n\n\r\n  []\n\n") == lines((3, b"{}"), (6, b"[]"))

    def test_what_stands_behind_a_record_belongs_to_it(self) -> None:
        assert read(b"\t{} \r\n[] {}\r\n") == lines((1, b"{} \r"), (2, b"[] {}\r"))

    @pytest.mark.parametrize("content", [b"", b" ", b"\n", b"\r\n\t \n", BOM, BOM + b"\n"])
    def test_there_may_be_none(self, content: bytes) -> None:
        assert read(content) == []

    @pytest.mark.parametrize(
        "line",
        [
            b"x",
            b"{",
            b"}",
            b'"',
            b'{"id":"1"',
            b"tru",
            b"-",
            b"\x00",
            b"\xff\xfe",
            b'{"id":"\xe2\x82"}',
            b"\xe2\x82",
            b"\xed\xa0\x80",
            b"\xef",
            b"\xef\xbb",
            b"\xef\xbb\xbe",
            "{'é': '🎉\u2028\x85'}".encode(),
            b"[" * 100_000,
        ],
    )
    def test_may_be_anything(self, line: bytes) -> None:
        assert outcome(line) == (lines((1, line)), None)
        assert outcome(line + b"\n{}") == (lines((1, line), (2, b"{}")), None)
        assert outcome(b"{}\n" + line) == (lines((1, b"{}"), (2, line)), None)
        assert outcome(b"\n" + line + b"\n") == (lines((2, line)), None)

    def test_a_mark_at_the_beginning_is_no_part_of_the_first(self) -> None:
        assert read(BOM + b"{}\n" + BOM + b"{}") == lines((1, b"{}"), (2, BOM + b"{}"))
        assert read(BOM + BOM + b"{}") == lines((1, BOM + b"{}"))

    def test_are_not_ended_by_other_characters(self) -> None:
        text = '{"a":1}\r{"a":2}\x0b\x0c\x85\u2028\u2029{"a":3}'.encode()
        assert read(text) == lines((1, text))

    def test_the_first_decides(self) -> None:
        assert read(b'{"a":1}\n{\n"b":2}\n') == lines((1, b'{"a":1}'), (2, b"{"), (3, b'"b":2}'))
        assert read(b'\n{"a":1\n"b":2}\n') == lines((2, b'{"a":1'), (3, b'"b":2}'))
        assert read(b"\n\n{}\n{] }\n") == lines((3, b"{}"), (4, b"{] }"))
        assert read(b'{"a":\n') == lines((1, b'{"a":'))

    def test_may_be_long(self) -> None:
        long = b'{"a":"' + b"x" * 300_000 + b'"}'
        content = long + b"\n{}\n" + long
        assert outcome(content) == (lines((1, long), (2, b"{}"), (3, long)), None)

    def test_numbers_may_be_long(self) -> None:
        digits = b'{"a":' + b"9" * 20_000 + b"." + b"9" * 20_000 + b"e" + b"9" * 20_000 + b"}"
        integer = b"-" + b"1" * 20_000
        assert outcome(digits + b"\n" + integer) == (lines((1, digits), (2, integer)), None)
        assert outcome(b'{"meta":%b,"data":[%b\n,%b]}' % (integer, integer, digits)) == (
            elements((1, integer), (2, digits)),
            None,
        )


class TestValues:
    """If the first value goes on over several lines, the records are the values."""

    def test_one_behind_the_other(self) -> None:
        assert read(b'{\n "id": "1"\n}\n{\n "id": "2"\n}\n') == lines(
            (1, b'{\n "id": "1"\n}'), (4, b'{\n "id": "2"\n}')
        )

    def test_wherever_they_begin(self) -> None:
        assert read(b'\n\n {\r\n}{}[\n] "a" 1.5\n\n-Infinity\t{ }\r\n\r\n') == lines(
            (3, b"{\r\n}"),
            (4, b"{}"),
            (4, b"[\n]"),
            (5, b'"a"'),
            (5, b"1.5"),
            (7, b"-Infinity"),
            (7, b"{ }"),
        )

    def test_behind_a_mark(self) -> None:
        assert read(BOM + b"[\n]") == lines((1, b"[\n]"))

    def test_come_back_byte_by_byte(self) -> None:
        value = b'{\n\t"\\u00e9": "\xc3\xa9\xff\xed\xa0\x80\xf0\x9f\x8e\x89"\r\n}'
        assert read(value * 2) == lines((1, value), (3, value))

    def test_documents_without_an_array(self) -> None:
        value = b'{\n "data": {\n  "id": "1"\n }\n}'
        assert read(value + b"\n" + value) == lines((1, value), (6, value))

    @pytest.mark.parametrize(
        ("rest", "line", "reason"),
        [
            (b"x", 2, "Expecting value"),
            (b"\n\n}", 4, "Expecting value"),
            (b",{}", 2, "Expecting value"),
            (b"{\n\n", 4, "Expecting property name enclosed in double quotes"),
            (b'{"a":\n1\n"b":2}' + b" " * 20, 4, "Expecting ',' delimiter"),
            (b'\n"a', 3, "Unterminated string starting at"),
            (b'\n["\\x"]', 3, r"Invalid \escape"),
            (b'\n["\\u12x4"]', 3, r"Invalid \uXXXX escape"),
            (b"\n\xff", 3, "Expecting value"),
            (b"\n\n" + b"[\n" * 100_000, 4, "it is nested too deeply"),
            (b"\n\n" + b'{"a":\n' * 100_000, 4, "it is nested too deeply"),
        ],
    )
    def test_what_is_not_json_breaks_the_file(self, rest: bytes, line: int, reason: str) -> None:
        found, broken = outcome(b"{\n}" + rest)
        assert found == lines((1, b"{\n}"))
        assert broken is not None
        assert broken[0] == line
        assert broken[1].removesuffix(": ") == reason

    def test_are_certain_only_when_nothing_can_follow(self) -> None:
        for value in (b'"\\ud83d\\ude00"', b"-1234567.1234567e-1234567", b"-Infinity", b"false"):
            for spaces in range(15):
                file = b"{\n}" + b" " * spaces + value
                assert read(file) == lines((1, b"{\n}"), (2, value))


class TestLimits:
    """Memory is bounded, even for an endless file."""

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_CHUNK", 4)
        monkeypatch.setattr(reading, "_LONGEST", 20)

    def test_lines(self) -> None:
        longest = b"x" * 20
        for end in (b"", b"\n", b"\n{}"):
            rest = lines((2, b"{}")) if end == b"\n{}" else []
            assert outcome(Pieces(longest + end)) == (lines((1, longest)) + rest, None)
            assert outcome(Pieces(b"{}\n\nx" + longest + end)) == (
                lines((1, b"{}")),
                (3, "a record has more than 20 characters"),
            )

    @pytest.mark.parametrize("chunk", [1, 4, 33, 1000])
    def test_are_the_same_however_it_is_cut(
        self, chunk: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "_CHUNK", chunk)
        blank = b" " * 50 + b"\n"
        too_long = "a record has more than 20 characters"
        for value in (b'"' + b"x" * 18 + b'"', b"[" + b"1" * 18 + b"]", b"1" * 20):
            longer = value[:-1] + b"1" + value[-1:]
            for end in (b"", b"\n", b"\n[]", b"\n" + blank):
                rest = [b"[]"] if end == b"\n[]" else []
                assert outcome(io.BytesIO(blank + value + end)) == (
                    lines((2, value), *((3, each) for each in rest)),
                    None,
                )
                assert outcome(io.BytesIO(blank + longer + end)) == ([], (2, too_long))
                assert outcome(io.BytesIO(b"[\n]" + blank + value + end)) == (
                    lines((1, b"[\n]"), (3, value), *((4, each) for each in rest)),
                    None,
                )
                assert outcome(io.BytesIO(b"[\n]" + blank + longer + end)) == (
                    lines((1, b"[\n]")),
                    (3, too_long),
                )
            assert outcome(io.BytesIO(b'{"data":[%b,\n%b]}' % (value, value))) == (
                elements((1, value), (2, value)),
                None,
            )
            assert outcome(io.BytesIO(b'{"data":[0,\n%b]}' % longer)) == (
                elements((1, b"0")),
                (2, too_long),
            )
        mistake = b'["' + b"x" * 15 + b'"'
        assert outcome(io.BytesIO(b"[\n]" + mistake + b", :" + blank)) == (
            lines((1, b"[\n]")),
            (2, "Expecting value"),
        )
        assert outcome(io.BytesIO(b"[\n]" + mistake + b",  :" + blank)) == (
            lines((1, b"[\n]")),
            (2, too_long),
        )

    @pytest.mark.parametrize("spaces", [b"", b" ", b"  "])
    @pytest.mark.parametrize("count", [*range(4, 9), 1000])
    def test_what_stands_before_the_list(self, count: int, spaces: bytes) -> None:
        content = b"{" + spaces + b'"m":"",' * count + b'"data":[{}]}'
        found, broken = outcome(Pieces(content))
        if len(content) - len(b"[{}]}") < 32:
            assert (found, broken) == (elements((1, b"{}")), None)
        else:
            assert (found, broken) == ([], (1, "a record has more than 20 characters"))

    def test_characters_are_counted(self) -> None:
        line = "🎉".encode() * 20
        assert outcome(Pieces(b"{}\n" + line)) == (lines((1, b"{}"), (2, line)), None)

    def test_values(self) -> None:
        longest = b'[\n"' + b"x" * 15 + b'"]'
        assert outcome(Pieces(longest)) == (lines((1, longest)), None)
        assert outcome(Pieces(b"[\n]\n\n" + longest)) == (lines((1, b"[\n]"), (4, longest)), None)
        assert outcome(Pieces(b"[\n]\n\n" + longest.replace(b"x", b"xx") + b"\n[]")) == (
            lines((1, b"[\n]")),
            (4, "a record has more than 20 characters"),
        )

    def test_elements(self) -> None:
        longest = b'"' + b"x" * 18 + b'"'
        for start in (b'{"data":[{},\n', b'{"meta":0,"data":[{},\n'):
            assert outcome(Pieces(start + longest[:8] + b'"]}')) == (
                elements((1, b"{}"), (2, longest[:8] + b'"')),
                None,
            )
            assert outcome(Pieces(start + longest.replace(b"x", b"xx") + b"]}")) == (
                elements((1, b"{}")),
                (2, "a record has more than 20 characters"),
            )

    def test_other_members(self) -> None:
        assert outcome(Pieces(b'{"data":[{}],\n"a":"' + b"x" * 50 + b'"}')) == (
            elements((1, b"{}")),
            (2, "a record has more than 20 characters"),
        )
        assert outcome(Pieces(b'\n{"a":"' + b"x" * 50 + b'","data":[{}]}')) == (
            [],
            (2, "a record has more than 20 characters"),
        )

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"{}\n" * 100, lines(*((at + 1, b"{}") for at in range(100)))),
            (b"[\n]" * 100, lines(*((at + 1, b"[\n]") for at in range(100)))),
            (
                b'{"data":[%b]}' % b",\n".join([b"{}"] * 100),
                elements(*((at + 1, b"{}") for at in range(100))),
            ),
        ],
    )
    def test_are_for_each_record(self, content: bytes, found: list[Found]) -> None:
        assert read(content) == found
        assert outcome(Pieces(content, [50] * 100)) == (found, None)

    def test_blanks_are_not_held(self) -> None:
        blank = b" \n" * 100
        assert read(blank + b"{}" + blank) == lines((101, b"{} "))
        assert read(b"{\n}" + blank + b"[]" + blank) == lines((1, b"{\n}"), (102, b"[]"))
        document = b'{"data":[{}%b,%b[]%b]%b}%b' % ((blank,) * 5)
        assert read(document) == elements((1, b"{}"), (201, b"[]"))


class TestReading:
    """A file is read once, in order, and no further than its end."""

    @pytest.mark.parametrize("character", [b"x", b'"', b"1", b"[", b"{", b"\xff", b"\x00"])
    def test_endless_files_are_broken(self, character: bytes) -> None:
        assert outcome(Endless(character)) == (
            [],
            (1, "a record has more than 16777216 characters"),
        )

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            (b"x" * 19 + b"\n") * 9_000,
            b"[\n              ]" * 9_000,
            b'{"data":[%b[]]}' % (b"[               ]," * 9_000),
        ],
    )
    def test_tells_how_many_bytes_were_read(self, content: bytes) -> None:
        output: list[int] = []
        for _ in records(io.BytesIO(content), output.append):
            pass
        whole, rest = divmod(len(content), 65_536)
        assert output == [65_536] * whole + ([rest] if rest else []) + [0]

    def test_tells_it_before_the_records(self) -> None:
        output: list[int] = []
        found = records(io.BytesIO("é\n".encode() * 100_000), output.append)
        assert sum(output) == 65_536
        for _ in range(30_000):
            next(found)
            assert 65_536 <= sum(output) <= 2 * 65_536

    def test_long_records_are_read_in_longer_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_CHUNK", 4)
        for record in (b"x" * 1021 + b"\n{}", b'["' + b"x" * 1018 + b'"]\n{}'):
            file = Pieces(record, [10_000] * 100)
            found, broken = outcome(file)
            assert (len(found), broken) == (2, None)
            assert file.asked[:9] == [4, 4, 8, 16, 32, 64, 128, 256, 512]

    def test_the_file_is_not_broken_until_it_is_read(self) -> None:
        found = records(io.BytesIO(b'{"data":[{},'))
        assert next(found) == Found(1, "/data/0", b"{}")
        with pytest.raises(BrokenFileError) as caught:
            next(found)
        assert (caught.value.line, caught.value.reason) == (1, "Expecting value")
        assert str(caught.value) == "(1, 'Expecting value')"
