"""The API's description, as an OpenAPI 3.1 document.

The schemas are made from the models of `connect_core.jsonapi`, and the examples by the code that
writes the answers.
"""

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Final, cast

from connect_core import Actor, Connection, __version__
from connect_core.adapters.http.parameters import EXTENSION, HEADERS, Part, parameters_of
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.jsonapi import (
    Representation,
    connection_document,
    history_document,
    list_document,
)
from connect_core.jsonapi.schemas import CONNECTION_SCHEMAS, error_schema, schemas

_ACTOR: Final = Actor(id="api_ABC123", organization_id="org_ABC123")
_CONNECTION, _EVENT = Connection.create(
    by=_ACTOR,
    destination="org_DEF456",
    name="Partner Connection",
    id="cxn_ABC123",
    at=datetime(2018, 6, 1, tzinfo=UTC),
)

#: What each operation says, by its path below the collection and its method.
_WORDS: Final[Mapping[tuple[str, str], tuple[str, str, str]]] = {
    ("", "get"): (
        "list_connections",
        "List Connections",
        "The Connections of the caller's organization, outbound and inbound, newest first.",
    ),
    ("", "post"): (
        "create_connection",
        "Create a Connection",
        "Offer to share with another organization. The caller's is the source, and the new"
        " Connection is pending. There is one for an ordered pair, for ever.",
    ),
    ("/{connection-id}", "get"): (
        "retrieve_connection",
        "Retrieve a Connection",
        "A Connection of the caller's organization. Its version is the `ETag`.",
    ),
    ("/{connection-id}/activate", "post"): (
        "activate_connection",
        "Activate a Connection",
        f"Accept the offer. Only the destination may, and only while it is pending. {EXTENSION}",
    ),
    ("/{connection-id}/deactivate", "post"): (
        "deactivate_connection",
        "Deactivate a Connection",
        "Withdraw. Either party may, while it is pending or active. Sharing stops at once.",
    ),
    ("/{connection-id}/reactivate", "post"): (
        "reactivate_connection",
        "Reactivate a Connection",
        "Offer again. Only the source may, while it is inactive. It is pending then: the"
        " destination has to activate it again.",
    ),
    ("/{connection-id}/history", "get"): (
        "list_connection_events",
        "List the events of a Connection",
        f"What happened to it, oldest first: one event for each version. {EXTENSION}",
    ),
}
_EXTENSIONS: Final = ("/{connection-id}/activate", "/{connection-id}/history")

#: The refusals that each operation can give, by its kind.
_REFUSALS: Final = {
    "list": (400, 401, 404, 429, 500, 503),
    "create": (400, 401, 408, 409, 413, 415, 422, 429, 500, 503),
    "retrieve": (400, 401, 404, 429, 500, 503),
    "take": (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503),
}
_REASONS: Final = {
    400: "The request is not well formed; the details say what to change.",
    401: "There is no valid key.",
    403: "The caller's role may never do this.",
    404: "There is no such Connection, or none that the caller may know of.",
    408: "The body did not arrive in time.",
    409: "The Connection's status or version does not permit it, or there is one for this pair.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    422: "The document or the idempotency key cannot be used.",
    429: "The caller's rate limit is exceeded.",
    500: "An internal error.",
    503: "The store is not available; repeat the request later.",
}


