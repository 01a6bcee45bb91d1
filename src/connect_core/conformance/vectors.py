"""Test vectors as plain data: reading, checking and writing them.

A vector is a sequence of steps on a fresh implementation. Each step is one call with its permitted
answers; there are several only at an open point of the specification. A call names the organization
that acts, never its role: the implementation has to derive the role. After a step, ``then`` reads
Connections back, whether the step succeeded or was refused.

The vectors of the specification come with the package, in one file for each generator. They are
generated from the rules (`connect_core.conformance.generate`). `read_vectors` reads files of your
own. This module runs nothing; `connect_core.conformance.runner` does.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from connect_core.conformance.specification import DATA
from connect_core.conformance.subject import Outcome
from connect_core.identifiers import NOT_PRINTABLE
from connect_core.parties import Immutable

#: Placeholders in an expected state: the Connection's id, any time in the form of documents, such a
#: time since the execution began (give or take a minute), and the time in a member of the state.
ID_PLACE: Final = "$connection"
TIME_PLACE: Final = "$time"
NOW_PLACE: Final = "$now"
CREATED_PLACE: Final = "$created_at"
UPDATED_PLACE: Final = "$updated_at"

#: Texts made from the id of a Connection that are not its id, each with a name. A text that happens
#: to be the id of a Connection is not used.
VARIANTS: Final[Mapping[str, Callable[[str], str]]] = {
    "upper-case": str.upper,
    "lower-case": str.lower,
    "swapped-case": str.swapcase,
    "space-before": lambda own: f" {own}",
    "space-after": lambda own: f"{own} ",
    "line-feed-after": lambda own: f"{own}\n",
    "nul-after": lambda own: f"{own}\0",
    "longer": lambda own: f"{own}x",
    "longer-before": lambda own: f"x{own}",
    "zero-before": lambda own: f"0{own}",
    "prefixed": lambda own: f"cxn_{own}",
    "shorter": lambda own: own[:-1],
    "shorter-before": lambda own: own[1:],
    "first-half": lambda own: own[: len(own) // 2],
    "first-20": lambda own: own[:20],
    "without-prefix": lambda own: own.rpartition("_")[2],
    "digits": lambda own: "".join(filter(str.isdigit, own)),
    "letters": lambda own: "".join(filter(str.isalpha, own)),
    "twice": lambda own: f"{own}{own}",
    "reversed": lambda own: own[::-1],
    "wildcard": lambda own: f"{own[:-1]}%",
    "any-character": lambda own: f"{own[:-1]}_",
    "pattern": lambda own: f"{own[:-1]}.",
    "quoted": lambda own: f"'{own}'",
    "escaped": lambda own: f"{own[:-1]}%{ord(own[-1]) & 0xFF:02X}",
    "full-width": lambda own: f"{own[:-1]}{chr((ord(own[-1]) - 0x21) % 0x5E + 0xFF01)}",
    "hyphenated": lambda own: f"{own[:8]}-{own[8:]}",
    "slash-after": lambda own: f"{own}/x",
    "query-after": lambda own: f"{own}?x",
    "empty": lambda _: "",
    "zero-width": lambda own: f"{own}\u200b",
}


def absent_id(name: str) -> str:
    """The id that stands for a Connection of this name that no step has created."""
    return f"cxn_{name}-is-not-there"


class Alternative(Immutable):
    """One permitted answer.

    Attributes:
        outcome: the outcome.
        answers: for each open point, the answers of the register that agree with this alternative.
        existing: True if the answer gives the id of the existing Connection that the step names.
        state: the expected members of the state; other members may have any value.
        unchanged: members that must be equal to what the last read before the step showed.
        not_before: times that must not be earlier than that read showed.
        later: times that must be later than that read showed.
        pointers: the JSON Pointers of all problems in a document.
        http: the HTTP status.
        ends: True if the vector ends after this answer, which makes the later steps impossible.
    """

    outcome: Outcome
    answers: dict[str, tuple[str, ...]] = Field(default={})
    existing: bool = False
    state: dict[str, object] = Field(default={})
    unchanged: tuple[str, ...] = ()
    not_before: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    pointers: tuple[str, ...] | None = None
    http: int | None = None
    ends: bool = False


def _known_variant(value: str | None) -> str | None:
    if value is not None and value not in VARIANTS:
        raise ValueError(f"there is no variant {value!r} ({', '.join(VARIANTS)})")
    return value


class Check(Immutable):
    """A read and its permitted answers.

    Attributes:
        by: the organization that acts.
        connection: the name of the Connection in this vector. A name that no step has created
            stands for an id that no Connection has.
        variant: makes another text of the Connection's id, which is sent instead: a name in
            `VARIANTS`. If that is the id of a Connection after all, the call is left out.
        requirements: the requirements that the answer tests; empty if the call only prepares later
            steps.
        accept: the permitted answers. Ours comes first.
    """

    by: str
    connection: str
    variant: Annotated[str | None, AfterValidator(_known_variant)] = None
    requirements: tuple[str, ...] = ()
    accept: Annotated[tuple[Alternative, ...], Field(min_length=1)]


class ReadStep(Check):
    """A step that reads a Connection."""

    verb: Literal["read"] = "read"
    then: tuple[Check, ...] = ()


class CreateStep(Check):
    """A step that creates a Connection, from terms or from a document."""

    verb: Literal["create"] = "create"
    destination: str | None = None
    source: str | None = None
    name: str | None = None
    scopes: tuple[str, ...] | None = None
    allow_self: bool = False
    body: str | None = None
    then: tuple[Check, ...] = ()


class ActStep(Check):
    """A step that acts on a Connection.

    Attributes:
        action: the action.
        expected_version: the version that the actor expects: from 1, with up to 21 digits.
        pause: how long to wait before the call, in milliseconds.
    """

    verb: Literal["act"] = "act"
    action: Literal["activate", "deactivate", "reactivate"]
    expected_version: Annotated[int, Field(strict=True, ge=1, lt=10**21)] | None = None
    pause: Annotated[int, Field(strict=True, ge=0, le=1000)] = 0
    then: tuple[Check, ...] = ()


class ShareStep(Check):
    """A step that asks to read data through a Connection."""

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


def needs_of(check: Check) -> tuple[str, ...]:
    """The capabilities that an implementation needs to take a call, whatever it answers."""
    if isinstance(check, CreateStep) and check.body is not None:
        return ("documents",)
    if isinstance(check, CreateStep) and check.source is not None:
        return ("named-source",)
    if isinstance(check, ActStep) and check.expected_version is not None:
        return ("versions", "expected-version")
    return ()


def _step_by_verb(value: object) -> object:
    """Read a step as the kind that its verb names, to report the problems of that kind only."""
    if not isinstance(value, Mapping):
        return value
    members = cast("Mapping[str, object]", value)
    kind = _KINDS.get(members.get("verb"))
    if kind is None:
        raise ValueError(f"the verb must be one of {', '.join(map(str, _KINDS))}")
    try:
        return kind.model_validate(members)
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error))) from None


def problems_of(error: ValidationError) -> list[str]:
    """The problems that pydantic found in JSON, each with its place."""
    return [
        f"{'/'.join(map(str, each['loc'])) or 'the whole document'}: {each['msg']}"
        for each in error.errors(include_url=False)
    ]


#: A call and its permitted answers.
Step = Annotated[AnyStep, BeforeValidator(_step_by_verb)]


class Vector(Immutable):
    """A sequence of steps with their permitted answers.

    Attributes:
        id: names what the vector tests, and never changes:
            ``transition/active/reactivate/destination``.
        title: what the vector tests, in words.
        since: the version of the specification that introduced the vector.
        requirements: every requirement that one of its checks tests.
        needs: the capabilities that an implementation needs to be tested with it.
        open: the open points on which its permitted answers depend.
        steps: the steps, in order.
    """

    id: Annotated[
        str,
        Field(
            pattern="^[a-z0-9.-]+(/[a-z0-9.-]+)+$",
            json_schema_extra={"not": {"pattern": NOT_PRINTABLE}},
        ),
    ]
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
        """Make a vector from steps, with the requirements and open points of these steps."""
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
        specification: the version of the specification that the vectors belong to.
        vectors: the vectors.
    """

    specification: str
    vectors: tuple[Vector, ...]


