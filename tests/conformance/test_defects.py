"""Whether each defect is one: its witness shows an answer that the rules forbid.

The defects themselves are in `tests/defects`.
"""

from collections import Counter

import pytest
from defects import DEFECTS, KINDS, Defect
from defects.witnesses import comparable, exchanges

from connect_core.conformance import ReferenceSystem


def test_there_are_defects_of_every_kind() -> None:
    counts = Counter(defect.kind for defect in DEFECTS.values())
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 5
    assert len(DEFECTS) >= 160


def test_every_defect_says_in_one_sentence_what_is_wrong() -> None:
    texts = [defect.text for defect in DEFECTS.values()]
    assert all(text and text.endswith(".") and "\n" not in text for text in texts)
    assert [text for text, count in Counter(texts).items() if count > 1] == []


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_the_witness_tells_the_defect_from_the_reference(defect: Defect) -> None:
    faulty = exchanges(defect.make(), defect.witness)
    right = exchanges(ReferenceSystem(), defect.witness)
    if defect.judge is not None:
        assert defect.judge(faulty)
        assert not defect.judge(right)
        return
    for answer in right.answers:
        assert not isinstance(answer, Exception)
    assert comparable(faulty.answers[-1], faulty.ids) != comparable(right.answers[-1], right.ids)
