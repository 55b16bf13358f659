"""The matrix around a match: bright where the copy is, its edit undone, drawn to scale."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval.errors import CorruptMediaError, NotFoundError
from retrieval.match_matrix import MatchMatrix, match_matrix, matrix_png
from retrieval.types import Box, Match, MatchEdit, Segment
from tests import films
from tests.app import made
from tests.fakes import FakeEncoder

ENCODE = FakeEncoder(layout_weight=1.0).encode_images


def _match(query: Path, ref: Path, **changes: Any) -> Match:
    video = replace(made.video(seconds=8.0), path=ref)
    return made.match(
        query_path=query,
        ref_video=video,
        query_segment=Segment(2.0, 6.0),
        ref_segment=Segment(2.0, 6.0),
        speed_ratio=1.0,
        **changes,
    )


def test_a_copy_is_a_bright_line(made_film: films.Film) -> None:
    match = _match(made_film.path, made_film.path)
    matrix = match_matrix(match, query_seconds=8.0, encode=ENCODE)
    assert matrix.query_window == Segment(0.0, 8.0)  # 3 s of margin, within the film
    assert matrix.similarities.shape == (16, 16)
    assert np.diag(matrix.similarities).min() == pytest.approx(1.0, abs=1e-4)
    assert np.median(matrix.similarities) < 0.98


def test_the_edit_is_undone(made_film: films.Film, tmp_path: Path) -> None:
    small = [np.asarray(Image.fromarray(image)) for image in films.moving_shot(3, 50)]
    inside = []
    for image in small:
        canvas = np.full((216, 384, 3), 128, np.uint8)
        canvas[108:, 192:] = image[:, ::-1]  # mirrored, in the lower right corner
        inside.append(canvas)
    ref = films.write_film(tmp_path / "ref.mp4", small)
    query = films.write_film(tmp_path / "query.mp4", inside)
    edit = MatchEdit(is_flipped=True, query_box=Box(0.5, 0.5, 1.0, 1.0))
    match = replace(_match(query, ref), query_segment=Segment(0, 2), ref_segment=Segment(0, 2))
    seen = match_matrix(replace(match, edit=edit), query_seconds=2.0, encode=ENCODE)
    unseen = match_matrix(match, query_seconds=2.0, encode=ENCODE)
    assert np.diag(seen.similarities).min() > 0.99
    assert np.diag(unseen.similarities).max() < 0.99


def test_a_still_image_is_one_column(made_film: films.Film, tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    Image.fromarray(films.moving_shot(3, 1)[0]).save(still)
    match = replace(_match(still, made_film.path), query_segment=Segment(0.0, 0.0))
    matrix = match_matrix(match, query_seconds=0.0, encode=ENCODE)
    assert matrix.similarities.shape == (1, 16)
    assert matrix_png(matrix, match).startswith(b"\x89PNG")


def test_a_side_that_is_gone_or_empty_is_an_error(made_film: films.Film) -> None:
    with pytest.raises(NotFoundError):
        match_matrix(_match(made_film.path, Path("gone.mp4")), query_seconds=8.0, encode=ENCODE)
    match = _match(made_film.path, made_film.path)
    beyond = replace(match, query_segment=Segment(20.0, 24.0))
    with pytest.raises(CorruptMediaError):
        match_matrix(beyond, query_seconds=24.0, encode=ENCODE)


def _matrix(num_query: int, num_ref: int) -> MatchMatrix:
    return MatchMatrix(
        Segment(0.0, num_query / 2),
        Segment(0.0, num_ref / 2),
        np.arange(num_query) / 2,
        np.arange(num_ref) / 2,
        np.zeros((num_query, num_ref), np.float32),
    )


def test_the_picture_is_to_scale_and_has_the_path() -> None:
    match = made.match(query_segment=Segment(2.0, 8.0), ref_segment=Segment(1.0, 4.0))
    picture = Image.open(io.BytesIO(matrix_png(_matrix(20, 10), match))).convert("RGB")
    assert picture.size == (480, 240)
    rows, columns = np.nonzero(np.asarray(picture)[:, :, 0] > 200)
    assert columns.min() == pytest.approx(2.0 / 10 * 480, abs=9)
    assert columns.max() == pytest.approx(8.0 / 10 * 480, abs=9)
    assert np.corrcoef(rows, columns)[0, 1] > 0.9
    backwards = replace(match, edit=MatchEdit(is_reversed=True))
    picture = Image.open(io.BytesIO(matrix_png(_matrix(20, 10), backwards))).convert("RGB")
    rows, columns = np.nonzero(np.asarray(picture)[:, :, 0] > 200)
    assert np.corrcoef(rows, columns)[0, 1] < -0.9


def test_a_matrix_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        replace(_matrix(4, 4), query_times=np.arange(3.0))
