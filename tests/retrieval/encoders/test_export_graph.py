"""What the exporter asks of networks and does to their files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from retrieval.encoders.export_graph import (  # noqa: E402
    _gather_weights,
    is_padding_ignored,
    write_graph,
)
from retrieval.encoders.runtime import load_session  # noqa: E402

IDS = np.array([[4, 2, 0, 0], [3, 1, 1, 2]])
MASK = (IDS != 0).astype(np.int64)


class Summed(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """Adds up the rows of the tokens; with a mask only of those that count."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.table = torch.nn.Embedding(2000, 8)

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        rows = self.table(input_ids)
        return rows.sum(1) if attention_mask is None else (rows * attention_mask[..., None]).sum(1)


def test_padding_is_read_or_not() -> None:
    network = Summed().eval()
    assert is_padding_ignored(network, ["input_ids", "attention_mask"], IDS, [2, 4])
    assert not is_padding_ignored(network, ["input_ids"], IDS, [2, 4])


def test_network_of_one_length_keeps_its_padding() -> None:
    class Fixed(Summed):
        def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
            return super().forward(input_ids.view(-1, 4))

    assert not is_padding_ignored(Fixed().eval(), ["input_ids"], IDS[:, :4], [3, 4])


def test_weights_of_a_large_network_lie_in_one_file(tmp_path: Path) -> None:
    network, path = Summed().eval(), tmp_path / "text.onnx"
    write_graph(network, {"input_ids": IDS}, path, free={"input_ids": {0: "batch", 1: "length"}})
    onnx.save(  # as torch leaves a network of over 2 GB
        onnx.load(path),
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=False,
        size_threshold=0,
    )
    assert len(list(tmp_path.iterdir())) > 1
    _gather_weights(path)
    assert {file.name for file in tmp_path.iterdir()} == {"text.onnx", "text.onnx.data"}
    (rows,) = load_session(path)({"input_ids": IDS[:1, :3]})
    with torch.inference_mode():
        expected = network(torch.from_numpy(IDS[:1, :3])).numpy()
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_network_that_cannot_be_said_is_refused(tmp_path: Path) -> None:
    class Odd(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def forward(self, image: Any) -> Any:
            return torch.linalg.svdvals(image.flatten(2))

    image = np.ones((2, 3, 4, 4), np.float32)
    with pytest.raises(ValueError, match="torch cannot write image as ONNX"):
        write_graph(Odd(), {"image": image}, tmp_path / "image.onnx", free={})
