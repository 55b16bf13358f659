"""`sceneprint list`, `info` and `remove`: the library as it stands."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import JsonOption, LibraryOption, open_engine

if TYPE_CHECKING:
    from retrieval.catalog import VectorSet
    from retrieval.engine import Engine, LibraryInfo
    from retrieval.types import Video

__all__ = ["films_text", "info", "list_videos", "remove", "short_ids", "video_json"]

MIN_ID = 8


def list_videos(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the films of the library.

    Example: sceneprint list --library ~/films-library
    """
    from app.cli.output import clock, print_json, print_table

    with open_engine(library=library) as engine:
        videos = engine.videos()
    if as_json:
        print_json([video_json(video) for video in videos])
        return
    if not videos:
        print("the library is empty; add films with `sceneprint ingest PATH`")
        return
    ids = short_ids(videos)
    rows = [
        (
            ids[video.video_id],
            video.name,
            clock(video.duration_seconds),
            f"{video.width}x{video.height}" if video.has_picture else "sound only",
            str(video.num_shots),
            str(video.num_scenes),
        )
        for video in videos
    ]
    headings = [("Id", "left"), ("Film", "fold"), ("Length", "right"), ("Picture", "right")]
    print_table([*headings, ("Shots", "right"), ("Scenes", "right")], rows)  # type: ignore[list-item]


def short_ids(videos: list["Video"]) -> dict[str, str]:
    """The shortest starts of the ids, of one length, that still tell all videos apart."""
    ids = [video.video_id for video in videos]
    longest = max(map(len, ids), default=0)
    length = next(
        (size for size in range(MIN_ID, longest) if len({one[:size] for one in ids}) == len(ids)),
        longest,
    )
    return {one: one[:length] for one in ids}


def video_json(video: "Video") -> dict[str, Any]:
    """A video for `--json`: as over HTTP, and its path."""
    from app.schemas_library import VideoView

    return {**VideoView.of(video).model_dump(mode="json"), "path": str(video.path)}


