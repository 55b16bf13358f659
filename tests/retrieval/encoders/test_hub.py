import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoders import load_encoder
from retrieval.encoders.hub import HubSource, cached_folder, ensure, without_network
from retrieval.encoders.hub_download import fetch, file_hash
from retrieval.encoders.torchvision_cure import cure_torchvision
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.types import Progress
from tests.retrieval.encoders.fake_hub import FakeHub, fake_hub
from tests.retrieval.encoders.tiny_transformers import save_clip

pytest.importorskip("huggingface_hub")
cure_torchvision()

WEIGHTS = bytes(range(256)) * 40
REPOSITORY = "some/model"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(monkeypatch, tmp_path) as fake:
        fake.files[REPOSITORY] = {
            "README.md": b"not needed",
            "config.json": b"{}",
            "model.safetensors": WEIGHTS,
            "onnx/model.safetensors": b"not needed",
            "pytorch_model.bin": b"never read",
        }
        yield fake


def _fetch(**options: Any) -> Path:
    return fetch(HubSource(REPOSITORY), advice="bring it by hand", **options)


def test_only_what_is_needed_comes_and_is_found_afterwards(hub: FakeHub) -> None:
    assert cached_folder(HubSource(REPOSITORY)) is None
    folder = _fetch()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert cached_folder(HubSource(REPOSITORY)) == folder
    assert not list(hub.cache.rglob("*.part"))


def test_the_cache_is_one_that_huggingface_hub_reads(hub: FakeHub) -> None:
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    folder = _fetch()
    found = try_to_load_from_cache(REPOSITORY, "model.safetensors")
    assert Path(str(found)) == folder / "model.safetensors"
    assert Path(snapshot_download(REPOSITORY, local_files_only=True)) == folder


def test_a_broken_stream_goes_on_where_it_broke(hub: FakeHub) -> None:
    hub.cuts = [3000, 2000]
    folder = _fetch()
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.gets("model.safetensors") == ["", "bytes=3000-", "bytes=5000-"]


def test_a_stopped_download_goes_on_in_another_process(hub: FakeHub) -> None:
    seen: list[Progress] = []

    def should_stop() -> bool:
        return bool(seen) and seen[-1].item.endswith("safetensors") and seen[-1].done >= 4000

    with pytest.raises(OperationCancelled, match="goes on there"):
        _fetch(progress=seen.append, should_stop=should_stop)
    assert cached_folder(HubSource(REPOSITORY)) is None
    (part,) = hub.cache.rglob("*.part")
    kept = part.stat().st_size
    assert 4000 <= kept < len(WEIGHTS)
    hub.asked.clear()
    folder = _fetch()
    assert hub.gets("model.safetensors") == [f"bytes={kept}-"]
    assert hub.gets("config.json") == []
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_progress_ends_at_the_size(hub: FakeHub) -> None:
    seen: list[Progress] = []
    _fetch(progress=seen.append)
    last = seen[-1]
    assert (last.item, last.done, last.total) == ("some/model/model.safetensors", 10240, 10240)


def test_damaged_bytes_are_thrown_away(hub: FakeHub) -> None:
    hub.damaged = {"model.safetensors"}
    with pytest.raises(NotFoundError, match=r"came with hash .*, the hub states .*by hand"):
        _fetch()
    assert cached_folder(HubSource(REPOSITORY)) is None
    assert not list(hub.cache.rglob("*.part"))
    hub.damaged.clear()
    assert _fetch() == cached_folder(HubSource(REPOSITORY))


def test_a_newer_revision_that_is_not_whole_leaves_the_old_one(hub: FakeHub) -> None:
    folder = _fetch()
    hub.files[REPOSITORY]["model.safetensors"] = WEIGHTS[::-1]
    hub.damaged = {"model.safetensors"}
    with pytest.raises(NotFoundError):
        _fetch()
    assert cached_folder(HubSource(REPOSITORY)) == folder
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_pieces_of_large_weights(hub: FakeHub) -> None:
    files = hub.files[REPOSITORY]
    del files["model.safetensors"]
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    files |= dict.fromkeys(names, WEIGHTS)
    files["model.safetensors.index.json"] = b'{"weight_map": {"a": "%s", "b": "%s"}}' % tuple(
        name.encode() for name in names
    )
    folder = _fetch()
    assert {path.name for path in folder.iterdir()} >= set(names)
    (folder / names[1]).unlink()
    assert cached_folder(HubSource(REPOSITORY)) is None


