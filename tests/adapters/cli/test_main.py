"""The command as a process, and what it needs to start."""

import re
import sys

import pytest
from invocations import COMMANDS, DECIDE, EVERYTHING
from terminal import complaint, piped, process, run, script, seeded

from connect_core import __version__
from connect_core.__main__ import main


class TestProcesses:
    """Tests that need a process of their own."""

    def test_is_the_same_every_time(self) -> None:
        once, again = (seeded(seed, EVERYTHING) for seed in (1, 2))
        assert once == again


class TestTheCommandItself:
    """`connect-core` and `python -m connect_core` are the same."""

    def test_no_command_shows_the_help(self) -> None:
        assert run() == run("--help")

    def test_the_help_lists_the_commands(self) -> None:
        _, listed = run("--help").split("\nCommands:\n")
        described = [re.split(r" {2,}", line.strip()) for line in listed.splitlines()]
        assert [name for name, _ in described] == COMMANDS
        assert all(re.fullmatch(r"[A-Z].*[^.]\.", text) for _, text in described)  # all of it fits

    def test_the_help_names_the_choices(self) -> None:
        output = run("decide", "--help")
        assert "--status none|pending|active|inactive\n" in output
        assert "--action create|activate|deactivate|reactivate\n" in output
        assert "--role source|destination|both|outsider\n" in output

    def test_version(self) -> None:
        assert run("--version") == run("--version", "demo") == f"connect-core {__version__}\n"

    @pytest.mark.parametrize("wrong", ["remove", "--verbose"])
    def test_what_there_is_not(self, wrong: str) -> None:
        assert f"No such {'option' if wrong.startswith('-') else 'command'}" in complaint(wrong)

    def test_as_a_module(self) -> None:
        done = piped("table")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode() == run("table")

    def test_as_a_script(self) -> None:
        done = process([script(), *DECIDE])
        assert (done.returncode, done.stderr) == (1, b"")
        assert done.stdout.decode() == run(*DECIDE, code=1)

    def test_main_runs_it(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["connect-core", "--version"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        assert capsys.readouterr() == (f"connect-core {__version__}\n", "")


class Absent:
    """Lets Python find no module of this name, as if it were not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class TestWithoutTheExtra:
    """Installed without the extra, the command says which one to install, and exits with 2."""

    @pytest.fixture(autouse=True)
    def _all_is_imported_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        adapters = [name for name in sys.modules if name.startswith("connect_core.adapters.")]
        for name in adapters:
            monkeypatch.delitem(sys.modules, name)

    @pytest.mark.parametrize("missing", ["typer", "rich", "platformdirs", "sqlalchemy"])
    def test_says_what_to_install(
        self, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, missing, None)
        monkeypatch.setattr(sys, "argv", ["connect-core", "demo"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert capsys.readouterr() == (
            "",
            f"The command line needs {missing}, which comes with an extra. "
            "Install it with: pip install 'connect-core[cli]'\n",
        )

    @pytest.mark.parametrize("missing", ["uvicorn", "starlette"])
    def test_serve_needs_another_one(
        self, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Absent(missing), *sys.meta_path])
        monkeypatch.setattr(sys, "argv", ["connect-core", "serve", "--demo"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert capsys.readouterr() == (
            "",
            f"The command line needs {missing}, which comes with an extra. "
            "Install it with: pip install 'connect-core[serve]'\n",
        )

    @pytest.mark.parametrize("name", ["table", "diagram"])
    def test_what_needs_no_database_needs_no_sqlalchemy(
        self, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for missing in ("platformdirs", "sqlalchemy"):
            monkeypatch.setitem(sys.modules, missing, None)
        monkeypatch.setattr(sys, "argv", ["connect-core", name, "--json"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        assert capsys.readouterr() == (run(name, "--json"), "")

    def test_another_missing_module_is_not_explained_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "itertools", None)
        with pytest.raises(ModuleNotFoundError) as caught:
            main()
        assert caught.value.name == "itertools"

    def test_in_a_process_of_its_own(self) -> None:
        blocked = (
            "import sys; sys.modules['typer'] = None; import connect_core.__main__ as m; m.main()"
        )
        done = process([sys.executable, "-W", "error", "-c", blocked])
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.decode().endswith("pip install 'connect-core[cli]'\n")
