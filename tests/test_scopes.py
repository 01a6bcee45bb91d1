"""Scopes: their form, the default, and how many there may be."""

import pytest
from pydantic import ValidationError
from support import OUR_KEY

from connect_core import DEFAULT_SCOPES, Connection


class TestScopes:
    """``resource.verb``; a non-empty set of at most 64; unknown well-formed names are kept."""

    def test_the_default(self) -> None:
        assert {"inquiry.read", "account.read"} == DEFAULT_SCOPES
        connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456")
        assert connection.scopes == DEFAULT_SCOPES

    @pytest.mark.parametrize(
        "text", ["a.b", "x-1.y_2", "some_thing.never-heard-of", "a0.b9", "a." + "b" * 253]
    )
    def test_well_formed(self, text: str) -> None:
        connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=[text])
        assert connection.scopes == {text}

    @pytest.mark.parametrize(
        "text",
        [
            *("read", ".read", "a.", "a.b.c", "A.b", "a.B", "1a.b", "a.1b", "a b.c", "-a.b", "a:b"),
            "a." + "b" * 254,
        ],
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(ValidationError) as caught:
            Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=["a.b", text])
        (error,) = caught.value.errors()
        assert error["loc"] == ("scopes", 1)

    def test_how_many(self) -> None:
        names = [f"a.b{index}" for index in range(65)]
        connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=names[:64])
        assert len(connection.scopes) == 64
        for wrong in ([], names):
            with pytest.raises(ValidationError) as caught:
                Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=wrong)
            assert caught.value.errors()[0]["loc"] == ("scopes",)

    def test_one_string_is_not_a_set(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Connection.create(by=OUR_KEY, destination="org_DEF456", scopes="inquiry.read")
        assert caught.value.errors()[0]["loc"] == ("scopes",)
