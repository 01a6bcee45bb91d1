"""The rules as triggers: how each database writes them, and what it adds.

A `Database` makes the statements for one set of tables. The rules themselves are in
`connect_core.adapters.sql.enforcement_rules`. This module runs no statement.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final

from sqlalchemy import Column, Dialect, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

from connect_core.adapters.sql.enforcement_rules import (
    HISTORY_CHANGES,
    NEVER_DELETED,
    NO_EVENT,
    TERMS,
    Case,
    Language,
    Lookup,
    Named,
    Rule,
    quoted,
    rules,
)
from connect_core.adapters.sql.tables import Tables


class Database(Language, ABC):
    """Makes the statements of one kind of database for one set of tables."""

    #: SQLAlchemy's description of the database.
    dialect: ClassVar[Dialect]
    checks_commits = False

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._names = self.dialect.identifier_preparer

    @abstractmethod
    def create(self) -> Iterator[str]:
        """The statements that add the triggers; they replace what is there."""

    @abstractmethod
    def drop(self) -> Iterator[str]:
        """The statements that remove them, if they are there."""

    def rules(self) -> tuple[Rule, ...]:
        """The rules for which there are triggers."""
        return rules(self._tables, self)

    def concatenated(self, *texts: str) -> str:
        """See `Language.concatenated`."""
        return " || ' ' || ".join(texts)

    def qualified(self, name: str) -> str:
        """A name in the schema of the tables."""
        schema = self._tables.connections.schema
        own = self._names.quote(name)
        return own if schema is None else f"{self._names.quote(schema)}.{own}"

    def unqualified(self, table: Table) -> str:
        """The name of a table where only its own schema is searched."""
        return self._names.quote(table.name)


def _name(rule: Rule) -> str:
    return f"tr_{rule.table.name}_{rule.event.lower()}"


def _text(refusal: str | None) -> str:
    """A refusal as a value; empty if nothing more is asked."""
    return quoted(refusal or "")


def _case(
    parts: Iterable[Lookup | Named | Case],
    otherwise: str | None,
    value_of: Callable[[str | None], str] = _text,
) -> str:
    """An expression for the refusal that the cases among the parts lead to; NULL for none."""
    branches = [
        f"WHEN {part.condition}\n      THEN {value_of(part.refusal)}"
        for part in parts
        if isinstance(part, Case)
    ]
    if not branches:
        return value_of(otherwise)
    if otherwise is not None:
        branches.append(f"ELSE {value_of(otherwise)}")
    return "\n    ".join(["CASE", *branches, "END"])


# --- In the procedural languages -----------------------------------------------------------------

# An expression without a query costs far less than one with a query, and each is prepared again in
# every transaction: so each query is as simple as can be, and what explains a refusal comes last.


def _variables(rule: Rule) -> dict[str, Column[Any] | None]:
    """The names that a rule uses, with the columns whose values they have; None for a text."""
    found: dict[str, Column[Any] | None] = {}
    for part in rule.parts:
        if isinstance(part, Lookup):
            found |= {name: part.table.c[column] for name, column in part.columns.items()}
        elif isinstance(part, Named):
            found[part.name] = None
    return found


def _statements(
    rule: Rule, name_of: Callable[[Table], str], *, assign: str, leave: str, locking: str = ""
) -> str:
    """Statements that look up and ask in the order of the rule's parts.

    They leave the block when the variable `refusal` has a value.
    """
    lines = ""
    cases: list[Case] = []

    def asked(otherwise: str | None = None) -> str:
        if not cases and otherwise is None:
            return ""
        answer = _case(cases, otherwise)
        cases.clear()
        return f"    {assign.format('refusal', answer)};\n    {leave};\n"

    for part in rule.parts:
        if isinstance(part, Case):
            cases.append(part)
            if part.refusal is None:  # what follows is rarely asked
                lines += asked()
        elif isinstance(part, Named):
            lines += asked() + f"    {assign.format(part.name, part.expression)};\n"
        else:
            columns, names = ", ".join(part.columns.values()), ", ".join(part.columns)
            found = f"WHERE {part.condition}{part.order}{locking}"
            query = f"SELECT {columns} INTO {names}\n      FROM {name_of(part.table)} {found}"  # noqa: S608  # names
            lines += f"{asked()}    {query};\n"
    return lines + asked(rule.otherwise)


# --- PostgreSQL ----------------------------------------------------------------------------------

#: When a trigger is run, for each kind of statement; ``COMMIT`` is about what it leaves.
_TIMES: Final = {
    "INSERT": "TRIGGER {} AFTER INSERT ON {} FOR EACH ROW",
    "UPDATE": "TRIGGER {} AFTER UPDATE ON {} FOR EACH ROW",
    "DELETE": "TRIGGER {} AFTER DELETE ON {} FOR EACH ROW",
    "TRUNCATE": "TRIGGER {} BEFORE TRUNCATE ON {} FOR EACH STATEMENT",
    "COMMIT": (
        "CONSTRAINT TRIGGER {} AFTER INSERT OR UPDATE ON {}"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    ),
}

_EXIT: Final = "EXIT rule WHEN refusal IS NOT NULL"
_FUNCTION: Final = """\
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $connect_core$
DECLARE
  refusal text;  -- empty if the row is permitted
{variables}BEGIN
  <<rule>>
  BEGIN
{parts}  END;
  IF refusal <> '' THEN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = refusal,
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END
$connect_core$"""

#: A function looks names up in the schema of the tables, and operators in PostgreSQL's own,
#: whatever the session's settings are.
_PINNED: Final = """\
DO $connect_core$
DECLARE
  place text := (SELECT relnamespace::regnamespace FROM pg_class WHERE oid = {table}::regclass);
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[{names}] LOOP
    EXECUTE 'ALTER FUNCTION ' || name
      || '() SET search_path = pg_catalog, ' || place || ', pg_temp';
  END LOOP;
