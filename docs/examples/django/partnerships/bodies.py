"""The body of a create request. It is read strictly, and every problem is reported."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connect_core import DEFAULT_SCOPES, InvalidDocumentError, Problem, Scope


class Offer(BaseModel):
    """What a create request asks for. The giving organization is not in it: it is the caller's."""

    model_config = ConfigDict(extra="forbid")

    to: UUID
    name: Annotated[str, Field(max_length=255, pattern=r"^\P{Cc}*$")] | None = None
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=64)] = sorted(DEFAULT_SCOPES)


def offer_in(body: bytes) -> Offer:
    """The offer in a body, or `InvalidDocumentError`, for which `Refusals` has an answer."""
    try:
        return Offer.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = tuple(Problem(_pointer(each["loc"]), each["msg"]) for each in found)
        malformed = found[0]["type"] == "json_invalid"
        raise InvalidDocumentError(problems, malformed) from None


def _pointer(location: tuple[int | str, ...]) -> str:
    """The place of a value as a JSON Pointer."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in parts)
