"""A trained classifier of one group over several modalities: how sure it is, and why.

How sure an answer may be depends on what a shot has: a film without sound is told less well. So
temperature and threshold are learned for each set of modalities, from the labelled shots that have
at least those, with the others hidden, each scored by a classifier that did not see it.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FloatArray
from adapters.few_shot.calibration import fit_temperature, stratified_folds
from adapters.few_shot.objective import probabilities
from adapters.few_shot.unsure import UNSURE, conformal_threshold, sure_answers, sure_labels
from adapters.fusion.base import (
    FusionAdapter,
    FusionShots,
    Rows,
    decisive_shares,
    presence,
    subsets,
    take_rows,
    with_only,
)
from adapters.fusion.registry import DEFAULT_FUSION, fusion_class

__all__ = [
    "Doubt",
    "FusedAnswers",
    "FusedClassifier",
    "nearest_fused",
    "train_fused_classifier",
]

Kept = tuple[str, ...]
"""Some modalities, in the order of the classifier."""


@dataclass(frozen=True)
class Doubt:
    """How sure a classifier may be of a row that has certain modalities."""

    temperature: float
    """Logits are divided by it."""
    threshold: float
    """From `conformal_threshold`; infinite where the shots are too few to vouch."""

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf or math.isnan(self.threshold):
            raise ValueError(f"got {self.temperature = }, {self.threshold = }")


@dataclass(frozen=True, eq=False)
class FusedAnswers:
    """What a classifier says of N rows.

    Attributes:
        shares: (N, C) float32, calibrated; rows sum to one in an exclusive group.
        sure: exclusive: (N,) int64 class or `UNSURE`; multi-label: (N, C) int64 1, 0 or `UNSURE`.
        decisive: (N, M) float32, how much of what speaks for the best class is each modality's.
        examples: (N, K) int64 numbers of the most similar shots, most similar first.
        similarities: (N, K) float32 their mean cosines.
    """

    shares: FloatArray
    sure: NDArray[np.int64]
    decisive: FloatArray
    examples: NDArray[np.int64]
    similarities: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class FusedClassifier:
    """A fusion adapter that knows its classes and how sure it is.

    Attributes:
        adapter: the fitted map.
        group: name of the group of classes.
        classes: C names, in the order of the logits.
        is_exclusive: whether one class holds.
        encoders: by modality, name and hash of what made the embeddings.
        error_rate: at which thresholds say "unsure".
        doubts: for each set of modalities that a row may have.
        examples: the shots, M rows.
        example_ids: M names of the shots, as the caller knows them.
        figures: of the training.
        fingerprint: of shots, labels and words.
        few_shot: the adapter of each modality that was asked for; None for the default.
    """

    adapter: FusionAdapter
    group: str
    classes: tuple[str, ...]
    is_exclusive: bool
    encoders: Mapping[str, tuple[str, str]]
    error_rate: float
    doubts: Mapping[Kept, Doubt]
    examples: Rows
    example_ids: tuple[str, ...]
    figures: dict[str, float]
    fingerprint: str
    few_shot: str | None = None

    def __post_init__(self) -> None:
        names = self.adapter.modalities
        if len(set(self.classes)) != len(self.classes) or len(self.classes) != (
            self.adapter.num_classes
        ):
            raise ValueError(
                f"got {len(self.classes)} names for {self.adapter.num_classes} classes, expected "
                "a name of its own for each"
            )
        if set(self.encoders) != set(names) or set(self.doubts) != set(subsets(names)):
            raise ValueError(f"got encoders or doubts that do not fit modalities {names}")
        widths = {name: (len(self.example_ids), self.adapter.dims[name]) for name in names}
        if {key: one.embeddings.shape for key, one in self.examples.items()} != widths:
            raise ValueError(f"got examples that do not fit, expected {widths}")
        if not self.example_ids or not 0 < self.error_rate < 1:
            raise ValueError(f"got {len(self.example_ids)} examples, {self.error_rate = }")

    @property
    def modalities(self) -> Kept:
        """M names."""
        return self.adapter.modalities

    def answer(self, rows: Rows, *, num_examples: int = 3) -> FusedAnswers:
        """Classify rows; all modalities are given, masked where absent."""
        parts = self.adapter.parts(rows)
        own = {name: rows[name] for name in self.modalities}
        temperatures, thresholds = self._doubts_of(own)
        logits = np.asarray(parts.sum(axis=0) / temperatures[:, None], np.float32)
        shares = probabilities(logits, is_exclusive=self.is_exclusive)
        decide = sure_answers if self.is_exclusive else sure_labels
        sure = np.array(
            [decide(row[None], limit)[0] for row, limit in zip(shares, thresholds, strict=True)],
            np.int64,
        ).reshape(shares.shape[:1] if self.is_exclusive else shares.shape)
        sure[~presence(own).any(axis=1)] = UNSURE
        examples, similarities = nearest_fused(own, self.examples, k=num_examples)
        decisive = decisive_shares(parts, shares.argmax(axis=1))
        return FusedAnswers(shares, sure, decisive, examples, similarities)

    def _doubts_of(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """(N,) temperature and (N,) threshold of each row, by what it has."""
        nothing = Doubt(1.0, math.inf)
        found = [
            self.doubts.get(_kept(row, self.modalities), nothing) for row in presence(rows).tolist()
        ]
        return (
            np.array([one.temperature for one in found], np.float32),
            np.array([one.threshold for one in found], np.float32),
        )


def train_fused_classifier(
    shots: FusionShots,
    *,
    group: str,
    classes: Sequence[str],
    example_ids: Sequence[str],
    encoders: Mapping[str, tuple[str, str]],
    fusion: str = DEFAULT_FUSION,
    few_shot: str | None = None,
    error_rate: float = 0.1,
    sources: Sequence[str] | None = None,
    seed: int = 0,
) -> FusedClassifier:
    """Fit a fusion method to all shots, and learn from cross-fits of it how sure it may be.

    `sources` names the film of each shot; see `stratified_folds`.

    Raises:
        ValueError: an unknown method, one shot alone, or arguments that do not fit.
    """
    kind = fusion_class(fusion)
    held = _cross_fitted(kind, shots, few_shot, sources, seed)
    doubts = _doubts(held, shots, error_rate)
    return FusedClassifier(
        adapter=kind.fit(shots, few_shot=few_shot, seed=seed),
        group=group,
        classes=tuple(classes),
        is_exclusive=shots.is_exclusive,
        encoders=dict(encoders),
        error_rate=error_rate,
        doubts=doubts,
        examples=shots.rows,
        example_ids=tuple(example_ids),
        figures=_figures(held, doubts, shots),
        fingerprint=_fingerprint(shots),
        few_shot=few_shot,
    )


def nearest_fused(
    rows: Rows, examples: Rows, *, k: int = 3
) -> tuple[NDArray[np.int64], FloatArray]:
    """Find the k examples most similar to each row: the mean cosine over what both have.

    Returns:
        (N, min(k, M)) int64 numbers of examples, most similar first, and their mean cosines; -1
        where they share no modality.
    """
    if not len(next(iter(examples.values()))) or k < 1:
        raise ValueError(f"got no examples or {k = }, expected at least one each")
    pairs = [(one, examples[name]) for name, one in rows.items()]
    total = sum(one.embeddings @ other.embeddings.T for one, other in pairs)
    shared = sum(np.outer(one.is_present, other.is_present).astype(int) for one, other in pairs)
    cosines = np.asarray(
        np.where(np.equal(shared, 0), -1.0, total / np.maximum(shared, 1)), np.float32
    )
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return order.astype(np.int64), np.take_along_axis(cosines, order, axis=1)


def _kept(row: Sequence[bool], names: Kept) -> Kept:
    return tuple(name for name, there in zip(names, row, strict=True) if there)


def _cross_fitted(
    kind: type[FusionAdapter],
    shots: FusionShots,
    few_shot: str | None,
    sources: Sequence[str] | None,
    seed: int,
) -> dict[Kept, FloatArray]:
    """For each set of modalities, (N, C) logits of rows that the judge did not see.

    Rows that lack some of a set are judged by what they have of it.
    """
    if len(shots) < 2:
        raise ValueError("got one shot, expected at least 2 to learn from one and score the other")
    folds = stratified_folds(shots.targets, sources=sources, seed=seed)
    held = {kept: np.zeros_like(shots.targets) for kept in subsets(shots.modalities)}
    for fold in np.unique(folds):
        is_out = folds == fold
        fitted = kind.fit(shots.subset(np.flatnonzero(~is_out)), few_shot=few_shot, seed=seed)
        rows = take_rows(shots.rows, np.flatnonzero(is_out))
        for kept, logits in held.items():
            logits[is_out] = fitted.logits(with_only(rows, kept))
    return held


def _doubts(
    held: Mapping[Kept, FloatArray], shots: FusionShots, error_rate: float
) -> dict[Kept, Doubt]:
    there, found = presence(shots.rows), {}
    for kept, logits in held.items():
        has_all = there[:, [name in kept for name in shots.modalities]].all(axis=1)
        if not has_all.any():
            found[kept] = Doubt(1.0, math.inf)
            continue
        own, targets = logits[has_all], shots.targets[has_all]
        temperature = fit_temperature(own, targets, is_exclusive=shots.is_exclusive)
        shares = probabilities(
            np.asarray(own / temperature, np.float32), is_exclusive=shots.is_exclusive
        )
        threshold = conformal_threshold(shares, targets, error_rate=error_rate)
        found[kept] = Doubt(temperature, threshold)
    return found


def _figures(
    held: Mapping[Kept, FloatArray], doubts: Mapping[Kept, Doubt], shots: FusionShots
) -> dict[str, float]:
    """Of shots scored by classifiers that did not see them, together and by each modality alone."""
    there = presence(shots.rows)
    sets = [_kept(row, shots.modalities) for row in there.tolist()]
    logits = np.stack([held[kept][row] for row, kept in enumerate(sets)])
    is_sure = [_is_sure(one, doubts[kept], shots) for one, kept in zip(logits, sets, strict=True)]
    figures = {
        "num_shots": float(len(shots)),
        "fewest_shots": float(shots.targets.sum(axis=0).min()),
        "cross_fitted_accuracy": _accuracy(logits, shots.targets, shots.is_exclusive),
        "cross_fitted_unsure": 1.0 - float(np.mean(is_sure)),
    }
    for place, name in enumerate(shots.modalities):
        has = there[:, place]
        figures[f"num_shots_{name}"] = float(has.sum())
        if has.any():
            alone = held[(name,)][has], shots.targets[has]
            figures[f"cross_fitted_accuracy_{name}"] = _accuracy(*alone, shots.is_exclusive)
    return figures


def _is_sure(logits: FloatArray, doubt: Doubt, shots: FusionShots) -> float:
    """The share of answers of one row that are sure."""
    heated = np.asarray(logits[None] / doubt.temperature, np.float32)
    shares = probabilities(heated, is_exclusive=shots.is_exclusive)
    decide = sure_answers if shots.is_exclusive else sure_labels
    return float((decide(shares, doubt.threshold) != UNSURE).mean())


def _accuracy(logits: FloatArray, targets: FloatArray, is_exclusive: bool) -> float:
    if is_exclusive:
        return float((logits.argmax(axis=1) == targets.argmax(axis=1)).mean())
    return float(((logits > 0) == (targets > 0)).mean())


def _fingerprint(shots: FusionShots) -> str:
    """SHA-256 of shots, labels and words: the same digest, the same training data in its order."""
    digest = hashlib.sha256(shots.targets.tobytes())
    for name, one in shots.rows.items():
        words = shots.text_weights.get(name)
        digest.update(f"{name} {one.embeddings.shape} {shots.temperatures[name]}".encode())
        digest.update(one.embeddings.tobytes() + one.is_present.tobytes())
        digest.update(b"" if words is None else words.tobytes())
    digest.update(f"{shots.is_exclusive} {shots.is_balanced}".encode())
    return digest.hexdigest()
