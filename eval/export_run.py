"""Exports an encoder, measures it against its original, and keeps the folder or not."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.encoder_folder import check_replaceable, replaced
from eval.export_gate import Floors, Verdict, judge_export
from eval.export_material import ODD_TEXTS, Material
from eval.table import Table
from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.export import Report, note_figures, torch_networks, write_export
from retrieval.encoders.export_parts import parts_of
from retrieval.encoders.manifest import Execution
from retrieval.encoders.onnx_folder import load as load_folder
from retrieval.encoders.runtime import Device, RuntimeOptions
from retrieval.errors import InvalidInputError

__all__ = ["Exported", "export_encoder"]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A finished export."""

    folder: Path
    name: str
    table: Table
    figures: dict[str, float]
    lacking: Sequence[str]
    """What lies below its floor and was kept all the same."""


def export_encoder(
    encoder: PictureTextEncoder,
    out: Path,
    execution: Execution,
    material: Material,
    *,
    floors: Floors,
    force: bool,
    report: Report,
) -> Exported:
    """Export an encoder that torch runs as a folder, if it still finds the same.

    Args:
        encoder: loaded, on the CPU.
        out: folder to write; an older encoder folder is replaced, at the end.
        execution: runtime, precision and static batch.
        material: pictures and texts of the user.
        floors: what is enough.
        force: whether to keep one below the floors.
        report: told what is done.

    Raises:
        InvalidInputError: it is below a floor (says of what, and by how much), it cannot be
            exported, or `out` is something else. Nothing is written.
        MissingDependencyError: what converts is not installed.
        OSError: the folder cannot be written.
    """
    try:
        check_replaceable(out)
        parts = parts_of(encoder)
        out.parent.mkdir(parents=True, exist_ok=True)
        with (
            replaced(out) as folder,
            tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as passing,
        ):
            samples = [*ODD_TEXTS, *material.texts, *material.calibration_texts]
            networks = torch_networks(
                parts, Path(passing), texts=samples, batch=execution.batch, report=report
            )
            write_export(
                parts,
                networks,
                folder,
                execution,
                pictures=material.calibration_pictures,
                texts=material.calibration_texts,
                report=report,
            )
            verdict = _judged(encoder, folder, execution, material, floors, report)
            if verdict.lacking and not force:
                raise InvalidInputError(_refusal(verdict))
            note_figures(folder, verdict.figures, forced=bool(verdict.lacking))
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc
    return Exported(
        folder=out,
        name=load_folder(str(out), runtime="auto", options=RuntimeOptions()).name,
        table=verdict.table,
        figures=verdict.figures,
        lacking=verdict.lacking,
    )


def _judged(
    encoder: PictureTextEncoder,
    folder: Path,
    execution: Execution,
    material: Material,
    floors: Floors,
    report: Report,
) -> Verdict:
    report("measure", 0, 1)
    device: Device = "tensorrt" if execution.runtime == "tensorrt" else "cpu"
    exported = load_folder(str(folder), runtime="auto", options=RuntimeOptions(device=device))
    verdict = judge_export(
        encoder, exported, pictures=material.pictures, texts=material.texts, floors=floors
    )
    report("measure", 1, 1)
    return verdict


def _refusal(verdict: Verdict) -> str:
    return (
        f"the export answers otherwise than its original, nothing is written: "
        f"{'; '.join(verdict.lacking)}; choose another --precision, more pictures, or --force\n"
        f"{verdict.table.text()}"
    )
