"""Defects about documents: those that create a Connection, and those that describe one."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from defects.catalogue import defect
from defects.systems import Faulty, Request
from defects.witnesses import (
    ACTIVE,
    B,
    Exchanges,
    create,
    deactivate,
    reactivate,
    read,
    send,
)

from connect_core import Connection
from connect_core.conformance import Answer, Outcome, ReferenceSystem


def document(attributes: str = "", data: str = "", top: str = "", to: str = "org_b") -> str:
    """The text of a create document with more members, each after a comma."""
    destination = f'"destination-organization-id":"{to}"'
    return f'{{"data":{{"attributes":{{{destination}{attributes}}}{data}}}{top}}}'


def _members(value: Any) -> dict[str, Any]:
    """The members of an object; any other value has none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _elements(value: Any) -> list[object]:
    """The elements of an array; any other value has none."""
    return cast("list[object]", value) if isinstance(value, list) else []


# --- Connection documents ------------------------------------------------------------------------


class _Describes(Faulty):
    """The document differs from the state."""

    def describe(self, state: Any, attributes: Any) -> None:
        """Alter the attributes of the document, or the document in the state."""
        raise NotImplementedError

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        self.describe(state, attributes)


@defect("documents", *ACTIVE, read())
class DocumentIsPending(_Describes):
    """The document has the status with which the Connection was created."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["status"] = "pending"


@defect("documents", *ACTIVE, read())
class DocumentHasPreviousStatus(_Describes):
    """The document is written before the status is changed."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["status"] = state["events"][-1]["previous_status"] or "pending"


@defect("documents", create(), read())
class DocumentOmitsNull(_Describes):
    """The document has no member for the name if there is none."""

    def describe(self, state: Any, attributes: Any) -> None:
        if attributes["name"] is None:
            del attributes["name"]


@defect("documents", create(name=""), read())
class DocumentNameEmptyIsNull(_Describes):
    """The document has null for an empty name."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["name"] = attributes["name"] or None


@defect("documents", create(), read())
class DocumentNameNullIsEmpty(_Describes):
    """The document has an empty text for no name."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["name"] = attributes["name"] or ""


@defect("documents", create(name="A & B"), read())
class DocumentEscapesName(_Describes):
    """The name in the document is escaped for HTML."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["name"] = attributes["name"] and attributes["name"].replace("&", "&amp;")


@defect("documents", create(), read())
class DocumentHasVersion(_Describes):
    """The document has the version among its attributes."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["version"] = state["version"]


@defect("documents", create(), read())
class DocumentHasLinks(_Describes):
    """The document has links beside its data, as JSON:API permits."""

    def describe(self, state: Any, attributes: Any) -> None:
        state["document"]["links"] = {"self": f"/connections/{attributes['token']}"}


@defect("documents", create(), read())
class DocumentHasRelationships(_Describes):
    """The document has empty relationships beside its attributes."""

    def describe(self, state: Any, attributes: Any) -> None:
        state["document"]["data"]["relationships"] = {}


@defect("documents", create(), read())
class DocumentHasNoToken(_Describes):
    """The document has no token, which is the same as the id."""

    def describe(self, state: Any, attributes: Any) -> None:
        del attributes["token"]


@defect("documents", create(), read())
class DocumentTokenWithoutPrefix(_Describes):
    """The token in the document is the id without its prefix."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["token"] = attributes["token"].removeprefix("cxn_")


@defect("documents", create(), read())
class DocumentTypeIsSingular(_Describes):
    """The type in the document is `connect/connection`."""

    def describe(self, state: Any, attributes: Any) -> None:
        state["document"]["data"]["type"] = "connect/connection"


@defect("documents", create(scopes=["a.read", "b.read"]), read())
class DocumentScopesDescend(_Describes):
    """The document lists the scopes in descending order."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["scopes"].sort(reverse=True)


@defect("documents", create(scopes=["b.read", "a.read"]), read())
class DocumentScopesAsNamed(Faulty):
    """The document lists the scopes in the order in which the creator named them."""

    def __init__(self) -> None:
        super().__init__()
        self.named: dict[str, Sequence[str]] = {}

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create" and call.scopes is not None:
            self.named[there.id] = call.scopes

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if call.connection in self.named:
            attributes["scopes"].sort(key=self.named[call.connection].index)


