"""Profiles: an implementation's claims, its answers to open points, and its known failures.

`Answers` keeps track of the answers to open points that are still possible during a run. This
module tests nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from connect_core.conformance.specification import load_specification
from connect_core.conformance.vectors import Alternative, problems_of
from connect_core.parties import Immutable


class InvalidProfileError(ValueError):
    """A profile is not valid. Nothing was run."""


def _every_capability() -> tuple[str, ...]:
    return tuple(load_specification().capabilities)


class Profile(Immutable):
    """What is claimed for an implementation. What is claimed is mandatory.

    Attributes:
        name: the name of the implementation in reports.
        claims: the capabilities that it has; all of them by default.
        answers: the chosen answers to open points of the specification. The implementation is held
            to them. Where none is declared, it has to give the same answer every time.
        known_failures: the ids of vectors that it is known to fail, each with a reason. If one of
            them passes, that counts as a failure: remove it from the list.

    Raises:
        pydantic.ValidationError: a field is not valid.
        InvalidProfileError: from `checked`: it names something that the specification does not
            have.
    """

    name: str = Field(default="the implementation", min_length=1)
    claims: tuple[str, ...] = Field(default_factory=_every_capability)
    answers: dict[str, str] = Field(default={})
    known_failures: dict[str, str] = Field(default={})

    def checked(self, vector_ids: Iterable[str]) -> Self:
        """This profile, if everything that it names exists.

        Args:
            vector_ids: the ids of all vectors.

        Raises:
            InvalidProfileError: with every problem of the profile.
        """
        specification = load_specification()
        points = specification.answers()
        problems = [
            f"there is no capability {each!r} (there are {', '.join(specification.capabilities)})"
            for each in self.claims
            if each not in specification.capabilities
        ]
        problems += [
            f"{each!r} cannot be claimed without {' and '.join(map(repr, lacking))}"
            for each in self.claims
            if (lacking := self.lacks(_required_with(each)))
        ]
        for point, answer in self.answers.items():
            if point not in points:
                problems.append(f"there is no open point {point!r} ({', '.join(points)})")
            elif answer not in points[point]:
                problems.append(f"{point} has no answer {answer!r} ({', '.join(points[point])})")
        known = set(vector_ids)
        problems += [
            f"there is no vector {each!r}" for each in self.known_failures if each not in known
        ]
        problems += [
            f"the known failure {each!r} has no reason"
            for each, reason in self.known_failures.items()
            if not reason.strip()
        ]
        if problems:
            raise InvalidProfileError(
                f"The profile of {self.name} is not valid: {'; '.join(problems)}."
            )
        return self

    def why_tested(self, needs: Sequence[str]) -> str:
        """Why a call that needs these capabilities was made, in words."""
        named = " and ".join(f"`{each}`" for each in needs)
        if not needs:
            return "and every implementation has to support it"
        if "claims" not in self.model_fields_set:
            return f"and no claims are given, so that every capability is assumed, also {named}"
        if self.lacks(needs):
            return f"and the vector does not list {named} among its needs"
        return f"and the profile claims {named}"

    def lacks(self, needs: Iterable[str]) -> list[str]:
        """Those of these capabilities that are not claimed."""
        return [each for each in needs if each not in self.claims]


def _required_with(capability: str) -> list[str]:
    """The capabilities that are needed by every requirement that needs this one."""
    needs = [each.needs for each in load_specification().requirements if capability in each.needs]
    return sorted(set(needs[0]).intersection(*needs[1:])) if needs else []


def read_profile(path: Path) -> Profile:
    """The profile in a JSON file.

    Raises:
        InvalidProfileError: the file cannot be read, or is not a profile.
    """
    try:
        return Profile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidProfileError(f"{path} cannot be read: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(problems_of(error))
        raise InvalidProfileError(f"{path} is not a profile: {problems}.") from None


class Answers:
    """The answers to open points that agree with everything observed so far. Mutable.

    Args:
        chosen: the answers that the profile declares.
    """

    def __init__(self, chosen: Mapping[str, str]) -> None:
        self._left = {
            point: frozenset({chosen[point]}) if point in chosen else frozenset(answers)
            for point, answers in load_specification().answers().items()
        }

    def copy(self) -> "Answers":
        """A copy that changes independently."""
        copied = Answers({})
        copied._left = dict(self._left)
        return copied

    def contradiction(self, alternative: Alternative) -> str | None:
        """Why earlier answers exclude this alternative; None if they do not."""
        for point, answers in alternative.answers.items():
            left = self._left[point]
            if not left & set(answers):
                return f"{point} is answered by {' or '.join(sorted(left))} elsewhere"
        return None

    def narrow(self, alternative: Alternative) -> None:
        """Keep only the answers that agree with this alternative."""
        for point, answers in alternative.answers.items():
            self._left[point] &= set(answers)

    def left(self) -> dict[str, list[str]]:
        """The answers to each open point that are still possible, sorted."""
        return {point: sorted(answers) for point, answers in self._left.items()}
