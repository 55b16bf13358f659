"""Folders are written whole or not at all, and never over something else."""

from pathlib import Path

import pytest

from adapters.encoder_folder import MANIFEST, check_replaceable, replaced, sha256_of, write_json


def test_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "encoder"
    for words in ("first", "second"):
        with replaced(out) as folder:
            write_json(folder / MANIFEST, {"words": words})
            (folder / words).touch()
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "second"]
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_all_is_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    out = tmp_path / "encoder"
    with replaced(out) as folder:
        (folder / MANIFEST).write_text("older")

    def fail() -> None:
        with replaced(out) as folder:
            (folder / MANIFEST).write_text("newer")
            raise error

    with pytest.raises(error):
        fail()
    assert (out / MANIFEST).read_text() == "older"
    assert list(tmp_path.iterdir()) == [out]


def test_other_folders_and_files_are_not_written_over(tmp_path: Path) -> None:
    letter = tmp_path / "letters" / "letter.txt"
    letter.parent.mkdir()
    letter.touch()
    for out in (letter.parent, letter):
        with pytest.raises(ValueError, match="no encoder folder"), replaced(out):
            pass
    assert letter.exists()
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty")


def test_checksums_by_hand(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"abc")
    found = sha256_of(tmp_path, ["b", "a"])
    assert list(found) == ["a", "b"]
    assert found["a"].startswith("ba7816bf")
    assert found["b"].startswith("e3b0c442")
