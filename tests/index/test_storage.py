import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from index.exact import ExactIndex
from index.faiss import FaissIndex
from index.storage import IndexDamagedError, IndexHeader, IndexStaleError, read_index, write_index
from tests.index.conformance import DIM, unit_rows

HEADER = IndexHeader("exact", 2, 3, "5-ff", {"nprobe": 4})


def test_round_trip(tmp_path: Path) -> None:
    numbers = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_index(tmp_path / "a", HEADER, [np.arange(3), numbers, np.empty(0, np.uint8)])
    header, sections = read_index(tmp_path / "a")
    assert header == IndexHeader("exact", 2, 3, "5-ff", {"nprobe": 4}, (24, 24, 0))
    assert sections[0].view(np.int64).tolist() == [0, 1, 2]
    assert sections[1].view(np.float32).tolist() == [0, 1, 2, 3, 4, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def signed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SCPINDEX",
        b"x" * 200,
        signed(b"OTHERIDX" + struct.pack("<I", 2) + b"{}"),
        signed(b"SCPINDEX" + struct.pack("<I", 2**32 - 1) + b"{}"),
        signed(b"SCPINDEX" + struct.pack("<I", 2) + b"{}"),
        signed(b"SCPINDEX" + struct.pack("<I", 2) + b"[]"),
        signed(b"SCPINDEX" + struct.pack("<I", 3) + b"\xff\xfe{"),
    ],
)
def test_foreign_content_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(IndexDamagedError):
        read_index(tmp_path / "a")


def rewritten(path: Path, **changes: object) -> Path:
    """Change the header of an index file and sign it again."""
    content = path.read_bytes()[:-32]
    (size,) = struct.unpack("<I", content[8:12])
    header = json.loads(content[12 : 12 + size]) | changes
    encoded = json.dumps(header).encode()
    payload = content[12 + size :]
    path.write_bytes(signed(b"SCPINDEX" + struct.pack("<I", len(encoded)) + encoded + payload))
    return path


@pytest.fixture
def exact_file(tmp_path: Path) -> Path:
    index = ExactIndex(DIM)
    index.add([1, 2, 3], unit_rows(3))
    index.save(tmp_path / "index", generation="g")
    return tmp_path / "index"


def test_other_version_is_stale(exact_file: Path) -> None:
    with pytest.raises(IndexStaleError, match="version 2, expected 1"):
        ExactIndex.load(rewritten(exact_file, version=2, new_field=1), generation="g")


def test_other_backend_is_stale(exact_file: Path) -> None:
    with pytest.raises(IndexStaleError, match="'exact', expected 'faiss'"):
        FaissIndex.load(exact_file, generation="g")


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": DIM + 1},
        {"count": 2},
        {"section_sizes": [24]},
        {"section_sizes": [-8, 128]},
        {"dim": 0},
    ],
)
def test_signed_nonsense_is_damaged(exact_file: Path, changes: dict[str, object]) -> None:
    with pytest.raises(IndexDamagedError):
        ExactIndex.load(rewritten(exact_file, **changes), generation="g")


def test_signed_nonsense_for_faiss_is_damaged(tmp_path: Path) -> None:
    index = FaissIndex(DIM, flat_below=700)
    index.add(np.arange(700), unit_rows(700))
    index.save(tmp_path / "index", generation="g")
    with pytest.raises(IndexDamagedError):
        FaissIndex.load(rewritten(tmp_path / "index", dim=DIM + 8), generation="g")
    header, sections = read_index(tmp_path / "index")
    write_index(tmp_path / "swapped", header, [sections[0], sections[2], sections[1]])
    with pytest.raises(IndexDamagedError):
        FaissIndex.load(tmp_path / "swapped", generation="g")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ExactIndex.load(tmp_path / "none", generation="g")


def test_failed_write_keeps_the_old_file(exact_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = exact_file.read_bytes()
    monkeypatch.setattr(os, "fsync", _disk_full)
    with pytest.raises(OSError, match="full"):
        ExactIndex(DIM).save(exact_file, generation="h")
    assert exact_file.read_bytes() == before
    assert [path.name for path in exact_file.parent.iterdir()] == ["index"]


def _disk_full(descriptor: int) -> None:
    raise OSError(28, "disk full")


def test_abandoned_temporaries_go(exact_file: Path) -> None:
    old, new = (exact_file.parent / f".index.{name}.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    ExactIndex(DIM).save(exact_file, generation="h")
    assert not old.exists()
    assert new.exists()
