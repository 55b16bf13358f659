"""Subtitles beside a film and inside it, in the encodings that people have."""

import shutil
from pathlib import Path

import pytest

from retrieval.media.probe import probe
from retrieval.media.subtitles import decode_text, find_subtitles, sidecar_subtitles
from retrieval.types import Segment

SRT = "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello,</i>\nworld\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\nHello, world\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,not shown\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\b1}Hello,\\Nworld\n"
)


@pytest.mark.parametrize(("suffix", "text"), [("srt", SRT), ("vtt", VTT), ("ass", ASS)])
def test_formats_give_the_same_line(tmp_path: Path, suffix: str, text: str) -> None:
    (tmp_path / f"film.{suffix}").write_text(text)
    lines, problems = sidecar_subtitles(tmp_path / "film.mp4", video_id="v1")
    assert problems == []
    assert [(line.segment, line.text) for line in lines] == [(Segment(1.0, 2.5), "Hello, world")]
    assert lines[0].source == f"file:film.{suffix}"
    assert lines[0].language is None


def test_language_comes_from_the_name_and_other_films_are_left(tmp_path: Path) -> None:
    for name in ("film.en.srt", "film.zh-CN.srt", "film2.srt", "other.srt"):
        (tmp_path / name).write_text(SRT)
    lines, _ = sidecar_subtitles(tmp_path / "film.mp4")
    assert [(line.source, line.language) for line in lines] == [
        ("file:film.en.srt", "en"),
        ("file:film.zh-CN.srt", "zh-CN"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_chinese_encodings(encoding: str) -> None:
    text = "你好,世界。街上有两辆自行车。"
    assert decode_text(text.encode(encoding)) == text


def test_western_text_is_not_taken_for_chinese() -> None:
    text = "Où est-il allé ? Il était là, près de la forêt."
    assert decode_text(text.encode("cp1252")) == text


@pytest.mark.parametrize("content", [b"no subtitles here", b"\x00\xff\x10" * 50, b"1\n00:00 -->"])
def test_unreadable_file_is_a_warning(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "film.srt").write_bytes(content)
    lines, problems = sidecar_subtitles(tmp_path / "film.mp4")
    assert lines == []
    assert len(problems) == 1
    assert "film.srt" in problems[0]


def test_empty_file_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_bytes(b"")
    assert sidecar_subtitles(tmp_path / "film.mp4") == ([], [])


def test_embedded_and_beside(subtitled_film: Path, tmp_path: Path) -> None:
    film = tmp_path / subtitled_film.name
    shutil.copy(subtitled_film, film)
    film.with_suffix(".srt").write_text(SRT)
    lines, problems = find_subtitles(film, probe(film), video_id="v1")
    assert problems == []
    assert lines[0].text == "Hello, world"
    inside = [line for line in lines if line.source.startswith("stream:")]
    assert inside
    assert all(line.segment.duration_seconds > 0 for line in inside)
    assert all("," not in line.text[:3] for line in inside), "ASS fields were not cut off"
