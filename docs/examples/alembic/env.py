r"""The migrations of a service that embeds connect-core: its own tables and the library's.

Alembic runs this file. Try it on a file of your own::

    uv run --group test alembic -c docs/examples/alembic/alembic.ini \
        -x url=sqlite:////tmp/host.db upgrade head
"""

import os
from typing import Any

from alembic import context
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, event
from sqlalchemy.pool import NullPool

from connect_core.adapters import sql

# Stands for the tables of your own: `from yourservice.models import Base`, then `Base.metadata`. If
# `tables_for` has added our tables to it, it is the only `target_metadata`.
host_metadata = MetaData()
Table(
    "notices",
    host_metadata,
    Column("connection_id", String(255), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("recipient", String(255), nullable=False),
)

options: dict[str, Any] = {
    "target_metadata": [host_metadata, sql.metadata],
    "render_as_batch": True,  # without it SQLite can hardly alter a table
    "transactional_ddl": True,  # all or nothing; on SQLite thanks to `configure_engine`
}
url = (
    context.get_x_argument(as_dictionary=True).get("url")
    or os.environ.get("DATABASE_URL")
    or context.config.get_main_option("sqlalchemy.url", "")
)


def migrate() -> None:
    """Migrate the database: ``alembic upgrade head``."""
    engine = sql.configure_engine(create_engine(url, poolclass=NullPool))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", without_foreign_keys)
    with engine.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()


def without_foreign_keys(connection: Any, _: object) -> None:
    """SQLite alters a table by creating it anew, which must not look like deleting its rows."""
    connection.execute("PRAGMA foreign_keys = OFF")


def write_sql() -> None:
    """Write the statements to stdout instead: ``alembic upgrade head --sql``."""
    context.configure(url=url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_sql()
else:
    migrate()
