"""Label files that were cut, garbled or spliced: an error of ours or labels, nothing else."""

import json
import random
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.errors import SceneprintError
from retrieval.label_book import LabelBook
from tests.retrieval.label_files import samples

FILES = {
    "a.xml": samples.CVAT,
    "b.xml": samples.VOC,
    "c.json": json.dumps(samples.COCO, indent=1),
    "d.csv": samples.CSV,
    "night.jsonl": samples.JSONL,
    "set/night_7.txt": "1 0.75 0.5 0.5 1\n0 0.25 0.5 0.5 1\n",
    "set/data.yaml": "names:\n  0: bike\n  1: dog\n",
}
NUM_TRIALS = 60
PIECES = (
    "",
    "-1",
    "1e309",
    "NaN",
    "null",
    "\0",
    "[[[[",
    '"',
    "<a>",
    "&b;",
    "\n",
    "9" * 5000,
    "é",
    ",",
)


def damaged(text: str, rng: random.Random) -> bytes:
    data = text
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 3, 40)))
        data = data[:start] + rng.choice(PIECES) + data[end:]
    raw = data.encode()
    return raw[: rng.randrange(len(raw) + 1)] if rng.random() < 0.2 else raw


@pytest.mark.parametrize("name", FILES)
def test_no_other_error_leaves(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    for other in ("set/night_7.txt", "set/data.yaml"):
        samples.write(tmp_path, other, FILES[other])
    path = tmp_path / name
    messages = ["none"]
    with Catalog.open(tmp_path / "library", create=True) as catalog:
        catalog.add_video(samples.film("night.mp4"))
        book = LabelBook(catalog)
        for _ in range(NUM_TRIALS):
            path.write_bytes(damaged(FILES[name], rng))
            try:
                book.import_from(path.parent if path.parent.name == "set" else path)
            except SceneprintError as exc:
                messages.append(str(exc))
    assert max(map(len, messages)) < 8_000
