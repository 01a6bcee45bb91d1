"""Reading and writing the documents, as plain data that any framework can send.

There are two forms: the guide's, and the one that the published API has had since 2026-05
(``representation="current"``). `connect_core.jsonapi.schemas` has their JSON Schemas.

Reading is strict. A document is checked as a whole, and every problem is reported at once, each
with its JSON Pointer (if there are more than 100, the first 100 and the number of the others).
Unknown members are refused by name, and so are members that occur twice. The input is never
changed. The limits are those of the model: a name of at most 255 characters, 1 to 64 scopes. The
size of a body is not limited here: your server limits it before.

Writing is exact: kebab-case members in the guide's order, scopes sorted, times in UTC with
milliseconds and ``Z``. The guide's sample response to a create shows an active Connection; by the
rules a new Connection is pending, and it is written so here.
"""

from connect_core.jsonapi.models import RESOURCE_TYPE, Representation
from connect_core.jsonapi.plain import PlainRecord, PlainStep, plain_record
from connect_core.jsonapi.reading import (
    CreateRequest,
    Document,
    Record,
    load_json,
    parse_connection,
    parse_create,
    parse_record,
)
from connect_core.jsonapi.writing import (
    connection_document,
    error_document,
    field_names,
    history_document,
    list_document,
    problem_document,
    record_document,
    resource_type,
)

__all__ = [
    "RESOURCE_TYPE",
    "CreateRequest",
    "Document",
    "PlainRecord",
    "PlainStep",
    "Record",
    "Representation",
    "connection_document",
    "error_document",
    "field_names",
    "history_document",
    "list_document",
    "load_json",
    "parse_connection",
    "parse_create",
    "parse_record",
    "plain_record",
    "problem_document",
    "record_document",
    "resource_type",
]
