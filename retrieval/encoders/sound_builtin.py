"""The `builtin` family of sound encoders: a small network over log-mel windows, by default shipped.

It knows sounds alone, no text. The folder is written by `sceneprint train sound`; what the network
sees (rate, frames, bands) travels with its weights.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adapters.log_mel import LogMel, mel_power, power_to_unit
from retrieval.encoders.base import SoundEncoder, unit_rows
from retrieval.encoders.builtin import ASSETS
from retrieval.encoders.runtime import RuntimeOptions, check_runtime, load_session
from retrieval.encoders.towers import Once
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from retrieval.types import FloatArray

__all__ = ["BuiltinSoundEncoder", "SoundManifest", "load", "read_sound_manifest"]

MANIFEST = "sound.json"
_FORMAT, _VERSION = "sceneprint-sound-encoder", 1
_SILENCE = 1e-3
_AGAIN = "install sceneprint again, or train it again: sceneprint train sound --data DIR"


@dataclass(frozen=True)
class SoundManifest:
    """All of `sound.json` that is needed to encode."""

    folder: Path
    name: str
    dim: int
    window_seconds: float
    log_mel: LogMel
    file: str
    sha256: str

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file:
            raise ValueError(f"got file {self.file!r}, expected a plain file name")
        if self.dim < 1 or self.window_samples < self.log_mel.frame_samples:
            raise ValueError(f"got {self.dim = } and {self.window_seconds = }, which are too small")

    @property
    def window_samples(self) -> int:
        """Length of a window."""
        return round(self.window_seconds * self.log_mel.sample_rate_hz)

    def checked_path(self) -> Path:
        """Path of the network, after its bytes were compared with their hash.

        Raises:
            MissingDependencyError: the file is not there, or its hash is another one.
        """
        path = self.folder / self.file
        if not path.is_file():
            raise MissingDependencyError(f"sound encoder file {path} is not there; {_AGAIN}")
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.sha256:
            raise MissingDependencyError(
                f"sound encoder file {path} is damaged or replaced: its SHA-256 is {found[:12]}…, "
                f"the manifest says {self.sha256[:12]}…; {_AGAIN}"
            )
        return path

    def hash(self) -> str:
        """SHA-256 over what decides the embeddings: weights and what the network sees."""
        parts = [self.sha256, self.dim, self.window_seconds, sorted(asdict(self.log_mel).items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class BuiltinSoundEncoder(SoundEncoder):
    """A folder that `sceneprint train sound` wrote; the network is loaded on first use.

    Args:
        manifest: what the folder says of itself.
        runtime: what runs the ONNX file.
        options: device and threads.
    """

    def __init__(
        self,
        manifest: SoundManifest,
        *,
        runtime: str = "auto",
        options: RuntimeOptions | None = None,
    ) -> None:
        runtime = check_runtime(runtime)
        self.name, self.hash, self.dim = manifest.name, manifest.hash(), manifest.dim
        self.sample_rate_hz = manifest.log_mel.sample_rate_hz
        self.window_seconds = manifest.window_seconds
        self._manifest = manifest
        # One thread: the network is small, and at ingest the pictures need the others.
        options = options or RuntimeOptions()
        options = replace(options, threads=options.threads or 1)
        self._session = Once(
            lambda: load_session(manifest.checked_path(), runtime=runtime, options=options)
        )

    def _encode_sound_batch(self, sounds: Sequence[FloatArray]) -> FloatArray:
        """The mean over each sound's windows; silent ones count only where all are silent."""
        cut = [_windows(sound, self._manifest.window_samples) for sound in sounds]
        rows = self._run(np.concatenate(cut))
        ends = np.cumsum([len(windows) for windows in cut])[:-1]
        return np.stack([part.mean(axis=0) for part in np.split(rows, ends)])

    def _run(self, windows: FloatArray) -> FloatArray:
        """Embed windows (W, T): (W, D) unit norm."""
        parts = []
        for start in range(0, len(windows), self.batch_size):
            part = windows[start : start + self.batch_size]
            seen = power_to_unit(mel_power(part, self._manifest.log_mel))
            parts.append(unit_rows(self._session.get()({"log_mel": seen})[0]))
        return np.concatenate(parts)


def load(rest: str, *, runtime: str, options: RuntimeOptions) -> BuiltinSoundEncoder:
    """Load `builtin`, `builtin:TAG` (the shipped one) or `builtin:FOLDER`.

    Raises:
        NotFoundError: neither the shipped encoder nor a folder with a manifest.
        InvalidInputError: the manifest cannot be used.
    """
    folder = Path(rest) if rest and (Path(rest) / MANIFEST).is_file() else ASSETS
    manifest = read_sound_manifest(folder)
    if rest and folder == ASSETS and manifest.name != f"builtin:{rest}":
        raise NotFoundError(
            f"got sound encoder 'builtin:{rest}', expected the shipped {manifest.name!r} or "
            "'builtin:FOLDER' with a folder written by: sceneprint train sound --out FOLDER"
        )
    return BuiltinSoundEncoder(manifest, runtime=runtime, options=options)


def read_sound_manifest(folder: Path) -> SoundManifest:
    """Read `sound.json`.

    Raises:
        NotFoundError: there is none.
        InvalidInputError: it is not ours, of a version that is not known, or incomplete.
    """
    path = folder / MANIFEST
    try:
        return _parse(folder, json.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise NotFoundError(f"no sound encoder in {folder}: there is no {MANIFEST}") from exc
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise InvalidInputError(f"{path} is not a usable sound manifest: {exc!r}") from exc


def _parse(folder: Path, raw: Mapping[str, Any]) -> SoundManifest:
    if raw.get("format") != _FORMAT or raw.get("version") != _VERSION:
        raise ValueError(
            f"got format {raw.get('format')!r} version {raw.get('version')!r}, "
            f"expected {_FORMAT!r} version {_VERSION}"
        )
    return SoundManifest(
        folder=folder,
        name=str(raw["name"]),
        dim=int(raw["dim"]),
        window_seconds=float(raw["window_seconds"]),
        log_mel=LogMel(**raw["log_mel"]),
        file=str(raw["file"]),
        sha256=str(raw["sha256"]),
    )


def _windows(sound: FloatArray, size: int) -> FloatArray:
    """Windows (W, size) half a window apart, the last at the end; a short sound is repeated.

    Silent ones are left out, unless all are.
    """
    if len(sound) <= size:
        return np.resize(sound, (1, size))
    starts = [*range(0, len(sound) - size, size // 2), len(sound) - size]
    windows = np.stack([sound[start : start + size] for start in starts])
    is_heard = np.sqrt(np.mean(windows**2, axis=1)) >= _SILENCE
    return windows[is_heard] if is_heard.any() else windows
