"""What became more or less permissive between two decision tables, or two sets of vectors.

A decision table is what ``connect-core table --json`` prints. Vectors are what the conformance kit
runs. What is compared is read from JSON that may come from anywhere, another version included, so
that nothing is assumed about its words: statuses, actions and outcomes are text here.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple, cast

from connect_core.errors import InvalidDocumentError
from connect_core.jsonapi import load_json

_Record = Mapping[str, object]


class Kind(StrEnum):
    """How something differs."""

    #: What was refused is permitted, or more outcomes are accepted than before.
    MORE_PERMISSIVE = "more permissive"
    #: What was permitted is refused, or fewer outcomes are accepted than before.
    LESS_PERMISSIVE = "less permissive"
    #: Permitted as before, but the status that it leads to is another.
    LEADS_ELSEWHERE = "leads elsewhere"
    #: Refused as before, but for other reasons.
    REFUSED_OTHERWISE = "refused otherwise"
    #: It was not there before.
    ADDED = "added"
    #: It is no longer there.
    REMOVED = "removed"
    #: It permits what it did before, and differs in something else: a title, an explanation.
    OTHER = "other"


class Form(StrEnum):
    """What a file holds."""

    #: The rows of a decision table.
    TABLE = "a decision table"
    #: Vectors of the conformance kit.
    VECTORS = "vectors"


class Difference(NamedTuple):
    """One thing that differs.

    Attributes:
        where: the cell in words, or the vector's id and the step in words.
        kind: how it differs.
        old: what it was, in words.
        new: what it is, in words.
        what: what it is that differs: ``cell``, ``vector`` or ``step``.
    """

    where: str
    kind: Kind
    old: str
    new: str
    what: str


class Document(NamedTuple):
    """What a file or directory holds: the rows of a decision table, or vectors."""

    form: Form
    records: Sequence[_Record]


_ABSENT: Final = "absent"


# --- What JSON holds -----------------------------------------------------------------------------


def _json(value: object) -> str:
    """JSON that is the same for values that are; for Python, 1 is the same as true."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _words(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _shown(value: object) -> str:
    """What is wrong, or its beginning, for a message."""
    return _json(value)[:60]


def _record(value: object, where: str) -> _Record:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be an object, not {_shown(value)}")
    return cast("_Record", value)


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{where} must be a list, not {_shown(value)}")
    return cast("list[object]", value)


def _records(value: object, where: str) -> list[_Record]:
    return [_record(each, f"each of {where}") for each in _list(value, where)]


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be text, not {_shown(value)}")
    return value


def _told(record: _Record, names: Iterable[str]) -> str:
    """``title "A title", since "1.0"``."""
    return ", ".join(
        f"{name} {_json(record[name])}" if name in record else f"no {name}" for name in names
    )


def _others(old: _Record, new: _Record, besides: frozenset[str]) -> list[str]:
    """The members that differ, `besides` left out."""
    names = [name for name in dict.fromkeys([*old, *new]) if name not in besides]
    return [name for name in names if _told(old, [name]) != _told(new, [name])]


def _by_name(records: Iterable[_Record], name: Callable[[_Record], str]) -> dict[str, _Record]:
    named: dict[str, _Record] = {}
    for record in records:
        if name(record) in named:
            raise ValueError(f"{name(record)!r} is there twice; remove one of them")
        named[name(record)] = record
    return named


def _compared(
    old: Mapping[str, _Record],
    new: Mapping[str, _Record],
    tell: Callable[[_Record], str],
    compare: Callable[[str, _Record, _Record], Iterable[Difference]],
    what: str,
) -> Iterator[Difference]:
    """What is in both, compared; what is in one, told."""
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield Difference(name, Kind.REMOVED, tell(old[name]), _ABSENT, what)
        elif name not in old:
            yield Difference(name, Kind.ADDED, _ABSENT, tell(new[name]), what)
        else:
            yield from compare(name, old[name], new[name])


# --- Decision tables -----------------------------------------------------------------------------


def compare_tables(old: Sequence[_Record], new: Sequence[_Record]) -> list[Difference]:
    """The cells that differ, each once: by what is permitted, and only then by what is said.

    Args:
        old: the rows of a decision table.
        new: the rows of another.

    Raises:
        ValueError: a row is not one of a decision table, or a cell is there twice.
    """
    before, after = (_by_name(_records(list(rows), "the rows"), _cell) for rows in (old, new))
    return list(_compared(before, after, _answer, _compare_cells, "cell"))


def _cell(row: _Record) -> str:
    """``pending, activate, by the source``; checks that `row` is one of a decision table."""
    missing = [name for name in ("status", "action", "roles", "allowed") if name not in row]
    if missing:
        raise ValueError(f"a row of a decision table needs {', '.join(missing)}")
    if not isinstance(row["allowed"], bool):
        raise ValueError(f"'allowed' must be true or false, not {_shown(row['allowed'])}")
    status = "none" if row["status"] is None else _text(row["status"], "'status'")
    roles = sorted(_text(role, "each of 'roles'") for role in _list(row["roles"], "'roles'"))
    by = f"the {' and the '.join(roles)}" if roles else "an outsider"
    action = _text(row["action"], "'action'")
    _denials(row)
    return f"{status}, {action}, by {by}"


