"""Filters, compared with `decide`: no row more, no row less, whatever the rows are.

Filters that drift from single checks are the best-documented failure of policy engines. These tests
put `visible` and `actionable` to hostile rows on SQLite, PostgreSQL and DuckDB: each filter must
select exactly the rows that the policy permits. For Spark SQL, the tests check the text itself: it
has the same meaning there, and it consists of ``=``, ``IN``, ``IS NOT NULL``, ``AND`` and ``OR``
alone. The tests in ``tests/analytics`` put the filters to Spark.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, product
from typing import Any, NamedTuple

import duckdb
import pytest
import sqlglot
from databases import SERVERS, connection_of_a_host
from embedding import OURS, THEIRS, committed
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnElement,
    Engine,
    Enum,
    MetaData,
    Select,
    String,
    Table,
    Text,
    and_,
    insert,
    not_,
    or_,
    select,
)
from sqlalchemy import Connection as Database
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column
from sqlglot import exp
from support import ORGANIZATIONS, OUR_KEY, PARTNER

from connect_core import Action, Actor, Organization, Status, can, roles_of
from connect_core.adapters.sql import actionable, connections, visible


class TestFilters:
    """The rows that the policy permits, in the library's own table and in an alias of it."""

    @pytest.mark.parametrize("action", Action)
    @pytest.mark.parametrize("actor", [OUR_KEY, PARTNER], ids=["source", "destination"])
    def test_actionable(self, host: Engine, actor: Actor, action: Action) -> None:
        connection = committed(host)
        allowed = can(actor, action, connection) and action is not Action.CREATE
        for on in (connections, connections.alias()):
            mine = actionable(actor, action, on=on)
            with host.connect() as database:
                found = database.execute(select(on.c.id).where(mine)).all()
                others = database.execute(select(on.c.id).where(~mine)).all()
            assert (len(found), len(others)) == (int(allowed), int(not allowed))

    def test_one_status_is_written_with_an_equals_sign(self) -> None:
        text = str(actionable(PARTNER, Action.ACTIVATE))
        assert "connections.status = " in text
        assert " IN " not in text
        assert " IN " in str(actionable(PARTNER, Action.DEACTIVATE))

    def test_visible(self, host: Engine) -> None:
        committed(host)
        for organization, seen in ((OURS, 1), (Organization(id=THEIRS), 1), ("org_XYZ", 0)):
            with host.connect() as database:
                found = database.execute(select(connections.c.id).where(visible(organization)))
                assert len(found.all()) == seen


# --- A host's own tables -------------------------------------------------------------------------


class Host(DeclarativeBase):
    """The tables that a host has mapped."""


class Share(Host):
    """A table without constraints, which can hold any values."""

    __tablename__ = "shares"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source_organization_id: Mapped[str | None] = mapped_column(Text)
    destination_organization_id: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str | None] = mapped_column(Text)


class RenamedShare(Host):
    """The same, under columns of other names."""

    __tablename__ = "renamed_shares"

    id: Mapped[str] = mapped_column("number", String(64), primary_key=True)
    source_organization_id: Mapped[str | None] = mapped_column("Von", Text)
    destination_organization_id: Mapped[str | None] = mapped_column("An", Text)
    status: Mapped[str | None] = mapped_column("select", Text)


class EnumeratedShare(Host):
    """The same, with a status of the library's own type, which is stored by its members' names."""

    __tablename__ = "enumerated_shares"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source_organization_id: Mapped[str | None] = mapped_column(Text)
    destination_organization_id: Mapped[str | None] = mapped_column(Text)
    status: Mapped[Status | None] = mapped_column(Enum(Status))


SHARES = Table(
    "shares",
    MetaData(),
    *(
        Column(name, Text)
        for name in ("id", "source_organization_id", "destination_organization_id", "status")
    ),
)


class Form(NamedTuple):
    """One way in which a host can hold its rows, and name them in a query."""

    #: What the filters are given.
    on: Any
    #: The mapped class whose rows these are.
    mapped: type[Share | RenamedShare | EnumeratedShare] = Share

    @property
    def id(self) -> ColumnElement[str]:
        """The column of the id."""
        column: ColumnElement[str] = self.on.c.id if hasattr(self.on, "c") else self.on.id
        return column

    @property
    def stores_members(self) -> bool:
        """Whether the status can only be a `Status` or nothing."""
        return self.mapped is EnumeratedShare


