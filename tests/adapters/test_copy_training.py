import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from adapters.training.copy import (  # noqa: E402
    BaseEncoder,
    CopyConfig,
    train_adapter,
    train_copy_output,
)
from adapters.training.copy_cache import cache_copy_features  # noqa: E402
from adapters.training.copy_edits import EDITS, picture_in_picture, stacked  # noqa: E402
from adapters.training.copy_fit import CopyFitConfig  # noqa: E402
from adapters.training.copy_graph import FEATURES, Taps, feature_fragment, merged  # noqa: E402
from adapters.training.copy_pictures import read_pictures  # noqa: E402
from adapters.training.copy_views import make_copy_view  # noqa: E402
from eval.metrics import ranks_of_targets, recall_at_k  # noqa: E402
from tests import films  # noqa: E402
from tests.fakes import FakeEncoder  # noqa: E402

NUM_PICTURES = 36
TINY = CopyConfig(
    dim=8,
    num_views=3,
    size=32,
    hidden=8,
    dropout=0.0,
    holdout=6,
    background=10,
    num_threads=1,
    fit=CopyFitConfig(epochs=6, batch=16, rate=1e-2),
    taps=Taps(maps=(("early", 4), ("late", 1)), wide=("early",), last="late"),
)


def recall(scores: Any, targets: Any, k: int) -> float:
    return recall_at_k(ranks_of_targets(scores, targets), k)


