"""The ONNX file beside an adapter gives its scores; it is written without the `onnx` package."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from adapters.few_shot import ADAPTERS
from adapters.few_shot.onnx_graph import classifier_onnx
from adapters.few_shot.storage import load_classifier, save_classifier
from tests.adapters.few_shot.conformance import made_rows
from tests.adapters.few_shot.test_storage import HASH, trained


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_file_beside_an_adapter_gives_its_scores(adapter: str, tmp_path: Path) -> None:
    one = trained(adapter)
    folder = save_classifier(one, tmp_path, "mine")
    rows, _ = made_rows(3, seed=2)
    session = onnxruntime.InferenceSession(
        str(folder / "adapter.onnx"), providers=["CPUExecutionProvider"]
    )
    (scores,) = session.run(["scores"], {"embeddings": rows})
    np.testing.assert_allclose(scores, one.answer(rows).shares, atol=1e-5)


def test_labels_that_hold_together_are_sigmoids() -> None:
    one = replace(trained(), is_exclusive=False)
    session = onnxruntime.InferenceSession(classifier_onnx(one), providers=["CPUExecutionProvider"])
    rows, _ = made_rows(2, seed=3)
    (scores,) = session.run(None, {"embeddings": rows})
    np.testing.assert_allclose(scores, one.answer(rows).shares, atol=1e-5)


def test_the_package_that_checks_such_files_agrees() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(classifier_onnx(trained("clip-adapter")))
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 17


def test_a_file_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.few_shot.onnx_graph.BLEND", 0.3)
    with pytest.raises(ValueError, match="ONNX form of 'clip-adapter' differs from numpy by"):
        classifier_onnx(trained("clip-adapter"))


def test_a_folder_without_the_file_is_read(tmp_path: Path) -> None:
    folder = save_classifier(trained(), tmp_path, "mine")
    (folder / "adapter.onnx").unlink()
    assert load_classifier(tmp_path, "mine", encoder_hash=HASH).group == "kind"


def test_it_needs_no_onnx_package() -> None:
    program = "import adapters.few_shot.storage, sys; assert 'onnx' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