@defect("documents", create(scopes=["a10.read", "a2.read"]), read())
class DocumentScopesInNaturalOrder(_Describes):
    """The document lists the scopes in natural order: a2 before a10."""

    def describe(self, state: Any, attributes: Any) -> None:
        def natural(scope: str) -> str:
            return re.sub("[0-9]+", lambda digits: digits[0].zfill(255), scope)

        attributes["scopes"].sort(key=natural)


@defect("documents", create(scopes=["a.read", "a-b.read"]), read())
class DocumentScopesByResource(_Describes):
    """The document lists the scopes by resource and then by verb."""

    def describe(self, state: Any, attributes: Any) -> None:
        def parts(scope: str) -> list[str]:
            return scope.split(".")

        attributes["scopes"].sort(key=parts)


@defect("documents", create(scopes=["a_b.read", "aa.read"]), read())
class DocumentScopesByLetters(_Describes):
    """The document lists the scopes as a locale orders them, which passes over `_`, `-` and `.`."""

    def describe(self, state: Any, attributes: Any) -> None:
        def letters(scope: str) -> str:
            return re.sub("[_.-]", "", scope)

        attributes["scopes"].sort(key=letters)


@defect("documents", create(), read(B))
class DocumentSwapsPartiesForDestination(Faulty):
    """The document that the destination reads names it as the organization, and not the source."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        if call.by == state["destination"]:
            attributes["organization-id"] = call.by
            attributes["destination-organization-id"] = state["source"]


@defect("documents", *ACTIVE, read())
class CreatorIsLastActor(_Describes):
    """The creator in the document is whoever acted last."""

    def describe(self, state: Any, attributes: Any) -> None:
        last = state["events"][-1]["organization"]
        attributes["creator-id"] = last.replace("org_", "api_", 1)


@defect("documents", create(), read())
class CreatorIsUser(_Describes):
    """The type of the creator in the document is `user`, also for an API key."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["creator-type"] = "user"


@defect("documents", create(), read())
class CreatorTypeHasUnderscore(_Describes):
    """The type of the creator in the document is `api_key`."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["creator-type"] = "api_key"


@defect("documents", create(), read())
class CreatorIsOrganization(_Describes):
    """The creator in the document is the source organization."""

    def describe(self, state: Any, attributes: Any) -> None:
        attributes["creator-id"] = attributes["organization-id"]


@defect("documents", create(), deactivate(), read())
class DocumentSuspendsScopes(_Describes):
    """An inactive Connection has its scopes in the state, and none in the document."""

    def describe(self, state: Any, attributes: Any) -> None:
        if state["status"] == "inactive":
            attributes["scopes"] = []


@defect("documents", create(), deactivate(), reactivate(), read())
class DocumentHidesScopesUntilActive(_Describes):
    """The document of a Connection that was reactivated has no scopes until it is active."""

    def describe(self, state: Any, attributes: Any) -> None:
        if state["events"][-1]["action"] == "reactivate":
            attributes["scopes"] = []


def _writes(pattern: str) -> Callable[[Exchanges], bool]:
    """Judge whether the document that was read last has a time in another form."""

    def judge(done: Exchanges) -> bool:
        attributes = done.states()[-1]["document"]["data"]["attributes"]
        return re.fullmatch(pattern, attributes["created-at"]) is not None

    return judge


@defect("documents", create(), read(), judge=_writes(r"[\d-]+T[\d:]+Z"))
class DocumentTimesWithoutFraction(_Describes):
    """The document has times without a fraction of a second."""

    def describe(self, state: Any, attributes: Any) -> None:
        for member in "created-at", "updated-at":
            attributes[member] = attributes[member][:19] + "Z"


@defect("documents", create(), read(), judge=_writes(r"[\d-]+T[\d:]+\.\d{6}Z"))
class DocumentTimesInMicroseconds(_Describes):
    """The document has times with six digits of a second's fraction."""

    def describe(self, state: Any, attributes: Any) -> None:
        for member in "created-at", "updated-at":
            attributes[member] = attributes[member].replace("Z", "000Z")


@defect("documents", create(), read(), judge=_writes(r"[\d-]+T[\d:]+\.\d{3}\+00:00"))
class DocumentTimesWithOffset(_Describes):
    """The document has times with the offset +00:00."""

    def describe(self, state: Any, attributes: Any) -> None:
        for member in "created-at", "updated-at":
            attributes[member] = attributes[member].replace("Z", "+00:00")