FORMS = {
    "table": Form(SHARES),
    "alias": Form(SHARES.alias("theirs")),
    "subquery": Form(select(SHARES).subquery()),
    "common table expression": Form(select(SHARES).cte("shared")),
    "class": Form(Share),
    "aliased class": Form(aliased(Share)),
    "class of other columns": Form(RenamedShare, RenamedShare),
    "class of members": Form(EnumeratedShare, EnumeratedShare),
    "aliased class of members": Form(aliased(EnumeratedShare), EnumeratedShare),
}


# --- Hostile rows --------------------------------------------------------------------------------


@dataclass
class HostileRow:
    """A row with any values at all."""

    id: str
    source_organization_id: Any
    destination_organization_id: Any
    status: Any


ACTORS = [Actor(id="api_1", organization_id=each) for each in ORGANIZATIONS]

#: Texts that are not ids, and ids that only look like an organization's.
IDS: list[str | None] = [
    None,
    *ORGANIZATIONS,
    "",
    " ",
    "ORG_A",
    "org_A ",
    " org_A",
    "org_A\t",
    "org_A\n",
    "org_",
    "org_AB",
    "org%",
    "'org_A'",
    "org_A' OR '1'='1",
    'org_A"; DROP TABLE shares; --',
    "org_A\\",
    "оrg_A",  # noqa: RUF001  # begins with a Cyrillic o
    "org_Ａ",  # noqa: RUF001  # ends with a full-width A
    "org_A\u0301",
    "org_A\u200b",
    "NULL",
]
STATUSES: list[str | None] = [
    None,
    *(status.value for status in Status),
    *(status.name for status in Status),
    "",
    "Pending",
    "pending ",
    " active",
    "active\n",
    "inactive\t",
    "absent",
    "frozen",
    "NULL",
    "'active'",
    "active' OR '1'='1",
    "аctive",  # noqa: RUF001  # begins with a Cyrillic a
    "actıve",  # noqa: RUF001  # a dotless i
    "ａctive",  # noqa: RUF001  # a full-width a
    "active\u200b",
    "active,pending",
]

_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
_ids = st.sampled_from(ORGANIZATIONS) | st.sampled_from(IDS) | _texts
_statuses = st.sampled_from(list(Status)).map(str) | st.sampled_from(STATUSES) | _texts
_members = st.none() | st.sampled_from(list(Status))


@st.composite
def tables(draw: st.DrawFn, statuses: st.SearchStrategy[Any] = _statuses) -> list[HostileRow]:
    """The rows of a table; many are Connections of an organization with itself."""
    to_self = _ids.map(lambda each: (each, each))
    pairs = st.tuples(_ids, _ids) | to_self
    drawn = draw(st.lists(st.tuples(pairs, statuses), max_size=12))
    return [HostileRow(f"row {n}", *pair, status) for n, (pair, status) in enumerate(drawn)]


# --- The law -------------------------------------------------------------------------------------

AnySelect = Select[*tuple[Any, ...]]
#: A way to run a query.
Run = Callable[[AnySelect], Sequence[Sequence[Any]]]


class Question(NamedTuple):
    """A filter, and what the policy says of one row."""

    name: str
    filter: Callable[[Any], ColumnElement[bool]]
    answer: Callable[[Any], bool]


def questions_of(actor: Actor) -> Iterator[Question]:
    """Everything that can be asked for an actor."""

    def is_visible(on: Any) -> ColumnElement[bool]:
        return visible(actor.organization_id, on)

    yield Question(f"visible {actor.organization_id}", is_visible, partial(_is_party, actor))
    for action in Action:
        yield Question(
            f"{action} {actor.organization_id}",
            partial(actionable, actor, action),
            partial(can, actor, action),
        )


def _is_party(actor: Actor, row: HostileRow) -> bool:
    return bool(roles_of(actor, row))


QUESTIONS = [question for actor in ACTORS for question in questions_of(actor)]


def check(run: Run, form: Form, rows: Sequence[HostileRow], questions: Sequence[Question]) -> None:
    """Check the law on these rows: the filter, its negation, and the filter as a column."""
    filters = [question.filter(form.on) for question in questions]
    labels = [each.label(f"answer_{number}") for number, each in enumerate(filters)]
    results = {row[0]: list(row[1:]) for row in run(select(form.id, *labels))}
    assert results == {row.id: [question.answer(row) for question in questions] for row in rows}
    assert {type(answer) for answers in results.values() for answer in answers} <= {bool}
    for number, each in enumerate(filters):
        yes = {name for name, answers in results.items() if answers[number]}
        assert found(run, form, each) == yes
        assert found(run, form, ~each) == set(results) - yes


