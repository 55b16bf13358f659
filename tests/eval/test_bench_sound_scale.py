import pytest

from eval import bench_sound_scale
from retrieval.errors import InvalidInputError


def test_planted_excerpts_are_found_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_sound_scale, "_HOUR", 400.0)
    monkeypatch.setattr(bench_sound_scale, "_PLANTED", ("none",))
    monkeypatch.setattr(bench_sound_scale, "_NEIGHBOURS", 2)
    table = bench_sound_scale.run(hours=(1,), seed=3)
    assert table.value(0, "hours") == 1
    assert table.value(0, "planted") == 2
    assert table.value(0, "found") == 2
    assert table.value(0, "others") == 0
    assert table.value(0, "memory") is not None


def test_sizes_are_checked() -> None:
    with pytest.raises(InvalidInputError, match="hours"):
        bench_sound_scale.run(hours=(0,))
