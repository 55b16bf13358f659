from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from retrieval.catalog import Catalog
from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.match import match
from retrieval.match_layout import Window
from retrieval.match_stills import StillSigns, still_probability
from retrieval.match_windows import Sight
from retrieval.media.frames import frame_at
from retrieval.media.limits import MediaLimits
from retrieval.types import MatchResult
from retrieval.vectors import FrameVectors
from tests import films
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_file

Picture = NDArray[np.uint8]
AT_SECONDS = 5.6


class Library:
    def __init__(self, path: Path) -> None:
        self.catalog = Catalog.open(path, create=True)
        self._encoder = FakeEncoder(layout_weight=3.0)
        self._copies = SearchCopyEncoder(self._encoder)
        self._vectors = FrameVectors(self.catalog, self._copies.id, backend="exact")

    def add(self, path: Path) -> None:
        add_file(self.catalog, self._encoder, path)

    def match(self, still: Path) -> MatchResult:
        return match(
            still,
            catalog=self.catalog,
            encoder=self._copies,
            vectors=self._vectors,
            limits=MediaLimits(),
        )


@pytest.fixture
def library(tmp_path: Path, world: Path, bikes: Path) -> Iterator[Library]:
    made = Library(tmp_path / "library")
    made.add(world)
    made.add(bikes)
    yield made
    made.catalog.close()


def saved(image: Picture, path: Path, quality: int = 40) -> Path:
    Image.fromarray(image).save(path, quality=quality)
    return path


def test_the_film_and_moment_of_a_still_are_told(
    library: Library, bikes: Path, tmp_path: Path
) -> None:
    image = frame_at(bikes, AT_SECONDS).image
    result = library.match(saved(image, tmp_path / "still.jpg"))
    best = result.matches[0]
    assert best.ref_video.path == bikes
    assert best.ref_segment.start_seconds - 0.3 <= AT_SECONDS <= best.ref_segment.end_seconds + 0.3
    assert not best.edit.is_flipped
    assert best.query_segment.end_seconds == 0.0
    assert best.evidence[0].ref_seconds == pytest.approx(AT_SECONDS, abs=0.6)
    assert result.query_seconds == 0.0
    assert "still image" in result.notes[0]


def test_a_still_of_another_film_and_a_black_one_match_nothing(
    library: Library, made_film: films.Film, carphone: Path, tmp_path: Path
) -> None:
    for number, image in enumerate(
        (
            frame_at(made_film.path, 1.0).image,
            frame_at(carphone, 1.0).image,
            np.zeros((180, 320, 3), dtype=np.uint8),
        )
    ):
        assert library.match(saved(image, tmp_path / f"{number}.jpg")).matches == ()


def test_one_picture_never_makes_certain() -> None:
    assert 0.95 < still_probability(StillSigns(1.0, 1.0)) <= 0.99
    assert still_probability(StillSigns(0.4, 0.2)) < 0.01


def test_an_unusual_way_to_lie_on_a_frame_must_agree_better() -> None:
    deep = Window(0.4, 0.0, 0.0)
    sights = Sight(), Sight(turn="mirror"), Sight(deep), Sight(turn="right"), Sight(deep, "half")
    plain, *others = [still_probability(StillSigns(0.88, 0.75, sight)) for sight in sights]
    assert plain == others[0] > 0.5
    assert plain > others[2] > others[1] > others[3]
    assert others[2] < 0.5
