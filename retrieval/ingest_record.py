"""One file's record for the catalog, out of what was read of it and heard in it."""

from dataclasses import dataclass
from pathlib import Path

from retrieval.catalog import VideoRecord
from retrieval.listening import HeardSound
from retrieval.media.info import MediaInfo
from retrieval.media.subtitles import find_subtitles
from retrieval.reading import Film
from retrieval.scenes import group_scenes, longest_shot
from retrieval.sound_print import PRINT_VERSION
from retrieval.types import EncoderId, ShotMode, Video

__all__ = ["FileTask", "make_record"]


@dataclass(frozen=True)
class FileTask:
    """A file that is not known by its place, size and time."""

    path: Path
    size_bytes: int
    modified_ns: int
    info: MediaInfo


def make_record(
    task: FileTask,
    film: Film,
    sound: HeardSound,
    *,
    video_id: str,
    encoders: tuple[EncoderId, EncoderId, EncoderId | None],
    mode: ShotMode,
) -> VideoRecord:
    """Join what reading and listening gave of a file.

    Args:
        task: The file.
        film: What was seen.
        sound: What was heard.
        video_id: Its id, from its content.
        encoders: Of search, copies and sound; None for a sound that nothing embedded.
        mode: How its shots were found.
    """
    info = film.info
    warnings = list(film.warnings)
    if not info.has_picture:
        warnings.append("no film in it: only its sound and subtitles can be used")
    subtitles, problems = find_subtitles(task.path, info, video_id=video_id)
    shots, scenes = group_scenes(film.shots, film.shot_vectors)
    windows = sound.windows
    video = Video(
        video_id=video_id,
        path=task.path,
        size_bytes=task.size_bytes,
        modified_ns=task.modified_ns,
        duration_seconds=info.duration_seconds,
        container=info.container,
        width=info.width,
        height=info.height,
        rotation_degrees=info.rotation_degrees,
        frame_rate=info.frame_rate,
        video_codec=info.video_codec,
        audio_codec=info.audio_codec,
        sample_rate_hz=info.sample_rate_hz,
        shot_mode=mode,
        warnings=(*warnings, *problems, *sound.warnings),
    )
    return VideoRecord(
        video=video,
        shots=shots,
        scenes=scenes,
        subtitles=subtitles,
        thumbnails=film.thumbnails,
        shot_vectors=film.shot_vectors if len(film.shot_vectors) else None,
        frame_times=film.frame_times if len(film.frame_times) else None,
        frame_vectors=film.frame_copies if len(film.frame_copies) else None,
        encoder=encoders[0] if len(film.shot_vectors) else None,
        copy_encoder=encoders[1] if info.has_picture else None,
        sound_print=sound.sound_print,
        sound_print_version=PRINT_VERSION if info.audio_codec is not None else None,
        shot_sounds=None if windows is None else windows.by_segment([s.segment for s in shots]),
        sound_encoder=encoders[2] if windows is not None else None,
        scene_keyframes=[longest_shot(shots, scene) for scene in scenes],
    )
