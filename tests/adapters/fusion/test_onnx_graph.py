from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from adapters.fusion import FUSIONS
from adapters.fusion.base import Rows, subsets, with_only
from adapters.fusion.classifier import train_fused_classifier
from adapters.fusion.onnx_graph import fused_onnx
from adapters.fusion.storage import save_fused_classifier
from tests.adapters.fusion.conformance import DIMS, made_rows, multi_label_shots
from tests.adapters.fusion.test_classifier import HASHES, trained


def scores(file: bytes | str, rows: Rows) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (made,) = session.run(["scores"], {name: one.embeddings for name, one in rows.items()})
    return np.asarray(made)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_file_beside_an_adapter_gives_its_scores(fusion: str, tmp_path: Path) -> None:
    one = trained(fusion)
    folder = save_fused_classifier(one, tmp_path, "mine")
    rows, _ = made_rows(3, seed=2)
    for kept in [(), *subsets(tuple(DIMS))]:
        shown = with_only(rows, kept)
        made = scores(str(folder / "adapter.onnx"), shown)
        np.testing.assert_allclose(made, one.answer(shown).shares, atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_labels_that_hold_together_are_sigmoids(fusion: str) -> None:
    shots = multi_label_shots()
    one = train_fused_classifier(
        shots,
        group="heard",
        classes=("a", "b", "c"),
        example_ids=[str(row) for row in range(len(shots))],
        encoders={name: (name, HASHES[name]) for name in DIMS},
        fusion=fusion,
    )
    made = scores(fused_onnx(one), shots.rows)
    np.testing.assert_allclose(made, one.answer(shots.rows).shares, atol=1e-5)
    assert (made.sum(axis=1) > 1.2).any()


def test_the_package_that_checks_such_files_agrees() -> None:
    onnx = pytest.importorskip("onnx")
    for fusion in ("attention", "stacking"):
        model = onnx.load_from_string(fused_onnx(trained(fusion)))
        onnx.checker.check_model(model, full_check=True)
        assert [one.name for one in model.graph.input] == list(DIMS)


def test_a_file_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = trained("early")
    doubts = {kept: replace(doubt, temperature=9.0) for kept, doubt in one.doubts.items()}
    other = fused_onnx(replace(one, doubts=doubts))
    monkeypatch.setattr("adapters.fusion.onnx_graph.onnx_model", lambda *_, **__: other)
    with pytest.raises(ValueError, match="ONNX form of fusion 'early' differs from numpy"):
        fused_onnx(one)
