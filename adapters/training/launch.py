"""Starts the processes of a training, as `torchrun` does, and ends them together.

One process a device: NCCL between GPUs, gloo between processes on a CPU. The first failure, and
Ctrl-C, end all of them; a mistake in the data comes back as the error it would be in one process.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import tempfile
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from adapters.training.team import ALONE, Team, joined_team

__all__ = ["check_devices", "first_failure", "run_on_devices"]

_MISTAKES = (ValueError, OSError)


def check_devices(wanted: int) -> bool:
    """Whether `wanted` devices are GPUs; else they are processes on the CPU.

    Raises:
        ValueError: there are fewer.
    """
    if torch.cuda.is_available():
        there, kind = torch.cuda.device_count(), "GPUs"
    else:
        there, kind = len(os.sched_getaffinity(0)), "CPU cores and no GPU"
    if not 1 <= wanted <= there:
        raise ValueError(
            f"got {wanted} devices, this machine has {there} {kind}; give 1 to {there}"
        )
    return kind == "GPUs"


def run_on_devices(work: Callable[[Team], Any], *, num_devices: int, on_gpu: bool) -> Any:
    """Run `work` once a device and return what the first process returned.

    Args:
        work: what each does with its place in the team; it must be picklable (a module's function
            or a `functools.partial` of one), for it runs in new processes.
        num_devices: processes to start; one on a CPU is this process.
        on_gpu: from `check_devices`.

    Raises:
        ValueError: bad data, as `work` raised it (`OSError` too).
        RuntimeError: a process failed otherwise; has its traceback.
        KeyboardInterrupt: stopped by Ctrl-C; all processes have ended.
    """
    if dist.is_torchelastic_launched():  # by the user's own torchrun, on several machines even
        return _joined(work, on_gpu)
    if num_devices == 1 and not on_gpu:
        return work(ALONE)
    with tempfile.TemporaryDirectory(prefix="sceneprint-train-") as name, _quiet_torch():
        return _launched(Path(name), work, num_devices=num_devices, on_gpu=on_gpu)


def _launched(folder: Path, work: Callable[[Team], Any], *, num_devices: int, on_gpu: bool) -> Any:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=num_devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        start_method="spawn",
    )
    try:
        return elastic_launch(config, _member)(folder, work, on_gpu)[0]
    except SignalException as exc:
        raise KeyboardInterrupt from exc
    except ChildFailedError as exc:
        raise first_failure(folder) from exc


def _member(folder: Path, work: Callable[[Team], Any], on_gpu: bool) -> Any:
    """One process: leaves a note of its failure, and goes quietly where the others were ended."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        return _joined(work, on_gpu)
    except Exception as exc:
        is_mistake = isinstance(exc, _MISTAKES)
        message = str(exc) if is_mistake else traceback.format_exc()
        note = json.dumps({"is_mistake": is_mistake, "message": message})
        part = folder / f"{os.getpid()}.part"
        part.write_text(note, encoding="utf-8")
        part.replace(part.with_suffix(".json"))
        os._exit(1)


def _joined(work: Callable[[Team], Any], on_gpu: bool) -> Any:
    team = joined_team(on_gpu=on_gpu)
    try:
        return work(team)
    finally:
        dist.destroy_process_group()


def first_failure(folder: Path) -> Exception:
    """The error to show, from the notes `*.json` that failed processes left in a folder.

    A user's mistake comes before anything else: the other processes fail only because of it.
    """
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    notes = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    for note in sorted(notes, key=lambda note: not note["is_mistake"]):
        kind = ValueError if note["is_mistake"] else RuntimeError
        return kind(note["message"])
    return RuntimeError("a training process was killed from outside (out of memory?)")


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """Keep the launcher's reports from the screen, and put back the signal handlers it took."""
    loggers = [
        logging.getLogger(name) for name in ("torch.distributed", "torch.distributed.elastic")
    ]
    levels = [logger.level for logger in loggers]
    kept = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                                                   signal.SIGQUIT)}  # fmt: skip
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for one, handler in kept.items():
            signal.signal(one, handler)