def silent(*_: Any) -> None:
    pass


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    made = []
    for seed in range(NUM_PICTURES):
        buffer = io.BytesIO()
        Image.fromarray(films.textured(seed, 32, 32)[:48, :48]).save(buffer, "PNG")
        made.append(buffer.getvalue())
    return made


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, pictures: list[bytes]) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    for number, data in enumerate(pictures):
        (folder / ("more" if number % 2 else ".") / f"{number:03}.png").write_bytes(data)
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder folder whose network has an early map of 8 x 8 and a late one of 2 x 2."""
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("tower")
    rng = np.random.default_rng(3)
    weights = {
        "first": rng.normal(0, 0.3, (6, 3, 4, 4)).astype(np.float32),
        "second": rng.normal(0, 0.3, (5, 6, 4, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["raw"], strides=[4, 4]),
        helper.make_node("Relu", ["raw"], ["early"]),
        helper.make_node("Conv", ["early", "second"], ["deep"], strides=[4, 4]),
        helper.make_node("Relu", ["deep"], ["late"]),
        helper.make_node("GlobalAveragePool", ["late"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tower",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ("N", 3, 32, 32))],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("N", 5))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "image.onnx")
    (folder / "manifest.json").write_text(json.dumps({"name": "builtin:tower"}))
    return folder


@pytest.fixture(scope="module")
def trained(
    data_dir: Path, tower: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, float], list[str]]:
    out = tmp_path_factory.mktemp("trained") / "encoder"
    seen: list[str] = []
    figures = train_copy_output(
        data_dir,
        out,
        source=tower,
        name="builtin:tower+copy",
        config=TINY,
        recall=recall,
        progress=lambda stage, *_: seen.append(stage),
    )
    return out, figures, seen


def run(network: bytes, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    import onnxruntime

    return list(onnxruntime.InferenceSession(network).run(None, {"image": images}))


def images(num: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(num, 3, 32, 32)).astype(np.float32)


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize(
    "edit", {edit.__name__: edit for kind in EDITS.values() for edit in kind}.values()
)
def test_every_edit_keeps_size_and_changes_the_picture(edit: Any, strength: float) -> None:
    picture = Image.fromarray(films.textured(5, 80, 60)[:60, :80])
    changed = [edit(picture, np.random.default_rng(seed), strength) for seed in range(4)]
    assert all(made.size == picture.size and made.mode == "RGB" for made in changed)
    if strength:
        assert any(np.any(np.asarray(made) != np.asarray(picture)) for made in changed)


def test_mixtures_hold_both_pictures() -> None:
    red, blue = (Image.new("RGB", (64, 64), name) for name in ("red", "blue"))
    for mix in (picture_in_picture, stacked):
        for seed in range(5):
            pixels = np.asarray(mix(red, blue, np.random.default_rng(seed), 1.0))
            share = (pixels[..., 0] > 128).mean()
            assert 0.15 < share < 0.8, mix


def test_views_repeat_and_name_the_second_picture(pictures: list[bytes]) -> None:
    views = [make_copy_view(pictures, 3, view=view, seed=1, size=32) for view in range(40)]
    again = [make_copy_view(pictures, 3, view=view, seed=1, size=32) for view in range(40)]
    for (one, other), (same, mixed) in zip(views, again, strict=True):
        np.testing.assert_array_equal(one, same)
        assert other == mixed
        assert other != 3
    assert views[0][1] == -1
    assert any(other >= 0 for _, other in views)


def test_pictures_are_found_in_folders_and_archives(
    data_dir: Path, pictures: list[bytes], tmp_path: Path
) -> None:
    names, found = read_pictures(data_dir)
    assert sorted(found) == sorted(pictures)
    assert names == sorted(names)
    with tarfile.open(tmp_path / "train.tar", "w") as archive:
        for path in sorted(data_dir.rglob("*.png")):
            archive.add(path, path.name)
    assert sorted(read_pictures(tmp_path)[1]) == sorted(pictures)
    assert read_pictures(tmp_path / "train.tar") == read_pictures(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        read_pictures(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no JPEG or PNG"):
        read_pictures(tmp_path / "empty")


def test_features_by_hand(tower: Path) -> None:
    network = merged(tower / "image.onnx", feature_fragment(TINY.taps))
    batch = images(2)
    taps = onnx.load_from_string(network)
    assert [output.name for output in taps.graph.output] == ["embedding", FEATURES]
    for name in ("early", "late"):
        taps.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    embedding, features, early, late = run(taps.SerializeToString(), batch)
    cells = early.reshape(2, 6, 2, 4, 2, 4).mean(axis=(3, 5))
    tokens = np.concatenate([cells, late], axis=1)
    expected = np.concatenate(
        [
            tokens.mean(axis=(2, 3)),
            tokens.max(axis=(2, 3)),
            early.mean(axis=(2, 3)),
            (late**3).mean(axis=(2, 3)) ** (1 / 3),
        ],
        axis=1,
    )
    np.testing.assert_allclose(features, expected, atol=1e-5)
    np.testing.assert_array_equal(embedding, run((tower / "image.onnx").read_bytes(), batch)[0])


def test_copy_output_comes_on_top_of_an_untouched_network(
    trained: tuple[Path, dict[str, float], list[str]], tower: Path
) -> None:
    out, figures, seen = trained
    assert (out / "image.onnx").read_bytes() == (tower / "image.onnx").read_bytes()
    network = (out / "image.onnx").read_bytes() + (out / "copy.onnx").read_bytes()
    model = onnx.load_from_string(network)
    onnx.checker.check_model(model)
    assert model.graph.output[1].type.tensor_type.shape.dim[1].dim_value == TINY.dim
    embedding, copies = run(network, images(3))
    np.testing.assert_array_equal(embedding, run((tower / "image.onnx").read_bytes(), images(3))[0])
    assert copies.shape == (3, TINY.dim)
    np.testing.assert_allclose(np.linalg.norm(copies, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(run(network, images(3)[1:2])[1][0], copies[1], atol=1e-5)
    assert {"cache views", "fit copy head"} == set(seen)
    assert figures["held_out_r1"] > 100 / NUM_PICTURES
    entry = json.loads((out / "manifest.json").read_text())["copy"]
    assert entry["held_out"] == figures
    assert set(entry["sha256"]) == {"copy.onnx", "copy_background.npz"}
    with np.load(out / "copy_background.npz", allow_pickle=False) as stored:
        assert stored["vectors"].shape == (TINY.background, TINY.dim)


def test_a_run_repeats(
    trained: tuple[Path, dict[str, float], list[str]], data_dir: Path, tower: Path, tmp_path: Path
) -> None:
    torch.rand(3)  # whatever was drawn before
    train_copy_output(
        data_dir,
        tmp_path / "again",
        source=tower,
        name="builtin:tower+copy",
        config=TINY,
        recall=recall,
        progress=silent,
    )
    for file in ("copy.onnx", "copy_background.npz"):
        assert (tmp_path / "again" / file).read_bytes() == (trained[0] / file).read_bytes(), file


def test_an_interrupted_cache_goes_on(pictures: list[bytes], tmp_path: Path) -> None:
    calls: list[int] = []

    def features(views: NDArray[np.uint8]) -> NDArray[np.float32]:
        calls.append(len(views))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return views.reshape(len(views), -1)[:, :5].astype(np.float32)

    options: dict[str, Any] = {"key": "k", "num_views": 2, "size": 32, "seed": 0}
    with pytest.raises(KeyboardInterrupt):
        cache_copy_features(pictures, features, tmp_path, progress=silent, **options)
    done = json.loads((tmp_path / "note.json").read_text())["done"]
    assert done >= 16
    cache = cache_copy_features(pictures, features, tmp_path, progress=silent, **options)
    assert sum(calls[4:]) == 1 + 2 * NUM_PICTURES - done  # one to learn the width
    assert cache.num_views == 2
    plain = make_copy_view(pictures, 30, view=0, seed=0, size=32)[0]
    np.testing.assert_array_equal(cache.features[0, 30], plain.ravel()[:5])


def test_adapter_over_any_encoder(data_dir: Path, tmp_path: Path) -> None:
    fake = FakeEncoder(layout_weight=1.0)
    base = BaseEncoder(name=fake.name, hash=fake.hash, dim=fake.dim)
    figures = train_adapter(
        data_dir,
        tmp_path / "adapter",
        base=base,
        embed=fake.encode_images,
        name="copy:fake",
        config=TINY,
        recall=recall,
        progress=silent,
    )
    assert set(figures) == {"held_out_r1"}
    manifest = json.loads((tmp_path / "adapter" / "manifest.json").read_text())
    assert manifest["encoder"] == {"name": fake.name, "hash": fake.hash, "dim": fake.dim}
    assert manifest["dim"] == TINY.dim


def test_too_few_pictures_are_refused(data_dir: Path, tower: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 36 pictures"):
        train_copy_output(
            data_dir,
            tmp_path / "out",
            source=tower,
            name="x",
            config=replace(TINY, holdout=40),
            recall=recall,
            progress=silent,
        )
    assert not (tmp_path / "out").exists()
