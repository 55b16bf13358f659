"""How much a scene gains from picture, sound and words together, on films made for it.

Every method learns from the same few shots of the training films, and is scored on the films that
it did not see: as they are, and with one modality hidden everywhere. Each seed draws the folds and
the shots anew. `eval.fusion_films` says what the films are and what they are not.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.unsure import UNSURE
from adapters.fusion import DEFAULT_FUSION, FUSIONS, FusionShots, fusion_class
from adapters.fusion.base import presence, take_rows, with_only
from adapters.fusion.classifier import FusedClassifier, train_fused_classifier
from eval.attacks_material import Split
from eval.classification_metrics import expected_calibration_error, mean_interval
from eval.fusion_films import CLASSES, make_fusion_films
from eval.table import Column, Table, machine
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.label_types import Label, LabelledGroup
from retrieval.lesson_rows import MODALITIES, Senses
from retrieval.lesson_shots import LessonShots, fusion_shots, lesson_shots
from retrieval.types import FloatArray, Progress, ProgressCallback

__all__ = ["FusionReport", "evaluate_fusion", "made_library", "measure_fusion"]

GROUP = LabelledGroup("made", "one_of", CLASSES)
ShouldStop = Callable[[], bool]
Kept = tuple[str, ...]
"""Modalities that are left."""


@dataclass(frozen=True)
class FusionReport:
    """Accuracy of every method, and how sure the default is."""

    accuracy: Table
    doubt: Table

    def text(self) -> str:
        """For a terminal."""
        return f"{self.accuracy.text()}\n\n{self.doubt.text()}"

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"accuracy": self.accuracy.to_dict(), "doubt": self.doubt.to_dict()}


def evaluate_fusion(
    folder: Path,
    engine: Engine,
    *,
    split: Split = "dev",
    num_films: int = 12,
    num_shots: int = 4,
    num_seeds: int = 5,
    num_folds: int = 4,
    few_shot: str | None = None,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> FusionReport:
    """Make the films, bring them into an empty library, and measure.

    Args:
        folder: for the films.
        engine: an empty library.
        split: `dev` to choose on, `test` to report.
        num_films: 18 shots each.
        num_shots: labelled shots a class to learn from.
        num_seeds: draws of folds and shots.
        num_folds: of films.
        few_shot: the linear few-shot adapter of each modality; None for the default.
        progress: told in films and folds.
        should_stop: asked between them.

    Raises:
        InvalidInputError: numbers out of range, or a library that hears nothing.
        OperationCancelled: `should_stop` said so.
    """
    if not 2 <= num_folds <= num_films or num_seeds < 1:
        raise InvalidInputError(
            f"got {num_folds} folds of {num_films} films and {num_seeds} seeds, expected at least "
            "2 folds, a film for each, and a seed"
        )
    if not 1 <= num_shots <= (num_films - -(-num_films // num_folds)) * 2:
        raise InvalidInputError(
            f"got {num_shots} shots a class, expected 1 to "
            f"{(num_films - -(-num_films // num_folds)) * 2}: each film has two of each class"
        )
    found = made_library(
        folder, engine, split=split, num_films=num_films, progress=progress, should_stop=should_stop
    )
    shots = fusion_shots(found, Senses.of(engine.catalog, engine.encoder), GROUP)
    films = [name.rsplit(" ", 2)[0] for name in found.ids]
    return measure_fusion(
        shots,
        np.unique(films, return_inverse=True)[1],
        title=f"Nine made classes ({split}), {num_films} films, {num_shots} shots a class",
        num_shots=num_shots,
        num_seeds=num_seeds,
        num_folds=num_folds,
        few_shot=few_shot,
        progress=progress,
        should_stop=should_stop,
    )


def made_library(
    folder: Path,
    engine: Engine,
    *,
    split: Split,
    num_films: int,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> LessonShots:
    """Make films, ingest and label them; return their shots.

    Raises:
        InvalidInputError: a film could not be read, or the library hears or reads nothing.
        OperationCancelled: `should_stop` said so.
    """
    made, labels = [], []
    films = make_fusion_films(folder, num_films=num_films, split=split)
    for number, film in enumerate(films, start=1):
        _tell(progress, should_stop, "make", number, num_films, "films")
        made.append(film)
    summary = engine.ingest(
        [film.path for film in made], shots="precise", progress=progress, should_stop=should_stop
    )
    if summary.was_cancelled:
        raise OperationCancelled("stopped while the films were read")
    for outcome in summary.outcomes:
        if outcome.status == "failed":
            raise InvalidInputError(f"could not read {outcome.path.name}: {outcome.reason}")
    for film in made:
        video_id = engine.video(str(film.path)).video_id
        labels += [Label(GROUP.name, name, video_id, segment) for segment, name in film.shots]
    engine.catalog.add_labels([GROUP], labels)
    senses = Senses.of(engine.catalog, engine.encoder)
    return lesson_shots(engine.catalog, senses, GROUP, MODALITIES)


def measure_fusion(
    shots: FusionShots,
    films: NDArray[np.int64],
    *,
    title: str,
    num_shots: int,
    num_seeds: int,
    num_folds: int,
    few_shot: str | None = None,
    methods: Sequence[str] = tuple(FUSIONS),
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> FusionReport:
    """Measure each modality alone and every method.

    Args:
        shots: all labelled shots.
        films: (N,) number of the film of each.
        title: of the table.
        num_shots: a class, to learn from.
        num_seeds: draws of folds and shots.
        num_folds: of films.
        few_shot: the linear few-shot adapter of each modality.
        methods: of fusion.
        progress: told in folds.
        should_stop: asked before each.
    """
    names = shots.modalities
    rows = [_Row(f"{name} alone", (name,), "mean") for name in names]
    rows += [_Row(method, names, method) for method in methods]
    tally = _Tally(shots, rows, _views(names))
    for seed in range(num_seeds):
        folds = list(_folds(shots, films, num_folds, num_shots, seed))
        for fold, (train, test) in enumerate(folds, start=1):
            _tell(progress, should_stop, f"seed {seed + 1}", fold, num_folds, "folds")
            tally.add(train, test, films[train], few_shot=few_shot, seed=seed)
        tally.end_seed()
    return FusionReport(_accuracy_table(title, tally, num_seeds, num_folds), _doubt_table(tally))


@dataclass(frozen=True)
class _Row:
    """What is measured: a method on some modalities."""

    label: str
    kept: Kept
    method: str


class _Tally:
    """Collects answers of one seed after the other."""

    def __init__(self, shots: FusionShots, rows: Sequence[_Row], views: dict[str, Kept]) -> None:
        self.shots, self.rows, self.views = shots, rows, views
        self.truth = shots.targets.argmax(axis=1)
        self.scores: dict[tuple[str, str], list[float]] = {}
        self.seconds: dict[str, list[float]] = {row.label: [] for row in rows}
        self.doubts: dict[str, list[tuple[float, float, float]]] = {view: [] for view in views}
        self._begin()

    def _begin(self) -> None:
        number = len(self.shots)
        self._right = {
            (row.label, view): np.zeros(number, bool) for row in self.rows for view in self.views
        }
        self._shares = {view: np.zeros_like(self.shots.targets) for view in self.views}
        self._sure = {view: np.full(number, UNSURE) for view in self.views}

    def add(
        self,
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        films: NDArray[np.int64],
        *,
        few_shot: str | None,
        seed: int,
    ) -> None:
        """Fit everything to the training rows, of these films, and score the test rows."""
        learned = self.shots.subset(train)
        held = take_rows(self.shots.rows, test)
        seen = {view: with_only(held, left) for view, left in self.views.items()}
        for row in self.rows:
            start = time.perf_counter()
            own = learned if row.kept == learned.modalities else learned.only(row.kept)
            kind = fusion_class(row.method)
            fitted = kind.fit(own, few_shot=few_shot if kind.has_experts else None, seed=seed)
            self.seconds[row.label].append(time.perf_counter() - start)
            for view, rows in seen.items():
                answers = fitted.logits(rows).argmax(axis=1)
                self._right[row.label, view][test] = answers == self.truth[test]
        classifier = _trained(learned, films)
        for view, rows in seen.items():
            told = classifier.answer(rows, num_examples=1)
            self._shares[view][test], self._sure[view][test] = told.shares, told.sure

    def end_seed(self) -> None:
        """Every shot was a test row once."""
        has_all = presence(self.shots.rows).all(axis=1)
        for (label, view), right in self._right.items():
            self.scores.setdefault((label, view), []).append(100 * float(right.mean()))
        for row in self.rows:
            complete = 100 * float(self._right[row.label, "all"][has_all].mean())
            self.scores.setdefault((row.label, "complete"), []).append(complete)
        for view in self.views:
            self.doubts[view].append(_doubt(self._shares[view], self._sure[view], self.truth))
        self._begin()


def _doubt(
    shares: FloatArray, sure: NDArray[np.int64], truth: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Calibration error, sure answers, sure wrong answers, in per cent of the rows."""
    is_right = shares.argmax(axis=1) == truth
    error = expected_calibration_error(shares.max(axis=1), is_right)
    wrong = (sure != UNSURE) & (sure != truth)
    return 100 * error, 100 * float((sure != UNSURE).mean()), 100 * float(wrong.mean())


