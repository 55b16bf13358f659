import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.catalog import Catalog
from retrieval.types import Segment, Subtitle
from tests.retrieval.catalog_records import make_record

ENGLISH = (
    "Two bicycles were leaning against the wall.",
    "Look at that dog on the beach!",
    "She rides her bicycle to the market every morning.",
    "It's only a café, Zoë.",
    "Who are you?",
    "On and on and on.",
    "The MARKET opens at 9:30.",
    "I love you.",
)
CHINESE = (
    "他骑自行车去上班。",
    "这条街道很安静",
    "今天晚上我们去海边看日落吧",
    "你是谁",
    "我叫李雷,我住在北京。",
    "車站在哪裡?",
)
OTHER = (
    "自転車に乗る人",
    "나는 자전거를 탄다",
    "Он едет на велосипеде",
    "ฉันขี่จักรยาน",
    "वह साइकिल चलाता है",
    "هو يركب دراجة",
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with Catalog.open(tmp_path_factory.mktemp("library"), create=True) as opened:
        opened.add_video(make_record("english", lines=ENGLISH))
        opened.add_video(make_record("chinese", lines=CHINESE))
        opened.add_video(make_record("other", lines=OTHER))
        yield opened


def found(catalog: Catalog, query: str, limit: int = 10) -> list[str]:
    return [line.text for line, _ in catalog.search_subtitles(query, limit=limit)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("bicycles", [ENGLISH[0], ENGLISH[2]]),
        ("riding", [ENGLISH[2]]),  # stemmed
        ("BICYCLE market", [ENGLISH[2]]),
        ("cafe zoe", [ENGLISH[3]]),  # without accents
        ("a dog on the beach", [ENGLISH[1]]),
        ("who are you?", [ENGLISH[4]]),  # nothing but small words: all of them
        ("on", [ENGLISH[5], ENGLISH[1]]),
        ("9:30", [ENGLISH[6]]),
        ("two bicycles on a wall", [ENGLISH[0]]),  # not each line with an "on"
        ("two bicycles on a street", [ENGLISH[0]]),  # two of three
        ("a dog in the street", []),  # one of two
        ("the elephant", []),
        ("велосипеде", [OTHER[2]]),
        ("दाल", []),
        ("साइकिल", [OTHER[4]]),
        ("دراجة", [OTHER[5]]),
    ],
)
def test_words(catalog: Catalog, query: str, expected: list[str]) -> None:
    assert sorted(found(catalog, query)) == sorted(expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("自行车", [CHINESE[0]]),
        ("骑", [CHINESE[0]]),
        ("海边", [CHINESE[2]]),
        ("边海", []),  # neighbours in this order only
        ("有人骑自行车的街道在哪里", [CHINESE[0], CHINESE[1]]),
        ("海边的日落", [CHINESE[2]]),
        ("你是谁", [CHINESE[3]]),
        ("大象在动物园", []),
        ("北京 李雷", [CHINESE[4]]),
        ("自転車", [OTHER[0]]),
        ("자전거", [OTHER[1]]),
        ("จักรยาน", [OTHER[3]]),
        ("９：３０", [ENGLISH[6]]),  # full-width digits
    ],
)
def test_scripts_without_spaces(catalog: Catalog, query: str, expected: list[str]) -> None:
    assert sorted(found(catalog, query)) == sorted(expected)


def test_best_line_comes_first(tmp_path: Path) -> None:
    lines = [f"nothing to see in line {number}" for number in range(50)]
    lines[7] = "a red car"
    lines[30] = "a red car and a blue boat and something else entirely"
    lines[12] = "a red house"
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.add_video(make_record("one", lines=tuple(lines)))
        results = catalog.search_subtitles("red car", limit=5)
        assert [line.text for line, _ in results] == [lines[7], lines[30]]
        scores = [score for _, score in results]
        assert scores == sorted(scores, reverse=True)
        assert all(score > 0 for score in scores)
        assert len(catalog.search_subtitles("red car", limit=2)) == 2
        assert catalog.search_subtitles("red car", limit=0) == []


def test_whole_run_beats_its_pieces(tmp_path: Path) -> None:
    lines = (*("没有什么" for _ in range(20)), "自行、行车", "自行车")
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.add_video(make_record("one", lines=lines))
        assert found(catalog, "自行车") == ["自行车", "自行、行车"]


def test_only_in_some_videos(catalog: Catalog) -> None:
    def search(video_ids: list[str] | None) -> int:
        return len(catalog.search_subtitles("bicycles", limit=9, video_ids=video_ids))

    assert search(None) == search(["venglish"]) == search(["vother", "venglish", "vnone"]) == 2
    assert search(["vother"]) == search([]) == 0


def test_lines_come_back_as_they_were(tmp_path: Path) -> None:
    text = "ﬁrst line\nsecond “line” <i>ｔａｇ</i>"
    record = make_record("one", lines=())
    line = Subtitle("vone", Segment(1.5, 2.25), text, None, "stream:3")
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.add_video(replace(record, subtitles=[line]))
        assert catalog.subtitles("vone") == [line]
        assert [one for one, _ in catalog.search_subtitles("first tag", limit=1)] == [line]


def test_line_that_is_no_text_is_kept_readable(tmp_path: Path) -> None:
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.add_video(make_record("one", lines=("bad \ud800 half", "nul \0 inside")))
        assert found(catalog, "half") == ["bad ? half"]


AWKWARD = ['"', "'", "*", "^", "-", "+", "(", ")", ":", "{", "}", "\0", "AND", "NOT", "NEAR(", "中"]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=st.text() | st.lists(st.sampled_from(AWKWARD) | st.text(), max_size=8).map(" ".join))
def test_any_string_is_a_query(catalog: Catalog, query: str) -> None:
    for line, score in catalog.search_subtitles(query, limit=5):
        assert line.text in ENGLISH + CHINESE + OTHER
        assert score > 0


@pytest.mark.parametrize("query", ["a" * 100_000, "word " * 50_000, "中" * 50_000, '"' * 9999])
def test_long_queries_are_cut(catalog: Catalog, query: str) -> None:
    assert found(catalog, query) == []


WORDS = ["red", "café", "自行车", "나무", "42", "Улица", "don't", "mid-day", "ｆｕｌｌ", "ﬁn"]
BETWEEN = [" ", ", ", " – ", "\n", " 。", '" ']


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from(WORDS), st.sampled_from(BETWEEN)), min_size=1, max_size=6
    )
)
def test_a_line_is_found_by_each_word(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str]]
) -> None:
    line = "".join(word + between for word, between in parts)
    with Catalog.open(tmp_path_factory.mktemp("library"), create=True) as catalog:
        catalog.add_video(make_record("one", lines=(line,)))
        for word, _ in parts:
            assert found(catalog, word) == [line]
        catalog.remove_video("vone")
        connection = sqlite3.connect(catalog.library / "catalog.sqlite3")
        (left,) = connection.execute("SELECT count(*) FROM subtitle_index").fetchone()
        connection.close()
        assert left == 0
