"""Members: whether a column that holds a list, as JSON or as an array, has a value.

A filter and `decide_access` agree only if the database reads JSON as Python does. Where the two
readers differ, the filter finds nothing. This module builds conditions and runs none.
"""

from typing import Any, Final, cast

from sqlalchemy import ARRAY, JSON, Boolean, ColumnElement, literal
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import String

from connect_core.adapters.sql.columns import bound_to
from connect_core.adapters.sql.types import JsonValue
from connect_core.text import kind_of

#: How long a list may be, in characters, if it holds something else than texts. Python reads
#: neither a number of 4,300 digits nor lists a thousand deep, and databases do.
_LONGEST_MIXED: Final = 2000


def has_member(column: ColumnElement[Any], wanted: object) -> ColumnElement[bool] | None:
    """Whether a list has a value: true or false, and false for NULL; None if it never has.

    Args:
        column: a column of JSON or of an array.
        wanted: a text; in an array, what its items may be.

    Raises:
        TypeError: the column is none, or holds no such values.
    """
    type_: Any = column.type
    if isinstance(type_, ARRAY):
        array = cast("ARRAY[Any]", type_)  # type: ignore[redundant-cast]  # for pyright
        item = bound_to(column, array.item_type, wanted)
        return None if item is None else _InArray(column, item)
    if not isinstance(type_, JsonValue | JSON):
        raise TypeError(
            f"on: {column} is of the type {type_!r}, which is neither JSON nor an ARRAY; pass"
            " granted=, a condition that says whether a row grants the scope"
        )
    if not isinstance(wanted, str):
        raise TypeError(
            f"on: {column} holds JSON, and its scopes are spelled as {kind_of(wanted)}; spell them"
            " as texts, or pass granted=, a condition that says whether a row grants the scope"
        )
    return _InJson(column, literal(str.__str__(wanted), String()))


# --- Arrays --------------------------------------------------------------------------------------


class _InArray(FunctionElement[bool]):
    """Whether an array of one dimension has an item."""

    type = Boolean()
    inherit_cache = True


@compiles(_InArray)
def _in_array(element: _InArray, compiler: SQLCompiler, **options: Any) -> str:
    array, item = _parts(element, compiler, options)
    return f"coalesce({item} = ANY ({array}), false)"


@compiles(_InArray, "postgresql")
def _in_array_of_postgresql(element: _InArray, compiler: SQLCompiler, **options: Any) -> str:
    """PostgreSQL keeps arrays of any dimension in a column, and finds items in all of them."""
    array, item = _parts(element, compiler, options)
    return f"coalesce(pg_catalog.array_ndims({array}) = 1 AND {item} = ANY ({array}), false)"


@compiles(_InArray, "spark")
def _in_array_of_spark(element: _InArray, compiler: SQLCompiler, **options: Any) -> str:
    array, item = _parts(element, compiler, options)
    return f"coalesce(array_contains({array}, {item}), false)"


# --- JSON ----------------------------------------------------------------------------------------


class _InJson(FunctionElement[bool]):
    """Whether a JSON value is a list that has a text."""

    type = Boolean()
    inherit_cache = True


