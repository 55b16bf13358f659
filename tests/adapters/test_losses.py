import math

import pytest

torch = pytest.importorskip("torch")

from adapters.losses import contrastive_loss, soft_targets  # noqa: E402

PAIR = torch.eye(2)


def test_contrastive_loss_of_two_orthogonal_pairs() -> None:
    # Logits are [[s, 0], [0, s]]: the loss is log(1 + exp(-s)) both ways.
    for scale in (0.0, 1.0, 3.0):
        loss = contrastive_loss(PAIR, PAIR, scale=torch.tensor(scale))
        assert loss.item() == pytest.approx(math.log(1 + math.exp(-scale)), abs=1e-6)


def test_contrastive_loss_is_high_when_pairs_are_swapped() -> None:
    loss = contrastive_loss(PAIR, PAIR.flip(0), scale=torch.tensor(3.0))
    assert loss.item() == pytest.approx(3 + math.log(1 + math.exp(-3)), abs=1e-6)


def test_identity_targets_are_the_plain_loss() -> None:
    scale = torch.tensor(2.0)
    plain = contrastive_loss(PAIR, PAIR.flip(0), scale=scale)
    torch.testing.assert_close(
        contrastive_loss(PAIR, PAIR.flip(0), scale=scale, targets=torch.eye(2)), plain
    )


def test_uneven_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="as many of each"):
        contrastive_loss(torch.eye(2), torch.eye(3), scale=torch.tensor(1.0))


def test_soft_targets_share_between_equal_texts_only() -> None:
    texts = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    targets = soft_targets(texts, temperature=0.01, weight=0.5)
    expected = torch.tensor([[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(targets, expected)
