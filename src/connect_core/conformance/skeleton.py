"""Skeletons of a program that speaks the line protocol, one file for each language.

A skeleton answers every request as an implementation without Connections. Whoever tests an
implementation fills in four functions. The files are data: nothing here imports or runs one.
"""

from importlib.resources import files
from typing import Final, NamedTuple

_FOLDER: Final = files("connect_core.conformance") / "skeletons"
#: Where a command names the file.
_FILE: Final = "FILE"


class Skeleton(NamedTuple):
    """A skeleton.

    Attributes:
        file: the name of the file.
        start: the command that starts the peer.
        build: the command that has to run before; empty if there is none.
    """

    file: str
    start: tuple[str, ...]
    build: tuple[str, ...] = ()

    def text(self) -> str:
        """The text of the file."""
        return (_FOLDER / self.file).read_text(encoding="utf-8")

    def commands(self, file: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The commands that build and start the peer, once it is in this file."""
        build, start = (
            tuple(file if word == _FILE else word for word in command)
            for command in (self.build, self.start)
        )
        return build, start


#: The skeletons, by the names of their languages.
SKELETONS: Final = {
    "python": Skeleton("peer.py", ("python3", _FILE)),
    "node": Skeleton("peer.mjs", ("node", _FILE)),
    "go": Skeleton("peer.go", ("go", "run", _FILE)),
    "java": Skeleton("Peer.java", ("java", _FILE)),
    "rust": Skeleton(
        "peer.rs", ("./peer",), build=("rustc", "--edition", "2021", "-o", "peer", _FILE)
    ),
    "perl": Skeleton("peer.pl", ("perl", _FILE)),
}
