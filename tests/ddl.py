"""The tables as SQLAlchemy's dialects write them, one file for each dialect.

``uv run --group engines python -m tests.ddl`` writes the files anew. A test compares them with what
the dialects write now. They show how a dialect spells the tables, not that a database accepts them.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Dialect, make_url
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.schema import CreateIndex, CreateTable

from connect_core.adapters.sql import connections, keys_metadata, metadata

#: Where the files are.
DIRECTORY: Final = Path(__file__).parent / "adapters" / "sql" / "ddl"

#: The dialects, by the names of their files, each as the URL of an engine. SQLAlchemy has the first
#: four of them; the group `engines` installs the others. No driver is loaded.
DIALECTS: Final = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mariadb": "mariadb+pymysql://",
    "mysql": "mysql+pymysql://",
    "auroradsql": "auroradsql+psycopg://",
    "cockroachdb": "cockroachdb+psycopg://",
    "spanner": "spanner+spanner://",
}

#: The file with a row for each dialect, which the documentation includes.
SUMMARY: Final = DIRECTORY / "summary.md"


def dialect_of(name: str) -> Dialect:
    """The dialect of a file.

    Raises:
        LookupError: it is not installed.
    """
    try:
        return make_url(DIALECTS[name]).get_dialect()()
    except (ImportError, NoSuchModuleError) as error:
        raise LookupError(f"the dialect {name} is not installed: {error}") from error


def statements(dialect: Dialect) -> str:
    """The statements that create all tables and indexes, as the dialect writes them.

    If it refuses one, a comment says why.
    """
    written = [_written(statement, dialect) for statement in _creations()]
    return "\n\n".join(written) + "\n"


def _creations() -> Iterator[CreateTable | CreateIndex]:
    for each in (metadata, keys_metadata):
        for table in each.sorted_tables:
            yield CreateTable(table)
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                yield CreateIndex(index)


def _written(statement: CreateTable | CreateIndex, dialect: Dialect) -> str:
    try:
        text = str(statement.compile(dialect=dialect))
    except Exception as error:  # each dialect has errors of its own
        return f"-- {statement.element.name}: the dialect refuses it: {error}"
    lines = [line.rstrip().expandtabs(4) for line in text.strip().splitlines()]
    return "\n".join(lines) + ";"


def summary(dialects: Mapping[str, Dialect]) -> str:
    """A table in Markdown: what each dialect makes of ids, times and JSON."""
    columns = connections.c.id, connections.c.created_at, connections.c.scopes
    lines = ["| file | ids | times | JSON |", "| --- | --- | --- | --- |"]
    for name, dialect in dialects.items():
        written = " | ".join(f"`{each.type.compile(dialect=dialect)}`" for each in columns)
        lines.append(f"| `{name}.sql` | {written} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write all files anew, or none if a dialect is not installed."""
    try:
        dialects = {name: dialect_of(name) for name in DIALECTS}
    except LookupError as error:
        sys.exit(str(error))
    DIRECTORY.mkdir(exist_ok=True)
    for name, dialect in dialects.items():
        (DIRECTORY / f"{name}.sql").write_text(statements(dialect), encoding="utf-8")
    SUMMARY.write_text(summary(dialects), encoding="utf-8")


if __name__ == "__main__":
    main()
