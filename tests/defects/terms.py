"""Defects about what a Connection is created with: scopes and names."""

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from html import escape, unescape
from typing import Any, ClassVar
from unicodedata import category, normalize
from urllib.parse import unquote

from defects.catalogue import defect
from defects.systems import Faulty, Request, is_destination, is_reverse, permit, refuse
from defects.witnesses import (
    ACTIVE,
    A,
    B,
    C,
    Step,
    activate,
    create,
    deactivate,
    reactivate,
    read,
    share,
)

from connect_core import Connection, Status
from connect_core.conformance import Answer, Outcome
from connect_core.scopes import DEFAULT_SCOPES

# --- scopes: what is granted ---------------------------------------------------------------------


class _Grants(Faulty):
    """An active Connection grants scopes that it does not have."""

    def grants(self, granted: str, asked: str) -> bool:
        return self.key(granted) == self.key(asked)

    def key(self, scope: str) -> str:
        return scope

    def granted(self, there: Connection) -> Sequence[str]:
        return [*there.scopes]

    def before(self, call: Request) -> Answer | None:
        there = self.found(call) if call.verb == "share" else None
        if there is None or not is_destination(call.by, there) or call.scope in there.scopes:
            return None
        granted = any(self.grants(each, call.scope) for each in self.granted(there))
        return permit() if granted and there.status is Status.ACTIVE else None


def _asks(asked: str, *granted: str) -> tuple[Step, ...]:
    """A witness: data of one scope are read through a Connection that has others."""
    return create(scopes=[*granted]), activate(), share(scope=asked)


@defect("scopes", *_asks("inquiry.readonly", "inquiry.read"))
class GrantedIsPrefix(_Grants):
    """A scope also grants every scope that begins with it."""

    def grants(self, granted: str, asked: str) -> bool:
        return asked.startswith(granted)


@defect("scopes", *_asks("big-inquiry.read", "inquiry.read"))
class GrantedIsSuffix(_Grants):
    """A scope also grants every scope that ends with it."""

    def grants(self, granted: str, asked: str) -> bool:
        return asked.endswith(granted)


@defect("scopes", *_asks("inquiry.re", "inquiry.read"))
class AskedIsSubstring(_Grants):
    """A scope grants any part of it: what is asked for is searched for in its text."""

    def grants(self, granted: str, asked: str) -> bool:
        return asked in granted


@defect("scopes", *_asks("inquiry", "inquiry.read"))
class GrantsResource(_Grants):
    """A scope also grants its resource alone, without a verb."""

    def grants(self, granted: str, asked: str) -> bool:
        return asked == granted.partition(".")[0]


@defect("scopes", *_asks("a.read,b.read", "a.read", "b.read"))
class SearchesJoinedScopes(_Grants):
    """The scopes are kept as one text with commas, in which what is asked for is searched for."""

    def grants(self, granted: str, asked: str) -> bool:
        return asked in granted

    def granted(self, there: Connection) -> Sequence[str]:
        return [",".join(sorted(there.scopes))]


@defect("scopes", *_asks("inquiryxread", "inquiry.read"))
class GrantedIsRegularExpression(_Grants):
    """A scope is taken for a regular expression, so that its full stop matches any character."""

    def grants(self, granted: str, asked: str) -> bool:
        return re.fullmatch(granted, asked) is not None


@defect("scopes", *_asks("axb.read", "a_b.read"))
class GrantedIsLikePattern(_Grants):
    """A scope is taken for a pattern of LIKE, so that an underscore matches any character."""

    def grants(self, granted: str, asked: str) -> bool:
        return fnmatchcase(asked, granted.replace("_", "?"))


@defect("scopes", *_asks("inquiry.*", "inquiry.read"))
class AskedIsPattern(_Grants):
    """What is asked for is taken for a pattern, in which an asterisk matches anything."""

    def grants(self, granted: str, asked: str) -> bool:
        return "*" in asked and fnmatchcase(granted, asked)


