"""What encoders there are, what of them is on this machine, and how the rest comes here.

`sceneprint encoders` shows it. A listing reads names and folders only; `load_any` loads an encoder
of any kind, and only where everything it needs is here. Only `download` makes calls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.encoders import registry
from retrieval.encoders.base import Encoder
from retrieval.encoders.hub import (
    TRANSFORMERS_WEIGHTS,
    HubSource,
    cached_folder,
    how_to_bring,
    missing_of,
)
from retrieval.encoders.hub_download import fetch
from retrieval.encoders.known import EncoderKind, KnownEncoder, find_known, known_encoders
from retrieval.errors import MissingDependencyError, NotFoundError
from retrieval.types import ProgressCallback

__all__ = ["Listed", "download", "kind_of", "list_encoders", "load_any"]

_ANY_WEIGHTS = (
    *("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
    *TRANSFORMERS_WEIGHTS,
)


@dataclass(frozen=True)
class Listed:
    """One line of the listing."""

    known: KnownEncoder
    is_here: bool | None
    """Whether it would load without a network; None where huggingface_hub is not installed."""


def list_encoders(*, everything: bool = False) -> list[Listed]:
    """The well-known encoders, and with `everything` all names that open_clip has weights for.

    Raises:
        MissingDependencyError: `everything` without the extra `clip`.
    """
    table = list(known_encoders())
    if everything:
        from retrieval.encoders.open_clip import published_names

        named = (f"open_clip:{rest}" for rest in published_names())
        more = (name for name in named if find_known(name) is None)
        table += [KnownEncoder(name=name, kind="picture-text") for name in more]
    return [Listed(known, _is_here(known)) for known in table]


def _is_here(known: KnownEncoder) -> bool | None:
    try:
        sources = _listed_sources(known)
        return not missing_of(sources)
    except MissingDependencyError:
        return None


def _listed_sources(known: KnownEncoder) -> Sequence[HubSource]:
    """What it needs, without importing what would run it where the table says enough."""
    if not known.hub or not known.name.startswith("open_clip:"):
        return registry.hub_sources(known.name)
    weights, *others = known.hub
    text = [HubSource(other, ("tokenizer.json", "tokenizer_config.json")) for other in others]
    return [HubSource(weights, _ANY_WEIGHTS), *text]


def kind_of(name: str) -> EncoderKind:
    """What a name embeds, by its family.

    Raises:
        InvalidInputError: an unknown family.
    """
    known = find_known(name)
    if known is not None:
        return known.kind
    family = name.partition(":")[0]
    if family in registry.FAMILIES:
        return "picture-text"
    if family in registry.SOUND_FAMILIES:
        return "sound-text" if registry.SOUND_FAMILIES[family].reads_text else "sound"
    registry.hub_sources(name)  # an unknown family says which there are
    return "text"


def load_any(name: str) -> Encoder:
    """Load an encoder of any kind from what is on this machine.

    Raises:
        NotFoundError: something it needs is not here; it says how to bring it.
        InvalidInputError, MissingDependencyError: as the loaders of `registry`.
    """
    missing = missing_of(registry.hub_sources(name))
    if missing:
        lacking = " and ".join(source.repository for source in missing)
        raise NotFoundError(
            f"{name} is not on this machine ({lacking}); run: sceneprint encoders download {name}"
        )
    kind = kind_of(name)
    if kind == "picture-text":
        return registry.load_encoder(name)
    if kind == "text":
        return registry.load_text_encoder(name)
    return registry.load_sound_encoder(name)


def download(
    name: str,
    *,
    update: bool = False,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Path]:
    """Bring everything an encoder needs into the cache.

    Args:
        name: of the encoder.
        update: whether to ask the hub again for what is here: newer, or damaged since.
        progress: called as bytes arrive.
        should_stop: asked as bytes arrive; what came is kept, and the next call goes on there.

    Returns:
        The folders, in the order of `hub_sources`; none where nothing comes from a hub.

    Raises:
        NotFoundError: something cannot be fetched; it says what to do.
        InvalidInputError, MissingDependencyError, OperationCancelled: as `fetch`.
    """
    fetched: set[HubSource] = set()
    while waiting := [one for one in _wanted(name, update=update) if one not in fetched]:
        advice = how_to_bring(name, waiting)
        fetch(waiting[0], advice=advice, repair=update, progress=progress, should_stop=should_stop)
        fetched.add(waiting[0])
    folders = (cached_folder(source) for source in registry.hub_sources(name))
    return list(dict.fromkeys(folder for folder in folders if folder is not None))


def _wanted(name: str, *, update: bool) -> Sequence[HubSource]:
    sources = registry.hub_sources(name)
    return sources if update else missing_of(sources)
