"""The interface of fusion: labelled rows of several modalities in, a map to logits out.

A shot has a picture, often a sound and sometimes words; each is embedded by an encoder of its own.
A fusion method learns one classifier over all of them, and answers where some are missing. Its
logits are a sum with one part a modality, so that it can say which of them decided. Training hides
modalities at a fixed rate, `DROPOUT` (Neverova et al. 2015, arXiv:1501.00102, section 4.3).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adapters.few_shot.base import Arrays, FloatArray, Shots
from adapters.few_shot.imbalance import balanced_weights

__all__ = [
    "DROPOUT",
    "BoolArray",
    "FusionAdapter",
    "FusionShots",
    "ModalityRows",
    "Rows",
    "decisive_shares",
    "presence",
    "subsets",
    "take_rows",
    "with_only",
]

BoolArray = NDArray[np.bool_]

DROPOUT = 0.2
"""How often each modality of a row is hidden in training; never all of them."""

_NORM_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class ModalityRows:
    """One modality of N rows.

    Attributes:
        embeddings: (N, D) float32, unit norm where present, zeros elsewhere.
        is_present: (N,) bool.
    """

    embeddings: FloatArray
    is_present: BoolArray

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or self.is_present.shape != self.embeddings.shape[:1]:
            raise ValueError(
                f"got {self.embeddings.shape = }, {self.is_present.shape = }, "
                "expected (N, D) and (N,)"
            )
        if not np.isfinite(self.embeddings).all():
            raise ValueError("got embeddings that are not finite")
        norms = np.linalg.norm(self.embeddings, axis=1)
        if (np.abs(norms - self.is_present) > _NORM_TOLERANCE).any():
            raise ValueError("got embeddings without unit norm, or not zero where absent")

    @classmethod
    def of(cls, embeddings: ArrayLike, is_present: ArrayLike | None = None) -> Self:
        """Take rows; those that are absent, or zero and so without a direction, become zeros."""
        rows = np.array(embeddings, np.float32)
        if rows.ndim != 2:
            raise ValueError(f"got {rows.shape = }, expected (N, D)")
        if not np.isfinite(rows).all():
            raise ValueError("got embeddings that are not finite")
        there = np.ones(len(rows), bool) if is_present is None else np.asarray(is_present, bool)
        if there.shape != (len(rows),):
            raise ValueError(f"got {there.shape = } for {len(rows)} rows, expected (N,)")
        there = there & (np.abs(rows).max(axis=1, initial=0.0) > 0)
        rows[~there] = 0.0
        return cls(rows, there)

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.embeddings.shape[1])

    def subset(self, rows: ArrayLike) -> "ModalityRows":
        """Take some rows."""
        return ModalityRows(self.embeddings[np.asarray(rows)], self.is_present[np.asarray(rows)])

    def hidden(self, is_hidden: BoolArray) -> "ModalityRows":
        """Make some rows, (N,) bool, absent."""
        return ModalityRows.of(self.embeddings, self.is_present & ~is_hidden)


Rows = Mapping[str, ModalityRows]
"""Modality -> its rows, all of the same N."""


def presence(rows: Rows) -> BoolArray:
    """(N, M) bool, which modalities each row has."""
    return np.stack([one.is_present for one in rows.values()], axis=1)


def take_rows(rows: Rows, places: ArrayLike) -> dict[str, ModalityRows]:
    """Some rows of every modality."""
    return {name: one.subset(places) for name, one in rows.items()}


def with_only(rows: Rows, kept: Sequence[str]) -> dict[str, ModalityRows]:
    """The same rows with all but some modalities hidden."""
    nothing, everything = (np.full(len(next(iter(rows.values()))), yes) for yes in (False, True))
    return {name: one.hidden(nothing if name in kept else everything) for name, one in rows.items()}


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All sets of at least one of the names, small sets first."""
    return [some for size in range(1, len(names) + 1) for some in combinations(names, size)]