def test_a_repository_of_pickles_is_refused(hub: FakeHub) -> None:
    del hub.files[REPOSITORY]["model.safetensors"]
    with pytest.raises(NotFoundError, match=r"holds no model.safetensors or .*pytorch_model.bin"):
        _fetch()


def test_folders_of_sentence_transformers(hub: FakeHub) -> None:
    hub.files[REPOSITORY] |= {"1_Pooling/config.json": b"{}", "2_Dense/model.safetensors": b"x"}
    folder = fetch(HubSource(REPOSITORY, folders=True), advice="")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"1_Pooling/config.json", "2_Dense/model.safetensors"} <= found
    assert "onnx/model.safetensors" not in found


def test_unknown_repository(hub: FakeHub) -> None:
    with pytest.raises(NotFoundError, match="has no repository no/such"):
        fetch(HubSource("no/such"), advice="")


@pytest.mark.parametrize("name", ["a/b/c", "../x", "/x", "a b", "", "x/.."])
def test_names_that_no_hub_has(name: str) -> None:
    with pytest.raises(InvalidInputError, match="ORG/REPO"):
        HubSource(name)


@pytest.mark.parametrize("path", ["../evil.json", "1_/../../evil.json"])
def test_paths_stay_in_the_cache(hub: FakeHub, path: str) -> None:
    hub.files[REPOSITORY][path] = b"{}"
    with pytest.raises(NotFoundError, match="plain path"):
        fetch(HubSource(REPOSITORY, folders=True), advice="")


def test_a_hub_that_is_not_there_says_what_to_do(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NotFoundError) as caught:
        ensure("transformers:some/model", lambda: [HubSource(REPOSITORY)])
    message = str(caught.value)
    assert "sceneprint encoders download transformers:some/model" in message
    assert "hf download some/model" in message
    assert f"models--some--model from its hub cache to {hub.cache}" in message
    assert "\n" not in message


def test_forbidden_network_is_named(hub: FakeHub) -> None:
    with without_network(), pytest.raises(NotFoundError, match="HF_HUB_OFFLINE forbids it"):
        ensure("transformers:some/model", lambda: [HubSource(REPOSITORY)])
    assert hub.asked == []


def test_hashes_are_those_of_the_hub(tmp_path: Path) -> None:
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    # as `git hash-object` and `sha256sum` print them
    assert file_hash(path, like="0" * 40) == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert file_hash(path, like="0" * 64).startswith("5891b5b522d5df08")


class TestLoading:
    """A whole encoder by its name on the hub."""

    @pytest.fixture
    def clip(self, hub: FakeHub, tmp_path: Path) -> str:
        pytest.importorskip("transformers")
        hub.add_folder("tiny/clip", save_clip(tmp_path / "clip"))
        return "transformers:tiny/clip"

    def test_fetches_once_then_makes_no_call(
        self, hub: FakeHub, clip: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = load_encoder(clip)
        assert hub.gets("model.safetensors") == [""]

        def no_call(*_: Any, **__: Any) -> None:
            raise AssertionError("a cached encoder must not look at the network")

        monkeypatch.setattr(socket.socket, "connect", no_call)
        monkeypatch.setattr(socket, "getaddrinfo", no_call)
        again = load_encoder(clip)
        assert again.id == first.id
        np.testing.assert_array_equal(again.encode_texts(["x"]), first.encode_texts(["x"]))

    def test_same_weights_from_a_folder_have_the_same_hash(self, clip: str, tmp_path: Path) -> None:
        assert load_encoder(clip).hash == load_encoder(f"transformers:{tmp_path / 'clip'}").hash
