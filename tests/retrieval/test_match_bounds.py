import numpy as np
import pytest

from retrieval.match_aligners.base import AlignedRun
from retrieval.match_bounds import best_probability
from retrieval.match_calibration import Signs, load_calibration
from retrieval.match_lines import Line, Times
from retrieval.types import FloatArray

QUERY = np.arange(0.0, 6.0, 0.5)
REF = np.arange(0.0, 30.0)
RUN = AlignedRun(Line(1.0, 10.0), 0.0, 5.5, 3.0, 12)


def bound(evidence: FloatArray, ref_times: Times = REF, rival: float = 0.4) -> float:
    return best_probability(
        evidence,
        QUERY,
        ref_times,
        RUN,
        calibration=load_calibration(),
        rival=rival,
        reach=4.0,
        num_distinct=3,
        step_seconds=0.5,
    )


def test_no_stretch_of_any_line_near_is_more_probable() -> None:
    evidence = np.random.default_rng(1).uniform(0, 0.8, (len(QUERY), len(REF))).astype(np.float32)
    most = bound(evidence)
    for offset in (6.5, 10.0, 13.5):
        places = np.round(QUERY + offset).astype(int)
        values = evidence[np.arange(len(QUERY)), places]
        for first in range(len(QUERY)):
            part = values[first:]
            mean = float(part.mean())
            signs = Signs(None, mean, mean - 0.4, len(part), 3, 0.5 * len(part), False)
            assert load_calibration().probability(signs) <= most


def test_evidence_far_from_the_run_does_not_raise_it() -> None:
    evidence = np.zeros((len(QUERY), len(REF)), dtype=np.float32)
    low = bound(evidence)
    evidence[:, 25:] = 1.0
    assert bound(evidence) == low
    evidence[:, 10:16] = 1.0
    assert bound(evidence) > 0.5 > low


@pytest.mark.parametrize("ref_times", [REF[:0], REF[10:11], REF * 2])
def test_it_is_not_told_where_stored_frames_are_far_apart(ref_times: Times) -> None:
    assert bound(np.zeros((len(QUERY), len(ref_times)), dtype=np.float32), ref_times) == 1.0
