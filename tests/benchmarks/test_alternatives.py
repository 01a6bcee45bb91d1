"""The comparison with other libraries: they have the same policy, and the page has the figures."""

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from math import ceil, floor, log10
from operator import itemgetter
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from benchmarks.alternatives.contestant import ACTIONS, Ability, Contestant, StoredRow
from benchmarks.alternatives.ours import Ours
from benchmarks.alternatives.page import CHARTS, IN_README, JSON, PAGE, README, rewritten
from benchmarks.alternatives.panels import Bar, Panel, panels
from benchmarks.alternatives.report import OURS, Answer, aims, read
from benchmarks.alternatives.same_policy import differences
from benchmarks.timing import readable

from connect_core import Action, Actor, Connection, Decision, Role, Status

#: The modules of the libraries that ``--group bench`` installs.
LIBRARIES = ("automat", "casbin", "cedarpy", "rules", "transitions", "vakt")
NAMES = (
    "a bare dict",
    OURS,
    "django-rules",
    "vakt",
    "pycasbin",
    "cedarpy",
    "transitions",
    "python-statemachine",
    "Automat",
)


def require(*modules: str) -> None:
    """Skip the test if a module is not installed; in ``.ci/run``, fail it."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        reason = f"not installed (`uv run --group bench`): {', '.join(missing)}"
        if os.environ.get("CONNECT_CORE_REQUIRE_BENCH"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def everyone() -> dict[str, Contestant]:
    """All contestants."""
    require(*LIBRARIES)
    from benchmarks.alternatives.contestants import contestants

    return {contestant.name: contestant for contestant in contestants()}


class TestSamePolicy:
    """Every contestant that is timed has the policy of the decision table."""

    @pytest.mark.parametrize("name", NAMES)
    def test_every_contestant_answers_as_the_table_does(
        self, everyone: dict[str, Contestant], name: str
    ) -> None:
        assert differences(everyone[name]) == []

    def test_these_are_all(self, everyone: dict[str, Contestant]) -> None:
        assert tuple(everyone) == NAMES

    def test_each_answers_at_least_one_question(self, everyone: dict[str, Contestant]) -> None:
        assert all(set(each.cannot) < set(Ability) for each in everyone.values())


class Lenient(Ours):
    """Lets an outsider activate a pending Connection."""

    name = "lenient"

    def decide(self, actor: Actor, action: Action, subject: Any) -> Decision:
        destination = subject.destination_organization_id
        if action is Action.ACTIVATE and subject.status == "pending":
            actor = Actor(id="usr_1", organization_id=destination)
        return super().decide(actor, action, subject)


class Stuck(Ours):
    """Refuses every step without an error."""

    name = "stuck"

    def step(self, subject: Connection, actor: Actor, action: Action) -> Connection:  # noqa: ARG002  # as the rest
        return subject


class Shy(Ours):
    """Never lists the action reactivate."""

    name = "shy"

    def allowed_actions(self, actor: Actor, subject: Any) -> frozenset[Action]:
        return super().allowed_actions(actor, subject) - {Action.REACTIVATE}


class Greedy(Ours):
    """Returns every row."""

    name = "greedy"

    def permitted(self, actor: Actor, action: Action, rows: Any) -> list[StoredRow]:  # noqa: ARG002  # as the rest
        return list(rows)


class TestTheCheckFinds:
    """The check detects a different policy, whichever question shows it."""

    def test_nothing_where_there_is_nothing(self) -> None:
        assert differences(Ours()) == []

    def test_a_decision_that_is_wrong(self) -> None:
        assert differences(Lenient()) == [
            "lenient: decide is wrong, for activate from pending by an outsider",
            "lenient: decide is wrong, for activate from pending by source",
        ]

    def test_steps_that_are_not_taken(self) -> None:
        assert len(differences(Stuck())) == 10  # the permitted cells of the three actions

    def test_an_action_that_is_not_offered(self) -> None:
        holders = product(ACTIONS, ("source", "destination+source"))
        assert sorted(differences(Shy())) == sorted(
            f"shy: allowed_actions is wrong, for {action} from inactive by {roles}"
            for action, roles in holders
        )

    def test_rows_that_are_found_and_not_permitted(self) -> None:
        cells = len(Status) * len(ACTIONS) * 2 ** len(Role)
        assert len(differences(Greedy())) == cells - 10


class TestPage:
    """The page agrees with the figures."""

    def test_the_tables_are_what_the_figures_give(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        assert rewritten(page, read(JSON)) == page

    def test_the_readme_says_the_same(self) -> None:
        readme = README.read_text(encoding="utf-8")
        assert rewritten(readme, read(JSON), IN_README) == readme

    def test_the_aims_are_judged_by_the_figures(self) -> None:
        report = read(JSON)
        assert report["aims"] == list(aims(report["questions"]))

    def test_a_page_without_a_place_is_refused(self) -> None:
        with pytest.raises(ValueError, match="there is no place for 'questions'"):
            rewritten("# Benchmarks\n", read(JSON))

    def test_every_library_is_written_about(self) -> None:
        headings = re.findall(r"^\*\*(.+?)\*\*", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        libraries = [entrant["name"] for entrant in read(JSON)["contestants"][2:]]
        assert libraries
        assert set(libraries) <= set(headings)


class TestPanels:
    """The data of the chart."""

    def test_a_panel_for_each_question_and_one_for_the_rows(self) -> None:
        report = read(JSON)
        titles = [panel.title for panel in panels(report)]
        assert [title.lower() for title in titles[:-1]] == [
            question["title"] for question in report["questions"].values()
        ]
        assert titles[-1] == "100,000 rows: decided in Python, or filtered"

    def test_every_answer_is_shown(self) -> None:
        report = read(JSON)
        answers: list[Answer] = [*report["bulk"]["answers"]]
        answers += [a for each in report["questions"].values() for a in each["answers"]]
        due = [answer["contestant"] for answer in answers if answer["seconds"]]
        shown = [bar.name for panel in panels(report) for bar in panel.bars]
        assert sorted(shown) == sorted([*due, "one SQL filter"])

    def test_the_quickest_is_first(self) -> None:
        for panel in panels(read(JSON)):
            times = [bar.seconds for bar in panel.bars]
            assert times == sorted(times)

    def test_to_decide_about_rows_takes_loading_them(self) -> None:
        report = read(JSON)
        bulk, bars = report["bulk"], panels(report)[-1].bars
        assert {bar.name: bar.seconds for bar in bars} == {
            "one SQL filter": bulk["sql"],
            **{
                answer["contestant"]: answer["seconds"] + bulk["loading"]
                for answer in bulk["answers"]
                if answer["seconds"] is not None
            },
        }
        assert {bar.name for bar in bars if bar.ours} == {OURS, "one SQL filter"}


_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"


def numbered(panel: Panel) -> list[str]:
    """The labels beside the bars of a panel."""
    return [text for bar in panel.bars for text in (bar.name, readable(bar.seconds))]


@pytest.mark.parametrize("theme", CHARTS)
class TestChart:
    """The committed charts, one for each theme of the documentation."""

    def test_it_is_what_matplotlib_draws(self, theme: str) -> None:
        require("matplotlib")
        from benchmarks.alternatives.chart import chart

        drawn = chart(read(JSON), theme)
        assert CHARTS[theme].read_text(encoding="utf-8") == drawn
        assert chart(read(JSON), theme) == drawn

    def test_it_names_every_answer_and_its_time(self, theme: str) -> None:
        for group, panel in drawn_panels(theme):
            texts = [element.text for element in group.iter(f"{_SVG}text")]
            *scale, title = [text for text in texts if text not in numbered(panel)]
            assert [text for text in texts if text in numbered(panel)] == numbered(panel)
            assert title == panel.title
            assert len(scale) >= 3

    def test_every_dot_is_where_its_time_is(self, theme: str) -> None:
        for group, panel in drawn_panels(theme):
            dots = [
                (float(dot.attrib["x"]), float(dot.attrib["y"]))
                for dot in group.iter(f"{_SVG}use")
                if dot.attrib[f"{_XLINK}href"]
            ]
            assert len(dots) == len(panel.bars)
            assert sorted(dots, key=itemgetter(1)) == dots
            assert [x for x, _ in dots] == pytest.approx([*places(panel.bars)], abs=0.01)

    def test_it_is_read_with_the_page_and_needs_nothing_else(self, theme: str) -> None:
        page = PAGE.read_text(encoding="utf-8")
        assert (
            f"{{image}} benchmarks/{CHARTS[theme].name}\n---\nclass: only-{theme}\nalt: >-" in page
        )
        text = CHARTS[theme].read_text(encoding="utf-8")
        assert set(re.findall(r"https?://([\w.]+)", text)) == {
            "www.w3.org",
            "purl.org",
            "creativecommons.org",
        }
        assert set(re.findall(r'href="(.)', text)) == {"#"}
        assert not re.search(r"file:|/home/|/tmp/|<image|<script|dc:date", text)

    def test_its_colours_can_be_told_from_the_page(self, theme: str) -> None:
        """By the Web Content Accessibility Guidelines: 4.5 to 1 for text, 3 to 1 for shapes."""
        require("matplotlib")
        from benchmarks.alternatives.chart import THEMES

        colours, page = THEMES[theme], {"light": "#ffffff", "dark": "#131416"}[theme]
        assert min(contrast(each, page) for each in (colours.text, colours.muted)) >= 4.5
        assert min(contrast(each, page) for each in (colours.ours, colours.others)) >= 3


def drawn_panels(theme: str) -> Iterator[tuple[ET.Element, Panel]]:
    """Each panel as it is drawn, with its data."""
    root = ET.parse(CHARTS[theme]).getroot()  # noqa: S314  # our own file
    groups = [g for g in root.iter(f"{_SVG}g") if g.get("id", "").startswith("axes_")]
    return zip(groups, panels(read(JSON)), strict=True)


def places(bars: list[Bar]) -> Iterator[float]:
    """The positions of the dots: from 6 to 324 points, between powers of ten."""
    first, last = floor(log10(bars[0].seconds)), ceil(log10(bars[-1].seconds))
    for bar in bars:
        yield 6 + 318 * (log10(bar.seconds) - first) / (last - first)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of a colour such as ``#1f2328``."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
