"""Random visits: whatever people open, send, send again and forge, the rules hold.

A model beside the pages knows the status and the version of each Connection, and the matrix that
was typed by hand. Forms are kept, and sent at any time: late, twice, or by somebody else.
"""

from typing import NamedTuple

from dashboards import ADA, GRACE, STRANGER, Browser, Host, Seen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)
from oracle import VERDICTS

from connect_core import Actor, Role, Status

PEOPLE = {"ada": ADA, "grace": GRACE, "stranger": STRANGER}
ALLOWED = {(each.status, each.action, each.roles): each.target for each in VERDICTS}
names = st.sampled_from(list(PEOPLE))
steps = st.sampled_from(["activate", "deactivate", "reactivate"])


class Modelled(NamedTuple):
    """What the model knows of a Connection."""

    source: Actor
    destination: Actor
    status: Status
    version: int

    def roles(self, actor: Actor) -> frozenset[Role]:
        held = {Role.SOURCE: self.source, Role.DESTINATION: self.destination}
        return frozenset(role for role, holder in held.items() if holder == actor)

    def target(self, actor: Actor, step: str) -> Status | None:
        roles = self.roles(actor)
        return ALLOWED[self.status, step, roles]  # type: ignore[index]  # a StrEnum is a str


class Form(NamedTuple):
    """A form that somebody has opened."""

    address: str
    connection_id: str
    step: str
    fields: dict[str, str]


class Visits(RuleBasedStateMachine):
    """People at the pages, and the model beside them."""

    forms = Bundle("forms")

    def __init__(self) -> None:
        super().__init__()
        self.host = Host()
        self.model: dict[str, Modelled] = {}
        self.answered: dict[tuple[str, str], int] = {}

    def browser(self, name: str) -> Browser:
        return self.host.browser(name)

    @rule(name=names, to=names)
    def create(self, name: str, to: str) -> None:
        """The rules create, once and self."""
        source, destination = PEOPLE[name], PEOPLE[to]
        browser = self.browser(name)
        form = {**browser.get("/connections/new").fields(), "scope": "inquiry.read"}
        form["destination"] = destination.organization_id
        seen = browser.post("/connections/new", form)
        pairs = {(each.source, each.destination) for each in self.model.values()}
        if source == destination:
            assert seen.status == 422
        elif (source, destination) in pairs:
            assert seen.status == 409
        else:
            connection_id = seen.location.split("/")[2].partition("?")[0]
            self.model[connection_id] = Modelled(source, destination, Status.PENDING, 1)

    @precondition(lambda self: self.model)
    @rule(target=forms, data=st.data(), name=names, step=steps)
    def open(self, data: st.DataObject, name: str, step: str) -> object:
        """There is a button exactly if the step is permitted."""
        connection_id = data.draw(st.sampled_from(sorted(self.model)))
        known = self.model[connection_id]
        address = f"/connections/{connection_id}/{step}"
        seen = self.browser(name).get(address)
        assert bool(seen.buttons) is (known.target(PEOPLE[name], step) is not None)
        if not seen.buttons:
            return multiple()  # pyright: ignore[reportUnknownVariableType]  # of nothing
        assert seen.fields()["version"] == str(known.version)
        return Form(address, connection_id, step, seen.fields())

    @rule(form=forms, name=names)
    def send(self, form: Form, name: str) -> None:
        """A form works once, for its version, and for those who may."""
        self.answer(form, name, self.browser(name).post(form.address, form.fields))

    @rule(form=consumes(forms), name=names)
    def send_twice(self, form: Form, name: str) -> None:
        """A double click."""
        browser = self.browser(name)
        self.answer(form, name, browser.post(form.address, form.fields))
        self.answer(form, name, browser.post(form.address, form.fields))

    @precondition(lambda self: self.model)
    @rule(data=st.data(), name=names, step=steps, ahead=st.integers(-1, 1), key=st.uuids())
    def forge(self, data: st.DataObject, name: str, step: str, ahead: int, key: object) -> None:
        """A form that nobody has opened is no other."""
        connection_id = data.draw(st.sampled_from(sorted(self.model)))
        version = max(self.model[connection_id].version + ahead, 1)
        fields = {"version": str(version), "key": f"form_{key}"}
        form = Form(f"/connections/{connection_id}/{step}", connection_id, step, fields)
        self.answer(form, name, self.browser(name).post(form.address, fields))

    def answer(self, form: Form, name: str, seen: Seen) -> None:
        """Compare an answer with the model, and take the step there."""
        used = (PEOPLE[name].organization_id, form.fields["key"])
        if used in self.answered:
            assert seen.status == self.answered[used]
            return
        self.answered[used] = seen.status
        known = self.model[form.connection_id]
        target = known.target(PEOPLE[name], form.step)
        if target is None or form.fields["version"] != str(known.version):
            assert seen.status in (403, 404, 409)
            return
        version = known.version + 1
        assert seen.location == f"/connections/{form.connection_id}?version={version}"
        self.model[form.connection_id] = known._replace(status=target, version=version)

    @invariant()
    def what_is_stored_is_what_the_model_says(self) -> None:
        for connection_id, known in self.model.items():
            stored = self.host.service.get(connection_id, by=known.source)
            assert (stored.status, stored.version) == (known.status, known.version)

    @invariant()
    def everybody_sees_their_own(self) -> None:
        for name, actor in PEOPLE.items():
            own = [each for each, known in self.model.items() if known.roles(actor)]
            seen = self.browser(name).get("/connections")
            assert sorted(seen.all(".cell-name .id")) == sorted(own)
            due = [each for each in own if self.model[each].target(actor, "activate")]
            assert seen.words(".tabs a") == f"Needs my action {len(due)}"


TestVisits = Visits.TestCase
TestVisits.settings = settings(stateful_step_count=15)
