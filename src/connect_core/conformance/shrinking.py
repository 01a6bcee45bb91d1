"""Shrinking: the shortest and simplest calls that show a fault which a trace has found.

Calls are left out, made simpler, and given simpler organizations, as long as what is left still
ends in a fault. Each attempt is made with a fresh system. What is told in the end has failed again,
as a vector; if nothing does, that is said, and the whole trace is told.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from connect_core.conformance.model import Move, destination_in, destination_of
from connect_core.conformance.permitted import NO_SUCH_CONNECTION
from connect_core.conformance.results import Result
from connect_core.conformance.runner import run_vector
from connect_core.conformance.trace import (
    NOTHING,
    Counterexample,
    FoundError,
    OutOfTimeError,
    Search,
    Trace,
    vector_of,
)
from connect_core.conformance.vectors import ActStep, AnyStep, CreateStep, ReadStep, ShareStep
from connect_core.jsonapi import parse_create
from connect_core.lifecycle import Action

#: How often a counterexample is run again at most, to make it shorter and simpler.
_MOST_RERUNS: Final = 1500


#: Why a fault that was found is told in full, and not as a fault.
NOT_REPRODUCIBLE: Final = "not reproducible: the same calls did not have the same answers again"


def shrink(search: Search, counterexample: Counterexample) -> Counterexample:
    """A shorter counterexample, with simpler calls, that fails in a fresh system.

    Sequences of calls are left out, long ones first, down to single calls, as long as the rest
    still ends in a fault; then single calls are made simpler, and organizations are given simpler
    ids. It ends early if the time is up.

    The result is `Result.ERROR` if the calls of the counterexample do not end in a fault again.
    """
    for statuses in (False, True):
        found = _rerun(search, counterexample.steps, statuses=statuses)
        if found is not None:
            told = _renamed_connections(_shortest(search, found, statuses=statuses))
            answers, vector = search.answers.copy(), told.result.vector
            again = run_vector(search.make_system, vector, search.profile, answers)
            if again.result is told.result.result:
                return told._replace(result=replace(again, met=told.result.met))
    result = replace(counterexample.result, result=Result.ERROR, reason=NOT_REPRODUCIBLE)
    return counterexample._replace(result=result)


def _shortest(search: Search, shortest: Counterexample, *, statuses: bool) -> Counterexample:
    """The shortest and simplest counterexample that is found."""
    reruns = 0
    with suppress(OutOfTimeError):
        candidates = _simpler(shortest.steps)
        while reruns < _MOST_RERUNS and (steps := next(candidates, None)) is not None:
            reruns += 1
            shorter = _rerun(search, steps, statuses=statuses)
            if shorter is not None and _size(shorter.steps) < _size(shortest.steps):
                shortest, candidates = shorter, _simpler(shorter.steps)
    return shortest


def _size(steps: Sequence[AnyStep]) -> tuple[int, int, tuple[str, ...]]:
    """How long and how simple a sequence of calls is; the first organization is best called A."""
    named = tuple(each for step in steps for each in _organizations(step))
    return len(steps), sum(len(repr(_call(step))) for step in steps), named


def _call(step: AnyStep) -> tuple[object, ...]:
    """What a step asks for, without the permitted answers."""
    terms = ("destination", "source", "name", "scopes", "body", "allow_self", "expected_version")
    given = tuple(getattr(step, each, None) for each in terms)
    return step.by, step.connection, *(each for each in given if each not in (None, False))


def _simpler(steps: Sequence[AnyStep]) -> Iterator[Sequence[AnyStep]]:
    """Sequences of calls that are shorter or simpler."""
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps), size):
            yield (*steps[:start], *steps[start + size :])
        size //= 2
    for place, step in enumerate(steps[:-2], 1):  # perhaps a read shows it sooner
        for by in (step.by, steps[-1].by):
            read = ReadStep(by=by, connection=step.connection, accept=NO_SUCH_CONNECTION)
            yield (*steps[:place], read)
    for place, step in enumerate(steps):
        for changes in _simplifications(step):
            yield (*steps[:place], step.model_copy(update=dict(changes)), *steps[place + 1 :])
    used = sorted({each for step in steps for each in _organizations(step)}, key=_simplicity)
    for organization in reversed(used):
        for simple in _SIMPLE:
            if simple not in used and _simplicity(simple) < _simplicity(organization):
                yield [_renamed(step, {organization: simple}) for step in steps]
                break
    in_order = dict.fromkeys(each for step in steps for each in _organizations(step))
    if set(in_order) <= set(_SIMPLE):
        new = dict(zip(in_order, _SIMPLE, strict=False))
        yield [_renamed(step, new) for step in steps]


#: The simplest ids of organizations.
_SIMPLE: Final = tuple(f"org_{letter}" for letter in "ABCDEFGH")


def _simplicity(organization: str) -> tuple[bool, int, str]:
    return organization not in _SIMPLE, len(organization), organization


def _organizations(step: AnyStep) -> Iterator[str]:
    yield step.by
    if isinstance(step, CreateStep):
        yield from (each for each in (destination_of(step), step.source) if each is not None)


def _renamed(step: AnyStep, new: Mapping[str, str]) -> AnyStep:
    """A step with other ids for these organizations."""
    changes: dict[str, object] = {"by": new.get(step.by, step.by)}
    if isinstance(step, CreateStep):
        for member in ("destination", "source"):
            given = getattr(step, member)
            changes[member] = new.get(given, given)
        if step.body is not None:
            changes["body"] = re.sub(
                r'"(org_[^"]*)"', lambda found: f'"{new.get(found[1], found[1])}"', step.body
            )
    return step.model_copy(update=changes)


def _simplifications(step: AnyStep) -> Iterator[Mapping[str, object]]:
    """Changes that make a call simpler."""
    if isinstance(step, CreateStep):
        if step.body is not None and (to := destination_in(step.body)) is not None:
            request = parse_create(step.body)
            terms = {"name": request.name, "scopes": tuple(sorted(map(str, request.scopes)))}
            yield {"body": None, "destination": to}
            yield {"body": None, "destination": to, **terms}
        yield from (
            {member: None} for member in ("name", "scopes") if getattr(step, member) is not None
        )
        if step.scopes is not None and len(step.scopes) > 1:
            yield from ({"scopes": (scope,)} for scope in step.scopes)
    elif isinstance(step, ActStep) and step.expected_version is not None:
        yield from ({"expected_version": version} for version in (None, 1, 2, 3))


def _renamed_connections(counterexample: Counterexample) -> Counterexample:
    """The same counterexample, with short names for its Connections."""
    names = dict.fromkeys(step.connection for step in counterexample.steps)
    short = dict(zip((each for each in names if each != NOTHING), _NAMES, strict=False))
    steps = tuple(
        step.model_copy(update={"connection": short.get(step.connection, step.connection)})
        for step in counterexample.steps
    )
    return Counterexample(replace(counterexample.result, vector=vector_of(steps)), steps)


#: The names of the Connections in a counterexample.
_NAMES: Final = ("main", "second", "third", "fourth", "fifth")


def _rerun(search: Search, steps: Sequence[AnyStep], *, statuses: bool) -> Counterexample | None:
    """Make these calls to a fresh system; return the counterexample if they still show a fault.

    Calls about a Connection that no call creates any more are left out.
    """
    try:
        with Trace(search, statuses=statuses) as trace:
            for step in steps:
                _repeat(trace, step)
    except FoundError as found:
        return found.counterexample
    return None


def _repeat(trace: Trace, step: AnyStep) -> None:
    """Make the same call again, as far as it makes sense."""
    model = trace.model
    if isinstance(step, CreateStep):
        to = destination_of(step)
        existing = None if to is None else model.named(step.source or step.by, to)
        name = existing or step.connection
        if step.body is not None:
            trace.do(model.create_from(step.body, name, by=step.by))
        else:
            again = model.create(
                name,
                by=step.by,
                source=step.source,
                destination=str(step.destination),
                called=step.name,
                scopes=step.scopes,
                allow_self=step.allow_self,
            )
            trace.do(again)
    elif step.connection == NOTHING or (step.variant and step.connection in model.names()):
        trace.do(step)
    elif step.connection not in model.names():
        return
    elif isinstance(step, ActStep):
        move = Move(step.connection, step.by, Action(step.action))
        trace.do(model.act(move, step.expected_version))
    elif isinstance(step, ShareStep):
        trace.do(model.share(step.connection, by=step.by, scope=step.scope))
    else:
        trace.read(step.connection, step.by)
