"""Diagrams: they agree with the rules, are the same every time, and are safe for any text."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from oracle import VERDICTS, Verdict

from connect_core import Action, ConnectionLifecycle, Role, Status
from connect_core.diagrams import (
    Arrow,
    arrows,
    diagrams,
    lifecycle_dot,
    lifecycle_mermaid,
    sequence_diagram,
    state_diagram,
)

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


def story(name: str, *steps: Mapping[str, object], title: str = "a title") -> dict[str, object]:
    return {"id": f"story/{name}", "title": title, "steps": list(steps)}


HOSTILE = "<b>&\"';#%:\n--> end"

STORIES = {
    str(each["id"]): each
    for each in (
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
            step("read", "org_Another", "not-found"),
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
    )
}
FILES = diagrams(STORIES.values())


def drawn(name: str) -> list[str]:
    """The lines of a story's diagram, without title and description."""
    kind, _title, _description, *lines = FILES[f"story-{name}.mmd"].splitlines()
    assert kind == "sequenceDiagram"
    return [line.removeprefix("    ") for line in lines]


def read_aloud(name: str) -> tuple[str, str]:
    """A story's title and description, as a screen reader reads them."""
    _kind, title, description, *_ = FILES[f"story-{name}.mmd"].splitlines()
    return decoded(title.removeprefix("    accTitle: ")), decoded(
        description.removeprefix("    accDescr: ")
    )


def decoded(text: str) -> str:
    """Characters instead of their numbers, as Mermaid shows them."""
    return re.sub(r"#(\d+);", lambda found: chr(int(found.group(1))), text)


class TestFiles:
    """The names and texts of the files, which are the same every time."""

    def test_names(self) -> None:
        assert list(diagrams([])) == ["lifecycle.mmd", "lifecycle.dot"]
        names = ["accept", "again", "hostile", "outsider", "refused", "self", "two-ways"]
        assert list(FILES) == [*diagrams([]), *(f"story-{name}.mmd" for name in names)]

    def test_each_is_what_its_function_gives(self) -> None:
        assert FILES["lifecycle.mmd"] == f"{state_diagram()}\n"
        assert FILES["lifecycle.dot"] == f"{lifecycle_dot()}\n"
        for name, each in STORIES.items():
            assert FILES[f"{name.replace('/', '-')}.mmd"] == f"{sequence_diagram(each)}\n"

    def test_each_ends_in_one_newline_and_is_text(self) -> None:
        for name, text in FILES.items():
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name
            assert text.isascii(), name
            assert not re.search(r"[ \t]$", text, re.MULTILINE), name

    def test_the_order_of_the_stories_does_not_matter(self) -> None:
        assert list(diagrams(reversed(STORIES.values())).items()) == list(FILES.items())

    def test_other_vectors_are_left_out(self) -> None:
        assert diagrams([{"id": "transition/active", "steps": []}]) == diagrams([])

    @pytest.mark.parametrize("seed", ["0", "1", "2"])
    def test_the_same_bytes_whatever_the_hash_seed(self, seed: str) -> None:
        program = (
            "import hashlib, json, sys\n"
            "from connect_core.diagrams import diagrams\n"
            "text = json.dumps(diagrams(json.load(sys.stdin)))\n"
            "print(hashlib.sha256(text.encode()).hexdigest())\n"
        )
        run = subprocess.run(  # noqa: S603  # this very program, with Python
            [sys.executable, "-c", program],
            input=json.dumps(list(STORIES.values())),
            env=os.environ | {"PYTHONHASHSEED": seed},
            text=True,
            capture_output=True,
            check=True,
        )
        assert run.stdout.strip() == hashlib.sha256(json.dumps(FILES).encode()).hexdigest()


# --- The lifecycle, compared with the matrix that was written by hand -----------------------------


class Way(NamedTuple):
    """A transition and one role that may take it."""

    before: str
    action: str
    role: str
    after: str


#: Every transition of the matrix, once for each role.
WAYS = sorted(
    Way(verdict.status or "absent", verdict.action, role, verdict.target)
    for verdict in VERDICTS
    if verdict.target is not None and len(verdict.roles) == 1
    for role in verdict.roles
)


