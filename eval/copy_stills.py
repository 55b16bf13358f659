"""`sceneprint eval stills`: frames of films, edited, and which film and moment match names.

Half of the films go into a library. Stills of those must be found, with the right film and moment;
stills of the others show nothing that is there, so every match of them is false. The stills, their
edits and their places are drawn from a seed, so the same films give the same stills.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from eval.copy_bench import default_threshold
from eval.copy_sets import FILMS, told
from eval.table import Column, Table
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.media.frames import frame_at
from retrieval.media.probe import probe
from retrieval.types import Match, ProgressCallback

__all__ = ["EDITS", "Still", "draw_stills", "evaluate_stills", "films_in", "stills_table"]

Picture = NDArray[np.uint8]
Edit = Callable[[Picture, np.random.Generator], Picture]
SIDE = 320
"""Pixels of the long side of a still before its edit."""
EDGE_SECONDS = 1.0
"""At either end of a film where no still is taken: fades."""
NEAR_SECONDS = 1.0
COLUMNS = (
    Column("edit", "Edit"),
    Column("stills", "Stills", "d"),
    Column("found", "Right film", "d"),
    Column("near", f"Moment within {NEAR_SECONDS:g} s", "d"),
    Column("false", "False", "d"),
    Column("highest_false", "Highest false", ".2f"),
)


def _jpeg(image: Picture, quality: int) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def _small(image: Picture, _rng: np.random.Generator) -> Picture:
    return np.asarray(Image.fromarray(image).resize((160, 90)))


def _captioned(image: Picture, _rng: np.random.Generator) -> Picture:
    """A black band with words over the lower part."""
    picture = Image.fromarray(image)
    draw, width, height = ImageDraw.Draw(picture), picture.width, picture.height
    draw.rectangle((0, int(0.8 * height), width, int(0.92 * height)), fill=(0, 0, 0))
    place, size = (20, int(0.82 * height)), max(8.0, 0.09 * height)
    draw.text(place, "BREAKING: SAMPLE", fill=(255, 255, 255), font_size=size)
    return np.asarray(picture)


def _cropped(share: float) -> Edit:
    def crop(image: Picture, rng: np.random.Generator) -> Picture:
        height, width = image.shape[:2]
        across, down = rng.random(2) * (1 - share)
        top, left = int(down * height), int(across * width)
        part = image[top : top + int(share * height), left : left + int(share * width)]
        return np.ascontiguousarray(part)

    return crop


def _mirrored(image: Picture, _rng: np.random.Generator) -> Picture:
    return np.ascontiguousarray(image[:, ::-1])


def _chain(image: Picture, rng: np.random.Generator) -> Picture:
    return _jpeg(_cropped(0.75)(_mirrored(image, rng), rng), 40)


EDITS: Mapping[str, Edit] = MappingProxyType(
    {
        "none": lambda image, _rng: image,
        "JPEG 20": lambda image, _rng: _jpeg(image, 20),
        "mirrored": _mirrored,
        "160 x 90": _small,
        "caption": _captioned,
        "crop to 80 %": _cropped(0.8),
        "crop to 60 %": _cropped(0.6),
        "mirrored, crop to 75 %, JPEG 40": _chain,
    }
)


@dataclass(frozen=True)
class Still:
    """One frame of one film, and what is done to it."""

    film: Path
    seconds: float
    edit: str


def films_in(folder: Path) -> list[Path]:
    """The films of a folder, or of the references of a benchmark in it.

    Raises:
        NotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise NotFoundError(f"got {folder}, which is not a folder; give a folder of films")
    home = folder / "reference" if (folder / "reference").is_dir() else folder
    return sorted(path for path in home.iterdir() if path.suffix.lower() in FILMS)


