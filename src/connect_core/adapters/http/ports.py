"""Ports: what a host gives the API, which are its transactions and its rate limiter."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

from connect_core import ConnectionService
from connect_core.adapters.http.messages import Caller

_Result = TypeVar("_Result")


class TransactionsLike(Protocol):
    """Runs work with a `ConnectionService` in a transaction of its own.

    `connect_core.adapters.sql.Transactions` is one. Another one must commit before it returns, also
    if the work ends in a `ConnectError`, so that a refusal is kept for an idempotency key; it
    raises that error then. Any other exception undoes everything.
    """

    def change(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """The result of work that may change something."""
        ...

    def ask(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """The result of work that only reads."""
        ...


class AsyncTransactionsLike(Protocol):
    """The same for an asynchronous host: `connect_core.adapters.sql.AsyncTransactions`."""

    async def change(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """The result of work that may change something."""
        ...

    async def ask(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """The result of work that only reads."""
        ...


def require_transactions(transactions: object) -> None:
    """Refuse what cannot run work in a transaction.

    Raises:
        TypeError: it lacks a method.
    """
    for name in ("change", "ask"):
        if not callable(getattr(transactions, name, None)):
            raise TypeError(
                f"transactions is a {type(transactions).__name__}, which has no {name}(work);"
                " pass connect_core.adapters.sql.Transactions(engine), for example"
            )


class Quota(NamedTuple):
    """How much of its rate limit a caller has left.

    Attributes:
        limit: how many requests the caller may make in a period.
        remaining: how many are left in this one, 0 or more.
        reset: the seconds until the next period begins, 0 or more.
        exceeded: whether this request is one too many.
    """

    limit: int
    remaining: int
    reset: int
    exceeded: bool = False


class Limiter(Protocol):
    """Counts a caller's requests, and says how many are left."""

    def __call__(self, caller: Caller, /) -> Quota | Awaitable[Quota]:
        """Count one request of this caller."""
        ...
