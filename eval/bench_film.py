"""Makes the film that ingest is timed on: 1080p H.264 with moving textures, grain, cuts and sound.

Nothing is downloaded and every run makes the same pictures, so figures of two machines or two
versions are of the same work. The encoder keeps x264's defaults: a sync frame at each cut and at
least every 250 frames, as in most films on a disk.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from eval.made_sound import music, speech

__all__ = ["FRAME_RATE", "make_bench_film", "shot_lengths"]

FRAME_RATE = 24
SOUND_RATE_HZ = 48_000
_SHOT_SECONDS = (2.0, 7.0)
_GRAIN_FRAMES = 8
_GRAIN_DEVIATION = 2.5
# Coarse to fine. With this much detail over this little grain a sync frame takes about 200 KB, as
# in films; x264 tells a cut from a pan and puts a sync frame at each cut, as it does there.
_DETAILS = ((256, 1.0), (64, 0.5), (16, 0.25), (4, 0.12), (2, 0.05))
Planes = NDArray[np.uint8]


def make_bench_film(
    path: Path, *, seconds: float, width: int = 1920, height: int = 1080, seed: int = 0
) -> Path:
    """Write an MP4 of textured, panning shots of 2 to 7 s, with stereo AAC sound.

    Args:
        path: where; an existing file is replaced.
        seconds: length of the film.
        width: of the picture, even.
        height: of the picture, even.
        seed: of textures, movements and shot lengths.
    """
    rng = np.random.default_rng(seed)
    grain = rng.normal(0.0, _GRAIN_DEVIATION, (_GRAIN_FRAMES, height, width)).astype(np.int8)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE_HZ, layout="stereo")
        frames = (f for n in shot_lengths(seconds, rng) for f in _shot(n, width, height, rng))
        heard = _sound(seconds, seed)
        for number, planes in enumerate(frames):
            if number % FRAME_RATE == 0:  # side by side in the file, as players need them
                container.mux(sound.encode(next(heard)))
            light = planes[:height].astype(np.int16) + grain[number % _GRAIN_FRAMES]
            np.clip(light, 16, 235, out=planes[:height], casting="unsafe")
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        container.mux(sound.encode())
    return path


def _sound(seconds: float, seed: int) -> Iterator[av.AudioFrame]:
    """Music on one side and speech on the other, a second a frame."""
    sides = [made(seconds, seed, rate_hz=SOUND_RATE_HZ) for made in (music, speech)]
    samples = np.stack(sides).astype(np.float32)
    for start in range(0, samples.shape[1], SOUND_RATE_HZ):
        part = np.ascontiguousarray(samples[:, start : start + SOUND_RATE_HZ])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SOUND_RATE_HZ, start
        frame.time_base = Fraction(1, SOUND_RATE_HZ)
        yield frame


def shot_lengths(seconds: float, rng: np.random.Generator) -> list[int]:
    """Split a film into shot lengths in frames; the last shot takes what is left."""
    left = max(1, round(seconds * FRAME_RATE))
    lengths = []
    while left > 0:
        length = min(left, round(float(rng.uniform(*_SHOT_SECONDS)) * FRAME_RATE))
        lengths.append(length)
        left -= length
    return lengths


def _shot(num_frames: int, width: int, height: int, rng: np.random.Generator) -> Iterator[Planes]:
    """Pan a window over one large still: (3H/2, W) uint8 planes of yuv420p a frame."""
    margin = 256
    light = _texture(height + margin, width + margin, (40, 210), rng)
    hues = [_texture((height + margin) // 2, (width + margin) // 2, (90, 166), rng)
            for _ in range(2)]  # fmt: skip
    start, end = rng.integers(0, margin, 2), rng.integers(0, margin, 2)
    for place in np.linspace(0.0, 1.0, num_frames):
        y, x = np.asarray(start + place * (end - start), dtype=np.int64) // 2 * 2
        planes = np.empty((height * 3 // 2, width), dtype=np.uint8)
        planes[:height] = light[y : y + height, x : x + width]
        for hue, rows in zip(hues, np.split(planes[height:], 2), strict=True):
            window = hue[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
            rows[:] = window.reshape(rows.shape)
        yield planes


def _texture(
    height: int, width: int, bounds: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Noise at five sizes, as a picture has: (height, width) uint8 in bounds."""
    total = np.zeros((height, width), dtype=np.float32)
    for size, weight in _DETAILS:
        coarse = rng.random((height // size + 2, width // size + 2), dtype=np.float32)
        total += weight * _enlarge(coarse, size)[:height, :width]
    low, high = bounds
    span = float(np.ptp(total)) or 1.0
    scaled = (total - total.min()) / span * (high - low) + low
    return np.asarray(scaled, dtype=np.uint8)


def _enlarge(coarse: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Enlarge bilinearly by a whole factor, first along the rows, then along the columns."""
    steps = (np.arange(size, dtype=np.float32) / size)[:, None]
    for _ in range(2):
        blend = coarse[:-1, None] * (1 - steps) + coarse[1:, None] * steps
        coarse = np.asarray(blend.reshape(-1, coarse.shape[1]).T, dtype=np.float32)
    return coarse
