"""How well adapters learn a library's own label group: k-fold by film, and a learning curve.

Every adapter is fitted on the same films and scored on films it never saw; films that are the same
footage stay in one fold. Temperature and all else come from the training films alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot import ADAPTERS, DEFAULT_ADAPTER, Shots
from adapters.fusion import DEFAULT_FUSION, ModalityRows
from eval.classification_metrics import accuracy, confusion_matrix, mean_interval, multi_label_map
from eval.label_figures import Bin, ClassFigures, Figure, class_figures, figures, reliability
from eval.label_folds import LabelledShots, film_folds, gather_shots
from eval.label_methods import FewShotMethod, FusedMethod, LabelMethod
from retrieval.catalog import Catalog
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.label_types import LabelledGroup
from retrieval.lesson_rows import Senses
from retrieval.lesson_shots import LessonShots, class_words, fusion_shots, label_group
from retrieval.types import FloatArray, Progress, ProgressCallback

__all__ = ["BASELINES", "CurvePoint", "LabelEvaluation", "evaluate_labels"]

BASELINES = ("zero-shot", "nearest")
CURVE_SHOTS = (1, 2, 4, 8, 16)
NUM_SEEDS = 5
FEW_FILMS = 10

ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy (mAP in a multi-label group) of an adapter at some shots a class."""

    adapter: str
    num_shots: int
    mean: float
    half_width: float
    """Of the 95 % interval over the seeds, by Student's t."""


@dataclass(frozen=True, eq=False)
class LabelEvaluation:
    """What was measured; the first adapter is the one that the page is about."""

    group: LabelledGroup
    num_shots: int
    num_films: int
    num_footage: int
    """Films that differ."""
    num_folds: int
    encoder: str
    figures: dict[str, dict[str, Figure]]
    """Of each adapter."""
    classes: tuple[ClassFigures, ...]
    bins: tuple[Bin, ...]
    confusion: list[list[int]] | None
    """Row = label, column = answer; None in a multi-label group."""
    curve: tuple[CurvePoint, ...]
    notes: tuple[str, ...]
    shots: LabelledShots = field(repr=False)
    shares: FloatArray = field(repr=False)
    """(N, C) of the first adapter, each row by a classifier that did not see its film."""

    @property
    def adapter(self) -> str:
        """The name of the first adapter."""
        return next(iter(self.figures))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain = {"group", "figures", "classes", "bins", "curve", "shots", "shares"}
        found = {key: value for key, value in vars(self).items() if key not in plain}
        return {
            **asdict(self.group),
            **found,
            "figures": {
                name: {key: asdict(one) for key, one in row.items()}
                for name, row in self.figures.items()
            },
            **{key: [asdict(one) for one in vars(self)[key]] for key in ("bins", "curve")},
            "per_class": [asdict(one) for one in self.classes],
        }


