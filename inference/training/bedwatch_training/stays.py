"""Stays as arrays, as tokens, and cut into the windows the engine would see."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import contract, splits, utility
from .contract import MAX_HOURS, Person

PER_STAY = ("rows", "record", "site", "split", "death")


@dataclass
class Stays:
    """Concatenated stays of one data set: [N, S] values in the engine's units, [N] per hour, [M] per stay."""

    values: np.ndarray
    rows: np.ndarray
    record: np.ndarray
    site: np.ndarray
    split: np.ndarray
    age_years: np.ndarray
    sex: np.ndarray
    hours_since_admission: np.ndarray
    hours_before_icu: np.ndarray
    unit: np.ndarray
    sepsis: np.ndarray  # per hour; -1 where there is no label
    deterioration: np.ndarray
    death: np.ndarray  # per stay

    @classmethod
    def load(cls, path: Path) -> "Stays":
        with np.load(path) as z:
            return cls(**{k: z[k] for k in cls.__dataclass_fields__})

    def save(self, path: Path):
        np.savez(path, **{k: getattr(self, k) for k in self.__dataclass_fields__})

    def pick(self, keep: np.ndarray) -> "Stays":
        """The stays with keep[stay] true."""
        by_row = np.repeat(keep, self.rows)
        return Stays(**{k: getattr(self, k)[keep if k in PER_STAY else by_row] for k in self.__dataclass_fields__})

    def of(self, *splits: str) -> "Stays":
        """The stays of these splits."""
        return self.pick(np.isin(self.split, splits))

    @property
    def fold(self) -> np.ndarray:
        """The fold [M] of each stay, by its record's name."""
        return np.array([splits.fold_of(r) for r in self.record])

    @property
    def starts(self) -> np.ndarray:
        """First row of each stay."""
        return np.cumsum(self.rows) - self.rows

    @property
    def ends(self) -> np.ndarray:
        """Last row of each stay."""
        return np.cumsum(self.rows) - 1

    @property
    def labelled(self) -> np.ndarray:
        """Hours [N] that say whether there is sepsis. A stay's hours before its record begins do not."""
        return self.sepsis >= 0

    def hours(self, keep: np.ndarray) -> "Stays":
        """The same stays with the hours of keep [N] alone; each must keep one."""
        rows = np.add.reduceat(keep.astype(np.int32), self.starts)
        part = {k: getattr(self, k) if k in PER_STAY else getattr(self, k)[keep] for k in self.__dataclass_fields__}
        return Stays(**part | {"rows": rows})

    @property
    def site_by_row(self) -> np.ndarray:
        return np.repeat(self.site, self.rows)

    def tokens(self, mean, sd) -> np.ndarray:
        starts = np.repeat(self.starts, self.rows)
        person = Person(self.age_years, self.sex, self.hours_since_admission, self.hours_before_icu, self.unit)
        return contract.tokens(self.values, starts, person, mean, sd)

    def sepsis_target(self) -> tuple[np.ndarray, np.ndarray]:
        """(target, weight) of each hour.

        The target says whether an alarm gains utility; the weight is the
        utility it decides, |U(alarm) - U(silence)|, about 1 on average. Hours
        past onset + 3, where the challenge's utility is indifferent, keep a
        little weight so that the risk does not fall there.
        """
        one, zero, _ = utility.table(self.sepsis, self.rows)
        gain = one - zero
        target = (gain > 0) | ((gain == 0) & (self.sepsis == 1))
        weight = np.where(gain == 0, 0.05, np.abs(gain)) / 0.075 * self.labelled
        return target.astype(np.float32), weight.astype(np.float32)

    def death_target(self) -> tuple[np.ndarray, np.ndarray]:
        """(target, weight) of each hour: the stay's outcome, weighing more the later the hour (0.05 at admission, 1 at two days)."""
        known = np.repeat(self.death >= 0, self.rows)
        late = np.clip(self.hours_since_admission / 48.0, 0.05, 1.0) ** 2
        return np.repeat(self.death == 1, self.rows).astype(np.float32), (known * late).astype(np.float32)


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


def serving_windows(stays: Stays, stride=1) -> np.ndarray:
    """[W, 3] of (first row, length, first position to keep): what the engine computes for each hour.

    With a stride above 1, a window past the first 48 hours speaks for its last
    `stride` hours, which then see that much less of the past: a good deal
    faster, for choosing and calibrating; reported figures come from the engine.
    """
    out = []
    for start, rows in zip(stays.starts, stays.rows):
        out.append((start, min(rows, MAX_HOURS), 0))
        for end in range(MAX_HOURS + stride, rows + stride, stride):
            end = min(end, rows)
            if rows > MAX_HOURS:
                out.append((start + end - MAX_HOURS, MAX_HOURS, MAX_HOURS - stride))
    return np.array(out)
