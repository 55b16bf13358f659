import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog, CatalogTotals
from retrieval.errors import (
    CatalogError,
    EncoderMismatchError,
    InvalidInputError,
    NotFoundError,
)
from retrieval.types import EncoderId, Segment
from tests.retrieval.catalog_records import ENCODER, make_record, make_vectors


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as opened:
        yield opened


def test_new_library_is_empty(catalog: Catalog) -> None:
    assert catalog.videos() == []
    assert catalog.encoder() is None
    assert catalog.totals() == CatalogTotals(0, 0, 0, 0, 0.0)
    assert catalog.search_subtitles("line", limit=5) == []
    ids, vectors = catalog.shot_vectors(ENCODER)
    assert ids.shape == (0,)
    assert vectors.shape == (0, 8)
    assert catalog.problems() == []


def test_everything_comes_back(catalog: Catalog) -> None:
    record = make_record("one", num_shots=3)
    video = replace(
        record.video,
        frame_rate=Fraction(24000, 1001),
        video_codec="h264",
        audio_codec="aac",
        sample_rate_hz=48_000,
        width=1920,
        height=1080,
        rotation_degrees=90,
        shot_mode="precise",
        added_at="2026-01-02T03:04:05+00:00",
        warnings=("no audio after 3 s", "é 中"),
    )
    record = replace(record, video=video, scene_keyframes=[1, 2])
    shot_ids = catalog.add_video(record)
    assert catalog.videos() == [replace(video, num_shots=3, num_scenes=2, num_subtitles=2)]
    shots = [
        replace(shot, shot_id=shot_id) for shot, shot_id in zip(record.shots, shot_ids, strict=True)
    ]
    assert catalog.shots("vone") == shots
    assert catalog.shot(shot_ids[1]) == shots[1]
    assert catalog.scenes("vone") == [
        replace(record.scenes[0], keyframe_shot_id=shot_ids[1]),
        replace(record.scenes[1], keyframe_shot_id=shot_ids[2]),
    ]
    assert catalog.subtitles("vone") == list(record.subtitles)
    assert catalog.thumbnail(shot_ids[2]) == b"jpeg one 2"
    assert catalog.encoder() == ENCODER
    assert catalog.totals() == CatalogTotals(1, 3, 2, 2, 3.0)
    ids, vectors = catalog.shot_vectors(ENCODER)
    assert ids.tolist() == shot_ids
    assert record.shot_vectors is not None
    np.testing.assert_allclose(vectors, record.shot_vectors, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    times, vectors = catalog.frame_vectors(ENCODER, "vone")
    assert times.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert record.frame_vectors is not None
    np.testing.assert_allclose(vectors, record.frame_vectors, atol=1e-3)
    assert catalog.problems() == []


def test_videos_by_ids_leaves_out_those_that_are_gone(catalog: Catalog) -> None:
    first, second = make_record("one"), make_record("two")
    catalog.add_video(first)
    catalog.add_video(second)
    wanted = [second.video.video_id, "v0", first.video.video_id, second.video.video_id]
    found = catalog.videos_by_ids(wanted)
    assert set(found) == {first.video.video_id, second.video.video_id}
    assert all(found[video_id] == catalog.video(video_id) for video_id in found)
    assert catalog.videos_by_ids([]) == {}


def test_reopened_library_is_the_same(tmp_path: Path) -> None:
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.add_video(make_record())
        before = (catalog.videos(), catalog.shots("vone"), catalog.generation())
    with Catalog.open(tmp_path) as catalog:
        assert (catalog.videos(), catalog.shots("vone"), catalog.generation()) == before


def test_video_without_picture(catalog: Catalog) -> None:
    record = replace(
        make_record("talk", num_shots=0),
        shot_vectors=None,
        frame_times=None,
        frame_vectors=None,
        encoder=None,
        copy_encoder=None,
    )
    assert catalog.add_video(record) == []
    assert not catalog.shots("vtalk")
    assert not catalog.scenes("vtalk")
    assert catalog.encoder() is None
    assert len(catalog.subtitles("vtalk")) == 2


def test_shot_vectors_of_one_video(catalog: Catalog) -> None:
    catalog.add_video(make_record("a"))
    shot_ids = catalog.add_video(make_record("b", num_shots=2))
    ids, vectors = catalog.shot_vectors(ENCODER, "vb")
    assert ids.tolist() == shot_ids
    np.testing.assert_array_equal(vectors, catalog.shot_vectors(ENCODER)[1][4:])


def test_adding_again_replaces(catalog: Catalog) -> None:
    first = catalog.add_video(make_record(num_shots=4, lines=("old words",)))
    second = catalog.add_video(make_record(num_shots=2, lines=("new words",)))
    assert set(first).isdisjoint(second)
    assert [video.num_shots for video in catalog.videos()] == [2]
    assert catalog.shot_vectors(ENCODER)[0].tolist() == second
    assert [line.text for line, _ in catalog.search_subtitles("words", limit=9)] == ["new words"]
    with pytest.raises(NotFoundError):
        catalog.thumbnail(first[0])
    assert catalog.problems() == []


def test_new_content_at_a_path_replaces_the_old(catalog: Catalog) -> None:
    catalog.add_video(make_record("old", path=Path("/films/same.mp4")))
    catalog.add_video(make_record("other"))
    catalog.add_video(make_record("new", path=Path("/films/same.mp4")))
    assert {video.video_id for video in catalog.videos()} == {"vother", "vnew"}


def test_ids_are_never_used_again(catalog: Catalog) -> None:
    first = catalog.add_video(make_record("a"))
    catalog.remove_video("va")
    assert min(catalog.add_video(make_record("b"))) > max(first)


def test_remove(catalog: Catalog) -> None:
    catalog.add_video(make_record("a", lines=("shared words",)))
    kept = catalog.add_video(make_record("b", lines=("shared words",)))
    catalog.remove_video("va")
    assert [video.video_id for video in catalog.videos()] == ["vb"]
    assert catalog.shot_vectors(ENCODER)[0].tolist() == kept
    found = catalog.search_subtitles("shared", limit=5)
    assert [line.video_id for line, _ in found] == ["vb"]
    assert catalog.problems() == []
    with pytest.raises(NotFoundError, match="'va'"):
        catalog.remove_video("va")


def test_a_failed_add_changes_nothing(catalog: Catalog) -> None:
    catalog.add_video(make_record("a"))
    catalog.add_video(make_record("b"))
    before = (catalog.videos(), catalog.generation(), catalog.shots("va"))
    wrong = replace(make_record("a", num_shots=9), encoder=EncoderId("other", "ff", 8))
    with pytest.raises(EncoderMismatchError):  # found out when the rows are already written
        catalog.add_video(wrong)
    assert (catalog.videos(), catalog.generation(), catalog.shots("va")) == before
    assert catalog.problems() == []


class TestEncoder:
    other = EncoderId("other:encoder/tag", "ffffffffffffffff", 8)

    def test_mixing_is_an_error_that_says_what_to_do(self, catalog: Catalog) -> None:
        catalog.add_video(make_record("a"))
        generation = catalog.generation()
        with pytest.raises(EncoderMismatchError, match="--encoder fake:catalog/test") as caught:
            catalog.add_video(make_record("b", encoder=self.other))
        assert "other:encoder/tag (hash ffffffffffff, 8-d)" in str(caught.value)
        assert catalog.generation() == generation
        with pytest.raises(EncoderMismatchError):
            catalog.shot_vectors(self.other)

    def test_same_name_with_other_weights_is_another_encoder(self, catalog: Catalog) -> None:
        catalog.add_video(make_record("a"))
        changed = replace(ENCODER, hash="changed")
        with pytest.raises(EncoderMismatchError, match="weights or their preprocessing changed"):
            catalog.shot_vectors(changed)

    def test_emptied_library_takes_another(self, catalog: Catalog) -> None:
        catalog.add_video(make_record("a"))
        catalog.remove_video("va")
        assert catalog.encoder() is None
        catalog.add_video(make_record("b", encoder=self.other))
        assert catalog.encoder() == self.other

    def test_the_only_video_may_be_replaced_with_another(self, catalog: Catalog) -> None:
        catalog.add_video(make_record("a"))
        catalog.add_video(make_record("a", encoder=self.other))
        assert catalog.encoder() == self.other


class TestGeneration:
    def test_every_change_gives_a_new_one(self, catalog: Catalog) -> None:
        seen = [catalog.generation()]
        catalog.add_video(make_record("a"))
        seen.append(catalog.generation())
        catalog.relocate_video("va", Path("/films/b.mp4"), 1, 2)
        seen.append(catalog.generation())
        catalog.remove_video("va")
        seen.append(catalog.generation())
        assert len(set(seen)) == 4
        assert all(catalog.was_at(generation) for generation in seen)

    def test_reading_and_failing_keep_it(self, catalog: Catalog) -> None:
        before = catalog.generation()
        catalog.videos()
        with pytest.raises(NotFoundError):
            catalog.remove_video("vnone")
        assert catalog.generation() == before

    def test_two_libraries_never_share_one(self, tmp_path: Path, catalog: Catalog) -> None:
        with Catalog.open(tmp_path / "second", create=True) as second:
            assert second.generation() != catalog.generation()
            assert not second.was_at(catalog.generation())

    @pytest.mark.parametrize("text", ["", "1", "1-", "-1-ab", "9" * 30 + "-ab", "1-ab;"])
    def test_foreign_names(self, catalog: Catalog, text: str) -> None:
        assert not catalog.was_at(text)


class TestFinding:
    def test_by_stat_and_path(self, catalog: Catalog) -> None:
        record = make_record("a")
        catalog.add_video(record)
        path = record.video.path
        found = catalog.find_by_stat(path, 1000, 5)
        assert found is not None
        assert found.video_id == "va"
        assert catalog.find_by_stat(path, 1001, 5) is None
        assert catalog.find_by_stat(path, 1000, 6) is None
        assert catalog.find_by_path(path) == found
        assert catalog.find_by_path(Path("/films/none.mp4")) is None

    def test_after_a_move(self, catalog: Catalog) -> None:
        catalog.add_video(make_record("a"))
        catalog.relocate_video("va", Path("/new/place.mp4"), 7, 8)
        found = catalog.find_by_stat(Path("/new/place.mp4"), 7, 8)
        assert found is not None
        assert found.path == Path("/new/place.mp4")
        assert catalog.find_by_path(Path("/films/a.mp4")) is None
        with pytest.raises(NotFoundError):
            catalog.relocate_video("vnone", Path("/x"), 1, 1)

    def test_two_files_that_swapped_names(self, catalog: Catalog) -> None:
        for name in ("a", "b"):
            catalog.add_video(make_record(name))
        catalog.relocate_video("va", Path("/films/b.mp4"), 1, 1)
        found = catalog.find_by_path(Path("/films/b.mp4"))
        assert found is not None
        assert found.video_id == "va"
        catalog.relocate_video("vb", Path("/films/a.mp4"), 1, 1)
        assert {video.video_id: video.path.name for video in catalog.videos()} == {
            "va": "b.mp4",
            "vb": "a.mp4",
        }

    def test_relative_path_is_kept_absolute(
        self, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        catalog.add_video(make_record("a", path=Path("film.mp4")))
        assert catalog.video("va").path == tmp_path / "film.mp4"
        assert catalog.find_by_path(Path("film.mp4")) is not None

    def test_path_that_is_no_text(self, catalog: Catalog) -> None:
        path = Path(os.fsdecode(b"/films/\xff\xfe.mp4"))
        catalog.add_video(make_record("a", path=path))
        assert catalog.video("va").path == path
        assert catalog.find_by_path(path) is not None

    @pytest.mark.parametrize(
        "text", ["vabcdef12", "vabc", "/films/abcdef12.mp4", "abcdef12.mp4", "abcdef12"]
    )
    def test_resolve(self, catalog: Catalog, text: str) -> None:
        catalog.add_video(make_record("abcdef12"))
        catalog.add_video(make_record("zzz"))
        assert catalog.resolve_video(text).video_id == "vabcdef12"

    def test_resolve_says_what_is_near(self, catalog: Catalog) -> None:
        catalog.add_video(make_record("holiday"))
        with pytest.raises(NotFoundError, match=r"near it: holiday.mp4 \(vholiday\)"):
            catalog.resolve_video("holliday.mp4")
        with pytest.raises(NotFoundError, match="sceneprint list"):
            catalog.resolve_video("qqqqqqqq")

    def test_resolve_refuses_what_fits_twice(self, catalog: Catalog) -> None:
        for name in ("aaaa1", "aaaa2"):
            catalog.add_video(make_record(name, path=Path(f"/{name}/film.mp4")))
        for text in ("film.mp4", "vaaaa"):
            with pytest.raises(InvalidInputError, match=r"2 videos: vaaaa1 .*give the whole id"):
                catalog.resolve_video(text)

    @pytest.mark.parametrize("text", ["", "\0", "va\0", "x" * 10_000, "\ud800", "%", "' OR 1=1"])
    def test_resolve_of_any_string(self, catalog: Catalog, text: str) -> None:
        catalog.add_video(make_record("a"))
        with pytest.raises(NotFoundError):
            catalog.resolve_video(text)

    def test_text_that_is_no_text(self, catalog: Catalog) -> None:
        with pytest.raises(InvalidInputError, match="not valid Unicode"):
            catalog.video("\ud800")
        with pytest.raises(InvalidInputError, match="not valid Unicode"):
            catalog.search_subtitles("x", limit=1, video_ids=["\udcff"])

    def test_unknown_video(self, catalog: Catalog) -> None:
        for read in (catalog.video, catalog.shots, catalog.scenes, catalog.subtitles):
            with pytest.raises(NotFoundError, match="'vnone'"):
                read("vnone")


class TestShots:
    def test_by_ids_keep_the_order_asked_for(self, catalog: Catalog) -> None:
        a, b, c, d = catalog.add_video(make_record(num_shots=4))
        asked = [c, 99_999, a, d, a, -1, 1 << 70]
        assert [shot.shot_id for shot in catalog.shots_by_ids(asked)] == [c, a, d, a]
        assert catalog.shots_by_ids([]) == []
        found = catalog.shots_by_ids(np.array([b, a]))  # type: ignore[arg-type]
        assert [shot.number for shot in found] == [1, 0]

    def test_many_ids(self, catalog: Catalog) -> None:
        shot_ids = catalog.add_video(make_record(num_shots=1201))
        assert [shot.shot_id for shot in catalog.shots_by_ids(shot_ids)] == shot_ids

    @pytest.mark.parametrize("shot_id", [0, -5, 12_345, 1 << 70])
    def test_unknown(self, catalog: Catalog, shot_id: int) -> None:
        with pytest.raises(NotFoundError):
            catalog.shot(shot_id)
        with pytest.raises(NotFoundError):
            catalog.thumbnail(shot_id)

    def test_missing_thumbnail(self, catalog: Catalog) -> None:
        record = replace(make_record(num_shots=2), thumbnails=[b"", b"x"])
        first, second = catalog.add_video(record)
        assert catalog.thumbnail(second) == b"x"
        with pytest.raises(NotFoundError, match="no thumbnail"):
            catalog.thumbnail(first)


class TestRecord:
    """A record that is not of one piece is refused before it gets near the catalog."""

    def test_shot_out_of_place(self) -> None:
        record = make_record()
        with pytest.raises(ValueError, match=r"shots\[0\] with number 1"):
            replace(record, shots=record.shots[1:])

    def test_shot_of_another_video(self) -> None:
        with pytest.raises(ValueError, match="vtwo"):
            replace(make_record("one"), shots=make_record("two").shots)

    def test_counts(self) -> None:
        record = make_record(num_shots=4)
        with pytest.raises(ValueError, match="3 thumbnails, expected one for 4 shots"):
            replace(record, thumbnails=[b"x"] * 3)
        with pytest.raises(ValueError, match="3 shot_vectors"):
            replace(record, shot_vectors=make_vectors(3))
        with pytest.raises(ValueError, match="8 frame times for 7 vectors"):
            replace(record, frame_vectors=make_vectors(7))

    def test_scenes_hold_every_shot_once(self) -> None:
        record = make_record(num_shots=4)
        gap = [replace(record.scenes[0], last_shot=0), record.scenes[1]]
        with pytest.raises(ValueError, match="first_shot 1"):
            replace(record, scenes=gap)
        with pytest.raises(ValueError, match="up to shot 1 of 4"):
            replace(record, scenes=record.scenes[:1])
        with pytest.raises(ValueError, match="keyframe = 3"):
            replace(record, scene_keyframes=[3, 3])

    def test_vectors(self) -> None:
        record = make_record(num_shots=4)
        with pytest.raises(ValueError, match="without the encoder"):
            replace(record, encoder=None)
        with pytest.raises(ValueError, match=r"expected \(N, 8\)"):
            replace(record, shot_vectors=make_vectors(4, dim=9))
        for factor in (2.0, np.nan):
            with pytest.raises(ValueError, match="unit norm"):
                replace(record, shot_vectors=make_vectors(4) * factor)


class TestThreads:
    def test_readers_see_whole_videos_beside_a_writer(self, catalog: Catalog) -> None:
        failures: list[BaseException] = []
        is_done = threading.Event()

        def read() -> None:
            try:
                while not is_done.is_set():
                    for video in catalog.videos():
                        assert video.num_shots == 4
                    ids, vectors = catalog.shot_vectors(ENCODER)
                    assert len(ids) % 4 == 0
                    assert len(ids) == len(vectors)
            except BaseException as error:
                failures.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(15):
            catalog.add_video(make_record(str(number)))
            if number % 3 == 0:
                catalog.remove_video(f"v{number}")
        is_done.set()
        for reader in readers:
            reader.join()
        assert not failures
        assert len(catalog.videos()) == 10

    def test_writers_take_turns(self, catalog: Catalog) -> None:
        threads = [
            threading.Thread(target=catalog.add_video, args=(make_record(f"t{number}"),))
            for number in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(catalog.videos()) == 12
        assert catalog.problems() == []


def test_closed_catalog_says_so(tmp_path: Path) -> None:
    catalog = Catalog.open(tmp_path, create=True)
    catalog.close()
    catalog.close()
    with pytest.raises(CatalogError, match="closed"):
        catalog.videos()


def test_problems_names_a_half_video(catalog: Catalog) -> None:
    catalog.add_video(make_record("a"))
    connection = sqlite3.connect(catalog.library / "catalog.sqlite3")
    connection.execute("DELETE FROM shots WHERE number = 2")
    connection.execute("DELETE FROM subtitle_index")
    connection.commit()
    connection.close()
    found = catalog.problems()
    assert "shots missing in va" in found
    assert any("thumbnails" in one for one in found)
    assert sum("words missing" in one for one in found) == 2


def test_segment_of_a_shot_survives_exactly(catalog: Catalog) -> None:
    record = make_record(num_shots=1)
    odd = Segment(0.1 + 0.2, 1 / 3 + 1)
    catalog.add_video(
        replace(record, shots=[replace(record.shots[0], segment=odd, is_exact=False)])
    )
    (shot,) = catalog.shots("vone")
    assert shot.segment == odd
    assert not shot.is_exact
