"""Logs: one line for each request, and one for each fault, with the same facts.

A record's attribute ``connect_core`` has the facts as a dict, for a formatter that writes JSON.
"""

import logging
from collections.abc import Mapping
from time import perf_counter


def note(
    log: logging.Logger, facts: Mapping[str, object], *, status: int, code: str, started: float
) -> None:
    """Log an answered request, with the level INFO.

    Args:
        log: the logger.
        facts: who asked for what.
        status: the HTTP status of the answer.
        code: what happened, for programs.
        started: what `time.perf_counter` gave when the request came.
    """
    took = round((perf_counter() - started) * 1000, 2)
    answered = {**facts, "status": status, "code": code, "duration_ms": took}
    log.info(_line(answered), extra={"connect_core": answered})


def note_fault(log: logging.Logger, facts: Mapping[str, object], error: Exception) -> None:
    """Log a fault with its traceback, with the level ERROR."""
    log.error("failed: %s", _line(facts), exc_info=error, extra={"connect_core": dict(facts)})


def _line(facts: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in facts.items())
