import platform
from pathlib import Path

import pytest

from adapters.precision import cpu


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("x86_64", "fpu avx2 avx512f avx512_vnni", True),
        ("x86_64", "avx2 avx_vnni", True),
        ("x86_64", "fpu avx2 avx512f", False),
        ("aarch64", "", True),
    ],
)
def test_exact_where_products_have_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str, flags: str, exact: bool
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nflags\t\t: {flags}\n", encoding="utf-8")
    monkeypatch.setattr(cpu, "CPU_INFO", info)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert cpu.adds_bytes_exactly() is exact


def test_not_where_it_cannot_be_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cpu, "CPU_INFO", tmp_path / "nothing")
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert not cpu.adds_bytes_exactly()


@pytest.mark.parametrize(
    ("line", "able"),
    [
        ("flags\t\t: avx512_bf16 fma", True),
        ("Features\t: fp bf16", True),
        ("flags\t\t: avx2", False),
        ("", False),
    ],
)
def test_bfloat16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, able: bool) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(line + "\n", encoding="utf-8")
    monkeypatch.setattr(cpu, "CPU_INFO", info)
    assert cpu.multiplies_bfloat16() is able
