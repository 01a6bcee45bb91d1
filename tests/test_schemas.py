"""The JSON Schemas that the project publishes: no pattern lets the end of a line pass.

In Python, and in some other languages, ``$`` also matches before a line feed at the end of a text.
"""

import json
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter

import connect_core
from connect_core.conformance import Vector, load_vectors
from connect_core.conformance.specification import DATA
from connect_core.identifiers import ValidatedText

#: Each pattern of a published schema, with a text that it matches.
EXAMPLES = {
    "^org_[0-9A-Za-z_-]+$": "org_ABC123",
    "^(?:api_|usr_|user_)[0-9A-Za-z_-]+$": "usr_Rk3v",
    "^cxn_[0-9A-Za-z_-]+$": "cxn_ABC123",
    "^[ -~]+$": "a key",
    "^[a-z][0-9a-z_-]*\\.[a-z][0-9a-z_-]*$": "inquiry.read",
    "^CXN-[A-Z]{4}-[0-9]{3}$": "CXN-LIFE-001",
    "^CXN-OPEN-[0-9]{3}$": "CXN-OPEN-001",
    "^[a-z0-9.-]+(/[a-z0-9.-]+)+$": "transition/none/create/source",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$": (
        "2018-06-01T00:00:00.000Z"
    ),
}
#: What ends a line, in one language or another.
ENDINGS = ("\n", "\r", "\r\n", "\n\n", "\v", "\f", "\x85", "\u2028", "\u2029")


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    found: list[type[Any]] = kind.__subclasses__()
    for each in found:
        if each.__module__.startswith("connect_core"):
            yield each
            yield from subclasses(each)


def schemas() -> Iterator[tuple[str, object]]:
    """Every schema: those of the package's data, of its models, and of its kinds of text."""
    for file in DATA.iterdir():
        if file.name.endswith(".schema.json"):
            yield file.name, json.loads(file.read_text(encoding="utf-8"))
    for module in walk_packages(connect_core.__path__, "connect_core."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for model in subclasses(BaseModel):
        assert issubclass(model, BaseModel)
        yield f"{model.__name__} in", model.model_json_schema(mode="validation")
        yield f"{model.__name__} out", model.model_json_schema(mode="serialization")
    for text in subclasses(ValidatedText):
        yield text.__name__, TypeAdapter(text).json_schema()


def strings(schema: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts of a schema that have a pattern, without those that say what must not match."""
    if isinstance(schema, dict):
        members = cast("dict[str, Any]", schema)
        if isinstance(members.get("pattern"), str):
            yield place, members
        for name, part in members.items():
            if name != "not":
                yield from strings(part, f"{place}/{name}")
    elif isinstance(schema, list):
        for index, part in enumerate(cast("list[object]", schema)):
            yield from strings(part, f"{place}/{index}")


FOUND = [each for name, schema in schemas() for each in strings(schema, name)]


def test_every_pattern_is_known() -> None:
    assert {part["pattern"] for _, part in FOUND} == EXAMPLES.keys()
    assert len(FOUND) > 50


def test_no_pattern_looks_around() -> None:
    """The engines of Go and Rust cannot, and a generator takes the pattern as it is."""
    for place, part in FOUND:
        for pattern in (part["pattern"], part["not"]["pattern"]):
            assert not any(each in pattern for each in ("(?=", "(?!", "(?<", "\\Z", "\\z")), place


def test_no_line_may_end_in_a_python_validator() -> None:
    for place, part in FOUND:
        example = EXAMPLES[part["pattern"]]
        schema: Any = Draft202012Validator(part)
        assert schema.is_valid(example), place
        assert [end for end in ENDINGS if schema.is_valid(example + end)] == [], place
        assert [end for end in ENDINGS if schema.is_valid(end + example)] == [], place


#: An evaluation of what the parts use of JSON Schema, with the regular expressions of ECMA-262.
EVALUATION = """
const parts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const matches = (pattern, text) => new RegExp(pattern, 'u').test(text);
console.log(JSON.stringify(parts.map(([part, texts]) => texts.map((text) =>
  [...text].length <= (part.maxLength ?? Infinity)
  && matches(part.pattern, text) && !matches(part.not.pattern, text)))));
"""


@pytest.mark.usefixtures("node")
def test_no_line_may_end_in_javascript() -> None:
    cases = [
        (part, [EXAMPLES[part["pattern"]] + end for end in ("", *ENDINGS)]) for _, part in FOUND
    ]
    done = subprocess.run(  # noqa: S603  # the script above
        ["node", "-e", EVALUATION],  # noqa: S607  # whichever is installed
        input=json.dumps(cases),
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(done.stdout) == [[True, *[False] * len(ENDINGS)]] * len(FOUND)


def test_no_line_may_end_in_the_models() -> None:
    """Pydantic's own validation, of each kind of text and of the ids of vectors."""
    (vector,) = (each for each in load_vectors() if each.id == "story/accept")
    written = json.loads(vector.model_dump_json())
    assert Vector.model_validate(written) == vector
    for end in ENDINGS:
        with pytest.raises(ValueError, match="id"):
            Vector.model_validate(written | {"id": f"story/accept{end}"})
    kinds = [TypeAdapter[object](kind) for kind in subclasses(ValidatedText)]
    assert len(kinds) == 5
    examples = list(EXAMPLES.values())
    for kind in kinds:
        fitting = [each for each in examples if _validates(kind, each)]
        assert fitting
        assert not [end for text in fitting for end in ENDINGS if _validates(kind, text + end)]


def _validates(kind: TypeAdapter[object], text: str) -> bool:
    try:
        kind.validate_json(json.dumps(text))
    except ValueError:
        return False
    return True
