import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoders import load_sound_encoder
from retrieval.encoders.torchvision_cure import cure_torchvision
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from tests.retrieval.encoders.conformance import SoundTextConformance
from tests.retrieval.encoders.fake_hub import fake_hub

torch = pytest.importorskip("torch")
cure_torchvision()
transformers = pytest.importorskip("transformers")

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz", "Ġ"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the hub has it, with a CLAP of random weights and a tokenizer of letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("clap")
    config = transformers.ClapConfig(
        text_config={
            **{"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1},
            **{"num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 66},
        },
        audio_config={
            **{"spec_size": 64, "num_mel_bins": 16, "patch_embeds_hidden_size": 8},
            **{"hidden_size": 64, "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 1, 1]},
            **{"patch_size": 2, "patch_stride": [2, 2], "window_size": 4, "num_classes": 3},
        },
        projection_dim=12,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        transformers.ClapModel(config).save_pretrained(folder)
    extractor = transformers.ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=16_000,
        max_length_s=2,
        padding="repeatpad",
        fft_window_size=1024,
        frequency_max=8000,
    )
    tokenizer = Tokenizer(models.BPE({word: at for at, word in enumerate(WORDS)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.RobertaTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, unk_token="<unk>"
    )
    transformers.ClapProcessor(extractor, fast).save_pretrained(folder)
    return folder


class TestClap(SoundTextConformance):
    folder: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _folder(cls, checkpoint: Path) -> None:
        cls.folder = checkpoint

    @classmethod
    def make_encoder(cls) -> Any:
        return load_sound_encoder(f"clap:{cls.folder}")


def test_gives_what_transformers_gives(checkpoint: Path) -> None:
    encoder = load_sound_encoder(f"clap:{checkpoint}")
    model = transformers.ClapModel.from_pretrained(checkpoint).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(checkpoint)
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, 20_000).astype(np.float32)
    features = extractor(sound, sampling_rate=16_000, truncation="rand_trunc", return_tensors="pt")
    with torch.inference_mode():
        row = model.get_audio_features(**features).pooler_output[0].numpy()
    expected = row / np.linalg.norm(row)
    np.testing.assert_allclose(encoder.encode_sounds([sound], 16_000)[0], expected, atol=1e-5)


def test_a_long_sound_is_its_middle(checkpoint: Path) -> None:
    encoder = load_sound_encoder(f"clap:{checkpoint}")
    sound = np.random.default_rng(2).uniform(-0.5, 0.5, 80_000).astype(np.float32)
    middle = sound[24_000:56_000]
    rows = encoder.encode_sounds([sound, middle], 16_000)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


def test_folder_that_holds_no_clap(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="give a folder of a CLAP checkpoint"):
        load_sound_encoder(f"clap:{tmp_path}")


def test_weights_that_lack_tensors_are_not_filled_up(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(checkpoint, tmp_path / "clap")
    tensors = load_file(folder / "model.safetensors")
    del tensors["text_projection.linear1.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InvalidInputError, match=r"lack 1 tensors.*text_projection"):
        load_sound_encoder(f"clap:{folder}")


def test_what_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub(monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(NotFoundError, match="hf download laion/clap-htsat-unfused"):
            load_sound_encoder("clap:laion/clap-htsat-unfused")


@pytest.mark.parametrize(("name", "runtime"), [("clap:", "auto"), ("clap:x/y", "openvino")])
def test_names_and_runtimes_that_cannot_be(name: str, runtime: str) -> None:
    with pytest.raises(InvalidInputError, match="run by torch"):
        load_sound_encoder(name, runtime=runtime)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr("retrieval.encoders.torchvision_cure.cure_torchvision", missing)
    with pytest.raises(MissingDependencyError, match="pip install torch transformers"):
        load_sound_encoder("clap:laion/clap-htsat-unfused")


def test_a_library_with_it_finds_sound_by_words_and_by_example(
    checkpoint: Path, bunny: Path, tmp_path: Path
) -> None:
    from retrieval.engine import Engine
    from tests.fakes import FakeEncoder

    with Engine(
        tmp_path / "library",
        encoder=FakeEncoder(),
        sound_encoder=f"clap:{checkpoint}",
        create=True,
    ) as engine:
        engine.ingest([bunny])
        stored = engine.catalog.encoder("sound")
        assert stored is not None
        assert stored.name == f"clap:{checkpoint}"
        by_words = engine.search(text="birds")[0].provenance
        assert {why.modality for why in by_words} == {"picture", "sound"}
        (by_example,) = engine.search(sound=bunny)[0].provenance
        assert (by_example.modality, by_example.query) == ("sound", "sound")