@dataclass(frozen=True, eq=False, kw_only=True)
class FusionShots:
    """Labelled examples of one group of classes, with several modalities each.

    Attributes:
        rows: the modalities; each of the N >= 1 rows has at least one.
        targets: (N, C) float32 of 0 and 1, as in `Shots`.
        text_weights: by modality, (C, D) float32, unit norm; none for an encoder without words.
        temperatures: by modality, factor on the cosines before a softmax.
        is_exclusive: whether one class holds (softmax) or any number (sigmoids).
        is_balanced: whether rare classes count as much as frequent ones.
    """

    rows: Rows
    targets: FloatArray
    text_weights: Mapping[str, FloatArray]
    temperatures: Mapping[str, float]
    is_exclusive: bool = True
    is_balanced: bool = True

    def __post_init__(self) -> None:
        if not self.rows or set(self.temperatures) != set(self.rows):
            raise ValueError(
                f"got modalities {sorted(self.rows)} with temperatures of "
                f"{sorted(self.temperatures)}, expected the same, and at least one"
            )
        if not set(self.text_weights) <= set(self.rows):
            raise ValueError(f"got words of {sorted(self.text_weights)}, which have no rows")
        if any(len(one) != len(self.targets) for one in self.rows.values()):
            raise ValueError(f"got modalities of unlike lengths for {len(self.targets)} targets")
        if not len(self.targets) or not presence(self.rows).any(axis=1).all():
            raise ValueError("got no row, or a row without any modality")
        for name in self.rows:
            if self.rows[name].is_present.any():
                self.of(name)  # checks targets, widths and words

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def modalities(self) -> tuple[str, ...]:
        """M names, in the order of parts and gates."""
        return tuple(self.rows)

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.targets.shape[1])

    @property
    def weights(self) -> FloatArray:
        """(N, C) float32 >= 0, how much each row counts for each class; the mean is one."""
        if not self.is_balanced:
            return np.ones_like(self.targets)
        return balanced_weights(self.targets, is_exclusive=self.is_exclusive)

    def of(self, modality: str) -> Shots:
        """The rows that have a modality, as few-shot adapters take them."""
        there = self.rows[modality].is_present
        return Shots(
            embeddings=self.rows[modality].embeddings[there],
            targets=self.targets[there],
            text_weights=self.text_weights.get(modality),
            temperature=self.temperatures[modality],
            is_exclusive=self.is_exclusive,
            is_balanced=self.is_balanced,
        )

    def subset(self, places: ArrayLike) -> "FusionShots":
        """Take some rows; the classes stay, though one may have no row left."""
        chosen = np.asarray(places)
        return FusionShots(
            rows=take_rows(self.rows, chosen),
            targets=self.targets[chosen],
            text_weights=self.text_weights,
            temperatures=self.temperatures,
            is_exclusive=self.is_exclusive,
            is_balanced=self.is_balanced,
        )

    def only(self, kept: Sequence[str]) -> "FusionShots":
        """Leave out all but some modalities, and the rows that have none of them."""
        rows = {name: self.rows[name] for name in kept}
        places = np.flatnonzero(presence(rows).any(axis=1))
        return FusionShots(
            rows=take_rows(rows, places),
            targets=self.targets[places],
            text_weights={
                name: self.text_weights[name] for name in kept & self.text_weights.keys()
            },
            temperatures={name: self.temperatures[name] for name in kept},
            is_exclusive=self.is_exclusive,
            is_balanced=self.is_balanced,
        )


