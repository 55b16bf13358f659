import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from retrieval.encoders import load_encoder
from retrieval.encoders.builtin import ASSETS, BuiltinEncoder
from retrieval.encoders.copy_builtin import BuiltinCopyEncoder
from retrieval.encoders.copy_registry import load_copy_encoder
from retrieval.encoders.manifest import read_manifest
from retrieval.encoders.preprocess import pictures_to_batch
from retrieval.encoders.runtime import load_session
from retrieval.errors import InvalidInputError, MissingDependencyError
from retrieval.types import FloatArray
from tests import films
from tests.retrieval.encoders.copy_conformance import CopyConformance

SEARCH_HASH = "25c3b8ddb470f07d99cfbcd0def94e74936929ce8575036d6d0270ab5ce67219"
"""What libraries were made with; a new copy output must not change it."""


class TestShipped(CopyConformance):
    @classmethod
    def make_encoder(cls) -> BuiltinCopyEncoder:
        encoder = load_copy_encoder("builtin")
        assert isinstance(encoder, BuiltinCopyEncoder)
        return encoder


@pytest.fixture(scope="module")
def search() -> BuiltinEncoder:
    return BuiltinEncoder()


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    """One frame of each of eight made shots."""
    return [films.moving_shot(seed, 1)[0] for seed in range(8)]


def test_search_embeddings_are_those_of_the_network_alone(
    search: BuiltinEncoder, pictures: list[NDArray[np.uint8]]
) -> None:
    tower = read_manifest(ASSETS).image
    alone = load_session(ASSETS / tower.file)
    (rows,) = alone({tower.input_name: pictures_to_batch(pictures, tower)})
    np.testing.assert_allclose(search.encode_images(pictures), rows, atol=1e-5)
    both, _ = search.encode_images_and_copies(pictures)
    np.testing.assert_allclose(both, search.encode_images(pictures), atol=1e-6)


def test_search_hash_does_not_know_the_copy_output(tmp_path: Path) -> None:
    folder = shutil.copytree(ASSETS, tmp_path / "plain")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["copy"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "copy.onnx").unlink()
    plain = BuiltinEncoder(folder)
    assert plain.id == load_encoder("builtin").id
    assert plain.hash == SEARCH_HASH
    assert plain.encode_images([np.zeros((8, 8, 3), np.uint8)]).shape == (1, plain.dim)
    with pytest.raises(InvalidInputError, match="sceneprint train copy"):
        load_copy_encoder(f"builtin:{folder}")
    with pytest.raises(InvalidInputError, match="no copy output"):
        plain.encode_images_and_copies([])


def test_runtimes_agree(pictures: list[NDArray[np.uint8]]) -> None:
    one, other = (load_copy_encoder("builtin", runtime=name) for name in ("auto", "openvino"))
    assert one.id == other.id
    cosines = np.sum(one.encode_pictures(pictures) * other.encode_pictures(pictures), axis=1)
    assert cosines.min() > 0.999


def test_one_pass_beside_its_own_search_encoder(
    search: BuiltinEncoder, pictures: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = load_copy_encoder("builtin", shared=search)
    passes: list[int] = []
    real = search._pictures._run

    def counted(images: Sequence[NDArray[np.uint8]]) -> list[FloatArray]:
        passes.append(len(images))
        return real(images)

    monkeypatch.setattr(search._pictures, "_run", counted)
    rows, descriptors = copies.encode_beside(search, pictures)
    assert passes == [8]
    assert rows.shape == (8, search.dim)
    np.testing.assert_allclose(descriptors, copies.encode_pictures(pictures), atol=1e-6)


def test_edited_frames_find_their_own(bikes: Path, world: Path, bunny: Path) -> None:
    frames = [frame for path in (bikes, world, bunny) for frame in _frames(path)]
    copies = load_copy_encoder("builtin")
    references = copies.encode_pictures(frames)
    cosines = copies.encode_pictures([_edited(frame) for frame in frames]) @ references.T
    is_right = np.argmax(cosines, axis=1) == np.arange(len(frames))
    assert is_right.mean() >= 0.75  # frames of one shot are each other's near copies


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    """A frame every two seconds."""
    with av.open(str(path)) as container:
        decoded = [frame for frame in container.decode(video=0) if frame.pts is not None]
    rate = round(len(decoded) / float(decoded[-1].time or 1.0))
    return [
        np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded[:: 2 * rate]
    ]


def _edited(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirrored, cut at two sides, duller and darker."""
    picture = ImageOps.mirror(Image.fromarray(frame))
    width, height = picture.size
    picture = picture.crop((0, 0, round(0.85 * width), round(0.85 * height)))
    return np.asarray(
        ImageEnhance.Brightness(ImageEnhance.Color(picture).enhance(0.4)).enhance(0.8)
    )


@pytest.mark.parametrize("file", ["copy.onnx", "copy_background.npz"])
def test_damaged_file_is_found(tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(ASSETS, tmp_path / "damaged")
    (folder / file).write_bytes((folder / file).read_bytes() + b"\0")
    encoder = load_copy_encoder(f"builtin:{folder}")
    with pytest.raises(MissingDependencyError, match=rf"{file} is damaged"):
        encoder.background if file.endswith("npz") else encoder.warm_up()


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"dim": 0}, {"file": "../copy.onnx"}, {"sha256": {}}, {"name": None}],
)
def test_unusable_copy_entry_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    manifest = json.loads((ASSETS / "manifest.json").read_text())
    entry = manifest["copy"] | change
    if change == {"name": None}:
        del entry["name"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"copy": entry}))
    with pytest.raises(InvalidInputError, match="not a usable encoder manifest"):
        load_copy_encoder(f"builtin:{tmp_path}")
