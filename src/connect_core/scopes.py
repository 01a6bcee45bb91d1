"""Scopes: the kinds of data that a Connection shares.

The rule *scopes*: a Connection gets a non-empty set of scopes when it is created, and the set is
fixed for life. Unknown names are kept if they are well formed. This library does not know what a
scope means: that is for the parties to agree on.
"""

from typing import Annotated, Final

from pydantic import Field, PlainSerializer

from connect_core.identifiers import ValidatedText

#: The most scopes that one Connection can name.
MAX_SCOPES: Final = 64


class Scope(ValidatedText):
    """One kind of data, as ``resource.verb``: ``inquiry.read``.

    Each part is a lower-case ASCII letter, followed by any number of lower-case letters, digits,
    ``_`` or ``-``; the whole has at most 255 characters. Scopes are compared exactly.
    """

    __slots__ = ()
    pattern = r"[a-z][0-9a-z_-]*\.[a-z][0-9a-z_-]*"
    expected = "a scope of the form resource.verb, in lower case, such as inquiry.read"


#: The scopes of a Connection, as a model's field: 1 to 64 of them, sorted in JSON.
ScopeSet = Annotated[
    frozenset[Scope],
    Field(min_length=1, max_length=MAX_SCOPES),
    PlainSerializer(sorted, return_type=list[str], when_used="json"),
]

#: What a Connection shares if its creator names no scopes.
DEFAULT_SCOPES: Final[frozenset[Scope]] = frozenset({Scope("inquiry.read"), Scope("account.read")})
