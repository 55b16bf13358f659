import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoders import load_sound_encoder
from retrieval.encoders.builtin import ASSETS
from retrieval.encoders.sound_builtin import MANIFEST, read_sound_manifest
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from retrieval.types import FloatArray
from tests.retrieval.encoders.conformance import SoundConformance

RATE = 16_000


class TestBuiltinSound(SoundConformance):
    @classmethod
    def make_encoder(cls) -> Any:
        return load_sound_encoder("builtin")


def hum(hertz: float, seconds: float, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE + rng.uniform(0, 1)
    waves = sum(np.sin(2 * np.pi * hertz * part * times) / part for part in range(1, 8))
    return (0.2 * waves + 0.02 * rng.standard_normal(len(times))).astype(np.float32)


def hiss(seconds: float, seed: int) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (0.1 * noise).astype(np.float32)


def test_sounds_of_a_kind_are_alike_whatever_their_loudness() -> None:
    encoder = load_sound_encoder()
    sounds = [hum(120, 3.0, 0), 0.1 * hum(125, 4.0, 1), hiss(3.0, 2), 0.3 * hiss(2.5, 3)]
    rows = encoder.encode_sounds([sound.astype(np.float32) for sound in sounds], RATE)
    cosines = rows @ rows.T
    assert min(cosines[0, 1], cosines[2, 3]) > cosines[:2, 2:].max() + 0.2


def test_silence_between_changes_nothing() -> None:
    encoder = load_sound_encoder()
    sound = hum(200, 2.0, 0)
    gap = np.zeros(4 * RATE, np.float32)
    rows = encoder.encode_sounds([sound, np.concatenate([gap, sound])], RATE)
    assert rows[0] @ rows[1] > 0.9


def test_it_is_small_and_says_what_it_is() -> None:
    manifest = read_sound_manifest(ASSETS)
    assert manifest.checked_path().stat().st_size < 3_000_000
    assert load_sound_encoder(manifest.name).id == load_sound_encoder("builtin").id


def test_a_trained_folder_is_loaded_by_its_path(tmp_path: Path) -> None:
    for name in ("sound.onnx", MANIFEST):
        shutil.copy(ASSETS / name, tmp_path / name)
    assert load_sound_encoder(f"builtin:{tmp_path}").id == load_sound_encoder().id
    (tmp_path / "sound.onnx").write_bytes(b"another")
    with pytest.raises(MissingDependencyError, match="damaged or replaced"):
        load_sound_encoder(f"builtin:{tmp_path}").warm_up()
    (tmp_path / "sound.onnx").unlink()
    with pytest.raises(MissingDependencyError, match="is not there"):
        load_sound_encoder(f"builtin:{tmp_path}").warm_up()


def test_what_the_network_sees_is_part_of_the_hash(tmp_path: Path) -> None:
    raw = json.loads((ASSETS / MANIFEST).read_text())
    raw["log_mel"]["low_hz"] = 60.0
    (tmp_path / MANIFEST).write_text(json.dumps(raw))
    assert load_sound_encoder(f"builtin:{tmp_path}").hash != load_sound_encoder().hash


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(NotFoundError, match="train sound --out FOLDER"):
        load_sound_encoder("builtin:nothing")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"format": "other"},
        {"file": "../sound.onnx"},
        {"dim": 0},
        {"window_seconds": 0.01},
        {"log_mel": {"hop_samples": -1}},
        {"log_mel": {"unknown": 1}},
        {"sha256": None, "name": None, "log_mel": None},
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, changes: dict[str, Any]) -> None:
    raw = {**json.loads((ASSETS / MANIFEST).read_text()), **changes}
    (tmp_path / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(InvalidInputError, match="not a usable sound manifest"):
        load_sound_encoder(f"builtin:{tmp_path}")
