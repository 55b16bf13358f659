"""The interface of every few-shot adapter: labelled embeddings in, a map to logits out.

An adapter class has one rule for each of its hyper-parameters, so that nothing has to be searched
on held-out labels. A fitted adapter is a handful of arrays: it is stored as such, loaded as such
and answers with numpy alone. What the embeddings show is the caller's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adapters.few_shot.imbalance import BALANCES, Balance, balanced_weights, rebalanced

__all__ = ["Arrays", "FewShotAdapter", "FloatArray", "LinearAdapter", "Shots"]

FloatArray = NDArray[np.float32]
Arrays = Mapping[str, FloatArray]

_NORM_TOLERANCE = 1e-2


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Labelled examples of one group of classes.

    Attributes:
        embeddings: (N, D) float32, unit norm, N >= 1.
        targets: (N, C) float32, 1 where the class holds and 0 elsewhere; one 1 a row in an
            exclusive group, any number in a multi-label group.
        text_weights: (C, D) float32, unit norm, one direction a class from its sentences; None for
            an encoder without words.
        temperature: factor on the cosines before a softmax (CLIP's logit scale).
        is_exclusive: whether one class holds (softmax) or any number (sigmoids).
        is_balanced: whether rare classes count as much as frequent ones.
        balance: how: by weights; or, in an exclusive group, by repeated or by made rows, which
            come in when an adapter is fitted, so rows that are held out are never among them.
    """

    embeddings: FloatArray
    targets: FloatArray
    text_weights: FloatArray | None
    temperature: float
    is_exclusive: bool = True
    is_balanced: bool = True
    balance: Balance = "weights"

    def __post_init__(self) -> None:
        _check_rows(self.embeddings, "embeddings")
        if self.targets.ndim != 2 or len(self.targets) != len(self.embeddings):
            raise ValueError(
                f"got {self.targets.shape = } for {len(self.embeddings)} embeddings, "
                "expected (N, C)"
            )
        if not np.isin(self.targets, (0.0, 1.0)).all():
            raise ValueError("got targets other than 0 and 1")
        if self.is_exclusive and not (self.targets.sum(axis=1) == 1).all():
            raise ValueError("got rows without exactly one class in an exclusive group")
        if self.num_classes < (2 if self.is_exclusive else 1):
            raise ValueError(f"got {self.num_classes} classes, expected at least 2 to tell apart")
        if self.text_weights is not None:
            _check_rows(self.text_weights, "text weights")
            expected = (self.num_classes, self.dim)
            if self.text_weights.shape != expected:
                raise ValueError(f"got {self.text_weights.shape = }, expected {expected}")
        if self.balance not in BALANCES:
            raise ValueError(f"got {self.balance = }, expected one of {', '.join(BALANCES)}")
        if self.balance != "weights" and not self.is_exclusive:
            raise ValueError(
                f"got balance {self.balance!r} for a group of several labels at once, expected "
                "'weights': repeated rows would raise the frequent labels that go with a rare one"
            )
        if not 0 < self.temperature < np.inf:
            raise ValueError(f"got {self.temperature = }, expected a number above 0")

    @classmethod
    def exclusive(
        cls,
        embeddings: ArrayLike,
        labels: ArrayLike,
        *,
        text_weights: ArrayLike | None,
        temperature: float,
        num_classes: int | None = None,
    ) -> Self:
        """Make shots of an exclusive group from the number of each row's class, (N,) integers.

        Raises:
            ValueError: no row, a label outside the classes, or arrays that do not fit.
        """
        rows, text = _float32(embeddings), None
        if text_weights is not None:
            text = _float32(text_weights)
            num_classes = len(text) if num_classes is None else num_classes
        numbers = np.asarray(labels, dtype=np.int64)
        if numbers.ndim != 1 or not len(numbers) or len(numbers) != len(rows):
            raise ValueError(f"got {numbers.shape = } for {len(rows)} embeddings, expected (N,)")
        count = int(numbers.max()) + 1 if num_classes is None else num_classes
        if numbers.min() < 0 or numbers.max() >= count:
            raise ValueError(f"got labels outside [0, {count})")
        targets = np.eye(count, dtype=np.float32)[numbers]
        return cls(embeddings=rows, targets=targets, text_weights=text, temperature=temperature)

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.targets.shape[1])

    @property
    def dim(self) -> int:
        """D."""
        return int(self.embeddings.shape[1])

    @property
    def weights(self) -> FloatArray:
        """(N, C) float32 >= 0, how much each row counts for each class; the mean is one."""
        if not self.is_balanced:
            return np.ones_like(self.targets)
        return balanced_weights(self.targets, is_exclusive=self.is_exclusive)

    @property
    def class_means(self) -> FloatArray:
        """(C, D) float32, mean embedding of the rows of each class; zeros for a class without."""
        counts = np.maximum(self.targets.sum(axis=0), 1.0)
        return np.asarray(self.targets.T @ self.embeddings / counts[:, None], np.float32)

    @property
    def start_weights(self) -> FloatArray:
        """(C, D) float32: the text weights, or the directions of the class means without words."""
        if self.text_weights is not None:
            return self.text_weights
        means = self.class_means
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(norms, 1e-6), np.float32)

    @property
    def scaled_embeddings(self) -> FloatArray:
        """(N, D) float32, the embeddings times the temperature."""
        return np.asarray(np.float32(self.temperature) * self.embeddings, np.float32)

    @property
    def text_logits(self) -> FloatArray:
        """(N, C) float32, what the start weights alone say of the shots."""
        return self.scaled_embeddings @ self.start_weights.T

    def subset(self, rows: ArrayLike) -> "Shots":
        """Take some rows; the classes stay, though one may have no row left."""
        chosen = np.asarray(rows)
        return replace(self, embeddings=self.embeddings[chosen], targets=self.targets[chosen])

    def rebalanced(self, rng: np.random.Generator) -> "Shots":
        """The shots to fit on: with rows repeated or made where `balance` says so."""
        if self.balance == "weights":
            return self
        embeddings, targets = rebalanced(self.embeddings, self.targets, self.balance, rng=rng)
        return replace(self, embeddings=embeddings, targets=targets, balance="weights")


