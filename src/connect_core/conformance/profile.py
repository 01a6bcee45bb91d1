"""Profiles: an implementation's claims, its answers to open points, and its known failures.

`Answers` keeps track of the answers to open points that are still possible during a run. This
module tests nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from itertools import product
from pathlib import Path
from typing import Final, Self

from pydantic import Field, StrictBool, ValidationError, ValidationInfo, field_validator

from connect_core.conformance.specification import load_specification
from connect_core.conformance.subject import Choices
from connect_core.conformance.vectors import problems_of
from connect_core.jsonapi import Representation
from connect_core.parties import Immutable


class InvalidProfileError(ValueError):
    """A profile is not valid. Nothing was run."""


#: The header fields that the kit itself sets, or that would change how answers are spelled.
_RESERVED: Final = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "connection", "content-length"),
        *("content-type", "cookie", "host", "idempotency-key", "if-match", "if-none-match"),
        *("key-inflection", "transfer-encoding"),
    }
)
#: The placeholders in a path, and what a path may consist of without them.
_PLACES: Final = re.compile(r"\{(\w*)\}")
_PATH: Final = re.compile(
    r"(?!//|.*://)[0-9A-Za-z_.~!$&'()*+,;=:@%/-]+(?:\?[0-9A-Za-z_.~!$&'()*+,;=:@%/?-]*)?"
)


class HttpProfile(Immutable):
    """What an implementation behind HTTP has beyond the published operations.

    A path that begins with a slash is relative to the service's base URL, any other to the
    collection, ``/api/v1/connect/connections/``. In it, ``{id}`` stands for the Connection's id.

    Attributes:
        activate: the path to which an activation is posted.
        history: the path of the history; None if there is none. It is answered with a list of
            resource objects in ``data``, oldest first, whose attributes are ``version``,
            ``action``, ``previous-status``, ``status`` and ``organization-id``.
        share: the path that asks whether data of the scope ``{scope}`` may be read now; None if
            there is none. It is answered with 200 if so, and otherwise refused like everything.
        scopes: False if a creation takes no scopes, so that every Connection has the default ones.
        headers: header fields for every request, such as ``Persona-Version``. They are no place for
            secrets.

    Raises:
        pydantic.ValidationError: a field is not valid.
    """

    activate: str = "{id}/activate"
    history: str | None = None
    share: str | None = None
    scopes: StrictBool = True
    headers: dict[str, str] = Field(default={})

    @field_validator("activate", "history", "share")
    @classmethod
    def _is_a_path(cls, value: str | None, info: ValidationInfo) -> str | None:
        due = {"id", "scope"} if info.field_name == "share" else {"id"}
        if value is None:  # given so
            return None
        if set(_PLACES.findall(value)) != due or not _PATH.fullmatch(_PLACES.sub("x", value)):
            places = " and ".join(f"{{{each}}}" for each in sorted(due))
            raise ValueError(f"{value!r} is not a path with {places} in it")
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[0-9A-Za-z!#$%&'*+.^_`|~-]+", name):
                raise ValueError(f"{name!r} is not the name of a header")
            if name.lower() in _RESERVED:
                raise ValueError(f"{name} cannot be set in a profile")
            if not re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", text):
                raise ValueError(f"the value of {name} is not printable ASCII")
        return value


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
        http: what it has beyond the published operations, if it is tested over HTTP.

    Raises:
        pydantic.ValidationError: a field is not valid.
        InvalidProfileError: from `checked`: it names something that the specification does not
            have.
    """

    name: str = Field(default="the implementation", min_length=1)
    claims: tuple[str, ...] = Field(default_factory=_every_capability)
    answers: dict[str, str] = Field(default={})
    known_failures: dict[str, str] = Field(default={})
    http: HttpProfile = Field(default_factory=HttpProfile)

    def over_http(self, representation: Representation = "guide") -> Self:
        """This profile without the capabilities that HTTP cannot carry.

        These are ``named-source``, since the source is whoever acts; ``history``, unless the
        profile names its path; and ``documents`` in the published form, which is not the guide's.

        Args:
            representation: the form of the documents.
        """
        lost = {"named-source"}
        lost |= set() if self.http.history else {"history"}
        lost |= {"documents"} if representation == "current" else set()
        changed = self.model_copy(
            update={"claims": tuple(each for each in self.claims if each not in lost)}
        )
        if "claims" not in self.model_fields_set:
            changed.model_fields_set.discard("claims")
        return changed

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

    It knows which answers are possible together: where an answer of the implementation can mean
    one thing or another, it narrows several points at once.

    Args:
        chosen: the answers that the profile declares.
    """

    def __init__(self, chosen: Mapping[str, str]) -> None:
        points = load_specification().answers()
        self._points = tuple(points)
        each = [(chosen[point],) if point in chosen else points[point] for point in points]
        #: Every possible combination of answers, one for each point. It is replaced, never changed.
        self._possible = frozenset(product(*each))
        #: What holds in all of them, to save time.
        self._known: set[tuple[tuple[str, tuple[str, ...]], ...]] = set()

    def copy(self) -> "Answers":
        """A copy that changes independently."""
        copied = copy(self)
        copied._known = set(self._known)
        return copied

    def contradiction(self, choices: Choices) -> str | None:
        """Why earlier answers exclude these; None if they do not."""
        if not choices or tuple(choices.items()) in self._known or self._agreeing(choices):
            return None
        left = self.left()
        for point, answers in choices.items():
            if not set(answers) & set(left[point]):
                return f"{point} is answered by {' or '.join(left[point])} elsewhere"
        return f"{' and '.join(choices)} are answered otherwise elsewhere"

    def narrow(self, *choices: Choices) -> None:
        """Keep only the answers that agree with at least one of these."""
        if not all(choices) or (known := tuple(choices[0].items())) in self._known:
            return
        self._possible = frozenset(each for some in choices for each in self._agreeing(some))
        if len(choices) == 1:
            self._known.add(known)

    def joined(self, other: "Answers") -> "Answers | None":
        """The answers that agree with both; None if there are none."""
        copied = self.copy()
        copied._possible &= other._possible
        return copied if copied._possible else None

    def _agreeing(self, choices: Choices) -> frozenset[tuple[str, ...]]:
        """The combinations that agree with these answers."""
        places = [(self._points.index(point), answers) for point, answers in choices.items()]
        return frozenset(
            each for each in self._possible if all(each[place] in due for place, due in places)
        )

    def left(self) -> dict[str, list[str]]:
        """The answers to each open point that are still possible, sorted."""
        return {
            point: sorted({each[place] for each in self._possible})
            for place, point in enumerate(self._points)
        }
