import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.encoder_folder import sha256_of
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.manifest import ImageTower, Manifest, TextTower, read_manifest
from retrieval.errors import InvalidInputError, MissingDependencyError
from tests.retrieval.encoders.tiny_folder import write_tiny_encoder

EXECUTION = {"runtime": "onnxruntime", "precision": "fp32", "batch": None}


def write_exported(folder: Path, **changes: Any) -> Path:
    """The tiny encoder as version 2: its English tower for all languages."""
    write_tiny_encoder(folder)
    texts = [
        {
            "languages": ["*"],
            "kind": "onnx-tokenizer",
            "file": "text_en.onnx",
            "tokenizer": "tokenizer.json",
            "max_length": 6,
            "inputs": ["input_ids", "attention_mask"],
            "padding": "batch",
            "pad_id": 0,
        }
    ]
    written: dict[str, Any] = {"version": 2, "execution": EXECUTION, "texts": texts}
    return write_tiny_encoder(folder, **(written | changes))


def test_hash_of_the_first_version_is_what_libraries_hold() -> None:
    manifest = Manifest(
        folder=Path("x"),
        name="builtin:tiny/v1",
        dim=4,
        temperature=10.0,
        image=ImageTower(
            file="image.onnx",
            input_name="image",
            size=(8, 8),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            interpolation="bilinear",
        ),
        texts=(
            TextTower(
                languages=("*",),
                kind="onnx-tokenizer",
                file="text.onnx",
                tokenizer="tokenizer.json",
            ),
        ),
        sha256={"image.onnx": "a", "text.onnx": "b", "tokenizer.json": "c"},
    )
    assert manifest.hash() == "15d63199b67e3ea7b8f96a9441132ba4b4948eb8c32978a135d61d8fcf6cd686"


def test_second_version_answers_as_the_first(tmp_path: Path) -> None:
    encoder = BuiltinEncoder(write_exported(tmp_path))
    texts = ["red", "red green blue", "blue und grün"]
    together = encoder.encode_texts(texts)
    for text, row in zip(texts, together, strict=True):  # filled up beside the longest, and masked
        alone = BuiltinEncoder(tmp_path).encode_texts([text])[0]
        np.testing.assert_allclose(row, alone, atol=1e-6)
    np.testing.assert_allclose(together[0], [1, 0, 0, 0], atol=1e-6)


def test_static_batch_is_filled_and_cut(tmp_path: Path) -> None:
    encoder = BuiltinEncoder(write_exported(tmp_path, execution=EXECUTION | {"batch": 4}))
    assert encoder.batch_size == 4
    pictures = [np.full((8, 8, 3), level, np.uint8) for level in range(1, 8)]
    assert encoder.encode_images(pictures).shape == (7, 4)
    seen: list[int] = []
    session = encoder._pictures._session.get()

    def watched(feeds: Any) -> Any:
        seen.append(len(feeds["image"]))
        return session(feeds)

    encoder._pictures._session._value = watched
    encoder.encode_images(pictures[:5])
    assert seen == [4, 4]


def test_what_decides_the_embeddings_changes_the_hash(tmp_path: Path) -> None:
    plain = read_manifest(write_exported(tmp_path / "0"))
    raw = json.loads((tmp_path / "0" / "manifest.json").read_text())
    variants: list[dict[str, Any]] = [
        {"execution": EXECUTION | {"precision": "int8"}},
        {"execution": EXECUTION | {"runtime": "openvino"}},
        {"image": raw["image"] | {"resize": "shortest"}},
        {"image": raw["image"] | {"resize": "longest", "fill": 3}},
        {"texts": [raw["texts"][0] | {"padding": "full"}]},
        {"texts": [raw["texts"][0] | {"pad_id": 1}]},
    ]
    hashes = {
        read_manifest(write_exported(tmp_path / str(number), **change)).hash()
        for number, change in enumerate(variants, start=1)
    }
    assert len(hashes | {plain.hash()}) == len(variants) + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 3}, "version 1 or 2"),
        ({"execution": None}, "not a usable"),
        ({"execution": EXECUTION | {"precision": "int4"}}, "fp32, fp16"),
        ({"execution": EXECUTION | {"batch": 0}}, "at least 1"),
        ({"execution": EXECUTION | {"speed": "much"}}, "speed"),
        ({"sha256": {"../image.onnx": "a"}}, "plain file name"),
    ],
)
def test_unusable_manifest(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        BuiltinEncoder(write_exported(tmp_path, **change))


def test_unknown_runtime_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"runtime = 'abacus'.*expected one of"):
        BuiltinEncoder(write_exported(tmp_path, execution=EXECUTION | {"runtime": "abacus"}))


def test_runtime_that_cannot_read_the_folder(tmp_path: Path) -> None:
    write_exported(tmp_path, execution=EXECUTION | {"runtime": "openvino"})
    BuiltinEncoder(tmp_path, runtime="openvino")
    with pytest.raises(InvalidInputError, match=r"exported for openvino; leave it at auto"):
        BuiltinEncoder(tmp_path, runtime="onnxruntime")


def test_a_damaged_file_beside_the_network_is_found(tmp_path: Path) -> None:
    write_exported(tmp_path)
    (tmp_path / "image.onnx.data").write_bytes(b"weights")
    files = ["image.onnx", "image.onnx.data", "text_en.onnx", "tokenizer.json"]
    write_exported(tmp_path, sha256=sha256_of(tmp_path, files))
    (tmp_path / "image.onnx.data").write_bytes(b"weightz")
    with pytest.raises(MissingDependencyError, match=r"image\.onnx\.data is damaged"):
        BuiltinEncoder(tmp_path).encode_images([np.zeros((8, 8, 3), np.uint8)])
