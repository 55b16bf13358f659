"""Listening to one film: print and embeddings of its sound, made while its pictures are read.

`ingest` keeps the print for copy matching and the embeddings for search. The sound is decoded once
for both. Decoding and the arithmetic release Python's lock, so they run while the pictures are
decoded and encoded.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.errors import MediaError
from retrieval.media.audio import decode_mono
from retrieval.media.info import MediaInfo
from retrieval.media.limits import MediaLimits
from retrieval.sound_print import SoundPrinter
from retrieval.sound_windows import SoundWindows, WindowEmbedder

if TYPE_CHECKING:
    from retrieval.encoders.base import SoundEncoder

__all__ = ["HeardSound", "listening"]

SAMPLE_RATE_HZ = 16_000
"""Twice what the highest peaks of a print need."""


@dataclass(frozen=True)
class HeardSound:
    """What listening gave.

    Attributes:
        sound_print: As `SoundPrint.to_bytes` writes it; None without sound, for silence, and
            where the sound cannot be decoded.
        windows: Its embeddings; None without sound, and where no encoder was given.
        warnings: What was left out.
    """

    sound_print: bytes | None = None
    windows: SoundWindows | None = None
    warnings: tuple[str, ...] = ()


@contextmanager
def listening(
    path: Path,
    info: MediaInfo,
    *,
    encoder: "SoundEncoder | None" = None,
    limits: MediaLimits | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Callable[[], HeardSound]]:
    """Make the print, and with an encoder the embeddings, of a file's sound on a thread of its own.

    Leaving the block ends the work, done or not.

    Args:
        path: A media file.
        info: What `probe` said of it.
        encoder: Makes the embeddings; None for none. The sound is decoded at its rate.
        limits: Bounds on the file.
        should_stop: Asked often, on that thread.

    Yields:
        A function that waits for the result. It raises OperationCancelled where `should_stop`
        said so; sound that cannot be read is a warning in the result.
    """
    is_over = threading.Event()

    def is_to_end() -> bool:
        return is_over.is_set() or (should_stop is not None and should_stop())

    if info.audio_codec is None:
        yield HeardSound
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sceneprint-listen") as executor:
        try:
            yield executor.submit(_listen, path, encoder, limits, is_to_end).result
        finally:
            is_over.set()


def _listen(
    path: Path,
    encoder: "SoundEncoder | None",
    limits: MediaLimits | None,
    should_stop: Callable[[], bool],
) -> HeardSound:
    rate = SAMPLE_RATE_HZ if encoder is None else encoder.sample_rate_hz
    printer = SoundPrinter(rate)
    embedder = None if encoder is None else WindowEmbedder(encoder)
    warnings: tuple[str, ...] = ()
    try:
        for chunk in decode_mono(path, sample_rate_hz=rate, limits=limits, should_stop=should_stop):
            printer.add(chunk)
            if embedder is not None:
                embedder.add(chunk)
    except MediaError as exc:  # what came before it counts
        warnings = (f"its sound can be compared only in part or not at all: {exc}",)
    made = printer.finish()
    windows = None if embedder is None else embedder.finish()
    return HeardSound(made.to_bytes() if len(made) else None, windows, warnings)
