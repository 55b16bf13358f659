"""What a few-shot evaluation found: learning curves, calibration, confusions; as text and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.classification_metrics import mean_interval
from eval.table import Column, Table

__all__ = ["FewShotReport", "Run"]

_CONFUSIONS = 5


@dataclass(frozen=True)
class Run:
    """One adapter, fitted on one draw of shots.

    Attributes:
        adapter: its name.
        num_shots: a class.
        score: accuracy, or mAP of a multi-label set, in [0, 1].
        macro_f1: in [0, 1].
        calibration_error: of the adapter's own shares.
        seconds: of the fit.
        calibrated_error: after temperature scaling from the shots.
        unsure_share: of the test that gets no answer at the stated rate.
        sure_wrong_share: of the test that gets a sure wrong answer.
    """

    adapter: str
    num_shots: int
    score: float
    macro_f1: float
    calibration_error: float
    seconds: float
    calibrated_error: float | None = None
    unsure_share: float | None = None
    sure_wrong_share: float | None = None

    def with_sureness(
        self, *, calibrated_error: float, unsure_share: float, sure_wrong_share: float
    ) -> "Run":
        """The same run with the measures of sureness."""
        return replace(
            self,
            calibrated_error=calibrated_error,
            unsure_share=unsure_share,
            sure_wrong_share=sure_wrong_share,
        )


@dataclass(frozen=True, eq=False)
class FewShotReport:
    """All runs over one data set."""

    data: str
    encoder: str
    classes: tuple[str, ...]
    num_pictures: int
    is_exclusive: bool
    error_rate: float
    default: str
    runs: tuple[Run, ...]
    confusion: NDArray[np.int64] | None
    """(C, C) of the default at the largest number of shots, over all seeds: rows are labels."""

    @property
    def adapters(self) -> tuple[str, ...]:
        """In the order of their mean score, best first."""
        names = dict.fromkeys(run.adapter for run in self.runs)
        means = {n: np.mean([run.score for run in self.runs if run.adapter == n]) for n in names}
        return tuple(sorted(names, key=lambda name: -means[name]))

    @property
    def num_shots(self) -> tuple[int, ...]:
        """Rising."""
        return tuple(sorted({run.num_shots for run in self.runs}))

    def scores(self, adapter: str, num_shots: int) -> list[float]:
        """The score of each seed, in the order of the seeds, per cent."""
        return [
            100 * run.score
            for run in self.runs
            if run.adapter == adapter and run.num_shots == num_shots
        ]

    def behind(self, num_shots: int) -> tuple[str, float, float]:
        """How far the default is behind the best adapter at a number of shots.

        Returns:
            The best one's name, the mean of its lead over the default seed by seed in points, and
            half the 95 % interval of that lead; the default itself with 0 where it is the best.
        """
        means = {name: np.mean(self.scores(name, num_shots)) for name in self.adapters}
        best = max(means, key=lambda name: (means[name], name == self.default))
        pairs = zip(self.scores(best, num_shots), self.scores(self.default, num_shots), strict=True)
        lead, half = mean_interval([first - second for first, second in pairs])
        return best, lead, half

    def text(self) -> str:
        """Tables for a terminal."""
        parts = [self._curves().text(), self._sureness().text()]
        if self.confusion is not None:
            parts.append("\n".join(self._confusions()))
        return "\n\n\n".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """Raw numbers for JSON, in [0, 1]; intervals are halves of 95 %."""
        rows = []
        for name in self.adapters:
            for count in self.num_shots:
                mean, half = mean_interval(self.scores(name, count))
                chosen = self._chosen(name, count)
                rows.append(
                    {
                        "adapter": name,
                        "shots": count,
                        "score": mean / 100,
                        "interval": half / 100,
                        "macro_f1": _mean([run.macro_f1 for run in chosen]),
                        "calibration_error": _mean([run.calibration_error for run in chosen]),
                        "calibrated_error": _mean([run.calibrated_error for run in chosen]),
                        "unsure_share": _mean([run.unsure_share for run in chosen]),
                        "sure_wrong_share": _mean([run.sure_wrong_share for run in chosen]),
                        "seconds": _mean([run.seconds for run in chosen]),
                    }
                )
        return {
            "data": self.data,
            "encoder": self.encoder,
            "classes": list(self.classes),
            "num_pictures": self.num_pictures,
            "measure": "accuracy" if self.is_exclusive else "mAP",
            "error_rate": self.error_rate,
            "default": self.default,
            "rows": rows,
            "confusion": None if self.confusion is None else self.confusion.tolist(),
        }

    def _chosen(self, adapter: str, num_shots: int) -> list[Run]:
        return [run for run in self.runs if (run.adapter, run.num_shots) == (adapter, num_shots)]

    def _curves(self) -> Table:
        columns = [Column("adapter", "Adapter")]
        columns += [Column(str(n), f"{n} shot{'s' * (n > 1)}") for n in self.num_shots]
        columns += [Column("mean", "Mean", ".1f"), Column("seconds", "Fit s", ".2f")]
        rows = [self._curve(name) for name in self.adapters]
        measure = "accuracy" if self.is_exclusive else "mAP"
        num_seeds = len(self.scores(self.default, self.num_shots[0]))
        return Table(
            f"Few-shot {measure} in %, mean ± 95 % interval over {num_seeds} seeds: {self.data}, "
            f"{len(self.classes)} classes, {self.num_pictures} pictures",
            tuple(columns),
            tuple(rows),
            (f"Encoder {self.encoder}. No validation set.", self._verdict()),
        )

    def _curve(self, name: str) -> tuple[str | float, ...]:
        cells = [mean_interval(self.scores(name, n)) for n in self.num_shots]
        seconds = _mean([run.seconds for run in self.runs if run.adapter == name])
        mean = float(np.mean([cell[0] for cell in cells]))
        shown = [f"{value:.1f} ± {half:.1f}" for value, half in cells]
        return (name, *shown, mean, seconds or 0.0)

    def _verdict(self) -> str:
        pieces = []
        for count in self.num_shots:
            best, lead, half = self.behind(count)
            is_noise = lead <= half
            word = "first" if best == self.default else (
                f"{lead:.1f} ± {half:.1f} behind {best}" + (" (noise)" if is_noise else "")
            )  # fmt: skip
            pieces.append(f"{count}: {word}")
        return f"{self.default}, by shots: {'; '.join(pieces)}."

    def _sureness(self) -> Table:
        columns = (
            Column("shots", "Shots"),
            Column("score", "Accuracy %" if self.is_exclusive else "mAP %", ".1f"),
            Column("macro_f1", "Macro-F1 %", ".1f"),
            Column("raw", "ECE raw %", ".1f"),
            Column("scaled", "ECE scaled %", ".1f"),
            Column("unsure", "Unsure %", ".1f"),
            Column("wrong", "Sure and wrong %", ".1f"),
        )
        rows = []
        for count in self.num_shots:
            chosen = self._chosen(self.default, count)
            values: list[list[float | None]] = [
                [run.score for run in chosen],
                [run.macro_f1 for run in chosen],
                [run.calibration_error for run in chosen],
                [run.calibrated_error for run in chosen],
                [run.unsure_share for run in chosen],
                [run.sure_wrong_share for run in chosen],
            ]
            rows.append((count, *(_percent(one) for one in values)))
        return Table(
            f"{self.default}: how sure, at a stated error rate of {100 * self.error_rate:g} %",
            columns,
            tuple(rows),
        )

    def _confusions(self) -> list[str]:
        """The pairs that are confused most, at the largest number of shots."""
        assert self.confusion is not None
        shares = self.confusion / np.maximum(self.confusion.sum(axis=1, keepdims=True), 1)
        np.fill_diagonal(shares, 0)
        order = np.argsort(-shares, axis=None, kind="stable")[:_CONFUSIONS]
        pairs = [np.unravel_index(place, shares.shape) for place in order]
        return [f"Taken for another most often, at {self.num_shots[-1]} shots:"] + [
            f"  {self.classes[label]} for {self.classes[answer]}: "
            f"{100 * shares[label, answer]:.0f} %"
            for label, answer in pairs
            if shares[label, answer] > 0
        ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _percent(values: Sequence[float | None]) -> float | None:
    mean = _mean(values)
    return None if mean is None else 100 * mean
