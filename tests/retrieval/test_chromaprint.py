import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from eval.made_sound import RATE_HZ, music
from retrieval.chromaprint import ITEM_SECONDS, chromaprint, compare_chromaprints

needs_fpcalc = pytest.mark.skipif(shutil.which("fpcalc") is None, reason="fpcalc not installed")


def write_wave(path: Path, samples: np.ndarray) -> Path:
    with wave.open(os.fspath(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((samples * 32_000).astype("<i2").tobytes())
    return path


def fake_fpcalc(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "fpcalc"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_an_excerpt_is_lined_up() -> None:
    rng = np.random.default_rng(0)
    ref = rng.integers(0, 2**32, 400, dtype=np.uint32)
    query = np.concatenate([rng.integers(0, 2**32, 50, dtype=np.uint32), ref[100:180]])
    match = compare_chromaprints(query, ref)
    assert match is not None
    assert match.similarity == 1.0
    assert match.query_seconds == pytest.approx(50 * ITEM_SECONDS, abs=1)
    assert match.ref_seconds == pytest.approx(100 * ITEM_SECONDS, abs=1)
    assert match.duration_seconds == pytest.approx(80 * ITEM_SECONDS, abs=1)


def test_unrelated_and_short_fingerprints() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 2**32, (2, 200), dtype=np.uint32)
    match = compare_chromaprints(one, other)
    assert match is not None
    assert match.similarity < 0.65
    assert compare_chromaprints(one[:5], other) is None
    assert compare_chromaprints(one[:0], other) is None


@needs_fpcalc
def test_real_fingerprints_of_an_excerpt(tmp_path: Path) -> None:
    samples = music(30, 3)
    ref = chromaprint(write_wave(tmp_path / "ref.wav", samples))
    query = chromaprint(write_wave(tmp_path / "-query.wav", samples[10 * RATE_HZ :]))
    assert ref is not None
    assert query is not None
    match = compare_chromaprints(query, ref)
    assert match is not None
    assert match.similarity > 0.8
    assert match.ref_seconds - match.query_seconds == pytest.approx(10, abs=0.3)


def test_no_opinion_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_wave(tmp_path / "a.wav", music(1, 1))
    assert chromaprint(tmp_path / "missing.wav") is None
    for script in ("exit 3", "echo nonsense", "yes 1234567890,", "sleep 30", "exit 0"):
        fake_fpcalc(tmp_path, monkeypatch, f"exec {script}" if " " in script else script)
        assert chromaprint(path, timeout_seconds=0.5) is None, script
    monkeypatch.setenv("PATH", "")
    assert chromaprint(path) is None


def test_the_program_gets_one_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wave(tmp_path / "-raw; touch x.wav", music(1, 1))
    fake_fpcalc(tmp_path, monkeypatch, f'echo "$#:$5" > {tmp_path}/args; echo 1,2,4294967295')
    made = chromaprint(path)
    assert made is not None
    assert made.tolist() == [1, 2, 2**32 - 1]
    assert (tmp_path / "args").read_text().strip() == f"5:{path}"
