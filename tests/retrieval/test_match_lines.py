import numpy as np
import pytest

from retrieval.match_lines import (
    Line,
    along,
    best_run,
    fit_line,
    moments,
    run_along,
    sharpest_line,
)
from retrieval.types import FloatArray

QUERY_TIMES = np.arange(0.0, 10.0, 0.5)
REF_TIMES = np.arange(0.0, 40.0, 0.25)


def ridge(line: Line, first: float, last: float, *, floor: float = 0.1) -> FloatArray:
    """Similarity 1 on a line, falling off within half a second, for a part of the query."""
    off = np.abs(REF_TIMES[None, :] - line.at(QUERY_TIMES)[:, None])
    values = floor + (1.0 - floor) * np.exp(-((off / 0.3) ** 2))
    outside = (first > QUERY_TIMES) | (last < QUERY_TIMES)
    values[outside] = floor
    return values.astype(np.float32)


@pytest.mark.parametrize("line", [Line(1.0, 12.0), Line(1.5, 3.0), Line(0.5, 20.0)])
def test_the_line_and_its_ends_are_found(line: Line) -> None:
    similarity = ridge(line, 2.0, 8.0)
    run = best_run(similarity, QUERY_TIMES, REF_TIMES, threshold=0.45, reach=0.3)
    assert run is not None
    assert (QUERY_TIMES[run.first], QUERY_TIMES[run.last]) == (2.0, 8.0)
    assert run.line.speed == pytest.approx(line.speed, rel=0.05)


def test_one_odd_frame_does_not_break_a_run() -> None:
    similarity = ridge(Line(1.0, 5.0), 0.0, 9.5)
    similarity[7] = 0.0
    run = run_along(similarity, QUERY_TIMES, REF_TIMES, Line(1.0, 5.0), threshold=0.45, reach=0.3)
    assert run is not None
    assert (run.first, run.last) == (0, 19)


def test_nothing_alike_gives_nothing() -> None:
    similarity = np.full((len(QUERY_TIMES), len(REF_TIMES)), 0.3, dtype=np.float32)
    assert best_run(similarity, QUERY_TIMES, REF_TIMES, threshold=0.45, reach=0.3) is None
    empty = np.empty((0, 0), dtype=np.float32)
    assert best_run(empty, np.empty(0), np.empty(0), threshold=0.45, reach=0.3) is None


def test_flat_frames_say_nothing() -> None:
    similarity = ridge(Line(1.0, 5.0), 0.0, 9.5)
    similarity[5:9] = np.nan
    run = run_along(similarity, QUERY_TIMES, REF_TIMES, Line(1.0, 5.0), threshold=0.45, reach=0.3)
    assert run is not None
    assert (run.first, run.last) == (0, 19)
    assert run.gain == pytest.approx(16 * 0.55, abs=1e-3)


def test_peaks_decide_where_everything_is_alike() -> None:
    """On a high floor all lines gain about the same; the peaks still lie on one."""
    similarity = ridge(Line(1.25, 4.0), 0.0, 9.5, floor=0.97)
    found = sharpest_line(
        similarity, QUERY_TIMES, REF_TIMES, near=Line(1.0, 5.0), near_seconds=3.0, reach=0.3
    )
    assert found.speed == pytest.approx(1.25, rel=0.02)
    assert found.at(np.array([4.75]))[0] == pytest.approx(1.25 * 4.75 + 4.0, abs=0.15)


def test_a_still_picture_plays_at_speed_one() -> None:
    similarity = np.full((len(QUERY_TIMES), len(REF_TIMES)), 0.99, dtype=np.float32)
    run = best_run(similarity, QUERY_TIMES, REF_TIMES, threshold=0.45, reach=0.3)
    assert run is not None
    assert run.line.speed == 1.0


def test_moments_fit_the_line_finer_than_its_samples() -> None:
    true = Line(1.1, 3.07)
    similarity = ridge(true, 0.0, 9.5)
    found, weights = moments(similarity, QUERY_TIMES, REF_TIMES, Line(1.08, 3.1), reach=0.6)
    line = fit_line(QUERY_TIMES, found, weights, near=Line(1.08, 3.1))
    assert line.speed == pytest.approx(1.1, abs=0.01)
    assert line.offset_seconds == pytest.approx(3.07, abs=0.05)


def test_nearly_one_is_one() -> None:
    times = np.arange(10.0)
    line = fit_line(times, 1.01 * times + 2.0, np.ones(10), near=Line(1.0, 2.0))
    assert line.speed == 1.0


def test_along_is_nan_out_of_reach() -> None:
    similarity = np.ones((2, 2), dtype=np.float32)
    values = along(
        similarity, np.array([0.0, 5.0]), np.array([0.0, 1.0]), Line(1.0, 0.0), reach=0.3
    )
    assert values[0] == 1.0
    assert np.isnan(values[1])