def found(run: Run, form: Form, condition: ColumnElement[bool]) -> set[str]:
    """The ids of the rows that fulfil a condition."""
    ids = [row[0] for row in run(select(form.id).where(condition))]
    assert len(set(ids)) == len(ids)
    return set(ids)


def values_of(row: HostileRow) -> dict[str, Any]:
    """The row as it is inserted."""
    return dict(vars(row))


# --- SQLite and servers --------------------------------------------------------------------------


class Hosted:
    """A database with the host's tables in it, on one connection for all examples."""

    def __init__(self, connection: Database) -> None:
        self.connection = connection

    def run(self, query: AnySelect) -> Sequence[Sequence[Any]]:
        """What the database answers."""
        return self.connection.execute(query).all()

    @contextmanager
    def holding(self, form: Form, rows: Sequence[HostileRow]) -> Generator[Session]:
        """The table of this form holds these rows, and gives them up again."""
        with self.connection.begin() as transaction:
            try:
                with Session(self.connection) as session:
                    if rows:
                        session.execute(insert(form.mapped), list(map(values_of, rows)))
                    yield session
            finally:
                transaction.rollback()


@pytest.fixture(scope="module", params=["sqlite-memory", *SERVERS])
def hosted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosted]:
    """A database of the host's."""
    with connection_of_a_host(request.param, tmp_path_factory.mktemp("host")) as connection:
        Host.metadata.create_all(connection)
        connection.commit()
        yield Hosted(connection)


# --- DuckDB --------------------------------------------------------------------------------------


def text_of(clause: ClauseElement) -> str:
    """The SQL text, with its values in it, for engines that SQLAlchemy does not speak to."""
    return str(clause.compile(compile_kwargs={"literal_binds": True}))


class Duck:
    """DuckDB with the host's tables in it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        for mapped in (Share, RenamedShare):
            columns = ", ".join(f'"{column.name}" VARCHAR' for column in mapped.__table__.columns)
            connection.execute(f"CREATE TABLE {mapped.__tablename__} ({columns})")

    def run(self, query: AnySelect) -> Sequence[Sequence[Any]]:
        """What DuckDB answers to the text of the query."""
        return self._connection.execute(text_of(query)).fetchall()

    @contextmanager
    def holding(self, form: Form, rows: Sequence[HostileRow]) -> Generator[None]:
        """The table of this form holds these rows, and gives them up again."""
        columns = list(zip(*(vars(row).values() for row in rows), strict=True))
        lists = ", ".join(["unnest(?::VARCHAR[])"] * len(columns))
        self._connection.begin()
        try:
            if columns:
                into = f"INSERT INTO {form.mapped.__tablename__} SELECT {lists}"
                self._connection.execute(into, columns)
            yield
        finally:
            self._connection.rollback()


@pytest.fixture(scope="module")
def duck() -> Iterator[Duck]:
    """An empty DuckDB in memory."""
    with duckdb.connect() as connection:
        yield Duck(connection)


DUCK_FORMS = {name: form for name, form in FORMS.items() if not form.stores_members}


# --- Filters and decisions -----------------------------------------------------------------------


def combinations(statuses: Sequence[Any]) -> list[HostileRow]:
    """Every pair of hostile ids in a status or two; every hostile status of a few pairs."""
    pairs = product(IDS, IDS, [None, *list(Status)[:2]])
    standings = product([None, "org_A ", *ORGANIZATIONS], [None, *ORGANIZATIONS], statuses)
    return [HostileRow(f"row {n}", *values) for n, values in enumerate(chain(pairs, standings))]


EVERY = combinations(STATUSES)
EVERY_MEMBER = combinations([None, *Status])


class TestFiltersAndDecisions:
    """rows(filter) == rows where decide() allows; and NOT filter selects exactly the others."""

    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_every_combination(self, hosted: Hosted, form: Form) -> None:
        rows = EVERY_MEMBER if form.stores_members else EVERY
        with hosted.holding(form, rows):
            check(hosted.run, form, rows, QUESTIONS)

    @pytest.mark.parametrize("form", DUCK_FORMS.values(), ids=DUCK_FORMS)
    def test_every_combination_on_duckdb(self, duck: Duck, form: Form) -> None:
        with duck.holding(form, EVERY):
            check(duck.run, form, EVERY, QUESTIONS)

    @given(rows=tables(), question=st.sampled_from(QUESTIONS), data=st.data())
    def test_any_text(
        self, hosted: Hosted, rows: list[HostileRow], question: Question, data: st.DataObject
    ) -> None:
        form = data.draw(st.sampled_from(list(DUCK_FORMS.values())))
        with hosted.holding(form, rows):
            check(hosted.run, form, rows, [question])

    @given(rows=tables(_members), question=st.sampled_from(QUESTIONS), data=st.data())
    def test_any_member(
        self, hosted: Hosted, rows: list[HostileRow], question: Question, data: st.DataObject
    ) -> None:
        form = data.draw(st.sampled_from([form for form in FORMS.values() if form.stores_members]))
        with hosted.holding(form, rows):
            check(hosted.run, form, rows, [question])

    @given(rows=tables(), question=st.sampled_from(QUESTIONS), data=st.data())
    def test_any_text_on_duckdb(
        self, duck: Duck, rows: list[HostileRow], question: Question, data: st.DataObject
    ) -> None:
        form = data.draw(st.sampled_from(list(DUCK_FORMS.values())))
        with duck.holding(form, rows):
            check(duck.run, form, rows, [question])

    @given(
        rows=tables(),
        question=st.sampled_from(QUESTIONS),
        form=st.sampled_from([FORMS["class"], FORMS["aliased class"]]),
    )
    def test_the_policy_agrees_about_the_objects_that_a_session_loads(
        self, hosted: Hosted, rows: list[HostileRow], question: Question, form: Form
    ) -> None:
        """The row that was selected and the row that is decided on are one and the same object."""
        condition = question.filter(form.on)
        with hosted.holding(form, rows) as session:
            chosen = session.scalars(select(form.on).where(condition)).all()
            others = session.scalars(select(form.on).where(~condition)).all()
            assert all(map(question.answer, chosen))
            assert not any(map(question.answer, others))
            assert len(chosen) + len(others) == len(rows)

    @pytest.mark.parametrize("hosted", ["sqlite-memory"], indirect=True)
    def test_values_that_are_no_text(self, hosted: Hosted) -> None:
        """SQLite keeps whatever it is given, whatever the column's type; PostgreSQL does not."""
        form = FORMS["table"]
        odd = [5, 2.5, b"", b"org_A", b"active", "org_A\x00", "active\x00", "org_A", "active"]
        rows = [
            HostileRow(f"row {number}", *values)
            for number, values in enumerate(product(odd, odd, odd))
        ]
        with hosted.holding(form, []):
            hosted.connection.exec_driver_sql(
                "INSERT INTO shares VALUES (?, ?, ?, ?)",
                [tuple(vars(row).values()) for row in rows],
            )
            check(hosted.run, form, rows, QUESTIONS)


