"""Encoder names and what they load.

A name is `family:architecture/tag`. The part before the first colon picks the family here; the
rest is read by the family's own file, which is imported only then. Pictures, sounds and text have
encoders of their own, so one family name may stand for several things: `builtin` is one of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from retrieval.encoders.base import Encoder, PictureTextEncoder, SoundEncoder, TextEncoder
from retrieval.encoders.hub import HubSource
from retrieval.encoders.runtime import Device, RuntimeOptions
from retrieval.errors import InvalidInputError, NotFoundError

__all__ = [
    "FAMILIES",
    "SOUND_FAMILIES",
    "TEXT_FAMILIES",
    "Family",
    "hub_sources",
    "load_encoder",
    "load_sound_encoder",
    "load_text_encoder",
]


@dataclass(frozen=True)
class Family:
    """One way to make encoders: `load(rest_of_the_name, runtime=…, options=…)`."""

    target: str
    """`module:function`."""
    example: str
    reads_text: bool = True
    """Whether words can be compared with what it embeds."""
    sources: str | None = None
    """`module:function` from the rest of a name to what it needs of a model hub."""


FAMILIES: Mapping[str, Family] = {
    "builtin": Family("retrieval.encoders.builtin:load", "builtin"),
    "onnx": Family("retrieval.encoders.onnx_folder:load", "onnx:my-encoder"),
    "open_clip": Family(
        "retrieval.encoders.open_clip:load",
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
        sources="retrieval.encoders.open_clip:hub_sources",
    ),
    "transformers": Family(
        "retrieval.encoders.transformers:load",
        "transformers:google/siglip2-base-patch16-224",
        sources="retrieval.encoders.hub:model_sources",
    ),
}
"""Pictures and text in one space."""

SOUND_FAMILIES: Mapping[str, Family] = {
    "builtin": Family("retrieval.encoders.sound_builtin:load", "builtin", reads_text=False),
    "clap": Family(
        "retrieval.encoders.clap:load",
        "clap:laion/clap-htsat-unfused",
        sources="retrieval.encoders.hub:model_sources",
    ),
}
"""Sounds; `clap` reads text too."""

TEXT_FAMILIES: Mapping[str, Family] = {
    **FAMILIES,
    "sentence-transformers": Family(
        "retrieval.encoders.sentence_transformers:load",
        "sentence-transformers:sentence-transformers/all-MiniLM-L6-v2",
        sources="retrieval.encoders.sentence_transformers:hub_sources",
    ),
}
"""Text with text; those of pictures read text as well."""


def load_encoder(
    name: str = "builtin",
    *,
    runtime: str = "auto",
    device: Device = "cpu",
    threads: int | None = None,
) -> PictureTextEncoder:
    """Load a picture-text encoder by name.

    Args:
        name: `family:architecture/tag`: `builtin` (shipped), `builtin:/path/to/folder` (trained
            by `sceneprint train builtin`), `onnx:/path/to/folder` (any folder that Sceneprint
            exported, by `sceneprint compress` too), `open_clip:ViT-B-32/laion2b_s34b_b79k`,
            `open_clip:ViT-B-32//path/to/checkpoint.pt`, `transformers:ORG/REPO` or
            `transformers:/path/to/folder`.
        runtime: what runs it: `auto` (the family's own choice), `onnxruntime` or `openvino`.
        device: `cpu`, `cuda`, `tensorrt`, or `auto` to let the runtime pick and log it.
        threads: within one call; None for all cores.

    Raises:
        InvalidInputError: a name, runtime or device that does not exist or does not go together.
        NotFoundError: weights or a checkpoint that are not there.
        MissingDependencyError: a package or device is needed that is not installed.
    """
    options = RuntimeOptions(device=device, threads=threads)
    encoder = _load(name, "encoder", FAMILIES, runtime, options)
    assert isinstance(encoder, PictureTextEncoder)
    return encoder


def load_sound_encoder(
    name: str = "builtin",
    *,
    runtime: str = "auto",
    device: Device = "cpu",
    threads: int | None = None,
) -> SoundEncoder:
    """Load a sound encoder by name; arguments and errors as `load_encoder`.

    The name is `builtin`, `builtin:/path/to/folder` (trained by `sceneprint train sound`) or
    `clap:…`. An encoder that reads text too is a `SoundTextEncoder`.
    """
    options = RuntimeOptions(device=device, threads=threads)
    encoder = _load(name, "sound encoder", SOUND_FAMILIES, runtime, options)
    assert isinstance(encoder, SoundEncoder)
    return encoder


def load_text_encoder(
    name: str = "builtin",
    *,
    runtime: str = "auto",
    device: Device = "cpu",
    threads: int | None = None,
) -> TextEncoder:
    """Load what embeds text alone, for subtitles; arguments and errors as `load_encoder`.

    The name is `sentence-transformers:…`, or that of a picture-text encoder for its text side.
    """
    options = RuntimeOptions(device=device, threads=threads)
    encoder = _load(name, "text encoder", TEXT_FAMILIES, runtime, options)
    assert isinstance(encoder, TextEncoder)
    return encoder


def hub_sources(name: str) -> tuple[HubSource, ...]:
    """What an encoder of any kind needs of a model hub; nothing where it needs none.

    Raises:
        InvalidInputError: an unknown family, or a name that cannot be.
        NotFoundError: a folder, architecture or tag that is not there.
        MissingDependencyError: the extra `clip` is not installed.
    """
    family = _find(name, "encoder", {**SOUND_FAMILIES, **TEXT_FAMILIES})
    rest = name.partition(":")[2]
    return () if family.sources is None else tuple(_imported(family.sources)(rest))


def _load(
    name: str, what: str, families: Mapping[str, Family], runtime: str, options: RuntimeOptions
) -> Encoder:
    """Find the family, import its file and let it load the rest of the name."""
    family_name, _, rest = name.partition(":")
    family = _find(name, what, families)
    load = _imported(family.target)
    arguments: dict[str, Any] = {"runtime": runtime, "options": options}
    try:
        encoder: Encoder = load(rest, **arguments)
    except FileNotFoundError as exc:
        raise NotFoundError(f"{what} {name!r}: {exc}") from exc
    # the torch families name themselves as they are loaded, with paths from the root
    is_named = family.sources is not None
    encoder.spec = encoder.name if is_named else _from_anywhere(family_name, rest)
    return encoder


def _find(name: str, what: str, families: Mapping[str, Family]) -> Family:
    family_name = name.partition(":")[0]
    family = families.get(family_name)
    if family is None:
        examples = ", ".join(known.example for known in families.values())
        raise InvalidInputError(
            f"got {what} {name!r}: unknown family {family_name!r}, expected one like {examples}"
        )
    return family


def _imported(target: str) -> Callable[..., Any]:
    module_name, function_name = target.split(":")
    function: Callable[..., Any] = getattr(import_module(module_name), function_name)
    return function


def _from_anywhere(family_name: str, rest: str) -> str:
    """The name, with the path of a folder in it made absolute: a library keeps it."""
    if not rest:
        return family_name
    return f"{family_name}:{Path(rest).absolute() if Path(rest).exists() else rest}"
