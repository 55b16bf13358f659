"""Full-text search over subtitle lines with SQLite's FTS5, in any script.

Scripts that write spaces are cut into words and stemmed (English) by FTS5. Scripts without spaces
(Chinese, Japanese, Thai …; Korean too, whose words carry endings) are cut into single characters
before they are stored, and a query asks for neighbouring characters as a phrase.

A query is a person's sentence, not a formula: every part of it is quoted, so no string is a syntax
error. Lines are ranked by BM25 over all parts, and a line must hold enough of them: three fifths of
the words that carry meaning, a fifth of the character pairs (a question of ten characters has nine
pairs, of which a good line shares two). Otherwise each line with an "on" would be found.
"""

import json
import re
import sqlite3
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.catalog_records import row_to_subtitle
from retrieval.types import Subtitle

__all__ = ["delete_subtitles", "find_subtitles", "insert_subtitles", "replace_subtitles"]

WORD_SHARE = 0.6
PAIR_SHARE = 0.2
MAX_QUERY_CHARS = 500
MAX_PARTS = 40
_CANDIDATES_PER_RESULT = 8

# Han, kana, bopomofo, Hangul, Thai, Lao, Myanmar, Khmer.
_SPACELESS = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3100-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_SPACELESS_CHAR = re.compile(f"([{_SPACELESS}])")
_CHUNK = re.compile(f"[{_SPACELESS}]+|[^\\s{_SPACELESS}]+")

_STOP_WORDS = frozenset(
    """a about am an and any are as at be been but by can could did do does for from had has have he
    her here him his how i if in into is it its just me my no not of on or our out she show so some
    than that the their them then there these they this those to up us very was we were what when
    where which who whom why will with would you your""".split()  # noqa: SIM905
)
_STOP_CHARS = frozenset("的了是在有和与及也都就吗呢吧啊呀着过这那哪個个們们の를을는은이가")


@dataclass(frozen=True)
class _Query:
    """The phrases to rank by, and which of them count towards a line being good enough."""

    phrases: tuple[str, ...]
    counted: tuple[str, ...]
    needed: float


