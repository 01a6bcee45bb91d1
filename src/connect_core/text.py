"""Values from outside: what they say, how they are shown, and whether two are the same.

A value from a host's row may be anything, and text may hold anything, at any length. These
functions never raise. They check nothing: `connect_core.identifiers` does.
"""

from enum import Enum
from typing import Any, cast
from uuid import UUID

#: How many characters of a value are shown: as many as an identifier can have, so that none is cut.
_MOST_SHOWN = 255


def text_of(value: object) -> str:
    """`value` as a plain `str`: the text that it is, or what `str` makes of it.

    A value that cannot say what it is gets the name of its type: ``<Money>``.
    """
    if issubclass(type(value), str):
        return str.__str__(cast("str", value))  # `isinstance` and `str` may run the value's code
    try:
        return str.__str__(str(value))
    except Exception:  # the code of the value's own class may raise anything
        return f"<{type(value).__name__}>"


def same_value(one: object, other: object) -> bool:
    """Whether two ids, or two other values, are the same: text by its characters, with its case.

    Their classes may define ``==`` as they like. Text, integers and UUIDs are compared
    without asking a class that is derived from them. A member of an `Enum` that is none of these
    equals only itself. Other values are the same if they have the same type, and ``==`` says True.
    None equals no value, not even None. A value whose ``==`` raises equals nothing.
    """
    kinds = type(one), type(other)
    if one is None:
        return False
    if issubclass(kinds[0], str):
        return issubclass(kinds[1], str) and text_of(one) == text_of(other)
    try:
        for base in (int, UUID):  # drivers have UUIDs of their own
            if issubclass(kinds[0], base) and issubclass(kinds[1], base) and bool not in kinds:
                compared: Any = base.__eq__(cast("Any", one), other)
                return compared is True
        if issubclass(kinds[0], Enum):
            return one is other
        return kinds[0] is kinds[1] and (one == other) is True
    except Exception:  # the code of the values' own class may raise anything
        return False


def visible(text: str, *, keep: str = "") -> str:
    r"""`text` with an escape, such as ``\u202e``, for every character that would not be seen.

    These are the Unicode categories of control, format, surrogate, private and unassigned
    characters, and all separators but the space.

    Args:
        text: any text.
        keep: characters that are left as they are, such as line feeds.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def shown(value: object, most: int = _MOST_SHOWN) -> str:
    """`value` for a message: its text with `visible` characters only, `most` of them at most."""
    text = text_of(value)
    return visible(text if len(text) <= most else f"{text[: most - 3]}...")


def kind_of(value: object) -> str:
    """A value's type, for a message; what it holds may be secret, such as a URL's password."""
    return "None" if value is None else f"{type(value).__module__}.{type(value).__qualname__}"


def quoted(value: object) -> str:
    """`value` for a message, in quotation marks if it is text."""
    return f"'{shown(value)}'" if issubclass(type(value), str) else shown(value)
