"""The cells of the matrix as test parameters, and the check on a refusal."""

import pytest
from oracle import BOTH, CREATION, EXISTING, VERDICTS, Verdict
from support import actor_with, connection_in

from connect_core import (
    Action,
    Connection,
    Denial,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
    Status,
    TransitionError,
)

every_cell = pytest.mark.parametrize("verdict", VERDICTS, ids=str)
every_existing_cell = pytest.mark.parametrize("verdict", EXISTING, ids=str)
every_creation_cell = pytest.mark.parametrize("verdict", CREATION, ids=str)

ERRORS: dict[Denial, type[Exception]] = {
    Denial.NOT_A_PARTY: NotAPartyError,
    Denial.WRONG_ROLE: ForbiddenTransitionError,
    Denial.WRONG_STATUS: InvalidTransitionError,
    Denial.ALREADY_EXISTS: DuplicateConnectionError,
}


def connection_for(verdict: Verdict) -> Connection:
    """A Connection in the cell's status; a self-connection where the actor holds both roles."""
    assert verdict.status is not None
    return connection_in(verdict.status, to_self=verdict.roles == BOTH)


def told_status(verdict: Verdict) -> Status | None:
    """The status that the actor may know: None for an outsider."""
    return verdict.status if verdict.roles else None


def assert_is_the_refusal(error: Exception, verdict: Verdict, connection_id: str | None) -> None:
    """The error has the right type, and every attribute has the right value."""
    assert type(error) is ERRORS[verdict.denials[0]]
    if isinstance(error, DuplicateConnectionError):
        assert error.existing_id == connection_id
        assert error.decision.denials == verdict.denials
        assert error.decision.status is verdict.status
        return
    assert isinstance(error, TransitionError)
    assert error.action is verdict.action
    assert error.status is told_status(verdict)
    assert error.roles == verdict.roles
    assert error.actor == actor_with(verdict.roles)
    assert error.connection_id == (None if verdict.action is Action.CREATE else connection_id)
    assert error.decision.denials == verdict.denials
