"""The Match tab: a suspect goes in, copied segments of the library come out, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from app.files import write_whole
from app.match_evidence import gather_evidence
from app.match_formats import vsc_csv
from app.match_report import match_report
from app.matching import Asked
from app.templating import MAX_CLIP_SECONDS
from app.ui import render
from app.ui.kept_files import KeptFiles
from app.ui.options import UiOptions
from app.ui.parts import (
    ANY_FILM,
    QUICK,
    Tab,
    check_suspect,
    film_choice,
    fragment,
    suspect_extensions,
)
from app.ui.work import Done, Stops, notify, run
from retrieval.engine import Engine
from retrieval.types import Match, MatchResult, Segment

__all__ = ["build_match"]


@dataclass(frozen=True)
class _Found:
    """What the last comparison of a page found, kept for playing and saving."""

    asked: Asked
    result: MatchResult


def build_match(engine: Engine, options: UiOptions, *, stops: Stops, folder: Path) -> Tab:
    """Lay out the tab; returns what of it follows the library.

    Args:
        engine: The one door.
        options: What the interface may do.
        stops: Switches of the work that this tab starts.
        folder: Where uploads live and what is made of them may be written.
    """
    files = KeptFiles(folder / "suspects")
    found = gr.State(None)
    with gr.Row():
        with gr.Column(scale=3, min_width=280):
            suspect = gr.File(
                label="Suspect film, sound or still",
                file_types=suspect_extensions(),
                height=160,
                elem_id="suspect",
            )
        with gr.Column(scale=4, min_width=280):
            with gr.Row():
                min_score = gr.Slider(0, 1, value=0.5, step=0.01, label="Lowest probability")
                min_seconds = gr.Slider(0.5, 30, value=2, step=0.5, label="Shortest copy (s)")
            film = film_choice(engine, label="Compare with")
        with gr.Column(scale=1, min_width=120):
            button = gr.Button("Find copies", variant="primary", elem_id="match-go")
            uses_banks = gr.Checkbox(True, label="Leave out what the banks know")
    results = fragment(_start(engine), "work.js", "matches.js", elem_id="match-results")
    with gr.Row(visible=False, elem_classes="sp-downloads") as downloads:
        table = gr.DownloadButton("Save as CSV", size="sm", elem_id="match-csv")
        draw = gr.Button("Make an evidence report", size="sm", elem_id="match-report-go")
        page = gr.DownloadButton(
            "Save the report", size="sm", variant="primary", visible=False, elem_id="match-report"
        )
    working = fragment("", "work.js", elem_id="match-working")
    pair = fragment("", "pair.js", elem_id="match-pair")
    evidence = fragment("", elem_id="match-evidence")
    outputs = [results, pair, evidence, found, downloads, table, page]

    def match(
        path: str | None,
        score: float,
        seconds: float,
        film: str,
        banks: bool,
        request: gr.Request,
    ) -> Iterator[Any]:
        asked = Asked(score, seconds, None if film == ANY_FILM else film, None if banks else ())
        yield from _match(engine, options, stops, path, asked, files, request)

    def play(kept: _Found | None, event: gr.EventData) -> Iterator[Any]:
        yield from _play(engine, kept, event._data.get("index"), files)

    def report(kept: _Found | None, request: gr.Request) -> Iterator[Any]:
        yield from _report(engine, stops, kept, files, request)

    heavy: dict[str, Any] = {
        "api_visibility": "private",
        "concurrency_id": "heavy",
        "concurrency_limit": 1,
        "show_progress": "hidden",
    }
    started = gr.on([button.click], render.waiting, None, results, **QUICK)
    started.then(match, [suspect, min_score, min_seconds, film, uses_banks], outputs, **heavy)
    drawing = gr.on([draw.click], render.waiting, None, working, **QUICK)
    drawing.then(report, [found], [working, page], **heavy)
    for part in (results, working):
        part.stop(stops.stop, None, None, queue=False, api_visibility="private")
    results.select(
        play, [found], [pair, evidence], api_visibility="private", show_progress="minimal"
    )
    return Tab(film, results, lambda: _start(engine))


def _match(
    engine: Engine,
    options: UiOptions,
    stops: Stops,
    path: str | None,
    asked: Asked,
    files: KeptFiles,
    request: gr.Request,
) -> Iterator[Any]:
    if path is None:
        gr.Info("Choose a film first: the suspect in which to look for copies.", title="No suspect")
        yield _shown(_start(engine))
        return
    suspect = Path(path)
    try:
        check_suspect(suspect, engine, options)
        reports = run(
            lambda progress, should_stop: engine.match(
                suspect,
                min_score=asked.min_score,
                min_seconds=asked.min_seconds,
                video=asked.video,
                banks=asked.banks,
                progress=progress,
                should_stop=should_stop,
            ),
            stops.start(request.session_hash),
        )
        for progress in reports:
            if isinstance(progress, Done):
                yield _results(_Found(asked, progress.value), files)
            else:
                yield _shown(render.progress(progress))
    except Exception as error:
        notify(error)
        yield _shown(render.empty("Not compared", "The notice says why."))


def _shown(results: str, kept: _Found | None = None, table: str | None = None) -> tuple[Any, ...]:
    """The outputs of a match: all but the results empty where nothing was kept."""
    return (
        results,
        "",
        "",
        kept,
        gr.Row(visible=kept is not None),
        gr.DownloadButton(value=table),
        gr.DownloadButton(visible=False),
    )


def _results(found: _Found, files: KeptFiles) -> tuple[Any, ...]:
    result = found.result
    if not result.matches:
        return _shown(render.no_matches(result, result.query_path.name))
    table = files.path(f"{_stem(result)}.csv")
    write_whole(table, vsc_csv(result.matches))
    return _shown(render.matches(result), found, str(table))


def _stem(result: MatchResult) -> str:
    return f"copies in {result.query_path.stem[:80]}"


def _play(
    engine: Engine, found: _Found | None, index: object, files: KeptFiles
) -> Iterator[tuple[Any, Any]]:
    """Show the players at once, and the evidence when it is drawn."""
    matches = () if found is None else found.result.matches
    if found is None or not isinstance(index, int) or not 0 <= index < len(matches):
        gr.Info("Find copies again: this list is no longer current.", title="Out of date")
        yield "", ""
        return
    match, is_still = matches[index], found.result.query_seconds == 0
    try:
        pair = "" if is_still else render.pair(match, query_src=_cut(match, files))
        yield pair, render.drawing()
        evidence = gather_evidence(engine, found.result, match)
        yield gr.skip(), render.pair_evidence(match, evidence)
    except Exception as error:
        notify(error)
        yield gr.skip(), ""


def _cut(match: Match, files: KeptFiles) -> str:
    """Cut the segment of the suspect; returns its URL relative to the page."""
    from retrieval.media.clip import cut_clip

    segment = match.query_segment
    end = min(segment.end_seconds, segment.start_seconds + MAX_CLIP_SECONDS)
    out = files.path("suspect.mp4")
    cut_clip(match.query_path, Segment(segment.start_seconds, end), out)
    return f"gradio_api/file={quote(str(out))}"


def _report(
    engine: Engine, stops: Stops, found: _Found | None, files: KeptFiles, request: gr.Request
) -> Iterator[tuple[Any, Any]]:
    if found is None:
        gr.Info("Find copies again: this list is no longer current.", title="Out of date")
        yield "", gr.skip()
        return
    try:
        reports = run(
            lambda progress, should_stop: match_report(
                engine,
                [found.result],
                settings=found.asked.facts,
                progress=progress,
                should_stop=should_stop,
            ),
            stops.start(request.session_hash),
        )
        for progress in reports:
            if isinstance(progress, Done):
                out = write_whole(files.path(f"{_stem(found.result)}.html"), progress.value)
                yield "", gr.DownloadButton(value=str(out), visible=True)
            else:
                yield render.progress(progress), gr.skip()
    except Exception as error:
        notify(error)
        yield "", gr.skip()


def _start(engine: Engine) -> str:
    if engine.videos():
        return render.empty(
            "Has anything been copied?",
            "Choose a suspect film: every segment of your films that it holds is listed here, "
            "with both places, the speed it was played at and what was done to it.",
            icon="copies",
        )
    return render.empty(
        "The library is empty", "Add your own films in the Library tab first.", icon="add"
    )
