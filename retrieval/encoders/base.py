"""The kinds of encoders: frozen networks that turn media and text into embeddings.

An encoder says its `name`, `hash` and `dim`, which travel with every vector it makes. The public
methods here check what is given, cut it into batches that bound the memory, and check what comes
back; a subclass only maps one batch. Embeddings of one encoder share one space: text and
pictures (or sounds) are compared by their inner product. A `SoundEncoder` knows sounds alone; one
that reads text too is a `SoundTextEncoder`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInputError
from retrieval.types import EncoderId, FloatArray

if TYPE_CHECKING:
    from retrieval.encoders.copy_base import CopyEncoder

__all__ = [
    "Encoder",
    "PictureTextEncoder",
    "SoundEncoder",
    "SoundTextEncoder",
    "TextEncoder",
    "check_image",
    "in_batches",
    "unit_rows",
]

Item = TypeVar("Item")
Picture = NDArray[np.uint8]


class Encoder(ABC):
    """What every encoder says of itself.

    Attributes:
        name: `family:architecture/tag`, as stored with every vector.
        hash: of weights and preprocessing together, so that any change is a new encoder.
        dim: D, the length of an embedding.
        batch_size: how many items go through the network at once.
        spec: the name that `load_encoder` loaded it by; None where it was made otherwise.
        preprocessing: what is done to a picture before the network, in plain values; empty where
            it does not say.
    """

    name: str
    hash: str
    dim: int
    batch_size: int = 32
    spec: str | None = None
    preprocessing: Mapping[str, Any] = MappingProxyType({})

    @property
    def id(self) -> EncoderId:
        """What is stored beside the vectors."""
        return EncoderId(name=self.name, hash=self.hash, dim=self.dim, spec=self.spec)

    @abstractmethod
    def warm_up(self) -> None:
        """Load everything now, so that the first query is as fast as the next ones."""

    def _in_batches(
        self, items: Sequence[Item], encode: Callable[[Sequence[Item]], FloatArray]
    ) -> FloatArray:
        """Encode items batch by batch into one (N, D) float32 array of unit rows."""
        return in_batches(items, encode, made_by=self.id, batch_size=self.batch_size)


class TextEncoder(Encoder):
    """Text -> embeddings."""

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts in any language the encoder knows.

        Args:
            texts: N texts; one may be of any length, the encoder cuts what it cannot read.

        Returns:
            (N, D) float32, unit norm; (0, D) for no texts.

        Raises:
            InvalidInputError: a text is empty, or a single string was given.
        """
        if isinstance(texts, str):
            raise InvalidInputError("got one str, expected a sequence of texts; give [text]")
        for text in texts:
            _check_text(text)
        return self._in_batches(texts, self._encode_text_batch)

    def warm_up(self) -> None:
        """Load everything now, so that the first query is as fast as the next ones."""
        self.encode_texts(["warm up"])

    @abstractmethod
    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        """Embed 1 to `batch_size` texts that were checked: (n, D) float32."""


class PictureTextEncoder(TextEncoder):
    """Pictures and text -> one space.

    Attributes:
        temperature: factor on the cosines before a softmax over labels (CLIP's logit scale).
        picture_side: pixels of the shorter side of what the network sees; None where it does not
            say.
    """

    temperature: float
    picture_side: int | None = None

    def encode_images(self, images: Sequence[Picture] | Picture) -> FloatArray:
        """Embed pictures of any sizes.

        Args:
            images: N pictures, each (H, W, 3) uint8 RGB, upright and without letterbox bars;
                an (N, H, W, 3) array works too.

        Returns:
            (N, D) float32, unit norm; (0, D) for no pictures.

        Raises:
            InvalidInputError: a picture has another shape or dtype, or no pixels.
        """
        for image in images:
            check_image(image)
        return self._in_batches(cast(Sequence[Picture], images), self._encode_image_batch)

    def copy_encoder(self) -> "CopyEncoder | None":
        """The copy encoder that is a second output of the same network; None without one."""
        return None

    def warm_up(self) -> None:
        """Load both towers now."""
        super().warm_up()
        self.encode_images([np.zeros((8, 8, 3), dtype=np.uint8)])

    @abstractmethod
    def _encode_image_batch(self, images: Sequence[Picture]) -> FloatArray:
        """Embed 1 to `batch_size` pictures that were checked: (n, D) float32."""


