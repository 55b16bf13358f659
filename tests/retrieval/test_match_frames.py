"""Frame pairs of a match: decoded from both files, a missing side is told as missing."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from retrieval.match_frames import match_frames
from retrieval.types import MatchEvidence
from tests import films
from tests.app import made


def _strongest(jpeg: bytes | None) -> int:
    assert jpeg is not None
    return int(np.argmax(np.asarray(Image.open(io.BytesIO(jpeg))).mean(axis=(0, 1))))


def test_decodes_both_sides_at_their_times(colour_film: films.Film) -> None:
    video = replace(made.video(), path=colour_film.path)
    evidence = (MatchEvidence(3.0, 5.0, 0.9), MatchEvidence(1.0, 3.0, 0.8))
    match = made.match(query_path=colour_film.path, ref_video=video, evidence=evidence)
    first, second = match_frames(match)
    assert (first.query_seconds, second.query_seconds) == (1.0, 3.0)
    assert _strongest(first.query_jpeg) == 0  # red until 2 s, green until 4 s, then blue
    assert _strongest(first.ref_jpeg) == 1
    assert _strongest(second.ref_jpeg) == 2


def test_a_file_that_is_gone_leaves_its_side_empty(colour_film: films.Film) -> None:
    evidence = tuple(MatchEvidence(number / 4, number / 4, 0.9) for number in range(20))
    match = made.match(query_path=colour_film.path, evidence=evidence)
    pairs = match_frames(match, max_pairs=3)
    assert [pair.query_seconds for pair in pairs] == [0.0, 1.5, 3.25]
    assert all(pair.query_jpeg is not None and pair.ref_jpeg is None for pair in pairs)
    assert match_frames(made.match(query_path=Path("gone"))) == []


def test_a_still_image_is_its_own_frame(colour_film: films.Film, tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    Image.new("RGB", (64, 36), (40, 70, 200)).save(still)
    video = replace(made.video(), path=colour_film.path)
    match = made.match(query_path=still, ref_video=video, evidence=(MatchEvidence(0.0, 5.0, 0.9),))
    (pair,) = match_frames(match)
    assert _strongest(pair.query_jpeg) == _strongest(pair.ref_jpeg) == 2