def ways(pattern: str, text: str) -> list[Way]:
    """Every transition in a text; the pattern finds the two states, the action and the roles."""
    return sorted(
        Way(found["before"], found["action"].lower(), role, found["after"])
        for found in re.finditer(pattern, text, re.MULTILINE)
        for role in re.split(r"(?:<br/>| )or ", found["roles"])
    )


class TestLifecycle:
    """Every transition occurs exactly once, with the roles that may take it."""

    def test_arrows(self) -> None:
        found = arrows()
        assert found[0] == Arrow("absent", "create", ["by source"], "pending")
        assert found[0].label() == "create [by source]"
        assert len(set(map(str, found))) == len(found)
        text = "".join(f"{each.source} {each.label()} {each.target}\n" for each in found)
        pattern = r"^(?P<before>\w+) (?P<action>\w+) \[by (?P<roles>.*)\] (?P<after>\w+)$"
        assert ways(pattern, text) == WAYS

    def test_mermaid(self) -> None:
        """It is python-statemachine's own text, as in the README."""
        text = lifecycle_mermaid()
        assert text == format(ConnectionLifecycle, "mermaid").rstrip()
        pattern = r"^ +(?P<before>\w+) --> (?P<after>\w+) : (?P<action>\w+) \[by (?P<roles>.*)\]$"
        assert ways(pattern, text) == WAYS
        assert text.count("-->") == len(arrows()) + 1  # the start, too

    def test_dot(self) -> None:
        text = lifecycle_dot()
        pattern = (
            r'^  (?P<before>\w+) -> (?P<after>\w+) \[label="(?P<action>\w+)\\nby (?P<roles>.*)"\];$'
        )
        assert ways(pattern, text) == WAYS
        assert text.startswith("digraph ConnectionLifecycle {\n")
        assert '  "" -> absent;' in text.splitlines()
        assert text.count("->") == len(arrows()) + 1
        assert text.endswith("\n}")

    def test_state_diagram(self) -> None:
        text = state_diagram()
        pattern = r"^    (?P<before>\S+) --> (?P<after>\w+) : (?P<action>\w+)<br/>by (?P<roles>.*)$"
        assert ways(pattern, text.replace("[*]", "absent")) == WAYS
        assert text.count("-->") == len(arrows())
        assert text.splitlines()[:2] == [
            "stateDiagram-v2",
            "    accTitle: The life of a Connection",
        ]

    def test_each_status_says_who_may_read_data(self) -> None:
        stated = dict(re.findall(r"^    (\w+) : (.*)$", state_diagram(), re.MULTILINE))
        assert stated == {
            "pending": "nobody may read data",
            "active": "the destination may read data",
            "inactive": "nobody may read data",
        }
        titles = re.findall(r'^    state "(\w+)" as (\w+)$', state_diagram(), re.MULTILINE)
        assert titles == [(status.capitalize(), status) for status in Status]

    def test_the_description_has_every_transition(self) -> None:
        (description,) = re.findall("accDescr: (.*)", state_diagram())
        pattern = r"(?P<action>\w+) by (?P<roles>[^,]+), from (?P<before>\w+) to (?P<after>\w+)\."
        assert ways(pattern, description) == WAYS
        assert description.count(".") == len(arrows())


# --- Stories -------------------------------------------------------------------------------------


