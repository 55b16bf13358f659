"""The Classify tab: a still, a film or a film of the library, and scores for label groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.templating import thumbnail_url
from app.ui import render
from app.ui.options import UiOptions
from app.ui.parts import ANY_FILM, QUICK, Tab, check_upload, film_choice, fragment, video_extensions
from app.ui.work import Done, Stops, notify, run
from retrieval.engine import Engine
from retrieval.labels import LabelGroup, builtin_groups, parse_labels
from retrieval.types import Classification

__all__ = ["build_classify"]


@dataclass(frozen=True)
class _Asked:
    """What a page asks to classify."""

    image: NDArray[np.uint8] | None
    upload: str | None
    film: str
    labels: str
    shipped: Sequence[str]
    per: Literal["shot", "video"]

    @property
    def path(self) -> Path | str | None:
        """The film: an upload first, then one of the library."""
        if self.upload is not None:
            return Path(self.upload)
        return None if self.film == ANY_FILM else self.film


def build_classify(engine: Engine, options: UiOptions, *, stops: Stops) -> Tab:
    """Lay out the tab; returns what of it follows the library."""
    names = [(render.group_title(group.name), group.name) for group in builtin_groups()]
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            with gr.Row():
                image = gr.Image(
                    label="Still",
                    type="numpy",
                    sources=["upload", "clipboard"],
                    height=190,
                    buttons=[],
                    elem_id="classify-image",
                )
                upload = gr.File(label="Or a film", file_types=video_extensions(), height=190)
            film = film_choice(engine, label="Or a film of the library", none="None")
        with gr.Column(scale=4, min_width=300):
            labels = gr.Textbox(
                label="Your labels",
                placeholder="street, forest, space",
                info="Separated by commas, in any language; empty: the groups chosen below",
                max_length=2000,
                elem_id="classify-labels",
            )
            shipped = gr.CheckboxGroup(
                names, value=[name for _, name in names], label="Groups that ship"
            )
            with gr.Row():
                per = gr.Radio(
                    [("The whole film", "video"), ("Each shot", "shot")],
                    value="video",
                    label="Scores for",
                    scale=3,
                )
                with gr.Column(scale=1, min_width=120):
                    button = gr.Button("Classify", variant="primary", elem_id="classify-go")
    results = fragment(_start(), "work.js", elem_id="classify-results")

    def classify(
        image: Any, upload: Any, film: Any, labels: Any, shipped: Any, per: Any, request: gr.Request
    ) -> Iterator[str]:
        asked = _Asked(image, upload, film, labels, shipped, per)
        yield from _classify(engine, options, stops, asked, request.session_hash)

    started = gr.on([button.click, labels.submit], render.waiting, None, results, **QUICK)
    started.then(
        classify,
        [image, upload, film, labels, shipped, per],
        results,
        api_visibility="private",
        concurrency_id="heavy",
        concurrency_limit=1,
        show_progress="hidden",
    )
    results.stop(stops.stop, None, None, queue=False, api_visibility="private")
    return Tab(film, results, _start, no_film="None")


def _classify(
    engine: Engine, options: UiOptions, stops: Stops, asked: _Asked, session: str | None
) -> Iterator[str]:
    if asked.image is None and asked.path is None:
        gr.Info("Add a still, upload a film, or choose one of the library.", title="Nothing given")
        yield _start()
        return
    try:
        if asked.image is None and isinstance(asked.path, Path):
            check_upload(asked.path, engine, options)
        groups = _groups(asked)
        reports = run(
            lambda progress, should_stop: engine.classify(
                None if asked.image is not None else asked.path,
                image=asked.image,
                groups=groups,
                per=asked.per,
                progress=progress,
                should_stop=should_stop,
            ),
            stops.start(session),
        )
        for report in reports:
            if isinstance(report, Done):
                yield _labels(engine, asked, report.value)
            else:
                yield render.progress(report)
    except Exception as error:
        notify(error)
        yield render.empty("Not classified", "The notice says why.")


def _groups(asked: _Asked) -> list[LabelGroup]:
    own = [parse_labels(asked.labels, name="your labels")] if asked.labels.strip() else []
    if own:
        return own
    return [group for group in builtin_groups() if group.name in asked.shipped]


def _labels(engine: Engine, asked: _Asked, found: list[Classification]) -> str:
    thumbnails: list[str] = []
    if asked.image is None and isinstance(asked.path, str):
        thumbnails = [thumbnail_url(shot.shot_id) for shot in engine.shots(asked.path)]
    return render.labels(found, titles=asked.image is None, thumbnails=thumbnails)


def _start() -> str:
    return render.empty(
        "What kind of scene is it?",
        "Add a still or choose a film. Type labels of your own, or use the groups that ship: "
        "place, time of day, action and mood.",
        icon="labels",
    )
