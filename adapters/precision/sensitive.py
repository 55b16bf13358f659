"""Chooses which layers of a network stay in float32, by what rounding them costs.

Networks are most sensitive at their ends: the first layer sees the picture itself, the last makes
the embedding. So layers are taken from either end, each time from the one whose rounding costs
more, until the embeddings are near enough or too many layers would stay slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Nearness", "choose_kept"]


@dataclass(frozen=True, order=True)
class Nearness:
    """How near rounded embeddings are to the original's: cosines over pictures."""

    mean: float
    worst: float


def choose_kept(
    layers: Sequence[str],
    measure: Callable[[tuple[str, ...]], Nearness],
    *,
    wanted: float,
    most: int,
) -> tuple[tuple[str, ...], Nearness]:
    """Take layers from both ends until the mean cosine is as wanted.

    Args:
        layers: names of those that could be rounded, in the order in which they compute.
        measure: nearness of a network in which these layers stay in float32.
        wanted: mean cosine.
        most: how many may stay.

    Returns:
        The layers that stay, in the order of `layers`, and the nearness they give.
    """
    before = after = 0
    best = measure(())
    while best.mean < wanted and before + after < min(most, len(layers)):
        options = [(before + 1, after), (before, after + 1)]
        tried = {ends: measure(_at_ends(layers, *ends)) for ends in options}
        (before, after), best = max(tried.items(), key=lambda item: item[1])
    return _at_ends(layers, before, after), best


def _at_ends(layers: Sequence[str], before: int, after: int) -> tuple[str, ...]:
    return (*layers[:before], *layers[len(layers) - after :])
