"""The pictures: whole, the same every time, true to the rules, and readable."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE, VERDICTS

from connect_core import Action, Cell, Decision, Denial, Role, Status, decision_table
from connect_core.conformance.pictures import pictures, pictures_of, scenes
from connect_core.conformance.pictures.svg import width_of

PENDING, ACTIVE, INACTIVE = Status
OURS, THEIRS, STRANGERS = "org_Source", "org_Destination", "org_Other"


def step(verb: str, by: str, outcome: str = "ok", **members: object) -> dict[str, object]:
    """A step on the Connection `main` that accepts this one outcome."""
    return {
        "verb": verb,
        "by": by,
        "connection": "main",
        "accept": [{"outcome": outcome}],
    } | members


def create(by: str = OURS, outcome: str = "ok", **members: object) -> dict[str, object]:
    return step("create", by, outcome, **({"destination": THEIRS} | members))


def act(by: str, action: str, outcome: str = "ok", **members: object) -> dict[str, object]:
    return step("act", by, outcome, action=action, **members)


def share(by: str, outcome: str = "ok", **members: object) -> dict[str, object]:
    return step("share", by, outcome, **({"scope": "inquiry.read"} | members))


def story(name: str, *steps: Mapping[str, object], title: str = "A title") -> dict[str, object]:
    return {"id": f"story/{name}", "title": title, "steps": list(steps)}


HOSTILE = "<b>&\"';#%:\n--> end"

STORIES = [
    story("accept", create(scopes=["inquiry.read", "account.read"]), act(THEIRS, "activate")),
    story(
        "again",
        create(),
        act(OURS, "activate", "wrong-role"),
        act(THEIRS, "activate"),
        share(THEIRS),
        share(OURS, "denied"),
        act(OURS, "deactivate"),
        act(THEIRS, "reactivate", "wrong-role"),
        act(OURS, "reactivate", expected_version=3),
        act(THEIRS, "activate", "stale", expected_version=2),
        act(THEIRS, "activate"),
        create(outcome="already-exists"),
    ),
    story(
        "outsider",
        create(),
        share(STRANGERS, "not-found"),
        step("read", STRANGERS, "not-found"),
        step("read", THEIRS),
        create(STRANGERS, "not-a-party", source=OURS),
    ),
    story(
        "two-ways",
        create(),
        create(THEIRS, connection="back", destination=OURS),
        act(OURS, "activate", connection="back"),
        share(OURS, connection="back"),
        share(THEIRS, "denied"),
    ),
    story(
        "self",
        create(outcome="self-connection", destination=OURS),
        create(destination=OURS, allow_self=True),
        act(OURS, "activate"),
        share(OURS),
    ),
    story("refused", create(outcome="invalid", scopes=[f"a{n}.read" for n in range(70)])),
    story(
        "hostile",
        create(HOSTILE, destination="org_" + "W" * 300, scopes=[HOSTILE, "é.漢字" * 40]),
        share("\ud800\x00", "not" * 100, scope=""),
        title=HOSTILE,
    ),
]

#: Every drawing of the rules and of the stories.
FILES = pictures(STORIES)
DRAWINGS = sorted(name for name in FILES if name.endswith(".svg"))


def changed(cell: Cell, target: Status | None) -> scenes.Rules:
    """The rules, but for one cell."""
    rules = scenes.rules()
    denials = () if target else (Denial.WRONG_STATUS, Denial.SCOPE_NOT_GRANTED)
    decision = Decision(cell.action, cell.status, cell.roles, target, denials)
    return rules._replace(table=dict(rules.table) | {cell: decision})


def drawn(rules: scenes.Rules) -> dict[str, str]:
    return pictures_of(rules, STORIES)


#: The rules with each cell changed in every way: refused, or leading to another status.
CHANGES = [
    pytest.param(cell, target, id=f"{cell.status}-{cell.action}-{len(cell.roles)}-{target}")
    for cell, decision in decision_table().items()
    for target in (*Status, None)
    if target is not decision.target
]


class TestFiles:
    """What there is, and that it is the same every time."""

    def test_names(self) -> None:
        assert set(pictures([])) == {"lifecycle.mmd", "lifecycle.svg", "matrix.md", "roles.md"}
        told = {"accept", "again", "hostile", "outsider", "refused", "self", "two-ways"}
        drawn = {f"story-{name}.{kind}" for name in told for kind in ("mmd", "svg")}
        assert set(FILES) == set(pictures([])) | drawn

    def test_each_ends_in_one_newline_and_is_text(self) -> None:
        for name, text in FILES.items():
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name
            assert text.encode(), name
            assert not re.search(r"[ \t]$", text, re.MULTILINE), name

    def test_the_order_of_the_stories_does_not_matter(self) -> None:
        assert list(pictures(STORIES[::-1]).items()) == list(FILES.items())

    def test_other_vectors_are_left_out(self) -> None:
        assert pictures([{"id": "transition/active", "steps": []}]) == pictures([])

    @pytest.mark.parametrize("seed", ["0", "1", "2"])
    def test_the_same_bytes_whatever_the_hash_seed(self, seed: str) -> None:
        program = (
            "import hashlib, json, sys\n"
            "from connect_core.conformance.pictures import pictures\n"
            "text = json.dumps(pictures(json.load(sys.stdin)))\n"
            "print(hashlib.sha256(text.encode()).hexdigest())\n"
        )
        run = subprocess.run(  # noqa: S603  # this very program, with Python
            [sys.executable, "-c", program],
            input=json.dumps(STORIES),
            env=os.environ | {"PYTHONHASHSEED": seed},
            text=True,
            capture_output=True,
            check=True,
        )
        assert run.stdout.strip() == hashlib.sha256(json.dumps(FILES).encode()).hexdigest()


# --- The rules in pictures, against the matrix typed by hand -------------------------------------


class Way(NamedTuple):
    """A transition, and one role that may take it."""

    before: Status | None
    action: str
    role: str
    after: Status


#: All there are.
WAYS = [
    Way(verdict.status, verdict.action, role, verdict.target)
    for verdict in VERDICTS
    if verdict.target is not None and len(verdict.roles) == 1
    for role in verdict.roles
]


def ways_in_mermaid(text: str) -> list[Way]:
    arrows = re.findall(r"^    (\S+) --> (\S+) : (\w+) \(by (.*)\)$", text, re.MULTILINE)
    assert len(arrows) == text.count("-->")
    return [
        Way(None if before == "[*]" else Status(before), action, role, Status(after))
        for before, after, action, roles in arrows
        for role in roles.split(" or ")
    ]


def ways_in_svg(text: str) -> list[Way]:
    return [
        Way(None if before == "no Connection" else Status(before), action, role, Status(after))
        for group in groups(parsed(text), "way")
        for action, before, after in [re.split(": | → ", texts_of(group, "title")[0])]
        for role in texts_of(group, "text")[1:]
    ]


class TestLifecycle:
    """Every transition exactly once and none more, with who may take it."""

    def test_mermaid(self) -> None:
        drawn = ways_in_mermaid(FILES["lifecycle.mmd"])
        assert sorted(drawn, key=str) == sorted(WAYS, key=str)
        assert FILES["lifecycle.mmd"].startswith("stateDiagram-v2\n")

    def test_svg(self) -> None:
        drawn = ways_in_svg(FILES["lifecycle.svg"])
        assert sorted(drawn, key=str) == sorted(WAYS, key=str)

    def test_each_state_is_there_once(self) -> None:
        for status in Status:
            assert FILES["lifecycle.mmd"].count(f'state "{status.capitalize()}" as {status}\n') == 1
            assert texts_of(parsed(FILES["lifecycle.svg"]), "text").count(status) == 1

    def test_where_data_may_pass(self) -> None:
        notes = re.findall("note right of (.*)", FILES["lifecycle.mmd"])
        assert notes == ["active : share (data to destination)"]
        boxes = groups(parsed(FILES["lifecycle.svg"]), "status")
        assert [texts_of(box, "text") for box in boxes] == [
            ["no Connection"],
            ["pending", "nobody may read data"],
            ["active", "the destination may read data"],
            ["inactive", "nobody may read data"],
        ]

    def test_where_data_may_pass_follows_from_the_rules(self) -> None:
        rules = scenes.rules()
        key = PENDING, SOURCE
        other = rules._replace(access=dict(rules.access) | {key: Decision(None, PENDING, SOURCE)})
        assert "note right of pending : share (data to source)\n" in drawn(other)["lifecycle.mmd"]
        assert ">the source may read data<" in drawn(other)["lifecycle.svg"]

    def test_the_description_tells_it_all(self) -> None:
        (told,) = texts_of(parsed(FILES["lifecycle.svg"]), "desc")
        assert "deactivate: pending → inactive, by the source or the destination" in told
        assert told.count("→") == len({way._replace(role="") for way in WAYS})
        assert "active: the destination may read data" in told

    @pytest.mark.parametrize(("cell", "target"), CHANGES)
    def test_another_table_is_another_picture(self, cell: Cell, target: Status | None) -> None:
        files = pictures_of(changed(cell, target), [])
        assert files["matrix.md"] != FILES["matrix.md"]
        assert files["roles.md"] != FILES["roles.md"]
        if len(cell.roles) == 1:
            (role,) = cell.roles
            ways = [way for way in WAYS if way[:3] != (cell.status, cell.action, role)]
            ways += [Way(cell.status, cell.action, role, target)] if target else []
            for found in (
                ways_in_mermaid(files["lifecycle.mmd"]),
                ways_in_svg(files["lifecycle.svg"]),
            ):
                assert sorted(found, key=str) == sorted(ways, key=str)
            assert_ends_meet(parsed(files["lifecycle.svg"]))
            assert_readable(parsed(files["lifecycle.svg"]))

    def test_arrows_begin_and_end_at_their_statuses(self) -> None:
        assert_ends_meet(parsed(FILES["lifecycle.svg"]))


class TestMatrix:
    """The whole matrix, every reason."""

    def test_every_cell(self) -> None:
        head, rule, *rows = table_rows(FILES["matrix.md"])
        assert head == ["status", "action", "source", "destination", "both", "outsider"]
        assert set(rule) == {"---"}
        columns = (SOURCE, DESTINATION, BOTH, OUTSIDER)
        found = {
            (row[0], row[1], roles): answer
            for row in rows
            for roles, answer in zip(columns, row[2:], strict=True)
        }
        assert len(rows) * len(columns) == len(found) == len(VERDICTS)
        for status, action, roles, target, denials in VERDICTS:
            answer = f"→ {target}" if target else ", ".join(denials).replace("_", " ")
            assert found[status or "none", action, roles] == answer


class TestRoles:
    """What can I do now? In which each answer is that of the policy."""

    TEXT = FILES["roles.md"]

    def sections(self) -> dict[frozenset[Role], tuple[list[list[str]], list[list[str]]]]:
        """For each role what it can do, and what it is refused."""
        _, *parts = self.TEXT.split("\n## ")
        tables = [part.split("\n\n")[1:3] for part in parts]
        roles = (SOURCE, DESTINATION, BOTH, OUTSIDER)
        return {
            held: (table_rows(can)[2:], table_rows(refused)[2:])
            for held, (can, refused) in zip(roles, tables, strict=True)
        }

    def test_headings(self) -> None:
        assert re.findall("^#+ .*", self.TEXT, re.MULTILINE) == [
            "# What can I do now?",
            "## The source",
            "## The destination",
            "## Both at once",
            "## The outsider",
        ]

    def test_what_each_can_do_and_where_it_leads(self) -> None:
        for roles, (rows, _) in self.sections().items():
            assert [row[0] for row in rows] == ["none", *Status]
            for status, able, *_ in rows:
                assert (
                    able
                    == ", ".join(
                        f"{verdict.action} → {verdict.target}"
                        for verdict in sorted(
                            VERDICTS, key=lambda each: list(Action).index(each[1])
                        )
                        if (verdict.status or "none", verdict.roles) == (status, roles)
                        and verdict.target
                    )
                    or able == "nothing"
                )

    def test_every_refusal_is_told_with_what_would_help(self) -> None:
        told = {
            (row[0], action, roles): tuple(row[2:])
            for roles, (_, refused) in self.sections().items()
            for row in refused
            for action in row[1].split(", ")
        }
        assert told == {
            (cell.status or "none", cell.action, cell.roles): (
                decision.explanation,
                decision.advice,
            )
            for cell, decision in decision_table().items()
            if not decision
        }

    def test_whom_it_waits_for_and_whether_it_may_read(self) -> None:
        last = {
            roles: [(row[2], row[3]) for row in rows]
            for roles, (rows, _) in self.sections().items()
        }
        none, direction = "no: there is no Connection", "no: not active, wrong direction"
        again = "the destination, to activate it"
        assert last[SOURCE] == [
            (f"nobody: it can create it itself; then {again}", none),
            (again, direction),
            ("nobody: it is active", "no: wrong direction"),
            (f"nobody: it can reactivate it itself; then {again}", direction),
        ]
        assert last[DESTINATION] == [
            ("the source, to create it; then it can activate it itself", none),
            ("nobody: it can activate it itself", "no: not active"),
            ("nobody: it is active", "yes"),
            ("the source, to reactivate it; then it can activate it itself", "no: not active"),
        ]
        assert last[BOTH][2] == ("nobody: it is active", "yes")
        assert set(last[OUTSIDER]) == {
            ("nobody: it is no party", none),
            ("nobody: it is no party", "no: not a party"),
        }


# --- Stories -------------------------------------------------------------------------------------


def rows_of(name: str) -> list[str]:
    """What each row of a drawing says, in the words for those who do not see it."""
    return [texts_of(row, "title")[0] for row in groups(parsed(FILES[name]), "row")]


class TestStories:
    """Who attempts what, what comes of it, and where the status changes."""

    def test_mermaid(self) -> None:
        assert FILES["story-again.mmd"].splitlines() == [
            "sequenceDiagram",
            "    participant p1 as source org_Source",
            "    participant c1 as Connection",
            "    participant p2 as destination org_Destination",
            "    p1->>c1: 1. create",
            "    Note over c1: pending",
            "    p1-xc1: 2. activate (refused, wrong role)",
            "    p2->>c1: 3. activate",
            "    Note over c1: active",
            "    p2->>c1: 4. read data inquiry.read",
            "    p1-->>p2: data",
            "    p1-xc1: 5. read data inquiry.read (refused, denied)",
            "    p1->>c1: 6. deactivate",
            "    Note over c1: inactive",
            "    p2-xc1: 7. reactivate (refused, wrong role)",
            "    p1->>c1: 8. reactivate if version 3",
            "    Note over c1: pending",
            "    p2-xc1: 9. activate if version 2 (refused, stale)",
            "    p2->>c1: 10. activate",
            "    Note over c1: active",
            "    p1-xc1: 11. create (refused, already exists)",
        ]

    def test_svg(self) -> None:
        assert rows_of("story-again.svg") == [
            "org_Source: create; now pending.",
            "org_Source: activate; refused, wrong role.",
            "org_Destination: activate; now active.",
            "org_Destination: read data, inquiry.read; data passes.",
            "org_Source: read data, inquiry.read; refused, denied.",
            "org_Source: deactivate; now inactive.",
            "org_Destination: reactivate; refused, wrong role.",
            "org_Source: reactivate, if version 3; now pending.",
            "org_Destination: activate, if version 2; refused, stale.",
            "org_Destination: activate; now active.",
            "org_Source: create; refused, already exists.",
        ]
        root = parsed(FILES["story-again.svg"])
        (told,) = texts_of(root, "desc")
        for number, sentence in enumerate(rows_of("story-again.svg"), 1):
            assert f"{number}. {sentence}" in told
        assert texts_of(root, "title")[0] == "A title"

    @pytest.mark.parametrize("name", ["again", "outsider", "two-ways", "self", "refused"])
    def test_each_row_shows_what_it_says(self, name: str) -> None:
        for row in groups(parsed(FILES[f"story-{name}.svg"]), "row"):
            (said,) = texts_of(row, "title")
            shown = texts_of(row, "text")
            assert (f"now {shown[-1]}." in said) is (shown[-1] in list(Status))
            assert ("refused, " in said) is ("refused:" in shown)
            assert ("refused, " in said) is bool(groups(row, "refused"))
            assert ("data passes" in said) is ("data" in shown) is bool(groups(row, "data"))

    def test_the_statuses_of_the_connection_line(self) -> None:
        bars = [
            group.get("class")
            for group in parsed(FILES["story-again.svg"]).iter(f"{SVG}g")
            if "lifeline" in str([line.get("class") for line in group.findall(f"{SVG}line")])
        ]
        standing = ["faint", "pending", "active", "inactive", "pending", "active"]
        assert bars == ["faint", *standing, "faint"]

    @pytest.mark.parametrize(
        ("name", "heads"),
        [
            ("accept", ["Source org_Source", "Connection", "Destination org_Destination"]),
            (
                "outsider",
                [
                    "Source org_Source",
                    "Connection",
                    "Destination org_Destination",
                    "Outsider org_Other",
                ],
            ),
            (
                "two-ways",
                [
                    "Source and destination org_Source",
                    "Connection main",
                    "Connection back",
                    "Source and destination org_Destination",
                ],
            ),
            ("self", ["Source and destination org_Source", "Connection"]),
        ],
    )
    def test_participants(self, name: str, heads: list[str]) -> None:
        columns = groups(parsed(FILES[f"story-{name}.svg"]), "column")
        assert [" ".join(texts_of(column, "text")) for column in columns] == heads
        named = re.findall(r"participant \w\d as (.*)", FILES[f"story-{name}.mmd"])
        assert [head[0].lower() + head[1:] for head in heads] == [
            who[0].lower() + who[1:] for who in named
        ]

    def test_each_is_drawn_with_its_own_roles(self) -> None:
        """In two directions an organization is the source here and the destination there."""
        rows = groups(parsed(FILES["story-two-ways.svg"]), "row")
        tones = [next(str(group.get("class")) for group in row.findall(f"{SVG}g")) for row in rows]
        assert tones == ["source", "source", "destination", "destination", "refused"]

    def test_a_look_changes_nothing(self) -> None:
        assert rows_of("story-outsider.svg")[2:] == [
            "org_Other: look at it; refused, not found.",
            "org_Destination: look at it; done.",
            "org_Other: create; refused, not a party.",
        ]

    def test_data_of_a_self_connection(self) -> None:
        assert "    p1-->>p1: data" in FILES["story-self.mmd"].splitlines()
        (stream,) = groups(parsed(FILES["story-self.svg"]), "data")
        (line,) = stream.findall(f"{SVG}line")
        assert float(line.get("x1", "")) > float(line.get("x2", ""))

    def test_of_many_scopes_the_first_are_told(self) -> None:
        assert "1. create a0.read, a1.read, and 68 more (refused" in FILES["story-refused.mmd"]
        assert (
            "create a.read, b.read, c.read\n"
            in pictures([story("three", create(scopes=["a.read", "b.read", "c.read"]))])[
                "story-three.mmd"
            ]
        )

    def test_what_is_refused_needs_no_label(self) -> None:
        unnamed = create(THEIRS, "invalid", destination=OURS)
        del unnamed["connection"]
        told = pictures([story("x", create(), unnamed)])["story-x.mmd"]
        assert "participant c2 as Connection org_Destination to org_Source\n" in told
        assert "p2-xc2: 2. create (refused, invalid)\n" in told

    def test_the_status_is_that_of_the_table(self) -> None:
        rules = changed(Cell(PENDING, Action.ACTIVATE, DESTINATION), INACTIVE)
        told = drawn(rules)
        assert told["story-accept.mmd"].endswith(
            "p2->>c1: 2. activate\n    Note over c1: inactive\n"
        )
        assert told["story-accept.svg"] != FILES["story-accept.svg"]

    def test_what_the_table_refuses_changes_no_status(self) -> None:
        rules = changed(Cell(PENDING, Action.ACTIVATE, DESTINATION), None)
        assert drawn(rules)["story-accept.mmd"].endswith("p2->>c1: 2. activate\n")
        twice = pictures([story("twice", create(), create())])["story-twice.mmd"]
        assert twice.count("Note over c1: pending") == 1

    @pytest.mark.parametrize(
        ("steps", "message"),
        [
            ([create(accept=[])], "step 1 of story/x accepts no outcome"),
            ([create(accept=[{"state": 1}])], "step 1 of story/x needs a text for 'outcome'"),
            ([act(OURS, "activate")], "step 1 of story/x is about 'main', which no step before"),
            ([], "story/x has no steps that could be drawn"),
            ([step("create", OURS)], "step 1 of story/x needs a text for 'destination'"),
            ([create(), step("close", OURS)], "step 2 of story/x has the verb 'close'"),
            ([step("act", OURS)], "step 1 of story/x needs a text for 'action', and has None"),
        ],
    )
    def test_what_cannot_be_drawn(self, steps: list[dict[str, object]], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            pictures([story("x", *steps)])

    @pytest.mark.parametrize("name", ["../x", "", "x/y", "é", "x y", "X.svg"])
    def test_names_that_are_no_file_names(self, name: str) -> None:
        with pytest.raises(ValueError, match="letters, digits and '-' only"):
            pictures([story(name, create())])

    def test_two_of_one_name(self) -> None:
        with pytest.raises(ValueError, match="two vectors have the id 'story/x'"):
            pictures([story("x", create()), story("x", create())])

    def test_a_vector_without_an_id(self) -> None:
        with pytest.raises(ValueError, match="a vector needs a text for 'id', and has None"):
            pictures([{}])


# --- Drawings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWINGS)
class TestDrawings:
    """Each by itself: well formed, for everybody, and nothing from elsewhere."""

    def test_it_stands_by_itself(self, name: str) -> None:
        root = parsed(FILES[name])
        assert root.tag == f"{SVG}svg"
        kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert kinds <= {
            *("svg", "title", "desc", "style", "g", "rect", "text", "line", "path"),
            *("circle", "polygon"),
        }
        for element in root.iter():
            assert not [key for key in element.attrib if "href" in key or key.startswith("on")]
        (style,) = root.findall(f"{SVG}style")
        assert not re.search(r"url|@import|@font-face", style.text or "")
        assert FILES[name].count("http") == 1

    def test_it_has_a_title_and_a_description(self, name: str) -> None:
        root = parsed(FILES[name])
        assert root.get("role") == "img"
        title, description = root[0], root[1]
        assert [title.tag, description.tag] == [f"{SVG}title", f"{SVG}desc"]
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text

    def test_it_takes_the_room_there_is(self, name: str) -> None:
        root = parsed(FILES[name])
        assert root.get("width") is root.get("height") is None
        assert re.fullmatch(r"0 0 [\d.]+ [\d.]+", root.get("viewBox", ""))

    def test_every_colour_has_both_modes(self, name: str) -> None:
        light, dark = styles(parsed(FILES[name]))
        assert light.keys() == dark.keys()
        used = " ".join(str(each.get("class")) for each in parsed(FILES[name]).iter(f"{SVG}g"))
        assert set(used.split()) - {"None", "way", "status", "row", "column"} <= light.keys()

    def test_every_colour_can_be_told_from_its_paper(self, name: str) -> None:
        for tones in styles(parsed(FILES[name])):
            for tone, colour in tones.items():
                if tone not in ("paper", "faint"):
                    assert contrast(colour, tones["paper"]) >= 4.5, tone

    def test_it_is_readable(self, name: str) -> None:
        assert_readable(parsed(FILES[name]))


def test_ids_are_not_shared_between_drawings() -> None:
    ids = [
        element.get("id")
        for name in DRAWINGS
        for element in parsed(FILES[name]).iter()
        if element.get("id")
    ]
    assert len(ids) == len(set(ids)) == 2 * len(DRAWINGS)


@pytest.mark.parametrize(
    ("text", "plain", "strong"),
    [
        ("pending", 406, 459),
        ("deactivate", 529, 597),
        ("the destination may read data", 1520, 1712),
        ("inquiry.read", 589, 682),
        ("account.read", 655, 739),
        ("org_Destination", 788, 893),
        ("Source and destination", 1155, 1310),
        ("refused:", 410, 471),
        ("already exists", 695, 791),
        ("org_WWWWMMMM@%", 1150, 1279),
        ("if version 3", 556, 633),
        ("1234567890", 636, 696),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1747, 1963),
        ("abcdefghijklmnopqrstuvwxyz", 1465, 1654),
        ("-_/\\{}()<>=+*#$", 891, 939),
        ("…→漢字", 304, 304),
    ],
)
def test_widths_are_not_underestimated(text: str, plain: int, strong: int) -> None:
    """Measured in Chromium in DejaVu Sans, which is wider than most, at a size of 100."""
    assert plain <= width_of(text, 100) < 1.4 * plain
    assert strong <= width_of(text, 100, strong=True) < 1.5 * strong


class TestHostileText:
    """What comes from outside is shown, never obeyed."""

    def test_xml_says_what_it_was_given(self) -> None:
        root = parsed(FILES["story-hostile.svg"])
        assert texts_of(root, "title")[0] == HOSTILE
        assert [text for text in texts_of(root, "text") if text.startswith(HOSTILE[:-3])]
        assert "\ufffd\ufffd" in texts_of(root, "text")
        assert "<b>" not in FILES["story-hostile.svg"]

    def test_long_names_are_cut(self) -> None:
        shown = texts_of(parsed(FILES["story-hostile.svg"]), "text")
        assert [text for text in shown if text.startswith("org_WW") and text.endswith("WW…")]
        assert max(map(len, shown)) < 40

    def test_mermaid_sees_no_syntax(self) -> None:
        lines = FILES["story-hostile.mmd"].splitlines()
        assert len(lines) == 8
        for line in lines[1:]:
            assert re.fullmatch(
                r" {4}(participant \w\d as |\w\d(->>|-x)\w\d: |Note over \w\d: )"
                r"([A-Za-z0-9 _.,'()→-]|#\d+;)*",
                line,
            ), line

    def test_mermaid_says_what_it_was_given(self) -> None:
        told = re.sub(
            r"#(\d+);", lambda found: chr(int(found.group(1))), FILES["story-hostile.mmd"]
        )
        assert f"participant p1 as source {HOSTILE}" in told


# --- Reading drawings ----------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  # the program's own


def groups(root: ET.Element, name: str) -> list[ET.Element]:
    """The groups of a class."""
    return [g for g in root.iter(f"{SVG}g") if name in (g.get("class") or "").split()]


def texts_of(root: ET.Element, tag: str) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}{tag}")]


def table_rows(text: str) -> list[list[str]]:
    """The rows of the Markdown table in `text`."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def styles(root: ET.Element) -> list[dict[str, str]]:
    """The colours, light and dark."""
    (style,) = root.findall(f"{SVG}style")
    light, dark = (style.text or "").split("@media (prefers-color-scheme:dark)")
    return [dict(re.findall(r"\.cxn \.(\w+){color:(#\w{6})}", part)) for part in (light, dark)]


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


