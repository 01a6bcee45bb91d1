"""Scopes: the kinds of data that a Connection shares.

The rule *scopes*: a Connection names a non-empty set of them when it is created, and the set is
fixed for its life. Names that this library has never heard of are kept, so long as they are well
formed: what a scope means is the business of those who share.
"""

from typing import Annotated, Final

from pydantic import Field, PlainSerializer

from connect_core.identifiers import ValidatedText

#: The most scopes that one Connection can name.
MAX_SCOPES: Final = 64


class Scope(ValidatedText):
    """One kind of data, as ``resource.verb``: ``inquiry.read``.

    Both parts begin with a lower-case ASCII letter and go on with lower-case letters, digits,
    ``_`` or ``-``. Scopes are compared exactly.
    """

    __slots__ = ()
    pattern = r"[a-z][0-9a-z_-]*\.[a-z][0-9a-z_-]*"
    expected = "a scope of the form resource.verb, in lower case, such as inquiry.read"


#: The scopes of a Connection, as a model's field: 1 to 64 of them, written in sorted order.
ScopeSet = Annotated[
    frozenset[Scope],
    Field(min_length=1, max_length=MAX_SCOPES),
    PlainSerializer(sorted, return_type=list[str], when_used="json"),
]

#: What a Connection shares when its creator names nothing.
DEFAULT_SCOPES: Final[frozenset[Scope]] = frozenset({Scope("inquiry.read"), Scope("account.read")})
