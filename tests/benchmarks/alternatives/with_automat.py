"""Automat: a TypeMachineBuilder. It has no guards, so the input includes the actor's role."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Protocol

from automat import NoTransition, TypeMachineBuilder

from connect_core import Action, Actor

from .contestant import Ability, Contestant, StoredRow


class Inputs(Protocol):
    """Each action by each role. An input that no state accepts is always refused."""

    def activate_by_source(self) -> None: ...
    def activate_by_destination(self) -> None: ...
    def deactivate_by_source(self) -> None: ...
    def deactivate_by_destination(self) -> None: ...
    def reactivate_by_source(self) -> None: ...
    def reactivate_by_destination(self) -> None: ...


_builder = TypeMachineBuilder(Inputs, StoredRow)
_pending = _builder.state("pending")
_active = _builder.state("active")
_inactive = _builder.state("inactive")


@_pending.upon(Inputs.activate_by_destination).to(_active)
def _activated(_: Inputs, row: StoredRow) -> None:
    row.status = "active"


@_pending.upon(Inputs.deactivate_by_source).to(_inactive)
@_pending.upon(Inputs.deactivate_by_destination).to(_inactive)
@_active.upon(Inputs.deactivate_by_source).to(_inactive)
@_active.upon(Inputs.deactivate_by_destination).to(_inactive)
def _deactivated(_: Inputs, row: StoredRow) -> None:
    row.status = "inactive"


@_inactive.upon(Inputs.reactivate_by_source).to(_pending)
def _reactivated(_: Inputs, row: StoredRow) -> None:
    row.status = "pending"


_machine_of = _builder.build()
_STATES = {state.name: state for state in (_pending, _active, _inactive)}


class RefusedError(Exception):
    """The state accepts no input of a role that the actor holds."""


@dataclass(slots=True)
class Bound:
    """A machine, and the row that it changes."""

    machine: Inputs
    row: StoredRow

    @property
    def status(self) -> str:
        """The status of the row."""
        return self.row.status


class Automat(Contestant):
    """Its inputs are methods. It takes commands but answers no questions."""

    name = "Automat"
    distribution = "automat"
    gives = "nothing: it cannot be asked; an input that is refused names the state"
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.DECIDE: "cannot be asked",
        Ability.ALLOWED_ACTIONS: "cannot be asked",
        Ability.PERMITTED: "cannot be asked",
    }
    refusals = (RefusedError,)

    def subject(self, row: StoredRow) -> Bound:
        return Bound(_machine_of(row, _STATES[row.status]), row)

    def step(self, subject: Bound, actor: Actor, action: Action) -> Bound:
        """An actor that holds both roles tries one after the other."""
        for role in ("source", "destination"):
            if actor.organization_id == getattr(subject.row, f"{role}_organization_id"):
                with suppress(NoTransition):
                    getattr(subject.machine, f"{action}_by_{role}")()
                    return subject
        raise RefusedError
