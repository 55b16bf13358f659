"""The two losses of few-shot training with their gradients: softmax and sigmoid cross-entropy."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["curvature", "log_softmax", "loss_and_gradient", "probabilities", "sigmoid"]

FloatArray = NDArray[np.float32]


def loss_and_gradient(
    logits: FloatArray, targets: FloatArray, weights: FloatArray, *, is_exclusive: bool
) -> tuple[float, FloatArray]:
    """Weighted cross-entropy and its gradient.

    Exclusive: `-sum_ic w_ic y_ic log softmax(z_i)_c / N`, for which the gradient is
    `w_i (p_i - y_i) / N`, as a row's weight is the same in all columns. Multi-label:
    `-sum_ic w_ic (y log s(z) + (1 - y) log s(-z)) / N` with gradient `w (s(z) - y) / N`.

    Args:
        logits: (N, C) float32.
        targets: (N, C) float32 of 0 and 1.
        weights: (N, C) float32 with mean one; in an exclusive group constant along a row.
        is_exclusive: which of the two.

    Returns:
        The loss, and its gradient with respect to the logits, (N, C) float32.
    """
    num_rows = len(logits)
    if is_exclusive:
        log_shares = log_softmax(logits)
        loss = -float((weights * targets * log_shares).sum()) / num_rows
        gradient = weights * (np.exp(log_shares) - targets) / num_rows
    else:
        # log(1 + exp(z)) - y z, without overflow
        losses = np.maximum(logits, 0) - targets * logits + np.log1p(np.exp(-np.abs(logits)))
        loss = float((weights * losses).sum()) / num_rows
        gradient = weights * (sigmoid(logits) - targets) / num_rows
    return loss, np.asarray(gradient, dtype=np.float32)


def curvature(embeddings: FloatArray, weights: FloatArray, *, is_exclusive: bool) -> float:
    """Bound the curvature of the loss of a linear map: no gradient step of 1 / bound overshoots.

    The Hessian of softmax cross-entropy with respect to the logits is `diag(p) - p p^T`, at most
    1/2 in every direction (Böhning 1992); of the sigmoid's, at most 1/4. Through
    `logits = X W^T` both are multiplied by the largest eigenvalue of `X^T diag(w) X / N`.
    """
    scaled = embeddings * np.sqrt(weights.max(axis=1, keepdims=True))
    gram = scaled @ scaled.T if len(scaled) <= scaled.shape[1] else scaled.T @ scaled
    largest = float(np.linalg.eigvalsh(gram)[-1]) / len(embeddings)
    return largest * (0.5 if is_exclusive else 0.25)


def probabilities(logits: FloatArray, *, is_exclusive: bool) -> FloatArray:
    """(N, C) float32 shares: softmax over each row, or the sigmoid of each logit."""
    return np.exp(log_softmax(logits)) if is_exclusive else sigmoid(logits)


def log_softmax(logits: FloatArray) -> FloatArray:
    """(N, C) float32 logarithm of the softmax over each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp never overflows
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)


def sigmoid(logits: FloatArray) -> FloatArray:
    """`1 / (1 + exp(-z))`, as a tanh, which never overflows."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)
