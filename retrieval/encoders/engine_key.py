"""What a TensorRT engine was built on, kept beside it, and whether it fits this machine.

An engine is machine code for one kind of GPU and one version of TensorRT; elsewhere it fails, or
TensorRT builds another in the middle of a request, which takes minutes. So it is compared before
it is loaded, and another machine is refused with the command that builds it again.
"""

import json
import subprocess
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = ["EngineKey", "Gpu", "check_fits", "first_gpu", "key_of", "key_path", "write_key"]

FORMAT = "sceneprint-engine"
VERSION = 1
_PACKAGES = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
_ASK = ("nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader")
_ASK_SECONDS = 20
_REBUILD = (
    "build it again on this machine: sceneprint export ENCODER --runtime tensorrt --out FOLDER"
)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU and its driver."""

    gpu: str
    compute_capability: str
    driver: str


@dataclass(frozen=True, kw_only=True)
class EngineKey(Gpu):
    """All that an engine depends on."""

    tensorrt: str


def key_of() -> EngineKey:
    """The key of this machine's first GPU.

    Raises:
        MissingDependencyError: there is no NVIDIA GPU, driver or TensorRT; says which.
    """
    found = first_gpu()
    return EngineKey(**asdict(found), tensorrt=_tensorrt_version())


def first_gpu() -> Gpu:
    """What the driver says of the first GPU.

    Raises:
        MissingDependencyError: there is none, or no driver.
    """
    try:
        asked = subprocess.run(
            _ASK, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
        gpu, capability, driver = (part.strip() for part in asked.stdout.splitlines()[0].split(","))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as exc:
        raise MissingDependencyError(
            f"runtime tensorrt needs an NVIDIA GPU and its driver: nvidia-smi finds none ({exc}); "
            "choose another --runtime, or go to a machine that has one"
        ) from exc
    return Gpu(gpu=gpu, compute_capability=capability, driver=driver)


def key_path(engine: Path) -> Path:
    """Where the key of an engine lies: `image.engine.onnx` has `image.engine.json`."""
    return engine.with_suffix(".json")


def write_key(engine: Path, key: EngineKey) -> Path:
    """Write the key beside its engine."""
    path = key_path(engine)
    document = {"format": FORMAT, "version": VERSION, **asdict(key)}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def check_fits(engine: Path, here: EngineKey) -> None:
    """Refuse an engine that was built on another kind of machine.

    Raises:
        InvalidInputError: it was, or its key cannot be read; says what differs.
    """
    built = _read(key_path(engine))
    differing = [
        f"{one.name} {getattr(built, one.name)!r}, here {getattr(here, one.name)!r}"
        for one in fields(EngineKey)
        if getattr(built, one.name) != getattr(here, one.name)
    ]
    if differing:
        raise InvalidInputError(f"engine {engine} was built for {'; '.join(differing)}; {_REBUILD}")


def _read(path: Path) -> EngineKey:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if (raw.get("format"), raw.get("version")) != (FORMAT, VERSION):
            raise ValueError(
                f"got format {raw.get('format')!r} version {raw.get('version')!r}, "
                f"expected {FORMAT!r} version {VERSION}"
            )
        return EngineKey(**{one.name: str(raw[one.name]) for one in fields(EngineKey)})
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as exc:
        raise InvalidInputError(f"{path} is not a usable engine key: {exc!r}; {_REBUILD}") from exc


def _tensorrt_version() -> str:
    for name in _PACKAGES:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    raise MissingDependencyError(
        "runtime tensorrt needs TensorRT; run: pip install 'sceneprint[tensorrt]'"
    )
