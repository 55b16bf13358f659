"""Banks of known non-matches: names, what they explain, and the libraries that they are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.banks import bank_path, without_known
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.match_reading import Suspect, open_suspect
from retrieval.media.limits import MediaLimits
from retrieval.types import Match, MatchResult, Segment
from tests import films
from tests.app import made
from tests.fakes import FakeEncoder


def _at(start: float, end: float) -> Match:
    return replace(made.match(), query_segment=Segment(start, end))


def _result(*matches: Match) -> MatchResult:
    return MatchResult(Path("q.mp4"), 60.0, matches, notes=("a note",))


def test_a_match_that_a_bank_covers_by_half_is_left_out() -> None:
    copied, known = _at(20.0, 30.0), _at(0.0, 10.0)
    found = without_known(_result(copied, known), {"logos": [_at(0.0, 3.0), _at(2.0, 5.0)]})
    assert found.matches == (copied,)
    assert found.notes == ("a note", "1 match was left out: known from the bank logos")


def test_a_match_that_a_bank_covers_by_less_stays() -> None:
    match = _at(0.0, 10.0)
    assert without_known(_result(match), {"logos": [_at(0.0, 4.9)], "other": []}) == _result(match)


def test_pieces_that_overlap_count_once() -> None:
    match = _at(0.0, 10.0)
    pieces = [_at(0.0, 4.0), _at(1.0, 4.0), _at(2.0, 3.0)]
    assert without_known(_result(match), {"logos": pieces}).matches == (match,)


def test_known_pictures_do_not_excuse_the_sound_over_them() -> None:
    match = replace(_at(0.0, 10.0), modalities=("picture", "sound"))
    pictures, sound = _at(0.0, 10.0), replace(_at(2.0, 9.0), modalities=("sound",))
    assert without_known(_result(match), {"logos": [pictures]}).matches == (match,)
    assert without_known(_result(match), {"logos": [pictures, sound]}).matches == ()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "-x", "a" * 65, "a.b", "a\n"])
def test_names_are_never_paths(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="name of a bank"):
        bank_path(tmp_path, name)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, made_film: films.Film) -> Iterator[Engine]:
    library = tmp_path_factory.mktemp("banks") / "library"
    with Engine(library, encoder=FakeEncoder(layout_weight=1.0), create=True) as engine:
        engine.ingest([made_film.path])
        yield engine


def test_a_bank_is_made_consulted_and_removed(
    engine: Engine, made_film: films.Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path, *, limits: MediaLimits) -> Suspect:
        read.append(path)
        return open_suspect(path, limits=limits)

    assert engine.banks() == []
    assert engine.match(made_film.path).matches
    with engine.bank("片头", create=True) as bank:
        bank.ingest([made_film.path])
    assert [(info.name, info.num_videos) for info in engine.banks()] == [("片头", 1)]

    monkeypatch.setattr("retrieval.match_description.open_suspect", counted)
    found = engine.match(made_film.path)
    assert read == [made_film.path]  # once, for the library and the bank
    assert found.matches == ()
    assert "left out: known from the bank 片头" in found.notes[-1]
    assert engine.match(made_film.path, banks=[]).matches

    with pytest.raises(NotFoundError, match="banks: 片头"):
        engine.match(made_film.path, banks=["logos"])
    assert engine.remove_bank("片头").num_videos == 1
    assert engine.match(made_film.path).matches
    with pytest.raises(NotFoundError, match="none yet"):
        engine.remove_bank("片头")
