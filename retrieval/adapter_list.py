"""What taught adapters a library has: their manifests, read and checked, without their arrays."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.few_shot.folders import list_versions, read_manifest
from retrieval.adapter_commands import teach_command
from retrieval.types import EncoderId

__all__ = ["AdapterInfo", "adapters_to_teach", "list_adapters", "newest_for"]

FOLDER = "adapters"
MAX_ADAPTERS = 10_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AdapterInfo:
    """One version of a taught adapter.

    Attributes:
        name: Of the adapter.
        version: Its number, from 1.
        group: Of labels that it learned.
        classes: Of the group, as they were then.
        is_exclusive: Whether one class holds.
        method: Name of the adapter's kind; `gates` and the like where it fuses modalities.
        encoders: By modality (`picture`, `sound`, `text`), name and hash of what it learned from.
        error_rate: At which it says unsure.
        figures: Of the training: `num_shots`, `cross_fitted_accuracy` and so on.
    """

    name: str
    version: int
    group: str
    classes: tuple[str, ...]
    is_exclusive: bool
    method: str
    encoders: Mapping[str, tuple[str, str]]
    error_rate: float
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name and version as `classify --adapter` takes them: `mine/2`."""
        return f"{self.name}/{self.version}"


def list_adapters(library: Path) -> list[AdapterInfo]:
    """All versions of all adapters, by name and number; damaged ones are left out and logged."""
    root = library / FOLDER
    names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    found = []
    for name in names:
        try:
            versions = list_versions(root, name)
        except ValueError:  # a folder that no adapter can be called
            continue
        for version in versions[:MAX_ADAPTERS]:
            info = _read(root / name / str(version), name, version)
            if info is not None:
                found.append(info)
    return found


def newest_for(
    library: Path, group: str, *, encoder_hash: str, name: str | None = None
) -> str | None:
    """The adapter to ask about a group, as `name/version`; None where there is none.

    Args:
        library: Whose adapters.
        group: What it must have learned.
        encoder_hash: Whose embeddings it must take.
        name: Only this adapter; None for the one that learned from the most shots.
    """
    fitting = [
        info
        for info in list_adapters(library)
        if info.group == group
        and info.encoders.get("picture", ("", encoder_hash))[1] == encoder_hash
        and name in (None, info.name)
    ]
    if not fitting:
        return None
    if name is not None:
        return fitting[-1].key
    return max(fitting, key=lambda info: (info.figures.get("num_shots", 0.0), info.version)).key


def adapters_to_teach(library: Path, encoder: EncoderId) -> list[str]:
    """The commands that teach adapters again of which no version knows the encoder's pictures.

    Args:
        library: Whose adapters.
        encoder: What the library searches with.
    """
    by_name: dict[str, list[AdapterInfo]] = {}
    for info in list_adapters(library):
        if "picture" in info.encoders:
            by_name.setdefault(info.name, []).append(info)
    return [
        teach_command(read_manifest(library / FOLDER / versions[-1].key), name, library=library)
        for name, versions in by_name.items()
        if all(info.encoders["picture"][1] != encoder.hash for info in versions)
    ]


def _read(folder: Path, name: str, version: int) -> AdapterInfo | None:
    try:
        return _info(read_manifest(folder), name, version)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s is no adapter: %s", folder, error)
        return None


def _info(manifest: dict[str, Any], name: str, version: int) -> AdapterInfo:
    one = manifest.get("encoder")
    encoders = manifest["encoders"] if one is None else {"picture": one}
    return AdapterInfo(
        name=name,
        version=version,
        group=str(manifest["group"]),
        classes=tuple(map(str, manifest["classes"])),
        is_exclusive=bool(manifest["is_exclusive"]),
        method=str(manifest.get("adapter") or manifest["fusion"]),
        encoders={key: (str(x["name"]), str(x["hash"])) for key, x in encoders.items()},
        error_rate=float(manifest["error_rate"]),
        figures={str(key): float(value) for key, value in manifest["figures"].items()},
    )
