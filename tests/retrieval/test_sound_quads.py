import numpy as np
import pytest

from retrieval.sound_print import NUM_BINS, REACH_FRAMES, SoundPrint
from retrieval.sound_quads import NUM_SLOTS, SPAN_TICKS, Quads, peaks_at_speed, quads


def scattered(num_peaks: int = 600, seed: int = 0) -> SoundPrint:
    """Peaks of all reaches, in the middle of the scale, some 20 a second."""
    rng = np.random.default_rng(seed)
    ticks = np.cumsum(rng.integers(4, 21, num_peaks)).astype(np.uint32)
    bins = rng.integers(60, NUM_BINS - 60, num_peaks).astype(np.uint8)
    reaches = rng.integers(0, len(REACH_FRAMES), num_peaks).astype(np.uint8)
    return SoundPrint(ticks, bins, reaches, float(ticks[-1]) * 0.004)


def keys(found: Quads) -> set[tuple[int, int]]:
    return set(zip(found.anchors.tolist(), found.slots.tolist(), strict=True))


@pytest.mark.parametrize("pitch", [-40, 7, 40])
def test_a_change_of_pitch_leaves_all_keys(pitch: int) -> None:
    peaks = scattered()
    moved = SoundPrint(
        peaks.ticks, (peaks.bins.astype(int) + pitch).astype(np.uint8), peaks.reaches, 9.0
    )
    assert len(quads(peaks, fan=6).slots) > 100
    assert keys(quads(moved, fan=6)) == keys(quads(peaks, fan=6))


def test_a_change_of_speed_leaves_keys_and_shows_in_spans() -> None:
    peaks = scattered()
    slow = SoundPrint(peaks.ticks * np.uint32(2), peaks.bins, peaks.reaches, 18.0)
    once, twice = quads(peaks, fan=6), quads(slow, fan=6, speed=0.5)
    assert keys(twice) == keys(once)
    assert np.array_equal(np.sort(twice.spans), np.sort(once.spans))


def test_probes_make_good_small_errors_of_a_peak() -> None:
    peaks, rng = scattered(), np.random.default_rng(1)
    jitter = rng.integers(-1, 2, len(peaks))
    near = SoundPrint(peaks.ticks, (peaks.bins + jitter).astype(np.uint8), peaks.reaches, 9.0)
    ref = keys(quads(near, fan=6))
    exact, probed = keys(quads(peaks, fan=6)), keys(quads(peaks, fan=6, probe=True))
    assert exact < probed
    assert len(ref & probed) > 2 * len(ref & exact)


def test_one_key_in_sixteen_is_kept_and_all_are_in_range() -> None:
    peaks = scattered(2_000)
    found = quads(peaks, fan=6)
    assert len(found.slots) == pytest.approx(2_000 * 20 / 16, rel=0.25)
    assert found.slots.max() < NUM_SLOTS
    assert found.anchors.max() < len(peaks)
    assert found.spans.min() * SPAN_TICKS >= 64


def test_chunks_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = scattered(400)
    whole = quads(peaks, fan=6, probe=True)
    monkeypatch.setattr("retrieval.sound_quads._CHUNK", 64)
    assert keys(quads(peaks, fan=6, probe=True)) == keys(whole)


def test_too_few_peaks_have_no_quads() -> None:
    for count in (0, 1, 3):
        found = quads(scattered(400).part(0, count), fan=6)
        assert len(found.slots) == len(found.anchors) == len(found.spans) == 0


def test_slower_sound_is_read_by_peaks_that_stand_alone_for_longer() -> None:
    peaks = scattered()
    counts = [len(peaks_at_speed(peaks, speed)) for speed in (0.5, 1.0, 2.0)]
    assert counts == sorted(counts)
    assert peaks_at_speed(peaks, 1.0).reaches.min() == 2
    assert peaks_at_speed(peaks, 2.0).reaches.min() == 0
