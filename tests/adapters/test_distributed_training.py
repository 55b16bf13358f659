"""Two processes train as one does, end together, and a killed training goes on."""

import json
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from adapters.copy_head import CopyHead  # noqa: E402
from adapters.training.checkpoint import Checkpoint  # noqa: E402
from adapters.training.copy_cache import CopyCache  # noqa: E402
from adapters.training.copy_fit import CopyFitConfig, fit_copy_head  # noqa: E402
from adapters.training.fit import FitConfig, Group, Rows, fit  # noqa: E402
from adapters.training.launch import check_devices, first_failure, run_on_devices  # noqa: E402
from adapters.training.team import ALONE, Team  # noqa: E402

CONFIG = FitConfig(epochs=3, batch=8, soft_weight=0.2)


class Stopped(Exception):
    pass


def fitted(
    team: Team, *, checkpoint: Path | None = None, stop_after: int | None = None
) -> dict[str, Any]:
    """Train two small towers on 24 made pairs; returns their weights."""
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(1)
    pictures, texts = torch.randn(24, 6), torch.randn(48, 5)
    image, text = nn.Linear(6, 4), nn.Linear(5, 4)
    scale = nn.Parameter(torch.tensor(2.0))
    epochs: list[int] = []

    def embed(rows: Any, views: Any, captions: Any) -> Any:
        assert len(rows) == CONFIG.batch // team.size
        return (
            F.normalize(image(pictures[rows] + views[:, None]), dim=-1),
            F.normalize(text(texts[captions]), dim=-1),
        )

    def after_epoch(epoch: int, loss: float) -> None:
        epochs.append(epoch)
        if epoch == stop_after:
            raise Stopped

    fit(
        embed,
        [Group(parameters=[*image.parameters(), *text.parameters()], rate=0.01)],
        scale,
        Rows(
            captions=[(2 * row, 2 * row + 1) for row in range(24)],
            num_views=2,
            references=F.normalize(texts, dim=-1),
        ),
        CONFIG,
        generator=generator,
        after_epoch=after_epoch,
        team=team,
        checkpoint=None if checkpoint is None else Checkpoint(path=checkpoint, key="this run"),
    )
    named = {"image": image.weight, "text": text.weight, "scale": scale}
    return {"epochs": epochs} | {name: one.detach().numpy().copy() for name, one in named.items()}


def copy_head(team: Team) -> Any:
    """Train a copy head without dropout on made features; returns its first weights."""
    torch.manual_seed(5)
    rng = np.random.default_rng(2)
    features = rng.normal(size=(3, 16, 10)).astype(np.float16)
    cache = CopyCache(features=features, others=np.full((3, 16), -1), num_views=3)
    head = CopyHead(10, 4, hidden=6, dropout=0.0)
    fit_copy_head(
        head,
        cache,
        range(16),
        CopyFitConfig(epochs=2, batch=8, views=2),
        seed=0,
        report=lambda done, loss: None,
        team=team,
    )
    return head.linear.weight.detach().numpy().copy()


def both(team: Team) -> Any:
    return fitted(team), copy_head(team)


def waiting(folder: Path, team: Team) -> None:
    (folder / f"{os.getpid()}").touch()
    time.sleep(600)


def test_two_processes_train_as_one() -> None:
    one, other = both(ALONE), run_on_devices(both, num_devices=2, on_gpu=False)
    for name in ("image", "text", "scale"):
        np.testing.assert_allclose(other[0][name], one[0][name], atol=2e-6)
    np.testing.assert_allclose(other[1], one[1], atol=2e-6)
    assert other[0]["epochs"] == [0, 1, 2]


def test_a_mistake_of_any_process_is_what_comes_back(tmp_path: Path) -> None:
    """The others fail too, because their partner is gone; that is not what to tell."""
    notes = {"1": (False, "RuntimeError: connection closed"), "2": (True, "no pictures")}
    for name, (is_mistake, message) in notes.items():
        note = json.dumps({"is_mistake": is_mistake, "message": message})
        (tmp_path / f"{name}.json").write_text(note, encoding="utf-8")
    failure = first_failure(tmp_path)
    assert (type(failure), str(failure)) == (ValueError, "no pictures")
    (tmp_path / "2.json").unlink()
    assert isinstance(first_failure(tmp_path), RuntimeError)


def test_ctrl_c_ends_all(tmp_path: Path) -> None:
    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_on_devices(partial(waiting, tmp_path), num_devices=2, on_gpu=False)
    assert signal.getsignal(signal.SIGINT) is before
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)


def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    path, whole = tmp_path / "fit.safetensors", fitted(ALONE)
    with pytest.raises(Stopped):
        fitted(ALONE, checkpoint=path, stop_after=1)
    resumed = fitted(ALONE, checkpoint=path)
    assert resumed["epochs"] == [2]
    for name in ("image", "text", "scale"):
        np.testing.assert_array_equal(resumed[name], whole[name])


@pytest.mark.parametrize("damage", [b"", b"not tensors"])
def test_a_damaged_or_foreign_checkpoint_is_not_read(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "fit.safetensors"
    path.write_bytes(damage)
    weight = nn.Parameter(torch.zeros(2))
    optimiser = torch.optim.AdamW([weight])
    assert Checkpoint(path=path, key="mine").load([weight], optimiser) is None
    weight.sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    Checkpoint(path=path, key="other").save(1, [weight], optimiser, {})
    assert Checkpoint(path=path, key="mine").load([weight], optimiser) is None
    assert Checkpoint(path=path, key="other").load([weight], optimiser) == (1, {})


def test_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=r"got 4000 devices, this machine has \d+ CPU cores"):
        check_devices(4000)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert check_devices(1)
    with pytest.raises(ValueError, match="got 2 devices, this machine has 1 GPUs; give 1 to 1"):
        check_devices(2)


def test_a_batch_is_shared_evenly() -> None:
    team = Team(rank=1, size=3)
    assert team.whole_batch(8) == 6
    assert team.share(torch.arange(6)).tolist() == [2, 3]
    with pytest.raises(ValueError, match="got 2 pictures a batch for 3 processes"):
        team.whole_batch(2)
