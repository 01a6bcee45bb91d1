"""Organizations for executions: which ids they have, and where their keys come from."""

import json
import sys
from collections import deque
from pathlib import Path

import pytest

from connect_core.conformance import KeyPool, PeerError, key_command, load_vectors, read_keys
from connect_core.conformance.shuffle import ORGANIZATION_IDS, Shuffle
from connect_core.conformance.transports.organizations import (
    RUN_KEYS,
    VECTOR_KEYS,
    KeyMaker,
    NotProvidedError,
    in_text,
)
from connect_core.conformance.vectors import CreateStep

LONGEST = "org_".ljust(254, "x")


def pool(number: int) -> KeyPool:
    return KeyPool((f"org_Pool{each}", f"key-of-{each}") for each in range(number))


class TestInvented:
    """Ids of the kit's own keep what the names of a vector have in common."""

    def test_each_execution_has_its_own(self) -> None:
        made: list[str] = []

        def make_key(organization: str) -> str:
            made.append(organization)
            return f"key {len(made)}"

        keys = KeyMaker(make_key)
        one, other = keys.organizations(), keys.organizations()
        ids = [each.id_of("org_A") for each in (one, one, other)]
        assert ids[0] == ids[1] != ids[2]
        assert made == [ids[0], ids[2]]
        assert one.key_of("org_A") == "key 1"
        assert one.name_of(ids[0]) == "org_A"
        assert one.name_of(ids[2]) == ids[2]

    def test_two_runs_have_different_ids(self) -> None:
        ids = {KeyMaker(str).organizations().id_of("org_A") for _ in range(5)}
        assert len(ids) == 5

    def test_case_stays(self) -> None:
        organizations = KeyMaker(str).organizations()
        one, other = organizations.id_of("org_Source"), organizations.id_of("org_source")
        assert one != other
        assert one.lower() == other.lower()

    def test_length_stays(self) -> None:
        """The longest ids have the longest ids, and differ in their last characters only."""
        organizations = KeyMaker(str).organizations()
        names = (f"{LONGEST}S", f"{LONGEST}D", f"{LONGEST}DD", LONGEST)
        ids = [organizations.id_of(name) for name in names]
        assert [len(each) for each in ids] == [255, 255, 256, 254]
        assert ids[0][:-1] == ids[1][:-1] == ids[2][:-2]
        assert ids[0] != f"{LONGEST}S"
        assert organizations.key_of(f"{LONGEST}S") == ids[0]

    def test_what_is_too_long_has_no_key(self) -> None:
        made: list[str] = []

        def make_key(organization: str) -> str:
            made.append(organization)
            return "key"

        KeyMaker(make_key).organizations().id_of(f"{LONGEST}DD")
        assert made == []

    @pytest.mark.parametrize("text", ["", "org_", "ORG_A", "cxn_A", "org_A ", "org_\u0410"])
    def test_what_is_no_id_stays(self, text: str) -> None:
        assert KeyMaker(str).organizations().id_of(text) == text

    def test_names_in_text(self) -> None:
        organizations = KeyMaker(str).organizations()
        a, b = organizations.id_of("org_A"), organizations.id_of("org_B")
        text, names = in_text(organizations, '{"org_A": "org_B ", "x": "org_", "y": "my-org_A"}')
        assert text == f'{{"{a}": "{b} ", "x": "org_", "y": "my-org_A"}}'
        assert names == ["org_A", "org_B"]

    def test_escaped_characters_in_text(self) -> None:
        """A letter of another script continues the id, which is then none; a line feed ends it."""
        organizations = KeyMaker(str).organizations()
        a = organizations.id_of("org_A")
        assert in_text(organizations, r'"org_D\u0435s"') == (r'"org_D\u0435s"', [])
        assert in_text(organizations, r'"org_A\n"') == (rf'"{a}\n"', ["org_A"])

    def test_every_document_of_the_vectors_is_as_wrong_as_it_was(self) -> None:
        """Each id in it has the same length, or less than the longest, and nothing else changes."""
        organizations = KeyMaker(str).organizations()
        for vector in load_vectors():
            for step in vector.steps:
                if isinstance(step, CreateStep) and step.body is not None:
                    text, names = in_text(organizations, step.body)
                    back = text
                    for name in sorted(names, key=len, reverse=True):
                        back = back.replace(organizations.id_of(name), name)
                    if any(len(each) > 255 for each in ORGANIZATION_IDS.findall(step.body)):
                        assert len(text) == len(step.body), vector.id
                    else:
                        assert back == step.body, vector.id


