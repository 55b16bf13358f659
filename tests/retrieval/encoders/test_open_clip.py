import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoders import load_encoder
from retrieval.encoders.device import say_picked
from retrieval.encoders.open_clip_names import OpenClipSource
from retrieval.encoders.torchvision_cure import import_torchvision
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from tests.retrieval.encoders.conformance import PictureTextConformance
from tests.retrieval.encoders.fake_hub import FakeHub, fake_hub
from tests.retrieval.encoders.tiny_transformers import save_tokenizer, seeded

pytest.importorskip("torch")
import_torchvision()
open_clip = pytest.importorskip("open_clip")
torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file

ARCHITECTURE = "sceneprint-test"
CONFIG = """{
  "embed_dim": 24,
  "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
  "text_cfg": {
    "context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1
  }
}"""


@pytest.fixture(scope="module", autouse=True)
def _architecture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tell open_clip of a tiny architecture, and forget it afterwards."""
    from open_clip import factory

    path = tmp_path_factory.mktemp("configs") / f"{ARCHITECTURE}.json"
    path.write_text(CONFIG, encoding="utf-8")
    open_clip.add_model_config(path)
    yield
    factory._MODEL_CONFIG_PATHS.remove(path)
    factory._rescan_model_configs()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, _architecture: None) -> Path:
    """Random weights of the tiny architecture."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = open_clip.create_model(ARCHITECTURE)
    path = tmp_path_factory.mktemp("checkpoints") / "random.pt"
    torch.save(model.state_dict(), path)
    return path


class TestOpenClip(PictureTextConformance):
    path: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _path(cls, checkpoint: Path) -> None:
        cls.path = checkpoint

    @classmethod
    def make_encoder(cls) -> Any:
        return load_encoder(f"open_clip:{ARCHITECTURE}/{cls.path}")


@pytest.fixture(scope="module")
def encoder(checkpoint: Path) -> Any:
    return load_encoder(f"open_clip:{ARCHITECTURE}/{checkpoint}")


def test_gives_what_open_clip_gives(encoder: Any, checkpoint: Path) -> None:
    from PIL import Image

    model, transform = open_clip.create_model_from_pretrained(ARCHITECTURE, str(checkpoint))
    model.eval()
    picture = np.random.default_rng(2).integers(0, 256, (50, 80, 3), np.uint8)
    tokens = open_clip.get_tokenizer(ARCHITECTURE)(["a dog on the beach"])
    with torch.inference_mode():
        image = model.encode_image(transform(Image.fromarray(picture))[None], normalize=True)
        text = model.encode_text(tokens, normalize=True)
    np.testing.assert_allclose(encoder.encode_images([picture]), image.numpy(), atol=1e-5)
    np.testing.assert_allclose(
        encoder.encode_texts(["a dog on the beach"]), text.numpy(), atol=1e-5
    )


def test_temperature_is_the_checkpoints_logit_scale(encoder: Any) -> None:
    assert encoder.temperature == pytest.approx(1 / 0.07, rel=1e-4)  # open_clip's initial value


