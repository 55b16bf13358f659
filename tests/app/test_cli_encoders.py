"""`sceneprint encoders` against a small hub on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from retrieval.encoders.torchvision_cure import cure_torchvision
from tests.app.shell import Shell, fits
from tests.retrieval.encoders.fake_hub import FakeHub, fake_hub
from tests.retrieval.encoders.tiny_folder import write_tiny_encoder
from tests.retrieval.encoders.tiny_transformers import save_clip

cure_torchvision()
pytest.importorskip("transformers")
NAME = "transformers:tiny/clip"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clip: Path) -> Iterator[FakeHub]:
    with fake_hub(monkeypatch, tmp_path) as fake:
        fake.add_folder("tiny/clip", clip)
        yield fake


def test_list_says_what_is_here(shell: Shell, hub: FakeHub) -> None:
    hub.files["google/siglip-base-patch16-224"] = {"model.safetensors": b"x", "config.json": b"{}"}
    shell("encoders", "download", "transformers:google/siglip-base-patch16-224")
    text = shell("encoders", "list")
    assert fits(text)
    assert "* builtin\n    512 dims" in text
    assert "* transformers:google/siglip-base-patch16-224\n" in text
    assert "  clap:laion/clap-htsat-unfused\n" in text
    assert all(family in text for family in ("onnx", "sentence-transformers"))
    listed = shell.json("encoders", "list")
    here = [one["name"] for one in listed["encoders"] if one["is_here"]]
    assert here == ["builtin", "transformers:google/siglip-base-patch16-224"]


def test_list_all_has_what_open_clip_knows(shell: Shell, hub: FakeHub) -> None:
    pytest.importorskip("open_clip")
    names = [one["name"] for one in shell.json("encoders", "list", "--all")["encoders"]]
    assert "open_clip:RN50/yfcc15m" in names
    assert len(names) == len(set(names))


def test_info_before_and_after_download(shell: Shell, hub: FakeHub) -> None:
    before = shell.json("encoders", "info", NAME)
    assert (before["is_here"], before["hash"], before["kind"]) == (False, None, "picture-text")
    assert f"sceneprint encoders download {NAME}" in shell("encoders", "info", NAME)
    (folder,) = shell.json("encoders", "download", NAME)["folders"]
    after = shell.json("encoders", "info", NAME)
    assert after["folders"] == [folder]
    assert after["dim"] == 24
    assert after["preprocessing"]["image_mean"] == [0.4, 0.5, 0.6]
    text = shell("encoders", "info", NAME)
    assert after["hash"] in text
    assert "tiny/clip" in text


def test_download_says_where_and_does_it_once(shell: Shell, hub: FakeHub) -> None:
    assert "models--tiny--clip" in shell("encoders", "download", NAME)
    assert "download: tiny/clip/model.safetensors" in shell.err
    hub.asked.clear()
    shell("encoders", "download", NAME)
    assert hub.asked == []
    assert "takes nothing from a hub" in shell("encoders", "download", "builtin")


def test_verify_finds_damage_and_update_mends_it(shell: Shell, hub: FakeHub) -> None:
    shell("encoders", "download", NAME)
    sound = shell.json("encoders", "verify", NAME)
    assert sound["is_sound"]
    assert sound["dim"] == 24
    assert {one["status"] for one in sound["files"]} == {"whole"}
    (weights,) = (Path(one["path"]) for one in sound["files"] if "safetensors" in one["path"])
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.resolve().write_bytes(data)
    text = shell("encoders", "verify", NAME, code=2)
    assert "damaged" in text
    assert f"sceneprint encoders download {NAME} --update" in text
    shell("encoders", "download", NAME, "--update")
    assert f"it embeds, 24 dimensions, hash {sound['hash']}" in shell("encoders", "verify", NAME)


def test_verify_of_folders(shell: Shell, clip: Path, tmp_path: Path) -> None:
    found = shell.json("encoders", "verify", f"transformers:{clip}")
    assert {one["status"] for one in found["files"]} == {"not recorded"}
    exported = write_tiny_encoder(tmp_path / "tiny")
    assert shell.json("encoders", "verify", f"onnx:{exported}")["is_sound"]
    (exported / "text_en.onnx").write_bytes(b"")
    (exported / "image.onnx").unlink()
    found = shell.json("encoders", "verify", f"onnx:{exported}", code=2)
    status = {Path(one["path"]).name: one["status"] for one in found["files"]}
    assert status["image.onnx"] == "missing"
    assert status["text_en.onnx"] == "damaged"
    assert status["tokenizer.json"] == "whole"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("info", "nope:x"), "unknown family 'nope'"),
        (("info", "transformers:/no/such"), "no folder at /no/such"),
        (("verify", NAME), f"sceneprint encoders download {NAME}"),
        (("verify", "onnx:/no/such"), "no folder at /no/such"),
        (("download", "transformers:no/such"), "has no repository no/such"),
    ],
)
def test_mistakes_are_a_sentence(
    shell: Shell, hub: FakeHub, arguments: tuple[str, ...], words: str
) -> None:
    shell("encoders", *arguments, code=2)
    assert words in shell.err
    assert len(shell.err.strip().splitlines()) == 1
