"""The strategies keep their word: what they draw, what they can draw, and what they shrink to."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar, assert_type, cast

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from oracle import VERDICTS
from support import ACTORS, OUR_KEY, PARTNER, STRANGER, connection_in, create

from connect_core import (
    Action,
    Actor,
    ActorId,
    ActorType,
    Cell,
    Connection,
    ConnectionEvent,
    ConnectionId,
    Decision,
    Denial,
    InvalidDocumentError,
    Organization,
    OrganizationId,
    Problem,
    Role,
    Scope,
    Status,
    allowed_actions,
    can,
    connection_document,
    decide,
    decision_table,
    parse_connection,
    parse_create,
    replay,
    roles_of,
    strategies,
)
from connect_core.history import as_timestamp
from connect_core.strategies import History, Row

NAMES = """
    History Row actor_ids actors connection_documents connection_ids connections create_documents
    decisions events histories invalid_connection_documents invalid_create_documents legal_moves
    moves names organization_ids organizations rows scope_sets scopes times
"""

_T = TypeVar("_T")

MILLISECOND = timedelta(milliseconds=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


#: The same examples on every run, so that no verdict is by chance. (Hypothesis draws on constants
#: of the modules that are loaded, so that a run of other tests may see others.)
REPEATABLE = settings(database=None, derandomize=True, phases=[Phase.generate])


def found(
    strategy: st.SearchStrategy[_T], condition: Callable[[_T], object], *, within: int = 3000
) -> _T:
    """The first example that meets the condition; if none does, `find` raises `NoSuchExample`."""
    return find(
        strategy,
        lambda example: bool(condition(example)),
        settings=settings(REPEATABLE, max_examples=within),
    )


def simplest(
    strategy: st.SearchStrategy[_T], condition: Callable[[_T], object] = lambda _: True
) -> _T:
    """What all that meet the condition shrink to."""
    return find(
        strategy,
        lambda example: bool(condition(example)),
        settings=settings(REPEATABLE, max_examples=3000, phases=[Phase.generate, Phase.shrink]),
    )


def drawn(strategy: st.SearchStrategy[_T], *, examples: int | None = None) -> list[_T]:
    """So many examples, at most; if nothing is said, five times as many as the profile has."""
    examples = 5 * settings().max_examples if examples is None else examples
    seen: list[_T] = []

    @settings(REPEATABLE, max_examples=examples)
    @given(strategy)
    def collect(example: _T) -> None:
        seen.append(example)

    collect()
    return seen


def test_all_is_exact() -> None:
    assert strategies.__all__ == NAMES.split()
    assert all(getattr(strategies, name).__doc__ for name in strategies.__all__)


def test_its_types() -> None:
    """As mypy and pyright see them."""
    assert_type(strategies.organization_ids(), st.SearchStrategy[OrganizationId])
    assert_type(strategies.actor_ids(), st.SearchStrategy[ActorId])
    assert_type(strategies.connection_ids(), st.SearchStrategy[ConnectionId])
    assert_type(strategies.connections(), st.SearchStrategy[Connection])
    assert_type(
        strategies.histories(),
        st.SearchStrategy[tuple[Connection, tuple[ConnectionEvent, ...]]],
    )
    assert_type(strategies.events(), st.SearchStrategy[ConnectionEvent])
    assert_type(strategies.rows(), st.SearchStrategy[Row])
    assert_type(strategies.decisions(), st.SearchStrategy[Decision])
    assert_type(strategies.create_documents(), st.SearchStrategy[dict[str, object]])
    assert_type(strategies.connection_documents(), st.SearchStrategy[dict[str, object]])
    assert_type(strategies.invalid_create_documents(), st.SearchStrategy[object])
    assert_type(
        strategies.legal_moves(connection_in(Status.ACTIVE)),
        st.SearchStrategy[tuple[Action, Actor]],
    )


# --- Ids, scopes, names, times -------------------------------------------------------------------


class Ids(NamedTuple):
    """A strategy for ids, and what is due."""

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
    """Well formed, of many lengths, and often alike but for case."""

    def test_they_are_checked_ids(self, ids: Ids) -> None:
        for example in drawn(ids.strategy(), examples=100):
            assert type(example) is ids.kind
            assert len(example) <= 64

    def test_the_plainest(self, ids: Ids) -> None:
        assert simplest(ids.strategy()) == ids.plainest

    def test_lengths(self, ids: Ids) -> None:
        lengths = {len(example) for example in drawn(ids.strategy())}
        assert len(lengths) > 8
        assert max(lengths) > 50

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


@pytest.mark.parametrize("type_", ActorType)
def test_actor_ids_of_a_type(type_: ActorType) -> None:
    for example in drawn(strategies.actor_ids(type=type_), examples=100):
        assert Actor(id=example, organization_id="org_A").type is type_


@given(strategies.scopes())
def test_scopes(scope: Scope) -> None:
    assert type(scope) is Scope
    assert Scope(str(scope)) == scope


def test_scopes_are_the_guides_and_others() -> None:
    assert simplest(strategies.scopes()) == "inquiry.read"
    assert {"inquiry.read", "account.read"} < set(drawn(strategies.scopes(), examples=300))
    assert found(strategies.scopes(), lambda scope: "-" in scope and "_" in scope)


@given(strategies.scope_sets())
def test_scope_sets(scopes: frozenset[Scope]) -> None:
    connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=scopes)
    assert connection.scopes == scopes


def test_scope_sets_from_the_least_to_the_most() -> None:
    assert simplest(strategies.scope_sets()) == {"inquiry.read"}
    sizes = Counter(map(len, drawn(strategies.scope_sets())))
    assert (min(sizes), max(sizes)) == (1, 64)
    assert sizes[64] < sum(sizes.values()) / 4


@given(strategies.names())
def test_names(name: str) -> None:
    assert Organization(id="org_A", name=name).name == name


def test_names_of_all_kinds() -> None:
    assert simplest(strategies.names()) == "Partner"
    names = drawn(strategies.names())
    assert "" in names
    assert any("'" in name and "<" in name for name in names)
    assert any("\u202e" in name for name in names)
    assert max(map(len, names)) == 255
    assert max(len(name.encode()) for name in names) > 1000
    assert len(set(names)) > 100


class TestTimes:
    """As the library keeps them; on request as it takes them. Always within what is given."""

    @given(strategies.times())
    def test_normalized(self, at: datetime) -> None:
        assert at.tzinfo is UTC
        assert as_timestamp(at) == at
        assert datetime(1970, 1, 1, tzinfo=UTC) <= at <= datetime(2100, 1, 1, tzinfo=UTC)

    @given(strategies.times(normalized=False))
    def test_not_normalized(self, at: datetime) -> None:
        assert datetime(1970, 1, 1, tzinfo=UTC) <= at <= datetime(2100, 1, 1, tzinfo=UTC)
        assert create(OUR_KEY).connection.deactivate(by=OUR_KEY, at=at)

    def test_other_zones_and_finer(self) -> None:
        moments = drawn(strategies.times(normalized=False))
        assert any(at.microsecond % 1000 for at in moments)
        offsets = {at.utcoffset() or timedelta(0) for at in moments}
        assert min(offsets) < timedelta(0) < max(offsets)

    def test_the_plainest(self) -> None:
        assert simplest(strategies.times()) == datetime(2000, 1, 1, tzinfo=UTC)
        assert simplest(strategies.times(normalized=False)) == datetime(2000, 1, 1, tzinfo=UTC)
        tomorrow = NOON + timedelta(days=1)
        assert simplest(strategies.times(min_value=NOON, max_value=tomorrow)) == NOON

    @pytest.mark.parametrize("normalized", [True, False])
    @given(data=st.data())
    def test_the_bounds(self, normalized: bool, data: st.DataObject) -> None:
        """To the microsecond, whatever zone they are given in."""
        bounds = strategies.times(normalized=False)
        first, last = sorted(data.draw(st.tuples(bounds, bounds)))
        last += MILLISECOND
        at = data.draw(strategies.times(min_value=first, max_value=last, normalized=normalized))
        assert first <= at <= last

    def test_both_bounds_can_be_drawn(self) -> None:
        last = NOON + 3 * MILLISECOND
        two = strategies.times(min_value=NOON, max_value=last)
        assert set(drawn(two)) == {NOON + count * MILLISECOND for count in range(4)}

    @pytest.mark.parametrize("end", [datetime.min, datetime.max], ids=["first", "last"])
    def test_at_the_ends_of_time(self, end: datetime) -> None:
        """Where some zones cannot show the moment at all."""
        end = end.replace(tzinfo=UTC)
        first = max(end, datetime.min.replace(tzinfo=UTC) + MILLISECOND) - MILLISECOND
        last = min(end, datetime.max.replace(tzinfo=UTC) - MILLISECOND) + MILLISECOND
        moments = drawn(
            strategies.times(min_value=first, max_value=last, normalized=False), examples=200
        )
        assert all(first <= at <= last for at in moments)
        assert {at.utcoffset() for at in moments} > {timedelta(0)}

    def test_nothing_between(self) -> None:
        half = timedelta(microseconds=500)
        with pytest.raises(ValueError, match="no whole millisecond is between min_value=2026-11"):
            strategies.times(min_value=NOON + half, max_value=NOON + half)
        with pytest.raises(ValueError, match="give an earlier min_value or a later max_value"):
            strategies.times(min_value=NOON, max_value=NOON - MILLISECOND)

    @pytest.mark.parametrize("bound", ["min_value", "max_value"])
    def test_a_naive_bound(self, bound: str) -> None:
        naive: dict[str, Any] = {bound: datetime(2026, 1, 1)}
        with pytest.raises(ValueError, match="give it a time zone, such as datetime"):
            strategies.times(**naive)


# --- Parties -------------------------------------------------------------------------------------


@given(strategies.organizations())
def test_organizations(organization: Organization) -> None:
    assert Organization.model_validate(organization.model_dump()) == organization


def test_organizations_with_and_without_a_name() -> None:
    assert simplest(strategies.organizations()) == Organization(id="org_A")
    named = simplest(strategies.organizations(), lambda each: each.name is not None)
    assert named == Organization(id="org_A", name="Partner")


@given(strategies.actors())
def test_actors(actor: Actor) -> None:
    assert Actor.model_validate(actor.model_dump()) == actor


@pytest.mark.parametrize("type_", ActorType)
def test_actors_of_both_types(type_: ActorType) -> None:
    found(strategies.actors(), lambda actor: actor.type is type_)
    for actor in drawn(strategies.actors(type=type_), examples=50):
        assert actor.type is type_


@pytest.mark.parametrize("organization", ["org_X", Organization(id="org_X", name="X")])
def test_actors_of_an_organization(organization: str | Organization) -> None:
    assert simplest(strategies.actors()) == Actor(id="usr_A", organization_id="org_A")
    theirs = drawn(strategies.actors(organization=organization), examples=200)
    assert {actor.organization_id for actor in theirs} == {"org_X"}
    assert len({actor.id for actor in theirs}) > 10


# --- Connections and histories -------------------------------------------------------------------


def is_of_both(history: History) -> bool:
    """Whether it is of an organization with itself."""
    return history[0].source_organization_id == history[0].destination_organization_id


def actions_of(history: History) -> str:
    """What was done, in a line."""
    return " ".join(event.action for event in history[1])


def is_way(way: str, history: History) -> bool:
    """Whether this is what was done."""
    return actions_of(history) == way


class TestHistories:
    """Legal from the creation on, in every way that there is, and only that."""

    @given(strategies.histories(allow_self=True))
    def test_they_replay(self, history: History) -> None:
        connection, events = history
        assert replay(events) == connection
        assert type(events) is tuple

    @given(strategies.histories(clock=strategies.times(normalized=False)))
    def test_they_are_what_validation_would_give(self, history: History) -> None:
        connection, events = history
        assert Connection.model_validate(connection.model_dump()) == connection
        for event in events:
            assert ConnectionEvent.model_validate(event.model_dump()) == event

    @given(strategies.histories())
    def test_everybody_acts_for_one_organization(self, history: History) -> None:
        actors = {(event.actor.id, event.actor.organization_id) for event in history[1]}
        assert len({actor_id for actor_id, _ in actors}) == len(actors)

    @pytest.mark.parametrize(
        ("max_steps", "due"),
        [
            (0, ["create"]),
            (1, ["create", "create activate", "create deactivate"]),
            (
                3,
                [
                    "create",
                    "create activate",
                    "create activate deactivate",
                    "create activate deactivate reactivate",
                    "create deactivate",
                    "create deactivate reactivate",
                    "create deactivate reactivate activate",
                    "create deactivate reactivate deactivate",
                ],
            ),
        ],
    )
    def test_every_way_and_no_other(self, max_steps: int, due: list[str]) -> None:
        histories = strategies.histories(max_steps=max_steps)
        assert set(map(actions_of, drawn(histories, examples=200))) <= set(due)
        for way in due:
            found(histories, partial(is_way, way))

    def test_the_longest(self) -> None:
        found(strategies.histories(), lambda history: len(history[1]) == 9)
        assert max(len(events) for _, events in drawn(strategies.histories())) <= 9

    def test_the_plainest(self) -> None:
        due = Connection.create(
            by=Actor(id="usr_A", organization_id="org_A"),
            destination="org_B",
            scopes=["inquiry.read"],
            id="cxn_A",
            at=datetime(2000, 1, 1, tzinfo=UTC),
        )
        assert simplest(strategies.histories()) == (due.connection, (due.event,))
        assert simplest(strategies.connections()) == due.connection
        assert simplest(strategies.events()) == due.event

    def test_the_plainest_active_one(self) -> None:
        connection, events = simplest(strategies.histories(status="active"))
        assert [event.action for event in events] == ["create", "activate"]
        assert events[1].actor == Actor(id="usr_B", organization_id="org_B")
        assert connection.updated_at == datetime(2000, 1, 1, tzinfo=UTC)

    def test_clocks_jump(self) -> None:
        """Forwards, not at all, and backwards, where the time of the last change is kept."""
        moments = [
            (before.occurred_at, after.occurred_at)
            for _, events in drawn(strategies.histories(), examples=200)
            for before, after in pairwise(events)
        ]
        assert any(before < after for before, after in moments)
        assert sum(before == after for before, after in moments) > len(moments) / 5

    def test_several_of_an_organization_take_the_steps(self) -> None:
        history = found(
            strategies.histories(),
            lambda history: len({event.actor.id for event in history[1]}) == 4,
        )
        assert len({event.actor.organization_id for event in history[1]}) == 2

    @pytest.mark.parametrize("type_", ActorType)
    @pytest.mark.parametrize("action", Action)
    def test_both_types_of_actors_do_everything(self, type_: ActorType, action: Action) -> None:
        found(strategies.events(), lambda each: each.action is action and each.actor.type is type_)

    def test_parties_that_differ_only_by_case(self) -> None:
        connections = drawn(strategies.connections())
        alike = [
            connection
            for connection in connections
            if connection.source_organization_id.lower()
            == connection.destination_organization_id.lower()
        ]
        assert len(alike) > 5

    def test_with_itself_only_on_request(self) -> None:
        assert not any(map(is_of_both, drawn(strategies.histories(), examples=200)))
        histories = drawn(strategies.histories(allow_self=True), examples=200)
        assert 10 < sum(map(is_of_both, histories)) < 150


def organization(id: str) -> Organization:
    """The organization with this id."""
    return Organization(id=id)


class TestPins:
    """What is given is honoured: by itself and together with everything else."""

    @pytest.mark.parametrize("status", Status)
    def test_every_status(self, status: Status) -> None:
        found(strategies.connections(), lambda connection: connection.status is status)
        for connection in drawn(strategies.connections(status=status), examples=50):
            assert connection.status is status
        for connection, _ in drawn(strategies.histories(status=status.value), examples=50):
            assert connection.status is status

    @pytest.mark.parametrize("form", [list, set, iter])
    def test_several_statuses(self, form: Any) -> None:
        either = strategies.connections(status=form(["inactive", "active"]))
        assert {connection.status for connection in drawn(either, examples=100)} == {
            Status.ACTIVE,
            Status.INACTIVE,
        }
        assert simplest(strategies.connections(status=["inactive", "active"])).status == "active"

    @pytest.mark.parametrize("status", ["active", "inactive"])
    def test_a_status_in_the_fewest_steps(self, status: str) -> None:
        histories = drawn(strategies.histories(status=status, max_steps=1), examples=50)
        assert {len(events) for _, events in histories} == {2}

    @pytest.mark.parametrize("status", Status)
    def test_a_status_after_many_steps(self, status: Status) -> None:
        _, events = found(strategies.histories(status=status), lambda each: len(each[1]) > 6)
        assert events[-1].status is status

    @pytest.mark.parametrize("form", [str, organization])
    def test_the_parties(self, form: Callable[[str], str | Organization]) -> None:
        ours, theirs = form("org_a"), form("org_A")
        for connection in drawn(strategies.connections(source=ours), examples=50):
            assert connection.source_organization_id == "org_a"
            assert connection.destination_organization_id != "org_a"
        for connection in drawn(strategies.connections(destination=theirs), examples=50):
            assert connection.destination_organization_id == "org_A"
            assert connection.source_organization_id != "org_A"
        both = strategies.connections(source=ours, destination=theirs)
        for connection in drawn(both, examples=50):
            assert connection.source_organization_id == "org_a"
            assert connection.destination_organization_id == "org_A"

    @pytest.mark.parametrize("pinned", ["source", "destination"])
    def test_a_party_with_itself(self, pinned: str) -> None:
        pin: dict[str, Any] = {pinned: "org_X", "allow_self": True}
        history = found(strategies.histories(**pin), is_of_both)
        assert history[0].source_organization_id == "org_X"
        assert not all(map(is_of_both, drawn(strategies.histories(**pin), examples=50)))

    @given(strategies.histories(source="org_X", destination="org_X", allow_self=True))
    def test_both_parties_the_same(self, history: History) -> None:
        assert history[0].source_organization_id == "org_X"
        assert is_of_both(history)

    @given(strategies.connections(scopes=iter(["x.y", "a.b", "x.y"])))
    def test_the_scopes(self, connection: Connection) -> None:
        assert connection.scopes == {"a.b", "x.y"}

    @given(
        strategies.histories(
            clock=strategies.times(min_value=NOON, max_value=NOON + 5 * MILLISECOND)
        )
    )
    def test_the_clock(self, history: History) -> None:
        for event in history[1]:
            assert NOON <= event.occurred_at <= NOON + 5 * MILLISECOND

    @given(strategies.histories(actors=iter(ACTORS)))
    def test_the_actors(self, history: History) -> None:
        assert all(event.actor in ACTORS for event in history[1])
        assert not is_of_both(history)
        assert replay(history[1]) == history[0]

    def test_all_of_the_actors(self) -> None:
        """Between any two of their organizations, and with itself on request."""
        histories = drawn(strategies.histories(actors=ACTORS, allow_self=True), examples=500)
        taking_part = {event.actor.id for _, events in histories for event in events}
        assert taking_part == {actor.id for actor in ACTORS}
        organizations = {actor.organization_id for actor in ACTORS}
        assert {
            (connection.source_organization_id, connection.destination_organization_id)
            for connection, _ in histories
        } == {(one, other) for one in organizations for other in organizations}

    @given(
        strategies.histories(
            actors=[*ACTORS, STRANGER],
            source=STRANGER.organization_id,
            destination="org_a",
            status=["inactive", "active"],
            scopes=["a.b"],
            clock=st.just(NOON),
            max_steps=2,
        )
    )
    def test_all_together(self, history: History) -> None:
        connection, events = history
        assert connection.creator == STRANGER
        assert connection.destination_organization_id == "org_a"
        assert connection.status in {"inactive", "active"}
        assert connection.scopes == {"a.b"}
        assert connection.created_at == connection.updated_at == NOON
        assert 2 <= len(events) <= 3

    def test_one_organization_is_enough_for_itself(self) -> None:
        history = simplest(strategies.histories(actors=[OUR_KEY], allow_self=True))
        assert is_of_both(history)

    @given(strategies.events(strategies.histories(max_steps=0, source="org_X")))
    def test_the_histories_of_events(self, event: ConnectionEvent) -> None:
        assert event.action is Action.CREATE
        assert event.actor.organization_id == "org_X"

    def test_the_defaults_of_connections(self) -> None:
        versions = {connection.version for connection in drawn(strategies.connections())}
        assert versions == {1, 2, 3, 4, 5}


#: What neither histories nor Connections can be.
BAD_HISTORIES: list[tuple[dict[str, Any], str]] = [
    ({"source": "A"}, "expected an organization id"),
    ({"destination": "A"}, "expected an organization id"),
    (
        {"source": "org_X", "destination": Organization(id="org_X")},
        "source and destination are both org_X; give another .* or allow_self=True",
    ),
    ({"status": "archived"}, "status is 'archived'; give one or several of pending, act"),
    ({"status": ["active", "old"]}, "status is 'active', 'old'; give one or several of"),
    ({"status": []}, "status is empty; give one or several of pending, active, inactive"),
    ({"max_steps": -1}, "max_steps is -1; give 0 or more"),
    (
        {"status": ["pending", "inactive"], "max_steps": 0},
        "max_steps is 0, and it takes 1 to be inactive; give max_steps=1 or more",
    ),
    ({"scopes": []}, "scopes has 0 of them; give 1 to 64"),
    ({"scopes": [f"a.b{n}" for n in range(65)]}, "scopes has 65 of them; give 1 to 64"),
    ({"scopes": ["a"]}, "expected a scope of the form resource.verb"),
    (
        {"actors": [OUR_KEY, OUR_KEY]},
        "act for 1 organizations, and it takes 2; add an actor of another organization",
    ),
    ({"actors": [], "allow_self": True}, "act for 0 organizations, and it takes 1"),
    ({"actors": ACTORS, "source": "org_X"}, "acts for org_X; add one who does"),
    ({"actors": ACTORS, "destination": "org_X"}, "acts for org_X; add one who does"),
]
BAD: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (strategies.actor_ids, {"type": "robot"}, "'robot' is not a valid ActorType"),
    (strategies.actors, {"type": "robot"}, "'robot' is not a valid ActorType"),
    (strategies.actors, {"organization": "usr_A"}, "expected an organization id .* got 'usr_A'"),
    (strategies.actors, {"organization": 5}, "expected an organization id .* got '5'"),
    (strategies.create_documents, {"destination": "A"}, "expected an organization id"),
    (strategies.rows, {"source": "A"}, "expected an organization id"),
    (strategies.rows, {"destination": "A"}, "expected an organization id"),
    (strategies.decisions, {"denial": "bad_mood"}, "'bad_mood' is not a valid Denial"),
    (
        strategies.decisions,
        {"denial": "wrong_role", "allowed": True},
        "nothing that is allowed is denied as wrong_role; leave one of the two out",
    ),
    *((strategies.histories, *bad) for bad in BAD_HISTORIES),
    *((strategies.connections, *bad) for bad in BAD_HISTORIES),
]


@pytest.mark.parametrize(("strategy", "arguments", "message"), BAD)
def test_what_nothing_can_satisfy(
    strategy: Callable[..., object], arguments: dict[str, Any], message: str
) -> None:
    """It is refused when the strategy is made, and the message says what to change."""
    with pytest.raises(ValueError, match=message):
        strategy(**arguments)


# --- Rows, moves, decisions ----------------------------------------------------------------------


class TestRows:
    """What a service has in its table: plain values, and statuses that are none."""

    @given(strategies.rows(), strategies.actors(), st.sampled_from(Action))
    def test_plain_values(self, row: Row, actor: Actor, action: Action) -> None:
        source, destination, status, scopes = row
        assert {type(each) for each in (source, destination, status, *scopes)} == {str}
        assert OrganizationId(source)
        assert OrganizationId(destination)
        if status not in set(Status):
            assert not decide(actor, action, row)

    def test_the_simplest(self) -> None:
        assert simplest(strategies.rows()) == Row("org_A", "org_B", "pending", ("inquiry.read",))

    @pytest.mark.parametrize("status", [*Status, "archived", "ACTIVE", ""])
    def test_statuses(self, status: str) -> None:
        assert found(strategies.rows(), lambda row: row.status == status, within=500)

    @given(strategies.rows(status="on hold", source="org_X", destination="org_Y"))
    def test_pins(self, row: Row) -> None:
        assert row[:3] == ("org_X", "org_Y", "on hold")

    @pytest.mark.parametrize("pinned", ["source", "destination"])
    def test_a_party(self, pinned: str) -> None:
        pin: dict[str, Any] = {pinned: "org_X"}
        rows = drawn(strategies.rows(**pin), examples=100)
        assert {getattr(row, f"{pinned}_organization_id") for row in rows} == {"org_X"}
        assert {row.source_organization_id == row.destination_organization_id for row in rows} == {
            True,
            False,
        }


class TestMoves:
    """Legal ones are taken; of others, whatever anybody may try."""

    @given(strategies.connections(allow_self=True), st.data())
    def test_legal_moves(self, connection: Connection, data: st.DataObject) -> None:
        action, actor = data.draw(strategies.legal_moves(connection))
        assert connection.take(action, by=actor).event.action is action

    @pytest.mark.parametrize("to_self", [False, True])
    @pytest.mark.parametrize("status", Status)
    def test_every_legal_move(self, status: Status, to_self: bool) -> None:
        connection = connection_in(status, to_self=to_self)
        moves = drawn(strategies.legal_moves(connection), examples=200)
        parties = [OUR_KEY] if to_self else [OUR_KEY, PARTNER]
        assert {(action, actor.organization_id) for action, actor in moves} == {
            (action, party.organization_id)
            for party in parties
            for action in allowed_actions(party, connection)
        }
        assert {actor.type for _, actor in moves} == set(ActorType)

    def test_moves(self) -> None:
        connection = connection_in(Status.PENDING)
        moves = drawn(strategies.moves(connection), examples=500)
        assert {(action, roles_of(actor, connection)) for action, actor in moves} == {
            (action, frozenset(roles))
            for action in Action
            for roles in ([], [Role.SOURCE], [Role.DESTINATION])
        }
        assert any(can(actor, action, connection) for action, actor in moves)

    def test_of_rows(self) -> None:
        row = Row("org_X", "org_Y", "inactive", ())
        assert simplest(strategies.legal_moves(row)) == (
            Action.REACTIVATE,
            Actor(id="usr_A", organization_id="org_X"),
        )
        unknown = row._replace(status="archived")
        assert simplest(strategies.moves(unknown))[1].organization_id == "org_X"
        with pytest.raises(ValueError, match="status is 'archived'; give a Connection that is one"):
            strategies.legal_moves(unknown)

    @pytest.mark.parametrize("moves", [strategies.moves, strategies.legal_moves])
    def test_of_a_row_with_a_bad_id(self, moves: Callable[[Row], object]) -> None:
        with pytest.raises(ValueError, match="expected an organization id"):
            moves(Row("org_X", "Y", "active", ()))


class TestDecisions:
    """Whatever the policy can answer, and nothing else."""

    def test_all_that_the_table_has(self) -> None:
        assert set(drawn(strategies.decisions())) > set(decision_table().values())

    @pytest.mark.parametrize("verdict", VERDICTS, ids=str)
    def test_every_cell(self, verdict: Any) -> None:
        cell = Cell(verdict.status, verdict.action, verdict.roles)
        decision = found(strategies.decisions(), lambda each: each == decision_table()[cell])
        assert decision.denials == verdict.denials

    @pytest.mark.parametrize("denial", Denial)
    def test_every_denial(self, denial: Denial) -> None:
        found(strategies.decisions(), lambda each: each.denial is denial)
        for decision in drawn(strategies.decisions(denial=denial), examples=50):
            assert denial in decision.denials

    def test_on_access(self) -> None:
        decisions = drawn(strategies.decisions())
        access = [each for each in decisions if each.action is None]
        assert [each.status for each in access if each.allowed and len(each.roles) == 1] == [
            Status.ACTIVE
        ]
        wrong = (Denial.SCOPE_NOT_GRANTED, Denial.WRONG_DIRECTION)
        assert {each.denials for each in access if len(each.denials) == 3} == {
            (Denial.NOT_ACTIVE, *wrong),
            (Denial.UNKNOWN_STATUS, *wrong),
        }

    @pytest.mark.parametrize("allowed", [True, False])
    def test_allowed_or_not(self, allowed: bool) -> None:
        decisions = drawn(strategies.decisions(allowed=allowed), examples=100)
        assert {decision.allowed for decision in decisions} == {allowed}

    def test_the_plainest(self) -> None:
        assert simplest(strategies.decisions()).allowed

    @given(strategies.decisions())
    def test_they_can_be_written_down(self, decision: Decision) -> None:
        assert Decision.from_dict(json.loads(json.dumps(decision.as_dict()))) == decision


# --- Documents -----------------------------------------------------------------------------------

PLAIN = (type(None), bool, int, float, str, list, dict)


def parts_of(value: object) -> list[object]:
    """A JSON value, and every value and name in it."""
    parts: list[object] = [value]
    for part in parts:
        if isinstance(part, dict):
            parts += [each for item in cast("dict[object, object]", part).items() for each in item]
        elif isinstance(part, list):
            parts += cast("list[object]", part)
    return parts


def assert_plain(document: object) -> None:
    """It is what comes out of JSON: no subclass of `str`, nothing that cannot be written."""
    assert {type(part) for part in parts_of(document)} <= set(PLAIN)
    assert json.loads(json.dumps(document, ensure_ascii=False).encode()) == document


def spoil(document: object) -> None:
    """Empty every part of it, so that a part that examples share would show."""
    for part in parts_of(document):
        if isinstance(part, (dict, list)):
            cast("dict[object, object] | list[object]", part).clear()


class TestCreateDocuments:
    """Every one can be read, with and without what may be left out."""

    @given(strategies.create_documents())
    def test_they_are_read(self, document: dict[str, Any]) -> None:
        assert_plain(document)
        attributes = document["data"]["attributes"]
        request = parse_create(document)
        assert request.destination_organization_id == attributes["destination-organization-id"]
        assert request.name == attributes.get("name")
        assert request.scopes == set(attributes.get("scopes", ["inquiry.read", "account.read"]))
        spoil(document)

    def test_members_that_may_be_left_out(self) -> None:
        members = [
            frozenset(part for part in parts_of(document) if part in ("type", "name", "scopes"))
            for document in drawn(strategies.create_documents())
        ]
        assert len(set(members)) == 8

    def test_the_plainest(self) -> None:
        assert simplest(strategies.create_documents()) == {
            "data": {"attributes": {"destination-organization-id": "org_A"}}
        }

    @pytest.mark.parametrize("destination", ["org_X", Organization(id="org_X")])
    def test_the_destination(self, destination: str | Organization) -> None:
        for document in drawn(strategies.create_documents(destination=destination), examples=50):
            assert parse_create(document).destination_organization_id == "org_X"

    def test_both_types_and_any_order(self) -> None:
        documents: list[Any] = drawn(strategies.create_documents())
        types = {document["data"].get("type") for document in documents}
        assert types == {None, "connect/connections", "connect/connection"}
        scopes = [document["data"]["attributes"].get("scopes", []) for document in documents]
        assert any(each != sorted(each) for each in scopes)


class TestConnectionDocuments:
    """Every one can be read, as the library writes it or as others do."""

    @given(st.data())
    def test_they_are_read(self, data: st.DataObject) -> None:
        connection = data.draw(strategies.connections(allow_self=True))
        document = data.draw(strategies.connection_documents(st.just(connection)))
        assert_plain(document)
        assert parse_connection(document, version=connection.version) == connection
        spoil(document)

    def test_the_plainest_is_what_is_written(self) -> None:
        plainest = simplest(strategies.connections())
        assert simplest(strategies.connection_documents()) == connection_document(plainest)

    def test_what_others_write(self) -> None:
        documents: list[Any] = drawn(strategies.connection_documents())
        assert {each["data"]["type"] for each in documents} == {
            "connect/connections",
            "connect/connection",
        }
        attributes = [document["data"]["attributes"] for document in documents]
        assert any("name" not in each for each in attributes)
        assert any(each.get("name", "") is None for each in attributes)
        assert any(each["scopes"] != sorted(each["scopes"]) for each in attributes)


CREATE_PLACES = """
    / /included /data /data/id /data/relationships /data/type /data/attributes
    /data/attributes/Name /data/attributes/destination-organization-id /data/attributes/name
    /data/attributes/organization-id /data/attributes/scopes /data/attributes/scopes/1
    /data/attributes/status /data/attributes/version
