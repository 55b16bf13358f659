"""Encoder names and what they load.

A name is `family:architecture/tag`. The part before the first colon picks the family here; the
rest is read by the family's own file, which is imported only then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from retrieval.encoders.base import PictureTextEncoder, SoundTextEncoder, TextEncoder
from retrieval.encoders.runtime import Device, RuntimeOptions
from retrieval.errors import InvalidInputError, NotFoundError

__all__ = ["FAMILIES", "Family", "load_encoder", "load_sound_encoder"]

Kind = Literal["picture-text", "sound-text"]


@dataclass(frozen=True)
class Family:
    """One way to make encoders: `load(rest_of_the_name, runtime=…, options=…)`."""

    kind: Kind
    target: str
    """`module:function`."""
    example: str


FAMILIES = {
    "builtin": Family("picture-text", "retrieval.encoders.builtin:load", "builtin"),
    "clap": Family("sound-text", "retrieval.encoders.clap:load", "clap:laion/clap-htsat-unfused"),
    "open_clip": Family(
        "picture-text",
        "retrieval.encoders.open_clip:load",
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
    ),
}


def load_encoder(
    name: str = "builtin",
    *,
    runtime: str = "auto",
    device: Device = "cpu",
    threads: int | None = None,
    cache_dir: Path | None = None,
) -> PictureTextEncoder:
    """Load a picture-text encoder by name.

    Args:
        name: `family:architecture/tag`: `builtin` (shipped), `builtin:/path/to/folder` (trained
            by `sceneprint train builtin`), `open_clip:ViT-B-32/laion2b_s34b_b79k` or
            `open_clip:ViT-B-32//path/to/checkpoint.pt`.
        runtime: what runs it: `auto` (the family's own choice), `onnxruntime` or `openvino`.
        device: `cpu`, `cuda`, `tensorrt`, or `auto` to let the runtime pick and log it.
        threads: within one call; None for all cores.
        cache_dir: where TensorRT keeps its engines between starts.

    Raises:
        InvalidInputError: a name, runtime or device that does not exist or does not go together.
        NotFoundError: weights or a checkpoint that are not there.
        MissingDependencyError: a package or device is needed that is not installed.
    """
    options = RuntimeOptions(device=device, threads=threads, cache_dir=cache_dir)
    encoder = _load(name, "picture-text", runtime, options)
    assert isinstance(encoder, PictureTextEncoder)
    return encoder


def load_sound_encoder(
    name: str,
    *,
    runtime: str = "auto",
    device: Device = "cpu",
    threads: int | None = None,
) -> SoundTextEncoder:
    """Load a sound-text encoder by name (`clap:…`); arguments and errors as `load_encoder`."""
    options = RuntimeOptions(device=device, threads=threads)
    encoder = _load(name, "sound-text", runtime, options)
    assert isinstance(encoder, SoundTextEncoder)
    return encoder


def _load(name: str, kind: Kind, runtime: str, options: RuntimeOptions) -> TextEncoder:
    """Find the family, import its file and let it load the rest of the name."""
    family_name, _, rest = name.partition(":")
    family = FAMILIES.get(family_name)
    if family is None or family.kind != kind:
        examples = ", ".join(known.example for known in FAMILIES.values() if known.kind == kind)
        what = f"unknown family {family_name!r}" if family is None else f"a {family.kind} encoder"
        raise InvalidInputError(f"got encoder {name!r}: {what}, expected one like {examples}")
    module_name, function_name = family.target.split(":")
    load: Callable[..., TextEncoder] = getattr(import_module(module_name), function_name)
    arguments: dict[str, Any] = {"runtime": runtime, "options": options}
    try:
        return load(rest, **arguments)
    except FileNotFoundError as exc:
        raise NotFoundError(f"encoder {name!r}: {exc}") from exc