@defect("scopes", *_asks("account.read inquiry.read", "account.read", "inquiry.read"))
class AskedIsListOfWords(_Grants):
    """Several scopes may be asked for at once, with spaces between them."""

    def grants(self, granted: str, asked: str) -> bool:
        return granted in asked.split()


@defect("scopes", *_asks(" inquiry.read", "inquiry.read"))
class TrimsAskedScope(_Grants):
    """Spaces around the scope that is asked for are ignored."""

    def key(self, scope: str) -> str:
        return scope.strip(" ")


@defect("scopes", *_asks("inquiry.read\n", "inquiry.read"))
class IgnoresFinalLineFeedOfScope(_Grants):
    """A line feed at the end of the scope that is asked for is ignored."""

    def key(self, scope: str) -> str:
        return scope.removesuffix("\n")


@defect("scopes", *_asks("INQUIRY.read", "inquiry.read"))
class FoldsCaseOfAskedScope(_Grants):
    """The scope that is asked for is compared without regard to case."""

    def key(self, scope: str) -> str:
        return scope.casefold()


@defect("scopes", *_asks("inquiry\uff0eread", "inquiry.read"))
class NormalizesAskedScope(_Grants):
    """The scope that is asked for is brought into Unicode's form NFKC first."""

    def key(self, scope: str) -> str:
        return normalize("NFKC", scope)


@defect("scopes", *_asks("inquiry%2Eread", "inquiry.read"))
class DecodesAskedScope(_Grants):
    """Percent-encoded characters in the scope that is asked for are decoded."""

    def key(self, scope: str) -> str:
        return unquote(scope)


@defect("scopes", *_asks("in-quiry.read", "in_quiry.read"))
class TakesHyphenForUnderscoreInScopes(_Grants):
    """Hyphens and underscores in scopes are the same."""

    def key(self, scope: str) -> str:
        return scope.replace("-", "_")


@defect("scopes", *_asks("inquiry:read", "inquiry.read"))
class TakesColonForFullStop(_Grants):
    """A scope may be asked for with a colon, as elsewhere, instead of a full stop."""

    def key(self, scope: str) -> str:
        return scope.replace(":", ".")


@defect("scopes", *_asks("a" * 64 + ".write", "a" * 64 + ".read"))
class ComparesFirst64CharactersOfScopes(_Grants):
    """Scopes are the same if their first 64 characters are."""

    def key(self, scope: str) -> str:
        return scope[:64]


@defect("scopes", *_asks("account.read", "account.write"))
class WriteImpliesRead(_Grants):
    """The verb `write` also grants `read` of the same resource."""

    def grants(self, granted: str, asked: str) -> bool:
        return granted.endswith(".write") and asked == granted.removesuffix("write") + "read"


@defect("scopes", *_asks("account.delete", "account.manage"))
class ManageImpliesAll(_Grants):
    """The verb `manage` grants every verb of the same resource."""

    def grants(self, granted: str, asked: str) -> bool:
        resource, _, verb = granted.partition(".")
        return verb == "manage" and asked.startswith(f"{resource}.")


@defect("scopes", *_asks("account.write", "account.read"))
class ComparesResources(_Grants):
    """Only the resources of scopes are compared."""

    def grants(self, granted: str, asked: str) -> bool:
        return "." in asked and asked.partition(".")[0] == granted.partition(".")[0]


@defect("scopes", *_asks("inquiry.read", "account.read"))
class ComparesVerbs(_Grants):
    """Only the verbs of scopes are compared."""

    def grants(self, granted: str, asked: str) -> bool:
        return asked.partition(".")[2] == granted.partition(".")[2]


@defect("scopes", *_asks("inquiry.read", "other.read"))
class GrantsDefaultScopes(_Grants):
    """The default scopes are granted by every Connection."""

    def granted(self, there: Connection) -> Sequence[str]:
        return [*DEFAULT_SCOPES]


