"""`keys`: created once and shown once, listed without their secrets, revoked for good."""

import json
import os
import re
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from exports import Place
from people import fitting, spoil
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from terminal import (
    command,
    complaint,
    decoloured,
    environment,
    on_a_terminal,
    outcome,
    run,
    squeezed,
)

from connect_core import Actor
from connect_core.adapters import cli
from connect_core.adapters.sql import ApiKey, ApiKeys, api_keys, open_engine
from connect_core.identifiers import BASE58

ID = rf"(?:api|usr)_[{BASE58}]{{28}}"
TOKEN = rf"({ID})\.([0-9A-Za-z_-]{{43}})"
FULL = "Could not write to stdout: No space left on device."
THE_TABLE = "Created the tables connection_api_keys and connection_browser_sessions.\n"


def created(place: Place, *arguments: str) -> tuple[str, str]:
    """The id and the token of a new key; stderr names the key."""
    code, written, complained = outcome(
        *("keys", "create", "--database", place.url),
        *(arguments if "--organization" in arguments else ("--organization", "org_A", *arguments)),
    )
    found = re.fullmatch(f"{TOKEN}\n", written)
    assert found is not None
    assert code == 0
    notices = squeezed(fitting(complained).removeprefix(THE_TABLE))
    assert notices.startswith(f"Created the key {found[1]} of ")
    assert found[2] not in complained
    return found[1], written.strip()


def authenticated(place: Place, token: str) -> ApiKey | None:
    """The key of a token, as the server finds it."""
    engine = open_engine(place.url)
    try:
        return ApiKeys(engine).authenticate(token)
    finally:
        engine.dispose()


def listed(place: Place, *arguments: str) -> list[dict[str, Any]]:
    """The keys as JSON."""
    written = run("keys", "list", "--json", "--database", place.url, *arguments)
    found: list[dict[str, Any]] = json.loads(written)["data"]
    return found


