"""The harness over a stand-in engine: what is asked of it, and what becomes of its answers."""

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from eval import copy_bench
from eval.copy_bench import default_threshold, evaluate_copies
from eval.copy_metrics import CopySegment
from eval.copy_sets import CopySet, Label
from eval.table import Table
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, NotMediaError, OperationCancelled
from retrieval.types import Match, MatchResult, Segment, Video

LABEL = Label("speed", "speed1", 1, 2.0, False, "picture")


def _video(path: Path) -> Video:
    return Video(f"id-{path.stem}", path, 1, 1, 60.0, "mp4")


class MadeEngine:
    """Ingests names, and matches every query whose name starts with Q1 to R1."""

    library = Path("library")
    copy_encoder = types.SimpleNamespace(
        encode_pictures=lambda images: np.stack(
            [np.eye(3, dtype=np.float32)[int(image[0, 0, 0]) // 100] for image in images]
        )
    )

    def __init__(self, others: Sequence[Path] = ()) -> None:
        self.paths = list(others)
        self.shots = ""

    def ingest(self, paths: Sequence[Path], *, shots: str, **_: Any) -> Any:
        self.paths += paths
        self.shots = shots
        return types.SimpleNamespace(was_cancelled=False, outcomes=())

    def videos(self) -> list[Video]:
        return [_video(path) for path in self.paths]

    def match(self, path: Path, *, min_score: float, **_: Any) -> MatchResult:
        assert min_score < 0.5
        if path.stem == "Q3":
            raise NotMediaError("Q3 has no picture")
        found = []
        if path.stem == "Q1":
            ref = next(video for video in self.videos() if video.path.stem == "R1")
            found = [Match(path, Segment(1, 5), ref, Segment(10, 18), 0.8, 2.0)]
        return MatchResult(path, 9.0, tuple(found))


@pytest.fixture
def data(tmp_path: Path) -> CopySet:
    files = {name: tmp_path / f"{name}.mp4" for name in ("Q1", "Q2", "Q3", "R1", "R2")}
    for path in files.values():
        path.write_bytes(b"a film")
    return CopySet(
        kind="attacks",
        queries={name: files[name] for name in ("Q1", "Q2", "Q3")},
        references={name: files[name] for name in ("R1", "R2")},
        truth=(CopySegment("Q1", "R1", 1, 5, 10, 18),),
        labels=(LABEL,),
    )


def _engine(*others: Path) -> Engine:
    return cast(Engine, MadeEngine(others))


def _table(tables: Sequence[Table], title: str) -> Table:
    return next(table for table in tables if title in table.title)


def test_threshold_is_that_of_the_engine() -> None:
    assert 0 < default_threshold() < 1


def test_tables(data: CopySet, tmp_path: Path) -> None:
    engine = _engine()
    bench = evaluate_copies(data, engine, out=tmp_path / "out")
    overall = _table(bench.tables, "Copy detection")
    assert overall.value(0, "pair_ap") == 1.0
    assert overall.value(0, "segment_ap") == pytest.approx(1.0)
    assert overall.value(0, "recall") == 1.0
    assert _table(bench.tables, "family").value(0, "recall_0") == 1.0
    assert _table(bench.tables, "Accuracy").value(0, "speed_median") == 0.0
    assert (tmp_path / "out" / "sceneprint.csv").is_file()
    assert cast(MadeEngine, engine).shots == "precise"


def test_failures_are_told(data: CopySet) -> None:
    bench = evaluate_copies(data, _engine())
    assert bench.runs[0].failures == {"Q3": "Q3 has no picture"}
    assert "1 queries gave an error" in bench.text()
    assert bench.to_dict()["failures"] == {"sceneprint": {"Q3": "Q3 has no picture"}}


def test_library_with_other_films_is_refused(data: CopySet, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="1 other videos"):
        evaluate_copies(data, _engine(tmp_path / "other.mp4"))


def test_measuring_can_be_stopped(data: CopySet) -> None:
    with pytest.raises(OperationCancelled):
        evaluate_copies(data, _engine(), should_stop=lambda: True)


def test_pictures_are_ranked_by_descriptor(tmp_path: Path) -> None:
    files = {}
    for name, value in (("R1", 0), ("R2", 120), ("Q1", 10), ("Q2", 130)):
        files[name] = tmp_path / f"{name}.png"
        Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(files[name])
    data = CopySet(
        kind="disc21",
        queries={name: files[name] for name in ("Q1", "Q2")},
        references={name: files[name] for name in ("R1", "R2")},
        truth=(CopySegment("Q1", "R1", 0, 0, 0, 0), CopySegment("Q2", "R2", 0, 0, 0, 0)),
    )
    (table,) = evaluate_copies(data, _engine()).tables
    assert table.value(0, "pair_ap") == 1.0
    assert table.value(0, "segment_ap") is None


def test_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "R1.jpg").write_bytes(b"no picture")
    data = CopySet(
        kind="disc21",
        queries={"Q1": tmp_path / "R1.jpg"},
        references={"R1": tmp_path / "R1.jpg"},
        truth=(CopySegment("Q1", "R1", 0, 0, 0, 0),),
    )
    with pytest.raises(InvalidInputError, match=r"R1\.jpg cannot be read as a picture"):
        copy_bench.evaluate_copies(data, _engine())
