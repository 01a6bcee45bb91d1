"""Organizations for the executions: each execution has its own, with a key for each of them.

A vector names organizations, such as ``org_Source``. A service behind HTTP has to know them, and
keeps what earlier executions left behind. So `Organizations` maps the names of one execution to
organizations that are fresh for it, and back. There are two ways to get them: a function makes a
key for any organization (`KeyMaker`), or there is a fixed number of them (`KeyPool`).

Keys are secrets: no message, report or ``repr`` has one.
"""

import re
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Annotated, Final, Protocol, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from connect_core.conformance.shuffle import ORGANIZATION_IDS
from connect_core.conformance.transports.errors import PeerError
from connect_core.conformance.vectors import problems_of
from connect_core.identifiers import MAX_ID_LENGTH, OrganizationId
from connect_core.text import quoted, shown

#: A function that makes a key for an organization, and returns it.
MakeKey: TypeAlias = Callable[[str], str]

_PREFIX: Final = "org_"
#: A name that is longer tests the length of ids.
_LONG: Final = 100
#: What a key may consist of: it is sent in a header.
_KEY: Final = re.compile(r"[\x21-\x7e]+")
#: How long a command may take to make a key, in seconds.
_PATIENCE: Final = 60.0


class NotProvidedError(Exception):
    """There is no organization such as an execution needs. The message says what it needs."""


class Organizations(Protocol):
    """The organizations of one execution."""

    def id_of(self, name: str) -> str:
        """The organization's id for a name of the execution. What is no id stays as it is.

        Raises:
            NotProvidedError: no organization can stand for this name.
            PeerError: there are no more organizations, or a key could not be made.
        """
        ...

    def key_of(self, name: str) -> str:
        """The key with which the organization acts; errors as `id_of`."""
        ...

    def name_of(self, id: str) -> str:
        """The name for an organization's id; the id itself if it is not one of the execution."""
        ...

    def connect(self, one: str, other: str) -> None:
        """Remember that a Connection between these two may exist from now on."""
        ...


class Keys(Protocol):
    """Where organizations and their keys come from."""

    def organizations(self, *, related: bool = True) -> Organizations:
        """The organizations of a new execution.

        Args:
            related: True if the ids have to be related as the names are, such as two that differ by
                case alone.
        """
        ...


def in_text(organizations: Organizations, text: str) -> tuple[str, list[str]]:
    """A text with ids in place of the names in it, and the names."""
    names = [each for each in ORGANIZATION_IDS.findall(text) if len(each) <= MAX_ID_LENGTH]
    return ORGANIZATION_IDS.sub(lambda found: organizations.id_of(found[0]), text), names


# --- Any number of organizations -----------------------------------------------------------------


class KeyMaker:
    """Organizations with ids that the kit invents, and keys that a function makes.

    An id has a tag after its prefix, which is the same for all ids of an execution, and another one
    in each: so ids that differ by case alone still do, and the longest ones still are the longest.

    Args:
        make_key: makes a key for an organization; called once for each.
    """

    def __init__(self, make_key: MakeKey) -> None:
        self._make_key = make_key
        self._run = secrets.token_hex(3)
        self._numbers = count(1)

    def organizations(self, *, related: bool = True) -> "InventedOrganizations":  # noqa: ARG002  # they always are
        """The organizations of a new execution; see `Keys`."""
        return InventedOrganizations(self._make_key, f"{self._run}{next(self._numbers)}-")


class InventedOrganizations:
    """See `KeyMaker` and `Organizations`. Mutable."""

    def __init__(self, make_key: MakeKey, tag: str) -> None:
        self._make_key = make_key
        self._tag = tag
        self._names: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def id_of(self, name: str) -> str:
        """See `Organizations.id_of`."""
        if not ORGANIZATION_IDS.fullmatch(name):
            return name
        rest = name.removeprefix(_PREFIX)
        if len(name) + len(self._tag) > MAX_ID_LENGTH:  # keep its length
            rest = rest[len(self._tag) :]
        made = f"{_PREFIX}{self._tag}{rest}"
        if len(made) <= MAX_ID_LENGTH and made not in self._names:
            self._keys[made] = self._make_key(made)
            self._names[made] = name
        return made

    def key_of(self, name: str) -> str:
        """See `Organizations.key_of`."""
        return self._keys[self.id_of(name)]

    def name_of(self, id: str) -> str:
        """See `Organizations.name_of`."""
        return self._names.get(id, id)

    def connect(self, one: str, other: str) -> None:
        """See `Organizations.connect`. Nobody else has these organizations."""


