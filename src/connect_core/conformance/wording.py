"""Calls and answers in words, for whoever has to mend an implementation."""

import json
from collections.abc import Sequence
from typing import Final

from connect_core.conformance.subject import Answer
from connect_core.conformance.vectors import ActStep, Alternative, Check, CreateStep, ShareStep
from connect_core.text import text_of

#: Stands for a member that a state does not have. It is equal to nothing else.
MISSING: Final = object()


def call_in_words(check: Check) -> str:
    """A call in words: ``org_A activates main``."""
    if isinstance(check, CreateStep):
        if check.body is not None:
            return f"{check.by} creates {check.connection} from the document {check.body}"
        source = f"from {check.source} " if check.source not in (None, check.by) else ""
        terms = {"name": check.name, "scopes": check.scopes, "allow_self": check.allow_self or None}
        given = ", ".join(
            f"{name}={as_json(value)}" for name, value in terms.items() if value is not None
        )
        with_terms = f" with {given}" if given else ""
        return f"{check.by} creates {check.connection} {source}to {check.destination}{with_terms}"
    named = check.connection
    if check.variant is not None:
        named = f"{named} (its id {check.variant})"
    if isinstance(check, ActStep):
        later = f", {check.pause} ms later" if check.pause else ""
        version = (
            ""
            if check.expected_version is None
            else f", expecting version {check.expected_version}"
        )
        return f"{check.by} {check.action}s {named}{version}{later}"
    if isinstance(check, ShareStep):
        return f"{check.by} reads data of {as_json(check.scope)} through {named}"
    return f"{check.by} looks at {named}"


def alternative_in_words(alternative: Alternative) -> str:
    """A permitted answer in words."""
    details = [f"{name} {as_json(value)}" for name, value in alternative.state.items()]
    details += [f"{name} as it was" for name in alternative.unchanged]
    details += [f"{name} not earlier" for name in alternative.not_before]
    details += [f"{name} later" for name in alternative.later]
    if alternative.pointers is not None:
        details.append(f"pointers {list(alternative.pointers)}")
    if alternative.http is not None:
        details.append(f"HTTP {alternative.http}")
    if alternative.existing:
        details.append("the existing one")
    return _with_details(alternative.outcome, details)


def answer_in_words(answer: Answer) -> str:
    """An answer in words, with what it tells."""
    details = {"state": answer.state, "pointers": answer.pointers, "HTTP": answer.http}
    shown = [f"{name} {as_json(value)}" for name, value in details.items() if value is not None]
    return _with_details(outcome_in_words(answer), shown)


def outcome_in_words(answer: Answer) -> str:
    """The outcome, or all that the answer can mean."""
    return " or ".join(each.outcome for each in answer.readings) or str(answer.outcome)


def _with_details(outcome: str, details: Sequence[str]) -> str:
    return f"{outcome} ({', '.join(details)})" if details else str(outcome)


def as_json(value: object) -> str:
    """A value as JSON text, shortened if it is long."""
    if value is MISSING:
        return "missing"
    try:
        text = json.dumps(value, default=text_of)
    except Exception:  # a state of an untyped system may hold anything
        text = text_of(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
