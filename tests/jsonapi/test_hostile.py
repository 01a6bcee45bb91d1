"""Hostile input: one typed error that names the place, and never any other exception."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from fuzz.check import check
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from support import OUR_KEY, PARTNER, ROOT, Row, connection_in, create

from connect_core import (
    Action,
    Actor,
    Connection,
    InvalidDocumentError,
    Organization,
    OrganizationId,
    Status,
    allowed_actions,
    can,
    connection_document,
    decide,
    decide_access,
    error_document,
    parse_connection,
    parse_create,
    roles_of,
)

CORPUS = sorted((ROOT / "tests/fuzz/corpus").iterdir())

CREATE: dict[str, Any] = {
    "data": {
        "type": "connect/connections",
        "attributes": {
            "destination-organization-id": "org_DEF456",
            "name": "Partner Connection",
            "scopes": ["inquiry.read"],
        },
    }
}
READ: Any = connection_document(create().connection)

READERS: list[tuple[Callable[[Any], object], dict[str, Any]]] = [
    (parse_create, CREATE),
    (parse_connection, READ),
]
both_readers = pytest.mark.parametrize(("read", "valid"), READERS, ids=["create", "connection"])


def refusal(read: Callable[[Any], object], document: object) -> InvalidDocumentError:
    """The error that `document` raises. It is short, and can be sent to a client as it is."""
    with pytest.raises(InvalidDocumentError) as caught:
        read(document)
    error = caught.value
    assert len(str(error)) < 2000
    status, body = error_document(error)
    assert status == (400 if error.malformed else 422)
    assert len(json.dumps(body, ensure_ascii=False).encode()) < 4000
    return error


def pointers(error: InvalidDocumentError) -> list[str]:
    return [problem.pointer for problem in error.problems]


# --- Every place, every wrong value --------------------------------------------------------------

Place = tuple[str | int, ...]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every place in a document, the document itself included."""
    yield place
    if isinstance(value, dict):
        for name, child in value.items():  # pyright: ignore[reportUnknownVariableType]  # JSON
            yield from places(child, (*place, str(name)))  # pyright: ignore[reportUnknownArgumentType]  # JSON
    elif isinstance(value, list):
        for index, child in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
            yield from places(child, (*place, index))


def put(document: Any, place: Place, value: Any) -> Any:
    """A copy of the document with another value at this place."""
    if not place:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    return changed


def pointer_to(place: Place) -> str:
    return "".join(f"/{step}" for step in place)


WRONG: list[Any] = [
    True,
    False,
    0,
    1527811200,
    -1.5,
    float("nan"),
    float("inf"),
    10**400,
    "",
    "org_ABC123\n",
    "оrg_ABC123",  # noqa: RUF001  # begins with a Cyrillic o
    "\x00",
    "\ud800",
    "x" * 300,
    [],
    [None],
    [[]],
    {},
    {"a": 1},
    {"name": {"name": {}}},
]
#: Values that are right after all: an empty name, and one in another script.
RIGHT = {("name", ""), ("name", "оrg_ABC123")}  # noqa: RUF001  # as above


class TestEveryPlace:
    """Every wrong value at every place is refused, and the place is named."""

    @both_readers
    def test_as_a_mapping(self, read: Callable[[Any], object], valid: dict[str, Any]) -> None:
        for place in places(valid):
            for value in WRONG:
                if isinstance(value, str) and (not place or (place[-1], value) in RIGHT):
                    continue  # text that stands for the whole document is JSON to be read
                error = refusal(read, put(valid, place, value))
                assert not error.malformed
                for pointer in pointers(error):
                    agrees_with_it = place[-1:] in {("id",), ("creator-id",), ("created-at",)}
                    assert pointer.startswith(pointer_to(place)) or agrees_with_it

    @both_readers
    def test_as_text(self, read: Callable[[Any], object], valid: dict[str, Any]) -> None:
        for place in places(valid):
            for value in WRONG:
                text = json.dumps(put(valid, place, value))
                if place and isinstance(value, str) and (place[-1], value) in RIGHT:
                    continue
                error = refusal(read, text)
                if "NaN" in text or "Infinity" in text:
                    assert error.malformed

    @both_readers
    def test_null(self, read: Callable[[Any], object], valid: dict[str, Any]) -> None:
        """A name may be null; nothing else may."""
        for place in places(valid):
            document = put(valid, place, None)
            if place[-1:] == ("name",):
                assert read(document)
            else:
                assert pointer_to(place) in pointers(refusal(read, document))

    @both_readers
    def test_a_stranger_at_every_object(
        self, read: Callable[[Any], object], valid: dict[str, Any]
    ) -> None:
        for place in [(), ("data",), ("data", "attributes")]:
            for name in ("x", "~/", "data", "é", "Name", "destination_organization_id"):
                if (place, name) == ((), "data"):
                    continue
                document = put(valid, (*place, name), 1)
                escaped = name.replace("~", "~0").replace("/", "~1")
                assert pointers(refusal(read, document)) == [f"{pointer_to(place)}/{escaped}"]

    @both_readers
    def test_a_missing_member(self, read: Callable[[Any], object], valid: dict[str, Any]) -> None:
        optional = {"name", "type", "scopes"} if read is parse_create else {"name"}
        for place in places(valid):
            if not place or isinstance(place[-1], int):
                continue
            document = copy.deepcopy(valid)
            parent = document
            for step in place[:-1]:
                parent = parent[step]  # type: ignore[index]  # places are of JSON
            del parent[place[-1]]
            if place[-1] in optional:
                assert read(document)
            else:
                error = refusal(read, document)
                assert pointers(error) == [pointer_to(place[:-1])]
                assert error.problems[0].detail == f"the member '{place[-1]}' is missing"

    @both_readers
    def test_what_was_given_is_not_changed(
        self, read: Callable[[Any], object], valid: dict[str, Any]
    ) -> None:
        for document in (valid, put(valid, ("data", "attributes", "scopes"), ["bad"])):
            before = copy.deepcopy(document)
            try:
                read(MappingProxyType(document))
            except InvalidDocumentError:
                assert document is not valid
            assert document == before


