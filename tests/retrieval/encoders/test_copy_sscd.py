import hashlib
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoders.copy_registry import load_copy_encoder
from retrieval.encoders.copy_sscd import SscdEncoder
from retrieval.errors import InvalidInputError, NotFoundError
from tests.retrieval.encoders.copy_conformance import CopyConformance

torch = pytest.importorskip("torch")


class _Network(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Mean colours of the four quarters: (N, 3, H, W) -> (N, 12), not of unit norm."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
        return torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


def save(network: "torch.nn.Module", path: Path, size: int = 64) -> Path:  # type: ignore[name-defined]
    torch.jit.trace(network.eval(), torch.zeros(2, 3, size, size)).save(str(path))
    return path


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of TorchScript


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(_Network(), tmp_path_factory.mktemp("sscd") / "small.torchscript.pt")


class TestSscd(CopyConformance):
    path: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _path(cls, published: Path) -> None:
        cls.path = published

    @classmethod
    def make_encoder(cls) -> SscdEncoder:
        encoder = load_copy_encoder(f"sscd:{cls.path}")
        assert isinstance(encoder, SscdEncoder)
        return encoder


def test_preprocessing_by_hand(published: Path) -> None:
    encoder = load_copy_encoder(f"sscd:{published}")
    assert encoder.dim == 12
    assert encoder.name == "sscd:small.torchscript.pt"
    grey = np.full((10, 20, 3), 51, dtype=np.uint8)  # 0.2 in [0, 1]
    scaled = (0.2 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    expected = np.repeat(scaled, 4)
    rows = encoder.encode_pictures([grey])
    np.testing.assert_allclose(rows[0], expected / np.linalg.norm(expected), atol=1e-3)


def test_hash_is_of_the_file(published: Path, tmp_path: Path) -> None:
    other = save(torch.nn.Flatten(), tmp_path / "small.torchscript.pt", size=320)
    assert load_copy_encoder(f"sscd:{published}").hash != load_copy_encoder(f"sscd:{other}").hash
    same = tmp_path / "copied.pt"
    same.write_bytes(published.read_bytes())
    assert (
        hashlib.sha256(same.read_bytes()).digest()
        == hashlib.sha256(published.read_bytes()).digest()
    )
    assert load_copy_encoder(f"sscd:{same}").hash == load_copy_encoder(f"sscd:{published}").hash


def test_a_map_is_no_descriptor(tmp_path: Path) -> None:
    path = save(torch.nn.AvgPool2d(8), tmp_path / "map.pt")
    with pytest.raises(InvalidInputError, match=r"expected \(2, C\)"):
        load_copy_encoder(f"sscd:{path}")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InvalidInputError, match="no usable TorchScript"):
        load_copy_encoder(f"sscd:{path}")
    path.write_bytes(b"nothing")
    with pytest.raises(InvalidInputError, match="no usable TorchScript"):
        load_copy_encoder(f"sscd:{path}")


def test_absent_file_and_other_runtime(published: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="sscd-copy-detection"):
        load_copy_encoder(f"sscd:{tmp_path / 'absent.pt'}")
    with pytest.raises(InvalidInputError, match="leave it at auto"):
        load_copy_encoder(f"sscd:{published}", runtime="openvino")
