import numpy as np
import pytest

from retrieval import sound_candidates as module
from retrieval.sound_candidates import SoundLine, sound_candidates
from retrieval.sound_index import SoundIndex
from retrieval.sound_print import SoundPrint
from tests.retrieval.test_sound_quads import scattered

REF_START = 400


@pytest.fixture(scope="module")
def refs() -> dict[str, SoundPrint]:
    return {f"{seed}": scattered(1_000, seed) for seed in range(3)}


@pytest.fixture(scope="module")
def index(refs: dict[str, SoundPrint]) -> SoundIndex:
    return SoundIndex.build(refs)


def excerpt(ref: SoundPrint, *, pitch: int = 0) -> SoundPrint:
    part = ref.part(REF_START, REF_START + 250)
    return SoundPrint(
        part.ticks - part.ticks[0], (part.bins + pitch).astype(np.uint8), part.reaches, 13.0
    )


def found(query: SoundPrint, index: SoundIndex) -> list[SoundLine]:
    return [line for lines in sound_candidates(query, index) for line in lines]


@pytest.mark.parametrize("pitch", [0, 24])
def test_an_excerpt_has_its_line_as_the_most_voted(
    pitch: int, refs: dict[str, SoundPrint], index: SoundIndex
) -> None:
    best = max(found(excerpt(refs["1"], pitch=pitch), index), key=lambda line: line.num_votes)
    start = float(refs["1"].times[REF_START])
    assert best.number == 1
    assert best.speed == pytest.approx(1, abs=0.02)
    assert best.pitch_bins == pytest.approx(pitch, abs=0.5)
    assert best.ref_seconds - best.query_seconds == pytest.approx(start, abs=0.1)
    assert best.num_votes > 10


def test_other_peaks_have_no_line_with_many_votes(index: SoundIndex) -> None:
    lines = found(excerpt(scattered(1_000, 9)), index)
    assert max((line.num_votes for line in lines), default=0) < 5


def test_with_a_budget_the_rarest_quads_still_find_a_copy(
    refs: dict[str, SoundPrint], index: SoundIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = excerpt(refs["2"])
    whole = max(found(query, index), key=lambda line: line.num_votes)
    monkeypatch.setattr(module, "_MAX_POSTINGS", 40)
    best = max(found(query, index), key=lambda line: line.num_votes)
    assert best.number == whole.number == 2
    assert best.num_votes < whole.num_votes
    monkeypatch.setattr(module, "_MAX_POSTINGS", 0)
    assert found(query, index) == []


def test_rarest_are_those_with_the_fewest_postings() -> None:
    counts = np.array([5, 0, 1, 9, 2])
    assert module._rarest(counts, 100).tolist() == [2, 4, 0, 3]
    assert module._rarest(counts, 8).tolist() == [2, 4]
    assert module._rarest(counts, 0).tolist() == []


def test_nothing_to_look_in_or_for(index: SoundIndex) -> None:
    empty = scattered().part(0, 0)
    assert found(empty, index) == []
    assert found(scattered(), SoundIndex.build({})) == []
