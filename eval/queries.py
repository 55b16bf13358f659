"""Made queries in English and Chinese, for benchmarks and exports that have none of the user."""

from collections.abc import Iterator
from itertools import count, product
from typing import Literal

__all__ = ["query_texts"]

_WHO = ("man", "woman", "boy", "girl", "dog", "cat", "horse", "child", "player", "dancer")
_DOES = ("runs", "walks", "jumps", "sits", "rides", "climbs", "plays", "sings", "waits", "looks")
_WHERE = ("street", "beach", "field", "forest", "kitchen", "river", "stage", "garden", "station")
_WER = ("男人", "女人", "男孩", "女孩", "小狗", "猫", "马", "孩子", "球员", "舞者")
_WO = ("街上", "海滩", "田野", "森林里", "厨房", "河边", "舞台上", "花园", "车站")
_TUT = ("跑步", "走路", "跳跃", "坐着", "骑车", "攀登", "玩耍", "唱歌", "等待", "张望")


def query_texts(language: Literal["en", "zh"] = "en") -> Iterator[str]:
    """Short queries, each other than all before: no cache of earlier texts can answer them."""
    for who, does, where in product(range(10), range(10), range(9)):
        if language == "en":
            yield f"a {_WHO[who]} {_DOES[does]} at the {_WHERE[where]}"
        else:
            yield f"{_WER[who]}在{_WO[where]}{_TUT[does]}"
    for number in count(1):
        yield f"take {number} of the film" if language == "en" else f"电影的第{number}个镜头"
