"""Reading a film that is not in the library for a taught adapter: what it knows how to use.

Pictures are decoded as `classify` decodes them, subtitles are read beside and inside the file, and
the sound of each shot is heard by the encoder that the adapter learned with.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.fusion import ModalityRows
from retrieval.catalog import Catalog
from retrieval.errors import EncoderMismatchError, NotFoundError, NotMediaError
from retrieval.lesson_rows import Senses, shot_texts, text_rows
from retrieval.types import ProgressCallback, Shot, Video

if TYPE_CHECKING:
    from retrieval.encoders.base import SoundEncoder
    from retrieval.media.limits import MediaLimits

__all__ = ["FilmReader", "stored_video"]


def stored_video(film: Path | str, catalog: Catalog) -> Video | None:
    """The library's video that is meant; None for a file that it does not know as it is now.

    Raises:
        NotFoundError: it is neither a file nor a video of the library.
    """
    file = Path(film)
    try:
        stat = file.stat()
    except (OSError, ValueError):
        try:
            return catalog.resolve_video(str(film))
        except NotFoundError as exc:
            raise NotFoundError(
                f"got {str(film)!r}, which is neither a file nor a video of {catalog.library}"
            ) from exc
    return catalog.find_by_stat(file, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True)
class FilmReader:
    """Reads films outside of a library; the attributes are arguments of `apply_adapter`."""

    senses: Senses
    load_sound_encoder: "Callable[[], SoundEncoder] | None" = None
    limits: "MediaLimits | None" = None
    progress: ProgressCallback | None = None
    should_stop: Callable[[], bool] | None = None

    def read(
        self, path: Path, modalities: Sequence[str], sound_hash: str | None
    ) -> tuple[list[Shot], dict[str, ModalityRows]]:
        """Find the shots of a film and what an adapter needs of them.

        Args:
            path: the film.
            modalities: what the adapter learned from.
            sound_hash: of the encoder that it learned sounds from; None for none.

        Raises:
            MediaError: the file cannot be read, or has no picture.
            EncoderMismatchError: the sound encoder at hand is another one.
            OperationCancelled: `should_stop` said so.
        """
        from retrieval.listening import HeardSound, listening
        from retrieval.media.limits import MediaLimits
        from retrieval.media.probe import probe
        from retrieval.media.subtitles import find_subtitles
        from retrieval.reading import read_film

        limits = self.limits or MediaLimits()
        info = probe(path, limits=limits)
        ears = self._ears(sound_hash) if info.audio_codec is not None else None
        beside: AbstractContextManager[Callable[[], HeardSound]] = (
            nullcontext(HeardSound)
            if ears is None
            else listening(path, info, encoder=ears, limits=limits, should_stop=self.should_stop)
        )
        with beside as heard:
            film = read_film(
                path,
                encoder=self.senses.picture,
                limits=limits,
                info=info,
                progress=self.progress,
                should_stop=self.should_stop,
            )
            windows = heard().windows
        if not film.shots:
            raise NotMediaError(f"{path.name} has no picture to classify")
        rows, shots = {}, list(film.shots)
        if "picture" in modalities:
            rows["picture"] = ModalityRows.of(film.shot_vectors)
        if windows is not None:
            rows["sound"] = ModalityRows.of(windows.by_segment([one.segment for one in shots]))
        if "text" in modalities:
            lines, _ = find_subtitles(path, info, limits=limits)
            rows["text"] = text_rows(shot_texts(shots, lines), self.senses.text)
        return shots, rows

    def _ears(self, sound_hash: str | None) -> "SoundEncoder | None":
        if sound_hash is None or self.load_sound_encoder is None:
            return None
        ears = self.load_sound_encoder()
        if ears.hash != sound_hash:
            raise EncoderMismatchError(
                f"the adapter learned sounds from another encoder than {ears.name} "
                f"({ears.hash[:12]}, expected {sound_hash[:12]}); name it with --sound-encoder, "
                "or teach again"
            )
        return ears
