"""Few-shot classification by the field's protocol: 1 to 16 shots, several seeds, nothing held out.

For each seed and number of shots a class, every adapter learns from the same shots and answers the
same test pictures. There is no validation set: hyper-parameters follow the adapters' own rules.
The shots of fewer are among the shots of more, and no picture that may be a shot of a seed is in
the test of that seed.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot import ADAPTERS, DEFAULT_ADAPTER, FewShotAdapter, Shots, adapter_class
from adapters.few_shot.calibration import cross_fitted_logits, fit_temperature
from adapters.few_shot.imbalance import BALANCES, Balance
from adapters.few_shot.objective import probabilities
from adapters.few_shot.unsure import UNSURE, conformal_threshold, sure_answers, sure_labels
from adapters.zero_shot import class_matrix
from eval.classification_metrics import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    multi_label_map,
)
from eval.few_shot_report import FewShotReport, Run
from eval.picture_folders import PictureSet, embed_pictures, read_picture_folders
from eval.picture_views import Views, ViewsAs
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.labels import LabelGroup, load_label_file, parse_labels
from retrieval.types import FloatArray, Progress, ProgressCallback

__all__ = ["NUM_SHOTS", "draw_shots", "evaluate_few_shot"]

NUM_SHOTS = (1, 2, 4, 8, 16)
MAX_SHOTS = 1000
MAX_SEEDS = 1000


def evaluate_few_shot(
    encoder: PictureTextEncoder,
    data: Path,
    *,
    num_shots: Sequence[int] = NUM_SHOTS,
    num_seeds: int = 5,
    first_seed: int = 0,
    adapters: Sequence[str] | None = None,
    labels: Path | None = None,
    multi_label: bool = False,
    balance: Balance = "weights",
    long_tail: bool = False,
    num_views: int = 0,
    views_as: ViewsAs = "mean",
    error_rate: float = 0.1,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> FewShotReport:
    """Measure adapters over a folder of classes.

    Args:
        encoder: makes the embeddings; frozen.
        data: see `read_picture_folders`.
        num_shots: labelled pictures a class, rising.
        num_seeds: draws of the shots; five or more say something.
        first_seed: seeds are `first_seed`, `first_seed + 1`, …
        adapters: names; None for all. The default is always among them.
        labels: a label file with one group of sentences for the classes; None puts the folders'
            names into the standard sentences.
        multi_label: whether a picture may have several classes.
        balance: how rare classes are made up for.
        long_tail: one class has the given number of shots, the others fewer and fewer, down to
            one; which has how many is drawn anew for each seed.
        num_views: augmented views of each shot, see `eval.picture_views`.
        views_as: what they are for.
        error_rate: at which "unsure" is measured, for the default adapter.
        cache: where embeddings are kept.
        progress: told of embedding, then of seeds.
        should_stop: asked often.

    Raises:
        NotFoundError: no such folder or label file.
        InvalidInputError: bad options, pictures or labels, or a class with too few pictures.
        OperationCancelled: `should_stop` said so.
    """
    names = _checked_names(adapters)
    shots = _checked_shots(num_shots, num_seeds)
    _check_balance(balance, multi_label=multi_label)
    views = Views(num_views=num_views, how=views_as)
    seen: dict[int, FloatArray] = {}
    if not 0 < error_rate < 1:
        raise InvalidInputError(f"got {error_rate = }, expected a rate above 0 and below 1")
    pictures = read_picture_folders(data, multi_label=multi_label)
    _check_counts(pictures, shots[-1])
    words = _words(pictures.classes, labels, encoder)
    embeddings = embed_pictures(
        pictures, encoder, cache=cache, progress=progress, should_stop=should_stop
    )
    runs: list[Run] = []
    confusion = np.zeros((len(pictures.classes),) * 2, np.int64)
    for place in range(num_seeds):
        drawn, test = draw_shots(pictures, shots, seed=first_seed + place, long_tail=long_tail)
        missing = [int(row) for row in drawn[shots[-1]] if int(row) not in seen]
        seen |= views.embed(pictures, missing, encoder, should_stop)
        for count in shots:
            if should_stop is not None and should_stop():
                raise OperationCancelled("stopped; embeddings are kept, no figures yet")
            rows, targets = views.applied(drawn[count], embeddings, pictures.targets, seen)
            chosen = Shots(
                embeddings=rows,
                targets=targets,
                text_weights=words,
                temperature=encoder.temperature,
                is_exclusive=not multi_label,
                balance=balance,
            )
            for name in names:
                run, fitted = _run(name, chosen, embeddings[test], pictures.targets[test], count)
                if name == DEFAULT_ADAPTER:
                    sure = _sureness(fitted, chosen, embeddings[test], pictures.targets[test],
                                     error_rate)  # fmt: skip
                    run = run.with_sureness(**sure)
                    if count == shots[-1] and not multi_label:
                        confusion += _confusion(fitted, embeddings[test], pictures.targets[test])
                runs.append(run)
        if progress is not None:
            progress(Progress("measure", pictures.name, place + 1, num_seeds, unit="seeds"))
    return FewShotReport(
        data=pictures.name,
        encoder=f"{encoder.name}, {encoder.hash[:12]}",
        classes=pictures.classes,
        num_pictures=len(pictures),
        is_exclusive=not multi_label,
        error_rate=error_rate,
        default=DEFAULT_ADAPTER,
        runs=tuple(runs),
        confusion=None if multi_label else confusion,
    )


def draw_shots(
    pictures: PictureSet, num_shots: Sequence[int], *, seed: int, long_tail: bool = False
) -> tuple[dict[int, NDArray[np.int64]], NDArray[np.int64]]:
    """Draw shots for each number, and the test.

    Returns:
        Row numbers of the shots for each number, and of the test: the official one, or all
        pictures that are not among the shots of the largest number.
    """
    rng = np.random.default_rng(seed)
    may_be_shot = np.ones(len(pictures), bool) if pictures.is_test is None else ~pictures.is_test
    orders = [
        rng.permutation(np.flatnonzero(may_be_shot & (column > 0))) for column in pictures.targets.T
    ]
    places = rng.permutation(len(orders)) if long_tail else np.zeros(len(orders), np.int64)
    drawn = {
        count: np.unique(
            np.concatenate(
                [order[: _tail(count, place, len(orders))]
                 for order, place in zip(orders, places, strict=True)]
            )
        )
        for count in num_shots
    }  # fmt: skip
    if pictures.is_test is not None:
        return drawn, np.flatnonzero(pictures.is_test)
    return drawn, np.setdiff1d(np.arange(len(pictures)), drawn[max(num_shots)])


def _tail(most: int, place: int, num_classes: int) -> int:
    """Shots of the class at a place of a long tail: from `most` geometrically down to one."""
    share: float = 1 - place / max(1, num_classes - 1)
    return max(1, round(float(most**share)))


def _run(
    name: str, shots: Shots, rows: FloatArray, targets: FloatArray, num_shots: int
) -> tuple[Run, FewShotAdapter]:
    start = time.perf_counter()
    fitted = adapter_class(name).fit(shots)
    seconds = time.perf_counter() - start
    logits = fitted.logits(rows)
    shares = probabilities(logits, is_exclusive=shots.is_exclusive)
    if shots.is_exclusive:
        answers, labels = logits.argmax(axis=1), targets.argmax(axis=1)
        score = accuracy(answers, labels)
        f1 = macro_f1(answers, labels, num_classes=shots.num_classes)
    else:
        score, f1 = multi_label_map(logits, targets), _multi_label_f1(logits > 0, targets > 0)
    error = _calibration_error(shares, targets, is_exclusive=shots.is_exclusive)
    return Run(name, num_shots, score, f1, error, seconds), fitted


def _sureness(
    fitted: FewShotAdapter, shots: Shots, rows: FloatArray, targets: FloatArray, error_rate: float
) -> dict[str, float]:
    """Calibration error after scaling, and what "unsure" does at the stated rate."""
    held = cross_fitted_logits(type(fitted), shots)
    temperature = fit_temperature(held, shots.targets, is_exclusive=shots.is_exclusive)
    held_shares, shares = (
        probabilities(np.asarray(z / temperature, np.float32), is_exclusive=shots.is_exclusive)
        for z in (held, fitted.logits(rows))
    )
    threshold = conformal_threshold(held_shares, shots.targets, error_rate=error_rate)
    if shots.is_exclusive:
        answers, truth = sure_answers(shares, threshold), targets.argmax(axis=1)
    else:
        answers, truth = sure_labels(shares, threshold), targets.astype(np.int64)
    is_sure = answers != UNSURE
    return {
        "calibrated_error": _calibration_error(shares, targets, is_exclusive=shots.is_exclusive),
        "unsure_share": float(1 - is_sure.mean()),
        "sure_wrong_share": float((is_sure & (answers != truth)).mean()),
    }


def _calibration_error(shares: FloatArray, targets: FloatArray, *, is_exclusive: bool) -> float:
    """Of the first answer's share; in a multi-label group of each class's share."""
    if is_exclusive:
        is_right = shares.argmax(axis=1) == targets.argmax(axis=1)
        return expected_calibration_error(shares.max(axis=1), is_right)
    return expected_calibration_error(shares.ravel(), targets.ravel() > 0)


def _multi_label_f1(answers: NDArray[np.bool_], targets: NDArray[np.bool_]) -> float:
    right = (answers & targets).sum(axis=0)
    totals = answers.sum(axis=0) + targets.sum(axis=0)
    there = totals > 0
    return float((2 * right[there] / totals[there]).mean()) if there.any() else 1.0


def _confusion(fitted: FewShotAdapter, rows: FloatArray, targets: FloatArray) -> NDArray[np.int64]:
    answers = fitted.logits(rows).argmax(axis=1)
    return confusion_matrix(answers, targets.argmax(axis=1), num_classes=targets.shape[1])


def _words(classes: Sequence[str], labels: Path | None, encoder: PictureTextEncoder) -> FloatArray:
    """(C, D) a direction for each class, from its sentences."""
    group = _group(classes, labels)
    sentences = [group.prompts[name] for name in classes]
    embedded = encoder.encode_texts([text for texts in sentences for text in texts])
    ends = np.cumsum([len(texts) for texts in sentences])
    try:
        return class_matrix(np.split(embedded, ends[:-1]))
    except ValueError as exc:
        raise InvalidInputError(f"the sentences of the classes cannot be used: {exc}") from exc


def _group(classes: Sequence[str], labels: Path | None) -> LabelGroup:
    if labels is None:
        shown = [name.replace("_", " ").replace(",", " ").strip() for name in classes]
        spoken = parse_labels(",".join(shown))
        return LabelGroup("labels", dict(zip(classes, spoken.prompts.values(), strict=True)))
    group = load_label_file(labels)[0]
    missing = sorted(set(classes) - set(group.prompts))
    if missing:
        raise InvalidInputError(
            f"{labels.name} has no sentences for {', '.join(missing)}; its labels must be the "
            "names of the folders"
        )
    return group


def _checked_names(adapters: Sequence[str] | None) -> list[str]:
    names = list(ADAPTERS if adapters is None else adapters)
    unknown = [name for name in names if name not in ADAPTERS]
    if unknown:
        raise InvalidInputError(
            f"got adapter {unknown[0]!r}, expected one of {', '.join(ADAPTERS)}"
        )
    return list(dict.fromkeys([*names, DEFAULT_ADAPTER]))


def _check_balance(balance: str, *, multi_label: bool) -> None:
    if balance not in BALANCES:
        raise InvalidInputError(f"got balance {balance!r}, expected {', '.join(BALANCES)}")
    if balance != "weights" and multi_label:
        raise InvalidInputError(
            f"got balance {balance!r} for several labels at once, expected 'weights'"
        )


def _checked_shots(num_shots: Sequence[int], num_seeds: int) -> list[int]:
    shots = sorted(set(num_shots))
    if not shots or shots[0] < 1 or shots[-1] > MAX_SHOTS:
        raise InvalidInputError(f"got {list(num_shots)} shots, expected numbers 1 to {MAX_SHOTS}")
    if not 1 <= num_seeds <= MAX_SEEDS:
        raise InvalidInputError(f"got {num_seeds} seeds, expected 1 to {MAX_SEEDS}")
    return shots


def _check_counts(pictures: PictureSet, most: int) -> None:
    """Refuse classes that cannot give the shots and, without an official test, a test picture."""
    is_shot = np.ones(len(pictures), bool) if pictures.is_test is None else ~pictures.is_test
    needed = most + 1 if pictures.is_test is None else most
    counts = pictures.targets[is_shot].sum(axis=0).astype(int)
    few = [f"{name} ({n})" for name, n in zip(pictures.classes, counts, strict=True) if n < needed]
    if few:
        raise InvalidInputError(
            f"{most} shots need at least {needed} pictures a class, too few in: {', '.join(few)}; "
            "give fewer shots or more pictures"
        )
