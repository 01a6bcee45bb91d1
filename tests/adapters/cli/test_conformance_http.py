"""``connect-core conformance run --http``: against services on this machine."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_services import FAULTY, Service, key_for
from servers import running
from terminal import complaint, outcome, run, run_json, squeezed

RUN = ["conformance", "run"]


def keys_in(folder: Path, number: int = 20) -> str:
    """A file of keys."""
    path = folder / "keys.json"
    names = [f"org_Pool{each}" for each in range(number)]
    path.write_text(json.dumps([{"organization": each, "token": key_for(each)} for each in names]))
    return str(path)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A service."""
    with running(Service().app) as url:
        yield url


class TestRun:
    """Whose verdict is the exit code."""

    def test_with_keys(self, base: str, tmp_path: Path) -> None:
        options = ["--http", base, "--keys", keys_in(tmp_path)]
        written = run(*RUN, *options, "--only", "transition/pending", "--only", "story/accept")
        due = f"{base} passed what was run of the tests of the Connection specification 1.1, core"
        assert due in squeezed(written)
        assert "secret-key" not in written

    def test_with_a_command(self, base: str) -> None:
        code = 'import sys; print("secret-key-" + sys.argv[1])'
        command = f"{sys.executable} -c '{code}' {{organization}}"
        options = ["--http", f"{base}/", "--key-command", command]
        output = run_json(*RUN, *options, "--only", "identity/case/another-destination")
        assert (output["verdict"], output["conforms"]) == ("incomplete", False)
        assert output["counts"]["pass"] == sum(output["counts"].values()) == 1
        assert "named-source" not in output["claims"]
        assert "documents" in output["claims"]

    def test_with_a_profile(self, base: str, tmp_path: Path) -> None:
        profile = tmp_path / "profile.json"
        http = {"history": "{id}/history", "share": "{id}/data/{scope}"}
        profile.write_text(json.dumps({"name": "ours", "http": http}))
        options = ["--http", base, "--keys", keys_in(tmp_path), "--profile", str(profile)]
        output = run_json(*RUN, *options, "--only", "story/accept", "--only", "history/activate/*")
        assert output["implementation"] == "ours"
        assert "history" in output["claims"]
        assert {each["result"] for each in output["vectors"]} == {"pass"}

    def test_exploring(self, base: str, tmp_path: Path) -> None:
        """Also with keys of organizations whose ids do not differ by case."""
        options = ["--http", base, "--keys", keys_in(tmp_path), "--only", "transition/none"]
        code, written, _ = outcome(*RUN, *options, "--explore", "2x5", "--seed", "1", "--json")
        exploration = json.loads(written)["exploration"]
        assert (code, exploration["result"], exploration["runs"]) == (0, "could-not-test", 2)
        assert exploration["finding"] is None

    def test_one_that_does_not_conform(self, tmp_path: Path) -> None:
        with running(FAULTY["ActivationBySource"]("current").app) as url:
            options = ["--http", url, "--keys", keys_in(tmp_path)]
            code, written, _ = outcome(*RUN, *options, "--only", "transition/pending/activate")
        assert code == 1
        assert "CXN-LIFE-002 (stated): An attempt of the source to activate" in written
        assert "secret-key" not in written


class TestTrouble:
    """Exit code 2, and a message that says what to do."""

    @pytest.mark.parametrize(
        "options",
        [
            ["--http", "http://127.0.0.1:9", "--stdio", "--", "node"],
            ["--http", "http://127.0.0.1:9", "--python", "a:b"],
            ["--http", "http://127.0.0.1:9", "--", "node"],
        ],
    )
    def test_which_implementation(self, options: list[str]) -> None:
        assert (
            "give one of --python MODULE:FACTORY, --http BASE and --stdio -- COMMAND."
            in squeezed(complaint(*RUN, *options))
        )

    @pytest.mark.parametrize(
        "options",
        [
            ["--http", "http://127.0.0.1:9"],
            ["--http", "http://127.0.0.1:9", "--keys", "a", "--key-command", "b"],
            ["--python", "a:b", "--keys", "a"],
            ["--key-command", "b", "--stdio", "--", "node"],
        ],
    )
    def test_which_keys(self, options: list[str]) -> None:
        assert "give --keys FILE or --key-command CMD with --http, and only with it." in squeezed(
            complaint(*RUN, *options)
        )

    @pytest.mark.parametrize(
        ("options", "output"),
        [
            (["--key-command", "mint"], "'--key-command': the command needs {organization} among"),
            (["--keys", "/nowhere.json"], "'--keys': /nowhere.json cannot be read"),
        ],
    )
    def test_keys_that_are_none(self, options: list[str], output: str) -> None:
        assert output in squeezed(complaint(*RUN, "--http", "http://127.0.0.1:9", *options))

    def test_a_base_that_is_none(self, tmp_path: Path) -> None:
        options = ["--http", "127.0.0.1", "--keys", keys_in(tmp_path)]
        assert "'--http': '127.0.0.1' is not a URL such as" in squeezed(complaint(*RUN, *options))

    def test_a_report_in_place_of_the_keys(self, tmp_path: Path) -> None:
        keys = keys_in(tmp_path)
        options = ["--http", "http://127.0.0.1:9", "--keys", keys, "--report", keys]
        assert "is also another option's file." in squeezed(complaint(*RUN, *options))
        assert "secret-key" in Path(keys).read_text()

    def test_a_service_that_is_not_there(self, tmp_path: Path) -> None:
        with running(Service().app) as url:
            pass
        options = ["--http", url, "--keys", keys_in(tmp_path), "--only", "story"]
        code, written, complained = outcome(*RUN, *options)
        assert (code, written) == (2, "")
        assert squeezed(complained).startswith(f"harness error: {url} cannot be reached: ")

    def test_keys_that_are_used_up(self, base: str, tmp_path: Path) -> None:
        options = ["--http", base, "--keys", keys_in(tmp_path, 4), "--only", "transition"]
        code, _, complained = outcome(*RUN, *options)
        assert code == 2
        assert "the 4 organizations are used up" in squeezed(complained)
        assert "240 keys are enough for all vectors" in squeezed(complained)