@defect("documents", create(), read(), judge=_writes(r"[\d-]+ [\d:]+\.\d{3}Z"))
class DocumentTimesWithSpace(_Describes):
    """The document has times with a space between the date and the time of day."""

    def describe(self, state: Any, attributes: Any) -> None:
        for member in "created-at", "updated-at":
            attributes[member] = attributes[member].replace("T", " ")


# --- Create documents: their text -----------------------------------------------------------------


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class _RewritesText(Faulty):
    """The text of a create document is rewritten before it is read."""

    def rewritten(self, body: str) -> str:
        raise NotImplementedError

    def sent(self, call: Request) -> Request:
        return call if call.body is None else replace(call, body=self.rewritten(call.body))


@defect("documents", send("\ufeff" + document()))
class AcceptsByteOrderMark(_RewritesText):
    """A byte order mark before the document is ignored."""

    def rewritten(self, body: str) -> str:
        return body.removeprefix("\ufeff")


@defect("documents", send("\xa0" + document() + "\xa0"))
class AcceptsAnySpace(_RewritesText):
    """Any white space of Unicode is accepted around the document."""

    def rewritten(self, body: str) -> str:
        return body.strip()


@defect("documents", send(document() + ";"))
class AcceptsFinalSemicolon(_RewritesText):
    """A semicolon after the document is ignored."""

    def rewritten(self, body: str) -> str:
        return body.removesuffix(";")


@defect("documents", send(document() + "{}"))
class ReadsFirstValue(_RewritesText):
    """Whatever follows the first JSON value is ignored."""

    def rewritten(self, body: str) -> str:
        try:
            return body[: json.JSONDecoder().raw_decode(body)[1]]
        except ValueError:
            return body


@defect("documents", send(document(',"name":"a",')))
class AcceptsFinalComma(_RewritesText):
    """A comma after the last member or element is accepted."""

    def rewritten(self, body: str) -> str:
        return body if _is_json(body) else re.sub(r",(\s*[}\]])", r"\1", body)


@defect("documents", send("// ours\n" + document()))
class AcceptsComments(_RewritesText):
    """Comments from two slashes to the end of a line are ignored."""

    def rewritten(self, body: str) -> str:
        return body if _is_json(body) else re.sub(r"(?m)^\s*//.*$", "", body)


@defect("documents", send(document().replace('"', "'")))
class AcceptsApostrophes(_RewritesText):
    """Apostrophes are accepted for quotation marks."""

    def rewritten(self, body: str) -> str:
        return body if '"' in body else body.replace("'", '"')


def _finite(text: str) -> float:
    """A number that can be written again."""
    return max(-1e300, min(float(text), 1e300))


class _Rereads(_RewritesText):
    """The document is read by a reader that differs, and written again."""

    def rewritten(self, body: str) -> str:
        try:
            return json.dumps(self.altered(self.read_json(body)))
        except (ValueError, RecursionError):
            return body

    def read_json(self, body: str) -> Any:
        return json.loads(body, object_pairs_hook=self.members, parse_float=_finite)

    def members(self, pairs: list[tuple[str, Any]]) -> Any:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a member stands twice")
        return dict(pairs)

    def altered(self, value: Any) -> Any:
        return value

    def attributes(self, value: Any) -> dict[str, Any]:
        """The attributes in a document, as far as it has them."""
        return _members(_members(_members(value).get("data")).get("attributes"))


@defect("documents", send(document(',"name":"a","name":"b"')))
class AcceptsRepeatedMembers(_Rereads):
    """Of a member that stands twice the last one counts, and nothing is reported."""

    def members(self, pairs: list[tuple[str, Any]]) -> Any:
        return dict(pairs)


@defect("documents", send(document(',"na\\u006de":"a","name":"b"')))
class AcceptsEscapedRepetition(_Rereads):
    """Members are compared before unescaping, so that one that stands twice can go unnoticed."""

    def rewritten(self, body: str) -> str:
        raw = re.findall(r'"((?:[^"\\]|\\.)*)"\s*:', body)
        return super().rewritten(body) if len(set(raw)) == len(raw) else body

    def members(self, pairs: list[tuple[str, Any]]) -> Any:
        return dict(pairs)


@defect("documents", send(document(',"name":NaN')))
class AcceptsNaN(_Rereads):
    """NaN and Infinity are read as JSON, and refused as values."""

    def altered(self, value: Any) -> Any:
        return json.loads(json.dumps(value), parse_constant=lambda _: 0)


