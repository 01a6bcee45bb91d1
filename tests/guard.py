"""A guard over the statements that the library sends: none may use what an engine lacks.

It listens on every engine, looks at the text of each statement, and refuses those of the library
that use a feature which the engine's profile lacks. A host's own statements may use anything: tests
send some in the place of a host. It does not parse SQL; it looks for words outside of what is
quoted.
"""

import re
from collections.abc import Generator, Mapping, Set
from contextlib import contextmanager
from functools import lru_cache
from inspect import currentframe
from types import FrameType
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, event

_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`")


def _pattern(text: str) -> "re.Pattern[str]":
    return re.compile(text, re.IGNORECASE | re.VERBOSE | re.DOTALL)


#: What a statement may use, by its name, as it looks once what is quoted is left out.
FEATURES: Final[Mapping[str, "re.Pattern[str]"]] = {
    "savepoint": _pattern(r"\A\s* (?: SAVEPOINT | RELEASE | ROLLBACK\s.*\bTO ) \b"),
    "advisory lock": _pattern(
        r"\b pg_(?:try_)?advisory_\w+ | \b(?:GET|RELEASE|RELEASE_ALL|IS_FREE|IS_USED)_LOCKS?\s*\("
    ),
    "table lock": _pattern(r"\A\s* LOCK\b | \bLOCK\s+TABLES?\b"),
    "row lock": _pattern(
        r"\bFOR\s+ (?: (?:NO\s+KEY\s+)? UPDATE | (?:KEY\s+)? SHARE ) \b"
        r" | \bLOCK\s+IN\s+SHARE\s+MODE\b"
    ),
    "skip locked": _pattern(r"\bSKIP\s+LOCKED\b | \bNOWAIT\b"),
    "sequence": _pattern(
        r"\b(?: (?:SMALL|BIG)?SERIAL | (?:NEXT|CURR|SET|LAST)VAL | SEQUENCE | IDENTITY"
        r" | AUTO_?INCREMENT | LAST_INSERT_ID | LAST_INSERT_ROWID ) \b"
    ),
    "collation in CREATE TABLE": _pattern(r"\A\s* (?:CREATE|ALTER)\s+TABLE\b .* \bCOLLATE\b"),
    "jsonb column": _pattern(r"\A\s* (?:CREATE|ALTER)\s+TABLE\b .* \bJSONB\b"),
    "foreign key": _pattern(r"\A\s* (?:CREATE|ALTER)\s+TABLE\b .* \bREFERENCES\b"),
    "unique constraint": _pattern(r"\A\s* (?:CREATE|ALTER)\s+TABLE\b .* \bUNIQUE\b"),
    "waiting CREATE INDEX": _pattern(r"\A\s* CREATE\s+(?:UNIQUE\s+)? INDEX\s+(?!ASYNC\b)"),
    "ON CONFLICT": _pattern(r"\bON\s+CONFLICT\b"),
    "subquery in DELETE": _pattern(r"\A\s* DELETE\b .* \bSELECT\b"),
}

#: What the store asks of no engine, as docs/reference/engines.md promises: it locks a row only by
#: changing it.
PROMISED: Final = frozenset(
    {"savepoint", "advisory lock", "table lock", "row lock", "skip locked", "sequence"}
)

#: What the engines lack that the tests run on, by the names of their dialects.
TESTED: Final[Mapping[str, Set[str]]] = {
    "sqlite": PROMISED,
    "postgresql": PROMISED,
    "mariadb": PROMISED | {"ON CONFLICT", "jsonb column"},
}

#: What other engines lack, or lacked when the sources in docs/reference/engines.md were written.
OTHERS: Final[Mapping[str, Set[str]]] = {
    "CockroachDB": PROMISED | {"collation in CREATE TABLE"},
    "YugabyteDB": PROMISED,
    "Amazon Aurora DSQL": PROMISED
    | {"collation in CREATE TABLE", "jsonb column", "waiting CREATE INDEX"},
    "Spanner, PostgreSQL interface": PROMISED
    | {"collation in CREATE TABLE", "unique constraint", "ON CONFLICT"},
    "Spanner, GoogleSQL": PROMISED | {"unique constraint"},
    "TiDB": PROMISED | {"ON CONFLICT", "jsonb column", "foreign key"},  # foreign keys since v6.6.0
    "Vitess": PROMISED | {"ON CONFLICT", "jsonb column", "foreign key", "subquery in DELETE"},
}

#: What any engine lacks.
ANY: Final[Set[str]] = frozenset[str]().union(*TESTED.values(), *OTHERS.values())


@lru_cache(maxsize=10_000)
def features_of(statement: str) -> frozenset[str]:
    """The names of the features that a statement uses."""
    bare = _QUOTED.sub("?", statement)
    return frozenset(name for name, pattern in FEATURES.items() if pattern.search(bare))


#: The modules between whoever sends a statement and the guard.
_BETWEEN: Final = ("sqlalchemy", "contextlib", "guard")


def sent_by_the_library(frame: FrameType | None) -> bool:
    """Whether the innermost frame that is not SQLAlchemy's belongs to the library."""
    while frame is not None:
        package, _, _ = str(frame.f_globals.get("__name__", "")).partition(".")
        if package not in _BETWEEN:
            return package == "connect_core"
        frame = frame.f_back
    return False


class StatementRefusedError(AssertionError):
    """The library sent a statement that uses what an engine lacks."""


class Guard:
    """Refuses the library's statements that use what their engine lacks.

    Attributes:
        refused: one line for each refused statement, also for one whose error was swallowed or came
            in another thread.
        used: the features that the library's statements used since it was cleared.
    """

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.used: set[str] = set()
        self._instead: Set[str] | None = None

    def start(self) -> None:
        """Look at the statements of every engine, from now on."""
        event.listen(Engine, "before_cursor_execute", self._look)

    def verify(self) -> None:
        """Fail the test if a statement was refused, and forget it."""
        refused, self.refused = self.refused, []
        if refused:
            pytest.fail("\n".join(refused))

    @contextmanager
    def lacking(self, lacks: Set[str]) -> Generator[None]:
        """Let every engine lack these features, in place of what its profile says."""
        self.used.clear()
        self._instead = lacks
        try:
            yield
        finally:
            self._instead = None

    def _look(self, connection: Connection, _: Any, statement: str, *__: Any) -> None:
        features = features_of(statement)
        if not features or not sent_by_the_library(currentframe()):
            return
        self.used |= features
        name = connection.dialect.name
        lacks = TESTED.get(name, PROMISED) if self._instead is None else self._instead
        if features & lacks:
            line = f"{name} may lack {', '.join(sorted(features & lacks))}: {statement}"
            self.refused.append(line)
            raise StatementRefusedError(line)


#: The guard of the whole suite, which `conftest.py` starts.
GUARD: Final = Guard()
