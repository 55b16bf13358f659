from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.errors import EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.label_types import GroupKind, Label, LabelledGroup
from retrieval.teach import apply_adapter, teach
from retrieval.types import Segment
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import SHOT_SECONDS, add_film

FAST = "anchored-probe"
COLOURS = ("red", "green", "red", "green", "red", "green", "red", "green", "red", "green")


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def catalog(tmp_path: Path, encoder: FakeEncoder) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as made:
        add_film(made, encoder, "taught", COLOURS)
        add_film(made, encoder, "new", ("green", "red", "blue"))
        yield made


def say(
    catalog: Catalog,
    *names: str | None,
    kind: GroupKind = "one_of",
    classes: tuple[str, ...] = ("warm", "cold"),
    split: str | None = None,
) -> None:
    """Label the shots of the first film in their order; None leaves one out."""
    video_id = catalog.resolve_video("taught.mp4").video_id
    labels = [
        Label(
            "tint", name, video_id, Segment(place * SHOT_SECONDS, (place + 1) * SHOT_SECONDS),
            split=split,  # type: ignore[arg-type]
        )
        for place, name in enumerate(names)
        if name is not None
    ]  # fmt: skip
    catalog.add_labels([LabelledGroup("tint", kind, classes)], labels)


def test_learns_what_its_words_do_not_say(catalog: Catalog, encoder: FakeEncoder) -> None:
    say(catalog, *["warm", "cold"] * 5)
    lesson = teach("mine", "tint", catalog=catalog, encoder=encoder)
    assert lesson.num_shots == {"warm": 5, "cold": 5}
    assert lesson.version == 1
    assert lesson.folder == catalog.library / "adapters" / "mine" / "1"
    assert lesson.can_be_sure
    shots = apply_adapter("mine", "new.mp4", catalog=catalog, encoder=encoder)
    assert [shot.scores[0].label for shot in shots[:2]] == ["cold", "warm"]
    assert [shot.labels for shot in shots[:2]] == [("cold",), ("warm",)]
    assert [shot.shot_number for shot in shots] == [0, 1, 2]
    assert shots[0].examples[0] == "taught.mp4 2.0 s"


def test_versions_and_names(catalog: Catalog, encoder: FakeEncoder) -> None:
    say(catalog, *["warm", "cold"] * 5)
    for version in (1, 2):
        assert (
            teach("mine", "tint", catalog=catalog, encoder=encoder, adapter=FAST).version == version
        )
    assert apply_adapter("mine/1", "new.mp4", catalog=catalog, encoder=encoder)
    with pytest.raises(NotFoundError, match="there is: 1, 2"):
        apply_adapter("mine/7", "new.mp4", catalog=catalog, encoder=encoder)
    with pytest.raises(NotFoundError, match="sceneprint teach"):
        apply_adapter("other", "new.mp4", catalog=catalog, encoder=encoder)
    with pytest.raises(InvalidInputError, match="name/number"):
        apply_adapter("mine/new", "new.mp4", catalog=catalog, encoder=encoder)
    with pytest.raises(InvalidInputError, match="adapter name"):
        teach("../mine", "tint", catalog=catalog, encoder=encoder)


def test_several_classes_at_once(catalog: Catalog, encoder: FakeEncoder) -> None:
    say(catalog, *["warm", "cold"] * 5, kind="any_of")
    teach("mine", "tint", catalog=catalog, encoder=encoder, adapter=FAST, error_rate=0.2)
    shots = apply_adapter("mine", "new.mp4", catalog=catalog, encoder=encoder)
    assert [shot.scores[0].label for shot in shots[:2]] == ["cold", "warm"]


def test_labels_kept_for_the_test_are_not_learned(catalog: Catalog, encoder: FakeEncoder) -> None:
    say(catalog, *["warm", "cold"] * 2)
    say(catalog, None, None, None, None, "warm", "cold", split="test")
    lesson = teach("mine", "tint", catalog=catalog, encoder=encoder, adapter=FAST)
    assert lesson.num_shots == {"warm": 2, "cold": 2}
    assert not lesson.can_be_sure


def test_another_encoder_is_told_how_to_teach_again(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    say(catalog, *["warm", "cold"] * 5)
    teach("mine", "tint", catalog=catalog, encoder=encoder, adapter=FAST)
    other = FakeEncoder("fake:other")
    with pytest.raises(EncoderMismatchError, match="sceneprint teach mine --group tint"):
        apply_adapter("mine", "new.mp4", catalog=catalog, encoder=other)


def test_groups_that_teach_nothing(catalog: Catalog, encoder: FakeEncoder) -> None:
    with pytest.raises(NotFoundError, match="labels import"):
        teach("mine", "tint", catalog=catalog, encoder=encoder, adapter=FAST)
    say(catalog, "warm", classes=("warm",))
    with pytest.raises(InvalidInputError, match="at least 2"):
        teach("mine", "tint", catalog=catalog, encoder=encoder, adapter=FAST)
    say(catalog, "warm", classes=("warm", "cold"))
    with pytest.raises(InvalidInputError, match="no shot in the library for: cold"):
        teach("mine", "tint", catalog=catalog, encoder=encoder, adapter=FAST)
