"""Requests to a service behind HTTP, each with the key of an organization.

A service that cannot be reached, does not accept a key or limits the rate of requests ends the run
with a `PeerError`. No message, traceback or ``repr`` shows a key. This module does not know what
the answers mean; `connect_core.conformance.transports.replies` does.
"""

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from typing import Final

import httpx

from connect_core.conformance.execution import ImplementationError
from connect_core.conformance.transports.errors import PeerError
from connect_core.conformance.transports.replies import Reply, reply_of
from connect_core.text import shown

#: The path of the Connections, below the base URL.
CONNECTIONS: Final = "/api/v1/connect/connections"
#: After so many requests in a row without an answer, the run ends.
_SILENCE: Final = 3
#: A key that is shorter is no secret, and may be part of any word.
_SECRET: Final = 8
#: Opens what carries the requests, for as long as the stack is open; None for httpx's own.
OpenTransport = Callable[[ExitStack], httpx.BaseTransport | None]


class Client:
    """Makes requests to a service. Mutable: it holds the connections.

    Args:
        base: the URL below which ``/api/v1`` stands.
        headers: header fields for every request.
        timeout: the time limit for each part of an answer, in seconds.
        open_transport: opens what carries the requests, with the first of them.

    Raises:
        ValueError: the URL or the time limit is not valid.
    """

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str],
        timeout: float,
        open_transport: OpenTransport = lambda _: None,
    ) -> None:
        self.base: Final = base_url(base)
        if not 0 < timeout < math.inf:
            raise ValueError(f"the time limit must be a number of seconds above 0, not {timeout}")
        self._headers = {**headers, "Accept": "application/json"}
        self._timeout = timeout
        self._open_transport = open_transport
        self._silence = 0
        self._opened = ExitStack()
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """Close the connections. Calling it again does nothing."""
        self._client = None
        self._opened.close()

    def ask(
        self,
        method: str,
        path: str,
        key: str,
        *,
        body: str | None = None,
        headers: Mapping[str, str] = {},  # never changed
    ) -> Reply:
        """Make a request, and read the answer.

        Args:
            method: the method.
            path: the path below the base URL.
            key: the key of the organization that acts.
            body: the text of the body.
            headers: further header fields.

        Raises:
            ImplementationError: the answer is no answer, or there was none in time.
            PeerError: the service cannot be reached, does not accept the key, or limits the rate.
        """
        response = self.send(method, path, key, body=body, headers=headers)
        text = response.content.decode("utf-8", "replace")
        if len(key) >= _SECRET:  # a report shows answers
            text = text.replace(key, "***")
        return reply_of(f"{method} {path}", response.status_code, response.headers, text)

    def send(
        self,
        method: str,
        path: str,
        key: str,
        *,
        body: str | None = None,
        headers: Mapping[str, str] = {},  # never changed
    ) -> httpx.Response:
        """Make a request; see `ask`."""
        fields = {**self._headers, **headers}
        if body is not None:
            fields["Content-Type"] = "application/json"
        client = self._connected()
        request = client.build_request(
            method,
            f"{self.base}{path}",
            headers=fields,
            content=None if body is None else body.encode("utf-8", "surrogatepass"),
        )
        response = self._response(client, request, _Bearer(key), f"{method} {path}")
        if response.status_code == 401:
            raise PeerError(f"{self.base}: {method} {path}: the key is not accepted (HTTP 401)")
        if response.status_code == 429:
            raise PeerError(
                f"{self.base}: {method} {path}: the service limits the rate of requests (HTTP 429);"
                " lift the limit for the test"
            )
        return response

    def _connected(self) -> httpx.Client:
        if self._client is None:
            transport = self._open_transport(self._opened)
            self._client = self._opened.enter_context(
                httpx.Client(transport=transport, timeout=self._timeout, follow_redirects=False)
            )
        return self._client

    def _response(
        self, client: httpx.Client, request: httpx.Request, bearer: "_Bearer", named: str
    ) -> httpx.Response:
        try:
            response = client.send(request, auth=bearer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise PeerError(f"{self.base} cannot be reached: {shown(error)}") from None
        except httpx.TimeoutException:
            self._silence += 1
            silence = f"{named}: no answer within {self._timeout:g} s"
            if self._silence >= _SILENCE:
                raise PeerError(f"{self.base}: {silence}, {_SILENCE} times in a row") from None
            raise ImplementationError(silence) from None
        except httpx.HTTPError as error:
            raise ImplementationError(f"{named}: no answer: {shown(error)}") from None
        self._silence = 0
        return response


def base_url(text: str) -> str:
    """A base URL, without a slash at its end.

    Raises:
        ValueError: it is not the URL of a service.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        raise ValueError("the base is not a URL such as http://127.0.0.1:8000") from None
    if url.userinfo:
        raise ValueError("the base is a URL with a user or a password; keys are given otherwise")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ValueError(f"{shown(text)!r} is not a URL such as http://127.0.0.1:8000")
    path = url.path.rstrip("/")
    if path.endswith(("/api/v1", CONNECTIONS)):
        raise ValueError(f"{shown(text)!r}: give the URL below which /api/v1 stands, without that")
    return text.rstrip("/")


class _Bearer(httpx.Auth):
    """Puts a key into a request. Its ``repr`` does not show it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header field."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        yield request
