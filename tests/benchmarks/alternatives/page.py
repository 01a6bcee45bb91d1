"""Writes the parts of `docs/benchmarks.md` and the README that are derived from a report."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import floor, log10
from pathlib import Path

from benchmarks.timing import readable

from .report import OURS, Report, seconds_of

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "benchmarks.md"
README = DOCS.parent / "README.md"
JSON = DOCS / "benchmarks" / "alternatives.json"
#: The charts' files by the names of their themes.
CHARTS = {theme: DOCS / "benchmarks" / f"alternatives-{theme}.svg" for theme in ("light", "dark")}

#: The names of the derived parts, and of those that the README has as well.
PARTS = ("questions", "rows", "aims", "reasons", "measured on")
IN_README = ("aims",)
_BEGIN = "<!-- derived: {name}; `python -m tests.benchmarks.alternatives --docs` writes it -->"
_END = "<!-- end of what is derived -->"


def times(ratio: float) -> str:
    """A ratio with two significant digits."""
    decimals = 1 - floor(log10(ratio))
    text = f"{round(ratio, decimals):,.{max(decimals, 0)}f}"
    return f"{text} \N{MULTIPLICATION SIGN}"


def derived(report: Report) -> Mapping[str, str]:
    """Every derived part, by its name."""
    return {
        "questions": _table(_questions(report)),
        "rows": _table(_rows(report)),
        "aims": _table(_aims(report)),
        "reasons": _table(_reasons(report)),
        "measured on": _measured_on(report),
    }


def rewritten(page: str, report: Report, parts: Collection[str] = PARTS) -> str:
    """The page with these parts derived from this report; it must have a place for each."""
    contents = derived(report)
    for name in parts:
        begin = _BEGIN.format(name=name)
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(_END)
        if not (found and ended):
            raise ValueError(f"there is no place for {name!r}: {begin} ... {_END}")
        page = f"{before}{begin}\n\n{contents[name]}\n\n{_END}{after}"
    return page


def _table(rows: Iterable[list[str]]) -> str:
    heading, *others = ("| " + " | ".join(row) + " |" for row in rows)
    rule = "| " + " | ".join(["---"] * (heading.count("|") - 1)) + " |"
    return "\n".join([heading, rule, *others])


def _questions(report: Report) -> Iterator[list[str]]:
    questions = report["questions"].values()
    yield ["", *(question["title"] for question in questions)]
    for place, entrant in enumerate(report["contestants"]):
        row = [entrant["name"]]
        for question in questions:
            answer = question["answers"][place]
            seconds, ours = answer["seconds"], seconds_of(question, OURS)
            row.append(
                f"— ({answer['instead']})"
                if seconds is None
                else f"{readable(seconds)} ({times(seconds / ours)})"
            )
        yield row


def _rows(report: Report) -> Iterator[list[str]]:
    bulk = report["bulk"]
    yield ["", "deciding, rows in memory", "loading and deciding", "against the filter"]
    yield ["one SQL filter (`actionable`)", "", readable(bulk["sql"]), times(1)]
    for answer in bulk["answers"]:
        if answer["seconds"] is None:
            yield [answer["contestant"], f"— ({answer['instead']})", "", ""]
            continue
        fewer = "" if answer["measured_rows"] == bulk["rows"] else " *"
        total = answer["seconds"] + bulk["loading"]
        yield [
            answer["contestant"],
            f"{readable(answer['seconds'])}{fewer}",
            f"{readable(total)}{fewer}",
            times(total / bulk["sql"]),
        ]


def _aims(report: Report) -> Iterator[list[str]]:
    yield ["`decide` against", "aimed at", "measured", "holds"]
    for aim in report["aims"]:
        yield [
            aim["claim"],
            times(aim["at_least"]),
            times(aim["times"]),
            "yes" if aim["holds"] else "**no**",
        ]


def _reasons(report: Report) -> Iterator[list[str]]:
    yield ["", "version", "what an answer says"]
    for entrant in report["contestants"]:
        yield [entrant["name"], entrant["version"], entrant["gives"]]


def _measured_on(report: Report) -> str:
    bulk = report["bulk"]
    return (
        f"Python {report['python']}, {report['processor']}, {report['machine']}. "
        f"Of the {bulk['rows']:,} rows {bulk['permitted']:,} are permitted; to load all of them "
        f"takes {readable(bulk['loading'])}."
    )
