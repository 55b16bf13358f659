from pathlib import Path

import numpy as np
import onnx
import pytest

from adapters.precision.cpu import FULL_RANGE
from adapters.precision.int8 import Int8Config, quantize_dynamic, quantize_static
from retrieval.encoders.runtime import load_session
from tests.adapters.precision.tiny_networks import (
    mean_cosine,
    pictures,
    texts,
    write_picture_network,
    write_text_network,
)

FEEDS = [pictures(16, seed=1), pictures(16, seed=2)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_picture_network(tmp_path_factory.mktemp("network") / "image.onnx")


@pytest.mark.parametrize("ranges", ["minmax", "percentile"])
def test_pictures(whole: Path, tmp_path: Path, ranges: str) -> None:
    config = Int8Config(ranges=ranges, wanted=0.0, full_range=False)  # type: ignore[arg-type]
    made = quantize_static(whole, tmp_path / "int8.onnx", FEEDS, config)
    before, after = (
        load_session(path)(pictures(8, seed=9))[0] for path in (whole, tmp_path / "int8.onnx")
    )
    assert 0.9 < mean_cosine(before, after) < 0.9999999
    assert made.kept == ()
    assert made.num_layers == 4
    assert made.nearness.worst <= made.nearness.mean < 1
    assert _metadata(tmp_path / "int8.onnx") == {}


def test_a_row_does_not_depend_on_its_batch(whole: Path, tmp_path: Path) -> None:
    quantize_static(whole, tmp_path / "int8.onnx", FEEDS, Int8Config(wanted=0.0))
    session = load_session(tmp_path / "int8.onnx")
    many, one = session(pictures(8))[0], session({"image": pictures(8)["image"][:1]})[0]
    np.testing.assert_allclose(many[:1], one, rtol=1e-5, atol=1e-5)


def test_sensitive_layers_stay_in_float32(whole: Path, tmp_path: Path) -> None:
    config = Int8Config(wanted=1.0, most_kept=0.5)
    made = quantize_static(whole, tmp_path / "int8.onnx", FEEDS, config)
    assert len(made.kept) == 2
    nodes = onnx.load(tmp_path / "int8.onnx").graph.node
    rounded = {node.input[1] for node in nodes if node.op_type in {"Conv", "MatMul"}}
    assert {name for name in made.kept if name in rounded} == set(made.kept)


def test_text(tmp_path: Path) -> None:
    path = write_text_network(tmp_path / "text.onnx")
    quantize_dynamic(path, tmp_path / "int8.onnx", Int8Config(full_range=False))
    before, after = (load_session(p)(texts(4))[0] for p in (path, tmp_path / "int8.onnx"))
    assert 0.99 < mean_cosine(before, after) < 0.9999999
    assert _metadata(tmp_path / "int8.onnx") == {}


def test_weights_of_all_bits_say_so(tmp_path: Path) -> None:
    path = write_text_network(tmp_path / "text.onnx")
    quantize_dynamic(path, tmp_path / "int8.onnx", Int8Config(full_range=True))
    assert _metadata(tmp_path / "int8.onnx") == {FULL_RANGE: "1"}


def test_too_few_pictures(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 2 items to calibrate on, expected 16"):
        quantize_static(whole, tmp_path / "int8.onnx", [pictures(2)])


@pytest.mark.parametrize("numbers", [{"wanted": 1.5}, {"most_kept": -0.1}])
def test_odd_numbers(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        Int8Config(**numbers)  # type: ignore[arg-type]


def _metadata(path: Path) -> dict[str, str]:
    return {one.key: one.value for one in onnx.load(path).metadata_props if "scene" in one.key}
