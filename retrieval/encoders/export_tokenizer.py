"""Turns the tokenizers of open_clip and transformers into a file that `tokenizers` alone reads.

What the reference does in Python before it splits a text (ftfy, HTML entities, white space, case,
punctuation) becomes normalisers in the file. Two things stay out, because they are no tables: text
that was decoded with a wrong encoding is not repaired, and of HTML's entities only the common ones
are known. Whoever exports compares the tokens of sample texts with those of the reference.
"""

import string
import unicodedata
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Literal

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

__all__ = ["Cleaning", "fast_tokenizer", "siglip_tokenizer", "simple_tokenizer"]

Cleaning = Literal["none", "whitespace", "lower", "canonicalize"]
"""As open_clip names what it does to a text first."""

_ENTITIES = (
    *(("&amp;", "&"), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"')),
    *(("&#39;", "'"), ("&#x27;", "'"), ("&apos;", "'"), ("&nbsp;", " "), ("&hellip;", "…")),
)
_LIGATURES = (
    *(("ﬀ", "ff"), ("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬃ", "ffi"), ("ﬄ", "ffl"), ("ﬅ", "ſt")),
    *(("ﬆ", "st"), ("ŉ", "ʼn"), ("Ĳ", "IJ"), ("ĳ", "ij"), ("Ǆ", "DŽ"), ("ǅ", "Dž")),
    *(("ǆ", "dž"), ("Ǉ", "LJ"), ("ǈ", "Lj"), ("ǉ", "lj"), ("Ǌ", "NJ"), ("ǋ", "Nj")),
    *(("ǌ", "nj"), ("Ǳ", "DZ"), ("ǲ", "Dz"), ("ǳ", "dz")),
)
_QUOTES = (("[\u02bc\u2018-\u201b]", "'"), ("[\u201c-\u201f]", '"'))
_TERMINAL_ESCAPE = r"\x1b\[[\d;]*[a-zA-Z]"
_CONTROLS = (
    r"[\x00-\x08\x0b\x0e-\x1f\x7f\x{206a}-\x{206f}\x{feff}\x{fff9}-\x{fffc}]"  # as ftfy lists them
)
_LAST_SIGMA = r"(?<=\p{L})Σ(?!\p{L})"
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""CLIP's own words: contractions, runs of letters, single digits, runs of anything else."""


def simple_tokenizer(reference: Any, *, cleaning: Cleaning) -> Tokenizer:
    """CLIP's byte pair encoding.

    Args:
        reference: an `open_clip.SimpleTokenizer`: its `encoder` and `bpe_ranks` are read.
        cleaning: what it does to a text first.
    """
    merges = sorted(reference.bpe_ranks, key=reference.bpe_ranks.__getitem__)
    tokenizer = Tokenizer(
        models.BPE(vocab=reference.encoder, merges=merges, end_of_word_suffix="</w>")
    )
    tokenizer.normalizer = normalizers.Sequence(_cleaners(cleaning))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    words = {number: word for word, number in reference.encoder.items()}
    special = [words[number] for number in reference.all_special_ids]
    tokenizer.add_special_tokens([AddedToken(word, normalized=True) for word in special])
    start, end = special[:2]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(word, reference.encoder[word]) for word in (start, end)],
    )
    return tokenizer


def fast_tokenizer(reference: Any, *, cleaning: Cleaning) -> Tokenizer:
    """The Rust half of a tokenizer of transformers, with the cleaning put before its own.

    Args:
        reference: has a `backend_tokenizer`.
        cleaning: what open_clip does to a text first; `none` for transformers itself.

    Raises:
        ValueError: it has none, being written in Python.
    """
    backend = getattr(reference, "backend_tokenizer", None)
    if backend is None:
        raise ValueError(
            f"the tokenizer {type(reference).__name__} is plain Python, expected a fast one that "
            "can be saved as tokenizer.json"
        )
    tokenizer: Tokenizer = Tokenizer.from_str(backend.to_str())
    if cleaning != "none":
        own = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([*_cleaners(cleaning), *own])
    return tokenizer


def siglip_tokenizer(reference: Any) -> Tokenizer:
    """SigLIP's own: texts in lower case without punctuation, then SentencePiece's unigrams.

    Args:
        reference: a `transformers.SiglipTokenizer`, which is plain Python.

    Raises:
        ValueError: its SentencePiece model is of another kind.
    """
    conversion: Any = import_module("transformers.convert_slow_tokenizer")
    model = conversion.import_protobuf().ModelProto()
    model.ParseFromString(reference.sp_model.serialized_model_proto())
    if model.trainer_spec.model_type != 1 or model.trainer_spec.byte_fallback:
        raise ValueError("its SentencePiece model is not one of unigrams")
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=model.trainer_spec.unk_id))
    steps = _lower() if reference.do_lower_case else []
    steps += [*_replace((mark, "") for mark in string.punctuation), *_one_space()]
    if model.normalizer_spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap))
        steps += _one_space()
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    end = reference.eos_token
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, reference.eos_token_id)]
    )
    return tokenizer


def _cleaners(cleaning: Cleaning) -> list[Any]:
    """Normalisers for what ftfy and open_clip's cleaning functions do, in their order."""
    steps = [
        *_replace(_ENTITIES),
        *_replace(_LIGATURES),
        *_replace(_widths()),
        *(normalizers.Replace(Regex(pattern), to) for pattern, to in _QUOTES),
        normalizers.Replace(Regex(_TERMINAL_ESCAPE), ""),
        normalizers.Replace(Regex(_CONTROLS), ""),
        normalizers.NFC(),
    ]
    if cleaning == "canonicalize":
        kept = string.punctuation.replace("_", "")
        steps += [*_replace([("_", " ")]), *_replace((mark, "") for mark in kept)]
    steps += _one_space()
    return steps if cleaning == "whitespace" else [*steps, *_lower()]


def _one_space() -> list[Any]:
    """Runs of white space to one space, none at the ends."""
    return [normalizers.Replace(Regex(r"[\s\x1c-\x1f\x85]+"), " "), normalizers.Strip()]


def _lower() -> list[Any]:
    """Lower case; Python knows the sigma at a word's end, the Lowercase here does not."""
    return [normalizers.Replace(Regex(_LAST_SIGMA), "ς"), normalizers.Lowercase()]


def _replace(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    return [normalizers.Replace(given, to) for given, to in pairs]


def _widths() -> list[tuple[str, str]]:
    """Full-width and half-width forms, Chinese punctuation among them, and their plain ones."""
    forms = [chr(code) for code in range(0xFF01, 0xFFF0)]
    plain = [unicodedata.normalize("NFKC", form) for form in forms]
    return [("\u3000", " ")] + [
        pair for pair in zip(forms, plain, strict=True) if pair[0] != pair[1]
    ]
