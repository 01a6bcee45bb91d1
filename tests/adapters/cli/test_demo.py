"""The demo: the guide's story, from the guide's own request."""

import json
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from people import guides
from terminal import run, run_json

from connect_core import Connection, ConnectionEvent, connection_document, parse_connection, replay
from connect_core.adapters import cli


class TestDemo:
    """The guide's story plays out, from the guide's own request."""

    @pytest.fixture
    def output(self) -> Any:
        return run_json("demo")

    def test_begins_with_the_guides_request(self, output: Any) -> None:
        attributes = {
            "destination-organization-id": "org_DEF456",
            "name": "Partner Connection",
        }
        assert output["request"] == {"data": {"attributes": attributes}}
        request = json.dumps(output["request"], indent=2)
        assert run("demo").startswith(f"The guide's request\n\n{request}\n\nThe story\n\n 1. ")

    def test_goes_as_the_guide_says(self, output: Any) -> None:
        asked = [
            (
                *step["decision"]["roles"],
                step["decision"]["action"] or step["scope"],
                (step["decision"]["denials"] or ["allowed"])[0],
                step["status_afterwards"],
            )
            for step in output["steps"]
        ]
        assert asked == [
            ("source", "create", "allowed", "pending"),
            ("source", "activate", "wrong_role", "pending"),
            ("destination", "activate", "allowed", "active"),
            ("destination", "inquiry.read", "allowed", "active"),
            ("destination", "document.read", "scope_not_granted", "active"),
            ("source", "inquiry.read", "wrong_direction", "active"),
            ("source", "deactivate", "allowed", "inactive"),
            ("destination", "reactivate", "wrong_role", "inactive"),
            ("source", "reactivate", "allowed", "pending"),
            ("destination", "inquiry.read", "not_active", "pending"),
            ("destination", "activate", "allowed", "active"),
        ]

    def test_tells_who_acts(self, output: Any) -> None:
        people = {
            ("source",): {"id": "api_ABC123", "organization_id": "org_ABC123"},
            ("destination",): {"id": "usr_Rk3v", "organization_id": "org_DEF456"},
        }
        for step in output["steps"]:
            assert step["actor"] == people[tuple(step["decision"]["roles"])]
            assert (step["scope"] is None) is (step["decision"]["action"] is not None)

    def test_tells_the_way_that_is_left(self, output: Any) -> None:
        ways = {
            "pending": ["activate"],
            "active": [],
            "inactive": ["reactivate", "activate"],
        }
        for step in output["steps"]:
            way = [due["action"] for due in step["steps_to_active"]]
            assert way == ways[step["status_afterwards"]]

    def test_the_history_gives_the_document(self, output: Any) -> None:
        events = [ConnectionEvent.model_validate(event) for event in output["history"]]
        connection = replay(events)
        assert output["replay_gives_the_same"] is True
        assert connection_document(connection) == output["document"]
        assert parse_connection(output["document"], version=len(events)) == connection

    def test_the_connection_is_the_guides(self, output: Any) -> None:
        assert output["document"]["data"]["attributes"] == {
            "token": "cxn_ABC123",
            "name": "Partner Connection",
            "status": "active",
            "organization-id": "org_ABC123",
            "destination-organization-id": "org_DEF456",
            "scopes": ["account.read", "inquiry.read"],
            "creator-id": "api_ABC123",
            "creator-type": "api-key",
            "created-at": "2018-06-01T00:00:00.000Z",
            "updated-at": "2018-06-01T00:10:00.000Z",
        }

    def test_shows_the_sources_refused_activation(self) -> None:
        assert """
 2. The source (api_ABC123 of org_ABC123) asks to activate cxn_ABC123
    denied     wrong role
    why        Only the destination may activate a Connection, and the actor
               acts for the source.
    advice     It is for the destination to activate it.
    remedy     none: no step would let this actor do it
    to active  the destination must activate it (org_DEF456): pending -> active

 3. The destination (usr_Rk3v of org_DEF456) asks to activate cxn_ABC123
    allowed    The destination may activate it, and it is then active.

""" in run("demo")

    def test_shows_the_destinations_refused_reactivation(self) -> None:
        assert """
 8. The destination (usr_Rk3v of org_DEF456) asks to reactivate cxn_ABC123
    denied     wrong role
    why        Only the source may reactivate a Connection, and the actor acts
               for the destination.
    advice     It is for the source to reactivate it.
    remedy     none: no step would let this actor do it
    to active  the source must reactivate it (org_ABC123): inactive -> pending
               the destination must activate it (org_DEF456): pending -> active

""" in run("demo")

    def test_shows_that_nothing_is_shared_while_pending(self) -> None:
        assert """
10. The destination (usr_Rk3v of org_DEF456) asks to read inquiry.read
    denied     not active
    why        Data may pass only while the Connection is active, and this one
               is pending.
    advice     First the destination must activate it.
    remedy     the destination must activate it (org_DEF456): pending -> active

""" in run("demo")

    def test_shows_the_history(self) -> None:
        assert """
The history

v  when (UTC)           action      before    after     who         role
───────────────────────────────────────────────────────────────────────────────
1  2018-06-01 00:00:00  create      (none)    pending   api_ABC123  source
2  2018-06-01 00:02:00  activate    pending   active    usr_Rk3v    destination
3  2018-06-01 00:06:00  deactivate  active    inactive  api_ABC123  source
4  2018-06-01 00:08:00  reactivate  inactive  pending   api_ABC123  source
5  2018-06-01 00:10:00  activate    pending   active    usr_Rk3v    destination

Do these events, replayed, give the same Connection? Yes.
""" in run("demo")

    def test_says_where_it_was_kept(self, output: Any) -> None:
        assert output["database"] == "a temporary SQLite file"
        assert (
            "\nDo these events, replayed, give the same Connection? Yes.\n\n"
            "All of this was stored in a temporary SQLite database, which is deleted now.\n\n"
            "The Connection's document\n"
        ) in run("demo")

    def test_leaves_no_file_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        run("demo", XDG_DATA_HOME=str(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_needs_no_database_of_yours(self) -> None:
        assert run("demo", CONNECT_CORE_DATABASE="mysql://nowhere") == run("demo")

    def test_keeps_the_story_in_a_sqlite_file(
        self, output: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The directory is kept, so that what the demo left in it can be read."""

        @contextmanager
        def kept(prefix: str) -> Generator[str]:
            assert prefix == "connect-core-"
            yield str(tmp_path)

        monkeypatch.setattr(cli.demo, "TemporaryDirectory", kept)
        run("demo")
        asked = ["cxn_ABC123", "--as", "usr_Rk3v@org_DEF456", "--database", f"{tmp_path}/demo.db"]
        assert guides(run_json("show", *asked)) == output["document"]
        assert run_json("history", *asked)["data"] == output["history"]

    def test_ends_with_the_document(self, output: Any) -> None:
        document = json.dumps(output["document"], indent=2)
        assert run("demo").endswith(f"\n\nThe Connection's document\n\n{document}\n")

    def test_does_not_hide_a_replay_that_went_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def replay_in_part(events: Sequence[ConnectionEvent]) -> Connection:
            return replay(events[:-1])

        monkeypatch.setattr(cli.demo, "replay", replay_in_part)
        assert "\nDo these events, replayed, give the same Connection? No!\n" in run("demo")
        assert run_json("demo")["replay_gives_the_same"] is False
