"""Matches as the CSV that the Video Similarity Challenge 2022 reads.

One row a match, `query_id,ref_id,query_start,query_end,ref_start,ref_end,score` with times in
seconds; its evaluation reads columns by name. Ids are file names without suffix, as the
challenge's are (`Q100001`, `R200002`).
"""

import csv
import io
from collections.abc import Iterable, Sequence

from retrieval.types import Match, Video, readable

__all__ = ["VSC_COLUMNS", "vsc_csv"]

VSC_COLUMNS = (
    *("query_id", "ref_id", "query_start", "query_end", "ref_start", "ref_end"),
    "score",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula; an underscore goes before it."""


def vsc_csv(matches: Iterable[Match]) -> str:
    """Matches of any number of queries as CSV.

    Where two films of the list share a name, their ids in the library stand for them.
    """
    rows = list(matches)
    shared = _shared_names([match.ref_video for match in rows])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(VSC_COLUMNS)
    for match in rows:
        query, ref, video = match.query_segment, match.ref_segment, match.ref_video
        name = video.path.stem
        times = (query.start_seconds, query.end_seconds, ref.start_seconds, ref.end_seconds)
        ref_id = video.video_id if name in shared else name
        numbers = [f"{value:.3f}" for value in times]
        writer.writerow([_id(match.query_path.stem), _id(ref_id), *numbers, f"{match.score:.6f}"])
    return text.getvalue()


def _shared_names(videos: Sequence[Video]) -> set[str]:
    """Names without suffix that several videos have."""
    names = [name for name, _ in {(video.path.stem, video.video_id) for video in videos}]
    return {name for name in names if names.count(name) > 1}


def _id(name: str) -> str:
    return readable("_" + name if name.startswith(_FORMULA) else name)
