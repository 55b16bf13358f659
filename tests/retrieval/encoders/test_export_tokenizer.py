"""A tokenizer's file against the tokenizer: the same tokens for texts of all kinds."""

import random
from pathlib import Path
from typing import Any

import pytest

from retrieval.encoders.export_tokenizer import fast_tokenizer, siglip_tokenizer, simple_tokenizer
from retrieval.encoders.torchvision_cure import cure_torchvision

pytest.importorskip("torch")
cure_torchvision()
open_clip = pytest.importorskip("open_clip")
pytest.importorskip("transformers")

POOLS = ("abcdefgh XYZ'.,!-_", "电影镜头两人，。！", "🚲❤️😀👍🏽 ", "éüñçàÅøß ", "Ｆｕ１　ﬁ“”‘’…&;")


def odd_texts(count: int) -> list[str]:
    """Texts that mix scripts, signs and spaces, the same each time."""
    rng = random.Random(0)
    texts = [
        "".join(rng.choice(rng.choice(POOLS)) for _ in range(rng.randint(1, 40)))
        for _ in range(count)
    ]
    fixed = ["I'M here's", "ΣΑΣ", "a\x00b\x1b[31mred\x1b[0m", "R&D &amp;amp; &lt;b&gt;", "w " * 200]
    return [*fixed, *(text for text in texts if text.strip())]


@pytest.fixture(scope="module")
def clip() -> Any:
    return open_clip.SimpleTokenizer()


@pytest.mark.parametrize("cleaning", ["lower", "whitespace", "canonicalize"])
def test_clips_own(clip: Any, cleaning: Any) -> None:
    from open_clip.tokenizer import get_clean_fn

    clip.clean_fn = get_clean_fn(cleaning)
    tokenizer = simple_tokenizer(clip, cleaning=cleaning)
    tokenizer.enable_truncation(77)
    tokenizer.enable_padding(pad_id=0, length=77)
    texts = odd_texts(150)
    found = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    assert found == clip(texts).tolist()


def test_what_is_no_table_is_not_repaired(clip: Any) -> None:
    broken = "itâ€™s"  # UTF-8 that was read as Windows-1252
    assert open_clip.tokenizer.get_clean_fn("lower")(broken) == "it's"
    assert simple_tokenizer(clip, cleaning="lower").normalizer.normalize_str(broken) != "it's"


def test_siglips_own(tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers.models.siglip.tokenization_siglip import SiglipTokenizer

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red car on the beach", "two dogs run", "镜头 电影"] * 20),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=60,
        pad_id=-1,
        bos_id=-1,
        eos_id=1,
        unk_id=2,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    reference = SiglipTokenizer(str(tmp_path / "spiece.model"))
    tokenizer = siglip_tokenizer(reference)
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding(pad_id=reference.pad_token_id, length=64)
    texts = odd_texts(150)
    options = {"padding": "max_length", "max_length": 64, "truncation": True}
    found = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    assert found == reference(texts, **options)["input_ids"]
    with pytest.raises(ValueError, match="SiglipTokenizer is plain Python"):
        fast_tokenizer(reference, cleaning="none")