def info(
    video: Annotated[
        str | None,
        typer.Argument(metavar="[VIDEO]", help="A film: id, start of an id, path or file name."),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the library holds, or the shots of one film.

    Example: sceneprint info bikes.mp4
    """
    with open_engine(library=library) as engine:
        if video is None:
            _library_info(engine.info(), as_json=as_json)
        else:
            _video_info(engine, engine.video(video), as_json=as_json)


def _library_info(state: "LibraryInfo", *, as_json: bool) -> None:
    from app.cli.output import clock, print_json
    from app.schemas_library import VectorSetView

    values: dict[str, Any] = {
        "library": str(state.library),
        "num_videos": state.num_videos,
        "num_shots": state.num_shots,
        "num_scenes": state.num_scenes,
        "num_subtitles": state.num_subtitles,
        "hours": state.hours,
        "size_bytes": state.size_bytes,
        "encoder": None
        if state.encoder is None
        else {
            "name": state.encoder.name,
            "hash": state.encoder.hash,
            "dim": state.encoder.dim,
        },
        "generation": state.generation,
        "index": state.index,
        "index_state": state.index_state,
        "copy_encoder": None if state.copy_encoder is None else state.copy_encoder.name,
        "num_without_copies": state.num_without_copies,
        "sound_encoder": None if state.sound_encoder is None else state.sound_encoder.name,
        "num_without_sounds": state.num_without_sounds,
        "vector_sets": [VectorSetView.of(one).model_dump(mode="json") for one in state.vector_sets],
    }
    if as_json:
        print_json(values)
        return
    _print_pairs(
        ("Library", str(state.library)),
        ("Films", f"{state.num_videos}, {clock(state.hours * 3600)}"),
        ("Shots", f"{state.num_shots} in {state.num_scenes} scenes"),
        ("Subtitles", f"{state.num_subtitles} lines"),
        *(("Encoder" if one.is_used else "Kept too", _set_words(one)) for one in state.vector_sets),
        *([] if state.encoder else [("Encoder", "none yet")]),
        ("Copies", "none yet" if state.copy_encoder is None else state.copy_encoder.name),
        ("Sound", "none yet" if state.sound_encoder is None else state.sound_encoder.name),
        ("Index", state.index),
        ("On disk", f"{state.size_bytes / 1e6:.1f} MB"),
    )
    for count, lack in (
        (state.num_without_copies, "be matched whole"),
        (state.num_without_sounds, "be searched by sound"),
    ):
        if count:
            print(
                f"\n{films_text(count)} from an earlier version cannot {lack}: run `sceneprint "
                "ingest` on their files again"
            )
    for one in state.vector_sets:
        if one.is_used and one.num_missing:
            are = "has" if one.num_missing == 1 else "have"
            print(
                f"\n{films_text(one.num_missing)} {are} no vectors of this encoder, so that no "
                "picture or word finds them: put the\nfiles back and run `sceneprint reindex "
                f"--encoder {one.encoder.spec or one.encoder.name}`"
            )


def films_text(count: int) -> str:
    """A number of films in words: `1 film`, `5 films`."""
    return "1 film" if count == 1 else f"{count} films"


def _set_words(one: "VectorSet") -> str:
    """An encoder and how much the library holds of it."""
    missing = f", {films_text(one.num_missing)} not yet" if one.num_missing else ""
    held = f"{one.num_shots} shots{missing}, {one.size_bytes / 1e6:.1f} MB"
    return f"{one.encoder.name} ({one.encoder.dim}): {held}"


def _print_pairs(*pairs: tuple[str, str]) -> None:
    from retrieval.types import readable

    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        print(f"{name:<{width}}  {readable(value)}")


def _video_info(engine: "Engine", video: "Video", *, as_json: bool) -> None:
    from app.cli.output import print_json, print_table
    from app.schemas_library import SceneView, ShotView

    shots = [ShotView.of_shot(shot, video) for shot in engine.shots(video.video_id)]
    scenes = [SceneView.of_scene(scene, video) for scene in engine.scenes(video.video_id)]
    if as_json:
        values = video_json(video)
        hidden = {"thumbnail_url", "clip_url"}
        values["shots"] = [shot.model_dump(mode="json", exclude=hidden) for shot in shots]
        values["scenes"] = [scene.model_dump(mode="json") for scene in scenes]
        print_json(values)
        return
    _print_video(video)
    rows = [
        (
            str(shot.number),
            str(shot.scene_number),
            shot.start_timecode,
            shot.end_timecode,
            f"{shot.start_frame} – {shot.end_frame}",
            "exact" if shot.is_exact else "sync frame",
        )
        for shot in shots
    ]
    if rows:
        print_table(
            [
                ("Shot", "right"),
                ("Scene", "right"),
                ("Start", "left"),
                ("End", "left"),
                ("Frames", "right"),
                ("Bounds", "left"),
            ],
            rows,
        )


def _print_video(video: "Video") -> None:
    from app.cli.output import clock

    rate = "" if video.frame_rate is None else f", {float(video.frame_rate):g} frames/s"
    picture = f"{video.width}x{video.height} {video.video_codec}{rate}"
    _print_pairs(
        ("Film", video.name),
        ("Id", video.video_id),
        ("Path", str(video.path)),
        ("Length", clock(video.duration_seconds)),
        ("Picture", picture if video.has_picture else "none"),
        ("Sound", video.audio_codec or "none"),
        ("Subtitles", f"{video.num_subtitles} lines"),
        ("Threshold", _threshold(video)),
        *(("Warning", warning) for warning in video.warnings),
    )


def _threshold(video: "Video") -> str:
    if video.match_threshold is None:
        return "none of its own"
    return f"copies are told from a probability of {video.match_threshold:g}"


def remove(
    videos: Annotated[
        list[str],
        typer.Argument(metavar="VIDEO…", help="Films: id, start of an id, path or file name."),
    ],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget films; the files stay where they are.

    Example: sceneprint remove holiday.mp4
    """
    from app.cli.output import print_json

    with open_engine(library=library) as engine:
        found = {engine.video(key).video_id: key for key in videos}
        removed = [engine.remove(video_id) for video_id in found]
    if as_json:
        print_json([video_json(video) for video in removed])
        return
    for video in removed:
        print(f"removed {video.name} ({video.num_shots} shots); the file stays")
