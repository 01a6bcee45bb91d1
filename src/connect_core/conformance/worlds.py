"""Worlds of the exploration: organizations, names, scopes and documents, chosen at random.

Each run has a world of its own. Its values differ in ways in which real implementations go wrong:
ids that share a prefix or differ by case, names that look alike, scopes that contain each other.
Each world has some features and lacks others, so that what one feature hides another one shows.
"""

import json
import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from connect_core.conformance.generators.names import KEPT
from connect_core.conformance.generators.sharing import LONGEST, MALFORMED, MANY
from connect_core.conformance.generators.texts import (
    INVALID_DOCUMENTS,
    INVALID_TEXTS,
    MALFORMED_TEXTS,
    MORE_INVALID_TEXTS,
    MORE_MALFORMED_TEXTS,
    VALID_DOCUMENTS,
    VALID_TEXTS,
)
from connect_core.conformance.scenario import DESTINATION, TOO_LONG

#: What a run may do, beside the calls that every run makes.
FEATURES: Final = (
    *("documents", "expected-version", "named-source", "self-connections", "invalid", "outsiders"),
    *("unknown-ids", "names", "scopes", "reads", "long-life", "creates", "asks-at-once"),
)
#: How many organizations a world may have, and how many Connections.
_ORGANIZATIONS: Final = (3, 3, 4, 5, 8, 12, 20)
_CONNECTIONS: Final = (1, 2, 3, 5, 8, 15, 40)
#: How many rounds a long life has. A version of more than a byte needs 86.
_ROUNDS: Final = (3, 7, 8, 13, 20, 45, 90)

_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
#: The longest id: a transport may need the rest.
_LONGEST_ID: Final = 200
_PLAIN_SCOPES: Final = ("inquiry.read", "account.read", "case.read", "inquiry.write", "a.b")

_VALID: Final = tuple(
    text
    for text in (*map(json.dumps, VALID_DOCUMENTS.values()), *VALID_TEXTS.values())
    if DESTINATION in text  # no other organizations than those of the world
)
_INVALID: Final = (
    *map(json.dumps, INVALID_DOCUMENTS.values()),
    *INVALID_TEXTS.values(),
    *MORE_INVALID_TEXTS.values(),
    *MALFORMED_TEXTS.values(),
    *MORE_MALFORMED_TEXTS.values(),
)


class Terms(NamedTuple):
    """The terms of a creation that an implementation must refuse as invalid, each in its place."""

    destination: str | None = None
    name: str | None = None
    scopes: Sequence[str] | None = None


class World:
    """The values of one run, and the choices that depend on chance.

    Args:
        chance: the source of all random choices.
        organizations: how many organizations there may be at most.
    """

    def __init__(self, chance: random.Random, organizations: int) -> None:
        self.chance = chance
        self.features = frozenset(each for each in FEATURES if chance.random() < 0.6)
        number = min(chance.choice(_ORGANIZATIONS), organizations)
        #: The ids of the organizations.
        self.organizations = tuple(_ids(chance, number))
        #: How many Connections there are to begin with.
        self.connections = chance.choice(_CONNECTIONS)
        #: How many rounds one of them goes through to begin with.
        self.rounds = chance.choice(_ROUNDS) if "long-life" in self.features else 0
        self._scopes = _scope_pool(chance) if "scopes" in self.features else _PLAIN_SCOPES

    def organization(self) -> str:
        """Any organization."""
        return self.chance.choice(self.organizations)

    def name(self) -> str | None:
        """A name for a new Connection, or none."""
        if "names" not in self.features:
            return self.chance.choice((None, "Partner"))
        return self.chance.choice((None, *KEPT))

    def scopes(self) -> Sequence[str] | None:
        """Scopes for a new Connection, or None for the default ones."""
        if self.chance.random() < 0.25:
            return None
        if "scopes" in self.features and self.chance.random() < 0.1:
            return MANY
        named = self.chance.sample(self._scopes, self.chance.randint(1, min(4, len(self._scopes))))
        return (*named, named[0]) if self.chance.random() < 0.2 else named

    def asked(self, granted: Sequence[str], others: Sequence[str]) -> str:
        """A scope to ask for: mostly a granted one or a neighbour of it, or one of another."""
        kind = self.chance.random()
        if kind < 0.5:
            return self.chance.choice(granted)
        if kind < 0.6 and others:
            return self.chance.choice(others)
        if kind < 0.7:
            return self.chance.choice(self._scopes)
        return _neighbour(self.chance, self.chance.choice(granted))

    def invalid(self) -> Terms:
        """Terms that are not valid."""
        malformed = self.chance.choice(tuple(MALFORMED.values()))
        valid = self.chance.choice(self._scopes)
        return self.chance.choice(
            (
                Terms(scopes=()),
                Terms(scopes=(malformed,)),
                Terms(scopes=(valid, malformed)),
                Terms(scopes=(*MANY, "one-more.read")),
                Terms(destination=TOO_LONG),
                Terms(name="n" * 256),
                Terms(name=f"Part{self.chance.choice(_CONTROLS)}ner"),
            )
        )

    def document(self, destination: str) -> str:
        """The text of a create document, valid or not."""
        valid = self.chance.random() < 0.5
        text = self.chance.choice(_VALID if valid else _INVALID)
        return text.replace(DESTINATION, destination)


