"""Laws of reading: what holds for every file of records."""

import io
import json
from collections.abc import Callable
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st
from pieces import BOM, Pieces, lines, outcome

from connect_core.adapters.cli.reading import BrokenFileError, Found, records

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=3,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=2)
LISTS = st.lists(OBJECTS, max_size=4)
BLANKS = st.sampled_from(["", " ", "\n", "\r\n", "\t\n \n", " " * 15])
SIZES = st.lists(st.integers(1, 40), max_size=20)
MEMBERS = st.dictionaries(st.sampled_from(["", "Data", "é", '"']), VALUES, max_size=2)


@st.composite
def dumps(draw: st.DrawFn) -> Callable[[Any], str]:
    """A way to write JSON."""
    indent = draw(st.sampled_from([None, 0, 2, "\t"]))
    ascii_only = draw(st.booleans())
    end = draw(st.sampled_from(["\n", "\r\n"]))

    def dump(value: Any) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only).replace("\n", end)

    return dump


#: The parts of files that are almost right.
TOKENS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"data":[', b'"data"', b'"a":', b"{}", b"[]", b"{},"),
    *(b'{"data":[', b'{"data":[{}', b"]}", b"1", b"-", b".5", b"true", b"nul", b'"', b"\\", b"\\u"),
    *(b"\n", b"\r", b" ", b"\t", b"x", b"\xff", b"\xe2\x82", b"\xac", b"\x00", BOM, b" " * 15),
]


def almost_a_list(before: bytes, inner: bytes, after: bytes) -> bytes:
    return b'%b{"data":[%b]%b' % (before, inner, after)


#: Weighted so that valid lists occur.
FILES = (
    st.binary(max_size=60)
    | st.lists(st.sampled_from(TOKENS), max_size=20).map(b"".join)
    | st.builds(
        almost_a_list,
        st.sampled_from([b"", b"\n", BOM, b" "]),
        st.lists(st.sampled_from([b"{}", b",", b"\n", b"1", b"[]", b"{"]), max_size=5).map(
            b"".join
        ),
        st.sampled_from([b"}", b"\n}\n", b',"a":1}', b'\n,"data":[]}', b"}\n{}", b"", b"]}"]),
    )
)


def whole(content: bytes) -> list[Any] | None:
    """The elements of a list document, as a reader of all of it finds them."""
    text = content.decode("utf-8-sig", "surrogateescape")
    try:
        pairs: Any = json.loads(text, object_pairs_hook=tuple)
    except ValueError:
        return None
    if not isinstance(pairs, tuple):
        return None
    arrays: list[Any] = [value for name, value in cast(Any, pairs) if name == "data"]
    return arrays[0] if [isinstance(each, list) for each in arrays] == [True] else None


class TestLaws:
    """For every file."""

    @given(FILES, SIZES)
    @example(b"\xef", [])
    @example(b"\xef\xbb", [1])
    def test_however_it_is_cut(self, content: bytes, sizes: list[int]) -> None:
        """For all files and sizes: the outcome is the same as for the file in one piece."""
        assert outcome(Pieces(content, sizes)) == outcome(content)

    @given(LISTS, MEMBERS, MEMBERS, dumps(), st.lists(BLANKS, min_size=4, max_size=4), SIZES)
    def test_list_documents(
        self,
        objects: list[dict[str, Any]],
        before: dict[str, Any],
        after: dict[str, Any],
        dump: Callable[[Any], str],
        blanks: list[str],
        sizes: list[int],
    ) -> None:
        """For all objects, however written: they are the elements, on their lines."""
        a, b, c, d = blanks
        text = a + "{" + b
        for name, value in before.items():
            text += f"{dump(name)}{c}:{d}{dump(value)}{a},{b}"
        text += f'"data"{a}:{b}[{c}'
        expected: list[Found] = []
        for at, each in enumerate(objects):
            text += f"{d},{a}" if at else ""
            line = text.count("\n") + 1
            expected.append(Found(line, f"/data/{at}", dump(each).encode()))
            text += dump(each)
        text += f"{b}]{c}"
        for name, value in after.items():
            text += f",{d}{dump(name)}{a}:{b}{dump(value)}{c}"
        text += "}" + d
        found, broken = outcome(Pieces(text.encode(), sizes))
        assert broken is None
        assert found == expected
        assert [json.loads(each.text) for each in found] == objects

    @given(LISTS, st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n", " \n\t\n "]), SIZES)
    def test_lines(
        self, objects: list[dict[str, Any]], ascii_only: bool, end: str, sizes: list[int]
    ) -> None:
        """For all objects, one on each line: they are the records."""
        if objects and isinstance(objects[0].get("data"), list):
            objects = [{}, *objects]
        text, begun = "", list[int]()
        for each in objects:
            begun.append(text.count("\n") + 1)
            text += json.dumps(each, ensure_ascii=ascii_only) + end
        found, broken = outcome(Pieces(text.encode(), sizes))
        assert broken is None
        assert [json.loads(each.text) for each in found] == objects
        assert [each.line for each in found] == begun
        assert {each.pointer for each in found} <= {""}

    @given(LISTS, dumps(), BLANKS, SIZES)
    def test_values(
        self,
        objects: list[dict[str, Any]],
        dump: Callable[[Any], str],
        blank: str,
        sizes: list[int],
    ) -> None:
        """For all objects after a value of several lines: they are the records."""
        text, expected = "[\n]", lines((1, b"[\n]"))
        for each in objects:
            text += blank
            expected.append(Found(text.count("\n") + 1, "", dump(each).encode()))
            text += dump(each)
        assert outcome(Pieces(text.encode(), sizes)) == (expected, None)

    @given(FILES)
    def test_anything(self, content: bytes) -> None:
        """For all bytes: records stand where they are said to stand, or the file is broken.

        And a list document that is read to its end is one for a reader of all of it, as well.
        """
        output: list[int] = []
        found: list[Found] = []
        broken: BrokenFileError | None = None
        end = 0
        try:
            for each in records(io.BytesIO(content), output.append):
                assert isinstance(each, Found), "these files are short"
                begun = sum(len(line) + 1 for line in content.split(b"\n")[: each.line - 1])
                place = content.index(each.text, max(begun, end))
                assert b"\n" not in content[begun:place]
                assert not found or not content[end:place].strip(b" \t\r\n,")
                end = place + len(each.text)
                found.append(each)
        except BrokenFileError as error:
            broken = error
        data = whole(content)
        if broken is not None:
            assert 1 <= broken.line <= content.count(b"\n") + 1
            assert broken.args == (broken.line, broken.reason)
            assert data is None
            return
        assert sum(output) == len(content)
        if data is None:
            assert {each.pointer for each in found} <= {""}
            return
        assert [each.pointer for each in found] == [f"/data/{at}" for at in range(len(data))]
        texts = (each.text.decode("utf-8", "surrogateescape") for each in found)
        assert [json.loads(text, object_pairs_hook=tuple) for text in texts] == data
