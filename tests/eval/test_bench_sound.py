import numpy as np
import pytest

from eval import bench_sound
from eval.made_sound import RATE_HZ, music
from retrieval.errors import InvalidInputError


@pytest.mark.parametrize("name", ["speed 2.0", "tempo 1.25", "pitch +4", "AAC 48k", "reverb"])
def test_edits_have_the_length_that_the_table_says(name: str) -> None:
    edit, speed, _ = bench_sound.EDITS[name]
    made = edit(music(2, 1), 1)
    assert made.dtype == np.float32
    assert len(made) / RATE_HZ == pytest.approx(2 / speed, abs=0.15)


def test_a_row_for_each_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: bench_sound.EDITS[name] for name in ("none", "speed 1.25")}
    monkeypatch.setattr(bench_sound, "EDITS", kept)
    table = bench_sound.run(seed=2, rounds=1)
    assert [row[0] for row in table.rows] == list(kept)
    for row in range(2):
        assert table.value(row, "found") == 1
        assert table.value(row, "wrong") == 0


def test_rounds_are_checked() -> None:
    with pytest.raises(InvalidInputError, match="rounds"):
        bench_sound.run(rounds=0)
