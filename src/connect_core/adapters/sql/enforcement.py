"""The rules held by the database itself: triggers, made from the decision table.

The store checks every step before it writes it. With these triggers, the database refuses the same
steps from everybody else too: another program, a migration, a person at a prompt. They are made for
one kind of database and one set of tables. Nothing in them is written by hand that follows from the
decision table.

This module makes statements and runs none. What the triggers refuse is in
`connect_core.adapters.sql.enforcement_rules`.
"""

from typing import NamedTuple

from sqlalchemy import DDL, Dialect

from connect_core import arguments
from connect_core.adapters.sql.enforcement_policies import create_policies, drop_policies
from connect_core.adapters.sql.enforcement_triggers import DATABASES
from connect_core.adapters.sql.tables import DEFAULT_TABLES, Tables, require_tables
from connect_core.text import kind_of


class Enforcement(NamedTuple):
    """What `enforcement` returns: statements for a migration, or for ``create_all``.

    Attributes:
        create: the statements that add the triggers, in order. They may be run again: they replace
            what an earlier version has made.
        drop: the statements that remove them, in order. What is absent is left out.
    """

    create: tuple[DDL, ...]
    drop: tuple[DDL, ...]


def enforcement(
    dialect: str | Dialect, *, tables: Tables = DEFAULT_TABLES, read_policy: bool = False
) -> Enforcement:
    """Statements with which the database itself holds the rules, whoever writes to it.

    The triggers refuse a step that the decision table does not permit to the actor's organization;
    an event whose roles, previous status, time or terms are not those of its Connection; a change
    of what is fixed; a version that does not follow; and every change of history. Two changes that
    undo what is not recorded are permitted: a Connection without any event may be deleted, and one
    whose version has no event may go back to the version before.

    On PostgreSQL, a transaction that leaves a Connection without the event of its version cannot be
    committed. SQLite and MariaDB cannot wait for the commit: the event may be missing there, and
    then the next step is refused. The page on enforcement says what else is held, and what is not.

    A refused statement raises ``sqlalchemy.exc.IntegrityError``, or ``OperationalError`` with the
    driver PyMySQL. Its text has the refusal, which begins with ``connect_core:``. Rows that are
    there already are not checked.

    Args:
        dialect: the database: ``"postgresql"``, ``"sqlite"``, ``"mariadb"``, or the `dialect` of an
            engine.
        tables: those that `tables_for` returned; our own if omitted.
        read_policy: also add policies to PostgreSQL's tables of Connections and events, with which
            roles read only what is `visible` to the organization in the setting
            ``connect_core.organization_id``. They do not apply to the owner of the tables, to
            superusers and to roles with ``BYPASSRLS``. Other roles cannot write until they have a
            policy that permits it.

    Returns:
        Statements for ``connection.execute``, for ``op.execute`` of Alembic, or as listeners of
        SQLAlchemy's event ``after_create``.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: there are no triggers for such a database, or no policies.
    """
    kind = _kind_of(dialect)
    require_tables(tables)
    database = DATABASES[kind](tables)
    create, drop = [*database.create()], [*database.drop()]
    if arguments.flag(read_policy, "read_policy"):
        if kind != "postgresql":
            raise ValueError("read_policy: only PostgreSQL has policies; leave it out")
        create += create_policies(tables)
        drop += drop_policies(tables)
    return Enforcement(tuple(map(_ddl, create)), tuple(map(_ddl, drop)))


def _kind_of(dialect: object) -> str:
    """The name of the database, as `DATABASES` has it."""
    if isinstance(dialect, Dialect):
        is_mariadb = getattr(dialect, "is_mariadb", False)  # its URL may say mysql
        name = "mariadb" if is_mariadb else dialect.name
    elif isinstance(dialect, str):
        name = dialect
    else:
        advice = "; pass its dialect" if hasattr(dialect, "dialect") else ""
        raise TypeError(f"dialect: expected a name or a Dialect, got {kind_of(dialect)}{advice}")
    if name not in DATABASES:
        raise ValueError(f"dialect is {name!r}; there are triggers for {', '.join(DATABASES)}")
    return name


def _ddl(statement: str) -> DDL:
    """The statement as SQLAlchemy executes it: it replaces ``%(name)s``, and ``%%`` by ``%``."""
    return DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
