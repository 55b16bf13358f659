"""What an engine stands on: the catalog, opened at once, and what is heavy, on first use.

Apart from `engine`, which holds what can be done with it. Properties may be read from several
threads; each part is made once.
"""

import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from retrieval.catalog import Catalog
from retrieval.encoder_in_use import EncoderInUse, Sight

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
        encoder: "PictureTextEncoder | str | None" = None,
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
        self._in_use = EncoderInUse(
            self.catalog, given=encoder, load=self._load_encoder, backend=index
        )
        self._copy_encoder_spec = copy_encoder
        self._sound_encoder_spec = sound_encoder
        self._runtime = runtime
        self._device = device
        self._copy_encoder: CopyEncoder | None = None
        self._sound_encoder: SoundEncoder | None = None
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
        """The encoder of the library as it is now, loaded on first use and when it changed."""
        return self._in_use.current().encoder

    def sight(self) -> Sight:
        """Encoder and vectors for one search, without waiting for a change to be loaded.

        Raises:
            EncoderMismatchError: The encoder that was given is not that of the library.
        """
        return self._in_use.at_once()

    def _load_encoder(self, name: str) -> "PictureTextEncoder":
        from retrieval.encoders import load_encoder

        return load_encoder(name, runtime=self._runtime, device=self._device)

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
        known = self.catalog.encoder("copy")
        own = self.encoder.copy_encoder() if spec == "builtin" else None
        if own is not None and known in (None, own.id):
            return own
        if spec == "builtin" and known is not None and known.spec is not None:
            spec = known.spec  # the search encoder was changed, its copy output was not
        from retrieval.encoders.copy_registry import load_copy_encoder

        return load_copy_encoder(
            spec, runtime=self._runtime, device=self._device, shared=self.encoder
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
        """The shot embeddings of the library's encoder with their derived index."""
        return self._in_use.current().vectors

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
