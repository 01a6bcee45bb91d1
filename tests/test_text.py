"""Text from outside: what it says, and how it is shown."""

import unicodedata
from collections import UserString
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect_core import ConnectionId
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.text import quoted, shown, text_of, visible


class Speechless:
    """An object that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


class Lying(str):
    """Text whose class redefines what text does."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another text"

    def __format__(self, spec: str) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        return 0


class Disguised:
    """An object that does not let itself be asked what it is."""

    @property  # type: ignore[misc]  # which is how it hides
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("cxn_1", "cxn_1"),
        (Lying("cxn_1"), "cxn_1"),
        (17, "17"),
        (None, "None"),
        (b"cxn_1", "b'cxn_1'"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (UserString("cxn_1"), "cxn_1"),
        (Speechless(), "<Speechless>"),
        (10**5000, "<int>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_text_of_a_value(value: object, text: str) -> None:
    assert text_of(value) == text
    assert type(text_of(value)) is str
    assert shown(value) == text


def test_a_value_that_hides_its_class() -> None:
    assert text_of(Disguised()).startswith("<")
    assert quoted(Disguised()).startswith("<")


@given(st.text())
def test_nothing_invisible_is_shown(text: str) -> None:
    """No control, format, surrogate, private or unassigned character, and no separator."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
    assert all(
        unicodedata.category(character) not in hidden or character == " "
        for character in visible(text)
    )


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S"])))
def test_what_can_be_seen_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("hidden", "escape"),
    [
        ("\n", r"\u000a"),
        ("\u202e", r"\u202e"),  # right-to-left override
        ("\u200b", r"\u200b"),  # zero width space
        ("\ufeff", r"\ufeff"),  # byte order mark
        ("\uffff", r"\uffff"),  # a code point that is no character
        ("\u00ad", r"\u00ad"),  # soft hyphen
        ("\u180e", r"\u180e"),  # Mongolian vowel separator
        ("\u00a0", r"\u00a0"),  # no-break space
        ("\u3000", r"\u3000"),  # ideographic space
        ("\U000e0041", r"\U000e0041"),  # a tag
        ("\U000f0000", r"\U000f0000"),  # private use
        ("\ud800", r"\ud800"),  # half of a surrogate pair
    ],
    ids=lambda text: text.encode("ascii", "backslashreplace").decode(),
)
def test_each_kind_is_escaped(hidden: str, escape: str) -> None:
    assert visible(f"org_{hidden}é") == f"org_{escape}é"
    assert shown(f"org_{hidden}é") == f"org_{escape}é"
    assert visible(hidden, keep=hidden) == hidden


def test_a_message_has_room_for_the_longest_id() -> None:
    longest = ConnectionId("cxn_".ljust(MAX_ID_LENGTH, "x"))
    assert shown(longest) == longest
    assert shown("x" * 256) == f"{'x' * 252}..."
    assert shown("x" * 10_000_000) == f"{'x' * 252}..."
    assert shown("x" * 10, 10) == "x" * 10
    assert shown("x" * 11, 10) == f"{'x' * 7}..."


def test_text_is_quoted_and_other_values_are_not() -> None:
    assert [quoted(value) for value in ("1", 1, None)] == ["'1'", "1", "None"]
