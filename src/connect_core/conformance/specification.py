"""The specification as data: read from its text, never typed.

``docs/specification.md`` is for people, and the only place where a requirement is written. `parse`
reads it, and refuses it if it is not in order: one BCP 14 key word in a requirement, ids that are
unique, references that lead somewhere. What it read comes with the package as
``requirements.json``, which `load_specification` gives back.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Final, Literal, NamedTuple, TypeVar, cast

from pydantic import TypeAdapter

from connect_core.parties import Immutable

#: The data of this package.
DATA: Final = files("connect_core.conformance") / "data"

#: The key words of BCP 14 that the specification uses.
_KEYWORDS: Final = ("MUST NOT", "MUST", "SHOULD NOT", "SHOULD", "MAY")
_ANY_KEYWORD: Final = re.compile(
    r"\b(?:MUST|SHALL|SHOULD)(?: NOT)?\b|\b(?:MAY|REQUIRED|RECOMMENDED|OPTIONAL)\b"
)
_REQUIREMENT_ID: Final = r"CXN-[A-Z]{4}-\d{3}"
_POINT_ID: Final = r"CXN-OPEN-\d{3}"

Basis = Literal["stated", "inferred", "chosen"]


class Requirement(Immutable):
    """One requirement.

    Attributes:
        id: opaque, and never used for anything else.
        section: the section that it stands in.
        keyword: its BCP 14 key word.
        text: what it requires, in one sentence.
        basis: `stated` by the guide, `inferred` from it, or `chosen` by us.
        why: more about the basis.
        needs: the capabilities without which it does not bind.
        open: the open points that it leaves room for.
    """

    id: str
    section: str
    keyword: str
    text: str
    basis: Basis
    why: str
    needs: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


class OpenPoint(Immutable):
    """What the guide leaves open.

    Attributes:
        id: opaque, like those of requirements.
        title: what it is about.
        answers: each permitted answer with what it means.
        ours: the answer that this library gives.
    """

    id: str
    title: str
    answers: dict[str, str]
    ours: str


class MatrixRow(Immutable):
    """One row of the matrix: the cells as they are typed, by column."""

    status: str
    action: str
    source: str
    destination: str
    both: str
    outsider: str


class Specification(Immutable):
    """The whole of it.

    Attributes:
        version: of the specification.
        requirements: in the order of the text.
        matrix: the transition matrix.
        open_points: the register.
        capabilities: each with what it means.
        retired: ids that were released and are not in force any more.
    """

    version: str
    requirements: tuple[Requirement, ...]
    matrix: tuple[MatrixRow, ...]
    open_points: tuple[OpenPoint, ...]
    capabilities: dict[str, str]
    retired: tuple[str, ...] = ()

    def requirement(self, id: str) -> Requirement:
        """The requirement with this id.

        Raises:
            KeyError: there is none.
        """
        return {each.id: each for each in self.requirements}[id]

    def answers(self) -> dict[str, tuple[str, ...]]:
        """For each open point, the permitted answers."""
        return {point.id: tuple(point.answers) for point in self.open_points}


@cache
def load_specification() -> Specification:
    """The specification that this package comes with."""
    text = (DATA / "requirements.json").read_text("utf-8")
    return TypeAdapter(Specification).validate_json(text)


def specification_text(specification: Specification) -> str:
    """What stands in ``requirements.json``."""
    written = json.dumps(specification.model_dump(mode="json"), indent=1, ensure_ascii=False)
    return f"{written}\n"


# --- Reading the text ----------------------------------------------------------------------------


class InvalidSpecificationError(ValueError):
    """The text is not in order. Each problem is a line of the message."""


class _Section(NamedTuple):
    """A heading and what stands below it, up to the next heading of any depth."""

    line: int
    depth: int
    title: str
    body: str


_Found = TypeVar("_Found")


def parse(text: str, released: Iterable[str] = ()) -> Specification:
    """Read the text of the specification, and check that it is in order.

    Args:
        text: the Markdown.
        released: ids that were released before; each has to be there still, or to be retired.

    Raises:
        InvalidSpecificationError: with every problem, and its line where it has one.
    """
    problems: list[str] = []
    sections = list(_sections(text))

    def each(read: Callable[[_Section, list[str]], _Found], pattern: str) -> list[_Found]:
        return [
            read(section, problems) for section in sections if re.fullmatch(pattern, section.title)
        ]

    version = re.search(r"^Version (\d+\.\d+)$", text, re.MULTILINE)
    if version is None:
        problems.append("it does not say which version it is, in a line such as: Version 1.0")
    chapter = ""
    requirements: list[Requirement] = []
    for section in sections:
        if section.depth == 2:
            chapter = section.title
        elif re.fullmatch(_REQUIREMENT_ID, section.title):
            requirements.append(_requirement(section, chapter, problems))
    points = each(_open_point, f"{_POINT_ID} .+")
    capabilities = dict(_rows(_body(sections, "Capabilities", problems)))
    specification = Specification(
        version=version.group(1) if version else "",
        requirements=tuple(requirements),
        matrix=tuple(_matrix(_body(sections, "The matrix", problems), problems)),
        open_points=tuple(points),
        capabilities={name.strip("`"): meaning for name, meaning in capabilities.items()},
        retired=tuple(re.findall(_REQUIREMENT_ID, _body(sections, "Retired ids", problems))),
    )
    problems += _loose_ends(specification, text, released)
    if problems:
        raise InvalidSpecificationError("\n".join(problems))
    return specification


def _sections(text: str) -> Iterator[_Section]:
    headings = list(re.finditer(r"^(#{1,4}) (.+)$", text, re.MULTILINE))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        line = text.count("\n", 0, heading.start()) + 1
        yield _Section(line, len(heading[1]), heading[2].strip(), text[heading.end() : end].strip())


def _body(sections: Iterable[_Section], title: str, problems: list[str]) -> str:
    for section in sections:
        if section.title == title:
            return section.body
    problems.append(f"there is no section {title!r}")
    return ""


def _requirement(section: _Section, chapter: str, problems: list[str]) -> Requirement:
    """A block: one paragraph that requires, and one that says where that comes from."""
    here = f"line {section.line}: {section.title}"
    paragraphs = [" ".join(each.split()) for each in re.split(r"\n\s*\n", section.body)]
    text, about = (*paragraphs, "", "")[:2]
    if len(paragraphs) != 2:
        problems.append(f"{here} has {len(paragraphs)} paragraphs; it takes two")
    found = _ANY_KEYWORD.findall(" ".join(paragraphs))
    if len(found) != 1 or found[0] not in _KEYWORDS or found[0] not in text:
        problems.append(
            f"{here} has the key words {found}; it takes one, of {', '.join(_KEYWORDS)}"
        )
    labels = _labels(section.body)
    basis = re.match(r"(stated|inferred|chosen)\b[,.;]? ?(.*)", labels.get("Basis", ""))
    if basis is None:
        problems.append(f"{here} does not say its basis: stated, inferred or chosen")
    return Requirement(
        id=section.title,
        section=chapter,
        keyword=found[0] if found else "",
        text=text,
        basis=cast("Basis", basis[1]) if basis else "chosen",
        why=basis[2] if basis else about,
        needs=_listed(labels.get("Needs", "")),
        open=_listed(labels.get("Open", "")),
    )


def _labels(body: str) -> dict[str, str]:
    """What follows ``Basis:``, ``Needs:`` and ``Open:``, each up to the next."""
    parts = re.split(r"^(Basis|Needs|Open): ", body, flags=re.MULTILINE)
    values = [" ".join(value.split()) for value in parts[2::2]]
    return dict(zip(parts[1::2], values, strict=True))


def _listed(value: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in value.removesuffix(".").split(",") if each.strip())


def _rows(body: str) -> Iterator[list[str]]:
    """The rows of the table in a section, without its head."""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def _matrix(body: str, problems: list[str]) -> Iterator[MatrixRow]:
    names = tuple(MatrixRow.model_fields)
    for row in _rows(body):
        if len(row) == len(names):
            yield MatrixRow.model_validate(dict(zip(names, row, strict=True)))
        else:
            problems.append(f"the row of the matrix {row} takes {len(names)} cells")


def _open_point(section: _Section, problems: list[str]) -> OpenPoint:
    name, _, title = section.title.partition(" ")
    answers = {answer.strip("`"): meaning for answer, meaning in _rows(section.body)}
    ours = [answer for answer, meaning in answers.items() if "(ours" in meaning]
    if len(ours) != 1:
        problems.append(f"line {section.line}: {name} takes one answer that is marked as (ours)")
    return OpenPoint(id=name, title=title, answers=answers, ours="".join(ours[:1]))


def _loose_ends(specification: Specification, text: str, released: Iterable[str]) -> Iterator[str]:
    """Ids that stand twice, or are gone; references to what is not there."""
    requirements = [each.id for each in specification.requirements]
    points = [each.id for each in specification.open_points]
    present = [*requirements, *points]
    for one in sorted({each for each in present if present.count(each) > 1}):
        yield f"{one} stands twice"
    for one in sorted(set(present) & set(specification.retired)):
        yield f"{one} is retired, and cannot be used again"
    for one in sorted(set(released) - set(present) - set(specification.retired)):
        yield f"{one} was released; keep it, or list it under Retired ids"
    known = {*present, *specification.retired}
    for one in sorted(set(re.findall(_REQUIREMENT_ID, text)) - known):
        yield f"{one} is referred to, and is not there"
    for each in specification.requirements:
        for name in each.needs:
            if name not in specification.capabilities:
                yield f"{each.id} needs {name!r}, which is not among the capabilities"
        for point in each.open:
            if point not in points:
                yield f"{each.id} leaves {point} open, which is not in the register"
