import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from adapters.training.builtin import TINY, train_builtin  # noqa: E402
from eval.metrics import ranks_of_targets, recall_at_k  # noqa: E402

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "white": (240,) * 3}
NUM_PICTURES = 40


def recall(scores, targets, k):
    return recall_at_k(ranks_of_targets(scores, targets), k)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "train").mkdir()
    rng = np.random.default_rng(0)
    with (folder / "captions.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["image", "caption"])
        for number in range(NUM_PICTURES):
            word = list(COLOURS)[number % len(COLOURS)]
            pixels = np.array(COLOURS[word]) + rng.integers(-15, 15, (64, 64, 3))
            name = f"{number:03}.jpg"
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(folder / "train" / name)
            writer.writerow([name, f"a {word} wall ."])
            writer.writerow([name, f"something {word} ."])
    return folder


def test_trains_and_writes_a_complete_encoder(data_dir, tmp_path):
    seen = []
    out = tmp_path / "encoder"
    figures = train_builtin(
        data_dir,
        out,
        config=TINY,
        recall=recall,
        progress=lambda stage, done, total, figures: seen.append((stage, done, total)),
    )
    assert figures["logit_scale"] > 0
    assert {"cache train", "heads", "towers", "measure"} <= {stage for stage, _, _ in seen}
    names = {path.name for path in out.iterdir()}
    assert names >= {"manifest.json", "image.onnx", "text_en.onnx", "text_multilingual.onnx"}