@defect("documents", send(document(',"name":"a\nb"')))
class AcceptsRawLineFeed(_Rereads):
    """Control characters in texts are read as JSON, and refused as part of a name."""

    def read_json(self, body: str) -> Any:
        return json.JSONDecoder(strict=False, object_pairs_hook=self.members).decode(body)


@defect("documents", send(document(',"colour":1')))
class IgnoresUnknownAttributes(_Rereads):
    """Unknown attributes are ignored."""

    def altered(self, value: Any) -> Any:
        known = {"destination-organization-id", "name", "scopes"}
        attributes = self.attributes(value)
        for member in set(attributes) - known:
            del attributes[member]
        return value


@defect("documents", send(document(top=',"meta":{}')))
class IgnoresUnknownTopMembers(_Rereads):
    """Unknown members beside `data` are ignored."""

    def altered(self, value: Any) -> Any:
        return {"data": value["data"]} if "data" in _members(value) else value


@defect("documents", send(document(data=',"id":"cxn_1"')))
class IgnoresIdInData(_Rereads):
    """An id beside the attributes is ignored."""

    def altered(self, value: Any) -> Any:
        if self.attributes(value):
            value["data"].pop("id", None)
        return value


@defect("documents", send(document(data=',"type":"connection"')))
class IgnoresType(_Rereads):
    """The type is not looked at."""

    def altered(self, value: Any) -> Any:
        if self.attributes(value):
            value["data"].pop("type", None)
        return value


@defect("documents", send(document(data=',"type":null')))
class AcceptsNullType(_Rereads):
    """A type that is null is taken as left out."""

    def altered(self, value: Any) -> Any:
        if self.attributes(value) and value["data"].get("type", "") is None:
            del value["data"]["type"]
        return value


@defect("documents", send(document(data=',"type":"Connect/Connections"')))
class FoldsCaseOfType(_Rereads):
    """The type is compared without regard to case."""

    def altered(self, value: Any) -> Any:
        if self.attributes(value) and isinstance(value["data"].get("type"), str):
            value["data"]["type"] = value["data"]["type"].lower()
        return value


@defect("documents", send(document(',"scopes":null')))
class AcceptsNullScopes(_Rereads):
    """Scopes that are null are taken as left out."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        if attributes.get("scopes", "") is None:
            del attributes["scopes"]
        return value


@defect("documents", send(document(',"scopes":[]')))
class EmptyScopesInDocumentAreDefault(_Rereads):
    """An empty array of scopes in a document is taken as left out."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        if attributes.get("scopes") == []:
            del attributes["scopes"]
        return value


_MANY = ",".join(f'"a.s{number}"' for number in range(64))


@defect("documents", send(document(f',"scopes":["a.read",{_MANY}]')))
class Accepts65ScopesInDocument(_Rereads):
    """65 different scopes in a document are accepted, and the last one is not kept."""

    def altered(self, value: Any) -> Any:
        scopes = _elements(self.attributes(value).get("scopes"))
        if len(scopes) == 65 == len(set(map(repr, scopes))):
            del scopes[64]
        return value


@defect("documents", send(document(',"scopes":"a.read"')))
class AcceptsOneScopeAsText(_Rereads):
    """Scopes that are a text are taken as an array of one."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        if isinstance(attributes.get("scopes"), str):
            attributes["scopes"] = [attributes["scopes"]]
        return value


@defect("documents", send(document(',"scopes":["a.read"]')), read())
class AddsDefaultsToDocument(_Rereads):
    """The default scopes are added to those in a document."""

    def altered(self, value: Any) -> Any:
        scopes = _elements(self.attributes(value).get("scopes"))
        if 0 < len(scopes) <= 62:
            scopes += ["account.read", "inquiry.read"]
        return value


@defect("documents", send(document(',"name":5')))
class AcceptsNumberAsName(_Rereads):
    """A number for the name is taken as its text."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        if type(attributes.get("name")) is int:
            attributes["name"] = str(attributes["name"])
        return value


@defect("documents", send(document(',"name":false')))
class FalseNameIsNull(_Rereads):
    """A name that is false, zero or an empty array is taken as none."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        if "name" in attributes and attributes["name"] != "":
            attributes["name"] = attributes["name"] or None
        return value


@defect("documents", send(document(to=" org_b")))
class TrimsDestination(_Rereads):
    """Spaces around the destination in a document are ignored."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        to = attributes.get("destination-organization-id")
        if isinstance(to, str):
            attributes["destination-organization-id"] = to.strip()
        return value


