"""k nearest labelled examples: the baseline that needs neither words nor training."""

import numpy as np

from adapters.few_shot.base import FewShotAdapter, FloatArray, Shots

__all__ = ["NearestExamples"]

MAX_NEIGHBOURS = 5
SIMILARITY_SCALE = 10.0
"""Votes are `exp(scale x cosine)`: a neighbour that is 0.1 nearer counts 2.7 times as much."""
PRIOR_VOTES = 0.1


class NearestExamples(FewShotAdapter):
    """Votes of the k most similar shots, k = the rows of the rarest class, at most five."""

    name = "nearest"
    array_names = ("embeddings", "targets", "k")

    @property
    def dim(self) -> int:
        """D."""
        return int(self.arrays["embeddings"].shape[1])

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.arrays["targets"].shape[1])

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        counts = shots.targets.sum(axis=0)
        rarest = int(counts[counts > 0].min()) if counts.any() else 1
        k = np.array([min(MAX_NEIGHBOURS, rarest, len(shots))], np.float32)
        return {"embeddings": shots.embeddings, "targets": shots.targets, "k": k}

    def _logits(self, embeddings: FloatArray) -> FloatArray:
        keys, targets = self.arrays["embeddings"], self.arrays["targets"]
        k = int(self.arrays["k"][0])
        cosines = embeddings @ keys.T
        near = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        best = np.take_along_axis(cosines, near, axis=1)
        votes = np.exp(SIMILARITY_SCALE * (best - best.max(axis=1, keepdims=True)))
        votes /= votes.sum(axis=1, keepdims=True)
        shares = np.einsum("nk,nkc->nc", votes, targets[near])
        prior = PRIOR_VOTES / self.num_classes
        share = (shares + prior) / (1.0 + PRIOR_VOTES)
        return np.asarray(np.log(share) - np.log1p(-share), np.float32)

    def _check_arrays(self) -> None:
        keys, targets, k = (self.arrays[name] for name in self.array_names)
        if keys.ndim != 2 or targets.ndim != 2 or len(keys) != len(targets) or k.shape != (1,):
            raise ValueError(f"got {keys.shape = }, {targets.shape = }, {k.shape = }")
        if not 1 <= k[0] <= len(keys):
            raise ValueError(f"got k = {k[0]} neighbours of {len(keys)} rows")
