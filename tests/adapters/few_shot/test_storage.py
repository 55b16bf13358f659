import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapters.few_shot import ADAPTERS
from adapters.few_shot.classifier import FewShotClassifier, train_classifier
from adapters.few_shot.storage import (
    AdapterDamagedError,
    EncoderChangedError,
    list_versions,
    load_classifier,
    save_classifier,
)
from tests.adapters.few_shot.conformance import made_rows, made_shots

HASH = "ab12" * 16


def trained(adapter: str = "anchored-probe", *, num_shots: int = 4) -> FewShotClassifier:
    shots = made_shots(num_shots)
    return train_classifier(
        shots,
        group="kind",
        classes=("eins", "zwei", "三"),
        example_ids=[f"shot {row}" for row in range(len(shots))],
        encoder_name="fake:encoder",
        encoder_hash=HASH,
        adapter=adapter,
    )


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_comes_back_the_same(adapter: str, tmp_path: Path) -> None:
    one = trained(adapter)
    assert save_classifier(one, tmp_path, "mine") == tmp_path / "mine" / "1"
    again = load_classifier(tmp_path, "mine", encoder_hash=HASH)
    rows, _ = made_rows(3, seed=2)
    first, second = one.answer(rows), again.answer(rows)
    np.testing.assert_array_equal(first.shares, second.shares)
    np.testing.assert_array_equal(first.sure, second.sure)
    np.testing.assert_array_equal(first.examples, second.examples)
    for name in ("group", "classes", "example_ids", "figures", "fingerprint", "threshold"):
        assert getattr(again, name) == getattr(one, name)


def test_versions_are_kept(tmp_path: Path) -> None:
    assert list_versions(tmp_path, "mine") == []
    save_classifier(trained(), tmp_path, "mine")
    save_classifier(trained(num_shots=1), tmp_path, "mine")
    assert list_versions(tmp_path, "mine") == [1, 2]
    assert len(load_classifier(tmp_path, "mine", encoder_hash=HASH).example_ids) == 3
    old = load_classifier(tmp_path, "mine", encoder_hash=HASH, version=1)
    assert len(old.example_ids) == 12
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["1", "2"]
    with pytest.raises(FileNotFoundError, match="there is: 1, 2"):
        load_classifier(tmp_path, "mine", encoder_hash=HASH, version=3)
    with pytest.raises(FileNotFoundError, match=r"found no adapter other, there is: mine$"):
        load_classifier(tmp_path, "other", encoder_hash=HASH)


def test_few_shots_threshold_survives(tmp_path: Path) -> None:
    save_classifier(trained(num_shots=1), tmp_path, "mine")
    assert load_classifier(tmp_path, "mine", encoder_hash=HASH).threshold == float("inf")


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    save_classifier(trained(), tmp_path, "mine")
    with pytest.raises(EncoderChangedError, match=r"mine/1 learned from .*fake:encoder") as caught:
        load_classifier(tmp_path, "mine", encoder_hash="cd" * 32)
    assert caught.value.manifest["group"] == "kind"
    assert caught.value.manifest["balance"] == "weights"


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", ".hidden", "x" * 65])
def test_names_that_could_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adapter name"):
        save_classifier(trained("zero-shot"), tmp_path, name)
    with pytest.raises(ValueError, match="adapter name"):
        load_classifier(tmp_path, name, encoder_hash=HASH)


class TestDamage:
    def folder(self, tmp_path: Path) -> Path:
        return save_classifier(trained(), tmp_path, "mine")

    def refused(self, tmp_path: Path, message: str) -> None:
        with pytest.raises(AdapterDamagedError, match=message):
            load_classifier(tmp_path, "mine", encoder_hash=HASH)

    def test_altered_arrays(self, tmp_path: Path) -> None:
        path = self.folder(tmp_path) / "adapter.safetensors"
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
        self.refused(tmp_path, "altered")

    def test_missing_part(self, tmp_path: Path) -> None:
        (self.folder(tmp_path) / "adapter.safetensors").unlink()
        self.refused(tmp_path, "missing")

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("version", 3, "update Sceneprint"),
            ("version", 2, "several modalities"),
            ("format", "other", "update Sceneprint"),
            ("adapter", "os:system", "expected one of"),
            ("classes", ["a"], "a name of its own"),
            ("temperature", -1, "temperature"),
            ("examples", ["a"], "expected"),
            ("threshold", "high", "could not convert"),
        ],
    )
    def test_altered_manifest(self, key: str, value: object, message: str, tmp_path: Path) -> None:
        path = self.folder(tmp_path) / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**manifest, key: value}), encoding="utf-8")
        self.refused(tmp_path, message)

    def test_no_json(self, tmp_path: Path) -> None:
        (self.folder(tmp_path) / "manifest.json").write_text("[1]", encoding="utf-8")
        self.refused(tmp_path, "not a manifest")


def test_serving_needs_no_torch(tmp_path: Path) -> None:
    save_classifier(trained(), tmp_path, "mine")
    program = f"""
import sys
from pathlib import Path
import numpy as np
from adapters.few_shot.storage import load_classifier
found = load_classifier(Path({str(tmp_path)!r}), "mine", encoder_hash={HASH!r})
assert found.answer(np.eye(16, dtype=np.float32)[:3]).shares.argmax(axis=1).tolist() == [0, 1, 2]
assert not {{"torch", "scipy", "onnx", "onnxruntime"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