@defect("scopes", create(B, A, to="back", scopes=["x.y"]), *ACTIVE, share(scope="x.y"))
class GrantsScopesOfReverse(_Grants):
    """The scopes of the Connection in the other direction are granted, too."""

    def granted(self, there: Connection) -> Sequence[str]:
        backs = [each for each in self.others(there) if is_reverse(there, each)]
        return [scope for each in backs for scope in each.scopes]


@defect("scopes", create(C, B, to="other", scopes=["x.y"]), *ACTIVE, share(scope="x.y"))
class GrantsScopesToDestination(_Grants):
    """The scopes of all Connections of a destination are granted by each that is active."""

    def granted(self, there: Connection) -> Sequence[str]:
        return [
            scope
            for each in self.others(there)
            if each.destination_organization_id == there.destination_organization_id
            for scope in each.scopes
        ]


@defect("scopes", create(scopes=["new.kind"]), activate(), share(scope="new.kind"))
class SharesKnownScopesOnly(Faulty):
    """Data of scopes that are not the default ones may never be read."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call) if call.verb == "share" else None
        unknown = there is not None and call.scope not in DEFAULT_SCOPES
        return refuse(Outcome.DENIED) if unknown else None


@defect("scopes", *_asks("b.read", "a.read", "b.read"))
class GrantsFirstScopeOnly(Faulty):
    """Only the first of a Connection's scopes, in order, is granted."""

    def before(self, call: Request) -> Answer | None:
        there = self.found(call) if call.verb == "share" else None
        if there is None or call.scope == min(there.scopes):
            return None
        return refuse(Outcome.DENIED)


# --- scopes: what is accepted --------------------------------------------------------------------

_MANY = [f"a.s{n:02}" for n in range(65)]


class _RewritesScopes(Faulty):
    """The scopes of a creation are rewritten before they are checked."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str] | None:
        raise NotImplementedError

    def sent(self, call: Request) -> Request:
        return call if call.scopes is None else replace(call, scopes=self.rewritten(call.scopes))


@defect("scopes", create(scopes=_MANY[:64]), read())
class Keeps32Scopes(_RewritesScopes):
    """Of more than 32 scopes the first 32 are kept."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return sorted(scopes)[:32] if 32 < len(scopes) <= 64 else scopes


@defect("scopes", create(scopes=[]))
class EmptyListIsDefault(_RewritesScopes):
    """An empty list of scopes is taken as none given."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str] | None:
        return scopes or None


@defect("scopes", create(scopes=["a.b", "A.B"]))
class DropsMalformedScopes(_RewritesScopes):
    """Scopes that are not well formed are left out, if there are others."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        good = [each for each in scopes if re.fullmatch(_SCOPE, each)]
        return good or scopes


@defect("scopes", create(scopes=["a.b", ""]))
class DropsEmptyScopes(_RewritesScopes):
    """Empty texts among the scopes are left out."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return [each for each in scopes if each]


@defect("scopes", create(scopes=[" a.b"]))
class TrimsScopes(_RewritesScopes):
    """Spaces around scopes are removed."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return [each.strip() for each in scopes]


@defect("scopes", create(scopes=["Account.read"]))
class LowersScopes(_RewritesScopes):
    """Upper-case letters in scopes become lower-case ones."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return [each.lower() for each in scopes]


@defect("scopes", create(scopes=["a.b,c.d"]))
class SplitsScopesAtCommas(_RewritesScopes):
    """A scope with a comma is taken as two of them."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return [part for each in scopes for part in each.split(",")]


@defect("scopes", create(scopes=["new.kind"]), read())
class AddsDefaultScopes(_RewritesScopes):
    """The default scopes are added to those that the creator names."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return [*scopes, *DEFAULT_SCOPES] if 0 < len(scopes) <= 62 else scopes


@defect("scopes", create(scopes=["account.read", "new.kind"]), read())
class DropsUnknownScopes(_RewritesScopes):
    """Scopes that are not the default ones are left out, if there are others."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return [each for each in scopes if each in DEFAULT_SCOPES] or scopes


