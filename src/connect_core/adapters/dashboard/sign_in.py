"""Signing in with an API key, for hosts that have no sign-in of their own.

A session is a cookie with a random token, of which the database keeps only a digest. It ends when
its time is over, when somebody signs out, and when its key expires or is revoked. Every sign-in
makes a new token, so that nobody can fix one beforehand.

This module needs the extra `sql`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response

from connect_core.adapters.dashboard.origin import host_is_loopback, is_on_this_machine
from connect_core.adapters.dashboard.ports import Visitor
from connect_core.adapters.sql import ApiKey, ApiKeys, BrowserSessions, NewBrowserSession
from connect_core.adapters.sql.availability import available
from connect_core.history import utc_now

#: A browser keeps a cookie of the first name only if it is sent over TLS, and from the host itself.
_SECURE_COOKIE: Final = "__Host-connect_core"
#: On the machine itself there is no TLS.
_LOOPBACK_COOKIE: Final = "connect_core"


class KeySignIn:
    """Sign in with a key of `connect_core.adapters.sql.ApiKeys`.

    Pass it to `create_dashboard` as `sign_in`, and its `authenticate` as `authenticate`.

    Args:
        engine: the database with the keys. The tables of `keys_metadata` must be there.
        lifetime: how long a session lasts.
        clock: gives the current time, aware; the system's clock in UTC if omitted.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `lifetime` is less than a millisecond, or ends after the year 9999.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        lifetime: timedelta = timedelta(hours=8),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._keys = ApiKeys(engine, clock=clock)
        self._sessions = BrowserSessions(engine, lifetime=lifetime, clock=clock)

    def authenticate(self, request: Request) -> Visitor | None:
        """Who is signed in; None for nobody.

        Raises:
            StoreUnavailableError: the database is not available.
        """
        token = self._token(request)
        with available():
            session = None if token is None else self._sessions.find(token)
        if session is None:
            return None
        return Visitor(session.actor, session.key.name, session.expires_at)

    def begin(self, request: Request, token: str) -> NewBrowserSession | None:
        """A session for the holder of a key, in the place of the one that there is.

        Args:
            request: the request, with the cookie of an earlier session.
            token: the key's token.

        Returns:
            The session; None if it is no token of a key that can be used.

        Raises:
            StoreUnavailableError: the database is not available.
        """
        with available():
            return self._begin(request, self._keys.authenticate(token))

    def begin_by_link(self, request: Request, token: str) -> NewBrowserSession | None:
        """The same for the token of a sign-in link."""
        with available():
            return self._begin(request, self._sessions.opened(token))

    def holder(self, token: str) -> ApiKey | None:
        """The key whose sign-in link has this token; None if it can no longer be used.

        Raises:
            StoreUnavailableError: the database is not available.
        """
        with available():
            return self._sessions.opened(token)

    def end(self, request: Request) -> None:
        """End the session.

        Raises:
            StoreUnavailableError: the database is not available.
        """
        token = self._token(request)
        if token is not None:
            with available():
                self._sessions.end(token)

    def _begin(self, request: Request, key: ApiKey | None) -> NewBrowserSession | None:
        if key is None:
            return None
        # In this order, so that if one of the two fails, the earlier session is still there.
        started = self._sessions.start(key)
        if (before := self._token(request)) is not None:
            self._sessions.end(before)
        return started

    @staticmethod
    def _token(request: Request) -> str | None:
        """The token of the cookie. One without TLS counts on the machine itself only."""
        token = request.cookies.get(_SECURE_COOKIE)
        if token is None and host_is_loopback(request.headers):
            token = request.cookies.get(_LOOPBACK_COOKIE)
        return token

    @staticmethod
    def remember(response: Response, request: Request, started: NewBrowserSession) -> None:
        """Let the browser keep the session's token until it closes, or the session ends."""
        secure = not is_on_this_machine(request.headers)
        response.set_cookie(
            _SECURE_COOKIE if secure else _LOOPBACK_COOKIE,
            started.token,
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )

    @staticmethod
    def forget(response: Response) -> None:
        """Let the browser forget the token."""
        for name, secure in ((_SECURE_COOKIE, True), (_LOOPBACK_COOKIE, False)):
            response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
