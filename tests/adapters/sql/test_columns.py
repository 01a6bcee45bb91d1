"""Types of columns: the filters agree with the policy on each, or refuse it and say why."""

import enum
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import sqlalchemy
from databases import SERVERS
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    NCHAR,
    Boolean,
    Column,
    Date,
    Engine,
    Enum,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    String,
    Table,
    Text,
    Unicode,
    UnicodeText,
    Uuid,
    cast,
    collate,
    column,
    create_engine,
    insert,
    literal_column,
    select,
    table,
    type_coerce,
)
from sqlalchemy import Connection as Database
from sqlalchemy.dialects import mssql, mysql, oracle
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, column_property, mapped_column
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from connect_core import Action, Actor, Organization, Status, can, roles_of
from connect_core.adapters.sql import actionable, visible

pytestmark = pytest.mark.filterwarnings(  # SQLAlchemy's own, of its own type
    "ignore:Type object .*DOMAIN:sqlalchemy.exc.SADeprecationWarning"
)

ACTORS: Final = [Actor(id="usr_1", organization_id=each) for each in ("org_A", "org_a", "org_B")]


# --- Types that are accepted ---------------------------------------------------------------------


class ByName(enum.Enum):
    """Members whose values are no texts themselves."""

    active = "inactive"
    pending = "pending"
    inactive = "active"


class Texts(str, enum.Enum):  # noqa: UP042  # a StrEnum is `Status`
    """Members that are texts, under other names, one of them twice."""

    WAITING = "pending"
    RUNNING = "active"
    ENDED = "inactive"
    OVER = "inactive"  # noqa: PIE796
    ODD = "archived"


class Numbers(enum.IntEnum):
    """Members that are numbers."""

    pending = 1
    active = 2


class AsLetters(TypeDecorator[str]):
    """Text, in a type of the host's own."""

    impl = String(32)
    cache_ok = True


class AsMembers(TypeDecorator[Status]):
    """An Enum, in a type of the host's own."""

    impl = Enum(Status)
    cache_ok = True


def values_of(members: Any) -> list[str]:
    """What is stored for each member."""
    return [str(member.value) for member in members]


PLAIN = [None, *map(str, Status), "archived", "Active", "active ", " active", "PENDING", ""]

#: Each type of a status, with the values that are stored in it; the databases that have it.
STATUSES: Final[dict[str, tuple[TypeEngine[Any], list[Any], str | tuple[str, ...]]]] = {
    "String": (String(32), PLAIN, ""),
    "Text": (Text(), PLAIN, ""),
    "Unicode": (Unicode(32), PLAIN, ""),
    "UnicodeText": (UnicodeText(), PLAIN, ""),
    "VARCHAR": (pg.VARCHAR(32), PLAIN, "postgresql"),
    "String collated BINARY": (String(32, collation="BINARY"), PLAIN, "sqlite"),
    "String collated C": (String(32, collation="C"), PLAIN, "postgresql"),
    "String collated POSIX": (String(32, collation="POSIX"), PLAIN, "postgresql"),
    "String collated nopad_bin": (String(32, collation="utf8mb4_nopad_bin"), PLAIN, "mariadb"),
    "MariaDB's VARCHAR": (
        mysql.VARCHAR(32, charset="utf8mb4", collation="utf8mb4_nopad_bin"), PLAIN, "mariadb"
    ),
    "MariaDB's LONGTEXT": (mysql.LONGTEXT(), PLAIN, "mariadb"),
    "variant": (String(32).with_variant(Text(collation="C"), "postgresql"), PLAIN, ""),
    "type of the host's": (AsLetters(), PLAIN, ""),
    "domain": (pg.DOMAIN("letters", Text()), PLAIN, "postgresql"),
    "Enum of Status": (Enum(Status), [None, *Status], ""),
    "Enum of Status as text": (Enum(Status, native_enum=False), [None, *Status], ""),
    "Enum of Status by value": (
        Enum(Status, values_callable=values_of, name="by_value"), [None, *Status], ""
    ),
    "Enum in a type of the host's": (AsMembers(), [None, *Status], ""),
    "Enum of texts": (Enum(Texts), [None, *Texts], ""),
    "Enum of texts as text": (Enum(Texts, native_enum=False), [None, *Texts], ""),
    "Enum of texts by value": (
        Enum(Texts, values_callable=values_of, name="texts_by_value"), [None, *Texts], ""
    ),
    "Enum of plain strings": (
        Enum("pending", "active", "inactive", "x", name="plain"),
        [None, "pending", "active", "inactive", "x"],
        "",
    ),
    "Enum that lacks a value": (
        Enum("pending", "archived", name="lacking"), [None, "pending", "archived"], ""
    ),
    "native enum": (pg.ENUM("active", "inactive", name="native"), [None, "active"], "postgresql"),
    "native enum of members": (pg.ENUM(Status, name="native_2"), [None, *Status], "postgresql"),
    "MariaDB's ENUM": (
        mysql.ENUM("pending", "active", "x"), [None, "pending", "active", "x"], "mariadb"
    ),
    "MariaDB's ENUM of members": (mysql.ENUM(Status), [None, *Status], "mariadb"),
    "Enum with variants": (
        Enum(Status).with_variant(pg.ENUM(Status, name="variant"), "postgresql"),
        [None, *Status],
        ("sqlite", "postgresql"),  # SQLAlchemy cannot create such a table on MariaDB
    ),
}  # fmt: skip

