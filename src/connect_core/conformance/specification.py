"""The specification as data, read from its text.

``docs/specification.md`` is for people, and the only place where a requirement is written. `parse`
reads it and checks it: each requirement has one BCP 14 key word, ids are unique, and references
lead somewhere. The result comes with the package as ``requirements.json``, which
`load_specification` reads.

No requirement is written in this module, and it does not test implementations.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Final, Literal, NamedTuple, cast

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

#: The version of what does not say since when it is there.
FIRST: Final = "1.0"

Basis = Literal["stated", "inferred", "chosen"]


class Requirement(Immutable):
    """One requirement.

    Attributes:
        id: opaque, and never used again for anything else.
        section: the section that contains it.
        keyword: its BCP 14 key word.
        text: what it requires, in one sentence.
        basis: `stated` by the guide, `inferred` from it, or `chosen` by us.
        why: a reason or a remark about the basis.
        needs: the capabilities that it depends on; it binds only an implementation that has them.
        open: the open points that it leaves open.
        since: the version of the specification that introduced it.
    """

    id: str
    section: str
    keyword: str
    text: str
    basis: Basis
    why: str
    needs: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    since: str = FIRST


class OpenPoint(Immutable):
    """A question that the guide leaves open.

    Attributes:
        id: opaque, like the id of a requirement.
        title: the subject in a few words.
        answers: each permitted answer with its meaning.
        ours: the answer that this library gives.
    """

    id: str
    title: str
    answers: dict[str, str]
    ours: str


class MatrixRow(Immutable):
    """One row of the matrix: the text of each cell, by column."""

    status: str
    action: str
    source: str
    destination: str
    both: str
    outsider: str


class Specification(Immutable):
    """The whole specification.

    Attributes:
        version: the version of the specification.
        requirements: the requirements, in the order of the text.
        matrix: the transition matrix.
        open_points: the register of open points.
        capabilities: each capability with its meaning.
        retired: ids that were released and are no longer in force.
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
        """The permitted answers to each open point."""
        return {point.id: tuple(point.answers) for point in self.open_points}


@cache
def load_specification() -> Specification:
    """The specification that this package comes with."""
    text = (DATA / "requirements.json").read_text("utf-8")
    return TypeAdapter(Specification).validate_json(text)


def specification_text(specification: Specification) -> str:
    """The text of ``requirements.json``."""
    written = json.dumps(specification.model_dump(mode="json"), indent=1, ensure_ascii=False)
    return f"{written}\n"


# --- Reading the text ----------------------------------------------------------------------------


class InvalidSpecificationError(ValueError):
    """The text of the specification is not valid. Each problem is a line of the message."""


class _Section(NamedTuple):
    """A heading and the text below it, up to the next heading of any depth."""

    line: int
    depth: int
    title: str
    body: str


