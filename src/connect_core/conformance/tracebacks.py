"""Exceptions that an implementation raises, for the people who have to find their cause.

The text comes from outside: an exception may have a message of any length, with any characters, or
fail when it is asked for one. These functions never raise, and what they return is bounded.
"""

from pathlib import Path
from traceback import TracebackException
from types import TracebackType
from typing import Final

from connect_core.text import text_of, visible

#: The longest line, and the largest number of lines, that are shown.
_LONGEST: Final = 400
_MOST_LINES: Final = 60
#: The modules that call an implementation. A traceback begins after their frames.
_CALLERS: Final = frozenset(
    str(Path(__file__).with_name(f"{module}.py"))
    for module in ("execution", "runner", "shuffle", "trace")
)


def error_in_words(error: Exception) -> str:
    """The class and the message of an exception, in one line: ``KeyError: 'errors'``."""
    name, text = type(error).__name__, " ".join(text_of(error).split())
    return _shortened(visible(f"{name}: {text}" if text else name))


def traceback_of(error: Exception) -> str:
    """The traceback of an exception and of its causes, from the implementation's first frame."""
    try:
        found = TracebackException(type(error), error, _beginning(error.__traceback__))
        text = "".join(found.format())
    except Exception:  # the code of the exception's own class may raise anything
        return "The traceback cannot be shown: the exception does not permit it."
    lines = [_shortened(line) for line in visible(text, keep="\n").rstrip("\n").split("\n")]
    left_out = len(lines) - _MOST_LINES
    if left_out > 0:
        half = _MOST_LINES // 2
        lines = [*lines[:half], f"  ... {left_out} lines are left out ...", *lines[-half:]]
    return "\n".join(lines)


def _beginning(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_frame.f_code.co_filename in _CALLERS:
        traceback = traceback.tb_next
    return traceback


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
