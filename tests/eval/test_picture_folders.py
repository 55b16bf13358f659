import shutil
from pathlib import Path

import numpy as np
import pytest

from eval.picture_folders import embed_pictures, read_picture_folders
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from tests.eval.picture_classes import make_classes
from tests.fakes import FakeEncoder


def test_classes_pictures_and_targets(tmp_path: Path) -> None:
    make_classes(tmp_path / "set", num_each=2)
    (tmp_path / "set" / "red" / "note.txt").write_text("no picture")
    found = read_picture_folders(tmp_path / "set")
    assert (found.name, found.classes, len(found)) == ("set", ("blue", "green", "red"), 6)
    assert found.is_test is None
    for path, row in zip(found.paths, found.targets, strict=True):
        assert row.tolist() == [float(path.parent.name == name) for name in found.classes]


def test_official_test(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", num_each=2)
    for place, path in enumerate(sorted((tmp_path / "train").rglob("1.png"))):
        target = tmp_path / "test" / path.parent.name / f"{place}.png"
        target.parent.mkdir(parents=True)
        path.rename(target)
    found = read_picture_folders(tmp_path)
    assert found.is_test is not None
    assert found.is_test.tolist() == ["test" in path.parts for path in found.paths]
    shutil.copy(next((tmp_path / "test" / "red").iterdir()), tmp_path / "train" / "red" / "x.png")
    with pytest.raises(InvalidInputError, match="in train and in test"):
        read_picture_folders(tmp_path)


def test_one_picture_in_two_classes(tmp_path: Path) -> None:
    make_classes(tmp_path, num_each=2)
    shutil.copy(tmp_path / "red" / "0.png", tmp_path / "blue" / "again.png")
    with pytest.raises(InvalidInputError, match="--multi-label"):
        read_picture_folders(tmp_path)
    found = read_picture_folders(tmp_path, multi_label=True)
    assert len(found) == 6
    assert sorted(found.targets.sum(axis=1).tolist()) == [1, 1, 1, 1, 1, 2]


def test_what_is_no_set_of_classes(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="a folder for each class"):
        read_picture_folders(tmp_path / "nothing")
    with pytest.raises(InvalidInputError, match="found 0 classes"):
        read_picture_folders(tmp_path)


class TestCache:
    def test_nothing_is_encoded_twice(self, tmp_path: Path) -> None:
        found = read_picture_folders(make_classes(tmp_path / "set", num_each=2))
        encoder = FakeEncoder()
        first = embed_pictures(found, encoder, cache=tmp_path / "cache")
        assert encoder.num_images == 6
        (tmp_path / "set" / "red" / "0.png").rename(tmp_path / "set" / "red" / "moved.png")
        again = read_picture_folders(tmp_path / "set")
        second = embed_pictures(again, encoder, cache=tmp_path / "cache")
        assert encoder.num_images == 6
        places = [found.digests.index(digest) for digest in again.digests]
        np.testing.assert_array_equal(second, first[places])

    def test_another_encoder_has_a_cache_of_its_own(self, tmp_path: Path) -> None:
        found = read_picture_folders(make_classes(tmp_path / "set", num_each=2))
        for name in ("fake:one", "fake:two"):
            encoder = FakeEncoder(name)
            embed_pictures(found, encoder, cache=tmp_path / "cache")
            assert encoder.num_images == 6

    def test_damaged_cache_is_made_again(self, tmp_path: Path) -> None:
        found = read_picture_folders(make_classes(tmp_path / "set", num_each=2))
        embed_pictures(found, FakeEncoder(), cache=tmp_path / "cache")
        for path in (tmp_path / "cache").iterdir():
            path.write_bytes(path.read_bytes()[:100])
        encoder = FakeEncoder()
        embed_pictures(found, encoder, cache=tmp_path / "cache")
        assert encoder.num_images == 6

    def test_stopping(self, tmp_path: Path) -> None:
        found = read_picture_folders(make_classes(tmp_path / "set", num_each=2))
        with pytest.raises(OperationCancelled):
            embed_pictures(found, FakeEncoder(), cache=tmp_path, should_stop=lambda: True)


def test_broken_picture_is_named(tmp_path: Path) -> None:
    make_classes(tmp_path, num_each=2)
    (tmp_path / "red" / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(InvalidInputError, match=r"broken\.png"):
        embed_pictures(read_picture_folders(tmp_path), FakeEncoder())
