"""What Sceneprint is measured against: the plain tools that people would reach for first.

The peers use torch, open_clip and OpenCV as their documentation shows them, with random weights,
which are as fast as trained ones. They are only here to be timed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.builtin import ASSETS
from retrieval.encoders.manifest import read_manifest
from retrieval.encoders.preprocess import pictures_to_batch
from retrieval.errors import MissingDependencyError

__all__ = ["TorchBuiltin", "TorchClip", "naive_ingest"]

Picture = NDArray[np.uint8]
_ARCHITECTURE = "ViT-B-32"


class TorchClip:
    """CLIP ViT-B/32 in eager torch, with open_clip's own preprocessing and tokenizer.

    Raises:
        MissingDependencyError: the extra `clip` is not installed.
    """

    name = "torch eager, CLIP ViT-B/32"

    def __init__(self) -> None:
        try:
            from retrieval.encoders.torchvision_cure import import_torchvision

            import_torchvision()
            import open_clip
            import torch
        except ImportError as exc:
            raise MissingDependencyError(
                f"the peer needs torch and open_clip ({exc}); run: pip install 'sceneprint[clip]'"
            ) from exc
        self._torch: Any = torch
        self._model, _, self._transform = open_clip.create_model_and_transforms(_ARCHITECTURE)
        self._model.eval()
        self._tokenizer = open_clip.get_tokenizer(_ARCHITECTURE)

    def encode_images(self, images: Sequence[Picture]) -> None:
        """Preprocess and encode pictures, (H, W, 3) uint8 RGB each; the result is thrown away."""
        from PIL import Image

        batch = self._torch.stack([self._transform(Image.fromarray(image)) for image in images])
        with self._torch.inference_mode():
            self._model.encode_image(batch)

    def encode_texts(self, texts: Sequence[str]) -> None:
        """Tokenize and encode texts; the result is thrown away."""
        with self._torch.inference_mode():
            self._model.encode_text(self._tokenizer(list(texts)))


class TorchBuiltin:
    """The network of the built-in encoder in eager torch: the same sums by another runtime.

    Raises:
        MissingDependencyError: torch is not installed.
    """

    name = "torch eager, the network of builtin"

    def __init__(self) -> None:
        try:
            import torch

            from adapters.training.bert import Bert
            from adapters.training.config import BuiltinConfig
            from adapters.training.efficientnet import EfficientNetLite
            from adapters.training.towers import ImageTower, TextTower
        except ImportError as exc:
            raise MissingDependencyError(
                f"the peer needs torch ({exc}); run: pip install 'sceneprint[train]'"
            ) from exc
        from tokenizers import Tokenizer

        config = BuiltinConfig()
        heads = {"dim": config.dim, "hidden": config.hidden}
        self._torch: Any = torch
        self._images = ImageTower(
            EfficientNetLite(config.image),
            from_block=config.from_block,
            pool_groups=config.pool_groups,
            dropout=0.0,
            **heads,
        ).eval()
        self._texts = TextTower(
            Bert(config.text), from_layer=config.from_layer, dropout=0.0, **heads
        ).eval()
        self._manifest = read_manifest(ASSETS)
        tokenizer = next(text.tokenizer for text in self._manifest.texts if text.tokenizer)
        self._tokenizer: Any = Tokenizer.from_file(str(ASSETS / tokenizer))
        self._tokenizer.enable_padding()

    def encode_images(self, images: Sequence[Picture]) -> None:
        """Preprocess as the built-in encoder does, and encode; the result is thrown away."""
        batch = pictures_to_batch(images, self._manifest.image)
        with self._torch.inference_mode():
            self._images(self._torch.from_numpy(batch))

    def encode_texts(self, texts: Sequence[str]) -> None:
        """Tokenize and encode texts; the result is thrown away."""
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = self._torch.tensor([item.ids for item in encoded])
        mask = self._torch.tensor([item.attention_mask for item in encoded])
        with self._torch.inference_mode():
            self._texts(ids, mask)


def naive_ingest(film: Path, encode: Callable[[Sequence[Picture]], object]) -> int:
    """Read every frame with OpenCV and encode one a second, 16 at a time.

    Returns:
        How many frames were encoded.

    Raises:
        MissingDependencyError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as exc:
        raise MissingDependencyError(
            f"the peer needs OpenCV ({exc}); run: pip install opencv-python-headless"
        ) from exc
    capture = cv2.VideoCapture(str(film))
    every = max(1, round(capture.get(cv2.CAP_PROP_FPS)))
    waiting: list[Picture] = []
    number = num_encoded = 0
    while True:
        is_read, frame = capture.read()
        if is_read and number % every == 0:
            waiting.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        if waiting and (len(waiting) == 16 or not is_read):
            encode(waiting)
            num_encoded += len(waiting)
            waiting = []
        if not is_read:
            capture.release()
            return num_encoded
        number += 1
