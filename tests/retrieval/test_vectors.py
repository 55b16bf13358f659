import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError
from retrieval.vectors import FrameVectors, ShotVectors
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film

ENCODER = FakeEncoder()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as opened:
        yield opened


def red_ids(vectors: ShotVectors, k: int = 1) -> list[int]:
    _, ids = vectors.search(ENCODER.encode_texts(["red"]), k)
    return [int(item) for item in ids[0]]


def test_an_index_is_kept_and_used_by_the_next_process(catalog: Catalog) -> None:
    ids = add_film(catalog, ENCODER, "one", ["blue", "red"])
    first = ShotVectors(catalog, ENCODER.id, backend="exact")
    assert red_ids(first) == [ids[1]]
    written = first.path.stat().st_mtime_ns
    second = ShotVectors(catalog, ENCODER.id, backend="exact")
    assert red_ids(second) == [ids[1]]
    assert second.path.stat().st_mtime_ns == written  # loaded, not made again


def test_a_stale_index_is_brought_up_to_date(catalog: Catalog) -> None:
    add_film(catalog, ENCODER, "one", ["blue", "red"])
    red_ids(ShotVectors(catalog, ENCODER.id, backend="exact"))
    catalog.remove_video(catalog.videos()[0].video_id)
    ids = add_film(catalog, ENCODER, "two", ["red", "green"])
    assert red_ids(ShotVectors(catalog, ENCODER.id, backend="exact"), k=3) == [ids[0], ids[1], -1]