class Area(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Area") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: "Area") -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


def number(element: ET.Element, name: str) -> float:
    return float(element.attrib[name])


def area_of_text(text: ET.Element) -> Area:
    size, x, y = (number(text, name) for name in ("font-size", "x", "y"))
    width = width_of(text.text or "", size, strong="strong" in (text.get("class") or ""))
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[text.attrib["text-anchor"]]
    return Area(left, y - 0.75 * size, left + width, y + 0.2 * size)


def area_of_box(box: ET.Element) -> Area:
    x, y, width, height = (number(box, name) for name in ("x", "y", "width", "height"))
    return Area(x, y, x + width, y + height)


def strokes(root: ET.Element) -> Iterator[Area]:
    """Every straight part of a line."""
    for line in root.iter(f"{SVG}line"):
        xs = sorted((number(line, "x1"), number(line, "x2")))
        ys = sorted((number(line, "y1"), number(line, "y2")))
        yield Area(xs[0], ys[0] - 1, xs[1] + 1, ys[1])
    for path in root.iter(f"{SVG}path"):
        points = corners(path)
        for (x1, y1), (x2, y2) in pairwise(points):
            yield Area(min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2) + 1, max(y1, y2) + 1)


def corners(path: ET.Element) -> list[tuple[float, float]]:
    """Where the parts of a lane meet."""
    x = y = 0.0
    points: list[tuple[float, float]] = []
    for letter, values in re.findall(r"([MHVQ])([^MHVQ]*)", path.attrib["d"]):
        given = [float(value) for value in values.split()]
        x = given[0] if letter == "H" else given[-2] if letter in "MQ" else x
        y = y if letter == "H" else given[-1]
        points.append((x, y))
    return points


