import numpy as np
import pytest

from retrieval.sound_print import TICK_SECONDS, SoundPrint
from retrieval.sound_verify import SoundAlignment, align
from tests.retrieval.test_sound_quads import scattered


def aligned(
    query: SoundPrint, ref: SoundPrint, *, query_seconds: float, offset: float, speed: float = 1.0
) -> SoundAlignment | None:
    return align(
        query, ref.ticks, ref.bins, query_seconds=query_seconds,
        ref_seconds=offset + speed * query_seconds, speed=speed, pitch_bins=0.0,
    )  # fmt: skip


def planted(ref: SoundPrint, *, speed: float = 1.0) -> tuple[SoundPrint, float]:
    """30 s of which the 10 s from 10 s on are the reference's from 15 s on; and that offset."""
    other = scattered(2_000, 5)
    before, after = other.times < 10, (other.times >= 20) & (other.times < 30)
    part = ref.select((ref.times >= 15) & (ref.times < 15 + 10 * speed))
    ticks = np.round((part.times - 15) / speed / TICK_SECONDS + 10 / TICK_SECONDS)
    parts = [
        (other.ticks[before], other.bins[before]),
        (ticks.astype(np.uint32), part.bins),
        (other.ticks[after], other.bins[after]),
    ]
    all_ticks, bins = (np.concatenate(column) for column in zip(*parts, strict=True))
    return SoundPrint(all_ticks, bins, np.zeros(len(bins), np.uint8), 30.0), 15 - 10 * speed


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_a_line_is_followed_to_its_ends(speed: float) -> None:
    ref = scattered(1_000)
    query, offset = planted(ref, speed=speed)
    found = aligned(query, ref, query_seconds=14.0, offset=offset + 0.02, speed=speed * 1.003)
    assert found is not None
    assert found.start_seconds == pytest.approx(10, abs=2.5)
    assert found.end_seconds == pytest.approx(20, abs=2.5)
    assert found.speed == pytest.approx(speed, rel=0.005)
    assert found.ref_seconds(10.0) == pytest.approx(15, abs=0.05)
    assert found.num_agreeing > 0.8 * found.num_peaks
    assert found.evidence > 20


def test_a_line_that_does_not_hold_has_little_evidence() -> None:
    ref = scattered(1_000)
    query, offset = planted(ref)
    wrong = aligned(query, ref, query_seconds=14.0, offset=offset + 3.3)
    assert wrong is None or wrong.evidence < 6


def test_what_agrees_with_itself_everywhere_weighs_nothing() -> None:
    """A clock: the same peaks each 0.4 s, so every line of a multiple of it agrees."""
    ticks = np.repeat(np.arange(0, 15_000, 36), 3).astype(np.uint32)
    bins = np.tile(np.array([40, 90, 150], np.uint8), len(ticks) // 3)
    clock = SoundPrint(ticks, bins, np.zeros(len(bins), np.uint8), 60.0)
    found = aligned(clock, clock, query_seconds=20.0, offset=0.0)
    real = aligned(scattered(1_500), scattered(1_500), query_seconds=20.0, offset=0.0)
    assert real is not None
    assert found is None or found.evidence < 0.2 * real.evidence


def test_a_place_outside_of_the_reference_is_none() -> None:
    ref = scattered(300)
    query, _ = planted(scattered(1_000))
    assert aligned(query, ref, query_seconds=14.0, offset=500.0) is None
    assert aligned(query, ref, query_seconds=14.0, offset=-500.0) is None
