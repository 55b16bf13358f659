"""One contract over all aligners."""

import numpy as np
import pytest

from retrieval.errors import InvalidInputError
from retrieval.match_aligners import ALIGNERS, AlignedRun, Aligner, EvidenceMatrix, create_aligner
from retrieval.types import FloatArray

QUERY_TIMES = np.arange(0.0, 40.0, 0.5)
REF_TIMES = np.arange(0.0, 90.0, 1.0)
Piece = tuple[float, float, float, float]
"""Query start and end, reference start, speed."""


@pytest.fixture(params=sorted(ALIGNERS))
def aligner(request: pytest.FixtureRequest) -> Aligner:
    return create_aligner(request.param)


def made(pieces: list[Piece], *, noise: float = 0.25, seed: int = 3) -> EvidenceMatrix:
    """Evidence of 0.5 within half a second of each piece's line, noise around -0.5 elsewhere."""
    rng = np.random.default_rng(seed)
    values = rng.normal(-0.5, noise, (len(QUERY_TIMES), len(REF_TIMES)))
    for start, end, ref, speed in pieces:
        inside = (start <= QUERY_TIMES) & (end > QUERY_TIMES)
        moments = ref + speed * (QUERY_TIMES - start)
        near = np.abs(REF_TIMES[None, :] - moments[:, None]) <= 0.75
        values[near & inside[:, None]] = rng.normal(0.5, 0.1, int((near & inside[:, None]).sum()))
    return EvidenceMatrix(values.astype(np.float32), QUERY_TIMES, REF_TIMES)


def shows(runs: list[AlignedRun], piece: Piece) -> bool:
    """Whether some run covers most of the piece, in step with it."""
    start, end, ref, speed = piece
    for run in runs:
        covered = min(run.query_end, end) - max(run.query_start, start)
        middle = (start + end) / 2
        off = abs(run.line.at(np.array([middle]))[0] - ref - speed * (middle - start))
        if covered >= 0.7 * (end - start - 0.5) and off <= 1.0:
            return True
    return False


@pytest.mark.parametrize("speed", [1.0, 0.5, 0.8, 1.5, 2.0])
def test_a_copy_is_found_at_its_speed(aligner: Aligner, speed: float) -> None:
    piece = (10.0, 30.0, 20.0, speed)
    runs = aligner.align(made([piece]))
    assert shows(runs, piece)
    assert runs[0].line.speed == pytest.approx(speed, rel=0.08)
    assert runs[0].query_start == pytest.approx(10.0, abs=1.0)
    assert runs[0].query_end == pytest.approx(29.5, abs=1.0)
    assert runs[0].num_frames >= 30


def test_reversed_playback_is_found_on_the_clock_turned_round(aligner: Aligner) -> None:
    forth = made([(10.0, 25.0, 30.0, 1.0)])
    backwards = EvidenceMatrix(forth.values[::-1].copy(), QUERY_TIMES, REF_TIMES)
    last = float(QUERY_TIMES[-1])
    assert not shows(aligner.align(backwards, min_gain=5.0), (last - 25.0, last - 10.0, 30.0, 1.0))
    turned = EvidenceMatrix(
        backwards.values[::-1].copy(), last - QUERY_TIMES[::-1], backwards.ref_times
    )
    assert shows(aligner.align(turned), (10.0, 25.0, 30.0, 1.0))


def test_two_parts_with_other_footage_between(aligner: Aligner) -> None:
    pieces = [(2.0, 10.0, 50.0, 1.0), (22.0, 32.0, 5.0, 1.0)]
    runs = aligner.align(made(pieces))
    assert all(shows(runs, piece) for piece in pieces)


def test_parts_in_another_order(aligner: Aligner) -> None:
    pieces = [(2.0, 10.0, 40.0, 1.0), (10.0, 18.0, 30.0, 1.0), (18.0, 26.0, 60.0, 1.0)]
    runs = aligner.align(made(pieces))
    assert all(shows(runs, piece) for piece in pieces)


def test_a_part_that_plays_three_times(aligner: Aligner) -> None:
    pieces = [(2.0 + 8 * n, 10.0 + 8 * n, 40.0, 1.0) for n in range(3)]
    runs = aligner.align(made(pieces))
    assert all(shows(runs, piece) for piece in pieces)


def test_noise_and_nothing_give_nothing(aligner: Aligner) -> None:
    assert aligner.align(made([])) == []
    empty: FloatArray = np.empty((0, len(REF_TIMES)), dtype=np.float32)
    assert aligner.align(EvidenceMatrix(empty, np.empty(0), REF_TIMES)) == []
    silent = np.zeros((len(QUERY_TIMES), len(REF_TIMES)), dtype=np.float32)
    assert aligner.align(EvidenceMatrix(silent, QUERY_TIMES, REF_TIMES)) == []


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match="network"):
        create_aligner("dtw")


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="shape"):
        EvidenceMatrix(np.zeros((2, 3), dtype=np.float32), np.arange(2.0), np.arange(4.0))
