import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from eval.made_sound import RATE_HZ, music, speech
from retrieval.errors import CatalogError, CatalogVersionError
from retrieval.sound_index import SoundIndex
from retrieval.sound_match import find_sound_matches
from retrieval.sound_print import SoundPrint, fingerprint


@pytest.fixture(scope="module")
def prints() -> dict[str, SoundPrint]:
    made = {f"{n}": fingerprint(music(12 + n, n), RATE_HZ) for n in range(3)}
    return made | {"talk": fingerprint(speech(15, 7), RATE_HZ), "silent": silent(6)}


def silent(seconds: int) -> SoundPrint:
    return fingerprint(np.zeros(seconds * RATE_HZ, np.float32), RATE_HZ)


def same(one: SoundIndex, other: SoundIndex) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in fields(SoundIndex)
    )


def test_adding_one_by_one_equals_building_at_once(prints: dict[str, SoundPrint]) -> None:
    index = SoundIndex.build({})
    for name, made in prints.items():
        index = index.add({name: made})
    assert same(index, SoundIndex.build(prints))


def test_removing_equals_never_having_added(prints: dict[str, SoundPrint]) -> None:
    index = SoundIndex.build(prints).remove({"1", "silent", "unknown"})
    assert same(index, SoundIndex.build({n: prints[n] for n in ("0", "2", "talk")}))
    assert len(index.remove(index.video_ids).posting_peaks) == 0


def test_adding_again_replaces(prints: dict[str, SoundPrint]) -> None:
    index = SoundIndex.build(prints).add({"0": prints["talk"]})
    assert sorted(index.video_ids) == sorted(prints)
    found = {m.video_id for m in find_sound_matches(prints["talk"], index)}
    assert found == {"0", "talk"}
    assert find_sound_matches(prints["0"], index) == []


def test_saved_and_mapped_gives_the_same(prints: dict[str, SoundPrint], tmp_path: Path) -> None:
    index = SoundIndex.build(prints)
    folder = tmp_path / "sound"
    index.save(folder, generation="41")
    index.save(folder, generation="42")
    mapped = SoundIndex.load(folder)
    assert same(mapped, index)
    assert isinstance(mapped.ticks, np.memmap)
    assert SoundIndex.saved_generation(folder) == "42"
    assert [p.name for p in tmp_path.iterdir()] == ["sound"]
    (match,) = find_sound_matches(prints["2"], mapped)
    assert match.video_id == "2"


def test_another_version_is_refused(prints: dict[str, SoundPrint], tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    SoundIndex.build(prints).save(folder)
    header = json.loads((folder / "header.json").read_text())
    (folder / "header.json").write_text(json.dumps(header | {"version": 2}))
    with pytest.raises(CatalogVersionError, match="version 2, expected 1"):
        SoundIndex.load(folder)


@pytest.mark.parametrize("name", ["ticks.npy", "posting_peaks.npy", "header.json"])
@pytest.mark.parametrize("damage", ["gone", "short", "other"])
def test_damage_is_an_error_and_not_a_wrong_answer(
    name: str, damage: str, prints: dict[str, SoundPrint], tmp_path: Path
) -> None:
    folder = tmp_path / "sound"
    SoundIndex.build(prints).save(folder)
    path = folder / name
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.write_bytes((folder / "bins.npy").read_bytes())
    with pytest.raises(CatalogError, match="build it again"):
        SoundIndex.load(folder)


def test_size_is_small(prints: dict[str, SoundPrint]) -> None:
    index = SoundIndex.build(prints)
    fixed = index.slot_starts.nbytes
    assert (index.num_bytes - fixed) / (index.hours * 3600) < 300  # bytes a second
