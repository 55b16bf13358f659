"""A library's search inside an encoder folder, used with ONNX Runtime alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.encoder_folder import sha256_of
from retrieval.bundle import check_library, write_bundle
from retrieval.catalog import Catalog
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.export import copy_folder
from retrieval.errors import EncoderMismatchError
from retrieval.label_types import Label, LabelledGroup
from retrieval.types import EncoderId, Segment
from tests.fakes import FakeEncoder
from tests.retrieval.encoders.test_manifest import write_exported
from tests.retrieval.libraries import add_film

DOCUMENT = Path(__file__).parents[2] / "docs" / "encoders.md"


@pytest.fixture
def encoder(tmp_path: Path) -> BuiltinEncoder:
    return BuiltinEncoder(write_exported(tmp_path / "encoder"))


@pytest.fixture
def library(tmp_path: Path, encoder: BuiltinEncoder) -> Path:
    """Five shots of plain colours in two films; one of them is labelled."""
    with Catalog.open(tmp_path / "library", create=True) as catalog:
        add_film(catalog, encoder, "b", ["green", "bright"])
        add_film(catalog, encoder, "a", ["red", "blue", "green"])
        (film,) = (one for one in catalog.videos() if one.path.name == "a.mp4")
        label = Label("weather", "storm", film.video_id, Segment(2.0, 4.0), source="here")
        catalog.add_labels([LabelledGroup("weather", "one_of", ("storm",))], [label])
    return tmp_path / "library"


@pytest.fixture
def bundle(tmp_path: Path, encoder: BuiltinEncoder, library: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    copy_folder(encoder.manifest, folder)
    write_bundle(library, folder, encoders=[encoder.id], wanted="")
    return folder


def test_shots_times_labels_and_vectors(bundle: Path, encoder: BuiltinEncoder) -> None:
    written = json.loads((bundle / "library.json").read_text(encoding="utf-8"))
    assert (written["format"], written["version"]) == ("sceneprint-bundle", 1)
    assert written["encoder"] == {"name": encoder.name, "hash": encoder.hash, "dim": 4}
    assert written["sha256"] == sha256_of(bundle, ["vectors.npy"])
    storm = {
        **{"film": "a.mp4", "labels": ["weather/storm"], "keyframe_seconds": 3.0},
        **{"start_seconds": 2.0, "end_seconds": 4.0},
    }
    at = written["shots"].index(storm)
    vectors = np.load(bundle / "vectors.npy", allow_pickle=False)
    assert (vectors.dtype, vectors.shape) == (np.float16, (5, 4))
    assert vectors[at].argmax() == 2  # blue
    assert [shot["labels"] for shot in written["shots"]].count([]) == 4


def test_encoder_stays_what_it_is(bundle: Path, encoder: BuiltinEncoder) -> None:
    assert BuiltinEncoder(bundle).id == encoder.id


@pytest.mark.parametrize("query", ["blue", "PICTURE"])
def test_program_of_the_documents(bundle: Path, tmp_path: Path, query: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (program,) = (block for block in blocks if "vectors.npy" in block)
    blocked = ("retrieval", "adapters", "app", "torch", "transformers", "open_clip", "onnx")
    start = f"import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
    (tmp_path / "find.py").write_text(start + program, encoding="utf-8")
    Image.new("RGB", (30, 20), (0, 0, 255)).save(tmp_path / "blue.png")
    asked = query if query == "blue" else str(tmp_path / "blue.png")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "find.py"), str(bundle), asked],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first = done.stdout.splitlines()[0]
    assert re.fullmatch(r"1\.000\s+a\.mp4\s+2\.0–4\.0 s\s+weather/storm", first), done.stdout


def test_library_of_another_encoder(tmp_path: Path, library: Path, encoder: BuiltinEncoder) -> None:
    other = EncoderId(name="fake:other", hash="0" * 64, dim=4)
    with pytest.raises(EncoderMismatchError, match=r"builtin:tiny/v1.*reindex.*fake:other"):
        write_bundle(library, tmp_path, encoders=[other], wanted="fake:other")
    with pytest.raises(EncoderMismatchError, match=r"reindex.*fake:other"):
        check_library(library, encoders=["fake:other"], wanted="fake:other")
    check_library(library, encoders=["fake:other", encoder.name], wanted="fake:other")


def test_library_without_films(tmp_path: Path) -> None:
    Catalog.open(tmp_path / "empty", create=True).close()
    with pytest.raises(EncoderMismatchError, match="no encoder"):
        check_library(tmp_path / "empty", encoders=[FakeEncoder().name], wanted="fake:other")
