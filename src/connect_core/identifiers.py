"""Identifiers: a prefix that says what kind of thing is named, then opaque text.

An identifier is a `str` that has been checked. The prefix must match exactly; one or more ASCII
letters, digits, ``_`` or ``-`` follow. It has at most 255 characters, so that every database can
store it and keep it in an index. This module reads nothing into identifiers: it never folds case,
and two of them are the same only if every character is. It refuses look-alike letters of other
scripts, so that no identifier can imitate another with them.
"""

import re
from os import urandom
from reprlib import repr as shortened
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, ClassVar, Final, Self

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

#: The longest identifier, in characters.
MAX_ID_LENGTH: Final = 255

#: The alphabet of minted identifiers: no 0, O, I or l, which people mistake for one another.
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
#: How many characters of it a minted identifier has: they hold 164 bits.
MINTED_LENGTH = 28
#: How the bits are divided: 48 for the time in milliseconds come first, then these two parts.
_COUNTER_BITS = 16
_RANDOM_BITS = 100


#: The characters that are not printable ASCII. In JSON Schema, a pattern that ends in ``$`` has
#: ``"not": {"pattern": NOT_PRINTABLE}`` beside it: in some languages, of which Python is one, ``$``
#: also matches before a line feed at the end of the text. The pattern itself stays as it is, for
#: generators that read no other keyword. It has no lookahead, which the regular expressions of Go
#: and Rust do not have either.
NOT_PRINTABLE: Final = "[^ -~]"


class ValidatedText(str):
    """A `str` that matches a pattern, as a type: in Python, in pydantic and in JSON Schema.

    Build one from any `str`; an instance of the same class is returned as it is. It compares,
    hashes, copies and prints like any `str`. A subclass accepts printable ASCII only.

    Raises:
        ValueError: the text is too long or does not match; the message says what was expected.
        TypeError: the argument is not a `str`.
    """

    __slots__ = ()

    #: A regular expression that the whole text must match; compiled on first use.
    pattern: ClassVar[str]
    #: What the pattern describes, in words.
    expected: ClassVar[str]
    #: The longest text, in characters. Longer text is refused before the pattern is tried.
    max_length: ClassVar[int] = MAX_ID_LENGTH

    def __new__(cls, text: str) -> Self:
        """Check `text`; an instance of this very class is returned as it is."""
        if type(text) is cls:
            return text
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"expected {cls.expected}, got {shortened(text)}")
        if len(text) > cls.max_length:
            raise ValueError(
                f"expected {cls.expected}, got {shortened(text)}: it has {len(text)} characters, "
                f"and can have at most {cls.max_length}"
            )
        if re.fullmatch(cls.pattern, text) is None:
            raise ValueError(f"expected {cls.expected}, got {shortened(text)}")
        return super().__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: "GetCoreSchemaHandler"
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(strict=True)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: "GetJsonSchemaHandler"
    ) -> "JsonSchemaValue":
        return {
            "type": "string",
            "maxLength": cls.max_length,
            "pattern": f"^{cls.pattern}$",
            "not": {"pattern": NOT_PRINTABLE},
        }


class OrganizationId(ValidatedText):
    """The id of an organization: ``org_`` and opaque text, 255 characters at most."""

    __slots__ = ()
    pattern = "org_[0-9A-Za-z_-]+"
    expected = "an organization id ('org_' and then letters, digits, '_' or '-')"


class ActorId(ValidatedText):
    """The id of an actor: ``api_`` for an API key, ``usr_`` or ``user_`` for a person.

    Opaque text follows; the whole has 255 characters at most.
    """

    __slots__ = ()
    pattern = "(?:api_|usr_|user_)[0-9A-Za-z_-]+"
    expected = "an actor id ('api_', 'usr_' or 'user_' and then letters, digits, '_' or '-')"


class ConnectionId(ValidatedText):
    """The id of a Connection: ``cxn_`` and opaque text, 255 characters at most."""

    __slots__ = ()
    pattern = "cxn_[0-9A-Za-z_-]+"
    expected = "a connection id ('cxn_' and then letters, digits, '_' or '-')"

    @classmethod
    def mint(cls) -> Self:
        """A new id: ``cxn_`` and 28 base58 characters, which sort by the time of minting.

        They begin with the time in milliseconds and a counter, so that ids minted in one process
        sort strictly in the order of minting, even within one millisecond or while the clock runs
        backwards. At least 100 bits come from the system's secure random source: knowing one id
        does not help to guess another. Threads may call this at the same time.
        """
        return cls(minted("cxn_"))


def minted(prefix: str) -> str:
    """A new id with this prefix, made as `ConnectionId.mint` describes it."""
    number = _next_prefix() << _RANDOM_BITS | _random_number()
    characters: list[str] = []
    for _ in range(MINTED_LENGTH):
        number, index = divmod(number, len(BASE58))
        characters.append(BASE58[index])
    return prefix + "".join(reversed(characters))


#: The prefix of the last minted id. The library keeps no other state.
_last_prefix = 0
_minting = Lock()


def _next_prefix() -> int:
    """The time in milliseconds and a counter, as one number, greater than every earlier one."""
    global _last_prefix  # the order of ids is a promise about the whole process
    with _minting:
        now = time_ns() // 1_000_000
        _last_prefix = max(now << _COUNTER_BITS, _last_prefix + 1)
        return _last_prefix


def _random_number() -> int:
    """`_RANDOM_BITS` bits from the system's secure source, without `secrets`, slow to import."""
    return int.from_bytes(urandom(13)) % (1 << _RANDOM_BITS)  # 13 bytes have 104 bits


class IdempotencyKey(ValidatedText):
    """A client's name for a request, so that it can be repeated: see `ConnectionService`."""

    __slots__ = ()
    pattern = "[ -~]+"
    expected = "an idempotency key (1 to 255 printable ASCII characters)"
