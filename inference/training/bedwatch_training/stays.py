"""Prepared stays as tokens, cut into the windows the engine would see."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import contract, utility
from .contract import MAX_HOURS


@dataclass
class Stays:
    """Concatenated stays of one data set."""

    values: np.ndarray
    rows: np.ndarray
    record: np.ndarray
    site: np.ndarray
    split: np.ndarray
    age: np.ndarray
    sex: np.ndarray
    iculos: np.ndarray
    sepsis: np.ndarray
    deterioration: np.ndarray

    @classmethod
    def load(cls, path: Path) -> "Stays":
        with np.load(path) as z:
            return cls(**{k: z[k] for k in cls.__dataclass_fields__})

    def pick(self, keep: np.ndarray) -> "Stays":
        """The stays with keep[stay] true."""
        by_row = np.repeat(keep, self.rows)
        per_stay = ("rows", "record", "site", "split")
        return Stays(**{k: getattr(self, k)[keep if k in per_stay else by_row] for k in self.__dataclass_fields__})

    @property
    def starts(self) -> np.ndarray:
        """First row of each stay."""
        return np.cumsum(self.rows) - self.rows

    def tokens(self, mean, sd) -> np.ndarray:
        starts = np.repeat(self.starts, self.rows)
        return contract.tokens(self.values, starts, self.age, self.sex, self.iculos, mean, sd)

    def targets(self) -> np.ndarray:
        """[N, 4]: sepsis target and weight, deterioration target and weight (weight 0 = masked).

        Sepsis is weighted by the utility it decides: |U(alarm) - U(silence)|,
        about 1 on average. Hours past onset + 3, where the challenge's utility
        is indifferent, keep a little weight so that the risk does not fall there.
        """
        out = np.zeros((len(self.sepsis), 4), dtype=np.float32)
        if (self.sepsis >= 0).all():
            one, zero, _ = utility.table(self.sepsis, self.rows)
            gain = one - zero
            out[:, 0] = (gain > 0) | ((gain == 0) & (self.sepsis == 1))
            out[:, 1] = np.where(gain == 0, 0.05, np.abs(gain)) / 0.075
        known = self.deterioration >= 0
        out[:, 2] = known & (self.deterioration == 1)
        out[:, 3] = known
        return out


def training_windows(stays: Stays, rng: np.random.Generator) -> np.ndarray:
    """[W, 3] of (first row, length, first position whose loss counts).

    A stay's first 48 hours are one window; later hours are covered by full
    windows of which only the later half counts, since the engine always sees
    48 hours of past there.
    """
    out = []
    for start, rows in zip(stays.starts, stays.rows):
        out.append((start, min(rows, MAX_HOURS), 0))
        end = MAX_HOURS + int(rng.integers(1, 25))
        while end - 24 < rows and rows > MAX_HOURS:
            stop = min(end, rows)
            out.append((start + stop - MAX_HOURS, MAX_HOURS, MAX_HOURS - (stop - (end - 24))))
            end += 24
    return np.array(out)


def batches(windows: np.ndarray, size: int, rng: np.random.Generator):
    """Batches of windows of about equal length, in random order."""
    order = np.argsort(windows[:, 1] + rng.random(len(windows)) * 4, kind="stable")
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    for g in rng.permutation(len(groups)):
        yield windows[groups[g]]


def serving_windows(stays: Stays) -> np.ndarray:
    """[W, 4] of (first row, length, first position to keep, rows kept): exactly what the engine computes per hour."""
    out = []
    for start, rows in zip(stays.starts, stays.rows):
        out.append((start, min(rows, MAX_HOURS), 0))
        out += [(start + e - MAX_HOURS, MAX_HOURS, MAX_HOURS - 1) for e in range(MAX_HOURS + 1, rows + 1)]
    return np.array(out)
