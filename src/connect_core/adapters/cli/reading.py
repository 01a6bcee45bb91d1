"""Reading the records of a file one at a time, however long the file is.

The beginning of a file tells which of three kinds it is. A *list document* is an object with an
array as its ``data``, whose elements are the records. If the first value in a file extends over
several lines, the records are the *values*, one after another. Otherwise, and if the first line is
a long one of an export, they are the *lines*.

This module does not read the content of a record; it only finds where the record ends. A line may
hold anything, so that a bad one does not spoil the others. In the other two kinds of file, text
that is not JSON breaks the file: nobody could tell where the next record begins.

A record is held as a whole, and may have 16,777,216 characters. The exception is a line of an
export, whose history may be of any length: if it is long, its events are read one at a time, and
each of them is held. A longer record, or a longer event, breaks the file.
"""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, Protocol

#: How much is read at a time, in bytes.
_CHUNK: Final = 1 << 16
#: The longest record, in characters. A file may be anything; what is held in memory is bounded.
_LONGEST: Final = 1 << 24
#: The longest line of an export that is held as a whole, in characters: some thousand events.
_LONG: Final = 1 << 20
#: A mistake, or an end, this close to the end of what has been read may turn out not to be one. The
#: longest word in JSON is shorter: ``-Infinity``.
_MARGIN: Final = 12

_NOT_BLANK: Final = re.compile(r"[^ \t\r\n]")
#: How a line of an export begins.
_EXPORTED: Final = re.compile(r'\{[ \t]*"data"[ \t]*:[ \t]*\{')
# Numbers are not computed: the record's reader limits how long they may be.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)


