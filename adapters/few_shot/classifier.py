"""A trained classifier of one group: adapter, temperature, doubt, and the shots behind it."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FewShotAdapter, FloatArray, Shots
from adapters.few_shot.calibration import cross_fitted_logits, fit_temperature
from adapters.few_shot.imbalance import Balance
from adapters.few_shot.neighbours import nearest_examples
from adapters.few_shot.objective import probabilities
from adapters.few_shot.registry import DEFAULT_ADAPTER, adapter_class
from adapters.few_shot.unsure import UNSURE, conformal_threshold, sure_answers, sure_labels

__all__ = ["Answers", "FewShotClassifier", "data_fingerprint", "train_classifier"]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a classifier says of N rows.

    Attributes:
        shares: (N, C) float32, calibrated; rows sum to one in an exclusive group.
        sure: exclusive: (N,) int64 class or `UNSURE`; multi-label: (N, C) int64 1, 0 or `UNSURE`.
        examples: (N, K) int64 numbers of the most similar shots, most similar first.
        similarities: (N, K) float32 their cosines.
    """

    shares: FloatArray
    sure: NDArray[np.int64]
    examples: NDArray[np.int64]
    similarities: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class FewShotClassifier:
    """An adapter that knows its classes and how sure it is.

    Attributes:
        adapter: the fitted map.
        group: name of the group of classes.
        classes: C names, in the order of the logits.
        is_exclusive: whether one class holds.
        encoder_name: what made the embeddings.
        encoder_hash: of its weights; embeddings of another are refused.
        temperature: logits are divided by it.
        error_rate: at which `threshold` says "unsure".
        threshold: from `conformal_threshold`; infinite where the shots are too few to vouch.
        examples: (M, D) float32 embeddings of the shots.
        example_ids: M names of the shots, as the caller knows them.
        figures: of the training: `num_shots`, `cross_fitted_accuracy` and so on.
        fingerprint: of shots, labels and words, see `data_fingerprint`.
        balance: how rare classes were made up for, as `Shots` have it.
    """

    adapter: FewShotAdapter
    group: str
    classes: tuple[str, ...]
    is_exclusive: bool
    encoder_name: str
    encoder_hash: str
    temperature: float
    error_rate: float
    threshold: float
    examples: FloatArray
    example_ids: tuple[str, ...]
    figures: dict[str, float]
    fingerprint: str
    balance: Balance = "weights"

    def __post_init__(self) -> None:
        if len(self.classes) != self.adapter.num_classes or len(set(self.classes)) != len(
            self.classes
        ):
            raise ValueError(
                f"got {len(self.classes)} names for {self.adapter.num_classes} classes, expected "
                "a name of its own for each"
            )
        expected = (len(self.example_ids), self.adapter.dim)
        if self.examples.shape != expected or not len(self.examples):
            raise ValueError(f"got {self.examples.shape = }, expected {expected}")
        if not (0 < self.temperature < math.inf and 0 < self.error_rate < 1):
            raise ValueError(f"got {self.temperature = }, {self.error_rate = }")
        if math.isnan(self.threshold):
            raise ValueError("got a threshold that is no number")

    def answer(self, embeddings: FloatArray, *, num_examples: int = 3) -> Answers:
        """Classify embeddings, (N, D) float32 unit norm."""
        shares, sure = self.judge(embeddings)
        examples, similarities = nearest_examples(embeddings, self.examples, k=num_examples)
        return Answers(shares, sure, examples, similarities)

    def judge(self, embeddings: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
        """Shares and sureness of `Answers` alone: for many rows, where nobody asks for reasons."""
        logits = np.asarray(self.adapter.logits(embeddings) / self.temperature, np.float32)
        shares = probabilities(logits, is_exclusive=self.is_exclusive)
        decide = sure_answers if self.is_exclusive else sure_labels
        return shares, decide(shares, self.threshold)


def train_classifier(
    shots: Shots,
    *,
    group: str,
    classes: Sequence[str],
    example_ids: Sequence[str],
    encoder_name: str,
    encoder_hash: str,
    adapter: str = DEFAULT_ADAPTER,
    error_rate: float = 0.1,
    sources: Sequence[str] | None = None,
    seed: int = 0,
) -> FewShotClassifier:
    """Fit an adapter to all shots, and learn from cross-fits of it how sure it may be.

    `sources` names the film of each shot; see `stratified_folds`.

    Raises:
        ValueError: an unknown adapter, one shot alone, or arguments that do not fit.
    """
    kind = adapter_class(adapter)
    held = cross_fitted_logits(kind, shots, sources=sources, seed=seed)
    temperature = fit_temperature(held, shots.targets, is_exclusive=shots.is_exclusive)
    shares = probabilities(
        np.asarray(held / temperature, np.float32), is_exclusive=shots.is_exclusive
    )
    threshold = conformal_threshold(shares, shots.targets, error_rate=error_rate)
    return FewShotClassifier(
        adapter=kind.fit(shots, seed=seed),
        group=group,
        classes=tuple(classes),
        is_exclusive=shots.is_exclusive,
        encoder_name=encoder_name,
        encoder_hash=encoder_hash,
        temperature=temperature,
        error_rate=error_rate,
        threshold=threshold,
        examples=shots.embeddings,
        example_ids=tuple(example_ids),
        figures=_figures(shares, shots, threshold),
        fingerprint=data_fingerprint(shots),
        balance=shots.balance,
    )


def data_fingerprint(shots: Shots) -> str:
    """SHA-256 of shots, labels and words: the same digest, the same training data in its order."""
    digest = hashlib.sha256()
    for array in (shots.embeddings, shots.targets, shots.start_weights):
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    digest.update(f"{shots.is_exclusive} {shots.is_balanced} {shots.temperature}".encode())
    if shots.balance != "weights":
        digest.update(shots.balance.encode())
    return digest.hexdigest()


def _figures(shares: FloatArray, shots: Shots, threshold: float) -> dict[str, float]:
    """Of shots scored by adapters that did not see them."""
    if shots.is_exclusive:
        truth = shots.targets.argmax(axis=1)
        is_right = shares.argmax(axis=1) == truth
        sure = sure_answers(shares, threshold)
    else:
        is_right = (shares > 0.5) == (shots.targets > 0)
        sure = sure_labels(shares, threshold)
    return {
        "num_shots": float(len(shots)),
        "fewest_shots": float(shots.targets.sum(axis=0).min()),
        "cross_fitted_accuracy": float(is_right.mean()),
        "cross_fitted_unsure": float((sure == UNSURE).mean()),
    }
