"""Profiles: what is claimed, what is refused, and what counts as known."""

from pathlib import Path

import pytest
from subjects import ACCEPT

from connect_core.conformance import (
    InvalidProfileError,
    Profile,
    ReferenceSystem,
    load_specification,
    read_profile,
    run,
)


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
