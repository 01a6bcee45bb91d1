"""Defects about who somebody is, and which Connection is meant: ids, partners, permanence."""

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, ClassVar
from unicodedata import normalize
from urllib.parse import unquote

from defects.catalogue import defect
from defects.systems import (
    Faulty,
    Request,
    is_destination,
    is_party,
    refuse,
    same_destination,
    same_source,
)
from defects.witnesses import (
    ACTIVE,
    A,
    B,
    C,
    D,
    Exchanges,
    activate,
    create,
    deactivate,
    reactivate,
    read,
    rounds,
    share,
)

from connect_core import Connection, Status
from connect_core.conformance import Answer, Outcome

# --- ids-compared --------------------------------------------------------------------------------


class _Compares(Faulty):
    """Organizations are the same if `same` says so: where they act, read or create."""

    verbs: ClassVar = frozenset({"act", "read", "share", "create"})

    def same(self, ours: str, other: str) -> bool:
        return self.key(ours) == self.key(other)

    def key(self, id: str) -> str:
        return id

    def sent(self, call: Request) -> Request:
        there = self._connections.get(call.connection)
        if there is None or call.verb not in self.verbs:
            return call
        for party in there.source_organization_id, there.destination_organization_id:
            if self.same(call.by, party):
                return replace(call, by=party)
        return call

    def _find(self, source: str, destination: str) -> Connection | None:
        if "create" not in self.verbs:
            return super()._find(source, destination)
        asked = {"source_organization_id": source, "destination_organization_id": destination}
        for each in self._connections.values():
            if self.same(source, each.source_organization_id) and self.same(
                destination, each.destination_organization_id
            ):
                return each.model_copy(update=asked)
        return None


def _long(length: int, end: str) -> str:
    """An id that differs from another one only after so many characters."""
    return "org_" + "x" * (length - 4) + end


def _reads(one: str, other: str) -> tuple[Any, ...]:
    """A witness: a Connection of one organization is read by another."""
    return create(one), read(other)


def _pairs(one: str, other: str) -> tuple[Any, ...]:
    """A witness: a source has Connections to both organizations."""
    return create(A, one), create(A, other, to="second")


@defect("ids-compared", *_reads(_long(16, "a"), _long(16, "b")))
class ComparesFirst16Characters(_Compares):
    """Organizations are the same if the first 16 characters of their ids are."""

    def key(self, id: str) -> str:
        return id[:16]


@defect("ids-compared", *_reads(_long(32, "a"), _long(32, "b")))
class ComparesFirst32Characters(_Compares):
    """Organizations are the same if the first 32 characters of their ids are."""

    def key(self, id: str) -> str:
        return id[:32]


@defect("ids-compared", *_reads(_long(64, "a"), _long(64, "b")))
class ComparesFirst64Characters(_Compares):
    """Organizations are the same if the first 64 characters of their ids are."""

    def key(self, id: str) -> str:
        return id[:64]


@defect("ids-compared", *_reads(_long(100, "a"), _long(100, "b")))
class ComparesFirst100Characters(_Compares):
    """Organizations are the same if the first 100 characters of their ids are."""

    def key(self, id: str) -> str:
        return id[:100]


@defect("ids-compared", create(A, _long(128, "a")), activate(_long(128, "b")))
class ActsForFirst128Characters(_Compares):
    """Who acts is recognized by the first 128 characters of the organization's id."""

    verbs: ClassVar = frozenset({"act"})

    def key(self, id: str) -> str:
        return id[:128]


@defect("ids-compared", *_pairs(_long(191, "a"), _long(191, "b")))
class IndexesFirst191Characters(_Compares):
    """The unique index on the two organizations covers the first 191 characters of each."""

    verbs: ClassVar = frozenset({"create"})

    def key(self, id: str) -> str:
        return id[:191]


@defect("ids-compared", *_pairs(_long(200, "a"), _long(200, "b")))
class FindsPairsByFirst200Characters(_Compares):
    """A second creation is recognized by the first 200 characters of the ids."""

    verbs: ClassVar = frozenset({"create"})

    def key(self, id: str) -> str:
        return id[:200]