def evaluate_labels(
    group: str,
    *,
    catalog: Catalog,
    encoder: PictureTextEncoder,
    adapter: str = DEFAULT_ADAPTER,
    num_folds: int = 5,
    num_seeds: int = NUM_SEEDS,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> LabelEvaluation:
    """Measure an adapter, zero-shot and nearest neighbours on a label group.

    Where its shots have sound or words, what `teach` makes of all of it comes first.

    Args:
        group: of labels, as `sceneprint labels list` shows.
        catalog: the library; only read.
        encoder: the one of the library.
        adapter: a method, by its name in `adapters.few_shot`.
        num_folds: fewer are made where there are fewer films that differ.
        num_seeds: draws of the learning curve.
        progress: told in fits.
        should_stop: asked before every fit.

    Raises:
        NotFoundError: there is no such group.
        InvalidInputError: unknown adapter, fewer than two folds, too few films or classes.
        EncoderMismatchError: the library's vectors are of another encoder.
        OperationCancelled: `should_stop` said so.
    """
    if adapter not in ADAPTERS:
        raise InvalidInputError(f"got adapter {adapter!r}, expected one of {', '.join(ADAPTERS)}")
    if num_folds < 2 or num_seeds < 1:
        raise InvalidInputError(f"got {num_folds} folds, expected at least 2")
    found = label_group(catalog, group)
    if found.is_exclusive and len(found.classes) < 2:
        raise InvalidInputError(f"group {group!r} has fewer than 2 classes to tell apart")
    rows = gather_shots(catalog, encoder, found)
    num_footage = len(np.unique(rows.units))
    folds = film_folds(rows, min(num_folds, num_footage))
    shots = _shots(rows, found, encoder)
    methods = _methods(rows, shots, found, encoder, adapter)
    counts, notes = _curve_counts(shots, folds, found, num_seeds)
    fits = len(methods) * (int(folds.max()) + 1 + len(counts) * num_seeds)
    clock = _Clock(found.name, fits, progress, should_stop)
    shares = {one.name: _held_out(one, shots.targets, folds, found, clock) for one in methods}
    curve = _curve(methods, shots, folds, counts, num_seeds, clock)
    exclusive = found.is_exclusive
    first = shares[methods[0].name]
    return LabelEvaluation(
        group=found,
        num_shots=len(shots),
        num_films=len(np.unique(rows.films)),
        num_footage=num_footage,
        num_folds=int(folds.max()) + 1,
        encoder=encoder.name,
        figures={
            name: figures(table, rows.targets, rows.units, is_exclusive=exclusive)
            for name, table in shares.items()
        },
        classes=class_figures(
            first, rows.targets, rows.units, found.classes, is_exclusive=exclusive
        ),
        bins=reliability(first, rows.targets, is_exclusive=exclusive),
        confusion=_confusion(first, rows.targets) if exclusive else None,
        curve=curve,
        notes=(
            *_film_notes(rows, num_folds, num_footage),
            *_unseen_notes(rows, folds, found.classes),
            *notes,
        ),
        shots=rows,
        shares=first,
    )


@dataclass
class _Clock:
    """Counts fits, tells how long is left, stops when asked."""

    item: str
    total: int
    progress: ProgressCallback | None
    should_stop: ShouldStop | None
    done: int = 0
    start: float = field(default_factory=time.monotonic)

    def tick(self) -> None:
        if self.should_stop is not None and self.should_stop():
            raise OperationCancelled("stopped while adapters were measured")
        if self.progress is not None:
            elapsed = time.monotonic() - self.start
            left = elapsed / self.done * (self.total - self.done) if self.done else None
            self.progress(
                Progress("measure", self.item, self.done, self.total, "fits", elapsed, None, left)
            )
        self.done += 1


def _shots(rows: LabelledShots, group: LabelledGroup, encoder: PictureTextEncoder) -> Shots:
    return Shots(
        embeddings=rows.embeddings,
        targets=rows.targets,
        text_weights=class_words(group.classes, encoder),
        temperature=encoder.temperature,
        is_exclusive=group.is_exclusive,
    )


def _methods(
    rows: LabelledShots,
    shots: Shots,
    group: LabelledGroup,
    encoder: PictureTextEncoder,
    adapter: str,
) -> list[LabelMethod]:
    """What `teach` would make first, then pictures alone, then the baselines."""
    names = dict.fromkeys((adapter, *BASELINES))
    alone: list[LabelMethod] = [
        FewShotMethod(name, shots, group, rows.film_names) for name in names
    ]
    pictures = ModalityRows.of(rows.embeddings)
    films = rows.film_names
    whole = LessonShots({"picture": pictures, **rows.rows}, rows.targets, films, films)
    kept = whole.learned_modalities()
    if kept == ("picture",):
        return alone
    whole = whole.only(kept)
    fused = fusion_shots(whole, Senses(encoder, encoder, None), group)
    return [FusedMethod(DEFAULT_FUSION, fused, group, whole.films), *alone]


def _held_out(
    method: LabelMethod,
    targets: FloatArray,
    folds: NDArray[np.int64],
    group: LabelledGroup,
    clock: _Clock,
) -> FloatArray:
    """(N, C) calibrated shares of rows whose films were not learned from."""
    shares = np.zeros_like(targets)
    for fold in range(int(folds.max()) + 1):
        clock.tick()
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        try:
            shares[test] = method.shares(train, test)
        except ValueError as exc:
            raise InvalidInputError(f"cannot learn {group.name!r} without a fold: {exc}") from exc
    return shares


def _curve_counts(
    shots: Shots, folds: NDArray[np.int64], group: LabelledGroup, num_seeds: int
) -> tuple[list[int], list[str]]:
    """Shot counts that every class has enough for, whichever fold is held out."""
    held = range(min(int(folds.max()) + 1, num_seeds))
    least = np.min([shots.targets[folds != fold].sum(axis=0) for fold in held], axis=0)
    counts = [count for count in CURVE_SHOTS if count <= least.min()]
    missing = [str(count) for count in CURVE_SHOTS if count not in counts]
    if not missing:
        return counts, []
    rarest = group.classes[int(least.argmin())]
    return counts, [
        f"No learning curve at {', '.join(missing)} shots: {rarest} has {int(least.min())} "
        "labelled shots where one fold is held out."
    ]


def _curve(
    methods: Sequence[LabelMethod],
    shots: Shots,
    folds: NDArray[np.int64],
    counts: Sequence[int],
    num_seeds: int,
    clock: _Clock,
) -> tuple[CurvePoint, ...]:
    scores: dict[tuple[str, int], list[float]] = {}
    for seed in range(num_seeds):
        fold = seed % (int(folds.max()) + 1)
        order = np.random.default_rng(seed).permutation(np.flatnonzero(folds != fold))
        for count in counts:
            drawn, test = _drawn(shots.targets, order, count), np.flatnonzero(folds == fold)
            for method in methods:
                clock.tick()
                logits = method.logits(drawn, test, seed=seed)
                score = _score(logits, shots.targets[test], shots.is_exclusive)
                scores.setdefault((method.name, count), []).append(score)
    return tuple(CurvePoint(*key, *mean_interval(values)) for key, values in scores.items())


def _drawn(targets: FloatArray, order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The first `count` rows of each class in this order; those of fewer are among them."""
    chosen = [order[targets[order, place] > 0][:count] for place in range(targets.shape[1])]
    return np.unique(np.concatenate(chosen))


def _score(logits: FloatArray, targets: FloatArray, is_exclusive: bool) -> float:
    if is_exclusive:
        return accuracy(logits.argmax(axis=1), targets.argmax(axis=1))
    return multi_label_map(logits, targets > 0)


def _confusion(shares: FloatArray, targets: FloatArray) -> list[list[int]]:
    found = confusion_matrix(
        shares.argmax(axis=1), targets.argmax(axis=1), num_classes=shares.shape[1]
    )
    table: list[list[int]] = found.tolist()
    return table


def _film_notes(rows: LabelledShots, num_folds: int, num_footage: int) -> list[str]:
    notes = []
    same = len(np.unique(rows.films)) - num_footage
    if same:
        notes.append(f"Films that show the same footage as another, and stay in its fold: {same}.")
    if num_footage < num_folds:
        notes.append(f"{num_footage} folds instead of {num_folds}: one for each film that differs.")
    if num_footage < FEW_FILMS:
        notes.append(f"Only {num_footage} films differ: the intervals are rough and too narrow.")
    return notes


def _unseen_notes(
    rows: LabelledShots, folds: NDArray[np.int64], classes: Sequence[str]
) -> list[str]:
    """Classes whose footage fell into one fold, which nothing could then learn."""
    return [
        f"All films of {name} fell into one fold: it was answered by its name alone."
        for place, name in enumerate(classes)
        if len(np.unique(folds[rows.targets[:, place] > 0])) < 2
    ]
