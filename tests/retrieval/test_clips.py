import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.clips import cached_clip
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.media.probe import probe
from retrieval.types import Segment, Video
from tests import films


@pytest.fixture
def video(made_film: films.Film, tmp_path: Path) -> Video:
    path = tmp_path / "film.mp4"
    shutil.copy(made_film.path, path)
    return Video("v1", path, 1, 1, 8.0, "mp4", video_codec="h264")


def counting(calls: list[Segment]) -> Callable[[Path, Segment, Path], Path]:
    def cut(path: Path, segment: Segment, out: Path) -> Path:
        calls.append(segment)
        out.write_bytes(b"x" * 100)
        return out

    return cut


def test_a_clip_is_playable_and_cut_once(video: Video, tmp_path: Path) -> None:
    clip = cached_clip(video, Segment(2.0, 5.0), cache=tmp_path / "cache")
    info = probe(clip)
    assert info.duration_seconds == pytest.approx(3.0, abs=0.2)
    assert info.video_codec == "h264"
    written = clip.stat().st_ino
    assert cached_clip(video, Segment(2.0, 5.0), cache=tmp_path / "cache").stat().st_ino == written


def test_a_clip_ends_with_its_film(video: Video, tmp_path: Path) -> None:
    calls: list[Segment] = []
    cached_clip(video, Segment(7.0, 9.0), cache=tmp_path / "cache", cut=counting(calls))
    assert calls == [Segment(7.0, 8.0)]


def test_the_cache_is_bounded_and_forgets_the_unused(video: Video, tmp_path: Path) -> None:
    calls: list[Segment] = []
    cache, cut = tmp_path / "cache", counting(calls)
    clips = []
    for number in range(3):
        clip = cached_clip(
            video, Segment(number, number + 1.0), cache=cache, max_bytes=300, cut=cut
        )
        os.utime(clip, (number, number))
        clips.append(clip)
    cached_clip(video, Segment(0.0, 1.0), cache=cache, max_bytes=300, cut=cut)  # used again
    cached_clip(video, Segment(5.0, 6.0), cache=cache, max_bytes=300, cut=cut)
    assert [clip.exists() for clip in clips] == [True, False, True]
    assert len(calls) == 4


@pytest.mark.parametrize("segment", [Segment(3.0, 3.0), Segment(8.0, 9.0)])
def test_segments_outside(video: Video, tmp_path: Path, segment: Segment) -> None:
    with pytest.raises(InvalidInputError, match="part of it"):
        cached_clip(video, segment, cache=tmp_path / "cache")


def test_long_segments_and_lost_files(video: Video, tmp_path: Path) -> None:
    long = Video("v2", video.path, 1, 1, 1000.0, "mp4", video_codec="h264")
    with pytest.raises(InvalidInputError, match="at most 120 s"):
        cached_clip(long, Segment(0.0, 500.0), cache=tmp_path / "cache")
    video.path.unlink()
    with pytest.raises(NotFoundError, match="ingest"):
        cached_clip(video, Segment(0.0, 1.0), cache=tmp_path / "cache")