@defect("ids-compared", *_reads("org_1_abcdefghijkl", "org_2_abcdefghijkl"))
class ComparesLast12Characters(_Compares):
    """Organizations are the same if the last 12 characters of their ids are."""

    def key(self, id: str) -> str:
        return id[-12:]


@defect("ids-compared", *_reads("org_1" + "x" * 32, "org_2" + "x" * 32))
class ComparesLast32Characters(_Compares):
    """Organizations are the same if the last 32 characters of their ids are."""

    def key(self, id: str) -> str:
        return id[-32:]


@defect("ids-compared", *_reads("org_Ab", "org_aB"))
class FoldsCaseOfOrganizations(_Compares):
    """Organizations are compared without regard to case, everywhere."""

    def key(self, id: str) -> str:
        return id.casefold()


@defect("ids-compared", *_pairs("org_Ab", "org_aB"))
class UniqueIndexFoldsCase(_Compares):
    """The collation of the unique index on the two organizations folds case."""

    verbs: ClassVar = frozenset({"create"})

    def key(self, id: str) -> str:
        return id.casefold()


@defect("ids-compared", *_reads("org_Ab", "org_aB"))
class FoldsCaseOfReaders(_Compares):
    """An organization that reads a Connection is compared without regard to case."""

    verbs: ClassVar = frozenset({"read"})

    def key(self, id: str) -> str:
        return id.lower()


@defect("ids-compared", *ACTIVE, share("org_B"))
class FoldsCaseOfSharers(_Compares):
    """An organization that reads data is compared without regard to case."""

    verbs: ClassVar = frozenset({"share"})

    def key(self, id: str) -> str:
        return id.lower()


@defect("ids-compared", create(), activate("org_B"))
class FoldsCaseOfActors(_Compares):
    """An organization that acts is compared without regard to case."""

    verbs: ClassVar = frozenset({"act"})

    def key(self, id: str) -> str:
        return id.lower()


@defect("ids-compared", *_reads("org_a-", "org_a"))
class TrimsHyphensAndUnderscores(_Compares):
    """Hyphens and underscores at the ends of organization ids are ignored."""

    def key(self, id: str) -> str:
        return id.strip("-_")


@defect("ids-compared", *_reads("org_a-1", "org_a_1"))
class TakesHyphenForUnderscore(_Compares):
    """Organization ids are normalized: hyphens become underscores."""

    def key(self, id: str) -> str:
        return id.replace("-", "_")


@defect("ids-compared", *_reads("org_a1", "org_a-1"))
class IgnoresSeparators(_Compares):
    """Hyphens and underscores in organization ids are ignored."""

    def key(self, id: str) -> str:
        return id.replace("-", "").replace("_", "")


@defect("ids-compared", *_reads("org_A0", "org_AO"))
class TakesZeroForO(_Compares):
    """Organization ids are compared as Crockford's base 32: zero and the letter O are the same."""

    def key(self, id: str) -> str:
        return id.replace("O", "0").replace("o", "0")


@defect("ids-compared", *_reads("org_A1", "org_Al"))
class TakesOneForL(_Compares):
    """Organization ids are compared as Crockford's base 32: 1, I and l are the same."""

    def key(self, id: str) -> str:
        return re.sub("[lI]", "1", id)


@defect("ids-compared", *_reads("org_01", "org_1"))
class ComparesNumbers(_Compares):
    """Organization ids that end in a number are compared by its value."""

    def key(self, id: str) -> str:
        return re.sub("[0-9]+", lambda digits: str(int(digits[0])), id)


@defect("ids-compared", *_reads("org_aa", "org_a"))
class CollapsesRepeatedCharacters(_Compares):
    """A character of an organization id that stands twice counts once."""

    def key(self, id: str) -> str:
        return "".join(character for character, _ in groupby(id))


@defect("ids-compared", *_reads("org_eu_7", "org_us_7"))
class ComparesAfterLastUnderscore(_Compares):
    """Everything up to the last underscore of an organization id is taken for the prefix."""

    def key(self, id: str) -> str:
        return id.rpartition("_")[2]


@defect("ids-compared", *_reads("org_7_eu", "org_7_us"))
class ComparesSecondPart(_Compares):
    """An organization id is split at its underscores, and the part after `org` is compared."""

    def key(self, id: str) -> str:
        return id.split("_")[1]


