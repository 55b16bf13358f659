"""Writes an encoder as a folder that ONNX Runtime alone runs.

`torch_networks` writes the two networks in float32, `write_export` converts them for a runtime and
adds tokenizer, manifest and checksums; `copy_folder` takes a folder over as it is. Whether the
result is good enough is measured elsewhere (`eval.export_gate`); here only the tokens must be the
original's, one by one.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.encoder_folder import MANIFEST, sha256_of, write_json
from retrieval.encoders.convert import convert
from retrieval.encoders.export_parts import (
    IMAGE,
    TEXT,
    TOKENIZER,
    ExportParts,
    Networks,
    TorchParts,
)
from retrieval.encoders.manifest import FORMAT, Execution, ImageTower, Manifest, TextTower
from retrieval.encoders.preprocess import pictures_to_batch
from retrieval.errors import InvalidInputError

__all__ = ["copy_folder", "export_name", "note_figures", "torch_networks", "write_export"]

VERSION = 2
CARD = "MODEL_CARD.md"
CALIBRATION_BATCH = 16
"""Pictures in a batch of calibration where the network takes any number."""

Report = Callable[[str, int, int], None]
"""(what is being done, steps done, steps in all)."""


def torch_networks(
    parts: TorchParts, folder: Path, *, texts: Sequence[str], batch: int | None, report: Report
) -> Networks:
    """Write the networks of an encoder as torch has them.

    Args:
        parts: from `parts_of`.
        folder: to write to.
        texts: samples in several languages and lengths, to try tokenizer and padding with.
        batch: pictures that the picture network always takes at once; None for any number.
        report: told what is done.

    Raises:
        InvalidInputError: the tokenizer gives other tokens than the original, or a network has a
            step that ONNX cannot say.
    """
    from retrieval.encoders.export_graph import is_padding_ignored, write_graph

    ids, lengths = _checked_tokens(parts, texts)
    tower = parts.text_tower
    report("write networks", 0, 2)
    if is_padding_ignored(parts.text, tower.inputs, ids, lengths):
        tower = replace(tower, padding="batch")
    pictures = np.zeros((batch or 2, 3, *parts.image_tower.size), dtype=np.float32)
    mask = (np.arange(ids.shape[1])[None] < np.asarray(lengths)[:, None]).astype(np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask}
    axes = {0: "batch", 1: "length"} if tower.padding == "batch" else {0: "batch"}
    try:
        write_graph(
            parts.image,
            {"image": pictures},
            folder / IMAGE,
            free={} if batch else {"image": {0: "batch"}},
        )
        report("write networks", 1, 2)
        write_graph(
            parts.text,
            {name: feeds[name][:2] for name in tower.inputs},
            folder / TEXT,
            free=dict.fromkeys(tower.inputs, axes),
        )
    except ValueError as exc:
        raise InvalidInputError(f"{parts.encoder.name} cannot be exported: {exc}") from exc
    report("write networks", 2, 2)
    return Networks(
        image=folder / IMAGE,
        text=folder / TEXT,
        image_tower=parts.image_tower,
        text_tower=tower,
    )


def write_export(
    parts: ExportParts,
    networks: Networks,
    folder: Path,
    execution: Execution,
    *,
    pictures: Sequence[NDArray[np.uint8]],
    texts: Sequence[str],
    report: Report,
) -> None:
    """Convert the networks and write the folder around them.

    Args:
        parts: from `parts_of`.
        networks: from `torch_networks`, or those of the parts.
        folder: to write to; empty.
        execution: runtime, precision and static batch.
        pictures: of the user, (H, W, 3) uint8 RGB each; 8-bit ranges are taken from them.
        texts: likewise.
        report: told what is done.

    Raises:
        InvalidInputError: the runtime has no such precision, or too few pictures.
        MissingDependencyError: what converts is not installed.
    """
    batches: dict[str, list[Mapping[str, NDArray[Any]]]] = {"image": [], "text": []}
    if execution.precision == "int8":
        batches["image"] = _picture_feeds(pictures, networks.image_tower, execution.batch)
        batches["text"] = _text_feeds(parts, networks.text_tower, texts)
    written: dict[str, tuple[str, ...]] = {}
    for done, (stem, network) in enumerate((("image", networks.image), ("text", networks.text))):
        report(f"convert {stem}", done, 2)
        written[stem] = convert(
            network,
            folder,
            stem,
            kind="image" if stem == "image" else "text",
            precision=execution.precision,
            runtime=execution.runtime,
            batches=batches[stem],
            batch=execution.batch if stem == "image" else None,
            length=networks.text_tower.max_length,
        )
    _tokenizer_of(parts, networks.text_tower).save(str(folder / TOKENIZER))
    image_tower = replace(networks.image_tower, file=written["image"][0])
    text_tower = replace(networks.text_tower, file=written["text"][0])
    files = {TOKENIZER, *written["image"], *written["text"]}
    manifest = _manifest(parts, image_tower, text_tower, execution)
    write_json(folder / MANIFEST, {**manifest, "sha256": sha256_of(folder, files)})


def copy_folder(manifest: Manifest, folder: Path) -> None:
    """Take an encoder folder over as it is, after its files were compared with their hashes.

    Raises:
        MissingDependencyError: a file is damaged.
    """
    copies = {} if manifest.copies is None else manifest.copies.sha256
    for file in [*manifest.sha256, *copies]:
        shutil.copyfile(manifest.checked_path(file), folder / file)
    for file in (MANIFEST, CARD):
        if (manifest.folder / file).is_file():
            shutil.copyfile(manifest.folder / file, folder / file)


def export_name(source: str, execution: Execution) -> str:
    """What an export is called: after what it was made from, and how."""
    return f"{source}+{execution.runtime}-{execution.precision}"


def note_figures(folder: Path, figures: Mapping[str, float], *, forced: bool) -> None:
    """Note in the manifest what was measured; the encoder's hash stays."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["figures"] = {**figures, "forced": forced}
    write_json(folder / MANIFEST, manifest)