# --- Text that is hardly JSON --------------------------------------------------------------------


class TestText:
    """Text that is not JSON is malformed, with the reason; JSON is read as a document."""

    @both_readers
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (b"", "Expecting value"),
            ("", "Expecting value"),
            ("{", "Expecting property name"),
            ("{}{}", "Extra data"),
            ("{'a': 1}", "Expecting property name"),
            (b"\xff\xfe{\x00}\x00", "byte 0 is not UTF-8"),
            (b'{"data": "\xed\xa0\x80"}', "byte 10 is not UTF-8"),
            ("{}".encode("utf-16"), "byte 0 is not UTF-8"),
            (b"\xef\xbb\xbf{}", "BOM"),
            ("\ufeff{}", "BOM"),
            ("NaN", "NaN is not a JSON number"),
            ('{"data": -Infinity}', "-Infinity is not a JSON number"),
            ('{"data": Infinity}', "Infinity is not a JSON number"),
            ('{"data": ' + "9" * 5000 + "}", "digits"),
            ("[" * 100_000, "nested too deeply"),
            ('{"a":' * 100_000, "nested too deeply"),
            ('{"data": {"attributes": {"name": ' + "[" * 100_000, "nested too deeply"),
            ('"\x00"', "control character"),
        ],
        ids=range(18),
    )
    def test_malformed(
        self,
        read: Callable[[Any], object],
        valid: dict[str, Any],
        text: str | bytes,
        reason: str,
    ) -> None:
        error = refusal(read, text)
        assert error.malformed
        assert pointers(error) == [""]
        assert reason in error.problems[0].detail
        assert read(json.dumps(valid))

    @both_readers
    def test_as_bytes_bytearray_and_text(
        self, read: Callable[[Any], object], valid: dict[str, Any]
    ) -> None:
        text = json.dumps(valid)
        assert read(text) == read(text.encode()) == read(bytearray(text.encode())) == read(valid)

    @both_readers
    @pytest.mark.parametrize("value", [None, 5, True, [], [1], object(), {1: 2}, {"data": {2: 3}}])
    def test_what_is_no_document(
        self, read: Callable[[Any], object], valid: dict[str, Any], value: Any
    ) -> None:
        assert not refusal(read, value).malformed
        assert read(valid)

    @pytest.mark.parametrize(
        ("text", "places"),
        [
            ('{"data": 1, "data": DATA}', ["/data"]),
            (
                '{"data": {"attributes": ATTRIBUTES, "type": "x", "attributes": ATTRIBUTES}}',
                ["/data/type", "/data/attributes"],
            ),
            (
                '{"data": {"attributes": {"name": 1, "name": "a", "name": "b", '
                '"destination-organization-id": "org_A"}}}',
                ["/data/attributes/name"],
            ),
            ('{"data": DATA, "~/": {"a": [0, {"b~": 1, "b~": 2}]}}', ["/~0~1", "/~0~1/a/1/b~0"]),
            (
                '{"data": {"attributes": {"destination-organization-id": "org_A", '
                '"scopes": ["a.b"], "scopes": ["a.b"]}}}',
                ["/data/attributes/scopes"],
            ),
        ],
    )
    def test_repeated_members(self, text: str, places: list[str]) -> None:
        attributes = '{"destination-organization-id": "org_A"}'
        text = text.replace("DATA", f'{{"attributes": {attributes}}}')
        error = refusal(parse_create, text.replace("ATTRIBUTES", attributes))
        assert pointers(error) == places
        assert any("stands twice" in problem.detail for problem in error.problems)

    def test_a_repeat_that_was_overwritten_is_told_once(self) -> None:
        """Of a repeated object only the last stands; what was in the others is gone."""
        text = '{"data": {"a": 1, "a": 2}, "data": {"attributes": {}}}'
        assert pointers(refusal(parse_create, text)) == ["/data/attributes", "/data"]

    def test_surrogates(self) -> None:
        error = refusal(parse_create, '{"data": {"attributes": {"\\ud800": "\\udfff"}}}')
        assert pointers(error) == ["/data/attributes"]
        assert "half of a surrogate pair" in error.problems[0].detail
        place = ("data", "attributes", "destination-organization-id")
        assert pointers(refusal(parse_create, put(CREATE, place, "org_\ud800"))) == [
            pointer_to(place)
        ]
        text = '{"data": {"\\ud800": 1, "\\ud800": 2}}'
        assert pointers(refusal(parse_create, text)) == ["/data", "/data/\\ud800"]


