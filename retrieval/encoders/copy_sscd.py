"""The `sscd` family: SSCD networks as their authors publish them, in TorchScript (extra `clip`).

`sscd:/path/sscd_disc_mixup.torchscript.pt` (Pizzi et al. 2022). A TorchScript archive holds tensors
and a program in TorchScript's own language: loading it runs no Python of the file, and no pickled
Python object is built outside the few kinds TorchScript allows. Still it is a program, which
decides what is computed, and the reader is native code: load files whose source you trust, or
compare their hash with the one their authors give.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.copy_base import CopyEncoder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.encoders.torch_weights import choose_torch_device
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from retrieval.types import FloatArray

__all__ = ["SIZE", "SscdEncoder", "load"]

SIZE = 320
"""Side of the square that pictures are squashed to; the authors' setting for batches, and close in
accuracy to their 288 on the short side, which cannot be batched."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SscdEncoder(CopyEncoder):
    """A TorchScript network from (N, 3, H, W) pictures to (N, C) descriptors; made by `load`."""

    batch_size = 16

    def __init__(self, path: Path, network: Any, *, device: str) -> None:
        self._network, self._device = network, device
        self.name = f"sscd:{path.name}"
        self.hash = _hash(path)
        self.dim = 1
        rows = self._encode_batch([np.zeros((8, 8, 3), dtype=np.uint8)] * 2)
        if rows.ndim != 2 or len(rows) != 2:
            raise InvalidInputError(
                f"{path} maps two pictures to {rows.shape = }, expected (2, C); give a descriptor "
                "network such as sscd_disc_mixup.torchscript.pt"
            )
        self.dim = rows.shape[1]

    def _encode_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        import torch

        batch = torch.from_numpy(_batch(images)).to(self._device)
        with torch.inference_mode():
            rows = self._network(batch)
        return np.asarray(rows.float().cpu().numpy())


def load(
    rest: str, *, runtime: str, options: RuntimeOptions, shared: PictureTextEncoder | None
) -> SscdEncoder:
    """Load `sscd:/path/to/file`.

    Raises:
        InvalidInputError: another runtime than `auto`, or a file that is no such network.
        NotFoundError: no file.
        MissingDependencyError: torch or the asked-for device is not installed.
    """
    if runtime != "auto":
        raise InvalidInputError(
            f"got {runtime = } for sscd:{rest}, which is run by torch; leave it at auto"
        )
    path = Path(rest)
    if not rest or not path.is_file():
        raise NotFoundError(
            f"no SSCD network at {rest!r}; fetch one from the sscd-copy-detection project and give "
            "its path: sscd:/path/sscd_disc_mixup.torchscript.pt"
        )
    try:
        import torch
    except ImportError as exc:
        raise MissingDependencyError(
            f"sscd needs torch ({exc}); run: pip install 'sceneprint[clip]'"
        ) from exc
    device = choose_torch_device(torch, options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        network = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        return SscdEncoder(path, network, device=device)
    except (RuntimeError, ValueError, OSError) as exc:
        reason = (str(exc) or type(exc).__name__).splitlines()[0][:300]
        raise InvalidInputError(f"{path} is no usable TorchScript network: {reason}") from exc


def _batch(images: Sequence[NDArray[np.uint8]]) -> FloatArray:
    """Squash pictures to (N, 3, SIZE, SIZE) float32 with ImageNet's mean and deviation."""
    squares = [
        Image.fromarray(np.ascontiguousarray(image)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        for image in images
    ]
    pixels = np.stack([np.asarray(square, dtype=np.float32) for square in squares]) / 255.0
    scaled = (pixels - np.array(_MEAN, np.float32)) / np.array(_STD, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def _hash(path: Path) -> str:
    """SHA-256 over the file and the preprocessing."""
    digest = hashlib.sha256(repr((SIZE, _MEAN, _STD, "squash", "bilinear")).encode())
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
