"""Smaller picture towers: read back, narrower, shallower, distilled, in 8 bits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from adapters.training.compress_export import add_figures, write_compressed, write_tower  # noqa: E402
from adapters.training.config import TINY  # noqa: E402
from adapters.training.distill import DistillConfig, distill  # noqa: E402
from adapters.training.prune import prune_channels, shallower  # noqa: E402
from adapters.training.tower_file import read_tower  # noqa: E402
from adapters.training.towers import ImageTower  # noqa: E402
from retrieval.encoders import load_encoder  # noqa: E402
from retrieval.encoders.runtime import load_session  # noqa: E402
from tests.adapters.small_towers import write_small_encoder  # noqa: E402

SIZE = TINY.size


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_encoder(tmp_path_factory.mktemp("encoder") / "whole")


@pytest.fixture(scope="module")
def tower(folder: Path) -> ImageTower:
    return read_tower(folder / "image.onnx")


def pictures(num: int) -> Any:
    return torch.randn(num, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def widths(tower: ImageTower) -> list[int]:
    """Inner channels of the blocks that widen their input."""
    blocks: Any = tower.network.blocks
    return [block.depthwise.conv.out_channels for block in blocks if block.expand is not None]


def served(path: Path, batch: Any) -> Any:
    return load_session(path)({"image": batch.numpy()})[0]


def test_a_tower_reads_back(folder: Path, tower: ImageTower) -> None:
    with torch.no_grad():
        made = tower(pictures(2)).numpy()
    np.testing.assert_allclose(made, served(folder / "image.onnx", pictures(2)), atol=1e-5)


def test_what_is_no_tower_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a picture tower of Sceneprint's own"):
        read_tower(folder / "text_multilingual.onnx")
    (tmp_path / "image.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="not an ONNX file"):
        read_tower(tmp_path / "image.onnx")


def test_pruning_makes_layers_narrower_and_keeps_what_they_say(
    tower: ImageTower, tmp_path: Path
) -> None:
    batch = pictures(6)
    narrow = prune_channels(tower, share=0.25, pictures=batch)
    whole, left = widths(tower), widths(narrow)
    assert all(b < a for a, b in zip(whole, left, strict=True))
    assert all(width % 8 == 0 for width in left)
    with torch.no_grad():
        cosines = (tower(batch) * narrow(batch)).sum(1)
    assert cosines.mean() > 0.95
    write_tower(narrow, tmp_path / "image.onnx", size=SIZE)
    again = read_tower(tmp_path / "image.onnx")
    assert widths(again) == left


def test_fewer_blocks(tower: ImageTower) -> None:
    made = shallower(tower, share=1.0)
    blocks: Any = made.network.blocks
    assert not any(block.has_skip for block in blocks)
    assert len(made.network.blocks) < len(tower.network.blocks)
    with torch.no_grad():
        assert made(pictures(1)).shape == (1, TINY.dim)


def test_distillation_comes_nearer_to_the_teacher(tower: ImageTower) -> None:
    student = shallower(tower, share=1.0)
    views = list(np.random.default_rng(0).integers(0, 256, (16, SIZE, SIZE, 3), dtype=np.uint8))
    targets = np.random.default_rng(1).normal(size=(16, TINY.dim)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    losses: list[float] = []
    config = DistillConfig(epochs=4, batch=8)
    distill(student, views, targets, config, report=lambda done, total, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match="got 4 pictures"):
        distill(student, views[:4], targets[:4], config, report=lambda *_: None)


def test_the_folder_is_an_encoder_of_its_own(
    folder: Path, tower: ImageTower, tmp_path: Path
) -> None:
    original = load_encoder(f"onnx:{folder}")
    out = tmp_path / "small"
    write_compressed(
        folder,
        out,
        lambda path: write_tower(shallower(tower, share=1.0), path, size=32),
        name="builtin:small",
        method={"method": "distill"},
        original=(original.name, original.hash),
        size=32,
    )
    made = load_encoder(f"onnx:{out}")
    before = made.hash
    add_figures(out, {"cosine": 0.5})
    assert made.hash == before == load_encoder(f"onnx:{out}").hash != original.hash
    assert made.encode_images([np.zeros((40, 60, 3), np.uint8)]).shape == (1, TINY.dim)
    np.testing.assert_array_equal(made.encode_texts(["red"]), original.encode_texts(["red"]))
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["compressed"]["from"]["hash"] == original.hash
    assert manifest["compressed"]["figures"] == {"cosine": 0.5}


def test_names_of_no_folder() -> None:
    from retrieval.errors import InvalidInputError, NotFoundError

    with pytest.raises(InvalidInputError, match="expected onnx:FOLDER"):
        load_encoder("onnx:")
    with pytest.raises(NotFoundError, match="no encoder in"):
        load_encoder("onnx:nothing-here")
