"""Strategies of ids."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from drawing import drawn, found, simplest
from hypothesis import strategies as st

from connect_core import Actor, ActorId, ActorType, ConnectionId, OrganizationId, strategies


class Ids(NamedTuple):
    """A strategy for ids, and what it must draw."""

    strategy: Callable[..., st.SearchStrategy[str]]
    kind: type[str]
    plainest: str
    #: A length that ids of every prefix can have.
    least: int


IDS = [
    Ids(strategies.organization_ids, OrganizationId, "org_A", 5),
    Ids(strategies.actor_ids, ActorId, "usr_A", 6),
    Ids(strategies.connection_ids, ConnectionId, "cxn_A", 5),
]


@pytest.mark.parametrize("ids", IDS, ids=[ids.kind.__name__ for ids in IDS])
class TestIds:
    """Ids are well formed, have many lengths, and often differ by case only."""

    def test_they_are_checked_ids(self, ids: Ids) -> None:
        for example in drawn(ids.strategy(), examples=100):
            assert type(example) is ids.kind
            assert len(example) <= 255

    def test_the_plainest(self, ids: Ids) -> None:
        assert simplest(ids.strategy()) == ids.plainest

    def test_lengths(self, ids: Ids) -> None:
        lengths = {len(example) for example in drawn(ids.strategy())}
        assert len(lengths) > 8
        assert max(lengths) == 255

    def test_the_longest_may_differ_in_the_last_character_only(self, ids: Ids) -> None:
        """A column that is one character too short makes them equal."""
        longest = {example for example in drawn(ids.strategy()) if len(example) == 255}
        assert len({example[:-1] for example in longest}) < len(longest)

    def test_pairs_that_differ_only_by_case(self, ids: Ids) -> None:
        pairs = st.tuples(ids.strategy(), ids.strategy())
        one, other = found(
            pairs, lambda two: len(set(two)) > len({each.lower() for each in two}), within=1000
        )
        assert (one != other, one.lower()) == (True, other.lower())

    def test_a_length_that_is_given(self, ids: Ids) -> None:
        lengths = {len(example) for example in drawn(ids.strategy(max_length=9))}
        assert max(lengths) == 9

    def test_no_id_is_so_short(self, ids: Ids) -> None:
        for example in drawn(ids.strategy(max_length=ids.least), examples=50):
            assert len(example) <= ids.least
        with pytest.raises(ValueError, match=f"give max_length={ids.least} or more"):
            ids.strategy(max_length=ids.least - 1)

    def test_no_id_is_so_long(self, ids: Ids) -> None:
        with pytest.raises(ValueError, match="give max_length=255 or less"):
            ids.strategy(max_length=256)


@pytest.mark.parametrize("type_", ActorType)
def test_actor_ids_of_a_type(type_: ActorType) -> None:
    for example in drawn(strategies.actor_ids(type=type_), examples=100):
        assert Actor(id=example, organization_id="org_A").type is type_