@defect("scopes", create(scopes=_MANY))
class Accepts65Scopes(_RewritesScopes):
    """65 different scopes are accepted, and the last one is not kept."""

    def rewritten(self, scopes: Sequence[str]) -> Sequence[str]:
        return scopes[:64] if len(set(scopes)) == 65 else scopes


class _RefusesScopes(Faulty):
    """A creation with some valid scopes is refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        refused = call.scopes is not None and self.refuses(call.scopes)
        return refuse(Outcome.INVALID) if refused else None


@defect("scopes", create(scopes=_MANY[:64]))
class Refuses64Scopes(_RefusesScopes):
    """64 scopes are refused, 63 are not."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return len(scopes) >= 64


@defect("scopes", create(scopes=["a.b"] * 65))
class CountsRepeatedScopes(_RefusesScopes):
    """Scopes are counted before repeated ones are removed."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return len(scopes) > 64


@defect("scopes", create(scopes=["a.b", "a.b"]))
class RefusesRepeatedScopes(_RefusesScopes):
    """A scope that is named twice is refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return len(set(scopes)) < len(scopes)


@defect("scopes", create(scopes=["new.kind"]))
class RefusesUnknownScopes(_RefusesScopes):
    """Scopes that are not the default ones are refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return not DEFAULT_SCOPES.issuperset(scopes)


@defect("scopes", create(scopes=["a_b.read"]))
class RefusesUnderscoreInScopes(_RefusesScopes):
    """Scopes with an underscore are refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return any("_" in each for each in scopes)


@defect("scopes", create(scopes=["a.read-"]))
class RefusesFinalHyphenInScopes(_RefusesScopes):
    """Scopes whose parts end in a hyphen are refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return any("-." in each or each.endswith("-") for each in scopes)


@defect("scopes", create(scopes=["a1.read"]))
class RefusesDigitsInScopes(_RefusesScopes):
    """Scopes with a digit are refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return any(re.search("[0-9]", each) for each in scopes)


@defect("scopes", create(scopes=["a.read"]))
class RefusesOneLetterInScopes(_RefusesScopes):
    """Each part of a scope has to have two characters."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return any(len(part) < 2 for each in scopes for part in each.split("."))


@defect("scopes", create(scopes=["a" * 100 + ".read"]))
class RefusesLongScopes(_RefusesScopes):
    """Scopes of more than 100 characters are refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return any(len(each) > 100 for each in scopes)


