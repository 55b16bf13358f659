import shutil
from pathlib import Path

import numpy as np
import pytest

from adapters.few_shot import ADAPTERS, DEFAULT_ADAPTER
from eval.few_shot import draw_shots, evaluate_few_shot
from eval.picture_folders import read_picture_folders
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