MEGABYTES = "x" * 10_000_000


class TestSize:
    """Ten megabytes are refused in a few words."""

    @both_readers
    def test_of_a_name(self, read: Callable[[Any], object], valid: dict[str, Any]) -> None:
        error = refusal(read, put(valid, ("data", "attributes", "name"), MEGABYTES))
        assert pointers(error) == ["/data/attributes/name"]
        assert error.problems[0].detail == ("a name has at most 255 characters; this has 10000000")

    @both_readers
    def test_of_a_member_name(self, read: Callable[[Any], object], valid: dict[str, Any]) -> None:
        error = refusal(read, put(valid, ("data", "attributes", MEGABYTES), 1))
        assert pointers(error) == ["/data/attributes"]

    @both_readers
    def test_of_a_repeated_member_name(
        self, read: Callable[[Any], object], valid: dict[str, Any]
    ) -> None:
        assert pointers(refusal(read, f'{{"{MEGABYTES}": 1, "{MEGABYTES}": 2}}'))[-1] == ""
        assert read(valid)

    @both_readers
    def test_of_what_is_no_identifier(
        self, read: Callable[[Any], object], valid: dict[str, Any]
    ) -> None:
        place = ("data", "attributes", "destination-organization-id")
        assert pointers(refusal(read, put(valid, place, MEGABYTES))) == [pointer_to(place)]
        assert pointers(refusal(read, put(valid, place, "org_" + MEGABYTES + "!"))) == [
            pointer_to(place)
        ]

    @pytest.mark.parametrize("length", [256, 10_000_004])
    @both_readers
    def test_of_an_identifier(
        self, read: Callable[[Any], object], valid: dict[str, Any], length: int
    ) -> None:
        place = ("data", "attributes", "destination-organization-id")
        assert read(put(valid, place, "org_".ljust(255, "x")))
        error = refusal(read, put(valid, place, "org_".ljust(length, "x")))
        assert pointers(error) == [pointer_to(place)]
        assert error.problems[0].detail.endswith(
            f": it has {length} characters, and can have at most 255"
        )

    @pytest.mark.parametrize(
        ("member", "prefix"),
        [("token", "cxn_"), ("organization-id", "org_"), ("creator-id", "api_")],
    )
    def test_of_the_other_identifiers(self, member: str, prefix: str) -> None:
        place = ("data", "attributes", member)
        error = refusal(parse_connection, put(READ, place, prefix.ljust(256, "x")))
        assert pointers(error) == [pointer_to(place)]
        assert error.problems[0].detail.endswith(
            ": it has 256 characters, and can have at most 255"
        )

    @both_readers
    def test_of_a_scope(self, read: Callable[[Any], object], valid: dict[str, Any]) -> None:
        place = ("data", "attributes", "scopes")
        assert read(put(valid, place, ["a.".ljust(255, "b")]))
        error = refusal(read, put(valid, place, ["a.b", "a.".ljust(256, "b")]))
        assert pointers(error) == [f"{pointer_to(place)}/1"]

    def test_of_a_status_and_a_scope(self) -> None:
        for member in ("status", "creator-type", "created-at"):
            error = refusal(parse_connection, put(READ, ("data", "attributes", member), MEGABYTES))
            assert pointers(error) == [f"/data/attributes/{member}"]
        scopes = [MEGABYTES, "a.b", MEGABYTES]
        error = refusal(parse_create, put(CREATE, ("data", "attributes", "scopes"), scopes))
        assert pointers(error) == ["/data/attributes/scopes/0", "/data/attributes/scopes/2"]

    def test_of_the_list_of_problems(self) -> None:
        """Every problem is told, up to 100; then how many more there are."""
        for count in (100, 101, 250):
            members = {f"m{index}": 1 for index in range(count)}
            document = put(CREATE, ("data", "attributes"), CREATE["data"]["attributes"] | members)
            with pytest.raises(InvalidDocumentError) as caught:
                parse_create(document)
            problems = caught.value.problems
            assert [problem.pointer for problem in problems[:100]] == [
                f"/data/attributes/m{index}" for index in range(100)
            ]
            assert [problem.detail for problem in problems[100:]] == (
                [] if count == 100 else [f"there are {count - 100} more problems"]
            )

    def test_of_constructors(self) -> None:
        with pytest.raises(ValidationError) as caught:
            create(name=MEGABYTES)
        assert len(caught.value.errors()[0]["msg"]) < 200
        with pytest.raises(ValueError, match="expected an organization id") as refused:
            OrganizationId(MEGABYTES)
        assert len(str(refused.value)) < 200


