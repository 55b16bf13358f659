"""The Label tab: the least certain shots first, a click each, and learning again in seconds."""

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from app.ui import label_cards, render
from app.ui.label_session import LabelSession, Sessions
from app.ui.options import UiOptions
from app.ui.parts import ANY_FILM, QUICK, Tab, film_choice, fragment
from app.ui.work import notify
from retrieval.engine import Engine
from retrieval.label_types import GroupKind

__all__ = ["build_label"]

EVERY = [("Never", 0), ("Every 5 labels", 5), ("Every 10 labels", 10), ("Every 20 labels", 20)]


def build_label(engine: Engine, options: UiOptions, *, tab: gr.Tab, page: gr.Blocks) -> Tab:
    """Lay out the tab; returns what of it follows the library.

    Args:
        engine: The one door.
        options: What the interface may do.
        tab: The tab itself, whose opening refreshes the groups.
        page: Its page, whose end forgets the walk.
    """
    sessions = Sessions()
    with gr.Row(elem_classes="sp-label-bar"):
        group = gr.Dropdown(_groups(engine), value=None, label="Group", elem_id="label-group")
        film = film_choice(engine)
        every = gr.Dropdown(EVERY, value=10, label="Learns by itself", elem_id="label-every")
        learn = gr.Button(
            "Learn again", variant="primary", min_width=130, scale=0, elem_id="label-learn"
        )
    with gr.Accordion("New group, or more classes", open=False, elem_id="label-new") as making:
        name, kind, classes, make = _making()
    status = fragment("", elem_id="label-status")
    card = fragment(_start(engine), "label.js", elem_id="label-card")
    shown = [card, status]

    def open_group(group: str | None, film: str, request: gr.Request) -> tuple[str, str]:
        return _open(engine, sessions, group, film, request.session_hash)

    def answer(event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        return _answer(sessions.get(request.session_hash), event._data)

    def learn_due(every: int, request: gr.Request) -> Iterator[tuple[Any, Any]]:
        walk = sessions.get(request.session_hash)
        if walk is not None and walk.is_due(every):
            yield from _learn(walk)
        else:
            yield gr.skip(), gr.skip()

    def learn_now(request: gr.Request) -> Iterator[tuple[Any, Any]]:
        walk = sessions.get(request.session_hash)
        if walk is None:
            gr.Info("Choose a group of labels first.", title="Nothing to learn")
            yield gr.skip(), gr.skip()
        else:
            yield from _learn(walk)

    def forget(request: gr.Request) -> None:
        sessions.put(request.session_hash, None)

    quick: dict[str, Any] = {**QUICK, "concurrency_limit": 8}
    teaching: dict[str, Any] = {**QUICK, "concurrency_id": "teach", "concurrency_limit": 1}
    gr.on([group.input, film.input], open_group, [group, film], shown, **quick)
    answered = card.select(answer, None, shown, trigger_mode="multiple", **quick)
    answered.then(learn_due, [every], shown, **teaching)
    learn.click(learn_now, None, shown, **teaching)
    made = make.click(
        lambda *given: _make(engine, *given),
        [name, kind, classes],
        [group, name, classes, making],
        **QUICK,
    )
    made.then(open_group, [group, film], shown, **quick)
    tab.select(lambda chosen: _chosen(engine, chosen), group, group, **QUICK)
    page.unload(forget)
    return Tab(film, card, lambda: _start(engine))


def _making() -> tuple[gr.Textbox, gr.Radio, gr.Textbox, gr.Button]:
    with gr.Row(elem_classes="sp-label-bar"):
        name = gr.Textbox(label="Group", placeholder="light", max_length=200, elem_id="label-name")
        classes = gr.Textbox(
            label="Classes",
            placeholder="day, night",
            info="Separated by commas; words that describe them help the first guesses",
            max_length=10_000,
            scale=2,
            elem_id="label-classes",
        )
        kind = gr.Radio(
            [("One at a time", "one_of"), ("Any number", "any_of")],
            value="one_of",
            label="How many hold",
            elem_id="label-kind",
        )
        make = gr.Button("Save group", min_width=130, scale=0, elem_id="label-make")
    return name, kind, classes, make


def _groups(engine: Engine) -> list[tuple[str, str]]:
    return [(group.name, group.name) for group in engine.labels.groups()]


def _chosen(engine: Engine, chosen: str | None) -> gr.Dropdown:
    """The groups of now; the choice stays where its group does."""
    groups = _groups(engine)
    kept = chosen if chosen in [name for _, name in groups] else None
    return gr.Dropdown(choices=groups, value=kept)


def _make(engine: Engine, name: str, kind: GroupKind, classes: str) -> tuple[Any, ...]:
    wanted = [one.strip() for one in classes.replace("，", ",").split(",")]
    try:
        group = engine.label_desk.make_group(
            name.strip(), kind=kind, classes=[one for one in wanted if one]
        )
    except Exception as error:
        notify(error)
        return (gr.skip(),) * 4
    gr.Info(escape(f"{group.name}: {', '.join(group.classes)}"), title="Group saved")
    chosen = gr.Dropdown(choices=_groups(engine), value=group.name)
    return chosen, "", "", gr.Accordion(open=False)


def _open(
    engine: Engine, sessions: Sessions, group: str | None, film: str, session: str | None
) -> tuple[str, str]:
    if not group:
        return _start(engine), ""
    try:
        walk = LabelSession(engine, group, None if film == ANY_FILM else film)
    except Exception as error:
        notify(error)
        return _start(engine), ""
    sessions.put(session, walk)
    return label_cards.card(walk), label_cards.status(walk)


def _answer(walk: LabelSession | None, data: Any) -> tuple[Any, Any]:
    """Do what a button or key asks, where it was about the shot that stands there."""
    if walk is None:
        gr.Info("Choose the group again: this page was away for long.", title="Out of date")
        return gr.skip(), gr.skip()
    with walk.held_still():
        try:
            _act(walk, data)
        except Exception as error:
            notify(error)
            return gr.skip(), gr.skip()
        return label_cards.card(walk), label_cards.status(walk)


def _act(walk: LabelSession, data: dict[str, Any]) -> None:
    here = 0 if walk.current is None else walk.current.shot.shot_id
    if data.get("shot") != here:
        return  # a click that came late: its shot was answered already
    action, index = data.get("action"), data.get("index")
    if action == "say" and isinstance(index, int) and 0 <= index < len(walk.queue.group.classes):
        walk.say(walk.queue.group.classes[index])
    elif action == "skip":
        walk.skip()
    elif action == "undo":
        walk.undo()
    elif action == "show" and isinstance(data.get("to"), int):
        walk.show(data["to"])


def _learn(walk: LabelSession) -> Iterator[tuple[Any, Any]]:
    if walk.queue.missing:
        names = ", ".join(walk.queue.missing)
        gr.Info(escape(f"Label a shot of each class first; none yet: {names}."), title="Not yet")
        yield gr.skip(), gr.skip()
        return
    walk.is_learning = True
    yield gr.skip(), label_cards.status(walk)
    try:
        walk.learn()
    except Exception as error:
        walk.is_learning = False
        notify(error)
    with walk.held_still():
        yield label_cards.card(walk), label_cards.status(walk)


def _start(engine: Engine) -> str:
    if not engine.videos():
        return render.empty(
            "The library is empty", "Add films in the Library tab, then label their shots here.",
            icon="add",
        )  # fmt: skip
    return render.empty(
        "Teach it your own classes",
        "Choose a group of labels, or make one: day and night, say. Shots come one by one, those "
        "first that tell the most; a click labels each, and what was learned guesses the next.",
        icon="labels",
    )
