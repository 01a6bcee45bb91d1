"""Forms: what a browser sends, read strictly, and what is wrong with it, field by field.

A form of the Dashboard carries an idempotency key and, if it changes a Connection, the version that
it was made for. Both come back as they were sent; a form without them was not made here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from pydantic import ValidationError

from connect_core import Actor, Scope
from connect_core.adapters.http.refusals import RequestError
from connect_core.history import MAX_VERSION, Terms
from connect_core.identifiers import OrganizationId, minted
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES
from connect_core.text import shown

Fields = Mapping[str, Sequence[str]]

#: The media type of a form, as a browser sends it.
FORM_TYPE: Final = "application/x-www-form-urlencoded"
#: How many fields a form or a query has at most.
_MOST_FIELDS: Final = 200
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}")
#: The fields of the form to create a Connection.
FIELDS: Final = ("destination", "name", "scope", "further")
#: What separates the scopes in a field of text.
_BETWEEN_SCOPES: Final = re.compile(r"[\s,;]+")


def new_key() -> str:
    """An idempotency key for one form."""
    return minted("form_")


def fields_of(text: bytes | str) -> Fields:
    """The fields of a form or of a query.

    Raises:
        RequestError: it is none, or has too many fields, 400.
    """
    try:
        decoded = text.decode("ascii") if isinstance(text, bytes) else text
        return parse_qs(
            decoded, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise RequestError(
            400, "invalid_form", "The form or the address cannot be read. Open the page again."
        ) from None


def one(fields: Fields, name: str) -> str:
    """The value of a field, without spaces at its ends; empty if it is missing."""
    return fields.get(name, [""])[0].strip()


def key_of(form: Fields) -> str:
    """The idempotency key of a form.

    Raises:
        RequestError: there is none, 400.
    """
    if not (key := one(form, "key")):
        raise incomplete()
    return key


def version_of(form: Fields) -> int:
    """The version that a form was made for.

    Raises:
        RequestError: there is none, 400.
    """
    text = one(form, "version")
    if _VERSION.fullmatch(text) is None or int(text) > MAX_VERSION:
        raise incomplete()
    return int(text)


def incomplete() -> RequestError:
    """The refusal of a form that was not made here, 400."""
    return RequestError(
        400, "incomplete_form", "The form is not complete. Open the page again, and send it anew."
    )


class Problem(NamedTuple):
    """What is wrong with a field, and what to do."""

    field: str
    text: str


class Offer(NamedTuple):
    """What somebody has typed to create a Connection, as text.

    Attributes:
        destination: the id of the organization to share with.
        name: the Connection's name.
        ticked: the scopes of the boxes that are ticked.
        further: other scopes, separated by spaces, commas or lines.
    """

    destination: str = ""
    name: str = ""
    ticked: frozenset[str] = frozenset(map(str, DEFAULT_SCOPES))
    further: str = ""

    @classmethod
    def of(cls, fields: Fields) -> "Offer":
        """What a form, or a query that fills in a form, says."""
        return cls(
            one(fields, "destination"),
            one(fields, "name"),
            frozenset(fields.get("scope", [])),
            one(fields, "further"),
        )

    @property
    def scopes(self) -> list[str]:
        """All scopes that it names."""
        further = _BETWEEN_SCOPES.split(self.further) if self.further else []
        return sorted({*self.ticked, *filter(None, further)})

    def terms(self, visitor: Actor) -> "Terms | list[Problem]":
        """The terms of the Connection, or everything that is wrong with them."""
        try:
            return Terms.model_validate(
                {
                    "source_organization_id": visitor.organization_id,
                    "destination_organization_id": self.destination,
                    "name": self.name or None,
                    "scopes": self.scopes,
                }
            )
        except ValidationError as error:
            wrong = {str(each["loc"][0]): each["msg"] for each in error.errors()}
        problems: list[Problem] = []
        if "destination_organization_id" in wrong:
            problems.append(Problem("destination", _about_destination(self.destination)))
        if "name" in wrong:
            problems.append(Problem("name", _sentence(wrong["name"])))
        if "scopes" in wrong:
            problems.append(_about_scopes(self.scopes))
        return problems


def _about_destination(text: str) -> str:
    if not text:
        return "Enter the organization id of your partner."
    return (
        f"“{shown(text, 80)}” is not an organization id. It begins with org_, and letters, digits,"
        f" _ or - follow, {OrganizationId.max_length} characters at most. Your partner finds it"
        " under Organization > Information."
    )


def _about_scopes(scopes: Sequence[str]) -> Problem:
    for scope in scopes:
        try:
            Scope(scope)
        except ValueError:
            return Problem(
                "further", f"“{shown(scope, 80)}” is not a scope. One looks like inquiry.read."
            )
    if scopes:
        return Problem("further", f"A Connection has at most {MAX_SCOPES} scopes.")
    return Problem("scope", "Choose at least one kind of data to share.")


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{text[:1].upper()}{text[1:]}."
