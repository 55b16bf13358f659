import pytest

torch = pytest.importorskip("torch")

from adapters.alignment import AttentionPool, ResidualHead  # noqa: E402


def test_attention_pool_starts_as_the_plain_mean() -> None:
    maps = torch.arange(2 * 8 * 3 * 3, dtype=torch.float32).reshape(2, 8, 3, 3)
    pooled = AttentionPool(8, groups=4)(maps)
    torch.testing.assert_close(pooled, maps.mean((2, 3)))


def test_attention_pool_weighs_each_group_of_channels_by_itself() -> None:
    pool = AttentionPool(2, groups=2)
    with torch.no_grad():
        pool.logits.weight.copy_(torch.tensor([[1000.0, 0.0], [0.0, 0.0]]))
    maps = torch.tensor([[[[1.0, 5.0]], [[2.0, 4.0]]]])  # (1, 2 channels, 1, 2)
    # Group 0 looks only where channel 0 is largest; group 1 has no preference.
    torch.testing.assert_close(pool(maps), torch.tensor([[5.0, 3.0]]))


def test_attention_pool_refuses_groups_that_do_not_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="groups must divide channels"):
        AttentionPool(10, groups=4)


def test_residual_head_ends_on_the_unit_sphere_and_starts_linear() -> None:
    head = ResidualHead(6, 4, hidden=5, dropout=0.0)
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    out = head(x)
    torch.testing.assert_close(out.norm(dim=-1), torch.ones(3))
    linear = head.linear(head.norm(x))
    torch.testing.assert_close(out, torch.nn.functional.normalize(linear, dim=-1))