@compiles(_InJson)
def _in_json(element: _InJson, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ARG001  # SQLAlchemy's
    raise CompileError(
        f"scopes in JSON cannot be searched on {compiler.dialect.name}; pass granted=, a condition"
        " that says whether a row grants the scope"
    )


@compiles(_InJson, "sqlite")
def _in_json_of_sqlite(element: _InJson, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite ends a text at its first NUL, whether that is a character or an escape."""
    value, text = _parts(element, compiler, options)
    return _whether(
        f"json_valid({value}) AND json_type({value}) = 'array'"
        f" AND instr({value}, char(0)) = 0 AND instr({value}, '\\u0000') = 0",
        found=_exists(f"json_each({value})", f"member.type = 'text' AND member.atom = {text}"),
        length=f"length({value})",
        mixed=_exists(f"json_each({value})", "member.type <> 'text'"),
    )


@compiles(_InJson, "postgresql")
def _in_json_of_postgresql(element: _InJson, compiler: SQLCompiler, **options: Any) -> str:
    value, text = _parts(element, compiler, options)
    column = next(iter(element.clauses))
    # `json` keeps the text as it was written, and some of it cannot become `jsonb`.
    kind = column.type.compile(dialect=compiler.dialect).lower()
    members = f"pg_catalog.{kind}_array_elements({value})"
    wanted = f"CAST(pg_catalog.to_{kind}(CAST({text} AS text)) AS text)"
    return _whether(
        f"pg_catalog.{kind}_typeof({value}) = 'array'",
        found=_exists(members, f"CAST(member.value AS text) = {wanted}"),
        length=f"pg_catalog.length(CAST({value} AS text))",
        mixed=_exists(members, f"pg_catalog.{kind}_typeof(member.value) <> 'string'"),
    )


#: The tokens of JSON, one after another, as PCRE matches them without going back.
_TOKENS: Final = (
    r'\A(?:"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*+"|[][{}:, \t\n\r]'
    r"|(?:true|false|null|-?(?:0|[1-9][0-9]*+)(?:[.][0-9]++)?(?:[eE][+-]?[0-9]++)?)"
    r"(?=[]},: \t\n\r]|\z))*+\z"
)


@compiles(_InJson, "mysql")
@compiles(_InJson, "mariadb")
def _in_json_of_mysql(element: _InJson, compiler: SQLCompiler, **options: Any) -> str:
    r"""Texts are compared as bytes: the collation of JSON ignores spaces at the end.

    MariaDB takes for JSON what is none: ``"\a"``, ``1.``, ``1e`` and ``-``.
    """
    value, text = _parts(element, compiler, options)
    is_json = f"JSON_VALID({value})"
    if compiler.dialect.name == "mariadb":
        # In hexadecimal, because the setting `sql_mode` decides what a backslash is.
        is_json += f" AND CAST({value} AS BINARY) REGEXP x'{_TOKENS.encode().hex()}'"
    members = f"JSON_TABLE({value}, '$[*]' COLUMNS (value JSON PATH '$'))"
    found = f"CAST(JSON_UNQUOTE(member.value) AS BINARY) = CAST({text} AS BINARY)"
    return _whether(
        f"{is_json} AND JSON_TYPE({value}) = 'ARRAY'",
        found=_exists(members, f"JSON_TYPE(member.value) = 'STRING' AND {found}"),
        length=f"CHAR_LENGTH({value})",
        mixed=_exists(members, "JSON_TYPE(member.value) <> 'STRING'"),
    )


def _whether(is_list: str, *, found: str, length: str, mixed: str) -> str:
    """What holds of a list: the text is in it, and if it is long, nothing else than texts."""
    return (
        f"CASE WHEN {is_list} THEN {found} AND ({length} <= {_LONGEST_MIXED} OR NOT {mixed})"
        " ELSE false END"
    )


def _exists(members: str, condition: str) -> str:
    return f"EXISTS (SELECT 1 FROM {members} AS member WHERE {condition})"  # noqa: S608  # no values


#: A list of texts and nothing else, as JSON writes it. DuckDB reads more than JSON.
_TEXT: Final = r'"([^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"'
_LIST: Final = (
    rf"[ \t\n\r]*\[[ \t\n\r]*{_TEXT}[ \t\n\r]*(,[ \t\n\r]*{_TEXT}[ \t\n\r]*)*\][ \t\n\r]*"
)


@compiles(_InJson, "duckdb")
def _in_json_of_duckdb(element: _InJson, compiler: SQLCompiler, **options: Any) -> str:
    value, text = _parts(element, compiler, options)
    return (
        f"CASE WHEN json_valid({value}) AND regexp_full_match(CAST({value} AS VARCHAR), '{_LIST}')"
        f" THEN coalesce(json_contains(CAST({value} AS VARCHAR), to_json({text})), false)"
        " ELSE false END"
    )


#: The same for Spark, but without halves of characters, which its reader replaces. It never tries
#: again with fewer repetitions (``*+``): for that, Java would use its stack for each item.
_LIST_OF_SPARK: Final = _LIST.replace(r"\u[", r"\u(?![dD][89a-fA-F])[").replace("*", "*+")


@compiles(_InJson, "spark")
def _in_json_of_spark(element: _InJson, compiler: SQLCompiler, **options: Any) -> str:
    value, text = _parts(element, compiler, options)
    pattern = compiler.render_literal_value(rf"\A{_LIST_OF_SPARK}\z", String())
    return (
        f"CASE WHEN {value} RLIKE {pattern}"
        f" THEN coalesce(array_contains(from_json({value}, 'array<string>'), {text}), false)"
        " ELSE false END"
    )


def _parts(
    element: FunctionElement[bool], compiler: SQLCompiler, options: dict[str, Any]
) -> tuple[str, str]:
    """The SQL text of a list, and of what is looked for."""
    column, wanted = (compiler.process(each, **options) for each in element.clauses)
    return column, wanted
