"""Drawings within the page: an image that is an SVG file becomes the drawing itself.

So it takes the colours of the page, its text can be read aloud, searched and copied, and a page
needs nothing but itself. On a code host the same Markdown shows the same file as an image.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata

from connect_core.conformance.pictures.svg import colours


class InlineDrawings(SphinxPostTransform):
    """Puts drawings where images of them stand."""

    default_priority = 5  # before images are collected
    formats = ("html",)

    def run(self, **kwargs: object) -> None:  # noqa: ARG002  # Sphinx passes none
        """Replace every image that is an SVG file."""
        for image in list(self.document.findall(nodes.image)):
            if image["uri"].endswith(".svg"):
                drawing = Path(self.env.srcdir, image["uri"]).read_text(encoding="utf-8")
                image.replace_self(nodes.raw("", drawing, format="html"))


def write_colours(app: Sphinx) -> None:
    """Let drawings follow the page, whose reader may have chosen light or dark for it."""
    folder = Path(app.outdir, "_static")
    folder.mkdir(parents=True, exist_ok=True)
    sheet = "".join(
        colours(mode, within=f'body[data-theme="{mode}"] ') for mode in ("light", "dark")
    )
    Path(folder, "drawings.css").write_text(sheet, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Become part of Sphinx."""
    app.add_post_transform(InlineDrawings)
    app.connect("builder-inited", write_colours)
    app.add_css_file("drawings.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
