"""The command that teaches an adapter again, from what its manifest says of how it learned."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["teach_command"]

USUAL_ERROR_RATE = 0.1


def teach_command(manifest: Mapping[str, Any], name: str, *, library: Path) -> str:
    """How to teach an adapter anew, with the encoder that the library has now.

    Args:
        manifest: of the adapter, of one modality or several.
        name: of the adapter.
        library: whose labels it learns from.

    Returns:
        A `sceneprint teach` command for a shell; options that have their default are left out.
    """
    words = ["sceneprint", "teach", name, "--group", str(manifest["group"])]
    words += _of_several(manifest) if "fusion" in manifest else _of_pictures(manifest)
    if float(manifest["error_rate"]) != USUAL_ERROR_RATE:
        words += ["--error-rate", f"{float(manifest['error_rate']):g}"]
    return shlex.join([*words, "--library", str(library)])


def _of_pictures(manifest: Mapping[str, Any]) -> list[str]:
    balance = manifest.get("balance", "weights")
    words = ["--modalities", "picture", "--method", str(manifest["adapter"])]
    return words if balance == "weights" else [*words, "--balance", str(balance)]


def _of_several(manifest: Mapping[str, Any]) -> list[str]:
    encoders = manifest["encoders"]
    words = ["--modalities", ",".join(encoders), "--fusion", str(manifest["fusion"])]
    if manifest.get("few_shot"):
        words += ["--method", str(manifest["few_shot"])]
    reader = str(encoders.get("text", {}).get("name", ""))
    if reader.startswith("sentence-transformers:"):  # else the library's encoder read the words
        words += ["--text-encoder", reader]
    return words
