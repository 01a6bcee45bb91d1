"""The API's description, and a page to try it: Swagger UI, from a package and not from a CDN."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from connect_core.adapters.http.messages import Request, Response
from connect_core.adapters.http.openapi import openapi_document
from connect_core.adapters.http.operations import Setting

_HTML: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Connections API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """\
SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).pathname,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
});
"""
#: Nothing comes from elsewhere. Swagger UI sets styles of its own on elements.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    "": "text/html; charset=utf-8",
}


class Pages:
    """The pages of an application, which say nothing of any organization and need no key."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def page(self, request: Request) -> Response | None:
        """The page at the path of a request; None if it is none."""
        if request.path not in _CONTENTS and request.path != "/openapi.json":
            return None
        if request.method not in ("GET", "HEAD"):
            return Response(405, {"Allow": "GET, HEAD"})
        if request.path == "/openapi.json":
            body = self._description(request.root)
        else:
            body = _content(request.path)
        return Response(200, _fields(request.path), body)

    def _description(self, root: str) -> bytes:
        representation, extensions = self._setting
        document = openapi_document(representation=representation, extensions=extensions, root=root)
        return json.dumps(document, ensure_ascii=False).encode()


#: What each path has: text, or the name of a file of the package.
_CONTENTS: Final[Mapping[str, str]] = {
    "/docs": _HTML,
    "/docs/start.js": _START,
    "/docs/swagger-ui.css": "swagger-ui.css",
    "/docs/swagger-ui-bundle.js": "swagger-ui-bundle.js",
}


def _fields(path: str) -> Mapping[str, str]:
    return {
        "Content-Type": _TYPES[Path(path).suffix],
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }


@cache
def _content(path: str) -> bytes:
    content = _CONTENTS[path]
    if path in ("/docs", "/docs/start.js"):
        return content.encode()
    return (_files() / content).read_bytes()


def _files() -> Path:
    """The files of Swagger UI. The package is found, not imported: it has a server of its own."""
    found = find_spec("swagger_ui")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "/docs needs swagger-ui-py: pip install 'connect-core[http]'", name="swagger_ui"
        )
    return Path(found.origin).with_name("static")
