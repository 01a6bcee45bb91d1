"""The policy about many rows at once: tables of PyArrow, or of anything that hands out Arrow.

`decide_many` gives the decision on every row of a table, `decide_access_many` the one on reading
its data. A table is any object with ``__arrow_c_stream__``: of PyArrow, Polars, pandas, DuckDB. It
is read without copying where its library allows that, and never changed.

Both answer with `Decisions`, a sequence that equals the decisions that a `RowPolicy` makes about
the rows one by one. Columns are compared in Arrow; each decision is made once, by the policy, for
all rows that it fits.
"""

from connect_core.adapters.arrow.decisions import Decisions, decide_access_many, decide_many
from connect_core.adapters.arrow.tables import ArrowStreamLike

__all__ = ["ArrowStreamLike", "Decisions", "decide_access_many", "decide_many"]