@defect("documents", send('{"data":{"attributes":{"destination_organization_id":"org_b"}}}'))
class AcceptsSnakeCase(_Rereads):
    """Members may also be written with underscores."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        to = attributes.pop("destination_organization_id", None)
        if to is not None:
            attributes.setdefault("destination-organization-id", to)
        return value


@defect("documents", send(document(',"Name":"a"')))
class FoldsCaseOfMembers(_Rereads):
    """The names of members are compared without regard to case."""

    def members(self, pairs: list[tuple[str, Any]]) -> Any:
        return super().members([(name.lower(), value) for name, value in pairs])


@defect("documents", send(document(',"name":"\\ud800"')))
class ReplacesUnpairedSurrogate(_Rereads):
    """An escaped unpaired surrogate becomes U+FFFD, and is accepted in a name."""

    def altered(self, value: Any) -> Any:
        attributes = self.attributes(value)
        if isinstance(attributes.get("name"), str):
            sent = attributes["name"].encode("utf-16-le", "surrogatepass")
            attributes["name"] = sent.decode("utf-16-le", "replace")
        return value


@defect("documents", send('{"attributes":{"destination-organization-id":"org_b"}}'))
class AcceptsBareData(_Rereads):
    """The member `data` can be left out, so that its members are at the top."""

    def altered(self, value: Any) -> Any:
        bare = "attributes" in _members(value) and "data" not in _members(value)
        return {"data": value} if bare else value


# --- Create documents: what is refused -----------------------------------------------------------


class _RefusesDocuments(Faulty):
    """Some valid documents are refused, with a problem at one place."""

    pointer: ClassVar[str]

    def refuses(self, data: dict[str, Any]) -> bool:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        try:
            refused = self.refuses(json.loads(call.body or "")["data"])
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
            return None
        right = ReferenceSystem().create(by=call.by, body=call.body) if refused else None
        if right is None or right.http == 400:
            return None
        pointers = sorted({*(right.pointers or ()), self.pointer})
        return Answer(Outcome.INVALID, pointers=pointers, http=422)


@defect("documents", send(document()))
class TypeIsRequired(_RefusesDocuments):
    """A document without a type is refused."""

    pointer = "/data"

    def refuses(self, data: dict[str, Any]) -> bool:
        return "type" not in data


@defect("documents", send(document(data=',"type":"connect/connection"')))
class RefusesSingularType(_RefusesDocuments):
    """A document with the type `connect/connection` is refused."""

    pointer = "/data/type"

    def refuses(self, data: dict[str, Any]) -> bool:
        return data.get("type") == "connect/connection"


@defect("documents", send(document(',"name":null')))
class RefusesNullName(_RefusesDocuments):
    """A document in which the name is null is refused."""

    pointer = "/data/attributes/name"

    def refuses(self, data: dict[str, Any]) -> bool:
        return bool(data["attributes"].get("name", "") is None)


@defect("documents", send(document(',"name":""')))
class RefusesEmptyNameInDocument(_RefusesDocuments):
    """A document in which the name is empty is refused."""

    pointer = "/data/attributes/name"

    def refuses(self, data: dict[str, Any]) -> bool:
        return bool(data["attributes"].get("name") == "")


@defect("documents", send(document(to="org_" + "x" * 251)))
class Refuses255CharactersInDocument(_RefusesDocuments):
    """A document whose destination has 255 characters is refused."""

    pointer = "/data/attributes/destination-organization-id"

    def refuses(self, data: dict[str, Any]) -> bool:
        return len(data["attributes"]["destination-organization-id"]) == 255


@defect("documents", send(document(to="org_-b")))
class RefusesHyphenFirst(_RefusesDocuments):
    """A document whose destination has a hyphen after the prefix is refused."""

    pointer = "/data/attributes/destination-organization-id"

    def refuses(self, data: dict[str, Any]) -> bool:
        return bool(data["attributes"]["destination-organization-id"].startswith("org_-"))


@defect("documents", send(document(',"scopes":["a.read","a.read"]')))
class RefusesRepeatedScopesInDocument(_RefusesDocuments):
    """A document that names a scope twice is refused."""

    pointer = "/data/attributes/scopes"

    def refuses(self, data: dict[str, Any]) -> bool:
        scopes = _elements(data["attributes"].get("scopes"))
        return len(set(scopes)) < len(scopes)


@defect("documents", send(document(',"name":"\\ud83d\\ude00"')))
class RefusesPairedSurrogates(_RefusesDocuments):
    """A document with a character beyond U+FFFF in its name is refused."""

    pointer = "/data/attributes/name"

    def refuses(self, data: dict[str, Any]) -> bool:
        return any(character > "\uffff" for character in data["attributes"]["name"])


@defect("documents", send(document(',"name":' + "[" * 18 + "]" * 18)))
class RefusesMoreThan20Deep(Faulty):
    """What is nested more than 20 deep is refused as if it were not JSON."""

    def before(self, call: Request) -> Answer | None:
        depth = most = 0
        for character in re.sub(r'"(?:[^"\\]|\\.)*"', "", call.body or ""):
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(character, 0)
            most = max(most, depth)
        return Answer(Outcome.INVALID, pointers=[""], http=400) if most > 20 else None


# --- Create documents: how a refusal is answered -------------------------------------------------


class _Reports(Faulty):
    """The places of problems are reported otherwise."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        raise NotImplementedError

    def after(self, call: Request, answer: Answer) -> Answer:
        if answer.pointers is None:
            return answer
        return replace(answer, pointers=self.reported(answer.pointers, call))


