"""JSON values of unknown form: checks of their types, and their texts.

Each check returns the value with its type, or raises a `ValueError` that names the place and shows
the value. This module does not know what a decision table or a vector is.
"""

import json
from collections.abc import Iterable, Mapping
from typing import cast

#: A JSON object.
Record = Mapping[str, object]


def json_text(value: object) -> str:
    """A value as JSON. It distinguishes 1 from true, which are equal in Python."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def text_of(value: object) -> str:
    """A text as it is; any other value as JSON."""
    return value if isinstance(value, str) else json_text(value)


def excerpt(value: object) -> str:
    """The beginning of a value as JSON, for messages."""
    return json_text(value)[:60]


def members_text(record: Record, names: Iterable[str]) -> str:
    """Some members of an object: ``title "A title", since "1.0"``."""
    return ", ".join(
        f"{name} {json_text(record[name])}" if name in record else f"no {name}" for name in names
    )


def as_record(value: object, where: str) -> Record:
    """The value as an object."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be an object, not {excerpt(value)}")
    return cast("Record", value)


def as_list(value: object, where: str) -> list[object]:
    """The value as a list."""
    if not isinstance(value, list):
        raise ValueError(f"{where} must be a list, not {excerpt(value)}")
    return cast("list[object]", value)


def as_records(value: object, where: str) -> list[Record]:
    """The value as a list of objects."""
    return [as_record(each, f"each of {where}") for each in as_list(value, where)]


def as_text(value: object, where: str) -> str:
    """The value as text."""
    if not isinstance(value, str):
        raise ValueError(f"{where} must be text, not {excerpt(value)}")
    return value


def as_texts(value: object, where: str) -> frozenset[str]:
    """The value, a list of texts, as a set."""
    return frozenset(as_text(each, f"each of {where}") for each in as_list(value, where))
