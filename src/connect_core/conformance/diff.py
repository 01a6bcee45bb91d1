"""Differences between two decision tables or two sets of vectors: what became more permissive.

A decision table is the output of ``connect-core table --json``. Vectors are those of the
conformance kit. Both are read from JSON that may come from anywhere, also from another version.
Therefore this module does not know the statuses, actions and outcomes: here they are any text.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple, cast

from connect_core.conformance.json_values import (
    Record,
    as_list,
    as_record,
    as_records,
    as_text,
    as_texts,
    excerpt,
    json_text,
    members_text,
    text_of,
)
from connect_core.errors import InvalidDocumentError
from connect_core.jsonapi import load_json


class Kind(StrEnum):
    """How something differs."""

    #: Something refused before is now permitted, or more outcomes are accepted than before.
    MORE_PERMISSIVE = "more permissive"
    #: Something permitted before is now refused, or fewer outcomes are accepted than before.
    LESS_PERMISSIVE = "less permissive"
    #: It is permitted as before, but leads to another status.
    LEADS_ELSEWHERE = "leads elsewhere"
    #: It is refused as before, but for other reasons.
    REFUSED_OTHERWISE = "refused otherwise"
    #: It did not exist before.
    ADDED = "added"
    #: It no longer exists.
    REMOVED = "removed"
    #: It permits the same as before, but differs in something else, such as a title.
    OTHER = "other"


class Form(StrEnum):
    """The kind of content of a file."""

    #: The rows of a decision table.
    TABLE = "a decision table"
    #: Vectors of the conformance kit.
    VECTORS = "vectors"


class Difference(NamedTuple):
    """One difference.

    Attributes:
        where: the cell in words, or the vector's id and the step in words.
        kind: how it differs.
        old: the old content, in words.
        new: the new content, in words.
        what: what differs: ``cell``, ``vector`` or ``step``.
    """

    where: str
    kind: Kind
    old: str
    new: str
    what: str


class Document(NamedTuple):
    """The content of a file or directory: the rows of a decision table, or vectors."""

    form: Form
    records: Sequence[Record]


_ABSENT: Final = "absent"


# --- Comparing objects by name -------------------------------------------------------------------


def _others(old: Record, new: Record, besides: frozenset[str]) -> list[str]:
    """The names of the members that differ, except for those in `besides`."""
    names = [name for name in dict.fromkeys([*old, *new]) if name not in besides]
    return [name for name in names if members_text(old, [name]) != members_text(new, [name])]


def _by_name(records: Iterable[Record], name: Callable[[Record], str]) -> dict[str, Record]:
    named: dict[str, Record] = {}
    for record in records:
        if name(record) in named:
            raise ValueError(f"{name(record)!r} is there twice; remove one of them")
        named[name(record)] = record
    return named


def _compare_all(
    old: Mapping[str, Record],
    new: Mapping[str, Record],
    describe: Callable[[Record], str],
    compare: Callable[[str, Record, Record], Iterable[Difference]],
    what: str,
) -> Iterator[Difference]:
    """The differences of objects in both, and the objects that are in one of them only."""
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield Difference(name, Kind.REMOVED, describe(old[name]), _ABSENT, what)
        elif name not in old:
            yield Difference(name, Kind.ADDED, _ABSENT, describe(new[name]), what)
        else:
            yield from compare(name, old[name], new[name])


# --- Decision tables -----------------------------------------------------------------------------


def compare_tables(old: Sequence[Record], new: Sequence[Record]) -> list[Difference]:
    """The cells that differ. Each cell is reported once, with its most important difference.

    Args:
        old: the rows of a decision table.
        new: the rows of another one.

    Raises:
        ValueError: a row is not a row of a decision table, or a cell occurs twice.
    """
    before, after = (_by_name(as_records(list(rows), "the rows"), _cell) for rows in (old, new))
    return list(_compare_all(before, after, _answer, _compare_cells, "cell"))


def _cell(row: Record) -> str:
    """A cell in words: ``pending, activate, by the source``. It also checks the row."""
    missing = [name for name in ("status", "action", "roles", "allowed") if name not in row]
    if missing:
        raise ValueError(f"a row of a decision table needs {', '.join(missing)}")
    if not isinstance(row["allowed"], bool):
        raise ValueError(f"'allowed' must be true or false, not {excerpt(row['allowed'])}")
    status = "none" if row["status"] is None else as_text(row["status"], "'status'")
    roles = sorted(as_text(role, "each of 'roles'") for role in as_list(row["roles"], "'roles'"))
    by = f"the {' and the '.join(roles)}" if roles else "an outsider"
    action = as_text(row["action"], "'action'")
    _denials(row)
    return f"{status}, {action}, by {by}"


def _denials(row: Record) -> list[str]:
    denials = as_list(row.get("denials", []), "'denials'")
    return [as_text(denial, "each of 'denials'").replace("_", " ") for denial in denials]


def _answer(row: Record) -> str:
    if row["allowed"]:
        return f"allowed, leads to {text_of(row.get('target'))}"
    return f"refused: {', '.join(_denials(row))}"


def _compare_cells(where: str, old: Record, new: Record) -> Iterator[Difference]:
    if old["allowed"] != new["allowed"]:
        kind = Kind.MORE_PERMISSIVE if new["allowed"] else Kind.LESS_PERMISSIVE
        yield Difference(where, kind, _answer(old), _answer(new), "cell")
    elif _answer(old) != _answer(new):
        kind = Kind.LEADS_ELSEWHERE if new["allowed"] else Kind.REFUSED_OTHERWISE
        yield Difference(where, kind, _answer(old), _answer(new), "cell")
    elif others := _others(old, new, frozenset({"roles"})):
        yield Difference(
            where, Kind.OTHER, members_text(old, others), members_text(new, others), "cell"
        )


# --- Vectors -------------------------------------------------------------------------------------

_OK: Final = "ok"


def compare_vectors(
    old: Record | Sequence[Record], new: Record | Sequence[Record]
) -> list[Difference]:
    """The vectors and steps that differ.

    Steps are matched by their calls. A step is more permissive if it newly accepts ``ok``, or more
    outcomes than before, or the same outcomes under fewer conditions.

    Args:
        old: the content of a file of vectors, or a list of vectors.
        new: the same.

    Raises:
        ValueError: a vector is not valid, or an id occurs twice.
    """
    before, after = (_by_name(_vectors(vectors), _id) for vectors in (old, new))
    return list(_compare_all(before, after, _title, _compare_one, "vector"))


def _vectors(source: Record | Sequence[Record]) -> Sequence[Record]:
    """The vectors of a file, or of a list."""
    vectors = source.get("vectors") if isinstance(source, Mapping) else list(source)
    return as_records(vectors, "the vectors")


def _id(vector: Record) -> str:
    """The id of a vector. It also checks the vector."""
    name = as_text(vector.get("id"), "a vector's 'id'")
    for step in as_records(vector.get("steps"), f"the steps of {name!r}"):
        _alternatives(step, name)
        for read_back in as_records(step.get("then", []), f"'then' in {name!r}"):
            _alternatives(read_back, name)
            if "then" in read_back:
                raise ValueError(f"'then' in {name!r} cannot have a 'then' of its own")
    return name


def _title(vector: Record) -> str:
    steps = cast("Sequence[object]", vector["steps"])
    return f"{text_of(vector.get('title', ''))} ({len(steps)} step{'s' * (len(steps) != 1)})"


def _compare_one(where: str, old: Record, new: Record) -> Iterator[Difference]:
    if others := _others(old, new, frozenset({"steps"})):
        yield Difference(
            where,
            Kind.OTHER,
            members_text(old, others),
            members_text(new, others),
            "vector",
        )
    yield from _compare_steps(f"{where}, step", old["steps"], new["steps"])


def _compare_steps(where: str, old: object, new: object) -> Iterator[Difference]:
    """The steps that differ. Steps with different calls are paired in order."""
    before, after = cast("list[Record]", old), cast("list[Record]", new)
    calls = [_call(step) for step in before], [_call(step) for step in after]
    matcher = SequenceMatcher(None, *calls, autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            place = f"{where} {(i if j is None else j) + 1}"
            yield from _compare_step(
                place, None if i is None else before[i], None if j is None else after[j]
            )


def _call(step: Record) -> str:
    """The call of a step as JSON: the step without its permitted answers and its read-backs."""
    return json_text({name: step[name] for name in step if name not in ("accept", "then")})


def _call_in_words(step: Record) -> str:
    """The call of a step in words: ``act by org_A, action activate, connection main``."""
    members = [name for name in sorted(step) if name not in ("verb", "by", "accept", "then")]
    begin = f"{text_of(step.get('verb', 'read'))} by {text_of(step.get('by'))}"
    return ", ".join([begin, *(f"{name} {text_of(step[name])}" for name in members)])


def _compare_step(where: str, old: Record | None, new: Record | None) -> Iterator[Difference]:
    if new is None:
        removed = _call_in_words(cast("Record", old))
        yield Difference(where, Kind.REMOVED, removed, _ABSENT, "step")
    elif old is None:
        yield Difference(where, Kind.ADDED, _ABSENT, _call_in_words(new), "step")
    elif _call(old) != _call(new):
        yield Difference(where, Kind.OTHER, _call_in_words(old), _call_in_words(new), "step")
    else:
        yield from _compare_outcomes(f"{where} ({_call_in_words(new)})", old, new)
        yield from _compare_steps(f"{where}, read-back", old.get("then", []), new.get("then", []))


class _Alternative(NamedTuple):
    """One of the outcomes that a step accepts.

    Attributes:
        outcome: the outcome.
        rest: the other conditions on the answer, in words.
        answers: the open points on which it depends, each with the answers that permit it.
    """

    outcome: str
    rest: str
    answers: dict[str, frozenset[str]]

    def covers(self, other: "_Alternative") -> bool:
        """Whether this alternative accepts everything that `other` accepts."""
        return (self.outcome, self.rest) == (other.outcome, other.rest) and all(
            point in other.answers and other.answers[point] <= permitted
            for point, permitted in self.answers.items()
        )

    def __str__(self) -> str:
        """``wrong role, if CXN-OPEN-001 is role-first``."""
        parts = [self.outcome.replace("-", " ")]
        parts += [f"with {self.rest}"] if self.rest else []
        parts += [f"if {point} is {' or '.join(sorted(a))}" for point, a in self.answers.items()]
        return ", ".join(parts)


def _alternative(record: Record, where: str) -> _Alternative:
    points = as_record(record.get("answers", {}), f"'answers' in {where}")
    return _Alternative(
        as_text(record.get("outcome"), f"'outcome' in {where}"),
        members_text(
            record, [name for name in sorted(record) if name not in ("outcome", "answers")]
        ),
        {point: as_texts(answers, f"{point} in {where}") for point, answers in points.items()},
    )


def _compare_outcomes(where: str, old: Record, new: Record) -> Iterator[Difference]:
    before, after = _alternatives(old, where), _alternatives(new, where)
    if before != after:
        kind = _kind(before, after)
        yield Difference(where, kind, _accepted(before), _accepted(after), "step")


def _alternatives(step: Record, where: str) -> list[_Alternative]:
    accepted = as_records(step.get("accept"), f"'accept' in {where}")
    return [_alternative(each, where) for each in accepted]


def _accepted(accepted: Iterable[_Alternative]) -> str:
    return "; or ".join(map(str, accepted)) or "nothing"


def _kind(old: list[_Alternative], new: list[_Alternative]) -> Kind:
    """How two different lists of alternatives differ."""
    before, after = ({each.outcome for each in accepted} for accepted in (old, new))
    if (_OK in before) != (_OK in after):
        return Kind.MORE_PERMISSIVE if _OK in after else Kind.LESS_PERMISSIVE
    wider, narrower = _cover(new, old) or before < after, _cover(old, new) or after < before
    if wider != narrower:
        return Kind.MORE_PERMISSIVE if wider else Kind.LESS_PERMISSIVE
    return Kind.OTHER if before == after else Kind.REFUSED_OTHERWISE


def _cover(these: list[_Alternative], those: list[_Alternative]) -> bool:
    """Whether `these` accept everything that `those` accept."""
    return all(any(each.covers(other) for each in these) for other in those)


# --- Files ---------------------------------------------------------------------------------------

_ADVICE: Final = "give what 'connect-core table --json' prints, or a file or a directory of vectors"

#: How a record is named, in each kind of document.
_NAMES: Final[dict[Form, Callable[[Record], str]]] = {Form.TABLE: _cell, Form.VECTORS: _id}


def load(path: str | Path) -> Document:
    """The decision table or the vectors in a file, or in all JSON files of a directory.

    Raises:
        ValueError: a file holds neither, or a directory holds both, or something occurs twice. The
            message names the file and says what to do.
        OSError: a file cannot be read.
    """
    path = Path(path)
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path} has no files that end in .json; {_ADVICE}")
    documents = {file: _document(file) for file in files}
    form = documents[files[0]].form
    origins: dict[str, Path] = {}
    for file, document in documents.items():
        if document.form is not form:
            raise ValueError(
                f"{file} holds {document.form}, and {files[0]} holds {form}; keep them apart"
            )
        for name in map(_NAMES[form], document.records):
            if name in origins:
                raise ValueError(
                    f"{file}: {name!r} is in {origins[name]} already; remove one of them"
                )
            origins[name] = file
    return Document(form, [each for document in documents.values() for each in document.records])


def _document(file: Path) -> Document:
    try:
        value, repeated = load_json(file.read_bytes())
    except InvalidDocumentError as error:
        raise ValueError(f"{file} is not JSON: {error.problems[0].detail}; {_ADVICE}") from None
    try:
        if repeated:
            raise ValueError(f"{repeated[0]}; remove one of them")
        document = _recognised(value)
        _by_name(document.records, _NAMES[document.form])
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return document


def _recognised(value: object) -> Document:
    """The content of a file: an object with vectors, a list with actions, or a list with ids."""
    if isinstance(value, dict) and "vectors" in value:
        return Document(Form.VECTORS, _vectors(cast("Record", value)))
    if isinstance(value, list):
        rows = cast("list[object]", value)
        for form, sign in ((Form.TABLE, "action"), (Form.VECTORS, "id")):
            if any(isinstance(row, dict) and sign in row for row in rows):
                return Document(form, as_records(rows, form))
    raise ValueError(f"this is neither a decision table nor vectors; {_ADVICE}")


def compare(old: Document, new: Document) -> list[Difference]:
    """The differences between the contents of two files.

    Raises:
        ValueError: one is a decision table, and the other is vectors.
    """
    if old.form is not new.form:
        raise ValueError(f"{old.form} cannot be compared with {new.form}; give two of one form")
    if old.form is Form.TABLE:
        return compare_tables(old.records, new.records)
    return compare_vectors(old.records, new.records)


# --- Summary -------------------------------------------------------------------------------------

_COUNTED: Final = {Kind.LEADS_ELSEWHERE: "leading elsewhere", Kind.OTHER: "different otherwise"}


def summary(differences: Iterable[Difference]) -> str:
    """``2 cells more permissive, 1 less permissive.``, or ``No difference.``."""
    counts = Counter((each.kind, each.what) for each in differences)
    parts: list[str] = []
    last = ""
    for kind, what in sorted(counts, key=lambda key: (list(Kind).index(key[0]), key[1])):
        count = counts[kind, what]
        noun = "" if what == last else f" {what}{'s' * (count != 1)}"
        parts.append(f"{count}{noun} {_COUNTED.get(kind, kind)}")
        last = what
    return f"{', '.join(parts)}." if parts else "No difference."