class FewShotAdapter(ABC):
    """A fitted map from embeddings to the logits of one group.

    Args:
        arrays: what `_fit` learned, by name.
    """

    name: ClassVar[str]
    """The name in the registry, also written to files."""
    array_names: ClassVar[tuple[str, ...]]
    """The names of the arrays, in the order to show."""
    fits_others: ClassVar[bool] = False
    """Whether it fits and cross-fits other adapters, which balance their shots themselves."""

    def __init__(self, arrays: Arrays) -> None:
        if set(arrays) != set(self.array_names):
            raise ValueError(
                f"got arrays {sorted(arrays)} for adapter {self.name!r}, "
                f"expected {sorted(self.array_names)}"
            )
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"got array {name!r} of adapter {self.name!r} that is not finite")
        self.arrays: Arrays = MappingProxyType({key: _float32(arrays[key]) for key in arrays})
        self._check_arrays()

    @classmethod
    def fit(cls, shots: Shots, *, seed: int = 0) -> Self:
        """Learn from labelled embeddings.

        Args:
            shots: what is learned from.
            seed: of everything that is drawn at random; the same seed gives the same adapter.

        Raises:
            ValueError: the shots do not hold what this adapter needs.
        """
        rng = np.random.default_rng(seed)
        return cls(cls._fit(shots if cls.fits_others else shots.rebalanced(rng), rng))

    def logits(self, embeddings: ArrayLike) -> FloatArray:
        """Score embeddings.

        Args:
            embeddings: (N, D) float32, unit norm.

        Returns:
            (N, C) float32: softmax over the row (exclusive) or sigmoid of each (multi-label) are
            the adapter's own, uncalibrated shares.

        Raises:
            ValueError: the embeddings are of another width, or not finite.
        """
        rows = _float32(embeddings)
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise ValueError(f"got {rows.shape = }, expected (N, {self.dim})")
        if not np.isfinite(rows).all():
            raise ValueError("got embeddings that are not finite")
        return np.asarray(self._logits(rows), dtype=np.float32)

    @property
    def dim(self) -> int:
        """D, the width of the embeddings: that of the class weights, where there are some."""
        return int(self.arrays["weights"].shape[1])

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.arrays["weights"])

    @classmethod
    @abstractmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Learn the arrays."""

    @abstractmethod
    def _logits(self, embeddings: FloatArray) -> FloatArray:
        """(N, C) logits of checked embeddings."""

    @abstractmethod
    def _check_arrays(self) -> None:
        """Raise ValueError where the arrays do not fit each other."""


class LinearAdapter(FewShotAdapter):
    """An adapter whose logits are `embeddings @ weights.T + bias`."""

    array_names = ("bias", "weights")

    def _logits(self, embeddings: FloatArray) -> FloatArray:
        return embeddings @ self.arrays["weights"].T + self.arrays["bias"]

    def _check_arrays(self) -> None:
        weights, bias = self.arrays["weights"], self.arrays["bias"]
        if weights.ndim != 2 or bias.shape != weights.shape[:1]:
            raise ValueError(f"got {weights.shape = }, {bias.shape = }, expected (C, D) and (C,)")


def _float32(values: ArrayLike) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float32)


def _check_rows(rows: FloatArray, name: str) -> None:
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"got {name} of {rows.shape = }, expected (N >= 1, D >= 1)")
    if rows.dtype != np.float32 or not np.isfinite(rows).all():
        raise ValueError(f"got {name} of {rows.dtype}, expected finite float32")
    if not (np.abs(np.linalg.norm(rows, axis=1) - 1.0) < _NORM_TOLERANCE).all():
        raise ValueError(f"got {name} that are not of unit norm; divide each by its norm")