def insert_subtitles(
    connection: sqlite3.Connection, video_id: str, subtitles: Sequence[Subtitle]
) -> None:
    """Store the lines of one video and their words."""
    for number, line in enumerate(subtitles):
        text = line.text.encode(errors="replace").decode()
        cursor = connection.execute(
            """INSERT INTO subtitles
               (video_id, number, start_seconds, end_seconds, text, language, source)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (
                video_id,
                number,
                line.segment.start_seconds,
                line.segment.end_seconds,
                text,
                line.language,
                line.source.encode(errors="replace").decode(),
            ),
        )
        connection.execute(
            "INSERT INTO subtitle_index (rowid, words) VALUES (?, ?)",
            (cursor.lastrowid, _searchable(text)),
        )


def replace_subtitles(
    connection: sqlite3.Connection, video_id: str, subtitles: Sequence[Subtitle]
) -> bool:
    """Put other lines in the place of a video's; return whether there is such a video."""
    cursor = connection.execute(
        "UPDATE videos SET num_subtitles = ? WHERE video_id = ?", (len(subtitles), video_id)
    )
    if cursor.rowcount == 0:
        return False
    delete_subtitles(connection, video_id)
    connection.execute("DELETE FROM subtitles WHERE video_id = ?", (video_id,))
    insert_subtitles(connection, video_id, subtitles)
    return True


def delete_subtitles(connection: sqlite3.Connection, video_id: str) -> None:
    """Delete the words of one video's lines; the lines go with the video."""
    connection.execute(
        """DELETE FROM subtitle_index
           WHERE rowid IN (SELECT subtitle_id FROM subtitles WHERE video_id = ?)""",
        (video_id,),
    )


def find_subtitles(
    connection: sqlite3.Connection, query: str, *, limit: int, video_ids: Sequence[str] | None
) -> list[tuple[Subtitle, float]]:
    """Return the lines that answer a query, best first, with their BM25 score (higher = better)."""
    parsed = _parse(query)
    if not parsed.phrases or limit < 1 or (video_ids is not None and not video_ids):
        return []
    scores = _candidates(connection, parsed, limit=limit, video_ids=video_ids)
    counts = _count_phrases(connection, parsed.counted, list(scores))
    good = [line_id for line_id in scores if counts[line_id] >= parsed.needed][:limit]
    if not good:
        return []
    rows = connection.execute(
        "SELECT * FROM subtitles WHERE subtitle_id IN (SELECT value FROM json_each(?))",
        (json.dumps(good),),
    )
    lines = {row["subtitle_id"]: row_to_subtitle(row) for row in rows}
    return [(lines[line_id], scores[line_id]) for line_id in good]


def _searchable(text: str) -> str:
    """Return the text as it is indexed: characters of scripts without spaces stand apart."""
    return _SPACELESS_CHAR.sub(r" \1 ", unicodedata.normalize("NFKC", text))


def _parse(query: str) -> _Query:
    """Cut a query into quoted phrases; see the module docstring for which of them count."""
    text = unicodedata.normalize("NFKC", query[:MAX_QUERY_CHARS]).replace("\0", " ")
    words: list[str] = []
    pairs: list[str] = []
    runs: list[str] = []
    for chunk in _CHUNK.findall(text.encode(errors="ignore").decode()):
        if not any(char.isalnum() for char in chunk):
            continue
        if _SPACELESS_CHAR.match(chunk):
            pairs += _pairs(chunk)
            runs.append(_quoted(" ".join(chunk)))
        else:
            words.append(chunk)
    telling = [word for word in words if _bare(word) not in _STOP_WORDS]
    kept = _unique([_quoted(word) for word in telling or words])[:MAX_PARTS]
    kept_pairs = _unique([_quoted(" ".join(pair)) for pair in pairs])[:MAX_PARTS]
    phrases = _unique([*kept, *kept_pairs, *runs[:MAX_PARTS]])
    if telling or not words or pairs:
        needed = WORD_SHARE * len(kept) + PAIR_SHARE * len(kept_pairs)
    else:  # nothing but small words, as in "who are you": then all of them
        needed = len(kept)
    return _Query(tuple(phrases), tuple(kept + kept_pairs), needed)


def _pairs(run: str) -> list[str]:
    """Return neighbouring characters, without those pairs that hold a particle."""
    if len(run) < 3:
        return [run]
    pairs = [run[place : place + 2] for place in range(len(run) - 1)]
    return [pair for pair in pairs if _STOP_CHARS.isdisjoint(pair)] or pairs


def _bare(word: str) -> str:
    return word.strip("".join(c for c in set(word) if not c.isalnum())).casefold()


def _quoted(phrase: str) -> str:
    escaped = phrase.replace('"', '""')
    return f'"{escaped}"'


def _unique(items: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _candidates(
    connection: sqlite3.Connection, query: _Query, *, limit: int, video_ids: Sequence[str] | None
) -> dict[int, float]:
    """Return the BM25 scores of lines with any of the phrases, best first, more than asked for."""
    condition, values = "", []
    if video_ids is not None:
        marks = ", ".join("?" * len(video_ids))
        condition = f"AND +rowid IN (SELECT subtitle_id FROM subtitles WHERE video_id IN ({marks}))"
        values = list(video_ids)
    # The plus keeps SQLite from asking the word index about each line on its own, which is slower.
    rows = connection.execute(
        f"""SELECT rowid, -rank FROM subtitle_index
            WHERE subtitle_index MATCH ? {condition} ORDER BY rank, rowid LIMIT ?""",
        (" OR ".join(query.phrases), *values, limit * _CANDIDATES_PER_RESULT + 50),
    )
    return {int(line_id): float(score) for line_id, score in rows}


def _count_phrases(
    connection: sqlite3.Connection, phrases: Sequence[str], line_ids: Sequence[int]
) -> dict[int, int]:
    """Count for each line how many of the phrases it holds."""
    counts = dict.fromkeys(line_ids, 0)
    for phrase in phrases if counts else ():
        found = connection.execute(
            """SELECT rowid FROM subtitle_index
               WHERE subtitle_index MATCH ? AND +rowid IN (SELECT value FROM json_each(?))""",
            (phrase, json.dumps(line_ids)),
        )
        for (line_id,) in found:
            counts[line_id] += 1
    return counts