@defect("ids-compared", *_reads("org_Aa", "org_BB"))
class ComparesHashes(_Compares):
    """Organizations are compared by a 32-bit polynomial hash of their ids alone."""

    def key(self, id: str) -> str:
        value = 0
        for character in id:
            value = (31 * value + ord(character)) & 0xFFFFFFFF
        return str(value)


@defect("ids-compared", *_reads("org_ab", "org_ba"))
class ComparesSumsOfCharacters(_Compares):
    """Organizations are compared by the length and the sum of the characters of their ids."""

    def key(self, id: str) -> str:
        return f"{len(id)}:{sum(map(ord, id))}"


@defect("ids-compared", create("org_ab"), read("org_a"))
class PartyStartsWithActor(_Compares):
    """An organization is a party if a party's id starts with its own."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def same(self, ours: str, other: str) -> bool:
        return other.startswith(ours)


@defect("ids-compared", create("org_a"), read("org_ab"))
class ActorStartsWithParty(_Compares):
    """An organization is a party if its id starts with a party's: a subsidiary, it was thought."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def same(self, ours: str, other: str) -> bool:
        return ours.startswith(other)


@defect("ids-compared", create("org_xorg_a"), read("org_a"))
class PartyEndsWithActor(_Compares):
    """An organization is a party if a party's id ends with its own."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def same(self, ours: str, other: str) -> bool:
        return other.endswith(ours)


@defect("ids-compared", create(A, "org_a_b"), activate("org_b", "first"))
class PartyContainsActor(_Compares):
    """An organization is a party if its id without the prefix occurs in a party's."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def same(self, ours: str, other: str) -> bool:
        return ours.removeprefix("org_") in other.removeprefix("org_")

    def sent(self, call: Request) -> Request:
        there = self._connections.get(call.connection)
        return call if there is None or is_party(call.by, there) else super().sent(call)


@defect("ids-compared", create("org_axb"), read("org_a_b"))
class UnderscoreMatchesAnyCharacter(_Compares):
    """Parties are found with LIKE, where an underscore in the actor's id matches any character."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def same(self, ours: str, other: str) -> bool:
        return len(ours) == len(other) and all(
            mine in {theirs, "_"} for mine, theirs in zip(ours, other, strict=True)
        )


@defect("ids-compared", create("org_a", "org_b-org_c"), create("org_a-org_b", "org_c", to="2"))
class JoinsPairWithHyphen(Faulty):
    """The key of the ordered pair is the two ids, joined by a hyphen, which ids can contain."""

    def _find(self, source: str, destination: str) -> Connection | None:
        asked = {"source_organization_id": source, "destination_organization_id": destination}
        for each in self._connections.values():
            key = f"{each.source_organization_id}-{each.destination_organization_id}"
            if key == f"{source}-{destination}":
                return each.model_copy(update=asked)
        return None


@defect("ids-compared", create(A, "org_A"))
class TakesSimilarIdForItself(Faulty):
    """A Connection to an organization whose id differs by case alone is a self-connection."""

    def before(self, call: Request) -> Answer | None:
        to = call.destination
        if call.verb == "create" and to and to != call.origin and to.lower() == call.origin.lower():
            return refuse(Outcome.SELF_CONNECTION)
        return None


@defect("ids-compared", create(C, B, source="org_C"))
class TakesNamedSourceWithoutCase(Faulty):
    """Whether the creator is the named source is decided without regard to case."""

    def sent(self, call: Request) -> Request:
        same = call.source is not None and call.source.lower() == call.by.lower()
        return replace(call, source=None) if same else call


@defect("ids-compared", create(A, _long(150, "")), read())
class KeepsFirst128Characters(Faulty):
    """The column of the destination holds 128 characters, and what is longer is cut when shown."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["destination"] = state["destination"][:128]
        attributes["destination-organization-id"] = state["destination"]


@defect("ids-compared", create(A, _long(101, "")))
class RefusesMoreThan100Characters(Faulty):
    """A destination whose id has more than 100 characters is refused."""

    def before(self, call: Request) -> Answer | None:
        return refuse(Outcome.INVALID) if len(call.destination or "") > 100 else None