class TestPool:
    """A fixed number of organizations: no pair is used twice."""

    def test_no_pair_is_used_twice(self) -> None:
        keys = pool(9)
        used: set[frozenset[str]] = set()

        def use() -> None:
            organizations = keys.organizations()
            pair = [organizations.id_of("org_Source"), organizations.id_of("org_Destination")]
            assert organizations.key_of("org_Source").startswith("key-of-")
            assert organizations.name_of(pair[1]) == "org_Destination"
            assert frozenset(pair) not in used
            used.add(frozenset(pair))
            organizations.connect("org_Source", "org_Destination")

        with pytest.raises(PeerError) as refused:
            deque(iter(use, "never"))
        assert len(used) > 9 * 8 / 2 * 0.8  # it uses nearly all
        assert str(refused.value) == (
            "the 9 organizations are used up: no two executions can use the same pair. 240 keys "
            "are enough for all vectors; an exploration needs 3 more for each run"
        )

    def test_one_connected_with_itself_is_not_used_again(self) -> None:
        keys = pool(3)
        for _ in range(3):
            organizations = keys.organizations()
            organizations.id_of("org_A")
            organizations.connect("org_A", "org_A")
        with pytest.raises(PeerError, match="used up"):
            keys.organizations().id_of("org_A")

    def test_what_is_not_among_the_keys_is_not_remembered(self) -> None:
        organizations = pool(3).organizations()
        organizations.id_of("org_A")
        organizations.connect("org_A", "org_B")
        assert organizations.id_of("org_B") == "org_Pool1"

    def test_ids_that_it_cannot_provide(self) -> None:
        organizations = pool(5).organizations()
        organizations.id_of("org_source")
        with pytest.raises(NotProvidedError, match="differ by case alone"):
            organizations.id_of("org_Source")
        with pytest.raises(NotProvidedError, match="whose id has 254 characters"):
            organizations.id_of(LONGEST)
        assert organizations.id_of(f"{LONGEST}DD") == f"{LONGEST}DD"
        assert organizations.id_of("nobody") == "nobody"
        assert organizations.name_of("org_else") == "org_else"

    def test_ids_that_need_not_be_related(self) -> None:
        organizations = pool(5).organizations(related=False)
        names = ["org_b", "org_B", LONGEST]
        assert len({organizations.id_of(name) for name in names}) == 3

    @pytest.mark.parametrize("seed", range(12))
    def test_how_many_keys_the_vectors_need(self, seed: int) -> None:
        """In any order. Here without a service: each creation uses its pair."""
        keys = pool(VECTOR_KEYS)
        for vector in Shuffle(seed).order(load_vectors()):
            organizations = keys.organizations(related=False)
            for step in vector.steps:
                organizations.id_of(step.by)
                if isinstance(step, CreateStep):
                    _, names = in_text(organizations, step.body or str(step.destination))
                    for name in names:
                        organizations.connect(step.by, name)

    def test_how_many_keys_a_run_needs(self) -> None:
        """At most as many as there are organizations in it, if all connect with themselves."""
        keys, runs = pool(30), 30 // RUN_KEYS
        for _ in range(runs):
            organizations = keys.organizations(related=False)
            for name in ("org_A", "org_B", "org_b"):
                organizations.id_of(name)
                organizations.connect(name, name)

    def test_it_does_not_show_its_keys(self) -> None:
        assert repr(pool(4)) == "<KeyPool of 4 organizations>"

    def test_too_few(self) -> None:
        with pytest.raises(ValueError, match="of 2 organizations; a source, a destination and an"):
            pool(2)

    def test_two_keys_of_the_same(self) -> None:
        with pytest.raises(ValueError, match="an organization has two keys; give one"):
            KeyPool([("org_A", "one"), ("org_A", "two"), ("org_B", "x"), ("org_C", "y")])


class TestFile:
    """Keys in a JSON file. No message repeats a token."""

    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        entries = [{"organization": f"org_{each}", "token": f"hidden-{each}"} for each in "ABC"]
        path.write_text(json.dumps(entries))
        assert read_keys(path).organizations().key_of("org_Source") == "hidden-A"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "is not a list of keys: the whole document: Invalid JSON"),
            ("{}", "is not a list of keys: the whole document: "),
            ('[{"organization": "org_A"}]', "0/token: Field required"),
            (
                '[{"organization": "hidden", "token": "org_A"}]',
                "0/organization: Value error, this is not an organization id",
            ),
            (
                '[{"organization": "org_A", "token": "hid den"}]',
                "0/token: Value error, a key is printable ASCII",
            ),
            ('[{"organization": "org_A", "token": 1}]', "0/token: Input should be a valid string"),
            ('[{"organization": "org_A", "token": "x", "hidden": 1}]', "Extra inputs"),
            ('[{"organization": "org_A", "token": "hidden"}]', "there are keys of 1 organizations"),
        ],
    )
    def test_a_file_that_is_none(self, text: str, problem: str, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        path.write_text(text)
        with pytest.raises(ValueError, match=r"keys\.json") as refused:
            read_keys(path)
        assert problem in str(refused.value)
        assert "hid" not in str(refused.value).replace("0/hidden", "")

    def test_a_file_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="cannot be read"):
            read_keys(tmp_path / "nowhere.json")


def command(code: str) -> str:
    return f"{sys.executable} -c '{code}' --organization={{organization}}"


class TestCommand:
    """Keys that a command prints."""

    def test_a_command(self) -> None:
        organizations = key_command(
            command('import sys; print("key-" + sys.argv[1])')
        ).organizations()
        made = organizations.id_of("org_A")
        assert organizations.key_of("org_A") == f"key---organization={made}"

    @pytest.mark.parametrize("text", ["", "mint", "{organization}", "mint --for organization"])
    def test_one_that_is_not_told_the_organization(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"needs \{organization\} among its arguments"):
            key_command(text)

    def test_one_with_quotes_that_do_not_close(self) -> None:
        with pytest.raises(ValueError, match="No closing quotation"):
            key_command("mint '{organization}")

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            (command("raise SystemExit(3)"), "its exit code is 3"),
            (command("pass"), "it has to print the key, and nothing else"),
            (command('print("hidden hidden")'), "it has to print the key, and nothing else"),
            ("nowhere-at-all {organization}", "No such file or directory"),
        ],
    )
    def test_one_that_makes_no_key(self, text: str, what: str) -> None:
        with pytest.raises(PeerError, match=" made no key for org_") as refused:
            key_command(text).organizations().id_of("org_A")
        assert what in str(refused.value)
        assert "hidden" not in str(refused.value)

    def test_one_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connect_core.conformance.transports.organizations._PATIENCE", 0.05)
        with pytest.raises(PeerError, match=r"it took more than 0\.05 s"):
            key_command(command("import time; time.sleep(60)")).organizations().id_of("org_A")
