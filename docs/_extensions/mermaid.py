"""The directive ``mermaid``: diagrams that are drawn while the site is built.

It takes a file or a text; a fenced ``mermaid`` block works the same way. The npm package of that
name draws each diagram in Chromium, once for light pages and once for dark ones. The drawings
become part of the page, so that reading it needs no script and no network.

If Chromium or npm is missing, the page shows the diagram's text instead, and the build log says so.
In the gate, which sets ``CONNECT_CORE_REQUIRE_CHROMIUM``, that is an error.

This module chooses only colours and distances. Mermaid does the layout.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

if TYPE_CHECKING:
    from playwright.sync_api import Page

_VERSION: Final = "12.3.0"
_REQUIRED: Final = ("CONNECT_CORE_REQUIRE_CHROMIUM", "CONNECT_CORE_REQUIRE_NODE")
_log = logging.getLogger(__name__)

# --- Look ----------------------------------------------------------------------------------------

#: Furo's text and background colours, and a colour for each role, status and result. All have a
#: contrast of at least 4.5 to 1, except the lines that lead down from participants.
_COLOURS: Final = {
    "light": {
        "ink": "#1f2328",
        "paper": "#ffffff",
        "line": "#59636e",
        "faint": "#d1d9e0",
        "source": "#0757b8",
        "destination": "#7a44d6",
        "pending": "#845306",
        "active": "#1a7f37",
        "refused": "#c21f2c",
    },
    "dark": {
        "ink": "#e6edf3",
        "paper": "#131416",
        "line": "#9198a1",
        "faint": "#3d444d",
        "source": "#6cb6ff",
        "destination": "#c297ff",
        "pending": "#e3b341",
        "active": "#56d364",
        "refused": "#ff8077",
    },
}

# Text has an outline in the background colour, so that lines do not run through it. Statuses are
# widened, because Mermaid draws them too narrow for readers with a wider font.
_STYLE: Final = """
.messageText, .edgeLabel text {{
    paint-order: stroke; stroke: {paper}; stroke-width: 5px; stroke-linejoin: round;
}}
.edgeLabel rect.background {{ opacity: 0; }}
.actor-line {{ stroke: {faint}; stroke-width: 1.5px; }}
rect.actor, rect.note, .statediagram-state rect.outer {{ stroke-width: 1.5px; rx: 6px; ry: 6px; }}
rect.note {{ rx: 13px; ry: 13px; }}
.statediagram-state .divider {{ stroke-width: 0; }}
.statediagram-state rect.outer {{
    transform: scaleX(1.08); transform-box: fill-box; transform-origin: center;
}}
[data-id=source] rect.actor, [data-from=source] {{ stroke: {source}; }}
[data-id=source] text.actor > tspan {{ fill: {source}; }}
[data-id=destination] rect.actor, [data-from=destination] {{ stroke: {destination}; }}
[data-id=destination] text.actor > tspan {{ fill: {destination}; }}
[marker-end*=filled-head] {{ stroke: {active}; }}
[id$=-filled-head] path {{ fill: {active}; }}
[marker-end*=crosshead] {{ stroke: {refused}; }}
[id$=-crosshead] path {{ fill: {refused}; stroke: {refused}; }}
.messageText:has(+ [marker-end*=crosshead]) {{ fill: {refused}; }}
[id*=-state-pending] rect {{ stroke: {pending}; }}
[id*=-state-pending] text {{ fill: {pending}; }}
[id*=-state-active] rect {{ stroke: {active}; }}
[id*=-state-active] text {{ fill: {active}; }}
"""


def _options(colours: Mapping[str, str]) -> dict[str, object]:
    """Mermaid's configuration, for one of the two sets of colours."""
    ink, paper, line = colours["ink"], colours["paper"], colours["line"]
    return {
        "startOnLoad": False,
        "look": "classic",
        "layout": "dagre",
        "theme": "base",
        "themeCSS": _STYLE.format(**colours),
        "themeVariables": {
            "darkMode": colours is _COLOURS["dark"],
            "background": paper,
            "edgeLabelBackground": paper,
            "fontSize": "14px",
            "lineColor": line,
            "noteBkgColor": paper,
            "noteBorderColor": line,
            "noteTextColor": ink,
            "primaryBorderColor": line,
            "primaryColor": paper,
            "primaryTextColor": ink,
            "textColor": ink,
            "transitionLabelColor": ink,
        },
        "fontFamily": "-apple-system, BlinkMacSystemFont, Segoe UI, Helvetica, Arial, sans-serif",
        "fontSize": 14,
        # HTML labels would be cut off if the reader's font is wider than the one here.
        "htmlLabels": False,
        "flowchart": {"htmlLabels": False},
        "state": {"nodeSpacing": 40, "rankSpacing": 40},
        "sequence": {
            "actorMargin": 10,
            "boxMargin": 8,
            "diagramMarginX": 4,
            "diagramMarginY": 4,
            "height": 40,
            "messageMargin": 30,
            "mirrorActors": False,
            "noteMargin": 6,
            "width": 70,
        },
    }