@defect("ids-compared", create(_long(255, ""), B))
class Refuses255CharactersOfSource(Faulty):
    """A source whose id has 255 characters is refused, one that has 254 is not."""

    def before(self, call: Request) -> Answer | None:
        if call.verb == "create" and len(call.origin) > 254:
            return refuse(Outcome.INVALID)
        return None


@defect("ids-compared", create(A, _long(256, "")))
class CutsLongDestinations(Faulty):
    """A destination whose id is longer than 255 characters is cut instead of refused."""

    def sent(self, call: Request) -> Request:
        return replace(call, destination=call.destination[:255]) if call.destination else call


# --- connection-ids ------------------------------------------------------------------------------


class _LooksUp(Faulty):
    """An id that no Connection has is looked up by a part or a form of it."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def same(self, given: str, id: str) -> bool:
        return self.key(given) == self.key(id)

    def key(self, id: str) -> str:
        return id

    def sent(self, call: Request) -> Request:
        if call.verb in self.verbs and call.connection not in self._connections:
            for each in self._connections:
                if self.same(call.connection, each):
                    return replace(call, connection=each)
        return call


@defect("connection-ids", create(), read(derive=str.swapcase))
class FindsInOtherCase(_LooksUp):
    """The ids of Connections are looked up without regard to case."""

    def key(self, id: str) -> str:
        return id.lower()


@defect("connection-ids", create(), activate(), share(derive=str.upper))
class SharesInOtherCase(_LooksUp):
    """Where data is read, the ids of Connections are looked up without regard to case."""

    verbs: ClassVar = frozenset({"share"})

    def key(self, id: str) -> str:
        return id.lower()


@defect("connection-ids", create(), read(derive=lambda known: f" {known} "))
class StripsSpacesFromIds(_LooksUp):
    """Spaces around the id of a Connection are ignored."""

    def key(self, id: str) -> str:
        return id.strip(" ")


@defect("connection-ids", create(), read(derive=lambda known: known + "  "))
class PadsIds(_LooksUp):
    """The ids of Connections are in a CHAR column, where spaces at the end do not count."""

    def key(self, id: str) -> str:
        return id.rstrip(" ")


@defect("connection-ids", create(), read(derive=lambda known: known + "\n"))
class IgnoresFinalLineFeed(_LooksUp):
    """A line feed at the end of the id of a Connection is ignored."""

    def key(self, id: str) -> str:
        return id.removesuffix("\n")


@defect("connection-ids", create(), read(derive=lambda known: known.removeprefix("cxn_")))
class FindsWithoutPrefix(_LooksUp):
    """A Connection is also found by its id without the prefix."""

    def key(self, id: str) -> str:
        return id.removeprefix("cxn_")


@defect("connection-ids", create(), read(derive=lambda known: "org_" + known.removeprefix("cxn_")))
class FindsWithAnyPrefix(_LooksUp):
    """A Connection is found by what follows the underscore of its id, whatever the prefix."""

    def key(self, id: str) -> str:
        return id.partition("_")[2]


@defect("connection-ids", create(), read(derive=lambda known: known + "x"))
class FindsByFirst20Characters(_LooksUp):
    """The first 20 characters of an id are enough to find a Connection."""

    def key(self, id: str) -> str:
        return id[:20]


@defect("connection-ids", create(), read(derive=lambda known: known[:12]))
class FindsByAbbreviation(_LooksUp):
    """A Connection is found by any beginning of its id that has eight characters or more."""

    def same(self, given: str, id: str) -> bool:
        return len(given) >= 8 and id.startswith(given)


@defect("connection-ids", create(), read(derive=lambda known: known[-12:]))
class FindsByLast12Characters(_LooksUp):
    """A Connection is found by the last 12 characters of its id, as support staff quote it."""

    def same(self, given: str, id: str) -> bool:
        return given[-12:] == id[-12:]


@defect("connection-ids", create(), read(derive=lambda known: "cxn_" + re.sub("[^0-9]", "", known)))
class FindsByDigits(_LooksUp):
    """A Connection is found by the digits of its id alone."""

    def key(self, id: str) -> str:
        return re.sub("[^0-9]", "", id)


@defect("connection-ids", create(), read(derive=lambda known: known[:-3] + "%"))
class LooksUpWithLike(_LooksUp):
    """The ids of Connections are looked up with LIKE, where a percent sign matches anything."""

    def same(self, given: str, id: str) -> bool:
        return "%" in given and fnmatchcase(id, given.replace("%", "*"))


@defect("connection-ids", create(), read(derive=lambda known: known[:-1] + "_"))
class LooksUpUnderscoreWithLike(_LooksUp):
    """The ids of Connections are looked up with LIKE, where an underscore matches a character."""

    def same(self, given: str, id: str) -> bool:
        return "_" in given and fnmatchcase(id, given.replace("_", "?"))


@defect("connection-ids", create(), read(derive=lambda known: "%63" + known[1:]))
class DecodesIds(_LooksUp):
    """Percent-encoded characters in the id of a Connection are decoded."""

    def key(self, id: str) -> str:
        return unquote(id)


@defect("connection-ids", create(), read(derive=lambda known: "\uff43" + known[1:]))
class NormalizesIds(_LooksUp):
    """The ids of Connections are brought into Unicode's form NFKC before they are looked up."""

    def key(self, id: str) -> str:
        return normalize("NFKC", id)