@defect("scopes", create(scopes=["a.b" + "c" * 252]))
class Refuses255CharactersOfScope(_RefusesScopes):
    """Scopes of 255 characters are refused, those of 254 are not."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return any(len(each) == 255 for each in scopes)


@defect("scopes", create(scopes=["b.read", "a.read"]))
class RefusesUnsortedScopes(_RefusesScopes):
    """Scopes that are not in ascending order are refused."""

    def refuses(self, scopes: Sequence[str]) -> bool:
        return list(scopes) != sorted(scopes)


_SCOPE = r"[a-z][0-9a-z_-]*\.[a-z][0-9a-z_-]*"


class _AcceptsScopes(Faulty):
    """Some scopes that are not well formed are accepted and kept."""

    pattern: ClassVar[str]
    most = 255
    kept: Sequence[str] | None = None

    def sent(self, call: Request) -> Request:
        self.kept = None
        scopes = call.scopes or ()
        if not any(re.fullmatch(_SCOPE, each) is None or len(each) > 255 for each in scopes):
            return call
        if any(re.fullmatch(self.pattern, e) is None or len(e) > self.most for e in scopes):
            return call
        self.kept = scopes
        return replace(call, scopes=[f"kept.s{n}" for n in range(len(set(scopes)))])

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create" and self.kept is not None:
            self.meddle(there.id, scopes=frozenset(self.kept))


@defect("scopes", create(scopes=["a..b"]))
class AcceptsTwoFullStops(_AcceptsScopes):
    """Scopes with two full stops in a row are accepted."""

    pattern = r"[a-z][0-9a-z_-]*\.+[a-z][0-9a-z_-]*"


@defect("scopes", create(scopes=["a.b.c"]))
class AcceptsThreeParts(_AcceptsScopes):
    """Scopes of three parts are accepted."""

    pattern = r"[a-z][0-9a-z_-]*(\.[a-z][0-9a-z_-]*){1,2}"


@defect("scopes", create(scopes=["account"]))
class AcceptsOnePart(_AcceptsScopes):
    """Scopes without a full stop are accepted."""

    pattern = r"[a-z][0-9a-z_-]*(\.[a-z][0-9a-z_-]*)?"


@defect("scopes", create(scopes=["a.readAll"]))
class AcceptsCamelCase(_AcceptsScopes):
    """Upper-case letters are accepted in scopes, but for the first letter of a part."""

    pattern = r"[a-z][0-9A-Za-z_-]*\.[a-z][0-9A-Za-z_-]*"


@defect("scopes", create(scopes=["a.2fa"]))
class AcceptsDigitFirst(_AcceptsScopes):
    """Parts of scopes that begin with a digit are accepted."""

    pattern = r"[a-z0-9][0-9a-z_-]*\.[a-z0-9][0-9a-z_-]*"


@defect("scopes", create(scopes=["_a.read"]))
class AcceptsUnderscoreFirst(_AcceptsScopes):
    """Parts of scopes that begin with an underscore are accepted."""

    pattern = r"[a-z_][0-9a-z_-]*\.[a-z_][0-9a-z_-]*"


@defect("scopes", create(scopes=["a\u0663.read"]))
class AcceptsDigitsOfAnyScript(_AcceptsScopes):
    """Digits of any script are accepted in scopes."""

    pattern = r"[a-z][\da-z_-]*\.[a-z][\da-z_-]*"


@defect("scopes", create(scopes=["caf\xe9.read"]))
class AcceptsLettersOfAnyScript(_AcceptsScopes):
    """Letters of any script are accepted in scopes, but for the first letter of a part."""

    pattern = r"[a-z](?:(?![A-Z])[\w-])*\.[a-z](?:(?![A-Z])[\w-])*"


@defect("scopes", create(scopes=["a.read\n"]))
class AcceptsFinalLineFeed(_AcceptsScopes):
    """A line feed at the end of a scope is accepted."""

    pattern = _SCOPE + "\n?"


@defect("scopes", create(scopes=["a.b" + "c" * 253]))
class Accepts256Characters(_AcceptsScopes):
    """Scopes of 256 characters are accepted."""

    pattern = _SCOPE
    most = 256


@defect("scopes", create(scopes=["a.read:own"]))
class AcceptsColonInScopes(_AcceptsScopes):
    """Colons are accepted in the second part of a scope."""

    pattern = r"[a-z][0-9a-z_-]*\.[a-z][0-9a-z_:-]*"


@defect("scopes", create(scopes=["account.*"]))
class AcceptsAsterisk(_AcceptsScopes):
    """An asterisk is accepted for the second part of a scope."""

    pattern = _SCOPE + r"|[a-z][0-9a-z_-]*\.\*"


@defect("scopes", create(scopes=["account."]))
class AcceptsEmptyPart(_AcceptsScopes):
    """A scope whose second part is empty is accepted."""

    pattern = r"[a-z][0-9a-z_-]*\.([a-z][0-9a-z_-]*)?"


@defect("scopes", create(scopes=["b.read", "a.read", "b.read"]), read())
class KeepsRepeatedScopes(Faulty):
    """A scope that is named twice is kept twice."""

    def __init__(self) -> None:
        super().__init__()
        self.named: dict[str, list[str]] = {}

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create" and call.scopes is not None:
            self.named[there.id] = sorted(call.scopes)

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        state["scopes"] = self.named.get(call.connection, state["scopes"])


# --- names ---------------------------------------------------------------------------------------


class _KeepsNames(Faulty):
    """The name is kept otherwise than it was given."""

    def kept(self, name: str) -> str | None:
        raise NotImplementedError

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create" and there.name is not None:
            self.meddle(there.id, name=self.kept(there.name))


def _named(name: str) -> tuple[Step, ...]:
    """A witness: a Connection with this name is read."""
    return create(name=name), read()


@defect("names", *_named(" Ours "))
class TrimsNames(_KeepsNames):
    """Spaces around a name are removed."""

    def kept(self, name: str) -> str:
        return name.strip()


@defect("names", *_named("Ours "))
class TrimsEndsOfNames(_KeepsNames):
    """Names are in a CHAR column, which loses spaces at the end."""

    def kept(self, name: str) -> str:
        return name.rstrip(" ")


@defect("names", *_named("Our  own"))
class CollapsesSpaces(_KeepsNames):
    """Several spaces in a row in a name become one."""

    def kept(self, name: str) -> str:
        return re.sub(" +", " ", name)


@defect("names", *_named("Cafe\u0301"))
class ComposesNames(_KeepsNames):
    """Names are brought into Unicode's form NFC."""

    def kept(self, name: str) -> str:
        return normalize("NFC", name)


