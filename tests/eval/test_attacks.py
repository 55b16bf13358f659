"""The attack benchmark: edits, timelines, sound, plans, and a tiny benchmark made whole."""

import csv
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval import attacks, attacks_plan
from eval.attacks_edits import EDITS
from eval.attacks_frame import PictureEdit
from eval.attacks_material import Material, collect_material, drawn_picture, seeded
from eval.attacks_plan import CopyPlan, EditUse, FilmPlan, Plan, QueryPlan, make_plan
from eval.attacks_scenes import Footage, Shapes, Still, scene_frames
from eval.attacks_sound import RATE_HZ, SOUND_EDITS, SoundEdit, made_sound, played
from eval.attacks_time import TIME_EDITS, Piece, TimeEdit, Timeline
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.media.audio import decode_mono
from retrieval.media.frames import frame_at
from retrieval.types import Progress

BARE = Material(footage=(), stills=(None,) * 300, sounds=(), split="dev")
FRAME = drawn_picture("a frame", width=96, height=64)
OTHER = drawn_picture("another", width=96, height=64)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
@pytest.mark.parametrize("strength", [1, 2, 3])
def test_picture_edits_change_the_frame_and_keep_one_size(edit: PictureEdit, strength: int) -> None:
    change = edit.make(strength, seeded(edit.name, strength))
    frames = [change(FRAME, seconds, OTHER) for seconds in (0.0, 1.7)]
    assert all(frame.dtype == np.uint8 and frame.shape[2] == 3 for frame in frames)
    assert change(FRAME, 0.5, None).shape == frames[0].shape == frames[1].shape
    assert frames[1].shape != FRAME.shape or np.any(frames[1] != FRAME)


def test_there_are_as_many_edits_as_promised() -> None:
    names = [edit.name for edits in (EDITS, TIME_EDITS, SOUND_EDITS) for edit in edits]
    assert len(names) == len(set(names)) >= 40
    assert len(EDITS) >= 25


def test_flip_is_a_mirror() -> None:
    edit = next(edit for edit in EDITS if edit.name == "hflip")
    assert np.array_equal(edit.make(1, seeded(1))(FRAME, 0.0, None), FRAME[:, ::-1])


def test_inset_leaves_the_other_footage_around() -> None:
    edit = next(edit for edit in EDITS if edit.name == "inset")
    shown = edit.make(3, seeded(2))(FRAME, 0.0, OTHER)
    assert np.mean(np.all(shown == OTHER, axis=2)) > 0.8


@pytest.mark.parametrize("edit", TIME_EDITS, ids=lambda edit: edit.name)
@pytest.mark.parametrize("strength", [1, 2, 3])
def test_timelines_say_where_each_moment_comes_from(edit: TimeEdit, strength: int) -> None:
    line = edit.make(10.0, 22.0, strength, seeded(edit.name, strength))
    rows = line.rows(5.0)
    assert rows[0][0] == 5.0
    assert rows[-1][1] == pytest.approx(5.0 + line.seconds)
    for start, end, piece in rows:
        assert 10.0 - 1e-9 <= piece.ref_start < piece.ref_end <= 22.0 + 1e-9
        assert 0.5 <= piece.speed <= 2.0
        middle = line.at((start + end) / 2 - 5.0)
        assert piece.ref_start - line.hold_seconds <= middle <= piece.ref_end


def test_reverse_runs_backwards() -> None:
    line = Timeline((Piece(4.0, 8.0, 2.0, is_reversed=True),))
    assert line.seconds == 2.0
    assert [line.at(t) for t in (0.0, 1.0, 2.0)] == [8.0, 6.0, 4.0]


def test_second_piece_begins_where_the_first_ends() -> None:
    line = Timeline((Piece(0.0, 2.0), Piece(9.0, 10.0, 0.5)))
    assert [line.at(t) for t in (1.5, 2.0, 3.0)] == [1.5, 9.0, 9.5]


@pytest.mark.parametrize("edit", SOUND_EDITS, ids=lambda edit: edit.name)
def test_sound_edits_keep_the_length(edit: SoundEdit) -> None:
    sound = made_sound(2.0, "a song")
    for strength in (1, 3):
        changed = edit.change(sound, strength, seeded(edit.name))
        assert changed.shape == sound.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max() > 0.005