def key_command(command: str) -> KeyMaker:
    """Keys that a command makes: it runs once for each organization, and prints the key.

    Args:
        command: the command with its arguments, quoted as for a shell, though none is involved.
            ``{organization}`` stands for the id.

    Raises:
        ValueError: it is no command, or does not say where the organization's id belongs.
    """
    arguments = shlex.split(command)
    if not any("{organization}" in each for each in arguments[1:]):
        raise ValueError(
            "the command needs {organization} among its arguments, in place of the organization's"
            " id"
        )

    def make_key(organization: str) -> str:
        filled = [each.replace("{organization}", organization) for each in arguments]
        failed = f"{shown(arguments[0])} made no key for {organization}: "
        try:
            done = subprocess.run(  # noqa: S603  # the command that the user asks for
                filled, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise PeerError(f"{failed}it took more than {_PATIENCE:g} s") from None
        except (OSError, ValueError) as error:
            raise PeerError(f"{failed}{error}") from None
        if done.returncode != 0:
            raise PeerError(f"{failed}its exit code is {done.returncode}")
        key = done.stdout.decode("utf-8", "replace").strip()
        if not _KEY.fullmatch(key):
            raise PeerError(f"{failed}it has to print the key, and nothing else")
        return key

    return KeyMaker(make_key)


# --- A fixed number of organizations -------------------------------------------------------------


def _organization(text: str) -> OrganizationId:
    try:
        return OrganizationId(text)
    except ValueError:  # its message shows the text, which may be a key in the wrong place
        raise ValueError(f"this is not {OrganizationId.expected}") from None


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError("a key is printable ASCII without spaces")
    return text


class _Entry(BaseModel):
    """An organization and its key in a file."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    organization: Annotated[str, AfterValidator(_organization)]
    token: Annotated[str, AfterValidator(_key)]


class KeyPool:
    """A fixed number of organizations, with the key of each. Mutable.

    No pair of them is used by two executions, in either direction, and an organization that made a
    Connection with itself is not used again. The ids are what they are: names that differ by case
    alone, and the longest ones, cannot be provided.

    Args:
        keys: each organization's id, with its key.

    Raises:
        ValueError: there are fewer than three, or two of the same organization.
    """

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        given = list(keys)
        self._keys = dict(given)
        if len(self._keys) != len(given):
            raise ValueError("an organization has two keys; give one")
        if len(given) < _FEWEST:
            raise ValueError(
                f"there are keys of {len(given)} organizations; a source, a destination and an"
                f" outsider are {_FEWEST}"
            )
        self._connected: dict[str, set[str]] = {each: set() for each in self._keys}

    def __repr__(self) -> str:
        return f"<KeyPool of {len(self._keys)} organizations>"

    def organizations(self, *, related: bool = True) -> "PooledOrganizations":
        """The organizations of a new execution; see `Keys`."""
        return PooledOrganizations(self, related=related)

    def ids(self) -> tuple[str, ...]:
        """The ids of the organizations."""
        return tuple(self._keys)

    def key_of(self, id: str) -> str:
        """The key of an organization."""
        return self._keys[id]

    def fresh(self, beside: Iterable[str]) -> str:
        """An organization that nothing connects with these, nor with itself.

        Raises:
            PeerError: there is none.
        """
        others = set(beside)
        unused = [
            each
            for each, connected in self._connected.items()
            if each not in others and each not in connected and not others & connected
        ]
        if not unused:
            raise PeerError(
                f"the {len(self._keys)} organizations are used up: no two executions can use the"
                f" same pair. {VECTOR_KEYS} keys are enough for all vectors; an exploration needs"
                f" {RUN_KEYS} more for each run"
            )
        # Take the one with the fewest connections, so that all pairs can be used.
        return min(unused, key=lambda each: len(self._connected[each]))

    def connect(self, one: str, other: str) -> None:
        """Remember that these two are used. Others than those of the pool do not matter."""
        if one in self._connected and other in self._connected:
            self._connected[one].add(other)
            self._connected[other].add(one)


class PooledOrganizations:
    """See `KeyPool` and `Organizations`. Mutable."""

    def __init__(self, pool: KeyPool, *, related: bool) -> None:
        self._pool = pool
        self._related = related
        self._ids: dict[str, str] = {}

    def id_of(self, name: str) -> str:
        """See `Organizations.id_of`."""
        if len(name) > MAX_ID_LENGTH or not ORGANIZATION_IDS.fullmatch(name):
            return name
        if name not in self._ids:
            if self._related and len(name) > _LONG:
                raise NotProvidedError(
                    f"None of the given keys is that of an organization whose id has {len(name)}"
                    " characters."
                )
            if self._related and name.lower() in map(str.lower, self._ids):
                raise NotProvidedError(
                    "The given keys are not those of two organizations whose ids differ by case"
                    " alone."
                )
            self._ids[name] = self._pool.fresh(self._ids.values())
        return self._ids[name]

    def key_of(self, name: str) -> str:
        """See `Organizations.key_of`."""
        return self._pool.key_of(self.id_of(name))

    def name_of(self, id: str) -> str:
        """See `Organizations.name_of`."""
        return next((name for name, known in self._ids.items() if known == id), id)

    def connect(self, one: str, other: str) -> None:
        """See `Organizations.connect`. What is not among the keys can belong to no other either."""
        if one in self._ids and other in self._ids:
            self._pool.connect(self._ids[one], self._ids[other])


#: How few keys a pool may have; how many do for all vectors; how many more a run may take.
_FEWEST: Final = 3
VECTOR_KEYS: Final = 240
RUN_KEYS: Final = 3

_FILE: Final = TypeAdapter(list[_Entry], config=ConfigDict(hide_input_in_errors=True))


def read_keys(path: Path) -> KeyPool:
    """The keys in a JSON file: a list of objects with ``organization`` and ``token``.

    Raises:
        ValueError: the file cannot be read, or is no such list.
    """
    try:
        entries = _FILE.validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        raise ValueError(f"{path} is not a list of keys: {'; '.join(problems_of(error))}") from None
    try:
        return KeyPool((each.organization, each.token) for each in entries)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def keys_from(keys: "Keys | MakeKey") -> Keys:
    """Keys of any kind; a function is one that makes keys.

    Raises:
        TypeError: it is neither.
    """
    if callable(keys):
        return KeyMaker(keys)
    if not hasattr(keys, "organizations"):
        raise TypeError(f"keys is {quoted(type(keys).__name__)}; it must make keys, or have some")
    return keys
