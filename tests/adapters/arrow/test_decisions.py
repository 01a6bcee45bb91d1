"""The value that is given: a frozen sequence of decisions."""

from typing import Any

import pytest
from arrow_tables import OURSELVES, arrow, table_of

from connect_core.adapters.arrow import decide_many


class TestDecisions:
    """A frozen sequence."""

    decisions = decide_many(
        OURSELVES,
        "deactivate",
        table_of(3, status=["active", "inactive", "active"]),
    )

    def test_it_is_a_sequence(self) -> None:
        first, second, third = self.decisions
        assert self.decisions[-1] == third == first
        assert self.decisions[1:] == (second, third)
        assert self.decisions[::-2] == (third, first)
        assert self.decisions.index(second) == 1
        assert self.decisions.count(first) == 2
        assert second in self.decisions
        with pytest.raises(IndexError):
            self.decisions[3]

    def test_it_is_immutable(self) -> None:
        with pytest.raises(AttributeError):
            setattr(self.decisions, "allowed", None)  # noqa: B010  # type checkers refuse it, too

    def test_what_is_made_is_kept(self) -> None:
        assert self.decisions.allowed is self.decisions.allowed
        assert self.decisions.codes is self.decisions.codes

    def test_it_is_neither_true_nor_false(self) -> None:
        with pytest.raises(TypeError, match=r"neither true nor false; look at \.allowed"):
            bool(self.decisions)

    def test_it_is_equal_by_value(self) -> None:
        table = table_of(3, status=arrow.array(["active", "inactive", "active"]))
        assert decide_many(OURSELVES, "deactivate", table) == self.decisions
        assert decide_many(OURSELVES, "deactivate", table.slice(1)) != self.decisions
        assert decide_many(OURSELVES, "activate", table) != self.decisions
        assert self.decisions != [*self.decisions]

    def test_it_says_how_many(self) -> None:
        assert repr(self.decisions) == "<Decisions on 3 rows>"

    def test_another_column(self) -> None:
        attribute: Any = "remedy"
        with pytest.raises(
            ValueError, match="expected one of explanation, advice, denial, target; got 'remedy'"
        ):
            self.decisions.column(attribute)
