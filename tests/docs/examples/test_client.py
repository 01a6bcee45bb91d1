"""The page for clients: its programs, run against the server that it starts."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import DEADLINE, blocks, free_port
from support import GUIDE_ANSWER

pytestmark = pytest.mark.service


@contextmanager
def demo() -> Generator[Mapping[str, str]]:
    """Run ``connect-core serve --demo``; give the variables that the page sets.

    Beside them is the command that it prints.
    """
    with free_port() as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "connect_core", "serve", "--demo", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # ours
        try:
            assert server.stdout is not None
            printed = ""
            while "curl http" not in printed:  # the last command that is printed
                line = server.stdout.readline()
                assert line, f"the server did not start: {printed}"
                printed += line
            tokens = dict(re.findall(r"^ +(org_\w+) +(\S+)$", printed, re.MULTILINE))
            yield {
                "API": f"http://127.0.0.1:{port}/api/v1/connect/connections",
                "SOURCE_KEY": tokens["org_ABC123"],
                "DESTINATION_KEY": tokens["org_DEF456"],
                "COMMAND": printed[printed.index("curl -X POST") :].partition("\n\n")[0],
            }
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=DEADLINE)


def printed_by(command: Sequence[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603  # the page's own
        command,
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE,
    )
    return done.stdout


@pytest.mark.usefixtures("curl")
def test_the_guides_command_as_it_is_printed() -> None:
    """It is pasted into a shell; its answer has the guide's members in the guide's order."""
    with demo() as variables:
        answer = json.loads(printed_by(["bash", "-ec", variables["COMMAND"]], variables))
    data, guides = answer["data"], json.loads(GUIDE_ANSWER)["data"]
    assert list(answer) == ["data"]
    assert list(data) == list(guides)
    assert list(data["attributes"]) == list(guides["attributes"])
    assert data["id"] == data["attributes"]["token"]
    chosen = {"token", "created-at", "updated-at"}
    due = guides["attributes"] | {"status": "pending", "scopes": ["account.read", "inquiry.read"]}
    for name, value in due.items():
        assert name in chosen or data["attributes"][name] == value
    assert data["type"] == guides["type"]


@pytest.mark.usefixtures("curl")
def test_with_curl() -> None:
    (script,) = blocks("client.md", "bash")
    with demo() as variables:
        created, activated, ended = printed_by(["bash", "-ec", script], variables).splitlines()
    for answer, status in ((created, "pending"), (activated, "active"), (ended, "inactive")):
        assert f'"status":"{status}"' in answer
        assert '"destination-organization-id":"org_DEF456"' in answer


def test_in_python(tmp_path: Path) -> None:
    (program,) = blocks("client.md", "python")
    script = tmp_path / "client.py"
    script.write_text(program, encoding="utf-8")
    with demo() as variables:
        lines = printed_by([sys.executable, str(script)], variables).splitlines()
    assert lines[:2] == ["pending", "active"]
    assert lines[-1] == "inactive"
    assert len(lines) > 4
    assert set(lines[2:-1]) == {"1 on this page"}


def test_in_javascript(node: str, tmp_path: Path) -> None:
    (program,) = blocks("client.md", "javascript")
    script = tmp_path / "client.mjs"
    script.write_text(program, encoding="utf-8")
    with demo() as variables:
        lines = printed_by([node, str(script)], variables).splitlines()
    assert lines == ["pending", "active", "inactive org_DEF456"]
