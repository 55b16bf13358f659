"""Times as people write them: `12.5`, `1:02.5`, `00:01:02.500`, SMPTE `00:01:02:12`."""

import re

from retrieval.label_files.base import Moment, Where

__all__ = ["read_moment"]

_CLOCK = re.compile(r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]?\d(?:[.,]\d{1,9})?)")
_SMPTE = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)[:;](\d{2,3})")
_SECONDS = re.compile(r"\d{1,9}(?:[.,]\d{1,12})?(?:[eE]-?\d{1,2})?")


def read_moment(text: str, where: Where, *, what: str = "time") -> Moment:
    """Read a time.

    Raises:
        InvalidInputError: It is none of the forms; drop-frame timecode is refused.
    """
    given = text.strip()
    if _SECONDS.fullmatch(given):
        return Moment(seconds=float(given.replace(",", ".")))
    if found := _SMPTE.fullmatch(given):
        if ";" in given:
            raise where.error(f"got drop-frame timecode {given!r}; give seconds or non-drop ':'")
        hours, minutes, seconds, frames = map(int, found.groups())
        return Moment(timecode=(hours * 3600 + minutes * 60 + seconds, frames))
    if found := _CLOCK.fullmatch(given):
        whole = int(found[1] or 0) * 3600 + int(found[2]) * 60
        return Moment(seconds=whole + float(found[3].replace(",", ".")))
    raise where.error(
        f"got {what} {given!r:.40}, expected seconds (12.5), a clock (00:01:02.5) or a "
        "timecode (00:01:02:12)"
    )
