import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import ingest as ingest_module
from retrieval import listening
from retrieval.catalog import Catalog
from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.errors import (
    CatalogBusyError,
    CatalogError,
    EncoderMismatchError,
    InvalidInputError,
    NotFoundError,
)
from retrieval.ingest import ingest
from retrieval.media import audio
from retrieval.media.limits import MediaLimits
from retrieval.reading import read_film
from retrieval.sound_print import SoundPrint
from retrieval.types import IngestSummary, Progress
from tests import films
from tests.fakes import FakeEncoder, FakeSoundEncoder


class Library:
    """A catalog with an encoder."""

    def __init__(self, path: Path) -> None:
        self.catalog = Catalog.open(path, create=True)
        self.encoder = FakeEncoder()
        self.copy_encoder = SearchCopyEncoder(self.encoder)

    def ingest(self, *paths: Path, **options: Any) -> IngestSummary:
        defaults = {
            "limits": MediaLimits(),
            "load_encoder": lambda: self.encoder,
            "load_copy_encoder": lambda: self.copy_encoder,
        }
        return ingest(paths, catalog=self.catalog, **{**defaults, **options})


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path / "library")
    yield made
    made.catalog.close()


@pytest.fixture
def folder(tmp_path: Path, colour_film: films.Film) -> Path:
    """A folder with one film."""
    path = tmp_path / "films"
    path.mkdir()
    shutil.copy(colour_film.path, path / "colours.mp4")
    return path


def statuses(summary: IngestSummary) -> dict[str, str]:
    return {outcome.path.name: outcome.status for outcome in summary.outcomes}


@pytest.mark.parametrize("mode", ["fast", "precise"])
def test_a_film_is_stored_whole(library: Library, colour_film: films.Film, mode: str) -> None:
    summary = library.ingest(colour_film.path, shots=mode)
    assert statuses(summary) == {colour_film.path.name: "added"}
    assert summary.outcomes[0].media_seconds == pytest.approx(6.0, abs=0.1)
    (video,) = library.catalog.videos()
    assert (video.shot_mode, video.num_shots) == (mode, 3)
    shots = library.catalog.shots(video.video_id)
    bounds = [shot.segment.start_seconds for shot in shots]
    assert bounds == pytest.approx([0.0, 2.0, 4.0], abs=0.05)
    assert shots[-1].segment.end_seconds == pytest.approx(6.0, abs=0.1)
    for shot in shots:
        assert library.catalog.thumbnail(shot.shot_id).startswith(b"\xff\xd8")
        assert shot.segment.start_seconds <= shot.keyframe_seconds < shot.segment.end_seconds
    assert len(library.catalog.scenes(video.video_id)) == 3
    ids, vectors = library.catalog.shot_vectors(library.encoder.id)
    assert ids.tolist() == [shot.shot_id for shot in shots]
    texts = library.encoder.encode_texts(["red", "green", "blue"])
    assert np.argmax(texts @ vectors.T, axis=1).tolist() == [0, 1, 2]
    times, frames = library.catalog.frame_vectors(library.encoder.id, video.video_id)
    assert len(times) == len(frames) >= 3
    assert np.all(np.diff(times) > 0)


def test_like_frames_are_encoded_once(library: Library, colour_film: films.Film) -> None:
    library.ingest(colour_film.path, shots="precise")
    assert library.encoder.num_images == 3  # one a colour, however many samples


