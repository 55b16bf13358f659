"""Every kind of odd file has one clear outcome."""

import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval.errors import CorruptMediaError, MediaLimitError, NotFoundError, NotMediaError
from retrieval.media.limits import MediaLimits
from retrieval.media.probe import probe
from tests import films


def test_film_with_sound(made_film: films.Film) -> None:
    info = probe(made_film.path)
    assert (info.width, info.height, info.rotation_degrees) == (192, 108, 0)
    assert info.frame_rate == 25
    assert info.duration_seconds == pytest.approx(8.0, abs=0.05)
    assert (info.video_codec, info.audio_codec, info.sample_rate_hz) == ("h264", "aac", 48_000)
    assert info.has_picture
    assert info.has_sound
    assert info.warnings == ()


def test_real_film(bikes: Path) -> None:
    info = probe(bikes)
    assert (info.width, info.height) == (640, 272)
    assert info.frame_rate == 25
    assert info.duration_seconds == pytest.approx(10.0)
    assert not info.has_sound


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_flag(turn: int, tmp_path: Path) -> None:
    upright = films.moving_shot(1, 5)
    coded = [np.ascontiguousarray(np.rot90(image, turn // 90)) for image in upright]
    info = probe(films.write_film(tmp_path / "turned.mp4", coded, rotation_degrees=turn))
    assert info.rotation_degrees == turn
    assert (info.width, info.height) == (192, 108)


def test_sound_alone(audio_only: Path) -> None:
    info = probe(audio_only)
    assert not info.has_picture
    assert (info.width, info.frame_rate, info.video_codec) == (0, None, None)
    assert info.duration_seconds == pytest.approx(3.0, abs=0.1)


def test_subtitle_stream(subtitled_film: Path) -> None:
    streams = probe(subtitled_film).subtitle_streams
    assert [item.is_text for item in streams] == [True]


def test_cover_art_is_no_film(tmp_path: Path) -> None:
    info = probe(films.write_cover_art(tmp_path / "song.m4a", films.tone(2.0)))
    assert not info.has_picture
    assert info.has_sound
    assert [item.is_cover_art for item in info.streams] == [False, True]


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.6, 1.9]
    path = films.write_film(tmp_path / "vfr.mkv", films.moving_shot(1, 5), times=times)
    info = probe(path)
    assert info.has_picture
    assert info.duration_seconds == pytest.approx(1.9, abs=0.3)


def test_film_without_times_is_measured(tmp_path: Path) -> None:
    path = films.write_film(tmp_path / "raw.h264", films.moving_shot(1, 50))
    info = probe(path)
    assert info.duration_seconds == pytest.approx(2.0)
    assert info.frame_rate == Fraction(25)


def test_film_that_ends_early_is_said(tmp_path: Path) -> None:
    whole = films.write_film(
        tmp_path / "whole.mp4",
        films.moving_shot(1, 200),
        container_options={"movflags": "+faststart"},
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "ends early" in probe(cut).warnings[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"This is a shopping list.\n" * 20),
        ("noise.mkv", bytes(range(256)) * 40),
        ("playlist.m3u8", b"#EXTM3U\n#EXTINF:2,\n/etc/passwd\n#EXT-X-ENDLIST\n"),
        ("playlist.mp4", b"#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1/a.ts\n#EXT-X-ENDLIST\n"),
        ("script.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("subtitles.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"),
    ],
)
def test_not_media(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(NotMediaError, match=name):
        probe(path)


def test_playlist_of_real_films_is_refused(made_film: films.Film, tmp_path: Path) -> None:
    shutil.copy(made_film.path, tmp_path / "film.mp4")
    script = tmp_path / "list.ffconcat"
    script.write_text("ffconcat version 1.0\nfile film.mp4\n")
    with pytest.raises(NotMediaError):
        probe(script)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif.mp4"])
def test_renamed_picture(suffix: str, tmp_path: Path) -> None:
    kind = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}.get(suffix, "PNG")
    path = tmp_path / f"film{suffix}"
    Image.fromarray(films.moving_shot(1, 1)[0]).save(path, kind)
    renamed = path.rename(tmp_path / "film.mp4")
    with pytest.raises(NotMediaError, match=r"film\.mp4"):
        probe(renamed)


def test_film_without_its_index(made_film: films.Film, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(made_film.path.read_bytes()[:20_000])
    with pytest.raises(CorruptMediaError, match="damaged or incomplete"):
        probe(path)


def test_film_of_damaged_pictures(tmp_path: Path) -> None:
    path = films.write_film(tmp_path / "film.mp4", films.moving_shot(1, 20))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - start)
    path.write_bytes(data)
    with pytest.raises(CorruptMediaError):
        probe(path)


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        probe(tmp_path / "nothing.mp4")
    with pytest.raises(NotMediaError, match="not a regular file"):
        probe(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(NotMediaError, match="not a regular file"):
        probe(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/a.mp4", "concat:a.mp4|b.mp4", "pipe:0"])
def test_addresses_are_only_names_of_files(name: str) -> None:
    with pytest.raises(NotFoundError):
        probe(Path(name))


def test_name_that_looks_like_a_protocol(
    made_film: films.Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(made_film.path, tmp_path / "concat:a%03d.mp4")
    assert probe(Path("concat:a%03d.mp4")).has_picture


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (MediaLimits(max_bytes=1000), "max_bytes"),
        (MediaLimits(max_duration_seconds=5.0), "max_duration_seconds"),
        (MediaLimits(max_pixels=192 * 107), "max_pixels"),
        (MediaLimits(max_streams=1), "max_streams"),
    ],
)
def test_limits(limits: MediaLimits, message: str, made_film: films.Film) -> None:
    with pytest.raises(MediaLimitError, match=message):
        probe(made_film.path, limits=limits)


def test_limits_check_themselves() -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        MediaLimits(max_pixels=0)
    assert MediaLimits(max_decode_seconds=10, max_decode_ratio=2).decode_budget_seconds(5) == 20


def test_huge_declared_pictures(tmp_path: Path) -> None:
    """A header that promises 60,000 x 60,000 pixels costs nothing."""
    path = films.write_film(
        tmp_path / "huge.avi", films.moving_shot(1, 3), codec="mjpeg", pixel_format="yuvj420p"
    )
    data = bytearray(path.read_bytes())
    place = data.index(b"strf") + 12
    data[place : place + 8] = (60_000).to_bytes(4, "little") * 2
    path.write_bytes(data)
    with pytest.raises((MediaLimitError, CorruptMediaError)):
        probe(path, limits=MediaLimits(max_pixels=1000))


def test_libav_is_silent(made_film: films.Film, tmp_path: Path, capfd: object) -> None:
    assert isinstance(capfd, pytest.CaptureFixture)
    path = tmp_path / "broken.mp4"
    path.write_bytes(made_film.path.read_bytes()[:20_000])
    with pytest.raises(CorruptMediaError):
        probe(path)
    assert capfd.readouterr() == ("", "")
