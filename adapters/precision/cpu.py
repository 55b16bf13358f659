"""What this CPU can do: whether sums of products of bytes are exact, and whether it has bfloat16.

Without VNNI an x86 CPU adds two products of bytes in 16 bits, and large ones overflow without a
word: CLIP ViT-B/32 fell from a cosine of 0.9996 to 0.96 on such a machine. Weights of 7 bits
cannot overflow.
"""

from __future__ import annotations

import platform
from pathlib import Path

__all__ = ["FULL_RANGE", "adds_bytes_exactly", "multiplies_bfloat16"]

FULL_RANGE = "sceneprint_full_range"
"""Metadata of a network whose weights take all 8 bits, which not every CPU adds exactly."""
CPU_INFO = Path("/proc/cpuinfo")
EXACT_FLAGS = {"avx512_vnni", "avx_vnni"}
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
EXACT_MACHINES = {"aarch64", "arm64"}
"""Their instructions add products of bytes in 32 bits, or in 16 with room to spare."""


def adds_bytes_exactly() -> bool:
    """Whether 8-bit weights are safe here; False where it cannot be found out."""
    if platform.machine().lower() in EXACT_MACHINES:
        return True
    return bool(EXACT_FLAGS & _flags())


def multiplies_bfloat16() -> bool:
    """Whether bfloat16 is quick here; else it is emulated, many times slower than float32."""
    return bool(BFLOAT16_FLAGS & _flags())


def _flags() -> set[str]:
    """What the CPU says it can; nothing where it cannot be found out."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return set(found.partition(":")[2].split())
