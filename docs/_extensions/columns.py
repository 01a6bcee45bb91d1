"""The directive ``columns``: the columns, constraints and indexes of the SQL adapter's tables.

Names, types and constraints come from the metadata, so that they cannot differ from it. What a
column means is written here. A column without a meaning is an error, as is the reverse.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from sqlalchemy import URL, CheckConstraint, Constraint, Dialect, ForeignKeyConstraint, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import PrimaryKeyConstraint, UniqueConstraint

from connect_core.adapters.sql import metadata

#: The databases that are tested, in the order of the columns that show their types.
DIALECTS: Final[dict[str, Dialect]] = {
    "SQLite": sqlite.dialect(),
    "PostgreSQL": postgresql.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy's
    "MariaDB": URL.create("mariadb+pymysql").get_dialect()(),
}


class Meaning(NamedTuple):
    """What a column holds, and whether that can be data about a person."""

    text: str
    personal: str = "no"


_PERSON: Final = "yes: the id of a person, or of an API key"

#: The meaning of every column.
MEANINGS: Final[dict[str, dict[str, Meaning]]] = {
    "connections": {
        "id": Meaning("The id of the Connection, `cxn_…`."),
        "source_organization_id": Meaning("The organization whose data is shared."),
        "destination_organization_id": Meaning("The organization that receives it."),
        "name": Meaning("The name for people to read, if there is one.", "free text: it can be"),
        "status": Meaning("The current status: `pending`, `active` or `inactive`."),
        "scopes": Meaning("The scopes, as a sorted JSON array of strings."),
        "creator_id": Meaning("Who created it: `usr_…`, `user_…` or `api_…`.", _PERSON),
        "created_at": Meaning("When it was created.", "yes, together with `creator_id`"),
        "updated_at": Meaning("When it last changed.", "yes, together with the last event"),
        "version": Meaning("How many changes there have been. The creation is 1."),
    },
    "connection_events": {
        "connection_id": Meaning("The Connection that changed."),
        "version": Meaning("The version that the change made."),
        "action": Meaning("What was done: `create`, `activate`, `deactivate` or `reactivate`."),
        "previous_status": Meaning("The status before; NULL for a creation."),
        "status": Meaning("The status after."),
        "actor_id": Meaning("Who did it: `usr_…`, `user_…` or `api_…`.", _PERSON),
        "actor_organization_id": Meaning("The organization that the actor acted for."),
        "roles": Meaning("The roles of that organization, as a sorted JSON array of strings."),
        "occurred_at": Meaning("When it happened.", "yes, together with `actor_id`"),
        "terms": Meaning(
            "For a creation, a JSON object with what is fixed for life: both organizations, the "
            "scopes and the name. NULL for any other change.",
            "the name is free text: it can be",
        ),
    },
    "connection_idempotency_keys": {
        "organization_id": Meaning("The organization that sent the key."),
        "key": Meaning("The key, as the client chose it.", "as the client chose it"),
        "fingerprint": Meaning("The SHA-256 digest of the request, in hexadecimal digits."),
        "outcome": Meaning(
            "What came of the request, as JSON text: the Connection and its version, or the "
            "refusal with its facts.",
            "yes: a refusal names the actor",
        ),
        "created_at": Meaning(
            "When the outcome was kept. `forget_idempotency_keys` deletes by it.",
            "yes, together with `outcome`",
        ),
    },
}


def described() -> str:
    """The tables in Markdown."""
    check()
    return "\n".join(line for table in metadata.tables.values() for line in _table(table))


def check() -> None:
    """Compare the meanings with the metadata.

    Raises:
        ValueError: a column has no meaning, or a meaning has no column.
    """
    written = {(table, column) for table, columns in MEANINGS.items() for column in columns}
    there = {(table.name, column.name) for table in metadata.tables.values() for column in table.c}
    if written != there:
        raise ValueError(f"columns and meanings differ: {sorted(written ^ there)}")


def _table(table: Table) -> Iterator[str]:
    yield f"### `{table.name}`\n"
    yield from _row("column", *DIALECTS, "NULL", "meaning", "personal data")
    yield from _row(*["---"] * (len(DIALECTS) + 4))
    for column in table.c:
        types = [f"`{column.type.compile(dialect)}`" for dialect in DIALECTS.values()]
        meaning = MEANINGS[table.name][column.name]
        null = "yes" if column.nullable else "no"
        yield from _row(f"`{column.name}`", *types, null, meaning.text, meaning.personal)
    yield "\nConstraints and indexes:\n"
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        yield f"- `{constraint.name}`: {_rule(constraint)}"
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        yield f"- `{index.name}`: an index on {_names(index.columns.keys())}"
    yield ""


def _row(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"


def _names(names: Sequence[str]) -> str:
    return f"`({', '.join(names)})`"


def _rule(constraint: Constraint) -> str:
    match constraint:
        case CheckConstraint():
            return f"`CHECK ({constraint.sqltext})`"
        case ForeignKeyConstraint():
            (element,) = constraint.elements
            target = f"`{element.target_fullname}`"
            return f"{_names(constraint.column_keys)} refers to {target}"
        case PrimaryKeyConstraint():
            return f"the primary key, {_names(constraint.columns.keys())}"
        case UniqueConstraint():
            return f"{_names(constraint.columns.keys())} is unique"
        case _:
            raise ValueError(f"a constraint of another kind: {constraint!r}")


class Columns(SphinxDirective):
    """``{columns}``, without arguments."""

    def run(self) -> list[nodes.Node]:
        """The tables, parsed like the page's own text."""
        self.env.note_dependency(__file__)
        return self.parse_text_to_nodes(described(), allow_section_headings=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_directive("columns", Columns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
