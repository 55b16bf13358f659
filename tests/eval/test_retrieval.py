"""Recall over a made folder whose answers the colour encoder is known to give."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.retrieval import evaluate_retrieval
from retrieval.errors import InvalidInputError, NotFoundError
from tests.fakes import FakeEncoder

COLOURS = {"red.png": (255, 0, 0), "green.png": (0, 255, 0), "blue.png": (0, 0, 255)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "dev"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.fromarray(np.full((8, 8, 3), colour, dtype=np.uint8)).save(folder / name)
    captions = [
        "image\tcaption",
        "red.png\ta red wall .",
        "red.png\ta wall .",  # says no colour: every picture scores 0, so the rank is last
        "green.png\tgreen grass .",
        "blue.png\tred sky .",  # wrong: the red picture wins, the two others tie at 0
    ]
    (tmp_path / "captions.tsv").write_text("\n".join(captions), encoding="utf-8")
    return tmp_path


def test_recall_by_hand(data: Path) -> None:
    table = evaluate_retrieval(FakeEncoder(), data)
    # ranks 1, 3, 1, 3 over three pictures
    assert table.value(0, "num_queries") == 4
    assert table.value(0, "num_pictures") == 3
    assert table.value(0, "recall_at_1") == 50.0
    assert table.value(0, "recall_at_5") == 100.0
    assert table.value(0, "median_rank") == 2.0


def test_translations_are_compared_with_their_originals(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "zh.tsv"
    file.write_text(
        "image\tenglish\tchinese\nred.png\ta red wall .\t红墙\nblue.png\tblue sky .\t绿\n",
        encoding="utf-8",
    )
    table = evaluate_retrieval(FakeEncoder(), data, translations=file)
    assert [row[0] for row in table.rows[1:]] == [
        "translated captions, English",
        "translated captions, translation",
    ]
    assert table.value(1, "recall_at_1") == 100.0
    assert table.value(2, "recall_at_1") == 50.0
    assert any("1.00 ×" in note for note in table.notes)  # among three, R@10 is always 1


@pytest.mark.parametrize("line", ["red.png\tonly two", "grey.png\ta\tb", ""])
def test_translations_refuse_odd_lines(data: Path, tmp_path: Path, line: str) -> None:
    file = tmp_path / "zh.tsv"
    file.write_text(line + "\n" if line else "", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"expected|no translations"):
        evaluate_retrieval(FakeEncoder(), data, translations=file)


def test_missing_files_are_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"test\.tar"):
        evaluate_retrieval(FakeEncoder(), data, split="test")
    with pytest.raises(NotFoundError, match="captions"):
        evaluate_retrieval(FakeEncoder(), tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match=r"zh\.tsv"):
        evaluate_retrieval(FakeEncoder(), data, translations=tmp_path / "zh.tsv")


def test_broken_picture_is_an_input_error(data: Path) -> None:
    (data / "dev" / "red.png").write_bytes(b"not a picture")
    with pytest.raises(InvalidInputError, match="cannot read"):
        evaluate_retrieval(FakeEncoder(), data)