_CONTROLS: Final = "\0\x01\t\n\r\x1f\x7f\x85\x9f"


def _ids(chance: random.Random, number: int) -> list[str]:
    """Ids of organizations, many of them nearly the same."""
    length = chance.choice((1, 3, 8, 8, 20, 70, 140, _LONGEST_ID - 4))
    ids = [f"org_{''.join(chance.choices(_CHARACTERS, k=length))}"]
    related = chance.random() < 0.7
    while len(ids) < number:
        changed = _changed(chance, chance.choice(ids)[4:]) if related else ""
        made = changed or "".join(chance.choices(_CHARACTERS, k=chance.choice((2, 8, 30))))
        if f"org_{made}" not in ids and len(made) <= _LONGEST_ID - 4:
            ids.append(f"org_{made}")
    return ids


def _changed(chance: random.Random, text: str) -> str:
    """A text that is nearly the same; empty if there is none."""
    place = chance.randrange(len(text))
    return chance.choice(
        (
            text.swapcase(),
            text.lower(),
            text.upper(),
            f"{text[:place]}{text[place].swapcase()}{text[place + 1 :]}",
            f"{text[:place]}{chance.choice(_CHARACTERS)}{text[place + 1 :]}",
            f"{text[:-1]}{chance.choice(_CHARACTERS)}",
            f"{chance.choice(_CHARACTERS)}{text[1:]}",
            f"{text}{chance.choice('xX01-_')}",
            f"{chance.choice('xX01-_')}{text}",
            text[:-1],
            text[1:],
            f"{text[:place]}{text[place]}{text[place:]}",
            text.replace("-", "_"),
            text.replace("_", "-"),
            text.replace("-", "").replace("_", ""),
            text.replace("0", "O").replace("1", "l"),
            text[::-1],
            f"org_{text}",
        )
    )


def _scope_pool(chance: random.Random) -> tuple[str, ...]:
    """Scopes that are nearly the same."""
    pool = {chance.choice(_PLAIN_SCOPES)}
    for _ in range(8):
        resource, _, verb = chance.choice(sorted(pool)).partition(".")
        pool.add(
            chance.choice(
                (
                    f"{resource}.{verb}s",
                    f"{resource}.{verb}-all",
                    f"{resource}.{verb}_",
                    f"{resource}2.{verb}",
                    f"my-{resource}.{verb}",
                    f"{resource}.write",
                    f"{resource}.manage",
                    f"{verb}.{resource}",
                    f"{resource}.{verb[0]}",
                    f"{resource[0]}.{verb}",
                )
            )
        )
    if chance.random() < 0.1:
        pool |= {LONGEST, f"{LONGEST[:-1]}x"}
    return tuple(sorted(each for each in pool if len(each) <= len(LONGEST)))


def _neighbour(chance: random.Random, scope: str) -> str:
    """A text that is nearly this scope, well formed or not."""
    resource, _, verb = scope.partition(".")
    return chance.choice(
        (
            scope.upper(),
            scope.title(),
            f"{scope}s",
            f"{scope}-all",
            scope[:-1],
            scope[1:],
            f"{scope} ",
            f" {scope}",
            f"{scope}\n",
            f"{scope}\0",
            f"{scope},a.b",
            f"a.b {scope}",
            f"{resource}x{verb}",
            f"{resource}-{verb}",
            f"{resource}.*",
            f"*.{verb}",
            "*",
            f"{resource}.write",
            f"{resource}.read",
            f"{resource}.manage",
            f"other.{verb}",
            f"{resource}%2E{verb}",
            f"{resource}\uff0e{verb}",
            f"{resource}.{verb}.{verb}",
            resource,
            verb,
            "",
        )
    )
