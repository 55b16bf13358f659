"""What encoders need of a model hub, and what of it lies in the cache of this machine.

The cache is huggingface_hub's own (`HF_HOME`, `HF_HUB_CACHE`): what other programs fetched is
found, and what is fetched here serves them. A load first makes sure that the files are there
(`ensure`), then runs under `without_network`: cached weights never cause a call or a wait.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError

__all__ = [
    "CONFIGURATION",
    "TOKENIZER",
    "TRANSFORMERS_WEIGHTS",
    "HubSource",
    "cached_folder",
    "ensure",
    "full_name",
    "how_to_bring",
    "hub",
    "load_offline",
    "local_folder",
    "missing_of",
    "model_folder",
    "model_sources",
    "pieces_of",
    "repository_folder",
    "without_network",
]

logger = logging.getLogger(__name__)

TRANSFORMERS_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
"""One file, or the list of the pieces it was cut into."""
CONFIGURATION = ("config.json",)
TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "spiece.model", "sentencepiece.bpe.model"),
    *("vocab.json", "vocab.txt"),
)

_LOCK = threading.RLock()
"""One load or fetch at a time: whether the network may be used holds for the whole process."""


@dataclass(frozen=True)
class HubSource:
    """What is needed of one repository of a model hub.

    Raises:
        InvalidInputError: a name that is no `ORG/REPO` or `REPO`.
    """

    repository: str
    one_of: tuple[str, ...] = TRANSFORMERS_WEIGHTS
    """File names, the best first; one of them must be there. The small files come along."""
    folders: bool = False
    """Whether the folders `1_Pooling` … of sentence-transformers belong to it."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(\w[\w.-]*/)?\w[\w.-]*", self.repository, re.ASCII):
            raise InvalidInputError(
                f"got {self.repository!r}, expected ORG/REPO of a model hub or an existing folder"
            )


