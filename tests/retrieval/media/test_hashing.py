"""A file's identity is its content, all of it."""

import hashlib
from pathlib import Path

import pytest

from retrieval.errors import MediaLimitError, NotFoundError, NotMediaError, OperationCancelled
from retrieval.media.hashing import content_id
from retrieval.media.limits import MediaLimits
from retrieval.types import Progress


def test_is_the_sha256_of_the_whole_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000  # 10 MB: several reads
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert content_id(path) == "v" + hashlib.sha256(data).hexdigest()[:24]


def test_moves_with_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x" * 5000)
    before = content_id(path)
    assert content_id(path.rename(tmp_path / "b.mkv")) == before
    (tmp_path / "b.mkv").write_bytes(b"x" * 4999 + b"y")
    assert content_id(tmp_path / "b.mkv") != before


def test_progress_and_stop(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x" * 9_000_000)
    seen: list[Progress] = []
    content_id(path, progress=seen.append)
    assert [item.done for item in seen] == [4_194_304, 8_388_608, 9_000_000]
    assert seen[-1].total == 9_000_000
    with pytest.raises(OperationCancelled):
        content_id(path, should_stop=lambda: True)


def test_odd_files(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        content_id(tmp_path / "nothing")
    with pytest.raises(NotMediaError):
        content_id(tmp_path)
    (tmp_path / "big").write_bytes(b"x" * 100)
    with pytest.raises(MediaLimitError):
        content_id(tmp_path / "big", limits=MediaLimits(max_bytes=99))
