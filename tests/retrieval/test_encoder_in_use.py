import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_sets import SetRow
from retrieval.encoder_in_use import EncoderInUse, Sight
from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.copy_base import CopyEncoder
from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.engine import Engine
from retrieval.errors import EncoderMismatchError, NotFoundError
from retrieval.reindex import reindex
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film, colour

OLD, NEW = FakeEncoder(), FakeEncoder("fake:new/v1", layout_weight=1.0)
COLOURS = ["red", "green", "blue"]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as opened:
        add_film(opened, OLD, "one", COLOURS)
        yield opened


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> dict[str, PictureTextEncoder]:
    """What `load_encoder` loads, by name."""
    known: dict[str, PictureTextEncoder] = {one.name: one for one in (OLD, NEW)}
    monkeypatch.setattr("retrieval.encoders.load_encoder", lambda name, **_: known[name])
    return known


def change(catalog: Catalog, *, prune: bool = False) -> None:
    """Change the library to the other encoder, as another process would."""
    with Catalog.open(catalog.library) as other:
        (video,) = other.videos()
        first = other.shots(video.video_id)[0].shot_id
        vectors = NEW.encode_images([colour(name) for name in COLOURS])
        other.add_to_set(NEW.id, SetRow(video.video_id, first, vectors, [0, 1, 2], "films"))
        other.use_set(NEW.id)
        if prune:
            other.drop_set(OLD.id)


def in_use(
    catalog: Catalog,
    load: Callable[[str], PictureTextEncoder],
    *,
    given: PictureTextEncoder | str | None = OLD,
) -> EncoderInUse:
    return EncoderInUse(catalog, given=given, load=load, backend="exact")


def wait_for(sight: Callable[[], Sight], encoder: PictureTextEncoder) -> Sight:
    deadline = time.monotonic() + 10
    while sight().encoder is not encoder:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return sight()


def best(sight: Sight) -> int:
    return int(sight.vectors.search(sight.encoder.encode_texts(["red"]), 1)[1][0, 0])


@pytest.mark.parametrize("prune", [False, True])
def test_questions_go_on_with_the_old_until_the_new_is_loaded(
    catalog: Catalog, prune: bool
) -> None:
    may_load = threading.Event()

    def load(name: str) -> PictureTextEncoder:
        assert name == NEW.name
        assert may_load.wait(10)
        return NEW

    use = in_use(catalog, load)
    red = best(use.at_once())
    change(catalog, prune=prune)
    for _ in range(3):
        old = use.at_once()
        assert (old.encoder, best(old)) == (OLD, red)
    waiting = threading.Thread(target=lambda: seen.append(use.current().encoder))
    seen: list[PictureTextEncoder] = []
    waiting.start()
    may_load.set()
    waiting.join()
    assert seen == [NEW]  # what writes waits for the new one
    new = wait_for(use.at_once, NEW)
    assert best(new) == red
    assert best(old) == red  # a question that began before ends as it began


def test_a_question_whose_vectors_went_is_asked_anew(catalog: Catalog) -> None:
    use = in_use(catalog, lambda name: NEW)
    asked: list[PictureTextEncoder] = []

    def question(sight: Sight) -> int:
        asked.append(sight.encoder)
        if len(asked) == 1:  # before the index was ever read
            change(catalog, prune=True)
        return best(sight)

    assert use.answer(question) == catalog.shots(catalog.videos()[0].video_id)[0].shot_id
    assert asked == [OLD, NEW]


def test_what_is_not_named_is_that_of_the_library(catalog: Catalog, tmp_path: Path) -> None:
    names: list[str] = []

    def load(name: str) -> PictureTextEncoder:
        names.append(name)
        return OLD

    assert in_use(catalog, load, given=None).current().encoder is OLD
    with Catalog.open(tmp_path / "empty", create=True) as empty:
        in_use(empty, load, given=None).current()
    assert names == [OLD.name, "builtin"]


def test_one_that_is_not_where_it_was_is_told(catalog: Catalog) -> None:
    def load(name: str) -> PictureTextEncoder:
        raise NotFoundError(f"no folder {name}")

    moved = replace(OLD.id, spec="onnx:/away")
    catalog.note_spec(moved)
    with pytest.raises(
        NotFoundError, match=r"uses the encoder fake:colour/v1.*--encoder"
    ) as caught:
        in_use(catalog, load, given=None).at_once()
    assert "cannot be loaded as onnx:/away: no folder onnx:/away" in str(caught.value)
    engine_encoder = FakeEncoder()
    engine_encoder.spec = "onnx:/here"
    reindex(engine_encoder, catalog=catalog)  # nothing to embed: it notes the new place
    known = catalog.encoder()
    assert known is not None
    assert known.spec == "onnx:/here"