def test_other_weights_are_another_encoder(encoder: Any, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        torch.save(open_clip.create_model(ARCHITECTURE).state_dict(), tmp_path / "other.pt")
    other = load_encoder(f"open_clip:{ARCHITECTURE}/{tmp_path / 'other.pt'}")
    assert other.hash != encoder.hash


def test_folder_with_its_own_architecture_and_preprocessing(
    encoder: Any, checkpoint: Path, tmp_path: Path
) -> None:
    config = f'{{"model_cfg": {CONFIG}, "preprocess_cfg": {{"mean": [0.5, 0.5, 0.5]}}}}'
    (tmp_path / "open_clip_config.json").write_text(config, encoding="utf-8")
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(checkpoint.read_bytes())
    other = load_encoder(f"open_clip:local-dir:{tmp_path}")
    np.testing.assert_allclose(
        other.encode_texts(["a dog"]), encoder.encode_texts(["a dog"]), atol=1e-6
    )
    assert other.hash != encoder.hash  # the same weights, but pictures are scaled another way


def test_file_of_a_siglip_gets_the_siglip_scaling() -> None:
    from retrieval.encoders import open_clip as family

    source = OpenClipSource(architecture="ViT-B-16-SigLIP", tag="/a/file.pt")
    found = family._preprocessing_of_file(open_clip, source)
    assert found is not None
    assert found["mean"] == (0.5, 0.5, 0.5)
    assert found["resize_mode"] == "squash"


def test_file_whose_scaling_is_unclear_says_so(caplog: pytest.LogCaptureFixture) -> None:
    from retrieval.encoders import open_clip as family

    source = OpenClipSource(architecture="ViT-L-14", tag="/a/file.pt")
    with caplog.at_level(logging.WARNING):
        assert family._preprocessing_of_file(open_clip, source) is None
    assert "not known for sure" in caplog.text


@pytest.mark.parametrize("rest", ["", "ViT-B-32", "ViT-B-32/", "/x"])
def test_incomplete_name(rest: str) -> None:
    with pytest.raises(InvalidInputError, match="ARCHITECTURE/TAG"):
        load_encoder(f"open_clip:{rest}")


def test_unknown_architecture_lists_near_ones() -> None:
    with pytest.raises(NotFoundError, match=r"near: .*ViT-B-32"):
        load_encoder("open_clip:ViT-B32/laion2b_s34b_b79k")


def test_unknown_tag_lists_the_known() -> None:
    with pytest.raises(NotFoundError, match=r"laion2b_s34b_b79k.*open_clip:ViT-B-32//path"):
        load_encoder("open_clip:ViT-B-32/laion9")


def test_missing_file() -> None:
    with pytest.raises(NotFoundError, match="no checkpoint file at /no/such"):
        load_encoder("open_clip:ViT-B-32//no/such.pt")


def test_file_of_another_architecture(checkpoint: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be loaded as open_clip RN50"):
        load_encoder(f"open_clip:RN50/{checkpoint}")


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InvalidInputError, match="cannot be loaded"):
        load_encoder(f"open_clip:{ARCHITECTURE}/{path}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("options", [{"trust_remote_code": True}, {}])
def test_code_beside_a_checkpoint_is_never_run(
    checkpoint: Path, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where its configuration allows it, nor by a question on the terminal."""

    def no_answer(_: str) -> str:
        raise AssertionError("nobody may be asked")

    monkeypatch.setattr("builtins.input", no_answer)
    config = json.loads(CONFIG)
    config["text_cfg"] |= {"hf_tokenizer_name": "mine", "tokenizer_kwargs": options}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(checkpoint.read_bytes())
    settings = {"auto_map": {"AutoTokenizer": ["mine.Mine", None]}, "tokenizer_class": "Mine"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InvalidInputError):
        load_encoder(f"open_clip:local-dir:{tmp_path}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("ViT-B-32/laion2b_s34b_b79k", "hf download laion/CLIP-ViT-B-32-laion2B-s34B-b79K)"),
        ("hf-hub:timm/PE-Core-B-16", "hf download timm/PE-Core-B-16)"),
        (
            "ViT-B-32-SigLIP2-256/webli",
            "hf download timm/ViT-B-32-SigLIP2-256)",  # weights and tokenizer in one
        ),
        (
            "xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
            "hf download laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k && "
            "hf download xlm-roberta-base)",
        ),
    ],
)
def test_what_is_not_here_says_what_to_download(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NotFoundError, match="cannot be fetched from") as caught:
        load_encoder(f"open_clip:{name}")
    assert command in str(caught.value)
    assert f"sceneprint encoders download open_clip:{name}" in str(caught.value)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(monkeypatch, tmp_path) as fake:
        yield fake


TEXT_CONFIGS: dict[str, dict[str, Any]] = {
    "SigLIP": {
        "hf_tokenizer_name": "tiny/words",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        **{"no_causal_mask": True, "proj_bias": True, "pool_type": "last", "context_length": 8},
        **{"vocab_size": 300, "width": 32, "heads": 2, "layers": 1},
    },
    "XLM-R": {
        "hf_model_name": "tiny/words",
        "hf_tokenizer_name": "tiny/words",
        "hf_pooler_type": "mean_pooler",
    },
}


@pytest.mark.parametrize("kind", TEXT_CONFIGS)
def test_text_side_from_a_hub(
    hub: FakeHub, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and tokenizer lie in two repositories, and a second load calls neither."""
    import transformers

    words = tmp_path / "words"
    settings: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2, "vocab_size": 300}
    settings |= {"num_hidden_layers": 1, "intermediate_size": 32, "max_position_embeddings": 100}
    transformers.XLMRobertaConfig(**settings).save_pretrained(words)
    save_tokenizer(words)
    hub.add_folder("tiny/words", words)

    model_config = {**json.loads(CONFIG), "text_cfg": TEXT_CONFIGS[kind], "custom_text": True}
    model_config["init_logit_bias"] = -10
    local = tmp_path / "local"
    local.mkdir()
    (local / "open_clip_config.json").write_text(json.dumps({"model_cfg": model_config}))
    shutil.copytree(words, local, dirs_exist_ok=True)
    with seeded(3), monkeypatch.context() as patched:
        patched.chdir(tmp_path)
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny" / "words").symlink_to(words)  # open_clip reads it as a folder here
        reference = open_clip.create_model(
            f"local-dir:{local}", load_weights=False, pretrained_text=False
        ).eval()
    save_file(reference.state_dict(), local / "open_clip_model.safetensors")
    hub.add_folder("tiny/model", local)

    encoder = load_encoder("open_clip:hf-hub:tiny/model")
    texts = ["A red car!", "two dogs run over the green grass and more"]
    tokens = open_clip.get_tokenizer(f"local-dir:{local}")(texts)
    with torch.inference_mode():
        expected = reference.encode_text(tokens, normalize=True)
    np.testing.assert_allclose(encoder.encode_texts(texts), expected.numpy(), atol=1e-5)
    hub.asked.clear()
    assert load_encoder("open_clip:hf-hub:tiny/model").id == encoder.id
    assert hub.asked == []


def test_branches_for_training_are_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """MobileCLIP's kind of network gives the same vectors with fewer layers."""
    from timm.models.fastvit import MobileOneBlock

    from retrieval.encoders.open_clip import _fuse_branches

    with seeded(4):
        network = torch.nn.Sequential(MobileOneBlock(3, 8, 3), MobileOneBlock(8, 8, 3)).eval()
        picture = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        before, num_before = network(picture), len(list(network.modules()))
        _fuse_branches(network)
        assert len(list(network.modules())) < num_before
        torch.testing.assert_close(network(picture), before, atol=1e-5, rtol=1e-5)


def test_published_weights_bring_their_activation() -> None:
    """open_clip only warns where OpenAI's weights meet the architecture without QuickGELU."""
    from retrieval.encoders import open_clip as family

    assert family._wants_quick_gelu(open_clip, OpenClipSource("ViT-B-32", "openai"))
    assert not family._wants_quick_gelu(open_clip, OpenClipSource("ViT-B-32", "laion2b_s34b_b79k"))
    assert not family._wants_quick_gelu(open_clip, OpenClipSource("ViT-B-32", "/a/file.pt"))


def test_runtime_and_devices_that_torch_is_not(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"open_clip:{ARCHITECTURE}/{checkpoint}"
    with pytest.raises(InvalidInputError, match="run by torch"):
        load_encoder(name, runtime="openvino")
    with pytest.raises(InvalidInputError, match="choose cuda"):
        load_encoder(name, device="tensorrt")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingDependencyError, match="device cuda is not usable"):
        load_encoder(name, device="cuda")


def test_auto_says_what_it_picked(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    say_picked.cache_clear()
    with caplog.at_level(logging.INFO, logger="retrieval"):
        load_encoder(f"open_clip:{ARCHITECTURE}/{checkpoint}", device="auto")
    assert "device auto: picked" in caplog.text


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'torchvision'")

    monkeypatch.setattr("retrieval.encoders.torchvision_cure.import_torchvision", missing)
    with pytest.raises(MissingDependencyError, match=r"pip install 'sceneprint\[clip\]'"):
        load_encoder("open_clip:ViT-B-32/openai")
