"""Decisions: what `decide` answers about each row, as columns of a query.

A `RowPolicy` decides once about each set of roles in each status; its answers become the branches
of a ``CASE``. No rule is written here, and no query is run.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Enum, String, and_, case, cast, literal, null
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

from connect_core import arguments
from connect_core.adapters.sql.columns import column_of, has_value
from connect_core.adapters.sql.filters import require_statuses
from connect_core.adapters.sql.tables import connections
from connect_core.decision import Decision
from connect_core.lifecycle import Action, Status
from connect_core.parties import ActorLike
from connect_core.row_policy import RowPolicy

#: How our own rows are read.
_OURS: Final = RowPolicy()

#: A text of SQL, which may be NULL.
_Text = ColumnElement[str | None]
#: A branch of a ``CASE``; a condition that is None is never true.
_Branch = tuple[ColumnElement[bool] | None, _Text]


class DecisionColumns(NamedTuple):
    """What `decide` answers about each row, as columns: `decision_columns` makes them.

    Each has the name of its attribute, and so ``select(table, *decision_columns(...))`` adds four
    columns of text. Where `denial` is NULL, the action is allowed.

    Attributes:
        target: the status that the action leads to, by its name in this library; NULL if it is
            denied.
        denial: the condition that failed first, by the name in `Denial`; NULL if it is allowed.
        explanation: why, in one plain sentence.
        advice: what would help, in one or two plain sentences; empty if it is allowed.
    """

    target: ColumnElement[str | None]
    denial: ColumnElement[str | None]
    explanation: ColumnElement[str | None]
    advice: ColumnElement[str | None]


def decision_columns(
    actor: ActorLike, action: str, on: object = connections, *, rows: RowPolicy = _OURS
) -> DecisionColumns:
    """Whether `actor` may take `action` on each row, and why: what `decide` answers, as columns.

    They are ``CASE`` expressions without subqueries, for any database and query engine;
    `actionable` is the filter that belongs to them. `rows` decides also in which words.

    The explanation of an unknown status names it if the column holds text, and the status has at
    most 255 characters, all of them printable ASCII, on SQLite, PostgreSQL, MariaDB, DuckDB and
    Spark. Otherwise it says only that the status is not known. Everything else equals what `decide`
    says.

    Args:
        actor: who would act.
        action: an `Action`.
        on: the table, alias or mapped class to decide about.
        rows: what its columns are called, how its statuses are spelled, and the words; as in this
            library if omitted.

    Raises:
        ValueError: there is no such action.
        TypeError: `actor` acts for no organization; the columns hold no such ids or no such
            statuses, or do not compare them as Python does; `on` has no such columns; or `rows` is
            no `RowPolicy`.
        LookupError: `on` is a table that lacks a column.
        AttributeError: `on` is a class that lacks an attribute.
    """
    arguments.instance(RowPolicy, rows, "rows")
    ours, taken = arguments.acting_for(actor, "actor"), Action(action)
    require_statuses(on, rows)
    source, destination = (has_value(on, name, [ours]) for name in (rows.source, rows.destination))
    both = None if source is None or destination is None else and_(source, destination)

    def decide(is_source: bool, is_destination: bool, status: object) -> Decision:
        """The decision on all rows of which this is true."""
        row = {
            rows.source: ours if is_source else None,
            rows.destination: ours if is_destination else None,
            rows.status: status,
        }
        return rows.decide(actor, taken, SimpleNamespace(**row))

    def column(attribute: str) -> _Text:
        """An attribute of the decision on each row."""

        def in_roles(is_source: bool, is_destination: bool) -> _Text:
            def answer(status: object) -> str | None:
                text: str | None = getattr(decide(is_source, is_destination, status), attribute)
                return text

            return _by_status(answer, on, rows)

        branches = [
            (both, in_roles(True, True)),
            (source, in_roles(True, False)),
            (destination, in_roles(False, True)),
        ]
        return _case(branches, in_roles(False, False)).label(attribute)

    return DecisionColumns(*map(column, DecisionColumns._fields))


# --- Statuses ------------------------------------------------------------------------------------

#: A status that no row has, in whose place the stored one is written.
_ANY: Final = "a status that connect_core does not know"
#: What stands for a status that is not safe to show.
_NOT_SHOWN: Final = "..."
#: The longest text that is shown of a value, as elsewhere in this library.
_MOST_SHOWN: Final = 255


def _by_status(answer: Callable[[object], str | None], on: object, rows: RowPolicy) -> _Text:
    """What is answered to rows with each status."""
    column = column_of(on, rows.status)
    is_text = isinstance(column.type, String) and not isinstance(column.type, Enum)
    spelled: list[object] = list(rows.statuses.values())
    if is_text:  # what is called as a status of ours is, and spelled otherwise, is not known
        spelled += [status.value for status in Status if status.value not in spelled]
    answers: dict[str | None, list[object]] = {}
    for status in spelled:
        answers.setdefault(answer(status), []).append(status)
    branches: list[_Branch] = [
        (has_value(on, rows.status, statuses), _text(each)) for each, statuses in answers.items()
    ]
    branches.append((column.is_(None), _text(answer(None))))
    otherwise = answer(_NOT_SHOWN)
    if is_text and len(parts := (answer(_ANY) or "").split(_ANY)) > 1:
        branches.append((_IsShown(column), _joined(column, parts)))
    elif {*answers, answer(None)} == {otherwise}:
        branches.clear()
    return _case(branches, _text(otherwise))


def _joined(column: ColumnElement[Any], parts: Sequence[str]) -> _Text:
    """The parts of a text, with the value of a column between them."""
    first, *others = parts
    whole: ColumnElement[Any] = literal(first, String())
    for part in others:
        whole = whole.concat(column).concat(literal(part, String()))
    return whole


def _text(value: str | None) -> _Text:
    return cast(null(), String()) if value is None else literal(str(value), String())


def _case(branches: Sequence[_Branch], otherwise: _Text) -> _Text:
    """The text of the first branch whose condition is true."""
    possible = [(condition, text) for condition, text in branches if condition is not None]
    return case(*possible, else_=otherwise) if possible else otherwise


class _IsShown(FunctionElement[bool]):
    """Whether a text consists of printable ASCII, and is not cut when it is shown."""

    type = Boolean()
    inherit_cache = True


@compiles(_IsShown)
def _is_shown(element: _IsShown, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001  # SQLAlchemy's
    """On other databases, it is not known."""
    return "1 = 0"


@compiles(_IsShown, "sqlite")
def _is_shown_on_sqlite(element: _IsShown, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite may hold anything in a column of text, and ends a text at its first NUL."""
    value = _operand(element, compiler, options)
    return (
        f"(typeof({value}) = 'text' AND instr({value}, char(0)) = 0"
        f" AND {value} NOT GLOB '*[^ -~]*' AND length({value}) <= {_MOST_SHOWN})"
    )