END
$connect_core$"""


class PostgreSQL(Database):
    """Triggers that call functions, and one that waits for the commit."""

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    checks_commits = True

    def rules(self) -> tuple[Rule, ...]:
        """The rules, with those on TRUNCATE and on what is committed."""
        connections, events = self._tables.connections, self._tables.connection_events
        return (
            *super().rules(),
            Rule(connections, "TRUNCATE", otherwise=NEVER_DELETED),
            Rule(events, "TRUNCATE", otherwise=HISTORY_CHANGES),
            self._committed(),
        )

    def _committed(self) -> Rule:
        """The Connection must have the event of its version.

        If what the trigger is about has no event, it may have been undone or removed since then.
        """
        connections, events = self._tables.connections, self._tables.connection_events
        of_connection = "connection_id = NEW.id AND version ="
        parts = (
            Lookup(events, {"event_version": "version"}, f"{of_connection} NEW.version"),
            Case("event_version IS NOT NULL", None),
            Lookup(connections, {"its_version": "version"}, "id = NEW.id"),
            Lookup(events, {"last_version": "version"}, f"{of_connection} its_version"),
            Case("its_version IS NOT NULL AND last_version IS NULL", NO_EVENT),
        )
        return Rule(connections, "COMMIT", parts)

    def create(self) -> Iterator[str]:
        """See `Database.create`."""
        yield from self.drop()
        found = self.rules()
        yield from map(self._function, found)
        yield _PINNED.format(
            table=quoted(self.qualified(self._tables.connections.name)),
            names=", ".join(quoted(self.qualified(_name(rule))) for rule in found),
        )
        for rule in found:
            name = self._names.quote(_name(rule))
            trigger = _TIMES[rule.event].format(name, self.qualified(rule.table.name))
            yield f"CREATE {trigger} EXECUTE FUNCTION {self.qualified(_name(rule))}()"

    def _function(self, rule: Rule) -> str:
        """The function of a trigger."""
        variables = "".join(
            f"  {name} {'text' if column is None else column.type.compile(dialect=self.dialect)};\n"
            for name, column in _variables(rule).items()
        )
        return _FUNCTION.format(
            name=self.qualified(_name(rule)),
            variables=variables,
            parts=_statements(rule, self.unqualified, assign="{} := {}", leave=_EXIT),
        )

    def drop(self) -> Iterator[str]:
        """See `Database.drop`."""
        for rule in self.rules():
            table, name = self.qualified(rule.table.name), self._names.quote(_name(rule))
            yield f"DROP TRIGGER IF EXISTS {name} ON {table}"
            yield f"DROP FUNCTION IF EXISTS {self.qualified(_name(rule))}()"

    def differs(self, one: str, other: str) -> str:
        """See `Language.differs`."""
        return f"{one} IS DISTINCT FROM {other}"

    def roles_differ(self, stored: str, compact: str) -> str:
        """See `Language.roles_differ`."""
        return f"{stored} <> CAST({compact} AS jsonb)"

    def terms_differ(self, stored: str) -> str:
        """See `Language.terms_differ`."""
        members = ", ".join(f"{quoted(name)}, its_{name}" for name in TERMS)
        return self.differs(stored, f"jsonb_build_object({members})")


# --- SQLite --------------------------------------------------------------------------------------


class SQLite(Database):
    """Triggers that raise, with texts that are literals."""

    dialect = sqlite.dialect()

    def rules(self) -> tuple[Rule, ...]:
        """The rules, with that on ``INSERT OR REPLACE``, which runs no trigger for DELETE."""
        events = self._tables.connection_events
        same = Lookup(
            events,
            {"same_version": "version"},
            "connection_id = NEW.connection_id AND version = NEW.version",
        )
        parts = (same, Case("same_version IS NOT NULL", HISTORY_CHANGES))
        return (*super().rules(), Rule(events, "REPLACE", parts))

    def create(self) -> Iterator[str]:
        """See `Database.create`."""
        yield from self.drop()
        for rule in self.rules():
            when = "BEFORE INSERT" if rule.event == "REPLACE" else f"AFTER {rule.event}"
            name, table = self.qualified(_name(rule)), self.unqualified(rule.table)
            query = self._query(rule)
            yield f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW\nBEGIN\n  {query};\nEND"

    def drop(self) -> Iterator[str]:
        """See `Database.drop`."""
        for rule in self.rules():
            yield f"DROP TRIGGER IF EXISTS {self.qualified(_name(rule))}"

    def _query(self, rule: Rule) -> str:
        """One query for the refusal: it finds out what the rule needs to know."""
        joins = ["(SELECT 1 AS one) AS facts_0"]
        known: list[str] = []
        for part in rule.parts:
            if isinstance(part, Lookup):
                table = self.unqualified(part.table)
                columns = ", ".join(f"{column} AS {name}" for name, column in part.columns.items())
                found = f"SELECT {columns} FROM {table} WHERE {part.condition}{part.order}"  # noqa: S608  # names
                joins.append(f"LEFT JOIN ({found}) AS facts_{len(joins)} ON 1 = 1")
                known += part.columns
            elif isinstance(part, Named):
                known.append(f"{part.expression} AS {part.name}")
        answer = f"SELECT {_case(rule.parts, rule.otherwise, _raised)}"
        if not known:
            return answer
        columns, source = ", ".join(known), "\n    ".join(joins)
        return f"{answer}\n  FROM (SELECT {columns}\n    FROM {source}) AS facts"  # noqa: S608  # names

    def differs(self, one: str, other: str) -> str:
        """See `Language.differs`."""
        return f"{one} IS NOT {other}"

    def roles_differ(self, stored: str, compact: str) -> str:
        """See `Language.roles_differ`."""
        return self.differs(_json_of_sqlite(stored), compact)

    def terms_differ(self, stored: str) -> str:
        """See `Language.terms_differ`. No member may be missing, and no other one be there."""
        members = f"(SELECT count(*) FROM json_each({_json_of_sqlite(stored)}))"  # noqa: S608  # a column
        conditions = [f"{members} <> {len(TERMS)}"]
        for name in TERMS:
            member = f"{_json_of_sqlite(stored)}, '$.{name}'"
            ours = f"its_{name}"
            value = _json_of_sqlite(ours) if name == "scopes" else f"json_quote({ours})"
            conditions.append(f"json_type({member}) IS NULL")
            conditions.append(self.differs(f"json_quote(json_extract({member}))", value))
        return " OR ".join(conditions)


def _raised(refusal: str | None) -> str:
    return "NULL" if refusal is None else f"RAISE(ABORT, {quoted(refusal)})"


def _json_of_sqlite(stored: str) -> str:
    """The JSON in a text without its spaces; NULL if it is not JSON."""
    return f"CASE WHEN json_valid({stored}) THEN json({stored}) END"


# --- MariaDB -------------------------------------------------------------------------------------

_TRIGGER: Final = """\
CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW
BEGIN
  DECLARE refusal VARCHAR(128) CHARACTER SET utf8mb4;  -- empty if the row is permitted
{variables}  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  rule: BEGIN
{parts}  END;
  IF refusal <> '' THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 4025, MESSAGE_TEXT = refusal;
  END IF;
