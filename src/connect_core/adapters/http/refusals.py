"""Refusals of the protocol itself: what a request is refused for before any rule is asked."""

from collections.abc import Mapping

from connect_core.text import shown


class RequestError(Exception):
    """A request that is refused because of its form. Nothing was done.

    Attributes:
        status: the HTTP status.
        code: what is wrong, for programs.
        details: what is wrong and what to do, in words.
        source: the part of the request that is wrong: ``{"header": name}``, for example.
        headers: header fields for the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        details: str,
        *,
        source: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code, details)
        self.status = status
        self.code = code
        self.details = details
        self.source = source
        self.headers = headers or {}


def invalid_header(name: str, details: str) -> RequestError:
    """The refusal because of a header field, 400."""
    return RequestError(400, "invalid_header", details, source={"header": name})


def invalid_parameter(name: str, details: str) -> RequestError:
    """The refusal because of a member of the query, 400."""
    return RequestError(400, "invalid_parameter", details, source={"parameter": shown(name)})


def no_such_path() -> RequestError:
    """The refusal of a path that is no operation's, 404."""
    return RequestError(404, "no_such_path", "There is no operation at this path.")


def not_authenticated() -> RequestError:
    """The refusal of somebody whom the host does not know, 401."""
    return RequestError(
        401,
        "not_authenticated",
        "Send a valid key: Authorization: Bearer <token>.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def too_large(limit: int) -> RequestError:
    """The refusal of a body that is too large, 413."""
    return RequestError(
        413,
        "body_too_large",
        f"A body has at most {limit} bytes.",
        headers={"Connection": "close"},
    )


def stalled(seconds: float) -> RequestError:
    """The refusal of a body that does not arrive, 408."""
    return RequestError(
        408,
        "body_stalled",
        f"The body did not arrive within {seconds:g} seconds. Nothing was done: send it again.",
        headers={"Connection": "close"},
    )


def too_many(limit: int, reset: int) -> RequestError:
    """The refusal of a request above a rate limit, which ends in so many seconds, 429."""
    return RequestError(
        429,
        "rate_limit_exceeded",
        f"There were more than {limit} requests. Wait {reset} seconds.",
        headers={"Retry-After": str(reset)},
    )
