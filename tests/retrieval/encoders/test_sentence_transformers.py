from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoders import load_text_encoder
from retrieval.encoders.torchvision_cure import cure_torchvision
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from tests.retrieval.encoders.conformance import TEXTS, TextConformance
from tests.retrieval.encoders.fake_hub import fake_hub

torch = pytest.importorskip("torch")
cure_torchvision()
package = pytest.importorskip("sentence_transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", "red", "car", "dogs"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `save` writes it: a BERT of random weights, mean pooling, unit norm."""
    import transformers
    from sentence_transformers.sentence_transformer import modules

    folder = tmp_path_factory.mktemp("sentences")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    sizes: dict[str, Any] = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 40}
    with torch.random.fork_rng():
        torch.manual_seed(4)
        transformers.BertModel(transformers.BertConfig(**sizes)).save_pretrained(folder / "bert")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    layers = [modules.Transformer(str(folder / "bert"), max_seq_length=32), modules.Pooling(16)]
    network = package.SentenceTransformer(modules=[*layers, modules.Normalize()], device="cpu")
    network.save(str(folder / "saved"), create_model_card=False)
    return folder / "saved"


class TestSentenceTransformers(TextConformance):
    folder: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _folder(cls, checkpoint: Path) -> None:
        cls.folder = checkpoint

    @classmethod
    def make_encoder(cls) -> Any:
        return load_text_encoder(f"sentence-transformers:{cls.folder}")


def test_gives_what_the_package_gives(checkpoint: Path) -> None:
    rows = load_text_encoder(f"sentence-transformers:{checkpoint}").encode_texts(TEXTS)
    expected = package.SentenceTransformer(str(checkpoint), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_folder_that_holds_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="give a folder that its `save` wrote"):
        load_text_encoder(f"sentence-transformers:{tmp_path}")


def test_from_a_hub(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub(monkeypatch, tmp_path) as hub:
        hub.add_folder("sentence-transformers/tiny", checkpoint)
        encoder = load_text_encoder("sentence-transformers:tiny")
        hub.asked.clear()
        again = load_text_encoder("sentence-transformers:sentence-transformers/tiny")
        assert hub.asked == []
    assert encoder.hash == again.hash
    assert encoder.hash == load_text_encoder(f"sentence-transformers:{checkpoint}").hash


def test_what_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub(monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(NotFoundError, match="hf download some/model"):
            load_text_encoder("sentence-transformers:some/model")


@pytest.mark.parametrize(("rest", "runtime"), [("", "auto"), ("x/y", "openvino")])
def test_names_and_runtimes_that_cannot_be(rest: str, runtime: str) -> None:
    with pytest.raises(InvalidInputError, match="run by torch"):
        load_text_encoder(f"sentence-transformers:{rest}", runtime=runtime)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr("retrieval.encoders.torchvision_cure.cure_torchvision", missing)
    with pytest.raises(MissingDependencyError, match="pip install sentence-transformers"):
        load_text_encoder("sentence-transformers:x/y")