def assert_readable(root: ET.Element) -> None:
    """All is in the drawing; no text meets another, a line or a box that is not its own."""
    *_, width, height = map(float, root.attrib["viewBox"].split())
    paper = Area(4, 4, width - 4, height - 4)
    texts = list(root.iter(f"{SVG}text"))
    areas = {text: area_of_text(text) for text in texts}
    boxes = boxes_of(root)
    for text, area in areas.items():
        assert paper.holds(area), text.text
        if "within" in (text.get("class") or ""):
            assert [box for box in boxes if box.holds(area)], text.text
        else:
            assert not [part for part in [*strokes(root), *boxes] if part.meets(area)], text.text
    for one, other in combinations(texts, 2):
        assert not areas[one].meets(areas[other]), (one.text, other.text)
    for mine, yours in combinations(boxes, 2):
        assert not mine.meets(yours)
    for part in [*strokes(root), *boxes]:
        assert Area(0, 0, width, height).holds(part)


def boxes_of(root: ET.Element) -> list[Area]:
    """Every box but the paper."""
    return [area_of_box(r) for r in root.iter(f"{SVG}rect") if r.get("class") == "box"]


def assert_ends_meet(root: ET.Element) -> None:
    """Every transition is drawn from its status to its status."""
    places = {texts_of(group, "text")[0]: place(group) for group in groups(root, "status")}
    for group in groups(root, "way"):
        _, before, after = re.split(": | → ", texts_of(group, "title")[0])
        lines = [[(number(e, "x1"), number(e, "y1"))] for e in group.findall(f"{SVG}line")] + [
            corners(path) for path in group.findall(f"{SVG}path")
        ]
        (line,) = lines
        (head,) = group.findall(f"{SVG}polygon")
        x, y = map(float, head.attrib["points"].split()[0].split(","))
        assert on_edge(line[0], places[before]), before
        assert on_edge((x, y), places[after]), after


def place(group: ET.Element) -> Area:
    for circle in group.iter(f"{SVG}circle"):
        x, y, r = (number(circle, name) for name in ("cx", "cy", "r"))
        return Area(x - r, y - r, x + r, y + r)
    return boxes_of(group)[0]


def on_edge(point: tuple[float, float], area: Area) -> bool:
    x, y = point
    near = Area(area.left - 2, area.top - 2, area.right + 2, area.bottom + 2)
    deep = Area(area.left + 2, area.top + 2, area.right - 2, area.bottom - 2)
    return near.holds(Area(x, y, x, y)) and not deep.holds(Area(x, y, x, y))
