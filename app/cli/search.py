"""`sceneprint search`: shots or scenes by words, still, clip and sound."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.options import (
    DeviceOption,
    EncoderOption,
    JsonOption,
    LibraryOption,
    RuntimeOption,
    SoundEncoderOption,
    open_engine,
)

if TYPE_CHECKING:
    from retrieval.engine import Engine
    from retrieval.types import Hit, Provenance

__all__ = ["found_by", "hit_json", "search"]


def search(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Words, in English, Chinese …")
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", "-i", metavar="FILE", help="A still to look like.")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option("--clip", "-c", metavar="FILE", help="A clip to look like.")
    ] = None,
    sound: Annotated[
        Path | None,
        typer.Option("--sound", "-s", metavar="FILE", help="A sound, or film, to sound like."),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="Number of hits.")] = 10,
    min_score: Annotated[
        float | None, typer.Option("--min-score", help="Leave out hits below this score.")
    ] = None,
    video: Annotated[
        str | None,
        typer.Option("--video", metavar="VIDEO", help="Only in this film (id, path or name)."),
    ] = None,
    unit: Annotated[
        Literal["shot", "scene"], typer.Option("--unit", help="What a hit is.")
    ] = "shot",
    thumbnails: Annotated[
        Path | None,
        typer.Option("--thumbnails", metavar="DIR", help="Save the hits' pictures there."),
    ] = None,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    sound_encoder: SoundEncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find shots or scenes by words, a still, a clip and a sound.

    Several at once are fused. Words also search the subtitles, and with a CLAP encoder the sound.

    Example: sceneprint search "two bicycles on a street" --unit scene
    """
    from app.cli.output import print_json

    picture = None
    if image is not None:
        from app.pictures import read_picture

        picture = read_picture(image)
    with open_engine(
        library=library,
        encoder=encoder,
        sound_encoder=sound_encoder,
        runtime=runtime,
        device=device,
    ) as engine:
        hits = engine.search(
            text=text,
            image=picture,
            clip=clip,
            sound=sound,
            k=k,
            min_score=min_score,
            video=video,
            unit=unit,
        )
        saved = [] if thumbnails is None else _save_thumbnails(engine, hits, thumbnails)
    if as_json:
        views = [hit_json(hit) for hit in hits]
        for view, path in zip(views, saved, strict=False):
            view["thumbnail"] = None if path is None else str(path)
        print_json(views)
    else:
        _print_hits(hits)


def hit_json(hit: "Hit") -> dict[str, Any]:
    """A hit for `--json`: as over HTTP, with the film's path in place of the links."""
    from app.schemas import HitView

    view = HitView.of_hit(hit).model_dump(mode="json", exclude={"thumbnail_url", "clip_url"})
    return {**view, "video_path": str(hit.video.path)}


def _save_thumbnails(engine: "Engine", hits: list["Hit"], folder: Path) -> list[Path | None]:
    """Write one JPEG a hit, `001-….jpg` in the order of the hits."""
    folder.mkdir(parents=True, exist_ok=True)
    saved: list[Path | None] = []
    for number, hit in enumerate(hits, start=1):
        path = folder / f"{number:03d}-{hit.video.path.stem}-{hit.unit}{hit.number}.jpg"
        if hit.shot_id:
            path.write_bytes(engine.thumbnail(hit.shot_id))
        saved.append(path if hit.shot_id else None)
    return saved


def _print_hits(hits: list["Hit"]) -> None:
    from app.cli.output import print_table, range_text

    if not hits:
        print("no hits; try other words, or a lower --min-score")
        return
    rows = [
        (
            str(number),
            f"{hit.score:.3f}",
            hit.video.name,
            f"{hit.unit} {hit.number}",
            range_text(hit.start_timecode, hit.end_timecode),
            "\n".join(found_by(item) for item in hit.provenance),
        )
        for number, hit in enumerate(hits, start=1)
    ]
    print_table(
        [
            ("", "right"),
            ("Score", "right"),
            ("Film", "fold"),
            ("", "left"),
            ("Time", "left"),
            ("Found by", "fold"),
        ],
        rows,
    )


def found_by(item: "Provenance") -> str:
    """Say where a hit came from: `picture #1`, `subtitle #2 “…”`."""
    via = f" ({item.query})" if item.query not in ("", "text") else ""
    line = f" “{item.text}”" if item.text else ""
    return f"{item.modality} #{item.rank}{via}{line}"
