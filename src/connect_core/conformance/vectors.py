"""Vectors: what an implementation is put through, as plain data.

A vector is a short story in a world of its own. Each step is one call, made by an organization
(never by a role: who holds which is for the implementation to find out), and lists the answers that
are permitted; more than one only where the specification's register of open points says so. After
a step, ``then`` reads Connections back, after refusals as after successes.

The vectors of the specification come with the package, a file for each family. They are generated
from the rules (`connect_core.conformance.generate`); `read_vectors` reads files of your own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, cast

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from connect_core.conformance.specification import DATA
from connect_core.conformance.subject import Outcome
from connect_core.parties import Immutable

#: In the expected `document` of a state: the Connection's id, and any time as documents write it.
ID_PLACE: Final = "$connection"
TIME_PLACE: Final = "$time"


class Alternative(Immutable):
    """One permitted answer.

    Attributes:
        outcome: what came of it.
        answers: for each open point, the answers of the register that this is in keeping with.
        existing: the id that is told is that of the Connection that the step names, which exists.
        state: members of the state, and what they are; other members may be anything.
        unchanged: members that are as they were when the Connection was last read before the step.
        not_before: times that are not earlier than they were then.
        pointers: the places of all problems in a document.
        http: the HTTP status.
        ends: the vector ends here: what follows needs what this answer excludes.
    """

    outcome: Outcome
    answers: dict[str, tuple[str, ...]] = Field(default={})
    existing: bool = False
    state: dict[str, object] = Field(default={})
    unchanged: tuple[str, ...] = ()
    not_before: tuple[str, ...] = ()
    pointers: tuple[str, ...] | None = None
    http: int | None = None
    ends: bool = False


class Check(Immutable):
    """A read, and what it may come to.

    Attributes:
        by: the organization that acts.
        connection: the Connection, by the name that it has in this vector. One that no step has
            created stands for an id that no Connection has.
        requirements: what the answer tests; nothing, if it only prepares what follows.
        accept: the permitted answers. Ours comes first.
    """

    by: str
    connection: str
    requirements: tuple[str, ...] = ()
    accept: Annotated[tuple[Alternative, ...], Field(min_length=1)]


class ReadStep(Check):
    """Somebody reads a Connection."""

    verb: Literal["read"] = "read"
    then: tuple[Check, ...] = ()


class CreateStep(Check):
    """Somebody creates a Connection, from terms or from a document."""

    verb: Literal["create"] = "create"
    destination: str | None = None
    source: str | None = None
    name: str | None = None
    scopes: tuple[str, ...] | None = None
    allow_self: bool = False
    body: str | None = None
    then: tuple[Check, ...] = ()


class ActStep(Check):
    """Somebody acts on a Connection."""

    verb: Literal["act"] = "act"
    action: Literal["activate", "deactivate", "reactivate"]
    expected_version: int | None = None
    then: tuple[Check, ...] = ()


class ShareStep(Check):
    """Somebody wants to read data through a Connection."""

    verb: Literal["share"] = "share"
    scope: str
    then: tuple[Check, ...] = ()


AnyStep = CreateStep | ActStep | ShareStep | ReadStep
_KINDS: Final[dict[object, type[AnyStep]]] = {
    "create": CreateStep,
    "act": ActStep,
    "share": ShareStep,
    "read": ReadStep,
}


def _by_its_verb(value: object) -> object:
    """A step, read as what its verb says, so that only its own problems are told."""
    if not isinstance(value, Mapping):
        return value
    members = cast("Mapping[str, object]", value)
    kind = _KINDS.get(members.get("verb"))
    if kind is None:
        raise ValueError(f"the verb is none of {', '.join(map(str, _KINDS))}")
    try:
        return kind.model_validate(members)
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error))) from None


def problems_of(error: ValidationError) -> list[str]:
    """What is wrong with JSON, each with its place."""
    return [
        f"{'/'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}"
        for each in error.errors(include_url=False)
    ]


#: A call and what it may come to.
Step = Annotated[AnyStep, BeforeValidator(_by_its_verb)]


class Vector(Immutable):
    """A story with its permitted answers.

    Attributes:
        id: says what it is about, for good: ``transition/active/reactivate/destination``.
        title: the same in words.
        since: the version of the specification that it came with.
        requirements: every requirement that one of its checks tests.
        needs: the capabilities that it takes.
        open: the open points on which its permitted answers depend.
        steps: what happens, in order.
    """

    id: Annotated[str, Field(pattern="^[a-z0-9.-]+(/[a-z0-9.-]+)+$")]
    title: str
    since: str
    requirements: tuple[str, ...]
    needs: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @classmethod
    def of(
        cls, id: str, title: str, since: str, steps: Sequence[AnyStep], needs: Iterable[str] = ()
    ) -> "Vector":
        """The vector of these steps, with the requirements and open points that they have."""
        checks = [check for step in steps for check in (step, *step.then)]
        return cls(
            id=id,
            title=title,
            since=since,
            requirements=tuple(sorted({each for check in checks for each in check.requirements})),
            needs=tuple(needs),
            open=tuple(
                sorted(
                    {point for check in checks for each in check.accept for point in each.answers}
                )
            ),
            steps=tuple(steps),
        )


class VectorFile(Immutable):
    """A file of vectors.

    Attributes:
        specification: the version of the specification that they are of.
        vectors: the vectors.
    """

    specification: str
    vectors: tuple[Vector, ...]


_VECTOR_FILE: Final = TypeAdapter(VectorFile)


class InvalidVectorsError(ValueError):
    """A file that should hold vectors does not. Nothing was run."""


def parse_vectors(text: str, name: str) -> tuple[Vector, ...]:
    """The vectors in the text of a file, which messages call `name`.

    Raises:
        InvalidVectorsError: it is not JSON, or not such a file; every problem is listed.
    """
    try:
        # Strict would refuse the arrays of JSON for tuples in Python; from JSON it does not.
        vectors = _VECTOR_FILE.validate_json(text).vectors
    except ValidationError as error:
        problems = "; ".join(problems_of(error))
        raise InvalidVectorsError(f"{name} holds no vectors: {problems}.") from None
    ids = [vector.id for vector in vectors]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise InvalidVectorsError(f"{name} has two vectors of one id: {', '.join(twice)}.")
    return vectors


def read_vectors(path: Path) -> tuple[Vector, ...]:
    """The vectors in a file of your own.

    Raises:
        InvalidVectorsError: it cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidVectorsError(f"{path} cannot be read: {error}.") from error
    return parse_vectors(text, str(path))