SQLALCHEMY: Final = tuple(int(part) for part in re.findall(r"\d+", sqlalchemy.__version__)[:3])

IDS: Final = [None, "org_A", "org_a", "org_A ", " org_A", "org_B", ""]
#: Each type of an id.
ID_TYPES: Final[dict[str, tuple[TypeEngine[Any], list[Any], str | tuple[str, ...]]]] = {
    name: (type_, IDS, only) for name, (type_, values, only) in STATUSES.items() if values is PLAIN
} | {
    "Enum": (Enum("org_A", "org_x", name="organizations"), [None, "org_A", "org_x"], ""),
}


def own_table(id_type: TypeEngine[Any], status: TypeEngine[Any]) -> Table:
    """A table of a host's."""
    return Table(
        f"shares_{uuid4().hex}",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("source_organization_id", id_type),
        Column("destination_organization_id", id_type),
        Column("status", status),
    )


@contextmanager
def holding(hosted: Database, shares: Table, rows: list[tuple[Any, ...]]) -> Generator[None]:
    """The table is there, with these rows, and is gone again."""
    names = ["source_organization_id", "destination_organization_id", "status"]
    with hosted.begin() as transaction:
        try:
            shares.create(hosted)
            hosted.execute(insert(shares), [dict(zip(names, row, strict=True)) for row in rows])
            yield
        finally:
            transaction.rollback()


def each_on(
    types: dict[str, tuple[TypeEngine[Any], list[Any], str | tuple[str, ...]]],
) -> pytest.MarkDecorator:
    """Each type, on each database that has it."""
    cases = [
        (kind, name)
        for name, (_, _, only) in types.items()
        for kind in ("sqlite-memory", *SERVERS)
        if kind.startswith(only)
    ]
    return pytest.mark.parametrize(("hosted", "name"), cases, indirect=["hosted"])


def is_party(actor: Actor, row: Any) -> bool:
    return bool(roles_of(actor, row))


def check(hosted: Database, shares: Table) -> None:
    """rows(filter) == rows where the policy allows it; NOT filter selects exactly the others."""
    rows = hosted.execute(select(shares).order_by(shares.c.id)).all()
    for actor in ACTORS:
        filters: list[tuple[Any, Callable[[Any], bool]]] = [
            (visible(actor.organization_id, shares), partial(is_party, actor)),
            *(
                (actionable(actor, action, shares), partial(can, actor, action))
                for action in Action
            ),
        ]
        for condition, answer in filters:
            yes = [row.id for row in rows if answer(row)]
            no = [row.id for row in rows if not answer(row)]
            for clause, ids in ((condition, yes), (~condition, no)):
                found = hosted.execute(select(shares.c.id).where(clause).order_by(shares.c.id))
                assert found.scalars().all() == ids, (actor, clause)


