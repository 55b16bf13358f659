"""Films made for tests, with content that is known by construction.

Every shot is a textured picture of its own colours that drifts and carries a moving block, so
that neighbouring frames differ a little and neighbouring shots differ a lot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import SubtitleSet
from av.video.stream import VideoStream
from numpy.typing import NDArray

Image = NDArray[np.uint8]

COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 180, 60),
    "blue": (40, 70, 200),
    "yellow": (210, 200, 50),
    "dark": (25, 25, 30),
    "bright": (235, 235, 235),
}


@dataclass(frozen=True)
class Film:
    """A made film and what is true about it."""

    path: Path
    cuts: tuple[float, ...]
    """Seconds of every cut, without the start and the end."""
    duration_seconds: float
    frame_rate: Fraction


def textured(seed: int, width: int, height: int) -> Image:
    """A smooth random picture, larger than the frame so that it can drift."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(30, 225, 3)
    coarse = rng.normal(0, 45, (height // 16 + 3, width // 16 + 3, 3)) + base
    big = np.kron(coarse, np.ones((20, 20, 1)))[: height + 32, : width + 32]
    kernel = np.ones(9) / 9

    def smooth(line: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.convolve(line, kernel, "same")

    for axis in (0, 1):
        big = np.apply_along_axis(smooth, axis, big)
    return np.clip(big + rng.normal(0, 4, big.shape), 0, 255).astype(np.uint8)


def moving_shot(seed: int, num_frames: int, *, size: tuple[int, int] = (192, 108)) -> list[Image]:
    """A drifting texture with a block that crosses it."""
    width, height = size
    big = textured(seed, width, height)
    block = 255 - big[:24, :24].mean(axis=(0, 1)).astype(np.uint8)
    images = []
    for number in range(num_frames):
        dx, dy = _back_and_forth(number, 32), _back_and_forth(number // 2, 32)
        image = big[dy : dy + height, dx : dx + width].copy()
        left = _back_and_forth(seed * 37 + number * 2, width - 24)
        top = (seed * 53) % (height - 24)
        image[top : top + 24, left : left + 24] = block
        images.append(image)
    return images


def _back_and_forth(number: int, limit: int) -> int:
    """0, 1, … limit, limit - 1, … 0, 1, …: movement without a jump."""
    place = number % (2 * limit)
    return min(place, 2 * limit - place)


def flat_shot(
    colour: str | tuple[int, int, int], num_frames: int, *, size: tuple[int, int] = (192, 108)
) -> list[Image]:
    """One colour that never moves."""
    value = COLOURS[colour] if isinstance(colour, str) else colour
    image = np.full((size[1], size[0], 3), value, np.uint8)
    return [image] * num_frames


def letterboxed(images: Sequence[Image], *, bar: int) -> list[Image]:
    """Black bars over the top and bottom `bar` rows."""
    result = []
    for image in images:
        boxed = image.copy()
        boxed[:bar] = 0
        boxed[len(boxed) - bar :] = 0
        result.append(boxed)
    return result


def tone(
    seconds: float, *, hertz: float = 440.0, sample_rate_hz: int = 48_000
) -> NDArray[np.float32]:
    """A sine of amplitude 0.5, (T,) float32."""
    times = np.arange(int(seconds * sample_rate_hz)) / sample_rate_hz
    return (0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def write_film(
    path: Path,
    images: Sequence[Image],
    *,
    rate: int | Fraction = 25,
    gop: int = 50,
    scene_cut: bool = False,
    codec: str = "libx264",
    sound: NDArray[np.float32] | None = None,
    sample_rate_hz: int = 48_000,
    times: Sequence[float] | None = None,
    rotation_degrees: int = 0,
    pixel_aspect: tuple[int, int] = (1, 1),
    pixel_format: str = "yuv420p",
    subtitles: Sequence[tuple[float, float, str]] = (),
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode images (and a tone, and text) as a film.

    Args:
        path: Where to; the extension chooses the container.
        images: The pictures in order.
        rate: Frames per second.
        gop: Longest distance between two sync frames in frames.
        scene_cut: Whether the encoder may place sync frames on cuts.
        codec: Video encoder.
        sound: (T,) float32 mono samples.
        sample_rate_hz: Of the sound.
        times: Seconds of each picture, for a variable frame rate.
        rotation_degrees: Clockwise turn that makes the film upright, stored as a flag.
        pixel_aspect: Width and height of a pixel.
        pixel_format: What the encoder gets.
        subtitles: (start, end, text) of an embedded stream.
        options: More options of the video encoder.
        container_options: Options of the muxer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", container_options=container_options or {}) as out:
        video = cast(VideoStream, out.add_stream(codec, rate=Fraction(rate)))
        video.width, video.height = images[0].shape[1], images[0].shape[0]
        video.pix_fmt = pixel_format
        video.codec_context.sample_aspect_ratio = Fraction(*pixel_aspect)
        base = Fraction(1, 90_000) if times is not None else 1 / Fraction(rate)
        video.codec_context.time_base = base
        video.codec_context.gop_size = gop
        video.codec_context.options = (
            ({"preset": "veryfast", "crf": "20"} if codec == "libx264" else {})
            | ({} if scene_cut else {"sc_threshold": "0"})
            | (options or {})
        )
        if rotation_degrees:
            video.set_display_rotation(-rotation_degrees)
        audio = None
        if sound is not None:
            audio = out.add_stream("aac", rate=sample_rate_hz)
            audio.layout = "mono"
        text = _text_stream(out, path) if subtitles else None
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number if times is None else round(times[number] / base)
            frame.time_base = base
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None and sound is not None:
            _mux_sound(out, audio, sound, sample_rate_hz)
        if text is not None:
            _mux_text(out, text, subtitles)
    return path


def _mux_sound(
    out: OutputContainer,
    stream: AudioStream,
    sound: NDArray[np.float32],
    sample_rate_hz: int,
) -> None:
    for start in range(0, len(sound), 1024):
        chunk = np.ascontiguousarray(sound[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate = sample_rate_hz
        frame.pts = start
        frame.time_base = Fraction(1, sample_rate_hz)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


_ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\nPlayResX: 384\r\nPlayResY: 288\r\n\r\n"
    b"[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize\r\nStyle: Default,Arial,16\r\n\r\n"
    b"[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect,"
    b" Text\r\n"
)


def _text_stream(out: OutputContainer, path: Path) -> SubtitleStream:
    codec = "mov_text" if path.suffix in (".mp4", ".mov") else "subrip"
    stream = cast(SubtitleStream, out.add_stream(codec))
    stream.codec_context.subtitle_header = _ASS_HEADER
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.time_base = Fraction(1, 1000)
    return stream


def _mux_text(
    out: OutputContainer,
    stream: SubtitleStream,
    lines: Sequence[tuple[float, float, str]],
) -> None:
    for number, (start, end, text) in enumerate(lines):
        dialogue = f"{number},0,Default,,0,0,0,,{text}".encode()
        item = SubtitleSet.create(dialogue, 0, round((end - start) * 1000), round(start * 1e6))
        packet = stream.codec_context.encode_subtitle(item)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        packet.time_base = Fraction(1, 1000)
        packet.stream = stream
        out.mux(packet)


def film_with_cuts(
    path: Path,
    lengths: Sequence[int],
    *,
    rate: int | Fraction = 25,
    size: tuple[int, int] = (192, 108),
    seed: int = 1,
    **options: object,
) -> Film:
    """A film of textured moving shots with the given lengths in frames."""
    images: list[Image] = []
    for number, length in enumerate(lengths):
        images += moving_shot(seed * 100 + number, length, size=size)
    write: Callable[..., Path] = write_film
    write(path, images, rate=rate, **options)
    ends = np.cumsum(lengths)[:-1]
    return Film(
        path=path,
        cuts=tuple(float(end / Fraction(rate)) for end in ends),
        duration_seconds=float(len(images) / Fraction(rate)),
        frame_rate=Fraction(rate),
    )


def write_sound(path: Path, sound: NDArray[np.float32], *, sample_rate_hz: int = 48_000) -> Path:
    """Encode (T,) float32 mono samples as a file without film."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as out:
        stream = out.add_stream("aac", rate=sample_rate_hz)
        stream.layout = "mono"
        _mux_sound(out, stream, sound, sample_rate_hz)
    return path


def write_cover_art(path: Path, sound: NDArray[np.float32]) -> Path:
    """A sound file with a still that decorates it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = textured(5, 64, 64)[:64, :64]
    with av.open(path, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48_000)
        stream.layout = "mono"
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = 0
        out.mux(cover.encode(frame))
        out.mux(cover.encode())
        _mux_sound(out, stream, sound, 48_000)
    return path
