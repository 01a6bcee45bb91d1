"""Identifiers: their form, and how new ones are minted."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from reprlib import repr as shortened
from time import time_ns
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from connect_core import ActorId, ConnectionId, OrganizationId, Scope
from connect_core.identifiers import BASE58, IdempotencyKey

KINDS: list[tuple[Any, str]] = [
    (OrganizationId, "org_ABC123"),
    (ActorId, "api_ABC123"),
    (ActorId, "usr_Rk3v"),
    (ActorId, "user_Rk3v"),
    (ConnectionId, "cxn_ABC123"),
    (Scope, "inquiry.read"),
]
#: The longest texts of each kind.
LONGEST: list[tuple[Any, str]] = [
    (OrganizationId, "org_" + "Az_-9" * 50 + "x"),
    (ActorId, "api_" + "x" * 251),
    (ActorId, "usr_" + "x" * 251),
    (ActorId, "user_" + "x" * 250),
    (ConnectionId, "cxn_" + "x" * 251),
    (Scope, "a" * 127 + "." + "b" * 127),
    (IdempotencyKey, " ~" * 127 + "x"),
]


def parts(minted: ConnectionId) -> tuple[int, int]:
    """The prefix of a minted id (its time and counter), and its random bits."""
    number = 0
    for character in minted.removeprefix("cxn_"):
        number = number * 58 + BASE58.index(character)
    return divmod(number, 2**100)


class TestIdentifiers:
    """A prefix and opaque text, compared exactly; 255 characters at most."""

    @pytest.mark.parametrize(("kind", "text"), KINDS)
    def test_is_the_text_that_it_is(self, kind: Any, text: str) -> None:
        value = kind(text)
        assert value == text
        assert type(value) is kind
        assert hash(value) == hash(text)
        assert str(value) == text
        assert kind(value) is value
        for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
            assert type(twin) is kind
            assert twin == value
        assert TypeAdapter(kind).validate_python(text) == value
        assert type(TypeAdapter(kind).validate_json(f'"{text}"')) is kind

    @pytest.mark.parametrize(("kind", "text"), KINDS)
    def test_refuses_other_text(self, kind: Any, text: str) -> None:
        for wrong in (
            "",
            text.upper(),
            text + "\n",
            " " + text,
            text + " ",
            "." + text,
            text + "é",
        ):
            with pytest.raises(ValueError, match=r"^expected an? ") as caught:
                kind(wrong)
            assert kind.expected in str(caught.value)
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(wrong)

    @pytest.mark.parametrize(("kind", "text"), KINDS)
    def test_refuses_what_is_no_text(self, kind: Any, text: str) -> None:
        for wrong in (None, 5, True, 1.5, [text], text.encode()):
            with pytest.raises(TypeError, match=r"^expected an? "):
                kind(wrong)
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(wrong)

    @pytest.mark.parametrize("kind", [OrganizationId, ActorId, ConnectionId])
    def test_a_bare_prefix_is_no_identifier(self, kind: Any) -> None:
        for prefix in ("org_", "api_", "usr_", "user_", "cxn_"):
            with pytest.raises(ValueError, match="expected"):
                kind(prefix)

    def test_an_instance_of_one_kind_is_not_of_another(self) -> None:
        with pytest.raises(ValueError, match="expected a connection id"):
            ConnectionId(OrganizationId("org_A"))

    @given(st.text(st.sampled_from("0OIl_-azAZ19"), min_size=1))
    def test_opaque_text_is_kept(self, text: str) -> None:
        assert OrganizationId("org_" + text) == "org_" + text

    @pytest.mark.parametrize(("kind", "text"), LONGEST)
    def test_the_longest(self, kind: Any, text: str) -> None:
        assert len(text) == 255
        assert kind(text) == text
        assert TypeAdapter(kind).validate_python(text) == text
        assert TypeAdapter(kind).validate_json(f'"{text}"') == text

    @pytest.mark.parametrize("excess", [1, 10_000_000])
    @pytest.mark.parametrize(("kind", "text"), LONGEST)
    def test_longer_is_refused(self, kind: Any, text: str, excess: int) -> None:
        """The message is short, and the pattern is not tried."""
        long = text + "x" * excess
        message = (
            f"expected {kind.expected}, got {shortened(long)}: it has {255 + excess} characters, "
            "and can have at most 255"
        )
        with patch("connect_core.identifiers.re.fullmatch", side_effect=AssertionError):
            with pytest.raises(ValueError, match=r"^expected an? ") as caught:
                kind(long)
            with pytest.raises(ValidationError) as invalid:
                TypeAdapter(kind).validate_python(long)
        assert str(caught.value) == message
        assert len(message) < 250
        assert invalid.value.errors()[0]["msg"] == f"Value error, {message}"

    def test_the_length_is_in_characters(self) -> None:
        """What is no ASCII is refused whatever its length, and is not counted in bytes."""
        with pytest.raises(ValueError, match="organization id") as caught:
            OrganizationId("org_" + "é" * 251)
        assert "at most" not in str(caught.value)

    def test_minted(self) -> None:
        ids = {ConnectionId.mint() for _ in range(200)}
        assert len(ids) == 200
        for minted in ids:
            assert type(minted) is ConnectionId
            assert minted.startswith("cxn_")
            assert len(minted) == 4 + 28
        characters = {character for minted in ids for character in minted[4:]}
        assert characters == set(BASE58)
        assert not characters & set("0OIl_-")

    def test_minted_in_order(self) -> None:
        """Strictly, whatever the clock does, and compared as databases compare text."""
        clock = [1_000, 1_000, 1_000, 1_001, 900, 900, 0, 2**48 - 1, 5]
        nanoseconds = [at * 1_000_000 + 999_999 for at in clock]
        with (
            patch("connect_core.identifiers._last_prefix", 0),
            patch(
                "connect_core.identifiers.time_ns",
                side_effect=nanoseconds,
            ),
        ):
            ids = [ConnectionId.mint() for _ in clock]
        assert ids == sorted(ids)
        assert [prefix >> 16 for prefix, _ in map(parts, ids)] == [
            *(1_000, 1_000, 1_000, 1_001, 1_001, 1_001, 1_001),
            *(2**48 - 1, 2**48 - 1),
        ]
        assert [prefix & 0xFFFF for prefix, _ in map(parts, ids)] == [0, 1, 2, 0, 1, 2, 3, 0, 1]

    def test_more_than_a_counter_holds_in_a_millisecond(self) -> None:
        """The ids go on as if the next millisecond had begun."""
        with (
            patch("connect_core.identifiers._last_prefix", (7 << 16) + 0xFFFF),
            patch("connect_core.identifiers.time_ns", return_value=7_000_000),
        ):
            first, second = ConnectionId.mint(), ConnectionId.mint()
        assert [parts(first)[0], parts(second)[0]] == [8 << 16, (8 << 16) + 1]

    def test_minted_now(self) -> None:
        before = time_ns() // 1_000_000
        prefix, _ = parts(ConnectionId.mint())
        assert before <= prefix >> 16 <= time_ns() // 1_000_000 + 1

    def test_minted_in_order_by_many_threads(self) -> None:
        """Each thread's ids are in order, and no two threads get the same prefix."""

        def minted(number: int) -> list[ConnectionId]:
            return [ConnectionId.mint() for _ in range(number)]

        with ThreadPoolExecutor(4) as pool:
            batches = list(pool.map(minted, [500] * 8))
        assert all(batch == sorted(batch) for batch in batches)
        assert len({parts(each)[0] for batch in batches for each in batch}) == 8 * 500

    def test_minted_cannot_be_guessed(self) -> None:
        """A hundred bits are random: each is set in about half of the ids, and none repeats."""
        ids = [parts(ConnectionId.mint())[1] for _ in range(2000)]
        assert len(set(ids)) == 2000
        for bit in range(100):
            assert 700 < sum(each >> bit & 1 for each in ids) < 1300, bit

    def test_json_schema(self) -> None:
        schema = TypeAdapter(OrganizationId).json_schema()
        assert schema == {
            "type": "string",
            "maxLength": 255,
            "pattern": "^org_[0-9A-Za-z_-]+$",
            "not": {"pattern": "[^ -~]"},
        }