# --- Any JSON at all -----------------------------------------------------------------------------

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["org_A", "cxn_A", "usr_A", "a.b", "pending", "connect/connections"]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.text(max_size=4)
            | st.sampled_from([*READ["data"], *READ["data"]["attributes"], "data"]),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)


class TestAnything:
    """Whatever the input, it is read or raises one typed error."""

    @given(json_values)
    @example({"data": {"attributes": {"destination-organization-id": "org_A"}}})
    def test_any_value(self, value: Any) -> None:
        for read, _ in READERS:
            with suppress(InvalidDocumentError):
                read(value)

    @given(st.data())
    def test_a_valid_document_with_anything_anywhere(self, data: st.DataObject) -> None:
        for read, valid in READERS:
            place = data.draw(st.sampled_from(list(places(valid))))
            document = put(valid, place, data.draw(json_values))
            with suppress(InvalidDocumentError):
                read(document)

    @given(st.binary(max_size=40))
    def test_any_bytes(self, data: bytes) -> None:
        check(data)

    @pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
    def test_the_corpus_of_the_fuzzer(self, path: Path) -> None:
        check(path.read_bytes())

    def test_the_corpus_is_there(self) -> None:
        assert len(CORPUS) == 18

    @pytest.mark.parametrize("finding", [KeyError, UnicodeEncodeError, RecursionError])
    def test_the_fuzzer_would_find_it(
        self, finding: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An exception of any other kind is not swallowed by what the fuzzer calls."""

        def broken(_: object) -> None:
            raise finding.__new__(finding)

        monkeypatch.setattr("fuzz.check.parse_create", broken)
        with pytest.raises(finding):
            check(b"{}")


# --- Look-alikes ---------------------------------------------------------------------------------

LOOK_ALIKES = [
    "оrg_ABC123",  # noqa: RUF001  # a Cyrillic o
    "org_АBC123",  # noqa: RUF001  # a Cyrillic A
    "ｏｒｇ_ABC123",  # noqa: RUF001  # full width
    "org_ABC\u0301123",  # a combining accent
    "org_ABC\u200d123",  # a zero-width joiner
    "\u202eorg_ABC123",  # right to left from here
    "org_ABC123\u00a0",
    "org_ABC123\x00",
    "org_ABC123 ",
    "ORG_ABC123",
    "org-ABC123",
    "org_",
    "org",
]


class TestLookAlikes:
    """A look-alike is not an identifier; ids that differ by case are different."""

    @pytest.mark.parametrize("text", LOOK_ALIKES, ids=ascii)
    def test_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="expected an organization id"):
            OrganizationId(text)
        for build in (
            lambda: Organization(id=text),
            lambda: Actor(id="usr_1", organization_id=text),
            lambda: Connection.create(by=OUR_KEY, destination=text),
        ):
            with pytest.raises(ValidationError) as caught:
                build()
            assert caught.value.errors()[0]["loc"][0] in {
                "id",
                "organization_id",
                "destination_organization_id",
            }

    @pytest.mark.parametrize("text", [*LOOK_ALIKES, "org_abc123", "org_ABC1234", "", None, 5])
    def test_give_no_role_and_no_power(self, text: Any) -> None:
        row = Row.of(connection_in(Status.PENDING))
        row.source_organization_id = text
        assert roles_of(OUR_KEY, row) == frozenset()
        assert allowed_actions(OUR_KEY, row) == frozenset()
        for action in Action:
            assert not can(OUR_KEY, action, row)
        row.destination_organization_id = text
        assert roles_of(PARTNER, row) == frozenset()
        row.status = "active"
        assert not decide_access(PARTNER, "inquiry.read", row)
        assert decide(PARTNER, Action.DEACTIVATE, row).roles == frozenset()
