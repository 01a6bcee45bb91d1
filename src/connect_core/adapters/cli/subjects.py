"""The implementation that ``connect-core conformance run`` tests: which one, and how it is called.

Modules that need the extra `testing` are imported only when they are needed.
"""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import typer

if TYPE_CHECKING:
    from connect_core.conformance import KeyPool, Profile, System
    from connect_core.conformance.transports.organizations import KeyMaker


class Tested(NamedTuple):
    """An implementation, ready to be tested.

    Attributes:
        make_system: makes a system for a vector.
        make_explored: makes a system for a run of the exploration.
        profile: the profile, without what the transport cannot carry.
        organizations: how many organizations a run of the exploration may have.
    """

    make_system: "Callable[[], System]"
    make_explored: "Callable[[], System]"
    profile: "Profile"
    organizations: int


@dataclass(frozen=True)
class Subject:
    """The options that say which implementation is tested: exactly one of the first three.

    Attributes:
        python: ``module:factory``.
        command: the command of a process that speaks the line protocol.
        base: the URL of a service.
        keys: the file of the keys for the service.
        key_command: the command that makes them.
        timeout: how long an answer may take, in seconds.
    """

    python: str
    command: Sequence[str]
    base: str
    keys: Path | None
    key_command: str
    timeout: float

    @property
    def name(self) -> str:
        """What the implementation is called unless its profile says so, without folders."""
        return self.python or self.base or " ".join(Path(each).name for each in self.command)

    def require_one(self, *, stdio: bool) -> None:
        """Refuse options that name no implementation, or more than one.

        Raises:
            typer.BadParameter: they do.
        """
        if [bool(self.python), stdio, bool(self.base)].count(True) != 1 or (
            bool(self.command) is not stdio
        ):
            raise typer.BadParameter(
                "give one of --python MODULE:FACTORY, --http BASE and --stdio -- COMMAND."
            )
        sources = [self.keys is not None, bool(self.key_command)].count(True)
        if sources != (1 if self.base else 0):
            raise typer.BadParameter(
                "give --keys FILE or --key-command CMD with --http, and only with it."
            )

    @contextmanager
    def opened(self, profile: "Profile") -> Generator[Tested]:
        """The implementation; a process or a connection lives as long as the context.

        Raises:
            BrokenSystemError: it cannot be started or reached.
            typer.BadParameter: an option is not valid.
        """
        from connect_core.conformance import HttpService, StdioPeer
        from connect_core.conformance.exploration import ORGANIZATIONS
        from connect_core.conformance.transports.organizations import RUN_KEYS

        if self.python:
            factory = _factory(self.python)
            yield Tested(factory, factory, profile, ORGANIZATIONS)
        elif self.base:
            keys = self._keys()
            try:
                service = HttpService(self.base, keys, profile, timeout=self.timeout)
            except ValueError as error:
                raise typer.BadParameter(f"{error}.", param_hint="'--http'") from None
            with service:
                most = ORGANIZATIONS if self.keys is None else RUN_KEYS
                explored = partial(service.system, related=False)
                yield Tested(service.system, explored, service.profile, most)
        else:
            with StdioPeer(self.command, self.timeout) as peer:
                yield Tested(peer.ready, peer.ready, profile, ORGANIZATIONS)

    def _keys(self) -> "KeyPool | KeyMaker":
        from connect_core.conformance import key_command, read_keys

        try:
            if self.keys is None:
                return key_command(self.key_command)
            return read_keys(self.keys)
        except ValueError as error:
            option = "'--key-command'" if self.keys is None else "'--keys'"
            raise typer.BadParameter(f"{error}.", param_hint=option) from None


def _factory(text: str) -> "Callable[[], System]":
    """The factory that ``module:factory`` names; modules of the current folder are found, too."""
    module, _, name = text.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise typer.BadParameter(
            f"{text!r} cannot be imported: {error}.", param_hint="'--python'"
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(found):
        raise typer.BadParameter(f"{text!r} cannot be called.", param_hint="'--python'")
    return cast("Callable[[], System]", found)
