"""One run of the exploration: its calls, chosen at random.

The calls are permitted or not; cells of the matrix that were not tried yet come first. Not
everything is read back after each call, as that would hide what a stale cache does; at the end of a
run it is.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from connect_core.conformance.model import Move, destination_in
from connect_core.conformance.permitted import NEVER, NO_SUCH_CONNECTION, SELF
from connect_core.conformance.trace import NOTHING, Trace
from connect_core.conformance.vectors import (
    VARIANTS,
    ActStep,
    Alternative,
    AnyStep,
    CreateStep,
    ReadStep,
    ShareStep,
)
from connect_core.conformance.worlds import World
from connect_core.decision import Cell
from connect_core.lifecycle import SHARING_STATUS, Action, Role, Status
from connect_core.policy import decision_table, steps_to

#: How far an expected version is from the current one; mostly the actor expects none.
_OFFSETS: Final = (*[None] * 8, 0, 0, 0, -1, -2, -3, 1, -256, 256, 2**32, 2**64)
#: How many Connections are looked at when a run ends.
_AUDITED: Final = 10


class RandomRun:
    """One random run: chooses calls, and makes them by a trace."""

    def __init__(
        self,
        trace: Trace,
        world: World,
        claims: frozenset[str],
        visited: set[Cell],
        required: set[Cell],
    ) -> None:
        self._trace = trace
        self._model = trace.model
        self._world = world
        self._chance = world.chance
        self._claims = claims
        self._visited = visited
        self._required = required
        self._has = world.features.__contains__

    def go(self, steps: int) -> None:
        """Create the Connections of the world, make this many calls, and look at everything."""
        for _ in range(self._world.connections):
            self._create(*self._pair(), named=self._world.name())
        if self._world.rounds and self._model.names():
            self._live_long(self._any(), self._world.rounds)
        for _ in range(steps):
            self._chance.choices(*self._kinds())[0]()
        self._look_at_everything()

    def _kinds(self) -> tuple[list[Callable[[], None]], list[int]]:
        """The kinds of calls that are possible now, and how often each is chosen."""
        kinds = {self._attempt: 20}
        if self._has("creates"):
            kinds[self._create_another] = 8
        if self._has("documents") and "documents" in self._claims:
            kinds[self._create_from_document] = 14
        if self._has("invalid"):
            kinds[self._create_invalid] = 5
        if self._model.names():
            kinds |= {self._move: 26, self._share: 25}
            if self._has("reads"):
                kinds[self._read] = 10
            if self._has("unknown-ids"):
                kinds[self._name_no_connection] = 6
        return list(kinds), list(kinds.values())

    # --- Creations ---

    def _pair(self) -> tuple[str, str]:
        """Two organizations; seldom the same one twice, and often the reverse of an old pair."""
        names = self._model.names()
        if names and self._chance.random() < 0.3:
            connection = self._model.connection(self._any())
            pair = connection.destination_organization_id, connection.source_organization_id
            return str(pair[0]), str(pair[1])
        one = self._world.organization()
        if self._has("self-connections") and self._chance.random() < 0.1:
            return one, one
        return one, self._chance.choice([each for each in self._world.organizations if each != one])

    def _create(
        self,
        by: str,
        to: str,
        *,
        source: str | None = None,
        named: str | None = None,
        asked: bool = True,
    ) -> Alternative | None:
        origin = by if source is None else source
        name = self._name(origin, to)
        return self._do(
            self._model.create(
                name,
                by=by,
                source=None if origin == by else origin,
                destination=to,
                called=named,
                scopes=self._world.scopes(),
                allow_self=origin == to and asked,
            )
        )

    def _create_another(self) -> None:
        """Create a Connection, by its source or somebody else, the first of its pair or not."""
        by, to = self._pair()
        source = None
        if self._has("named-source") and "named-source" in self._claims:
            source = self._chance.choice((None, self._world.organization()))
        asked = self._chance.random() < 0.5
        self._create(by, to, source=source, named=self._world.name(), asked=asked)

    def _create_from_document(self) -> None:
        by, to = self._pair()
        body = self._world.document(to)
        name = self._name(by, destination_in(body) or to)
        self._do(self._model.create_from(body, name, by=by))

    def _create_invalid(self) -> None:
        """Name terms that are not valid, for a new pair or an old one."""
        by, to = self._pair()
        terms = self._world.invalid()
        to = terms.destination or to
        self._do(
            self._model.create(
                self._name(by, to),
                by=by,
                destination=to,
                called=terms.name,
                scopes=terms.scopes,
            )
        )

    # --- Actions ---

    def _move(self) -> None:
        """Make a permitted move, and perhaps ask at once what it has changed."""
        name = self._any()
        connection = self._model.connection(name)
        parties = connection.source_organization_id, connection.destination_organization_id
        moves = self._model.moves_on(name, sorted(set(map(str, parties))), legal=True)
        move = self._chance.choice(moves)
        self._act(move, self._chance.choice(_OFFSETS))
        if self._has("asks-at-once"):
            destination = str(self._model.connection(name).destination_organization_id)
            self._ask(name, destination)

    def _attempt(self) -> None:
        """Bring a Connection to a status, and try something, permitted or not.

        Cells of the matrix that were not tried yet come first.
        """
        left = sorted(self._required - self._visited, key=repr)
        table = left if left and self._chance.random() < 0.7 else sorted(self._required, key=repr)
        cell = self._chance.choice(table)
        if cell.status is None:
            self._try_to_create(cell)
            return
        name = self._connection_for(cell)
        if name is None:
            return
        by = self._holder(name, cell)
        if by is None or not self._bring_to(name, Status(str(cell.status))):
            return
        if cell.action is Action.CREATE:
            first = self._model.connection(name)
            source, to = str(first.source_organization_id), str(first.destination_organization_id)
            self._create(by, to, source=source)
        else:
            self._act(Move(name, by, cell.action), self._chance.choice(_OFFSETS))

    def _try_to_create(self, cell: Cell) -> None:
        """Try to create a Connection for a pair that has none, in this cell's role."""
        one, other, third = (self._world.organization() for _ in range(3))
        if len(cell.roles) > 1:
            other = one
        elif one == other:
            return
        if self._model.named(one, other) is not None:
            return
        by = one
        if Role.SOURCE not in cell.roles:
            by = other if cell.roles else third
        if cell.roles or third not in (one, other):
            self._create(by, other, source=one, named=self._world.name())

    def _connection_for(self, cell: Cell) -> str | None:
        """A Connection in which somebody has the roles of a cell; None if there is none."""
        names = list(self._model.names())
        self._chance.shuffle(names)
        for name in names:
            connection = self._model.connection(name)
            parties = connection.source_organization_id, connection.destination_organization_id
            if (parties[0] == parties[1]) is (len(cell.roles) > 1) or not cell.roles:
                return name
        by = self._world.organization()
        others = [each for each in self._world.organizations if each != by]
        to = by if len(cell.roles) > 1 else self._chance.choice(others)
        self._create(by, to)
        return self._model.named(by, to)

    def _holder(self, name: str, cell: Cell) -> str | None:
        """An organization with the roles of a cell in a Connection; None if there is none."""
        connection = self._model.connection(name)
        if cell.roles:
            return str(connection.organization_of(sorted(cell.roles)[0]))
        parties = {connection.source_organization_id, connection.destination_organization_id}
        others = [each for each in self._world.organizations if each not in parties]
        return self._chance.choice(others) if others else None

    def _act(self, move: Move, offset: int | None = None) -> Alternative | None:
        """Act, with an expected version relative to the current one, if that is claimed."""
        version = None
        claimed = {"versions", "expected-version"} <= self._claims
        if offset is not None and claimed and self._has("expected-version"):
            version = max(1, self._model.connection(move.connection).version + offset)
        return self._do(self._model.act(move, version))

    def _bring_to(self, name: str, status: Status) -> bool:
        """Bring a Connection to a status by permitted moves; return whether that was possible."""
        for step in steps_to(self._model.connection(name), status):
            role = self._chance.choice(sorted(step.roles))
            by = str(self._model.connection(name).organization_of(role))
            if self._act(Move(name, by, step.action)) is None:
                return False
        return True

    def _live_long(self, name: str, rounds: int) -> None:
        """Take a Connection through all its statuses again and again."""
        for _ in range(rounds):
            for status in (SHARING_STATUS, Status.INACTIVE, Status.PENDING):
                if not self._bring_to(name, status):
                    return

    # --- Questions ---

    def _share(self) -> None:
        """Ask to read data, in the current status or after bringing the Connection to another."""
        name = self._any()
        if self._chance.random() < 0.4:
            self._bring_to(name, SHARING_STATUS)
        connection = self._model.connection(name)
        reader = str(connection.destination_organization_id)
        who = self._chance.random()
        if who < 0.2:
            reader = str(connection.source_organization_id)
        elif who < 0.4 and self._has("outsiders"):
            reader = self._world.organization()
        self._ask(name, reader)

    def _ask(self, name: str, by: str) -> None:
        scopes = sorted(map(str, self._model.connection(name).scopes))
        others = sorted(map(str, self._model.connection(self._any()).scopes))
        scope = self._world.asked(scopes, others)
        self._do(self._model.share(name, by=by, scope=scope))

    def _read(self) -> None:
        """Read a Connection, mostly as a party."""
        name = self._any()
        connection = self._model.connection(name)
        parties = connection.source_organization_id, connection.destination_organization_id
        outside = self._has("outsiders") and self._chance.random() < 0.3
        by = self._world.organization() if outside else str(self._chance.choice(parties))
        self._trace.read(name, by)

    def _name_no_connection(self) -> None:
        """Name an id that no Connection has: any, or one made from that of a Connection."""
        name = self._chance.choice((NOTHING, self._any(), self._any()))
        call = {
            "by": self._world.organization(),
            "connection": name,
            "variant": None if name == NOTHING else self._chance.choice(tuple(VARIANTS)),
            "requirements": ("CXN-REFU-002" if name == NOTHING else "CXN-REFU-003",),
            "accept": NO_SUCH_CONNECTION,
        }
        if name != NOTHING:
            connection = self._model.connection(name)
            call["by"] = str(connection.organization_of(self._chance.choice(list(Role)[:2])))
        action = self._chance.choice(("activate", "deactivate", "reactivate"))
        self._do(
            self._chance.choice(
                (
                    ReadStep.model_validate(call),
                    ShareStep.model_validate({**call, "scope": "inquiry.read"}),
                    ActStep.model_validate({**call, "action": action}),
                )
            )
        )

    def _look_at_everything(self) -> None:
        """Read Connections as everybody, and ask for each of their scopes."""
        names = list(self._model.names())
        for name in self._chance.sample(names, min(_AUDITED, len(names))):
            connection = self._model.connection(name)
            source = str(connection.source_organization_id)
            destination = str(connection.destination_organization_id)
            for by in dict.fromkeys((source, destination, self._world.organization())):
                self._trace.read(name, by)
            for scope in sorted(map(str, connection.scopes))[:4]:
                self._do(self._model.share(name, by=destination, scope=scope))
            if self._chance.random() < 0.5:
                self._create(source, destination, asked=True)

    # --- Calls ---

    def _name(self, source: str, destination: str) -> str:
        """The name of the Connection for this pair."""
        pair = f"{source}>{destination}"
        return self._model.named(source, destination) or sha256(pair.encode()).hexdigest()[:10]

    def _any(self) -> str:
        """Any Connection; mostly one of the first, so that single ones live long."""
        names = self._model.names()
        if self._chance.random() < 0.5:
            return names[0]
        return self._chance.choice(names)

    def _do(self, step: AnyStep) -> Alternative | None:
        cell = self._model.cell(step) if step.connection != NOTHING and not step.variant else None
        answer = self._trace.do(step)
        if answer is not None and cell is not None:
            self._visited.add(cell)
            # Without self-connections, the cells of an actor with both roles cannot be reached.
            if isinstance(step, CreateStep) and NEVER in answer.answers.get(SELF, ()):
                self._visited.update(each for each in decision_table() if len(each.roles) > 1)
        return answer
