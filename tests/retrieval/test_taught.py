from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_sets import SetRow
from retrieval.errors import EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.label_types import Label, LabelledGroup
from retrieval.taught import TaughtShot, apply_adapter
from retrieval.teach import Lesson, teach
from retrieval.types import Segment
from tests.fakes import FakeEncoder, FakeSoundEncoder
from tests.films import flat_shot, tone, write_film
from tests.retrieval.libraries import SHOT_SECONDS, add_film

KINDS = {"alarm": ("red", 0.9), "play": ("red", 0.1), "storm": ("blue", 0.9), "rest": ("blue", 0.1)}
"""Class -> what is seen and heard: neither knows it alone."""


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def catalog(tmp_path: Path, encoder: FakeEncoder) -> Iterator[Catalog]:
    names = [*KINDS] * 3
    with Catalog.open(tmp_path / "library", create=True) as made:
        add_film(
            made, encoder, "taught", [KINDS[name][0] for name in names],
            loudness=[KINDS[name][1] for name in names],
            lines=[(0.1, 1.9, "red")],
        )  # fmt: skip
        add_film(
            made, encoder, "new", ("red", "red", "blue", "blue"), loudness=(0.9, 0.1, 0.9, None)
        )
        add_film(made, encoder, "silent", ("red", "blue"))
        video_id = made.resolve_video("taught.mp4").video_id
        labels = [
            Label("kind", name, video_id, Segment(place * SHOT_SECONDS, (place + 1) * SHOT_SECONDS))
            for place, name in enumerate(names)
        ]
        made.add_labels([LabelledGroup("kind", "one_of", tuple(KINDS))], labels)
        yield made


def lesson(catalog: Catalog, encoder: FakeEncoder, **options: object) -> Lesson:
    return teach("mine", "kind", catalog=catalog, encoder=encoder, **options)  # type: ignore[arg-type]


def answers(catalog: Catalog, encoder: FakeEncoder, film: object) -> list[TaughtShot]:
    return apply_adapter("mine", film, catalog=catalog, encoder=encoder)  # type: ignore[arg-type]


def test_picture_and_sound_together(catalog: Catalog, encoder: FakeEncoder) -> None:
    made = lesson(catalog, encoder)
    assert made.modalities == ("picture", "sound")  # one shot with words teaches none
    assert made.figures["cross_fitted_accuracy"] == 1.0
    assert made.figures["cross_fitted_accuracy_picture"] < 0.7
    shots = answers(catalog, encoder, "new.mp4")
    assert [shot.scores[0].label for shot in shots[:3]] == ["alarm", "play", "storm"]
    assert set(shots[0].decided) == {"picture", "sound"}
    assert sum(shots[0].decided.values()) == pytest.approx(1.0)
    assert shots[3].decided == {"picture": 1.0}
    assert shots[0].examples[0].startswith("taught.mp4")


def test_a_silent_film_is_answered_with_more_doubt(catalog: Catalog, encoder: FakeEncoder) -> None:
    lesson(catalog, encoder)
    for shot in answers(catalog, encoder, "silent.mp4"):
        assert shot.decided == {"picture": 1.0}
        assert shot.labels is None
        best = {one.label for one in shot.scores[:2]}
        assert best in ({"alarm", "play"}, {"storm", "rest"})


def test_one_modality_makes_the_adapter_of_before(catalog: Catalog, encoder: FakeEncoder) -> None:
    made = lesson(catalog, encoder, modalities=["picture"], adapter="anchored-probe")
    assert '"version": 1' in (made.folder / "manifest.json").read_text(encoding="utf-8")
    assert answers(catalog, encoder, "new.mp4")[0].decided == {"picture": 1.0}
    heard = lesson(catalog, encoder, modalities=["sound"])
    assert heard.modalities == ("sound",)
    assert answers(catalog, encoder, "silent.mp4")[0].decided == {}
    assert answers(catalog, encoder, "silent.mp4")[0].labels is None


def test_a_film_outside_of_the_library(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    lesson(catalog, encoder)
    path = write_film(
        tmp_path / "outside.mp4", [*flat_shot("red", 25), *flat_shot("blue", 25)], gop=25
    )
    before = catalog.generation()
    shots = answers(catalog, encoder, path)
    assert {one.label for one in shots[0].scores[:2]} == {"alarm", "play"}
    assert shots[0].decided == {"picture": 1.0}
    assert catalog.generation() == before
    with pytest.raises(NotFoundError, match="neither a file nor a video"):
        answers(catalog, encoder, tmp_path / "none.mp4")


def test_the_sound_of_a_film_outside_is_heard_by_the_same_encoder(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    lesson(catalog, encoder)
    loud = tone(2.0) * 1.9
    path = write_film(tmp_path / "loud.mp4", flat_shot("red", 50), sound=loud)
    options = {"catalog": catalog, "encoder": encoder}
    ears = FakeSoundEncoder()
    (shot,) = apply_adapter("mine", path, load_sound_encoder=lambda: ears, **options)  # type: ignore[arg-type]
    assert set(shot.decided) == {"picture", "sound"}
    assert shot.scores[0].label == "alarm"
    ears.hash = "0" * 64
    with pytest.raises(EncoderMismatchError, match="sound-encoder"):
        apply_adapter("mine", path, load_sound_encoder=lambda: ears, **options)  # type: ignore[arg-type]


def test_a_film_left_out_of_a_change_of_encoder_is_told(
    catalog: Catalog, encoder: FakeEncoder
) -> None:
    other = FakeEncoder("fake:other/v1")
    for video in catalog.videos():
        if video.name != "silent.mp4":
            ids, vectors = catalog.shot_vectors(encoder.id, video.video_id)
            row = SetRow(video.video_id, int(ids[0]), vectors, [0], "films")
            catalog.add_to_set(other.id, row)
        else:
            silent = video.video_id
    catalog.use_set(other.id, without=[silent])
    lesson(catalog, other, modalities=["picture"], adapter="anchored-probe")
    assert answers(catalog, other, "new.mp4")
    with pytest.raises(
        NotFoundError, match=r"silent\.mp4 has no vectors .* reindex --encoder fake"
    ):
        answers(catalog, other, "silent.mp4")
    segment = Segment(0.0, SHOT_SECONDS)
    group = LabelledGroup("kind", "one_of", tuple(KINDS))
    catalog.add_labels([group], [Label("kind", "alarm", silent, segment)])
    assert lesson(catalog, other, modalities=["picture"]).num_shots["alarm"] == 3  # not the fourth


def test_bad_options_and_other_encoders(catalog: Catalog, encoder: FakeEncoder) -> None:
    with pytest.raises(InvalidInputError, match="expected one of attention"):
        lesson(catalog, encoder, fusion="magic")
    with pytest.raises(InvalidInputError, match="expected a linear one"):
        lesson(catalog, encoder, adapter="nearest")
    with pytest.raises(InvalidInputError, match="which has none of its own"):
        lesson(catalog, encoder, adapter="anchored-probe", fusion="early")
    lesson(catalog, encoder)
    with pytest.raises(EncoderMismatchError, match="sceneprint teach mine --group kind"):
        answers(catalog, FakeEncoder("fake:other"), "new.mp4")
