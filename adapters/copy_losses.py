"""The loss of copy descriptors: InfoNCE between views, and spread (torch: training only).

As SSCD (Pizzi et al. 2022, "A Self-Supervised Descriptor for Image Copy Detection") trains: views
of one picture attract each other against all other pictures of the batch, and a
Kozachenko-Leonenko term pushes every descriptor from its nearest stranger, so that the space is
filled evenly and one distance means the same everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["copy_loss", "info_nce", "spread_loss"]


def copy_loss(
    rows: Tensor, ids: Tensor, others: Tensor, *, temperature: float, spread: float
) -> Tensor:
    """InfoNCE plus `spread` times the entropy term.

    Args:
        rows: (M, C) unit norm, several views of each picture.
        ids: (M,) the picture of each row.
        others: (M,) a second picture that is visible in the row, or -1; such a pair is neither
            attracted nor pushed apart.
        temperature: divides the cosines.
        spread: weight of the entropy term.
    """
    same = ids[:, None] == ids[None, :]
    mixed = (others[:, None] == ids[None, :]) | (ids[:, None] == others[None, :])
    mixed |= (others[:, None] == others[None, :]) & (others[:, None] >= 0)
    mixed &= ~same
    cosines = rows @ rows.T
    return info_nce(cosines, same, mixed, temperature=temperature) + spread * spread_loss(
        cosines, same | mixed
    )


def info_nce(cosines: Tensor, same: Tensor, unsure: Tensor, *, temperature: float) -> Tensor:
    """Mean over positive pairs of -log softmax over everything but the row itself.

    Args:
        cosines: (M, M).
        same: (M, M) bool, pairs of one picture, the diagonal included.
        unsure: (M, M) bool, pairs that are left out.
        temperature: divides the cosines.
    """
    itself = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    logits = (cosines / temperature).masked_fill(itself | unsure, -torch.inf)
    positive = same & ~itself
    negatives = torch.logsumexp(logits.masked_fill(same, -torch.inf), dim=1, keepdim=True)
    losses = torch.logaddexp(logits, negatives) - logits
    return losses[positive].mean()


def spread_loss(cosines: Tensor, related: Tensor) -> Tensor:
    """Minus the mean log of the distance to the nearest unrelated row.

    For unit vectors the squared distance is 2 - 2 cos.
    """
    nearest = cosines.masked_fill(related, -1.0).amax(dim=1)  # -1 where no row is unrelated
    squared = (2 - 2 * nearest).clamp_min(1e-8)
    return -0.5 * squared.log().mean()