_TWO = document(',"name":5,"colour":1')


@defect("documents", send(_TWO))
class ReportsFirstProblem(_Reports):
    """Only the first of several problems is reported."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        return pointers[:1]


@defect("documents", send(document(',"scopes":["A","B"]')))
class ReportsFirstElement(_Reports):
    """Of several scopes that are not well formed only the first is reported."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        scopes = [each for each in pointers if each.startswith("/data/attributes/scopes/")]
        return [each for each in pointers if each not in scopes[1:]]


@defect("documents", send(document(',"scopes":["A"]')))
class ReportsArrayForElement(_Reports):
    """A scope that is not well formed is reported at the array."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        return sorted({re.sub("(/scopes)/[0-9]+$", r"\1", each) for each in pointers})


@defect("documents", send(document(',"scopes":["A"]')))
class CountsElementsFromOne(_Reports):
    """A scope that is not well formed is reported with an index that counts from 1."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        pattern = "(?<=/scopes/)[0-9]+$"
        return [re.sub(pattern, lambda n: str(int(n[0]) + 1), each) for each in pointers]


@defect("documents", send('{"data":{"attributes":{}}}'))
class ReportsMissingMember(_Reports):
    """A member that is missing is reported at its own place, not at the object's."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        missing: dict[str, str] = {}
        value, place = json.loads(call.body or "") if _is_json(call.body or "") else None, ""
        for member in "data", "attributes", "destination-organization-id":
            if isinstance(value, dict) and member not in value:
                missing[place] = f"{place}/{member}"
            value = _members(cast("Any", value)).get(member)
            place = f"{place}/{member}"
        return [missing.get(each, each) for each in pointers]


@defect("documents", send("{}"))
class ReportsAllThatIsMissing(_Reports):
    """What would be in an object that is missing is reported as missing, too."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        nothing = (call.body or "").strip() == "{}"
        return ["", "/data", "/data/attributes"] if nothing else pointers


@defect("documents", send(document(',"x~/y":1')))
class PointersNotEscaped(_Reports):
    """Tildes and slashes in the names of members are not escaped in pointers."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        return [each.replace("~1", "/").replace("~0", "~") for each in pointers]


@defect("documents", send(document(',"x~y":1')))
class PointersEscapeSlashOnly(_Reports):
    """Slashes in the names of members are escaped in pointers, and tildes are not."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        return [each.replace("~0", "~") for each in pointers]


@defect("documents", send(document(',"\xfc b":1')))
class PointersAreFragments(_Reports):
    """Pointers are percent-encoded, as in the fragment of a URI."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        return [each.replace(" ", "%20").replace("\xfc", "%C3%BC") for each in pointers]


@defect("documents", send(document(',"name":5')))
class PointersBelowData(_Reports):
    """Pointers start from the member `data`, not from the whole document."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        return [each[5:] if each.startswith("/data/") else each for each in pointers]


