import shutil
from pathlib import Path

import numpy as np
import pytest

from adapters.few_shot import ADAPTERS, DEFAULT_ADAPTER
from adapters.few_shot.imbalance import Balance
from eval.few_shot import draw_shots, evaluate_few_shot
from eval.picture_folders import embed_pictures, read_picture_folders
from eval.picture_views import Views, ViewsAs
from retrieval.errors import InvalidInputError
from tests.eval.picture_classes import make_classes
from tests.fakes import FakeEncoder


def test_every_adapter_is_measured_on_the_same_shots(tmp_path: Path) -> None:
    data = make_classes(tmp_path / "colours")
    report = evaluate_few_shot(FakeEncoder(), data, num_shots=(1, 4), num_seeds=2)
    assert set(report.adapters) == set(ADAPTERS)
    assert len(report.runs) == len(ADAPTERS) * 2 * 2
    for name in ADAPTERS:
        assert report.scores(name, 4) == [100, 100], name
    shown = report.text()
    assert "colours, 3 classes, 18 pictures" in shown
    assert "100.0 ± 0.0" in shown
    assert report.confusion is not None
    assert report.confusion.tolist() == (np.eye(3) * 2 * 2).tolist()


def test_as_json(tmp_path: Path) -> None:
    data = make_classes(tmp_path / "colours")
    report = evaluate_few_shot(
        FakeEncoder(), data, num_shots=(2,), num_seeds=1, adapters=["zero-shot"]
    )
    found = report.to_dict()
    assert {row["adapter"] for row in found["rows"]} == {"zero-shot", DEFAULT_ADAPTER}
    default = next(row for row in found["rows"] if row["adapter"] == DEFAULT_ADAPTER)
    assert default["score"] == 1
    assert default["unsure_share"] == 1  # six shots cannot vouch for one error in ten
    assert found["measure"] == "accuracy"


def test_shots_are_nested_and_apart_from_the_test(tmp_path: Path) -> None:
    pictures = read_picture_folders(make_classes(tmp_path))
    drawn, test = draw_shots(pictures, (1, 2, 4), seed=0)
    assert set(drawn[1]) < set(drawn[2]) < set(drawn[4])
    assert not set(drawn[4]) & set(test)
    assert len(drawn[4]) + len(test) == len(pictures)
    assert pictures.targets[drawn[2]].sum(axis=0).tolist() == [2, 2, 2]
    again, _ = draw_shots(pictures, (1, 2, 4), seed=0)
    assert again[4].tolist() == drawn[4].tolist()
    assert draw_shots(pictures, (4,), seed=1)[0][4].tolist() != drawn[4].tolist()


def test_multi_label(tmp_path: Path) -> None:
    data = make_classes(tmp_path / "set")
    for path in list((data / "red").iterdir()):
        (data / "warm").mkdir(exist_ok=True)
        shutil.copy(path, data / "warm" / path.name)
    report = evaluate_few_shot(
        FakeEncoder(), data, num_shots=(3,), num_seeds=1, adapters=["nearest"], multi_label=True
    )
    assert report.scores(DEFAULT_ADAPTER, 3) == [100]
    assert "mAP" in report.text()
    assert report.confusion is None


def test_sentences_from_a_label_file(tmp_path: Path) -> None:
    data = make_classes(tmp_path / "set")
    for before, after in (("red", "a"), ("green", "b"), ("blue", "c")):
        (data / before).rename(data / after)
    labels = tmp_path / "labels.txt"
    labels.write_text("a: something red\nb: something green\nc: something blue\n")
    report = evaluate_few_shot(
        FakeEncoder(), data, num_shots=(1,), num_seeds=1, adapters=["zero-shot"], labels=labels
    )
    assert report.scores("zero-shot", 1) == [100]
    labels.write_text("a: something red\n")
    with pytest.raises(InvalidInputError, match="no sentences for b, c"):
        evaluate_few_shot(FakeEncoder(), data, num_shots=(1,), num_seeds=1, labels=labels)


def test_bad_options_are_named(tmp_path: Path) -> None:
    data = make_classes(tmp_path)
    with pytest.raises(InvalidInputError, match=r"too few in: blue \(6\)"):
        evaluate_few_shot(FakeEncoder(), data)
    with pytest.raises(InvalidInputError, match="blended-probe"):
        evaluate_few_shot(FakeEncoder(), data, num_shots=(1,), adapters=["nothing"])
    with pytest.raises(InvalidInputError, match="expected numbers"):
        evaluate_few_shot(FakeEncoder(), data, num_shots=(0,))
    with pytest.raises(InvalidInputError, match="seeds"):
        evaluate_few_shot(FakeEncoder(), data, num_shots=(1,), num_seeds=0)


def test_a_long_tail_goes_down_to_one_shot(tmp_path: Path) -> None:
    pictures = read_picture_folders(make_classes(tmp_path, num_each=10))
    drawn, test = draw_shots(pictures, (4, 9), seed=0, long_tail=True)
    assert sorted(pictures.targets[drawn[9]].sum(axis=0).tolist()) == [1, 3, 9]
    assert sorted(pictures.targets[drawn[4]].sum(axis=0).tolist()) == [1, 2, 4]
    assert set(drawn[4]) < set(drawn[9])
    assert len(test) == 30 - 13


@pytest.mark.parametrize("balance", ["sampling", "smote"])
def test_rare_classes_are_made_up_for(tmp_path: Path, balance: Balance) -> None:
    data = make_classes(tmp_path / "colours")
    report = evaluate_few_shot(
        FakeEncoder(), data, num_shots=(4,), num_seeds=1, adapters=["linear-probe"],
        balance=balance, long_tail=True,
    )  # fmt: skip
    assert report.scores("linear-probe", 4) == [100]
    with pytest.raises(InvalidInputError, match="several labels at once"):
        evaluate_few_shot(FakeEncoder(), data, multi_label=True, balance=balance)


@pytest.mark.parametrize("how", ["mean", "add"])
def test_views_of_the_shots(tmp_path: Path, how: ViewsAs) -> None:
    pictures = read_picture_folders(make_classes(tmp_path / "colours", num_each=2))
    views = Views(num_views=3, how=how)
    encoder, rows = FakeEncoder(), np.array([0, 3])
    seen = views.embed(pictures, rows.tolist(), encoder)
    plain = embed_pictures(pictures, encoder)
    made, targets = views.applied(rows, plain, pictures.targets, seen)
    assert len(made) == len(targets) == (2 if how == "mean" else 8)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(targets[:2], pictures.targets[rows])
    np.testing.assert_array_equal(
        targets.sum(axis=0), len(made) / 2 * pictures.targets[rows].sum(0)
    )
    with pytest.raises(InvalidInputError, match="got 65 views as 'mean'"):
        Views(num_views=65, how="mean")