class TestComposition:
    """A filter is one condition among the host's own, and keeps its meaning there."""

    @given(
        rows=tables(),
        one=st.sampled_from(QUESTIONS),
        other=st.sampled_from(QUESTIONS),
        own=st.sets(st.integers(0, 11)),
    )
    def test_and_or_not(
        self, hosted: Hosted, rows: list[HostileRow], one: Question, other: Question, own: set[int]
    ) -> None:
        form = FORMS["class"]
        everything = {row.id for row in rows}
        these = {f"row {number}" for number in own} & everything
        ones = {row.id for row in rows if one.answer(row)}
        others = {row.id for row in rows if other.answer(row)}
        f, g, h = one.filter(form.on), other.filter(form.on), form.id.in_(these)
        with hosted.holding(form, rows):
            for condition, chosen in (
                (and_(h, f), these & ones),
                (or_(h, f), these | ones),
                (f & ~g | h, (ones - others) | these),
                (~(f | g) & h, these - (ones | others)),
                (not_(and_(h, f)), everything - (these & ones)),
                (h & f | ~h & ~f, everything - (these ^ ones)),
                (f == g, everything - (ones ^ others)),
            ):
                assert found(hosted.run, form, condition) == chosen, condition

    def test_two_wheres(self, hosted: Hosted) -> None:
        rows = [HostileRow(status.value, "org_A", "org_B", status.value) for status in Status]
        query = select(Share.id).where(visible("org_B", Share)).where(Share.id != "pending")
        query = query.where(actionable(ACTORS[0], "deactivate", Share))
        with hosted.holding(FORMS["class"], rows):
            assert hosted.run(query) == [("active",)]

    def test_both_parties_of_a_join(self, hosted: Hosted) -> None:
        """Two aliases of one table, each with a filter of its own."""
        ours, theirs = aliased(Share), aliased(Share)
        rows = [
            HostileRow("to them", "org_A", "org_B", "active"),
            HostileRow("to us", "org_B", "org_A", "pending"),
            HostileRow("elsewhere", "org_B", "org_a", "pending"),
        ]
        back = and_(
            ours.source_organization_id == theirs.destination_organization_id,
            ours.destination_organization_id == theirs.source_organization_id,
        )
        query = select(ours.id, theirs.id).join(theirs, back)
        query = query.where(actionable(ACTORS[0], "deactivate", ours))
        query = query.where(actionable(ACTORS[0], "activate", theirs))
        with hosted.holding(FORMS["class"], rows):
            assert hosted.run(query) == [("to them", "to us")]


