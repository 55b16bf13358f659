import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from adapters.few_shot.folders import AdapterDamagedError, EncoderChangedError
from adapters.few_shot.storage import load_classifier
from adapters.few_shot.unsure import UNSURE
from adapters.fusion import FUSIONS
from adapters.fusion.base import with_only
from adapters.fusion.classifier import FusedClassifier, nearest_fused, train_fused_classifier
from adapters.fusion.storage import is_fused, load_fused_classifier, save_fused_classifier
from tests.adapters.fusion.conformance import DIMS, made_rows, made_shots, multi_label_shots

HASHES = {name: f"{place}" * 64 for place, name in enumerate(DIMS)}
CLASSES = ("chase", "party", "storm", "宴会")


@cache
def trained(fusion: str = "gates", *, num_shots: int = 8) -> FusedClassifier:
    shots = made_shots(num_shots, absent=0.1 if num_shots > 1 else 0.0)
    return train_fused_classifier(
        shots,
        group="kind",
        classes=CLASSES,
        example_ids=[f"shot {row}" for row in range(len(shots))],
        encoders={name: (f"fake:{name}", HASHES[name]) for name in DIMS},
        fusion=fusion,
    )


def test_answers_say_what_decided_and_what_is_like_it() -> None:
    rows, labels = made_rows(6, seed=9, absent=0.2)
    answers = trained().answer(rows)
    assert (answers.shares.argmax(axis=1) == labels).mean() > 0.7
    np.testing.assert_allclose(answers.shares.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(answers.decisive.sum(axis=1), 1, atol=1e-5)
    for place, one in enumerate(rows.values()):
        assert not answers.decisive[~one.is_present, place].any()
    assert answers.examples.shape == answers.similarities.shape == (24, 3)


def test_missing_modalities_make_it_less_sure() -> None:
    rows, labels = made_rows(25, seed=9)
    classifier = trained()
    sure = {
        kept: classifier.answer(with_only(rows, kept)).sure
        for kept in (("picture",), tuple(DIMS), ())
    }
    assert (sure[()] == UNSURE).all()
    assert (sure["picture",] != UNSURE).mean() < 0.2
    assert (sure[tuple(DIMS)] != UNSURE).mean() > 0.8
    wrong = (sure[tuple(DIMS)] != UNSURE) & (sure[tuple(DIMS)] != labels)
    assert wrong.mean() < 0.2
    shares = classifier.answer(with_only(rows, [])).shares
    np.testing.assert_allclose(shares, 0.25, atol=1e-6)


def test_figures_name_each_modality() -> None:
    figures = trained().figures
    assert figures["num_shots"] == 32
    assert min(figures[f"num_shots_{name}"] for name in DIMS) < 32
    best = max(figures[f"cross_fitted_accuracy_{name}"] for name in DIMS)
    assert best < figures["cross_fitted_accuracy"]


def test_too_few_shots_vouch_for_nothing() -> None:
    few = trained(num_shots=1)
    assert all(math.isinf(doubt.threshold) for doubt in few.doubts.values())


def test_multi_label_answers() -> None:
    shots = multi_label_shots()
    classifier = train_fused_classifier(
        shots,
        group="any",
        classes=("seen", "heard", "said"),
        example_ids=[str(row) for row in range(len(shots))],
        encoders={name: ("fake", "0") for name in DIMS},
        fusion="early",
    )
    answers = classifier.answer(shots.rows)
    assert answers.sure.shape == shots.targets.shape
    assert ((answers.shares > 0.5) == (shots.targets > 0)).mean() > 0.9


def test_nearest_by_what_both_have() -> None:
    examples, _ = made_rows(2, seed=1)
    order, cosines = nearest_fused(with_only(examples, ["sound"]), examples, k=2)
    assert order[:, 0].tolist() == list(range(8))
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-5)
    _, none = nearest_fused(with_only(examples, []), examples)
    assert (none == -1).all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_method_comes_back_the_same(fusion: str, tmp_path: Path) -> None:
    one = trained(fusion, num_shots=2)
    assert save_fused_classifier(one, tmp_path, "mine") == tmp_path / "mine" / "1"
    assert is_fused(tmp_path, "mine")
    again = load_fused_classifier(tmp_path, "mine", encoder_hashes=HASHES)
    rows, _ = made_rows(3, seed=2, absent=0.3)
    first, second = one.answer(rows), again.answer(rows)
    for name in ("shares", "sure", "decisive", "examples"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for name in ("group", "classes", "encoders", "example_ids", "figures", "fingerprint", "doubts"):
        assert getattr(again, name) == getattr(one, name)


def test_encoders_must_be_those_it_learned_from(tmp_path: Path) -> None:
    save_fused_classifier(trained(), tmp_path, "mine")
    load_fused_classifier(tmp_path, "mine", encoder_hashes={"picture": HASHES["picture"]})
    with pytest.raises(EncoderChangedError, match=r"mine/1 learned sound from .*fake:sound") as one:
        load_fused_classifier(tmp_path, "mine", encoder_hashes={**HASHES, "sound": "x" * 64})
    assert one.value.manifest["group"] == "kind"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 3, "update Sceneprint"),
        ("version", 1, "of one modality"),
        ("fusion", "os:system", "expected one of"),
        ("classes", ["a"], "a name of its own"),
        ("doubts", [], "do not fit"),
        ("encoders", {}, "do not fit"),
        ("examples", ["a"], "do not fit"),
    ],
)
def test_altered_manifest(key: str, value: object, message: str, tmp_path: Path) -> None:
    path = save_fused_classifier(trained(), tmp_path, "mine") / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, key: value}), encoding="utf-8")
    with pytest.raises(AdapterDamagedError, match=message):
        load_fused_classifier(tmp_path, "mine", encoder_hashes=HASHES)


def test_the_reader_of_one_modality_refuses_several(tmp_path: Path) -> None:
    save_fused_classifier(trained(), tmp_path, "mine")
    with pytest.raises(AdapterDamagedError, match="several modalities"):
        load_classifier(tmp_path, "mine", encoder_hash="0" * 64)