"""
CONNECTION_PLACES = """
    / /included /data /data/id /data/relationships /data/type /data/attributes
    /data/attributes/Name /data/attributes/destination-organization-id /data/attributes/name
    /data/attributes/organization-id /data/attributes/scopes /data/attributes/scopes/1
    /data/attributes/status /data/attributes/version
    /data/attributes/token /data/attributes/creator-id /data/attributes/creator-type
    /data/attributes/created-at /data/attributes/updated-at
"""
CREATE_MISSING = "attributes data destination-organization-id"
CONNECTION_MISSING = """
    attributes created-at creator-id creator-type data destination-organization-id id
    organization-id scopes status token type updated-at
"""


class Invalid(NamedTuple):
    """A strategy for invalid documents, and what is due."""

    strategy: Callable[..., st.SearchStrategy[object]]
    valid: st.SearchStrategy[object]
    read: Callable[[Any], object]
    places: str
    missing: str


INVALID = [
    Invalid(
        strategies.invalid_create_documents,
        strategies.create_documents(),
        parse_create,
        CREATE_PLACES,
        CREATE_MISSING,
    ),
    Invalid(
        strategies.invalid_connection_documents,
        strategies.connections(),
        parse_connection,
        CONNECTION_PLACES,
        CONNECTION_MISSING,
    ),
]


def problem_of(read: Callable[[Any], object], document: object) -> Problem:
    """The one thing that is wrong with it."""
    with pytest.raises(InvalidDocumentError) as caught:
        read(document)
    assert not caught.value.malformed
    (problem,) = caught.value.problems
    return problem


class TestInvalidDocuments:
    """Each has exactly one thing wrong, which is told with its place."""

    @pytest.mark.parametrize("invalid", INVALID, ids=["create", "connection"])
    @given(data=st.data())
    def test_one_thing_is_wrong(self, invalid: Invalid, data: st.DataObject) -> None:
        document = data.draw(invalid.strategy())
        assert_plain(document)
        problem = problem_of(invalid.read, document)
        place: Any = {"": document}
        for name in problem.pointer.split("/"):
            place = place[int(name) if isinstance(place, list) else name]
        assert problem_of(invalid.read, json.dumps(document)) == problem
        spoil(document)

    @pytest.mark.parametrize("invalid", INVALID, ids=["create", "connection"])
    def test_whatever_can_be_wrong(self, invalid: Invalid) -> None:
        """Of one document all that there are, so that Hypothesis runs out of them."""
        valid = simplest(invalid.valid)
        documents = drawn(invalid.strategy(st.just(valid)), examples=3000)
        assert len(documents) < 1000  # older versions of it draw some of them twice
        problems = [problem_of(invalid.read, document) for document in documents]
        assert {problem.pointer or "/" for problem in problems} == set(invalid.places.split())
        assert {
            problem.detail.split("'")[1] for problem in problems if "is missing" in problem.detail
        } == set(invalid.missing.split())

    @pytest.mark.parametrize(
        "detail",
        [
            "the token is the id",
            "the type of 'usr_A' is user",
            "cannot be updated before it was created",
            "at most 64 items",
            "at most 255 characters",
            "cannot hold the character U+0000",
        ],
    )
    def test_what_only_the_details_tell(self, detail: str) -> None:
        valid = st.just(simplest(strategies.connections()))
        problems = [
            problem_of(parse_connection, document)
            for document in drawn(strategies.invalid_connection_documents(valid), examples=3000)
        ]
        assert any(detail in problem.detail for problem in problems)

    def test_the_plainest(self) -> None:
        assert simplest(strategies.invalid_create_documents()) == {}
        assert simplest(strategies.invalid_connection_documents()) == {}

    @given(strategies.invalid_connection_documents(strategies.connections(source="org_X")))
    def test_of_which_connections(self, document: object) -> None:
        texts = [part for part in parts_of(document) if isinstance(part, str)]
        assert "org_X" in texts or problem_of(parse_connection, document).pointer in (
            "",
            "/data",
            "/data/attributes",
            "/data/attributes/organization-id",
        )
