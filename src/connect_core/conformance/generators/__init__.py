"""The vectors of the specification, from the rules: a function for each family.

No rule is stated here: who may do what is asked of the policy. What is typed by hand is who takes
part, what is tried, and in which words it is told.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from connect_core.conformance.generators.documents import documents
from connect_core.conformance.generators.history import expected_version, history, times, versions
from connect_core.conformance.generators.http import http
from connect_core.conformance.generators.matrix import refusals, transition, walk
from connect_core.conformance.generators.parties import (
    identity,
    independence,
    outsider,
    self_connection,
)
from connect_core.conformance.generators.sharing import scopes, share
from connect_core.conformance.generators.stories import stories
from connect_core.conformance.vectors import Vector, file_text

#: The families, each a file.
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
    "story": stories,
}


def vector_files(specification: str) -> dict[str, str]:
    """The files of vectors: names and texts.

    Args:
        specification: the version that they are of.
    """
    return {
        f"{name}.json": file_text(specification, family()) for name, family in GENERATORS.items()
    }
