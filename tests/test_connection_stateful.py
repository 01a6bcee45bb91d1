"""Several Connections, three organizations and a self-connection, all at once, against a model.

The model is a handful of plain values and the rules written out once more, by hand.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from model import EFFECTS, Model
from support import ACTORS, ORGANIZATIONS, actors, take

from connect_core import (
    Action,
    Actor,
    Connection,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    SelfConnectionError,
    authorize_create,
    decide_access,
    replay,
)


class Connections(RuleBasedStateMachine):
    """Anybody tries anything on any Connection, and the clock jumps."""

    pairs = Bundle("pairs")

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[tuple[str, str], Model] = {}
        self.real: dict[tuple[str, str], Connection] = {}

    @rule(
        target=pairs,
        creator=actors,
        destination=st.sampled_from(ORGANIZATIONS),
        allow_self=st.booleans(),
    )
    def create(self, creator: Actor, destination: str, allow_self: bool) -> tuple[str, str]:
        """The source creates: once per ordered pair, and with itself only on request."""
        pair = (str(creator.organization_id), destination)
        existing = self.real.get(pair)
        if existing is not None:
            with pytest.raises(DuplicateConnectionError) as duplicate:
                authorize_create(
                    creator,
                    source=pair[0],
                    destination=pair[1],
                    existing=existing,
                    allow_self=allow_self,
                )
            assert duplicate.value.existing_id == existing.id
            reactivate = "Reactivate the existing one" in str(duplicate.value)
            assert reactivate is (self.models[pair].status == "inactive")
        elif pair[0] == pair[1] and not allow_self:
            with pytest.raises(SelfConnectionError) as refused:
                Connection.create(by=creator, destination=destination)
            assert refused.value.organization_id == destination
        else:
            assert authorize_create(
                creator, source=pair[0], destination=pair[1], allow_self=allow_self
            )
            connection, event = Connection.create(
                by=creator, destination=destination, allow_self=allow_self
            )
            self.models[pair] = Model(*pair, events=[event])
            self.real[pair] = connection
        return pair

    @rule(
        pair=pairs,
        actor=actors,
        action=st.sampled_from(sorted(EFFECTS)),
        clock=st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(1990, 1, 1)),
    )
    def attempt(
        self, pair: tuple[str, str], actor: Actor, action: Action, clock: datetime | None
    ) -> None:
        """Anybody attempts any action; the model says what must happen."""
        if pair not in self.real:
            return
        model, connection = self.models[pair], self.real[pair]
        expected = model.refusal(actor, action)
        if expected is not None:
            with pytest.raises(expected) as caught:
                take(connection, action, actor, clock)
            assert type(caught.value) is expected
            return
        self.real[pair], event = take(connection, action, actor, clock)
        model.take(action, event)

    @rule(pair=consumes(pairs), stranger=actors)
    def create_for_others(self, pair: tuple[str, str], stranger: Actor) -> None:
        """Nobody creates on behalf of another organization."""
        if stranger.organization_id == pair[0]:
            return
        with pytest.raises(ForbiddenTransitionError):
            Connection.create(by=stranger, source=pair[0], destination=pair[1], allow_self=True)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        """Each Connection, its history and its sharing gate, after every step."""
        for pair, model in self.models.items():
            connection = self.real[pair]
            assert connection.source_organization_id == model.source
            assert connection.destination_organization_id == model.destination
            assert connection.status.value == model.status
            assert connection.version == model.version == len(model.events)
            assert replay(model.events) == connection
            for actor in ACTORS:
                may_read = model.status == "active" and "destination" in model.roles_of(actor)
                assert bool(decide_access(actor, "inquiry.read", connection)) is may_read


TestConnections = Connections.TestCase