def _views(names: Sequence[str]) -> dict[str, Kept]:
    """As the films are, and with each modality hidden."""
    hidden = {f"no {name}": tuple(one for one in names if one != name) for name in names}
    return {"all": tuple(names), **hidden}


def _folds(
    shots: FusionShots, films: NDArray[np.int64], num_folds: int, num_shots: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Training shots, so many a class, and test shots; no film on both sides."""
    rng = np.random.default_rng([seed, 17])
    fold_of = rng.permutation(int(films.max()) + 1) % num_folds
    for fold in range(num_folds):
        order = rng.permutation(np.flatnonzero(fold_of[films] != fold))
        drawn = [
            order[shots.targets[order, place] > 0][:num_shots] for place in range(shots.num_classes)
        ]
        yield np.sort(np.concatenate(drawn)), np.flatnonzero(fold_of[films] == fold)


def _trained(shots: FusionShots, films: NDArray[np.int64]) -> FusedClassifier:
    return train_fused_classifier(
        shots,
        group=GROUP.name,
        classes=[str(number) for number in range(shots.num_classes)],
        example_ids=[str(row) for row in range(len(shots))],
        encoders=dict.fromkeys(shots.modalities, ("measured", "")),
        sources=[str(film) for film in films],
    )


def _accuracy_table(title: str, tally: _Tally, num_seeds: int, num_folds: int) -> Table:
    keys = ["all", "complete", *[view for view in tally.views if view != "all"]]
    columns = [Column("method", "Learned from"), *(Column(key, key) for key in keys)]
    shown: list[tuple[str | float, ...]] = [
        (
            row.label,
            *(_interval(tally.scores[row.label, key]) for key in keys),
            float(np.mean(tally.seconds[row.label])),
        )
        for row in tally.rows
    ]
    shots = tally.shots
    there = presence(shots.rows).mean(axis=0)
    has = ", ".join(f"{n} {100 * s:.0f} %" for n, s in zip(shots.modalities, there, strict=True))
    return Table(
        title=title,
        columns=(*columns, Column("seconds", "fit (s)", ".2f")),
        rows=tuple(shown),
        notes=(
            f"Accuracy in %, mean and 95 % interval over {num_seeds} seeds; {num_folds} folds by "
            f"film; {len(shots)} shots, of which have: {has}.",
            "all: shots as they are; complete: those that have everything; no …: all shots with "
            f"that modality hidden when scored. {DEFAULT_FUSION} is the default.",
            "One modality alone answers the first class for shots that lack it; gates, mean and "
            f"stacking share one fit of the few-shot adapters. {machine()}.",
        ),
    )


def _doubt_table(tally: _Tally) -> Table:
    rows: list[tuple[str, ...]] = []
    for view, parts in tally.doubts.items():
        rows.append((view, *(_interval(part) for part in zip(*parts, strict=True))))
    return Table(
        title=f"How sure {DEFAULT_FUSION} is, at a stated error of 10 %",
        columns=(
            Column("view", "Scored on"),
            Column("calibration", "calibration error"),
            Column("sure", "sure"),
            Column("wrong", "sure and wrong"),
        ),
        rows=tuple(rows),
        notes=("In % of all shots; intervals as above.",),
    )


def _interval(values: Sequence[float]) -> str:
    mean, half = mean_interval(values)
    return f"{mean:.1f} ± {half:.1f}"


def _tell(
    progress: ProgressCallback | None,
    should_stop: ShouldStop | None,
    item: str,
    done: int,
    total: int,
    unit: str,
) -> None:
    if should_stop is not None and should_stop():
        raise OperationCancelled("stopped while fusion was measured")
    if progress is not None:
        progress(Progress("measure", item, done - 1, total, unit))
