"""Options: their values, their help, and the variables that stand for them."""

import pytest
from people import CHANGES, NOBODYS, OTHERS, OURS, QUESTIONS, THEIRS, People, filled, in_words
from terminal import complaint, refusal, run, squeezed

ID_DUE = "expected a connection id ('cxn_' and then letters, digits, '_' or '-'), got "
ORGANIZATION_DUE = "expected an organization id ('org_' and then letters, digits, '_' or '-'), got "
ACTOR_DUE = (
    "expected an actor id ('api_', 'usr_' or 'user_' and then letters, digits, '_' or '-'), got "
)
WHO = " Say who acts, and for which organization: usr_Rk3v@org_DEF456.\n"
KEY_DUE = "expected an idempotency key (1 to 255 printable ASCII characters), got "


class TestUsage:
    """Wrong usage is reported on stderr with exit code 2, before any database is opened."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["create"], "Missing argument 'DESTINATION'."),
            (["activate"], "Missing argument 'ID'."),
            (["check", NOBODYS], "Missing argument 'SCOPE'."),
            (["create", "acme"], f"Invalid value for 'DESTINATION': {ORGANIZATION_DUE}'acme'."),
            (
                ["create", "\x1b[1m"],
                f"Invalid value for 'DESTINATION': {ORGANIZATION_DUE}'\\x1b[1m'.",
            ),
            (
                ["create", "org_B", "--scope", "Everything"],
                "Invalid value for '--scope': expected a scope of the form resource.verb, in "
                "lower case, such as inquiry.read, got 'Everything'.",
            ),
            (
                ["create", "org_B", "--idempotency-key", ""],
                f"Invalid value for '--idempotency-key': {KEY_DUE}''.",
            ),
            *(
                ([name, "org_B"], f"Invalid value for 'ID': {ID_DUE}'org_B'.")
                for name in ("activate", "deactivate", "reactivate", "show", "history")
            ),
            (["check", "x", "y"], f"Invalid value for 'ID': {ID_DUE}'x'."),
            (["list", "--after", "x"], f"Invalid value for '--after': {ID_DUE}'x'."),
            (["list", "--before", ""], f"Invalid value for '--before': {ID_DUE}''."),
            (
                ["list", "--after", NOBODYS, "--before", NOBODYS],
                "Invalid value for '--before': give --after or --before, not both.",
            ),
            (
                ["list", "--status", "absent"],
                "Invalid value for '--status': 'absent' is not one of pending, active, inactive.",
            ),
            (
                ["list", "--direction", "up"],
                "Invalid value for '--direction': 'up' is not one of outbound, inbound.",
            ),
            (
                ["list", "--actionable", "delete"],
                "Invalid value for '--actionable': 'delete' is not one of create, activate, "
                "deactivate, reactivate.",
            ),
            (
                ["list", "--destination", "B"],
                f"Invalid value for '--destination': {ORGANIZATION_DUE}'B'.",
            ),
        ],
        ids=in_words,
    )
    def test_what_makes_no_sense(self, arguments: list[str], message: str) -> None:
        complained = complaint(*arguments, "--as", OURS)
        assert complained.endswith(f"\n\nError: {message}\n")
        assert complained.startswith(f"Usage: connect-core {arguments[0]} ")

    @pytest.mark.parametrize(
        ("arguments", "option"),
        [
            (["list", "--limit", "0"], "--limit"),
            (["list", "--limit", "101"], "--limit"),
            (["list", "--limit", "ten"], "--limit"),
            *(
                ([name, NOBODYS, "--expected-version", wrong], "--expected-version")
                for name in ("activate", "deactivate", "reactivate")
                for wrong in ("0", "1.5", "latest")
            ),
        ],
        ids=in_words,
    )
    def test_numbers(self, arguments: list[str], option: str) -> None:
        # The rest of the sentence is Typer's own, and differs with its version.
        assert f"\n\nError: Invalid value for '{option}': " in complaint(*arguments, "--as", OURS)

    @pytest.mark.parametrize("limit", ["1", "100"])
    def test_numbers_at_the_limit(self, limit: str, people: People) -> None:
        connection_id = people.connection()
        assert connection_id in people.source.run("list", "--limit", limit)

    @pytest.mark.parametrize(
        ("actor", "message"),
        [
            ("", "it is missing."),
            ("usr_1", f"{ORGANIZATION_DUE}''."),
            ("usr_1@", f"{ORGANIZATION_DUE}''."),
            ("@org_B", f"{ACTOR_DUE}''."),
            ("bob@org_B", f"{ACTOR_DUE}'bob'."),
            ("usr_1@B", f"{ORGANIZATION_DUE}'B'."),
            ("usr_1@org_A@org_B", f"{ORGANIZATION_DUE}'org_A@org_B'."),
            (" usr_1@org_A", f"{ACTOR_DUE}' usr_1'."),
        ],
    )
    def test_who_acts(self, actor: str, message: str) -> None:
        due = f"\n\nError: Invalid value for '--as' (or CONNECT_CORE_ACTOR): {message}{WHO}"
        for arguments in (QUESTIONS[0], ["create", "org_B"]):
            assert complaint(*arguments, "--as", actor).endswith(due)
            assert complaint(*arguments, stdin=b"", CONNECT_CORE_ACTOR=actor).endswith(due)

    @pytest.mark.parametrize(
        "arguments", [["create", "org_B"], *QUESTIONS, *CHANGES], ids=lambda each: each[0]
    )
    def test_every_command_asks_who_acts(self, arguments: list[str]) -> None:
        message = complaint(*filled(arguments, NOBODYS))
        assert message.endswith(
            f"\n\nError: Invalid value for '--as' (or CONNECT_CORE_ACTOR): it is missing.{WHO}"
        )


ID_HELP = "The Connection's id."
STEP_HELP = [
    ID_HELP,
    "--expected-version N Only if this is still the Connection's version.",
    "--idempotency-key KEY A name for this request, so that it can be repeated safely.",
]
#: The lines that the help of every command has.
COMMON_HELP = [
    "--as ACTOR@ORGANIZATION Who acts, and for which organization: usr_Rk3v@org_DEF456. ",
    "env var: CONNECT_CORE_ACTOR",
    "--database URL|FILE The database: a SQLAlchemy URL, or the file of a SQLite database. ",
    "env var: CONNECT_CORE_DATABASE",
    "default: (connections.db in your data directory)",
    "--json Print the answer as JSON.",
]
#: The further lines of each command's help.
HELP = {
    "create": [
        STEP_HELP[-1],
        "The organization to share with.",
        "--name TEXT A name for people to read.",
        "--scope SCOPE What to share. Repeat it for each scope. ",
        "default: (account.read and inquiry.read)",
        "--allow-self Let your own organization be the destination, for tests.",
    ],
    "activate": STEP_HELP,
    "deactivate": STEP_HELP,
    "reactivate": STEP_HELP,
    "show": [ID_HELP],
    "history": [ID_HELP],
    "check": [
        ID_HELP,
        "The kind of data, such as inquiry.read.",
        "The exit code is 0 if you may, 1 if you may not.",
    ],
    "list": [
        "--status pending|active|inactive Only Connections with this status.",
        "--destination ORGANIZATION Only Connections to this organization.",
        "--direction outbound|inbound Only Connections through which you share, or receive.",
        "--actionable create|activate|deactivate|reactivate "
        "Only Connections on which you may take this action now.",
        "--after ID The page after this one: older ones.",
        "--before ID The page before this one: newer ones.",
        "--limit N How many at most. ",
        "default: 10",
        "1<=x<=100",
    ],
}


DATABASE_HELP = COMMON_HELP[2:5]
#: The lines of the help of commands for operators, who need not say who acts.
OPERATORS_HELP = {
    "serve": [
        "--host HOST The address to listen at. ",
        "default: 127.0.0.1",
        "--port PORT The port; 0 for any free one. ",
        "default: 8000",
        "--representation guide|current The form of the documents. ",
        "default: guide",
        "--workers N How many processes. ",
        "default: 1",
        "--root-path PATH The prefix that a proxy in front strips.",
        "--tls-in-front Listen to other machines, too.",
        "--no-extensions Serve the published operations only.",
        "--demo On a temporary database, with keys and Connections.",
    ],
    "keys create": [
        "--organization ORGANIZATION The organization for which its holder acts. ",
        "required",
        "--name TEXT A name to know it by.",
        "--actor user|api-key Whether a person or a program acts with it. ",
        "default: api-key",
        "--expires TIME How long it can be used, such as 90d or 12h. ",
        "default: (never)",
        "--representation guide|current The form of its documents, if not that of the server.",
        "If the token cannot be printed, the key is revoked again.",
        COMMON_HELP[-1],
    ],
    "keys list": ["--organization ORGANIZATION Only the keys of this organization."],
    "keys revoke": ["The key's id."],
}


class TestHelp:
    """The help of a command names its options, what they take, and what they are for."""

    @pytest.mark.parametrize("name", HELP)
    def test_of_every_command(self, name: str) -> None:
        text = squeezed(run(name, "--help"))
        assert [each for each in (*HELP[name], *COMMON_HELP) if each not in text] == []

    @pytest.mark.parametrize("name", OPERATORS_HELP)
    def test_of_commands_for_operators(self, name: str) -> None:
        text = squeezed(run(*name.split(), "--help"))
        assert [each for each in (*OPERATORS_HELP[name], *DATABASE_HELP) if each not in text] == []
        assert "--as" not in text


class TestWhoActs:
    """`--as` names the actor; without it, CONNECT_CORE_ACTOR does."""

    def test_the_variable(self, people: People) -> None:
        connection_id = people.connection()
        arguments = ["activate", connection_id, "--database", people.source.database]
        message = refusal(*arguments, stdin=b"", CONNECT_CORE_ACTOR=OURS)
        assert message.startswith("api_ABC123 of org_ABC123 may not activate ")
        assert run(*arguments, stdin=b"", code=0, CONNECT_CORE_ACTOR=THEIRS).startswith("Activated")

    def test_the_option_goes_first(self, people: People) -> None:
        connection_id = people.connection()
        arguments = ["activate", connection_id, "--database", people.source.database]
        written = run(*arguments, "--as", THEIRS, stdin=b"", code=0, CONNECT_CORE_ACTOR=OTHERS)
        assert written.startswith("Activated\n")
