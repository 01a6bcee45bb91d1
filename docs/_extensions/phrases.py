"""The directive ``phrases``: the phrases of a `Wording`, each with its English text."""

from dataclasses import fields

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from connect_core import Wording


def described() -> str:
    """The phrases as a table in Markdown."""
    english = Wording()
    rows = [f"| `{each.name}` | `{getattr(english, each.name)}` |" for each in fields(english)]
    return "\n".join(["| phrase | English |", "| --- | --- |", *rows])


class Phrases(SphinxDirective):
    """``{phrases}``, without arguments."""

    def run(self) -> list[nodes.Node]:
        """The table, parsed like the page's own text."""
        self.env.note_dependency(__file__)
        return self.parse_text_to_nodes(described())


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_directive("phrases", Phrases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
