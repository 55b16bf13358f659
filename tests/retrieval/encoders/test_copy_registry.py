import subprocess
import sys
from importlib import import_module

import pytest

from retrieval.encoders.copy_registry import COPY_FAMILIES, load_copy_encoder
from retrieval.errors import InvalidInputError, NotFoundError


@pytest.mark.parametrize("name", ["nothing", "", ":", "BUILTIN", "open_clip:ViT-B-32/openai"])
def test_unknown_name_lists_the_known(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"one like builtin, copy:FOLDER, sscd:/path"):
        load_copy_encoder(name)


@pytest.mark.parametrize("family", sorted(COPY_FAMILIES))
def test_every_family_can_be_imported_and_has_a_right_example(family: str) -> None:
    target, example = COPY_FAMILIES[family]
    module, function = target.split(":")
    assert callable(getattr(import_module(module), function))
    assert example.split(":")[0] == family


@pytest.mark.parametrize("name", ["copy:/no/such/folder", "sscd:/no/such/file", "builtin:/no"])
def test_absent_files_are_named(name: str) -> None:
    with pytest.raises(NotFoundError, match="/no"):
        load_copy_encoder(name)


def test_nothing_heavy_is_imported_before_a_copy_encoder_is_loaded() -> None:
    code = (
        "import sys, retrieval.encoders.copy_registry;"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'openvino', 'tokenizers', 'transformers'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