END"""
_LEAVE: Final = "IF refusal IS NOT NULL THEN LEAVE rule; END IF"
#: Without it, a transaction would not see what others have committed since it began.
_LOCKING: Final = " LOCK IN SHARE MODE"


class MariaDB(Database):
    """Triggers that signal the number of a violated check constraint."""

    dialect = mysql.dialect()

    def create(self) -> Iterator[str]:
        """See `Database.create`."""
        for rule in self.rules():
            variables = "".join(
                f"  DECLARE {name} {self._type_of(column)};\n"
                for name, column in _variables(rule).items()
            )
            yield _TRIGGER.format(
                name=self.qualified(_name(rule)),
                event=rule.event,
                table=self.qualified(rule.table.name),
                variables=variables,
                parts=_statements(
                    rule,
                    self._names.format_table,
                    assign="SET {} = {}",
                    leave=_LEAVE,
                    locking=_LOCKING,
                ),
            )

    def _type_of(self, column: Column[Any] | None) -> str:
        if column is None:
            return "VARCHAR(128) CHARACTER SET utf8mb4"
        return f"TYPE OF {self._names.format_table(column.table)}.{self._names.quote(column.name)}"

    def drop(self) -> Iterator[str]:
        """See `Database.drop`."""
        for rule in self.rules():
            yield f"DROP TRIGGER IF EXISTS {self.qualified(_name(rule))}"

    def concatenated(self, *texts: str) -> str:
        """See `Language.concatenated`."""
        return f"concat_ws(' ', {', '.join(texts)})"

    def differs(self, one: str, other: str) -> str:
        """See `Language.differs`. The bytes are compared, whatever the collations are."""
        return f"NOT (BINARY {one} <=> BINARY {other})"

    def roles_differ(self, stored: str, compact: str) -> str:
        """See `Language.roles_differ`."""
        return self.differs(f"JSON_COMPACT({stored})", compact)

    def terms_differ(self, stored: str) -> str:
        """See `Language.terms_differ`. No member may be missing, and no other one be there."""
        conditions = [
            f"{stored} IS NULL",
            f"JSON_TYPE({stored}) <> 'OBJECT'",
            f"JSON_LENGTH({stored}) <> {len(TERMS)}",
        ]
        for name in TERMS:
            member, ours = f"JSON_EXTRACT({stored}, '$.{name}')", f"its_{name}"
            if name == "scopes":
                conditions.append(self.differs(f"JSON_COMPACT({member})", f"JSON_COMPACT({ours})"))
            else:
                kind = f"CASE WHEN {ours} IS NULL THEN 'NULL' ELSE 'STRING' END"
                conditions.append(self.differs(f"JSON_TYPE({member})", kind))
                conditions.append(self.differs(f"JSON_VALUE({stored}, '$.{name}')", ours))
        return " OR ".join(conditions)


#: What makes the statements, by SQLAlchemy's name of the database.
DATABASES: Final[dict[str, type[Database]]] = {
    "postgresql": PostgreSQL,
    "sqlite": SQLite,
    "mariadb": MariaDB,
}
