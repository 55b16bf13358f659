"""Exports an encoder, measures it against its original, and keeps the folder or not."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.encoder_folder import replaced
from eval.export_gate import Floors, Verdict, judge_export
from eval.export_material import ODD_TEXTS, Material
from eval.table import Table
from retrieval.bundle import Bundled, check_library, write_bundle
from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.export import (
    Report,
    copy_folder,
    export_name,
    note_figures,
    torch_networks,
    write_export,
)
from retrieval.encoders.export_folder import source_of
from retrieval.encoders.export_parts import ExportParts, Networks, TorchParts, parts_of
from retrieval.encoders.manifest import Execution
from retrieval.encoders.onnx_folder import load as load_folder
from retrieval.encoders.runtime import Device, RuntimeOptions
from retrieval.errors import InvalidInputError

__all__ = ["Exported", "copy_encoder", "export_encoder"]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A finished export."""

    folder: Path
    name: str
    table: Table | None = None
    """None for a copy, which is measured by nothing."""
    figures: dict[str, float] | None = None
    lacking: Sequence[str] = ()
    """What lies below its floor and was kept all the same."""
    bundled: Bundled | None = None


def copy_encoder(encoder: BuiltinEncoder, out: Path, *, index: Path) -> Exported:
    """Copy an encoder folder, with a library's search beside it.

    Args:
        encoder: a folder of ONNX networks.
        out: folder to write; an older encoder folder is replaced, at the end.
        index: the library.

    Raises:
        EncoderMismatchError: the library was made with another encoder.
        InvalidInputError: `out` is something else.
        MissingDependencyError: a file of the folder is damaged.
        OSError: the folder cannot be written.
    """
    try:
        with replaced(out) as folder:
            copy_folder(encoder.manifest, folder)
            bundled = write_bundle(
                index,
                folder,
                encoders=[encoder.id, source_of(encoder)],
                wanted=f"onnx:{encoder.manifest.folder}",
            )
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc
    return Exported(folder=out, name=encoder.name, bundled=bundled)


def export_encoder(
    encoder: PictureTextEncoder,
    out: Path,
    execution: Execution,
    material: Material,
    *,
    floors: Floors,
    force: bool,
    report: Report,
    index: Path | None = None,
) -> Exported:
    """Export an encoder as a folder, if it still finds the same.

    Args:
        encoder: loaded, on the CPU: one that torch runs, or a folder in float32.
        out: folder to write; an older encoder folder is replaced, at the end.
        execution: runtime, precision and static batch.
        material: pictures and texts of the user.
        floors: what is enough.
        force: whether to keep one below the floors.
        report: told what is done.
        index: a library whose search goes with it; None for the encoder alone.

    Raises:
        InvalidInputError: it is below a floor (says of what, and by how much), it cannot be
            exported, or `out` is something else. Nothing is written.
        EncoderMismatchError: `index` was made with another encoder.
        MissingDependencyError: what converts is not installed.
        OSError: the folder cannot be written.
    """
    try:
        parts = parts_of(encoder)
        if index is not None:
            made = export_name(parts.source.name, execution)
            check_library(index, encoders=[made, parts.source.name], wanted=parts.source.name)
        with replaced(out) as folder:
            _write(parts, folder, execution, material, report)
            exported, verdict = _judged(parts, folder, execution, material, floors, report)
            if verdict.lacking and not force:
                raise InvalidInputError(_refusal(verdict))
            note_figures(folder, verdict.figures, forced=bool(verdict.lacking))
            bundled = None
            if index is not None:
                ids = [exported.id, parts.source]
                bundled = write_bundle(index, folder, encoders=ids, wanted=parts.source.name)
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc
    return Exported(
        folder=out,
        name=exported.name,
        table=verdict.table,
        figures=verdict.figures,
        lacking=verdict.lacking,
        bundled=bundled,
    )


def _write(
    parts: ExportParts, folder: Path, execution: Execution, material: Material, report: Report
) -> None:
    """Write the folder; the networks of torch pass through a place of their own."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="networks-") as passing:
        write_export(
            parts,
            _networks(parts, Path(passing), execution, material, report),
            folder,
            execution,
            pictures=material.calibration_pictures,
            texts=material.calibration_texts,
            report=report,
        )


def _networks(
    parts: ExportParts, passing: Path, execution: Execution, material: Material, report: Report
) -> Networks:
    if isinstance(parts, TorchParts):
        texts = [*ODD_TEXTS, *material.texts, *material.calibration_texts]
        return torch_networks(parts, passing, texts=texts, batch=execution.batch, report=report)
    assert parts.networks is not None
    return parts.networks


def _judged(
    parts: ExportParts,
    folder: Path,
    execution: Execution,
    material: Material,
    floors: Floors,
    report: Report,
) -> tuple[PictureTextEncoder, Verdict]:
    report("measure", 0, 1)
    device: Device = "tensorrt" if execution.runtime == "tensorrt" else "cpu"
    exported = load_folder(str(folder), runtime="auto", options=RuntimeOptions(device=device))
    verdict = judge_export(
        parts.encoder, exported, pictures=material.pictures, texts=material.texts, floors=floors
    )
    report("measure", 1, 1)
    return exported, verdict


def _refusal(verdict: Verdict) -> str:
    return (
        f"the export answers otherwise than its original, nothing is written: "
        f"{'; '.join(verdict.lacking)}; choose another --precision, more pictures, or --force\n"
        f"{verdict.table.text()}"
    )