class TestAccepted:
    """The law, on every type that the filters take."""

    @each_on(STATUSES)
    def test_statuses(self, hosted: Database, name: str) -> None:
        if name == "native enum" and SQLALCHEMY < (2, 0, 10):
            pytest.skip("this SQLAlchemy compares a native enum of texts with a VARCHAR")
        type_, values, _ = STATUSES[name]
        shares = own_table(String(32), type_)
        pairs = [("org_A", "org_B"), ("org_B", "org_A"), ("org_A", "org_A"), ("org_a", None)]
        with holding(hosted, shares, [(*pair, value) for pair in pairs for value in values]):
            check(hosted, shares)

    @each_on(ID_TYPES)
    def test_ids(self, hosted: Database, name: str) -> None:
        type_, values, _ = ID_TYPES[name]
        shares = own_table(type_, String(32))
        with holding(hosted, shares, list(product(values, values, ["pending", "active"]))):
            check(hosted, shares)

    def test_it_is_not_a_test_of_nothing(self, hosted: Database) -> None:
        """Members that are texts are found, though another text is stored."""
        shares = own_table(String(32), Enum(Texts, native_enum=False))
        rows = [("org_B", "org_A", Texts.WAITING), ("org_B", "org_A", Texts.RUNNING)]
        with holding(hosted, shares, rows):
            mine = select(shares.c.status).where(actionable(ACTORS[0], "activate", shares))
            assert hosted.scalars(mine).all() == [Texts.WAITING]

    def test_columns_without_a_type(self) -> None:
        """They cannot be checked, and are compared as texts."""
        names = ("source_organization_id", "destination_organization_id", "status")
        light = table("shares", *map(column, names))
        assert isinstance(light.c.status.type, NullType)
        assert "shares.status = " in str(actionable(ACTORS[0], "activate", light))


# --- Types that are refused ----------------------------------------------------------------------


class Aliased(enum.Enum):
    """A member with two names."""

    active = "active"
    running = "active"  # noqa: PIE796


class Confused(str, enum.Enum):  # noqa: UP042  # a StrEnum is `Status`
    """A member whose text is another member's name; SQLAlchemy stores it as that one."""

    waiting = "active"
    active = "pending"


class Padded(TypeDecorator[str]):
    """A type of the host's over one that pads."""

    impl = CHAR(20)
    cache_ok = True


def twice_the_same(_: Any) -> list[str]:
    return ["a", "a", "b"]


def _case_insensitive() -> dict[str, tuple[TypeEngine[Any], str]]:
    """PostgreSQL's CITEXT, which SQLAlchemy has since 2.0.7."""
    citext: type[TypeEngine[Any]] | None = getattr(pg, "CITEXT", None)
    if citext is None:
        return {}
    return {
        "CITEXT": (citext(), "ignores case"),
        "variant CITEXT": (Text().with_variant(citext(), "postgresql"), "ignores case"),
        "domain over CITEXT": (pg.DOMAIN("folded", citext()), "ignores case"),
    }


#: Each type that is refused, and what the message says of it.
REFUSED: Final[dict[str, tuple[TypeEngine[Any], str]]] = {
    "CHAR": (CHAR(20), "pads texts"),
    "NCHAR": (NCHAR(20), "pads texts"),
    "oracle NCHAR": (oracle.NCHAR(20), "pads texts"),
    "mysql CHAR": (mysql.CHAR(20), "pads texts"),
    "type over CHAR": (Padded(), "pads texts"),
    "variant CHAR": (String(20).with_variant(CHAR(20), "postgresql"), "pads texts"),
    "domain over CHAR": (pg.DOMAIN("padded", CHAR(20)), "pads texts"),
    **_case_insensitive(),
    **{
        f"collation {name}": (String(20, collation=name), f"collation {name} finds")
        for name in (
            "NOCASE", "nocase", "RTRIM", "utf8mb4_general_ci", "utf8mb4_0900_ai_ci", "latin1_bin",
            "utf8mb4_0900_as_ci", "Latin1_General_CI_AS", "SQL_Latin1_General_CP1_CI_AI",
            "latin1_general_cs", "Latin1_General_BIN2", "utf8mb4_uca1400_nopad_ai_ci",
        )
    },
    "collated domain": (pg.DOMAIN("d", Text(), collation="host_ci"), "collation host_ci finds"),
    "mysql VARCHAR": (mysql.VARCHAR(20, collation="utf8mb4_unicode_ci"), "collation utf8mb4_un"),
    "mysql ENUM": (mysql.ENUM(Status, collation="utf8mb4_general_ci"), "collation utf8mb4_gen"),
    "SET": (mysql.SET("pending", "active"), "holds several values"),
    "LargeBinary": (LargeBinary(), "are texts"),
    "BYTEA": (pg.BYTEA(), "are texts"),
    "NVARCHAR": (mssql.NVARCHAR(20, collation="Latin1_General_100_CI_AI"), "collation Latin1"),
    "Integer": (Integer(), "compare it with an int"),
    "Numeric": (Numeric(), "are texts"),
    "Boolean": (Boolean(), "are texts"),
    "Date": (Date(), "are texts"),
    "JSON": (JSON(), "are texts"),
    "JSONB": (pg.JSONB(), "are texts"),
    "ARRAY": (ARRAY(Text()), "are texts"),
    "Uuid": (Uuid(), "compare it with a uuid.UUID"),
    "UUID": (pg.UUID(), "compare it with a uuid.UUID"),
    "INET": (pg.INET(), "are texts"),
    "PickleType": (PickleType(), "are texts"),
    "domain over a number": (pg.DOMAIN("number", Integer()), "compare it with an int"),
    "Enum with aliases": (Enum(Aliased, omit_aliases=False), "not one to one"),
    "Enum of names that are texts": (Enum(Confused), "not one to one"),
    "Enum of equal names": (
        Enum(Status, values_callable=twice_the_same, name="same"), "not one to one"
    ),
    "Enum with other variants": (
        Enum(Status).with_variant(String(20), "sqlite"), "other values on another database"
    ),
}  # fmt: skip


