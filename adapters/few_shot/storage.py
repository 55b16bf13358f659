"""A trained classifier of one modality, in and out of its folder (format version 1).

`adapters.few_shot.folders` says what lies in it. `adapter.onnx` is for other programs; this one
answers with numpy, which is done before a session starts, and reads folders that have no such file.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from adapters.few_shot.base import FloatArray
from adapters.few_shot.classifier import FewShotClassifier
from adapters.few_shot.folders import (
    AdapterDamagedError,
    EncoderChangedError,
    find_version,
    list_versions,
    read_arrays,
    read_manifest,
    write_version,
)
from adapters.few_shot.onnx_graph import classifier_onnx
from adapters.few_shot.registry import adapter_class

__all__ = [
    "AdapterDamagedError",
    "EncoderChangedError",
    "list_versions",
    "load_classifier",
    "save_classifier",
]

VERSION = 1


def save_classifier(classifier: FewShotClassifier, root: Path, name: str) -> Path:
    """Write a new version and return its folder, `root/name/number`; raises as `write_version`."""
    arrays = {f"adapter.{key}": value for key, value in classifier.adapter.arrays.items()}
    arrays["examples"] = np.ascontiguousarray(classifier.examples)
    content = classifier_onnx(classifier)
    return write_version(
        root, name, _manifest(classifier), arrays, version=VERSION, onnx_file=content
    )


def load_classifier(
    root: Path, name: str, *, encoder_hash: str, version: int | None = None
) -> FewShotClassifier:
    """Read a version.

    Args:
        root: folder of adapters.
        name: of the adapter.
        encoder_hash: of the encoder whose embeddings it will get.
        version: which one; None for the newest.

    Raises:
        FileNotFoundError: there is no such adapter or version; says which there are.
        EncoderChangedError: it learned from another encoder.
        AdapterDamagedError: the folder is damaged, or of a format version that is not this one.
        ValueError: the name cannot be one.
    """
    folder = find_version(root, name, version)
    manifest = read_manifest(folder)
    if manifest["version"] != VERSION:
        raise AdapterDamagedError(f"{folder} is an adapter of several modalities, expected of one")
    arrays = read_arrays(folder, manifest)
    try:
        stored_hash = str(manifest["encoder"]["hash"])
        if stored_hash != encoder_hash:
            raise EncoderChangedError(
                f"adapter {name}/{folder.name} learned from embeddings of encoder "
                f"{manifest['encoder']['name']} ({stored_hash[:12]}), got those of "
                f"{encoder_hash[:12]}; train it again",
                manifest=manifest,
            )
        return _classifier(manifest, arrays)
    except EncoderChangedError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise AdapterDamagedError(f"the parts of {folder} do not fit: {error}") from error


def _manifest(classifier: FewShotClassifier) -> dict[str, Any]:
    return {
        "adapter": classifier.adapter.name,
        "group": classifier.group,
        "classes": list(classifier.classes),
        "is_exclusive": classifier.is_exclusive,
        "encoder": {
            "name": classifier.encoder_name,
            "hash": classifier.encoder_hash,
            "dim": classifier.adapter.dim,
        },
        "temperature": classifier.temperature,
        "error_rate": classifier.error_rate,
        "balance": classifier.balance,
        # JSON has no infinity: null says that the shots were too few to vouch for the rate
        "threshold": None if math.isinf(classifier.threshold) else classifier.threshold,
        "figures": classifier.figures,
        "fingerprint": classifier.fingerprint,
        "examples": list(classifier.example_ids),
    }


def _classifier(manifest: dict[str, Any], arrays: dict[str, FloatArray]) -> FewShotClassifier:
    examples = arrays.pop("examples")
    kind = adapter_class(manifest["adapter"])
    threshold = manifest["threshold"]
    return FewShotClassifier(
        adapter=kind({key.removeprefix("adapter."): value for key, value in arrays.items()}),
        group=str(manifest["group"]),
        classes=tuple(map(str, manifest["classes"])),
        is_exclusive=bool(manifest["is_exclusive"]),
        encoder_name=str(manifest["encoder"]["name"]),
        encoder_hash=str(manifest["encoder"]["hash"]),
        temperature=float(manifest["temperature"]),
        error_rate=float(manifest["error_rate"]),
        threshold=math.inf if threshold is None else float(threshold),
        examples=np.asarray(examples, np.float32),
        example_ids=tuple(map(str, manifest["examples"])),
        figures={str(key): float(value) for key, value in manifest["figures"].items()},
        fingerprint=str(manifest["fingerprint"]),
        balance=manifest.get("balance", "weights"),
    )
