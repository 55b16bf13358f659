"""Does the order of the Label tab save labels? A simulation over folders of pictures.

Somebody labels a pool a few pictures at a time and teaches again after each few; what was taught
answers a test that is never labelled. As in the product, the words of the classes answer until each
class has an example. The order of the questions is what is compared, on the same pools and tests:

    random        any of those that are left
    least certain the most doubtful first, without regard to likeness or missing classes
    farthest      the least like what is labelled, without regard to doubt
    queue         `retrieval.label_queue`, which is what the Label tab asks
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot import ADAPTERS, DEFAULT_ADAPTER, Shots, adapter_class
from adapters.few_shot.objective import probabilities
from eval.classification_metrics import mean_interval
from eval.picture_folders import PictureSet, embed_pictures, read_picture_folders
from eval.table import Column, Table
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.label_queue import doubts, next_rows, order_rows, queue_pool
from retrieval.teach import class_words
from retrieval.types import FloatArray, Progress, ProgressCallback

__all__ = ["STRATEGIES", "ActiveOptions", "evaluate_active"]

STRATEGIES = ("random", "least certain", "farthest", "queue")
TEST_SHARE = 1 / 3
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ActiveOptions:
    """How labelling is simulated.

    Attributes:
        num_seeds: Draws of pool and test.
        first_seed: Seeds are `first_seed`, `first_seed + 1`, …
        per_step: Labels between two lessons.
        max_labels: Labels in all.
        adapter: What learns.
        rare: Share of its pictures that every second class keeps in the pool; 1 keeps all. The
            test stays as it is.
        target: Accuracy in percent whose labels are counted; None for what random reaches.
    """

    num_seeds: int = 5
    first_seed: int = 0
    per_step: int = 8
    max_labels: int = 96
    adapter: str = DEFAULT_ADAPTER
    rare: float = 1.0
    target: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.num_seeds <= 1000:
            raise InvalidInputError(f"got {self.num_seeds} seeds, expected 1 to 1000")
        if not 1 <= self.per_step <= self.max_labels <= 10_000:
            raise InvalidInputError(
                f"got {self.per_step} labels a step of {self.max_labels}, expected 1 to at most "
                "all of them, and these at most 10000"
            )
        if self.adapter not in ADAPTERS:
            raise InvalidInputError(
                f"got adapter {self.adapter!r}, expected one of {', '.join(ADAPTERS)}"
            )
        if not 0 < self.rare <= 1:
            raise InvalidInputError(f"got {self.rare} of rare classes, expected above 0 to 1")
        if self.target is not None and not 0 < self.target <= 100:
            raise InvalidInputError(f"got target {self.target}, expected percent, 0 to 100")


@dataclass(frozen=True, eq=False)
class _World:
    """What is labelled: embeddings (N, D), classes (N,), words (C, D) and the encoder's scale."""

    embeddings: FloatArray
    labels: Rows
    targets: FloatArray
    words: FloatArray
    temperature: float

    @property
    def num_classes(self) -> int:
        return len(self.words)

    def answers(self, labelled: Rows, adapter: str) -> FloatArray:
        """(N, C) shares: of the words until each class has an example, then of the adapter."""
        if len(set(self.labels[labelled].tolist())) < self.num_classes:
            return self.by_words()
        shots = Shots(
            embeddings=self.embeddings[labelled],
            targets=self.targets[labelled],
            text_weights=self.words,
            temperature=self.temperature,
        )
        logits = adapter_class(adapter).fit(shots).logits(self.embeddings)
        return probabilities(logits, is_exclusive=True)

    def by_words(self) -> FloatArray:
        logits = np.float32(self.temperature) * (self.embeddings @ self.words.T)
        return probabilities(logits, is_exclusive=True)


