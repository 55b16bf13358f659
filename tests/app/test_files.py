"""Files are written whole or not at all, and a place that cannot be written is told before."""

from pathlib import Path

import pytest

from app.files import check_writable, write_whole
from retrieval.errors import InvalidInputError


def test_writes_and_replaces_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.csv"
    assert write_whole(target, "a\r\n电影\n").read_bytes() == "a\r\n电影\n".encode()
    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "half\udcff")
    assert target.read_bytes() == "a\r\n电影\n".encode()
    assert [path.name for path in target.parent.iterdir()] == ["a.csv"]


def test_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for work in (lambda path: write_whole(path, ""), check_writable):
        with pytest.raises(InvalidInputError, match="cannot be written"):
            work(tmp_path / "file" / "a.csv")
    with pytest.raises(InvalidInputError, match="cannot be written"):
        write_whole(tmp_path, "")
    with pytest.raises(InvalidInputError, match="which is a folder"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new", is_folder=True)
    assert list((tmp_path / "new").iterdir()) == []
