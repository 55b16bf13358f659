"""The Search tab: text, still, clip and sound, alone or together; hits that play their segment."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.ui import render
from app.ui.options import UiOptions
from app.ui.parts import ANY_FILM, Tab, film_choice, fragment, sound_extensions, video_extensions
from app.ui.work import notify
from retrieval.engine import Engine

__all__ = ["build_search"]

EXAMPLES = ("a parked bicycle", "an animal in the grass", "街上的汽车")


def build_search(engine: Engine, options: UiOptions) -> Tab:
    """Lay out the tab; returns what of it follows the library."""
    with gr.Row(elem_classes="sp-ask"):
        text = gr.Textbox(
            placeholder="Describe a scene, or words that are spoken in it — in any language",
            show_label=False,
            container=False,
            max_length=1000,
            max_lines=1,
            autofocus=True,
            scale=8,
            elem_id="search-text",
        )
        button = gr.Button("Search", variant="primary", scale=1, min_width=110, elem_id="search-go")
    with gr.Row(elem_classes="sp-examples"):
        examples = [gr.Button(example, size="sm", min_width=0) for example in EXAMPLES]
    with gr.Accordion("Search by picture, clip or sound, and options", open=False), gr.Row():
        image = gr.Image(
            label="Still", type="numpy", sources=["upload", "clipboard"], height=190, buttons=[]
        )
        clip = gr.File(
            label="Example clip", file_types=video_extensions(), height=190, elem_id="search-clip"
        )
        sound = gr.File(
            label="Example sound",
            file_types=sound_extensions(),
            height=190,
            elem_id="search-sound",
        )
        with gr.Column(min_width=260):
            film = film_choice(engine)
            with gr.Row():
                unit = gr.Radio(
                    [("Shots", "shot"), ("Scenes", "scene")], value="shot", label="Find", scale=2
                )
                k = gr.Slider(1, 60, value=12, step=1, label="How many", scale=3)
            min_score = gr.Slider(
                0,
                1,
                value=0,
                step=0.01,
                label="Lowest score",
                info="0 shows everything; scores are small when several ways of asking are fused",
            )
    results = fragment(_start(engine), "hits.js", elem_id="search-results")

    def search(*values: Any) -> str:
        return _search(engine, *values)

    inputs = [text, image, clip, sound, k, min_score, film, unit]
    gr.on(
        [button.click, text.submit],
        search,
        inputs,
        results,
        api_visibility="private",
        concurrency_limit=4,
        show_progress="minimal",
    )
    for example in examples:
        example.click(lambda value=example.value: value, None, text, api_visibility="private").then(
            search, inputs, results, api_visibility="private", show_progress="minimal"
        )
    return Tab(film, results, lambda: _start(engine))


def _search(
    engine: Engine,
    text: str,
    image: NDArray[np.uint8] | None,
    clip: str | None,
    sound: str | None,
    k: float,
    min_score: float,
    film: str,
    unit: Any,
) -> str:
    if not text.strip() and image is None and clip is None and sound is None:
        return render.empty(
            "Nothing to look for yet", "Type a description, or add a still, clip or sound."
        )
    try:
        hits = engine.search(
            text=text.strip() or None,
            image=image,
            clip=None if clip is None else Path(clip),
            sound=None if sound is None else Path(sound),
            k=int(k),
            min_score=min_score or None,
            video=None if film == ANY_FILM else film,
            unit=unit,
        )
    except Exception as error:
        notify(error)
        return render.empty("No search was made", "The notice says why.")
    if not hits:
        return _no_hits(engine, min_score)
    return render.hits(hits)


def _no_hits(engine: Engine, min_score: float) -> str:
    if not engine.videos():
        return _start(engine)
    advice = "Lower the lowest score, or describe" if min_score else "Describe"
    return render.empty("No scene found", f"{advice} the scene in other words.")


def _start(engine: Engine) -> str:
    if engine.videos():
        return render.empty("Search your films", "Try one of the examples above.")
    return render.empty(
        "The library is empty", "Add films in the Library tab, then search them here.", icon="add"
    )
