"""The JSON Schemas of the kit's files and of its line protocol."""

import json
from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator

from connect_core.conformance.specification import DATA


def validator(name: str) -> Callable[[object], list[str]]:
    """A function that returns every violation of this schema in a document."""
    found = json.loads((DATA / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(found)
    schema: Any = Draft202012Validator(found)
    return lambda document: [error.message for error in schema.iter_errors(document)]
