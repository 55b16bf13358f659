import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoders import load_encoder
from retrieval.encoders.torchvision_cure import cure_torchvision
from retrieval.errors import InvalidInputError, MissingDependencyError
from tests.retrieval.encoders.conformance import TEXTS, PictureTextConformance
from tests.retrieval.encoders.tiny_transformers import (
    TEXT,
    VISION,
    save_clip,
    save_siglip,
    save_tokenizer,
)

torch = pytest.importorskip("torch")
cure_torchvision()
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_siglip(tmp_path_factory.mktemp("siglip"))


class TestClip(PictureTextConformance):
    folder: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _folder(cls, clip: Path) -> None:
        cls.folder = clip

    @classmethod
    def make_encoder(cls) -> Any:
        return load_encoder(f"transformers:{cls.folder}")


@pytest.mark.parametrize(
    ("folder", "kind", "padding"),
    [("clip", "CLIPModel", True), ("siglip", "SiglipModel", "max_length")],
)
def test_gives_what_transformers_gives(
    request: pytest.FixtureRequest, folder: str, kind: str, padding: Any
) -> None:
    from PIL import Image

    path = request.getfixturevalue(folder)
    model = getattr(transformers, kind).from_pretrained(path).eval()
    picture = np.random.default_rng(2).integers(0, 256, (50, 80, 3), np.uint8)
    pixels = transformers.AutoImageProcessor.from_pretrained(path)(
        Image.fromarray(picture), return_tensors="pt"
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    tokens = tokenizer(TEXTS, padding=padding, max_length=16, truncation=True, return_tensors="pt")
    if padding == "max_length":
        del tokens["attention_mask"]
    with torch.inference_mode():
        images = model.get_image_features(**pixels).pooler_output
        texts = model.get_text_features(**tokens).pooler_output
    encoder = load_encoder(f"transformers:{path}")
    for rows, expected in (
        (encoder.encode_images([picture]), images),
        (encoder.encode_texts(TEXTS), texts),
    ):
        np.testing.assert_allclose(rows, torch.nn.functional.normalize(expected).numpy(), atol=1e-5)
    assert encoder.temperature == pytest.approx(model.logit_scale.exp().item(), rel=1e-5)


def test_siglip_without_padding_would_be_another_vector(siglip: Path) -> None:
    encoder: Any = load_encoder(f"transformers:{siglip}")
    expected = encoder.encode_texts(["a car"])
    tokens = encoder._tokenizer(["a car"], return_tensors="pt")
    with torch.inference_mode():
        row = encoder._model.get_text_features(input_ids=tokens["input_ids"]).pooler_output
    cosine = torch.nn.functional.normalize(row).numpy() @ expected[0]
    assert cosine[0] < 0.999


def test_siglips_own_tokenizer_cleans_texts(siglip: Path, tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = shutil.copytree(siglip, tmp_path / "siglip")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red car", "two dogs run over the green grass"] * 20),
        model_prefix=str(folder / "spiece"),
        vocab_size=30,
        pad_id=-1,
        bos_id=-1,
        eos_id=1,
        unk_id=2,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    encoder = load_encoder(f"transformers:{folder}")
    rows = encoder.encode_texts(["a red car", "A red, CAR!"])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_siglips_own_tokenizer_without_its_package(
    siglip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(siglip, tmp_path / "siglip")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "SiglipTokenizer"}')
    monkeypatch.setattr("transformers.utils.import_utils.is_sentencepiece_available", lambda: False)
    with pytest.raises(MissingDependencyError, match=r"sentencepiece.*sceneprint\[clip\]"):
        load_encoder(f"transformers:{folder}")


def _chinese() -> Any:
    words = {**TEXT, "vocab_size": 300, "max_position_embeddings": 20, "pad_token_id": 0}
    config = transformers.ChineseCLIPConfig(text_config=words, vision_config=VISION)
    return transformers.ChineseCLIPModel(config)


def _alt() -> Any:
    words = {**TEXT, "vocab_size": 300, "max_position_embeddings": 20, "project_dim": 32}
    config = transformers.AltCLIPConfig(text_config=words, vision_config=VISION)
    return transformers.AltCLIPModel(config)


def _siglip2() -> Any:
    words = {**TEXT, "vocab_size": 300, "max_position_embeddings": 64}
    config = transformers.Siglip2Config(
        text_config=words, vision_config={**VISION, "num_patches": 16}
    )
    return transformers.Siglip2Model(config)


@pytest.mark.parametrize(
    ("make", "processor", "num_tokens"),
    [
        (_chinese, {"image_processor_type": "ChineseCLIPImageProcessor"}, 20),
        (_alt, {"image_processor_type": "CLIPImageProcessor"}, 18),  # RoBERTa counts from 2
        (_siglip2, {"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": 16}, 64),
    ],
)
def test_other_architectures(
    tmp_path: Path, make: Callable[[], Any], processor: dict[str, Any], num_tokens: int
) -> None:
    make().save_pretrained(tmp_path)
    save_tokenizer(tmp_path, max_length=512)
    settings = {"size": {"height": 32, "width": 32}, "crop_size": 32, "patch_size": 16}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, **processor}))
    encoder: Any = load_encoder(f"transformers:{tmp_path}")
    assert encoder._text_options["max_length"] == num_tokens
    long = encoder.encode_texts(["a red car " * 500, "a red car"])
    images = encoder.encode_images([np.zeros((40, 90, 3), np.uint8)])
    assert long.shape == (2, encoder.dim)
    assert images.shape == (1, encoder.dim)


