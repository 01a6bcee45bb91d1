"""How the site is built: ``uv run --group docs sphinx-build -W --keep-going docs build/site``.

Every cross-reference must lead somewhere, and every warning is an error. Nothing is fetched when
the site is read. The first build fetches the npm package that draws diagrams, if npm is there.
"""

import sys
from pathlib import Path

import connect_core

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "connect-core"
author = "The connect-core authors"
copyright = author  # noqa: A001  # Sphinx's name for it
version = release = connect_core.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "columns",
    "commands",
    "explorer",
    "mermaid",
    "names",
    "phrases",
]
exclude_patterns = ["_extensions", "examples"]

# --- Text ----------------------------------------------------------------------------------------

myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
default_role = "py:name"
nitpicky = True

autodoc_default_options = {"exclude-members": "model_config"}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_use_ivar = True

# --- Look ----------------------------------------------------------------------------------------

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = "connect-core"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it would be fetched, which a browser does not do from files