class SoundEncoder(Encoder):
    """Sounds -> embeddings.

    Attributes:
        sample_rate_hz: what the network listens at; other rates are refused, so that the
            caller decodes at this rate instead of resampling twice.
        window_seconds: how much sound it hears at once; longer sound is cut into such windows.
    """

    sample_rate_hz: int
    window_seconds: float

    def encode_sounds(self, sounds: Sequence[FloatArray], sample_rate_hz: int) -> FloatArray:
        """Embed mono sounds of any lengths.

        Args:
            sounds: N sounds, each (T,) float32 in [-1, 1].
            sample_rate_hz: of all sounds; must be the encoder's own.

        Returns:
            (N, D) float32, unit norm; (0, D) for no sounds.

        Raises:
            InvalidInputError: another rate, shape or dtype, an empty or non-finite sound.
        """
        if sample_rate_hz != self.sample_rate_hz:
            raise InvalidInputError(
                f"got {sample_rate_hz = }, but {self.name} listens at {self.sample_rate_hz} Hz; "
                "decode the sound at that rate"
            )
        for sound in sounds:
            _check_sound(sound)
        return self._in_batches(sounds, self._encode_sound_batch)

    def warm_up(self) -> None:
        """Load the network now."""
        second = np.zeros(self.sample_rate_hz, dtype=np.float32)
        self.encode_sounds([second], self.sample_rate_hz)

    @abstractmethod
    def _encode_sound_batch(self, sounds: Sequence[FloatArray]) -> FloatArray:
        """Embed 1 to `batch_size` sounds that were checked: (n, D) float32."""


class SoundTextEncoder(SoundEncoder, TextEncoder):
    """Sounds and text -> one space.

    Attributes:
        temperature: factor on the cosines before a softmax over labels.
    """

    temperature: float

    def warm_up(self) -> None:
        """Load both sides now."""
        TextEncoder.warm_up(self)
        SoundEncoder.warm_up(self)


def in_batches(
    items: Sequence[Item],
    encode: Callable[[Sequence[Item]], FloatArray],
    *,
    made_by: EncoderId,
    batch_size: int,
) -> FloatArray:
    """Encode items batch by batch into one (N, D) float32 array of unit rows.

    Raises:
        RuntimeError: the encoder gives another shape than `made_by` says.
    """
    embeddings = np.empty((len(items), made_by.dim), dtype=np.float32)
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        rows = encode(batch)
        if rows.shape != (len(batch), made_by.dim):
            raise RuntimeError(
                f"{made_by.name} gave {rows.shape = } for {len(batch)} items, "
                f"expected ({len(batch)}, {made_by.dim}); its weights do not fit its description"
            )
        embeddings[start : start + len(batch)] = unit_rows(rows)
    return embeddings


def unit_rows(rows: FloatArray) -> FloatArray:
    """Scale each row of (N, D) to length one.

    A row of zeros has no direction and stays zero: its inner product with everything is zero.

    Raises:
        RuntimeError: a value is not finite, which a sound network never gives.
    """
    if not np.isfinite(rows).all():
        raise RuntimeError("got embeddings that are not finite; the weights or runtime are broken")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise InvalidInputError(f"got a text of type {type(text).__name__}, expected str")
    if not text.strip():
        raise InvalidInputError("got an empty text, expected at least one visible character")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(f"got a text that is not valid Unicode: {exc.reason}") from exc


def check_image(image: Picture) -> None:
    """Refuse what is not an (H, W, 3) uint8 picture with pixels.

    Raises:
        InvalidInputError: another shape or dtype, or no pixels.
    """
    shape = getattr(image, "shape", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise InvalidInputError(f"got a picture with {shape = }, expected (H, W, 3) RGB")
    if image.dtype != np.uint8:
        raise InvalidInputError(f"got a picture of {image.dtype}, expected uint8 in [0, 255]")


def _check_sound(sound: FloatArray) -> None:
    shape = getattr(sound, "shape", None)
    if shape is None or len(shape) != 1 or shape[0] == 0:
        raise InvalidInputError(f"got a sound with {shape = }, expected (T,) mono samples")
    if sound.dtype != np.float32 or not np.isfinite(sound).all():
        raise InvalidInputError(f"got a sound of {sound.dtype}, expected finite float32 in [-1, 1]")
