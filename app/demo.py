"""`sceneprint demo`: real footage into a library, then every verb once, in the shell and a report.

A second run finds its films unchanged and only asks again.
"""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.progress import shown_progress
from app.demo_footage import Footage, collect_footage
from app.report import FilmLabels, QueryHits, Report, write_report
from app.templating import clock
from retrieval.engine import Engine
from retrieval.labels import parse_labels
from retrieval.types import Hit, IngestSummary, Match, Video

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.encoders.runtime import Device

__all__ = ["LABELS", "QUERIES", "run_demo"]

QUERIES = (
    "a parked bicycle",
    "a big grey rabbit on green grass",
    "a man in a suit with a red bow tie",
    "a glowing ball in the night",
    "街上的汽车",
)
"""Four in English and one in Chinese (cars in the street)."""

LABELS = (
    "cars on a street, an animal in the grass, a person sitting inside a car, "
    "a glowing ball in the dark"
)
TITLE_CARD = "a.mp4"
"""Words on a plain ground: it shows no scene, so no label is right for it."""

HITS = 3


def run_demo(
    out: Path,
    *,
    encoder: "PictureTextEncoder | str" = "builtin",
    index: str = "faiss",
    runtime: str = "auto",
    device: "Device" = "cpu",
    console: Console | None = None,
) -> Path:
    """Run the demo into the folder `out`; returns the report's path.

    Raises:
        MissingDependencyError: The extra `demo` is not installed.
    """
    console = console or Console()
    footage = collect_footage(out / "footage")
    with Engine(
        out / "library", encoder=encoder, index=index, runtime=runtime, device=device, create=True
    ) as engine:
        summary = _ingest(engine, footage, console)
        engine.warm_up()
        queries = _search(engine, footage, console)
        matches, suspect_seconds = _match(engine, footage, console)
        labels = _classify(engine, console)
        report = Report(
            title="Sceneprint demo",
            facts=_facts(engine, summary),
            queries=queries,
            suspect=footage.suspect.name,
            suspect_seconds=suspect_seconds,
            matches=matches,
            labels=labels,
            next_steps=_next_steps(out, footage),
            shots={video.video_id: _shot_ids(engine, video) for video in engine.videos()},
        )
        path = write_report(out / "report.html", report, thumbnail=engine.thumbnail)
    console.print(f"\n[bold]Report[/]  {escape(str(path))}", soft_wrap=True)
    for command, purpose in report.next_steps:
        console.print(f"  [dim]{escape(purpose)}:[/]\n  {escape(command)}", soft_wrap=True)
    return path


def _ingest(engine: Engine, footage: Footage, console: Console) -> IngestSummary:
    console.print("[bold]Ingest[/]  [dim]shots, keyframes, embeddings[/]")
    with shown_progress() as report:
        summary = engine.ingest([footage.films], progress=report)
    names = {video.video_id: video for video in engine.videos()}
    table = _table("film", ">length", ">shots", "outcome")
    for outcome in summary.outcomes:
        video = names.get(outcome.video_id or "")
        length, shots = (clock(video.duration_seconds), str(video.num_shots)) if video else ("", "")
        told = outcome.status if outcome.reason is None else f"{outcome.status}: {outcome.reason}"
        table.add_row(escape(outcome.name), length, shots, escape(told))
    console.print(table)
    return summary


def _search(engine: Engine, footage: Footage, console: Console) -> list[QueryHits]:
    console.print("\n[bold]Search[/]  [dim]by words, then by an example clip[/]")
    found = []
    for text in QUERIES:
        start = time.perf_counter()
        hits = engine.search(text=text, k=HITS)
        found.append(QueryHits(text, "words", hits, time.perf_counter() - start))
    start = time.perf_counter()
    hits = engine.search(clip=footage.example, k=HITS)
    found.append(QueryHits(footage.example.name, "clip", hits, time.perf_counter() - start))
    table = _table("query", "best hit", "where", ">score", ">ms")
    for query in found:
        table.add_row(escape(query.query), *_best(query.hits), f"{1000 * query.seconds:.0f}")
    console.print(table)
    return found


