"""Early fusion by attention: one token a modality, weighed by what the tokens show.

Every token has a key for each modality, so that what is heard can say how far to trust what is
seen; absent modalities are masked (one head of attention pooling after Vaswani et al. 2017,
arXiv:1706.03762):

    s_m = b_m + sum over present j of k_jm . x_j,   w = softmax over present m,
    logits = M sum_m w_m (T_m V_m x_m + d_m)

V begins at the words, or the class means without words, and k, b, d at zero, which is the mean of
the modalities. Trained by Adam with modalities hidden at random in every step, and decay towards
the beginning.
"""

from dataclasses import dataclass

import numpy as np

from adapters.few_shot.base import FloatArray
from adapters.few_shot.descent import Parameters, adam
from adapters.few_shot.objective import loss_and_gradient
from adapters.fusion.base import DROPOUT, BoolArray, FusionAdapter, FusionShots, Rows, presence
from adapters.fusion.experts import relative

__all__ = ["AttentionFusion"]

LEARNING_RATE = 0.01
NUM_STEPS = 200
WEIGHT_DECAY = 0.1


class AttentionFusion(FusionAdapter):
    """Attention pooling over the modalities; `keys` (M, D) say for whom a token speaks."""

    name = "attention"
    own_names = ("bias", "keys", "weights")
    shared_names = ("offsets",)

    @classmethod
    def _fit(
        cls, shots: FusionShots, few_shot: str | None, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        names, there = shots.modalities, presence(shots.rows)
        tokens = [shots.rows[name].embeddings for name in names]
        heat = np.array([shots.temperatures[name] for name in names], np.float32)

        def objective(now: Parameters) -> tuple[float, Parameters]:
            kept = _dropped(there, rng)
            run = _forward(now, tokens, heat, kept)
            loss, gradient = loss_and_gradient(
                run.logits, shots.targets, shots.weights, is_exclusive=shots.is_exclusive
            )
            return loss, _backward(run, gradient, tokens, heat, kept)

        learned = adam(
            _start(shots),
            objective,
            learning_rate=LEARNING_RATE,
            num_steps=NUM_STEPS,
            weight_decay=WEIGHT_DECAY,
        )
        arrays: dict[str, FloatArray] = {"offsets": learned["offsets"]}
        for place, name in enumerate(names):
            hot = heat[place] * learned[f"weights {place}"]
            arrays[f"{name}/weights"] = relative(hot, is_exclusive=shots.is_exclusive)
            bias = learned[f"bias {place}"]
            arrays[f"{name}/bias"] = relative(bias, is_exclusive=shots.is_exclusive)
            arrays[f"{name}/keys"] = learned[f"keys {place}"]
        return arrays

    def _parts(self, rows: Rows, is_present: BoolArray) -> FloatArray:
        tokens = [one.embeddings for one in rows.values()]
        keys = [self._own(name, "keys") for name in self.modalities]
        shares = _shares(tokens, keys, self.arrays["offsets"], is_present)
        return self._linear(rows) * (len(tokens) * shares.T)[:, :, None]

    def _check_arrays(self) -> None:
        super()._check_arrays()
        number, offsets = len(self.modalities), self.arrays["offsets"]
        keys = {one: self._own(one, "keys").shape for one in self.modalities}
        expected = {one: (number, dim) for one, dim in self.dims.items()}
        if offsets.shape != (number,) or keys != expected:
            raise ValueError(f"got {offsets.shape = }, keys of {keys}, expected (M,) and (M, D)")


@dataclass(frozen=True, eq=False)
class _Run:
    """One pass forward: shares (N, M), each modality's values (M, N, C), logits (N, C)."""

    shares: FloatArray
    values: FloatArray
    logits: FloatArray


def _start(shots: FusionShots) -> dict[str, FloatArray]:
    number, start = len(shots.modalities), {}
    for place, name in enumerate(shots.modalities):
        has_rows, dim = bool(shots.rows[name].is_present.any()), shots.rows[name].dim
        zero = np.zeros((shots.num_classes, dim), np.float32)
        start[f"weights {place}"] = shots.of(name).start_weights.copy() if has_rows else zero
        start[f"bias {place}"] = np.zeros(shots.num_classes, np.float32)
        start[f"keys {place}"] = np.zeros((number, dim), np.float32)
    start["offsets"] = np.zeros(number, np.float32)
    return start


def _dropped(is_present: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Hide modalities at random, and none of a row that would lose all."""
    kept = is_present & (rng.random(is_present.shape) >= DROPOUT)
    return np.where(kept.any(axis=1, keepdims=True), kept, is_present)


def _shares(
    tokens: list[FloatArray], keys: list[FloatArray], offsets: FloatArray, is_present: BoolArray
) -> FloatArray:
    """(N, M) attention, zero where absent; rows sum to one where anything is present."""
    scores = offsets + sum(
        (token @ key.T) * is_present[:, [place]]
        for place, (token, key) in enumerate(zip(tokens, keys, strict=True))
    )
    masked = np.where(is_present, scores, -np.inf)
    top = np.where(is_present.any(axis=1), masked.max(axis=1), 0.0)[:, None]
    weights = np.exp(masked - top)
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12), np.float32)


def _forward(now: Parameters, tokens: list[FloatArray], heat: FloatArray, kept: BoolArray) -> _Run:
    number = len(tokens)
    shares = _shares(tokens, [now[f"keys {m}"] for m in range(number)], now["offsets"], kept)
    values = np.stack([
        heat[m] * (tokens[m] @ now[f"weights {m}"].T) + now[f"bias {m}"] for m in range(number)
    ])  # fmt: skip
    logits = number * np.einsum("nm,mnc->nc", shares, values)
    return _Run(shares, values, np.asarray(logits, np.float32))


def _backward(
    run: _Run, gradient: FloatArray, tokens: list[FloatArray], heat: FloatArray, kept: BoolArray
) -> dict[str, FloatArray]:
    number = len(tokens)
    by_share = number * np.einsum("nc,mnc->nm", gradient, run.values)
    mean = (run.shares * by_share).sum(axis=1, keepdims=True)
    by_score = np.asarray(run.shares * (by_share - mean), np.float32)
    found = {"offsets": by_score.sum(axis=0)}
    for m in range(number):
        by_value = number * run.shares[:, [m]] * gradient
        found[f"weights {m}"] = heat[m] * by_value.T @ tokens[m]
        found[f"bias {m}"] = by_value.sum(axis=0)
        found[f"keys {m}"] = (by_score * kept[:, [m]]).T @ tokens[m]
    return found
