"""The documents of the guide, in and out: plain data that any framework can send.

Reading is strict. A document is checked as a whole and every problem is reported at once, each
with the JSON Pointer of its place (of more than 100 the first 100, and how many more there are).
Members that the guide does not know are refused by name, and so are members that stand twice. What
was given is never changed. The limits are those of the model: a name of at most 255 characters,
1 to 64 scopes. How large a body may be is for your server to say, before it is read here.

Writing is exact: kebab-case members in the guide's order, scopes sorted, times in UTC with
milliseconds and ``Z``. The guide's sample answer to a create shows a Connection that is active at
once; by the rules it is pending, and so it is here.
"""

from connect_core.jsonapi.models import RESOURCE_TYPE
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
    list_document,
    record_document,
)

__all__ = [
    "RESOURCE_TYPE",
    "CreateRequest",
    "Document",
    "Record",
    "connection_document",
    "error_document",
    "list_document",
    "load_json",
    "parse_connection",
    "parse_create",
    "parse_record",
    "record_document",
]
