"""The training of the sound encoder, at the size of a toy."""

import json
from pathlib import Path

import numpy as np
import pytest

from eval.sound_classes import class_accuracy
from retrieval.types import FloatArray

pytest.importorskip("torch")

from adapters.training.sound import SoundConfig, train_sound
from adapters.training.sound_data import made_sounds, read_clips
from adapters.training.sound_fit import SoundFitConfig, windows_of

CONFIG = SoundConfig(
    dim=16,
    width=4,
    window_seconds=0.5,
    num_made=6,
    num_threads=1,
    fit=SoundFitConfig(steps=12, batch=8, pitches=(1.0,)),
)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Four classes in two folds; the decoder below makes their sound up from the name."""
    for label in ("buzz", "hiss", "low", "beep"):
        for fold in (1, 2):
            for take in range(2):
                path = tmp_path / label / f"{fold}-{take}-A.ogg"
                path.parent.mkdir(exist_ok=True)
                path.touch()
    return tmp_path


def decode(path: Path) -> FloatArray:
    rng = np.random.default_rng(sum(path.name.encode()))
    times = np.arange(16_000) / 16_000 + rng.uniform(0, 1)
    noise = 0.1 * rng.standard_normal(16_000)
    waves = {"low": 150.0, "beep": 3_000.0, "buzz": 600.0}
    name = path.parent.name
    tone = np.sin(2 * np.pi * waves[name] * times) if name in waves else 3 * noise
    return (0.2 * tone + 0.1 * noise).astype(np.float32)


def test_trains_measures_and_writes(clips: Path, tmp_path: Path) -> None:
    told: list[str] = []
    figures = train_sound(
        clips,
        tmp_path / "out",
        decode=decode,
        accuracy=class_accuracy,
        config=CONFIG,
        progress=lambda stage, done, total, figures: told.append(stage),
    )
    assert {"fold encoder knn", "fold mfcc probe", "unseen logmel knn"} <= set(figures)
    assert all(0.0 <= value <= 100.0 for value in figures.values())
    assert figures["fold logmel knn"] == 100.0  # such classes are told apart by their bands alone
    # The fold that the recipe was chosen on is never reported: one fold, two halves, all.
    fits = list(dict.fromkeys(stage for stage in told if stage.startswith("fit")))
    assert fits == [
        "fit all",
        "fit without fold 2",
        "fit half 1 of the classes",
        "fit half 2 of the classes",
    ]
    manifest = json.loads((tmp_path / "out" / "sound.json").read_text())
    assert manifest["dim"] == 16
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "sound.json",
        "sound.onnx",
    ]


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1-1-A.ogg").touch()
    with pytest.raises(ValueError, match="CLASS/FOLD-SOURCE-TAKE"):
        read_clips(tmp_path, decode)
    with pytest.raises(NotADirectoryError):
        read_clips(tmp_path / "nowhere", decode)


def test_made_sounds_are_loud_finite_and_unlike() -> None:
    made = made_sounds(12, seconds=1.0, sample_rate_hz=16_000, rng=np.random.default_rng(0))
    for sound in made:
        assert sound.shape == (16_000,)
        assert np.abs(sound).max() == pytest.approx(0.5)
    cosines = np.asarray(np.corrcoef(np.stack(made)))
    assert np.abs(cosines[np.triu_indices(12, 1)]).max() < 0.9


def test_windows_cover_a_sound_to_its_end() -> None:
    sound = np.arange(11, dtype=np.float32)
    assert windows_of(sound, 4)[:, 0].tolist() == [0, 2, 4, 6, 7]
    assert windows_of(sound[:3], 4).tolist() == [[0, 1, 2, 0]]
