"""The Library tab: what is in the library, adding films with progress, removing them again."""

import filecmp
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui import render
from app.ui.options import UiOptions
from app.ui.parts import QUICK, check_upload, fragment, video_extensions
from app.ui.work import Done, Stops, notify, run
from retrieval.engine import Engine
from retrieval.errors import NotFoundError, SceneprintError
from retrieval.types import ShotMode

__all__ = ["build_library"]

SUBTITLES = (".srt", ".vtt", ".ass")


def build_library(engine: Engine, options: UiOptions, *, stops: Stops) -> gr.HTML:
    """Lay out the tab; returns its table, which changes whenever the library does."""
    with gr.Column():
        if options.may_change:
            adding = _adding(engine, options, stops)
        confirm = _confirm() if options.may_change else None
        table = fragment(library_table(engine), "library.js", elem_id="library")
    if confirm is not None:
        _removing(engine, table, confirm)
        adding.then(lambda: library_table(engine), None, table, api_visibility="private")
    return table


def library_table(engine: Engine) -> str:
    """The table of films, or what to do when there are none."""
    if engine.videos():
        return render.library(engine)
    return render.empty(
        "No films yet",
        "Drop films above; their shots can be searched as soon as they are read.",
        icon="add",
    )


def _adding(engine: Engine, options: UiOptions, stops: Stops) -> Any:
    with gr.Row():
        uploads = gr.File(
            label="Films to add",
            file_count="multiple",
            file_types=[*video_extensions(), *SUBTITLES],
            height=150,
            scale=4,
            elem_id="library-uploads",
        )
        with gr.Column(scale=4, min_width=280):
            path = gr.Textbox(
                label="Or a file or folder of this machine",
                placeholder="/films/archive",
                max_length=4096,
                visible=options.accepts_paths,
                elem_id="library-path",
            )
            shots = gr.Radio(
                [("Fast", "fast"), ("Precise cuts", "precise")], value="fast", label="Reading"
            )
        with gr.Column(scale=1, min_width=120):
            button = gr.Button("Add films", variant="primary", elem_id="library-go")
    status = fragment("", "work.js", elem_id="library-status")

    def ingest(
        files: list[str] | None, typed: str, shots: ShotMode, request: gr.Request
    ) -> Iterator[Any]:
        typed = typed.strip() if options.accepts_paths else ""
        yield from _ingest(
            engine, options, stops, (files or [], typed, shots), request.session_hash
        )

    status.stop(stops.stop, None, None, queue=False, api_visibility="private")
    started = gr.on([button.click, path.submit], render.waiting, None, status, **QUICK)
    return started.then(
        ingest,
        [uploads, path, shots],
        [status, uploads],
        api_visibility="private",
        concurrency_id="heavy",
        concurrency_limit=1,
        show_progress="hidden",
    )


def _ingest(
    engine: Engine,
    options: UiOptions,
    stops: Stops,
    given: tuple[Sequence[str], str, ShotMode],
    session: str | None,
) -> Iterator[tuple[str, Any]]:
    files, typed, shots = given
    if not files and not typed:
        gr.Info("Drop films here or type the path of a file or folder.", title="Nothing to add")
        yield "", gr.skip()
        return
    try:
        for file in files:
            if Path(file).suffix.lower() not in SUBTITLES:
                check_upload(Path(file), engine, options)
        paths = kept(files, engine.library / "uploads") + ([_typed(typed)] if typed else [])
        reports = run(
            lambda progress, should_stop: engine.ingest(
                paths, shots=shots, progress=progress, should_stop=should_stop
            ),
            stops.start(session),
        )
        for report in reports:
            if isinstance(report, Done):
                yield render.outcomes(report.value), None
            else:
                yield render.progress(report), gr.skip()
    except Exception as error:
        notify(error)
        yield "", gr.skip()


def _typed(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.exists():
        raise NotFoundError(f"there is no file or folder {text}; give a path of this machine")
    return path


def kept(files: Sequence[str], folder: Path) -> list[Path]:
    """Move uploads to where the library keeps them, under names that are safe and free."""
    places = []
    for file in files:
        folder.mkdir(parents=True, exist_ok=True)
        source = Path(file)
        target = folder / safe_name(source.name)
        if not (target.exists() and filecmp.cmp(source, target, shallow=False)):
            target = _free(target)
            shutil.move(source, target)
        places.append(target)
    return places


def safe_name(name: str) -> str:
    """Make a visible file name of letters, digits, dots, dashes and spaces, at most 120 long."""
    stem, dot, suffix = name.rpartition(".")
    stem, suffix = (stem, suffix) if dot else (suffix, "")
    clean = re.sub(r"[^\w .-]+", "_", stem).strip(" .")[:100] or "film"
    return f"{clean}.{re.sub(r'[^A-Za-z0-9]', '', suffix)[:16]}".rstrip(".")


def _free(target: Path) -> Path:
    number, free = 1, target
    while free.exists():
        number += 1
        free = target.with_stem(f"{target.stem} {number}")
    return free


@dataclass(frozen=True)
class _Confirm:
    """The question before a film is removed; it is hidden until asked."""

    row: gr.Row
    question: gr.Markdown
    keep: gr.Button
    remove: gr.Button
    chosen: gr.State


def _confirm() -> _Confirm:
    with gr.Row(visible=False, elem_classes="sp-confirm", elem_id="library-confirm") as row:
        question = gr.Markdown()
        keep = gr.Button("Keep it", size="sm")
        remove = gr.Button("Remove", variant="stop", size="sm", elem_id="remove-yes")
    return _Confirm(row, question, keep, remove, gr.State(""))


def _removing(engine: Engine, table: gr.HTML, confirm: _Confirm) -> None:
    def ask(event: gr.EventData) -> tuple[Any, Any, str]:
        try:
            video = engine.video(str(event._data.get("video_id", "")))
        except SceneprintError as error:
            notify(error)
            return gr.Row(visible=False), "", ""
        text = "This forgets its shots and subtitles; the file itself stays where it is."
        name = re.sub(r"([\\`*_{}\[\]<>#|!$~&])", r"\\\1", video.name)
        return gr.Row(visible=True), f"**Remove {name}?** {text}", video.video_id

    def forget(video_id: str) -> tuple[Any, str, str]:
        try:
            video = engine.remove(video_id)
            gr.Info(escape(f"{video.name} was removed."), title="Removed")
        except Exception as error:
            notify(error)
        return gr.Row(visible=False), library_table(engine), ""

    row, chosen = confirm.row, confirm.chosen
    table.select(ask, None, [row, confirm.question, chosen], api_visibility="private")
    confirm.remove.click(forget, chosen, [row, table, chosen], api_visibility="private")
    confirm.keep.click(
        lambda: (gr.Row(visible=False), ""), None, [row, chosen], api_visibility="private"
    )
