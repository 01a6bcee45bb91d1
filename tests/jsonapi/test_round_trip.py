"""A Connection that was written as a document reads back as it was."""

from hypothesis import given
from support import (
    connections,
)

from connect_core import (
    Connection,
    connection_document,
    parse_connection,
)


class TestDocuments:
    """Reading back what was written gives an equal Connection."""

    @given(connections)
    def test_round_trip(self, connection: Connection) -> None:
        document = connection_document(connection)
        assert parse_connection(document, version=connection.version) == connection
