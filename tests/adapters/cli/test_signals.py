"""Signals: what is unfinished is removed, or finished by a server; then the process ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any

import pytest
from exports import THREE, Place, line
from terminal import environment

from connect_core.adapters.cli.signals import cleaning_up, stopping

BOTH = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals that handlers of the caller's own have received."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in BOTH}
    # A shell lets its background jobs ignore this one, and the tests may be one of them.
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupted(steps: list[str], first: int, *rest: int) -> None:
    """Send signals to this process, the first in the block and the rest while it cleans up."""
    with cleaning_up():
        try:
            os.kill(os.getpid(), first)
            steps.append("not reached")
        except (Exception, SystemExit):
            steps.append("caught")
        finally:
            for number in rest:
                os.kill(os.getpid(), number)
            steps.append("cleaned up")


class TestCleaningUp:
    """The block is left as by an exception that no handler for failures catches."""

    @pytest.mark.parametrize("number", BOTH)
    def test_a_signal(self, handled: list[int], number: signal.Signals) -> None:
        steps: list[str] = []
        with pytest.raises(SystemExit) as left:
            interrupted(steps, number)
        assert (left.value.code, steps, handled) == (128 + number, ["cleaned up"], [])

    def test_a_second_one_does_not_disturb(self, handled: list[int]) -> None:
        steps: list[str] = []
        with pytest.raises(SystemExit) as left:
            interrupted(steps, signal.SIGTERM, signal.SIGTERM, signal.SIGHUP)
        assert (left.value.code, steps, handled) == (143, ["cleaned up"], [])

    def test_without_a_signal(self, handled: list[int]) -> None:
        with cleaning_up():
            pass
        with pytest.raises(KeyError), cleaning_up():
            raise KeyError
        os.kill(os.getpid(), signal.SIGTERM)
        assert handled == [signal.SIGTERM]  # the caller's own handlers are back

    @pytest.mark.usefixtures("handled")
    def test_an_ignored_signal_stays_ignored(self) -> None:
        """As under `nohup`."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with cleaning_up():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def test_another_thread_may_not_set_handlers(self) -> None:
        done: list[str] = []

        def work() -> None:
            with cleaning_up():
                done.append("in the block")

        thread = Thread(target=work)
        thread.start()
        thread.join()
        assert done == ["in the block"]


def stopped(steps: list[str], first: int, *rest: int) -> None:
    """The same for a server that handles no signal itself."""
    with stopping():
        try:
            os.kill(os.getpid(), first)
            steps.append("not reached")
        except Exception:
            steps.append("caught")
        finally:
            for number in rest:
                os.kill(os.getpid(), number)
            steps.append("cleaned up")


class TestStopping:
    """A server ends with 0: to be stopped is how it ends."""

    @pytest.mark.parametrize("number", [*BOTH, signal.SIGINT])
    def test_a_signal(self, handled: list[int], number: signal.Signals) -> None:
        steps: list[str] = []
        with pytest.raises(SystemExit) as left:
            stopped(steps, number)
        assert (left.value.code, steps, handled) == (0, ["cleaned up"], [])

    @pytest.mark.parametrize("number", [*BOTH, signal.SIGINT])
    def test_more_do_not_disturb(self, handled: list[int], number: signal.Signals) -> None:
        steps: list[str] = []
        with pytest.raises(SystemExit) as left:
            stopped(steps, number, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        assert (left.value.code, steps, handled) == (0, ["cleaned up"], [])

    def test_the_handlers_come_back(self, handled: list[int]) -> None:
        """Also after an exception."""
        interrupt = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyError), stopping():
            raise KeyError
        for number in BOTH:
            os.kill(os.getpid(), number)
        assert handled == BOTH
        assert signal.getsignal(signal.SIGINT) is interrupt

    @pytest.mark.usefixtures("handled")
    def test_a_server_handles_sigterm_itself(self) -> None:
        """A SIGHUP comes to it as one."""
        received: list[int] = []
        with stopping():
            signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
            os.kill(os.getpid(), signal.SIGHUP)
        assert received == [signal.SIGTERM]

    @pytest.mark.usefixtures("handled")
    def test_an_ignored_signal_stays_ignored(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with stopping():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def test_another_thread_may_not_set_handlers(self) -> None:
        done: list[str] = []

        def work() -> None:
            with stopping():
                done.append("in the block")

        thread = Thread(target=work)
        thread.start()
        thread.join()
        assert done == ["in the block"]


#: The signals as a shell at a terminal leaves them. What runs in the background may ignore them.
AS_USUAL = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
#: Runs a command that says that it has begun to read Connections, and then reads no further.
HANGING = """\
import sys, time
from connect_core.adapters.cli import demo
from connect_core.adapters.sql import SqlConnectionStore
from connect_core.__main__ import main

plain_records = SqlConnectionStore.plain_records

def slow(self, **options):
    yield next(plain_records(self, **options))
    hang()

def hang(*_, **__):
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)

SqlConnectionStore.plain_records = slow
demo._Story.read = hang
main()
"""


@contextmanager
def hanging(*arguments: str, before: str = "", **variables: str) -> Generator[Any]:
    """A command that has begun its work, and hangs."""
    with subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", AS_USUAL + before + HANGING, *arguments],
        env=environment(**variables),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "ready\n"
            yield process
        finally:
            process.kill()


class TestCommands:
    """A command that is ended leaves nothing behind."""

    @pytest.mark.parametrize("number", [*BOTH, signal.SIGINT])
    def test_export(self, place: Place, number: signal.Signals) -> None:
        place.add(*THREE)
        target = Path(place.file(line(THREE[0]), "out.jsonl"))
        with hanging("export", str(target), "--database", place.url) as process:
            assert len(list(place.directory.glob(".*.part"))) == 1
            process.send_signal(number)
            if number != signal.SIGINT:  # which a person sends again to hurry
                process.send_signal(number)
            code = process.wait()
            told = process.stderr.read()
        assert (code, told) == (128 + number, "")
        assert target.read_text() == line(THREE[0])
        assert not list(place.directory.glob(".*"))
        assert len(place.kept()) == 3

    @pytest.mark.parametrize("number", [*BOTH, signal.SIGINT])
    def test_demo(self, tmp_path: Path, number: signal.Signals) -> None:
        """Its database is in a temporary directory."""
        with hanging("demo", TMPDIR=str(tmp_path)) as process:
            assert len(list(tmp_path.iterdir())) == 1
            process.send_signal(number)
            assert process.wait() == 128 + number
        assert list(tmp_path.iterdir()) == []

    def test_under_nohup(self, place: Place) -> None:
        place.add(*THREE)
        ignoring = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        arguments = ("export", str(place.directory / "out.jsonl"), "--database", place.url)
        with hanging(*arguments, before=ignoring) as process:
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 143
