"""Files of records in memory, read in pieces of any size."""

import io
from itertools import chain, repeat

from connect_core.adapters.cli.reading import BrokenFileError, Found, Readable, records

BOM = b"\xef\xbb\xbf"


class Pieces:
    """A file that returns pieces of given sizes, then single bytes, and ends once."""

    def __init__(self, content: bytes, sizes: list[int] | None = None) -> None:
        self.rest = content
        self.asked: list[int] = []
        self.ended = False
        self._sizes = chain(sizes or [], repeat(1))

    def read(self, size: int, /) -> bytes:
        assert not self.ended, "the file has been read beyond its end"
        self.asked.append(size)
        length = min(size, next(self._sizes))
        piece, self.rest = self.rest[:length], self.rest[length:]
        self.ended = not piece
        return piece


def outcome(file: Readable | bytes) -> tuple[list[Found], tuple[int, str] | None]:
    """The records, and the line and reason if the file is broken."""
    found: list[Found] = []
    try:
        for each in records(io.BytesIO(file) if isinstance(file, bytes) else file):
            assert isinstance(each, Found), "a file of these tests has no long records"
            found.append(each)
    except BrokenFileError as error:
        return found, (error.line, error.reason)
    return found, None


def read(file: Readable | bytes) -> list[Found]:
    """The records of a file that is not broken, in whatever pieces it is read."""
    found, broken = outcome(file)
    assert broken is None
    if isinstance(file, bytes):
        assert outcome(Pieces(file)) == (found, None)
    return found


def lines(*found: tuple[int, bytes]) -> list[Found]:
    """Records that are not part of a list document."""
    return [Found(line, "", text) for line, text in found]


def elements(*found: tuple[int, bytes]) -> list[Found]:
    """Records in a list document."""
    return [Found(line, f"/data/{at}", text) for at, (line, text) in enumerate(found)]