# --- Drawing -------------------------------------------------------------------------------------

# A drawing without a name of its own is given one.
_DRAW: Final = """
async ([id, text, name, options]) => {
    mermaid.initialize(options);
    const holder = document.createElement("div");
    holder.innerHTML = (await mermaid.render(id, text)).svg;
    const drawing = holder.firstElementChild;
    if (!drawing.hasAttribute("aria-labelledby")) drawing.setAttribute("aria-label", name);
    return holder.innerHTML;
}
"""


class _UnavailableError(Exception):
    """A tool is missing; the text says which."""


def _script(folder: Path) -> Path:
    """The npm package's script, downloaded if it is not there yet."""
    script = folder / f"mermaid-{_VERSION}.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise _UnavailableError("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as scratch:
            command = [npm, "pack", "--silent", f"mermaid@{_VERSION}"]
            try:
                subprocess.run(command, cwd=scratch, capture_output=True, check=True, timeout=300)  # noqa: S603  # npm
            except subprocess.SubprocessError as error:
                raise _UnavailableError(f"npm could not fetch mermaid: {error}") from error
            with tarfile.open(Path(scratch) / f"mermaid-{_VERSION}.tgz") as package:
                package.extract("package/dist/mermaid.min.js", scratch, filter="data")
            Path(scratch, "package/dist/mermaid.min.js").replace(script)
    return script


class _Drawer:
    """A page in Chromium that has loaded Mermaid, opened when the first diagram is drawn."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._page: Page | None = None

    def open(self, folder: Path) -> "Page":
        """The page. The script is stored in `folder`.

        Raises:
            _UnavailableError: something is missing.
        """
        if self._page is None:
            try:
                from playwright.sync_api import sync_playwright
            except ImportError as error:
                raise _UnavailableError("Playwright is not installed") from error
            chromium = shutil.which("chromium")
            if chromium is None:
                raise _UnavailableError("Chromium is not installed")
            script = _script(folder)
            playwright = self._opened.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            self._opened.callback(browser.close)
            self._page = browser.new_page()
            self._page.add_script_tag(path=script)
        return self._page

    def close(self) -> None:
        """Close Chromium."""
        self._opened.close()
        self._page = None


_drawer = _Drawer()


def _drawn(page: "Page", text: str, number: int, name: str) -> str:
    """The diagram in both sets of colours; Furo shows one of them."""
    drawings = [
        f'<div class="only-{scheme}">'
        + str(page.evaluate(_DRAW, [f"diagram-{number}-{scheme}", text, name, _options(colours)]))
        + "</div>"
        for scheme, colours in _COLOURS.items()
    ]
    return f'<figure class="diagram">{"".join(drawings)}</figure>'


# --- Sphinx --------------------------------------------------------------------------------------


class Mermaid(SphinxDirective):
    """A diagram, from the file that the argument names or from the directive's content."""

    has_content = True
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The text, which is drawn when the page is written."""
        text = "\n".join(self.content)
        if self.arguments:
            _, path = self.env.relfn2path(self.arguments[0])
            self.env.note_dependency(path)
            text = Path(path).read_text(encoding="utf-8")
        block = nodes.literal_block(text, text, language="text", classes=["mermaid"])
        self.set_source_info(block)
        return [block]


class DrawDiagrams(SphinxPostTransform):
    """Replaces the texts of diagrams with drawings."""

    default_priority = 5
    formats = ("html",)

    def run(self, **kwargs: object) -> None:  # noqa: ARG002  # Sphinx passes none
        """Draw every diagram of the page."""
        blocks = [
            block
            for block in self.document.findall(nodes.literal_block)
            if "mermaid" in block["classes"]
        ]
        if not blocks:
            return
        try:
            page = _drawer.open(Path(self.env.srcdir).parent / "build")
        except _UnavailableError as missing:
            if any(map(os.environ.get, _REQUIRED)):
                raise ExtensionError(f"diagrams cannot be drawn: {missing}") from missing
            _log.info("%s shows diagrams as text: %s", self.env.current_document.docname, missing)
            return
        for number, block in enumerate(blocks, 1):
            self._draw(page, block, number)

    def _draw(self, page: "Page", block: nodes.literal_block, number: int) -> None:
        from playwright.sync_api import Error

        heading = block.parent.next_node(nodes.title)
        name = heading.astext() if heading else "Diagram"
        try:
            drawing = _drawn(page, block.astext(), number, name)
        except Error as error:
            _log.warning("Mermaid cannot draw this: %s", error.message, location=block)
        else:
            block.replace_self(nodes.raw("", drawing, format="html"))


def _close(app: Sphinx, error: Exception | None) -> None:
    _drawer.close()


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx. Pages are written one after another, in one browser."""
    app.add_directive("mermaid", Mermaid)
    app.add_post_transform(DrawDiagrams)
    app.connect("build-finished", _close)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
