"""Writes the films of an attack benchmark: references as planned, queries with their edits."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

from eval.attacks_edits import EDITS
from eval.attacks_frame import FrameEdit
from eval.attacks_material import Material, Picture, seeded
from eval.attacks_plan import CopyPlan, FilmPlan, QueryPlan
from eval.attacks_scenes import fit, scene_frames
from eval.attacks_sound import RATE_HZ, SOUND_EDITS, film_sound, made_sound, played
from retrieval.media.audio import decode_mono
from retrieval.media.frames import frames_between
from retrieval.types import FloatArray

__all__ = ["write_film", "write_query", "write_reference"]

REF_CRF = 24
_MAKE = {edit.name: edit.make for edit in EDITS}
_SOUND = {edit.name: edit.change for edit in SOUND_EDITS}
_LATE = frozenset({"blurred_sides", "inset", "stacked", "covered", "blend"})
"""Edits that put the copy into another picture: they come after the others of a chain."""


def write_reference(path: Path, plan: FilmPlan, material: Material) -> None:
    """Make a reference."""
    frames = scene_frames(plan.scenes, material, size=plan.size, rate=plan.rate)
    sound = film_sound(plan.scenes, [material.sounds[n] for n in plan.clips], plan.name)
    write_film(path, frames, rate=plan.rate, sound=sound, crf=REF_CRF)


def write_query(path: Path, plan: QueryPlan, references: Path, material: Material) -> None:
    """Make a query from references that are written already.

    Args:
        path: Where to.
        plan: What it shows.
        references: Folder of the references, `<name>.mp4` each.
        material: For the other footage.
    """
    sound = _query_sound(plan, references)
    if plan.is_sound_file:
        write_film(path, (), rate=plan.rate, sound=sound)
        return
    rng = seeded("quality", plan.name)
    frames = _query_frames(plan, references, material)
    write_film(path, frames, rate=plan.rate, sound=sound, crf=int(rng.integers(24, 32)))


def write_film(
    path: Path,
    frames: Iterable[Picture],
    *,
    rate: Fraction,
    sound: FloatArray | None = None,
    crf: int = 26,
) -> None:
    """Encode frames and mono sound; the file appears when it is whole.

    Args:
        path: Where to; the folder exists.
        frames: (H, W, 3) uint8 RGB, all of the size of the first; none for a sound file.
        rate: Frames a second.
        sound: (T,) float32 at `RATE_HZ`.
        crf: Quality of the picture, lower is better.
    """
    part = path.with_name(f".{path.name}.part")
    with av.open(str(part), "w", format="mp4") as out:
        audio = None
        iterator = iter(frames)
        first = next(iterator, None)
        video = None
        if first is not None:
            video = out.add_stream("libx264", rate=rate)
            video.height, video.width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
            video.pix_fmt = "yuv420p"
            video.codec_context.gop_size = 50
            video.options = {"preset": "ultrafast", "crf": str(crf), "threads": "1"}
        if sound is not None:
            audio = out.add_stream("aac", rate=RATE_HZ, layout="mono")
            audio.bit_rate = 64_000
        if video is not None and first is not None:
            _encode_frames(out, video, first, iterator, rate)
        if audio is not None and sound is not None:
            _encode_sound(out, audio, sound)
    part.replace(path)


def _encode_frames(
    out: OutputContainer,
    video: "av.VideoStream",
    first: Picture,
    rest: Iterator[Picture],
    rate: Fraction,
) -> None:
    number, image = 0, first
    while True:
        if image.shape[:2] != (video.height, video.width):
            image = fit(image, (video.width, video.height))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = number, 1 / rate
        out.mux(video.encode(frame))
        following = next(rest, None)
        if following is None:
            break
        number, image = number + 1, following
    out.mux(video.encode(None))


def _encode_sound(out: OutputContainer, audio: "av.AudioStream", sound: FloatArray) -> None:
    for start in range(0, len(sound), 1024):
        chunk = np.ascontiguousarray(sound[None, start : start + 1024], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, start
        frame.time_base = Fraction(1, RATE_HZ)
        out.mux(audio.encode(frame))
    out.mux(audio.encode(None))


# --- queries


def _query_frames(plan: QueryPlan, references: Path, material: Material) -> Iterator[Picture]:
    """Frames of the query; edits of the frame itself go over the other footage too."""
    others = scene_frames(plan.other.scenes, material, size=plan.other.size, rate=plan.rate)
    shown, end = 0, 0.0
    edits = {id(copy): _frame_edits(copy, plan.name) for copy in plan.copies}
    whole_film = edits[id(plan.copies[0])] if len(plan.copies) == 1 else []
    for part in plan.parts:
        start = end
        end += part.timeline.seconds if isinstance(part, CopyPlan) else part
        count = round(end * plan.rate) - shown
        moments = [float((shown + number) / plan.rate) for number in range(count)]
        shown += count
        if isinstance(part, CopyPlan) and part.has_picture:
            pictures = _copied(part, references, [moment - start for moment in moments])
            for moment, image in zip(moments, pictures, strict=True):
                other = next(others)
                yield _edited(fit(image, plan.other.size), moment, other, edits[id(part)])
        else:
            for moment in moments:
                yield _edited(next(others), moment, None, whole_film)


def _frame_edits(copy: CopyPlan, seed: str) -> list[FrameEdit]:
    uses = sorted(copy.edits, key=lambda use: use.name in _LATE)
    return [
        _MAKE[use.name](use.strength, seeded("edit", seed, copy.ref, use.name))
        for use in uses
        if use.name in _MAKE
    ]


def _edited(
    image: Picture, seconds: float, other: Picture | None, edits: list[FrameEdit]
) -> Picture:
    for edit in edits:
        if other is not None and other.shape != image.shape:
            other = fit(other, (image.shape[1], image.shape[0]))
        image = edit(image, seconds, other)
    return image


def _copied(copy: CopyPlan, references: Path, moments: list[float]) -> Iterator[Picture]:
    """The reference's frame at each moment of the copy."""
    wanted = [copy.timeline.at(moment) for moment in moments]
    if not wanted:
        return
    low, high = max(0.0, min(wanted) - 0.5), max(wanted) + 0.5
    times: list[float] = []
    frames: list[av.VideoFrame] = []
    for frame in frames_between(references / f"{copy.ref}.mp4", low, high):
        times.append(frame.seconds)
        packed = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
        frames.append(packed.reformat(format="yuv420p"))  # half the memory
    for moment in wanted:
        place = max(0, bisect_right(times, moment + 1e-6) - 1)
        yield np.asarray(frames[place].to_ndarray(format="rgb24"), dtype=np.uint8)


def _query_sound(plan: QueryPlan, references: Path) -> FloatArray:
    """The query's sound: made sound, and the references' where it is copied."""
    sound = made_sound(plan.seconds, f"{plan.name}-other")
    end = 0.0
    for part in plan.parts:
        start = end
        end += part.timeline.seconds if isinstance(part, CopyPlan) else part
        if not isinstance(part, CopyPlan) or part.sound == "replaced":
            continue
        first = round(start * RATE_HZ)
        length = min(round(end * RATE_HZ), len(sound)) - first
        if part.sound == "muted":
            sound[first : first + length] = 0.0
        else:
            copied = _copied_sound(part, references, plan.name)
            sound[first : first + length] = np.pad(copied, (0, max(0, length - len(copied))))[
                :length
            ]
    return sound


def _copied_sound(copy: CopyPlan, references: Path, seed: str) -> FloatArray:
    chunks = list(decode_mono(references / f"{copy.ref}.mp4", sample_rate_hz=RATE_HZ))
    sound = played(np.concatenate(chunks), copy.timeline)
    for use in copy.edits:
        if use.name in _SOUND:
            sound = _SOUND[use.name](sound, use.strength, seeded("sound-edit", seed, use.name))
    return sound
