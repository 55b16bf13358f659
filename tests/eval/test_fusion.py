from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from adapters.fusion import DEFAULT_FUSION
from eval import fusion_films
from eval.fusion import FusionReport, evaluate_fusion, measure_fusion
from eval.fusion_films import CLASSES, SHOT_SECONDS, make_fusion_films
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.media.probe import probe
from tests.adapters.fusion.conformance import made_shots


@pytest.fixture(scope="module")
def report() -> FusionReport:
    shots = made_shots(8, absent=0.1)
    films = np.tile(np.arange(4), 8)
    return measure_fusion(
        shots, films, title="made", num_shots=3, num_seeds=1, num_folds=2, methods=("gates", "mean")
    )


def figure(report: FusionReport, row: str, column: str) -> float:
    cells = {one[0]: number for number, one in enumerate(report.accuracy.rows)}
    return float(str(report.accuracy.value(cells[row], column)).split(" ")[0])


def test_all_together_beat_the_best_alone(report: FusionReport) -> None:
    rows = [row[0] for row in report.accuracy.rows]
    assert rows == ["picture alone", "sound alone", "text alone", "gates", "mean"]
    alone = max(figure(report, f"{name} alone", "all") for name in ("picture", "sound", "text"))
    assert figure(report, "gates", "all") > alone + 10
    assert figure(report, "gates", "complete") >= figure(report, "gates", "no sound")
    assert figure(report, "sound alone", "no sound") == 25.0


def test_doubt_is_measured_for_what_is_missing(report: FusionReport) -> None:
    assert [row[0] for row in report.doubt.rows] == ["all", "no picture", "no sound", "no text"]
    assert set(report.to_dict()) == {"accuracy", "doubt"}
    assert f"{DEFAULT_FUSION} is the default" in report.text()


def test_stops_when_asked() -> None:
    with pytest.raises(OperationCancelled):
        measure_fusion(
            made_shots(4), np.tile(np.arange(2), 8), title="", num_shots=1, num_seeds=1,
            num_folds=2, should_stop=lambda: True,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [({"num_folds": 9, "num_films": 3}, "folds"), ({"num_shots": 99}, "expected 1 to 18")],
)
def test_numbers_out_of_range(options: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=message):
        evaluate_fusion(tmp_path, None, **options)  # type: ignore[arg-type]


def test_films_are_as_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion_films, "RATE", Fraction(2))
    (film,) = make_fusion_films(tmp_path, num_films=1, split="dev")
    info = probe(film.path)
    assert info.duration_seconds == pytest.approx(18 * SHOT_SECONDS, abs=0.2)
    assert info.audio_codec == "aac"
    names = [name for _, name in film.shots]
    assert sorted(names) == sorted([*CLASSES, *CLASSES])
    kinds = [CLASSES.index(name) // 3 for name in names]
    assert all(first != second for first, second in pairwise(kinds))
    lines = film.path.with_suffix(".srt").read_text(encoding="utf-8")
    assert 8 <= lines.count("-->") <= 18


def test_no_modality_tells_a_class_and_any_two_do() -> None:
    codes = np.array([[k // 3, k % 3, (k // 3 + k % 3) % 3] for k in range(len(CLASSES))])
    for column in range(3):
        assert len(np.unique(codes[:, column])) == 3
        assert len(np.unique(np.delete(codes, column, axis=1), axis=0)) == len(CLASSES)
