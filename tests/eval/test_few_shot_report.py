import numpy as np
import pytest

from eval.few_shot_report import FewShotReport, Run


def report(runs: list[tuple[str, int, float]]) -> FewShotReport:
    return FewShotReport(
        data="made",
        encoder="fake",
        classes=("a", "b"),
        num_pictures=40,
        is_exclusive=True,
        error_rate=0.1,
        default="ours",
        runs=tuple(Run(name, shots, score, 0.5, 0.1, 0.01) for name, shots, score in runs),
        confusion=np.array([[8, 2], [0, 10]]),
    )


RUNS = [("ours", 1, 0.6), ("other", 1, 0.7), ("ours", 1, 0.62), ("other", 1, 0.72)]


def test_lead_is_counted_seed_by_seed() -> None:
    best, lead, half = report(RUNS).behind(1)
    # both seeds: 10 points; the seeds themselves differ, their leads do not
    assert best == "other"
    assert lead == pytest.approx(10)
    assert half == pytest.approx(0, abs=1e-9)
    assert "1: 10.0 ± 0.0 behind other." in report(RUNS).text()


def test_default_is_first_where_it_ties() -> None:
    tied = [(name, shots, 0.6) for name, shots, _ in RUNS]
    assert report(tied).behind(1)[0] == "ours"
    assert "1: first." in report(tied).text()


def test_best_adapter_first_and_confusions_below() -> None:
    one = report(RUNS)
    assert one.adapters == ("other", "ours")
    lines = one.text().splitlines()
    assert lines[4].startswith("other")
    assert lines[4].split()[1:4] == ["71.0", "±", "12.7"]  # 12.706 x 1.414 / sqrt(2)
    assert lines[-1] == "  a for b: 20 %"


def test_json_has_raw_numbers() -> None:
    rows = report(RUNS).to_dict()["rows"]
    assert rows[0]["score"] == pytest.approx(0.71)
    assert rows[0]["calibrated_error"] is None
