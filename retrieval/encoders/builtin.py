"""The `builtin` family: an encoder folder of ONNX networks, by default the one that is shipped.

English and other languages go through two text towers into one space; a text whose language is
not clear goes through both, and their mean stands for it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import PictureTextEncoder, check_image, unit_rows
from retrieval.encoders.language import Language, guess_language
from retrieval.encoders.manifest import Manifest, TextTower, read_manifest
from retrieval.encoders.runtime import RuntimeOptions, check_runtime
from retrieval.encoders.text_cache import TextCache
from retrieval.encoders.towers import PictureNetwork, TextNetwork, load_text_network
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.types import FloatArray

if TYPE_CHECKING:
    from retrieval.encoders.copy_base import CopyEncoder

__all__ = ["ASSETS", "BuiltinEncoder", "load"]

ASSETS = Path(__file__).parent / "builtin_assets"
"""The shipped encoder folder."""


class BuiltinEncoder(PictureTextEncoder):
    """An encoder folder, made by `sceneprint train builtin`.

    Networks are loaded, and their files compared with the hashes of the manifest, on first use.

    Args:
        folder: holds `manifest.json` and the files it names; None for the shipped one.
        runtime: `auto` or a name of `retrieval.encoders.runtime.RUNTIMES`.
        options: device and threads.

    Attributes:
        manifest: what the folder says of itself.

    Raises:
        NotFoundError: the folder has no manifest.
        InvalidInputError: the manifest cannot be used, or an unknown runtime.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        runtime: str = "auto",
        options: RuntimeOptions | None = None,
    ) -> None:
        options = options or RuntimeOptions()
        self.manifest = manifest = _read(folder or ASSETS)
        runtime = check_runtime(_chosen_runtime(manifest, runtime))
        self.name = manifest.name
        self.hash = manifest.hash()
        self.dim = manifest.dim
        self.picture_side = min(manifest.image.size)
        self.preprocessing = {k: v for k, v in asdict(manifest.image).items() if k != "file"}
        self.temperature = manifest.temperature
        if manifest.execution is not None and manifest.execution.batch is not None:
            self.batch_size = manifest.execution.batch
        self._pictures = PictureNetwork(manifest, runtime=runtime, options=options)
        english, other = _choose_towers(manifest)
        networks = {
            tower: load_text_network(manifest, tower, runtime=runtime, options=options)
            for tower in (english, other)
        }
        self._english, self._other = networks[english], networks[other]
        self._cache = TextCache()

    def encode_images_and_copies(
        self, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> tuple[FloatArray, FloatArray]:
        """Embed pictures for search and describe them as copies, in one pass.

        Args:
            images: N pictures, each (H, W, 3) uint8 RGB.

        Returns:
            Search embeddings (N, D), equal to those of `encode_images`, and copy descriptors
            (N, C), both float32 of unit norm.

        Raises:
            InvalidInputError: a picture has another shape or dtype, or there is no copy output.
        """
        if self.manifest.copies is None:
            raise InvalidInputError(f"{self.name} has no copy output; see: sceneprint train copy")
        for image in images:
            check_image(image)
        search = np.empty((len(images), self.dim), dtype=np.float32)
        copies = np.empty((len(images), self.manifest.copies.dim), dtype=np.float32)
        for start in range(0, len(images), self.batch_size):
            rows = slice(start, start + self.batch_size)
            both = self._pictures.both(cast(Sequence[NDArray[np.uint8]], images)[rows])
            search[rows], copies[rows] = unit_rows(both[0]), unit_rows(both[1])
        return search, copies

    def copy_encoder(self) -> "CopyEncoder | None":
        """The copy output of the same folder; None where it was made without one."""
        from retrieval.encoders.copy_builtin import BuiltinCopyEncoder

        return None if self.manifest.copies is None else BuiltinCopyEncoder(self)

    def warm_up(self) -> None:
        """Load the picture tower and both text towers now."""
        super().warm_up()
        for network in {self._english, self._other}:
            network(["warm up"])

    def _encode_image_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        return self._pictures(images)

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        return self._cache.encode(texts, self._encode_new_texts)

    def _encode_new_texts(self, texts: Sequence[str]) -> FloatArray:
        """Route each text to the towers that read its language."""
        languages = [guess_language(text) for text in texts]
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for network, wanted in self._routes():
            chosen = [at for at, language in enumerate(languages) if language in wanted]
            if chosen:
                rows[chosen] += unit_rows(network([texts[at] for at in chosen]))
        return unit_rows(rows)

    def _routes(self) -> list[tuple[TextNetwork, tuple[Language, ...]]]:
        if self._english is self._other:
            return [(self._english, ("english", "unsure", "other"))]
        return [(self._english, ("english", "unsure")), (self._other, ("other", "unsure"))]


def load(rest: str, *, runtime: str, options: RuntimeOptions) -> BuiltinEncoder:
    """Load `builtin`, `builtin:ARCHITECTURE/TAG` (the shipped one) or `builtin:FOLDER`.

    Raises:
        NotFoundError: neither the shipped encoder nor a folder with a manifest.
    """
    if not rest:
        return BuiltinEncoder(runtime=runtime, options=options)
    if (Path(rest) / "manifest.json").is_file():
        return BuiltinEncoder(Path(rest), runtime=runtime, options=options)
    shipped = BuiltinEncoder(runtime=runtime, options=options)
    if shipped.name != f"builtin:{rest}":
        raise NotFoundError(
            f"got encoder 'builtin:{rest}', expected the shipped {shipped.name!r} or "
            "'builtin:FOLDER' with a folder written by: sceneprint train builtin --out FOLDER"
        )
    return shipped


def _read(folder: Path) -> Manifest:
    try:
        return read_manifest(folder)
    except FileNotFoundError as exc:
        raise NotFoundError(f"no encoder in {folder}: there is no manifest.json") from exc
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc


def _chosen_runtime(manifest: Manifest, asked: str) -> str:
    """What a folder was exported for, unless another is asked for that can read its files."""
    execution = manifest.execution
    if execution is None or asked == execution.runtime:
        return asked
    if asked == "auto":
        return execution.runtime
    if execution.runtime == "onnxruntime":
        return asked
    raise InvalidInputError(
        f"got runtime {asked!r} for {manifest.folder}, which was exported for {execution.runtime}; "
        f"leave it at auto, or export it again with --runtime {asked}"
    )


def _choose_towers(manifest: Manifest) -> tuple[TextTower, TextTower]:
    """The tower for English and the one for everything else; the same where there is only one."""
    by_language = {language: text for text in manifest.texts for language in text.languages}
    english = by_language.get("en", by_language.get("*", manifest.texts[0]))
    return english, by_language.get("*", english)