class TestRefused:
    """A type on which the database and Python differ is refused, not filtered wrongly."""

    @pytest.mark.parametrize("name", REFUSED)
    def test_it_is_named(self, name: str) -> None:
        type_, why = REFUSED[name]
        of_status, of_ids = own_table(String(32), type_), own_table(type_, String(32))
        for action in Action:
            with pytest.raises(TypeError) as refused:
                actionable(ACTORS[0], action, of_status)
            assert str(refused.value).startswith(f"on: {of_status.name}.status is of the type ")
            assert repr(type_) in str(refused.value)
            assert why in str(refused.value)
        with pytest.raises(TypeError, match=r"source_organization_id is of the type"):
            visible("org_A", of_ids)
        with pytest.raises(TypeError, match=r"source_organization_id is of the type"):
            actionable(ACTORS[0], "deactivate", of_ids)

    def test_the_advice_works(self, hosted: Database) -> None:
        """Select the column as text, with a collation that compares code points."""
        exact = {"sqlite": "BINARY", "mariadb": "utf8mb4_nopad_bin"}.get(hosted.dialect.name, "C")
        folding = CHAR(10).with_variant(String(10, collation="NOCASE"), "sqlite")
        shares = own_table(
            String(32), folding.with_variant(String(10, collation="utf8mb4_general_ci"), "mariadb")
        )
        rows = [("org_B", "org_A", value) for value in ("pending", "PENDING", "active")]
        with holding(hosted, shares, rows):
            status = collate(cast(shares.c.status, Text), exact)
            within = select(*list(shares.c)[:3], status.label("status")).subquery()
            mine = select(within.c.status).where(actionable(ACTORS[0], "activate", within))
            assert hosted.scalars(mine).all() == ["pending"]

    @pytest.mark.skipif(
        getattr(collate(literal_column("x", String()), "NOCASE").type, "collation", None) is None,
        reason="this SQLAlchemy does not say in the type how an expression is collated",
    )
    def test_a_column_that_is_collated_in_the_query(self) -> None:
        shares = own_table(String(32), String(32))
        status = collate(shares.c.status, "NOCASE").label("status")
        within = select(*list(shares.c)[:3], status).subquery()
        with pytest.raises(TypeError, match="collation NOCASE finds"):
            actionable(ACTORS[0], "activate", within)

    @pytest.mark.parametrize(
        ("hosted", "name", "stored"),
        [
            ("postgresql", "CHAR", "active   "),
            *(("postgresql", "CITEXT", "ACTIVE") for name in REFUSED if name == "CITEXT"),
            ("sqlite-memory", "collation NOCASE", "ACTIVE"),
            ("sqlite-memory", "collation RTRIM", "active   "),
            ("mariadb", "collation utf8mb4_general_ci", "ACTIVE"),
            ("mariadb", "collation utf8mb4_general_ci", "áctive"),
            ("mariadb", "collation latin1_bin", "active   "),
        ],
        indirect=["hosted"],
    )
    def test_they_differ_indeed(self, hosted: Database, name: str, stored: str) -> None:
        """Why they are refused: the database finds a row that the policy would refuse."""
        type_, _ = REFUSED[name]
        with hosted.begin() as transaction:
            if name == "CITEXT":
                hosted.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS citext")
            shares = own_table(String(32), type_)
            shares.create(hosted)
            hosted.execute(insert(shares), {"source_organization_id": "org_A", "status": stored})
            row: Any = hosted.execute(select(shares).where(shares.c.status == "active")).one()
            assert not can(ACTORS[0], Action.DEACTIVATE, row)
            transaction.rollback()