def _best(hits: Sequence[Hit]) -> tuple[str, str, str]:
    if not hits:
        return "nothing", "", ""
    best = hits[0]
    where = f"{clock(best.segment.start_seconds)} – {clock(best.segment.end_seconds)}"
    return escape(best.video.name), where, f"{best.score:.3f}"


def _match(engine: Engine, footage: Footage, console: Console) -> tuple[list[Match], float]:
    from retrieval.media.probe import probe

    name = footage.suspect.name
    console.print(f"\n[bold]Match[/]  [dim]what of the library is copied in {escape(name)}?[/]")
    with shown_progress() as report:
        matches = list(engine.match(footage.suspect, progress=report).matches)
    table = _table(f"in {name}", "film", "in the film", ">speed", ">score")
    for match in matches:
        query, ref = match.query_segment, match.ref_segment
        table.add_row(
            f"{clock(query.start_seconds)} – {clock(query.end_seconds)}",
            escape(match.ref_video.name),
            f"{clock(ref.start_seconds)} – {clock(ref.end_seconds)}",
            f"{match.speed_ratio:.2f} ×",
            f"{match.score:.3f}",
        )
    console.print(table if matches else "  no copies found")
    return matches, probe(footage.suspect, limits=engine.limits).duration_seconds


def _classify(engine: Engine, console: Console) -> list[FilmLabels]:
    console.print("\n[bold]Classify[/]  [dim]zero-shot, each film as a whole[/]")
    groups = [parse_labels(LABELS, name="kind of scene")]
    table = _table("film", "most likely", ">share")
    films = []
    for video in engine.videos():
        if video.name == TITLE_CARD:
            continue
        found = engine.classify(video.video_id, groups=groups, per="video")
        films.append(FilmLabels(video, found))
        best = found[0].best
        table.add_row(escape(video.name), escape(best.label), f"{100 * best.score:.0f} %")
    console.print(table)
    return films


def _facts(engine: Engine, summary: IngestSummary) -> list[tuple[str, str]]:
    info = engine.info()
    facts = [
        ("Films", str(info.num_videos)),
        ("Footage", clock(info.hours * 3600)),
        ("Shots", str(info.num_shots)),
        ("Encoder", info.encoder.name if info.encoder else "none"),
    ]
    seconds = sum(outcome.media_seconds for outcome in summary.outcomes)
    if summary.count("added") and summary.wall_seconds > 0:
        speed = (
            f"{seconds / summary.wall_seconds:.0f} × real time, first use of the encoder included"
        )
        facts.append(("Ingest", speed))
    return facts


def _next_steps(out: Path, footage: Footage) -> list[tuple[str, str]]:
    program, library = _program(), shlex.quote(str(out / "library"))
    suspect = shlex.quote(str(footage.suspect))
    return [
        (
            f"{program} serve --library {library}",
            "Open the interface at http://127.0.0.1:8000 (from a checkout also: "
            f'make serve SERVE_ARGS="--library {library}")',
        ),
        (f"{program} search 'cars on a road' --library {library}", "Search in the shell"),
        (f"{program} match {suspect} --library {library}", "Look for copies in a film"),
    ]


def _program() -> str:
    """How the person started this program: by name, or by the path in its environment."""
    started = Path(sys.argv[0])
    if started.name != "sceneprint" or shutil.which("sceneprint") == str(started.absolute()):
        return "sceneprint"
    return shlex.quote(str(started))


def _shot_ids(engine: Engine, video: Video) -> list[int]:
    return [shot.shot_id for shot in engine.shots(video.video_id)] if video.has_picture else []


def _table(*columns: str) -> Table:
    """Make a table whose columns named with `>` are numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(
            column.removeprefix(">"),
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
        )
    return table
