"""Kept reports: found again by their ids alone, and never more than may be."""

import os
from pathlib import Path

import pytest

from app.report_store import ReportStore
from retrieval.errors import NotFoundError


def test_keeps_and_finds(tmp_path: Path) -> None:
    store = ReportStore(tmp_path / "deep" / "reports")
    found = store.get(store.add("<p>电影</p>"))
    assert found.read_text(encoding="utf-8") == "<p>电影</p>"


@pytest.mark.parametrize("report_id", ["", "..", "../secret", "0" * 32, "0" * 31, "A" * 32])
def test_finds_nothing_else(tmp_path: Path, report_id: str) -> None:
    (tmp_path / "secret.html").write_text("secret")
    with pytest.raises(NotFoundError, match="kept for a while"):
        ReportStore(tmp_path / "reports").get(report_id)


@pytest.mark.parametrize("bounds", [{"max_reports": 2}, {"max_bytes": 25}])
def test_the_oldest_go_first(tmp_path: Path, bounds: dict[str, int]) -> None:
    store = ReportStore(tmp_path, **bounds)
    ids = []
    for number in range(4):
        ids.append(store.add("x" * 10))
        os.utime(store.get(ids[-1]), ns=(number, number))
    ids.append(store.add("x" * 10))
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(ids[-2:])