# --- What is no column, or no organization -------------------------------------------------------


class Host(DeclarativeBase):
    """The host's classes."""


class Share(Host):
    """One of them, with attributes that are no plain columns."""

    __tablename__ = "shares"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_organization_id: Mapped[str]
    destination_organization_id: Mapped[str]
    stored: Mapped[str]
    status: Mapped[str] = column_property(type_coerce(literal_column("stored"), String))


SHARES: Final = own_table(String(32), String(32))
ODD: Final[dict[str, object]] = {
    "None": None,
    "text": "connections",
    "bytes": b"connections",
    "number": 5,
    "instance": Share(source_organization_id="org_A", status="active"),
    "engine": create_engine("sqlite://"),
    "session": Session(),
    "metadata": SHARES.metadata,
    "select": select(SHARES),
    "class that is not mapped": Organization,
    "column": SHARES.c.status,
    "connection": Decimal(1),
}


class TestArguments:
    """Each wrong argument is a TypeError or a ValueError that names it."""

    @pytest.mark.parametrize("on", ODD.values(), ids=ODD)
    def test_on(self, on: object) -> None:
        with pytest.raises(TypeError, match=r"^on: expected a table, alias, "):
            visible("org_A", on)
        for action in Action:
            with pytest.raises(TypeError, match=r"^on: expected a table, alias, "):
                actionable(ACTORS[0], action, on)

    @pytest.mark.parametrize("on", [Share, aliased(Share), SHARES.c], ids=["class", "alias", "c"])
    def test_what_has_columns(self, on: object) -> None:
        assert "organization_id" in str(visible("org_A", on))
        assert str(actionable(ACTORS[0], "activate", on))

    def test_a_class_that_lacks_an_attribute(self) -> None:
        class Lacking(Host):
            __tablename__ = "lacking"
            id: Mapped[int] = mapped_column(primary_key=True)

        with pytest.raises(AttributeError, match="source_organization_id"):
            visible("org_A", Lacking)

    @pytest.mark.parametrize("organization_id", [5, b"org_A", ACTORS[0], ["org_A"], object()])
    def test_organization_id(self, organization_id: object) -> None:
        """One that the columns cannot hold finds nothing, and so is refused."""
        name = type(organization_id).__name__
        with pytest.raises(TypeError, match=f"^on: connections.source_.* holds no {name}: compare"):
            visible(organization_id)
        with pytest.raises(TypeError, match=r"^organization_id: expected an organization's id"):
            visible(None)

    @pytest.mark.parametrize("actor", [None, "org_A", 5, Organization(id="org_A"), Actor])
    def test_actor(self, actor: Any) -> None:
        with pytest.raises(
            TypeError,
            match=r"^actor is .*; it must be an Actor, or an object with an organization_id$",
        ):
            actionable(actor, "activate")

    def test_ids_that_are_a_kind_of_text(self) -> None:
        """They count by their text."""

        class Known(str, enum.Enum):  # noqa: UP042  # its `str` is another text
            A = "org_A"

        actor = Actor.model_construct(id="usr_1", organization_id=Known.A)
        for ours, plain in (
            (visible(Known.A, SHARES), visible("org_A", SHARES)),
            (actionable(actor, "activate", SHARES), actionable(ACTORS[0], "activate", SHARES)),
        ):
            assert ours.compare(plain)
            assert ours.compile().params == plain.compile().params

    def test_an_engine_is_not_opened_or_quoted(self, tmp_path: Path) -> None:
        """Its URL may hold a password."""
        engine: Engine = create_engine(f"sqlite:///{tmp_path / 'secret'}")
        with pytest.raises(TypeError) as refused:
            visible("org_A", engine)
        assert "secret" not in str(refused.value)
        assert not (tmp_path / "secret").exists()
