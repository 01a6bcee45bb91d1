"""SIGTERM, SIGHUP and SIGINT, for commands that have something to clean up or to finish."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

#: Those of the two that the platform has.
_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class _EndedError(KeyboardInterrupt):
    """The process is to end: what gives way to Ctrl-C gives way to this."""


@contextmanager
def cleaning_up() -> Generator[None]:
    """Let SIGTERM and SIGHUP leave the block as an exception does, and then end the process.

    A second one does not disturb the cleaning up: ``timeout``, for example, sends two. A signal
    that the process ignores, as under ``nohup``, stays ignored.

    Raises:
        SystemExit: with 128 and the number of the signal, as a shell reports it.
    """
    received: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        if not received:
            received.append(number)
            raise _EndedError

    before = {each: signal.getsignal(each) for each in _ENDING} if _is_ours() else {}
    handled = {each: old for each, old in before.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in handled:
            signal.signal(number, end)
        yield
    except _EndedError:
        pass
    finally:
        for number, old in handled.items():
            signal.signal(number, signal.SIG_IGN if received else old)
    if received:
        raise SystemExit(128 + received[0])


@contextmanager
def stopping() -> Generator[None]:
    """Let SIGTERM, SIGHUP and SIGINT leave the block with the exit code 0: a server ends that way.

    A server in the block handles SIGTERM and SIGINT itself while it runs, finishes the requests
    that are under way, and sends itself the signal again, which comes here then. SIGHUP becomes a
    SIGTERM. What the process ignores, as under ``nohup``, stays ignored.

    Raises:
        SystemExit: with 0, for the first signal. Another one does not disturb the cleaning up.
    """
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if not received:
            received.append(number)
            raise SystemExit(0)

    def pass_on(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    handlers = {number: stop if number == signal.SIGTERM else pass_on for number in _ENDING}
    handlers[signal.SIGINT] = stop
    before = {each: signal.getsignal(each) for each in handlers} if _is_ours() else {}
    handled = {each: old for each, old in before.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in handled:
            signal.signal(number, handlers[number])
        yield
    finally:
        for number, old in handled.items():
            signal.signal(number, old)


def _is_ours() -> bool:
    """Whether this thread may set handlers: only the main thread may."""
    return threading.current_thread() is threading.main_thread()