@defect("connection-ids", create(), read(derive=lambda known: f"{known[:12]}-{known[12:]}"))
class IgnoresHyphensInIds(_LooksUp):
    """Hyphens in the id of a Connection are ignored, as in a UUID."""

    def key(self, id: str) -> str:
        return id.replace("-", "")


@defect("connection-ids", create(), read(derive=lambda known: known + "/events"))
class CutsIdsAtSlash(_LooksUp):
    """Whatever follows a slash in the id of a Connection is ignored."""

    def key(self, id: str) -> str:
        return id.partition("/")[0]


@defect("connection-ids", create(), read(derive=lambda known: known + "\0x"))
class CutsIdsAtNull(_LooksUp):
    """Whatever follows U+0000 in the id of a Connection is ignored, as in C."""

    def key(self, id: str) -> str:
        return id.partition("\0")[0]


@defect("connection-ids", create(), read(derive=lambda _: ""))
class EmptyIdIsTheNewest(_LooksUp):
    """An empty id finds the newest Connection of the actor."""

    def sent(self, call: Request) -> Request:
        if call.verb == "create" or call.connection:
            return call
        ours = [each.id for each in self._connections.values() if is_party(call.by, each)]
        return replace(call, connection=ours[-1]) if ours else call


@defect("connection-ids", share(derive=lambda _: "cxn_unknown"))
class DeniesUnknownIds(Faulty):
    """An attempt to read data through a Connection that does not exist is denied, not not found."""

    def before(self, call: Request) -> Answer | None:
        unknown = call.verb == "share" and call.connection not in self._connections
        return refuse(Outcome.DENIED) if unknown else None


@defect("connection-ids", deactivate())
class WrongStatusOfUnknownIds(Faulty):
    """An action on a Connection that does not exist updates no row, which is a wrong status."""

    def before(self, call: Request) -> Answer | None:
        unknown = call.verb == "act" and call.connection not in self._connections
        return refuse(Outcome.WRONG_STATUS) if unknown else None


@defect(
    "connection-ids",
    create(_long(200, "a"), _long(200, "b")),
    judge=lambda done: len(done.ids["first"]) > 255,
)
class IdOfBothParties(Faulty):
    """The id of a Connection is made of the ids of its parties, and can be longer than 255."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create":
            parties = there.source_organization_id, there.destination_organization_id
            self.rename(there.id, "cxn_" + ">".join(parties))


def _repeats(done: Exchanges) -> bool:
    """Whether two Connections have one id."""
    return len(set(done.ids.values())) < len(done.ids)


@defect(
    "connection-ids",
    create("org_partner_1", B),
    create("org_partner_2", B, to="second"),
    judge=_repeats,
)
class IdOfFirstCharacters(Faulty):
    """The id of a Connection is made of the first seven characters of each party's name."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create":
            parties = there.source_organization_id, there.destination_organization_id
            self.rename(there.id, "cxn_" + "_".join(each[4:11] for each in parties))