@compiles(_IsShown, "postgresql")
def _is_shown_on_postgresql(element: _IsShown, compiler: SQLCompiler, **options: Any) -> str:
    return f"{_operand(element, compiler, options)} ~ '^{_SHOWN}$'"


@compiles(_IsShown, "mariadb")
def _is_shown_on_mariadb(element: _IsShown, compiler: SQLCompiler, **options: Any) -> str:
    """In hexadecimal, because the setting `sql_mode` decides what a backslash is."""
    pattern = rf"\A{_SHOWN}\z".encode().hex()
    return f"CAST({_operand(element, compiler, options)} AS BINARY) REGEXP x'{pattern}'"


@compiles(_IsShown, "duckdb")
def _is_shown_on_duckdb(element: _IsShown, compiler: SQLCompiler, **options: Any) -> str:
    return f"regexp_full_match({_operand(element, compiler, options)}, '{_SHOWN}')"


@compiles(_IsShown, "spark")
def _is_shown_on_spark(element: _IsShown, compiler: SQLCompiler, **options: Any) -> str:
    pattern = compiler.render_literal_value(rf"\A{_SHOWN}\z", String())
    return f"{_operand(element, compiler, options)} RLIKE {pattern}"


#: A text that is shown as it is, as a regular expression.
_SHOWN: Final = f"[ -~]{{0,{_MOST_SHOWN}}}"


def _operand(element: FunctionElement[bool], compiler: SQLCompiler, options: dict[str, Any]) -> str:
    (column,) = element.clauses
    return compiler.process(column, **options)
