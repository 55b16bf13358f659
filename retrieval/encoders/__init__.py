"""Frozen encoders: media and text in, unit-norm embeddings out.

`base` holds the interfaces, `registry` the names, `runtime` the seam to what runs ONNX
files; each family has its own file, imported only when one of its encoders is loaded.
"""

from retrieval.encoders.base import (
    Encoder,
    PictureTextEncoder,
    SoundEncoder,
    SoundTextEncoder,
    TextEncoder,
)
from retrieval.encoders.registry import load_encoder, load_sound_encoder, load_text_encoder

__all__ = [
    "Encoder",
    "PictureTextEncoder",
    "SoundEncoder",
    "SoundTextEncoder",
    "TextEncoder",
    "load_encoder",
    "load_sound_encoder",
    "load_text_encoder",
]