def _denials(row: _Record) -> list[str]:
    denials = _list(row.get("denials", []), "'denials'")
    return [_text(denial, "each of 'denials'").replace("_", " ") for denial in denials]


def _answer(row: _Record) -> str:
    if row["allowed"]:
        return f"allowed, leads to {_words(row.get('target'))}"
    return f"refused: {', '.join(_denials(row))}"


def _compare_cells(where: str, old: _Record, new: _Record) -> Iterator[Difference]:
    if old["allowed"] != new["allowed"]:
        kind = Kind.MORE_PERMISSIVE if new["allowed"] else Kind.LESS_PERMISSIVE
        yield Difference(where, kind, _answer(old), _answer(new), "cell")
    elif _answer(old) != _answer(new):
        kind = Kind.LEADS_ELSEWHERE if new["allowed"] else Kind.REFUSED_OTHERWISE
        yield Difference(where, kind, _answer(old), _answer(new), "cell")
    elif others := _others(old, new, frozenset({"roles"})):
        yield Difference(where, Kind.OTHER, _told(old, others), _told(new, others), "cell")


# --- Vectors -------------------------------------------------------------------------------------

_OK: Final = "ok"


def compare_vectors(
    old: _Record | Sequence[_Record], new: _Record | Sequence[_Record]
) -> list[Difference]:
    """The vectors and steps that differ.

    Steps are matched by what is attempted. A step is more permissive if it newly accepts ``ok``, or
    more outcomes than before, or the same on fewer conditions.

    Args:
        old: a file of vectors, or the vectors themselves.
        new: the same.

    Raises:
        ValueError: a vector is not one, or an id is there twice.
    """
    before, after = (_by_name(_vectors(vectors), _id) for vectors in (old, new))
    return list(_compared(before, after, _title, _compare_one, "vector"))


def _vectors(source: _Record | Sequence[_Record]) -> Sequence[_Record]:
    """The vectors of a file; a list of them as it is."""
    vectors = source.get("vectors") if isinstance(source, Mapping) else list(source)
    return _records(vectors, "the vectors")


def _id(vector: _Record) -> str:
    """The id; checks that `vector` is one."""
    name = _text(vector.get("id"), "a vector's 'id'")
    for step in _records(vector.get("steps"), f"the steps of {name!r}"):
        _accepted(step, name)
        for read_back in _records(step.get("then", []), f"'then' in {name!r}"):
            _accepted(read_back, name)
            if "then" in read_back:
                raise ValueError(f"'then' in {name!r} cannot have a 'then' of its own")
    return name


def _title(vector: _Record) -> str:
    steps = cast("Sequence[object]", vector["steps"])
    return f"{_words(vector.get('title', ''))} ({len(steps)} step{'s' * (len(steps) != 1)})"


def _compare_one(where: str, old: _Record, new: _Record) -> Iterator[Difference]:
    if others := _others(old, new, frozenset({"steps"})):
        yield Difference(where, Kind.OTHER, _told(old, others), _told(new, others), "vector")
    yield from _compare_steps(f"{where}, step", old["steps"], new["steps"])


