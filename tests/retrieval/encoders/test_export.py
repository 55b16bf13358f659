"""An exported folder gives what its original gives, and needs no torch for it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.encoders import load_encoder
from retrieval.encoders.export import torch_networks, write_export
from retrieval.encoders.export_parts import TorchParts, parts_of
from retrieval.encoders.known import KnownEncoder
from retrieval.encoders.manifest import Execution
from retrieval.encoders.torchvision_cure import cure_torchvision
from retrieval.errors import InvalidInputError
from tests.fakes import FakeEncoder
from tests.retrieval.encoders import tiny_open_clip, tiny_transformers

pytest.importorskip("torch")
cure_torchvision()
pytest.importorskip("open_clip")
pytest.importorskip("transformers")

TEXTS = [
    *(
        "a red car",
        "Two DOGS run; isn't it nice?",
        "夜里下雨的街道，两辆自行车。",
        "...",
        "?!",
        "🚲🚲 👩‍👩‍👧",
    ),
    *(
        "It’s “quoted” & ﬁne &amp; <b>",
        "Ｆｕｌｌ　ｗｉｄｔｈ　１２",
        "tab\tand\r\nline  ",
        "a\x00b\x07c\ufeff",
    ),
    *(
        "a red car " * 200,
        "x" * 900,
        "e\u0301cole ΣΑΣ İstanbul ẞ",
        "snake_case-and/or",
        "العربية ไทย",
    ),
]


CHECKPOINTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "clip": ("open_clip:local-dir:", tiny_open_clip.save_clip),
    "custom": ("open_clip:local-dir:", tiny_open_clip.save_custom),
    "siglip": ("open_clip:local-dir:", tiny_open_clip.save_siglip),
    "transformers-clip": ("transformers:", tiny_transformers.save_clip),
    "transformers-siglip": ("transformers:", tiny_transformers.save_siglip),
}


def export(encoder: Any, folder: Path, *, batch: int | None = None) -> Path:
    parts, passing = parts_of(encoder), folder.with_name(f"{folder.name}-passing")
    assert isinstance(parts, TorchParts)
    passing.mkdir()
    folder.mkdir()
    quiet: Callable[..., None] = lambda *_: None  # noqa: E731
    networks = torch_networks(parts, passing, texts=TEXTS, batch=batch, report=quiet)
    execution = Execution(batch=batch)
    write_export(parts, networks, folder, execution, pictures=(), texts=(), report=quiet)
    return folder


@pytest.fixture(scope="module")
def frames(bikes: Path, carphone: Path) -> list[NDArray[np.uint8]]:
    """Real pictures of two shapes."""
    found: list[NDArray[np.uint8]] = []
    for film, count in ((bikes, 3), (carphone, 2)):
        with av.open(str(film)) as container:
            pictures = container.decode(video=0)
            images = [next(pictures).to_ndarray(format="rgb24") for _ in range(count)]
            found += [image.astype(np.uint8) for image in images]
    return found


@pytest.fixture(scope="module", params=CHECKPOINTS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Path]:
    """The original and the folder that it was exported to."""
    prefix, save = CHECKPOINTS[request.param]
    folder = tmp_path_factory.mktemp("export")
    original = load_encoder(f"{prefix}{save(folder / 'checkpoint')}")
    return original, export(original, folder / "exported")


def test_folder_gives_what_its_original_gives(
    pair: tuple[Any, Path], frames: list[NDArray[np.uint8]]
) -> None:
    original, folder = pair
    exported: Any = load_encoder(f"onnx:{folder}")
    assert (exported.dim, exported.temperature) == (original.dim, original.temperature)
    assert exported.name == f"{original.name}+onnxruntime-fp32"
    for ours, reference in (
        (exported.encode_images(frames), original.encode_images(frames)),
        (exported.encode_texts(TEXTS), original.encode_texts(TEXTS)),
    ):
        assert np.sum(ours * reference, axis=1).min() >= 0.999
        np.testing.assert_allclose(ours, reference, atol=2e-3)


def test_texts_are_fed_short_where_padding_is_not_read(
    pair: tuple[Any, Path], request: pytest.FixtureRequest
) -> None:
    tower = load_encoder(f"onnx:{pair[1]}").manifest.texts[0]  # type: ignore[attr-defined]
    assert tower.padding == ("full" if "siglip" in request.node.name else "batch")


@pytest.mark.parametrize("pair", ["clip"], indirect=True)
def test_needs_no_torch(pair: tuple[Any, Path]) -> None:
    original, folder = pair
    program = f"""
import sys
sys.modules.update(dict.fromkeys(("torch", "open_clip", "transformers", "onnx")))
import numpy as np
from retrieval.encoders import load_encoder
encoder = load_encoder("onnx:{folder}")
picture = np.arange(60 * 90 * 3, dtype=np.uint32).reshape(60, 90, 3).astype(np.uint8)
np.save(sys.argv[1], [encoder.encode_images([picture])[0], encoder.encode_texts(["a dog"])[0]])
"""
    out = folder.parent / "rows.npy"
    subprocess.run([sys.executable, "-c", program, str(out)], check=True, timeout=60)
    picture = np.arange(60 * 90 * 3, dtype=np.uint32).reshape(60, 90, 3).astype(np.uint8)
    expected = [original.encode_images([picture])[0], original.encode_texts(["a dog"])[0]]
    np.testing.assert_allclose(np.load(out, allow_pickle=False), expected, atol=2e-3)


def test_static_batch(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    original = load_encoder(f"transformers:{tiny_transformers.save_clip(tmp_path / 'checkpoint')}")
    exported = load_encoder(f"onnx:{export(original, tmp_path / 'exported', batch=4)}")
    assert exported.batch_size == 4
    rows = exported.encode_images(frames)
    np.testing.assert_allclose(rows, original.encode_images(frames), atol=1e-4)


def test_licence_of_a_well_known_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = load_encoder(f"transformers:{tiny_transformers.save_clip(tmp_path)}")
    assert parts_of(original).licence is None
    line = KnownEncoder(name=original.name, kind="picture-text", licence="MIT")
    monkeypatch.setattr("retrieval.encoders.export_parts.find_known", lambda name: line)
    assert parts_of(original).licence == "MIT"


def test_other_tokens_than_the_originals_are_refused(tmp_path: Path) -> None:
    folder = tiny_open_clip.save_siglip(tmp_path / "checkpoint")
    original: Any = load_encoder(f"open_clip:local-dir:{folder}")
    original._tokenizer.clean_fn = lambda text: text.replace("car", "bus")
    with pytest.raises(InvalidInputError, match=r"other tokens for 'a red car'"):
        export(original, tmp_path / "exported")


def test_families_that_cannot_be_exported(tiny_folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"was not written by.*compress int8"):
        parts_of(load_encoder(f"builtin:{tiny_folder}"))
    with pytest.raises(InvalidInputError, match=r"families builtin, onnx, open_clip"):
        parts_of(FakeEncoder())
