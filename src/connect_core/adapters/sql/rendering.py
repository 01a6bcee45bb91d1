"""The text of a query, for query engines that SQLAlchemy does not speak to: DuckDB and Spark.

The values are in the text, written so that the engine reads what was meant, whatever they are. This
module runs nothing.
"""

import re
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias, get_args

from sqlalchemy import ClauseElement, LargeBinary
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
        sqlalchemy.exc.CompileError: the query has a value of a type that has no literals.
    """
    if engine not in get_args(Engine):
        known = ", ".join(get_args(Engine))
        raise ValueError(f"engine: expected one of {known}; got {quoted(engine)}")
    dialect: Dialect = _DuckDb() if engine == "duckdb" else _Spark()
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _hexadecimal(form: str) -> Callable[[bytes], str]:
    """What writes bytes in this form."""
    return lambda value: form.format(value.hex())


# --- DuckDB --------------------------------------------------------------------------------------


class _DuckDbBytes(LargeBinary):
    def literal_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002  # its name
        return _hexadecimal("unhex('{}')")


class _DuckDb(DefaultDialect):
    """DuckDB's SQL, which is PostgreSQL's where it matters here."""

    name = "duckdb"
    colspecs = {LargeBinary: _DuckDbBytes}  # noqa: RUF012  # as SQLAlchemy declares it
    supports_native_boolean = True
    supports_native_uuid = True


# --- Spark ---------------------------------------------------------------------------------------

#: Characters that Spark reads otherwise than they are written, as its settings and version say.
_AMBIGUOUS: Final = re.compile(r"(['\\]|\$(?=\{))")


class _SparkBytes(LargeBinary):
    def literal_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002  # its name
        return _hexadecimal("X'{}'")


class _SparkCompiler(SQLCompiler):
    def render_literal_value(self, value: Any, type_: Any, **options: Any) -> str:
        """A literal. The characters that could be more than characters are given by their codes."""
        written = super().render_literal_value(value, type_, **options)
        if not written.startswith("'"):
            return written
        pieces = _AMBIGUOUS.split(written[1:-1].replace("''", "'"))  # every second one is such
        parts = [f"CHR({ord(each)})" if n % 2 else f"'{each}'" for n, each in enumerate(pieces)]
        shown = [each for each in parts if each != "''"] or ["''"]
        return shown[0] if len(shown) == 1 else f"CONCAT({', '.join(shown)})"


class _SparkTypeCompiler(GenericTypeCompiler):
    def visit_VARCHAR(self, type_: Any, **options: Any) -> str:  # noqa: ARG002, N802  # its name
        """Text of any length, which a VARCHAR of Spark's is not."""
        return "STRING"


class _SparkIdentifiers(IdentifierPreparer):
    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, initial_quote="`", escape_quote="`")


class _Spark(DefaultDialect):
    """Spark's SQL."""

    name = "spark"
    colspecs = {LargeBinary: _SparkBytes}  # noqa: RUF012  # as SQLAlchemy declares it
    statement_compiler = _SparkCompiler
    type_compiler_cls = _SparkTypeCompiler
    preparer: type[IdentifierPreparer] = _SparkIdentifiers
    supports_native_boolean = True
    supports_native_uuid = True
