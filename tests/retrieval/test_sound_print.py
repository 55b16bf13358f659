import numpy as np
import pytest

from eval.made_sound import hum, music
from retrieval.errors import InvalidInputError
from retrieval.sound_print import TICK_SECONDS, SoundPrint, SoundPrinter, fingerprint

RATE = 16_000


def test_peaks_lie_on_the_notes_that_were_played() -> None:
    samples = np.zeros(4 * RATE, np.float32)
    for start, hz in ((1.0, 440.0), (2.0, 880.0), (3.0, 1_760.0)):
        part = slice(round(start * RATE), round((start + 0.2) * RATE))
        samples[part] = 0.5 * np.sin(2 * np.pi * hz * np.arange(RATE * 0.2) / RATE)
    made = fingerprint(samples, RATE)
    highest = [made.bins[(made.times > s) & (made.times < s + 0.2)] for s in (1.0, 2.0, 3.0)]
    wanted = [round(48 * np.log2(hz / 120)) for hz in (440, 880, 1_760)]
    for bins, bin_ in zip(highest, wanted, strict=True):
        assert np.abs(bins.astype(int) - bin_).min() <= 1
    assert not ((made.times > 1.4) & (made.times < 1.9)).any()


def test_chunks_do_not_change_the_print() -> None:
    samples = music(80, 1)
    printer = SoundPrinter(RATE)
    rng, at = np.random.default_rng(0), 0
    while at < len(samples):
        size = int(rng.integers(1, 50_000))
        printer.add(samples[at : at + size])
        at += size
    assert printer.finish().to_bytes() == fingerprint(samples, RATE).to_bytes()


def test_a_print_made_in_blocks_has_no_seams() -> None:
    samples = music(40, 2)  # a block is 32.768 s
    whole = fingerprint(samples, RATE)
    tail = fingerprint(samples[20 * RATE :], RATE)
    late = whole.select(whole.times > 25)
    shifted = tail.select(tail.times > 5)
    assert np.array_equal(late.ticks - round(20 / TICK_SECONDS), shifted.ticks)
    assert np.array_equal(late.bins, shifted.bins)


def test_rate_hardly_matters() -> None:
    low = fingerprint(music(20, 3), RATE)
    twice = np.interp(np.arange(640_000) / 2, np.arange(320_000), music(20, 3))
    high = fingerprint(twice.astype(np.float32), 2 * RATE)
    pairs = {(int(t), int(b)) for t, b in zip(low.ticks, low.bins, strict=True)}
    shared = sum((int(t), int(b)) in pairs for t, b in zip(high.ticks, high.bins, strict=True))
    assert shared > 0.7 * len(low)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros(5 * RATE, np.float32),
        (1e-6 * np.random.default_rng(0).normal(size=5 * RATE)).astype(np.float32),
        np.full(5 * RATE, np.nan, np.float32),
        np.full(5 * RATE, 0.5, np.float32),
    ],
    ids=["nothing", "silence", "near silence", "not numbers", "constant"],
)
def test_silence_has_no_peaks(samples: np.ndarray) -> None:
    made = fingerprint(samples, RATE)
    assert made.duration_seconds == len(samples) / RATE
    assert len(made.select((made.times > 0.5) & (made.times < 4.5))) == 0


def test_a_steady_hum_has_no_peaks_but_at_its_ends() -> None:
    made = fingerprint(hum(10), RATE)
    assert not ((made.times > 1) & (made.times < 9)).any()


def test_bytes_round_trip() -> None:
    made = fingerprint(music(5, 4), RATE)
    again = SoundPrint.from_bytes(made.to_bytes())
    assert again.duration_seconds == 5.0
    for name in ("ticks", "bins", "reaches", "hashes", "times"):
        assert np.array_equal(getattr(again, name), getattr(made, name))


def test_unfit_bytes_say_what_to_do() -> None:
    data = fingerprint(music(2, 5), RATE).to_bytes()
    for bad in (b"", b"x" * 40, data[:-1], data + b"x"):
        with pytest.raises(InvalidInputError, match="ingest again"):
            SoundPrint.from_bytes(bad)
    with pytest.raises(InvalidInputError, match="version 9, expected 1"):
        SoundPrint.from_bytes(data[:4] + b"\x09\x00" + data[6:])


def test_unfit_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="4,000 to 192,000"):
        SoundPrinter(800)
    with pytest.raises(InvalidInputError, match="mono samples"):
        fingerprint(np.zeros((2, 100), np.float32), RATE)
