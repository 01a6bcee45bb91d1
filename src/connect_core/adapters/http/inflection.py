"""Inflection: the spelling of member names in an answer, by the header ``Key-Inflection``.

Only names are changed, never values: a JSON Pointer in an error names the member as it was sent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, cast


class Inflection(StrEnum):
    """How the words of a member's name are joined."""

    #: ``createdAt``
    CAMEL = "camel"
    #: ``created-at``, as the documents are written
    KEBAB = "kebab"
    #: ``created_at``
    SNAKE = "snake"


def inflected(document: object, inflection: Inflection) -> object:
    """A document whose member names are spelled like this.

    Args:
        document: plain JSON values; they are not changed.
        inflection: the spelling.
    """
    spell = _SPELLINGS[inflection]
    return document if spell is None else _respelled(document, spell)


def kebab(name: str) -> str:
    """The name in kebab case, whichever of the three spellings it has."""
    words = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"-{found[1].lower()}", name)
    return words.replace("_", "-")


def _respelled(value: object, spell: Callable[[str], str]) -> object:
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value).items()
        return {spell(name): _respelled(member, spell) for name, member in members}
    if isinstance(value, list):
        return [_respelled(item, spell) for item in cast("Sequence[object]", value)]
    return value


def _camel(name: str) -> str:
    return re.sub(r"-([a-z0-9])", lambda found: found[1].upper(), name)


def _snake(name: str) -> str:
    return name.replace("-", "_")


_SPELLINGS: Final[dict[Inflection, Callable[[str], str] | None]] = {
    Inflection.CAMEL: _camel,
    Inflection.KEBAB: None,
    Inflection.SNAKE: _snake,
}
