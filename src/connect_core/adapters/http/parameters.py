"""The parameters and headers in the API's description."""

from typing import Final

from connect_core import Action, Direction, OrganizationId, Status
from connect_core.adapters.http.inflection import Inflection
from connect_core.jsonapi import Representation, field_names, resource_type
from connect_core.paging import MAX_PAGE_SIZE

#: A part of an OpenAPI document.
Part = dict[str, object]

#: What is said of everything that is not published.
EXTENSION: Final = "An extension: the published API does not have it."

#: An idempotency key in a header, where spaces at either end are not part of the value.
_KEY: Final = "^[!-~](?:[ -~]*[!-~])?$"
#: The entity tag of a version, and several of them.
_TAG: Final = '(?:W/)?"[1-9][0-9]{0,8}"'
_TAGS: Final = f"{_TAG}(?:, {_TAG})*"


def parameters_of(representation: Representation, *, extensions: bool) -> Part:
    """The parameters of all operations, by their names among the components.

    Args:
        representation: the form of the documents.
        extensions: whether there are filters beyond the published ones.
    """
    return {
        "ConnectionId": _path("connection-id", "The Connection's id.", _id("cxn")),
        "Filter": _members(
            "filter", "Only the Connections that fit all of these.", _filters(extensions)
        ),
        "Page": _members("page", "Which part of the list, seen from a Connection.", _pages()),
        "Fields": _fields(representation),
        "KeyInflection": _header(
            "Key-Inflection",
            "How the names of members are spelled in the answer; here they are in kebab case.",
            {**_one_of(list(Inflection), "The spelling."), "default": "kebab"},
        ),
        "RequestId": _header(
            "Request-Id",
            "A name for the request in logs; the answer repeats it. One that is not safe to repeat"
            " is replaced.",
            {"type": "string"},
        ),
        "IdempotencyKey": _header(
            "Idempotency-Key",
            "A name for the request, so that it can be repeated safely: it gets its first answer.",
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _KEY},
        ),
        "IfMatch": _header(
            "If-Match",
            "The `ETag` that the caller has seen, several with commas, or `*`.",
            {"type": "string", "anyOf": [{"const": "*"}, {"pattern": f"^{_TAGS}$"}]},
        ),
        "IfNoneMatch": _header(
            "If-None-Match",
            "The `ETag` that the client has; then the answer is 304. Anything else has no effect.",
            {"type": "string"},
        ),
    }


def _filters(extensions: bool) -> Part:
    published: Part = {
        "status": _one_of(list(Status), "With this status."),
        "destination-organization-id": {**_id("org"), "description": "To this organization."},
    }
    if not extensions:
        return published
    return {
        **published,
        "direction": _one_of(
            list(Direction), f"In this direction, seen from the caller. {EXTENSION}"
        ),
        "actionable": _one_of(
            list(Action), f"On which the caller may take this action now. {EXTENSION}"
        ),
    }


def _pages() -> Part:
    return {
        "after": {**_id("cxn"), "description": "The page begins after this Connection."},
        "before": {
            **_id("cxn"),
            "description": "The page ends before this Connection. Not with `after`.",
        },
        "size": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_PAGE_SIZE,
            "default": 10,
            "description": "How many.",
        },
    }


def _fields(representation: Representation) -> Part:
    names = field_names(representation)
    one = f"({'|'.join(names)})"
    return _members(
        "fields",
        "To what each Connection is thinned out.",
        {
            resource_type(representation): {
                "type": "string",
                "pattern": f"^({one}(,{one})*)?$",
                "examples": ["status,created-at"],
                "description": f"The members to keep, with commas: {', '.join(names)}.",
            }
        },
    )


def _members(name: str, description: str, members: Part) -> Part:
    """A parameter whose members are written in brackets: ``page[size]``."""
    schema: Part = {"type": "object", "properties": members, "additionalProperties": False}
    if name == "page":
        schema["dependentSchemas"] = {"after": {"properties": {"before": False}}}
    return {
        "name": name,
        "in": "query",
        "style": "deepObject",
        "explode": True,
        "description": description,
        "schema": schema,
        "example": {"size": 10} if name == "page" else {},  # what a page to try it begins with
    }


def _id(prefix: str) -> Part:
    return {
        "type": "string",
        "maxLength": OrganizationId.max_length,
        "pattern": f"^{prefix}_[0-9A-Za-z_-]+$",
        "examples": ["cxn_ABC123" if prefix == "cxn" else "org_DEF456"],
    }


def _one_of(values: list[str], description: str) -> Part:
    return {
        "type": "string",
        "enum": [str(value) for value in values],
        "description": description,
    }


def _path(name: str, description: str, schema: Part) -> Part:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def _header(name: str, description: str, schema: Part) -> Part:
    return {"name": name, "in": "header", "description": description, "schema": schema}


HEADERS: Final[Part] = {
    "ETag": {"description": "The version.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "Present if this is the kept answer to an earlier request.",
        "schema": {"const": "true"},
    },
    "Location": {"description": "The path of the Connection.", "schema": {"type": "string"}},
    "Request-Id": {"description": "The request's name in the logs.", "schema": {"type": "string"}},
}
