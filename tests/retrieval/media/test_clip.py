"""Cut clips are playable, as long as asked and show the asked part."""

from pathlib import Path

import av
import numpy as np
import pytest

from retrieval.errors import InvalidInputError, NotMediaError
from retrieval.media.clip import cut_clip
from retrieval.media.frames import frame_at
from retrieval.media.probe import probe
from retrieval.types import Segment
from tests import films


def test_clip_shows_the_segment(world: Path, tmp_path: Path) -> None:
    clip = cut_clip(world, Segment(10.0, 13.0), tmp_path / "clip.mp4")
    info = probe(clip)
    assert (info.video_codec, info.audio_codec) == ("h264", "aac")
    assert info.duration_seconds == pytest.approx(3.0, abs=0.15)
    assert info.height <= 720
    shown = frame_at(clip, 1.0, max_side=64).image.astype(float)
    wanted = frame_at(world, 11.0, max_side=64).image.astype(float)
    assert np.abs(shown - wanted).mean() < 6


def test_sound_keeps_its_place(tmp_path: Path) -> None:
    sound = np.concatenate([films.tone(1.0, hertz=500), films.tone(1.0, hertz=2000)])
    film = films.write_film(tmp_path / "film.mp4", films.moving_shot(1, 50), sound=sound)
    clip = cut_clip(film, Segment(0.5, 1.5), tmp_path / "clip.mp4")
    with av.open(str(clip)) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    heard = np.concatenate(parts)
    early, late = heard[9_600:14_400], heard[33_600:38_400]
    assert np.argmax(np.abs(np.fft.rfft(early))) * 10 == 500
    assert np.argmax(np.abs(np.fft.rfft(late))) * 10 == 2000


def test_sound_alone(audio_only: Path, tmp_path: Path) -> None:
    info = probe(cut_clip(audio_only, Segment(0.2, 0.8), tmp_path / "clip.mp4"))
    assert not info.has_picture
    assert info.duration_seconds == pytest.approx(0.6, abs=0.1)


def test_rotated_film_plays_upright(tmp_path: Path) -> None:
    turned = films.write_film(
        tmp_path / "turned.mp4", films.moving_shot(1, 25), rotation_degrees=90
    )
    info = probe(cut_clip(turned, Segment(0.0, 0.5), tmp_path / "clip.mp4"))
    assert (info.width, info.height, info.rotation_degrees) == (108, 192, 0)


@pytest.mark.parametrize("segment", [Segment(1, 1), Segment(0, 121)])
def test_length_out_of_range(world: Path, tmp_path: Path, segment: Segment) -> None:
    with pytest.raises(InvalidInputError, match="segment"):
        cut_clip(world, segment, tmp_path / "clip.mp4")


def test_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    text = tmp_path / "note.mp4"
    text.write_text("not a film")
    with pytest.raises(NotMediaError):
        cut_clip(text, Segment(0, 1), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == [text]