@defect("names", *_named("Caf\xe9"))
class DecomposesNames(_KeepsNames):
    """Names are brought into Unicode's form NFD."""

    def kept(self, name: str) -> str:
        return normalize("NFD", name)


@defect("names", *_named("\ufb01rst"))
class NormalizesNames(_KeepsNames):
    """Names are brought into Unicode's form NFKC."""

    def kept(self, name: str) -> str:
        return normalize("NFKC", name)


@defect("names", *_named("our name"))
class CapitalizesNames(_KeepsNames):
    """The first letter of a name becomes upper-case."""

    def kept(self, name: str) -> str:
        return name[:1].upper() + name[1:]


@defect("names", *_named(""))
class EmptyNameIsNull(_KeepsNames):
    """An empty name is kept as none."""

    def kept(self, name: str) -> str | None:
        return name or None


@defect("names", *_named(" "))
class BlankNameIsNull(_KeepsNames):
    """A name of spaces alone is kept as none."""

    def kept(self, name: str) -> str | None:
        return name if name.strip() or not name else None


@defect("names", *_named("null"))
class NullTextIsNull(_KeepsNames):
    """The name `null` is kept as none."""

    def kept(self, name: str) -> str | None:
        return None if name == "null" else name


@defect("names", *_named("None"))
class NoneTextIsNull(_KeepsNames):
    """The name `None` is kept as none."""

    def kept(self, name: str) -> str | None:
        return None if name == "None" else name


@defect("names", *_named("x" * 101))
class Cuts100Characters(_KeepsNames):
    """A name is cut after 100 characters."""

    def kept(self, name: str) -> str:
        return name[:100]


@defect("names", *_named("x" * 129))
class Cuts128Characters(_KeepsNames):
    """A name is cut after 128 characters."""

    def kept(self, name: str) -> str:
        return name[:128]


@defect("names", *_named("x" * 201))
class Cuts200Characters(_KeepsNames):
    """A name is cut after 200 characters."""

    def kept(self, name: str) -> str:
        return name[:200]


@defect("names", *_named("x" * 255))
class Cuts254Characters(_KeepsNames):
    """A name is cut after 254 characters."""

    def kept(self, name: str) -> str:
        return name[:254]


@defect("names", *_named("\xe9" * 128))
class Cuts255Bytes(_KeepsNames):
    """A name is cut after 255 bytes of UTF-8."""

    def kept(self, name: str) -> str:
        return name.encode()[:255].decode(errors="ignore")


@defect("names", *_named("A & B"))
class EscapesNames(_KeepsNames):
    """Names are kept as HTML, with its special characters escaped."""

    def kept(self, name: str) -> str:
        return escape(name)


