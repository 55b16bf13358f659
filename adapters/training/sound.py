"""Trains the built-in sound encoder and measures it on sounds that it was not trained on.

    clips in folders ──► log-mel windows, altered ──► small network ──► unit norm
    made sounds      ──►

What is reported comes from networks of their own: one for each held-out fold, and one for each half
of the classes, which is then asked about the other half. What is written was trained on everything.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from adapters.log_mel import LogMel, mel_power, mfcc, power_to_unit
from adapters.precision.stored import store_in_half
from adapters.training.config import Progress
from adapters.training.sound_data import Clips, Decode, made_sounds, read_clips
from adapters.training.sound_fit import SoundFitConfig, embed_sound, fit_sound, make_bank
from adapters.training.sound_network import SoundNetwork

__all__ = ["SOUND_FORMAT", "SOUND_VERSION", "Accuracy", "SoundConfig", "train_sound"]

SOUND_FORMAT, SOUND_VERSION = "sceneprint-sound-encoder", 1
FILE, MANIFEST = "sound.onnx", "sound.json"
FloatArray = NDArray[np.float32]
Rows = NDArray[np.int64]
Accuracy = Callable[[FloatArray, Rows, FloatArray, Rows], Mapping[str, float]]
"""Known rows (N, D) and labels (N,), asked rows (M, D) and labels (M,) -> shares in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class SoundConfig:
    """Sizes and splits; the defaults made the shipped weights.

    Attributes:
        dim: of the embeddings.
        width: of the network's first convolution.
        window_seconds: what the network hears at once.
        num_made: made sounds beside the clips.
        dev_folds: folds that the recipe was chosen on; trained on, never reported.
        fit: schedule and alterations.
        log_mel: what the network sees.
        num_threads: of torch.
        seed: of everything.
    """

    dim: int = 128
    width: int = 24
    window_seconds: float = 2.0
    num_made: int = 300
    dev_folds: tuple[str, ...] = ("1",)
    fit: SoundFitConfig = field(default_factory=SoundFitConfig)
    log_mel: LogMel = field(default_factory=LogMel)
    num_threads: int = 2
    seed: int = 0

    @property
    def window_samples(self) -> int:
        """T of a window."""
        return round(self.window_seconds * self.log_mel.sample_rate_hz)

    @property
    def window_frames(self) -> int:
        """F of a window."""
        return 1 + (self.window_samples - self.log_mel.frame_samples) // self.log_mel.hop_samples


def train_sound(
    data_dir: Path,
    out_dir: Path,
    *,
    decode: Decode,
    accuracy: Accuracy,
    config: SoundConfig,
    progress: Progress,
    name: str = "builtin:sound/esc10",
) -> dict[str, float]:
    """Train, measure and write `sound.onnx` with `sound.json`.

    Args:
        data_dir: Clips, see `read_clips`.
        out_dir: Where the two files go; other files there are left alone.
        decode: Reads a clip at `config.log_mel.sample_rate_hz`.
        accuracy: The measure, see `Accuracy`.
        config: Sizes and schedule.
        progress: Told now and then.
        name: Of the encoder.

    Returns:
        Figures by name, in per cent: `fold …` on clips of folds that were not trained on, mean
        over the folds; `unseen …` on classes that were not trained on.

    Raises:
        OSError: The data cannot be read or the output not written.
        ValueError: There are too few clips, classes or folds.
    """
    torch.set_num_threads(config.num_threads)
    run = _Run(read_clips(data_dir, decode), config, accuracy, progress)
    network = run.fit("all", np.arange(len(run.clips.sounds)))
    _write(out_dir, network, config, name=name, clips=run.clips, figures={})
    figures = {**run.on_held_out_folds(), **run.on_unseen_classes()}
    _write(out_dir, network, config, name=name, clips=run.clips, figures=figures)
    return figures


