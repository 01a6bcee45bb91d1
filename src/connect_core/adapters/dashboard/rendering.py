"""Rendering: templates, the files that pages load, and the header fields of every page.

Everything comes from this package: no page loads anything from elsewhere, and the policy in its
header fields forbids it.
"""

from collections.abc import Mapping
from functools import cache
from gzip import compress
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from connect_core.adapters.dashboard.links import Links

#: On every page. No script and no style but those of the same origin, no frame around it, and
#: nothing is kept.
SECURITY: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # `no-referrer` would hide the origin of a form
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
#: A file's address has its digest, so that a browser may keep the file.
_KEPT: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file that pages load.

    Attributes:
        digest: identifies its contents.
        body: its contents.
        compressed: the same, compressed with gzip.
    """

    digest: str
    body: bytes
    compressed: bytes


@cache
def asset(name: str) -> Asset | None:
    """The file with this name; None if there is none."""
    if name not in _TYPES:
        return None
    body = files("connect_core.adapters.dashboard").joinpath("assets", name).read_bytes()
    return Asset(sha256(body).hexdigest()[:16], body, compress(body, mtime=0))


def asset_response(digest: str, name: str, *, accepts_gzip: bool) -> Response | None:
    """The answer with a file; None if there is no such file, or if it has another digest."""
    found = asset(name)
    if found is None or found.digest != digest:
        return None
    headers = {
        "Cache-Control": _KEPT,
        "Content-Type": _TYPES[name],
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if accepts_gzip:
        return Response(found.compressed, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.body, headers=headers)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("connect_core.adapters.dashboard"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(template: str, links: Links, context: Mapping[str, Any]) -> str:
    """The HTML of a page.

    Args:
        template: the name of the template, without its ending.
        links: makes the addresses in it.
        context: its variables.
    """

    def asset_link(name: str) -> str:
        found = asset(name)
        return links.to("assets", "" if found is None else found.digest, name)

    page = _environment().get_template(f"{template}.html.jinja")
    return page.render({**context, "to": links.to, "asset": asset_link})
