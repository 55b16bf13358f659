"""What the families that torch runs share: device, features as arrays, hashes, first words.

torch is imported inside the functions: only who asks for such a family needs it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from retrieval.encoders.device import say_picked
from retrieval.encoders.runtime import Device
from retrieval.errors import InvalidInputError, MissingDependencyError
from retrieval.types import FloatArray

__all__ = [
    "MAX_CHARACTERS",
    "choose_torch_device",
    "describe_tokenizer",
    "features",
    "first_line",
    "hash_tensors",
    "refuse_lost_tensors",
    "unfilled_weights",
]

MAX_CHARACTERS = 1000
"""Longer captions are cut before they become tokens: no network of captions reads so far."""

_DRAWING = frozenset(
    ("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "erfinv_")
)
"""What fills a tensor with random numbers, in torch.nn.init and as methods."""

_PROBE = "A red car, two dogs & 3 cafés; 两辆自行车 🚲"
"""A text whose tokens tell apart tokenizers of the same words."""


def choose_torch_device(torch: Any, device: Device) -> str:
    """What torch calls the device; never another one than was asked for.

    Raises:
        InvalidInputError: TensorRT, which torch alone does not run.
        MissingDependencyError: `cuda` without a GPU that torch can use.
    """
    if device == "auto":
        chosen = "cuda" if torch.cuda.is_available() else "cpu"
        say_picked("torch", chosen, "it finds a GPU" if chosen == "cuda" else _no_gpu(torch))
        return chosen
    if device == "tensorrt":
        raise InvalidInputError("got device 'tensorrt' for an encoder run by torch; choose cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise MissingDependencyError(
            f"device cuda is not usable: {_no_gpu(torch)}; install a CUDA build of torch "
            "(https://pytorch.org/get-started) and NVIDIA's driver, or choose device cpu or auto"
        )
    return device


def _no_gpu(torch: Any) -> str:
    """Why torch has no GPU: its own build, or what lies around it."""
    if torch.version.cuda is None:
        return "the installed torch is a build for the CPU alone"
    return f"torch, built for CUDA {torch.version.cuda}, finds no NVIDIA GPU or no driver"


def features(network: Callable[..., Any], *inputs: Any, **named_inputs: Any) -> FloatArray:
    """Call a network without gradients.

    Returns:
        What it gives as a float32 array. Since transformers 5 the features lie in an output
        object, projected into the common space.
    """
    import torch

    with torch.inference_mode():
        rows = network(*inputs, **named_inputs)
    return np.asarray(getattr(rows, "pooler_output", rows).float().cpu().numpy())


def hash_tensors(model: Any, digest: Any) -> str:
    """Add every tensor of a network, with its name, to a hash that holds the preprocessing.

    Args:
        model: a torch module.
        digest: a hashlib object.

    Returns:
        The hexadecimal digest.
    """
    import torch

    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return str(digest.hexdigest())


def refuse_lost_tensors(report: Mapping[str, Any]) -> None:
    """Refuse weights that lack tensors of the network: transformers fills them at random.

    Args:
        report: the `output_loading_info` of `from_pretrained`.

    Raises:
        ValueError: some are missing or of another shape.
    """
    lost = sorted([*report["missing_keys"], *map(str, report["mismatched_keys"])])
    if lost:
        raise ValueError(f"its weights lack {len(lost)} tensors of the network, first {lost[0]}")


def describe_tokenizer(tokenizer: Any) -> str:
    """SHA-256 of what a tokenizer of transformers does, not of how its package writes it down.

    The vocabulary and the tokens of one odd text: a new version of the package that cuts texts as
    before leaves the hash, and with it the libraries, what they are.
    """
    vocabulary = sorted(tokenizer.get_vocab().items())
    tokens = tokenizer(_PROBE, truncation=True, max_length=64)["input_ids"]
    described = json.dumps([vocabulary, tokens])
    return hashlib.sha256(described.encode()).hexdigest()


def unfilled_weights() -> AbstractContextManager[Any]:
    """Make networks in this thread without drawing the random numbers they would start from.

    Only for weights that are read over them to the last one, as open_clip's strict loading does:
    what is drawn takes as long as all the rest of a load.
    """
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            named = kwargs or {}
            if getattr(func, "__name__", "") in _DRAWING:
                return named["tensor"] if "tensor" in named else args[0]
            return func(*args, **named)

    return Unfilled()


def first_line(exc: Exception) -> str:
    """The first line of a foreign error, which may be pages long."""
    return (str(exc).strip() or type(exc).__name__).splitlines()[0][:300]