@defect("names", *_named("A &amp; B"))
class UnescapesNames(_KeepsNames):
    """References in names to characters of HTML are resolved."""

    def kept(self, name: str) -> str:
        return unescape(name)


@defect("names", *_named("<Ours>"))
class RemovesTags(_KeepsNames):
    """Whatever stands between angle brackets in a name is removed."""

    def kept(self, name: str) -> str:
        return re.sub("<[^>]*>", "", name)


@defect("names", *_named("It's ours"))
class DoublesApostrophes(_KeepsNames):
    """Apostrophes in names are doubled, as in SQL."""

    def kept(self, name: str) -> str:
        return name.replace("'", "''")


@defect("names", *_named("a\\nb"))
class ReadsBackslashes(_KeepsNames):
    """A backslash and an n in a name become a line feed."""

    def kept(self, name: str) -> str:
        return name.replace("\\n", "\n")


@defect("names", *_named("Ours \U0001f600"))
class ReplacesAstralCharacters(_KeepsNames):
    """Characters beyond U+FFFF become question marks, as in three-byte UTF-8."""

    def kept(self, name: str) -> str:
        return re.sub("[\U00010000-\U0010ffff]", "?", name)


@defect("names", *_named("\xdcber"))
class KeepsNamesInAscii(_KeepsNames):
    """Characters beyond ASCII in a name become question marks."""

    def kept(self, name: str) -> str:
        return name.encode("ascii", "replace").decode()


@defect("names", *_named("a\u200bb"))
class RemovesFormatCharacters(_KeepsNames):
    """Characters of no width are removed from names."""

    def kept(self, name: str) -> str:
        return "".join(each for each in name if category(each) != "Cf")


@defect("names", *_named("a\u2028b"))
class RemovesLineSeparators(_KeepsNames):
    """U+2028 and U+2029 in a name become spaces."""

    def kept(self, name: str) -> str:
        return name.replace("\u2028", " ").replace("\u2029", " ")


@defect("names", create(), read())
class NoNameIsEmpty(Faulty):
    """A Connection without a name gets an empty one."""

    def changed(self, call: Request, there: Connection) -> None:
        if there.name is None:
            self.meddle(there.id, name="")


