"""What a name after `open_clip:` says, and what it needs of a model hub.

Besides its weights an architecture may take the tokenizer (SigLIP, multilingual ones) and the
configuration of its text network from repositories of their own.
"""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.encoders.hub import CONFIGURATION, TOKENIZER, HubSource, cached_folder
from retrieval.errors import InvalidInputError, NotFoundError

__all__ = ["OpenClipSource", "needed_files", "parse_source", "text_config"]

_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_CONFIG = "open_clip_config.json"
_TOKENIZER_OPTIONS = frozenset(("clean", "language", "reduction_mask", "strip_sep_token"))
"""What a configuration may set; `trust_remote_code` would run code of the checkpoint."""


@dataclass(frozen=True)
class OpenClipSource:
    """What the name after `open_clip:` says."""

    architecture: str
    """An open_clip architecture, or `hf-hub:…` / `local-dir:…`."""
    tag: str | None
    """A published tag or the path of a checkpoint; None where the architecture says all."""

    @property
    def is_local(self) -> bool:
        """Whether the weights are a file or folder here."""
        return self.folder is not None or "/" in (self.tag or "")

    @property
    def full_name(self) -> str:
        """What a library keeps: the same from whatever folder it was loaded."""
        if self.folder is not None:
            return f"local-dir:{self.folder.absolute()}"
        if self.tag is None:
            return self.architecture
        return f"{self.architecture}/{Path(self.tag).absolute() if self.is_local else self.tag}"

    @property
    def folder(self) -> Path | None:
        """Of `local-dir:`."""
        rest = self.architecture.removeprefix("local-dir:")
        return None if rest == self.architecture else Path(rest).expanduser()

    @property
    def repository(self) -> str | None:
        """Of `hf-hub:`."""
        rest = self.architecture.removeprefix("hf-hub:")
        return None if rest == self.architecture else rest


def parse_source(open_clip: Any, rest: str) -> OpenClipSource:
    """Read the name and check what can be checked before anything is loaded.

    Raises:
        InvalidInputError: a name that cannot be.
        NotFoundError: an architecture, tag, file or folder that is not there.
    """
    if rest.startswith(("hf-hub:", "local-dir:")):
        source = OpenClipSource(architecture=rest, tag=None)
        if source.folder is not None and not source.folder.is_dir():
            raise NotFoundError(f"no folder at {source.folder}")
        return source
    architecture, _, tag = rest.partition("/")
    if not architecture or not tag:
        raise InvalidInputError(
            f"got encoder 'open_clip:{rest}', expected open_clip:ARCHITECTURE/TAG or "
            "open_clip:ARCHITECTURE//path/to/checkpoint"
        )
    known = open_clip.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=5, cutoff=0.4) or known[:5]
        raise NotFoundError(
            f"open_clip has no architecture {architecture!r}; near: {', '.join(near)}"
        )
    source = OpenClipSource(architecture=architecture, tag=tag)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if source.is_local and not Path(tag).is_file():
        raise NotFoundError(f"no checkpoint file at {tag}")
    if not source.is_local and tag not in tags:
        raise NotFoundError(
            f"open_clip has no weights {tag!r} for {architecture}; it knows "
            f"{', '.join(sorted(tags)) or 'none'}, or give a file: open_clip:{architecture}//path"
        )
    return source


def needed_files(open_clip: Any, source: OpenClipSource) -> tuple[HubSource, ...]:
    """Weights, and what the text side takes from a hub; more of it once a configuration is here."""
    found: list[HubSource] = []
    if source.repository is not None:
        found.append(HubSource(source.repository, _WEIGHTS))  # its configuration comes along
    elif not source.is_local:
        path = open_clip.get_pretrained_cfg(source.architecture, source.tag)["hf_hub"]
        repository, _, file = path.rpartition("/")
        safe = (f"{file[:-4]}.safetensors",) if file.endswith((".bin", ".pth")) else ()
        found.append(HubSource(repository, (*safe, file) if file else _WEIGHTS))
    text = text_config(open_clip, source)
    if "hf_model_name" in text:
        found.append(HubSource(text["hf_model_name"], CONFIGURATION))
    if "hf_tokenizer_name" in text and source.folder is None:
        found.append(HubSource(text["hf_tokenizer_name"], TOKENIZER))
    return tuple(one for one in found if not Path(one.repository).is_dir())


def text_config(open_clip: Any, source: OpenClipSource) -> dict[str, Any]:
    """The text side of the architecture; empty while its configuration is not here.

    Raises:
        InvalidInputError: it gives its tokenizer an option that might run code.
    """
    if source.folder is None and source.repository is None:
        return dict(open_clip.get_model_config(source.architecture)["text_cfg"])
    text = _read_text_config(source)
    odd = set(text.get("tokenizer_kwargs") or {}) - _TOKENIZER_OPTIONS
    if odd:
        raise InvalidInputError(
            f"got {', '.join(sorted(odd))} for the tokenizer of {source.architecture}, expected "
            f"only {', '.join(sorted(_TOKENIZER_OPTIONS))}; mend its {_CONFIG}"
        )
    return text


def _read_text_config(source: OpenClipSource) -> dict[str, Any]:
    folder = source.folder or cached_folder(HubSource(str(source.repository), (_CONFIG,)))
    try:
        read = json.loads((folder / _CONFIG).read_text(encoding="utf-8")) if folder else {}
        return dict(read.get("model_cfg", read).get("text_cfg", {}))
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # open_clip says what is wrong with it when it loads it
