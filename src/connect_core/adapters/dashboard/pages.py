"""Pages: for each request, the work to be done in a transaction, and the page that shows it.

A `Task` is what a request asks for. Its work returns an `Outcome`: a template with its variables,
or the address to go to. Everything that changes something ends in a redirect, so that reloading a
page repeats nothing. A refusal that a person can do something about has a page of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from connect_core import (
    Action,
    Actor,
    ConnectError,
    Connection,
    ConnectionEvent,
    ConnectionService,
    DuplicateConnectionError,
    SelfConnectionError,
    StaleConnectionError,
    TransitionError,
    actions,
    error_document,
)
from connect_core.adapters.dashboard.forms import (
    FIELDS,
    Fields,
    Offer,
    Problem,
    key_of,
    new_key,
    version_of,
)
from connect_core.adapters.dashboard.links import Links
from connect_core.adapters.dashboard.views import (
    MOST_EVENTS,
    Scope,
    Time,
    Viewpoint,
    entry,
    ids_of,
    scopes,
    sides,
    steps_to_active,
    summary,
    timeline,
)
from connect_core.adapters.dashboard.wording import ACTIONS, consequences, scope_label
from connect_core.history import Terms
from connect_core.identifiers import OrganizationId
from connect_core.scopes import DEFAULT_SCOPES


class Shown(NamedTuple):
    """A page.

    Attributes:
        template: the name of the template.
        ids: the organizations and actors that it names, besides the visitor and theirs.
        context: gives the variables of the template.
        status: the HTTP status.
    """

    template: str
    ids: frozenset[str]
    context: Callable[[Viewpoint], Mapping[str, Any]]
    status: int = 200


class Redirect(NamedTuple):
    """The address of the page to go to."""

    address: str


Outcome = Shown | Redirect


def _has_no_page(_: ConnectError) -> None:
    """The refusal has no page of its own."""


class Task(NamedTuple):
    """What a request asks for.

    Attributes:
        work: what is done in a transaction.
        changes: whether it may change something.
        refused: what shows a refusal; None if it has no page of its own.
    """

    work: Callable[[ConnectionService], Outcome]
    changes: bool = False
    refused: "Callable[[ConnectError], Task | Outcome | None]" = _has_no_page


# --- Create --------------------------------------------------------------------------------------


def creation(query: Fields) -> Shown:
    """The form to create a Connection; a query may fill it in."""
    offer = Offer.of(query)
    return _form(offer._replace(ticked=offer.ticked or Offer().ticked), [])


def create(visitor: Actor, form: Fields, links: Links) -> Task | Shown:
    """Create a Connection from a form.

    Raises:
        RequestError: the form was not made here.
    """
    offer, key = Offer.of(form), key_of(form)
    terms = offer.terms(visitor)
    if not isinstance(terms, Terms):
        return _form(offer, terms, status=422)

    def work(service: ConnectionService) -> Outcome:
        made = service.create(
            by=visitor,
            destination=terms.destination_organization_id,
            name=terms.name,
            scopes=terms.scopes,
            idempotency_key=key,
        )
        return Redirect(links.to("connections", made.connection.id, version="1"))

    return Task(work, changes=True, refused=partial(_not_created, visitor, offer))


def _not_created(visitor: Actor, offer: Offer, error: ConnectError) -> Task | Shown | None:
    if isinstance(error, SelfConnectionError):
        text = "That is your own organization. Enter the id of another one."
        return _form(offer, [Problem("destination", text)], status=422)
    if not isinstance(error, DuplicateConnectionError):
        return None

    def work(service: ConnectionService) -> Outcome:
        existing = service.find(by=visitor, destination=offer.destination)
        return _form(offer, [], existing=existing, is_duplicate=True, status=409)

    return Task(work)


def _form(
    offer: Offer,
    problems: Sequence[Problem],
    *,
    existing: Connection | None = None,
    is_duplicate: bool = False,
    status: int = 200,
) -> Shown:
    """The form to create a Connection, with what was typed, and what is wrong with it."""
    known = sorted(map(str, DEFAULT_SCOPES), reverse=True)

    def context(view: Viewpoint) -> Mapping[str, Any]:
        return {
            "offer": offer,
            "id_pattern": OrganizationId.pattern,
            "boxes": [Scope(scope, scope_label(scope)) for scope in known],
            "further": " ".join(filter(None, [*sorted(offer.ticked - set(known)), offer.further])),
            "problems": problems,
            "problem_of": dict.fromkeys(FIELDS, "") | dict(problems),
            "is_duplicate": is_duplicate,
            "existing": None if existing is None else summary(existing, view),
            "key": new_key(),
        }

    found = [] if existing is None else [existing]
    return Shown("new", ids_of(found), context, status)


# --- One Connection ------------------------------------------------------------------------------


def connection(visitor: Actor, connection_id: str, query: Fields) -> Task:
    """Everything about one Connection."""
    shows_all = query.get("events") == ["all"]
    just = query.get("version", [""])[0]

    def work(service: ConnectionService) -> Outcome:
        found = service.get(connection_id, by=visitor)
        events = service.history(connection_id, by=visitor)
        kept = events if shows_all else events[-MOST_EVENTS:]
        last = events[-1]
        is_news = just == str(found.version) and last.actor == visitor

        def context(view: Viewpoint) -> Mapping[str, Any]:
            return {
                "connection": summary(found, view),
                "creator": view.names.of(found.creator.id),
                "updated": Time.of(found.updated_at, view),
                "sides": sides(found, view),
                "way": steps_to_active(found, last, view),
                "events": timeline(kept, view),
                "left_out": len(events) - len(kept),
                "news": timeline([last], view)[0] if is_news else None,
            }

        return Shown("connection", ids_of([found], kept) | {str(found.creator.id)}, context)

    return Task(work)


# --- Steps ---------------------------------------------------------------------------------------


def confirmation(visitor: Actor, connection_id: str, action: Action) -> Task:
    """What an action will do, and the button that takes it."""

    def work(service: ConnectionService) -> Outcome:
        return _question(visitor, action, service.get(connection_id, by=visitor))

    return Task(work)


def take(visitor: Actor, connection_id: str, action: Action, form: Fields, links: Links) -> Task:
    """Take an action from a form.

    Raises:
        RequestError: the form was not made here.
    """
    key, version = key_of(form), version_of(form)

    def work(service: ConnectionService) -> Outcome:
        change = service.take(
            action, connection_id, by=visitor, expected_version=version, idempotency_key=key
        )
        done = str(change.connection.version)
        return Redirect(links.to("connections", connection_id, version=done))

    return Task(
        work, changes=True, refused=partial(_not_taken, visitor, connection_id, action, version)
    )


def _not_taken(
    visitor: Actor, connection_id: str, action: Action, version: int, error: ConnectError
) -> Task | None:
    """What has changed since the form was made, or why the action is not possible."""
    if not isinstance(error, StaleConnectionError | TransitionError):
        return None
    status, _ = error_document(error)

    def work(service: ConnectionService) -> Outcome:
        found = service.get(connection_id, by=visitor)
        events = service.history(connection_id, by=visitor)
        since = [event for event in events if event.version > version]
        return _question(visitor, action, found, since=since, status=status)

    return Task(work)


def _question(
    visitor: Actor,
    action: Action,
    found: Connection,
    *,
    since: Sequence[ConnectionEvent] = (),
    status: int | None = None,
) -> Shown:
    """The page that asks whether to take an action, or says why it is not possible."""
    decision = actions(visitor, found)[action]

    def context(view: Viewpoint) -> Mapping[str, Any]:
        asked = entry(decision, action, found, view.names)
        return {
            "connection": summary(found, view),
            "entry": asked,
            "scopes": scopes(found.scopes),
            "will": consequences(action, decision, found, view.names) if decision else None,
            "since": timeline(since, view),
            "is_stale": bool(since),
            "key": new_key(),
        }

    if status is None:
        status = 200 if decision else 409
    return Shown("confirm", ids_of([found], since), context, status)


# --- The organization ----------------------------------------------------------------------------


def information() -> Shown:
    """The organization's id, and who is signed in."""
    return Shown("organization", frozenset(), _nothing_more)


def _nothing_more(_: Viewpoint) -> Mapping[str, Any]:
    """The variables of every page are enough."""
    return {}


#: The actions that have a page below a Connection's.
STEPS: Final[Mapping[str, Action]] = {action.value: action for action in ACTIONS}