class FusionAdapter(ABC):
    """A fitted map from the modalities of a row to the logits of one group.

    Args:
        arrays: what `_fit` learned: `MODALITY/NAME` for each of `own_names`, and `shared_names`.
        modalities: in the order of the parts.
    """

    name: ClassVar[str]
    """The name in the registry, also written to files."""
    own_names: ClassVar[tuple[str, ...]] = ("bias", "weights")
    """Arrays of each modality; `weights` is (C, D) of its width."""
    shared_names: ClassVar[tuple[str, ...]] = ()
    """Arrays of all modalities together."""
    has_experts: ClassVar[bool] = False
    """Whether it joins few-shot adapters, one a modality, which the caller may choose."""

    def __init__(self, arrays: Arrays, modalities: Sequence[str]) -> None:
        self.modalities = tuple(modalities)
        expected = {f"{one}/{name}" for one in self.modalities for name in self.own_names}
        expected |= set(self.shared_names)
        if set(arrays) != expected or not self.modalities:
            raise ValueError(
                f"got arrays {sorted(arrays)} for fusion {self.name!r}, expected {sorted(expected)}"
            )
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"got array {name!r} of fusion {self.name!r} that is not finite")
        self.arrays: Arrays = MappingProxyType(
            {key: np.ascontiguousarray(array, np.float32) for key, array in arrays.items()}
        )
        shapes = {one: self._own(one, "weights").shape for one in self.modalities}
        if any(len(shape) != 2 for shape in shapes.values()):
            raise ValueError(f"got weights of {shapes}, expected (C, D)")
        if len({shape[0] for shape in shapes.values()}) != 1:
            raise ValueError(f"got weights of {shapes}, expected the same classes in all")
        self._check_arrays()

    @classmethod
    def fit(cls, shots: FusionShots, *, few_shot: str | None = None, seed: int = 0) -> Self:
        """Learn from labelled rows.

        Args:
            shots: what is learned from.
            few_shot: the linear few-shot adapter of each modality, for methods that use one; None
                for the method's own choice.
            seed: of everything that is drawn at random; the same seed gives the same adapter.

        Raises:
            ValueError: the shots do not hold what this method needs.
        """
        if few_shot is not None and not cls.has_experts:
            raise ValueError(
                f"got adapter {few_shot!r} for fusion {cls.name!r}, which has none of its own; "
                "join adapters by gates, mean or stacking"
            )
        learned = cls._fit(shots, few_shot, np.random.default_rng(seed))
        return cls(learned, shots.modalities)

    @property
    def dims(self) -> dict[str, int]:
        """D of each modality."""
        return {one: int(self._own(one, "weights").shape[1]) for one in self.modalities}

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self._own(self.modalities[0], "weights"))

    def parts(self, rows: Rows) -> FloatArray:
        """Score rows by modality.

        Args:
            rows: all modalities of the adapter; others are ignored.

        Returns:
            (M, N, C) float32, zeros where a modality is absent. Their sum is the logits; in an
            exclusive group each sums to zero over the classes (nearly so in `stacking`).

        Raises:
            ValueError: a modality is not given, or is of another width.
        """
        missing = [name for name in self.modalities if name not in rows]
        if missing:
            raise ValueError(f"got no rows of {', '.join(missing)}; give them, masked as absent")
        own = {name: rows[name] for name in self.modalities}
        dims = {name: one.dim for name, one in own.items()}
        if dims != self.dims or len({len(one) for one in own.values()}) != 1:
            raise ValueError(f"got rows of widths {dims}, expected {self.dims} and the same N")
        return np.asarray(self._parts(own, presence(own)), np.float32)

    def logits(self, rows: Rows) -> FloatArray:
        """(N, C) float32 logits; all zero, which says nothing, for a row without any modality."""
        return np.asarray(self.parts(rows).sum(axis=0), np.float32)

    def _own(self, modality: str, name: str) -> FloatArray:
        return self.arrays[f"{modality}/{name}"]

    def _linear(self, rows: Rows) -> FloatArray:
        """(M, N, C) `x @ weights.T + bias`, zeros where absent."""
        return np.stack([
            (one.embeddings @ self._own(name, "weights").T + self._own(name, "bias"))
            * one.is_present[:, None]
            for name, one in rows.items()
        ])  # fmt: skip

    @classmethod
    @abstractmethod
    def _fit(
        cls, shots: FusionShots, few_shot: str | None, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """Learn the arrays."""

    @abstractmethod
    def _parts(self, rows: Rows, is_present: BoolArray) -> FloatArray:
        """(M, N, C) of checked rows in the order of the modalities; `is_present` is (N, M)."""

    def _check_arrays(self) -> None:
        """Raise ValueError where the arrays do not fit each other."""
        for one in self.modalities:
            weights, bias = self._own(one, "weights"), self._own(one, "bias")
            if bias.shape != weights.shape[:1]:
                raise ValueError(f"got {weights.shape = }, {bias.shape = } of {one}")


def decisive_shares(parts: FloatArray, winners: NDArray[np.int64]) -> FloatArray:
    """Which modality decided: its share of what speaks for the winning class.

    A part above zero speaks for its class; what speaks against it counts as nothing.

    Args:
        parts: (M, N, C) from `FusionAdapter.parts`.
        winners: (N,) the class of each row.

    Returns:
        (N, M) float32, rows sum to one; zeros where nothing speaks for the class.
    """
    speaking = np.maximum(parts[:, np.arange(parts.shape[1]), winners], 0.0).T
    total = speaking.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, speaking / np.maximum(total, 1e-12), 0.0), np.float32)