@defect("names", create(name="Ours"), deactivate(), read())
class DeactivationLosesName(Faulty):
    """A deactivation loses the name."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.action == "deactivate":
            self.meddle(there.id, name=None)


@defect("names", create(name="Ours"), deactivate(), reactivate(), read())
class ReactivationLosesName(Faulty):
    """A reactivation loses the name."""

    def changed(self, call: Request, there: Connection) -> None:
        if call.action == "reactivate":
            self.meddle(there.id, name=None)


@defect("names", create(A, C, name="Theirs", to="other"), create(), read())
class NoNameIsTheLastOne(Faulty):
    """A Connection without a name gets the last one that was given."""

    last: str | None = None

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create":
            self.last = self.last if there.name is None else there.name
            self.meddle(there.id, name=self.last)


@defect("names", create(A, C, name="Ours", to="other"), create(name="Ours"))
class NameIsUniqueForSource(Faulty):
    """A source cannot give one name to two Connections."""

    def before(self, call: Request) -> Answer | None:
        taken = call.name is not None and any(
            each.name == call.name and each.source_organization_id == call.by
            for each in self._connections.values()
        )
        return refuse(Outcome.ALREADY_EXISTS) if taken else None


class _RefusesNames(Faulty):
    """Some names that are well formed are refused."""

    def refuses(self, name: str) -> bool:
        raise NotImplementedError

    def before(self, call: Request) -> Answer | None:
        refused = call.name is not None and self.refuses(call.name)
        return refuse(Outcome.INVALID) if refused else None


@defect("names", create(name="\U0001f600" * 128))
class CountsAstralTwice(_RefusesNames):
    """Characters beyond U+FFFF count twice, as in UTF-16."""

    def refuses(self, name: str) -> bool:
        return len(name.encode("utf-16-le", "replace")) > 2 * 255


@defect("names", create(name="\xe9" * 128))
class CountsBytes(_RefusesNames):
    """The length of a name is counted in bytes of UTF-8."""

    def refuses(self, name: str) -> bool:
        return len(name.encode(errors="replace")) > 255


@defect("names", create(name=""))
class RefusesEmptyNames(_RefusesNames):
    """An empty name is refused."""

    def refuses(self, name: str) -> bool:
        return not name


@defect("names", create(name="x" * 255))
class Refuses255CharactersOfName(_RefusesNames):
    """A name of 255 characters is refused."""

    def refuses(self, name: str) -> bool:
        return len(name) >= 255


@defect("names", create(name="a\u2028b"))
class RefusesLineSeparators(_RefusesNames):
    """U+2028 and U+2029 in a name are refused, like control characters."""

    def refuses(self, name: str) -> bool:
        return "\u2028" in name or "\u2029" in name


@defect("names", create(name="a\xa0b"))
class RefusesUnprintable(_RefusesNames):
    """Characters in a name that Python does not call printable are refused, such as U+00A0."""

    def refuses(self, name: str) -> bool:
        return not name.isprintable()


@defect("names", create(name="a\u200db"))
class RefusesFormatCharacters(_RefusesNames):
    """Characters of no width in a name are refused, which also take part in emoji."""

    def refuses(self, name: str) -> bool:
        return any(category(each) == "Cf" for each in name)


class _AcceptsNames(Faulty):
    """Some names that are not well formed are accepted and kept."""

    characters: ClassVar[str]
    kept: str | None = None

    def sent(self, call: Request) -> Request:
        self.kept = call.name
        if call.name is None or len(call.name) > 255:
            return call
        return replace(call, name=re.sub(self.characters, "x", call.name))

    def changed(self, call: Request, there: Connection) -> None:
        if call.verb == "create" and self.kept is not None:
            self.meddle(there.id, name=self.kept)


@defect("names", create(name="a\tb"))
class AcceptsTabs(_AcceptsNames):
    """Tabs are accepted in names."""

    characters = "\t"


@defect("names", create(name="a\nb"))
class AcceptsLineFeeds(_AcceptsNames):
    """Line feeds and carriage returns are accepted in names."""

    characters = "[\n\r]"


@defect("names", create(name="a\x7fb"))
class AcceptsDelete(_AcceptsNames):
    """U+007F is accepted in names."""

    characters = "\x7f"


@defect("names", create(name="a\x85b"))
class AcceptsHighControls(_AcceptsNames):
    """The control characters from U+0080 to U+009F are accepted in names."""

    characters = "[\x80-\x9f]"


@defect("names", create(name="a\x85b"))
class AcceptsNextLine(_AcceptsNames):
    """U+0085 is accepted in names, because it is a space."""

    characters = "\x85"


@defect("names", create(name="a\0b"))
class AcceptsNull(_AcceptsNames):
    """U+0000 is accepted in names."""

    characters = "\0"


@defect("names", create(name="a\x07b"))
class StripsControls(Faulty):
    """Control characters are removed from names instead of refused."""

    def sent(self, call: Request) -> Request:
        return (
            replace(call, name=re.sub("[\0-\x1f\x7f-\x9f]", "", call.name)) if call.name else call
        )


@defect("names", create(name="x" * 256))
class CutsLongNames(Faulty):
    """A name of more than 255 characters is cut instead of refused."""

    def sent(self, call: Request) -> Request:
        return replace(call, name=call.name[:255]) if call.name else call


@defect("names", create(name="\nOurs\n"))
class TrimsNamesBeforeChecking(Faulty):
    """White space around a name, line feeds included, is removed before the name is checked."""

    def sent(self, call: Request) -> Request:
        return replace(call, name=call.name.strip()) if call.name else call
