from typing import Any

import numpy as np
import pytest

from eval.made_sound import RATE_HZ, hum, music, noise, speech, ticking
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.sound_index import SoundIndex
from retrieval.sound_match import SoundMatch, find_sound_matches
from retrieval.sound_print import fingerprint
from retrieval.types import FloatArray


def resampled(samples: FloatArray, speed: float) -> FloatArray:
    """Played `speed` times as fast, which raises the pitch too."""
    at = np.arange(0, len(samples) - 1, speed)
    return np.asarray(np.interp(at, np.arange(len(samples)), samples), dtype=np.float32)


def matches(samples: FloatArray, index: SoundIndex, **options: Any) -> list[SoundMatch]:
    return find_sound_matches(fingerprint(samples, RATE_HZ), index, **options)


@pytest.fixture(scope="module")
def songs() -> dict[str, FloatArray]:
    made = {f"music {n}": music(50, n) for n in range(3)}
    return made | {f"speech {n}": speech(50, n) for n in range(3)}


@pytest.fixture(scope="module")
def index(songs: dict[str, FloatArray]) -> SoundIndex:
    return SoundIndex.build({name: fingerprint(s, RATE_HZ) for name, s in songs.items()})


@pytest.fixture(scope="module")
def around() -> tuple[FloatArray, FloatArray]:
    """Sound of no reference, before and after an excerpt."""
    return music(12, 99), music(9, 98)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.25, 2.0])
@pytest.mark.parametrize("name", ["music 1", "speech 1"])
def test_an_excerpt_at_another_speed_is_placed(
    name: str,
    speed: float,
    songs: dict[str, FloatArray],
    index: SoundIndex,
    around: tuple[FloatArray, FloatArray],
) -> None:
    cut = songs[name][20 * RATE_HZ : 40 * RATE_HZ]
    query = np.concatenate([around[0], resampled(cut, speed), around[1]])
    (match,) = matches(query, index)
    assert match.video_id == name
    assert match.speed_ratio == pytest.approx(speed, rel=0.03)
    assert match.pitch_semitones == pytest.approx(12 * np.log2(speed), abs=0.3)
    assert match.query_segment.start_seconds == pytest.approx(12, abs=1)
    assert match.query_segment.end_seconds == pytest.approx(12 + 20 / speed, abs=1)
    assert match.ref_segment.start_seconds == pytest.approx(20, abs=1)
    assert match.ref_segment.end_seconds == pytest.approx(40, abs=1)


def test_noise_leaves_the_match(songs: dict[str, FloatArray], index: SoundIndex) -> None:
    cut = songs["music 0"][10 * RATE_HZ : 20 * RATE_HZ]
    hiss = noise(10, 5)
    hiss *= np.sqrt((cut**2).mean() / (hiss**2).mean() / 10)  # 10 dB below
    (match,) = matches(cut + hiss, index)
    assert match.video_id == "music 0"
    assert match.ref_segment.start_seconds == pytest.approx(10, abs=1)


def test_several_films_and_segments_in_one_query(
    songs: dict[str, FloatArray], index: SoundIndex
) -> None:
    parts = [("speech 2", 5), ("music 0", 30), ("speech 2", 5), ("music 2", 1)]
    query = np.concatenate([songs[n][s * RATE_HZ : (s + 8) * RATE_HZ] for n, s in parts])
    found = sorted(matches(query, index), key=lambda m: m.query_segment.start_seconds)
    assert [m.video_id for m in found] == [name for name, _ in parts]
    refs, queries = zip(*((m.ref_segment, m.query_segment) for m in found), strict=True)
    assert [s.start_seconds for s in refs] == pytest.approx([s for _, s in parts], abs=1)
    assert [s.start_seconds for s in queries] == pytest.approx([0, 8, 16, 24], abs=1)


def test_a_segment_that_a_reference_repeats_is_found_at_each_place() -> None:
    part = music(10, 50)
    ref = np.concatenate([part, speech(10, 51), part])
    found = matches(part, SoundIndex.build({"twice": fingerprint(ref, RATE_HZ)}))
    starts = sorted(m.ref_segment.start_seconds for m in found)
    assert starts == pytest.approx([0, 20], abs=1)


def test_other_sound_has_no_match(index: SoundIndex) -> None:
    for seed in (70, 71):
        assert matches(music(30, seed), index) == []
        assert matches(speech(30, seed), index) == []


def test_sound_that_is_like_itself_all_the_time_never_matches() -> None:
    traps = {f"noise {n}": noise(12, n) for n in range(2)}
    traps |= {f"ticking {n}": ticking(12, n) for n in range(3)}
    traps |= {f"hum {hz}": hum(12, hz) for hz in (50, 100)}
    prints = {name: fingerprint(samples, RATE_HZ) for name, samples in traps.items()}
    for name, made in prints.items():
        others = {other: p for other, p in prints.items() if other != name}
        assert find_sound_matches(made, SoundIndex.build(others)) == []


def test_silence_and_very_short_sound_give_a_true_answer(
    songs: dict[str, FloatArray], index: SoundIndex
) -> None:
    assert matches(np.zeros(10 * RATE_HZ, np.float32), index) == []
    assert matches(np.zeros(0, np.float32), index) == []
    assert matches(songs["music 0"][: RATE_HZ // 2], index) == []
    assert find_sound_matches(fingerprint(music(5, 1), RATE_HZ), SoundIndex.build({})) == []


def test_min_seconds_and_min_score_leave_out(
    songs: dict[str, FloatArray], index: SoundIndex
) -> None:
    cut = songs["music 0"][10 * RATE_HZ : 16 * RATE_HZ]
    (match,) = matches(cut, index)
    assert matches(cut, index, min_seconds=7) == []
    assert matches(cut, index, min_score=match.score + 1) == []
    with pytest.raises(InvalidInputError, match="min_seconds"):
        matches(cut, index, min_seconds=-1)


def test_stops_when_asked(songs: dict[str, FloatArray], index: SoundIndex) -> None:
    made = fingerprint(songs["music 0"], RATE_HZ)
    with pytest.raises(OperationCancelled):
        find_sound_matches(made, index, should_stop=lambda: True)