def draw_stills(films: Sequence[Path], *, count: int, seed: int) -> list[Still]:
    """Draw stills: edits and films in turn, moments at random.

    Raises:
        InvalidInputError: There are no films, or none is long enough.
        MediaError: A film cannot be read.
    """
    rng = np.random.default_rng(seed)
    lengths = {film: probe(film).duration_seconds for film in sorted(films)}
    usable = [film for film, seconds in lengths.items() if seconds > 3 * EDGE_SECONDS]
    if not usable:
        raise InvalidInputError(
            f"got {len(films)} films, none longer than {3 * EDGE_SECONDS:g} s; give longer ones"
        )
    edits = list(EDITS)
    stills = []
    for number in range(count):
        film = usable[number // len(edits) % len(usable)]
        seconds = rng.uniform(EDGE_SECONDS, lengths[film] - 2 * EDGE_SECONDS)
        stills.append(Still(film, float(seconds), edits[number % len(edits)]))
    return stills


def evaluate_stills(
    films: Sequence[Path],
    engine: Engine,
    *,
    folder: Path,
    count: int = 120,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Table:
    """Match stills of films that are in a library, and of as many that are not.

    Args:
        films: At least two; every other one goes into the library.
        engine: Over an empty library.
        folder: Where the stills may be written while they are matched.
        count: Stills of each half.
        seed: Of the draw.
        progress: Told in stills.
        should_stop: Asked between stills.

    Raises:
        InvalidInputError: Too few films.
        MediaError: A film cannot be read.
        OperationCancelled: `should_stop` said so.
    """
    if len(films) < 2:
        raise InvalidInputError(f"got {len(films)} films, expected at least 2: half are left out")
    inside, outside = sorted(films)[::2], sorted(films)[1::2]
    if engine.ingest(inside, progress=progress, should_stop=should_stop).was_cancelled:
        raise OperationCancelled("stopped while bringing in the films")
    stills = draw_stills(inside, count=count, seed=seed)
    stills += draw_stills(outside, count=count, seed=seed + 1)
    rng = np.random.default_rng(seed)
    paths: dict[str, Path] = {}
    for number, still in enumerate(stills):
        picture = EDITS[still.edit](frame_at(still.film, still.seconds, max_side=SIDE).image, rng)
        paths[f"{number:05d}"] = folder / f"{number:05d}.png"
        Image.fromarray(picture).save(paths[f"{number:05d}"])
    found = [
        engine.match(path, min_score=0.0).matches
        for _, path in told(paths, "match", progress, should_stop)
    ]
    return stills_table(stills, found, present=set(inside), threshold=default_threshold())


def stills_table(
    stills: Sequence[Still],
    found: Sequence[Sequence[Match]],
    *,
    present: set[Path],
    threshold: float,
) -> Table:
    """Count what was found.

    Args:
        stills: What was asked.
        found: For each still, its matches of any score, best first.
        present: The films of the library.
        threshold: From which a match counts.
    """
    rows = []
    for edit in EDITS:
        chosen = [place for place, still in enumerate(stills) if still.edit == edit]
        asked = [place for place in chosen if stills[place].film in present]
        right = {place: _right(stills[place], found[place], threshold) for place in asked}
        false = [
            match.score
            for place in chosen
            for match in found[place]
            if match.ref_video.path != stills[place].film
        ]
        near = [match for match in right.values() if match is not None]
        rows.append(
            (
                edit,
                len(asked),
                len(near),
                sum(_is_near(stills[place], match) for place, match in right.items()),
                sum(score >= threshold for score in false),
                max(false, default=0.0),
            )
        )
    absent = sum(still.film not in present for still in stills)
    notes = (
        f"A match counts from a score of {threshold:g}. False are matches with another film, of "
        f"these stills and of {absent} more, in equal parts of each edit, whose films are not "
        "there.",
    )
    return Table("Stills of films", COLUMNS, tuple(rows), notes)


def _right(still: Still, found: Sequence[Match], threshold: float) -> Match | None:
    """The best match with the still's own film that counts."""
    own = [match for match in found if match.ref_video.path == still.film]
    return next((match for match in own if match.score >= threshold), None)


def _is_near(still: Still, match: Match | None) -> bool:
    if match is None:
        return False
    shown = match.ref_segment
    return shown.start_seconds - NEAR_SECONDS <= still.seconds <= shown.end_seconds + NEAR_SECONDS