def test_a_damaged_index_is_made_again(catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    ids = add_film(catalog, ENCODER, "one", ["blue", "red"])
    first = ShotVectors(catalog, ENCODER.id, backend="faiss")
    red_ids(first)
    content = bytearray(first.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    first.path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert red_ids(ShotVectors(catalog, ENCODER.id, backend="faiss")) == [ids[1]]
    assert "making the vector index again" in caplog.text


def test_an_index_of_another_library_is_not_believed(tmp_path: Path) -> None:
    with (
        Catalog.open(tmp_path / "a", create=True) as ours,
        Catalog.open(tmp_path / "b", create=True) as theirs,
    ):
        ids = add_film(ours, ENCODER, "one", ["blue", "red"])
        add_film(theirs, ENCODER, "two", ["red", "green"])
        foreign = ShotVectors(theirs, ENCODER.id, backend="exact")
        red_ids(foreign)
        mine = ShotVectors(ours, ENCODER.id, backend="exact")
        mine.path.parent.mkdir(exist_ok=True)
        mine.path.write_bytes(foreign.path.read_bytes())
        assert red_ids(mine) == [ids[1]]


def test_a_library_that_cannot_be_written_still_searches(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    ids = add_film(catalog, ENCODER, "one", ["blue", "red"])
    (catalog.library / "index").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert red_ids(ShotVectors(catalog, ENCODER.id, backend="exact")) == [ids[1]]
    assert "not kept" in caplog.text


def test_an_empty_library_has_an_empty_index(catalog: Catalog) -> None:
    assert red_ids(ShotVectors(catalog, ENCODER.id, backend="faiss"), k=2) == [-1, -1]
    hits = FrameVectors(catalog, ENCODER.id, backend="faiss").search(
        ENCODER.encode_texts(["red"]), 2
    )
    assert hits.video_ids == ()
    assert hits.videos.tolist() == [[-1, -1]]


def test_unknown_backend(catalog: Catalog) -> None:
    with pytest.raises(InvalidInputError, match="faiss"):
        red_ids(ShotVectors(catalog, ENCODER.id, backend="magic"))


def test_frames_know_their_video_and_time(catalog: Catalog) -> None:
    add_film(catalog, ENCODER, "one", ["blue", "green"])
    add_film(catalog, ENCODER, "two", ["dark", "red"])
    frames = FrameVectors(catalog, ENCODER.id, backend="exact")
    query = ENCODER.encode_texts(["red", "green"])
    hits = frames.search(query, 1)
    names = [catalog.video(hits.video_ids[place]).path.stem for place in hits.videos[:, 0]]
    assert names == ["two", "one"]
    np.testing.assert_allclose(hits.times[:, 0], [3.0, 3.0])
    only = frames.search(query, 3, video_id=catalog.resolve_video("one").video_id)
    assert set(only.videos[0].tolist()) == {hits.video_ids.index(f"v{'one':0>24}"), -1}


def test_frames_follow_the_catalog(catalog: Catalog) -> None:
    add_film(catalog, ENCODER, "one", ["blue", "green"])
    frames = FrameVectors(catalog, ENCODER.id, backend="exact")
    query = ENCODER.encode_texts(["red"])
    frames.search(query, 1)
    add_film(catalog, ENCODER, "two", ["red"])
    hits = frames.search(query, 1)
    assert catalog.video(hits.video_ids[hits.videos[0, 0]]).path.stem == "two"


def names_of(frames: FrameVectors, catalog: Catalog, colour: str, k: int) -> list[str]:
    """Films of the k frames nearest to a colour; `-` where there are fewer."""
    hits = frames.search(ENCODER.encode_texts([colour]), k)
    places = hits.videos[0].tolist()
    return [catalog.video(hits.video_ids[i]).path.stem if i >= 0 else "-" for i in places]


@pytest.mark.parametrize("backend", ["exact", "faiss"])
def test_frames_are_added_and_removed_without_a_rebuild(catalog: Catalog, backend: str) -> None:
    add_film(catalog, ENCODER, "one", ["red", "green"])
    add_film(catalog, ENCODER, "two", ["blue", "red"])
    frames = FrameVectors(catalog, ENCODER.id, backend=backend)
    assert sorted(names_of(frames, catalog, "red", 2)) == ["one", "two"]
    index = frames.refresh()
    catalog.remove_video(catalog.resolve_video("one").video_id)
    add_film(catalog, ENCODER, "three", ["dark", "red", "red"])
    assert sorted(names_of(frames, catalog, "red", 3)) == ["three", "three", "two"]
    assert frames.refresh() is index
    assert index.ids().tolist() == [3, 4, 5, 6, 7]
    assert names_of(frames, catalog, "red", 6)[-1] == "-"


def test_frames_that_went_while_searching_are_no_hits(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_film(catalog, ENCODER, "one", ["red", "green"])
    add_film(catalog, ENCODER, "two", ["blue"])
    frames = FrameVectors(catalog, ENCODER.id, backend="exact")
    index = frames.refresh()
    monkeypatch.setattr(frames, "refresh", lambda: index)
    catalog.remove_video(catalog.resolve_video("one").video_id)
    hits = frames.search(ENCODER.encode_texts(["red"]), 3)
    assert sorted(hits.videos[0].tolist()) == [-1, -1, 0]
    assert np.isneginf(hits.scores[hits.videos < 0]).all()


def test_frames_in_many_blocks_are_the_same(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    names = ["red", "green", "blue", "dark", "bright"]
    for number in range(12):
        add_film(catalog, ENCODER, f"film{number}", rng.choice(names, size=7).tolist())
    monkeypatch.setattr("retrieval.vectors._ADD_FRAMES", 10)
    monkeypatch.setattr("index.faiss.FLAT_BELOW", 50)
    listed = FrameVectors(catalog, ENCODER.id, backend="faiss")
    exact = FrameVectors(catalog, ENCODER.id, backend="exact")
    query = ENCODER.encode_texts(names)
    np.testing.assert_allclose(
        listed.search(query, 5).scores, exact.search(query, 5).scores, atol=2e-3
    )
    assert listed.refresh().ids().tolist() == list(range(1, 85))
    again = FrameVectors(catalog, ENCODER.id, backend="faiss")
    assert again.refresh().ids().tolist() == list(range(1, 85))