def parse(text: str, released: Iterable[str] = ()) -> Specification:
    """Read and check the text of the specification.

    Args:
        text: the Markdown.
        released: ids that were released before; each must still exist, or be retired.

    Raises:
        InvalidSpecificationError: with every problem, and its line where it has one.
    """
    problems: list[str] = []
    sections = list(_sections(text))

    version = re.search(r"^Version (\d+\.\d+)$", text, re.MULTILINE)
    if version is None:
        problems.append("the version is missing; write it in a line such as: Version 1.0")
    chapter = ""
    requirements: list[Requirement] = []
    for section in sections:
        if section.depth == 2:
            chapter = section.title
        elif re.fullmatch(_REQUIREMENT_ID, section.title):
            requirements.append(_requirement(section, chapter, problems))
    points = [
        _open_point(section, problems)
        for section in sections
        if re.fullmatch(f"{_POINT_ID} .+", section.title)
    ]
    capabilities = dict(_rows(_body(sections, "Capabilities", problems)))
    specification = Specification(
        version=version.group(1) if version else "",
        requirements=tuple(requirements),
        matrix=tuple(_matrix(_body(sections, "The matrix", problems), problems)),
        open_points=tuple(points),
        capabilities={name.strip("`"): meaning for name, meaning in capabilities.items()},
        retired=tuple(re.findall(_REQUIREMENT_ID, _body(sections, "Retired ids", problems))),
    )
    problems += _inconsistencies(specification, text, released)
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
    """Read a requirement: a paragraph with the requirement, and a paragraph with its basis."""
    here = f"line {section.line}: {section.title}"
    paragraphs = [" ".join(each.split()) for each in re.split(r"\n\s*\n", section.body)]
    text, about = (*paragraphs, "", "")[:2]
    if len(paragraphs) != 2:
        problems.append(f"{here} has {len(paragraphs)} paragraphs; it needs two")
    keywords = _ANY_KEYWORD.findall(" ".join(paragraphs))
    if len(keywords) != 1 or keywords[0] not in _KEYWORDS or keywords[0] not in text:
        problems.append(
            f"{here} has the key words {keywords}; it needs one of {', '.join(_KEYWORDS)}"
        )
    labels = _labels(section.body)
    basis = re.match(r"(stated|inferred|chosen)\b[,.;]? ?(.*)", labels.get("Basis", ""))
    if basis is None:
        problems.append(f"{here} does not say its basis: stated, inferred or chosen")
    return Requirement(
        id=section.title,
        section=chapter,
        keyword=keywords[0] if keywords else "",
        text=text,
        basis=cast("Basis", basis[1]) if basis else "chosen",
        why=basis[2] if basis else about,
        needs=_listed(labels.get("Needs", "")),
        open=_listed(labels.get("Open", "")),
        since=labels.get("Since", FIRST).removesuffix("."),
    )


def _labels(body: str) -> dict[str, str]:
    """The text after each of the labels, such as ``Basis:``, up to the next one."""
    parts = re.split(r"^(Basis|Needs|Open|Since): ", body, flags=re.MULTILINE)
    values = [" ".join(value.split()) for value in parts[2::2]]
    return dict(zip(parts[1::2], values, strict=True))


def _listed(value: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in value.removesuffix(".").split(",") if each.strip())


def _rows(body: str) -> Iterator[list[str]]:
    """The rows of the table in a section, without the header."""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def _matrix(body: str, problems: list[str]) -> Iterator[MatrixRow]:
    names = tuple(MatrixRow.model_fields)
    for row in _rows(body):
        if len(row) == len(names):
            yield MatrixRow.model_validate(dict(zip(names, row, strict=True)))
        else:
            problems.append(f"the row {row} of the matrix needs {len(names)} cells")


def _open_point(section: _Section, problems: list[str]) -> OpenPoint:
    name, _, title = section.title.partition(" ")
    answers = {answer.strip("`"): meaning for answer, meaning in _rows(section.body)}
    ours = [answer for answer, meaning in answers.items() if "(ours" in meaning]
    if len(ours) != 1:
        problems.append(f"line {section.line}: {name} needs one answer that is marked as (ours)")
    return OpenPoint(id=name, title=title, answers=answers, ours="".join(ours[:1]))


def _inconsistencies(
    specification: Specification, text: str, released: Iterable[str]
) -> Iterator[str]:
    """Ids that occur twice or have disappeared, and references to what does not exist."""
    requirements = [each.id for each in specification.requirements]
    points = [each.id for each in specification.open_points]
    present = [*requirements, *points]
    for one in sorted({each for each in present if present.count(each) > 1}):
        yield f"{one} occurs twice"
    for one in sorted(set(present) & set(specification.retired)):
        yield f"{one} is retired and cannot be used again"
    for one in sorted(set(released) - set(present) - set(specification.retired)):
        yield f"{one} was released; keep it, or list it under Retired ids"
    known = {*present, *specification.retired}
    for one in sorted(set(re.findall(_REQUIREMENT_ID, text)) - known):
        yield f"{one} is referred to, but does not exist"
    for each in specification.requirements:
        for name in each.needs:
            if name not in specification.capabilities:
                yield f"{each.id} needs {name!r}, which is not among the capabilities"
        for point in each.open:
            if point not in points:
                yield f"{each.id} leaves {point} open, which is not in the register"
        if not re.fullmatch(r"\d+\.\d+", each.since):
            yield f"{each.id} is there since {each.since!r}, which is no version"