def evaluate_active(
    encoder: PictureTextEncoder,
    data: Path,
    *,
    options: ActiveOptions | None = None,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Table:
    """Simulate labelling in each order, over several draws of pool and test.

    Args:
        encoder: Makes the embeddings; frozen.
        data: See `read_picture_folders`; an official test is the test, else a third is drawn.
        options: See there.
        cache: Where embeddings are kept.
        progress: Told of embedding, then of seeds.
        should_stop: Asked before each lesson.

    Raises:
        NotFoundError: There is no such folder.
        InvalidInputError: Bad pictures, or a pool that is too small.
        OperationCancelled: `should_stop` said so.
    """
    asked = options or ActiveOptions()
    pictures = read_picture_folders(data)
    embeddings = embed_pictures(
        pictures, encoder, cache=cache, progress=progress, should_stop=should_stop
    )
    world = _World(
        embeddings=embeddings,
        labels=pictures.targets.argmax(axis=1),
        targets=pictures.targets,
        words=class_words(pictures.classes, encoder),
        temperature=encoder.temperature,
    )
    curves: dict[str, list[list[float]]] = {name: [] for name in STRATEGIES}
    for place in range(asked.num_seeds):
        seed = asked.first_seed + place
        pool, test = _drawn(pictures, seed=seed, rare=asked.rare, least=asked.max_labels)
        for name in STRATEGIES:
            curves[name].append(_curve(world, name, pool, test, asked, seed, should_stop))
        if progress is not None:
            progress(Progress("measure", pictures.name, place + 1, asked.num_seeds, unit="seeds"))
    found = {name: np.array(runs) for name, runs in curves.items()}
    return _table(found, asked, pictures, encoder)


def _drawn(pictures: PictureSet, *, seed: int, rare: float, least: int) -> tuple[Rows, Rows]:
    """Row numbers of the pool and of the test."""
    rng = np.random.default_rng(seed)
    if pictures.is_test is None:
        order = rng.permutation(len(pictures))
        num_test = round(len(order) * TEST_SHARE)
        test, pool = order[:num_test], order[num_test:]
    else:
        test, pool = np.flatnonzero(pictures.is_test), np.flatnonzero(~pictures.is_test)
    is_rare = rng.permutation(len(pictures.classes)) % 2 == 0
    keeps = ~is_rare[pictures.targets[pool].argmax(axis=1)] | (rng.random(len(pool)) < rare)
    pool = np.sort(pool[keeps])
    if len(pool) < least:
        raise InvalidInputError(
            f"the pool has {len(pool)} pictures, too few for {least} labels; give fewer labels or "
            "more pictures"
        )
    return pool, test


def _curve(
    world: _World,
    strategy: str,
    pool: Rows,
    test: Rows,
    asked: ActiveOptions,
    seed: int,
    should_stop: Callable[[], bool] | None,
) -> list[float]:
    """Accuracy on the test, in percent, before the first label and after each step."""
    rng = np.random.default_rng(seed)
    labelled: Rows = np.zeros(0, np.int64)
    scores = []
    while True:
        if should_stop is not None and should_stop():
            raise OperationCancelled("stopped; embeddings are kept, no figures yet")
        shares = world.answers(labelled, asked.adapter)
        scores.append(100 * float((shares[test].argmax(axis=1) == world.labels[test]).mean()))
        count = min(asked.per_step, asked.max_labels - len(labelled))
        if not count:
            return scores
        rows = _asked(world, strategy, shares, np.setdiff1d(pool, labelled), labelled, count, rng)
        labelled = np.concatenate([labelled, rows])


def _asked(
    world: _World,
    strategy: str,
    shares: FloatArray,
    left: Rows,
    labelled: Rows,
    count: int,
    rng: np.random.Generator,
) -> Rows:
    """The rows to label next."""
    if strategy == "random":
        return np.asarray(rng.permutation(left)[:count], np.int64)
    is_open = np.zeros(len(world.labels), bool)
    is_open[left] = True
    doubt = doubts(shares, is_exclusive=True)
    if strategy == "least certain":
        return queue_pool(doubt, is_open)[:count]
    if strategy == "farthest":
        even = np.ones(len(left), np.float32)
        known = world.embeddings[labelled]
        return np.asarray(left[next_rows(world.embeddings[left], even, known=known, count=count)])
    is_known = np.zeros(len(is_open), bool)
    is_known[labelled] = True
    counts = np.bincount(world.labels[labelled], minlength=world.num_classes)
    return order_rows(
        world.embeddings,
        doubt,
        world.by_words(),
        is_open=is_open,
        is_known=is_known,
        num_labelled=counts,
        count=count,
    )


def _table(
    curves: Mapping[str, NDArray[np.float64]],
    asked: ActiveOptions,
    pictures: PictureSet,
    encoder: PictureTextEncoder,
) -> Table:
    steps = [
        min(asked.max_labels, place * asked.per_step)
        for place in range(next(iter(curves.values())).shape[1])
    ]
    shown = sorted({0, *_spread(len(steps))})
    target = float(curves["random"][:, -1].mean()) if asked.target is None else asked.target
    rows = []
    for name, runs in curves.items():
        ahead = (runs - curves["random"])[:, 1:].mean(axis=1)
        needed = _needed(runs.mean(axis=0), steps, target)
        rows.append(
            (
                name,
                *(float(runs[:, place].mean()) for place in shown),
                float(runs[:, 1:].mean()),
                None if name == "random" else _interval(ahead),
                f"more than {asked.max_labels}" if needed is None else str(needed),
            )
        )
    return Table(
        title=f"Accuracy in % by labels given, mean over {asked.num_seeds} seeds: {pictures.name}, "
        f"{len(pictures.classes)} classes, {len(pictures)} pictures",
        columns=(
            Column("order", "Order"),
            *(Column(f"labels_{steps[place]}", str(steps[place]), ".1f") for place in shown),
            Column("mean", "Mean", ".1f"),
            Column("ahead", "Ahead of random"),
            Column("needed", f"Labels to {target:.1f} %"),
        ),
        rows=tuple(rows),
        notes=(
            f"Encoder {encoder.name}, {encoder.hash[:12]}; {asked.adapter} learns again after "
            f"every {asked.per_step} labels; the words answer until each class has an example.",
            "Ahead of random: mean over all steps, paired by seed, with its 95 % interval.",
            f"Labels to {target:.1f} %: the first step whose mean accuracy is that"
            + (", which is what random ends with." if asked.target is None else "."),
            *(
                [f"Every second class keeps {100 * asked.rare:.0f} % of its pictures in the pool."]
                if asked.rare < 1
                else []
            ),
        ),
    )


def _spread(num_steps: int, most: int = 6) -> list[int]:
    """Places of at most `most` steps, evenly spread, with the last."""
    return [round(place) for place in np.linspace(0, num_steps - 1, min(most + 1, num_steps))]


def _needed(means: NDArray[np.float64], steps: Sequence[int], target: float) -> int | None:
    """Labels at the first step whose mean reaches the target; None where none does."""
    reached = np.flatnonzero(means >= target - 1e-9)
    return int(steps[int(reached[0])]) if len(reached) else None


def _interval(values: NDArray[np.float64]) -> str:
    """Mean and half its 95 % interval."""
    mean, half = mean_interval(values.tolist())
    return f"{mean:+.1f} ± {half:.1f}" if len(values) > 1 else f"{mean:+.1f}"
