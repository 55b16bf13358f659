import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import films
from tests.retrieval.test_ingest import Library, statuses


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


def test_subtitles_that_come_change_and_go_later_are_noticed(
    library: Library, folder: Path, subtitled_film: Path
) -> None:
    shutil.copy(subtitled_film, folder / "colours2.mkv")
    beside = folder / "colours2.en.srt"

    def texts() -> list[str]:
        video = library.catalog.resolve_video("colours2.mkv")
        lines = library.catalog.subtitles(video.video_id)
        assert video.num_subtitles == len(lines)
        assert library.catalog.problems() == []
        return [line.text for line in lines]

    inside = ["Two bicycles on a street", "两辆自行车"]
    library.ingest(folder)
    encoded = library.encoder.num_images
    assert texts() == inside
    beside.write_text("1\n00:00:00,500 --> 00:00:01,500\nhello there\n")
    os.utime(beside, (0, 0))  # an old file that was brought here
    again = library.ingest(folder)
    assert statuses(again) == {"colours.mp4": "unchanged", "colours2.mkv": "replaced"}
    assert {item.reason for item in again.outcomes} == {None, "only its subtitles: 3 lines now"}
    assert texts() == ["hello there", *inside]
    assert library.catalog.search_subtitles("hello", limit=3)
    assert statuses(library.ingest(folder))["colours2.mkv"] == "unchanged"
    beside.write_text("1\n00:00:00,500 --> 00:00:01,500\ngood evening\n")
    library.ingest(folder)
    assert texts() == ["good evening", *inside]
    assert library.catalog.search_subtitles("hello", limit=3) == []
    beside.unlink()
    (folder / "colours2.mkv").rename(folder / "moved.mkv")
    assert statuses(library.ingest(folder))["moved.mkv"] == "moved"
    lines = library.catalog.subtitles(library.catalog.resolve_video("moved.mkv").video_id)
    assert [line.text for line in lines] == inside
    assert library.encoder.num_images == encoded


def test_a_name_that_is_no_text_does_not_make_lines_new_each_time(
    library: Library, folder: Path
) -> None:
    beside = Path(os.fsdecode(os.fsencode(folder) + b"/colours.\xff.srt"))
    beside.write_text("1\n00:00:00,500 --> 00:00:01,500\nhello there\n")
    library.ingest(folder)
    (video,) = library.catalog.videos()
    assert [line.text for line in library.catalog.subtitles(video.video_id)] == ["hello there"]
    assert statuses(library.ingest(folder)) == {"colours.mp4": "unchanged"}
