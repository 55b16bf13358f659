"""What exports are calibrated and measured on."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.export_material import folder_material, library_material
from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film


def jpeg(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 6), level).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(32):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(7 * number))
    return tmp_path


def test_halves_share_nothing(folder: Path) -> None:
    material = folder_material(folder, calibrates=True)
    levels = [
        {int(picture.mean()) for picture in pictures}
        for pictures in (material.pictures, material.calibration_pictures)
    ]
    assert [len(half) for half in levels] == [16, 16]
    assert not levels[0] & levels[1]
    assert not set(material.texts) & set(material.calibration_texts)
    again = folder_material(folder, calibrates=True)
    np.testing.assert_array_equal(material.pictures[0], again.pictures[0])
    assert material.pictures[0].shape == (6, 8, 3)


def test_all_is_measured_on_where_nothing_is_calibrated(folder: Path) -> None:
    material = folder_material(folder, calibrates=False)
    assert (len(material.pictures), len(material.calibration_pictures)) == (32, 0)
    assert any("a" <= text[0] <= "z" for text in material.texts)
    assert any(text[0] > "一" for text in material.texts)


def test_library_gives_keyframes_and_subtitles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Catalog.open(tmp_path, create=True) as catalog:
        lines = [(0.0, 1.0, "Two bicycles, at last")]
        add_film(catalog, FakeEncoder(), "a", ["red", "green"] * 6, lines=lines)
    monkeypatch.setattr(Catalog, "thumbnail", lambda self, shot: jpeg(shot))
    material = library_material(tmp_path, calibrates=False)
    assert len(material.pictures) == 12
    assert material.texts[0] == "Two bicycles, at last"
    with pytest.raises(InvalidInputError, match="got 12 pictures, expected at least 32"):
        library_material(tmp_path, calibrates=True)


def test_nothing_to_measure_on(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no library in"):
        library_material(tmp_path / "absent", calibrates=False)
    with pytest.raises(InvalidInputError, match="holds no JPEG or PNG"):
        folder_material(tmp_path, calibrates=False)
    (tmp_path / "1.jpg").write_bytes(b"no picture")
    with pytest.raises(InvalidInputError, match="cannot be used"):
        folder_material(tmp_path, calibrates=False)
