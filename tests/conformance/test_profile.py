"""Profiles: what is claimed, what is refused, and what counts as known."""

from pathlib import Path

import pytest
from subjects import ACCEPT

from connect_core.conformance import (
    HttpProfile,
    InvalidProfileError,
    Profile,
    ReferenceSystem,
    load_specification,
    read_profile,
    run,
)
from connect_core.conformance.profile import Answers


class TestProfiles:
    """What is claimed is mandatory; what does not exist cannot be claimed."""

    def test_everything_is_claimed_by_default(self) -> None:
        assert Profile().claims == tuple(load_specification().capabilities)

    def test_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "profile.json"
        path.write_text('{"name": "ours", "claims": [], "answers": {"CXN-OPEN-005": "never"}}')
        assert read_profile(path) == Profile(
            name="ours", claims=(), answers={"CXN-OPEN-005": "never"}
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "Invalid JSON"),
            ("[]", "the whole document: "),
            ('{"claim": []}', "claim: Extra inputs"),
            ('{"claims": "versions"}', "claims: "),
            ('{"name": ""}', "name: "),
            ('{"known_failures": {"a": 1}}', "known_failures/a: "),
        ],
    )
    def test_a_file_that_is_not_a_profile(self, text: str, problem: str, tmp_path: Path) -> None:
        path = tmp_path / "profile.json"
        path.write_text(text)
        with pytest.raises(
            InvalidProfileError, match=r"profile\.json is not a profile: "
        ) as refused:
            read_profile(path)
        assert problem in str(refused.value)

    def test_a_file_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidProfileError, match="cannot be read"):
            read_profile(tmp_path / "nowhere.json")

    def test_everything_unknown_is_reported(self) -> None:
        profile = Profile(
            name="ours",
            claims=("clocks",),
            answers={"CXN-OPEN-099": "yes", "CXN-OPEN-002": "maybe"},
            known_failures={"story/none": "why", "story/accept": " "},
        )
        with pytest.raises(InvalidProfileError) as refused:
            run(ReferenceSystem, profile)
        message = str(refused.value)
        assert message.startswith(
            "The profile of ours is not valid: there is no capability 'clocks' ("
        )
        assert "there is no open point 'CXN-OPEN-099' (CXN-OPEN-001, " in message
        assert "CXN-OPEN-002 has no answer 'maybe' (hidden, refused)" in message
        assert "there is no vector 'story/none'" in message
        assert message.endswith("the known failure 'story/accept' has no reason.")

    @pytest.mark.parametrize("capability", ["history", "expected-version"])
    def test_a_capability_that_depends_on_another(self, capability: str) -> None:
        """It cannot be claimed alone, because it would not be tested."""
        with pytest.raises(
            InvalidProfileError, match=f"'{capability}' cannot be claimed without 'versions'"
        ):
            run(ReferenceSystem, Profile(claims=(capability,)))

    def test_a_known_failure_may_be_a_vector_of_ones_own(self) -> None:
        mine = [each.model_copy(update={"id": "mine/first"}) for each in ACCEPT]
        profile = Profile(known_failures={"mine/first": "why"})
        assert run(ReferenceSystem, profile, among=mine).exit_code == 1