def hub() -> Any:
    """The package huggingface_hub.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.constants
    except ImportError as exc:
        raise MissingDependencyError(
            f"published weights need huggingface_hub ({exc}); run: pip install 'sceneprint[clip]'"
        ) from exc
    return huggingface_hub


def local_folder(rest: str) -> Path | None:
    """The folder that a name means, from the root; None where it means a repository.

    Raises:
        NotFoundError: it looks like a path, and there is no such folder.
    """
    path = Path(rest).expanduser()
    if path.is_dir():
        return path.absolute()
    if rest.startswith(("/", ".", "~")) or rest.count("/") > 1:
        raise NotFoundError(f"no folder at {rest}; expected a folder, or ORG/REPO of a model hub")
    return None


def full_name(family: str, rest: str) -> str:
    """The name of an encoder, the same from whatever folder it was loaded: a library keeps it."""
    return f"{family}:{local_folder(rest) or rest}"


def model_sources(rest: str) -> tuple[HubSource, ...]:
    """What a model of transformers needs of the hub; nothing where the name is a folder.

    Raises:
        NotFoundError: it looks like a path, and there is no such folder.
        InvalidInputError: it is neither a folder nor `ORG/REPO`.
    """
    return () if local_folder(rest) is not None else (HubSource(rest),)


def model_folder(
    rest: str, *, name: str, sources: Callable[[str], Sequence[HubSource]] = model_sources
) -> Path:
    """The folder to load a model from: the one that is named, or the cached, fetched if need be.

    Args:
        rest: the name after the colon.
        name: of the encoder, for messages.
        sources: what the rest of the name needs of the hub; one repository, or nothing.

    Raises:
        NotFoundError, InvalidInputError, MissingDependencyError: as `ensure` and `sources`.
    """
    folder = local_folder(rest)
    if folder is not None:
        return folder
    ensure(name, lambda: sources(rest))
    found = cached_folder(sources(rest)[0])
    assert found is not None
    return found


def repository_folder(source: HubSource) -> Path:
    """Where the cache keeps the repository."""
    return Path(hub().constants.HF_HUB_CACHE) / f"models--{source.repository.replace('/', '--')}"


def cached_folder(source: HubSource) -> Path | None:
    """The folder of the cached revision; None where something needed is missing."""
    folder = repository_folder(source)
    try:
        revision = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    snapshot = folder / "snapshots" / revision
    if not revision or not snapshot.is_dir():
        return None
    return snapshot if _is_complete(source, snapshot) else None


def _is_complete(source: HubSource, snapshot: Path) -> bool:
    found = next((name for name in source.one_of if (snapshot / name).is_file()), None)
    if found is None:
        return False
    return all((snapshot / piece).is_file() for piece in pieces_of(snapshot / found))


def pieces_of(weights: Path) -> list[str]:
    """File names that a list of pieces names; none for a file that is whole.

    Raises:
        NotFoundError: the list cannot be read.
    """
    if not weights.name.endswith(".index.json"):
        return []
    try:
        names = set(json.loads(weights.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError) as exc:
        raise NotFoundError(f"{weights} is no list of weights: {exc!r}; fetch it again") from exc
    return sorted(Path(str(name)).name for name in names)


@contextmanager
def without_network() -> Iterator[None]:
    """Let no package of the hub make a call: what they load must be in the cache."""
    constants = hub().constants
    with _LOCK:
        before = constants.HF_HUB_OFFLINE
        constants.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            constants.HF_HUB_OFFLINE = before


@contextmanager
def load_offline() -> Iterator[None]:
    """As `without_network`, and without the progress bars and questions of transformers.

    It would ask on a terminal whether code of a checkpoint may run; with no time it refuses.
    """
    from transformers import dynamic_module_utils
    from transformers.utils import logging as transformers_logging

    chatter: Any = transformers_logging  # transformers does not type it
    level, had_bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    seconds_to_answer = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    with without_network():
        chatter.set_verbosity_error()
        chatter.disable_progress_bar()
        dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
        try:
            yield
        finally:
            dynamic_module_utils.TIME_OUT_REMOTE_CODE = seconds_to_answer
            chatter.set_verbosity(level)
            if had_bars:
                chatter.enable_progress_bar()


def ensure(name: str, find_sources: Callable[[], Sequence[HubSource]]) -> None:
    """Fetch what an encoder needs and the cache lacks; no call is made where nothing is.

    Args:
        name: of the encoder, for messages.
        find_sources: what it needs; asked again after each fetch, because a configuration may
            name further repositories.

    Raises:
        NotFoundError: something is missing and cannot be fetched; it says what to do.
        MissingDependencyError: huggingface_hub is not installed.
    """
    from retrieval.encoders.hub_download import fetch

    while missing := missing_of(find_sources()):
        logger.warning("%s is not on this machine; fetching %s", name, missing[0].repository)
        with _LOCK:
            fetch(missing[0], advice=how_to_bring(name, missing))
        if cached_folder(missing[0]) is None:
            raise NotFoundError(
                f"{missing[0].repository} on the hub lacks pieces of its weights; "
                "choose another checkpoint"
            )


def missing_of(sources: Sequence[HubSource]) -> list[HubSource]:
    """Those that the cache does not hold."""
    return [source for source in sources if cached_folder(source) is None]


def how_to_bring(name: str, sources: Sequence[HubSource]) -> str:
    """What to do where the hub cannot be reached: one command elsewhere, and where files go."""
    repositories = list(dict.fromkeys(source.repository for source in sources))
    folders = " and ".join(dict.fromkeys(repository_folder(source).name for source in sources))
    commands = " && ".join(f"hf download {repository}" for repository in repositories)
    cache = repository_folder(sources[0]).parent
    return (
        f"on a machine that reaches the hub run: sceneprint encoders download {name} "
        f"(or: {commands}), then copy {folders} from its hub cache to {cache}"
    )
