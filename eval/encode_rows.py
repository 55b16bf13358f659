"""The rows of `sceneprint bench encode`: each runtime in each precision, on each device."""

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.encoders.convert import PRECISIONS
from retrieval.encoders.manifest import Precision
from retrieval.encoders.runtime import Device
from retrieval.errors import InvalidInputError

__all__ = ["ALL", "RUNTIMES", "TORCH", "Row", "chosen_runtimes", "plan"]

TORCH, ALL = "torch", "all"
RUNTIMES = (TORCH, *PRECISIONS)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to run an encoder."""

    runtime: str
    precision: Precision = "fp32"
    device: Device = "cpu"
    compiles: bool = False
    """Whether torch.compile turns the network into a program first."""

    @property
    def needs_gpu(self) -> bool:
        """Whether it says "no GPU" where there is none."""
        return self.device in ("cuda", "tensorrt")

    @property
    def name(self) -> str:
        """What the table calls it."""
        how = "compiled" if self.compiles else "eager"
        words = [self.runtime, *([how] if self.runtime == TORCH else []), self.precision]
        return " ".join([*words, *(["GPU"] if self.needs_gpu else [])])


REFERENCE = Row(runtime=TORCH)


def chosen_runtimes(given: str) -> tuple[str, ...]:
    """Read `--runtimes`: names by commas, or `all`.

    Raises:
        InvalidInputError: a name that is not known.
    """
    names = tuple(part.strip() for part in given.split(",") if part.strip())
    if names == (ALL,):
        return RUNTIMES
    unknown = sorted(set(names) - set(RUNTIMES))
    if unknown or not names:
        raise InvalidInputError(
            f"got --runtimes {given!r}, expected {ALL} or some of {', '.join(RUNTIMES)} by commas"
        )
    return names


def plan(runtimes: Sequence[str], *, compiles: bool) -> list[Row]:
    """All rows of some runtimes; torch in float32 is the first of any, to compare with."""
    rows = [REFERENCE]
    if TORCH in runtimes:
        rows += [Row(runtime=TORCH, precision="bf16")]
        rows += [Row(runtime=TORCH, compiles=True)] if compiles else []
        rows += [Row(runtime=TORCH, precision=one, device="cuda") for one in _ON_GPU]
    if "onnxruntime" in runtimes:
        rows += _of("onnxruntime")
        rows += [Row(runtime="onnxruntime", device="cuda")]
    if "openvino" in runtimes:
        rows += _of("openvino")
    if "tensorrt" in runtimes:
        rows += _of("tensorrt", device="tensorrt")
    return rows


_ON_GPU: tuple[Precision, ...] = ("fp32", "bf16")


def _of(runtime: str, *, device: Device = "cpu") -> list[Row]:
    return [Row(runtime=runtime, precision=one, device=device) for one in PRECISIONS[runtime]]