@defect("connection-ids", create(), create(C, D, to="second"), judge=_repeats)
class IdCountsPerSource(Faulty):
    """The Connections of each source are numbered from 1, and the number is the id."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create":
            before = sum(same_source(each, there) for each in self.others(there))
            self.rename(there.id, f"cxn_{before + 1}")


# --- third-party ---------------------------------------------------------------------------------


class _Admits(Faulty):
    """Some outsiders are admitted as if they were a party."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        """Whether `by`, a party to another Connection, is admitted because of it."""
        raise NotImplementedError

    def stands_for(self, there: Connection) -> str:
        """The party that an admitted outsider is taken for."""
        return there.destination_organization_id

    def is_admitted(self, call: Request) -> bool:
        there = self._connections.get(call.connection)
        return (
            there is not None
            and not is_party(call.by, there)
            and any(
                is_party(call.by, each) and self.admits(call.by, there, each)
                for each in self.others(there)
            )
        )

    def sent(self, call: Request) -> Request:
        if call.verb in self.verbs and self.is_admitted(call):
            return replace(call, by=self.stands_for(self.there(call.connection)))
        return call


@defect("third-party", create(), create(A, C, to="second"), read(C))
class OtherDestinationReads(_Admits):
    """A destination of the same source can read the Connections of the others."""

    verbs: ClassVar = frozenset({"read"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return same_source(there, other)


@defect("third-party", create(), create(C, B, to="second"), read(C))
class OtherSourceReads(_Admits):
    """A source with the same destination can read the Connections of the others."""

    verbs: ClassVar = frozenset({"read"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return same_destination(there, other)


@defect("third-party", create(), create(A, C, to="second"), activate(C, "second"), read(C))
class ActivePartnerOfSourceReads(_Admits):
    """Whoever has an active Connection from the source can read all of its Connections."""

    verbs: ClassVar = frozenset({"read"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return same_source(there, other) and other.status is Status.ACTIVE


@defect("third-party", *ACTIVE, create(A, C, to="second"), activate(C, "second"), share(C))
class OtherDestinationShares(_Admits):
    """Who may read data is decided by source: with one active Connection, through all of them."""

    verbs: ClassVar = frozenset({"share"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return same_source(there, other) and other.status is Status.ACTIVE


@defect("third-party", *ACTIVE, create(A, C, to="second"), deactivate(C, "second"), read(C))
class FormerPartnerOfSourceReads(_Admits):
    """Whoever once had a Connection from the source can read all of its Connections."""

    verbs: ClassVar = frozenset({"read"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return same_source(there, other) and other.status is Status.INACTIVE


@defect("third-party", create(), create(C, B, to="second"), deactivate(C))
class OtherSourceDeactivates(_Admits):
    """A source can deactivate any Connection to its own destination."""

    verbs: ClassVar = frozenset({"act"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return same_destination(there, other)

    def stands_for(self, there: Connection) -> str:
        return there.source_organization_id


@defect("third-party", create(), create(A, C, to="second"), activate(C))
class OtherDestinationActivates(_Admits):
    """A destination can activate what was offered to another destination of the same source."""

    verbs: ClassVar = frozenset({"act"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return same_source(there, other)

    def sent(self, call: Request) -> Request:
        return super().sent(call) if call.action == "activate" else call


@defect("third-party", *ACTIVE, create(B, C, to="second"), activate(C, "second"), share(C))
class SharesAlongChain(_Admits):
    """Data may be read along a chain: what B may read from A, C may read that reads from B."""

    verbs: ClassVar = frozenset({"share"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        from_here = other.source_organization_id == there.destination_organization_id
        return from_here and other.status is Status.ACTIVE and is_destination(by, other)


@defect("third-party", create(), create(B, C, to="second"), read(C))
class ReadsAlongChain(_Admits):
    """A destination of the destination can read the Connection."""

    verbs: ClassVar = frozenset({"read"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return other.source_organization_id == there.destination_organization_id


@defect("third-party", create(), create(C, A, to="second"), read(C))
class UpstreamSourceReads(_Admits):
    """A source of the source can read where its data goes on to."""

    verbs: ClassVar = frozenset({"read"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return other.destination_organization_id == there.source_organization_id


class _TellsPartners(_Admits):
    """Partners of a party get another refusal than strangers."""

    outcome = Outcome.NOT_A_PARTY

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return is_party(there.source_organization_id, other)

    def sent(self, call: Request) -> Request:
        return call

    def before(self, call: Request) -> Answer | None:
        told = call.verb in self.verbs and self.is_admitted(call)
        return refuse(self.outcome) if told else None


@defect("third-party", create(), create(A, C, to="second"), read(C))
class TellsPartnersOfSource(_TellsPartners):
    """Partners of the source learn that there is a Connection; it is hidden from strangers."""


@defect("third-party", create(), create(C, B, to="second"), activate(C))
class TellsPartnersOfDestination(_TellsPartners):
    """Partners of the destination that act learn that there is a Connection; strangers do not."""

    verbs: ClassVar = frozenset({"act"})

    def admits(self, by: str, there: Connection, other: Connection) -> bool:
        return is_party(there.destination_organization_id, other)


@defect("third-party", create(), create(A, C, to="second"), share(C))
class DeniesPartnersOfSource(_TellsPartners):
    """Other destinations of the source that read data are denied; strangers find nothing."""

    verbs: ClassVar = frozenset({"share"})
    outcome = Outcome.DENIED


@defect("third-party", create(), create(A, C, to="second"), activate(C))
class WrongRoleOfPartners(_TellsPartners):
    """Partners of the source that act have a wrong role, instead of none."""

    verbs: ClassVar = frozenset({"act"})
    outcome = Outcome.WRONG_ROLE


@defect("third-party", *ACTIVE, create(B, C, source=A))
class PartnerCreatesForSource(Faulty):
    """The destination of an active Connection can create others on behalf of its source."""

    def sent(self, call: Request) -> Request:
        named = call.verb == "create" and call.source is not None
        if (
            named
            and call.destination != call.by
            and any(
                each.status is Status.ACTIVE
                and is_destination(call.by, each)
                and each.source_organization_id == call.source
                for each in self._connections.values()
            )
        ):
            return replace(call, by=call.origin, source=None)
        return call


@defect("third-party", create(A, B), create(A, A, source=B, to="second"))
class SourceOfReverseCreates(Faulty):
    """A destination can create the Connection to itself, once it offers one the other way."""

    def sent(self, call: Request) -> Request:
        to_itself = call.source is not None and call.destination == call.by
        if to_itself and self._find(call.by, call.origin) is not None:
            return replace(call, by=call.origin, source=None)
        return call


@defect("third-party", create(), create(C, B, source=A))
class TellsOutsidersOfPair(Faulty):
    """An outsider that tries to create an existing pair is told that it exists."""

    def before(self, call: Request) -> Answer | None:
        named = call.source is not None and call.by not in {call.source, call.destination}
        if named and self._find(call.origin, str(call.destination)) is not None:
            return refuse(Outcome.ALREADY_EXISTS)
        return None


@defect("third-party", *ACTIVE, deactivate(), read(C))
class AnybodyReadsInactive(Faulty):
    """Connections that are inactive can be read by anybody, like an archive."""

    def sent(self, call: Request) -> Request:
        there = self._connections.get(call.connection)
        if call.verb == "read" and there is not None and there.status is Status.INACTIVE:
            return replace(call, by=there.source_organization_id)
        return call


# --- permanence ----------------------------------------------------------------------------------


class _Hides(Faulty):
    """A Connection is not found by a party in some cases."""

    verbs: ClassVar = frozenset({"act", "read", "share"})

    def hides(self, by: str, there: Connection) -> bool:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        there = self.found(call)
        hidden = call.verb in self.verbs and there is not None and self.hides(call.by, there)
        return refuse(Outcome.NOT_FOUND) if hidden else None


@defect("permanence", *ACTIVE, deactivate(), read(B))
class InactiveHiddenFromDestination(_Hides):
    """The destination does not find a Connection that is inactive."""

    def hides(self, by: str, there: Connection) -> bool:
        return there.status is Status.INACTIVE and is_destination(by, there)


@defect("permanence", create(), *rounds(3), deactivate(), read())
class InactiveHiddenAfterThreeRounds(_Hides):
    """A Connection that is deactivated for the fourth time can no longer be read."""

    verbs: ClassVar = frozenset({"read"})

    def hides(self, by: str, there: Connection) -> bool:
        return there.status is Status.INACTIVE and self.round(there.id) >= 3


@defect("permanence", *ACTIVE, deactivate(B), read(A))
class HiddenFromWhoDidNotDeactivate(_Hides):
    """An inactive Connection can be read only by the party that deactivated it."""

    verbs: ClassVar = frozenset({"read"})

    def hides(self, by: str, there: Connection) -> bool:
        last = self._events[there.id][-1]
        return there.status is Status.INACTIVE and last.actor.organization_id != by


@defect("permanence", create(), deactivate(), read())
class WithdrawnOfferIsDeleted(_Hides):
    """An offer that is withdrawn before it was ever accepted is deleted."""

    def hides(self, by: str, there: Connection) -> bool:
        return there.status is Status.INACTIVE and "activate" not in self.past(there.id)


@defect("permanence", create(), deactivate(B), read(B))
class DeclinedOfferHiddenFromDestination(_Hides):
    """A destination that declines an offer does not find it any more."""

    def hides(self, by: str, there: Connection) -> bool:
        declined = self.past(there.id) == ["create", "deactivate"]
        return declined and is_destination(self._events[there.id][-1].actor.organization_id, there)


@defect("permanence", *ACTIVE, deactivate(), reactivate(), read(B))
class ReofferHiddenFromDestination(_Hides):
    """The destination cannot read a Connection that was reactivated until it is active again."""

    verbs: ClassVar = frozenset({"read"})

    def hides(self, by: str, there: Connection) -> bool:
        again = there.status is Status.PENDING and self.round(there.id) > 0
        return again and is_destination(by, there)


@defect("permanence", *ACTIVE, deactivate(), reactivate(), read())
class ReactivationGivesNewId(Faulty):
    """Reactivation makes a new Connection with an id of its own, and drops the old one."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.action == "reactivate":
            self.rename(there.id, there.id + "r")


