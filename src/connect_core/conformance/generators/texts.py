"""Create documents and other texts that are sent as such, for the vectors and the exploration."""

import json
from collections.abc import Mapping
from typing import Final

from connect_core.conformance.generators.sharing import LONGEST, MALFORMED, MANY
from connect_core.conformance.scenario import DESTINATION, LONG_PARTIES, READ, SOURCE, TOO_LONG
from connect_core.parties import MAX_NAME_LENGTH

_ATTRIBUTES: Final[Mapping[str, object]] = {
    "destination-organization-id": DESTINATION,
    "name": "Partner Connection",
    "scopes": [READ, "account.read"],
}
_REQUIRED: Final = {"destination-organization-id": DESTINATION}


def document(attributes: object = _ATTRIBUTES, **data: object) -> dict[str, object]:
    """A create document with these attributes, the complete ones by default."""
    return {"data": {"type": "connect/connections", **data, "attributes": attributes}}


def with_(**members: object) -> dict[str, object]:
    """The complete create document with changed attributes; their names are written with ``_``."""
    return document(
        {**_ATTRIBUTES, **{name.replace("_", "-"): value for name, value in members.items()}}
    )


#: Create documents that an implementation must accept.
VALID_DOCUMENTS: Final[Mapping[str, object]] = {
    "the-guides": {
        "data": {
            "attributes": {"destination-organization-id": DESTINATION, "name": "Partner Connection"}
        }
    },
    "complete": document(),
    "least": {"data": {"attributes": _REQUIRED}},
    "other-type": document(type="connect/connection"),
    "name-null": with_(name=None),
    "name-empty": with_(name=""),
    "name-longest": with_(name="n" * MAX_NAME_LENGTH),
    "name-longest-beyond-ascii": with_(name="\U0001f91d" * MAX_NAME_LENGTH),
    "name-of-other-scripts": with_(name="Ma\u00df & \u30d1\u30fc\u30c8\u30ca\u30fc \u202e"),
    "one-scope": with_(scopes=[READ]),
    "scope-twice": with_(scopes=[READ, READ]),
    "unknown-scope": with_(scopes=["x-ray_2.look-at_1"]),
    "sixty-four-scopes": with_(scopes=list(MANY)),
    "destination-of-one-letter": with_(destination_organization_id="org_1"),
    "destination-long": with_(destination_organization_id=f"org_{'Az-_9' * 50}"),
    "destination-longest": with_(destination_organization_id=LONG_PARTIES[1]),
    "scope-longest": with_(scopes=[LONGEST]),
}
#: Create documents that an implementation must refuse. Each has exactly one problem.
INVALID_DOCUMENTS: Final[Mapping[str, object]] = {
    "no-object/array": [],
    "no-object/null": None,
    "no-object/text": "data",
    "data/missing": {},
    "data/null": {"data": None},
    "data/array": {"data": [document()["data"]]},
    "attributes/missing": {"data": {"type": "connect/connections"}},
    "attributes/null": document(None),
    "attributes/text": document("org_Destination"),
    "destination/missing": document({"name": "Partner Connection"}),
    "destination/null": with_(destination_organization_id=None),
    "destination/number": with_(destination_organization_id=7),
    "destination/empty": with_(destination_organization_id=""),
    "destination/prefix-only": with_(destination_organization_id="org_"),
    "destination/other-prefix": with_(destination_organization_id="cxn_Destination"),
    "destination/upper-case-prefix": with_(destination_organization_id="ORG_Destination"),
    "destination/space": with_(destination_organization_id="org_Destination "),
    "destination/line-feed": with_(destination_organization_id="org_Destination\n"),
    "destination/look-alike": with_(destination_organization_id="org_D\u0435stination"),
    "destination/full-width": with_(destination_organization_id="org_\uff11"),
    "destination/too-long": with_(destination_organization_id=TOO_LONG),
    "destination/object": with_(destination_organization_id={"id": DESTINATION}),
    "name/number": with_(name=7),
    "name/false": with_(name=False),
    "name/too-long": with_(name="n" * (MAX_NAME_LENGTH + 1)),
    "name/control-character": with_(name="Partner\u0007"),
    "name/delete": with_(name="Partner\u007f"),
    "name/line-feed": with_(name="Partner\n"),
    "name/nul": with_(name="Partner\u0000"),
    "name/surrogate": with_(name="Partner\ud800"),
    "scopes/null": with_(scopes=None),
    "scopes/text": with_(scopes=READ),
    "scopes/object": with_(scopes={READ: True}),
    "scopes/none": with_(scopes=[]),
    "scopes/too-many": with_(scopes=[*MANY, READ]),
    "scopes/number-in-it": with_(scopes=[READ, 7]),
    "scopes/null-in-it": with_(scopes=[None, READ]),
    **{f"scopes/{name}": with_(scopes=[READ, scope]) for name, scope in MALFORMED.items()},
    "type/other": document(type="connect/links"),
    "type/null": document(type=None),
    "type/upper-case": document(type="Connect/Connections"),
    "unknown/attribute": with_(status="active"),
    "unknown/source": with_(source_organization_id=SOURCE),
    "unknown/upper-case": with_(Name="Partner"),
    "unknown/snake-case": document({**_ATTRIBUTES, "destination_organization_id": DESTINATION}),
    "unknown/in-data": document(id="cxn_1"),
    "unknown/beside-data": {**document(), "meta": {}},
    "unknown/with-a-slash": with_(**{"a/b~c": 1}),
}
#: The shortest create document, as text.
LEAST: Final = json.dumps(document(_REQUIRED))
#: More invalid create documents, as text: with duplicate members, which a dict cannot have.
INVALID_TEXTS: Final[Mapping[str, str]] = {
    "twice/destination": LEAST.replace(
        '"destination', f'"destination-organization-id": "{DESTINATION}", "destination'
    ),
    "twice/data": f'{{"data": 1, {LEAST[1:]}',
    "twice/in-other-words": LEAST.replace('"type"', '"t\\u0079pe": "connect/connections", "type"'),
}
#: Texts that are not JSON.
MALFORMED_TEXTS: Final[Mapping[str, str]] = {
    "empty": "",
    "white-space": " \n",
    "cut-off": json.dumps(document())[:-1],
    "two-values": json.dumps(document()) * 2,
    "trailing-comma": json.dumps(document()).replace('"}}', '",}}').replace("]}", "],}"),
    "single-quotes": json.dumps(document()).replace('"', "'"),
    "nan": json.dumps(document({**_ATTRIBUTES, "name": 0})).replace(": 0", ": NaN"),
    "comment": f"/* a Connection */ {json.dumps(document())}",
    "form": "destination-organization-id=org_Destination",
    "raw-line-feed-in-text": json.dumps(document()).replace("Partner ", "Partner\n"),
}


