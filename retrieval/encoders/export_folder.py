"""Takes an encoder folder apart for export: its networks are files already."""

import json
from typing import Any

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.export_parts import ExportParts, Networks
from retrieval.encoders.manifest import Execution
from retrieval.types import EncoderId

__all__ = ["parts", "source_of"]


def parts(encoder: PictureTextEncoder) -> ExportParts:
    """Take a folder apart that `sceneprint export` wrote in float32 for ONNX Runtime.

    Raises:
        ValueError: it is another one.
        MissingDependencyError: a file is damaged.
    """
    from tokenizers import Tokenizer

    assert isinstance(encoder, BuiltinEncoder)
    manifest = encoder.manifest
    execution = manifest.execution
    if execution is None:
        raise ValueError(
            "its folder was not written by `sceneprint export`; for 8 bits see: sceneprint "
            "compress int8; as it is, it can be copied without --runtime, --precision and --batch"
        )
    if execution != Execution(runtime="onnxruntime", precision="fp32", batch=None):
        raise ValueError(
            f"its networks are for {execution.runtime} in {execution.precision} with batch "
            f"{execution.batch or 'dynamic'}, expected a folder exported for onnxruntime in fp32 "
            "with batch dynamic, or the checkpoint itself"
        )
    (text,) = manifest.texts
    assert text.tokenizer is not None
    raw = _raw(encoder)
    return ExportParts(
        encoder=encoder,
        source=source_of(encoder),
        tokenizer=Tokenizer.from_file(str(manifest.checked_path(text.tokenizer))),
        bias=raw.get("bias"),
        licence=raw.get("source", {}).get("licence"),
        networks=Networks(
            image=manifest.checked_network(manifest.image.file),
            text=manifest.checked_network(text.file),
            image_tower=manifest.image,
            text_tower=text,
        ),
    )


def source_of(encoder: BuiltinEncoder) -> EncoderId:
    """The encoder that a folder was made from; itself where it was trained."""
    source = _raw(encoder).get("source")
    if source is None:
        return encoder.id
    return EncoderId(name=str(source["name"]), hash=str(source["hash"]), dim=encoder.dim)


def _raw(encoder: BuiltinEncoder) -> Any:
    return json.loads((encoder.manifest.folder / "manifest.json").read_text(encoding="utf-8"))
