import logging
from pathlib import Path

import pytest

from adapters.few_shot.folders import write_version
from retrieval.adapter_list import list_adapters, newest_for


def keep(library: Path, name: str, group: str = "tint", *, shots: int = 4, **more: object) -> None:
    manifest = {
        "group": group,
        "classes": ["warm", "cold"],
        "is_exclusive": True,
        "adapter": "lp++",
        "encoder": {"name": "fake", "hash": "abc"},
        "error_rate": 0.1,
        "figures": {"num_shots": shots, "cross_fitted_accuracy": 0.75},
        **more,
    }
    write_version(library / "adapters", name, manifest, {}, version=1, onnx_file=b"")


def test_versions_by_name_and_number(tmp_path: Path) -> None:
    assert list_adapters(tmp_path) == []
    keep(tmp_path, "mine")
    keep(tmp_path, "mine")
    keep(tmp_path, "also", encoder=None, adapter=None, fusion="gates",
         encoders={"sound": {"name": "s", "hash": "1"}})  # fmt: skip
    found = list_adapters(tmp_path)
    assert [one.key for one in found] == ["also/1", "mine/1", "mine/2"]
    assert found[0].method == "gates"
    assert found[0].encoders == {"sound": ("s", "1")}
    assert found[1].figures["cross_fitted_accuracy"] == 0.75


def test_damaged_ones_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(tmp_path, "mine")
    for name, text in (("bad", "{"), ("older", '{"format": "other", "version": 1}')):
        folder = tmp_path / "adapters" / name / "1"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(text)
    (tmp_path / "adapters" / "no name!").mkdir()
    with caplog.at_level(logging.WARNING):
        assert [one.key for one in list_adapters(tmp_path)] == ["mine/1"]
    assert "older" in caplog.text


def test_the_newest_of_a_group(tmp_path: Path) -> None:
    keep(tmp_path, "mine", shots=4)
    keep(tmp_path, "other", shots=9)
    keep(tmp_path, "mine", shots=6)
    keep(tmp_path, "things", "things")
    assert newest_for(tmp_path, "tint", encoder_hash="abc") == "other/1"
    assert newest_for(tmp_path, "tint", encoder_hash="abc", name="mine") == "mine/2"
    assert newest_for(tmp_path, "tint", encoder_hash="else") is None
    assert newest_for(tmp_path, "mood", encoder_hash="abc") is None
