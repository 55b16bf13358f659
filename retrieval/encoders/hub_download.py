"""Fetches files of a model hub into its cache: resumed where they were cut off, checked by hash.

huggingface_hub goes on where a connection breaks, but keeps nothing of a file when the process
ends, and does not compare hashes. So each file is fetched here with its `http_get` into
`blobs/HASH.sceneprint.part`, compared with the SHA-256 (Git LFS) or the Git object id that the hub
states, and only then put where the cache wants it. The revision becomes the current one last: a
download that was cut off is never taken for whole.
"""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from retrieval.encoders.hub import HubSource, hub, pieces_of, repository_folder
from retrieval.encoders.torch_weights import first_line
from retrieval.errors import NotFoundError, OperationCancelled, SceneprintError
from retrieval.types import Progress, ProgressCallback

__all__ = ["HubFile", "fetch", "file_hash"]

_SMALL_FILES = ("*.json", "*.txt", "*.model")
"""Configuration, preprocessing and tokenizers; lists of weights are among the weights."""
_FOLDERS = "[0-9]_*"
"""Folders of sentence-transformers that belong to the model."""
_DENSE = f"{_FOLDERS}/model.safetensors"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class HubFile:
    """A file as the hub states it."""

    path: str
    size_bytes: int
    hash: str
    """SHA-256 of a large file, Git object id (SHA-1) of a small one; the cache's name for it."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", self.hash) or ".." in self.path:
            raise ValueError(f"got {self} from the hub, expected a plain path and a hash")


def fetch(
    source: HubSource,
    *,
    advice: str,
    repair: bool = False,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Path:
    """Bring the cache up to date with the hub for one repository.

    Args:
        source: what is needed of it.
        advice: what to do where the hub cannot be reached, for the error.
        repair: whether to read what is here and fetch it again where it is damaged.
        progress: called as bytes arrive.
        should_stop: asked as bytes arrive; what came so far is kept for the next time.

    Returns:
        The folder of the fetched revision.

    Raises:
        NotFoundError: the hub cannot be reached, has no such repository or file, or what came
            is not what it stated.
        OperationCancelled: `should_stop` said so.
    """
    try:
        revision, files = _list_files(source)
        for choose in (_chosen, _pieces):  # the second reads a list that the first fetched
            for file in choose(source, revision, files):
                if repair:
                    _drop_damaged(source, file)
                _fetch_file(source, revision, file, progress, should_stop)
        return _make_current(source, revision)
    except SceneprintError:
        raise
    except Exception as exc:  # the hub, its HTTP client and the disk raise many unrelated classes
        raise NotFoundError(_explain(exc, source, advice)) from exc


def file_hash(path: Path, *, like: str) -> str:
    """The hash of a file in the kind of another: SHA-256 for 64 digits, Git object id for 40."""
    with path.open("rb") as stream:
        if len(like) == 64:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _list_files(source: HubSource) -> tuple[str, list[HubFile]]:
    """The commit that `main` is now, and its files."""
    info = hub().HfApi().model_info(source.repository, files_metadata=True)
    files = [
        HubFile(
            one.rfilename,
            int(one.size or 0),
            str(one.blob_id if one.lfs is None else one.lfs["sha256"]),
        )
        for one in info.siblings or []
    ]
    if not re.fullmatch(r"[0-9a-f]{40}", str(info.sha)):
        raise ValueError(f"got commit {info.sha!r} from the hub, expected 40 digits")
    return str(info.sha), files


def _chosen(source: HubSource, revision: str, files: Sequence[HubFile]) -> list[HubFile]:
    """The small files, then the best of the weights, which come last."""
    there = {file.path: file for file in files}
    best = next((name for name in source.one_of if name in there), None)
    if best is None:
        raise NotFoundError(
            f"{source.repository} at {revision[:8]} on the hub holds no "
            f"{' or '.join(source.one_of)}, only "
            f"{', '.join(sorted(there)) or 'nothing'}; choose a checkpoint with such a file"
        )
    wanted = [path for path in there if _is_small(source, path)]
    wanted += [path for path in there if source.folders and fnmatch(path, _DENSE)]
    return [there[path] for path in dict.fromkeys([*sorted({*wanted} - {best}), best])]


def _is_small(source: HubSource, path: str) -> bool:
    folder, _, file = path.rpartition("/")
    is_wanted = not folder or (source.folders and fnmatch(folder, _FOLDERS))
    is_list = file.endswith(".index.json")
    return is_wanted and not is_list and any(fnmatch(file, pattern) for pattern in _SMALL_FILES)


def _pieces(source: HubSource, revision: str, files: Sequence[HubFile]) -> list[HubFile]:
    """The pieces of weights that were cut up; none where they are one file."""
    snapshot = repository_folder(source) / "snapshots" / revision
    best = next((name for name in source.one_of if (snapshot / name).is_file()), None)
    wanted = set() if best is None else set(pieces_of(snapshot / best))
    return [file for file in files if file.path in wanted]


def _drop_damaged(source: HubSource, file: HubFile) -> None:
    blob = repository_folder(source) / "blobs" / file.hash
    if blob.exists() and file_hash(blob, like=file.hash) != file.hash:
        blob.unlink()


def _fetch_file(
    source: HubSource,
    revision: str,
    file: HubFile,
    progress: ProgressCallback | None,
    should_stop: Callable[[], bool] | None,
) -> None:
    """Fetch one file unless it is there, and let the cache point to it."""
    from filelock import FileLock

    folder = repository_folder(source)
    blob = folder / "blobs" / file.hash
    lock = folder.parent / ".locks" / folder.name / f"{file.hash}.sceneprint.lock"
    for path in (blob, lock):
        path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if not blob.exists():
            part = blob.with_name(f"{file.hash}.sceneprint.part")
            _get(source, revision, file, part, _shown(source, file, progress, should_stop))
            _check(file, part)
            part.replace(blob)
    hub().hf_hub_download(source.repository, file.path, revision=revision)


def _check(file: HubFile, part: Path) -> None:
    found = file_hash(part, like=file.hash)
    if found != file.hash:
        part.unlink()
        raise OSError(f"{file.path} came with hash {found[:12]}…, the hub states {file.hash[:12]}…")


def _get(source: HubSource, revision: str, file: HubFile, part: Path, bar: type[Any]) -> None:
    """Append to what an earlier attempt left."""
    from huggingface_hub import file_download

    with part.open("ab") as stream:
        if stream.tell() > file.size_bytes:
            stream.truncate(0)
        file_download.http_get(
            hub().hf_hub_url(source.repository, file.path, revision=revision),
            stream,
            resume_size=part.stat().st_size,
            headers=hub().utils.build_hf_headers(),
            expected_size=file.size_bytes,
            displayed_filename=file.path,
            tqdm_class=bar,
        )


def _shown(
    source: HubSource,
    file: HubFile,
    progress: ProgressCallback | None,
    should_stop: Callable[[], bool] | None,
) -> type[Any]:
    """Something in the shape of tqdm that reports to our callback instead of drawing."""

    class Bar:
        def __init__(self, *, initial: int = 0, **_: Any) -> None:
            self.done = initial

        def update(self, num_bytes: float) -> None:
            self.done += int(num_bytes)
            if should_stop is not None and should_stop():
                raise OperationCancelled(f"stopped at {file.path}; the same command goes on there")
            if progress is not None:
                item = f"{source.repository}/{file.path}"
                progress(Progress("download", item, self.done, file.size_bytes, unit="B"))

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            return None

    return Bar


def _make_current(source: HubSource, revision: str) -> Path:
    """Let `main` mean the revision whose files are all there."""
    folder = repository_folder(source)
    reference = folder / "refs" / "main"
    reference.parent.mkdir(parents=True, exist_ok=True)
    new = reference.with_name(f"main.{os.getpid()}")
    new.write_text(revision, encoding="utf-8")
    new.replace(reference)
    return folder / "snapshots" / revision


def _explain(exc: Exception, source: HubSource, advice: str) -> str:
    """What went wrong and what to do, in one sentence."""
    from huggingface_hub import constants, errors

    if isinstance(exc, errors.GatedRepoError):
        return (
            f"{source.repository} asks for consent: accept its terms on {constants.ENDPOINT}/"
            f"{source.repository}, then run: hf auth login"
        )
    if isinstance(exc, errors.RepositoryNotFoundError):
        return (
            f"{constants.ENDPOINT} has no repository {source.repository}, or it is private; "
            "correct the name, or run: hf auth login"
        )
    is_forbidden = constants.is_offline_mode()
    reason = "HF_HUB_OFFLINE forbids it" if is_forbidden else first_line(exc)
    return f"{source.repository} cannot be fetched from {constants.ENDPOINT} ({reason}); {advice}"
