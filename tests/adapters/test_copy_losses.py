import math

import pytest

torch = pytest.importorskip("torch")

from adapters.copy_losses import copy_loss, info_nce, spread_loss  # noqa: E402

EYE = torch.eye(4, dtype=torch.bool)


def test_info_nce_by_hand() -> None:
    # two pictures of two views; a row sees its twin at 1 and two strangers at 0
    ids = torch.tensor([0, 1, 0, 1])
    same = ids[:, None] == ids[None, :]
    cosines = same.float()
    expected = -math.log(math.exp(2) / (math.exp(2) + 2))
    loss = info_nce(cosines, same, torch.zeros_like(same), temperature=0.5)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_pairs_that_are_left_out_do_not_count() -> None:
    ids = torch.tensor([0, 1, 0, 1])
    same = ids[:, None] == ids[None, :]
    unsure = torch.zeros_like(same)
    unsure[0, 1] = unsure[0, 3] = True
    loss = info_nce(same.float(), same, unsure, temperature=0.5)
    others = -math.log(math.exp(2) / (math.exp(2) + 2))
    assert loss.item() == pytest.approx(0.75 * others, abs=1e-6)  # row 0 has no stranger left


def test_spread_by_hand() -> None:
    # unit vectors at right angles lie sqrt(2) apart
    rows = torch.eye(4)
    assert spread_loss(rows @ rows.T, EYE).item() == pytest.approx(-0.5 * math.log(2), abs=1e-6)
    # opposite pairs: the nearest stranger of each lies at a right angle too
    rows = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert spread_loss(rows @ rows.T, EYE).item() == pytest.approx(-0.5 * math.log(2), abs=1e-6)


def test_a_picture_inside_another_is_no_stranger() -> None:
    ids, others = torch.tensor([0, 1, 0, 1]), torch.tensor([-1, -1, 1, -1])
    rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [0, 1], [1, 0.9], [0, 1]]), dim=1)
    apart = copy_loss(rows, ids, torch.full((4,), -1), temperature=0.1, spread=0.0)
    known = copy_loss(rows, ids, others, temperature=0.1, spread=0.0)
    assert known < apart


def test_collapse_costs_more_than_spread() -> None:
    ids, none = torch.arange(8).repeat(2), torch.full((16,), -1)
    spread_out = torch.eye(8).repeat(2, 1)
    collapsed = torch.nn.functional.normalize(torch.ones(16, 8), dim=1)
    options = {"temperature": 0.05, "spread": 1.0}
    assert copy_loss(spread_out, ids, none, **options) < copy_loss(collapsed, ids, none, **options)


def test_gradients_are_finite_where_rows_coincide() -> None:
    rows = torch.nn.functional.normalize(torch.ones(4, 3), dim=1).requires_grad_()
    ids = torch.tensor([0, 1, 0, 1])
    copy_loss(rows, ids, torch.full((4,), -1), temperature=0.05, spread=1.0).backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(rows.grad).all()