@defect("documents", send(document(',"name":5')))
class PointersWithDots(_Reports):
    """Places are reported with full stops, as a path in a programming language."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        return [each.lstrip("/").replace("/", ".") for each in pointers]


@defect("documents", send(document(',"name":"a","name":"b"')))
class ReportsRepetitionAtObject(_Reports):
    """A member that stands twice is reported at its object."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        twice = (call.body or "").count('"name"') > 1
        name = "/data/attributes/name"
        return ["/data/attributes" if twice and p == name else p for p in pointers]


@defect("documents", send('{"data":{"a":1,"a":2},"data":{"attributes":{}}}'))
class ReportsRepetitionInDiscardedValue(_Reports):
    """A member that stands twice in a value that is discarded is reported, too."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        if "/data" not in pointers:
            return pointers
        objects: list[tuple[Any, list[tuple[str, Any]]]] = []

        def members(pairs: list[tuple[str, Any]]) -> Any:
            objects.append((dict(pairs), pairs))
            return objects[-1][0]

        json.loads(call.body or "", object_pairs_hook=members)
        discarded = [value for name, value in objects[-1][1] if name == "data"][:-1]
        found = {
            f"/data/{name}"
            for made, pairs in objects
            for name in made
            if any(made is value for value in discarded)
            and [each for each, _ in pairs].count(name) > 1
        }
        return sorted({*pointers, *found})


@defect("documents", send(document(f',"scopes":["A",{_MANY}]')))
class ReportsElementsOfTooManyScopes(_Reports):
    """Besides that there are too many scopes, those that are not well formed are reported."""

    def reported(self, pointers: Sequence[str], call: Request) -> Sequence[str]:
        if "/data/attributes/scopes" not in pointers:
            return pointers
        scopes = _elements(json.loads(call.body or "")["data"]["attributes"]["scopes"])
        if len(set(map(repr, scopes))) <= 64:
            return pointers
        malformed = {
            f"/data/attributes/scopes/{index}"
            for index, scope in enumerate(scopes)
            if not isinstance(scope, str) or scope != scope.lower() or "." not in scope
        }
        return sorted({*pointers, *malformed})


class _AnswersInvalid(Faulty):
    """A document that is not valid is answered with another HTTP status."""

    def status(self, body: str, answer: Answer) -> int | None:
        raise NotImplementedError

    def after(self, call: Request, answer: Answer) -> Answer:
        invalid = call.body is not None and answer.outcome is Outcome.INVALID
        return replace(answer, http=self.status(call.body or "", answer)) if invalid else answer


@defect("documents", send("{"))
class NotJsonIs422(_AnswersInvalid):
    """The HTTP status of text that is not JSON is 422, as of every document that is not valid."""

    def status(self, body: str, answer: Answer) -> int:
        return 422


@defect("documents", send("{}"))
class InvalidDocumentIs400(_AnswersInvalid):
    """The HTTP status of every document that is not valid is 400."""

    def status(self, body: str, answer: Answer) -> int:
        return 400


@defect("documents", send("[]"))
class NoObjectIs400(_AnswersInvalid):
    """The HTTP status of JSON that is no object is 400, as of text that is not JSON."""

    def status(self, body: str, answer: Answer) -> int | None:
        return answer.http if body.lstrip().startswith("{") else 400


@defect("documents", send(""))
class EmptyTextLacksData(Faulty):
    """A text that is empty is taken for an empty object, in which `data` is missing."""

    def sent(self, call: Request) -> Request:
        empty = call.body is not None and not call.body.strip()
        return replace(call, body="{}") if empty else call


@defect("documents", send("[" * 2000 + "]" * 2000))
class DeepNestingFails(Faulty):
    """What is nested more than a thousand deep makes the reader fail."""

    def before(self, call: Request) -> Answer | None:
        if (call.body or "").count("[") > 1000:
            raise RecursionError("maximum recursion depth exceeded")
        return None


@defect("documents", send(document(',"name":null}')), create())
class BrokenDocumentCreates(Faulty):
    """A document is read as a stream: what it says before it breaks off is created."""

    def after(self, call: Request, answer: Answer) -> Answer:
        text = call.body or ""
        if answer.outcome is Outcome.INVALID and answer.http == 400:
            found = re.search(r'"destination-organization-id"\s*:\s*"(org_[\w-]+)"', text)
            if found is not None:
                self.right(Request("create", call.by, destination=found[1]))
        return answer
