"""What the families that torch runs share: the device, and the hash of their tensors."""

import logging
from typing import Any

from retrieval.encoders.runtime import Device
from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = ["choose_torch_device", "hash_tensors"]

logger = logging.getLogger(__name__)


def choose_torch_device(torch: Any, device: Device) -> str:
    """What torch calls the device; never another one than was asked for.

    Raises:
        InvalidInputError: TensorRT, which torch alone does not run.
        MissingDependencyError: `cuda` without a GPU that torch can use.
    """
    if device == "auto":
        chosen = "cuda" if torch.cuda.is_available() else "cpu"
        logger.info("device auto: picked %s", chosen)
        return chosen
    if device == "tensorrt":
        raise InvalidInputError("got device 'tensorrt' for an encoder run by torch; choose cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise MissingDependencyError(
            "device cuda is not usable: this torch finds no NVIDIA GPU; install a CUDA build of "
            "torch (https://pytorch.org/get-started), or choose device cpu or auto"
        )
    return device


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