def openapi_document(
    *,
    representation: Representation = "guide",
    extensions: bool = True,
    root: str = "",
) -> dict[str, object]:
    """The description of the API, as plain JSON values.

    Args:
        representation: the form of the documents.
        extensions: whether there are operations beyond the published ones.
        root: the path at which the API is mounted.
    """
    paths: dict[str, Part] = {}
    for (below, method), words in _WORDS.items():
        if extensions or below not in _EXTENSIONS:
            described = _operation(below, method, words, representation, extensions)
            paths.setdefault(CONNECTIONS + below, {})[method] = described
    for below in ("/{connection-id}", *(f"/{{connection-id}}/{each}" for each in _PARTS)):
        if CONNECTIONS + below in paths:
            paths[CONNECTIONS + below]["parameters"] = [_ref("parameters", "ConnectionId")]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Connections",
            "version": __version__,
            "summary": "The life of a data-sharing Connection, and who may do what to it.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": root or "/"}],
        "security": [{"key": []}],
        "tags": [{"name": "Connections", "description": "Offers to share data, and their status."}],
        "paths": paths,
        "components": {
            "schemas": schemas(representation, extensions=extensions),
            "parameters": parameters_of(representation, extensions=extensions),
            "headers": HEADERS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def merge_openapi(
    document: Mapping[str, object], api: Mapping[str, object], *, mount: str = ""
) -> dict[str, object]:
    """A host's own OpenAPI document, with the API's operations and components added.

    Args:
        document: the host's, such as FastAPI's ``app.openapi()``; it is not changed.
        api: what `openapi_document` returned.
        mount: the path at which the API is mounted in the host's application.

    Raises:
        ValueError: both have a path, or a component that differs, by the same name.
    """
    merged = deepcopy(dict(document))
    paths = cast("dict[str, object]", merged.setdefault("paths", {}))
    theirs = cast("dict[str, dict[str, object]]", merged.setdefault("components", {}))
    for path, item in cast("Mapping[str, Part]", api["paths"]).items():
        if mount + path in paths:
            raise ValueError(f"both documents have the path {mount + path}")
        paths[mount + path] = _with_security(item, api["security"])
    for kind, components in cast("Mapping[str, Part]", api["components"]).items():
        for name, component in components.items():
            if theirs.setdefault(kind, {}).setdefault(name, component) != component:
                raise ValueError(f"both documents have components/{kind}/{name}, and they differ")
    tags = cast("list[object]", merged.setdefault("tags", []))
    tags += [tag for tag in cast("list[object]", api["tags"]) if tag not in tags]
    return merged


def _with_security(item: Part, security: object) -> Part:
    """A path's operations, each with the security that the API's document has for all."""
    return {
        name: {**cast("Part", part), "security": security} if name in ("get", "post") else part
        for name, part in deepcopy(item).items()
    }


# --- Operations ---

_PARTS: Final = ("activate", "deactivate", "reactivate", "history")


def _operation(
    below: str,
    method: str,
    words: tuple[str, str, str],
    representation: Representation,
    extensions: bool,
) -> Part:
    name, summary, description = words
    kind = "create" if (below, method) == ("", "post") else "list" if not below else "retrieve"
    kind = "take" if below and method == "post" else kind
    thinned = kind in ("create", "list") or (kind, below) == ("retrieve", "/{connection-id}")
    parameters = [_ref("parameters", "KeyInflection"), _ref("parameters", "RequestId")]
    if method == "post":
        parameters.append(_ref("parameters", "IdempotencyKey"))
    if kind == "take":
        parameters.append(_ref("parameters", "IfMatch"))
    if (kind, below) == ("retrieve", "/{connection-id}"):
        parameters.append(_ref("parameters", "IfNoneMatch"))
    if kind == "list":
        parameters += [_ref("parameters", each) for each in ("Filter", "Page")]
    if thinned:
        parameters.append(_ref("parameters", "Fields"))
    described: Part = {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["Connections"],
        "parameters": parameters,
        "responses": _responses(kind, below, representation, extensions),
    }
    if below in _EXTENSIONS:
        described["x-extension"] = True
    if kind == "create":
        attributes = {"destination-organization-id": "org_DEF456"}
        if representation == "guide":
            attributes["name"] = "Partner Connection"
        example = {"data": {"attributes": attributes}}
        content = _content("CreateDocument", example)
        described["requestBody"] = {"required": True, "content": content}
    return described


def _responses(
    kind: str, below: str, representation: Representation, extensions: bool
) -> dict[str, Part]:
    responses = {
        "201" if kind == "create" else "200": _success(kind, below, representation, extensions)
    }
    if (kind, below) == ("retrieve", "/{connection-id}"):
        not_modified: Part = {
            "description": "The client has this version.",
            "headers": {each: _ref("headers", each) for each in ("ETag", "Request-Id")},
        }
        responses["304"] = not_modified
    for status in _REFUSALS[kind]:
        name = error_schema(status, representation)
        refusal: Part = {
            "description": _REASONS[status],
            "headers": {"Request-Id": _ref("headers", "Request-Id")},
            "content": {"application/json": {"schema": _ref("schemas", name)}},
        }
        responses[str(status)] = refusal
    return responses


def _success(kind: str, below: str, representation: Representation, extensions: bool) -> Part:
    headers = ["Request-Id"]
    if kind == "list":
        example: object = list_document([_CONNECTION], representation=representation)
        content = _content(CONNECTION_SCHEMAS[representation][1], example)
        return _described("A page, with links to its neighbours.", headers, content)
    if below.endswith("/history"):
        content = _content("History", history_document([_EVENT]))
        return _described("The events.", headers, content)
    headers.append("ETag")
    if kind != "retrieve":
        headers.append("Idempotent-Replayed")
    if kind == "create":
        headers.append("Location")
    example = connection_document(_CONNECTION, representation=representation)
    described = _described(
        "The Connection.", headers, _content(CONNECTION_SCHEMAS[representation][0], example)
    )
    if kind == "create":
        described["links"] = _links(extensions)
    return described


def _described(description: str, headers: list[str], content: Part) -> Part:
    return {
        "description": description,
        "headers": {each: _ref("headers", each) for each in headers},
        "content": content,
    }


def _links(extensions: bool) -> Part:
    """What can be done with a Connection that has been created, by its id."""
    return {
        name: {
            "operationId": name,
            "parameters": {"connection-id": "$response.body#/data/id"},
        }
        for (below, _), (name, _, _) in _WORDS.items()
        if below and (extensions or below not in _EXTENSIONS)
    }


def _content(schema: str, example: object) -> Part:
    return {"application/json": {"schema": _ref("schemas", schema), "example": example}}


def _ref(kind: str, name: str) -> Part:
    return {"$ref": f"#/components/{kind}/{name}"}
