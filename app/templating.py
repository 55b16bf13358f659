"""Templates in `app/templates`, filled with autoescaping: for the UI's fragments and the report.

Everything a film brings along (names, subtitles, labels) is hostile text, so no fragment of HTML
is ever put together by hand in Python.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["MAX_CLIP_SECONDS", "clip_url", "clock", "render", "thumbnail_url"]

MAX_CLIP_SECONDS = 119.9
"""Just under the two minutes that `/v1/clips` cuts; longer segments play their beginning."""


def render(template: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> str:
    """Fill `app/templates/<template>`; a name that the template misses is an error."""
    return _environment().get_template(template).render(dict(values or {}, **more)).strip()


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("app", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, percent=_percent, score=_score, size=_size)
    return environment


def clock(seconds: float) -> str:
    """Format seconds for reading: `0:04.2`, `12:07.0`, `1:02:03.5`."""
    tenths = round(max(0.0, seconds) * 10)
    minutes, tenths = divmod(tenths, 600)
    tail = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{minutes // 60}:{minutes % 60:02d}:{tail}" if minutes >= 60 else f"{minutes}:{tail}"


def clip_url(video_id: str, start_seconds: float, end_seconds: float) -> str:
    """Where the HTTP interface serves a segment, relative to the page at `/`."""
    end_seconds = min(end_seconds, start_seconds + MAX_CLIP_SECONDS)
    return f"v1/clips/{quote(video_id, safe='')}?start={start_seconds:.6f}&end={end_seconds:.6f}"


def thumbnail_url(shot_id: int) -> str:
    """Where the HTTP interface serves a shot's thumbnail, relative to the page at `/`."""
    return f"v1/thumbnails/{shot_id}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"


def _score(score: float) -> str:
    return f"{score:.3f}"


def _size(num_bytes: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if num_bytes < 1000 or unit == "GB":
            break
        num_bytes /= 1000
    return f"{num_bytes:.0f} {unit}" if unit in ("B", "KB") else f"{num_bytes:.1f} {unit}"
