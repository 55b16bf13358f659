"""Small folders with the layouts that the owners publish."""

import json
from pathlib import Path

import pytest

from eval.copy_metrics import CopySegment
from eval.copy_sets import read_copy_set
from retrieval.errors import InvalidInputError, NotFoundError

HEADER = "query_id,ref_id,query_start,query_end,ref_start,ref_end"


def _touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")


@pytest.fixture
def vsc(tmp_path: Path) -> Path:
    _touch(tmp_path / "train" / "query", "Q100001.mp4", "Q100002.mp4")
    _touch(tmp_path / "train" / "reference", "R100001.mp4", "R100002.mp4")
    lines = [HEADER, "Q100001,R100002,0.5,9.25,30.0,38.75"]
    (tmp_path / "train" / "train_matching_ground_truth.csv").write_text("\n".join(lines))
    (tmp_path / "train" / "train_descriptor_ground_truth.csv").write_text(
        "query_id,ref_id\nQ100001,R100002\n"
    )
    return tmp_path


def test_vsc2022(vsc: Path) -> None:
    found = read_copy_set(vsc)
    assert found.kind == "vsc2022"
    assert found.truth == (CopySegment("Q100001", "R100002", 0.5, 9.25, 30.0, 38.75),)
    assert sorted(found.queries) == ["Q100001", "Q100002"]
    assert found.references["R100002"].name == "R100002.mp4"
    assert found.labels == ()
    assert not found.is_pictures


def test_missing_films_are_named(vsc: Path) -> None:
    (vsc / "train" / "reference" / "R100002.mp4").unlink()
    with pytest.raises(NotFoundError, match=r"names 1 files that are not there: R100002"):
        read_copy_set(vsc)


def test_missing_folder_is_named(vsc: Path) -> None:
    (vsc / "train" / "query").rename(vsc / "train" / "other")
    with pytest.raises(NotFoundError, match="no folder query"):
        read_copy_set(vsc)


def test_bad_row_is_shown(vsc: Path) -> None:
    table = vsc / "train" / "train_matching_ground_truth.csv"
    table.write_text(f"{HEADER}\nQ100001,R100002,a,b,c,d\n")
    with pytest.raises(InvalidInputError, match="no segment"):
        read_copy_set(vsc)


def test_attacks_bring_labels(vsc: Path) -> None:
    table = vsc / "train" / "train_matching_ground_truth.csv"
    table.write_text(
        f"{HEADER},family,edits,strength,speed,is_reversed,modalities\n"
        "Q100001,R100002,0,4,9,15,speed,speed2,2,1.5,0,picture+sound\n"
    )
    (vsc / "train" / "manifest.json").write_text("{}")
    found = read_copy_set(vsc)
    assert found.kind == "attacks"
    assert (found.labels[0].family, found.labels[0].speed) == ("speed", 1.5)
    assert not found.labels[0].is_reversed


def test_vcsl(tmp_path: Path) -> None:
    _touch(tmp_path / "videos", "aa.mp4", "bb.mp4", "cc.webm")
    labels = {"aa-bb": [[3, 0, 8, 5], [20, 30, 25, 36]], "aa-cc": [], "aa-gone": [[0, 0, 1, 1]]}
    (tmp_path / "label_file_uuid_total.json").write_text(json.dumps(labels))
    found = read_copy_set(tmp_path)
    assert found.kind == "vcsl"
    assert found.truth == (
        CopySegment("aa", "bb", 3, 8, 0, 5),
        CopySegment("aa", "bb", 20, 25, 30, 36),
    )
    assert found.pairs == frozenset({("aa", "bb"), ("aa", "cc")})


def test_vcsl_split_restricts_the_pairs(tmp_path: Path) -> None:
    _touch(tmp_path, "aa.mp4", "bb.mp4", "cc.mp4")
    labels = {"aa-bb": [[3, 0, 8, 5]], "aa-cc": [[0, 0, 1, 1]]}
    (tmp_path / "label_file_uuid_total.json").write_text(json.dumps(labels))
    (tmp_path / "pair_file_val.csv").write_text("query_id,reference_id\naa,bb\n")
    (tmp_path / "pair_file_test.csv").write_text("query_id,reference_id\naa,cc\n")
    found = read_copy_set(tmp_path)
    assert found.pairs == frozenset({("aa", "cc")})
    assert [item.ref_id for item in found.truth] == ["cc"]


def test_vcsl_without_videos(tmp_path: Path) -> None:
    _touch(tmp_path / "videos", "zz.mp4")
    (tmp_path / "label_file_uuid_total.json").write_text('{"aa-bb": [[3, 0, 8, 5]]}')
    with pytest.raises(NotFoundError, match="none of its videos"):
        read_copy_set(tmp_path)


def test_vcsl_with_broken_labels(tmp_path: Path) -> None:
    _touch(tmp_path, "aa.mp4", "bb.mp4")
    (tmp_path / "label_file_uuid_total.json").write_text('{"aa-bb": [[3, 0]]}')
    with pytest.raises(InvalidInputError, match="expected four times"):
        read_copy_set(tmp_path)
    (tmp_path / "label_file_uuid_total.json").write_text("{")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_copy_set(tmp_path)


@pytest.mark.parametrize("header", ["query_id,ref_id\n", ""])
def test_disc21(tmp_path: Path, header: str) -> None:
    _touch(tmp_path / "queries", "Q00000.jpg", "Q00001.jpg")
    _touch(tmp_path / "references", "R000000.jpg")
    (tmp_path / "dev_ground_truth.csv").write_text(f"{header}Q00000,R000000\nQ00001,\n")
    found = read_copy_set(tmp_path)
    assert found.kind == "disc21"
    assert found.is_pictures
    assert [item.pair for item in found.truth] == [("Q00000", "R000000")]
    assert sorted(found.queries) == ["Q00000", "Q00001"]


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not a folder"):
        read_copy_set(tmp_path / "nothing")
    with pytest.raises(InvalidInputError, match="no data set that is known"):
        read_copy_set(tmp_path)
