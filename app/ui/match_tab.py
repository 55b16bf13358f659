"""The Match tab: a suspect goes in, copied segments of the library come out, side by side."""

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from app.templating import MAX_CLIP_SECONDS
from app.ui import render
from app.ui.options import UiOptions
from app.ui.parts import ANY_FILM, QUICK, Tab, check_upload, film_choice, fragment, video_extensions
from app.ui.work import Done, Stops, notify, run
from retrieval.engine import Engine
from retrieval.types import Match, Segment

__all__ = ["build_match"]


@dataclass(frozen=True)
class _Found:
    """What the last comparison of a page found, kept for playing."""

    suspect: Path
    matches: tuple[Match, ...]


@dataclass
class _SuspectClips:
    """Cut segments of suspects in the interface's own folder; the oldest go first."""

    folder: Path
    max_clips: int = 24
    _clips: deque[Path] = field(default_factory=deque)

    def cut(self, suspect: Path, segment: Segment) -> str:
        """Cut a segment of the suspect; returns its URL relative to the page."""
        from retrieval.media.clip import cut_clip

        end = min(segment.end_seconds, segment.start_seconds + MAX_CLIP_SECONDS)
        self.folder.mkdir(parents=True, exist_ok=True)
        out = self.folder / f"suspect-{secrets.token_urlsafe(16)}.mp4"
        cut_clip(suspect, Segment(segment.start_seconds, end), out)
        self._clips.append(out)
        while len(self._clips) > self.max_clips:
            self._clips.popleft().unlink(missing_ok=True)
        return f"gradio_api/file={quote(str(out))}"


def build_match(engine: Engine, options: UiOptions, *, stops: Stops, folder: Path) -> Tab:
    """Lay out the tab; returns what of it follows the library.

    Args:
        engine: The one door.
        options: What the interface may do.
        stops: Switches of the work that this tab starts.
        folder: Where uploads live and cut suspects may be written.
    """
    clips = _SuspectClips(folder / "suspects")
    found = gr.State(None)
    with gr.Row():
        with gr.Column(scale=3, min_width=280):
            suspect = gr.File(
                label="Suspect film", file_types=video_extensions(), height=160, elem_id="suspect"
            )
        with gr.Column(scale=4, min_width=280):
            with gr.Row():
                min_score = gr.Slider(0, 1, value=0.5, step=0.01, label="Lowest score")
                min_seconds = gr.Slider(0.5, 30, value=2, step=0.5, label="Shortest copy (s)")
            film = film_choice(engine, label="Compare with")
        with gr.Column(scale=1, min_width=120):
            button = gr.Button("Find copies", variant="primary", elem_id="match-go")
    results = fragment(_start(engine), "work.js", "matches.js", elem_id="match-results")
    pair = fragment("", "pair.js", elem_id="match-pair")

    def match(
        path: str | None, score: float, seconds: float, film: str, request: gr.Request
    ) -> Iterator[Any]:
        yield from _match(engine, options, stops, (path, score, seconds, film), request)

    def play(kept: _Found | None, event: gr.EventData) -> str:
        return _play(kept, event._data.get("index"), clips)

    started = gr.on([button.click], render.waiting, None, results, **QUICK)
    started.then(
        match,
        [suspect, min_score, min_seconds, film],
        [results, pair, found],
        api_visibility="private",
        concurrency_id="heavy",
        concurrency_limit=1,
        show_progress="hidden",
    )
    results.stop(stops.stop, None, None, queue=False, api_visibility="private")
    results.select(play, [found], [pair], api_visibility="private", show_progress="minimal")
    return Tab(film, results, lambda: _start(engine))


def _match(
    engine: Engine,
    options: UiOptions,
    stops: Stops,
    given: tuple[str | None, float, float, str],
    request: gr.Request,
) -> Iterator[tuple[str, str, _Found | None]]:
    path, min_score, min_seconds, film = given
    if path is None:
        gr.Info("Choose a film first: the suspect in which to look for copies.", title="No suspect")
        yield _start(engine), "", None
        return
    suspect = Path(path)
    try:
        check_upload(suspect, engine, options)
        reports = run(
            lambda progress, should_stop: engine.match(
                suspect,
                min_score=min_score,
                min_seconds=min_seconds,
                video=None if film == ANY_FILM else film,
                progress=progress,
                should_stop=should_stop,
            ),
            stops.start(request.session_hash),
        )
        for report in reports:
            if isinstance(report, Done):
                yield _matches(engine, suspect, list(report.value.matches))
            else:
                yield render.progress(report), "", None
    except Exception as error:
        notify(error)
        yield render.empty("Not compared", "The notice says why."), "", None


def _matches(engine: Engine, suspect: Path, matches: list[Match]) -> tuple[str, str, _Found | None]:
    if not matches:
        text = f"No part of the library's films was found in {suspect.name}."
        return render.empty("No copies found", text, icon="done"), "", None
    table = render.matches(matches, query_seconds=_duration_seconds(engine, suspect))
    return table, "", _Found(suspect, tuple(matches))


def _duration_seconds(engine: Engine, suspect: Path) -> float:
    from retrieval.media.probe import probe

    return probe(suspect, limits=engine.limits).duration_seconds


def _play(found: _Found | None, index: object, clips: _SuspectClips) -> str:
    if found is None or not isinstance(index, int) or not 0 <= index < len(found.matches):
        gr.Info("Find copies again: this list is no longer current.", title="Out of date")
        return ""
    match = found.matches[index]
    try:
        return render.pair(match, query_src=clips.cut(found.suspect, match.query_segment))
    except Exception as error:
        notify(error)
        return ""


def _start(engine: Engine) -> str:
    if engine.videos():
        return render.empty(
            "Has anything been copied?",
            "Choose a suspect film: every segment of your films that it holds is listed here, "
            "with both places and the speed it was played at.",
            icon="copies",
        )
    return render.empty(
        "The library is empty", "Add your own films in the Library tab first.", icon="add"
    )
