from pathlib import Path

import numpy as np
import onnx
import pytest

from adapters.precision import stored
from adapters.precision.stored import store_in_half, widened
from retrieval.encoders.runtime import load_session
from tests.adapters.precision.tiny_networks import pictures, write_picture_network


def test_half_the_bytes_and_the_same_answer(tmp_path: Path) -> None:
    path = write_picture_network(tmp_path / "whole.onnx")
    before = load_session(path)(pictures(2))[0]
    size = path.stat().st_size
    store_in_half(path)
    assert path.stat().st_size < 0.7 * size
    np.testing.assert_allclose(load_session(path)(pictures(2))[0], before, rtol=2e-2, atol=0.3)
    again = widened(path).graph
    assert {one.data_type for one in again.initializer} == {onnx.TensorProto.FLOAT}
    assert not any(node.op_type == "Cast" for node in again.node)


def test_what_half_cannot_hold_stays(tmp_path: Path) -> None:
    path = write_picture_network(tmp_path / "large.onnx")
    model = onnx.load(path)
    last = next(one for one in model.graph.initializer if one.name == "last")
    large = onnx.numpy_helper.to_array(last) * 1e6
    last.CopyFrom(onnx.numpy_helper.from_array(large, "last"))
    onnx.save(model, path)
    store_in_half(path)
    assert np.isfinite(load_session(path)(pictures(1))[0]).all()


def test_what_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="not an ONNX file"):
        widened(tmp_path / "bad.onnx")


def test_more_than_one_file_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_picture_network(tmp_path / "whole.onnx")
    monkeypatch.setattr(stored, "LARGEST_FILE", 1000)
    with pytest.raises(ValueError, match="export it in fp32, or for openvino"):
        stored.save_in_half(path, tmp_path / "half.onnx")