@pytest.mark.parametrize("keeps_pitch", [True, False])
def test_played_sound_has_the_speed_and_pitch_asked_for(keeps_pitch: bool) -> None:
    times = np.arange(4 * RATE_HZ) / RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * 1000.0 * times)).astype(np.float32)
    heard = played(tone, Timeline((Piece(0.0, 4.0, 1.6),), keeps_pitch=keeps_pitch))
    assert len(heard) == round(4 / 1.6 * RATE_HZ)
    spectrum = np.abs(np.fft.rfft(heard[RATE_HZ // 2 : 2 * RATE_HZ]))
    loudest = float(np.argmax(spectrum)) / 1.5
    assert loudest == pytest.approx(1000.0 if keeps_pitch else 1600.0, abs=20)


def test_reversed_sound_is_the_sound_backwards() -> None:
    sound = made_sound(1.0, "back")
    heard = played(sound, Timeline((Piece(0.0, 1.0, is_reversed=True),)))
    assert np.array_equal(heard, sound[::-1])


def test_scenes_give_frames_of_one_size(carphone: Path) -> None:
    scenes = (Still(3, 0.5, "a"), Footage(carphone, 0.0, 0.5), Shapes(0.5, "b"))
    frames = list(scene_frames(scenes, BARE, size=(96, 64), rate=Fraction(10)))
    assert [frame.shape for frame in frames] == [(64, 96, 3)] * 15
    assert np.any(frames[0] != frames[4])  # the camera moves
    assert np.any(frames[10] != frames[14])  # so do the shapes


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {split: make_plan(replace(BARE, split=split), split=split, size="small")
            for split in ("dev", "test")}  # fmt: skip


def test_plan_is_the_same_again(plans: dict[str, Plan]) -> None:
    assert make_plan(BARE, split="dev", size="small") == plans["dev"]


def test_splits_share_no_name(plans: dict[str, Plan]) -> None:
    names = [{query.name for query in plan.queries} for plan in plans.values()]
    assert not names[0] & names[1]


def test_plan_keeps_its_promises(plans: dict[str, Plan]) -> None:
    plan = plans["dev"]
    films = {film.name: film for film in plan.references}
    copies = [copy for query in plan.queries for copy in query.copies]
    for copy in copies:
        for piece in copy.timeline.pieces:
            assert 0.0 <= piece.ref_start < piece.ref_end <= films[copy.ref].seconds
    assert {use.strength for copy in copies for use in copy.edits} == {1, 2, 3}
    singles = {copy.edits[0].name for copy in copies if len(copy.edits) == 1}
    assert singles >= {edit.name for edit in EDITS} | {edit.name for edit in TIME_EDITS}
    assert max(len(copy.edits) for copy in copies) == 4
    assert any(len({copy.ref for copy in query.copies}) == 3 for query in plan.queries)
    assert sum(query.seconds for query in plan.queries if not query.copies) >= 15 * 60
    assert all(60 <= film.seconds <= 180 for film in films.values())


def test_no_still_of_a_reference_shows_elsewhere(plans: dict[str, Plan]) -> None:
    plan = plans["dev"]
    films = [*plan.references, *plan.distractors]
    used = [{s.place for s in film.scenes if isinstance(s, Still)} for film in films]
    others = {s.place for q in plan.queries for s in q.other.scenes if isinstance(s, Still)}
    together = set().union(*used)
    assert sum(map(len, used)) == len(together)
    assert not together & others


def test_no_two_films_share_a_sound() -> None:
    material = replace(BARE, sounds=tuple(Path(f"{n}.ogg") for n in range(100)))
    films = make_plan(material, split="dev", size="small")
    clips = [clip for film in (*films.references, *films.distractors) for clip in film.clips]
    assert len(clips) == len(set(clips)) == 96


def test_full_plan_has_every_edit_at_every_strength() -> None:
    plan = make_plan(BARE, split="test", size="full")
    singles = {
        (copy.edits[0].name, copy.edits[0].strength)
        for query in plan.queries
        for copy in query.copies
        if len(copy.edits) == 1
    }
    names = [edit.name for edits in (EDITS, TIME_EDITS, SOUND_EDITS) for edit in edits]
    assert singles >= {(name, strength) for name in names for strength in (1, 2, 3)}


# --- material


def _pictures(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    for number in range(10):
        path = folder / f"{number}.jpg"
        Image.fromarray(drawn_picture(str(number), width=40, height=30)).save(path)
        yield path


def test_material_is_halved_between_splits(tmp_path: Path) -> None:
    paths = list(_pictures(tmp_path / "stills"))
    archive = tmp_path / "stills.tar"
    with tarfile.open(archive, "w") as out:
        for path in paths:
            out.add(path, path.name)
    kept = {}
    for place in (tmp_path / "stills", archive):
        for split in ("dev", "test"):
            found = collect_material(split, pictures=place)
            kept[place.suffix, split] = {data for data in found.stills if data is not None}
            assert len(found.stills) >= 300
    assert kept["", "dev"] == kept[".tar", "dev"]
    assert len(kept["", "dev"]) == len(kept["", "test"]) == 5
    assert not kept["", "dev"] & kept["", "test"]


def test_wheel_footage_is_split() -> None:
    names = [{p.name for p in collect_material(split).footage} for split in ("dev", "test")]
    assert not names[0] & names[1]
    assert names[0] | names[1] >= {"bikes.mp4", "world.mp4", "a.mp4"}
    assert "b.mp4" not in names[0] | names[1]  # a copy of world.mp4


def test_missing_material_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not a folder"):
        collect_material("dev", footage=[tmp_path / "nothing"])
    with pytest.raises(InvalidInputError, match="holds none of"):
        collect_material("dev", sounds=tmp_path)
    (tmp_path / "a.tar").write_bytes(b"no archive")
    with pytest.raises(InvalidInputError, match="no plain tar"):
        collect_material("dev", pictures=tmp_path / "a.tar")


# --- a tiny benchmark, whole


def _tiny_plan(*_: object, **__: object) -> Plan:
    size = (96, 64)
    film = FilmPlan("R100001", tuple(Still(n, 1.5, f"r{n}") for n in range(4)), size)
    other = FilmPlan("Q-other", tuple(Still(10 + n, 2.0, f"o{n}") for n in range(4)), size)
    line = Timeline((Piece(1.0, 4.0, 1.5),))
    copy = CopyPlan("R100001", line, (EditUse("tint", 1), EditUse("speed", 1)))
    heard = CopyPlan("R100001", line, (EditUse("echo", 1),), has_picture=False)
    queries = (
        QueryPlan("Q100001", (1.0, copy, 1.0), other, Fraction(10)),
        QueryPlan("Q100002", (heard,), other, Fraction(10), is_sound_file=True),
        QueryPlan("Q100003", (2.0,), other, Fraction(10)),
    )
    return Plan("dev", "small", (film,), (), queries)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "make_plan", _tiny_plan)


@pytest.mark.usefixtures("tiny")
def test_benchmark_made_whole(tmp_path: Path) -> None:
    told: list[Progress] = []
    made = attacks.make_attacks(tmp_path, progress=told.append)
    assert (made.num_references, made.num_queries, made.num_segments) == (1, 3, 2)
    assert [item.done for item in told] == [1, 2, 3, 4]
    with (tmp_path / "ground_truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == (
        "query_id ref_id query_start query_end ref_start ref_end".split()  # noqa: SIM905
    )
    assert [float(rows[0][name]) for name in ("query_start", "query_end")] == [1.0, 3.0]
    assert (rows[0]["family"], rows[0]["speed"], rows[0]["modalities"]) == (
        "chain",
        "1.5",
        "picture+sound",
    )
    assert rows[1]["modalities"] == "sound"
    assert json.loads((tmp_path / "manifest.json").read_text())["version"] == attacks.VERSION
    copied = frame_at(tmp_path / "query" / "Q100001.mp4", 2.0).image.astype(float)
    source = frame_at(tmp_path / "reference" / "R100001.mp4", 2.5).image.astype(float)
    elsewhere = frame_at(tmp_path / "reference" / "R100001.mp4", 5.5).image.astype(float)
    assert _alike(copied, source) > 0.9 > _alike(copied, elsewhere)
    sound = np.concatenate(list(decode_mono(tmp_path / "query" / "Q100002.m4a")))
    assert len(sound) / 48_000 == pytest.approx(2.0, abs=0.1)


@pytest.mark.usefixtures("tiny")
def test_made_again_keeps_what_is_there(tmp_path: Path) -> None:
    attacks.make_attacks(tmp_path)
    (tmp_path / "query" / "Q100003.mp4").unlink()
    assert attacks.make_attacks(tmp_path).num_kept == 3
    assert (tmp_path / "query" / "Q100003.mp4").is_file()


@pytest.mark.usefixtures("tiny")
def test_another_benchmark_in_the_folder_is_refused(tmp_path: Path) -> None:
    attacks.make_attacks(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InvalidInputError, match="other material"):
        attacks.make_attacks(tmp_path)


@pytest.mark.usefixtures("tiny")
def test_making_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(OperationCancelled):
        attacks.make_attacks(tmp_path, should_stop=lambda: True)


def test_chains_hold_one_layout_at_most(plans: dict[str, Plan]) -> None:
    for query in plans["dev"].queries:
        for copy in query.copies:
            layouts = [use for use in copy.edits if use.name in attacks_plan._LAYOUTS]
            assert len(layouts) <= 1


def _alike(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