class Readable(Protocol):
    """A file of bytes."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        ...


class Found(NamedTuple):
    """A record in a file.

    Attributes:
        line: the line on which it begins, counted from 1.
        pointer: the JSON Pointer of its place in the document that it is part of.
        text: the record itself, which may be anything.
    """

    line: int
    pointer: str
    text: bytes


class LongRecord:
    """A line of an export that is too long to be held. Read it before the next record.

    Attributes:
        line: its number, counted from 1.
    """

    def __init__(self, text: "_Text") -> None:
        self.line = text.line
        self._file = _RestOfLine(text)

    def parts(self) -> Iterator[Found]:
        """Its resource object, and then its events, in order; once.

        Raises:
            MistakeError: it does not continue as a line of an export.
            BrokenFileError: one of the parts is too long.
        """
        try:
            yield from _parts(_Text(self._file, lambda _: None))
        except _TooLongError as error:
            raise BrokenFileError(self.line, error.reason) from None
        except BrokenFileError as error:
            raise MistakeError(error.reason) from None

    def skip(self) -> None:
        """Take what is left of the line."""
        while self._file.read(_CHUNK):
            pass


class MistakeError(Exception):
    """A long record is not what it seemed to be; the next one is not affected.

    Attributes:
        reason: what is wrong with it, without a full stop.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BrokenFileError(Exception):
    """The file is broken: nobody could tell where the next record begins.

    Attributes:
        line: where, counted from 1.
        reason: what is wrong there, without a full stop.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


class _TooLongError(BrokenFileError):
    """A record, or a part of it, is too long to be held."""


def records(
    file: Readable, advance: Callable[[int], None] = lambda _: None
) -> Iterator[Found | LongRecord]:
    """The records in a file, in order.

    Args:
        file: the file, in UTF-8. Other bytes are left to the reader of the record.
        advance: is called with the number of bytes read since the last call.

    Raises:
        BrokenFileError: the file does not continue as the kind that it began as.
    """
    text = _Text(file, advance)
    if _is_list(text):
        return _elements(text)
    return _values(text) if _has_long_values(text) else _lines(text)


# --- Kinds of files ------------------------------------------------------------------------------


def _is_list(text: "_Text") -> bool:
    """Whether it begins with an object whose `data` is an array."""
    with text.looking_ahead():
        try:
            for name in _members(text):
                if name == "data":
                    return text.peek() == "["
                text.value()
        except BrokenFileError:
            pass
        return False


def _has_long_values(text: "_Text") -> bool:
    """Whether its first value extends over several lines."""
    with text.looking_ahead():
        try:
            text.peek()
            if text.has_long_export():
                return False
            first = text.line
            text.value()
        except BrokenFileError:
            return False
        return text.line > first


def _lines(text: "_Text") -> Iterator[Found | LongRecord]:
    while text.peek():
        if text.has_long_export():
            record = LongRecord(text)
            yield record
            record.skip()
        else:
            line = text.line
            yield Found(line, "", _bytes(text.rest_of_line()))


def _values(text: "_Text") -> Iterator[Found]:
    while text.peek():
        line = text.line
        yield Found(line, "", _bytes(text.value()))


def _elements(text: "_Text") -> Iterator[Found]:
    """The elements of `data` in the object that begins here."""
    seen = False
    for name in _members(text):
        if name != "data":
            text.value()
            continue
        if seen:
            raise text.broken("the member 'data' stands twice")
        seen = True
        yield from _array(text, "/data")
    if text.peek():
        raise text.broken("there is something behind the end of the document")


def _parts(text: "_Text") -> Iterator[Found]:
    """The parts of the line of an export that begins here: its `data`, and then its history."""
    due = ["data", "meta"]
    for name in _members(text):
        if name not in due[:1]:
            raise text.broken(f"a long record has 'data' and 'meta', and there is {name!r}")
        if due.pop(0) == "data":
            yield Found(text.line, "/data", _bytes(text.value()))
        else:
            yield from _history(text)
    if text.peek():
        raise text.broken("there is something behind the end of the document")


def _history(text: "_Text") -> Iterator[Found]:
    """The events in the `meta` that begins here, whose only member they are."""
    due = ["history"]
    for name in _members(text):
        if name not in due:
            raise text.broken(f"the 'meta' of a long record has 'history', and there is {name!r}")
        due = []
        yield from _array(text, "/meta/history")


def _array(text: "_Text", pointer: str) -> Iterator[Found]:
    text.expect("[")
    if text.peek() == "]":
        text.expect("]")
        return
    index = 0
    while True:
        text.peek()
        line = text.line
        yield Found(line, f"{pointer}/{index}", _bytes(text.value()))
        if text.expect(",]") == "]":
            return
        index += 1


def _members(text: "_Text") -> Iterator[str]:
    """The names in the object that begins here. The caller takes the value after each."""
    text.expect("{")
    if text.peek() == "}":
        text.expect("}")
        return
    while True:
        if text.peek() != '"':
            raise text.broken("the name of a member is due")
        name: str = json.loads(text.value())
        text.expect(":")
        yield name
        if text.expect(",}") == "}":
            return


def _bytes(text: str) -> bytes:
    """The bytes that `text` was read from."""
    return text.encode("utf-8", "surrogateescape")


# --- Text ----------------------------------------------------------------------------------------


class _Text:
    """The text of a file from the current place on. It holds only as much as it has to.

    Attributes:
        line: the line of the current place, counted from 1.
    """

    def __init__(self, file: Readable, advance: Callable[[int], None]) -> None:
        self.line = 1
        self._file = file
        self._advance = advance
        # Bytes that are not UTF-8 become surrogates, which `_bytes` turns back.
        self._decoder = getincrementaldecoder("utf-8")("surrogateescape")
        # The byte order mark that may begin a file, and means nothing. The decoder "utf-8-sig"
        # would also drop an incomplete one, if the file held nothing else.
        self._mark = "\ufeff"
        self._buffer = ""
        self._position = 0
        self._kept = False
        self._ended = False

    @contextmanager
    def looking_ahead(self) -> Generator[None]:
        """Read ahead from the beginning, and return there."""
        self._kept = True
        yield
        self._kept, self._position, self.line = False, 0, 1

    def peek(self) -> str:
        """The next character that is not blank; none at the end."""
        while True:
            found = _NOT_BLANK.search(self._buffer, self._position)
            self._take(len(self._buffer) if found is None else found.start())
            if found is not None:
                return found.group()
            if not self._more():
                return ""

    def expect(self, characters: str) -> str:
        """Take the next character that is not blank, which must be one of these."""
        found = self.peek()
        if not found or found not in characters:
            due = " or ".join(f"'{character}'" for character in characters)
            raise self.broken(f"{due} is due, and there is {repr(found) if found else 'the end'}")
        return self._take(self._position + 1)

    def value(self) -> str:
        """Take the JSON value that comes next."""
        self.peek()
        while True:
            mistake, end, certain = self._decoded()
            if certain or not self._more():
                break
        if mistake is not None:
            self._record(end)
            raise self.broken(mistake)
        return self._record(end)

    def rest_of_line(self) -> str:
        """Take what is left of the line."""
        start = 0
        while (end := self._buffer.find("\n", self._position + start)) < 0:
            start = len(self._buffer) - self._position
            if not self._more():
                end = len(self._buffer)
                break
        return self._record(end)

    def has_long_export(self) -> bool:
        """Whether more than `_LONG` characters are left of the line, as an export begins one."""
        start = 0
        while (end := self._buffer.find("\n", self._position + start)) < 0:
            start = len(self._buffer) - self._position
            if start > _LONG or not self._more():
                break
        if max(start, end - self._position) <= _LONG:
            return False
        return _EXPORTED.match(self._buffer, self._position) is not None

    def part_of_line(self, length: int) -> str:
        """Take at most so many characters of what is left of the line; none at its end."""
        if self._position == len(self._buffer):
            self._more()
        end = min(self._position + length, len(self._buffer))
        line_end = self._buffer.find("\n", self._position, end)
        return self._take(end if line_end < 0 else line_end)

    def broken(self, reason: str) -> BrokenFileError:
        """The error that says what is wrong here."""
        return BrokenFileError(self.line, reason)

    def _decoded(self) -> tuple[str | None, int, bool]:
        """What is wrong with the value here, or None; where it ends; whether that is certain."""
        try:
            end = _DECODER.raw_decode(self._buffer, self._position)[1]
        except RecursionError:
            return "it is nested too deeply", self._position, True
        except json.JSONDecodeError as error:
            certain = self._is_far(error.pos) and not error.msg.startswith("Unterminated string")
            return error.msg, error.pos, certain
        return None, end, self._is_far(end)

    def _is_far(self, place: int) -> bool:
        """Whether later text cannot change what was found at `place`."""
        return place + _MARGIN < len(self._buffer)

    def _record(self, end: int) -> str:
        """Move to `end`, unless that is too far for a record, and return the text up to there."""
        if end - self._position > _LONGEST:
            raise self._too_long()
        return self._take(end)

    def _too_long(self) -> BrokenFileError:
        """The error that says that a record is too long."""
        return _TooLongError(self.line, f"a record has more than {_LONGEST} characters")

    def _take(self, end: int) -> str:
        """Move to `end`, and return the text up to there."""
        taken = self._buffer[self._position : end]
        self.line += taken.count("\n")
        self._position = end
        return taken

    def _more(self) -> bool:
        """Read more, unless the end was reached before. What has been taken is dropped."""
        if self._ended:
            return False
        if not self._kept:
            self._buffer = self._buffer[self._position :]
            self._position = 0
        if len(self._buffer) > _LONGEST + _MARGIN:
            raise self._too_long()
        # Read a long record in ever longer pieces: each time, all of it is decoded again.
        chunk = self._file.read(max(_CHUNK, len(self._buffer)))
        self._advance(len(chunk))
        self._ended = not chunk
        text = self._decoder.decode(chunk, final=self._ended)
        self._buffer += text.removeprefix(self._mark)
        self._mark = "" if text else self._mark
        return True


class _RestOfLine:
    """What is left of a line, as a file of its own."""

    def __init__(self, text: _Text) -> None:
        self._text = text

    def read(self, size: int, /) -> bytes:
        """The next bytes of at most `size` characters; none at the end of the line."""
        return _bytes(self._text.part_of_line(size))