@cache
def load_vectors() -> tuple[Vector, ...]:
    """The vectors of the specification, family by family."""
    found = sorted((DATA / "vectors").iterdir(), key=lambda file: file.name)
    return tuple(
        vector
        for file in found
        for vector in parse_vectors(file.read_text(encoding="utf-8"), file.name)
    )


# --- Writing -------------------------------------------------------------------------------------


def vector_dict(vector: Vector) -> dict[str, object]:
    """A vector as plain JSON values, without the members that say nothing."""
    written = {name: _plain(getattr(vector, name)) for name in type(vector).model_fields}
    return {name: value for name, value in written.items() if name == "requirements" or value != []}


def _plain(value: object) -> object:
    """Models as objects, in the order of their fields and without defaults; tuples as arrays."""
    if isinstance(value, Immutable):
        fields = type(value).model_fields
        members = {
            name: _plain(getattr(value, name))
            for name, field in fields.items()
            if name == "verb" or field.is_required() or getattr(value, name) != field.default
        }
        # The verb comes first, what may come of it last.
        order = sorted(members, key=lambda name: (name != "verb", name in _LAST))
        return {name: members[name] for name in order}
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: _plain(each) for name, each in members.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in cast("tuple[object, ...]", value)]
    return value.value if isinstance(value, Outcome) else value


_LAST: Final = ("requirements", "accept", "then")


def file_text(specification: str, vectors: Iterable[Vector]) -> str:
    """The text of a file of vectors: a step a line, so that a change can be read."""
    written = [vector_dict(vector) for vector in vectors]
    blocks = ",\n".join(_vector_text(vector) for vector in written)
    head = f'{{"specification": {json.dumps(specification)}, "vectors": [\n'
    return f"{head}{blocks}\n]}}\n"


def _vector_text(vector: Mapping[str, object]) -> str:
    members = [
        f" {json.dumps(name)}: {json.dumps(value)}"
        for name, value in vector.items()
        if name != "steps"
    ]
    steps = cast("list[object]", vector["steps"])
    lines = ",\n".join(f"  {json.dumps(step)}" for step in steps)
    return "{\n" + ",\n".join(members) + f',\n "steps": [\n{lines}\n ]}}'
