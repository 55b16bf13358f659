"""Contrastive losses between picture and text embeddings (torch: training only)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive_loss(
    images: Tensor, texts: Tensor, *, scale: Tensor, targets: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE (Radford et al. 2021): row i of each side belongs to row i of the other.

    Args:
        images: (N, D) unit norm.
        texts: (N, D) unit norm.
        scale: scalar, the factor on the cosine before the softmax (1 / temperature).
        targets: (N, N) probabilities over texts for each image, rows summing to one and the
            matrix symmetric; `None` stands for the identity.

    Returns:
        Scalar mean loss of the two directions, in nats.

    Raises:
        ValueError: if the shapes differ.
    """
    if images.shape != texts.shape:
        raise ValueError(
            f"got {tuple(images.shape)} images and {tuple(texts.shape)} texts; "
            "expected as many of each, of one dimension"
        )
    logits = scale * images @ texts.T
    if targets is None:
        rows = torch.arange(len(images), device=images.device)
        return (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, rows)) / 2
    forward = -(targets * F.log_softmax(logits, dim=1)).sum(1).mean()
    backward = -(targets * F.log_softmax(logits.T, dim=1)).sum(1).mean()
    return (forward + backward) / 2


def soft_targets(references: Tensor, *, temperature: float, weight: float) -> Tensor:
    """Targets that give captions of similar meaning a share, against false negatives.

    Args:
        references: (N, R) unit-norm embeddings of the texts by a frozen encoder.
        temperature: of the softmax over their cosines.
        weight: share of the soft part, 0 to 1; the rest stays on the diagonal.

    Returns:
        (N, N) symmetric, rows summing to about one.
    """
    soft = torch.softmax(references @ references.T / temperature, dim=1)
    soft = (soft + soft.T) / 2
    return (1 - weight) * torch.eye(len(references), device=references.device) + weight * soft