def _checked_tokens(parts: TorchParts, texts: Sequence[str]) -> tuple[NDArray[np.int64], list[int]]:
    """Tokens (N, L) of sample texts, filled up, and their numbers without padding.

    Raises:
        InvalidInputError: the file's tokens are not the original's.
    """
    tower = parts.text_tower
    tokenizer = _tokenizer_of(parts, replace(tower, padding="full"))
    expected = parts.tokenize(texts)
    encoded = tokenizer.encode_batch(list(texts))
    for text, right, found in zip(texts, expected, encoded, strict=True):
        if found.ids != right.tolist():
            raise InvalidInputError(
                f"{parts.encoder.name} cannot be exported: the file of its tokenizer gives other "
                f"tokens for {text[:40]!r} than the original: {found.ids[:12]} instead of "
                f"{right.tolist()[:12]}"
            )
    return expected, [sum(found.attention_mask) for found in encoded]


def _tokenizer_of(parts: ExportParts, tower: TextTower) -> Any:
    """The tokenizer as the folder holds it: it cuts, and fills up as the tower says."""
    tokenizer = parts.tokenizer
    tokenizer.enable_truncation(tower.max_length)
    length = tower.max_length if tower.padding == "full" else None
    tokenizer.enable_padding(pad_id=tower.pad_id, length=length)
    return tokenizer


def _picture_feeds(
    pictures: Sequence[NDArray[np.uint8]], tower: ImageTower, batch: int | None
) -> list[Mapping[str, NDArray[Any]]]:
    """Pictures as the network reads them; a rest that does not fill a static batch is left out."""
    size = batch or CALIBRATION_BATCH
    starts = range(0, len(pictures) - (size - 1 if batch else 0), size)
    return [
        {tower.input_name: pictures_to_batch(pictures[start : start + size], tower)}
        for start in starts
    ]


def _text_feeds(
    parts: ExportParts, tower: TextTower, texts: Sequence[str]
) -> list[Mapping[str, NDArray[Any]]]:
    """Each text alone, as it will be asked for."""
    tokenizer = _tokenizer_of(parts, tower)
    feeds: list[Mapping[str, NDArray[Any]]] = []
    for text in texts:
        found = tokenizer.encode(text)
        whole = {"input_ids": found.ids, "attention_mask": found.attention_mask}
        feeds.append({name: np.array([whole[name]], dtype=np.int64) for name in tower.inputs})
    return feeds


def _manifest(
    parts: ExportParts, image: ImageTower, text: TextTower, execution: Execution
) -> dict[str, Any]:
    encoder, source = parts.encoder, parts.source
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": export_name(source.name, execution),
        "dim": encoder.dim,
        "temperature": encoder.temperature,
        "bias": parts.bias,
        "execution": asdict(execution),
        "image": asdict(image),
        "texts": [asdict(text)],
        "source": {"name": source.name, "hash": source.hash, "licence": parts.licence},
        "exported_by": f"sceneprint {version('sceneprint')}",
    }