@defect("permanence", create(), read(B))
class DestinationSeesItselfAsSource(Faulty):
    """What the destination reads has source and destination swapped: ours first, theirs second."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if state["destination"] == call.by:
            state["source"], state["destination"] = state["destination"], state["source"]


@defect("permanence", create(), read(B))
class PendingScopesHiddenFromDestination(Faulty):
    """The destination sees no scopes until it has activated the Connection."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if state["status"] == "pending" and state["destination"] == call.by:
            state["scopes"] = attributes["scopes"] = []


@defect("permanence", create(name="Ours"), read(B))
class NameHiddenFromDestination(Faulty):
    """The name is taken for the source's own note, and the destination does not see it."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if call.by != state["source"]:
            state["name"] = attributes["name"] = None


@defect("permanence", *ACTIVE, deactivate(), read(B))
class DestinationSeesOwnVersion(Faulty):
    """The destination reads the version of its own last action, or of the creation."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if call.by != state["source"]:
            ours = [
                event["version"] for event in state["events"] if event["organization"] == call.by
            ]
            state["version"] = ours[-1] if ours else 1


@defect("permanence", *ACTIVE, read(B))
class DestinationSeesOwnEvents(Faulty):
    """The destination reads only the events of its own actions, and the creation."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if call.by != state["source"]:
            state["events"] = [e for e in state["events"] if e["organization"] == call.by]


@defect("permanence", create(), deactivate(B), read(A))
class SourceSeesDeclinedAsPending(Faulty):
    """The source still reads `pending` after the destination has declined."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        declined = state["status"] == "inactive" and len(state["events"]) == 2
        if declined and call.by == state["source"] != state["events"][-1]["organization"]:
            state["status"] = attributes["status"] = "pending"


@defect("permanence", *ACTIVE, deactivate(), create(), read())
class CreationReplacesInactive(Faulty):
    """A creation over an inactive Connection replaces it: the old id is no longer found."""

    def sent(self, call: Request) -> Request:
        if call.verb == "create" and call.body is None and call.origin == call.by:
            old = self._find(call.by, str(call.destination))
            if old is not None and old.status is Status.INACTIVE:
                del self._connections[old.id]
        return call
