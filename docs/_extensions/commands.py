"""The directive ``commands``: the command line's reference, from the commands themselves.

Typer describes its commands in Markdown, which the directive puts into the page.
"""

import re
import subprocess
import sys

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata


def described(module: str, program: str) -> str:
    """The commands of a Typer application in Markdown, without a title: the page has its own."""
    command = [sys.executable, "-m", "typer", module, "utils", "docs", "--name", program]
    text = subprocess.run(  # noqa: S603  # our own interpreter, our own command line
        command, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    text = re.sub(r"\A# .*\n", "", text)
    # Lists of commands have truncated sentences; each command is described in full below.
    text = re.sub(r"^\*\*Commands\*\*:\n\n(\* .*\n)+", "", text, flags=re.MULTILINE)
    # The usage says how many words an argument takes; its Python type does not help readers.
    return re.sub(r"^(\* `[^`]*?) <[^`>]*>`", r"\1`", text, flags=re.MULTILINE)


class Commands(SphinxDirective):
    """``{commands} module program``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """The description, parsed like the page's own text."""
        module, program = self.arguments
        return self.parse_text_to_nodes(described(module, program), allow_section_headings=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
