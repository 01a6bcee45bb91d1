"""The documentation's pages, and a runner for their code blocks.

The runner works from top to bottom, in an empty folder: it runs a page's Python in one namespace,
and its commands as a reader would type them in a clone of the repository. A ``text`` block below a
block shows what that block prints. A block that cannot be run says why, in a comment above it::

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
    """The fenced blocks that are not MyST directives."""
    return [match for match in _FENCED.finditer(text) if not match.group(1).startswith("{")]


def count_blocks(text: str) -> int:
    """How many code blocks a page has."""
    return len(_blocks(text))


def count_excused(text: str) -> int:
    """How many code blocks of a page say why they are not run."""
    return sum(bool(_REASON.search(text[: block.start()])) for block in _blocks(text))


class Runner:
    """Runs the blocks of one page, and counts them."""

    def __init__(self) -> None:
        self.ran = 0
        self._printed = ""

    def run(self, page: Path) -> Document:
        """Run every block that can be run, in order; return the document with its namespace."""
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
        """Compare the block with the last output, ignoring spaces at the ends of lines."""
        assert _lines(example.parsed) == _lines(self._printed), self._printed

    def _mermaid(self, example: Example) -> None:
        """Compare the diagram with the lifecycle or with the last output."""
        lifecycle = format(ConnectionLifecycle, "mermaid")
        assert _lines(example.parsed) in (_lines(lifecycle), _lines(self._printed))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def _console(example: Example) -> None:
    """Run each line of the block as a command."""
    for line in str(example.parsed).splitlines():
        name, *arguments = shlex.split(line, comments=True)
        if name == "export":
            variable, _, value = arguments[0].partition("=")
            os.environ[variable] = value
        elif name == "connect-core":
            _connect_core(arguments)
        else:
            assert name == "alembic", f"cannot run {line!r}: say why in a comment above the block"
            alembic.config.main(argv=arguments)  # which exits if it fails


def _connect_core(arguments: list[str]) -> None:
    """Run the command in this process, and check that it exits with 0."""
    with pytest.raises(SystemExit) as left:
        cli.app(arguments, prog_name="connect-core")
    assert left.value.code == 0, arguments


def _json(example: Example) -> None:
    json.loads(example.parsed)
