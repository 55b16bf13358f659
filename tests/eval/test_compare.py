from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.compare import Comparison, Side, compare_encoders
from eval.compare_queries import PLAIN_QUERIES, Query, library_queries
from retrieval.catalog import Catalog
from retrieval.catalog_sets import SetRow
from retrieval.errors import EncoderMismatchError, InvalidInputError, OperationCancelled
from retrieval.label_types import Label, LabelledGroup
from retrieval.media.thumbnails import jpeg_thumbnail
from retrieval.types import FloatArray, Segment
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film, colour

COLOURS = ["red", "green", "blue", "red", "bright", "dark"]
LINES = [(0.1, 1.9, "a red car in the street"), (2.1, 3.9, "oh"), (4.1, 5.9, "blue water below")]


class Confused(FakeEncoder):
    """Takes green for red in pictures."""

    def _encode_image_batch(self, images: "list[np.ndarray]") -> FloatArray:  # type: ignore[override]
        return super()._encode_image_batch([image[:, :, [1, 0, 2]] for image in images])


OLD, NEW = FakeEncoder(), Confused("fake:confused/v1")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as made:
        add_film(made, OLD, "one", COLOURS, lines=LINES)
        (video,) = made.videos()
        shots = made.shots(video.video_id)
        vectors = NEW.encode_images([colour(name) for name in COLOURS])
        made.add_to_set(NEW.id, SetRow(video.video_id, shots[0].shot_id, vectors, [0], "films"))
        with made._transaction() as (connection, _):
            connection.executemany(
                "UPDATE thumbnails SET jpeg = ? WHERE shot_id = ?",
                [
                    (jpeg_thumbnail(colour(name)), shot.shot_id)
                    for name, shot in zip(COLOURS, shots, strict=True)
                ],
            )
        labels = [
            Label("tint", "red", video.video_id, shots[place].segment) for place in (0, 3)
        ] + [Label("tint", "gone", "vnowhere", Segment(0.0, 1.0))]
        made.add_labels([LabelledGroup("tint", "one_of", ("red", "gone", "never"))], labels)
        yield made


def ids_of(catalog: Catalog) -> list[int]:
    return [shot.shot_id for shot in catalog.shots(catalog.videos()[0].video_id)]


def test_both_answer_and_labels_judge(catalog: Catalog) -> None:
    red = Query("text", "red", text="red", right=frozenset({ids_of(catalog)[0], 99_999}))
    found = compare_encoders(OLD, NEW, [red], catalog=catalog, k=1, backend="exact")
    first, second, *_ = ids_of(catalog)
    (side,) = found.sides
    assert [one for one, _ in side.old] == [first]
    assert [one for one, _ in side.new] == [second]  # green, which it takes for red
    assert side.query.right == {first}  # what is not searched cannot be found
    assert side.recall == (1.0, 0.0)
    assert side.overlap == 0.0
    assert min(side.seconds) > 0
    row = found.table().to_dict()["rows"][0]  # type: ignore[index]
    assert (row["num_queries"], row["num_labelled"], row["recall_old"]) == (1, 1, 1.0)
    assert found.to_dict()["queries"][0]["recall"] == {"old": 1.0, "new": 0.0}
    assert found.to_dict()["encoders"]["new"]["name"] == "fake:confused/v1"


def side(old: list[int], new: list[int], right: set[int]) -> Side:
    query = Query("text", "x", text="x", right=frozenset(right))
    return Side(query, *(tuple((one, 0.5) for one in ids) for ids in (old, new)), (0.1, 0.2))  # type: ignore[arg-type, call-arg]


def test_overlap_and_recall_by_hand() -> None:
    one = side([1, 2, 3, 4], [3, 4, 5, 6], {1, 3})
    assert one.overlap == 0.5
    assert one.recall == (1.0, 0.5)
    assert side([1, 2], [1, 2], set(range(1, 9))).recall == (1.0, 1.0)  # room for two
    assert side([1, 2], [1, 2], set()).recall is None
    assert side([], [], {1}).recall == (0.0, 0.0)
    assert side([], [], set()).overlap == 0.0
    found = Comparison((OLD.id, NEW.id), 4, 6, 1, (one, side([1], [2], set())), "exact")
    table = found.table()
    assert table.value(0, "overlap") == 0.25
    assert table.value(0, "recall_old") == 1.0
    assert table.value(0, "milliseconds_new") == 200.0
    assert "1 shots have a vector of one encoder alone" in "\n".join(table.notes)
    assert "says nothing" not in table.text()
    assert "says nothing" in replace(found, num_shots=4).table().text()


def test_the_queries_of_a_library(catalog: Catalog) -> None:
    queries = library_queries(catalog)
    kinds = [query.kind for query in queries]
    ids = ids_of(catalog)
    (label,) = [query for query in queries if query.kind == "label"]
    assert (label.text, label.right) == ("red", frozenset({ids[0], ids[3]}))
    assert [query.text for query in queries if query.kind == "subtitle"] == [
        "a red car in the street",
        "blue water below",
    ]
    assert kinds.count("plain") == len(PLAIN_QUERIES)
    shots = [query for query in queries if query.kind == "shot"]
    assert [query.shot_id for query in shots] == [ids[0], ids[3], *ids[1:3], *ids[4:]]
    assert shots[0].right == {ids[3]}
    assert shots[2].right == frozenset()
    found = compare_encoders(OLD, OLD_AGAIN, queries, catalog=copied(catalog), backend="exact")
    assert [row[0] for row in found.table().rows] == [
        "names of labels", "subtitle lines", "plain words", "example shots", "all",
    ]  # fmt: skip
    example = next(one for one in found.sides if one.query.kind == "shot")
    assert example.query.shot_id not in {shot_id for shot_id, _ in example.old}
    assert example.old[0][0] == ids[3]
    assert found.table().value(4, "overlap") == 1.0


OLD_AGAIN = FakeEncoder("fake:again/v1")


def copied(catalog: Catalog) -> Catalog:
    """The same vectors under another name."""
    (video,) = catalog.videos()
    ids, vectors = catalog.set_vectors(OLD.id)
    catalog.add_to_set(OLD_AGAIN.id, SetRow(video.video_id, int(ids[0]), vectors, [0], "films"))
    return catalog


def test_what_cannot_be_compared_is_refused(catalog: Catalog) -> None:
    red = [Query("text", "red", text="red")]
    with pytest.raises(InvalidInputError, match="two encoders"):
        compare_encoders(OLD, OLD, red, catalog=catalog)
    with pytest.raises(InvalidInputError, match="0 queries"):
        compare_encoders(OLD, NEW, [], catalog=catalog)
    with pytest.raises(InvalidInputError, match="expected one of"):
        compare_encoders(OLD, NEW, red, catalog=catalog, backend="magic")
    with pytest.raises(EncoderMismatchError):
        compare_encoders(OLD, OLD_AGAIN, red, catalog=catalog)
    with pytest.raises(OperationCancelled):
        compare_encoders(OLD, NEW, red, catalog=catalog, should_stop=lambda: True)
    with pytest.raises(InvalidInputError, match="words or a picture"):
        Query("text", "x")
