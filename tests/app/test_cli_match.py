"""Matching in the shell: many suspects, evidence on disk, banks."""

import csv
import io
import re
from pathlib import Path

import pytest

from retrieval.engine import Engine
from tests import films
from tests.app.shell import Shell, fits
from tests.fakes import FakeEncoder


@pytest.fixture(scope="module")
def suspects(
    tmp_path_factory: pytest.TempPathFactory, made_film: films.Film, carphone: Path
) -> Path:
    """A folder with a copy under a hostile name, a film of other things and a broken one."""
    folder = tmp_path_factory.mktemp("suspects")
    (folder / "=<b>copy.mp4").write_bytes(made_film.path.read_bytes())
    (folder / "other.mp4").write_bytes(carphone.read_bytes())
    (folder / "broken.mp4").write_bytes(b"no film" * 99)
    return folder


def test_a_folder_with_all_that_is_written(
    shell: Shell, library: Path, suspects: Path, tmp_path: Path
) -> None:
    table, pages = tmp_path / "found.csv", tmp_path / "pages"
    found = shell.json("match", suspects, "-l", library, "--csv", table, "--report", pages)
    by_name = {Path(item["query_path"]).name: item for item in found}
    copy, other, broken = (by_name[n] for n in ("=<b>copy.mp4", "other.mp4", "broken.mp4"))
    assert other["matches"] == []
    assert "broken.mp4" in broken["error"]
    (match,) = copy["matches"]
    assert match["video_name"] == "made.mp4"
    assert match["query_path"] == copy["query_path"]
    assert match["edit"]["words"] == []
    assert copy["query_seconds"] == pytest.approx(8.0, abs=0.1)
    assert (copy["unreadable"], copy["notes"], copy["error"]) == ([], [], None)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [(row["query_id"], row["ref_id"]) for row in rows] == [("_=<b>copy", "made")]
    (page,) = pages.iterdir()
    text = page.read_text(encoding="utf-8")
    assert "<b>copy" not in text
    assert "=&lt;b&gt;copy.mp4" in text
    assert text.count("data:image/png") == 1
    assert text.count("data:image/jpeg") >= 8
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', text)
    assert all(source.startswith("data:") for source in sources)
    assert "<script" not in text


def test_a_table_for_people_and_one_page(
    shell: Shell, library: Path, suspects: Path, tmp_path: Path
) -> None:
    page = tmp_path / "evidence.html"
    text = shell("match", suspects, "-l", library, "--report", page, "--fail-on-match", code=4)
    assert "3 films looked through, copies in 1" in text
    assert "other.mp4: no copied footage found" in text
    assert "broken.mp4: not looked through" in text
    assert fits(text)
    assert str(page) in shell.err
    assert "No copies were found" in page.read_text(encoding="utf-8")


def test_a_named_file_that_is_broken_is_exit_2(shell: Shell, library: Path, suspects: Path) -> None:
    shell("match", suspects / "broken.mp4", "-l", library, code=2)
    shell("match", suspects / "broken.mp4", suspects / "other.mp4", "-l", library, code=2)
    assert "broken.mp4" in shell.out


def test_mistakes(shell: Shell, library: Path, suspects: Path, tmp_path: Path) -> None:
    film = suspects / "other.mp4"
    shell("match", film, "-l", library, "--bank", "x", "--no-banks", code=2)
    assert "--no-banks" in shell.err
    shell("match", film, "-l", library, "--bank", "zzz", code=2)
    assert "zzz" in shell.err
    shell("match", tmp_path, "-l", library, code=2)
    assert "no media files" in shell.err
    shell("match", film, "-l", library, "--csv", tmp_path, code=2)
    assert "name a file" in shell.err
    shell("match", film, "-l", library, "--report", film, code=2)
    assert "cannot be written" in shell.err
    shell("bank", "add", "../x", film, "-l", library, code=2)
    assert "name of a bank" in shell.err
    assert not (library / "banks" / ".." / "x").exists()


def test_banks(shell: Shell, made_film: films.Film, tmp_path: Path) -> None:
    library = tmp_path / "library"
    with Engine(library, encoder=FakeEncoder(layout_weight=1.0), create=True) as engine:
        engine.ingest([made_film.path])
    shell("bank", "list", "-l", library)
    assert "no banks" in shell.out
    assert "1 added" in shell("bank", "add", "logos", made_film.path, "-l", library)
    (bank,) = shell.json("bank", "list", "-l", library)
    assert (bank["name"], [video["name"] for video in bank["videos"]]) == ("logos", ["made.mp4"])
    assert "made.mp4" in shell("bank", "list", "-l", library)

    text = shell("match", made_film.path, "-l", library)
    assert "no copied footage" in text
    assert "note: 1 match was left out: known from the bank logos" in text
    assert "made.mp4" in shell("match", made_film.path, "--no-banks", "-l", library)

    assert "removed made.mp4" in shell("bank", "remove", "logos", "made.mp4", "-l", library)
    assert "nothing" in shell("bank", "list", "-l", library)
    assert "removed the bank logos" in shell("bank", "remove", "logos", "-l", library)
    shell("bank", "remove", "logos", "-l", library, code=2)


def test_a_threshold_of_one_film(shell: Shell, made_film: films.Film, tmp_path: Path) -> None:
    library = tmp_path / "library"
    with Engine(library, encoder=FakeEncoder(layout_weight=1.0), create=True) as engine:
        engine.ingest([made_film.path])
    assert "no threshold" in shell("threshold", "made.mp4", "-l", library)
    assert "0.8" in shell("threshold", "made.mp4", "0.8", "-l", library)
    assert shell.json("list", "-l", library)[0]["match_threshold"] == 0.8
    assert "probability of 0.8" in shell("info", "made.mp4", "-l", library)
    assert shell.json("threshold", "made.mp4", "--clear", "-l", library)["match_threshold"] is None
    assert "none of its own" in shell("info", "made.mp4", "-l", library)
    shell("threshold", "made.mp4", "1.5", "-l", library, code=2)
    shell("threshold", "made.mp4", "0.5", "--clear", "-l", library, code=2)
    assert "--clear" in shell.err
