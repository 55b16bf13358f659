"""The page of `sceneprint eval classify`: figures, and pictures of what went right and wrong.

Self-contained: pictures and styles inlined, no script, nothing fetched.
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from app.templating import clock, render
from eval.classify_labels import LabelEvaluation
from eval.label_figures import Figure, answers_of
from retrieval.catalog import Catalog
from retrieval.errors import NotFoundError

__all__ = ["FIGURE_NAMES", "classify_report", "figure_text"]

FIGURE_NAMES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "map": "mAP",
    "calibration_error": "Calibration error",
}
NUM_EXAMPLES = 6
MAX_CLASSES_PICTURED = 40


def figure_text(figure: Figure) -> str:
    """For example `0.812 (0.74-0.88)`; the interval is left out where there is none."""
    if figure.low == figure.high:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.2f}\N{EN DASH}{figure.high:.2f})"


def classify_report(
    found: LabelEvaluation, catalog: Catalog, *, made_at: datetime | None = None
) -> str:
    """Make the page.

    Args:
        found: what was measured.
        catalog: holds the thumbnails.
        made_at: when; now for None.
    """
    keys = [key for key in FIGURE_NAMES if key in found.figures[found.adapter]]
    counts = list(dict.fromkeys(point.num_shots for point in found.curve))
    points = {(one.adapter, one.num_shots): one for one in found.curve}
    return render(
        "classify_report.html",
        facts=_facts(found, made_at or datetime.now(UTC)),
        notes=found.notes,
        headings=[FIGURE_NAMES[key] for key in keys],
        rows=[
            (name, [figure_text(row[key]) for key in keys]) for name, row in found.figures.items()
        ],
        classes=[
            (one.name, one.num_shots, one.num_films,
             [figure_text(figure) for figure in (one.precision, one.recall, one.f1)])
            for one in found.classes
        ],
        names=found.group.classes,
        confusion=[
            (name, [(count, round(count / max(1, sum(row)), 2)) for count in row])
            for name, row in zip(found.group.classes, found.confusion or [], strict=False)
        ],
        bins=found.bins,
        counts=counts,
        score_name="accuracy" if found.group.is_exclusive else "mAP",
        curve=[
            (name, [f"{points[name, count].mean:.3f} ± {points[name, count].half_width:.3f}"
                    for count in counts])
            for name in found.figures
        ],
        examples=_examples(found, catalog),
    )  # fmt: skip


def _facts(found: LabelEvaluation, made_at: datetime) -> list[tuple[str, str]]:
    kind = "one of" if found.group.is_exclusive else "any of"
    return [
        ("Group", f"{found.group.name} ({kind} {len(found.group.classes)})"),
        ("Adapter", found.adapter),
        ("Labelled shots", str(found.num_shots)),
        ("Films", str(found.num_films)),
        ("Folds by film", str(found.num_folds)),
        ("Encoder", found.encoder),
        ("Made", made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Program", f"Sceneprint {version('sceneprint')}"),
    ]


def _examples(found: LabelEvaluation, catalog: Catalog) -> list[dict[str, Any]]:
    """Of each class: right ones, wrong ones (surest first) and the least certain."""
    answers = answers_of(found.shares, is_exclusive=found.group.is_exclusive)
    truth = found.shots.targets > 0
    sections = []
    for place, name in enumerate(found.group.classes[:MAX_CLASSES_PICTURED]):
        said, true, share = answers[:, place], truth[:, place], found.shares[:, place]
        doubt = -np.abs(share - 0.5) if not found.group.is_exclusive else -found.shares.max(axis=1)
        kinds = (
            ("Right, surest first", said & true, share),
            ("Missed, surest of something else first", true & ~said, -share),
            ("Wrongly taken for it, surest first", said & ~true, share),
            ("Least certain", said | true, doubt),
        )
        sections.append(
            {
                "name": name,
                "strips": [
                    (title, [_picture(found, catalog, row) for row in _best(mask, order)])
                    for title, mask, order in kinds
                ],
            }
        )
    return sections


def _best(mask: Any, order: Any) -> Sequence[int]:
    rows = np.flatnonzero(mask)
    chosen: list[int] = rows[np.argsort(-order[rows], kind="stable")][:NUM_EXAMPLES].tolist()
    return chosen


def _picture(found: LabelEvaluation, catalog: Catalog, row: int) -> dict[str, Any]:
    shot, shares = found.shots.shots[row], found.shares[row]
    best = int(shares.argmax())
    held = np.flatnonzero(found.shots.targets[row] > 0)
    return {
        "src": _data_url(catalog, shot.shot_id),
        "film": found.shots.film_names[row],
        "time": clock(shot.segment.start_seconds),
        "label": ", ".join(found.group.classes[place] for place in held),
        "answer": found.group.classes[best],
        "share": float(shares[best]),
    }


def _data_url(catalog: Catalog, shot_id: int) -> str | None:
    try:
        data = catalog.thumbnail(shot_id)
    except NotFoundError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