def _compare_steps(where: str, old: object, new: object) -> Iterator[Difference]:
    """The steps that differ. Between those that are the same in both, they are paired in order."""
    before, after = cast("list[_Record]", old), cast("list[_Record]", new)
    asked = [_asked(step) for step in before], [_asked(step) for step in after]
    matcher = SequenceMatcher(None, *asked, autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            place = f"{where} {(i if j is None else j) + 1}"
            yield from _compare_step(
                place, None if i is None else before[i], None if j is None else after[j]
            )


def _asked(step: _Record) -> str:
    """What is attempted, by which steps are matched: all but what comes of it."""
    return _json({name: step[name] for name in step if name not in ("accept", "then")})


def _attempt(step: _Record) -> str:
    """The same in words: ``act by org_A, action activate, connection main``."""
    members = [name for name in sorted(step) if name not in ("verb", "by", "accept", "then")]
    begin = f"{_words(step.get('verb', 'read'))} by {_words(step.get('by'))}"
    return ", ".join([begin, *(f"{name} {_words(step[name])}" for name in members)])


def _compare_step(where: str, old: _Record | None, new: _Record | None) -> Iterator[Difference]:
    if new is None:
        told = _attempt(cast("_Record", old))
        yield Difference(where, Kind.REMOVED, told, _ABSENT, "step")
    elif old is None:
        yield Difference(where, Kind.ADDED, _ABSENT, _attempt(new), "step")
    elif _asked(old) != _asked(new):
        yield Difference(where, Kind.OTHER, _attempt(old), _attempt(new), "step")
    else:
        yield from _compare_outcomes(f"{where} ({_attempt(new)})", old, new)
        yield from _compare_steps(f"{where}, read-back", old.get("then", []), new.get("then", []))


class _Alternative(NamedTuple):
    """One of the outcomes that a step accepts.

    Attributes:
        outcome: the outcome.
        rest: what else an answer must hold, in words.
        answers: the open points on which it depends, with the answers that permit it.
    """

    outcome: str
    rest: str
    answers: dict[str, frozenset[str]]

    def covers(self, other: "_Alternative") -> bool:
        """Whether everything that `other` accepts is accepted by this one."""
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


def _alternative(record: _Record, where: str) -> _Alternative:
    points = _record(record.get("answers", {}), f"'answers' in {where}")
    return _Alternative(
        _text(record.get("outcome"), f"'outcome' in {where}"),
        _told(record, [name for name in sorted(record) if name not in ("outcome", "answers")]),
        {point: _texts(answers, f"{point} in {where}") for point, answers in points.items()},
    )


def _texts(value: object, where: str) -> frozenset[str]:
    return frozenset(_text(each, f"each of {where}") for each in _list(value, where))


def _compare_outcomes(where: str, old: _Record, new: _Record) -> Iterator[Difference]:
    before, after = _accepted(old, where), _accepted(new, where)
    if before != after:
        kind = _kind(before, after)
        yield Difference(where, kind, _accepts(before), _accepts(after), "step")


def _accepted(step: _Record, where: str) -> list[_Alternative]:
    accepted = _records(step.get("accept"), f"'accept' in {where}")
    return [_alternative(each, where) for each in accepted]


def _accepts(accepted: Iterable[_Alternative]) -> str:
    return "; or ".join(map(str, accepted)) or "nothing"


def _kind(old: list[_Alternative], new: list[_Alternative]) -> Kind:
    """How lists of alternatives differ that are not the same."""
    before, after = ({each.outcome for each in accepted} for accepted in (old, new))
    if (_OK in before) != (_OK in after):
        return Kind.MORE_PERMISSIVE if _OK in after else Kind.LESS_PERMISSIVE
    wider, narrower = _cover(new, old) or before < after, _cover(old, new) or after < before
    if wider != narrower:
        return Kind.MORE_PERMISSIVE if wider else Kind.LESS_PERMISSIVE
    return Kind.OTHER if before == after else Kind.REFUSED_OTHERWISE


def _cover(these: list[_Alternative], those: list[_Alternative]) -> bool:
    """Whether all that `those` accept is accepted by `these`."""
    return all(any(each.covers(other) for each in these) for other in those)


# --- Files ---------------------------------------------------------------------------------------

_ADVICE: Final = "give what 'connect-core table --json' prints, or a file or a directory of vectors"

_NAMES: Final[dict[Form, Callable[[_Record], str]]] = {Form.TABLE: _cell, Form.VECTORS: _id}


def load(path: str | Path) -> Document:
    """The decision table or the vectors in a file, or in all the JSON files of a directory.

    Raises:
        ValueError: it is neither, or something is there twice, or a directory holds both. Names the
            file, and says what to do.
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
    """A list of what has an action is a table; what has ids, or is said to be vectors, is those."""
    if isinstance(value, dict) and "vectors" in value:
        return Document(Form.VECTORS, _vectors(cast("_Record", value)))
    if isinstance(value, list):
        rows = cast("list[object]", value)
        for form, sign in ((Form.TABLE, "action"), (Form.VECTORS, "id")):
            if any(isinstance(row, dict) and sign in row for row in rows):
                return Document(form, _records(rows, form))
    raise ValueError(f"this is neither a decision table nor vectors; {_ADVICE}")


def compare(old: Document, new: Document) -> list[Difference]:
    """What differs between what two files hold.

    Raises:
        ValueError: one is a decision table, and the other is vectors.
    """
    if old.form is not new.form:
        raise ValueError(f"{old.form} cannot be compared with {new.form}; give two of one form")
    if old.form is Form.TABLE:
        return compare_tables(old.records, new.records)
    return compare_vectors(old.records, new.records)


# --- In one sentence -----------------------------------------------------------------------------

_COUNTED: Final = {Kind.LEADS_ELSEWHERE: "leading elsewhere", Kind.OTHER: "different otherwise"}


def summary(differences: Iterable[Difference]) -> str:
    """``2 cells more permissive, 1 less permissive.``, or ``No difference.``."""
    counts = Counter((each.kind, each.what) for each in differences)
    parts: list[str] = []
    said = ""
    for kind, what in sorted(counts, key=lambda key: (list(Kind).index(key[0]), key[1])):
        count = counts[kind, what]
        noun = "" if what == said else f" {what}{'s' * (count != 1)}"
        parts.append(f"{count}{noun} {_COUNTED.get(kind, kind)}")
        said = what
    return f"{', '.join(parts)}." if parts else "No difference."