#: More create documents that an implementation must accept, as text.
VALID_TEXTS: Final[Mapping[str, str]] = {
    "sixty-four-of-sixty-five": json.dumps(with_(scopes=[*MANY, MANY[0]])),
    "sixty-four-of-many": json.dumps(with_(scopes=list(MANY) * 4)),
    "one-scope-often": json.dumps(with_(scopes=[READ] * 65)),
    "escaped-names": json.dumps(document())
    .replace('"data"', '"d\\u0061ta"')
    .replace('"scopes"', '"\\u0073copes"'),
    "escaped-values": json.dumps(document()).replace("inquiry.read", "inquiry\\u002eread"),
    "hyphen-first": json.dumps(with_(destination_organization_id="org_-a")),
    "underscore-first": json.dumps(with_(destination_organization_id="org__a")),
    "digit-first": json.dumps(with_(destination_organization_id="org_1-_a")),
    "surrogate-pair": json.dumps(with_(name="\U0001f91d")),
    "not-escaped": json.dumps(with_(name="Ma\u00df \U0001f91d"), ensure_ascii=False),
    "spaces-around": f" \n\t{json.dumps(document(), indent=2)}\r\n",
    "no-spaces": json.dumps(document(), separators=(",", ":")),
    "other-order": json.dumps(
        {
            "data": {
                "attributes": {name: _ATTRIBUTES[name] for name in reversed(list(_ATTRIBUTES))},
                "type": "connect/connections",
            }
        }
    ),
    "name-of-a-space": json.dumps(with_(name=" Partner ")),
    "name-null-as-text": json.dumps(with_(name="null")),
    "solidus-escaped": json.dumps(document()).replace("connect/", "connect\\/"),
}
#: More texts that are no create document, some of them with several problems.
MORE_INVALID_TEXTS: Final[Mapping[str, str]] = {
    "twice/in-a-discarded-value": f'{{"data": {{"x": 1, "x": 2}}, {LEAST[1:]}',
    "twice/in-a-wrong-value": json.dumps(with_(name=0)).replace(": 0", ': {"a": 1, "a": 2}'),
    "twice/in-a-scope": json.dumps(with_(scopes=[READ, 0])).replace(" 0]", ' {"a": 1, "a": 2}]'),
    "twice/name": json.dumps(document()).replace('"name"', '"name": "Another", "name"'),
    "twice/the-last-is-wrong": json.dumps(with_(name="Another")).replace(
        '"Another"', '"Another", "name": 7'
    ),
    "twice/an-unknown-member": json.dumps(document()).replace('"name"', '"x": 1, "x": 1, "name"'),
    "twice/three-times": json.dumps(document()).replace('"name"', '"name": 1, "name": 2, "name"'),
    "scopes/number-and-malformed": json.dumps(with_(scopes=["Inquiry", *MANY])),
    "scopes/number-and-no-text": json.dumps(with_(scopes=[7, *MANY])),
    "scopes/malformed-and-repeated": json.dumps(with_(scopes=["", *[READ] * 70])),
    "scopes/all-wrong": json.dumps(
        with_(scopes=[None, 1, True, list[str](), dict[str, str](), "", "A.b"])
    ),
    "several/everywhere": json.dumps(
        {"data": {"type": 1, "id": 2, "attributes": {"name": 3, "scopes": [], "x": 4}}, "y": 5}
    ),
    "several/nothing-right": json.dumps({"data": {"attributes": {}}, "meta": None}),
    "name/of-the-wrong-case": json.dumps(document({**_REQUIRED, "NAME": "Partner"})),
    "name/control-character-escaped": json.dumps(with_(name="Part\u0085ner")),
    "name/array": json.dumps(with_(name=["Partner"])),
    "name/empty-object": json.dumps(with_(name={})),
    "data/left-out": json.dumps({"type": "connect/connections", "attributes": _ATTRIBUTES}),
    "data/attributes-at-the-top": json.dumps(_ATTRIBUTES),
    "unknown/to-be-escaped": json.dumps(
        document({**_REQUIRED, "a b": 1, "50%": 2, 'q"': 3, "\u00e9": 4, "~1": 5, "#": 6, "\\": 7})
    ),
    "unknown/surrogate": json.dumps(document({**_REQUIRED, "\ud800": 1})),
    "unknown/empty": json.dumps(document({**_REQUIRED, "": 1})),
    "unknown/proto": json.dumps(document({**_REQUIRED, "__proto__": {}, "constructor": 1})),
    "unknown/not-ascii": json.dumps(document({**_REQUIRED, "n\u0430me": "Partner"})),
    "unknown/included": json.dumps({**document(), "included": [], "jsonapi": {}, "links": {}}),
    "unknown/relationships": json.dumps(document(relationships={})),
    "destination/array": json.dumps(with_(destination_organization_id=[DESTINATION])),
    "destination/true": json.dumps(with_(destination_organization_id=True)),
    "destination/no-prefix": json.dumps(with_(destination_organization_id="Destination")),
    "destination/dot": json.dumps(with_(destination_organization_id="org_a.b")),
    "destination/nul": json.dumps(with_(destination_organization_id=f"{DESTINATION}\0")),
    "type/number": json.dumps(document(type=1)),
    "type/array": json.dumps(document(type=["connect/connections"])),
    "type/trailing-space": json.dumps(document(type="connect/connections ")),
    "deep/a-hundred": json.dumps(with_(name=0)).replace(": 0", f": {'[' * 97}{']' * 97}"),
}
#: More texts that are not JSON.
MORE_MALFORMED_TEXTS: Final[Mapping[str, str]] = {
    "byte-order-mark": f"\ufeff{json.dumps(document())}",
    "infinity": json.dumps(with_(name=0)).replace(": 0", ": -Infinity"),
    "undefined": json.dumps(with_(name=0)).replace(": 0", ": undefined"),
    "plus": json.dumps(with_(name=0)).replace(": 0", ": +1"),
    "leading-zero": json.dumps(with_(name=0)).replace(": 0", ": 01"),
    "point-first": json.dumps(with_(name=0)).replace(": 0", ": .5"),
    "hexadecimal": json.dumps(with_(name=0)).replace(": 0", ": 0x1F"),
    "upper-case-null": json.dumps(with_(name=0)).replace(": 0", ": NULL"),
    "names-without-quotes": json.dumps(document()).replace('"data"', "data"),
    "no-break-space": json.dumps(document()).replace('"data": ', '"data":\u00a0'),
    "form-feed": f"{json.dumps(document())}\f",
    "nul-at-the-end": f"{json.dumps(document())}\0",
    "wrong-escape": json.dumps(document()).replace("Partner ", "Partner\\x41 "),
    "short-escape": json.dumps(document()).replace("Partner ", "Partner\\u41 "),
    "tab-in-text": json.dumps(document()).replace("Partner ", "Partner\t"),
    "comma-between": json.dumps(document()).replace('", "', '",, "'),
    "closed-twice": f"{json.dumps(document())}}}",
    "semicolon": f"{json.dumps(document())};",
    "comment-inside": json.dumps(document(), indent=1).replace("{\n", "{ // an object\n"),
    "hash-comment": json.dumps(document(), indent=1).replace("{\n", "{ # an object\n"),
    "comment-line-first": f"// a Connection\n{json.dumps(document())}",
    "block-comment-inside": json.dumps(document()).replace("{", "{ /* an object */ ", 1),
    "line-comment": f"{json.dumps(document())} // a Connection",
    "yaml": "data:\n  attributes:\n    destination-organization-id: org_Destination\n",
}
