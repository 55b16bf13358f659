"""The CSV of the Video Similarity Challenge, with names that were made to break it."""

import csv
import io
from dataclasses import replace
from pathlib import Path

from app.match_formats import VSC_COLUMNS, vsc_csv
from tests.app import made


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_has_the_columns_and_ids_of_the_challenge() -> None:
    match = made.match("R200002.mp4", query_path=Path("in/Q100001.mp4"))
    assert vsc_csv([match]).splitlines() == [
        "query_id,ref_id,query_start,query_end,ref_start,ref_end,score",
        "Q100001,R200002,0.000,5.000,50.000,60.000,0.900000",
    ]


def test_without_matches_there_is_a_header() -> None:
    assert vsc_csv([]).strip() == ",".join(VSC_COLUMNS)


def test_films_of_one_name_go_by_their_ids() -> None:
    one, other = made.match("a/film.mp4"), made.match("b/film.mkv")
    other = replace(other, ref_video=replace(other.ref_video, video_id="v2"))
    assert [row["ref_id"] for row in _rows(vsc_csv([one, other]))] == ["v1", "v2"]


def test_hostile_names_stay_in_their_cell() -> None:
    match = made.match('=cmd("x"),\n2.mp4', query_path=Path('caf\udce9, "q".mp4'))
    (row,) = _rows(vsc_csv([match]))
    assert row["ref_id"] == '_=cmd("x"),\n2'
    assert row["query_id"] == 'caf\ufffd, "q"'
    assert row["score"] == "0.900000"
