"""The sound side of a search: an example sound, and words where the sound encoder reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.catalog import Catalog
from retrieval.errors import NotFoundError
from retrieval.types import FloatArray

if TYPE_CHECKING:
    from retrieval.encoders.base import SoundEncoder
    from retrieval.media.limits import MediaLimits
    from retrieval.vectors import SoundVectors

__all__ = ["SoundSearch"]


@dataclass(frozen=True)
class SoundSearch:
    """A library's sound encoder and vectors, loaded when a query asks for them.

    Attributes:
        catalog: The library.
        named: The sound encoder, or its name.
        load_encoder: Gives it.
        load_vectors: Gives the embeddings of the shots' sound.
        limits: Bounds on an example sound; None for the defaults.
    """

    catalog: Catalog
    named: "SoundEncoder | str"
    load_encoder: "Callable[[], SoundEncoder]"
    load_vectors: "Callable[[], SoundVectors]"
    limits: "MediaLimits | None" = None

    def embedded(self, text: str | None, sound: Path | None) -> dict[str, FloatArray]:
        """The embeddings (1, D) of the query parts that are looked for among sounds.

        Raises:
            NotFoundError: `sound` does not exist, or no film here was heard by an encoder.
            MediaError: `sound` cannot be read, or is silent.
        """
        is_heard = self.catalog.encoder("sound") is not None
        parts = {}
        if text is not None and is_heard and self._reads_text():
            parts["text"] = self._text_row(text)
        if sound is not None:
            self._refuse_unheard(is_heard)
            from retrieval.sound_windows import embed_file

            parts["sound"] = embed_file(sound, self.load_encoder(), limits=self.limits)
        return parts

    def _reads_text(self) -> bool:
        """Whether the encoder reads words; a name alone tells, so nothing is loaded for nothing."""
        if isinstance(self.named, str):
            from retrieval.encoders.registry import SOUND_FAMILIES

            family = SOUND_FAMILIES.get(self.named.partition(":")[0])
            return family is not None and family.reads_text
        from retrieval.encoders.base import SoundTextEncoder

        return isinstance(self.named, SoundTextEncoder)

    def _text_row(self, text: str) -> FloatArray:
        from retrieval.encoders.base import SoundTextEncoder

        encoder = self.load_encoder()
        assert isinstance(encoder, SoundTextEncoder)
        return encoder.encode_texts([text.strip()])

    def _refuse_unheard(self, is_heard: bool) -> None:
        unheard = len(self.catalog.videos_without_sounds())
        if not is_heard and unheard:
            raise NotFoundError(
                f"the sound of the {unheard} films here was not embedded: an earlier version "
                "ingested them; run `sceneprint ingest` on their files once more"
            )
