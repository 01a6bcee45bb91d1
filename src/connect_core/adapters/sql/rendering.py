"""The text of a query, for query engines that SQLAlchemy does not speak to: DuckDB and Spark.

The values are in the text, written so that the engine reads what was meant, whatever they are. This
module runs nothing.
"""

import re
from typing import Any, Final, Literal, TypeAlias, get_args

from sqlalchemy import ClauseElement
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.compiler import GenericTypeCompiler, IdentifierPreparer, SQLCompiler

from connect_core.text import quoted

#: What `sql_text` writes for.
Engine: TypeAlias = Literal["duckdb", "spark"]


def sql_text(query: ClauseElement, engine: Engine) -> str:
    """The SQL text of a query or a condition for an engine, with its values in it.

    The text needs no parameters. The engine reads each value as it was given, whatever is in it: a
    quotation mark, a backslash, which is an escape in Spark, or ``${...}``, which Spark replaces.

    Args:
        query: such as ``select(...).where(actionable(...))``, or ``actionable(...)`` alone.
        engine: ``duckdb`` or ``spark``.

    Raises:
        ValueError: there is no such engine.
        sqlalchemy.exc.CompileError: the query has what cannot be written for it, such as bytes.
    """
    if engine not in get_args(Engine):
        known = ", ".join(get_args(Engine))
        raise ValueError(f"engine: expected one of {known}; got {quoted(engine)}")
    dialect: Dialect = _DuckDb() if engine == "duckdb" else _Spark()
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


# --- DuckDB --------------------------------------------------------------------------------------


class _DuckDb(DefaultDialect):
    """DuckDB's SQL, which is PostgreSQL's where it matters here."""

    name = "duckdb"
    supports_native_boolean = True
    supports_native_uuid = True


# --- Spark ---------------------------------------------------------------------------------------

#: Characters that Spark reads otherwise than they are written, as its settings and version say.
_AMBIGUOUS: Final = re.compile(r"(['\\]|\$(?=\{))")


class _SparkCompiler(SQLCompiler):
    def render_literal_value(self, value: Any, type_: Any, **options: Any) -> str:
        """A literal. The characters that could be more than characters are given by their codes."""
        written = super().render_literal_value(value, type_, **options)
        if not written.startswith("'"):
            return written
        pieces = [each for each in _AMBIGUOUS.split(written[1:-1].replace("''", "'")) if each]
        parts = [f"CHR({ord(e)})" if _AMBIGUOUS.fullmatch(e) else f"'{e}'" for e in pieces] or [
            "''"
        ]
        return parts[0] if len(parts) == 1 else f"CONCAT({', '.join(parts)})"


class _SparkTypeCompiler(GenericTypeCompiler):
    def visit_VARCHAR(self, type_: Any, **options: Any) -> str:  # noqa: ARG002, N802  # its name
        """Text of any length, which a VARCHAR of Spark's is not."""
        return "STRING"


class _SparkIdentifiers(IdentifierPreparer):
    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, initial_quote="`")


class _Spark(DefaultDialect):
    """Spark's SQL."""

    name = "spark"
    statement_compiler = _SparkCompiler
    type_compiler_cls = _SparkTypeCompiler
    preparer: type[IdentifierPreparer] = _SparkIdentifiers
    supports_native_boolean = True
    supports_native_uuid = True
