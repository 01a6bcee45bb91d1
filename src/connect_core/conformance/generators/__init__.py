"""Generators: functions that derive the vectors of the specification from the rules.

No rule is stated here: the model asks the policy for the permitted answers. What is written by hand
is the choice of parties and calls, the ids and the titles.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from connect_core.conformance.generators.documents import documents
from connect_core.conformance.generators.history import expected_version, history, times, versions
from connect_core.conformance.generators.http import http
from connect_core.conformance.generators.many import depth, many, partners
from connect_core.conformance.generators.matrix import refusals, transition, walk
from connect_core.conformance.generators.names import names
from connect_core.conformance.generators.parties import (
    identity,
    independence,
    outsider,
    self_connection,
)
from connect_core.conformance.generators.related import derived, related
from connect_core.conformance.generators.sharing import scopes, share
from connect_core.conformance.generators.stories import stories
from connect_core.conformance.generators.unread import others, unread
from connect_core.conformance.vectors import Vector, file_text

#: The generators by name. Each fills one file, and its name begins the ids of its vectors.
GENERATORS: Final[Mapping[str, Callable[[], Iterator[Vector]]]] = {
    "transition": transition,
    "walk": walk,
    "refusals": refusals,
    "share": share,
    "scopes": scopes,
    "identity": identity,
    "outsider": outsider,
    "independence": independence,
    "self": self_connection,
    "versions": versions,
    "history": history,
    "times": times,
    "expected-version": expected_version,
    "documents": documents,
    "http": http,
    "related": related,
    "derived": derived,
    "many": many,
    "depth": depth,
    "partners": partners,
    "unread": unread,
    "others": others,
    "names": names,
    "story": stories,
}


def vector_files(specification: str) -> dict[str, str]:
    """The text of each file of vectors, by the name of the file.

    Args:
        specification: the version of the specification.
    """
    return {
        f"{name}.json": file_text(specification, generator())
        for name, generator in GENERATORS.items()
    }