class TestStories:
    """A story's attempts, their results, and the changes of status."""

    def test_every_kind_of_step(self) -> None:
        assert drawn("again") == [
            "participant source as Source<br/>org_Source",
            "participant connection as Connection",
            "participant destination as Destination<br/>org_Destination",
            "source->>connection: 1. create",
            "Note over connection: pending",
            "source--xconnection: 2. activate<br/>refused, wrong role",
            "destination->>connection: 3. activate",
            "Note over connection: active",
            "destination->>connection: 4. read data<br/>inquiry.read",
            "source-)destination: data",
            "source--xconnection: 5. read data<br/>inquiry.read<br/>refused, denied",
            "source->>connection: 6. deactivate",
            "Note over connection: inactive",
            "destination--xconnection: 7. reactivate<br/>refused, wrong role",
            "source->>connection: 8. reactivate<br/>if version 3",
            "Note over connection: pending",
            "destination--xconnection: 9. activate<br/>if version 2<br/>refused, stale",
            "destination->>connection: 10. activate",
            "Note over connection: active",
            "source--xconnection: 11. create<br/>refused, already exists",
        ]

    def test_title_and_description(self) -> None:
        assert read_aloud("again") == (
            "A title",
            "1. create by org_Source, now pending."
            " 2. activate by org_Source, refused, wrong role."
            " 3. activate by org_Destination, now active."
            " 4. read data by org_Destination (inquiry.read), data passes."
            " 5. read data by org_Source (inquiry.read), refused, denied."
            " 6. deactivate by org_Source, now inactive."
            " 7. reactivate by org_Destination, refused, wrong role."
            " 8. reactivate by org_Source (if version 3), now pending."
            " 9. activate by org_Destination (if version 2), refused, stale."
            " 10. activate by org_Destination, now active."
            " 11. create by org_Source, refused, already exists.",
        )
        assert "4. look at it by org_Destination, done." in read_aloud("outsider")[1]

    @pytest.mark.parametrize(
        ("name", "participants"),
        [
            (
                "accept",
                [
                    "source as Source<br/>org_Source",
                    "connection as Connection",
                    "destination as Destination<br/>org_Destination",
                ],
            ),
            (
                "outsider",
                [
                    "source as Source<br/>org_Source",
                    "connection as Connection",
                    "destination as Destination<br/>org_Destination",
                    "outsider as Outsider<br/>org_Other",
                    "outsider2 as Outsider<br/>org_Another",
                ],
            ),
            (
                "two-ways",
                [
                    "both as Source and destination<br/>org_Source",
                    "connection as Connection<br/>main",
                    "connection2 as Connection<br/>back",
                    "both2 as Source and destination<br/>org_Destination",
                ],
            ),
            (
                "self",
                ["both as Source and destination<br/>org_Source", "connection as Connection"],
            ),
        ],
    )
    def test_participants(self, name: str, participants: list[str]) -> None:
        assert drawn(name)[: len(participants)] == [f"participant {each}" for each in participants]
        assert not drawn(name)[len(participants)].startswith("participant")

    def test_each_connection_has_its_own_status_and_direction(self) -> None:
        assert drawn("two-ways")[4:] == [
            "both->>connection: 1. create",
            "Note over connection: pending",
            "both2->>connection2: 2. create",
            "Note over connection2: pending",
            "both->>connection2: 3. activate",
            "Note over connection2: active",
            "both->>connection2: 4. read data<br/>inquiry.read",
            "both2-)both: data",
            "both2--xconnection: 5. read data<br/>inquiry.read<br/>refused, denied",
        ]

    def test_a_read_changes_nothing(self) -> None:
        assert drawn("outsider")[-3:] == [
            "outsider2--xconnection: 3. look at it<br/>refused, not found",
            "destination->>connection: 4. look at it",
            "outsider--xconnection: 5. create<br/>refused, not a party",
        ]

    def test_data_of_a_self_connection(self) -> None:
        assert drawn("self")[-1] == "both-)both: data"

    def test_of_many_scopes_the_first_are_shown(self) -> None:
        assert drawn("refused")[-1] == (
            "source--xconnection: 1. create<br/>a0.read<br/>a1.read<br/>and 68 more"
            "<br/>refused, invalid"
        )
        three = story("three", create(scopes=["a.read", "b.read", "c.read"]))
        assert "1. create<br/>a.read<br/>b.read<br/>c.read\n" in sequence_diagram(three)

    def test_what_is_refused_needs_no_label(self) -> None:
        unnamed = create(THEIRS, "invalid", destination=OURS)
        del unnamed["connection"]
        text = sequence_diagram(story("x", create(), unnamed))
        assert "participant connection2 as Connection<br/>org_Destination to org_Source\n" in text
        assert "both2--xconnection2: 2. create<br/>refused, invalid" in text

    @pytest.mark.parametrize(
        "verdict", [each for each in VERDICTS if len(each.roles) == 1], ids=str
    )
    def test_the_status_is_that_of_the_table(self, verdict: Verdict) -> None:
        """Each cell of the matrix is the last step of a story. A refusal changes no status."""
        (role,) = verdict.roles
        actor = {Role.SOURCE: OURS, Role.DESTINATION: THEIRS}[role]
        steps = {
            None: [],
            Status.PENDING: [create()],
            Status.ACTIVE: [create(), act(THEIRS, "activate")],
            Status.INACTIVE: [create(), act(THEIRS, "deactivate")],
        }[verdict.status]
        last = create(actor, source=OURS)
        if verdict.action is not Action.CREATE:
            last = act(actor, verdict.action)
        message, *note = sequence_diagram(story("x", *steps, last)).splitlines()[-2:]
        attempt = f"    {role}->>connection: {len(steps) + 1}. {verdict.action}"
        if verdict.target:
            assert [message, *note] == [attempt, f"    Note over connection: {verdict.target}"]
        else:
            assert note == [attempt]


