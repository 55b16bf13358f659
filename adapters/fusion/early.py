"""Early fusion: the modalities' embeddings side by side, and one probe over all of them.

Each block is divided by the spread of its rows, sigma_m = sqrt(mean |x - mean x|^2), because the
rows of one encoder lie in a narrow cone and those of another all around; the row is then set to
unit length. Words become one row as well, T_m sigma_m t_m side by side, so that the words alone
give the mean of the modalities' own logits. An absent block is zero. Each row is learned twice, the
second time with one modality hidden.
"""

import numpy as np

from adapters.few_shot.anchored_probe import AnchoredProbe
from adapters.few_shot.base import FloatArray, Shots
from adapters.fusion.base import BoolArray, FusionAdapter, FusionShots, Rows, presence
from adapters.fusion.experts import relative
from adapters.fusion.span import in_span

__all__ = ["EarlyFusion", "block_scales", "one_hidden", "row_norms"]

MIN_SPREAD = 0.05


class EarlyFusion(FusionAdapter):
    """An anchored probe over concatenated rows."""

    name = "early"
    shared_names = ("scales",)

    @classmethod
    def _fit(
        cls, shots: FusionShots, few_shot: str | None, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        scales = block_scales(shots)
        turned, basis = in_span(_side_by_side(shots, scales, rng))
        learned = AnchoredProbe.fit(turned).arrays
        weights = relative(learned["weights"] @ basis, is_exclusive=shots.is_exclusive)
        bias = relative(learned["bias"], is_exclusive=shots.is_exclusive)
        ends = np.cumsum([one.dim for one in shots.rows.values()])[:-1]
        blocks = np.split(weights, ends, axis=1)
        arrays = {"scales": scales}
        for name, block, scale in zip(shots.modalities, blocks, scales, strict=True):
            arrays |= {f"{name}/weights": block * scale, f"{name}/bias": bias}
        return arrays

    def _parts(self, rows: Rows, is_present: BoolArray) -> FloatArray:
        norms = row_norms(is_present, self.arrays["scales"])
        number = np.maximum(is_present.sum(axis=1), 1).astype(np.float32)
        return np.stack([
            (
                (one.embeddings @ self._own(name, "weights").T) / norms[:, None]
                + self._own(name, "bias") / number[:, None]
            )
            * one.is_present[:, None]
            for name, one in rows.items()
        ])  # fmt: skip

    def _check_arrays(self) -> None:
        super()._check_arrays()
        scales = self.arrays["scales"]
        if scales.shape != (len(self.modalities),) or (scales <= 0).any():
            raise ValueError(f"got {scales.shape = }, expected (M,) numbers above 0")


def block_scales(shots: FusionShots) -> FloatArray:
    """(M,) float32, one over the spread of each modality's present rows."""
    spreads = []
    for one in shots.rows.values():
        there = one.embeddings[one.is_present]
        centred = there - there.mean(axis=0) if len(there) else there
        spread = float(np.sqrt((centred**2).sum(axis=1).mean())) if len(there) else 1.0
        spreads.append(max(MIN_SPREAD, spread))
    return np.asarray(1.0 / np.array(spreads), np.float32)


def one_hidden(is_present: BoolArray, rng: np.random.Generator) -> BoolArray:
    """(N, M) of rows that have several modalities, each with one of them hidden at random."""
    several: BoolArray = is_present[is_present.sum(axis=1) > 1].copy()
    drawn = np.where(several, rng.random(several.shape), -1.0).argmax(axis=1)
    several[np.arange(len(several)), drawn] = False
    return several


def row_norms(is_present: BoolArray, scales: FloatArray) -> FloatArray:
    """(N,) length of the row that the present blocks make; one where there are none."""
    squares = is_present.astype(np.float32) @ scales**2
    return np.asarray(np.sqrt(np.where(squares > 0, squares, 1.0)), np.float32)


def _side_by_side(shots: FusionShots, scales: FloatArray, rng: np.random.Generator) -> Shots:
    there = presence(shots.rows)
    several = np.flatnonzero(there.sum(axis=1) > 1)
    masks = np.concatenate([there, one_hidden(there, rng)])
    places = np.concatenate([np.arange(len(shots)), several])
    blocks = [
        scale * one.embeddings[places] * masks[:, [place]]
        for place, (one, scale) in enumerate(zip(shots.rows.values(), scales, strict=True))
    ]
    rows = np.concatenate(blocks, axis=1) / row_norms(masks, scales)[:, None]
    words, length = _words(shots, scales)
    full = float(np.sqrt((scales**2).sum()))
    return Shots(
        embeddings=np.asarray(rows, np.float32),
        targets=shots.targets[places],
        text_weights=words,
        temperature=full * length / len(scales) ** 0.5,
        is_exclusive=shots.is_exclusive,
        is_balanced=shots.is_balanced,
    )


def _words(shots: FusionShots, scales: FloatArray) -> tuple[FloatArray, float]:
    """(C, sum of D) unit rows of words side by side, and their mean length before.

    A modality without words has the directions of its class means.
    """
    blocks = []
    for name, scale in zip(shots.modalities, scales, strict=True):
        if shots.rows[name].is_present.any():
            start = shots.of(name).start_weights
        else:
            start = np.zeros((shots.num_classes, shots.rows[name].dim), np.float32)
        blocks.append(np.float32(shots.temperatures[name] / scale) * start)
    words = np.concatenate(blocks, axis=1)
    lengths = np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1e-6)
    return np.asarray(words / lengths, np.float32), float(lengths.mean())
