"""A library of five made films with labels, two of them the same footage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.catalog import Catalog
from retrieval.label_types import GroupKind, Label, LabelledGroup
from retrieval.types import FloatArray, Segment
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import SHOT_SECONDS, add_film

__all__ = ["HOSTILE", "NoisyEncoder", "five_films", "say"]

COLOURS = ("red", "green", "red", "green", "red", "green")
HOSTILE = "<script>alert(1)</script>"


class NoisyEncoder(FakeEncoder):
    """No two pictures alike, as in films; every film of one seed is the same footage."""

    seed = 0

    def encode_images(self, images: Sequence[object], **options: object) -> FloatArray:  # type: ignore[override]
        plain = super().encode_images(images)  # type: ignore[arg-type]
        noise = np.random.default_rng(self.seed).normal(0, 0.25, plain.shape)
        rows = plain + noise
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def five_films(
    path: Path, encoder: NoisyEncoder, *, loudness: Sequence[float | None] | None = None
) -> Catalog:
    """The library; whoever asked closes it. `loudness` is that of the shots of every film."""
    made = Catalog.open(path, create=True)
    for number in range(5):
        encoder.seed = min(number, 3)  # the last two are the same footage
        add_film(made, encoder, f"film{number}", COLOURS, loudness=loudness)
    return made


def say(
    catalog: Catalog, films: Sequence[int], kind: GroupKind = "one_of", second: str = HOSTILE
) -> None:
    """Label the shots of these films, warm and the second class in turn."""
    labels = []
    for film in films:
        video_id = catalog.resolve_video(f"film{film}.mp4").video_id
        for place, name in enumerate(["warm", second] * 3):
            segment = Segment(place * SHOT_SECONDS, (place + 1) * SHOT_SECONDS)
            labels.append(Label("tint", name, video_id, segment))
    classes = tuple(dict.fromkeys(("warm", second)))
    catalog.add_labels([LabelledGroup("tint", kind, classes)], labels)
