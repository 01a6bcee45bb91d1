"""Generator of vectors about the names of Connections."""

from collections.abc import Iterator
from typing import Final

from connect_core.conformance.scenario import (
    DESTINATION,
    SOURCE,
    V1_1,
    Scenario,
    invalid,
)
from connect_core.conformance.vectors import Vector
from connect_core.lifecycle import Action
from connect_core.parties import MAX_NAME_LENGTH

#: Names that are kept as they are, however much some of them look like another or like nothing.
KEPT: Final = (
    "",
    " ",
    "Partner",
    "partner",
    "PARTNER",
    " Partner",
    "Partner ",
    "Part  ner",
    "\u00a0Partner\u00a0",
    "\u3000Partner",
    "\ufeffPartner",
    "Part\u200bner",
    "Part\u00adner",
    "Part\u2028ner\u2029",
    "\u202ePartner",
    "Caf\u00e9",
    "Cafe\u0301",
    "\u212b \u00c5 A\u030a",
    "\ufb01nance",
    "\uff30artner",
    "Stra\u00dfe",
    "STRASSE",
    "\u0130stanbul",
    "\u30d1\u30fc\u30c8\u30ca\u30fc",
    "\u30cf\u309a\u30fc\u30c8\u30ca\u30fc",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "null",
    "None",
    "undefined",
    "0",
    "false",
    "[]",
    "1e3",
    "2026-01-01",
    "AT&T &amp; <b>Co</b>",
    'O\'Brien "& Sons"',
    "back\\slash \\n \\u0041",
    "100% %41 %s {name} ${name}",
    "a;b,c|d=e#f?g/h",
    "=1+1",
    "\ufffd",
    "\ue000\U0010ffff",
    "n" * MAX_NAME_LENGTH,
    f"{'n' * (MAX_NAME_LENGTH - 1)} ",
    "\u00e9" * MAX_NAME_LENGTH,
    "\U0001f91d" * MAX_NAME_LENGTH,
    "e\u0301" * (MAX_NAME_LENGTH // 2),
)
#: Names that are refused.
_TOO_LONG: Final = (
    "n" * (MAX_NAME_LENGTH + 1),
    f"{'n' * MAX_NAME_LENGTH} ",
    "\U0001f91d" * (MAX_NAME_LENGTH + 1),
    "n" * 5000,
)
_REFUSED: Final = (
    *(f"Part{character}ner" for character in "\0\x01\t\n\v\f\r\x1b\x1f\x7f\x80\x85\x9f"),
    "\n",
    "Partner\n",
    "\nPartner",
    "Partner\r\n",
)


def names() -> Iterator[Vector]:
    """Names as they were given, over a whole life, and names that are refused."""
    for called, title in (("kept", "names are kept"), ("kept-over-a-life", "names after a life")):
        scenario = Scenario(f"names/{called}", title, since=V1_1)
        given = (*KEPT, None)
        for number, name in enumerate(given):
            to = f"org_Partner{number}"
            step = scenario.model.create(str(number), by=SOURCE, destination=to, called=name)
            scenario.add(step, "CXN-CREA-013")
            if called == "kept":
                continue
            for by, action in (
                (to, Action.ACTIVATE),
                (to, Action.DEACTIVATE),
                (SOURCE, Action.REACTIVATE),
                (to, Action.ACTIVATE),
            ):
                scenario.take(by, action, str(number))
        for number in range(len(given)):
            scenario.look(str(number), "name", tests=("CXN-CREA-013", "CXN-PERM-001"))
        yield scenario.vector()
    for called, refused in (("too-long", _TOO_LONG), ("control-characters", _REFUSED)):
        scenario = Scenario(
            f"names/refused/{called}", f"names that are not well formed: {called}", since=V1_1
        )
        for name in refused:
            scenario.add(invalid("CXN-CREA-012", destination=DESTINATION, name=name))
        step = scenario.model.create("main", by=SOURCE, destination=DESTINATION, called="Partner")
        scenario.add(step, "CXN-CREA-012", "CXN-REFU-001")
        scenario.add(scenario.model.create("main", by=SOURCE, destination=DESTINATION))
        scenario.look("main", "name", tests=("CXN-CREA-012",))
        yield scenario.vector()
