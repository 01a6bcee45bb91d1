"""The pages that people read, and how what stands in their blocks is run.

A page runs from top to bottom, in a folder of its own: its Python in one namespace, its commands as
they would be typed in a clone of the repository. What a block prints can be shown in a block of
``text`` below it. A block that cannot be run says why, in a comment in the line above it::

    <!-- not run: it installs -->
"""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

import alembic.config
import pytest
from support import ROOT
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from connect_core import ConnectionLifecycle
from connect_core.adapters import cli

#: Every page, by its path.
PAGES: Final = {
    path.relative_to(ROOT).as_posix(): path
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}

_REASON: Final = re.compile(r"<!-- not run: \S.* -->\n\Z")
_FENCED: Final = re.compile(r"^ *```(.*)\n(?:.*\n)*?^ *```$", re.MULTILINE)


def _blocks(text: str) -> list[re.Match[str]]:
    """What stands between fences and is no directive of MyST."""
    return [match for match in _FENCED.finditer(text) if not match.group(1).startswith("{")]


def count_blocks(text: str) -> int:
    """How many blocks of code a page has."""
    return len(_blocks(text))


def count_excused(text: str) -> int:
    """How many of them say why they are not run."""
    return sum(bool(_REASON.search(text[: block.start()])) for block in _blocks(text))


class Runner:
    """Runs the blocks of one page, and counts them."""

    def __init__(self) -> None:
        self.ran = 0
        self._printed = ""

    def run(self, page: Path) -> Document:
        """Run all that can be run, in order; the document has what the Python has made."""
        document = Sybil(parsers=[self._parse]).parse(page)
        try:
            for example in document.examples():
                printed = StringIO()
                with redirect_stdout(printed):
                    example.evaluate()
                self._printed = printed.getvalue() or self._printed
                self.ran += 1
        finally:
            if "engine" in document.namespace:
                document.namespace["engine"].dispose()
        return document

    def _parse(self, document: Document) -> Iterator[Region]:
        parsers: list[Callable[[Document], Iterable[Region]]] = [PythonCodeBlockParser()]
        parsers += [
            CodeBlockParser(language, evaluator)
            for language, evaluator in {
                "console": _console,
                "json": _json,
                "mermaid": self._mermaid,
                "text": self._text,
            }.items()
        ]
        for parser in parsers:
            for region in parser(document):
                if not _REASON.search(document.text[: region.start]):
                    yield region

    def _text(self, example: Example) -> None:
        """What stands there is what was printed before, spaces at the ends of lines aside."""
        assert _lines(example.parsed) == _lines(self._printed), self._printed

    def _mermaid(self, example: Example) -> None:
        """What is drawn this way is the lifecycle, or what was printed before."""
        lifecycle = format(ConnectionLifecycle, "mermaid")
        assert _lines(example.parsed) in (_lines(lifecycle), _lines(self._printed))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def _console(example: Example) -> None:
    """Type the lines."""
    for line in str(example.parsed).splitlines():
        name, *arguments = shlex.split(line, comments=True)
        if name == "export":
            variable, _, value = arguments[0].partition("=")
            os.environ[variable] = value
        elif name == "connect-core":
            _connect_core(arguments)
        else:
            assert name == "alembic", f"nobody knows how to run {line!r}; say why it is not"
            alembic.config.main(argv=arguments)  # which exits if it fails


def _connect_core(arguments: list[str]) -> None:
    """The command, in this process, with the exit code of success."""
    with pytest.raises(SystemExit) as left:
        cli.app(arguments, prog_name="connect-core")
    assert left.value.code == 0, arguments


def _json(example: Example) -> None:
    json.loads(example.parsed)
