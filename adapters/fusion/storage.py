"""A trained classifier of several modalities, in and out of its folder (format version 2).

`adapters.few_shot.folders` says what lies in it. Beside what version 1 holds there are an encoder,
the shots and their mask for each modality, and a temperature and threshold for each set of them.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adapters.few_shot.base import FloatArray
from adapters.few_shot.folders import (
    AdapterDamagedError,
    EncoderChangedError,
    find_version,
    read_arrays,
    read_manifest,
    write_version,
)
from adapters.fusion.base import ModalityRows
from adapters.fusion.classifier import Doubt, FusedClassifier
from adapters.fusion.onnx_graph import fused_onnx
from adapters.fusion.registry import fusion_class

__all__ = ["is_fused", "load_fused_classifier", "save_fused_classifier"]

VERSION = 2


def is_fused(root: Path, name: str, *, version: int | None = None) -> bool:
    """Whether a version is of several modalities; raises as `find_version`, `read_manifest`."""
    return bool(read_manifest(find_version(root, name, version))["version"] == VERSION)


def save_fused_classifier(classifier: FusedClassifier, root: Path, name: str) -> Path:
    """Write a new version and return its folder, `root/name/number`; raises as `write_version`."""
    arrays = {f"adapter.{key}": value for key, value in classifier.adapter.arrays.items()}
    for modality, one in classifier.examples.items():
        arrays[f"examples.{modality}"] = one.embeddings
        arrays[f"has.{modality}"] = one.is_present.astype(np.float32)
    content = fused_onnx(classifier)
    return write_version(
        root, name, _manifest(classifier), arrays, version=VERSION, onnx_file=content
    )


def load_fused_classifier(
    root: Path, name: str, *, encoder_hashes: Mapping[str, str], version: int | None = None
) -> FusedClassifier:
    """Read a version.

    Args:
        root: folder of adapters.
        name: of the adapter.
        encoder_hashes: by modality, of the encoders whose embeddings it will get; a modality that
            is not there will be missing in all rows.
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
        raise AdapterDamagedError(f"{folder} is an adapter of one modality, expected of several")
    arrays = read_arrays(folder, manifest)
    try:
        _check_encoders(f"{name}/{folder.name}", manifest, encoder_hashes)
        return _classifier(manifest, arrays)
    except EncoderChangedError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AdapterDamagedError(f"the parts of {folder} do not fit: {error}") from error


def _check_encoders(name: str, manifest: dict[str, Any], hashes: Mapping[str, str]) -> None:
    for modality, encoder in manifest["encoders"].items():
        stored = str(encoder["hash"])
        if hashes.get(modality, stored) != stored:
            raise EncoderChangedError(
                f"adapter {name} learned {modality} from embeddings of encoder {encoder['name']} "
                f"({stored[:12]}), got those of {hashes[modality][:12]}; train it again",
                manifest=manifest,
            )


def _manifest(classifier: FusedClassifier) -> dict[str, Any]:
    return {
        "fusion": classifier.adapter.name,
        "group": classifier.group,
        "classes": list(classifier.classes),
        "is_exclusive": classifier.is_exclusive,
        "encoders": {
            modality: {
                "name": classifier.encoders[modality][0],
                "hash": classifier.encoders[modality][1],
                "dim": classifier.adapter.dims[modality],
            }
            for modality in classifier.modalities
        },
        "error_rate": classifier.error_rate,
        "few_shot": classifier.few_shot,
        "doubts": [
            {
                "modalities": list(kept),
                "temperature": doubt.temperature,
                # JSON has no infinity: null says that the shots were too few to vouch for the rate
                "threshold": None if math.isinf(doubt.threshold) else doubt.threshold,
            }
            for kept, doubt in classifier.doubts.items()
        ],
        "figures": classifier.figures,
        "fingerprint": classifier.fingerprint,
        "examples": list(classifier.example_ids),
    }


def _classifier(manifest: dict[str, Any], arrays: dict[str, FloatArray]) -> FusedClassifier:
    modalities = tuple(map(str, manifest["encoders"]))
    examples = {
        one: ModalityRows(arrays.pop(f"examples.{one}"), arrays.pop(f"has.{one}") > 0)
        for one in modalities
    }
    adapter = fusion_class(manifest["fusion"])(
        {key.removeprefix("adapter."): value for key, value in arrays.items()}, modalities
    )
    return FusedClassifier(
        adapter=adapter,
        group=str(manifest["group"]),
        classes=tuple(map(str, manifest["classes"])),
        is_exclusive=bool(manifest["is_exclusive"]),
        encoders={
            key: (str(one["name"]), str(one["hash"])) for key, one in manifest["encoders"].items()
        },
        error_rate=float(manifest["error_rate"]),
        doubts={tuple(map(str, one["modalities"])): _doubt(one) for one in manifest["doubts"]},
        examples=examples,
        example_ids=tuple(map(str, manifest["examples"])),
        figures={str(key): float(value) for key, value in manifest["figures"].items()},
        fingerprint=str(manifest["fingerprint"]),
        few_shot=manifest.get("few_shot"),
    )


def _doubt(stored: dict[str, Any]) -> Doubt:
    threshold = stored["threshold"]
    return Doubt(float(stored["temperature"]), math.inf if threshold is None else float(threshold))
