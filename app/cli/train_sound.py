"""`sceneprint train sound`: the built-in sound encoder, on labelled clips."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["train_sound_command"]


def train_sound_command(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Clips as CLASS/FOLD-SOURCE-TAKE.ogg."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")
    ] = Path("sound-encoder"),
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")] = 1,
) -> None:
    """Train the sound encoder as it ships.

    It is measured on folds and classes that it did not hear, and used as `builtin:DIR`. It needs
    the extra `train`.

    Example: sceneprint train sound --data esc10 --out my-sound-encoder
    """
    from app.cli.develop import show_trained, show_training, training_on
    from eval.sound_classes import class_accuracy

    with training_on(data):
        from adapters.training.sound import SoundConfig, train_sound

        config = SoundConfig(num_threads=threads)
        figures = train_sound(
            data,
            out,
            decode=lambda path: _decode(path, config.log_mel.sample_rate_hz),
            accuracy=class_accuracy,
            config=config,
            progress=show_training,
        )
    show_trained(figures, out)


def _decode(path: Path, sample_rate_hz: int) -> "NDArray[np.float32]":
    import numpy as np

    from retrieval.errors import NotMediaError
    from retrieval.media.audio import decode_mono

    chunks = list(decode_mono(path, sample_rate_hz=sample_rate_hz))
    if not chunks:
        raise NotMediaError(f"{path.name} holds no sound that can be decoded")
    return np.concatenate(chunks)