class _Run:
    """One training with its measurements."""

    def __init__(
        self, clips: Clips, config: SoundConfig, accuracy: Accuracy, progress: Progress
    ) -> None:
        self.clips = clips
        self._config, self._accuracy, self._progress = config, accuracy, progress
        self._made = made_sounds(
            config.num_made,
            seconds=2.5 * config.window_seconds,
            sample_rate_hz=config.log_mel.sample_rate_hz,
            rng=np.random.default_rng(config.seed),
        )
        powers = [mel_power(_at_least(sound, config), config.log_mel) for sound in clips.sounds]
        self._peers = {
            "mfcc": np.concatenate([_moments(mfcc(power)) for power in powers]),
            "logmel": np.concatenate([_moments(power_to_unit(power)) for power in powers]),
        }
        self._folds = sorted(set(clips.folds) - set(config.dev_folds))

    def fit(self, what: str, rows: Rows) -> SoundNetwork:
        """Train a network on these clips and the made sounds."""
        config = self._config
        bank = make_bank(
            [self.clips.sounds[row] for row in rows],
            self.clips.labels[rows],
            self._made,
            settings=config.log_mel,
            window=config.window_samples,
            pitches=config.fit.pitches,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = SoundNetwork(config.log_mel.num_bands, config.dim, config.width)
            fit_sound(
                network,
                bank,
                config.fit,
                window_frames=config.window_frames,
                seed=config.seed,
                report=lambda step, loss: self._progress(
                    f"fit {what}", step, config.fit.steps, {"loss": loss}
                ),
            )
        return network

    def on_held_out_folds(self) -> dict[str, float]:
        """Accuracy on each fold of a network that was trained on the others, as a mean."""
        found = []
        for fold in self._folds:
            known, asked = (
                self.clips.rows(fold=fold, is_in=False),
                self.clips.rows(fold=fold, is_in=True),
            )
            network = self.fit(f"without fold {fold}", known)
            found.append(self._compare(self._embedded(network), known, asked))
        return {f"fold {name}": value for name, value in _means(found).items()}

    def on_unseen_classes(self) -> dict[str, float]:
        """Accuracy among classes of which the network was shown none, as a mean of two halves."""
        found = []
        folds = np.array(self.clips.folds)
        for half in (0, 1):
            is_seen = self.clips.labels % 2 == half
            if len(np.unique(self.clips.labels[~is_seen])) < 2:
                return {}
            network = self.fit(f"half {half + 1} of the classes", np.flatnonzero(is_seen))
            embedded = self._embedded(network)
            for fold in self._folds:
                known = np.flatnonzero(~is_seen & (folds != fold))
                asked = np.flatnonzero(~is_seen & (folds == fold))
                found.append(self._compare(embedded, known, asked))
        return {f"unseen {name}": value for name, value in _means(found).items()}

    def _embedded(self, network: SoundNetwork) -> FloatArray:
        config = self._config
        return np.stack(
            [
                embed_sound(network, sound, config.log_mel, config.window_samples)
                for sound in self.clips.sounds
            ]
        )

    def _compare(self, embedded: FloatArray, known: Rows, asked: Rows) -> dict[str, float]:
        """All descriptors of the clips by the same measure."""
        figures: dict[str, float] = {}
        peers = {name: _whitened(rows, known) for name, rows in self._peers.items()}
        for name, rows in {"encoder": embedded, **peers}.items():
            shares = self._accuracy(
                rows[known], self.clips.labels[known], rows[asked], self.clips.labels[asked]
            )
            figures |= {f"{name} {measure}": 100 * share for measure, share in shares.items()}
        self._progress("measured", 1, 1, figures)
        return figures


def _means(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([item[name] for item in found])) for name in found[0]}


def _at_least(sound: FloatArray, config: SoundConfig) -> FloatArray:
    """(1, T) of one frame or more."""
    return np.resize(sound, (1, max(len(sound), config.log_mel.frame_samples)))


def _moments(features: FloatArray) -> FloatArray:
    """Means and deviations over time of (1, F, C): (1, 2C)."""
    return np.concatenate([features.mean(axis=1), features.std(axis=1)], axis=1)


def _whitened(rows: FloatArray, known: Rows) -> FloatArray:
    """Each column standardised by the known rows, then unit norm: what such features need."""
    scaled = (rows - rows[known].mean(axis=0)) / (rows[known].std(axis=0) + 1e-6)
    return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True), dtype=np.float32)


def _write(
    out_dir: Path,
    network: SoundNetwork,
    config: SoundConfig,
    *,
    name: str,
    clips: Clips,
    figures: Mapping[str, float],
) -> None:
    """Write both files; the manifest last, so that it never names what is not there."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".export-") as folder:
        path = Path(folder) / FILE
        _export(network, config, path)
        store_in_half(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest: dict[str, Any] = {
            "format": SOUND_FORMAT,
            "version": SOUND_VERSION,
            "name": name,
            "dim": config.dim,
            "window_seconds": config.window_seconds,
            "log_mel": asdict(config.log_mel),
            "file": FILE,
            "sha256": digest,
            "trained_on": f"{len(clips.sounds)} clips of {len(clips.classes)} classes and "
            f"{config.num_made} made sounds",
            "held_out": {key: round(value, 1) for key, value in figures.items()},
        }
        written = Path(folder) / MANIFEST
        written.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        path.replace(out_dir / FILE)
        written.replace(out_dir / MANIFEST)


def _export(network: SoundNetwork, config: SoundConfig, path: Path) -> None:
    options: dict[str, Any] = {"opset_version": 17, "dynamo": False}
    with warnings.catch_warnings():  # the traced exporter is all that such a network needs
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, config.window_frames, config.log_mel.num_bands),),
            str(path),
            input_names=["log_mel"],
            output_names=["embedding"],
            dynamic_axes={name: {0: "batch"} for name in ("log_mel", "embedding")},
            **options,
        )
