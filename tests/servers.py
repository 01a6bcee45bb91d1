"""The code blocks of the how-to pages, and the servers that their readers start."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Thread
from time import monotonic, sleep

import uvicorn
from starlette.types import ASGIApp
from support import ROOT

#: How long any wait may take, in seconds.
DEADLINE = 30.0
#: How the pages start Python, and where their server answers.
UV = "uv run --group web "
ADDRESS = "http://127.0.0.1:8000"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks in this language of a page in ``docs/how-to``."""
    text = (ROOT / "docs/how-to" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def free_port() -> socket.socket:
    """A socket bound to a free port of this machine."""
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio then sets TCP_NODELAY
    listening.bind(("127.0.0.1", 0))
    return listening


def without_uv(command: str) -> str:
    """A command of a page, for the Python that runs the tests."""
    command = command.replace(f"{UV}uvicorn", f"{UV}python -m uvicorn")
    return command.replace(f"{UV}python", shlex.quote(sys.executable))


@contextmanager
def started(command: str, *port_options: str, **environment: str) -> Generator[str]:
    """Start a server with a page's command, on a free port; give its URL.

    Args:
        command: the command, as the page shows it.
        port_options: options to append; the port itself follows them.
        environment: variables to set.
    """
    with free_port() as listening:
        port = listening.getsockname()[1]
    arguments = [*shlex.split(without_uv(command)), *port_options, str(port)]
    with subprocess.Popen(arguments, cwd=ROOT, env=os.environ | environment) as server:  # noqa: S603  # the page's
        try:
            ends = monotonic() + DEADLINE
            while not _is_open(port):
                assert server.poll() is None, "the server did not start"
                assert monotonic() < ends, "the server did not start in time"
                sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(DEADLINE)


@contextmanager
def running(application: ASGIApp) -> Generator[str]:
    """Run an application in a thread; give its URL."""
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, ws="none"))
    with free_port() as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            ends = monotonic() + DEADLINE
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                assert monotonic() < ends, "the server did not start in time"
                sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the server did not stop in time"


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return False
    return True


def typed(commands: Sequence[str], url: str = ADDRESS, **environment: str) -> list[str]:
    """What a shell prints for each of these blocks, with the server at this URL."""
    script = "echo; echo ---\n".join(map(without_uv, commands)).replace(ADDRESS, url)
    done = subprocess.run(  # noqa: S603  # the page's own
        ["bash", "-e", "-c", script],  # noqa: S607  # as the reader's is found
        cwd=ROOT,
        env=os.environ | environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE,
    )
    return done.stdout.split("\n---\n")
