"""Header fields of a request: each is read strictly, or refused with a `RequestError`.

A field that may come once only is refused if it comes twice: intermediaries would disagree which of
the two counts. Nothing is taken from ``Host`` or from any ``X-Forwarded-`` field.
"""

import re
from collections.abc import Sequence
from email.message import Message
from typing import Final

from connect_core import IdempotencyKey, InvalidIdempotencyKeyError
from connect_core.adapters.http.inflection import Inflection
from connect_core.adapters.http.messages import Headers
from connect_core.adapters.http.refusals import RequestError, invalid_header
from connect_core.history import MAX_VERSION
from connect_core.identifiers import minted

#: The media types of a body.
_JSON_TYPES: Final = frozenset({"application/json", "application/vnd.api+json"})
#: Entity tags, separated by commas.
_TAGS: Final = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,[ \t,]*(?:W/)?"[^"]*")*[ \t,]*')
#: A version's tag. A proxy that compresses an answer marks the tag as weak, or adds the coding's
#: name: ``"1"`` becomes ``W/"1"`` or ``"1-gzip"``, and still names the version.
_VERSION: Final = re.compile(r'"([1-9][0-9]*)(?:--?(?:br|deflate|gzip|zstd))?"')
#: A request's id that is safe in a log and in a header.
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")


def values(headers: Headers, name: str) -> list[str]:
    """The values of a field, in the order in which they were sent."""
    wanted = name.lower()
    return [value.strip() for field, value in headers if field.lower() == wanted]


def only(headers: Headers, name: str) -> str | None:
    """The value of a field that comes at most once.

    Raises:
        RequestError: it comes more than once.
    """
    found = values(headers, name)
    if len(found) > 1:
        raise invalid_header(name, f"{name} stands {len(found)} times; send it once.")
    return found[0] if found else None


def idempotency_key(headers: Headers) -> str | None:
    """The idempotency key.

    Raises:
        RequestError: there is more than one.
        InvalidIdempotencyKeyError: it is not one.
    """
    key = only(headers, "Idempotency-Key")
    if key is None:
        return None
    try:
        return IdempotencyKey(key)
    except ValueError:
        raise InvalidIdempotencyKeyError(key) from None


def inflection(headers: Headers) -> Inflection:
    """The spelling of member names that the client wants; kebab case if it does not say.

    Raises:
        RequestError: there is no such spelling, or there is more than one.
    """
    wanted = only(headers, "Key-Inflection")
    try:
        return Inflection.KEBAB if wanted is None else Inflection(wanted)
    except ValueError:
        known = ", ".join(Inflection)
        raise invalid_header("Key-Inflection", f"Key-Inflection is one of {known}.") from None


def request_id(headers: Headers) -> str:
    """The request's id: the client's if it is safe to repeat, otherwise a new one."""
    given = values(headers, "Request-Id")
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0]
    return minted("req_")


def require_json(headers: Headers, *, has_body: bool) -> None:
    """Refuse a body that is anything but JSON in UTF-8.

    A request without a body needs no ``Content-Type``, but may not have another one: browsers send
    a form to any site, with the user's cookies.

    Raises:
        RequestError: 415, or 400 if ``Content-Type`` comes more than once.
    """
    given = only(headers, "Content-Type")
    coding = only(headers, "Content-Encoding")
    if given is None:
        is_json = not has_body
    else:
        message = Message()
        message["Content-Type"] = given
        charset = message.get_param("charset", "utf-8")
        is_json = (
            message.get_content_type() in _JSON_TYPES
            and isinstance(charset, str)
            and charset.lower() in ("utf-8", "utf8")
        )
    if not is_json or coding not in (None, "", "identity"):
        raise RequestError(
            415,
            "unsupported_media_type",
            "A body is JSON in UTF-8, without a content coding: Content-Type: application/json.",
            source={"header": "Content-Encoding" if is_json else "Content-Type"},
            headers={"Accept": "application/json, application/vnd.api+json"},
        )


def expected_versions(headers: Headers) -> Sequence[int | None]:
    """The versions that ``If-Match`` names; None for any, without it or with ``*``.

    Several tags are several versions, of which one has to be the present one. A weak tag counts
    like a strong one: it names the same version. A version above the highest one is as good as 0,
    which no Connection has either.

    Raises:
        RequestError: it names no version.
    """
    lines = values(headers, "If-Match")
    if not lines or lines == ["*"]:
        return (None,)
    tags = ", ".join(lines)
    versions = sorted(set(map(_possible, _VERSION.findall(tags))))
    if not _TAGS.fullmatch(tags) or not versions:
        raise invalid_header(
            "If-Match", "If-Match takes the ETag of an answer, several with commas, or *."
        )
    return versions


def _possible(version: str) -> int:
    """The number of a version of any length, or 0 if it is higher than the highest."""
    too_long = len(version) > len(str(MAX_VERSION))
    return 0 if too_long or int(version) > MAX_VERSION else int(version)


def is_known(headers: Headers, version: int) -> bool:
    """Whether ``If-None-Match`` says that the client has this version."""
    lines = values(headers, "If-None-Match")
    return lines == ["*"] or str(version) in _VERSION.findall(", ".join(lines))


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'