class TestCreate:
    """The token is printed once, alone on stdout; the notice goes to stderr."""

    def test_a_key(self, any_place: Place) -> None:
        key_id, token = created(any_place, "--organization", "org_ABC123")
        key = authenticated(any_place, token)
        assert key is not None
        assert key.actor == Actor(id=key_id, organization_id="org_ABC123")
        assert (key.name, key.expires_at, key.representation) == (None, None, None)

    def test_everything(self, any_place: Place) -> None:
        key_id, token = created(
            any_place,
            *("--name", "Söhne", "--actor", "user", "--expires", "90d"),
            *("--representation", "current"),
        )
        assert key_id.startswith("usr_")
        key = authenticated(any_place, token)
        assert key is not None
        assert key.expires_at is not None
        assert (key.expires_at - key.created_at).days == 90
        assert (key.name, key.representation) == ("Söhne", "current")

    @pytest.mark.parametrize(
        ("time", "seconds"),
        [("1s", 1), ("45s", 45), ("30m", 1800), ("12h", 43_200), ("999999d", 86_399_913_600)],
    )
    def test_times(self, place: Place, time: str, seconds: int) -> None:
        created(place, "--expires", time)
        (key,) = ApiKeys(engine := open_engine(place.url)).list()
        engine.dispose()
        assert key.expires_at is not None
        assert (key.expires_at - key.created_at).total_seconds() == seconds

    def test_json(self, place: Place) -> None:
        arguments = ("keys", "create", "--organization", "org_A", "--database", place.url)
        code, written, complained = outcome(*arguments, "--json")
        document = json.loads(written)["data"]
        token = document.pop("token")
        assert code == 0
        assert token not in complained
        assert [document] == listed(place)
        assert authenticated(place, token) is not None
        assert list(document) == [*ApiKey.model_fields, "status"]

    def test_what_is_created_is_said(self, tmp_path: Path) -> None:
        """A database, and the table of keys; the second time neither."""
        arguments = ["keys", "create", "--organization", "org_A", "--database", f"{tmp_path}/n.db"]
        code, _, complained = outcome(*arguments)
        due = f"Created the database {tmp_path}/n.db. {THE_TABLE}Created the key "
        assert (code, squeezed(complained).startswith(squeezed(due))) == (0, True)
        code, written, complained = outcome(*arguments)
        assert code == 0
        assert squeezed(complained) == (
            f"Created the key {written.partition('.')[0]} of org_A. Keep its token now: it is not "
            "shown again."
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Missing option '--organization'."),
            (["--organization", "acme"], "Invalid value for '--organization': expected an"),
            (["--expires", "90"], "'90' is not a time such as 90d, 12h, 30m or 45s, with six"),
            (["--expires", "0d"], "'0d' is not a time such as"),
            (["--expires", "-1d"], "'-1d' is not a time such as"),
            (["--expires", "1y"], "'1y' is not a time such as"),
            (["--expires", "1000000d"], "'1000000d' is not a time such as"),
            (["--expires", "1d\n"], "'1d\\n' is not a time such as"),
            (["--expires", "१d"], "'१d' is not a time such as"),
            (["--actor", "robot"], "'robot' is not one of user, api-key."),
            (["--representation", "latest"], "'latest' is not one of guide, current."),
            (["--name", "a\nb"], "a name cannot hold the character U+000A."),
        ],
    )
    def test_wrong_usage(self, place: Place, arguments: list[str], message: str) -> None:
        organization = [] if "rganization" in message else ["--organization", "org_A"]
        told = complaint("keys", "create", *organization, *arguments, "--database", place.url)
        assert message in squeezed(told)
        assert listed(place) == []

    def test_into_a_variable(self, place: Place) -> None:
        """As a shell takes it: the notices do not get into it."""
        script = 'TOKEN=$("$@") && printf %s "$TOKEN"'
        arguments = command("keys", "create", "--organization", "org_A", "--database", place.url)
        done = subprocess.run(  # noqa: S603  # our own command
            ["/bin/sh", "-c", script, "sh", *arguments],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert re.fullmatch(TOKEN, done.stdout)
        assert authenticated(place, done.stdout) is not None

    def test_another_table_by_its_name(self, place: Place) -> None:
        """It stays as it is."""
        spoil(place.url, "CREATE TABLE connection_api_keys (id TEXT)")
        told = complaint("keys", "create", "--organization", "org_A", "--database", place.url)
        assert "it has a table connection_api_keys of another kind, without org" in squeezed(told)
        engine = open_engine(place.url)
        assert list(ApiKeys(engine).absent_tables()) == ["connection_browser_sessions"]
        engine.dispose()

    def test_a_database_of_an_earlier_version(self, any_place: Place) -> None:
        """It has no table of sessions, which only `keys create` and `serve` add."""
        key_id, token = created(any_place)
        spoil(any_place.url, "DROP TABLE connection_browser_sessions")
        assert [key["id"] for key in listed(any_place)] == [key_id]
        arguments = ["--organization", "org_B", "--database", any_place.url]
        complained = outcome("keys", "create", *arguments)[2]
        assert complained.startswith("Created the table connection_browser_sessions.\n")
        spoil(any_place.url, "DROP TABLE connection_browser_sessions")
        outcome("keys", "revoke", key_id, "--database", any_place.url)
        assert authenticated(any_place, token) is None


class TestATokenThatCannotBeWritten:
    """The key is revoked again: it must not stay usable unknowingly."""

    def unwritten(self, place: Place, *arguments: str) -> str:
        """What stderr says if stdout is full; the exit code is 5."""
        with (
            patch.dict(os.environ, environment(), clear=True),
            Path("/dev/full").open("w") as full,
            redirect_stderr(StringIO()) as complained,
            redirect_stdout(full),
            pytest.raises(SystemExit) as left,
        ):
            cli.app(
                ["keys", "create", "--organization", "org_A", "--database", place.url, *arguments],
                prog_name="connect-core",
            )
        assert left.value.code == 5
        return squeezed(complained.getvalue().removeprefix(THE_TABLE))

    @pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
    def test_it_is_revoked(self, any_place: Place, arguments: list[str]) -> None:
        told = self.unwritten(any_place, *arguments)
        (key,) = listed(any_place)
        assert told == (
            f"Created the key {key['id']} of org_A. {FULL} The key is revoked, because nobody has "
            "its token."
        )
        assert key["status"] == "revoked"

    def test_it_cannot_be_revoked(self, place: Place) -> None:
        failure = OperationalError("UPDATE", None, Exception("disk I/O error"))
        with patch.object(ApiKeys, "revoke", side_effect=failure):
            told = self.unwritten(place)
        (key,) = listed(place)
        assert told == (
            f"Created the key {key['id']} of org_A. {FULL} It could not be revoked: do it with "
            f"connect-core keys revoke {key['id']}."
        )
        assert key["status"] == "active"

    def test_ctrl_c(self, place: Place) -> None:
        with patch("connect_core.adapters.cli.keys.write_text", side_effect=KeyboardInterrupt):
            code, written, complained = outcome(
                "keys", "create", "--organization", "org_A", "--database", place.url
            )
        assert (code, written) == (130, "")
        assert "The key is revoked, because nobody has its token." in complained
        assert [key["status"] for key in listed(place)] == ["revoked"]


class TestList:
    """The keys, newest first, with their status, and never a secret."""

    def test_none(self, place: Place) -> None:
        """Also where there is no table of keys yet, which is not created."""
        assert run("keys", "list", "--database", place.url) == "There are none.\n"
        assert listed(place) == []
        engine = open_engine(place.url)
        assert not ApiKeys(engine).has_tables()
        engine.dispose()

    def test_json(self, any_place: Place) -> None:
        made = [created(any_place, "--organization", f"org_{each}") for each in "ABA"]
        ids = [key_id for key_id, _ in made]
        found = listed(any_place)
        assert sorted(key["id"] for key in found) == sorted(ids)
        assert found == sorted(found, key=lambda key: (key["created_at"], key["id"]))[::-1]
        ours = listed(any_place, "--organization", "org_A")
        assert {key["id"] for key in ours} == {ids[0], ids[2]}
        assert listed(any_place, "--organization", "org_a") == []

    def test_for_people(self, any_place: Place) -> None:
        active, token = created(any_place, "--name", "Söhne", "--representation", "current")
        expired, _ = created(any_place, "--expires", "1s")
        revoked, _ = created(any_place, "--organization", "org_" + "z" * 30)
        run("keys", "revoke", revoked, "--database", any_place.url)
        assert authenticated(any_place, token) is not None
        start = datetime(2018, 6, 1, tzinfo=UTC)
        times = {"created_at": start, "expires_at": start + timedelta(seconds=1)}
        spoil(any_place.url, update(api_keys).where(api_keys.c.id == expired).values(times))
        written = fitting(run("keys", "list", "--database", any_place.url))
        for key_id, words in (
            (active, ["active", "org_A", "Söhne", "last used", "documents current"]),
            (expired, ["expired", "org_A", "expires 2018-06-01 00:00:01 UTC"]),
            (revoked, ["revoked", "org_" + "z" * 30]),
        ):
            assert key_id in written.split()
            assert [word for word in words if word not in written] == []
        assert token.partition(".")[2] not in written

    def test_as_blocks(self, place: Place) -> None:
        """Where a table would break an id."""
        key_id, _ = created(
            place, "--organization", "org_" + "x" * 60, "--name", "N", "--expires", "1d"
        )
        written = run("keys", "list", "--database", place.url)
        labels = [line[:9].strip() for line in written.splitlines()]
        assert labels == ["key", "created", "status", "acts for", "name", "expires"]
        assert written.splitlines()[0] == f"key        {key_id}"
        assert written.splitlines()[3] == f"acts for   org_{'x' * 60}"

    def test_on_a_wide_terminal(self, place: Place) -> None:
        key_id, _ = created(place, "--organization", "org_" + "x" * 60)
        arguments = ("keys", "list", "--database", place.url)
        written = decoloured(on_a_terminal(*arguments, columns=120))
        assert written.startswith("key ")
        assert f"{key_id}  active  org_{'x' * 60}" in written

    def test_a_row_that_cannot_be_read(self, any_place: Place) -> None:
        sound, _ = created(any_place)
        bad, _ = created(any_place)
        spoil(
            any_place.url,
            f"UPDATE connection_api_keys SET organization_id = 'acme' WHERE id = '{bad}'",  # noqa: S608  # ours
        )
        code, written, complained = outcome("keys", "list", "--json", "--database", any_place.url)
        assert code == 0
        assert [key["id"] for key in json.loads(written)["data"]] == [sound]
        assert squeezed(complained).startswith(
            f"Left out: What is stored as connection_api_keys {bad} is not what was written: "
        )


class TestRevoke:
    """A revoked key is never used again."""

    def test_by_its_id(self, any_place: Place) -> None:
        key_id, token = created(any_place)
        for _ in range(2):
            written = run("keys", "revoke", key_id, "--database", any_place.url)
            assert written == f"Revoked {key_id}.\n"
            assert authenticated(any_place, token) is None
        assert [key["status"] for key in listed(any_place)] == ["revoked"]

    def test_by_its_token(self, place: Place) -> None:
        """As it was found somewhere; it is not repeated."""
        key_id, token = created(place)
        written = run("keys", "revoke", token, "--database", place.url)
        assert written == f"Revoked {key_id}.\n"
        assert authenticated(place, token) is None

    def test_an_unknown_one(self, place: Place) -> None:
        arguments = ("keys", "revoke", "api_1", "--database", place.url)
        due = (1, "", "There is no key api_1. Check the id, and the database.\n")
        assert outcome(*arguments) == due  # without a table
        created(place)
        assert outcome(*arguments) == due

    @pytest.mark.parametrize("wrong", ["cxn_1", "", "key.secret"])
    def test_what_is_no_id(self, place: Place, wrong: str) -> None:
        told = complaint("keys", "revoke", wrong, "--database", place.url)
        assert "expected an actor id ('api_', 'usr_' or 'user_'" in squeezed(told)
        assert "secret" not in told


class TestTheDatabase:
    """`list` and `revoke` create nothing."""

    @pytest.mark.parametrize("arguments", [["list"], ["revoke", "api_1"]], ids=" ".join)
    def test_one_that_does_not_exist(self, tmp_path: Path, arguments: list[str]) -> None:
        told = complaint("keys", *arguments, "--database", f"{tmp_path}/none.db")
        assert "it does not exist" in squeezed(told)
        assert list(tmp_path.iterdir()) == []

    def test_the_variable(self, place: Place) -> None:
        created(place)
        assert run("keys", "list", CONNECT_CORE_DATABASE=place.url) != "There are none.\n"


class TestHelp:
    """Without a command, the group shows its help."""

    def test_the_commands(self) -> None:
        text = squeezed(run("keys", "--help"))
        for line in (
            "create Create a key, and print its token, once.",
            "list List the keys, newest first, without their secrets.",
            "revoke Let a key be used no more.",
        ):
            assert line in text