class TestWhatCannotBeDrawn:
    """The message says which story or step, and why."""

    @pytest.mark.parametrize(
        ("steps", "message"),
        [
            ([create(accept=[])], "step 1 of story/x accepts no outcome"),
            ([create(accept=[{"state": 1}])], "step 1 of story/x needs a text for 'outcome'"),
            ([act(OURS, "activate")], "step 1 of story/x is about 'main', which no step before"),
            ([], "story/x has no steps that could be drawn"),
            ([step("create", OURS)], "step 1 of story/x needs a text for 'destination'"),
            ([create(connection=7)], "step 1 of story/x needs a text for 'connection', and has 7"),
            ([create(), step("close", OURS)], "step 2 of story/x has the verb 'close'"),
            ([create(), step("act", OURS)], "step 2 of story/x needs a text for 'action'"),
            ([create(), act(OURS, "close")], "'close' is not a valid Action"),
            ([{"verb": "create"}], "step 1 of story/x needs a text for 'by', and has None"),
        ],
    )
    def test_steps(self, steps: list[dict[str, object]], message: str) -> None:
        with pytest.raises(ValueError, match=re.escape(message)):
            sequence_diagram(story("x", *steps))
        with pytest.raises(ValueError, match=re.escape(message)):
            diagrams([story("x", *steps)])

    @pytest.mark.parametrize("name", ["../x", "", "x/y", "é", "x y", "X.svg", "--"])
    def test_names_that_are_not_file_names(self, name: str) -> None:
        with pytest.raises(ValueError, match="letters, digits and '-' only"):
            diagrams([story(name, create())])

    def test_two_of_one_name(self) -> None:
        with pytest.raises(ValueError, match="two vectors have the id 'story/x'"):
            diagrams([story("x", create()), story("x", create())])

    def test_a_vector_without_an_id(self) -> None:
        with pytest.raises(ValueError, match="a vector needs a text for 'id', and has None"):
            diagrams([{}])

    def test_a_vector_without_a_title(self) -> None:
        with pytest.raises(ValueError, match="story/x needs a text for 'title', and has None"):
            sequence_diagram({"id": "story/x", "steps": [create()]})


class TestHostileText:
    """Hostile text is shown as text. `test_mermaid` checks this with Mermaid itself."""

    def test_mermaid_sees_no_syntax(self) -> None:
        assert len(drawn("hostile")) == 7
        for line in drawn("hostile"):
            assert re.fullmatch(
                r"(participant \w+ as |\w+(->>|--x)\w+: |Note over \w+: )"
                r"([A-Za-z0-9 _.,'()]|<br/>|#\d+;)*",
                line,
            ), line

    def test_it_shows_the_given_text(self) -> None:
        assert f"participant source as Source<br/>{HOSTILE}" in map(decoded, drawn("hostile"))
        title, description = read_aloud("hostile")
        assert title == HOSTILE
        assert f"1. create by {HOSTILE} ({HOSTILE}, " in description
