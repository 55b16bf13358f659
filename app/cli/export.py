"""`sceneprint export`: an encoder as a folder that runs without torch, measured first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import JsonOption, LibraryOption

if TYPE_CHECKING:
    from eval.export_material import Material
    from eval.export_run import Exported
    from retrieval.encoders.builtin import BuiltinEncoder

__all__ = ["export"]

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Runtime = Literal["onnxruntime", "openvino", "tensorrt"]
DYNAMIC = "dynamic"
FOLDERS = ("builtin", "onnx")
"""Families whose encoders are folders already."""


def export(
    encoder: Annotated[
        str, typer.Argument(metavar="NAME", help="Encoder: open_clip:…, transformers:… or onnx:….")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Encoder folder to write.")
    ],
    runtime: Annotated[
        Runtime | None,
        typer.Option("--runtime", help="What will run it.", show_default="onnxruntime"),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option("--precision", help="What it computes in.", show_default="fp32"),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            metavar="N",
            help="Pictures at once: a number, or dynamic.",
            show_default=DYNAMIC,
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR", help="Pictures to measure on: folder or .tar."),
    ] = None,
    library: LibraryOption = None,
    with_index: Annotated[
        bool,
        typer.Option("--with-index", help="Add the library's vectors, shot times and labels."),
    ] = False,
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
    of --library, or --pictures. An encoder folder (onnx:FOLDER, builtin) is copied as it is with
    --with-index, or converted once more. It needs the extras `clip` and `export`; what it writes
    needs neither.

    Example: sceneprint export open_clip:ViT-B-32/laion2b_s34b_b79k --out fast --precision int8
    """
    from adapters.encoder_folder import check_replaceable
    from app.cli.output import log_to_stderr
    from app.settings import load_settings
    from eval.export_gate import Floors
    from eval.export_run import copy_encoder, export_encoder
    from retrieval.encoders import load_encoder
    from retrieval.encoders.convert import check_convertible
    from retrieval.encoders.manifest import Execution
    from retrieval.errors import InvalidInputError

    log_to_stderr()
    home = library or load_settings().library
    if pictures is not None and library is not None and not with_index:
        raise InvalidInputError("got --pictures and --library without --with-index, expected one")
    index = home if with_index else None
    with _exporting():
        if index is not None and (runtime, precision, batch) == (None, None, None):
            folder = _folder_encoder(encoder)
            if folder is not None:
                return _show(copy_encoder(folder, out, index=index), as_json)
        execution = Execution(
            runtime=runtime or "onnxruntime",
            precision=precision or "fp32",
            batch=_batch_of(batch or DYNAMIC),
        )
        check_replaceable(out)
        check_convertible(execution.runtime, execution.precision)
        material = _material(pictures, home, calibrates=precision == "int8")
        _report("load", 0, 1)
        exported = export_encoder(
            load_encoder(encoder),
            out,
            execution,
            material,
            floors=Floors(cosine=floor, recall=recall_floor),
            force=force,
            report=_report,
            index=index,
        )
    _show(exported, as_json)


@contextmanager
def _exporting() -> Iterator[None]:
    """Say what an export lacks: an extra, or a place to write to."""
    from retrieval.errors import InvalidInputError, MissingDependencyError

    try:
        yield
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            f"exporting needs {exc.name}; run: pip install 'sceneprint[clip,export]'"
        ) from exc
    except (OSError, ValueError) as exc:
        raise InvalidInputError(f"cannot export: {exc}") from exc


def _folder_encoder(name: str) -> "BuiltinEncoder | None":
    """The encoder where it is a folder; None for one that torch runs."""
    from retrieval.encoders import load_encoder
    from retrieval.encoders.builtin import BuiltinEncoder

    if name.partition(":")[0] not in FOLDERS:
        return None
    encoder = load_encoder(name)
    assert isinstance(encoder, BuiltinEncoder)
    return encoder


def _batch_of(text: str) -> int | None:
    from retrieval.errors import InvalidInputError

    if text == DYNAMIC:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise InvalidInputError(f"got --batch {text!r}, expected 1 to 1024, or {DYNAMIC}")
    return int(text)


def _material(pictures: Path | None, library: Path, *, calibrates: bool) -> "Material":
    from eval.export_material import folder_material, library_material

    if pictures is None:
        return library_material(library, calibrates=calibrates)
    return folder_material(pictures, calibrates=calibrates)


def _report(stage: str, done: int, total: int) -> None:
    from app.cli.develop import show_training

    show_training(stage, done, total, {})


def _show(exported: "Exported", as_json: bool) -> None:
    from app.cli.output import note, print_json

    if exported.lacking:
        note(f"warning: kept by --force: {'; '.join(exported.lacking)}")
    if as_json:
        return print_json(
            {
                "folder": str(exported.folder),
                "name": exported.name,
                "figures": exported.figures,
                "forced": bool(exported.lacking),
                "index": None if exported.bundled is None else asdict(exported.bundled),
            }
        )
    if exported.table is not None:
        print(exported.table.text())
    if exported.bundled is not None:
        bundled = exported.bundled
        print(
            f"with {bundled.num_shots} shots and {bundled.num_labels} labels on them, "
            f"{bundled.num_bytes / 1e6:.1f} MB"
        )
    print(f"written to {exported.folder}; use it as --encoder onnx:{exported.folder}")
