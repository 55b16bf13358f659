"""What an engine stands on: the catalog, opened at once, and what is heavy, on first use.

Apart from `engine`, which holds what can be done with it. Properties may be read from several
threads; each part is made once.
"""

import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from retrieval.catalog import Catalog

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder, SoundEncoder
    from retrieval.encoders.copy_base import CopyEncoder
    from retrieval.encoders.runtime import Device
    from retrieval.media.limits import MediaLimits
    from retrieval.search_sounds import SoundSearch
    from retrieval.sound_library import LibrarySounds
    from retrieval.vectors import FrameVectors, ShotVectors, SoundVectors

__all__ = ["EngineParts"]


class EngineParts:
    """One library with its encoders and derived indexes; the arguments are those of `Engine`."""

    def __init__(
        self,
        library: Path,
        *,
        encoder: "PictureTextEncoder | str" = "builtin",
        copy_encoder: "CopyEncoder | str" = "builtin",
        sound_encoder: "SoundEncoder | str" = "builtin",
        index: str = "faiss",
        limits: "MediaLimits | None" = None,
        runtime: str = "auto",
        device: "Device" = "cpu",
        create: bool = False,
    ) -> None:
        self.library = Path(library)
        self.catalog = Catalog.open(self.library, create=create)
        self._index = index
        self._limits = limits
        self._encoder_spec = encoder
        self._copy_encoder_spec = copy_encoder
        self._sound_encoder_spec = sound_encoder
        self._runtime = runtime
        self._device = device
        self._encoder: PictureTextEncoder | None = None
        self._copy_encoder: CopyEncoder | None = None
        self._sound_encoder: SoundEncoder | None = None
        self._shot_vectors: ShotVectors | None = None
        self._frame_vectors: FrameVectors | None = None
        self._sound_vectors: SoundVectors | None = None
        self._library_sounds: LibrarySounds | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the catalog go; a closed engine cannot be used again."""
        self.catalog.close()

    # --- what loads on first use

    @property
    def encoder(self) -> "PictureTextEncoder":
        """The encoder, loaded on first use."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load_encoder()
            return self._encoder

    def _load_encoder(self) -> "PictureTextEncoder":
        if not isinstance(self._encoder_spec, str):
            return self._encoder_spec
        from retrieval.encoders import load_encoder

        return load_encoder(self._encoder_spec, runtime=self._runtime, device=self._device)

    @property
    def copy_encoder(self) -> "CopyEncoder":
        """The copy encoder, loaded on first use; it shares the encoder's network where it can."""
        with self._lock:
            if self._copy_encoder is None:
                self._copy_encoder = self._load_copy_encoder()
            return self._copy_encoder

    def _load_copy_encoder(self) -> "CopyEncoder":
        spec = self._copy_encoder_spec
        if not isinstance(spec, str):
            return spec
        own = self.encoder.copy_encoder() if spec == "builtin" else None
        if own is not None:
            return own
        from retrieval.encoders.copy_registry import load_copy_encoder

        return load_copy_encoder(
            spec, runtime=self._runtime, device=self._device, shared=self._encoder
        )

    @property
    def sound_encoder(self) -> "SoundEncoder":
        """The sound encoder, loaded on first use."""
        with self._lock:
            if self._sound_encoder is None:
                self._sound_encoder = self._load_sound_encoder()
            return self._sound_encoder

    def _load_sound_encoder(self) -> "SoundEncoder":
        if not isinstance(self._sound_encoder_spec, str):
            return self._sound_encoder_spec
        from retrieval.encoders import load_sound_encoder

        return load_sound_encoder(self._sound_encoder_spec, device=self._device)

    @property
    def limits(self) -> "MediaLimits":
        """Bounds on media files."""
        if self._limits is None:
            from retrieval.media.limits import MediaLimits

            self._limits = MediaLimits()
        return self._limits

    @property
    def shot_vectors(self) -> "ShotVectors":
        """The shot embeddings with their derived index."""
        from retrieval.vectors import ShotVectors

        encoder = self.encoder
        with self._lock:
            if self._shot_vectors is None:
                self._shot_vectors = ShotVectors(self.catalog, encoder.id, backend=self._index)
            return self._shot_vectors

    @property
    def frame_vectors(self) -> "FrameVectors":
        """The frames' copy descriptors with their derived index."""
        from retrieval.vectors import FrameVectors

        encoder = self.copy_encoder
        with self._lock:
            if self._frame_vectors is None:
                self._frame_vectors = FrameVectors(self.catalog, encoder.id, backend=self._index)
            return self._frame_vectors

    @property
    def sound_vectors(self) -> "SoundVectors":
        """The embeddings of the shots' sound with their derived index."""
        from retrieval.vectors import SoundVectors

        encoder = self.sound_encoder
        with self._lock:
            if self._sound_vectors is None:
                self._sound_vectors = SoundVectors(self.catalog, encoder.id, backend=self._index)
            return self._sound_vectors

    @property
    def sound_search(self) -> "SoundSearch":
        """What a search needs to look among sounds; loads nothing before it does."""
        from retrieval.search_sounds import SoundSearch

        return SoundSearch(
            catalog=self.catalog,
            named=self._sound_encoder_spec,
            load_encoder=lambda: self.sound_encoder,
            load_vectors=lambda: self.sound_vectors,
            limits=self.limits,
        )

    @property
    def library_sounds(self) -> "LibrarySounds":
        """The sound of the library with its derived index."""
        from retrieval.sound_library import LibrarySounds

        with self._lock:
            if self._library_sounds is None:
                self._library_sounds = LibrarySounds(self.catalog)
            return self._library_sounds

    def warm_up(self) -> None:
        """Load encoder and shot index now, so that the first search is as fast as the next."""
        self.encoder.warm_up()
        self.shot_vectors.refresh()