def test_another_that_was_named_is_refused_also_where_its_vectors_are_kept(
    catalog: Catalog,
) -> None:
    change(catalog)
    use = in_use(catalog, lambda name: NEW, given=OLD)
    with pytest.raises(EncoderMismatchError, match="use --encoder fake:new/v1 here"):
        use.at_once()
    assert use.current().encoder is OLD  # for work that needs no vectors


def test_one_that_cannot_be_loaded_leaves_the_old_while_it_is_kept(
    catalog: Catalog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def load(name: str) -> PictureTextEncoder:
        tries.append(name)
        raise NotFoundError("no weights")

    use = in_use(catalog, load)
    use.current()
    with caplog.at_level(logging.ERROR):
        change(catalog)
        with pytest.raises(NotFoundError, match="no weights"):
            use.current()
        assert use.at_once().encoder is OLD
        assert use.at_once().encoder is OLD
    assert "fake:new/v1 cannot be loaded: " in caplog.text
    assert "no weights" in caplog.text
    assert len(tries) == 1
    monkeypatch.setattr("retrieval.encoder_in_use.RETRY_SECONDS", 0.0)
    with pytest.raises(NotFoundError):
        use.current()
    assert len(tries) == 2
    with Catalog.open(catalog.library) as other:
        other.drop_set(OLD.id)
    monkeypatch.setattr("retrieval.encoder_in_use.RETRY_SECONDS", 1e9)
    with pytest.raises(NotFoundError):
        use.at_once()


def test_weights_that_changed_since_are_refused(catalog: Catalog) -> None:
    changed = FakeEncoder(NEW.name)
    use = in_use(catalog, lambda name: changed)
    use.current()
    change(catalog)
    with pytest.raises(EncoderMismatchError, match="weights or their preprocessing changed"):
        use.current()


def test_searches_see_no_error_while_the_encoder_changes(
    catalog: Catalog, named: dict[str, PictureTextEncoder]
) -> None:
    errors: list[BaseException] = []
    done = threading.Event()

    def keep_searching(engine: Engine) -> None:
        while not done.is_set():
            try:
                assert engine.search(text="red", k=1)[0].number == 0
            except BaseException as exc:
                errors.append(exc)
                return

    with Engine(catalog.library, index="exact") as engine:
        threads = [threading.Thread(target=keep_searching, args=(engine,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        change(catalog, prune=True)
        wait_for(engine.sight, NEW)
        done.set()
        for thread in threads:
            thread.join()
        assert errors == []
        assert engine.encoder is NEW
        assert engine.shot_vectors.refresh().dim == NEW.dim
        assert engine.info().index_state == "current"


def test_a_bank_keeps_its_own(catalog: Catalog, named: dict[str, PictureTextEncoder]) -> None:
    with Engine(catalog.library) as engine:
        with engine.bank("logos", create=True) as bank:
            assert bank.encoder is OLD
            add_film(bank.catalog, OLD, "logo", ["red"])
        change(catalog)
        assert engine.encoder is NEW
        with engine.bank("logos") as bank:
            assert bank.encoder is OLD
        with engine.bank("intros", create=True) as bank:
            assert bank.encoder is NEW


def test_the_copy_encoder_stays_where_the_search_encoder_brought_one(
    catalog: Catalog, named: dict[str, PictureTextEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def load(name: str, **options: object) -> CopyEncoder:
        names.append(name)
        return SearchCopyEncoder(OLD)

    monkeypatch.setattr("retrieval.encoders.copy_registry.load_copy_encoder", load)
    with catalog._transaction() as (connection, _):
        connection.execute("UPDATE encoders SET spec = 'builtin:/there' WHERE kind = 'copy'")
    with Engine(catalog.library) as engine:
        assert engine.copy_encoder.id == OLD.id  # the second output of its own
    change(catalog)
    with Engine(catalog.library) as engine:
        assert engine.encoder is NEW
        assert engine.copy_encoder.id == OLD.id
    assert names == ["builtin:/there"]
