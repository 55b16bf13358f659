"""`sceneprint demo`, `train` and `bench`: show it, remake it, measure how fast it is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.evaluate import eval_app
from app.cli.options import DeviceOption, EncoderOption, JsonOption, RuntimeOption, chosen_device
from app.cli.train_copy import train_copy_command
from app.cli.train_devices import (
    BatchOption,
    DevicesOption,
    EpochsOption,
    on_devices,
    train_builtin_on,
)
from app.cli.train_sound import train_sound_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.table import Table

__all__ = ["bench_app", "demo", "eval_app", "train_app"]

train_app = typer.Typer(
    help="Train what ships with Sceneprint.\n\nExample: sceneprint train builtin --data flickr8k",
    no_args_is_help=True,
)
bench_app = typer.Typer(
    help="Measure speed against the floor and a peer.\n\nExample: sceneprint bench encode",
    no_args_is_help=True,
)
RunsOption = Annotated[int, typer.Option("--runs", min=1, help="Runs; medians are shown.")]
PeerOption = Annotated[bool, typer.Option("--peer/--no-peer", help="Measure the peer too.")]


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where library and report go.")
    ] = Path("demo-output"),
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
) -> None:
    """Search, match and classify real footage.

    It ends with a report to open.

    Example: sceneprint demo --out demo-output
    """
    from app.demo import run_demo
    from app.settings import load_settings

    settings = load_settings()
    run_demo(
        out,
        encoder=encoder or settings.encoder,
        index=settings.index,
        runtime=runtime or settings.runtime,
        device=chosen_device(device),
    )


@train_app.command("builtin")
def train_builtin(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder laid out like Flickr8k.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Encoder folder to write.")
    ] = Path("builtin-encoder"),
    work: Annotated[
        Path | None, typer.Option("--work", metavar="DIR", help="Where caches are kept.")
    ] = None,
    devices: DevicesOption = None,
    batch: BatchOption = None,
    epochs: EpochsOption = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads a process.")] = 2,
) -> None:
    """Train the built-in encoder as it ships.

    It needs the extra `train`, and hours on two cores. A killed training goes on where it was when
    the same command is given again. --epochs is of the main stage.

    Example: sceneprint train builtin --data flickr8k --devices 4 --batch-size 128 --epochs 50
    """
    with training_on(data):
        work_of_each = partial(
            train_builtin_on,
            data=data,
            out=out,
            work=work,
            threads=threads,
            batch=batch,
            epochs=epochs,
        )
        figures = on_devices(work_of_each, devices)
    show_trained(figures, out)


train_app.command("copy")(train_copy_command)
train_app.command("sound")(train_sound_command)


@contextmanager
def training_on(data: Path) -> Iterator[None]:
    """Say what training lacks: an extra, or usable data."""
    from retrieval.errors import InvalidInputError, MissingDependencyError

    try:
        yield
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            f"training needs {exc.name}; install it with `pip install 'sceneprint[train]'`"
        ) from exc
    except (FileNotFoundError, NotADirectoryError, ValueError) as exc:
        raise InvalidInputError(f"cannot train on {data}: {exc}") from exc


def show_trained(figures: Mapping[str, float], out: Path) -> None:
    """Print the figures of a finished training, and where it lies."""
    for name, value in sorted(figures.items()):
        print(f"{name:<24} {value:6.2f}")
    print(f"written to {out}")


def top_recall(scores: "NDArray[np.float32]", targets: "NDArray[np.int64]", k: int) -> float:
    """The measure of the training: share of rows whose target column is in their first k."""
    from eval.metrics import ranks_of_targets, recall_at_k

    return recall_at_k(ranks_of_targets(scores, targets), k)


def show_training(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
    from app.cli.output import note

    shown = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    note(f"{stage} {done}/{total}  {shown}".rstrip())


@bench_app.command("ingest")
def bench_ingest(
    film: Annotated[
        Path | None,
        typer.Option("--film", metavar="FILE", help="A film of yours; else one is made."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, max=3600, help="Length of the made film.")
    ] = 60.0,
    runs: RunsOption = 3,
    peer: PeerOption = True,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest against pure decoding and the naive pipeline.

    Example: sceneprint bench ingest --film film.mp4 --no-peer
    """
    from eval.bench_ingest import run

    chosen, engine = _encoder_name(encoder), _runtime_name(runtime)
    _show(
        lambda: run(
            film=film, seconds=seconds, runs=runs, encoder=chosen, runtime=engine, peer=peer
        ),
        as_json=as_json,
    )


@bench_app.command("encode")
def bench_encode(
    encoder: EncoderOption = None,
    runtimes: Annotated[
        str,
        typer.Option(
            "--runtimes",
            metavar="NAME,…",
            help="torch, onnxruntime, openvino, tensorrt by commas, or all.",
        ),
    ] = "all",
    batch: Annotated[int, typer.Option("--batch", min=1, max=256, help="Most items at once.")] = 16,
    runs: RunsOption = 5,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="Measure all rows so often, in turn.")
    ] = 1,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR", help="Pictures for 8 bits and cosines."),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Random weights for open_clip:ARCHITECTURE.")
    ] = False,
    compiles: Annotated[bool, typer.Option("--compile", help="Measure torch.compile too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Encoding on each runtime and precision against torch eager.

    Each row has a process of its own. What needs a GPU, or is not installed, says so.

    Example: sceneprint bench encode --encoder open_clip:ViT-B-32 --random --runtimes all
    """
    from app.cli.output import note
    from eval.bench_encode import BenchConfig, run

    config = BenchConfig(
        encoder=_encoder_name(encoder),
        runtimes=runtimes,
        runs=runs,
        rounds=rounds,
        batch=batch,
        pictures=pictures,
        random=random,
        compiles=compiles,
    )
    _show(lambda: run(config, note), as_json=as_json)


@bench_app.command("search")
def bench_search(
    shots: Annotated[
        int, typer.Option("--shots", min=1000, help="Made-up shots to search among.")
    ] = 100_000,
    runs: RunsOption = 50,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Text search against encoding plus bare FAISS.

    Example: sceneprint bench search --shots 10000
    """
    from app.http.server import serving
    from app.settings import load_settings
    from eval.bench_search import run

    chosen, index = _encoder_name(encoder), load_settings().index
    _show(
        lambda: run(num_shots=shots, runs=runs, encoder=chosen, index=index, serve=serving),
        as_json=as_json,
    )


@bench_app.command("match")
def bench_match(
    hours: Annotated[
        str, typer.Option("--hours", metavar="N,…", help="Hours of references, by commas.")
    ] = "10,100",
    dim: Annotated[int, typer.Option("--dim", min=8, help="Width of a descriptor.")] = 256,
    library: Annotated[
        Path | None,
        typer.Option("--library", metavar="DIR", help="Keep the made films here, for more runs."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """An hour of query against many hours of made references.

    Example: sceneprint bench match --hours 10,100,1000
    """
    from app.settings import load_settings
    from eval.bench_match import parse_hours, run

    wanted, index = parse_hours(hours), load_settings().index
    _show(lambda: run(hours=wanted, dim=dim, library=library, index=index), as_json=as_json)


def _encoder_name(given: str | None) -> str:
    from app.settings import load_settings

    return given or load_settings().encoder


def _runtime_name(given: str | None) -> str:
    from app.settings import load_settings

    return given or load_settings().runtime


def _show(measure: "Callable[[], Table]", *, as_json: bool) -> None:
    from app.cli.output import print_json

    table = measure()
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.text())
