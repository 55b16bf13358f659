"""`sceneprint export`: an encoder as a folder that runs without torch, measured first."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import JsonOption, LibraryOption

if TYPE_CHECKING:
    from eval.export_material import Material
    from eval.export_run import Exported

__all__ = ["export"]

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Runtime = Literal["onnxruntime", "openvino", "tensorrt"]
DYNAMIC = "dynamic"


def export(
    encoder: Annotated[
        str, typer.Argument(metavar="NAME", help="Encoder that torch runs, as open_clip:….")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Encoder folder to write.")
    ],
    runtime: Annotated[
        Runtime, typer.Option("--runtime", help="What will run it.")
    ] = "onnxruntime",
    precision: Annotated[
        Precision, typer.Option("--precision", help="What it computes in.")
    ] = "fp32",
    batch: Annotated[
        str,
        typer.Option("--batch", metavar="N", help="Pictures at once: a number, or dynamic."),
    ] = DYNAMIC,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR", help="Pictures to measure on: folder or .tar."),
    ] = None,
    library: LibraryOption = None,
    floor: Annotated[
        float, typer.Option("--floor", min=0, max=1, help="Least mean cosine to the original.")
    ] = 0.99,
    recall_floor: Annotated[
        float,
        typer.Option("--recall-floor", min=0, max=1, help="Least recall@10 of its answers."),
    ] = 0.9,
    force: Annotated[bool, typer.Option("--force", help="Write below the floors too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an encoder as a folder that runs without torch.

    Pictures of yours calibrate 8 bits and measure the result against the original: the keyframes
    of --library, or --pictures. It needs the extras `clip` and `train`; the folder needs neither.

    Example: sceneprint export open_clip:ViT-B-32/laion2b_s34b_b79k --out fast --precision int8
    """
    from app.cli.output import log_to_stderr
    from retrieval.errors import MissingDependencyError

    log_to_stderr()
    try:
        exported = _export(
            encoder,
            out,
            runtime=runtime,
            precision=precision,
            batch=_batch_of(batch),
            material=_material(pictures, library, calibrates=precision == "int8"),
            floors=(floor, recall_floor),
            force=force,
        )
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            f"exporting needs {exc.name}; run: pip install 'sceneprint[clip,train]'"
        ) from exc
    _show(exported, as_json)


def _export(
    name: str,
    out: Path,
    *,
    runtime: Runtime,
    precision: Precision,
    batch: int | None,
    material: "Material",
    floors: tuple[float, float],
    force: bool,
) -> "Exported":
    from eval.export_gate import Floors
    from eval.export_run import export_encoder
    from retrieval.encoders import load_encoder
    from retrieval.encoders.manifest import Execution

    _report("load", 0, 1)
    return export_encoder(
        load_encoder(name),
        out,
        Execution(runtime=runtime, precision=precision, batch=batch),
        material,
        floors=Floors(cosine=floors[0], recall=floors[1]),
        force=force,
        report=_report,
    )


def _batch_of(text: str) -> int | None:
    from retrieval.errors import InvalidInputError

    if text == DYNAMIC:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise InvalidInputError(f"got --batch {text!r}, expected 1 to 1024, or {DYNAMIC}")
    return int(text)


def _material(pictures: Path | None, library: Path | None, *, calibrates: bool) -> "Material":
    from app.settings import load_settings
    from eval.export_material import folder_material, library_material
    from retrieval.errors import InvalidInputError

    if pictures is None:
        return library_material(library or load_settings().library, calibrates=calibrates)
    if library is not None:
        raise InvalidInputError("got --pictures and --library, expected one of them")
    return folder_material(pictures, calibrates=calibrates)


def _report(stage: str, done: int, total: int) -> None:
    from app.cli.develop import show_training

    show_training(stage, done, total, {})


def _show(exported: "Exported", as_json: bool) -> None:
    from app.cli.output import note, print_json

    if exported.lacking:
        note(f"warning: kept by --force: {'; '.join(exported.lacking)}")
    if as_json:
        print_json(
            {
                "folder": str(exported.folder),
                "name": exported.name,
                "figures": exported.figures,
                "forced": bool(exported.lacking),
            }
        )
        return
    print(exported.table.text())
    print(f"written to {exported.folder}; use it as --encoder onnx:{exported.folder}")