def test_unchanged_files_are_neither_read_nor_encoded(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.ingest(folder)

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("an unchanged file was opened")

    monkeypatch.setattr(ingest_module, "probe", refuse)
    monkeypatch.setattr(ingest_module, "content_id", refuse)
    generation = library.catalog.generation()
    summary = library.ingest(folder, load_encoder=refuse)
    assert statuses(summary) == {"colours.mp4": "unchanged"}
    assert library.catalog.generation() == generation


def test_a_touched_file_is_unchanged(library: Library, folder: Path) -> None:
    library.ingest(folder)
    os.utime(folder / "colours.mp4", ns=(1, 1))
    assert statuses(library.ingest(folder)) == {"colours.mp4": "unchanged"}
    assert library.catalog.videos()[0].modified_ns == 1


def test_a_moved_file_is_known(library: Library, folder: Path) -> None:
    library.ingest(folder)
    before = library.catalog.videos()[0]
    (folder / "colours.mp4").rename(folder / "renamed.mp4")
    assert statuses(library.ingest(folder)) == {"renamed.mp4": "moved"}
    (after,) = library.catalog.videos()
    assert (after.video_id, after.path.name) == (before.video_id, "renamed.mp4")
    assert library.catalog.shots(after.video_id)


def test_a_copy_is_skipped(library: Library, folder: Path) -> None:
    library.ingest(folder)
    shutil.copy(folder / "colours.mp4", folder / "copy.mp4")
    summary = library.ingest(folder)
    assert statuses(summary) == {"colours.mp4": "unchanged", "copy.mp4": "skipped"}
    assert "colours.mp4" in (summary.outcomes[-1].reason or "")
    assert len(library.catalog.videos()) == 1


def test_a_changed_file_replaces_the_old_one(
    library: Library, folder: Path, made_film: films.Film
) -> None:
    library.ingest(folder)
    old = library.catalog.videos()[0].video_id
    shutil.copy(made_film.path, folder / "colours.mp4")
    assert statuses(library.ingest(folder)) == {"colours.mp4": "replaced"}
    (video,) = library.catalog.videos()
    assert video.video_id != old


def test_a_film_moved_over_another(library: Library, folder: Path, made_film: films.Film) -> None:
    shutil.copy(made_film.path, folder / "made.mp4")
    library.ingest(folder)
    (folder / "made.mp4").replace(folder / "colours.mp4")
    assert statuses(library.ingest(folder)) == {"colours.mp4": "moved"}
    (video,) = library.catalog.videos()
    assert video.path.name == "colours.mp4"
    assert video.num_shots == 4


def test_a_precise_ingest_reads_a_fast_film_again(library: Library, folder: Path) -> None:
    library.ingest(folder, shots="fast")
    assert statuses(library.ingest(folder, shots="precise")) == {"colours.mp4": "replaced"}
    assert library.catalog.videos()[0].shot_mode == "precise"
    assert statuses(library.ingest(folder, shots="fast")) == {"colours.mp4": "unchanged"}


def test_odd_files_have_a_clear_outcome_and_the_rest_goes_on(
    library: Library, folder: Path, audio_only: Path
) -> None:
    (folder / "empty.mp4").touch()
    (folder / "text.mkv").write_text("no film at all")
    whole = (folder / "colours.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    shutil.copy(audio_only, folder / "song.m4a")
    summary = library.ingest(folder)
    assert statuses(summary) == {
        "colours.mp4": "added",
        "cut.mp4": "failed",
        "empty.mp4": "failed",
        "song.m4a": "added",
        "text.mkv": "failed",
    }
    for outcome in summary.outcomes:
        assert (outcome.reason is not None) == (outcome.status == "failed")
    song = library.catalog.resolve_video("song.m4a")
    assert (song.num_shots, song.has_picture) == (0, False)
    assert any("sound" in warning for warning in song.warnings)


def test_other_files_of_a_folder_are_summarised(library: Library, folder: Path) -> None:
    for number in range(3):
        (folder / f"note{number}.txt").write_text("x")
    (folder / "colours.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nhello there\n")
    (folder / ".hidden.mp4").write_text("x")
    summary = library.ingest(folder)
    assert statuses(summary) == {"colours.mp4": "added", "films": "skipped"}
    assert "3 .txt" in (summary.outcomes[0].reason or "")
    assert summary.extra["ignored"] == {".txt": 3}
    (video,) = library.catalog.videos()
    assert [line.text for line in library.catalog.subtitles(video.video_id)] == ["hello there"]


def test_a_named_file_is_tried_whatever_its_name(library: Library, folder: Path) -> None:
    odd = folder / "film.bin"
    (folder / "colours.mp4").rename(odd)
    assert statuses(library.ingest(odd)) == {"film.bin": "added"}


def test_the_library_and_links_out_of_a_folder_are_left_alone(
    tmp_path: Path, folder: Path, made_film: films.Film
) -> None:
    library = Library(folder / "library")
    inside = folder / "library" / "cache"
    inside.mkdir()
    shutil.copy(made_film.path, inside / "clip.mp4")
    (folder / "out.mp4").symlink_to(made_film.path)
    (folder / "loop").symlink_to(folder)
    summary = library.ingest(folder, folder / "colours.mp4")
    assert statuses(summary) == {"out.mp4": "skipped", "colours.mp4": "added"}
    library.catalog.close()


def test_embedded_subtitles_are_kept(library: Library, subtitled_film: Path) -> None:
    library.ingest(subtitled_film)
    (video,) = library.catalog.videos()
    lines = [line.text for line in library.catalog.subtitles(video.video_id)]
    assert lines == ["Two bicycles on a street", "两辆自行车"]


def test_progress_has_speed_and_time_left(
    library: Library, folder: Path, made_film: films.Film
) -> None:
    shutil.copy(made_film.path, folder / "made.mp4")
    reports: list[Progress] = []
    library.ingest(folder, progress=reports.append)
    work = [report for report in reports if report.stage == "ingest"]
    assert all(report.total == pytest.approx(14.0, abs=0.2) for report in work)
    assert all(first.done <= second.done for first, second in pairwise(work))
    assert work[-1].done == pytest.approx(work[-1].total)
    assert work[-1].speed is not None
    assert work[-1].speed > 0
    assert work[-1].eta_seconds == pytest.approx(0.0)


def test_a_stopped_ingest_keeps_what_was_finished(
    library: Library, folder: Path, made_film: films.Film
) -> None:
    shutil.copy(made_film.path, folder / "made.mp4")

    def should_stop() -> bool:
        return len(library.catalog.videos()) == 1

    summary = library.ingest(folder, should_stop=should_stop)
    assert summary.was_cancelled
    assert statuses(summary) == {"colours.mp4": "added"}
    again = library.ingest(folder)
    assert not again.was_cancelled
    assert statuses(again) == {"colours.mp4": "unchanged", "made.mp4": "added"}


def test_a_stop_is_heard_inside_a_file(library: Library, made_film: films.Film) -> None:
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    summary = library.ingest(made_film.path, should_stop=should_stop)
    assert summary.was_cancelled
    assert library.catalog.videos() == []


def test_another_encoder_is_refused_before_the_work(library: Library, folder: Path) -> None:
    library.ingest(folder)
    other = FakeEncoder("fake:other/v1")
    films.write_film(folder / "new.mp4", films.moving_shot(3, 25))
    with pytest.raises(EncoderMismatchError):
        library.ingest(folder, load_encoder=lambda: other)
    assert other.num_images == 0


def test_another_copy_encoder_is_refused_before_the_work(library: Library, folder: Path) -> None:
    library.ingest(folder)
    other = FakeEncoder("fake:other/v1")
    films.write_film(folder / "new.mp4", films.moving_shot(3, 25))
    with pytest.raises(EncoderMismatchError):
        library.ingest(folder, load_copy_encoder=lambda: SearchCopyEncoder(other))
    assert other.num_images == 0


def test_a_film_from_before_copy_descriptors_is_read_again(library: Library, folder: Path) -> None:
    library.ingest(folder)
    (before,) = library.catalog.videos()
    with library.catalog._transaction() as (connection, _):  # as the migration leaves a library
        connection.execute("DELETE FROM frame_vectors")
    assert library.catalog.videos_without_copies() == [before]
    assert statuses(library.ingest(folder)) == {"colours.mp4": "replaced"}
    assert library.catalog.videos_without_copies() == []
    assert len(library.catalog.frames(library.copy_encoder.id, before.video_id).times) >= 3
    assert statuses(library.ingest(folder)) == {"colours.mp4": "unchanged"}


def test_sound_is_fingerprinted_with_and_without_a_picture(
    library: Library, bunny: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000 * 4).astype(np.float32)
    sound = films.write_sound(tmp_path / "noise.m4a", noise)
    library.ingest(bunny, sound)
    prints = library.catalog.sound_prints()
    assert [video_id for video_id, _, _ in prints] == [
        video.video_id for video in library.catalog.videos()
    ]
    lengths = [SoundPrint.from_bytes(data).duration_seconds for _, _, data in prints]
    assert lengths == pytest.approx([5.3, 4.0], abs=0.1)
    assert library.catalog.videos_without_copies() == []
    with library.catalog._transaction() as (connection, _):
        connection.execute("DELETE FROM sound_prints")
    assert set(statuses(library.ingest(bunny, sound)).values()) == {"replaced"}
    assert len(library.catalog.sound_prints()) == 2


def test_a_busy_library_and_a_full_disk_stop_everything(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise CatalogError("database or disk is full")

    monkeypatch.setattr(library.catalog, "add_video", full)
    with pytest.raises(CatalogError, match="full"):
        library.ingest(folder)
    monkeypatch.undo()
    other = Catalog.open(library.catalog.library)
    with other.writing(), pytest.raises(CatalogBusyError):
        library.ingest(folder)
    other.close()


def test_a_surprise_in_one_file_is_its_outcome(
    library: Library, folder: Path, made_film: films.Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(made_film.path, folder / "made.mp4")
    real = read_film

    def sometimes(path: Path, **options: Any) -> Any:
        if path.name == "colours.mp4":
            raise ZeroDivisionError("surprise")
        return real(path, **options)

    monkeypatch.setattr(ingest_module, "read_film", sometimes)
    summary = library.ingest(folder)
    assert statuses(summary) == {"colours.mp4": "failed", "made.mp4": "added"}
    assert "ZeroDivisionError" in (summary.outcomes[0].reason or "")


def test_an_encoder_that_cannot_be_loaded_is_no_fault_of_a_file(
    library: Library, folder: Path
) -> None:
    def load() -> Any:
        raise InvalidInputError("no such checkpoint")

    with pytest.raises(InvalidInputError, match="no such checkpoint"):
        library.ingest(folder, load_encoder=load)
    assert library.catalog.videos() == []


def test_a_file_that_grows_is_not_stored(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = read_film

    def grow(path: Path, **options: Any) -> Any:
        film = real(path, **options)
        with path.open("ab") as file:
            file.write(b"more")
        return film

    monkeypatch.setattr(ingest_module, "read_film", grow)
    summary = library.ingest(folder)
    assert statuses(summary) == {"colours.mp4": "failed"}
    assert "changed" in (summary.outcomes[0].reason or "")
    assert library.catalog.videos() == []


def test_bad_calls(library: Library, tmp_path: Path, folder: Path) -> None:
    for at_once in (0, 65):
        with pytest.raises(InvalidInputError, match="1 to 64"):
            library.ingest(folder, at_once=at_once)
    with pytest.raises(NotFoundError):
        library.ingest(tmp_path / "missing")
    with pytest.raises(InvalidInputError):
        library.ingest(folder, shots="slow")
    with pytest.raises(InvalidInputError, match="sync"):
        library.ingest(folder, detector="magic")


def test_links_in_circles_are_left_out(library: Library, folder: Path) -> None:
    (folder / "self.mp4").symlink_to("self.mp4")
    (folder / "around").symlink_to("around")
    (folder / "loop").symlink_to(".", target_is_directory=True)
    summary = library.ingest(folder)
    assert statuses(summary)["colours.mp4"] == "added"
    assert statuses(summary)["self.mp4"] == "skipped"
    assert summary.count("added") == 1


def test_the_sound_of_each_shot_is_embedded_in_the_same_reading(
    library: Library, made_film: films.Film, colour_film: films.Film, monkeypatch: Any
) -> None:
    decoded: list[int] = []
    real = audio.decode_mono

    def counted(path: Path, *, sample_rate_hz: int, **options: Any) -> Any:
        decoded.append(sample_rate_hz)
        return real(path, sample_rate_hz=sample_rate_hz, **options)

    monkeypatch.setattr(listening, "decode_mono", counted)
    encoder = FakeSoundEncoder()
    library.ingest(made_film.path, colour_film.path, load_sound_encoder=lambda: encoder)
    assert decoded == [16_000]
    made, mute = library.catalog.videos()
    stored = library.catalog.shot_sounds(encoder.id, made.video_id)
    assert stored.shot_ids.tolist() == [
        shot.shot_id for shot in library.catalog.shots(made.video_id)
    ]
    assert stored.has_sound.all()
    direct = encoder.encode_sounds([films.tone(1.0)[::3].copy()], 16_000)
    np.testing.assert_allclose(stored.vectors, np.repeat(direct, 4, axis=0), atol=0.05)
    assert not library.catalog.shot_sounds(encoder.id, mute.video_id).has_sound.any()
    assert library.catalog.sound_prints(made.video_id)
    assert library.catalog.videos_without_sounds() == []


def test_a_film_from_before_sounds_is_read_again(library: Library, made_film: films.Film) -> None:
    library.ingest(made_film.path)
    assert [video.name for video in library.catalog.videos_without_sounds()] == ["made.mp4"]
    assert statuses(library.ingest(made_film.path)) == {"made.mp4": "unchanged"}
    again = library.ingest(made_film.path, load_sound_encoder=FakeSoundEncoder)
    assert statuses(again) == {"made.mp4": "replaced"}
    again = library.ingest(made_film.path, load_sound_encoder=FakeSoundEncoder)
    assert statuses(again) == {"made.mp4": "unchanged"}


def test_another_sound_encoder_is_refused_before_the_work(
    library: Library, made_film: films.Film, bunny: Path
) -> None:
    library.ingest(made_film.path, load_sound_encoder=FakeSoundEncoder)
    other = FakeSoundEncoder()
    other.name = "fake:other/v1"
    before = library.encoder.num_images
    with pytest.raises(EncoderMismatchError, match="sound encoder fake:other/v1"):
        library.ingest(bunny, load_sound_encoder=lambda: other)
    assert library.encoder.num_images == before