# --- Arguments -----------------------------------------------------------------------------------


class TestArguments:
    """What the filters are given is checked, and is never part of the SQL."""

    def test_an_organization(self) -> None:
        organization = Organization(id="org_A", name="A")
        assert text_of(visible(organization, SHARES)) == text_of(visible("org_A", SHARES))

    @pytest.mark.parametrize("action", ["", "ACTIVATE", "activate ", "delete", "share", None])
    def test_an_action_that_does_not_exist(self, action: Any) -> None:
        with pytest.raises(ValueError, match="is not a valid Action"):
            actionable(ACTORS[0], action)

    def test_an_action_by_its_name(self) -> None:
        for action in Action:
            one, same = (actionable(ACTORS[0], each, SHARES) for each in (action, action.value))
            assert text_of(one) == text_of(same)

    def test_creating_acts_on_no_row(self) -> None:
        assert text_of(actionable(ACTORS[0], Action.CREATE)) == "false"

    @pytest.mark.parametrize("id", ["org_A' OR '1'='1", "'; DROP TABLE shares; --", "\\", "%s", ""])
    def test_an_actor_that_was_never_validated(self, hosted: Hosted, duck: Duck, id: str) -> None:
        """A value is a value, even one that was smuggled past the model."""
        actor = Actor.model_construct(id="api_1", organization_id=id)
        rows = [
            HostileRow(f"row {number}", *values)
            for number, values in enumerate(product(["org_A", id, None], repeat=3))
        ]
        rows += [HostileRow(f"to self {status}", id, id, status.value) for status in Status]
        questions = [each for each in questions_of(actor) if not each.name.startswith("visible")]
        form = FORMS["table"]
        for held in (hosted, duck):
            with held.holding(form, rows):
                check(held.run, form, rows, questions)

    @pytest.mark.parametrize("name", ["source_organization_id", "status"])
    def test_a_table_that_lacks_a_column(self, name: str) -> None:
        """An error at once, not a filter that forgets a condition."""
        columns = [column.name for column in SHARES.columns if column.name != name]
        lacking = Table("lacking", MetaData(), *(Column(each, Text) for each in columns))
        with pytest.raises(KeyError, match=name):
            actionable(ACTORS[0], Action.DEACTIVATE, lacking)


# --- The text ------------------------------------------------------------------------------------

#: All that a filter is made of.
PLAIN = {
    exp.And,
    exp.Or,
    exp.Paren,
    exp.EQ,
    exp.In,
    exp.Is,
    exp.Not,
    exp.Null,
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Boolean,
}


class TestText:
    """The SQL text says the same to Spark SQL, DuckDB and PostgreSQL, and is plain."""

    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_one_meaning(self, form: Form) -> None:
        for question in QUESTIONS:
            text = text_of(question.filter(form.on))
            tree = sqlglot.parse_one(text, dialect="duckdb")
            in_spark = text.replace('"', "`")  # which quotes names so, where they need it
            assert sqlglot.parse_one(in_spark, dialect="spark") == tree
            for dialect in ("spark", "duckdb"):
                assert sqlglot.parse_one(tree.sql(dialect), dialect=dialect) == tree

    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_plain(self, form: Form) -> None:
        for question in QUESTIONS:
            tree = sqlglot.parse_one(text_of(question.filter(form.on)), dialect="spark")
            for node in tree.walk():
                assert type(node) in PLAIN
                if isinstance(node, exp.Not):
                    assert isinstance(node.this, exp.Is)
                if isinstance(node, exp.Is):
                    assert isinstance(node.expression, exp.Null)
                    assert isinstance(node.parent, exp.Not)
                if isinstance(node, exp.Literal):
                    assert node.is_string
                if isinstance(node, exp.Boolean):
                    assert node is tree, "false, for creation, and nowhere else"
