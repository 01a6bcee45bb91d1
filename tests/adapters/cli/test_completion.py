"""Completion: what a shell offers when Tab is pressed, by the protocol that Typer's scripts use."""

import subprocess
from pathlib import Path
from shutil import which

import pytest
from invocations import COMMANDS
from people import in_words
from terminal import environment, outcome, process, script

from connect_core import DEFAULT_SCOPES, Action, Direction, Status

ROLES = ["source", "destination", "both", "outsider"]

#: What is typed, the last word in part, and what is offered for that word.
OFFERED: list[tuple[list[str], list[str]]] = [
    ([""], COMMANDS),
    (["de"], ["deactivate", "demo", "decide"]),
    (["list", "--status", ""], list(Status)),
    (["list", "--status", "in"], ["inactive"]),
    (["list", "--status", "x"], []),
    (["list", "--direction", ""], list(Direction)),
    (["list", "--actionable", ""], list(Action)),
    (["list", "--al"], ["--all"]),
    (["decide", "--status", ""], ["none", *Status]),
    (["decide", "--action", "re"], ["reactivate"]),
    (["decide", "--role", ""], ROLES),
    (["export", "--format", ""], ["jsonl", "list"]),
    (["table", "--format", ""], ["text", "typescript"]),
    (["diagram", "--format", ""], ["text", "mermaid", "dot"]),
    (["create", "org_DEF456", "--scope", ""], sorted(DEFAULT_SCOPES)),
    (["check", "cxn_1", ""], sorted(DEFAULT_SCOPES)),
    (["show", "nonsense", "--js"], ["--json"]),
    (["keys", ""], ["create", "list", "revoke"]),
    (["keys", "create", "--actor", ""], ["user", "api-key"]),
    (["keys", "create", "--representation", "c"], ["current"]),
    (["serve", "--representation", ""], ["guide", "current"]),
    (["import", "--skip-"], ["--skip-invalid", "--skip-existing"]),
    # Where nothing is offered, the shell completes the names of files.
    (["export", ""], []),
    (["import", "fi"], []),
    (["list", "--database", "co"], []),
    (["list", "--as", ""], []),
    (["show", ""], []),
]


def offered(words: list[str], **variables: str) -> list[str]:
    """What Bash is given for the last of the words."""
    protocol = {
        "_CONNECT_CORE_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(["connect-core", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code, written, complained = outcome(stdin=b"", **protocol, **variables)
    assert (code, complained) == (0, "")
    return written.split()


class TestCompletion:
    """A shell is offered commands, options and the values that an option takes."""

    @pytest.mark.parametrize(("words", "due"), OFFERED, ids=in_words)
    def test_bash(self, words: list[str], due: list[str]) -> None:
        assert offered(words) == due

    def test_zsh(self) -> None:
        typed = "connect-core list --status "
        written = outcome(_CONNECT_CORE_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=typed)
        assert written[0::2] == (0, "")
        assert written[1].split('"')[1::2] == list(Status)

    def test_fish(self) -> None:
        written = outcome(
            _CONNECT_CORE_COMPLETE="complete_fish",
            _TYPER_COMPLETE_FISH_ACTION="get-args",
            _TYPER_COMPLETE_ARGS="connect-core list --status ",
        )
        assert written == (0, "\n".join(Status) + "\n", "")

    def test_opens_no_database(self, tmp_path: Path) -> None:
        """Neither one that would be created, nor one that cannot be reached."""
        for database in (f"{tmp_path}/new.db", "postgresql://127.0.0.1:1/none", "nonsense://"):
            for words in (["list", "--status", ""], ["show", ""], ["list", "--after", "cxn_"]):
                variables = {"CONNECT_CORE_DATABASE": database, "CONNECT_CORE_ACTOR": "nobody"}
                assert offered(words, **variables) == (list(Status) if "--status" in words else [])
        assert list(tmp_path.iterdir()) == []

    def test_needs_no_sqlalchemy(self) -> None:
        """It would take longer than anybody waits after pressing Tab."""
        done = process(
            [
                *(script().with_name("python"), "-W", "error", "-c"),
                "import sys; sys.modules['sqlalchemy'] = None; sys.argv[0] = 'connect-core'; "
                "import connect_core.__main__ as m; m.main()",
            ],
            _CONNECT_CORE_COMPLETE="complete_bash",
            COMP_WORDS="connect-core list --status ",
            COMP_CWORD="3",
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode().split() == list(Status)


@pytest.mark.skipif(which("bash") is None, reason="there is no Bash")
class TestInBash:
    """The script that Typer writes, in a Bash of its own."""

    COMPLETE = (
        'COMP_WORDS=(connect-core list --status ""); COMP_CWORD=3; '
        "_connect_core_completion connect-core; echo ${COMPREPLY[@]}"
    )

    def bash(self, text: str, home: Path) -> str:
        """What a script prints in which `connect-core` is the installed command."""
        variables = environment(HOME=str(home))
        variables["PATH"] = f"{script().parent}:{variables['PATH']}"
        done = subprocess.run(  # noqa: S603  # our own script
            ["/usr/bin/env", "bash", "--norc", "-c", text],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout

    def test_show_completion(self, tmp_path: Path) -> None:
        text = f'eval "$(connect-core --show-completion)"; {self.COMPLETE}'
        assert self.bash(text, tmp_path) == "pending active inactive\n"

    def test_install_completion(self, tmp_path: Path) -> None:
        installed = self.bash("connect-core --install-completion; true", tmp_path)
        assert "bash completion installed in" in installed
        file = tmp_path / ".bash_completions" / "connect-core.sh"
        assert str(file) in (tmp_path / ".bashrc").read_text()
        assert self.bash(f"source {file}; {self.COMPLETE}", tmp_path) == "pending active inactive\n"
