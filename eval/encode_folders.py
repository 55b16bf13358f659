"""What the rows of `sceneprint bench encode` run: the encoder itself, or a folder exported for it.

Networks leave torch once and are then converted for each runtime and precision, as
`sceneprint export` does.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.precision.cpu import multiplies_bfloat16
from eval.encode_child import PEER
from eval.encode_rows import TORCH, Row
from eval.export_material import ODD_TEXTS, Material, folder_material
from eval.queries import query_texts
from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.export import torch_networks, write_export
from retrieval.encoders.export_parts import ExportParts, Networks, TorchParts, parts_of
from retrieval.encoders.manifest import Execution
from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = ["Folders", "made_material", "material_of", "random_checkpoint"]

PICTURE = (360, 640)
"""Height and width at which ingest hands pictures over."""
NUM_MEASURED, NUM_CALIBRATED = 16, 48


@dataclass(kw_only=True)
class Folders:
    """Gives each row the name of what it runs, and makes that on first use.

    Attributes:
        encoder: loaded, on the CPU.
        name: that it was loaded by.
        work: folder to write to.
        material: pictures and texts for ranges of 8 bits.
    """

    encoder: PictureTextEncoder
    name: str
    work: Path
    material: Material
    _made: dict[Execution, Path] = field(default_factory=dict)

    def source(self, row: Row) -> tuple[str, str]:
        """Encoder name and runtime for `load_encoder`.

        Raises:
            InvalidInputError: the encoder cannot be run this way.
            MissingDependencyError: what converts it is not installed.
        """
        if row.runtime == TORCH:
            _check_bfloat16(row)
            return self._torch_name(row), "auto"
        if self._parts is None:
            return self._as_it_is(row)
        execution = Execution(runtime=row.runtime, precision=row.precision)
        if execution not in self._made:
            self._made[execution] = self._write(execution, self._parts)
        return f"onnx:{self._made[execution]}", "auto"

    @cached_property
    def _parts(self) -> ExportParts | None:
        """None for a folder that is run as it is."""
        if not isinstance(self.encoder, BuiltinEncoder):
            return parts_of(self.encoder)
        return None if self.encoder.manifest.execution is None else parts_of(self.encoder)

    def _torch_name(self, row: Row) -> str:
        if not isinstance(self.encoder, BuiltinEncoder):
            return self.name
        if self.encoder.manifest.execution is None and row == Row(runtime=TORCH):
            return PEER
        raise InvalidInputError("this folder is not run by torch")

    def _as_it_is(self, row: Row) -> tuple[str, str]:
        if row.precision != "fp32" or (row.needs_gpu and row.runtime == "tensorrt"):
            is_int8 = row.precision == "int8" and not row.needs_gpu
            how = "made by: sceneprint compress int8" if is_int8 else "not made of this folder"
            raise InvalidInputError(how)
        return self.name, row.runtime

    @cached_property
    def _networks(self) -> Networks:
        parts = self._parts
        assert parts is not None
        if not isinstance(parts, TorchParts):
            assert parts.networks is not None
            return parts.networks
        folder = self.work / "networks"
        folder.mkdir()
        texts = [*ODD_TEXTS, *self.material.texts]
        return torch_networks(parts, folder, texts=texts, batch=None, report=_silent)

    def _write(self, execution: Execution, parts: ExportParts) -> Path:
        folder = self.work / f"{execution.runtime}-{execution.precision}"
        folder.mkdir()
        write_export(
            parts,
            self._networks,
            folder,
            execution,
            pictures=self.material.calibration_pictures,
            texts=self.material.calibration_texts,
            report=_silent,
        )
        return folder


def _check_bfloat16(row: Row) -> None:
    if row.precision == "bf16" and not row.needs_gpu and not multiplies_bfloat16():
        raise InvalidInputError("no bfloat16 on this CPU: torch would emulate it")


def material_of(pictures: Path | None) -> Material:
    """Pictures of a folder, or made ones."""
    if pictures is None:
        return made_material()
    found = folder_material(pictures, calibrates=True)
    return Material(
        pictures=found.pictures[:NUM_MEASURED],
        texts=found.texts,
        calibration_pictures=found.calibration_pictures[:NUM_CALIBRATED],
        calibration_texts=found.calibration_texts,
    )


def made_material() -> Material:
    """Soft coloured shapes with grain; no two are alike, and none is a photo."""
    rng = np.random.default_rng(0)
    pictures = [_made_picture(rng) for _ in range(NUM_MEASURED + NUM_CALIBRATED)]
    queries = query_texts("en")
    texts = [next(queries) for _ in range(64)]
    return Material(
        pictures=pictures[:NUM_MEASURED],
        texts=texts[::2],
        calibration_pictures=pictures[NUM_MEASURED:],
        calibration_texts=texts[1::2],
    )


def random_checkpoint(name: str, folder: Path) -> str:
    """Write a checkpoint of random weights for `open_clip:ARCHITECTURE[/TAG]`; its name.

    Raises:
        InvalidInputError: another family, or an architecture that open_clip does not have.
        MissingDependencyError: the extra `clip` is not installed.
    """
    family, _, rest = name.partition(":")
    architecture = rest.partition("/")[0]
    if family != "open_clip" or not architecture:
        raise InvalidInputError(
            f"got --random with encoder {name!r}, expected open_clip:ARCHITECTURE"
        )
    try:
        from retrieval.encoders.torchvision_cure import import_torchvision

        import_torchvision()
        import open_clip
        import torch
    except ImportError as exc:
        raise MissingDependencyError(
            f"random weights need torch and open_clip ({exc}); run: pip install 'sceneprint[clip]'"
        ) from exc
    if architecture not in open_clip.list_models():
        raise InvalidInputError(f"open_clip has no architecture {architecture!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model(architecture)
    path = folder / "random.pt"
    torch.save(model.state_dict(), path)
    return f"open_clip:{architecture}/{path}"


def _made_picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = PICTURE
    coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    grain = rng.integers(-12, 13, smooth.shape, dtype=np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def _silent(stage: str, done: int, total: int) -> None:
    """Reports of a step are too fine for a benchmark."""