_VECTOR_FILE: Final = TypeAdapter(VectorFile)


class InvalidVectorsError(ValueError):
    """A file is not a valid file of vectors. Nothing was run."""


def parse_vectors(text: str, name: str) -> tuple[Vector, ...]:
    """The vectors in the text of a file. Messages call the file `name`.

    Raises:
        InvalidVectorsError: the text is not JSON, or not a valid file of vectors; it lists every
            problem.
    """
    try:
        vectors = _VECTOR_FILE.validate_json(text).vectors
    except ValidationError as error:
        problems = "; ".join(problems_of(error))
        raise InvalidVectorsError(f"{name} is not a valid file of vectors: {problems}.") from None
    ids = [vector.id for vector in vectors]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise InvalidVectorsError(f"{name} has two vectors with the same id: {', '.join(twice)}.")
    return vectors


def read_vectors(path: Path) -> tuple[Vector, ...]:
    """The vectors in a file of your own.

    Raises:
        InvalidVectorsError: the file cannot be read, or is not a valid file of vectors.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidVectorsError(f"{path} cannot be read: {error}.") from error
    return parse_vectors(text, str(path))


@cache
def load_vectors() -> tuple[Vector, ...]:
    """The vectors of the specification, file by file."""
    files = sorted((DATA / "vectors").iterdir(), key=lambda file: file.name)
    return tuple(
        vector
        for file in files
        for vector in parse_vectors(file.read_text(encoding="utf-8"), file.name)
    )


# --- Writing -------------------------------------------------------------------------------------


def vector_dict(vector: Vector) -> dict[str, object]:
    """A vector as plain JSON values, without empty members."""
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
        # The verb comes first; the requirements, the permitted answers and the read-backs last.
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
    """The text of a file of vectors, with one step per line to keep its diffs readable."""
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
