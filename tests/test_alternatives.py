"""The benchmarks beside other libraries: that they ask the same, and what the page says of them."""

import os
import re
from importlib.util import find_spec
from itertools import product
from typing import Any

import pytest
from benchmarks.alternatives.chart import chart
from benchmarks.alternatives.contestant import ACTIONS, Ability, Contestant, StoredRow
from benchmarks.alternatives.ours import Ours
from benchmarks.alternatives.page import IN_README, JSON, PAGE, README, SVG, rewritten
from benchmarks.alternatives.report import OURS, Answer, aims, read
from benchmarks.alternatives.same_policy import differences

from connect_core import Action, Actor, Connection, Decision, Role, Status

#: What ``--group bench`` installs, by the names of the modules.
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


@pytest.fixture(scope="module")
def everyone() -> dict[str, Contestant]:
    """All contestants. Without the libraries a test is skipped; in ``.ci/run``, it fails."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        reason = f"not installed (`uv run --group bench`): {', '.join(missing)}"
        if os.environ.get("CONNECT_CORE_REQUIRE_BENCH"):
            pytest.fail(reason)
        pytest.skip(reason)
    from benchmarks.alternatives.contestants import contestants

    return {contestant.name: contestant for contestant in contestants()}


class TestSamePolicy:
    """Of what is timed, everything has the policy of the decision table."""

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
    """Lets an outsider activate what is pending."""

    name = "lenient"

    def decide(self, actor: Actor, action: Action, subject: Any) -> Decision:
        destination = subject.destination_organization_id
        if action is Action.ACTIVATE and subject.status == "pending":
            actor = Actor(id="usr_1", organization_id=destination)
        return super().decide(actor, action, subject)


class Stuck(Ours):
    """Refuses every step, and says nothing of it."""

    name = "stuck"

    def step(self, subject: Connection, actor: Actor, action: Action) -> Connection:  # noqa: ARG002  # as the rest
        return subject


class Shy(Ours):
    """Never offers to reactivate."""

    name = "shy"

    def allowed_actions(self, actor: Actor, subject: Any) -> frozenset[Action]:
        return super().allowed_actions(actor, subject) - {Action.REACTIVATE}


class Greedy(Ours):
    """Finds every row."""

    name = "greedy"

    def permitted(self, actor: Actor, action: Action, rows: Any) -> list[StoredRow]:  # noqa: ARG002  # as the rest
        return list(rows)


class TestTheCheckFinds:
    """The check tells one who has another policy, whichever question shows it."""

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
    """The page and the drawing say what the figures do."""

    def test_the_tables_are_what_the_figures_give(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        assert rewritten(page, read(JSON)) == page

    def test_the_readme_says_the_same(self) -> None:
        readme = README.read_text(encoding="utf-8")
        assert rewritten(readme, read(JSON), IN_README) == readme

    def test_the_drawing_is_what_the_figures_give(self) -> None:
        assert SVG.read_text(encoding="utf-8") == f"{chart(read(JSON))}\n"

    def test_the_drawing_shows_every_answer(self) -> None:
        report = read(JSON)
        shown = re.findall("<title>([^:]+): ", SVG.read_text(encoding="utf-8"))
        answers: list[Answer] = [*report["bulk"]["answers"]]
        answers += [a for each in report["questions"].values() for a in each["answers"]]
        due = [answer["contestant"] for answer in answers if answer["seconds"]]
        assert sorted(shown) == sorted([*due, "one SQL filter"])

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
