"""What a classifier learns from, shot by shot: picture, sound and words of a film, side by side.

Pictures and sounds are in the catalog. The words of a shot are the subtitle lines that lie in it,
embedded by a text tower when they are first asked for and kept in the library's cache. A shot
without sound or words is masked, not filled in.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.fusion import ModalityRows
from retrieval.catalog import Catalog
from retrieval.types import EncoderId, FloatArray, Segment, Shot, Subtitle

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder, TextEncoder

__all__ = [
    "MIN_OVERLAP",
    "MODALITIES",
    "Senses",
    "film_rows",
    "joined_rows",
    "overlaps",
    "shot_texts",
    "text_rows",
]

MODALITIES = ("picture", "sound", "text")
MIN_OVERLAP = 0.5
"""Of the shorter of two segments: a label of a moment names its shot, one of an act many."""
MAX_TEXT_CHARS = 2_000
TEXT_CACHE = Path("cache") / "shot-texts"


@dataclass(frozen=True)
class Senses:
    """What a library perceives films with.

    Attributes:
        picture: its encoder; also makes the words of the classes.
        text: what embeds subtitles.
        sound: id of what its shots' sounds were heard by; None where none were.
    """

    picture: "PictureTextEncoder"
    text: "TextEncoder"
    sound: EncoderId | None

    @classmethod
    def of(
        cls, catalog: Catalog, encoder: "PictureTextEncoder", text: "TextEncoder | None" = None
    ) -> "Senses":
        """Those of a library; its encoder reads the subtitles too unless another is given."""
        return cls(encoder, encoder if text is None else text, catalog.encoder("sound"))

    def encoders(self, modalities: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Name and hash of the encoder of each modality that can be had."""
        ids = {"picture": self.picture.id, "sound": self.sound, "text": self.text.id}
        return {name: (one.name, one.hash) for name in modalities if (one := ids[name]) is not None}


def film_rows(
    catalog: Catalog, senses: Senses, video_id: str, modalities: Sequence[str]
) -> dict[str, ModalityRows]:
    """The modalities of all shots of a film of the library, in the order of the shots.

    A modality that the library knows nothing of is left out.

    Raises:
        EncoderMismatchError: the library's vectors are of other encoders.
    """
    shots, rows = catalog.shots(video_id), {}
    if "picture" in modalities:
        _, vectors = catalog.shot_vectors(senses.picture.id, video_id)
        if not len(vectors):  # a film that was missing when the encoder was changed
            vectors = np.zeros((len(shots), senses.picture.dim), np.float32)
        rows["picture"] = ModalityRows.of(vectors.reshape(len(shots), senses.picture.dim))
    if "sound" in modalities and senses.sound is not None:
        heard = catalog.shot_sounds(senses.sound, video_id)
        rows["sound"] = ModalityRows.of(heard.vectors, heard.has_sound)
    if "text" in modalities:
        texts = shot_texts(shots, catalog.subtitles(video_id))
        cache = catalog.library / TEXT_CACHE / senses.text.hash[:16] / f"{video_id}.safetensors"
        rows["text"] = text_rows(texts, senses.text, cache=cache)
    return rows


def joined_rows(films: Sequence[dict[str, ModalityRows]]) -> dict[str, ModalityRows]:
    """Rows of several films, one after the other; all films have the same modalities."""
    return {
        name: ModalityRows(
            np.concatenate([film[name].embeddings for film in films]),
            np.concatenate([film[name].is_present for film in films]),
        )
        for name in (films[0] if films else ())
    }


def shot_texts(shots: Sequence[Shot], subtitles: Sequence[Subtitle]) -> list[str | None]:
    """What is said in each shot: lines that lie half in it, or fill half of it; None for nothing.

    A line that is there twice, as in two subtitle files of one language, counts once.
    """
    texts: list[str | None] = []
    for shot in shots:
        said = [one.text.strip() for one in subtitles if overlaps(shot.segment, one.segment)]
        text = " ".join(dict.fromkeys(one for one in said if one))[:MAX_TEXT_CHARS].strip()
        texts.append(text or None)
    return texts


def overlaps(first: Segment, second: Segment) -> bool:
    """Whether two segments share at least half of the shorter one."""
    shorter = min(first.duration_seconds, second.duration_seconds)
    shared = shared_seconds(first, second)
    return shared > 0 and shared >= MIN_OVERLAP * shorter


def shared_seconds(first: Segment, second: Segment) -> float:
    """How long two segments go together."""
    start = max(first.start_seconds, second.start_seconds)
    return max(0.0, min(first.end_seconds, second.end_seconds) - start)


def text_rows(
    texts: Sequence[str | None], encoder: "TextEncoder", *, cache: Path | None = None
) -> ModalityRows:
    """Embed the words of shots, (N,) texts or None; from the cache where these were embedded."""
    has_text = np.array([text is not None for text in texts], bool)
    rows = np.zeros((len(texts), encoder.dim), np.float32)
    said = [text for text in texts if text is not None]
    if not said:
        return ModalityRows.of(rows, has_text)
    digest = hashlib.sha256("\0".join(said).encode()).hexdigest()
    found = _cached(cache, digest, (len(said), encoder.dim)) if cache is not None else None
    if found is None:
        found = encoder.encode_texts(said)
        if cache is not None:
            _keep(cache, digest, found)
    rows[has_text] = found
    return ModalityRows.of(rows, has_text)


def _cached(path: Path, digest: str, shape: tuple[int, int]) -> FloatArray | None:
    """The rows that were kept of just these texts; None where there are none, or damaged ones."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        rows: FloatArray | None = load_file(path).get(digest)
    except (OSError, SafetensorError):
        return None
    is_ours = rows is not None and rows.shape == shape and rows.dtype == np.float32
    return rows if is_ours and rows is not None and np.isfinite(rows).all() else None


def _keep(path: Path, digest: str, rows: FloatArray) -> None:
    """Write rows to the cache; a cache that cannot be written costs time and nothing else."""
    from safetensors.numpy import save

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(save({digest: np.ascontiguousarray(rows)}))
        part.replace(path)
    except OSError:
        return