def _changed_weights(folder: Path) -> None:
    save_clip(folder, seed=9)


def _changed_scaling(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    path.write_text(path.read_text().replace("0.4", "0.45"))


def _changed_tokens(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["post_processor"]["single"].pop()
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("change", [_changed_weights, _changed_scaling, _changed_tokens])
def test_another_checkpoint_has_another_hash(
    clip: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = shutil.copytree(clip, tmp_path / "clip")
    before = load_encoder(f"transformers:{clip}")
    assert load_encoder(f"transformers:{folder}").hash == before.hash
    change(folder)
    assert load_encoder(f"transformers:{folder}").hash != before.hash


def test_pickled_weights_are_never_read(clip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip, tmp_path / "clip")
    model = transformers.CLIPModel.from_pretrained(clip)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(InvalidInputError, match=r"model\.safetensors"):
        load_encoder(f"transformers:{folder}")


def test_code_of_a_checkpoint_is_never_run(clip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip, tmp_path / "clip")
    (folder / "mine.py").write_text("raise RuntimeError('ran')")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInputError, match="cannot be loaded"):
        load_encoder(f"transformers:{folder}")


def test_weights_that_lack_tensors_are_not_filled_up(clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(clip, tmp_path / "clip")
    tensors = load_file(folder / "model.safetensors")
    del tensors["text_projection.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InvalidInputError, match=r"lack 1 tensors.*text_projection"):
        load_encoder(f"transformers:{folder}")


def test_other_networks_are_refused(tmp_path: Path) -> None:
    transformers.BertConfig(**TEXT).save_pretrained(tmp_path)
    with pytest.raises(InvalidInputError, match="does not embed both pictures and texts"):
        load_encoder(f"transformers:{tmp_path}")


@pytest.mark.parametrize(("rest", "runtime"), [("", "auto"), ("x/y", "openvino")])
def test_names_and_runtimes_that_cannot_be(rest: str, runtime: str) -> None:
    with pytest.raises(InvalidInputError, match="run by torch"):
        load_encoder(f"transformers:{rest}", runtime=runtime)


def test_asked_for_gpu_that_is_not_there(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingDependencyError, match="device cuda is not usable"):
        load_encoder(f"transformers:{clip}", device="cuda")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr("retrieval.encoders.torchvision_cure.import_torchvision", missing)
    with pytest.raises(MissingDependencyError, match=r"pip install 'sceneprint\[clip\]'"):
        load_encoder("transformers:x/y")
