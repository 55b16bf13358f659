"""Which files an ingest looks at: named files, and the media files of named folders."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.errors import NotFoundError
from retrieval.types import IngestOutcome

__all__ = ["MEDIA_SUFFIXES", "Scan", "scan"]

_FILM = """
    3g2 3gp amv asf avi divx dv f4v flv gxf ivf lrv m1v m2t m2ts m2v m4v mj2 mjpeg mjpg mk3d
    mkv mod mov mp4 mpe mpeg mpg mpv mts mxf nsv nut ogm ogv qt rm rmvb tod ts vob webm wmv
    wtv y4m
"""
_SOUND = """
    aac ac3 aif aiff alac amr ape au caf dts eac3 flac m4a m4b mka mp2 mp3 oga ogg opus ra
    tta voc wav weba wma wv
"""
MEDIA_SUFFIXES = frozenset(f".{name}" for name in f"{_FILM} {_SOUND}".split())
"""File names in a folder that are opened; a file that is named itself is opened whatever it is."""
SIDECAR_SUFFIXES = frozenset({".srt", ".vtt", ".ass", ".ssa"})


@dataclass
class Scan:
    """What was found.

    Attributes:
        files: Absolute paths, each once, in the order to ingest.
        outcomes: Of what is left out already.
        ignored: Number of files in folders that are no media by their names, by suffix.
    """

    files: list[Path] = field(default_factory=list)
    outcomes: list[IngestOutcome] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def scan(paths: Sequence[Path], *, library: Path) -> Scan:
    """List the files to ingest.

    Folders are walked in the order of names. Hidden files and folders, the library itself and
    links that lead out of the named folder are left out; subtitles beside films are not files of
    their own.

    Raises:
        NotFoundError: A named path does not exist.
    """
    result = Scan()
    seen: set[Path] = set()
    for path in paths:
        given = Path(os.path.abspath(path))
        if not given.exists():
            raise NotFoundError(f"got {path}, which does not exist; name files or folders")
        found = _walk(given, library, result) if given.is_dir() else iter([given])
        for file in found:
            if file not in seen:
                seen.add(file)
                result.files.append(file)
    return result


def _walk(root: Path, library: Path, result: Scan) -> Iterator[Path]:
    ignored: Counter[str] = Counter()
    for folder, names, files in os.walk(root):
        here = Path(folder)
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".") and not _is_same(here / name, library)
        )
        for name in sorted(files):
            file = here / name
            suffix = file.suffix.lower()
            if name.startswith(".") or suffix in SIDECAR_SUFFIXES:
                continue
            if suffix not in MEDIA_SUFFIXES:
                ignored[suffix or "no suffix"] += 1
            elif file.is_symlink() and not _leads_inside(file, root):
                reason = "a link out of the folder or to nothing; name its target to ingest it"
                result.outcomes.append(IngestOutcome(file, "skipped", reason=reason))
            else:
                yield file
    if ignored:
        result.outcomes.append(IngestOutcome(root, "skipped", reason=_ignored_reason(ignored)))
        result.ignored += ignored


def _leads_inside(link: Path, root: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # to nowhere, or in a circle (RuntimeError before 3.13)
        return False


def _is_same(folder: Path, other: Path) -> bool:
    try:
        return folder.samefile(other)
    except OSError:  # a link in a circle, or one of them is gone
        return False


def _ignored_reason(ignored: Counter[str]) -> str:
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common(5))
    more = ", …" if len(ignored) > 5 else ""
    number = ignored.total()
    files = "1 file is" if number == 1 else f"{number} files are"
    return f"{files} no media by name ({kinds}{more}); name a file itself to try it"
