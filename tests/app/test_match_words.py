"""Matches in words, each worked out by hand."""

import pytest

from app.match_words import edit_words, false_rate_words, score_words
from retrieval.types import Box, MatchEdit
from tests.app import made


@pytest.mark.parametrize(
    ("score", "words"), [(0.974, "97 %"), (0.9999, "> 99 %"), (1.0, "> 99 %"), (0.001, "< 1 %")]
)
def test_a_score_never_rounds_to_certainty(score: float, words: str) -> None:
    assert score_words(score).replace("\u00a0", " ") == words


def test_rates_of_false_matches() -> None:
    assert false_rate_words(None) is None
    assert "at most one false match in about 500 h" in str(false_rate_words(0.002))
    assert "in about 1,700 h" in str(false_rate_words(0.0006))
    assert "at most 2.5 false matches in an hour" in str(false_rate_words(2.5))
    assert "no false match" in str(false_rate_words(0.0))


def test_nothing_seen_has_no_words() -> None:
    assert edit_words(MatchEdit()) == []
    assert edit_words(MatchEdit(pitch_semitones=0.1)) == []


def test_all_that_was_done() -> None:
    assert [word.replace("\u00a0", " ") for word in edit_words(made.edited_match().edit)] == [
        "mirrored",
        "cropped to 80 %",
        "in the upper right corner, 35 × 35 % of the picture",
        "pitch +2",
    ]
    assert edit_words(MatchEdit(is_reversed=True, pitch_semitones=-1.5)) == [
        "reversed",
        "pitch -1.5",
    ]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box(0.0, 0.12, 1.0, 0.88), "bars above and below"),
        (Box(0.12, 0.0, 0.88, 1.0), "bars left and right"),
        (Box(0.0, 0.5, 1.0, 1.0), "in the lower part"),
        (Box(0.0, 0.0, 0.5, 1.0), "in the left part"),
        (Box(0.25, 0.25, 0.75, 0.75), "in the middle, 50 × 50 % of the picture"),
        (Box(0.0, 0.3, 0.4, 0.7), "at the left edge, 40 × 40 % of the picture"),
        (
            Box(0.0, 0.0, 0.5, 0.25),
            "in the upper left corner, 50 × 25 % of the picture",
        ),
    ],
)
def test_places_in_the_picture(box: Box, words: str) -> None:
    assert edit_words(MatchEdit(query_box=box))[0].replace("\u00a0", " ") == words
