"""Families: what is claimed besides: versions, histories, times, and versions that are expected."""

from collections.abc import Iterator, Sequence

from connect_core.conformance.families.telling import (
    DESTINATION,
    EVERYBODY,
    OUTSIDER,
    ROUTES,
    SCOPES,
    SOURCE,
    WORDS,
    Story,
    Walk,
    moves_after,
    named,
    told_in_words,
    walks,
)
from connect_core.conformance.system import Outcome
from connect_core.conformance.vectors import (
    TIME_PLACE,
    Alternative,
    AnyStep,
    Check,
    ReadStep,
    Vector,
)
from connect_core.conformance.world import Move
from connect_core.lifecycle import Action


def versions() -> Iterator[Vector]:
    """The version after every change and every refusal."""
    for steps in walks(4):
        story = Story(f"versions/{named(steps)}", f"versions: {told_in_words(steps)}", "versions")
        _keep_book(story, steps, "version", ("CXN-VERS-001", "CXN-VERS-002", "CXN-VERS-003"))
        yield story.vector()


def history() -> Iterator[Vector]:
    """The events after every change and every refusal."""
    for steps in walks(3):
        story = Story(
            f"history/{named(steps)}", f"history: {told_in_words(steps)}", "versions", "history"
        )
        _keep_book(story, steps, "events", ("CXN-HIST-001", "CXN-HIST-001", "CXN-HIST-002"))
        yield story.vector()


def _keep_book(story: Story, steps: Walk, member: str, tests: tuple[str, str, str]) -> None:
    """A walk; before each step, and at the end, all that is refused. After each call, a member.

    Args:
        story: the story.
        steps: the walk.
        member: the member of the state that is read.
        tests: the requirements that this tests after the creation, a change and a refusal.
    """
    created, changed, refused = tests
    step: AnyStep = story.world.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
    _and_read(story, step, member, created)
    for by, action in steps:
        _all_refused(story, member, refused)
        _and_read(story, story.world.act(Move("main", by, action)), member, changed)
    _all_refused(story, member, refused)


def _all_refused(story: Story, member: str, tests: str) -> None:
    for move in story.world.moves(EVERYBODY, legal=False):
        _and_read(story, story.world.act(move), member, tests)


def _and_read(story: Story, step: AnyStep, member: str, tests: str) -> None:
    after = story.world.copy()
    after.follow(step, step.accept[0])
    then = after.read("main", by=DESTINATION, members=(member,), requirements=(tests,))
    story.tell(step, then=[then])


def times() -> Iterator[Vector]:
    """When a Connection was created and last changed."""
    for steps in walks(3):
        story = Story(f"times/{named(steps)}", f"times: {told_in_words(steps)}", "times")
        story.given()
        seen: dict[str, object] = {"created_at": TIME_PLACE, "updated_at": TIME_PLACE}
        due = Alternative(outcome=Outcome.OK, state=seen)
        story.tell(
            ReadStep(by=SOURCE, connection="main", requirements=("CXN-PERM-004",), accept=(due,))
        )
        for by, action in steps:
            for move in story.world.moves(EVERYBODY, legal=False):
                story.tell(
                    story.world.act(move),
                    then=[_still(story, ("created_at", "updated_at"), "CXN-PERM-005")],
                )
            step = story.world.act(Move("main", by, action))
            later = story.world.copy()
            later.follow(step, step.accept[0])
            moved = later.read(
                "main",
                by=SOURCE,
                members=(),
                requirements=("CXN-PERM-005",),
                not_before=("updated_at",),
            )
            story.tell(step, then=[_still(story, ("created_at",), "CXN-PERM-004"), moved])
        yield story.vector()


def _still(story: Story, unchanged: Sequence[str], requirement: str) -> Check:
    return story.world.read(
        "main", by=SOURCE, members=(), requirements=(requirement,), unchanged=unchanged
    )


def expected_version() -> Iterator[Vector]:
    """Versions that are expected: the right one, and those of before."""
    needs = ("versions", "expected-version")
    for route, steps in ROUTES.items():
        for by, action in moves_after(steps):
            about = f"{action}-{WORDS[by]}"
            story = Story(
                f"expected-version/{route}/{about}",
                f"{about} with versions expected, {route}",
                *needs,
            )
            story.given(walk=steps)
            version = story.world.connection("main").version
            for stale in (*range(1, version), version + 1):
                _expect(story, Move("main", by, action), stale)
            _expect(story, Move("main", by, action), version)
            yield story.vector()
    for name, route, move in (
        ("role-first/source-activates", "pending", Move("main", SOURCE, Action.ACTIVATE)),
        (
            "role-first/destination-reactivates",
            "inactive",
            Move("main", DESTINATION, Action.REACTIVATE),
        ),
        ("status-last/source-reactivates", "active", Move("main", SOURCE, Action.REACTIVATE)),
        ("status-last/source-deactivates", "inactive", Move("main", SOURCE, Action.DEACTIVATE)),
        ("outsider-first/activates", "pending-again", Move("main", OUTSIDER, Action.ACTIVATE)),
        ("outsider-first/deactivates", "inactive", Move("main", OUTSIDER, Action.DEACTIVATE)),
    ):
        story = Story(f"expected-version/{name}", f"another version is expected: {name}", *needs)
        story.given(walk=ROUTES[route])
        _expect(story, move, story.world.connection("main").version + 1)
        _expect(story, move, story.world.connection("main").version)
        yield story.vector()


def _expect(story: Story, move: Move, version: int) -> None:
    step = story.world.act(move, version)
    story.tell(step, then=story.seen_after(step)[:1])
