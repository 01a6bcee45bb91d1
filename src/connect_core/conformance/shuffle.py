"""Shuffling: other ids and another order in each run, so that no answer can be known by heart.

The ids in the vectors are fixed, and so is their order. An implementation that knows them, or that
replays the answers of an earlier run, would pass without implementing anything. A `Shuffle` gives
each vector other ids of organizations, and the vectors another order. The same seed gives the same
ids and the same order.

The letters and digits of the ids are exchanged one for one. So the ids are as long as before, and
what they have in common stays: a prefix, the case, what differs in the last character only. Those
letters and digits stay as they are that look like others (``l`` and ``1``, ``O`` and ``0``), mean
something in a number, or belong to a prefix.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from connect_core.conformance.subject import Answer, State, System
from connect_core.conformance.vectors import Vector, absent_id

#: The letters and digits that are exchanged. Those that are left out keep their meaning.
_LETTERS: Final = "abcdfhjkmnpqstuvwyz"
_DIGITS: Final = "23456789"
#: The ids of organizations in the text of a document. What is continued by an escaped character is
#: no such id.
ORGANIZATION_IDS: Final = re.compile(r"(?<![0-9A-Za-z_-])org_[0-9A-Za-z_-]++(?!\\u)")
#: An id that stands for a Connection that no step has created.
_ABSENT: Final = re.compile(re.escape(absent_id("NAME")).replace("NAME", "(.*)"), re.DOTALL)
#: How many seeds there are to choose a new one from.
_SEEDS: Final = 10**6


class Shuffle:
    """Other ids and another order, from a seed.

    Args:
        seed: the seed. With 0, ids and order are those of the vectors.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @classmethod
    def of(cls, seed: int | None) -> "Shuffle":
        """The shuffle of this seed, or of a new one if it is None."""
        return cls(random.SystemRandom().randrange(1, _SEEDS) if seed is None else seed)

    def order(self, vectors: Sequence[Vector]) -> list[Vector]:
        """The vectors in the order in which they are run."""
        shuffled = list(vectors)
        if self.seed:
            random.Random(f"{self.seed}").shuffle(shuffled)  # noqa: S311  # no secret
        return shuffled

    def system(self, system: System, key: str) -> System:
        """A system that is called with other ids, and whose answers are translated back.

        Args:
            system: the system.
            key: what the ids depend on, beside the seed: the id of the vector.
        """
        return _Shuffled(system, f"{self.seed}:{key}") if self.seed else system


class _Shuffled:
    """A `System` that is called with other ids than those of the vector."""

    def __init__(self, system: System, key: str) -> None:
        self._system = system
        to, back = _exchanges(key)
        self._to = to
        self._back = back

    def create(
        self,
        *,
        by: str,
        destination: str | None = None,
        source: str | None = None,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,
        body: str | None = None,
    ) -> Answer:
        """See `System.create`."""
        return self._translated(
            self._system.create(
                by=self._sent(by),
                destination=None if destination is None else self._sent(destination),
                source=None if source is None else self._sent(source),
                name=name,
                scopes=scopes,
                allow_self=allow_self,
                body=None
                if body is None
                else ORGANIZATION_IDS.sub(lambda found: self._sent(found[0]), body),
            )
        )

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """See `System.act`."""
        return self._translated(
            self._system.act(
                by=self._sent(by),
                connection=self._connection(connection),
                action=action,
                expected_version=expected_version,
            )
        )

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """See `System.share`."""
        return self._translated(
            self._system.share(
                by=self._sent(by), connection=self._connection(connection), scope=scope
            )
        )

    def read(self, *, by: str, connection: str) -> Answer:
        """See `System.read`."""
        return self._translated(
            self._system.read(by=self._sent(by), connection=self._connection(connection))
        )

    def close(self) -> None:
        """See `System.close`."""
        self._system.close()

    def _sent(self, organization: str) -> str:
        """An organization's id as it is sent. The prefix stays."""
        return _exchanged(organization, self._to)

    def _connection(self, id: str) -> str:
        """The id of a Connection as it is sent: only one that stands for none is changed."""
        absent = _ABSENT.fullmatch(id)
        return id if absent is None else absent_id(absent[1].translate(self._to))

    def _translated(self, answer: Answer) -> Answer:
        """An answer with the ids of the vector. What is no answer is left to the execution."""
        state: object = getattr(answer, "state", None)
        if not isinstance(state, Mapping):
            return answer
        return replace(answer, state=self._state(cast("State", state)))

    def _state(self, state: State) -> State:
        translated = self._members(state, ("source", "destination"))
        events: object = state.get("events")
        if isinstance(events, (list, tuple)):
            translated["events"] = [
                self._members(cast("State", each), ("organization",))
                if isinstance(each, Mapping)
                else each
                for each in cast("Sequence[object]", events)
            ]
        found = translated.get("document")
        for path in ("data", "attributes"):
            found = cast("State", found).get(path) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            written = cast("dict[str, dict[str, object]]", translated["document"])
            members = ("organization-id", "destination-organization-id", "creator-id")
            attributes = self._members(cast("State", found), members)
            translated["document"] = {
                **written,
                "data": {**written["data"], "attributes": attributes},
            }
        return translated

    def _members(self, record: State, names: Iterable[str]) -> dict[str, object]:
        """A record with the ids of the vector in these members."""
        translated = dict(record)
        for name in names:
            value = translated.get(name)
            if isinstance(value, str):
                translated[name] = _exchanged(value, self._back)
        return translated


def _exchanges(key: str) -> tuple[dict[int, int], dict[int, int]]:
    """What each letter and digit is exchanged for, and the way back."""
    generator = random.Random(key)  # noqa: S311  # no secret
    to: dict[int, int] = {}
    for kept in (_LETTERS, _DIGITS):
        mixed = "".join(generator.sample(kept, len(kept)))
        to |= str.maketrans(kept + kept.upper(), mixed + mixed.upper())
    return to, {new: old for old, new in to.items()}


def _exchanged(id: str, exchange: Mapping[int, int]) -> str:
    """An id with other letters and digits after its prefix."""
    prefix, underscore, rest = id.partition("_")
    return f"{prefix}{underscore}{rest.translate(exchange)}"