class TestHttp:
    """What an implementation behind HTTP has beyond the published operations."""

    def test_by_default(self) -> None:
        assert Profile().http == HttpProfile()
        assert HttpProfile().activate == "{id}/activate"
        assert HttpProfile().history is HttpProfile().share is None

    def test_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "profile.json"
        path.write_text(
            '{"http": {"activate": "/x/{id}/accept", "history": null,'
            ' "share": "{id}/data?scope={scope}", "headers": {"Persona-Version": "2025-12-08"}}}'
        )
        assert read_profile(path).http == HttpProfile(
            activate="/x/{id}/accept",
            share="{id}/data?scope={scope}",
            headers={"Persona-Version": "2025-12-08"},
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ('{"activate": "activate"}', "http/activate: "),
            ('{"activate": null}', "http/activate: "),
            ('{"activate": "{id}/{scope}"}', "'{id}/{scope}' is not a path with {id} in it"),
            ('{"activate": "//host/{id}"}', "is not a path with {id} in it"),
            ('{"activate": "https://host/{id}"}', "is not a path with {id} in it"),
            ('{"activate": "{id}/a b"}', "is not a path with {id} in it"),
            ('{"activate": "{id}#a"}', "is not a path with {id} in it"),
            ('{"history": "{id}/{id2}"}', "is not a path with {id} in it"),
            ('{"share": "{id}"}', "is not a path with {id} and {scope} in it"),
            ('{"scopes": "no"}', "http/scopes: "),
            ('{"headers": {"A b": "c"}}', "'A b' is not the name of a header"),
            ('{"headers": {"authorization": "c"}}', "authorization cannot be set in a profile"),
            ('{"headers": {"Key-Inflection": "camel"}}', "Key-Inflection cannot be set in a"),
            ('{"headers": {"A": "c\\n"}}', "the value of A is not printable ASCII"),
            ('{"deactivate": "{id}/x"}', "http/deactivate: Extra inputs"),
        ],
    )
    def test_what_is_none(self, text: str, problem: str, tmp_path: Path) -> None:
        path = tmp_path / "profile.json"
        path.write_text(f'{{"http": {text}}}')
        with pytest.raises(InvalidProfileError) as refused:
            read_profile(path)
        assert problem in str(refused.value)

    def test_what_http_cannot_carry_is_not_claimed(self) -> None:
        every = set(load_specification().capabilities)
        assert set(Profile().over_http().claims) == every - {"named-source", "history"}
        named = Profile(http=HttpProfile(history="{id}/history"))
        assert set(named.over_http().claims) == every - {"named-source"}
        assert set(named.over_http("current").claims) == every - {"named-source", "documents"}

    def test_what_was_claimed_stays_claimed(self) -> None:
        profile = Profile(claims=("named-source", "versions")).over_http()
        assert profile.claims == ("versions",)
        assert "the profile claims" in profile.why_tested(["versions"])
        assert "every capability is assumed" in Profile().over_http().why_tested(["versions"])


class TestAnswers:
    """Which answers to open points are possible, also together."""

    ROLE, STATUS = {"CXN-OPEN-007": ("409",)}, {"CXN-OPEN-003": ("409",)}

    def test_one_of_two(self) -> None:
        """Nothing is known of either alone, but not both can be excluded."""
        answers = Answers({})
        answers.narrow(self.ROLE, self.STATUS)
        assert len(answers.left()["CXN-OPEN-003"]) == 4
        other = {"CXN-OPEN-007": ("403",)}
        assert answers.contradiction(other) is None
        answers.narrow(other)
        assert answers.left()["CXN-OPEN-003"] == ["409"]
        assert answers.contradiction({"CXN-OPEN-003": ("403",)}) == (
            "CXN-OPEN-003 is answered by 409 elsewhere"
        )

    def test_what_is_not_possible_together(self) -> None:
        answers = Answers({})
        answers.narrow(self.ROLE, self.STATUS)
        both = {"CXN-OPEN-003": ("403",), "CXN-OPEN-007": ("403",)}
        assert answers.contradiction(both) == (
            "CXN-OPEN-003 and CXN-OPEN-007 are answered otherwise elsewhere"
        )

    def test_one_that_says_nothing(self) -> None:
        answers = Answers({})
        before = answers.left()
        answers.narrow(self.ROLE, {})
        answers.narrow({})
        assert answers.left() == before

    def test_a_copy_is_independent(self) -> None:
        answers = Answers({"CXN-OPEN-003": "409"})
        copied = answers.copy()
        copied.narrow(self.ROLE)
        assert answers.left()["CXN-OPEN-007"] != ["409"] == copied.left()["CXN-OPEN-007"]
        assert copied.left()["CXN-OPEN-003"] == ["409"]
